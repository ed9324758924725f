// SPDX-License-Identifier: GPL-2.0
/*
 * Commits while the journal of the last run is being replayed (spec 22 sections
 * 10 and 11.7).
 *
 * Invariant (OV-5, SY-1, SY-2): an overlay key is marked overwritten by the
 * commit that supersedes it - be it an update of a btree, one that only goes to
 * the key cache, a pointer, or a buffered one that reaches its btree much later -
 * with the overwrite lock and all write locks of the commit held, after the last
 * point where the commit can fail. A replay commit looks, under the same lock,
 * whether its keys are still wanted (SY-3). Nothing here sleeps but on the
 * overwrite lock itself (SY-4).
 */
#include <linux/lockdep.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/commit.h"
#include "btree/commit_priv.h"
#include "btree/trans.h"
#include "journal/jset_format.h"
#include "journal/overlay.h"
#include "journal/pins.h"

/* Tests only: what happens without all this? */
static bool overlay_sync_off(const struct bch_fs *c)
{
#ifdef CONFIG_BCACHEFS_TESTS
	return READ_ONCE(c->btree.test_no_overlay_sync);
#else
	return false;
#endif
}

/* Deltas do not supersede each other (RP-2). */
static bool is_delta(unsigned btree, const struct bkey *k)
{
	return btree == BTREE_ID_accounting && k->type == KEY_TYPE_accounting;
}

/* Types of the transaction's own records whose keys take effect. */
static bool entry_supersedes(const struct jset_entry *e)
{
	return e->type == BCH_JSET_ENTRY_btree_keys ||
		e->type == BCH_JSET_ENTRY_write_buffer_keys;
}

typedef bool (*place_fn)(struct bch_fs *c, unsigned btree, unsigned level, struct bpos pos);

/*
 * Call @fn for each place the transaction changes, with the records that its
 * atomic triggers have appended by now. Ends with true as soon as @fn says so.
 */
static bool for_each_place(struct btree_trans *trans, place_fn fn)
{
	const struct btree_update_entry *i;
	const u64 *p = trans->s.entries.d, *end = p + trans->s.entries.nr;

	for_each_update(trans, i)
		if (!is_delta(i->btree_id, &i->k->k) &&
		    fn(trans->c, i->btree_id, i->level, i->k->k.p))
			return true;

	while (p < end) {
		const struct jset_entry *e = (const struct jset_entry *) p;
		const struct bkey_i *k = jset_entry_keys_start(e);

		p = jset_entry_end(e);
		if (!entry_supersedes(e))
			continue;
		for (; (const u64 *) k < p; k = bkey_next(k))
			if (!is_delta(e->btree_id, &k->k) &&
			    fn(trans->c, e->btree_id, e->level, k->k.p))
				return true;
	}
	return false;
}

static bool place_overwritten(struct bch_fs *c, unsigned btree, unsigned level, struct bpos pos)
{
	const struct journal_key *k = bch2_journal_keys_find(c, btree, level, pos);

	return k && bch2_journal_key_overwritten(k);
}

static bool place_mark(struct bch_fs *c, unsigned btree, unsigned level, struct bpos pos)
{
	bch2_journal_keys_mark_overwritten(c, btree, level, pos);
	return false;
}

/**
 * bch2_trans_overlay_check - is everything a replay commit brings still wanted?
 * @trans:	transaction of replay; overwrite lock held
 *
 * Return: 0, or a restart: the attempt finds the key overwritten and ends.
 */
int bch2_trans_overlay_check(struct btree_trans *trans)
{
	lockdep_assert_held(&trans->c->journal.keys.overwrite_lock);

	if (overlay_sync_off(trans->c) || !for_each_place(trans, place_overwritten))
		return 0;
	return bch2_trans_restart(trans, BCH_ERR_transaction_restart_journal_overwrites_changed);
}

/**
 * bch2_trans_overlay_mark - the overlay keys this transaction supersedes
 * @trans:	transaction whose commit has succeeded; overwrite lock held
 */
