/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Options: one table with everything about each of them (spec 11).
 *
 * An option is a number, whatever its text form: a boolean, an integer, an
 * index into a list of choices, a set of bits, or something with functions of
 * its own. struct bch_opts holds a value per option and which of them were
 * given. Values may come from the superblock, from device entries, from the
 * command line or a mount string.
 *
 * Declarations only; the code is in opts.c, which knows nothing of devices or
 * labels: who wants to parse or print targets lends functions through struct
 * bch_opt_ctx.
 */
#ifndef _BCACHEFS_OPTS_H
#define _BCACHEFS_OPTS_H

#include <linux/types.h>

struct bch_fs;
struct bch_member;
struct bch_sb;
struct bch_sb_field_ext;
struct printbuf;

/* --- lists of choices: x(number, name) --- */

#define BCH_ERROR_ACTIONS(x)							\
	x(0, continue)								\
	x(1, fix_safe)								\
	x(2, panic)								\
	x(3, ro)

enum bch_error_actions {
#define x(nr, name)		BCH_ON_ERROR_##name = nr,
	BCH_ERROR_ACTIONS(x)
#undef x
	BCH_ON_ERROR_NR,
};

#define BCH_FSCK_FIX_OPTS(x)							\
	x(0, exit)								\
	x(1, yes)								\
	x(2, no)								\
	x(3, ask)

enum fsck_err_opts {
#define x(nr, name)		FSCK_FIX_##name = nr,
	BCH_FSCK_FIX_OPTS(x)
#undef x
	FSCK_FIX_NR,
};

#define BCH_DEGRADED_ACTIONS(x)							\
	x(0, ask)								\
	x(1, yes)								\
	x(2, very)								\
	x(3, no)

enum bch_degraded_actions {
#define x(nr, name)		BCH_DEGRADED_##name = nr,
	BCH_DEGRADED_ACTIONS(x)
#undef x
	BCH_DEGRADED_NR,
};

#define BCH_VERSION_UPGRADE_OPTS(x)						\
	x(0, compatible)							\
	x(1, incompatible)							\
	x(2, none)

enum bch_version_upgrade_opts {
#define x(nr, name)		BCH_VERSION_UPGRADE_##name = nr,
	BCH_VERSION_UPGRADE_OPTS(x)
#undef x
	BCH_VERSION_UPGRADE_NR,
};

#define BCH_SCRUB_JOURNAL_OPTS(x)						\
	x(0, unclean)								\
	x(1, no)								\
	x(2, always)

enum bch_scrub_journal_opts {
#define x(nr, name)		BCH_SCRUB_JOURNAL_##name = nr,
	BCH_SCRUB_JOURNAL_OPTS(x)
#undef x
	BCH_SCRUB_JOURNAL_NR,
};

/* --- the table --- */

/* Where an option may be given. */
#define OPT_FORMAT		(1U << 0)
#define OPT_MOUNT		(1U << 1)
#define OPT_MOUNT_OLD		(1U << 2)	/* accepted at mount, ignored with a message */
#define OPT_RUNTIME		(1U << 3)
#define OPT_INODE		(1U << 4)
#define OPT_DEVICE		(1U << 5)
#define OPT_HIDDEN		(1U << 6)	/* not in help texts */
/* How its text looks. */
#define OPT_HUMAN_READABLE	(1U << 7)	/* sizes */
#define OPT_MUST_BE_POW_2	(1U << 8)
/* How it is stored; sizes in sectors must also be multiples of 512. */
#define OPT_SB_FIELD_SECTORS	(1U << 9)
#define OPT_SB_FIELD_ILOG2	(1U << 10)
#define OPT_SB_FIELD_ONE_BIAS	(1U << 11)

#ifdef __KERNEL__
#define OPT_DEFAULT_RATELIMIT	1
#else
#define OPT_DEFAULT_RATELIMIT	0
#endif

/*
 * x(name, C type, default, flags, kind, storage, argument hint, help)
 *
 * kind: OPT_IS_BOOL, OPT_IS_UINT(min, max; 0 unlimited), OPT_IS_STR(choices),
 * OPT_IS_BITS(names, allowed bits), OPT_IS_FN(functions);
 * storage: IN_SB(field), IN_EXT(field), IN_MEMBER(field), NOT_STORED.
 */
