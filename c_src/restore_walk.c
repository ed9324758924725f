// SPDX-License-Identifier: GPL-2.0
/*
 * The walk of the restore command: from the root of a subvolume down to every
 * name a mount would show, parents before children.
 *
 * No recursion: the path is a stack of frames. Entries of a directory are read
 * in batches and visited in order of their inode numbers, so that inodes and
 * extents are read nearly sequentially. A directory is entered only once, which
 * makes loops in a damaged tree harmless.
 */
#include <sys/types.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "restore.h"

#include "bcachefs.h"
#include "fs/namei.h"
#include "snapshots/subvolume.h"

/* Entries of one directory held in memory at a time. */
#define BATCH_MAX		16384
#define DEPTH_MAX		4096

struct walk_dirent {
	char			*name;
	unsigned		len;
	uint8_t			d_type;
	uint32_t		child_subvol;
	uint64_t		inum;
};

struct frame {
	struct bch_subvol_inum	dir;
	size_t			path_len;	/* of the directory itself */
	u64			offset;		/* where the next batch begins */
	bool			last_batch;
	struct walk_dirent	*d;
	size_t			nr, pos, alloc;
};

/* Set of (subvolume, inode) pairs, open addressing. Optionally with a path each. */
struct inum_slot {
	uint32_t		subvol;		/* 0: free */
	uint64_t		inum;
	char			*path;
};

struct inum_set {
	struct inum_slot	*d;
	size_t			nr, size;	/* size: power of two */
};

struct walk {
	struct restore_ctx	*ctx;
	char			*path;
	size_t			path_alloc;
	struct frame		*stack;
	size_t			depth, stack_alloc;
	struct inum_set		dirs;		/* entered */
	struct inum_set		links;		/* first names of multiply linked inodes */
};

static size_t inum_hash(uint32_t subvol, uint64_t inum)
{
	uint64_t h = (inum + 1) * 0x9e3779b97f4a7c15ULL + (uint64_t) subvol * 0xc2b2ae3d27d4eb4fULL;

	return h ^ (h >> 29);
}

static struct inum_slot *inum_slot_find(struct inum_set *s, uint32_t subvol, uint64_t inum)
{
	size_t i = inum_hash(subvol, inum) & (s->size - 1);

	while (s->d[i].subvol && (s->d[i].subvol != subvol || s->d[i].inum != inum))
		i = (i + 1) & (s->size - 1);
	return s->d + i;
}

/* Finds or adds; *added says which. NULL: out of memory. */
static struct inum_slot *inum_set_add(struct inum_set *s, uint32_t subvol, uint64_t inum,
				      bool *added)
{
	struct inum_slot *slot;

	if ((s->nr + 1) * 4 > s->size * 3) {
		struct inum_set n = { .size = s->size ? s->size * 2 : 1024, .nr = s->nr };

		n.d = calloc(n.size, sizeof(*n.d));
		if (!n.d)
			return NULL;
		for (size_t i = 0; i < s->size; i++)
			if (s->d[i].subvol)
				*inum_slot_find(&n, s->d[i].subvol, s->d[i].inum) = s->d[i];
		free(s->d);
		*s = n;
	}

	slot = inum_slot_find(s, subvol, inum);
	*added = !slot->subvol;
	if (*added) {
		slot->subvol	= subvol;
		slot->inum	= inum;
		s->nr++;
	}
	return slot;
}

static void inum_set_exit(struct inum_set *s)
{
	for (size_t i = 0; i < s->size; i++)
		free(s->d[i].path);
	free(s->d);
}

/* Makes @w->path the parent's path (its first @parent_len bytes) plus @name. */
static int path_set(struct walk *w, size_t parent_len, const char *name, size_t len)
{
	size_t need = parent_len + 1 + len + 1;

	if (need > w->path_alloc) {
		size_t n = need * 2;
		char *p = realloc(w->path, n);

		if (!p)
			return -ENOMEM;
		w->path		= p;
		w->path_alloc	= n;
	}
	if (parent_len)
		w->path[parent_len++] = '/';
	memcpy(w->path + parent_len, name, len);
	w->path[parent_len + len] = '\0';
	return 0;
}

