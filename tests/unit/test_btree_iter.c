// SPDX-License-Identifier: GPL-2.0
/*
 * Iterators over trees on a device, with an overlay, against plain arrays: every
 * kind of walk, all snapshots and single views, extents and holes; unreadable
 * nodes, second copies, gaps; the bound of the cache; readers in parallel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "btree/cache.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "btree/snapshot_table.h"
#include "btree_image.h"
#include "check/check.h"
#include "journal/overlay.h"
#include "shim/faults.h"
#include "sb/fsck_err.h"
#include "util/printbuf.h"

#define NODE		4096
#define BLOCK		512
#define KEYS_MAX	4000

struct keys {
	struct tkey	*k;
	unsigned	nr;
};

/* A tree that was written, and where its leaves are. */
struct tree {
	struct bch_fs	*c;
	unsigned	btree;
	unsigned	devs;
	u64		sector;		/* next free one */
	unsigned	nr_leaves;
	u64		*leaf_sector;
	struct bpos	*leaf_min, *leaf_max;
};

static int keys_cmp(const void *l, const void *r)
{
	return bpos_cmp(((const struct tkey *) l)->k.k.p, ((const struct tkey *) r)->k.k.p);
}

static void keys_add(struct keys *s, struct tkey k)
{
	for (unsigned i = 0; i < s->nr; i++)
		if (bpos_eq(s->k[i].k.k.p, k.k.k.p)) {
			s->k[i] = k;
			return;
		}
	assert_true(s->nr < KEYS_MAX);
	s->k[s->nr++] = k;
}

static struct keys keys_new(void)
{
	return (struct keys) { .k = calloc(KEYS_MAX, sizeof(struct tkey)) };
}

/* --- writing trees --- */

static struct tkey tree_node(struct tree *t, unsigned level, struct bpos min, struct bpos max,
			     const struct tkey *k, unsigned nr)
{
	struct tnode n;
	struct tkey ptr;
	struct bch_btree_ptr_v2 *v;

	tnode_init(&n, t->c, t->btree, level, min, max, NULL, trnd() | 1);
	assert_true(tnode_bset(&n, k, nr, 0, true));
	for (unsigned d = 0; d < t->devs; d++)
		timg_write(t->c, d, t->sector, n.buf, NODE);
	ptr = tnode_ptr(&n, 0, t->sector);
	v = (struct bch_btree_ptr_v2 *) ptr.v;
	for (unsigned d = 1; d < t->devs; d++) {
		struct bch_extent_ptr *p = (struct bch_extent_ptr *) v->start + d;

		*p = *(struct bch_extent_ptr *) v->start;
		SET_EXTENT_PTR_DEV(p, d);
		ptr.k.k.u64s++;
	}
	tnode_free(&n);
	t->sector += NODE / 512;
	return ptr;
}

/* One level: nodes of up to @max_keys keys that cover everything. Returns pointers. */
static struct keys tree_level(struct tree *t, unsigned level, const struct keys *in,
			      unsigned max_keys)
{
	struct keys out = keys_new();
	struct bpos min = POS_MIN;
	unsigned i = 0;

	do {
		/* two keys at least: a node covers more than one position */
		unsigned nr = min(in->nr - i, 2 + (unsigned) (trnd() % max_keys));
		bool last = i + nr == in->nr;
		struct bpos max = last ? SPOS_MAX : in->k[i + nr - 1].k.k.p;

		/* leaves may end anywhere before the next key */
		if (!last && !level && trnd() % 2 &&
		    !bpos_eq(bpos_successor(max), in->k[i + nr].k.k.p))
			max = bpos_predecessor(in->k[i + nr].k.k.p);
		if (!level) {
			t->leaf_sector[t->nr_leaves]	= t->sector;
			t->leaf_min[t->nr_leaves]	= min;
			t->leaf_max[t->nr_leaves++]	= max;
		}
		out.k[out.nr++] = tree_node(t, level, min, max, in->k + i, nr);
		i += nr;
		if (!last)
			min = bpos_successor(max);
	} while (i < in->nr);
	return out;
}

static void tree_write(struct tree *t, struct bch_fs *c, unsigned btree, unsigned devs,
		       struct keys *keys, unsigned leaf_keys)
{
	struct keys level = *keys;

	memset(t, 0, sizeof(*t));
	t->c		= c;
	t->btree	= btree;
	t->devs		= devs;
	t->leaf_sector	= calloc(KEYS_MAX, 8);
	t->leaf_min	= calloc(KEYS_MAX, sizeof(struct bpos));
	t->leaf_max	= calloc(KEYS_MAX, sizeof(struct bpos));
	qsort(keys->k, keys->nr, sizeof(*keys->k), keys_cmp);
	for (unsigned l = 0;; l++) {
		struct keys up = tree_level(t, l, &level, l ? 30 : leaf_keys);

		if (l)
			free(level.k);
		level = up;
		assert_true(l < BTREE_MAX_DEPTH);
		if (level.nr == 1) {
			assert_int_equal(bch2_btree_root_read(c, btree, &level.k[0].k, l), 0);
			break;
		}
	}
	free(level.k);
}

