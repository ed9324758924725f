// SPDX-License-Identifier: GPL-2.0
/*
 * Command line arguments: parsing, messages and help from a table.
 *
 * Invariant: an argument is either understood completely or refused; nothing
 * is skipped. Parsing has no effect besides the destinations in the table. Any
 * command may call it; it needs nothing of the core except the table of mount
 * options.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools.h"
#include "tools-args.h"
#include "tools-opts.h"

/* One parse: what is being parsed and where messages go. */
struct arg_parse {
	const struct tools_cmdline	*cmd;
	FILE				*err;
};

__attribute__((format(printf, 2, 3)))
static enum tools_args_result refuse(struct arg_parse *p, const char *fmt, ...)
{
	va_list ap;

	fprintf(p->err, "error: ");
	va_start(ap, fmt);
	vfprintf(p->err, fmt, ap);
	va_end(ap);
	fprintf(p->err, "\n\nFor more information, try 'bcachefs %s --help'.\n", p->cmd->name);
	return TOOLS_ARGS_ERROR;
}

void tools_usage_error(const char *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "error: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n\nFor more information, try 'bcachefs %s --help'.\n", cmd);
	exit(2);
}

/* --- values --- */

void tools_strings_add(struct tools_strings *s, const char *v)
{
	if (s->nr == s->size) {
		s->size = s->size ? s->size * 2 : 8;
		s->d = tools_realloc(s->d, s->size * sizeof(*s->d));
	}
	s->d[s->nr++] = v;
}

void tools_strings_free(struct tools_strings *s)
{
	free(s->d);
	memset(s, 0, sizeof(*s));
}

const char *tools_parse_u64(const char *s, uint64_t *v)
{
	const bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	char *end;

	if (!isdigit((unsigned char) s[0]) || (hex && !isxdigit((unsigned char) s[2])))
		return "must be a number";

	errno = 0;
	*v = strtoull(s, &end, hex ? 16 : 10);
	if (errno == ERANGE)
		return "number too big";
	return *end ? "must be a number" : NULL;
}

const char *tools_parse_bool(const char *s, bool *v)
{
	static const char *const words[2][3] = {
		{ "0", "no",  "false" },
		{ "1", "yes", "true" },
	};

	for (unsigned i = 0; i < 2; i++)
		for (unsigned j = 0; j < 3; j++)
			if (!strcmp(s, words[i][j])) {
				*v = i;
				return NULL;
			}
	return "must be 1, true, yes, 0, false or no";
}

/* Factor of a size suffix; 0 = not a suffix. Powers of 1024, except for kB, MB, ... */
static uint64_t size_suffix(const char *s)
{
	static const char letters[] = "kMGTPE";
	const char *l;
	unsigned power;
	uint64_t base = 1024, factor = 1;

	if (!*s || !strcmp(s, "B"))
		return 1;

	l = strchr(letters, *s == 'K' ? 'k' : *s);
	if (!l)
		return 0;
	power = l - letters + 1;

	if (!strcmp(s + 1, "B"))
		base = 1000;
	else if (s[1] && strcmp(s + 1, "iB"))
		return 0;

	while (power--)
		factor *= base;
	return factor;
}

const char *tools_parse_size(const char *s, uint64_t *v)
{
	uint64_t whole, part, factor, scale = 1, fraction = 0;
	char *end;

	if (!isdigit((unsigned char) *s))
		return "must be a size";

	errno = 0;
	whole = strtoull(s, &end, 10);
	if (errno)
		return "size too big";

	if (*end == '.') {
		for (end++; isdigit((unsigned char) *end); end++)
			if (scale < 1000000000) {
				fraction = fraction * 10 + (*end - '0');
				scale *= 10;
			}
	}
	if (*end == ' ')
		end++;

	factor = size_suffix(end);
	if (!factor)
		return "must be a size";

	part = (uint64_t) ((unsigned __int128) fraction * factor / scale);
	if (__builtin_mul_overflow(whole, factor, v) ||
	    __builtin_add_overflow(*v, part, v))
		return "size too big";
	return NULL;
}

static enum tools_args_result set_choice(struct arg_parse *p, const struct tools_arg *arg,
					 const char *shown, const char *value)
{
	for (unsigned i = 0; arg->choices[i]; i++)
		if (!strcmp(arg->choices[i], value)) {
			*(int *) arg->dest = i;
			return TOOLS_ARGS_OK;
		}

	fprintf(p->err, "error: invalid value '%s' for '%s'\n  [possible values:", value, shown);
	for (unsigned i = 0; arg->choices[i]; i++)
		fprintf(p->err, "%s %s", i ? "," : "", arg->choices[i]);
	fprintf(p->err, "]\n\nFor more information, try 'bcachefs %s --help'.\n", p->cmd->name);
	return TOOLS_ARGS_ERROR;
}

static bool takes_value(const struct tools_arg *arg)
{
	return arg->type != TOOLS_ARG_FLAG && arg->type != TOOLS_ARG_COUNT;
}

