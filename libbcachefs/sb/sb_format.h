/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The superblock: layout, header, flag words, feature bits (spec 10 §2-§7).
 *
 * Everything here is little-endian on every filesystem. Data declarations and
 * trivial accessors only.
 */
#ifndef _BCACHEFS_SB_SB_FORMAT_H
#define _BCACHEFS_SB_SB_FORMAT_H

#include "btree/node_format.h"
#include "sb/field_format.h"
#include "sb/members_format.h"
#include "sb/sections_format.h"
#include "util/le_bits.h"

/* Sectors (512 bytes) of the places that are fixed (spec 10 §2). */
#define BCH_SB_LAYOUT_SECTOR		7
#define BCH_SB_SECTOR			8

#define BCH_SB_MAX_SIZE_BITS_DEFAULT	11	/* log2 of sectors: 1 MiB */
#define BCH_SB_LAYOUT_SIZE_BITS_MAX	16	/* log2 of sectors: 32 MiB */
#define BCH_SB_LAYOUT_NR_MAX		61

#define BCH_MIN_BLOCK_SIZE		512U	/* bytes */
#define BCH_MAX_BLOCK_SIZE		32768U	/* bytes */

#define BCACHE_MAGIC								\
((__uuid_t) { .b = {								\
	0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca,				\
	0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81 } })

#define BCHFS_MAGIC								\
((__uuid_t) { .b = {								\
	0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9,				\
	0xd9, 0x6a, 0x60, 0xcf, 0x80, 0x3d, 0xf7, 0xef } })

/* Where the copies lie on one device (spec 10 §3). */
struct bch_sb_layout {
	__uuid_t		magic;
	__u8			layout_type;
	__u8			sb_max_size_bits;	/* log2 of sectors */
	__u8			nr_superblocks;
	__u8			pad[5];
	__le64			sb_offset[BCH_SB_LAYOUT_NR_MAX];	/* sectors */
} __packed __aligned(8);

static_assert(sizeof(struct bch_sb_layout) == 512);
static_assert(offsetof(struct bch_sb_layout, sb_offset) == 24);

struct bch_sb {
	struct bch_csum		csum;
	__le16			version;
	__le16			version_min;
	__le16			pad[2];
	__uuid_t		magic;
	__uuid_t		uuid;			/* internal */
	__uuid_t		user_uuid;		/* shown to users */
	__u8			label[BCH_SB_LABEL_SIZE];
	__le64			offset;			/* sector of this copy */
	__le64			seq;
	__le16			block_size;		/* sectors */
	__u8			dev_idx;
	__u8			nr_devices;
	__le32			u64s;			/* all sections */
	__le64			time_base_lo;		/* ns since 1970 */
	__le32			time_base_hi;
	__le32			time_precision;		/* ns per unit */
	__le64			flags[7];
	__le64			write_time;		/* seconds since 1970 */
	__le64			features[2];
	__le64			compat[2];
	struct bch_sb_layout	layout;
	__le64			_data[];		/* sections */
} __packed __aligned(8);

static_assert(sizeof(struct bch_sb) == 752);
static_assert(offsetof(struct bch_sb, magic) == 24);
static_assert(offsetof(struct bch_sb, uuid) == 40);
static_assert(offsetof(struct bch_sb, user_uuid) == 56);
static_assert(offsetof(struct bch_sb, label) == 72);
static_assert(offsetof(struct bch_sb, offset) == 104);
static_assert(offsetof(struct bch_sb, block_size) == 120);
static_assert(offsetof(struct bch_sb, u64s) == 124);
static_assert(offsetof(struct bch_sb, flags) == 144);
static_assert(offsetof(struct bch_sb, write_time) == 200);
static_assert(offsetof(struct bch_sb, features) == 208);
static_assert(offsetof(struct bch_sb, layout) == 240);

/* Used bytes as the header says; up to 32 GiB, check against the layout first. */
static inline __u64 bch2_sb_bytes(const struct bch_sb *sb)
{
	return sizeof(*sb) + (__u64) le32_to_cpu(sb->u64s) * sizeof(__u64);
}

