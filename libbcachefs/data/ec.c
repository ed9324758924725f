// SPDX-License-Identifier: GPL-2.0
/*
 * Reading data out of a stripe whose own device is gone or bad (spec 52 §9).
 *
 * The block that is wanted counts as lost from the start; every other block that
 * can be read is read over the same range, checked against the checksums of the
 * stripe, and what fails is lost as well. Invariant: data is returned only if at
 * most nr_redundant blocks were lost and, where the stripe has checksums, the
 * result agrees with them. Called by data/read_extent.c.
 */
#include "bcachefs.h"
#include "btree/bkey_buf.h"
#include "btree/iter.h"
#include "data/ec.h"
#include "data/read_io.h"
#include "data/read_replica.h"
#include "data/stripes.h"
#include "sb/members.h"

#include <linux/bitops.h>
#include <linux/completion.h>
#include <linux/minmax.h>
#include <linux/slab.h>

/* One reconstruction under way. */
struct ec_read {
	struct bch_fs		*c;
	struct bkey_buf		stripe;
	struct stripe_geometry	g;

	/* Range of every block that is read, in sectors of the block. */
	u32			start;
	u32			sectors;

	u32			failed;		/* bit per block */
	void			*buf;		/* all blocks, one after the other */
	void			*block[BCH_STRIPE_BLOCKS_MAX];

	struct ec_read_io {
		struct bch_read_io	io;
		struct ec_read		*ec;
		bool			submitted;
	}			io[BCH_STRIPE_BLOCKS_MAX];
	atomic_t		pending;
	struct completion	done;
};

static struct bkey_s_c ec_key(const struct ec_read *ec)
{
	return bkey_i_to_s_c(ec->stripe.k);
}

/* Copy stripe key @idx and check that it is usable. */
static int ec_read_stripe(struct ec_read *ec, u64 idx)
{
	struct btree_trans *trans = bch2_trans_get(ec->c);
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	if (!trans)
		return -BCH_ERR_ENOMEM_btree_trans;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_stripes, POS(0, idx), 0);
	ret = lockrestart_do(trans, bkey_err(k = bch2_btree_iter_peek_slot(&iter)));
	if (!ret && (!k.k || k.k->type != KEY_TYPE_stripe))
		ret = -BCH_ERR_ec_stripe_missing;
	if (!ret)
		ret = bch2_bkey_buf_reassemble(&ec->stripe, k);
	bch2_trans_iter_exit(&iter);
	bch2_trans_put(trans);

	if (!ret && (bch2_stripe_geometry(ec_key(ec), &ec->g) ||
		     bch2_csum_type_is_encryption(ec->g.csum_type)))
		ret = -BCH_ERR_ec_stripe_bad;
	return ret;
}

/* Which part of the blocks is needed for @sectors at @sector of pointer @p? */
static int ec_read_range(struct ec_read *ec, const struct extent_ptr_decoded *p,
			 u64 sector, u32 sectors)
{
	unsigned int block = STRIPE_PTR_BLOCK(&p->ec);
	u64 start, end;

	if (!bch2_ptr_matches_stripe(ec_key(ec), &ec->g, p))
		return -BCH_ERR_ec_stripe_mismatch;

	start = EXTENT_PTR_OFFSET(bch2_stripe_ptr(ec_key(ec), &ec->g, block));
	if (sector < start || sector - start > ec->g.sectors ||
	    sectors > ec->g.sectors - (sector - start))
		return -BCH_ERR_ec_stripe_mismatch;
	start = sector - start;
	end = start + sectors;

	if (ec->g.csum_bytes) {
		start = rounddown(start, ec->g.csum_granularity);
		end = min_t(u64, roundup(end, ec->g.csum_granularity), ec->g.sectors);
	}

	ec->start	= start;
	ec->sectors	= end - start;

	if (((end - start) << 9) * ec->g.nr_blocks > BCH_EC_READ_BYTES_MAX)
		return -BCH_ERR_ec_read_too_big;
	return 0;
}

static int ec_alloc_blocks(struct ec_read *ec)
{
	size_t bytes = (size_t) ec->sectors << 9;
	unsigned int i;

	ec->buf = kvmalloc(bytes * ec->g.nr_blocks, GFP_KERNEL);
	if (!ec->buf)
		return -BCH_ERR_ENOMEM_ec_read;

	for (i = 0; i < ec->g.nr_blocks; i++)
		ec->block[i] = ec->buf + i * bytes;
	return 0;
}

static void ec_block_put(struct ec_read *ec)
{
	if (atomic_dec_and_test(&ec->pending))
		complete(&ec->done);
}

static void ec_block_done(struct bch_read_io *io)
{
	ec_block_put(container_of(io, struct ec_read_io, io)->ec);
}

/*
 * Is it worth reading? 1, 0 or -ENOMEM. A stale pointer's bucket was reused; only
 * checksums could tell otherwise.
 */
static int ec_block_usable(struct ec_read *ec, const struct bch_extent_ptr *ptr)
{
	int stale;

	if (!bch2_dev_online(ec->c, EXTENT_PTR_DEV(ptr)))
		return 0;
	stale = ec->g.csum_bytes ? 0 : bch2_ptr_stale(ec->c, ptr);
	return stale < 0 ? stale : !stale;
}

/*
 * Read all blocks but the failed ones; those that cannot be read become failed.
 * 0, or an error of class ENOMEM.
 */
