/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changing the shape of btrees: split, merge, rewrite, roots, and pointers to
 * nodes (spec 21 sections 10 to 12).
 *
 * Other threads see a new shape as soon as the call that made it returns; it is
 * journalled later, by a worker, when the new nodes are durable; the journal takes
 * the description of roots from there (journal/build.c). Iterators of the
 * caller have to traverse again afterwards.
 */
#ifndef _BCACHEFS_BTREE_INTERIOR_H
#define _BCACHEFS_BTREE_INTERIOR_H

#include "bcachefs.h"
#include "btree/iter.h"

int bch2_fs_btree_interior_init(struct bch_fs *c);
/* No update may be pending. */
void bch2_fs_btree_interior_exit(struct bch_fs *c);

/* --- shape (interior_split.c, interior_merge.c, node_rewrite.c) --- */

/*
 * Make room in the node at iter->level: split or compact it. @commit_flags: the
 * watermark. 0, a restart, or an error; iterators are to be traversed again.
 */
int bch2_btree_split_leaf(struct btree_trans *trans, struct btree_iter *iter,
			  unsigned commit_flags);
/* A new root above the root, until there is a node at iter->level. */
int bch2_btree_increase_depth(struct btree_trans *trans, struct btree_iter *iter);

/* Merge the node at @level of the path with a sibling if that is worth it. */
int bch2_foreground_maybe_merge(struct btree_trans *trans, struct btree_iter *iter,
				unsigned level, unsigned commit_flags);
/* Is the estimate of @b below what is worth looking at siblings? */
bool bch2_btree_node_merge_wanted(const struct bch_fs *c, const struct btree *b);

/* Everywhere; the pass merge_btree_nodes. */
int bch2_merge_btree_nodes(struct bch_fs *c);

/* Copy @b, which iter stands on at its level, to a new place. */
int bch2_btree_node_rewrite(struct btree_trans *trans, struct btree_iter *iter, struct btree *b,
			    unsigned commit_flags);
/* When replay is done, and somebody has time for it; any thread, any locks. */
/* The same for the node of that position and number, if it is still there. */
int bch2_btree_node_rewrite_pos(struct btree_trans *trans, unsigned btree, unsigned level,
				u64 seq, struct bpos pos);
void bch2_btree_node_rewrite_async(struct bch_fs *c, struct btree *b);
/* Replay is done: what was asked for before can go on. */
void bch2_btree_rewrites_start(struct bch_fs *c);

/* --- pointers of nodes (interior_key.c) --- */

/*
 * Replace the pointer to @b, the node iter stands on, by @new_key: same node,
 * other replicas or sectors_written. 0, a restart, or an error.
 */
int bch2_btree_node_update_key(struct btree_trans *trans, struct btree_iter *iter,
			       struct btree *b, const struct bkey_i *new_key,
			       unsigned commit_flags, bool skip_triggers);
/*
 * A write of @b other than its first is complete: its pointer says so (spec 21
 * 9.4 step 2). @failed: devices that do not have it. Called without locks. 0 also
 * if the node is not part of the btree any more.
 */
int bch2_btree_node_update_key_sectors(struct bch_fs *c, struct btree *b,
				       unsigned sectors_written,
				       const struct bch_devs_mask *failed);

/* --- interior updates (interior.c) --- */

/* The first write of a new node is complete, on all devices but @failed, or not at all. */
void bch2_btree_update_node_written(struct bch_fs *c, struct btree *b, int err,
				    const struct bch_devs_mask *failed);
bool bch2_btree_interior_updates_pending(struct bch_fs *c);
/* Wait until there is none; true if there were some. No locks held. */
bool bch2_btree_interior_updates_flush(struct bch_fs *c);

#endif /* _BCACHEFS_BTREE_INTERIOR_H */
