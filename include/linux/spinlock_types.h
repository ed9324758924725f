/* SPDX-License-Identifier: GPL-2.0 */
/* A spinlock is a short-held lock: here a pthread mutex, which a preempted holder cannot stall. */
#ifndef _SHIM_LINUX_SPINLOCK_TYPES_H
#define _SHIM_LINUX_SPINLOCK_TYPES_H

#include <linux/types.h>

typedef struct spinlock {
	unsigned long	shim_opaque[5];
} spinlock_t;
typedef spinlock_t raw_spinlock_t;

typedef struct {
	unsigned long	shim_opaque[7];
} rwlock_t;

#define __SPIN_LOCK_UNLOCKED(name)	{ { 0 } }
#define DEFINE_SPINLOCK(name)		spinlock_t name = __SPIN_LOCK_UNLOCKED(name)
#define DEFINE_RWLOCK(name)		rwlock_t name = { { 0 } }

#endif /* _SHIM_LINUX_SPINLOCK_TYPES_H */
