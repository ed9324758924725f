// SPDX-License-Identifier: GPL-2.0
/*
 * The need_discard btree against alloc keys, in both directions (spec 22 §13).
 *
 * After direction 1 every bucket in need_discard has its entry, after direction 2
 * every entry has its bucket; positions are unique, so that is ND-1. The alloc key
 * decides and is not changed (FC-3), so a second run finds nothing (FC-5). The btree
 * is buffered since 1.38: nothing is reported before the write buffer was flushed,
 * and both sides were read again in one attempt (FC-1, FC-2).
 */
#include <linux/err.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/freespace.h"
#include "btree/bkey_methods.h"
#include "btree/fsck_err_trans.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/alloc_checks.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* Buffered where the btree is (FC-3); in the old layout it is an ordinary one. */
static int entry_mod(struct index_check *x, struct bpos pos, bool set)
{
	return bch2_need_discard_by_seq(x->c)
		? bch2_btree_bit_mod_buffered(x->trans, BTREE_ID_need_discard, pos, set)
		: bch2_btree_bit_mod(x->trans, BTREE_ID_need_discard, pos, set);
}

static int maybe_flush(struct index_check *x, struct bkey_s_c alloc_k)
{
	return bch2_need_discard_by_seq(x->c)
		? bch2_btree_write_buffer_maybe_flush(x->trans, alloc_k, &x->wb) : 0;
}

/* --- direction 1, spec 22 §13.1 --- */

static int missing_report(struct index_check *x, struct bkey_s_c k, struct bpos pos)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	prt_str(&buf, "bucket incorrectly unset in need_discard btree\n");
	bch2_bkey_val_to_text(&buf, x->c, k);
	if (fsck_err_trans(x->trans, need_discard_key_wrong, "%s", printbuf_str(&buf)))
		ret = entry_mod(x, pos, true);
fsck_err:
	return ret;
}

/**
 * bch2_check_need_discard_missing - has a bucket in need_discard its entry?
 * @x:	state
 * @p:	where the entry should be, and the bucket
 *
 * Return: 0, a restart, or an error.
 */
int bch2_check_need_discard_missing(struct index_check *x, const struct check_pair *p)
{
	struct btree_trans *trans = x->trans;
	struct bch_alloc_v4 a;
	struct btree_iter iter;
	struct bkey_s_c k;
	struct bpos pos;
	int ret;

	ret = bch2_check_bit_is_set(trans, BTREE_ID_need_discard, p->index);
	if (ret)
		return min(ret, 0);

	k = bch2_bkey_get_iter(trans, &iter, BTREE_ID_alloc, p->object, 0);
	ret = bkey_err(k);
	if (ret)
		goto out;
	bch2_alloc_to_v4(k, &a);
	if (a.data_type != BCH_DATA_need_discard)
		goto out;

	/* as the key is now */
	pos = bch2_need_discard_pos(bch2_need_discard_by_seq(x->c), p->object,
				    le64_to_cpu(a.journal_seq_empty));
	ret = bch2_check_bit_is_set(trans, BTREE_ID_need_discard, pos);
	if (ret) {
		ret = min(ret, 0);
		goto out;
	}
	ret = maybe_flush(x, k) ?: missing_report(x, k, pos);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* --- direction 2, spec 22 §13.2 --- */

static int no_bucket_report(struct index_check *x, struct bpos pos, struct bpos bucket)
{
	int ret = bch2_check_key_exists(x->trans, BTREE_ID_need_discard, pos);

	if (ret <= 0)
		return ret;
	ret = 0;
	if (fsck_err_trans(x->trans, need_discard_freespace_key_to_invalid_dev_bucket,
		     "entry in need_discard btree for nonexistant dev:bucket %llu:%llu",
		     (u64) bucket.inode, (u64) bucket.offset))
		ret = entry_mod(x, pos, false);
fsck_err:
	return ret;
}

static int bad_report(struct index_check *x, struct bkey_s_c k, struct bpos pos)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	bch2_bkey_val_to_text(&buf, x->c, k);
	prt_str(&buf, "\nincorrectly set at need_discard:");
	bch2_bpos_to_text(&buf, pos);
	if (fsck_err_trans(x->trans, need_discard_freespace_key_bad, "%s", printbuf_str(&buf)))
		ret = entry_mod(x, pos, false);
fsck_err:
	return ret;
}

/* Does the alloc key @a want to be listed there? */
static bool entry_right(const struct index_check *x, const struct bch_alloc_v4 *a,
			const struct need_discard_entry *e)
{
	return a->data_type == BCH_DATA_need_discard &&
		(!bch2_need_discard_by_seq(x->c) ||
		 le64_to_cpu(a->journal_seq_empty) == e->journal_seq);
}

static int entry_check(struct index_check *x, const struct check_pair *p)
{
	const struct need_discard_entry e =
		bch2_need_discard_decode(bch2_need_discard_by_seq(x->c), p->index);
	struct btree_trans *trans = x->trans;
	struct bch_alloc_v4 a;
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	if (!bch2_check_bucket_dev(x->c, e.bucket))
		return no_bucket_report(x, p->index, e.bucket);

	k = bch2_bkey_get_iter(trans, &iter, BTREE_ID_alloc, e.bucket, 0);
	ret = bkey_err(k);
	if (ret)
		goto out;
	bch2_alloc_to_v4(k, &a);
	if (entry_right(x, &a, &e))
		goto out;

	/* it may be gone since it was collected, or by the flush */
	ret = bch2_check_key_exists(trans, BTREE_ID_need_discard, p->index);
	if (ret > 0)
		ret = maybe_flush(x, k) ?: bad_report(x, k, p->index);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

static unsigned entry_collect(struct index_check *x, struct bkey_s_c k, struct check_pair *p)
{
	const struct need_discard_entry e =
		bch2_need_discard_decode(bch2_need_discard_by_seq(x->c), k.k->p);

	*p = (struct check_pair) { .index = k.k->p, .object = e.bucket };
	return 1;
}

/**
 * bch2_check_need_discard_entries - has every entry of need_discard its bucket?
 * @x:	state, nothing collected
 *
 * Return: 0 or an error.
 */
int bch2_check_need_discard_entries(struct index_check *x)
{
	return bch2_check_btree_pairs(x, BTREE_ID_need_discard, entry_collect,
				      CHECK_PAIRS_by_object, entry_check);
}
