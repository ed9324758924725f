// SPDX-License-Identifier: GPL-2.0
/*
 * Full nodes: split, or compacted where that is enough, and what follows in the
 * levels above (spec 21 §10.1, §10.2, §11.1).
 *
 * All levels that change are one update. New nodes are built bottom up while the
 * old ones are intent locked: their contents cannot change, and readers go on.
 * Only then the write locks are taken, and the new shape becomes visible.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/math.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "btree/interior.h"
#include "btree/interior_priv.h"
#include "btree/locking.h"
#include "btree/node_check.h"
#include "btree/node_insert.h"
#include "btree/trans.h"
#include "util/log.h"

/* --- decisions (spec 21 §10.2) --- */

/* Would one node with the same keys have room for one more of @u64s words? */
static bool compacting_helps(const struct bch_fs *c, const struct btree *b, unsigned u64s)
{
	const unsigned live = bch2_btree_node_live_u64s(b);
	const size_t block = bch2_block_bytes(c);
	const size_t first = round_up(sizeof(struct btree_node) + (live + 1) * sizeof(u64), block);
	const size_t next = round_up(40 + (u64s + 1) * sizeof(u64), block);

	if (live > bch2_btree_node_max_u64s(c) * 3 / 4)
		return false;
	if (b->level)
		return live + u64s <= bch2_btree_node_max_u64s(c);
	return first + next <= c->opts.btree_node_size;
}

/*
 * How many keys stay in the left half: until 3/5 of the words, at least one, not
 * all. 0: the node cannot be split.
 */
static u32 split_point(const struct btree_trans *trans, const struct btree *b)
{
	const u32 target = bch2_btree_node_live_u64s(b) * 3 / 5;
	u32 words = 0, n = 0, best = 0;

	while (n + 1 < b->nr_keys) {
		const struct bkey_packed *k = btree_node_key(b, n);
		struct bkey u;

		words += k->u64s;
		n++;
		if (!btree_pivot_is_going(trans, b, bkey_disassemble(b, k, &u).k->p))
			best = n;
		if (words >= target && best)
			break;
	}
	return best;
}

static struct bpos key_pos(const struct btree *b, u32 i)
{
	struct bkey u;

	return bkey_disassemble(b, btree_node_key(b, i), &u).k->p;
}

/* The first key at or behind a shard's begin nearest to the middle; 0: none inside. */
static u32 shard_split_point(const struct bch_fs *c, const struct btree *b, struct bpos *right)
{
	struct bpos start = b->min_key;
	u32 best = 0;

	while (btree_shard_boundary_in(c, b, start, &start)) {
		const u32 at = bch2_btree_node_search(b, start);

		if (at && at < b->nr_keys &&
		    (!best || abs_diff(at, b->nr_keys / 2) < abs_diff(best, b->nr_keys / 2))) {
			best	= at;
			*right	= start;
		}
	}
	return best;
}

/* --- building --- */

/* The nodes of one level that replace one old node. */
struct level_new {
	struct btree		*n[2];
	unsigned		nr;
};

/* A node [@min, @max] with keys [@first, @end) of @b, and room for more. */
static struct btree *build_node(struct bch_fs *c, struct btree_builder *bld,
				const struct btree *b, u32 first, u32 end, struct bpos min,
				struct bpos max, unsigned extra_u64s)
{
	const struct node_range src = { .b = b, .first = first, .end = end };
	struct bkey_format fmt;
	struct btree *n;

	btree_update_format(c, &src, 1, min, max, extra_u64s, &fmt);
	n = btree_update_new_node(bld, b->level, min, max, fmt, b->generation + 1);
	btree_update_copy_keys(n, &src);
	return n;
}

static void insert_children(struct bch_fs *c, struct level_new *l, const struct level_new *below)
{
	for (unsigned i = 0; i < below->nr; i++) {
		struct btree *child = below->n[i];
		struct btree *n = l->n[0];

		if (l->nr > 1 && bpos_gt(child->key.k.p, n->max_key))
			n = l->n[1];
		bch2_btree_node_prep_insert(c, n);
		bch2_btree_node_insert_mem(n, &child->key);
	}
}

