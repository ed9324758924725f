/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hashes of names: where in its directory a dirent is, and where at its inode
 * an xattr is (spec 60 section 10).
 */
#ifndef _BCACHEFS_STR_HASH_H
#define _BCACHEFS_STR_HASH_H

#include <linux/types.h>

struct bch_fs;
struct bch_inode_unpacked;

/* Everything about an inode that its name hashes depend on. */
struct bch_hash_info {
	u8			type;		/* enum bch_str_hash_type */
	bool			is_31bit;	/* dirent offsets are masked to 31 bits */
	bool			casefold;	/* dirents are found by their folded name */
	__le64			seed;
	u8			sip_key[16];	/* types siphash_old and siphash */
};

int bch2_hash_info_init(struct bch_fs *c, const struct bch_inode_unpacked *inode,
			struct bch_hash_info *info);

/**
 * bch2_hash_info_set - fill in a hash description from its parts
 * @info: result
 * @type: hash type as stored in the inode
 * @seed: bi_hash_seed, as stored
 *
 * Returns 0, or -EINVAL for an unknown type.
 */
int bch2_hash_info_set(struct bch_hash_info *info, unsigned type, __le64 seed);

u64 bch2_dirent_hash(const struct bch_hash_info *info, const void *name, size_t len);
u64 bch2_xattr_hash(const struct bch_hash_info *info, u8 x_type, const void *name, size_t len);

#endif /* _BCACHEFS_STR_HASH_H */
