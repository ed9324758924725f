/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checks of the indexes that are derived from alloc keys and stripes (spec 43
 * §6, §7, §9): freespace, need_discard, bucket_gens, lru, bucket_to_stripe.
 *
 * The alloc key (the stripe) is taken as truth, the index follows. Every repair
 * is a transaction of its own; with option nochanges it goes into the overlay
 * only. They may run while others commit: what is found is looked at again under
 * the locks of one transaction before it is reported.
 */
#ifndef _BCACHEFS_CHECK_ALLOC_CHECKS_H
#define _BCACHEFS_CHECK_ALLOC_CHECKS_H

#include "bcachefs.h"
#include "btree/trans.h"
#include "btree/write_buffer.h"
#include "sb/members.h"

/* Recovery passes. 0, or why the check could not go on. */
int bch2_check_alloc_info(struct bch_fs *c);
int bch2_check_lrus(struct bch_fs *c);
int bch2_check_alloc_to_lru_refs(struct bch_fs *c);

/* --- for the files of these checks --- */

/* The member that has @bucket; NULL: there is no such device or bucket. */
static inline struct bch_dev *bch2_check_bucket_dev(const struct bch_fs *c, struct bpos bucket)
{
	struct bch_dev *ca = bucket.inode < BCH_SB_MEMBERS_MAX ? bch2_dev(c, bucket.inode) : NULL;

	return ca && bucket_valid(ca, bucket.offset) ? ca : NULL;
}

/*
 * An entry of an index and what it belongs to. Both btrees are walked in their
 * own order: entries are collected from one, sorted, and looked up in the other.
 */
struct check_pair {
	struct bpos		index;
	struct bpos		object;
};

/* At most so many at a time: 40 bytes each. */
#define CHECK_PAIRS_MAX		(1U << 16)

enum check_pairs_order {
	CHECK_PAIRS_by_index,
	CHECK_PAIRS_by_object,
};

/* State of one comparison of two btrees. */
struct index_check {
	struct btree_trans	*trans;
	struct bch_fs		*c;
	struct wb_maybe_flush	wb;
	struct check_pair	*pairs;
	u32			nr;
};

/* Compare one pair; queue the repair. 0, a restart, or an error. */
typedef int (*check_pair_fn)(struct index_check *x, const struct check_pair *p);
/* What the key @k gives cause to compare: up to CHECK_PAIRS_PER_KEY pairs. */
#define CHECK_PAIRS_PER_KEY	32
typedef unsigned (*check_collect_fn)(struct index_check *x, struct bkey_s_c k,
				     struct check_pair *p);

int bch2_index_check_init(struct index_check *x, struct btree_trans *trans);
void bch2_index_check_exit(struct index_check *x);

static inline bool bch2_check_pairs_full(const struct index_check *x)
{
	return x->nr + CHECK_PAIRS_PER_KEY > CHECK_PAIRS_MAX;
}

/* Only if not full. */
static inline void bch2_check_pairs_add(struct index_check *x, struct bpos index,
					struct bpos object)
{
	x->pairs[x->nr++] = (struct check_pair) { .index = index, .object = object };
}

/* Compare what was collected; afterwards there is nothing collected. */
int bch2_check_pairs_run(struct index_check *x, enum check_pairs_order order, check_pair_fn fn);
/* All keys of @btree: collect, compare. */
int bch2_check_btree_pairs(struct index_check *x, unsigned btree, check_collect_fn collect,
			   enum check_pairs_order order, check_pair_fn fn);

/* Is there a key @pos of @btree? 1, 0, or an error. */
int bch2_check_key_exists(struct btree_trans *trans, unsigned btree, struct bpos pos);
/* Is it of type set? */
int bch2_check_bit_is_set(struct btree_trans *trans, unsigned btree, struct bpos pos);

/* need_discard.c */
int bch2_check_need_discard_missing(struct index_check *x, const struct check_pair *p);
int bch2_check_need_discard_entries(struct index_check *x);
/* freespace_entries.c */
int bch2_check_freespace_entries(struct btree_trans *trans);
int bch2_check_bucket_gens_entries(struct btree_trans *trans);
/* stripe_refs.c */
int bch2_check_stripe_refs(struct index_check *x);

#endif /* _BCACHEFS_CHECK_ALLOC_CHECKS_H */
