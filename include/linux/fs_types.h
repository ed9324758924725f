/* SPDX-License-Identifier: GPL-2.0 */
/* File types in directory entries. */
#ifndef _SHIM_LINUX_FS_TYPES_H
#define _SHIM_LINUX_FS_TYPES_H

#include <dirent.h>


#endif /* _SHIM_LINUX_FS_TYPES_H */
