/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keeping room in the journal: flushing pins, releasing and discarding buckets
 * (spec 30 section 16.6, spec 22 RP-4).
 */
#ifndef _BCACHEFS_JOURNAL_RECLAIM_H
#define _BCACHEFS_JOURNAL_RECLAIM_H

#include "bcachefs.h"

/* Have the reclaim thread look at the journal soon. */
void bch2_journal_reclaim_kick(struct bch_fs *c);

/* One round in the caller's context; true if pins were flushed. */
bool bch2_journal_reclaim(struct bch_fs *c, bool direct);
void journal_room_work(struct work_struct *work);

int journal_reclaim_thread_start(struct bch_fs *c);
void journal_reclaim_thread_stop(struct bch_fs *c);

#endif /* _BCACHEFS_JOURNAL_RECLAIM_H */
