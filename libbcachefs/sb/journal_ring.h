/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sections journal and journal_v2: which buckets of a device form its journal
 * ring, in ring order (spec 10 sections 9.1, 9.2).
 */
#ifndef _BCACHEFS_SB_JOURNAL_RING_H
#define _BCACHEFS_SB_JOURNAL_RING_H

#include "bcachefs.h"

struct bch_sb_text;

int bch2_journal_ring_init(struct bch_dev *, struct printbuf *err);
void bch2_journal_ring_exit(struct bch_dev *);

int bch2_sb_journal_validate(struct bch_sb *, struct bch_sb_field *, unsigned,
			     struct printbuf *);
void bch2_sb_journal_to_text(struct printbuf *, struct bch_sb *, struct bch_sb_field *,
			     const struct bch_sb_text *);
int bch2_sb_journal_v2_validate(struct bch_sb *, struct bch_sb_field *, unsigned,
				struct printbuf *);
void bch2_sb_journal_v2_to_text(struct printbuf *, struct bch_sb *, struct bch_sb_field *,
				const struct bch_sb_text *);

#endif /* _BCACHEFS_SB_JOURNAL_RING_H */
