/* SPDX-License-Identifier: GPL-2.0 */
/* The usual bundle of small things. */
#ifndef _SHIM_LINUX_KERNEL_H
#define _SHIM_LINUX_KERNEL_H

#include <linux/align.h>
#include <linux/array_size.h>
#include <linux/limits.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/bitops.h>
#include <linux/hex.h>
#include <linux/kstrtox.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/typecheck.h>
#include <linux/printk.h>
#include <linux/build_bug.h>
#include <linux/sprintf.h>
#include <linux/bug.h>
#include <asm/byteorder.h>

#define upper_32_bits(n)	((u32) (((u64) (n)) >> 32))
#define lower_32_bits(n)	((u32) ((n) & 0xffffffff))

#define might_sleep()		((void) 0)
#define might_sleep_if(cond)	((void) 0)
#define REPEAT_BYTE(x)		((~0UL / 0xff) * (x))
#define PTR_IF(cond, ptr)	((cond) ? (ptr) : NULL)
#define u64_to_user_ptr(x)	((void *) (uintptr_t) (x))

void panic(const char *fmt, ...) __noreturn __cold __printf(1, 2);

#endif /* _SHIM_LINUX_KERNEL_H */
