// SPDX-License-Identifier: GPL-2.0
/*
 * What is durable, and waiting for it (spec 30 section 16.3).
 *
 * Invariant: somebody who waits for number s is served by the first entry >= s
 * that is not promised to be noflush; there is always one, opened for this
 * purpose if need be. A promise is never given for an entry that somebody waits
 * for (spec 22 section 12.5).
 */
#include <linux/compiler.h>
#include <linux/wait.h>

#include "bcachefs.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "journal/reclaim.h"
#include "journal/ring.h"
#include "journal/writer_priv.h"

/**
 * bch2_journal_cur_seq - newest entry that was opened
 * @c:	filesystem
 */
u64 bch2_journal_cur_seq(const struct bch_fs *c)
{
	return READ_ONCE(c->journal.w->seq);
}

/**
 * bch2_journal_last_seq - oldest entry that is needed
 * @c:	filesystem
 */
u64 bch2_journal_last_seq(const struct bch_fs *c)
{
	return journal_pins_last_seq(&c->journal.w->pins);
}

/**
 * bch2_journal_flushed_seq_ondisk - newest durable flush entry
 * @c:	filesystem
 */
u64 bch2_journal_flushed_seq_ondisk(const struct bch_fs *c)
{
	return READ_ONCE(c->journal.w->flushed_ondisk);
}

/**
 * bch2_journal_last_seq_ondisk - oldest entry that a start would need now
 * @c:	filesystem
 */
u64 bch2_journal_last_seq_ondisk(const struct bch_fs *c)
{
	return READ_ONCE(c->journal.w->last_ondisk);
}

/**
 * bch2_journal_rewind_seq_ondisk - the durable rewind limit (spec 22 section 12.6)
 * @c:	filesystem
 *
 * What became free before this number may be discarded.
 */
u64 bch2_journal_rewind_seq_ondisk(const struct bch_fs *c)
{
	return READ_ONCE(c->journal.w->rewind_ondisk);
}

/**
 * bch2_journal_set_rewind_limit - how far back the journal can be rewound
 * @c:		filesystem
 * @seq:	oldest target; U64_MAX: none
 */
void bch2_journal_set_rewind_limit(struct bch_fs *c, u64 seq)
{
	WRITE_ONCE(c->journal.w->rewind_limit, seq);
}

/* --- asking for a flush entry --- */

/* Has an entry >= @seq that is on its way been asked for? Lock held. */
static bool flush_wanted(struct journal_writer *w, u64 seq)
{
	for (u64 s = max(seq, w->written + 1); s <= w->seq; s++) {
		struct journal_buf *buf = journal_buf(w, s);

		if (buf->decided ? buf->flush : !buf->no_flush) {
			buf->must_flush = true;
			return true;
		}
	}
	return false;
}

/* Open an entry nobody has anything for; lock held. */
static int open_for_flush(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	int ret;

	if (w->stopping)
		return -BCH_ERR_erofs_journal_err;
	journal_entry_close(c);
	/* nothing can be made room for before the first one is there */
	ret = journal_entry_open(c, 0, w->seq < w->first_seq ? BCH_WATERMARK_interior_updates
							      : BCH_WATERMARK_reclaim);
	if (!ret)
		journal_open_buf(w)->must_flush = true;
	return ret;
}

static int flush_ask(struct bch_fs *c, u64 seq, bool new_entry)
{
	struct journal_writer *w = c->journal.w;
	int ret = 0;

	spin_lock(&w->lock);
	if (w->err || !w->running)
		ret = -BCH_ERR_erofs_journal_err;
	else if (new_entry || (seq > w->flushed_ondisk && !flush_wanted(w, seq)))
		ret = open_for_flush(c);
	spin_unlock(&w->lock);
	return ret;
}

static bool ask_again(int ret)
{
	return bch2_err_matches(ret, BCH_ERR_journal_res_get_blocked) &&
		ret != -BCH_ERR_journal_no_buffer;
}

/* Make sure that an entry >= @seq will be a flush entry; waits for room for it. */
static int flush_arrange(struct bch_fs *c, u64 seq, bool new_entry)
{
	struct journal_writer *w = c->journal.w;
	struct journal_patience patience = {};
	int ret = flush_ask(c, seq, new_entry);

	while (bch2_err_matches(ret, BCH_ERR_journal_res_get_blocked)) {
		if (ret == -BCH_ERR_journal_no_buffer) {
			ret = journal_spares_fill(c);
			if (ret)
				return ret;
		} else {
			bch2_journal_reclaim_kick(c);
		}
		if (!wait_event_timeout(w->wait_res,
					!ask_again(ret = flush_ask(c, seq, new_entry)), HZ))
			journal_check_stuck(c, &patience);
	}
	wake_up_all(&w->wait_write);
	return ret;
}

