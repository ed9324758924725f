// SPDX-License-Identifier: GPL-2.0
/*
 * Command line of format (Documentation/format/71 section 2, 70 section 5.1).
 *
 * Arguments are read strictly from left to right: options of devices apply to
 * the devices behind them until they are given again, options of the
 * filesystem may stand anywhere. Parsing touches no device.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/log2.h>

#include "bcachefs.h"
#include "format.h"
#include "opts.h"
#include "sb/io.h"
#include "tools.h"

/* Options of this command's own. */
enum own_option {
	OWN_replicas,
	OWN_encrypted,
	OWN_passphrase_file,
	OWN_no_passphrase,
	OWN_fs_label,
	OWN_uuid,
	OWN_superblock_size,
	OWN_version,
	OWN_source,
	OWN_no_initialize,
	OWN_trim,
	OWN_fs_size,
	OWN_label,
	OWN_force,
	OWN_quiet,
	OWN_verbose,
	OWN_help,
};

static const struct {
	const char	*name;
	char		letter;
	const char	*value;		/* word for the usage; NULL: takes none */
	bool		device;		/* applies to devices that follow */
	const char	*help;
} own_options[] = {
	[OWN_replicas]		= { "replicas", 0, "#", false,
		"Copies of metadata and of file data" },
	[OWN_encrypted]		= { "encrypted", 0, NULL, false,
		"Encrypt with chacha20/poly1305" },
	[OWN_passphrase_file]	= { "passphrase_file", 0, "FILE", false,
		"Read the passphrase from a file" },
	[OWN_no_passphrase]	= { "no_passphrase", 0, NULL, false,
		"Store the key of an encrypted filesystem unprotected" },
	[OWN_fs_label]		= { "fs_label", 'L', "LABEL", false,
		"Label of the filesystem" },
	[OWN_uuid]		= { "uuid", 'U', "UUID", false,
		"UUID of the filesystem (default: random)" },
	[OWN_superblock_size]	= { "superblock_size", 0, "SIZE", false,
		"Room for each superblock (default: 1M)" },
	[OWN_version]		= { "version", 0, "MAJOR.MINOR", false,
		"Metadata version to write (default: what the kernel knows)" },
	[OWN_source]		= { "source", 0, "DIR", false,
		"Copy this directory into the filesystem (not in this release)" },
	[OWN_no_initialize]	= { "no_initialize", 0, NULL, false,
		"Leave the initialisation to the first mount (always so)" },
	[OWN_trim]		= { "trim", 0, NULL, false,
		"Discard all of each device first, unless --nodiscard" },
	[OWN_fs_size]		= { "fs_size", 0, "SIZE", true,
		"Use only that much of the device" },
	[OWN_label]		= { "label", 'l', "LABEL", true,
		"Label of the device: a path with dots, like hdd.hdd1" },
	[OWN_force]		= { "force", 'f', NULL, false,
		"Do not ask whether old contents may go" },
	[OWN_quiet]		= { "quiet", 'q', NULL, false,
		"Only print errors" },
	[OWN_verbose]		= { "verbose", 'v', NULL, false,
		"No effect" },
	[OWN_help]		= { "help", 'h', NULL, false,
		"Print this help" },
};

#define NR_OWN		(sizeof(own_options) / sizeof(own_options[0]))

/* A command line being read. */
struct format_parse {
	struct format_args	*a;
	char			**argv;
	int			argc;
	int			i;		/* the argument being read */
	struct format_target	now;		/* device options in force */
	bool			unused_dev_opt;	/* one was given behind the last device */
	bool			help;
};

/* --- usage --- */

#define HELP_COLUMN	40

static void usage_line(const char *left, const char *help)
{
	const int n = printf("  %s", left);

	if (n >= HELP_COLUMN)
		printf("\n%*s%s\n", HELP_COLUMN, "", help);
	else
		printf("%*s%s\n", HELP_COLUMN - n, "", help);
}

static void usage_table_option(const struct bch_option *opt)
{
	struct printbuf left = PRINTBUF;

	prt_printf(&left, "    --%s", opt->name);
	if (opt->kind == BCH_OPT_STR) {
		prt_str(&left, "=(");
		for (unsigned i = 0; opt->choices[i]; i++)
			prt_printf(&left, "%s%s", i ? "|" : "", opt->choices[i]);
		prt_char(&left, ')');
	} else if (opt->kind != BCH_OPT_BOOL) {
		prt_printf(&left, "=%s", opt->hint ?: "VALUE");
	}
	usage_line(printbuf_str(&left), opt->help);
	printbuf_exit(&left);
}

