// SPDX-License-Identifier: GPL-2.0
/*
 * list_journal: print the journal (Documentation/format/70, section 9.2).
 *
 * Entries are loaded one at a time, so that memory does not depend on the size
 * of the journal. Nothing is written.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "init/fs.h"
#include "journal/read.h"
#include "journal/seq_blacklist.h"
#include "journal/text.h"
#include "journal/validate.h"
#include "list_journal.h"
#include "tools-open.h"
#include "tools.h"
#include "util/printbuf.h"

struct list_journal {
	bool			all;
	bool			dirty_only;
	bool			blacklisted;
	bool			flush_only;
	bool			datetime;
	bool			headers_only;
	bool			all_headers;
	bool			offset;
	bool			values;
	bool			verbose;
	bool			color;
	bool			have_seq;
	bool			have_nr;
	u64			nr;
	u64			seq_start;
	u64			seq_end;
	struct lj_filter	filter;
	struct bch_fs		*c;
};

static s32 local_offset(s64 seconds)
{
	const time_t t = seconds;
	struct tm tm;

	return localtime_r(&t, &tm) ? tm.tm_gmtoff : 0;
}

/* --- one entry --- */

static bool starts_transaction(const struct jset_entry *e)
{
	return e->type == BCH_JSET_ENTRY_log && !e->level;
}

/* Records that never belong to a transaction. */
static bool ends_transaction(const struct jset_entry *e)
{
	return starts_transaction(e) ||
		e->type == BCH_JSET_ENTRY_btree_root ||
		e->type == BCH_JSET_ENTRY_datetime ||
		e->type == BCH_JSET_ENTRY_usage ||
		e->type == BCH_JSET_ENTRY_clock;
}

static unsigned record_indent(const struct jset_entry *e)
{
	return starts_transaction(e) ||
		e->type == BCH_JSET_ENTRY_btree_root ||
		e->type == BCH_JSET_ENTRY_datetime ||
		e->type == BCH_JSET_ENTRY_usage ? 2 : 4;
}

static void print_record(const struct list_journal *l, struct printbuf *out,
			 const struct journal_replay *r, struct jset_entry *e)
{
	const bool red = l->color && lj_entry_in_ranges(&l->filter, e);
	const unsigned indent = record_indent(e);

	if (jset_entry_type_has_keys(e->type) && !le16_to_cpu(e->u64s))
		return;

	if (l->offset)
		prt_printf(out, "%4zu ", (size_t) ((u64 *) e - (u64 *) r->j->_data + 1));
	printbuf_indent_add(out, indent);
	if (red)
		prt_str(out, "\033[31m");
	__bch2_journal_entry_to_text(out, l->c, e, l->values);
	if (red)
		prt_str(out, "\033[0m");
	printbuf_indent_sub(out, indent);
	prt_newline(out);
}

static const char *ignored_because(const struct journal_replay *r)
{
	switch (r->ignore) {
	case JOURNAL_IGNORE_noflush:
		return "not committed: no flush entry follows";
	case JOURNAL_IGNORE_torn:
		return "incomplete write";
	case JOURNAL_IGNORE_bad:
		return "bad checksum";
	case JOURNAL_IGNORE_blacklisted:
		return "sequence number is blacklisted";
	default:
		return NULL;
	}
}

static void print_header(const struct list_journal *l, struct printbuf *out,
			 const struct journal_replay *r)
{
	const char *why = ignored_because(r);

	prt_newline(out);
	if (why)
		prt_str(out, "blacklisted ");
	bch2_journal_replay_header_to_text(out, l->c, r);
	if (why) {
		printbuf_indent_add(out, 2);
		prt_printf(out, "ignored\t%s\n", why);
		printbuf_indent_sub(out, 2);
	}
}

/* The transaction that starts at @e. */
static struct lj_transaction transaction_at(struct jset *j, struct jset_entry *e)
{
	struct lj_transaction t = { .start = e, .end = jset_entry_next(e) };

	for_each_jset_entry_range(i, t.end, jset_entries_end(j)) {
		if (ends_transaction(i))
			break;
		t.end = jset_entry_next(i);
	}
	return t;
}

static void print_filtered(const struct list_journal *l, struct printbuf *out,
			   const struct journal_replay *r)
{
	bool header = l->all_headers;

	if (header)
		print_header(l, out, r);

	for_each_jset_entry(e, r->j) {
		struct lj_transaction t;

		if (!starts_transaction(e))
			continue;
		t = transaction_at(r->j, e);
		if (!lj_filter_transaction(&l->filter, &t))
			continue;

		if (!header)
			print_header(l, out, r);
		header = true;
		if (l->headers_only)
			continue;
		for_each_jset_entry_range(i, t.start, t.end)
			if (lj_filter_entry(&l->filter, i))
				print_record(l, out, r, i);
	}
}

