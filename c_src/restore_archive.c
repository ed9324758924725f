// SPDX-License-Identifier: GPL-2.0
/*
 * Destinations of the restore command that libarchive writes: a directory, and
 * a tar stream (pax, with sparse files, extended attributes and ACLs).
 *
 * The directory sink writes below the current directory. libarchive is told to
 * follow no symbolic link on its way and to accept neither ".." nor absolute
 * names, so a hostile filesystem cannot reach outside. Times and permissions of
 * directories are set at the end, when nothing is created in them any more.
 */
#include <sys/types.h>
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "restore.h"

/* libarchive sets the times of directories that existed before too early: again at the end. */
struct late_times {
	char			*path;
	struct timespec		times[2];
};

struct archive_sink {
	struct restore_sink	sink;
	struct archive		*a;
	bool			tar;
	bool			no_owner;
	const char		*zeroes;	/* tar: mapped, read only */
	size_t			nr_zeroes;
	struct archive_entry	*ent;		/* reused */
	/* The tar writer wants the bytes between data ranges too. */
	uint64_t		pos;
	struct late_times	*late;
	size_t			nr_late;
	char			*good_dir;	/* last one that was looked at */
	uint64_t		nr_owners_failed;
};

/* POSIX ACLs in the form of the system.posix_acl_* xattrs: a header, then these. */
struct acl_xattr_entry {
	uint16_t	tag;
	uint16_t	perm;
	uint32_t	id;
};

static int acl_tag_to_archive(unsigned tag)
{
	switch (tag) {
	case 0x01: return ARCHIVE_ENTRY_ACL_USER_OBJ;
	case 0x02: return ARCHIVE_ENTRY_ACL_USER;
	case 0x04: return ARCHIVE_ENTRY_ACL_GROUP_OBJ;
	case 0x08: return ARCHIVE_ENTRY_ACL_GROUP;
	case 0x10: return ARCHIVE_ENTRY_ACL_MASK;
	case 0x20: return ARCHIVE_ENTRY_ACL_OTHER;
	default:   return 0;
	}
}

/* Hands an ACL over to libarchive. False if it is not an ACL. */
static bool add_acl(struct archive_entry *ent, int type, const struct restore_xattr *x)
{
	const uint8_t *p = x->value;

	if (x->len < 4 || (x->len - 4) % sizeof(struct acl_xattr_entry))
		return false;

	for (size_t off = 4; off < x->len; off += sizeof(struct acl_xattr_entry)) {
		struct acl_xattr_entry e;
		int tag, perm = 0;

		memcpy(&e, p + off, sizeof(e));
		tag = acl_tag_to_archive(e.tag);
		if (!tag)
			return false;
		if (e.perm & 4)
			perm |= ARCHIVE_ENTRY_ACL_READ;
		if (e.perm & 2)
			perm |= ARCHIVE_ENTRY_ACL_WRITE;
		if (e.perm & 1)
			perm |= ARCHIVE_ENTRY_ACL_EXECUTE;
		archive_entry_acl_add_entry(ent, type, perm, tag,
					    tag == ARCHIVE_ENTRY_ACL_USER ||
					    tag == ARCHIVE_ENTRY_ACL_GROUP ? (int) e.id : -1,
					    NULL);
	}
	return true;
}

static void add_xattrs(struct archive_sink *s, struct restore_ctx *ctx, struct restore_entry *e)
{
	for (size_t i = 0; i < e->nr_xattrs; i++) {
		struct restore_xattr *x = e->xattrs + i;
		int acl = 0;

		if (!strcmp(x->name, "system.posix_acl_access"))
			acl = ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
		else if (!strcmp(x->name, "system.posix_acl_default"))
			acl = ARCHIVE_ENTRY_ACL_TYPE_DEFAULT;

		if (acl) {
			if (!add_acl(s->ent, acl, x))
				restore_error(ctx, e->path, "%s is not a valid ACL", x->name);
			continue;
		}

		/* Options are attributes that only a mounted bcachefs takes. */
		if (!s->tar && !strncmp(x->name, "bcachefs.", 9))
			continue;
		archive_entry_xattr_add_entry(s->ent, x->name, x->value, x->len);
	}
}

