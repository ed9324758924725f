/* SPDX-License-Identifier: GPL-2.0 */
/* The tool's side of the block layer. */
#ifndef _SHIM_SHIM_BLKDEV_H
#define _SHIM_SHIM_BLKDEV_H

#include <linux/blkdev.h>

/* All devices opened from now on go through the page cache. */
void shim_bdev_force_buffered(bool on);
/* The open file underneath, and the path it was opened by. */
int shim_bdev_fd(struct block_device *bdev);
const char *shim_bdev_path(struct block_device *bdev);
bool shim_bdev_is_direct(struct block_device *bdev);
/* 0, or -EBUSY if @path is a mounted device or the image behind one. */
int shim_bdev_check_unmounted(const char *path);

#endif /* _SHIM_SHIM_BLKDEV_H */
