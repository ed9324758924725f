// SPDX-License-Identifier: GPL-2.0
/*
 * Transactions: beginning attempts and ending them, dropping and retaking the
 * locks of all iterators, memory that lives for one attempt (spec 21 section 2).
 *
 * Invariant: a transaction is used by one thread; between a restart and the next
 * begin nothing is done with it. Locks that belong to paths are dropped and retaken
 * here only as a whole.
 *
 * For everybody who reads or changes btrees.
 */
#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/iter.h"
#include "btree/locking.h"
#include "btree/path.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "journal/overlay.h"

/* Locks are not kept from one attempt to the next for longer, ns. */
#define LOCKED_MAX_NS		1000000
/* The clock is looked at every so many attempts. */
#define LOCKED_LOOK_EVERY	8

#define CHUNK_BYTES		4096

/* --- the overlay, spec 22 section 8.6 --- */

static bool replay_done(const struct bch_fs *c)
{
	return c->journal.w && READ_ONCE(c->journal.w->replay_done);
}

static void overlay_get(struct btree_trans *trans)
{
	struct bch_fs *c = trans->c;

	if (replay_done(c) || !atomic_inc_not_zero(&c->journal.keys.ref))
		return;
	trans->overlay_ref	= true;
	trans->replay_unfinished = true;
}

static void overlay_put(struct btree_trans *trans)
{
	trans->replay_unfinished = false;
	if (trans->overlay_ref)
		bch2_journal_keys_put(trans->c);
	trans->overlay_ref = false;
}

/* --- memory --- */

static void arena_empty(struct btree_trans *trans, bool all)
{
	struct trans_chunk *chunk, *n;

	list_for_each_entry_safe(chunk, n, &trans->chunks, list) {
		/* one of the usual size is kept */
		if (!all && chunk->size == CHUNK_BYTES) {
			all = true;
			chunk->used = 0;
			continue;
		}
		list_del(&chunk->list);
		kvfree(chunk);
	}
}

static struct trans_chunk *arena_grow(struct btree_trans *trans, size_t bytes)
{
	const size_t size = max_t(size_t, bytes, CHUNK_BYTES);
	struct trans_chunk *chunk = kvmalloc(sizeof(*chunk) + size, GFP_NOFS);

	if (!chunk)
		return NULL;
	chunk->used = 0;
	chunk->size = size;
	list_add(&chunk->list, &trans->chunks);
	return chunk;
}

/**
 * bch2_trans_arena_alloc - bch2_trans_kmalloc() for this floor's own needs
 * @trans:	transaction
 * @bytes:	size
 *
 * No restart is injected. Return: NULL: no memory.
 */
void *bch2_trans_arena_alloc(struct btree_trans *trans, size_t bytes)
{
	struct trans_chunk *chunk = list_first_entry_or_null(&trans->chunks, struct trans_chunk,
							     list);
	void *p;

	if (bytes > INT_MAX)
		return NULL;
	bytes = round_up(max_t(size_t, bytes, 1), sizeof(u64));
	if (!chunk || chunk->size - chunk->used < bytes)
		chunk = arena_grow(trans, bytes);
	if (!chunk)
		return NULL;
	p = (u8 *) chunk->data + chunk->used;
	chunk->used += bytes;
	return memset(p, 0, bytes);
}

/**
 * bch2_trans_kmalloc - memory until the next begin
 * @trans:	transaction
 * @bytes:	size
 *
 * Zeroed; does not move. Return: ERR_PTR(-ENOMEM), or of an injected restart.
 */
void *bch2_trans_kmalloc(struct btree_trans *trans, size_t bytes)
{
	int ret = bch2_trans_fault(trans);
	void *p;

	if (ret)
		return ERR_PTR(ret);
	p = bch2_trans_arena_alloc(trans, bytes);
	return p ?: ERR_PTR(-ENOMEM);
}

/**
 * bch2_trans_words_reserve - make room in an array of words
 * @trans:	transaction
 * @w:		array; zeroed at first
 * @u64s:	words
 *
 * Return: 0 or -ENOMEM. w->d may have moved; what it was stays as it is.
 */
