// SPDX-License-Identifier: GPL-2.0
/*
 * fsck: check a filesystem (Documentation/format/70, section 8.1; exit status 32,
 * section 8).
 *
 * This version only reads: -n checks all superblock copies, the journal, the
 * topology of every btree and every key, and tells what it does not check.
 * Without -n it refuses. Nothing on a device changes.
 */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "check/check.h"
#include "init/fs.h"
#include "init/passes.h"
#include "sb/fsck_err.h"

#include "commands.h"
#include "shim/log.h"
#include "tools-open.h"
#include "tools-opts.h"
#include "tools.h"

enum fsck_exit {
	FSCK_EXIT_OK		= 0,
	FSCK_EXIT_FIXED		= 1,
	FSCK_EXIT_ERRORS	= 4,
	FSCK_EXIT_OPERATIONAL	= 8,
	FSCK_EXIT_USAGE		= 16,
};

struct fsck_args {
	bool			preen;
	bool			no;
	bool			yes;
	bool			force;
	bool			ratelimit;
	bool			kernel;
	bool			no_kernel;
	bool			reconstruct_alloc;
	bool			json;
	unsigned		verbose;
	struct tools_strings	opts;
	const char		*passphrase_file;
};

/* State of one run, reachable from the core's callback through c->fsck.priv. */
struct fsck_run {
	struct fsck_args	a;
	struct bch_fs		*c;
	struct bch_check_summary *summary;
	json_t			*errors;	/* array, with --json */
};

/* --- arguments --- */

static bool is_number(const char *s)
{
	if (!s || !*s)
		return false;
	for (; *s; s++)
		if (!isdigit((unsigned char) *s))
			return false;
	return true;
}

/*
 * Callers of all checkers pass -V, and -C with an optional number, to those they
 * do not know. Take both out; the new argc.
 */
static int drop_generic_flags(int argc, char *argv[])
{
	int i, n = 1;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--")) {
			while (i < argc)
				argv[n++] = argv[i++];
			break;
		}
		if (!strcmp(argv[i], "-V"))
			continue;
		if (!strcmp(argv[i], "-C")) {
			i += is_number(argv[i + 1]);
			continue;
		}
		if (!strncmp(argv[i], "-C", 2) && is_number(argv[i] + 2))
			continue;
		argv[n++] = argv[i];
	}
	argv[n] = NULL;
	return n;
}

/* -p and -a come before everything, also before what is wrong with other arguments. */
static bool wants_preen(int argc, char *argv[])
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "-o") && i + 1 < argc) {
			i++;
			continue;
		}
		if (argv[i][0] == '-' && argv[i][1] && argv[i][1] != '-' && argv[i][1] != 'o' &&
		    strpbrk(argv[i], "pa"))
			return true;
	}
	return false;
}

static char **fsck_parse(struct fsck_args *a, int argc, char *argv[], unsigned *nr)
{
	const struct tools_arg args[] = {
		{ NULL, 'p', TOOLS_ARG_FLAG, &a->preen, NULL,
		  "Automatic check at boot: does nothing, mounting checks" },
		{ NULL, 'a', TOOLS_ARG_FLAG, &a->preen, NULL, "The same as -p" },
		{ NULL, 'n', TOOLS_ARG_FLAG, &a->no, NULL, "Only check, change nothing" },
		{ NULL, 'y', TOOLS_ARG_FLAG, &a->yes, NULL, "Repair without asking" },
		{ NULL, 'f', TOOLS_ARG_FLAG, &a->force, NULL,
		  "No effect: the check is always complete" },
		{ NULL, 'o', TOOLS_ARG_STRINGS, &a->opts, "OPTS", "More mount options" },
		{ "ratelimit_errors", 'r', TOOLS_ARG_FLAG, &a->ratelimit, NULL,
		  "At most 10 messages of each kind" },
		{ "reconstruct_alloc", 'R', TOOLS_ARG_FLAG, &a->reconstruct_alloc, NULL,
		  "Discard allocation information and make it anew" },
		{ "kernel", 'k', TOOLS_ARG_FLAG, &a->kernel, NULL,
		  "Use the kernel's implementation" },
		{ "no-kernel", 'K', TOOLS_ARG_FLAG, &a->no_kernel, NULL,
		  "Do not use the kernel's implementation" },
		{ "passphrase-file", 0, TOOLS_ARG_STRING, &a->passphrase_file, "FILE",
		  "Read the passphrase from FILE" },
		{ "json", 0, TOOLS_ARG_FLAG, &a->json, NULL,
		  "Report as JSON on standard output, messages on standard error" },
		{ "verbose", 'v', TOOLS_ARG_COUNT, &a->verbose, NULL, "More messages" },
		{}
	};
	const struct tools_cmdline cmd = {
		.name			= "fsck",
		.positionals		= "DEVICE...",
		.summary		= "Check a filesystem.",
		.details		=
	"This version checks without changing anything and needs -n.\n"
	"Exit status: 0 no errors, 1 errors that a repair can fix, 4 errors that remain,\n"
	"8 the check could not be done, 16 wrong usage; sums of these.",
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= 255,
	};
	char **devs;

	switch (tools_args_parse(&cmd, argc, argv, &devs, nr, stdout, stderr)) {
	case TOOLS_ARGS_HELP:
		exit(FSCK_EXIT_OK);
	case TOOLS_ARGS_ERROR:
		exit(FSCK_EXIT_USAGE);
	default:
		return devs;
	}
}

