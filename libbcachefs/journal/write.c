// SPDX-License-Identifier: GPL-2.0
/*
 * The journal's writer thread: closing entries when it is time, deciding between
 * flush and noflush, handing them to the devices in order (spec 30 section 16).
 *
 * Invariants. Entries are built, and get their places, one after the other by
 * number. While the superblock does not say that the filesystem is dirty only
 * one entry is on its way (16.4). A dead journal writes noflush entries only:
 * they are never replayed.
 */
#include <linux/compiler.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/wait.h>

#include "bcachefs.h"
#include "btree/write_buffer.h"
#include "journal/journal.h"
#include "journal/ring.h"
#include "journal/writer_priv.h"
#include "sb/fsck_err.h"
#include "util/log.h"
#include "util/sync_point.h"

/* Flush entries under way; with more, waiters are gathered in the next one. */
#define JOURNAL_FLUSHES_MAX	1

static unsigned long flush_delay(const struct bch_fs *c)
{
	return max(msecs_to_jiffies(c->opts.journal_flush_delay), 1UL);
}

/* --- closing --- */

/* Is it time to close the open entry? Lock held. */
static bool close_due(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	const struct journal_buf *buf = journal_open_buf(w);

	if (!buf)
		return false;
	return w->err || w->reclaim_flush ||
		(buf->must_flush && w->flushes_out <= JOURNAL_FLUSHES_MAX) ||
		time_after_eq(jiffies, buf->opened + flush_delay(c));
}

/* The next entry to be built, if it is complete; lock held. */
static struct journal_buf *next_closed(struct journal_writer *w)
{
	struct journal_buf *buf = journal_buf(w, w->prepared + 1);

	if (w->prepared == w->seq || buf->state != JOURNAL_BUF_closed ||
	    atomic_read_acquire(&buf->refs))
		return NULL;
	/* 16.4: nothing else before the first entry and the superblock are durable */
	if (w->first_pending && w->prepared != w->written)
		return NULL;
	return buf;
}

/* Close what is due; the next entry to be built, or NULL. */
static struct journal_buf *writer_step(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	struct journal_buf *buf;

	spin_lock(&w->lock);
	if (close_due(c))
		journal_entry_close(c);
	buf = next_closed(w);
	spin_unlock(&w->lock);
	return buf;
}

static bool writer_due(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	bool ret;

	spin_lock(&w->lock);
	ret = close_due(c) || next_closed(w) || (w->running && w->nr_spares <= 1 && !w->err);
	spin_unlock(&w->lock);
	return ret;
}

/* --- flush or not --- */

static bool no_flush_feature(const struct bch_fs *c)
{
	return c->sb.features & BCH_FEATURE_BIT(journal_no_flush);
}

/* Can the waiters of @buf be moved to the next entry? Lock held. */
static bool pass_on(struct journal_writer *w, const struct journal_buf *buf)
{
	struct journal_buf *next = journal_buf(w, buf->seq + 1);

	if (w->flushes_out <= JOURNAL_FLUSHES_MAX || buf->seq == w->seq || next->no_flush)
		return false;
	next->must_flush = true;
	return true;
}

/* 16.3, in that order; lock held. */
static bool want_flush(struct bch_fs *c, struct journal_buf *buf)
{
	struct journal_writer *w = c->journal.w;

	if (w->err)
		return false;
	if (buf->seq == w->first_seq)
		return true;
	if (buf->no_flush)
		return false;
	/* also, what uses the last bucket has to make others available */
	if (w->reclaim_flush || journal_rings_want_flush(c) || !no_flush_feature(c))
		return true;
	if (buf->must_flush)
		return !pass_on(w, buf);
	return time_after_eq(jiffies, w->last_flush + flush_delay(c));
}

static void decide(struct bch_fs *c, struct journal_buf *buf)
{
	struct journal_writer *w = c->journal.w;

	spin_lock(&w->lock);
	buf->flush = want_flush(c, buf);
	buf->decided = true;
	if (buf->flush) {
		w->flushes_out++;
		w->last_under_way = max(w->last_under_way, buf->last_seq);
		w->reclaim_flush = false;
		w->last_flush = jiffies;
	}
	spin_unlock(&w->lock);
}

/* --- one entry --- */

/* Everything up to the decision where it goes. */
static int entry_make(struct bch_fs *c, struct journal_buf *buf)
{
	struct journal_writer *w = c->journal.w;
	int ret = 0;

	/* the write buffer takes its keys before anybody can rely on the entry (PC-5) */
	mutex_lock(&w->buf_lock);
	if (buf->need_intake)
		ret = bch2_btree_write_buffer_intake(c, buf);
	mutex_unlock(&w->buf_lock);
	if (ret)
		return ret;

	bch2_sync_point(c, journal_H11_closed);

	decide(c, buf);
	ret = journal_entry_build(c, buf);
	if (ret)
		return ret;

	spin_lock(&w->lock);
	/* not more than was set aside */
	buf->sectors = round_up(jset_bytes(buf->data), bch2_block_bytes(c)) >> 9;
	ret = journal_place(c, buf);
	spin_unlock(&w->lock);
	if (ret)
		return ret;

	journal_entry_seal(c, buf);
	/* the first one after a clean shutdown comes before the superblock */
	return READ_ONCE(w->first_pending) || bch2_journal_error(c) ? 0
								    : journal_mark_devs(c, buf);
}

static void entry_prepare(struct bch_fs *c, struct journal_buf *buf)
{
	struct journal_writer *w = c->journal.w;
	int ret = entry_make(c, buf);
	bool now;

	if (ret)
		journal_fatal(c, ret);

	spin_lock(&w->lock);
	buf->decided = true;
	buf->skipped = ret != 0;
	now = !ret && !buf->flush;
	/* one for the submitter, so that it is not done before it has begun */
	atomic_set(&buf->io, now);
	WRITE_ONCE(buf->state, now ? JOURNAL_BUF_writing : JOURNAL_BUF_prepared);
	w->prepared = buf->seq;
	journal_space_update(c);
	spin_unlock(&w->lock);

	if (now)
		journal_buf_submit(c, buf, 0);
	else
		queue_work(w->done_wq, &w->done_work);
}

/**
 * journal_writer_thread - body of the thread
 * @arg:	struct bch_fs
 */
int journal_writer_thread(void *arg)
{
	struct bch_fs *c = arg;
	struct journal_writer *w = c->journal.w;
	struct journal_buf *buf;

	while (!kthread_should_stop()) {
		wait_event_idle_timeout(w->wait_write, writer_due(c) || kthread_should_stop(),
					flush_delay(c));
		if (journal_spares_fill(c))
			schedule_timeout_uninterruptible(HZ / 10);
		while ((buf = writer_step(c)))
			entry_prepare(c, buf);
	}
	return 0;
}
