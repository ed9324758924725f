/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How much may be stored, and promises of space (spec 40 section 7). Unit:
 * sectors times replicas.
 */
#ifndef _BCACHEFS_ALLOC_DISK_RESERVATION_H
#define _BCACHEFS_ALLOC_DISK_RESERVATION_H

#include "bcachefs.h"

struct btree_trans;

void bch2_fs_reservations_init(struct bch_fs *c);
/* After open, and when devices or their states change. */
void bch2_recalc_capacity(struct bch_fs *c);

struct bch_fs_usage_short {
	u64			capacity;
	u64			used;
	u64			free;
	u64			available;	/* to a new reservation */
	u64			nr_inodes;
};

void bch2_fs_usage_read_short(struct bch_fs *c, struct bch_fs_usage_short *u);

/* @sectors more, replicas included. = c->up.disk_reservation_add */
int bch2_disk_reservation_add(struct bch_fs *c, struct disk_reservation *res, u64 sectors,
			      unsigned flags);
/* A new reservation of @sectors for each of @nr_replicas copies. */
int bch2_disk_reservation_get(struct bch_fs *c, struct disk_reservation *res, u64 sectors,
			      unsigned nr_replicas, unsigned flags);
/* Give back what is left. */
void bch2_disk_reservation_put(struct bch_fs *c, struct disk_reservation *res);
/*
 * A commit has added @sectors of data, metadata or persistent reservations: they
 * are no longer promised but used. Returns by how much @res was overdrawn.
 */
u64 bch2_disk_reservation_use(struct bch_fs *c, struct disk_reservation *res, u64 sectors);
/* For a commit, after its deltas are counted. = c->up.disk_reservation_settle */
void bch2_disk_reservation_settle(struct btree_trans *trans);

#endif /* _BCACHEFS_ALLOC_DISK_RESERVATION_H */
