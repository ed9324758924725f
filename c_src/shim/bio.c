// SPDX-License-Identifier: GPL-2.0
/*
 * Bios: building, chaining, submitting, ending. What carries them out is the device's business
 * (bdev.h).
 *
 * Invariant: a submitted bio is ended exactly once, after which the submitter owns it again; its
 * bi_iter has then moved to the end. A bio that cannot be right (past the end of the device, a
 * write to a device opened for reading) is ended with an error without reaching the device.
 */
#include "bdev.h"

#include <linux/bug.h>
#include <linux/completion.h>
#include <linux/printk.h>
#include <linux/slab.h>

#define BIO_FLAG_OWN_VECS	0	/* bi_io_vec is an allocation of its own */

#define POOL_VECS		4

/**
 * bioset_init - a source of bios that does not run dry
 * @bs:		where
 * @pool_size:	bios in reserve
 * @front_pad:	bytes in front of each bio for its owner
 * @flags:	BIOSET_*
 *
 * Return: 0 or -ENOMEM.
 */
int bioset_init(struct bio_set *bs, unsigned int pool_size, unsigned int front_pad, int flags)
{
	size_t size = front_pad + sizeof(struct bio) + POOL_VECS * sizeof(struct bio_vec);
	int ret;

	memset(bs, 0, sizeof(*bs));
	bs->front_pad = front_pad;
	bs->flags = flags;
	bs->shim_pool_size = pool_size;
	ret = mempool_init_kmalloc_pool(&bs->bio_pool, pool_size, size);
	bs->shim_ready = !ret;
	return ret;
}

/**
 * bioset_exit - end of a bioset; fine for one of zeroes
 * @bs:		bioset, all its bios freed
 */
void bioset_exit(struct bio_set *bs)
{
	if (bs->shim_ready)
		mempool_exit(&bs->bio_pool);
	bs->shim_ready = 0;
}

/**
 * bioset_initialized - was bioset_init() successful?
 * @bs:		bioset
 */
bool bioset_initialized(struct bio_set *bs)
{
	return bs->shim_ready;
}

/**
 * bio_init - set up a bio in the caller's memory
 * @bio:	bio
 * @bdev:	device, may be NULL until it is submitted
 * @table:	room for pieces
 * @max_vecs:	how many
 * @opf:	operation and flags
 */
void bio_init(struct bio *bio, struct block_device *bdev, struct bio_vec *table,
	      unsigned short max_vecs, blk_opf_t opf)
{
	memset(bio, 0, sizeof(*bio));
	bio->bi_bdev = bdev;
	bio->bi_opf = opf;
	bio->bi_io_vec = table;
	bio->bi_max_vecs = max_vecs;
	bio->__bi_remaining = 1;
	bio->__bi_cnt = 1;
}

/**
 * bio_uninit - counterpart of bio_init(); nothing is held
 * @bio:	bio
 */
void bio_uninit(struct bio *bio)
{
}

/**
 * bio_reset - back to the state after bio_init(), room for pieces kept
 * @bio:	bio
 * @bdev:	device
 * @opf:	operation and flags
 */
void bio_reset(struct bio *bio, struct block_device *bdev, blk_opf_t opf)
{
	unsigned short keep = bio->bi_flags & (1U << BIO_FLAG_OWN_VECS);
	unsigned short max_vecs = bio->bi_max_vecs;
	struct bio_vec *table = bio->bi_io_vec;
	struct bio_set *pool = bio->bi_pool;
	int cnt = bio->__bi_cnt;

	bio_init(bio, bdev, table, max_vecs, opf);
	bio->bi_flags = keep;
	bio->bi_pool = pool;
	bio->__bi_cnt = cnt;
}

static struct bio *bio_from_heap(struct block_device *bdev, unsigned short nr_vecs, blk_opf_t opf,
				 gfp_t gfp)
{
	struct bio *bio = kmalloc(struct_size(bio, bi_inline_vecs, nr_vecs), gfp);

	if (bio)
		bio_init(bio, bdev, bio->bi_inline_vecs, nr_vecs, opf);
	return bio;
}

/**
 * bio_alloc_bioset - a bio
 * @bdev:	device
 * @nr_vecs:	room for so many pieces
 * @opf:	operation and flags
 * @gfp:	with __GFP_DIRECT_RECLAIM it always succeeds
 * @bs:		bioset, or NULL
 */
