/* SPDX-License-Identifier: GPL-2.0 */
/*
 * State of buckets: alloc keys of all generations (spec 40 §2) and the obsolete
 * LRU value (42 §4.4). Data declarations and trivial accessors only.
 */
#ifndef _BCACHEFS_ALLOC_ALLOC_FORMAT_H
#define _BCACHEFS_ALLOC_ALLOC_FORMAT_H

#include "btree/bkey_format.h"
#include "util/le_bits.h"

/* v1: optional fields follow gen, packed in bit order (§2.2). */
struct bch_alloc {
	struct bch_val		v;
	__u8			fields;
	__u8			gen;
	__u8			data[];
} __packed __aligned(8);

/* x(bit, name, bytes) */
#define BCH_ALLOC_FIELDS_V1(x)							\
	x(0, read_time,		2)						\
	x(1, write_time,	2)						\
	x(2, data_type,		1)						\
	x(3, dirty_sectors,	2)						\
	x(4, cached_sectors,	2)						\
	x(5, oldest_gen,	1)						\
	x(6, stripe,		4)						\
	x(7, stripe_redundancy,	1)

enum bch_alloc_field_v1 {
#define x(nr, name, bytes)	BCH_ALLOC_FIELD_V1_##name = nr,
	BCH_ALLOC_FIELDS_V1(x)
#undef x
};

/* v2, v3: varints follow; x(name, bits a value must fit) in order (§2.3) */
#define BCH_ALLOC_FIELDS_V2(x)							\
	x(read_time,		64)						\
	x(write_time,		64)						\
	x(dirty_sectors,	32)						\
	x(cached_sectors,	32)						\
	x(stripe,		32)						\
	x(stripe_redundancy,	 8)

struct bch_alloc_v2 {
	struct bch_val		v;
	__u8			nr_fields;
	__u8			gen;
	__u8			oldest_gen;
	__u8			data_type;
	__u8			data[];
} __packed __aligned(8);

struct bch_alloc_v3 {
	struct bch_val		v;
	__le64			journal_seq;
	__le32			flags;
	__u8			nr_fields;
	__u8			gen;
	__u8			oldest_gen;
	__u8			data_type;
	__u8			data[];
} __packed __aligned(8);

static_assert(offsetof(struct bch_alloc, data) == 2);
static_assert(offsetof(struct bch_alloc_v2, data) == 4);
static_assert(sizeof(struct bch_alloc_v3) == 16);

LE32_BITMASK(BCH_ALLOC_V3_NEED_DISCARD,	struct bch_alloc_v3, flags, 0, 1)
LE32_BITMASK(BCH_ALLOC_V3_NEED_INC_GEN,	struct bch_alloc_v3, flags, 1, 2)

/* Current (§2.1). Older values may end after 48 bytes. */
struct bch_alloc_v4 {
	struct bch_val		v;
	__le64			journal_seq_nonempty;
	__le32			flags;
	__u8			gen;
	__u8			oldest_gen;
	__u8			data_type;
	__u8			_stripe_redundancy;	/* obsolete */
	__le32			dirty_sectors;
	__le32			cached_sectors;
	__le64			io_time[2];		/* read, write */
	__le32			stripe_refcount;
	__le32			_nr_external_backpointers;	/* obsolete */
	__le64			journal_seq_empty;
	__le32			stripe_sectors;
	__le32			pad;
} __packed __aligned(8);

static_assert(sizeof(struct bch_alloc_v4) == 64);
static_assert(offsetof(struct bch_alloc_v4, gen) == 12);
static_assert(offsetof(struct bch_alloc_v4, dirty_sectors) == 16);
static_assert(offsetof(struct bch_alloc_v4, io_time) == 24);
static_assert(offsetof(struct bch_alloc_v4, stripe_refcount) == 40);
static_assert(offsetof(struct bch_alloc_v4, journal_seq_empty) == 48);
static_assert(offsetof(struct bch_alloc_v4, stripe_sectors) == 56);

LE32_BITMASK(BCH_ALLOC_V4_NEED_DISCARD,		struct bch_alloc_v4, flags, 0,  1)
LE32_BITMASK(BCH_ALLOC_V4_NEED_INC_GEN,		struct bch_alloc_v4, flags, 1,  2)
LE32_BITMASK(BCH_ALLOC_V4_BACKPOINTERS_START,	struct bch_alloc_v4, flags, 2,  8)
LE32_BITMASK(BCH_ALLOC_V4_NR_BACKPOINTERS,	struct bch_alloc_v4, flags, 8, 14)

/* Words of the fixed part: original and current layout. */
#define BCH_ALLOC_V4_U64s_V0		6
#define BCH_ALLOC_V4_U64s		(sizeof(struct bch_alloc_v4) / sizeof(__u64))

/* Bytes of one obsolete inline backpointer. */
#define BCH_ALLOC_V4_INLINE_BP_BYTES	32

/* io_time is at most this (§2.1). */
#define LRU_TIME_BITS			48
#define LRU_TIME_MAX			((1ULL << LRU_TIME_BITS) - 1)

#endif /* _BCACHEFS_ALLOC_ALLOC_FORMAT_H */
