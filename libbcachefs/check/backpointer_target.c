// SPDX-License-Identifier: GPL-2.0
/*
 * The key a backpointer names, and whether it points back (spec 42 §6.2, 43 §8.2).
 *
 * What counts as equal depends on who may have written the entry: bits that older
 * software left in its flags mean nothing (spec 42 §6.3).
 */
#include <linux/err.h>
#include <linux/math.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/extent_entries.h"
#include "btree/interior.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/backpointers.h"
#include "util/bpos.h"
#include "util/log.h"

/* --- state of a check --- */

/* Flags that software which knew the filesystem's version has written (spec 42 §6.2). */
static u32 flags_known(u16 version)
{
	if (version < BCH_VERSION(1, 33))
		return 0;
	return version < BCH_VERSION(1, 37) ? 0x3 : 0xf;
}

/**
 * bch2_bp_check_init - begin a check
 * @x:		state; freed by bch2_bp_check_exit() in any case
 * @trans:	transaction
 *
 * Finds out which shift the entries use (spec 42 §6.1).
 *
 * Return: 0 or an error.
 */
int bch2_bp_check_init(struct bp_check *x, struct btree_trans *trans)
{
	struct bch_fs *c = trans->c;
	const u16 version = c->sb.version_upgrade_complete;

	memset(x, 0, sizeof(*x));
	x->c		= c;
	x->trans	= trans;
	x->old_layout	= version < BCH_VERSION(1, 14);
	x->flags_mask	= flags_known(version);
	x->may_repair	= !c->opts.nochanges && c->opts.fix_errors != FSCK_FIX_no;
	wb_maybe_flush_init(&x->wb);
	return lockrestart_do(trans, bch2_backpointer_shift_detect(trans, &x->shift)) ?:
		(x->other_shift = x->shift != bch2_backpointer_shift(c), 0);
}

/**
 * bch2_bp_check_exit - end of a check
 * @x:	state
 */
void bch2_bp_check_exit(struct bp_check *x)
{
	wb_maybe_flush_exit(&x->wb);
	darray_exit(&x->window);
}

/* --- comparing --- */

/**
 * bch2_bp_compare - is a backpointer what a pointer calls for?
 * @x:		check
 * @found:	what is there
 * @want:	what should be
 */
enum bp_match bch2_bp_compare(const struct bp_check *x, const struct bch_backpointer *found,
			      const struct bch_backpointer *want)
{
	const u32 flags = le32_to_cpu(found->flags) ^ le32_to_cpu(want->flags);
	struct bch_backpointer f = *found;

	f.flags = want->flags;
	if (memcmp(&f, want, sizeof(f)) || (flags & x->flags_mask))
		return BP_differs;
	return flags ? BP_leftover : BP_same;
}

/* Does a pointer of @k call for @bp? */
static enum bp_match key_match(struct bp_check *x, bool stripe_btree, const struct bp_entry *bp,
			       struct bkey_s_c k)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(x->c, k);
	const union bch_extent_entry *entry;
	enum bp_match ret = BP_differs;
	struct extent_ptr_decoded p;

	if (!bkey_type_has_ptrs(k.k->type))
		return BP_differs;

	bkey_for_each_ptr_decode(k.k, ptrs, p, entry) {
		struct backpointer_key want;

		if (EXTENT_PTR_DEV(&p.ptr) == BCH_SB_MEMBER_INVALID && !p.has_ec)
			continue;
		want = bch2_ptr_to_backpointer(x->c, bp->v.btree_id, bp->v.level, k, &p,
					       x->shift);
		if (want.stripe_btree == stripe_btree && bpos_eq(want.pos, bp->pos)) {
			const enum bp_match m = bch2_bp_compare(x, &bp->v, &want.v);

			ret = m > ret ? m : ret;
		}
	}
	return ret;
}

/* --- fetching --- */

/* The pointer to the root, if that is what is looked for. */
static int root_get(struct bp_check *x, const struct bp_entry *bp, struct bkey_buf *target)
{
	struct btree_root *r = &x->c->btree.roots[bp->v.btree_id];
	int ret = bch2_bkey_buf_realloc(target, BKEY_U64s_MAX);

	if (ret)
		return ret;
	spin_lock(&x->c->btree.root_lock);
	if (r->b && !r->fake && bp->v.level == r->level + 1 && r->key.k.u64s > BKEY_U64s &&
	    bpos_eq(r->key.k.p, bp->v.pos))
		bkey_copy(target->k, &r->key);
	spin_unlock(&x->c->btree.root_lock);
	return 0;
}

