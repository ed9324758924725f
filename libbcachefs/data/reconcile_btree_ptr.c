// SPDX-License-Identifier: GPL-2.0
/*
 * Pointers to new nodes record what is still to be done for them (spec 53 §8, 1):
 * copies that found no device, or one outside of the target.
 *
 * The number of a new node in reconcile_scan is chosen when its space is: its
 * pointer is in its parent, in the root record and in memory long before the
 * trigger that enters it there runs, and must be the same everywhere.
 */
#include <linux/err.h>

#include "bcachefs.h"
#include "btree/iter.h"
#include "data/io_opts.h"
#include "data/reconcile.h"
#include "data/reconcile_compute.h"
#include "data/reconcile_trigger.h"

/**
 * bch2_reconcile_btree_ptr - make a pointer to a node record its work
 * @trans:	transaction; may lose its locks
 * @k:		pointer; has room for the longest one
 * @fresh:	it is in no btree, and gets a number of its own
 *
 * Method btree_ptr_work of bch_fs.up. The level it will live at does not matter.
 * Returns 0, a restart, or an error.
 */
int bch2_reconcile_btree_ptr(struct btree_trans *trans, struct bkey_i *k, bool fresh)
{
	struct bch_fs *c = trans->c;
	const struct bch_io_opts opts = bch2_io_opts_metadata(c);
	enum bch_reconcile_work_id class;
	struct bch_reconcile_want w;
	u64 idx;
	int ret;

	ret = bch2_reconcile_compute(trans, 1, bkey_i_to_s_c(k), &opts, &w);
	if (ret || !w.changes)
		return ret;
	ret   = bch2_reconcile_permit(trans, 1) ?:
		bch2_reconcile_apply(c, k, &w);
	class = bch2_bkey_reconcile_class(c, bkey_i_to_s_c(k));
	if (ret || !fresh || class == RECONCILE_WORK_none)
		return ret;
	return  bch2_reconcile_node_idx_take(trans, class, &idx) ?:
		bch2_reconcile_node_set_idx(c, bkey_i_to_s(k), idx);
}
