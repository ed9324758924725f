// SPDX-License-Identifier: GPL-2.0
/*
 * Descending from the root to the node that covers a position, and the stream of
 * keys of one level, overlay merged in (spec 21 sections 4, 5.2, 5.6, 22 section
 * 8.2: OV-1, OV-2).
 *
 * Invariant: every node in a path is pinned, each covers a part of the one above,
 * and levels strictly decrease, so that no damaged pointer makes a walk endless:
 * positions only grow (or only shrink) and each step consumes a pointer or a key.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/cache.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "btree/node_check.h"
#include "btree/path.h"
#include "journal/overlay.h"

/* Keys to step over before searching anew. */
#define STEP_MAX	4

static struct bch_fs *iter_fs(const struct btree_iter *iter)
{
	return iter->trans->c;
}

static void level_drop(struct btree_iter *iter, unsigned level)
{
	struct btree_path_level *l = &iter->path[level];

	if (l->b)
		bch2_btree_node_put(iter_fs(iter), l->b);
	memset(l, 0, sizeof(*l));
}

/** bch2_path_drop - let go of all nodes */
void bch2_path_drop(struct btree_iter *iter)
{
	unsigned level;

	for (level = 0; level < BTREE_MAX_DEPTH; level++)
		level_drop(iter, level);
}

static int key_cmp(const struct btree *b, u32 i, struct bpos pos)
{
	return bch2_bkey_cmp_packed_pos(&b->unpack, btree_node_key(b, i), pos);
}

