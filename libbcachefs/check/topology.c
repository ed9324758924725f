// SPDX-License-Identifier: GPL-2.0
/*
 * Do the children of every interior node cover its range, without gaps and
 * overlaps (spec 21 section 15.3, as a report)?
 *
 * Level by level from the root down: the pointers of a node are compared with
 * each other and with the node's range; children are read only when their own
 * level is looked at, so memory does not depend on the size of a btree. Called by
 * keys.c; repair is in topology_repair.c.
 */
#include <linux/kernel.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "check/check.h"
#include "sb/fsck_err.h"
#include "util/printbuf.h"

/* Comparing the children of one node, in order. */
struct topology_walk {
	struct bch_fs		*c;
	const struct btree	*b;
	bool			have_prev;
	struct bkey		prev;		/* pointer accepted last */
	u64			nr_children;
	u64			nr_errors;
};

static void place_to_text(struct printbuf *out, const struct topology_walk *w)
{
	prt_str(out, " in ");
	bch2_btree_id_level_to_text(out, w->b->btree_id, w->b->level);
	prt_char(out, ' ');
	bch2_bpos_to_text(out, w->b->min_key);
	prt_str(out, " - ");
	bch2_bpos_to_text(out, w->b->max_key);
}

/* Found, and left as it is. */
static int topology_error(struct topology_walk *w, enum bch_sb_error_id id, const char *what,
			  const struct bkey_i *child, struct bpos expected)
{
	struct printbuf msg = PRINTBUF;
	int ret;

	w->nr_errors++;
	prt_str(&msg, what);
	place_to_text(&msg, w);
	prt_str(&msg, "\nexpected ");
	bch2_bpos_to_text(&msg, expected);
	if (w->have_prev) {
		prt_str(&msg, "\nprevious ");
		bch2_bkey_to_text(&msg, &w->prev);
	}
	if (child) {
		prt_str(&msg, "\nnode ");
		bch2_bkey_val_to_text(&msg, w->c, bkey_i_to_s_c(child));
	}
	ret = __bch2_fsck_err(w->c, FSCK_CAN_IGNORE, id, "%s", printbuf_str(&msg));
	printbuf_exit(&msg);
	set_bit(BCH_FS_topology_error, &w->c->flags);
	return bch2_fsck_gives_up(ret) ? ret : 0;
}

static int child_check(struct topology_walk *w, const struct bkey_i *child)
{
	const struct btree_ptr_info info = bch2_btree_ptr_info(child);
	const struct bpos expected = w->have_prev ? bpos_successor(w->prev.p) : w->b->min_key;
	enum bch_sb_error_id id;
	const char *what;
	int ret = 0;

	w->nr_children++;
	if (!info.v2 || bpos_eq(info.min_key, expected))
		goto done;

	if (bpos_gt(info.min_key, expected)) {
		id	= BCH_FSCK_ERR_btree_node_topology_gap_between_nodes;
		what	= "gap between btree nodes";
	} else if (bpos_ge(expected, child->k.p)) {
		id	= BCH_FSCK_ERR_btree_node_topology_overwritten_by_prev_node;
		what	= "btree node overwritten by previous node";
	} else if (w->have_prev) {
		id	= BCH_FSCK_ERR_btree_node_topology_bad_min_key;
		what	= "btree node overlaps previous node";
	} else {
		id	= BCH_FSCK_ERR_btree_node_topology_bad_min_key;
		what	= "first btree node begins before its parent";
	}
	ret = topology_error(w, id, what, child, expected);
done:
	w->have_prev	= !bpos_eq(child->k.p, SPOS_MAX) || !bpos_eq(w->b->max_key, SPOS_MAX);
	w->prev		= child->k;
	return ret;
}

