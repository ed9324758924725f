/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Quota limits (spec 60 §16). Usage is not stored; it is recomputed by whoever
 * enforces limits.
 */
#ifndef _BCACHEFS_FS_QUOTA_H
#define _BCACHEFS_FS_QUOTA_H

#include "bcachefs_format.h"

struct bch_fs;
struct bkey_validate_context;
struct printbuf;

int bch2_quota_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from);
void bch2_quota_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

#define bch2_bkey_ops_quota ((struct bkey_ops) {		\
	.key_validate	= bch2_quota_validate,			\
	.val_to_text	= bch2_quota_to_text,			\
	.min_val_size	= 32,					\
})

#endif /* _BCACHEFS_FS_QUOTA_H */
