// SPDX-License-Identifier: GPL-2.0
/*
 * What follows from a change of a stripe key (spec 52 §4-§6), and how pointers
 * into stripes are counted in them.
 *
 * Stripes are triggered after all data keys and before alloc keys: the counts of
 * blocks are final when the trigger looks at them, and the buckets of blocks are
 * evaluated after it. A stripe never changes its shape.
 */
#include <linux/array_size.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "bcachefs.h"
#include "alloc/accounting_live.h"
#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/backpointers.h"
#include "alloc/buckets.h"
#include "alloc/gc.h"
#include "alloc/index_update.h"
#include "alloc/replicas_live.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/extent_entries.h"
#include "btree/update.h"
#include "data/reconcile_trigger.h"
#include "data/stripe_trigger.h"
#include "data/stripes.h"
#include "init/passes_format.h"
#include "sb/disk_groups.h"
#include "sb/fsck_err.h"
#include "sb/members.h"
#include "sb/members_format.h"
#include "util/bpos.h"
#include "util/log.h"
#include "util/printbuf.h"

/* One side of a change. */
struct stripe_side {
	struct bkey_s_c		k;
	struct stripe_geometry	g;
	bool			exists;
	bool			needs_reconcile;
};

struct stripe_change {
	struct btree_trans	*trans;
	u64			idx;
	bool			gc;
	struct stripe_side	o, n;
};

static int side_init(struct stripe_side *s, struct bkey_s_c k)
{
	memset(s, 0, sizeof(*s));
	s->k = k;
	if (k.k->type != KEY_TYPE_stripe)
		return 0;
	s->exists = true;
	s->needs_reconcile = bch2_stripe_needs_reconcile(k);
	return bch2_stripe_geometry(k, &s->g) ? -BCH_ERR_trigger_stripe : 0;
}

/* --- how far a stripe could grow, spec 52 §4.3 --- */

static bool dev_takes_stripe(struct bch_fs *c, const struct bch_dev *ca,
			     const struct bch_stripe *s)
{
	return ca->mi.state == BCH_MEMBER_STATE_rw &&
		(ca->mi.data_allowed & (1U << BCH_DATA_user)) &&
		ca->mi.durability &&
		ca->mi.bucket_size == le16_to_cpu(s->sectors) &&
		(!s->disk_label ||
		 bch2_dev_in_target(c, ca->dev_idx, bch2_target_label(s->disk_label - 1)));
}

/**
 * bch2_stripe_can_widen_compute - what can_widen of a stripe should be
 * @c:		filesystem
 * @k:		stripe
 *
 * Returns 0 .. 7 data blocks.
 */
unsigned int bch2_stripe_can_widen_compute(struct bch_fs *c, struct bkey_s_c k)
{
	const struct bch_stripe *s = bkey_val(k, stripe);
	const unsigned int nr_data = s->nr_blocks - s->nr_redundant;
	unsigned int devs = 0, target;

	for_each_member_device(c, ca)
		devs += dev_takes_stripe(c, ca, s);
	if (devs <= s->nr_redundant)
		return 0;

	target = min_t(unsigned int, devs, BCH_STRIPE_BLOCKS_MAX) - s->nr_redundant;
	if (c->opts.ec_max_data_blocks)
		target = min_t(unsigned int, target, c->opts.ec_max_data_blocks);
	return target > nr_data ? min(target - nr_data, 7U) : 0;
}

static void can_widen_set(struct bkey_s k, unsigned int v)
{
	struct bch_stripe *s = (struct bch_stripe *) k.v;

	s->algo_flags = (s->algo_flags & 0x1f) | v << 5;
}

/* --- accounting, spec 52 §5 --- */

static void side_replicas(const struct stripe_side *s, unsigned int data_type,
			  struct bch_replicas_padded *r)
{
	memset(r, 0, sizeof(*r));
	r->e.data_type	 = data_type;
	r->e.nr_required = s->g.nr_data;
	for (unsigned int i = 0; i < s->g.nr_blocks; i++)
		r->e.devs[r->e.nr_devs++] = EXTENT_PTR_DEV(bch2_stripe_ptr(s->k, &s->g, i));
}

