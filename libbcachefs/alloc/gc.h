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

struct bch_replicas_padded;
struct btree_trans;
struct extent_ptr_decoded;

int bch2_gc_alloc(struct bch_fs *c);
void bch2_gc_free(struct bch_fs *c);

/* Marks; c->gc->lock is taken inside. */
int bch2_gc_mark_key(struct btree_trans *trans, enum btree_id btree, unsigned int level,
		     struct bkey_s_c k);
void bch2_gc_mark_alloc(struct bch_fs *c, struct bkey_s_c k);
int bch2_gc_mark_sbs(struct btree_trans *trans);
/* The record of a bucket gets a type, perhaps nothing in it; counters follow. */
int bch2_gc_bucket_set_type(struct btree_trans *trans, struct bch_dev *ca, u64 bucket,
			    unsigned int data_type, bool empty);

/* --- everything (gc_walk.c) --- */

typedef int (*bch2_gc_visit_fn)(struct btree_trans *trans, enum btree_id btree,
				unsigned int level, struct bkey_s_c k, void *arg);

enum bch2_gc_walk_flags {
	BCH_GC_WALK_all_leaves	= 1U << 0,	/* else only those that count for something */
};

int bch2_gc_walk(struct btree_trans *trans, unsigned int flags, bch2_gc_visit_fn fn, void *arg);
int bch2_gc_count(struct btree_trans *trans);

/* For the triggers: the same, or as named. Negative @sectors take away. */
int bch2_gc_bucket_ref(struct btree_trans *trans, struct bch_dev *ca, u64 bucket,
		       struct bkey_s_c k, const struct extent_ptr_decoded *p, s64 sectors,
		       unsigned int ptr_data_type, bool insert);
int bch2_gc_stripe_bucket(struct btree_trans *trans, struct bch_dev *ca, u64 bucket,
			  unsigned int data_type, s64 sectors, bool insert);
int bch2_gc_mark_stripe(struct bch_fs *c, struct bkey_s_c k);
void bch2_gc_forget_stripe(struct bch_fs *c, u64 idx);
/* 0: counted, @r is the name; 1: no such stripe, or not that of @p. */
int bch2_gc_stripe_ptr(struct bch_fs *c, const struct extent_ptr_decoded *p,
		       unsigned int data_type, s64 sectors, struct bch_replicas_padded *r);
/* One more (or less) reference on what overlaps [start, end) of the reflink btree. */
void bch2_gc_indirect_ref(struct bch_fs *c, u64 start, u64 end, int sign);

/* What was counted; NULL: no such bucket, stripe, extent. */
struct bucket_gc *bch2_gc_bucket(struct bch_fs *c, unsigned int dev, u64 bucket);
struct gc_stripe *bch2_gc_stripe(struct bch_fs *c, u64 idx);
bool bch2_gc_stripe_matches(const struct gc_stripe *s, const struct extent_ptr_decoded *p);
/* The first shared extent that ends behind @idx. */
struct gc_indirect *bch2_gc_indirect(struct bch_fs *c, u64 idx);

/*
 * The alloc value that @old should be replaced by (spec 43 §4.6, steps 1 and 2);
 * adjusts the counted dev_data_type from the record to it.
 */
int bch2_gc_bucket_finish(struct btree_trans *trans, struct bch_dev *ca, u64 bucket,
			  const struct bch_alloc_v4 *old, struct bch_alloc_v4 *result);

#endif /* _BCACHEFS_ALLOC_GC_H */