static bool path_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !strcmp(dir, ".") || (!strncmp(path, dir, n) && (!path[n] || path[n] == '/'));
}

/* Is this name wanted: one of the paths asked for, something below or above one? */
static bool path_wanted(const struct restore_opts *opts, const char *path)
{
	if (!opts->nr_paths || !strcmp(path, "."))
		return true;
	for (size_t i = 0; i < opts->nr_paths; i++)
		if (path_below(path, opts->paths[i]) || path_below(opts->paths[i], path))
			return true;
	return false;
}

static void frame_clear(struct frame *f)
{
	for (size_t i = 0; i < f->nr; i++)
		free(f->d[i].name);
	f->nr = f->pos = 0;
}

static int add_dirent(void *priv, const struct bch_dirent_view *v)
{
	struct frame *f = priv;
	struct walk_dirent *d;

	if (f->nr == f->alloc) {
		size_t n = f->alloc ? f->alloc * 2 : 64;

		d = realloc(f->d, n * sizeof(*d));
		if (!d)
			return -ENOMEM;
		f->d	 = d;
		f->alloc = n;
	}

	d = f->d + f->nr;
	*d = (struct walk_dirent) {
		.name		= malloc(v->name_len + 1),
		.len		= v->name_len,
		.d_type		= v->d_type,
		.child_subvol	= v->child_subvol,
		.inum		= v->inum,
	};
	if (!d->name)
		return -ENOMEM;
	memcpy(d->name, v->name, v->name_len);
	d->name[v->name_len] = '\0';
	f->nr++;
	return f->nr >= BATCH_MAX;
}

static int dirent_cmp(const void *_l, const void *_r)
{
	const struct walk_dirent *l = _l, *r = _r;

	if (l->inum != r->inum)
		return l->inum < r->inum ? -1 : 1;
	return strcmp(l->name, r->name);
}

static int next_batch(struct walk *w, struct frame *f)
{
	int ret;

	frame_clear(f);
	if (f->last_batch)
		return 0;

	ret = bch2_readdir(w->ctx->c, &f->dir, &f->offset, add_dirent, f);
	if (ret <= 0)
		f->last_batch = true;
	if (ret < 0) {
		w->path[f->path_len] = '\0';
		restore_error(w->ctx, f->path_len ? w->path : ".",
			      "directory is not complete: %s", bch2_err_str(ret));
	}
	if (f->nr)
		qsort(f->d, f->nr, sizeof(*f->d), dirent_cmp);
	return bch2_err_matches(ret, ENOMEM) ? ret : 0;
}

static int push(struct walk *w, const struct bch_subvol_inum *dir)
{
	if (w->depth == DEPTH_MAX) {
		restore_error(w->ctx, w->path, "more than %u directories deep", DEPTH_MAX);
		return 0;
	}
	if (w->depth == w->stack_alloc) {
		size_t n = w->stack_alloc ? w->stack_alloc * 2 : 32;
		struct frame *s = realloc(w->stack, n * sizeof(*s));

		if (!s)
			return -ENOMEM;
		w->stack	= s;
		w->stack_alloc	= n;
	}
	w->stack[w->depth++] = (struct frame) {
		.dir		= *dir,
		.path_len	= strcmp(w->path, ".") ? strlen(w->path) : 0,
	};
	return 0;
}

static void pop(struct walk *w)
{
	struct frame *f = w->stack + --w->depth;

	frame_clear(f);
	free(f->d);
}

static bool name_is_safe(const struct walk_dirent *d)
{
	return d->len && !memchr(d->name, '/', d->len) && !memchr(d->name, '\0', d->len) &&
		strcmp(d->name, ".") && strcmp(d->name, "..");
}

