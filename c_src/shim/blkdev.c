// SPDX-License-Identifier: GPL-2.0
/*
 * Block devices: opening, closing, properties, and the requests that are one call.
 *
 * A device is a block device or a regular file. It is opened with O_DIRECT; where that is refused
 * (tmpfs) the page cache is used and said so once. A holder makes the open exclusive: O_EXCL for a
 * block device, a file lock for an image (shared for readers). Opening for writing is refused
 * while the device is mounted. Every open has its own engine; nothing is shared between devices.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bdev.h"
#include "crashdev.h"

#include <linux/align.h>
#include <linux/completion.h>
#include <linux/log2.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <shim/blkdev.h>

static bool force_buffered;

/**
 * shim_bdev_force_buffered - use the page cache for devices opened from now on
 * @on:		whether
 */
void shim_bdev_force_buffered(bool on)
{
	WRITE_ONCE(force_buffered, on);
}

/* A number from /sys/dev/block/M:m/queue (of the whole disk for a partition), or @dflt. */
static u64 queue_limit(const struct shim_bdev *d, const char *name, u64 dflt)
{
	static const char * const where[] = { "queue", "../queue" };
	unsigned long long v;
	char path[128];
	size_t i;

	for (i = 0; i < 2; i++) {
		FILE *f;
		bool ok;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%s/%s", major(d->bdev.bd_dev),
			 minor(d->bdev.bd_dev), where[i], name);
		f = fopen(path, "re");
		if (!f)
			continue;
		ok = fscanf(f, "%llu", &v) == 1;
		fclose(f);
		if (ok)
			return v;
	}
	return dflt;
}

/* O_DIRECT where the file takes it. */
static int open_file(struct shim_bdev *d, const char *path, int flags)
{
	d->direct = !READ_ONCE(force_buffered);
	d->fd = open(path, flags | (d->direct ? O_DIRECT : 0));
	if (d->fd < 0 && errno == EINVAL && d->direct) {
		d->direct = false;
		d->fd = open(path, flags);
		if (d->fd >= 0)
			pr_notice_once("%s: no direct I/O here, using the page cache\n", path);
	}
	return d->fd < 0 ? -errno : 0;
}

static int probe_block(struct shim_bdev *d, const struct stat *st)
{
	unsigned int physical = 0;
	int logical = 0;
	u64 bytes;

	if (ioctl(d->fd, BLKGETSIZE64, &bytes) || ioctl(d->fd, BLKSSZGET, &logical))
		return -errno;
	if (ioctl(d->fd, BLKPBSZGET, &physical) || !physical)
		physical = logical;
	d->is_block = true;
	d->bdev.bd_dev = st->st_rdev;
	d->bdev.bd_nr_sectors = bytes >> SECTOR_SHIFT;
	d->logical_size = max(logical, SECTOR_SIZE);
	d->physical_size = max(physical, d->logical_size);
	d->mem_align = d->offset_align = d->logical_size;
	return 0;
}

/*
 * An image has 512-byte sectors whatever lies under its filesystem; requests that O_DIRECT would
 * refuse there take the page cache.
 */
static int probe_image(struct shim_bdev *d, const struct stat *st)
{
	d->bdev.bd_dev = st->st_dev;
	d->bdev.bd_nr_sectors = (u64) st->st_size >> SECTOR_SHIFT;
	d->logical_size = SECTOR_SIZE;
	d->physical_size = clamp_t(unsigned int, st->st_blksize, SECTOR_SIZE, PAGE_SIZE);
	d->mem_align = d->offset_align = SECTOR_SIZE;
#ifdef STATX_DIOALIGN
	struct statx stx;

	if (!statx(d->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) &&
	    (stx.stx_mask & STATX_DIOALIGN) && is_power_of_2(stx.stx_dio_mem_align) &&
	    is_power_of_2(stx.stx_dio_offset_align)) {
		d->mem_align = max_t(unsigned int, stx.stx_dio_mem_align, SECTOR_SIZE);
		d->offset_align = max_t(unsigned int, stx.stx_dio_offset_align, SECTOR_SIZE);
	}
#endif
	return 0;
}

static int probe(struct shim_bdev *d)
{
	struct stat st;

	if (fstat(d->fd, &st))
		return -errno;
	if (S_ISBLK(st.st_mode))
		return probe_block(d, &st);
	if (S_ISREG(st.st_mode))
		return probe_image(d, &st);
	return S_ISDIR(st.st_mode) ? -EISDIR : -ENOTBLK;
}

static void release(struct shim_bdev *d)
{
	if (d->engine)
		d->ops->stop(d);
	if (d->buffered_fd >= 0)
		close(d->buffered_fd);
	if (d->fd >= 0)
		close(d->fd);
	free(d->path);
	free(container_of(d, struct file, d));
}

