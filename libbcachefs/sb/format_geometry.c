// SPDX-License-Identifier: GPL-2.0
/*
 * Geometry of a new filesystem: sizes of blocks, btree nodes and buckets (spec
 * 71 section 5).
 *
 * A pure function of sizes and options. What it accepts passes the validation
 * of member entries: at least 512 buckets on each device, none smaller than a
 * btree node, none larger than its field. All sizes are in bytes.
 */
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/overflow.h>

#include "bcachefs.h"
#include "sb/format.h"

/* From this size on blocks are as large as devices like them. */
#define LARGE_FS_BYTES		(1ULL << 30)
#define LARGE_FS_BLOCK		4096U

#define BUCKET_MIN_WANTED	(256ULL << 10)
#define BUCKET_BY_SIZE_MAX	(2ULL << 20)
/* The largest power of two that a bucket's size can be, in 16 bits of sectors. */
#define BUCKET_BYTES_MAX	(16ULL << 20)
#define BUCKET_SECTORS_MAX	65535U

/* Buckets that a device has rather than few large ones. */
#define NR_BUCKETS_WANTED	2048

/* Checking allocations may take this share of the memory, at so much per bucket. */
#define GC_RAM_SHARE		8
#define GC_BYTES_PER_BUCKET	24

#define NODE_BYTES_DEFAULT	(256U << 10)

/* Shards' leaves of the inode btrees are at most this part of the filesystem. */
#define SHARD_SPACE_DIVISOR	400
#define SHARD_BITS_MAX		8

static u64 total_bytes(const struct bch_format *f)
{
	u64 total = 0;

	for (unsigned i = 0; i < f->nr_devs; i++)
		total += f->devs[i].bytes;
	return total;
}

/* spec 71 section 5.1 */
static int pick_block_size(struct bch_format *f, struct printbuf *err)
{
	const bool large = total_bytes(f) >= LARGE_FS_BYTES;
	u32 block = large ? LARGE_FS_BLOCK : BCH_MIN_BLOCK_SIZE;

	for (unsigned i = 0; i < f->nr_devs; i++) {
		const struct bch_format_dev *d = &f->devs[i];

		/* whatever the filesystem's size, smaller writes are impossible there */
		block = max(block, large ? d->physical_block : d->logical_block);
	}
	block = min(block, BCH_MAX_BLOCK_SIZE);

	if (opt_defined(f->opts, block_size))
		block = f->opts.block_size;

	for (unsigned i = 0; i < f->nr_devs; i++)
		if (block < f->devs[i].logical_block) {
			prt_printf(err, "%s: block size %u smaller than the device's (%u)",
				   f->devs[i].path, block, f->devs[i].logical_block);
			return -BCH_ERR_invalid_sb_block_size;
		}

	if (block < BCH_MIN_BLOCK_SIZE || !is_power_of_2(block)) {
		prt_printf(err, "block size %u must be a power of two of at least %u",
			   block, BCH_MIN_BLOCK_SIZE);
		return -BCH_ERR_invalid_sb_block_size;
	}
	f->block_bytes = block;
	return 0;
}

/* The node size if it was given, else 0. */
static u32 given_node_bytes(const struct bch_format *f)
{
	return opt_defined(f->opts, btree_node_size) ? f->opts.btree_node_size : 0;
}

/* spec 71 section 5.2: the size that no bucket needs to exceed */
static int pick_fs_bucket_size(const struct bch_format *f, u64 *res, struct printbuf *err)
{
	const u64 total = total_bytes(f);
	const u64 nr_in_ram = div_u64(f->ram_bytes, GC_RAM_SHARE * GC_BYTES_PER_BUCKET) ?: 1;
	u64 bucket = max(f->block_bytes, given_node_bytes(f));

	for (unsigned i = 0; i < f->nr_devs; i++) {
		const u64 min_bytes = BCH_MIN_NR_NBUCKETS * bucket;

		if (f->devs[i].bytes < min_bytes) {
			prt_printf(err, "cannot format %s, too small (%llu bytes, min %llu)",
				   f->devs[i].path, f->devs[i].bytes, min_bytes);
			return -BCH_ERR_device_size_too_small;
		}
	}

	bucket = max(bucket, BUCKET_MIN_WANTED);
	bucket = max_t(u64, bucket, 4ULL * opt_get(f->opts, encoded_extent_max));
	bucket = max_t(u64, bucket, min_t(u64, BUCKET_BY_SIZE_MAX, total >> 20));
	bucket = max_t(u64, bucket, roundup_pow_of_two(div64_u64(total, nr_in_ram) ?: 1));

	*res = min_t(u64, roundup_pow_of_two(bucket), BUCKET_BYTES_MAX);
	return 0;
}

