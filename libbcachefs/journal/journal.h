/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The journal while it is being written: reservations in open entries, and what
 * callers may wait for (spec 30 section 16, spec 22 section 6).
 *
 * An update takes a reservation - one contiguous piece of one entry (CM-2) -
 * fills it, and puts it. The entry is closed when it is full, when somebody
 * waits for it, or after a while; then it is built and written. Numbers are
 * handed out without gaps; entries end, for those who wait, in their order.
 *
 * What must stay in the journal until it is durable elsewhere is pinned: see
 * journal/pins.h.
 */
#ifndef _BCACHEFS_JOURNAL_JOURNAL_H
#define _BCACHEFS_JOURNAL_JOURNAL_H

#include <linux/string.h>

#include "bcachefs.h"
#include "journal/jset_format.h"

/* --- life (journal/journal.c) --- */

/* Memory only; c->journal.w exists afterwards. */
int bch2_fs_journal_init(struct bch_fs *c);
void bch2_fs_journal_exit(struct bch_fs *c);

/*
 * Begin to write: @cur_seq is the first number to be used; [@last_seq, @cur_seq)
 * must be kept until replay lets go of it (PC-2), nothing if they are equal. The
 * rings are as they were read: cur_idx, sectors_free, bucket_seq. Blacklisted
 * numbers are in the superblock already (journal/blacklist_write.h).
 */
int bch2_journal_start(struct bch_fs *c, u64 cur_seq, u64 last_seq);

/*
 * End of writing: flush what is pinned, write a last, empty flush entry, wait.
 * 0: the end was clean, bch2_journal_cur_seq() is the number for the clean
 * section. -BCH_ERR_erofs_journal_err, or -BCH_ERR_journal_not_empty if
 * something is still pinned (replay was not done, pins that cannot be flushed).
 * Afterwards no reservation succeeds; the threads are gone. Idempotent.
 */
int bch2_journal_stop(struct bch_fs *c);

/*
 * Nothing is made durable any more (spec 31 section 18.1): reservations and
 * waits fail, entries that are closed later are noflush. Does not wait, callable
 * from anywhere.
 */
void bch2_journal_halt(struct bch_fs *c);

static inline bool bch2_journal_error(const struct bch_fs *c)
{
	return c->journal.w && READ_ONCE(c->journal.w->err);
}

static inline bool bch2_journal_running(const struct bch_fs *c)
{
	return c->journal.w && READ_ONCE(c->journal.w->running);
}

/*
 * For the superblock, after a clean end, with c->sb_lock held: the section clean
 * from roots, clocks and the last number, and each online member's write
 * position (spec 30 section 15). The flag is the caller's business.
 */
int bch2_journal_to_sb_clean(struct bch_fs *c);

/*
 * Make the superblock dirty and the first flush entry durable, if that has not
 * happened (spec 30 section 16.4). Whoever goes read-write calls it before
 * anything else is written to the devices.
 */
int bch2_journal_first_write(struct bch_fs *c);

/*
 * Before the journal runs: records for the start of its first entry (text, a
 * rewind record). Whole struct jset_entrys.
 */
int bch2_journal_early_add(struct bch_fs *c, const u64 *words, unsigned nr);
int bch2_journal_early_text(struct bch_fs *c, const char *text);

/* --- reservations (journal/res.c) --- */

/*
 * @u64s words in the open entry, for an update of watermark @flags & 7.
 * -BCH_ERR_erofs_journal_err; with JOURNAL_RES_GET_NONBLOCK a kind of
 * -BCH_ERR_journal_res_get_blocked, and the caller cures that by asking again
 * without locks and without that flag. -BCH_ERR_journal_entry_too_big: no entry
 * will ever have so much room.
 */
int bch2_journal_res_get_slow(struct bch_fs *c, struct journal_res *res, unsigned u64s,
			      unsigned flags);
bool bch2_journal_res_try(struct journal_writer *w, struct journal_res *res, unsigned u64s,
			  unsigned watermark);

static inline int bch2_journal_res_get(struct bch_fs *c, struct journal_res *res, unsigned u64s,
				       unsigned flags)
{
	if (likely(!(flags & JOURNAL_RES_GET_CHECK)) &&
	    likely(bch2_journal_res_try(c->journal.w, res, u64s, flags & BCH_WATERMARK_MASK)))
		return 0;
	return bch2_journal_res_get_slow(c, res, u64s, flags);
}

