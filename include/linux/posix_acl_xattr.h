/* SPDX-License-Identifier: GPL-2.0 */
/* Access control lists as extended attributes. */
#ifndef _SHIM_LINUX_POSIX_ACL_XATTR_H
#define _SHIM_LINUX_POSIX_ACL_XATTR_H

#include_next <linux/posix_acl_xattr.h>
#include <linux/posix_acl.h>

#endif /* _SHIM_LINUX_POSIX_ACL_XATTR_H */