/*
 * A decimal fraction of a time before 1970 goes away from zero, but the tar writer
 * puts it behind the whole seconds as it finds it.
 */
static struct timespec tar_time(struct timespec t)
{
	if (t.tv_sec < -1 && t.tv_nsec)
		return (struct timespec) { t.tv_sec + 1, 1000000000 - t.tv_nsec };
	/* less than a second before 1970 has no form at all */
	if (t.tv_sec == -1)
		t.tv_nsec = 0;
	return t;
}

static void set_times(struct archive_sink *s, const struct restore_entry *e)
{
	const struct timespec a = s->tar ? tar_time(e->atime) : e->atime;
	const struct timespec m = s->tar ? tar_time(e->mtime) : e->mtime;
	const struct timespec c = s->tar ? tar_time(e->ctime) : e->ctime;

	archive_entry_set_atime(s->ent, a.tv_sec, a.tv_nsec);
	archive_entry_set_mtime(s->ent, m.tv_sec, m.tv_nsec);
	archive_entry_set_ctime(s->ent, c.tv_sec, c.tv_nsec);
	/* No other archiver knows the time of creation, and each says so for each file. */
	if (!s->tar)
		archive_entry_set_birthtime(s->ent, e->otime.tv_sec, e->otime.tv_nsec);
}

static void fill_archive_entry(struct archive_sink *s, struct restore_ctx *ctx,
			       struct restore_entry *e)
{
	struct archive_entry *ent = archive_entry_clear(s->ent);

	archive_entry_set_pathname(ent, e->path);
	archive_entry_set_mode(ent, e->mode);
	archive_entry_set_uid(ent, s->no_owner ? geteuid() : e->uid);
	archive_entry_set_gid(ent, s->no_owner ? getegid() : e->gid);
	archive_entry_set_nlink(ent, e->nlink);
	set_times(s, e);

	if (e->hardlink_of) {
		archive_entry_set_hardlink(ent, e->hardlink_of);
		archive_entry_unset_size(ent);
		return;
	}

	if (S_ISREG(e->mode))
		archive_entry_set_size(ent, e->size);
	else
		archive_entry_set_size(ent, 0);
	if (S_ISLNK(e->mode))
		archive_entry_set_symlink(ent, e->target);
	if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
		archive_entry_set_rdev(ent, makedev(e->rdev_major, e->rdev_minor));

	if (S_ISREG(e->mode) &&
	    !(e->nr_data == 1 && !e->data[0].start && e->data[0].end >= e->size)) {
		for (size_t i = 0; i < e->nr_data; i++)
			archive_entry_sparse_add_entry(ent, e->data[i].start,
						       e->data[i].end - e->data[i].start);
		/* A file that is one hole: an empty range at its end says so. */
		if (!e->nr_data && e->size)
			archive_entry_sparse_add_entry(ent, e->size, 0);
	}
	add_xattrs(s, ctx, e);
}

struct write_state {
	struct archive_sink	*s;
	struct restore_ctx	*ctx;
	struct restore_entry	*e;
};

/*
 * libarchive's tar writer takes the file as one stream and leaves out the
 * holes by itself, from the map it was given: feed it zeroes for them. It does
 * not look at what it leaves out, so that a large range that stays without memory
 * makes holes of any size cheap.
 */
static int tar_fill_zeroes(struct archive_sink *s, uint64_t to)
{
	while (s->pos < to) {
		size_t n = to - s->pos < s->nr_zeroes ? to - s->pos : s->nr_zeroes;
		la_ssize_t r = archive_write_data(s->a, s->zeroes, n);

		if (r <= 0)
			return -EIO;
		s->pos += r;
	}
	return 0;
}

static int write_piece(void *priv, uint64_t offset, const void *buf, size_t len)
{
	struct write_state *w = priv;
	struct archive_sink *s = w->s;
	const char *p = buf;

	if (!s->tar) {
		la_ssize_t r = archive_write_data_block(s->a, buf, len, offset);

		return r < 0 ? -ECANCELED : 0;
	}

	if (tar_fill_zeroes(s, offset))
		return -ECANCELED;
	while (len) {
		la_ssize_t r = archive_write_data(s->a, p, len);

		if (r <= 0)
			return -ECANCELED;
		s->pos += r;
		p += r;
		len -= r;
	}
	return 0;
}

