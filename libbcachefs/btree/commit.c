// SPDX-License-Identifier: GPL-2.0
/*
 * The commit: everything a transaction has queued happens at once, in memory and
 * in one piece of one journal entry, or nothing does (spec 21 section 8).
 *
 * Invariants: CM-1, the journal reservation is held from before the first change
 * in memory until after the last; CM-3, all nodes are write locked together; CM-4,
 * between locking and unlocking the thread waits for nothing but inner locks. Up
 * to the atomic triggers a failure leaves nothing changed; from there on it stops
 * the filesystem.
 *
 * For anybody with updates queued in a transaction.
 */
#include <linux/bug.h>
#include <linux/compiler.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/commit.h"
#include "btree/commit_priv.h"
#include "btree/interior.h"
#include "btree/iter.h"
#include "btree/key_cache.h"
#include "btree/locking.h"
#include "btree/node_insert.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "util/log.h"
#include "util/printbuf.h"
#include "util/sync_point.h"

/* --- before anything is locked --- */

static bool update_is_noop(const struct btree_update_entry *i)
{
	const struct bkey *o = &i->old_k, *n = &i->k->k;

	/* its atomic trigger records the sequence number that fsync needs */
	if (i->btree_id == BTREE_ID_inodes)
		return false;
	if (bkey_deleted(o) || bkey_deleted(n))
		return bkey_deleted(o) && bkey_deleted(n);
	return o->type == n->type && o->u64s == n->u64s && o->size == n->size &&
		bversion_eq(o->bversion, n->bversion) && bpos_eq(o->p, n->p) &&
		!memcmp(i->old_v, &i->k->v, bkey_val_bytes(n));
}

static bool only_buffered_entries(const struct trans_words *w)
{
	const u64 *p = w->d, *end = p + w->nr;

	while (p < end) {
		const struct jset_entry *e = (const struct jset_entry *) p;

		if (e->type != BCH_JSET_ENTRY_write_buffer_keys ||
		    e->btree_id == BTREE_ID_accounting)
			return false;
		p = jset_entry_end(e);
	}
	return true;
}

/*
 * Leave out updates that change nothing. If that leaves nothing but what their
 * triggers would have told the indexes, leave that out as well: it describes a
 * change that does not happen (spec 22 14.4.8). @own: records were there before
 * any trigger ran.
 */
static void drop_noops(struct commit *x, bool own)
{
	struct trans_commit_state *s = &x->trans->s;
	unsigned nr = 0;

	if (x->flags & BCH_TRANS_COMMIT_no_skip_noops)
		return;
	for (unsigned i = 0; i < s->nr_updates; i++) {
		if (update_is_noop(&s->updates[i]))
			bch2_trans_iter_exit(s->updates[i].iter);
		else
			s->updates[nr++] = s->updates[i];
	}
	if (nr != s->nr_updates && !nr && !own && !s->accounting.nr &&
	    only_buffered_entries(&s->entries))
		s->entries.nr = 0;
	s->nr_updates = nr;
}

/* Intent locks where the updates go, and what is remembered of them. */
static int lock_intent(struct commit *x)
{
	struct btree_update_entry *i;
	bool any = false;
	int ret;

	for_each_update(x->trans, i) {
		if (i->cached) {
			ret = bch2_key_cache_prep_update(x->trans, i);
			if (ret)
				return ret;
			any = true;
			continue;
		}
		ret = bch2_btree_iter_upgrade(i->iter, i->level);
		if (ret)
			return ret;
		i->leaf = bch2_btree_iter_leaf(i->iter);
		if (!i->leaf)
			return -BCH_ERR_btree_root_bad_level;
		i->leaf_seq = six_lock_seq(&i->leaf->six);
	}
	/* RP-4: nobody waits for the journal before it is replayed */
	if (any && commit_watermark(x) < BCH_WATERMARK_reclaim && !x->trans->replay_unfinished &&
	    !(x->flags & BCH_TRANS_COMMIT_journal_reclaim) && bch2_key_cache_too_dirty(x->c))
		return commit_cure(x, -BCH_ERR_btree_insert_need_key_cache_room);
	return 0;
}

