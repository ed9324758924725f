// SPDX-License-Identifier: GPL-2.0
/*
 * Reservations: many threads fill the open journal entry at once (spec 21
 * section 8, CM-1, CM-2; spec 30 section 16.3).
 *
 * A reservation is one compare-and-exchange of journal_writer.state, which holds
 * the words used of the open entry, how many reservations were given, and what
 * forbids them: no open entry, a raised watermark, a block. Everything else -
 * opening, closing, waiting - is done under journal_writer.lock.
 *
 * Invariants. Numbers are opened one after the other. An entry's last_seq is
 * sampled when it is closed, before the next one takes reservations (PC-1). What
 * an open entry may hold fits into the rings, whatever becomes of those before
 * it (journal/space.c).
 *
 * Called with any locks held if JOURNAL_RES_GET_NONBLOCK is given.
 */
#include <linux/compiler.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "bcachefs.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "journal/reclaim.h"
#include "journal/ring.h"
#include "journal/writer_priv.h"
#include "util/log.h"

/* A reservation that waits so long is worth a message. */
#define JOURNAL_RES_LONG	(10 * HZ)

/**
 * bch2_journal_res_try - a reservation in the open entry, if that has room
 * @w:		journal
 * @res:	set if there is one
 * @u64s:	words
 * @watermark:	enum bch_watermark of the update
 *
 * Takes no lock and does not sleep.
 */
bool bch2_journal_res_try(struct journal_writer *w, struct journal_res *res, unsigned u64s,
			  unsigned watermark)
{
	s64 old = atomic64_read_acquire(&w->state);
	struct journal_buf *buf;

	do {
		if ((old & (JOURNAL_STATE_OPEN|JOURNAL_STATE_BLOCKED)) != JOURNAL_STATE_OPEN ||
		    watermark < journal_state_watermark(old))
			return false;
		/* of another entry, if that was replaced; then the exchange fails */
		buf = journal_buf(w, journal_state_seq(old));
		if (u64s > READ_ONCE(buf->limit) ||
		    journal_state_used(old) > READ_ONCE(buf->limit) - u64s)
			return false;
	} while (!atomic64_try_cmpxchg(&w->state, &old, old + u64s + JOURNAL_STATE_ONE_GIVEN));

	*res = (struct journal_res) {
		.ref		= true,
		.has_overwrites	= buf->has_overwrites,
		.u64s		= u64s,
		.offset		= journal_state_used(old),
		.seq		= buf->seq,
		.buf		= buf,
	};
	return true;
}

/**
 * bch2_journal_res_put - a reservation has been filled
 * @c:		filesystem
 * @res:	reservation; words that are left become empty entries
 */
void bch2_journal_res_put(struct bch_fs *c, struct journal_res *res)
{
	struct journal_writer *w = c->journal.w;

	if (!res->ref)
		return;
	if (res->u64s)
		memset(bch2_journal_res_words(res), 0, res->u64s * sizeof(u64));
	res->ref = false;
	/* fully ordered: what was filled in is seen by who finds 0 */
	if (!atomic_dec_return(&res->buf->refs) || unlikely(READ_ONCE(w->want_quiet)))
		wake_up_all(&w->wait_write);
}

/**
 * bch2_journal_add_entry - begin a record in a reservation
 * @res:	reservation with 1 + @u64s words left
 * @type:	enum bch_jset_entry_type
 * @btree_id:	for types with keys
 * @level:	for types with keys
 * @u64s:	words of payload, to be filled by the caller
 */
struct jset_entry *bch2_journal_add_entry(struct journal_res *res, unsigned type,
					  unsigned btree_id, unsigned level, unsigned u64s)
{
	struct jset_entry *e = (struct jset_entry *) bch2_journal_res_words(res);

	if (WARN_ON(res->u64s < 1 + u64s))
		return NULL;
	*e = (struct jset_entry) {
		.u64s		= cpu_to_le16(u64s),
		.btree_id	= btree_id,
		.level		= level,
		.type		= type,
	};
	res->offset	+= 1 + u64s;
	res->u64s	-= 1 + u64s;
	return e;
}

