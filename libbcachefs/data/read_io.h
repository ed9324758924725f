/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading a range of sectors of one device into memory, in as many bios as it
 * takes. For the data floor only.
 */
#ifndef _BCACHEFS_DATA_READ_IO_H
#define _BCACHEFS_DATA_READ_IO_H

#include <linux/atomic.h>
#include <linux/types.h>

struct bch_dev;

struct bch_read_io {
	struct bch_dev		*ca;
	atomic_t		pending;	/* bios not completed, plus one while submitting */
	atomic_t		error;		/* first negative errno, or 0 */
	u64			start_ns;
	/* Called once, in the context of the last completion: must not sleep. */
	void			(*done)(struct bch_read_io *io);
};

void bch2_read_io_submit(struct bch_read_io *io, struct bch_dev *ca, u64 sector,
			 void *buf, u32 sectors, void (*done)(struct bch_read_io *io));
int bch2_read_io_result(struct bch_read_io *io);
int bch2_read_io_sync(struct bch_dev *ca, u64 sector, void *buf, u32 sectors);

#endif /* _BCACHEFS_DATA_READ_IO_H */
