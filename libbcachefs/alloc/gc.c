// SPDX-License-Identifier: GPL-2.0
/*
 * Tables of a recount of allocations (spec 43 §4.1, §4.5, §4.6) and how keys are
 * marked in them.
 *
 * The counted dev_data_type counters always equal the sum over the bucket table,
 * because every change of a record goes through bucket_change().
 *
 * A recount runs before the filesystem may be written: the thread that starts the
 * filesystem is the only one that commits anything, no node is split or moved, no
 * bucket is given out. So nothing changes behind the walk but what its own visitor
 * repairs, and no lock has to order commits and the walk. The lock here only covers
 * the tables themselves.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/accounting_live.h"
#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/buckets.h"
#include "alloc/dev_init.h"
#include "alloc/gc.h"
#include "alloc/replicas_live.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/extent_entries.h"
#include "data/reflink.h"
#include "data/stripes.h"
#include "sb/members.h"
#include "util/bpos.h"
#include "util/log.h"

/* --- life --- */

/**
 * bch2_gc_free - end a recount
 * @c:		filesystem
 */
void bch2_gc_free(struct bch_fs *c)
{
	struct bch_gc *gc = c->gc;

	if (!gc)
		return;
	bch2_accounting_gc_stop(c);
	c->gc = NULL;
	for (unsigned int i = 0; i < BCH_SB_MEMBERS_MAX; i++)
		kvfree(gc->buckets[i]);
	for (u32 i = 0; i < gc->nr_stripes; i++)
		kfree(gc->stripes[i]);
	kvfree(gc->stripes);
	kvfree(gc->indirect);
	kvfree(gc);
}

/**
 * bch2_gc_alloc - begin a recount
 * @c:		filesystem without one
 *
 * 16 bytes per bucket of all members, online or not. Returns 0 or no memory.
 */
int bch2_gc_alloc(struct bch_fs *c)
{
	struct bch_gc *gc = kvzalloc(sizeof(*gc), GFP_KERNEL);
	int ret = gc ? 0 : -BCH_ERR_ENOMEM_gc;

	if (ret)
		return ret;
	mutex_init(&gc->lock);
	for_each_member_device(c, ca) {
		gc->buckets[ca->dev_idx] = kvcalloc(ca->mi.nbuckets, sizeof(struct bucket_gc),
						    GFP_KERNEL);
		gc->nbuckets[ca->dev_idx] = ca->mi.nbuckets;
		if (!gc->buckets[ca->dev_idx])
			ret = -BCH_ERR_ENOMEM_gc;
	}
	c->gc = gc;
	ret = ret ?: bch2_accounting_gc_start(c);
	if (ret)
		bch2_gc_free(c);
	return ret;
}

/* --- buckets --- */

/**
 * bch2_gc_bucket - what was counted for a bucket
 * @c:		filesystem
 * @dev:	member index
 * @bucket:	bucket number
 *
 * Returns NULL if there is no such bucket.
 */
struct bucket_gc *bch2_gc_bucket(struct bch_fs *c, unsigned int dev, u64 bucket)
{
	struct bch_gc *gc = c->gc;

	return gc && dev < BCH_SB_MEMBERS_MAX && bucket < gc->nbuckets[dev]
		? gc->buckets[dev] + bucket : NULL;
}

static struct bch_alloc_v4 record_to_alloc(const struct bucket_gc *g)
{
	struct bch_alloc_v4 a = {
		.gen		= g->gen,
		.oldest_gen	= g->gen,
		.data_type	= g->data_type,
		.dirty_sectors	= cpu_to_le32(g->dirty_sectors),
		.cached_sectors	= cpu_to_le32(g->cached_sectors),
		.stripe_sectors	= cpu_to_le32(g->stripe_sectors),
	};

	return a;
}

