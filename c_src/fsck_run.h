/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One call of fsck: what was asked for, what was found.
 */
#ifndef _BCACHEFS_FSCK_RUN_H
#define _BCACHEFS_FSCK_RUN_H

#include <stdbool.h>

#include <jansson.h>

#include "check/check.h"

#include "tools.h"

/* Documentation/format/70, section 8.1.6; sums of these. */
enum fsck_exit {
	FSCK_EXIT_OK		= 0,
	FSCK_EXIT_FIXED		= 1,
	FSCK_EXIT_ERRORS	= 4,
	FSCK_EXIT_OPERATIONAL	= 8,
	FSCK_EXIT_USAGE		= 16,
	FSCK_EXIT_CANCELED	= 32,
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
	struct bch_check_summary summary;
	json_t			*errors;	/* array, with --json */
	bool			again;		/* a start has left something to the next */
};

/**
 * fsck_run() - check, and repair if that was asked for
 * @r:		arguments are set
 * @devs:	device names as typed
 * @nr:		how many
 *
 * Return: exit status.
 */
int fsck_run(struct fsck_run *r, char **devs, unsigned nr);

/**
 * fsck_report_error() - remember an error for print_json; c->fsck.report
 * @c:		filesystem
 * @id:		error id, or more than there are: a superblock copy
 * @msg:	what is wrong
 * @ret:	the decision
 */
void fsck_report_error(struct bch_fs *c, unsigned id, const char *msg, int ret);

/**
 * fsck_print_json() - the whole result as one object
 * @r:		run; r->c may be NULL
 * @state:	in a word
 * @status:	exit status
 */
void fsck_print_json(struct fsck_run *r, const char *state, int status);

/**
 * fsck_print_summary() - what was looked at and what was not, for people
 * @r:		run
 */
void fsck_print_summary(struct fsck_run *r);

#endif /* _BCACHEFS_FSCK_RUN_H */
