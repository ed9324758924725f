// SPDX-License-Identifier: GPL-2.0
/*
 * Cached data gives way when free buckets run short (spec 40 §3.3, §4.6): the
 * pointers into the least recently read cached buckets are taken out of their
 * extents, which empties the buckets in the ordinary way.
 *
 * Invariant: only cached pointers are dropped, and only from keys that keep a
 * usable pointer. A bucket is left alone while it is open.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "bcachefs.h"
#include "alloc/accounting_live.h"
#include "alloc/alloc_keys.h"
#include "alloc/backpointers.h"
#include "alloc/discard.h"
#include "alloc/foreground.h"
#include "alloc/clocks.h"
#include "alloc/lru.h"
#include "alloc/open_buckets.h"
#include "btree/commit.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "btree/write_buffer.h"
#include "data/extent_drop.h"
#include "data/extents.h"
#include "journal/journal.h"
#include "sb/members.h"
#include "util/log.h"

/* Buckets emptied in one run, per device. */
#define INVALIDATE_MAX		256U

/* Keys tried for one bucket before it is left for another time. */
#define INVALIDATE_KEYS_MAX	65536U

/* Cached buckets that should be emptied now. */
static u64 buckets_wanted(struct bch_dev *ca)
{
	const u64 want = ca->mi.nbuckets >> 5;
	const u64 have = bch2_dev_buckets_free(ca, BCH_WATERMARK_stripe) +
		bch2_dev_buckets(ca, BCH_DATA_need_discard);

	return have < want
		? min(want - have, bch2_dev_buckets(ca, BCH_DATA_cached))
		: 0;
}

/**
 * bch2_dev_should_invalidate - should cached data give way?
 * @ca:		device
 */
bool bch2_dev_should_invalidate(struct bch_dev *ca)
{
	return buckets_wanted(ca) != 0;
}

static bool go_on(struct bch_fs *c)
{
	return !bch2_journal_error(c) && test_bit(BCH_FS_rw, &c->flags);
}

/* --- one bucket --- */

struct invalidate {
	struct btree_trans	*trans;
	struct bch_fs		*c;
	struct bch_dev		*ca;
	unsigned		bp_shift;
};

/* The pointers that go: cached ones into one bucket. */
struct cached_in {
	struct bch_dev		*ca;
	u64			bucket;
};

static bool is_cached_in(const struct extent_ptr_decoded *p, void *arg)
{
	const struct cached_in *in = arg;

	return EXTENT_PTR_CACHED(&p->ptr) &&
		EXTENT_PTR_DEV(&p->ptr) == in->ca->dev_idx &&
		sector_to_bucket(in->ca, EXTENT_PTR_OFFSET(&p->ptr)) == in->bucket;
}