static void usage_own_options(bool device)
{
	for (unsigned i = 0; i < NR_OWN; i++) {
		char left[64], letter[8] = "    ";

		if (own_options[i].device != device)
			continue;
		if (own_options[i].letter)
			snprintf(letter, sizeof(letter), "-%c, ", own_options[i].letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, own_options[i].name,
			 own_options[i].value ? "=" : "", own_options[i].value ?: "");
		usage_line(left, own_options[i].help);
	}
}

void format_usage(void)
{
	printf("bcachefs format - create a filesystem on one or several devices\n"
	       "Usage: bcachefs format [OPTION | DEVICE]...\n"
	       "\n"
	       "Options of the filesystem:\n");
	for (unsigned id = 0; id < bch2_opts_nr; id++)
		if ((bch2_opt_table[id].flags & OPT_FORMAT) &&
		    !(bch2_opt_table[id].flags & OPT_DEVICE))
			usage_table_option(&bch2_opt_table[id]);
	usage_own_options(false);

	printf("\n"
	       "Options of devices, for all devices that follow:\n");
	for (unsigned id = 0; id < bch2_opts_nr; id++)
		if ((bch2_opt_table[id].flags & OPT_DEVICE) && id != Opt_discard)
			usage_table_option(&bch2_opt_table[id]);
	usage_own_options(true);

	printf("\n"
	       "The filesystem is not initialized yet: the first mount initialises it.\n"
	       "\n"
	       "Example:\n"
	       "  bcachefs format --replicas=2 --foreground_target=ssd "
	       "--background_target=hdd \\\n"
	       "    --label=ssd.ssd1 /dev/sda --label=ssd.ssd2 /dev/sdb \\\n"
	       "    --label=hdd.hdd1 /dev/sdc --label=hdd.hdd2 /dev/sdd\n");
}

/* --- own options --- */

static int parse_version(struct format_args *a, const char *s)
{
	char *end = NULL;
	unsigned long major = 0, minor;

	if (*s < '0' || *s > '9')
		return tools_error("invalid version %s", s);
	minor = strtoul(s, &end, 10);
	if (*end == '.' && end[1] >= '0' && end[1] <= '9') {
		major = minor;
		minor = strtoul(end + 1, &end, 10);
	}
	if (*end || major > 63 || minor > 1023)
		return tools_error("invalid version %s", s);

	a->f.version = BCH_VERSION(major, minor);
	a->version_given = true;
	if (a->f.version < BCH_FORMAT_VERSION_MIN ||
	    a->f.version > bcachefs_metadata_version_current)
		return tools_error("version %s is not one of %u.%u to %u.%u", s,
				   BCH_VERSION_MAJOR(BCH_FORMAT_VERSION_MIN),
				   BCH_VERSION_MINOR(BCH_FORMAT_VERSION_MIN),
				   BCH_VERSION_MAJOR(bcachefs_metadata_version_current),
				   BCH_VERSION_MINOR(bcachefs_metadata_version_current));
	return 0;
}

static int parse_superblock_size(struct format_args *a, const char *s)
{
	uint64_t v;
	const char *wrong = tools_parse_size(s, &v);

	if (wrong)
		return tools_error("invalid superblock_size %s: %s", s, wrong);
	if (v < 512 || v > BCH_FORMAT_SB_BYTES_MAX)
		return tools_error("invalid superblock_size %s: must be 512 to %uM", s,
				   BCH_FORMAT_SB_BYTES_MAX >> 20);
	/* the layout stores a power of two: room and layout shall agree */
	a->f.sb_bytes = rounddown_pow_of_two(v);
	return 0;
}

static int parse_replicas(struct format_args *a, const char *s)
{
	uint64_t v;

	if (tools_parse_u64(s, &v) || v < 1 || v > BCH_REPLICAS_MAX)
		return tools_error("invalid replicas %s", s);
	opt_set(a->f.opts, metadata_replicas, v);
	opt_set(a->f.opts, data_replicas, v);
	return 0;
}

