// SPDX-License-Identifier: GPL-2.0
/*
 * A carrier of bios that remembers what a loss of power could do (include/shim/crashdev.h).
 *
 * It stands in front of the real carrier: every write goes to the real device, so that reads see
 * it, and into a log. The log keeps writes in the order they were submitted. A write leaves the
 * log for the image of what is durable when it was done before a flush was submitted that is done
 * itself, or, with FUA, when it is done. Writes to the same sectors keep their order; which of
 * those in the log survive is decided by shim_crash_capture(), sector by sector if it has to be.
 *
 * One lock covers everything: a captured moment is one moment on all devices.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bdev.h"

#include <linux/bio.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <shim/crashdev.h>

#include "crashdev.h"

struct crash_dev {
	struct list_head	list;
	struct shim_bdev	*d;
	const struct shim_bdev_ops *real;
	u8			*image;		/* what is durable */
	size_t			bytes;
	struct list_head	log;		/* struct crash_write, in order of submission */
};

/* A write that may be lost; also the wrapper of a bio in flight. */
struct crash_write {
	struct list_head	list;		/* crash_dev.log; empty: not a write */
	struct crash_dev	*dev;
	u8			*data;		/* NULL: zeroes */
	u64			offset;		/* bytes */
	size_t			bytes;
	u64			done_at;	/* clock when it was done; 0: in flight */
	u64			flush_from;	/* PREFLUSH: makes durable what was done by then */
	bool			in_log;
	bool			bio_done;
	u8			fate;		/* in the capture that runs: none, all, some */

	bio_end_io_t		*end_io;
	void			*private;
};

static pthread_mutex_t crash_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(crash_devs);
static bool recording;
static u64 crash_clock;			/* goes up at every submission and every end */
static u64 nr_writes;

/* --- the durable image --- */

static void apply_sectors(u8 *image, const struct crash_write *w, size_t from, size_t to)
{
	if (w->data)
		memcpy(image + w->offset + from, w->data + from, to - from);
	else
		memset(image + w->offset + from, 0, to - from);
}

static void write_free(struct crash_write *w)
{
	free(w->data);
	free(w);
}

/* Where @w and the newer @by share sectors, @w says from now on what @by says. */
static void supersede(struct crash_write *w, const struct crash_write *by)
{
	const u64 from = max(w->offset, by->offset);
	const u64 to = min(w->offset + w->bytes, by->offset + by->bytes);

	if (from >= to || (!w->data && !by->data))
		return;
	if (!w->data) {
		w->data = calloc(1, w->bytes);
		if (!w->data)
			abort();
	}
	if (by->data)
		memcpy(w->data + (from - w->offset), by->data + (from - by->offset), to - from);
	else
		memset(w->data + (from - w->offset), 0, to - from);
}

/* What it replaced must not come back: older writes that are still in the log give way. */
static void make_durable(struct crash_write *w)
{
	struct crash_write *i;

	apply_sectors(w->dev->image, w, 0, w->bytes);
	list_for_each_entry(i, &w->dev->log, list) {
		if (i == w)
			break;
		supersede(i, w);
	}
	list_del_init(&w->list);
	w->in_log = false;
}

/* Everything that was done by @when is durable. */
static void flushed(struct crash_dev *dev, u64 when)
{
	struct crash_write *w, *n;

	list_for_each_entry_safe(w, n, &dev->log, list) {
		if (!w->done_at || w->done_at > when)
			continue;
		make_durable(w);
		write_free(w);
	}
}

/* --- requests --- */

static void crash_end_io(struct bio *bio)
{
	struct crash_write *w = bio->bi_private;
	const bool ok = !bio->bi_status;
	const bool fua = bio->bi_opf & REQ_FUA;

	bio->bi_private = w->private;
	bio->bi_end_io = w->end_io;

	pthread_mutex_lock(&crash_lock);
	w->bio_done = true;
	if (ok && w->flush_from)
		flushed(w->dev, w->flush_from);
	if (!w->in_log) {
		write_free(w);
	} else {
		/* a write that failed may have reached some sectors */
		w->done_at = ++crash_clock;
		if (ok && fua) {
			make_durable(w);
			write_free(w);
		}
	}
	pthread_mutex_unlock(&crash_lock);

	if (bio->bi_end_io)
		bio->bi_end_io(bio);
}