static bool flush_over(const struct journal_writer *w, u64 seq)
{
	return READ_ONCE(w->flushed_ondisk) >= seq || READ_ONCE(w->err);
}

static int flush_wait(struct bch_fs *c, u64 seq)
{
	struct journal_writer *w = c->journal.w;

	wait_event(w->wait_flush, flush_over(w, seq));
	return READ_ONCE(w->flushed_ondisk) >= seq ? 0 : -BCH_ERR_erofs_journal_err;
}

/**
 * bch2_journal_flush_seq - wait until an entry is durable
 * @c:		filesystem
 * @seq:	its number; numbers that were not opened yet count as the newest one
 *
 * Not with a reservation in that entry, nor with locks that reclaim needs.
 *
 * Return: 0, -BCH_ERR_erofs_journal_err, or no memory.
 */
int bch2_journal_flush_seq(struct bch_fs *c, u64 seq)
{
	int ret;

	seq = min(seq, bch2_journal_cur_seq(c));
	if (bch2_journal_flushed_seq_ondisk(c) >= seq)
		return 0;
	ret = flush_arrange(c, seq, false);
	return ret ?: flush_wait(c, seq);
}

/**
 * bch2_journal_flush_seq_async - an entry is to become durable soon
 * @c:		filesystem
 * @seq:	its number
 *
 * Does not sleep, and does nothing if that would need another entry, nor while the
 * journal is nearly full: then entries are to become long, and reclaim asks for
 * flush entries itself.
 */
void bch2_journal_flush_seq_async(struct bch_fs *c, u64 seq)
{
	struct journal_writer *w = c->journal.w;

	spin_lock(&w->lock);
	if (!w->err && w->running && seq > w->flushed_ondisk && !w->low_space && !w->low_reserve)
		flush_wanted(w, seq);
	spin_unlock(&w->lock);
	wake_up_all(&w->wait_write);
}

/**
 * bch2_journal_flush - wait until all updates made so far are durable
 * @c:	filesystem
 *
 * Return: as bch2_journal_flush_seq().
 */
int bch2_journal_flush(struct bch_fs *c)
{
	return bch2_journal_flush_seq(c, bch2_journal_cur_seq(c));
}

/**
 * bch2_journal_meta - write an entry for its header's sake
 * @c:	filesystem
 *
 * Its last_seq is newer than this call, but not newer than entries that are
 * still on their way.
 *
 * Return: as bch2_journal_flush_seq().
 */
int bch2_journal_meta(struct bch_fs *c)
{
	int ret = flush_arrange(c, 0, true);

	return ret ?: flush_wait(c, bch2_journal_cur_seq(c));
}

/**
 * bch2_journal_first_write - the superblock is dirty, and an entry is there
 * @c:	filesystem
 *
 * See journal.h; spec 30 section 16.4.
 *
 * Return: as bch2_journal_flush_seq().
 */
int bch2_journal_first_write(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;

	if (!READ_ONCE(w->first_pending) && READ_ONCE(w->written) >= w->first_seq)
		return bch2_journal_error(c) ? -BCH_ERR_erofs_journal_err : 0;
	return bch2_journal_meta(c);
}

/**
 * bch2_journal_noflush_seq - promise that there is no commit in a range
 * @c:		filesystem
 * @start:	first number
 * @end:	behind the last one
 *
 * Refused while the journal is short: then any entry may have to be one.
 *
 * Return: true if no flush entry is, or will be, in it.
 */
bool bch2_journal_noflush_seq(struct bch_fs *c, u64 start, u64 end)
{
	struct journal_writer *w = c->journal.w;
	bool ret;

	if (!(c->sb.features & BCH_FEATURE_BIT(journal_no_flush)))
		return false;

	spin_lock(&w->lock);
	ret = !w->err && w->flushed_ondisk < start && w->first_seq < start &&
		end <= w->seq + 1 && !w->low_space && !journal_rings_want_flush(c);
	for (u64 s = max(start, w->written + 1); ret && s < end; s++) {
		const struct journal_buf *buf = journal_buf(w, s);

		ret = buf->decided ? !buf->flush : !buf->must_flush;
	}
	for (u64 s = max(start, w->prepared + 1); ret && s < end; s++)
		journal_buf(w, s)->no_flush = true;
	spin_unlock(&w->lock);
	return ret;
}
