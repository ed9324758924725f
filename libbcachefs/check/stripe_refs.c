// SPDX-License-Identifier: GPL-2.0
/*
 * Which stripes have a block in a bucket: bucket_to_stripe against stripes, in
 * both directions (spec 43 §9, 42 §8).
 *
 * A repair changes the bucket's stripe_refcount along with the index, through the
 * alloc trigger: both were in step before (check_alloc_info), and stay so.
 */
#include <linux/err.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/index_update.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/extent_entries.h"
#include "btree/fsck_err_trans.h"
#include "btree/iter.h"
#include "check/alloc_checks.h"
#include "data/stripes.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* Bucket of a block, if it is on a device that has it. */
static bool block_bucket(struct bch_fs *c, struct bkey_s_c k, const struct stripe_geometry *g,
			 unsigned block, struct bpos *bucket)
{
	const struct bch_extent_ptr *ptr = bch2_stripe_ptr(k, g, block);
	struct bch_dev *ca = bch2_dev(c, EXTENT_PTR_DEV(ptr));

	if (!ca)
		return false;
	*bucket = POS(ca->dev_idx, sector_to_bucket(ca, EXTENT_PTR_OFFSET(ptr)));
	return bucket_valid(ca, bucket->offset);
}

static bool block_is_parity(const struct stripe_geometry *g, unsigned block)
{
	return block >= g->nr_data;
}

/* Has the stripe @k a block in @bucket? @parity: of that kind. */
static bool stripe_uses(struct bch_fs *c, struct bkey_s_c k, struct bpos bucket, bool *parity)
{
	struct stripe_geometry g;
	struct bpos b;

	if (k.k->type != KEY_TYPE_stripe || bch2_stripe_geometry(k, &g))
		return false;
	for (unsigned i = 0; i < g.nr_blocks; i++)
		if (block_bucket(c, k, &g, i, &b) && bpos_eq(b, bucket)) {
			*parity = block_is_parity(&g, i);
			return true;
		}
	return false;
}

/* The entry of @stripe at @bucket comes or goes, and is counted. */
static int ref_mod(struct btree_trans *trans, struct bpos bucket, u64 stripe, bool insert,
		   bool parity)
{
	const unsigned type = parity ? BCH_DATA_parity : BCH_DATA_stripe;
	struct bkey_i_alloc_v4 *a;
	u32 refs;
	int ret;

	ret = bch2_bucket_to_stripe_mod(trans, bucket, stripe, insert);
	if (ret || !bch2_check_bucket_dev(trans->c, bucket))
		return ret;

	a = bch2_trans_start_alloc_update(trans, bucket, 0);
	if (IS_ERR(a))
		return PTR_ERR(a);
	refs = le32_to_cpu(a->v.stripe_refcount);
	refs = insert ? refs + 1 : refs ? refs - 1 : 0;
	a->v.stripe_refcount = cpu_to_le32(refs);
	if (insert)
		bch2_alloc_data_type_set(&a->v, type);
	else if (!refs)
		bch2_alloc_data_type_set(&a->v, a->v.data_type == BCH_DATA_parity
					 ? BCH_DATA_parity : BCH_DATA_user);
	return 0;
}

/* --- stripe -> bucket_to_stripe --- */

static int missing_report(struct index_check *x, struct bpos ref, struct bkey_s_c k, bool parity)
{
	CLASS(printbuf, buf)();
	const struct bpos bucket = u64_to_bucket(ref.inode);
	int ret = 0;

	prt_printf(&buf, "missing bucket_to_stripe entry for bucket %llu:%llu\n",
		   (u64) bucket.inode, (u64) bucket.offset);
	bch2_bkey_val_to_text(&buf, x->c, k);
	if (fsck_err_trans(x->trans, stripe_to_missing_bucket_ref, "%s", printbuf_str(&buf)))
		ret = ref_mod(x->trans, bucket, ref.offset, true, parity);
fsck_err:
	return ret;
}

