// SPDX-License-Identifier: GPL-2.0
/*
 * The pass check_topology: make the children of every interior node cover its range,
 * without gaps and overlaps (spec 21 section 15.3).
 *
 * From the root down, the children of a node before their own: when a node is looked
 * at, its range is final. Data are kept rather than lost: gaps are filled with nodes
 * that were found on the devices, or ranges are extended over them, and of two nodes
 * that overlap the newer one keeps what both claim. Recursion is as deep as a btree;
 * every further round over a node has one pointer less, or a leaf that is inserted
 * only once, so that it ends whatever the nodes say. Memory: the pointers of one node
 * per level.
 *
 * Called by the thread that starts the filesystem, before it is writable.
 */
#include <linux/err.h>
#include <linux/kernel.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "btree/node_check.h"
#include "check/check.h"
#include "check/node_scan.h"
#include "check/topology_repair.h"
#include "journal/overlay.h"
#include "util/log.h"

/* --- the children of a node --- */

/* Pointers of a node, merged with the overlay. */
struct ptr_walk {
	struct bch_fs		*c;
	const struct btree	*b;
	struct bpos		pos;
	size_t			hint;
	u32			idx;
	bool			end;
	struct bkey		unpacked;
};

/* The next one, live or deleted. */
static struct bkey_s_c ptr_walk_next(struct ptr_walk *w)
{
	const struct btree *b = w->b;
	struct bkey_s_c k = bkey_s_c_null;
	struct bkey_i *j;

	if (w->end)
		return k;
	for (; w->idx < b->nr_keys; w->idx++) {
		k = bkey_disassemble(b, btree_node_key(b, w->idx), &w->unpacked);
		if (bpos_ge(k.k->p, w->pos))
			break;
		k = bkey_s_c_null;
	}
	j = bch2_journal_keys_peek_max(w->c, b->btree_id, b->level, w->pos, b->max_key, &w->hint);
	if (j && (!k.k || bpos_le(j->k.p, k.k->p)))
		k = bkey_i_to_s_c(j);
	if (!k.k || bpos_ge(k.k->p, b->max_key))
		w->end = true;
	else
		w->pos = bpos_successor(k.k->p);
	return k;
}

/*
 * Read the children of @b; pointers to what is of no use are removed (15.3 C 1, 2).
 * What is not a pointer cannot be in a node that was read.
 */
static int children_read(struct topology_repair *r, const struct btree *b, darray_child *out)
{
	struct ptr_walk w = { .c = r->c, .b = b, .pos = b->min_key };
	__BKEY_PADDED(k, BKEY_BTREE_PTR_VAL_U64s_MAX) ptr;
	struct topology_child child;
	struct bkey_s_c k;

	out->nr = 0;
	while ((k = ptr_walk_next(&w)).k) {
		bool lost;
		int ret;

		if (bkey_deleted(k.k) || k.k->u64s > BKEY_BTREE_PTR_U64s_MAX)
			continue;
		if (test_bit(BCH_FS_stop_passes, &r->c->flags))
			return -BCH_ERR_recovery_interrupted;
		bkey_reassemble(&ptr.k, k);
		ret = topology_child_read(r, b->level - 1U, &ptr.k, &child, &lost) ?:
			(lost ? 0 : darray_push(out, child));
		if (ret)
			return ret;
	}
	return 0;
}

/* --- comparing them --- */

struct node_repair {
	struct topology_repair	*r;
	const struct btree	*b;
	darray_child		children;
	bool			again;		/* pointers have come or gone */
};

static unsigned child_level(const struct node_repair *n)
{
	return n->b->level - 1U;
}

static int child_remove(struct node_repair *n, const struct topology_child *child)
{
	n->again = true;
	return topology_child_remove(n->r, child_level(n), child->key.k.p);
}

/* Is the gap behind @prev its own, its pointer having lost a part of its range? */
static int gap_is_of_prev(struct node_repair *n, struct topology_child *prev, struct bpos start,
			  struct bpos end)
{
	struct topology_repair *r = n->r;
	struct bpos last;

