/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Index entries and counters of pending background work, kept in step with the
 * keys that record it (spec 53 §5).
 */
#ifndef _BCACHEFS_DATA_RECONCILE_TRIGGER_H
#define _BCACHEFS_DATA_RECONCILE_TRIGGER_H

#include "bcachefs.h"
#include "btree/bkey.h"

struct btree_trans;

int bch2_trigger_reconcile(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			   struct bkey_s_c old, struct bkey_s new_key, unsigned int flags);
int bch2_reconcile_work_mod(struct btree_trans *trans, enum btree_id btree, struct bpos pos,
			    enum bch_reconcile_work_id old, enum bch_reconcile_work_id new_class);

#endif /* _BCACHEFS_DATA_RECONCILE_TRIGGER_H */