/* Queue the key a backpointer leads to without its cached pointers. 1: nothing to do. */
static int drop_cached(struct invalidate *v, const struct bch_backpointer *bp, u64 bucket)
{
	struct cached_in in = { v->ca, bucket };
	struct btree_iter iter;
	struct bkey_s_c k;
	struct bkey_i *n;
	int ret;

	k = bch2_bkey_get_iter(v->trans, &iter, bp->btree_id, bp->pos,
			       BTREE_ITER_intent|BTREE_ITER_all_snapshots|BTREE_ITER_not_extents);
	ret = bkey_err(k);
	if (ret)
		goto out;

	ret = 1;
	if (!k.k || !bkey_type_has_ptrs(k.k->type) || bch2_bkey_is_btree_ptr(k.k) ||
	    k.k->type == KEY_TYPE_stripe)
		goto out;

	n = bch2_bkey_copy_to_arena(v->trans, k, 0);
	ret = PTR_ERR_OR_ZERO(n);
	if (ret)
		goto out;
	ret = 1;
	if (bch2_bkey_drop_ptrs(v->c, n, is_cached_in, &in) &&
	    bch2_bkey_has_usable_ptr(v->c, bkey_i_to_s_c(n), false))
		ret = bch2_trans_update(v->trans, &iter, n,
					BTREE_UPDATE_internal_snapshot_node);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* The first backpointer of [@pos, @end): 1 if there is none. */
static int next_backpointer(struct btree_trans *trans, struct bpos *pos, struct bpos end,
			    struct bch_backpointer *bp)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret = 1;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_backpointers, *pos, 0);
	do {
		k = bch2_btree_iter_peek_max(&iter, end);
		if (!k.k || bkey_err(k)) {
			ret = bkey_err(k) ?: 1;
			break;
		}
		if (k.k->type == KEY_TYPE_backpointer) {
			memcpy(bp, k.v, min(sizeof(*bp), (size_t) bkey_val_bytes(k.k)));
			*pos = bpos_nosnap_successor(k.k->p);
			ret = 0;
		}
	} while (ret == 1 && bch2_btree_iter_advance(&iter));
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* Is the bucket still cached, at this place of the list, and not open? 1 or 0. */
static int still_cached(struct invalidate *v, struct bpos bucket, u64 time)
{
	struct btree_iter iter;
	struct bch_alloc_v4 a;
	struct bkey_s_c k = bch2_bkey_get_iter(v->trans, &iter, BTREE_ID_alloc, bucket,
					       BTREE_ITER_cached);
	int ret = bkey_err(k);

	if (!ret) {
		bch2_alloc_to_v4(k, &a);
		ret = a.data_type == BCH_DATA_cached &&
			bch2_alloc_lru_idx_read(&a) == time &&
			!bch2_open_bucket_is_open(v->c, bucket.inode, bucket.offset);
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int invalidate_bucket(struct invalidate *v, struct bpos bucket, u64 time)
{
	const unsigned bs = v->ca->mi.bucket_size;
	const struct bpos end = bch2_bucket_backpointers_end(bucket, bs, v->bp_shift);
	struct bpos pos = bch2_bucket_backpointers_start(bucket, bs, v->bp_shift);
	int ret = lockrestart_do(v->trans, still_cached(v, bucket, time));

	bch2_trans_unlock(v->trans);
	if (ret <= 0)
		return ret;

	for (unsigned i = 0; i < INVALIDATE_KEYS_MAX && go_on(v->c); i++) {
		struct bch_backpointer bp = {};

		ret = lockrestart_do(v->trans, next_backpointer(v->trans, &pos, end, &bp));
		if (ret)
			break;
		if (bp.level || bp.btree_id >= BTREE_ID_NR)
			continue;
		ret = commit_do(v->trans, NULL, NULL,
				BCH_WATERMARK_btree|BCH_TRANS_COMMIT_no_enospc,
				drop_cached(v, &bp, bucket.offset));
		if (ret < 0)
			break;
	}
	return min(ret, 0);
}

/* --- the list of one device --- */

/* Oldest buckets of part of the read LRU; a positive number: how many were found. */
static int oldest_buckets(struct invalidate *v, u64 from, u64 to, struct bpos *lru, unsigned nr)
{
	const u16 id = v->ca->dev_idx;
	unsigned found = 0;
	int ret;

	ret = for_each_btree_key_max(v->trans, iter, BTREE_ID_lru, lru_pos(id, 0, from),
				     lru_pos(id, U64_MAX, to), 0, k, ({
		if (found < nr)
			lru[found++] = k.k->p;
		found == nr;
	}));
	return ret < 0 ? ret : (int) found;
}

static int invalidate_range(struct invalidate *v, u64 from, u64 to, u64 *wanted)
{
	struct bpos lru[16];
	int nr;

	while (*wanted && from <= to && go_on(v->c)) {
		bch2_trans_begin(v->trans);
		nr = oldest_buckets(v, from, to, lru, ARRAY_SIZE(lru));
		bch2_trans_unlock_long(v->trans);
		if (nr <= 0)
			return nr;

		for (int i = 0; i < nr && *wanted; i++, --*wanted) {
			int ret = invalidate_bucket(v, u64_to_bucket(lru[i].offset),
						    lru_pos_time(lru[i]));

			if (ret)
				return ret;
		}
		/* Entries of the same time that are left come in the next run. */
		from = lru_pos_time(lru[nr - 1]) + 1;
	}
	return 0;
}

/* In the order of use, under wrap of the 48 bit clock. */
static int invalidate_dev(struct invalidate *v)
{
	const u64 start = (bch2_io_clock(v->c, BCH_IO_CLOCK_read) + U32_MAX) & LRU_TIME_MAX;
	u64 wanted = min_t(u64, buckets_wanted(v->ca), INVALIDATE_MAX);
	int ret;

	if (!wanted)
		return 0;
	bch2_trans_begin(v->trans);
	ret = bch2_btree_write_buffer_tryflush(v->trans) ?:
		lockrestart_do(v->trans, bch2_backpointer_shift_detect(v->trans, &v->bp_shift)) ?:
		invalidate_range(v, start, LRU_TIME_MAX, &wanted);
	if (!ret && start)
		ret = invalidate_range(v, 0, start - 1, &wanted);
	return ret;
}

/**
 * bch2_invalidate_work_fn - body of the work item
 * @work:	bch_fs_alloc.invalidate_work
 */
void bch2_invalidate_work_fn(struct work_struct *work)
{
	struct bch_fs *c = container_of(work, struct bch_fs, alloc.invalidate_work);
	struct invalidate v = { .c = c };
	int ret = 0;

	if (!c->up.write_ref_get(c))
		return;
	v.trans = bch2_trans_get(c);
	for_each_online_member(c, ca)
		if (!ret && ca->mi.state == BCH_MEMBER_STATE_rw) {
			v.ca = ca;
			ret = invalidate_dev(&v);
		}
	bch2_trans_put(v.trans);
	c->up.write_ref_put(c);

	if (ret && !bch2_err_matches(ret, EROFS) && !bch2_journal_error(c))
		bch_err(c, "error dropping cached data: %s", bch2_err_str(ret));
}

/**
 * bch2_do_invalidates - drop cached data where free buckets are short
 * @c:	filesystem
 *
 * In the background; any context that may take spinlocks.
 */
void bch2_do_invalidates(struct bch_fs *c)
{
	if (!c->alloc.wq || !test_bit(BCH_FS_rw, &c->flags))
		return;
	for_each_online_member(c, ca)
		if (bch2_dev_should_invalidate(ca)) {
			queue_work(c->alloc.wq, &c->alloc.invalidate_work);
			return;
		}
}
