/* SPDX-License-Identifier: GPL-2.0 */
/* Single bits and masks. */
#ifndef _SHIM_LINUX_BITS_H
#define _SHIM_LINUX_BITS_H

#include <linux/const.h>
#include <linux/types.h>

#define BITS_PER_BYTE		8
#define BITS_PER_LONG		64
#define BITS_PER_LONG_LONG	64
#define BITS_PER_TYPE(t)	(sizeof(t) * BITS_PER_BYTE)

#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define BIT_MASK(n)		(1UL << ((n) % BITS_PER_LONG))
#define BIT_WORD(n)		((n) / BITS_PER_LONG)
#define BIT_ULL_MASK(n)		(1ULL << ((n) % BITS_PER_LONG_LONG))
#define BIT_ULL_WORD(n)		((n) / BITS_PER_LONG_LONG)

#define GENMASK(hi, lo)		((~0UL >> (BITS_PER_LONG - 1 - (hi))) & (~0UL << (lo)))
#define GENMASK_ULL(hi, lo) \
	((~0ULL >> (BITS_PER_LONG_LONG - 1 - (hi))) & (~0ULL << (lo)))

#endif /* _SHIM_LINUX_BITS_H */
