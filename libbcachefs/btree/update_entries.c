// SPDX-License-Identifier: GPL-2.0
/*
 * What a transaction carries besides updates of btree keys: records for the
 * journal (buffered updates, text), accounting deltas, hooks (spec 21 section
 * 6.6, 22 section 3.1).
 *
 * Records are struct jset_entry one behind the other in trans->s.entries; deltas
 * are keys one behind the other in trans->s.accounting, one per counter. Both
 * are in the arena.
 */
#include <linux/err.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "journal/journal.h"
#include "util/log.h"
#include "util/printbuf.h"

/**
 * bch2_trans_jset_entry_alloc - a record of the transaction's own
 * @trans:	transaction
 * @u64s:	words of payload
 *
 * Return: the record, zeroed but for its size, until the next one is allocated;
 * or ERR_PTR.
 */
struct jset_entry *bch2_trans_jset_entry_alloc(struct btree_trans *trans, unsigned u64s)
{
	struct jset_entry *e;

	if (WARN_ON_ONCE(u64s > U16_MAX))
		return ERR_PTR(-EINVAL);
	e = (struct jset_entry *) bch2_trans_words_add(trans, &trans->s.entries, 1 + u64s);
	if (!e)
		return ERR_PTR(-ENOMEM);
	e->u64s = cpu_to_le16(u64s);
	return e;
}

static int entry_add_key(struct btree_trans *trans, unsigned type, unsigned btree,
			 unsigned level, const struct bkey_i *k)
{
	struct jset_entry *e = bch2_trans_jset_entry_alloc(trans, k->k.u64s);

	if (IS_ERR(e))
		return PTR_ERR(e);
	e->type		= type;
	e->btree_id	= btree;
	e->level	= level;
	bkey_copy(jset_entry_keys_start(e), k);
	return 0;
}

/**
 * bch2_trans_update_buffered - an update that goes through the write buffer
 * @trans:	transaction
 * @btree:	a buffered btree; any other is a mistake that stops the filesystem
 * @k:		new key, copied
 *
 * Also for atomic triggers that have called bch2_trans_extra_journal_u64s()
 * before: then it neither allocates nor fails (ND-4). There is no bypass while
 * the journal is replayed (spec 22 section 11.8.6).
 *
 * Return: 0, -ENOMEM, or -BCH_ERR_update_not_buffered.
 */
int bch2_trans_update_buffered(struct btree_trans *trans, unsigned btree,
			       const struct bkey_i *k)
{
	struct bch_fs *c = trans->c;

	if (unlikely(!btree_type_uses_write_buffer(btree))) {
		bch_err(c, "buffered update of btree %u, which is not buffered", btree);
		if (c->up.emergency_ro)
			c->up.emergency_ro(c);
		return -BCH_ERR_update_not_buffered;
	}
	return entry_add_key(trans, BCH_JSET_ENTRY_write_buffer_keys, btree, 0, k);
}

/**
 * bch2_trans_extra_journal_u64s - atomic triggers will append records
 * @trans:	transaction
 * @u64s:	words they may take, headers included
 *
 * By transactional triggers. Spec 22 section 12.4. Memory for all of them is got
 * by the commit.
 *
 * Return: 0.
 */
int bch2_trans_extra_journal_u64s(struct btree_trans *trans, unsigned u64s)
{
	trans->s.extra_journal_u64s += u64s;
	return 0;
}

/**
 * bch2_trans_jset_entry_append_reserved - append a record with one key
 * @trans:	transaction whose commit runs its atomic triggers
 * @type:	enum bch_jset_entry_type
 * @btree:	btree
 * @level:	level of the key
 * @k:		key, copied
 *
 * In room that bch2_trans_extra_journal_u64s() asked for: neither allocates nor
 * fails (ND-4).
 */
void bch2_trans_jset_entry_append_reserved(struct btree_trans *trans, unsigned type,
					   unsigned btree, unsigned level,
					   const struct bkey_i *k)
{
	const struct trans_words *w = &trans->s.entries;

	if (WARN_ON(w->size - w->nr < 1U + k->k.u64s))
		return;
	entry_add_key(trans, type, btree, level, k);
}

/**
 * bch2_btree_bit_mod_buffered - set or clear a position of a buffered bit btree
 * @trans:	transaction
 * @btree:	btree
 * @pos:	position
 * @set:	set, or delete
 *
 * Return: as bch2_trans_update_buffered().
 */
int bch2_btree_bit_mod_buffered(struct btree_trans *trans, unsigned btree, struct bpos pos,
				bool set)
{
	struct bkey_i k;

	bkey_init(&k.k);
	k.k.type	= set ? KEY_TYPE_set : KEY_TYPE_deleted;
	k.k.p		= pos;
	return bch2_trans_update_buffered(trans, btree, &k);
}

