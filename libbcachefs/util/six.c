// SPDX-License-Identifier: GPL-2.0
/*
 * Shared / intent / exclusive locks (spec 21 section 3.1).
 *
 * Invariant: all fields change under wait_lock only; a hold is counted before its
 * taker goes on, also when it is granted to a sleeper. Whenever something is given
 * back, everybody who can go on is granted the lock on the spot, so a waiter that
 * is not granted is really in conflict with a hold, or - a reader - with somebody
 * who waits to write.
 *
 * Any floor may use this; node locks are taken through btree/locking.h.
 */
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "util/six.h"

/**
 * six_lock_init - an unlocked lock
 * @l:	lock
 */
void six_lock_init(struct six_lock *l)
{
	spin_lock_init(&l->wait_lock);
	l->seq		= 0;
	l->readers	= 0;
	l->intents	= 0;
	l->write	= false;
	l->owner	= NULL;
	INIT_LIST_HEAD(&l->waiters);
}

/* Is it free for @owner? Of a write lock the owner holds intent already. */
static bool may_take(const struct six_lock *l, enum six_lock_type type, const void *owner,
		     u32 own_reads)
{
	switch (type) {
	case SIX_LOCK_read:
		return !l->write || l->owner == owner;
	case SIX_LOCK_intent:
		return !l->intents || l->owner == owner;
	default:
		return l->readers == own_reads;
	}
}

static void seq_step(struct six_lock *l)
{
	WRITE_ONCE(l->seq, l->seq + 1);
}

static void take(struct six_lock *l, enum six_lock_type type, void *owner)
{
	switch (type) {
	case SIX_LOCK_read:
		l->readers++;
		break;
	case SIX_LOCK_intent:
		l->intents++;
		l->owner = owner;
		break;
	default:
		WARN_ON_ONCE(!l->intents || l->owner != owner || (l->seq & 1));
		l->write = true;
		seq_step(l);
		break;
	}
}

/* --- those who wait --- */

/* @w's memory belongs to the waiter again as soon as wait_lock is free. */
static void grant(struct six_lock *l, struct six_lock_waiter *w)
{
	list_del(&w->list);
	take(l, w->type, w->owner);
	WRITE_ONCE(w->granted, true);
	wake_up_process(w->task);
}

static struct six_lock_waiter *oldest_waiter(struct six_lock *l, enum six_lock_type type)
{
	struct six_lock_waiter *w, *oldest = NULL;

	list_for_each_entry(w, &l->waiters, list)
		if (w->type == type && (!oldest || w->age < oldest->age))
			oldest = w;
	return oldest;
}

/* Who waits to write goes first, then all readers, then the oldest intent. */
static void grant_waiters(struct six_lock *l)
{
	struct six_lock_waiter *w, *n;

	if (likely(list_empty(&l->waiters)))
		return;
	/* there is at most one: it holds intent */
	w = oldest_waiter(l, SIX_LOCK_write);
	if (w && may_take(l, w->type, w->owner, w->own_reads))
		grant(l, w);

	list_for_each_entry_safe(w, n, &l->waiters, list)
		if (w->type == SIX_LOCK_read && may_take(l, w->type, w->owner, 0))
			grant(l, w);

	w = oldest_waiter(l, SIX_LOCK_intent);
	if (w && may_take(l, w->type, w->owner, 0))
		grant(l, w);
}

/**
 * six_lock_wakeup - grant the lock to waiters that can have it
 * @l:	lock
 *
 * Everything here that gives something back does that by itself.
 */
void six_lock_wakeup(struct six_lock *l)
{
	spin_lock(&l->wait_lock);
	grant_waiters(l);
	spin_unlock(&l->wait_lock);
}

/* --- without waiting --- */

static bool trylock(struct six_lock *l, enum six_lock_type type, void *owner, u32 own_reads)
{
	bool ret;

	spin_lock(&l->wait_lock);
	ret = may_take(l, type, owner, own_reads);
	if (ret)
		take(l, type, owner);
	spin_unlock(&l->wait_lock);
	return ret;
}

/**
 * six_trylock_type - take the lock if that is possible at once
 * @l:		lock
 * @type:	write: @owner holds intent
 * @owner:	who
 *
 * A waiting writer keeps readers out (LK-5). Return: taken.
 */
bool six_trylock_type(struct six_lock *l, enum six_lock_type type, void *owner)
{
	return trylock(l, type, owner, 0);
}

/**
 * six_trylock_write - write lock, own read holds do not count (LK-4)
 * @l:		lock
 * @owner:	holds intent
 * @own_reads:	how many read holds are the owner's
 *
 * Return: taken.
 */
bool six_trylock_write(struct six_lock *l, void *owner, u32 own_reads)
{
	return trylock(l, SIX_LOCK_write, owner, own_reads);
}

