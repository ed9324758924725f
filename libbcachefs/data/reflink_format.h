/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared extents: the pointer in the extents btree and the counted values in
 * the reflink btree (spec 51 §2). Data declarations only.
 */
#ifndef _BCACHEFS_DATA_REFLINK_FORMAT_H
#define _BCACHEFS_DATA_REFLINK_FORMAT_H

#include "btree/bkey_format.h"
#include "util/le_bits.h"

struct bch_reflink_p {
	struct bch_val		v;
	__le64			idx_flags;
	__le32			front_pad;	/* sectors referenced before idx */
	__le32			back_pad;	/* sectors referenced after the end */
} __packed __aligned(8);

static_assert(sizeof(struct bch_reflink_p) == 16);

LE64_BITMASK(REFLINK_P_IDX,			struct bch_reflink_p, idx_flags,  0, 56)
LE64_BITMASK(REFLINK_P_ERROR,			struct bch_reflink_p, idx_flags, 56, 57)
LE64_BITMASK(REFLINK_P_MAY_UPDATE_OPTIONS,	struct bch_reflink_p, idx_flags, 57, 58)

struct bch_reflink_v {
	struct bch_val		v;
	__le64			refcount;
	__le64			start[];	/* extent entries */
} __packed __aligned(8);

static_assert(sizeof(struct bch_reflink_v) == 8);

struct bch_indirect_inline_data {
	struct bch_val		v;
	__le64			refcount;
	__u8			data[];
} __packed __aligned(8);

static_assert(sizeof(struct bch_indirect_inline_data) == 8);

#endif /* _BCACHEFS_DATA_REFLINK_FORMAT_H */