#define BCH_OPTS_STORED(x)							\
	x(block_size, u32, 4096,						\
	  OPT_FORMAT|OPT_HUMAN_READABLE|OPT_MUST_BE_POW_2|OPT_SB_FIELD_SECTORS,	\
	  OPT_IS_UINT(512, 32768), IN_SB(BCH_SB_BLOCK_SIZE), "size",		\
	  "Unit of allocation and I/O")						\
	x(btree_node_size, u32, 262144,						\
	  OPT_FORMAT|OPT_HUMAN_READABLE|OPT_MUST_BE_POW_2|OPT_SB_FIELD_SECTORS,	\
	  OPT_IS_UINT(512, 524288), IN_SB(BCH_SB_BTREE_NODE_SIZE), "size",	\
	  "Size of every btree node")						\
	x(errors, u8, BCH_ON_ERROR_fix_safe,					\
	  OPT_FORMAT|OPT_MOUNT|OPT_RUNTIME,					\
	  OPT_IS_STR(bch2_error_actions), IN_SB(BCH_SB_ERROR_ACTION), NULL,	\
	  "What to do when an inconsistency is found")				\
	x(write_error_timeout, u16, 30,						\
	  OPT_FORMAT|OPT_MOUNT|OPT_RUNTIME,					\
	  OPT_IS_UINT(1, 300), IN_SB(BCH_SB_WRITE_ERROR_TIMEOUT), "seconds",	\
	  "Seconds of write errors after which a device is given up")		\
	x(metadata_replicas, u8, 1,						\
	  OPT_FORMAT|OPT_MOUNT_OLD|OPT_RUNTIME,					\
	  OPT_IS_UINT(1, BCH_REPLICAS_MAX), IN_SB(BCH_SB_META_REPLICAS_WANT),	\
	  "#", "Copies of metadata")						\
	x(data_replicas, u8, 1,							\
	  OPT_FORMAT|OPT_MOUNT_OLD|OPT_RUNTIME|OPT_INODE,			\
	  OPT_IS_UINT(1, BCH_REPLICAS_MAX), IN_SB(BCH_SB_DATA_REPLICAS_WANT),	\
	  "#", "Copies of file data")						\
	x(encoded_extent_max, u32, 262144,					\
	  OPT_FORMAT|OPT_HUMAN_READABLE|OPT_MUST_BE_POW_2|			\
	  OPT_SB_FIELD_SECTORS|OPT_SB_FIELD_ILOG2,				\
	  OPT_IS_UINT(4096, 2097152), IN_SB(BCH_SB_ENCODED_EXTENT_MAX_BITS),	\
	  "size", "Largest extent checksummed or compressed as one")		\
	x(metadata_checksum, u8, BCH_CSUM_OPT_crc32c,				\
	  OPT_FORMAT|OPT_MOUNT_OLD|OPT_RUNTIME,					\
	  OPT_IS_STR(bch2_csum_opts), IN_SB(BCH_SB_META_CSUM_TYPE), NULL,	\
	  "Checksum of metadata")						\
	x(data_checksum, u8, BCH_CSUM_OPT_crc32c,				\
	  OPT_FORMAT|OPT_MOUNT_OLD|OPT_RUNTIME|OPT_INODE,			\
	  OPT_IS_STR(bch2_csum_opts), IN_SB(BCH_SB_DATA_CSUM_TYPE), NULL,	\
	  "Checksum of file data")						\
	x(checksum_err_retry_nr, u8, 3,						\
	  OPT_FORMAT|OPT_MOUNT|OPT_RUNTIME,					\
	  OPT_IS_UINT(0, 32), IN_SB(BCH_SB_CSUM_ERR_RETRY_NR), "#",		\
	  "Times to read again after a checksum error")				\
	x(compression, u8, BCH_COMPRESSION_OPT_none,				\
	  OPT_FORMAT|OPT_MOUNT_OLD|OPT_RUNTIME|OPT_INODE,			\
	  OPT_IS_FN(bch2_opt_compression), IN_SB(BCH_SB_COMPRESSION_TYPE),	\
	  "type[:level]", "Compression of new data")				\
	x(background_compression, u8, BCH_COMPRESSION_OPT_none,			\
	  OPT_FORMAT|OPT_MOUNT_OLD|OPT_RUNTIME|OPT_INODE,			\
	  OPT_IS_FN(bch2_opt_compression),					\
	  IN_SB(BCH_SB_BACKGROUND_COMPRESSION_TYPE),				\
	  "type[:level]", "Compression of data moved in the background")	\
	x(str_hash, u8, BCH_STR_HASH_OPT_siphash,				\
	  OPT_FORMAT|OPT_MOUNT|OPT_RUNTIME,					\
	  OPT_IS_STR(bch2_str_hash_opts), IN_SB(BCH_SB_STR_HASH_TYPE), NULL,	\
	  "Hash of names of new directories and attributes")			\
	x(metadata_target, u16, 0,						\
	  OPT_FORMAT|OPT_MOUNT_OLD|OPT_RUNTIME,					\
	  OPT_IS_FN(bch2_opt_target), IN_SB(BCH_SB_METADATA_TARGET),		\
	  "(target)", "Device or label for metadata")				\
	x(foreground_target, u16, 0,						\
	  OPT_FORMAT|OPT_MOUNT_OLD|OPT_RUNTIME|OPT_INODE,			\
	  OPT_IS_FN(bch2_opt_target), IN_SB(BCH_SB_FOREGROUND_TARGET),		\
	  "(target)", "Device or label for new data")				\
	x(background_target, u16, 0,						\
	  OPT_FORMAT|OPT_MOUNT_OLD|OPT_RUNTIME|OPT_INODE,			\
	  OPT_IS_FN(bch2_opt_target), IN_SB(BCH_SB_BACKGROUND_TARGET),		\
	  "(target)", "Device or label where data is moved in the background")	\
	x(promote_target, u16, 0,						\
	  OPT_FORMAT|OPT_MOUNT_OLD|OPT_RUNTIME|OPT_INODE,			\
	  OPT_IS_FN(bch2_opt_target), IN_SB(BCH_SB_PROMOTE_TARGET),		\
	  "(target)", "Device or label where data that is read is cached")	\
	x(erasure_code, u8, 0,							\
	  OPT_FORMAT|OPT_MOUNT_OLD|OPT_RUNTIME|OPT_INODE,			\
	  OPT_IS_BOOL, IN_SB(BCH_SB_ERASURE_CODE), NULL,			\
	  "Erasure coding instead of replicas")					\
	x(ec_max_data_blocks, u8, 0,						\
	  OPT_FORMAT|OPT_MOUNT|OPT_RUNTIME,					\
	  OPT_IS_UINT(0, 15), IN_SB(BCH_SB_EC_MAX_DATA_BLOCKS), "#",		\
	  "Most data blocks of a stripe; 0 for no limit")			\
	x(casefold, u8, 0,							\
	  OPT_FORMAT|OPT_INODE,							\
	  OPT_IS_BOOL, IN_SB(BCH_SB_CASEFOLD), NULL,				\
	  "New directories do not distinguish case")				\
	x(inodes_32bit, u8, 0,							\
	  OPT_FORMAT|OPT_MOUNT|OPT_RUNTIME|OPT_INODE,				\
	  OPT_IS_BOOL, IN_SB(BCH_SB_INODE_32BIT), NULL,				\
	  "Keep inode numbers below 2^32")					\
	x(shard_inode_numbers_bits, u8, 0,					\
	  OPT_FORMAT,								\
	  OPT_IS_UINT(0, 8), IN_SB(BCH_SB_SHARD_INUMS_NBITS), "#",		\
	  "Bits of the shard in new inode numbers")				\
	x(gc_reserve_percent, u8, 8,						\
	  OPT_FORMAT|OPT_MOUNT|OPT_RUNTIME,					\
	  OPT_IS_UINT(5, 20), IN_SB(BCH_SB_GC_RESERVE), "%",			\
	  "Space reserved for moving data")					\
	x(gc_reserve_bytes, u64, 0,						\
	  OPT_FORMAT|OPT_MOUNT|OPT_RUNTIME|OPT_HUMAN_READABLE|OPT_SB_FIELD_SECTORS, \
	  OPT_IS_UINT(0, 0), IN_SB(BCH_SB_GC_RESERVE_BYTES), "size",		\
	  "Space reserved for moving data, instead of the percentage")		\
	x(root_reserve_percent, u8, 0,						\
	  OPT_FORMAT|OPT_MOUNT,							\
	  OPT_IS_UINT(0, 100), IN_SB(BCH_SB_ROOT_RESERVE), "%",			\
	  "Space reserved for root")						\
	x(wide_macs, u8, 0,							\
	  OPT_FORMAT|OPT_MOUNT|OPT_RUNTIME,					\
	  OPT_IS_BOOL, IN_SB(BCH_SB_128_BIT_MACS), NULL,			\
	  "Store 128 instead of 80 bits of data MACs")				\
	x(promote_whole_extents, u8, 1,						\
	  OPT_MOUNT|OPT_RUNTIME,						\
	  OPT_IS_BOOL, IN_SB(BCH_SB_PROMOTE_WHOLE_EXTENTS), NULL,		\
	  "Cache whole extents, not only what is read")				\
	x(acl, u8, 1,								\
	  OPT_FORMAT|OPT_MOUNT,							\
	  OPT_IS_BOOL, IN_SB(BCH_SB_POSIX_ACL), NULL,				\
	  "POSIX access control lists")						\
	x(usrquota, u8, 0,							\
	  OPT_FORMAT|OPT_MOUNT,							\
	  OPT_IS_BOOL, IN_SB(BCH_SB_USRQUOTA), NULL, "User quotas")		\
	x(grpquota, u8, 0,							\
	  OPT_FORMAT|OPT_MOUNT,							\
	  OPT_IS_BOOL, IN_SB(BCH_SB_GRPQUOTA), NULL, "Group quotas")		\
	x(prjquota, u8, 0,							\
	  OPT_FORMAT|OPT_MOUNT,							\
	  OPT_IS_BOOL, IN_SB(BCH_SB_PRJQUOTA), NULL, "Project quotas")		\
	x(degraded, u8, BCH_DEGRADED_ask,					\
	  OPT_MOUNT,								\
	  OPT_IS_STR(bch2_degraded_actions), IN_SB(BCH_SB_DEGRADED_ACTION), NULL, \
	  "Start although devices are missing")					\
	x(journal_flush_delay, u32, 1000,					\
	  OPT_MOUNT|OPT_RUNTIME,						\
	  OPT_IS_UINT(1, U32_MAX), IN_SB(BCH_SB_JOURNAL_FLUSH_DELAY), "ms",	\
	  "Delay until the journal is committed by itself")			\
	x(journal_flush_disabled, u8, 0,					\
	  OPT_MOUNT|OPT_RUNTIME,						\
	  OPT_IS_BOOL, IN_SB(BCH_SB_JOURNAL_FLUSH_DISABLED), NULL,		\
	  "fsync does not wait for the journal")				\
	x(move_writes_fua, u8, 0,						\
	  OPT_MOUNT|OPT_RUNTIME,						\
	  OPT_IS_BOOL, IN_SB(BCH_SB_MOVE_WRITES_FUA), NULL,			\
	  "Background moves bypass the devices' write caches")			\
	x(journal_reclaim_delay, u32, 100,					\
	  OPT_MOUNT|OPT_RUNTIME,						\
	  OPT_IS_UINT(0, U32_MAX), IN_SB(BCH_SB_JOURNAL_RECLAIM_DELAY), "ms",	\
	  "Delay between runs of journal reclaim")				\
	x(writeback_timeout, u16, 0,						\
	  OPT_MOUNT|OPT_RUNTIME,						\
	  OPT_IS_UINT(0, 65535), IN_SB(BCH_SB_WRITEBACK_TIMEOUT), "seconds",	\
	  "Delay until dirty data is written back; 0 for the system's")		\
	x(journal_rewind_discard_buffer_percent, u8, 4,				\
	  OPT_MOUNT,								\
	  OPT_IS_UINT(0, 10), IN_EXT(BCH_SB_EXT_DISCARD_BUFFER), "%",		\
	  "Space not discarded yet, so that the journal can be rewound")	\
	x(scrub_recent_journal_entries, u8, BCH_SCRUB_JOURNAL_unclean,		\
	  OPT_MOUNT,								\
	  OPT_IS_STR(bch2_scrub_journal_opts), IN_SB(BCH_SB_SCRUB_JOURNAL), NULL, \
	  "Verify data of the last journal entries at start")			\
	x(scrub_journal_max_rewind_secs, u16, 10,				\
	  OPT_FORMAT|OPT_MOUNT,							\
	  OPT_IS_UINT(0, 3600), IN_EXT(BCH_SB_EXT_SCRUB_MAX_REWIND_SECS), "seconds", \
	  "How far that verification goes back")				\
	x(journal_transaction_names, u8, 1,					\
	  OPT_FORMAT|OPT_MOUNT|OPT_RUNTIME,					\
	  OPT_IS_BOOL, IN_SB(BCH_SB_JOURNAL_TRANSACTION_NAMES), NULL,		\
	  "Log in the journal which function did an update")			\
	x(allocator_stuck_timeout, u16, 30,					\
	  OPT_FORMAT|OPT_MOUNT|OPT_RUNTIME,					\
	  OPT_IS_UINT(0, 65535), IN_SB(BCH_SB_ALLOCATOR_STUCK_TIMEOUT), "seconds", \
	  "When a waiting allocator is reported")				\
	x(version_upgrade, u8, BCH_VERSION_UPGRADE_compatible,			\
	  OPT_MOUNT|OPT_RUNTIME,						\
	  OPT_IS_STR(bch2_version_upgrade_opts), IN_SB(BCH_SB_VERSION_UPGRADE), NULL, \
	  "Which new versions of the format to take up")			\
	x(nocow, u8, 0,								\
	  OPT_FORMAT|OPT_MOUNT|OPT_RUNTIME|OPT_INODE,				\
	  OPT_IS_BOOL, IN_SB(BCH_SB_NOCOW), NULL,				\
	  "Write in place; no checksums, no compression")			\
	x(reconcile_on_ac_only, u8, 0,						\
	  OPT_MOUNT|OPT_RUNTIME,						\
	  OPT_IS_BOOL, IN_SB(BCH_SB_REBALANCE_AC_ONLY), NULL,			\
	  "Background work only on mains power")				\
	x(dev_readahead, u32, 2097152,						\
	  OPT_MOUNT|OPT_RUNTIME|OPT_HUMAN_READABLE|OPT_SB_FIELD_SECTORS,	\
	  OPT_IS_UINT(0, 536870400), IN_EXT(BCH_SB_EXT_DEV_READAHEAD), "size",	\
	  "Readahead of each device")						\
	x(ec_stripe_buf_limit, u8, 5,						\
	  OPT_MOUNT|OPT_RUNTIME,						\
	  OPT_IS_UINT(1, 25), IN_EXT(BCH_SB_EXT_EC_STRIPE_BUF_LIMIT), "%",	\
	  "Memory for stripes under construction")