/* A key that would be refused when it is read must not be written. */
static int validate_updates(struct commit *x)
{
	struct btree_update_entry *i;

	if (x->flags & BCH_TRANS_COMMIT_journal_replay)
		return 0;

	for_each_update(x->trans, i) {
		struct printbuf err = PRINTBUF;
		struct bkey_validate_context from = {
			.from	= BKEY_VALIDATE_commit,
			.level	= i->level,
			.btree	= i->btree_id,
			.flags	= BCH_VALIDATE_commit|BCH_VALIDATE_silent,
			.err	= &err,
		};
		int ret = bch2_bkey_validate(x->c, bkey_i_to_s_c(i->k), from);

		if (ret) {
			bch_err(x->c, "validate_error_in_commit: %s: btree %u: %s",
				x->trans->fn ?: "", i->btree_id, err.buf ?: "");
			if (x->c->up.emergency_ro)
				x->c->up.emergency_ro(x->c);
		}
		printbuf_exit(&err);
		if (ret)
			return -BCH_ERR_invalid_bkey;
	}
	return 0;
}

static unsigned live_u64s(const struct bkey *k)
{
	return bkey_deleted(k) ? 0 : k->u64s;
}

/* Leaves that become small enough are merged first (8.2 step 3). */
static int merge_leaves(struct commit *x)
{
	struct btree_update_entry *i;
	int delta = 0;

	if (commit_watermark(x) == BCH_WATERMARK_interior_updates ||
	    x->trans->replay_unfinished || !commit_journals(x))
		return 0;

	for_each_update(x->trans, i) {
		const bool last = i + 1 == x->trans->s.updates + x->trans->s.nr_updates ||
			i[1].leaf != i->leaf;
		int ret;

		if (i->cached)
			continue;
		delta += (int) live_u64s(&i->k->k) - (int) live_u64s(&i->old_k);
		if (!last)
			continue;
		if (delta < 0 && bch2_btree_node_merge_wanted(x->c, i->leaf)) {
			ret = bch2_foreground_maybe_merge(x->trans, i->iter, i->level, x->flags);
			if (ret)
				return ret;
		}
		delta = 0;
	}
	return 0;
}

static int reserve_disk(struct commit *x)
{
	struct trans_commit_state *s = &x->trans->s;

	if (!s->extra_disk_res || !s->disk_res || !x->c->up.disk_reservation_add)
		return 0;
	return x->c->up.disk_reservation_add(x->c, s->disk_res, s->extra_disk_res,
			x->flags & BCH_TRANS_COMMIT_no_enospc ? BCH_DISK_RESERVATION_nofail : 0);
}

/* --- write locks --- */

static int lock_nodes(struct commit *x)
{
	struct trans_commit_state *s = &x->trans->s;
	const struct btree *prev = NULL;
	int ret;

	for (x->nr_locked = 0; x->nr_locked < s->nr_updates; x->nr_locked++) {
		struct btree_update_entry *i = s->updates + x->nr_locked;

		if (i->cached) {
			ret = bch2_key_cache_lock_write(x->trans, i);
			if (ret)
				return ret;
			continue;
		}
		if (i->leaf == prev)
			continue;
		/*
		 * Cures, and whatever else dropped locks, end here if it made a difference:
		 * what was read of node and overlay is still so (SY-5).
		 */
		if (bch2_btree_iter_leaf(i->iter) != i->leaf ||
		    test_bit(BTREE_NODE_dead, &i->leaf->flags) ||
		    six_lock_seq(&i->leaf->six) != i->leaf_seq)
			return bch2_trans_restart(x->trans, BCH_ERR_transaction_restart_relock);
		ret = btree_node_lock_write(x->trans, i->leaf);
		if (ret)
			return ret;
		bch2_btree_node_prep_insert(x->c, i->leaf);
		prev = i->leaf;
	}
	return 0;
}

