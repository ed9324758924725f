// SPDX-License-Identifier: GPL-2.0
/*
 * Validation and text of the sections counters, downgrade, ext,
 * extent_type_u64s, journal_seq_blacklist, quota, and recovery_passes (spec 10
 * sections 9.5, 9.9, 9.10, 9.12 to 9.15).
 *
 * Every function is handed a section of at least the fixed size of its type and
 * derives the number of elements from its length. Only reads.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "data/extents_format.h"
#include "init/passes_format.h"
#include "sb/fsck_err.h"
#include "sb/io.h"
#include "sb/misc_sections.h"

/* Elements of type _elem behind the header _struct of section _f. */
#define section_nr(_f, _struct, _elem)						\
	((bch2_sb_field_bytes(_f) - sizeof(_struct)) / sizeof(_elem))

static void line(struct printbuf *out, const struct bch_sb_text *t, const char *label)
{
	bch2_sb_label_to_text(out, 0, bch2_sb_text_column(t), label);
}

/* --- counters --- */

static const char *const counter_names[] = {
#define x(id, name, ...)	[id] = #name,
	BCH_PERSISTENT_COUNTERS(x)
#undef x
};

/**
 * bch2_sb_counter_name() - name of a persistent counter
 * @id:		any number
 *
 * Return: the name, or NULL.
 */
const char *bch2_sb_counter_name(unsigned id)
{
	return id < ARRAY_SIZE(counter_names) ? counter_names[id] : NULL;
}

/**
 * bch2_sb_counter() - value of a persistent counter
 * @sb:		superblock
 * @id:		counter id
 *
 * Return: events or sectors; 0 for what is not stored.
 */
u64 bch2_sb_counter(const struct bch_sb *sb, unsigned id)
{
	const struct bch_sb_field_counters *c = bch2_sb_field_get(sb, counters);

	if (!c || id >= section_nr(&c->field, *c, c->d[0]))
		return 0;
	return le64_to_cpu(c->d[id]);
}

/**
 * bch2_sb_counters_to_text() - body of section counters for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @t:		columns
 */
void bch2_sb_counters_to_text(struct printbuf *out, struct bch_sb *sb, struct bch_sb_field *f,
			      const struct bch_sb_text *t)
{
	const struct bch_sb_field_counters *c = sb_field_as(f, counters);
	const unsigned nr = section_nr(f, *c, c->d[0]);

	for (unsigned i = 0; i < min_t(unsigned, nr, ARRAY_SIZE(counter_names)); i++) {
		line(out, t, counter_names[i]);
		prt_printf(out, "%llu\n", le64_to_cpu(c->d[i]));
	}
}

/* --- passes --- */

static const struct {
	const char	*name;
	u8		stable;
} passes[] = {
#define x(id, _name, ...)	{ #_name, id },
	BCH_RECOVERY_PASSES(x)
#undef x
};

/**
 * bch2_sb_pass_name() - name of a recovery pass
 * @stable:	stable number
 *
 * Return: the name, or NULL for unknown numbers.
 */
const char *bch2_sb_pass_name(unsigned stable)
{
	for (unsigned i = 0; i < ARRAY_SIZE(passes); i++)
		if (passes[i].stable == stable)
			return passes[i].name;
	return NULL;
}

/**
 * bch2_sb_passes_to_text() - names of passes, comma separated, in running order
 * @out:	text
 * @stable:	bitmap of stable numbers; unknown ones are left out
 */
void bch2_sb_passes_to_text(struct printbuf *out, u64 stable)
{
	bool first = true;

	for (unsigned i = 0; i < ARRAY_SIZE(passes); i++) {
		if (!(stable & (1ULL << passes[i].stable)))
			continue;
		prt_printf(out, "%s%s", first ? "" : ",", passes[i].name);
		first = false;
	}
}

/**
 * bch2_sb_recovery_passes_to_text() - body of section recovery_passes for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @t:		columns
 */
void bch2_sb_recovery_passes_to_text(struct printbuf *out, struct bch_sb *sb,
				     struct bch_sb_field *f, const struct bch_sb_text *t)
{
	const struct bch_sb_field_recovery_passes *r = sb_field_as(f, recovery_passes);
	const unsigned nr = section_nr(f, *r, r->start[0]);

	prt_printf(out, "%-*s%-26s%s\n", (int) bch2_sb_text_column(t) + 1,
		   "Pass", "Last run", "Last runtime");

