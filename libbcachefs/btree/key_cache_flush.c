// SPDX-License-Identifier: GPL-2.0
/*
 * Writing cached keys back to their leaves, when the journal wants the space of
 * their updates back (spec 21 section 14.1).
 *
 * Invariant KC-5: the pin of an entry goes only after the leaf has the key and
 * pins its number. Called by journal reclaim, through pins, and for going
 * read-only.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "bcachefs.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "btree/key_cache.h"
#include "btree/key_cache_priv.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "util/log.h"

enum write_back_how {
	/*
	 * To the journal anew, rather than to its leaf: only so that the very oldest
	 * entry can go at once, and never when the end is near (14.1).
	 */
	WRITE_BACK_anew,
	/* There was no room for it in the journal. */
	WRITE_BACK_leaf,
	/* The leaf has to be split, and what is left of the space is kept for that. */
	WRITE_BACK_reserve,
	WRITE_BACK_NR,
};

/* If the journal waits for this very key, its leaf may be split for it. */
static unsigned commit_flags(struct bch_fs *c, const struct bkey_cached *ck,
			     enum write_back_how how)
{
	const unsigned flags = BCH_TRANS_COMMIT_no_check_rw|BCH_TRANS_COMMIT_no_enospc|
		BCH_TRANS_COMMIT_no_skip_noops|BCH_TRANS_COMMIT_journal_reclaim;
	const bool running = test_bit(BCH_FS_rw, &c->flags) &&
		!test_bit(BCH_FS_stopping, &c->flags);
	const bool waited_for = bch2_journal_watermark_low(c) &&
		(!running || ck->pin.seq == bch2_journal_last_seq(c));

	if (how == WRITE_BACK_anew && waited_for && running)
		return flags|BCH_WATERMARK_reclaim;
	return flags|BCH_TRANS_COMMIT_no_journal_res|
		(waited_for || how == WRITE_BACK_reserve ? BCH_WATERMARK_reclaim
							 : BCH_WATERMARK_btree);
}

/* The entry is locked; commit its key to the leaf. */
static int write_back(struct btree_trans *trans, struct bkey_cached *ck,
		      enum write_back_how how)
{
	struct bkey_i *k = bch2_bkey_copy_to_arena(trans, bkey_i_to_s_c(ck->k), 0);
	const unsigned flags = commit_flags(trans->c, ck, how);
	int ret;

	if (IS_ERR(k))
		return PTR_ERR(k);
	ret = bch2_trans_update_exact(trans, NULL, ck->btree_id, 0, k,
				      BTREE_UPDATE_key_cache_reclaim|
				      BTREE_UPDATE_internal_snapshot_node|
				      BTREE_TRIGGER_norun);
	if (ret)
		return ret;
	trans->s.pin_seq = ck->pin.seq;
	return bch2_trans_commit(trans, NULL, NULL, flags);
}

/* One attempt. @ck is only compared, its position copied by the caller. */
static int flush_attempt(struct btree_trans *trans, unsigned btree, struct bpos pos, u64 seq,
			 enum write_back_how how)
{
	struct bch_fs *c = trans->c;
	struct bkey_cached *ck = key_cache_get(c, btree, pos);
	struct btree_iter iter;
	int ret;

	if (!ck)
		return 0;
	bch2_trans_iter_init(trans, &iter, btree, pos,
			     BTREE_ITER_cached|BTREE_ITER_intent|BTREE_ITER_all_snapshots|
			     BTREE_ITER_snapshot_field|BTREE_ITER_not_extents);
	ret = key_cache_iter_lock(&iter, ck, SIX_LOCK_intent);
	if (ret || test_bit(BKEY_CACHED_dead, &ck->flags) ||
	    !test_bit(BKEY_CACHED_dirty, &ck->flags) || ck->pin.seq > seq)
		goto out;
	if (ck->seq > seq) {
		/* older content is superseded by what was journalled later */
		bch2_journal_pin_update(c, ck->seq, &ck->pin, JOURNAL_PIN_TYPE_key_cache,
					c->btree.key_cache.flush);
		goto out;
	}

