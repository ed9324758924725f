/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inode keys: three layouts on disk, one form in memory (spec 60 §3-§9).
 *
 * bch2_inode_unpack() is the only reader of inode values; what it returns does
 * not refer to the key any more. Also here: link counts, times, the legacy
 * inode_generation keys and the allocation cursors.
 */
#ifndef _BCACHEFS_FS_INODE_H
#define _BCACHEFS_FS_INODE_H

#include <linux/time64.h>

#include "bcachefs_format.h"

struct bch_fs;
struct bkey_validate_context;
struct btree_trans;
struct printbuf;

/* An inode is addressed by subvolume and number. */
typedef struct {
	u32			subvol;
	u64			inum;
} subvol_inum;

/*
 * An inode in memory. Fields that the key did not store are 0. Times are in
 * time units of the filesystem, relative to its time base, as signed numbers
 * (spec 60 §6); options are stored value + 1, 0 = not set (spec 60 §7).
 */
struct bch_inode_unpacked {
	u64			bi_inum;
	u32			bi_snapshot;
	u32			bi_flags;	/* enum bch_inode_flag, 20 bits */
	u64			bi_journal_seq;
	__le64			bi_hash_seed;	/* bytes as stored: that is what is hashed */
	u64			bi_sectors;	/* allocated, 512 byte sectors */
	u64			bi_size;	/* bytes */
	u64			bi_version;
	u16			bi_mode;
	u8			bi_str_hash;	/* type of hash of names below this inode */

	/*
	 * Number of the first field that could not be decoded, in the list of
	 * the key's version, or -1: this one and all after it are 0.
	 */
	s8			unpack_failed_at;

	u64			bi_atime;
	u64			bi_ctime;
	u64			bi_mtime;
	u64			bi_otime;
	u32			bi_uid;
	u32			bi_gid;
	u32			bi_nlink;	/* biased: see bch2_inode_nlink_get() */
	u32			bi_generation;
	u32			bi_dev;		/* major << 20 | minor */
	u32			bi_project;
	u16			bi_promote_target;
	u16			bi_foreground_target;
	u16			bi_background_target;
	u16			bi_erasure_code;
	u16			bi_fields_set;	/* option n was set on this inode itself */
	u8			bi_data_checksum;
	u8			bi_compression;
	u8			bi_background_compression;
	u8			bi_data_replicas;
	u8			bi_nocow;
	u8			bi_inodes_32bit;
	u8			bi_casefold;
	u8			bi_unused_ec_max_data_blocks;
	u64			bi_dir;
	u64			bi_dir_offset;
	u32			bi_subvol;
	u32			bi_parent_subvol;
	u32			bi_depth;
};

static inline bool bkey_is_inode(const struct bkey *k)
{
	return k->type == KEY_TYPE_inode ||
		k->type == KEY_TYPE_inode_v2 ||
		k->type == KEY_TYPE_inode_v3;
}

int bch2_inode_unpack(struct bkey_s_c k, struct bch_inode_unpacked *inode);
int bch2_inode_fields_check(struct bch_fs *c, struct bkey_s_c k);
void bch2_inode_unpacked_to_text(struct printbuf *out, const struct bch_inode_unpacked *inode);

int bch2_inode_find_by_inum_snapshot(struct btree_trans *trans, u64 inum, u32 snapshot,
				     struct bch_inode_unpacked *inode);
int bch2_inode_find_by_inum(struct btree_trans *trans, subvol_inum inum,
			    struct bch_inode_unpacked *inode);

/* Real link count (spec 60 §5.1). */
static inline u32 bch2_inode_nlink_get(const struct bch_inode_unpacked *inode)
{
	if (inode->bi_flags & BCH_INODE_unlinked)
		return 0;
	return inode->bi_nlink + ((inode->bi_mode >> 12) == 4 ? 2 : 1);
}

static inline bool bch2_inode_has_backpointer(const struct bch_inode_unpacked *inode)
{
	return inode->bi_dir || inode->bi_dir_offset;
}

/* Type that a dirent pointing at this inode has (spec 60 §11.2). */
static inline u8 bch2_inode_d_type(const struct bch_inode_unpacked *inode)
{
	return inode->bi_subvol ? DT_SUBVOL : inode->bi_mode >> 12;
}

/* To be deleted at the next mount (spec 60 §5.2). */
static inline bool bch2_inode_is_dead(const struct bch_inode_unpacked *inode)
{
	return (inode->bi_flags & (BCH_INODE_unlinked|
				   BCH_INODE_has_child_snapshot)) ==
		BCH_INODE_unlinked;
}

struct timespec64 bch2_time_to_timespec64(const struct bch_fs *c, s64 time);
void bch2_inode_flags_to_text(struct printbuf *out, u32 flags);
bool bch2_inode_casefold(const struct bch_fs *c, const struct bch_inode_unpacked *inode);

int bch2_inode_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from);
int bch2_inode_v2_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from);
int bch2_inode_v3_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from);
void bch2_inode_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

int bch2_inode_generation_validate(struct bch_fs *c, struct bkey_s_c k,
				   struct bkey_validate_context from);
void bch2_inode_generation_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

int bch2_inode_alloc_cursor_validate(struct bch_fs *c, struct bkey_s_c k,
				     struct bkey_validate_context from);
void bch2_inode_alloc_cursor_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

#define bch2_bkey_ops_inode ((struct bkey_ops) {		\
	.key_validate	= bch2_inode_validate,			\
	.val_to_text	= bch2_inode_to_text,			\
	.trigger	= bch2_trigger_inode,			\
	.min_val_size	= 16,					\
})

#define bch2_bkey_ops_inode_v2 ((struct bkey_ops) {		\
	.key_validate	= bch2_inode_v2_validate,		\
	.val_to_text	= bch2_inode_to_text,			\
	.trigger	= bch2_trigger_inode,			\
	.min_val_size	= 32,					\
})

#define bch2_bkey_ops_inode_v3 ((struct bkey_ops) {		\
	.key_validate	= bch2_inode_v3_validate,		\
	.val_to_text	= bch2_inode_to_text,			\
	.trigger	= bch2_trigger_inode,			\
	.min_val_size	= 48,					\
})

#define bch2_bkey_ops_inode_generation ((struct bkey_ops) {	\
	.key_validate	= bch2_inode_generation_validate,	\
	.val_to_text	= bch2_inode_generation_to_text,	\
	.min_val_size	= 8,					\
})

#define bch2_bkey_ops_inode_alloc_cursor ((struct bkey_ops) {	\
	.key_validate	= bch2_inode_alloc_cursor_validate,	\
	.val_to_text	= bch2_inode_alloc_cursor_to_text,	\
	.min_val_size	= 16,					\
})

#endif /* _BCACHEFS_FS_INODE_H */
