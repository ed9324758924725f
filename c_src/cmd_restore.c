// SPDX-License-Identifier: GPL-2.0
/*
 * restore: copy files out of an unmounted, possibly damaged filesystem.
 *
 * Here are arguments, messages and progress; the tree is walked by
 * restore_walk.c. Nothing is ever written to the filesystem's devices.
 *
 * Exit status: 0 everything was restored, 1 something was not (it was
 * reported), 2 usage, 8 the filesystem or the destination cannot be opened.
 */
#include <sys/types.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "restore.h"

#include "bcachefs.h"
#include "alloc/accounting.h"
#include "btree/iter.h"
#include "init/fs.h"
#include "fs/inode.h"
#include "shim/log.h"
#include "tools-open.h"
#include "tools-opts.h"
#include "tools.h"

#define EXIT_DAMAGE	1
#define EXIT_USAGE	2
#define EXIT_CANNOT	8

struct restore_args {
	bool			list;
	bool			list_subvolumes;
	const char		*subvol;
	struct tools_strings	paths;
	struct bch_opts		opts;
	const char		*passphrase_file;
	int			progress;
	bool			log_shown;
	struct restore_opts	r;
};

static const char *const when_choices[] = { "auto", "always", "never", NULL };
enum when { WHEN_AUTO, WHEN_ALWAYS, WHEN_NEVER };

