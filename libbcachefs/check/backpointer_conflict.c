// SPDX-License-Identifier: GPL-2.0
/*
 * Two keys that claim the same space (spec 43 §8.4): which of them keeps it.
 *
 * Invariant: whoever keeps the space has the backpointer there afterwards, and a
 * key that loses its last readable pointer says so: it becomes an error, or, if it
 * points to a node, the node is written again or taken out. The walk over pointers
 * begins again with the key in any case, as what it read is void.
 */
#include <linux/err.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/alloc_trigger.h"
#include "alloc/index_update.h"
#include "btree/bkey_methods.h"
#include "btree/commit.h"
#include "btree/extent_entries.h"
#include "btree/fsck_err_trans.h"
#include "btree/interior.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/backpointer_conflict.h"
#include "data/extent_drop.h"
#include "data/extents.h"
#include "init/passes_format.h"
#include "util/bpos.h"
#include "util/log.h"
#include "util/printbuf.h"

#define COMMIT_FLAGS		BCH_TRANS_COMMIT_no_enospc

/* --- a data key loses its pointer --- */

static bool is_plain_on(const struct extent_ptr_decoded *p, void *arg)
{
	return EXTENT_PTR_DEV(&p->ptr) == *(unsigned *) arg && !p->has_ec;
}

/* Striped pointers to @dev stay, without a device: the stripe may still have the data. */
static unsigned striped_lose_dev(struct bch_fs *c, struct bkey_i *k, unsigned dev)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, bkey_i_to_s_c(k));
	const union bch_extent_entry *entry;
	struct extent_ptr_decoded p;
	unsigned nr = 0;

	bkey_for_each_ptr_decode(&k->k, ptrs, p, entry)
		if (EXTENT_PTR_DEV(&p.ptr) == dev && p.has_ec) {
			SET_EXTENT_PTR_DEV(&((union bch_extent_entry *) entry)->ptr,
					   BCH_SB_MEMBER_INVALID);
			nr++;
		}
	return nr;
}

/* Cached copies are all there is: they count as the data from now on. */
static void cached_become_dirty(struct bch_fs *c, struct bkey_i *k)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, bkey_i_to_s_c(k));
	const struct bch_extent_ptr *ptr;

	bkey_for_each_ptr(ptrs, ptr)
		SET_EXTENT_PTR_CACHED((struct bch_extent_ptr *) ptr, 0);
}

static void become_error(struct bkey_i *k)
{
	struct bch_error *v = (struct bch_error *) &k->v;

	k->k.type = KEY_TYPE_error;
	set_bkey_val_bytes(&k->k, sizeof(*v));
	memset(v, 0, sizeof(*v));
	v->err = KEY_ERROR_double_allocation;
}

/* Take the pointers on @dev out of @k. False: there are none. */
static bool data_key_drop(struct bch_fs *c, struct bkey_i *k, unsigned dev)
{
	if (!(bch2_bkey_drop_ptrs(c, k, is_plain_on, &dev) + striped_lose_dev(c, k, dev)))
		return false;
	if (bch2_bkey_has_usable_ptr(c, bkey_i_to_s_c(k), false))
		return true;
	if (bch2_bkey_has_usable_ptr(c, bkey_i_to_s_c(k), true))
		cached_become_dirty(c, k);
	else
		become_error(k);
	return true;
}

/* As the key is now; @keep: the backpointer that is to stay there, or NULL. */
static int queue_data_drop(struct bp_check *x, const struct bp_claim *cl,
			   const struct backpointer_key *keep)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	struct bkey_i *n;
	int ret;

	bch2_trans_iter_init(x->trans, &iter, cl->btree, cl->k.k->k.p,
			     BTREE_ITER_all_snapshots|BTREE_ITER_not_extents|BTREE_ITER_intent);
	k = bch2_btree_iter_peek_max(&iter, cl->k.k->k.p);
	ret = bkey_err(k);
	if (ret || !k.k || !bpos_eq(k.k->p, cl->k.k->k.p))
		goto out;

	n = bch2_bkey_copy_to_arena(x->trans, k, sizeof(struct bkey_i_error));
	ret = PTR_ERR_OR_ZERO(n);
	if (ret || !data_key_drop(x->c, n, cl->dev))
		goto out;

	/* the triggers take the backpointer there away, whoever's it is */
	ret   = bch2_trans_update_exact(x->trans, NULL, cl->btree, 0, n,
					BTREE_UPDATE_internal_snapshot_node) ?:
		bch2_trans_run_transactional_triggers(x->trans);
	if (!ret && keep)
		ret = bch2_bucket_backpointer_mod(x->trans, keep, true);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* --- a pointer to a node loses a copy --- */

