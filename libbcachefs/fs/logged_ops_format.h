/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Operations that take several transactions record themselves here
 * (spec 60 §17, 52 §11). Data declarations only.
 */
#ifndef _BCACHEFS_FS_LOGGED_OPS_FORMAT_H
#define _BCACHEFS_FS_LOGGED_OPS_FORMAT_H

#include "btree/bkey_format.h"

struct bch_logged_op_truncate {
	struct bch_val		v;
	__le32			subvol;
	__le32			pad;
	__le64			inum;
	__le64			new_i_size;	/* bytes */
} __packed __aligned(8);

static_assert(sizeof(struct bch_logged_op_truncate) == 24);

/* x(number, name) */
#define BCH_LOGGED_OP_FINSERT_STATES(x)						\
	x(0, start)								\
	x(1, shift_extents)							\
	x(2, finish)

enum logged_op_finsert_state {
#define x(nr, name)		LOGGED_OP_FINSERT_##name = nr,
	BCH_LOGGED_OP_FINSERT_STATES(x)
#undef x
};

struct bch_logged_op_finsert {
	struct bch_val		v;
	__u8			state;
	__u8			pad[3];
	__le32			subvol;
	__le64			inum;
	__le64			dst_offset;	/* sectors */
	__le64			src_offset;	/* sectors */
	__le64			pos;		/* sectors */
} __packed __aligned(8);

static_assert(sizeof(struct bch_logged_op_finsert) == 40);
static_assert(offsetof(struct bch_logged_op_finsert, inum) == 8);

struct bch_logged_op_stripe_update {
	struct bch_val		v;
	__le64			old_idx;
	__le64			new_idx;
	__u8			old_blocks_nr;
	__u8			old_block_map[16];
	__u8			pad[7];
} __packed __aligned(8);

static_assert(sizeof(struct bch_logged_op_stripe_update) == 40);

#endif /* _BCACHEFS_FS_LOGGED_OPS_FORMAT_H */