/* Notes the first name of an inode with several; later ones are links to it. */
static int find_hardlink(struct walk *w, struct restore_entry *e)
{
	struct inum_slot *slot;
	bool added;

	if (S_ISDIR(e->mode) || e->nlink < 2)
		return 0;

	slot = inum_set_add(&w->links, e->subvol, e->inum, &added);
	if (!slot)
		return -ENOMEM;
	e->hardlink_of = slot->path;
	return 0;
}

/* The name that was just written may be linked to from now on. */
static int note_hardlink(struct walk *w, const struct restore_entry *e)
{
	struct inum_slot *slot;
	bool added;

	if (S_ISDIR(e->mode) || e->nlink < 2 || e->hardlink_of)
		return 0;

	slot = inum_set_add(&w->links, e->subvol, e->inum, &added);
	if (slot && !slot->path)
		slot->path = strdup(e->path);
	return slot && slot->path ? 0 : -ENOMEM;
}

static void count_entry(struct restore_ctx *ctx, const struct restore_entry *e)
{
	if (S_ISDIR(e->mode))
		ctx->stats.dirs++;
	else if (S_ISREG(e->mode))
		ctx->stats.files++;
	else
		ctx->stats.others++;
}

/* Gives the entry at @w->path to the sink, and enters it if it is a directory. */
static int visit(struct walk *w, const struct bch_subvol_inum *where, bool subvol_root)
{
	struct restore_ctx *ctx = w->ctx;
	struct restore_entry e = {
		.path		= w->path,
		.subvol		= where->subvol,
		.snapshot	= where->snapshot,
		.inum		= where->inum,
		.subvol_root	= subvol_root,
	};
	bool added;
	int ret;

	restore_progress(ctx, w->path);

	ret = restore_entry_fill(ctx, &e);
	if (ret)
		goto out;
	if (S_ISDIR(e.mode)) {
		if (!inum_set_add(&w->dirs, e.subvol, e.inum, &added)) {
			ret = -ENOMEM;
			goto out;
		}
		if (!added) {
			restore_error(ctx, w->path, "directory %llu is in the tree more than once",
				      (unsigned long long) e.inum);
			goto out;
		}
	}

	ret = find_hardlink(w, &e);
	if (ret)
		goto out;
	ret = ctx->sink->entry(ctx->sink, ctx, &e);
	if (!ret) {
		count_entry(ctx, &e);
		ret = note_hardlink(w, &e);
	}
	/*
	 * What is below may still be good, whatever happened to the directory itself,
	 * unless something else is in its place.
	 */
	if (S_ISDIR(e.mode) && !ctx->fatal && ret != -EEXIST && ret != -ENOTDIR)
		ret = push(w, where);
out:
	restore_entry_exit(&e);
	return bch2_err_matches(ret, ENOMEM) || ctx->fatal ? ret ?: -EIO : 0;
}

static int visit_dirent(struct walk *w, struct frame *f, const struct walk_dirent *d)
{
	struct bch_subvol_inum where = f->dir;
	bool is_subvol = d->d_type == DT_SUBVOL;
	int ret;

	if (!name_is_safe(d)) {
		w->path[f->path_len] = '\0';
		restore_error(w->ctx, f->path_len ? w->path : ".",
			      "entry with an impossible name left out");
		return 0;
	}

	ret = path_set(w, f->path_len, d->name, d->len);
	if (ret)
		return ret;
	if (!path_wanted(&w->ctx->opts, w->path))
		return 0;

	if (is_subvol) {
		ret = bch2_subvol_root(w->ctx->c, d->child_subvol, &where);
		if (ret) {
			restore_error(w->ctx, w->path, "subvolume %u: %s", d->child_subvol,
				      bch2_err_str(ret));
			return bch2_err_matches(ret, ENOMEM) ? ret : 0;
		}
	} else {
		where.inum = d->inum;
	}
	return visit(w, &where, is_subvol);
}

/**
 * restore_walk - give every entry below the root of a subvolume to the sink
 * @ctx: the command; .opts.paths limits what is visited
 * @subvol: subvolume id
 *
 * Damage is reported and passed by. Returns 0, or negative if the walk had to
 * stop: out of memory, the root is unreadable, or the destination failed.
 */
