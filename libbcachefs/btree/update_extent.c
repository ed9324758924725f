// SPDX-License-Identifier: GPL-2.0
/*
 * Inserting extents: making room for a new one, or for a hole, among those that
 * are there, in one snapshot without changing what others see (spec 21 section
 * 6.3, 50 section 8, 61 section 8.3), and merging neighbours (21 section 6.4).
 *
 * Invariant UP-1: in every snapshot the visible extents do not overlap, before
 * and after. All changes are updates of whole keys in the caller's transaction.
 */
#include <linux/err.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/extent_cut.h"
#include "btree/iter.h"
#include "btree/snapshot_table.h"
#include "btree/trans.h"
#include "btree/update.h"

struct extent_insert {
	struct btree_trans	*trans;
	unsigned		btree;
	u32			flags;		/* of the caller's update */
	u32			snapshot;
	struct bpos		start;		/* range that is replaced: [start, end) */
	struct bpos		end;
	struct bkey_i		*n;		/* new key; deleted: only make room */
	u8			whiteout;	/* type of whiteouts that are due here */
	bool			may_merge;
	bool			done;
};

static bool is_hole(const struct extent_insert *x)
{
	return bkey_deleted(&x->n->k);
}

/* W of spec 21 section 6.3. */
static u8 whiteout_type(const struct extent_insert *x)
{
	struct bch_fs *c = x->trans->c;

	return is_hole(x) && x->btree == BTREE_ID_extents &&
		bch2_snapshot_is_leaf(c, x->snapshot) &&
		c->sb.version_incompat >= BCH_VERSION(1, 29)
		? KEY_TYPE_extent_whiteout : KEY_TYPE_whiteout;
}

/* Flags for pieces of other extents. */
static u32 piece_flags(const struct extent_insert *x)
{
	return (x->flags & ~BTREE_UPDATE_set_needs_reconcile_done) |
		BTREE_UPDATE_internal_snapshot_node;
}

static int put_empty(struct extent_insert *x, struct bpos pos, u8 type)
{
	struct bkey_i *k = bch2_trans_kmalloc(x->trans, sizeof(*k));

	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.type	= type;
	k->k.p		= pos;
	return bch2_trans_update_exact(x->trans, NULL, x->btree, 0, k, piece_flags(x));
}

/*
 * Make nothing visible at the place of @pos in the snapshot of the new key. With
 * @own that was a key of this snapshot, and what its ancestors have there shows
 * again: nothing must, and no extent_whiteout where the new extent is going to
 * be, because that says that there is none.
 */
static int hide_place(struct extent_insert *x, struct bpos pos, bool own)
{
	int type = KEY_TYPE_error;

	pos.snapshot = x->snapshot;
	if (own) {
		type = bch2_snapshot_ancestor_type(x->trans, x->btree, pos);
		if (type < 0)
			return type;
	}
	if (type == KEY_TYPE_extent_whiteout && type != x->whiteout)
		type = KEY_TYPE_error;
	return put_empty(x, pos, bkey_type_whiteout(type) ? KEY_TYPE_deleted : x->whiteout);
}

/* Insert the part of @o in [@from, @to), in o's own snapshot. */
static int put_piece(struct extent_insert *x, struct bkey_s_c o, struct bpos from,
		     struct bpos to)
{
	struct bkey_i *k = bch2_bkey_copy_to_arena(x->trans, o, 0);
	int ret;

	if (IS_ERR(k))
		return PTR_ERR(k);
	bch2_cut_front(x->trans->c, from, k);
	bch2_cut_back(to, k);
	ret = bch2_insert_snapshot_whiteouts(x->trans, x->btree, o.k->p, k->k.p);
	return ret ?: bch2_trans_update_exact(x->trans, NULL, x->btree, 0, k, piece_flags(x));
}

/* @o overlaps the range. */
static int make_room_in(struct extent_insert *x, struct bkey_s_c o)
{
	const struct bpos o_start = bkey_start_pos(o.k), o_end = o.k->p;
	const bool front = bkey_lt(o_start, x->start);
	const bool back = bkey_gt(o_end, x->end);
	const bool own = o_end.snapshot == x->snapshot || !btree_type_has_snapshots(x->btree);
	const bool middle = (front || back) && !own;
	const unsigned pieces = front + middle + back;
	int ret = 0;

	if (pieces > 1)
		x->trans->s.extra_disk_res +=
			bch2_extent_sectors_compressed(x->trans->c, o) * (pieces - 1);

	if (front)
		ret = put_piece(x, o, o_start, x->start);
	if (!ret && middle)
		ret = put_piece(x, o, bkey_max(o_start, x->start), bkey_min(o_end, x->end));
	if (!ret && !back)
		ret = hide_place(x, o_end, own);
	if (!ret && back)
		ret = put_piece(x, o, x->end, o_end);
	if (!ret && back && middle && is_hole(x))
		ret = put_empty(x, SPOS(x->end.inode, x->end.offset, x->snapshot), x->whiteout);
	return ret;
}

/* --- merging --- */

