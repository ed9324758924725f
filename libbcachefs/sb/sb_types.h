/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-memory handle of a superblock, and of the device it was read from.
 * Data declarations only; functions are in sb/io.h.
 */
#ifndef _BCACHEFS_SB_TYPES_H
#define _BCACHEFS_SB_TYPES_H

#include <linux/types.h>

/* How something is validated, on every floor. */
enum bch_validate_flags {
	BCH_VALIDATE_write	= 1 << 0,	/* about to be written: no excuses */
	BCH_VALIDATE_commit	= 1 << 1,	/* about to be committed */
	BCH_VALIDATE_silent	= 1 << 2,	/* only the result counts: no report, no counting */
};

struct bch_sb;
struct block_device;
struct file;

struct bch_sb_handle {
	struct bch_sb		*sb;		/* kvmalloc'd, buffer_size bytes */
	size_t			buffer_size;
	struct file		*bdev_file;	/* keeps bdev open; NULL: none */
	struct block_device	*bdev;
	void			*holder;	/* unique while the device is open exclusively */
	char			*path;		/* as named by the caller; kmalloc'd */
	u64			read_sector;	/* where this copy was found */
	unsigned		copies_bad;	/* copies of the layout that did not validate */
	unsigned		have_layout:1,
				have_bio:1;
	u64			seq;
};

#endif /* _BCACHEFS_SB_TYPES_H */
