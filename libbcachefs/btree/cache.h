/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The node cache: btree nodes by identity of their copy on disk (spec 21
 * section 4), bounded in memory, and the roots.
 *
 * A node that was obtained here is pinned: it stays until bch2_btree_node_put().
 * Any number of threads may read one node; only one reads it from disk.
 */
#ifndef _BCACHEFS_BTREE_CACHE_H
#define _BCACHEFS_BTREE_CACHE_H

#include "bcachefs.h"

int bch2_fs_btree_cache_init(struct bch_fs *c);
void bch2_fs_btree_cache_exit(struct bch_fs *c);

/* Bytes the cache may hold; pinned nodes may exceed it. */
void bch2_btree_cache_set_limit(struct bch_fs *c, u64 bytes);

u64 bch2_btree_ptr_hash_val(const struct bkey_i *k);

struct btree *bch2_btree_node_get(struct bch_fs *c, const struct bkey_i *k,
				  unsigned level, unsigned btree);
struct btree *bch2_btree_node_get_nofill(struct bch_fs *c, const struct bkey_i *k,
					 unsigned level, unsigned btree);
bool bch2_btree_node_prefetch(struct bch_fs *c, const struct bkey_i *k,
			      unsigned level, unsigned btree);
void bch2_btree_node_pin(struct bch_fs *c, struct btree *b);
void bch2_btree_node_put(struct bch_fs *c, struct btree *b);

int bch2_btree_root_read(struct bch_fs *c, unsigned btree, const struct bkey_i *k,
			 unsigned level);
int bch2_btree_root_alloc_fake(struct bch_fs *c, unsigned btree, unsigned level);
struct btree *bch2_btree_root_get(struct bch_fs *c, unsigned btree);

#endif /* _BCACHEFS_BTREE_CACHE_H */
