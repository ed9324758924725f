/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Journal state of a filesystem and of a device, and the overlay of keys that
 * are in the journal but not yet in btree nodes. Data declarations only.
 */
#ifndef _BCACHEFS_JOURNAL_TYPES_H
#define _BCACHEFS_JOURNAL_TYPES_H

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "bcachefs_format.h"
#include "journal/writer_types.h"

struct journal_replay;

/* The ring of journal buckets of one device (spec 30 section 7). */
struct journal_device {
	unsigned		nr;		/* buckets in the ring */
	u64			*buckets;	/* bucket numbers in ring order */
	u64			*bucket_seq;	/* highest seq in each slot, 0 = empty or unknown */
	unsigned		cur_idx;	/* slot with the newest entry */
	unsigned		sectors_free;	/* behind the newest entry in that slot */
	int			read_err;	/* first error while reading this ring */

	/* For writing; covered by journal_writer.lock, spec 30 section 16.6. */
	unsigned		dirty_idx;	/* oldest slot with entries that are needed */
	unsigned		dirty_idx_ondisk; /* the same, as a durable entry says */
	unsigned		discard_idx;	/* oldest slot that is not discarded */
};

/* The window of entries that a start has to replay (spec 30 section 9). */
struct journal_start_info {
	u64			seq_read_start;	/* last_seq of the newest flush entry */
	u64			seq_read_end;	/* newest flush entry; 0 = no entries */
	u64			cur_seq;	/* first number that may be used for writing */
	u64			rewind_limit;
	bool			clean;		/* the newest flush entry is empty */
};

struct journal_entries {
	struct journal_replay	**d;		/* ascending seq */
	size_t			nr;
	size_t			size;
};

/* One key of the overlay: newest journalled value of a position. */
struct journal_key {
	u64			journal_seq;	/* 0: made in memory, not from the journal */
	u32			journal_offset;	/* u64s inside the entry: order within one seq */
	u8			btree_id;
	u8			level;
	bool			allocated;	/* k was kmalloc'd, not part of an entry */
	bool			overwritten;	/* superseded: skipped (spec 22, OV rules) */
	u8			rewind;		/* 1 + index of the rewind it comes from; 0 */
	struct bkey_i		*k;
};

/*
 * Sorted by level (interior first), btree, position; of equal positions only
 * accounting keys are kept more than once, oldest first (spec 22 section 8.1).
 *
 * The array has a gap of size - nr free slots at index gap, so that insertions
 * next to each other are cheap. Indexes of the API are logical: the gap does
 * not count. gen changes whenever an index may have got another meaning.
 */
#define JOURNAL_KEYS_SKIP_LEVELS	11

struct journal_keys {
	struct journal_key	*data;
	size_t			nr;
	size_t			size;
	size_t			gap;
	u64			gen;
	bool			frozen;		/* no more insertions (spec 22, OV-3) */
	bool			accounting_merged; /* accounting keys hold totals, not deltas */
	atomic_t		ref;
	struct mutex		overwrite_lock;	/* OV-4: serialises marking */
	/*
	 * Once frozen: which keys are overwritten, one bit each, and above that bits
	 * that say that all 64 below are set. Bits only go up; NULL: no memory, the
	 * flags of the keys have to do.
	 */
	u64			*skip[JOURNAL_KEYS_SKIP_LEVELS];
	unsigned		nr_skip;
};

/* Sequence numbers that must be ignored: half-open, ascending, disjoint. */
struct seq_blacklist_range {
	u64			start;
	u64			end;
	bool			dirty;		/* something looked at carries such a number */
};

struct seq_blacklist {
	struct seq_blacklist_range *d;
	size_t			nr;
};

/* Entries to < seq <= from are to be taken back (spec 30 section 13). */
struct journal_rewind_range {
	u64			from;
	u64			to;
};

#define JOURNAL_REWINDS_MAX	16

struct bch_fs_journal {
	struct journal_start_info start;
	struct journal_entries	entries;
	struct journal_keys	keys;
	struct seq_blacklist	blacklist;
	u64			oldest_seq_found;
	/* Why the start had to do without part of the journal; 0 = all well. */
	u64			nr_missing;	/* numbers of the window that were not found */
	u64			keys_read;	/* before sorting and compacting */
	bool			degraded;
	struct journal_writer	*w;		/* NULL until bch2_fs_journal_init() */
	unsigned		nr_rewinds;
	struct journal_rewind_range rewinds[JOURNAL_REWINDS_MAX];
};

#endif /* _BCACHEFS_JOURNAL_TYPES_H */
