/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inode keys of all generations (spec 60 §3, §8.3, §8.4).
 *
 * Behind the fixed part lie variable-length integers in the order of the lists
 * below. Data declarations only.
 */
#ifndef _BCACHEFS_FS_INODE_FORMAT_H
#define _BCACHEFS_FS_INODE_FORMAT_H

#include "btree/bkey_format.h"
#include "util/le_bits.h"

#define BLOCKDEV_INODE_MAX		4096
#define BCACHEFS_ROOT_INO		4096
#define BCACHEFS_ROOT_SUBVOL		1

/* v1, before 0.18 */
struct bch_inode {
	struct bch_val		v;
	__le64			bi_hash_seed;
	__le32			bi_flags;
	__le16			bi_mode;
	__u8			fields[];
} __packed __aligned(8);

/* v2, 0.18 to 0.22 */
struct bch_inode_v2 {
	struct bch_val		v;
	__le64			bi_journal_seq;
	__le64			bi_hash_seed;
	__le64			bi_flags;
	__le16			bi_mode;
	__u8			fields[];
} __packed __aligned(8);

/* v3, current */
struct bch_inode_v3 {
	struct bch_val		v;
	__le64			bi_journal_seq;
	__le64			bi_hash_seed;
	__le64			bi_flags;
	__le64			bi_sectors;
	__le64			bi_size;	/* bytes */
	__le64			bi_version;
	__u8			fields[];
} __packed __aligned(8);

static_assert(offsetof(struct bch_inode, fields) == 14);
static_assert(offsetof(struct bch_inode_v2, fields) == 26);
static_assert(sizeof(struct bch_inode_v3) == 48);

#define INODEv3_FIELDS_START_INITIAL	6	/* words */

LE32_BITMASK(INODEv1_FLAGS,		struct bch_inode,	bi_flags,  0, 20)
LE32_BITMASK(INODEv1_STR_HASH,		struct bch_inode,	bi_flags, 20, 24)
LE32_BITMASK(INODEv1_NR_FIELDS,		struct bch_inode,	bi_flags, 24, 31)
LE32_BITMASK(INODEv1_NEW_VARINT,	struct bch_inode,	bi_flags, 31, 32)

LE64_BITMASK(INODEv2_FLAGS,		struct bch_inode_v2,	bi_flags,  0, 20)
LE64_BITMASK(INODEv2_STR_HASH,		struct bch_inode_v2,	bi_flags, 20, 24)
LE64_BITMASK(INODEv2_NR_FIELDS,		struct bch_inode_v2,	bi_flags, 24, 31)

LE64_BITMASK(INODEv3_FLAGS,		struct bch_inode_v3,	bi_flags,  0, 20)
LE64_BITMASK(INODEv3_STR_HASH,		struct bch_inode_v3,	bi_flags, 20, 24)
LE64_BITMASK(INODEv3_NR_FIELDS,		struct bch_inode_v3,	bi_flags, 24, 31)
LE64_BITMASK(INODEv3_FIELDS_START,	struct bch_inode_v3,	bi_flags, 31, 36)
LE64_BITMASK(INODEv3_MODE,		struct bch_inode_v3,	bi_flags, 36, 52)

/* x(bit, name): flags proper (§3.2) */
#define BCH_INODE_FLAGS(x)							\
	x( 0, sync)								\
	x( 1, immutable)							\
	x( 2, append)								\
	x( 3, nodump)								\
	x( 4, noatime)								\
	x( 5, i_size_dirty)							\
	x( 6, i_sectors_dirty)							\
	x( 7, unlinked)								\
	x( 8, backptr_untrusted)						\
	x( 9, has_child_snapshot)						\
	x(10, has_case_insensitive)						\
	x(11, 31bit_dirent_offset)

enum bch_inode_flag_bit {
#define x(nr, name)		__BCH_INODE_##name = nr,
	BCH_INODE_FLAGS(x)
#undef x
	__BCH_INODE_FLAG_NR,
};

enum bch_inode_flag {
#define x(nr, name)		BCH_INODE_##name = 1U << nr,
	BCH_INODE_FLAGS(x)
#undef x
};

