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
#include <linux/slab.h>

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
#include "journal/overlay.h"
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

/* Is there a deletion of this child in the journal, not replayed yet? */
static bool pivot_is_going(const struct btree_trans *trans, const struct btree *b,
			   struct bpos pos)
{
	const struct bkey_i *k;

	if (!b->level || !trans->replay_unfinished)
		return false;
	k = bch2_journal_keys_peek_slot(trans->c, b->btree_id, b->level, pos);
	return k && bkey_deleted(&k->k);
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
		if (!pivot_is_going(trans, b, bkey_disassemble(b, k, &u).k->p))
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

/* --- building --- */

/* The nodes of one level that replace one old node. */
struct level_new {
	struct btree		*n[2];
	unsigned		nr;
};

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

/* Replace @b by one or two nodes; @below: pointers that it gets. */
static void build_level(struct btree_trans *trans, struct btree_builder *bld, struct btree *b,
			const struct level_new *below, unsigned u64s, struct level_new *l)
{
	struct bch_fs *c = trans->c;
	const u32 generation = btree_node_generation(b) + 1;
	const u32 left = compacting_helps(c, b, u64s) ? 0 : split_point(trans, b);

	if (!left) {
		l->n[0] = btree_update_new_node(bld, b->level, b->min_key, b->max_key,
						btree_update_format(c, b, b->min_key, b->max_key),
						generation);
		btree_update_copy_keys(l->n[0], b, 0, b->nr_keys);
		l->nr = 1;
	} else {
		const struct bpos pivot = key_pos(b, left - 1);
		const struct bpos right = bpos_successor(pivot);

		l->n[0] = btree_update_new_node(bld, b->level, b->min_key, pivot,
						btree_update_format(c, b, b->min_key, pivot),
						generation);
		l->n[1] = btree_update_new_node(bld, b->level, right, b->max_key,
						btree_update_format(c, b, right, b->max_key),
						generation);
		btree_update_copy_keys(l->n[0], b, 0, left);
		btree_update_copy_keys(l->n[1], b, left, b->nr_keys);
		l->nr = 2;
	}

	if (below)
		insert_children(c, l, below);
	for (unsigned i = 0; i < l->nr; i++)
		btree_update_node_filled(c, l->n[i]);
	btree_update_old_node(c, bld, b);
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
		if (bch2_btree_node_has_room(c, parent, BTREE_SPLIT_PARENT_U64s) &&
		    !test_bit(BTREE_NODE_need_rewrite, &parent->flags))
			break;
		level++;
	}
	*top = level;
	return 0;
}

static void build_all(struct btree_trans *trans, struct btree_builder *bld,
			       struct btree_iter *iter, unsigned top)
{
	struct level_new below = {}, l = {};
	const bool top_is_root = top == bch2_btree_iter_root_level(iter);

	for (unsigned level = iter->level; level <= top; level++) {
		build_level(trans, bld, bch2_btree_iter_node(iter, level),
			    level > iter->level ? &below : NULL,
			    level > iter->level ? BTREE_SPLIT_PARENT_U64s : BKEY_U64s_MAX, &l);
		below = l;
	}
	if (top_is_root) {
		const struct btree *root = l.nr > 1 ? build_root(trans->c, bld, &l) : l.n[0];

		for (unsigned i = 0; i < bld->as->nr_new; i++)
			bld->as->new[i].root = bld->as->new[i].b == root;
	}
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
	struct bch_fs *c = trans->c;
	const unsigned wm = btree_update_watermark(iter->btree_id, iter->level, commit_flags);
	struct btree_builder *bld;
	struct btree *parent = NULL;
	unsigned top;
	int ret;

	ret = plan_levels(trans, iter, &top);
	if (ret)
		goto out;
	if (top == BTREE_MAX_DEPTH - 1) {
		bch_err(c, "btree %s cannot become deeper", bch2_btree_id_name(iter->btree_id));
		ret = -BCH_ERR_ENOSPC_btree_depth;
		goto out;
	}

	bld = kmalloc(sizeof(*bld), GFP_KERNEL);
	if (!bld) {
		ret = -BCH_ERR_ENOMEM_btree_interior_update;
		goto out;
	}
	ret = btree_update_start(trans, bld, iter->btree_id, 2 * (top - iter->level + 1) + 1, wm);
	if (ret)
		goto free;

	if (top < bch2_btree_iter_root_level(iter))
		parent = bch2_btree_iter_node(iter, top + 1);
	build_all(trans, bld, iter, top);

	ret = btree_update_lock(trans, bld, parent);
	if (ret)
		btree_update_abandon(c, bld);
	else
		btree_update_publish(trans, bld, parent);
free:
	kfree(bld);
out:
	bch2_btree_iter_downgrade(iter);
	return ret;
}

/* The root that @iter stands on, copied, under a new one. */
static int root_raise(struct btree_trans *trans, struct btree_iter *iter)
{
	struct bch_fs *c = trans->c;
	struct btree *old = bch2_btree_iter_leaf(iter);
	struct btree_builder *bld;
	struct level_new l = {};
	struct btree *root;
	int ret;

	if (old->level + 1U >= BTREE_MAX_DEPTH)
		return -BCH_ERR_ENOSPC_btree_depth;

	bld = kmalloc(sizeof(*bld), GFP_KERNEL);
	if (!bld)
		return -BCH_ERR_ENOMEM_btree_interior_update;
	ret = btree_update_start(trans, bld, iter->btree_id, 3,
				 btree_update_watermark(iter->btree_id, iter->level, 0));
	if (!ret) {
		build_level(trans, bld, old, NULL, 0, &l);
		root = build_root(c, bld, &l);
		bld->as->new[bld->as->nr_new - 1].root = true;
		WARN_ON(bld->as->new[bld->as->nr_new - 1].b != root);

		ret = btree_update_lock(trans, bld, NULL);
		if (ret)
			btree_update_abandon(c, bld);
		else
			btree_update_publish(trans, bld, NULL);
	}
	kfree(bld);
	return ret;
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

	if (!old)
		return -BCH_ERR_btree_need_topology_repair;
	bch2_trans_node_iter_init(trans, &root_iter, iter->btree_id, POS_MIN, BTREE_MAX_DEPTH,
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