/* The record becomes @n, and accounting follows; the lock is held. */
static int bucket_change(struct btree_trans *trans, struct bch_dev *ca, struct bucket_gc *g,
			 const struct bch_alloc_v4 *n)
{
	const struct bch_alloc_v4 o = record_to_alloc(g);

	g->data_type		= n->data_type;
	g->dirty_sectors	= le32_to_cpu(n->dirty_sectors);
	g->cached_sectors	= le32_to_cpu(n->cached_sectors);
	g->stripe_sectors	= le32_to_cpu(n->stripe_sectors);
	return bch2_alloc_accounting_change(trans, true, ca, &o, n);
}

/**
 * bch2_gc_bucket_ref - count a pointer in its bucket
 * @trans:		transaction
 * @ca:			device
 * @bucket:		bucket number, valid
 * @k:			key of the pointer
 * @p:			pointer
 * @sectors:		on disk; negative: it goes
 * @ptr_data_type:	kind of data
 * @insert:		it comes
 *
 * Returns what bch2_bucket_ref_update() says, or no memory.
 */
int bch2_gc_bucket_ref(struct btree_trans *trans, struct bch_dev *ca, u64 bucket,
		       struct bkey_s_c k, const struct extent_ptr_decoded *p, s64 sectors,
		       unsigned int ptr_data_type, bool insert)
{
	struct bch_gc *gc = trans->c->gc;
	struct bucket_gc *g = bch2_gc_bucket(trans->c, ca->dev_idx, bucket);
	struct bch_alloc_v4 n;
	int ret;

	if (!g)
		return 0;
	mutex_lock(&gc->lock);
	n = record_to_alloc(g);
	ret = bch2_bucket_ref_update(trans, ca, k, p, sectors, ptr_data_type, &n, insert);
	if (!ret) {
		if (!insert)
			bch2_alloc_data_type_set(&n, n.data_type);
		ret = bucket_change(trans, ca, g, &n);
	}
	mutex_unlock(&gc->lock);
	return ret;
}

/**
 * bch2_gc_stripe_bucket - count a block of a stripe in its bucket
 * @trans:	transaction
 * @ca:		device
 * @bucket:	bucket number
 * @data_type:	parity or stripe
 * @sectors:	of a parity block; negative: it goes
 * @insert:	it comes
 *
 * Records have no count of stripes: a block that goes leaves the state to what
 * the pointers say (spec 43 §4.5). Returns 0 or no memory.
 */
int bch2_gc_stripe_bucket(struct btree_trans *trans, struct bch_dev *ca, u64 bucket,
			  unsigned int data_type, s64 sectors, bool insert)
{
	struct bch_gc *gc = trans->c->gc;
	struct bucket_gc *g = bch2_gc_bucket(trans->c, ca->dev_idx, bucket);
	struct bch_alloc_v4 n;
	int ret;

	if (!g)
		return 0;
	mutex_lock(&gc->lock);
	n = record_to_alloc(g);
	n.dirty_sectors = cpu_to_le32(clamp_t(s64, g->dirty_sectors + sectors, 0, U32_MAX));
	if (insert)
		n.data_type = data_type;
	else
		bch2_alloc_data_type_set(&n, BCH_DATA_user);
	ret = bucket_change(trans, ca, g, &n);
	mutex_unlock(&gc->lock);
	return ret;
}

/**
 * bch2_gc_mark_alloc - there is an alloc key
 * @c:		filesystem
 * @k:		alloc key of any version
 */
void bch2_gc_mark_alloc(struct bch_fs *c, struct bkey_s_c k)
{
	struct bucket_gc *g = bch2_gc_bucket(c, k.k->p.inode, k.k->p.offset);
	struct bch_alloc_v4 a;

	if (!g || k.k->p.inode >= BCH_SB_MEMBERS_MAX)
		return;
	bch2_alloc_to_v4(k, &a);
	mutex_lock(&c->gc->lock);
	g->gen		= a.gen;
	g->gen_valid	= true;
	mutex_unlock(&c->gc->lock);
}

