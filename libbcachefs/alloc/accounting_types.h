/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Space counters in memory: the mirror of the accounting btree (spec 41 §4) and
 * a second set that check_allocations counts into (spec 41 §7). Data
 * declarations only; functions are in alloc/accounting_live.h.
 */
#ifndef _BCACHEFS_ALLOC_ACCOUNTING_TYPES_H
#define _BCACHEFS_ALLOC_ACCOUNTING_TYPES_H

#include <linux/atomic.h>
#include <linux/rwsem.h>
#include <linux/types.h>

#include "alloc/accounting_format.h"

/* The two sets of counters of one name. */
enum bch_accounting_set {
	BCH_ACCOUNTING_live,
	BCH_ACCOUNTING_gc,
	BCH_ACCOUNTING_SET_NR,
};

/* One name; never moves while it is in the table. */
struct accounting_mem_entry {
	struct bpos		pos;		/* the name, as a position of the btree */
	struct disk_accounting_pos acc;		/* the same, decoded */
	u8			nr_counters;	/* of its type now */
	bool			replicas_marked; /* needs no superblock entry, or has one */
	atomic64_t		v[BCH_ACCOUNTING_SET_NR][BCH_ACCOUNTING_MAX_COUNTERS];
};

/* Totals over the whole filesystem, in sectors (spec 41 §4.2). */
struct bch_fs_usage_base {
	u64			hidden;
	u64			btree;
	u64			data;
	u64			cached;
	u64			reserved;
};

struct bch_fs_usage_totals {
	atomic64_t		hidden;
	atomic64_t		btree;
	atomic64_t		data;
	atomic64_t		cached;
	atomic64_t		reserved;
};

struct bch_fs_accounting {
	/*
	 * Held for reading while counters change, for writing while entries come
	 * and go. Innermost but for sb_lock, which is never taken inside it.
	 */
	struct rw_semaphore	lock;
	struct accounting_mem_entry **entries;	/* ascending position */
	u32			nr;
	u32			size;
	bool			names_new;	/* today's byte order, whatever the version */
	bool			ready;		/* the btree's counters have been read */
	bool			gc_running;	/* the second set counts too */
	bool			gc_all;		/* and has the types that are not mirrored */
	struct bch_fs_usage_totals totals;
};

#endif /* _BCACHEFS_ALLOC_ACCOUNTING_TYPES_H */
