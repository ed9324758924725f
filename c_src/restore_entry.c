// SPDX-License-Identifier: GPL-2.0
/*
 * One entry of the restore command: from the inode to what a destination wants
 * to know, and the contents of files.
 */
#include <sys/types.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "restore.h"

#include "bcachefs.h"
#include "data/read.h"
#include "data/reader.h"
#include "fs/acl.h"
#include "fs/inode.h"
#include "fs/inode_opts.h"
#include "fs/namei.h"

/* Longest symlink target that any destination takes. */
#define TARGET_MAX		4096
/* More ranges than this are not worth a map: the file is copied with its holes. */
#define DATA_RANGES_MAX		(1U << 20)

static struct timespec stored_time(struct bch_fs *c, u64 t)
{
	struct timespec64 ts = bch2_time_to_timespec64(c, t);

	return (struct timespec) { .tv_sec = ts.tv_sec, .tv_nsec = ts.tv_nsec };
}

static void inode_to_entry(struct bch_fs *c, const struct bch_inode_unpacked *inode,
			   struct restore_entry *e)
{
	e->mode		= inode->bi_mode;
	e->uid		= inode->bi_uid;
	e->gid		= inode->bi_gid;
	e->nlink	= bch2_inode_nlink_get(inode);
	e->rdev_major	= inode->bi_dev >> 20;
	e->rdev_minor	= inode->bi_dev & ((1U << 20) - 1);
	e->size		= S_ISREG(e->mode) || S_ISLNK(e->mode) ? inode->bi_size : 0;
	e->atime	= stored_time(c, inode->bi_atime);
	e->mtime	= stored_time(c, inode->bi_mtime);
	e->ctime	= stored_time(c, inode->bi_ctime);
	e->otime	= stored_time(c, inode->bi_otime);
}

static bool mode_has_type(mode_t mode)
{
	return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISCHR(mode) ||
		S_ISBLK(mode) || S_ISFIFO(mode) || S_ISSOCK(mode);
}

struct xattr_fill {
	struct restore_ctx	*ctx;
	struct restore_entry	*e;
};

static int xattr_append(struct restore_entry *e, char *name, void *value, size_t len)
{
	struct restore_xattr *x = realloc(e->xattrs, (e->nr_xattrs + 1) * sizeof(*x));

	if (!x || !name || !value) {
		if (x)
			e->xattrs = x;
		free(name);
		free(value);
		return -ENOMEM;
	}
	e->xattrs = x;
	x[e->nr_xattrs++] = (struct restore_xattr) { name, value, len };
	return 0;
}

static int add_xattr(void *priv, const struct bch_xattr_view *v)
{
	struct xattr_fill *f = priv;
	size_t prefix = strlen(v->prefix), len = v->value_len;
	char *name = malloc(prefix + v->name_len + 1);
	void *value;

	if (!name)
		return -ENOMEM;
	memcpy(name, v->prefix, prefix);
	memcpy(name + prefix, v->name, v->name_len);
	name[prefix + v->name_len] = '\0';

	if (v->x_type == KEY_TYPE_XATTR_INDEX_posix_acl_access ||
	    v->x_type == KEY_TYPE_XATTR_INDEX_posix_acl_default) {
		value = malloc(bch2_acl_xattr_size(len));
		if (value && bch2_acl_to_xattr(v->value, len, value, &len)) {
			restore_error(f->ctx, f->e->path, "%s is not readable", name);
			free(name);
			free(value);
			return 0;
		}
	} else {
		value = malloc(len ?: 1);
		if (value)
			memcpy(value, v->value, len);
	}
	return xattr_append(f->e, name, value, len);
}

/* Options set on the inode itself appear as attributes, as a mount shows them. */
static int add_option_xattrs(struct restore_ctx *ctx, const struct bch_inode_unpacked *inode,
			     struct restore_entry *e)
{
	for (unsigned i = 0; i < Inode_opt_nr; i++) {
		struct printbuf buf = PRINTBUF;
		int ret = 0;

		if ((inode->bi_fields_set & (1U << i)) &&
		    bch2_inode_opt_to_text(&buf, ctx->c, inode, i)) {
			char *name = NULL;

			if (asprintf(&name, "bcachefs.%s", bch2_inode_opt_name(i)) < 0)
				name = NULL;
			ret = xattr_append(e, name, strdup(buf.buf ?: ""),
					   buf.buf ? strlen(buf.buf) : 0);
		}
		printbuf_exit(&buf);
		if (ret)
			return ret;
	}
	return 0;
}

