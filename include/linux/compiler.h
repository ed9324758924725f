/* SPDX-License-Identifier: GPL-2.0 */
/* Branch hints, single-copy memory accesses and barriers for the compiler. */
#ifndef _SHIM_LINUX_COMPILER_H
#define _SHIM_LINUX_COMPILER_H

#include <linux/compiler_types.h>
#include <asm/barrier.h>

#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#ifndef unreachable
#define unreachable()		__builtin_unreachable()
#endif

/* A load or store the compiler neither tears, repeats nor drops; relaxed order. */
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)

/* A read that may race with a write on purpose. */
#define data_race(expr)		(expr)

#define OPTIMIZER_HIDE_VAR(v)	__asm__("" : "+r"(v))
#define RELOC_HIDE(p, off)	((typeof(p)) ((unsigned long) (p) + (off)))
#define __is_constexpr(x)	__builtin_constant_p(x)
#define absolute_pointer(v)	(v)

#ifndef __same_type
#define __same_type(a, b)	__builtin_types_compatible_p(typeof(a), typeof(b))
#endif

#endif /* _SHIM_LINUX_COMPILER_H */
