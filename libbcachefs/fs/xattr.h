/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Extended attributes (spec 60 §13): values of the xattrs btree, and bounded
 * access to what is in them.
 */
#ifndef _BCACHEFS_FS_XATTR_H
#define _BCACHEFS_FS_XATTR_H

#include "bcachefs_format.h"
#include "btree/bkey_val.h"

struct bch_fs;
struct bkey_validate_context;
struct printbuf;

unsigned int bch2_xattr_type(struct bkey_s_c k);
struct bch_bytes bch2_xattr_get_name(struct bkey_s_c k);
struct bch_bytes bch2_xattr_get_value(struct bkey_s_c k);
const char *bch2_xattr_prefix(unsigned int type);

int bch2_xattr_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from);
void bch2_xattr_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

#define bch2_bkey_ops_xattr ((struct bkey_ops) {		\
	.key_validate	= bch2_xattr_validate,			\
	.val_to_text	= bch2_xattr_to_text,			\
	.min_val_size	= 8,					\
})

#endif /* _BCACHEFS_FS_XATTR_H */
