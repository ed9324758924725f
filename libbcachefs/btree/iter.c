// SPDX-License-Identifier: GPL-2.0
/*
 * Iterators: which of the keys that path.c finds are shown, in what view, and
 * where the iterator stands afterwards (spec 21 section 5, 61 section 7).
 *
 * Invariant: forward walks return keys of increasing position (visible extents:
 * of increasing start); whatever a snapshot hides is never returned with
 * filter_snapshots. The node of the key returned last is locked. An iterator belongs
 * to one transaction and one thread.
 */
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "btree/iter.h"
#include "btree/path.h"
#include "btree/snapshot_table.h"
#include "util/printbuf.h"

/* More iterators than this are a mistake. */
#define TRANS_ITERS_MAX		1024

/* --- iterators --- */

static bool iter_filters(const struct btree_iter *iter)
{
	return iter->flags & BTREE_ITER_filter_snapshots;
}

static bool iter_extents(const struct btree_iter *iter)
{
	return iter->flags & BTREE_ITER_is_extents;
}

/* Positions are full ones, with the snapshot field. */
static bool iter_all(const struct btree_iter *iter)
{
	return iter->flags & BTREE_ITER_all_snapshots;
}

static unsigned iter_flags(unsigned btree, unsigned level, unsigned flags)
{
	flags &= ~(BTREE_ITER_is_extents|BTREE_ITER_filter_snapshots);
	if (level)
		return flags | BTREE_ITER_all_snapshots|BTREE_ITER_not_extents;
	if (btree_id_is_extents(btree) &&
	    !(flags & (BTREE_ITER_not_extents|BTREE_ITER_all_snapshots)))
		flags |= BTREE_ITER_is_extents;
	/* What unknown btrees do with the field cannot be known: show everything. */
	if (btree < BTREE_ID_NR && !btree_type_has_snapshot_field(btree) &&
	    !(flags & BTREE_ITER_snapshot_field))
		flags &= ~BTREE_ITER_all_snapshots;
	if (btree_type_has_snapshots(btree) && !(flags & BTREE_ITER_all_snapshots))
		flags |= BTREE_ITER_filter_snapshots;
	return flags;
}

static void iter_init(struct btree_trans *trans, struct btree_iter *iter, unsigned btree,
		      struct bpos pos, unsigned level, unsigned locks_want, unsigned flags)
{
	if (unlikely(trans->nr_iters >= TRANS_ITERS_MAX))
		bch2_trans_restart(trans, BCH_ERR_transaction_restart_too_many_iters);

	memset(iter, 0, sizeof(*iter));
	iter->trans	= trans;
	iter->btree_id	= btree;
	iter->level	= min_t(unsigned, level, BTREE_MAX_DEPTH - 1);
	iter->flags	= iter_flags(btree, level, flags)|BTREE_ITER_with_journal;
	iter->snapshot	= pos.snapshot;
	if (locks_want > iter->level)
		iter->flags |= BTREE_ITER_intent;
	iter->locks_want = bch2_iter_intent_on_leaf(iter)
		? max_t(unsigned, locks_want, iter->level + 1) : 0;
	bch2_path_init(iter);
	list_add(&iter->list, &trans->iters);
	trans->nr_iters++;
	bch2_btree_iter_set_pos(iter, pos);
}

/**
 * bch2_trans_iter_init - an iterator over leaf keys
 * @trans:	session
 * @iter:	caller's memory, until bch2_trans_iter_exit()
 * @btree:	id, known or not
 * @pos:	where to start; its snapshot is the view of btrees with snapshots
 * @flags:	BTREE_ITER_*
 *
 * Spec 21 section 5.1.
 */
void bch2_trans_iter_init(struct btree_trans *trans, struct btree_iter *iter,
			  unsigned btree, struct bpos pos, unsigned flags)
{
	iter_init(trans, iter, btree, pos, 0, 0, flags);
}

/**
 * bch2_trans_node_iter_init - an iterator over nodes, or keys of interior ones
 * @locks_want:	levels below are locked with intent; 0 when reading
 * @level:	of the nodes, or of the keys: those of level n point to nodes of level
 *		n - 1
 */
