// SPDX-License-Identifier: GPL-2.0
/*
 * Pass check_extents_to_backpointers, second half (spec 43 §8.3): every pointer
 * into a bucket where backpointers are missing.
 *
 * The backpointers of these buckets are loaded in windows as large as memory
 * allows; for each window all keys with pointers are walked. Only what seems to be
 * wrong is looked up in the btree, after the write buffer was flushed.
 */
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/alloc_trigger.h"
#include "alloc/index_update.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/extent_entries.h"
#include "btree/fsck_err_trans.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/backpointers.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* --- the window --- */

static size_t window_max(const struct bp_check *x)
{
	const u64 ram = (u64) totalram_pages() << PAGE_SHIFT;

	return max_t(u64, div_u64(ram, 100) * x->c->opts.fsck_memory_usage_percent /
		     sizeof(struct bp_entry), 1024);
}

static int window_add(struct bp_check *x, struct bkey_s_c k)
{
	struct bp_entry e = { .pos = k.k->p };

	if (k.k->type != KEY_TYPE_backpointer)
		return 0;
	bkey_val_copy(&e.v, k);
	return darray_push(&x->window, e);
}

static int window_add_bucket(struct bp_check *x, const struct bch_dev *ca, u64 bucket)
{
	const struct bpos b = POS(ca->dev_idx, bucket);

	return for_each_btree_key_max(x->trans, iter, BTREE_ID_backpointers,
			bch2_bucket_backpointers_start(b, ca->mi.bucket_size, x->shift),
			bch2_bucket_backpointers_end(b, ca->mi.bucket_size, x->shift),
			BTREE_ITER_prefetch, k, window_add(x, k));
}

/*
 * Load what comes from window_start on, whole buckets, until memory is used up.
 * Buckets without backpointers need no memory.
 */
static int window_load(struct bp_check *x)
{
	const size_t max_nr = window_max(x);
	int ret = 0;

	x->window.nr	= 0;
	x->window_end	= SPOS_MAX;
	for_each_member_device(x->c, ca) {
		const struct bp_dev *d = x->devs + ca->dev_idx;
		u64 bucket = 0;

		if (!d->mismatch || ca->dev_idx < x->window_start.inode)
			continue;
		if (ca->dev_idx == x->window_start.inode)
			bucket = backpointer_pos_bucket(x->window_start, x->shift,
							ca->mi.bucket_size).offset;
		while ((bucket = find_next_bit(d->mismatch, ca->mi.nbuckets, bucket)) <
		       ca->mi.nbuckets) {
			if (!bch2_bp_bit(d->empty, bucket))
				ret = window_add_bucket(x, ca, bucket);
			if (ret)
				return ret;
			if (x->window.nr >= max_nr) {
				x->window_end = bch2_bucket_backpointers_end(
					POS(ca->dev_idx, bucket), ca->mi.bucket_size, x->shift);
				return 0;
			}
			bucket++;
		}
	}
	bch2_trans_unlock(x->trans);
	return 0;
}

static const struct bp_entry *window_find(const struct bp_check *x, struct bpos pos)
{
	size_t l = 0, r = x->window.nr;

	while (l < r) {
		const size_t m = l + (r - l) / 2;
		const int cmp = bpos_cmp(x->window.data[m].pos, pos);

		if (!cmp)
			return x->window.data + m;
		if (cmp < 0)
			l = m + 1;
		else
			r = m;
	}
	return NULL;
}

/* --- one pointer --- */

static int missing(struct bp_check *x, struct bkey_s_c k, const struct backpointer_key *want)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	prt_str(&buf, "missing backpointer\n  for: ");
	bch2_btree_id_level_to_text(&buf, want->v.btree_id, want->v.level);
	prt_char(&buf, ' ');
	bch2_bkey_val_to_text(&buf, x->c, k);
	if (fsck_err_trans(x->trans, ptr_to_missing_backpointer, "%s", printbuf_str(&buf)))
		ret = bch2_bucket_backpointer_mod(x->trans, want, true);
