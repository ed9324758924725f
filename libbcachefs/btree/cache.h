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

/* Readable bytes behind the log, for decoders that look at whole words. */
#define BTREE_NODE_SPARE_BYTES	8

int bch2_fs_btree_cache_init(struct bch_fs *c);
void bch2_fs_btree_cache_exit(struct bch_fs *c);

/* Bytes the cache may hold; pinned nodes may exceed it. */
void bch2_btree_cache_set_limit(struct bch_fs *c, u64 bytes);

u64 bch2_btree_ptr_hash_val(const struct bkey_i *k);

struct btree *bch2_btree_node_get(struct bch_fs *c, const struct bkey_i *k,
				  unsigned level, unsigned btree);
struct btree *bch2_btree_node_get_nofill(struct bch_fs *c, const struct bkey_i *k,
					 unsigned level, unsigned btree);
struct btree *bch2_btree_node_lookup(struct bch_fs *c, const struct bkey_i *k,
				     unsigned level, unsigned btree);
int bch2_btree_node_usable(const struct btree *b, const struct bkey_i *k);
int bch2_btree_node_fill(struct bch_fs *c, struct btree *b);
bool bch2_btree_node_prefetch_enter(struct bch_fs *c, const struct bkey_i *k, unsigned level,
				    unsigned btree, struct btree **ret);
void bch2_btree_node_read_begin(struct bch_fs *c, struct btree *b);

/* Has reading it ended, well or not? */
static inline bool bch2_btree_node_ready(const struct btree *b)
{
	return smp_load_acquire(&b->state) >= BTREE_NODE_ready;
}

void bch2_btree_node_pin(struct bch_fs *c, struct btree *b);
void bch2_btree_node_put(struct bch_fs *c, struct btree *b);

int bch2_btree_root_read(struct bch_fs *c, unsigned btree, const struct bkey_i *k,
			 unsigned level);
int bch2_btree_root_alloc_fake(struct bch_fs *c, unsigned btree, unsigned level);
struct btree *bch2_btree_root_get(struct bch_fs *c, unsigned btree);
bool bch2_btree_root_is(struct bch_fs *c, const struct btree *b);

/* --- nodes that are made, not read --- */

/*
 * A node that nobody else knows: pinned once, unhashed, lock initialised, with a
 * buffer for a full node. The last bch2_btree_node_put() frees it. NULL: no memory.
 */
struct btree *bch2_btree_node_mem_alloc(struct bch_fs *c);
/* Make it known by the identity in b->key. 0, or -EEXIST. */
int bch2_btree_node_hash_insert(struct bch_fs *c, struct btree *b);
/* Out of the tree: BTREE_NODE_dead. Write locked, or private. Freed with its last pin. */
void bch2_btree_node_hash_remove(struct bch_fs *c, struct btree *b);

/* Replace b->key by a pointer to the same node; write locked. */
void bch2_btree_node_set_key(struct bch_fs *c, struct btree *b, const struct bkey_i *k);
/* The buffers of @b have another size now; pinned. */
void bch2_btree_node_mem_changed(struct bch_fs *c, struct btree *b);

/*
 * The root of b->btree_id from now on, in memory only: takes a pin on @b, puts the
 * one on the root before. Both intent locked. The description (roots[].key, level,
 * alive) is the caller's.
 */
void bch2_btree_set_root_inmem(struct bch_fs *c, struct btree *b);

#endif /* _BCACHEFS_BTREE_CACHE_H */