/* It cannot be read, and the only pointer to it is wrong: its keys are lost. */
static int node_lost(struct bp_check *x, const struct bp_claim *cl)
{
	struct bch_fs *c = x->c;
	struct bkey_i *k;
	int ret;

	if (cl->level > c->btree.roots[cl->btree].level)
		return -BCH_ERR_fsck_repair_impossible;
	k = bch2_trans_kmalloc(x->trans, sizeof(*k));
	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.p = cl->k.k->k.p;
	ret   = bch2_trans_update_exact(x->trans, NULL, cl->btree, cl->level, k, 0) ?:
		bch2_trans_commit(x->trans, NULL, NULL, COMMIT_FLAGS);
	/* too late in this start: it is remembered for the next */
	if (!ret && c->up.request_pass)
		c->up.request_pass(c, BCH_RECOVERY_PASS_STABLE_check_topology);
	return ret;
}

static int node_key_drop(struct bp_check *x, struct btree_iter *iter, struct btree *b,
			 unsigned dev)
{
	struct bkey_buf n;
	int ret;

	bch2_bkey_buf_init(&n);
	ret = bch2_bkey_buf_copy(&n, &b->key);
	if (!ret && bch2_bkey_drop_ptrs(x->c, n.k, is_plain_on, &dev))
		ret = bch2_bkey_has_usable_ptr(x->c, bkey_i_to_s_c(n.k), false)
			? bch2_btree_node_update_key(x->trans, iter, b, n.k, COMMIT_FLAGS, false)
			: bch2_btree_node_rewrite(x->trans, iter, b, COMMIT_FLAGS);
	bch2_bkey_buf_exit(&n);
	return ret;
}

static int node_drop(struct bp_check *x, const struct bp_claim *cl)
{
	struct btree_iter iter;
	struct btree *b;
	int ret;

	bch2_trans_node_iter_init(x->trans, &iter, cl->btree, cl->k.k->k.p, cl->level,
				  cl->level - 1, BTREE_ITER_intent);
	b = bch2_btree_iter_peek_node(&iter);
	ret = PTR_ERR_OR_ZERO(b);
	if (bch2_err_matches(ret, BCH_ERR_transaction_restart) || bch2_err_matches(ret, ENOMEM))
		;
	else if (ret)
		ret = node_lost(x, cl);
	else if (b && bpos_eq(b->key.k.p, cl->k.k->k.p))
		ret = node_key_drop(x, &iter, b, cl->dev);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* --- whoever it is --- */

/* The attempt is over: the key that is being looked at may be another now. */
static int begin_again(struct bp_check *x, int ret)
{
	return ret ?: bch2_trans_restart(x->trans, BCH_ERR_transaction_restart_nested);
}

/*
 * @cl loses its pointer on its device; @keep is the backpointer of the other, if it
 * would go with that of @cl.
 */
static int lose(struct bp_check *x, const struct bp_claim *cl, const struct backpointer_key *keep)
{
	int ret;

	if (!cl->level)
		return begin_again(x, nested_commit_do(x->trans, NULL, NULL, COMMIT_FLAGS,
						       queue_data_drop(x, cl, keep)));

	/* a node is not written, nor is its place given up, where nothing may be */
	if (x->c->opts.nochanges)
		return 0;
	ret = nested_lockrestart_do(x->trans, node_drop(x, cl));
	if (ret && !bch2_err_matches(ret, BCH_ERR_transaction_restart))
		return ret;
	/* its backpointer goes when the change of the btree is complete */
	bch2_trans_unlock_long(x->trans);
	bch2_btree_interior_updates_flush(x->c);
	if (keep)
		ret = commit_do(x->trans, NULL, NULL, COMMIT_FLAGS,
				bch2_bucket_backpointer_mod(x->trans, keep, true));
	else
		ret = 0;
	return begin_again(x, ret);
}

/* --- the rules --- */

/* Have @a and @b a pair of pointers that show the same data at the same offset? */
static bool same_data(struct bch_fs *c, struct bkey_s_c a, struct bkey_s_c b)
{
	const struct bkey_ptrs_c pa = bch2_bkey_ptrs_c_fs(c, a), pb = bch2_bkey_ptrs_c_fs(c, b);
	const union bch_extent_entry *ea, *eb;
	struct extent_ptr_decoded i, j;

	if (a.k->type != b.k->type || bch2_bkey_is_btree_ptr(a.k) ||
	    a.k->type == KEY_TYPE_stripe)
		return false;
	bkey_for_each_ptr_decode(a.k, pa, i, ea)
		bkey_for_each_ptr_decode(b.k, pb, j, eb) {
			const u64 oi = EXTENT_PTR_OFFSET(&i.ptr), oj = EXTENT_PTR_OFFSET(&j.ptr);

			if (EXTENT_PTR_DEV(&i.ptr) == EXTENT_PTR_DEV(&j.ptr) &&
			    EXTENT_PTR_GEN(&i.ptr) == EXTENT_PTR_GEN(&j.ptr) &&
			    oi + i.crc.offset - bkey_start_offset(a.k) ==
			    oj + j.crc.offset - bkey_start_offset(b.k) &&
			    oi < oj + j.crc.compressed_size && oj < oi + i.crc.compressed_size)
				return true;
		}
	return false;
}

static void both_to_text(struct printbuf *out, struct bp_check *x, const struct bp_claim *a,
			 const struct bp_claim *b)
{
	bch2_bkey_val_to_text(out, x->c, bkey_i_to_s_c(a->k.k));
	prt_str(out, "\n  and ");
	bch2_bkey_val_to_text(out, x->c, bkey_i_to_s_c(b->k.k));
}

static int report_bad(struct bp_check *x, const struct bp_claim *bad, const struct bp_claim *good,
		      const struct backpointer_key *keep)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	bch2_bkey_val_to_text(&buf, x->c, bkey_i_to_s_c(bad->k.k));
	prt_str(&buf, "\n  which overlaps with ");
	bch2_bkey_val_to_text(&buf, x->c, bkey_i_to_s_c(good->k.k));
	if (fsck_err_trans(x->trans, dup_backpointer_to_bad_csum_extent,
			   "extents pointing to same space, but first extent checksum bad:\n%s",
			   printbuf_str(&buf)))
		ret = lose(x, bad, keep);
fsck_err:
	return ret;
}

