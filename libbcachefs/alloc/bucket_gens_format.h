/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Generations of 256 consecutive buckets in one key (spec 42 §5).
 * Data declarations only.
 */
#ifndef _BCACHEFS_ALLOC_BUCKET_GENS_FORMAT_H
#define _BCACHEFS_ALLOC_BUCKET_GENS_FORMAT_H

#include "btree/bkey_format.h"

#define KEY_TYPE_BUCKET_GENS_BITS	8
#define KEY_TYPE_BUCKET_GENS_NR		(1U << KEY_TYPE_BUCKET_GENS_BITS)
#define KEY_TYPE_BUCKET_GENS_MASK	(KEY_TYPE_BUCKET_GENS_NR - 1)

struct bch_bucket_gens {
	struct bch_val		v;
	__u8			gens[KEY_TYPE_BUCKET_GENS_NR];
} __packed __aligned(8);

static_assert(sizeof(struct bch_bucket_gens) == 256);

#endif /* _BCACHEFS_ALLOC_BUCKET_GENS_FORMAT_H */
