// SPDX-License-Identifier: GPL-2.0
/*
 * Setting up a device in steps that can be taken up again (spec 40 §8.1, 31 §16),
 * its journal buckets (30 §17.1), and growing it (40 §8.4).
 *
 * Invariant: the member's field INITIALIZED names the next step; it advances, in
 * a superblock update of its own, only when a step's changes are made. Every step
 * may be repeated.
 */
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "bcachefs.h"
#include "alloc/accounting_live.h"
#include "alloc/alloc_trigger.h"
#include "alloc/dev_init.h"
#include "alloc/disk_reservation.h"
#include "alloc/foreground.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "journal/ring.h"
#include "sb/members.h"
#include "sb/write.h"
#include "util/log.h"

/* Journal buckets that are allocated and marked at a time. */
#define JOURNAL_ALLOC_BATCH	128U

/* A ring with fewer buckets is not worth starting with (spec 30 §17.1). */
#define JOURNAL_BUCKETS_LEAST	8U

/* --- member fields --- */

static unsigned member_state(struct bch_fs *c, struct bch_dev *ca)
{
	struct bch_member m;

	mutex_lock(&c->sb_lock);
	m = bch2_sb_member_get(c->disk_sb.sb, ca->dev_idx);
	mutex_unlock(&c->sb_lock);
	return BCH_MEMBER_INITIALIZED(&m);
}

static int set_member_state(struct bch_fs *c, struct bch_dev *ca,
			    enum bch_member_init_state state)
{
	struct bch_member m;
	int ret;

	mutex_lock(&c->sb_lock);
	m = bch2_sb_member_get(c->disk_sb.sb, ca->dev_idx);
	SET_BCH_MEMBER_INITIALIZED(&m, state);
	bch2_sb_member_set(c->disk_sb.sb, ca->dev_idx, &m);
	ret = bch2_write_super(c);
	mutex_unlock(&c->sb_lock);
	return ret;
}

/**
 * bch2_fs_members_start_init - all members are new
 * @c:	filesystem that was never started
 *
 * In memory: no superblock of such a filesystem is written (spec 31 §16, 3).
 */
void bch2_fs_members_start_init(struct bch_fs *c)
{
	mutex_lock(&c->sb_lock);
	for_each_member_device(c, ca) {
		struct bch_member m = bch2_sb_member_get(c->disk_sb.sb, ca->dev_idx);

		SET_BCH_MEMBER_FREESPACE_INITIALIZED(&m, false);
		SET_BCH_MEMBER_INITIALIZED(&m, BCH_MEMBER_INIT_pre_dev_usage);
		bch2_sb_member_set(c->disk_sb.sb, ca->dev_idx, &m);
		WRITE_ONCE(ca->mi.freespace_initialized, false);
	}
	mutex_unlock(&c->sb_lock);
}

/* --- usage --- */

/* Add @buckets, and whatever makes the other two counters 0 if @absolute. */
static int add_free(struct btree_trans *trans, struct bch_dev *ca, s64 buckets, bool absolute)
{
	struct disk_accounting_pos acc = { .type = BCH_DISK_ACCOUNTING_dev_data_type };
	u64 now[3] = {};
	s64 d[3] = { buckets, 0, 0 };

	acc.dev_data_type.dev		= ca->dev_idx;
	acc.dev_data_type.data_type	= BCH_DATA_free;

	if (absolute) {
		bch2_accounting_mem_read(trans->c, &acc, now, 3);
		for (unsigned i = 0; i < 3; i++)
			d[i] -= (s64) now[i];
	}
	return d[0] || d[1] || d[2] ? bch2_disk_accounting_mod(trans, &acc, d, 3) : 0;
}

static int commit_free(struct bch_fs *c, struct bch_dev *ca, s64 buckets, bool absolute)
{
	struct btree_trans *trans = bch2_trans_get(c);
	int ret = commit_do(trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
			    add_free(trans, ca, buckets, absolute));

	bch2_trans_put(trans);
	return ret;
}

/**
 * bch2_dev_usage_init - all buckets of a new device are free
 * @c:	filesystem
 * @ca:	device without any alloc keys
 *
 * Sets the counter (device, free), whatever it was (spec 40 §8.1).
 */
int bch2_dev_usage_init(struct bch_fs *c, struct bch_dev *ca)
{
	return commit_free(c, ca, ca->mi.nbuckets - ca->mi.first_bucket, true);
}

/* --- journal buckets --- */

struct journal_batch {
	struct open_bucket	*ob[JOURNAL_ALLOC_BATCH];
	u64			bucket[JOURNAL_ALLOC_BATCH];
	unsigned		nr;
};

