/* SPDX-License-Identifier: GPL-2.0 */
/* Names of extended attribute classes. */
#ifndef _SHIM_LINUX_XATTR_H
#define _SHIM_LINUX_XATTR_H

#include_next <linux/xattr.h>
#include <linux/types.h>

#endif /* _SHIM_LINUX_XATTR_H */
