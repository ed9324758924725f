/* SPDX-License-Identifier: GPL-2.0 */
/* Alignment of numbers and pointers. */
#ifndef _SHIM_LINUX_ALIGN_H
#define _SHIM_LINUX_ALIGN_H

#include <linux/types.h>

#undef ALIGN
#undef ALIGN_DOWN
#define ALIGN(x, a)		(((x) + ((typeof(x)) (a) - 1)) & ~((typeof(x)) (a) - 1))
#define ALIGN_DOWN(x, a)	((x) & ~((typeof(x)) (a) - 1))
#define PTR_ALIGN(p, a)		((typeof(p)) ALIGN((unsigned long) (p), (a)))
#define PTR_ALIGN_DOWN(p, a)	((typeof(p)) ALIGN_DOWN((unsigned long) (p), (a)))
#define IS_ALIGNED(x, a)	(((x) & ((typeof(x)) (a) - 1)) == 0)

#endif /* _SHIM_LINUX_ALIGN_H */
