/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making and changing inodes and names (spec 60 sections 3.5, 8, 10.4, 18).
 * Everything is queued in the caller's transaction and becomes visible when that
 * commits.
 */
#ifndef _BCACHEFS_FS_INODE_WRITE_H
#define _BCACHEFS_FS_INODE_WRITE_H

#include "bcachefs.h"
#include "btree/iter.h"
#include "fs/inode.h"

struct bch_hash_info;

/* --- inodes (fs/inode_write.c) --- */

s64 bch2_timespec64_to_time(const struct bch_fs *c, struct timespec64 ts);
s64 bch2_current_time(const struct bch_fs *c);

void bch2_inode_init(struct bch_fs *c, struct bch_inode_unpacked *inode, u32 uid, u32 gid,
		     u16 mode, u32 dev, s64 now, const struct bch_inode_unpacked *parent);
struct bkey_i *bch2_inode_pack(struct btree_trans *trans,
			       const struct bch_inode_unpacked *inode);
int bch2_inode_write(struct btree_trans *trans, const struct bch_inode_unpacked *inode,
		     u32 snapshot);
int bch2_inode_number_alloc(struct btree_trans *trans, struct bch_inode_unpacked *inode,
			    u32 snapshot, bool inode_32bit);

/* --- names (fs/create.c) --- */

int bch2_dirent_create(struct btree_trans *trans, const struct bch_inode_unpacked *dir,
		       u32 snapshot, const char *name, unsigned len, u8 type, u64 target,
		       u64 *offset);
int bch2_create_trans(struct btree_trans *trans, u64 dir_inum, u32 snapshot,
		      struct bch_inode_unpacked *inode, const char *name, unsigned len);

#endif /* _BCACHEFS_FS_INODE_WRITE_H */