static int parse_fs_label(struct format_args *a, const char *s)
{
	const size_t len = strlen(s);

	if (len >= sizeof(a->f.label))
		return tools_error("filesystem label too long: %zu bytes, max %zu", len,
				   sizeof(a->f.label) - 1);
	memset(a->f.label, 0, sizeof(a->f.label));
	memcpy(a->f.label, s, len);
	return 0;
}

static int parse_fs_size(struct format_parse *p, const char *s)
{
	uint64_t v = 0;
	const char *wrong = tools_parse_size(s, &v);

	if (!wrong && v < 512)
		wrong = "too small";
	p->now.fs_size = v;
	return wrong ? tools_error("invalid fs_size %s: %s", s, wrong) : 0;
}

static int set_own(struct format_parse *p, enum own_option o, const char *value)
{
	struct format_args *a = p->a;

	switch (o) {
	case OWN_replicas:
		return parse_replicas(a, value);
	case OWN_encrypted:
		a->f.encrypted = true;
		return 0;
	case OWN_passphrase_file:
		a->passphrase_file = value;
		return 0;
	case OWN_no_passphrase:
		a->no_passphrase = true;
		return 0;
	case OWN_fs_label:
		return parse_fs_label(a, value);
	case OWN_uuid:
		return tools_parse_uuid(value, a->f.user_uuid.b) ? 0 :
			tools_error("invalid uuid %s", value);
	case OWN_superblock_size:
		return parse_superblock_size(a, value);
	case OWN_version:
		return parse_version(a, value);
	case OWN_source:
		a->source = value;
		return 0;
	case OWN_no_initialize:
		a->no_initialize = true;
		return 0;
	case OWN_trim:
		a->trim = true;
		return 0;
	case OWN_fs_size:
		return parse_fs_size(p, value);
	case OWN_label:
		p->now.label = value;
		return 0;
	case OWN_force:
		a->force = true;
		return 0;
	case OWN_quiet:
		a->quiet = true;
		return 0;
	case OWN_verbose:
		return 0;
	case OWN_help:
		p->help = true;
		return 0;
	}
	return 1;
}

/* --- options of the table --- */

