// SPDX-License-Identifier: GPL-2.0
/*
 * Journal entries on their way to the devices, and what follows when they have
 * arrived (spec 30 sections 16.2 steps 7 to 10, 16.4).
 *
 * Invariants. Entries end in their order, whatever the order of their requests.
 * A flush entry is submitted when all earlier entries have ended well and the
 * caches of all devices have been flushed (16.1 rule 3); with one device both is
 * one request. What an entry says is believed - last_seq, pins, waiters - when
 * it has ended, and not at all once the journal is dead.
 *
 * Requests end anywhere; everything that follows happens in done_work, which
 * runs once at a time.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/compiler.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include "bcachefs.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "journal/reclaim.h"
#include "journal/ring.h"
#include "journal/writer_priv.h"
#include "sb/members.h"
#include "util/log.h"
#include "util/sync_point.h"

/* Longest request: as many small pages as fit. */
#define JOURNAL_BIO_BYTES	((BIO_MAX_VECS - 1) * PAGE_SIZE)

/**
 * journal_fatal - the journal cannot go on
 * @c:		filesystem
 * @err:	why
 */
void journal_fatal(struct bch_fs *c, int err)
{
	if (!bch2_journal_error(c))
		bch_err(c, "journal: fatal error: %s", bch2_err_str(err));
	bch2_journal_halt(c);
	if (c->up.emergency_ro)
		c->up.emergency_ro(c);
}

/* --- replicas entries (section 14) --- */

/* The devices that hold @buf, ascending. */
static unsigned good_devs(const struct journal_buf *buf, u8 *devs)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < buf->nr_ptrs; i++) {
		unsigned at = nr;

		if (atomic_read(&buf->ptrs[i].errors))
			continue;
		for (; at && devs[at - 1] > buf->ptrs[i].dev; at--)
			devs[at] = devs[at - 1];
		devs[at] = buf->ptrs[i].dev;
		nr++;
	}
	return nr;
}

/**
 * journal_mark_devs - the superblock says where this entry is
 * @c:		filesystem
 * @buf:	entry; devices whose writes failed do not count
 *
 * Writes the superblock unless it is known to have that.
 *
 * Return: 0 or an error of the superblock.
 */
int journal_mark_devs(struct bch_fs *c, struct journal_buf *buf)
{
	struct journal_writer *w = c->journal.w;
	u8 devs[BCH_REPLICAS_MAX];
	const unsigned nr = good_devs(buf, devs);
	struct bch_devs_mask mask = {};
	bool have = false;
	int ret;

	spin_lock(&w->lock);
	for (unsigned i = 0; i < w->nr_marked && !have; i++)
		have = w->marked[i].nr == nr && !memcmp(w->marked[i].devs, devs, nr);
	spin_unlock(&w->lock);
	if (have || !nr || !c->up.journal_mark_replicas)
		return 0;

	for (unsigned i = 0; i < nr; i++)
		__set_bit(devs[i], mask.d);
	ret = c->up.journal_mark_replicas(c, &mask);
	if (ret)
		return ret;

	spin_lock(&w->lock);
	if (w->nr_marked < ARRAY_SIZE(w->marked)) {
		w->marked[w->nr_marked].nr = nr;
		memcpy(w->marked[w->nr_marked].devs, devs, nr);
		w->nr_marked++;
	}
	spin_unlock(&w->lock);
	return 0;
}

/* --- requests --- */

static void io_put(struct journal_buf *buf)
{
	struct journal_writer *w = buf->c->journal.w;

	if (atomic_dec_and_test(&buf->io))
		queue_work(w->done_wq, &w->done_work);
}

static void write_endio(struct bio *bio)
{
	struct journal_buf_ptr *ptr = bio->bi_private;

	if (bio->bi_status)
		atomic_inc(&ptr->errors);
	bio_put(bio);
	io_put(ptr->buf);
}

static void flush_endio(struct bio *bio)
{
	struct journal_buf *buf = bio->bi_private;

	if (bio->bi_status)
		atomic_inc(&buf->flush_errors);
	bio_put(bio);
	io_put(buf);
}

static struct page *buf_page(const void *p)
{
	return is_vmalloc_addr(p) ? vmalloc_to_page(p) : virt_to_page(p);
}