static int target_key_get(struct bp_check *x, const struct bp_entry *bp, struct bkey_buf *target)
{
	const unsigned flags = BTREE_ITER_all_snapshots|BTREE_ITER_not_extents;
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	if (bp->v.level)
		bch2_trans_node_iter_init(x->trans, &iter, bp->v.btree_id, bp->v.pos, 0,
					  bp->v.level, flags);
	else
		bch2_trans_iter_init(x->trans, &iter, bp->v.btree_id, bp->v.pos, flags);
	k = bch2_btree_iter_peek_max(&iter, bp->v.pos);
	ret = bkey_err(k);
	if (!ret && k.k && bpos_eq(k.k->p, bp->v.pos))
		ret = bch2_bkey_buf_reassemble(target, k);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/*
 * The node below may be newer than the pointer that its parent has: what counts is
 * the pointer it has now. @unreachable: it is being written, nobody can judge.
 */
static int node_key_get(struct bp_check *x, const struct bp_entry *bp, struct bkey_buf *target,
			bool *unreachable)
{
	struct btree_iter iter;
	struct btree *b;
	int ret;

	*unreachable = false;
	bch2_trans_node_iter_init(x->trans, &iter, bp->v.btree_id, bp->v.pos, 0,
				  bp->v.level - 1, 0);
	b = bch2_btree_iter_peek_node(&iter);
	ret = PTR_ERR_OR_ZERO(b);
	if (!ret && b && bpos_eq(b->key.k.p, bp->v.pos)) {
		*unreachable = test_bit(BTREE_NODE_will_make_reachable, &b->flags);
		ret = bch2_bkey_buf_copy(target, &b->key);
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* 0: judge; 1: what is there cannot be read; or an error that ends the check. */
static int unreadable(int err)
{
	return !err || bch2_err_matches(err, BCH_ERR_transaction_restart) ||
		bch2_err_matches(err, ENOMEM) ? err : 1;
}

static int node_target(struct bp_check *x, const struct bp_entry *bp, struct bkey_buf *target,
		       enum bp_match *match)
{
	bool unreachable;
	int ret;

	/* index updates of new nodes come late: spec 43 §2 */
	if (bch2_btree_interior_updates_pending(x->c)) {
		bch2_trans_unlock_long(x->trans);
		bch2_btree_interior_updates_flush(x->c);
		return bch2_trans_restart(x->trans,
					  BCH_ERR_transaction_restart_write_buffer_flush);
	}
	ret = unreadable(node_key_get(x, bp, target, &unreachable));
	if (ret)
		return ret;
	*match = unreachable ? BP_same : key_match(x, false, bp, bkey_i_to_s_c(target->k));
	return 0;
}

/**
 * bch2_bp_target - fetch the key that a backpointer names
 * @x:		check
 * @stripe_btree: the backpointer is from stripe_backpointers
 * @bp:		backpointer
 * @target:	result: a copy; type deleted if there is no such key
 * @match:	result: does it point back?
 *
 * To be called again after a restart.
 *
 * Return: 0; 1: it cannot be judged - an unknown btree, or one that cannot be read
 * there; a restart or an error.
 */
int bch2_bp_target(struct bp_check *x, bool stripe_btree, const struct bp_entry *bp,
		   struct bkey_buf *target, enum bp_match *match)
{
	const struct btree_root *r;
	int ret;

	*match = BP_differs;
	bkey_init(&target->k->k);
	if (bp->v.btree_id >= BTREE_ID_NR)
		return 1;
	r = &x->c->btree.roots[bp->v.btree_id];
	if (r->error || !r->b)
		return 1;

	if (bp->v.level > r->level)
		ret = root_get(x, bp, target);
	else
		ret = unreadable(target_key_get(x, bp, target));
	if (ret)
		return ret;

	*match = key_match(x, stripe_btree, bp, bkey_i_to_s_c(target->k));
	if (*match == BP_differs && bp->v.level && bp->v.level <= r->level + 1U)
		ret = node_target(x, bp, target, match);
	return ret;
}

/**
 * bch2_bp_delete - queue the deletion of an entry
 * @x:		check
 * @btree:	backpointers or stripe_backpointers
 * @pos:	its position
 *
 * Return: 0 or an error.
 */
int bch2_bp_delete(struct bp_check *x, unsigned btree, struct bpos pos)
{
	struct bkey_i k;

	bkey_init(&k.k);
	k.k.p = pos;
	return bch2_trans_update_buffered(x->trans, btree, &k);
}
