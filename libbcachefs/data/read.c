// SPDX-License-Identifier: GPL-2.0
/*
 * Reading file data: one extent, or any range of a file, waiting for each piece.
 * This is for small things - symlinks, a few bytes of a file; whole files are
 * read with data/reader.c. What a failed read means for the caller is decided
 * here, by the report's flags. For the floors above, and the tools.
 */
#include "bcachefs.h"
#include "data/extent_iter.h"
#include "data/read.h"
#include "data/read_extent.h"

#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

/**
 * bch2_read_report_add() - record a bad range
 * @r:		report; NULL: nothing is done
 * @bad:	what happened
 */
void bch2_read_report_add(struct bch_read_report *r, const struct bch_bad_range *bad)
{
	if (!r)
		return;

	if (bad->recovered) {
		r->nr_recovered++;
	} else {
		if (!r->nr_bad)
			r->first = *bad;
		r->nr_bad++;
		r->bytes_bad += bad->bytes;
	}

	if (r->fn)
		r->fn(r, bad);
}

/**
 * bch2_read_reason_str() - why data could not be read, for people
 * @err:	negative error of a bad range
 *
 * Return: a constant string.
 */
const char *bch2_read_reason_str(int err)
{
	switch (-err) {
	case BCH_ERR_data_read_io_err:
		return "I/O error";
	case BCH_ERR_data_read_csum_err:
		return "checksum error";
	case BCH_ERR_data_read_no_device:
		return "device missing";
	case BCH_ERR_data_read_no_replica:
		return "no usable copy";
	case BCH_ERR_data_read_no_encryption_key:
		return "encrypted, and no key is loaded";
	case BCH_ERR_data_read_ptr_bad:
		return "pointer beyond the end of the device";
	case BCH_ERR_data_read_bad_key:
	case BCH_ERR_data_read_bad_crc_entry:
		return "invalid extent";
	case BCH_ERR_data_read_unknown_csum_type:
		return "unknown checksum type";
	case BCH_ERR_data_read_unknown_compression:
		return "unknown compression type";
	case BCH_ERR_EIO_key_type_error:
		return "data was lost earlier, and marked as lost";
	case BCH_ERR_EIO_missing_indirect_extent:
		return "shared extent is missing";
	case BCH_ERR_EIO_extent_poisoned:
		return "extent is marked as damaged";
	}

	if (bch2_err_matches(err, BCH_ERR_decompress))
		return "decompression failed";
	if (bch2_err_matches(err, BCH_ERR_ec))
		return "reconstruction from the stripe failed";
	if (bch2_err_matches(err, BCH_ERR_btree_node_read_error))
		return "btree node not readable";
	return bch2_err_str(err);
}

/* Does the caller want to hear about @ret, or has it been dealt with? */
static int read_verdict(const struct bch_read_report *r, int ret)
{
	if (ret && !bch2_err_matches(ret, ENOMEM) &&
	    r && (r->flags & BCH_READ_ignore_errors))
		return 0;
	return ret;
}

/* One piece, to the end of all copies; @file_offset in bytes. */
static int read_piece(struct bch_fs *c, struct bkey_s_c k, u32 offset, u32 sectors,
		      u64 file_offset, void *buf, struct bch_read_report *r)
{
	struct bch_extent_read *er = kzalloc(sizeof(*er), GFP_KERNEL);
	int ret;

	if (!er)
		return -BCH_ERR_ENOMEM_data_read;

	er->c		= c;
	er->k		= k;
	er->offset	= offset;
	er->sectors	= sectors;
	er->buf		= buf;
	er->file_offset	= file_offset;
	er->flags	= r ? r->flags : 0;

	bch2_extent_read_run(er);
	bch2_extent_read_report(er, r);

	ret = er->ret;
	if (ret)
		memset(buf, 0, (size_t) sectors << 9);
	kfree(er);
	return read_verdict(r, ret);
}

/**
 * bch2_extent_read() - read a part of an extent
 * @c:		filesystem
 * @k:		extent, reflink_v, inline_data, indirect_inline_data, reservation, error
 * @offset:	first sector, counted in the live sectors of the key
 * @sectors:	number of sectors; offset + sectors is at most the key's size
 * @buf:	@sectors * 512 bytes
 * @r:		report or NULL; offsets in it are those of the key's position
 *
 * Every copy is tried, and the stripe, before an error is returned; checksums
 * are verified. Sleeps.
 *
 * Return: 0, or why there is no data. With BCH_READ_ignore_errors 0, and zeros
 * in place of what could not be read.
 */
int bch2_extent_read(struct bch_fs *c, struct bkey_s_c k, u32 offset, u32 sectors,
		     void *buf, struct bch_read_report *r)
{
	u64 pos = bkey_start_offset(k.k) + offset;
	int ret = 0;

	while (!ret && sectors) {
		u32 chunk = bch2_extent_read_chunk(c, k, sectors);

		ret = read_piece(c, k, offset, chunk, pos << 9, buf, r);
		offset	+= chunk;
		pos	+= chunk;
		sectors -= chunk;
		buf	+= (size_t) chunk << 9;
	}
	return ret;
}

/* A range of a file being read into memory. */
struct file_read {
	struct bch_fs		*c;
	struct bch_read_report	*report;
	u64			start;		/* bytes */
	u64			end;
	void			*buf;		/* byte @start goes here */
};