void bch2_trans_node_iter_init(struct btree_trans *trans, struct btree_iter *iter,
			       unsigned btree, struct bpos pos, unsigned locks_want,
			       unsigned level, unsigned flags)
{
	iter_init(trans, iter, btree, pos, level, locks_want,
		  flags|BTREE_ITER_all_snapshots|BTREE_ITER_snapshot_field);
}

/* --- what was read stays so till the commit --- */

/* Does one that lasts as long as the attempt hold what @iter holds? */
static bool held_anyway(const struct btree_iter *iter)
{
	const struct btree_path_level *l = &iter->path[iter->level];
	const struct btree_iter *i;

	list_for_each_entry(i, &iter->trans->iters, list) {
		const struct btree_path_level *m = &i->path[iter->level];

		if (i != iter && i->level == iter->level && m->b == l->b && m->lock >= 0 &&
		    (iter->ck_lock < 0 || (i->ck == iter->ck && i->ck_lock >= 0)) &&
		    i->flags & (BTREE_ITER_update|BTREE_ITER_kept))
			return true;
	}
	return false;
}

/*
 * Leave the locks on the last key read, and on the gap it was not in, to the
 * transaction: an iterator in the arena holds them, in read mode. False: there is
 * nothing to hold, or no room for it.
 */
static bool iter_keep(struct btree_iter *iter)
{
	struct btree_trans *trans = iter->trans;
	struct btree_iter *kept;

	if (trans->restarted || iter->path[iter->level].lock < 0 ||
	    trans->nr_iters >= TRANS_ITERS_MAX / 2 || held_anyway(iter))
		return false;
	kept = bch2_trans_arena_alloc(trans, sizeof(*kept));
	if (!kept)
		return false;

	*kept = *iter;
	list_replace(&iter->list, &kept->list);
	kept->flags = (iter->flags & ~(BTREE_ITER_intent|BTREE_ITER_keep))|BTREE_ITER_kept;
	bch2_path_downgrade(kept, true);
	trans->has_kept = true;
	iter->trans = NULL;
	return true;
}

/**
 * bch2_trans_iter_exit - end of an iterator; harmless if it never was initialised
 * @iter:	iterator
 *
 * Its locks go, but with BTREE_ITER_keep, or in a transaction that keeps what it
 * reads: there its last node stays read locked to the end of the attempt. What
 * such an attempt decided by is then still so when it commits, or it restarts.
 */
void bch2_trans_iter_exit(struct btree_iter *iter)
{
	struct btree_trans *trans = iter->trans;

	if (!trans)
		return;
	if (unlikely((iter->flags & BTREE_ITER_keep) || trans->keep_reads) &&
	    !(iter->flags & (BTREE_ITER_kept|BTREE_ITER_update)) && iter_keep(iter))
		return;
	bch2_path_drop(iter);
	list_del(&iter->list);
	trans->nr_iters--;
	iter->trans = NULL;
}

/**
 * bch2_trans_keep_reads - all iterators of this transaction are BTREE_ITER_keep
 * @trans:	transaction
 *
 * For those who look at one btree to decide about another one while others commit.
 */
void bch2_trans_keep_reads(struct btree_trans *trans)
{
	trans->keep_reads = true;
}

/**
 * bch2_trans_drop_kept - the attempt is over
 * @trans:	transaction
 */
void bch2_trans_drop_kept(struct btree_trans *trans)
{
	struct btree_iter *iter, *n;

	trans->has_kept = false;
	list_for_each_entry_safe(iter, n, &trans->iters, list)
		if (iter->flags & BTREE_ITER_kept)
			bch2_trans_iter_exit(iter);
}

/**
 * bch2_trans_iter_copy - a second iterator where @src is
 *
 * @dst is the caller's memory, until bch2_trans_iter_exit().
 */
void bch2_trans_iter_copy(struct btree_iter *dst, struct btree_iter *src)
{
	struct btree_trans *trans = src->trans;

	*dst = *src;
	dst->flags &= ~(BTREE_ITER_kept|BTREE_ITER_update);
	dst->ck = NULL;
	dst->ck_lock = dst->ck_relock = -1;
	bch2_path_copy(dst, src);
	list_add(&dst->list, &trans->iters);
	trans->nr_iters++;
}