static int node_end_check(struct topology_walk *w)
{
	if (!w->nr_children)
		return topology_error(w, BCH_FSCK_ERR_btree_node_topology_interior_node_empty,
				      "interior btree node without children", NULL, w->b->max_key);
	if (!bpos_eq(w->prev.p, w->b->max_key)) {
		w->have_prev = true;
		return topology_error(w, BCH_FSCK_ERR_btree_node_topology_bad_max_key,
				      "last child does not reach the end of the node", NULL,
				      w->b->max_key);
	}
	return 0;
}

/* All pointers of the interior node @b, journal merged in. */
static int node_children_check(struct btree_trans *trans, const struct btree *b, u64 *nr_errors)
{
	struct topology_walk w = { .c = trans->c, .b = b };
	__BKEY_PADDED(ptr, BKEY_BTREE_PTR_VAL_U64s_MAX) child;
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret = 0;

	bch2_trans_node_iter_init(trans, &iter, b->btree_id, b->min_key, 0, b->level, 0);
	do {
		k = bch2_btree_iter_peek_max(&iter, b->max_key);
		if (!k.k)
			break;
		ret = bkey_err(k);
		if (!ret && k.k->u64s <= BKEY_BTREE_PTR_U64s_MAX) {
			bkey_reassemble(&child.ptr, k);
			ret = child_check(&w, &child.ptr);
		}
	} while (!ret && bch2_btree_iter_advance(&iter));
	bch2_trans_iter_exit(&iter);

	ret = ret ?: node_end_check(&w);
	*nr_errors += w.nr_errors;
	return ret;
}

/* Unreadable nodes were reported when they were read; the rest is looked at. */
static int level_check(struct btree_trans *trans, unsigned btree, unsigned level, u64 *nr_errors)
{
	struct btree_iter iter;
	struct btree *b;
	int ret = 0;

	bch2_trans_node_iter_init(trans, &iter, btree, POS_MIN, 0, level,
				  BTREE_ITER_prefetch|BTREE_ITER_skip_bad);
	for (b = bch2_btree_iter_peek_node(&iter);
	     b && !ret;
	     b = bch2_btree_iter_next_node(&iter)) {
		if (IS_ERR(b)) {
			ret = PTR_ERR(b);
			break;
		}
		ret = bch2_trans_interrupted(trans) ?: node_children_check(trans, b, nr_errors);
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int root_range_check(struct bch_fs *c, const struct btree *b, u64 *nr_errors)
{
	struct topology_walk w = { .c = c, .b = b };
	int ret = 0;

	if (!bpos_eq(b->min_key, POS_MIN))
		ret = topology_error(&w, BCH_FSCK_ERR_btree_node_topology_bad_root_min_key,
				     "btree root does not begin at POS_MIN", NULL, POS_MIN);
	if (!ret && !bpos_eq(b->max_key, SPOS_MAX))
		ret = topology_error(&w, BCH_FSCK_ERR_btree_node_topology_bad_root_max_key,
				     "btree root does not end at SPOS_MAX", NULL, SPOS_MAX);
	*nr_errors += w.nr_errors;
	return ret;
}

/**
 * bch2_check_btree_topology - report what is wrong with the shape of one btree
 * @c:		filesystem, roots have been read
 * @btree:	id
 * @nr_errors:	number of errors is added
 *
 * 0 also if errors were found; an error if the policy says to give up.
 */
int bch2_check_btree_topology(struct bch_fs *c, unsigned btree, u64 *nr_errors)
{
	struct btree_trans *trans;
	struct btree *root = bch2_btree_root_get(c, btree);
	unsigned level;
	int ret;

	/* Unreadable roots are reported by those who read them. */
	if (IS_ERR_OR_NULL(root))
		return 0;

	level = root->level;
	ret = root_range_check(c, root, nr_errors);
	bch2_btree_node_put(c, root);

	trans = bch2_trans_get(c);
	/* where others write, a level may have to be looked at again from its beginning */
	for (; level && !ret; --level)
		ret = lockrestart_do(trans, level_check(trans, btree, level, nr_errors));
	bch2_trans_put(trans);
	return ret;
}
