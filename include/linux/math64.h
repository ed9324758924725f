/* SPDX-License-Identifier: GPL-2.0 */
/* 64-bit division and multiplication. */
#ifndef _SHIM_LINUX_MATH64_H
#define _SHIM_LINUX_MATH64_H

#include <linux/math.h>
#include <linux/types.h>

static inline u64 div_u64(u64 n, u32 d)
{
	return n / d;
}

static inline s64 div_s64(s64 n, s32 d)
{
	return n / d;
}

static inline u64 div_u64_rem(u64 n, u32 d, u32 *rem)
{
	*rem = n % d;
	return n / d;
}

static inline s64 div_s64_rem(s64 n, s32 d, s32 *rem)
{
	*rem = n % d;
	return n / d;
}

static inline u64 div64_u64(u64 n, u64 d)
{
	return n / d;
}

static inline s64 div64_s64(s64 n, s64 d)
{
	return n / d;
}

static inline u64 div64_u64_rem(u64 n, u64 d, u64 *rem)
{
	*rem = n % d;
	return n / d;
}

static inline u64 mul_u64_u32_shr(u64 a, u32 m, unsigned int shift)
{
	return (u64) (((unsigned __int128) a * m) >> shift);
}

static inline u64 mul_u64_u64_shr(u64 a, u64 m, unsigned int shift)
{
	return (u64) (((unsigned __int128) a * m) >> shift);
}

static inline u64 mul_u64_u64_div_u64(u64 a, u64 m, u64 d)
{
	return (u64) ((unsigned __int128) a * m / d);
}

#define div64_ul(n, d)		div64_u64((n), (d))
#define div64_long(n, d)	div64_s64((n), (d))
#define DIV64_U64_ROUND_UP(n, d) ({ \
	u64 shim_dd_ = (d); \
	div64_u64((n) + shim_dd_ - 1, shim_dd_); \
})
/* n becomes the quotient, the value is the remainder. */
#define do_div(n, d) ({ \
	u32 shim_dr_ = (u64) (n) % (u32) (d); \
	(n) = (u64) (n) / (u32) (d); \
	shim_dr_; \
})

#endif /* _SHIM_LINUX_MATH64_H */
