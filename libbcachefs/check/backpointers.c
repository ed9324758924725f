// SPDX-License-Identifier: GPL-2.0
/*
 * Passes check_btree_backpointers and check_backpointers_to_extents (spec 43 §8.1,
 * §8.2): every backpointer against its bucket, and against the key it names.
 *
 * Buckets come in the order of backpointers. The keys they name do not: entries
 * are collected in batches, and looked up in the order of the keys.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/alloc_trigger.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/fsck_err_trans.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/backpointers.h"
#include "util/bpos.h"
#include "util/log.h"
#include "util/printbuf.h"

#define COMMIT_FLAGS		BCH_TRANS_COMMIT_no_enospc

/* --- check_btree_backpointers --- */

struct bucket_scan {
	struct bp_check		*x;
	struct btree_iter	alloc;
	/* The bucket looked at last, and whether it has an alloc key. */
	struct bpos		bucket;
	bool			known;
	bool			has_alloc;
};

static int missing_device(struct bp_check *x, struct bkey_s_c k)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	bch2_bkey_val_to_text(&buf, x->c, k);
	if (fsck_err_trans(x->trans, backpointer_to_missing_device,
			   "backpointer for missing device:\n%s", printbuf_str(&buf)))
		ret = bch2_bp_delete(x, BTREE_ID_backpointers, k.k->p);
fsck_err:
	return ret;
}

static int missing_alloc(struct bp_check *x, struct bkey_s_c k, struct bpos bucket)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	bch2_bkey_val_to_text(&buf, x->c, k);
	if (fsck_err_trans(x->trans, backpointer_to_missing_alloc,
			   "backpointer for nonexistent alloc key: %llu:%llu\n%s",
			   (u64) bucket.inode, (u64) bucket.offset, printbuf_str(&buf)))
		ret = bch2_bp_delete(x, BTREE_ID_backpointers, k.k->p);
fsck_err:
	return ret;
}

/* Has @bucket an alloc key of the current type? */
static int bucket_has_alloc(struct bucket_scan *s, struct bpos bucket)
{
	struct bkey_s_c k;
	int ret;

	if (s->known && bpos_eq(s->bucket, bucket) && s->has_alloc)
		return 1;
	bch2_btree_iter_set_pos(&s->alloc, bucket);
	k = bch2_btree_iter_peek_slot(&s->alloc);
	ret = bkey_err(k);
	if (ret)
		return ret;
	s->bucket	= bucket;
	s->known	= true;
	s->has_alloc	= k.k && k.k->type == KEY_TYPE_alloc_v4;
	return s->has_alloc;
}

static int bucket_check(struct bucket_scan *s, struct bkey_s_c k)
{
	struct bp_check *x = s->x;
	const struct bch_dev *ca = k.k->p.inode < BCH_SB_MEMBERS_MAX
		? bch2_dev(x->c, k.k->p.inode) : NULL;
	struct bpos bucket;
	int ret;

	if (k.k->type != KEY_TYPE_backpointer)
		return 0;
	wb_maybe_flush_inc(&x->wb);
	if (!ca)
		return bch2_btree_write_buffer_maybe_flush(x->trans, k, &x->wb) ?:
			missing_device(x, k);

	bucket = backpointer_pos_bucket(k.k->p, x->shift, ca->mi.bucket_size);
	ret = bucket_has_alloc(s, bucket);
	if (ret)
		return min(ret, 0);
	return bch2_btree_write_buffer_maybe_flush(x->trans, k, &x->wb) ?:
		missing_alloc(x, k, bucket);
}

static int check_buckets(struct bp_check *x)
{
	struct bucket_scan s = { .x = x };
	int ret;

	bch2_trans_iter_init(x->trans, &s.alloc, BTREE_ID_alloc, POS_MIN, BTREE_ITER_prefetch);
	ret = for_each_btree_key_commit(x->trans, iter, BTREE_ID_backpointers, POS_MIN,
					BTREE_ITER_prefetch, k, NULL, NULL, COMMIT_FLAGS,
					bucket_check(&s, k));
	bch2_trans_iter_exit(&s.alloc);
	return ret;
}

/* A pass with a transaction and a state; afterwards its repairs are in the btree. */
static int run_check(struct bch_fs *c, int (*fn)(struct bp_check *))
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct bp_check *x = kzalloc(sizeof(*x), GFP_KERNEL);
	int ret = -BCH_ERR_ENOMEM_gc;

	if (x) {
		bch2_trans_keep_reads(trans);
		ret = bch2_bp_check_init(x, trans);
		if (!ret && x->other_shift && !c->opts.nochanges)
			bch_info(c, "backpointers have another form: left to "
				 "check_extents_to_backpointers");
		else
			ret = ret ?: fn(x);
		if (!ret && trans->commit_count)
			ret = bch2_btree_write_buffer_flush_sync(trans);
		bch2_bp_check_exit(x);
	}
	kfree(x);
	bch2_trans_put(trans);
	return ret;
}

/**
 * bch2_check_btree_backpointers - pass check_btree_backpointers
 * @c:	filesystem
 *
 * Return: 0 or why the check could not go on.
 */
int bch2_check_btree_backpointers(struct bch_fs *c)
{
	return run_check(c, check_buckets);
}

/* --- check_backpointers_to_extents --- */

static bool is_dead(const struct bp_check *x, const struct bp_entry *bp)
{
	const struct bch_dev *ca;
	u64 bucket;

	ca = bch2_bp_bucket(x, bp->pos, &bucket);
	return !ca || bch2_bucket_gen(ca, bucket) != bp->v.bucket_gen;
}