/* Do the given options name the passes to run? */
static bool opts_name_passes(const struct fsck_args *a)
{
	unsigned i;

	for (i = 0; i < a->opts.nr; i++) {
		const char *p = a->opts.d[i];

		for (; p; p = strchr(p, ','), p += p != NULL)
			if (!strncmp(p, "recovery_passes", 15) &&
			    (!p[15] || p[15] == ',' || p[15] == '='))
				return true;
	}
	return false;
}

/* Options in the order of 8.1.3; later ones win. */
static int fsck_opts(const struct fsck_args *a, struct bch_opts *opts)
{
	unsigned i;

	opt_set(*opts, degraded,	BCH_DEGRADED_yes);
	if (!opts_name_passes(a))
		opt_set(*opts, fsck,	true);
	opt_set(*opts, read_only,	true);
	opt_set(*opts, nochanges,	true);
	opt_set(*opts, fix_errors,	FSCK_FIX_no);
	for (i = 0; i < a->opts.nr; i++) {
		char *bad = tools_mount_opts_add(opts, a->opts.d[i]);

		if (bad) {
			tools_error("%s", bad);
			free(bad);
			return -EINVAL;
		}
	}
	/* Whatever was given: this version does not write. */
	opt_set(*opts, nochanges, true);
	if (a->ratelimit)
		opt_set(*opts, ratelimit_errors, true);
	if (a->verbose)
		opt_set(*opts, verbose, true);
	return 0;
}

/* --- report --- */

static const char *decision_name(int ret)
{
	switch (ret) {
	case -BCH_ERR_fsck_fix:
		return "fixable";
	case -BCH_ERR_fsck_ignore:
		return "not fixed";
	default:
		return "fatal";
	}
}

/* The core found an error; called with c->fsck.lock held. */
static void report_error(struct bch_fs *c, unsigned id, const char *msg, int ret)
{
	struct fsck_run *r = c->fsck.priv;
	json_t *text = json_string(msg);

	json_array_append_new(r->errors,
		json_pack("{s:s, s:i, s:o, s:s}",
			  "id", id < BCH_FSCK_ERR_MAX ? bch2_fsck_err_name(id) : "superblock_copy",
			  "number", id < BCH_FSCK_ERR_MAX ? (int) id : -1,
			  "message", text ?: json_string("(not UTF-8)"),
			  "decision", decision_name(ret)));
}

static json_t *btrees_json(const struct bch_check_summary *s)
{
	json_t *out = json_array();
	unsigned i, level;

	for (i = 0; i < BTREE_ID_NR_MAX; i++) {
		const struct bch_check_btree *b = &s->btrees[i];
		json_t *nodes;

		if (!b->present && !b->keys[0])
			continue;
		nodes = json_array();
		for (level = 0; level <= b->level && level < BTREE_MAX_DEPTH; level++)
			json_array_append_new(nodes, json_integer(b->nodes[level]));
		json_array_append_new(out,
			json_pack("{s:s, s:i, s:I, s:o, s:I, s:I, s:I}",
				  "btree", bch2_btree_id_name(i), "id", (int) i,
				  "keys", (json_int_t) b->keys[0], "nodes", nodes,
				  "bytes", (json_int_t) b->bytes,
				  "unreadable", (json_int_t) b->nr_unreadable,
				  "dropped_keys", (json_int_t) b->nr_dropped));
	}
	return out;
}

static json_t *passes_json(u64 passes)
{
	json_t *out = json_array();
	unsigned i;

	for (i = 0; i < BCH_RECOVERY_PASS_NR; i++)
		if (passes & BIT_ULL(i))
			json_array_append_new(out, json_string(bch2_recovery_pass_name(i)));
	return out;
}

