// SPDX-License-Identifier: GPL-2.0
/*
 * POSIX ACLs (spec 60 section 14).
 *
 * On disk an entry for the owner, the group, the mask or others has no id; in
 * the xattr interface every entry has 8 bytes and an id, all ones where it
 * means nothing.
 */
#include <linux/errno.h>
#include <linux/string.h>
#include <linux/types.h>
#include <asm/byteorder.h>

#include "fs/acl.h"

#define BCH_ACL_VERSION		1
#define XATTR_ACL_VERSION	2

enum bch_acl_tag {
	BCH_ACL_USER_OBJ	= 0x01,
	BCH_ACL_USER		= 0x02,
	BCH_ACL_GROUP_OBJ	= 0x04,
	BCH_ACL_GROUP		= 0x08,
	BCH_ACL_MASK		= 0x10,
	BCH_ACL_OTHER		= 0x20,
};

struct bch_acl_disk_entry {
	__le16			tag;
	__le16			perm;
	__le32			id;		/* user and group entries only */
} __packed;

int bch2_acl_to_xattr(const void *src, size_t len, void *dst, size_t *dst_len)
{
	const u8 *p = src, *end = p + len;
	u8 *o = dst;
	__le32 version;

	if (len < sizeof(version))
		return -EINVAL;
	memcpy(&version, p, sizeof(version));
	if (le32_to_cpu(version) != BCH_ACL_VERSION)
		return -EINVAL;
	p += sizeof(version);

	version = cpu_to_le32(XATTR_ACL_VERSION);
	memcpy(o, &version, sizeof(version));
	o += sizeof(version);

	while (p < end) {
		struct bch_acl_disk_entry e = { .id = cpu_to_le32(~0U) };
		size_t size;

		if (end - p < 4)
			return -EINVAL;
		memcpy(&e, p, 4);

		switch (le16_to_cpu(e.tag)) {
		case BCH_ACL_USER:
		case BCH_ACL_GROUP:
			size = 8;
			break;
		case BCH_ACL_USER_OBJ:
		case BCH_ACL_GROUP_OBJ:
		case BCH_ACL_MASK:
		case BCH_ACL_OTHER:
			size = 4;
			break;
		default:
			return -EINVAL;
		}
		if (end - p < size)
			return -EINVAL;
		memcpy(&e, p, size);
		memcpy(o, &e, sizeof(e));
		p += size;
		o += sizeof(e);
	}

	*dst_len = o - (u8 *) dst;
	return 0;
}
