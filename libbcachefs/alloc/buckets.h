/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Triggers of keys that point to data (spec 50 §12, 40 §5.4, 41 §5.1): what a
 * pointer means for its bucket, for backpointers and for accounting.
 */
#ifndef _BCACHEFS_ALLOC_BUCKETS_H
#define _BCACHEFS_ALLOC_BUCKETS_H

#include "bcachefs.h"
#include "btree/bkey.h"

struct btree_trans;
struct extent_ptr_decoded;

/* btree_ptr, btree_ptr_v2, extent, reflink_v (pointers only) */
int bch2_trigger_extent(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			struct bkey_s_c old, struct bkey_s new_key, unsigned int flags);
int bch2_trigger_reservation(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			     struct bkey_s_c old, struct bkey_s new_key, unsigned int flags);

/*
 * Pointer @p of @k comes (@sectors > 0) or goes: check it against the bucket, and
 * add to the counter of @a that it belongs in. 0: done; 1: stale, counts nowhere;
 * negative: refused.
 */
int bch2_bucket_ref_update(struct btree_trans *trans, struct bch_dev *ca, struct bkey_s_c k,
			   const struct extent_ptr_decoded *p, s64 sectors,
			   unsigned int ptr_data_type, struct bch_alloc_v4 *a, bool insert);

#endif /* _BCACHEFS_ALLOC_BUCKETS_H */
