// SPDX-License-Identifier: GPL-2.0
/*
 * Command line arguments: every form of options and positionals, every message
 * (Documentation/format/70 section 5.1), and the small values.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bcachefs.h"
#include "tools-args.h"
#include "tools.h"

#define ARGC_MAX	16

static struct {
	bool			flag, yes, given;
	unsigned		count;
	const char		*str, *opt;
	struct tools_strings	list;
	uint64_t		nr, size;
	int			choice;
	char			called[32];
	struct bch_opts		opts;
} v;

static const char *call(void *dest, const char *value)
{
	if (value && !strcmp(value, "bad"))
		return "is bad";
	snprintf(dest, sizeof(v.called), "%s", value ?: "(none)");
	return NULL;
}

static const char *const colours[] = { "red", "green", NULL };

static const struct tools_arg args[] = {
	{ .name = "flag", .letter = 'f', .type = TOOLS_ARG_FLAG, .dest = &v.flag,
	  .help = "A flag" },
	{ .name = "verbose", .letter = 'v', .type = TOOLS_ARG_COUNT, .dest = &v.count },
	{ .name = "yes", .letter = 'y', .type = TOOLS_ARG_BOOL, .dest = &v.yes },
	{ .name = "btree", .letter = 'b', .type = TOOLS_ARG_STRING, .dest = &v.str,
	  .value = "BTREE", .help = "Which btree\nof all", .given = &v.given },
	{ .name = "list", .letter = 'l', .type = TOOLS_ARG_STRINGS, .dest = &v.list },
	{ .name = "number", .letter = 'n', .type = TOOLS_ARG_U64, .dest = &v.nr },
	{ .name = "dev_size", .letter = 's', .type = TOOLS_ARG_SIZE, .dest = &v.size },
	{ .name = "colour", .letter = 'c', .type = TOOLS_ARG_CHOICE, .dest = &v.choice,
	  .choices = colours, .help = "Colour" },
	{ .name = "maybe", .letter = 'm', .type = TOOLS_ARG_STRING, .dest = &v.opt,
	  .optional = true },
	{ .name = "call", .type = TOOLS_ARG_CALL, .dest = v.called, .call = call,
	  .optional = true },
	{ .letter = 'o', .type = TOOLS_ARG_MOUNT_OPTS, .dest = &v.opts },
	{ .name = "secret", .type = TOOLS_ARG_FLAG, .dest = &v.flag, .hidden = true },
	{}
};

static struct tools_cmdline cmd = {
	.name = "test", .positionals = "DEVICE [DEST]", .summary = "Test", .args = args,
	.min_positionals = 1, .max_positionals = 2,
};

/* One parse of space separated words; out and err are what was printed. */
struct result {
	enum tools_args_result	ret;
	char			**pos;
	unsigned		nr;
	char			*out, *err;
};

/* Arguments of the last parse. */
static char *words, *argv[ARGC_MAX + 1];

static struct result parse(const char *line)
{
	struct result r = {};
	size_t out_size, err_size;
	FILE *out = open_memstream(&r.out, &out_size);
	FILE *err = open_memstream(&r.err, &err_size);
	char *rest, *w;
	int argc = 1;

	tools_strings_free(&v.list);
	memset(&v, 0, sizeof(v));
	v.choice = -1;

	free(words);
	rest = words = strdup(line);
	argv[0] = "test";
	while ((w = strsep(&rest, " ")))
		if (*w && argc < ARGC_MAX)
			argv[argc++] = w;
	argv[argc] = NULL;

	r.ret = tools_args_parse(&cmd, argc, argv, &r.pos, &r.nr, out, err);
	fclose(out);
	fclose(err);
	return r;
}

static void done(struct result *r)
{
	free(r->out);
	free(r->err);
}

/* Parses; it must be fine, with these positionals. */
static void good(const char *line, const char *pos)
{
	struct result r = parse(line);
	char got[128] = "";

	if (r.ret != TOOLS_ARGS_OK)
		fail_msg("%s: %s", line, r.err);
	for (unsigned i = 0; i < r.nr; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? " " : "",
			 r.pos[i]);
	assert_null(r.pos[r.nr]);
	assert_string_equal(got, pos);
	assert_string_equal(r.out, "");
	assert_string_equal(r.err, "");
	done(&r);
}

/* Parses; it must be refused, with "error: " and this text. */
static void bad(const char *line, const char *text)
{
	struct result r = parse(line);

	assert_int_equal(r.ret, TOOLS_ARGS_ERROR);
	if (strncmp(r.err, "error: ", 7) || !strstr(r.err, text))
		fail_msg("%s: %s", line, r.err);
	assert_string_equal(r.out, "");
	done(&r);
}