	for (unsigned i = 0; i < nr; i++) {
		const struct recovery_pass_entry *e = &r->start[i];
		const char *name = bch2_sb_pass_name(i);

		if (!e->last_run)
			continue;
		if (name)
			prt_printf(out, "%-*s", (int) bch2_sb_text_column(t) + 1, name);
		else
			prt_printf(out, "(unknown pass %u)    ", i);
		prt_datetime(out, le64_to_cpu(e->last_run));
		prt_printf(out, "  %us", le32_to_cpu(e->last_runtime));
		if (BCH_RECOVERY_PASS_NO_RATELIMIT(e))
			prt_str(out, " (no ratelimit)");
		prt_newline(out);
	}
}

/* --- downgrade --- */

/**
 * bch2_sb_downgrade_next() - walk over the entries of section downgrade
 * @d:		the section
 * @prev:	the entry before, NULL to start
 *
 * Return: an entry whose errors lie inside the section, or NULL at the end.
 */
const struct bch_sb_field_downgrade_entry *
bch2_sb_downgrade_next(const struct bch_sb_field_downgrade *d,
		       const struct bch_sb_field_downgrade_entry *prev)
{
	const u8 *end = bch2_sb_field_end(&d->field);
	const u8 *p = prev ? (const u8 *) &prev->errors[le16_to_cpu(prev->nr_errors)]
			   : d->entries;
	const struct bch_sb_field_downgrade_entry *e = (const void *) p;
	const size_t left = end - p;

	if (left < sizeof(*e) ||
	    left - sizeof(*e) < le16_to_cpu(e->nr_errors) * sizeof(e->errors[0]))
		return NULL;
	return e;
}

/**
 * bch2_sb_downgrade_validate() - check section downgrade
 * @sb:		superblock
 * @f:		the section
 * @flags:	BCH_VALIDATE_write: every entry must be complete
 * @err:	what is wrong
 *
 * Return: 0 or -BCH_ERR_invalid_sb_downgrade.
 */
int bch2_sb_downgrade_validate(struct bch_sb *sb, struct bch_sb_field *f, unsigned flags,
			       struct printbuf *err)
{
	const struct bch_sb_field_downgrade *d = sb_field_as(f, downgrade);
	const unsigned major = BCH_VERSION_MAJOR(le16_to_cpu(sb->version));
	const u8 *end = bch2_sb_field_end(f);
	const u8 *p = d->entries;
	unsigned nr = 0;

	while (end - p >= sizeof(struct bch_sb_field_downgrade_entry)) {
		const struct bch_sb_field_downgrade_entry *e = (const void *) p;
		const size_t bytes = sizeof(*e) +
			le16_to_cpu(e->nr_errors) * sizeof(e->errors[0]);

		if (BCH_VERSION_MAJOR(le16_to_cpu(e->version)) != major) {
			prt_printf(err, "entry %u: version ", nr);
			bch2_sb_version_to_text(err, le16_to_cpu(e->version));
			prt_printf(err, " of another major version than the superblock (%u)",
				   major);
			return -BCH_ERR_invalid_sb_downgrade;
		}
		if (bytes > end - p) {
			if (!(flags & BCH_VALIDATE_write))
				return 0;
			prt_printf(err, "entry %u: %u errors run past end of section",
				   nr, le16_to_cpu(e->nr_errors));
			return -BCH_ERR_invalid_sb_downgrade;
		}
		p += bytes;
		nr++;
	}
	return 0;
}

/**
 * bch2_sb_downgrade_to_text() - body of section downgrade for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @t:		columns
 */
void bch2_sb_downgrade_to_text(struct printbuf *out, struct bch_sb *sb, struct bch_sb_field *f,
			       const struct bch_sb_text *t)
{
	const struct bch_sb_field_downgrade *d = sb_field_as(f, downgrade);
	const struct bch_sb_field_downgrade_entry *e = NULL;

	while ((e = bch2_sb_downgrade_next(d, e))) {
		line(out, t, "version:");
		bch2_sb_version_to_text(out, le16_to_cpu(e->version));
		prt_newline(out);

		line(out, t, "recovery passes:");
		bch2_sb_passes_to_text(out, le64_to_cpu(e->recovery_passes[0]));
		prt_newline(out);

		line(out, t, "errors:");
		for (unsigned i = 0; i < le16_to_cpu(e->nr_errors); i++) {
			if (i)
				prt_char(out, ',');
			bch2_sb_error_id_to_text(out, le16_to_cpu(e->errors[i]));
		}
		prt_newline(out);
	}
}

