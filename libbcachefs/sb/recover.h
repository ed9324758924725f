/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Finding superblocks on a device whose layout is lost, and making one from
 * that of another member (spec 10 section 11, spec 73 section 3). Only reads.
 */
#ifndef _BCACHEFS_SB_RECOVER_H
#define _BCACHEFS_SB_RECOVER_H

#include "bcachefs.h"

/* A search; what it found best is in .best. */
struct bch_sb_scan {
	struct bch_sb_handle	*dev;		/* open device */
	struct bch_opts		opts;

	/* Told of each valid superblock, and of each that is not valid. May be NULL. */
	void			(*found)(struct bch_sb_scan *, const struct bch_sb *, u64 sector);
	void			(*bad)(struct bch_sb_scan *, u64 sector, const char *reason);
	void			*priv;

	struct bch_sb_handle	best;		/* .sb is NULL: nothing found */
	unsigned		nr_found;
	unsigned		nr_bad;
	u64			budget;		/* bytes of candidates that may still be read */
};

void bch2_sb_scan_init(struct bch_sb_scan *, struct bch_sb_handle *dev, const struct bch_opts *);
int bch2_sb_scan_range(struct bch_sb_scan *, u64 start, u64 end);
int bch2_sb_scan_at(struct bch_sb_scan *, u64 sector);
void bch2_sb_scan_exit(struct bch_sb_scan *);

u64 bch2_sb_last_mount(const struct bch_sb *);

int bch2_sb_from_member(struct bch_sb_handle *dst, const struct bch_sb *src, unsigned dev_idx,
			u64 dev_sectors, struct printbuf *err);

/* Do all copies on a device agree? Returns the number of problems told in @out. */
int bch2_sb_check_copies(struct bch_sb_handle *dev, struct printbuf *out);

#endif /* _BCACHEFS_SB_RECOVER_H */
