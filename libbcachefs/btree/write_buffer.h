/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The write buffer: updates of buffered btrees go through the journal only, are
 * collected here, and reach their btrees later, sorted (spec 22 sections 2 to 6).
 */
#ifndef _BCACHEFS_BTREE_WRITE_BUFFER_H
#define _BCACHEFS_BTREE_WRITE_BUFFER_H

#include "bcachefs.h"
#include "btree/bkey_buf.h"

struct journal_buf;

int bch2_fs_write_buffer_init(struct bch_fs *c);
void bch2_fs_write_buffer_exit(struct bch_fs *c);

/*
 * Take the buffered updates out of the closed entry @buf: its entries of type 11
 * become type 0 (WB-0), the buffers pin its number (PC-5). Called by the journal
 * writer before the entry is checksummed; may sleep, takes no node lock. Once per
 * key, whoever comes first. 0, or an error: the entry must not be written.
 */
int bch2_btree_write_buffer_intake(struct bch_fs *c, struct journal_buf *buf);

/*
 * Apply every update committed before the call. Drops the locks of @trans; what
 * was read before must be read again. Not by the thread that replays the journal
 * (WB-9). 0, -BCH_ERR_erofs_journal_err, or a fatal error.
 */
int bch2_btree_write_buffer_flush_sync(struct btree_trans *trans);
/* Apply in this context what nobody else is applying. Drops locks. 0 or an error. */
int bch2_btree_write_buffer_tryflush(struct btree_trans *trans);
/* One round of draining; true: there was something to do. No transaction held. */
bool bch2_btree_write_buffer_flush_going_ro(struct bch_fs *c);

/* So much is buffered that only reclaim may add to the journal (section 4.1). */
bool bch2_btree_write_buffer_must_wait(struct bch_fs *c);

/* Accounting keys may be applied from now on (section 4.6): wake those who wait. */
void bch2_btree_write_buffer_accounting_ready(struct bch_fs *c);

/* --- comparing a buffered btree with what it is derived from (section 5.2) --- */

/* State of one loop of checks; zero-filled, then _init(). */
struct wb_maybe_flush {
	struct bkey_buf		last;		/* referring key of the last flush */
	u64			stamp;		/* commits of the transaction after it */
	u64			nr_flushes;
	u64			nr_done;	/* counted by the caller, one per key */
	bool			seen_error;
};

static inline void wb_maybe_flush_init(struct wb_maybe_flush *f)
{
	bch2_bkey_buf_init(&f->last);
	f->stamp	= U64_MAX;
	f->nr_flushes	= 0;
	f->nr_done	= 0;
	f->seen_error	= false;
}

static inline void wb_maybe_flush_exit(struct wb_maybe_flush *f)
{
	bch2_bkey_buf_exit(&f->last);
}

static inline void wb_maybe_flush_inc(struct wb_maybe_flush *f)
{
	f->nr_done++;
}

/*
 * An error was found by comparing @referring_k with a buffered btree. 0: it is
 * real. -BCH_ERR_transaction_restart_write_buffer_flush: the buffer was flushed,
 * look again. Or another error.
 */
int bch2_btree_write_buffer_maybe_flush(struct btree_trans *trans, struct bkey_s_c referring_k,
					struct wb_maybe_flush *f);

#endif /* _BCACHEFS_BTREE_WRITE_BUFFER_H */