/**
 * six_relock_type - take the lock if nothing was written since it was held
 * @l:		lock
 * @type:	read or intent
 * @seq:	six_lock_seq() of that time
 * @owner:	who
 *
 * Return: taken; false also if it would have to be waited for.
 */
bool six_relock_type(struct six_lock *l, enum six_lock_type type, u32 seq, void *owner)
{
	bool ret;

	if (six_lock_seq(l) != seq)
		return false;
	spin_lock(&l->wait_lock);
	ret = l->seq == seq && may_take(l, type, owner, 0);
	if (ret)
		take(l, type, owner);
	spin_unlock(&l->wait_lock);
	return ret;
}

/* --- waiting --- */

/* Give up waiting; false: too late, the lock has been granted. */
static bool stop_waiting(struct six_lock *l, struct six_lock_waiter *w)
{
	bool granted;

	spin_lock(&l->wait_lock);
	granted = w->granted;
	if (!granted) {
		list_del(&w->list);
		if (w->type == SIX_LOCK_write)
			l->write = false;
		/* readers may have waited for this writer */
		grant_waiters(l);
	}
	spin_unlock(&l->wait_lock);
	return !granted;
}

/**
 * six_lock_wait - take the lock, sleep until that is possible
 * @l:		lock
 * @w:		on the stack, zeroed but for .age, .own_reads and .stop
 * @type:	write: @owner holds intent; new readers are kept out from now on
 * @owner:	who
 * @should_sleep: asked before each sleep, in the queue
 * @arg:	for @should_sleep
 *
 * Return: 0: taken, or what @should_sleep said.
 */
int six_lock_wait(struct six_lock *l, struct six_lock_waiter *w, enum six_lock_type type,
		  void *owner, six_lock_should_sleep_fn should_sleep, void *arg)
{
	int ret = 0;

	w->task		= current;
	w->owner	= owner;
	w->type		= type;

	spin_lock(&l->wait_lock);
	if (may_take(l, type, owner, w->own_reads)) {
		take(l, type, owner);
		spin_unlock(&l->wait_lock);
		return 0;
	}
	if (type == SIX_LOCK_write)
		l->write = true;
	list_add_tail(&w->list, &l->waiters);
	spin_unlock(&l->wait_lock);

	while (!READ_ONCE(w->granted)) {
		ret = should_sleep(l, arg);
		if (ret)
			break;
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (!READ_ONCE(w->granted) && !(w->stop && READ_ONCE(*w->stop)))
			schedule();
		__set_current_state(TASK_RUNNING);
	}

	if (ret && stop_waiting(l, w))
		return ret;
	/* whoever granted it may still be looking at this stack frame and task */
	spin_lock(&l->wait_lock);
	spin_unlock(&l->wait_lock);
	return 0;
}

/* --- giving back, changing --- */

/**
 * six_unlock_type - give back one hold
 * @l:		lock
 * @type:	of the hold
 */
void six_unlock_type(struct six_lock *l, enum six_lock_type type)
{
	spin_lock(&l->wait_lock);
	switch (type) {
	case SIX_LOCK_read:
		WARN_ON_ONCE(!l->readers);
		l->readers--;
		break;
	case SIX_LOCK_intent:
		WARN_ON_ONCE(!l->intents || l->write);
		if (!--l->intents)
			l->owner = NULL;
		break;
	default:
		WARN_ON_ONCE(!(l->seq & 1));
		l->write = false;
		seq_step(l);
		break;
	}
	grant_waiters(l);
	spin_unlock(&l->wait_lock);
}

/**
 * six_lock_tryupgrade - one read hold becomes an intent hold
 * @l:		lock
 * @owner:	has the read hold
 *
 * Return: false if somebody else holds intent; nothing has changed then.
 */
bool six_lock_tryupgrade(struct six_lock *l, void *owner)
{
	bool ret;

	spin_lock(&l->wait_lock);
	ret = may_take(l, SIX_LOCK_intent, owner, 0);
	if (ret) {
		take(l, SIX_LOCK_intent, owner);
		l->readers--;
	}
	spin_unlock(&l->wait_lock);
	return ret;
}

/**
 * six_lock_downgrade - one intent hold becomes a read hold
 * @l:	lock, not write locked
 */
void six_lock_downgrade(struct six_lock *l)
{
	spin_lock(&l->wait_lock);
	WARN_ON_ONCE(!l->intents || l->write);
	l->readers++;
	if (!--l->intents)
		l->owner = NULL;
	grant_waiters(l);
	spin_unlock(&l->wait_lock);
}

/**
 * six_lock_increment - one more hold for somebody who has one
 * @l:		lock
 * @type:	read: the caller holds read or more; intent: it holds intent
 *
 * Never waits, not for waiting writers either.
 */
void six_lock_increment(struct six_lock *l, enum six_lock_type type)
{
	spin_lock(&l->wait_lock);
	if (type == SIX_LOCK_read)
		l->readers++;
	else
		l->intents++;
	spin_unlock(&l->wait_lock);
}