static void tree_free(struct tree *t)
{
	free(t->leaf_sector);
	free(t->leaf_min);
	free(t->leaf_max);
}

/* --- what is in the tree, and what the overlay makes of it --- */

static void overlay_random(struct bch_fs *c, unsigned btree, struct keys *model,
			   struct tkey (*make)(void))
{
	for (unsigned n = trnd() % 60; n; n--) {
		if (trnd() % 3 || !model->nr) {
			struct tkey k = make();

			assert_int_equal(bch2_journal_key_insert(c, btree, 0, &k.k), 0);
			keys_add(model, k);
		} else {
			unsigned i = trnd() % model->nr;
			struct bpos p = model->k[i].k.k.p;

			assert_int_equal(bch2_journal_key_delete(c, btree, 0, p), 0);
			model->k[i] = model->k[--model->nr];
		}
	}
	qsort(model->k, model->nr, sizeof(*model->k), keys_cmp);
}

static void assert_key(struct bkey_s_c k, const struct tkey *want)
{
	assert_non_null(k.k);
	assert_int_equal(bkey_err(k), 0);
	assert_memory_equal(k.k, &want->k.k, sizeof(struct bkey));
	assert_memory_equal(k.v, want->v, bkey_val_bytes(&want->k.k));
}

static u32 snaps[14];

static u32 random_snapshot(void)
{
	return snaps[trnd() % ARRAY_SIZE(snaps)];
}

static struct tkey make_xattr(void)
{
	const bool white = trnd() % 5 == 0;

	return tkey_make(white ? KEY_TYPE_whiteout : KEY_TYPE_cookie,
			 SPOS(1 + trnd() % 4, trnd() % 40, random_snapshot()), 0,
			 white ? 0 : 1 + trnd() % 3, trnd());
}

/* Extents that all end at multiples of 8 overlap only where they hide each other. */
static struct tkey make_extent(void)
{
	const u64 end = 8 * (1 + trnd() % 30);
	const struct bpos p = SPOS(1 + trnd() % 3, end, random_snapshot());

	switch (trnd() % 6) {
	case 0:
		return tkey_make(KEY_TYPE_whiteout, p, 0, 0, 0);
	case 1:
		return tkey_make(KEY_TYPE_extent_whiteout, p, 0, 0, 0);
	default:
		return tkey_make(KEY_TYPE_cookie, p, 1 + trnd() % 8, 1, trnd());
	}
}

static void random_snapshot_trees(struct bch_fs *c)
{
	for (unsigned i = 0; i < ARRAY_SIZE(snaps); i++) {
		struct snapshot_t s = { .state = SNAPSHOT_ID_live };

		snaps[i] = i ? snaps[i - 1] - 1 - trnd() % 3 : U32_MAX;
		if (i && trnd() % 5)
			s.parent = snaps[trnd() % i];
		assert_int_equal(bch2_snapshot_table_set(c, snaps[i], &s), 0);
	}
}

static bool model_is_ancestor(struct bch_fs *c, u32 id, u32 ancestor)
{
	while (id && id != ancestor)
		id = bch2_snapshot_parent(c, id);
	return id == ancestor;
}

/* What snapshot @s sees of @all: nearest key of each place, unless it is a whiteout. */
static struct keys model_view(struct bch_fs *c, const struct keys *all, u32 s)
{
	struct keys out = keys_new();
	unsigned i = 0;

	while (i < all->nr) {
		const struct tkey *seen = NULL;
		const struct bpos place = all->k[i].k.k.p;

		for (; i < all->nr && bkey_eq(all->k[i].k.k.p, place); i++)
			if (!seen && model_is_ancestor(c, s, all->k[i].k.k.p.snapshot))
				seen = &all->k[i];
		if (seen && !bkey_whiteout(&seen->k.k))
			out.k[out.nr++] = *seen;
	}
	return out;
}

struct world {
	struct bch_fs	*c;
	struct keys	keys;
	struct tree	t;
};

static void world_make(struct world *w, unsigned btree, struct tkey (*make)(void),
		       unsigned nr, unsigned devs, bool overlay)
{
	w->c	= timg_fs(NODE, BLOCK);
	w->keys	= keys_new();
	for (unsigned d = 0; d < devs; d++)
		timg_dev(w->c, 8 << 20);
	random_snapshot_trees(w->c);
	for (unsigned i = 0; i < nr; i++)
		keys_add(&w->keys, make());
	tree_write(&w->t, w->c, btree, devs, &w->keys, 12);
	if (overlay)
		overlay_random(w->c, btree, &w->keys, make);
}

