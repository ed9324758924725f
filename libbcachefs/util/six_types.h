/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A lock with three states - shared (read), intent, exclusive (write) - and a
 * sequence number by which a dropped lock can be taken again only if nothing
 * was changed meanwhile (spec 21 section 3.1). Data declaration only: six.h has
 * the functions.
 */
#ifndef _BCACHEFS_UTIL_SIX_TYPES_H
#define _BCACHEFS_UTIL_SIX_TYPES_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

enum six_lock_type {
	SIX_LOCK_read,		/* others may hold read and intent */
	SIX_LOCK_intent,	/* others may hold read */
	SIX_LOCK_write,		/* only on top of an own intent lock; alone */
};

struct six_lock {
	spinlock_t		wait_lock;	/* covers the fields below */
	/*
	 * Odd while write locked, goes up by one at each write lock and unlock;
	 * read without the lock by six_lock_seq().
	 */
	u32			seq;
	u32			readers;	/* holds, counting repeated ones */
	u32			intents;	/* holds by the one intent owner */
	bool			write;		/* held, or the owner waits for readers to leave */
	void			*owner;		/* who holds intent; only compared */
	struct list_head	waiters;	/* struct six_lock_waiter, in order of arrival */
};

#endif /* _BCACHEFS_UTIL_SIX_TYPES_H */
