/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Values that describe data: extent entries and the small data key types
 * (spec 50 §2, §3, §7; 53 §3).
 *
 * The value of an extent is a sequence of entries; the lowest set bit of the
 * first word of an entry tells its type. Entries are words, not C bit fields:
 * each field is a named bit range. Data declarations and trivial accessors
 * only.
 */
#ifndef _BCACHEFS_DATA_EXTENTS_FORMAT_H
#define _BCACHEFS_DATA_EXTENTS_FORMAT_H

#include "btree/bkey_format.h"
#include "util/checksum_format.h"
#include "util/le_bits.h"

/* x(number = lowest set bit, name, words); struct bch_extent_NAME for each */
#define BCH_EXTENT_ENTRY_TYPES(x)						\
	x(0, ptr,		1)						\
	x(1, crc32,		1)						\
	x(2, crc64,		2)						\
	x(3, crc128,		3)						\
	x(4, stripe_ptr,	1)						\
	x(5, rebalance_v1,	1)						\
	x(6, flags,		1)						\
	x(7, reconcile,		1)						\
	x(8, reconcile_bp,	1)

enum bch_extent_entry_type {
#define x(nr, name, words)	BCH_EXTENT_ENTRY_##name = nr,
	BCH_EXTENT_ENTRY_TYPES(x)
#undef x
	BCH_EXTENT_ENTRY_NR,
};

/* Slots for types of later versions (spec 50 §2). */
#define BCH_EXTENT_ENTRY_MAX		31

/* What the type field of an entry holds. */
#define BCH_EXTENT_ENTRY_MARK(name)	(1ULL << BCH_EXTENT_ENTRY_##name)

/* Limits of the three checksum entries (spec 50 §3): sectors, sectors, sectors */
#define CRC32_SIZE_MAX			(1U << 7)
#define CRC32_NONCE_MAX			0
#define CRC64_SIZE_MAX			(1U << 9)
#define CRC64_NONCE_MAX			((1U << 10) - 1)
#define CRC128_SIZE_MAX			(1U << 13)
#define CRC128_NONCE_MAX		((1U << 13) - 1)

/* A pointer to one copy (§3.1). */
struct bch_extent_ptr {
	__le64			w;
} __packed __aligned(8);

LE64_BITMASK(EXTENT_PTR_TYPE,		struct bch_extent_ptr, w,  0,  1)
LE64_BITMASK(EXTENT_PTR_CACHED,		struct bch_extent_ptr, w,  1,  2)
LE64_BITMASK(EXTENT_PTR_UNUSED,		struct bch_extent_ptr, w,  2,  3)
LE64_BITMASK(EXTENT_PTR_UNWRITTEN,	struct bch_extent_ptr, w,  3,  4)
LE64_BITMASK(EXTENT_PTR_OFFSET,		struct bch_extent_ptr, w,  4, 48)	/* sectors */
LE64_BITMASK(EXTENT_PTR_DEV,		struct bch_extent_ptr, w, 48, 56)
LE64_BITMASK(EXTENT_PTR_GEN,		struct bch_extent_ptr, w, 56, 64)

/* Checksum entries; sizes are stored minus one (§3.2 - §3.4). */
struct bch_extent_crc32 {
	__le32			w;
	__le32			csum;
} __packed __aligned(8);

LE32_BITMASK(CRC32_TYPE,		struct bch_extent_crc32, w,  0,  2)
LE32_BITMASK(CRC32_COMPRESSED_SIZE,	struct bch_extent_crc32, w,  2,  9)
LE32_BITMASK(CRC32_UNCOMPRESSED_SIZE,	struct bch_extent_crc32, w,  9, 16)
LE32_BITMASK(CRC32_OFFSET,		struct bch_extent_crc32, w, 16, 23)
LE32_BITMASK(CRC32_CSUM_TYPE,		struct bch_extent_crc32, w, 24, 28)
LE32_BITMASK(CRC32_COMPRESSION_TYPE,	struct bch_extent_crc32, w, 28, 32)

struct bch_extent_crc64 {
	__le64			w;
	__le64			csum_lo;
} __packed __aligned(8);

LE64_BITMASK(CRC64_TYPE,		struct bch_extent_crc64, w,  0,  3)
LE64_BITMASK(CRC64_COMPRESSED_SIZE,	struct bch_extent_crc64, w,  3, 12)
LE64_BITMASK(CRC64_UNCOMPRESSED_SIZE,	struct bch_extent_crc64, w, 12, 21)
LE64_BITMASK(CRC64_OFFSET,		struct bch_extent_crc64, w, 21, 30)
LE64_BITMASK(CRC64_NONCE,		struct bch_extent_crc64, w, 30, 40)
LE64_BITMASK(CRC64_CSUM_TYPE,		struct bch_extent_crc64, w, 40, 44)
LE64_BITMASK(CRC64_COMPRESSION_TYPE,	struct bch_extent_crc64, w, 44, 48)
LE64_BITMASK(CRC64_CSUM_HI,		struct bch_extent_crc64, w, 48, 64)

