// SPDX-License-Identifier: GPL-2.0
/*
 * Work by device address: reconcile_work_phys and reconcile_hipri_phys against
 * flags of backpointers (spec 53 §7.2). All three have the same order. Whether the
 * flags are right is the business of the checks of backpointers.
 */
#include <linux/err.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/fsck_err_trans.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/reconcile.h"
#include "data/reconcile.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* Classes that have such a btree are 1 and 2; [0] are the backpointers. */
#define PHYS_NR			(RECONCILE_WORK_normal + 1)

static unsigned class_wanted(struct bkey_s_c bp)
{
	unsigned class = 0;

	if (bp.k && bp.k->type == KEY_TYPE_backpointer)
		class = BACKPOINTER_RECONCILE_PHYS(bkey_val(bp, backpointer));
	return class < PHYS_NR ? class : 0;
}

static int phys_report(struct reconcile_check *x, struct bpos pos, struct bkey_s_c bp,
		       unsigned wanted, unsigned present)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	prt_str(&buf, "work by device address is wrong at ");
	bch2_bpos_to_text(&buf, pos);
	for (unsigned i = 1; i < PHYS_NR; i++)
		if (!!(present & BIT(i)) != (i == wanted))
			prt_printf(&buf, "\n%s in %s", i == wanted ? "missing" : "set",
				   bch2_btree_id_name(bch2_reconcile_class_btree(i, true)));
	if (bp.k) {
		prt_char(&buf, '\n');
		bch2_bkey_val_to_text(&buf, x->c, bp);
	}

	if (!fsck_err_trans(x->trans, reconcile_work_phys_incorrectly_set, "%s",
			    printbuf_str(&buf)))
		return 0;
	for (unsigned i = 1; !ret && i < PHYS_NR; i++)
		if (!!(present & BIT(i)) != (i == wanted))
			ret = bch2_btree_bit_mod_buffered(x->trans,
					bch2_reconcile_class_btree(i, true), pos, i == wanted);
fsck_err:
	return ret;
}

static int phys_check(struct reconcile_check *x, struct bpos pos, const struct bkey_s_c *k)
{
	const unsigned wanted = class_wanted(k[0]);
	struct bkey_s_c referring = k[0];
	unsigned present = 0;

	for (unsigned i = 1; i < PHYS_NR; i++)
		if (k[i].k) {
			present |= BIT(i);
			if (!referring.k)
				referring = k[i];
		}
	if (present == (wanted ? BIT(wanted) : 0))
		return 0;
	return  bch2_btree_write_buffer_maybe_flush(x->trans, referring, &x->wb) ?:
		phys_report(x, pos, k[0], wanted, present);
}

/* 1: there may be more behind *pos; 0: the end. */
static int phys_one(struct reconcile_check *x, struct bpos *pos)
{
	struct bkey_s_c k[PHYS_NR];
	struct bpos first = SPOS_MAX;
	bool found = false;
	int ret;

	for (unsigned i = 0; i < PHYS_NR; i++) {
		bch2_btree_iter_set_pos(x->iters + i, *pos);
		k[i] = bch2_btree_iter_peek(x->iters + i);
		ret = bkey_err(k[i]);
		if (ret)
			return ret;
		if (k[i].k) {
			first = bpos_min(first, k[i].k->p);
			found = true;
		}
	}
	if (!found)
		return 0;
	for (unsigned i = 0; i < PHYS_NR; i++)
		if (k[i].k && !bkey_eq(k[i].k->p, first))
			k[i] = bkey_s_c_null;

	ret = bch2_trans_interrupted(x->trans) ?: phys_check(x, first, k);
	if (!ret && bch2_trans_has_updates(x->trans))
		ret = bch2_trans_commit(x->trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc);
	if (ret || bkey_eq(first, POS_MAX))
		return ret;
	*pos = bpos_nosnap_successor(first);
	return 1;
}

/**
 * bch2_reconcile_check_phys - compare flags of backpointers with what they cause
 * @x:	check
 *
 * Return: 0 or an error.
 */
int bch2_reconcile_check_phys(struct reconcile_check *x)
{
	struct bpos pos = POS_MIN;
	int ret;

	for (unsigned i = 0; i < PHYS_NR; i++)
		bch2_trans_iter_init(x->trans, x->iters + i,
				     i ? bch2_reconcile_class_btree(i, true)
				       : BTREE_ID_backpointers, POS_MIN,
				     BTREE_ITER_all_snapshots|BTREE_ITER_prefetch);
	do {
		ret = lockrestart_do(x->trans, phys_one(x, &pos));
		wb_maybe_flush_inc(&x->wb);
	} while (ret > 0);
	for (unsigned i = 0; i < PHYS_NR; i++)
		bch2_trans_iter_exit(x->iters + i);
	return ret;
}
