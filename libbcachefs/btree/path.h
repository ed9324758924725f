/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From the root to a node: the part of iterators that knows nodes, their locks,
 * their children and the overlay, but nothing of snapshots or extents. Used by
 * iter.c and trans.c, and by nobody else.
 */
#ifndef _BCACHEFS_BTREE_PATH_H
#define _BCACHEFS_BTREE_PATH_H

#include "btree/iter.h"
#include "btree/key_cache.h"

void bch2_path_init(struct btree_iter *iter);
int bch2_path_place(struct btree_iter *iter, struct bpos pos);
void bch2_path_drop(struct btree_iter *iter);
void bch2_path_copy(struct btree_iter *dst, const struct btree_iter *src);

/* path_lock.c */
int bch2_path_lock_level(struct btree_iter *iter, unsigned level);
void bch2_path_unlock_level(struct btree_iter *iter, unsigned level);
void bch2_path_unlock(struct btree_iter *iter);
int bch2_path_relock(struct btree_iter *iter);
void bch2_path_forget(struct btree_iter *iter);
void bch2_path_downgrade(struct btree_iter *iter, bool to_read);

/*
 * Does the iterator keep an intent lock on its leaf? What it updates through the key
 * cache is locked there.
 */
static inline bool bch2_iter_intent_on_leaf(const struct btree_iter *iter)
{
	if (!(iter->flags & BTREE_ITER_intent))
		return false;
	return !(iter->flags & BTREE_ITER_cached) ||
		!bch2_key_cache_uses(iter->trans->c, iter->btree_id, iter->level);
}

static inline enum six_lock_type bch2_path_lock_want(const struct btree_iter *iter,
						     unsigned level)
{
	return level < iter->locks_want ||
		(level == iter->level && iter->flags & BTREE_ITER_intent)
		? SIX_LOCK_intent : SIX_LOCK_read;
}

/* path_keys.c: the stream of keys of one node, with everything merged in */
void bch2_path_level_seek(struct btree_path_level *l, struct bpos pos);
struct bkey_s_c bch2_path_level_next(struct btree_iter *iter, struct btree_path_level *l,
				     struct bpos pos, struct bpos end, bool updates);
struct bkey_s_c bch2_path_level_prev(struct btree_iter *iter, struct btree_path_level *l,
				     struct bpos pos, struct bpos min);

struct bkey_s_c bch2_path_next(struct btree_iter *iter, struct bpos search, struct bpos end);
struct bkey_s_c bch2_path_prev(struct btree_iter *iter, struct bpos search, struct bpos min);

/* Does this transaction look at the overlay? Spec 22 section 8.6. */
static inline bool bch2_trans_uses_overlay(const struct btree_trans *trans)
{
	const struct bch_fs *c = trans->c;

	return (trans->replay_unfinished || !test_bit(BCH_FS_may_go_rw, &c->flags)) &&
		c->journal.keys.nr;
}

#endif /* _BCACHEFS_BTREE_PATH_H */
