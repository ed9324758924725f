// SPDX-License-Identifier: GPL-2.0
/*
 * Journal entries and sub-entries as text (spec 70 §9.2.4).
 *
 * Takes any bytes: what does not fit its container is not looked at. No locks;
 * whoever holds an entry may print it.
 */
#include <linux/kernel.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "journal/read.h"
#include "journal/text.h"
#include "journal/validate.h"
#include "sb/replicas.h"
#include "util/printbuf.h"

static const char *const data_type_names[] = {
#define x(nr, name)	[nr] = #name,
	BCH_DATA_TYPES(x)
#undef x
};

static const char *const entry_type_names[] = {
#define x(nr, name)	[nr] = #name,
	BCH_JSET_ENTRY_TYPES(x)
#undef x
};

/**
 * bch2_jset_entry_type_name - name of a sub-entry type
 * @type:	enum bch_jset_entry_type, or anything
 *
 * Return: NULL for unknown types.
 */
const char *bch2_jset_entry_type_name(unsigned type)
{
	return type < ARRAY_SIZE(entry_type_names) ? entry_type_names[type] : NULL;
}

/**
 * bch2_jset_entry_log_len - length of a log record's text
 * @entry:	record of type log
 *
 * Return: bytes before the padding.
 */
unsigned bch2_jset_entry_log_len(const struct jset_entry *entry)
{
	const struct jset_entry_log *l = (const struct jset_entry_log *) entry;

	return strnlen((const char *) l->d, le16_to_cpu(entry->u64s) * sizeof(u64));
}

/**
 * bch2_jset_entry_datetime - the time in a datetime record
 * @entry:	any record
 * @secs:	set to seconds since 1970, UTC
 *
 * Return: false if it is no (whole) datetime record.
 */
bool bch2_jset_entry_datetime(const struct jset_entry *entry, u64 *secs)
{
	if (entry->type != BCH_JSET_ENTRY_datetime || !le16_to_cpu(entry->u64s))
		return false;
	*secs = le64_to_cpu(((const struct jset_entry_datetime *) entry)->seconds);
	return true;
}

/* --- payloads; every printer gets at least the words that the table asks for --- */

static void keys_to_text(struct printbuf *out, struct bch_fs *c, const struct jset_entry *entry,
			 bool values)
{
	bool first = true;

	jset_entry_for_each_key(entry, k) {
		if (!first) {
			prt_newline(out);
			prt_printf(out, "%s: ", bch2_jset_entry_type_name(entry->type));
		}
		first = false;

		/* the key of a root says what level it points to */
		bch2_btree_id_level_to_text(out, entry->btree_id, entry->level);
		prt_char(out, ' ');
		if (values)
			bch2_bkey_val_to_text(out, c, bkey_i_to_s_c(k));
		else
			bch2_bkey_to_text(out, &k->k);
	}
}

static void blacklist_to_text(struct printbuf *out, struct bch_fs *c, const struct jset_entry *e)
{
	prt_printf(out, "seq=%llu", le64_to_cpu(((struct jset_entry_blacklist *) e)->seq));
}

static void blacklist_v2_to_text(struct printbuf *out, struct bch_fs *c, const struct jset_entry *e)
{
	const struct jset_entry_blacklist_v2 *b = (struct jset_entry_blacklist_v2 *) e;

	prt_printf(out, "start=%llu end=%llu", le64_to_cpu(b->start), le64_to_cpu(b->end));
}

static void usage_to_text(struct printbuf *out, struct bch_fs *c, const struct jset_entry *e)
{
	static const char *const names[] = {
#define x(nr, name)	[nr] = #name,
		BCH_FS_USAGE_TYPES(x)
#undef x
	};

	prt_str(out, "type=");
	if (e->btree_id < ARRAY_SIZE(names))
		prt_str(out, names[e->btree_id]);
	else
		prt_printf(out, "(unknown %u)", e->btree_id);
	prt_printf(out, " v=%llu", le64_to_cpu(((struct jset_entry_usage *) e)->v));
}

static void data_usage_to_text(struct printbuf *out, struct bch_fs *c, const struct jset_entry *e)
{
	const struct jset_entry_data_usage *u = (struct jset_entry_data_usage *) e;
	const size_t fixed = offsetof(struct jset_entry_data_usage, r) +
		offsetof(struct bch_replicas_entry_v1, devs);

	if (jset_entry_bytes(e) < fixed || jset_entry_bytes(e) < fixed + u->r.nr_devs) {
		prt_str(out, "(too short)");
		return;
	}
	bch2_sb_replica_to_text(out, &(struct bch_sb_replica) {
		.data_type	= u->r.data_type,
		.nr_devs	= u->r.nr_devs,
		.nr_required	= u->r.nr_required,
		.devs		= u->r.devs,
	});
	prt_printf(out, "=%llu", le64_to_cpu(u->v));
}

static void clock_to_text(struct printbuf *out, struct bch_fs *c, const struct jset_entry *e)
{
	const struct jset_entry_clock *k = (struct jset_entry_clock *) e;

	prt_printf(out, "%s=%llu", k->rw ? "write" : "read", le64_to_cpu(k->time));
}

static void dev_usage_to_text(struct printbuf *out, struct bch_fs *c, const struct jset_entry *e)
{
	const struct jset_entry_dev_usage *u = (struct jset_entry_dev_usage *) e;
	const size_t nr = (jset_entry_bytes(e) - sizeof(*u)) / sizeof(u->d[0]);

	prt_printf(out, "dev=%u", le32_to_cpu(u->dev));

	CLASS(printbuf_indent, indent)(out);
	for (size_t i = 0; i < nr; i++) {
		prt_newline(out);
		if (i < ARRAY_SIZE(data_type_names))
			prt_str(out, data_type_names[i]);
		else
			prt_printf(out, "(unknown data type %zu)", i);
		prt_printf(out, ": buckets=%llu sectors=%llu fragmented=%llu",
			   le64_to_cpu(u->d[i].buckets), le64_to_cpu(u->d[i].sectors),
			   le64_to_cpu(u->d[i].fragmented));
	}
}

