// SPDX-License-Identifier: GPL-2.0
/*
 * Comparing two btrees that have different orders: pairs of positions are
 * collected from one, sorted by the other's order, and looked up there.
 *
 * So both are read from front to back, once per CHECK_PAIRS_MAX pairs, and no
 * lookup is random. Memory: 2.5 MiB. What was collected is a hint, and may be old
 * when it is looked at: whoever compares reads both keys in one transaction
 * before he reports anything.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "check/alloc_checks.h"
#include "util/bpos.h"

/**
 * bch2_index_check_init - begin a comparison
 * @x:		state
 * @trans:	transaction in which it goes on; commits
 *
 * Return: 0 or no memory; in both cases bch2_index_check_exit().
 */
int bch2_index_check_init(struct index_check *x, struct btree_trans *trans)
{
	memset(x, 0, sizeof(*x));
	x->trans = trans;
	x->c	 = trans->c;
	wb_maybe_flush_init(&x->wb);
	x->pairs = kvmalloc_array(CHECK_PAIRS_MAX, sizeof(*x->pairs), GFP_KERNEL);
	return x->pairs ? 0 : -BCH_ERR_ENOMEM_gc;
}

/**
 * bch2_index_check_exit - end a comparison
 * @x:	state
 */
void bch2_index_check_exit(struct index_check *x)
{
	kvfree(x->pairs);
	x->pairs = NULL;
	wb_maybe_flush_exit(&x->wb);
}

static int cmp_index(const void *l, const void *r)
{
	const struct check_pair *a = l, *b = r;

	return bpos_cmp(a->index, b->index);
}

static int cmp_object(const void *l, const void *r)
{
	const struct check_pair *a = l, *b = r;

	return bpos_cmp(a->object, b->object) ?: bpos_cmp(a->index, b->index);
}

/**
 * bch2_check_pairs_run - compare what was collected
 * @x:		state
 * @order:	which of the two positions @fn looks up
 * @fn:		compares
 *
 * One transaction per pair. Return: 0 or an error.
 */
int bch2_check_pairs_run(struct index_check *x, enum check_pairs_order order, check_pair_fn fn)
{
	int ret = 0;

	sort(x->pairs, x->nr, sizeof(*x->pairs),
	     order == CHECK_PAIRS_by_index ? cmp_index : cmp_object, NULL);

	for (u32 i = 0; !ret && i < x->nr; i++) {
		ret = commit_do(x->trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
				fn(x, x->pairs + i));
		wb_maybe_flush_inc(&x->wb);
	}
	x->nr = 0;
	return ret;
}

/* From *pos on, until there is no room for more: 1, *pos is the next; or to the end: 0. */
static int collect_pairs(struct index_check *x, unsigned btree, struct bpos *pos,
			 check_collect_fn collect)
{
	int ret = for_each_btree_key(x->trans, iter, btree, *pos,
				     BTREE_ITER_all_snapshots|BTREE_ITER_prefetch, k, ({
		const bool full = bch2_check_pairs_full(x);

		if (full)
			*pos = k.k->p;
		else
			x->nr += collect(x, k, x->pairs + x->nr);
		full;
	}));

	bch2_trans_unlock(x->trans);
	return ret;
}

/**
 * bch2_check_btree_pairs - compare all keys of a btree with another one
 * @x:		state
 * @btree:	btree to walk
 * @collect:	what a key gives cause to compare
 * @order:	which of the two positions @fn looks up
 * @fn:		compares
 *
 * Return: 0 or an error.
 */
int bch2_check_btree_pairs(struct index_check *x, unsigned btree, check_collect_fn collect,
			   enum check_pairs_order order, check_pair_fn fn)
{
	struct bpos pos = POS_MIN;
	int ret, more;

	do {
		more = collect_pairs(x, btree, &pos, collect);
		ret = more < 0 ? more : bch2_check_pairs_run(x, order, fn);
	} while (!ret && more);
	return ret;
}

static int key_type_at(struct btree_trans *trans, unsigned btree, struct bpos pos)
{
	struct btree_iter iter;
	struct bkey_s_c k = bch2_bkey_get_iter(trans, &iter, btree, pos, 0);
	int ret = bkey_err(k) ?: k.k ? k.k->type : KEY_TYPE_deleted;

	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_check_key_exists - is there a key?
 * @trans:	transaction
 * @btree:	btree
 * @pos:	position
 *
 * Return: 1, 0, a restart, or an error.
 */
int bch2_check_key_exists(struct btree_trans *trans, unsigned btree, struct bpos pos)
{
	const int ret = key_type_at(trans, btree, pos);

	return ret < 0 ? ret : ret != KEY_TYPE_deleted;
}

/**
 * bch2_check_bit_is_set - is there a key of type set?
 * @trans:	transaction
 * @btree:	btree
 * @pos:	position
 *
 * Return: 1, 0, a restart, or an error.
 */
int bch2_check_bit_is_set(struct btree_trans *trans, unsigned btree, struct bpos pos)
{
	const int ret = key_type_at(trans, btree, pos);

	return ret < 0 ? ret : ret == KEY_TYPE_set;
}
