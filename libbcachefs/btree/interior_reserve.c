// SPDX-License-Identifier: GPL-2.0
/*
 * What an interior update needs before it touches anything: space on devices,
 * memory for nodes, the update itself (spec 21 §11.1 step 2).
 *
 * Invariant: after btree_update_start() making nodes cannot fail. Space and memory
 * that an abandoned update leaves are kept for the next one, because taking them
 * may have been what made the attempt restart.
 */
#include <linux/err.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/cache.h"
#include "btree/commit.h"
#include "btree/interior.h"
#include "btree/interior_priv.h"
#include "btree/node_check.h"
#include "btree/node_insert.h"
#include "btree/trans.h"
#include "journal/journal.h"
#include "journal/pins.h"

/**
 * btree_update_watermark - how deep an interior update may dig into free buckets
 * @btree_id:		btree
 * @level:		level of the lowest node that is replaced
 * @commit_flags:	of the commit that needs it
 *
 * Spec 21 §8.3: at least btree; btree_copygc for btrees that moving data changes.
 */
unsigned btree_update_watermark(unsigned btree_id, unsigned level, unsigned commit_flags)
{
	const unsigned given = commit_flags & BCH_WATERMARK_MASK;
	const bool copygc = level || btree_id == BTREE_ID_extents ||
		btree_id == BTREE_ID_reflink || btree_id == BTREE_ID_stripes;

	return max(given, (unsigned) (given == BCH_WATERMARK_copygc && copygc
				      ? BCH_WATERMARK_btree_copygc : BCH_WATERMARK_btree));
}

/* --- space and memory --- */

static bool space_pop(struct bch_fs *c, struct btree_node_space *space)
{
	struct bch_fs_btree_interior *in = &c->btree.interior;
	bool ret;

	mutex_lock(&in->lock);
	ret = in->nr_reserve;
	if (ret)
		*space = in->reserve[--in->nr_reserve];
	mutex_unlock(&in->lock);
	return ret;
}

static void space_push(struct bch_fs *c, struct btree_node_space *space)
{
	struct bch_fs_btree_interior *in = &c->btree.interior;
	bool kept;

	mutex_lock(&in->lock);
	kept = in->nr_reserve < BTREE_RESERVE_CACHE;
	if (kept)
		in->reserve[in->nr_reserve++] = *space;
	mutex_unlock(&in->lock);
	if (!kept)
		c->up.open_buckets_put(c, &space->ob);
}

static struct btree *mem_pop(struct bch_fs *c)
{
	struct bch_fs_btree_interior *in = &c->btree.interior;
	struct btree *b = NULL;

	mutex_lock(&in->lock);
	if (in->nr_mem)
		b = in->mem[--in->nr_mem];
	mutex_unlock(&in->lock);
	return b;
}

static void mem_push(struct bch_fs *c, struct btree *b)
{
	struct bch_fs_btree_interior *in = &c->btree.interior;
	bool kept;

	mutex_lock(&in->lock);
	kept = in->nr_mem < BTREE_RESERVE_CACHE;
	if (kept)
		in->mem[in->nr_mem++] = b;
	mutex_unlock(&in->lock);
	if (!kept)
		bch2_btree_node_put(c, b);
}

/**
 * btree_update_reserves_drop - give back what is kept for the next updates
 * @c:	filesystem; open buckets must be closed before the allocator ends
 */
void btree_update_reserves_drop(struct bch_fs *c)
{
	struct btree_node_space space;
	struct btree *b;

	while (space_pop(c, &space))
		c->up.open_buckets_put(c, &space.ob);
	while ((b = mem_pop(c)))
		bch2_btree_node_put(c, b);
}

static int space_alloc(struct btree_trans *trans, struct btree_node_space *space,
		       unsigned watermark)
{
	struct bch_fs *c = trans->c;
	int ret;

	if (space_pop(c, space))
		return 0;

	memset(space, 0, sizeof(*space));
	bkey_init(&space->key.k);
	space->key.k.type = KEY_TYPE_btree_ptr_v2;
	set_bkey_val_bytes(&space->key.k, sizeof(struct bch_btree_ptr_v2));
	ret = c->up.alloc_btree_ptrs(trans, &space->key, c->opts.btree_node_size >> 9,
				     c->opts.metadata_replicas, watermark, &space->ob);
	if (ret || !c->up.btree_ptr_work)
		return ret;
	ret = c->up.btree_ptr_work(trans, &space->key, true);
	if (ret)
		c->up.open_buckets_put(c, &space->ob);
	return ret;
}

/* LK-7: whatever may sleep for memory does so without node locks. */
static struct btree *mem_alloc(struct btree_trans *trans)
{
	struct btree *b = mem_pop(trans->c);

	if (b)
		return b;
	bch2_trans_unlock(trans);
	return bch2_btree_node_mem_alloc(trans->c);
}

