// SPDX-License-Identifier: GPL-2.0
/*
 * Streaming reader: a whole file, in order, with many extents in flight.
 *
 * The reader's thread walks the extents and starts reads as far as the memory
 * budget allows; decoding happens in workers; pieces are handed out in the
 * file's order. Invariant: errors are reported in that order too, each once,
 * and a piece that is handed out without an error holds what the file holds.
 * One thread at a time. For the floors above, and the tools.
 */
#include "bcachefs.h"
#include "data/read_extent.h"
#include "data/reader.h"

#include <linux/completion.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

/* A part of the file that is being read, or a range that cannot be looked up. */
struct bch_reader_piece {
	struct list_head	list;
	u64			offset;		/* bytes, in the file */
	size_t			bytes;		/* of .buf; 0: only a bad range */
	size_t			cost;		/* counted against the budget */
	void			*buf;
	struct bkey_buf		key;
	struct bch_extent_read	er;
	struct bch_bad_range	bad;		/* valid if bytes == 0 */
	struct completion	done;
};

static void reader_piece_done(struct bch_extent_read *er)
{
	complete(&container_of(er, struct bch_reader_piece, er)->done);
}

static void reader_piece_free(struct bch_file_reader *r, struct bch_reader_piece *p)
{
	list_del(&p->list);
	r->in_flight -= p->cost;
	r->nr--;
	bch2_bkey_buf_exit(&p->key);
	kvfree(p->buf);
	kfree(p);
}

static struct bch_reader_piece *reader_piece_alloc(struct bch_file_reader *r, u64 offset,
						   size_t bytes)
{
	struct bch_reader_piece *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;

	p->offset	= offset;
	p->bytes	= bytes;
	/* As stored and as handed out: what most pieces need while in flight. */
	p->cost		= sizeof(*p) + 2 * bytes;
	init_completion(&p->done);
	bch2_bkey_buf_init(&p->key);

	p->buf = bytes ? kvmalloc(bytes, GFP_KERNEL) : NULL;
	if (bytes && !p->buf) {
		kfree(p);
		return NULL;
	}

	list_add_tail(&p->list, &r->pieces);
	r->in_flight += p->cost;
	r->nr++;
	return p;
}

/* Queue the range @piece, which cannot be looked up. */
static int reader_add_bad(struct bch_file_reader *r, const struct bch_file_piece *piece)
{
	struct bch_reader_piece *p = reader_piece_alloc(r, piece->start << 9, 0);

	if (!p)
		return -BCH_ERR_ENOMEM_data_read;

	p->bad = (struct bch_bad_range) {
		.offset	= p->offset,
		.bytes	= min(piece->sectors << 9, r->size - p->offset),
		.dev	= BCH_READ_NO_DEV,
		.err	= piece->err,
	};
	complete(&p->done);
	return 0;
}

/* Start reading @sectors at the front of @piece, and take them off it. */
static int reader_add_data(struct bch_file_reader *r, struct bch_file_piece *piece, u32 sectors)
{
	struct bch_reader_piece *p =
		reader_piece_alloc(r, piece->start << 9, (size_t) sectors << 9);
	int ret;

	if (!p)
		return -BCH_ERR_ENOMEM_data_read;

	ret = bch2_bkey_buf_reassemble(&p->key, piece->k);
	if (ret) {
		reader_piece_free(r, p);
		return ret;
	}

	p->er.c			= r->c;
	p->er.k			= bkey_i_to_s_c(p->key.k);
	p->er.offset		= piece->k_offset;
	p->er.sectors		= sectors;
	p->er.buf		= p->buf;
	p->er.file_offset	= p->offset;
	p->er.flags		= r->report->flags;
	p->er.done		= reader_piece_done;
	bch2_extent_read_submit(&p->er);

	piece->start	+= sectors;
	piece->sectors	-= sectors;
	piece->k_offset	+= sectors;
	return 0;
}

/* Is r->next, with something left of it, the next thing to start? 0: at the end. */
static int reader_next_piece(struct bch_file_reader *r)
{
	while (!r->next.sectors) {
		int ret = bch2_extent_iter_next(&r->iter, &r->next);

		if (ret <= 0)
			return ret;
		if (r->next.type == BCH_PIECE_zero)
			r->next.sectors = 0;
	}
	return 1;
}