/* 0 even if fewer than @nr were to be had: *why then says so. */
static int batch_alloc(struct btree_trans *trans, struct bch_dev *ca, struct journal_batch *b,
		       unsigned nr, int *why)
{
	*why = 0;
	for (b->nr = 0; b->nr < nr; b->nr++) {
		struct open_bucket **ob = b->ob + b->nr;
		int ret = lockrestart_do(trans,
			bch2_bucket_alloc_trans(trans, ca, BCH_WATERMARK_normal,
						BCH_DATA_journal, ob));

		if (bch2_err_matches(ret, BCH_ERR_bucket_alloc_blocked)) {
			*why = ret;
			return 0;
		}
		if (ret)
			return ret;
		b->bucket[b->nr] = (*ob)->bucket;
	}
	return 0;
}

static int batch_mark(struct btree_trans *trans, struct bch_dev *ca, const struct journal_batch *b)
{
	int ret = 0;

	for (unsigned i = 0; i < b->nr && !ret; i++)
		ret = commit_do(trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
			bch2_trans_mark_metadata_bucket(trans, ca, b->bucket[i],
							BCH_DATA_journal, ca->mi.bucket_size));
	return ret;
}

/* Some more buckets for the ring, at most @nr. *why: not all of them were there. */
static int journal_grow(struct bch_fs *c, struct bch_dev *ca, unsigned nr, int *why)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct journal_batch *b = kzalloc(sizeof(*b), GFP_KERNEL);
	int ret;

	if (!b) {
		bch2_trans_put(trans);
		return -BCH_ERR_ENOMEM_dev_alloc;
	}

	ret = batch_alloc(trans, ca, b, min(nr, JOURNAL_ALLOC_BATCH), why) ?:
		batch_mark(trans, ca, b);
	bch2_trans_put(trans);
	if (!ret && b->nr)
		ret = bch2_journal_ring_add_buckets(c, ca, b->bucket, b->nr);

	for (unsigned i = 0; i < b->nr; i++)
		bch2_open_bucket_put(c, b->ob[i]);
	kfree(b);
	return ret;
}

/**
 * bch2_dev_set_nr_journal_buckets - a larger ring
 * @c:	filesystem
 * @ca:	online device
 * @nr:	buckets wanted
 *
 * Each batch is marked in the alloc btree, then entered in the superblock (spec
 * 30 §17.1); what was obtained before an error stays.
 *
 * Return: 0, also when fewer are to be had but a ring's least number is there;
 * -BCH_ERR_ENOSPC_journal_alloc; or another error.
 */
int bch2_dev_set_nr_journal_buckets(struct bch_fs *c, struct bch_dev *ca, unsigned nr)
{
	int why = 0, ret = 0;

	while (!ret && !why && ca->journal.nr < nr)
		ret = journal_grow(c, ca, nr - ca->journal.nr, &why);
	if (ret || !why)
		return ret;

	bch_warn_dev(ca, "journal has %u buckets in place of %u: %s", ca->journal.nr, nr,
		     bch2_err_str(why));
	return ca->journal.nr < JOURNAL_BUCKETS_LEAST ? -BCH_ERR_ENOSPC_journal_alloc : 0;
}

/**
 * bch2_dev_journal_alloc - the journal of a device
 * @c:	filesystem
 * @ca:	online device
 *
 * Nothing to do where the journal is not allowed.
 *
 * Return: as bch2_dev_set_nr_journal_buckets(); -BCH_ERR_erofs_small_image.
 */
int bch2_dev_journal_alloc(struct bch_fs *c, struct bch_dev *ca)
{
	if (!(ca->mi.data_allowed & (1U << BCH_DATA_journal)))
		return 0;
	if (c->sb.features & BCH_FEATURE_BIT(small_image))
		return -BCH_ERR_erofs_small_image;
	return bch2_dev_set_nr_journal_buckets(c, ca, bch2_journal_ring_wanted(ca));
}

/**
 * bch2_fs_journal_alloc - pass fs_journal_alloc
 * @c:	filesystem
 *
 * A journal for every device that may be written to and has none. Nobody needs it
 * when nothing is going to be written.
 */
int bch2_fs_journal_alloc(struct bch_fs *c)
{
	if (c->opts.nochanges)
		return 0;

	for_each_online_member(c, ca) {
		int ret;

		if (ca->journal.nr || !bch2_dev_allocatable(ca, BCH_DATA_journal))
			continue;
		ret = bch2_dev_journal_alloc(c, ca);
		if (ret) {
			bch_err_msg(c, ret, "allocating the journal of %s", ca->name);
			return ret;
		}
	}
	return 0;
}

/* --- the steps --- */

static int dev_init_freespace(struct bch_fs *c, struct bch_dev *ca)
{
	/* Images have no freespace index until they are resized (spec 40 §8.2). */
	return c->sb.features & BCH_FEATURE_BIT(small_image)
		? 0 : bch2_dev_freespace_init(c, ca, 0, ca->mi.nbuckets);
}

