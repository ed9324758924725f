/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Snapshot nodes in memory (spec 61 section 4). Data declarations only;
 * functions are in btree/snapshot_table.h.
 */
#ifndef _BCACHEFS_SNAPSHOT_TABLE_TYPES_H
#define _BCACHEFS_SNAPSHOT_TABLE_TYPES_H

#include <linux/mutex.h>
#include <linux/types.h>

enum snapshot_id_state {
	SNAPSHOT_ID_empty,
	SNAPSHOT_ID_live,
	SNAPSHOT_ID_deleted,
};

struct snapshot_t {
	u8			state;		/* enum snapshot_id_state */
	u32			parent;
	u32			children[2];
	u32			depth;
	u32			skip[3];
	u32			subvol;		/* non-zero only with flag SUBVOL */
	u32			tree;
};

/*
 * Known ids. Hostile filesystems name arbitrary 32 bit ids, so the table is
 * sparse: memory follows the number of snapshot keys, not the ids.
 */
struct snapshot_table;

struct bch_fs_snapshots {
	struct mutex		lock;		/* writers */
	struct snapshot_table	*table;
	bool			verified;	/* check_snapshots has run: skips may be trusted */
};

#endif /* _BCACHEFS_SNAPSHOT_TABLE_TYPES_H */
