/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From a place on a device back to the key that points there (spec 42 §6).
 * Data declarations only.
 */
#ifndef _BCACHEFS_ALLOC_BACKPOINTER_FORMAT_H
#define _BCACHEFS_ALLOC_BACKPOINTER_FORMAT_H

#include "btree/bkey_format.h"
#include "util/le_bits.h"

struct bch_backpointer {
	struct bch_val		v;
	__u8			btree_id;	/* of the pointing key */
	__u8			level;		/* of the pointing key */
	__u8			data_type;
	__u8			bucket_gen;
	__le32			flags;
	__le32			bucket_len;	/* sectors */
	struct bpos		pos;		/* of the pointing key */
} __packed __aligned(8);

static_assert(sizeof(struct bch_backpointer) == 32);
static_assert(offsetof(struct bch_backpointer, bucket_len) == 8);
static_assert(offsetof(struct bch_backpointer, pos) == 12);

LE32_BITMASK(BACKPOINTER_RECONCILE_PHYS, struct bch_backpointer, flags, 0, 2)
LE32_BITMASK(BACKPOINTER_ERASURE_CODED,	struct bch_backpointer, flags, 2, 3)
LE32_BITMASK(BACKPOINTER_STRIPE_PTR,	struct bch_backpointer, flags, 3, 4)

#endif /* _BCACHEFS_ALLOC_BACKPOINTER_FORMAT_H */
