// SPDX-License-Identifier: GPL-2.0
/*
 * Locks of transactions: what each holds, counted, and how it waits (spec 21
 * section 3).
 *
 * Invariant: whatever a transaction holds is noted in trans->locks before it waits
 * for anything else, and what it waits for is noted before it looks for cycles.
 * Only the transaction's own thread changes its notes; it needs no lock to read
 * them, all others take trans->locks.lock.
 *
 * For the btree floor and those who drive transactions.
 */
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/locking.h"
#include "btree/trans.h"

/* --- what is held --- */

static struct trans_held *held_find(const struct btree_trans *trans, const void *obj)
{
	struct trans_held *h;

	/* most often it is a recent one */
	for (h = trans->locks.held + trans->locks.nr; h-- > trans->locks.held;)
		if (h->obj == obj)
			return h;
	return NULL;
}

static int held_grow(struct btree_trans *trans, gfp_t gfp)
{
	struct trans_locks *l = &trans->locks;
	const unsigned size = l->size * 2;
	struct trans_held *n = kmalloc_array(size, sizeof(*n), gfp), *old = l->held;

	if (!n)
		return -ENOMEM;
	spin_lock(&l->lock);
	memcpy(n, old, l->nr * sizeof(*n));
	l->held	= n;
	l->size	= size;
	spin_unlock(&l->lock);
	if (old != trans->held_inline)
		kfree(old);
	return 0;
}

/* Room for one more note. 0 or a restart (LK-7: no sleeping allocation here). */
static int held_reserve(struct btree_trans *trans)
{
	if (likely(trans->locks.nr < trans->locks.size) ||
	    !held_grow(trans, trans->locks.nofail
			      ? GFP_NOFS|__GFP_NOFAIL : GFP_NOWAIT|__GFP_NOWARN))
		return 0;
	return bch2_trans_restart(trans, BCH_ERR_transaction_restart_lock_waitlist_alloc);
}

static void __held_add(struct btree_trans *trans, void *obj, enum six_lock_type t, bool mutex)
{
	struct trans_locks *l = &trans->locks;
	struct trans_held *h = held_find(trans, obj);

	if (!h) {
		h = &l->held[l->nr++];
		*h = (struct trans_held) { .obj = obj, .mutex = mutex };
	}
	h->nr[t]++;
}

static void held_add(struct btree_trans *trans, void *obj, enum six_lock_type t, bool mutex)
{
	spin_lock(&trans->locks.lock);
	__held_add(trans, obj, t, mutex);
	spin_unlock(&trans->locks.lock);
}

/* Holds of this type that are left. */
static u32 held_sub(struct btree_trans *trans, const void *obj, enum six_lock_type t)
{
	struct trans_locks *l = &trans->locks;
	struct trans_held *h = held_find(trans, obj);
	u32 left;

	if (WARN_ON_ONCE(!h || !h->nr[t]))
		return 0;
	spin_lock(&l->lock);
	left = --h->nr[t];
	if (!h->nr[SIX_LOCK_read] && !h->nr[SIX_LOCK_intent] && !h->nr[SIX_LOCK_write])
		*h = l->held[--l->nr];
	spin_unlock(&l->lock);
	return left;
}

/**
 * bch2_trans_lock_held - what the transaction holds on a lock
 * @trans:	transaction
 * @l:		lock
 *
 * Return: bits of enum six_lock_type.
 */
unsigned bch2_trans_lock_held(const struct btree_trans *trans, const struct six_lock *l)
{
	const struct trans_held *h = held_find(trans, l);

	return h ? !!h->nr[SIX_LOCK_read] << SIX_LOCK_read |
		   !!h->nr[SIX_LOCK_intent] << SIX_LOCK_intent |
		   !!h->nr[SIX_LOCK_write] << SIX_LOCK_write : 0;
}

/**
 * bch2_trans_has_locks - does the transaction hold any node lock?
 * @trans:	transaction
 */
bool bch2_trans_has_locks(const struct btree_trans *trans)
{
	unsigned i;

	for (i = 0; i < trans->locks.nr; i++)
		if (!trans->locks.held[i].mutex)
			return true;
	return false;
}

/* --- waiting --- */