#define BCH_OPTS_DEVICE(x)							\
	x(state, u8, BCH_MEMBER_STATE_rw,					\
	  OPT_DEVICE|OPT_RUNTIME,						\
	  OPT_IS_STR(bch2_member_states), IN_MEMBER(BCH_MEMBER_STATE), NULL,	\
	  "State of the device")						\
	x(bucket_size, u32, 0,							\
	  OPT_DEVICE|OPT_HUMAN_READABLE|OPT_SB_FIELD_SECTORS,			\
	  OPT_IS_UINT(0, 0), IN_MEMBER(BCH_MEMBER_BUCKET_SIZE), "size",		\
	  "Bucket size; at least block size and btree node size")		\
	x(durability, u8, 1,							\
	  OPT_DEVICE|OPT_RUNTIME|OPT_SB_FIELD_ONE_BIAS,				\
	  OPT_IS_UINT(0, 2), IN_MEMBER(BCH_MEMBER_DURABILITY), "n",		\
	  "Copies that one copy on this device counts for")			\
	x(data_allowed, u8, BCH_DATA_ALLOWED_DEFAULT,				\
	  OPT_DEVICE|OPT_FORMAT,						\
	  OPT_IS_BITS(bch2_data_type_names, BCH_DATA_ALLOWED_DEFAULT),		\
	  IN_MEMBER(BCH_MEMBER_DATA_ALLOWED), "types",				\
	  "Types of data that may lie on this device: journal, btree, user")	\
	x(discard, u8, 1,							\
	  OPT_MOUNT|OPT_DEVICE|OPT_RUNTIME,					\
	  OPT_IS_BOOL, IN_MEMBER(BCH_MEMBER_DISCARD), NULL,			\
	  "Tell the device which space is free")				\
	x(rotational, u8, 0,							\
	  OPT_DEVICE|OPT_RUNTIME,						\
	  OPT_IS_BOOL, IN_MEMBER(BCH_MEMBER_ROTATIONAL), NULL,			\
	  "The device is a disk that seeks")