/* Both claim it with the same right. */
static int unresolved(struct bp_check *x, const struct bp_claim *k, const struct bp_claim *o)
{
	CLASS(printbuf, buf)();

	both_to_text(&buf, x, k, o);
	bch_err(x->c, "keys claim the same space, and neither can be told to be wrong:\n  %s",
		printbuf_str(&buf));
	if (x->may_repair)
		return -BCH_ERR_fsck_repair_unimplemented;
	set_bit(BCH_FS_error, &x->c->flags);
	return 0;
}

static bool has_type(const struct bp_claim *cl, unsigned type)
{
	return cl->k.k->k.type == type;
}

/* @k, @o: copies; @keep_o: backpointer of @o. */
static int decide(struct bp_check *x, const struct bp_claim *k, const struct bp_claim *o,
		  const struct backpointer_key *keep_o)
{
	CLASS(printbuf, buf)();
	int ret;

	if (has_type(k, KEY_TYPE_stripe) || has_type(o, KEY_TYPE_stripe))
		return unresolved(x, k, o);

	if (!k->level && !o->level &&
	    same_data(x->c, bkey_i_to_s_c(k->k.k), bkey_i_to_s_c(o->k.k))) {
		const bool k_loses = k->k.k->k.size < o->k.k->k.size;

		both_to_text(&buf, x, k, o);
		bch_info(x->c, "versions of the same data, the %s loses its copy on device %u:\n"
			 "  %s", k_loses ? "first" : "second", k->dev, printbuf_str(&buf));
		if (!x->may_repair)
			return 0;
		return k_loses ? lose(x, k, keep_o) : lose(x, o, NULL);
	}

	ret = bch2_bp_claim_is_bad(x, o);
	if (ret > 0)
		return report_bad(x, o, k, NULL);
	ret = ret ?: bch2_bp_claim_is_bad(x, k);
	if (ret)
		return ret > 0 ? report_bad(x, k, o, keep_o) : ret;

	if (has_type(k, KEY_TYPE_extent) && has_type(o, KEY_TYPE_extent)) {
		ret = bch2_bp_claims_share(x, k, o);
		return ret > 0 ? unresolved(x, k, o) : ret;
	}
	return unresolved(x, k, o);
}

/**
 * bch2_bp_conflict - two keys claim the same space
 * @x:		check
 * @k:		key whose backpointer is missing
 * @want:	that backpointer
 * @found:	backpointer in its place
 * @other:	copy of the key that this one belongs to
 *
 * In an attempt that looks at @k, to be repeated after a restart: a repair ends in
 * one.
 *
 * Return: 0: nothing was, or may be, repaired; a restart; or an error.
 */
int bch2_bp_conflict(struct bp_check *x, struct bkey_s_c k, const struct backpointer_key *want,
		     const struct bp_entry *found, struct bkey_buf *other)
{
	const struct backpointer_key keep = {
		.stripe_btree = want->stripe_btree, .pos = found->pos, .v = found->v,
	};
	const unsigned dev = want->pos.inode;
	struct bp_claim kc = { .btree = want->v.btree_id, .level = want->v.level, .dev = dev };
	struct bp_claim oc = { .btree = found->v.btree_id, .level = found->v.level, .dev = dev };
	const struct bch_dev *ca;
	u64 bucket;
	int ret;

	bch2_bkey_buf_init(&kc.k);
	bch2_bkey_buf_init(&oc.k);
	ret   = bch2_bkey_buf_reassemble(&kc.k, k) ?:
		bch2_bkey_buf_copy(&oc.k, other->k);
	if (ret)
		goto out;

	ca = want->stripe_btree ? NULL : bch2_bp_bucket(x, found->pos, &bucket);
	if (!ca)
		ret = unresolved(x, &kc, &oc);
	else if (bch2_bucket_gen(ca, bucket) != found->v.bucket_gen)
		ret = x->may_repair ? lose(x, &oc, NULL) : 0;
	else
		ret = decide(x, &kc, &oc, &keep);
out:
	bch2_bkey_buf_exit(&kc.k);
	bch2_bkey_buf_exit(&oc.k);
	return ret;
}
