// SPDX-License-Identifier: GPL-2.0
/*
 * Section clean (spec 10 section 9.7).
 *
 * Invariant: the iterators only return sub-entries that lie completely inside
 * the section. The meaning of sub-entries belongs to the journal floor, which
 * lends its validation as a callback.
 */
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/clean.h"
#include "sb/fsck_err.h"
#include "sb/io.h"

/* Where labels of this section's text end. */
#define CLEAN_TEXT_COLUMN	16

static struct jset_entry *entry_at(const struct bch_sb_field_clean *clean, const void *e)
{
	const u8 *end = bch2_sb_field_end(&clean->field);
	const size_t left = (const u8 *) e < end ? end - (const u8 *) e : 0;
	const struct jset_entry *entry = e;

	if (left < sizeof(*entry) ||
	    (1 + (size_t) le16_to_cpu(entry->u64s)) * sizeof(u64) > left)
		return NULL;
	return (struct jset_entry *) entry;
}

/**
 * bch2_sb_clean_entry_first() - first sub-entry of a clean section
 * @clean:	section of at least its fixed size
 *
 * Return: the sub-entry or NULL.
 */
struct jset_entry *bch2_sb_clean_entry_first(const struct bch_sb_field_clean *clean)
{
	if (bch2_sb_field_bytes(&clean->field) < sizeof(*clean))
		return NULL;
	return entry_at(clean, clean->_data);
}

/**
 * bch2_sb_clean_entry_next() - the sub-entry behind another one
 * @clean:	section
 * @e:		one of its sub-entries
 *
 * Return: the sub-entry or NULL.
 */
struct jset_entry *bch2_sb_clean_entry_next(const struct bch_sb_field_clean *clean,
					    const struct jset_entry *e)
{
	return entry_at(clean, (const u64 *) e + 1 + le16_to_cpu(e->u64s));
}

/**
 * bch2_sb_clean_dup() - a copy of the clean section
 * @sb:		superblock
 *
 * Return: the copy, to be freed with kvfree(); NULL if there is no such section
 * or no memory; the caller tells by bch2_sb_field_get(sb, clean).
 */
struct bch_sb_field_clean *bch2_sb_clean_dup(const struct bch_sb *sb)
{
	const struct bch_sb_field_clean *clean = bch2_sb_field_get(sb, clean);
	struct bch_sb_field_clean *copy;
	size_t bytes;

	if (!clean || bch2_sb_field_bytes(&clean->field) < sizeof(*clean))
		return NULL;

	bytes = bch2_sb_field_bytes(&clean->field);
	copy = kvmalloc(bytes, GFP_KERNEL);
	if (copy)
		memcpy(copy, clean, bytes);
	return copy;
}

/**
 * bch2_sb_clean_validate_late() - check the content of a clean section
 * @c:		filesystem
 * @clean:	the section; may be changed by @validate
 * @validate:	the journal floor's check of one sub-entry
 * @priv:	passed to @validate
 *
 * A section that its sub-entries do not tile is an error of its own
 * (sb_clean_entry_overrun), counted and left to the caller: what lies before
 * the overrun has been validated.
 *
 * Return: 0, the first error of @validate, or -BCH_ERR_invalid_sb_clean.
 */
int bch2_sb_clean_validate_late(struct bch_fs *c, struct bch_sb_field_clean *clean,
				int (*validate)(struct bch_fs *, struct jset_entry *,
						unsigned version, void *priv),
				void *priv)
{
	const void *reached = clean->_data;

	for_each_clean_entry(clean, e) {
		int ret = validate(c, e, c->sb.version, priv);

		if (ret)
			return ret;
		reached = (u64 *) e + 1 + le16_to_cpu(e->u64s);
	}

	if (reached != bch2_sb_field_end(&clean->field)) {
		bch2_count_fsck_err(c, BCH_FSCK_ERR_sb_clean_entry_overrun);
		return -BCH_ERR_invalid_sb_clean;
	}
	return 0;
}

/**
 * bch2_sb_clean_validate() - early check: do the sub-entries tile the section?
 * @sb:		superblock
 * @f:		the section
 * @flags:	unused
 * @err:	what is wrong
 *
 * Return: 0 or -BCH_ERR_invalid_sb_clean.
 */
int bch2_sb_clean_validate(struct bch_sb *sb, struct bch_sb_field *f, unsigned flags,
			   struct printbuf *err)
{
	const struct bch_sb_field_clean *clean = sb_field_as(f, clean);
	const u8 *reached = (const u8 *) clean->_data;

	for_each_clean_entry(clean, e)
		reached = (const u8 *) ((u64 *) e + 1 + le16_to_cpu(e->u64s));

	if (reached != bch2_sb_field_end(f)) {
		prt_printf(err, "entry at byte %zu runs past end of section (%zu bytes)",
			   (size_t) (reached - (const u8 *) clean), bch2_sb_field_bytes(f));
		return -BCH_ERR_invalid_sb_clean;
	}
	return 0;
}

/* Nothing in it: padding at the end of the section. */
static bool entry_is_padding(const struct jset_entry *e)
{
	return e->type == BCH_JSET_ENTRY_btree_keys && !e->u64s;
}

/**
 * bch2_sb_clean_to_text() - body of section clean for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @t:		how to print sub-entries
 */
void bch2_sb_clean_to_text(struct printbuf *out, struct bch_sb *sb, struct bch_sb_field *f,
			   const struct bch_sb_text *t)
{
	const struct bch_sb_field_clean *clean = sb_field_as(f, clean);

	bch2_sb_label_to_text(out, 0, CLEAN_TEXT_COLUMN, "flags:");
	prt_printf(out, "%x\n", le32_to_cpu(clean->flags));
	bch2_sb_label_to_text(out, 0, CLEAN_TEXT_COLUMN, "journal_seq:");
	prt_printf(out, "%llu\n", le64_to_cpu(clean->journal_seq));

	for_each_clean_entry(clean, e) {
		if (entry_is_padding(e))
			continue;
		if (t->entry_to_text)
			t->entry_to_text(out, t->c, e);
		else
			prt_printf(out, "entry type %u, %u u64s", e->type, le16_to_cpu(e->u64s));
		prt_newline(out);
	}
}
