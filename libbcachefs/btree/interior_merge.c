// SPDX-License-Identifier: GPL-2.0
/*
 * Merging a node that has become small with its neighbours (spec 21 §10.3).
 *
 * Only siblings with the same parent are merged: two or three into one or two. A
 * node keeps an estimate per side of what it and that neighbour would take
 * together; a merge that was looked at and refused raises it, so that it is not
 * looked at again before enough was deleted. The arithmetic is in
 * interior_merge_plan.c.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/cache.h"
#include "btree/commit.h"
#include "btree/interior.h"
#include "btree/interior_priv.h"
#include "btree/node_check.h"
#include "btree/node_insert.h"
#include "btree/trans.h"
#include "util/log.h"

enum merge_side {
	MERGE_prev,
	MERGE_next,
};

/* One look at a node and the neighbours that are worth it. */
struct merge {
	struct btree_trans	*trans;
	struct bch_fs		*c;
	struct btree		*b;
	struct btree		*parent;
	unsigned		commit_flags;
	/* In order; .src[self] is .b. Neighbours stay locked by their iterators. */
	struct btree		*src[MERGE_SRC_MAX];
	unsigned		nr;
	unsigned		self;
	struct btree_iter	sib[2];
	bool			sib_used[2];
};

static u32 threshold(const struct bch_fs *c)
{
	return btree_merge_threshold(bch2_btree_node_max_u64s(c));
}

/**
 * bch2_btree_node_merge_wanted - is a node so small that neighbours are worth a look?
 * @c:	filesystem
 * @b:	node; need not be locked
 */
bool bch2_btree_node_merge_wanted(const struct bch_fs *c, const struct btree *b)
{
	return min(READ_ONCE(b->sib_u64s[MERGE_prev]), READ_ONCE(b->sib_u64s[MERGE_next])) <=
		threshold(c);
}

/* --- looking --- */

/* A sibling with the same parent, and no shard that begins in between (§10.4)? */
static bool has_sibling(const struct merge *m, enum merge_side side)
{
	const struct btree *b = m->b, *parent = m->parent;

	if (side == MERGE_prev)
		return !bpos_eq(b->min_key, parent->min_key) &&
			!btree_shard_boundary(m->c, b->btree_id, b->level, b->min_key);
	return !bpos_eq(b->max_key, parent->max_key) &&
		!btree_shard_boundary(m->c, b->btree_id, b->level, bpos_successor(b->max_key));
}

/* Lock the neighbour, read it if need be. Its parent cannot change meanwhile. */
static int sibling_get(struct merge *m, enum merge_side side, struct btree **ret)
{
	struct btree_iter *iter = &m->sib[side];
	const struct bpos pos = side == MERGE_prev ? bpos_predecessor(m->b->min_key)
						   : bpos_successor(m->b->max_key);
	int err;

	bch2_trans_node_iter_init(m->trans, iter, m->b->btree_id, pos, m->b->level + 1U,
				  m->b->level, BTREE_ITER_intent);
	m->sib_used[side] = true;
	err = bch2_btree_iter_traverse(iter);
	*ret = err ? NULL : bch2_btree_iter_leaf(iter);
	return err;
}

static int look_at(struct merge *m, enum merge_side side)
{
	struct btree *sib;
	int ret;

	if (READ_ONCE(m->b->sib_u64s[side]) > threshold(m->c))
		return 0;
	if (!has_sibling(m, side)) {
		WRITE_ONCE(m->b->sib_u64s[side], U32_MAX);
		return 0;
	}
	ret = sibling_get(m, side, &sib);
	if (ret || !sib || sib == m->b)
		return ret;
	if (side == MERGE_prev) {
		m->src[0]	= sib;
		m->src[1]	= m->b;
		m->self		= 1;
	} else {
		m->src[m->nr]	= sib;
	}
	m->nr++;
	return 0;
}

static void look_end(struct merge *m)
{
	for (unsigned i = 0; i < 2; i++)
		if (m->sib_used[i])
			bch2_trans_iter_exit(&m->sib[i]);
}

static void refused(struct merge *m)
{
	const u32 max_u64s = bch2_btree_node_max_u64s(m->c);
	const u32 own = bch2_btree_node_live_u64s(m->b);

	for (unsigned i = 0; i < m->nr; i++)
		if (i != m->self)
			WRITE_ONCE(m->b->sib_u64s[i > m->self],
				   btree_merge_refused(max_u64s,
					own + bch2_btree_node_live_u64s(m->src[i])));
}

/* --- where two new nodes meet --- */

#define CANDIDATES	MERGE_SRC_MAX

/* Last positions the left node may have, and the words that would be in it. */
struct pivots {
	struct bpos		pos[CANDIDATES];
	u32			u64s[CANDIDATES];
	unsigned		nr;
};

static void pivot_add(struct pivots *p, struct bpos pos, u32 u64s)
{
	p->pos[p->nr]	= pos;
	p->u64s[p->nr]	= u64s;
	p->nr++;
}

