/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The filesystem object and its devices.
 *
 * struct bch_fs is one opened filesystem, struct bch_dev one member device of
 * it. Every floor keeps its own state in a struct declared in its *_types.h,
 * embedded here, so that nothing in the core is global. This header only
 * declares data: functions live in the headers of their floor.
 *
 * Lifetime: created by bch2_fs_open(), freed by bch2_fs_stop(). Fields that are
 * set while opening and constant afterwards need no lock; the others say which
 * lock covers them.
 */
#ifndef _BCACHEFS_H
#define _BCACHEFS_H

#include <linux/atomic.h>
#include <linux/blkdev.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "bcachefs_format.h"
#include "errcode.h"
#include "opts.h"
#include "util/printbuf.h"
#include "util/checksum.h"

#include "sb/sb_types.h"
#include "sb/fsck_err_types.h"
#include "journal/journal_types.h"
#include "btree/btree_types.h"
#include "btree/snapshot_table_types.h"
#include "alloc/accounting_types.h"
#include "alloc/alloc_types.h"
#include "data/data_types.h"
#include "init/init_types.h"

struct bch_gc;

/* A set of member devices, one bit per member index. */
struct bch_devs_mask {
	unsigned long		d[BITS_TO_LONGS(BCH_SB_MEMBERS_MAX)];
};

/* Bits of bch_fs.flags */
enum bch_fs_flag {
	BCH_FS_started,			/* bch2_fs_start() has succeeded */
	BCH_FS_in_recovery,		/* from open until the startup passes are done */
	BCH_FS_in_fsck,			/* option fsck, until the startup passes are done */
	BCH_FS_clean_recovery,		/* the superblock was clean when opened */
	BCH_FS_btree_running,		/* roots are read: btrees may be used */
	BCH_FS_may_go_rw,		/* updates go through the journal */
	BCH_FS_rw,			/* read-write now */
	BCH_FS_was_rw,			/* has been read-write since it was opened */
	BCH_FS_stopping,
	BCH_FS_emergency_ro,
	BCH_FS_error,			/* has, or may have, errors */
	BCH_FS_topology_error,
	BCH_FS_errors_fixed,
	BCH_FS_errors_fixed_silent,
	BCH_FS_errors_not_fixed,
	BCH_FS_replay_done,		/* every overlay key is applied or superseded (RP-5) */
	BCH_FS_accounting_replay_done,
	BCH_FS_may_upgrade_downgrade,
	BCH_FS_stop_passes,		/* somebody wants the start to end at the next chance */
	BCH_FS_no_invalid_checks,	/* key validation has nothing to compare with yet */
};

/* Error classes counted per device, in the order of bch_member.errors */
enum bch_member_error_type {
	BCH_MEMBER_ERROR_read,
	BCH_MEMBER_ERROR_write,
	BCH_MEMBER_ERROR_checksum,
	BCH_MEMBER_ERROR_NR,
};

/*
 * Geometry and state of a member, decoded from its superblock entry (spec 10
 * section 9.8). All sizes in sectors or buckets as named.
 */
struct bch_member_cpu {
	u64			nbuckets;
	u64			seq;
	u16			first_bucket;
	u16			bucket_size;	/* sectors */
	u16			group;		/* label id + 1, 0 = none */
	u8			state;		/* enum bch_member_state */
	u8			durability;	/* decoded: 1 is one copy */
	u8			data_allowed;	/* bitmap by data type */
	bool			discard;
	bool			freespace_initialized;
	bool			rotational;
	bool			valid;		/* alive: neither empty nor deleted */
	u8			btree_bitmap_shift;
	u64			btree_allocated_bitmap;
};

/* One member device. */
/* Levels of a label path that are followed. */
#define BCH_LABEL_DEPTH_MAX	32

struct bch_dev {
	struct bch_fs		*fs;
	u8			dev_idx;
	/* Member information; constant after open on the read side. */
	struct bch_member_cpu	mi;
	__uuid_t		uuid;
	/* Its label and those above it; the superblock may move while they are asked for. */
	u16			labels[BCH_LABEL_DEPTH_MAX];
	u8			nr_labels;

	/* Last path component, for messages; "dev-N" while offline. */
	char			name[64];
	/* The path given by the user; NULL while offline. */
	char			*path;

	/* Superblock copy of this very device; .bdev is NULL while offline. */
	struct bch_sb_handle	disk_sb;

	struct journal_device	journal;

	/* Allocation: cursors, discards (alloc/). */
	struct bch_dev_alloc	alloc;
	/* Mirror of the dev_data_type counters (alloc/accounting_live.h). */
	struct bch_dev_usage	usage;
	/* Generation of each bucket, bucket_gens_nr of them (alloc/alloc_trigger.h). */
	u8			*bucket_gens;
	u64			bucket_gens_nr;

	/* I/O errors met since open, by enum bch_member_error_type. */
	atomic64_t		errors[BCH_MEMBER_ERROR_NR];
	/* How many of them c->disk_sb includes; covered by c->sb_lock. */
	u64			errors_in_sb[BCH_MEMBER_ERROR_NR];
	/* Sum of completed read latencies in ns and their number: replica choice. */
	atomic64_t		read_ns;
	atomic64_t		read_nr;
};

/*
 * Fields of the superblock that the rest of the code wants decoded. Set by
 * bch2_sb_update_cpu() (sb/io.c), constant on the read side.
 */
