/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Snapshot nodes and snapshot trees (spec 61 §1-§5): values of the snapshots and
 * snapshot_trees btrees, and filling of the table in memory that iterators use
 * for their ancestor questions (btree/snapshot_table.h).
 */
#ifndef _BCACHEFS_SNAPSHOTS_SNAPSHOT_H
#define _BCACHEFS_SNAPSHOTS_SNAPSHOT_H

#include "bcachefs_format.h"

struct bch_fs;
struct bkey_validate_context;
struct btree_trans;
struct printbuf;

void bch2_snapshot_val(struct bkey_s_c k, struct bch_snapshot *s);
void bch2_snapshot_tree_val(struct bkey_s_c k, struct bch_snapshot_tree *t);
int bch2_snapshot_lookup(struct btree_trans *trans, u32 id, struct bch_snapshot *s);
int bch2_snapshot_tree_lookup(struct btree_trans *trans, u32 id, struct bch_snapshot_tree *t);
int bch2_snapshot_mem_update(struct bch_fs *c, struct bkey_s_c k);
int bch2_snapshots_read(struct bch_fs *c);

int bch2_snapshot_validate(struct bch_fs *c, struct bkey_s_c k,
			   struct bkey_validate_context from);
void bch2_snapshot_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);
int bch2_snapshot_tree_validate(struct bch_fs *c, struct bkey_s_c k,
				struct bkey_validate_context from);
void bch2_snapshot_tree_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

#define bch2_bkey_ops_snapshot ((struct bkey_ops) {		\
	.key_validate	= bch2_snapshot_validate,		\
	.val_to_text	= bch2_snapshot_to_text,		\
	.trigger	= bch2_trigger_snapshot,		\
	.min_val_size	= 24,					\
})

#define bch2_bkey_ops_snapshot_tree ((struct bkey_ops) {	\
	.key_validate	= bch2_snapshot_tree_validate,		\
	.val_to_text	= bch2_snapshot_tree_to_text,		\
	.min_val_size	= 8,					\
})

#endif /* _BCACHEFS_SNAPSHOTS_SNAPSHOT_H */