/* The first key of @src behind the half of all words. */
static void pivot_middle(const struct merge *m, struct btree *const *src, unsigned nr,
			 u32 total, struct pivots *p)
{
	u32 words = 0;

	for (unsigned i = 0; i < nr; i++) {
		const struct btree *b = src[i];

		for (u32 j = 0; j < b->nr_keys; j++) {
			struct bkey u;

			words += btree_node_key(b, j)->u64s;
			if (words * 2 < total)
				continue;
			bch2_bkey_unpack(&b->unpack, btree_node_key(b, j), &u);
			if (!btree_pivot_is_going(m->trans, b, u.p)) {
				pivot_add(p, u.p, words);
				return;
			}
		}
	}
}

/* False: there is no good one. */
static bool choose_pivot(const struct merge *m, struct btree *const *src, unsigned nr,
			 struct bpos *pivot)
{
	struct pivots p = {};
	u32 words = 0, total = 0, best;

	for (unsigned i = 0; i < nr; i++)
		total += bch2_btree_node_live_u64s(src[i]);
	for (unsigned i = 0; i + 1 < nr; i++) {
		words += bch2_btree_node_live_u64s(src[i]);
		pivot_add(&p, src[i]->max_key, words);
	}
	pivot_middle(m, src, nr, total, &p);

	best = btree_merge_pivot(bch2_btree_node_max_u64s(m->c), p.u64s, p.nr, total);
	if (best == p.nr)
		return false;
	*pivot = p.pos[best];
	return true;
}

/* --- merging --- */

static u32 generation(struct btree *const *src, unsigned nr)
{
	u32 ret = 0;

	for (unsigned i = 0; i < nr; i++)
		ret = max(ret, src[i]->generation + 1);
	return ret;
}

/*
 * A new node [@min, @max] with what the sources have there. False: too much, or it
 * would soon be split again: one format for all can pack keys less well than the
 * sources' own did, whose words the plan is made of.
 */
static bool build_node(const struct merge *m, struct btree_builder *bld,
		       struct btree *const *src, unsigned nr, struct bpos min, struct bpos max)
{
	struct node_range r[MERGE_SRC_MAX] = {};
	struct bkey_format fmt;
	struct btree *n;

	for (unsigned i = 0; i < nr; i++)
		r[i] = (struct node_range) {
			.b	= src[i],
			.first	= bch2_btree_node_search(src[i], min),
			.end	= bpos_lt(max, src[i]->max_key)
				? bch2_btree_node_search(src[i], bpos_successor(max))
				: src[i]->nr_keys,
		};
	if (!btree_update_format(m->c, r, nr, min, max, 0, &fmt))
		return false;
	n = btree_update_new_node(bld, src[0]->level, min, max, fmt, generation(src, nr));
	for (unsigned i = 0; i < nr; i++)
		btree_update_copy_keys(n, &r[i]);
	btree_update_node_filled(m->c, n);
	return bch2_btree_node_live_u64s(n) <= bch2_btree_node_max_u64s(m->c) * 3 / 4;
}

/* Is a position used again by a new node? Else its pointer must be deleted. */
static bool position_used(const struct btree_update *as, struct bpos pos)
{
	for (unsigned i = 0; i < as->nr_new; i++)
		if (bpos_eq(as->new[i].b->key.k.p, pos))
			return true;
	return false;
}

static bool build(const struct merge *m, struct btree_builder *bld, struct btree *const *src,
		  const struct btree_merge_plan *p)
{
	const struct bpos min = src[0]->min_key, max = src[p->nr_src - 1]->max_key;
	struct bpos pivot;

	if (p->nr_dst == 1) {
		if (!build_node(m, bld, src, p->nr_src, min, max))
			return false;
	} else if (!choose_pivot(m, src, p->nr_src, &pivot) ||
		   !build_node(m, bld, src, p->nr_src, min, pivot) ||
		   !build_node(m, bld, src, p->nr_src, bpos_successor(pivot), max)) {
		return false;
	}
	for (unsigned i = 0; i < p->nr_src; i++)
		btree_update_old_node(m->c, bld, src[i])->delete =
			!position_used(bld->as, src[i]->max_key);
	return true;
}

/* 1: merged. */
static int merge_planned(struct merge *m)
{
	u32 u64s[MERGE_SRC_MAX] = {};
	struct btree_merge_plan p;
	struct btree_builder *bld;
	int ret;

	for (unsigned i = 0; i < m->nr; i++)
		u64s[i] = bch2_btree_node_live_u64s(m->src[i]);
	p = btree_merge_plan(bch2_btree_node_max_u64s(m->c), u64s, m->nr, m->self);
	if (!p.nr_src) {
		refused(m);
		return 0;
	}
	/* two new pointers and two deletions, at most */
	if (!bch2_btree_node_has_room(m->c, m->parent, BTREE_SPLIT_PARENT_U64s + 2 * BKEY_U64s))
		return btree_make_room_above(m->trans, m->b, m->commit_flags);

	bld = btree_update_start(m->trans, m->b->btree_id, m->b->level, p.nr_dst,
				 m->commit_flags);
	if (IS_ERR(bld))
		return PTR_ERR(bld);
	if (!build(m, bld, m->src + p.first, &p)) {
		btree_update_abandon(m->c, bld);
		refused(m);
		return 0;
	}
	ret = btree_update_publish(m->trans, bld, m->parent);
	return ret ?: 1;
}

