/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sections with little to them: counters, downgrade, ext, extent_type_u64s,
 * journal_seq_blacklist, quota, recovery_passes (spec 10 section 9).
 */
#ifndef _BCACHEFS_SB_MISC_SECTIONS_H
#define _BCACHEFS_SB_MISC_SECTIONS_H

#include "bcachefs.h"

struct bch_sb_text;

#define SB_SECTION_VALIDATE(_name)						\
	int bch2_sb_##_name##_validate(struct bch_sb *, struct bch_sb_field *,	\
				       unsigned, struct printbuf *)
#define SB_SECTION_TO_TEXT(_name)						\
	void bch2_sb_##_name##_to_text(struct printbuf *, struct bch_sb *,	\
				       struct bch_sb_field *,			\
				       const struct bch_sb_text *)

SB_SECTION_TO_TEXT(counters);
SB_SECTION_VALIDATE(downgrade);
SB_SECTION_TO_TEXT(downgrade);
SB_SECTION_TO_TEXT(ext);
SB_SECTION_VALIDATE(extent_type_u64s);
SB_SECTION_TO_TEXT(extent_type_u64s);
SB_SECTION_VALIDATE(blacklist);
SB_SECTION_TO_TEXT(blacklist);
SB_SECTION_TO_TEXT(quota);
SB_SECTION_TO_TEXT(recovery_passes);

/* Value of a persistent counter; 0 if the section is shorter. */
u64 bch2_sb_counter(const struct bch_sb *, unsigned id);
const char *bch2_sb_counter_name(unsigned id);

/* Option bits of section ext; 0 if there is none, or none that long. */
u64 bch2_sb_ext_flags0(const struct bch_sb *);

/* Sizes of extent entry types as far as they are known: fills c->extent_type_u64s. */
void bch2_sb_extent_type_u64s_to_cpu(struct bch_fs *);

/* Names of passes by stable number; names of the passes in a stable bitmap. */
const char *bch2_sb_pass_name(unsigned stable);
void bch2_sb_passes_to_text(struct printbuf *, u64 stable);

/*
 * Entries of section downgrade, in order; *pos starts as NULL. Returns NULL at
 * the end, and at an entry that does not fit.
 */
const struct bch_sb_field_downgrade_entry *
bch2_sb_downgrade_next(const struct bch_sb_field_downgrade *,
		       const struct bch_sb_field_downgrade_entry *prev);

#endif /* _BCACHEFS_SB_MISC_SECTIONS_H */
