// SPDX-License-Identifier: GPL-2.0
/*
 * Entries of the key cache: the table, filling, what iterators and commits do with
 * them (spec 21 section 14).
 *
 * Invariants: a position with an entry that is not "immediate" has a key in its
 * leaf (KC-1). An entry comes into the table with its leaf write locked, so whoever
 * holds a lock on the leaf and found none knows that there is none. It changes and
 * dies with its own write lock held; what it holds is at least as new as the leaf
 * and as what the overlay shows (OV-6). It is freed when nobody has it pinned and
 * reclaim does not look at its pin.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/hash.h>
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
#include "btree/node_check.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "journal/pins.h"
#include "util/six.h"

/* Clean entries beyond this many are evicted. */
#define KEY_CACHE_MAX		(64 << 10)
#define EVICT_BATCH		16

static struct btree_key_cache *cache_of(struct bch_fs *c)
{
	return &c->btree.key_cache;
}

/* --- the table --- */

static struct list_head *chain(struct btree_key_cache *kc, unsigned btree, struct bpos pos)
{
	const u64 h = hash_64(pos.inode, 64) ^ hash_64(pos.offset + pos.snapshot, 64) ^ btree;

	return &kc->hash[hash_64(h, KEY_CACHE_HASH_BITS)];
}

static struct bkey_cached *find(struct btree_key_cache *kc, unsigned btree, struct bpos pos)
{
	struct bkey_cached *ck;

	list_for_each_entry(ck, chain(kc, btree, pos), list)
		if (ck->btree_id == btree && bpos_eq(ck->pos, pos))
			return ck;
	return NULL;
}

/**
 * key_cache_get - the entry of a position, pinned; NULL: there is none
 * @c:		filesystem
 * @btree:	btree
 * @pos:	position
 */
struct bkey_cached *key_cache_get(struct bch_fs *c, unsigned btree, struct bpos pos)
{
	struct btree_key_cache *kc = cache_of(c);
	struct bkey_cached *ck;

	spin_lock(&kc->lock);
	ck = find(kc, btree, pos);
	if (ck) {
		atomic_inc(&ck->pins);
		set_bit(BKEY_CACHED_accessed, &ck->flags);
	}
	spin_unlock(&kc->lock);
	return ck;
}

static void key_cache_put(struct bch_fs *c, struct bkey_cached *ck)
{
	struct btree_key_cache *kc = cache_of(c);
	bool free;

	spin_lock(&kc->lock);
	free = atomic_dec_and_test(&ck->pins) && test_bit(BKEY_CACHED_dead, &ck->flags);
	if (free)
		list_add(&ck->list, &kc->dead);
	spin_unlock(&kc->lock);
	if (free)
		queue_work(system_unbound_wq, &kc->free_work);
}

/** key_cache_unhash - out of the table; @ck is pinned, or nobody's; kc->lock held */
void key_cache_unhash(struct btree_key_cache *kc, struct bkey_cached *ck)
{
	list_del_init(&ck->list);
	set_bit(BKEY_CACHED_dead, &ck->flags);
	atomic_dec(&kc->nr_keys);
}

/** key_cache_free - free an entry that is in no list and pins nothing */
void key_cache_free(struct bkey_cached *ck)
{
	kfree(ck->k);
	kfree(ck->spare);
	kfree(ck);
}

/* Make room by letting go of clean entries nobody uses. */
static void evict(struct btree_key_cache *kc)
{
	const unsigned nr_chains = 1U << KEY_CACHE_HASH_BITS;
	struct bkey_cached *ck, *n;
	unsigned left = EVICT_BATCH;

	if (likely(atomic_read(&kc->nr_keys) < KEY_CACHE_MAX))
		return;
	spin_lock(&kc->lock);
	for (unsigned i = 0; i < nr_chains && left; i++) {
		kc->hand = (kc->hand + 1) % nr_chains;
		list_for_each_entry_safe(ck, n, &kc->hash[kc->hand], list) {
			if (atomic_read(&ck->pins) || test_bit(BKEY_CACHED_dirty, &ck->flags) ||
			    test_and_clear_bit(BKEY_CACHED_accessed, &ck->flags))
				continue;
			key_cache_unhash(kc, ck);
			list_add(&ck->list, &kc->dead);
			if (!--left)
				break;
		}
	}
	spin_unlock(&kc->lock);
	queue_work(system_unbound_wq, &kc->free_work);
}

