// SPDX-License-Identifier: GPL-2.0
/*
 * Reading one piece of one extent (spec 54 §2).
 *
 * A read is a loop: choose a copy, read what is stored of it, decode. The first
 * attempt of an asynchronous read is left to the device and ends in a worker;
 * what comes after a failure runs in that worker. Invariant: .ret is 0 only if
 * .buf holds what the file holds; a copy that failed is never the only witness.
 * Used by data/read.c and data/reader.c.
 */
#include "bcachefs.h"
#include "data/compress.h"
#include "data/decode.h"
#include "data/ec.h"
#include "data/extents.h"
#include "data/read_extent.h"
#include "sb/members.h"

#include <linux/completion.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

/* The rest of the wanted range, after what a part of the key's data has filled. */
static void read_inline(struct bch_extent_read *er)
{
	struct bch_bytes data = bch2_bkey_inline_data(er->k);
	size_t skip = (size_t) er->offset << 9;
	size_t want = (size_t) er->sectors << 9;
	size_t have = skip < data.len ? min_t(size_t, data.len - skip, want) : 0;

	if (have)
		memcpy(er->buf, data.p + skip, have);
	memset(er->buf + have, 0, want - have);
}

/* Answers that need no device: 0 or an error; 1 if there is something to read. */
static int read_without_io(struct bch_extent_read *er)
{
	size_t bytes = (size_t) er->sectors << 9;

	switch (er->k.k->type) {
	case KEY_TYPE_inline_data:
	case KEY_TYPE_indirect_inline_data:
		read_inline(er);
		return 0;
	case KEY_TYPE_reservation:
		memset(er->buf, 0, bytes);
		return 0;
	case KEY_TYPE_error:
		return -BCH_ERR_EIO_key_type_error;
	case KEY_TYPE_extent:
	case KEY_TYPE_reflink_v:
		break;
	default:
		return -BCH_ERR_data_read_bad_key;
	}

	if (er->offset > er->k.k->size || er->sectors > er->k.k->size - er->offset)
		return -BCH_ERR_data_read_bad_key;
	if (bch2_bkey_is_poisoned(er->c, er->k) && !(er->flags & BCH_READ_poisoned_ok))
		return -BCH_ERR_EIO_extent_poisoned;
	if (bch2_bkey_is_unwritten(er->c, er->k)) {
		memset(er->buf, 0, bytes);
		return 0;
	}
	return 1;
}

static struct bch_extent_decode read_decode(const struct bch_extent_read *er)
{
	return (struct bch_extent_decode) {
		.crc		= er->pick.p.crc,
		.version	= er->k.k->bversion,
		.key		= er->c->has_key ? &er->c->chacha20_key : NULL,
	};
}

static void free_stored(struct bch_extent_read *er)
{
	if (er->stored != er->buf)
		kvfree(er->stored);
	er->stored = NULL;
}

/* Decide what to read for the chosen copy, and where to (spec 54 §2 step 7). */
static int prepare_io(struct bch_extent_read *er)
{
	const struct extent_ptr_decoded *p = &er->pick.p;
	struct bch_extent_decode d = read_decode(er);
	int ret = bch2_extent_decode_check(&d, er->offset, er->sectors);
	u32 first = p->crc.offset + er->offset;
	bool direct;

	if (ret)
		return ret;

	er->io_sector	= EXTENT_PTR_OFFSET(&p->ptr);
	er->io_skip	= 0;

	if (crc_is_encoded(&p->crc)) {
		er->io_sectors = p->crc.compressed_size;
		direct = !crc_is_compressed(&p->crc) && er->sectors == er->io_sectors;
	} else {
		/* Devices transfer whole blocks; raw extents may begin anywhere. */
		u32 block = bch2_block_sectors(er->c);
		u64 start = er->io_sector + first;

		er->io_skip	= start & (block - 1);
		er->io_sector	= start - er->io_skip;
		er->io_sectors	= round_up(er->io_skip + er->sectors, block);
		direct = er->sectors == er->io_sectors;
	}

	er->stored = direct ? er->buf : kvmalloc((size_t) er->io_sectors << 9, GFP_KERNEL);
	return er->stored ? 0 : -BCH_ERR_ENOMEM_data_read;
}

