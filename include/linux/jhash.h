/* SPDX-License-Identifier: GPL-2.0 */
/* Hashing of keys for tables in memory. */
#ifndef _SHIM_LINUX_JHASH_H
#define _SHIM_LINUX_JHASH_H

#include <linux/types.h>

u32 jhash(const void *key, u32 length, u32 initval);

static inline u32 jhash2(const u32 *k, u32 length, u32 initval)
{
	return jhash(k, length * sizeof(u32), initval);
}

static inline u32 jhash_2words(u32 a, u32 b, u32 initval)
{
	u32 k[2] = { a, b };

	return jhash(k, sizeof(k), initval);
}

static inline u32 jhash_1word(u32 a, u32 initval)
{
	return jhash(&a, sizeof(a), initval);
}

#endif /* _SHIM_LINUX_JHASH_H */
