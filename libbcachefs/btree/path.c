// SPDX-License-Identifier: GPL-2.0
/*
 * Descending from the root to the node that covers a position, and the stream of
 * keys of one level (spec 21 sections 3, 4, 5.6; rules LK-1, LK-2).
 *
 * Invariant: every node in a path is pinned, each covers a part of the one above,
 * and levels strictly decrease, so that no damaged pointer makes a walk endless:
 * positions only grow (or only shrink) and each step consumes a pointer or a key.
 * A pointer is followed while the node it is in is locked, and the child is used
 * only if it is still in the tree once it is locked.
 *
 * Between lookups a path holds one lock, on the node of the iterator's level, and
 * intent locks above it as far as its user asked for. Nodes further up stay pinned
 * and are locked again by sequence number when the walk leaves the leaf.
 */
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/cache.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "btree/key_cache.h"
#include "btree/locking.h"
#include "btree/node_check.h"
#include "btree/path.h"
#include "journal/overlay.h"

/* Nodes that are entered for reading ahead in one step. */
#define PREFETCH_BATCH		16
/* Leaves read ahead once the filesystem is in use. */
#define PREFETCH_LIVE		2

/* Nodes to be read ahead as soon as no lock is held (LK-6); pinned. */
struct prefetch {
	unsigned		nr;
	struct btree		*b[PREFETCH_BATCH];
};

static struct bch_fs *iter_fs(const struct btree_iter *iter)
{
	return iter->trans->c;
}

static void level_drop(struct btree_iter *iter, unsigned level)
{
	struct btree_path_level *l = &iter->path[level];

	if (l->b) {
		bch2_path_unlock_level(iter, level);
		bch2_btree_node_put(iter_fs(iter), l->b);
	}
	*l = (struct btree_path_level) { .lock = -1, .relock = -1 };
}

/* @b is pinned, and locked as the iterator wants this level to be. */
static void level_set(struct btree_iter *iter, unsigned level, struct btree *b)
{
	const u32 seq = six_lock_seq(&b->six);

	iter->path[level] = (struct btree_path_level) {
		.b		= b,
		.lock		= bch2_path_lock_want(iter, level),
		.relock		= -1,
		.lock_seq	= seq,
		.idx_seq	= seq + 2,	/* not looked for yet */
	};
}

/** bch2_path_init - a path that leads nowhere yet */
void bch2_path_init(struct btree_iter *iter)
{
	unsigned level;

	for (level = 0; level < BTREE_MAX_DEPTH; level++)
		iter->path[level].lock = iter->path[level].relock = -1;
	iter->ck_lock = iter->ck_relock = -1;
}

/** bch2_path_drop - let go of all nodes */
void bch2_path_drop(struct btree_iter *iter)
{
	unsigned level;

	bch2_key_cache_iter_drop(iter);
	for (level = 0; level < BTREE_MAX_DEPTH; level++)
		level_drop(iter, level);
}

/**
 * bch2_path_copy - make the path of @dst that of @src, with pins and holds of its own
 * @dst:	iterator of the same transaction, same level; its path leads nowhere
 * @src:	iterator
 */
void bch2_path_copy(struct btree_iter *dst, const struct btree_iter *src)
{
	unsigned level;

	for (level = 0; level < BTREE_MAX_DEPTH; level++) {
		struct btree_path_level *l = &dst->path[level];

		*l = src->path[level];
		if (!l->b)
			continue;
		bch2_btree_node_pin(iter_fs(dst), l->b);
		/* what is held can be held once more; no memory for the note: not held */
		if (l->lock >= 0 && !bch2_trans_trylock(dst->trans, &l->b->six, l->lock))
			l->lock = -1;
	}
}