static int dev_init_step(struct bch_fs *c, struct bch_dev *ca, unsigned state)
{
	switch (state) {
	case BCH_MEMBER_INIT_pre_dev_usage:
		return bch2_dev_usage_init(c, ca) ?:
			set_member_state(c, ca, BCH_MEMBER_INIT_pre_mark_sb);
	case BCH_MEMBER_INIT_pre_mark_sb:
		return bch2_trans_mark_dev_sb(c, ca) ?:
			set_member_state(c, ca, BCH_MEMBER_INIT_pre_freespace_init);
	case BCH_MEMBER_INIT_pre_freespace_init:
		return dev_init_freespace(c, ca) ?:
			set_member_state(c, ca, BCH_MEMBER_INIT_pre_journal_alloc);
	case BCH_MEMBER_INIT_pre_journal_alloc:
		return bch2_dev_journal_alloc(c, ca) ?:
			set_member_state(c, ca, BCH_MEMBER_INIT_initialized);
	default:
		bch_warn_dev(ca, "unknown state of initialisation %u", state);
		return set_member_state(c, ca, BCH_MEMBER_INIT_initialized);
	}
}

/**
 * bch2_dev_init_steps - finish setting up a device
 * @c:	filesystem
 * @ca:	online device
 *
 * From the state that the member's field INITIALIZED records to the end.
 *
 * Return: 0 or the first error; the field says which step failed.
 */
int bch2_dev_init_steps(struct bch_fs *c, struct bch_dev *ca)
{
	unsigned state;
	int ret = 0;

	while (!ret && (state = member_state(c, ca)) != BCH_MEMBER_INIT_initialized)
		ret = dev_init_step(c, ca, state);
	return ret;
}

/**
 * bch2_trans_mark_dev_sbs - pass trans_mark_dev_sbs
 * @c:	filesystem
 *
 * Devices that are not set up yet are (spec 31 §16, 6); then superblock and
 * journal buckets are marked on all of them.
 */
int bch2_trans_mark_dev_sbs(struct bch_fs *c)
{
	for_each_online_member(c, ca) {
		int ret = bch2_dev_init_steps(c, ca) ?: bch2_trans_mark_dev_sb(c, ca);

		if (ret) {
			bch_err_fn(c, ret);
			return ret;
		}
	}
	return 0;
}

/* --- growing --- */

/*
 * The new size becomes durable first, with the mark that the freespace index is
 * not complete: after a crash the next start completes it.
 */
static int set_nbuckets(struct bch_fs *c, struct bch_dev *ca, u64 nbuckets)
{
	struct bch_member m;
	int ret;

	mutex_lock(&c->sb_lock);
	m = bch2_sb_member_get(c->disk_sb.sb, ca->dev_idx);
	m.nbuckets = cpu_to_le64(nbuckets);
	SET_BCH_MEMBER_FREESPACE_INITIALIZED(&m, false);
	bch2_sb_member_set(c->disk_sb.sb, ca->dev_idx, &m);
	ret = bch2_write_super(c);
	if (!ret) {
		WRITE_ONCE(ca->mi.freespace_initialized, false);
		WRITE_ONCE(ca->mi.nbuckets, nbuckets);
	}
	mutex_unlock(&c->sb_lock);
	return ret;
}

static int write_super(struct bch_fs *c)
{
	int ret;

	mutex_lock(&c->sb_lock);
	ret = bch2_write_super(c);
	mutex_unlock(&c->sb_lock);
	return ret;
}

/**
 * bch2_dev_resize_alloc - a device has more buckets from now on
 * @c:		filesystem, read-write
 * @ca:		online device
 * @nbuckets:	new number; at most what fits on the device
 *
 * Spec 40 §8.4. The freespace index of a device that has none (an image) is made
 * as a whole.
 *
 * Return: 0; -EINVAL for a number that is smaller or too large; or an error.
 */
int bch2_dev_resize_alloc(struct bch_fs *c, struct bch_dev *ca, u64 nbuckets)
{
	const u64 old = ca->mi.nbuckets;
	const u64 start = ca->mi.freespace_initialized ? old : 0;
	int ret;

	if (nbuckets < old || nbuckets > BCH_MEMBER_NBUCKETS_MAX ||
	    bucket_to_sector(ca, nbuckets) > bdev_nr_sectors(ca->disk_sb.bdev))
		return -EINVAL;
	if (nbuckets == old)
		return 0;

	ret = bch2_dev_bucket_gens_resize(ca, nbuckets) ?:
		set_nbuckets(c, ca, nbuckets) ?:
		commit_free(c, ca, nbuckets - old, false) ?:
		bch2_trans_mark_dev_sb(c, ca) ?:
		bch2_dev_freespace_init(c, ca, start, nbuckets) ?:
		write_super(c);
	bch2_recalc_capacity(c);
	return ret;
}
