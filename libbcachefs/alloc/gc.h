/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Recounting allocations (spec 43 §4): every key is marked once, in gc mode;
 * afterwards the tables say what buckets, stripes, shared extents and counters
 * should hold. check_allocations walks and repairs; here is what it counts with.
 */
#ifndef _BCACHEFS_ALLOC_GC_H
#define _BCACHEFS_ALLOC_GC_H

#include "bcachefs.h"
#include "alloc/gc_types.h"
#include "btree/bkey.h"

struct btree_trans;

int bch2_gc_alloc(struct bch_fs *c);
void bch2_gc_free(struct bch_fs *c);

/* Marks; c->gc->lock is taken inside. */
int bch2_gc_mark_key(struct btree_trans *trans, enum btree_id btree, unsigned int level,
		     struct bkey_s_c k);
int bch2_gc_mark_dev_sb(struct bch_fs *c, struct bch_dev *ca);
int bch2_gc_add_indirect(struct bch_fs *c, struct bkey_s_c k);

/* What was counted; NULL: no such bucket, stripe, extent. */
struct bucket_gc *bch2_gc_bucket(struct bch_fs *c, unsigned int dev, u64 bucket);
struct gc_stripe *bch2_gc_stripe(struct bch_fs *c, u64 idx);
/* The first shared extent that ends behind @idx. */
struct gc_indirect *bch2_gc_indirect(struct bch_fs *c, u64 idx);

/*
 * The alloc value that @old should be replaced by (spec 43 §4.6, steps 1 and 2);
 * adjusts the counted dev_data_type from the record to it.
 */
int bch2_gc_bucket_finish(struct btree_trans *trans, struct bch_dev *ca, u64 bucket,
			  const struct bch_alloc_v4 *old, struct bch_alloc_v4 *result);

#endif /* _BCACHEFS_ALLOC_GC_H */
