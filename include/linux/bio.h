/* SPDX-License-Identifier: GPL-2.0 */
/* Block I/O requests. */
#ifndef _SHIM_LINUX_BIO_H
#define _SHIM_LINUX_BIO_H

#include <linux/blk_types.h>
#include <linux/highmem.h>
#include <linux/mempool.h>

struct bio_set {
	unsigned int	front_pad;
	unsigned int	flags;
	int		shim_pool_size;
	mempool_t	bio_pool;
	int		shim_ready;
};

enum {
	BIOSET_NEED_BVECS	= 1 << 0,
	BIOSET_NEED_RESCUER	= 1 << 1,
	BIOSET_PERCPU_CACHE	= 1 << 2,
};

int bioset_init(struct bio_set *bs, unsigned int pool_size, unsigned int front_pad, int flags);
void bioset_exit(struct bio_set *bs);
bool bioset_initialized(struct bio_set *bs);

void bio_init(struct bio *bio, struct block_device *bdev, struct bio_vec *table,
	      unsigned short max_vecs, blk_opf_t opf);
void bio_uninit(struct bio *bio);
void bio_reset(struct bio *bio, struct block_device *bdev, blk_opf_t opf);
struct bio *bio_alloc_bioset(struct block_device *bdev, unsigned short nr_vecs, blk_opf_t opf,
			     gfp_t gfp, struct bio_set *bs);
struct bio *bio_alloc(struct block_device *bdev, unsigned short nr_vecs, blk_opf_t opf, gfp_t gfp);
struct bio *bio_kmalloc(unsigned short nr_vecs, gfp_t gfp);
void bio_get(struct bio *bio);
void bio_put(struct bio *bio);
void bio_set_dev(struct bio *bio, struct block_device *bdev);

/* The length, or 0 if the bio is full. */
int bio_add_page(struct bio *bio, struct page *page, unsigned int len, unsigned int off);
void __bio_add_page(struct bio *bio, struct page *page, unsigned int len, unsigned int off);

/* A chained bio's end is counted into its parent's. */
void bio_chain(struct bio *bio, struct bio *parent);
void bio_endio(struct bio *bio);
void submit_bio(struct bio *bio);
void submit_bio_noacct(struct bio *bio);
int submit_bio_wait(struct bio *bio);
void bio_advance(struct bio *bio, unsigned int nbytes);
void zero_fill_bio(struct bio *bio);
void bio_copy_data_iter(struct bio *dst, struct bvec_iter *dst_iter, struct bio *src,
			struct bvec_iter *src_iter);
void bio_copy_data(struct bio *dst, struct bio *src);

static inline void bio_io_error(struct bio *bio)
{
	bio->bi_status = BLK_STS_IOERR;
	bio_endio(bio);
}

#define bio_sectors(bio)	((bio)->bi_iter.bi_size >> SECTOR_SHIFT)
#define bio_end_sector(bio)	((bio)->bi_iter.bi_sector + bio_sectors(bio))
#define bvec_iter_sectors(it)	((it).bi_size >> SECTOR_SHIFT)
#define bvec_iter_end_sector(it) ((it).bi_sector + bvec_iter_sectors(it))
#define bio_data_dir(bio)	(op_is_write(bio_op(bio)) ? 1 : 0)
#define bio_set_flag(bio, bit)	((bio)->bi_flags |= 1U << (bit))
#define bio_flagged(bio, bit)	(((bio)->bi_flags >> (bit)) & 1U)
#define bio_first_bvec_all(bio)	((bio)->bi_io_vec)
#define bio_prio(bio)		((bio)->bi_ioprio)

static inline bool bio_has_data(struct bio *bio)
{
	return bio && bio->bi_iter.bi_size && bio_op(bio) != REQ_OP_DISCARD &&
		bio_op(bio) != REQ_OP_SECURE_ERASE && bio_op(bio) != REQ_OP_WRITE_ZEROES;
}