static void print_datetime(struct printbuf *out, const struct journal_replay *r)
{
	u64 secs;

	prt_printf(out, "%-8llu", r->seq);
	for_each_jset_entry(e, r->j)
		if (bch2_jset_entry_datetime(e, &secs)) {
			prt_char(out, ' ');
			prt_datetime(out, secs);
			break;
		}
	prt_newline(out);
}

/* Lines that start with a blank start with '*' in entries that do not count. */
static void mark_blacklisted(struct printbuf *out)
{
	for (u32 i = 0; i < out->pos; i++)
		if (out->buf[i] == ' ' && (!i || out->buf[i - 1] == '\n'))
			out->buf[i] = '*';
}

static int print_entry(const struct list_journal *l, struct journal_replay *r)
{
	struct printbuf out = PRINTBUF;
	const bool had = r->j;
	int ret = 0;

	out.utc_offset = local_offset;

	ret = bch2_journal_entry_load(l->c, r);
	if (ret) {
		print_header(l, &out, r);
		prt_printf(&out, "  cannot be read: %s\n", bch2_err_str(ret));
	} else if (l->datetime) {
		print_datetime(&out, r);
	} else if (lj_filter_active(&l->filter)) {
		print_filtered(l, &out, r);
	} else {
		print_header(l, &out, r);
		for_each_jset_entry(e, r->j)
			if (!l->headers_only)
				print_record(l, &out, r, e);
	}
	if (!had)
		bch2_journal_entry_unload(r);

	if (ignored_because(r))
		mark_blacklisted(&out);
	fwrite(out.buf ?: "", 1, out.pos, stdout);
	printbuf_exit(&out);
	return ret ? 1 : 0;
}

/* --- which entries --- */

static bool selected(const struct list_journal *l, const struct journal_replay *r, u64 newest)
{
	if (l->have_seq && (r->seq < l->seq_start || r->seq > l->seq_end))
		return false;
	if (l->have_nr && newest - r->seq >= l->nr)
		return false;
	if (l->flush_only && !r->flush)
		return false;
	if (l->dirty_only && r->ignore == JOURNAL_IGNORE_not_dirty)
		return false;
	return l->blacklisted || !ignored_because(r);
}

/* First number of [start, end) that should be there; end if there is none. */
static u64 first_missing(const struct list_journal *l, u64 start, u64 end)
{
	const u64 s = bch2_journal_seq_next_nonblacklisted(l->c, start);

	return s < end ? s : end;
}

static void print_gap(const struct list_journal *l, u64 start, u64 end)
{
	const u64 last_seq = l->c->journal.start.seq_read_start;

	for (u64 s = first_missing(l, start, end); s < end;) {
		u64 e = bch2_journal_seq_next_blacklisted(l->c, s);

		if (e > end)
			e = end;
		printf("missing %llu entries at %llu-%llu%s\n", e - s, s, e - 1,
		       e - 1 < last_seq ? " (not dirty)" : "");
		s = first_missing(l, e, end);
	}
}

/* Index behind the last gap: the newest contiguous run starts there. */
static size_t newest_run(const struct list_journal *l)
{
	const struct journal_entries *e = &l->c->journal.entries;

	for (size_t i = e->nr; i > 1; i--)
		if (first_missing(l, e->d[i - 2]->seq + 1, e->d[i - 1]->seq) < e->d[i - 1]->seq)
			return i - 1;
	return 0;
}

static int list_entries(struct list_journal *l)
{
	const struct journal_entries *e = &l->c->journal.entries;
	const bool whole = l->all || l->have_seq;
	const u64 newest = e->nr ? e->d[e->nr - 1]->seq : 0;
	int ret = 0;

	for (size_t i = whole ? 0 : newest_run(l), first = i; i < e->nr; i++) {
		if (i > first && (!l->have_seq || (e->d[i]->seq >= l->seq_start &&
						   e->d[i - 1]->seq <= l->seq_end)))
			print_gap(l, e->d[i - 1]->seq + 1, e->d[i]->seq);
		if (selected(l, e->d[i], newest))
			ret |= print_entry(l, e->d[i]);
	}
	return ret;
}

/* --- arguments --- */

/* N, A..B, A.., ..B */
static const char *parse_seq(void *dest, const char *value)
{
	struct list_journal *l = dest;
	char *copy = tools_strdup(value), *dots = strstr(copy, "..");
	const char *err = NULL;

	l->have_seq	= true;
	l->seq_start	= 0;
	l->seq_end	= UINT64_MAX;

	if (!dots) {
		err = tools_parse_u64(copy, (uint64_t *) &l->seq_start);
		l->seq_end = l->seq_start;
	} else {
		*dots = '\0';
		if (*copy)
			err = tools_parse_u64(copy, (uint64_t *) &l->seq_start);
		if (!err && dots[2])
			err = tools_parse_u64(dots + 2, (uint64_t *) &l->seq_end);
	}
	if (l->seq_start > l->seq_end) {
		const u64 t = l->seq_start;

		l->seq_start = l->seq_end;
		l->seq_end = t;
	}
	free(copy);
	return err;
}