/* Reports what libarchive could not do with an entry, or at the end; its errno. */
static int archive_failed(struct archive_sink *s, struct restore_ctx *ctx, const char *path,
			  const char *what)
{
	const char *text = archive_error_string(s->a);
	int err = archive_errno(s->a);

	if (err <= 0)
		restore_error(ctx, path, "%s: %s", what, text ?: strerror(EIO));
	else if (!text || strstr(text, strerror(err)))
		restore_error(ctx, path, "%s: %s", what, text ?: strerror(err));
	else
		restore_error(ctx, path, "%s: %s: %s", what, text, strerror(err));
	return err > 0 ? err : EIO;
}

static int sink_failed(struct archive_sink *s, struct restore_ctx *ctx,
		       struct restore_entry *e, const char *what)
{
	int err = archive_failed(s, ctx, e->path, what);

	/* A full or broken destination will not get better with the next file. */
	if (err == ENOSPC || err == EDQUOT || err == EROFS || err == EPIPE || s->tar)
		ctx->fatal = true;
	return -err;
}

/*
 * Everything but the owner is in place. Where one owner cannot be set none can:
 * the first is an example, the others are counted.
 */
static bool only_owner_failed(struct archive_sink *s, struct restore_ctx *ctx)
{
	const char *text = archive_error_string(s->a);

	if (s->tar || !text || strncmp(text, "Can't set user=", 15))
		return false;
	if (s->nr_owners_failed++)
		ctx->stats.errors++;
	return s->nr_owners_failed > 1;
}

/* Sockets have no place in libarchive: make them by hand. */
static int make_socket(struct archive_sink *s, struct restore_ctx *ctx, struct restore_entry *e)
{
	struct timespec times[2] = { e->atime, e->mtime };

	if (s->tar) {
		restore_warning(ctx, e->path, "sockets cannot be stored in a tar stream");
		return 0;
	}

	if (mknodat(AT_FDCWD, e->path, S_IFSOCK | 0600, 0) ||
	    (!s->no_owner &&
	     fchownat(AT_FDCWD, e->path, e->uid, e->gid, AT_SYMLINK_NOFOLLOW)) ||
	    fchmodat(AT_FDCWD, e->path, e->mode & 07777, 0) ||
	    utimensat(AT_FDCWD, e->path, times, AT_SYMLINK_NOFOLLOW)) {
		int err = errno;

		restore_error(ctx, e->path, "cannot create socket: %s", strerror(err));
		return -err;
	}
	return 0;
}

static int write_contents(struct archive_sink *s, struct restore_ctx *ctx,
			  struct restore_entry *e)
{
	struct write_state w = { s, ctx, e };
	int ret;

	s->pos = 0;
	ret = restore_file_read(ctx, e, write_piece, &w);
	/*
	 * Of what is missing at the end, a hole or what could not be read, libarchive
	 * takes care, but only if there was a beginning.
	 */
	if (ret == -ECANCELED || (s->tar && !s->pos && tar_fill_zeroes(s, 1)))
		return sink_failed(s, ctx, e, "cannot write");
	return ret;
}

static int add_late_times(struct archive_sink *s, const struct restore_entry *e)
{
	struct late_times *l = realloc(s->late, (s->nr_late + 1) * sizeof(*l));
	char *path = strdup(e->path);

	if (l)
		s->late = l;
	if (!l || !path) {
		free(path);
		return -ENOMEM;
	}
	l[s->nr_late++] = (struct late_times) { path, { e->atime, e->mtime } };
	return 0;
}

/*
 * Is anything above @path in the destination something else than a directory, say
 * a symbolic link? libarchive asks by itself; this is for what is done without it.
 */
static bool path_leads_astray(struct archive_sink *s, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, slash - path) : NULL;
	bool astray = slash && !dir;
	struct stat st;

	if (!dir || (s->good_dir && !strcmp(s->good_dir, dir))) {
		free(dir);
		return astray;
	}

	for (char *p = dir; p && !astray; ) {
		p = strchr(p, '/');
		if (p)
			*p = '\0';
		astray = !lstat(dir, &st) && !S_ISDIR(st.st_mode);
		if (p)
			*p++ = '/';
	}

	free(s->good_dir);
	s->good_dir = astray ? NULL : dir;
	if (astray)
		free(dir);
	return astray;
}

