// SPDX-License-Identifier: GPL-2.0
/*
 * Holding reservations back, and looking into entries that are not written yet
 * (spec 22 section 3.3, "fetch").
 *
 * Invariant: while bch2_journal_block() is in force no reservation is out, and
 * none is given; entries may still be closed. What is in an entry belongs to
 * who holds journal_writer.buf_lock once its reservations are back.
 */
#include <linux/compiler.h>
#include <linux/mutex.h>
#include <linux/wait.h>

#include "bcachefs.h"
#include "journal/journal.h"
#include "journal/writer_priv.h"

/* Reservations out on an entry; lock held. */
static int buf_outstanding(struct journal_writer *w, struct journal_buf *buf)
{
	const s64 v = atomic64_read(&w->state);
	/* what was filled in before is seen from here on */
	const int refs = atomic_read_acquire(&buf->refs);

	if (buf->state == JOURNAL_BUF_open)
		return refs + (int) journal_state_given(v);
	return buf->state == JOURNAL_BUF_closed ? refs : 0;
}

/* Is no reservation out on [@first, @last]? */
static bool journal_quiet(struct journal_writer *w, u64 first, u64 last)
{
	bool ret = true;

	spin_lock(&w->lock);
	first = max(first, w->prepared + 1);
	last = min(last, w->seq);
	for (u64 seq = first; seq <= last && ret; seq++)
		ret = !buf_outstanding(w, journal_buf(w, seq));
	spin_unlock(&w->lock);
	return ret;
}

static void journal_wait_quiet(struct journal_writer *w, u64 first, u64 last)
{
	spin_lock(&w->lock);
	WRITE_ONCE(w->want_quiet, w->want_quiet + 1);
	spin_unlock(&w->lock);
	/* pairs with the return of a reservation, which is fully ordered */
	smp_mb();

	wait_event(w->wait_write, journal_quiet(w, first, last));

	spin_lock(&w->lock);
	WRITE_ONCE(w->want_quiet, w->want_quiet - 1);
	spin_unlock(&w->lock);
}

/**
 * bch2_journal_block - no reservations from now on
 * @c:	filesystem
 *
 * Waits until none is out: not with one of one's own, nor with anything that
 * holders of reservations may need. Ended by bch2_journal_unblock().
 */
void bch2_journal_block(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;

	spin_lock(&w->lock);
	w->blocked++;
	journal_state_change(w, 0, JOURNAL_STATE_BLOCKED);
	spin_unlock(&w->lock);

	journal_wait_quiet(w, 0, U64_MAX);
}

/**
 * bch2_journal_unblock - reservations again
 * @c:	filesystem
 */
void bch2_journal_unblock(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;

	spin_lock(&w->lock);
	if (!--w->blocked)
		journal_state_change(w, JOURNAL_STATE_BLOCKED, 0);
	spin_unlock(&w->lock);
	wake_up_all(&w->wait_res);
}

/**
 * bch2_journal_intake_lock - keep contents of entries in place
 * @c:	filesystem
 */
void bch2_journal_intake_lock(struct bch_fs *c)
{
	mutex_lock(&c->journal.w->buf_lock);
}

/**
 * bch2_journal_intake_unlock - the writer may go on
 * @c:	filesystem
 */
void bch2_journal_intake_unlock(struct bch_fs *c)
{
	mutex_unlock(&c->journal.w->buf_lock);
}

/* Oldest entry up to @max_seq that needs intake; NULL: none. Lock held. */
static struct journal_buf *intake_candidate(struct journal_writer *w, u64 max_seq)
{
	for (u64 seq = w->prepared + 1; seq <= min(max_seq, w->seq); seq++) {
		struct journal_buf *buf = journal_buf(w, seq);

		if (buf->need_intake && buf->state <= JOURNAL_BUF_closed)
			return buf;
	}
	return NULL;
}

/**
 * bch2_journal_next_buf_to_intake - the next entry the write buffer has not taken
 * @c:		filesystem; inside bch2_journal_intake_lock()
 * @max_seq:	newest number of interest
 * @open:	set: the entry is open, the journal is blocked and is to be unblocked
 *
 * Return: the entry, without reservations out; NULL if there is none.
 */
struct journal_buf *bch2_journal_next_buf_to_intake(struct bch_fs *c, u64 max_seq, bool *open)
{
	struct journal_writer *w = c->journal.w;
	struct journal_buf *buf;
	bool is_open;

	spin_lock(&w->lock);
	buf = intake_candidate(w, max_seq);
	is_open = buf && buf->state == JOURNAL_BUF_open;
	spin_unlock(&w->lock);

	*open = false;
	if (!buf)
		return NULL;
	if (!is_open) {
		journal_wait_quiet(w, buf->seq, buf->seq);
		return buf;
	}

	bch2_journal_block(c);
	/* it may have been closed before the block took effect; not afterwards by intake */
	spin_lock(&w->lock);
	is_open = buf->state == JOURNAL_BUF_open;
	spin_unlock(&w->lock);
	if (is_open)
		*open = true;
	else
		bch2_journal_unblock(c);
	return buf;
}

/**
 * bch2_journal_buf_start - first word of the records of an entry in memory
 * @buf:	entry
 */
u64 *bch2_journal_buf_start(const struct journal_buf *buf)
{
	return (u64 *) buf->data->_data;
}

/**
 * bch2_journal_buf_end - first word behind them
 * @buf:	entry that is closed, or open with the journal blocked
 */
u64 *bch2_journal_buf_end(const struct journal_buf *buf)
{
	struct journal_writer *w = buf->c->journal.w;
	u32 used;

	spin_lock(&w->lock);
	used = buf->state == JOURNAL_BUF_open ? journal_state_used(atomic64_read(&w->state))
					      : buf->used;
	spin_unlock(&w->lock);
	return bch2_journal_buf_start(buf) + used;
}
