// SPDX-License-Identifier: GPL-2.0
/*
 * Pointers: can they be true? (spec 43 §4.4, 50 §5, 52 §10.1)
 *
 * Every pointer of a key is judged by the record of its bucket - what the alloc key
 * said, and what was counted there so far. What is to be repaired is collected and
 * applied in one rewrite of the key, without triggers: the key is only counted in
 * its new form, and no bucket knew it before. A pointer whose error is left as it
 * is does not count anywhere.
 */
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/backpointers.h"
#include "alloc/gc.h"
#include "btree/bkey.h"
#include "btree/commit.h"
#include "btree/extent_entries.h"
#include "btree/interior.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/allocations_priv.h"
#include "data/extent_drop.h"
#include "data/extents.h"
#include "journal/ring.h"
#include "sb/fsck_err.h"
#include "sb/members.h"
#include "util/log.h"

#define CAN_FIX_OR_NOT	(FSCK_CAN_FIX|FSCK_CAN_IGNORE)

/* Keys have at most this many pointers that anything can be done about. */
#define PTRS_MAX	BKEY_VAL_U64s_MAX

/* What is to be done with a key, by number of the pointer. */
struct ptr_repairs {
	struct alloc_check	*x;
	DECLARE_BITMAP(drop, PTRS_MAX);
	DECLARE_BITMAP(reset_gen, PTRS_MAX);
	DECLARE_BITMAP(drop_stripe, PTRS_MAX);
	DECLARE_BITMAP(make_dirty, PTRS_MAX);
	unsigned long		*skip;		/* wrong, and stays */
};

/* One pointer while it is looked at. */
struct ptr_check {
	struct alloc_check	*x;
	struct ptr_repairs	*r;
	struct bkey_s_c		k;
	struct extent_ptr_decoded p;
	unsigned int		data_type;
	u64			what;		/* the pointer itself, for answers */
	struct bch_dev		*ca;
	u64			bucket;
	struct bucket_gc	*g;
	bool			done;		/* no more tests */
};

/* --- questions about one pointer --- */

/*
 * Ask; what is left alone is not counted and not looked at any further. 1: repair.
 */
#define ptr_ask(_pc, _id, ...)							\
({										\
	const int _ask = bch2_alloc_check_ask((_pc)->x, BCH_FSCK_ERR_##_id,	\
				CAN_FIX_OR_NOT, (_pc)->what, &(_pc)->k, __VA_ARGS__); \
										\
	if (!_ask) {								\
		__set_bit((_pc)->p.idx, (_pc)->r->skip);			\
		(_pc)->done = true;						\
	}									\
	_ask;									\
})

static int drop(struct ptr_check *pc, int answer)
{
	if (answer > 0) {
		__set_bit(pc->p.idx, pc->r->drop);
		pc->done = true;
	}
	return min(answer, 0);
}

static bool member_deleted(struct bch_fs *c, unsigned int dev)
{
	bool ret = false;

	mutex_lock(&c->sb_lock);
	if (dev < c->disk_sb.sb->nr_devices) {
		const struct bch_member m = bch2_sb_member_get(c->disk_sb.sb, dev);

		ret = bch2_member_deleted(&m);
	}
	mutex_unlock(&c->sb_lock);
	return ret;
}

/* Tests 1 to 3. */
static int check_place(struct ptr_check *pc)
{
	struct bch_fs *c = pc->x->c;
	const unsigned int dev = EXTENT_PTR_DEV(&pc->p.ptr);

	pc->ca = bch2_dev(c, dev);
	if (!pc->ca)
		return drop(pc, member_deleted(c, dev)
			? ptr_ask(pc, ptr_to_removed_device,
				  "pointer to device %u, which was removed", dev)
			: ptr_ask(pc, ptr_to_invalid_device,
				  "pointer to device %u, which does not exist", dev));

	pc->bucket = sector_to_bucket(pc->ca, EXTENT_PTR_OFFSET(&pc->p.ptr));
	if (!bucket_valid(pc->ca, pc->bucket))
		return drop(pc, ptr_ask(pc, ptr_to_invalid_device,
				"pointer to bucket %u:%llu, which does not exist", dev,
				pc->bucket));
	pc->g = bch2_gc_bucket(c, dev, pc->bucket);
	pc->done |= !pc->g;
	return 0;
}

/* Test 4. The first dirty pointer decides what the generation was. */
static int check_alloc_key(struct ptr_check *pc)
{
	int ret;

	if (pc->done || pc->g->gen_valid)
		return 0;
	ret = ptr_ask(pc, ptr_to_missing_alloc_key,
		      "bucket %u:%llu data type %s: no alloc key, but a pointer with gen %u",
		      pc->ca->dev_idx, pc->bucket, bch2_alloc_check_type(pc->data_type),
		      (unsigned int) EXTENT_PTR_GEN(&pc->p.ptr));
	if (ret <= 0 || EXTENT_PTR_CACHED(&pc->p.ptr))
		return drop(pc, ret);
	pc->g->gen	 = EXTENT_PTR_GEN(&pc->p.ptr);
	pc->g->gen_valid = true;
	return 0;
}

