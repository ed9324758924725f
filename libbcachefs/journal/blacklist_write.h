/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The blacklist of sequence numbers in the superblock (spec 30 sections 11.2,
 * 11.3, 11.5).
 */
#ifndef _BCACHEFS_JOURNAL_BLACKLIST_WRITE_H
#define _BCACHEFS_JOURNAL_BLACKLIST_WRITE_H

#include "bcachefs.h"

/*
 * After an unclean start, before bch2_journal_start(): bring c->journal.blacklist,
 * to which the start has added its margin, to the superblock, durably, and leave
 * a text for the first entry. Takes c->sb_lock. Writes only if something changed.
 */
int bch2_journal_blacklist_write(struct bch_fs *c);

/*
 * At the end of a start: remove ranges that nothing carries and that lie below
 * everything in the journal. In memory only, c->sb_lock held; true if the
 * superblock's section changed and is to be written.
 */
bool bch2_journal_blacklist_gc(struct bch_fs *c);

#endif /* _BCACHEFS_JOURNAL_BLACKLIST_WRITE_H */
