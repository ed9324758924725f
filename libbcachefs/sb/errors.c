// SPDX-License-Identifier: GPL-2.0
/*
 * Section errors (spec 10 section 9.11, spec 32 section 12).
 *
 * Ids that this software does not know are kept and shown by their number. The
 * section is only read here.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/errors.h"
#include "sb/fsck_err.h"
#include "sb/io.h"

/* Width of the column with the counts. */
#define ERRORS_COUNT_WIDTH	16

/**
 * bch2_sb_errors_nr() - number of entries of a section errors
 * @e:		section, or NULL
 */
unsigned bch2_sb_errors_nr(const struct bch_sb_field_errors *e)
{
	return e ? (bch2_sb_field_bytes(&e->field) - sizeof(*e)) / sizeof(e->entries[0]) : 0;
}

/**
 * bch2_sb_errors_validate() - check section errors
 * @sb:		superblock
 * @f:		the section
 * @flags:	unused
 * @err:	what is wrong
 *
 * Return: 0 or -BCH_ERR_invalid_sb_errors.
 */
int bch2_sb_errors_validate(struct bch_sb *sb, struct bch_sb_field *f, unsigned flags,
			    struct printbuf *err)
{
	const struct bch_sb_field_errors *e = sb_field_as(f, errors);
	const unsigned nr = bch2_sb_errors_nr(e);

	for (unsigned i = 0; i < nr; i++) {
		const unsigned id = BCH_SB_ERROR_ENTRY_ID(&e->entries[i]);

		if (!BCH_SB_ERROR_ENTRY_NR(&e->entries[i])) {
			prt_printf(err, "entry %u: error ", i);
			bch2_sb_error_id_to_text(err, id);
			prt_str(err, " with count 0");
			return -BCH_ERR_invalid_sb_errors;
		}
		if (i && BCH_SB_ERROR_ENTRY_ID(&e->entries[i - 1]) >= id) {
			prt_printf(err, "entries out of order: entry %u has id %u after %u",
				   i, id,
				   (unsigned) BCH_SB_ERROR_ENTRY_ID(&e->entries[i - 1]));
			return -BCH_ERR_invalid_sb_errors;
		}
	}
	return 0;
}

/* Newest first; by id among equals. */
static int error_cmp(const void *l, const void *r)
{
	const struct bch_sb_field_error_entry *a = l, *b = r;
	const u64 ta = le64_to_cpu(a->last_error_time), tb = le64_to_cpu(b->last_error_time);

	if (ta != tb)
		return ta < tb ? 1 : -1;
	return (int) BCH_SB_ERROR_ENTRY_ID(a) - (int) BCH_SB_ERROR_ENTRY_ID(b);
}

/* Blanks from byte @start of the text on, so that @width columns are used. */
static void pad_from(struct printbuf *out, unsigned start, unsigned width)
{
	const unsigned used = out->pos - start;

	prt_printf(out, "%*s", used < width ? (int) (width - used) : 1, "");
}

/**
 * bch2_sb_errors_to_text() - body of section errors for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @t:		columns
 *
 * One line per error, newest last occurrence first.
 */
void bch2_sb_errors_to_text(struct printbuf *out, struct bch_sb *sb, struct bch_sb_field *f,
			    const struct bch_sb_text *t)
{
	const struct bch_sb_field_errors *e = sb_field_as(f, errors);
	const unsigned nr = bch2_sb_errors_nr(e);
	struct bch_sb_field_error_entry *sorted;

	sorted = kvmalloc_array(nr ?: 1, sizeof(*sorted), GFP_KERNEL);
	if (!sorted)
		return;
	memcpy(sorted, e->entries, nr * sizeof(*sorted));
	sort(sorted, nr, sizeof(*sorted), error_cmp, NULL);

	for (unsigned i = 0; i < nr; i++) {
		unsigned start = out->pos;

		bch2_sb_error_id_to_text(out, BCH_SB_ERROR_ENTRY_ID(&sorted[i]));
		/* no colon here: values are one further to the right than elsewhere */
		pad_from(out, start, bch2_sb_text_column(t) + 1);

		start = out->pos;
		prt_u64(out, BCH_SB_ERROR_ENTRY_NR(&sorted[i]));
		pad_from(out, start, ERRORS_COUNT_WIDTH);
		prt_datetime(out, le64_to_cpu(sorted[i].last_error_time));
		prt_newline(out);
	}
	kvfree(sorted);
}