/* Publish what is waited for; the walk that follows takes locks: a full barrier. */
static void want_set(struct btree_trans *trans, void *obj, enum six_lock_type t,
		     struct six_lock_waiter *w)
{
	struct trans_locks *l = &trans->locks;

	spin_lock(&l->lock);
	if (!trans->start_time)
		trans->start_time = ktime_get_ns();
	l->task		= current;
	l->want		= obj;
	l->want_type	= t;
	l->want_mutex	= !w;
	l->waiter	= w;
	spin_unlock(&l->lock);
}

/* Waiting has ended; on success the hold takes its place at once. */
static void want_clear(struct btree_trans *trans, bool got)
{
	struct trans_locks *l = &trans->locks;

	spin_lock(&l->lock);
	if (got)
		__held_add(trans, l->want, l->want_type, l->want_mutex);
	l->want		= NULL;
	l->waiter	= NULL;
	WRITE_ONCE(l->must_abort, false);
	spin_unlock(&l->lock);
}

/*
 * In the queue of the lock: what a victim gives back is granted, it cannot take it
 * again first.
 */
static int may_sleep(struct six_lock *l, void *arg)
{
	struct btree_trans *trans = arg;

	return READ_ONCE(trans->locks.must_abort)
		? -BCH_ERR_transaction_restart_would_deadlock
		: bch2_lock_graph_check(trans);
}

static int lock_slowpath(struct btree_trans *trans, struct six_lock *l, enum six_lock_type t,
			 u32 own_reads)
{
	struct six_lock_waiter w = {
		.own_reads	= own_reads,
		.stop		= &trans->locks.must_abort,
	};
	int ret;

	want_set(trans, l, t, &w);
	w.age = trans->start_time;
	ret = six_lock_wait(l, &w, t, trans, may_sleep, trans);
	want_clear(trans, !ret);
	if (!ret)
		return 0;
	WARN_ON_ONCE(trans->locks.nofail);
	return bch2_trans_restart(trans, t == SIX_LOCK_write
				  ? BCH_ERR_transaction_restart_would_deadlock_write
				  : BCH_ERR_transaction_restart_would_deadlock);
}

/* --- read and intent --- */

/* Is @t free for somebody who has @h already? */
static bool held_covers(const struct trans_held *h, enum six_lock_type t)
{
	return h && (h->nr[SIX_LOCK_intent] || (t == SIX_LOCK_read && h->nr[SIX_LOCK_read]));
}

/**
 * bch2_trans_trylock - take a lock if that needs no waiting
 * @trans:	transaction
 * @l:		lock
 * @t:		read or intent
 *
 * Return: taken.
 */
bool bch2_trans_trylock(struct btree_trans *trans, struct six_lock *l, enum six_lock_type t)
{
	if (unlikely(trans->locks.nr == trans->locks.size) &&
	    held_grow(trans, GFP_NOWAIT|__GFP_NOWARN))
		return false;
	if (held_covers(held_find(trans, l), t))
		six_lock_increment(l, t);
	else if (!six_trylock_type(l, t, trans))
		return false;
	held_add(trans, l, t, false);
	return true;
}

/**
 * bch2_trans_lock - take a lock, waiting if need be
 * @trans:	transaction
 * @l:		lock of a node or key cache entry that cannot go away meanwhile
 * @t:		read or intent
 *
 * What is held already is not waited for. Return: 0, or a restart: would_deadlock,
 * lock_waitlist_alloc.
 */
int bch2_trans_lock(struct btree_trans *trans, struct six_lock *l, enum six_lock_type t)
{
	int ret;

	if (likely(bch2_trans_trylock(trans, l, t)))
		return 0;
	ret = held_reserve(trans);
	return ret ?: lock_slowpath(trans, l, t, 0);
}

/**
 * bch2_trans_lock_nofail - the same for a caller that cannot restart
 * @trans:	transaction
 * @l:		lock
 * @t:		read or intent
 */
void bch2_trans_lock_nofail(struct btree_trans *trans, struct six_lock *l, enum six_lock_type t)
{
	const bool nofail = trans->locks.nofail;

	WRITE_ONCE(trans->locks.nofail, true);
	bch2_trans_lock(trans, l, t);
	WRITE_ONCE(trans->locks.nofail, nofail);
}

