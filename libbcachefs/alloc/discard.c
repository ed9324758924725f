// SPDX-License-Identifier: GPL-2.0
/*
 * The discard worker (spec 22 §12.6, 40 §4.6): emptied buckets are discarded on
 * the device, if that is wanted, and become free.
 *
 * Invariants. A bucket is touched only if its alloc key says need_discard, the
 * entry that emptied it is durable and behind the rewind limit, and it is not
 * open - tested in this order, with the alloc key locked. The index names
 * candidates, no more. A bucket is in flight once at most, from before the test
 * until it is free.
 *
 * Two work items do this: one goes through the need_discard btree, the other
 * through the short list of buckets that need not wait for the journal.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "bcachefs.h"
#include "alloc/accounting_live.h"
#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/discard.h"
#include "alloc/foreground.h"
#include "alloc/freespace.h"
#include "alloc/open_buckets.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "btree/write_buffer.h"
#include "journal/journal.h"
#include "sb/fsck_err.h"
#include "sb/members.h"
#include "util/log.h"
#include "util/sync_point.h"

/* Candidates taken from the index at a time. */
#define DISCARD_BATCH		64

/* Scans of one run: what is still buffered may turn up after a flush. */
#define DISCARD_SCANS_MAX	3

/* One discard that was sent to a device. */
struct bch_discard {
	struct list_head	list;
	struct bch_fs		*c;
	struct bch_dev		*ca;
	u64			bucket;
	struct bio		*bio;
	atomic_t		done;
};

/* One run of a worker. */
struct discard_run {
	struct btree_trans	*trans;
	struct bch_fs		*c;
	struct discard_limits	limits;
	unsigned		in_flight_max;	/* per device */
	unsigned		commit_flags;
	bool			background;	/* ends when the filesystem goes read-only */
	struct list_head	sent;		/* struct bch_discard */
	u64			seen;
	u64			waiting;	/* for the journal */
	u64			freed;
};

/* --- eligibility --- */

/**
 * bch2_discard_verdict - may a bucket be discarded?
 * @l:		what is durable
 * @a:		its alloc value; the key is locked
 * @open:	is the bucket open? Asked after the key was locked.
 * @dev_writable: may the device be written to?
 *
 * The order of the tests is that of spec 22 §12.6, 3 to 6.
 */
enum discard_verdict bch2_discard_verdict(const struct discard_limits *l,
					  const struct bch_alloc_v4 *a, bool open,
					  bool dev_writable)
{
	const u64 seq = le64_to_cpu(a->journal_seq_empty);

	if (seq > l->flushed_seq)
		return DISCARD_need_journal_commit;
	if (seq >= l->rewind_seq)
		return DISCARD_need_rewind_limit;
	if (a->data_type != BCH_DATA_need_discard)
		return DISCARD_not_need_discard;
	if (open)
		return DISCARD_open;
	if (!dev_writable)
		return DISCARD_dev_not_writable;
	return DISCARD_eligible;
}

static bool dev_writable(const struct bch_dev *ca)
{
	return bch2_dev_is_online(ca) && ca->mi.state == BCH_MEMBER_STATE_rw;
}

static bool dev_discards(const struct bch_dev *ca)
{
	const struct bch_fs *c = ca->fs;
	const bool wanted = opt_defined(c->opts, discard) ? c->opts.discard : ca->mi.discard;

	return wanted && !c->opts.nochanges && bdev_max_discard_sectors(ca->disk_sb.bdev);
}

/* --- buckets in flight --- */

enum in_flight {
	IN_FLIGHT_added,
	IN_FLIGHT_already,
	IN_FLIGHT_full,
};

static enum in_flight in_flight_add(struct bch_dev *ca, u64 bucket, unsigned max)
{
	struct bch_dev_alloc *a = &ca->alloc;
	enum in_flight ret = IN_FLIGHT_added;

	spin_lock(&a->discard_lock);
	for (unsigned i = 0; i < a->nr_in_flight; i++)
		if (a->in_flight[i] == bucket)
			ret = IN_FLIGHT_already;
	if (ret == IN_FLIGHT_added && a->nr_in_flight >= max)
		ret = IN_FLIGHT_full;
	if (ret == IN_FLIGHT_added)
		a->in_flight[a->nr_in_flight++] = bucket;
	spin_unlock(&a->discard_lock);
	return ret;
}

static void in_flight_del(struct bch_dev *ca, u64 bucket)
{
	struct bch_dev_alloc *a = &ca->alloc;

	spin_lock(&a->discard_lock);
	for (unsigned i = 0; i < a->nr_in_flight; i++)
		if (a->in_flight[i] == bucket) {
			a->in_flight[i] = a->in_flight[--a->nr_in_flight];
			break;
		}
	spin_unlock(&a->discard_lock);
	wake_up_all(&ca->fs->alloc.discard_wait);
}

