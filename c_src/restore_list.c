// SPDX-License-Identifier: GPL-2.0
/*
 * The listing of the restore command: one line of text or one JSON object for
 * each entry; nothing is written anywhere else. File contents are not read.
 */
#include <sys/types.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "restore.h"

#include "bcachefs.h"
#include "btree/iter.h"
#include "fs/namei.h"
#include "fs/path.h"
#include "snapshots/subvolume.h"

struct list_sink {
	struct restore_sink	sink;
	FILE			*out;
	bool			json;
	bool			verbose;
};

static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:	return "file";
	case S_IFDIR:	return "dir";
	case S_IFLNK:	return "symlink";
	case S_IFCHR:	return "chr";
	case S_IFBLK:	return "blk";
	case S_IFIFO:	return "fifo";
	case S_IFSOCK:	return "sock";
	default:	return "unknown";
	}
}

static char type_char(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:	return '-';
	case S_IFDIR:	return 'd';
	case S_IFLNK:	return 'l';
	case S_IFCHR:	return 'c';
	case S_IFBLK:	return 'b';
	case S_IFIFO:	return 'p';
	case S_IFSOCK:	return 's';
	default:	return '?';
	}
}

static void mode_string(char out[11], mode_t mode)
{
	static const char rwx[] = "rwxrwxrwx";

	out[0] = type_char(mode);
	for (int i = 0; i < 9; i++)
		out[i + 1] = mode & (1 << (8 - i)) ? rwx[i] : '-';
	if (mode & S_ISUID)
		out[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		out[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		out[9] = mode & S_IXOTH ? 't' : 'T';
	out[10] = '\0';
}

static void list_text(struct list_sink *s, struct restore_entry *e)
{
	char mode[11], when[32] = "?", size[48];
	struct tm tm;

	mode_string(mode, e->mode);
	if (localtime_r(&e->mtime.tv_sec, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
		snprintf(size, sizeof(size), "%u,%u", e->rdev_major, e->rdev_minor);
	else
		snprintf(size, sizeof(size), "%llu", (unsigned long long) e->size);

	fprintf(s->out, "%s %3u %5u %5u %12s %s ", mode, e->nlink, e->uid, e->gid, size, when);
	restore_print_path(s->out, e->path);
	if (e->target) {
		fputs(" -> ", s->out);
		restore_print_path(s->out, e->target);
	}
	if (e->hardlink_of) {
		fputs(" link to ", s->out);
		restore_print_path(s->out, e->hardlink_of);
	}
	if (e->subvol_root)
		fprintf(s->out, " (subvolume %u)", e->subvol);
	fputc('\n', s->out);
}

static json_t *json_base64(const void *data, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *p = data;
	char *buf = malloc((len + 2) / 3 * 4 + 1), *o = buf;
	json_t *ret;

	if (!buf)
		return NULL;
	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = p[i] << 16;

		if (i + 1 < len)
			v |= p[i + 1] << 8;
		if (i + 2 < len)
			v |= p[i + 2];
		*o++ = digits[v >> 18];
		*o++ = digits[(v >> 12) & 63];
		*o++ = i + 1 < len ? digits[(v >> 6) & 63] : '=';
		*o++ = i + 2 < len ? digits[v & 63] : '=';
	}
	ret = json_stringn(buf, o - buf);
	free(buf);
	return ret;
}

/* Names are bytes; what is not UTF-8 becomes {"b64": ...}. */
static json_t *json_name(const char *name)
{
	json_t *ret = json_string(name);

	return ret ?: json_pack("{s:o}", "b64", json_base64(name, strlen(name)));
}

/* Nanoseconds since 1970; times beyond 292 years are as far away as can be said. */
static long long timespec_ns(const struct timespec *ts)
{
	long long ns;

	if (__builtin_mul_overflow((long long) ts->tv_sec, 1000000000LL, &ns) ||
	    __builtin_add_overflow(ns, (long long) ts->tv_nsec, &ns))
		return ts->tv_sec < 0 ? LLONG_MIN : LLONG_MAX;
	return ns;
}

/* A name that is not UTF-8 has each byte that is not ASCII as \xNN. */
static void json_add_xattr(json_t *o, const struct restore_xattr *x)
{
	char *name = malloc(strlen(x->name) * 4 + 1), *n = name;

	if (name && json_object_set_new(o, x->name, json_base64(x->value, x->len))) {
		for (const unsigned char *p = (const unsigned char *) x->name; *p; p++)
			n += sprintf(n, *p < 0x80 ? "%c" : "\\x%02x", *p);
		json_object_set_new(o, name, json_base64(x->value, x->len));
	}
	free(name);
}

static int list_json(struct list_sink *s, struct restore_entry *e)
{
	json_t *o = json_pack("{s:o, s:s, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I}",
			      "path", json_name(e->path),
			      "type", type_name(e->mode),
			      "mode", (int) e->mode,
			      "uid", (int) e->uid,
			      "gid", (int) e->gid,
			      "nlink", (int) e->nlink,
			      "inum", (json_int_t) e->inum,
			      "subvol", (json_int_t) e->subvol,
			      "size", (json_int_t) e->size,
			      "mtime_ns", (json_int_t) timespec_ns(&e->mtime),
			      "ctime_ns", (json_int_t) timespec_ns(&e->ctime));

	if (!o)
		return -ENOMEM;
	/* Above 2^31 they do not fit json_pack's int. */
	json_object_set_new(o, "uid", json_integer(e->uid));
	json_object_set_new(o, "gid", json_integer(e->gid));
	json_object_set_new(o, "nlink", json_integer(e->nlink));
	if (e->subvol_root)
		json_object_set_new(o, "subvol_root", json_true());
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
		json_object_set_new(o, "rdev", json_pack("[i,i]", (int) e->rdev_major,
							 (int) e->rdev_minor));
	if (e->target)
		json_object_set_new(o, "target", json_name(e->target));
	if (e->hardlink_of)
		json_object_set_new(o, "hardlink_of", json_name(e->hardlink_of));
	if (e->nr_xattrs) {
		json_t *x = json_object();

		for (size_t i = 0; i < e->nr_xattrs; i++)
			json_add_xattr(x, &e->xattrs[i]);
		json_object_set_new(o, "xattrs_b64", x);
	}

	int ret = json_dumpf(o, s->out, JSON_COMPACT) ? -EIO : 0;

	json_decref(o);
	fputc('\n', s->out);
	return ret;
}

static int list_one(struct restore_sink *sink, struct restore_ctx *ctx, struct restore_entry *e)
{
	struct list_sink *s = (struct list_sink *) sink;
	int ret = 0;

	if (s->json)
		ret = list_json(s, e);
	else
		list_text(s, e);
	if (ferror(s->out)) {
		if (!ctx->fatal)
			restore_error(ctx, e->path, "cannot write the list: %s",
				      strerror(errno ?: EIO));
		ctx->fatal = true;
		return -EIO;
	}
	return ret;
}

static int list_finish(struct restore_sink *sink, struct restore_ctx *ctx)
{
	struct list_sink *s = (struct list_sink *) sink;

	return fflush(s->out) ? -errno : 0;
}

static void list_free(struct restore_sink *sink)
{
	free(sink);
}

/**
 * restore_list_sink - a sink that prints entries
 * @opts: .json selects one JSON object per line
 * @out: where to; not closed
 *
 * Returns NULL if out of memory.
 */
struct restore_sink *restore_list_sink(const struct restore_opts *opts, FILE *out)
{
	struct list_sink *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->sink.entry	= list_one;
	s->sink.finish	= list_finish;
	s->sink.free	= list_free;
	s->out		= out;
	s->json		= opts->json;
	s->verbose	= opts->verbose;
	return &s->sink;
}

static void print_subvolume(struct restore_ctx *ctx, FILE *out, uint32_t id,
			    const struct bch_subvolume *s)
{
	struct bch_subvol_inum root = {
		.subvol		= id,
		.snapshot	= le32_to_cpu(s->snapshot),
		.inum		= le64_to_cpu(s->inode),
	};
	struct printbuf path = PRINTBUF;

	bch2_inum_to_path(&path, ctx->c, &root);

	if (ctx->opts.json) {
		json_t *o = json_pack("{s:I, s:o, s:I, s:b, s:b, s:b, s:I}",
				      "id", (json_int_t) id,
				      "path", json_name(path.buf),
				      "snapshot", (json_int_t) root.snapshot,
				      "readonly", (int) BCH_SUBVOLUME_RO(s),
				      "is_snapshot", (int) BCH_SUBVOLUME_SNAP(s),
				      "unlinked", (int) BCH_SUBVOLUME_UNLINKED(s),
				      "creation_parent",
				      (json_int_t) le32_to_cpu(s->creation_parent));

		json_dumpf(o, out, JSON_COMPACT);
		json_decref(o);
	} else {
		fprintf(out, "%10u %s%s%s ", id,
			BCH_SUBVOLUME_SNAP(s) ? "snapshot " : "subvolume",
			BCH_SUBVOLUME_RO(s) ? " ro" : " rw",
			BCH_SUBVOLUME_UNLINKED(s) ? " unlinked" : "");
		restore_print_path(out, path.buf);
	}
	fputc('\n', out);
	printbuf_exit(&path);
}

/**
 * restore_list_subvolumes - print every subvolume and snapshot with its path
 * @ctx: the command; .opts.json selects one JSON object per line
 * @out: where to
 *
 * Returns 0, or negative after a message if the btree could not be read.
 */
int restore_list_subvolumes(struct restore_ctx *ctx, FILE *out)
{
	struct btree_trans *trans = bch2_trans_get(ctx->c);
	struct bch_subvolume s;
	int ret;

	ret = for_each_btree_key(trans, iter, BTREE_ID_subvolumes, POS_MIN, 0, k, ({
		if (k.k->type == KEY_TYPE_subvolume) {
			bch2_subvolume_val(k, &s);
			print_subvolume(ctx, out, k.k->p.offset, &s);
		}
		0;
	}));
	bch2_trans_put(trans);
	if (ret)
		restore_error(ctx, ".", "list of subvolumes is not complete: %s",
			      bch2_err_str(ret));
	return ret;
}
