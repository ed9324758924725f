// SPDX-License-Identifier: GPL-2.0
/*
 * Reading a range of sectors of one device into memory.
 *
 * A range is cut into bios of at most BIO_MAX_VECS pages, which are all in
 * flight at once; the last one to complete calls back. Nothing outside the
 * device's buckets is ever read. Used by data/read.c, data/reader.c, data/ec.c.
 */
#include "bcachefs.h"
#include "data/read_io.h"
#include "sb/members.h"

#include <linux/bio.h>
#include <linux/completion.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

/* One page of the bios is lost when the buffer does not begin at a page. */
#define READ_IO_BIO_BYTES	((BIO_MAX_VECS - 1) * PAGE_SIZE)

static void read_io_put(struct bch_read_io *io)
{
	if (!atomic_dec_and_test(&io->pending))
		return;

	if (!atomic_read(&io->error)) {
		atomic64_add(ktime_get_ns() - io->start_ns, &io->ca->read_ns);
		atomic64_inc(&io->ca->read_nr);
	}
	io->done(io);
}

static void read_io_endio(struct bio *bio)
{
	struct bch_read_io *io = bio->bi_private;

	if (bio->bi_status)
		atomic_cmpxchg(&io->error, 0, blk_status_to_errno(bio->bi_status));
	bio_put(bio);
	read_io_put(io);
}

static struct page *buf_page(const void *p)
{
	return is_vmalloc_addr(p) ? vmalloc_to_page(p) : virt_to_page(p);
}

/* One bio for @bytes of @buf, which are at most READ_IO_BIO_BYTES. */
static void read_io_bio(struct bch_read_io *io, u64 sector, void *buf, size_t bytes)
{
	unsigned int nr = DIV_ROUND_UP(offset_in_page(buf) + bytes, PAGE_SIZE);
	struct bio *bio = bio_alloc(io->ca->disk_sb.bdev, nr, REQ_OP_READ, GFP_KERNEL);

	if (!bio) {
		atomic_cmpxchg(&io->error, 0, -BCH_ERR_ENOMEM_data_read);
		return;
	}

	bio->bi_iter.bi_sector	= sector;
	bio->bi_end_io		= read_io_endio;
	bio->bi_private		= io;

	while (bytes) {
		unsigned int offset = offset_in_page(buf);
		unsigned int len = min_t(size_t, bytes, PAGE_SIZE - offset);

		if (bio_add_page(bio, buf_page(buf), len, offset) != len) {
			atomic_cmpxchg(&io->error, 0, -EIO);
			bio_put(bio);
			return;
		}
		buf	+= len;
		bytes	-= len;
	}

	atomic_inc(&io->pending);
	submit_bio(bio);
}

/* Is [sector, sector + sectors) inside the buckets of an online device? */
static int read_io_check(const struct bch_dev *ca, u64 sector, u32 sectors)
{
	u64 end = ca->mi.nbuckets * ca->mi.bucket_size;

	if (!bch2_dev_is_online(ca))
		return -BCH_ERR_data_read_no_device;
	if (sector > end || sectors > end - sector)
		return -BCH_ERR_data_read_ptr_bad;
	return 0;
}

/**
 * bch2_read_io_submit() - start reading a range of a device
 * @io:		caller's memory, lives until @done was called
 * @ca:		device
 * @sector:	first sector on the device
 * @buf:	@sectors * 512 bytes; kmalloc, vmalloc or kvmalloc memory
 * @sectors:	length
 * @done:	called exactly once, possibly before this returns and from interrupt
 *		context; bch2_read_io_result() then has the outcome
 */
void bch2_read_io_submit(struct bch_read_io *io, struct bch_dev *ca, u64 sector,
			 void *buf, u32 sectors, void (*done)(struct bch_read_io *io))
{
	size_t left = (size_t) sectors << 9;

	io->ca		= ca;
	io->done	= done;
	io->start_ns	= ktime_get_ns();
	atomic_set(&io->pending, 1);
	atomic_set(&io->error, read_io_check(ca, sector, sectors));

	while (left && !atomic_read(&io->error)) {
		size_t bytes = min_t(size_t, left, READ_IO_BIO_BYTES);

		read_io_bio(io, sector, buf, bytes);
		sector	+= bytes >> 9;
		buf	+= bytes;
		left	-= bytes;
	}

	read_io_put(io);
}

/**
 * bch2_read_io_result() - outcome of a completed read
 * @io:		its done function has been called
 *
 * Counts errors of the device (spec 54 §2 step 10).
 *
 * Return: 0; -BCH_ERR_ENOMEM_data_read; -BCH_ERR_data_read_no_device; -BCH_ERR_data_read_ptr_bad;
 * -BCH_ERR_data_read_io_err for an error of the device.
 */
int bch2_read_io_result(struct bch_read_io *io)
{
	int ret = atomic_read(&io->error);

	switch (ret) {
	case 0:
	case -BCH_ERR_ENOMEM_data_read:
	case -BCH_ERR_data_read_no_device:
	case -BCH_ERR_data_read_ptr_bad:
		return ret;
	default:
		bch2_dev_io_error(io->ca, BCH_MEMBER_ERROR_read);
		return -BCH_ERR_data_read_io_err;
	}
}

struct read_io_wait {
	struct bch_read_io	io;
	struct completion	done;
};

static void read_io_wake(struct bch_read_io *io)
{
	complete(&container_of(io, struct read_io_wait, io)->done);
}

/**
 * bch2_read_io_sync() - read a range of a device and wait for it
 * @ca:		device
 * @sector:	first sector on the device
 * @buf:	@sectors * 512 bytes
 * @sectors:	length
 *
 * Return: as bch2_read_io_result().
 */
int bch2_read_io_sync(struct bch_dev *ca, u64 sector, void *buf, u32 sectors)
{
	struct read_io_wait w;

	init_completion(&w.done);
	bch2_read_io_submit(&w.io, ca, sector, buf, sectors, read_io_wake);
	wait_for_completion(&w.done);
	return bch2_read_io_result(&w.io);
}