/**
 * bch2_trans_relock_one - take a lock again if nothing was written since
 * @trans:	transaction
 * @l:		lock
 * @t:		read or intent
 * @seq:	sequence number when it was held
 *
 * Does not wait. Return: taken.
 */
bool bch2_trans_relock_one(struct btree_trans *trans, struct six_lock *l,
			   enum six_lock_type t, u32 seq)
{
	if (unlikely(trans->locks.nr == trans->locks.size) &&
	    held_grow(trans, GFP_NOWAIT|__GFP_NOWARN))
		return false;
	if (held_covers(held_find(trans, l), t)) {
		/* nobody else can change it now */
		if (six_lock_seq(l) != seq)
			return false;
		six_lock_increment(l, t);
	} else if (!six_relock_type(l, t, seq, trans)) {
		return false;
	}
	held_add(trans, l, t, false);
	return true;
}

/**
 * bch2_trans_unlock_one - give back one hold
 * @trans:	transaction
 * @l:		lock
 * @t:		type of the hold: read or intent
 */
void bch2_trans_unlock_one(struct btree_trans *trans, struct six_lock *l, enum six_lock_type t)
{
	held_sub(trans, l, t);
	six_unlock_type(l, t);
}

/**
 * bch2_trans_upgrade_one - make a read hold an intent hold
 * @trans:	transaction
 * @l:		lock
 * @seq:	sequence number of the read hold
 *
 * If somebody else holds intent, the read hold is given up while waiting, so that
 * the other one may write. Return: 0, or a restart: upgrade if something was
 * written meanwhile, would_deadlock; then the hold is gone.
 */
int bch2_trans_upgrade_one(struct btree_trans *trans, struct six_lock *l, u32 seq)
{
	int ret;

	if (six_lock_tryupgrade(l, trans)) {
		struct trans_held *h = held_find(trans, l);

		spin_lock(&trans->locks.lock);
		h->nr[SIX_LOCK_read]--;
		h->nr[SIX_LOCK_intent]++;
		spin_unlock(&trans->locks.lock);
		return 0;
	}

	bch2_trans_unlock_one(trans, l, SIX_LOCK_read);
	ret = bch2_trans_lock(trans, l, SIX_LOCK_intent);
	if (ret)
		return ret;
	if (six_lock_seq(l) == seq)
		return 0;
	bch2_trans_unlock_one(trans, l, SIX_LOCK_intent);
	return bch2_trans_restart(trans, BCH_ERR_transaction_restart_upgrade);
}

/**
 * bch2_trans_downgrade_one - make an intent hold a read hold
 * @trans:	transaction
 * @l:		lock, not write locked
 */
void bch2_trans_downgrade_one(struct btree_trans *trans, struct six_lock *l)
{
	struct trans_held *h = held_find(trans, l);

	if (WARN_ON_ONCE(!h || !h->nr[SIX_LOCK_intent]))
		return;
	spin_lock(&trans->locks.lock);
	h->nr[SIX_LOCK_intent]--;
	h->nr[SIX_LOCK_read]++;
	spin_unlock(&trans->locks.lock);
	six_lock_downgrade(l);
}

/* --- write --- */

/**
 * bch2_trans_trylock_write - take the write lock if that needs no waiting
 * @trans:	transaction, holds intent
 * @l:		lock
 *
 * Own read holds do not matter (LK-4). Return: taken.
 */
bool bch2_trans_trylock_write(struct btree_trans *trans, struct six_lock *l)
{
	struct trans_held *h = held_find(trans, l);

	if (WARN_ON_ONCE(!h || !h->nr[SIX_LOCK_intent]))
		return false;
	if (!h->nr[SIX_LOCK_write] && !six_trylock_write(l, trans, h->nr[SIX_LOCK_read]))
		return false;
	held_add(trans, l, SIX_LOCK_write, false);
	return true;
}

/**
 * bch2_trans_lock_write - take the write lock
 * @trans:	transaction, holds intent
 * @l:		lock
 *
 * Waits for readers and keeps new ones out meanwhile (LK-5). May be taken again by
 * the same transaction. Return: 0, or would_deadlock_write.
 */