/* --- text --- */

static int log_bytes(struct btree_trans *trans, const char *s, size_t len)
{
	const unsigned u64s = DIV_ROUND_UP(min_t(size_t, len, 4096), sizeof(u64));
	struct jset_entry *e = bch2_trans_jset_entry_alloc(trans, u64s);

	if (IS_ERR(e))
		return PTR_ERR(e);
	e->type		= BCH_JSET_ENTRY_log;
	e->level	= BCH_JSET_LOG_text;
	memcpy(jset_entry_data(e), s, min_t(size_t, len, 4096));
	return 0;
}

/**
 * bch2_trans_log_str - a line of text in the journal, with this transaction
 * @trans:	transaction
 * @msg:	text; what is beyond 4096 bytes is left out
 *
 * Return: 0 or an error.
 */
int bch2_trans_log_str(struct btree_trans *trans, const char *msg)
{
	return log_bytes(trans, msg, strlen(msg));
}

/**
 * bch2_trans_log_msg - the same from a printbuf
 * @trans:	transaction
 * @msg:	text
 *
 * Return: 0 or an error.
 */
int bch2_trans_log_msg(struct btree_trans *trans, struct printbuf *msg)
{
	return log_bytes(trans, msg->buf, msg->pos);
}

/**
 * bch2_trans_log_bkey - a key in the journal, for people only
 * @trans:	transaction
 * @btree:	its btree
 * @level:	its level
 * @k:		key, copied
 *
 * Return: 0 or an error.
 */
int bch2_trans_log_bkey(struct btree_trans *trans, unsigned btree, unsigned level,
			const struct bkey_i *k)
{
	return entry_add_key(trans, BCH_JSET_ENTRY_log_bkey, btree, level, k);
}

/* --- hooks --- */

/**
 * bch2_trans_commit_hook - have something called inside the commit
 * @trans:	transaction
 * @hook:	memory that stays until the commit; its function is called with the
 *		journal reservation and all write locks held, must not sleep, and can
 *		still fail
 */
void bch2_trans_commit_hook(struct btree_trans *trans, struct btree_trans_commit_hook *hook)
{
	hook->next	= trans->s.hooks;
	trans->s.hooks	= hook;
}

/* --- accounting --- */

static struct bkey_i *accounting_find(struct btree_trans *trans, struct bpos pos, unsigned nr)
{
	u64 *i = trans->s.accounting.d, *end = i + trans->s.accounting.nr;

	while (i < end) {
		struct bkey_i *k = (struct bkey_i *) i;

		if (bpos_eq(k->k.p, pos) && bkey_val_u64s(&k->k) == nr)
			return k;
		i += k->k.u64s;
	}
	return NULL;
}

static void accounting_remove(struct btree_trans *trans, struct bkey_i *k)
{
	struct trans_words *w = &trans->s.accounting;
	const u32 at = (u64 *) k - w->d, u64s = k->k.u64s;

	memmove(w->d + at, w->d + at + u64s, (w->nr - at - u64s) * sizeof(u64));
	w->nr -= u64s;
}

static struct bkey_i *accounting_new(struct btree_trans *trans, struct bpos pos, unsigned nr)
{
	struct bkey_i *k = (struct bkey_i *) bch2_trans_words_add(trans, &trans->s.accounting,
								  BKEY_U64s + nr);

	if (!k)
		return NULL;
	bkey_init(&k->k);
	k->k.type	= KEY_TYPE_accounting;
	k->k.p		= pos;
	set_bkey_val_u64s(&k->k, nr);
	return k;
}

/**
 * bch2_trans_accounting_add - change a counter by a delta
 * @trans:	transaction
 * @pos:	which counter (spec 41 section 2.1)
 * @d:		deltas
 * @nr:		how many, 1 to 3
 *
 * Deltas of one counter are summed; a sum of zero is none (spec 22 3.1.5).
 *
 * Return: the sum so far, until the next call; NULL if it is zero; ERR_PTR.
 */
struct bkey_i_accounting *bch2_trans_accounting_add(struct btree_trans *trans, struct bpos pos,
						    const s64 *d, unsigned nr)
{
	struct bkey_i *k = accounting_find(trans, pos, nr);
	bool zero = true;
	__le64 *v;

	if (!k) {
		k = accounting_new(trans, pos, nr);
		if (!k)
			return ERR_PTR(-ENOMEM);
	}
	v = (__le64 *) &k->v;
	for (unsigned i = 0; i < nr; i++) {
		le64_add_cpu(&v[i], d[i]);
		zero &= !v[i];
	}
	if (zero) {
		accounting_remove(trans, k);
		return NULL;
	}
	return bkey_i_to_accounting(k);
}
