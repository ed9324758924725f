// SPDX-License-Identifier: GPL-2.0
/*
 * bcachefs set-fs-option: options stored in the superblock of an unmounted
 * filesystem (Documentation/format/70 section 7.2, 73 section 9).
 *
 * All or nothing: every value is understood and checked before the first is
 * stored, and one superblock update brings all of them to the devices. The
 * filesystem is started only if what is there has to follow the options (see
 * set_option_scan.c); else nothing but superblocks is written, and it stays clean
 * if it was.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <linux/mutex.h>

#include "bcachefs.h"
#include "commands.h"
#include "init/fs.h"
#include "sb/disk_groups.h"
#include "sb/field.h"
#include "sb/members.h"
#include "sb/validate.h"
#include "sb/write.h"
#include "set_option.h"
#include "tools-open.h"
#include "tools.h"

/* One option on the command line; texts are the command line's. */
struct setting {
	enum bch_opt_id		id;
	const char		*text;
	u64			v;
};

struct settings {
	struct setting		d[bch2_opts_nr];
	unsigned		nr;
	struct tools_strings	dev_idx;	/* -d, as given */
	const char		*passphrase_file;
	struct bch_devs_mask	devs;		/* what device options apply to */
};

/* Destination of one option of the command line. */
struct slot {
	struct settings		*s;
	enum bch_opt_id		id;
	const char		*fixed;		/* value of the "no" form */
};

static bool is_device_option(enum bch_opt_id id)
{
	return bch2_opt_table[id].storage == BCH_OPT_IN_MEMBER;
}

static bool is_settable(enum bch_opt_id id)
{
	const struct bch_option *opt = &bch2_opt_table[id];

	return opt->storage != BCH_OPT_NOT_STORED && !(opt->flags & OPT_HIDDEN);
}

/* What data on the devices depends on: changing it would destroy the filesystem. */
static bool is_geometry(enum bch_opt_id id)
{
	return id == Opt_block_size || id == Opt_btree_node_size || id == Opt_bucket_size;
}

/* --- command line --- */

static const char *take(void *dest, const char *value)
{
	const struct slot *slot = dest;
	struct settings *s = slot->s;
	struct setting *to = NULL;

	if (slot->fixed && value)
		return "takes no value";

	/* the last one counts */
	for (unsigned i = 0; i < s->nr; i++)
		if (s->d[i].id == slot->id)
			to = &s->d[i];
	if (!to)
		to = &s->d[s->nr++];
	to->id = slot->id;
	to->text = slot->fixed ?: value ?: slot->id == Opt_degraded ? "yes" : "1";
	return NULL;
}

/* Up to three spellings per option and for a synonym, two that are none, and the end. */
#define SLOTS_MAX	(3 * bch2_opts_nr + 6)

struct arg_table {
	struct tools_arg	args[SLOTS_MAX];
	struct slot		slots[SLOTS_MAX];
	char			*names[SLOTS_MAX];	/* of hidden spellings */
	unsigned		nr;
};

static struct tools_arg *add_slot(struct arg_table *t, struct settings *s, enum bch_opt_id id)
{
	const struct bch_option *opt = &bch2_opt_table[id];
	struct tools_arg *arg = &t->args[t->nr];

	t->slots[t->nr] = (struct slot) { .s = s, .id = id };
	*arg = (struct tools_arg) {
		.name		= opt->name,
		.type		= TOOLS_ARG_CALL,
		.dest		= &t->slots[t->nr],
		.call		= take,
		.value		= opt->hint ?: "VALUE",
		.help		= opt->help,
		.choices	= opt->kind == BCH_OPT_STR ? opt->choices : NULL,
		.optional	= opt->kind == BCH_OPT_BOOL || id == Opt_degraded,
		.hidden		= is_geometry(id),
	};
	t->nr++;
	return arg;
}

static void add_other_name(struct arg_table *t, struct settings *s, enum bch_opt_id id,
			   const char *prefix, const char *name, const char *fixed)
{
	struct tools_arg *arg = add_slot(t, s, id);
	const unsigned i = t->nr - 1;

	t->names[i] = tools_asprintf("%s%s", prefix, name);
	t->slots[i].fixed = fixed;
	arg->name = t->names[i];
	arg->hidden = true;
}