static int account_parity(const struct stripe_change *ch, const struct stripe_side *s, s64 sign)
{
	struct disk_accounting_pos acc = { .type = BCH_DISK_ACCOUNTING_replicas };
	const s64 sectors = sign * (s64) s->g.sectors * s->g.nr_redundant;
	struct bch_replicas_padded r;

	if (!s->exists)
		return 0;
	side_replicas(s, BCH_DATA_parity, &r);
	memcpy(&acc.replicas, &r.e, replicas_entry_bytes(&r.e));
	return bch2_accounting_mod(ch->trans, ch->gc, &acc, &sectors, 1);
}

static int account_reconcile(const struct stripe_change *ch, const struct stripe_side *s,
			     s64 sign)
{
	const struct disk_accounting_pos acc = {
		.type = BCH_DISK_ACCOUNTING_reconcile_work,
		.reconcile_work.type = BCH_RECONCILE_ACCOUNTING_stripes,
	};
	const s64 d[2] = { sign * (s64) s->g.sectors * s->g.nr_blocks, 0 };

	return s->needs_reconcile
		? bch2_accounting_mod(ch->trans, ch->gc, &acc, d, ARRAY_SIZE(d)) : 0;
}

/* Data counted under the stripe's devices moves when these change. */
static int account_data(const struct stripe_change *ch, const struct stripe_side *s,
			s64 sectors)
{
	struct disk_accounting_pos acc = { .type = BCH_DISK_ACCOUNTING_replicas };
	struct bch_replicas_padded r;

	side_replicas(s, BCH_DATA_user, &r);
	memcpy(&acc.replicas, &r.e, replicas_entry_bytes(&r.e));
	return bch2_accounting_mod(ch->trans, ch->gc, &acc, &sectors, 1);
}

static int account_devices_changed(const struct stripe_change *ch)
{
	bool same = true;
	s64 sectors = 0;

	if (ch->gc || !ch->o.exists || !ch->n.exists)
		return 0;
	for (unsigned int i = 0; i < ch->o.g.nr_blocks; i++) {
		same &= EXTENT_PTR_DEV(bch2_stripe_ptr(ch->o.k, &ch->o.g, i)) ==
			EXTENT_PTR_DEV(bch2_stripe_ptr(ch->n.k, &ch->n.g, i));
		sectors += bch2_stripe_block_sectors(ch->o.k, &ch->o.g, i);
	}
	return same ? 0 : account_data(ch, &ch->o, -sectors) ?: account_data(ch, &ch->n, sectors);
}

/* --- buckets of blocks, spec 52 §4.1 --- */

struct stripe_block {
	struct bch_dev		*ca;
	struct bpos		bucket;
	struct extent_ptr_decoded p;
	unsigned int		data_type;	/* of the bucket */
	s64			sectors;	/* counted in it */
};

/* False: the block is on no device. */
static bool block_get(struct bch_fs *c, const struct stripe_side *s, unsigned int block,
		      struct stripe_block *b)
{
	const bool parity = block >= s->g.nr_data;

	memset(b, 0, sizeof(*b));
	b->p.ptr = *bch2_stripe_ptr(s->k, &s->g, block);
	b->p.idx = block;
	b->ca = bch2_dev(c, EXTENT_PTR_DEV(&b->p.ptr));
	if (!b->ca)
		return false;
	b->bucket = POS(b->ca->dev_idx, sector_to_bucket(b->ca, EXTENT_PTR_OFFSET(&b->p.ptr)));
	b->data_type = parity ? BCH_DATA_parity : BCH_DATA_stripe;
	b->sectors = parity ? s->g.sectors : 0;
	return true;
}

static int count_stripe_refs(struct btree_trans *trans, struct bpos bucket)
{
	const u64 b = bucket_to_u64(bucket);
	int nr = 0;
	int ret = for_each_btree_key_max(trans, iter, BTREE_ID_bucket_to_stripe, POS(b, 0),
					 POS(b, U64_MAX), 0, k, ({
		nr += k.k->type == KEY_TYPE_set;
		0;
	}));

	return ret ?: nr;
}

/*
 * A parity bucket has sectors exactly while a stripe refers to it. The index
 * knows how many do; if that does not explain it, the bucket is kept from reuse
 * until the passes have looked (spec 40 §5.4).
 */
static int parity_bucket_check(struct btree_trans *trans, struct bpos bucket,
			       struct bch_alloc_v4 *a)
{
	struct bch_fs *c = trans->c;
	int ret = 0, nr;

	if (!a->stripe_refcount == !a->dirty_sectors)
		return 0;

