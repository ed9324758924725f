// SPDX-License-Identifier: GPL-2.0
/*
 * Everyday forms of updates: insert this key, delete that range, take a key,
 * change a copy of it (spec 21 section 6).
 *
 * Thin layers over bch2_trans_update(), for all floors.
 */
#include <linux/err.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "journal/journal.h"
#include "util/printbuf.h"

/* --- inserting --- */

/**
 * bch2_btree_insert_nonextent - queue an update of the very position of a key
 * @trans:	transaction
 * @btree:	btree; of extents: no room is made
 * @k:		new key
 * @flags:	enum btree_update_flags
 *
 * Return: 0, an error, or a restart.
 */
int bch2_btree_insert_nonextent(struct btree_trans *trans, unsigned btree, struct bkey_i *k,
				unsigned flags)
{
	struct btree_iter iter;
	int ret;

	bch2_trans_iter_init(trans, &iter, btree, k->k.p,
			     BTREE_ITER_cached|BTREE_ITER_not_extents|BTREE_ITER_intent);
	ret = bch2_btree_iter_traverse(&iter) ?:
		bch2_trans_update(trans, &iter, k, flags);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_btree_insert_trans - queue the insertion of a key
 * @trans:	transaction
 * @btree:	btree
 * @k:		new key
 * @flags:	enum btree_update_flags
 *
 * Return: 0, an error, or a restart.
 */
int bch2_btree_insert_trans(struct btree_trans *trans, unsigned btree, struct bkey_i *k,
			    unsigned flags)
{
	struct btree_iter iter;
	int ret;

	bch2_trans_iter_init(trans, &iter, btree, bkey_start_pos(&k->k), BTREE_ITER_intent);
	ret = bch2_btree_iter_traverse(&iter) ?:
		bch2_trans_update(trans, &iter, k, flags);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_btree_insert - insert one key, in a transaction of its own
 * @c:		filesystem
 * @btree:	btree
 * @k:		new key
 * @res:	space reserved for it, or NULL
 * @commit_flags: enum bch_trans_commit_flags
 *
 * Return: 0 or an error.
 */
int bch2_btree_insert(struct bch_fs *c, unsigned btree, struct bkey_i *k,
		      struct disk_reservation *res, unsigned commit_flags)
{
	return bch2_trans_commit_do(c, res, NULL, commit_flags,
				    bch2_btree_insert_trans(trans, btree, k, 0));
}

/* --- deleting --- */

static struct bkey_i *deleted_key(struct btree_trans *trans, struct bpos pos)
{
	struct bkey_i *k = bch2_trans_kmalloc(trans, sizeof(*k));

	if (!IS_ERR(k)) {
		bkey_init(&k->k);
		k->k.p = pos;
	}
	return k;
}

/**
 * bch2_btree_delete_at - queue the removal of what is at the position of an iterator
 * @trans:	transaction
 * @iter:	iterator; of extents: what the key it returned last covers
 * @flags:	enum btree_update_flags
 *
 * Return: 0, an error, or a restart.
 */
int bch2_btree_delete_at(struct btree_trans *trans, struct btree_iter *iter, unsigned flags)
{
	const bool extents = iter->flags & BTREE_ITER_is_extents;
	struct bkey_i *k = deleted_key(trans, extents ? iter->k.p : iter->pos);

	if (IS_ERR(k))
		return PTR_ERR(k);
	if (extents) {
		k->k.size = iter->k.size;
		if (iter->flags & BTREE_ITER_filter_snapshots)
			k->k.p.snapshot = iter->snapshot;
	}
	return bch2_trans_update(trans, iter, k, flags);
}

/**
 * bch2_btree_delete - queue the removal of what is at a position
 * @trans:	transaction
 * @btree:	btree
 * @pos:	position, with its snapshot
 * @flags:	enum btree_update_flags
 *
 * Return: 0, an error, or a restart.
 */
int bch2_btree_delete(struct btree_trans *trans, unsigned btree, struct bpos pos,
		      unsigned flags)
{
	struct btree_iter iter;
	int ret;

	bch2_trans_iter_init(trans, &iter, btree, pos,
			     BTREE_ITER_cached|BTREE_ITER_not_extents|BTREE_ITER_intent);
	ret = bch2_btree_iter_traverse(&iter) ?:
		bch2_btree_delete_at(trans, &iter, flags);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* Queue the removal of the next key of the range. 1: queued, 0: there is none. */
static int delete_next(struct btree_trans *trans, struct btree_iter *iter, struct bpos end,
		       unsigned flags)
{
	struct bkey_s_c k = bch2_btree_iter_peek_max(iter, end);
	struct bkey_i *del;
	int ret = bkey_err(k);

	if (ret || !k.k)
		return ret;
	del = deleted_key(trans, iter->pos);
	if (IS_ERR(del))
		return PTR_ERR(del);
	if (iter->flags & BTREE_ITER_is_extents) {
		const u64 to = k.k->p.inode == end.inode ? min(k.k->p.offset, end.offset)
							 : k.k->p.offset;

		del->k.p.inode	= k.k->p.inode;
		del->k.p.offset	= to;
		/* the first extent may begin before the range */
		del->k.size	= to - max(bkey_start_offset(k.k),
					   iter->pos.inode == k.k->p.inode ? iter->pos.offset : 0);
		if (!del->k.size)
			return 0;
	}
	return bch2_trans_update(trans, iter, del, flags) ?: 1;
}

/**
 * bch2_btree_delete_range_trans - remove everything in a range
 * @trans:	transaction without pending updates; commits once per key
 * @btree:	btree
 * @start:	first position; its snapshot is the view, in btrees with snapshots
 * @end:	last position, inclusive; of extents: the place behind the range
 * @flags:	enum btree_update_flags
 *
 * Return: 0, an error, or a restart: what the caller has read in this attempt is
 * void (transaction_restart_nested) if anything was removed.
 */
int bch2_btree_delete_range_trans(struct btree_trans *trans, unsigned btree, struct bpos start,
				  struct bpos end, unsigned flags)
{
	const u32 count = trans->restart_count;
	struct btree_iter iter;
	int ret;

	bch2_trans_iter_init(trans, &iter, btree, start, BTREE_ITER_intent);
	while (1) {
		ret = delete_next(trans, &iter, end, flags);
		if (ret > 0)
			ret = bch2_trans_commit(trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc) ?: 1;
		if (ret <= 0 && !bch2_err_matches(ret, BCH_ERR_transaction_restart))
			break;
		bch2_trans_begin(trans);
	}
	bch2_trans_iter_exit(&iter);

	if (!ret && bch2_trans_was_restarted(trans, count))
		ret = bch2_trans_restart(trans, BCH_ERR_transaction_restart_nested);
	return ret;
}

/**
 * bch2_btree_delete_range - the same in a transaction of its own
 * @c:		filesystem
 * @btree:	btree
 * @start:	first position
 * @end:	last position, inclusive
 * @flags:	enum btree_update_flags
 *
 * Return: 0 or an error.
 */
int bch2_btree_delete_range(struct bch_fs *c, unsigned btree, struct bpos start,
			    struct bpos end, unsigned flags)
{
	struct btree_trans *trans = bch2_trans_get(c);
	int ret;

	bch2_trans_begin(trans);
	ret = bch2_btree_delete_range_trans(trans, btree, start, end, flags);
	if (bch2_err_matches(ret, BCH_ERR_transaction_restart_nested))
		ret = 0;
	bch2_trans_put(trans);
	return ret;
}

/* --- bits --- */

static struct bkey_i *bit_key(struct btree_trans *trans, unsigned btree, struct bpos pos,
			      bool set)
{
	struct bkey_i *k = deleted_key(trans, pos);

	if (IS_ERR(k))
		return k;
	if (set)
		k->k.type = KEY_TYPE_set;
	if (btree_id_is_extents(btree)) {
		k->k.p.offset++;
		k->k.size = 1;
	}
	return k;
}

/**
 * bch2_btree_bit_mod - set or clear a position of a bit btree
 * @trans:	transaction
 * @btree:	btree of type set
 * @pos:	position; of extents (freespace): the sector or bucket itself
 * @set:	set, or delete
 *
 * Return: 0, an error, or a restart.
 */
int bch2_btree_bit_mod(struct btree_trans *trans, unsigned btree, struct bpos pos, bool set)
{
	struct bkey_i *k = bit_key(trans, btree, pos, set);

	return IS_ERR(k) ? PTR_ERR(k) : bch2_btree_insert_trans(trans, btree, k, 0);
}

/**
 * bch2_btree_bit_mod_iter - the same at the position of an iterator
 * @trans:	transaction
 * @iter:	iterator with intent
 * @set:	set, or delete
 *
 * Return: 0, an error, or a restart.
 */
int bch2_btree_bit_mod_iter(struct btree_trans *trans, struct btree_iter *iter, bool set)
{
	struct bkey_i *k = bit_key(trans, iter->btree_id, iter->pos, set);

	return IS_ERR(k) ? PTR_ERR(k) : bch2_trans_update(trans, iter, k, 0);
}

/* --- text without anything else --- */

/**
 * bch2_fs_log_msg - a line of text in the journal
 * @c:		filesystem; before its journal runs: in the first entry
 * @msg:	text
 *
 * Return: 0 or an error.
 */
int bch2_fs_log_msg(struct bch_fs *c, struct printbuf *msg)
{
	return bch2_trans_commit_do(c, NULL, NULL, BCH_WATERMARK_normal,
				    bch2_trans_log_msg(trans, msg));
}

/* --- copies to change --- */

/**
 * bch2_bkey_make_mut - a copy of a key to change, queued as its update
 * @trans:	transaction
 * @iter:	iterator that returned the key
 * @k:		the key; afterwards the copy
 * @flags:	enum btree_update_flags
 * @min_bytes:	room for key and value, zeros behind the value
 *
 * With filtered snapshots the copy is in the iterator's snapshot.
 *
 * Return: the copy, or ERR_PTR.
 */
struct bkey_i *bch2_bkey_make_mut(struct btree_trans *trans, struct btree_iter *iter,
				  struct bkey_s_c *k, unsigned flags, unsigned min_bytes)
{
	struct bkey_i *mut = bch2_bkey_copy_to_arena(trans, *k, min_bytes);
	int ret;

	if (IS_ERR(mut))
		return mut;
	if (bkey_bytes(&mut->k) < min_bytes)
		mut->k.u64s = DIV_ROUND_UP(min_bytes, sizeof(u64));
	if (iter->flags & BTREE_ITER_filter_snapshots)
		mut->k.p.snapshot = iter->snapshot;
	ret = bch2_trans_update(trans, iter, mut, flags);
	if (ret)
		return ERR_PTR(ret);
	*k = bkey_i_to_s_c(mut);
	return mut;
}

/**
 * bch2_bkey_get_mut - look a key up and queue a copy as its update
 * @trans:	transaction
 * @iter:	initialised here; to be ended by the caller unless ERR_PTR is returned
 * @btree:	btree
 * @pos:	position
 * @iter_flags:	enum btree_iter_flags; intent is added
 * @type:	type the key must have; 0: any
 * @min_bytes:	room for key and value
 *
 * Return: the copy, -BCH_ERR_ENOENT_bkey_type_mismatch, or another ERR_PTR.
 */
struct bkey_i *bch2_bkey_get_mut(struct btree_trans *trans, struct btree_iter *iter,
				 unsigned btree, struct bpos pos, unsigned iter_flags,
				 unsigned type, unsigned min_bytes)
{
	struct bkey_s_c k = bch2_bkey_get_iter(trans, iter, btree, pos,
					       iter_flags|BTREE_ITER_intent);
	struct bkey_i *mut;

	if (bkey_err(k))
		mut = ERR_PTR(bkey_err(k));
	else if (!k.k || (type && k.k->type != type))
		mut = ERR_PTR(-BCH_ERR_ENOENT_bkey_type_mismatch);
	else
		mut = bch2_bkey_make_mut(trans, iter, &k, 0, min_bytes);
	if (IS_ERR(mut))
		bch2_trans_iter_exit(iter);
	return mut;
}

/**
 * bch2_bkey_get_mut_noiter - the same, when the iterator is not needed afterwards
 * @trans:	transaction
 * @btree:	btree
 * @pos:	position
 * @iter_flags:	enum btree_iter_flags
 * @type:	type the key must have; 0: any
 * @min_bytes:	room for key and value
 *
 * Return: the copy, or ERR_PTR.
 */
struct bkey_i *bch2_bkey_get_mut_noiter(struct btree_trans *trans, unsigned btree,
					struct bpos pos, unsigned iter_flags, unsigned type,
					unsigned min_bytes)
{
	struct btree_iter iter;
	struct bkey_i *mut = bch2_bkey_get_mut(trans, &iter, btree, pos, iter_flags, type,
					       min_bytes);

	if (!IS_ERR(mut))
		bch2_trans_iter_exit(&iter);
	return mut;
}

/**
 * bch2_bkey_alloc_type - a new key at the position of an iterator, queued
 * @trans:	transaction
 * @iter:	iterator with intent
 * @flags:	enum btree_update_flags
 * @type:	type of the key
 * @val_bytes:	size of its value, zeroed
 *
 * Return: the key, to be filled in before the commit; or ERR_PTR.
 */
struct bkey_i *bch2_bkey_alloc_type(struct btree_trans *trans, struct btree_iter *iter,
				    unsigned flags, unsigned type, unsigned val_bytes)
{
	struct bkey_i *k = bch2_trans_kmalloc(trans, sizeof(*k) +
					      round_up(val_bytes, sizeof(u64)));
	int ret;

	if (IS_ERR(k))
		return k;
	bkey_init(&k->k);
	k->k.type	= type;
	k->k.p		= iter->pos;
	set_bkey_val_bytes(&k->k, val_bytes);
	ret = bch2_trans_update(trans, iter, k, flags);
	return ret ? ERR_PTR(ret) : k;
}

/**
 * bch2_bkey_get_empty_slot - the last position of a range such that nothing is behind
 * @trans:	transaction
 * @iter:	initialised here, with intent, and left at the empty position; to be
 *		ended by the caller unless an error is returned
 * @btree:	btree without snapshots
 * @start:	first position allowed
 * @end:	last position allowed
 *
 * For btrees whose keys get the next free number.
 *
 * Return: 0, -ENOSPC, another error, or a restart.
 */
int bch2_bkey_get_empty_slot(struct btree_trans *trans, struct btree_iter *iter,
			     unsigned btree, struct bpos start, struct bpos end)
{
	struct bpos pos = start;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, iter, btree, end, BTREE_ITER_intent);
	k = bch2_btree_iter_peek_prev_min(iter, start);
	ret = bkey_err(k);
	if (!ret && k.k) {
		if (bkey_ge(k.k->p, end))
			ret = -ENOSPC;
		else
			pos = bpos_nosnap_successor(k.k->p);
	}
	if (!ret) {
		bch2_btree_iter_set_pos(iter, pos);
		k = bch2_btree_iter_peek_slot(iter);
		ret = bkey_err(k);
	}
	if (ret)
		bch2_trans_iter_exit(iter);
	return ret;
}
