/* SPDX-License-Identifier: GPL-2.0 */
/* Sleeping locks with one owner. */
#ifndef _SHIM_LINUX_MUTEX_H
#define _SHIM_LINUX_MUTEX_H

#include <linux/cleanup.h>
#include <linux/lockdep.h>
#include <linux/types.h>

struct mutex {
	unsigned long	shim_opaque[5];
	int		shim_held;
};

#define __MUTEX_INITIALIZER(name)	{ { 0 }, 0 }
#define DEFINE_MUTEX(name)		struct mutex name = __MUTEX_INITIALIZER(name)

void mutex_init(struct mutex *l);
void mutex_destroy(struct mutex *l);
void mutex_lock(struct mutex *l);
int __must_check mutex_lock_interruptible(struct mutex *l);
int __must_check mutex_lock_killable(struct mutex *l);
int mutex_trylock(struct mutex *l);
void mutex_unlock(struct mutex *l);
bool mutex_is_locked(struct mutex *l);
#define mutex_lock_nested(l, sub)	mutex_lock(l)
#define mutex_lock_io(l)		mutex_lock(l)

DEFINE_GUARD(mutex, struct mutex *, mutex_lock(_T), mutex_unlock(_T))
DEFINE_GUARD_COND(mutex, _try, mutex_trylock(_T))
DEFINE_FREE(mutex, struct mutex *, if (_T) mutex_unlock(_T))

#endif /* _SHIM_LINUX_MUTEX_H */
