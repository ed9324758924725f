// SPDX-License-Identifier: GPL-2.0
/*
 * Life of the journal that is written: memory, start, end, sudden end (spec 30
 * section 16, spec 31 sections 13, 17, 18.1).
 *
 * Invariant: between a successful bch2_journal_start() and bch2_journal_stop()
 * the writer and the reclaim thread run; outside of that nothing is written.
 * Called by whoever takes the filesystem read-write and read-only; halting may
 * come from anywhere.
 */
#include <linux/compiler.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "bcachefs.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "journal/reclaim.h"
#include "journal/ring.h"
#include "journal/writer_priv.h"
#include "sb/members.h"
#include "util/log.h"

/* Words that wait for the first entry at most. */
#define JOURNAL_EARLY_MAX	4096
/* Waiting for room is given up when nothing at all moves for so long. */
#define JOURNAL_STUCK_AFTER	(60 * HZ)
/* Flushing pins at the end is given up when none goes for so long. */
#define JOURNAL_STOP_PATIENCE	(10 * HZ)

/* --- memory --- */

/**
 * bch2_fs_journal_init - memory of the journal writer
 * @c:	filesystem
 *
 * Return: 0 or -ENOMEM.
 */
int bch2_fs_journal_init(struct bch_fs *c)
{
	struct journal_writer *w = kvzalloc(sizeof(*w), GFP_KERNEL);
	int ret;

	if (!w)
		return -BCH_ERR_ENOMEM_journal_writer;
	c->journal.w = w;
	w->c = c;

	spin_lock_init(&w->lock);
	mutex_init(&w->buf_lock);
	mutex_init(&w->reclaim_lock);
	mutex_init(&w->discard_lock);
	init_waitqueue_head(&w->wait_res);
	init_waitqueue_head(&w->wait_flush);
	init_waitqueue_head(&w->wait_write);
	init_waitqueue_head(&w->wait_reclaim);
	INIT_WORK(&w->done_work, journal_done_work);
	INIT_WORK(&w->room_work, journal_room_work);
	w->want_bytes	= JOURNAL_BUF_MIN;
	w->bytes_max	= clamp_t(u64, (u64) totalram_pages() * PAGE_SIZE / 16, 4ULL << 20,
				  64ULL << 20);
	w->rewind_limit	= U64_MAX;
	w->stuck_after	= JOURNAL_STUCK_AFTER;

	ret = journal_pins_init(&w->pins);
	w->done_wq = ret ? NULL : alloc_ordered_workqueue("bch-journal-io/%s",
							  WQ_HIGHPRI|WQ_MEM_RECLAIM, c->name);
	if (!ret && !w->done_wq)
		ret = -BCH_ERR_ENOMEM_journal_writer;
	if (ret)
		bch2_fs_journal_exit(c);
	return ret;
}

/**
 * bch2_fs_journal_exit - free it all
 * @c:	filesystem; the journal was stopped, or never started
 */
void bch2_fs_journal_exit(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;

	if (!w)
		return;
	if (w->done_wq)
		destroy_workqueue(w->done_wq);
	for (unsigned i = 0; i < JOURNAL_BUFS_NR; i++)
		kvfree(w->bufs[i].data);
	for (unsigned i = 0; i < w->nr_spares; i++)
		kvfree(w->spares[i]);
	journal_pins_exit(&w->pins);
	kvfree(w->early);
	kvfree(w);
	c->journal.w = NULL;
}

/* --- before the start --- */

/**
 * bch2_journal_early_add - records for the start of the first entry
 * @c:		filesystem; bch2_fs_journal_init() is done, the journal does not run
 * @words:	whole records
 * @nr:		words
 *
 * Return: 0, -ENOMEM, or -BCH_ERR_journal_entry_too_big if there are too many.
 */
