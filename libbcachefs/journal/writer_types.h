/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The journal while it is being written: reservations, entries in flight, pins,
 * reclaim (spec 30 section 16). Data declarations only.
 */
#ifndef _BCACHEFS_JOURNAL_WRITER_TYPES_H
#define _BCACHEFS_JOURNAL_WRITER_TYPES_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "bcachefs_format.h"

struct bch_dev;
struct bch_fs;
struct jset;
struct task_struct;

/* How deep an update may dig into reserves; order is meaning (spec 21 8.1, 40 4.4). */
enum bch_watermark {
	BCH_WATERMARK_stripe,
	BCH_WATERMARK_normal,
	BCH_WATERMARK_copygc,
	BCH_WATERMARK_btree,
	BCH_WATERMARK_btree_copygc,
	BCH_WATERMARK_reclaim,
	BCH_WATERMARK_interior_updates,
	BCH_WATERMARK_NR,
};

#define BCH_WATERMARK_MASK	7U

/* Flags of a request for a reservation; the low bits are an enum bch_watermark. */
enum journal_res_flags {
	JOURNAL_RES_GET_NONBLOCK = 1U << 3,	/* fail rather than sleep */
	JOURNAL_RES_GET_CHECK	 = 1U << 4,	/* only: would there be one? Takes none */
};

/* A contiguous piece of one open journal entry (CM-2). */
struct journal_res {
	bool			ref;		/* held */
	bool			has_overwrites;	/* the entry says it carries overwrites */
	u32			u64s;		/* words left, from .offset */
	u32			offset;		/* words from the first word behind the header */
	u64			seq;
	struct journal_buf	*buf;
};

struct journal_entry_pin;

/*
 * Asked by reclaim to let go of @pin: make what it protects durable elsewhere,
 * or move it. Called without locks; @seq: pins up to this number are wanted.
 */
typedef int (*journal_pin_flush_fn)(struct bch_fs *c, struct journal_entry_pin *pin, u64 seq);

/* Order in which pins of one entry are flushed (spec 30 16.6). */
enum journal_pin_type {
	JOURNAL_PIN_TYPE_other,
	JOURNAL_PIN_TYPE_key_cache,
	JOURNAL_PIN_TYPE_btree0,
	JOURNAL_PIN_TYPE_btree1,
	JOURNAL_PIN_TYPE_btree2,
	JOURNAL_PIN_TYPE_btree3,
	JOURNAL_PIN_TYPE_NR,
};

/* Keeps an entry and all later ones in the journal while .seq is not 0. */
struct journal_entry_pin {
	struct list_head	list;
	journal_pin_flush_fn	flush;
	u64			seq;		/* 0: not pinned; changes under the pin lock */
	u8			type;		/* enum journal_pin_type */
};

/* Pins of one sequence number, and how often it is kept otherwise. */
struct journal_entry_pin_list {
	struct list_head	unflushed[JOURNAL_PIN_TYPE_NR];
	struct list_head	flushed;	/* their flush has been called */
	/* Pins, the entry itself until it is written (PC-4), replay (PC-2). */
	u32			count;
};

/*
 * Ring of pin lists for [front, back); .lock covers it and the pins in it.
 *
 * A window to be replayed that is longer than half the ring shares the list of
 * number .base: what is pinned below it is counted there, so nothing of the
 * window is let go before that list is empty.
 */
struct journal_pins {
	spinlock_t		lock;
	struct journal_entry_pin_list *d;
	u32			mask;		/* size - 1, size is a power of two */
	u64			front;
	u64			back;
	u64			base;
	u64			window_start;	/* true last_seq while front == base */
	/* Replay pins are on [replay_next, replay_end). */
	u64			replay_next;
	u64			replay_end;
	u64			nr;		/* pins, without entries and replay */
	u64			nr_type[JOURNAL_PIN_TYPE_NR];
	struct journal_entry_pin *flushing;	/* its callback runs */
	bool			flushing_moved;	/* it was set or dropped meanwhile */
	wait_queue_head_t	wait;		/* pins went away, or a callback ended */
};

/* How far an entry has come; only goes up. */
enum journal_buf_state {
	JOURNAL_BUF_free,
	JOURNAL_BUF_open,	/* takes reservations */
	JOURNAL_BUF_closed,	/* none can be taken; some may be out */
	JOURNAL_BUF_prepared,	/* built and placed; a flush entry waits for its turn */
	JOURNAL_BUF_flushing,	/* caches of the devices are being flushed */
	JOURNAL_BUF_writing,
	JOURNAL_BUF_done,
};

/* Where a copy of an entry goes. */
struct journal_buf_ptr {
	struct journal_buf	*buf;
	u64			sector;		/* absolute */
	u8			dev;
	atomic_t		errors;		/* requests that failed */
};

/*
 * An entry in memory, from its opening until it is on the devices. What of
 * it a reservation covers belongs to the holder; the rest is covered by
 * journal_writer.lock while open, and belongs to the writer once closed.
 */
