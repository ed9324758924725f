// SPDX-License-Identifier: GPL-2.0
/*
 * bcachefs format, mkfs.bcachefs (Documentation/format/71).
 *
 * Everything that can be refused is refused, and everything that has to be
 * asked is asked, before the first byte of any device changes. The superblocks
 * are written; the journal and the btrees are made by whoever starts the
 * filesystem first, which is done here unless the version is not our own, a
 * passphrase would be needed, or --no_initialize says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sodium.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/blkdev.h>
#include <linux/err.h>

#include "bcachefs.h"
#include "commands.h"
#include "format.h"
#include "init/fs.h"
#include "sb/io.h"
#include "shim/blkdev.h"
#include "show_super.h"
#include "tools-passphrase.h"
#include "tools.h"

extern char **environ;

#define KERNEL_VERSION_FILE	"/sys/module/bcachefs/parameters/version"

/* --- the rest of the system --- */

/* Runs a program and waits; its output and its failure do not matter. */
static void run_quietly(char *const argv[])
{
	posix_spawn_file_actions_t actions;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (!posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ))
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	posix_spawn_file_actions_destroy(&actions);
}

/* Metadata version that the running kernel knows; 0: unknown. */
static unsigned kernel_version(void)
{
	char *modprobe[] = { "modprobe", "bcachefs", NULL };
	char *text;
	unsigned v;

	run_quietly(modprobe);
	text = tools_read_file(KERNEL_VERSION_FILE, 64, NULL);
	v = text ? strtoul(text, NULL, 10) : 0;
	free(text);
	return v;
}

/* udev reads the signatures again. */
static void tell_udev(const struct format_args *a)
{
	char **argv = tools_calloc(a->nr + 4, sizeof(*argv));
	unsigned n = 0;

	argv[n++] = "udevadm";
	argv[n++] = "trigger";
	argv[n++] = "--settle";
	for (unsigned i = 0; i < a->nr; i++)
		if (a->targets[i].is_block)
			argv[n++] = (char *) a->targets[i].path;
	if (n > 3)
		run_quietly(argv);
	free(argv);
}

static void look_at_machine(struct bch_format *f)
{
	const long pages = sysconf(_SC_PHYS_PAGES);
	cpu_set_t cpus;

	f->ram_bytes = pages > 0 ? (u64) pages * sysconf(_SC_PAGESIZE) : 0;
	f->nr_cpus = sched_getaffinity(0, sizeof(cpus), &cpus) ? 1 : CPU_COUNT(&cpus);
}

/* Spec 71 section 3, steps 3 and 4. */
static void choose_version(struct format_args *a)
{
	const unsigned own = bcachefs_metadata_version_current;
	const unsigned kernel = kernel_version();

	if (!a->version_given)
		a->f.version = kernel >= BCH_FORMAT_VERSION_MIN ? min(own, kernel) : own;
}

/* --- devices --- */

static int open_target(const struct format_args *a, struct format_target *t)
{
	const struct bch_opts opts = bch2_opts_empty();
	struct printbuf err = PRINTBUF;
	struct stat st;
	int ret;

	if (!a->force && tools_is_multipath_component(t->path))
		return tools_error("%s is a path of a multipath device, use that (or -f)",
				   t->path);

	t->is_block = !stat(t->path, &st) && S_ISBLK(st.st_mode);
	ret = bch2_sb_handle_open(&t->sb, t->path, &opts, &err);
	if (ret) {
		const char *reason = printbuf_str(&err);

		/* the device and the function are named here */
		if (!strncmp(reason, "cannot open: ", 13))
			reason += 13;
		tools_error("Error opening %s: %s", t->path, reason);
	}
	printbuf_exit(&err);
	return ret ? 1 : 0;
}

static int open_targets(struct format_args *a)
{
	int ret = 0;

	for (unsigned i = 0; i < a->nr && !ret; i++)
		ret = open_target(a, &a->targets[i]);
	return ret;
}

/* Size and nature of one device, for the core. */
static int describe_target(const struct format_target *t, struct bch_format_dev *d)
{
	const u64 bytes = bdev_nr_sectors(t->sb.bdev) << 9;

	*d = (struct bch_format_dev) {
		.path		= t->path,
		.label		= t->label,
		.opts		= t->opts,
		.bytes		= t->fs_size ? t->fs_size & ~511ULL : bytes,
		.logical_block	= bdev_logical_block_size(t->sb.bdev),
		.physical_block	= bdev_physical_block_size(t->sb.bdev),
		.rotational	= !t->is_block || !bdev_nonrot(t->sb.bdev),
	};
	/* files can grow */
	if (t->is_block && d->bytes > bytes)
		return tools_error("%s: fs_size %llu is more than the device has (%llu)",
				   t->path, d->bytes, bytes);
	return 0;
}