int restore_walk(struct restore_ctx *ctx, uint32_t subvol)
{
	struct walk w = { .ctx = ctx };
	struct bch_subvol_inum root;
	int ret;

	ret = bch2_subvol_root(ctx->c, subvol, &root);
	if (ret) {
		restore_error(ctx, ".", "subvolume %u: %s", subvol, bch2_err_str(ret));
		return ret;
	}

	ret = path_set(&w, 0, ".", 1) ?: visit(&w, &root, true);
	while (!ret && w.depth) {
		struct frame *f = w.stack + w.depth - 1;

		if (f->pos == f->nr) {
			ret = next_batch(&w, f);
			if (!ret && !f->nr && f->last_batch)
				pop(&w);
			continue;
		}
		ret = visit_dirent(&w, f, f->d + f->pos++);
	}

	while (w.depth)
		pop(&w);
	free(w.stack);
	free(w.path);
	inum_set_exit(&w.dirs);
	inum_set_exit(&w.links);
	return ret;
}

/*
 * Walks a path by hash lookups. *canonical gets the path with the names as
 * they are stored, *where what is there.
 */
static int resolve(struct restore_ctx *ctx, uint32_t subvol, const char *path,
		   char **canonical, struct bch_subvol_inum *where)
{
	size_t len = 0, alloc = strlen(path) * 4 + 1026;
	char *out = malloc(alloc);
	int ret;

	if (!out)
		return -ENOMEM;
	ret = bch2_subvol_root(ctx->c, subvol, where);

	while (!ret) {
		struct bch_subvol_inum next;
		size_t n;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (!n)
			break;
		if (n == 1 && *path == '.') {
			path += n;
			continue;
		}
		if (alloc - len < 1026) {
			char *p = realloc(out, alloc *= 2);

			if (!p) {
				ret = -ENOMEM;
				break;
			}
			out = p;
		}
		if (len)
			out[len++] = '/';
		ret = bch2_dirent_lookup(ctx->c, where, path, n, &next, out + len, 1024);
		if (!ret) {
			len += strlen(out + len);
			*where = next;
			path += n;
		}
	}

	if (ret) {
		free(out);
		return ret;
	}
	if (!len)
		out[len++] = '.';
	out[len] = '\0';
	*canonical = out;
	return 0;
}

/**
 * restore_resolve - find a path inside a subvolume
 * @ctx: the command
 * @subvol: where it starts
 * @path: relative to the subvolume's root; a leading slash means the same
 * @canonical: the path as the walk will spell it; to be freed
 *
 * Returns 0, -ENOENT, or why it could not be read.
 */
int restore_resolve(struct restore_ctx *ctx, uint32_t subvol, const char *path, char **canonical)
{
	struct bch_subvol_inum where;

	return resolve(ctx, subvol, path, canonical, &where);
}

/**
 * restore_find_subvol - find a subvolume or snapshot by its number or path
 * @ctx: the command
 * @spec: a number, or a path from the root of the filesystem
 * @subvol: result
 *
 * Returns 0, -ENOENT, -EINVAL if the path is no subvolume's root, or why it
 * could not be read.
 */
int restore_find_subvol(struct restore_ctx *ctx, const char *spec, uint32_t *subvol)
{
	struct bch_subvol_inum where, root;
	char *canonical, *end;
	unsigned long n;
	int ret;

	n = strtoul(spec, &end, 10);
	if (*spec && !*end && n && n <= UINT32_MAX) {
		*subvol = n;
		return bch2_subvol_root(ctx->c, n, &root);
	}

	ret = resolve(ctx, BCACHEFS_ROOT_SUBVOL, spec, &canonical, &where);
	if (ret)
		return ret;
	free(canonical);

	ret = bch2_subvol_root(ctx->c, where.subvol, &root);
	if (!ret && root.inum != where.inum)
		ret = -EINVAL;
	*subvol = where.subvol;
	return ret;
}
