// SPDX-License-Identifier: GPL-2.0
/*
 * Passes check_lrus and check_alloc_to_lru_refs (spec 43 §7, §9): entries of the
 * lru btree against the buckets and stripes they name, and these against their
 * entries.
 *
 * The btree is buffered: its updates reach it late, so the write buffer is flushed
 * before anything is reported, and both sides are read again in one attempt.
 * Repairs are buffered updates, as those of everybody else.
 */
#include <linux/err.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/clocks.h"
#include "alloc/lru.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/fsck_err_trans.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/alloc_checks.h"
#include "data/stripes.h"
#include "util/bpos.h"
#include "util/printbuf.h"

static bool is_stripe_lru(struct bpos lru)
{
	return lru_type(lru) == BCH_LRU_stripes;
}

/* The key that an entry is derived from. */
static struct bkey_s_c object_get(struct index_check *x, struct btree_iter *iter, struct bpos lru)
{
	return is_stripe_lru(lru)
		? bch2_bkey_get_iter(x->trans, iter, BTREE_ID_stripes, POS(0, lru.offset), 0)
		: bch2_bkey_get_iter(x->trans, iter, BTREE_ID_alloc, u64_to_bucket(lru.offset), 0);
}

static u64 stripe_time(struct bkey_s_c k)
{
	struct stripe_geometry g;

	return k.k->type == KEY_TYPE_stripe && !bch2_stripe_geometry(k, &g)
		? bch2_stripe_lru_idx(k, &g) : 0;
}

/* Time at which the object @k should be in the list of @lru; 0: in none. */
static u64 object_time(struct bch_fs *c, struct bpos lru, struct bkey_s_c k)
{
	const struct bpos bucket = u64_to_bucket(lru.offset);
	struct bch_dev *ca = bch2_dev(c, bucket.inode);
	struct bch_alloc_v4 a;

	if (!k.k)
		return 0;
	if (is_stripe_lru(lru))
		return stripe_time(k);

	bch2_alloc_to_v4(k, &a);
	if (lru_type(lru) == BCH_LRU_read)
		/* the list is that of the bucket's device */
		return lru_pos_id(lru) == bucket.inode ? bch2_alloc_lru_idx_read(&a) : 0;
	return ca ? bch2_alloc_lru_idx_fragmentation(&a, ca->mi.bucket_size) : 0;
}

/* --- check_lrus --- */

static int entry_report(struct index_check *x, struct bpos lru, struct bkey_s_c k)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	prt_str(&buf, "incorrect lru entry: ");
	bch2_lru_pos_to_text(&buf, lru);
	prt_str(&buf, "\nat ");
	bch2_bpos_to_text(&buf, lru);
	prt_str(&buf, "\nfor ");
	bch2_bkey_val_to_text(&buf, x->c, k);
	if (fsck_err_trans(x->trans, lru_entry_bad, "%s", printbuf_str(&buf)))
		ret = bch2_btree_bit_mod_buffered(x->trans, BTREE_ID_lru, lru, false);
fsck_err:
	return ret;
}

static bool entry_right(struct index_check *x, struct bpos lru, struct bkey_s_c object)
{
	const u64 time = lru_pos_time(lru);

	return time && time == object_time(x->c, lru, object);
}

static int entry_check(struct index_check *x, const struct check_pair *p)
{
	struct btree_iter lru, object;
	struct bkey_s_c k, o;
	int ret;

	o = object_get(x, &object, p->index);
	ret = bkey_err(o);
	if (ret || entry_right(x, p->index, o))
		goto out;

	/* it may be gone since it was collected, or by the flush */
	k = bch2_bkey_get_iter(x->trans, &lru, BTREE_ID_lru, p->index, 0);
	ret = bkey_err(k);
	if (!ret && k.k && !bkey_deleted(k.k))
		ret = bch2_btree_write_buffer_maybe_flush(x->trans, k, &x->wb) ?:
			entry_report(x, p->index, o);
	bch2_trans_iter_exit(&lru);
out:
	bch2_trans_iter_exit(&object);
	return ret;
}

/* Buckets before stripes: one btree after the other. */
static unsigned entry_collect(struct index_check *x, struct bkey_s_c k, struct check_pair *p)
{
	p->index  = k.k->p;
	p->object = is_stripe_lru(k.k->p)
		? POS(U64_MAX, k.k->p.offset) : u64_to_bucket(k.k->p.offset);
	return 1;
}

/* A pass with a transaction and a state for it. */
static int run_check(struct bch_fs *c, int (*fn)(struct index_check *))
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct index_check x;
	int ret;

	bch2_trans_keep_reads(trans);
	/* no entry is overlooked; and whoever reads the btree next sees the repairs */
	ret =   bch2_index_check_init(&x, trans) ?:
		bch2_btree_write_buffer_flush_sync(trans) ?:
		fn(&x) ?:
		bch2_btree_write_buffer_flush_sync(trans);
	bch2_index_check_exit(&x);
	bch2_trans_put(trans);
	return ret;
}

static int check_entries(struct index_check *x)
{
	return bch2_check_btree_pairs(x, BTREE_ID_lru, entry_collect, CHECK_PAIRS_by_object,
				      entry_check);
}

/**
 * bch2_check_lrus - pass check_lrus
 * @c:	filesystem
 *
 * Return: 0 or why the check could not go on.
 */
