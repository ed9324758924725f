/* SPDX-License-Identifier: GPL-2.0 */
/* Attribute names of the kernel that are usable in every file. */
#ifndef _SHIM_LINUX_COMPILER_TYPES_H
#define _SHIM_LINUX_COMPILER_TYPES_H

#undef __always_inline
#define __always_inline		inline __attribute__((__always_inline__))
#ifndef noinline
#define noinline		__attribute__((__noinline__))
#endif
#define noinline_for_stack	noinline

#define __packed		__attribute__((__packed__))
#define __aligned(n)		__attribute__((__aligned__(n)))
#define __printf(fmt, first)	__attribute__((__format__(__printf__, fmt, first)))
#define __scanf(fmt, first)	__attribute__((__format__(__scanf__, fmt, first)))
#define __must_check		__attribute__((__warn_unused_result__))
#define __cold			__attribute__((__cold__))
#define __pure			__attribute__((__pure__))
#ifndef __attribute_const__
#define __attribute_const__	__attribute__((__const__))
#endif
#define __malloc		__attribute__((__malloc__))
#define __maybe_unused		__attribute__((__unused__))
#define __always_unused		__attribute__((__unused__))
#define __used			__attribute__((__used__))
#define __weak			__attribute__((__weak__))
#define __noreturn		__attribute__((__noreturn__))
#define __cleanup(fn)		__attribute__((__cleanup__(fn)))
#define __nonstring		__attribute__((__nonstring__))
#define __no_kmsan_checks
#define __flatten		__attribute__((__flatten__))
#ifndef __counted_by		/* newer userspace headers have it */
#define __counted_by(member)
#endif

#define __randomize_layout
#define __latent_entropy
#define __ro_after_init
#define __read_mostly
#define __init
#define __exit
#define __initdata
#define __user
#define __kernel
#define __iomem
#define __percpu
#define __rcu
#define __acquires(x)
#define __releases(x)
#define __must_hold(x)
#define __acquire(x)		((void) 0)
#define __release(x)		((void) 0)
#ifndef __force
#define __force
#endif
#ifndef __private
#define __private
#endif

#ifndef fallthrough
#define fallthrough		__attribute__((__fallthrough__))
#endif

#endif /* _SHIM_LINUX_COMPILER_TYPES_H */
