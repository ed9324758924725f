// SPDX-License-Identifier: GPL-2.0
/*
 * What is done about a commit that could not go through, before it is tried again
 * (spec 21 section 8.3), and slowing down those who write faster than the devices.
 *
 * Nothing of the commit has happened when a cure runs; it may drop locks, and ends
 * in a restart if something changed meanwhile. For btree/commit.c.
 */
#include <linux/atomic.h>
#include <linux/minmax.h>
#include <linux/wait.h>

#include "bcachefs.h"
#include "btree/commit_priv.h"
#include "btree/interior.h"
#include "btree/key_cache.h"
#include "btree/trans.h"
#include "journal/journal.h"
#include "journal/jset_format.h"

/** trans_has_interior_updates - does the transaction change interior nodes or roots? */
bool trans_has_interior_updates(const struct btree_trans *trans)
{
	const u64 *p = trans->s.entries.d, *end = p + trans->s.entries.nr;
	const struct btree_update_entry *i;

	for_each_update(trans, i)
		if (i->level)
			return true;
	while (p < end) {
		const struct jset_entry *e = (const struct jset_entry *) p;

		if (e->type == BCH_JSET_ENTRY_btree_root ||
		    (e->type == BCH_JSET_ENTRY_btree_keys && e->level))
			return true;
		p = jset_entry_end(e);
	}
	return false;
}

/* Updates that make space, or are needed for it: they may dig deeper. */
static bool touches_data(const struct btree_trans *trans)
{
	const struct btree_update_entry *i;

	for_each_update(trans, i)
		if (i->level || i->btree_id == BTREE_ID_extents ||
		    i->btree_id == BTREE_ID_reflink || i->btree_id == BTREE_ID_stripes)
			return true;
	return trans_has_interior_updates(trans);
}

static int cure_full_leaf(struct commit *x)
{
	const unsigned watermark = max_t(unsigned, commit_watermark(x),
					 touches_data(x->trans) ? BCH_WATERMARK_btree_copygc
								: BCH_WATERMARK_btree);
	int ret = bch2_btree_split_leaf(x->trans, x->full->iter,
					(x->flags & ~BCH_WATERMARK_MASK) | watermark);

	if (ret)
		return ret;
	/* The leaf is another one now, and may have been changed in between. */
	return bch2_trans_restart(x->trans, trans_has_interior_updates(x->trans)
		? BCH_ERR_transaction_restart_split_with_interior_updates
		: BCH_ERR_transaction_restart_relock);
}

/*
 * Would waiting be for reclaim, by reclaim? Below watermark reclaim always, and at
 * that one for room, which only interior updates find (journal/space.c).
 */
static bool journal_would_deadlock(const struct commit *x, int err)
{
	if (!(x->flags & BCH_TRANS_COMMIT_journal_reclaim))
		return false;
	return commit_watermark(x) < BCH_WATERMARK_reclaim ||
		(commit_watermark(x) < BCH_WATERMARK_interior_updates &&
		 (err == -BCH_ERR_journal_full || err == -BCH_ERR_journal_watermark));
}

static int cure_journal(struct commit *x, int err)
{
	struct journal_res unused = {};

	if (journal_would_deadlock(x, err))
		return -BCH_ERR_journal_reclaim_would_deadlock;

	return drop_locks_do(x->trans,
			bch2_journal_res_get(x->c, &unused, x->journal_u64s,
					     commit_watermark(x)|JOURNAL_RES_GET_CHECK));
}

/**
 * commit_cure - make it possible for a commit to be tried again
 * @x:		commit that did nothing
 * @err:	why
 *
 * Return: 0: try again; a restart; or @err, or another error: give up.
 */
int commit_cure(struct commit *x, int err)
{
	int ret;

	if (err == -BCH_ERR_btree_insert_btree_node_full)
		return cure_full_leaf(x);

	if (err == -BCH_ERR_btree_insert_need_mark_replicas)
		ret = x->c->up.replicas_cure
			? drop_locks_do(x->trans, x->c->up.replicas_cure(x->trans)) : err;
	else if (err == -BCH_ERR_btree_insert_need_key_cache_room)
		ret = drop_locks_do(x->trans, bch2_key_cache_make_room(x->c));
	else if (bch2_err_matches(err, BCH_ERR_journal_res_get_blocked))
		ret = cure_journal(x, err);
	else
		return err;

	/* others have committed meanwhile: the number to pin may be another one */
	if (!ret && !commit_journals(x))
		ret = bch2_trans_restart(x->trans, BCH_ERR_transaction_restart_commit);
	return ret;
}

/* --- not too much at a time --- */

#define NODE_WRITES_MAX		64
/* Small filesystems may have all their nodes dirty. */
#define NODES_FEW		256

static bool too_many_node_writes(struct bch_fs *c)
{
	const int nr = atomic_read(&c->btree.writes.nr_in_flight);
	const size_t nodes = READ_ONCE(c->btree.cache.nr_nodes);

	return nr > NODE_WRITES_MAX ||
		(nr && nodes > NODES_FEW && READ_ONCE(c->btree.writes.nr_dirty) > nodes / 4 * 3);
}

/**
 * commit_throttle - wait while there are too many writes of nodes (8.2 step 1)
 * @x:	commit, at its beginning
 *
 * Return: 0 or a restart.
 */
int commit_throttle(struct commit *x)
{
	struct bch_fs *c = x->c;

	if (commit_watermark(x) >= BCH_WATERMARK_copygc || x->trans->replay_unfinished ||
	    (x->flags & BCH_TRANS_COMMIT_journal_reclaim) ||
	    !c->btree.writes.initialized || likely(!too_many_node_writes(c)))
		return 0;

	bch2_trans_unlock(x->trans);
	wait_event(c->btree.writes.wait,
		   !too_many_node_writes(c) || bch2_journal_error(c));
	return bch2_trans_relock(x->trans);
}