/* --- what an iterator holds --- */

/** bch2_key_cache_iter_drop - the iterator has nothing to do with its entry any more */
void bch2_key_cache_iter_drop(struct btree_iter *iter)
{
	struct bkey_cached *ck = iter->ck;

	if (!ck)
		return;
	if (iter->ck_lock >= 0)
		bch2_trans_unlock_one(iter->trans, &ck->six, iter->ck_lock);
	iter->ck	= NULL;
	iter->ck_lock	= iter->ck_relock = -1;
	key_cache_put(iter->trans->c, ck);
}

/** bch2_key_cache_iter_unlock - drop the lock, to be taken again */
void bch2_key_cache_iter_unlock(struct btree_iter *iter)
{
	if (!iter->ck || iter->ck_lock < 0)
		return;
	bch2_trans_unlock_one(iter->trans, &iter->ck->six, iter->ck_lock);
	iter->ck_relock	= iter->ck_lock;
	iter->ck_lock	= -1;
}

/** bch2_key_cache_iter_relock - take it again: 0, or a restart: the entry was changed */
int bch2_key_cache_iter_relock(struct btree_iter *iter)
{
	if (!iter->ck || iter->ck_relock < 0)
		return 0;
	if (iter->ck_lock < iter->ck_relock) {
		if (!bch2_trans_relock_one(iter->trans, &iter->ck->six, iter->ck_relock,
					   iter->ck_seq))
			return bch2_trans_restart(iter->trans,
					BCH_ERR_transaction_restart_relock_path);
		iter->ck_lock = iter->ck_relock;
	}
	iter->ck_relock = -1;
	return 0;
}

/** bch2_key_cache_iter_downgrade - an intent lock becomes a read lock */
void bch2_key_cache_iter_downgrade(struct btree_iter *iter)
{
	if (!iter->ck || iter->ck_lock != SIX_LOCK_intent)
		return;
	bch2_trans_downgrade_one(iter->trans, &iter->ck->six);
	iter->ck_lock = SIX_LOCK_read;
}

/**
 * key_cache_iter_lock - make the iterator hold an entry
 * @iter:	iterator
 * @ck:		entry, pinned; the pin is the iterator's afterwards
 * @type:	read or intent
 *
 * Return: 0, or a restart. The entry may be dead.
 */
int key_cache_iter_lock(struct btree_iter *iter, struct bkey_cached *ck, enum six_lock_type type)
{
	int ret = 0;

	if (iter->ck == ck) {
		key_cache_put(iter->trans->c, ck);
		if (iter->ck_lock >= (s8) type)
			return 0;
		if (iter->ck_lock >= 0) {
			bch2_trans_unlock_one(iter->trans, &ck->six, iter->ck_lock);
			iter->ck_lock = -1;
		}
	} else {
		bch2_key_cache_iter_drop(iter);
		iter->ck = ck;
	}
	iter->ck_relock = -1;
	ret = bch2_trans_lock(iter->trans, &ck->six, type);
	if (ret) {
		bch2_key_cache_iter_drop(iter);
		return ret;
	}
	iter->ck_lock	= type;
	iter->ck_seq	= six_lock_seq(&ck->six);
	return 0;
}

static bool pending_at(const struct btree_iter *iter, struct bpos pos)
{
	struct btree_trans *trans = iter->trans;

	return trans->s.nr_updates && !(iter->flags & BTREE_ITER_no_updates) &&
		(bch2_trans_update_find(trans, iter->btree_id, false, 0, pos) ||
		 bch2_trans_update_find(trans, iter->btree_id, true, 0, pos));
}