static void unlock_nodes(struct commit *x)
{
	struct trans_commit_state *s = &x->trans->s;
	const struct btree *prev = NULL;

	for (unsigned idx = 0; idx < x->nr_locked; idx++) {
		struct btree_update_entry *i = s->updates + idx;

		if (i->cached) {
			bch2_key_cache_unlock_write(x->trans, i);
			continue;
		}
		if (i->leaf != prev)
			btree_node_unlock_write(x->trans, i->leaf);
		prev = i->leaf;
		i->leaf_seq = six_lock_seq(&i->leaf->six);
	}
	x->nr_locked = 0;
}

/* --- with write locks held --- */

static int check_room(struct commit *x)
{
	struct btree_update_entry *i;
	const struct btree *b = NULL;
	unsigned u64s = 0;

	for_each_update(x->trans, i) {
		if (i->cached)
			continue;
		if (i->leaf != b)
			u64s = 0;
		b = i->leaf;
		u64s += i->k->k.u64s;
		if (!bch2_btree_node_has_room(x->c, b, u64s)) {
			x->full = i;
			return -BCH_ERR_btree_insert_btree_node_full;
		}
	}
	return 0;
}

static int reserve_journal(struct commit *x)
{
	struct journal_res *res = &x->trans->s.journal_res;
	int ret;

	if (!commit_journals(x)) {
		res->seq = x->trans->s.pin_seq;
		return 0;
	}
	ret = bch2_journal_res_get(x->c, res, x->journal_u64s,
				   commit_watermark(x)|JOURNAL_RES_GET_NONBLOCK);
	if (ret)
		return ret;
	if (unlikely(res->has_overwrites != x->names))
		ret = bch2_trans_restart(x->trans,
				BCH_ERR_transaction_restart_journal_overwrites_changed);
	return ret;
}

static int run_hooks(struct commit *x)
{
	struct btree_trans_commit_hook *h;
	int ret = 0;

	for (h = x->trans->s.hooks; h && !ret; h = h->next)
		ret = h->fn(x->trans, h);
	return ret;
}

static void insert_updates(struct commit *x)
{
	const u64 seq = x->trans->s.journal_res.seq;
	struct btree_update_entry *i;

	/* leaves come first: KC-5 */
	for_each_update(x->trans, i) {
		const u64 s = i->flags & BTREE_UPDATE_nojournal ? 0 : seq;

		if (i->cached)
			bch2_key_cache_insert(x->trans, i, s);
		else
			bch2_btree_node_insert_key(x->trans, i->leaf, i->k, s);
	}
}

/* Everything is there that is needed. Errors are fatal. */
static int commit_apply(struct commit *x)
{
	struct trans_commit_state *s = &x->trans->s;
	const u32 entries = s->entries.nr;
	int ret;

	bch2_sync_point(x->c, commit_H7_before);
	ret = bch2_trans_run_atomic_triggers(x->trans);
	bch2_sync_point(x->c, commit_H7_after);
	if (!ret && WARN_ON(s->entries.nr - entries > s->extra_journal_u64s))
		ret = -EINVAL;
	if (ret) {
		bch_err(x->c, "error from an atomic trigger in %s: %s", x->trans->fn ?: "",
			bch2_err_str(ret));
		if (x->c->up.emergency_ro)
			x->c->up.emergency_ro(x->c);
		return ret;
	}

	if (commit_journals(x)) {
		commit_fill_journal(x);
		if (s->journal_seq)
			*s->journal_seq = s->journal_res.seq;
		if (s->journal_pin)
			bch2_journal_pin_add(x->c, s->journal_res.seq, s->journal_pin,
					     s->journal_pin->type, s->journal_pin->flush);
	}
	insert_updates(x);
	return 0;
}