static bool level_covers(const struct btree_path_level *l, struct bpos pos)
{
	return l->b && bpos_le(l->b->min_key, pos) && bpos_le(pos, l->b->max_key);
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
static bool child_ptr(struct btree_trans *trans, const struct btree *b, u32 i,
		      struct bkey_i *dst)
{
	struct bkey u;
	struct bkey_s_c k = bkey_disassemble(b, btree_node_key(b, i), &u);
	struct bkey_i *j = bch2_trans_uses_overlay(trans)
		? bch2_journal_keys_peek_slot(trans->c, b->btree_id, b->level, u.p) : NULL;

	if (j)
		k = bkey_i_to_s_c(j);
	if (bkey_deleted(k.k) || k.k->u64s > BKEY_BTREE_PTR_U64s_MAX)
		return false;
	bkey_reassemble(dst, k);
	return true;
}

/* Children to read ahead in @l's node. */
static u32 prefetch_window(const struct btree_iter *iter, const struct btree_path_level *l)
{
	const struct bch_fs *c = iter_fs(iter);
	const bool last_step = l->b->level == iter->level + 1;

	if (test_bit(BCH_FS_rw, &c->flags))
		return last_step ? PREFETCH_LIVE : 0;
	return last_step
		? max_t(u32, c->btree.cache.prefetch_bytes / c->opts.btree_node_size, 1) : 1;
}

/*
 * Enter the children behind the position of @l into the cache, as many as it allows
 * for; their parent is locked (LK-2).
 */
static void prefetch_enter(struct btree_iter *iter, struct btree_path_level *l,
			   struct prefetch *p)
{
	struct bch_fs *c = iter_fs(iter);
	const struct btree *b = l->b;
	const u32 end = min(l->idx + prefetch_window(iter, l) + 1, b->nr_keys);
	__BKEY_PADDED(ptr, BKEY_BTREE_PTR_VAL_U64s_MAX) k;
	u32 i;

	for (i = max(l->idx, l->ahead); i < end && p->nr < PREFETCH_BATCH; i++)
		if (child_ptr(iter->trans, b, i, &k.ptr) &&
		    !bch2_btree_node_prefetch_enter(c, &k.ptr, b->level - 1, b->btree_id,
						    &p->b[p->nr]))
			break;
		else if (p->b[p->nr])
			p->nr++;
	l->ahead = max(l->ahead, i);
}

/*
 * Do what must not be done with locks in hand: start reading ahead, and read @b if
 * it has to be read. 0; -ENOMEM; or a restart, if something changed meanwhile.
 */
static int read_unlocked(struct btree_iter *iter, struct btree *b, struct prefetch *p)
{
	struct bch_fs *c = iter_fs(iter);
	unsigned i;
	int ret = 0;

	bch2_trans_unlock(iter->trans);
	if (!bch2_btree_node_ready(b))
		bch2_btree_node_read_begin(c, b);
	for (i = 0; i < p->nr; i++) {
		bch2_btree_node_read_begin(c, p->b[i]);
		bch2_btree_node_put(c, p->b[i]);
	}
	if (!bch2_btree_node_ready(b))
		ret = bch2_btree_node_fill(c, b);
	return bch2_trans_relock(iter->trans) ?: bch2_err_matches(ret, ENOMEM) ? ret : 0;
}

/*
 * Lock the child @b of the node at @level. If that has to be waited for, a read lock
 * on the parent is dropped (LK-1). 0; 1: the child has left the tree; or a restart.
 */
static int child_lock(struct btree_iter *iter, unsigned level, struct btree *b)
{
	const enum six_lock_type want = bch2_path_lock_want(iter, level - 1);
	int ret;

	if (!bch2_trans_trylock(iter->trans, &b->six, want)) {
		if (iter->path[level].lock == SIX_LOCK_read)
			bch2_path_unlock_level(iter, level);
		ret = bch2_trans_lock(iter->trans, &b->six, want);
		if (ret)
			return ret;
	}
	if (likely(!test_bit(BTREE_NODE_dead, &b->flags)))
		return 0;
	bch2_trans_unlock_one(iter->trans, &b->six, want);
	return 1;
}

/* The child is there: check, lock, and put it into the path. As path_descend(). */
static int child_enter(struct btree_iter *iter, unsigned level, struct btree *b,
		       const struct bkey_i *k, struct bpos start, struct bpos pos)
{
	int ret = bch2_btree_node_usable(b, k);

	if (ret)
		return path_bad(iter, ret, level - 1, start, k->k.p);
	if (bpos_lt(pos, b->min_key))
		return path_bad(iter, -BCH_ERR_btree_topology, level - 1, start,
				bpos_predecessor(b->min_key));
	ret = child_lock(iter, level, b);
	if (ret)
		return ret;
	level_set(iter, level - 1, b);
	if (level >= iter->locks_want)
		bch2_path_unlock_level(iter, level);
	return 0;
}

/**
 * bch2_btree_walk_begin - count the nodes that walks come to anew
 * @c:	filesystem
 */
void bch2_btree_walk_begin(struct bch_fs *c)
{
	spin_lock(&c->btree.walk.lock);
	c->btree.walk.btree = U8_MAX;
	spin_unlock(&c->btree.walk.lock);
}

/* A walk from end to end has come to another node. */
static void walk_note(struct bch_fs *c, unsigned btree, struct bpos pos)
{
	struct btree_walk *w = &c->btree.walk;

	spin_lock(&w->lock);
	if (w->btree != btree) {
		w->btree = btree;
		w->nr = 0;
	}
	w->nr++;
	w->total++;
	w->pos = pos;
	spin_unlock(&w->lock);
}

/*
 * From path[level], which is locked, to the child that covers @pos. 0; 1: begin
 * again at the root; a restart; or an error.
 */
static int path_descend(struct btree_iter *iter, unsigned level, struct bpos pos)
{
	struct bch_fs *c = iter_fs(iter);
	struct btree_path_level *l = &iter->path[level];
	__BKEY_PADDED(ptr, BKEY_BTREE_PTR_VAL_U64s_MAX) k;
	struct bkey_s_c p = bch2_path_level_next(iter, l, pos, SPOS_MAX, false);
	const struct bpos start = bpos_min(child_start(l), pos);
	struct prefetch ahead = { 0 };
	struct btree *b;
	int ret = 0;

	if (!p.k)
		return path_bad(iter, -BCH_ERR_btree_topology, level, start, l->b->max_key);
	if (p.k->u64s > BKEY_BTREE_PTR_U64s_MAX)
		return path_bad(iter, -BCH_ERR_btree_topology, level - 1, start, p.k->p);
	bkey_reassemble(&k.ptr, p);

	b = bch2_btree_node_lookup(c, &k.ptr, level - 1, iter->btree_id);
	if (IS_ERR(b))
		return path_bad(iter, PTR_ERR(b), level - 1, start, k.ptr.k.p);
	if (iter->flags & BTREE_ITER_prefetch)
		prefetch_enter(iter, l, &ahead);
	if (ahead.nr || !(bch2_btree_node_ready(b) || iter->flags & BTREE_ITER_nofill))
		ret = read_unlocked(iter, b, &ahead);
	if (bch2_err_matches(ret, ENOMEM))
		ret = path_bad(iter, ret, level - 1, start, k.ptr.k.p);
	ret = ret ?: child_enter(iter, level, b, &k.ptr, start, pos);
	if (ret)
		bch2_btree_node_put(c, b);
	else if (iter->flags & BTREE_ITER_prefetch)
		walk_note(c, iter->btree_id, start);
	return ret;
}

/* --- finding where to begin --- */

/* The root is in the path: does it cover @pos? */
static int root_check(struct btree_iter *iter, const struct btree *b, struct bpos pos)
{
	const bool below = bpos_lt(pos, b->min_key);

	if (level_covers(&iter->path[b->level], pos))
		return 0;
	return path_bad(iter, -BCH_ERR_btree_topology, b->level,
			below ? POS_MIN : bpos_successor(b->max_key),
			below ? bpos_predecessor(b->min_key) : SPOS_MAX);
}

/*
 * Put the root into the path, which is empty; its level. -ENOENT if the btree does
 * not reach the iterator's level, -EAGAIN: the root was replaced meanwhile.
 */
static int path_root(struct btree_iter *iter, struct bpos pos)
{
	struct bch_fs *c = iter_fs(iter);
	struct btree *b = bch2_btree_root_get(c, iter->btree_id);
	int ret;

	if (IS_ERR(b))
		return path_bad(iter, PTR_ERR(b), iter->level, POS_MIN, SPOS_MAX);
	if (!b)
		return -ENOENT;
	ret = b->level < iter->level ? -ENOENT
		: bch2_trans_lock(iter->trans, &b->six, bch2_path_lock_want(iter, b->level));
	if (ret) {
		bch2_btree_node_put(c, b);
		return ret;
	}

	level_set(iter, b->level, b);
	iter->root_level = b->level;
	ret = bch2_btree_root_is(c, b) ? root_check(iter, b, pos) : -EAGAIN;
	if (ret) {
		level_drop(iter, b->level);
		return ret;
	}
	return iter->root_level;
}

/*
 * The lowest level whose node covers @pos and could be locked, with everything above
 * that has to be; BTREE_MAX_DEPTH: none. Or a restart.
 */
static int path_lowest_good(struct btree_iter *iter, struct bpos pos)
{
	int good = -1, ret;
	unsigned level;

	for (level = iter->level; level < BTREE_MAX_DEPTH; level++) {
		if (good >= 0 && (level >= iter->locks_want || level > iter->root_level))
			return good;
		ret = level_covers(&iter->path[level], pos)
			? bch2_path_lock_level(iter, level) : 1;
		if (ret < 0)
			return ret;
		if (ret)
			good = -1;
		else if (good < 0)
			good = level;
	}
	return good >= 0 ? good : BTREE_MAX_DEPTH;
}

static int path_place_once(struct btree_iter *iter, struct bpos pos)
{
	int level = path_lowest_good(iter, pos), ret;
	unsigned i;

	if (level < 0)
		return level;
	for (i = iter->level; i < level; i++)
		level_drop(iter, i);
	if (level == BTREE_MAX_DEPTH) {
		level = path_root(iter, pos);
		if (level < 0)
			return level;
	}
	for (; level > iter->level; --level) {
		ret = path_descend(iter, level, pos);
		if (ret == 1) {
			bch2_path_drop(iter);
			return -EAGAIN;
		}
		if (ret)
			return ret;
	}
	return 0;
}

static int path_place_slow(struct btree_iter *iter, struct bpos pos)
{
	unsigned level;
	int ret;

	do {
		ret = path_place_once(iter, pos);
	} while (ret == -EAGAIN && !iter->bad.error);

	if (bch2_err_matches(ret, BCH_ERR_transaction_restart))
		iter->bad.error = 0;
	/* what a failed descent has locked on its way */
	if (ret)
		for (level = iter->level + 1; level < BTREE_MAX_DEPTH; level++)
			bch2_path_unlock_level(iter, level);
	return ret;
}

/**
 * bch2_path_place - make path[iter->level] the node that covers @pos, locked
 * @iter:	iterator
 * @pos:	position
 *
 * With intent at levels below iter->locks_want, else read. Return: 0; -ENOENT if
 * there is no node of this level; a restart; or an error, with iter->bad set.
 */
int bch2_path_place(struct btree_iter *iter, struct bpos pos)
{
	const struct btree_path_level *l = &iter->path[iter->level];

	if (likely(level_covers(l, pos) && iter->locks_want <= iter->level + 1 &&
		   l->lock >= (s8) bch2_path_lock_want(iter, iter->level) &&
		   !test_bit(BTREE_NODE_dead, &l->b->flags)))
		return 0;
	iter->bad.error = 0;
	return path_place_slow(iter, pos);
}

/* --- the stream of keys --- */

/* An error is to be passed over: tell where to go on; false: there is nothing left. */
static bool skip_bad(struct btree_iter *iter, int *ret, struct bpos *search, bool forward)
{
	if (!(iter->flags & BTREE_ITER_skip_bad) || bch2_err_matches(*ret, ENOMEM) ||
	    bch2_err_matches(*ret, BCH_ERR_transaction_restart))
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
 * Nothing is filtered. The key lives in iter->unpacked, the value in its node, the
 * overlay or the transaction's update. NULL key: there is none.
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
		k = bch2_path_level_next(iter, l, search, end, true);
		if (k.k)
			return bpos_le(k.k->p, end) ? bch2_key_cache_peek(iter, k)
						    : bkey_s_c_null;
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
		k = bch2_path_level_prev(iter, l, search, min);
		if (k.k)
			return bpos_ge(k.k->p, min) ? bch2_key_cache_peek(iter, k)
						    : bkey_s_c_null;
		if (bpos_eq(l->b->min_key, POS_MIN))
			break;
		search = bpos_predecessor(l->b->min_key);
	}
	return bkey_s_c_null;
}