static int mark_metadata(struct btree_trans *trans, struct bch_dev *ca, u64 bucket,
			 unsigned int type, u64 sectors)
{
	struct bucket_gc *g = bch2_gc_bucket(trans->c, ca->dev_idx, bucket);
	struct bch_alloc_v4 n;
	int ret;

	if (!g || !bucket_valid(ca, bucket))
		return 0;
	if ((g->data_type && g->data_type != type) ||
	    g->dirty_sectors + sectors > ca->mi.bucket_size) {
		bch_err(trans->c, "bucket %u:%llu is claimed twice: type %u with %u sectors, and "
			"type %u with %llu", ca->dev_idx, bucket, g->data_type, g->dirty_sectors,
			type, sectors);
		return -BCH_ERR_trigger_metadata_bucket;
	}

	mutex_lock(&trans->c->gc->lock);
	n = record_to_alloc(g);
	n.data_type	= type;
	n.dirty_sectors = cpu_to_le32(g->dirty_sectors + sectors);
	ret = bucket_change(trans, ca, g, &n);
	mutex_unlock(&trans->c->gc->lock);
	return ret;
}

static int mark_dev_sb(struct btree_trans *trans, struct bch_dev *ca)
{
	struct bch_sb_bucket_iter it = {};
	struct bch_sb_bucket b;
	int ret = 0;

	while (!ret && bch2_sb_bucket_next(&ca->disk_sb.sb->layout, ca->mi.bucket_size,
					   ca->mi.nbuckets, &it, &b))
		ret = mark_metadata(trans, ca, b.bucket, BCH_DATA_sb, b.sectors);
	for (unsigned int i = 0; !ret && i < ca->journal.nr; i++)
		ret = mark_metadata(trans, ca, ca->journal.buckets[i], BCH_DATA_journal,
				    ca->mi.bucket_size);
	return ret;
}

/**
 * bch2_gc_mark_sbs - count superblocks and journals of all online devices
 * @trans:	transaction
 *
 * Spec 40 §1.5, 43 §4.2. Returns 0, no memory, or
 * -BCH_ERR_trigger_metadata_bucket if a bucket is claimed twice.
 */
int bch2_gc_mark_sbs(struct btree_trans *trans)
{
	int ret = 0;

	for_each_online_member(trans->c, ca)
		ret = ret ?: mark_dev_sb(trans, ca);
	return ret;
}

/**
 * bch2_gc_bucket_set_type - decide what a bucket holds
 * @trans:	transaction
 * @ca:		device
 * @bucket:	bucket number
 * @data_type:	kind of data
 * @empty:	nothing that was counted so far is in it
 *
 * Returns 0 or no memory.
 */
int bch2_gc_bucket_set_type(struct btree_trans *trans, struct bch_dev *ca, u64 bucket,
			    unsigned int data_type, bool empty)
{
	struct bch_gc *gc = trans->c->gc;
	struct bucket_gc *g = bch2_gc_bucket(trans->c, ca->dev_idx, bucket);
	struct bch_alloc_v4 n;
	int ret;

	if (!g)
		return 0;
	mutex_lock(&gc->lock);
	n = record_to_alloc(g);
	n.data_type = data_type;
	if (empty)
		n.dirty_sectors = n.cached_sectors = n.stripe_sectors = 0;
	ret = bucket_change(trans, ca, g, &n);
	mutex_unlock(&gc->lock);
	return ret;
}

/* --- stripes --- */

static u32 stripe_search(const struct bch_gc *gc, u64 idx)
{
	u32 l = 0, r = gc->nr_stripes;

	while (l < r) {
		const u32 m = l + (r - l) / 2;

		if (gc->stripes[m]->idx < idx)
			l = m + 1;
		else
			r = m;
	}
	return l;
}

/**
 * bch2_gc_stripe - what was counted for a stripe
 * @c:		filesystem
 * @idx:	its number
 *
 * Returns NULL if there is no such stripe.
 */
