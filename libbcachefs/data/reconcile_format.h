/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pending background work as keys record it (spec 53 §2, §3, §6).
 *
 * Data declarations only.
 */
#ifndef _BCACHEFS_DATA_RECONCILE_FORMAT_H
#define _BCACHEFS_DATA_RECONCILE_FORMAT_H

#include "data/extents_format.h"
#include "util/le_bits.h"

/* Options an extent should have, and what has to be done for it (§3.1). */
struct bch_extent_reconcile {
	__le64			w;
} __packed __aligned(8);

static_assert(sizeof(struct bch_extent_reconcile) == 8);

#define RECONCILE_FIELD(name, first, end)					\
	LE64_BITMASK(RECONCILE_##name, struct bch_extent_reconcile, w, first, end)

RECONCILE_FIELD(TYPE,				 0,  8)
RECONCILE_FIELD(PTRS_MOVING,			10, 15)
RECONCILE_FIELD(HIPRI,				15, 16)
RECONCILE_FIELD(PENDING,			16, 17)
RECONCILE_FIELD(NEED_RB,			17, 22)
RECONCILE_FIELD(DATA_REPLICAS_FROM_INODE,	22, 23)
RECONCILE_FIELD(DATA_CHECKSUM_FROM_INODE,	23, 24)
RECONCILE_FIELD(ERASURE_CODE_FROM_INODE,	24, 25)
RECONCILE_FIELD(BACKGROUND_COMPRESSION_FROM_INODE, 25, 26)
RECONCILE_FIELD(BACKGROUND_TARGET_FROM_INODE,	26, 27)
RECONCILE_FIELD(PROMOTE_TARGET_FROM_INODE,	27, 28)
RECONCILE_FIELD(DATA_REPLICAS,			28, 31)
RECONCILE_FIELD(DATA_CHECKSUM,			31, 35)		/* option numbering */
RECONCILE_FIELD(ERASURE_CODE,			35, 36)
RECONCILE_FIELD(BACKGROUND_COMPRESSION,		36, 44)
RECONCILE_FIELD(BACKGROUND_TARGET,		44, 54)
RECONCILE_FIELD(PROMOTE_TARGET,			54, 64)

#undef RECONCILE_FIELD

/* x(bit, name): bits of NEED_RB */
#define BCH_RECONCILE_OPTS(x)							\
	x(0, data_replicas)							\
	x(1, data_checksum)							\
	x(2, erasure_code)							\
	x(3, background_compression)						\
	x(4, background_target)

enum bch_reconcile_opt {
#define x(nr, name)		BCH_RECONCILE_OPT_##name = nr,
	BCH_RECONCILE_OPTS(x)
#undef x
	BCH_RECONCILE_OPT_NR,
};

/* Back reference of a node pointer into reconcile_scan (§3.3). */
struct bch_extent_reconcile_bp {
	__le64			w;
} __packed __aligned(8);

static_assert(sizeof(struct bch_extent_reconcile_bp) == 8);

LE64_BITMASK(RECONCILE_BP_TYPE,	struct bch_extent_reconcile_bp, w, 0,  9)
LE64_BITMASK(RECONCILE_BP_IDX,	struct bch_extent_reconcile_bp, w, 9, 64)

/* Classes of work; also inode fields of node work in reconcile_scan (§2). */
#define BCH_RECONCILE_WORK_IDS(x)						\
	x(0, none)								\
	x(1, hipri)								\
	x(2, normal)								\
	x(3, pending)

enum bch_reconcile_work_id {
#define x(nr, name)		RECONCILE_WORK_##name = nr,
	BCH_RECONCILE_WORK_IDS(x)
#undef x
	RECONCILE_WORK_NR,
};

/* Offsets of scan cookies at inode 0 of reconcile_scan (§6). */
#define RECONCILE_SCAN_COOKIE_fs	0
#define RECONCILE_SCAN_COOKIE_metadata	1
#define RECONCILE_SCAN_COOKIE_pending	2
#define RECONCILE_SCAN_COOKIE_stripes	3
#define RECONCILE_SCAN_COOKIE_device	32	/* + member index */
#define RECONCILE_SCAN_COOKIE_inum	4096	/* inode numbers from here on */

/* Kinds of work that are accounted (spec 41 §2.3). */
#define BCH_RECONCILE_ACCOUNTING(x)						\
	x(0, replicas)								\
	x(1, checksum)								\
	x(2, erasure_code)							\
	x(3, compression)							\
	x(4, target)								\
	x(5, high_priority)							\
	x(6, pending)								\
	x(7, stripes)

enum bch_reconcile_accounting_type {
#define x(nr, name)		BCH_RECONCILE_ACCOUNTING_##name = nr,
	BCH_RECONCILE_ACCOUNTING(x)
#undef x
	BCH_RECONCILE_ACCOUNTING_NR,
};

#endif /* _BCACHEFS_DATA_RECONCILE_FORMAT_H */
