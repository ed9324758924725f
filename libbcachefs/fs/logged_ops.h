/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Operations that take several transactions and record how far they got
 * (spec 60 §17, 52 §11): values of class 0 of the logged_ops btree.
 */
#ifndef _BCACHEFS_FS_LOGGED_OPS_H
#define _BCACHEFS_FS_LOGGED_OPS_H

#include "bcachefs_format.h"

struct bch_fs;
struct printbuf;

void bch2_logged_op_truncate_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);
void bch2_logged_op_finsert_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);
void bch2_logged_op_stripe_update_to_text(struct printbuf *out, struct bch_fs *c,
					  struct bkey_s_c k);

#define bch2_bkey_ops_logged_op_truncate ((struct bkey_ops) {		\
	.val_to_text	= bch2_logged_op_truncate_to_text,		\
	.min_val_size	= 24,						\
})

#define bch2_bkey_ops_logged_op_finsert ((struct bkey_ops) {		\
	.val_to_text	= bch2_logged_op_finsert_to_text,		\
	.min_val_size	= 24,						\
})

#define bch2_bkey_ops_logged_op_stripe_update ((struct bkey_ops) {	\
	.val_to_text	= bch2_logged_op_stripe_update_to_text,		\
	.min_val_size	= 40,						\
})

#endif /* _BCACHEFS_FS_LOGGED_OPS_H */
