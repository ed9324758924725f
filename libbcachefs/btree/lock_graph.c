// SPDX-License-Identifier: GPL-2.0
/*
 * Who waits for whom: finding cycles among transactions (spec 21 section 3.4).
 *
 * Every transaction publishes what it holds and the one thing it waits for; an
 * edge leads from a waiter to each transaction that holds that thing in a mode in
 * the way. The walk is breadth first from the transaction that is about to sleep
 * and remembers where it came from in the transactions themselves: no limit of
 * depth, no memory. One walk runs at a time, with the list of transactions locked,
 * so of two that close a cycle together the later one sees it.
 *
 * Invariant: of each cycle one member is made to restart, the youngest that may.
 * Victims chosen before count as gone.
 */
#include <linux/compiler.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

#include "bcachefs.h"
#include "btree/locking.h"
#include "util/log.h"
#include "util/six.h"

/* What a transaction waits for. */
struct want {
	void			*obj;
	enum six_lock_type	type;
	bool			mutex;
};

/* Chosen as a victim, or has got what it waited for and only has to wake up. */
static bool wait_is_over(const struct trans_locks *l)
{
	return l->must_abort || (l->waiter && READ_ONCE(l->waiter->granted));
}

/* .obj NULL: not waiting, or not for long any more. */
static struct want want_of(struct btree_trans *trans)
{
	struct trans_locks *l = &trans->locks;
	struct want w;

	spin_lock(&l->lock);
	w = (struct want) {
		.obj	= wait_is_over(l) ? NULL : l->want,
		.type	= l->want_type,
		.mutex	= l->want_mutex,
	};
	spin_unlock(&l->lock);
	return w;
}

static bool held_in_the_way(const struct trans_held *h, const struct want *w)
{
	if (w->mutex)
		return true;
	switch (w->type) {
	case SIX_LOCK_read:
		return h->nr[SIX_LOCK_write];
	case SIX_LOCK_intent:
		return h->nr[SIX_LOCK_intent];
	default:
		return h->nr[SIX_LOCK_read];
	}
}

/* Does @trans keep others from having @w? */
static bool in_the_way(struct btree_trans *trans, const struct want *w)
{
	struct trans_locks *l = &trans->locks;
	bool ret = false;
	unsigned i;

	spin_lock(&l->lock);
	for (i = 0; i < l->nr && !ret; i++)
		ret = l->held[i].obj == w->obj && held_in_the_way(&l->held[i], w);
	/* who waits to write keeps readers out: LK-5 */
	if (!w->mutex && w->type == SIX_LOCK_read && l->want == w->obj &&
	    l->want_type == SIX_LOCK_write && !wait_is_over(l))
		ret = true;
	spin_unlock(&l->lock);
	return ret;
}

/* From @last back to where the walk began: do all still wait for the same? */
static bool chain_holds(struct btree_trans *last)
{
	struct btree_trans *t;

	for (t = last; t; t = t->locks.walk_from)
		if (want_of(t).obj != t->locks.walk_want)
			return false;
	return true;
}

/*
 * Look for a way from @trans back to itself. The member that waits for @trans, or
 * NULL: there is no cycle.
 */
static struct btree_trans *find_cycle(struct btree_trans *trans)
{
	struct bch_fs_btree *bt = &trans->c->btree;
	const u64 walk = ++bt->lock_walks;
	struct btree_trans *t, *x;
	LIST_HEAD(todo);

	trans->locks.walk	= walk;
	trans->locks.walk_from	= NULL;
	list_add(&trans->locks.walk_list, &todo);

	while (!list_empty(&todo)) {
		struct want w;

		t = list_first_entry(&todo, struct btree_trans, locks.walk_list);
		list_del(&t->locks.walk_list);
		w = want_of(t);
		t->locks.walk_want = w.obj;
		if (!w.obj)
			continue;

		list_for_each_entry(x, &bt->trans_list, list) {
			if (x == t || (x != trans && x->locks.walk == walk) || !in_the_way(x, &w))
				continue;
			if (x != trans) {
				x->locks.walk		= walk;
				x->locks.walk_from	= t;
				list_add_tail(&x->locks.walk_list, &todo);
			} else if (chain_holds(t)) {
				return t;
			}
		}
	}
	return NULL;
}

/* May @t be made to restart? Others only while they sleep on a node lock. */
static bool may_be_victim(struct btree_trans *t, const struct btree_trans *self)
{
	return !READ_ONCE(t->locks.nofail) && (t == self || !t->locks.want_mutex);
}

/* The youngest of the chain that ends with @last; the one who asks, if equal. */
static struct btree_trans *choose_victim(struct btree_trans *self, struct btree_trans *last)
{
	struct btree_trans *victim = may_be_victim(self, self) ? self : NULL;
	struct btree_trans *t;

	for (t = last; t; t = t->locks.walk_from)
		if (t != victim && may_be_victim(t, self) &&
		    (!victim || t->start_time > victim->start_time))
			victim = t;
	return victim;
}

/* Make @t give up, unless it has got what it waited for. */
static void abort_wait(struct btree_trans *t)
{
	spin_lock(&t->locks.lock);
	if (t->locks.want == t->locks.walk_want && !wait_is_over(&t->locks)) {
		WRITE_ONCE(t->locks.must_abort, true);
		wake_up_process(t->locks.task);
	}
	spin_unlock(&t->locks.lock);
}

/* Break all cycles through @trans; true: by its own restart. */
static bool break_cycles(struct btree_trans *trans)
{
	struct btree_trans *last, *victim;

	while ((last = find_cycle(trans))) {
		victim = choose_victim(trans, last);
		if (!victim) {
			bch_err(trans->c, "lock cycle of transactions that may not fail (%s)",
				trans->fn);
			return false;
		}
		/* oneself, too: until it has left the queue others must not count on it */
		abort_wait(victim);
		if (victim == trans)
			return READ_ONCE(trans->locks.must_abort);
	}
	return false;
}

/**
 * bch2_lock_graph_check - before going to sleep: does that close a cycle?
 * @trans:	has published what it waits for
 *
 * Makes one member of each cycle restart. Return: 0, or
 * -BCH_ERR_transaction_restart_would_deadlock: it is @trans.
 */
int bch2_lock_graph_check(struct btree_trans *trans)
{
	struct bch_fs_btree *bt = &trans->c->btree;
	bool self;

	mutex_lock(&bt->lock_graph);
	spin_lock(&bt->trans_lock);
	self = break_cycles(trans);
	spin_unlock(&bt->trans_lock);
	mutex_unlock(&bt->lock_graph);
	return self ? -BCH_ERR_transaction_restart_would_deadlock : 0;
}
