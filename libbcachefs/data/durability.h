/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How many failures the copies of a key survive (spec 50 §6.4).
 */
#ifndef _BCACHEFS_DATA_DURABILITY_H
#define _BCACHEFS_DATA_DURABILITY_H

#include "bcachefs.h"
#include "btree/bkey.h"

struct btree_trans;

struct bch_durability {
	unsigned int		total;	/* each device once, those that are left */
	unsigned int		acct;	/* as asked for: devices count that are being left */
	unsigned int		min;	/* what the weakest copy adds to it */
};

/* Is the device there, and to stay? */
bool bch2_dev_stays(const struct bch_fs *c, unsigned int dev);
int bch2_bkey_durability(struct btree_trans *trans, struct bkey_s_c k, struct bch_durability *d);

#endif /* _BCACHEFS_DATA_DURABILITY_H */