struct gc_stripe *bch2_gc_stripe(struct bch_fs *c, u64 idx)
{
	const struct bch_gc *gc = c->gc;
	const u32 i = stripe_search(gc, idx);

	return i < gc->nr_stripes && gc->stripes[i]->idx == idx ? gc->stripes[i] : NULL;
}

static int stripes_grow(struct bch_gc *gc)
{
	const u32 size = gc->stripes_size ? gc->stripes_size * 2 : 64;
	struct gc_stripe **n;

	if (gc->nr_stripes < gc->stripes_size)
		return 0;
	n = kvmalloc_array(size, sizeof(*n), GFP_KERNEL);
	if (!n)
		return -BCH_ERR_ENOMEM_gc;
	if (gc->nr_stripes)
		memcpy(n, gc->stripes, gc->nr_stripes * sizeof(*n));
	kvfree(gc->stripes);
	gc->stripes	 = n;
	gc->stripes_size = size;
	return 0;
}

/* The record of a stripe, made if there is none; the lock is held. */
static struct gc_stripe *stripe_get(struct bch_gc *gc, u64 idx)
{
	const u32 i = stripe_search(gc, idx);
	struct gc_stripe *s;

	if (i < gc->nr_stripes && gc->stripes[i]->idx == idx)
		return gc->stripes[i];
	if (stripes_grow(gc))
		return NULL;
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return NULL;
	s->idx = idx;
	memmove(gc->stripes + i + 1, gc->stripes + i,
		(gc->nr_stripes - i) * sizeof(*gc->stripes));
	gc->stripes[i] = s;
	gc->nr_stripes++;
	return s;
}

/**
 * bch2_gc_mark_stripe - there is a stripe
 * @c:		filesystem
 * @k:		stripe
 *
 * Block counts collected before are kept. Returns 0, no memory, or
 * -BCH_ERR_trigger_stripe for a value that cannot be understood.
 */
int bch2_gc_mark_stripe(struct bch_fs *c, struct bkey_s_c k)
{
	struct stripe_geometry g;
	struct gc_stripe *s;

	if (bch2_stripe_geometry(k, &g))
		return -BCH_ERR_trigger_stripe;

	mutex_lock(&c->gc->lock);
	s = stripe_get(c->gc, k.k->p.offset);
	if (s) {
		s->sectors	= g.sectors;
		s->nr_blocks	= g.nr_blocks;
		s->nr_redundant	= g.nr_redundant;
		for (unsigned int i = 0; i < g.nr_blocks; i++)
			s->ptrs[i] = *bch2_stripe_ptr(k, &g, i);
	}
	mutex_unlock(&c->gc->lock);
	return s ? 0 : -BCH_ERR_ENOMEM_gc;
}

/**
 * bch2_gc_forget_stripe - a stripe was deleted behind the walk
 * @c:		filesystem
 * @idx:	its number
 */
void bch2_gc_forget_stripe(struct bch_fs *c, u64 idx)
{
	struct bch_gc *gc = c->gc;
	u32 i;

	mutex_lock(&gc->lock);
	i = stripe_search(gc, idx);
	if (i < gc->nr_stripes && gc->stripes[i]->idx == idx) {
		kfree(gc->stripes[i]);
		gc->nr_stripes--;
		memmove(gc->stripes + i, gc->stripes + i + 1,
			(gc->nr_stripes - i) * sizeof(*gc->stripes));
	}
	mutex_unlock(&gc->lock);
}

/**
 * bch2_gc_stripe_matches - was a pointer made for this stripe?
 * @s:		stripe as counted
 * @p:		pointer with has_ec
 *
 * Spec 52 §3.2.
 */
