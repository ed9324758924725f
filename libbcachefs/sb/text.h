/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Superblocks for people: what show-super prints (spec 70 section 7.1).
 */
#ifndef _BCACHEFS_SB_TEXT_H
#define _BCACHEFS_SB_TEXT_H

#include "bcachefs_format.h"

struct bch_fs;
struct printbuf;

struct bch_sb_text;
struct jset_entry;

/* Columns where values start: in the full text, and of a section on its own. */
#define BCH_SB_TEXT_COLUMN		43
#define BCH_SB_TEXT_COLUMN_SECTION	31

/* What is known about the device of a member slot. */
struct bch_sb_dev_name {
	const char	*path;		/* NULL: not found */
	const char	*model;		/* NULL: nothing to say */
	const char	*serial;	/* NULL: nothing to say */
};

/* What to print, and what only the caller can know. */
struct bch_sb_text {
	struct bch_fs	*c;		/* NULL: just a superblock, no filesystem */
	unsigned	column;		/* where values start; 0: BCH_SB_TEXT_COLUMN */
	bool		layout;
	unsigned long	fields;		/* bitmap of section types; unknown types: bit 63 */

	/* Device of member @idx; NULL, or returns false: not found. */
	bool		(*dev_name)(const struct bch_sb_text *, unsigned idx,
				    struct bch_sb_dev_name *);
	/* Text of a sub-entry of section clean; NULL: only its type is printed. */
	void		(*entry_to_text)(struct printbuf *, struct bch_fs *,
					 const struct jset_entry *);
	void		*priv;
};

/* Sections that are printed unless told otherwise. */
#define BCH_SB_TEXT_FIELDS_DEFAULT						\
	((1UL << BCH_SB_FIELD_ext)|(1UL << BCH_SB_FIELD_members_v2)|		\
	 (1UL << BCH_SB_FIELD_errors))

/* "Label:" and blanks up to @column; @indent is the depth of the line. */
void bch2_sb_label_to_text(struct printbuf *, unsigned indent, unsigned column,
			   const char *label);
static inline unsigned bch2_sb_text_column(const struct bch_sb_text *t)
{
	return t->column ?: BCH_SB_TEXT_COLUMN;
}

void bch2_sb_version_to_text(struct printbuf *, unsigned version);
void bch2_sb_string_to_text(struct printbuf *, const void *, size_t);
void bch2_sb_data_types_to_text(struct printbuf *, unsigned long types);
const char *bch2_sb_data_type_name(unsigned type);
const char *bch2_sb_btree_name(unsigned btree);
void bch2_sb_layout_to_text(struct printbuf *, const struct bch_sb_layout *);
void bch2_sb_header_to_text(struct printbuf *, struct bch_sb *, const struct bch_sb_text *);
void bch2_sb_field_to_text(struct printbuf *, struct bch_sb *, struct bch_sb_field *,
			   const struct bch_sb_text *);
void bch2_sb_text(struct printbuf *, struct bch_sb *, const struct bch_sb_text *);
void bch2_sb_to_text(struct printbuf *, struct bch_fs *, struct bch_sb *, bool print_layout,
		     unsigned long fields_mask);

#endif /* _BCACHEFS_SB_TEXT_H */