static void world_end(struct world *w)
{
	tree_free(&w->t);
	free(w->keys.k);
	timg_fs_free(w->c);
}

/* --- all snapshots --- */

static void all_snapshots_like_array(void **state)
{
	for (unsigned round = 0; round < 60; round++) {
		struct world w;
		struct btree_trans *trans;
		struct btree_iter iter;
		unsigned i = 0;
		int ret;

		trnd_seed(round);
		world_make(&w, BTREE_ID_xattrs, make_xattr, trnd() % 600, 1, round % 3);
		trans = bch2_trans_get(w.c);
		ret = for_each_btree_key(trans, it, BTREE_ID_xattrs, POS_MIN,
				BTREE_ITER_all_snapshots|(round & 1 ? BTREE_ITER_prefetch : 0),
				k, ({
			assert_true(i < w.keys.nr);
			assert_key(k, &w.keys.k[i]);
			i++;
			0;
		}));
		assert_int_equal(ret, 0);
		assert_int_equal(i, w.keys.nr);

		bch2_trans_iter_init(trans, &iter, BTREE_ID_xattrs, SPOS_MAX,
				     BTREE_ITER_all_snapshots);
		for (struct bkey_s_c k = bch2_btree_iter_peek_prev(&iter);
		     k.k;
		     k = bch2_btree_iter_prev(&iter))
			assert_key(k, &w.keys.k[--i]);
		assert_int_equal(i, 0);

		for (unsigned n = 0; n < 200; n++) {
			struct bpos p = make_xattr().k.k.p, end = make_xattr().k.k.p;
			struct bkey_s_c k;

			for (i = 0; i < w.keys.nr && bpos_lt(w.keys.k[i].k.k.p, p);)
				i++;
			bch2_btree_iter_set_pos(&iter, p);
			k = bch2_btree_iter_peek_max(&iter, end);
			if (i < w.keys.nr && bpos_le(w.keys.k[i].k.k.p, end))
				assert_key(k, &w.keys.k[i]);
			else
				assert_null(k.k);
			bch2_btree_iter_set_pos(&iter, p);
			k = bch2_btree_iter_peek_slot(&iter);
			assert_true(bpos_eq(k.k->p, p));
			if (i < w.keys.nr && bpos_eq(w.keys.k[i].k.k.p, p))
				assert_key(k, &w.keys.k[i]);
			else
				assert_int_equal(k.k->type, KEY_TYPE_deleted);
		}
		bch2_trans_iter_exit(&iter);
		bch2_trans_put(trans);
		world_end(&w);
	}
}

/* --- one view --- */

static void assert_view(struct world *w, struct btree_trans *trans, u32 s)
{
	struct keys v = model_view(w->c, &w->keys, s);
	struct btree_iter iter;
	unsigned i = 0;
	int ret;

	ret = for_each_btree_key_max(trans, it, BTREE_ID_xattrs, SPOS(0, 0, s),
				     POS(100, U64_MAX), 0, k, ({
		assert_true(i < v.nr);
		assert_key(k, &v.k[i]);
		assert_int_equal(it.pos.snapshot, s);
		i++;
		0;
	}));
	assert_int_equal(ret, 0);
	assert_int_equal(i, v.nr);

	bch2_trans_iter_init(trans, &iter, BTREE_ID_xattrs, SPOS(100, 0, s), 0);
	for (struct bkey_s_c k = bch2_btree_iter_peek_prev(&iter);
	     k.k;
	     k = bch2_btree_iter_prev(&iter))
		assert_key(k, &v.k[--i]);
	assert_int_equal(i, 0);

	for (unsigned n = 0; n < 60; n++) {
		struct bpos p = make_xattr().k.k.p;
		struct bkey_s_c k;

		for (i = 0; i < v.nr && bkey_lt(v.k[i].k.k.p, p);)
			i++;
		bch2_btree_iter_set_pos(&iter, p);
		k = bch2_btree_iter_peek_slot(&iter);
		if (i < v.nr && bkey_eq(v.k[i].k.k.p, p))
			assert_key(k, &v.k[i]);
		else
			assert_int_equal(k.k->type, KEY_TYPE_deleted);

		bch2_btree_iter_set_pos(&iter, p);
		k = bch2_btree_iter_peek_max(&iter, POS(100, 0));
		if (i < v.nr)
			assert_key(k, &v.k[i]);
		else
			assert_null(k.k);

		bch2_btree_iter_set_pos(&iter, p);
		k = bch2_btree_iter_peek_prev(&iter);
		if (i < v.nr && bkey_eq(v.k[i].k.k.p, p))
			assert_key(k, &v.k[i]);
		else if (i)
			assert_key(k, &v.k[i - 1]);
		else
			assert_null(k.k);
	}
	bch2_trans_iter_exit(&iter);
	free(v.k);
}

