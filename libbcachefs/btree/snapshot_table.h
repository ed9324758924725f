/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Snapshot nodes in memory and the questions asked of them while walking btrees
 * (spec 61 sections 2 and 4). Filled by snapshots/ from the snapshots btree.
 *
 * Reading needs no lock. A parent is followed only if its id is larger than the
 * child's, so that every walk ends, whatever the filesystem says.
 */
#ifndef _BCACHEFS_BTREE_SNAPSHOT_TABLE_H
#define _BCACHEFS_BTREE_SNAPSHOT_TABLE_H

#include "bcachefs.h"

int bch2_snapshot_table_init(struct bch_fs *c);
void bch2_snapshot_table_exit(struct bch_fs *c);

int bch2_snapshot_table_set(struct bch_fs *c, u32 id, const struct snapshot_t *s);
void bch2_snapshot_table_verified(struct bch_fs *c, bool verified);

bool bch2_snapshot_get(struct bch_fs *c, u32 id, struct snapshot_t *s);
size_t bch2_snapshot_table_nr(struct bch_fs *c);
u32 bch2_snapshot_table_next(struct bch_fs *c, u32 below, struct snapshot_t *s);

bool __bch2_snapshot_is_ancestor(struct bch_fs *c, u32 id, u32 ancestor);

/* Is @ancestor the same as @id, or above it? */
static inline bool bch2_snapshot_is_ancestor(struct bch_fs *c, u32 id, u32 ancestor)
{
	return id == ancestor || (id < ancestor && __bch2_snapshot_is_ancestor(c, id, ancestor));
}

bool bch2_snapshot_live(struct bch_fs *c, u32 id);
u32 bch2_snapshot_parent(struct bch_fs *c, u32 id);
u32 bch2_snapshot_nth_parent(struct bch_fs *c, u32 id, u32 n);
u32 bch2_snapshot_root(struct bch_fs *c, u32 id);
u32 bch2_snapshot_tree(struct bch_fs *c, u32 id);
u32 bch2_snapshot_depth(struct bch_fs *c, u32 id);
bool bch2_snapshot_is_leaf(struct bch_fs *c, u32 id);
u32 bch2_snapshot_live_descendant(struct bch_fs *c, u32 id);

#endif /* _BCACHEFS_BTREE_SNAPSHOT_TABLE_H */