/* --- watermark --- */

/**
 * journal_watermark_update - who may still take reservations?
 * @c:	filesystem; journal_writer.lock held
 */
void journal_watermark_update(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	/* one by one: their neighbour replay_done changes under no lock */
	const s64 wm = READ_ONCE(w->low_reserve) ? BCH_WATERMARK_interior_updates :
		READ_ONCE(w->low_space) || READ_ONCE(w->low_pins) || READ_ONCE(w->low_wb)
		? BCH_WATERMARK_reclaim : BCH_WATERMARK_stripe;

	if (journal_state_watermark(atomic64_read(&w->state)) != wm) {
		journal_state_change(w, (s64) BCH_WATERMARK_MASK << JOURNAL_STATE_WATERMARK_SHIFT,
				     wm << JOURNAL_STATE_WATERMARK_SHIFT);
		wake_up_all(&w->wait_res);
	}
}

/**
 * bch2_journal_watermark - updates below this must wait
 * @c:	filesystem
 */
enum bch_watermark bch2_journal_watermark(const struct bch_fs *c)
{
	return journal_state_watermark(atomic64_read(&c->journal.w->state));
}

/**
 * bch2_journal_set_wb_low - pressure of the write buffer (spec 22 section 4.1)
 * @c:		filesystem
 * @low:	too much is buffered
 */
void bch2_journal_set_wb_low(struct bch_fs *c, bool low)
{
	struct journal_writer *w = c->journal.w;

	if (READ_ONCE(w->low_wb) == low)
		return;
	spin_lock(&w->lock);
	WRITE_ONCE(w->low_wb, low);
	journal_watermark_update(c);
	spin_unlock(&w->lock);
}

/* --- memory of entries --- */

static u32 want_bytes(const struct journal_writer *w)
{
	return min_t(u32, w->want_bytes, JOURNAL_ENTRY_SIZE_MAX);
}

/**
 * journal_spares_fill - have memory for entries to be opened
 * @c:	filesystem; no spinlock held
 *
 * Return: 0 if there is at least one of the size that is wanted, or -ENOMEM.
 */
int journal_spares_fill(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	struct jset *j = NULL, *drop;
	unsigned have;
	u32 bytes = 0;

	do {
		have = 0;
		drop = NULL;
		spin_lock(&w->lock);
		if (j && w->nr_spares == JOURNAL_SPARES_NR) {
			/* all too small, or somebody was faster */
			drop = w->spares[0];
			w->spares[0] = j;
			w->spare_bytes[0] = bytes;
			j = NULL;
		} else if (j) {
			w->spares[w->nr_spares] = j;
			w->spare_bytes[w->nr_spares++] = bytes;
			j = NULL;
		}
		bytes = want_bytes(w);
		for (unsigned i = 0; i < w->nr_spares; i++)
			have += w->spare_bytes[i] >= bytes;
		spin_unlock(&w->lock);

		kvfree(drop);
		if (have < JOURNAL_SPARES_NR / 2)
			j = kvmalloc(bytes, GFP_KERNEL);
	} while (j);

	if (have)
		wake_up_all(&w->wait_res);
	return have ? 0 : -BCH_ERR_ENOMEM_journal_buf;
}

/* Memory of at least @bytes, the largest at hand; lock held. */
static struct jset *spare_take(struct journal_writer *w, u32 bytes, u32 *have)
{
	unsigned best = JOURNAL_SPARES_NR;
	struct jset *j;

	for (unsigned i = 0; i < w->nr_spares; i++)
		if (w->spare_bytes[i] >= bytes &&
		    (best == JOURNAL_SPARES_NR || w->spare_bytes[i] > w->spare_bytes[best]))
			best = i;
	if (best == JOURNAL_SPARES_NR)
		return NULL;