static void open_opts(struct bch_opts *opts, const struct list_journal *l)
{
	tools_read_only_opts(opts);
	opt_set(*opts, noexcl,			true);
	opt_set(*opts, fix_errors,		FSCK_FIX_yes);
	opt_set(*opts, read_journal_only,	true);
	if (!l->dirty_only) {
		opt_set(*opts, retain_recovery_info,	true);
		opt_set(*opts, read_entire_journal,	true);
	}
	if (l->verbose)
		opt_set(*opts, verbose, true);
}

static int run(struct list_journal *l, char *devs[], unsigned nr, struct bch_opts *opts)
{
	int ret;

	open_opts(opts, l);
	l->c = tools_open_fs(devs, nr, opts, NULL);
	if (!l->c)
		return 1;
	ret = list_entries(l);
	bch2_fs_stop(l->c);
	return ret;
}

/**
 * cmd_list_journal - the command
 * @argc:	number of arguments
 * @argv:	arguments, argv[0] is the command's name
 *
 * Return: 0, 1 if the journal or an entry cannot be read.
 */
int cmd_list_journal(int argc, char *argv[])
{
	static const char *const when[] = { "auto", "always", "never", NULL };
	struct list_journal l = { .values = true };
	struct bch_opts opts = bch2_opts_empty();
	int color = 0, ret;
	const struct tools_arg args[] = {
		{ "all", 'a', TOOLS_ARG_FLAG, &l.all,
		  .help = "all entries found, not only the newest contiguous run" },
		{ "dirty-only", 'd', TOOLS_ARG_FLAG, &l.dirty_only,
		  .help = "only entries that a start would replay" },
		{ "nr-entries", 'n', TOOLS_ARG_U64, &l.nr, "N", .given = &l.have_nr,
		  .help = "only the newest N sequence numbers" },
		{ "seq", 's', TOOLS_ARG_CALL, &l, "S|A..B", .call = parse_seq,
		  .help = "only these sequence numbers; implies --all" },
		{ "blacklisted", 'B', TOOLS_ARG_FLAG, &l.blacklisted,
		  .help = "also entries that are ignored" },
		{ "flush-only", 'F', TOOLS_ARG_FLAG, &l.flush_only, .help = "no noflush entries" },
		{ "datetime", 'D', TOOLS_ARG_FLAG, &l.datetime,
		  .help = "one line per entry: sequence number and time" },
		{ "headers-only", 'H', TOOLS_ARG_FLAG, &l.headers_only,
		  .help = "no records, only headers" },
		{ "all-headers", 0, TOOLS_ARG_FLAG, &l.all_headers,
		  .help = "headers of all entries, whatever is filtered" },
		{ "log", 'l', TOOLS_ARG_FLAG, &l.filter.log,
		  .help = "with filters: also transactions of log messages only" },
		{ "log-only", 'L', TOOLS_ARG_FLAG, &l.filter.log_only,
		  .help = "only transactions with a log message" },
		{ "offset", 'O', TOOLS_ARG_FLAG, &l.offset,
		  .help = "print the offset of each record" },
		{ NULL, 'o', TOOLS_ARG_MOUNT_OPTS, &opts, "OPTIONS", .help = "mount options" },
		{ "btree", 'b', TOOLS_ARG_CALL, &l.filter, "[+-]BTREES", .call = lj_parse_btrees,
		  .help = "only transactions that update these btrees, and only those keys" },
		{ "transaction", 't', TOOLS_ARG_CALL, &l.filter, "[+-]NAMES",
		  .call = lj_parse_names, .help = "only transactions of these functions" },
		{ "key", 'k', TOOLS_ARG_CALL, &l.filter, "[+-]RANGES", .call = lj_parse_ranges,
		  .help = "only transactions with a key in these ranges, printed red" },
		{ "bkey-val", 'V', TOOLS_ARG_BOOL, &l.values, "BOOL",
		  .help = "print values of keys (default true)" },
		{ "verbose", 'v', TOOLS_ARG_FLAG, &l.verbose, .help = "say more" },
		{ "color", 0, TOOLS_ARG_CHOICE, &color, "WHEN", .choices = when,
		  .help = "auto, always or never" },
		{}
	};
	const struct tools_cmdline cmd = {
		.name			= "list_journal",
		.positionals		= "DEVICE...",
		.summary		= "List the contents of the journal.",
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= 256,
	};
	char **devs;
	const unsigned nr = tools_args(&cmd, argc, argv, &devs);

	l.color = color == 1 || (color == 0 && isatty(STDOUT_FILENO));
	ret = run(&l, devs, nr, &opts);
	lj_filter_free(&l.filter);
	return ret;
}