struct bch_extent_crc128 {
	__le64			w;
	struct bch_csum		csum;
} __packed __aligned(8);

LE64_BITMASK(CRC128_TYPE,		struct bch_extent_crc128, w,  0,  4)
LE64_BITMASK(CRC128_COMPRESSED_SIZE,	struct bch_extent_crc128, w,  4, 17)
LE64_BITMASK(CRC128_UNCOMPRESSED_SIZE,	struct bch_extent_crc128, w, 17, 30)
LE64_BITMASK(CRC128_OFFSET,		struct bch_extent_crc128, w, 30, 43)
LE64_BITMASK(CRC128_NONCE,		struct bch_extent_crc128, w, 43, 56)
LE64_BITMASK(CRC128_CSUM_TYPE,		struct bch_extent_crc128, w, 56, 60)
LE64_BITMASK(CRC128_COMPRESSION_TYPE,	struct bch_extent_crc128, w, 60, 64)

/* The next pointer is part of a stripe (§3.5). */
struct bch_extent_stripe_ptr {
	__le64			w;
} __packed __aligned(8);

LE64_BITMASK(STRIPE_PTR_TYPE,		struct bch_extent_stripe_ptr, w,  0,  5)
LE64_BITMASK(STRIPE_PTR_BLOCK,		struct bch_extent_stripe_ptr, w,  5, 13)
LE64_BITMASK(STRIPE_PTR_REDUNDANCY,	struct bch_extent_stripe_ptr, w, 13, 17)
LE64_BITMASK(STRIPE_PTR_IDX,		struct bch_extent_stripe_ptr, w, 17, 64)

/* Flags of the whole key; first entry if there is one (§3.6). */
struct bch_extent_flags {
	__le64			w;
} __packed __aligned(8);

LE64_BITMASK(EXTENT_FLAGS_TYPE,		struct bch_extent_flags, w, 0,  7)
LE64_BITMASK(EXTENT_FLAGS_FLAGS,	struct bch_extent_flags, w, 7, 64)

/* x(bit, name) */
#define BCH_EXTENT_FLAGS(x)							\
	x(0, poisoned)

enum bch_extent_flag {
#define x(nr, name)		BCH_EXTENT_FLAG_##name = nr,
	BCH_EXTENT_FLAGS(x)
#undef x
	BCH_EXTENT_FLAG_NR,
};

/* Options of background work, 1.3 to 1.32 (§3.7). */
struct bch_extent_rebalance_v1 {
	__le64			w;
} __packed __aligned(8);

#define RB_V1_BITS(name, first, end)						\
	LE64_BITMASK(REBALANCE_V1_##name, struct bch_extent_rebalance_v1, w, first, end)

RB_V1_BITS(TYPE,				 0,  6)
RB_V1_BITS(PROMOTE_TARGET_FROM_INODE,		 9, 10)
RB_V1_BITS(ERASURE_CODE_FROM_INODE,		10, 11)
RB_V1_BITS(DATA_CHECKSUM_FROM_INODE,		11, 12)
RB_V1_BITS(BACKGROUND_COMPRESSION_FROM_INODE,	12, 13)
RB_V1_BITS(DATA_REPLICAS_FROM_INODE,		13, 14)
RB_V1_BITS(BACKGROUND_TARGET_FROM_INODE,	14, 15)
RB_V1_BITS(PROMOTE_TARGET,			15, 31)
RB_V1_BITS(ERASURE_CODE,			31, 32)
RB_V1_BITS(DATA_CHECKSUM,			32, 36)
RB_V1_BITS(DATA_REPLICAS,			36, 40)
RB_V1_BITS(BACKGROUND_COMPRESSION,		40, 48)
RB_V1_BITS(BACKGROUND_TARGET,			48, 64)

#undef RB_V1_BITS

/* A btree or data pointer's and checksum's size in words, by type. */
static inline unsigned int bch_extent_entry_words(unsigned int type)
{
	switch (type) {
#define x(nr, name, words)	case nr: return words;
	BCH_EXTENT_ENTRY_TYPES(x)
#undef x
	default:
		return 0;
	}
}

static_assert(sizeof(struct bch_extent_ptr) == 8);
static_assert(sizeof(struct bch_extent_crc32) == 8);
static_assert(sizeof(struct bch_extent_crc64) == 16);
static_assert(sizeof(struct bch_extent_crc128) == 24);
static_assert(sizeof(struct bch_extent_stripe_ptr) == 8);
static_assert(sizeof(struct bch_extent_rebalance_v1) == 8);
static_assert(sizeof(struct bch_extent_flags) == 8);

/* --- values (§7) --- */

struct bch_extent {
	struct bch_val		v;
	__le64			start[];	/* extent entries */
} __packed __aligned(8);

struct bch_reservation {
	struct bch_val		v;
	__le32			generation;
	__u8			nr_replicas;
	__u8			pad[3];
} __packed __aligned(8);

static_assert(sizeof(struct bch_reservation) == 8);

struct bch_inline_data {
	struct bch_val		v;
	__u8			data[];
} __packed __aligned(8);

#endif /* _BCACHEFS_DATA_EXTENTS_FORMAT_H */