static int read_target(struct restore_ctx *ctx, struct restore_entry *e)
{
	int ret;

	if (!e->size || e->size > TARGET_MAX) {
		restore_error(ctx, e->path, "symlink with a target of %llu bytes",
			      (unsigned long long) e->size);
		return -EINVAL;
	}
	e->target = calloc(1, e->size + 1);
	if (!e->target)
		return -ENOMEM;
	ret = bch2_file_read(ctx->c, e->snapshot, e->inum, 0, e->target, e->size, NULL);
	if (ret)
		restore_error(ctx, e->path, "target of symlink: %s", bch2_read_reason_str(ret));
	else if (memchr(e->target, '\0', e->size))
		/* Some writers count the terminator: the name ends there. */
		e->size = strlen(e->target);
	return ret;
}

static int read_data_ranges(struct restore_ctx *ctx, struct restore_entry *e)
{
	size_t alloc = 0;
	u64 pos = 0, start, end;
	int ret = 0;

	while (pos < e->size) {
		ret = bch2_file_next_data(ctx->c, e->snapshot, e->inum, pos, &start, &end);
		if (ret)
			break;
		if (start >= e->size)
			break;
		end = min(end, (u64) e->size);

		if (e->nr_data && e->data[e->nr_data - 1].end == start) {
			e->data[e->nr_data - 1].end = end;
		} else if (e->nr_data == DATA_RANGES_MAX) {
			e->data[0] = (struct restore_range) { 0, e->size };
			e->nr_data = 1;
			return 0;
		} else {
			if (e->nr_data == alloc) {
				struct restore_range *d;

				alloc = alloc ? alloc * 2 : 8;
				d = realloc(e->data, alloc * sizeof(*d));
				if (!d)
					return -ENOMEM;
				e->data = d;
			}
			e->data[e->nr_data++] = (struct restore_range) { start, end };
		}
		pos = end;
	}
	return ret == -ENXIO ? 0 : ret;
}

/**
 * restore_entry_fill - read everything about an entry but its contents
 * @ctx: the command
 * @e: .path, .snapshot, .subvol and .inum are set
 *
 * Returns 0, or negative if the entry cannot be restored at all; that has been
 * reported then. Attributes that cannot be read are reported and left out.
 */
int restore_entry_fill(struct restore_ctx *ctx, struct restore_entry *e)
{
	struct xattr_fill f = { ctx, e };
	struct bch_inode_unpacked inode;
	int ret;

	ret = bch2_inode_find(ctx->c, e->inum, e->snapshot, &inode);
	if (ret) {
		restore_error(ctx, e->path, "inode %llu: %s", (unsigned long long) e->inum,
			      bch2_err_matches(ret, ENOENT) ? "missing" : bch2_err_str(ret));
		return ret;
	}
	if (inode.unpack_failed_at >= 0)
		restore_error(ctx, e->path, "inode %llu is damaged: some of its fields are lost",
			      (unsigned long long) e->inum);
	inode_to_entry(ctx->c, &inode, e);
	if (!mode_has_type(e->mode)) {
		restore_error(ctx, e->path, "inode %llu: mode %o is of no kind of file",
			      (unsigned long long) e->inum, e->mode);
		return -EINVAL;
	}
	if (e->size > INT64_MAX) {
		restore_error(ctx, e->path, "inode %llu: impossible size %llu",
			      (unsigned long long) e->inum, (unsigned long long) e->size);
		return -EFBIG;
	}

	ret = bch2_xattr_list(ctx->c, e->inum, e->snapshot, add_xattr, &f);
	if (ret)
		restore_error(ctx, e->path, "extended attributes are not complete: %s",
			      bch2_err_str(ret));
	if (!bch2_err_matches(ret, ENOMEM))
		ret = add_option_xattrs(ctx, &inode, e);
	if (bch2_err_matches(ret, ENOMEM))
		return ret;

	if (S_ISLNK(e->mode))
		return read_target(ctx, e);
	if (S_ISREG(e->mode) && ctx->sink->wants_data) {
		ret = read_data_ranges(ctx, e);
		if (ret)
			restore_error(ctx, e->path, "map of the file: %s", bch2_err_str(ret));
		/* The reader will meet the same damage and say where it is. */
		if (ret && !bch2_err_matches(ret, ENOMEM)) {
			free(e->data);
			e->data = malloc(sizeof(*e->data));
			if (!e->data)
				return -ENOMEM;
			e->data[0] = (struct restore_range) { 0, e->size };
			e->nr_data = 1;
			ret = 0;
		}
	}
	return ret;
}