static void views_like_array(void **state)
{
	for (unsigned round = 0; round < 30; round++) {
		struct world w;
		struct btree_trans *trans;

		trnd_seed(1000 + round);
		world_make(&w, BTREE_ID_xattrs, make_xattr, trnd() % 700, 1, round % 3);
		trans = bch2_trans_get(w.c);
		for (unsigned i = 0; i < ARRAY_SIZE(snaps); i++)
			assert_view(&w, trans, snaps[i]);
		bch2_trans_put(trans);
		world_end(&w);
	}
}

/* --- extents --- */

/* The extent of @v that covers sector @o of @inode, or the first that starts behind. */
static unsigned model_extent(const struct keys *v, u64 inode, u64 o, bool *covers)
{
	unsigned i;

	*covers = false;
	for (i = 0; i < v->nr; i++) {
		const struct bkey *k = &v->k[i].k.k;

		if (k->p.inode > inode || (k->p.inode == inode && k->p.offset > o)) {
			*covers = k->p.inode == inode && bkey_start_offset(k) <= o;
			break;
		}
	}
	return i;
}

static void assert_extent_view(struct world *w, struct btree_trans *trans, u32 s)
{
	struct keys v = model_view(w->c, &w->keys, s);
	struct btree_iter iter;
	unsigned i = 0;
	int ret;

	ret = for_each_btree_key_max(trans, it, BTREE_ID_extents, SPOS(0, 0, s),
				     POS(100, U64_MAX), 0, k, ({
		assert_true(i < v.nr);
		assert_key(k, &v.k[i]);
		assert_true(bkey_eq(it.pos, bkey_start_pos(k.k)));
		i++;
		0;
	}));
	assert_int_equal(ret, 0);
	assert_int_equal(i, v.nr);

	bch2_trans_iter_init(trans, &iter, BTREE_ID_extents, SPOS(100, 0, s), 0);
	for (struct bkey_s_c k = bch2_btree_iter_peek_prev(&iter);
	     k.k;
	     k = bch2_btree_iter_prev(&iter))
		assert_key(k, &v.k[--i]);
	assert_int_equal(i, 0);

	for (unsigned n = 0; n < 60; n++) {
		const u64 inode = 1 + trnd() % 3, o = trnd() % 250;
		struct bkey_s_c k;
		bool covers;

		i = model_extent(&v, inode, o, &covers);
		bch2_btree_iter_set_pos(&iter, SPOS(inode, o, s));
		k = bch2_btree_iter_peek_slot(&iter);
		if (covers) {
			assert_key(k, &v.k[i]);
		} else {
			u64 end = i < v.nr && v.k[i].k.k.p.inode == inode
				? bkey_start_offset(&v.k[i].k.k) : o + U32_MAX;

			assert_int_equal(k.k->type, KEY_TYPE_deleted);
			assert_int_equal(bkey_start_offset(k.k), o);
			assert_int_equal(k.k->p.offset, end);
		}
		bch2_btree_iter_set_pos(&iter, SPOS(inode, o, s));
		k = bch2_btree_iter_peek_max(&iter, POS(100, 0));
		if (i < v.nr) {
			assert_key(k, &v.k[i]);
			assert_int_equal(iter.pos.offset, covers ? o
					 : bkey_start_offset(&v.k[i].k.k));
		} else {
			assert_null(k.k);
		}
		/* keys that begin at or behind the end are not wanted */
		bch2_btree_iter_set_pos(&iter, SPOS(inode, o, s));
		k = bch2_btree_iter_peek_max(&iter, POS(inode, o + 5));
		if (i < v.nr && v.k[i].k.k.p.inode == inode &&
		    bkey_start_offset(&v.k[i].k.k) < o + 5)
			assert_key(k, &v.k[i]);
		else
			assert_null(k.k);
	}
	/* slots of a file, one after the other, without gaps */
	bch2_btree_iter_set_pos(&iter, SPOS(2, 0, s));
	for (u64 at = 0; at < 300;) {
		struct bkey_s_c k = bch2_btree_iter_peek_slot(&iter);

		assert_int_equal(iter.pos.offset, at);
		assert_true(k.k->p.offset > at && bkey_start_offset(k.k) <= at);
		at = k.k->p.offset;
		assert_true(bch2_btree_iter_advance(&iter));
	}
	bch2_trans_iter_exit(&iter);
	free(v.k);
}

