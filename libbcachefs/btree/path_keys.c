// SPDX-License-Identifier: GPL-2.0
/*
 * The keys of one node as a transaction sees them: the node's own, over them those
 * of the overlay, over them the transaction's pending updates (spec 21 section 5.2,
 * 22 section 8.2: OV-1, OV-2).
 *
 * The node is locked. Where a path stands in a node is remembered together with the
 * node's sequence number, and looked for again when that has changed.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/iter.h"
#include "btree/node_check.h"
#include "btree/path.h"
#include "btree/update.h"
#include "journal/overlay.h"
#include "util/six.h"

/* Keys to step over before searching anew. */
#define STEP_MAX	4

/* --- the node --- */

static int key_cmp(const struct btree *b, u32 i, struct bpos pos)
{
	return bch2_bkey_cmp_packed_pos(&b->unpack, btree_node_key(b, i), pos);
}

/* Does l->idx mean anything in the node as it is now? */
static bool idx_valid(const struct btree_path_level *l)
{
	const u32 seq = six_lock_seq(&l->b->six);

	return l->idx_seq == seq && !(seq & 1);
}

/**
 * bch2_path_level_seek - set l->idx to the first key not before a position
 * @l:		level with a locked node
 * @pos:	position
 *
 * Near where it was, if possible: walks mostly go to the next key.
 */
void bch2_path_level_seek(struct btree_path_level *l, struct bpos pos)
{
	const struct btree *b = l->b;
	u32 i = l->idx, steps;

	if (unlikely(!idx_valid(l))) {
		l->idx_seq	= six_lock_seq(&b->six);
		l->at_valid	= false;
		l->ahead	= 0;
		l->idx		= bch2_btree_node_search(b, pos);
		return;
	}
	if (l->at_valid) {
		const int cmp = bpos_cmp(l->at, pos);

		if (!cmp)
			return;
		l->at_valid = false;
		if (cmp < 0) {
			i++;
			goto step;
		}
	}
	if (i && key_cmp(b, i - 1, pos) >= 0) {
		l->idx = bch2_btree_node_search(b, pos);
		return;
	}
step:
	for (steps = 0; i < b->nr_keys && key_cmp(b, i, pos) < 0; i++)
		if (++steps > STEP_MAX) {
			i = bch2_btree_node_search(b, pos);
			break;
		}
	l->idx = i;
}

/* --- the overlay --- */

/*
 * Replay of accounting looks at what the btree itself has (spec 22 §9.1), but where
 * that is, only pointers of both together say (OV-1).
 */
static bool overlay_wanted(const struct btree_iter *iter, const struct btree *b)
{
	return unlikely(bch2_trans_uses_overlay(iter->trans)) &&
		((iter->flags & BTREE_ITER_with_journal) || b->level > iter->level);
}

/* Journal keys that lie in @b's range and are at or after @pos. */
static struct bkey_i *overlay_next(struct btree_iter *iter, const struct btree *b,
				   struct bpos pos, struct bpos end)
{
	if (likely(!overlay_wanted(iter, b)))
		return NULL;
	return bch2_journal_keys_peek_max(iter->trans->c, b->btree_id, b->level, pos,
					  bpos_min(b->max_key, end), &iter->overlay_idx);
}

static struct bkey_i *overlay_prev(struct btree_iter *iter, const struct btree *b,
				   struct bpos pos, struct bpos min)
{
	if (likely(!overlay_wanted(iter, b)))
		return NULL;
	return bch2_journal_keys_peek_prev_min(iter->trans->c, b->btree_id, b->level, pos,
					       bpos_max(b->min_key, min), &iter->overlay_idx);
}

/* --- pending updates --- */

/* First update that is not before the place; with @after: behind it. */
static unsigned update_search(const struct btree_trans *trans, const struct btree *b,
			      bool cached, struct bpos pos, bool after)
{
	unsigned l = 0, r = trans->s.nr_updates;

	while (l < r) {
		const unsigned m = l + (r - l) / 2;
		const int cmp = bch2_update_place_cmp(&trans->s.updates[m], b->btree_id, cached,
						      b->level, pos);

		if (cmp < 0 || (after && !cmp))
			l = m + 1;
		else
			r = m;
	}
	return l;
}

static bool update_of_node(const struct btree_update_entry *u, const struct btree *b, bool cached)
{
	return u->btree_id == b->btree_id && u->level == b->level && u->cached == cached;
}

static bool looks_at_updates(const struct btree_iter *iter)
{
	return unlikely(iter->trans->s.nr_updates) && !(iter->flags & BTREE_ITER_no_updates);
}

