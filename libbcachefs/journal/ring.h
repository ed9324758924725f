/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rings of journal buckets of devices while they are written to: room,
 * places for entries, growing (spec 30 sections 7.3, 16.5, 16.6, 17).
 */
#ifndef _BCACHEFS_JOURNAL_RING_H
#define _BCACHEFS_JOURNAL_RING_H

#include "bcachefs.h"

/*
 * Put @bucket, free and marked as journal, into the ring of @ca (17.1): memory,
 * section journal_v2 of its superblock, written durably before the bucket is
 * used. Takes c->sb_lock; the journal may be running or not.
 */
int bch2_journal_ring_add_bucket(struct bch_fs *c, struct bch_dev *ca, u64 bucket);
/* The same for several; one superblock update. */
int bch2_journal_ring_add_buckets(struct bch_fs *c, struct bch_dev *ca, const u64 *buckets,
				  unsigned nr);
/* Take a bucket out while the journal is not running (17.3). */
int bch2_journal_ring_remove_bucket(struct bch_fs *c, struct bch_dev *ca, u64 bucket);
/* Is @bucket part of the ring? */
bool bch2_journal_ring_has_bucket(struct bch_fs *c, struct bch_dev *ca, u64 bucket);

/* Buckets a device should have in its journal (17.1). */
u64 bch2_journal_ring_wanted(const struct bch_dev *ca);

/* --- for the journal itself; journal_writer.lock held unless said otherwise --- */

void journal_ring_start(struct bch_fs *c);
bool journal_dev_writable(const struct bch_dev *ca);
bool journal_ring_discards(const struct bch_fs *c, const struct bch_dev *ca);
void journal_space_update(struct bch_fs *c);
int journal_place(struct bch_fs *c, struct journal_buf *buf);
void journal_rings_advance(struct bch_fs *c);
u64 journal_rings_seq_to_flush(struct bch_fs *c);
bool journal_rings_want_flush(struct bch_fs *c);

#endif /* _BCACHEFS_JOURNAL_RING_H */
