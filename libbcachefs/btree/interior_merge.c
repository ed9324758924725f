// SPDX-License-Identifier: GPL-2.0
/*
 * Merging a node that has become small with a sibling (spec 21 §10.3).
 *
 * Only siblings with the same parent are merged, two into one. A node keeps an
 * estimate per side of what it and that sibling would take together; a merge
 * that was looked at and refused raises it, so that it is not looked at again
 * for a while.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/slab.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/cache.h"
#include "btree/interior.h"
#include "btree/interior_priv.h"
#include "btree/locking.h"
#include "btree/node_insert.h"
#include "btree/trans.h"

enum merge_side {
	MERGE_prev,
	MERGE_next,
};

/* Words two nodes may take together for a merge to be considered. */
static u32 merge_threshold(const struct bch_fs *c)
{
	return bch2_btree_node_max_u64s(c) / 3;
}

/* Words one merged node is filled to at most. */
static u32 merge_target(const struct bch_fs *c)
{
	return bch2_btree_node_max_u64s(c) * 3 / 5;
}

/* Looked at and refused with @u64s words together: hysteresis. */
static void estimate_refused(const struct bch_fs *c, struct btree *b, enum merge_side side,
			     u32 u64s)
{
	const u32 high = merge_threshold(c) + merge_threshold(c) / 4;

	if (u64s > high)
		u64s -= (u64s - high) / 2;
	WRITE_ONCE(b->sib_u64s[side], max(u64s, merge_threshold(c) + 1));
}

/**
 * bch2_btree_node_merge_wanted - is a node so small that siblings are worth a look?
 * @c:	filesystem
 * @b:	node
 */
bool bch2_btree_node_merge_wanted(const struct bch_fs *c, const struct btree *b)
{
	return min(READ_ONCE(b->sib_u64s[MERGE_prev]), READ_ONCE(b->sib_u64s[MERGE_next])) <=
		merge_threshold(c);
}

/* Is there a sibling with the same parent on that side? */
static bool has_sibling(const struct btree *b, const struct btree *parent, enum merge_side side)
{
	return side == MERGE_prev ? !bpos_eq(b->min_key, parent->min_key)
				  : !bpos_eq(b->max_key, parent->max_key);
}

static struct btree *build_merged(struct bch_fs *c, struct btree_builder *bld,
				  struct btree *prev, struct btree *next)
{
	struct bkey_format_state s;
	struct bkey_format fmt;
	struct btree *n;

	bch2_bkey_format_init(&s);
	bch2_bkey_format_add_pos(&s, prev->min_key);
	bch2_bkey_format_add_pos(&s, next->max_key);
	bch2_btree_node_format_add(&s, prev, prev->min_key, prev->max_key);
	bch2_btree_node_format_add(&s, next, next->min_key, next->max_key);
	fmt = bch2_bkey_format_done(&s);
	if (!bch2_btree_node_u64s_fit(c, bch2_btree_node_u64s_with_format(prev, &fmt) +
				      bch2_btree_node_u64s_with_format(next, &fmt)))
		return NULL;

	n = btree_update_new_node(bld, prev->level, prev->min_key, next->max_key, fmt,
				  max(btree_node_generation(prev),
				      btree_node_generation(next)) + 1);
	btree_update_copy_keys(n, prev, 0, prev->nr_keys);
	btree_update_copy_keys(n, next, 0, next->nr_keys);
	btree_update_node_filled(c, n);

	btree_update_old_node(c, bld, prev)->delete = true;
	btree_update_old_node(c, bld, next);
	return n;
}

static int merge_two(struct btree_trans *trans, struct btree *prev, struct btree *next,
		     struct btree *parent, unsigned commit_flags)
{
	struct bch_fs *c = trans->c;
	struct btree_builder *bld = kmalloc(sizeof(*bld), GFP_KERNEL);
	int ret;

	if (!bld)
		return -BCH_ERR_ENOMEM_btree_interior_update;

