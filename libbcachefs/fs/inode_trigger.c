// SPDX-License-Identifier: GPL-2.0
/*
 * What follows from a change of an inode key (spec 60 §3.5, §5.2, §5.3): the
 * count of inodes, the index of those to be deleted, the mark of versions that
 * have others below them in the snapshot tree, and the number of the journal
 * entry that carries the change.
 */
#include <linux/err.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/accounting_live.h"
#include "btree/bkey_val.h"
#include "btree/snapshot_table.h"
#include "btree/update.h"
#include "fs/inode.h"
#include "fs/inode_trigger.h"
#include "sb/fsck_err.h"
#include "util/bpos.h"
#include "util/log.h"

/* --- flags, in all three layouts --- */

static u32 inode_flags(struct bkey_s_c k)
{
	switch (k.k->type) {
	case KEY_TYPE_inode:
		return INODEv1_FLAGS(bkey_val(k, inode));
	case KEY_TYPE_inode_v2:
		return INODEv2_FLAGS(bkey_val(k, inode_v2));
	case KEY_TYPE_inode_v3:
		return INODEv3_FLAGS(bkey_val(k, inode_v3));
	default:
		return 0;
	}
}

static void inode_flag_set(struct bkey_s k, u32 flag, bool set)
{
	const u32 was = inode_flags(bkey_s_to_s_c(k));
	const u32 flags = set ? was|flag : was & ~flag;

	switch (k.k->type) {
	case KEY_TYPE_inode:
		SET_INODEv1_FLAGS((struct bch_inode *) k.v, flags);
		break;
	case KEY_TYPE_inode_v2:
		SET_INODEv2_FLAGS((struct bch_inode_v2 *) k.v, flags);
		break;
	case KEY_TYPE_inode_v3:
		SET_INODEv3_FLAGS((struct bch_inode_v3 *) k.v, flags);
		break;
	}
}

/* To be deleted at the next mount (spec 60 §5.2). */
static bool is_dead(struct bkey_s_c k)
{
	return bkey_is_inode(k.k) &&
		(inode_flags(k) & (BCH_INODE_unlinked|BCH_INODE_has_child_snapshot)) ==
		BCH_INODE_unlinked;
}

/* --- versions in other snapshots, spec 60 §5.3 --- */