/* x(name, bits): fields of v1 and v2 in order (§3.3); 96 bits are two integers */
#define BCH_INODE_FIELDS_v2(x)							\
	x(bi_atime,			96)					\
	x(bi_ctime,			96)					\
	x(bi_mtime,			96)					\
	x(bi_otime,			96)					\
	x(bi_size,			64)					\
	x(bi_sectors,			64)					\
	x(bi_uid,			32)					\
	x(bi_gid,			32)					\
	x(bi_nlink,			32)					\
	x(bi_generation,		32)					\
	x(bi_dev,			32)					\
	x(bi_data_checksum,		 8)					\
	x(bi_compression,		 8)					\
	x(bi_project,			32)					\
	x(bi_background_compression,	 8)					\
	x(bi_data_replicas,		 8)					\
	x(bi_promote_target,		16)					\
	x(bi_foreground_target,		16)					\
	x(bi_background_target,		16)					\
	x(bi_erasure_code,		16)					\
	x(bi_fields_set,		16)					\
	x(bi_dir,			64)					\
	x(bi_dir_offset,		64)					\
	x(bi_subvol,			32)					\
	x(bi_parent_subvol,		32)

/* x(name, bits): fields of v3 in order */
#define BCH_INODE_FIELDS_v3(x)							\
	x(bi_atime,			96)					\
	x(bi_ctime,			96)					\
	x(bi_mtime,			96)					\
	x(bi_otime,			96)					\
	x(bi_uid,			32)					\
	x(bi_gid,			32)					\
	x(bi_nlink,			32)					\
	x(bi_generation,		32)					\
	x(bi_dev,			32)					\
	x(bi_data_checksum,		 8)					\
	x(bi_compression,		 8)					\
	x(bi_project,			32)					\
	x(bi_background_compression,	 8)					\
	x(bi_data_replicas,		 8)					\
	x(bi_promote_target,		16)					\
	x(bi_foreground_target,		16)					\
	x(bi_background_target,		16)					\
	x(bi_erasure_code,		16)					\
	x(bi_fields_set,		16)					\
	x(bi_dir,			64)					\
	x(bi_dir_offset,		64)					\
	x(bi_subvol,			32)					\
	x(bi_parent_subvol,		32)					\
	x(bi_nocow,			 8)					\
	x(bi_depth,			32)					\
	x(bi_inodes_32bit,		 8)					\
	x(bi_casefold,			 8)					\
	x(bi_unused_ec_max_data_blocks,	 8)

/* x(number, option, bits): options an inode can carry, +1 encoded (§7, spec 11 §9) */
#define BCH_INODE_OPTS(x)							\
	x( 0, data_checksum,		 8)					\
	x( 1, compression,		 8)					\
	x( 2, project,			32)					\
	x( 3, background_compression,	 8)					\
	x( 4, data_replicas,		 8)					\
	x( 5, promote_target,		16)					\
	x( 6, foreground_target,	16)					\
	x( 7, background_target,	16)					\
	x( 8, erasure_code,		16)					\
	x( 9, nocow,			 8)					\
	x(10, inodes_32bit,		 8)					\
	x(11, casefold,			 8)

enum inode_opt_id {
#define x(nr, name, bits)	Inode_opt_##name = nr,
	BCH_INODE_OPTS(x)
#undef x
	Inode_opt_nr,
};

struct bch_inode_generation {
	struct bch_val		v;
	__le32			bi_generation;
	__le32			pad;
} __packed __aligned(8);

static_assert(sizeof(struct bch_inode_generation) == 8);

/* Cursor keys in logged_ops (§8.3). */
#define LOGGED_OPS_INUM_logged_ops		0
#define LOGGED_OPS_INUM_inode_cursors		1

struct bch_inode_alloc_cursor {
	struct bch_val		v;
	__u8			bits;
	__u8			pad;
	__u8			pad2[2];
	__le32			gen;
	__le64			idx;
} __packed __aligned(8);

static_assert(sizeof(struct bch_inode_alloc_cursor) == 16);
static_assert(offsetof(struct bch_inode_alloc_cursor, idx) == 8);

#endif /* _BCACHEFS_FS_INODE_FORMAT_H */
