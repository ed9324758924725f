// SPDX-License-Identifier: GPL-2.0
/*
 * What a commit writes into the journal: how much it is, and the words (spec 21
 * section 8.2 steps 6, 11 and 13; 41 section 2.6 for the versions of deltas).
 *
 * A transaction is one piece of one entry: its name, then for each update the key
 * replaced and the new key, then the transaction's own records, then its deltas.
 * For btree/commit.c.
 */
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/commit_priv.h"
#include "journal/journal.h"
#include "journal/jset_format.h"

/* Words of the name in front of a transaction: header and 32 bytes of text. */
#define NAME_U64s	4

static unsigned updates_u64s(const struct commit *x)
{
	const struct btree_update_entry *i;
	unsigned u64s = 0;

	for_each_update(x->trans, i) {
		if (!update_journals(i))
			continue;
		u64s += 1 + i->k->k.u64s;
		if (x->names)
			u64s += 1 + i->old_k.u64s;
	}
	return u64s;
}

/**
 * commit_journal_size - words of journal this commit takes at most
 * @x:	commit; x->names decided
 */
unsigned commit_journal_size(const struct commit *x)
{
	const struct trans_commit_state *s = &x->trans->s;
	unsigned u64s = updates_u64s(x) + s->entries.nr + s->extra_journal_u64s;

	if (x->names)
		u64s += 1 + NAME_U64s;
	if (s->accounting.nr)
		u64s += 1 + s->accounting.nr;
	return u64s;
}

/* --- deltas --- */

#define for_each_delta(_trans, _k)						\
	for (_k = (struct bkey_i *) (_trans)->s.accounting.d;			\
	     (u64 *) _k < (_trans)->s.accounting.d + (_trans)->s.accounting.nr;	\
	     _k = bkey_next(_k))

static struct bversion delta_version(u64 seq, u64 position)
{
	return (struct bversion) {
		.hi = seq >> 32,
		.lo = (seq << 32) | position,
	};
}

/**
 * commit_account - give the deltas their versions, add them to the counters
 * @x:	commit, with its reservation and nothing written into it yet
 *
 * Spec 41 section 2.6: where the words behind the name begin, plus where in the
 * list of deltas. All counters change, or none does.
 *
 * Return: 0, or -BCH_ERR_btree_insert_need_mark_replicas.
 */
int commit_account(struct commit *x)
{
	struct btree_trans *trans = x->trans;
	const struct journal_res *res = &trans->s.journal_res;
	const u64 base = res->offset + (x->names ? 1 + NAME_U64s : 0);
	struct bkey_i *k, *undo;
	int ret;

	for_each_delta(trans, k) {
		k->k.bversion = delta_version(res->seq,
					      base + ((u64 *) k - trans->s.accounting.d));
		if ((x->flags & BCH_TRANS_COMMIT_skip_accounting_apply) ||
		    !x->c->up.accounting_apply)
			continue;
		ret = x->c->up.accounting_apply(trans, k);
		if (ret)
			goto undo;
	}
	if (!(x->flags & BCH_TRANS_COMMIT_skip_accounting_apply) &&
	    x->c->up.disk_reservation_settle)
		x->c->up.disk_reservation_settle(trans);
	return 0;
undo:
	for (undo = (struct bkey_i *) trans->s.accounting.d; undo != k; undo = bkey_next(undo))
		x->c->up.accounting_unapply(trans, undo);
	return ret;
}

/* --- filling --- */

static void fill_name(struct commit *x, struct journal_res *res)
{
	struct jset_entry *e = bch2_journal_add_entry(res, BCH_JSET_ENTRY_log, 0,
						      BCH_JSET_LOG_transaction, NAME_U64s);
	char *text = jset_entry_data(e);
	const size_t len = min_t(size_t, x->trans->fn ? strlen(x->trans->fn) : 0,
				 NAME_U64s * sizeof(u64));

	memset(text, 0, NAME_U64s * sizeof(u64));
	if (len)
		memcpy(text, x->trans->fn, len);
}

static void fill_update(struct commit *x, struct journal_res *res,
			const struct btree_update_entry *i)
{
	struct jset_entry *e;

	/* CM-5: rewinding takes the old key from here */
	if (x->names) {
		const struct bkey_s_c old = { &i->old_k, i->old_v };

		e = bch2_journal_add_entry(res, BCH_JSET_ENTRY_overwrite, i->btree_id,
					   i->level, old.k->u64s);
		bkey_reassemble(jset_entry_keys_start(e), old);
	}
	e = bch2_journal_add_entry(res, BCH_JSET_ENTRY_btree_keys, i->btree_id, i->level,
				   i->k->k.u64s);
	bkey_copy(jset_entry_keys_start(e), i->k);
}

/**
 * commit_fill_journal - write everything into the reservation
 * @x:	commit; cannot fail any more
 */
void commit_fill_journal(struct commit *x)
{
	struct trans_commit_state *s = &x->trans->s;
	struct journal_res *res = &s->journal_res;
	const struct btree_update_entry *i;

	if (x->names)
		fill_name(x, res);
	for_each_update(x->trans, i)
		if (update_journals(i))
			fill_update(x, res, i);

	if (s->entries.nr)
		bch2_journal_add_words(res, s->entries.d, s->entries.nr);
	if (s->accounting.nr) {
		struct jset_entry *e =
			bch2_journal_add_entry(res, BCH_JSET_ENTRY_write_buffer_keys,
					       BTREE_ID_accounting, 0, s->accounting.nr);

		memcpy(jset_entry_data(e), s->accounting.d, s->accounting.nr * sizeof(u64));
	}
}
