/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Options that an inode carries (spec 60 section 7).
 */
#ifndef _BCACHEFS_INODE_OPTS_H
#define _BCACHEFS_INODE_OPTS_H

#include <linux/types.h>

struct bch_fs;
struct bch_inode_unpacked;
struct printbuf;

const char *bch2_inode_opt_name(unsigned id);
bool bch2_inode_opt_to_text(struct printbuf *out, struct bch_fs *c,
			    const struct bch_inode_unpacked *inode, unsigned id);

#endif /* _BCACHEFS_INODE_OPTS_H */