/* Replace @b by one or two nodes; @below: pointers that it gets, or NULL. */
static int build_level(struct btree_trans *trans, struct btree_builder *bld, struct btree *b,
		       const struct level_new *below, struct level_new *l)
{
	struct bch_fs *c = trans->c;
	const unsigned extra = below ? BTREE_SPLIT_PARENT_U64s : 0;
	struct bpos right = POS_MIN;
	u32 left = shard_split_point(c, b, &right);
	int ret = 0;

	if (!left && !compacting_helps(c, b, below ? extra : BKEY_U64s_MAX)) {
		left = split_point(trans, b);
		if (left)
			right = bpos_successor(key_pos(b, left - 1));
	}

	l->nr = left ? 2 : 1;
	if (!left) {
		l->n[0] = build_node(c, bld, b, 0, b->nr_keys, b->min_key, b->max_key, extra);
	} else {
		l->n[0] = build_node(c, bld, b, 0, left, b->min_key, bpos_predecessor(right),
				     extra);
		l->n[1] = build_node(c, bld, b, left, b->nr_keys, right, b->max_key, extra);
	}

	if (below)
		insert_children(c, l, below);
	for (unsigned i = 0; i < l->nr; i++) {
		btree_update_node_filled(c, l->n[i]);
		if (b->level && !ret)
			ret = btree_node_check_children(trans, l->n[i], bld->as);
	}
	btree_update_old_node(c, bld, b);
	return ret;
}

/* A root above two nodes. */
static struct btree *build_root(struct bch_fs *c, struct btree_builder *bld,
				const struct level_new *below)
{
	struct bkey_format_state s;
	struct btree *root;

	bch2_bkey_format_init(&s);
	bch2_bkey_format_add_pos(&s, POS_MIN);
	bch2_bkey_format_add_pos(&s, SPOS_MAX);
	for (unsigned i = 0; i < below->nr; i++)
		bch2_bkey_format_add_key(&s, &below->n[i]->key.k);

	root = btree_update_new_node(bld, below->n[0]->level + 1, POS_MIN, SPOS_MAX,
				     bch2_bkey_format_done(&s), 0);
	for (unsigned i = 0; i < below->nr; i++)
		bch2_btree_node_append_sorted(root, bkey_i_to_s_c(&below->n[i]->key));
	btree_update_node_filled(c, root);
	return root;
}

/* --- how far up (spec 21 §11.1 step 1) --- */

/*
 * Intent lock the path from iter->level to the node that will receive pointers.
 * *top: highest level that is replaced.
 */
static int plan_levels(struct btree_trans *trans, struct btree_iter *iter, unsigned *top)
{
	struct bch_fs *c = trans->c;
	unsigned level = iter->level;
	int ret;

	for (;;) {
		struct btree *parent;

		ret = bch2_btree_iter_upgrade(iter, min(level + 1, BTREE_MAX_DEPTH - 1U));
		if (ret)
			return ret;
		if (level == bch2_btree_iter_root_level(iter))
			break;
		parent = bch2_btree_iter_node(iter, level + 1);
		if (bch2_btree_node_has_room(c, parent, BTREE_SPLIT_PARENT_U64s))
			break;
		level++;
	}
	*top = level;
	return 0;
}

static int build_all(struct btree_trans *trans, struct btree_builder *bld,
		     struct btree_iter *iter, unsigned top)
{
	struct level_new below = {}, l = {};
	const struct btree *root;

	for (unsigned level = iter->level; level <= top; level++) {
		int ret = build_level(trans, bld, bch2_btree_iter_node(iter, level),
				      level > iter->level ? &below : NULL, &l);
		if (ret)
			return ret;
		below = l;
	}
	if (top < bch2_btree_iter_root_level(iter))
		return 0;
	if (l.nr > 1 && top == BTREE_MAX_DEPTH - 1) {
		bch_err(trans->c, "btree %s cannot become deeper",
			bch2_btree_id_name(iter->btree_id));
		return -BCH_ERR_ENOSPC_btree_depth;
	}
	root = l.nr > 1 ? build_root(trans->c, bld, &l) : l.n[0];
	for (unsigned i = 0; i < bld->as->nr_new; i++)
		bld->as->new[i].root = bld->as->new[i].b == root;
	return 0;
}

static int split(struct btree_trans *trans, struct btree_iter *iter, unsigned commit_flags)
{
	struct btree_builder *bld;
	struct btree *parent;
	unsigned top;
	int ret;

	ret = plan_levels(trans, iter, &top);
	if (ret)
		return ret;
	bld = btree_update_start(trans, iter->btree_id, iter->level,
				 2 * (top - iter->level + 1) + 1, commit_flags);
	if (IS_ERR(bld))
		return PTR_ERR(bld);

	ret = build_all(trans, bld, iter, top);
	if (ret) {
		btree_update_abandon(trans->c, bld);
		return ret;
	}
	parent = top < bch2_btree_iter_root_level(iter) ? bch2_btree_iter_node(iter, top + 1)
							: NULL;
	return btree_update_publish(trans, bld, parent);
}