static void extents_like_array(void **state)
{
	for (unsigned round = 0; round < 30; round++) {
		struct world w;
		struct btree_trans *trans;

		trnd_seed(2000 + round);
		world_make(&w, BTREE_ID_extents, make_extent, trnd() % 500, 1, round % 3);
		trans = bch2_trans_get(w.c);
		for (unsigned i = 0; i < ARRAY_SIZE(snaps); i++)
			assert_extent_view(&w, trans, snaps[i]);
		bch2_trans_put(trans);
		world_end(&w);
	}
}

/* --- damage --- */

static void zero_leaf(struct world *w, unsigned dev, unsigned leaf)
{
	static const u8 zeros[NODE];

	timg_write(w->c, dev, w->t.leaf_sector[leaf], zeros, NODE);
}

static void unreadable_leaf(void **state)
{
	for (unsigned round = 0; round < 30; round++) {
		struct world w;
		struct btree_trans *trans;
		struct btree_iter iter;
		struct bkey_s_c k;
		unsigned leaf, i = 0, errors = 0;
		int ret;

		trnd_seed(3000 + round);
		world_make(&w, BTREE_ID_xattrs, make_xattr, 300, 1, false);
		leaf = trnd() % w.t.nr_leaves;
		zero_leaf(&w, 0, leaf);
		trans = bch2_trans_get(w.c);

		/* reported, with its range; the walk can go on behind it */
		bch2_trans_iter_init(trans, &iter, BTREE_ID_xattrs, POS_MIN,
				     BTREE_ITER_all_snapshots|BTREE_ITER_prefetch);
		while (1) {
			k = bch2_btree_iter_peek(&iter);
			if (!k.k)
				break;
			if (bkey_err(k)) {
				assert_true(bch2_err_matches(bkey_err(k),
							     BCH_ERR_btree_node_read_error));
				assert_true(bpos_eq(iter.bad.start, w.t.leaf_min[leaf]));
				assert_true(bpos_eq(iter.bad.end, w.t.leaf_max[leaf]));
				errors++;
				if (!bch2_btree_iter_skip_bad(&iter))
					break;
				continue;
			}
			while (bpos_ge(w.keys.k[i].k.k.p, w.t.leaf_min[leaf]) &&
			       bpos_le(w.keys.k[i].k.k.p, w.t.leaf_max[leaf]))
				i++;
			assert_key(k, &w.keys.k[i++]);
			if (!bch2_btree_iter_advance(&iter))
				break;
		}
		assert_int_equal(errors, 1);
		bch2_trans_iter_exit(&iter);

		/* left out without a word */
		errors = i = 0;
		ret = for_each_btree_key(trans, it, BTREE_ID_xattrs, POS_MIN,
				BTREE_ITER_all_snapshots|BTREE_ITER_skip_bad, k2, ({
			assert_false(bpos_ge(k2.k->p, w.t.leaf_min[leaf]) &&
				     bpos_le(k2.k->p, w.t.leaf_max[leaf]));
			i++;
			0;
		}));
		assert_int_equal(ret, 0);
		for (unsigned j = 0; j < w.keys.nr; j++)
			errors += bpos_ge(w.keys.k[j].k.k.p, w.t.leaf_min[leaf]) &&
				bpos_le(w.keys.k[j].k.k.p, w.t.leaf_max[leaf]);
		assert_int_equal(i + errors, w.keys.nr);
		assert_int_equal(trans->nr_bad, 1);

		/* backwards too */
		bch2_trans_iter_init(trans, &iter, BTREE_ID_xattrs, SPOS_MAX,
				     BTREE_ITER_all_snapshots|BTREE_ITER_skip_bad);
		for (k = bch2_btree_iter_peek_prev(&iter); k.k; k = bch2_btree_iter_prev(&iter))
			--i;
		assert_int_equal(i, 0);
		bch2_trans_iter_exit(&iter);
		bch2_trans_put(trans);
		world_end(&w);
	}
}

static void second_copy(void **state)
{
	struct world w;
	struct btree_trans *trans;
	unsigned i = 0;

	trnd_seed(4000);
	world_make(&w, BTREE_ID_xattrs, make_xattr, 500, 2, false);
	for (unsigned l = 0; l < w.t.nr_leaves; l++)
		zero_leaf(&w, l % 2, l);
	trans = bch2_trans_get(w.c);
	assert_int_equal(for_each_btree_key(trans, it, BTREE_ID_xattrs, POS_MIN,
			BTREE_ITER_all_snapshots|BTREE_ITER_prefetch, k, ({
		assert_key(k, &w.keys.k[i++]);
		0;
	})), 0);
	assert_int_equal(i, w.keys.nr);
	bch2_trans_put(trans);
	assert_int_equal(w.c->btree.cache.nr_failed, 0);
	assert_true(atomic64_read(&w.c->devs[0]->errors[BCH_MEMBER_ERROR_checksum]) +
		    atomic64_read(&w.c->devs[1]->errors[BCH_MEMBER_ERROR_checksum]) > 0);
	world_end(&w);
}

