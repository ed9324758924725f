/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Index entries and counters of pending background work, kept in step with the
 * keys that record it (spec 53 §5).
 */
#ifndef _BCACHEFS_DATA_RECONCILE_TRIGGER_H
#define _BCACHEFS_DATA_RECONCILE_TRIGGER_H

#include "bcachefs.h"
#include "btree/bkey.h"
#include "data/reconcile_format.h"

struct btree_trans;

int bch2_trigger_reconcile(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			   struct bkey_s_c old, struct bkey_s new_key, unsigned int flags);
int bch2_reconcile_work_mod(struct btree_trans *trans, enum btree_id btree, struct bpos pos,
			    enum bch_reconcile_work_id old, enum bch_reconcile_work_id new_class);

/* --- pointers to nodes in reconcile_scan --- */

struct bch_backpointer bch2_reconcile_node_backpointer(enum btree_id btree, unsigned int level,
						       struct bpos pos);
int bch2_reconcile_node_entry_write(struct btree_trans *trans, enum btree_id btree,
				    unsigned int level, struct bpos pos, struct bpos scan);
int bch2_reconcile_node_idx_take(struct btree_trans *trans, enum bch_reconcile_work_id class,
				 u64 *idx);
int bch2_reconcile_node_entry_create(struct btree_trans *trans, enum btree_id btree,
				     unsigned int level, struct bpos pos,
				     enum bch_reconcile_work_id class, u64 *idx);
u64 bch2_reconcile_node_idx(struct bch_fs *c, struct bkey_s_c k);
int bch2_reconcile_node_set_idx(struct bch_fs *c, struct bkey_s k, u64 idx);
int bch2_reconcile_btree_ptr(struct btree_trans *trans, struct bkey_i *k, bool fresh);

#endif /* _BCACHEFS_DATA_RECONCILE_TRIGGER_H */
