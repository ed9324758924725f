/* SPDX-License-Identifier: GPL-2.0 */
/*
 * POSIX ACLs: from the form stored in the xattrs btree to the form of the
 * system.posix_acl_* attributes (spec 60 section 14).
 */
#ifndef _BCACHEFS_ACL_H
#define _BCACHEFS_ACL_H

#include <linux/types.h>

/**
 * bch2_acl_xattr_size - bytes that bch2_acl_to_xattr() needs for @len stored bytes
 */
static inline size_t bch2_acl_xattr_size(size_t len)
{
	/* The smallest stored entry has 4 bytes and becomes 8. */
	return 4 + len / 4 * 8;
}

/**
 * bch2_acl_to_xattr - convert a stored ACL
 * @src: value of the xattr key
 * @len: its length in bytes
 * @dst: room for bch2_acl_xattr_size(@len) bytes
 * @dst_len: bytes written
 *
 * Returns 0, or -EINVAL if the version or a tag is unknown or an entry is cut
 * off; such an ACL is unreadable.
 */
int bch2_acl_to_xattr(const void *src, size_t len, void *dst, size_t *dst_len);

#endif /* _BCACHEFS_ACL_H */
