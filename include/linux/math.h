/* SPDX-License-Identifier: GPL-2.0 */
/* Rounding and small integer arithmetic. */
#ifndef _SHIM_LINUX_MATH_H
#define _SHIM_LINUX_MATH_H

#include <linux/types.h>

#define round_mask_(x, y)	((typeof(x)) ((y) - 1))
/* y: a power of two */
#define round_up(x, y)		((((x) - 1) | round_mask_(x, y)) + 1)
#define round_down(x, y)	((x) & ~round_mask_(x, y))

#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define DIV_ROUND_DOWN_ULL(n, d) ((unsigned long long) (n) / (d))
#define DIV_ROUND_UP_ULL(n, d)	(((unsigned long long) (n) + (d) - 1) / (d))
#define DIV_ROUND_UP_SECTOR_T(n, d) DIV_ROUND_UP_ULL(n, d)
#define DIV_ROUND_CLOSEST(x, d) ({ \
	typeof(x) shim_x_ = (x); \
	typeof(d) shim_d_ = (d); \
	((shim_x_ < 0) == (shim_d_ < 0)) ? (shim_x_ + shim_d_ / 2) / shim_d_ \
					 : (shim_x_ - shim_d_ / 2) / shim_d_; \
})

#define roundup(x, y) ({ \
	typeof(y) shim_y_ = (y); \
	(((x) + (shim_y_ - 1)) / shim_y_) * shim_y_; \
})
#define rounddown(x, y) ({ \
	typeof(x) shim_x_ = (x); \
	shim_x_ - (shim_x_ % (y)); \
})

#ifndef abs
#define abs(x) ({ \
	typeof((x) + 0) shim_abs_ = (x); \
	shim_abs_ < 0 ? -shim_abs_ : shim_abs_; \
})
#endif
#define abs_diff(a, b) ({ \
	typeof(a) shim_da_ = (a); \
	typeof(b) shim_db_ = (b); \
	shim_da_ > shim_db_ ? shim_da_ - shim_db_ : shim_db_ - shim_da_; \
})

#define mult_frac(x, n, d) ({ \
	typeof(x) shim_mx_ = (x); \
	typeof(n) shim_mn_ = (n); \
	typeof(d) shim_md_ = (d); \
	(shim_mx_ / shim_md_) * shim_mn_ + (shim_mx_ % shim_md_) * shim_mn_ / shim_md_; \
})
#define sector_div(a, b) ({ \
	u32 shim_rem_ = (a) % (u32) (b); \
	(a) /= (u32) (b); \
	shim_rem_; \
})

static inline u32 reciprocal_scale(u32 val, u32 ep_ro)
{
	return (u32) (((u64) val * ep_ro) >> 32);
}

unsigned long int_sqrt(unsigned long x);

#endif /* _SHIM_LINUX_MATH_H */
