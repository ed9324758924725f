// SPDX-License-Identifier: GPL-2.0
/*
 * References to shared extents and how many of them there are (spec 51 §6, §8.1);
 * live sectors of the blocks of stripes (spec 43 §4.7 step 2, 52 §10.1).
 *
 * Unlike those of the walk, repairs here that change counts run triggers: buckets
 * and counters have been put right by then, and have to stay right.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "bcachefs.h"
#include "alloc/gc.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/commit.h"
#include "btree/extent_cut.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/allocations_priv.h"
#include "data/reflink.h"
#include "data/stripes.h"
#include "sb/fsck_err.h"
#include "util/log.h"
#include "util/printbuf.h"

#define CAN_FIX_OR_NOT	(FSCK_CAN_FIX|FSCK_CAN_IGNORE)

/* --- references to what is not there --- */

/* The first part of [start, end) without a shared extent; false: there is none. */
static bool missing_range(struct bch_fs *c, u64 start, u64 end, u64 *from, u64 *to)
{
	while (start < end) {
		const struct gc_indirect *e = bch2_gc_indirect(c, start);

		if (!e || e->end - e->size > start) {
			*from	= start;
			*to	= e ? min(e->end - e->size, end) : end;
			return true;
		}
		start = e->end;
	}
	return false;
}

static struct bkey_i_reflink_p *copy_of(struct alloc_check *x, struct bkey_s_c k)
{
	struct bkey_i *n = bch2_bkey_copy_to_arena(x->trans, k, sizeof(struct bkey_i_reflink_p));

	return IS_ERR(n) ? ERR_CAST(n) : bkey_i_to_reflink_p(n);
}

/* A piece of @k that says itself that its data is lost: [a, b) of the reflink btree. */
static struct bkey_i_reflink_p *lost_piece(struct alloc_check *x, struct bkey_s_c k,
					   const struct reflink_p_range *r, u64 a, u64 b)
{
	const u64 start = bkey_start_pos(k.k).offset;
	struct bkey_i_reflink_p *n = copy_of(x, k);

	if (IS_ERR(n))
		return n;
	bch2_cut_back(SPOS(k.k->p.inode, start + (b - r->idx), k.k->p.snapshot), &n->k_i);
	bch2_cut_front(x->c, SPOS(k.k->p.inode, start + (a - r->idx), k.k->p.snapshot), &n->k_i);
	SET_REFLINK_P_ERROR(&n->v, true);
	return n;
}

/*
 * The data itself is missing. Pieces in front of the last one end before the place
 * that the walk is at: it will not see them, so they are counted here.
 */
static int repair_data(struct alloc_check *x, struct bkey_s_c k, const struct reflink_p_range *r,
		       u64 from, u64 to)
{
	const u64 a = max(from, r->idx), b = min(to, r->end);
	struct bkey_i_reflink_p *lost = lost_piece(x, k, r, a, b);
	struct bkey_i_reflink_p *front = copy_of(x, k);
	struct btree_iter iter;
	int ret;

	if (IS_ERR(lost) || IS_ERR(front))
		return IS_ERR(lost) ? PTR_ERR(lost) : PTR_ERR(front);
	bch2_cut_back(bkey_start_pos(&lost->k), &front->k_i);
	front->k.p.snapshot = k.k->p.snapshot;

	bch2_trans_iter_init(x->trans, &iter, BTREE_ID_extents, bkey_start_pos(&lost->k),
			     BTREE_ITER_intent|BTREE_ITER_all_snapshots);
	ret   = bch2_btree_iter_traverse(&iter) ?:
		bch2_trans_update(x->trans, &iter, &lost->k_i,
				  BTREE_UPDATE_internal_snapshot_node|BTREE_TRIGGER_norun) ?:
		bch2_trans_commit(x->trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc);
	bch2_trans_iter_exit(&iter);

	if (!ret && a > r->idx)
		ret = bch2_gc_mark_key(x->trans, BTREE_ID_extents, 0, bkey_i_to_s_c(&front->k_i));
	if (!ret && b < r->end)
		ret = bch2_gc_mark_key(x->trans, BTREE_ID_extents, 0, bkey_i_to_s_c(&lost->k_i));
	return ret ?: bch2_alloc_check_again(x);
}

