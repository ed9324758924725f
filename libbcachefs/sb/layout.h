/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the copies of a superblock go on a device (spec 10 section 2.1).
 */
#ifndef _BCACHEFS_SB_LAYOUT_H
#define _BCACHEFS_SB_LAYOUT_H

#include "bcachefs_format.h"

struct printbuf;

/* All in sectors, except for the flag. */
struct bch_sb_placement {
	u32	block_size;
	u32	bucket_size;
	u32	sb_max_size;	/* a power of two */
	u64	start;
	u64	end;
	bool	no_copy_at_end;
};

int bch2_sb_layout_init(struct bch_sb_layout *, const struct bch_sb_placement *,
			struct printbuf *err);

#endif /* _BCACHEFS_SB_LAYOUT_H */