static void forms(void **state)
{
	good("dev", "dev");
	good("dev -f dest", "dev dest");
	assert_true(v.flag);
	good("-fvv dev", "dev");
	assert_true(v.flag);
	assert_int_equal(v.count, 2);

	good("-b extents dev", "dev");
	assert_string_equal(v.str, "extents");
	assert_true(v.given);
	good("-bextents dev", "dev");
	assert_string_equal(v.str, "extents");
	good("-fbextents dev", "dev");
	assert_string_equal(v.str, "extents");
	good("--btree extents dev", "dev");
	assert_string_equal(v.str, "extents");
	good("dev --btree=extents", "dev");
	assert_string_equal(v.str, "extents");
	good("dev --btree=", "dev");
	assert_string_equal(v.str, "");
	/* a value may look like an option */
	good("-b -f dev", "dev");
	assert_string_equal(v.str, "-f");
	assert_false(v.flag);

	/* dashes and underscores */
	good("--dev-size 4k dev", "dev");
	assert_int_equal(v.size, 4096);
	good("--dev_size=1.5M dev", "dev");
	assert_int_equal(v.size, 1572864);

	good("-- -f --btree", "-f --btree");
	assert_false(v.flag);
	good("- dev", "- dev");

	good("-l a -lb --list=c dev", "dev");
	assert_int_equal(v.list.nr, 3);
	assert_string_equal(v.list.d[2], "c");

	good("-c green dev", "dev");
	assert_int_equal(v.choice, 1);
	good("-y true dev", "dev");
	assert_true(v.yes);
	good("-n 0x10 dev", "dev");
	assert_int_equal(v.nr, 16);

	/* optional values only come attached */
	good("-m dev", "dev");
	assert_null(v.opt);
	good("-mx dev", "dev");
	assert_string_equal(v.opt, "x");
	good("--maybe dev", "dev");
	assert_null(v.opt);
	good("--maybe=x dev", "dev");
	assert_string_equal(v.opt, "x");
	good("--call dev", "dev");
	assert_string_equal(v.called, "(none)");
	good("--call=y dev", "dev");
	assert_string_equal(v.called, "y");

	good("-o degraded,nochanges,sb=16 -o noatime,ro dev", "dev");
	assert_int_equal(v.opts.degraded, BCH_DEGRADED_yes);
	assert_true(v.opts.nochanges);
	assert_int_equal(v.opts.sb, 16);
	assert_true(v.opts.read_only);
}

static void refused(void **state)
{
	bad("", "missing argument: DEVICE");
	bad("a b c", "unexpected argument 'c' found");
	bad("--nonsense dev", "unexpected argument '--nonsense' found");
	bad("--nonsense=1 dev", "unexpected argument '--nonsense' found");
	bad("--fla dev", "unexpected argument '--fla' found");
	bad("-q dev", "unexpected argument '-q' found");
	bad("-fq dev", "unexpected argument '-q' found");
	bad("dev -b", "a value is required for '-b'");
	bad("dev --btree", "a value is required for '--btree'");
	bad("--flag=1 dev", "option '--flag' takes no value");
	bad("-c blue dev", "invalid value 'blue' for '-c'");
	bad("-c blue dev", "[possible values: red, green]");
	bad("-y perhaps dev", "invalid value 'perhaps' for '-y'");
	bad("-n -1 dev", "must be a number");
	bad("-n 99999999999999999999 dev", "number too big");
	bad("-s 4q dev", "must be a size");
	bad("--call=bad dev", "invalid value 'bad' for '--call': is bad");
	bad("-o degraded=perhaps dev", "invalid value 'degraded=perhaps' for '-o'");
	bad("-o block_size=4k dev", "block_size");
}

static void help(void **state)
{
	static const char *const lines[] = { "--help", "-h", "-fh", "dev -h extra more words" };

	for (size_t i = 0; i < 3; i++) {
		struct result r = parse(lines[i]);

		assert_int_equal(r.ret, TOOLS_ARGS_HELP);
		assert_non_null(strstr(r.out, "Usage: bcachefs test [OPTIONS] DEVICE [DEST]"));
		assert_non_null(strstr(r.out, "  -b, --btree BTREE"));
		assert_non_null(strstr(r.out, "  -m, --maybe[=VALUE]"));
		assert_non_null(strstr(r.out, "  -o VALUE"));
		assert_non_null(strstr(r.out, "[red, green]"));
		assert_non_null(strstr(r.out, "-h, --help"));
		assert_null(strstr(r.out, "secret"));
		assert_string_equal(r.err, "");
		done(&r);
	}

	cmd.no_short_help = true;
	bad("-h dev", "unexpected argument '-h' found");
	cmd.no_short_help = false;
}

static void sizes(void **state)
{
	static const struct {
		const char	*s;
		uint64_t	v;
		bool		bad;
	} t[] = {
		{ "0", 0 }, { "512", 512 }, { "4k", 4096 }, { "4K", 4096 }, { "1M", 1 << 20 },
		{ "1.5G", 3ULL << 29 }, { "1MiB", 1 << 20 }, { "1MB", 1000000 }, { "1 k", 1024 },
		{ "7B", 7 }, { "15E", 15ULL << 60 },
		{ "", 0, true }, { "k", 0, true }, { "-1", 0, true }, { "1kk", 0, true },
		{ "16E", 0, true }, { "99999999999999999999", 0, true }, { "1iB", 0, true },
	};

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		uint64_t got = 0;
		const char *wrong = tools_parse_size(t[i].s, &got);

		if (!wrong != !t[i].bad || (!wrong && got != t[i].v))
			fail_msg("%s: %llu %s", t[i].s, (unsigned long long) got, wrong ?: "");
	}
}

static int finish(void **state)
{
	tools_strings_free(&v.list);
	free(words);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(refused),
		cmocka_unit_test(help),
		cmocka_unit_test(sizes),
	};

	return cmocka_run_group_tests(tests, NULL, finish);
}