int bch2_trans_lock_write(struct btree_trans *trans, struct six_lock *l)
{
	if (likely(bch2_trans_trylock_write(trans, l)))
		return 0;
	return lock_slowpath(trans, l, SIX_LOCK_write, held_find(trans, l)->nr[SIX_LOCK_read]);
}

/**
 * bch2_trans_lock_write_nofail - the same for a caller that cannot restart
 * @trans:	transaction, holds intent
 * @l:		lock
 */
void bch2_trans_lock_write_nofail(struct btree_trans *trans, struct six_lock *l)
{
	const bool nofail = trans->locks.nofail;

	WRITE_ONCE(trans->locks.nofail, true);
	bch2_trans_lock_write(trans, l);
	WRITE_ONCE(trans->locks.nofail, nofail);
}

/**
 * bch2_trans_unlock_write - give back the write lock; intent stays
 * @trans:	transaction
 * @l:		lock; for nodes use btree_node_unlock_write()
 */
void bch2_trans_unlock_write(struct btree_trans *trans, struct six_lock *l)
{
	if (!held_sub(trans, l, SIX_LOCK_write))
		six_unlock_type(l, SIX_LOCK_write);
}

/**
 * btree_node_lock_write - write lock a node
 * @trans:	transaction, holds intent on @b
 * @b:		node
 *
 * Return: 0, or would_deadlock_write.
 */
int btree_node_lock_write(struct btree_trans *trans, struct btree *b)
{
	return bch2_trans_lock_write(trans, &b->six);
}

/**
 * btree_node_lock_write_nofail - write lock a node; others restart if need be
 * @trans:	transaction, holds intent on @b
 * @b:		node
 */
void btree_node_lock_write_nofail(struct btree_trans *trans, struct btree *b)
{
	bch2_trans_lock_write_nofail(trans, &b->six);
}

/**
 * btree_node_unlock_write - give back the write lock of a node
 * @trans:	transaction
 * @b:		node
 *
 * The transaction's own changes do not void its paths: those that hold @b learn
 * the new sequence number.
 */
void btree_node_unlock_write(struct btree_trans *trans, struct btree *b)
{
	struct btree_iter *iter;
	u32 seq;

	bch2_trans_unlock_write(trans, &b->six);
	seq = six_lock_seq(&b->six);
	list_for_each_entry(iter, &trans->iters, list)
		if (iter->path[b->level].b == b && iter->path[b->level].lock >= 0)
			iter->path[b->level].lock_seq = seq;
}

/* --- mutexes --- */

/**
 * bch2_trans_mutex_lock - take a mutex while node locks may be held
 * @trans:	transaction
 * @m:		mutex
 *
 * Nobody waits for @m with locks of iterators in hand (spec 21 section 3.3), so
 * who holds @m may wait for nodes. Return: 0, or a restart: relock, would_deadlock;
 * then @m is not held.
 */
int bch2_trans_mutex_lock(struct btree_trans *trans, struct mutex *m)
{
	int ret = held_reserve(trans);

	if (ret)
		return ret;
	if (mutex_trylock(m)) {
		held_add(trans, m, SIX_LOCK_intent, true);
		return 0;
	}

	bch2_trans_unlock(trans);
	want_set(trans, m, SIX_LOCK_intent, NULL);
	ret = bch2_lock_graph_check(trans);
	if (!ret)
		mutex_lock(m);
	want_clear(trans, !ret);
	if (ret) {
		/* mutexes are not handed over: let who waits for one of ours be faster */
		yield();
		return bch2_trans_restart(trans, BCH_ERR_transaction_restart_would_deadlock);
	}

	ret = bch2_trans_relock(trans);
	if (ret)
		bch2_trans_mutex_unlock(trans, m);
	return ret;
}

/**
 * bch2_trans_mutex_unlock - give back a mutex of bch2_trans_mutex_lock()
 * @trans:	transaction
 * @m:		mutex
 */
void bch2_trans_mutex_unlock(struct btree_trans *trans, struct mutex *m)
{
	held_sub(trans, m, SIX_LOCK_intent);
	mutex_unlock(m);
}
