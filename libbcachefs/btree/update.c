// SPDX-License-Identifier: GPL-2.0
/*
 * The list of pending updates of a transaction (spec 21 section 6).
 *
 * Invariant: the list is sorted in the order in which updates are triggered,
 * locked and inserted, and has one entry per (btree, cached, level, position).
 * Each entry holds an iterator of its own, intent locked where the update goes,
 * and a copy of the key that was there when the update was queued: what the
 * update replaces cannot change before the commit, or the locks would be lost.
 *
 * For anybody who changes btrees; nothing here has effects outside of the
 * transaction.
 */
#include <linux/err.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/iter.h"
#include "btree/key_cache.h"
#include "btree/locking.h"
#include "btree/trans.h"
#include "btree/update.h"

/* --- the list --- */

/**
 * bch2_trans_update_search - where in the list a place belongs
 * @trans:	transaction
 * @btree:	btree
 * @cached:	of the key cache
 * @level:	level of the key
 * @pos:	position
 *
 * Return: index of the first entry at or behind it; nr_updates if none.
 */
unsigned bch2_trans_update_search(const struct btree_trans *trans, unsigned btree,
				  bool cached, unsigned level, struct bpos pos)
{
	unsigned l = 0, r = trans->s.nr_updates;

	while (l < r) {
		const unsigned m = l + (r - l) / 2;

		if (bch2_update_place_cmp(&trans->s.updates[m], btree, cached, level, pos) < 0)
			l = m + 1;
		else
			r = m;
	}
	return l;
}

/**
 * bch2_trans_update_find - the pending update of a place
 * @trans:	transaction
 * @btree:	btree
 * @cached:	of the key cache
 * @level:	level of the key
 * @pos:	position
 *
 * Return: the entry, until the next update is queued; NULL if there is none.
 */
struct btree_update_entry *bch2_trans_update_find(struct btree_trans *trans, unsigned btree,
						  bool cached, unsigned level, struct bpos pos)
{
	const unsigned i = bch2_trans_update_search(trans, btree, cached, level, pos);
	struct btree_update_entry *e = trans->s.updates + i;

	return i < trans->s.nr_updates &&
		!bch2_update_place_cmp(e, btree, cached, level, pos) ? e : NULL;
}

/**
 * bch2_trans_reset_updates - forget everything that was queued
 * @trans:	transaction
 *
 * At the begin of an attempt, before the arena is emptied, and at the end of a
 * commit; then the arena stays, and with it what callers have there.
 */
void bch2_trans_reset_updates(struct btree_trans *trans)
{
	struct trans_commit_state *s = &trans->s;

	for (unsigned i = 0; i < s->nr_updates; i++)
		bch2_trans_iter_exit(s->updates[i].iter);

	memset(s, 0, sizeof(*s));
}

static int updates_grow(struct btree_trans *trans)
{
	struct trans_commit_state *s = &trans->s;
	const unsigned size = s->updates_size ? s->updates_size * 2 : 8;
	struct btree_update_entry *n = bch2_trans_kmalloc(trans, size * sizeof(*n));

	if (IS_ERR(n))
		return PTR_ERR(n);
	if (s->nr_updates)
		memcpy(n, s->updates, s->nr_updates * sizeof(*n));
	s->updates	= n;
	s->updates_size	= size;
	return 0;
}

/* --- copies of keys --- */

/**
 * bch2_bkey_copy_to_arena - a key to change
 * @trans:	transaction
 * @k:		key to copy
 * @min_bytes:	the value can be enlarged in place up to so many bytes of key and value
 *
 * Return: the copy, until the next begin, zero behind the value; or ERR_PTR.
 */
struct bkey_i *bch2_bkey_copy_to_arena(struct btree_trans *trans, struct bkey_s_c k,
				       unsigned min_bytes)
{
	/* room behind the key: validation and copies read whole words */
	struct bkey_i *n = bch2_trans_kmalloc(trans, max_t(unsigned, bkey_bytes(k.k), min_bytes));

	if (!IS_ERR(n))
		bkey_reassemble(n, k);
	return n;
}

/* --- one update --- */

/* Positions as they are, nothing filtered, nothing of this transaction. */
#define UPDATE_ITER_FLAGS							\
	(BTREE_ITER_intent|BTREE_ITER_all_snapshots|BTREE_ITER_snapshot_field|	\
	 BTREE_ITER_not_extents|BTREE_ITER_no_updates|BTREE_ITER_key_cache_fill|	\
	 BTREE_ITER_update)