int bch2_trans_words_reserve(struct btree_trans *trans, struct trans_words *w, unsigned u64s)
{
	u32 size;
	u64 *d;

	if (likely(w->size - w->nr >= u64s))
		return 0;
	if (check_add_overflow(w->nr, u64s, &size) || size > INT_MAX / 2 / sizeof(u64))
		return -ENOMEM;
	size = max_t(u32, round_up(size, 16), w->size * 2);
	d = bch2_trans_arena_alloc(trans, size * sizeof(u64));
	if (!d)
		return -ENOMEM;
	if (w->nr)
		memcpy(d, w->d, w->nr * sizeof(u64));
	w->d	= d;
	w->size	= size;
	return 0;
}

/**
 * bch2_trans_words_add - append to an array of words
 * @trans:	transaction
 * @w:		array
 * @u64s:	words
 *
 * Return: the new words, zeroed; NULL: no memory.
 */
u64 *bch2_trans_words_add(struct btree_trans *trans, struct trans_words *w, unsigned u64s)
{
	u64 *p;

	if (bch2_trans_words_reserve(trans, w, u64s))
		return NULL;
	p = w->d + w->nr;
	w->nr += u64s;
	return memset(p, 0, u64s * sizeof(u64));
}

/* --- locks of all iterators --- */

static void forget_relock(struct btree_trans *trans)
{
	struct btree_iter *iter;

	if (!trans->relock)
		return;
	trans->relock = false;
	list_for_each_entry(iter, &trans->iters, list)
		bch2_path_forget(iter);
}

/**
 * bch2_trans_unlock - drop the locks of all iterators
 * @trans:	transaction
 *
 * Before something that blocks. What is locked directly or with a mutex stays.
 * After bch2_trans_relock() it is as if nothing had happened (TX-4).
 */
void bch2_trans_unlock(struct btree_trans *trans)
{
	struct btree_iter *iter;

	if (!trans->locks.nr)
		return;
	list_for_each_entry(iter, &trans->iters, list)
		bch2_path_unlock(iter);
	trans->relock		= true;
	trans->locked_since	= 0;
}

/**
 * bch2_trans_unlock_long - the same, before something that may take seconds
 * @trans:	transaction
 */
void bch2_trans_unlock_long(struct btree_trans *trans)
{
	bch2_trans_unlock(trans);
}

/**
 * bch2_trans_relock - take again what bch2_trans_unlock() dropped
 * @trans:	transaction
 *
 * Return: 0: everything that was read in this attempt is still so; or a restart.
 */
int bch2_trans_relock(struct btree_trans *trans)
{
	struct btree_iter *iter;
	int ret;

	if (unlikely(trans->restarted))
		return -trans->restarted;
	if (!trans->relock)
		return 0;
	list_for_each_entry(iter, &trans->iters, list) {
		ret = bch2_path_relock(iter);
		if (ret)
			return ret;
	}
	trans->relock = false;
	return 0;
}

/**
 * bch2_trans_downgrade - after a commit: give back what only changes need
 * @trans:	transaction
 *
 * Intent locks become read locks; those above iter->level go (TX-5), and what was
 * only kept for the commit.
 */
void bch2_trans_downgrade(struct btree_trans *trans)
{
	struct btree_iter *iter;

	if (unlikely(trans->has_kept))
		bch2_trans_drop_kept(trans);
	list_for_each_entry(iter, &trans->iters, list)
		bch2_path_downgrade(iter, true);
}

/* --- attempts --- */

/**
 * bch2_trans_restart - the attempt has to begin again
 * @trans:	transaction
 * @err:	why: a positive code of class BCH_ERR_transaction_restart
 *
 * Return: -@err.
 */
int bch2_trans_restart(struct btree_trans *trans, int err)
{
	trans->restarted = err;
	return -err;
}

/**
 * __bch2_trans_fault - tests: restart every so many calls
 * @trans:	transaction
 *
 * Return: 0 or transaction_restart_fault_inject.
 */
int __bch2_trans_fault(struct btree_trans *trans)
{
	struct bch_fs_btree *bt = &trans->c->btree;
	const unsigned every = READ_ONCE(bt->restart_fault_every);

	if (!every || (u32) atomic_inc_return(&bt->restart_fault_count) % every)
		return 0;
	return bch2_trans_restart(trans, BCH_ERR_transaction_restart_fault_inject);
}