/* --- ext --- */

/**
 * bch2_sb_ext_flags0() - option bits of section ext
 * @sb:		superblock
 *
 * Return: the word; 0 if the section does not reach that far.
 */
u64 bch2_sb_ext_flags0(const struct bch_sb *sb)
{
	const struct bch_sb_field_ext *ext = bch2_sb_field_get(sb, ext);

	return ext && bch2_sb_field_has(ext, flags0) ? le64_to_cpu(ext->flags0) : 0;
}

/**
 * bch2_sb_ext_to_text() - body of section ext for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @t:		columns
 */
void bch2_sb_ext_to_text(struct printbuf *out, struct bch_sb *sb, struct bch_sb_field *f,
			 const struct bch_sb_text *t)
{
	const struct bch_sb_field_ext *ext = sb_field_as(f, ext);
	bool first = true;

	line(out, t, "Recovery passes required:");
	bch2_sb_passes_to_text(out, le64_to_cpu(ext->recovery_passes_required[0]));
	prt_newline(out);

	line(out, t, "Errors to silently fix:");
	for (unsigned i = 0; i < BCH_FSCK_ERR_SILENT_BITS; i++) {
		if (!(le64_to_cpu(ext->errors_silent[i / 64]) & (1ULL << i % 64)))
			continue;
		if (!first)
			prt_char(out, ',');
		first = false;
		bch2_sb_error_id_to_text(out, i);
	}
	prt_newline(out);

	line(out, t, "Btrees with missing data:");
	first = true;
	for (unsigned i = 0; i < 64; i++) {
		const char *name = bch2_sb_btree_name(i);

		if (!(le64_to_cpu(ext->btrees_lost_data) & (1ULL << i)))
			continue;
		if (!first)
			prt_char(out, ',');
		first = false;
		if (name)
			prt_str(out, name);
		else
			prt_printf(out, "(unknown btree %u)", i);
	}
	prt_newline(out);
}

/* --- extent_type_u64s --- */

static const struct {
	const char	*name;
	u8		u64s;
} extent_types[] = {
#define x(nr, _name, words)	[nr] = { #_name, words },
	BCH_EXTENT_ENTRY_TYPES(x)
#undef x
};

static unsigned extent_type_u64s_nr(const struct bch_sb_field_extent_type_u64s *e)
{
	return strnlen((const char *) e->d, bch2_sb_field_bytes(&e->field) - sizeof(*e));
}

/**
 * bch2_sb_extent_type_u64s_validate() - check section extent_type_u64s
 * @sb:		superblock
 * @f:		the section
 * @flags:	unused
 * @err:	what is wrong
 *
 * Return: 0 or -BCH_ERR_invalid_sb_extent_type_u64s.
 */
int bch2_sb_extent_type_u64s_validate(struct bch_sb *sb, struct bch_sb_field *f, unsigned flags,
				      struct printbuf *err)
{
	const struct bch_sb_field_extent_type_u64s *e = sb_field_as(f, extent_type_u64s);
	const unsigned nr = min_t(unsigned, extent_type_u64s_nr(e), ARRAY_SIZE(extent_types));

	for (unsigned i = 0; i < nr; i++)
		if (e->d[i] != extent_types[i].u64s) {
			prt_printf(err, "type %s: %u u64s, should be %u",
				   extent_types[i].name, e->d[i], extent_types[i].u64s);
			return -BCH_ERR_invalid_sb_extent_type_u64s;
		}
	return 0;
}

/**
 * bch2_sb_extent_type_u64s_to_text() - body of section extent_type_u64s for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @t:		columns
 */
void bch2_sb_extent_type_u64s_to_text(struct printbuf *out, struct bch_sb *sb,
				      struct bch_sb_field *f, const struct bch_sb_text *t)
{
	const struct bch_sb_field_extent_type_u64s *e = sb_field_as(f, extent_type_u64s);

	for (unsigned i = 0; i < extent_type_u64s_nr(e); i++) {
		if (i < ARRAY_SIZE(extent_types))
			prt_str(out, extent_types[i].name);
		else
			prt_printf(out, "(unknown type %u)", i);
		prt_printf(out, " %u\n", e->d[i]);
	}
}

/**
 * bch2_sb_extent_type_u64s_to_cpu() - sizes of extent entry types (spec 50 section 2.1)
 * @c:		filesystem; c->disk_sb is valid
 *
 * The known types have the sizes of the format; what the superblock says about
 * further types is added. 0 stays for types that nobody knows.
 */