/* Tests 5 to 8. */
static int check_gen(struct ptr_check *pc)
{
	const unsigned int gen = EXTENT_PTR_GEN(&pc->p.ptr);
	const bool cached = EXTENT_PTR_CACHED(&pc->p.ptr);
	unsigned int b_gen;
	int ret = 0;

	if (pc->done)
		return 0;
	b_gen = pc->g->gen;

	if (gen_after(gen, b_gen)) {
		ret = ptr_ask(pc, ptr_gen_newer_than_bucket_gen,
			      "bucket %u:%llu gen %u: pointer has newer gen %u",
			      pc->ca->dev_idx, pc->bucket, b_gen, gen);
		if (cached)
			return drop(pc, ret);
	} else if (!cached && gen_cmp(gen, b_gen) < 0) {
		ret = ptr_ask(pc, stale_dirty_ptr,
			      "bucket %u:%llu gen %u: stale dirty pointer with gen %u",
			      pc->ca->dev_idx, pc->bucket, b_gen, gen);
	} else if (cached && gen_cmp(b_gen, gen) > BUCKET_GC_GEN_MAX) {
		return drop(pc, ptr_ask(pc, ptr_gen_newer_than_bucket_gen,
					"bucket %u:%llu gen %u: cached pointer with gen %u is too "
					"old", pc->ca->dev_idx, pc->bucket, b_gen, gen));
	}
	if (ret > 0)
		__set_bit(pc->p.idx, pc->r->reset_gen);
	if (pc->data_type != BCH_DATA_btree && gen != b_gen)
		pc->done = true;
	return min(ret, 0);
}

/* A bucket of the journal that holds data: the journal gives it up. */
static int take_from_journal(struct ptr_check *pc)
{
	int ret = bch2_journal_ring_remove_bucket(pc->x->c, pc->ca, pc->bucket);

	if (ret && ret != -ENOENT)
		return ret;
	pc->done = true;
	return bch2_gc_bucket_set_type(pc->x->trans, pc->ca, pc->bucket, pc->data_type, true);
}

/* Test 9. Whatever is there is kept: nothing here knows which of them is right. */
static int check_data_type(struct ptr_check *pc)
{
	unsigned int have;
	int ret;

	if (pc->done || !bch2_bucket_data_type_mismatch(pc->g->data_type, pc->data_type))
		return 0;
	have = pc->g->data_type;
	ret = bch2_alloc_check_ask(pc->x, BCH_FSCK_ERR_ptr_bucket_data_type_mismatch,
				   CAN_FIX_OR_NOT, pc->what, &pc->k,
				   "bucket %u:%llu gen %u is in use as %s and as %s",
				   pc->ca->dev_idx, pc->bucket, pc->g->gen,
				   bch2_alloc_check_type(have),
				   bch2_alloc_check_type(pc->data_type));
	if (ret <= 0)
		return ret;

	if (have == BCH_DATA_journal)
		return take_from_journal(pc);
	if (have == BCH_DATA_sb && pc->data_type == BCH_DATA_btree) {
		bch_err(pc->x->c, "a btree node where the superblock is cannot be repaired");
		return -BCH_ERR_fsck_repair_impossible;
	}
	return bch2_gc_bucket_set_type(pc->x->trans, pc->ca, pc->bucket, BCH_DATA_multiple, false);
}

/* Tests 10 and 11; left alone the pointer counts in its bucket, but not in a stripe. */
static int check_stripe(struct ptr_check *pc)
{
	const u64 idx = STRIPE_PTR_IDX(&pc->p.ec);
	const struct gc_stripe *s;
	int ret = 0;

	if (pc->done || !pc->p.has_ec)
		return 0;
	s = bch2_gc_stripe(pc->x->c, idx);
	if (!s)
		ret = bch2_alloc_check_ask(pc->x, BCH_FSCK_ERR_ptr_to_missing_stripe,
					   CAN_FIX_OR_NOT, pc->what, &pc->k,
					   "pointer to stripe %llu, which does not exist", idx);
	else if (!bch2_gc_stripe_matches(s, &pc->p))
		ret = bch2_alloc_check_ask(pc->x, BCH_FSCK_ERR_ptr_to_incorrect_stripe,
					   CAN_FIX_OR_NOT, pc->what, &pc->k,
					   "pointer does not match block %u of stripe %llu",
					   (unsigned int) STRIPE_PTR_BLOCK(&pc->p.ec), idx);
	if (ret > 0)
		__set_bit(pc->p.idx, pc->r->drop_stripe);
	return min(ret, 0);
}