static void chunk_submit(struct bch_fs *c, struct journal_buf_ptr *ptr, u32 at, u32 bytes,
			 blk_opf_t opf)
{
	const struct bch_dev *ca = bch2_dev(c, ptr->dev);
	const u8 *p = (const u8 *) ptr->buf->data + at, *end = p + bytes;
	struct bio *bio;

	bio = bio_alloc(ca->disk_sb.bdev, DIV_ROUND_UP(bytes, PAGE_SIZE) + 1,
			REQ_OP_WRITE|REQ_SYNC|REQ_META|opf, GFP_KERNEL);
	bio->bi_iter.bi_sector	= ptr->sector + (at >> 9);
	bio->bi_end_io		= write_endio;
	bio->bi_private		= ptr;

	while (p < end) {
		const unsigned in_page = offset_in_page(p);
		const unsigned len = min_t(size_t, PAGE_SIZE - in_page, end - p);

		/* cannot fail: there is a vector for every page */
		__bio_add_page(bio, buf_page(p), len, in_page);
		p += len;
	}
	atomic_inc(&ptr->buf->io);
	submit_bio(bio);
}

/**
 * journal_buf_submit - write all copies of an entry
 * @c:		filesystem
 * @buf:	entry; its io count holds one for the caller, which is put here
 * @opf:	REQ_FUA, REQ_PREFLUSH or none
 *
 * With REQ_PREFLUSH the first part waits for the cache: without that part the
 * entry is torn, so it is not there before what it relies on.
 */
void journal_buf_submit(struct bch_fs *c, struct journal_buf *buf, blk_opf_t opf)
{
	const u32 bytes = buf->sectors << 9;
	struct journal_writer *w = c->journal.w;

	for (unsigned i = 0; i < buf->nr_ptrs; i++)
		for (u32 at = 0; at < bytes; at += JOURNAL_BIO_BYTES)
			chunk_submit(c, &buf->ptrs[i], at,
				     min_t(u32, bytes - at, JOURNAL_BIO_BYTES),
				     at ? opf & ~REQ_PREFLUSH : opf);
	atomic64_add((u64) bytes * buf->nr_ptrs, &w->bytes_written);
	io_put(buf);
}

static bool dev_has_cache_to_flush(const struct bch_dev *ca)
{
	return bch2_dev_is_online(ca) && ca->mi.state == BCH_MEMBER_STATE_rw;
}

static unsigned nr_devs_to_flush(struct bch_fs *c)
{
	unsigned nr = 0;

	for_each_online_member(c, ca)
		nr += dev_has_cache_to_flush(ca);
	return nr;
}

/* Flush the caches of all devices that something may have been written to. */
static void flush_caches(struct bch_fs *c, struct journal_buf *buf)
{
	for_each_online_member(c, ca) {
		struct bio *bio;

		if (!dev_has_cache_to_flush(ca))
			continue;
		bio = bio_alloc(ca->disk_sb.bdev, 0, REQ_OP_WRITE|REQ_PREFLUSH|REQ_SYNC,
				GFP_KERNEL);
		bio->bi_end_io	= flush_endio;
		bio->bi_private	= buf;
		atomic_inc(&buf->io);
		submit_bio(bio);
	}
	io_put(buf);
}

/* --- an entry has ended --- */

static void report_failed(struct bch_fs *c, struct journal_buf *buf)
{
	for (unsigned i = 0; i < buf->nr_ptrs; i++) {
		struct bch_dev *ca = bch2_dev(c, buf->ptrs[i].dev);

		if (atomic_read(&buf->ptrs[i].errors)) {
			bch2_dev_io_error(ca, BCH_MEMBER_ERROR_write);
			bch_err_dev(ca, "error writing journal entry %llu at sector %llu",
				    buf->seq, buf->ptrs[i].sector);
		}
	}
}

/* Is the entry on some device, and known to be there? */
static int entry_arrived(struct bch_fs *c, struct journal_buf *buf)
{
	struct journal_writer *w = c->journal.w;
	u8 devs[BCH_REPLICAS_MAX];
	const unsigned good = good_devs(buf, devs);
	int ret = 0;

	if (buf->skipped)
		return 0;
	if (good != buf->nr_ptrs)
		report_failed(c, buf);
	if (!good)
		return -BCH_ERR_EIO_write;

	bch2_sync_point(c, journal_H11_written);

	/* 16.4: now the superblock; degraded: where the entry really is */
	if (READ_ONCE(w->first_pending) || good != buf->nr_ptrs)
		ret = journal_mark_devs(c, buf);
	return ret;
}