	nr = count_stripe_refs(trans, bucket);
	if (nr < 0)
		return nr;
	if (nr != (int) le32_to_cpu(a->stripe_refcount) &&
	    fsck_err(c, alloc_key_stripe_refcount_wrong,
		     "bucket %llu:%llu: stripe_refcount %u, should be %i", (u64) bucket.inode,
		     (u64) bucket.offset, le32_to_cpu(a->stripe_refcount), nr))
		a->stripe_refcount = cpu_to_le32(nr);
	if (!a->stripe_refcount == !a->dirty_sectors)
		return 0;

	bch_err(c, "parity bucket %llu:%llu: %u dirty sectors, %u stripes", (u64) bucket.inode,
		(u64) bucket.offset, le32_to_cpu(a->dirty_sectors),
		le32_to_cpu(a->stripe_refcount));
	if (c->up.request_pass) {
		c->up.request_pass(c, BCH_RECOVERY_PASS_STABLE_check_allocations);
		c->up.request_pass(c, BCH_RECOVERY_PASS_STABLE_check_alloc_info);
	}
	a->dirty_sectors = a->dirty_sectors ?: cpu_to_le32(1);
	a->stripe_refcount = a->stripe_refcount ?: cpu_to_le32(1);
fsck_err:
	return ret;
}

static int block_bucket_trans(const struct stripe_change *ch, const struct stripe_side *s,
			      const struct stripe_block *b, bool insert)
{
	struct btree_trans *trans = ch->trans;
	struct bkey_i_alloc_v4 *a = bch2_trans_start_alloc_update(trans, b->bucket, 0);
	u32 refs;
	int ret;

	if (IS_ERR(a))
		return PTR_ERR(a);

	refs = le32_to_cpu(a->v.stripe_refcount);
	if (!insert && !refs)
		bch_err(trans->c, "bucket %llu:%llu: stripe_refcount falls below 0",
			(u64) b->bucket.inode, (u64) b->bucket.offset);
	refs = insert ? refs + 1 : refs ? refs - 1 : 0;
	a->v.stripe_refcount = cpu_to_le32(refs);

	ret = bch2_bucket_ref_update(trans, b->ca, s->k, &b->p, insert ? b->sectors : -b->sectors,
				     b->data_type, &a->v, insert) ?:
		bch2_bucket_to_stripe_mod(trans, b->bucket, ch->idx, insert);
	if (ret)
		return min(ret, 0);

	if (b->data_type == BCH_DATA_parity) {
		ret = parity_bucket_check(trans, b->bucket, &a->v);
		if (ret)
			return ret;
	}
	bch2_alloc_data_type_set(&a->v, a->v.stripe_refcount ? b->data_type : BCH_DATA_user);
	return 0;
}

static int block_bucket(const struct stripe_change *ch, const struct stripe_side *s,
			unsigned int block, bool insert)
{
	struct stripe_block b;

	if (!block_get(ch->trans->c, s, block, &b))
		return 0;
	if (!bucket_valid(b.ca, b.bucket.offset))
		return insert ? -BCH_ERR_trigger_stripe : 0;
	if (ch->gc)
		return bch2_gc_stripe_bucket(ch->trans, b.ca, b.bucket.offset, b.data_type,
					     insert ? b.sectors : -b.sectors, insert);
	return block_bucket_trans(ch, s, &b, insert);
}

static int block_backpointer(const struct stripe_change *ch, const struct stripe_side *s,
			     unsigned int block, bool insert)
{
	struct bch_fs *c = ch->trans->c;
	struct backpointer_key bp;
	struct stripe_block b;

	if (!block_get(c, s, block, &b) || !bucket_valid(b.ca, b.bucket.offset))
		return 0;
	bp = bch2_ptr_to_backpointer(c, BTREE_ID_stripes, 0, s->k, &b.p,
				     bch2_backpointer_shift(c));
	return bch2_bucket_backpointer_mod(ch->trans, &bp, insert);
}

static bool block_same(const struct stripe_change *ch, unsigned int block)
{
	return ch->o.exists && ch->n.exists &&
		bch2_stripe_ptr(ch->o.k, &ch->o.g, block)->w ==
		bch2_stripe_ptr(ch->n.k, &ch->n.g, block)->w;
}