fsck_err:
	return ret;
}

/* Another backpointer is in the place of the one for @k. */
static int occupied(struct bp_check *x, struct bkey_s_c k, const struct backpointer_key *want,
		    const struct bp_entry *found, struct bkey_buf *other)
{
	CLASS(printbuf, buf)();
	enum bp_match match;
	int ret;

	ret = bch2_bp_target(x, want->stripe_btree, found, other, &match);
	if (ret < 0)
		return ret;
	if (match != BP_differs)
		return bch2_bp_conflict(x, k, want, found, other);
	if (ret)
		return 0;

	prt_str(&buf, "backpointer doesn't match any pointer, but is where another belongs: ");
	bch2_bpos_to_text(&buf, found->pos);
	prt_str(&buf, " ");
	bch2_btree_id_level_to_text(&buf, found->v.btree_id, found->v.level);
	prt_str(&buf, " ");
	bch2_bpos_to_text(&buf, found->v.pos);
	/* what comes in its place overwrites it */
	if (!fsck_err_trans(x->trans, backpointer_to_missing_ptr, "%s", printbuf_str(&buf)))
		return 0;
	return missing(x, k, want);
fsck_err:
	return ret;
}

/* As the btree has it, after a flush. */
static int ptr_look_up(struct bp_check *x, struct bkey_s_c k, const struct backpointer_key *want)
{
	const unsigned btree = want->stripe_btree ? BTREE_ID_stripe_backpointers
						  : BTREE_ID_backpointers;
	struct bp_entry found = { .pos = want->pos };
	enum bp_match match = BP_differs;
	struct btree_iter iter;
	struct bkey_buf other;
	bool there = false;
	struct bkey_s_c b;
	int ret;

	b = bch2_bkey_get_iter(x->trans, &iter, btree, want->pos, 0);
	ret = bkey_err(b);
	if (!ret && b.k && b.k->type == KEY_TYPE_backpointer) {
		there = true;
		bkey_val_copy(&found.v, b);
		match = bch2_bp_compare(x, &found.v, &want->v);
	}
	bch2_trans_iter_exit(&iter);
	if (ret || match == BP_same)
		return ret;
	if (match == BP_leftover)
		return x->may_repair ? bch2_bucket_backpointer_mod(x->trans, want, true) : 0;

	ret = bch2_btree_write_buffer_maybe_flush(x->trans, k, &x->wb);
	if (ret)
		return ret;
	if (!there)
		return missing(x, k, want);
	bch2_bkey_buf_init(&other);
	ret = occupied(x, k, want, &found, &other);
	bch2_bkey_buf_exit(&other);
	return ret;
}

static bool ptr_stale(const struct bch_dev *ca, const struct bch_extent_ptr *ptr, u64 bucket)
{
	return EXTENT_PTR_CACHED(ptr) && EXTENT_PTR_GEN(ptr) != bch2_bucket_gen(ca, bucket);
}

static int ptr_check(struct bp_check *x, unsigned btree, unsigned level, struct bkey_s_c k,
		     const struct extent_ptr_decoded *p)
{
	const unsigned dev = EXTENT_PTR_DEV(&p->ptr);
	const struct bch_dev *ca = bch2_dev(x->c, dev);
	const struct bp_entry *found;
	struct backpointer_key want;
	u64 bucket = 0;

	if (dev != BCH_SB_MEMBER_INVALID) {
		if (!ca)
			return 0;
		bucket = sector_to_bucket(ca, EXTENT_PTR_OFFSET(&p->ptr));
		if (!bucket_valid(ca, bucket) || !bch2_bp_bit(x->devs[dev].mismatch, bucket) ||
		    ptr_stale(ca, &p->ptr, bucket))
			return 0;
	} else if (!p->has_ec || k.k->type == KEY_TYPE_stripe) {
		return 0;
	}

	want = bch2_ptr_to_backpointer(x->c, btree, level, k, p, x->shift);
	if (want.stripe_btree)
		/* in the first window: there is no other order to go by */
		return bpos_eq(x->window_start, POS_MIN) ? ptr_look_up(x, k, &want) : 0;
	if (bpos_lt(want.pos, x->window_start) || bpos_gt(want.pos, x->window_end))
		return 0;
	if (bch2_bp_bit(x->devs[dev].empty, bucket))
		return x->may_repair ? bch2_bucket_backpointer_mod(x->trans, &want, true) : 0;

	found = window_find(x, want.pos);
	if (found && bch2_bp_compare(x, &found->v, &want.v) == BP_same)
		return 0;
	return ptr_look_up(x, k, &want);
}

