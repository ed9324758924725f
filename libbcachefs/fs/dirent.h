/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Directory entries (spec 60 §11): values of the dirents btree. The accessors
 * never look past the value, whatever its length bytes say; what they return
 * points into the key and lives as long as it.
 */
#ifndef _BCACHEFS_FS_DIRENT_H
#define _BCACHEFS_FS_DIRENT_H

#include "bcachefs_format.h"
#include "btree/bkey_val.h"

struct bch_fs;
struct bkey_validate_context;
struct printbuf;

/* What a dirent names. */
struct bch_dirent_target {
	u8			type;		/* d_type */
	u64			inum;		/* unless type is DT_SUBVOL */
	u32			child_subvol;	/* DT_SUBVOL only */
	u32			parent_subvol;	/* DT_SUBVOL only */
};

u8 bch2_dirent_type(struct bkey_s_c k);
bool bch2_dirent_casefold(struct bkey_s_c k);
struct bch_bytes bch2_dirent_get_name(struct bkey_s_c k);
struct bch_bytes bch2_dirent_get_casefold_name(struct bkey_s_c k);
struct bch_bytes bch2_dirent_get_lookup_name(struct bkey_s_c k);
struct bch_dirent_target bch2_dirent_get_target(struct bkey_s_c k);
const char *bch2_d_type_str(unsigned int type);

int bch2_dirent_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from);
void bch2_dirent_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

#define bch2_bkey_ops_dirent ((struct bkey_ops) {		\
	.key_validate	= bch2_dirent_validate,			\
	.val_to_text	= bch2_dirent_to_text,			\
	.min_val_size	= 16,					\
})

#endif /* _BCACHEFS_FS_DIRENT_H */