/* Before each lookup: is anything to be looked up at all? 0 or a restart. */
static int iter_may_look(const struct btree_iter *iter)
{
	struct btree_trans *trans = iter->trans;

	return unlikely(trans->restarted) ? -trans->restarted : bch2_trans_fault(trans);
}

/* --- the path --- */

/**
 * bch2_btree_iter_traverse - lock the node that covers the iterator's position
 *
 * With intent if the iterator was made for that. 0; a restart; -ENOENT: there is no
 * such level; or an error, with what could not be read in iter->bad.
 */
int bch2_btree_iter_traverse(struct btree_iter *iter)
{
	return iter_may_look(iter) ?: bch2_path_place(iter, iter->pos);
}

/** bch2_btree_iter_root_level - level of the root that the path begins at */
unsigned bch2_btree_iter_root_level(const struct btree_iter *iter)
{
	return iter->root_level;
}

/* Is all that is wanted locked, up to the root as it is now? */
static bool iter_upgraded(const struct btree_iter *iter)
{
	return iter->locks_want <= iter->root_level + 1 ||
		bch2_btree_root_is(iter->trans->c, iter->path[iter->root_level].b);
}

/*
 * Lock the whole path anew, from above. The node of the iterator's level must come
 * out as it was.
 */
static int iter_relock_from_root(struct btree_iter *iter)
{
	struct bch_fs *c = iter->trans->c;
	struct btree_path_level *l = &iter->path[iter->level];
	const bool held = l->lock >= 0;
	struct btree *b = l->b;
	const u32 seq = l->lock_seq;
	int ret;

	if (held)
		bch2_btree_node_pin(c, b);
	do {
		bch2_path_drop(iter);
		ret = bch2_path_place(iter, iter->pos);
	} while (!ret && !iter_upgraded(iter));
	if (held) {
		if (!ret && (l->b != b || l->lock_seq != seq))
			ret = bch2_trans_restart(iter->trans,
						 BCH_ERR_transaction_restart_upgrade);
		bch2_btree_node_put(c, b);
	}
	return ret;
}

/**
 * bch2_btree_iter_upgrade - intent locks for changing interior nodes too
 * @iter:	iterator
 * @level_max:	up to here, or to the root if that is lower
 *
 * What was read through the iterator is still valid afterwards. 0; a restart; or an
 * error as of traverse.
 */
int bch2_btree_iter_upgrade(struct btree_iter *iter, unsigned level_max)
{
	struct btree_path_level *l = &iter->path[iter->level];
	unsigned level;
	int ret = iter_may_look(iter);

	if (ret)
		return ret;
	iter->locks_want = max_t(unsigned, iter->locks_want,
				 min_t(unsigned, level_max, BTREE_MAX_DEPTH - 1) + 1);
	if (l->lock < 0)
		return iter_relock_from_root(iter);

	for (level = iter->level; level < iter->locks_want && level <= iter->root_level; level++) {
		ret = bch2_path_lock_level(iter, level);
		if (ret)
			break;
	}
	if (ret < 0)
		return ret;
	return !ret && iter_upgraded(iter) ? 0 : iter_relock_from_root(iter);
}

/** bch2_btree_iter_downgrade - back to the locks the iterator was made with */
void bch2_btree_iter_downgrade(struct btree_iter *iter)
{
	bch2_path_downgrade(iter, !(iter->flags & BTREE_ITER_intent));
}

/* --- positions --- */

/** bch2_btree_iter_set_pos - go to @pos; the view stays */
void bch2_btree_iter_set_pos(struct btree_iter *iter, struct bpos pos)
{
	if (!iter_all(iter))
		pos.snapshot = iter->snapshot;
	iter->pos	= pos;
	iter->skip_to	= POS_MIN;
	iter->at_end	= false;
	iter->k		= bkey_deleted_at(pos);
}

/** bch2_btree_iter_set_snapshot - look from snapshot @snapshot from now on */
void bch2_btree_iter_set_snapshot(struct btree_iter *iter, u32 snapshot)
{
	iter->snapshot		= snapshot;
	iter->pos.snapshot	= snapshot;
}

