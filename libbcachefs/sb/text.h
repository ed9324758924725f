/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Superblocks for people: what show-super prints (spec 70 section 7.1).
 */
#ifndef _BCACHEFS_SB_TEXT_H
#define _BCACHEFS_SB_TEXT_H

#include "bcachefs_format.h"

struct bch_fs;
struct printbuf;

/* Columns where values start: in the full text, and of a section on its own. */
#define BCH_SB_TEXT_COLUMN		43
#define BCH_SB_TEXT_COLUMN_SECTION	31

void bch2_sb_label_to_text(struct printbuf *, unsigned column, const char *label);
void bch2_sb_time_to_text(struct printbuf *, u64 secs);
void bch2_sb_version_to_text(struct printbuf *, unsigned version);
void bch2_sb_layout_to_text(struct printbuf *, const struct bch_sb_layout *);
void bch2_sb_opts_to_text(struct printbuf *, struct bch_fs *, struct bch_sb *);
void bch2_sb_header_to_text(struct printbuf *, struct bch_fs *, struct bch_sb *);
void bch2_sb_field_to_text(struct printbuf *, struct bch_fs *, struct bch_sb *,
			   struct bch_sb_field *);
void bch2_sb_to_text(struct printbuf *, struct bch_fs *, struct bch_sb *, bool print_layout,
		     unsigned long fields_mask);

/* Which superblock a member's own lines belong to: names for show-super. */
struct bch_sb_dev_name {
	const char	*path;		/* NULL: not found */
	const char	*model;		/* NULL: unknown */
	const char	*serial;	/* NULL: unknown */
};

void bch2_sb_member_block_to_text(struct printbuf *, struct bch_sb *, unsigned idx,
				  const struct bch_sb_dev_name *, unsigned column);

#endif /* _BCACHEFS_SB_TEXT_H */