#define BCH_OPTS_NOT_STORED(x)							\
	x(casefold_disabled, u8, 0, OPT_MOUNT, OPT_IS_BOOL, NOT_STORED, NULL,	\
	  "Refuse directories that do not distinguish case")			\
	x(inline_data, u8, 1, OPT_MOUNT|OPT_RUNTIME, OPT_IS_BOOL, NOT_STORED, NULL, \
	  "Small files may lie in the btree")					\
	x(mount_trusts_udev, u8, 1, OPT_MOUNT, OPT_IS_BOOL, NOT_STORED, NULL,	\
	  "Find member devices in the udev database")				\
	x(no_splitbrain_check, u8, 0, OPT_MOUNT, OPT_IS_BOOL, NOT_STORED, NULL,	\
	  "Start although devices were changed independently")			\
	x(no_version_check, u8, 0, OPT_HIDDEN, OPT_IS_BOOL, NOT_STORED, NULL,	\
	  "Inspect superblocks of unknown versions")				\
	x(verbose, u8, 0, OPT_MOUNT|OPT_RUNTIME, OPT_IS_BOOL, NOT_STORED, NULL,	\
	  "Say more")								\
	x(move_bytes_in_flight, u32, 64 << 20,					\
	  OPT_MOUNT|OPT_RUNTIME|OPT_HUMAN_READABLE,				\
	  OPT_IS_UINT(1024, U32_MAX), NOT_STORED, "size",			\
	  "Most data that a mover has under way")				\
	x(move_ios_in_flight, u32, 64, OPT_MOUNT|OPT_RUNTIME,			\
	  OPT_IS_UINT(1, 1024), NOT_STORED, "#",				\
	  "Most requests that a mover has under way")				\
	x(fsck, u8, 0, OPT_MOUNT, OPT_IS_BOOL, NOT_STORED, NULL,		\
	  "Check the filesystem at start")					\
	x(fsck_memory_usage_percent, u8, 50, OPT_MOUNT,				\
	  OPT_IS_UINT(20, 70), NOT_STORED, "%",					\
	  "Memory that checking may take")					\
	x(fix_errors, u8, FSCK_FIX_exit, OPT_MOUNT,				\
	  OPT_IS_FN(bch2_opt_fix_errors), NOT_STORED, "exit|yes|no|ask",	\
	  "Repair errors while checking")					\
	x(ratelimit_errors, u8, OPT_DEFAULT_RATELIMIT, OPT_MOUNT,		\
	  OPT_IS_BOOL, NOT_STORED, NULL,					\
	  "Print at most ten errors of each kind")				\
	x(nochanges, u8, 0, OPT_MOUNT, OPT_IS_BOOL, NOT_STORED, NULL,		\
	  "Write nothing, whatever happens")					\
	x(norecovery, u8, 0, OPT_MOUNT, OPT_IS_BOOL, NOT_STORED, NULL,		\
	  "Do not replay the journal; write nothing")				\
	x(journal_rewind, u64, 0, OPT_MOUNT, OPT_IS_UINT(0, 0), NOT_STORED, "seq", \
	  "Go back to this journal entry")					\
	x(recovery_passes, u64, 0, OPT_MOUNT,					\
	  OPT_IS_BITS(bch2_recovery_pass_names, ~0ULL), NOT_STORED, "passes",	\
	  "Recovery passes to run besides")					\
	x(recovery_passes_exclude, u64, 0, OPT_MOUNT,				\
	  OPT_IS_BITS(bch2_recovery_pass_names, ~0ULL), NOT_STORED, "passes",	\
	  "Recovery passes not to run")						\
	x(recovery_pass_last, u8, 0, OPT_MOUNT,					\
	  OPT_IS_STR(bch2_recovery_pass_names), NOT_STORED, "pass",		\
	  "Last recovery pass to run")						\
	x(retain_recovery_info, u8, 0, OPT_HIDDEN, OPT_IS_BOOL, NOT_STORED, NULL, \
	  "Keep what was read from the journal")				\
	x(read_entire_journal, u8, 0, OPT_HIDDEN, OPT_IS_BOOL, NOT_STORED, NULL, \
	  "Keep journal entries that are not needed")				\
	x(read_journal_only, u8, 0, OPT_HIDDEN, OPT_IS_BOOL, NOT_STORED, NULL,	\
	  "Stop after reading the journal")					\
	x(noexcl, u8, 0, OPT_MOUNT, OPT_IS_BOOL, NOT_STORED, NULL,		\
	  "Do not open devices exclusively")					\
	x(direct_io, u8, 1, OPT_MOUNT, OPT_IS_BOOL, NOT_STORED, NULL,		\
	  "Bypass the page cache of the devices")				\
	x(sb, u64, BCH_SB_SECTOR, OPT_MOUNT, OPT_IS_UINT(0, 0), NOT_STORED, "sector", \
	  "Sector of the superblock to use")					\
	x(read_only, u8, 0, OPT_MOUNT|OPT_HIDDEN, OPT_IS_BOOL, NOT_STORED, NULL, \
	  "Read-only for its users")						\
	x(nostart, u8, 0, OPT_HIDDEN, OPT_IS_BOOL, NOT_STORED, NULL,		\
	  "Open devices and superblocks, no more")				\
	x(dangerously_reconstruct_alloc, u8, 0, OPT_MOUNT, OPT_IS_BOOL, NOT_STORED, NULL, \
	  "Drop and rebuild all allocation information")			\
	x(stdio, u64, 0, OPT_HIDDEN, OPT_IS_UINT(0, 0), NOT_STORED, NULL,	\
	  "Internal")								\
	x(project, u32, 0, OPT_INODE, OPT_IS_UINT(0, U32_MAX), NOT_STORED, "#",	\
	  "Project id of an inode")						\
	x(nocow_enabled, u8, 1, OPT_MOUNT, OPT_IS_BOOL, NOT_STORED, NULL,	\
	  "Obey option nocow")							\
	x(copygc_enabled, u8, 1, OPT_MOUNT|OPT_RUNTIME, OPT_IS_BOOL, NOT_STORED, NULL, \
	  "Move data out of sparse buckets")					\
	x(reconcile_enabled, u8, 1, OPT_MOUNT|OPT_RUNTIME, OPT_IS_BOOL, NOT_STORED, NULL, \
	  "Do background work")							\
	x(auto_snapshot_deletion, u8, 1, OPT_MOUNT|OPT_RUNTIME, OPT_IS_BOOL, NOT_STORED, \
	  NULL, "Delete dead snapshots in the background")			\
	x(no_data_io, u8, 0, OPT_MOUNT, OPT_IS_BOOL, NOT_STORED, NULL,		\
	  "Skip data I/O, for testing")						\
	x(btree_node_prefetch, u8, 1, OPT_MOUNT|OPT_RUNTIME, OPT_IS_BOOL, NOT_STORED, NULL, \
	  "Read btree nodes ahead")

