/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Emptied buckets become free: discarded when nothing durable refers to them any
 * more (spec 22 12.6, 40 4.6); and cached data gives way (spec 40 4.6).
 *
 * The alloc key decides; the need_discard btree only names candidates.
 */
#ifndef _BCACHEFS_ALLOC_DISCARD_H
#define _BCACHEFS_ALLOC_DISCARD_H

#include "bcachefs.h"

struct btree_trans;

/* --- eligibility, pure: spec 22 12.6 rules 1 and 3 to 5 --- */

struct discard_limits {
	u64			flushed_seq;	/* newest number durable in a flush entry */
	u64			rewind_seq;	/* durable rewind limit */
};

/* Why a bucket is not discarded now; in the order of the tests. */
enum discard_verdict {
	DISCARD_eligible,
	DISCARD_need_journal_commit,
	DISCARD_need_rewind_limit,
	DISCARD_not_need_discard,	/* the index is stale: an expected race */
	DISCARD_open,
	DISCARD_dev_not_writable,
};

/* Rule 1: does the scan end at entry @seq? */
static inline bool bch2_discard_scan_ends(const struct discard_limits *l, u64 seq)
{
	return seq > l->flushed_seq || seq >= l->rewind_seq;
}

/* Rules 3 to 6 for the alloc key @a, which is locked. */
enum discard_verdict bch2_discard_verdict(const struct discard_limits *l,
					  const struct bch_alloc_v4 *a, bool open,
					  bool dev_writable);

/* --- the worker --- */

int bch2_fs_discards_init(struct bch_fs *c);
void bch2_fs_discards_exit(struct bch_fs *c);

/* Look for buckets to discard, in the background. = c->up.journal_flushed */
void bch2_do_discards(struct bch_fs *c);
/* Also wakes the worker if there is little to do: when allocations are refused. */
void bch2_do_discards_urgent(struct bch_fs *c);
void bch2_discards_drain(struct bch_fs *c, bool on);
/* Bucket emptied with no need to wait (spec 22 12.5): discard it soon. */
void bch2_discard_bucket_fast(struct bch_fs *c, struct bch_dev *ca, u64 bucket);
/*
 * Step of going read-only (spec 31 17.1): discard now what can be, if some device
 * is short of free buckets. Returns buckets made free, or an error.
 */
int bch2_discards_going_ro(struct bch_fs *c);
/* Wait for the workers to be idle; they take no new work while !write_ref_get. */
void bch2_discards_flush(struct bch_fs *c);

/* --- the rewind limit (rewind_limit.c) --- */

/* Going read-write: keep emptied buckets from the last run's limit on. */
void bch2_discards_start(struct bch_fs *c);
/* True: moved; the journal must be flushed for it to take effect. */
bool bch2_discards_advance_rewind_limit(struct bch_fs *c, struct btree_trans *trans);

/* --- cached buckets (invalidate.c) --- */

void bch2_invalidate_work_fn(struct work_struct *work);

/* Are there too few free buckets while cached ones could be emptied? */
bool bch2_dev_should_invalidate(struct bch_dev *ca);
/* Drop the oldest cached data in the background where space is short. */
void bch2_do_invalidates(struct bch_fs *c);

#endif /* _BCACHEFS_ALLOC_DISCARD_H */