static struct arg_table *arg_table(struct settings *s)
{
	struct arg_table *t = tools_calloc(1, sizeof(*t));

	t->args[t->nr++] = (struct tools_arg) {
		.name = "dev-idx", .letter = 'd', .type = TOOLS_ARG_STRINGS, .dest = &s->dev_idx,
		.value = "INDEX",
		.help = "Device that device options apply to; may be repeated\n"
			"(default: the devices named)",
	};
	t->args[t->nr++] = (struct tools_arg) {
		.name = "passphrase-file", .type = TOOLS_ARG_STRING, .dest = &s->passphrase_file,
		.value = "FILE", .help = "Read the passphrase from FILE, if it is needed",
	};
	for (unsigned id = 0; id < bch2_opts_nr; id++)
		if (is_settable(id))
			add_slot(t, s, id);
	for (unsigned id = 0; id < bch2_opts_nr; id++)
		if (is_settable(id) && bch2_opt_table[id].kind == BCH_OPT_BOOL) {
			add_other_name(t, s, id, "no", bch2_opt_table[id].name, "0");
			add_other_name(t, s, id, "no-", bch2_opt_table[id].name, "0");
		}
	add_other_name(t, s, Opt_usrquota, "", "quota", NULL);
	add_other_name(t, s, Opt_usrquota, "no", "quota", "0");
	add_other_name(t, s, Opt_usrquota, "no-", "quota", "0");
	return t;
}

static void arg_table_free(struct arg_table *t)
{
	for (unsigned i = 0; i < t->nr; i++)
		free(t->names[i]);
	free(t);
}

/* --- devices --- */

