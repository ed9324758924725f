/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Positions in the lru btree: three kinds of lists in one (spec 42 §4). The
 * value is empty since 0.26; the older KEY_TYPE_lru is only validated and shown.
 */
#ifndef _BCACHEFS_ALLOC_LRU_H
#define _BCACHEFS_ALLOC_LRU_H

#include "bcachefs_format.h"

struct bch_fs;
struct bkey_validate_context;
struct printbuf;

static inline u16 lru_pos_id(struct bpos pos)
{
	return pos.inode >> LRU_TIME_BITS;
}

static inline u64 lru_pos_time(struct bpos pos)
{
	return pos.inode & LRU_TIME_MAX;
}

static inline struct bpos lru_pos(u16 id, u64 object, u64 time)
{
	return POS((u64) id << LRU_TIME_BITS | (time & LRU_TIME_MAX), object);
}

static inline enum bch_lru_type lru_type(struct bpos pos)
{
	switch (lru_pos_id(pos)) {
	case BCH_LRU_FRAGMENTATION_START:	return BCH_LRU_fragmentation;
	case BCH_LRU_STRIPES:			return BCH_LRU_stripes;
	default:				return BCH_LRU_read;
	}
}

u64 bch2_alloc_lru_idx_read(const struct bch_alloc_v4 *a);
u64 bch2_alloc_lru_idx_fragmentation(const struct bch_alloc_v4 *a, unsigned int bucket_size);
void bch2_lru_pos_to_text(struct printbuf *out, struct bpos pos);

int bch2_lru_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from);
void bch2_lru_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

#define bch2_bkey_ops_lru ((struct bkey_ops) {			\
	.key_validate	= bch2_lru_validate,			\
	.val_to_text	= bch2_lru_to_text,			\
	.min_val_size	= 8,					\
})

#endif /* _BCACHEFS_ALLOC_LRU_H */
