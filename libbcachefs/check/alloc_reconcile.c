// SPDX-License-Identifier: GPL-2.0
/*
 * A key that has lost pointers records what is to be done about that (spec 43 §4.4,
 * 53 §4): its redundancy is restored in the background.
 *
 * The key is written without triggers, so its place in the queues of pending work
 * is changed here; the counters of pending work follow from the recount.
 */
#include <linux/err.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/allocations_priv.h"
#include "data/extents.h"
#include "data/io_opts.h"
#include "data/reconcile.h"
#include "data/reconcile_compute.h"
#include "data/reconcile_trigger.h"
#include "fs/inode.h"

static int key_opts(struct alloc_check *x, const struct bkey *k, struct bch_io_opts *opts)
{
	struct bch_inode_unpacked inode;
	struct btree_iter iter;
	struct bkey_s_c i;
	int ret;

	*opts = bch2_io_opts_fs(x->c);
	bch2_trans_iter_init(x->trans, &iter, BTREE_ID_inodes,
			     SPOS(0, k->p.inode, k->p.snapshot), 0);
	i = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(i);
	if (!ret && i.k && bkey_is_inode(i.k) && !bch2_inode_unpack(i, &inode))
		*opts = bch2_io_opts_inode(x->c, &inode);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* What is to be recorded; a longer copy, if need be. */
static int record(struct alloc_check *x, struct bkey_i **n)
{
	struct bch_reconcile_want w;
	struct bch_io_opts opts;
	struct bkey_i *copy;
	int ret = 0;

	if (x->btree == BTREE_ID_extents)
		ret = key_opts(x, &(*n)->k, &opts);
	else
		opts = bch2_io_opts_indirect(x->c, bkey_i_to_s_c(*n));
	ret = ret ?: bch2_reconcile_compute(x->trans, 0, bkey_i_to_s_c(*n), &opts, &w);
	if (ret || !w.changes)
		return ret;

	ret = bch2_reconcile_permit(x->trans, 0);
	if (ret)
		return ret;
	copy = bch2_bkey_copy_to_arena(x->trans, bkey_i_to_s_c(*n), bkey_bytes(&(*n)->k) +
				       bch2_reconcile_apply_u64s(&w) * sizeof(u64));
	if (IS_ERR(copy))
		return PTR_ERR(copy);
	*n = copy;
	return bch2_reconcile_apply(x->c, copy, &w);
}

/**
 * bch2_alloc_check_reconcile - what a repaired key has to record
 * @x:		check, at the place of the key
 * @old:	data key as it was
 * @n:		as it is going to be, in the arena; another copy afterwards, perhaps
 *
 * Returns 0, a restart, or an error.
 */
int bch2_alloc_check_reconcile(struct alloc_check *x, struct bkey_s_c old, struct bkey_i **n)
{
	int ret = 0;

	/* without a pointer to read from it is not going to stay */
	if (bch2_bkey_has_usable_ptr(x->c, bkey_i_to_s_c(*n), false))
		ret = record(x, n);
	return ret ?: bch2_reconcile_work_mod(x->trans, x->btree, old.k->p,
				bch2_bkey_reconcile_class(x->c, old),
				bch2_bkey_reconcile_class(x->c, bkey_i_to_s_c(*n)));
}
