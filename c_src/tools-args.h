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

/**
 * tools_args_parse() - understand a command line
 * @cmd:	what the command takes
 * @argc:	number of arguments, the command's name included
 * @argv:	arguments, argv[argc] is NULL; positionals are moved to argv[1..]
 * @pos:	result: the positionals, followed by NULL
 * @nr:		result: their number
 * @out:	where help goes
 * @err:	where messages go
 *
 * Return: TOOLS_ARGS_OK, or what was printed instead.
 */
enum tools_args_result tools_args_parse(const struct tools_cmdline *cmd, int argc, char *argv[],
					char ***pos, unsigned *nr, FILE *out, FILE *err);

/**
 * tools_args() - tools_args_parse() for commands
 * @cmd:	what the command takes
 * @argc:	number of arguments
 * @argv:	arguments
 * @pos:	result: the positionals
 *
 * Exits with status 0 after help, 2 after an error.
 *
 * Return: number of positionals.
 */
unsigned tools_args(const struct tools_cmdline *cmd, int argc, char *argv[], char ***pos);

/**
 * tools_args_help() - print the text of --help
 * @cmd:	what the command takes
 * @f:		where
 */
void tools_args_help(const struct tools_cmdline *cmd, FILE *f);

/**
 * tools_usage_error() - "error: ..." and how to get help; exit status 2
 * @cmd:	name of the command
 * @fmt:	what is wrong
 */
void tools_usage_error(const char *cmd, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/**
 * tools_parse_u64() - a number, decimal or 0x...
 * @s:		text
 * @v:		result
 *
 * Return: NULL, or what is wrong (static text).
 */
const char *tools_parse_u64(const char *s, uint64_t *v);

/**
 * tools_parse_size() - a size: "512", "64k", "1.5G", "1MB"
 * @s:		text; K, KiB are powers of 1024, kB of 1000
 * @v:		result, bytes
 *
 * Return: NULL, or what is wrong (static text).
 */
const char *tools_parse_size(const char *s, uint64_t *v);

/**
 * tools_parse_bool() - 1, true, yes, 0, false or no
 * @s:		text
 * @v:		result
 *
 * Return: NULL, or what is wrong (static text).
 */
const char *tools_parse_bool(const char *s, bool *v);

/**
 * tools_strings_add() - append a string; it is not copied
 * @s:		list
 * @v:		string
 */
void tools_strings_add(struct tools_strings *s, const char *v);

/**
 * tools_strings_free() - empty the list
 * @s:		list
 */
void tools_strings_free(struct tools_strings *s);

#endif /* _BCACHEFS_TOOLS_ARGS_H */