	j = w->spares[best];
	*have = w->spare_bytes[best];
	w->nr_spares--;
	w->spares[best] = w->spares[w->nr_spares];
	w->spare_bytes[best] = w->spare_bytes[w->nr_spares];
	return j;
}

/**
 * journal_buf_release - an entry has ended: its memory becomes a spare
 * @c:		filesystem; lock held
 * @buf:	entry
 * @surplus:	set to memory that is not needed, to be freed without the lock
 */
void journal_buf_release(struct bch_fs *c, struct journal_buf *buf, struct jset **surplus)
{
	struct journal_writer *w = c->journal.w;

	w->bytes_used -= buf->bytes;
	if (w->nr_spares < JOURNAL_SPARES_NR && buf->bytes >= want_bytes(w)) {
		w->spares[w->nr_spares] = buf->data;
		w->spare_bytes[w->nr_spares++] = buf->bytes;
	} else {
		*surplus = buf->data;
	}
	buf->data = NULL;
	buf->bytes = 0;
	WRITE_ONCE(buf->state, JOURNAL_BUF_free);
}

/* --- opening and closing --- */

/* Bytes the next entry may have, block-rounded, if it needs @need; 0: not now. */
static u32 entry_room(const struct bch_fs *c, u32 need, unsigned watermark)
{
	const struct journal_writer *w = c->journal.w;
	const u32 next = watermark >= BCH_WATERMARK_interior_updates ? w->space.next_entry
								      : w->space.next_ordinary;
	const u64 room = min_t(u64, (u64) next << 9, w->space.entry_max);

	return need <= room ? room : 0;
}

static void buf_open(struct bch_fs *c, struct journal_buf *buf, u64 seq, u32 limit)
{
	struct journal_writer *w = c->journal.w;

	buf->c		= c;
	buf->seq	= seq;
	buf->used	= 0;
	buf->last_seq	= 0;
	buf->rewind_limit = 0;
	buf->sectors	= round_up(journal_words_to_bytes(limit + journal_tail_u64s(c)),
				   bch2_block_bytes(c)) >> 9;
	buf->has_overwrites = c->opts.journal_transaction_names;
	buf->need_intake = true;
	buf->must_flush	= buf->no_flush = buf->decided = buf->flush = false;
	buf->has_keys	= buf->skipped = false;
	buf->opened	= jiffies;
	buf->nr_ptrs	= 0;
	atomic_set(&buf->refs, 0);
	atomic_set(&buf->flush_errors, 0);
	WRITE_ONCE(buf->limit, limit);
	WRITE_ONCE(buf->state, JOURNAL_BUF_open);

	/* what was waiting for the journal to run */
	if (w->early_nr)
		memcpy(buf->data->_data, w->early, w->early_nr * sizeof(u64));
	WRITE_ONCE(w->seq, seq);
	/* publishes all of the above to those who take reservations */
	journal_state_change(w, JOURNAL_STATE_USED_MASK|JOURNAL_STATE_GIVEN_MASK|
			     JOURNAL_STATE_SEQ_MASK << JOURNAL_STATE_SEQ_SHIFT,
			     JOURNAL_STATE_OPEN | w->early_nr |
			     (s64) (seq & JOURNAL_STATE_SEQ_MASK) << JOURNAL_STATE_SEQ_SHIFT);
	w->early_nr = 0;
}

/**
 * journal_entry_open - begin the next entry
 * @c:		filesystem; journal_writer.lock held, no entry is open
 * @u64s:	words it must have room for
 * @watermark:	of whom it is opened for: interior_updates may use the reserve
 *
 * Return: 0; a kind of -BCH_ERR_journal_res_get_blocked: for -BCH_ERR_journal_no_buffer
 * see journal_spares_fill(); -BCH_ERR_journal_entry_too_big; -BCH_ERR_journal_seq_range.
 */