int bch2_journal_early_add(struct bch_fs *c, const u64 *words, unsigned nr)
{
	struct journal_writer *w = c->journal.w;
	u64 *d;

	if (nr > JOURNAL_EARLY_MAX - w->early_nr)
		return -BCH_ERR_journal_entry_too_big;

	d = kvmalloc_array(w->early_nr + nr, sizeof(*d), GFP_KERNEL);
	if (!d)
		return -BCH_ERR_ENOMEM_journal_buf;
	if (w->early_nr)
		memcpy(d, w->early, w->early_nr * sizeof(*d));
	memcpy(d + w->early_nr, words, nr * sizeof(*d));
	kvfree(w->early);
	w->early = d;
	w->early_nr += nr;
	return 0;
}

/**
 * bch2_journal_early_text - text for the start of the first entry
 * @c:		filesystem
 * @text:	text; what is beyond 256 bytes is cut
 *
 * Return: as bch2_journal_early_add().
 */
int bch2_journal_early_text(struct bch_fs *c, const char *text)
{
	u64 words[1 + 32] = {};
	struct jset_entry *e = (struct jset_entry *) words;
	const size_t len = strnlen(text, sizeof(words) - sizeof(*e));

	e->u64s		= cpu_to_le16(DIV_ROUND_UP(len, sizeof(u64)));
	e->type		= BCH_JSET_ENTRY_log;
	e->level	= BCH_JSET_LOG_text;
	memcpy(jset_entry_data(e), text, len);
	return bch2_journal_early_add(c, words, 1 + le16_to_cpu(e->u64s));
}

/* --- start --- */

static void start_numbers(struct bch_fs *c, u64 cur_seq, u64 last_seq)
{
	struct journal_writer *w = c->journal.w;

	w->tail_u64s	= journal_tail_max(c);
	/* the superblock in memory may move while the journal runs */
	w->magic	= bch2_sb_jset_magic(c->disk_sb.sb);
	w->big_endian	= BCH_SB_BIG_ENDIAN(c->disk_sb.sb);
	w->first_seq	= cur_seq;
	w->seq		= w->prepared = w->written = cur_seq - 1;
	WRITE_ONCE(w->flushed_ondisk, cur_seq - 1);
	w->last_ondisk	= w->last_under_way = last_seq;
	w->rewind_ondisk = c->journal.start.rewind_limit;
	w->empty_ondisk	= 0;
	w->last_flush	= jiffies;
	w->first_pending = BCH_SB_CLEAN(c->disk_sb.sb);
	w->stopping	= false;
	/* What recovery changed is in the overlay, though not in the journal. */
	WRITE_ONCE(w->replay_done, last_seq == cur_seq && !c->journal.keys.nr);
	w->nr_marked	= 0;
	w->flushes_out	= 0;
	w->reclaim_flush = false;
	journal_pins_start(&w->pins, cur_seq, last_seq);
}

static int threads_start(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	struct task_struct *t = kthread_run(journal_writer_thread, c, "bch-journal/%s", c->name);
	int ret;

	if (IS_ERR(t))
		return PTR_ERR(t);
	w->writer = t;
	ret = journal_reclaim_thread_start(c);
	if (ret) {
		kthread_stop(w->writer);
		w->writer = NULL;
	}
	return ret;
}

/**
 * bch2_journal_start - begin to write
 * @c:		filesystem
 * @cur_seq:	first number to use
 * @last_seq:	oldest number that is needed; @cur_seq: none is
 *
 * See journal.h. After a stop it may be started again.
 *
 * Return: 0; -BCH_ERR_insufficient_journal_devices; -BCH_ERR_journal_seq_range;
 * no memory.
 */
int bch2_journal_start(struct bch_fs *c, u64 cur_seq, u64 last_seq)
{
	struct journal_writer *w = c->journal.w;
	int ret;

	if (!cur_seq || cur_seq > JOURNAL_SEQ_MAX || last_seq > cur_seq)
		return -BCH_ERR_journal_seq_range;

	spin_lock(&w->lock);
	w->err = 0;
	start_numbers(c, cur_seq, last_seq);
	journal_ring_start(c);
	ret = w->space.total ? 0 : -BCH_ERR_insufficient_journal_devices;
	spin_unlock(&w->lock);
	if (!ret)
		ret = journal_spares_fill(c);
	if (ret)
		return ret;

	WRITE_ONCE(w->running, true);
	ret = threads_start(c);
	if (ret)
		WRITE_ONCE(w->running, false);
	return ret;
}