static int builder_fill(struct btree_trans *trans, struct btree_builder *bld, unsigned nr,
			unsigned watermark)
{
	int ret;

	while (bld->nr_mem < nr) {
		struct btree *b = mem_alloc(trans);

		if (!b)
			return -BCH_ERR_ENOMEM_btree_node_mem;
		bld->mem[bld->nr_mem++] = b;
	}
	ret = bch2_trans_relock(trans);
	while (!ret && bld->nr_space < nr) {
		ret = space_alloc(trans, &bld->space[bld->nr_space], watermark);
		if (!ret)
			bld->nr_space++;
	}
	return ret ?: bch2_trans_relock(trans);
}

static struct btree_builder *builder_alloc(struct btree_trans *trans)
{
	struct btree_builder *bld = kzalloc(sizeof(*bld), GFP_NOWAIT|__GFP_NOWARN);
	struct btree_update *as = kzalloc(sizeof(*as), GFP_NOWAIT|__GFP_NOWARN);

	if (!bld || !as) {
		bch2_trans_unlock(trans);
		bld = bld ?: kzalloc(sizeof(*bld), GFP_KERNEL);
		as = as ?: kzalloc(sizeof(*as), GFP_KERNEL);
	}
	if (!bld || !as) {
		kfree(bld);
		kfree(as);
		return NULL;
	}
	bld->as = as;
	return bld;
}

/* Step 1: while the journal is nearly full, only those go on who make room in it. */
static int wait_for_journal(struct btree_trans *trans, unsigned watermark, unsigned commit_flags)
{
	struct bch_fs *c = trans->c;
	struct journal_res unused = {};

	if (watermark >= BCH_WATERMARK_reclaim || !bch2_journal_watermark_low(c))
		return 0;
	if (commit_flags & BCH_TRANS_COMMIT_journal_reclaim)
		return -BCH_ERR_journal_reclaim_would_deadlock;
	return drop_locks_do(trans, bch2_journal_res_get(c, &unused, 1,
							 watermark|JOURNAL_RES_GET_CHECK));
}

/**
 * btree_update_start - get everything an update may need
 * @trans:		transaction; the nodes to be replaced are intent locked
 * @btree_id:		btree
 * @level:		of the lowest node that is replaced
 * @nr_nodes:		nodes it may make
 * @commit_flags:	watermark and flags of the commit that needs it
 *
 * Locks may be dropped and taken again in between. Return: a builder, to be
 * abandoned or published; ERR_PTR: a restart, a want of space or memory, or
 * journal_reclaim_would_deadlock.
 */
struct btree_builder *btree_update_start(struct btree_trans *trans, unsigned btree_id,
					 unsigned level, unsigned nr_nodes,
					 unsigned commit_flags)
{
	const unsigned watermark = btree_update_watermark(btree_id, level, commit_flags);
	struct bch_fs *c = trans->c;
	struct btree_builder *bld;
	int ret = wait_for_journal(trans, watermark, commit_flags);

	if (ret)
		return ERR_PTR(ret);
	bld = builder_alloc(trans);
	if (!bld)
		return ERR_PTR(-BCH_ERR_ENOMEM_btree_interior_update);

	bld->as->c		= c;
	bld->as->btree_id	= btree_id;
	INIT_LIST_HEAD(&bld->as->list);
	INIT_LIST_HEAD(&bld->as->parent_list);
	bch2_journal_pin_init(&bld->as->pin);
	/* one for the maker: the update cannot end before it is published */
	atomic_set(&bld->as->nr_writing, 1);

	/* whoever must not wait for the journal does not wait for buckets either */
	ret = builder_fill(trans, bld, nr_nodes,
			   watermark | (commit_flags & BCH_TRANS_COMMIT_journal_reclaim));
	if (ret) {
		btree_update_abandon(c, bld);
		return ERR_PTR(ret);
	}
	return bld;
}

/* Keep what was not used. */
static void builder_leftovers(struct bch_fs *c, struct btree_builder *bld, unsigned from)
{
	for (unsigned i = from; i < bld->nr_space; i++)
		space_push(c, &bld->space[i]);
	for (unsigned i = from; i < bld->nr_mem; i++)
		mem_push(c, bld->mem[i]);
}

/**
 * btree_update_abandon - end an update that nobody has seen
 * @c:		filesystem
 * @bld:	started; nodes that were made are forgotten; freed
 */
void btree_update_abandon(struct bch_fs *c, struct btree_builder *bld)
{
	for (unsigned i = 0; i < bld->as->nr_old; i++)
		bch2_btree_node_put(c, bld->as->old[i].b);
	builder_leftovers(c, bld, 0);
	kfree(bld->as);
	kfree(bld);
}

/**
 * btree_update_leftovers - keep what a successful update did not need
 * @c:		filesystem
 * @bld:	the nodes of its update are all made; freed
 */
