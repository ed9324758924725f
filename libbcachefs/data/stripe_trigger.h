/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What follows from a change of a stripe key: its blocks' buckets, references,
 * backpointers, its place in the lru and accounting (spec 52 §4-§6).
 */
#ifndef _BCACHEFS_DATA_STRIPE_TRIGGER_H
#define _BCACHEFS_DATA_STRIPE_TRIGGER_H

#include "bcachefs.h"
#include "btree/bkey.h"

struct btree_trans;
struct extent_ptr_decoded;
struct bch_replicas_padded;

int bch2_trigger_stripe(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			struct bkey_s_c old, struct bkey_s new_key, unsigned int flags);

/*
 * Add @sectors to the live sectors of the block that @p names, and say under
 * which replicas name (of type @data_type) they count. 0, 1 if the stripe does
 * not exist or does not match (counted), or an error.
 */
int bch2_trigger_stripe_ptr(struct btree_trans *trans, struct bkey_s_c k,
			    const struct extent_ptr_decoded *p, unsigned int data_type,
			    s64 sectors, unsigned int flags, struct bch_replicas_padded *r);

/* Devices that a stripe of this geometry could be widened to (spec 52 §4.3). */
unsigned int bch2_stripe_can_widen_compute(struct bch_fs *c, struct bkey_s_c k);

#endif /* _BCACHEFS_DATA_STRIPE_TRIGGER_H */
