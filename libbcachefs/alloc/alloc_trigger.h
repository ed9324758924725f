/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The alloc trigger (spec 40 §5): what follows in the indexes, in accounting and
 * in memory from a change of a bucket's key; and how other triggers change such
 * a key.
 */
#ifndef _BCACHEFS_ALLOC_ALLOC_TRIGGER_H
#define _BCACHEFS_ALLOC_ALLOC_TRIGGER_H

#include "bcachefs.h"
#include "btree/bkey.h"

struct btree_trans;

/*
 * The alloc key of @bucket as it will be when @trans commits, in the newest form,
 * already queued as an update with @update_flags: change it in place. Repeated
 * calls in one transaction give the same key. The alloc trigger runs once, last.
 * ERR_PTR: restart, error, or no such bucket.
 */
struct bkey_i_alloc_v4 *bch2_trans_start_alloc_update(struct btree_trans *trans,
						      struct bpos bucket,
						      unsigned int update_flags);

int bch2_alloc_accounting_change(struct btree_trans *trans, bool gc, const struct bch_dev *ca,
				 const struct bch_alloc_v4 *o, const struct bch_alloc_v4 *n);
int bch2_trigger_alloc(struct btree_trans *trans, enum btree_id btree, unsigned int level,
		       struct bkey_s_c old, struct bkey_s new_key, unsigned int flags);

/* Generations in memory: one byte per bucket; readers take no lock. */
int bch2_dev_bucket_gens_init(struct bch_dev *ca);
int bch2_dev_bucket_gens_resize(struct bch_dev *ca, u64 nbuckets);
void bch2_dev_bucket_gens_exit(struct bch_dev *ca);
u8 bch2_bucket_gen(const struct bch_dev *ca, u64 bucket);
void bch2_bucket_gen_set(struct bch_dev *ca, u64 bucket, u8 gen);
/* Pass alloc_read (spec 43 §3). */
int bch2_alloc_read(struct bch_fs *c);

/* Derive data_type anew with a hint (spec 40 §3.1). */
void bch2_alloc_data_type_set(struct bch_alloc_v4 *a, unsigned int hint);

#endif /* _BCACHEFS_ALLOC_ALLOC_TRIGGER_H */
