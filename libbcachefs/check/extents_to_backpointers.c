// SPDX-License-Identifier: GPL-2.0
/*
 * Pass check_extents_to_backpointers, first half (spec 43 §8.3): in which buckets
 * backpointers are missing.
 *
 * What the backpointers of a bucket add up to must be what its alloc key says.
 * alloc and backpointers are in the same order: one walk over both. Only pointers
 * into buckets where the sums differ are looked at afterwards.
 */
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/interior.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/backpointers.h"
#include "util/bpos.h"
#include "util/log.h"

/* Unusable entries that one transaction deletes. */
#define UNUSABLE_BATCH		256

struct sums {
	u64			dirty;
	u64			cached;
	u64			stripe;
	u64			unusable;	/* entries of the layout before 1.14 */
};

struct sum_scan {
	struct bp_check		*x;
	struct btree_iter	alloc;
	struct btree_iter	bp;

	/* No backpointers at [none_from, none_to), as last seen. */
	struct bpos		none_from;
	struct bpos		none_to;

	/* Bucket whose backpointers were compared with the keys they name. */
	struct bpos		checked;
	u64			nr_seen;
};

/* What became of one bucket. */
enum bucket_verdict {
	BUCKET_fine,
	BUCKET_end,		/* there is none */
	BUCKET_again,		/* unusable entries were deleted: flush and look again */
	BUCKET_surplus,		/* its backpointers have to be compared with keys */
	BUCKET_too_much,	/* and that has not helped */
	BUCKET_mismatch,
	BUCKET_empty,
};

struct bucket_step {
	struct bpos		bucket;
	enum bucket_verdict	verdict;
};

/* --- sums --- */

static void sum_add(struct sums *s, const struct bch_backpointer *v)
{
	const u32 len = le32_to_cpu(v->bucket_len);

	switch (v->data_type) {
	case BCH_DATA_btree:
	case BCH_DATA_user:
		s->dirty += len;
		break;
	case BCH_DATA_cached:
		s->cached += len;
		break;
	case BCH_DATA_stripe:
	case BCH_DATA_parity:
		s->stripe += len;
		break;
	}
}

static int sum_one(struct sum_scan *s, struct sums *sums, u8 gen, struct bkey_s_c k)
{
	struct bp_check *x = s->x;
	struct bch_backpointer v;
	bool live;

	if (k.k->type != KEY_TYPE_backpointer)
		return 0;
	bkey_val_copy(&v, k);
	live = v.bucket_gen == gen;
	if (x->old_layout && (!live || v.flags)) {
		live = false;
		if (x->may_repair && sums->unusable++ < UNUSABLE_BATCH)
			return bch2_bp_delete(x, BTREE_ID_backpointers, k.k->p);
	}
	if (live)
		sum_add(sums, &v);
	return 0;
}

/* The sums of the backpointers of a bucket; @fresh: do not trust what was seen before. */
static int bucket_sums(struct sum_scan *s, const struct bch_dev *ca, struct bpos bucket, u8 gen,
		       bool fresh, struct sums *sums)
{
	const struct bpos start = bch2_bucket_backpointers_start(bucket, ca->mi.bucket_size,
								 s->x->shift);
	const struct bpos end = bch2_bucket_backpointers_end(bucket, ca->mi.bucket_size,
							     s->x->shift);
	struct bkey_s_c k;
	int ret;

	memset(sums, 0, sizeof(*sums));
	if (!fresh && bpos_ge(start, s->none_from) && bpos_lt(end, s->none_to))
		return 0;

	bch2_btree_iter_set_pos(&s->bp, start);
	while (1) {
		k = bch2_btree_iter_peek(&s->bp);
		ret = bkey_err(k);
		if (ret || !k.k || bpos_gt(k.k->p, end))
			break;
		ret = sum_one(s, sums, gen, k);
		if (ret || !bch2_btree_iter_advance(&s->bp))
			break;
	}
	if (!ret) {
		s->none_from	= bpos_successor(end);
		s->none_to	= k.k ? k.k->p : SPOS_MAX;
	}
	return ret;
}

static bool sums_equal(const struct sums *s, const struct bch_alloc_v4 *a)
{
	return s->dirty == le32_to_cpu(a->dirty_sectors) &&
		s->cached == le32_to_cpu(a->cached_sectors) &&
		s->stripe == le32_to_cpu(a->stripe_sectors);
}

static bool sums_exceed(const struct sums *s, const struct bch_alloc_v4 *a)
{
	return s->dirty > le32_to_cpu(a->dirty_sectors) ||
		s->cached > le32_to_cpu(a->cached_sectors) ||
		s->stripe > le32_to_cpu(a->stripe_sectors);
}

/* --- one bucket --- */

