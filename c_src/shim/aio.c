// SPDX-License-Identifier: GPL-2.0
/*
 * Carries out bios on an open file: libaio for reads, writes and flushes with O_DIRECT, and a
 * helper thread for everything that libaio would do synchronously (page cache I/O, discards, the
 * rest of a short transfer).
 *
 * One engine per device: an io context with its completion thread, and the helper; both start with
 * the first request that needs them. Contexts are used again by later devices. Up to DEPTH requests
 * are with the kernel, further ones wait in order.
 *
 * Stages of a request: flush first if REQ_PREFLUSH (or REQ_OP_FLUSH), then the data; REQ_FUA makes
 * the data write durable (RWF_DSYNC). The next stage starts when the last is done.
 *
 * Invariant: under e->lock, nr_flying + waiting + helping requests are exactly those not yet done;
 * a request belongs to one thread at a time, handed over with release/acquire on its own word
 * (the kernel in between is invisible to sanitizers).
 */
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bdev.h"

#include <linux/bug.h>
#include <linux/printk.h>

#ifndef RWF_DSYNC
#define RWF_DSYNC	2
#endif

#define DEPTH		256
#define REAP		32
#define SPARE_CTX	4
#define INLINE_IOVS	4
#define MAX_IOVS	1024

struct request {
	struct iocb		iocb;		/* first: events point here */
	struct list_head	link;
	struct bio		*bio;
	struct shim_bdev	*d;
	u64			offset;		/* bytes */
	size_t			len;
	size_t			done;
	bool			flush;		/* the flush is yet to come */
	int			owner;		/* handover word */
	char			*bounce;
	struct iovec		*iov;
	int			nr_iov;
	struct iovec		inline_iov[INLINE_IOVS];
};

struct aio_engine {
	pthread_mutex_t		lock;
	pthread_cond_t		idle;		/* nothing in flight */
	pthread_cond_t		help;		/* for the helper */
	io_context_t		ctx;
	pthread_t		reaper;
	pthread_t		helper;
	bool			reaping;
	bool			helping;
	bool			stop;
	bool			no_aio;
	unsigned int		nr_requests;
	unsigned int		nr_flying;
	struct list_head	waiting;	/* for room in the io context */
	struct list_head	slow;		/* for the helper */
};

static void start_stage(struct request *r);

static void request_free(struct request *r)
{
	free(r->bounce);
	if (r->iov != r->inline_iov)
		free(r->iov);
	free(r);
}

static void request_done(struct request *r, blk_status_t status)
{
	struct aio_engine *e = r->d->engine;
	struct bio *bio = r->bio;

	if (!status && r->bounce && bio_op(bio) == REQ_OP_READ) {
		struct bvec_iter iter;
		struct bio_vec bv;
		char *from = r->bounce;

		bio_for_each_bvec(bv, bio, iter) {
			memcpy(bvec_virt(&bv), from, bv.bv_len);
			from += bv.bv_len;
		}
	}
	request_free(r);
	shim_bio_done(bio, status);

	pthread_mutex_lock(&e->lock);
	if (!--e->nr_requests)
		pthread_cond_broadcast(&e->idle);
	pthread_mutex_unlock(&e->lock);
}

/* Collects the memory of a bio, neighbouring pieces as one; false: too many pieces or no memory. */
static bool gather(struct request *r)
{
	struct bvec_iter iter;
	struct bio_vec bv;
	int room = INLINE_IOVS;

	r->iov = r->inline_iov;
	if (r->bio->bi_vcnt > INLINE_IOVS) {
		room = min_t(int, r->bio->bi_vcnt, MAX_IOVS);
		r->iov = malloc(room * sizeof(*r->iov));
		if (!r->iov) {
			r->iov = r->inline_iov;
			return false;
		}
	}
	bio_for_each_bvec(bv, r->bio, iter) {
		struct iovec *last = r->nr_iov ? &r->iov[r->nr_iov - 1] : NULL;

		if (last && (char *) last->iov_base + last->iov_len == bvec_virt(&bv)) {
			last->iov_len += bv.bv_len;
			continue;
		}
		if (r->nr_iov == room)
			return false;
		r->iov[r->nr_iov++] = (struct iovec) { bvec_virt(&bv), bv.bv_len };
	}
	return true;
}

static bool is_aligned(const struct request *r)
{
	unsigned long mask = r->d->mem_align - 1, low = 0;
	int i;

	for (i = 0; i < r->nr_iov; i++)
		low |= ((unsigned long) r->iov[i].iov_base & mask) |
			(r->iov[i].iov_len & (r->d->offset_align - 1));
	return !low;
}