/* What was read is in er->stored: make file data of it. */
static int finish_io(struct bch_extent_read *er)
{
	struct bch_extent_decode d = read_decode(er);
	int ret;

	if (!crc_is_encoded(&d.crc)) {
		if (er->stored != er->buf)
			memcpy(er->buf, er->stored + ((size_t) er->io_skip << 9),
			       (size_t) er->sectors << 9);
		return 0;
	}

	if (crc_is_compressed(&d.crc)) {
		d.ws = bch2_decompress_ws_get(er->c);
		if (!d.ws)
			return -BCH_ERR_ENOMEM_decompress_workspace;
	}

	ret = bch2_extent_decode(&d, er->stored, er->offset, er->sectors, er->buf);
	bch2_decompress_ws_put(er->c, d.ws);
	return ret;
}

/* Read the chosen copy and wait. */
static int attempt(struct bch_extent_read *er)
{
	struct bch_dev *ca = bch2_dev(er->c, EXTENT_PTR_DEV(&er->pick.p.ptr));
	int ret = prepare_io(er);

	if (ret)
		return ret;

	if (er->pick.reconstruct)
		ret = bch2_ec_read_extent(er->c, &er->pick.p, er->io_sector, er->io_sectors,
					  er->stored);
	else
		ret = bch2_read_io_sync(ca, er->io_sector, er->stored, er->io_sectors);

	return ret ?: finish_io(er);
}

/* How much an error says about why nothing could be read (spec 54 §2 step 9). */
static unsigned int error_rank(int err)
{
	switch (err) {
	case -BCH_ERR_data_read_no_encryption_key:
		return 4;
	case -BCH_ERR_data_read_no_device:
		return 3;
	case -BCH_ERR_data_read_csum_err:
		return 2;
	default:
		return err ? 1 : 0;
	}
}

static void describe_bad(struct bch_extent_read *er, struct bch_bad_range *bad, unsigned int dev,
			 u64 sector, int err)
{
	const struct bch_dev *ca = bch2_dev(er->c, dev);

	memset(bad, 0, sizeof(*bad));
	bad->offset	= er->file_offset;
	bad->bytes	= (u64) er->sectors << 9;
	bad->dev	= ca ? dev : BCH_READ_NO_DEV;
	if (ca)
		strscpy(bad->dev_name, ca->name, sizeof(bad->dev_name));
	bad->sector	= sector;
	bad->err	= err;
}

/* The chosen copy failed with @err: remember it, and what may still be tried. */
static void note_failure(struct bch_extent_read *er, int err)
{
	const struct bch_extent_ptr *ptr = &er->pick.p.ptr;
	struct bch_replica_state *s = &er->choice.state[er->pick.idx];
	struct bch_dev *ca = bch2_dev(er->c, EXTENT_PTR_DEV(ptr));
	bool csum = err == -BCH_ERR_data_read_csum_err;
	struct bch_bad_range bad;

	describe_bad(er, &bad, EXTENT_PTR_DEV(ptr), EXTENT_PTR_OFFSET(ptr), err);
	if (error_rank(err) > error_rank(er->worst.err))
		er->worst = bad;

	if (csum && ca && !er->pick.reconstruct)
		bch2_dev_io_error(ca, BCH_MEMBER_ERROR_checksum);

	if (er->pick.reconstruct)
		s->ec_dead = true;
	else if (csum && s->retries < er->c->opts.checksum_err_retry_nr)
		s->retries++;
	else
		s->dead = true;

	/* A copy that is tried again is reported once. */
	if (!er->pick.reconstruct && s->retries <= 1 &&
	    er->nr_events < BCH_EXTENT_READ_EVENTS_MAX) {
		bad.recovered = true;
		er->events[er->nr_events++] = bad;
	}
}

/* Nothing is left to try: what is the result? */
static int all_failed(struct bch_extent_read *er)
{
	if (!er->choice.saw_dirty && bch2_bkey_nr_ptrs(er->c, er->k)) {
		/* Only copies that could be dropped at any time, and were: a hole. */
		memset(er->buf, 0, (size_t) er->sectors << 9);
		er->nr_events = 0;
		return 0;
	}

	if (er->choice.saw_missing_dev &&
	    error_rank(er->worst.err) < error_rank(-BCH_ERR_data_read_no_device))
		describe_bad(er, &er->worst, er->choice.missing_dev, 0,
			     -BCH_ERR_data_read_no_device);

	return er->worst.err ?: -BCH_ERR_data_read_no_replica;
}

static int pick(struct bch_extent_read *er)
{
	/* Equal copies take turns by the megabyte. */
	u64 spread = er->file_offset >> 20;

	return bch2_replica_pick(er->c, er->k, spread, &er->choice, &er->pick);
}