/* Everything that is under way reaches the btree before anybody is blamed (spec 43 §2). */
static int settle(struct sum_scan *s, const struct bch_alloc_v4 *a, struct bkey_s_c alloc_k)
{
	struct bp_check *x = s->x;

	if (a->data_type == BCH_DATA_btree && bch2_btree_interior_updates_pending(x->c)) {
		bch2_trans_unlock_long(x->trans);
		bch2_btree_interior_updates_flush(x->c);
		return bch2_trans_restart(x->trans,
					  BCH_ERR_transaction_restart_write_buffer_flush);
	}
	return bch2_btree_write_buffer_maybe_flush(x->trans, alloc_k, &x->wb);
}

static enum bucket_verdict differing(struct sum_scan *s, const struct sums *sums,
				     const struct bch_alloc_v4 *a, struct bpos bucket)
{
	if (sums_exceed(sums, a))
		return bpos_eq(s->checked, bucket) ? BUCKET_too_much : BUCKET_surplus;
	return sums->dirty || sums->cached || sums->stripe ? BUCKET_mismatch : BUCKET_empty;
}

static int bucket_compare(struct sum_scan *s, struct bkey_s_c k, enum bucket_verdict *verdict)
{
	struct bp_check *x = s->x;
	struct bch_alloc_v4 a;
	const struct bch_dev *ca;
	struct sums sums;
	int ret;

	*verdict = BUCKET_fine;
	ca = k.k->p.inode < BCH_SB_MEMBERS_MAX ? bch2_dev(x->c, k.k->p.inode) : NULL;
	if (!ca || !bucket_valid(ca, k.k->p.offset))
		return 0;
	bch2_alloc_to_v4(k, &a);
	if (a.data_type == BCH_DATA_sb || a.data_type == BCH_DATA_journal ||
	    a.data_type == BCH_DATA_parity)
		return 0;

	ret = bucket_sums(s, ca, k.k->p, a.gen, false, &sums);
	if (!ret && !sums.unusable && !sums_equal(&sums, &a))
		ret = bucket_sums(s, ca, k.k->p, a.gen, true, &sums);
	if (ret)
		return ret;
	if (sums.unusable) {
		*verdict = BUCKET_again;
		return bch2_trans_commit(x->trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc);
	}
	if (sums_equal(&sums, &a))
		return 0;

	/* what was written in the old layout is not under way */
	if (!x->old_layout)
		ret = settle(s, &a, k);
	*verdict = differing(s, &sums, &a, k.k->p);
	if (!ret && *verdict == BUCKET_too_much)
		bch_info(x->c, "bucket %u:%llu has more backpointers than data: "
			 "%llu/%llu/%llu sectors dirty/cached/stripe", ca->dev_idx,
			 (u64) k.k->p.offset, sums.dirty, sums.cached, sums.stripe);
	return ret;
}

static int bucket_step(struct sum_scan *s, struct bpos pos, struct bucket_step *st)
{
	struct bkey_s_c k;
	int ret;

	st->verdict = BUCKET_end;
	bch2_btree_iter_set_pos(&s->alloc, pos);
	k = bch2_btree_iter_peek(&s->alloc);
	ret = bkey_err(k);
	if (ret || !k.k)
		return ret;
	st->bucket = k.k->p;
	return bucket_compare(s, k, &st->verdict);
}

/* --- the bits --- */

static int bit_set(unsigned long **bits, const struct bch_dev *ca, u64 bucket, u64 *nr)
{
	if (!*bits) {
		*bits = kvcalloc(BITS_TO_LONGS(ca->mi.nbuckets), sizeof(long), GFP_KERNEL);
		if (!*bits)
			return -BCH_ERR_ENOMEM_gc;
	}
	if (!bch2_bp_bit(*bits, bucket)) {
		(*bits)[bucket / BITS_PER_LONG] |= 1UL << (bucket % BITS_PER_LONG);
		++*nr;
	}
	return 0;
}

static int bucket_remember(struct bp_check *x, struct bpos bucket, bool empty)
{
	const struct bch_dev *ca = bch2_dev(x->c, bucket.inode);
	struct bp_dev *d = x->devs + bucket.inode;
	int ret = bit_set(&d->mismatch, ca, bucket.offset, &x->nr_mismatch);

	if (!ret && empty)
		ret = bit_set(&d->empty, ca, bucket.offset, &x->nr_empty);
	return ret;
}

/* All backpointers of a bucket against the keys they name, once. */
static int bucket_surplus(struct sum_scan *s, struct bpos bucket)
{
	const struct bch_dev *ca = bch2_dev(s->x->c, bucket.inode);
	const u32 size = ca->mi.bucket_size;

	s->checked = bucket;
	s->none_to = POS_MIN;
	return bch2_bp_check_range(s->x,
				   bch2_bucket_backpointers_start(bucket, size, s->x->shift),
				   bch2_bucket_backpointers_end(bucket, size, s->x->shift));
}