/**
 * bch2_key_cache_peek - what the key cache has in place of a key of the btree
 * @iter:	iterator, its leaf locked
 * @k:		key found, from the leaf, the overlay or a pending update
 *
 * KC-2. An overlay key that counts has been copied into the entry (OV-6), so it
 * does not matter that the overlay has been merged before.
 *
 * Return: @k, the cached key, or a restart.
 */
struct bkey_s_c bch2_key_cache_peek(struct btree_iter *iter, struct bkey_s_c k)
{
	struct bch_fs *c = iter->trans->c;
	struct bkey_cached *ck;
	int ret;

	if ((iter->flags & BTREE_ITER_key_cache_fill) ||
	    !bch2_key_cache_uses(c, iter->btree_id, iter->level) ||
	    !atomic_read(&cache_of(c)->nr_keys) || pending_at(iter, k.k->p))
		return k;

	ck = key_cache_get(c, iter->btree_id, k.k->p);
	if (!ck) {
		bch2_key_cache_iter_drop(iter);
		return k;
	}
	ret = key_cache_iter_lock(iter, ck, iter->flags & BTREE_ITER_intent
				  ? SIX_LOCK_intent : SIX_LOCK_read);
	if (ret)
		return bkey_s_c_err(ret);
	/* dead: evicted, it was clean; our lock on the leaf keeps others out */
	if (test_bit(BKEY_CACHED_dead, &ck->flags) ||
	    test_bit(BKEY_CACHED_immediate, &ck->flags)) {
		bch2_key_cache_iter_drop(iter);
		return k;
	}
	iter->unpacked = ck->k->k;
	return (struct bkey_s_c) { &iter->unpacked, &ck->k->v };
}

/* --- filling --- */

static struct bkey_cached *ck_alloc(unsigned btree, struct bpos pos, struct bkey_s_c k)
{
	struct bkey_cached *ck = kzalloc(sizeof(*ck), GFP_NOFS);
	/* most keys that are cached keep their size, or nearly */
	const unsigned u64s = k.k->u64s + 2;

	if (!ck)
		return NULL;
	ck->k = kmalloc(u64s * sizeof(u64), GFP_NOFS);
	if (!ck->k) {
		kfree(ck);
		return NULL;
	}
	ck->u64s	= u64s;
	ck->btree_id	= btree;
	ck->pos		= pos;
	six_lock_init(&ck->six);
	bch2_journal_pin_init(&ck->pin);
	bkey_reassemble(ck->k, k);
	ck->k->k.p = pos;
	return ck;
}

/* Does the leaf itself have a key at @pos? Locked. */
static bool leaf_has(const struct btree *b, struct bpos pos)
{
	const u32 i = bch2_btree_node_search(b, pos);

	return i < b->nr_keys &&
		!bch2_bkey_cmp_packed_pos(&b->unpack, btree_node_key(b, i), pos);
}

static int insert_filled(struct btree_iter *fill, struct bkey_cached *ck)
{
	struct btree_key_cache *kc = cache_of(fill->trans->c);
	struct btree *b = bch2_btree_iter_leaf(fill);
	bool have;
	int ret;

	/* no update of the leaf may slip in between, nor a lookup */
	ret = btree_node_lock_write(fill->trans, b);
	if (ret)
		return ret;
	spin_lock(&kc->lock);
	have = find(kc, ck->btree_id, ck->pos);
	if (!have) {
		list_add(&ck->list, chain(kc, ck->btree_id, ck->pos));
		atomic_inc(&kc->nr_keys);
	}
	spin_unlock(&kc->lock);
	btree_node_unlock_write(fill->trans, b);
	return have;
}