static int ec_read_blocks(struct ec_read *ec)
{
	unsigned int i;
	int ret = 0;

	init_completion(&ec->done);
	atomic_set(&ec->pending, 1);

	for (i = 0; i < ec->g.nr_blocks; i++) {
		const struct bch_extent_ptr *ptr = bch2_stripe_ptr(ec_key(ec), &ec->g, i);

		if (ec->failed & BIT(i))
			continue;
		ret = ec_block_usable(ec, ptr);
		if (ret < 0)
			break;
		if (!ret) {
			ec->failed |= BIT(i);
			continue;
		}

		ec->io[i].ec = ec;
		ec->io[i].submitted = true;
		atomic_inc(&ec->pending);
		bch2_read_io_submit(&ec->io[i].io, bch2_dev(ec->c, EXTENT_PTR_DEV(ptr)),
				    EXTENT_PTR_OFFSET(ptr) + ec->start, ec->block[i],
				    ec->sectors, ec_block_done);
	}

	ec_block_put(ec);
	wait_for_completion(&ec->done);

	ret = min(ret, 0);
	for (i = 0; i < ec->g.nr_blocks; i++) {
		const int err = ec->io[i].submitted ? bch2_read_io_result(&ec->io[i].io) : 0;

		if (bch2_err_matches(err, ENOMEM))
			ret = err;
		else if (err)
			ec->failed |= BIT(i);
	}
	return ret;
}

/* Does what we have of block @block agree with its checksums? True without any. */
static bool ec_block_verify(const struct ec_read *ec, unsigned int block)
{
	u32 pos = ec->start;
	const u32 end = ec->start + ec->sectors;

	if (!ec->g.csum_bytes)
		return true;

	while (pos < end) {
		u32 len = min(ec->g.csum_granularity, end - pos);
		struct bch_csum want = bch2_stripe_csum(ec_key(ec), &ec->g, block,
							pos / ec->g.csum_granularity);

		if (bch2_checksum_verify(ec->g.csum_type, bch2_null_nonce(), NULL,
					 ec->block[block] + ((size_t) (pos - ec->start) << 9),
					 (size_t) len << 9, want))
			return false;
		pos += len;
	}
	return true;
}

/* Compute the failed blocks and check the data among them. */
static int ec_reconstruct(struct ec_read *ec)
{
	const unsigned int nr_data = ec->g.nr_data;
	unsigned int i;
	int ret;

	for (i = 0; i < ec->g.nr_blocks; i++)
		if (!(ec->failed & BIT(i)) && !ec_block_verify(ec, i)) {
			bch2_dev_io_error(ec->io[i].io.ca, BCH_MEMBER_ERROR_checksum);
			ec->failed |= BIT(i);
		}

	ret = bch2_ec_recover(nr_data, ec->g.nr_redundant, ec->failed,
			      (size_t) ec->sectors << 9, ec->block);

	for (i = 0; !ret && i < nr_data; i++)
		if ((ec->failed & BIT(i)) && !ec_block_verify(ec, i))
			ret = -BCH_ERR_ec_csum_err;
	return ret;
}

static int ec_do_read(struct ec_read *ec, const struct extent_ptr_decoded *p,
		      u64 sector, u32 sectors, void *buf)
{
	unsigned int block = STRIPE_PTR_BLOCK(&p->ec);
	const struct bch_extent_ptr *ptr;
	u64 skip;
	int ret;

	ret = ec_read_stripe(ec, STRIPE_PTR_IDX(&p->ec)) ?:
		ec_read_range(ec, p, sector, sectors) ?:
		ec_alloc_blocks(ec);
	if (ret)
		return ret;

	ec->failed = BIT(block);
	ret = ec_read_blocks(ec) ?: ec_reconstruct(ec);
	if (ret)
		return ret;

	ptr = bch2_stripe_ptr(ec_key(ec), &ec->g, block);
	skip = sector - EXTENT_PTR_OFFSET(ptr) - ec->start;
	memcpy(buf, ec->block[block] + (skip << 9), (size_t) sectors << 9);
	return 0;
}

/**
 * bch2_ec_read_extent() - compute what a pointer points to from its stripe
 * @c:		filesystem
 * @p:		pointer with a stripe_ptr; its device may be missing, or 255
 * @sector:	first wanted sector, as an address on the pointer's device
 * @sectors:	number of sectors
 * @buf:	where they go, as they are stored
 *
 * Never reads the pointer's own block. Sleeps; uses a transaction of its own.
 *
 * Return: 0; -BCH_ERR_ec_* if the stripe is missing, is not the pointer's, has
 * lost too many blocks, or gave data with a wrong checksum; errors of the btree;
 * an error of class ENOMEM.
 */
int bch2_ec_read_extent(struct bch_fs *c, const struct extent_ptr_decoded *p,
			u64 sector, u32 sectors, void *buf)
{
	struct ec_read *ec = kzalloc(sizeof(*ec), GFP_KERNEL);
	int ret;

	if (!ec)
		return -BCH_ERR_ENOMEM_ec_read;

	ec->c = c;
	bch2_bkey_buf_init(&ec->stripe);

	ret = p->has_ec ? ec_do_read(ec, p, sector, sectors, buf) : -BCH_ERR_ec_stripe_missing;

	bch2_bkey_buf_exit(&ec->stripe);
	kvfree(ec->buf);
	kfree(ec);
	return ret;
}
