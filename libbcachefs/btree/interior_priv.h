/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Building blocks of interior updates; for btree/interior*.c and node_rewrite.c
 * only.
 *
 * The life of an update: btree_update_start() with everything it may need,
 * nodes made and filled while the old ones are intent locked,
 * btree_update_lock() for the write locks, after which nothing can fail,
 * btree_update_publish(). Or btree_update_abandon() at any time before.
 */
#ifndef _BCACHEFS_BTREE_INTERIOR_PRIV_H
#define _BCACHEFS_BTREE_INTERIOR_PRIV_H

#include "bcachefs.h"
#include "btree/interior_types.h"
#include "btree/iter.h"

/* Words of two pointers: what a split adds to the parent. */
#define BTREE_SPLIT_PARENT_U64s	(2 * BKEY_BTREE_PTR_U64s_MAX)

struct btree_builder {
	struct btree_update	*as;
	/* Space and memory for nodes, used from the front. */
	struct btree_node_space	space[BTREE_UPDATE_NODES_MAX];
	struct btree		*mem[BTREE_UPDATE_NODES_MAX];
	unsigned		nr_space;
	unsigned		nr_mem;
	unsigned		used;
};

int btree_update_start(struct btree_trans *trans, struct btree_builder *bld, unsigned btree_id,
		       unsigned nr_nodes, unsigned commit_flags);
void btree_update_abandon(struct bch_fs *c, struct btree_builder *bld);
void btree_update_leftovers(struct bch_fs *c, struct btree_builder *bld);

struct btree *btree_update_new_node(struct btree_builder *bld, unsigned level, struct bpos min,
				    struct bpos max, struct bkey_format fmt, u32 generation);
void btree_update_node_filled(struct bch_fs *c, struct btree *n);
struct btree_update_old *btree_update_old_node(struct bch_fs *c, struct btree_builder *bld,
					       struct btree *b);

int btree_update_lock(struct btree_trans *trans, struct btree_builder *bld,
		      struct btree *parent);
void btree_update_publish(struct btree_trans *trans, struct btree_builder *bld,
			  struct btree *parent);

/* --- filling nodes --- */

/* Generation in the header of @b (spec 21 section 10.2). */
static inline u32 btree_node_generation(const struct btree *b)
{
	return b->generation;
}

struct bkey_format btree_update_format(struct bch_fs *c, const struct btree *b,
				       struct bpos min, struct bpos max);
void btree_update_copy_keys(struct btree *n, const struct btree *b, u32 first, u32 end);

int bch2_btree_node_check_children(struct bch_fs *c, struct btree *b);

/* --- the rest of the house --- */

int bch2_btree_bitmap_mark(struct bch_fs *c, struct btree_update *as);
void bch2_btree_rewrite_work(struct work_struct *work);
void bch2_btree_rewrites_drop(struct bch_fs *c);

/* --- watermark of the update's allocations --- */
unsigned btree_update_watermark(unsigned btree_id, unsigned level, unsigned commit_flags);

#endif /* _BCACHEFS_BTREE_INTERIOR_PRIV_H */