/* First pending update in [@pos, @end] that belongs in @b or its part of the key cache. */
static struct bkey_i *update_next(const struct btree_iter *iter, const struct btree *b,
				  struct bpos pos, struct bpos end)
{
	const struct btree_trans *trans = iter->trans;
	struct bkey_i *ret = NULL;
	unsigned cached, i;

	if (!looks_at_updates(iter))
		return NULL;
	end = bpos_min(end, b->max_key);
	for (cached = 0; cached < 2; cached++) {
		const struct btree_update_entry *u;

		i = update_search(trans, b, cached, pos, false);
		u = &trans->s.updates[i];
		if (i < trans->s.nr_updates && update_of_node(u, b, cached) &&
		    bpos_le(u->k->k.p, end) && (!ret || bpos_lt(u->k->k.p, ret->k.p)))
			ret = u->k;
	}
	return ret;
}

/* Last one in [@min, @pos]. */
static struct bkey_i *update_prev(const struct btree_iter *iter, const struct btree *b,
				  struct bpos pos, struct bpos min)
{
	const struct btree_trans *trans = iter->trans;
	struct bkey_i *ret = NULL;
	unsigned cached, i;

	if (!looks_at_updates(iter))
		return NULL;
	min = bpos_max(min, b->min_key);
	for (cached = 0; cached < 2; cached++) {
		const struct btree_update_entry *u;

		i = update_search(trans, b, cached, pos, true);
		if (!i)
			continue;
		u = &trans->s.updates[i - 1];
		if (update_of_node(u, b, cached) && bpos_ge(u->k->k.p, min) &&
		    (!ret || bpos_gt(u->k->k.p, ret->k.p)))
			ret = u->k;
	}
	return ret;
}

/* --- all together --- */

static struct bkey_s_c hidden_by(struct btree_iter *iter, struct bkey_i *k)
{
	iter->unpacked = k->k;
	return (struct bkey_s_c) { &iter->unpacked, &k->v };
}

/**
 * bch2_path_level_next - first key of a node at or after a position
 * @iter:	iterator
 * @l:		its level; the node is locked and covers @pos
 * @pos:	position
 * @end:	what is not in the node itself is wanted up to here
 * @updates:	merge the transaction's own updates
 *
 * The smallest of all sources; of equal ones the uppermost; deletions of the upper
 * ones skip a position. Return: the key, unpacked in @iter; NULL key: none.
 */
struct bkey_s_c bch2_path_level_next(struct btree_iter *iter, struct btree_path_level *l,
				     struct bpos pos, struct bpos end, bool updates)
{
	const struct btree *b = l->b;

	while (1) {
		struct bkey_s_c k = bkey_s_c_null;
		struct bpos last = end;
		struct bkey_i *j, *u;

		bch2_path_level_seek(l, pos);
		if (l->idx < b->nr_keys) {
			k = bkey_disassemble(b, btree_node_key(b, l->idx), &iter->unpacked);
			l->at		= k.k->p;
			l->at_valid	= true;
			last		= bpos_min(end, k.k->p);
		}
		j = overlay_next(iter, b, pos, last);
		u = updates ? update_next(iter, b, pos, j ? j->k.p : last) : NULL;
		j = u ?: j;
		if (!j)
			return k;
		if (!bkey_deleted(&j->k))
			return hidden_by(iter, j);
		if (bpos_ge(j->k.p, b->max_key))
			return bkey_s_c_null;
		pos = bpos_successor(j->k.p);
	}
}

/**
 * bch2_path_level_prev - last key of a node at or before a position
 * @iter:	iterator
 * @l:		its level; the node is locked and covers @pos
 * @pos:	position
 * @min:	what is not in the node itself is wanted down to here
 *
 * As bch2_path_level_next().
 */
struct bkey_s_c bch2_path_level_prev(struct btree_iter *iter, struct btree_path_level *l,
				     struct bpos pos, struct bpos min)
{
	const struct btree *b = l->b;

	while (1) {
		struct bkey_s_c k = bkey_s_c_null;
		struct bpos last = min;
		struct bkey_i *j, *u;

		bch2_path_level_seek(l, pos);
		if (l->idx < b->nr_keys && !key_cmp(b, l->idx, pos))
			k = bkey_disassemble(b, btree_node_key(b, l->idx), &iter->unpacked);
		else if (l->idx)
			k = bkey_disassemble(b, btree_node_key(b, l->idx - 1), &iter->unpacked);
		if (k.k)
			last = bpos_max(min, k.k->p);
		j = overlay_prev(iter, b, pos, last);
		u = update_prev(iter, b, pos, j ? j->k.p : last);
		j = u ?: j;
		if (!j)
			return k;
		if (!bkey_deleted(&j->k))
			return hidden_by(iter, j);
		if (bpos_le(j->k.p, b->min_key))
			return bkey_s_c_null;
		pos = bpos_predecessor(j->k.p);
	}
}