static struct bkey_s_c iter_return(struct btree_iter *iter, struct bkey_s_c k)
{
	iter->k = *k.k;
	return (struct bkey_s_c) { &iter->k, k.v };
}

static bool visible(struct btree_iter *iter, u32 ancestor)
{
	if (iter->snapshot == ancestor)
		return true;
	if (iter->anc_id != iter->snapshot || iter->anc_of != ancestor) {
		iter->anc_id	= iter->snapshot;
		iter->anc_of	= ancestor;
		iter->anc_res	= bch2_snapshot_is_ancestor(iter->trans->c, iter->snapshot,
							    ancestor);
	}
	return iter->anc_res;
}

static bool hides_place(const struct btree_iter *iter, const struct bkey *k)
{
	return bkey_whiteout(k) && !(iter->flags & BTREE_ITER_nofilter_whiteouts);
}

/* --- forward, spec 21 section 5.3 --- */

enum filter_step {
	FILTER_SHOW,
	FILTER_NEXT,		/* look again from *search */
	FILTER_STOP,
};

/* Next place, in the iterator's view; false at the last one. */
static bool next_place(const struct btree_iter *iter, struct bpos *pos)
{
	if (bkey_eq(*pos, POS_MAX))
		return false;
	*pos = bpos_nosnap_successor(*pos);
	pos->snapshot = iter->snapshot;
	return true;
}

static enum filter_step filter_forward(struct btree_iter *iter, const struct bkey *k,
				       struct bpos end, struct bpos *search)
{
	if (iter_extents(iter) ? k->p.inode > end.inode : bkey_gt(k->p, end))
		return FILTER_STOP;

	if (k->p.snapshot < iter->snapshot) {
		*search = SPOS(k->p.inode, k->p.offset, iter->snapshot);
		return FILTER_NEXT;
	}
	if (!visible(iter, k->p.snapshot)) {
		if (bpos_eq(k->p, SPOS_MAX))
			return FILTER_STOP;
		*search = bpos_successor(k->p);
		return FILTER_NEXT;
	}
	if (hides_place(iter, k)) {
		if (iter_extents(iter) && k->type == KEY_TYPE_extent_whiteout &&
		    bkey_ge(k->p, end))
			return FILTER_STOP;
		*search = k->p;
		return next_place(iter, search) ? FILTER_NEXT : FILTER_STOP;
	}
	return FILTER_SHOW;
}

/* First position whose key can be at or after the iterator's; false: none. */
static bool search_start(const struct btree_iter *iter, struct bpos *search)
{
	*search = iter->pos;
	if (!iter_all(iter))
		search->snapshot = iter->snapshot;
	if (iter_extents(iter) && !next_place(iter, search))
		return false;
	*search = bpos_max(*search, iter->skip_to);
	return true;
}

static struct bpos pos_after(const struct btree_iter *iter, const struct bkey *k)
{
	struct bpos pos = k->p;

	if (iter_extents(iter))
		pos = bkey_max(iter->pos, bkey_start_pos(k));
	if (!iter_all(iter))
		pos.snapshot = iter->snapshot;
	return pos;
}

static bool beyond(const struct btree_iter *iter, struct bpos pos, struct bpos end)
{
	if (iter_all(iter))
		return bpos_gt(pos, end);
	return iter_extents(iter) ? bkey_ge(pos, end) : bkey_gt(pos, end);
}

/* No key of a larger position can be wanted. */
static struct bpos search_end(const struct btree_iter *iter, struct bpos end)
{
	if (iter_all(iter))
		return end;
	/* an extent that ends behind the end may begin before it */
	return iter_extents(iter) && !iter_filters(iter)
		? SPOS_MAX
		: SPOS(end.inode, iter_extents(iter) ? KEY_OFFSET_MAX : end.offset,
		       KEY_SNAPSHOT_MAX);
}

/**
 * bch2_btree_iter_peek_max - first key at or after the iterator's position
 * @iter:	iterator
 * @end:	last place wanted (all snapshots: last position); for extents the place
 *		where wanted ones begin before
 *
 * The iterator moves to the key (extents: its start, if that is ahead). A NULL key
 * means there is none. Spec 21 section 5.3.
 */