static bool in_flight_room(struct bch_dev *ca, unsigned max)
{
	bool ret;

	spin_lock(&ca->alloc.discard_lock);
	ret = ca->alloc.nr_in_flight < max;
	spin_unlock(&ca->alloc.discard_lock);
	return ret;
}

/* --- the end: mark free --- */

/* 0: queued; 1: it is not need_discard any more. */
static int mark_free_trans(struct btree_trans *trans, struct bpos bucket)
{
	struct bkey_i_alloc_v4 *a =
		bch2_trans_start_alloc_update(trans, bucket, BTREE_TRIGGER_is_discard);

	if (IS_ERR(a))
		return PTR_ERR(a);
	if (a->v.data_type != BCH_DATA_need_discard)
		return 1;

	SET_BCH_ALLOC_V4_NEED_DISCARD(&a->v, 0);
	a->v.journal_seq_nonempty	= 0;
	a->v.journal_seq_empty		= 0;
	a->v.data_type			= BCH_DATA_free;
	bch2_alloc_data_type_set(&a->v, BCH_DATA_free);
	return 0;
}

/* @discarded: the device has been told already that nobody needs the contents. */
static int mark_free(struct discard_run *r, struct bch_dev *ca, u64 bucket, bool discarded)
{
	int ret = commit_do(r->trans, NULL, NULL, r->commit_flags,
			    mark_free_trans(r->trans, POS(ca->dev_idx, bucket)));

	if (ret == 1 && discarded) {
		bch2_fs_inconsistent(r->c, "device %u bucket %llu was used while it was discarded",
				     ca->dev_idx, bucket);
		r->c->up.emergency_ro(r->c);
		ret = -EIO;
	}
	if (!ret)
		r->freed++;
	in_flight_del(ca, bucket);
	return min(ret, 0);
}

/* --- discards --- */

static void discard_endio(struct bio *bio)
{
	struct bch_discard *d = bio->bi_private;
	struct bch_fs *c = d->c;

	/* from here on @d may be freed */
	atomic_set_release(&d->done, 1);
	wake_up_all(&c->alloc.discard_wait);
}

/* Send the discard of a whole bucket; it is in r->sent then. */
static int send_discard(struct discard_run *r, struct bch_dev *ca, u64 bucket)
{
	struct bch_discard *d = kzalloc(sizeof(*d), GFP_KERNEL);

	if (!d)
		return -ENOMEM;
	d->bio = bio_alloc(ca->disk_sb.bdev, 0, REQ_OP_DISCARD, GFP_KERNEL);
	if (!d->bio) {
		kfree(d);
		return -ENOMEM;
	}
	d->c		= r->c;
	d->ca		= ca;
	d->bucket	= bucket;
	d->bio->bi_iter.bi_sector = bucket_to_sector(ca, bucket);
	d->bio->bi_iter.bi_size	  = (u32) ca->mi.bucket_size << 9;
	d->bio->bi_end_io	= discard_endio;
	d->bio->bi_private	= d;
	list_add_tail(&d->list, &r->sent);
	submit_bio(d->bio);
	return 0;
}

static struct bch_discard *first_done(struct discard_run *r)
{
	struct bch_discard *d;

	list_for_each_entry(d, &r->sent, list)
		if (atomic_read_acquire(&d->done))
			return d;
	return NULL;
}

/* Finish one completed discard. */
static int finish(struct discard_run *r, struct bch_discard *d)
{
	struct bch_dev *ca = d->ca;
	const u64 bucket = d->bucket;

	/* The contents do not matter any more, discarded or not. */
	if (d->bio->bi_status)
		bch_warn_dev(ca, "discard of bucket %llu failed: %s", bucket,
			     blk_status_to_str(d->bio->bi_status));
	list_del(&d->list);
	bio_put(d->bio);
	kfree(d);
	return mark_free(r, ca, bucket, true);
}

static int finish_done(struct discard_run *r)
{
	struct bch_discard *d;
	int ret = 0;

	while (!ret && (d = first_done(r)))
		ret = finish(r, d);
	return ret;
}

static int finish_all(struct discard_run *r)
{
	int ret = 0;

	while (!list_empty(&r->sent)) {
		int ret2;

		wait_event(r->c->alloc.discard_wait, first_done(r));
		ret2 = finish(r, first_done(r));
		ret = ret ?: ret2;
	}
	return ret;
}

/* --- one candidate --- */

