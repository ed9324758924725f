/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Nodes of snapshot trees and the trees themselves (spec 61 §3, §5).
 * Values may be shorter than the structs: what is missing is zero.
 * Data declarations only.
 */
#ifndef _BCACHEFS_SNAPSHOTS_SNAPSHOT_FORMAT_H
#define _BCACHEFS_SNAPSHOTS_SNAPSHOT_FORMAT_H

#include "btree/bkey_format.h"
#include "util/le_bits.h"

struct bch_snapshot {
	struct bch_val		v;
	__le32			flags;
	__le32			parent;
	__le32			children[2];
	__le32			subvol;
	__le32			tree;
	__le32			depth;
	__le32			skip[3];
	__le64			btime_lo;
	__le64			btime_hi;
} __packed __aligned(8);

static_assert(sizeof(struct bch_snapshot) == 56);
static_assert(offsetof(struct bch_snapshot, subvol) == 16);
static_assert(offsetof(struct bch_snapshot, depth) == 24);
static_assert(offsetof(struct bch_snapshot, btime_lo) == 40);

LE32_BITMASK(BCH_SNAPSHOT_WILL_DELETE,	struct bch_snapshot, flags, 0, 1)
LE32_BITMASK(BCH_SNAPSHOT_SUBVOL,	struct bch_snapshot, flags, 1, 2)
LE32_BITMASK(BCH_SNAPSHOT_DELETED,	struct bch_snapshot, flags, 2, 3)
LE32_BITMASK(BCH_SNAPSHOT_NO_KEYS,	struct bch_snapshot, flags, 3, 4)

struct bch_snapshot_tree {
	struct bch_val		v;
	__le32			master_subvol;
	__le32			root_snapshot;
} __packed __aligned(8);

static_assert(sizeof(struct bch_snapshot_tree) == 8);

#endif /* _BCACHEFS_SNAPSHOTS_SNAPSHOT_FORMAT_H */