/* Set l->idx for @pos, near where it was if possible: walks mostly go to the next key. */
static void level_seek(struct btree_path_level *l, struct bpos pos)
{
	const struct btree *b = l->b;
	u32 i = l->idx, steps;

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

static bool level_covers(const struct btree_path_level *l, struct bpos pos)
{
	return l->b && bpos_le(l->b->min_key, pos) && bpos_le(pos, l->b->max_key);
}

/* --- one level of one node, merged with the overlay --- */

/* Journal keys that lie in @b's range and are at or after @pos. */
static struct bkey_i *overlay_next(struct btree_iter *iter, const struct btree *b,
				   struct bpos pos, struct bpos end)
{
	struct bch_fs *c = iter_fs(iter);

	if (likely(!c->journal.keys.nr))
		return NULL;
	return bch2_journal_keys_peek_max(c, b->btree_id, b->level, pos,
					  bpos_min(b->max_key, end), &iter->overlay_idx);
}

static struct bkey_i *overlay_prev(struct btree_iter *iter, const struct btree *b,
				   struct bpos pos, struct bpos min)
{
	struct bch_fs *c = iter_fs(iter);

	if (likely(!c->journal.keys.nr))
		return NULL;
	return bch2_journal_keys_peek_prev_min(c, b->btree_id, b->level, pos,
					       bpos_max(b->min_key, min), &iter->overlay_idx);
}

/*
 * First key of the node at or after @pos, which the node covers: the smaller of
 * both sources, the overlay's if they are equal; its deletions skip a position.
 */
static struct bkey_s_c level_next(struct btree_iter *iter, struct btree_path_level *l,
				  struct bpos pos, struct bpos end)
{
	const struct btree *b = l->b;

	while (1) {
		struct bkey_s_c k = bkey_s_c_null;
		struct bkey_i *j;

		level_seek(l, pos);
		if (l->idx < b->nr_keys) {
			k = bkey_disassemble(b, btree_node_key(b, l->idx), &iter->unpacked);
			l->at		= k.k->p;
			l->at_valid	= true;
		}
		j = overlay_next(iter, b, pos, k.k ? bpos_min(end, k.k->p) : end);
		if (!j)
			return k;
		if (!bkey_deleted(&j->k)) {
			iter->unpacked = j->k;
			return (struct bkey_s_c) { &iter->unpacked, &j->v };
		}
		if (bpos_ge(j->k.p, b->max_key))
			return bkey_s_c_null;
		pos = bpos_successor(j->k.p);
	}
}

/* Last key of the node at or before @pos, which the node covers. */
static struct bkey_s_c level_prev(struct btree_iter *iter, struct btree_path_level *l,
				  struct bpos pos, struct bpos min)
{
	const struct btree *b = l->b;

	while (1) {
		struct bkey_s_c k = bkey_s_c_null;
		struct bkey_i *j;

		level_seek(l, pos);
		if (l->idx < b->nr_keys && !key_cmp(b, l->idx, pos))
			k = bkey_disassemble(b, btree_node_key(b, l->idx), &iter->unpacked);
		else if (l->idx)
			k = bkey_disassemble(b, btree_node_key(b, l->idx - 1), &iter->unpacked);
		j = overlay_prev(iter, b, pos, k.k ? bpos_max(min, k.k->p) : min);
		if (!j)
			return k;
		if (!bkey_deleted(&j->k)) {
			iter->unpacked = j->k;
			return (struct bkey_s_c) { &iter->unpacked, &j->v };
		}
		if (bpos_le(j->k.p, b->min_key))
			return bkey_s_c_null;
		pos = bpos_predecessor(j->k.p);
	}
}

/* --- descending --- */

static int path_bad(struct btree_iter *iter, int error, unsigned level, struct bpos start,
		    struct bpos end)
{
	iter->bad = (struct btree_iter_bad) {
		.error	= error,
		.level	= level,
		.start	= start,
		.end	= end,
	};
	return error;
}

/* First position behind the child before the one at the position of @l. */
static struct bpos child_start(const struct btree_path_level *l)
{
	const struct btree *b = l->b;
	struct bkey prev;

	if (!l->idx)
		return b->min_key;
	bch2_bkey_unpack(&b->unpack, btree_node_key(b, l->idx - 1), &prev);
	return bpos_successor(prev.p);
}

/* Pointer @i of @b as the overlay has it; false if it is to be left out. */
static bool child_ptr(struct bch_fs *c, const struct btree *b, u32 i, struct bkey_i *dst)
{
	struct bkey u;
	struct bkey_s_c k = bkey_disassemble(b, btree_node_key(b, i), &u);
	struct bkey_i *j = c->journal.keys.nr
		? bch2_journal_keys_peek_slot(c, b->btree_id, b->level, u.p) : NULL;

	if (j)
		k = bkey_i_to_s_c(j);
	if (bkey_deleted(k.k) || k.k->u64s > BKEY_BTREE_PTR_U64s_MAX)
		return false;
	bkey_reassemble(dst, k);
	return true;
}

/*
 * Begin reading the child at the position of @l and those behind it: as many as
 * the cache allows for nodes of the walk's level, one above.
 */
static void prefetch_children(struct btree_iter *iter, struct btree_path_level *l)
{
	struct bch_fs *c = iter_fs(iter);
	const struct btree *b = l->b;
	const bool last_step = b->level == iter->level + 1;
	const u32 window = last_step
		? max_t(u32, c->btree.cache.prefetch_bytes / c->opts.btree_node_size, 1) : 1;
	const u32 end = min(l->idx + window + 1, b->nr_keys);
	__BKEY_PADDED(ptr, BKEY_BTREE_PTR_VAL_U64s_MAX) k;
	u32 i;

	for (i = max(l->idx, l->ahead); i < end; i++)
		if (child_ptr(c, b, i, &k.ptr) &&
		    !bch2_btree_node_prefetch(c, &k.ptr, b->level - 1, b->btree_id))
			break;
	l->ahead = i;
}

/* From path[level] to the child that covers @pos. */
static int path_descend(struct btree_iter *iter, unsigned level, struct bpos pos)
{
	struct bch_fs *c = iter_fs(iter);
	struct btree_path_level *l = &iter->path[level];
	__BKEY_PADDED(ptr, BKEY_BTREE_PTR_VAL_U64s_MAX) k;
	struct bkey_s_c p = level_next(iter, l, pos, SPOS_MAX);
	struct bpos start = child_start(l);
	struct btree *b;

	if (!p.k)
		return path_bad(iter, -BCH_ERR_btree_topology, level, bpos_min(start, pos),
				l->b->max_key);
	if (p.k->u64s > BKEY_BTREE_PTR_U64s_MAX)
		return path_bad(iter, -BCH_ERR_btree_topology, level - 1, bpos_min(start, pos),
				p.k->p);
	bkey_reassemble(&k.ptr, p);

	if (iter->flags & BTREE_ITER_prefetch)
		prefetch_children(iter, l);
	b = iter->flags & BTREE_ITER_nofill
		? bch2_btree_node_get_nofill(c, &k.ptr, level - 1, iter->btree_id)
		: bch2_btree_node_get(c, &k.ptr, level - 1, iter->btree_id);
	if (IS_ERR(b))
		return path_bad(iter, PTR_ERR(b), level - 1, bpos_min(start, pos), k.ptr.k.p);

	if (bpos_lt(pos, b->min_key)) {
		const struct bpos end = bpos_predecessor(b->min_key);

		bch2_btree_node_put(c, b);
		return path_bad(iter, -BCH_ERR_btree_topology, level - 1, bpos_min(start, pos),
				end);
	}
	iter->path[level - 1].b = b;
	return 0;
}

/* Put the root into the path; -ENOENT if the btree does not reach this level. */
static int path_root(struct btree_iter *iter, struct bpos pos)
{
	struct btree *b = bch2_btree_root_get(iter_fs(iter), iter->btree_id);

	if (IS_ERR(b))
		return path_bad(iter, PTR_ERR(b), iter->level, POS_MIN, SPOS_MAX);
	if (!b)
		return -ENOENT;
	if (b->level < iter->level) {
		bch2_btree_node_put(iter_fs(iter), b);
		return -ENOENT;
	}
	iter->path[b->level].b = b;
	if (!level_covers(&iter->path[b->level], pos)) {
		const bool below = bpos_lt(pos, b->min_key);
		const unsigned level = b->level;
		const struct bpos start = below ? POS_MIN : bpos_successor(b->max_key);
		const struct bpos end = below ? bpos_predecessor(b->min_key) : SPOS_MAX;

		level_drop(iter, level);
		return path_bad(iter, -BCH_ERR_btree_topology, level, start, end);
	}
	return b->level;
}

/**
 * bch2_path_place - make path[iter->level] the node that covers @pos
 *
 * 0; -ENOENT if there is no node of this level; or an error, with iter->bad set.
 */
int bch2_path_place(struct btree_iter *iter, struct bpos pos)
{
	unsigned level = iter->level, i;
	int ret;

	if (likely(level_covers(&iter->path[level], pos)))
		return 0;

	while (level < BTREE_MAX_DEPTH && !level_covers(&iter->path[level], pos))
		level++;
	for (i = iter->level; i < level; i++)
		level_drop(iter, i);
	if (level == BTREE_MAX_DEPTH) {
		ret = path_root(iter, pos);
		if (ret < 0)
			return ret;
		level = ret;
	}
	for (; level > iter->level; --level) {
		ret = path_descend(iter, level, pos);
		if (ret)
			return ret;
	}
	return 0;
}

/* --- the stream of keys --- */

/* An error is to be passed over: tell where to go on; false: there is nothing left. */
static bool skip_bad(struct btree_iter *iter, int *ret, struct bpos *search, bool forward)
{
	if (!(iter->flags & BTREE_ITER_skip_bad) || *ret == -ENOMEM ||
	    bch2_err_matches(*ret, ENOMEM))
		return false;
	iter->trans->nr_bad++;
	*ret = 0;
	if (forward) {
		if (bpos_eq(iter->bad.end, SPOS_MAX))
			return false;
		*search = bpos_successor(iter->bad.end);
	} else {
		if (bpos_eq(iter->bad.start, POS_MIN))
			return false;
		*search = bpos_predecessor(iter->bad.start);
	}
	return true;
}

/**
 * bch2_path_next - first key of the iterator's level in [@search, @end]
 *
 * Nothing is filtered. The key lives in iter->unpacked, the value in its node or
 * the overlay. NULL key: there is none.
 */
struct bkey_s_c bch2_path_next(struct btree_iter *iter, struct bpos search, struct bpos end)
{
	while (bpos_le(search, end)) {
		int ret = bch2_path_place(iter, search);
		struct btree_path_level *l = &iter->path[iter->level];
		struct bkey_s_c k;

		if (ret == -ENOENT)
			break;
		if (ret) {
			if (skip_bad(iter, &ret, &search, true))
				continue;
			return ret ? bkey_s_c_err(ret) : bkey_s_c_null;
		}
		k = level_next(iter, l, search, end);
		if (k.k)
			return bpos_le(k.k->p, end) ? k : bkey_s_c_null;
		if (bpos_eq(l->b->max_key, SPOS_MAX))
			break;
		search = bpos_successor(l->b->max_key);
	}
	return bkey_s_c_null;
}

/**
 * bch2_path_prev - last key of the iterator's level in [@min, @search]
 *
 * As bch2_path_next().
 */
struct bkey_s_c bch2_path_prev(struct btree_iter *iter, struct bpos search, struct bpos min)
{
	while (bpos_ge(search, min)) {
		int ret = bch2_path_place(iter, search);
		struct btree_path_level *l = &iter->path[iter->level];
		struct bkey_s_c k;

		if (ret == -ENOENT)
			break;
		if (ret) {
			if (skip_bad(iter, &ret, &search, false))
				continue;
			return ret ? bkey_s_c_err(ret) : bkey_s_c_null;
		}
		k = level_prev(iter, l, search, min);
		if (k.k)
			return bpos_ge(k.k->p, min) ? k : bkey_s_c_null;
		if (bpos_eq(l->b->min_key, POS_MIN))
			break;
		search = bpos_predecessor(l->b->min_key);
	}
	return bkey_s_c_null;
}
