// SPDX-License-Identifier: GPL-2.0
/*
 * Rings of journal buckets that change (spec 30 sections 17.1, 17.3).
 *
 * Invariant: a bucket is in the device's superblock, durably, before the ring in
 * memory has it, and out of the ring before it is out of the superblock. New
 * buckets come in front of the oldest ones that are not available yet, so that
 * what is in use stays one run.
 *
 * c->sb_lock is taken here and covers changes of a ring's length and buckets;
 * while the journal runs journal_writer.lock does as well.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/math64.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "journal/journal.h"
#include "journal/ring.h"
#include "journal/writer_priv.h"
#include "sb/field.h"
#include "sb/members.h"
#include "sb/write.h"

/* Spec 30 section 17.1. */
#define JOURNAL_WANTED_MAX		8192
#define JOURNAL_WANTED_MAX_SECTORS	((8ULL << 30) >> 9)

/**
 * bch2_journal_ring_wanted - buckets a device should have in its journal
 * @ca:		device
 */
u64 bch2_journal_ring_wanted(const struct bch_dev *ca)
{
	const u64 most = min_t(u64, JOURNAL_WANTED_MAX,
			       div_u64(JOURNAL_WANTED_MAX_SECTORS, max(ca->mi.bucket_size, 1)));

	return max_t(u64, BCH_JOURNAL_BUCKETS_MIN, min(ca->mi.nbuckets / 128, most));
}

/**
 * bch2_journal_ring_has_bucket - is a bucket part of the ring?
 * @c:		filesystem
 * @ca:		device
 * @bucket:	bucket
 */
bool bch2_journal_ring_has_bucket(struct bch_fs *c, struct bch_dev *ca, u64 bucket)
{
	bool ret = false;

	mutex_lock(&c->sb_lock);
	for (unsigned i = 0; i < ca->journal.nr && !ret; i++)
		ret = ca->journal.buckets[i] == bucket;
	mutex_unlock(&c->sb_lock);
	return ret;
}

/* --- the superblock's section --- */

static unsigned nr_runs(const u64 *b, unsigned nr)
{
	unsigned ret = 0;

	for (unsigned i = 0; i < nr; i++)
		ret += !i || b[i] != b[i - 1] + 1;
	return ret;
}

static int section_set(struct bch_dev *ca, const u64 *b, unsigned nr)
{
	const unsigned runs = nr_runs(b, nr);
	struct bch_sb_field_journal_v2 *j;
	struct bch_sb_field_journal_v2_entry *run;

	if (nr) {
		j = bch2_sb_field_resize(&ca->disk_sb, journal_v2,
					 (sizeof(*j) + runs * sizeof(j->d[0])) / sizeof(u64));
		if (IS_ERR(j))
			return PTR_ERR(j) == -BCH_ERR_ENOSPC_sb ? -BCH_ERR_ENOSPC_sb_journal
								: PTR_ERR(j);
		run = j->d - 1;
		for (unsigned i = 0; i < nr; i++) {
			if (!i || b[i] != b[i - 1] + 1)
				*++run = (struct bch_sb_field_journal_v2_entry) {
					.start = cpu_to_le64(b[i]),
				};
			le64_add_cpu(&run->nr, 1);
		}
	} else {
		bch2_sb_field_resize(&ca->disk_sb, journal_v2, 0);
	}
	bch2_sb_field_resize(&ca->disk_sb, journal, 0);
	return 0;
}

/* Make the list durable; puts the old one back if that fails. */
static int section_write(struct bch_fs *c, struct bch_dev *ca, const u64 *b, unsigned nr)
{
	int ret = section_set(ca, b, nr) ?: bch2_write_super(c);

	if (ret)
		section_set(ca, ca->journal.buckets, ca->journal.nr);
	return ret;
}

/* --- growing --- */

/* A ring to be. */
struct new_ring {
	u64		*buckets;
	u64		*seq;
	unsigned	nr;
	unsigned	pos;		/* where the new buckets begin */
	unsigned	added;
};