/* An iterator for @i alone, from @src if that one is near. */
static int update_iter_init(struct btree_trans *trans, struct btree_update_entry *i,
			    struct btree_iter *src)
{
	struct btree_iter *iter = bch2_trans_kmalloc(trans, sizeof(*iter));

	if (IS_ERR(iter))
		return PTR_ERR(iter);
	if (src && src->trans && src->btree_id == i->btree_id && src->level == i->level &&
	    !(src->flags & BTREE_ITER_cached)) {
		const u32 keep = src->flags & (BTREE_ITER_with_journal|BTREE_ITER_with_key_cache);

		bch2_trans_iter_copy(iter, src);
		iter->flags = UPDATE_ITER_FLAGS|keep;
		bch2_btree_iter_set_pos(iter, i->k->k.p);
	} else {
		bch2_trans_node_iter_init(trans, iter, i->btree_id, i->k->k.p, 0, i->level,
					  UPDATE_ITER_FLAGS);
	}
	i->iter = iter;
	return 0;
}

/* A second update of the same place: the old key stays that of the first. */
static int update_replace(struct btree_trans *trans, struct btree_update_entry *old,
			  struct bkey_i *k, unsigned flags)
{
	const bool run = old->insert_trigger_run || old->overwrite_trigger_run;

	if (WARN_ON_ONCE(run && !(old->flags & BTREE_TRIGGER_norun) &&
			 !(flags & BTREE_UPDATE_overwrite_triggered)))
		return -BCH_ERR_update_after_triggers;
	old->k		= k;
	old->flags	= flags;
	return 0;
}

/* Put @n into the list; its iterator and old key are ready. */
static int update_insert(struct btree_trans *trans, const struct btree_update_entry *n)
{
	struct trans_commit_state *s = &trans->s;
	unsigned at;
	int ret;

	if (s->nr_updates == s->updates_size) {
		ret = updates_grow(trans);
		if (ret)
			return ret;
	}
	at = bch2_trans_update_search(trans, n->btree_id, n->cached, n->level, n->k->k.p);
	memmove(s->updates + at + 1, s->updates + at,
		(s->nr_updates - at) * sizeof(*s->updates));
	s->updates[at] = *n;
	s->nr_updates++;
	return 0;
}

static int update_copy_old(struct btree_trans *trans, struct btree_update_entry *i,
			   struct bkey_s_c old)
{
	struct bkey_i *copy;

	i->old_k = bkey_deleted_at(i->k->k.p);
	i->old_v = NULL;
	if (!old.k || bkey_deleted(old.k))
		return 0;
	copy = bch2_bkey_copy_to_arena(trans, old, 0);
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	i->old_k = copy->k;
	i->old_v = &copy->v;
	return 0;
}

/* What stands at exactly @i's place without this transaction, copied. */
static int update_read_old(struct btree_trans *trans, struct btree_update_entry *i)
{
	struct bkey_s_c old = bch2_btree_iter_peek_slot(i->iter);

	return bkey_err(old) ?: update_copy_old(trans, i, old);
}

/* --- the key cache --- */

/* The update of the cached key @cached for the leaf, too (spec 21 section 6.5). */
static int write_through(struct btree_trans *trans, const struct btree_update_entry *cached)
{
	struct btree_update_entry n = *cached;
	int ret;

	n.cached			= false;
	n.key_cache_already_flushed	= false;
	n.insert_trigger_run		= false;
	n.overwrite_trigger_run		= false;
	ret = update_iter_init(trans, &n, NULL);
	if (ret)
		return ret;
	ret = bch2_btree_iter_traverse(n.iter) ?: update_insert(trans, &n);
	if (ret)
		bch2_trans_iter_exit(n.iter);
	return ret;
}

/* Another update of a key that has one pending. */
static int update_cached_again(struct btree_trans *trans, struct btree_update_entry *have,
			       struct bkey_i *k, unsigned flags)
{
	struct btree_update_entry *twin = bch2_trans_update_find(trans, have->btree_id, false, 0,
								 k->k.p);
	struct btree_update_entry n;
	int ret = update_replace(trans, have, k, flags);

	if (ret)
		return ret;
	if (twin)
		return update_replace(trans, twin, k, flags);
	if (!bkey_deleted(&k->k))
		return 0;
	have->key_cache_already_flushed = true;
	n = *have;
	return write_through(trans, &n);
}

