/* SPDX-License-Identifier: GPL-2.0 */
/* Reference counts that complain about going from or below zero. */
#ifndef _SHIM_LINUX_REFCOUNT_H
#define _SHIM_LINUX_REFCOUNT_H

#include <linux/atomic.h>
#include <linux/bug.h>

typedef struct refcount_struct {
	atomic_t	refs;
} refcount_t;

#define REFCOUNT_INIT(n)	{ .refs = ATOMIC_INIT(n) }

static inline void refcount_set(refcount_t *r, int n)
{
	atomic_set(&r->refs, n);
}

static inline unsigned int refcount_read(const refcount_t *r)
{
	return atomic_read(&r->refs);
}

static inline bool __must_check refcount_inc_not_zero(refcount_t *r)
{
	return atomic_inc_not_zero(&r->refs);
}

static inline void refcount_add(int n, refcount_t *r)
{
	WARN_ON_ONCE(atomic_fetch_add(n, &r->refs) <= 0);
}

static inline void refcount_inc(refcount_t *r)
{
	refcount_add(1, r);
}

static inline bool __must_check refcount_sub_and_test(int n, refcount_t *r)
{
	int left = atomic_sub_return(n, &r->refs);

	WARN_ON_ONCE(left < 0);
	return !left;
}

static inline bool __must_check refcount_dec_and_test(refcount_t *r)
{
	return refcount_sub_and_test(1, r);
}

static inline void refcount_dec(refcount_t *r)
{
	WARN_ON_ONCE(atomic_sub_return(1, &r->refs) <= 0);
}

#endif /* _SHIM_LINUX_REFCOUNT_H */