static inline void bio_advance_iter(const struct bio *bio, struct bvec_iter *iter,
				    unsigned int bytes)
{
	iter->bi_sector += bytes >> SECTOR_SHIFT;
	if (bio_has_data((struct bio *) bio))
		bvec_iter_advance(bio->bi_io_vec, iter, bytes);
	else
		iter->bi_size -= bytes;
}
#define bio_advance_iter_single(bio, iter, bytes)	bio_advance_iter(bio, iter, bytes)
#define bio_iter_iovec(bio, iter)	bvec_iter_bvec((bio)->bi_io_vec, (iter))
#define bio_iter_len(bio, iter)		(bio_iter_iovec(bio, iter).bv_len)
#define bio_iovec(bio)			bio_iter_iovec((bio), (bio)->bi_iter)

#define SHIM_BIO_EACH(bvl, bio, iter, start, at) \
	for ((iter) = (start); \
	     (iter).bi_size && ((bvl) = at((bio)->bi_io_vec, (iter)), 1); \
	     bio_advance_iter((bio), &(iter), (bvl).bv_len))
/* Single pages. */
#define __bio_for_each_segment(bvl, bio, iter, start) \
	SHIM_BIO_EACH(bvl, bio, iter, start, shim_bvec_page_at)
#define bio_for_each_segment(bvl, bio, iter) \
	__bio_for_each_segment(bvl, bio, iter, (bio)->bi_iter)
/* Whole contiguous pieces. */
#define __bio_for_each_bvec(bvl, bio, iter, start) \
	SHIM_BIO_EACH(bvl, bio, iter, start, shim_bvec_at)
#define bio_for_each_bvec(bvl, bio, iter) \
	__bio_for_each_bvec(bvl, bio, iter, (bio)->bi_iter)

#define bio_for_each_bvec_all(bvl, bio, i) \
	for ((i) = 0, (bvl) = (bio)->bi_io_vec; (i) < (bio)->bi_vcnt; (i)++, (bvl)++)

struct bvec_iter_all {
	struct bio_vec	bv;
	int		idx;
	unsigned int	done;
};

bool shim_bvec_all_next(const struct bio *bio, struct bvec_iter_all *it);
#define bio_for_each_segment_all(bvl, bio, iter) \
	for ((iter) = (struct bvec_iter_all) { .idx = 0 }, (bvl) = &(iter).bv; \
	     shim_bvec_all_next((bio), &(iter)); )

struct bio_list {
	struct bio	*head;
	struct bio	*tail;
};

#define BIO_EMPTY_LIST	{ NULL, NULL }
#define bio_list_for_each(bio, bl) \
	for ((bio) = (bl)->head; (bio); (bio) = (bio)->bi_next)

static inline void bio_list_init(struct bio_list *bl)
{
	bl->head = bl->tail = NULL;
}

static inline int bio_list_empty(const struct bio_list *bl)
{
	return !bl->head;
}

static inline void bio_list_add(struct bio_list *bl, struct bio *bio)
{
	bio->bi_next = NULL;
	if (bl->tail)
		bl->tail->bi_next = bio;
	else
		bl->head = bio;
	bl->tail = bio;
}

static inline struct bio *bio_list_peek(struct bio_list *bl)
{
	return bl->head;
}

static inline struct bio *bio_list_pop(struct bio_list *bl)
{
	struct bio *bio = bl->head;

	if (bio) {
		bl->head = bio->bi_next;
		if (!bl->head)
			bl->tail = NULL;
		bio->bi_next = NULL;
	}
	return bio;
}

static inline void bio_list_merge(struct bio_list *bl, struct bio_list *other)
{
	if (!other->head)
		return;
	if (bl->tail)
		bl->tail->bi_next = other->head;
	else
		bl->head = other->head;
	bl->tail = other->tail;
}

#endif /* _SHIM_LINUX_BIO_H */