/* Step 7: marks come before unmarks, so that a bucket that stays is never empty. */
static int blocks_follow(const struct stripe_change *ch)
{
	const unsigned int nr = max(ch->o.g.nr_blocks, ch->n.g.nr_blocks);
	int ret = 0;

	for (unsigned int i = 0; !ret && i < nr; i++) {
		const bool same = block_same(ch, i);

		if (!same && ch->n.exists)
			ret = block_bucket(ch, &ch->n, i, true);
		if (!ret && !same && ch->o.exists)
			ret = block_bucket(ch, &ch->o, i, false);
		if (ch->gc || (same && ch->o.needs_reconcile == ch->n.needs_reconcile))
			continue;
		if (!ret && ch->o.exists)
			ret = block_backpointer(ch, &ch->o, i, false);
		if (!ret && ch->n.exists)
			ret = block_backpointer(ch, &ch->n, i, true);
	}
	return ret;
}

/* --- the trigger, spec 52 §6 --- */

static u64 side_lru_time(const struct stripe_side *s)
{
	return s->exists ? bch2_stripe_lru_idx(s->k, &s->g) : 0;
}

/* Steps 1 and 2: the new key as it will be written. */
static int new_key_prepare(struct stripe_change *ch, struct bkey_s new_key)
{
	if (!ch->n.exists)
		return 0;
	can_widen_set(new_key, bch2_stripe_can_widen_compute(ch->trans->c, ch->n.k));

	/* data of a stripe that was just made comes in later transactions */
	if (!ch->o.exists || side_lru_time(&ch->n) != 1)
		return 0;
	new_key.k->type = KEY_TYPE_deleted;
	set_bkey_val_u64s(new_key.k, 0);
	return side_init(&ch->n, ch->n.k);
}

static bool all_blocks_same(const struct stripe_change *ch)
{
	if (!ch->o.exists || !ch->n.exists)
		return false;
	for (unsigned int i = 0; i < ch->n.g.nr_blocks; i++)
		if (!block_same(ch, i))
			return false;
	return true;
}

static int stripe_change_apply(const struct stripe_change *ch)
{
	int ret;

	if (ch->o.needs_reconcile != ch->n.needs_reconcile || ch->gc) {
		ret = account_reconcile(ch, &ch->o, -1) ?: account_reconcile(ch, &ch->n, 1);
		if (ret)
			return ret;
	}
	if (all_blocks_same(ch) && ch->o.needs_reconcile == ch->n.needs_reconcile)
		return 0;
	return account_parity(ch, &ch->n, 1) ?:
		account_parity(ch, &ch->o, -1) ?:
		account_devices_changed(ch) ?:
		blocks_follow(ch);
}

static int trigger_transactional(struct stripe_change *ch, struct bkey_s new_key)
{
	const struct stripe_geometry *a = &ch->o.g, *b = &ch->n.g;
	int ret;

	if (ch->o.exists && ch->n.exists &&
	    (a->sectors != b->sectors || a->nr_blocks != b->nr_blocks ||
	     a->nr_redundant != b->nr_redundant)) {
		bch_err(ch->trans->c, "stripe %llu would change its shape", ch->idx);
		return -BCH_ERR_trigger_stripe;
	}

	ret =   new_key_prepare(ch, new_key) ?:
		bch2_lru_change(ch->trans, BCH_LRU_STRIPES, ch->idx,
				side_lru_time(&ch->o), side_lru_time(&ch->n)) ?:
		bch2_reconcile_work_mod(ch->trans, BTREE_ID_stripes, POS(0, ch->idx),
					ch->o.needs_reconcile ? RECONCILE_WORK_hipri
							      : RECONCILE_WORK_none,
					ch->n.needs_reconcile ? RECONCILE_WORK_hipri
							      : RECONCILE_WORK_none);
	return ret ?: stripe_change_apply(ch);
}

static int trigger_gc(struct stripe_change *ch)
{
	struct bch_fs *c = ch->trans->c;
	int ret = 0;

	if (ch->n.exists)
		ret = bch2_gc_mark_stripe(c, ch->n.k);
	else if (ch->o.exists)
		bch2_gc_forget_stripe(c, ch->idx);
	return ret ?: stripe_change_apply(ch);
}

/**
 * bch2_trigger_stripe - what follows from a change of a stripe
 * @trans:	transaction
 * @btree:	stripes
 * @level:	0
 * @old:	key before
 * @new_key:	key after: can_widen is set; an empty stripe becomes a deletion
 * @flags:	transactional or gc; insert, overwrite
 *
 * Returns 0, a restart, or an error.
 */