/* Go on after the first attempt, which gave @ret, until there is a result. */
static void finish(struct bch_extent_read *er, int ret)
{
	while (ret && !bch2_err_matches(ret, ENOMEM)) {
		note_failure(er, ret);
		free_stored(er);
		ret = pick(er);
		if (ret <= 0) {
			ret = ret ?: all_failed(er);
			break;
		}
		ret = attempt(er);
	}

	free_stored(er);
	er->ret = ret;
}

/* There was nothing to choose, or no memory (@err) to choose with. */
static void finish_nothing_to_try(struct bch_extent_read *er, int err)
{
	er->ret = err ?: all_failed(er);
}

/* What cannot be told without a device is left for a range of the whole piece. */
static void finish_error(struct bch_extent_read *er, int err)
{
	if (err)
		describe_bad(er, &er->worst, BCH_READ_NO_DEV, 0, err);
	er->ret = err;
}

/**
 * bch2_extent_read_run() - read a piece of an extent and wait for it
 * @er:		request; er->done is not called
 *
 * Result in er->ret: 0; -BCH_ERR_data_read_* and its like; class ENOMEM. Sleeps.
 */
void bch2_extent_read_run(struct bch_extent_read *er)
{
	int ret = read_without_io(er);

	if (ret <= 0) {
		finish_error(er, ret);
		return;
	}
	ret = pick(er);
	if (ret <= 0)
		finish_nothing_to_try(er, ret);
	else
		finish(er, attempt(er));
}

static void read_work(struct work_struct *work)
{
	struct bch_extent_read *er = container_of(work, struct bch_extent_read, work);
	int ret;

	if (er->io_started)
		ret = bch2_read_io_result(&er->io) ?: finish_io(er);
	else
		ret = attempt(er);

	finish(er, ret);
	er->done(er);
}

static void queue_read_work(struct bch_extent_read *er)
{
	queue_work(er->c->read_wq ?: system_unbound_wq, &er->work);
}

static void read_io_done(struct bch_read_io *io)
{
	queue_read_work(container_of(io, struct bch_extent_read, io));
}

/**
 * bch2_extent_read_submit() - start reading a piece of an extent
 * @er:		request; er->done is called when the result is in er->ret
 *
 * May sleep, for memory and to look up generations of cached pointers.
 */
void bch2_extent_read_submit(struct bch_extent_read *er)
{
	int ret = read_without_io(er);

	INIT_WORK(&er->work, read_work);

	if (ret <= 0) {
		finish_error(er, ret);
		er->done(er);
		return;
	}
	ret = pick(er);
	if (ret <= 0) {
		finish_nothing_to_try(er, ret);
		er->done(er);
		return;
	}

	/* A failure to prepare is met again, and dealt with, by the worker. */
	if (er->pick.reconstruct || prepare_io(er)) {
		free_stored(er);
		queue_read_work(er);
		return;
	}

	er->io_started = true;
	bch2_read_io_submit(&er->io, bch2_dev(er->c, EXTENT_PTR_DEV(&er->pick.p.ptr)),
			    er->io_sector, er->stored, er->io_sectors, read_io_done);
}

/**
 * bch2_extent_read_report() - tell what went wrong in a finished read
 * @er:		finished
 * @r:		where to; NULL: nobody wants to know
 */
void bch2_extent_read_report(struct bch_extent_read *er, struct bch_read_report *r)
{
	unsigned int i;

	/* That says nothing about the file. */
	if (bch2_err_matches(er->ret, ENOMEM))
		return;

	if (er->ret) {
		if (!er->worst.err)
			describe_bad(er, &er->worst, BCH_READ_NO_DEV, 0, er->ret);
		bch2_read_report_add(r, &er->worst);
		return;
	}

	for (i = 0; i < er->nr_events; i++)
		bch2_read_report_add(r, &er->events[i]);
}

/**
 * bch2_extent_read_chunk() - how much of a piece is best read at once?
 * @c:		filesystem
 * @k:		key of the piece
 * @sectors:	length of the piece
 *
 * Return: all of it if some copy is stored in a form of which every part needs
 * the whole, as far as the format allows that (8192 sectors); else at most
 * BCH_READ_CHUNK_SECTORS.
 */
u32 bch2_extent_read_chunk(struct bch_fs *c, struct bkey_s_c k, u64 sectors)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const union bch_extent_entry *entry;
	struct extent_ptr_decoded p;

	if (sectors <= CRC128_SIZE_MAX && bkey_type_has_ptrs(k.k->type))
		bkey_for_each_ptr_decode(k.k, ptrs, p, entry)
			if (crc_is_encoded(&p.crc))
				return sectors;

	return min_t(u64, sectors, BCH_READ_CHUNK_SECTORS);
}