static void print_json(struct fsck_run *r, const char *state, int status)
{
	struct bch_check_summary *s = r->summary;
	json_t *o = json_pack("{s:s, s:i, s:I, s:O}", "state", state, "exit_status", status,
			      "nr_errors", (json_int_t) json_array_size(r->errors),
			      "errors", r->errors);

	if (r->c) {
		json_object_set_new(o, "filesystem", json_string(r->c->name));
		json_object_set_new(o, "superblock_copies", json_integer(s->sb_copies));
		json_object_set_new(o, "superblock_copies_bad", json_integer(s->sb_copies_bad));
		json_object_set_new(o, "nodes", json_integer(s->nodes));
		json_object_set_new(o, "keys", json_integer(s->keys));
		json_object_set_new(o, "bytes", json_integer(s->bytes));
		json_object_set_new(o, "btrees", btrees_json(s));
		json_object_set_new(o, "not_checked",
				    passes_json(bch2_recovery_passes_not_checked(r->c)));
	}
	json_dumpf(o, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(o);
}

static void print_summary(struct fsck_run *r)
{
	struct printbuf out = PRINTBUF;
	const u64 missing = bch2_recovery_passes_not_checked(r->c);

	bch2_check_summary_to_text(&out, r->summary);
	if (missing) {
		prt_str(&out, "not checked by this version: ");
		bch2_recovery_passes_to_text(&out, missing);
		prt_newline(&out);
	}
	fputs(printbuf_str(&out), stdout);
	fflush(stdout);
	printbuf_exit(&out);
}

static void log_to_stderr(int level, const char *text, void *arg)
{
	fputs(text, stderr);
}

/* --- the check --- */

static int fs_status(const struct bch_fs *c)
{
	int status = 0;

	if (test_bit(BCH_FS_errors_fixed, &c->flags)) {
		fprintf(stderr, "%s: errors fixed in memory, nothing was written\n", c->name);
		status |= FSCK_EXIT_FIXED;
	}
	if (test_bit(BCH_FS_error, &c->flags) || test_bit(BCH_FS_errors_not_fixed, &c->flags)) {
		fprintf(stderr, "%s: still has errors\n", c->name);
		status |= FSCK_EXIT_ERRORS;
	}
	if (test_bit(BCH_FS_emergency_ro, &c->flags)) {
		fprintf(stderr, "%s: fatal error (went emergency read-only)\n", c->name);
		status |= FSCK_EXIT_ERRORS;
	}
	return status;
}

static int fsck_check(struct fsck_run *r)
{
	struct bch_fs *c = r->c;
	int ret, status;

	c->fsck.priv = r;
	if (r->a.json)
		c->fsck.report = report_error;

	ret = bch2_check_superblocks(c, r->summary) ?: bch2_fs_start(c);
	if (ret) {
		tools_error("cannot start %s: %s", c->name, bch2_err_str(ret));
		return fs_status(c) | FSCK_EXIT_OPERATIONAL;
	}
	ret = bch2_check_btrees(c, r->summary);
	if (ret)
		tools_error("check of %s ended early: %s", c->name, bch2_err_str(ret));
	if (!r->a.json)
		print_summary(r);
	status = fs_status(c);
	return ret ? status | FSCK_EXIT_OPERATIONAL : status;
}

static int fsck_run(struct fsck_run *r, char **devs, unsigned nr)
{
	struct bch_opts opts = bch2_opts_empty();
	int status;

	if (fsck_opts(&r->a, &opts))
		return FSCK_EXIT_USAGE;
	if (r->a.json)
		shim_set_log_sink(log_to_stderr, NULL);
	fprintf(r->a.json ? stderr : stdout, "Running userspace offline fsck\n");
	fflush(stdout);

	r->errors	= json_array();
	r->summary	= tools_calloc(1, sizeof(*r->summary));
	r->c		= tools_open_fs_nostart(devs, nr, &opts, r->a.passphrase_file);
	status		= r->c ? fsck_check(r) : FSCK_EXIT_OPERATIONAL;
	if (r->a.json)
		print_json(r, status & FSCK_EXIT_OPERATIONAL ? "failed" :
			   status ? "errors" : "clean", status);
	bch2_fs_stop(r->c);
	json_decref(r->errors);
	free(r->summary);
	return status;
}

int cmd_fsck(int argc, char *argv[])
{
	struct fsck_run r = { .c = NULL };
	unsigned nr;
	char **devs;
	int status;

	argc = drop_generic_flags(argc, argv);
	if (wants_preen(argc, argv))
		return FSCK_EXIT_OK;
	devs = fsck_parse(&r.a, argc, argv, &nr);

	if (r.a.kernel) {
		tools_error("fsck by the kernel is not available in this version");
		status = FSCK_EXIT_OPERATIONAL;
	} else if (!r.a.no || r.a.reconstruct_alloc) {
		tools_error("repair is not available in this version, which is read-only; "
			    "use -n to check without changing anything");
		status = FSCK_EXIT_OPERATIONAL;
	} else {
		status = fsck_run(&r, devs, nr);
	}
	tools_strings_free(&r.a.opts);
	return status;
}
