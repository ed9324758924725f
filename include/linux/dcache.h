/* SPDX-License-Identifier: GPL-2.0 */
/* A name with its length. */
#ifndef _SHIM_LINUX_DCACHE_H
#define _SHIM_LINUX_DCACHE_H

#include <linux/types.h>

struct qstr {
	union {
		struct {
			u32	hash;
			u32	len;
		};
		u64		hash_len;
	};
	const unsigned char	*name;
};

#define QSTR_INIT(n, l)	{ { { .len = (l) } }, .name = (const unsigned char *) (n) }

#endif /* _SHIM_LINUX_DCACHE_H */