int bch2_trigger_stripe(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			struct bkey_s_c old, struct bkey_s new_key, unsigned int flags)
{
	struct bkey deleted;
	const struct bkey_s_c none = { &deleted, NULL };
	struct stripe_change ch = {
		.trans	= trans,
		.idx	= new_key.k->p.offset,
		.gc	= flags & BTREE_TRIGGER_gc,
	};
	int ret;

	if (!(flags & (BTREE_TRIGGER_transactional|BTREE_TRIGGER_gc)))
		return 0;

	bkey_init(&deleted);
	deleted.p = new_key.k->p;
	ret =   side_init(&ch.o, flags & BTREE_TRIGGER_overwrite ? old : none) ?:
		side_init(&ch.n, flags & BTREE_TRIGGER_insert ? bkey_s_to_s_c(new_key) : none);
	if (ret)
		return ret;
	return ch.gc ? trigger_gc(&ch) : trigger_transactional(&ch, new_key);
}

/* --- pointers into stripes --- */

static void report_stale_ptr(struct bch_fs *c, struct bkey_s_c k)
{
	CLASS(printbuf, buf)();

	bch2_bkey_val_to_text(&buf, c, k);
	bch_err(c, "stripe of a pointer does not exist or is not the pointer's:\n  %s",
		printbuf_str(&buf));
	bch2_count_fsck_err(c, BCH_FSCK_ERR_stripe_update_stale_stripe_ptr);
	if (c->up.request_pass && !c->gc)
		c->up.request_pass(c, BCH_RECOVERY_PASS_STABLE_check_allocations);
}

static void block_sectors_add(struct bch_fs *c, struct bkey_i *k,
			      const struct stripe_geometry *g, unsigned int block, s64 sectors)
{
	u8 *p = (u8 *) &k->v + g->counts_offset + block * sizeof(__le16);
	const s64 n = get_unaligned_le16(p) + sectors;

	if (n < 0 || n > U16_MAX) {
		bch_err(c, "stripe %llu block %u: %u live sectors and %lli more are out of range",
			(u64) k->k.p.offset, block, get_unaligned_le16(p), (long long) sectors);
		if (c->up.request_pass)
			c->up.request_pass(c, BCH_RECOVERY_PASS_STABLE_check_allocations);
	}
	put_unaligned_le16(clamp_t(s64, n, 0, U16_MAX), p);
}

/* The stripe's count changes in this transaction; its trigger runs later. */
static int stripe_ptr_trans(struct btree_trans *trans, struct bkey_s_c k,
			    const struct extent_ptr_decoded *p, unsigned int data_type,
			    s64 sectors, struct bch_replicas_padded *r)
{
	struct stripe_side s;
	struct btree_iter iter;
	struct bkey_s_c sk;
	struct bkey_i *n;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_stripes, POS(0, STRIPE_PTR_IDX(&p->ec)),
			     BTREE_ITER_intent);
	sk = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(sk);
	if (ret)
		goto out;

	if (side_init(&s, sk) || !s.exists || !bch2_ptr_matches_stripe(sk, &s.g, p)) {
		report_stale_ptr(trans->c, k);
		ret = 1;
		goto out;
	}
	side_replicas(&s, data_type, r);

	n = bch2_bkey_copy_to_arena(trans, sk, 0);
	ret = PTR_ERR_OR_ZERO(n);
	if (ret)
		goto out;
	block_sectors_add(trans->c, n, &s.g, STRIPE_PTR_BLOCK(&p->ec), sectors);
	ret = bch2_trans_update(trans, &iter, n, 0);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_trigger_stripe_ptr - count a pointer in its stripe
 * @trans:	transaction
 * @k:		key of the pointer
 * @p:		pointer with has_ec
 * @data_type:	user or btree
 * @sectors:	on disk; negative: it goes
 * @flags:	of the trigger: transactional or gc
 * @r:		result: replicas name that the sectors count under; may be unsorted
 *
 * Returns 0; 1 if the stripe does not exist or does not match, which has been
 * reported; a restart, or an error.
 */
int bch2_trigger_stripe_ptr(struct btree_trans *trans, struct bkey_s_c k,
			    const struct extent_ptr_decoded *p, unsigned int data_type,
			    s64 sectors, unsigned int flags, struct bch_replicas_padded *r)
{
	int ret;

	if (!(flags & BTREE_TRIGGER_gc))
		return stripe_ptr_trans(trans, k, p, data_type, sectors, r);

	ret = bch2_gc_stripe_ptr(trans->c, p, data_type, sectors, r);
	if (ret > 0)
		report_stale_ptr(trans->c, k);
	return ret;
}
