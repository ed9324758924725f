/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Recovery passes that prepare or do writing, and the record of passes in the
 * superblock (spec 31 sections 12 to 15). For init/ only.
 */
#ifndef _BCACHEFS_INIT_PASSES_RW_H
#define _BCACHEFS_INIT_PASSES_RW_H

#include "bcachefs.h"

int bch2_pass_set_may_go_rw(struct bch_fs *c);
int bch2_pass_journal_replay(struct bch_fs *c);

int bch2_recovery_pass_completed(struct bch_fs *c, unsigned stable, u64 start, bool last);
int bch2_recovery_finish(struct bch_fs *c);

#endif /* _BCACHEFS_INIT_PASSES_RW_H */
