/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Is this superblock valid? Every refusal is a private error code of class
 * invalid_sb and a text that says what is wrong (spec 10 sections 3.1, 8).
 */
#ifndef _BCACHEFS_SB_VALIDATE_H
#define _BCACHEFS_SB_VALIDATE_H

#include "bcachefs_format.h"

struct bch_opts;
struct bch_sb_handle;
struct printbuf;

bool bch2_is_sb_magic(const __uuid_t *);

int bch2_sb_layout_validate(const struct bch_sb_layout *, struct printbuf *err);
int bch2_sb_version_validate(const struct bch_sb *, struct printbuf *err);
int bch2_sb_csum_validate(const struct bch_sb *, struct printbuf *err);
int bch2_sb_validate(struct bch_sb *, const struct bch_opts *, u64 read_offset,
		     unsigned flags, struct printbuf *err);

int bch2_sb_fixup(struct bch_sb_handle *);

#endif /* _BCACHEFS_SB_VALIDATE_H */
