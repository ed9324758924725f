// SPDX-License-Identifier: GPL-2.0
/*
 * Updates of cached keys inside a commit: memory, the write lock, the new value and
 * its pin (spec 21 sections 6.5, 14.1). For btree/commit.c.
 *
 * Invariant: an entry changes, and dies, with its write lock held and after the
 * leaves of the same commit (KC-3, KC-5).
 */
#include <linux/bitops.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/iter.h"
#include "btree/key_cache.h"
#include "btree/key_cache_priv.h"
#include "btree/locking.h"
#include "btree/trans.h"
#include "journal/pins.h"
#include "util/six.h"

/**
 * bch2_key_cache_prep_update - before anything is write locked
 * @trans:	transaction
 * @i:		update of the key cache
 *
 * Memory for a larger key. Return: 0, -ENOMEM, or a restart.
 */
int bch2_key_cache_prep_update(struct btree_trans *trans, struct btree_update_entry *i)
{
	struct bkey_cached *ck = i->iter->ck;
	const unsigned u64s = i->k->k.u64s;

	if (!ck || i->iter->ck_lock != SIX_LOCK_intent)
		return bch2_trans_restart(trans, BCH_ERR_transaction_restart_key_cache_raced);
	if (ck->u64s >= u64s || ck->spare_u64s >= u64s)
		return 0;
	kfree(ck->spare);
	ck->spare_u64s	= 0;
	ck->spare	= kmalloc((u64s + 8) * sizeof(u64), GFP_NOFS);
	if (!ck->spare)
		return -ENOMEM;
	ck->spare_u64s = u64s + 8;
	return 0;
}

/**
 * bch2_key_cache_lock_write - write lock the entry of an update
 * @trans:	transaction
 * @i:		update of the key cache
 *
 * Return: 0 or a restart.
 */
int bch2_key_cache_lock_write(struct btree_trans *trans, struct btree_update_entry *i)
{
	struct bkey_cached *ck = i->iter->ck;

	if (!ck || i->iter->ck_lock != SIX_LOCK_intent || test_bit(BKEY_CACHED_dead, &ck->flags))
		return bch2_trans_restart(trans, BCH_ERR_transaction_restart_key_cache_raced);
	return bch2_trans_lock_write(trans, &ck->six);
}

/**
 * bch2_key_cache_unlock_write - and unlock it
 * @trans:	transaction
 * @i:		update of the key cache
 */
void bch2_key_cache_unlock_write(struct btree_trans *trans, struct btree_update_entry *i)
{
	struct bkey_cached *ck = i->iter->ck;
	struct btree_iter *iter;
	u32 seq;

	bch2_trans_unlock_write(trans, &ck->six);
	seq = six_lock_seq(&ck->six);
	list_for_each_entry(iter, &trans->iters, list)
		if (iter->ck == ck && iter->ck_lock >= 0)
			iter->ck_seq = seq;
}

/* Its key has been put into the leaf by the same commit (KC-3, KC-5). */
static void drop_written_through(struct bch_fs *c, struct bkey_cached *ck)
{
	struct btree_key_cache *kc = &c->btree.key_cache;

	if (test_and_clear_bit(BKEY_CACHED_dirty, &ck->flags)) {
		atomic_dec(&kc->nr_dirty);
		bch2_journal_pin_drop(c, &ck->pin);
	}
	spin_lock(&kc->lock);
	key_cache_unhash(kc, ck);
	spin_unlock(&kc->lock);
}

/**
 * bch2_key_cache_insert - the update takes effect
 * @trans:	transaction
 * @i:		update of the key cache, its entry write locked
 * @seq:	journal sequence number that holds it; 0: none, the key may get lost
 *
 * Leaves have been changed before.
 */
void bch2_key_cache_insert(struct btree_trans *trans, struct btree_update_entry *i, u64 seq)
{
	struct bch_fs *c = trans->c;
	struct bkey_cached *ck = i->iter->ck;

	if (i->key_cache_already_flushed) {
		drop_written_through(c, ck);
		return;
	}
	if (ck->u64s < i->k->k.u64s) {
		swap(ck->k, ck->spare);
		swap(ck->u64s, ck->spare_u64s);
	}
	bkey_copy(ck->k, i->k);
	if (!seq)
		return;
	if (!test_and_set_bit(BKEY_CACHED_dirty, &ck->flags))
		atomic_inc(&c->btree.key_cache.nr_dirty);
	bch2_journal_pin_add(c, seq, &ck->pin, JOURNAL_PIN_TYPE_key_cache,
			     c->btree.key_cache.flush);
	if (seq > ck->seq)
		ck->seq = seq;
}
