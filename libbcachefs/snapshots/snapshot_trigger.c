// SPDX-License-Identifier: GPL-2.0
/*
 * What follows from changes of snapshot and subvolume keys (spec 61 §1): the
 * table of snapshot nodes in memory, and the index of a subvolume's children.
 */
#include "bcachefs.h"
#include "btree/bkey_val.h"
#include "btree/snapshot_table.h"
#include "btree/update.h"
#include "snapshots/snapshot.h"
#include "snapshots/snapshot_trigger.h"
#include "snapshots/subvolume.h"
#include "util/bpos.h"

/**
 * bch2_trigger_snapshot - the table in memory follows a snapshot key
 * @trans:	transaction
 * @btree:	snapshots
 * @level:	0
 * @old:	key before
 * @new_key:	key after
 * @flags:	which half; only the atomic one does something
 *
 * A node whose key is gone is unknown from then on. Returns 0 or no memory.
 */
int bch2_trigger_snapshot(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			  struct bkey_s_c old, struct bkey_s new_key, unsigned int flags)
{
	/* before the journal runs nothing is atomic, and iterators need the table then, too */
	const bool early = (flags & BTREE_TRIGGER_transactional) &&
		!test_bit(BCH_FS_may_go_rw, &trans->c->flags);

	if (!(flags & BTREE_TRIGGER_atomic) && !early)
		return 0;
	return bch2_snapshot_mem_update(trans->c, bkey_s_to_s_c(new_key));
}

/* Position of a subvolume in its parent's list; false: it is in none. */
static bool child_pos(struct bkey_s_c k, struct bpos *pos)
{
	struct bch_subvolume s;

	if (k.k->type != KEY_TYPE_subvolume)
		return false;
	bch2_subvolume_val(k, &s);
	*pos = POS(le32_to_cpu(s.fs_path_parent), k.k->p.offset);
	return s.fs_path_parent != 0;
}

/**
 * bch2_trigger_subvolume - subvolume_children follows a subvolume key
 * @trans:	transaction
 * @btree:	subvolumes
 * @level:	0
 * @old:	key before
 * @new_key:	key after
 * @flags:	which half; only the transactional one does something
 *
 * Spec 61 §6. Returns 0, a restart, or an error.
 */
int bch2_trigger_subvolume(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			   struct bkey_s_c old, struct bkey_s new_key, unsigned int flags)
{
	struct bpos from, to;
	const bool was = child_pos(old, &from);
	const bool is = child_pos(bkey_s_to_s_c(new_key), &to);
	int ret = 0;

	if (!(flags & BTREE_TRIGGER_transactional) || (was && is && bpos_eq(from, to)))
		return 0;
	if (was)
		ret = bch2_btree_bit_mod(trans, BTREE_ID_subvolume_children, from, false);
	if (!ret && is)
		ret = bch2_btree_bit_mod(trans, BTREE_ID_subvolume_children, to, true);
	return ret;
}
