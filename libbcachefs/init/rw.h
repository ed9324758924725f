/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Going read-write and read-only, cleanly or in an emergency (spec 31 sections
 * 13, 17, 18.1).
 */
#ifndef _BCACHEFS_INIT_RW_H
#define _BCACHEFS_INIT_RW_H

#include "bcachefs.h"

void bch2_fs_rw_init(struct bch_fs *c);

bool bch2_write_ref_tryget(struct bch_fs *c);
void bch2_write_ref_put(struct bch_fs *c);

int bch2_fs_read_write_early(struct bch_fs *c);
int bch2_fs_read_write(struct bch_fs *c);
void bch2_fs_read_only(struct bch_fs *c);
void bch2_fs_emergency_read_only(struct bch_fs *c);

#endif /* _BCACHEFS_INIT_RW_H */
