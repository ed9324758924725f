/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Building blocks of interior updates; for btree/interior*.c and node_rewrite.c
 * only.
 *
 * The life of an update: btree_update_start() with everything it may need; nodes
 * made and filled while the old ones are intent locked; then
 * btree_update_publish(), after which other threads see the new shape and the
 * worker in interior_commit.c does the rest. Or btree_update_abandon() before.
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

/* --- interior_reserve.c --- */

unsigned btree_update_watermark(unsigned btree_id, unsigned level, unsigned commit_flags);
struct btree_builder *btree_update_start(struct btree_trans *trans, unsigned btree_id,
					 unsigned level, unsigned nr_nodes,
					 unsigned commit_flags);
void btree_update_abandon(struct bch_fs *c, struct btree_builder *bld);
void btree_update_leftovers(struct bch_fs *c, struct btree_builder *bld);
void btree_update_reserves_drop(struct bch_fs *c);

struct btree *btree_update_new_node(struct btree_builder *bld, unsigned level, struct bpos min,
				    struct bpos max, struct bkey_format fmt, u32 generation);
void btree_update_node_filled(struct bch_fs *c, struct btree *n);
struct btree_update_old *btree_update_old_node(struct bch_fs *c, struct btree_builder *bld,
					       struct btree *b);

/* Keys [.first, .end) of a node. */
struct node_range {
	const struct btree	*b;
	u32			first;
	u32			end;
};

bool btree_update_format(struct bch_fs *c, const struct node_range *src, unsigned nr,
			 struct bpos min, struct bpos max, unsigned extra_u64s,
			 struct bkey_format *fmt);
void btree_update_copy_keys(struct btree *n, const struct node_range *src);

/* --- interior_split.c --- */

int btree_make_room_above(struct btree_trans *trans, const struct btree *b,
			  unsigned commit_flags);

/* --- interior.c --- */

int btree_update_publish(struct btree_trans *trans, struct btree_builder *bld,
			 struct btree *parent);

/* --- interior_commit.c --- */

void bch2_btree_interior_work(struct work_struct *work);

/* --- interior_key.c --- */

/* Commits that must be able to finish whatever is full (IU-7). */
#define BTREE_INTERIOR_COMMIT_FLAGS			\
	(BCH_WATERMARK_interior_updates|		\
	 BCH_TRANS_COMMIT_no_enospc|			\
	 BCH_TRANS_COMMIT_no_check_rw|			\
	 BCH_TRANS_COMMIT_journal_reclaim)

int btree_update_journal_key(struct btree_trans *trans, unsigned type, unsigned btree,
			     unsigned level, const struct bkey_i *k);

/* --- interior_topology.c --- */

bool btree_children_ok(struct bch_fs *c, const struct btree *b, const struct btree_update *as,
		       bool overlay);
int btree_node_check_children(struct btree_trans *trans, const struct btree *b,
			      const struct btree_update *as);
bool btree_pivot_is_going(const struct btree_trans *trans, const struct btree *b,
			  struct bpos pos);
bool btree_shard_boundary(const struct bch_fs *c, unsigned btree, unsigned level,
			  struct bpos start);
bool btree_shard_boundary_in(const struct bch_fs *c, const struct btree *b, struct bpos after,
			     struct bpos *start);

/* --- interior_merge_plan.c --- */

#define MERGE_SRC_MAX	3

/* Words of up to three neighbours; what is to be made of them (spec 21 10.3). */
struct btree_merge_plan {
	unsigned		first;		/* source to begin with: 0 or 1 */
	unsigned		nr_src;		/* 2 or 3; 0: no merge */
	unsigned		nr_dst;		/* 1 or 2 */
};

struct btree_merge_plan btree_merge_plan(u32 max_u64s, const u32 *u64s, unsigned nr,
					 unsigned self);
u32 btree_merge_pivot(u32 max_u64s, const u32 *candidates, unsigned nr, u32 total);
u32 btree_merge_refused(u32 max_u64s, u32 u64s);

/* Words neighbours may take together to be looked at. */
static inline u32 btree_merge_threshold(u32 max_u64s)
{
	return max_u64s / 3;
}

/* --- node_rewrite.c --- */

void bch2_btree_rewrite_work(struct work_struct *work);
void bch2_btree_rewrites_drop(struct bch_fs *c);

#endif /* _BCACHEFS_BTREE_INTERIOR_PRIV_H */