static int new_ring_alloc(struct new_ring *n)
{
	n->buckets = kvcalloc(max(n->nr, 1U), sizeof(u64), GFP_KERNEL);
	n->seq = kvcalloc(max(n->nr, 1U), sizeof(u64), GFP_KERNEL);
	return n->buckets && n->seq ? 0 : -BCH_ERR_ENOMEM_journal_ring;
}

static void new_ring_free(struct new_ring *n)
{
	kvfree(n->buckets);
	kvfree(n->seq);
}

/* Where new buckets go; the end of the list if that is the same. */
static unsigned insert_pos(struct bch_fs *c, const struct journal_device *ja)
{
	const unsigned idx = bch2_journal_running(c) ? ja->discard_idx
						     : ja->nr ? (ja->cur_idx + 1) % ja->nr : 0;

	return idx ?: ja->nr;
}

static void idx_shift(unsigned *idx, const struct new_ring *n)
{
	if (*idx >= n->pos)
		*idx += n->added;
}

/* The new ring takes the old one's place, which is left in @n. */
static void ring_install(struct bch_fs *c, struct bch_dev *ca, struct new_ring *n)
{
	struct journal_writer *w = c->journal.w;
	struct journal_device *ja = &ca->journal;
	const bool fresh = !ja->nr;

	if (w)
		spin_lock(&w->lock);
	if (!fresh) {
		memcpy(n->seq, ja->bucket_seq, n->pos * sizeof(u64));
		memcpy(n->seq + n->pos + n->added, ja->bucket_seq + n->pos,
		       (ja->nr - n->pos) * sizeof(u64));
		idx_shift(&ja->cur_idx, n);
		idx_shift(&ja->dirty_idx, n);
		idx_shift(&ja->dirty_idx_ondisk, n);
		idx_shift(&ja->discard_idx, n);
	}
	swap(ja->buckets, n->buckets);
	swap(ja->bucket_seq, n->seq);
	ja->nr = n->nr;
	if (w && bch2_journal_running(c)) {
		journal_rings_advance(c);
		wake_up_all(&w->wait_res);
	}
	if (w)
		spin_unlock(&w->lock);
}

static int buckets_check(const struct bch_dev *ca, const u64 *buckets, unsigned nr)
{
	const struct journal_device *ja = &ca->journal;

	for (unsigned i = 0; i < nr; i++) {
		if (!bucket_valid(ca, buckets[i]) || !buckets[i])
			return -EINVAL;
		for (unsigned k = 0; k < ja->nr; k++)
			if (ja->buckets[k] == buckets[i])
				return -EEXIST;
		for (unsigned k = 0; k < i; k++)
			if (buckets[k] == buckets[i])
				return -EEXIST;
	}
	return 0;
}

static int add_buckets(struct bch_fs *c, struct bch_dev *ca, const u64 *buckets, unsigned nr)
{
	const struct journal_device *ja = &ca->journal;
	struct new_ring n = { .nr = ja->nr + nr, .added = nr };
	int ret = buckets_check(ca, buckets, nr) ?: new_ring_alloc(&n);

	if (!ret) {
		struct journal_writer *w = c->journal.w;

		if (w)
			spin_lock(&w->lock);
		n.pos = insert_pos(c, ja);
		if (w)
			spin_unlock(&w->lock);

		memcpy(n.buckets + n.pos, buckets, nr * sizeof(u64));
		if (ja->nr) {
			memcpy(n.buckets, ja->buckets, n.pos * sizeof(u64));
			memcpy(n.buckets + n.pos + nr, ja->buckets + n.pos,
			       (ja->nr - n.pos) * sizeof(u64));
		}
		ret = section_write(c, ca, n.buckets, n.nr);
	}
	if (!ret)
		ring_install(c, ca, &n);
	new_ring_free(&n);
	return ret;
}

/**
 * bch2_journal_ring_add_buckets - let the journal of a device grow
 * @c:		filesystem
 * @ca:		device, online
 * @buckets:	not in the ring yet, and nobody else's
 * @nr:		how many
 *
 * Return: 0; -EINVAL or -EEXIST for a bucket that cannot be one; no memory; an
 * error of the superblock. On error nothing has changed.
 */
