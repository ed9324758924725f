/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a change of metadata version asks for: passes to run (stable ids) and
 * errors to repair silently meanwhile, for every version that needs any
 * (spec 12 §6, §7.1). Entries are in version order.
 *
 * Data declarations only; the tables are used by sb/.
 */
#ifndef _BCACHEFS_SB_DOWNGRADE_FORMAT_H
#define _BCACHEFS_SB_DOWNGRADE_FORMAT_H

#include "init/passes_format.h"
#include "sb/errors_format.h"
#include "sb/versions_format.h"

#define PASS_STABLE(name)		(1ULL << BCH_RECOVERY_PASS_STABLE_##name)

/*
 * x(version name, passes, silent errors...)
 *
 * Needed when a filesystem is brought up to the named version.
 */
#define BCH_UPGRADE_TABLE(x)							\
	x(snapshot_2,								\
	  BCH_RECOVERY_PASSES_FSCK_STABLE,					\
	  BCH_FSCK_ERR_subvol_root_wrong_bi_subvol,				\
	  BCH_FSCK_ERR_subvol_not_master_and_not_snapshot)			\
	x(backpointers,								\
	  BCH_RECOVERY_PASSES_FSCK_STABLE)					\
	x(inode_v3,								\
	  BCH_RECOVERY_PASSES_FSCK_STABLE)					\
	x(unwritten_extents,							\
	  BCH_RECOVERY_PASSES_FSCK_STABLE)					\
	x(bucket_gens,								\
	  BCH_RECOVERY_PASSES_FSCK_STABLE|PASS_STABLE(bucket_gens_init))	\
	x(lru_v2,								\
	  BCH_RECOVERY_PASSES_FSCK_STABLE)					\
	x(fragmentation_lru,							\
	  BCH_RECOVERY_PASSES_FSCK_STABLE)					\
	x(no_bps_in_alloc_keys,							\
	  BCH_RECOVERY_PASSES_FSCK_STABLE)					\
	x(snapshot_trees,							\
	  BCH_RECOVERY_PASSES_FSCK_STABLE)					\
	x(snapshot_skiplists,							\
	  PASS_STABLE(check_snapshots),						\
	  BCH_FSCK_ERR_snapshot_bad_depth,					\
	  BCH_FSCK_ERR_snapshot_bad_skiplist)					\
	x(deleted_inodes,							\
	  PASS_STABLE(check_inodes),						\
	  BCH_FSCK_ERR_unlinked_inode_not_on_deleted_list)			\
	x(rebalance_work,							\
	  PASS_STABLE(set_fs_needs_reconcile))					\
	x(subvolume_fs_parent,							\
	  PASS_STABLE(check_dirents),						\
	  BCH_FSCK_ERR_subvol_fs_path_parent_wrong)				\
	x(btree_subvolume_children,						\
	  PASS_STABLE(check_subvols),						\
	  BCH_FSCK_ERR_subvol_children_not_set)					\
	x(mi_btree_bitmap,							\
	  PASS_STABLE(check_allocations),					\
	  BCH_FSCK_ERR_btree_bitmap_not_marked)					\
	x(disk_accounting_v2,							\
	  PASS_STABLE(check_allocations),					\
	  BCH_FSCK_ERR_bkey_version_in_future,					\
	  BCH_FSCK_ERR_dev_usage_buckets_wrong,					\
	  BCH_FSCK_ERR_dev_usage_sectors_wrong,					\
	  BCH_FSCK_ERR_dev_usage_fragmented_wrong,				\
	  BCH_FSCK_ERR_accounting_mismatch)					\
	x(disk_accounting_v3,							\
	  PASS_STABLE(check_allocations),					\
	  BCH_FSCK_ERR_bkey_version_in_future,					\
	  BCH_FSCK_ERR_dev_usage_buckets_wrong,					\
	  BCH_FSCK_ERR_dev_usage_sectors_wrong,					\
	  BCH_FSCK_ERR_dev_usage_fragmented_wrong,				\
	  BCH_FSCK_ERR_accounting_mismatch,					\
	  BCH_FSCK_ERR_accounting_key_replicas_nr_devs_0,			\
	  BCH_FSCK_ERR_accounting_key_replicas_nr_required_bad,			\
	  BCH_FSCK_ERR_accounting_key_replicas_devs_unsorted,			\
	  BCH_FSCK_ERR_accounting_key_junk_at_end)				\
	x(disk_accounting_inum,							\
	  PASS_STABLE(check_allocations),					\
	  BCH_FSCK_ERR_accounting_mismatch)					\
	x(rebalance_work_acct_fix,						\
	  PASS_STABLE(check_allocations),					\
	  BCH_FSCK_ERR_accounting_mismatch)					\
	x(inode_has_child_snapshots,						\
	  PASS_STABLE(check_inodes),						\
	  BCH_FSCK_ERR_inode_has_child_snapshots_wrong)				\
	x(backpointer_bucket_gen,						\
	  PASS_STABLE(check_extents_to_backpointers),				\
	  BCH_FSCK_ERR_backpointer_to_missing_ptr,				\
	  BCH_FSCK_ERR_ptr_to_missing_backpointer)				\
	x(disk_accounting_big_endian,						\
	  PASS_STABLE(check_allocations),					\
	  BCH_FSCK_ERR_accounting_mismatch,					\
	  BCH_FSCK_ERR_accounting_key_replicas_nr_devs_0,			\
	  BCH_FSCK_ERR_accounting_key_junk_at_end)				\
	x(cached_backpointers,							\
	  PASS_STABLE(check_extents_to_backpointers),				\
	  BCH_FSCK_ERR_ptr_to_missing_backpointer)				\
	x(stripe_backpointers,							\
	  PASS_STABLE(check_extents_to_backpointers),				\
	  BCH_FSCK_ERR_ptr_to_missing_backpointer)				\
	x(inode_has_case_insensitive,						\
	  PASS_STABLE(check_inodes),						\
	  BCH_FSCK_ERR_inode_has_case_insensitive_not_set,			\
	  BCH_FSCK_ERR_inode_parent_has_case_insensitive_not_set)		\
	x(btree_node_accounting,						\
	  PASS_STABLE(check_allocations),					\
	  BCH_FSCK_ERR_accounting_mismatch)					\
	x(reconcile,								\
	  PASS_STABLE(check_reconcile_work),					\
	  BCH_FSCK_ERR_accounting_mismatch,					\
	  BCH_FSCK_ERR_extent_io_opts_not_set)					\
	x(bucket_stripe_index,							\
	  PASS_STABLE(check_alloc_info)|PASS_STABLE(check_alloc_to_lru_refs),	\
	  BCH_FSCK_ERR_alloc_key_stripe_refcount_wrong,				\
	  BCH_FSCK_ERR_stripe_to_missing_bucket_ref)				\
	x(need_discard_by_journal_seq,						\
	  PASS_STABLE(check_alloc_info),					\
	  BCH_FSCK_ERR_need_discard_freespace_key_bad,				\
	  BCH_FSCK_ERR_need_discard_key_wrong,					\
	  BCH_FSCK_ERR_need_discard_freespace_key_to_invalid_dev_bucket)