/* Is there a version of the inode below snapshot @pos.snapshot, other than @except? */
static int has_child_version(struct btree_trans *trans, struct bpos pos, u32 except)
{
	struct bch_fs *c = trans->c;
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret = 0;

	if (!pos.snapshot)
		return 0;
	bch2_trans_iter_init(trans, &iter, BTREE_ID_inodes, SPOS(pos.inode, pos.offset, 0),
			     BTREE_ITER_all_snapshots);
	for (k = bch2_btree_iter_peek_max(&iter, SPOS(pos.inode, pos.offset, pos.snapshot - 1));
	     k.k && !(ret = bkey_err(k));
	     k = bch2_btree_iter_advance(&iter)
			? bch2_btree_iter_peek_max(&iter, SPOS(pos.inode, pos.offset,
							       pos.snapshot - 1))
			: bkey_s_c_null)
		if (bkey_is_inode(k.k) && k.k->p.snapshot != except &&
		    bch2_snapshot_is_ancestor(c, k.k->p.snapshot, pos.snapshot)) {
			ret = 1;
			break;
		}
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* The iterator at the nearest version above; key null if there is none. */
static struct bkey_s_c nearest_parent_version(struct btree_iter *iter, struct bpos pos)
{
	struct bch_fs *c = iter->trans->c;
	const struct bpos end = SPOS(pos.inode, pos.offset, U32_MAX);
	struct bkey_s_c k;

	for (k = bch2_btree_iter_peek_max(iter, end);
	     k.k && !bkey_err(k);
	     k = bch2_btree_iter_advance(iter) ? bch2_btree_iter_peek_max(iter, end)
					       : bkey_s_c_null)
		if (bkey_is_inode(k.k) &&
		    bch2_snapshot_is_ancestor(c, pos.snapshot, k.k->p.snapshot))
			break;
	return k;
}

/* Mark (or, if no other is below it, unmark) the nearest version above @pos. */
static int parent_version_mark(struct btree_trans *trans, struct bpos pos, bool created)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	struct bkey_i *n;
	int ret;

	if (pos.snapshot == U32_MAX)
		return 0;
	bch2_trans_iter_init(trans, &iter, BTREE_ID_inodes,
			     SPOS(pos.inode, pos.offset, pos.snapshot + 1),
			     BTREE_ITER_all_snapshots|BTREE_ITER_intent);
	k = nearest_parent_version(&iter, pos);
	ret = bkey_err(k);
	if (ret || !k.k ||
	    created == !!(inode_flags(k) & BCH_INODE_has_child_snapshot))
		goto out;

	if (!created) {
		ret = has_child_version(trans, k.k->p, pos.snapshot);
		if (ret) {
			ret = min(ret, 0);
			goto out;
		}
	}
	n = bch2_bkey_copy_to_arena(trans, k, 0);
	ret = PTR_ERR_OR_ZERO(n);
	if (!ret) {
		inode_flag_set(bkey_i_to_s(n), BCH_INODE_has_child_snapshot, created);
		ret = bch2_trans_update(trans, &iter, n,
					BTREE_UPDATE_internal_snapshot_node);
	}
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* The key came into being or vanished: other versions, and its own mark. */
static int versions_follow(struct btree_trans *trans, struct bkey_s new_key, bool created)
{
	int ret = parent_version_mark(trans, new_key.k->p, created);

	if (ret || !created)
		return ret;
	ret = has_child_version(trans, new_key.k->p, new_key.k->p.snapshot);
	if (ret < 0)
		return ret;
	inode_flag_set(new_key, BCH_INODE_has_child_snapshot, ret);
	return 0;
}

/* --- the halves --- */

static int count_inodes(struct btree_trans *trans, bool gc, s64 d)
{
	const struct disk_accounting_pos acc = { .type = BCH_DISK_ACCOUNTING_nr_inodes };

	return bch2_accounting_mod(trans, gc, &acc, &d, 1);
}

static int trigger_transactional(struct btree_trans *trans, struct bkey_s_c old,
				 struct bkey_s new_key)
{
	const bool was = bkey_is_inode(old.k), is = bkey_is_inode(new_key.k);
	const bool was_dead = is_dead(old);
	int ret = 0;

	if (was != is)
		ret = count_inodes(trans, false, is ? 1 : -1) ?:
			versions_follow(trans, new_key, is);
	if (!ret && was_dead != is_dead(bkey_s_to_s_c(new_key)))
		ret = bch2_btree_bit_mod_buffered(trans, BTREE_ID_deleted_inodes, new_key.k->p,
						  !was_dead);
	return ret;
}

static __le64 *inode_journal_seq(struct bkey_s k)
{
	switch (k.k->type) {
	case KEY_TYPE_inode_v2:
		return &((struct bch_inode_v2 *) k.v)->bi_journal_seq;
	case KEY_TYPE_inode_v3:
		return &((struct bch_inode_v3 *) k.v)->bi_journal_seq;
	default:
		return NULL;
	}
}

/* Spec 60 §3.5, rule 3. */
static void trigger_atomic(struct btree_trans *trans, struct bkey_s k)
{
	const u64 seq = trans->s.journal_res.seq;
	__le64 *v = inode_journal_seq(k);

	if (!v || !seq)
		return;
	if (le64_to_cpu(*v) > seq) {
		bch_err(trans->c, "inode %llu:%u: journal sequence number %llu is in the future, "
			"now %llu", (u64) k.k->p.offset, k.k->p.snapshot, (u64) le64_to_cpu(*v),
			seq);
		bch2_count_fsck_err(trans->c, BCH_FSCK_ERR_inode_journal_seq_in_future);
	}
	*v = cpu_to_le64(seq);
}

/**
 * bch2_trigger_inode - what follows from a change of an inode key
 * @trans:	transaction
 * @btree:	inodes
 * @level:	0
 * @old:	key before
 * @new_key:	key after; has_child_snapshot of a new one and the journal sequence
 *		number are set
 * @flags:	which half; insert, overwrite
 *
 * Old and new key may be of different types with this trigger: then it is called
 * once, with both. Returns 0, a restart, or an error.
 */
int bch2_trigger_inode(struct btree_trans *trans, enum btree_id btree, unsigned int level,
		       struct bkey_s_c old, struct bkey_s new_key, unsigned int flags)
{
	int ret = 0;

	if (flags & BTREE_TRIGGER_gc) {
		const s64 d = ((flags & BTREE_TRIGGER_insert) && bkey_is_inode(new_key.k)) -
			((flags & BTREE_TRIGGER_overwrite) && bkey_is_inode(old.k));

		return count_inodes(trans, true, d);
	}

	if (flags & BTREE_TRIGGER_transactional)
		ret = trigger_transactional(trans, old, new_key);
	if (!ret && (flags & BTREE_TRIGGER_atomic) && (flags & BTREE_TRIGGER_insert) &&
	    bkey_is_inode(new_key.k))
		trigger_atomic(trans, new_key);
	return ret;
}