int journal_entry_open(struct bch_fs *c, u32 u64s, unsigned watermark)
{
	struct journal_writer *w = c->journal.w;
	const u64 seq = w->seq + 1;
	const u32 tail = journal_tail_u64s(c);
	const u32 block = bch2_block_bytes(c);
	const u32 need = round_up(journal_words_to_bytes(w->early_nr + u64s + tail), block);
	struct journal_buf *buf = journal_buf(w, seq);
	u32 room = entry_room(c, need, watermark), bytes;

	if (seq > JOURNAL_SEQ_MAX)
		return -BCH_ERR_journal_seq_range;
	if (need > w->space.entry_max)
		return -BCH_ERR_journal_entry_too_big;
	if (buf->state != JOURNAL_BUF_free ||
	    (w->bytes_used > w->bytes_max && w->seq != w->written))
		return -BCH_ERR_journal_max_in_flight;
	if (!room)
		return -BCH_ERR_journal_full;

	buf->data = spare_take(w, need, &buf->bytes);
	if (!buf->data) {
		while (want_bytes(w) < need)
			w->want_bytes *= 2;
		return -BCH_ERR_journal_no_buffer;
	}
	if (!journal_pins_open(&w->pins, seq)) {
		w->spares[w->nr_spares] = buf->data;
		w->spare_bytes[w->nr_spares++] = buf->bytes;
		buf->data = NULL;
		return -BCH_ERR_journal_pins_full;
	}

	w->bytes_used += buf->bytes;
	bytes = round_down(min(buf->bytes, room), block);
	buf_open(c, buf, seq, (bytes - sizeof(struct jset)) / sizeof(u64) - tail);
	WRITE_ONCE(w->low_pins, journal_pins_low(&w->pins));
	journal_space_update(c);
	return 0;
}

/**
 * journal_entry_close - nothing is added to the open entry any more
 * @c:	filesystem; journal_writer.lock held
 *
 * No-op if none is open. The writer takes it once all reservations are back.
 */
void journal_entry_close(struct bch_fs *c)
{
	struct journal_writer *w = c->journal.w;
	struct journal_buf *buf = journal_open_buf(w);
	s64 old;

	if (!buf)
		return;

	old = journal_state_change(w, JOURNAL_STATE_OPEN|JOURNAL_STATE_USED_MASK|
				   JOURNAL_STATE_GIVEN_MASK, 0);
	buf->used	= journal_state_used(old);
	/* PC-1: before the next entry takes reservations */
	buf->last_seq	= journal_pins_last_seq(&w->pins);
	buf->sectors	= round_up(journal_words_to_bytes(buf->used + journal_tail_u64s(c)),
				   bch2_block_bytes(c)) >> 9;
	WRITE_ONCE(buf->state, JOURNAL_BUF_closed);
	atomic_add_return(journal_state_given(old), &buf->refs);
	journal_space_update(c);
	wake_up_all(&w->wait_write);
}

/* --- with waiting --- */

/* Could there be a reservation in the open entry? Lock held. */
static bool res_fits(struct journal_writer *w, u32 u64s)
{
	const struct journal_buf *buf = journal_open_buf(w);
	const s64 v = atomic64_read(&w->state);

	return buf && !(v & JOURNAL_STATE_BLOCKED) &&
		(u64) journal_state_used(v) + u64s <= buf->limit;
}

