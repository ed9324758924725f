// SPDX-License-Identifier: GPL-2.0
/*
 * Carrying out node writes: one bio per copy (spec 20 section 14).
 *
 * Runs on workers, on buffers nobody else knows: no node lock is held here (LK-6).
 * What cannot be encoded, and everything once the journal is dead, ends without
 * I/O in the same way as what was written.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/compiler.h>
#include <linux/kernel.h>

#include "bcachefs.h"
#include "btree/node_write.h"
#include "btree/node_write_types.h"
#include "btree/read.h"
#include "journal/journal.h"
#include "sb/members.h"
#include "util/log.h"

/* One copy has ended, or all were submitted. */
static void write_put(struct btree_node_write *w)
{
	if (!atomic_dec_and_test(&w->pending))
		return;
	INIT_WORK(&w->work, bch2_btree_node_write_done);
	queue_work(w->c->btree.writes.complete_wq, &w->work);
}

static void copy_failed(struct btree_node_write_copy *copy)
{
	set_bit(copy->dev, copy->w->failed.d);
	if (copy->ca)
		bch2_dev_io_error(copy->ca, BCH_MEMBER_ERROR_write);
}

static void copy_endio(struct bio *bio)
{
	struct btree_node_write_copy *copy = bio->bi_private;
	struct btree_node_write *w = copy->w;

	if (bio->bi_status)
		copy_failed(copy);
	else
		atomic_inc(&w->nr_good);
	bio_put(bio);
	write_put(w);
}

/* Pointers were validated, but may name a device that is not there. */
static bool copy_possible(const struct btree_node_write_copy *copy)
{
	const struct bch_dev *ca = copy->ca;
	const u64 end = copy->sector + copy->w->sectors;

	return ca && bch2_dev_is_online(ca) && end > copy->sector &&
		end <= READ_ONCE(ca->mi.nbuckets) * ca->mi.bucket_size;
}

static void copy_submit(struct btree_node_write_copy *copy)
{
	struct btree_node_write *w = copy->w;
	struct bio *bio = NULL;

	if (copy_possible(copy))
		bio = bch2_btree_node_bio(copy->ca, REQ_OP_WRITE|REQ_META, copy->sector, w->buf,
					  (size_t) w->sectors << 9);
	if (!bio) {
		copy_failed(copy);
		return;
	}
	bio->bi_end_io	= copy_endio;
	bio->bi_private	= copy;
	atomic_inc(&w->pending);
	submit_bio(bio);
}

/* Nothing is written once the journal is dead (NW-2), nor what fails its check. */
static int write_prepare(struct btree_node_write *w)
{
	int ret;

	if (bch2_journal_error(w->c))
		return -BCH_ERR_erofs_journal_err;
	if (w->c->opts.nochanges)
		return -BCH_ERR_erofs_nochanges;
	ret = bch2_btree_node_write_encode(w);
	if (ret) {
		bch_err(w->c, "btree node write: %s: going read-only", bch2_err_str(ret));
		if (w->c->up.emergency_ro)
			w->c->up.emergency_ro(w->c);
	}
	return ret;
}

/**
 * bch2_btree_node_write_submit - encode a write and send it to all copies
 * @work:	of a struct btree_node_write
 */
void bch2_btree_node_write_submit(struct work_struct *work)
{
	struct btree_node_write *w = container_of(work, struct btree_node_write, work);
	unsigned i;

	atomic_set(&w->pending, 1);
	w->error = write_prepare(w);
	for (i = 0; !w->error && i < w->nr_copies; i++)
		copy_submit(&w->copies[i]);
	write_put(w);
}
