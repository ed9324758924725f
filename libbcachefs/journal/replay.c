// SPDX-License-Identifier: GPL-2.0
/*
 * Journal replay (spec 22 §9): every key of the frozen overlay is put into its
 * btree, or found superseded, while the filesystem is live.
 *
 * Invariants. A key is applied only if it is not overwritten at a moment when
 * nothing newer for its position can take effect first: that is decided inside
 * the commit, under the leaf's locks and the overwrite lock (SY-3). A key from
 * the journal is not journalled again: the leaf pins the number of the entry it
 * came from before the replay pin of that entry goes (PC-3). Deltas of
 * accounting reach the btree in the order of their versions, before anything
 * else adds to them (RP-3). Correct if any part of it was done before (RP-1).
 *
 * Run once, by the thread that starts the filesystem.
 */
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "bcachefs.h"
#include "btree/commit.h"
#include "btree/interior.h"
#include "btree/iter.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "btree/write_buffer.h"
#include "journal/journal.h"
#include "journal/overlay.h"
#include "journal/pins.h"
#include "journal/replay.h"
#include "util/log.h"
#include "util/sync_point.h"

/* What every commit of replay has in common (spec 22 §9.2). */
#define REPLAY_COMMIT	(BCH_TRANS_COMMIT_no_enospc|		\
			 BCH_TRANS_COMMIT_no_check_rw|		\
			 BCH_TRANS_COMMIT_no_skip_noops|	\
			 BCH_TRANS_COMMIT_skip_accounting_apply|\
			 BCH_TRANS_COMMIT_journal_replay)

struct replay {
	struct bch_fs		*c;
	struct btree_trans	*trans;
	/* Keys the sorted pass had to leave, in overlay order. */
	struct journal_key	**left;
	size_t			nr_left;
	u64			nr_repair;	/* keys made by repair that were replayed */
	u64			nr_dropped;	/* for levels that do not exist */
};

static bool key_is_delta(const struct journal_key *k)
{
	return k->btree_id == BTREE_ID_accounting && !k->level &&
		k->k->k.type == KEY_TYPE_accounting;
}

/*
 * Made by a repair of this start: not in the journal yet. (Sums of the journal's
 * deltas are in memory of their own, too, but carry the number of the oldest.)
 */
static bool key_is_repair(const struct journal_key *k)
{
	return !k->journal_seq;
}

static bool key_overwritten(const struct journal_key *k)
{
	return bch2_journal_key_overwritten(k);
}

/* OV-4: all marking is under one lock. */
static void mark_key(struct bch_fs *c, struct journal_key *k)
{
	mutex_lock(&c->journal.keys.overwrite_lock);
	bch2_journal_key_mark_overwritten(c, k);
	mutex_unlock(&c->journal.keys.overwrite_lock);
}

/* --- phase 1: accounting (spec 22 §9.1) --- */

/* dst += src, counter by counter; both are accounting keys. */
static void counters_add(struct bkey_i *dst, struct bkey_s_c src)
{
	const unsigned nr = min(bkey_val_u64s(&dst->k), bkey_val_u64s(src.k));
	__le64 *d = (__le64 *) &dst->v;
	const __le64 *s = (const __le64 *) src.v;

	for (unsigned i = 0; i < nr; i++)
		le64_add_cpu(&d[i], le64_to_cpu(s[i]));
}

/* The delta @k on top of the counter in the btree itself, if it is newer. */
static int replay_delta(struct btree_trans *trans, struct journal_key *k)
{
	struct btree_iter iter;
	struct bkey_s_c old;
	struct bkey_i *new;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_accounting, k->k->k.p,
			     BTREE_ITER_intent|BTREE_ITER_all_snapshots);
	iter.flags &= ~BTREE_ITER_with_journal;

	old = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(old);
	if (ret)
		goto out;

	/* the version says what is in the sum already (RP-3) */
	if (old.k->type == KEY_TYPE_accounting &&
	    bversion_cmp(old.k->bversion, k->k->k.bversion) >= 0)
		goto out;

	new = bch2_trans_kmalloc(trans, bkey_bytes(&k->k->k));
	ret = PTR_ERR_OR_ZERO(new);
	if (ret)
		goto out;
	bkey_copy(new, k->k);
	if (old.k->type == KEY_TYPE_accounting)
		counters_add(new, old);

	trans->s.pin_seq = k->journal_seq;
	ret = bch2_trans_update(trans, &iter, new, BTREE_TRIGGER_norun);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int replay_accounting(struct replay *r)
{
	struct bch_fs *c = r->c;
	struct journal_keys *keys = &c->journal.keys;

	for (size_t i = 0; i < keys->nr; i++) {
		struct journal_key *k = &keys->data[i];
		int ret;

		if (!key_is_delta(k) || key_is_repair(k) || key_overwritten(k))
			continue;

		bch2_sync_point_key(c, replay_H1_delta, k->btree_id, k->k);
		ret = commit_do(r->trans, NULL, NULL,
				REPLAY_COMMIT|BCH_TRANS_COMMIT_no_journal_res|
				BCH_WATERMARK_reclaim,
				replay_delta(r->trans, k));
		if (ret)
			return ret;
		mark_key(c, k);
	}
	set_bit(BCH_FS_accounting_replay_done, &c->flags);
	bch2_btree_write_buffer_accounting_ready(c);
	return 0;
}

