/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Recovery passes, in the order in which they run (spec 12 §8, 31 §9).
 *
 * A pass has two numbers. Its place in this list is the run number: it orders
 * execution, indexes in-memory masks and never reaches the disk. The stable id
 * is what the superblock records. The functions behind the names are bound in
 * init/; data declarations and trivial accessors only.
 */
#ifndef _BCACHEFS_INIT_PASSES_FORMAT_H
#define _BCACHEFS_INIT_PASSES_FORMAT_H

#include <linux/types.h>
#include <linux/build_bug.h>

#define PASS_ALWAYS			(1U << 0)	/* at every start */
#define PASS_FSCK			(1U << 1)	/* part of fsck */
#define PASS_ONLINE			(1U << 2)	/* may run while mounted */
#define PASS_ALLOC			(1U << 3)	/* not without allocation info */
#define PASS_SILENT			(1U << 4)	/* not announced */
#define PASS_NODEFER			(1U << 5)	/* never left to the background */

#define PASS_DEP(name)			(1ULL << BCH_RECOVERY_PASS_##name)

/* x(stable id, name, flags, passes it relies on) */
#define BCH_RECOVERY_PASSES(x)							\
	x(41, recovery_pass_empty,						\
	  PASS_SILENT, 0)							\
	x(37, scan_for_btree_nodes,						\
	  0, 0)									\
	x( 4, check_topology,							\
	  0, PASS_DEP(scan_for_btree_nodes))					\
	x(39, accounting_read,							\
	  PASS_ALWAYS, PASS_DEP(check_topology))				\
	x( 0, alloc_read,							\
	  PASS_ALWAYS, 0)							\
	x( 1, stripes_read,							\
	  0, 0)									\
	x( 2, initialize_subvolumes,						\
	  0, 0)									\
	x( 3, snapshots_read,							\
	  PASS_ALWAYS, 0)							\
	x( 5, check_allocations,						\
	  PASS_FSCK|PASS_ALLOC, PASS_DEP(check_topology))			\
	x( 6, trans_mark_dev_sbs,						\
	  PASS_ALWAYS|PASS_SILENT|PASS_ALLOC, 0)				\
	x( 7, fs_journal_alloc,							\
	  PASS_ALWAYS|PASS_SILENT|PASS_ALLOC, 0)				\
	x( 8, set_may_go_rw,							\
	  PASS_ALWAYS|PASS_SILENT, PASS_DEP(check_allocations))			\
	x( 9, journal_replay,							\
	  PASS_ALWAYS, PASS_DEP(set_may_go_rw))					\
	x(45, merge_btree_nodes,						\
	  PASS_ONLINE, 0)							\
	x(48, presplit_shard_boundaries,					\
	  PASS_ALWAYS, PASS_DEP(journal_replay))				\
	x(10, check_alloc_info,							\
	  PASS_ONLINE|PASS_FSCK|PASS_ALLOC, PASS_DEP(check_allocations))	\
	x(11, check_lrus,							\
	  PASS_ONLINE|PASS_FSCK|PASS_ALLOC, PASS_DEP(check_allocations))	\
	x(12, check_btree_backpointers,						\
	  PASS_ONLINE|PASS_FSCK|PASS_ALLOC, PASS_DEP(check_allocations))	\
	x(13, check_backpointers_to_extents,					\
	  PASS_ONLINE, PASS_DEP(check_allocations))				\
	x(14, check_extents_to_backpointers,					\
	  PASS_ONLINE|PASS_FSCK|PASS_ALLOC, PASS_DEP(check_allocations))	\
	x(15, check_alloc_to_lru_refs,						\
	  PASS_ONLINE|PASS_FSCK|PASS_ALLOC, PASS_DEP(check_allocations))	\
	x(16, fs_freespace_init,						\
	  PASS_ALWAYS|PASS_SILENT, 0)						\
	x(17, bucket_gens_init,							\
	  0, 0)									\
	x(38, reconstruct_snapshots,						\
	  0, 0)									\
	x(44, delete_dead_interior_snapshots,					\
	  0, 0)									\
	x(18, check_snapshot_trees,						\
	  PASS_ONLINE|PASS_FSCK, PASS_DEP(reconstruct_snapshots))		\
	x(19, check_snapshots,							\
	  PASS_ALWAYS|PASS_ONLINE|PASS_FSCK|PASS_NODEFER,			\
	  PASS_DEP(reconstruct_snapshots)|PASS_DEP(check_snapshot_trees))	\
	x(20, check_subvols,							\
	  PASS_ONLINE|PASS_FSCK, PASS_DEP(check_snapshots))			\
	x(35, check_subvol_children,						\
	  PASS_ONLINE|PASS_FSCK, PASS_DEP(check_subvols))			\
	x(21, delete_dead_snapshots,						\
	  PASS_ONLINE|PASS_FSCK, PASS_DEP(check_snapshots))			\
	x(22, fs_upgrade_for_subvolumes,					\
	  0, 0)									\
	x(24, check_inodes,							\
	  PASS_FSCK, PASS_DEP(check_snapshots))					\
	x(25, check_extents,							\
	  PASS_FSCK, PASS_DEP(check_inodes))					\
	x(26, check_indirect_extents,						\
	  PASS_ONLINE|PASS_FSCK, PASS_DEP(check_snapshots))			\
	x(27, check_dirents,							\
	  PASS_FSCK, PASS_DEP(check_inodes))					\
	x(28, check_xattrs,							\
	  PASS_FSCK, PASS_DEP(check_inodes))					\
	x(29, check_root,							\
	  PASS_ONLINE|PASS_FSCK, PASS_DEP(check_inodes))			\
	x(40, check_unreachable_inodes,						\
	  PASS_FSCK, PASS_DEP(check_inodes)|PASS_DEP(check_dirents))		\
	x(36, check_subvolume_structure,					\
	  PASS_ONLINE|PASS_FSCK,						\
	  PASS_DEP(check_subvols)|PASS_DEP(check_inodes))			\
	x(30, check_directory_structure,					\
	  PASS_ONLINE|PASS_FSCK, PASS_DEP(check_unreachable_inodes))		\
	x(31, check_nlinks,							\
	  PASS_FSCK, PASS_DEP(check_inodes)|PASS_DEP(check_dirents))		\
	x(43, check_reconcile_work,						\
	  PASS_ONLINE|PASS_FSCK, PASS_DEP(check_snapshots))			\
	x(23, resume_logged_ops,						\
	  PASS_ALWAYS, 0)							\
	x(32, delete_dead_inodes,						\
	  PASS_ALWAYS, 0)							\
	x(47, kill_i_generation_keys,						\
	  PASS_ONLINE, 0)							\
	x(33, fix_reflink_p,							\
	  0, 0)									\
	x(34, set_fs_needs_reconcile,						\
	  0, 0)									\
	x(46, btree_bitmap_gc,							\
	  PASS_ONLINE, 0)							\
	x(42, lookup_root_inode,						\
	  PASS_ALWAYS|PASS_SILENT, 0)

/* Run numbers. */
enum bch_recovery_pass {
#define x(id, name, ...)	BCH_RECOVERY_PASS_##name,
	BCH_RECOVERY_PASSES(x)
#undef x
	BCH_RECOVERY_PASS_NR,
};

/* Stable ids. */
enum bch_recovery_pass_stable {
#define x(id, name, ...)	BCH_RECOVERY_PASS_STABLE_##name = id,
	BCH_RECOVERY_PASSES(x)
#undef x
};

static_assert(BCH_RECOVERY_PASS_NR == 49);

/* Passes of fsck; the two numberings of the same set. */
#define BCH_RECOVERY_PASSES_FSCK		0x3ffbe1b8100ULL
#define BCH_RECOVERY_PASSES_FSCK_STABLE		0x918ff3cdc20ULL

#endif /* _BCACHEFS_INIT_PASSES_FORMAT_H */
