// SPDX-License-Identifier: GPL-2.0
/*
 * The work of fsck: options, the start that runs all passes, exit status
 * (Documentation/format/70, sections 8.1.3 to 8.1.7; exit status 32, section 8).
 *
 * All repairs are made by the core while the filesystem starts; a start with
 * option read_only has shut it down cleanly again when it returns.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bcachefs.h"
#include "init/fs.h"
#include "init/passes.h"
#include "sb/fsck_err.h"

#include "fsck_ask.h"
#include "fsck_progress.h"
#include "fsck_run.h"
#include "shim/log.h"
#include "tools-open.h"
#include "tools-opts.h"

/* Starts in a row: damage found late may need a pass that runs early. */
#define FSCK_STARTS_MAX		3

/* --- options --- */

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
	opt_set(*opts, fix_errors,	FSCK_FIX_ask);
	opt_set(*opts, read_only,	true);
	opt_set(*opts, reconcile_enabled, false);
	if (a->yes)
		opt_set(*opts, fix_errors, FSCK_FIX_yes);
	if (a->no) {
		opt_set(*opts, nochanges,	true);
		opt_set(*opts, fix_errors,	FSCK_FIX_no);
	}
	for (i = 0; i < a->opts.nr; i++) {
		char *bad = tools_mount_opts_add(opts, a->opts.d[i]);

		if (bad) {
			tools_error("%s", bad);
			free(bad);
			return -EINVAL;
		}
	}
	/* whatever else was given */
	if (a->no)
		opt_set(*opts, nochanges, true);
	if (a->reconstruct_alloc) {
		fprintf(stderr, "warning: all allocation information is discarded and made anew\n");
		opt_set(*opts, dangerously_reconstruct_alloc, true);
	}
	if (a->ratelimit)
		opt_set(*opts, ratelimit_errors, true);
	if (a->verbose)
		opt_set(*opts, verbose, true);
	return 0;
}

static void log_to_stderr(int level, const char *text, void *arg)
{
	fputs(text, stderr);
}

/* --- one start --- */

static int fs_status(const struct bch_fs *c)
{
	int status = 0;

	if (test_bit(BCH_FS_errors_fixed, &c->flags)) {
		fprintf(stderr, "%s: errors fixed%s\n", c->name,
			c->opts.nochanges ? " in memory, nothing was written" : "");
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

static int fsck_start(struct fsck_run *r)
{
	struct bch_fs *c = r->c;
	int ret, status;

	c->fsck.priv	= r;
	c->fsck.ask	= fsck_ask;
	c->fsck.summary	= &r->summary;
	if (r->a.json)
		c->fsck.report = fsck_report_error;

	memset(&r->summary, 0, sizeof(r->summary));
	fsck_signals_fs(c);
	if (!r->a.json)
		fsck_progress_start(c);
	ret = bch2_check_superblocks(c, &r->summary) ?: bch2_fs_start(c);
	fsck_progress_stop();
	fsck_signals_fs(NULL);

	status = fs_status(c);
	if (ret == -BCH_ERR_recovery_interrupted) {
		fprintf(stderr, "%s: interrupted, the check is not complete\n", c->name);
		return status | FSCK_EXIT_CANCELED;
	}
	r->again = c->recovery.rerun_wanted && !c->opts.nochanges &&
		!test_bit(BCH_FS_emergency_ro, &c->flags);
	if (ret) {
		tools_error("cannot start %s: %s", c->name, bch2_err_str(ret));
		return status | FSCK_EXIT_OPERATIONAL;
	}
	if (!r->a.json)
		fsck_print_summary(r);
	return status;
}

/* The end of a start. What it adds to the status is what went wrong only now. */
static int fsck_stop(struct fsck_run *r, int status)
{
	const bool emergency = test_bit(BCH_FS_emergency_ro, &r->c->flags);
	const int ret = bch2_fs_stop(r->c);

	r->c = NULL;
	if (ret != -BCH_ERR_shutdown_with_emergency_ro || emergency)
		return status;
	tools_error("error shutting down filesystem: %s", bch2_err_str(ret));
	return status | FSCK_EXIT_ERRORS | FSCK_EXIT_OPERATIONAL;
}

/* --- all of it --- */

/* Errors of one start that the next has nothing to say about were repaired. */
static int add_status(int before, int status)
{
	if (before & (FSCK_EXIT_FIXED|FSCK_EXIT_ERRORS) && !(status & FSCK_EXIT_OPERATIONAL))
		status |= FSCK_EXIT_FIXED;
	return status | (before & FSCK_EXIT_FIXED);
}

static const char *state_name(int status)
{
	return  status & FSCK_EXIT_OPERATIONAL	? "failed" :
		status & FSCK_EXIT_CANCELED	? "interrupted" :
		status & FSCK_EXIT_ERRORS	? "errors" :
		status & FSCK_EXIT_FIXED	? "fixed" : "clean";
}

static int fsck_starts(struct fsck_run *r, char **devs, unsigned nr, struct bch_opts *opts)
{
	unsigned starts = 0;
	int status = 0;

	do {
		if (starts)
			fprintf(r->a.json ? stderr : stdout,
				"starting again, for what could not be done any more this time\n");
		r->again = false;
		r->c	 = starts ? tools_open_fs_again(devs, nr, opts)
				  : tools_open_fs_nostart(devs, nr, opts, r->a.passphrase_file);
		status	 = add_status(status, r->c ? fsck_start(r) : FSCK_EXIT_OPERATIONAL);
		if (r->again && r->c && starts + 1 < FSCK_STARTS_MAX && !fsck_interrupted())
			status = fsck_stop(r, status);
		else
			r->again = false;
		starts++;
	} while (r->again);
	return status;
}

int fsck_run(struct fsck_run *r, char **devs, unsigned nr)
{
	FILE *out = r->a.json ? stderr : stdout;
	struct bch_opts opts = bch2_opts_empty();
	struct stat st;
	int status;

	if (fsck_opts(&r->a, &opts))
		return FSCK_EXIT_USAGE;
	if (!stat(devs[0], &st) && S_ISDIR(st.st_mode)) {
		tools_error("%s is a directory: a mounted filesystem cannot be checked by this "
			    "version", devs[0]);
		return FSCK_EXIT_OPERATIONAL;
	}
	if (r->a.json)
		shim_set_log_sink(log_to_stderr, NULL);
	fprintf(out, "Running userspace offline fsck\n");
	fflush(out);
	fsck_ask_setup(out);

	r->errors = json_array();
	status	  = fsck_starts(r, devs, nr, &opts);
	if (r->a.json)
		fsck_print_json(r, state_name(status), status);
	if (r->c)
		status = fsck_stop(r, status);
	json_decref(r->errors);
	return status;
}
