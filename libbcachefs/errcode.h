/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Private error codes.
 *
 * A function that fails returns either a negative errno or the negative of one
 * of these codes, which say precisely what went wrong. Each code has a parent:
 * an errno, or a broader private code. bch2_err_matches() walks up the parents,
 * so that callers test for a class ("is this a transaction restart?"), and
 * bch2_err_class() reduces a code to its errno where an interface knows nothing
 * else. The numbers appear on no disk and in no interface (spec 32 §13).
 *
 * Add a code as one line, inside its group, groups sorted as they are.
 */
#ifndef _BCACHEFS_ERRCODE_H
#define _BCACHEFS_ERRCODE_H

#include <linux/errno.h>
#include <linux/types.h>

/* x(name, parent): a parent is an errno or BCH_ERR_ of an earlier line. */
#define BCH_ERRCODES(x)								\
	/* memory */								\
	x(ENOMEM_printbuf,			ENOMEM)				\
	x(ENOMEM_sb,				ENOMEM)				\
	x(ENOMEM_sb_bio,			ENOMEM)				\
	x(ENOMEM_sb_members,			ENOMEM)				\
	x(ENOMEM_sb_replicas,			ENOMEM)				\
	x(ENOMEM_sb_errors,			ENOMEM)				\
	x(ENOMEM_disk_groups,			ENOMEM)				\
	x(ENOMEM_fs_alloc,			ENOMEM)				\
	x(ENOMEM_dev_alloc,			ENOMEM)				\
	x(ENOMEM_fsck_message,			ENOMEM)				\
	x(ENOMEM_journal_read_buf,		ENOMEM)				\
	x(ENOMEM_journal_entry_add,		ENOMEM)				\
	x(ENOMEM_journal_keys_sort,		ENOMEM)				\
	x(ENOMEM_journal_key_insert,		ENOMEM)				\
	x(ENOMEM_journal_writer,		ENOMEM)				\
	x(ENOMEM_journal_buf,			ENOMEM)				\
	x(ENOMEM_journal_pins,			ENOMEM)				\
	x(ENOMEM_journal_ring,			ENOMEM)				\
	x(ENOMEM_blacklist_table,		ENOMEM)				\
	x(ENOMEM_btree_cache,			ENOMEM)				\
	x(ENOMEM_btree_node_mem,		ENOMEM)				\
	x(ENOMEM_btree_node_read,		ENOMEM)				\
	x(ENOMEM_btree_node_write,		ENOMEM)				\
	x(ENOMEM_btree_interior_update,		ENOMEM)				\
	x(ENOMEM_journal_replay,		ENOMEM)				\
	x(ENOMEM_btree_trans,			ENOMEM)				\
	x(ENOMEM_btree_iter,			ENOMEM)				\
	x(ENOMEM_bkey_buf,			ENOMEM)				\
	x(ENOMEM_write_buffer,			ENOMEM)				\
	x(ENOMEM_snapshot_table,		ENOMEM)				\
	x(ENOMEM_data_read,			ENOMEM)				\
	x(ENOMEM_data_bounce,			ENOMEM)				\
	x(ENOMEM_decompress_workspace,		ENOMEM)				\
	x(ENOMEM_ec_read,			ENOMEM)				\
	x(ENOMEM_accounting,			ENOMEM)				\
	x(ENOMEM_bucket_gens,			ENOMEM)				\
	x(ENOMEM_gc,				ENOMEM)				\
										\
	/* space */								\
	x(ENOSPC_sb,				ENOSPC)				\
	x(ENOSPC_sb_journal,			BCH_ERR_ENOSPC_sb)		\
	x(ENOSPC_sb_members,			BCH_ERR_ENOSPC_sb)		\
	x(ENOSPC_sb_crypt,			BCH_ERR_ENOSPC_sb)		\
	x(ENOSPC_sb_replicas,			BCH_ERR_ENOSPC_sb)		\
	x(ENOSPC_sb_disk_groups,		BCH_ERR_ENOSPC_sb)		\
	x(ENOSPC_sb_clean,			BCH_ERR_ENOSPC_sb)		\
	x(ENOSPC_sb_journal_seq_blacklist,	BCH_ERR_ENOSPC_sb)		\
	x(ENOSPC_sb_counters,			BCH_ERR_ENOSPC_sb)		\
	x(ENOSPC_sb_errors,			BCH_ERR_ENOSPC_sb)		\
	x(ENOSPC_sb_ext,			BCH_ERR_ENOSPC_sb)		\
	x(ENOSPC_sb_downgrade,			BCH_ERR_ENOSPC_sb)		\
	x(ENOSPC_sb_recovery_passes,		BCH_ERR_ENOSPC_sb)		\
	x(ENOSPC_printbuf,			ENOSPC)				\
	x(ENOSPC_snapshot_create,		ENOSPC)				\
	x(ENOSPC_inode_create,			ENOSPC)				\
	x(ENOSPC_btree_depth,			ENOSPC)				\
	x(ENOSPC_bucket_alloc,			ENOSPC)				\
	x(ENOSPC_journal_alloc,			ENOSPC)				\
	x(ENOSPC_disk_reservation,		ENOSPC)				\
	x(bucket_metadata_type_mismatch,	EIO)				\
										\
	/* arguments and options */						\
	x(EINVAL_option_name,			EINVAL)				\
	x(EINVAL_option_value,			EINVAL)				\
	x(EINVAL_bpos,				EINVAL)				\
	x(EINVAL_btree_id,			EINVAL)				\
	x(EINVAL_target,			EINVAL)				\
	x(EINVAL_snapshot_delete_with_data,	EINVAL)				\
	x(EINVAL_node_scan_no_nodes,		EINVAL)				\
	x(EINVAL_node_scan_too_many_replicas,	EINVAL)				\
	x(EINVAL_journal_rewind_before_discard,	EINVAL)				\
	x(ERANGE_option_too_small,		ERANGE)				\
	x(ERANGE_option_too_big,		ERANGE)				\
	x(ERANGE_varint,			ERANGE)				\
	x(option_needs_open_fs,			EAGAIN)				\
	x(not_built_in,				EOPNOTSUPP)			\
										\
	/* names and numbers that are not there */				\
	x(ENOENT_bkey_type_mismatch,		ENOENT)				\
	x(ENOENT_inode,				ENOENT)				\
	x(ENOENT_dirent,			ENOENT)				\
	x(ENOENT_subvolume,			ENOENT)				\
	x(ENOENT_snapshot,			ENOENT)				\
	x(ENOENT_snapshot_tree,			ENOENT)				\
	x(ENOENT_str_hash_lookup,		ENOENT)				\
	x(ENODATA_xattr,			ENODATA)			\
										\
	/* encryption */							\
	x(ENOKEY_not_loaded,			ENOKEY)				\
	x(ENOKEY_wrong_passphrase,		ENOKEY)				\
	x(no_encryption_key,			ENOKEY)				\
										\
	/* superblock: one copy, or the chosen one (spec 10 §3, §8) */		\
	x(invalid_sb,				EINVAL)				\
	x(invalid_sb_magic,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_version,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_features,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_big_endian,		BCH_ERR_invalid_sb)		\
	x(invalid_sb_too_big,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_csum_type,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_csum,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_block_size,		BCH_ERR_invalid_sb)		\
	x(invalid_sb_uuid,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_offset,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_too_many_members,		BCH_ERR_invalid_sb)		\
	x(invalid_sb_dev_idx,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_time_precision,		BCH_ERR_invalid_sb)		\
	x(invalid_sb_field_size,		BCH_ERR_invalid_sb)		\
	x(invalid_sb_opt,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_layout,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_layout_type,		BCH_ERR_invalid_sb_layout)	\
	x(invalid_sb_layout_nr_superblocks,	BCH_ERR_invalid_sb_layout)	\
	x(invalid_sb_layout_sb_max_size_bits,	BCH_ERR_invalid_sb_layout)	\
	x(invalid_sb_layout_superblocks_overlap, BCH_ERR_invalid_sb_layout)	\
	x(invalid_sb_members_missing,		BCH_ERR_invalid_sb)		\
	x(invalid_sb_members,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_journal,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_crypt,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_replicas,			BCH_ERR_invalid_sb)		\
	x(invalid_replicas_entry,		BCH_ERR_invalid_sb)		\
	x(invalid_sb_quota,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_disk_groups,		BCH_ERR_invalid_sb)		\
	x(invalid_sb_clean,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_journal_seq_blacklist,	BCH_ERR_invalid_sb)		\
	x(invalid_sb_errors,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_ext,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_downgrade,			BCH_ERR_invalid_sb)		\
	x(invalid_sb_extent_type_u64s,		BCH_ERR_invalid_sb)		\
	x(no_valid_superblock,			EINVAL)				\
	x(sb_write,				EIO)				\
	x(sb_write_lost,			BCH_ERR_sb_write)		\
	x(sb_changed_elsewhere,			BCH_ERR_sb_write)		\
	x(sb_not_written,			BCH_ERR_sb_write)		\
										\
	/* devices and their assembly (spec 10 §13) */				\
	x(device_not_a_member_of_filesystem,	EINVAL)				\
	x(device_has_been_removed,		EINVAL)				\
	x(device_splitbrain,			EINVAL)				\
	x(device_already_online,		EINVAL)				\
	x(device_size_too_small,		EINVAL)				\
	x(mismatched_block_size,		EINVAL)				\
	x(device_offline,			EIO)				\
	x(device_state_not_allowed,		EINVAL)				\
	x(device_busy,				EBUSY)				\
	x(insufficient_devices,			EINVAL)				\
	x(insufficient_devices_to_start,	BCH_ERR_insufficient_devices)	\
	x(insufficient_journal_devices,		BCH_ERR_insufficient_devices)	\
	x(insufficient_alloc_devices,		BCH_ERR_insufficient_devices)	\
										\
	/* input and output */							\
	x(EIO_write,				EIO)				\
	x(EIO_checksum,				EIO)				\
	x(EIO_fault_injected,			EIO)				\
	x(EIO_short_read,			EIO)				\
	x(EIO_superblock_read,			EIO)				\
	x(EIO_missing_indirect_extent,		EIO)				\
	x(EIO_key_type_error,			EIO)				\
	x(EIO_extent_poisoned,			EIO)				\
										\
	/* file data (spec 54) */						\
	x(data_read,				EIO)				\
	x(data_read_io_err,			BCH_ERR_data_read)		\
	x(data_read_csum_err,			BCH_ERR_data_read)		\
	x(data_read_no_replica,			BCH_ERR_data_read)		\
	x(data_read_no_device,			BCH_ERR_data_read)		\
	x(data_read_no_encryption_key,		BCH_ERR_data_read)		\
	x(data_read_stale_ptr,			BCH_ERR_data_read)		\
	x(data_read_key_overwritten,		BCH_ERR_data_read)		\
	x(data_read_ptr_bad,			BCH_ERR_data_read)		\
	x(data_read_bad_key,			BCH_ERR_data_read)		\
	x(data_read_bad_crc_entry,		BCH_ERR_data_read)		\
	x(data_read_unknown_csum_type,		BCH_ERR_data_read)		\
	x(data_read_unknown_compression,	BCH_ERR_data_read)		\
	x(decompress,				EIO)				\
	x(decompress_type_unknown,		BCH_ERR_decompress)		\
	x(decompress_size,			BCH_ERR_decompress)		\
	x(decompress_lz4,			BCH_ERR_decompress)		\
	x(decompress_gzip,			BCH_ERR_decompress)		\
	x(decompress_zstd,			BCH_ERR_decompress)		\
	x(decompress_zstd_length,		BCH_ERR_decompress_zstd)	\
	x(ec,					EIO)				\
	x(ec_too_many_failed,			BCH_ERR_ec)			\
	x(ec_stripe_missing,			BCH_ERR_ec)			\
	x(ec_stripe_mismatch,			BCH_ERR_ec)			\
	x(ec_csum_err,				BCH_ERR_ec)			\
	x(ec_stripe_bad,			BCH_ERR_ec)			\
	x(ec_read_too_big,			BCH_ERR_ec)			\
										\
	/* btree nodes */							\
	x(btree_node_read_error,		EIO)				\
	x(btree_node_read_err_io,		BCH_ERR_btree_node_read_error)	\
	x(btree_node_read_err_device_offline,	BCH_ERR_btree_node_read_error)	\
	x(btree_node_read_err_bad_node,		BCH_ERR_btree_node_read_error)	\
	x(btree_node_read_err_no_replica,	BCH_ERR_btree_node_read_error)	\
	x(btree_node_read_err_must_retry,	BCH_ERR_btree_node_read_error)	\
	x(btree_node_read_err_want_retry,	BCH_ERR_btree_node_read_error)	\
	x(btree_node_write_all_failed,		EIO)				\
	x(btree_node_write_invalid,		EIO)				\
	x(btree_root_bad_level,			EIO)				\
	x(btree_topology,			EIO)				\
	x(btree_need_topology_repair,		BCH_ERR_btree_topology)		\
	x(invalid_bkey,				EIO)				\
										\
	/* journal */								\
	x(journal_entry_err,			EIO)				\
	x(journal_entry_err_unknown_version,	BCH_ERR_journal_entry_err)	\
	x(journal_entry_none,			BCH_ERR_journal_entry_err)	\
	x(journal_entry_reread,			BCH_ERR_journal_entry_err)	\
	x(journal_entry_bad,			BCH_ERR_journal_entry_err)	\
	x(journal_entries_missing,		EIO)				\
	x(journal_seq_range,			EINVAL)				\
	x(journal_shutdown,			EIO)				\
	x(journal_keys_frozen,			EINVAL)				\
	x(journal_entry_too_big,		EINVAL)				\
	x(journal_not_empty,			EBUSY)				\
	x(journal_stuck,			EIO)				\
	x(journal_rewind_no_overwrites,		EINVAL)				\
										\
	/* repeat the transaction (spec 21 §2.2) */				\
	x(transaction_restart,			0)				\
	x(transaction_restart_relock,		BCH_ERR_transaction_restart)	\
	x(transaction_restart_relock_path,	BCH_ERR_transaction_restart)	\
	x(transaction_restart_relock_path_intent, BCH_ERR_transaction_restart)	\
	x(transaction_restart_upgrade,		BCH_ERR_transaction_restart)	\
	x(transaction_restart_lock_node_reused,	BCH_ERR_transaction_restart)	\
	x(transaction_restart_lock_root_race,	BCH_ERR_transaction_restart)	\
	x(transaction_restart_would_deadlock,	BCH_ERR_transaction_restart)	\
	x(transaction_restart_would_deadlock_write, BCH_ERR_transaction_restart) \
	x(transaction_restart_deadlock_recursion_limit, BCH_ERR_transaction_restart) \
	x(transaction_restart_lock_waitlist_alloc, BCH_ERR_transaction_restart)	\
	x(transaction_restart_deadlock_waitlist_alloc, BCH_ERR_transaction_restart) \
	x(transaction_restart_fill_mem_alloc_fail, BCH_ERR_transaction_restart)	\
	x(transaction_restart_fill_relock,	BCH_ERR_transaction_restart)	\
	x(transaction_restart_mem_realloced,	BCH_ERR_transaction_restart)	\
	x(transaction_restart_too_many_iters,	BCH_ERR_transaction_restart)	\
	x(transaction_restart_in_traverse_all,	BCH_ERR_transaction_restart)	\
	x(transaction_restart_key_cache_fill,	BCH_ERR_transaction_restart)	\
	x(transaction_restart_key_cache_raced,	BCH_ERR_transaction_restart)	\
	x(transaction_restart_split_race,	BCH_ERR_transaction_restart)	\
	x(transaction_restart_split_with_interior_updates, BCH_ERR_transaction_restart) \
	x(transaction_restart_write_buffer_flush, BCH_ERR_transaction_restart)	\
	x(transaction_restart_journal_overwrites_changed, BCH_ERR_transaction_restart) \
	x(transaction_restart_nested,		BCH_ERR_transaction_restart)	\
	x(transaction_restart_commit,		BCH_ERR_transaction_restart)	\
	x(transaction_restart_fault_inject,	BCH_ERR_transaction_restart)	\
	x(update_after_triggers,		EINVAL)				\
	x(update_not_buffered,			EROFS)				\
	x(btree_insert,				0)				\
	x(btree_insert_btree_node_full,		BCH_ERR_btree_insert)		\
	x(btree_insert_need_mark_replicas,	BCH_ERR_btree_insert)		\
	x(btree_insert_need_key_cache_room,	BCH_ERR_btree_insert)		\
	x(operation_blocked,			EAGAIN)				\
	x(journal_res_get_blocked,		BCH_ERR_operation_blocked)	\
	x(journal_full,				BCH_ERR_journal_res_get_blocked) \
	x(journal_pins_full,			BCH_ERR_journal_res_get_blocked) \
	x(journal_watermark,			BCH_ERR_journal_res_get_blocked) \
	x(journal_blocked,			BCH_ERR_journal_res_get_blocked) \
	x(journal_max_in_flight,		BCH_ERR_journal_res_get_blocked) \
	x(journal_no_buffer,			BCH_ERR_journal_res_get_blocked) \
	x(journal_reclaim_would_deadlock,	BCH_ERR_operation_blocked)	\
	x(bucket_alloc_blocked,			BCH_ERR_operation_blocked)	\
	x(freelist_empty,			BCH_ERR_bucket_alloc_blocked)	\
	x(open_buckets_empty,			BCH_ERR_bucket_alloc_blocked)	\
										\
	/* refused by triggers (spec 40 §5, 51 §5, 52 §6) */			\
	x(trigger,				EIO)				\
	x(trigger_alloc,			BCH_ERR_trigger)		\
	x(trigger_pointer,			BCH_ERR_trigger)		\
	x(trigger_reservation,			BCH_ERR_trigger)		\
	x(trigger_stripe,			BCH_ERR_trigger)		\
	x(trigger_metadata_bucket,		BCH_ERR_trigger)		\
	x(missing_indirect_extent,		BCH_ERR_trigger)		\
										\
	/* decisions about errors found (spec 32 §4) */				\
	x(fsck,					EROFS)				\
	x(fsck_ask,				BCH_ERR_fsck)			\
	x(fsck_fix,				BCH_ERR_fsck)			\
	x(fsck_delete_bkey,			BCH_ERR_fsck)			\
	x(fsck_ignore,				BCH_ERR_fsck)			\
	x(fsck_errors_not_fixed,		BCH_ERR_fsck)			\
	x(fsck_repair_unimplemented,		BCH_ERR_fsck)			\
	x(fsck_repair_impossible,		BCH_ERR_fsck)			\
	x(recovery_will_run,			EINVAL)				\
	x(restart_recovery,			BCH_ERR_recovery_will_run)	\
	x(cannot_rewind_recovery,		BCH_ERR_recovery_will_run)	\
	x(recovery_pass_will_run,		BCH_ERR_recovery_will_run)	\
	x(recovery_pass_not_built,		EOPNOTSUPP)			\
	x(recovery_interrupted,			EINTR)				\
	x(shutdown_with_errors,			0)				\
	x(shutdown_with_errors_fixed,		BCH_ERR_shutdown_with_errors)	\
	x(shutdown_with_errors_unfixed,		BCH_ERR_shutdown_with_errors)	\
	x(shutdown_with_emergency_ro,		BCH_ERR_shutdown_with_errors)	\
										\
	/* not writable */							\
	x(erofs_norecovery,			EROFS)				\
	x(erofs_nochanges,			EROFS)				\
	x(erofs_read_only,			EROFS)				\
	x(erofs_trans_commit,			EROFS)				\
	x(erofs_no_alloc_info,			EROFS)				\
	x(erofs_small_image,			EROFS)				\
	x(erofs_no_default_sb,			EROFS)				\
	x(erofs_version_upgrade,		EROFS)				\
	x(erofs_journal_err,			EROFS)				\
	x(erofs_emergency,			EROFS)

/* First private number; errnos are below it. */
#define BCH_ERR_START			2048

enum bch_errcode {
	__BCH_ERR_before_first = BCH_ERR_START - 1,
#define x(name, parent)		BCH_ERR_##name,
	BCH_ERRCODES(x)
#undef x
	BCH_ERR_MAX,
};

const char *bch2_err_str(int err);
bool __bch2_err_matches(int err, int class);
int bch2_err_class(int err);

/**
 * bch2_err_matches - is @err of kind @class?
 * @err:	0, or an error as returned: negative
 * @class:	errno or private code, positive
 *
 * True if they are equal or @class is an ancestor of @err.
 */
static inline bool bch2_err_matches(int err, int class)
{
	return err && __bch2_err_matches(err, class);
}

#endif /* _BCACHEFS_ERRCODE_H */
