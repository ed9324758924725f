// SPDX-License-Identifier: GPL-2.0
/*
 * Every key that allocations are counted from, in the order in which they have to
 * be seen (spec 43 §4.2): generations first, then stripes, then all else; leaves,
 * interior levels upward, and at last the root's own pointer.
 *
 * Shared extents come third, and not in the order of btree ids: a repair may turn
 * one into a lost range, and references to it are judged by what is left. That way
 * no list has to be made before the walk either.
 *
 * Used by check_allocations, whose visitor checks and repairs before it marks.
 */
#include <linux/array_size.h>
#include <linux/bits.h>
#include <linux/err.h>

#include "bcachefs.h"
#include "alloc/gc.h"
#include "btree/bkey_methods.h"
#include "btree/iter.h"
#include "util/bpos.h"

struct gc_walk {
	struct btree_trans	*trans;
	unsigned int		flags;		/* enum bch2_gc_walk_flags */
	bch2_gc_visit_fn	fn;
	void			*arg;
};

static int level_walk(struct gc_walk *w, unsigned int btree, unsigned int level)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_node_iter_init(w->trans, &iter, btree, POS_MIN, 0, level,
				  BTREE_ITER_all_snapshots|BTREE_ITER_prefetch|
				  BTREE_ITER_skip_bad);
	do {
		ret = lockrestart_do(w->trans, ({
			k = bch2_btree_iter_peek(&iter);
			bkey_err(k) ?: k.k ? w->fn(w->trans, btree, level, k, w->arg) : 0;
		}));
	} while (!ret && k.k && bch2_btree_iter_advance(&iter));
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int root_visit(struct gc_walk *w, unsigned int btree)
{
	const struct btree_root *r = &w->trans->c->btree.roots[btree];
	__BKEY_PADDED(k, BKEY_BTREE_PTR_VAL_U64s_MAX) root;

	if (r->fake || r->error || r->key.k.u64s <= BKEY_U64s)
		return 0;
	return lockrestart_do(w->trans, ({
		bkey_copy(&root.k, &r->key);
		w->fn(w->trans, btree, r->level + 1, bkey_i_to_s_c(&root.k), w->arg);
	}));
}

/* Leaves whose keys count for something (spec 43 §4.2). */
static bool leaves_count(unsigned int btree)
{
	switch (btree) {
	case BTREE_ID_extents:
	case BTREE_ID_inodes:
	case BTREE_ID_alloc:
	case BTREE_ID_stripes:
	case BTREE_ID_reflink:
	case BTREE_ID_subvolumes:
	case BTREE_ID_snapshots:
		return true;
	default:
		return false;
	}
}

static int btree_walk(struct gc_walk *w, unsigned int btree)
{
	const struct btree_root *r = &w->trans->c->btree.roots[btree];
	const unsigned int first = !(w->flags & BCH_GC_WALK_all_leaves) && !leaves_count(btree);
	int ret = 0;

	if (!r->alive || !r->b)
		return 0;
	for (unsigned int level = first; !ret && level <= r->level; level++)
		ret = level_walk(w, btree, level);
	return ret ?: root_visit(w, btree);
}

/**
 * bch2_gc_walk - visit every key of all btrees, root pointers included
 * @trans:	transaction
 * @flags:	enum bch2_gc_walk_flags
 * @fn:		visitor: (trans, btree, level the key lives at, key, arg); asked
 *		again, with the key as it is then, after a restart
 * @arg:	for @fn
 *
 * Node by node in order, with read-ahead; of a btree nothing but the path to the
 * key is held. What cannot be read is passed over; reading it has been reported.
 * Returns 0, or the first error.
 */
int bch2_gc_walk(struct btree_trans *trans, unsigned int flags, bch2_gc_visit_fn fn, void *arg)
{
	static const u8 first[] = { BTREE_ID_alloc, BTREE_ID_stripes, BTREE_ID_reflink };
	struct gc_walk w = { .trans = trans, .flags = flags, .fn = fn, .arg = arg };
	u64 done = 0;
	int ret = 0;

	for (unsigned int i = 0; !ret && i < ARRAY_SIZE(first); i++) {
		ret = btree_walk(&w, first[i]);
		done |= BIT_ULL(first[i]);
	}
	for (unsigned int btree = 0; !ret && btree < BTREE_ID_NR_MAX; btree++)
		if (!(done & BIT_ULL(btree)))
			ret = btree_walk(&w, btree);
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
	return  bch2_gc_mark_sbs(trans) ?:
		bch2_gc_walk(trans, BCH_GC_WALK_all_leaves, mark_visit, NULL);
}