/* Opens what @path names: exclusively if asked, never a mounted one for writing. */
static int acquire(struct shim_bdev *d, const char *path, bool excl)
{
	struct stat st;
	int flags, ret;

	if (stat(path, &st))
		return -errno;
	if (!S_ISBLK(st.st_mode) && !S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -ENOTBLK;
	if (d->writable) {
		ret = shim_bdev_check_unmounted(path);
		if (ret)
			return ret;
	}
	flags = (d->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK;
	if (excl && S_ISBLK(st.st_mode))
		flags |= O_EXCL;
	ret = open_file(d, path, flags);
	if (ret)
		return ret;
	if (excl && S_ISREG(st.st_mode) &&
	    flock(d->fd, (d->writable ? LOCK_EX : LOCK_SH) | LOCK_NB))
		return -EBUSY;
	return probe(d);
}

/**
 * bdev_file_open_by_path - open a block device or an image
 * @path:	path
 * @mode:	BLK_OPEN_*
 * @holder:	not NULL: exclusively
 * @hops:	not called; devices do not go away here
 *
 * Return: handle, or ERR_PTR: -EBUSY if it is mounted (for writing) or held by somebody else.
 */
struct file *bdev_file_open_by_path(const char *path, blk_mode_t mode, void *holder,
				    const struct blk_holder_ops *hops)
{
	struct file *f;
	struct shim_bdev *d;
	int ret;

	if (shim_fault_alloc(sizeof(*f), GFP_KERNEL))
		return ERR_PTR(-ENOMEM);
	f = calloc(1, sizeof(*f));
	if (!f)
		return ERR_PTR(-ENOMEM);
	d = &f->d;
	d->fd = d->buffered_fd = -1;
	d->bdev.shim = d;
	d->bdev.bd_holder = holder;
	d->writable = mode & BLK_OPEN_WRITE;
	d->path = strdup(path);
	ret = d->path ? acquire(d, path, holder || (mode & BLK_OPEN_EXCL)) : -ENOMEM;
	if (!ret)
		ret = shim_aio_start(d);
	if (!ret)
		ret = shim_crash_attach(d);
	if (ret) {
		release(d);
		return ERR_PTR(ret);
	}
	return f;
}

/**
 * bdev_fput - close a device, after its requests are done
 * @bdev_file:	handle
 */
void bdev_fput(struct file *bdev_file)
{
	release(&bdev_file->d);
}

/**
 * fput - close; only devices are files here
 * @f:		handle
 */
void fput(struct file *f)
{
	bdev_fput(f);
}

/**
 * file_bdev - the device of a handle
 * @bdev_file:	handle
 */
struct block_device *file_bdev(struct file *bdev_file)
{
	return &bdev_file->d.bdev;
}

/**
 * lookup_bdev - device number of a path
 * @pathname:	path
 * @dev:	result
 *
 * Return: 0, -ENOTBLK, or -errno.
 */
int lookup_bdev(const char *pathname, dev_t *dev)
{
	struct stat st;

	if (stat(pathname, &st))
		return -errno;
	if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	*dev = st.st_rdev;
	return 0;
}

/**
 * shim_bdev_fd - the open file underneath
 * @bdev:	device
 */
int shim_bdev_fd(struct block_device *bdev)
{
	return bdev->shim->fd;
}

/**
 * shim_bdev_path - the path it was opened by
 * @bdev:	device
 */
const char *shim_bdev_path(struct block_device *bdev)
{
	return bdev->shim->path;
}

/**
 * shim_bdev_is_direct - does it bypass the page cache?
 * @bdev:	device
 */
bool shim_bdev_is_direct(struct block_device *bdev)
{
	return bdev->shim->direct;
}

/**
 * bdev_logical_block_size - smallest unit it transfers
 * @bdev:	device
 *
 * Return: bytes.
 */
unsigned int bdev_logical_block_size(struct block_device *bdev)
{
	return bdev->shim->logical_size;
}

/**
 * bdev_physical_block_size - smallest unit it writes without reading
 * @bdev:	device
 *
 * Return: bytes.
 */
unsigned int bdev_physical_block_size(struct block_device *bdev)
{
	return bdev->shim->physical_size;
}

/**
 * bdev_io_min - smallest size it likes
 * @bdev:	device
 *
 * Return: bytes.
 */
unsigned int bdev_io_min(struct block_device *bdev)
{
	struct shim_bdev *d = bdev->shim;

	return d->is_block ? queue_limit(d, "minimum_io_size", d->physical_size) : d->physical_size;
}

/**
 * bdev_io_opt - size it likes best
 * @bdev:	device
 *
 * Return: bytes, 0: says nothing.
 */
unsigned int bdev_io_opt(struct block_device *bdev)
{
	return bdev->shim->is_block ? queue_limit(bdev->shim, "optimal_io_size", 0) : 0;
}

/**
 * bdev_nonrot - is it without moving parts?
 * @bdev:	device
 */
bool bdev_nonrot(struct block_device *bdev)
{
	return !bdev->shim->is_block || !queue_limit(bdev->shim, "rotational", 0);
}

/**
 * bdev_max_discard_sectors - largest discard
 * @bdev:	device
 *
 * Return: sectors, 0: it cannot.
 */
unsigned int bdev_max_discard_sectors(struct block_device *bdev)
{
	u64 bytes = bdev->shim->is_block ? queue_limit(bdev->shim, "discard_max_bytes", 0)
					 : (u64) UINT_MAX << SECTOR_SHIFT;

	return min_t(u64, bytes >> SECTOR_SHIFT, UINT_MAX);
}

/**
 * bdev_discard_granularity - unit of discards
 * @bdev:	device
 *
 * Return: bytes, 0: it cannot.
 */
unsigned int bdev_discard_granularity(struct block_device *bdev)
{
	struct shim_bdev *d = bdev->shim;

	return d->is_block ? queue_limit(d, "discard_granularity", 0) : d->physical_size;
}

/**
 * bdev_read_only - does it refuse writes?
 * @bdev:	device
 */
bool bdev_read_only(struct block_device *bdev)
{
	int ro = 0;

	if (bdev->shim->is_block && !ioctl(bdev->shim->fd, BLKROGET, &ro) && ro)
		return true;
	return !bdev->shim->writable;
}

/**
 * bdev_write_cache - may it lose writes that were not flushed?
 * @bdev:	device
 */
bool bdev_write_cache(struct block_device *bdev)
{
	char path[128], text[32] = "";
	FILE *f;

	if (!bdev->shim->is_block)
		return true;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/queue/write_cache", major(bdev->bd_dev),
		 minor(bdev->bd_dev));
	f = fopen(path, "re");
	if (!f)
		return true;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	return strncmp(text, "write through", 13);
}

/**
 * sync_blockdev - make what was written durable
 * @bdev:	device
 *
 * Return: 0 or -errno.
 */
int sync_blockdev(struct block_device *bdev)
{
	return blkdev_issue_flush(bdev);
}

/**
 * blkdev_issue_flush - flush the device's write cache
 * @bdev:	device
 *
 * Return: 0 or -errno.
 */
int blkdev_issue_flush(struct block_device *bdev)
{
	struct bio bio;

	bio_init(&bio, bdev, NULL, 0, REQ_OP_WRITE | REQ_PREFLUSH);
	return submit_bio_wait(&bio);
}

/* One request without data per piece of at most @max_sectors. */
static int issue_range(struct block_device *bdev, sector_t sector, sector_t nr, enum req_op op,
		       sector_t max_sectors)
{
	sector_t n;
	int ret = 0;

	for (; nr && !ret; sector += n, nr -= n) {
		struct bio bio;

		n = min(nr, max_sectors);
		bio_init(&bio, bdev, NULL, 0, op);
		bio.bi_iter.bi_sector = sector;
		bio.bi_iter.bi_size = n << SECTOR_SHIFT;
		ret = submit_bio_wait(&bio);
	}
	return ret;
}

#define MAX_RANGE	((sector_t) 1 << 22)

/**
 * blkdev_issue_discard - the contents of a range are no longer needed
 * @bdev:	device
 * @sector:	first sector
 * @nr_sects:	sectors
 * @gfp:	unused
 *
 * Return: 0, -EOPNOTSUPP, or -errno.
 */
int blkdev_issue_discard(struct block_device *bdev, sector_t sector, sector_t nr_sects, gfp_t gfp)
{
	if (!bdev_max_discard_sectors(bdev))
		return -EOPNOTSUPP;
	return issue_range(bdev, sector, nr_sects, REQ_OP_DISCARD, MAX_RANGE);
}

/**
 * blkdev_issue_zeroout - make a range read as zeroes
 * @bdev:	device
 * @sector:	first sector
 * @nr_sects:	sectors
 * @gfp:	unused
 * @flags:	unused
 *
 * Return: 0 or -errno.
 */
int blkdev_issue_zeroout(struct block_device *bdev, sector_t sector, sector_t nr_sects, gfp_t gfp,
			 unsigned int flags)
{
	return issue_range(bdev, sector, nr_sects, REQ_OP_WRITE_ZEROES, MAX_RANGE);
}