struct bio *bio_alloc_bioset(struct block_device *bdev, unsigned short nr_vecs, blk_opf_t opf,
			     gfp_t gfp, struct bio_set *bs)
{
	struct bio_vec *own = NULL;
	struct bio *bio;
	char *p;

	if (gfp & __GFP_DIRECT_RECLAIM)
		gfp |= __GFP_NOFAIL;
	if (!bs)
		return bio_from_heap(bdev, nr_vecs, opf, gfp);

	p = mempool_alloc(&bs->bio_pool, gfp & ~__GFP_NOFAIL);
	if (!p)
		return NULL;
	if (nr_vecs > POOL_VECS) {
		own = kmalloc_array(nr_vecs, sizeof(*own), gfp);
		if (!own) {
			mempool_free(p, &bs->bio_pool);
			return NULL;
		}
	}
	bio = (struct bio *) (p + bs->front_pad);
	bio_init(bio, bdev, own ? own : bio->bi_inline_vecs, own ? nr_vecs : POOL_VECS, opf);
	bio->bi_pool = bs;
	if (own)
		bio_set_flag(bio, BIO_FLAG_OWN_VECS);
	return bio;
}

/**
 * bio_alloc - a bio from no particular bioset
 * @bdev:	device
 * @nr_vecs:	room for so many pieces
 * @opf:	operation and flags
 * @gfp:	with __GFP_DIRECT_RECLAIM it always succeeds
 */
struct bio *bio_alloc(struct block_device *bdev, unsigned short nr_vecs, blk_opf_t opf, gfp_t gfp)
{
	return bio_alloc_bioset(bdev, nr_vecs, opf, gfp, NULL);
}

/**
 * bio_kmalloc - memory for a bio and its pieces; the caller does bio_init() and kfree()
 * @nr_vecs:	room for so many pieces
 * @gfp:	allocation flags
 */
struct bio *bio_kmalloc(unsigned short nr_vecs, gfp_t gfp)
{
	struct bio *bio;

	return kmalloc(struct_size(bio, bi_inline_vecs, nr_vecs), gfp);
}

/**
 * bio_get - one more reference
 * @bio:	bio
 */
void bio_get(struct bio *bio)
{
	__atomic_fetch_add(&bio->__bi_cnt, 1, __ATOMIC_RELAXED);
}

/**
 * bio_put - one reference less
 * @bio:	bio
 */
void bio_put(struct bio *bio)
{
	if (__atomic_sub_fetch(&bio->__bi_cnt, 1, __ATOMIC_ACQ_REL))
		return;
	if (bio_flagged(bio, BIO_FLAG_OWN_VECS))
		kfree(bio->bi_io_vec);
	if (bio->bi_pool)
		mempool_free((char *) bio - bio->bi_pool->front_pad, &bio->bi_pool->bio_pool);
	else
		kfree(bio);
}

/**
 * bio_set_dev - choose another device
 * @bio:	bio
 * @bdev:	device
 */
void bio_set_dev(struct bio *bio, struct block_device *bdev)
{
	bio->bi_bdev = bdev;
}

/**
 * __bio_add_page - append a piece of memory; there must be room
 * @bio:	bio
 * @page:	its first page
 * @len:	bytes, may cross pages
 * @off:	offset in the page
 */
void __bio_add_page(struct bio *bio, struct page *page, unsigned int len, unsigned int off)
{
	BUG_ON(bio->bi_vcnt >= bio->bi_max_vecs);
	bvec_set_page(&bio->bi_io_vec[bio->bi_vcnt++], page, len, off);
	bio->bi_iter.bi_size += len;
}

/**
 * bio_add_page - append a piece of memory, to the last piece if it continues it
 * @bio:	bio
 * @page:	its first page
 * @len:	bytes, may cross pages
 * @off:	offset in the page
 *
 * Return: @len, or 0 if there is no room.
 */
int bio_add_page(struct bio *bio, struct page *page, unsigned int len, unsigned int off)
{
	if (bio->bi_iter.bi_size > UINT_MAX - len)
		return 0;
	if (bio->bi_vcnt) {
		struct bio_vec *last = &bio->bi_io_vec[bio->bi_vcnt - 1];

		if ((char *) bvec_virt(last) + last->bv_len == (char *) page_address(page) + off) {
			last->bv_len += len;
			bio->bi_iter.bi_size += len;
			return len;
		}
	}
	if (bio->bi_vcnt >= bio->bi_max_vecs)
		return 0;
	__bio_add_page(bio, page, len, off);
	return len;
}

/**
 * bio_advance - count bytes at the start as done
 * @bio:	bio
 * @nbytes:	how many
 */
void bio_advance(struct bio *bio, unsigned int nbytes)
{
	bio_advance_iter(bio, &bio->bi_iter, nbytes);
}