struct bch_sb_cpu {
	__uuid_t		uuid;		/* internal: magics, nonces */
	__uuid_t		user_uuid;
	u16			version;
	u16			version_incompat;
	u16			version_incompat_allowed;
	u16			version_min;
	u16			version_upgrade_complete;
	u8			nr_devices;	/* member slots */
	u8			clean;
	bool			multi_device;
	u8			encryption_type;
	u8			extent_bp_shift;
	u64			time_base_lo;	/* in time units, already divided */
	u32			time_base_hi;
	unsigned		time_units_per_sec;
	unsigned		nsec_per_time_unit;
	u64			features;
	u64			compat;
	u64			recovery_passes_required;	/* stable numbering */
	u64			btrees_lost_data;
	unsigned long		errors_silent[BITS_TO_LONGS(512)];
};

struct bch_fs {
	unsigned long		flags;		/* enum bch_fs_flag, atomic bitops */
	/* For messages: device name, or the user uuid when there are several. */
	char			name[64];

	struct bch_opts		opts;

	/* Authoritative superblock (no per-device sections). sb_lock covers changes. */
	struct mutex		sb_lock;
	struct bch_sb_handle	disk_sb;
	struct bch_sb_cpu	sb;

	/* Indexed by member number; NULL: no such member. Constant after open. */
	struct bch_dev		*devs[BCH_SB_MEMBERS_MAX];
	struct bch_devs_mask	online_devs;

	unsigned		block_bits;	/* log2 of block size in sectors */
	/* log2 of encoded_extent_max in sectors */
	unsigned		encoded_extent_max_bits;

	/* Sizes in u64s of extent entry types, known and from the superblock (spec 50 2.1). */
	u8			extent_type_u64s[31];
	u8			extent_types_known;

	/* Master key in force; has_key says whether it is loaded. */
	struct bch_key		chacha20_key;
	bool			has_key;
	atomic64_t		key_version;

	struct bch_fsck_state	fsck;

	/* Journal: start info, entries read, blacklist, overlay. */
	struct bch_fs_journal	journal;

	/* Btrees: roots, node cache. */
	struct bch_fs_btree	btree;

	/* Allocation: open buckets, write points, capacity, clocks (alloc/). */
	struct bch_fs_alloc	alloc;

	/* Snapshot nodes in memory (btree/snapshot_table.h). */
	struct bch_fs_snapshots	snapshots;

	/* Space counters in memory. */
	struct bch_fs_accounting accounting;

	/* Highest numbers given to nodes in reconcile_scan, by class. */
	atomic64_t		reconcile_node_idx[RECONCILE_WORK_NR];
	/* Recount that runs, or NULL (alloc/gc.h). */
	struct bch_gc		*gc;

	/* Decompression workspaces. */
	struct bch_fs_data	data;

	/* Recovery: passes. */
	struct bch_fs_recovery	recovery;

	/* Nodes found by their contents, or NULL (check/node_scan.h). */
	struct found_nodes	*found_nodes;

	/* Read-write or not (init/rw.h). */
	struct bch_fs_rw	rw;

	/* Casefolding tables; NULL when the filesystem does not use them. */
	struct unicode_map	*cf_encoding;

	/* Read completions and decoding work. */
	struct workqueue_struct	*read_wq;

	/*
	 * Methods that upper floors lend to lower ones; filled by bch2_fs_open().
	 */
	struct {
		/* Something a pass must deal with: schedule it (stable pass id). */
		int	(*request_pass)(struct bch_fs *c, unsigned stable_pass);
		/* A btree node has been lost (spec 31 section 7.1). */
		void	(*btree_lost_data)(struct bch_fs *c, unsigned btree);

		/*
		 * Space for one btree node: append pointers worth @nr_replicas to
		 * @k; the buckets stay open until open_buckets_put(). @watermark may
		 * carry the flags of a commit.
		 */
		int	(*alloc_btree_ptrs)(struct btree_trans *trans, struct bkey_i *k,
					    unsigned sectors, unsigned nr_replicas,
					    unsigned watermark, struct open_bucket_refs *ob);
		void	(*open_buckets_put)(struct bch_fs *c, struct open_bucket_refs *ob);
		/*
		 * Make the pointer @k to a node record what options ask for beyond
		 * what it has (spec 53 section 8). There is room for the longest
		 * pointer. @fresh: it is in no btree yet.
		 */
		int	(*btree_ptr_work)(struct btree_trans *trans, struct bkey_i *k,
					  bool fresh);
		/*
		 * Add the delta @k to the counters in memory; fails without effect
		 * with btree_insert_need_mark_replicas if a replicas entry is missing.
		 */
		int	(*accounting_apply)(struct btree_trans *trans, const struct bkey_i *k);
		void	(*accounting_unapply)(struct btree_trans *trans, const struct bkey_i *k);
		/* Write the replicas entries the deltas of @trans need; no locks held. */
		int	(*replicas_cure)(struct btree_trans *trans);
		int	(*disk_reservation_add)(struct bch_fs *c, struct disk_reservation *res,
						u64 sectors, unsigned flags);
		/* The deltas of @trans are counted: take them out of its reservation. */
		void	(*disk_reservation_settle)(struct btree_trans *trans);
		/* Superblock entry "journal data on @devs", before the first write there. */
		int	(*journal_mark_replicas)(struct bch_fs *c,
						 const struct bch_devs_mask *devs);
		/* A flush entry became durable: emptied buckets may be discarded. */
		void	(*journal_flushed)(struct bch_fs *c);
		void	(*emergency_ro)(struct bch_fs *c);
		/* Keep the filesystem read-write; false: it is not, or going read-only. */
		bool	(*write_ref_get)(struct bch_fs *c);
		void	(*write_ref_put)(struct bch_fs *c);
	} up;
};

static inline size_t bch2_block_bytes(const struct bch_fs *c)
{
	return (size_t) 512 << c->block_bits;
}

static inline unsigned bch2_block_sectors(const struct bch_fs *c)
{
	return 1U << c->block_bits;
}

#endif /* _BCACHEFS_H */