/* Is it in the destination already? Directories are merged, all else is an error. */
static int check_existing(struct archive_sink *s, struct restore_ctx *ctx,
			  struct restore_entry *e)
{
	struct stat st;

	if (s->tar)
		return 0;
	if (path_leads_astray(s, e->path)) {
		restore_error(ctx, e->path, "not below a directory in the destination");
		return -ENOTDIR;
	}
	if (lstat(e->path, &st))
		return 0;
	if (S_ISDIR(e->mode) && S_ISDIR(st.st_mode))
		return add_late_times(s, e);
	if (ctx->opts.overwrite)
		return 0;
	restore_error(ctx, e->path, "already exists in the destination");
	return -EEXIST;
}

/* A file that is not all there must not look as if it were. */
static void remove_incomplete(struct archive_sink *s, struct restore_ctx *ctx,
			      const struct restore_entry *e)
{
	if (!s->tar && !unlink(e->path))
		restore_warning(ctx, e->path, "incomplete file removed");
}

static bool size_differs(const struct restore_entry *e)
{
	struct stat st;

	return !lstat(e->path, &st) && S_ISREG(st.st_mode) && (uint64_t) st.st_size != e->size;
}

/* A name that is not UTF-8 is stored as it is, and marked. */
static bool is_about_charset(struct archive_sink *s)
{
	const char *text = archive_error_string(s->a);

	return s->tar && text && !strncmp(text, "Can't translate ", 16);
}

/* Each step over a part of a hole costs little, but not nothing. */
#define TAR_DATA_END_MAX	(1ULL << 53)

/* Can a tar stream have the file at all? */
static int check_for_tar(struct archive_sink *s, struct restore_ctx *ctx,
			 const struct restore_entry *e)
{
	const uint64_t end = e->nr_data ? e->data[e->nr_data - 1].end : 0;

	if (!s->tar || !S_ISREG(e->mode) || end <= TAR_DATA_END_MAX)
		return 0;
	restore_error(ctx, e->path, "has data up to byte %llu, too far for a tar stream",
		      (unsigned long long) end);
	return -EFBIG;
}

static int archive_sink_entry(struct restore_sink *sink, struct restore_ctx *ctx,
			      struct restore_entry *e)
{
	struct archive_sink *s = (struct archive_sink *) sink;
	bool incomplete = false;
	int ret, r;

	ret = check_existing(s, ctx, e) ?: check_for_tar(s, ctx, e);
	if (ret)
		return ret;
	if (S_ISSOCK(e->mode) && !e->hardlink_of)
		return make_socket(s, ctx, e);

	fill_archive_entry(s, ctx, e);

	r = archive_write_header(s->a, s->ent);
	if (r < ARCHIVE_WARN)
		return sink_failed(s, ctx, e, "cannot create");
	if (r == ARCHIVE_WARN && !is_about_charset(s))
		restore_warning(ctx, e->path, "%s", archive_error_string(s->a));

	if (S_ISREG(e->mode) && !e->hardlink_of && e->size) {
		ret = write_contents(s, ctx, e);
		incomplete = ret && (!ctx->opts.ignore_errors || ctx->fatal);
	}

	r = archive_write_finish_entry(s->a);
	if (r < ARCHIVE_OK && !ret && !only_owner_failed(s, ctx)) {
		ret = sink_failed(s, ctx, e, "not everything could be set");
		incomplete = !s->tar && S_ISREG(e->mode) && size_differs(e);
	}
	if (incomplete)
		remove_incomplete(s, ctx, e);
	return ret;
}

