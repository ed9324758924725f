/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Backpointers: from a place on a device to the key that points there
 * (spec 42 §6, §7). The position holds the device address shifted left, to make
 * room for several live fragments of one encoded extent; by how much is a
 * superblock field that not every writer obeys, so everything here takes the
 * shift as an argument.
 */
#ifndef _BCACHEFS_ALLOC_BACKPOINTERS_H
#define _BCACHEFS_ALLOC_BACKPOINTERS_H

#include "bcachefs_format.h"

struct bch_fs;
struct bch_dev;
struct bkey_validate_context;
struct btree_trans;
struct extent_ptr_decoded;
struct printbuf;

/* Shift used where the superblock does not give one, and by kernels that ignore it. */
#define BACKPOINTER_SHIFT_DEFAULT	10

/* Backpointer as computed from a pointing key. */
struct backpointer_key {
	bool			stripe_btree;	/* lives in stripe_backpointers */
	struct bpos		pos;
	struct bch_backpointer	v;
};

/* Sector on the device that position @pos refers to. */
static inline u64 backpointer_pos_sector(struct bpos pos, unsigned int shift)
{
	return pos.offset >> shift;
}

/* Bucket in which the range described by @pos lies; @bucket_size in sectors. */
static inline struct bpos backpointer_pos_bucket(struct bpos pos, unsigned int shift,
						 unsigned int bucket_size)
{
	return POS(pos.inode, (pos.offset >> shift) / bucket_size);
}

unsigned int bch2_backpointer_shift(const struct bch_fs *c);
int bch2_backpointer_shift_detect(struct btree_trans *trans, unsigned int *shift);
struct bpos bch2_bucket_backpointers_start(struct bpos bucket, unsigned int bucket_size,
					   unsigned int shift);
struct bpos bch2_bucket_backpointers_end(struct bpos bucket, unsigned int bucket_size,
					 unsigned int shift);
struct backpointer_key bch2_ptr_to_backpointer(struct bch_fs *c, enum btree_id btree,
					       unsigned int level, struct bkey_s_c k,
					       const struct extent_ptr_decoded *p,
					       unsigned int shift);
unsigned int bch2_ptr_data_type(const struct bkey *k, const struct extent_ptr_decoded *p);

int bch2_backpointer_validate(struct bch_fs *c, struct bkey_s_c k,
			      struct bkey_validate_context from);
void bch2_backpointer_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

#define bch2_bkey_ops_backpointer ((struct bkey_ops) {		\
	.key_validate	= bch2_backpointer_validate,		\
	.val_to_text	= bch2_backpointer_to_text,		\
	.min_val_size	= 32,					\
})

#endif /* _BCACHEFS_ALLOC_BACKPOINTERS_H */
