/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Taking pointers out of a key (spec 50 section 5).
 */
#ifndef _BCACHEFS_DATA_EXTENT_DROP_H
#define _BCACHEFS_DATA_EXTENT_DROP_H

#include <linux/types.h>

struct bch_fs;
struct bkey_i;
struct extent_ptr_decoded;

typedef bool (*extent_drop_fn)(const struct extent_ptr_decoded *p, void *arg);

unsigned int bch2_bkey_drop_ptrs(struct bch_fs *c, struct bkey_i *k, extent_drop_fn drop,
				 void *arg);
/* Only the stripe entries of these pointers. */
unsigned int bch2_bkey_drop_stripe_entries(struct bch_fs *c, struct bkey_i *k,
					   extent_drop_fn drop, void *arg);

#endif /* _BCACHEFS_DATA_EXTENT_DROP_H */
