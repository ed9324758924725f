/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Allocation state of a filesystem and its devices: open buckets, reservations,
 * usage. Data declarations only.
 */
#ifndef _BCACHEFS_ALLOC_TYPES_H
#define _BCACHEFS_ALLOC_TYPES_H

#include <linux/atomic.h>
#include <linux/types.h>

#include "bcachefs_format.h"

/* Buckets held open by one owner; slot numbers, 0 is no bucket. */
struct open_bucket_refs {
	u8			nr;
	u16			v[BCH_BKEY_PTRS_MAX];
};

/* Of c->up.disk_reservation_add() and its kind. */
enum bch_reservation_flags {
	BCH_DISK_RESERVATION_nofail	= 1U << 0,	/* grant it even if it does not fit */
	BCH_DISK_RESERVATION_partial	= 1U << 1,	/* grant what fits, if anything */
};


/* Sectors promised to somebody and not used yet. */
struct disk_reservation {
	u64			sectors;
	u32			gen;
	unsigned		nr_replicas;
};

/* What a device holds, by data type; the mirror of its dev_data_type counters. */
struct bch_dev_usage {
	atomic64_t		buckets[BCH_DATA_NR];
	atomic64_t		sectors[BCH_DATA_NR];
	atomic64_t		fragmented[BCH_DATA_NR];	/* sectors */
};

#include "alloc/open_buckets_types.h"

#endif /* _BCACHEFS_ALLOC_TYPES_H */
