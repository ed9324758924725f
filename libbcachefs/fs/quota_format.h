/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Quota limits (spec 60 §16). Data declarations only.
 */
#ifndef _BCACHEFS_FS_QUOTA_FORMAT_H
#define _BCACHEFS_FS_QUOTA_FORMAT_H

#include "btree/bkey_format.h"

/* x(number, name): inode field of the position */
#define BCH_QUOTA_TYPES(x)							\
	x(0, usr)								\
	x(1, grp)								\
	x(2, prj)

enum bch_quota_types {
#define x(nr, name)		QTYP_##name = nr,
	BCH_QUOTA_TYPES(x)
#undef x
	QTYP_NR,
};

/* x(number, name): what is limited */
#define BCH_QUOTA_COUNTERS(x)							\
	x(0, space)								\
	x(1, inodes)

enum bch_quota_counters {
#define x(nr, name)		Q_##name = nr,
	BCH_QUOTA_COUNTERS(x)
#undef x
	Q_COUNTERS,
};

struct bch_quota_counter {
	__le64			hardlimit;	/* sectors or inodes; 0 none */
	__le64			softlimit;
} __packed __aligned(8);

struct bch_quota {
	struct bch_val		v;
	struct bch_quota_counter c[2];
} __packed __aligned(8);

static_assert(sizeof(struct bch_quota) == 32);

#endif /* _BCACHEFS_FS_QUOTA_FORMAT_H */
