/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What follows from changes of snapshot and subvolume keys (spec 61 §1).
 */
#ifndef _BCACHEFS_SNAPSHOTS_SNAPSHOT_TRIGGER_H
#define _BCACHEFS_SNAPSHOTS_SNAPSHOT_TRIGGER_H

#include "bcachefs.h"
#include "btree/bkey.h"

struct btree_trans;

int bch2_trigger_snapshot(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			  struct bkey_s_c old, struct bkey_s new_key, unsigned int flags);
int bch2_trigger_subvolume(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			   struct bkey_s_c old, struct bkey_s new_key, unsigned int flags);

#endif /* _BCACHEFS_SNAPSHOTS_SNAPSHOT_TRIGGER_H */
