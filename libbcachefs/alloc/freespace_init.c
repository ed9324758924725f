// SPDX-License-Identifier: GPL-2.0
/*
 * Filling the freespace and bucket_gens btrees from the alloc btree (spec 40
 * §8.2, §8.3): the passes fs_freespace_init and bucket_gens_init, and the new
 * range of a device that grows.
 *
 * Every step is a commit of its own and may be repeated: after an interruption
 * the whole walk is done again.
 */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/bucket_gens.h"
#include "alloc/dev_init.h"
#include "alloc/freespace.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "sb/members.h"
#include "sb/write.h"
#include "util/log.h"

/* Buckets one key of a hole may cover. */
#define FREESPACE_RUN_MAX	(U32_MAX - 1)

/* --- freespace --- */

/* Free buckets [@start, @end) without alloc keys become one key. */
static int set_hole(struct btree_trans *trans, struct bch_dev *ca, u64 start, u64 end)
{
	struct bkey_i *k = bch2_trans_kmalloc(trans, sizeof(*k));

	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.type	= KEY_TYPE_set;
	k->k.p		= POS(ca->dev_idx, end);
	k->k.size	= end - start;
	return bch2_btree_insert_trans(trans, BTREE_ID_freespace, k, 0);
}

static int set_bucket(struct btree_trans *trans, struct bkey_s_c k)
{
	struct bch_alloc_v4 a;

	bch2_alloc_to_v4(k, &a);
	return a.data_type == BCH_DATA_free
		? bch2_btree_bit_mod(trans, BTREE_ID_freespace, bch2_freespace_pos(k.k->p, &a),
				     true)
		: 0;
}

/**
 * bch2_alloc_leaf_end - where the leaf with the keys of some bucket ends
 * @iter:	iterator over alloc, traversed to that bucket
 * @ca:		the bucket's device
 * @end:	bucket number
 *
 * A hole is known to be one only as far as its leaf is locked. Return: the first
 * bucket behind the leaf, or @end if that is less.
 */
u64 bch2_alloc_leaf_end(const struct btree_iter *iter, const struct bch_dev *ca, u64 end)
{
	const struct btree *leaf = bch2_btree_iter_leaf(iter);

	if (!leaf || leaf->max_key.inode != ca->dev_idx)
		return end;
	return min(end, leaf->max_key.offset == U64_MAX ? U64_MAX : leaf->max_key.offset + 1);
}

/* Queue the entry of the bucket, or the hole, at @b; *next is behind it. */
static int freespace_step(struct btree_trans *trans, struct bch_dev *ca, u64 b, u64 end,
			  u64 *next)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	u64 limit;
	int ret;

	/* others allocate meanwhile */
	bch2_trans_iter_init(trans, &iter, BTREE_ID_alloc, POS(ca->dev_idx, b),
			     BTREE_ITER_prefetch|BTREE_ITER_keep);
	ret = bch2_btree_iter_traverse(&iter);
	if (ret)
		goto out;
	limit = max(b + 1, min(bch2_alloc_leaf_end(&iter, ca, end), b + FREESPACE_RUN_MAX));

	k = bch2_btree_iter_peek_max(&iter, POS(ca->dev_idx, limit - 1));
	ret = bkey_err(k);
	if (ret)
		goto out;

	if (k.k && k.k->p.offset == b) {
		*next = b + 1;
		ret = set_bucket(trans, k);
	} else {
		*next = k.k ? k.k->p.offset : limit;
		ret = set_hole(trans, ca, b, *next);
	}
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int set_freespace_initialized(struct bch_fs *c, struct bch_dev *ca)
{
	struct bch_member m;

	mutex_lock(&c->sb_lock);
	m = bch2_sb_member_get(c->disk_sb.sb, ca->dev_idx);
	SET_BCH_MEMBER_FREESPACE_INITIALIZED(&m, true);
	bch2_sb_member_set(c->disk_sb.sb, ca->dev_idx, &m);
	WRITE_ONCE(ca->mi.freespace_initialized, true);
	mutex_unlock(&c->sb_lock);
	return 0;
}

/**
 * bch2_dev_freespace_init - enter the free buckets of a range
 * @c:		filesystem
 * @ca:		device
 * @start:	first bucket
 * @end:	end of the range
 *
 * Afterwards the member is marked as initialised, in memory; the caller writes
 * the superblock.
 *
 * Return: 0 or an error.
 */
