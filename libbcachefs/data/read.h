/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading file data (spec 54 §2, 51 §4): one extent, or a range of a file.
 *
 * For whole files there is the streaming reader of data/reader.h. Nothing here
 * writes. All functions may sleep; they take no locks that a caller may hold,
 * except for those of a btree_trans of their own.
 */
#ifndef _BCACHEFS_DATA_READ_H
#define _BCACHEFS_DATA_READ_H

#include "bcachefs_format.h"

struct bch_fs;
struct bch_dev;

/* Flags of a read, in struct bch_read_report. */
enum bch_read_flags {
	/* Bad ranges are filled with zeros and reported; the read goes on and succeeds. */
	BCH_READ_ignore_errors	= 1 << 0,
	/* Hand out data that is marked as poisoned (spec 50 §6.7). */
	BCH_READ_poisoned_ok	= 1 << 1,
};

#define BCH_READ_NO_DEV		0xff

/*
 * A range that could not be read; or, if .recovered is set, a replica that was
 * bad while the data came from another one or from a stripe.
 */
struct bch_bad_range {
	u64		offset;		/* bytes, in the file (or in the indirect extent) */
	u64		bytes;
	u8		dev;		/* member, or BCH_READ_NO_DEV: no device to blame */
	char		dev_name[64];	/* of that member; empty if none */
	u64		sector;		/* on that device, where the stored extent begins */
	int		err;		/* negative, see bch2_err_str() */
	bool		recovered;
};

/*
 * What went wrong during a read. Zero it, set the input members, and pass it to
 * as many calls as wanted; NULL instead means: no flags, not interested.
 */
struct bch_read_report {
	/* in */
	unsigned	flags;		/* enum bch_read_flags */
	void		(*fn)(struct bch_read_report *r, const struct bch_bad_range *bad);
	void		*priv;		/* for fn */

	/* out: sums over all calls */
	u64		nr_bad;
	u64		bytes_bad;
	u64		nr_recovered;
	struct bch_bad_range first;	/* valid if nr_bad */
};

void bch2_read_report_add(struct bch_read_report *r, const struct bch_bad_range *bad);
const char *bch2_read_reason_str(int err);

int bch2_extent_read(struct bch_fs *c, struct bkey_s_c k, u32 offset, u32 sectors,
		     void *buf, struct bch_read_report *r);
int bch2_file_read(struct bch_fs *c, u32 snapshot, u64 inum, u64 offset, void *buf,
		   size_t bytes, struct bch_read_report *r);
int bch2_file_next_data(struct bch_fs *c, u32 snapshot, u64 inum, u64 offset,
			u64 *data_start, u64 *data_end);

#endif /* _BCACHEFS_DATA_READ_H */
