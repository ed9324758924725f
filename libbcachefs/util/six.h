/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared / intent / exclusive locks with sequence numbers (spec 21 section 3.1).
 *
 *	held \ wanted	read	intent	write
 *	read		yes	yes	no
 *	intent		yes	no	no
 *	write		no	no	no	(others)
 *
 * Owners are opaque; holds of one owner do not stand in its own way. Everything
 * here counts holds per lock only: who holds what is kept by btree/locking.h,
 * which is what users of node locks call.
 */
#ifndef _BCACHEFS_UTIL_SIX_H
#define _BCACHEFS_UTIL_SIX_H

#include <linux/compiler.h>
#include <linux/sched.h>

#include "util/six_types.h"

/* Somebody who waits; on the waiter's stack. */
struct six_lock_waiter {
	struct list_head	list;		/* six_lock.waiters */
	struct task_struct	*task;
	void			*owner;
	u64			age;		/* the smallest is served first */
	u32			own_reads;	/* write: holds that are the waiter's own (LK-4) */
	enum six_lock_type	type;
	bool			granted;
	/* Set and followed by a wake-up: @should_sleep has something to say; or NULL. */
	const bool		*stop;
};

/*
 * Asked when the waiter is in the queue, each time before it would sleep: not 0:
 * stop waiting, with that error. May sleep itself.
 */
typedef int (*six_lock_should_sleep_fn)(struct six_lock *l, void *arg);

void six_lock_init(struct six_lock *l);

bool six_trylock_type(struct six_lock *l, enum six_lock_type type, void *owner);
bool six_trylock_write(struct six_lock *l, void *owner, u32 own_reads);
bool six_relock_type(struct six_lock *l, enum six_lock_type type, u32 seq, void *owner);
int six_lock_wait(struct six_lock *l, struct six_lock_waiter *w, enum six_lock_type type,
		  void *owner, six_lock_should_sleep_fn should_sleep, void *arg);
void six_unlock_type(struct six_lock *l, enum six_lock_type type);

bool six_lock_tryupgrade(struct six_lock *l, void *owner);
void six_lock_downgrade(struct six_lock *l);
void six_lock_increment(struct six_lock *l, enum six_lock_type type);
void six_lock_wakeup(struct six_lock *l);

/* Odd while write locked. Stable only while at least a read lock is held. */
static inline u32 six_lock_seq(const struct six_lock *l)
{
	return READ_ONCE(l->seq);
}

#endif /* _BCACHEFS_UTIL_SIX_H */
