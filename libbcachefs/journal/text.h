/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Journal entries for people (spec 70 section 9.2.4).
 */
#ifndef _BCACHEFS_JOURNAL_TEXT_H
#define _BCACHEFS_JOURNAL_TEXT_H

#include "bcachefs.h"

struct journal_replay;

const char *bch2_jset_entry_type_name(unsigned type);

void bch2_journal_entry_to_text(struct printbuf *out, struct bch_fs *c,
				const struct jset_entry *entry);
void __bch2_journal_entry_to_text(struct printbuf *out, struct bch_fs *c,
				  const struct jset_entry *entry, bool values);
void bch2_jset_to_text(struct printbuf *out, struct bch_fs *c, const struct jset *j);
void bch2_journal_replay_header_to_text(struct printbuf *out, struct bch_fs *c,
					const struct journal_replay *r);

unsigned bch2_jset_entry_log_len(const struct jset_entry *entry);
bool bch2_jset_entry_datetime(const struct jset_entry *entry, u64 *secs);

#endif /* _BCACHEFS_JOURNAL_TEXT_H */
