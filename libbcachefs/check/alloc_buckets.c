// SPDX-License-Identifier: GPL-2.0
/*
 * Alloc keys against what was counted (spec 43 §4.6), for every bucket of every
 * member, also those without a key.
 *
 * Repairs write the key without triggers: what follows from it in other btrees is
 * left to the passes for these (check_alloc_info, check_lrus and so on); only the
 * generation in memory goes with it.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/clocks.h"
#include "alloc/gc.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/allocations_priv.h"
#include "sb/fsck_err.h"
#include "sb/members.h"

/* A bucket that is compared; survives restarts. */
struct bucket_check {
	struct alloc_check	*x;
	struct bch_dev		*ca;
	u64			next;		/* bucket to go on with */
	struct bch_alloc_v4	want;		/* of the place that @x is at */
};

/* The key of a bucket as it should be, but for what the user wants left alone. */
struct bucket_fix {
	struct bucket_check	*b;
	u64			bucket;
	const struct bch_alloc_v4 *old;
	struct bch_alloc_v4	n;
	bool			changed;
	bool			left;
};

#define bucket_ask(_f, _id, _fmt, ...)						\
	bch2_alloc_check_ask((_f)->b->x, BCH_FSCK_ERR_##_id,			\
			     FSCK_CAN_FIX|FSCK_CAN_IGNORE, 0, NULL,		\
			     "bucket %u:%llu gen %u data type %s " _fmt,	\
			     (_f)->b->ca->dev_idx, (_f)->bucket, (_f)->b->want.gen, \
			     bch2_alloc_check_type((_f)->b->want.data_type), ##__VA_ARGS__)

/* Note an answer; true: the field is to be changed. */
static bool answer(struct bucket_fix *f, int *ret)
{
	const bool fix = *ret > 0;

	f->changed |= fix;
	f->left |= !*ret;
	*ret = min(*ret, 0);
	return fix;
}

static int fix_data_type(struct bucket_fix *f)
{
	const u8 type = f->b->want.data_type;
	int ret;

	if (f->old->data_type == type)
		return 0;
	ret = bucket_ask(f, alloc_key_data_type_wrong, "has wrong data type (got %s, should be %s)",
			 bch2_alloc_check_type(f->old->data_type), bch2_alloc_check_type(type));
	if (!answer(f, &ret))
		return ret;

	f->n.data_type = type;
	if (!data_type_is_empty(type)) {
		if (!data_type_is_hidden(type))
			SET_BCH_ALLOC_V4_NEED_DISCARD(&f->n, true);
	} else if (!data_type_is_empty(f->old->data_type)) {
		/* it is empty as far as anybody can tell, and was not emptied lately */
		SET_BCH_ALLOC_V4_NEED_DISCARD(&f->n, false);
		f->n.journal_seq_nonempty = 0;
		f->n.journal_seq_empty = 0;
	}
	return 0;
}

static int fix_gen(struct bucket_fix *f)
{
	int ret;

	if (f->old->gen == f->b->want.gen)
		return 0;
	ret = bucket_ask(f, alloc_key_gen_wrong, "has wrong gen (got %u, should be %u)",
			 f->old->gen, f->b->want.gen);
	if (!answer(f, &ret))
		return ret;
	f->n.gen = f->b->want.gen;
	/* an alloc key that is missing says nothing about older pointers */
	if (gen_after(f->n.oldest_gen, f->n.gen) || alloc_gc_gen(&f->n) >= BUCKET_GC_GEN_MAX)
		f->n.oldest_gen = f->n.gen;
	return 0;
}

static int fix_sectors(struct bucket_fix *f)
{
	const struct bch_alloc_v4 *o = f->old, *w = &f->b->want;
	int ret = 0;

	if (o->dirty_sectors != w->dirty_sectors) {
		ret = bucket_ask(f, alloc_key_dirty_sectors_wrong,
				 "has wrong dirty_sectors (got %u, should be %u)",
				 le32_to_cpu(o->dirty_sectors), le32_to_cpu(w->dirty_sectors));
		if (answer(f, &ret))
			f->n.dirty_sectors = w->dirty_sectors;
	}
	if (!ret && o->stripe_sectors != w->stripe_sectors) {
		ret = bucket_ask(f, alloc_key_stripe_sectors_wrong,
				 "has wrong stripe_sectors (got %u, should be %u)",
				 le32_to_cpu(o->stripe_sectors), le32_to_cpu(w->stripe_sectors));
		if (answer(f, &ret))
			f->n.stripe_sectors = w->stripe_sectors;
	}
	if (!ret && o->cached_sectors != w->cached_sectors) {
		ret = bucket_ask(f, alloc_key_cached_sectors_wrong,
				 "has wrong cached_sectors (got %u, should be %u)",
				 le32_to_cpu(o->cached_sectors), le32_to_cpu(w->cached_sectors));
		if (answer(f, &ret))
			f->n.cached_sectors = w->cached_sectors;
	}
	if (!ret && o->stripe_refcount != w->stripe_refcount) {
		ret = bucket_ask(f, alloc_key_stripe_wrong,
				 "has wrong stripe_refcount (got %u, should be %u)",
				 le32_to_cpu(o->stripe_refcount), le32_to_cpu(w->stripe_refcount));
		if (answer(f, &ret))
			f->n.stripe_refcount = w->stripe_refcount;
	}
	return ret;
}

static int bucket_write(struct bucket_fix *f)
{
	struct btree_trans *trans = f->b->x->trans;
	struct bkey_i_alloc_v4 *a = bch2_trans_kmalloc(trans, sizeof(*a));

	if (IS_ERR(a))
		return PTR_ERR(a);
	/* with only some of the fields repaired, the others decide what it is */
	if (f->left)
		bch2_alloc_data_type_set(&f->n, f->n.data_type);
	if (f->n.data_type == BCH_DATA_cached && !f->n.io_time[0])
		f->n.io_time[0] = cpu_to_le64(bch2_alloc_io_time(trans->c, BCH_IO_CLOCK_read));

	bkey_init(&a->k);
	a->k.type = KEY_TYPE_alloc_v4;
	a->k.p	  = POS(f->b->ca->dev_idx, f->bucket);
	set_bkey_val_bytes(&a->k, sizeof(a->v));
	a->v	  = f->n;
	return  bch2_trans_update_exact(trans, NULL, BTREE_ID_alloc, 0, &a->k_i,
					BTREE_TRIGGER_norun) ?:
		bch2_trans_commit(trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc);
}

/* Compare a bucket whose key says @old; 0: done, and b->next is the one behind it. */
static int bucket_check(struct bucket_check *b, u64 bucket, const struct bch_alloc_v4 *old)
{
	struct bucket_fix f = { .b = b, .bucket = bucket, .old = old, .n = *old };
	int ret = 0;

	/* what was counted follows the result: it must not be derived twice */
	if (bch2_alloc_check_place(b->x, BTREE_ID_alloc, 0, POS(b->ca->dev_idx, bucket)))
		ret = bch2_gc_bucket_finish(b->x->trans, b->ca, bucket, old, &b->want);
	ret = ret ?: fix_gen(&f) ?: fix_data_type(&f) ?: fix_sectors(&f);
	if (!ret && f.changed)
		ret = bucket_write(&f);
	/* a node that cannot be read stays where it is if nothing is to be changed */
	if (b->x->c->opts.nochanges && bch2_err_matches(ret, BCH_ERR_btree_node_read_error))
		ret = 0;
	if (ret)
		return ret;

	if (f.changed)
		bch2_bucket_gen_set(b->ca, bucket, f.n.gen);
	b->next = bucket + 1;
	return 0;
}

static bool record_is_default(const struct bucket_gc *g)
{
	return !g->gen && !g->data_type && !g->dirty_sectors && !g->cached_sectors &&
		!g->stripe_sectors;
}

/* Buckets without key, up to @end. */
static int hole_check(struct bucket_check *b, u64 end)
{
	struct bch_alloc_v4 none;
	struct bkey no_key;
	int ret = 0;

	bkey_init(&no_key);
	bch2_alloc_to_v4((struct bkey_s_c) { &no_key, NULL }, &none);
	while (!ret && b->next < end) {
		if (record_is_default(bch2_gc_bucket(b->x->c, b->ca->dev_idx, b->next))) {
			b->next++;
			continue;
		}
		ret = bucket_check(b, b->next, &none);
		/* an attempt of its own for each; the caller uses no key any more */
		if (!ret)
			bch2_trans_begin(b->x->trans);
	}
	return ret;
}

static int key_check(struct bucket_check *b, struct bkey_s_c k)
{
	struct bch_alloc_v4 a;
	const u64 bucket = k.k->p.offset;

	if (bucket < b->next)
		return 0;
	bch2_alloc_to_v4(k, &a);
	return hole_check(b, bucket) ?: bucket_check(b, bucket, &a);
}

static int dev_check(struct alloc_check *x, struct bch_dev *ca)
{
	const u64 end = ca->mi.nbuckets;
	struct bucket_check b = { .x = x, .ca = ca, .next = ca->mi.first_bucket };

	if (b.next >= end)
		return 0;
	return for_each_btree_key_max(x->trans, iter, BTREE_ID_alloc, POS(ca->dev_idx, b.next),
				      POS(ca->dev_idx, end - 1),
				      BTREE_ITER_prefetch|BTREE_ITER_skip_bad, k,
				      key_check(&b, k)) ?:
		lockrestart_do(x->trans, hole_check(&b, end));
}

/**
 * bch2_alloc_check_buckets - compare and repair all alloc keys
 * @x:		check; everything has been counted
 *
 * Returns 0, an error of the policy, or of a repair.
 */
int bch2_alloc_check_buckets(struct alloc_check *x)
{
	int ret = 0;

	for_each_member_device(x->c, ca)
		ret = ret ?: dev_check(x, ca);
	return ret;
}
