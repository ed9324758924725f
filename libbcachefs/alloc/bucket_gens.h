/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keys of the bucket_gens btree: the generations of 256 consecutive buckets in
 * one value (spec 42 §5). Positions convert between the two btrees here.
 */
#ifndef _BCACHEFS_ALLOC_BUCKET_GENS_H
#define _BCACHEFS_ALLOC_BUCKET_GENS_H

#include "bcachefs_format.h"

struct bch_fs;
struct bkey_validate_context;
struct printbuf;

/* Position of the key that holds the generation of @bucket, and its index in there. */
static inline struct bpos bucket_gens_pos(struct bpos bucket, unsigned int *idx)
{
	*idx = bucket.offset & KEY_TYPE_BUCKET_GENS_MASK;
	return POS(bucket.inode, bucket.offset >> KEY_TYPE_BUCKET_GENS_BITS);
}

/* The bucket described by byte @idx of the key at @pos. */
static inline struct bpos bucket_gens_pos_to_bucket(struct bpos pos, unsigned int idx)
{
	return POS(pos.inode, (pos.offset << KEY_TYPE_BUCKET_GENS_BITS) + idx);
}

int bch2_bucket_gens_validate(struct bch_fs *c, struct bkey_s_c k,
			      struct bkey_validate_context from);
void bch2_bucket_gens_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

#define bch2_bkey_ops_bucket_gens ((struct bkey_ops) {		\
	.key_validate	= bch2_bucket_gens_validate,		\
	.val_to_text	= bch2_bucket_gens_to_text,		\
})

#endif /* _BCACHEFS_ALLOC_BUCKET_GENS_H */