static int target_missing(struct bp_check *x, unsigned btree, const struct bp_entry *bp,
			  struct bkey_s_c bp_k, const struct bkey_i *target)
{
	CLASS(printbuf, buf)();
	int ret;

	ret = bch2_btree_write_buffer_maybe_flush(x->trans, bp_k, &x->wb);
	if (ret)
		return ret;

	bch2_bkey_val_to_text(&buf, x->c, bp_k);
	if (!bkey_deleted(&target->k)) {
		prt_str(&buf, "\n  key there: ");
		bch2_bkey_val_to_text(&buf, x->c, bkey_i_to_s_c(target));
	}
	if (fsck_err_trans(x->trans, backpointer_to_missing_ptr,
			   "backpointer doesn't match any pointer:\n%s", printbuf_str(&buf)))
		ret = bch2_bp_delete(x, btree, bp->pos);
fsck_err:
	return ret;
}

/* One entry does not match: is it still there, and what about it? */
static int entry_recheck(struct bp_check *x, unsigned btree, const struct bp_entry *bp,
			 const struct bkey_i *target)
{
	struct bp_entry now = *bp;
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	k = bch2_bkey_get_iter(x->trans, &iter, btree, bp->pos, 0);
	ret = bkey_err(k);
	if (ret || !k.k || k.k->type != KEY_TYPE_backpointer)
		goto out;
	bkey_val_copy(&now.v, k);
	if (memcmp(&now.v, &bp->v, sizeof(now.v)))
		goto out;

	/* what is left of buckets that were reused hurts nobody, and is normal */
	if (btree == BTREE_ID_backpointers && is_dead(x, bp))
		ret = x->may_repair ? bch2_bp_delete(x, btree, bp->pos) : 0;
	else
		ret = target_missing(x, btree, bp, k, target);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int entry_check(struct bp_check *x, unsigned btree, const struct bp_entry *bp,
		       struct bkey_buf *target)
{
	enum bp_match match;
	int ret = bch2_bp_target(x, btree == BTREE_ID_stripe_backpointers, bp, target, &match);

	if (ret || match != BP_differs)
		return min(ret, 0);
	return entry_recheck(x, btree, bp, target->k);
}

/* By the place of the key that is named. */
static int target_cmp(const void *_l, const void *_r)
{
	const struct bch_backpointer *l = &((const struct bp_entry *) _l)->v;
	const struct bch_backpointer *r = &((const struct bp_entry *) _r)->v;

	if (l->btree_id != r->btree_id)
		return l->btree_id < r->btree_id ? -1 : 1;
	if (l->level != r->level)
		return l->level < r->level ? -1 : 1;
	return bpos_cmp(l->pos, r->pos);
}

static int batch_check(struct bp_check *x, unsigned btree, bp_entries *batch)
{
	struct bkey_buf target;
	int ret = 0;

	sort(batch->data, batch->nr, sizeof(batch->data[0]), target_cmp, NULL);
	bch2_bkey_buf_init(&target);
	for (size_t i = 0; !ret && i < batch->nr; i++) {
		wb_maybe_flush_inc(&x->wb);
		ret = commit_do(x->trans, NULL, NULL, COMMIT_FLAGS,
				entry_check(x, btree, &batch->data[i], &target));
	}
	bch2_bkey_buf_exit(&target);
	batch->nr = 0;
	return ret;
}

/* Entries in a batch: at most 1/16 of the memory (spec 43 §8.2). */
static size_t batch_max(void)
{
	return max_t(u64, ((u64) totalram_pages() << PAGE_SHIFT) / 16 / sizeof(struct bp_entry),
		     1024);
}

/* 1: the batch is full, @next is where to go on. */
static int collect(bp_entries *batch, size_t max, struct bkey_s_c k, struct bpos *next)
{
	struct bp_entry e = { .pos = k.k->p };

	if (k.k->type != KEY_TYPE_backpointer)
		return 0;
	*next = k.k->p;
	if (batch->nr >= max)
		return 1;
	bkey_val_copy(&e.v, k);
	return darray_push(batch, e);
}

static int range_check(struct bp_check *x, unsigned btree, struct bpos start, struct bpos end)
{
	const size_t max = batch_max();
	bp_entries batch = {};
	int ret, full;

	do {
		full = for_each_btree_key_max(x->trans, iter, btree, start, end,
					      BTREE_ITER_prefetch, k,
					      collect(&batch, max, k, &start));
		bch2_trans_unlock(x->trans);
		ret = full < 0 ? full : batch_check(x, btree, &batch);
	} while (!ret && full);
	darray_exit(&batch);
	return ret;
}

/**
 * bch2_bp_check_range - check_backpointers_to_extents for a part of the index
 * @x:		check
 * @start:	first position
 * @end:	last position
 *
 * The transaction's locks are gone afterwards, and repairs are in the btree.
 *
 * Return: 0 or an error.
 */
int bch2_bp_check_range(struct bp_check *x, struct bpos start, struct bpos end)
{
	const u64 commits = x->trans->commit_count;
	int ret = range_check(x, BTREE_ID_backpointers, start, end);

	if (!ret && x->trans->commit_count != commits)
		ret = bch2_btree_write_buffer_flush_sync(x->trans);
	return ret;
}

static int check_targets(struct bp_check *x)
{
	return  range_check(x, BTREE_ID_backpointers, POS_MIN, SPOS_MAX) ?:
		range_check(x, BTREE_ID_stripe_backpointers, POS_MIN, SPOS_MAX);
}

/**
 * bch2_check_backpointers_to_extents - pass check_backpointers_to_extents
 * @c:	filesystem
 *
 * Return: 0 or why the check could not go on.
 */
int bch2_check_backpointers_to_extents(struct bch_fs *c)
{
	return run_check(c, check_targets);
}