/**
 * shim_bvec_all_next - next page of a bio from its very first piece on
 * @bio:	bio
 * @it:		position
 */
bool shim_bvec_all_next(const struct bio *bio, struct bvec_iter_all *it)
{
	struct bvec_iter at;

	while (it->idx < bio->bi_vcnt && it->done >= bio->bi_io_vec[it->idx].bv_len) {
		it->idx++;
		it->done = 0;
	}
	if (it->idx >= bio->bi_vcnt)
		return false;
	at = (struct bvec_iter) {
		.bi_idx		= it->idx,
		.bi_bvec_done	= it->done,
		.bi_size	= UINT_MAX,
	};
	it->bv = shim_bvec_page_at(bio->bi_io_vec, at);
	it->done += it->bv.bv_len;
	return true;
}

/**
 * zero_fill_bio - clear the memory a bio still covers
 * @bio:	bio
 */
void zero_fill_bio(struct bio *bio)
{
	struct bvec_iter iter;
	struct bio_vec bv;

	bio_for_each_bvec(bv, bio, iter)
		memset(bvec_virt(&bv), 0, bv.bv_len);
}

/**
 * bio_copy_data_iter - copy memory between bios, moving both positions
 * @dst:	destination
 * @dst_iter:	position
 * @src:	source
 * @src_iter:	position
 */
void bio_copy_data_iter(struct bio *dst, struct bvec_iter *dst_iter, struct bio *src,
			struct bvec_iter *src_iter)
{
	while (dst_iter->bi_size && src_iter->bi_size) {
		struct bio_vec d = shim_bvec_at(dst->bi_io_vec, *dst_iter);
		struct bio_vec s = shim_bvec_at(src->bi_io_vec, *src_iter);
		unsigned int n = min(d.bv_len, s.bv_len);

		memcpy(bvec_virt(&d), bvec_virt(&s), n);
		bio_advance_iter(dst, dst_iter, n);
		bio_advance_iter(src, src_iter, n);
	}
}

/**
 * bio_copy_data - copy the memory of one bio to another, up to the shorter
 * @dst:	destination
 * @src:	source
 */
void bio_copy_data(struct bio *dst, struct bio *src)
{
	struct bvec_iter d = dst->bi_iter, s = src->bi_iter;

	bio_copy_data_iter(dst, &d, src, &s);
}

/* end_io of a chained bio, known by its address; bio_endio() does the work. */
static void chained_end_io(struct bio *bio)
{
	BUG();
}

/**
 * bio_chain - let a bio's end count into its parent's
 * @bio:	bio, freed when it ends
 * @parent:	ends after it, with its error if it has none of its own
 */
void bio_chain(struct bio *bio, struct bio *parent)
{
	bio->bi_private = parent;
	bio->bi_end_io = chained_end_io;
	__atomic_fetch_add(&parent->__bi_remaining, 1, __ATOMIC_RELAXED);
}

/**
 * bio_endio - a bio is done; its bi_status says how it went
 * @bio:	bio
 */
