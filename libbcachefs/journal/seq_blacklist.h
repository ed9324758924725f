/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Journal sequence numbers that must be ignored wherever they turn up: in the
 * journal and in bsets (spec 30 section 11).
 */
#ifndef _BCACHEFS_JOURNAL_SEQ_BLACKLIST_H
#define _BCACHEFS_JOURNAL_SEQ_BLACKLIST_H

#include "bcachefs.h"

int bch2_blacklist_table_initialize(struct bch_fs *c);
void bch2_blacklist_table_free(struct bch_fs *c);

int bch2_journal_seq_blacklist_add(struct bch_fs *c, u64 start, u64 end);

bool bch2_journal_seq_is_blacklisted(struct bch_fs *c, u64 seq, bool dirty);
u64 bch2_journal_seq_next_blacklisted(struct bch_fs *c, u64 seq);
u64 bch2_journal_seq_next_nonblacklisted(struct bch_fs *c, u64 seq);
u64 bch2_journal_last_blacklisted_seq(struct bch_fs *c);

#endif /* _BCACHEFS_JOURNAL_SEQ_BLACKLIST_H */