void bch2_sb_extent_type_u64s_to_cpu(struct bch_fs *c)
{
	const struct bch_sb_field_extent_type_u64s *e =
		bch2_sb_field_get(c->disk_sb.sb, extent_type_u64s);
	u8 sizes[ARRAY_SIZE(c->extent_type_u64s)] = {};
	unsigned nr = ARRAY_SIZE(extent_types);

	for (unsigned i = 0; i < nr; i++)
		sizes[i] = extent_types[i].u64s;

	if (e) {
		const unsigned stored = min_t(unsigned, extent_type_u64s_nr(e), ARRAY_SIZE(sizes));

		for (; nr < stored; nr++)
			sizes[nr] = e->d[nr];
	}

	/* others read these without a lock: what is as it was is not touched */
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++)
		if (c->extent_type_u64s[i] != sizes[i])
			WRITE_ONCE(c->extent_type_u64s[i], sizes[i]);
	if (c->extent_types_known != nr)
		WRITE_ONCE(c->extent_types_known, nr);
}

/* --- journal_seq_blacklist --- */

/**
 * bch2_sb_blacklist_validate() - check section journal_seq_blacklist
 * @sb:		superblock
 * @f:		the section
 * @flags:	unused
 * @err:	what is wrong
 *
 * Return: 0 or -BCH_ERR_invalid_sb_journal_seq_blacklist.
 */
int bch2_sb_blacklist_validate(struct bch_sb *sb, struct bch_sb_field *f, unsigned flags,
			       struct printbuf *err)
{
	const struct bch_sb_field_journal_seq_blacklist *b =
		sb_field_as(f, journal_seq_blacklist);
	const unsigned nr = section_nr(f, *b, b->start[0]);

	for (unsigned i = 0; i < nr; i++) {
		const u64 start = le64_to_cpu(b->start[i].start);
		const u64 end = le64_to_cpu(b->start[i].end);

		if (start >= end) {
			prt_printf(err, "entry %u: start %llu not before end %llu",
				   i, start, end);
			return -BCH_ERR_invalid_sb_journal_seq_blacklist;
		}
		if (i && le64_to_cpu(b->start[i - 1].end) > start) {
			prt_printf(err, "entries %u and %u out of order (%llu > %llu)",
				   i - 1, i, le64_to_cpu(b->start[i - 1].end), start);
			return -BCH_ERR_invalid_sb_journal_seq_blacklist;
		}
	}
	return 0;
}

/**
 * bch2_sb_blacklist_to_text() - body of section journal_seq_blacklist for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @t:		unused
 */
void bch2_sb_blacklist_to_text(struct printbuf *out, struct bch_sb *sb, struct bch_sb_field *f,
			       const struct bch_sb_text *t)
{
	const struct bch_sb_field_journal_seq_blacklist *b =
		sb_field_as(f, journal_seq_blacklist);
	const unsigned nr = section_nr(f, *b, b->start[0]);

	for (unsigned i = 0; i < nr; i++)
		prt_printf(out, "%s%llu-%llu", i ? " " : "",
			   le64_to_cpu(b->start[i].start), le64_to_cpu(b->start[i].end));
	prt_newline(out);
}

/* --- quota --- */

/**
 * bch2_sb_quota_to_text() - body of section quota for people
 * @out:	text
 * @sb:		superblock
 * @f:		the section
 * @t:		unused
 */
void bch2_sb_quota_to_text(struct printbuf *out, struct bch_sb *sb, struct bch_sb_field *f,
			   const struct bch_sb_text *t)
{
	static const char *const types[] = {
#define x(nr, name)	#name,
		BCH_QUOTA_TYPES(x)
#undef x
	};
	static const char *const counters[] = {
#define x(nr, name)	#name,
		BCH_QUOTA_COUNTERS(x)
#undef x
	};
	const struct bch_sb_field_quota *q = sb_field_as(f, quota);

	for (unsigned i = 0; i < ARRAY_SIZE(q->q); i++) {
		prt_printf(out, "%s: flags %llx", types[i], le64_to_cpu(q->q[i].flags));
		for (unsigned j = 0; j < ARRAY_SIZE(q->q[i].c); j++)
			prt_printf(out, " %s timelimit %u warnlimit %u", counters[j],
				   le32_to_cpu(q->q[i].c[j].timelimit),
				   le32_to_cpu(q->q[i].c[j].warnlimit));
		prt_newline(out);
	}
}
