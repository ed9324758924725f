/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Extended attributes (spec 60 §13) and stored ACLs (§14).
 * Data declarations only.
 */
#ifndef _BCACHEFS_FS_XATTR_FORMAT_H
#define _BCACHEFS_FS_XATTR_FORMAT_H

#include "btree/bkey_format.h"

/* x(number, name, prefix of the full name) */
#define BCH_XATTR_TYPES(x)							\
	x(0, user,			"user.")				\
	x(1, posix_acl_access,		"system.posix_acl_access")		\
	x(2, posix_acl_default,		"system.posix_acl_default")		\
	x(3, trusted,			"trusted.")				\
	x(4, security,			"security.")

enum bch_xattr_type {
#define x(nr, name, prefix)	KEY_TYPE_XATTR_INDEX_##name = nr,
	BCH_XATTR_TYPES(x)
#undef x
	KEY_TYPE_XATTR_INDEX_NR,
};

struct bch_xattr {
	struct bch_val		v;
	__u8			x_type;
	__u8			x_name_len;
	__le16			x_val_len;
	__u8			x_name_and_value[];
} __packed __aligned(8);

static_assert(offsetof(struct bch_xattr, x_name_and_value) == 4);

#define BCH_ACL_VERSION			1

struct bch_acl_header {
	__le32			a_version;
};

/* user_obj, group_obj, mask, other */
struct bch_acl_entry_short {
	__le16			e_tag;
	__le16			e_perm;
};

/* user, group */
struct bch_acl_entry {
	__le16			e_tag;
	__le16			e_perm;
	__le32			e_id;
};

static_assert(sizeof(struct bch_acl_entry_short) == 4);
static_assert(sizeof(struct bch_acl_entry) == 8);

#endif /* _BCACHEFS_FS_XATTR_FORMAT_H */
