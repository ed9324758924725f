// SPDX-License-Identifier: GPL-2.0
/*
 * Writes to devices outside buckets: superblock copies and the layout sector
 * (spec 10 sections 2.2, 12).
 *
 * Every request is FUA: when it has ended well, its data is durable. Devices
 * are written in whole logical blocks; what a block holds besides the written
 * range is read first and kept. Which copies may be under way at the same time
 * is the caller's business.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/io.h"
#include "sb/write.h"

/* Requests are this long at most: memory of this size is contiguous. */
#define WRITE_CHUNK_BYTES	(64U << 10)

/* --- batches --- */

/**
 * bch2_write_batch_init() - nothing is under way
 * @b:		batch; to be ended by bch2_write_batch_wait()
 */
void bch2_write_batch_init(struct bch_write_batch *b)
{
	atomic_set(&b->pending, 1);
	init_completion(&b->done);
}

static void batch_put(struct bch_write_batch *b)
{
	if (atomic_dec_and_test(&b->pending))
		complete(&b->done);
}

/**
 * bch2_write_batch_wait() - until all requests of a batch have ended
 * @b:		batch; nothing may be added any more
 */
void bch2_write_batch_wait(struct bch_write_batch *b)
{
	batch_put(b);
	wait_for_completion(&b->done);
}

static void chunk_endio(struct bio *bio)
{
	struct bch_write_part *p = bio->bi_private;
	struct bch_write_batch *b = p->batch;

	if (bio->bi_status)
		atomic_inc(&p->failed);
	kfree(bvec_virt(bio_first_bvec_all(bio)));
	bio_put(bio);
	batch_put(b);
}

/* One request; @buf is copied. @sector and @bytes are whole blocks. */
static int chunk_submit(struct bch_write_part *p, struct block_device *bdev, u64 sector,
			const void *buf, size_t bytes)
{
	void *chunk = kmalloc(roundup_pow_of_two(bytes), GFP_KERNEL);
	struct bio *bio;

	if (!chunk)
		return -BCH_ERR_ENOMEM_sb_bio;
	memcpy(chunk, buf, bytes);

	bio = bio_alloc(bdev, 1, REQ_OP_WRITE|REQ_SYNC|REQ_META|REQ_FUA, GFP_KERNEL);
	bio->bi_iter.bi_sector	= sector;
	bio->bi_end_io		= chunk_endio;
	bio->bi_private		= p;
	__bio_add_page(bio, virt_to_page(chunk), bytes, offset_in_page(chunk));

	atomic_inc(&p->batch->pending);
	submit_bio(bio);
	return 0;
}

static void blocks_submit(struct bch_write_part *p, struct block_device *bdev, u64 sector,
			  const u8 *buf, size_t bytes)
{
	while (bytes) {
		const size_t n = min_t(size_t, bytes, WRITE_CHUNK_BYTES);

		if (chunk_submit(p, bdev, sector, buf, n)) {
			atomic_inc(&p->failed);
			return;
		}
		buf	+= n;
		bytes	-= n;
		sector	+= n >> 9;
	}
}

/* --- whole blocks --- */

/* A range on a device, widened to whole blocks. */
struct blocks {
	u64	start;		/* sector */
	size_t	bytes;
	u8	*buf;		/* kvmalloc'd */
};

/*
 * The blocks of @block bytes that hold @bytes from @sector on, as they are to be
 * after the write. What is in front of the range is read; what is behind it is
 * read too, or zeroed.
 */
static int blocks_make(struct blocks *b, struct block_device *bdev, unsigned block, u64 sector,
		       const void *buf, size_t bytes, bool keep_tail)
{
	const u64 align = max(block, 512U) >> 9;
	const u64 end = sector + DIV_ROUND_UP(bytes, 512);
	int ret = 0;

	b->start = round_down(sector, align);
	b->bytes = (round_up(end, align) - b->start) << 9;
	b->buf = kvzalloc(b->bytes, GFP_KERNEL);
	if (!b->buf)
		return -BCH_ERR_ENOMEM_sb_bio;

	if (b->start < sector)
		ret = bch2_bdev_read(bdev, b->start, b->buf, (sector - b->start) << 9);
	if (!ret && keep_tail && round_up(end, align) > end)
		ret = bch2_bdev_read(bdev, end, b->buf + ((end - b->start) << 9),
				     (round_up(end, align) - end) << 9);
	if (ret) {
		kvfree(b->buf);
		return ret;
	}
	memcpy(b->buf + ((sector - b->start) << 9), buf, bytes);
	return 0;
}

static int blocks_write(struct block_device *bdev, const struct blocks *b)
{
	struct bch_write_batch batch;
	struct bch_write_part part = { .batch = &batch, .failed = ATOMIC_INIT(0) };

	bch2_write_batch_init(&batch);
	blocks_submit(&part, bdev, b->start, b->buf, b->bytes);
	bch2_write_batch_wait(&batch);
	return atomic_read(&part.failed) ? -BCH_ERR_EIO_write : 0;
}

