// SPDX-License-Identifier: GPL-2.0
/*
 * fsck: check a filesystem, and repair it (Documentation/format/70, section 8.1).
 * The command line; the work is in fsck_run.c.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "fsck_run.h"
#include "tools.h"

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
		.summary		= "Check a filesystem, and repair it.",
		.details		=
	"Without -y and -n every repair that is not entirely safe is asked for, on the\n"
	"terminal: y or n for one error, Y or N for all errors of that type. A signal\n"
	"(Ctrl-C, SIGTERM) stops the check where the filesystem is consistent.\n"
	"Exit status: 0 no errors, 1 errors were repaired (-n: could be), 4 errors remain,\n"
	"8 the check could not be done, 16 wrong usage, 32 interrupted; sums of these.",
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

int cmd_fsck(int argc, char *argv[])
{
	struct fsck_run r = { .c = NULL };
	unsigned nr;
	char **devs;
	int status;

	argc = drop_generic_flags(argc, argv);
	if (wants_preen(argc, argv)) {
		printf("fsck -p and -a do nothing: a filesystem is checked, and repaired, "
		       "when it is mounted\n");
		return FSCK_EXIT_OK;
	}
	devs = fsck_parse(&r.a, argc, argv, &nr);

	if (r.a.kernel) {
		tools_error("fsck by the kernel is not available in this version");
		status = FSCK_EXIT_OPERATIONAL;
	} else {
		status = fsck_run(&r, devs, nr);
	}
	tools_strings_free(&r.a.opts);
	return status;
}