/* 1: merged; 0: not. */
static int merge_level(struct btree_trans *trans, struct btree_iter *iter, unsigned level,
		       unsigned commit_flags)
{
	struct merge m = {
		.trans		= trans,
		.c		= trans->c,
		.commit_flags	= commit_flags,
		.nr		= 1,
	};
	int ret = bch2_btree_iter_upgrade(iter, min(level + 1, BTREE_MAX_DEPTH - 1U));

	if (ret || level >= bch2_btree_iter_root_level(iter))
		return ret;
	m.b		= bch2_btree_iter_node(iter, level);
	m.parent	= bch2_btree_iter_node(iter, level + 1);
	m.src[0]	= m.b;
	if (!m.b || !m.parent)
		return 0;

	ret = look_at(&m, MERGE_prev) ?: look_at(&m, MERGE_next);
	if (!ret && m.nr > 1)
		ret = merge_planned(&m);
	look_end(&m);
	return ret;
}

/**
 * bch2_foreground_maybe_merge - merge a small node with its neighbours
 * @trans:		transaction
 * @iter:		iterator
 * @level:		level of the node on its path; those above are looked at, too
 * @commit_flags:	watermark; nothing is done at interior_updates (IU-7)
 *
 * Return: 0: nothing was done; a restart, also after a merge; or an error. Want
 * of space or memory is no error: a merge can wait.
 */
int bch2_foreground_maybe_merge(struct btree_trans *trans, struct btree_iter *iter,
				unsigned level, unsigned commit_flags)
{
	struct bch_fs *c = trans->c;
	int ret = 0;

	if ((commit_flags & BCH_WATERMARK_MASK) == BCH_WATERMARK_interior_updates)
		return 0;

	for (; !ret && level + 1 < BTREE_MAX_DEPTH; level++) {
		/* only a hint: the path may not be locked here */
		const struct btree *b = bch2_btree_iter_node(iter, level);

		if (!b || !bch2_btree_node_merge_wanted(c, b))
			continue;
		ret = merge_level(trans, iter, level, commit_flags);
		if (!ret)
			bch2_btree_iter_downgrade(iter);
	}
	/* the locks of the attempt are on nodes that are gone */
	if (ret == 1)
		return bch2_trans_restart(trans, BCH_ERR_transaction_restart_commit);
	if (bch2_err_matches(ret, ENOSPC) || bch2_err_matches(ret, ENOMEM) ||
	    bch2_err_matches(ret, BCH_ERR_operation_blocked))
		ret = bch2_trans_relock(trans);
	return ret;
}

/* --- the pass --- */

static int merge_at(struct btree_trans *trans, unsigned btree, unsigned level, struct bpos *pos,
		    u64 *nr)
{
	struct btree_iter iter;
	struct btree *b = NULL;
	int ret;

	bch2_trans_node_iter_init(trans, &iter, btree, *pos, level + 1, level,
				  BTREE_ITER_intent);
	ret = bch2_btree_iter_traverse(&iter);
	if (!ret)
		b = bch2_btree_iter_leaf(&iter);
	if (b)
		*pos = b->max_key;
	if (b && bch2_btree_node_merge_wanted(trans->c, b))
		ret = merge_level(trans, &iter, level, BCH_WATERMARK_normal);
	bch2_trans_iter_exit(&iter);
	if (ret == 1)
		++*nr;
	return ret ?: b ? 0 : -ENOENT;
}

static int merge_btree_level(struct btree_trans *trans, unsigned btree, unsigned level, u64 *nr)
{
	struct bpos pos = POS_MIN;
	int ret;

	do {
		const struct bpos start = pos;

		ret = lockrestart_do(trans, merge_at(trans, btree, level, &pos, nr));
		if (ret == 1)
			pos = start;
		else if (!ret && bpos_eq(pos, SPOS_MAX))
			break;
		else if (!ret)
			pos = bpos_successor(pos);
	} while (ret >= 0);
	return ret == -ENOENT ? 0 : ret;
}

/**
 * bch2_merge_btree_nodes - merge small nodes of all btrees (pass merge_btree_nodes)
 * @c:	filesystem, read-write
 *
 * Says how many times it has merged. Return: 0 or an error.
 */
int bch2_merge_btree_nodes(struct bch_fs *c)
{
	struct btree_trans *trans = bch2_trans_get_service(c);
	u64 nr = 0;
	int ret = 0;

	for (unsigned i = 0; !ret && i < BTREE_ID_NR_MAX; i++) {
		if (!READ_ONCE(c->btree.roots[i].b))
			continue;
		for (unsigned level = 0; !ret && level + 1 < BTREE_MAX_DEPTH; level++)
			ret = merge_btree_level(trans, i, level, &nr);
	}
	bch2_trans_put(trans);
	bch_info(c, "%llu btree nodes merged", nr);
	return ret;
}
