// SPDX-License-Identifier: GPL-2.0
/*
 * Reference counts of shared extents (spec 51 §5).
 *
 * A reflink_p holds a reference on every shared extent that overlaps the range
 * that its pads describe: taken when it comes, over its data, with the pads set
 * to how far the extents reach; dropped when it goes, over the padded range. A
 * shared extent that nothing refers to any more is deleted by its own trigger,
 * which runs after those of the extents btree and so sees the final count.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/buckets.h"
#include "alloc/gc.h"
#include "btree/bkey_val.h"
#include "btree/update.h"
#include "data/reflink.h"
#include "data/reflink_trigger.h"
#include "sb/fsck_err.h"
#include "util/bpos.h"

/* One reference more or less on shared extent @k, at the iterator. */
static int indirect_ref_add(struct btree_trans *trans, struct btree_iter *iter, struct bkey_s_c k,
			int sign)
{
	struct bkey_i *n;
	__le64 *refs;
	int ret = 0;

	n = bch2_bkey_copy_to_arena(trans, k, 0);
	if (IS_ERR(n))
		return PTR_ERR(n);

	/* both types begin with the count */
	refs = (__le64 *) &n->v;
	if (sign < 0 && !*refs) {
		log_fsck_err(trans->c, reflink_refcount_underflow,
			     "reference count of the shared extent at %llu falls below 0",
			     (u64) k.k->p.offset);
		return 0;
	}
	*refs = cpu_to_le64(le64_to_cpu(*refs) + sign);
	ret = bch2_trans_update(trans, iter, n, 0);
fsck_err:
	return ret;
}

/* How far references reach. */
struct ref_walk {
	u64			idx;		/* next sector to look at */
	u64			end;
	int			sign;
	bool			must_exist;
	u64			first;		/* of the extents met */
	u64			last;
};

static int ref_walk_step(struct btree_trans *trans, struct ref_walk *w)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_reflink, POS(0, w->idx), BTREE_ITER_intent);
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k);
	if (ret)
		goto out;

	if (bkey_is_indirect(k.k)) {
		w->first = min_t(u64, w->first, bkey_start_pos(k.k).offset);
		w->last	 = max_t(u64, w->last, k.k->p.offset);
		ret = indirect_ref_add(trans, &iter, k, w->sign);
	} else if (w->must_exist) {
		ret = -BCH_ERR_missing_indirect_extent;
	}
	/* a slot that is no extent ends at its own position */
	w->idx = max_t(u64, k.k->p.offset, w->idx + 1);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int ref_walk(struct btree_trans *trans, struct ref_walk *w)
{
	int ret = 0;

	while (!ret && w->idx < w->end)
		ret = ref_walk_step(trans, w);
	return ret;
}

static int reflink_p_put(struct btree_trans *trans, struct bkey_s_c k)
{
	struct reflink_p_range r;
	struct ref_walk w = { .sign = -1, .first = U64_MAX };

	bch2_reflink_p_decode(k, &r);
	w.idx = r.ref_start;
	w.end = r.ref_end;
	return ref_walk(trans, &w);
}

static int reflink_p_get(struct btree_trans *trans, struct bkey_s k)
{
	struct bch_reflink_p *v = (struct bch_reflink_p *) k.v;
	struct reflink_p_range r;
	struct ref_walk w = { .sign = 1, .first = U64_MAX };
	int ret;

	v->front_pad = 0;
	v->back_pad  = 0;
	bch2_reflink_p_decode(bkey_s_to_s_c(k), &r);
	w.idx		= r.idx;
	w.end		= r.end;
	w.must_exist	= !r.error;
	ret = ref_walk(trans, &w);
	if (ret)
		return ret;

	if (w.first < r.idx)
		v->front_pad = cpu_to_le32(min_t(u64, r.idx - w.first, U32_MAX));
	if (w.last > r.end)
		v->back_pad = cpu_to_le32(min_t(u64, w.last - r.end, U32_MAX));
	return 0;
}

static void reflink_p_gc(struct bch_fs *c, struct bkey_s_c k, int sign)
{
	struct reflink_p_range r;

	bch2_reflink_p_decode(k, &r);
	bch2_gc_indirect_ref(c, r.ref_start, r.ref_end, sign);
}

/**
 * bch2_trigger_reflink_p - references of a key that points to shared extents
 * @trans:	transaction
 * @btree:	extents
 * @level:	0
 * @old:	key before
 * @new_key:	key after; its pads are set
 * @flags:	transactional or gc; insert, overwrite
 *
 * Returns 0, a restart, or an error: -BCH_ERR_missing_indirect_extent if it would
 * refer to data that is not there and does not say so itself.
 */
int bch2_trigger_reflink_p(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			   struct bkey_s_c old, struct bkey_s new_key, unsigned int flags)
{
	const bool put = (flags & BTREE_TRIGGER_overwrite) && old.k->type == KEY_TYPE_reflink_p;
	const bool get = (flags & BTREE_TRIGGER_insert) && new_key.k->type == KEY_TYPE_reflink_p;
	int ret = 0;

	if (flags & BTREE_TRIGGER_gc) {
		if (put)
			reflink_p_gc(trans->c, old, -1);
		if (get)
			reflink_p_gc(trans->c, bkey_s_to_s_c(new_key), 1);
	} else if (flags & BTREE_TRIGGER_transactional) {
		if (put)
			ret = reflink_p_put(trans, old);
		if (!ret && get)
			ret = reflink_p_get(trans, new_key);
	}
	return ret;
}

/**
 * bch2_trigger_indirect - what follows from a change of a shared extent
 * @trans:	transaction
 * @btree:	reflink
 * @level:	0
 * @old:	key before
 * @new_key:	key after: becomes a deletion if nothing refers to it (spec 51 §5.2)
 * @flags:	transactional or gc; insert, overwrite
 *
 * Pointers of reflink_v are those of any extent. Returns 0, a restart, or an
 * error.
 */
int bch2_trigger_indirect(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			  struct bkey_s_c old, struct bkey_s new_key, unsigned int flags)
{
	if ((flags & BTREE_TRIGGER_transactional) && (flags & BTREE_TRIGGER_insert) &&
	    bkey_is_indirect(new_key.k) && !bch2_indirect_refcount(bkey_s_to_s_c(new_key))) {
		new_key.k->type = KEY_TYPE_deleted;
		new_key.k->size = 0;
		set_bkey_val_u64s(new_key.k, 0);
	}
	return bch2_trigger_extent(trans, btree, level, old, new_key, flags);
}
