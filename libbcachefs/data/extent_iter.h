/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The extents of one file as a view of one snapshot shows them, cut into pieces
 * that each come from one place: spec 61 §7.2, 51 §4.
 */
#ifndef _BCACHEFS_DATA_EXTENT_ITER_H
#define _BCACHEFS_DATA_EXTENT_ITER_H

#include "bcachefs_format.h"
#include "btree/bkey_buf.h"
#include "btree/iter.h"

struct bch_fs;

enum bch_piece_type {
	BCH_PIECE_zero,		/* reservation or unwritten: allocated, reads as zeros */
	BCH_PIECE_data,		/* .k: an extent, reflink_v or (indirect) inline data */
	BCH_PIECE_bad,		/* .err says why there is no data */
};

struct bch_file_piece {
	enum bch_piece_type	type;
	u64			start;		/* sectors of the file */
	u64			sectors;
	/* Only BCH_PIECE_data: the key, and where the piece begins in its live sectors. */
	struct bkey_s_c		k;
	u32			k_offset;
	int			err;		/* only BCH_PIECE_bad */
};

struct bch_extent_iter {
	struct bch_fs		*c;
	struct btree_trans	*trans;
	struct btree_iter	iter;		/* extents btree, view of the snapshot */
	u64			inum;
	u64			pos;		/* sectors: next to be looked at */
	u64			end;		/* sectors: pieces end here at the latest */

	bool			have_extent;
	struct bkey_buf		extent;		/* key in the extents btree that covers pos */
	struct bkey_buf		indirect;	/* what it points to, if it is a reflink_p */
};

int bch2_extent_iter_init(struct bch_extent_iter *it, struct bch_fs *c, u32 snapshot, u64 inum,
			  u64 start, u64 end);
void bch2_extent_iter_exit(struct bch_extent_iter *it);
int bch2_extent_iter_next(struct bch_extent_iter *it, struct bch_file_piece *piece);

#endif /* _BCACHEFS_DATA_EXTENT_ITER_H */
