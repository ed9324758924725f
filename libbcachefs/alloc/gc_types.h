/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a recount of allocations collects (spec 43 §4.1). Data declarations only;
 * functions are in alloc/gc.h.
 */
#ifndef _BCACHEFS_ALLOC_GC_TYPES_H
#define _BCACHEFS_ALLOC_GC_TYPES_H

#include <linux/mutex.h>
#include <linux/types.h>

#include "bcachefs_format.h"

/* One bucket as counted. */
struct bucket_gc {
	u8			gen;
	bool			gen_valid;	/* there is an alloc key */
	u8			data_type;
	u32			dirty_sectors;
	u32			cached_sectors;
	u32			stripe_sectors;
};

/* One stripe as counted; block counts saturate. */
struct gc_stripe {
	u64			idx;
	u16			sectors;
	u8			nr_blocks;
	u8			nr_redundant;
	struct bch_extent_ptr	ptrs[BCH_STRIPE_BLOCKS_MAX];
	u16			block_sectors[BCH_STRIPE_BLOCKS_MAX];
};

/* One shared extent: [end - size, end) of the reflink btree. */
struct gc_indirect {
	u64			end;
	u32			size;
	u64			refs;
};

struct bch_gc {
	struct mutex		lock;		/* covers everything below */
	struct bucket_gc	*buckets[BCH_SB_MEMBERS_MAX];
	u64			nbuckets[BCH_SB_MEMBERS_MAX];
	struct gc_stripe	**stripes;	/* ascending idx */
	u32			nr_stripes;
	u32			stripes_size;
	struct gc_indirect	*indirect;	/* ascending end */
	u64			nr_indirect;
	u64			indirect_size;
};

#endif /* _BCACHEFS_ALLOC_GC_TYPES_H */