/* Stores one option; @shown is how the user wrote it. @value is NULL if there is none. */
static enum tools_args_result store(struct arg_parse *p, const struct tools_arg *arg,
				    const char *shown, const char *value)
{
	const char *wrong = NULL;
	char *text;

	if (arg->given)
		*arg->given = true;

	switch (arg->type) {
	case TOOLS_ARG_FLAG:
		*(bool *) arg->dest = true;
		return TOOLS_ARGS_OK;
	case TOOLS_ARG_COUNT:
		(*(unsigned *) arg->dest)++;
		return TOOLS_ARGS_OK;
	default:
		break;
	}

	/* Only options with an optional value get here without one. */
	if (!value && arg->type != TOOLS_ARG_CALL)
		return TOOLS_ARGS_OK;

	switch (arg->type) {
	case TOOLS_ARG_STRING:
		*(const char **) arg->dest = value;
		break;
	case TOOLS_ARG_STRINGS:
		tools_strings_add(arg->dest, value);
		break;
	case TOOLS_ARG_BOOL:
		wrong = tools_parse_bool(value, arg->dest);
		break;
	case TOOLS_ARG_U64:
		wrong = tools_parse_u64(value, arg->dest);
		break;
	case TOOLS_ARG_SIZE:
		wrong = tools_parse_size(value, arg->dest);
		break;
	case TOOLS_ARG_CHOICE:
		return set_choice(p, arg, shown, value);
	case TOOLS_ARG_MOUNT_OPTS:
		text = tools_mount_opts_add(arg->dest, value);
		if (text) {
			refuse(p, "invalid value '%s' for '%s': %s", value, shown, text);
			free(text);
			return TOOLS_ARGS_ERROR;
		}
		break;
	case TOOLS_ARG_CALL:
		wrong = arg->call(arg->dest, value);
		break;
	default:
		break;
	}

	if (wrong)
		return refuse(p, "invalid value '%s' for '%s': %s", value ?: "", shown, wrong);
	return TOOLS_ARGS_OK;
}

/* --- options --- */

static bool last_arg(const struct tools_arg *arg)
{
	return !arg->name && !arg->letter;
}

/* Dashes and underscores are the same in long names. */
static bool long_name_eq(const char *name, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++, name++)
		if (*name != s[i] &&
		    !((*name == '-' || *name == '_') && (s[i] == '-' || s[i] == '_')))
			return false;
	return !*name;
}

static enum tools_args_result parse_long(struct arg_parse *p, char **argv, int argc, int *i,
					 FILE *out)
{
	const char *s = argv[*i] + 2;
	const char *eq = strchr(s, '=');
	const size_t len = eq ? (size_t) (eq - s) : strlen(s);
	const struct tools_arg *arg;
	const char *value = eq ? eq + 1 : NULL;
	char shown[64];

	for (arg = p->cmd->args; !last_arg(arg); arg++)
		if (arg->name && long_name_eq(arg->name, s, len))
			break;

	if (last_arg(arg)) {
		if (!eq && !strcmp(s, "help")) {
			tools_args_help(p->cmd, out);
			return TOOLS_ARGS_HELP;
		}
		return refuse(p, "unexpected argument '--%.*s' found", (int) len, s);
	}

	snprintf(shown, sizeof(shown), "--%s", arg->name);
	if (!takes_value(arg)) {
		if (value)
			return refuse(p, "option '%s' takes no value", shown);
	} else if (!value && !arg->optional) {
		if (*i + 1 >= argc)
			return refuse(p, "a value is required for '%s' but none was supplied",
				      shown);
		value = argv[++*i];
	}
	return store(p, arg, shown, value);
}

static enum tools_args_result parse_short(struct arg_parse *p, char **argv, int argc, int *i,
					  FILE *out)
{
	for (const char *s = argv[*i] + 1; *s; s++) {
		const struct tools_arg *arg;
		enum tools_args_result ret;
		const char *value = NULL;
		const char shown[3] = { '-', *s, '\0' };

		for (arg = p->cmd->args; !last_arg(arg); arg++)
			if (arg->letter && arg->letter == *s)
				break;

		if (last_arg(arg)) {
			if (*s == 'h' && !p->cmd->no_short_help) {
				tools_args_help(p->cmd, out);
				return TOOLS_ARGS_HELP;
			}
			return refuse(p, "unexpected argument '%s' found", shown);
		}

		if (takes_value(arg)) {
			if (s[1])
				value = s + 1 + (s[1] == '=');
			else if (!arg->optional && *i + 1 >= argc)
				return refuse(p,
					"a value is required for '%s' but none was supplied",
					shown);
			else if (!arg->optional)
				value = argv[++*i];
		}

		ret = store(p, arg, shown, value);
		if (ret != TOOLS_ARGS_OK || value)
			return ret;
	}
	return TOOLS_ARGS_OK;
}