	if (!prev || !bch2_found_leaf_at(r->c, r->btree, prev->seq, start, &last))
		return 0;
	n->again = true;
	return topology_child_set_range(r, 0, prev, prev->min_key, bpos_min(last, end)) ?: 1;
}

/*
 * Leaves that were found, where there is none. 1: something was put there; 0: nothing
 * is to be had; or an error. @prev, @child: what is before and behind, or NULL.
 */
static int gap_fill(struct node_repair *n, struct topology_child *prev,
		    const struct topology_child *child, struct bpos start, struct bpos end)
{
	struct topology_repair *r = n->r;
	u64 except[2] = {}, nr = 0;
	int ret;

	if (n->b->level != 1)
		return 0;
	except[0] = prev  ? prev->seq  : child->seq;
	except[1] = child ? child->seq : except[0];
	ret = topology_want_scan(r) ?:
		gap_is_of_prev(n, prev, start, end) ?:
		bch2_found_leaves_insert(r->c, r->btree, start, end, except, &nr);
	if (ret)
		return ret;
	if (nr)
		bch_notice(r->c, "filling it with %llu leaves that were found", nr);
	r->nr_changes += nr;
	n->again |= nr != 0;
	return nr != 0;
}

static int gap_before(struct node_repair *n, struct topology_child *prev,
		      struct topology_child *child, struct bpos expected)
{
	int ret = topology_ask(n->r, BCH_FSCK_ERR_btree_node_topology_gap_between_nodes, n->b,
			       prev, child, expected, "gap between btree nodes");

	ret = ret ?: gap_fill(n, prev, child, expected, bpos_predecessor(child->min_key));
	if (ret)
		return min(ret, 0);
	return topology_child_set_range(n->r, child_level(n), child, expected, child->max_key);
}

/* @child begins before what is before it ends. */
static int overlap(struct node_repair *n, struct topology_child *prev,
		   struct topology_child *child, struct bpos expected)
{
	const unsigned level = child_level(n);
	int ret;

	if (prev && child->generation > prev->generation) {
		/* nothing is left of it that a pointer could describe */
		if (bpos_ge(bpos_successor(prev->min_key), child->min_key))
			return topology_ask(n->r,
				BCH_FSCK_ERR_btree_node_topology_overwritten_by_next_node, n->b,
				prev, child, expected,
				"btree node overwritten by the next one") ?:
				child_remove(n, prev);
		return topology_ask(n->r, BCH_FSCK_ERR_btree_node_topology_bad_max_key, n->b,
				    prev, child, expected,
				    "btree node overlaps the next one, which is newer") ?:
			topology_child_set_range(n->r, level, prev, prev->min_key,
						 bpos_predecessor(child->min_key));
	}
	if (bpos_ge(expected, child->max_key))
		return topology_ask(n->r,
				BCH_FSCK_ERR_btree_node_topology_overwritten_by_prev_node, n->b,
				prev, child, expected,
				"btree node overwritten by the one before") ?:
			child_remove(n, child);

	ret = topology_ask(n->r, BCH_FSCK_ERR_btree_node_topology_bad_min_key, n->b, prev, child,
			   expected, prev ? "btree node overlaps the one before"
					  : "first btree node begins before its parent");
	return ret ?: topology_child_set_range(n->r, level, child, expected, child->max_key);
}

/* One round over all children; .again: another one is due. */
static int children_compare(struct node_repair *n)
{
	struct topology_child *prev = NULL;
	int ret = 0;

	darray_for_each(n->children, child) {
		const bool full = prev && bpos_eq(prev->max_key, SPOS_MAX);
		const struct bpos expected = !prev ? n->b->min_key
			: full ? SPOS_MAX : bpos_successor(prev->max_key);

		if (!full && bpos_gt(child->min_key, expected))
			ret = gap_before(n, prev, child, expected);
		else if (full || bpos_lt(child->min_key, expected))
			ret = overlap(n, prev, child, expected);
		if (ret || n->again)
			return ret;
		prev = child;
	}
	if (!prev || bpos_eq(prev->max_key, n->b->max_key))
		return 0;

	ret = topology_ask(n->r, BCH_FSCK_ERR_btree_node_topology_bad_max_key, n->b, prev, NULL,
			   n->b->max_key, "last child does not reach the end of the node");
	if (!ret && bpos_lt(prev->max_key, n->b->max_key))
		ret = gap_fill(n, prev, NULL, bpos_successor(prev->max_key), n->b->max_key);
	if (ret)
		return min(ret, 0);
	if (bpos_ge(prev->min_key, n->b->max_key))
		return child_remove(n, prev);
	return topology_child_set_range(n->r, child_level(n), prev, prev->min_key,
					n->b->max_key);
}