static int missing_check(struct index_check *x, const struct check_pair *p)
{
	struct btree_iter iter;
	bool parity = false;
	struct bkey_s_c k;
	int ret;

	ret = bch2_check_bit_is_set(x->trans, BTREE_ID_bucket_to_stripe, p->index);
	if (ret)
		return min(ret, 0);

	k = bch2_bkey_get_iter(x->trans, &iter, BTREE_ID_stripes, p->object, 0);
	ret = bkey_err(k);
	if (!ret && k.k && stripe_uses(x->c, k, u64_to_bucket(p->index.inode), &parity))
		ret = missing_report(x, p->index, k, parity);
	bch2_trans_iter_exit(&iter);
	return ret;
}

static unsigned stripe_collect(struct index_check *x, struct bkey_s_c k, struct check_pair *p)
{
	struct stripe_geometry g;
	struct bpos bucket;
	unsigned nr = 0;

	if (k.k->type != KEY_TYPE_stripe || bch2_stripe_geometry(k, &g))
		return 0;
	for (unsigned i = 0; i < g.nr_blocks && nr < CHECK_PAIRS_PER_KEY; i++)
		if (block_bucket(x->c, k, &g, i, &bucket))
			p[nr++] = (struct check_pair) {
				.index	= POS(bucket_to_u64(bucket), k.k->p.offset),
				.object	= k.k->p,
			};
	return nr;
}

/* --- bucket_to_stripe -> stripe --- */

static int ref_report(struct index_check *x, struct bpos ref, struct bkey_s_c k)
{
	CLASS(printbuf, buf)();
	const bool exists = k.k->type == KEY_TYPE_stripe;
	const struct bpos bucket = u64_to_bucket(ref.inode);
	bool fix;
	int ret = 0;

	prt_printf(&buf, "bucket %llu:%llu refers to stripe %llu", (u64) bucket.inode,
		   (u64) bucket.offset, (u64) ref.offset);
	if (!exists) {
		prt_str(&buf, ", which does not exist");
		fix = fsck_err_trans(x->trans, bucket_stripe_ref_to_missing_stripe, "%s",
			       printbuf_str(&buf));
	} else {
		prt_str(&buf, ", which has no block there\n");
		bch2_bkey_val_to_text(&buf, x->c, k);
		fix = fsck_err_trans(x->trans, bucket_stripe_ref_to_incorrect_stripe, "%s",
			       printbuf_str(&buf));
	}
	if (fix)
		ret = ref_mod(x->trans, bucket, ref.offset, false, false);
fsck_err:
	return ret;
}

static int ref_check(struct index_check *x, const struct check_pair *p)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	bool parity;
	int ret;

	k = bch2_bkey_get_iter(x->trans, &iter, BTREE_ID_stripes, p->object, 0);
	ret = bkey_err(k);
	if (ret || stripe_uses(x->c, k, u64_to_bucket(p->index.inode), &parity))
		goto out;

	ret = bch2_check_bit_is_set(x->trans, BTREE_ID_bucket_to_stripe, p->index);
	if (ret > 0)
		ret = ref_report(x, p->index, k);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

static unsigned ref_collect(struct index_check *x, struct bkey_s_c k, struct check_pair *p)
{
	if (k.k->type != KEY_TYPE_set)
		return 0;
	*p = (struct check_pair) { .index = k.k->p, .object = POS(0, k.k->p.offset) };
	return 1;
}

/**
 * bch2_check_stripe_refs - compare stripes and bucket_to_stripe
 * @x:	state, nothing collected
 *
 * Return: 0 or an error.
 */
int bch2_check_stripe_refs(struct index_check *x)
{
	return  bch2_check_btree_pairs(x, BTREE_ID_stripes, stripe_collect,
				       CHECK_PAIRS_by_index, missing_check) ?:
		bch2_check_btree_pairs(x, BTREE_ID_bucket_to_stripe, ref_collect,
				       CHECK_PAIRS_by_object, ref_check);
}
