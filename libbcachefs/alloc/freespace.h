/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Positions in the freespace and need_discard btrees, both of which hold empty
 * values: all that they say is in the position (spec 42 §2, §3).
 */
#ifndef _BCACHEFS_ALLOC_FREESPACE_H
#define _BCACHEFS_ALLOC_FREESPACE_H

#include "bcachefs_format.h"

struct bch_fs;
struct printbuf;

/* Bits 56.. of a freespace offset: the upper bits of the generation gap. */
#define FREESPACE_GENBITS_SHIFT		56

struct bpos bch2_freespace_pos(struct bpos bucket, const struct bch_alloc_v4 *a);

/* Bucket named by offset @offset of device @dev in the freespace btree. */
struct btree_iter;

static inline struct bpos freespace_offset_to_bucket(u64 dev, u64 offset)
{
	return POS(dev, offset & ~(~0ULL << FREESPACE_GENBITS_SHIFT));
}

/* A need_discard entry, whichever layout it was found in. */
struct need_discard_entry {
	struct bpos		bucket;
	u64			journal_seq;	/* 0: none, or not recorded (old layout) */
};

bool bch2_need_discard_by_seq(const struct bch_fs *c);
struct bpos bch2_need_discard_pos(bool by_seq, struct bpos bucket, u64 journal_seq);
struct need_discard_entry bch2_need_discard_decode(bool by_seq, struct bpos pos);

/* freespace_init.c */
u64 bch2_alloc_leaf_end(const struct btree_iter *iter, const struct bch_dev *ca, u64 end);

/* bucket_alloc.c: or do alloc keys have to be asked? */
bool bch2_freespace_is_true(const struct bch_fs *c, const struct bch_dev *ca);

#endif /* _BCACHEFS_ALLOC_FREESPACE_H */
