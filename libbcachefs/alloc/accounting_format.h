/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Usage counters: the name of a counter set is its key's position, the value
 * up to three signed numbers (spec 41 §2). Data declarations only.
 */
#ifndef _BCACHEFS_ALLOC_ACCOUNTING_FORMAT_H
#define _BCACHEFS_ALLOC_ACCOUNTING_FORMAT_H

#include "alloc/replicas_format.h"
#include "btree/bkey_format.h"

#define BCH_ACCOUNTING_MAX_COUNTERS	3

struct bch_accounting {
	struct bch_val		v;
	__le64			d[];		/* signed */
} __packed __aligned(8);

/* x(number, name, counters) */
#define BCH_DISK_ACCOUNTING_TYPES(x)						\
	x( 0, nr_inodes,		1)					\
	x( 1, persistent_reserved,	1)					\
	x( 2, replicas,			1)					\
	x( 3, dev_data_type,		3)					\
	x( 4, compression,		3)					\
	x( 5, snapshot,			1)					\
	x( 6, btree,			3)					\
	x( 7, rebalance_work,		1)					\
	x( 8, inum,			3)					\
	x( 9, reconcile_work,		2)					\
	x(10, dev_leaving,		1)

enum disk_accounting_type {
#define x(nr, name, counters)	BCH_DISK_ACCOUNTING_##name = nr,
	BCH_DISK_ACCOUNTING_TYPES(x)
#undef x
	BCH_DISK_ACCOUNTING_TYPE_NR,
};

/*
 * The name: type byte, then the fields of the type without padding, then
 * zeros. As a position the twenty bytes are reversed (spec 41 §2.1); the
 * conversion belongs to alloc/accounting.
 */
struct disk_accounting_pos {
	__u8			type;
	union {
		struct {
			__u8	nr_replicas;
		} __packed	persistent_reserved;
		struct bch_replicas_entry_v1 replicas;
		struct {
			__u8	dev;
			__u8	data_type;
		} __packed	dev_data_type;
		struct {
			__u8	type;
		} __packed	compression;
		struct {
			__le32	id;
		} __packed	snapshot;
		struct {
			__le32	id;
		} __packed	btree;
		struct {
			__le64	inum;
		} __packed	inum;
		struct {
			__u8	type;
		} __packed	reconcile_work;
		struct {
			__le32	dev;
		} __packed	dev_leaving;
		__u8		bytes[19];
	} __packed;
} __packed;

static_assert(sizeof(struct disk_accounting_pos) == sizeof(struct bpos));

#endif /* _BCACHEFS_ALLOC_ACCOUNTING_FORMAT_H */
