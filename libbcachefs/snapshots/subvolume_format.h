/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Subvolumes (spec 61 §6). Values may be shorter than the struct: what is
 * missing is zero. Data declarations only.
 */
#ifndef _BCACHEFS_SNAPSHOTS_SUBVOLUME_FORMAT_H
#define _BCACHEFS_SNAPSHOTS_SUBVOLUME_FORMAT_H

#include "btree/bkey_format.h"
#include "util/le_bits.h"

#define SUBVOL_ID_MAX			((1U << 31) - 1)

struct bch_subvolume {
	struct bch_val		v;
	__le32			flags;
	__le32			snapshot;
	__le64			inode;
	__le32			creation_parent;
	__le32			fs_path_parent;
	__le64			otime_lo;
	__le64			otime_hi;
} __packed __aligned(8);

static_assert(sizeof(struct bch_subvolume) == 40);
static_assert(offsetof(struct bch_subvolume, creation_parent) == 16);
static_assert(offsetof(struct bch_subvolume, otime_lo) == 24);

LE32_BITMASK(BCH_SUBVOLUME_RO,		struct bch_subvolume, flags, 0, 1)
LE32_BITMASK(BCH_SUBVOLUME_SNAP,	struct bch_subvolume, flags, 1, 2)
LE32_BITMASK(BCH_SUBVOLUME_UNLINKED,	struct bch_subvolume, flags, 2, 3)

#endif /* _BCACHEFS_SNAPSHOTS_SUBVOLUME_FORMAT_H */
