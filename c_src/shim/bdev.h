/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A block device as the shim knows it, and the boundary between bios and what carries them out.
 * Include after libc headers; private to c_src/shim.
 */
#ifndef SHIM_BDEV_H
#define SHIM_BDEV_H

#include "internal.h"

#include <linux/blkdev.h>

/* What carries out the bios of one device. */
struct shim_bdev_ops {
	/* Takes a checked bio; its end is told by shim_bio_done(), on any thread. */
	void	(*submit)(struct shim_bdev *d, struct bio *bio);
	/* Waits for the bios in flight and ends all threads. */
	void	(*stop)(struct shim_bdev *d);
};

struct aio_engine;

struct shim_bdev {
	struct block_device		bdev;
	const struct shim_bdev_ops	*ops;
	struct aio_engine		*engine;
	int				fd;
	int				buffered_fd;	/* -1 until needed */
	char				*path;
	bool				direct;
	bool				is_block;
	bool				writable;
	unsigned int			logical_size;
	unsigned int			physical_size;
	unsigned int			mem_align;	/* of buffers, for O_DIRECT */
	unsigned int			offset_align;	/* of offset and length, for O_DIRECT */
};

struct file {
	struct shim_bdev		d;
};

/* The carrier over libaio; 0 or -errno. */
int shim_aio_start(struct shim_bdev *d);

/* Ends a bio with a status, all its bytes counted as done. */
void shim_bio_done(struct bio *bio, blk_status_t status);

#endif /* SHIM_BDEV_H */