/**
 * bch2_btree_split_leaf - make room in a node
 * @trans:		transaction
 * @iter:		iterator on the full node, at iter->level
 * @commit_flags:	of the commit that found it full: the watermark
 *
 * The node is compacted into one, or split into two; its parents too, as far as
 * they are full. Afterwards the iterators of @trans have to be traversed again.
 *
 * Return: 0; a restart; or why there is no space or memory.
 */
int bch2_btree_split_leaf(struct btree_trans *trans, struct btree_iter *iter,
			  unsigned commit_flags)
{
	int ret = split(trans, iter, commit_flags);

	/* levels above have lost keys to merges since somebody last looked */
	if (!ret)
		ret = bch2_foreground_maybe_merge(trans, iter, iter->level + 1, commit_flags);
	if (!ret)
		bch2_btree_iter_downgrade(iter);
	return ret;
}

/**
 * btree_make_room_above - the parent of a node has no room for pointers: make some
 * @trans:		transaction
 * @b:			node
 * @commit_flags:	of the commit that needs it: the watermark
 *
 * Return: a restart, or an error.
 */
int btree_make_room_above(struct btree_trans *trans, const struct btree *b,
			  unsigned commit_flags)
{
	struct btree_iter iter;
	int ret;

	bch2_trans_node_iter_init(trans, &iter, b->btree_id, b->max_key, b->level + 2U,
				  b->level + 1, BTREE_ITER_intent);
	ret   = bch2_btree_iter_traverse(&iter) ?:
		bch2_btree_split_leaf(trans, &iter, commit_flags);
	bch2_trans_iter_exit(&iter);
	return ret ?: bch2_trans_restart(trans, BCH_ERR_transaction_restart_split_race);
}

/* The root that @iter stands on, copied, under a new one. */
static int root_raise(struct btree_trans *trans, struct btree_iter *iter)
{
	struct btree *old = bch2_btree_iter_leaf(iter);
	struct btree_builder *bld;
	struct level_new l = { .nr = 1 };
	struct btree *root;

	/* somebody else did it */
	if (!old || bch2_btree_iter_root_level(iter) != old->level)
		return 0;
	if (old->level + 1U >= BTREE_MAX_DEPTH)
		return -BCH_ERR_ENOSPC_btree_depth;

	bld = btree_update_start(trans, iter->btree_id, iter->level, 2, BCH_WATERMARK_btree);
	if (IS_ERR(bld))
		return PTR_ERR(bld);

	l.n[0] = build_node(trans->c, bld, old, 0, old->nr_keys, old->min_key, old->max_key, 0);
	btree_update_node_filled(trans->c, l.n[0]);
	btree_update_old_node(trans->c, bld, old);
	root = build_root(trans->c, bld, &l);
	bld->as->new[bld->as->nr_new - 1].root = true;
	WARN_ON(bld->as->new[bld->as->nr_new - 1].b != root);
	return btree_update_publish(trans, bld, NULL);
}

/**
 * bch2_btree_increase_depth - put a new root above the root
 * @trans:	transaction
 * @iter:	iterator; its level is above the root
 *
 * For replay of keys that repair made for a level that does not exist (spec 22
 * §9.3). The new root holds one pointer, to the old one.
 *
 * Return: a restart after success, so that the caller looks again; or an error.
 */
int bch2_btree_increase_depth(struct btree_trans *trans, struct btree_iter *iter)
{
	struct bch_fs *c = trans->c;
	struct btree *old = bch2_btree_root_get(c, iter->btree_id);
	struct btree_iter root_iter;
	int ret;

	if (IS_ERR_OR_NULL(old))
		return -BCH_ERR_btree_need_topology_repair;
	if (old->level >= iter->level) {
		/* somebody else did it */
		bch2_btree_node_put(c, old);
		return bch2_trans_restart(trans, BCH_ERR_transaction_restart_split_race);
	}
	bch2_trans_node_iter_init(trans, &root_iter, iter->btree_id, POS_MIN, old->level + 1U,
				  old->level, BTREE_ITER_intent);
	bch2_btree_node_put(c, old);

	ret = bch2_btree_iter_traverse(&root_iter);
	if (!ret)
		ret = bch2_btree_iter_upgrade(&root_iter, root_iter.level);
	if (!ret)
		ret = root_raise(trans, &root_iter);
	bch2_trans_iter_exit(&root_iter);
	return ret ?: bch2_trans_restart(trans, BCH_ERR_transaction_restart_split_race);
}