/* Only what the pads reach for is missing. */
static int repair_pads(struct alloc_check *x, struct bkey_s_c k, const struct reflink_p_range *r,
		       u64 from, u64 to)
{
	struct bkey_i_reflink_p *n = copy_of(x, k);

	if (IS_ERR(n))
		return PTR_ERR(n);
	if (to <= r->idx)
		n->v.front_pad = cpu_to_le32(r->idx - to);
	else
		n->v.back_pad = cpu_to_le32(from - r->end);
	return bch2_trans_update_exact(x->trans, NULL, BTREE_ID_extents, 0, &n->k_i,
				       BTREE_TRIGGER_norun) ?:
		bch2_alloc_check_commit(x);
}

/* It says that its data is lost, but it is not. */
static int clear_error(struct alloc_check *x, struct bkey_s_c k)
{
	struct bkey_i_reflink_p *n = copy_of(x, k);

	if (IS_ERR(n))
		return PTR_ERR(n);
	SET_REFLINK_P_ERROR(&n->v, false);
	return bch2_trans_update_exact(x->trans, NULL, BTREE_ID_extents, 0, &n->k_i,
				       BTREE_TRIGGER_norun) ?:
		bch2_alloc_check_commit(x);
}

static int report_missing(struct alloc_check *x, struct bkey_s_c k, u64 from, u64 to)
{
	return bch2_alloc_check_ask(x, BCH_FSCK_ERR_reflink_p_to_missing_reflink_v,
				    CAN_FIX_OR_NOT, from, &k,
				    "inode %llu offset %llu: pointer to a shared extent that does "
				    "not exist: missing %llu-%llu", (u64) k.k->p.inode,
				    (u64) bkey_start_pos(k.k).offset << 9, from, to);
}

/**
 * bch2_alloc_check_reflink_p - does a pointer refer to shared extents that exist?
 * @x:		check, at the place of @k
 * @k:		reflink_p
 *
 * Spec 51 §6. Returns as bch2_alloc_check_ptrs().
 */
int bch2_alloc_check_reflink_p(struct alloc_check *x, struct bkey_s_c k)
{
	struct reflink_p_range r;
	u64 at, from, to;

	bch2_reflink_p_decode(k, &r);
	if (r.error)
		return missing_range(x->c, r.idx, r.end, &from, &to) ? 0 : clear_error(x, k);

	for (at = r.ref_start; missing_range(x->c, at, r.ref_end, &from, &to); at = to) {
		const int ret = report_missing(x, k, from, to);

		if (ret < 0)
			return ret;
		if (ret)
			return to <= r.idx || from >= r.end ? repair_pads(x, k, &r, from, to)
							    : repair_data(x, k, &r, from, to);
	}
	return 0;
}

/* --- reference counts --- */

static int refcount_check(struct alloc_check *x, struct btree_iter *iter, struct bkey_s_c k)
{
	const struct gc_indirect *e;
	struct bkey_i *n;
	u64 have;
	int ret;

	if (!bkey_is_indirect(k.k))
		return 0;
	e = bch2_gc_indirect(x->c, k.k->p.offset - 1);
	if (!e || e->end != k.k->p.offset || e->size != k.k->size) {
		bch_err(x->c, "shared extent at %llu was not there before", (u64) k.k->p.offset);
		return -BCH_ERR_fsck_repair_impossible;
	}
	have = bch2_indirect_refcount(k);
	if (e->refs == have)
		return 0;

	bch2_alloc_check_place(x, BTREE_ID_reflink, 0, k.k->p);
	ret = bch2_alloc_check_ask(x, BCH_FSCK_ERR_reflink_v_refcount_wrong, CAN_FIX_OR_NOT,
				   0, &k, "shared extent has wrong refcount (got %llu, should be "
				   "%llu)", have, e->refs);
	if (ret <= 0)
		return ret;

	/* without a reference the trigger makes it a deletion */
	n = bch2_bkey_copy_to_arena(x->trans, k, 0);
	if (IS_ERR(n))
		return PTR_ERR(n);
	*(__le64 *) &n->v = cpu_to_le64(e->refs);
	return bch2_trans_update(x->trans, iter, n, 0);
}

