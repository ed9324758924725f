/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Metadata versions: one number, major * 1024 + minor, names what the writer
 * of a superblock, journal entry or set of keys knew (spec 12). The table holds
 * every version that was ever released from 0.10 on; numbers are never reused.
 *
 * Data declarations and trivial accessors only; the lowest of the format
 * headers, includes none of the others.
 */
#ifndef _BCACHEFS_SB_VERSIONS_FORMAT_H
#define _BCACHEFS_SB_VERSIONS_FORMAT_H

#include <linux/types.h>

#define BCH_VERSION_MINOR_BITS		10
#define BCH_VERSION(major, minor)	(((major) << BCH_VERSION_MINOR_BITS) | (minor))
#define BCH_VERSION_MAJOR(v)		((unsigned int) (v) >> BCH_VERSION_MINOR_BITS)
#define BCH_VERSION_MINOR(v)		((unsigned int) (v) & ((1U << BCH_VERSION_MINOR_BITS) - 1))

/*
 * x(major, minor, name, gate)
 *
 * INCOMPAT: using it needs permission, because older software would fail on it
 * (spec 12 §4).
 */
#define BCH_VERSION_INCOMPAT		1

#define BCH_METADATA_VERSIONS(x)						\
	x(0, 10, bkey_renumber,				0)			\
	x(0, 11, inode_btree_change,			0)			\
	x(0, 12, snapshot,				0)			\
	x(0, 13, inode_backpointers,			0)			\
	x(0, 14, btree_ptr_sectors_written,		0)			\
	x(0, 15, snapshot_2,				0)			\
	x(0, 16, reflink_p_fix,				0)			\
	x(0, 17, subvol_dirent,				0)			\
	x(0, 18, inode_v2,				0)			\
	x(0, 19, freespace,				0)			\
	x(0, 20, alloc_v4,				0)			\
	x(0, 21, new_data_types,			0)			\
	x(0, 22, backpointers,				0)			\
	x(0, 23, inode_v3,				0)			\
	x(0, 24, unwritten_extents,			0)			\
	x(0, 25, bucket_gens,				0)			\
	x(0, 26, lru_v2,				0)			\
	x(0, 27, fragmentation_lru,			0)			\
	x(0, 28, no_bps_in_alloc_keys,			0)			\
	x(0, 29, snapshot_trees,			0)			\
	x(1,  0, major_minor,				0)			\
	x(1,  1, snapshot_skiplists,			0)			\
	x(1,  2, deleted_inodes,			0)			\
	x(1,  3, rebalance_work,			0)			\
	x(1,  4, member_seq,				0)			\
	x(1,  5, subvolume_fs_parent,			0)			\
	x(1,  6, btree_subvolume_children,		0)			\
	x(1,  7, mi_btree_bitmap,			0)			\
	x(1,  8, bucket_stripe_sectors,			0)			\
	x(1,  9, disk_accounting_v2,			0)			\
	x(1, 10, disk_accounting_v3,			0)			\
	x(1, 11, disk_accounting_inum,			0)			\
	x(1, 12, rebalance_work_acct_fix,		0)			\
	x(1, 13, inode_has_child_snapshots,		0)			\
	x(1, 14, backpointer_bucket_gen,		0)			\
	x(1, 15, disk_accounting_big_endian,		0)			\
	x(1, 16, reflink_p_may_update_opts,		BCH_VERSION_INCOMPAT)	\
	x(1, 17, inode_depth,				0)			\
	x(1, 18, persistent_inode_cursors,		0)			\
	x(1, 19, autofix_errors,			0)			\
	x(1, 20, directory_size,			0)			\
	x(1, 21, cached_backpointers,			0)			\
	x(1, 22, stripe_backpointers,			0)			\
	x(1, 23, stripe_lru,				0)			\
	x(1, 24, casefolding,				BCH_VERSION_INCOMPAT)	\
	x(1, 25, extent_flags,				BCH_VERSION_INCOMPAT)	\
	x(1, 26, snapshot_deletion_v2,			BCH_VERSION_INCOMPAT)	\
	x(1, 27, fast_device_removal,			BCH_VERSION_INCOMPAT)	\
	x(1, 28, inode_has_case_insensitive,		0)			\
	x(1, 29, extent_snapshot_whiteouts,		BCH_VERSION_INCOMPAT)	\
	x(1, 30, 31bit_dirent_offset,			BCH_VERSION_INCOMPAT)	\
	x(1, 31, btree_node_accounting,			0)			\
	x(1, 32, sb_field_extent_type_u64s,		BCH_VERSION_INCOMPAT)	\
	x(1, 33, reconcile,				BCH_VERSION_INCOMPAT)	\
	x(1, 34, extented_key_type_error,		BCH_VERSION_INCOMPAT)	\
	x(1, 35, bucket_stripe_index,			0)			\
	x(1, 36, no_sb_user_data_replicas,		BCH_VERSION_INCOMPAT)	\
	x(1, 37, erasure_coding,			0)			\
	x(1, 38, need_discard_by_journal_seq,		0)

enum bcachefs_metadata_version {
	bcachefs_metadata_version_min	= 9,
#define x(major, minor, name, gate)						\
	bcachefs_metadata_version_##name = BCH_VERSION(major, minor),
	BCH_METADATA_VERSIONS(x)
#undef x
	bcachefs_metadata_version_end,
};

#define bcachefs_metadata_version_current					\
	((unsigned int) bcachefs_metadata_version_end - 1)

/* A filesystem whose upgrades are complete only below this is always upgraded (spec 12 §5.2). */
#define bcachefs_metadata_required_upgrade_below				\
	bcachefs_metadata_version_btree_node_accounting

/* Oldest version_min of an initialised filesystem that is still opened (spec 12 §2). */
#define bcachefs_metadata_version_min_allowed					\
	bcachefs_metadata_version_btree_ptr_sectors_written

/* May a superblock, journal entry or set of keys of version @v be read (spec 12 §1)? */
static inline bool bch2_version_compatible(unsigned int v)
{
	return BCH_VERSION_MAJOR(v) <= BCH_VERSION_MAJOR(bcachefs_metadata_version_current) &&
		v >= bcachefs_metadata_version_min;
}

#endif /* _BCACHEFS_SB_VERSIONS_FORMAT_H */