static inline struct bch_sb_field *bch2_sb_fields_start(struct bch_sb *sb)
{
	return (struct bch_sb_field *) sb->_data;
}

/* End of the sections; only for superblocks whose length was checked. */
static inline struct bch_sb_field *bch2_sb_fields_end(struct bch_sb *sb)
{
	return (struct bch_sb_field *) (sb->_data + le32_to_cpu(sb->u64s));
}

/* Magics of journal entries and btree nodes (spec 10 §4.2). */
static inline __u64 __bch2_sb_magic(const struct bch_sb *sb)
{
	__u64 m = 0;

	for (int i = 7; i >= 0; --i)
		m = m << 8 | sb->uuid.b[i];
	return m;
}

static inline __u64 bch2_sb_jset_magic(const struct bch_sb *sb)
{
	return __bch2_sb_magic(sb) ^ JSET_MAGIC_BASE;
}

static inline __u64 bch2_sb_bset_magic(const struct bch_sb *sb)
{
	return __bch2_sb_magic(sb) ^ BTREE_NODE_MAGIC_BASE;
}

/* block_size, as the accessor of an option. */
LE16_BITMASK(BCH_SB_BLOCK_SIZE,	struct bch_sb, block_size, 0, 16)	/* sectors */

/* --- flag words (spec 10 §5) --- */

