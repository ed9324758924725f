/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes of the metadata version (spec 12 §5 to §7). Called by the thread that
 * starts the filesystem, in this order.
 */
#ifndef _BCACHEFS_INIT_UPGRADE_H
#define _BCACHEFS_INIT_UPGRADE_H

#include "bcachefs.h"

/* What a change of version asks of a start; stable numbers. */
struct bch_version_change {
	unsigned	from;			/* 0: there is none */
	unsigned	to;
	u64		passes;
	u64		silent[BCH_FSCK_ERR_SILENT_BITS / 64];
};

/* Before btrees are known; in the superblock in memory. */
int bch2_fs_version_downgrade(struct bch_fs *c, struct bch_version_change *ch);
int bch2_fs_version_upgrade(struct bch_fs *c, struct bch_version_change *ch);
int bch2_sb_require(struct bch_fs *c, u64 passes, const u64 *silent);

/* Roots have been read. */
int bch2_fs_upgrade_after_roots(struct bch_fs *c);
/* Passes have been selected. */
bool bch2_fs_upgrade_renames_counters(struct bch_fs *c);
/* Passes have run. */
int bch2_fs_upgrade_finish(struct bch_fs *c);

#endif /* _BCACHEFS_INIT_UPGRADE_H */
