/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reference counts of shared extents (spec 51 §5).
 */
#ifndef _BCACHEFS_DATA_REFLINK_TRIGGER_H
#define _BCACHEFS_DATA_REFLINK_TRIGGER_H

#include "bcachefs.h"
#include "btree/bkey.h"

struct btree_trans;

int bch2_trigger_reflink_p(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			   struct bkey_s_c old, struct bkey_s new_key, unsigned int flags);
/* reflink_v and indirect_inline_data */
int bch2_trigger_indirect(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			  struct bkey_s_c old, struct bkey_s new_key, unsigned int flags);

#endif /* _BCACHEFS_DATA_REFLINK_TRIGGER_H */
