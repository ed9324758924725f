/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Opening, starting and stopping a filesystem (spec 31 sections 2 to 6).
 *
 * A filesystem is opened from one superblock per device given, started once,
 * and stopped.
 */
#ifndef _BCACHEFS_INIT_FS_H
#define _BCACHEFS_INIT_FS_H

#include "bcachefs.h"

struct bch_fs *bch2_fs_open(const char *const *paths, unsigned nr, struct bch_opts *opts);
int bch2_fs_start(struct bch_fs *c);
int bch2_fs_stop(struct bch_fs *c);

#endif /* _BCACHEFS_INIT_FS_H */
