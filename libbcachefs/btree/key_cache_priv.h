/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the key cache share. For btree/key_cache*.c only.
 */
#ifndef _BCACHEFS_BTREE_KEY_CACHE_PRIV_H
#define _BCACHEFS_BTREE_KEY_CACHE_PRIV_H

#include "btree/iter.h"
#include "btree/key_cache_types.h"

struct bkey_cached *key_cache_get(struct bch_fs *c, unsigned btree, struct bpos pos);
int key_cache_iter_lock(struct btree_iter *iter, struct bkey_cached *ck,
			enum six_lock_type type);
void key_cache_unhash(struct btree_key_cache *kc, struct bkey_cached *ck);
void key_cache_free(struct bkey_cached *ck);
int key_cache_init(struct bch_fs *c, journal_pin_flush_fn flush, work_func_t free_dead);

#endif /* _BCACHEFS_BTREE_KEY_CACHE_PRIV_H */
