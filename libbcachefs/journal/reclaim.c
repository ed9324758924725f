// SPDX-License-Identifier: GPL-2.0
/*
 * The reclaim thread: keeps rings at most half full (spec 30 section 16.6).
 *
 * A round has the pins flushed that stand in the way, takes note of what became
 * free, discards it, and asks for a flush entry when buckets only wait for
 * last_seq to be durable. It never works for what replay still holds (RP-4).
 *
 * No deadlock on a full ring: updates below watermark reclaim are held back while
 * a quarter is still clean, and all that do not themselves end what is pinned
 * while there is a reserve (journal/space.c). The thread never waits for room
 * below that watermark: a flush function that could not go on without fails, and
 * the other pins get their turn.
 */
#include <linux/blkdev.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include "bcachefs.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "journal/reclaim.h"
#include "journal/ring.h"
#include "journal/writer_priv.h"
#include "sb/members.h"
#include "util/log.h"

/**
 * bch2_journal_reclaim_kick - have the reclaim thread run a round
 * @c:	filesystem
 *
 * From anywhere; does not wait.
 */
void bch2_journal_reclaim_kick(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;

	/* the thread may be waiting for room itself, below a flush function */
	if (READ_ONCE(w->reclaimer))
		queue_work(system_unbound_wq, &w->room_work);
	if (READ_ONCE(w->reclaim_kicked))
		return;
	WRITE_ONCE(w->reclaim_kicked, true);
	wake_up_all(&w->wait_reclaim);
}

/* --- discards --- */

/* The next bucket of @ca to be discarded, if any is due. */
static bool discard_next(struct bch_fs *c, struct bch_dev *ca, u64 *bucket)
{
	struct journal_writer *w = c->journal.w;
	struct journal_device *ja = &ca->journal;
	unsigned available;
	bool ret;

	spin_lock(&w->lock);
	available = (ja->discard_idx + ja->nr - ja->cur_idx - 1) % ja->nr;
	ret = ja->discard_idx != ja->dirty_idx_ondisk && available < max(4U, ja->nr / 2);
	if (ret)
		*bucket = ja->buckets[ja->discard_idx];
	spin_unlock(&w->lock);
	return ret;
}

static void discard_ended(struct bch_fs *c, struct bch_dev *ca)
{
	struct journal_writer *w = c->journal.w;
	struct journal_device *ja = &ca->journal;

	spin_lock(&w->lock);
	ja->discard_idx = ja->discard_idx + 1 < ja->nr ? ja->discard_idx + 1 : 0;
	journal_space_update(c);
	spin_unlock(&w->lock);
}

/* discard_lock held: nobody else moves discard_idx of such a ring */
static void discard_buckets(struct bch_fs *c)
{
	for_each_online_member(c, ca) {
		u64 bucket;

		if (!journal_dev_writable(ca) || !journal_ring_discards(c, ca))
			continue;
		while (discard_next(c, ca, &bucket)) {
			const int ret = blkdev_issue_discard(ca->disk_sb.bdev,
							     bucket_to_sector(ca, bucket),
							     ca->mi.bucket_size, GFP_KERNEL);

			/* the bucket can be written all the same */
			if (ret)
				bch_verbose(c, "%s: discard of journal bucket %llu: %s", ca->name,
					    bucket, bch2_err_str(ret));
			discard_ended(c, ca);
		}
	}
}

/* --- one round --- */

/* Pins up to which number are to be flushed? 0: none. */
static u64 round_target(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	u64 front, back, ret;

	spin_lock(&w->lock);
	ret = journal_rings_seq_to_flush(c);
	spin_lock(&w->pins.lock);
	front = w->pins.front;
	back = w->pins.back;
	spin_unlock(&w->pins.lock);
	/* too much is dirty, though little of the ring is used */
	if (w->low_writeback && !ret)
		ret = back - 1;
	spin_unlock(&w->lock);

	if (back - front > w->pins.mask / 2)
		ret = max(ret, back - w->pins.mask / 2);
	return min(ret, journal_pins_reclaim_limit(&w->pins));
}

/* Takes no lock that is held while pins are flushed. */
static void make_room(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	bool flush;
	int ret = 0;

	mutex_lock(&w->discard_lock);
	discard_buckets(c);
	mutex_unlock(&w->discard_lock);

	spin_lock(&w->lock);
	journal_rings_advance(c);
	/* also if it was asked for already: by then the entry may have been decided */
	flush = !w->err && w->running && !w->stopping && journal_rings_want_flush(c);
	if (flush && w->seq == w->prepared)
		ret = journal_entry_open(c, 0, BCH_WATERMARK_interior_updates);
	w->reclaim_flush |= flush && !ret;
	spin_unlock(&w->lock);

	if (ret == -BCH_ERR_journal_no_buffer)
		journal_spares_fill(c);
	if (flush)
		wake_up_all(&w->wait_write);
}

/**
 * journal_room_work - make the room that needs no pins flushed
 * @work:	journal_writer.room_work
 *
 * Flush functions wait for room as everybody does. What is not needed any more
 * is discarded, and the flush entry that says so is asked for, beside them.
 */
void journal_room_work(struct work_struct *work)
{
	struct journal_writer *w = container_of(work, struct journal_writer, room_work);

	if (!bch2_journal_error(w->c))
		make_room(w->c);
}

/**
 * bch2_journal_reclaim - make room
 * @c:		filesystem
 * @direct:	somebody waits: flush the oldest pins in any case
 *
 * Sleeps; not with locks a flush function takes.
 *
 * Return: were pins flushed?
 */
bool bch2_journal_reclaim(struct bch_fs *c, bool direct)
{
	struct journal_writer *w = c->journal.w;
	u64 target = round_target(c);
	bool ret;

	if (direct)
		target = max(target, min(journal_pins_last_seq(&w->pins),
					 journal_pins_reclaim_limit(&w->pins)));
	ret = target && bch2_journal_flush_pins(c, target, JOURNAL_PIN_TYPES_ALL);
	make_room(c);
	return ret;
}

/* --- the thread --- */

static int reclaim_thread(void *arg)
{
	struct bch_fs *c = arg;
	struct journal_writer *w = c->journal.w;

	while (!kthread_should_stop()) {
		const unsigned long delay = msecs_to_jiffies(c->opts.journal_reclaim_delay);

		wait_event_idle_timeout(w->wait_reclaim,
					READ_ONCE(w->reclaim_kicked) || kthread_should_stop(),
					max(delay, 1UL));
		/* a kick from now on is for the next round */
		WRITE_ONCE(w->reclaim_kicked, false);
		if (!bch2_journal_error(c))
			bch2_journal_reclaim(c, false);
	}
	return 0;
}

/**
 * journal_reclaim_thread_start - begin
 * @c:	filesystem
 */
int journal_reclaim_thread_start(struct bch_fs *c)
{
	struct task_struct *t = kthread_run(reclaim_thread, c, "bch-reclaim/%s", c->name);

	if (IS_ERR(t))
		return PTR_ERR(t);
	c->journal.w->reclaimer = t;
	return 0;
}

/**
 * journal_reclaim_thread_stop - end
 * @c:	filesystem
 */
void journal_reclaim_thread_stop(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;

	struct task_struct *t = w->reclaimer;

	/* no room is asked for through the work from now on */
	WRITE_ONCE(w->reclaimer, NULL);
	if (t)
		kthread_stop(t);
	cancel_work_sync(&w->room_work);
}
