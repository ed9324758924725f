// SPDX-License-Identifier: GPL-2.0
/*
 * Generations of buckets in memory: one byte each, to tell whether a pointer is
 * stale without looking at its bucket's key (spec 43 §3).
 *
 * Bytes are read without a lock; they are written by the pass alloc_read, and by
 * the alloc trigger with the bucket's key locked. The array of a device is made
 * before anybody looks at it and grows only with the device.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/bucket_gens.h"
#include "btree/bkey_val.h"
#include "btree/iter.h"
#include "sb/members.h"

/**
 * bch2_dev_bucket_gens_resize - room for the generations of more buckets
 * @ca:		device; nobody reads its generations meanwhile
 * @nbuckets:	how many buckets
 *
 * New ones have generation 0. Returns 0 or no memory.
 */
int bch2_dev_bucket_gens_resize(struct bch_dev *ca, u64 nbuckets)
{
	u8 *n;

	if (nbuckets <= ca->bucket_gens_nr)
		return 0;
	n = kvzalloc(nbuckets, GFP_KERNEL);
	if (!n)
		return -BCH_ERR_ENOMEM_bucket_gens;
	if (ca->bucket_gens)
		memcpy(n, ca->bucket_gens, ca->bucket_gens_nr);
	kvfree(ca->bucket_gens);
	ca->bucket_gens = n;
	ca->bucket_gens_nr = nbuckets;
	return 0;
}

/**
 * bch2_dev_bucket_gens_init - room for the generations of a device's buckets
 * @ca:		device
 *
 * Returns 0 or no memory.
 */
int bch2_dev_bucket_gens_init(struct bch_dev *ca)
{
	return bch2_dev_bucket_gens_resize(ca, ca->mi.nbuckets);
}

/**
 * bch2_dev_bucket_gens_exit - free them
 * @ca:		device
 */
void bch2_dev_bucket_gens_exit(struct bch_dev *ca)
{
	kvfree(ca->bucket_gens);
	ca->bucket_gens = NULL;
	ca->bucket_gens_nr = 0;
}

/**
 * bch2_bucket_gen - generation of a bucket
 * @ca:		device
 * @bucket:	bucket number; 0 is returned for what does not exist
 */
u8 bch2_bucket_gen(const struct bch_dev *ca, u64 bucket)
{
	return bucket < ca->bucket_gens_nr ? READ_ONCE(ca->bucket_gens[bucket]) : 0;
}

/**
 * bch2_bucket_gen_set - a bucket has another generation
 * @ca:		device
 * @bucket:	bucket number
 * @gen:	generation
 */
void bch2_bucket_gen_set(struct bch_dev *ca, u64 bucket, u8 gen)
{
	if (bucket < ca->bucket_gens_nr)
		WRITE_ONCE(ca->bucket_gens[bucket], gen);
}

static int read_bucket_gens(struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_dev *ca = bch2_dev(c, k.k->p.inode);
	struct bch_bucket_gens g;

	if (!ca || k.k->type != KEY_TYPE_bucket_gens ||
	    k.k->p.offset > U64_MAX >> KEY_TYPE_BUCKET_GENS_BITS)
		return 0;

	bkey_val_copy(&g, k);
	for (unsigned int i = 0; i < KEY_TYPE_BUCKET_GENS_NR; i++) {
		const struct bpos bucket = bucket_gens_pos_to_bucket(k.k->p, i);

		if (bucket_valid(ca, bucket.offset))
			bch2_bucket_gen_set(ca, bucket.offset, g.gens[i]);
	}
	return 0;
}

static int read_alloc(struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_dev *ca = bch2_dev(c, k.k->p.inode);
	struct bch_alloc_v4 a;

	if (ca && bucket_valid(ca, k.k->p.offset)) {
		bch2_alloc_to_v4(k, &a);
		bch2_bucket_gen_set(ca, k.k->p.offset, a.gen);
	}
	return 0;
}

/**
 * bch2_alloc_read - the pass alloc_read
 * @c:		filesystem; roots and overlay are there
 *
 * From bucket_gens, which exists since 0.25, else from the alloc keys. Keys of
 * buckets that do not exist are left to later passes. May run again. Returns 0 or
 * an error.
 */
int bch2_alloc_read(struct bch_fs *c)
{
	const bool gens = c->sb.version_upgrade_complete >= BCH_VERSION(0, 25);
	struct btree_trans *trans;
	int ret = 0;

	for_each_member_device(c, ca) {
		ret = ret ?: bch2_dev_bucket_gens_init(ca);
		if (ca->bucket_gens)
			memset(ca->bucket_gens, 0, ca->bucket_gens_nr);
	}
	if (ret)
		return ret;

	trans = bch2_trans_get(c);
	if (IS_ERR(trans))
		return PTR_ERR(trans);
	ret = gens
		? for_each_btree_key(trans, iter, BTREE_ID_bucket_gens, POS_MIN,
				     BTREE_ITER_prefetch|BTREE_ITER_skip_bad, k,
				     read_bucket_gens(c, k))
		: for_each_btree_key(trans, iter, BTREE_ID_alloc, POS_MIN,
				     BTREE_ITER_prefetch|BTREE_ITER_skip_bad, k,
				     read_alloc(c, k));
	bch2_trans_put(trans);
	return ret;
}