bool bch2_gc_stripe_matches(const struct gc_stripe *s, const struct extent_ptr_decoded *p)
{
	const unsigned int block = STRIPE_PTR_BLOCK(&p->ec);
	const unsigned int dev = EXTENT_PTR_DEV(&p->ptr);
	const u64 offset = EXTENT_PTR_OFFSET(&p->ptr);
	const struct bch_extent_ptr *b;

	if (block + s->nr_redundant >= s->nr_blocks)
		return false;
	b = &s->ptrs[block];
	return (dev == EXTENT_PTR_DEV(b) || dev == BCH_SB_MEMBER_INVALID ||
		EXTENT_PTR_DEV(b) == BCH_SB_MEMBER_INVALID) &&
		EXTENT_PTR_GEN(&p->ptr) == EXTENT_PTR_GEN(b) &&
		offset >= EXTENT_PTR_OFFSET(b) && offset < EXTENT_PTR_OFFSET(b) + s->sectors;
}

/**
 * bch2_gc_stripe_ptr - count a striped pointer in its stripe
 * @c:		filesystem
 * @p:		pointer with has_ec
 * @data_type:	of the replicas name
 * @sectors:	on disk; negative: it goes
 * @r:		result: replicas name that it counts under
 *
 * Returns 0, or 1 if the stripe does not exist or is not the pointer's.
 */
int bch2_gc_stripe_ptr(struct bch_fs *c, const struct extent_ptr_decoded *p,
		       unsigned int data_type, s64 sectors, struct bch_replicas_padded *r)
{
	struct gc_stripe *s;
	int ret = 1;

	mutex_lock(&c->gc->lock);
	s = bch2_gc_stripe(c, STRIPE_PTR_IDX(&p->ec));
	if (s && bch2_gc_stripe_matches(s, p)) {
		u16 *n = &s->block_sectors[STRIPE_PTR_BLOCK(&p->ec)];

		*n = clamp_t(s64, *n + sectors, 0, U16_MAX);
		memset(r, 0, sizeof(*r));
		r->e.data_type	 = data_type;
		r->e.nr_required = s->nr_blocks - s->nr_redundant;
		for (unsigned int i = 0; i < s->nr_blocks; i++)
			r->e.devs[r->e.nr_devs++] = EXTENT_PTR_DEV(&s->ptrs[i]);
		ret = 0;
	}
	mutex_unlock(&c->gc->lock);
	return ret;
}

/* --- shared extents --- */

static u64 indirect_search(const struct bch_gc *gc, u64 idx)
{
	u64 l = 0, r = gc->nr_indirect;

	while (l < r) {
		const u64 m = l + (r - l) / 2;

		if (gc->indirect[m].end <= idx)
			l = m + 1;
		else
			r = m;
	}
	return l;
}

/**
 * bch2_gc_indirect - the first shared extent that ends behind an index
 * @c:		filesystem
 * @idx:	sector of the reflink btree
 *
 * Returns NULL if there is none.
 */
struct gc_indirect *bch2_gc_indirect(struct bch_fs *c, u64 idx)
{
	const u64 i = indirect_search(c->gc, idx);

	return i < c->gc->nr_indirect ? c->gc->indirect + i : NULL;
}

/* There is a shared extent; in ascending order, before any reference. */
static int add_indirect(struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_gc *gc = c->gc;

	if (gc->nr_indirect == gc->indirect_size) {
		const u64 size = gc->indirect_size ? gc->indirect_size * 2 : 256;
		struct gc_indirect *n = kvmalloc_array(size, sizeof(*n), GFP_KERNEL);

		if (!n)
			return -BCH_ERR_ENOMEM_gc;
		if (gc->nr_indirect)
			memcpy(n, gc->indirect, gc->nr_indirect * sizeof(*n));
		kvfree(gc->indirect);
		gc->indirect	  = n;
		gc->indirect_size = size;
	}
	gc->indirect[gc->nr_indirect++] = (struct gc_indirect) {
		.end	= k.k->p.offset,
		.size	= k.k->size,
	};
	return 0;
}

