/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Streaming reader: a whole file, in order, with many extents in flight.
 *
 * Use:
 *	struct bch_file_reader r;
 *	int ret = bch2_file_reader_init(&r, c, snapshot, inum, size, &report);
 *	while (!ret && (ret = bch2_file_reader_next(&r, &offset, &buf, &len)) > 0)
 *		ret = take(offset, buf, len);
 *	bch2_file_reader_exit(&r);
 *
 * What lies between two pieces is a hole (or reads as zeros). Memory is bounded
 * by bch_file_reader.budget, whatever the extents say, except that one extent
 * is always in flight.
 */
#ifndef _BCACHEFS_DATA_READER_H
#define _BCACHEFS_DATA_READER_H

#include <linux/list.h>
#include <linux/types.h>

#include "data/extent_iter.h"
#include "data/read.h"

#define BCH_READER_BUDGET_DEFAULT	(16U << 20)
#define BCH_READER_NR_MAX		128

struct bch_file_reader {
	struct bch_fs		*c;
	struct bch_read_report	*report;
	struct bch_read_report	own_report;	/* used when the caller gave none */
	struct bch_extent_iter	iter;
	u64			size;		/* bytes: pieces are cut here */

	size_t			budget;		/* bytes; may be changed before the first _next() */
	size_t			in_flight;	/* bytes held by the pieces in list */
	unsigned		nr;
	bool			at_end;		/* iter has nothing more */
	struct bch_file_piece	next;		/* what is still to be started */

	/* struct bch_reader_piece: submitted, in file order. The first was handed out if held. */
	struct list_head	pieces;
	bool			held;
};

int bch2_file_reader_init(struct bch_file_reader *r, struct bch_fs *c, u32 snapshot, u64 inum,
			  u64 size, struct bch_read_report *report);
int bch2_file_reader_next(struct bch_file_reader *r, u64 *offset, const void **buf, size_t *len);
void bch2_file_reader_exit(struct bch_file_reader *r);

#endif /* _BCACHEFS_DATA_READER_H */