static int key_check(struct bp_check *x, unsigned btree, unsigned level, struct bkey_s_c k)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(x->c, k);
	const union bch_extent_entry *entry;
	struct extent_ptr_decoded p;
	int ret = 0;

	if (!bkey_type_has_ptrs(k.k->type))
		return 0;
	wb_maybe_flush_inc(&x->wb);
	bkey_for_each_ptr_decode(k.k, ptrs, p, entry) {
		ret = ptr_check(x, btree, level, k, &p);
		if (ret)
			return ret;
	}
	return bch2_trans_has_updates(x->trans)
		? bch2_trans_commit(x->trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc) : 0;
}

/* --- all pointers --- */

static int level_check(struct bp_check *x, unsigned btree, unsigned level)
{
	const unsigned flags = BTREE_ITER_all_snapshots|BTREE_ITER_prefetch|BTREE_ITER_skip_bad;
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	if (level)
		bch2_trans_node_iter_init(x->trans, &iter, btree, POS_MIN, 0, level, flags);
	else
		bch2_trans_iter_init(x->trans, &iter, btree, POS_MIN, flags);
	do {
		ret = lockrestart_do(x->trans, ({
			k = bch2_btree_iter_peek(&iter);
			bkey_err(k) ?: k.k ? key_check(x, btree, level, k) : 0;
		}));
	} while (!ret && k.k && bch2_btree_iter_advance(&iter));
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* The pointer to the root; its level is one above the root's. */
static int root_check(struct bp_check *x, unsigned btree)
{
	struct btree_root *r = &x->c->btree.roots[btree];
	unsigned level = 0;
	struct bkey_buf k;
	int ret;

	bch2_bkey_buf_init(&k);
	ret = bch2_bkey_buf_realloc(&k, BKEY_U64s_MAX);
	if (ret)
		return ret;

	spin_lock(&x->c->btree.root_lock);
	if (!r->fake && !r->error && r->key.k.u64s > BKEY_U64s) {
		bkey_copy(k.k, &r->key);
		level = r->level + 1;
	}
	spin_unlock(&x->c->btree.root_lock);

	if (level)
		ret = lockrestart_do(x->trans, key_check(x, btree, level, bkey_i_to_s_c(k.k)));
	bch2_bkey_buf_exit(&k);
	return ret;
}

static int btree_check(struct bp_check *x, unsigned btree)
{
	const struct btree_root *r = &x->c->btree.roots[btree];
	const unsigned lowest = btree_type_has_data_ptrs(btree) ? 0 : 1;
	int ret;

	if (!r->alive || !r->b)
		return 0;
	ret = root_check(x, btree);
	for (int level = r->level; !ret && level >= (int) lowest; --level)
		ret = level_check(x, btree, level);
	return ret;
}

/**
 * bch2_bp_check_pointers - every pointer into one of the buckets that were found
 * @x:	check: devs is filled
 *
 * Return: 0 or an error.
 */
int bch2_bp_check_pointers(struct bp_check *x)
{
	int ret;

	x->window_start = POS_MIN;
	do {
		ret = window_load(x);
		for (unsigned btree = 0; !ret && btree < BTREE_ID_NR_MAX; btree++)
			ret = btree_check(x, btree);
		if (ret || bpos_eq(x->window_end, SPOS_MAX))
			break;
		x->window_start = bpos_successor(x->window_end);
	} while (1);
	return ret;
}
