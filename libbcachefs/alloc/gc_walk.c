// SPDX-License-Identifier: GPL-2.0
/*
 * Every key that allocations are counted from, in the order in which they have to
 * be seen (spec 43 §4.2): generations first, then stripes, then all else; leaves,
 * interior levels upward, and at last the root's own pointer.
 *
 * Used by check_allocations, whose visitor checks and repairs before it marks.
 */
#include <linux/err.h>

#include "bcachefs.h"
#include "alloc/gc.h"
#include "btree/bkey_methods.h"
#include "btree/iter.h"
#include "sb/members.h"
#include "util/bpos.h"

static int level_walk(struct btree_trans *trans, unsigned int btree, unsigned int level,
		      bch2_gc_visit_fn fn, void *arg)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_node_iter_init(trans, &iter, btree, POS_MIN, 0, level,
				  BTREE_ITER_all_snapshots|BTREE_ITER_prefetch|
				  BTREE_ITER_skip_bad);
	do {
		ret = lockrestart_do(trans, ({
			k = bch2_btree_iter_peek(&iter);
			bkey_err(k) ?: k.k ? fn(trans, btree, level, k, arg) : 0;
		}));
	} while (!ret && k.k && bch2_btree_iter_advance(&iter));
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int root_visit(struct btree_trans *trans, unsigned int btree, bch2_gc_visit_fn fn,
		      void *arg)
{
	const struct btree_root *r = &trans->c->btree.roots[btree];

	if (r->fake || r->error || r->key.k.u64s <= BKEY_U64s)
		return 0;
	return lockrestart_do(trans, fn(trans, btree, r->level + 1, bkey_i_to_s_c(&r->key), arg));
}

static int btree_walk(struct btree_trans *trans, unsigned int btree, bch2_gc_visit_fn fn,
		      void *arg)
{
	const struct btree_root *r = &trans->c->btree.roots[btree];
	int ret = 0;

	if (!r->alive || !r->b)
		return 0;
	for (unsigned int level = 0; !ret && level <= r->level; level++)
		ret = level_walk(trans, btree, level, fn, arg);
	return ret ?: root_visit(trans, btree, fn, arg);
}

/**
 * bch2_gc_walk - visit every key of all btrees, root pointers included
 * @trans:	transaction
 * @fn:		visitor: (trans, btree, level the key lives at, key, arg); asked
 *		again after a restart
 * @arg:	for @fn
 *
 * What cannot be read is passed over; reading it has been reported. Returns 0, or
 * the first error.
 */
int bch2_gc_walk(struct btree_trans *trans, bch2_gc_visit_fn fn, void *arg)
{
	int ret =   btree_walk(trans, BTREE_ID_alloc, fn, arg) ?:
		btree_walk(trans, BTREE_ID_stripes, fn, arg);

	for (unsigned int btree = 0; !ret && btree < BTREE_ID_NR_MAX; btree++)
		if (btree != BTREE_ID_alloc && btree != BTREE_ID_stripes)
			ret = btree_walk(trans, btree, fn, arg);
	return ret;
}

static int mark_visit(struct btree_trans *trans, enum btree_id btree, unsigned int level,
		      struct bkey_s_c k, void *arg)
{
	return bch2_gc_mark_key(trans, btree, level, k);
}

/**
 * bch2_gc_count - count everything, without looking for damage
 * @trans:	transaction; bch2_gc_alloc() was called
 *
 * Returns 0 or an error: something cannot be counted as it is.
 */
int bch2_gc_count(struct btree_trans *trans)
{
	struct bch_fs *c = trans->c;
	int ret;

	/* references are counted before the extents that they refer to are met */
	ret = for_each_btree_key(trans, iter, BTREE_ID_reflink, POS_MIN,
				 BTREE_ITER_prefetch|BTREE_ITER_skip_bad, k,
				 bch2_gc_add_indirect(c, k));
	for_each_online_member(c, ca)
		ret = ret ?: bch2_gc_mark_dev_sb(trans, ca);
	return ret ?: bch2_gc_walk(trans, mark_visit, NULL);
}
