/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory barriers, as C11 fences (an atomic read-modify-write where a sanitizer cannot see
 * fences).
 */
#ifndef _SHIM_ASM_BARRIER_H
#define _SHIM_ASM_BARRIER_H

#define barrier()		__asm__ __volatile__("" : : : "memory")

#if defined(__SANITIZE_THREAD__)
#define SHIM_TSAN		1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHIM_TSAN		1
#endif
#endif

#ifdef SHIM_TSAN
extern int shim_fence_word;
#define smp_mb()	((void) __atomic_fetch_add(&shim_fence_word, 0, __ATOMIC_SEQ_CST))
#else
#define smp_mb()	__atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif
#define smp_rmb()	smp_mb()
#define smp_wmb()	smp_mb()
#define mb()		smp_mb()
#define rmb()		smp_mb()
#define wmb()		smp_mb()
#define smp_mb__before_atomic()	smp_mb()
#define smp_mb__after_atomic()	smp_mb()
#define smp_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define smp_store_mb(var, v)	do { WRITE_ONCE(var, v); smp_mb(); } while (0)

#endif /* _SHIM_ASM_BARRIER_H */
