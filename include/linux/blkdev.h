/* SPDX-License-Identifier: GPL-2.0 */
/* Block devices; a device may also be an image in a regular file. */
#ifndef _SHIM_LINUX_BLKDEV_H
#define _SHIM_LINUX_BLKDEV_H

#include <linux/bio.h>
#include <linux/blk_types.h>
#include <linux/err.h>
#include <linux/fs.h>

#define BLK_OPEN_READ		((blk_mode_t) 1 << 0)
#define BLK_OPEN_WRITE		((blk_mode_t) 1 << 1)
#define BLK_OPEN_EXCL		((blk_mode_t) 1 << 2)
#define BLK_OPEN_RESTRICT_WRITES ((blk_mode_t) 1 << 5)

struct blk_holder_ops {
	void	(*mark_dead)(struct block_device *bdev, bool surprise);
	void	(*sync)(struct block_device *bdev);
	int	(*freeze)(struct block_device *bdev);
	int	(*thaw)(struct block_device *bdev);
};

/*
 * A holder makes the open exclusive. Opening for writing is refused with -EBUSY while the device,
 * or a loop device over the image, is mounted.
 */
struct file *bdev_file_open_by_path(const char *path, blk_mode_t mode, void *holder,
				    const struct blk_holder_ops *hops);
void bdev_fput(struct file *bdev_file);
struct block_device *file_bdev(struct file *bdev_file);
int lookup_bdev(const char *pathname, dev_t *dev);

unsigned int bdev_logical_block_size(struct block_device *bdev);
unsigned int bdev_physical_block_size(struct block_device *bdev);
unsigned int bdev_io_min(struct block_device *bdev);
unsigned int bdev_io_opt(struct block_device *bdev);
bool bdev_nonrot(struct block_device *bdev);
unsigned int bdev_max_discard_sectors(struct block_device *bdev);
unsigned int bdev_discard_granularity(struct block_device *bdev);
bool bdev_read_only(struct block_device *bdev);
bool bdev_write_cache(struct block_device *bdev);

static inline sector_t bdev_nr_sectors(struct block_device *bdev)
{
	return bdev->bd_nr_sectors;
}

static inline loff_t bdev_nr_bytes(struct block_device *bdev)
{
	return (loff_t) bdev_nr_sectors(bdev) << SECTOR_SHIFT;
}

int sync_blockdev(struct block_device *bdev);
int blkdev_issue_flush(struct block_device *bdev);
int blkdev_issue_discard(struct block_device *bdev, sector_t sector, sector_t nr_sects, gfp_t gfp);
int blkdev_issue_zeroout(struct block_device *bdev, sector_t sector, sector_t nr_sects, gfp_t gfp,
			 unsigned int flags);

int blk_status_to_errno(blk_status_t status);
blk_status_t errno_to_blk_status(int error);
const char *blk_status_to_str(blk_status_t status);
const char *blk_op_str(enum req_op op);

struct blk_plug {
	int	shim_unused;
};

/* Requests go out at once; the device's queue is deep enough. */
static inline void blk_start_plug(struct blk_plug *plug)
{
	(void) plug;
}

static inline void blk_finish_plug(struct blk_plug *plug)
{
	(void) plug;
}

#endif /* _SHIM_LINUX_BLKDEV_H */
