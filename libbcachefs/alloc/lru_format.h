/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ordered sets over buckets and stripes (spec 42 §4). The current entries are
 * positions of keys without value. Data declarations only.
 */
#ifndef _BCACHEFS_ALLOC_LRU_FORMAT_H
#define _BCACHEFS_ALLOC_LRU_FORMAT_H

#include "btree/bkey_format.h"

/* Obsolete value, from before 0.26. */
struct bch_lru {
	struct bch_val		v;
	__le64			idx;
} __packed __aligned(8);

static_assert(sizeof(struct bch_lru) == 8);

/* Upper 16 bits of the inode field; device indexes below these. */
#define BCH_LRU_FRAGMENTATION_START	0xffffU
#define BCH_LRU_STRIPES			0xfffeU

/* x(name): what an LRU orders */
#define BCH_LRU_TYPES(x)							\
	x(read)									\
	x(fragmentation)							\
	x(stripes)

enum bch_lru_type {
#define x(name)			BCH_LRU_##name,
	BCH_LRU_TYPES(x)
#undef x
};

#endif /* _BCACHEFS_ALLOC_LRU_FORMAT_H */
