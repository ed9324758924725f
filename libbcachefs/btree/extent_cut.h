/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making an extent smaller at its front or at its end (spec 50 section 5).
 */
#ifndef _BCACHEFS_BTREE_EXTENT_CUT_H
#define _BCACHEFS_BTREE_EXTENT_CUT_H

#include "bcachefs_format.h"

struct bch_fs;

void bch2_cut_front(const struct bch_fs *c, struct bpos where, struct bkey_i *k);
void bch2_cut_back(struct bpos where, struct bkey_i *k);
u64 bch2_extent_sectors_compressed(const struct bch_fs *c, struct bkey_s_c k);

#endif /* _BCACHEFS_BTREE_EXTENT_CUT_H */
