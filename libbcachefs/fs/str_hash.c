// SPDX-License-Identifier: GPL-2.0
/*
 * Hashes of names (spec 60 section 10).
 *
 * A hash depends on the type and the seed of the inode and on the bytes of the
 * name, nothing else; these functions are pure. Callers are name lookups and
 * the checks of directories and xattrs.
 */
#include <linux/crc32c.h>
#include <linux/crc64.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <crypto/sha2.h>

#include "bcachefs.h"
#include "fs/inode.h"
#include "fs/str_hash.h"
#include "util/siphash.h"

/* Longest xattr name, and the type byte before it. */
#define XATTR_HASH_MSG_MAX	256

int bch2_hash_info_set(struct bch_hash_info *info, unsigned type, __le64 seed)
{
	u8 digest[SHA256_DIGEST_SIZE];

	memset(info, 0, sizeof(*info));
	info->type = type;
	info->seed = seed;

	switch (type) {
	case BCH_STR_HASH_crc32c:
	case BCH_STR_HASH_crc64:
		return 0;
	case BCH_STR_HASH_siphash_old:
		sha256((const u8 *) &seed, sizeof(seed), digest);
		memcpy(info->sip_key, digest, sizeof(info->sip_key));
		return 0;
	case BCH_STR_HASH_siphash:
		memcpy(info->sip_key, &seed, sizeof(seed));
		return 0;
	default:
		return -EINVAL;
	}
}

/**
 * bch2_hash_info_init - how names below @inode are hashed
 * @c: filesystem: its casefold option counts for inodes without one of their own
 * @inode: the directory, or the owner of the xattrs
 * @info: result
 *
 * Returns 0, or -EINVAL if the inode names an unknown hash type. Spec 60 10.1.
 */
int bch2_hash_info_init(struct bch_fs *c, const struct bch_inode_unpacked *inode,
			struct bch_hash_info *info)
{
	int ret = bch2_hash_info_set(info, inode->bi_str_hash, inode->bi_hash_seed);

	info->is_31bit = inode->bi_flags & BCH_INODE_31bit_dirent_offset;
	info->casefold = bch2_inode_casefold(c, inode);
	return ret;
}

static u64 hash_bytes(const struct bch_hash_info *info, const void *data, size_t len)
{
	u64 crc;

	switch (info->type) {
	case BCH_STR_HASH_crc32c:
		crc = crc32c(~0U, &info->seed, sizeof(info->seed));
		return crc32c((u32) crc, data, len);
	case BCH_STR_HASH_crc64:
		crc = crc64_be(~0ULL, &info->seed, sizeof(info->seed));
		return crc64_be(crc, data, len) >> 1;
	default:
		return bch2_siphash24(info->sip_key, data, len) >> 1;
	}
}

/**
 * bch2_dirent_hash - offset where the search for a directory entry starts
 * @info: the directory's
 * @name: lookup name: the folded one in a casefolded directory
 * @len: bytes
 *
 * Offsets 0 and 1 are never used: readdir wants them for "." and "..".
 * Spec 60 section 10.2.
 */
u64 bch2_dirent_hash(const struct bch_hash_info *info, const void *name, size_t len)
{
	u64 h = hash_bytes(info, name, len);

	if (info->is_31bit)
		h &= 0x7fffffff;
	return max_t(u64, h, 2);
}

/*
 * With SipHash the message of an xattr - type byte and name - is hashed as if
 * its last, incomplete block were shifted by one byte (spec 60 10.2.1): that
 * is what kernels look for.
 */
static size_t sip_xattr_message(u8 *msg, size_t len)
{
	size_t r = len % 8;

	if (len >= 8 && r) {
		memmove(msg + len - r + 1, msg + len - r, r - 1);
		msg[len - r] = msg[0];
	}
	return len;
}

/**
 * bch2_xattr_hash - offset where the search for an xattr starts
 * @info: the inode's
 * @x_type: name space
 * @name: without prefix
 * @len: bytes, at most 255
 *
 * Spec 60 sections 10.2 and 10.2.1.
 */
u64 bch2_xattr_hash(const struct bch_hash_info *info, u8 x_type, const void *name, size_t len)
{
	u8 msg[XATTR_HASH_MSG_MAX];

	len = min_t(size_t, len, sizeof(msg) - 1);
	msg[0] = x_type;
	memcpy(msg + 1, name, len);
	len++;

	if (info->type == BCH_STR_HASH_siphash_old ||
	    info->type == BCH_STR_HASH_siphash)
		len = sip_xattr_message(msg, len);
	return hash_bytes(info, msg, len);
}
