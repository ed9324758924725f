// SPDX-License-Identifier: GPL-2.0
/*
 * Marking the buckets of a device that hold superblocks and the journal (spec 40
 * §1.5): which they are follows from the layout and the ring alone, so marking
 * may be repeated at any time and changes nothing where the alloc btree is right.
 */
#include <linux/errno.h>
#include <linux/math64.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/dev_init.h"
#include "alloc/foreground.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "init/passes_format.h"
#include "sb/fsck_err.h"
#include "sb/members.h"

/* --- which buckets --- */

/* The next range of the layout: [it->sector, it->end). */
static bool next_range(const struct bch_sb_layout *l, struct bch_sb_bucket_iter *it)
{
	const unsigned nr = min_t(unsigned, l->nr_superblocks, BCH_SB_LAYOUT_NR_MAX);
	u64 start;

	if (it->started)
		it->copy++;
	it->started = true;
	if (it->copy >= nr)
		return false;

	start = le64_to_cpu(l->sb_offset[it->copy]);
	/* What is in front of the standard place belongs to it. */
	it->sector = start == BCH_SB_SECTOR ? 0 : start;
	it->end = start + (1ULL << min_t(u8, l->sb_max_size_bits, 32));
	return true;
}

/**
 * bch2_sb_bucket_next - the next bucket that superblocks cover
 * @l:		layout of the device
 * @bucket_size: sectors
 * @nbuckets:	of the device; what lies behind them is left out
 * @it:		where the walk is; starts as zeros
 * @b:		the bucket, and how many of its sectors are covered
 *
 * Pieces in the same bucket that follow each other in layout order are summed
 * (spec 40 §1.5). Return: false: no more.
 */
bool bch2_sb_bucket_next(const struct bch_sb_layout *l, unsigned bucket_size, u64 nbuckets,
			 struct bch_sb_bucket_iter *it, struct bch_sb_bucket *b)
{
	b->sectors = 0;

	for (;;) {
		u64 bucket, n;

		if (it->sector >= it->end && !next_range(l, it))
			return b->sectors != 0;

		bucket	= div_u64(it->sector, bucket_size);
		n	= min(it->end, (bucket + 1) * bucket_size) - it->sector;
		if (bucket >= nbuckets) {
			it->sector = it->end;
			continue;
		}
		if (b->sectors && b->bucket != bucket)
			return true;
		b->bucket   = bucket;
		b->sectors += n;
		it->sector += n;
	}
}

/* --- marking one --- */

/* Is the bucket marked like this? 1, 0, or an error. */
static int is_marked(struct btree_trans *trans, struct bpos bucket, enum bch_data_type type,
		     unsigned sectors, unsigned *old_type)
{
	struct btree_iter iter;
	struct bch_alloc_v4 a;
	struct bkey_s_c k = bch2_bkey_get_iter(trans, &iter, BTREE_ID_alloc, bucket,
					       BTREE_ITER_cached);
	int ret = bkey_err(k);

	if (!ret) {
		bch2_alloc_to_v4(k, &a);
		*old_type = a.data_type;
		ret = a.data_type == type && le32_to_cpu(a.dirty_sectors) == sectors;
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int type_mismatch(struct bch_fs *c, struct bpos bucket, enum bch_data_type type,
			 unsigned old_type)
{
	CLASS(printbuf, msg)();
	int ret = c->up.request_pass(c, BCH_RECOVERY_PASS_STABLE_check_allocations);

	if (ret)
		return ret;
	ret = -BCH_ERR_bucket_metadata_type_mismatch;

	bch2_data_type_to_text(&msg, old_type);
	prt_str(&msg, ", but it holds the ");
	bch2_data_type_to_text(&msg, type);
	need_fsck_err(c, bucket_metadata_type_mismatch, "bucket %llu:%llu is of type %s",
		      bucket.inode, bucket.offset, printbuf_str(&msg));
fsck_err:
	return ret;
}

/**
 * bch2_trans_mark_metadata_bucket - the bucket holds a superblock or the journal
 * @trans:	transaction
 * @ca:		device
 * @bucket:	bucket number; one that is not valid is left out
 * @type:	BCH_DATA_sb or BCH_DATA_journal
 * @sectors:	of the bucket that are used
 *
 * Queues an update through the alloc trigger if the key says something else.
 *
 * Return: 0; a restart; -BCH_ERR_bucket_metadata_type_mismatch, reported, when
 * the bucket holds something else; or another error.
 */
int bch2_trans_mark_metadata_bucket(struct btree_trans *trans, struct bch_dev *ca, u64 bucket,
				    enum bch_data_type type, unsigned sectors)
{
	const struct bpos pos = POS(ca->dev_idx, bucket);
	struct bkey_i_alloc_v4 *a;
	unsigned old_type = 0;
	int ret;

	if (!bucket_valid(ca, bucket))
		return 0;
	ret = is_marked(trans, pos, type, sectors, &old_type);
	if (ret)
		return min(ret, 0);
	if (old_type && old_type != type)
		return type_mismatch(trans->c, pos, type, old_type);

	a = bch2_trans_start_alloc_update(trans, pos, 0);
	if (IS_ERR(a))
		return PTR_ERR(a);
	a->v.data_type		= type;
	a->v.dirty_sectors	= cpu_to_le32(sectors);
	return 0;
}

/* --- marking a device --- */

static int mark_bucket(struct btree_trans *trans, struct bch_dev *ca, u64 bucket,
		       enum bch_data_type type, unsigned sectors)
{
	return commit_do(trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
			 bch2_trans_mark_metadata_bucket(trans, ca, bucket, type, sectors));
}

static int mark_superblocks(struct btree_trans *trans, struct bch_dev *ca)
{
	const struct bch_sb_layout *l = &ca->disk_sb.sb->layout;
	struct bch_sb_bucket_iter it = {};
	struct bch_sb_bucket b;
	int ret = 0;

	while (!ret && bch2_sb_bucket_next(l, ca->mi.bucket_size, ca->mi.nbuckets, &it, &b))
		ret = mark_bucket(trans, ca, b.bucket, BCH_DATA_sb, b.sectors);
	return ret;
}

/**
 * bch2_trans_mark_dev_sb - mark the superblock and journal buckets of a device
 * @c:	filesystem
 * @ca:	online device
 *
 * One commit per bucket. While the filesystem is not read-write the updates go to
 * the overlay.
 *
 * Return: 0 or the first error.
 */
int bch2_trans_mark_dev_sb(struct bch_fs *c, struct bch_dev *ca)
{
	struct btree_trans *trans = bch2_trans_get(c);
	int ret = mark_superblocks(trans, ca);

	for (unsigned i = 0; !ret && i < ca->journal.nr; i++)
		ret = mark_bucket(trans, ca, ca->journal.buckets[i], BCH_DATA_journal,
				  ca->mi.bucket_size);
	bch2_trans_put(trans);

	if (!ret)
		WRITE_ONCE(ca->alloc.metadata_marked, true);
	return ret;
}
