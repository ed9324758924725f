/* SPDX-License-Identifier: GPL-2.0 */
/* Test hooks: consulted before every request and every allocation. */
#ifndef _SHIM_SHIM_FAULTS_H
#define _SHIM_SHIM_FAULTS_H

#include <linux/blk_types.h>
#include <linux/types.h>

struct shim_fault_hooks {
	/* BLK_STS_OK lets the request through, anything else ends it with that status. */
	blk_status_t	(*bio)(struct bio *bio, void *arg);
	/* True makes the allocation fail (never asked for __GFP_NOFAIL). */
	bool		(*alloc)(size_t size, gfp_t gfp, void *arg);
	void		*arg;
};

/* @hooks stays the caller's and is read until replaced; NULL takes the hooks away. */
void shim_set_fault_hooks(const struct shim_fault_hooks *hooks);

#endif /* _SHIM_SHIM_FAULTS_H */
