/* SPDX-License-Identifier: GPL-2.0 */
/* Tags of access control lists. */
#ifndef _SHIM_LINUX_POSIX_ACL_H
#define _SHIM_LINUX_POSIX_ACL_H

#include_next <linux/posix_acl.h>
#include <linux/types.h>

#endif /* _SHIM_LINUX_POSIX_ACL_H */
