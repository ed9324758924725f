/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The journal while it is being written: reservations, entries in flight, pins,
 * reclaim (spec 30 section 16). Data declarations only.
 */
#ifndef _BCACHEFS_JOURNAL_WRITER_TYPES_H
#define _BCACHEFS_JOURNAL_WRITER_TYPES_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct bch_fs;
struct journal_writer;

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

#endif /* _BCACHEFS_JOURNAL_WRITER_TYPES_H */
