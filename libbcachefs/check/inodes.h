/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pass check_inodes (spec 62 §5) and what its files share.
 */
#ifndef _BCACHEFS_CHECK_INODES_H
#define _BCACHEFS_CHECK_INODES_H

#include "bcachefs.h"
#include "btree/trans.h"
#include "btree/write_buffer.h"
#include "fs/inode.h"

/* The pass. 0, or why the check could not go on. */
int bch2_check_inodes(struct bch_fs *c);

/* --- for the files of this check --- */

/* One key of the inode number that is looked at. */
struct inode_version {
	u32			snapshot;
	bool			is_inode;	/* else a whiteout, or what is left of one */
	u8			str_hash;
	__le64			hash_seed;
};

/* All keys of one inode number, ascending snapshots: descendants first. */
struct inode_versions {
	u64			inum;
	bool			valid;
	u32			nr;
	u32			size;
	struct inode_version	*d;
};

/* State of the walk. */
struct inode_check {
	struct btree_trans	*trans;
	struct bch_fs		*c;
	struct wb_maybe_flush	wb;
	struct inode_versions	versions;
	struct bpos		unpack_seen;	/* last one that was reported as damaged */
};

/* The version that is looked at. */
struct inode_checked {
	struct bkey_s_c		k;
	struct bch_inode_unpacked u;		/* as it is to be */
	bool			changed;
	bool			skip_rest;
};

/* Name of an inode in messages. */
void bch2_check_inode_name(struct printbuf *out, const struct bch_inode_unpacked *u);

/* inode_links.c; each reports, and changes i->u. 0, a restart, or an error. */
int bch2_check_inode_backpointer(struct inode_check *x, struct inode_checked *i);
int bch2_check_inode_dir_empty(struct inode_check *x, struct inode_checked *i);
int bch2_check_inode_subvol(struct inode_check *x, struct inode_checked *i);
/* After the commit of @u: directories above it; commits by itself. */
int bch2_check_inode_parents(struct inode_check *x, const struct bch_inode_unpacked *u);

#endif /* _BCACHEFS_CHECK_INODES_H */
