/* SPDX-License-Identifier: GPL-2.0 */
/* Powers of two. */
#ifndef _SHIM_LINUX_LOG2_H
#define _SHIM_LINUX_LOG2_H

#include <linux/bitops.h>
#include <linux/types.h>

/* floor(log2(n)); -1 for 0 where not constant. */
#define ilog2(n) \
	((int) (__builtin_constant_p(n) ? ((n) < 2 ? 0 : 63 - __builtin_clzll((u64) (n) | 1)) \
					: fls64((u64) (n)) - 1))

static inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

static inline unsigned long shim_pow2_up(unsigned long n)
{
	return n <= 1 ? 1 : 1UL << fls64(n - 1);
}

static inline unsigned long shim_pow2_down(unsigned long n)
{
	return 1UL << (fls64(n) - 1);
}

#define roundup_pow_of_two(n) \
	(__builtin_constant_p(n) ? ((n) <= 1 ? 1UL : 1UL << (64 - __builtin_clzll((u64) (n) - 1))) \
				 : shim_pow2_up(n))
#define rounddown_pow_of_two(n)	shim_pow2_down(n)

static inline int order_base_2(unsigned long n)
{
	return n > 1 ? fls64(n - 1) : 0;
}

#endif /* _SHIM_LINUX_LOG2_H */