static int update_cached(struct btree_trans *trans, unsigned btree, struct bkey_i *k,
			 unsigned flags)
{
	struct btree_update_entry *have = bch2_trans_update_find(trans, btree, true, 0, k->k.p);
	struct btree_update_entry n = {
		.flags		= flags,
		.btree_id	= btree,
		.cached		= true,
		.k		= k,
	};
	int ret;

	if (have)
		return update_cached_again(trans, have, k, flags);

	n.iter = bch2_trans_kmalloc(trans, sizeof(*n.iter));
	if (IS_ERR(n.iter))
		return PTR_ERR(n.iter);
	bch2_trans_iter_init(trans, n.iter, btree, k->k.p, UPDATE_ITER_FLAGS|BTREE_ITER_cached);
	ret = bch2_key_cache_fill(n.iter) ?:
		update_copy_old(trans, &n, bkey_i_to_s_c(n.iter->ck->k));
	if (!ret) {
		n.key_cache_already_flushed = bkey_deleted(&k->k) ||
			test_bit(BKEY_CACHED_immediate, &n.iter->ck->flags);
		ret = update_insert(trans, &n);
	}
	if (ret) {
		bch2_trans_iter_exit(n.iter);
		return ret;
	}
	return n.key_cache_already_flushed ? write_through(trans, &n) : 0;
}

/**
 * bch2_trans_update_exact - queue an update of exactly one position
 * @trans:	transaction
 * @iter:	iterator near that position, to save a descent; may be NULL
 * @btree:	btree
 * @level:	level of the key
 * @k:		new key, type deleted to remove what is there; in the arena, or
 *		unchanged until the commit
 * @flags:	enum btree_update_flags
 *
 * No whiteouts, no extents: what all other updates end in. Leaf keys of btrees with
 * a key cache go there, unless this is BTREE_UPDATE_key_cache_reclaim.
 *
 * Return: 0, an error, or a restart.
 */
int bch2_trans_update_exact(struct btree_trans *trans, struct btree_iter *iter,
			    unsigned btree, unsigned level, struct bkey_i *k, unsigned flags)
{
	struct btree_update_entry n = {
		.flags		= flags,
		.btree_id	= btree,
		.level		= level,
		.k		= k,
	};
	struct btree_update_entry *have;
	int ret;

	if (!(flags & BTREE_UPDATE_key_cache_reclaim) &&
	    bch2_key_cache_uses(trans->c, btree, level))
		return update_cached(trans, btree, k, flags);

	have = bch2_trans_update_find(trans, btree, false, level, k->k.p);
	if (have)
		return update_replace(trans, have, k, flags);

	ret = update_iter_init(trans, &n, iter);
	if (ret)
		return ret;
	ret = update_read_old(trans, &n) ?: update_insert(trans, &n);
	if (ret)
		bch2_trans_iter_exit(n.iter);
	return ret;
}

/* A deletion that has to hide what an ancestor has becomes a whiteout (spec 21 6.2). */
static int update_whiteout(struct btree_trans *trans, struct btree_iter *iter,
			   struct bkey_i *k, unsigned flags)
{
	int ret;

	if (!bkey_deleted(&k->k) || !(iter->flags & BTREE_ITER_filter_snapshots) ||
	    (flags & BTREE_UPDATE_key_cache_reclaim))
		return 0;
	ret = bch2_need_snapshot_whiteout(trans, iter->btree_id, k->k.p);
	if (ret <= 0)
		return ret;
	k->k.type = KEY_TYPE_whiteout;
	return 0;
}

/**
 * bch2_trans_update - queue an update
 * @trans:	transaction
 * @iter:	iterator of the btree and level; its flags say how @k is meant:
 *		extents make room for @k, snapshots turn deletions into whiteouts
 * @k:		new key at its position; type deleted: remove what is there (an
 *		extent of type deleted with a size: that range). In the arena, or
 *		left alone by the caller until the commit
 * @flags:	enum btree_update_flags
 *
 * Spec 21 sections 6.1 to 6.5.
 *
 * Return: 0, an error, or a restart.
 */
int bch2_trans_update(struct btree_trans *trans, struct btree_iter *iter, struct bkey_i *k,
		      unsigned flags)
{
	int ret;

	if (iter->flags & BTREE_ITER_is_extents)
		return bch2_trans_update_extent(trans, iter, k, flags);

	ret = update_whiteout(trans, iter, k, flags);
	if (ret)
		return ret;
	return bch2_trans_update_exact(trans, iter, iter->btree_id, iter->level, k, flags);
}
