// SPDX-License-Identifier: GPL-2.0
/*
 * What data keys record of their options, and stripes of their devices (spec 53
 * §4 and §7.1, 52 §10.3).
 *
 * A difference is an error only if nothing explains it; the computed state is
 * stored in any case. Only with option nochanges nothing is stored at all.
 */
#include <linux/bits.h>
#include <linux/err.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/fsck_err_trans.h"
#include "btree/iter.h"
#include "btree/snapshot_table.h"
#include "btree/update.h"
#include "check/reconcile.h"
#include "data/extents.h"
#include "data/reconcile.h"
#include "data/reconcile_compute.h"
#include "data/reconcile_scan.h"
#include "data/stripe_trigger.h"
#include "data/stripes.h"
#include "fs/inode.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* --- options of inodes --- */

static int version_add(struct reconcile_check *x, struct bkey_s_c k)
{
	struct reconcile_inode_version v = { .snapshot = k.k->p.snapshot };
	struct bch_inode_unpacked inode;

	if (bkey_is_inode(k.k)) {
		/* what cannot be decoded is not set */
		bch2_inode_unpack(k, &inode);
		v.exists = true;
		v.opts	 = bch2_io_opts_inode(x->c, &inode);
	}
	return darray_push(&x->versions, v);
}

/* All versions of an inode; extents come in the order of inodes. */
static int versions_load(struct reconcile_check *x, u64 inum)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret = 0;

	if (x->inum == inum)
		return 0;
	x->inum = 0;
	x->versions.nr = 0;

	bch2_trans_iter_init(x->trans, &iter, BTREE_ID_inodes, POS(0, inum),
			     BTREE_ITER_all_snapshots|BTREE_ITER_prefetch);
	do {
		k = bch2_btree_iter_peek_max(&iter, SPOS(0, inum, KEY_SNAPSHOT_MAX));
		ret = bkey_err(k) ?: k.k ? version_add(x, k) : 0;
	} while (!ret && k.k && bch2_btree_iter_advance(&iter));
	bch2_trans_iter_exit(&iter);

	if (!ret)
		x->inum = inum;
	return ret;
}

/**
 * bch2_reconcile_check_opts - options that apply to a data key
 * @x:		check
 * @btree:	extents or reflink
 * @k:		key
 * @opts:	result
 *
 * Return: 0, a restart, or an error.
 */
int bch2_reconcile_check_opts(struct reconcile_check *x, unsigned btree, struct bkey_s_c k,
			      struct bch_io_opts *opts)
{
	int ret;

	if (btree != BTREE_ID_extents) {
		*opts = bch2_io_opts_indirect(x->c, k);
		return 0;
	}

	ret = versions_load(x, k.k->p.inode);
	if (ret)
		return ret;
	/* a child has a lower id than its parent: the first ancestor is the nearest */
	darray_for_each(x->versions, v)
		if (bch2_snapshot_is_ancestor(x->c, k.k->p.snapshot, v->snapshot)) {
			*opts = v->exists ? v->opts : bch2_io_opts_fs(x->c);
			return 0;
		}
	*opts = bch2_io_opts_fs(x->c);
	return 0;
}

/* --- what explains that a key does not record its work --- */

/**
 * bch2_reconcile_check_explained - will a key be looked at anyway?
 * @x:		check
 * @btree:	btree of the key
 * @level:	that it lives at
 * @k:		key
 * @new_need:	work that it does not record
 *
 * Return: 1, 0, a restart, or an error.
 */
int bch2_reconcile_check_explained(struct reconcile_check *x, unsigned btree, unsigned level,
				   struct bkey_s_c k, unsigned new_need)
{
	int ret;

	if (!new_need)
		return 1;
	ret = bch2_reconcile_scan_pending_fs(x->trans);
	if (!ret && level)
		ret = bch2_reconcile_scan_pending(x->trans, RECONCILE_SCAN_COOKIE_metadata);
	if (!ret && !level && btree == BTREE_ID_extents)
		ret = bch2_reconcile_scan_pending(x->trans, k.k->p.inode);
	if (!ret && new_need == BIT(BCH_RECONCILE_OPT_data_replicas))
		ret = bch2_reconcile_scan_pending_devs(x->trans, k);
	return ret;
}

/* --- storing --- */

/* An iterator that updates exactly the key it stands on, whatever it is. */
static int store_key(struct reconcile_check *x, unsigned btree, struct bkey_i *n)
{
	struct btree_iter iter;
	int ret;

	bch2_trans_iter_init(x->trans, &iter, btree, n->k.p, BTREE_ITER_intent|
			     BTREE_ITER_all_snapshots|BTREE_ITER_not_extents);
	ret   = bch2_btree_iter_traverse(&iter) ?:
		bch2_trans_update(x->trans, &iter, n, BTREE_UPDATE_internal_snapshot_node);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* --- extents --- */

static int extent_report(struct reconcile_check *x, struct bkey_s_c k,
			 const struct bch_reconcile_want *w)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	prt_str(&buf, "extent does not record the work that its options ask for\n");
	bch2_bkey_val_to_text(&buf, x->c, k);
	prt_str(&buf, "\nshould record: ");
	bch2_extent_reconcile_to_text(&buf, x->c, &w->entry);
	/* stored whatever the answer is */
	fsck_err_trans(x->trans, extent_io_opts_not_set, "%s", printbuf_str(&buf));
fsck_err:
	return ret;
}