#define BCH_OPTS(x)								\
	BCH_OPTS_STORED(x)							\
	BCH_OPTS_DEVICE(x)							\
	BCH_OPTS_NOT_STORED(x)

/* x(other name, name) */
#define BCH_OPT_SYNONYMS(x)							\
	x(quota, usrquota)

enum bch_opt_id {
#define x(name, ...)		Opt_##name,
	BCH_OPTS(x)
#undef x
	bch2_opts_nr,
};

/* Bits of data_allowed: journal, btree, user. */
#define BCH_DATA_ALLOWED_DEFAULT	0x1c

/* --- values --- */

/* A value for every option; those not given are 0 and not marked as defined. */
struct bch_opts {
#define x(name, type, ...)	type name;
	BCH_OPTS(x)
#undef x
	u64			_defined[2];
};

static inline bool bch2_opt_defined_by_id(const struct bch_opts *o, enum bch_opt_id id)
{
	return o->_defined[id / 64] >> (id % 64) & 1;
}

static inline void bch2_opt_mark_defined(struct bch_opts *o, enum bch_opt_id id)
{
	o->_defined[id / 64] |= 1ULL << (id % 64);
}

static inline void bch2_opt_mark_undefined(struct bch_opts *o, enum bch_opt_id id)
{
	o->_defined[id / 64] &= ~(1ULL << (id % 64));
}