static bool same_file(const struct stat *a, const struct stat *b)
{
	if (S_ISBLK(a->st_mode) || S_ISBLK(b->st_mode))
		return S_ISBLK(a->st_mode) && S_ISBLK(b->st_mode) && a->st_rdev == b->st_rdev;
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* The member that @path names, under whatever name it was opened. */
static struct bch_dev *dev_by_path(struct bch_fs *c, const char *path)
{
	struct stat want, st;

	if (stat(path, &want))
		return NULL;
	for_each_online_member(c, ca)
		if (ca->path && !stat(ca->path, &st) && same_file(&want, &st))
			return ca;
	return NULL;
}

static int named_by_index(struct bch_fs *c, struct settings *s)
{
	for (unsigned i = 0; i < s->dev_idx.nr; i++) {
		const char *text = s->dev_idx.d[i];
		uint64_t idx;

		if (tools_parse_u64(text, &idx))
			return tools_error("device index '%s' is not a number", text);
		if (idx >= BCH_SB_MEMBERS_MAX || !bch2_dev(c, idx))
			return tools_error("the filesystem has no device %s", text);
		s->devs.d[idx / BITS_PER_LONG] |= 1UL << (idx % BITS_PER_LONG);
	}
	return 0;
}

/* The devices an argument names: one, or several joined by colons. */
static int named_by_argument(struct bch_fs *c, struct settings *s, const char *arg)
{
	char *copy = tools_strdup(arg), *rest = copy, *path;
	int ret = 0;

	while (!ret && (path = strsep(&rest, ":"))) {
		const struct bch_dev *ca = dev_by_path(c, path);

		if (!*path)
			continue;
		if (!ca)
			ret = tools_error("%s is not a device of the filesystem", path);
		else
			s->devs.d[ca->dev_idx / BITS_PER_LONG] |=
				1UL << (ca->dev_idx % BITS_PER_LONG);
	}
	free(copy);
	return ret;
}

static int find_devices(struct bch_fs *c, struct settings *s, char **args, unsigned nr)
{
	bool need = false;
	int ret = 0;

	for (unsigned i = 0; i < s->nr; i++)
		need |= is_device_option(s->d[i].id);
	if (s->dev_idx.nr && !need)
		return tools_error("-d without a device option");
	if (s->dev_idx.nr)
		return named_by_index(c, s);

	for (unsigned i = 0; need && !ret && i < nr; i++) {
		const char *eq = strchr(args[i], '=');

		if (eq && (!strncmp(args[i], "UUID=", 5) || !strncmp(args[i], "LABEL=", 6) ||
			   !strncmp(args[i], "OLD_BLKID_UUID=", 15)))
			return tools_error("%s does not say which device is meant: use -d",
					   args[i]);
		ret = named_by_argument(c, s, args[i]);
	}
	return ret;
}

/* --- values --- */

/* A device by any of its names, else a label. */
static int target_parse(const struct bch_opt_ctx *ctx, const char *val, u64 *res,
			struct printbuf *err)
{
	const struct bch_dev *ca = strchr(val, '/') ? dev_by_path(ctx->c, val) : NULL;

	if (ca) {
		*res = bch2_target_dev(ca->dev_idx);
		return 0;
	}
	return bch2_target_parse(ctx->c, ctx->sb, val, res, err);
}

static int parse_one(struct bch_fs *c, struct setting *o)
{
	const struct bch_opt_ctx ctx = {
		.c = c, .sb = c->disk_sb.sb, .target_parse = target_parse
	};
	const char *name = bch2_opt_table[o->id].name;
	struct printbuf err = PRINTBUF;
	int ret = 0;

	if (is_geometry(o->id))
		ret = tools_error("%s of an existing filesystem cannot be changed", name);
	else if (bch2_opt_parse(&ctx, o->id, o->text, &o->v, &err))
		ret = tools_error("invalid value '%s' for %s: %s", o->text, name,
				  printbuf_str(&err));
	else if (o->id == Opt_encoded_extent_max &&
		 o->v < bch2_opt_from_sb(c->disk_sb.sb, o->id))
		ret = tools_error("%s can only be raised: there may be extents of the present "
				  "size", name);
	printbuf_exit(&err);
	return ret;
}

static int parse_all(struct bch_fs *c, struct settings *s)
{
	int ret = 0;

	for (unsigned i = 0; i < s->nr; i++)
		ret |= parse_one(c, &s->d[i]);
	return ret;
}

/* --- storing --- */

/* Features that data will need that is written under the new options (11 section 6). */
static u64 features_of(const struct setting *o)
{
	static const u64 compression[] = {
		[BCH_COMPRESSION_OPT_lz4]	= BCH_FEATURE_BIT(lz4),
		[BCH_COMPRESSION_OPT_gzip]	= BCH_FEATURE_BIT(gzip),
		[BCH_COMPRESSION_OPT_zstd]	= BCH_FEATURE_BIT(zstd),
	};

	switch (o->id) {
	case Opt_compression:
	case Opt_background_compression:
		return compression[o->v & 15];
	case Opt_erasure_code:
		return o->v ? BCH_FEATURE_BIT(ec) : 0;
	default:
		return 0;
	}
}

static void store_member(struct bch_fs *c, const struct settings *s, const struct setting *o)
{
	for (unsigned i = 0; i < BCH_SB_MEMBERS_MAX; i++)
		if (s->devs.d[i / BITS_PER_LONG] >> (i % BITS_PER_LONG) & 1) {
			struct bch_member m = bch2_sb_member_get(c->disk_sb.sb, i);

			bch2_opt_set_member(&m, o->id, o->v);
			bch2_sb_member_set(c->disk_sb.sb, i, &m);
		}
}

static void store(struct bch_fs *c, const struct settings *s)
{
	for (unsigned i = 0; i < s->nr; i++) {
		const struct setting *o = &s->d[i];

		if (is_device_option(o->id))
			store_member(c, s, o);
		else
			bch2_opt_set_sb(c->disk_sb.sb, o->id, o->v);
		c->disk_sb.sb->features[0] |= cpu_to_le64(features_of(o));
	}
}

/* Some values stand for something else when they are read (10 section 5.9). */
static int check_stored(struct bch_fs *c, const struct settings *s)
{
	int ret = bch2_sb_fixup(&c->disk_sb);

	if (ret)
		return tools_error("%s", tools_strerror(ret));

	for (unsigned i = 0; i < s->nr; i++) {
		const struct setting *o = &s->d[i];

		if (!is_device_option(o->id) && bch2_opt_from_sb(c->disk_sb.sb, o->id) != o->v)
			ret = tools_error("invalid value '%s' for %s: cannot be stored", o->text,
					  bch2_opt_table[o->id].name);
	}
	return ret;
}

/* Data types, a bit each, that some device takes. */
static unsigned types_writable(const struct bch_sb *sb)
{
	unsigned types = 0;

	for (unsigned i = 0; i < sb->nr_devices; i++) {
		const struct bch_member m = bch2_sb_member_get(sb, i);
		const struct bch_member_cpu mi = bch2_mi_to_cpu(&m);

		if (mi.valid && mi.state == BCH_MEMBER_STATE_rw && mi.durability)
			types |= mi.data_allowed;
	}
	return types & BCH_DATA_ALLOWED_DEFAULT;
}

/* Everything but writing: the superblock in memory is the new one. */
static int set_options(struct bch_fs *c, struct settings *s, char **args, unsigned nr)
{
	unsigned before;

	if (parse_all(c, s) || find_devices(c, s, args, nr))
		return 1;

	before = types_writable(c->disk_sb.sb);
	store(c, s);
	if (check_stored(c, s))
		return 1;
	if (before & ~types_writable(c->disk_sb.sb))
		return tools_error("no device would be left that journal, btree or user data can "
				   "be written to");
	return 0;
}

/* Change the superblock; with @scans, only find out what that asks for. */
static int change_super(struct settings *s, char **args, unsigned nr, struct option_scans *scans,
			bool *scans_wanted)
{
	struct bch_opts opts = bch2_opts_empty();
	struct bch_fs *c = tools_open_super(args, nr, &opts);
	struct bch_sb *old;
	int ret;

	if (!c)
		return 1;
	mutex_lock(&c->sb_lock);
	old = tools_calloc(1, bch2_sb_bytes(c->disk_sb.sb));
	memcpy(old, c->disk_sb.sb, bch2_sb_bytes(c->disk_sb.sb));
	ret = set_options(c, s, args, nr);
	if (!ret && scans) {
		*scans = option_scans_between(old, c->disk_sb.sb);
		*scans_wanted = option_scans_wanted(c, scans, s->passphrase_file);
	}
	if (!ret && !(scans && *scans_wanted))
		ret = tools_write_super(c);
	mutex_unlock(&c->sb_lock);
	free(old);
	bch2_fs_stop(c);
	return ret;
}

static int run(struct settings *s, char **args, unsigned nr)
{
	struct option_scans scans = {};
	bool wanted = false;
	int ret = change_super(s, args, nr, &scans, &wanted);

	if (ret || !wanted)
		return ret;
	option_scans_request(args, nr, s->passphrase_file, &scans);
	return change_super(s, args, nr, NULL, NULL);
}

int cmd_set_fs_option(int argc, char *argv[])
{
	struct settings s = {};
	struct arg_table *t = arg_table(&s);
	const struct tools_cmdline cmd = {
		.name			= "set-fs-option",
		.positionals		= "DEVICE...",
		.summary		= "Change stored options of an unmounted filesystem",
		.details		=
	"Booleans take an optional value, --OPTION=0 or 1; --noOPTION means 0. Either all\n"
	"options are changed or none. Data that is there already stays as it is until the\n"
	"filesystem is mounted: what is to follow the options is then found.\n",
		.args			= t->args,
		.min_positionals	= 1,
		.max_positionals	= BCH_SB_MEMBERS_MAX,
	};
	unsigned nr;
	char **pos;
	int ret;

	nr = tools_args(&cmd, argc, argv, &pos);
	ret = s.nr ? run(&s, pos, nr) : tools_error("no options given");
	tools_strings_free(&s.dev_idx);
	arg_table_free(t);
	return ret;
}