static u8 *bio_data_copy(struct bio *bio)
{
	u8 *data = malloc(bio->bi_iter.bi_size), *p = data;
	struct bvec_iter iter;
	struct bio_vec bv;

	if (!data)
		abort();
	bio_for_each_segment(bv, bio, iter) {
		memcpy(p, page_address(bv.bv_page) + bv.bv_offset, bv.bv_len);
		p += bv.bv_len;
	}
	return data;
}

static struct crash_dev *dev_of(const struct shim_bdev *d)
{
	struct crash_dev *dev;

	list_for_each_entry(dev, &crash_devs, list)
		if (dev->d == d)
			return dev;
	abort();
}

static void crash_submit(struct shim_bdev *d, struct bio *bio)
{
	const enum req_op op = bio_op(bio);
	const bool flush = op == REQ_OP_FLUSH || (bio->bi_opf & REQ_PREFLUSH);
	const bool write = op_is_write(bio->bi_opf) && op != REQ_OP_FLUSH && bio->bi_iter.bi_size;
	const struct shim_bdev_ops *real;
	struct crash_write *w;

	pthread_mutex_lock(&crash_lock);
	real = dev_of(d)->real;
	if (write || flush) {
		w = calloc(1, sizeof(*w));
		if (!w)
			abort();
		w->dev		= dev_of(d);
		w->end_io	= bio->bi_end_io;
		w->private	= bio->bi_private;
		w->flush_from	= flush ? ++crash_clock : 0;
		INIT_LIST_HEAD(&w->list);
		if (write) {
			w->offset	= bio->bi_iter.bi_sector << SECTOR_SHIFT;
			w->bytes	= bio->bi_iter.bi_size;
			w->data		= op == REQ_OP_WRITE ? bio_data_copy(bio) : NULL;
			w->in_log	= true;
			list_add_tail(&w->list, &w->dev->log);
			nr_writes++;
		}
		bio->bi_private	= w;
		bio->bi_end_io	= crash_end_io;
	}
	pthread_mutex_unlock(&crash_lock);
	real->submit(d, bio);
}

static void crash_stop(struct shim_bdev *d)
{
	struct crash_write *w, *n;
	struct crash_dev *dev;

	pthread_mutex_lock(&crash_lock);
	dev = dev_of(d);
	pthread_mutex_unlock(&crash_lock);

	dev->real->stop(d);

	pthread_mutex_lock(&crash_lock);
	list_for_each_entry_safe(w, n, &dev->log, list)
		write_free(w);
	list_del(&dev->list);
	pthread_mutex_unlock(&crash_lock);
	munmap(dev->image, dev->bytes);
	free(dev);
}

static const struct shim_bdev_ops crash_ops = {
	.submit	= crash_submit,
	.stop	= crash_stop,
};

/* --- devices --- */

/* The image as it is now; holes of the file cost nothing. */
static int image_load(struct crash_dev *dev, int fd)
{
	off_t data = 0;

	while ((data = lseek(fd, data, SEEK_DATA)) >= 0 && (size_t) data < dev->bytes) {
		off_t end = lseek(fd, data, SEEK_HOLE);

		end = end < 0 ? (off_t) dev->bytes : min(end, (off_t) dev->bytes);
		while (data < end) {
			const ssize_t n = pread(fd, dev->image + data, end - data, data);

			if (n <= 0)
				return n ? -errno : -EIO;
			data += n;
		}
	}
	return 0;
}

/**
 * shim_crash_attach - record a device that has just been opened
 * @d:		device, its carrier started
 *
 * Return: 0, also if nothing is recorded now, or -errno.
 */
int shim_crash_attach(struct shim_bdev *d)
{
	struct crash_dev *dev;
	int fd, ret;

	if (!READ_ONCE(recording) || !d->writable)
		return 0;
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	dev->d = d;
	dev->bytes = d->bdev.bd_nr_sectors << SECTOR_SHIFT;
	INIT_LIST_HEAD(&dev->log);
	dev->image = mmap(NULL, dev->bytes, PROT_READ|PROT_WRITE,
			  MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);
	if (dev->image == MAP_FAILED) {
		free(dev);
		return -ENOMEM;
	}
	fd = open(d->path, O_RDONLY | O_CLOEXEC);
	ret = fd < 0 ? -errno : image_load(dev, fd);
	if (fd >= 0)
		close(fd);
	if (ret) {
		munmap(dev->image, dev->bytes);
		free(dev);
		return ret;
	}
	pthread_mutex_lock(&crash_lock);
	dev->real = d->ops;
	d->ops = &crash_ops;
	list_add_tail(&dev->list, &crash_devs);
	pthread_mutex_unlock(&crash_lock);
	return 0;
}

