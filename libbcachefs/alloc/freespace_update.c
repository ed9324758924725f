// SPDX-License-Identifier: GPL-2.0
/*
 * Indexes of free and emptied buckets, and the generations' own btree, changed
 * in the transaction of the alloc key (spec 42 §2, §3, §5; 22 §12).
 */
#include <linux/err.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/bucket_gens.h"
#include "alloc/freespace.h"
#include "alloc/index_update.h"
#include "btree/bkey_val.h"
#include "btree/fsck_err_trans.h"
#include "btree/update.h"
#include "util/bpos.h"

/* Is the entry there before it is set, or missing before it is deleted? */
static int freespace_presence_check(struct btree_trans *trans, struct bkey_s_c k, bool set)
{
	int ret = 0;

	if ((k.k->type == KEY_TYPE_set) != set)
		return 0;

	log_fsck_err_trans(trans, freespace_key_wrong,
			   "freespace key for %llu:%llu %s", (u64) k.k->p.inode,
			   (u64) k.k->p.offset, set ? "exists already" : "is missing");
fsck_err:
	return ret;
}

/**
 * bch2_freespace_mod - a bucket becomes free or is free no more
 * @trans:	transaction
 * @ca:		its device
 * @bucket:	device and bucket number
 * @a:		value in which it is (or was) free: has the generations
 * @set:	becomes free
 *
 * Entries are extents of one bucket; what is there is split as it must be (spec
 * 42 §2). Returns 0, a restart, or an error.
 */
int bch2_freespace_mod(struct btree_trans *trans, struct bch_dev *ca, struct bpos bucket,
		       const struct bch_alloc_v4 *a, bool set)
{
	const struct bpos pos = bch2_freespace_pos(bucket, a);
	struct btree_iter iter;
	struct bkey_i *k;
	struct bkey_s_c old;
	int ret = 0;

	/*
	 * Deleting what is not there updates nothing. It must not come there before
	 * the commit, either: check_alloc_info may be about to enter what it takes
	 * for free.
	 */
	bch2_trans_iter_init(trans, &iter, BTREE_ID_freespace, pos,
			     BTREE_ITER_intent|BTREE_ITER_keep);
	old = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(old);
	if (!ret && bch2_freespace_is_true(trans->c, ca))
		ret = freespace_presence_check(trans, old, set);
	if (ret)
		goto out;

	k = bch2_trans_kmalloc(trans, sizeof(*k));
	ret = PTR_ERR_OR_ZERO(k);
	if (ret)
		goto out;
	bkey_init(&k->k);
	k->k.type	= set ? KEY_TYPE_set : KEY_TYPE_deleted;
	k->k.p		= POS(pos.inode, pos.offset + 1);
	k->k.size	= 1;
	ret = bch2_btree_insert_trans(trans, BTREE_ID_freespace, k, 0);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_need_discard_mod_atomic - a bucket enters or leaves need_discard
 * @trans:	transaction in the atomic half of its triggers
 * @bucket:	device and bucket number
 * @journal_seq: when it became empty, as in the value in which it needs discard
 * @set:	enters
 *
 * Room was reserved by bch2_trans_extra_journal_u64s(): neither allocates nor
 * fails (ND-4). The caller gives the old value's number to delete, the new one's
 * to set (ND-3).
 */
void bch2_need_discard_mod_atomic(struct btree_trans *trans, struct bpos bucket,
				  u64 journal_seq, bool set)
{
	struct bkey_i k;

	bkey_init(&k.k);
	k.k.type = set ? KEY_TYPE_set : KEY_TYPE_deleted;
	k.k.p	 = bch2_need_discard_pos(true, bucket, journal_seq);
	bch2_trans_jset_entry_append_reserved(trans, BCH_JSET_ENTRY_write_buffer_keys,
					      BTREE_ID_need_discard, 0, &k);
}

/**
 * bch2_bucket_gens_mod - a bucket has a new generation
 * @trans:	transaction
 * @bucket:	device and bucket number
 * @gen:	new generation
 *
 * The key of its 256 buckets is made if it is missing (spec 42 §5). Returns 0, a
 * restart, or an error.
 */
int bch2_bucket_gens_mod(struct btree_trans *trans, struct bpos bucket, u8 gen)
{
	unsigned int idx;
	const struct bpos pos = bucket_gens_pos(bucket, &idx);
	struct bkey_i_bucket_gens *g;
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_bucket_gens, pos, BTREE_ITER_intent);
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k);
	if (ret)
		goto out;

	g = bch2_trans_kmalloc(trans, sizeof(*g));
	ret = PTR_ERR_OR_ZERO(g);
	if (ret)
		goto out;
	bkey_init(&g->k);
	g->k.type = KEY_TYPE_bucket_gens;
	g->k.p	  = pos;
	set_bkey_val_bytes(&g->k, sizeof(g->v));
	memset(&g->v, 0, sizeof(g->v));
	if (k.k->type == KEY_TYPE_bucket_gens)
		bkey_val_copy(&g->v, k);
	g->v.gens[idx] = gen;
	ret = bch2_trans_update(trans, &iter, &g->k_i, 0);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}
