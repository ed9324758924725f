/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From an inode to its path, by backpointers (spec 60 section 9).
 */
#ifndef _BCACHEFS_PATH_H
#define _BCACHEFS_PATH_H

#include <linux/types.h>

struct bch_fs;
struct bch_subvol_inum;
struct printbuf;

int bch2_inum_to_path(struct printbuf *out, struct bch_fs *c, const struct bch_subvol_inum *inum);

#endif /* _BCACHEFS_PATH_H */