/**
 * restore_entry_exit - free what restore_entry_fill() allocated
 * @e: entry
 */
void restore_entry_exit(struct restore_entry *e)
{
	for (size_t i = 0; i < e->nr_xattrs; i++) {
		free(e->xattrs[i].name);
		free(e->xattrs[i].value);
	}
	free(e->xattrs);
	free(e->target);
	free(e->data);
}

struct read_priv {
	struct restore_ctx	*ctx;
	struct restore_entry	*e;
};

static void report_bad(struct bch_read_report *r, const struct bch_bad_range *bad)
{
	struct read_priv *p = r->priv;
	char where[128] = "";

	if (bad->dev != BCH_READ_NO_DEV)
		snprintf(where, sizeof(where), "device %s sector %llu: ", bad->dev_name,
			 (unsigned long long) bad->sector);

	if (bad->recovered) {
		restore_warning(p->ctx, p->e->path,
				"bytes %llu-%llu: %s%s; read from another copy",
				(unsigned long long) bad->offset,
				(unsigned long long) (bad->offset + bad->bytes),
				where, bch2_read_reason_str(bad->err));
		return;
	}
	p->ctx->file_damaged = true;
	restore_error(p->ctx, p->e->path, "bytes %llu-%llu: %s%s%s",
		      (unsigned long long) bad->offset,
		      (unsigned long long) (bad->offset + bad->bytes),
		      where, bch2_read_reason_str(bad->err),
		      p->ctx->opts.ignore_errors ? "; zeroes in their place" : "");
}

/**
 * restore_file_read - read the contents of a regular file, range by range
 * @ctx: the command; .file_damaged says afterwards whether anything was bad
 * @e: the file
 * @fn: called for each piece in ascending order; pieces lie inside @e->data
 * @priv: passed to @fn
 *
 * Damage is reported; it reads as zeroes if errors are ignored and otherwise
 * ends the read. Returns 0, -EIO, or what @fn returned.
 */
int restore_file_read(struct restore_ctx *ctx, struct restore_entry *e,
		      int (*fn)(void *priv, uint64_t offset, const void *buf, size_t len),
		      void *priv)
{
	struct read_priv p = { ctx, e };
	struct bch_read_report report = {
		.flags	= ctx->opts.ignore_errors ? BCH_READ_ignore_errors : 0,
		.fn	= report_bad,
		.priv	= &p,
	};
	struct bch_file_reader r;
	const void *buf;
	size_t len;
	u64 offset;
	int ret;

	ctx->file_damaged = false;
	ret = bch2_file_reader_init(&r, ctx->c, e->snapshot, e->inum, e->size, &report);
	if (ret) {
		restore_error(ctx, e->path, "cannot be read: %s", bch2_err_str(ret));
		return ret;
	}

	while ((ret = bch2_file_reader_next(&r, &offset, &buf, &len)) > 0) {
		ret = fn(priv, offset, buf, len);
		if (ret)
			break;
		ctx->stats.bytes += len;
		restore_progress(ctx, e->path);
	}
	bch2_file_reader_exit(&r);

	if (ret < 0 && ret != -ECANCELED) {
		if (!ctx->file_damaged)
			restore_error(ctx, e->path, "cannot be read: %s", bch2_err_str(ret));
		ctx->file_damaged = true;
		return -EIO;
	}
	return ret;
}
