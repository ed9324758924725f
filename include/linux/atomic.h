/* SPDX-License-Identifier: GPL-2.0 */
/* Atomic integers over the compiler's C11 builtins. */
#ifndef _SHIM_LINUX_ATOMIC_H
#define _SHIM_LINUX_ATOMIC_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/barrier.h>

#define ATOMIC_INIT(v)		{ (v) }
#define ATOMIC64_INIT(v)	{ (v) }
#define ATOMIC_LONG_INIT(v)	{ (v) }

#define SHIM_RLX __ATOMIC_RELAXED
#define SHIM_SEQ __ATOMIC_SEQ_CST

/*
 * One set of operations per type. Those that return nothing are relaxed, those that return a
 * value are fully ordered unless their name says otherwise.
 */
#define SHIM_ATOMIC(P, T, V) \
static inline V P##_read(const T *v) { return __atomic_load_n(&v->counter, SHIM_RLX); } \
static inline V P##_read_acquire(const T *v) \
{ \
	return __atomic_load_n(&v->counter, __ATOMIC_ACQUIRE); \
} \
static inline void P##_set(T *v, V i) { __atomic_store_n(&v->counter, i, SHIM_RLX); } \
static inline void P##_set_release(T *v, V i) \
{ \
	__atomic_store_n(&v->counter, i, __ATOMIC_RELEASE); \
} \
static inline V P##_xchg(T *v, V i) { return __atomic_exchange_n(&v->counter, i, SHIM_SEQ); } \
static inline bool P##_try_cmpxchg(T *v, V *old, V new_v) \
{ \
	return __atomic_compare_exchange_n(&v->counter, old, new_v, false, SHIM_SEQ, SHIM_RLX); \
} \
static inline bool P##_try_cmpxchg_acquire(T *v, V *old, V new_v) \
{ \
	return __atomic_compare_exchange_n(&v->counter, old, new_v, false, \
					   __ATOMIC_ACQUIRE, SHIM_RLX); \
} \
static inline V P##_cmpxchg(T *v, V old, V new_v) \
{ \
	P##_try_cmpxchg(v, &old, new_v); \
	return old; \
} \
static inline V P##_cmpxchg_acquire(T *v, V old, V new_v) \
{ \
	P##_try_cmpxchg_acquire(v, &old, new_v); \
	return old; \
} \
static inline void P##_add(V i, T *v) { __atomic_fetch_add(&v->counter, i, SHIM_RLX); } \
static inline void P##_sub(V i, T *v) { __atomic_fetch_sub(&v->counter, i, SHIM_RLX); } \
static inline void P##_inc(T *v) { P##_add(1, v); } \
static inline void P##_dec(T *v) { P##_sub(1, v); } \
static inline void P##_and(V i, T *v) { __atomic_fetch_and(&v->counter, i, SHIM_RLX); } \
static inline void P##_or(V i, T *v) { __atomic_fetch_or(&v->counter, i, SHIM_RLX); } \
static inline void P##_xor(V i, T *v) { __atomic_fetch_xor(&v->counter, i, SHIM_RLX); } \
static inline V P##_fetch_add(V i, T *v) { return __atomic_fetch_add(&v->counter, i, SHIM_SEQ); } \
static inline V P##_fetch_sub(V i, T *v) { return __atomic_fetch_sub(&v->counter, i, SHIM_SEQ); } \
static inline V P##_fetch_inc(T *v) { return P##_fetch_add(1, v); } \
static inline V P##_fetch_and(V i, T *v) { return __atomic_fetch_and(&v->counter, i, SHIM_SEQ); } \
static inline V P##_fetch_or(V i, T *v) { return __atomic_fetch_or(&v->counter, i, SHIM_SEQ); } \
static inline V P##_add_return(V i, T *v) { return __atomic_add_fetch(&v->counter, i, SHIM_SEQ); } \
static inline V P##_sub_return(V i, T *v) { return __atomic_sub_fetch(&v->counter, i, SHIM_SEQ); } \
static inline V P##_inc_return(T *v) { return P##_add_return(1, v); } \
static inline V P##_dec_return(T *v) { return P##_sub_return(1, v); } \
static inline V P##_sub_return_release(V i, T *v) \
{ \
	return __atomic_sub_fetch(&v->counter, i, __ATOMIC_RELEASE); \
} \
static inline V P##_inc_return_acquire(T *v) \
{ \
	return __atomic_add_fetch(&v->counter, 1, __ATOMIC_ACQUIRE); \
} \
static inline bool P##_sub_and_test(V i, T *v) { return !P##_sub_return(i, v); } \
static inline bool P##_dec_and_test(T *v) { return !P##_sub_return(1, v); } \
static inline bool P##_inc_and_test(T *v) { return !P##_add_return(1, v); } \
static inline bool P##_add_negative(V i, T *v) { return P##_add_return(i, v) < 0; } \
static inline V P##_fetch_add_unless(T *v, V a, V unless) \
{ \
	V old = P##_read(v); \
	while (old != unless && !P##_try_cmpxchg(v, &old, old + a)) \
		; \
	return old; \
} \
static inline bool P##_add_unless(T *v, V a, V unless) \
{ \
	return P##_fetch_add_unless(v, a, unless) != unless; \
} \
static inline bool P##_inc_not_zero(T *v) { return P##_add_unless(v, 1, 0); } \
static inline V P##_dec_if_positive(T *v) \
{ \
	V old = P##_read(v); \
	while (old > 0 && !P##_try_cmpxchg(v, &old, old - 1)) \
		; \
	return old - 1; \
}

SHIM_ATOMIC(atomic, atomic_t, int)
SHIM_ATOMIC(atomic64, atomic64_t, s64)
SHIM_ATOMIC(atomic_long, atomic_long_t, long)

/* On plain words. */
#define xchg(p, v)		__atomic_exchange_n((p), (v), SHIM_SEQ)
#define cmpxchg(p, o, n) ({ \
	typeof(*(p)) shim_co_ = (o); \
	__atomic_compare_exchange_n((p), &shim_co_, (n), false, SHIM_SEQ, SHIM_RLX); \
	shim_co_; \
})
#define try_cmpxchg(p, po, n) \
	__atomic_compare_exchange_n((p), (po), (n), false, SHIM_SEQ, SHIM_RLX)
#define cmpxchg64(p, o, n)	cmpxchg(p, o, n)
#define cmpxchg_acquire(p, o, n)	cmpxchg(p, o, n)
#define cmpxchg_release(p, o, n)	cmpxchg(p, o, n)
#define xchg_release(p, v)		xchg(p, v)
#define xchg_acquire(p, v)		xchg(p, v)
#define try_cmpxchg64(p, po, n)		try_cmpxchg(p, po, n)

#endif /* _SHIM_LINUX_ATOMIC_H */