/* Have locks been held for long without a break? */
static bool locked_long(struct btree_trans *trans)
{
	u64 now;

	if (!trans->locks.nr || trans->restart_count % LOCKED_LOOK_EVERY)
		return false;
	now = ktime_get_ns();
	if (!trans->locked_since)
		trans->locked_since = now;
	return now - trans->locked_since > LOCKED_MAX_NS;
}

/**
 * bch2_trans_begin - begin an attempt
 * @trans:	transaction
 *
 * Forgets all pending updates and the arena; what iterators returned before is
 * void, their positions stay. After a restart all locks are dropped, to be taken
 * again from the root down as the iterators are used.
 *
 * Return: the attempt's number.
 */
u32 bch2_trans_begin(struct btree_trans *trans)
{
	if (unlikely(trans->has_kept))
		bch2_trans_drop_kept(trans);
	bch2_trans_reset_updates(trans);
	arena_empty(trans, false);

	trans->restart_count++;
	if (trans->restarted || locked_long(trans))
		bch2_trans_unlock(trans);
	if (!trans->restarted && trans->start_time) {
		spin_lock(&trans->locks.lock);
		trans->start_time = 0;
		spin_unlock(&trans->locks.lock);
	}
	if (unlikely(trans->reports) && !trans->restarted)
		bch2_trans_forget_reports(trans);
	trans->restarted = 0;
	forget_relock(trans);

	if (unlikely(trans->overlay_ref) && replay_done(trans->c))
		overlay_put(trans);
	return trans->restart_count;
}

/**
 * __bch2_trans_get - a new transaction
 * @c:	filesystem
 * @fn:	who asks, for messages and the journal
 *
 * Ends with bch2_trans_put(). Waits for memory rather than fail.
 */
struct btree_trans *__bch2_trans_get(struct bch_fs *c, const char *fn)
{
	struct btree_trans *trans = kzalloc(sizeof(*trans), GFP_KERNEL|__GFP_NOFAIL);

	trans->c	= c;
	trans->fn	= fn;
	trans->may_stop	= READ_ONCE(c->recovery.task) == current;
	INIT_LIST_HEAD(&trans->iters);
	INIT_LIST_HEAD(&trans->chunks);
	spin_lock_init(&trans->locks.lock);
	trans->locks.held = trans->held_inline;
	trans->locks.size = TRANS_HELD_INLINE;
	overlay_get(trans);

	spin_lock(&c->btree.trans_lock);
	list_add_tail(&trans->list, &c->btree.trans_list);
	spin_unlock(&c->btree.trans_lock);
	return trans;
}

/**
 * bch2_trans_put - end a transaction
 * @trans:	transaction; iterators that are left are ended too
 */
void bch2_trans_put(struct btree_trans *trans)
{
	struct bch_fs *c = trans->c;
	struct btree_iter *iter, *n;

	bch2_trans_reset_updates(trans);
	bch2_trans_forget_reports(trans);
	trans->keep_reads = false;
	bch2_trans_drop_kept(trans);
	list_for_each_entry_safe(iter, n, &trans->iters, list) {
		iter->flags &= ~BTREE_ITER_keep;
		bch2_trans_iter_exit(iter);
	}
	WARN_ON(trans->locks.nr);

	spin_lock(&c->btree.trans_lock);
	list_del(&trans->list);
	spin_unlock(&c->btree.trans_lock);

	overlay_put(trans);
	arena_empty(trans, true);
	if (trans->locks.held != trans->held_inline)
		kfree(trans->locks.held);
	kfree(trans);
}

/**
 * bch2_fs_btree_trans_init - set up what transactions share
 * @c:	filesystem
 */
void bch2_fs_btree_trans_init(struct bch_fs *c)
{
	struct bch_fs_btree *bt = &c->btree;

	spin_lock_init(&bt->root_lock);
	spin_lock_init(&bt->trans_lock);
	spin_lock_init(&bt->walk.lock);
	INIT_LIST_HEAD(&bt->trans_list);
	mutex_init(&bt->lock_graph);
}