/* --- end --- */

/**
 * bch2_journal_halt - nothing becomes durable from now on
 * @c:	filesystem
 */
void bch2_journal_halt(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	bool first;

	if (!w)
		return;
	spin_lock(&w->lock);
	first = !w->err && w->running;
	if (first) {
		WRITE_ONCE(w->err, -BCH_ERR_erofs_journal_err);
		w->err_seq = w->seq;
		journal_entry_close(c);
	}
	spin_unlock(&w->lock);

	if (first) {
		wake_up_all(&w->wait_res);
		wake_up_all(&w->wait_flush);
		wake_up_all(&w->wait_write);
		wake_up_all(&w->pins.wait);
		queue_work(w->done_wq, &w->done_work);
	}
}

/* Have all pins flushed, as long as that gets anywhere. */
static void stop_flush_pins(struct bch_fs *c)
{
	struct journal_pins *p = &c->journal.w->pins;
	u64 old = 0, nr;
	unsigned long since = jiffies;

	while (!bch2_journal_error(c) && bch2_journal_flush_all_pins(c)) {
		spin_lock(&p->lock);
		nr = p->nr;
		spin_unlock(&p->lock);
		if (nr != old)
			since = jiffies;
		else if (time_after(jiffies, since + JOURNAL_STOP_PATIENCE))
			return;
		old = nr;
	}
}

static bool all_ended(struct journal_writer *w)
{
	bool ret;

	spin_lock(&w->lock);
	ret = w->written == w->seq;
	spin_unlock(&w->lock);
	return ret;
}

/* Write what was opened and wait for it; the newest is a flush entry. */
static void stop_drain(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	struct journal_buf *buf;

	spin_lock(&w->lock);
	buf = journal_open_buf(w);
	if (buf)
		buf->must_flush = true;
	journal_entry_close(c);
	spin_unlock(&w->lock);
	wake_up_all(&w->wait_write);
	wait_event(w->wait_flush, all_ended(w));
}

/* The empty entry that says that nothing is needed. */
static int stop_write_last(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	int ret;

	/* nothing was written: the clean section still holds */
	if (w->seq < w->first_seq && w->first_pending)
		return 0;

	ret = journal_spares_fill(c);
	if (ret)
		return ret;
	spin_lock(&w->lock);
	ret = w->err ?: journal_entry_open(c, 0, BCH_WATERMARK_interior_updates);
	spin_unlock(&w->lock);
	if (ret)
		return ret;

	stop_drain(c);
	if (bch2_journal_error(c))
		return -BCH_ERR_erofs_journal_err;
	return w->empty_ondisk == w->seq ? 0 : -BCH_ERR_journal_not_empty;
}

static void threads_stop(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;

	if (w->writer)
		kthread_stop(w->writer);
	w->writer = NULL;
	flush_workqueue(w->done_wq);
	/* ended writes ask for room too */
	cancel_work_sync(&w->room_work);
}

/**
 * bch2_journal_stop - end of writing
 * @c:	filesystem; nobody commits any more, what is pinned can be flushed
 *
 * See journal.h.
 *
 * Return: 0 if the end was clean, see journal.h.
 */
int bch2_journal_stop(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	int ret;

	if (!bch2_journal_running(c))
		return w && !w->err ? 0 : -BCH_ERR_erofs_journal_err;

	stop_flush_pins(c);
	journal_reclaim_thread_stop(c);

	spin_lock(&w->lock);
	w->stopping = true;
	spin_unlock(&w->lock);
	wake_up_all(&w->wait_res);

	stop_drain(c);
	ret = bch2_journal_error(c)	? -BCH_ERR_erofs_journal_err :
	      bch2_journal_has_pins(c)	? -BCH_ERR_journal_not_empty :
					  stop_write_last(c);
	/* only one waits for room now, and there is none */
	if (bch2_err_matches(ret, BCH_ERR_journal_res_get_blocked))
		ret = -BCH_ERR_journal_not_empty;

	threads_stop(c);
	WRITE_ONCE(w->running, false);
	if (w->err)
		ret = -BCH_ERR_erofs_journal_err;
	return ret;
}