/* --- the overlay's pointers --- */

static void overlay_pointer_knows_more(void **state)
{
	for (unsigned prefetch = 0; prefetch < 2; prefetch++) {
		struct bch_fs *c = timg_fs(NODE, BLOCK);
		struct tkey a = tkey_make(KEY_TYPE_cookie, SPOS(1, 1, 1), 0, 1, 1);
		struct tkey b = tkey_make(KEY_TYPE_cookie, SPOS(1, 2, 1), 0, 1, 2);
		struct tkey old, newer, root;
		struct btree_trans *trans;
		struct tnode n;
		unsigned nr = 0;

		timg_dev(c, 1 << 20);
		tnode_init(&n, c, BTREE_ID_xattrs, 0, POS_MIN, SPOS_MAX, NULL, 77);
		assert_true(tnode_bset(&n, &a, 1, 0, true));
		old = tnode_ptr(&n, 0, 0);
		assert_true(tnode_bset(&n, &b, 1, 3, true));
		newer = tnode_ptr(&n, 0, 0);
		timg_write(c, 0, 0, n.buf, NODE);
		tnode_free(&n);

		tnode_init(&n, c, BTREE_ID_xattrs, 1, POS_MIN, SPOS_MAX, NULL, 78);
		assert_true(tnode_bset(&n, &old, 1, 0, true));
		root = tnode_ptr(&n, 0, 16);
		timg_write(c, 0, 16, n.buf, NODE);
		tnode_free(&n);
		assert_int_equal(bch2_btree_root_read(c, BTREE_ID_xattrs, &root.k, 1), 0);
		assert_int_equal(bch2_journal_key_insert(c, BTREE_ID_xattrs, 1, &newer.k), 0);

		trans = bch2_trans_get(c);
		assert_int_equal(for_each_btree_key(trans, it, BTREE_ID_xattrs, POS_MIN,
				BTREE_ITER_all_snapshots|
				(prefetch ? BTREE_ITER_prefetch : 0), k, ({ nr++; 0; })), 0);
		assert_int_equal(nr, 2);
		bch2_trans_put(trans);
		timg_fs_free(c);
	}
}

/* --- topology --- */

static void missing_node_is_a_gap(void **state)
{
	struct world w;
	struct btree_trans *trans;
	u64 errors = 0;
	unsigned nr = 0, lost = 0, leaf;

	trnd_seed(5000);
	world_make(&w, BTREE_ID_xattrs, make_xattr, 300, 1, false);
	assert_int_equal(bch2_check_btree_topology(w.c, BTREE_ID_xattrs, &errors), 0);
	assert_int_equal(errors, 0);

	leaf = w.t.nr_leaves / 2;
	assert_int_equal(bch2_journal_key_delete(w.c, BTREE_ID_xattrs, 1,
						 w.t.leaf_max[leaf]), 0);
	assert_int_equal(bch2_check_btree_topology(w.c, BTREE_ID_xattrs, &errors), 0);
	assert_int_equal(errors, 1);
	assert_true(test_bit(BCH_FS_errors_not_fixed, &w.c->flags));

	for (unsigned i = 0; i < w.keys.nr; i++)
		lost += bpos_ge(w.keys.k[i].k.k.p, w.t.leaf_min[leaf]) &&
			bpos_le(w.keys.k[i].k.k.p, w.t.leaf_max[leaf]);
	trans = bch2_trans_get(w.c);
	assert_int_equal(for_each_btree_key(trans, it, BTREE_ID_xattrs, POS_MIN,
			BTREE_ITER_all_snapshots, k, ({ 0; })), -BCH_ERR_btree_topology);
	assert_int_equal(for_each_btree_key(trans, it, BTREE_ID_xattrs, POS_MIN,
			BTREE_ITER_all_snapshots|BTREE_ITER_skip_bad, k, ({ nr++; 0; })), 0);
	assert_int_equal(nr + lost, w.keys.nr);
	bch2_trans_put(trans);
	world_end(&w);
}

static void node_walks(void **state)
{
	struct world w;
	struct bch_check_summary *s = calloc(1, sizeof(*s));

	trnd_seed(6000);
	world_make(&w, BTREE_ID_xattrs, make_xattr, 600, 1, false);
	assert_int_equal(bch2_check_btrees(w.c, s), 0);
	assert_int_equal(s->btrees[BTREE_ID_xattrs].nodes[0], w.t.nr_leaves);
	assert_int_equal(s->btrees[BTREE_ID_xattrs].keys[0], w.keys.nr);
	assert_int_equal(s->btrees[BTREE_ID_xattrs].keys[1], w.t.nr_leaves);
	assert_int_equal(s->nr_unreadable, 0);
	memset(s, 0, sizeof(*s));
	world_end(&w);

	trnd_seed(6000);
	world_make(&w, BTREE_ID_xattrs, make_xattr, 600, 1, false);
	zero_leaf(&w, 0, 3);
	assert_int_equal(bch2_check_btrees(w.c, s), 0);
	assert_int_equal(s->nr_unreadable, 1);
	assert_int_equal(s->btrees[BTREE_ID_xattrs].nodes[0], w.t.nr_leaves - 1);
	assert_true(test_bit(BCH_FS_errors_not_fixed, &w.c->flags));
	free(s);
	world_end(&w);
}

