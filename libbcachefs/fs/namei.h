/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names in the view of a subvolume: finding inodes, directory entries and
 * paths, listing directories and xattrs (spec 60, 61 section 7).
 *
 * All of it is reading. Every function takes the snapshot whose view is meant
 * and, where subvolume entries matter, the subvolume; bch2_subvolume_get_snapshot()
 * gives the one from the other. They may block and take no lock of the caller's.
 */
#ifndef _BCACHEFS_NAMEI_H
#define _BCACHEFS_NAMEI_H

#include <linux/types.h>

#include "fs/inode.h"

struct bch_fs;
struct btree_trans;
struct bch_hash_info;

/* An inode as seen from a subvolume. */
struct bch_subvol_inum {
	u32			subvol;
	u32			snapshot;	/* of that subvolume */
	u64			inum;
};

/* A directory entry; name is not NUL terminated and valid during the callback only. */
struct bch_dirent_view {
	u64			offset;		/* position in the directory */
	u8			d_type;		/* DT_*, or 16 for a subvolume */
	u64			inum;		/* target, if not a subvolume */
	u32			child_subvol;	/* target, if a subvolume */
	const char		*name;
	unsigned		name_len;
};

/* An xattr; valid during the callback only. */
struct bch_xattr_view {
	u8			x_type;
	const char		*prefix;	/* of the name space, with its dot */
	const char		*name;
	unsigned		name_len;
	const void		*value;
	unsigned		value_len;
};

typedef int (*bch_dirent_cb)(void *priv, const struct bch_dirent_view *d);
typedef int (*bch_xattr_cb)(void *priv, const struct bch_xattr_view *x);

int bch2_inode_find(struct bch_fs *c, u64 inum, u32 snapshot, struct bch_inode_unpacked *inode);
int bch2_subvol_root(struct bch_fs *c, u32 subvol, struct bch_subvol_inum *root);
int bch2_readdir(struct bch_fs *c, const struct bch_subvol_inum *dir, u64 *offset,
		 bch_dirent_cb fn, void *priv);
int bch2_xattr_list(struct bch_fs *c, u64 inum, u32 snapshot, bch_xattr_cb fn, void *priv);
int bch2_dirent_lookup(struct bch_fs *c, const struct bch_subvol_inum *dir,
		       const char *name, unsigned len, struct bch_subvol_inum *target,
		       char *stored_name, unsigned stored_size);
int bch2_xattr_get(struct bch_fs *c, u64 inum, u32 snapshot, u8 x_type,
		   const char *name, unsigned len, bch_xattr_cb fn, void *priv);

#endif /* _BCACHEFS_NAMEI_H */
