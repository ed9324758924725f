/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Header and numbering of the variable-length sections behind the superblock
 * header (spec 10 §9.0).
 *
 * Data declarations and trivial accessors only.
 */
#ifndef _BCACHEFS_SB_FIELD_FORMAT_H
#define _BCACHEFS_SB_FIELD_FORMAT_H

#include <linux/types.h>
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <asm/byteorder.h>

/* Sixteen bytes in the order of the text form. */
typedef struct {
	__u8			b[16];
} __uuid_t;

static_assert(sizeof(__uuid_t) == 16);

struct bch_sb_field {
	__le32			u64s;		/* words, with this header; never 0 */
	__le32			type;		/* enum bch_sb_field_type */
} __packed __aligned(8);

static_assert(sizeof(struct bch_sb_field) == 8);

/* x(number, name); struct bch_sb_field_NAME for each */
#define BCH_SB_FIELDS(x)							\
	x( 0, journal)								\
	x( 1, members_v1)							\
	x( 2, crypt)								\
	x( 3, replicas_v0)							\
	x( 4, quota)								\
	x( 5, disk_groups)							\
	x( 6, clean)								\
	x( 7, replicas)								\
	x( 8, journal_seq_blacklist)						\
	x( 9, journal_v2)							\
	x(10, counters)								\
	x(11, members_v2)							\
	x(12, errors)								\
	x(13, ext)								\
	x(14, downgrade)							\
	x(15, recovery_passes)							\
	x(16, extent_type_u64s)

enum bch_sb_field_type {
#define x(nr, name)		BCH_SB_FIELD_##name = nr,
	BCH_SB_FIELDS(x)
#undef x
	BCH_SB_FIELD_NR,
};

static_assert(BCH_SB_FIELD_NR == 17);

/* Sections that belong to one device and are not copied to the others. */
#define BCH_SINGLE_DEVICE_SB_FIELDS						\
	((1U << BCH_SB_FIELD_journal)|(1U << BCH_SB_FIELD_journal_v2))

/* Bytes of a section with its header, as it says itself; check before use. */
static inline size_t bch2_sb_field_bytes(const struct bch_sb_field *f)
{
	return (size_t) le32_to_cpu(f->u64s) * sizeof(__u64);
}

#endif /* _BCACHEFS_SB_FIELD_FORMAT_H */