/* Start as many reads as the budget allows; at least one. */
static int reader_fill(struct bch_file_reader *r)
{
	while (!r->at_end && r->nr < BCH_READER_NR_MAX) {
		u32 sectors = 0;
		int ret = reader_next_piece(r);

		if (ret <= 0) {
			r->at_end = !ret;
			return ret;
		}

		if (r->next.type == BCH_PIECE_data)
			sectors = bch2_extent_read_chunk(r->c, r->next.k, r->next.sectors);

		if (r->nr && r->in_flight + 2 * ((size_t) sectors << 9) > r->budget)
			return 0;

		if (r->next.type == BCH_PIECE_data) {
			ret = reader_add_data(r, &r->next, sectors);
		} else {
			ret = reader_add_bad(r, &r->next);
			r->next.sectors = 0;
		}
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * bch2_file_reader_init() - start reading a file
 * @r:		caller's memory; bch2_file_reader_exit() is due in any case
 * @c:		filesystem
 * @snapshot:	view
 * @inum:	inode
 * @size:	bytes: the file's size; nothing behind it is read or handed out
 * @report:	flags, and where errors are told; NULL: neither
 *
 * Return: 0; -EINVAL for a size beyond 2^63; class ENOMEM.
 */
int bch2_file_reader_init(struct bch_file_reader *r, struct bch_fs *c, u32 snapshot, u64 inum,
			  u64 size, struct bch_read_report *report)
{
	memset(r, 0, sizeof(*r));
	INIT_LIST_HEAD(&r->pieces);
	r->c		= c;
	r->size		= size;
	r->report	= report ?: &r->own_report;
	r->budget	= BCH_READER_BUDGET_DEFAULT;

	if (size > S64_MAX)
		return -EINVAL;

	return bch2_extent_iter_init(&r->iter, c, snapshot, inum, 0, DIV_ROUND_UP_ULL(size, 512));
}

static struct bch_reader_piece *reader_first(struct bch_file_reader *r)
{
	return list_first_entry_or_null(&r->pieces, struct bch_reader_piece, list);
}

/*
 * The first piece is finished: report what went wrong. 0 if it can be handed
 * out; 1 if it is only a bad range that is to be left out; or the error.
 */
static int reader_settle(struct bch_file_reader *r, struct bch_reader_piece *p)
{
	bool ignore = r->report->flags & BCH_READ_ignore_errors;
	int ret = p->bytes ? p->er.ret : p->bad.err;

	if (!p->bytes)
		bch2_read_report_add(r->report, &p->bad);
	else
		bch2_extent_read_report(&p->er, r->report);

	if (!ret)
		return 0;
	if (!ignore || bch2_err_matches(ret, ENOMEM))
		return ret;
	if (!p->bytes)
		return 1;

	memset(p->buf, 0, p->bytes);
	return 0;
}

/**
 * bch2_file_reader_next() - the next piece of the file
 * @r:		reader
 * @offset:	bytes: where the piece is in the file; behind the piece before
 * @buf:	its data, valid until the next call
 * @len:	bytes, not 0
 *
 * What lies between two pieces reads as zeros. With BCH_READ_ignore_errors a
 * piece that could not be read is handed out as zeros, and one that could not be
 * looked up is left out like a hole; both are reported. Without it, an error is
 * returned in its place, after which the reader may be asked for what follows.
 *
 * Return: 1 with a piece; 0 at the end; the error of a bad range; class ENOMEM.
 */
int bch2_file_reader_next(struct bch_file_reader *r, u64 *offset, const void **buf, size_t *len)
{
	struct bch_reader_piece *p;
	int ret;

	do {
		if (r->held)
			reader_piece_free(r, reader_first(r));
		r->held = false;

		ret = reader_fill(r);
		p = reader_first(r);
		if (!p)
			return ret;

		wait_for_completion(&p->done);
		r->held = true;

		ret = reader_settle(r, p);
		if (ret < 0)
			return ret;
	} while (ret);

	*offset	= p->offset;
	*buf	= p->buf;
	*len	= min_t(u64, p->bytes, r->size - p->offset);
	return 1;
}

/**
 * bch2_file_reader_exit() - end reading
 * @r:		initialised, successfully or not; waits for reads in flight
 */
void bch2_file_reader_exit(struct bch_file_reader *r)
{
	struct bch_reader_piece *p;

	while ((p = reader_first(r))) {
		if (!r->held)
			wait_for_completion(&p->done);
		r->held = false;
		reader_piece_free(r, p);
	}

	bch2_extent_iter_exit(&r->iter);
}
