/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading one piece of one extent, to the end of all its copies (spec 54 §2).
 * For the data floor only; others use data/read.h and data/reader.h.
 */
#ifndef _BCACHEFS_DATA_READ_EXTENT_H
#define _BCACHEFS_DATA_READ_EXTENT_H

#include <linux/workqueue.h>

#include "data/read.h"
#include "data/read_io.h"
#include "data/read_replica.h"

/* Failed copies that are remembered for the report of one read. */
#define BCH_EXTENT_READ_EVENTS_MAX	4

/* Data that may be read in parts is read in parts of this size. */
#define BCH_READ_CHUNK_SECTORS		2048

struct bch_extent_read {
	/* --- set by the caller; everything else is zeroed --- */
	struct bch_fs		*c;
	struct bkey_s_c		k;		/* lives until the read is done */
	u32			offset;		/* first wanted sector of the key's live part */
	u32			sectors;
	void			*buf;		/* sectors * 512 bytes */
	u64			file_offset;	/* bytes, for reports */
	unsigned		flags;		/* enum bch_read_flags */
	/* Called once from a worker, or before bch2_extent_read_submit() returns. */
	void			(*done)(struct bch_extent_read *er);

	/* --- results --- */
	int			ret;
	unsigned		nr_events;
	struct bch_bad_range	events[BCH_EXTENT_READ_EVENTS_MAX];

	/* --- private --- */
	struct work_struct	work;
	struct bch_read_io	io;
	struct bch_replica_choice choice;
	struct bch_replica	pick;
	bool			io_started;
	/* What is read of the device, into .stored (which may be .buf). */
	u64			io_sector;
	u32			io_sectors;
	u32			io_skip;	/* raw data: sectors before the wanted ones */
	void			*stored;
	/* The failure that says most about why. */
	struct bch_bad_range	worst;
};

void bch2_extent_read_submit(struct bch_extent_read *er);
void bch2_extent_read_run(struct bch_extent_read *er);
void bch2_extent_read_report(struct bch_extent_read *er, struct bch_read_report *r);

u32 bch2_extent_read_chunk(struct bch_fs *c, struct bkey_s_c k, u64 sectors);

#endif /* _BCACHEFS_DATA_READ_EXTENT_H */
