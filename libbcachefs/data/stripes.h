/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Stripe keys (spec 52 §2-§4). The value holds three arrays whose places follow
 * from its first bytes; bch2_stripe_geometry() computes and bounds them once,
 * and the accessors take the result.
 */
#ifndef _BCACHEFS_DATA_STRIPES_H
#define _BCACHEFS_DATA_STRIPES_H

#include "bcachefs_format.h"

struct bch_fs;
struct bkey_validate_context;
struct extent_ptr_decoded;
struct printbuf;

/* Where everything is in a stripe value. */
struct stripe_geometry {
	u16			sectors;		/* per block */
	u8			nr_blocks;
	u8			nr_redundant;
	u8			nr_data;
	u8			csum_type;
	u8			csum_granularity_bits;
	u8			csum_bytes;		/* of one checksum as stored; 0: none */
	unsigned int		csums_per_block;
	unsigned int		csum_granularity;	/* sectors, at most 2^16 */
	unsigned int		csums_offset;		/* bytes from the start of the value */
	unsigned int		counts_offset;
	unsigned int		val_bytes;		/* of the whole, before padding */
};

const char *bch2_stripe_geometry(struct bkey_s_c k, struct stripe_geometry *g);
const struct bch_extent_ptr *bch2_stripe_ptr(struct bkey_s_c k, const struct stripe_geometry *g,
					     unsigned int block);
unsigned int bch2_stripe_block_sectors(struct bkey_s_c k, const struct stripe_geometry *g,
				       unsigned int block);
struct bch_csum bch2_stripe_csum(struct bkey_s_c k, const struct stripe_geometry *g,
				 unsigned int block, unsigned int idx);
bool bch2_ptr_matches_stripe(struct bkey_s_c k, const struct stripe_geometry *g,
			     const struct extent_ptr_decoded *p);
bool bch2_stripe_needs_reconcile(struct bkey_s_c k);
unsigned int bch2_stripe_can_widen(struct bkey_s_c k);
u64 bch2_stripe_lru_idx(struct bkey_s_c k, const struct stripe_geometry *g);

int bch2_stripe_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from);
void bch2_stripe_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

#define bch2_bkey_ops_stripe ((struct bkey_ops) {		\
	.key_validate	= bch2_stripe_validate,			\
	.val_to_text	= bch2_stripe_to_text,			\
	.trigger	= bch2_trigger_stripe,			\
	.min_val_size	= 8,					\
})

#endif /* _BCACHEFS_DATA_STRIPES_H */