/* --- bound of the cache, parallel readers --- */

struct big_tree {
	struct bch_fs	*c;
	struct tree	t;
	struct keys	keys;
};

static void big_tree_make(struct big_tree *b)
{
	b->c	= timg_fs(NODE, BLOCK);
	b->keys	= keys_new();
	timg_dev(b->c, 32 << 20);
	for (unsigned i = 0; i < KEYS_MAX - 1; i++)
		b->keys.k[b->keys.nr++] = tkey_make(KEY_TYPE_cookie, SPOS(1 + i / 64, i % 64, 1),
						    0, 1, i);
	tree_write(&b->t, b->c, BTREE_ID_xattrs, 1, &b->keys, 2);
}

static void cache_is_bounded(void **state)
{
	struct big_tree b;
	struct btree_trans *trans;
	struct btree_cache *bc;
	unsigned i = 0;

	trnd_seed(7000);
	big_tree_make(&b);
	bc = &b.c->btree.cache;
	bch2_btree_cache_set_limit(b.c, 0);
	assert_true((u64) b.t.nr_leaves * NODE > bc->bytes_max);
	trans = bch2_trans_get(b.c);
	for (unsigned round = 0; round < 2; round++) {
		i = 0;
		assert_int_equal(for_each_btree_key(trans, it, BTREE_ID_xattrs, POS_MIN,
				BTREE_ITER_all_snapshots|BTREE_ITER_prefetch, k, ({
			assert_key(k, &b.keys.k[i++]);
			assert_true(bc->bytes <= bc->bytes_max + 16 * NODE);
			0;
		})), 0);
		assert_int_equal(i, b.keys.nr);
	}
	assert_true(bc->nr_evicted > 0);
	bch2_trans_put(trans);
	tree_free(&b.t);
	free(b.keys.k);
	timg_fs_free(b.c);
}

struct reader {
	struct big_tree	*b;
	u64		seed;
	unsigned	wrong;
};

static void *reader_run(void *arg)
{
	struct reader *r = arg;
	struct btree_trans *trans = bch2_trans_get(r->b->c);
	u64 x = r->seed;

	for (unsigned n = 0; n < 300; n++) {
		struct btree_iter iter;
		unsigned at;

		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		at = (x >> 33) % r->b->keys.nr;
		bch2_trans_iter_init(trans, &iter, BTREE_ID_xattrs, r->b->keys.k[at].k.k.p,
				     BTREE_ITER_all_snapshots|
				     (n % 2 ? BTREE_ITER_prefetch : 0));
		for (unsigned m = 0; m < 20 && at < r->b->keys.nr; m++, at++) {
			struct bkey_s_c k = bch2_btree_iter_peek(&iter);

			if (!k.k || bkey_err(k) ||
			    memcmp(k.k, &r->b->keys.k[at].k.k, sizeof(struct bkey)) ||
			    memcmp(k.v, r->b->keys.k[at].v, 8))
				r->wrong++;
			bch2_btree_iter_advance(&iter);
		}
		bch2_trans_iter_exit(&iter);
	}
	bch2_trans_put(trans);
	return NULL;
}

