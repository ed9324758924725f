/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checks of backpointers (spec 43 §8): that their buckets exist, that the keys
 * they name point back, that every pointer has one.
 *
 * Alloc keys and pointers are taken as truth, the index follows. Lookups go in
 * the order of the btree that is looked at: sorted batches, windows of the index
 * held in memory. Memory is bounded by a part of the machine's. Repairs are
 * transactions; nothing is reported before the write buffer was flushed.
 */
#ifndef _BCACHEFS_CHECK_BACKPOINTERS_H
#define _BCACHEFS_CHECK_BACKPOINTERS_H

#include "bcachefs.h"
#include "alloc/backpointers.h"
#include "btree/bkey_buf.h"
#include "btree/trans.h"
#include "btree/write_buffer.h"
#include "sb/members.h"
#include "util/darray.h"

/* Recovery passes. 0, or why the check could not go on. */
int bch2_check_btree_backpointers(struct bch_fs *c);
int bch2_check_backpointers_to_extents(struct bch_fs *c);
int bch2_check_extents_to_backpointers(struct bch_fs *c);

/* --- for the files of these checks --- */

/* A backpointer found. */
struct bp_entry {
	struct bpos		pos;
	struct bch_backpointer	v;
};

typedef DARRAY(struct bp_entry) bp_entries;

/* Buckets of one device that have to be looked at; one bit each. */
struct bp_dev {
	unsigned long		*mismatch;	/* sums differ from the alloc key */
	unsigned long		*empty;		/* and there are no backpointers */
};

struct bp_check {
	struct bch_fs		*c;
	struct btree_trans	*trans;
	struct wb_maybe_flush	wb;

	unsigned		shift;		/* that positions are understood with */
	bool			other_shift;	/* and it is not the superblock's */
	bool			old_layout;	/* before 1.14 */
	u32			flags_mask;	/* flags that must be as expected */
	bool			may_repair;

	/* check_extents_to_backpointers */
	struct bp_dev		*devs;		/* by member */
	u64			nr_buckets;
	u64			nr_mismatch;
	u64			nr_empty;
	struct bpos		window_start;	/* positions that are in .window */
	struct bpos		window_end;
	bp_entries		window;
};

int bch2_bp_check_init(struct bp_check *x, struct btree_trans *trans);
void bch2_bp_check_exit(struct bp_check *x);

/* How a backpointer compares with what a pointer calls for. */
enum bp_match {
	BP_differs,
	BP_leftover,		/* but for bits that older software left there */
	BP_same,
};

enum bp_match bch2_bp_compare(const struct bp_check *x, const struct bch_backpointer *found,
			      const struct bch_backpointer *want);

/* The member and bucket of a backpointer's position; NULL: there is none. */
static inline struct bch_dev *bch2_bp_bucket(const struct bp_check *x, struct bpos pos,
					     u64 *bucket)
{
	struct bch_dev *ca = pos.inode < BCH_SB_MEMBERS_MAX ? bch2_dev(x->c, pos.inode) : NULL;

	if (!ca)
		return NULL;
	*bucket = backpointer_pos_bucket(pos, x->shift, ca->mi.bucket_size).offset;
	return bucket_valid(ca, *bucket) ? ca : NULL;
}

/* backpointer_target.c */
int bch2_bp_target(struct bp_check *x, bool stripe_btree, const struct bp_entry *bp,
		   struct bkey_buf *target, enum bp_match *match);
int bch2_bp_delete(struct bp_check *x, unsigned btree, struct bpos pos);

/* backpointers.c: only the entries at [start, end] of btree 13; flushed afterwards */
int bch2_bp_check_range(struct bp_check *x, struct bpos start, struct bpos end);

/* extents_to_backpointers.c: bits of .devs */
static inline bool bch2_bp_bit(const unsigned long *bits, u64 bucket)
{
	return bits && (bits[bucket / BITS_PER_LONG] >> (bucket % BITS_PER_LONG)) & 1;
}

/* pointers_to_backpointers.c: every pointer into a bucket of .devs */
int bch2_bp_check_pointers(struct bp_check *x);

/*
 * backpointer_conflict.c: @k and @other, which @found belongs to, both point to the
 * place that @want is about.
 */
int bch2_bp_conflict(struct bp_check *x, struct bkey_s_c k, const struct backpointer_key *want,
		     const struct bp_entry *found, struct bkey_buf *other);

#endif /* _BCACHEFS_CHECK_BACKPOINTERS_H */