void bio_endio(struct bio *bio)
{
	while (bio) {
		blk_status_t ok = BLK_STS_OK;
		struct bio *parent;

		if (__atomic_sub_fetch(&bio->__bi_remaining, 1, __ATOMIC_ACQ_REL))
			return;
		bio->__bi_remaining = 1;
		if (bio->bi_end_io != chained_end_io) {
			if (bio->bi_end_io)
				bio->bi_end_io(bio);
			return;
		}
		parent = bio->bi_private;
		if (bio->bi_status)
			__atomic_compare_exchange_n(&parent->bi_status, &ok, bio->bi_status, false,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
		bio_put(bio);
		bio = parent;
	}
}

/**
 * shim_bio_done - the device is done with a bio
 * @bio:	bio
 * @status:	how it went
 */
void shim_bio_done(struct bio *bio, blk_status_t status)
{
	blk_status_t ok = BLK_STS_OK;

	if (status)
		__atomic_compare_exchange_n(&bio->bi_status, &ok, status, false,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	bio_advance(bio, bio->bi_iter.bi_size);
	bio_endio(bio);
}

static blk_status_t check_bio(const struct bio *bio, const struct shim_bdev *d)
{
	u64 start = bio->bi_iter.bi_sector, size = bio->bi_iter.bi_size;
	u64 end = d->bdev.bd_nr_sectors;

	switch (bio_op(bio)) {
	case REQ_OP_FLUSH:
		return size ? BLK_STS_IOERR : BLK_STS_OK;
	case REQ_OP_READ:
		break;
	case REQ_OP_WRITE:
		if (!size && (bio->bi_opf & REQ_PREFLUSH))
			return BLK_STS_OK;
		fallthrough;
	case REQ_OP_DISCARD:
	case REQ_OP_SECURE_ERASE:
	case REQ_OP_WRITE_ZEROES:
		if (!d->writable)
			return BLK_STS_IOERR;
		break;
	default:
		return BLK_STS_NOTSUPP;
	}
	if (!size || size % SECTOR_SIZE)
		return BLK_STS_IOERR;
	return start > end || size / SECTOR_SIZE > end - start ? BLK_STS_IOERR : BLK_STS_OK;
}

/**
 * submit_bio - hand a bio to its device
 * @bio:	bio; bi_end_io is called when it is done, maybe before this returns
 */
void submit_bio(struct bio *bio)
{
	struct shim_bdev *d = bio->bi_bdev->shim;
	blk_status_t status = check_bio(bio, d);

	if (!status)
		status = shim_fault_bio(bio);
	if (status)
		shim_bio_done(bio, status);
	else
		d->ops->submit(d, bio);
}

/**
 * submit_bio_noacct - submit_bio(); nothing is accounted here
 * @bio:	bio
 */
void submit_bio_noacct(struct bio *bio)
{
	submit_bio(bio);
}

static void end_wait(struct bio *bio)
{
	complete(bio->bi_private);
}

/**
 * submit_bio_wait - submit a bio and sleep until it is done
 * @bio:	bio
 *
 * Return: 0 or -errno.
 */
int submit_bio_wait(struct bio *bio)
{
	DECLARE_COMPLETION_ONSTACK(done);

	bio->bi_private = &done;
	bio->bi_end_io = end_wait;
	bio->bi_opf |= REQ_SYNC;
	submit_bio(bio);
	wait_for_completion_io(&done);
	return blk_status_to_errno(bio->bi_status);
}

static const struct {
	int		err;
	const char	*name;
} statuses[] = {
	[BLK_STS_OK]		= { 0,			"OK" },
	[BLK_STS_NOTSUPP]	= { -EOPNOTSUPP,	"operation not supported" },
	[BLK_STS_TIMEOUT]	= { -ETIMEDOUT,		"timeout" },
	[BLK_STS_NOSPC]		= { -ENOSPC,		"no space" },
	[BLK_STS_TRANSPORT]	= { -ENOLINK,		"transport" },
	[BLK_STS_TARGET]	= { -EREMOTEIO,		"target" },
	[BLK_STS_MEDIUM]	= { -ENODATA,		"medium" },
	[BLK_STS_PROTECTION]	= { -EILSEQ,		"protection" },
	[BLK_STS_RESOURCE]	= { -ENOMEM,		"resource" },
	[BLK_STS_IOERR]		= { -EIO,		"I/O" },
	[BLK_STS_AGAIN]		= { -EAGAIN,		"again" },
	[BLK_STS_INVAL]		= { -EINVAL,		"invalid" },
};

#define NR_STATUSES	(sizeof(statuses) / sizeof(statuses[0]))

/**
 * blk_status_to_errno - status as an error number
 * @status:	BLK_STS_*
 */
int blk_status_to_errno(blk_status_t status)
{
	return status < NR_STATUSES && statuses[status].name ? statuses[status].err : -EIO;
}

/**
 * errno_to_blk_status - error number as a status
 * @error:	negative
 */
blk_status_t errno_to_blk_status(int error)
{
	size_t i;

	for (i = 0; i < NR_STATUSES; i++)
		if (statuses[i].name && statuses[i].err == error)
			return i;
	return BLK_STS_IOERR;
}

/**
 * blk_status_to_str - status for people
 * @status:	BLK_STS_*
 */
const char *blk_status_to_str(blk_status_t status)
{
	return status < NR_STATUSES && statuses[status].name ? statuses[status].name : "unknown";
}

/**
 * blk_op_str - operation for people
 * @op:		REQ_OP_*
 */
const char *blk_op_str(enum req_op op)
{
	switch (op) {
	case REQ_OP_READ:		return "READ";
	case REQ_OP_WRITE:		return "WRITE";
	case REQ_OP_FLUSH:		return "FLUSH";
	case REQ_OP_DISCARD:		return "DISCARD";
	case REQ_OP_SECURE_ERASE:	return "SECURE_ERASE";
	case REQ_OP_WRITE_ZEROES:	return "WRITE_ZEROES";
	}
	return "UNKNOWN";
}