/* --- the nodes of a btree --- */

static int node_repair(struct topology_repair *r, const struct btree *b);

/* What is below the children; one that has nothing is removed. */
static int below_repair(struct node_repair *n)
{
	struct bch_fs *c = n->r->c;
	int ret = 0;

	if (n->b->level < 2)
		return 0;
	darray_for_each(n->children, child) {
		struct btree *b = bch2_btree_node_get(c, &child->key, child_level(n),
						      n->r->btree);

		if (bch2_err_matches(PTR_ERR_OR_ZERO(b), ENOMEM))
			return PTR_ERR(b);
		/* readable before its range was changed: the next round removes it */
		if (IS_ERR(b)) {
			n->again = true;
			continue;
		}
		ret = node_repair(n->r, b);
		bch2_btree_node_put(c, b);
		if (ret == TOPOLOGY_DROP_NODE)
			ret = child_remove(n, child);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * @b and all below it. 0; TOPOLOGY_DROP_NODE: there is nothing below it; that
 * recovery has to go back; or an error.
 */
static int node_repair(struct topology_repair *r, const struct btree *b)
{
	struct node_repair n = { .r = r, .b = b };
	int ret;

	do {
		n.again = false;
		ret = children_read(r, b, &n.children) ?:
			children_compare(&n);
		if (!ret && !n.again && !n.children.nr)
			ret = topology_ask(r,
				BCH_FSCK_ERR_btree_node_topology_interior_node_empty, b, NULL,
				NULL, b->max_key, "interior btree node without children") ?:
				TOPOLOGY_DROP_NODE;
		if (!ret && !n.again)
			ret = below_repair(&n);
	} while (!ret && n.again);
	darray_exit(&n.children);
	return ret;
}

static int root_node_repair(struct topology_repair *r)
{
	struct btree *b = bch2_btree_root_get(r->c, r->btree);
	int ret;

	if (IS_ERR_OR_NULL(b))
		return PTR_ERR_OR_ZERO(b);
	ret = b->level ? node_repair(r, b) : 0;
	bch2_btree_node_put(r->c, b);
	return ret;
}

static int btree_repair(struct bch_fs *c, unsigned btree, u64 *nr_changes)
{
	struct topology_repair r = { .c = c, .btree = btree };
	const struct btree_root *root = &c->btree.roots[btree];
	int ret = 0;

	if (root->b && !root->error)
		ret = topology_root_repair_range(&r);
	if (!ret && root->error)
		ret = topology_root_remake(&r);
	ret = ret ?: root_node_repair(&r);
	if (ret == TOPOLOGY_DROP_NODE && !r.root_remade)
		ret = topology_root_remake(&r) ?: root_node_repair(&r);
	if (ret == TOPOLOGY_DROP_NODE)
		ret = topology_root_empty(&r);
	*nr_changes += r.nr_changes;
	return ret;
}

/**
 * bch2_check_topology - the pass
 * @c:	filesystem; only readable
 *
 * Return: 0; that recovery has to go back, to search for nodes; or an error of the
 * policy.
 */
int bch2_check_topology(struct bch_fs *c)
{
	u64 nr_changes = 0;
	unsigned btree;
	int ret = 0;

	for (btree = 0; btree < BTREE_ID_NR_MAX && !ret; btree++)
		ret = btree_repair(c, btree, &nr_changes);
	if (nr_changes)
		bch_info(c, "check_topology: %llu changes of pointers and roots", nr_changes);
	/* what was lost has been dealt with: another start will find nothing more */
	if (!ret && test_bit(BCH_FS_error, &c->flags) && c->recovery.lost_now)
		c->recovery.rerun_wanted = true;
	return ret;
}