/* Puts one aligned buffer between the device and the bio's memory. */
static bool use_bounce(struct request *r)
{
	struct bvec_iter iter;
	struct bio_vec bv;
	char *to;

	if (posix_memalign((void **) &r->bounce, PAGE_SIZE, r->len)) {
		r->bounce = NULL;
		return false;
	}
	to = r->bounce;
	if (op_is_write(r->bio->bi_opf))
		bio_for_each_bvec(bv, r->bio, iter) {
			memcpy(to, bvec_virt(&bv), bv.bv_len);
			to += bv.bv_len;
		}
	if (r->iov != r->inline_iov)
		free(r->iov);
	r->iov = r->inline_iov;
	r->iov[0] = (struct iovec) { r->bounce, r->len };
	r->nr_iov = 1;
	return true;
}

static void to_helper(struct request *r);

/* Is the next stage of the request something libaio does without blocking the caller? */
static bool is_async(const struct request *r)
{
	enum req_op op = bio_op(r->bio);

	if (r->d->engine->no_aio)
		return false;
	if (r->flush)
		return true;
	return r->d->direct && !r->done && (op == REQ_OP_READ || op == REQ_OP_WRITE) &&
		!((r->offset | r->len) & (r->d->offset_align - 1));
}

static void fly(struct request *r)
{
	struct aio_engine *e = r->d->engine;
	struct iocb *iocb = &r->iocb;
	int fd = r->d->fd, ret;

	memset(iocb, 0, sizeof(*iocb));
	if (r->flush) {
		io_prep_fdsync(iocb, fd);
	} else if (op_is_write(r->bio->bi_opf)) {
		io_prep_pwritev(iocb, fd, r->iov, r->nr_iov, r->offset);
		if (r->bio->bi_opf & REQ_FUA)
			iocb->aio_rw_flags = RWF_DSYNC;
	} else {
		io_prep_preadv(iocb, fd, r->iov, r->nr_iov, r->offset);
	}
	__atomic_store_n(&r->owner, 1, __ATOMIC_RELEASE);
	do
		ret = io_submit(e->ctx, 1, &iocb);
	while (ret == -EINTR);
	if (ret != 1) {
		pthread_mutex_lock(&e->lock);
		e->nr_flying--;
		pthread_mutex_unlock(&e->lock);
		to_helper(r);
	}
}

static void stage_done(struct request *r, long res)
{
	if (r->flush) {
		if (res < 0) {
			request_done(r, errno_to_blk_status(res));
			return;
		}
		r->flush = false;
		if (r->len)
			start_stage(r);
		else
			request_done(r, BLK_STS_OK);
		return;
	}
	if (res == -EINVAL && !r->bounce && !r->done) {
		/* The device wants more alignment than it says. */
		if (use_bounce(r))
			start_stage(r);
		else
			request_done(r, BLK_STS_RESOURCE);
		return;
	}
	if (res < 0) {
		request_done(r, errno_to_blk_status(res));
		return;
	}
	r->done = res;
	if (r->done < r->len)
		to_helper(r);
	else
		request_done(r, BLK_STS_OK);
}

/* Sends waiting requests off as far as there is room. */
static void fly_waiting(struct aio_engine *e)
{
	struct request *r;

	for (;;) {
		pthread_mutex_lock(&e->lock);
		r = e->nr_flying < DEPTH
			? list_first_entry_or_null(&e->waiting, struct request, link) : NULL;
		if (r) {
			list_del_init(&r->link);
			e->nr_flying++;
		}
		pthread_mutex_unlock(&e->lock);
		if (!r)
			return;
		fly(r);
	}
}

static void *reaper_main(void *arg)
{
	struct aio_engine *e = arg;
	struct io_event events[REAP];
	bool stop = false;
	int i, n;

	while (!stop) {
		n = io_getevents(e->ctx, 1, REAP, events, NULL);
		if (n < 0) {
			BUG_ON(n != -EINTR);
			continue;
		}
		pthread_mutex_lock(&e->lock);
		e->nr_flying -= n;
		pthread_mutex_unlock(&e->lock);
		for (i = 0; i < n; i++) {
			struct request *r = (struct request *) events[i].obj;

			/* The engine's last, empty read: no request. */
			if (!events[i].data && __atomic_load_n(&r->owner, __ATOMIC_ACQUIRE) == 2)
				stop = true;
			else if (__atomic_load_n(&r->owner, __ATOMIC_ACQUIRE))
				stage_done(r, (long) events[i].res);
		}
		fly_waiting(e);
	}
	return NULL;
}