/* spec 71 section 5.3, the part that chooses */
static int pick_bucket_size(const struct bch_format *f, const struct bch_format_dev *d,
			    u64 fs_bucket, u64 *res, struct printbuf *err)
{
	const u64 extent = opt_get(f->opts, encoded_extent_max);
	const u64 most = max_t(u64, given_node_bytes(f),
			       rounddown_pow_of_two(div_u64(d->bytes, NR_BUCKETS_WANTED) ?: 1));
	u64 bucket = min(most, fs_bucket);

	if (opt_defined(d->opts, bucket_size)) {
		*res = d->opts.bucket_size;
		return 0;
	}

	if (most * BCH_MIN_NR_NBUCKETS > d->bytes) {
		prt_printf(err, "%s: bucket size %llu too big for device size",
			   d->path, most);
		return -BCH_ERR_device_size_too_small;
	}
	while (bucket < extent && bucket < most)
		bucket *= 2;
	*res = min_t(u64, bucket, BUCKET_BYTES_MAX);
	return 0;
}

/* spec 71 section 5.3, the part that refuses */
static int check_buckets(const struct bch_format *f, const struct bch_format_dev *d,
			 u64 bucket, struct printbuf *err)
{
	const u64 nr = bucket ? div64_u64(d->bytes, bucket) : 0;

	if (bucket < f->block_bytes) {
		prt_printf(err, "%s: bucket size %llu cannot be smaller than block size %u",
			   d->path, bucket, f->block_bytes);
	} else if (bucket < given_node_bytes(f)) {
		prt_printf(err, "%s: bucket size %llu cannot be smaller than btree node size %u",
			   d->path, bucket, given_node_bytes(f));
	} else if (bucket >> 9 > BUCKET_SECTORS_MAX) {
		prt_printf(err, "%s: bucket size %llu too big (max %u)",
			   d->path, bucket, BUCKET_SECTORS_MAX << 9);
	} else if (bucket & (f->block_bytes - 1)) {
		prt_printf(err, "%s: bucket size %llu must be a multiple of block size %u",
			   d->path, bucket, f->block_bytes);
	} else if (nr < BCH_MIN_NR_NBUCKETS) {
		prt_printf(err, "%s: Not enough buckets: %llu, need %u (bucket size %llu)",
			   d->path, nr, BCH_MIN_NR_NBUCKETS, bucket);
	} else if (nr > BCH_MEMBER_NBUCKETS_MAX) {
		prt_printf(err, "%s: Too many buckets: %llu, max %u (bucket size %llu)",
			   d->path, nr, BCH_MEMBER_NBUCKETS_MAX, bucket);
	} else {
		return 0;
	}
	return -BCH_ERR_invalid_sb_members;
}

/* spec 71 section 5.4 */
static int pick_node_size(struct bch_format *f, struct printbuf *err)
{
	u32 node = NODE_BYTES_DEFAULT;

	for (unsigned i = 0; i < f->nr_devs; i++)
		node = min(node, f->devs[i].bucket_bytes);
	/* a bucket's size may have been given as any number */
	node = given_node_bytes(f) ?: rounddown_pow_of_two(node);

	if (node <= f->block_bytes) {
		prt_printf(err, "btree node size (%u) must be greater than block size (%u)",
			   node, f->block_bytes);
		return -BCH_ERR_invalid_sb_block_size;
	}
	f->node_bytes = node;
	return 0;
}

/* spec 71 section 5.5, spec 10 section 5.9 */
static u32 pick_shard_bits(const struct bch_format *f)
{
	const u64 node = given_node_bytes(f) ?: NODE_BYTES_DEFAULT;
	const u64 nr = div64_u64(total_bytes(f), SHARD_SPACE_DIVISOR * node);
	const u32 cpu_bits = order_base_2(2 * max(f->nr_cpus, 1U));

	if (opt_defined(f->opts, shard_inode_numbers_bits))
		return f->opts.shard_inode_numbers_bits;
	return nr ? min3(cpu_bits, (u32) ilog2(nr), (u32) SHARD_BITS_MAX) : 0;
}

/**
 * bch2_format_geometry() - sizes of blocks, nodes and buckets (spec 71 section 5)
 * @f:		options, and sizes of the devices; the results are set
 * @err:	what is wrong
 *
 * Return: 0, -BCH_ERR_device_size_too_small, -BCH_ERR_invalid_sb_block_size,
 * -BCH_ERR_invalid_sb_members.
 */
int bch2_format_geometry(struct bch_format *f, struct printbuf *err)
{
	u64 fs_bucket, bucket, sum = 0;
	int ret;

	for (unsigned i = 0; i < f->nr_devs; i++)
		if (check_add_overflow(sum, f->devs[i].bytes, &sum) || sum >> 60) {
			prt_str(err, "devices too big");
			return -BCH_ERR_invalid_sb_members;
		}

	ret = pick_block_size(f, err) ?: pick_fs_bucket_size(f, &fs_bucket, err);

	for (unsigned i = 0; !ret && i < f->nr_devs; i++) {
		struct bch_format_dev *d = &f->devs[i];

		ret = pick_bucket_size(f, d, fs_bucket, &bucket, err) ?:
			check_buckets(f, d, bucket, err);
		if (!ret) {
			d->bucket_bytes = bucket;
			d->nbuckets = div64_u64(d->bytes, bucket);
		}
	}

	ret = ret ?: pick_node_size(f, err);
	if (!ret)
		f->shard_bits = pick_shard_bits(f);
	return ret;
}
