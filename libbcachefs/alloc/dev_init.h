/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bringing the allocation information of a device into being (spec 40 1.5,
 * section 8; 31 section 16; 30 17.1).
 */
#ifndef _BCACHEFS_ALLOC_DEV_INIT_H
#define _BCACHEFS_ALLOC_DEV_INIT_H

#include "bcachefs.h"

struct btree_trans;

/* --- buckets with superblocks and the journal --- */

/* A run of sectors of one bucket that superblocks cover. */
struct bch_sb_bucket {
	u64			bucket;
	u64			sectors;
};

/*
 * Next bucket that the layout's copies touch, in layout order with neighbouring
 * pieces summed (spec 40 1.5); *it starts as zeros. False: no more.
 */
struct bch_sb_bucket_iter {
	unsigned		copy;
	u64			sector;		/* next one of the current range */
	u64			end;
	bool			started;
};

bool bch2_sb_bucket_next(const struct bch_sb_layout *l, unsigned bucket_size, u64 nbuckets,
			 struct bch_sb_bucket_iter *it, struct bch_sb_bucket *b);

int bch2_trans_mark_metadata_bucket(struct btree_trans *trans, struct bch_dev *ca, u64 bucket,
				    enum bch_data_type type, unsigned sectors);
/* Superblock and journal buckets of @ca. Idempotent. */
int bch2_trans_mark_dev_sb(struct bch_fs *c, struct bch_dev *ca);

/* --- steps --- */

/* Counter (device, free) := {nbuckets - first_bucket, 0, 0}. */
int bch2_dev_usage_init(struct bch_fs *c, struct bch_dev *ca);
/* Freespace entries of buckets [start, end). */
int bch2_dev_freespace_init(struct bch_fs *c, struct bch_dev *ca, u64 start, u64 end);
/* Journal buckets up to the number wanted; those there are stay. */
int bch2_dev_journal_alloc(struct bch_fs *c, struct bch_dev *ca);
/* The same with a number given; fewer than there are changes nothing. */
int bch2_dev_set_nr_journal_buckets(struct bch_fs *c, struct bch_dev *ca, unsigned nr);

/* Remaining steps of the member's INITIALIZED field (spec 31 16.6), one device. */
int bch2_dev_init_steps(struct bch_fs *c, struct bch_dev *ca);
/* New filesystem: all members FREESPACE_INITIALIZED 0, INITIALIZED 1; in memory only. */
void bch2_fs_members_start_init(struct bch_fs *c);
/* Passes trans_mark_dev_sbs, fs_freespace_init, bucket_gens_init, fs_journal_alloc. */
int bch2_trans_mark_dev_sbs(struct bch_fs *c);
int bch2_fs_freespace_init(struct bch_fs *c);
int bch2_bucket_gens_init(struct bch_fs *c);
int bch2_fs_journal_alloc(struct bch_fs *c);

/* --- growing --- */

/* @ca has @nbuckets buckets from now on; shrinking is refused. */
int bch2_dev_resize_alloc(struct bch_fs *c, struct bch_dev *ca, u64 nbuckets);

#endif /* _BCACHEFS_ALLOC_DEV_INIT_H */