/**
 * shim_crash_record - record devices that are opened from now on
 * @on:		whether
 */
void shim_crash_record(bool on)
{
	WRITE_ONCE(recording, on);
}

/**
 * shim_crash_writes - how many writes have been submitted
 */
u64 shim_crash_writes(void)
{
	u64 ret;

	pthread_mutex_lock(&crash_lock);
	ret = nr_writes;
	pthread_mutex_unlock(&crash_lock);
	return ret;
}

/* --- losing power --- */

/* The next of a series of numbers that depends on the seed alone. */
static u64 next_random(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

enum { FATE_none, FATE_all, FATE_some };

/*
 * What becomes of each write. A write with PREFLUSH reaches the device when that is
 * through: if anything of it survives, so does what was done before it was submitted.
 */
static void choose_fates(const struct crash_dev *dev, enum shim_crash_mode mode, u64 *state)
{
	struct crash_write *w, *i;

	list_for_each_entry(w, &dev->log, list)
		w->fate = mode == SHIM_CRASH_random ? next_random(state) % 3
						    : mode == SHIM_CRASH_keep_all;
	list_for_each_entry(w, &dev->log, list) {
		if (!w->flush_from || w->fate == FATE_none)
			continue;
		list_for_each_entry(i, &dev->log, list)
			if (i->done_at && i->done_at <= w->flush_from)
				i->fate = FATE_all;
	}
}

static void apply_fate(u8 *image, const struct crash_write *w, u64 *state)
{
	if (w->fate == FATE_all) {
		apply_sectors(image, w, 0, w->bytes);
	} else if (w->fate == FATE_some) {
		for (size_t i = 0; i < w->bytes; i += SECTOR_SIZE)
			if (next_random(state) & 1)
				apply_sectors(image, w, i, i + SECTOR_SIZE);
	}
}

static bool all_zero(const u8 *p, size_t n)
{
	return !*p && !memcmp(p, p + 1, n - 1);
}

static int image_write(const u8 *image, size_t bytes, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, bytes))
		ret = -errno;
	for (size_t i = 0; !ret && i < bytes; i += PAGE_SIZE) {
		const size_t n = min((size_t) PAGE_SIZE, bytes - i);

		if (!all_zero(image + i, n) && pwrite(fd, image + i, n, i) != (ssize_t) n)
			ret = errno ? -errno : -EIO;
	}
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

static int capture_one(const struct crash_dev *dev, enum shim_crash_mode mode, u64 *state,
		       const char *path)
{
	const struct crash_write *w;
	u8 *image = mmap(NULL, dev->bytes, PROT_READ|PROT_WRITE,
			 MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);
	int ret;

	if (image == MAP_FAILED)
		return -ENOMEM;
	for (size_t i = 0; i < dev->bytes; i += PAGE_SIZE) {
		const size_t n = min((size_t) PAGE_SIZE, dev->bytes - i);

		if (!all_zero(dev->image + i, n))
			memcpy(image + i, dev->image + i, n);
	}
	choose_fates(dev, mode, state);
	list_for_each_entry(w, &dev->log, list)
		apply_fate(image, w, state);
	ret = image_write(image, dev->bytes, path);
	munmap(image, dev->bytes);
	return ret;
}

/**
 * shim_crash_capture - what could be found after a loss of power now
 * @mode:	fate of the writes that are not durable
 * @seed:	for SHIM_CRASH_random; the same seed and log give the same images
 * @paths:	files to write, by order of opening
 * @nr:		their number
 *
 * Return: 0, -ENODEV if another number of devices is recorded, or -errno.
 */
int shim_crash_capture(enum shim_crash_mode mode, u64 seed, const char *const *paths, unsigned nr)
{
	struct crash_dev *dev;
	unsigned i = 0;
	int ret = 0;

	pthread_mutex_lock(&crash_lock);
	list_for_each_entry(dev, &crash_devs, list)
		i++;
	if (i != nr)
		ret = -ENODEV;
	i = 0;
	list_for_each_entry(dev, &crash_devs, list)
		if (!ret)
			ret = capture_one(dev, mode, &seed, paths[i++]);
	pthread_mutex_unlock(&crash_lock);
	return ret;
}
