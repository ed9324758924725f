// SPDX-License-Identifier: GPL-2.0
/*
 * Running triggers: the methods of key types that keep derived data in step with
 * updates (spec 21 section 7).
 *
 * Transactional triggers run before anything is locked for writing, and may queue
 * more; the lists are gone through in the order of triggers until none is left.
 * Atomic triggers run when the commit can no longer fail. For commits, and for
 * interior updates that have no entry in a list of updates.
 */
#include <linux/err.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/commit.h"
#include "btree/trans.h"
#include "btree/update.h"

typedef int (*trigger_fn)(struct btree_trans *trans, enum btree_id btree, unsigned level,
			  struct bkey_s_c old, struct bkey_s new_key, unsigned flags);

static trigger_fn trigger_of(unsigned type)
{
	const struct bkey_ops *ops = bch2_bkey_type_ops(type);

	return ops ? ops->trigger : NULL;
}

/* Call @type's method; nothing to do if it has none. */
static int call(struct btree_trans *trans, unsigned type, unsigned btree, unsigned level,
		struct bkey_s_c old, struct bkey_s new, unsigned flags)
{
	const trigger_fn fn = trigger_of(type);

	return fn ? fn(trans, btree, level, old, new, flags) : 0;
}

static int call_insert(struct btree_trans *trans, unsigned btree, unsigned level,
		       struct bkey_s new, unsigned flags)
{
	struct bkey none = bkey_deleted_at(new.k->p);

	return call(trans, new.k->type, btree, level, (struct bkey_s_c) { &none, NULL }, new,
		    flags|BTREE_TRIGGER_insert);
}

static int call_overwrite(struct btree_trans *trans, unsigned btree, unsigned level,
			  struct bkey_s_c old, unsigned flags)
{
	struct bkey_i none;

	none.k = bkey_deleted_at(old.k->p);
	return call(trans, old.k->type, btree, level, old, bkey_i_to_s(&none),
		    flags|BTREE_TRIGGER_overwrite);
}

/**
 * bch2_trans_mark_key - call the triggers for one replacement
 * @trans:	transaction
 * @btree:	btree
 * @level:	level of the keys; root pointers: one above the root
 * @old:	key that goes; type deleted: none
 * @new:	key that comes; type deleted: none
 * @flags:	BTREE_TRIGGER_transactional, _atomic or _gc, and hints
 *
 * Insertion before overwriting, if the types differ.
 *
 * Return: 0, an error, or a restart.
 */
int bch2_trans_mark_key(struct btree_trans *trans, unsigned btree, unsigned level,
			struct bkey_s_c old, struct bkey_s new, unsigned flags)
{
	if (trigger_of(old.k->type) == trigger_of(new.k->type))
		return call(trans, new.k->type, btree, level, old, new,
			    flags|BTREE_TRIGGER_insert|BTREE_TRIGGER_overwrite);
	return call_insert(trans, btree, level, new, flags) ?:
		call_overwrite(trans, btree, level, old, flags);
}

static struct bkey_s_c entry_old(const struct btree_update_entry *i)
{
	return (struct bkey_s_c) { &i->old_k, i->old_v };
}

/* --- transactional --- */

static bool has_transactional(const struct btree_update_entry *i)
{
	return i->level || btree_id_flags(i->btree_id) & BTREE_IS_trans_trigger;
}

/*
 * The next call that is due for entry @idx. The entry may move, or be replaced,
 * while the trigger runs: nothing of it is used afterwards. 1: called, 0: none due.
 */
static int run_one_transactional(struct btree_trans *trans, unsigned idx)
{
	struct btree_update_entry *i = trans->s.updates + idx;
	const struct btree_update_entry e = *i;
	const u32 flags = e.flags|BTREE_TRIGGER_transactional;
	int ret;

	if ((e.flags & BTREE_TRIGGER_norun) || e.key_cache_already_flushed ||
	    !has_transactional(i) || (e.insert_trigger_run && e.overwrite_trigger_run))
		return 0;

	if (!e.insert_trigger_run && !e.overwrite_trigger_run &&
	    trigger_of(e.old_k.type) == trigger_of(e.k->k.type)) {
		i->insert_trigger_run = i->overwrite_trigger_run = true;
		ret = call(trans, e.k->k.type, e.btree_id, e.level, entry_old(&e),
			   bkey_i_to_s(e.k),
			   flags|BTREE_TRIGGER_insert|BTREE_TRIGGER_overwrite);
	} else if (!e.overwrite_trigger_run) {
		i->overwrite_trigger_run = true;
		ret = call_overwrite(trans, e.btree_id, e.level, entry_old(&e), flags);
	} else {
		i->insert_trigger_run = true;
		ret = call_insert(trans, e.btree_id, e.level, bkey_i_to_s(e.k), flags);
	}
	return ret < 0 ? ret : 1;
}

/* Everything of one trigger order, until nothing is due. */
static int run_order(struct btree_trans *trans, unsigned order)
{
	bool again;

	do {
		again = false;
		for (unsigned i = 0; i < trans->s.nr_updates; i++) {
			const unsigned o =
				bch2_btree_trigger_order(trans->s.updates[i].btree_id);
			int ret;

			if (o < order)
				continue;
			if (o > order)
				break;
			ret = run_one_transactional(trans, i);
			if (ret < 0)
				return ret;
			again |= ret;
		}
	} while (again);
	return 0;
}

/* The smallest order above @order that has updates; -1: none. */
static int next_trigger_order(const struct btree_trans *trans, int order)
{
	for (unsigned i = 0; i < trans->s.nr_updates; i++) {
		const int o = bch2_btree_trigger_order(trans->s.updates[i].btree_id);

		if (o > order)
			return o;
	}
	return -1;
}

/**
 * bch2_trans_run_transactional_triggers - step 2 of a commit
 * @trans:	transaction
 *
 * Return: 0, an error, or a restart.
 */
int bch2_trans_run_transactional_triggers(struct btree_trans *trans)
{
	int order = -1;

	while ((order = next_trigger_order(trans, order)) >= 0) {
		int ret = run_order(trans, order);

		if (ret)
			return ret;
	}
	return 0;
}

/* --- atomic --- */

static bool has_atomic(const struct btree_update_entry *i)
{
	return !i->level && btree_id_flags(i->btree_id) & BTREE_IS_atomic_trigger;
}

/**
 * bch2_trans_run_atomic_triggers - step 12 of a commit
 * @trans:	transaction; nodes write locked, journal reservation held
 *
 * A recount (alloc/gc.h) is never under way then: it ends before the filesystem
 * may be written.
 *
 * Return: 0, or an error that is fatal for the filesystem.
 */
int bch2_trans_run_atomic_triggers(struct btree_trans *trans)
{
	/* atomic triggers queue no updates: the list does not change */
	for (unsigned idx = 0; idx < trans->s.nr_updates; idx++) {
		struct btree_update_entry *i = trans->s.updates + idx;
		int ret = 0;

		if ((i->flags & BTREE_TRIGGER_norun) || i->key_cache_already_flushed)
			continue;
		if (has_atomic(i))
			ret = bch2_trans_mark_key(trans, i->btree_id, i->level, entry_old(i),
						  bkey_i_to_s(i->k),
						  i->flags|BTREE_TRIGGER_atomic);
		if (ret)
			return ret;
	}
	return 0;
}