/* The name of positional number @idx, for messages: words of "DEVICE... DEST". */
static void positional_name(const struct tools_cmdline *cmd, unsigned idx, char *buf, size_t size)
{
	const char *s = cmd->positionals;
	size_t len = 0;

	for (;; idx--) {
		s += strspn(s, " ");
		len = strcspn(s, " ");
		if (!idx || !s[len])
			break;
		s += len;
	}
	snprintf(buf, size, "%.*s", (int) len, s);
}

enum tools_args_result tools_args_parse(const struct tools_cmdline *cmd, int argc, char *argv[],
					char ***pos, unsigned *nr, FILE *out, FILE *err)
{
	struct arg_parse p = { .cmd = cmd, .err = err };
	enum tools_args_result ret = TOOLS_ARGS_OK;
	bool options = true;
	unsigned kept = 1;
	char name[64];

	for (int i = 1; i < argc && ret == TOOLS_ARGS_OK; i++) {
		const char *s = argv[i];

		if (!options || s[0] != '-' || !s[1]) {
			/* kept <= i, so this only overwrites what has been read */
			argv[kept++] = argv[i];
			if (kept - 1 > cmd->max_positionals)
				return refuse(&p, "unexpected argument '%s' found", s);
		} else if (!strcmp(s, "--")) {
			options = false;
		} else if (s[1] == '-') {
			ret = parse_long(&p, argv, argc, &i, out);
		} else {
			ret = parse_short(&p, argv, argc, &i, out);
		}
	}
	if (ret != TOOLS_ARGS_OK)
		return ret;

	if (kept - 1 < cmd->min_positionals) {
		positional_name(cmd, kept - 1, name, sizeof(name));
		return refuse(&p, "missing argument: %s", name);
	}

	argv[kept] = NULL;
	*pos = argv + 1;
	*nr = kept - 1;
	return TOOLS_ARGS_OK;
}

unsigned tools_args(const struct tools_cmdline *cmd, int argc, char *argv[], char ***pos)
{
	unsigned nr = 0;

	switch (tools_args_parse(cmd, argc, argv, pos, &nr, stdout, stderr)) {
	case TOOLS_ARGS_OK:
		return nr;
	case TOOLS_ARGS_HELP:
		fflush(stdout);
		exit(0);
	default:
		exit(2);
	}
}

/* --- help --- */

#define HELP_COLUMN	32

static void help_line(FILE *f, const char *left, const char *help)
{
	int n = fprintf(f, "%s", left);

	if (n >= HELP_COLUMN)
		n = fprintf(f, "\n") * 0;
	fprintf(f, "%*s", HELP_COLUMN - n, "");

	/* Lines of the help text keep its column. */
	for (; *help; help++) {
		fputc(*help, f);
		if (*help == '\n')
			fprintf(f, "%*s", HELP_COLUMN, "");
	}
	fputc('\n', f);
}

static void arg_help(const struct tools_arg *arg, FILE *f)
{
	const char *value = arg->value ?: "VALUE";
	const char *eq = arg->name ? "=" : "";
	char left[128], letter[8] = "";
	char *help;
	size_t n;

	if (arg->letter)
		snprintf(letter, sizeof(letter), "-%c%s", arg->letter, arg->name ? ", " : "");

	n = snprintf(left, sizeof(left), "  %*s%s%s", arg->letter ? 0 : 4, letter,
		     arg->name ? "--" : "", arg->name ?: "");
	if (n < sizeof(left) && takes_value(arg)) {
		if (arg->optional)
			snprintf(left + n, sizeof(left) - n, "[%s%s]", eq, value);
		else
			snprintf(left + n, sizeof(left) - n, " %s", value);
	}

	if (!arg->choices) {
		help_line(f, left, arg->help ?: "");
		return;
	}

	help = tools_asprintf("%s\n[", arg->help ?: "");
	for (unsigned i = 0; arg->choices[i]; i++) {
		char *longer = tools_asprintf("%s%s%s", help, i ? ", " : "", arg->choices[i]);

		free(help);
		help = longer;
	}
	n = strlen(help);
	help = tools_realloc(help, n + 2);
	memcpy(help + n, "]", 2);
	help_line(f, left, help);
	free(help);
}

void tools_args_help(const struct tools_cmdline *cmd, FILE *f)
{
	bool own_h = false;

	fprintf(f, "%s\n\nUsage: bcachefs %s [OPTIONS]%s%s\n\nOptions:\n",
		cmd->summary, cmd->name,
		cmd->positionals && *cmd->positionals ? " " : "",
		cmd->positionals ?: "");

	for (const struct tools_arg *arg = cmd->args; !last_arg(arg); arg++) {
		own_h |= arg->letter == 'h';
		if (!arg->hidden)
			arg_help(arg, f);
	}
	help_line(f, cmd->no_short_help || own_h ? "      --help" : "  -h, --help",
		  "Print this help");

	if (cmd->details)
		fprintf(f, "\n%s", cmd->details);
}
