/* SPDX-License-Identifier: GPL-2.0 */
/* Smaller, larger, in between. */
#ifndef _SHIM_LINUX_MINMAX_H
#define _SHIM_LINUX_MINMAX_H

#include <linux/build_bug.h>
#include <linux/types.h>

#define SHIM_PICK(op, a, b) ({ \
	__auto_type shim_a_ = (a); \
	__auto_type shim_b_ = (b); \
	shim_a_ op shim_b_ ? shim_a_ : shim_b_; \
})
#define SHIM_PICK_T(op, type, a, b) ({ \
	type shim_a_ = (a); \
	type shim_b_ = (b); \
	shim_a_ op shim_b_ ? shim_a_ : shim_b_; \
})

#define min(a, b)		SHIM_PICK(<, a, b)
#define max(a, b)		SHIM_PICK(>, a, b)
#define min_t(type, a, b)	SHIM_PICK_T(<, type, a, b)
#define max_t(type, a, b)	SHIM_PICK_T(>, type, a, b)
#define umin(a, b)		min_t(u64, a, b)
#define umax(a, b)		max_t(u64, a, b)
#define min3(a, b, c)		min((typeof(a)) min(a, b), c)
#define max3(a, b, c)		max((typeof(a)) max(a, b), c)
#define min_not_zero(a, b) ({ \
	typeof(a) shim_na_ = (a); \
	typeof(b) shim_nb_ = (b); \
	shim_na_ == 0 ? shim_nb_ : shim_nb_ == 0 ? shim_na_ : min(shim_na_, shim_nb_); \
})

/* The constant forms, for array sizes and static data. */
#undef MIN
#undef MAX
#define MIN(a, b)		((a) < (b) ? (a) : (b))
#define MAX(a, b)		((a) > (b) ? (a) : (b))
#define MIN_T(type, a, b)	MIN((type) (a), (type) (b))
#define MAX_T(type, a, b)	MAX((type) (a), (type) (b))

#define clamp_t(type, v, lo, hi) ({ \
	type shim_v_ = (v), shim_lo_ = (lo), shim_hi_ = (hi); \
	shim_v_ < shim_lo_ ? shim_lo_ : shim_v_ > shim_hi_ ? shim_hi_ : shim_v_; \
})
#define clamp(v, lo, hi)	clamp_t(typeof(v), v, lo, hi)
#define clamp_val(v, lo, hi)	clamp_t(typeof(v), v, lo, hi)

#define in_range(v, start, len) ({ \
	u64 shim_s_ = (start); \
	(u64) (v) >= shim_s_ && (u64) (v) - shim_s_ < (u64) (len); \
})

#define swap(a, b) do { \
	typeof(a) shim_tmp_ = (a); \
	(a) = (b); \
	(b) = shim_tmp_; \
} while (0)

#endif /* _SHIM_LINUX_MINMAX_H */