extern const struct bch_opts bch2_opts_default;

static inline struct bch_opts bch2_opts_empty(void)
{
	return (struct bch_opts) { 0 };
}

/* With an lvalue of type struct bch_opts and the name of an option. */
#define opt_defined(_opts, _name)	bch2_opt_defined_by_id(&(_opts), Opt_##_name)

#define opt_get(_opts, _name)							\
	(opt_defined(_opts, _name) ? (_opts)._name : bch2_opts_default._name)

#define opt_set(_opts, _name, _v)						\
do {										\
	bch2_opt_mark_defined(&(_opts), Opt_##_name);				\
	(_opts)._name = (_v);							\
} while (0)

#define opt_set_if_undefined(_opts, _name, _v)					\
do {										\
	if (!opt_defined(_opts, _name))						\
		opt_set(_opts, _name, _v);					\
} while (0)

#define opt_undef(_opts, _name)		bch2_opt_mark_undefined(&(_opts), Opt_##_name)

/* --- description of an option --- */

enum bch_opt_kind {
	BCH_OPT_BOOL,
	BCH_OPT_UINT,
	BCH_OPT_STR,
	BCH_OPT_BITS,
	BCH_OPT_FN,
};

/*
 * Who parses and prints what needs devices and labels. All members may be NULL:
 * then targets print as numbers and parsing one asks to be repeated later.
 */
struct bch_opt_ctx {
	struct bch_fs		*c;
	struct bch_sb		*sb;
	int			(*target_parse)(const struct bch_opt_ctx *ctx, const char *val,
						u64 *res, struct printbuf *err);
	void			(*target_to_text)(struct printbuf *out,
						  const struct bch_opt_ctx *ctx, u64 v);
	void			*priv;
};

struct bch_opt_fn {
	int			(*parse)(const struct bch_opt_ctx *ctx, const char *val,
					 u64 *res, struct printbuf *err);
	void			(*to_text)(struct printbuf *out,
					   const struct bch_opt_ctx *ctx, u64 v);
	bool			(*valid)(u64 v);
};

enum bch_opt_storage {
	BCH_OPT_NOT_STORED,
	BCH_OPT_IN_SB,
	BCH_OPT_IN_EXT,
	BCH_OPT_IN_MEMBER,
};

struct bch_option {
	const char		*name;
	enum bch_opt_kind	kind;
	u32			flags;
	u64			min, max;	/* UINT */
	const char * const	*choices;	/* STR, BITS: ended by NULL */
	const struct bch_opt_fn	*fn;		/* FN */
	enum bch_opt_storage	storage;
	union {
		struct {
			u64	(*get)(const struct bch_sb *);
			void	(*set)(struct bch_sb *, u64);
		} sb;
		struct {
			u64	(*get)(const struct bch_sb_field_ext *);
			void	(*set)(struct bch_sb_field_ext *, u64);
		} ext;
		struct {
			u64	(*get)(const struct bch_member *);
			void	(*set)(struct bch_member *, u64);
		} member;
	};
	const char		*hint;
	const char		*help;
};

extern const struct bch_option bch2_opt_table[bch2_opts_nr];

/* Names by number, ended by NULL. */
extern const char * const bch2_error_actions[];
extern const char * const bch2_fsck_fix_opts[];
extern const char * const bch2_degraded_actions[];
extern const char * const bch2_version_upgrade_opts[];
extern const char * const bch2_scrub_journal_opts[];
extern const char * const bch2_csum_opts[];
extern const char * const bch2_compression_opts[];
extern const char * const bch2_str_hash_opts[];
extern const char * const bch2_member_states[];
extern const char * const bch2_data_type_names[];
extern const char * const bch2_recovery_pass_names[];

/* --- functions --- */

u64 bch2_opt_get_by_id(const struct bch_opts *opts, enum bch_opt_id id);
void bch2_opt_set_by_id(struct bch_opts *opts, enum bch_opt_id id, u64 v);
void bch2_opts_apply(struct bch_opts *dst, const struct bch_opts *src);
void bch2_opts_apply_implied(struct bch_opts *opts);

int bch2_parse_size(const char *str, u64 *res);
int bch2_parse_name_list(const char *str, const char * const names[], u64 allowed, u64 *res);
int bch2_opt_lookup(const char *name);
int bch2_opt_validate(enum bch_opt_id id, u64 v, struct printbuf *err);
int bch2_opt_parse(const struct bch_opt_ctx *ctx, enum bch_opt_id id, const char *val,
		   u64 *res, struct printbuf *err);
int bch2_parse_one_mount_opt(const struct bch_opt_ctx *ctx, struct bch_opts *opts,
			     struct printbuf *parse_later, const char *name,
			     const char *val, struct printbuf *err);
int bch2_parse_mount_opts(const struct bch_opt_ctx *ctx, struct bch_opts *opts,
			  struct printbuf *parse_later, const char *options,
			  struct printbuf *err);

#define OPT_SHOW_FULL_LIST	(1U << 0)	/* all choices, the current one in brackets */
#define OPT_SHOW_MOUNT_STYLE	(1U << 1)	/* name=value, name, noname */

void bch2_opt_to_text(struct printbuf *out, const struct bch_opt_ctx *ctx,
		      enum bch_opt_id id, u64 v, unsigned int show);
void bch2_opts_to_text(struct printbuf *out, const struct bch_opt_ctx *ctx,
		       const struct bch_opts *opts, u32 flags);
void bch2_compression_opt_to_text(struct printbuf *out, u64 v);

u64 bch2_opt_from_sb(const struct bch_sb *sb, enum bch_opt_id id);
void bch2_opt_set_sb(struct bch_sb *sb, enum bch_opt_id id, u64 v);
u64 bch2_opt_from_member(const struct bch_member *m, enum bch_opt_id id);
void bch2_opt_set_member(struct bch_member *m, enum bch_opt_id id, u64 v);
int bch2_opts_from_sb(struct bch_opts *opts, const struct bch_sb *sb, struct printbuf *err);

#endif /* _BCACHEFS_OPTS_H */
