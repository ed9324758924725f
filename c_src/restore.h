/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the restore command share.
 *
 * restore_walk.c walks a tree of the unmounted filesystem and fills one
 * struct restore_entry for each name it meets; a sink takes the entries: into a
 * directory or a tar stream (restore_archive.c), or as a listing
 * (restore_list.c). The walk knows nothing about destinations, the sinks know
 * nothing about btrees.
 */
#ifndef _RESTORE_H
#define _RESTORE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

struct bch_fs;

struct restore_xattr {
	char		*name;		/* with its name space prefix */
	void		*value;
	size_t		len;
};

/* One half-open range of bytes of a file. */
struct restore_range {
	uint64_t	start;
	uint64_t	end;
};

/* One name in the tree, with all that a destination may want to know about it. */
struct restore_entry {
	const char	*path;		/* relative to the root of the walk; "." is the root */
	uint32_t	subvol;
	uint32_t	snapshot;
	uint64_t	inum;
	bool		subvol_root;

	mode_t		mode;
	uint32_t	uid;
	uint32_t	gid;
	uint32_t	nlink;
	uint32_t	rdev_major;
	uint32_t	rdev_minor;
	uint64_t	size;		/* bytes; symlinks: length of the target */
	struct timespec	atime;
	struct timespec	mtime;
	struct timespec	ctime;
	struct timespec	otime;

	char		*target;	/* symlinks */
	const char	*hardlink_of;	/* path of an earlier name of this inode */

	struct restore_xattr *xattrs;	/* posix ACLs in their kernel xattr form */
	size_t		nr_xattrs;

	struct restore_range *data;	/* parts of the file that are not holes */
	size_t		nr_data;
};

struct restore_ctx;

/* Where entries go. Every method returns 0, a negative errno, or stops the walk. */
struct restore_sink {
	/*
	 * Take one entry. For regular files that are no hard link the sink calls
	 * restore_file_read() until it has everything.
	 */
	int		(*entry)(struct restore_sink *, struct restore_ctx *,
				 struct restore_entry *);
	/* All entries have been given. */
	int		(*finish)(struct restore_sink *, struct restore_ctx *);
	void		(*free)(struct restore_sink *);
	bool		wants_data;	/* needs .data ranges */
};

struct restore_opts {
	bool		ignore_errors;
	bool		no_owner;
	bool		overwrite;
	bool		json;
	bool		verbose;
	bool		quiet;
	bool		progress;
	char		**paths;	/* canonical, relative; NULL: everything */
	size_t		nr_paths;
};

struct restore_stats {
	uint64_t	files;
	uint64_t	dirs;
	uint64_t	others;
	uint64_t	bytes;
	uint64_t	errors;
	uint64_t	total_inodes;	/* for the progress display; 0 = unknown */
};

struct restore_ctx {
	struct bch_fs		*c;
	struct restore_opts	opts;
	struct restore_stats	stats;
	struct restore_sink	*sink;
	bool			fatal;		/* the destination is gone: stop */
	time_t			last_progress;
	bool			progress_shown;
	bool			file_damaged;	/* the file being read had a bad range */
};

/* restore_walk.c */
int restore_walk(struct restore_ctx *ctx, uint32_t subvol);
int restore_resolve(struct restore_ctx *ctx, uint32_t subvol, const char *path, char **canonical);
int restore_find_subvol(struct restore_ctx *ctx, const char *spec, uint32_t *subvol);

/* restore_entry.c */
int restore_entry_fill(struct restore_ctx *ctx, struct restore_entry *e);
void restore_entry_exit(struct restore_entry *e);

/*
 * Reads the data of a regular file, range by range: calls fn for each piece in
 * ascending order; pieces lie inside e->data. Damaged ranges are reported and
 * handed on as zeroes if errors are ignored, otherwise the read ends with -EIO.
 */
int restore_file_read(struct restore_ctx *ctx, struct restore_entry *e,
		      int (*fn)(void *priv, uint64_t offset, const void *buf, size_t len),
		      void *priv);

/* restore_archive.c */
struct restore_sink *restore_disk_sink(const struct restore_opts *opts);
struct restore_sink *restore_tar_sink(const struct restore_opts *opts, FILE *out);

/* restore_list.c */
struct restore_sink *restore_list_sink(const struct restore_opts *opts, FILE *out);
int restore_list_subvolumes(struct restore_ctx *ctx, FILE *out);

/* cmd_restore.c: messages and progress */
void restore_error(struct restore_ctx *ctx, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void restore_warning(struct restore_ctx *ctx, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void restore_progress(struct restore_ctx *ctx, const char *path);
void restore_print_path(FILE *f, const char *path);

#endif /* _RESTORE_H */