static int extent_check(struct reconcile_check *x, unsigned btree, struct bkey_s_c k)
{
	struct bch_reconcile_want w;
	struct bch_io_opts opts;
	unsigned new_need;
	struct bkey_i *n;
	int ret;

	ret   = bch2_reconcile_check_opts(x, btree, k, &opts) ?:
		bch2_reconcile_compute(x->trans, 0, k, &opts, &w);
	if (ret || !w.changes)
		return ret;

	new_need = w.new_need;
	if (!w.has_ec)
		new_need &= ~BIT(BCH_RECONCILE_OPT_erasure_code);
	ret = bch2_reconcile_check_explained(x, btree, 0, k, new_need);
	if (!ret)
		ret = extent_report(x, k, &w);
	if (ret < 0 || x->c->opts.nochanges)
		return min(ret, 0);

	/* before the key is copied: drops locks */
	ret = bch2_reconcile_permit(x->trans, 0);
	if (ret)
		return ret;
	n = bch2_bkey_copy_to_arena(x->trans, k, bkey_bytes(k.k) +
				    bch2_reconcile_apply_u64s(&w) * sizeof(u64));
	if (IS_ERR(n))
		return PTR_ERR(n);
	return  bch2_reconcile_apply(x->c, n, &w) ?:
		store_key(x, btree, n);
}

/* --- stripes --- */

/* needs_reconcile is not set; *set: it is to be. */
static int stripe_missing_check(struct reconcile_check *x, struct bkey_s_c k, bool *set)
{
	CLASS(printbuf, buf)();
	int ret;

	*set = !bch2_stripe_needs_reconcile(k) && bch2_stripe_wants_reconcile(x->c, k);
	if (!*set)
		return 0;
	ret   = bch2_reconcile_scan_pending_fs(x->trans) ?:
		bch2_reconcile_scan_pending_devs(x->trans, k);
	if (ret)
		return min(ret, 0);

	prt_str(&buf, "stripe has a block on no device that stays, but is not queued\n");
	bch2_bkey_val_to_text(&buf, x->c, k);
	*set = fsck_err_trans(x->trans, stripe_needs_reconcile_not_set, "%s", printbuf_str(&buf));
fsck_err:
	return ret;
}

static int stripe_widen_check(struct reconcile_check *x, struct bkey_s_c k, unsigned widen,
			      bool *set)
{
	CLASS(printbuf, buf)();
	int ret;

	*set = false;
	if (bch2_stripe_can_widen(k) == widen)
		return 0;
	ret = bch2_reconcile_scan_pending(x->trans, RECONCILE_SCAN_COOKIE_stripes);
	if (ret)
		return min(ret, 0);

	prt_printf(&buf, "stripe has the wrong can_widen, should be %u\n", widen);
	bch2_bkey_val_to_text(&buf, x->c, k);
	*set = fsck_err_trans(x->trans, stripe_can_widen_wrong, "%s", printbuf_str(&buf));
fsck_err:
	return ret;
}

static int stripe_check(struct reconcile_check *x, struct bkey_s_c k)
{
	struct stripe_geometry g;
	bool missing, widen;
	struct bch_stripe *s;
	unsigned can_widen;
	struct bkey_i *n;
	int ret;

	if (k.k->type != KEY_TYPE_stripe || bch2_stripe_geometry(k, &g))
		return 0;
	can_widen = bch2_stripe_can_widen_compute(x->c, k);
	ret   = stripe_missing_check(x, k, &missing) ?:
		stripe_widen_check(x, k, can_widen, &widen);
	if (ret || !(missing || widen) || x->c->opts.nochanges)
		return ret;

	n = bch2_bkey_copy_to_arena(x->trans, k, 0);
	if (IS_ERR(n))
		return PTR_ERR(n);
	s = (struct bch_stripe *) &n->v;
	if (missing)
		s->algo_flags |= BIT(4);
	if (widen)
		s->algo_flags = (s->algo_flags & 0x1f) | can_widen << 5;
	return store_key(x, BTREE_ID_stripes, n);
}

/**
 * bch2_reconcile_check_data_key - compare a key with its options
 * @x:		check
 * @btree:	extents, reflink or stripes
 * @k:		key
 *
 * What is to be changed is queued. Return: 0, a restart, or an error.
 */
int bch2_reconcile_check_data_key(struct reconcile_check *x, unsigned btree, struct bkey_s_c k)
{
	if (btree == BTREE_ID_stripes)
		return stripe_check(x, k);
	return bch2_bkey_is_direct_data(k.k) ? extent_check(x, btree, k) : 0;
}