struct journal_buf {
	struct bch_fs		*c;
	struct jset		*data;
	u32			bytes;		/* allocated for .data */
	u32			limit;		/* words reservations may use */
	u32			used;		/* words used, once closed */
	/*
	 * Reservations out: those returned count down from the opening on, those
	 * given are added by closing. 0 when closed and all are back; an open
	 * entry never has it at 0 from a return.
	 */
	atomic_t		refs;
	u64			seq;
	u64			last_seq;	/* sampled when closed (PC-1) */
	u64			rewind_limit;	/* as written */
	u32			sectors;	/* size on disk, at most until prepared */
	u8			state;		/* enum journal_buf_state */
	bool			has_overwrites;
	bool			need_intake;	/* may have keys for the write buffer */
	bool			must_flush;	/* somebody waits for it */
	bool			no_flush;	/* somebody was promised it is no commit */
	bool			decided;	/* .flush is final */
	bool			flush;
	bool			has_keys;
	bool			skipped;	/* dead journal: was not submitted */
	unsigned long		opened;		/* jiffies */
	u8			nr_ptrs;
	struct journal_buf_ptr	ptrs[BCH_REPLICAS_MAX];
	atomic_t		io;		/* requests under way, and one for who submits */
	atomic_t		flush_errors;	/* cache flushes that failed */
};

#define JOURNAL_BUFS_NR		256		/* entries in memory at most */
#define JOURNAL_BUF_MIN		(64U << 10)	/* bytes */
#define JOURNAL_SPARES_NR	4

/*
 * Word that reservations are taken from with one compare-and-exchange:
 * bits 0-19 words used, 20-39 reservations given, 40-57 low bits of the number,
 * 58-60 watermark, 61 blocked, 62 open.
 */
#define JOURNAL_STATE_USED_BITS		20
#define JOURNAL_STATE_GIVEN_SHIFT	20
#define JOURNAL_STATE_SEQ_SHIFT		40
#define JOURNAL_STATE_SEQ_BITS		18
#define JOURNAL_STATE_WATERMARK_SHIFT	58
#define JOURNAL_STATE_BLOCKED		(1LL << 61)
#define JOURNAL_STATE_OPEN		(1LL << 62)

/* Room in the rings, for the next entry and altogether; sectors. */
struct journal_space {
	u32			next_entry;
	u32			next_ordinary;	/* below watermark interior_updates */
	u64			clean;		/* may be written over after a flush, a discard */
	u64			total;
	u32			entry_max;	/* bytes of an entry when all is empty */
};

/* Everything about the journal of a filesystem that is being written. */
struct journal_writer {
	struct bch_fs		*c;
	atomic64_t		state;		/* see above */

	spinlock_t		lock;		/* everything below that says nothing else */
	struct journal_buf	bufs[JOURNAL_BUFS_NR];	/* by number */
	struct jset		*spares[JOURNAL_SPARES_NR];
	u32			spare_bytes[JOURNAL_SPARES_NR];
	unsigned		nr_spares;
	u32			want_bytes;	/* size of new buffers */
	u64			bytes_used;	/* by bufs[].data */
	u64			bytes_max;	/* beyond it, only one entry at a time */

	u32			tail_u64s;	/* words of every entry that the writer adds */
	u64			magic;		/* of entries */
	bool			big_endian;	/* keys */
	u64			first_seq;	/* first number of this run */
	u64			seq;		/* newest entry opened */
	u64			prepared;	/* up to here entries are built and placed */
	u64			written;	/* up to here all entries have ended */
	u64			flushed_ondisk;	/* newest flush entry that is durable */
	u64			last_ondisk;	/* its last_seq */
	u64			last_under_way;	/* last_seq of the newest entry decided to be one */
	u64			rewind_ondisk;	/* its rewind limit */
	u64			empty_ondisk;	/* newest durable entry, if it needs nothing */
	u64			rewind_limit;	/* in memory; U64_MAX: no window is kept */
	unsigned		flushes_out;	/* flush entries decided and not ended */
	unsigned long		last_flush;	/* jiffies */
	unsigned long		stuck_after;	/* jiffies without progress until waiting ends */
	unsigned		blocked;	/* bch2_journal_block() in force */
	int			err;		/* why nothing is written any more */
	u64			err_seq;	/* newest entry at that moment */
	bool			running;
	bool			stopping;	/* only the last entry may be opened */
	bool			first_pending;	/* first entry after clean: 30 16.4 */
	bool			reclaim_flush;	/* reclaim needs last_seq on disk */
	bool			low_space;
	bool			low_writeback;	/* that is because of what is dirty */
	bool			low_reserve;	/* what is open reaches into the reserve */
	bool			low_pins;
	bool			low_wb;		/* said by the write buffer */
	bool			replay_done;
	unsigned		want_quiet;	/* so many wait for reservations to return */
	u32			early_nr;	/* words for the start of the first entry */
	u64			*early;

	struct journal_space	space;
	struct journal_pins	pins;

	/* Contents of closed entries and of the blocked open one: intake. */
	struct mutex		buf_lock;
	/* One thread flushes pins and advances rings at a time. */
	struct mutex		reclaim_lock;
	/* One context discards buckets of rings, or makes rings longer, at a time. */
	struct mutex		discard_lock;

	wait_queue_head_t	wait_res;	/* room, buffers */
	wait_queue_head_t	wait_flush;	/* entries ended */
	wait_queue_head_t	wait_write;	/* the writer, and who waits for quiet */
	wait_queue_head_t	wait_reclaim;
	struct task_struct	*writer;
	struct task_struct	*reclaimer;
	struct work_struct	room_work;	/* room that needs no pins flushed */
	struct workqueue_struct	*done_wq;
	struct work_struct	done_work;
	bool			reclaim_kicked;

	/* Device sets whose replicas entry is known to be in the superblock. */
	struct {
		u8		nr;
		u8		devs[BCH_REPLICAS_MAX];
	}			marked[16];
	unsigned		nr_marked;

	/* Figures. */
	atomic64_t		nr_entries;
	atomic64_t		nr_flushes;
	atomic64_t		bytes_written;
	atomic64_t		nr_res_slow;
};

#endif /* _BCACHEFS_JOURNAL_WRITER_TYPES_H */
