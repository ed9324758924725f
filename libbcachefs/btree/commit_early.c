// SPDX-License-Identifier: GPL-2.0
/*
 * Commits before the filesystem can be written: everything goes into the overlay,
 * from where replay brings it into the btrees, or which is thrown away in the end
 * (spec 22 section 8.3).
 *
 * Only the thread that runs the start commits then. Transactional triggers have
 * run; atomic ones do not. Memory is got first, so that all keys go in or none.
 */
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/commit_priv.h"
#include "btree/trans.h"
#include "journal/journal.h"
#include "journal/jset_format.h"
#include "journal/overlay.h"

struct early_key {
	struct bkey_i		*k;		/* kmalloc'd */
	u8			btree_id;
	u8			level;
};

struct early {
	struct btree_trans	*trans;
	struct early_key	*keys;		/* in the arena */
	unsigned		nr;
	unsigned		size;
};

static unsigned nr_keys(const u64 *p, const u64 *end)
{
	unsigned nr = 0;

	for (; p < end; p += ((const struct bkey_i *) p)->k.u64s)
		nr++;
	return nr;
}

static bool entry_takes_effect(const struct jset_entry *e)
{
	return e->type == BCH_JSET_ENTRY_btree_keys ||
		e->type == BCH_JSET_ENTRY_write_buffer_keys;
}

#define for_each_entry(_trans, _e)						\
	for (_e = (struct jset_entry *) (_trans)->s.entries.d;			\
	     (u64 *) _e < (_trans)->s.entries.d + (_trans)->s.entries.nr;	\
	     _e = jset_entry_end(_e))

static unsigned count_keys(struct btree_trans *trans)
{
	const struct trans_words *a = &trans->s.accounting;
	unsigned nr = trans->s.nr_updates + nr_keys(a->d, a->d + a->nr);
	struct jset_entry *e;

	for_each_entry(trans, e)
		if (entry_takes_effect(e))
			nr += nr_keys(jset_entry_data(e), jset_entry_end(e));
	return nr;
}

static int add_copy(struct early *x, unsigned btree, unsigned level, const struct bkey_i *k)
{
	struct bkey_i *n;

	if (WARN_ON(x->nr == x->size))
		return -EINVAL;
	n = kmalloc(bkey_bytes(&k->k), GFP_KERNEL);
	if (!n)
		return -ENOMEM;
	bkey_copy(n, k);
	x->keys[x->nr++] = (struct early_key) {
		.k		= n,
		.btree_id	= btree,
		.level		= level,
	};
	return 0;
}

static int add_copies(struct early *x, unsigned btree, unsigned level, const u64 *p,
		      const u64 *end)
{
	while (p < end) {
		const struct bkey_i *k = (const struct bkey_i *) p;
		int ret = add_copy(x, btree, level, k);

		if (ret)
			return ret;
		p += k->k.u64s;
	}
	return 0;
}

static int copy_all(struct early *x)
{
	const struct trans_words *a = &x->trans->s.accounting;
	const struct btree_update_entry *i;
	struct jset_entry *e;
	int ret = 0;

	for_each_update(x->trans, i) {
		/* the key cache is not in use yet: its twin is all there is */
		if (i->key_cache_already_flushed)
			continue;
		ret = add_copy(x, i->btree_id, i->level, i->k);
		if (ret)
			return ret;
	}
	for_each_entry(x->trans, e) {
		if (!entry_takes_effect(e))
			continue;
		ret = add_copies(x, e->btree_id, e->level, jset_entry_data(e), jset_entry_end(e));
		if (ret)
			return ret;
	}
	return add_copies(x, BTREE_ID_accounting, 0, a->d, a->d + a->nr);
}

/* --- counters --- */

#define for_each_delta(_trans, _k)						\
	for (_k = (struct bkey_i *) (_trans)->s.accounting.d;			\
	     (u64 *) _k < (_trans)->s.accounting.d + (_trans)->s.accounting.nr;	\
	     _k = bkey_next(_k))

static int apply_deltas(struct btree_trans *trans)
{
	struct bch_fs *c = trans->c;
	struct bkey_i *k, *undo;
	int ret;

	if ((trans->s.flags & BCH_TRANS_COMMIT_skip_accounting_apply) ||
	    !c->up.accounting_apply)
		return 0;
	for_each_delta(trans, k) {
		ret = c->up.accounting_apply(trans, k);
		if (ret)
			goto undo;
	}
	return 0;
undo:
	for (undo = (struct bkey_i *) trans->s.accounting.d; undo != k; undo = bkey_next(undo))
		c->up.accounting_unapply(trans, undo);
	return ret;
}

static int count_deltas(struct btree_trans *trans)
{
	int ret;

	do {
		ret = apply_deltas(trans);
		if (ret != -BCH_ERR_btree_insert_need_mark_replicas ||
		    !trans->c->up.replicas_cure)
			break;
		ret = drop_locks_do(trans, trans->c->up.replicas_cure(trans));
	} while (!ret);
	return ret;
}

/* --- records that are no keys --- */

/* What the next start would find as the root (spec 21 section 12). */
static void set_root(struct bch_fs *c, const struct jset_entry *e)
{
	const struct bkey_i *k = jset_entry_keys_start(e);
	struct btree_root *r;

	if (WARN_ON(e->btree_id >= BTREE_ID_NR_MAX || le16_to_cpu(e->u64s) < BKEY_U64s ||
		    k->k.u64s > BKEY_BTREE_PTR_U64s_MAX))
		return;
	r = &c->btree.roots[e->btree_id];

	spin_lock(&c->btree.root_lock);
	bkey_copy(&r->key, k);
	r->level	= e->level;
	r->alive	= true;
	spin_unlock(&c->btree.root_lock);
}

static int other_entries(struct btree_trans *trans)
{
	struct bch_fs *c = trans->c;
	struct jset_entry *e;
	int ret = 0;

	for_each_entry(trans, e) {
		if (e->type == BCH_JSET_ENTRY_btree_root)
			set_root(c, e);
		/* text goes into the first entry, if there ever is one */
		if ((e->type == BCH_JSET_ENTRY_log || e->type == BCH_JSET_ENTRY_log_bkey) &&
		    c->journal.w)
			ret = ret ?: bch2_journal_early_add(c, (const u64 *) e,
						jset_entry_bytes(e) / sizeof(u64));
	}
	return ret;
}

/**
 * bch2_trans_commit_early - commit into the overlay
 * @trans:	transaction; transactional triggers have run
 *
 * Return: 0, an error, or a restart.
 */
int bch2_trans_commit_early(struct btree_trans *trans)
{
	struct early x = {
		.trans	= trans,
		.size	= count_keys(trans),
	};
	int ret;

	x.keys = bch2_trans_kmalloc(trans, x.size * sizeof(*x.keys));
	if (IS_ERR(x.keys))
		return PTR_ERR(x.keys);

	ret = copy_all(&x) ?: bch2_journal_keys_reserve(trans->c, x.nr) ?:
		other_entries(trans) ?: count_deltas(trans);
	if (ret) {
		while (x.nr)
			kfree(x.keys[--x.nr].k);
		return ret;
	}
	for (unsigned i = 0; i < x.nr && !ret; i++)
		ret = bch2_journal_key_insert_take(trans->c, x.keys[i].btree_id,
						   x.keys[i].level, x.keys[i].k);
	return ret;
}
