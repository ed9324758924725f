// SPDX-License-Identifier: GPL-2.0
/*
 * Entries that lead from a place on a device to the keys that use it: changed in
 * the transaction of the key (spec 42 §6.5, §7, §8; 53 §2.2).
 *
 * The updates are blind: setting what is there and deleting what is not there
 * are no errors.
 */
#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/backpointers.h"
#include "alloc/index_update.h"
#include "btree/update.h"
#include "data/reconcile.h"
#include "util/bpos.h"

/* The entry of physical reconcile work that goes with a backpointer (spec 53 §2.2). */
static int phys_work_mod(struct btree_trans *trans, const struct backpointer_key *bp, bool insert)
{
	const unsigned int class = BACKPOINTER_RECONCILE_PHYS(&bp->v);
	const int btree = bch2_reconcile_class_btree(class, true);

	return btree < 0 ? 0 : bch2_btree_bit_mod_buffered(trans, btree, bp->pos, insert);
}

/**
 * bch2_bucket_backpointer_mod - a pointer comes or goes
 * @trans:	transaction
 * @bp:		its backpointer
 * @insert:	comes
 *
 * Returns 0, a restart, or no memory.
 */
int bch2_bucket_backpointer_mod(struct btree_trans *trans, const struct backpointer_key *bp,
				bool insert)
{
	struct bkey_i_backpointer k;
	int ret;

	bkey_init(&k.k);
	k.k.p = bp->pos;
	if (insert) {
		k.k.type = KEY_TYPE_backpointer;
		set_bkey_val_bytes(&k.k, sizeof(k.v));
		k.v = bp->v;
	}
	ret = bch2_trans_update_buffered(trans, bp->stripe_btree ? BTREE_ID_stripe_backpointers
								 : BTREE_ID_backpointers, &k.k_i);
	return ret ?: phys_work_mod(trans, bp, insert);
}

/**
 * bch2_bucket_to_stripe_mod - a block of a stripe comes to or leaves a bucket
 * @trans:	transaction
 * @bucket:	device and bucket number
 * @stripe:	number of the stripe
 * @insert:	comes
 *
 * Returns 0, a restart, or an error.
 */
int bch2_bucket_to_stripe_mod(struct btree_trans *trans, struct bpos bucket, u64 stripe,
			      bool insert)
{
	return bch2_btree_bit_mod(trans, BTREE_ID_bucket_to_stripe,
				  POS(bucket_to_u64(bucket), stripe), insert);
}