static int check_ptr(struct ptr_check *pc)
{
	const bool gone = EXTENT_PTR_DEV(&pc->p.ptr) == BCH_SB_MEMBER_INVALID;

	pc->what	= le64_to_cpu(pc->p.ptr.w);
	pc->data_type	= bch2_ptr_data_type(pc->k.k, &pc->p);
	pc->done	= false;
	if (gone)
		return check_stripe(pc);
	return  check_place(pc) ?:
		check_alloc_key(pc) ?:
		check_gen(pc) ?:
		check_data_type(pc) ?:
		check_stripe(pc);
}

/* --- keys without any data that could be read --- */

static bool ptr_readable(const struct extent_ptr_decoded *p)
{
	return !EXTENT_PTR_CACHED(&p->ptr) &&
		(EXTENT_PTR_DEV(&p->ptr) != BCH_SB_MEMBER_INVALID || p->has_ec);
}

/* A cached copy that still is what it was? */
static bool ptr_cached_good(struct bch_fs *c, const struct extent_ptr_decoded *p)
{
	const struct bch_dev *ca = bch2_dev(c, EXTENT_PTR_DEV(&p->ptr));
	const struct bucket_gc *g = ca
		? bch2_gc_bucket(c, ca->dev_idx,
				 sector_to_bucket(ca, EXTENT_PTR_OFFSET(&p->ptr))) : NULL;

	return EXTENT_PTR_CACHED(&p->ptr) && g && g->gen_valid &&
		g->gen == EXTENT_PTR_GEN(&p->ptr);
}

static int write_error_key(struct alloc_check *x, struct bkey_s_c k)
{
	struct bkey_i *n = bch2_trans_kmalloc(x->trans, sizeof(*n) + sizeof(struct bch_error));
	struct bch_error *v;

	if (IS_ERR(n))
		return PTR_ERR(n);
	n->k		= *k.k;
	n->k.type	= KEY_TYPE_error;
	set_bkey_val_bytes(&n->k, sizeof(*v));
	v = (struct bch_error *) &n->v;
	memset(v, 0, sizeof(*v));
	v->err		= KEY_ERROR_no_valid_pointers_repair;
	return bch2_trans_update_exact(x->trans, NULL, x->btree, 0, n, BTREE_TRIGGER_norun);
}

/*
 * No pointer to read from: 0: there is one; a restart after the repair; or an error.
 */
static int check_readable(struct alloc_check *x, struct bkey_s_c k, struct ptr_repairs *r)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(x->c, k);
	const union bch_extent_entry *e;
	struct extent_ptr_decoded p;
	int ret;

	bkey_for_each_ptr_decode(k.k, ptrs, p, e) {
		if (ptr_readable(&p)) {
			bitmap_zero(r->make_dirty, PTRS_MAX);
			return 0;
		}
		if (ptr_cached_good(x->c, &p))
			__set_bit(p.idx, r->make_dirty);
	}

	if (!bitmap_empty(r->make_dirty, PTRS_MAX)) {
		ret = bch2_alloc_check_ask(x, BCH_FSCK_ERR_extent_ptrs_all_invalid_but_cached,
					   CAN_FIX_OR_NOT, 0, &k,
					   "only cached pointers are left, promote?");
		if (ret <= 0)
			bitmap_zero(r->make_dirty, PTRS_MAX);
		return min(ret, 0);
	}
	ret = bch2_alloc_check_ask(x, BCH_FSCK_ERR_extent_ptrs_all_invalid, CAN_FIX_OR_NOT, 0, &k,
				   "no pointer that data could be read from");
	return ret <= 0 ? ret : write_error_key(x, k) ?: bch2_alloc_check_commit(x);
}

/* --- the rewrite --- */

static bool chosen(const struct extent_ptr_decoded *p, void *arg)
{
	return test_bit(p->idx, (const unsigned long *) arg);
}

/* Changes of single pointers, in place; a block of a stripe is not dropped but lost. */
static void change_ptrs(struct bch_fs *c, struct bkey_i *n, const struct ptr_repairs *r)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, bkey_i_to_s_c(n));
	const struct bch_extent_ptr *i;
	unsigned int idx = 0;

	bkey_for_each_ptr(ptrs, i) {
		struct bch_extent_ptr *p = (struct bch_extent_ptr *) i;
		struct bch_dev *ca = bch2_dev(c, EXTENT_PTR_DEV(p));

		if (test_bit(idx, r->reset_gen)) {
			const struct bucket_gc *g = bch2_gc_bucket(c, ca->dev_idx,
					sector_to_bucket(ca, EXTENT_PTR_OFFSET(p)));

			SET_EXTENT_PTR_GEN(p, g->gen);
		}
		if (test_bit(idx, r->make_dirty))
			SET_EXTENT_PTR_CACHED(p, 0);
		if (n->k.type == KEY_TYPE_stripe && test_bit(idx, r->drop))
			SET_EXTENT_PTR_DEV(p, BCH_SB_MEMBER_INVALID);
		idx++;
	}
}

