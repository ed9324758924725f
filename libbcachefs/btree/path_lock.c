// SPDX-License-Identifier: GPL-2.0
/*
 * The locks of one path: level by level, dropped and taken again (spec 21 section
 * 3.1).
 *
 * Invariant: path[i].lock says what this path holds on path[i].b, beside what other
 * paths of the transaction hold; path[i].lock_seq is the sequence number as of the
 * last time it was held, so a lock that can be taken again with it shows the same
 * node, not written and not dead.
 */
#include "bcachefs.h"
#include "btree/iter.h"
#include "btree/key_cache.h"
#include "btree/locking.h"
#include "btree/path.h"

/**
 * bch2_path_lock_level - lock one node of the path as the iterator wants it
 * @iter:	iterator; the path has a node at @level
 * @level:	level
 *
 * Return: 0; 1: it is not locked, and what it was last time cannot be relied on; or
 * a restart.
 */
int bch2_path_lock_level(struct btree_iter *iter, unsigned level)
{
	struct btree_path_level *l = &iter->path[level];
	const enum six_lock_type want = bch2_path_lock_want(iter, level);
	int ret;

	/* also what the transaction itself has replaced */
	if (unlikely(test_bit(BTREE_NODE_dead, &l->b->flags))) {
		bch2_path_unlock_level(iter, level);
		return 1;
	}
	if (likely(l->lock >= (s8) want))
		return 0;
	if (l->lock < 0) {
		if (!bch2_trans_relock_one(iter->trans, &l->b->six, want, l->lock_seq))
			return 1;
	} else {
		ret = bch2_trans_upgrade_one(iter->trans, &l->b->six, l->lock_seq);
		if (ret) {
			l->lock = -1;
			return ret;
		}
	}
	l->lock		= want;
	l->relock	= -1;
	return 0;
}

/**
 * bch2_path_unlock_level - give back the lock of one level, for good
 * @iter:	iterator
 * @level:	level
 */
void bch2_path_unlock_level(struct btree_iter *iter, unsigned level)
{
	struct btree_path_level *l = &iter->path[level];

	if (l->lock >= 0)
		bch2_trans_unlock_one(iter->trans, &l->b->six, l->lock);
	l->lock		= -1;
	l->relock	= -1;
}

/**
 * bch2_path_unlock - drop all locks of the path, to be taken again
 * @iter:	iterator
 */
void bch2_path_unlock(struct btree_iter *iter)
{
	unsigned level;

	for (level = iter->level; level < BTREE_MAX_DEPTH; level++) {
		struct btree_path_level *l = &iter->path[level];

		if (l->lock < 0)
			continue;
		bch2_trans_unlock_one(iter->trans, &l->b->six, l->lock);
		l->relock	= l->lock;
		l->lock		= -1;
	}
	bch2_key_cache_iter_unlock(iter);
}

/**
 * bch2_path_relock - take again what bch2_path_unlock() dropped
 * @iter:	iterator
 *
 * Return: 0, or a restart: a node was changed or is locked by others.
 */
int bch2_path_relock(struct btree_iter *iter)
{
	unsigned level;

	for (level = BTREE_MAX_DEPTH; level-- > iter->level;) {
		struct btree_path_level *l = &iter->path[level];

		if (l->relock < 0)
			continue;
		if (l->lock < l->relock) {
			if (!bch2_trans_relock_one(iter->trans, &l->b->six, l->relock,
						   l->lock_seq))
				return bch2_trans_restart(iter->trans, l->relock == SIX_LOCK_intent
					? BCH_ERR_transaction_restart_relock_path_intent
					: BCH_ERR_transaction_restart_relock_path);
			l->lock = l->relock;
		}
		l->relock = -1;
	}
	return bch2_key_cache_iter_relock(iter);
}

/**
 * bch2_path_forget - dropped locks are not missed any more
 * @iter:	iterator
 */
void bch2_path_forget(struct btree_iter *iter)
{
	unsigned level;

	for (level = iter->level; level < BTREE_MAX_DEPTH; level++)
		iter->path[level].relock = -1;
	iter->ck_relock = -1;
}

/**
 * bch2_path_downgrade - give back intent locks
 * @iter:	iterator
 * @to_read:	also at the iterator's level, where they become read locks
 */
void bch2_path_downgrade(struct btree_iter *iter, bool to_read)
{
	struct btree_path_level *l = &iter->path[iter->level];
	unsigned level;

	iter->locks_want = bch2_iter_intent_on_leaf(iter) ? iter->level + 1 : 0;
	for (level = iter->level + 1; level < BTREE_MAX_DEPTH; level++)
		bch2_path_unlock_level(iter, level);
	if (to_read && l->lock == SIX_LOCK_intent) {
		bch2_trans_downgrade_one(iter->trans, &l->b->six);
		l->lock = SIX_LOCK_read;
	}
	if (to_read)
		bch2_key_cache_iter_downgrade(iter);
}
