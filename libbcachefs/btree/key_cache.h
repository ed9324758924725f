/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The key cache: single keys of some btrees, updated in memory and in the journal,
 * written back to their leaves when the journal wants its space back (spec 21
 * section 14, rules KC-1 to KC-5; spec 22 OV-5, OV-6).
 *
 * Lookups need nothing special: iterators show the cached value. Updates of leaf
 * keys of these btrees go here by themselves.
 */
#ifndef _BCACHEFS_BTREE_KEY_CACHE_H
#define _BCACHEFS_BTREE_KEY_CACHE_H

#include "bcachefs.h"
#include "btree/iter.h"

int bch2_fs_key_cache_init(struct bch_fs *c);
/* No transaction is left; dirty keys are given up. */
void bch2_fs_key_cache_exit(struct bch_fs *c);

/* Write back everything, for going read-only. True if there was something to do. */
bool bch2_key_cache_flush_going_ro(struct bch_fs *c);

/* Is the cache in use, for leaves of @btree? */
static inline bool bch2_key_cache_uses(const struct bch_fs *c, unsigned btree, unsigned level)
{
	return !level && (btree_id_flags(btree) & BTREE_IS_key_cached) &&
		c->btree.key_cache.initialized && test_bit(BCH_FS_may_go_rw, &c->flags);
}

/* Too much of it is dirty for ordinary updates to go on (8.3). */
static inline bool bch2_key_cache_too_dirty(const struct bch_fs *c)
{
	return atomic_read(&c->btree.key_cache.nr_dirty) >
		4096 + atomic_read(&c->btree.key_cache.nr_keys) / 4 * 3;
}

int bch2_key_cache_make_room(struct bch_fs *c);

/* --- iterators (btree/path.c, path_lock.c, iter.c) --- */

struct bkey_s_c bch2_key_cache_peek(struct btree_iter *iter, struct bkey_s_c k);
int bch2_key_cache_fill(struct btree_iter *iter);
void bch2_key_cache_iter_drop(struct btree_iter *iter);
void bch2_key_cache_iter_unlock(struct btree_iter *iter);
int bch2_key_cache_iter_relock(struct btree_iter *iter);
void bch2_key_cache_iter_downgrade(struct btree_iter *iter);

/* --- commits --- */

int bch2_key_cache_prep_update(struct btree_trans *trans, struct btree_update_entry *i);
int bch2_key_cache_lock_write(struct btree_trans *trans, struct btree_update_entry *i);
void bch2_key_cache_unlock_write(struct btree_trans *trans, struct btree_update_entry *i);
void bch2_key_cache_insert(struct btree_trans *trans, struct btree_update_entry *i, u64 seq);

#endif /* _BCACHEFS_BTREE_KEY_CACHE_H */