/**
 * bch2_bdev_write() - write sectors to a device, durably
 * @bdev:	device, open for writing
 * @sector:	where (512 bytes)
 * @buf:	any memory
 * @bytes:	how many, a multiple of 512; neither end needs to be a block boundary
 *
 * Return: 0, -BCH_ERR_EIO_write, a read error of a block that is written in
 * part, or no memory.
 */
int bch2_bdev_write(struct block_device *bdev, u64 sector, const void *buf, size_t bytes)
{
	struct blocks b;
	int ret = blocks_make(&b, bdev, bdev_logical_block_size(bdev), sector, buf, bytes, true);

	if (ret)
		return ret;
	ret = blocks_write(bdev, &b);
	kvfree(b.buf);
	return ret;
}

/* --- superblocks --- */

static void copy_seal(struct bch_sb *sb, u64 sector)
{
	sb->offset = cpu_to_le64(sector);
	sb->csum = bch2_checksum(BCH_SB_CSUM_TYPE(sb), bch2_null_nonce(), NULL,
				 (const u8 *) sb + sizeof(sb->csum),
				 bch2_sb_bytes(sb) - sizeof(sb->csum));
}

/**
 * bch2_sb_copy_submit() - start writing one copy
 * @p:		part of the batch that this copy is; its failures are counted there
 * @bdev:	device
 * @sb:		superblock, valid; gets the offset and checksum of this copy
 * @sector:	where
 *
 * @sb may be changed as soon as this returns.
 */
void bch2_sb_copy_submit(struct bch_write_part *p, struct block_device *bdev, struct bch_sb *sb,
			 u64 sector)
{
	struct blocks b;

	copy_seal(sb, sector);
	if (blocks_make(&b, bdev, bdev_logical_block_size(bdev), sector, sb, bch2_sb_bytes(sb),
			false)) {
		atomic_inc(&p->failed);
		return;
	}
	blocks_submit(p, bdev, b.start, b.buf, b.bytes);
	kvfree(b.buf);
}

/* One copy in blocks of @block bytes; does the first of them hold the layout, too? */
static int device_copy_write(struct block_device *bdev, struct bch_sb *sb, u64 sector,
			     unsigned block, bool *layout_written)
{
	const u64 room = 512ULL << sb->layout.sb_max_size_bits;
	struct blocks b;
	int ret;

	/* never beyond the place that is reserved for the copy */
	if (round_up(bch2_sb_bytes(sb), (u64) block) > room)
		block = bdev_logical_block_size(bdev);

	copy_seal(sb, sector);
	ret = blocks_make(&b, bdev, block, sector, sb, bch2_sb_bytes(sb), false);
	if (ret)
		return ret;

	if (sector == BCH_SB_SECTOR && b.start <= BCH_SB_LAYOUT_SECTOR) {
		memcpy(b.buf + ((BCH_SB_LAYOUT_SECTOR - b.start) << 9), &sb->layout,
		       sizeof(sb->layout));
		*layout_written = true;
	}
	ret = blocks_write(bdev, &b);
	kvfree(b.buf);
	return ret;
}

/**
 * bch2_sb_write_device() - write all copies of one superblock to its device
 * @bdev:	device, open for writing
 * @sb:		superblock, valid; gets offset and checksum of each copy, and keeps
 *		those of the last
 * @block_bytes: physical block size of the device, a power of two
 *
 * For devices without a superblock that is worth keeping: contents, seq and
 * checksum type are written as they are, to every place of the superblock's own
 * layout, one after the other. If the first place is the usual one, the layout
 * sector in front of it is written too: in one request with the copy if they
 * share a block. Spec 10 section 2.2, spec 73 section 3.4.
 *
 * Return: 0; else the first error, after everything has been tried.
 */
int bch2_sb_write_device(struct block_device *bdev, struct bch_sb *sb, unsigned block_bytes)
{
	const struct bch_sb_layout *l = &sb->layout;
	bool layout_written = false;
	int ret = 0, err;

	block_bytes = max(block_bytes, bdev_logical_block_size(bdev));

	for (unsigned i = 0; i < l->nr_superblocks; i++) {
		err = device_copy_write(bdev, sb, le64_to_cpu(l->sb_offset[i]), block_bytes,
					&layout_written);
		ret = ret ?: err;
	}

	if (le64_to_cpu(l->sb_offset[0]) == BCH_SB_SECTOR && !layout_written) {
		err = bch2_bdev_write(bdev, BCH_SB_LAYOUT_SECTOR, l, sizeof(*l));
		ret = ret ?: err;
	}
	err = blkdev_issue_flush(bdev);
	return ret ?: err;
}
