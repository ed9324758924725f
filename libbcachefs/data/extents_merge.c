// SPDX-License-Identifier: GPL-2.0
/*
 * When two neighbouring keys of extent btrees say the same as one larger key would
 * (spec 50 section 5.4). Called through bch2_bkey_merge(), which has compared
 * types, versions, positions and sizes. Keys that point to data stay as they are:
 * nobody has to merge.
 */
#include "bcachefs.h"
#include "btree/bkey.h"
#include "data/extents.h"

/** bch2_set_merge - bits side by side, in freespace: @l covers @r too. Always true */
bool bch2_set_merge(struct bch_fs *c, struct bkey_s l, struct bkey_s_c r)
{
	l.k->size += r.k->size;
	return true;
}

/** bch2_reservation_merge - space promised by the same write. True if merged */
bool bch2_reservation_merge(struct bch_fs *c, struct bkey_s l, struct bkey_s_c r)
{
	const struct bch_reservation *a = (const struct bch_reservation *) l.v;
	const struct bch_reservation *b = (const struct bch_reservation *) r.v;

	if (a->generation != b->generation || a->nr_replicas != b->nr_replicas)
		return false;
	l.k->size += r.k->size;
	return true;
}