/* Act on what was found; *again: look at the same bucket once more. */
static int bucket_verdict(struct sum_scan *s, const struct bucket_step *st, bool *again)
{
	*again = false;
	switch (st->verdict) {
	case BUCKET_again:
		*again = true;
		s->none_to = POS_MIN;
		return bch2_btree_write_buffer_flush_sync(s->x->trans);
	case BUCKET_surplus:
		*again = true;
		return bucket_surplus(s, st->bucket);
	case BUCKET_mismatch:
	case BUCKET_empty:
		return bucket_remember(s->x, st->bucket, st->verdict == BUCKET_empty);
	default:
		return 0;
	}
}

static int scan_buckets(struct sum_scan *s)
{
	struct bpos pos = POS_MIN;
	struct bucket_step st;
	bool again;
	int ret;

	while (1) {
		ret = lockrestart_do(s->x->trans, bucket_step(s, pos, &st));
		if (ret || st.verdict == BUCKET_end)
			return ret;
		wb_maybe_flush_inc(&s->x->wb);
		ret = bucket_verdict(s, &st, &again);
		if (ret)
			return ret;
		pos = st.bucket;
		if (again)
			continue;
		s->x->nr_buckets++;
		if (bpos_eq(pos, POS_MAX))
			return 0;
		pos = bpos_nosnap_successor(pos);
	}
}

static int find_mismatches(struct bp_check *x)
{
	struct sum_scan s = { .x = x, .checked = POS_MAX };
	int ret;

	bch2_trans_iter_init(x->trans, &s.alloc, BTREE_ID_alloc, POS_MIN, BTREE_ITER_prefetch);
	bch2_trans_iter_init(x->trans, &s.bp, BTREE_ID_backpointers, POS_MIN,
			     BTREE_ITER_prefetch);
	ret = scan_buckets(&s);
	bch2_trans_iter_exit(&s.bp);
	bch2_trans_iter_exit(&s.alloc);
	bch2_trans_unlock(x->trans);
	return ret;
}

/* --- entries at positions of another shift (spec 42 §6.1) --- */

/*
 * All of them are where nobody looks for them: they go, and what is missing then is
 * made, as after a change of the field. Neither is worth a report.
 */
static int change_shift(struct bp_check *x)
{
	struct bch_fs *c = x->c;
	int ret;

	if (!x->other_shift || !x->may_repair)
		return 0;

	bch_info(c, "backpointers are at positions of another form: making them anew");
	__set_bit(BCH_FSCK_ERR_backpointer_to_missing_ptr, c->sb.errors_silent);
	__set_bit(BCH_FSCK_ERR_ptr_to_missing_backpointer, c->sb.errors_silent);
	ret = for_each_btree_key_commit(x->trans, iter, BTREE_ID_backpointers, POS_MIN,
					BTREE_ITER_prefetch, k, NULL, NULL,
					BCH_TRANS_COMMIT_no_enospc,
					bch2_bp_delete(x, BTREE_ID_backpointers, k.k->p)) ?:
		bch2_btree_write_buffer_flush_sync(x->trans);
	x->shift	= bch2_backpointer_shift(c);
	x->other_shift	= false;
	return ret;
}

/* --- the pass --- */

static void devs_free(struct bp_check *x)
{
	for (unsigned i = 0; x->devs && i < BCH_SB_MEMBERS_MAX; i++) {
		kvfree(x->devs[i].mismatch);
		kvfree(x->devs[i].empty);
	}
	kvfree(x->devs);
}

static int check(struct bp_check *x)
{
	int ret;

	x->devs = kvcalloc(BCH_SB_MEMBERS_MAX, sizeof(*x->devs), GFP_KERNEL);
	if (!x->devs)
		return -BCH_ERR_ENOMEM_gc;

	ret = change_shift(x) ?: find_mismatches(x);
	if (ret || !x->nr_mismatch)
		return ret;

	bch_info(x->c, "scanning for missing backpointers in %llu/%llu buckets, "
		 "%llu buckets with no backpointers", x->nr_mismatch - x->nr_empty,
		 x->nr_buckets, x->nr_empty);
	return bch2_bp_check_pointers(x);
}

/**
 * bch2_check_extents_to_backpointers - pass check_extents_to_backpointers
 * @c:	filesystem; what buckets hold is known to be right (check_allocations)
 *
 * Memory: two bits per bucket of devices with mismatches, and the backpointers of
 * these buckets up to option fsck_memory_usage_percent.
 *
 * Return: 0 or why the check could not go on.
 */
int bch2_check_extents_to_backpointers(struct bch_fs *c)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct bp_check *x = kzalloc(sizeof(*x), GFP_KERNEL);
	int ret = -BCH_ERR_ENOMEM_gc;

	if (x) {
		bch2_trans_keep_reads(trans);
		ret = bch2_bp_check_init(x, trans) ?: check(x);
		if (!ret && trans->commit_count)
			ret = bch2_btree_write_buffer_flush_sync(trans);
		devs_free(x);
		bch2_bp_check_exit(x);
	}
	kfree(x);
	bch2_trans_put(trans);
	return ret;
}