static void readers_in_parallel(void **state)
{
	struct reader r[4];
	pthread_t th[4];
	struct big_tree b;

	trnd_seed(8000);
	big_tree_make(&b);
	bch2_btree_cache_set_limit(b.c, 0);
	for (unsigned i = 0; i < 4; i++) {
		r[i] = (struct reader) { .b = &b, .seed = i + 1 };
		assert_int_equal(pthread_create(&th[i], NULL, reader_run, &r[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(th[i], NULL);
		assert_int_equal(r[i].wrong, 0);
	}
	for (struct btree *n, *l = NULL;; l = n) {
		n = list_first_entry(&b.c->btree.cache.clock, struct btree, lru);
		if (n == l)
			break;
		list_move_tail(&n->lru, &b.c->btree.cache.clock);
		assert_int_equal(atomic_read(&n->pins), test_bit(BTREE_NODE_permanent, &n->flags));
		if (l)
			break;
	}
	tree_free(&b.t);
	free(b.keys.k);
	timg_fs_free(b.c);
}

/* --- edges --- */

static void empty_and_missing_btrees(void **state)
{
	struct bch_fs *c = timg_fs(NODE, BLOCK);
	struct btree_trans *trans = bch2_trans_get(c);
	struct tkey k = tkey_make(KEY_TYPE_cookie, SPOS(3, 4, 5), 0, 1, 9);
	unsigned nr = 0;

	assert_int_equal(for_each_btree_key(trans, it, BTREE_ID_xattrs, POS_MIN,
			BTREE_ITER_all_snapshots, k2, ({ nr++; 0; })), 0);
	assert_int_equal(bch2_btree_root_alloc_fake(c, BTREE_ID_xattrs, 0), 0);
	assert_int_equal(for_each_btree_key(trans, it, BTREE_ID_xattrs, POS_MIN,
			BTREE_ITER_all_snapshots, k2, ({ nr++; 0; })), 0);
	assert_int_equal(nr, 0);
	/* a fake root with an overlay */
	assert_int_equal(bch2_journal_key_insert(c, BTREE_ID_xattrs, 0, &k.k), 0);
	assert_int_equal(for_each_btree_key(trans, it, BTREE_ID_xattrs, POS_MIN,
			BTREE_ITER_all_snapshots, k2, ({ assert_key(k2, &k); nr++; 0; })), 0);
	assert_int_equal(nr, 1);
	/* levels the btree does not have, ids there are none of */
	assert_int_equal(for_each_btree_key(trans, it, 62, POS_MIN, 0, k2, ({ nr++; 0; })), 0);
	assert_int_equal(for_each_btree_key(trans, it, 200, POS_MIN, 0, k2, ({ nr++; 0; })), 0);
	assert_int_equal(nr, 1);
	bch2_trans_put(trans);
	timg_fs_free(c);
}

/* --- want of memory --- */

struct alloc_fault {
	unsigned	nr, fail_at;	/* the first one is 1 */
	unsigned	failed;
};

static bool fail_one(size_t size, gfp_t gfp, void *arg)
{
	struct alloc_fault *f = arg;

	if (__atomic_add_fetch(&f->nr, 1, __ATOMIC_SEQ_CST) != f->fail_at)
		return false;
	f->failed++;
	return true;
}

static int count_keys(struct bch_fs *c, unsigned flags, unsigned *nr)
{
	struct btree_trans *trans = bch2_trans_get(c);
	int ret;

	*nr = 0;
	ret = for_each_btree_key(trans, it, BTREE_ID_xattrs, POS_MIN,
				 BTREE_ITER_all_snapshots|flags, k, ({ ++*nr; 0; }));
	bch2_trans_put(trans);
	return ret;
}

static unsigned nr_lost;

static void count_lost(struct bch_fs *c, unsigned btree)
{
	nr_lost++;
}

/*
 * Each allocation of a walk fails once: the walk ends with -ENOMEM, and nothing is
 * reported or remembered, so that the next walk sees everything.
 */
static void no_memory_is_no_damage(void **state)
{
	struct alloc_fault f;

	for (unsigned at = 1;; at++) {
		const unsigned flags = at & 1 ? BTREE_ITER_skip_bad :
			at & 2 ? BTREE_ITER_prefetch : 0;
		const struct shim_fault_hooks hooks = { .alloc = fail_one, .arg = &f };
		struct world w;
		unsigned nr;
		int ret;

		trnd_seed(7);
		world_make(&w, BTREE_ID_xattrs, make_xattr, 60, 2, false);
		w.c->up.btree_lost_data = count_lost;
		f = (struct alloc_fault) { .fail_at = at };
		shim_set_fault_hooks(&hooks);
		ret = count_keys(w.c, flags, &nr);
		shim_set_fault_hooks(NULL);

		assert_true(!ret || bch2_err_matches(ret, ENOMEM));
		if (!ret)
			assert_int_equal(nr, w.keys.nr);
		assert_int_equal(w.c->fsck.nr_reported, 0);
		assert_int_equal(nr_lost, 0);
		assert_int_equal(count_keys(w.c, 0, &nr), 0);
		assert_int_equal(nr, w.keys.nr);
		world_end(&w);
		if (!f.failed) {
			assert_true(at > 10);
			break;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_snapshots_like_array),
		cmocka_unit_test(views_like_array),
		cmocka_unit_test(extents_like_array),
		cmocka_unit_test(unreadable_leaf),
		cmocka_unit_test(second_copy),
		cmocka_unit_test(overlay_pointer_knows_more),
		cmocka_unit_test(missing_node_is_a_gap),
		cmocka_unit_test(node_walks),
		cmocka_unit_test(cache_is_bounded),
		cmocka_unit_test(readers_in_parallel),
		cmocka_unit_test(empty_and_missing_btrees),
		cmocka_unit_test(no_memory_is_no_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
