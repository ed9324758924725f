/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Data types and replicas entries: on which set of devices data of one type is
 * spread (spec 40 §1.4, 10 §9.4, 41 §6).
 *
 * Data declarations and trivial accessors only.
 */
#ifndef _BCACHEFS_ALLOC_REPLICAS_FORMAT_H
#define _BCACHEFS_ALLOC_REPLICAS_FORMAT_H

#include <linux/types.h>
#include <linux/build_bug.h>
#include <linux/stddef.h>

#define BCH_REPLICAS_MAX		4	/* copies of one thing */
#define BCH_BKEY_PTRS_MAX		16	/* pointers in one key */

/* Member index that names no device. */
#define BCH_SB_MEMBER_INVALID		255

/* x(number, name) */
#define BCH_DATA_TYPES(x)							\
	x( 0, free)								\
	x( 1, sb)								\
	x( 2, journal)								\
	x( 3, btree)								\
	x( 4, user)								\
	x( 5, cached)								\
	x( 6, parity)								\
	x( 7, stripe)								\
	x( 8, need_gc_gens)							\
	x( 9, need_discard)							\
	x(10, unstriped)							\
	x(11, multiple)

enum bch_data_type {
#define x(nr, name)		BCH_DATA_##name = nr,
	BCH_DATA_TYPES(x)
#undef x
	BCH_DATA_NR,
};

/* Bucket holds nothing. */
static inline bool data_type_is_empty(unsigned int type)
{
	return type == BCH_DATA_free ||
		type == BCH_DATA_need_gc_gens ||
		type == BCH_DATA_need_discard;
}

/* Bucket does not count as used by data. */
static inline bool data_type_is_hidden(unsigned int type)
{
	return type == BCH_DATA_sb || type == BCH_DATA_journal;
}

/* Copygc may empty the bucket. */
static inline bool data_type_movable(unsigned int type)
{
	return type == BCH_DATA_btree ||
		type == BCH_DATA_user ||
		type == BCH_DATA_stripe ||
		type == BCH_DATA_multiple;
}

/* Entry of section replicas_v0. */
struct bch_replicas_entry_v0 {
	__u8			data_type;
	__u8			nr_devs;
	__u8			devs[];
} __packed;

static_assert(sizeof(struct bch_replicas_entry_v0) == 2);

/* Entry of section replicas, of accounting keys and of old usage records. */
struct bch_replicas_entry_v1 {
	__u8			data_type;
	__u8			nr_devs;
	__u8			nr_required;
	__u8			devs[];
} __packed;

static_assert(sizeof(struct bch_replicas_entry_v1) == 3);

static inline unsigned int replicas_entry_v0_bytes(const struct bch_replicas_entry_v0 *e)
{
	return sizeof(*e) + e->nr_devs;
}

static inline unsigned int replicas_entry_bytes(const struct bch_replicas_entry_v1 *e)
{
	return sizeof(*e) + e->nr_devs;
}

#endif /* _BCACHEFS_ALLOC_REPLICAS_FORMAT_H */