int bch2_check_lrus(struct bch_fs *c)
{
	return run_check(c, check_entries);
}

/* --- check_alloc_to_lru_refs --- */

/*
 * A cached bucket without a time cannot be in the list (104). The key is changed
 * without triggers, which would look for its old entry; the new one follows.
 */
static int read_time_fix(struct index_check *x, struct bkey_s_c k, u64 *time)
{
	CLASS(printbuf, buf)();
	struct bkey_i_alloc_v4 *a;
	int ret = 0;

	*time = 0;
	prt_str(&buf, "cached bucket with read_time 0\n");
	bch2_bkey_val_to_text(&buf, x->c, k);
	if (fsck_err_trans(x->trans, alloc_key_cached_but_read_time_zero, "%s",
			   printbuf_str(&buf))) {
		a = bch2_trans_start_alloc_update(x->trans, k.k->p, BTREE_TRIGGER_norun);
		ret = PTR_ERR_OR_ZERO(a);
		if (!ret) {
			*time = bch2_alloc_io_time(x->c, BCH_IO_CLOCK_read);
			a->v.io_time[0] = cpu_to_le64(*time);
		}
	}
fsck_err:
	return ret;
}

static int missing_report(struct index_check *x, struct bpos lru, struct bkey_s_c k)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	prt_str(&buf, "missing lru entry: ");
	bch2_lru_pos_to_text(&buf, lru);
	prt_newline(&buf);
	bch2_bkey_val_to_text(&buf, x->c, k);
	if (fsck_err_trans(x->trans, alloc_key_to_missing_lru_entry, "%s", printbuf_str(&buf)))
		ret = bch2_btree_bit_mod_buffered(x->trans, BTREE_ID_lru, lru, true);
fsck_err:
	return ret;
}

/* Is this a bucket that belongs into the read list, but has no time? */
static bool without_time(struct bpos lru, struct bkey_s_c k)
{
	struct bch_alloc_v4 a;

	if (lru_type(lru) != BCH_LRU_read || !k.k)
		return false;
	bch2_alloc_to_v4(k, &a);
	return a.data_type == BCH_DATA_cached && !a.io_time[0];
}

/* Has the object of @p an entry in the list that p->index names? */
static int missing_check(struct index_check *x, const struct check_pair *p)
{
	struct btree_iter object;
	struct bkey_s_c k;
	struct bpos lru;
	u64 time;
	int ret = 0;

	if (lru_pos_time(p->index))
		ret = bch2_check_bit_is_set(x->trans, BTREE_ID_lru, p->index);
	if (ret)
		return min(ret, 0);

	k = object_get(x, &object, p->index);
	ret = bkey_err(k);
	if (ret)
		goto out;

	/* as the key is now */
	time = object_time(x->c, p->index, k);
	if (without_time(p->index, k))
		ret = read_time_fix(x, k, &time);
	if (ret || !time)
		goto out;
	lru = lru_pos(lru_pos_id(p->index), p->index.offset, time);
	ret = bch2_check_bit_is_set(x->trans, BTREE_ID_lru, lru);
	if (!ret)
		ret = bch2_btree_write_buffer_maybe_flush(x->trans, k, &x->wb) ?:
			missing_report(x, lru, k);
out:
	bch2_trans_iter_exit(&object);
	return min(ret, 0);
}

static unsigned alloc_collect(struct index_check *x, struct bkey_s_c k, struct check_pair *p)
{
	struct bch_dev *ca = bch2_check_bucket_dev(x->c, k.k->p);
	const u64 object = bucket_to_u64(k.k->p);
	struct bch_alloc_v4 a;
	unsigned nr = 0;
	u64 time;

	if (!ca)
		return 0;
	bch2_alloc_to_v4(k, &a);

	time = bch2_alloc_lru_idx_fragmentation(&a, ca->mi.bucket_size);
	if (time)
		p[nr++].index = lru_pos(BCH_LRU_FRAGMENTATION_START, object, time);
	if (a.data_type == BCH_DATA_cached)
		p[nr++].index = lru_pos(ca->dev_idx, object, bch2_alloc_lru_idx_read(&a));
	return nr;
}

static unsigned stripe_collect(struct index_check *x, struct bkey_s_c k, struct check_pair *p)
{
	const u64 time = stripe_time(k);

	p->index = lru_pos(BCH_LRU_STRIPES, k.k->p.offset, time);
	return time != 0;
}

static int check_objects(struct index_check *x)
{
	int ret = bch2_check_btree_pairs(x, BTREE_ID_alloc, alloc_collect, CHECK_PAIRS_by_index,
					 missing_check);

	/* the list of stripes and the index of their buckets: spec 42 §4, §8 */
	if (!ret && x->c->sb.version >= BCH_VERSION(1, 23))
		ret = bch2_check_btree_pairs(x, BTREE_ID_stripes, stripe_collect,
					     CHECK_PAIRS_by_index, missing_check);
	if (!ret && x->c->sb.version >= BCH_VERSION(1, 35))
		ret = bch2_check_stripe_refs(x);
	return ret;
}

/**
 * bch2_check_alloc_to_lru_refs - pass check_alloc_to_lru_refs
 * @c:	filesystem
 *
 * Also the references between buckets and stripes.
 *
 * Return: 0 or why the check could not go on.
 */
int bch2_check_alloc_to_lru_refs(struct bch_fs *c)
{
	return run_check(c, check_objects);
}