struct bkey_s_c bch2_btree_iter_peek_max(struct btree_iter *iter, struct bpos end)
{
	const struct bpos last = search_end(iter, end);
	struct bpos search, pos;
	struct bkey_s_c k;
	int ret = iter_may_look(iter);

	if (unlikely(ret))
		return bkey_s_c_err(ret);
	if (iter->at_end || !search_start(iter, &search))
		return bkey_s_c_null;

	while (1) {
		enum filter_step step = FILTER_SHOW;

		k = bch2_path_next(iter, search, last);
		if (!k.k || bkey_err(k))
			return k;
		if (iter_filters(iter))
			step = filter_forward(iter, k.k, end, &search);
		if (step == FILTER_SHOW)
			break;
		if (step == FILTER_STOP)
			return bkey_s_c_null;
	}

	pos = pos_after(iter, k.k);
	if (beyond(iter, pos, end))
		return bkey_s_c_null;
	iter->pos = pos;
	return iter_return(iter, k);
}

/**
 * bch2_btree_iter_advance - go behind the key returned last
 *
 * False if there is no position behind it.
 */
bool bch2_btree_iter_advance(struct btree_iter *iter)
{
	struct bpos pos = iter->pos;

	if (iter->at_end)
		return false;
	if (iter_all(iter)) {
		if (bpos_eq(pos, SPOS_MAX))
			goto end;
		pos = bpos_successor(pos);
	} else if (iter_extents(iter)) {
		pos = iter->k.p;
		pos.snapshot = iter->snapshot;
		if (bkey_eq(pos, POS_MAX))
			goto end;
	} else if (!next_place(iter, &pos)) {
		goto end;
	}
	iter->pos = pos;
	return true;
end:
	iter->at_end = true;
	return false;
}

/* --- slots, spec 21 section 5.4 --- */

static struct bkey_s_c slot_empty(struct btree_iter *iter, struct bpos end, u32 size)
{
	iter->k		= bkey_deleted_at(end);
	iter->k.size	= size;
	return (struct bkey_s_c) { &iter->k, NULL };
}

static struct bkey_s_c slot_plain(struct btree_iter *iter)
{
	struct bpos search = iter->pos;
	struct bpos end = search;
	struct bkey_s_c k;

	if (iter_filters(iter))
		end.snapshot = KEY_SNAPSHOT_MAX;
	while (1) {
		k = bch2_path_next(iter, search, end);
		if (bkey_err(k))
			return k;
		if (!k.k)
			return slot_empty(iter, iter->pos, 0);
		if (!iter_filters(iter) || visible(iter, k.k->p.snapshot))
			break;
		if (k.k->p.snapshot == KEY_SNAPSHOT_MAX)
			return slot_empty(iter, iter->pos, 0);
		search = bpos_successor(k.k->p);
	}
	if (iter_filters(iter) && hides_place(iter, k.k))
		return slot_empty(iter, k.k->p, 0);
	return iter_return(iter, k);
}

static struct bkey_s_c slot_extent(struct btree_iter *iter)
{
	struct bpos pos = iter->pos;
	struct bkey_s_c k;
	u64 end = KEY_OFFSET_MAX;

	if (pos.offset == KEY_OFFSET_MAX) {
		if (pos.inode == KEY_INODE_MAX)
			return bkey_s_c_null;
		bch2_btree_iter_set_pos(iter, SPOS(pos.inode + 1, 0, pos.snapshot));
		pos = iter->pos;
	}

	k = bch2_btree_iter_peek_max(iter, POS(pos.inode, KEY_OFFSET_MAX));
	iter->pos = pos;
	if (bkey_err(k))
		return k;
	if (k.k && k.k->p.inode == pos.inode) {
		if (bkey_start_offset(k.k) <= pos.offset)
			return k;
		end = bkey_start_offset(k.k);
	}
	end = min(end, pos.offset + min_t(u64, KEY_SIZE_MAX, KEY_OFFSET_MAX - pos.offset));
	return slot_empty(iter, SPOS(pos.inode, end, iter->snapshot), end - pos.offset);
}