#define BCH_SB_BITS(name, word, first, end)					\
	LE64_BITMASK(BCH_SB_##name, struct bch_sb, flags[word], first, end)

BCH_SB_BITS(INITIALIZED,		0,  0,  1)
BCH_SB_BITS(CLEAN,			0,  1,  2)
BCH_SB_BITS(CSUM_TYPE,			0,  2,  8)
BCH_SB_BITS(ERROR_ACTION,		0,  8, 12)
BCH_SB_BITS(BTREE_NODE_SIZE,		0, 12, 28)	/* sectors */
BCH_SB_BITS(GC_RESERVE,			0, 28, 33)
BCH_SB_BITS(ROOT_RESERVE,		0, 33, 40)
BCH_SB_BITS(META_CSUM_TYPE,		0, 40, 44)	/* option numbering */
BCH_SB_BITS(DATA_CSUM_TYPE,		0, 44, 48)	/* option numbering */
BCH_SB_BITS(META_REPLICAS_WANT,		0, 48, 52)
BCH_SB_BITS(DATA_REPLICAS_WANT,		0, 52, 56)
BCH_SB_BITS(POSIX_ACL,			0, 56, 57)
BCH_SB_BITS(USRQUOTA,			0, 57, 58)
BCH_SB_BITS(GRPQUOTA,			0, 58, 59)
BCH_SB_BITS(PRJQUOTA,			0, 59, 60)
BCH_SB_BITS(HAS_ERRORS,			0, 60, 61)
BCH_SB_BITS(HAS_TOPOLOGY_ERRORS,	0, 61, 62)
BCH_SB_BITS(BIG_ENDIAN,			0, 62, 63)
BCH_SB_BITS(PROMOTE_WHOLE_EXTENTS,	0, 63, 64)

BCH_SB_BITS(STR_HASH_TYPE,		1,  0,  4)	/* option numbering */
BCH_SB_BITS(COMPRESSION_TYPE_LO,	1,  4,  8)
BCH_SB_BITS(INODE_32BIT,		1,  8,  9)
BCH_SB_BITS(128_BIT_MACS,		1,  9, 10)
BCH_SB_BITS(ENCRYPTION_TYPE,		1, 10, 14)
BCH_SB_BITS(ENCODED_EXTENT_MAX_BITS,	1, 14, 20)	/* log2 of sectors */
BCH_SB_BITS(META_REPLICAS_REQ,		1, 20, 24)
BCH_SB_BITS(DATA_REPLICAS_REQ,		1, 24, 28)
BCH_SB_BITS(PROMOTE_TARGET,		1, 28, 40)
BCH_SB_BITS(FOREGROUND_TARGET,		1, 40, 52)
BCH_SB_BITS(BACKGROUND_TARGET,		1, 52, 64)

BCH_SB_BITS(BACKGROUND_COMPRESSION_TYPE_LO, 2,  0,  4)
BCH_SB_BITS(GC_RESERVE_BYTES,		2,  4, 64)	/* sectors */

BCH_SB_BITS(ERASURE_CODE,		3,  0, 16)
BCH_SB_BITS(METADATA_TARGET,		3, 16, 28)
BCH_SB_BITS(SHARD_INUMS,		3, 28, 29)	/* obsolete */
BCH_SB_BITS(JOURNAL_FLUSH_DELAY,	3, 30, 62)
BCH_SB_BITS(JOURNAL_FLUSH_DISABLED,	3, 62, 63)
BCH_SB_BITS(MULTI_DEVICE,		3, 63, 64)

BCH_SB_BITS(JOURNAL_RECLAIM_DELAY,	4,  0, 32)
BCH_SB_BITS(JOURNAL_TRANSACTION_NAMES,	4, 32, 33)
BCH_SB_BITS(NOCOW,			4, 33, 34)
BCH_SB_BITS(WRITE_BUFFER_SIZE,		4, 34, 54)	/* obsolete */
BCH_SB_BITS(VERSION_UPGRADE,		4, 54, 56)
BCH_SB_BITS(COMPRESSION_TYPE_HI,	4, 56, 60)
BCH_SB_BITS(BACKGROUND_COMPRESSION_TYPE_HI, 4, 60, 64)

BCH_SB_BITS(VERSION_UPGRADE_COMPLETE,	5,  0, 16)
BCH_SB_BITS(ALLOCATOR_STUCK_TIMEOUT,	5, 16, 32)
BCH_SB_BITS(VERSION_INCOMPAT,		5, 32, 48)
BCH_SB_BITS(VERSION_INCOMPAT_ALLOWED,	5, 48, 64)

BCH_SB_BITS(SHARD_INUMS_NBITS,		6,  0,  4)
BCH_SB_BITS(WRITE_ERROR_TIMEOUT,	6,  4, 14)
BCH_SB_BITS(CSUM_ERR_RETRY_NR,		6, 14, 20)
BCH_SB_BITS(DEGRADED_ACTION,		6, 20, 22)
BCH_SB_BITS(CASEFOLD,			6, 22, 23)
BCH_SB_BITS(REBALANCE_AC_ONLY,		6, 23, 24)
BCH_SB_BITS(WRITEBACK_TIMEOUT,		6, 24, 40)
BCH_SB_BITS(EXTENT_BP_SHIFT,		6, 40, 48)
BCH_SB_BITS(SCRUB_JOURNAL,		6, 48, 50)
BCH_SB_BITS(EC_MAX_DATA_BLOCKS,		6, 50, 58)
BCH_SB_BITS(MOVE_WRITES_FUA,		6, 58, 59)

#undef BCH_SB_BITS

/* Value of EXTENT_BP_SHIFT that a 0 stands for. */
#define BCH_EXTENT_BP_SHIFT_DEFAULT	10

/* A byte put together from two nibbles: algorithm low, level high (spec 13 §6.1). */
static inline __u64 BCH_SB_COMPRESSION_TYPE(const struct bch_sb *sb)
{
	return BCH_SB_COMPRESSION_TYPE_LO(sb) | BCH_SB_COMPRESSION_TYPE_HI(sb) << 4;
}

static inline void SET_BCH_SB_COMPRESSION_TYPE(struct bch_sb *sb, __u64 v)
{
	SET_BCH_SB_COMPRESSION_TYPE_LO(sb, v);
	SET_BCH_SB_COMPRESSION_TYPE_HI(sb, v >> 4);
}

static inline __u64 BCH_SB_BACKGROUND_COMPRESSION_TYPE(const struct bch_sb *sb)
{
	return BCH_SB_BACKGROUND_COMPRESSION_TYPE_LO(sb) |
		BCH_SB_BACKGROUND_COMPRESSION_TYPE_HI(sb) << 4;
}

static inline void SET_BCH_SB_BACKGROUND_COMPRESSION_TYPE(struct bch_sb *sb, __u64 v)
{
	SET_BCH_SB_BACKGROUND_COMPRESSION_TYPE_LO(sb, v);
	SET_BCH_SB_BACKGROUND_COMPRESSION_TYPE_HI(sb, v >> 4);
}

enum bch_encryption_type {
	BCH_ENCRYPTION_none			= 0,
	BCH_ENCRYPTION_chacha20_poly1305	= 1,
};

/* --- incompatible features: features[0] (spec 10 §6) --- */

/* x(bit, name) */
#define BCH_SB_FEATURES(x)							\
	x( 0, lz4)								\
	x( 1, gzip)								\
	x( 2, zstd)								\
	x( 3, atomic_nlink)							\
	x( 4, ec)								\
	x( 5, journal_seq_blacklist_v3)						\
	x( 6, reflink)								\
	x( 7, new_siphash)							\
	x( 8, inline_data)							\
	x( 9, new_extent_overwrite)						\
	x(10, incompressible)							\
	x(11, btree_ptr_v2)							\
	x(12, extents_above_btree_updates)					\
	x(13, btree_updates_journalled)						\
	x(14, reflink_inline_data)						\
	x(15, new_varint)							\
	x(16, journal_no_flush)							\
	x(17, alloc_v2)								\
	x(18, extents_across_btree_nodes)					\
	x(19, incompat_version_field)						\
	x(20, casefolding)							\
	x(21, no_alloc_info)							\
	x(22, small_image)							\
	x(23, no_default_sb)

enum bch_sb_feature {
#define x(nr, name)		BCH_FEATURE_##name = nr,
	BCH_SB_FEATURES(x)
#undef x
	BCH_FEATURE_NR,
};

static_assert(BCH_FEATURE_NR == 24);

#define BCH_FEATURE_BIT(name)		(1ULL << BCH_FEATURE_##name)

/* Set at every update that marks the filesystem dirty. */
#define BCH_SB_FEATURES_ALWAYS							\
	(BCH_FEATURE_BIT(new_extent_overwrite)|					\
	 BCH_FEATURE_BIT(extents_above_btree_updates)|				\
	 BCH_FEATURE_BIT(btree_updates_journalled)|				\
	 BCH_FEATURE_BIT(alloc_v2)|						\
	 BCH_FEATURE_BIT(extents_across_btree_nodes))

/* Set when formatting for a version above 1.15. */
#define BCH_SB_FEATURES_ALL							\
	(BCH_SB_FEATURES_ALWAYS|						\
	 BCH_FEATURE_BIT(new_siphash)|						\
	 BCH_FEATURE_BIT(btree_ptr_v2)|						\
	 BCH_FEATURE_BIT(new_varint)|						\
	 BCH_FEATURE_BIT(journal_no_flush)|					\
	 BCH_FEATURE_BIT(incompat_version_field))

static_assert(BCH_SB_FEATURES_ALWAYS == 0x63200);
static_assert(BCH_SB_FEATURES_ALL == 0xfba80);

/* --- compatible features: compat[0] (spec 10 §7) --- */

#define BCH_SB_COMPAT(x)							\
	x(0, alloc_info)							\
	x(1, alloc_metadata)							\
	x(2, extents_above_btree_updates_done)					\
	x(3, bformat_overflow_done)						\
	x(4, no_stale_ptrs)

enum bch_sb_compat {
#define x(nr, name)		BCH_COMPAT_##name = nr,
	BCH_SB_COMPAT(x)
#undef x
	BCH_COMPAT_NR,
};

#define BCH_COMPAT_BIT(name)		(1ULL << BCH_COMPAT_##name)

#endif /* _BCACHEFS_SB_SB_FORMAT_H */