/**
 * bch2_alloc_check_refcounts - compare the reference counts of shared extents
 * @x:		check; everything has been counted
 *
 * Returns 0, an error of the policy, or of a repair.
 */
int bch2_alloc_check_refcounts(struct alloc_check *x)
{
	x->have_place = false;
	return for_each_btree_key_commit(x->trans, iter, BTREE_ID_reflink, POS_MIN,
					 BTREE_ITER_intent|BTREE_ITER_prefetch|BTREE_ITER_skip_bad,
					 k, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
					 refcount_check(x, &iter, k));
}

/* --- stripes --- */

static int stripe_ask(struct alloc_check *x, struct bkey_s_c k, const struct stripe_geometry *g,
		      const struct gc_stripe *s)
{
	unsigned int have, want;
	int ret = 0;

	for (unsigned int i = g->nr_data; !ret && i < g->nr_blocks; i++) {
		have = bch2_stripe_block_sectors(k, g, i);
		if (have)
			ret = bch2_alloc_check_ask(x,
				BCH_FSCK_ERR_stripe_parity_block_sector_count_wrong,
				CAN_FIX_OR_NOT, i, &k,
				"parity block %u of stripe has live sectors (%u)", i, have);
	}
	for (unsigned int i = 0; !ret && i < g->nr_data; i++) {
		have = bch2_stripe_block_sectors(k, g, i);
		want = s ? s->block_sectors[i] : 0;
		if (have != want)
			ret = bch2_alloc_check_ask(x, BCH_FSCK_ERR_stripe_sector_count_wrong,
				CAN_FIX_OR_NOT, i, &k,
				"block %u of stripe has wrong sector count (got %u, should be %u)",
				i, have, want);
	}
	return ret;
}

static int stripe_check(struct alloc_check *x, struct btree_iter *iter, struct bkey_s_c k)
{
	const struct gc_stripe *s = bch2_gc_stripe(x->c, k.k->p.offset);
	struct stripe_geometry g;
	struct bkey_i *n;
	int ret;

	if (k.k->type != KEY_TYPE_stripe || bch2_stripe_geometry(k, &g))
		return 0;
	bch2_alloc_check_place(x, BTREE_ID_stripes, 0, k.k->p);
	ret = stripe_ask(x, k, &g, s);
	if (ret <= 0)
		return ret;

	n = bch2_bkey_copy_to_arena(x->trans, k, 0);
	if (IS_ERR(n))
		return PTR_ERR(n);
	for (unsigned int i = 0; i < g.nr_blocks; i++)
		put_unaligned_le16(s && i < g.nr_data ? s->block_sectors[i] : 0,
				   (u8 *) &n->v + g.counts_offset + i * sizeof(__le16));
	return bch2_trans_update(x->trans, iter, n, 0);
}

/**
 * bch2_alloc_check_stripes - compare the live sectors of stripes
 * @x:		check; everything has been counted
 *
 * Returns 0, an error of the policy, or of a repair.
 */
int bch2_alloc_check_stripes(struct alloc_check *x)
{
	x->have_place = false;
	return for_each_btree_key_commit(x->trans, iter, BTREE_ID_stripes, POS_MIN,
					 BTREE_ITER_intent|BTREE_ITER_prefetch|BTREE_ITER_skip_bad,
					 k, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
					 stripe_check(x, &iter, k));
}