/* A flush entry is durable: what it says is true from now on; lock held. */
static void flush_ended(struct journal_writer *w, struct journal_buf *buf)
{
	WRITE_ONCE(w->flushed_ondisk, buf->seq);
	WRITE_ONCE(w->last_ondisk, buf->last_seq);
	WRITE_ONCE(w->rewind_ondisk, buf->rewind_limit);
	WRITE_ONCE(w->empty_ondisk, !buf->has_keys && buf->last_seq == buf->seq ? buf->seq : 0);
}

static void entry_end(struct bch_fs *c, struct journal_buf *buf)
{
	struct journal_writer *w = c->journal.w;
	void (*journal_flushed)(struct bch_fs *c) = READ_ONCE(c->up.journal_flushed);
	const int ret = entry_arrived(c, buf);
	const u64 seq = buf->seq;
	struct jset *surplus = NULL;
	bool flushed = false, low;

	if (ret)
		journal_fatal(c, ret);
	/* PC-4, PC-5: by now the keys are pinned by those who have them */
	journal_pins_put_entry(&w->pins, seq);

	spin_lock(&w->lock);
	if (!w->err) {
		flushed = buf->flush;
		WRITE_ONCE(w->first_pending, false);
		if (flushed)
			flush_ended(w, buf);
		else
			WRITE_ONCE(w->empty_ondisk, 0);
	}
	w->flushes_out -= buf->flush;
	WRITE_ONCE(w->written, seq);
	journal_buf_release(c, buf, &surplus);
	WRITE_ONCE(w->low_pins, journal_pins_low(&w->pins));
	journal_rings_advance(c);
	low = w->low_space || w->low_reserve || w->low_pins;
	spin_unlock(&w->lock);

	kvfree(surplus);
	atomic64_inc(&w->nr_entries);
	if (flushed)
		atomic64_inc(&w->nr_flushes);
	/* who waits for room may need discards, or pins flushed */
	low |= wq_has_sleeper(&w->wait_res);
	wake_up_all(&w->wait_flush);
	wake_up_all(&w->wait_res);
	wake_up_all(&w->wait_write);
	if (flushed && journal_flushed)
		journal_flushed(c);
	if (low)
		bch2_journal_reclaim_kick(c);
}

/* --- one step of the oldest entry --- */

static void flush_entry_start(struct bch_fs *c, struct journal_buf *buf)
{
	const bool alone = nr_devs_to_flush(c) == 1;

	atomic_set(&buf->io, 1);
	WRITE_ONCE(buf->state, alone ? JOURNAL_BUF_writing : JOURNAL_BUF_flushing);
	if (alone)
		journal_buf_submit(c, buf, REQ_PREFLUSH|REQ_FUA);
	else
		flush_caches(c, buf);
}

/* Caches are flushed: now the entry itself. */
static void flush_entry_write(struct bch_fs *c, struct journal_buf *buf)
{
	if (atomic_read(&buf->flush_errors)) {
		bch_err(c, "cannot flush the cache of a device for journal entry %llu", buf->seq);
		buf->skipped = true;
		journal_fatal(c, -BCH_ERR_EIO_write);
		return;
	}
	atomic_set(&buf->io, 1);
	WRITE_ONCE(buf->state, JOURNAL_BUF_writing);
	journal_buf_submit(c, buf, REQ_FUA);
}

/* The oldest entry that has been prepared and has not ended. */
static struct journal_buf *oldest_prepared(struct journal_writer *w)
{
	struct journal_buf *ret;

	spin_lock(&w->lock);
	ret = w->written < w->prepared ? journal_buf(w, w->written + 1) : NULL;
	spin_unlock(&w->lock);
	return ret;
}

/* True if it may go on at once. */
static bool entry_step(struct bch_fs *c, struct journal_buf *buf)
{
	const unsigned state = READ_ONCE(buf->state);

	if (atomic_read_acquire(&buf->io))
		return false;

	if (state == JOURNAL_BUF_prepared && !buf->skipped && bch2_journal_error(c))
		buf->skipped = true;

	if (buf->skipped || state == JOURNAL_BUF_writing)
		entry_end(c, buf);
	else if (state == JOURNAL_BUF_prepared)
		flush_entry_start(c, buf);
	else
		flush_entry_write(c, buf);
	return true;
}

/**
 * journal_done_work - move the oldest entries on
 * @work:	of the journal_writer
 */
void journal_done_work(struct work_struct *work)
{
	struct journal_writer *w = container_of(work, struct journal_writer, done_work);
	struct bch_fs *c = w->c;
	struct journal_buf *buf;

	while ((buf = oldest_prepared(w)) && entry_step(c, buf))
		;
}
