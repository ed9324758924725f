/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the journal writer share. For journal/ only.
 *
 * Lock order: buf_lock, reclaim_lock, discard_lock (none inside another), then
 * journal_writer.lock, then journal_pins.lock. The spinlocks are leaves: nothing
 * sleeps, allocates or calls out under them.
 */
#ifndef _BCACHEFS_JOURNAL_WRITER_PRIV_H
#define _BCACHEFS_JOURNAL_WRITER_PRIV_H

#include <linux/atomic.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/node_format.h"
#include "journal/jset_format.h"

/* --- the word reservations are taken from --- */

#define JOURNAL_STATE_USED_MASK		((1LL << JOURNAL_STATE_USED_BITS) - 1)
#define JOURNAL_STATE_ONE_GIVEN		(1LL << JOURNAL_STATE_GIVEN_SHIFT)
#define JOURNAL_STATE_GIVEN_MASK	(JOURNAL_STATE_USED_MASK << JOURNAL_STATE_GIVEN_SHIFT)
#define JOURNAL_STATE_SEQ_MASK		((1LL << JOURNAL_STATE_SEQ_BITS) - 1)

static inline u32 journal_state_used(s64 v)
{
	return v & JOURNAL_STATE_USED_MASK;
}

static inline u32 journal_state_given(s64 v)
{
	return (v & JOURNAL_STATE_GIVEN_MASK) >> JOURNAL_STATE_GIVEN_SHIFT;
}

/* Low bits of the open entry's number. */
static inline u32 journal_state_seq(s64 v)
{
	return (v >> JOURNAL_STATE_SEQ_SHIFT) & JOURNAL_STATE_SEQ_MASK;
}

static inline unsigned journal_state_watermark(s64 v)
{
	return (v >> JOURNAL_STATE_WATERMARK_SHIFT) & BCH_WATERMARK_MASK;
}

static inline bool journal_state_is_open(s64 v)
{
	return v & JOURNAL_STATE_OPEN;
}

/* Change some bits; others may change at the same time. */
static inline s64 journal_state_change(struct journal_writer *w, s64 clear, s64 set)
{
	s64 old = atomic64_read(&w->state);

	while (!atomic64_try_cmpxchg(&w->state, &old, (old & ~clear) | set))
		;
	return old;
}

/* --- entries in memory --- */

static inline struct journal_buf *journal_buf(struct journal_writer *w, u64 seq)
{
	return &w->bufs[seq & (JOURNAL_BUFS_NR - 1)];
}

/* The open entry, or NULL; lock held. */
static inline struct journal_buf *journal_open_buf(struct journal_writer *w)
{
	return journal_state_is_open(atomic64_read(&w->state)) ? journal_buf(w, w->seq) : NULL;
}

/*
 * Words the writer adds behind the records of updates: one root for each btree
 * that may have one, rewind limit, datetime, key version, two clocks.
 */
#define JOURNAL_TAIL_FIXED_U64s		(2 + 2 + 2 + 3 + 3)
#define JOURNAL_ROOT_U64s		(1 + BKEY_BTREE_PTR_U64s_MAX)

static inline u32 journal_tail_u64s(const struct bch_fs *c)
{
	return c->journal.w->tail_u64s;
}

static inline u32 journal_words_to_bytes(u32 words)
{
	return sizeof(struct jset) + words * sizeof(u64);
}

/* --- res.c --- */

int journal_entry_open(struct bch_fs *c, u32 u64s, unsigned watermark);
void journal_entry_close(struct bch_fs *c);
int journal_spares_fill(struct bch_fs *c);
void journal_buf_release(struct bch_fs *c, struct journal_buf *buf, struct jset **surplus);
void journal_watermark_update(struct bch_fs *c);

/* --- stuck.c --- */

/* One wait for room: what was there when something moved last. */
struct journal_patience {
	u64		progress;
	unsigned long	since;		/* jiffies; 0: not looked at yet */
};

void journal_report(struct bch_fs *c);
void journal_check_stuck(struct bch_fs *c, struct journal_patience *p);

/* --- write.c --- */

int journal_writer_thread(void *arg);

/* --- build.c --- */

int journal_entry_build(struct bch_fs *c, struct journal_buf *buf);
void journal_entry_seal(struct bch_fs *c, struct journal_buf *buf);
u32 journal_tail_max(struct bch_fs *c);
u64 *journal_usage_add(struct bch_fs *c, u64 *p);
u64 *journal_roots_add(struct bch_fs *c, u64 *p, const unsigned long *have);

/* --- write_io.c --- */

void journal_done_work(struct work_struct *work);
void journal_buf_submit(struct bch_fs *c, struct journal_buf *buf, blk_opf_t opf);
int journal_mark_devs(struct bch_fs *c, struct journal_buf *buf);
void journal_fatal(struct bch_fs *c, int err);

/* Entries between the oldest that is needed and the newest. */
#define JOURNAL_PINS_NR			(1U << 16)

#endif /* _BCACHEFS_JOURNAL_WRITER_PRIV_H */
