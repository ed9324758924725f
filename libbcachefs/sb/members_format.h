/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Member devices as the superblock lists them (spec 10 §9.8).
 *
 * Entries have the stride that the section records: shorter ones of older
 * software read as if zero-filled, longer ones keep their tails. Data
 * declarations and trivial accessors only.
 */
#ifndef _BCACHEFS_SB_MEMBERS_FORMAT_H
#define _BCACHEFS_SB_MEMBERS_FORMAT_H

#include "alloc/replicas_format.h"
#include "sb/field_format.h"
#include "util/le_bits.h"

/* Slots; index BCH_SB_MEMBER_INVALID is never assigned. */
#define BCH_SB_MEMBERS_MAX		256

#define BCH_MIN_NR_NBUCKETS		512
#define BCH_MEMBER_NBUCKETS_MAX		(2147483647U - 64)
#define BCH_MI_BTREE_BITMAP_SHIFT_MAX	58	/* exclusive */

/* uuid of a slot whose device was removed but may still be pointed to (spec 10 §9.8.5) */
#define BCH_SB_MEMBER_DELETED_UUID						\
((__uuid_t) { .b = {								\
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,				\
	0xd9, 0x6a, 0x60, 0xcf, 0x80, 0x3d, 0xf7, 0xef } })

/* x(number, name) */
#define BCH_MEMBER_STATES(x)							\
	x(0, rw)								\
	x(1, ro)								\
	x(2, evacuating)							\
	x(3, spare)

enum bch_member_state {
#define x(nr, name)		BCH_MEMBER_STATE_##name = nr,
	BCH_MEMBER_STATES(x)
#undef x
	BCH_MEMBER_STATE_NR,
};

/* Progress of adding a device (spec 10 §9.8.1). */
#define BCH_MEMBER_INIT_STATES(x)						\
	x(0, initialized)							\
	x(1, pre_dev_usage)							\
	x(2, pre_mark_sb)							\
	x(3, pre_freespace_init)						\
	x(4, pre_journal_alloc)

enum bch_member_init_state {
#define x(nr, name)		BCH_MEMBER_INIT_##name = nr,
	BCH_MEMBER_INIT_STATES(x)
#undef x
	BCH_MEMBER_INIT_NR,
};

/* Order of bch_member.iops */
#define BCH_IOPS_MEASUREMENTS(x)						\
	x(0, seqread)								\
	x(1, seqwrite)								\
	x(2, randread)								\
	x(3, randwrite)

enum bch_iops_measurement {
#define x(nr, name)		BCH_IOPS_##name = nr,
	BCH_IOPS_MEASUREMENTS(x)
#undef x
	BCH_IOPS_NR,
};

struct bch_member {
	__uuid_t		uuid;
	__le64			nbuckets;
	__le16			first_bucket;
	__le16			bucket_size;		/* sectors */
	__u8			btree_bitmap_shift;
	__u8			pad[3];
	__le64			last_mount;		/* seconds since 1970 */
	__le64			flags;
	__le32			iops[4];
	__le64			errors[3];
	__le64			errors_at_reset[3];
	__le64			errors_reset_time;
	__le64			seq;
	__le64			btree_allocated_bitmap;
	__le32			last_journal_bucket;
	__le32			last_journal_bucket_offset;
	__u8			device_name[16];
	__u8			device_model[64];
	__le64			flush_errors;
	__u8			device_serial[64];
} __packed __aligned(8);

static_assert(sizeof(struct bch_member) == 296);
static_assert(offsetof(struct bch_member, bucket_size) == 26);
static_assert(offsetof(struct bch_member, flags) == 40);
static_assert(offsetof(struct bch_member, errors) == 64);
static_assert(offsetof(struct bch_member, seq) == 120);
static_assert(offsetof(struct bch_member, last_journal_bucket) == 136);
static_assert(offsetof(struct bch_member, device_name) == 144);
static_assert(offsetof(struct bch_member, flush_errors) == 224);
static_assert(offsetof(struct bch_member, device_serial) == 232);

/* Stride of members_v1: everything up to and including iops[1]. */
#define BCH_MEMBER_V1_BYTES		56

/* bucket_size, as the accessor of an option. */
LE16_BITMASK(BCH_MEMBER_BUCKET_SIZE,		struct bch_member, bucket_size, 0, 16)

LE64_BITMASK(BCH_MEMBER_STATE,			struct bch_member, flags,  0,  4)
LE64_BITMASK(BCH_MEMBER_DISCARD,		struct bch_member, flags, 14, 15)
LE64_BITMASK(BCH_MEMBER_DATA_ALLOWED,		struct bch_member, flags, 15, 20)
LE64_BITMASK(BCH_MEMBER_GROUP,			struct bch_member, flags, 20, 28)
LE64_BITMASK(BCH_MEMBER_DURABILITY,		struct bch_member, flags, 28, 30)
LE64_BITMASK(BCH_MEMBER_FREESPACE_INITIALIZED,	struct bch_member, flags, 30, 31)
LE64_BITMASK(BCH_MEMBER_RESIZE_ON_MOUNT,	struct bch_member, flags, 31, 32)
LE64_BITMASK(BCH_MEMBER_ROTATIONAL,		struct bch_member, flags, 32, 33)
LE64_BITMASK(BCH_MEMBER_ROTATIONAL_SET,		struct bch_member, flags, 33, 34)
LE64_BITMASK(BCH_MEMBER_INITIALIZED,		struct bch_member, flags, 34, 38)

struct bch_sb_field_members_v1 {
	struct bch_sb_field	field;
	__u8			_members[];		/* stride BCH_MEMBER_V1_BYTES */
} __packed __aligned(8);

struct bch_sb_field_members_v2 {
	struct bch_sb_field	field;
	__le16			member_bytes;		/* stride */
	__u8			pad[6];
	__u8			_members[];
} __packed __aligned(8);

static_assert(sizeof(struct bch_sb_field_members_v2) == 16);

#endif /* _BCACHEFS_SB_MEMBERS_FORMAT_H */