void btree_update_leftovers(struct bch_fs *c, struct btree_builder *bld)
{
	builder_leftovers(c, bld, bld->used);
	kfree(bld);
}

/* --- nodes --- */

/**
 * btree_update_new_node - make an empty node
 * @bld:	started, with a node left
 * @level:	its level
 * @min:	first position of its range
 * @max:	last one; position of its key
 * @fmt:	format of packed keys
 * @generation:	above those of the nodes it replaces
 *
 * Return: private node, with a key whose sectors_written is not right yet: see
 * btree_update_node_filled().
 */
struct btree *btree_update_new_node(struct btree_builder *bld, unsigned level, struct bpos min,
				    struct bpos max, struct bkey_format fmt, u32 generation)
{
	struct btree_update *as = bld->as;
	struct btree_update_new *n = &as->new[as->nr_new++];
	const struct btree_node_space *space = &bld->space[bld->used];
	struct btree *b = bld->mem[bld->used++];
	struct bch_btree_ptr_v2 *v;
	u64 seq;

	do {
		seq = get_random_u64();
	} while (!seq);

	bkey_copy(&b->key, &space->key);
	b->key.k.p = max;
	v = (struct bch_btree_ptr_v2 *) &b->key.v;
	v->mem_ptr	= 0;
	v->seq		= cpu_to_le64(seq);
	v->min_key	= min;
	v->flags	= 0;
	v->sectors_written = 0;

	bch2_btree_node_init_new(b, as->btree_id, level, min, max, fmt, seq, generation);
	b->hash_val	= bch2_btree_ptr_hash_val(&b->key);
	n->b		= b;
	n->ob		= space->ob;
	n->root		= false;
	return b;
}

/**
 * btree_update_node_filled - all keys of a new node are there
 * @c:	filesystem
 * @n:	private node
 *
 * Its pointer says from now on how large its first write will be.
 */
void btree_update_node_filled(struct bch_fs *c, struct btree *n)
{
	struct bch_btree_ptr_v2 *v = (struct bch_btree_ptr_v2 *) &n->key.v;

	v->sectors_written = cpu_to_le16(bch2_btree_node_first_write_sectors(c, n));
}

/**
 * btree_update_old_node - a node that the update replaces
 * @c:		filesystem
 * @bld:	started
 * @b:		intent locked node
 *
 * Return: its record, for the caller to note that its position is not used again.
 */
struct btree_update_old *btree_update_old_node(struct bch_fs *c, struct btree_builder *bld,
					       struct btree *b)
{
	struct btree_update_old *o = &bld->as->old[bld->as->nr_old++];

	o->b	= b;
	o->level = b->level;
	o->fake	= test_bit(BTREE_NODE_fake, &b->flags);
	bch2_btree_node_pin(c, b);
	return o;
}

/* Words of keys of a range when packed with @fmt, which was made for them. */
static u32 range_u64s(const struct node_range *r, const struct bkey_format *fmt)
{
	u32 u64s = 0;

	for (u32 i = r->first; i < r->end; i++) {
		const struct bkey_packed *k = btree_node_key(r->b, i);

		u64s += k->u64s - bkey_packed_key_u64s(&r->b->format, k) + fmt->key_u64s;
	}
	return u64s;
}

/**
 * btree_update_format - format for a node with keys of others
 * @c:		filesystem
 * @src:	keys it gets
 * @nr:		number of sources
 * @min:	range of the new node
 * @max:	its end
 * @extra_u64s:	words of keys that it gets besides, not packed
 * @fmt:	result
 *
 * The tightest one, unless keys would not fit with it: then that of the only
 * source (spec 20 §6.3).
 *
 * Return: false: the keys of several sources do not fit.
 */
bool btree_update_format(struct bch_fs *c, const struct node_range *src, unsigned nr,
			 struct bpos min, struct bpos max, unsigned extra_u64s,
			 struct bkey_format *fmt)
{
	struct bkey_format_state s;
	u32 u64s = extra_u64s;

	bch2_bkey_format_init(&s);
	bch2_bkey_format_add_pos(&s, min);
	bch2_bkey_format_add_pos(&s, max);
	for (unsigned i = 0; i < nr; i++)
		bch2_btree_node_format_add(&s, src[i].b, min, max);
	*fmt = bch2_bkey_format_done(&s);

	for (unsigned i = 0; i < nr; i++)
		u64s += range_u64s(&src[i], fmt);
	if (bch2_btree_node_u64s_fit(c, u64s))
		return true;
	*fmt = src[0].b->format;
	return nr == 1;
}

/**
 * btree_update_copy_keys - append keys of a node to a new one
 * @n:		new node
 * @src:	keys
 */
void btree_update_copy_keys(struct btree *n, const struct node_range *src)
{
	for (u32 i = src->first; i < src->end; i++) {
		struct bkey u;

		bch2_btree_node_append_sorted(n, bkey_disassemble(src->b,
						btree_node_key(src->b, i), &u));
	}
}