/**
 * bch2_btree_iter_peek_slot - what is at the iterator's position
 *
 * The key there (an extent: the one that covers it), or one of type deleted: for
 * extents a hole up to the next extent. NULL only at the very end.
 */
struct bkey_s_c bch2_btree_iter_peek_slot(struct btree_iter *iter)
{
	int ret = iter_may_look(iter);

	if (unlikely(ret))
		return bkey_s_c_err(ret);
	if (iter->at_end)
		return bkey_s_c_null;
	return iter_extents(iter) ? slot_extent(iter) : slot_plain(iter);
}

/* --- backward, spec 21 section 5.5 --- */

static struct bpos place_end(struct bpos p)
{
	p.snapshot = KEY_SNAPSHOT_MAX;
	return p;
}

/*
 * Full position of the last visible key at or before @search. Keys of a place come
 * farthest ancestor first, so the candidate changes until the place ends. 1: found,
 * 0: none, or an error.
 */
static int prev_visible(struct btree_iter *iter, struct bpos search, struct bpos min,
			struct bpos *found)
{
	bool have = false;

	while (1) {
		struct bkey_s_c k = bch2_path_prev(iter, search, min);

		if (bkey_err(k))
			return bkey_err(k);
		if (!k.k || (have && !bkey_eq(k.k->p, *found)))
			return have;
		if (k.k->p.snapshot < iter->snapshot) {
			if (have)
				return true;
		} else if (visible(iter, k.k->p.snapshot)) {
			have	= !hides_place(iter, k.k);
			*found	= k.k->p;
		}
		if (bpos_eq(k.k->p, POS_MIN))
			return have;
		search = bpos_predecessor(k.k->p);
	}
}

static struct bkey_s_c prev_filtered(struct btree_iter *iter, struct bpos search,
				     struct bpos min)
{
	struct bpos found = POS_MIN;
	int ret = prev_visible(iter, search, min, &found);

	if (ret <= 0)
		return ret ? bkey_s_c_err(ret) : bkey_s_c_null;
	/* The walk may have left its node: get it again. */
	return bch2_path_next(iter, found, found);
}

/**
 * bch2_btree_iter_peek_prev_min - last key at or before the iterator's position
 * @iter:	iterator
 * @min:	first place wanted (all snapshots: first position)
 *
 * For extents that is the one that covers the position, or else the last one that
 * ends before it. The iterator moves to the key, extents: to its start. A NULL key
 * means there is none. Spec 21 section 5.5.
 */
struct bkey_s_c bch2_btree_iter_peek_prev_min(struct btree_iter *iter, struct bpos min)
{
	struct bpos search = iter->pos, pos;
	struct bkey_s_c k;
	int ret = iter_may_look(iter);

	if (unlikely(ret))
		return bkey_s_c_err(ret);
	if (iter->at_end)
		return bkey_s_c_null;
	if (iter_extents(iter) && search.offset != KEY_OFFSET_MAX) {
		k = slot_extent(iter);
		if (bkey_err(k))
			return k;
		if (k.k && !bkey_deleted(k.k))
			goto found;
	}

	if (iter_filters(iter))
		k = prev_filtered(iter, place_end(search), POS(min.inode, min.offset));
	else
		k = bch2_path_prev(iter, search, min);
	if (!k.k || bkey_err(k))
		return k;
	k = iter_return(iter, k);
found:
	pos = iter_extents(iter) ? bkey_start_pos(k.k) : k.k->p;
	if (!iter_all(iter))
		pos.snapshot = iter->snapshot;
	if (iter_extents(iter) && bkey_le(k.k->p, min) && !bkey_eq(k.k->p, min))
		return bkey_s_c_null;
	iter->pos = pos;
	return k;
}

/** bch2_btree_iter_rewind - go before the key returned last; false at the beginning */
bool bch2_btree_iter_rewind(struct btree_iter *iter)
{
	struct bpos pos = iter->pos;

	if (iter->at_end)
		return false;
	if (iter_all(iter) ? bpos_eq(pos, POS_MIN) : bkey_eq(pos, POS_MIN)) {
		iter->at_end = true;
		return false;
	}
	pos = iter_all(iter) ? bpos_predecessor(pos) : bpos_nosnap_predecessor(pos);
	bch2_btree_iter_set_pos(iter, pos);
	return true;
}