/* --- one key (spec 22 §9.3) --- */

/* Was the shape of the btrees checked in this start? */
static bool topology_was_checked(const struct bch_fs *c)
{
	return READ_ONCE(c->recovery.passes_complete) &
		(BIT_ULL(BCH_RECOVERY_PASS_check_topology) |
		 BIT_ULL(BCH_RECOVERY_PASS_scan_for_btree_nodes));
}

/* The btree has no nodes of the key's level. */
static int replay_no_level(struct replay *r, struct btree_iter *iter, struct journal_key *k)
{
	struct bch_fs *c = r->c;

	if (!topology_was_checked(c)) {
		bch_err(c, "have key in journal replay for btree depth that does not exist, "
			   "confused");
		return -BCH_ERR_btree_need_topology_repair;
	}
	if (key_is_repair(k))
		return bch2_btree_increase_depth(r->trans, iter);

	mark_key(c, k);
	r->nr_dropped++;
	return 0;
}

static int replay_one_in_trans(struct replay *r, struct journal_key *k)
{
	struct btree_trans *trans = r->trans;
	unsigned flags = BTREE_ITER_intent|BTREE_ITER_not_extents|BTREE_ITER_all_snapshots;
	struct btree_iter iter;
	int ret;

	if (key_overwritten(k))
		return 0;

	if (!k->level && k->btree_id == BTREE_ID_alloc) {
		/* alloc keys go through the key cache (KC-4) */
		bch2_trans_iter_init(trans, &iter, k->btree_id, k->k->k.p,
				     flags|BTREE_ITER_cached);
	} else {
		bch2_trans_node_iter_init(trans, &iter, k->btree_id, k->k->k.p,
					  BTREE_MAX_DEPTH, k->level, flags);
	}

	ret = bch2_btree_iter_traverse(&iter);
	if (ret)
		goto out;
	if (k->level && !bch2_btree_iter_leaf(&iter)) {
		ret = replay_no_level(r, &iter, k);
		goto out;
	}

	/* again, with the leaf locked; the commit looks once more (SY-3) */
	if (key_overwritten(k))
		goto out;
	bch2_sync_point_key(r->c, replay_H2, k->btree_id, k->k);

	if (key_is_delta(k)) {
		struct bkey_i_accounting *a =
			bch2_trans_accounting_add(trans, k->k->k.p, (s64 *) &k->k->v,
						  bkey_val_u64s(&k->k->k));

		ret = PTR_ERR_OR_ZERO(a);
		goto out;
	}

	trans->s.pin_seq = k->journal_seq;
	/*
	 * RP-6: no triggers, those of pointers neither, and nothing below is read. But
	 * for alloc, the key cache is left alone (KC-4).
	 */
	ret = bch2_trans_update(trans, &iter, k->k,
				BTREE_TRIGGER_norun|BTREE_UPDATE_internal_snapshot_node|
				(iter.flags & BTREE_ITER_cached
				 ? 0 : BTREE_UPDATE_key_cache_reclaim));
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int replay_one(struct replay *r, struct journal_key *k, unsigned flags)
{
	const bool delta = key_is_delta(k);
	int ret;

	bch2_sync_point_key(r->c, replay_H1, k->btree_id, k->k);
	flags |= REPLAY_COMMIT;
	if (!key_is_repair(k))
		flags |= BCH_TRANS_COMMIT_no_journal_res;

	ret = commit_do(r->trans, NULL, NULL, flags, replay_one_in_trans(r, k));
	if (ret)
		return ret;

	/* positions of deltas are not marked by commits (RP-2) */
	if (delta)
		mark_key(r->c, k);
	r->nr_repair += key_is_repair(k);
	return 0;
}

/* --- phases 2 and 3 (spec 22 §9.2, §9.4) --- */

static void replay_leave(struct replay *r, struct journal_key *k)
{
	r->left[r->nr_left++] = k;
}

/* In position order, quickly; holds every replay pin. */
static void replay_sorted(struct replay *r)
{
	struct journal_keys *keys = &r->c->journal.keys;

	for (size_t i = 0; i < keys->nr; i++) {
		struct journal_key *k = &keys->data[i];

		if (key_overwritten(k))
			continue;
		/* no room for the splits it might take: release pins first (RP-4) */
		if (bch2_journal_watermark(r->c) ||
		    replay_one(r, k, BCH_TRANS_COMMIT_journal_reclaim|BCH_WATERMARK_normal))
			replay_leave(r, k);
	}
}

static int left_cmp(const void *_l, const void *_r)
{
	const struct journal_key *l = *(struct journal_key *const *) _l;
	const struct journal_key *r = *(struct journal_key *const *) _r;

	/* keys made by repair have no number: last */
	if (key_is_repair(l) != key_is_repair(r))
		return key_is_repair(l) ? 1 : -1;
	if (l->journal_seq != r->journal_seq)
		return l->journal_seq < r->journal_seq ? -1 : 1;
	return 0;
}

/* In journal order, giving pins back as it goes. */
static int replay_rest(struct replay *r)
{
	struct bch_fs *c = r->c;

	sort(r->left, r->nr_left, sizeof(r->left[0]), left_cmp, NULL);

	for (size_t i = 0; i < r->nr_left; i++) {
		struct journal_key *k = r->left[i];
		int ret;

		if (key_is_repair(k))
			bch2_journal_replay_pins_put_below(c, U64_MAX);
		else
			bch2_journal_replay_pins_put_below(c, k->journal_seq);

		bch2_sync_point_key(c, replay_H4_released, k->btree_id, k->k);
		ret = replay_one(r, k, key_is_repair(k) ? BCH_WATERMARK_normal
						    : BCH_WATERMARK_reclaim);
		if (ret) {
			bch_err(c, "replay of journal entry %llu: %s", k->journal_seq,
				bch2_err_str(ret));
			return ret;
		}
		if (WARN_ON(!key_overwritten(k)))
			mark_key(c, k);
	}
	return 0;
}

/* Tests only: what if nothing can be replayed? */
static int replay_test_error(const struct bch_fs *c)
{
#ifdef CONFIG_BCACHEFS_TESTS
	return READ_ONCE(c->btree.test_replay_fails) ? -EIO : 0;
#else
	return 0;
#endif
}

static int replay_run(struct replay *r)
{
	struct bch_fs *c = r->c;
	int ret;

	bch2_sync_point(c, replay_H4_begin);
	ret = replay_test_error(c) ?: replay_accounting(r);
	if (ret) {
		bch_err(c, "replay of accounting: %s", bch2_err_str(ret));
		return ret;
	}
	bch2_sync_point(c, replay_H4_accounting);
	replay_sorted(r);
	bch2_sync_point(c, replay_H4_sorted);
	return replay_rest(r);
}

/* What was replayed must be found by whoever begins from now on (RP-5). */
static int replay_end(struct replay *r)
{
	struct bch_fs *c = r->c;
	int ret = 0;

	set_bit(BCH_FS_replay_done, &c->flags);
	bch2_sync_point(c, replay_H14);
	bch2_journal_set_replay_done(c);
	bch2_btree_rewrites_start(c);

	if (r->nr_dropped)
		bch_notice(c, "journal replay dropped %llu keys of levels that do not exist",
			   r->nr_dropped);

	/* later passes rely on repairs: they must not come undone */
	if (r->nr_repair) {
		bch2_journal_flush_all_pins(c);
		ret = bch2_journal_meta(c);
	}
	return ret;
}

/**
 * bch2_journal_replay - the pass: put the overlay's keys into the btrees
 * @c:	filesystem: overlay frozen, read-write or nothing to replay
 *
 * Return: 0, or why a key could not be replayed; the filesystem then stays
 * unclean and can be replayed again.
 */
int bch2_journal_replay(struct bch_fs *c)
{
	struct journal_keys *keys = &c->journal.keys;
	struct replay r = { .c = c };
	int ret;

	if (test_bit(BCH_FS_replay_done, &c->flags))
		return 0;

	if (keys->nr) {
		bch_info(c, "starting journal replay, %zu keys in entries %llu-%llu", keys->nr,
			 c->journal.start.seq_read_start, c->journal.start.seq_read_end);
		r.left = kvmalloc_array(keys->nr, sizeof(r.left[0]), GFP_KERNEL);
		if (!r.left)
			return -BCH_ERR_ENOMEM_journal_replay;
	}

	r.trans = bch2_trans_get(c);
	ret = PTR_ERR_OR_ZERO(r.trans);
	if (!ret) {
		ret = replay_run(&r);
		bch2_trans_put(r.trans);
	}
	if (!ret)
		ret = replay_end(&r);
	kvfree(r.left);
	return ret;
}