	ret = write_back(trans, ck, how);
	if (ret)
		goto out;
	/* the commit has left a read lock: nothing was changed since */
	clear_bit(BKEY_CACHED_dirty, &ck->flags);
	atomic_dec(&c->btree.key_cache.nr_dirty);
	bch2_journal_pin_drop(c, &ck->pin);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

/*
 * What to try when that was not possible; WRITE_BACK_NR: nothing. Reclaim must not wait
 * for buckets whose becoming free may need the journal space that it is after.
 */
static enum write_back_how next_way(enum write_back_how how, int ret)
{
	if (ret == -BCH_ERR_journal_reclaim_would_deadlock && how == WRITE_BACK_anew)
		return WRITE_BACK_leaf;
	if ((bch2_err_matches(ret, BCH_ERR_bucket_alloc_blocked) ||
	     bch2_err_matches(ret, ENOSPC)) && how < WRITE_BACK_reserve)
		return WRITE_BACK_reserve;
	return WRITE_BACK_NR;
}

/*
 * Write back the entry of @pin, which stays until this returns; numbers up to @seq
 * are wanted. 0 or an error.
 */
static int key_cache_pin_flush(struct bch_fs *c, struct journal_entry_pin *pin, u64 seq)
{
	const struct bkey_cached *ck = container_of(pin, struct bkey_cached, pin);
	struct btree_trans *trans = bch2_trans_get_service(c);
	enum write_back_how how = WRITE_BACK_anew;
	int ret;

	do {
		ret = lockrestart_do(trans, flush_attempt(trans, ck->btree_id, ck->pos, seq, how));
		how = next_way(how, ret);
	} while (how != WRITE_BACK_NR);
	bch2_trans_put(trans);
	if (ret && !bch2_err_matches(ret, BCH_ERR_operation_blocked) && !bch2_journal_error(c)) {
		bch_err(c, "error writing back a cached key: %s", bch2_err_str(ret));
		if (c->up.emergency_ro)
			c->up.emergency_ro(c);
	}
	return ret;
}

/**
 * bch2_key_cache_make_room - write back until ordinary updates may go on (8.3)
 * @c:	filesystem; no locks held
 *
 * Return: 0 or -BCH_ERR_erofs_journal_err.
 */
int bch2_key_cache_make_room(struct bch_fs *c)
{
	struct btree_key_cache *kc = &c->btree.key_cache;

	while (atomic_read(&kc->nr_dirty) > 2048 + atomic_read(&kc->nr_keys) / 8 * 5) {
		if (bch2_journal_error(c))
			return -BCH_ERR_erofs_journal_err;
		if (!bch2_journal_flush_pins(c, bch2_journal_cur_seq(c),
					     1U << JOURNAL_PIN_TYPE_key_cache))
			break;
	}
	return 0;
}

/**
 * bch2_key_cache_flush_going_ro - write back everything
 * @c:	filesystem that takes no new writers
 *
 * Return: true if there was something to do.
 */
bool bch2_key_cache_flush_going_ro(struct bch_fs *c)
{
	return c->btree.key_cache.initialized &&
		bch2_journal_flush_pins(c, U64_MAX, 1U << JOURNAL_PIN_TYPE_key_cache);
}

/* --- life --- */

static void free_dead(struct work_struct *work)
{
	struct btree_key_cache *kc = container_of(work, struct btree_key_cache, free_work);
	struct bkey_cached *ck, *n;
	LIST_HEAD(dead);

	spin_lock(&kc->lock);
	list_splice_init(&kc->dead, &dead);
	spin_unlock(&kc->lock);

	list_for_each_entry_safe(ck, n, &dead, list) {
		/* its flush function may be on its way out */
		if (kc->c->journal.w)
			bch2_journal_pin_flush(kc->c, &ck->pin);
		key_cache_free(ck);
	}
}

/**
 * bch2_fs_key_cache_init - set up an empty cache
 * @c:	filesystem
 *
 * Return: 0 or -ENOMEM.
 */
int bch2_fs_key_cache_init(struct bch_fs *c)
{
	return key_cache_init(c, key_cache_pin_flush, free_dead);
}
