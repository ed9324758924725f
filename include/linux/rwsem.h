/* SPDX-License-Identifier: GPL-2.0 */
/* Sleeping locks with many readers or one writer; waiting writers go before new readers. */
#ifndef _SHIM_LINUX_RWSEM_H
#define _SHIM_LINUX_RWSEM_H

#include <linux/cleanup.h>
#include <linux/lockdep.h>
#include <linux/types.h>

struct rw_semaphore {
	unsigned long	shim_lock[5];
	unsigned long	shim_readers_cv[6];
	unsigned long	shim_writers_cv[6];
	int		shim_holders;		/* -1: a writer */
	int		shim_writers_waiting;
};

#define __RWSEM_INITIALIZER(name)	{ .shim_holders = 0 }
#define DECLARE_RWSEM(name)		struct rw_semaphore name = __RWSEM_INITIALIZER(name)

void init_rwsem(struct rw_semaphore *s);
void down_read(struct rw_semaphore *s);
int __must_check down_read_killable(struct rw_semaphore *s);
int __must_check down_read_interruptible(struct rw_semaphore *s);
int down_read_trylock(struct rw_semaphore *s);
void down_write(struct rw_semaphore *s);
int __must_check down_write_killable(struct rw_semaphore *s);
int down_write_trylock(struct rw_semaphore *s);
void up_read(struct rw_semaphore *s);
void up_write(struct rw_semaphore *s);
void downgrade_write(struct rw_semaphore *s);
int rwsem_is_locked(struct rw_semaphore *s);
#define up_read_non_owner(s)	up_read(s)
#define down_read_non_owner(s)	down_read(s)
#define down_write_nested(s, n)	down_write(s)

DEFINE_GUARD(rwsem_read, struct rw_semaphore *, down_read(_T), up_read(_T))
DEFINE_GUARD_COND(rwsem_read, _try, down_read_trylock(_T))
DEFINE_GUARD(rwsem_write, struct rw_semaphore *, down_write(_T), up_write(_T))
DEFINE_GUARD_COND(rwsem_write, _try, down_write_trylock(_T))

#endif /* _SHIM_LINUX_RWSEM_H */