/* The text of a target is kept until the labels are known. */
static bool keep_target(struct format_args *a, int id, const char *value)
{
	switch (id) {
#define x(name)									\
	case Opt_##name:							\
		a->f.targets[BCH_FORMAT_##name] = value;			\
		return true;
	BCH_FORMAT_TARGETS(x)
#undef x
	default:
		return false;
	}
}

static int set_table_option(struct format_parse *p, int id, const char *value)
{
	const bool device = bch2_opt_table[id].flags & OPT_DEVICE;
	struct printbuf err = PRINTBUF;
	int ret = 0;
	u64 v;

	p->unused_dev_opt |= device;
	if (value && keep_target(p->a, id, value))
		return 0;

	if (bch2_opt_parse(NULL, id, value, &v, &err))
		ret = tools_error("invalid value '%s' for '--%s': %s", value ?: "",
				  bch2_opt_table[id].name, printbuf_str(&err));
	else
		bch2_opt_set_by_id(device ? &p->now.opts : &p->a->f.opts, id, v);
	printbuf_exit(&err);
	return ret;
}

/* An option by name, but those that only inodes have. */
static int lookup_table_option(const char *name)
{
	const int id = bch2_opt_lookup(name);

	return id >= 0 && bch2_opt_table[id].flags == OPT_INODE ? -1 : id;
}

/* "noNAME" and "no_NAME" for booleans: the option, or negative. */
static int lookup_negated(const char *name)
{
	int id;

	if (strncmp(name, "no", 2))
		return -1;
	id = lookup_table_option(name + 2);
	if (id < 0 && name[2] == '_')
		id = lookup_table_option(name + 3);
	return id >= 0 && bch2_opt_table[id].kind == BCH_OPT_BOOL ? id : -1;
}

/* Must a value follow if there is none behind a '='? */
static bool needs_value(int id)
{
	return bch2_opt_table[id].kind != BCH_OPT_BOOL &&
		id != Opt_degraded && id != Opt_fix_errors;
}

/* --- one argument --- */

/* The value of option @shown, from the next argument if it is not there yet. */
static const char *take_value(struct format_parse *p, const char *shown, const char *value)
{
	if (value)
		return value;
	if (p->i + 1 >= p->argc) {
		tools_error("a value is required for '%s' but none was supplied", shown);
		return NULL;
	}
	return p->argv[++p->i];
}

static int parse_own(struct format_parse *p, unsigned o, const char *shown, const char *value)
{
	if (own_options[o].value) {
		value = take_value(p, shown, value);
		if (!value)
			return 1;
	}
	p->unused_dev_opt |= own_options[o].device;
	return set_own(p, o, value);
}

/* @name has underscores only; @shown is what was typed. */
static int parse_long(struct format_parse *p, const char *name, const char *shown,
		      const char *value)
{
	int id;

	for (unsigned o = 0; o < NR_OWN; o++)
		if (!strcmp(own_options[o].name, name)) {
			if (value && !own_options[o].value)
				return tools_error("option '--%s' takes no value", name);
			return parse_own(p, o, shown, value);
		}

	id = lookup_table_option(name);
	if (id < 0) {
		id = lookup_negated(name);
		if (id >= 0 && !value)
			return set_table_option(p, id, "0");
		return tools_error("unknown option '%s'", shown);
	}

	if (needs_value(id)) {
		value = take_value(p, shown, value);
		if (!value)
			return 1;
	}
	return set_table_option(p, id, value);
}

static int parse_long_arg(struct format_parse *p, const char *arg)
{
	char *name = tools_strdup(arg + 2);
	char *eq = strchr(name, '=');
	int ret;

	if (eq)
		*eq = '\0';
	for (char *c = name; *c; c++)
		if (*c == '-')
			*c = '_';
	ret = parse_long(p, name, arg, eq ? strchr(arg, '=') + 1 : NULL);
	free(name);
	return ret;
}

/* One letter; behind one that takes no value nothing is looked at. */
static int parse_short_arg(struct format_parse *p, const char *arg)
{
	for (unsigned o = 0; o < NR_OWN; o++)
		if (own_options[o].letter && own_options[o].letter == arg[1])
			return parse_own(p, o, arg, arg[2] ? arg + 2 : NULL);
	return tools_error("unknown option '%s'", arg);
}

static void add_target(struct format_parse *p, const char *path)
{
	struct format_args *a = p->a;

	a->targets = tools_realloc(a->targets, (a->nr + 1) * sizeof(*a->targets));
	a->targets[a->nr] = p->now;
	a->targets[a->nr++].path = path;
	p->unused_dev_opt = false;
}

/* --- the whole --- */

static int check_combinations(const struct format_args *a)
{
	if (a->passphrase_file && !a->f.encrypted)
		return tools_error("--passphrase_file requires --encrypted");
	if (a->passphrase_file && a->no_passphrase)
		return tools_error("--passphrase_file and --no_passphrase exclude each other");
	if (a->source && a->no_initialize)
		return tools_error("--source and --no_initialize exclude each other");
	if (a->source)
		return tools_error("--source is not possible in this release: it leaves the "
				   "initialisation to the first mount.\nMount the new filesystem "
				   "and copy the files then.");
	if (a->nr >= BCH_SB_MEMBERS_MAX)
		return tools_error("too many devices: %u", a->nr);
	return 0;
}

int format_args_parse(struct format_args *a, int argc, char *argv[], bool *help)
{
	struct format_parse p = { .a = a, .argc = argc, .argv = argv };
	bool options = true;
	int ret = 0;

	memset(a, 0, sizeof(*a));
	a->f.sb_bytes = BCH_FORMAT_SB_BYTES_DEFAULT;

	for (p.i = 1; p.i < argc && !ret && !p.help; p.i++) {
		const char *arg = argv[p.i];

		if (!options || arg[0] != '-' || !arg[1])
			add_target(&p, arg);
		else if (!strcmp(arg, "--"))
			options = false;
		else if (arg[1] == '-')
			ret = parse_long_arg(&p, arg);
		else
			ret = parse_short_arg(&p, arg);
	}

	*help = !ret && p.help;
	if (ret)
		return ret;
	if (p.help || !a->nr)
		format_usage();
	if (p.help)
		return 0;
	if (!a->nr)
		return tools_error("no device given");
	if (p.unused_dev_opt)
		return tools_error("got a device option with no device");
	return check_combinations(a);
}

void format_args_free(struct format_args *a)
{
	for (unsigned i = 0; i < a->nr; i++)
		bch2_free_super(&a->targets[i].sb);
	free(a->targets);
	free(a->f.devs);
}