/* Needed when incompatible features up to the named version become allowed (spec 12 §6.2). */
#define BCH_UPGRADE_INCOMPAT_TABLE(x)						\
	x(reconcile,								\
	  PASS_STABLE(check_reconcile_work),					\
	  BCH_FSCK_ERR_extent_io_opts_not_set)

/* Needed by software older than the named version when it opens the filesystem (spec 12 §7.1). */
#define BCH_DOWNGRADE_TABLE(x)							\
	x(bucket_stripe_sectors,						\
	  0)									\
	x(disk_accounting_v2,							\
	  PASS_STABLE(check_allocations),					\
	  BCH_FSCK_ERR_dev_usage_buckets_wrong,					\
	  BCH_FSCK_ERR_dev_usage_sectors_wrong,					\
	  BCH_FSCK_ERR_dev_usage_fragmented_wrong,				\
	  BCH_FSCK_ERR_fs_usage_hidden_wrong,					\
	  BCH_FSCK_ERR_fs_usage_btree_wrong,					\
	  BCH_FSCK_ERR_fs_usage_data_wrong,					\
	  BCH_FSCK_ERR_fs_usage_cached_wrong,					\
	  BCH_FSCK_ERR_fs_usage_reserved_wrong,					\
	  BCH_FSCK_ERR_fs_usage_nr_inodes_wrong,				\
	  BCH_FSCK_ERR_fs_usage_persistent_reserved_wrong,			\
	  BCH_FSCK_ERR_fs_usage_replicas_wrong,					\
	  BCH_FSCK_ERR_bkey_version_in_future)					\
	x(disk_accounting_v3,							\
	  PASS_STABLE(check_allocations),					\
	  BCH_FSCK_ERR_dev_usage_buckets_wrong,					\
	  BCH_FSCK_ERR_dev_usage_sectors_wrong,					\
	  BCH_FSCK_ERR_dev_usage_fragmented_wrong,				\
	  BCH_FSCK_ERR_fs_usage_hidden_wrong,					\
	  BCH_FSCK_ERR_fs_usage_btree_wrong,					\
	  BCH_FSCK_ERR_fs_usage_data_wrong,					\
	  BCH_FSCK_ERR_fs_usage_cached_wrong,					\
	  BCH_FSCK_ERR_fs_usage_reserved_wrong,					\
	  BCH_FSCK_ERR_fs_usage_nr_inodes_wrong,				\
	  BCH_FSCK_ERR_fs_usage_persistent_reserved_wrong,			\
	  BCH_FSCK_ERR_fs_usage_replicas_wrong,					\
	  BCH_FSCK_ERR_accounting_replicas_not_marked,				\
	  BCH_FSCK_ERR_bkey_version_in_future)					\
	x(rebalance_work_acct_fix,						\
	  PASS_STABLE(check_allocations),					\
	  BCH_FSCK_ERR_accounting_mismatch,					\
	  BCH_FSCK_ERR_accounting_key_replicas_nr_devs_0,			\
	  BCH_FSCK_ERR_accounting_key_junk_at_end)				\
	x(backpointer_bucket_gen,						\
	  PASS_STABLE(check_extents_to_backpointers),				\
	  BCH_FSCK_ERR_backpointer_bucket_offset_wrong,				\
	  BCH_FSCK_ERR_backpointer_to_missing_ptr,				\
	  BCH_FSCK_ERR_ptr_to_missing_backpointer)				\
	x(disk_accounting_big_endian,						\
	  PASS_STABLE(check_allocations),					\
	  BCH_FSCK_ERR_accounting_mismatch,					\
	  BCH_FSCK_ERR_accounting_key_replicas_nr_devs_0,			\
	  BCH_FSCK_ERR_accounting_key_junk_at_end)				\
	x(btree_node_accounting,						\
	  PASS_STABLE(check_allocations),					\
	  BCH_FSCK_ERR_accounting_mismatch,					\
	  BCH_FSCK_ERR_accounting_key_nr_counters_wrong)			\
	x(bucket_stripe_index,							\
	  PASS_STABLE(check_alloc_info)|PASS_STABLE(check_alloc_to_lru_refs))	\
	x(need_discard_by_journal_seq,						\
	  PASS_STABLE(check_alloc_info),					\
	  BCH_FSCK_ERR_need_discard_freespace_key_bad,				\
	  BCH_FSCK_ERR_need_discard_key_wrong,					\
	  BCH_FSCK_ERR_need_discard_freespace_key_to_invalid_dev_bucket)

#endif /* _BCACHEFS_SB_DOWNGRADE_FORMAT_H */
