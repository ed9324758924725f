/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Command line arguments, declared as a table (Documentation/format/70, 5.1).
 *
 * A command describes its options once; parsing, error messages ("error: ...",
 * exit status 2) and the text of --help come from the description. Options and
 * positionals may be mixed; "--" ends options; a lone "-" is a positional;
 * short options may be combined and may carry their value ("-bextents").
 */
#ifndef _BCACHEFS_TOOLS_ARGS_H
#define _BCACHEFS_TOOLS_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What an option takes, and what its destination points to. */
enum tools_arg_type {
	TOOLS_ARG_FLAG,		/* bool *: set to true */
	TOOLS_ARG_COUNT,	/* unsigned *: incremented */
	TOOLS_ARG_BOOL,		/* bool *: value 1 true yes / 0 false no */
	TOOLS_ARG_STRING,	/* const char ** */
	TOOLS_ARG_STRINGS,	/* struct tools_strings *: appended */
	TOOLS_ARG_U64,		/* uint64_t *: decimal, or 0x... */
	TOOLS_ARG_SIZE,		/* uint64_t *: bytes, "64k", "1.5G" */
	TOOLS_ARG_CHOICE,	/* int *: index into choices */
	TOOLS_ARG_MOUNT_OPTS,	/* struct bch_opts *: "name=value,noname,..." */
	TOOLS_ARG_CALL,		/* dest is passed to .call */
};

struct tools_strings {
	const char	**d;
	unsigned	nr;
	unsigned	size;
};

struct tools_arg {
	const char		*name;		/* long name without dashes, or NULL */
	char			letter;		/* short option, or 0 */
	enum tools_arg_type	type;
	void			*dest;
	const char		*value;		/* word for the value in the help text */
	const char		*help;
	const char *const	*choices;	/* TOOLS_ARG_CHOICE: ends with NULL */
	bool			optional;	/* value only with "=" or attached */
	bool			hidden;		/* not in the help text */
	bool			*given;		/* set to true when the option is met */
	/* TOOLS_ARG_CALL: returns NULL, or what is wrong (static text). */
	const char		*(*call)(void *dest, const char *value);
};

struct tools_cmdline {
	const char		*name;		/* "show-super" */
	const char		*positionals;	/* "DEVICE...", for the usage line; or "" */
	const char		*summary;	/* one sentence */
	const char		*details;	/* more text for --help, or NULL */
	const struct tools_arg	*args;		/* ends with an entry without name and letter */
	unsigned		min_positionals;
	unsigned		max_positionals;
	bool			no_short_help;	/* -h is not --help */
};

enum tools_args_result {
	TOOLS_ARGS_OK,
	TOOLS_ARGS_HELP,	/* help was printed on @out */
	TOOLS_ARGS_ERROR,	/* a message was printed on @err */
};

/*
 * Parses argv[1..argc-1]. On TOOLS_ARGS_OK *pos points to the positionals,
 * moved to argv[1..] and followed by NULL, and *nr is their number.
 */
enum tools_args_result tools_args_parse(const struct tools_cmdline *, int argc, char *argv[],
					char ***pos, unsigned *nr, FILE *out, FILE *err);

/* The same for commands: exits with status 0 after help, 2 after an error. */
unsigned tools_args(const struct tools_cmdline *, int argc, char *argv[], char ***pos);

void tools_args_help(const struct tools_cmdline *, FILE *);

/* "error: ..." on standard error, and how to get help; exits with status 2. */
void tools_usage_error(const char *cmd, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* Values; NULL if @s is good, else what is wrong (static text). */
const char *tools_parse_u64(const char *s, uint64_t *v);
const char *tools_parse_size(const char *s, uint64_t *v);
const char *tools_parse_bool(const char *s, bool *v);

void tools_strings_add(struct tools_strings *, const char *);
void tools_strings_free(struct tools_strings *);

#endif /* _BCACHEFS_TOOLS_ARGS_H */