/* Length of the UTF-8 character at @p; 0 for what is none, or a control. */
static unsigned utf8_printable(const unsigned char *p)
{
	unsigned len = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 :
		*p < 0xf5 ? 4 : 0;

	if (*p < 0x20 || *p == 0x7f || *p == '\\' || (*p == 0xc2 && p[1] < 0xa0))
		return 0;
	for (unsigned i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/**
 * restore_print_path - print a name without letting it control the terminal
 * @f: stream
 * @path: bytes; controls and what is not ASCII or UTF-8 text become \ooo
 */
void restore_print_path(FILE *f, const char *path)
{
	const unsigned char *p = (const unsigned char *) path;

	while (*p) {
		const unsigned len = utf8_printable(p);

		if (len)
			fwrite(p, 1, len, f);
		else
			fprintf(f, "\\%03o", *p);
		p += len ?: 1;
	}
}

static void clear_progress(struct restore_ctx *ctx)
{
	if (ctx->progress_shown)
		fputs("\r\033[K", stderr);
	ctx->progress_shown = false;
}

static void message(struct restore_ctx *ctx, const char *kind, const char *path,
		    const char *fmt, va_list args)
{
	char *text;

	clear_progress(ctx);
	fprintf(stderr, "%s: ", kind);
	restore_print_path(stderr, path);
	fputs(": ", stderr);
	/* names may be in it */
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	restore_print_path(stderr, text ?: fmt);
	fputc('\n', stderr);
	free(text);
}

/**
 * restore_error - report something that could not be restored, and count it
 * @ctx: the command
 * @path: which entry
 * @fmt: what happened
 */
void restore_error(struct restore_ctx *ctx, const char *path, const char *fmt, ...)
{
	va_list args;

	ctx->stats.errors++;
	va_start(args, fmt);
	message(ctx, "error", path, fmt, args);
	va_end(args);
}

/**
 * restore_warning - report something that is not as it was, but harmless
 * @ctx: the command
 * @path: which entry
 * @fmt: what happened
 */
void restore_warning(struct restore_ctx *ctx, const char *path, const char *fmt, ...)
{
	va_list args;

	if (ctx->opts.quiet)
		return;
	va_start(args, fmt);
	message(ctx, "warning", path, fmt, args);
	va_end(args);
}

static void print_size(FILE *f, uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	unsigned u = 0;
	double v = bytes;

	while (v >= 1024 && units[u + 1]) {
		v /= 1024;
		u++;
	}
	fprintf(f, u ? "%.1f%c" : "%.0f%c", v, units[u]);
}

/**
 * restore_progress - show how far it is, at most once a second
 * @ctx: the command
 * @path: what is being restored
 */
void restore_progress(struct restore_ctx *ctx, const char *path)
{
	const struct restore_stats *s = &ctx->stats;
	uint64_t done = s->files + s->dirs + s->others;
	time_t now;

	if (!ctx->opts.progress)
		return;
	now = time(NULL);
	if (now == ctx->last_progress)
		return;
	ctx->last_progress = now;

	fputs("\r\033[K", stderr);
	if (s->total_inodes) {
		unsigned pct = done >= s->total_inodes ? 100 : done * 100 / s->total_inodes;

		fputc('[', stderr);
		for (unsigned i = 0; i < 20; i++)
			fputc(i < pct / 5 ? '#' : '.', stderr);
		fprintf(stderr, "] %3u%% ", pct);
	}
	fprintf(stderr, "%llu entries, ", (unsigned long long) done);
	print_size(stderr, s->bytes);
	if (s->errors)
		fprintf(stderr, ", %llu errors", (unsigned long long) s->errors);
	fputs("  ", stderr);
	restore_print_path(stderr, strlen(path) > 60 ? path + strlen(path) - 60 : path);
	ctx->progress_shown = true;
}

static void print_summary(struct restore_ctx *ctx)
{
	const struct restore_stats *s = &ctx->stats;

	clear_progress(ctx);
	if (ctx->opts.quiet && !s->errors)
		return;
	fprintf(stderr, "%llu files, %llu directories, %llu others, ",
		(unsigned long long) s->files, (unsigned long long) s->dirs,
		(unsigned long long) s->others);
	print_size(stderr, s->bytes);
	fprintf(stderr, ", %llu errors\n", (unsigned long long) s->errors);
}

/* Inodes that the filesystem says it has, for the progress display; 0 if unknown. */
static uint64_t count_inodes(struct bch_fs *c)
{
	struct disk_accounting_pos acc = { .type = BCH_DISK_ACCOUNTING_nr_inodes };
	struct btree_trans *trans = bch2_trans_get(c);
	struct bpos pos = bch2_accounting_pos_encode(&acc);
	uint64_t nr = 0;

	(void) for_each_btree_key_max(trans, iter, BTREE_ID_accounting, pos, pos, 0, k, ({
		if (k.k->type == KEY_TYPE_accounting)
			nr = bch2_accounting_counter(k, 0);
		0;
	}));
	bch2_trans_put(trans);
	return nr;
}

static const char details[] =
	"DEST is a directory, made if it does not exist, or - for a tar stream on\n"
	"standard output. Subvolumes and snapshots appear where a mount shows them.\n"
	"Without --ignore-errors a file with unreadable parts is left out; with it the\n"
	"parts are zeroes. Either way everything else is restored, and the exit status\n"
	"is 1.";

static unsigned parse_args(struct restore_args *a, int argc, char *argv[], char ***pos)
{
	const struct tools_arg args[] = {
		{ .name = "list", .letter = 'l', .type = TOOLS_ARG_FLAG, .dest = &a->list,
		  .help = "list the entries; nothing is written, no DEST" },
		{ .name = "path", .letter = 'p', .type = TOOLS_ARG_STRINGS, .dest = &a->paths,
		  .value = "PATH", .help = "only this file or directory (repeatable)" },
		{ .name = "snapshot", .letter = 's', .type = TOOLS_ARG_STRING, .dest = &a->subvol,
		  .value = "SUBVOL",
		  .help = "restore this subvolume or snapshot, by path or number" },
		{ .name = "list-subvolumes", .type = TOOLS_ARG_FLAG, .dest = &a->list_subvolumes,
		  .help = "list subvolumes and snapshots; no DEST" },
		{ .name = "ignore-errors", .letter = 'i', .type = TOOLS_ARG_FLAG,
		  .dest = &a->r.ignore_errors,
		  .help = "keep damaged files, with zeroes for unreadable parts" },
		{ .name = "overwrite", .type = TOOLS_ARG_FLAG, .dest = &a->r.overwrite,
		  .help = "replace what already exists in DEST" },
		{ .name = "no-owner", .type = TOOLS_ARG_FLAG, .dest = &a->r.no_owner,
		  .help = "do not restore owners (default unless root)" },
		{ .name = "json", .type = TOOLS_ARG_FLAG, .dest = &a->r.json,
		  .help = "with --list or --list-subvolumes: one JSON object per line" },
		{ .name = "passphrase-file", .type = TOOLS_ARG_STRING,
		  .dest = &a->passphrase_file, .value = "FILE",
		  .help = "passphrase of an encrypted filesystem" },
		{ .name = "opts", .letter = 'o', .type = TOOLS_ARG_MOUNT_OPTS, .dest = &a->opts,
		  .value = "OPTS", .help = "mount options" },
		{ .name = "progress", .type = TOOLS_ARG_CHOICE, .dest = &a->progress,
		  .value = "WHEN", .help = "auto (on a terminal), always or never",
		  .choices = when_choices },
		{ .name = "verbose", .letter = 'v', .type = TOOLS_ARG_FLAG, .dest = &a->r.verbose,
		  .help = "show the messages of the filesystem core" },
		{ .name = "quiet", .letter = 'q', .type = TOOLS_ARG_FLAG, .dest = &a->r.quiet,
		  .help = "no warnings, no summary unless there were errors" },
		{}
	};
	const struct tools_cmdline cmd = {
		.name			= "restore",
		.positionals		= "DEVICE[:DEVICE...] DEST",
		.summary		= "Copy files out of an unmounted or damaged filesystem",
		.details		= details,
		.args			= args,
		.min_positionals	= 1,
		.max_positionals	= 257,
	};
	unsigned nr = tools_args(&cmd, argc, argv, pos);

	if (!a->list && !a->list_subvolumes && nr < 2)
		tools_usage_error("restore", "a destination is missing");
	return nr;
}

/* Messages of the core are for --verbose; what is wrong always gets through. */
static void log_to_stderr(int level, const char *text, void *priv)
{
	struct restore_args *a = priv;

	/* A continuation goes where its beginning went. */
	if (level >= 0)
		a->log_shown = level <= 4 || a->r.verbose;
	if (a->log_shown)
		fputs(text, stderr);
}

static int make_dest(const char *dest)
{
	if (mkdir(dest, 0777) && errno != EEXIST)
		return tools_error("cannot create %s: %s", dest, strerror(errno));
	if (chdir(dest))
		return tools_error("cannot enter %s: %s", dest, strerror(errno));
	return 0;
}

static struct restore_sink *open_sink(struct restore_args *a, const char *dest)
{
	struct restore_sink *sink;

	if (a->list) {
		sink = restore_list_sink(&a->r, stdout);
	} else if (!strcmp(dest, "-")) {
		if (isatty(STDOUT_FILENO)) {
			tools_error("a tar stream is not for a terminal");
			return NULL;
		}
		sink = restore_tar_sink(&a->r, stdout);
	} else {
		if (make_dest(dest))
			return NULL;
		sink = restore_disk_sink(&a->r);
	}
	if (!sink)
		tools_error("out of memory");
	return sink;
}

/* Finds what the command line names; 0, or the exit status. */
static int find_roots(struct restore_ctx *ctx, struct restore_args *a, uint32_t *subvol)
{
	int ret;

	if (a->subvol) {
		ret = restore_find_subvol(ctx, a->subvol, subvol);
		if (ret) {
			tools_error("subvolume or snapshot %s: %s", a->subvol,
				    bch2_err_matches(ret, ENOENT) ? "not found" :
				    ret == -EINVAL ? "not a subvolume" : bch2_err_str(ret));
			return EXIT_CANNOT;
		}
	}

	ctx->opts.paths = tools_calloc(a->paths.nr + 1, sizeof(char *));
	for (unsigned i = 0; i < a->paths.nr; i++) {
		char *canonical;

		ret = restore_resolve(ctx, *subvol, a->paths.d[i], &canonical);
		if (ret) {
			restore_error(ctx, a->paths.d[i], "%s",
				      bch2_err_matches(ret, ENOENT) ? "not found" :
				      bch2_err_str(ret));
			continue;
		}
		ctx->opts.paths[ctx->opts.nr_paths++] = canonical;
	}
	return a->paths.nr && !ctx->opts.nr_paths ? EXIT_DAMAGE : 0;
}

static int do_restore(struct restore_ctx *ctx, struct restore_args *a, const char *dest)
{
	uint32_t subvol = BCACHEFS_ROOT_SUBVOL;
	int ret;

	if (a->list_subvolumes)
		return restore_list_subvolumes(ctx, stdout) ? EXIT_DAMAGE : 0;

	ret = find_roots(ctx, a, &subvol);
	if (ret)
		return ret;

	ctx->sink = open_sink(a, dest);
	if (!ctx->sink)
		return EXIT_CANNOT;
	if (ctx->opts.progress && !a->subvol && !a->paths.nr)
		ctx->stats.total_inodes = count_inodes(ctx->c);

	ret = restore_walk(ctx, subvol);
	if (ret && !ctx->stats.errors)
		restore_error(ctx, ".", "%s", bch2_err_str(ret));
	if (ctx->sink->finish(ctx->sink, ctx) && !ctx->stats.errors)
		restore_error(ctx, dest ?: ".", "could not be completed");
	ctx->sink->free(ctx->sink);

	if (!a->list)
		print_summary(ctx);
	return ctx->stats.errors ? EXIT_DAMAGE : 0;
}

int cmd_restore(int argc, char *argv[])
{
	struct restore_args a = { .opts = bch2_opts_empty() };
	struct restore_ctx ctx = {};
	const char *dest = NULL;
	unsigned nr;
	char **pos;
	int ret;

	tools_read_only_opts(&a.opts);
	nr = parse_args(&a, argc, argv, &pos);
	if (!a.list && !a.list_subvolumes)
		dest = pos[--nr];
	if (geteuid() && !a.r.no_owner) {
		a.r.no_owner = true;
		if (dest && strcmp(dest, "-") && !a.r.quiet)
			fputs("warning: owners are not restored, which only root can do\n", stderr);
	}
	a.r.progress = a.progress == WHEN_ALWAYS ||
		(a.progress == WHEN_AUTO && isatty(STDERR_FILENO) && !a.r.quiet && !a.list);

	/* Whatever -o says. */
	opt_set(a.opts, nochanges, true);
	opt_set(a.opts, read_only, true);
	shim_set_log_sink(log_to_stderr, &a);

	ctx.c = tools_open_fs(pos, nr, &a.opts, a.passphrase_file);
	if (!ctx.c)
		return EXIT_CANNOT;

	ctx.opts = a.r;
	ret = do_restore(&ctx, &a, dest);

	for (size_t i = 0; i < ctx.opts.nr_paths; i++)
		free(ctx.opts.paths[i]);
	free(ctx.opts.paths);
	tools_strings_free(&a.paths);
	bch2_fs_stop(ctx.c);
	return ret;
}
