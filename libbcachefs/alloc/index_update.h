/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes of the index btrees of allocation (spec 42) within a transaction:
 * backpointers, lru, freespace, need_discard, bucket_gens, bucket_to_stripe.
 */
#ifndef _BCACHEFS_ALLOC_INDEX_UPDATE_H
#define _BCACHEFS_ALLOC_INDEX_UPDATE_H

#include "bcachefs.h"
#include "btree/bkey.h"

struct backpointer_key;
struct btree_trans;

/* backpointer_update.c */
int bch2_bucket_backpointer_mod(struct btree_trans *trans, const struct backpointer_key *bp,
				bool insert);
int bch2_bucket_to_stripe_mod(struct btree_trans *trans, struct bpos bucket, u64 stripe,
			      bool insert);

/* lru_update.c: move @object from one time to another; 0 means "not in the list" */
int bch2_lru_change(struct btree_trans *trans, u16 lru_id, u64 object, u64 old_time,
		    u64 new_time);

/* freespace_update.c */
int bch2_freespace_mod(struct btree_trans *trans, struct bch_dev *ca, struct bpos bucket,
		       const struct bch_alloc_v4 *a, bool set);
/* Words a need_discard change may append in the atomic half: two keys (ND-4). */
#define NEED_DISCARD_EXTRA_U64s		(2 * (1 + BKEY_U64s))
/* Atomic half only: cannot fail, room was reserved (ND-3). */
void bch2_need_discard_mod_atomic(struct btree_trans *trans, struct bpos bucket,
				  u64 journal_seq, bool set);
int bch2_bucket_gens_mod(struct btree_trans *trans, struct bpos bucket, u8 gen);

#endif /* _BCACHEFS_ALLOC_INDEX_UPDATE_H */