static int describe_targets(struct format_args *a)
{
	int ret = 0;

	a->f.nr_devs = a->nr;
	a->f.devs = tools_calloc(a->nr, sizeof(*a->f.devs));
	for (unsigned i = 0; i < a->nr && !ret; i++)
		ret = describe_target(&a->targets[i], &a->f.devs[i]);
	return ret;
}

/* Is the filesystem meant to be started as soon as possible? */
static bool wants_start(const struct format_args *a)
{
	return !a->no_initialize && !getenv("BCACHEFS_KERNEL_ONLY") &&
		a->f.version == bcachefs_metadata_version_current &&
		(!a->f.encrypted || a->no_passphrase);
}

/* The first start does not succeed on tiny devices (spec 71 section 5.7). */
static int check_startable(const struct format_args *a)
{
	if (!wants_start(a))
		return 0;
	for (unsigned i = 0; i < a->nr; i++)
		if (a->f.devs[i].bytes < BCH_FORMAT_DEV_BYTES_MIN)
			return tools_error("cannot format %s, too small to be initialised "
					   "(%llu bytes, min %llu; --no_initialize does it anyway)",
					   a->f.devs[i].path, a->f.devs[i].bytes,
					   BCH_FORMAT_DEV_BYTES_MIN);
	return 0;
}

/* Tells what would be lost; asks unless told not to. */
static int ask_about_contents(struct format_args *a)
{
	for (unsigned i = 0; i < a->nr; i++) {
		const int nr = format_probe(&a->targets[i]);

		if (nr < 0)
			return 1;
		if (nr && !a->force &&
		    !tools_confirm("Proceed anyway (existing signatures will be wiped)?"))
			return 1;
	}
	return 0;
}

/* A file that is to be larger than it is grows, sparsely. */
static int grow_target(struct format_args *a, unsigned idx)
{
	struct format_target *t = &a->targets[idx];
	const u64 bytes = a->f.devs[idx].bytes;

	if (t->is_block || bytes <= bdev_nr_sectors(t->sb.bdev) << 9)
		return 0;
	if (ftruncate(shim_bdev_fd(t->sb.bdev), bytes))
		return tools_error("%s: cannot grow to %llu bytes: %s", t->path, bytes,
				   strerror(errno));
	bch2_free_super(&t->sb);
	return open_target(a, t);
}

static int trim_target(struct format_args *a, unsigned idx)
{
	struct format_target *t = &a->targets[idx];
	int ret;

	if (!a->trim || !opt_get(t->opts, discard))
		return 0;
	ret = blkdev_issue_discard(t->sb.bdev, 0, a->f.devs[idx].bytes >> 9, GFP_KERNEL);
	if (ret == -EOPNOTSUPP)
		fprintf(stderr, "%s cannot discard\n", t->path);
	else if (ret)
		return tools_error("%s: cannot discard: %s", t->path, tools_strerror(ret));
	return 0;
}

/* Nothing is left of what was there, as far as searching for it goes. */
static int prepare_targets(struct format_args *a)
{
	int ret = 0;

	for (unsigned i = 0; i < a->nr && !ret; i++)
		ret = grow_target(a, i) ?: format_wipe(&a->targets[i]) ?: trim_target(a, i);
	return ret;
}

/* --- the superblock --- */

static char *new_passphrase(const struct format_args *a)
{
	return a->passphrase_file ? tools_passphrase_from_file(a->passphrase_file)
				  : tools_passphrase_ask_new();
}

static int wrap_key(struct bch_sb *sb, const char *passphrase)
{
	struct bch_sb_field_crypt *crypt = bch2_sb_field_get(sb, crypt);
	struct bch_key key;
	int ret = tools_passphrase_derive(crypt, passphrase, &key);

	if (ret)
		return tools_error("cannot derive the key: %s", tools_strerror(ret));
	bch2_encrypt_key_box(&crypt->key, sb->uuid.b, &key);
	sodium_memzero(&key, sizeof(key));
	return 0;
}

/* Geometry and superblock, and whether each device has room for it. */
static int make_super(struct format_args *a, const char *passphrase, struct bch_sb_handle *sb)
{
	struct printbuf err = PRINTBUF;
	int ret = bch2_format_geometry(&a->f, &err) ?: bch2_format_super(&a->f, sb, &err);

	for (unsigned i = 0; i < a->nr && !ret; i++)
		ret = bch2_format_dev_super(&a->f, sb, i, &err);
	if (ret)
		ret = tools_error("%s", err.pos ? printbuf_str(&err) : tools_strerror(ret));
	else if (passphrase)
		ret = wrap_key(sb->sb, passphrase);
	printbuf_exit(&err);
	return ret;
}