	ret = btree_update_start(trans, bld, prev->btree_id, 1,
				 btree_update_watermark(prev->btree_id, prev->level,
							commit_flags));
	if (ret)
		goto out;
	if (!build_merged(c, bld, prev, next)) {
		btree_update_abandon(c, bld);
		goto out;
	}
	ret = btree_update_lock(trans, bld, parent);
	if (ret)
		btree_update_abandon(c, bld);
	else
		btree_update_publish(trans, bld, parent);
out:
	kfree(bld);
	return ret;
}

static int merge_side(struct btree_trans *trans, struct btree_iter *iter, struct btree *b,
		      struct btree *parent, enum merge_side side, unsigned commit_flags)
{
	struct bch_fs *c = trans->c;
	struct btree_iter sib_iter;
	struct btree *sib;
	u32 u64s;
	int ret;

	bch2_trans_node_iter_init(trans, &sib_iter, b->btree_id,
				  side == MERGE_prev ? bpos_predecessor(b->min_key)
						     : bpos_successor(b->max_key),
				  BTREE_MAX_DEPTH, b->level, BTREE_ITER_intent);
	ret = bch2_btree_iter_traverse(&sib_iter);
	if (ret)
		goto out;

	sib = bch2_btree_iter_leaf(&sib_iter);
	if (!sib || sib == b)
		goto out;
	u64s = bch2_btree_node_live_u64s(b) + bch2_btree_node_live_u64s(sib);
	if (u64s > merge_target(c) || u64s > merge_threshold(c)) {
		estimate_refused(c, b, side, u64s);
		goto out;
	}
	ret = side == MERGE_prev ? merge_two(trans, sib, b, parent, commit_flags)
				 : merge_two(trans, b, sib, parent, commit_flags);
	/* the locks of the attempt are on nodes that are gone */
	if (!ret)
		ret = bch2_trans_restart(trans, BCH_ERR_transaction_restart_commit);
out:
	bch2_trans_iter_exit(&sib_iter);
	return ret;
}

/**
 * bch2_foreground_maybe_merge - merge a small node with a sibling
 * @trans:		transaction
 * @iter:		iterator
 * @level:		level of the node on its path
 * @commit_flags:	watermark; nothing is done at interior_updates (IU-7)
 *
 * Return: 0: nothing was done; a restart, also after a merge; or an error. Want
 * of space or memory is no error: a merge can wait.
 */
int bch2_foreground_maybe_merge(struct btree_trans *trans, struct btree_iter *iter,
				unsigned level, unsigned commit_flags)
{
	struct bch_fs *c = trans->c;
	struct btree *b, *parent;
	int ret;

	if ((commit_flags & BCH_WATERMARK_MASK) == BCH_WATERMARK_interior_updates)
		return 0;
	b = bch2_btree_iter_node(iter, level);
	if (!b || !bch2_btree_node_merge_wanted(c, b))
		return 0;

	ret = bch2_btree_iter_upgrade(iter, min(level + 1, BTREE_MAX_DEPTH - 1U));
	if (ret || level == bch2_btree_iter_root_level(iter))
		goto out;

	b = bch2_btree_iter_node(iter, level);
	parent = bch2_btree_iter_node(iter, level + 1);
	if (!b || !parent || test_bit(BTREE_NODE_need_rewrite, &parent->flags) ||
	    !bch2_btree_node_has_room(c, parent, BTREE_SPLIT_PARENT_U64s))
		goto out;

	for (unsigned side = MERGE_prev; side <= MERGE_next && !ret; side++) {
		if (READ_ONCE(b->sib_u64s[side]) > merge_threshold(c))
			continue;
		if (!has_sibling(b, parent, side)) {
			WRITE_ONCE(b->sib_u64s[side], U32_MAX);
			continue;
		}
		ret = merge_side(trans, iter, b, parent, side, commit_flags);
	}
out:
	if (bch2_err_matches(ret, ENOSPC) || bch2_err_matches(ret, ENOMEM))
		ret = 0;
	if (!ret)
		bch2_btree_iter_downgrade(iter);
	return ret;
}