static void log_to_text(struct printbuf *out, struct bch_fs *c, const struct jset_entry *e)
{
	prt_bytes_escaped(out, ((struct jset_entry_log *) e)->d, bch2_jset_entry_log_len(e));
}

static void datetime_to_text(struct printbuf *out, struct bch_fs *c, const struct jset_entry *e)
{
	u64 secs;

	if (bch2_jset_entry_datetime(e, &secs))
		prt_datetime(out, secs);
}

static void rewind_limit_to_text(struct printbuf *out, struct bch_fs *c, const struct jset_entry *e)
{
	prt_printf(out, "seq %llu", le64_to_cpu(((struct jset_entry_rewind_limit *) e)->seq));
}

static void rewind_to_text(struct printbuf *out, struct bch_fs *c, const struct jset_entry *e)
{
	const struct jset_entry_rewind *r = (struct jset_entry_rewind *) e;

	prt_printf(out, "from %llu to %llu", le64_to_cpu(r->from), le64_to_cpu(r->to));
}

static const struct {
	void		(*to_text)(struct printbuf *, struct bch_fs *, const struct jset_entry *);
	unsigned	min_u64s;
} entry_printers[BCH_JSET_ENTRY_NR] = {
	[BCH_JSET_ENTRY_blacklist]	= { blacklist_to_text,		1 },
	[BCH_JSET_ENTRY_blacklist_v2]	= { blacklist_v2_to_text,	2 },
	[BCH_JSET_ENTRY_usage]		= { usage_to_text,		1 },
	[BCH_JSET_ENTRY_data_usage]	= { data_usage_to_text,		1 },
	[BCH_JSET_ENTRY_clock]		= { clock_to_text,		2 },
	[BCH_JSET_ENTRY_dev_usage]	= { dev_usage_to_text,		3 },
	[BCH_JSET_ENTRY_log]		= { log_to_text,		0 },
	[BCH_JSET_ENTRY_datetime]	= { datetime_to_text,		1 },
	[BCH_JSET_ENTRY_rewind_limit]	= { rewind_limit_to_text,	1 },
	[BCH_JSET_ENTRY_rewind]		= { rewind_to_text,		2 },
};

/**
 * __bch2_journal_entry_to_text - one sub-entry
 * @out:	text
 * @c:		filesystem, for keys that name devices; may be NULL
 * @entry:	sub-entry; all of it is there
 * @values:	print the values of keys too
 *
 * "TYPE: " and what spec 70 §9.2.4 lists; no newline at the end.
 */
void __bch2_journal_entry_to_text(struct printbuf *out, struct bch_fs *c,
				  const struct jset_entry *entry, bool values)
{
	const char *name = bch2_jset_entry_type_name(entry->type);

	if (!name) {
		prt_printf(out, "(unknown type %u)", entry->type);
		return;
	}

	prt_printf(out, "%s: ", name);
	if (jset_entry_type_has_keys(entry->type))
		keys_to_text(out, c, entry, values);
	else if (!entry_printers[entry->type].to_text)
		;
	else if (le16_to_cpu(entry->u64s) < entry_printers[entry->type].min_u64s)
		prt_str(out, "(too short)");
	else
		entry_printers[entry->type].to_text(out, c, entry);
}

/**
 * bch2_journal_entry_to_text - one sub-entry, values included
 * @out:	text
 * @c:		filesystem; may be NULL
 * @entry:	sub-entry; all of it is there
 */
void bch2_journal_entry_to_text(struct printbuf *out, struct bch_fs *c,
				const struct jset_entry *entry)
{
	__bch2_journal_entry_to_text(out, c, entry, true);
}

/**
 * bch2_jset_to_text - all sub-entries that say something, one per line
 * @out:	text
 * @c:		filesystem; may be NULL
 * @j:		entry; its length fits the memory
 */
void bch2_jset_to_text(struct printbuf *out, struct bch_fs *c, const struct jset *j)
{
	for_each_jset_entry(e, (struct jset *) j) {
		if (jset_entry_type_has_keys(e->type) && !le16_to_cpu(e->u64s))
			continue;
		bch2_journal_entry_to_text(out, c, e);
		prt_newline(out);
	}
}

/**
 * bch2_journal_replay_header_to_text - what is known without the contents
 * @out:	text, tab stops are set by this
 * @c:		filesystem
 * @r:		record
 *
 * The block that list_journal prints before the sub-entries.
 */
void bch2_journal_replay_header_to_text(struct printbuf *out, struct bch_fs *c,
					const struct journal_replay *r)
{
	printbuf_tabstops_reset(out);
	printbuf_tabstop_push(out, 19);

	prt_printf(out, "journal entry     %llu\n", r->seq);
	printbuf_indent_add(out, 2);
	prt_printf(out, "bytes\t%llu\n", sizeof(struct jset) + (u64) r->disk_u64s * sizeof(u64));
	prt_printf(out, "sectors\t%llu\n",
		   (u64) round_up((u64) r->bytes, bch2_block_bytes(c)) >> 9);
	prt_printf(out, "version\t%u\n", r->version);
	prt_printf(out, "last seq\t%llu\n", r->last_seq);
	prt_printf(out, "flush\t%u\n", r->flush);
	prt_str(out, "written at\t");
	bch2_journal_ptrs_to_text(out, c, r);
	prt_newline(out);
	printbuf_indent_sub(out, 2);
}
