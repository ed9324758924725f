/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Erasure coding, the reading side: geometry of stripe keys, parity arithmetic,
 * and reconstruction of data whose device is gone or bad (spec 52).
 */
#ifndef _BCACHEFS_DATA_EC_H
#define _BCACHEFS_DATA_EC_H

#include "bcachefs_format.h"
#include "btree/extent_entries.h"

struct bch_fs;

/* Limits of the format (spec 52 §2). */
#define BCH_EC_BLOCKS_MAX		16
#define BCH_EC_PARITY_MAX		2

/* More than this is not read at once to reconstruct one extent. */
#define BCH_EC_READ_BYTES_MAX		(128U << 20)

/* A stripe key, taken apart and checked; points into the value it was made from. */
struct bch_stripe_view {
	u16				sectors;	/* of each block */
	u8				nr_blocks;
	u8				nr_redundant;
	u8				csum_granularity_bits;
	u8				csum_type;
	u8				csum_bytes;	/* stored width of one checksum */
	u32				csums_per_block;
	const struct bch_extent_ptr	*ptrs;		/* nr_blocks of them */
	const u8			*csums;		/* block-major, packed */
};

static inline unsigned bch2_stripe_nr_data(const struct bch_stripe_view *s)
{
	return s->nr_blocks - s->nr_redundant;
}

int bch2_stripe_view(struct bch_stripe_view *s, const void *val, size_t val_bytes);
bool bch2_ptr_matches_stripe(const struct bch_stripe_view *s, const struct bch_extent_ptr *ptr,
			     unsigned block);
bool bch2_stripe_block_verify(const struct bch_stripe_view *s, unsigned block,
			      u32 start, u32 sectors, const void *data);

void bch2_ec_parity(unsigned nr_data, unsigned nr_redundant, size_t bytes, void *const *blocks);
int bch2_ec_recover(unsigned nr_data, unsigned nr_redundant, u32 failed,
		    size_t bytes, void *const *blocks);

int bch2_ec_read_extent(struct bch_fs *c, const struct extent_ptr_decoded *p,
			u64 sector, u32 sectors, void *buf);

#endif /* _BCACHEFS_DATA_EC_H */