/**
 * bch2_gc_indirect_ref - a reference comes or goes
 * @c:		filesystem
 * @start:	first sector of the reflink btree
 * @end:	behind the last
 * @sign:	1 or -1
 *
 * Whatever overlaps the range has one more or less; gaps are passed over.
 */
void bch2_gc_indirect_ref(struct bch_fs *c, u64 start, u64 end, int sign)
{
	struct bch_gc *gc = c->gc;

	mutex_lock(&gc->lock);
	for (u64 i = indirect_search(gc, start); i < gc->nr_indirect; i++) {
		struct gc_indirect *e = gc->indirect + i;

		if (e->end - e->size >= end)
			break;
		if (sign > 0 || e->refs)
			e->refs += sign;
	}
	mutex_unlock(&gc->lock);
}

/* --- the walk --- */

/**
 * bch2_gc_mark_key - count a key
 * @trans:	transaction
 * @btree:	its btree
 * @level:	level that it lives at; a root's pointer: root level + 1
 * @k:		key; in the order of bch2_gc_walk()
 *
 * Runs its trigger in gc mode, as an insertion (spec 43 §4.5); asks for no restart.
 * Returns 0 or an error: what could not be counted ends the recount.
 */
int bch2_gc_mark_key(struct btree_trans *trans, enum btree_id btree, unsigned int level,
		     struct bkey_s_c k)
{
	const struct bkey_ops *ops = bch2_bkey_type_ops(k.k->type);
	struct bkey deleted;
	struct bkey_s new_key = { (struct bkey *) k.k, (struct bch_val *) k.v };
	int ret = 0;

	if (btree == BTREE_ID_reflink && !level && bkey_is_indirect(k.k))
		ret = add_indirect(trans->c, k);
	if (ret || !ops->trigger)
		return ret;
	bkey_init(&deleted);
	deleted.p = k.k->p;
	/* nothing is changed through new_key in gc mode */
	return ops->trigger(trans, btree, level, (struct bkey_s_c) { &deleted, NULL }, new_key,
			    BTREE_TRIGGER_gc|BTREE_TRIGGER_insert);
}

/* Whatever the alloc key says, these have no data that stripes could protect. */
static bool never_striped(unsigned data_type)
{
	return data_type_is_hidden(data_type) || data_type == BCH_DATA_btree;
}

/**
 * bch2_gc_bucket_finish - what the alloc key of a bucket should say
 * @trans:	transaction
 * @ca:		device
 * @bucket:	bucket number, valid
 * @old:	value there is; all zero if there is no key
 * @result:	value there should be
 *
 * Spec 43 §4.6, steps 1 and 2: what the walk cannot know is taken from @old, and
 * the counted dev_data_type follows. Not taken is a stripe_refcount that cannot be:
 * the state would be derived from it, here and until it is repaired. Call once per
 * bucket. Returns 0 or no memory.
 */
int bch2_gc_bucket_finish(struct btree_trans *trans, struct bch_dev *ca, u64 bucket,
			  const struct bch_alloc_v4 *old, struct bch_alloc_v4 *result)
{
	const struct bucket_gc *g = bch2_gc_bucket(trans->c, ca->dev_idx, bucket);
	const struct bch_alloc_v4 counted = record_to_alloc(g);
	struct bch_alloc_v4 *n = result;

	*n = *old;
	n->gen			= g->gen;
	n->data_type		= g->data_type;
	n->dirty_sectors	= counted.dirty_sectors;
	n->cached_sectors	= counted.cached_sectors;
	n->stripe_sectors	= counted.stripe_sectors;
	if (never_striped(g->data_type))
		n->stripe_refcount = 0;
	if (!bch2_dev_is_online(ca) && data_type_is_hidden(old->data_type)) {
		n->data_type	 = old->data_type;
		n->dirty_sectors = old->dirty_sectors;
	}
	bch2_alloc_data_type_set(n, !data_type_is_empty(g->data_type) ? g->data_type
								      : old->data_type);
	return bch2_alloc_accounting_change(trans, true, ca, &counted, n);
}
