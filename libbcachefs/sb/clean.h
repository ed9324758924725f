/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Section "clean": roots, clocks and journal sequence number of a cleanly shut
 * down filesystem (spec 10 section 9.7, section 10).
 *
 * The entries have the form of journal sub-entries. Whether their content makes
 * sense is the journal floor's business (journal/validate.h); here they are
 * only known to lie inside the section.
 */
#ifndef _BCACHEFS_SB_CLEAN_H
#define _BCACHEFS_SB_CLEAN_H

#include "bcachefs.h"

struct bch_sb_text;

struct jset_entry *bch2_sb_clean_entry_first(const struct bch_sb_field_clean *);
struct jset_entry *bch2_sb_clean_entry_next(const struct bch_sb_field_clean *,
					    const struct jset_entry *);

/* Every sub-entry of the section @_clean that lies inside it, in stored order. */
#define for_each_clean_entry(_clean, _e)					\
	for (struct jset_entry *_e = bch2_sb_clean_entry_first(_clean);		\
	     _e;								\
	     _e = bch2_sb_clean_entry_next(_clean, _e))

struct bch_sb_field_clean *bch2_sb_clean_dup(const struct bch_sb *);

/*
 * Late validation (spec 10 section 9.7): calls @validate for every sub-entry,
 * in order; the first error ends it. @validate may change the entry, which
 * must lie in memory of its own: use it on bch2_sb_clean_dup()'s copy.
 */
int bch2_sb_clean_validate_late(struct bch_fs *, struct bch_sb_field_clean *,
				int (*validate)(struct bch_fs *, struct jset_entry *,
						unsigned version, void *priv),
				void *priv);

int bch2_sb_clean_validate(struct bch_sb *, struct bch_sb_field *, unsigned,
			   struct printbuf *);
void bch2_sb_clean_to_text(struct printbuf *, struct bch_sb *, struct bch_sb_field *,
			   const struct bch_sb_text *);

#endif /* _BCACHEFS_SB_CLEAN_H */