static int write_supers(struct format_args *a, struct bch_sb_handle *sb)
{
	struct printbuf err = PRINTBUF;
	int ret = 0;

	for (unsigned i = 0; i < a->nr && !ret; i++) {
		ret = bch2_format_dev_super(&a->f, sb, i, &err) ?:
			bch2_format_write(a->targets[i].sb.bdev, sb->sb);
		if (ret)
			ret = tools_error("%s: cannot write the superblock: %s",
					  a->targets[i].path,
					  err.pos ? printbuf_str(&err) : tools_strerror(ret));
	}
	printbuf_exit(&err);
	return ret;
}

/* --- telling --- */

/* What is printed of each device; allocated for one call. */
struct names {
	const struct format_args	*a;
	char				*model;
	char				*serial;
};

static bool dev_name(const struct bch_sb_text *t, unsigned idx, struct bch_sb_dev_name *name)
{
	struct names *n = t->priv;

	if (idx >= n->a->nr)
		return false;
	free(n->model);
	free(n->serial);
	n->model = tools_dev_model(n->a->targets[idx].path);
	n->serial = tools_dev_serial(n->a->targets[idx].path);
	*name = (struct bch_sb_dev_name) {
		.path = n->a->targets[idx].path, .model = n->model, .serial = n->serial
	};
	return true;
}

static int print_result(struct format_args *a, struct bch_sb_handle *sb)
{
	struct names names = { .a = a };
	const struct bch_sb_text text = {
		.fields		= 1UL << BCH_SB_FIELD_members_v2,
		.dev_name	= dev_name,
		.priv		= &names,
	};
	struct printbuf err = PRINTBUF;

	/* as the first device has it */
	if (!bch2_format_dev_super(&a->f, sb, 0, &err))
		show_super_print(sb->sb, &text);
	printbuf_exit(&err);
	free(names.model);
	free(names.serial);

	if (!wants_start(a))
		printf("\nThe filesystem is not initialized yet: the first mount "
		       "initialises it.\n");
	return 0;
}

/* --- the first start (Documentation/format/71, 8) --- */

static int initialize(struct format_args *a)
{
	const char **paths = tools_calloc(a->nr, sizeof(*paths));
	struct bch_opts opts = bch2_opts_empty();
	struct bch_fs *c;
	int ret, end;

	for (unsigned i = 0; i < a->nr; i++) {
		/* held exclusively until now */
		bch2_free_super(&a->targets[i].sb);
		paths[i] = a->targets[i].path;
	}

	c = bch2_fs_open(paths, a->nr, &opts);
	ret = PTR_ERR_OR_ZERO(c);
	if (!ret) {
		ret = bch2_fs_start(c);
		end = bch2_fs_stop(c);
		ret = ret ?: end;
	}
	if (ret)
		ret = tools_error("error initializing %s: %s", paths[0], tools_strerror(ret));
	free(paths);
	return ret;
}

/* --- the whole --- */

static int format(struct format_args *a, const char *passphrase)
{
	struct bch_sb_handle sb = {};
	int ret;

	choose_version(a);
	if (a->f.version != bcachefs_metadata_version_current)
		printf("version mismatch, not initializing\n");

	ret = open_targets(a) ?: describe_targets(a);
	if (ret)
		return ret;
	look_at_machine(&a->f);
	if (!a->quiet)
		format_warn_shared_disks(a);

	ret =   make_super(a, passphrase, &sb) ?:
		check_startable(a) ?:
		ask_about_contents(a) ?:
		prepare_targets(a) ?:
		write_supers(a, &sb);
	if (!ret) {
		tell_udev(a);
		if (!a->quiet)
			print_result(a, &sb);
	}
	if (!ret && wants_start(a))
		ret = initialize(a);
	if (a->f.encrypted && sb.sb)
		sodium_memzero(sb.sb, sb.buffer_size);
	bch2_free_super(&sb);
	return ret;
}

int cmd_format(int argc, char *argv[])
{
	char *passphrase = NULL;
	struct format_args a;
	bool help;
	int ret = format_args_parse(&a, argc, argv, &help);

	if (!ret && !help && a.f.encrypted && !a.no_passphrase) {
		passphrase = new_passphrase(&a);
		ret = !passphrase;
	}
	if (!ret && !help)
		ret = format(&a, passphrase);

	tools_passphrase_free(passphrase);
	format_args_free(&a);
	return ret;
}