static int fill_one(struct btree_trans *trans, unsigned btree, struct bpos pos)
{
	struct bkey_cached *ck = NULL;
	struct btree_iter fill;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, &fill, btree, pos,
			     BTREE_ITER_intent|BTREE_ITER_all_snapshots|
			     BTREE_ITER_snapshot_field|BTREE_ITER_not_extents|
			     BTREE_ITER_no_updates|BTREE_ITER_key_cache_fill);
	/* leaf, and over it the overlay (OV-6) */
	k = bch2_btree_iter_peek_slot(&fill);
	ret = bkey_err(k) ?: bch2_btree_iter_upgrade(&fill, 0);
	if (!ret && !bch2_btree_iter_leaf(&fill))
		ret = -BCH_ERR_btree_root_bad_level;
	if (ret)
		goto out;
	ck = ck_alloc(btree, pos, k);
	if (!ck) {
		ret = -ENOMEM;
		goto out;
	}
	if (bkey_deleted(k.k) || !leaf_has(bch2_btree_iter_leaf(&fill), pos))
		set_bit(BKEY_CACHED_immediate, &ck->flags);
	ret = insert_filled(&fill, ck);
	if (ret)
		key_cache_free(ck);
	if (ret > 0)
		ret = 0;
out:
	bch2_trans_iter_exit(&fill);
	return ret;
}

/**
 * bch2_key_cache_fill - an entry for the iterator's position, intent locked
 * @iter:	iterator; iter->ck is the entry afterwards
 *
 * Return: 0, an error, or a restart.
 */
int bch2_key_cache_fill(struct btree_iter *iter)
{
	struct bch_fs *c = iter->trans->c;
	struct bkey_cached *ck;
	int ret;

	evict(cache_of(c));
	while (1) {
		ck = key_cache_get(c, iter->btree_id, iter->pos);
		if (ck) {
			ret = key_cache_iter_lock(iter, ck, SIX_LOCK_intent);
			if (ret)
				return ret;
			if (!test_bit(BKEY_CACHED_dead, &ck->flags))
				return 0;
			bch2_key_cache_iter_drop(iter);
			continue;
		}
		ret = fill_one(iter->trans, iter->btree_id, iter->pos);
		if (ret)
			return ret;
	}
}

/* --- life --- */

/**
 * key_cache_init - set up an empty cache
 * @c:		filesystem
 * @flush:	writes an entry back
 * @free_dead:	frees what is in .dead
 *
 * Return: 0 or -ENOMEM.
 */
int key_cache_init(struct bch_fs *c, journal_pin_flush_fn flush, work_func_t free_dead)
{
	struct btree_key_cache *kc = cache_of(c);

	kc->hash = kvmalloc_array(1U << KEY_CACHE_HASH_BITS, sizeof(*kc->hash), GFP_KERNEL);
	if (!kc->hash)
		return -ENOMEM;
	for (unsigned i = 0; i < 1U << KEY_CACHE_HASH_BITS; i++)
		INIT_LIST_HEAD(&kc->hash[i]);
	spin_lock_init(&kc->lock);
	atomic_set(&kc->nr_keys, 0);
	atomic_set(&kc->nr_dirty, 0);
	INIT_LIST_HEAD(&kc->dead);
	INIT_WORK(&kc->free_work, free_dead);
	kc->c		= c;
	kc->flush	= flush;
	kc->initialized	= true;
	return 0;
}

/**
 * bch2_fs_key_cache_exit - free everything
 * @c:	filesystem; no transactions, before the journal's memory goes
 */
void bch2_fs_key_cache_exit(struct bch_fs *c)
{
	struct btree_key_cache *kc = cache_of(c);
	struct bkey_cached *ck, *n;

	if (!kc->initialized)
		return;
	spin_lock(&kc->lock);
	for (unsigned i = 0; i < 1U << KEY_CACHE_HASH_BITS; i++)
		list_for_each_entry_safe(ck, n, &kc->hash[i], list) {
			WARN_ON(atomic_read(&ck->pins));
			key_cache_unhash(kc, ck);
			list_add(&ck->list, &kc->dead);
		}
	spin_unlock(&kc->lock);
	queue_work(system_unbound_wq, &kc->free_work);
	flush_work(&kc->free_work);
	kvfree(kc->hash);
	kc->hash	= NULL;
	kc->initialized	= false;
}