int bch2_dev_freespace_init(struct bch_fs *c, struct bch_dev *ca, u64 start, u64 end)
{
	struct btree_trans *trans = bch2_trans_get(c);
	u64 b = max_t(u64, start, ca->mi.first_bucket);
	int ret = 0;

	while (!ret && b < end) {
		u64 next = b + 1;

		ret = commit_do(trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
				freespace_step(trans, ca, b, end, &next));
		b = next;
	}
	bch2_trans_put(trans);
	return ret ?: set_freespace_initialized(c, ca);
}

/**
 * bch2_fs_freespace_init - pass fs_freespace_init
 * @c:	filesystem
 *
 * For members whose freespace index is not made yet. Images that were not
 * resized to their device have none.
 */
int bch2_fs_freespace_init(struct bch_fs *c)
{
	bool did = false;
	int ret = 0;

	if (c->sb.features & BCH_FEATURE_BIT(small_image))
		return 0;

	for_each_member_device(c, ca) {
		if (ca->mi.freespace_initialized)
			continue;
		if (!did)
			bch_info(c, "initializing freespace");
		did = true;
		ret = bch2_dev_freespace_init(c, ca, 0, ca->mi.nbuckets);
		if (ret) {
			bch_err_fn(c, ret);
			return ret;
		}
	}

	if (did) {
		mutex_lock(&c->sb_lock);
		ret = bch2_write_super(c);
		mutex_unlock(&c->sb_lock);
	}
	return ret;
}

/* --- bucket_gens --- */

static int insert_gens(struct btree_trans *trans, const struct bkey_i_bucket_gens *g)
{
	struct bkey_i_bucket_gens *k = bch2_trans_kmalloc(trans, sizeof(*k));

	if (IS_ERR(k))
		return PTR_ERR(k);
	memcpy(k, g, sizeof(*k));
	return bch2_btree_insert_trans(trans, BTREE_ID_bucket_gens, &k->k_i, 0);
}

static int commit_gens(struct btree_trans *trans, struct bkey_i_bucket_gens *g)
{
	if (!g->k.u64s)
		return 0;
	return commit_do(trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc, insert_gens(trans, g));
}

static void start_gens(struct bkey_i_bucket_gens *g, struct bpos pos)
{
	bkey_init(&g->k);
	bkey_bucket_gens_init(&g->k_i);
	g->k.p = pos;
}

/* Alloc keys from @*pos on until the next one belongs elsewhere. 1: no more keys. */
static int collect_gens(struct btree_trans *trans, struct bkey_i_bucket_gens *g,
			struct bpos *pos)
{
	struct bch_fs *c = trans->c;
	bool more = false;
	int ret;

	ret = for_each_btree_key(trans, iter, BTREE_ID_alloc, *pos, BTREE_ITER_prefetch, k, ({
		struct bch_dev *ca = bch2_dev(c, min(k.k->p.inode, (u64) U32_MAX));
		struct bch_alloc_v4 a;
		unsigned idx;
		const struct bpos at = bucket_gens_pos(k.k->p, &idx);
		int done = 0;

		if (ca && bucket_valid(ca, k.k->p.offset)) {
			if (!g->k.u64s)
				start_gens(g, at);
			if (!bpos_eq(g->k.p, at)) {
				*pos = k.k->p;
				more = true;
				done = 1;
			} else {
				bch2_alloc_to_v4(k, &a);
				g->v.gens[idx] = a.gen;
			}
		}
		done;
	}));
	return ret < 0 ? ret : !more;
}

/**
 * bch2_bucket_gens_init - pass bucket_gens_init
 * @c:	filesystem from before the bucket_gens btree existed
 *
 * Return: 0 or an error.
 */
int bch2_bucket_gens_init(struct bch_fs *c)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct bpos pos = POS_MIN;
	int ret = 0;

	while (!ret) {
		struct bkey_i_bucket_gens g = {};

		bch2_trans_begin(trans);
		ret = collect_gens(trans, &g, &pos);
		bch2_trans_unlock(trans);
		if (ret >= 0)
			ret = commit_gens(trans, &g) ?: ret;
	}
	bch2_trans_put(trans);
	bch_err_fn(c, min(ret, 0));
	return min(ret, 0);
}