/* Words left become empty entries. No-op for a reservation that is not held. */
void bch2_journal_res_put(struct bch_fs *c, struct journal_res *res);

/* Where the next word of a reservation goes. */
static inline u64 *bch2_journal_res_words(const struct journal_res *res)
{
	return (u64 *) res->buf->data->_data + res->offset;
}

/* A record of @u64s words of payload, for the caller to fill. */
struct jset_entry *bch2_journal_add_entry(struct journal_res *res, unsigned type,
					  unsigned btree_id, unsigned level, unsigned u64s);

/* Copy whole records. */
static inline void bch2_journal_add_words(struct journal_res *res, const u64 *d, unsigned nr)
{
	memcpy(bch2_journal_res_words(res), d, nr * sizeof(u64));
	res->offset	+= nr;
	res->u64s	-= nr;
}

/* No reservations from now on, and none is out when it returns; nests. */
void bch2_journal_block(struct bch_fs *c);
void bch2_journal_unblock(struct bch_fs *c);

/* Of updates below it no reservation succeeds; 0 if all may. */
enum bch_watermark bch2_journal_watermark(const struct bch_fs *c);
/* Little is left: only updates that make room may go on. */
static inline bool bch2_journal_watermark_low(const struct bch_fs *c)
{
	return bch2_journal_watermark(c) >= BCH_WATERMARK_reclaim;
}

/* The write buffer has, or has no more, so much that updates must wait. */
void bch2_journal_set_wb_low(struct bch_fs *c, bool low);

/*
 * For bch2_btree_write_buffer: entries up to @max_seq whose keys were not taken,
 * oldest first. Between bch2_journal_intake_lock() and _unlock() only; that also
 * keeps the writer away. No reservation is out on the entry returned. *@open: it
 * is the open one, and the journal is blocked: take the keys, leave need_intake,
 * bch2_journal_unblock(). NULL: none left.
 */
struct journal_buf *bch2_journal_next_buf_to_intake(struct bch_fs *c, u64 max_seq, bool *open);
void bch2_journal_intake_lock(struct bch_fs *c);
void bch2_journal_intake_unlock(struct bch_fs *c);
/* Words of an entry in memory: records only, with the early ones. */
u64 *bch2_journal_buf_start(const struct journal_buf *buf);
u64 *bch2_journal_buf_end(const struct journal_buf *buf);

/* --- numbers, durability (journal/flush.c) --- */

/* Newest entry that was opened; every update made so far is in one up to it. */
u64 bch2_journal_cur_seq(const struct bch_fs *c);
/* Oldest entry that is still needed; cur_seq + 1 if none is. */
u64 bch2_journal_last_seq(const struct bch_fs *c);
/* Newest flush entry that is durable, its last_seq, its rewind limit. */
u64 bch2_journal_flushed_seq_ondisk(const struct bch_fs *c);
u64 bch2_journal_last_seq_ondisk(const struct bch_fs *c);
u64 bch2_journal_rewind_seq_ondisk(const struct bch_fs *c);

/* Until entry @seq, at most cur_seq, is durable. */
int bch2_journal_flush_seq(struct bch_fs *c, u64 seq);
/* Ask for the same without waiting. */
void bch2_journal_flush_seq_async(struct bch_fs *c, u64 seq);
/* Until everything in the journal is durable. */
int bch2_journal_flush(struct bch_fs *c);
/* The same with a new entry, so that the newest last_seq is durable, too. */
int bch2_journal_meta(struct bch_fs *c);
/*
 * Promise that no entry of [@start, @end) becomes a flush entry; false: that is
 * too late, or somebody waits for one (spec 22 section 12.5).
 */
bool bch2_journal_noflush_seq(struct bch_fs *c, u64 start, u64 end);
/*
 * From @seq on the journal can be rewound (spec 30 section 13); U64_MAX, as at
 * the start: nowhere. Goes to disk with the next flush entry.
 */
void bch2_journal_set_rewind_limit(struct bch_fs *c, u64 seq);

#endif /* _BCACHEFS_JOURNAL_JOURNAL_H */
