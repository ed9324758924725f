/* SPDX-License-Identifier: GPL-2.0 */
/* P and Q parity: disks 0..n-3 are data, then P, then Q. */
#ifndef _SHIM_LINUX_RAID_PQ_H
#define _SHIM_LINUX_RAID_PQ_H

#include <linux/types.h>

struct raid6_calls {
	void		(*gen_syndrome)(int disks, size_t bytes, void **ptrs);
	const char	*name;
};

extern struct raid6_calls raid6_call;

/* Rebuild in place; the index of data disks counts from 0, faila < failb. */
extern void (*raid6_2data_recov)(int disks, size_t bytes, int faila, int failb, void **ptrs);
extern void (*raid6_datap_recov)(int disks, size_t bytes, int faila, void **ptrs);

#endif /* _SHIM_LINUX_RAID_PQ_H */