int bch2_journal_ring_add_buckets(struct bch_fs *c, struct bch_dev *ca, const u64 *buckets,
				  unsigned nr)
{
	struct journal_writer *w = c->journal.w;
	int ret;

	if (!nr)
		return 0;
	/* discards go by index */
	if (w)
		mutex_lock(&w->discard_lock);
	mutex_lock(&c->sb_lock);
	ret = add_buckets(c, ca, buckets, nr);
	mutex_unlock(&c->sb_lock);
	if (w)
		mutex_unlock(&w->discard_lock);
	return ret;
}

/**
 * bch2_journal_ring_add_bucket - let the journal of a device grow by one bucket
 * @c:		filesystem
 * @ca:		device, online
 * @bucket:	as bch2_journal_ring_add_buckets()
 *
 * Return: as bch2_journal_ring_add_buckets().
 */
int bch2_journal_ring_add_bucket(struct bch_fs *c, struct bch_dev *ca, u64 bucket)
{
	return bch2_journal_ring_add_buckets(c, ca, &bucket, 1);
}

/* --- shrinking --- */

static void idx_remove(unsigned *idx, unsigned at, unsigned nr)
{
	if (*idx > at)
		(*idx)--;
	if (*idx >= nr)
		*idx = 0;
}

static void ring_remove_at(struct journal_device *ja, unsigned at)
{
	/* the next entry begins with a new bucket */
	if (ja->cur_idx == at) {
		ja->sectors_free = 0;
		ja->cur_idx = at ?: ja->nr - 1;
		if (at)
			ja->cur_idx--;
	}
	ja->nr--;
	memmove(ja->buckets + at, ja->buckets + at + 1, (ja->nr - at) * sizeof(u64));
	memmove(ja->bucket_seq + at, ja->bucket_seq + at + 1, (ja->nr - at) * sizeof(u64));
	idx_remove(&ja->cur_idx, at, ja->nr);
	idx_remove(&ja->dirty_idx, at, ja->nr);
	idx_remove(&ja->dirty_idx_ondisk, at, ja->nr);
	idx_remove(&ja->discard_idx, at, ja->nr);
}

/* Started, but nothing was written, nor will be before the overlay is frozen. */
static bool journal_untouched(const struct bch_fs *c)
{
	return !test_bit(BCH_FS_may_go_rw, &c->flags);
}

/**
 * bch2_journal_ring_remove_bucket - give up a bucket that belongs to something else
 * @c:		filesystem; its journal does not run, or has not written yet, and all
 *		that is needed of the bucket was read
 * @ca:		device, online
 * @bucket:	bucket
 *
 * Section 17.3.
 *
 * Return: 0; -ENOENT if it is not in the ring; -EBUSY while the journal is written;
 * no memory; an error of the superblock.
 */
int bch2_journal_ring_remove_bucket(struct bch_fs *c, struct bch_dev *ca, u64 bucket)
{
	struct journal_writer *w = c->journal.w;
	struct journal_device *ja = &ca->journal;
	struct new_ring n = {};
	unsigned at = 0;
	int ret = -ENOENT;

	if (bch2_journal_running(c) && !journal_untouched(c))
		return -EBUSY;

	mutex_lock(&c->sb_lock);
	while (at < ja->nr && ja->buckets[at] != bucket)
		at++;
	if (at < ja->nr) {
		n.nr = ja->nr - 1;
		ret = new_ring_alloc(&n);
	}
	if (!ret) {
		memcpy(n.buckets, ja->buckets, at * sizeof(u64));
		memcpy(n.buckets + at, ja->buckets + at + 1, (n.nr - at) * sizeof(u64));
		ret = section_write(c, ca, n.buckets, n.nr);
	}
	if (!ret) {
		if (w)
			spin_lock(&w->lock);
		ring_remove_at(ja, at);
		if (w)
			spin_unlock(&w->lock);
	}
	mutex_unlock(&c->sb_lock);
	new_ring_free(&n);
	return ret;
}