static int res_get_locked(struct bch_fs *c, struct journal_res *res, u32 u64s, unsigned flags)
{
	struct journal_writer *w = c->journal.w;
	const unsigned watermark = flags & BCH_WATERMARK_MASK;
	int ret;

	while (1) {
		if (w->err || !w->running || w->stopping)
			return -BCH_ERR_erofs_journal_err;
		if (w->blocked)
			return -BCH_ERR_journal_blocked;
		if (watermark < journal_state_watermark(atomic64_read(&w->state)))
			return -BCH_ERR_journal_watermark;

		if (flags & JOURNAL_RES_GET_CHECK ? res_fits(w, u64s)
						  : bch2_journal_res_try(w, res, u64s, watermark))
			return 0;

		/* full; larger ones from now on, if they fill up so fast */
		if (journal_open_buf(w)) {
			if (w->want_bytes < w->space.entry_max)
				w->want_bytes *= 2;
			journal_entry_close(c);
		}
		ret = journal_entry_open(c, u64s, watermark);
		if (ret)
			return ret;
	}
}

static int res_get(struct bch_fs *c, struct journal_res *res, u32 u64s, unsigned flags)
{
	struct journal_writer *w = c->journal.w;
	int ret;

	spin_lock(&w->lock);
	ret = res_get_locked(c, res, u64s, flags);
	spin_unlock(&w->lock);
	return ret;
}

static bool res_wait_over(int ret)
{
	return ret == -BCH_ERR_journal_no_buffer ||
		!bch2_err_matches(ret, BCH_ERR_journal_res_get_blocked);
}

static void res_kick(struct bch_fs *c, int ret)
{
	if (ret == -BCH_ERR_journal_no_buffer)
		wake_up_all(&c->journal.w->wait_write);
	else if (ret != -BCH_ERR_journal_blocked && ret != -BCH_ERR_journal_max_in_flight)
		bch2_journal_reclaim_kick(c);
}

/* A wait is long: say so once, and see whether it makes sense to go on with it. */
static void res_waits(struct bch_fs *c, unsigned u64s, unsigned flags, int ret,
		      struct journal_patience *patience, unsigned long since, bool *told)
{
	if (!*told && time_after_eq(jiffies, since + JOURNAL_RES_LONG)) {
		bch_warn(c, "journal: %u words at watermark %u wait since %u seconds: %s", u64s,
			 flags & BCH_WATERMARK_MASK, JOURNAL_RES_LONG / HZ, bch2_err_str(ret));
		journal_report(c);
		*told = true;
	}
	bch2_journal_reclaim_kick(c);
	journal_check_stuck(c, patience);
}

/**
 * bch2_journal_res_get_slow - a reservation, opening entries and waiting as needed
 * @c:		filesystem
 * @res:	set on success
 * @u64s:	words
 * @flags:	watermark, enum journal_res_flags
 *
 * See bch2_journal_res_get(). Waits as long as the journal lives: room comes from
 * reclaim, which works at a watermark of its own. If there is none to be had, see
 * journal/stuck.c.
 *
 * Return: see bch2_journal_res_get().
 */
int bch2_journal_res_get_slow(struct bch_fs *c, struct journal_res *res, unsigned u64s,
			      unsigned flags)
{
	struct journal_writer *w = c->journal.w;
	const unsigned long since = jiffies;
	struct journal_patience patience = {};
	bool told = false;
	int ret;

	u64s = max(u64s, 1U);
	atomic64_inc(&w->nr_res_slow);

	while (1) {
		ret = res_get(c, res, u64s, flags);
		if (!bch2_err_matches(ret, BCH_ERR_journal_res_get_blocked))
			return ret;
		res_kick(c, ret);
		if (flags & JOURNAL_RES_GET_NONBLOCK)
			return ret;

		if (ret == -BCH_ERR_journal_no_buffer) {
			ret = journal_spares_fill(c);
			if (ret)
				return ret;
			continue;
		}

		if (!wait_event_timeout(w->wait_res,
					res_wait_over(ret = res_get(c, res, u64s, flags)),
					min_t(unsigned long, HZ, w->stuck_after)))
			res_waits(c, u64s, flags, ret, &patience, since, &told);
		if (!bch2_err_matches(ret, BCH_ERR_journal_res_get_blocked))
			return ret;
	}
}