/* --- damage --- */

/**
 * bch2_btree_iter_skip_bad - after an error: go behind what could not be read
 *
 * For forward walks. False if nothing is behind it, or there was no error of a node.
 */
bool bch2_btree_iter_skip_bad(struct btree_iter *iter)
{
	const struct bpos end = iter->bad.end;

	if (!iter->bad.error || bpos_eq(end, SPOS_MAX)) {
		iter->at_end = true;
		return false;
	}
	iter->bad.error = 0;
	bch2_btree_iter_set_pos(iter, iter_all(iter) ? bpos_successor(end) : end);
	iter->skip_to = bpos_successor(end);
	return true;
}

/** bch2_btree_iter_bad_to_text - what could not be read, and why */
void bch2_btree_iter_bad_to_text(struct printbuf *out, const struct btree_iter *iter)
{
	bch2_btree_id_level_to_text(out, iter->btree_id, iter->bad.level);
	prt_str(out, " from ");
	bch2_bpos_to_text(out, iter->bad.start);
	prt_str(out, " to ");
	bch2_bpos_to_text(out, iter->bad.end);
	prt_printf(out, ": %s", bch2_err_str(iter->bad.error));
}

/* --- nodes --- */

/**
 * bch2_btree_iter_peek_node - the node of the iterator's level that covers its position
 *
 * NULL if the btree has no such level; ERR_PTR. Locked, and pinned as long as the
 * iterator stays there.
 */
struct btree *bch2_btree_iter_peek_node(struct btree_iter *iter)
{
	int ret = iter_may_look(iter);

	if (unlikely(ret))
		return ERR_PTR(ret);
	while (!iter->at_end) {
		ret = bch2_path_place(iter, iter->pos);
		if (!ret)
			return iter->path[iter->level].b;
		if (ret == -ENOENT)
			break;
		if (!(iter->flags & BTREE_ITER_skip_bad) ||
		    bch2_err_matches(ret, BCH_ERR_transaction_restart))
			return ERR_PTR(ret);
		iter->trans->nr_bad++;
		if (!bch2_btree_iter_skip_bad(iter))
			break;
	}
	return NULL;
}

/** bch2_btree_iter_next_node - the node behind the one returned last */
struct btree *bch2_btree_iter_next_node(struct btree_iter *iter)
{
	const struct btree *b = iter->path[iter->level].b;

	if (!b || bpos_eq(b->max_key, SPOS_MAX)) {
		iter->at_end = true;
		return NULL;
	}
	bch2_btree_iter_set_pos(iter, bpos_successor(b->max_key));
	return bch2_btree_iter_peek_node(iter);
}

/* --- single keys --- */

/**
 * bch2_bkey_get_iter - what is at @pos
 *
 * Initialises @iter in any case; the caller ends it. As bch2_btree_iter_peek_slot().
 */
struct bkey_s_c bch2_bkey_get_iter(struct btree_trans *trans, struct btree_iter *iter,
				   unsigned btree, struct bpos pos, unsigned flags)
{
	bch2_trans_iter_init(trans, iter, btree, pos, flags);
	return bch2_btree_iter_peek_slot(iter);
}

/**
 * bch2_bkey_get_val_copy - copy the value of the key of type @type at @pos
 * @val:	gets at most @bytes; what the value is too short for reads as zero
 *
 * 0, -BCH_ERR_ENOENT_bkey_type_mismatch if no such key is there, or an error.
 */
int bch2_bkey_get_val_copy(struct btree_trans *trans, unsigned btree, struct bpos pos,
			   unsigned flags, unsigned type, void *val, size_t bytes)
{
	struct btree_iter iter;
	struct bkey_s_c k = bch2_bkey_get_iter(trans, &iter, btree, pos, flags);
	int ret = bkey_err(k);

	if (!ret && (!k.k || k.k->type != type))
		ret = -BCH_ERR_ENOENT_bkey_type_mismatch;
	if (!ret)
		__bkey_val_copy_pad(val, bytes, k);
	bch2_trans_iter_exit(&iter);
	return ret;
}