static int archive_sink_finish(struct restore_sink *sink, struct restore_ctx *ctx)
{
	struct archive_sink *s = (struct archive_sink *) sink;

	if (archive_write_close(s->a) < ARCHIVE_WARN && !ctx->fatal)
		archive_failed(s, ctx, ".", "cannot finish");
	if (s->nr_owners_failed > 1)
		restore_warning(ctx, ".", "owners of %llu entries could not be set",
				(unsigned long long) s->nr_owners_failed);
	free(s->good_dir);
	s->good_dir = NULL;
	while (s->nr_late) {
		struct late_times *l = s->late + --s->nr_late;

		if (path_leads_astray(s, l->path))
			restore_error(ctx, l->path, "was replaced in the destination");
		else if (utimensat(AT_FDCWD, l->path, l->times, AT_SYMLINK_NOFOLLOW))
			restore_error(ctx, l->path, "cannot set times: %s", strerror(errno));
		free(l->path);
	}
	return 0;
}

static void archive_sink_free(struct restore_sink *sink)
{
	struct archive_sink *s = (struct archive_sink *) sink;

	archive_entry_free(s->ent);
	archive_write_free(s->a);
	while (s->nr_late)
		free(s->late[--s->nr_late].path);
	free(s->late);
	free(s->good_dir);
	if (s->zeroes)
		munmap((void *) s->zeroes, s->nr_zeroes);
	free(s);
}

#define ZEROES_MIN		(1ULL << 16)
#define ZEROES_MAX		(1ULL << 31)	/* libarchive takes no more at a time */

/* As many as the address space has room for. */
static bool map_zeroes(struct archive_sink *s)
{
	for (size_t n = ZEROES_MAX; n >= ZEROES_MIN; n >>= 2) {
		void *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);

		if (p == MAP_FAILED)
			continue;
		s->zeroes	= p;
		s->nr_zeroes	= n;
		return true;
	}
	return false;
}

static struct archive_sink *sink_alloc(struct archive *a)
{
	struct archive_sink *s = calloc(1, sizeof(*s));

	if (s)
		s->ent = archive_entry_new();
	if (!a || !s || !s->ent) {
		archive_write_free(a);
		free(s);
		return NULL;
	}
	s->a			= a;
	s->sink.entry		= archive_sink_entry;
	s->sink.finish		= archive_sink_finish;
	s->sink.free		= archive_sink_free;
	s->sink.wants_data	= true;
	return s;
}

/**
 * restore_disk_sink - a sink that writes below the current directory
 * @opts: owners and overwriting
 *
 * Returns NULL if out of memory.
 */
struct restore_sink *restore_disk_sink(const struct restore_opts *opts)
{
	int flags = ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_ACL |
		    ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
		    ARCHIVE_EXTRACT_SECURE_NODOTDOT | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;
	struct archive_sink *s;

	if (!opts->no_owner)
		flags |= ARCHIVE_EXTRACT_OWNER;
	if (opts->overwrite)
		flags |= ARCHIVE_EXTRACT_UNLINK;

	s = sink_alloc(archive_write_disk_new());
	if (!s)
		return NULL;
	s->no_owner = opts->no_owner;
	archive_write_disk_set_options(s->a, flags);
	return &s->sink;
}

/**
 * restore_tar_sink - a sink that writes a pax tar stream
 * @opts: owners
 * @out: where to; not closed
 *
 * Returns NULL if out of memory or the stream cannot be written.
 */
struct restore_sink *restore_tar_sink(const struct restore_opts *opts, FILE *out)
{
	struct archive_sink *s = sink_alloc(archive_write_new());

	if (!s)
		return NULL;
	s->tar		= true;
	s->no_owner	= opts->no_owner;

	/*
	 * Names are bytes. Those that are UTF-8 are what a pax header holds; only the
	 * others need a note that they are not, which readers may not understand.
	 */
	setlocale(LC_CTYPE, "C.UTF-8");
	if (!map_zeroes(s) ||
	    archive_write_set_format_pax(s->a) != ARCHIVE_OK ||
	    archive_write_set_options(s->a, "pax:xattrheader=SCHILY") != ARCHIVE_OK ||
	    archive_write_set_bytes_in_last_block(s->a, 1) != ARCHIVE_OK ||
	    archive_write_open_fd(s->a, fileno(out)) != ARCHIVE_OK) {
		fprintf(stderr, "error: cannot write the tar stream: %s\n",
			archive_error_string(s->a) ?: strerror(errno));
		archive_sink_free(&s->sink);
		return NULL;
	}
	return &s->sink;
}