/* Read sectors [pos, pos + sectors) of the file from the key, and keep what is wanted. */
static int file_read_chunk(struct file_read *f, struct bkey_s_c k, u32 k_offset, u64 pos,
			   u32 sectors)
{
	u64 start = max(pos << 9, f->start);
	u64 end = min((pos + sectors) << 9, f->end);
	bool direct = start == pos << 9 && end == (pos + sectors) << 9;
	void *dst = f->buf + (start - f->start);
	void *bounce;
	int ret;

	if (direct)
		return read_piece(f->c, k, k_offset, sectors, start, dst, f->report);

	bounce = kvmalloc((size_t) sectors << 9, GFP_KERNEL);
	if (!bounce)
		return -BCH_ERR_ENOMEM_data_bounce;

	ret = read_piece(f->c, k, k_offset, sectors, pos << 9, bounce, f->report);
	if (!ret)
		memcpy(dst, bounce + (start - (pos << 9)), end - start);
	kvfree(bounce);
	return ret;
}

static int file_read_piece(struct file_read *f, const struct bch_file_piece *piece)
{
	u64 pos = piece->start, end = piece->start + piece->sectors;
	int ret = 0;

	if (piece->type == BCH_PIECE_bad) {
		struct bch_bad_range bad = {
			.offset	= pos << 9,
			.bytes	= piece->sectors << 9,
			.dev	= BCH_READ_NO_DEV,
			.err	= piece->err,
		};

		bch2_read_report_add(f->report, &bad);
		return read_verdict(f->report, piece->err);
	}

	if (piece->type != BCH_PIECE_data)
		return 0;

	while (!ret && pos < end) {
		u32 chunk = bch2_extent_read_chunk(f->c, piece->k, end - pos);

		ret = file_read_chunk(f, piece->k, piece->k_offset + (pos - piece->start),
				      pos, chunk);
		pos += chunk;
	}
	return ret;
}

/**
 * bch2_file_read() - read a range of a file
 * @c:		filesystem
 * @snapshot:	view
 * @inum:	inode
 * @offset:	first byte; need not be aligned
 * @buf:	where the data goes; holes are filled with zeros
 * @bytes:	length; the caller does not ask beyond the file's size
 * @r:		report or NULL
 *
 * Sleeps; uses a transaction of its own.
 *
 * Return: 0, or the first error. With BCH_READ_ignore_errors 0, and zeros in
 * place of what could not be read. -EINVAL for offsets beyond 2^63.
 */
int bch2_file_read(struct bch_fs *c, u32 snapshot, u64 inum, u64 offset, void *buf,
		   size_t bytes, struct bch_read_report *r)
{
	struct file_read f = {
		.c = c, .report = r, .start = offset, .end = offset + bytes, .buf = buf,
	};
	struct bch_file_piece piece;
	struct bch_extent_iter *it;
	int ret;

	if (offset > S64_MAX || bytes > S64_MAX - offset)
		return -EINVAL;

	it = kmalloc(sizeof(*it), GFP_KERNEL);
	if (!it)
		return -BCH_ERR_ENOMEM_data_read;

	memset(buf, 0, bytes);

	ret = bch2_extent_iter_init(it, c, snapshot, inum, offset >> 9,
				    DIV_ROUND_UP_ULL(f.end, 512));
	while (!ret && (ret = bch2_extent_iter_next(it, &piece)) > 0)
		ret = file_read_piece(&f, &piece);

	bch2_extent_iter_exit(it);
	kfree(it);
	return ret;
}

/**
 * bch2_file_next_data() - the next range of a file that is not a hole
 * @c:		filesystem
 * @snapshot:	view
 * @inum:	inode
 * @offset:	bytes: where to begin looking
 * @data_start:	first byte at or behind @offset that has data
 * @data_end:	byte behind the last one of that range
 *
 * Like SEEK_DATA and SEEK_HOLE in one. Unwritten extents, reservations, and what
 * cannot be looked up count as holes; the bounds are those of extents, so the
 * end may lie beyond the file's size.
 *
 * Return: 0; -ENXIO if there is no data behind @offset; class ENOMEM.
 */
int bch2_file_next_data(struct bch_fs *c, u32 snapshot, u64 inum, u64 offset,
			u64 *data_start, u64 *data_end)
{
	struct bch_extent_iter *it = kmalloc(sizeof(*it), GFP_KERNEL);
	struct bch_file_piece piece;
	u64 start = 0, end = 0;
	int ret;

	if (!it)
		return -BCH_ERR_ENOMEM_data_read;

	ret = bch2_extent_iter_init(it, c, snapshot, inum, offset >> 9, S64_MAX >> 9);
	while (!ret && (ret = bch2_extent_iter_next(it, &piece)) > 0) {
		ret = 0;
		if (piece.type != BCH_PIECE_data) {
			if (end)
				break;
			continue;
		}
		if (end && piece.start != end)
			break;
		if (!end)
			start = piece.start;
		end = piece.start + piece.sectors;
	}

	bch2_extent_iter_exit(it);
	kfree(it);

	if (ret < 0)
		return ret;
	if (!end)
		return -ENXIO;

	*data_start	= max(offset, start << 9);
	*data_end	= end << 9;
	return 0;
}
