/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Buckets that somebody is going to write to, write points, and the rest of what
 * the allocator knows of a filesystem and of a device (spec 40 sections 4, 7).
 * Data declarations only.
 */
#ifndef _BCACHEFS_ALLOC_OPEN_BUCKETS_TYPES_H
#define _BCACHEFS_ALLOC_OPEN_BUCKETS_TYPES_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "bcachefs_format.h"
#include "journal/writer_types.h"

/* Slots of the table; 0 is never used (spec 40 4.4). */
#define OPEN_BUCKETS_COUNT		4096U
#define OPEN_BUCKETS_HASH_BITS		11
#define OPEN_BUCKETS_HASH_SIZE		(1U << OPEN_BUCKETS_HASH_BITS)

/* Write points that are chosen by a hash of who writes. */
#define WRITE_POINTS_HASHED		32U

/*
 * A bucket held open: its generation does not advance and nobody else is given
 * it. Everything but .pin and .sectors_free is constant while .pin is not 0;
 * .sectors_free belongs to the write point that holds the bucket.
 */
struct open_bucket {
	atomic_t		pin;
	u16			next;		/* of the hash chain, or free slot */
	bool			partial;	/* on the list of buckets to be filled up */
	bool			fast_discard;	/* to be discarded at once when closed */
	u8			data_type;	/* enum bch_data_type */
	u8			dev;
	u8			gen;
	u32			sectors_free;
	u64			bucket;
};

/*
 * Where one stream of writes puts its data: buckets on different devices that
 * are filled up together, and how much each device was used so far (spec 40 4.2).
 * Covered by .lock.
 */
struct dev_clocks {
	unsigned long		members[BITS_TO_LONGS(BCH_SB_MEMBERS_MAX)]; /* seen last time */
	u64			v[BCH_SB_MEMBERS_MAX];
};

struct write_point {
	struct mutex		lock;
	unsigned long		id;		/* of the hashed ones: who uses it */
	u64			last_used;	/* stamp; the oldest hashed one is reassigned */
	u8			data_type;
	/* Buckets in use now: those of this request first, then leftovers. */
	u8			nr_ptrs;	/* of this request */
	struct open_bucket_refs	held;
	u32			sectors_free;	/* least of all of this request */
	struct dev_clocks	clocks;
};

/* Allocation state of a filesystem. */
struct bch_fs_alloc {
	/* --- open buckets, under .lock --- */
	spinlock_t		lock;
	struct open_bucket	*ob;		/* OPEN_BUCKETS_COUNT slots */
	u16			*hash;		/* OPEN_BUCKETS_HASH_SIZE heads */
	u16			*partial;	/* slots whose buckets have room left */
	unsigned		nr_partial;
	u16			free_slots;	/* head */
	unsigned		nr_free_slots;

	/*
	 * Counts up whenever a bucket or a slot becomes free or a device may be
	 * used: those who were refused wait for it to change.
	 */
	atomic_t		freed;
	wait_queue_head_t	wait;
	/* Since when it has not changed although somebody waits; under .lock. */
	struct {
		bool		waiting;
		int		stamp;
		unsigned long	since;		/* jiffies */
	}			stuck[BCH_WATERMARK_NR];
	unsigned long		next_warning;	/* jiffies; not before */

	struct write_point	*wp_btree;
	struct write_point	*wp_copygc;
	struct write_point	*wp_reconcile;
	struct write_point	*wp_hashed;	/* WRITE_POINTS_HASHED of them */
	atomic64_t		wp_stamp;
	bool			stopped;	/* write points keep nothing (going read-only) */

	/* --- capacity and reservations: spec 40 section 7; sectors --- */
	spinlock_t		res_lock;	/* covers granting */
	u64			capacity;	/* what data may fill */
	u64			usable;		/* before they were taken off */
	u64			reserved;	/* kept back */
	u32			capacity_gen;
	unsigned		bucket_size_max; /* sectors */
	atomic64_t		online_reserved; /* promised, not used yet */

	/* --- IO clocks, spec 40 3.5: sectors read, written --- */
	atomic64_t		io_clock[2];

	/* --- background work --- */
	struct workqueue_struct	*wq;
	bool			discard_urgent;	/* somebody waits for free buckets */
	bool			discards_draining; /* going read-only: the worker helps */
	struct work_struct	discard_work;
	struct work_struct	discard_fast_work;
	struct work_struct	invalidate_work;
	wait_queue_head_t	discard_wait;	/* a discard is complete */
	bool			initialized;
};

/* Where the next search for a free bucket begins; also of freespace offsets. */
enum bch_alloc_cursor {
	BCH_ALLOC_CURSOR_data,
	BCH_ALLOC_CURSOR_btree,
	BCH_ALLOC_CURSOR_NR,
};

/* Discards of one device in flight at a time (spec 22 12.6). */
#define DISCARDS_IN_FLIGHT		4U
#define DISCARDS_IN_FLIGHT_FAST		5U

/* Buckets waiting to be discarded at once; more of them wait for the index. */
#define DISCARDS_FAST_MAX		256U

/* Allocation state of a device. */
struct bch_dev_alloc {
	u64			cursor[BCH_ALLOC_CURSOR_NR];
	/* Alloc keys of superblock and journal buckets are known to be right. */
	bool			metadata_marked;
	atomic_t		nr_open;	/* open buckets */

	/* --- discards, under .discard_lock --- */
	spinlock_t		discard_lock;
	u64			in_flight[DISCARDS_IN_FLIGHT_FAST];	/* buckets */
	unsigned		nr_in_flight;
	u64			fast[DISCARDS_FAST_MAX];
	unsigned		nr_fast;
};

#endif /* _BCACHEFS_ALLOC_OPEN_BUCKETS_TYPES_H */
