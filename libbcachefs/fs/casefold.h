/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Folding names of casefolded directories (spec 60 section 12).
 */
#ifndef _BCACHEFS_CASEFOLD_H
#define _BCACHEFS_CASEFOLD_H

#include <linux/types.h>

struct bch_fs;

int bch2_casefold_init(struct bch_fs *c);
void bch2_casefold_exit(struct bch_fs *c);
int bch2_casefold(struct bch_fs *c, const char *name, unsigned len, u8 *dst, unsigned *dst_len);

#endif /* _BCACHEFS_CASEFOLD_H */