static int sync_fd(struct shim_bdev *d, const struct request *r)
{
	bool odd = (r->offset + r->done) & (d->offset_align - 1) ||
		(r->len - r->done) & (d->offset_align - 1);

	if (!d->direct || (!odd && r->bounce))
		return d->fd;
	if (d->buffered_fd < 0)
		d->buffered_fd = open(d->path, (d->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	return d->buffered_fd;
}

/* Reads or writes what is left, on the helper; any position and length. */
static blk_status_t transfer(struct request *r)
{
	int fd = sync_fd(r->d, r), flags = 0;
	bool write = op_is_write(r->bio->bi_opf);
	struct iovec *iov = r->iov;
	size_t skip = r->done;
	ssize_t n;

	if (fd < 0)
		return errno_to_blk_status(-errno);
	if (write && (r->bio->bi_opf & REQ_FUA))
		flags = RWF_DSYNC;
	while (r->done < r->len) {
		while (skip >= iov->iov_len) {
			skip -= iov->iov_len;
			iov++;
		}
		if (write)
			n = pwritev2(fd, &(struct iovec) { (char *) iov->iov_base + skip,
				     iov->iov_len - skip }, 1, r->offset + r->done, flags);
		else
			n = pread(fd, (char *) iov->iov_base + skip, iov->iov_len - skip,
				  r->offset + r->done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? errno_to_blk_status(-errno) : BLK_STS_IOERR;
		r->done += n;
		skip += n;
	}
	return BLK_STS_OK;
}

static blk_status_t punch(struct request *r)
{
	struct shim_bdev *d = r->d;
	u64 range[2] = { r->offset, r->len };
	bool zero = bio_op(r->bio) == REQ_OP_WRITE_ZEROES;
	bool secure = bio_op(r->bio) == REQ_OP_SECURE_ERASE;
	int ret;

	if (d->is_block)
		ret = ioctl(d->fd, zero ? BLKZEROOUT : secure ? BLKSECDISCARD : BLKDISCARD, range);
	else
		ret = fallocate(d->fd, FALLOC_FL_KEEP_SIZE |
				(zero ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE),
				r->offset, r->len);
	if (ret && !d->is_block && zero && errno == EOPNOTSUPP)
		ret = fallocate(d->fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, r->offset,
				r->len);
	return ret ? errno_to_blk_status(-errno) : BLK_STS_OK;
}

static blk_status_t run_slowly(struct request *r)
{
	if (r->flush) {
		if (fdatasync(r->d->fd))
			return errno_to_blk_status(-errno);
		r->flush = false;
	}
	if (!r->len)
		return BLK_STS_OK;
	switch (bio_op(r->bio)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		return transfer(r);
	default:
		return punch(r);
	}
}

static void *helper_main(void *arg)
{
	struct aio_engine *e = arg;
	struct request *r;

	pthread_mutex_lock(&e->lock);
	for (;;) {
		r = list_first_entry_or_null(&e->slow, struct request, link);
		if (!r) {
			if (e->stop)
				break;
			pthread_cond_wait(&e->help, &e->lock);
			continue;
		}
		list_del_init(&r->link);
		pthread_mutex_unlock(&e->lock);
		request_done(r, run_slowly(r));
		pthread_mutex_lock(&e->lock);
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

static void to_helper(struct request *r)
{
	struct aio_engine *e = r->d->engine;
	bool ok;

	pthread_mutex_lock(&e->lock);
	if (!e->helping)
		e->helping = !shim_thread_start(&e->helper, helper_main, e, "shim-io-slow");
	ok = e->helping;
	if (ok) {
		list_add_tail(&r->link, &e->slow);
		pthread_cond_signal(&e->help);
	}
	pthread_mutex_unlock(&e->lock);
	if (!ok)
		request_done(r, BLK_STS_RESOURCE);
}

/*
 * Io contexts without requests, for the next device: ending one takes the
 * kernel tens of milliseconds, and a command opens its devices several times.
 */
static struct {
	pthread_mutex_t		lock;
	io_context_t		ctx[SPARE_CTX];
	unsigned int		nr;
} spare = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int ctx_get(io_context_t *ctx)
{
	bool got = false;

	pthread_mutex_lock(&spare.lock);
	if (spare.nr) {
		*ctx = spare.ctx[--spare.nr];
		got = true;
	}
	pthread_mutex_unlock(&spare.lock);
	return got ? 0 : io_setup(DEPTH, ctx);
}

static void ctx_put(io_context_t ctx)
{
	pthread_mutex_lock(&spare.lock);
	if (spare.nr < SPARE_CTX) {
		spare.ctx[spare.nr++] = ctx;
		ctx = NULL;
	}
	pthread_mutex_unlock(&spare.lock);
	if (ctx)
		io_destroy(ctx);
}

/**
 * shim_aio_exit - end the spare io contexts
 *
 * All devices are closed.
 */
void shim_aio_exit(void)
{
	while (spare.nr)
		io_destroy(spare.ctx[--spare.nr]);
}

/* Called with the lock held: the io context and its thread, or else everything goes slowly. */
static void start_reaper(struct aio_engine *e)
{
	if (ctx_get(&e->ctx)) {
		e->no_aio = true;
		return;
	}
	if (shim_thread_start(&e->reaper, reaper_main, e, "shim-io")) {
		ctx_put(e->ctx);
		e->no_aio = true;
		return;
	}
	e->reaping = true;
}

static void start_stage(struct request *r)
{
	struct aio_engine *e = r->d->engine;
	bool async, go = false;

	pthread_mutex_lock(&e->lock);
	if (!e->reaping && !e->no_aio && is_async(r))
		start_reaper(e);
	async = is_async(r);
	if (async && e->nr_flying < DEPTH && list_empty(&e->waiting)) {
		e->nr_flying++;
		go = true;
	} else if (async) {
		list_add_tail(&r->link, &e->waiting);
	}
	pthread_mutex_unlock(&e->lock);
	if (go)
		fly(r);
	else if (!async)
		to_helper(r);
}

static void aio_submit(struct shim_bdev *d, struct bio *bio)
{
	struct aio_engine *e = d->engine;
	struct request *r = calloc(1, sizeof(*r));
	bool ok = r;

	if (r) {
		INIT_LIST_HEAD(&r->link);
		r->d = d;
		r->bio = bio;
		r->iov = r->inline_iov;
		r->offset = bio->bi_iter.bi_sector << SECTOR_SHIFT;
		r->len = bio->bi_iter.bi_size;
		r->flush = bio_op(bio) == REQ_OP_FLUSH || (bio->bi_opf & REQ_PREFLUSH);
		if (bio_has_data(bio))
			ok = (gather(r) && (!d->direct || is_aligned(r))) || use_bounce(r);
	}
	if (!ok) {
		if (r)
			request_free(r);
		shim_bio_done(bio, BLK_STS_RESOURCE);
		return;
	}
	pthread_mutex_lock(&e->lock);
	e->nr_requests++;
	pthread_mutex_unlock(&e->lock);
	start_stage(r);
}

/* Wakes the reaper with an empty read that is no request. */
static void stop_reaper(struct shim_bdev *d)
{
	struct aio_engine *e = d->engine;
	struct request last = { .d = d };
	struct iocb *iocb = &last.iocb;

	io_prep_pread(iocb, d->fd, NULL, 0, 0);
	__atomic_store_n(&last.owner, 2, __ATOMIC_RELEASE);
	pthread_mutex_lock(&e->lock);
	e->nr_flying++;
	pthread_mutex_unlock(&e->lock);
	BUG_ON(io_submit(e->ctx, 1, &iocb) != 1);
	pthread_join(e->reaper, NULL);
	ctx_put(e->ctx);
}

static void aio_stop(struct shim_bdev *d)
{
	struct aio_engine *e = d->engine;

	pthread_mutex_lock(&e->lock);
	while (e->nr_requests)
		pthread_cond_wait(&e->idle, &e->lock);
	e->stop = true;
	pthread_cond_broadcast(&e->help);
	pthread_mutex_unlock(&e->lock);
	if (e->helping)
		pthread_join(e->helper, NULL);
	if (e->reaping)
		stop_reaper(d);
	pthread_cond_destroy(&e->idle);
	pthread_cond_destroy(&e->help);
	pthread_mutex_destroy(&e->lock);
	free(e);
	d->engine = NULL;
}

static const struct shim_bdev_ops aio_ops = {
	.submit	= aio_submit,
	.stop	= aio_stop,
};

/**
 * shim_aio_start - let this engine carry out a device's bios
 * @d:		device, its file open
 *
 * Return: 0 or -ENOMEM.
 */
int shim_aio_start(struct shim_bdev *d)
{
	struct aio_engine *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->idle, NULL);
	pthread_cond_init(&e->help, NULL);
	INIT_LIST_HEAD(&e->waiting);
	INIT_LIST_HEAD(&e->slow);
	d->engine = e;
	d->ops = &aio_ops;
	return 0;
}
