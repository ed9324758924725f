/* SPDX-License-Identifier: GPL-2.0 */
/* Types of block I/O. */
#ifndef _SHIM_LINUX_BLK_TYPES_H
#define _SHIM_LINUX_BLK_TYPES_H

#include <linux/bvec.h>
#include <linux/types.h>

typedef u8 blk_status_t;
#define BLK_STS_OK		0
#define BLK_STS_NOTSUPP		((blk_status_t) 1)
#define BLK_STS_TIMEOUT		((blk_status_t) 2)
#define BLK_STS_NOSPC		((blk_status_t) 3)
#define BLK_STS_TRANSPORT	((blk_status_t) 4)
#define BLK_STS_TARGET		((blk_status_t) 5)
#define BLK_STS_MEDIUM		((blk_status_t) 7)
#define BLK_STS_PROTECTION	((blk_status_t) 8)
#define BLK_STS_RESOURCE	((blk_status_t) 9)
#define BLK_STS_IOERR		((blk_status_t) 10)
#define BLK_STS_AGAIN		((blk_status_t) 12)
#define BLK_STS_INVAL		((blk_status_t) 19)

typedef __u32 blk_opf_t;
typedef unsigned int blk_qc_t;

#define REQ_OP_BITS		8
#define REQ_OP_MASK		((blk_opf_t) ((1 << REQ_OP_BITS) - 1))

/* Odd operations move data to the device. */
enum req_op {
	REQ_OP_READ		= 0,
	REQ_OP_WRITE		= 1,
	REQ_OP_FLUSH		= 2,
	REQ_OP_DISCARD		= 3,
	REQ_OP_SECURE_ERASE	= 5,
	REQ_OP_WRITE_ZEROES	= 9,
};

#define REQ_FAILFAST_DEV	((blk_opf_t) 1 << 8)
#define REQ_SYNC		((blk_opf_t) 1 << 9)
#define REQ_META		((blk_opf_t) 1 << 10)
#define REQ_PRIO		((blk_opf_t) 1 << 11)
#define REQ_NOMERGE		((blk_opf_t) 1 << 12)
#define REQ_IDLE		((blk_opf_t) 1 << 13)
#define REQ_FUA			((blk_opf_t) 1 << 14)
#define REQ_PREFLUSH		((blk_opf_t) 1 << 15)
#define REQ_RAHEAD		((blk_opf_t) 1 << 16)
#define REQ_BACKGROUND		((blk_opf_t) 1 << 17)
#define REQ_NOWAIT		((blk_opf_t) 1 << 18)

struct bio;
struct bio_set;
struct block_device;
struct shim_bdev;
typedef void (bio_end_io_t)(struct bio *bio);

struct block_device {
	sector_t		bd_nr_sectors;
	dev_t			bd_dev;
	void			*bd_holder;
	struct shim_bdev	*shim;
};

struct bio {
	struct bio		*bi_next;
	struct block_device	*bi_bdev;
	blk_opf_t		bi_opf;
	unsigned short		bi_flags;
	unsigned short		bi_ioprio;
	blk_status_t		bi_status;
	int			__bi_remaining;
	struct bvec_iter	bi_iter;
	bio_end_io_t		*bi_end_io;
	void			*bi_private;
	unsigned short		bi_vcnt;
	unsigned short		bi_max_vecs;
	int			__bi_cnt;
	struct bio_vec		*bi_io_vec;
	struct bio_set		*bi_pool;
	struct bio_vec		bi_inline_vecs[];
};

static inline enum req_op bio_op(const struct bio *bio)
{
	return (enum req_op) (bio->bi_opf & REQ_OP_MASK);
}

static inline bool op_is_write(blk_opf_t op)
{
	return op & 1;
}

static inline bool op_is_flush(blk_opf_t op)
{
	return op & (REQ_FUA | REQ_PREFLUSH);
}

static inline bool op_is_sync(blk_opf_t op)
{
	return (op & REQ_OP_MASK) == REQ_OP_READ || (op & (REQ_SYNC | REQ_FUA | REQ_PREFLUSH));
}

#define BIO_MAX_VECS		256U
#define BIO_MAX_SECTORS		(UINT_MAX >> SECTOR_SHIFT)
#ifndef SECTOR_SHIFT
#define SECTOR_SHIFT		9
#define SECTOR_SIZE		(1 << SECTOR_SHIFT)
#endif
#define SECTOR_MASK		(PAGE_SECTORS - 1)
#define PAGE_SECTORS_SHIFT	(PAGE_SHIFT - SECTOR_SHIFT)
#define PAGE_SECTORS		(1 << PAGE_SECTORS_SHIFT)

#endif /* _SHIM_LINUX_BLK_TYPES_H */
