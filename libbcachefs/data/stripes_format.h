/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Erasure coded stripes (spec 52 §2).
 *
 * Behind the pointers of a stripe lie its checksums, block by block, then one
 * 16-bit count of live sectors per block; both packed, their places depend on
 * the header. Data declarations and trivial accessors only.
 */
#ifndef _BCACHEFS_DATA_STRIPES_FORMAT_H
#define _BCACHEFS_DATA_STRIPES_FORMAT_H

#include "data/extents_format.h"

#define BCH_STRIPE_BLOCKS_MIN		2
#define BCH_STRIPE_BLOCKS_MAX		16
#define BCH_STRIPE_REDUNDANT_MAX	2

struct bch_stripe {
	struct bch_val		v;
	__le16			sectors;	/* of each block = bucket size */
	__u8			algo_flags;	/* below */
	__u8			nr_blocks;	/* data and parity */
	__u8			nr_redundant;
	__u8			csum_granularity_bits;	/* log2 of sectors */
	__u8			csum_type;
	__u8			disk_label;	/* label id + 1, 0 none */
	struct bch_extent_ptr	ptrs[];
} __packed __aligned(8);

static_assert(sizeof(struct bch_stripe) == 8);

/* algo_flags: bits 0..3 algorithm, 4 needs_reconcile, 5..7 can_widen */
#define BCH_STRIPE_ALGORITHM(s)		((s)->algo_flags & 0xf)
#define BCH_STRIPE_NEEDS_RECONCILE(s)	(((s)->algo_flags >> 4) & 1)
#define BCH_STRIPE_CAN_WIDEN(s)		((s)->algo_flags >> 5)

/* Checksums per block; granularity bits above 15 cover any block at once. */
static inline unsigned int stripe_csums_per_block(const struct bch_stripe *s)
{
	unsigned int bits = s->csum_granularity_bits > 15 ? 16 : s->csum_granularity_bits;

	return (le16_to_cpu(s->sectors) + (1U << bits) - 1) >> bits;
}

/* Byte offset in the value of checksum @idx of block @block. */
static inline unsigned int stripe_csum_offset(const struct bch_stripe *s,
					      unsigned int block, unsigned int idx)
{
	return sizeof(*s) + s->nr_blocks * sizeof(struct bch_extent_ptr) +
		(block * stripe_csums_per_block(s) + idx) * bch_csum_bytes(s->csum_type);
}

/* Byte offset in the value of the live sector count (le16) of block @block. */
static inline unsigned int stripe_blockcount_offset(const struct bch_stripe *s,
						    unsigned int block)
{
	return stripe_csum_offset(s, s->nr_blocks, 0) + block * sizeof(__le16);
}

/* Words that the value of a stripe needs. */
static inline unsigned int stripe_val_u64s(const struct bch_stripe *s)
{
	return (stripe_blockcount_offset(s, s->nr_blocks) + 7) / 8;
}

#endif /* _BCACHEFS_DATA_STRIPES_FORMAT_H */
