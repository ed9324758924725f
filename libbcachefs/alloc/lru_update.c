// SPDX-License-Identifier: GPL-2.0
/*
 * Moving objects in the lists of the lru btree (spec 42 §4), in the transaction
 * that changes the object's key.
 */
#include "bcachefs.h"
#include "alloc/index_update.h"
#include "alloc/lru.h"
#include "btree/update.h"

/**
 * bch2_lru_change - an object's time changes
 * @trans:	transaction
 * @lru_id:	which list
 * @object:	bucket or stripe
 * @old_time:	where it is; 0: nowhere
 * @new_time:	where it belongs; 0: nowhere
 *
 * Returns 0, a restart, or no memory.
 */
int bch2_lru_change(struct btree_trans *trans, u16 lru_id, u64 object, u64 old_time,
		    u64 new_time)
{
	int ret = 0;

	if (old_time == new_time)
		return 0;
	if (old_time)
		ret = bch2_btree_bit_mod_buffered(trans, BTREE_ID_lru,
						  lru_pos(lru_id, object, old_time), false);
	if (!ret && new_time)
		ret = bch2_btree_bit_mod_buffered(trans, BTREE_ID_lru,
						  lru_pos(lru_id, object, new_time), true);
	return ret;
}