/* May keys at these two positions become one? 1, 0, or an error. */
static int neighbours_free(struct extent_insert *x, struct bpos l, struct bpos r)
{
	int ret = bch2_has_snapshot_overwrites(x->trans, x->btree, l);

	if (!ret)
		ret = bch2_has_snapshot_overwrites(x->trans, x->btree, r);
	return ret < 0 ? ret : !ret;
}

/*
 * @l followed by @r as one key: 1 and *res, 0: they cannot be merged. @l and @r
 * stay as they are.
 */
static int merged(struct extent_insert *x, struct bkey_s_c l, struct bkey_s_c r,
		  struct bkey_i **res)
{
	struct bkey_i *k;
	int ret;

	if (l.k->type != r.k->type || !bversion_eq(l.k->bversion, r.k->bversion) ||
	    !bpos_eq(l.k->p, bkey_start_pos(r.k)))
		return 0;
	ret = neighbours_free(x, l.k->p, r.k->p);
	if (ret <= 0)
		return ret;

	k = bch2_bkey_copy_to_arena(x->trans, l, BKEY_U64s_MAX * sizeof(u64));
	if (IS_ERR(k))
		return PTR_ERR(k);
	if (!bch2_bkey_merge(x->trans->c, bkey_i_to_s(k), r))
		return 0;
	/* the key keeps its start, whatever the method did about the position */
	k->k.p = r.k->p;
	*res = k;
	return 1;
}

/* @o ends where the new key starts. */
static int merge_front(struct extent_insert *x, struct bkey_s_c o)
{
	struct bkey_i *k;
	int ret = merged(x, o, bkey_i_to_s_c(x->n), &k);

	if (ret <= 0)
		return ret;
	ret = hide_place(x, o.k->p, true);
	if (!ret)
		x->n = k;
	return ret;
}

/* @o starts where the new key ends. */
static int merge_back(struct extent_insert *x, struct bkey_s_c o)
{
	struct bkey_i *k;
	int ret = merged(x, bkey_i_to_s_c(x->n), o, &k);

	if (ret > 0) {
		x->n = k;
		ret = 0;
	}
	return ret;
}

/* --- the walk --- */

static int walk_whiteout(struct extent_insert *x, struct bkey_s_c o)
{
	/* A place further on says nothing about the range; but see extent_whiteout. */
	if (bkey_gt(o.k->p, x->end)) {
		x->done = o.k->type == KEY_TYPE_extent_whiteout;
		return 0;
	}
	if (bkey_eq(o.k->p, x->start) || o.k->type == x->whiteout)
		return 0;
	return put_empty(x, SPOS(o.k->p.inode, o.k->p.offset, x->snapshot), x->whiteout);
}

static int walk_one(struct extent_insert *x, struct bkey_s_c o)
{
	if (bkey_whiteout(o.k))
		return walk_whiteout(x, o);

	if (bkey_eq(o.k->p, x->start))
		return x->may_merge ? merge_front(x, o) : 0;

	if (bkey_ge(bkey_start_pos(o.k), x->end)) {
		x->done = true;
		return x->may_merge ? merge_back(x, o) : 0;
	}

	x->done = bkey_gt(o.k->p, x->end);
	return make_room_in(x, o);
}

/* Keys visible in the snapshot that end at or behind the start, in order of their ends. */
static int walk(struct extent_insert *x)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(x->trans, &iter, x->btree,
			     SPOS(x->start.inode, x->start.offset, x->snapshot),
			     BTREE_ITER_intent|BTREE_ITER_not_extents|
			     BTREE_ITER_nofilter_whiteouts);
	do {
		k = bch2_btree_iter_peek_max(&iter, POS(x->start.inode, KEY_OFFSET_MAX));
		ret = bkey_err(k);
		if (ret || !k.k)
			break;
		ret = walk_one(x, k);
	} while (!ret && !x->done && bch2_btree_iter_advance(&iter));

	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_trans_update_extent - insert an extent, or remove a range
 * @trans:	transaction
 * @iter:	iterator of the btree
 * @k:		new key; type deleted with a size: what is in that range goes
 * @flags:	enum btree_update_flags
 *
 * Spec 21 sections 6.3 and 6.4.
 *
 * Return: 0, an error, or a restart.
 */
int bch2_trans_update_extent(struct btree_trans *trans, struct btree_iter *iter,
			     struct bkey_i *k, unsigned flags)
{
	struct extent_insert x = {
		.trans		= trans,
		.btree		= iter->btree_id,
		.flags		= flags,
		.snapshot	= k->k.p.snapshot,
		.start		= bkey_start_pos(&k->k),
		.end		= k->k.p,
		.n		= k,
		/* in replay's time neighbours may be superseded (spec 21 6.4) */
		.may_merge	= !trans->replay_unfinished && !bkey_deleted(&k->k) &&
				  !(flags & BTREE_UPDATE_internal_snapshot_node),
	};
	int ret;

	if (!k->k.size)
		return bkey_deleted(&k->k) ? 0 : -EINVAL;
	x.whiteout = whiteout_type(&x);

	ret = walk(&x);
	if (ret || is_hole(&x))
		return ret;
	return bch2_trans_update_exact(trans, NULL, x.btree, 0, x.n, flags);
}
