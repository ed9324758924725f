/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every check of a btree with snapshots asks of a key first: may it be at its
 * snapshot node at all (spec 61 §10)?
 */
#ifndef _BCACHEFS_CHECK_SNAPSHOT_KEYS_H
#define _BCACHEFS_CHECK_SNAPSHOT_KEYS_H

#include "bcachefs.h"
#include "btree/trans.h"

/* 0: go on with the key. 1: its removal is queued. Or an error. */
int bch2_check_key_snapshot(struct btree_trans *trans, enum btree_id btree, struct bkey_s_c k);

#endif /* _BCACHEFS_CHECK_SNAPSHOT_KEYS_H */
