/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Journal replay: the keys of the overlay go into the btrees (spec 22 section 9).
 */
#ifndef _BCACHEFS_JOURNAL_REPLAY_H
#define _BCACHEFS_JOURNAL_REPLAY_H

#include "bcachefs.h"

int bch2_journal_replay(struct bch_fs *c);

#endif /* _BCACHEFS_JOURNAL_REPLAY_H */
