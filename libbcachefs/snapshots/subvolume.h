/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Subvolumes (spec 61 §6): values of the subvolumes btree and lookups by id.
 */
#ifndef _BCACHEFS_SNAPSHOTS_SUBVOLUME_H
#define _BCACHEFS_SNAPSHOTS_SUBVOLUME_H

#include "bcachefs_format.h"

struct bch_fs;
struct bkey_validate_context;
struct btree_trans;
struct printbuf;

void bch2_subvolume_val(struct bkey_s_c k, struct bch_subvolume *s);
int bch2_subvolume_get(struct btree_trans *trans, u32 subvol, struct bch_subvolume *s);
int bch2_subvolume_get_snapshot(struct btree_trans *trans, u32 subvol, u32 *snapshot);
int bch2_subvolume_get_child(struct btree_trans *trans, u32 parent, u32 child,
			     struct bch_subvolume *s);
int bch2_subvolume_next_child(struct btree_trans *trans, u32 parent, u32 after, u32 *child);

int bch2_subvolume_validate(struct bch_fs *c, struct bkey_s_c k,
			    struct bkey_validate_context from);
void bch2_subvolume_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

#define bch2_bkey_ops_subvolume ((struct bkey_ops) {		\
	.key_validate	= bch2_subvolume_validate,		\
	.val_to_text	= bch2_subvolume_to_text,		\
	.trigger	= bch2_trigger_subvolume,		\
	.min_val_size	= 16,					\
})

#endif /* _BCACHEFS_SNAPSHOTS_SUBVOLUME_H */