static int look_at(struct btree_trans *trans, struct discard_run *r, struct bch_dev *ca,
		   u64 bucket, enum discard_verdict *verdict)
{
	struct btree_iter iter;
	struct bch_alloc_v4 a;
	struct bkey_s_c k = bch2_bkey_get_iter(trans, &iter, BTREE_ID_alloc,
					       POS(ca->dev_idx, bucket), BTREE_ITER_cached);
	int ret = bkey_err(k);

	if (!ret) {
		bch2_alloc_to_v4(k, &a);
		*verdict = bch2_discard_verdict(&r->limits, &a,
				bch2_open_bucket_is_open(r->c, ca->dev_idx, bucket),
				dev_writable(ca));
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* Wait until @bucket can be put in flight. False: somebody else has it. */
static int put_in_flight(struct discard_run *r, struct bch_dev *ca, u64 bucket, bool *mine)
{
	for (;;) {
		const enum in_flight f = in_flight_add(ca, bucket, r->in_flight_max);
		int ret;

		*mine = f == IN_FLIGHT_added;
		if (f != IN_FLIGHT_full)
			return 0;
		wait_event(r->c->alloc.discard_wait,
			   in_flight_room(ca, r->in_flight_max) || first_done(r));
		ret = finish_done(r);
		if (ret)
			return ret;
	}
}

/* No locks held; r->trans is between attempts. */
static int discard_bucket(struct discard_run *r, struct bpos pos)
{
	struct bch_dev *ca = bch2_dev(r->c, min(pos.inode, (u64) U32_MAX));
	enum discard_verdict verdict = DISCARD_not_need_discard;
	bool mine;
	int ret;

	if (!ca || !bucket_valid(ca, pos.offset))
		return 0;
	ret = put_in_flight(r, ca, pos.offset, &mine);
	if (ret || !mine)
		return ret;

	ret = lockrestart_do(r->trans, look_at(r->trans, r, ca, pos.offset, &verdict));
	bch2_trans_unlock(r->trans);
	r->waiting += verdict == DISCARD_need_journal_commit ||
		      verdict == DISCARD_need_rewind_limit;
	if (ret || verdict != DISCARD_eligible) {
		in_flight_del(ca, pos.offset);
		return ret;
	}

	if (dev_discards(ca)) {
		ret = send_discard(r, ca, pos.offset);
		if (ret)
			in_flight_del(ca, pos.offset);
		return ret;
	}
	return mark_free(r, ca, pos.offset, false);
}

/* --- a scan of the index --- */

struct discard_batch {
	struct bpos		bucket[DISCARD_BATCH];
	unsigned		nr;
	struct bpos		next;		/* where the next batch begins */
	bool			end;
};

/* Next candidates of the need_discard btree, rule 1. */
static int read_batch(struct discard_run *r, struct discard_batch *b)
{
	const bool by_seq = bch2_need_discard_by_seq(r->c);

	b->nr	= 0;
	b->end	= true;
	return min(0, for_each_btree_key(r->trans, iter, BTREE_ID_need_discard, b->next,
					 BTREE_ITER_prefetch, k, ({
		const struct need_discard_entry e = bch2_need_discard_decode(by_seq, k.k->p);
		int done = 0;

		if (by_seq && bch2_discard_scan_ends(&r->limits, e.journal_seq)) {
			r->waiting++;
			done = 1;
		} else if (b->nr == DISCARD_BATCH) {
			b->next	= k.k->p;
			b->end	= false;
			done = 1;
		} else {
			b->bucket[b->nr++] = e.bucket;
		}
		done;
	})));
}

static void get_limits(struct discard_run *r)
{
	r->limits.flushed_seq	= bch2_journal_flushed_seq_ondisk(r->c);
	r->limits.rewind_seq	= bch2_journal_rewind_seq_ondisk(r->c);
}

static bool go_on(const struct discard_run *r)
{
	return !bch2_journal_error(r->c) &&
		(!r->background || test_bit(BCH_FS_rw, &r->c->flags));
}

static bool space_is_short(struct bch_fs *c, unsigned times)
{
	for_each_online_member(c, ca)
		if (dev_writable(ca) &&
		    bch2_dev_buckets(ca, BCH_DATA_free) <
		    times * bch2_dev_buckets_reserved(ca, BCH_WATERMARK_stripe))
			return true;
	return false;
}

/*
 * What is left in the journal belongs to those who make room there; thousands of
 * discards would leave them none. Unless nothing goes on without free buckets: the
 * rest comes after one of the next flushes, or in the next round of going read-only.
 */
static bool leave_journal_alone(const struct discard_run *r)
{
	return bch2_journal_watermark_low(r->c) && !space_is_short(r->c, 1);
}

static bool scan_on(const struct discard_run *r)
{
	return go_on(r) && !leave_journal_alone(r);
}

static int scan(struct discard_run *r)
{
	struct discard_batch *b = kzalloc(sizeof(*b), GFP_KERNEL);
	int ret = 0;

	if (!b)
		return -ENOMEM;
	get_limits(r);
	r->seen = r->waiting = 0;

	while (!ret && !b->end && scan_on(r)) {
		bch2_trans_begin(r->trans);
		ret = read_batch(r, b);
		bch2_trans_unlock_long(r->trans);
		r->seen += b->nr;
		for (unsigned i = 0; i < b->nr && !ret && scan_on(r); i++)
			ret = discard_bucket(r, b->bucket[i]) ?: finish_done(r);
	}
	kfree(b);
	return finish_all(r) ?: ret;
}

static void run_init(struct discard_run *r, struct bch_fs *c, unsigned in_flight_max,
		     bool background)
{
	*r = (struct discard_run) {
		.trans		= bch2_trans_get(c),
		.c		= c,
		.in_flight_max	= in_flight_max,
		.background	= background,
		.commit_flags	= BCH_WATERMARK_reclaim|BCH_TRANS_COMMIT_no_enospc|
			(background ? 0 : BCH_TRANS_COMMIT_no_check_rw),
	};
	INIT_LIST_HEAD(&r->sent);
}

/* --- what to do when little was found --- */

static u64 buckets_waiting(struct bch_fs *c)
{
	u64 nr = 0;

	for_each_online_member(c, ca)
		nr += bch2_dev_buckets(ca, BCH_DATA_need_discard);
	return nr;
}

/* True: scan once more. */
static bool scan_again(struct discard_run *r, bool urgent)
{
	struct bch_fs *c = r->c;

	if (!scan_on(r) || (!urgent && !space_is_short(c, 2)))
		return false;
	if (bch2_discards_advance_rewind_limit(c, r->trans) || r->waiting)
		bch2_journal_flush_seq_async(c, bch2_journal_cur_seq(c));
	if (r->seen * 2 >= buckets_waiting(c))
		return false;
	return !bch2_btree_write_buffer_flush_sync(r->trans);
}

static int run_discards(struct bch_fs *c, bool background, bool urgent, u64 *freed)
{
	struct discard_run r;
	unsigned scans = 0;
	int ret;

	run_init(&r, c, DISCARDS_IN_FLIGHT, background);
	do {
		ret = scan(&r);
	} while (!ret && ++scans < DISCARD_SCANS_MAX && scan_again(&r, urgent));
	bch2_trans_put(r.trans);
	*freed = r.freed;
	return ret;
}

static void report(struct bch_fs *c, int ret)
{
	if (ret && !bch2_err_matches(ret, EROFS) && !bch2_journal_error(c))
		bch_err(c, "error discarding buckets: %s", bch2_err_str(ret));
}

/* --- workers --- */

static void discard_work_fn(struct work_struct *work)
{
	struct bch_fs *c = container_of(work, struct bch_fs, alloc.discard_work);
	const bool urgent = xchg(&c->alloc.discard_urgent, false);
	const bool draining = READ_ONCE(c->alloc.discards_draining);
	u64 freed;

	bch2_sync_point(c, discard_begin);
	if (!draining && !c->up.write_ref_get(c))
		return;
	report(c, run_discards(c, !draining, urgent, &freed));
	if (!draining)
		c->up.write_ref_put(c);
}

static bool fast_pop(struct bch_dev *ca, u64 *bucket)
{
	bool ret;

	spin_lock(&ca->alloc.discard_lock);
	ret = ca->alloc.nr_fast != 0;
	if (ret)
		*bucket = ca->alloc.fast[--ca->alloc.nr_fast];
	spin_unlock(&ca->alloc.discard_lock);
	return ret;
}

static void discard_fast_work_fn(struct work_struct *work)
{
	struct bch_fs *c = container_of(work, struct bch_fs, alloc.discard_fast_work);
	struct discard_run r;
	u64 bucket;
	int ret = 0;

	bch2_sync_point(c, discard_begin);
	if (!c->up.write_ref_get(c))
		return;
	run_init(&r, c, DISCARDS_IN_FLIGHT_FAST, true);
	get_limits(&r);
	for_each_online_member(c, ca)
		while (!ret && scan_on(&r) && fast_pop(ca, &bucket))
			ret = discard_bucket(&r, POS(ca->dev_idx, bucket)) ?: finish_done(&r);
	report(c, finish_all(&r) ?: ret);
	bch2_trans_put(r.trans);
	c->up.write_ref_put(c);
}

static bool may_work(struct bch_fs *c)
{
	return c->alloc.wq && test_bit(BCH_FS_rw, &c->flags);
}

/**
 * bch2_do_discards - look for buckets that can be discarded
 * @c:	filesystem
 *
 * In the background; any context that may take spinlocks.
 */
void bch2_do_discards(struct bch_fs *c)
{
	if (may_work(c))
		queue_work(c->alloc.wq, &c->alloc.discard_work);
}

/**
 * bch2_do_discards_urgent - the same for somebody who waits for free buckets
 * @c:	filesystem
 *
 * The worker flushes what is in the way of discards. It also works for those who are
 * going read-only.
 */
void bch2_do_discards_urgent(struct bch_fs *c)
{
	WRITE_ONCE(c->alloc.discard_urgent, true);
	if (may_work(c) || READ_ONCE(c->alloc.discards_draining))
		queue_work(c->alloc.wq, &c->alloc.discard_work);
}

/**
 * bch2_discards_drain - do those who are going read-only find the worker?
 * @c:		filesystem; nobody but what ends it writes any more
 * @on:		from now on, if somebody waits for free buckets; false: no more, and the
 *		worker has ended
 *
 * What is written while going read-only splits nodes. The buckets for them may be
 * there, but wait for a discard.
 */
void bch2_discards_drain(struct bch_fs *c, bool on)
{
	if (!c->alloc.wq)
		return;
	WRITE_ONCE(c->alloc.discards_draining, on);
	if (!on)
		flush_workqueue(c->alloc.wq);
}

/**
 * bch2_discard_bucket_fast - discard a bucket soon
 * @c:		filesystem
 * @ca:		device
 * @bucket:	emptied, with no need to wait for the journal, and not open
 *
 * Callable with node locks held. When the list is full, the index has it.
 */
void bch2_discard_bucket_fast(struct bch_fs *c, struct bch_dev *ca, u64 bucket)
{
	bool listed = false;

	spin_lock(&ca->alloc.discard_lock);
	if (ca->alloc.nr_fast < DISCARDS_FAST_MAX) {
		ca->alloc.fast[ca->alloc.nr_fast++] = bucket;
		listed = true;
	}
	spin_unlock(&ca->alloc.discard_lock);

	if (!listed)
		bch2_do_discards(c);
	else if (may_work(c))
		queue_work(c->alloc.wq, &c->alloc.discard_fast_work);
}

/**
 * bch2_discards_going_ro - a step of going read-only
 * @c:	filesystem; nobody but what ends it writes any more
 *
 * Only if some device is short of free buckets (spec 40 §4.6): otherwise what is
 * waiting may wait for the next start.
 *
 * Return: buckets that became free, or an error.
 */
int bch2_discards_going_ro(struct bch_fs *c)
{
	u64 freed;
	int ret;

	if (!c->alloc.wq || !space_is_short(c, 4) || !buckets_waiting(c))
		return 0;
	ret = run_discards(c, false, false, &freed);
	report(c, ret);
	return ret ?: (int) min_t(u64, freed, INT_MAX);
}

/**
 * bch2_discards_flush - wait for the workers
 * @c:	filesystem
 */
void bch2_discards_flush(struct bch_fs *c)
{
	if (c->alloc.wq)
		flush_workqueue(c->alloc.wq);
}

/* --- life --- */

/**
 * bch2_fs_discards_init - set up the workers
 * @c:	filesystem; its devices are there
 *
 * Return: 0 or -BCH_ERR_ENOMEM_fs_alloc.
 */
int bch2_fs_discards_init(struct bch_fs *c)
{
	init_waitqueue_head(&c->alloc.discard_wait);
	INIT_WORK(&c->alloc.discard_work, discard_work_fn);
	INIT_WORK(&c->alloc.discard_fast_work, discard_fast_work_fn);
	INIT_WORK(&c->alloc.invalidate_work, bch2_invalidate_work_fn);
	for_each_member_device(c, ca)
		spin_lock_init(&ca->alloc.discard_lock);

	c->alloc.wq = alloc_workqueue("bcachefs_alloc", WQ_FREEZABLE|WQ_MEM_RECLAIM, 4);
	return c->alloc.wq ? 0 : -BCH_ERR_ENOMEM_fs_alloc;
}

/**
 * bch2_fs_discards_exit - end of the workers
 * @c:	filesystem; not read-write
 */
void bch2_fs_discards_exit(struct bch_fs *c)
{
	if (c->alloc.wq)
		destroy_workqueue(c->alloc.wq);
	c->alloc.wq = NULL;
}
