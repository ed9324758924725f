/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the core needs to know about files: modes, types, flags, and the handle of an open
 * device.
 */
#ifndef _SHIM_LINUX_FS_H
#define _SHIM_LINUX_FS_H

#include_next <linux/fs.h>
#include <linux/dcache.h>
#include <linux/err.h>
#include <linux/fs_types.h>
#include <linux/gfp.h>
#include <linux/kdev_t.h>
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/rwsem.h>
#include <linux/stat.h>
#include <linux/types.h>
#include <linux/uuid.h>
#include <linux/wait.h>

struct file;
void fput(struct file *f);

static inline unsigned char fs_umode_to_dtype(umode_t mode)
{
	return (mode >> 12) & 15;
}
#define S_DT(mode)	(((mode) & S_IFMT) >> 12)

#endif /* _SHIM_LINUX_FS_H */
