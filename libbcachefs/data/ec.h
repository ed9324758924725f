/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Erasure coding, the reading side: parity arithmetic, and reconstruction of
 * data whose device is gone or bad (spec 52 §8, §9). The layout of stripe keys
 * is in data/stripes.h.
 */
#ifndef _BCACHEFS_DATA_EC_H
#define _BCACHEFS_DATA_EC_H

#include "bcachefs_format.h"
#include "btree/extent_entries.h"

struct bch_fs;

/* More than this is not read at once to reconstruct one extent. */
#define BCH_EC_READ_BYTES_MAX		(128U << 20)

void bch2_ec_parity(unsigned nr_data, unsigned nr_redundant, size_t bytes, void *const *blocks);
int bch2_ec_recover(unsigned nr_data, unsigned nr_redundant, u32 failed,
		    size_t bytes, void *const *blocks);

int bch2_ec_read_extent(struct bch_fs *c, const struct extent_ptr_decoded *p,
			u64 sector, u32 sectors, void *buf);

#endif /* _BCACHEFS_DATA_EC_H */