void bch2_trans_overlay_mark(struct btree_trans *trans)
{
	lockdep_assert_held(&trans->c->journal.keys.overwrite_lock);

	if (overlay_sync_off(trans->c)) {
		const struct btree_update_entry *i;

		/* as it once was: btree updates only */
		for_each_update(trans, i)
			if (!is_delta(i->btree_id, &i->k->k))
				place_mark(trans->c, i->btree_id, i->level, i->k->k.p);
		return;
	}
	for_each_place(trans, place_mark);
}

#ifdef CONFIG_BCACHEFS_TESTS
/**
 * commit_test_lock_outside - tests only: the overwrite lock, before the locks of nodes
 * @trans:	transaction that is about to lock its nodes
 *
 * Return: was it taken? Always false unless a test asks for the wrong order, the one
 * of spec 22 section 11.8.3.
 */
bool commit_test_lock_outside(struct btree_trans *trans)
{
	const bool lock = trans->replay_unfinished &&
		READ_ONCE(trans->c->btree.test_overwrite_lock_outside);

	if (lock)
		mutex_lock(&trans->c->journal.keys.overwrite_lock);
	return lock;
}

/**
 * commit_test_unlock_outside - tests only: let go of it
 * @trans:	transaction
 * @locked:	what commit_test_lock_outside() returned
 */
void commit_test_unlock_outside(struct btree_trans *trans, bool locked)
{
	if (locked)
		mutex_unlock(&trans->c->journal.keys.overwrite_lock);
}

/**
 * commit_test_mark_early - tests only: what SY-2 forbids
 * @trans:	transaction that can still fail; overwrite lock held
 */
void commit_test_mark_early(struct btree_trans *trans)
{
	if (READ_ONCE(trans->c->btree.test_mark_early))
		for_each_place(trans, place_mark);
}
#endif

/* Tests only: what if interior updates rely on replay's pins? */
static bool supersede_unpinned(const struct bch_fs *c)
{
#ifdef CONFIG_BCACHEFS_TESTS
	return READ_ONCE(c->btree.test_supersede_unpinned);
#else
	return false;
#endif
}

/**
 * bch2_overlay_mark_overwritten - a pointer was changed in memory (IU-8)
 * @c:		filesystem; the caller's transaction has the overlay
 *		(trans->replay_unfinished) and the node write locked
 * @btree:	btree
 * @level:	level of the key
 * @pos:	position
 *
 * Takes the overwrite lock.
 */
void bch2_overlay_mark_overwritten(struct bch_fs *c, unsigned btree, unsigned level,
				   struct bpos pos)
{
	mutex_lock(&c->journal.keys.overwrite_lock);
	bch2_journal_keys_mark_overwritten(c, btree, level, pos);
	mutex_unlock(&c->journal.keys.overwrite_lock);
}

/**
 * bch2_overlay_mark_overwritten_pin - the same, keeping the key's journal entry
 * @c:		filesystem; as bch2_overlay_mark_overwritten()
 * @btree:	btree
 * @level:	level of the key
 * @pos:	position
 * @pin:	is on the entry of the key that is superseded, or an older one,
 *		afterwards
 * @flush:	of the pin
 *
 * For interior updates, which journal what they did only later: until then the
 * old pointer must be found after a crash (spec 22 section 11.8.8). The pin is
 * taken before the key is marked, so that replay has not passed it.
 */
void bch2_overlay_mark_overwritten_pin(struct bch_fs *c, unsigned btree, unsigned level,
				       struct bpos pos, struct journal_entry_pin *pin,
				       journal_pin_flush_fn flush)
{
	struct journal_key *k;

	mutex_lock(&c->journal.keys.overwrite_lock);
	k = bch2_journal_keys_find(c, btree, level, pos);
	if (k && !k->overwritten) {
		if (k->journal_seq && !supersede_unpinned(c))
			bch2_journal_pin_add(c, k->journal_seq, pin, pin->type, flush);
		bch2_journal_key_mark_overwritten(c, k);
	}
	mutex_unlock(&c->journal.keys.overwrite_lock);
}