static int commit_locked(struct commit *x)
{
	struct mutex *overwrite = &x->c->journal.keys.overwrite_lock;
	const bool overlay = x->trans->replay_unfinished;
	int ret = 0;

	bch2_sync_point(x->c, commit_H5);
	if (unlikely(overlay)) {
		if (!x->overlay_locked)
			mutex_lock(overwrite);
		if (x->flags & BCH_TRANS_COMMIT_journal_replay)
			ret = bch2_trans_overlay_check(x->trans);
		commit_test_mark_early(x->trans);
	}
	bch2_sync_point(x->c, commit_H6);
	ret = ret ?: check_room(x) ?: reserve_journal(x) ?: run_hooks(x) ?: commit_account(x) ?:
		commit_apply(x);
	if (unlikely(overlay)) {
		if (!ret) {
			bch2_sync_point(x->c, commit_H3a);
			bch2_trans_overlay_mark(x->trans);
			bch2_sync_point(x->c, commit_H8);
		}
		if (!x->overlay_locked)
			mutex_unlock(overwrite);
		if (!ret)
			bch2_sync_point(x->c, commit_H3b);
	}
	return ret;
}

/* One try. On failure nothing has changed. */
static int commit_try(struct commit *x)
{
	struct trans_commit_state *s = &x->trans->s;
	int ret;

	x->names = commit_journals(x) && READ_ONCE(x->c->opts.journal_transaction_names);
	x->journal_u64s = commit_journal_size(x) ?: 1;
	/* ND-4: what atomic triggers append must not need memory */
	ret = bch2_trans_words_reserve(x->trans, &s->entries, s->extra_journal_u64s);
	if (ret)
		return ret;

	x->overlay_locked = commit_test_lock_outside(x->trans);
	ret = lock_nodes(x) ?: commit_locked(x);
	unlock_nodes(x);
	commit_test_unlock_outside(x->trans, x->overlay_locked);
	bch2_journal_res_put(x->c, &s->journal_res);
	return ret;
}

static int commit_rw(struct commit *x)
{
	const bool ref = !(x->flags & BCH_TRANS_COMMIT_no_check_rw) && x->c->up.write_ref_get;
	int ret = lock_intent(x) ?: validate_updates(x) ?: merge_leaves(x) ?: reserve_disk(x);

	if (ret)
		return ret;
	if (WARN_ON(!commit_journals(x) && x->trans->s.accounting.nr))
		return -EINVAL;
	if (ref && !x->c->up.write_ref_get(x->c))
		return -BCH_ERR_erofs_trans_commit;
	do {
		ret = commit_try(x);
		if (!ret)
			break;
		ret = commit_cure(x, ret);
	} while (!ret);
	if (ref)
		x->c->up.write_ref_put(x->c);
	return ret;
}

static int commit_run(struct commit *x)
{
	struct btree_trans *trans = x->trans;
	const bool own = trans->s.entries.nr;
	int ret = bch2_trans_fault(trans) ?: commit_throttle(x) ?:
		bch2_trans_run_transactional_triggers(trans);

	if (ret)
		return ret;
	drop_noops(x, own);
	if (!bch2_trans_has_updates(trans) && !trans->s.hooks)
		return 0;
	ret = likely(test_bit(BCH_FS_may_go_rw, &x->c->flags))
		? commit_rw(x) : bch2_trans_commit_early(trans);
	if (!ret)
		trans->commit_count++;
	return ret;
}

/**
 * bch2_trans_commit - make what a transaction has queued happen
 * @trans:	transaction
 * @res:	space reserved for what is inserted, or NULL
 * @journal_seq: gets the sequence number of the journal entry; may be NULL
 * @flags:	enum bch_trans_commit_flags and a watermark
 *
 * Afterwards, whatever the result, nothing is queued. After success keys that
 * were read are void, and so are intent locks (TX-5).
 *
 * Return: 0, a restart, or an error: nothing has happened.
 */
int bch2_trans_commit(struct btree_trans *trans, struct disk_reservation *res,
		      u64 *journal_seq, unsigned flags)
{
	struct commit x = {
		.trans	= trans,
		.c	= trans->c,
		.flags	= flags,
	};
	int ret;

	if (WARN_ON_ONCE(trans->restarted))
		return -trans->restarted;
	if (!bch2_trans_has_updates(trans) && !trans->s.hooks)
		return 0;

	trans->s.flags		= flags;
	trans->s.disk_res	= res;
	trans->s.journal_seq	= journal_seq;

	ret = commit_run(&x);
	bch2_trans_reset_updates(trans);
	if (!ret)
		bch2_trans_downgrade(trans);
	return ret;
}