/* The node that a pointer leads to has to be in memory: its own key changes, too. */
static int update_node_key(struct alloc_check *x, const struct bkey_i *n)
{
	struct btree_iter iter;
	struct btree *b;
	int ret;

	bch2_trans_node_iter_init(x->trans, &iter, x->btree, n->k.p, x->level, x->level - 1,
				  BTREE_ITER_intent);
	ret = bch2_btree_iter_traverse(&iter);
	b = ret ? NULL : bch2_btree_iter_leaf(&iter);
	if (!ret)
		ret = bch2_btree_node_update_key(x->trans, &iter, b, n,
						 BCH_TRANS_COMMIT_no_enospc, true);
	bch2_trans_iter_exit(&iter);
	return ret ?: bch2_alloc_check_again(x);
}

/* What the key pointed to is lost: topology repair has to take it out. */
static int node_lost(struct alloc_check *x, struct ptr_repairs *r)
{
	bitmap_or(r->skip, r->skip, r->drop, PTRS_MAX);
	bitmap_or(r->skip, r->skip, r->reset_gen, PTRS_MAX);
	if (x->c->up.btree_lost_data)
		x->c->up.btree_lost_data(x->c, x->btree);
	return 0;
}

static int rewrite_node_key(struct alloc_check *x, const struct bkey_i *n, struct ptr_repairs *r)
{
	int ret;

	if (!bch2_bkey_nr_ptrs(x->c, bkey_i_to_s_c(n)))
		return node_lost(x, r);
	ret = update_node_key(x, n);
	return !ret || bch2_err_matches(ret, BCH_ERR_transaction_restart) ||
		bch2_err_matches(ret, ENOMEM) ? ret : node_lost(x, r);
}

static int rewrite(struct alloc_check *x, struct bkey_s_c k, struct ptr_repairs *r)
{
	struct bch_fs *c = x->c;
	struct bkey_i *n = bch2_bkey_copy_to_arena(x->trans, k, 0);

	if (IS_ERR(n))
		return PTR_ERR(n);
	change_ptrs(c, n, r);
	/* numbers of pointers change with the last step only */
	bch2_bkey_drop_stripe_entries(c, n, chosen, r->drop_stripe);
	if (k.k->type != KEY_TYPE_stripe)
		bch2_bkey_drop_ptrs(c, n, chosen, r->drop);

	if (!x->level)
		return (k.k->type != KEY_TYPE_stripe
			? bch2_alloc_check_reconcile(x, k, &n) : 0) ?:
			bch2_trans_update_exact(x->trans, NULL, x->btree, 0, n,
						BTREE_TRIGGER_norun) ?:
			bch2_alloc_check_commit(x);
	return rewrite_node_key(x, n, r);
}

static bool nothing_to_do(const struct ptr_repairs *r)
{
	return  bitmap_empty(r->drop, PTRS_MAX) &&
		bitmap_empty(r->reset_gen, PTRS_MAX) &&
		bitmap_empty(r->drop_stripe, PTRS_MAX) &&
		bitmap_empty(r->make_dirty, PTRS_MAX);
}

/**
 * bch2_alloc_check_ptrs - check the pointers of a key
 * @x:		check, at the place of @k
 * @k:		key with pointers
 * @skip:	result: numbers of pointers that are wrong and stay as they are
 *
 * Returns 0: the key can be counted, but for @skip; a restart, after a repair; an
 * error of the policy, or of the repair.
 */
int bch2_alloc_check_ptrs(struct alloc_check *x, struct bkey_s_c k, unsigned long *skip)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(x->c, k);
	struct ptr_repairs r = { .x = x, .skip = skip };
	struct ptr_check pc = { .x = x, .r = &r, .k = k };
	const union bch_extent_entry *e;
	int ret = 0;

	if (!x->level && k.k->type != KEY_TYPE_stripe) {
		ret = check_readable(x, k, &r);
		if (ret)
			return ret;
	}
	if (nothing_to_do(&r))
		bkey_for_each_ptr_decode(k.k, ptrs, pc.p, e) {
			ret = check_ptr(&pc);
			if (ret)
				return ret;
		}
	return nothing_to_do(&r) ? 0 : rewrite(x, k, &r);
}
