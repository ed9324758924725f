/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From options and a key to what is to be done for the key (spec 53 §4).
 */
#ifndef _BCACHEFS_DATA_RECONCILE_COMPUTE_H
#define _BCACHEFS_DATA_RECONCILE_COMPUTE_H

#include "bcachefs.h"
#include "data/io_opts.h"
#include "data/reconcile_format.h"

struct btree_trans;

/* What a key should carry. */
struct bch_reconcile_want {
	bool			changes;	/* it carries something else */
	bool			has_entry;
	struct bch_extent_reconcile entry;	/* even if it is not to be carried */
	int			placeholders;	/* to append; negative: to remove */
	u8			new_need;	/* work that the key does not record yet */
	bool			has_ec;		/* a pointer of it is in a stripe */
};

int bch2_reconcile_compute(struct btree_trans *trans, unsigned int level, struct bkey_s_c k,
			   const struct bch_io_opts *opts, struct bch_reconcile_want *w);
bool bch2_reconcile_permitted(const struct bch_fs *c);
int bch2_reconcile_permit(struct btree_trans *trans, unsigned int level);

/* Words that bch2_reconcile_apply() may add. */
unsigned int bch2_reconcile_apply_u64s(const struct bch_reconcile_want *w);
int bch2_reconcile_apply(struct bch_fs *c, struct bkey_i *k, const struct bch_reconcile_want *w);

bool bch2_stripe_wants_reconcile(struct bch_fs *c, struct bkey_s_c k);

#endif /* _BCACHEFS_DATA_RECONCILE_COMPUTE_H */
