// SPDX-License-Identifier: GPL-2.0
/*
 * Paths over trees that change while they are walked: nodes made in memory, leaves
 * replaced and roots replaced under readers, relock and upgrade, a transaction's
 * own pending updates, restarts injected everywhere.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "btree/iter.h"
#include "btree/locking.h"
#include "btree/node_insert.h"
#include "btree_image.h"

#define BT		BTREE_ID_logged_ops
#define LEAVES		4
#define PER_LEAF	8		/* keys at offsets 0 .. 7 of inode = leaf */

static struct bch_fs *c;
static u64 next_seq;

static struct bpos leaf_min(unsigned i)
{
	return i ? bpos_successor(SPOS(i - 1, U64_MAX, U32_MAX)) : POS_MIN;
}

static struct bpos leaf_max(unsigned i)
{
	return i == LEAVES - 1 ? SPOS_MAX : SPOS(i, U64_MAX, U32_MAX);
}

/* An empty node with a pointer of its own, entered into the table; pinned. */
static struct btree *node_new(unsigned level, struct bpos min, struct bpos max)
{
	struct btree *b = bch2_btree_node_mem_alloc(c);
	struct tkey ptr = tkey_make(KEY_TYPE_btree_ptr_v2, max, 0,
				    sizeof(struct bch_btree_ptr_v2) / 8 + 1, 0);
	struct bch_btree_ptr_v2 *v = (struct bch_btree_ptr_v2 *) ptr.v;
	const u64 seq = __atomic_add_fetch(&next_seq, 1, __ATOMIC_RELAXED);

	assert_non_null(b);
	memset(v, 0, sizeof(*v) + 8);
	bch2_btree_node_init_new(b, BT, level, min, max, BKEY_FORMAT_CURRENT, seq, 0);
	v->seq		= cpu_to_le64(seq);
	v->min_key	= min;
	bch2_btree_node_set_key(c, b, &ptr.k);
	assert_int_equal(bch2_btree_node_hash_insert(c, b), 0);
	return b;
}

static struct tkey key_at(unsigned leaf, unsigned offset, u64 val)
{
	return tkey_make(KEY_TYPE_cookie, POS(leaf, offset), 0, 1, val);
}

static u64 val_of(struct bkey_s_c k)
{
	return *(u64 *) k.v;
}

static int setup(void **state)
{
	struct btree *root;

	c = timg_fs(4096, 512);
	/* as if it were in use: pointers follow the nodes */
	set_bit(BCH_FS_may_go_rw, &c->flags);
	root = node_new(1, POS_MIN, SPOS_MAX);
	for (unsigned i = 0; i < LEAVES; i++) {
		struct btree *b = node_new(0, leaf_min(i), leaf_max(i));

		for (unsigned j = 0; j < PER_LEAF; j++) {
			struct tkey k = key_at(i, j, 0);

			assert_true(bch2_btree_node_insert_mem(b, &k.k));
		}
		assert_true(bch2_btree_node_insert_mem(root, &b->key));
	}
	c->btree.roots[BT].alive = true;
	bch2_btree_set_root_inmem(c, root);
	bch2_btree_node_put(c, root);
	return 0;
}

static int teardown(void **state)
{
	assert_true(list_empty(&c->btree.trans_list));
	timg_fs_free(c);
	return 0;
}

/* --- changes, as an update of the tree makes them --- */

/* Set the key at (leaf, offset); the iterator is there, intent locked. */
static int set_key(struct btree_trans *trans, struct btree_iter *iter, struct tkey k)
{
	struct btree *b = bch2_btree_iter_leaf(iter);
	int ret = btree_node_lock_write(trans, b);

	if (ret)
		return ret;
	bch2_btree_node_prep_insert(c, b);
	if (!bch2_btree_node_insert_mem(b, &k.k))
		abort();
	btree_node_unlock_write(trans, b);
	return 0;
}

/* Replace the leaf the iterator stands on by a copy, as a rewrite does. */
static int replace_leaf(struct btree_trans *trans, struct btree_iter *iter)
{
	struct btree *old, *parent, *n;
	int ret = bch2_btree_iter_upgrade(iter, 1);

	if (ret)
		return ret;
	old	= bch2_btree_iter_leaf(iter);
	parent	= bch2_btree_iter_node(iter, 1);
	n = node_new(0, old->min_key, old->max_key);
	for (unsigned i = 0; i < PER_LEAF; i++) {
		struct btree_iter copy;
		struct bkey_s_c k;
		struct tkey t;

		bch2_trans_iter_init(trans, &copy, BT, POS(old->max_key.inode == KEY_INODE_MAX
				     ? LEAVES - 1 : old->max_key.inode, i), 0);
		do {
			k = bch2_btree_iter_peek_slot(&copy);
			/* injected: do as if nothing had happened */
			if (bkey_err(k))
				trans->restarted = 0;
		} while (bkey_err(k));
		t = key_at(k.k->p.inode, i, val_of(k));
		if (!bch2_btree_node_insert_mem(n, &t.k))
			abort();
		bch2_trans_iter_exit(&copy);
	}
	bch2_trans_lock_nofail(trans, &n->six, SIX_LOCK_intent);

	btree_node_lock_write_nofail(trans, parent);
	bch2_btree_node_prep_insert(c, parent);
	if (!bch2_btree_node_insert_mem(parent, &n->key))
		abort();
	btree_node_unlock_write(trans, parent);

	btree_node_lock_write_nofail(trans, old);
	bch2_btree_node_hash_remove(c, old);
	btree_node_unlock_write(trans, old);
	bch2_trans_unlock_one(trans, &n->six, SIX_LOCK_intent);
	/* the pin of the table's first user: as if it were dirty */
	bch2_btree_node_put(c, old);
	return 0;
}

static int leaf_iter(struct btree_trans *trans, struct btree_iter *iter, unsigned leaf,
		     unsigned offset, unsigned flags)
{
	bch2_trans_iter_init(trans, iter, BT, POS(leaf, offset), flags);
	return bch2_btree_iter_traverse(iter);
}

/* --- one thread --- */

static void locks_of_a_walk(void **state)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct btree_iter iter;
	struct btree *seen = NULL;
	unsigned nr = 0;
	int ret;

	ret = for_each_btree_key(trans, it, BT, POS_MIN, BTREE_ITER_prefetch, k, ({
		/* one lock: on the leaf */
		assert_int_equal(trans->locks.nr, 1);
		assert_int_equal(bch2_trans_lock_held(trans, &bch2_btree_iter_leaf(&it)->six), 1);
		nr++;
		0;
	}));
	assert_int_equal(ret, 0);
	assert_int_equal(nr, LEAVES * PER_LEAF);

	bch2_trans_node_iter_init(trans, &iter, BT, POS_MIN, 2, 0, 0);
	for (struct btree *b = bch2_btree_iter_peek_node(&iter); b;
	     b = bch2_btree_iter_next_node(&iter)) {
		assert_ptr_not_equal(b, seen);
		seen = b;
		assert_int_equal(trans->locks.nr, 2);
		assert_int_equal(bch2_trans_lock_held(trans, &b->six), 1 << SIX_LOCK_intent);
		assert_int_equal(bch2_trans_lock_held(trans,
				 &bch2_btree_iter_node(&iter, 1)->six), 1 << SIX_LOCK_intent);
	}
	bch2_trans_iter_exit(&iter);
	assert_false(bch2_trans_has_locks(trans));
	bch2_trans_put(trans);
}

static void relock(void **state)
{
	struct btree_trans *a = bch2_trans_get(c), *b = bch2_trans_get(c);
	struct btree_iter ia, ib;
	struct bkey_s_c k;

	for (unsigned change = 0; change < 2; change++) {
		bch2_trans_begin(a);
		bch2_trans_begin(b);
		bch2_trans_iter_init(a, &ia, BT, POS(1, 3), 0);
		k = bch2_btree_iter_peek(&ia);
		assert_int_equal(val_of(k), 0);
		bch2_trans_unlock(a);
		assert_false(bch2_trans_has_locks(a));
		assert_int_equal(leaf_iter(b, &ib, 1, 3, BTREE_ITER_intent), 0);
		if (change)
			assert_int_equal(set_key(b, &ib, key_at(1, 3, 7)), 0);
		bch2_trans_iter_exit(&ib);
		assert_int_equal(bch2_trans_relock(a),
				 change ? -BCH_ERR_transaction_restart_relock_path : 0);
		if (change) {
			k = bch2_btree_iter_peek(&ia);
			assert_int_equal(bkey_err(k), -BCH_ERR_transaction_restart_relock_path);
			bch2_trans_begin(a);
			k = bch2_btree_iter_peek(&ia);
			assert_int_equal(val_of(k), 7);
		}
		bch2_trans_iter_exit(&ia);
	}
	bch2_trans_put(a);
	bch2_trans_put(b);
}

static void own_changes_keep_paths(void **state)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct btree_iter a, b, copy;

	bch2_trans_begin(trans);
	assert_int_equal(leaf_iter(trans, &a, 2, 0, BTREE_ITER_intent), 0);
	assert_int_equal(leaf_iter(trans, &b, 2, 5, 0), 0);
	assert_int_equal(val_of(bch2_btree_iter_peek(&b)), 0);
	bch2_trans_iter_copy(&copy, &b);
	copy.flags |= BTREE_ITER_intent;
	/* positions in the node move */
	assert_int_equal(set_key(trans, &a, tkey_make(KEY_TYPE_deleted, POS(2, 1), 0, 0, 0)), 0);
	assert_int_equal(set_key(trans, &a, key_at(2, 5, 9)), 0);
	bch2_trans_unlock(trans);
	assert_int_equal(bch2_trans_relock(trans), 0);
	assert_int_equal(val_of(bch2_btree_iter_peek(&b)), 9);
	assert_int_equal(val_of(bch2_btree_iter_peek(&copy)), 9);
	assert_int_equal(copy.path[0].lock, SIX_LOCK_intent);
	assert_int_equal(bch2_btree_iter_next(&copy).k->p.offset, 6);
	bch2_trans_iter_exit(&copy);
	bch2_trans_iter_exit(&a);
	bch2_trans_iter_exit(&b);
	bch2_trans_put(trans);
}

/* Others may not change, before the commit, what an attempt has gone by. */
static void reads_are_kept(void **state)
{
	for (unsigned how = 0; how < 3; how++) {
		struct btree_trans *a = bch2_trans_get(c), *b = bch2_trans_get(c);
		struct btree_iter iter, other;
		struct six_lock *leaf;

		if (how == 2)
			bch2_trans_keep_reads(a);
		bch2_trans_begin(a);
		bch2_trans_iter_init(a, &iter, BT, POS(1, 0), how == 1 ? BTREE_ITER_keep : 0);
		assert_non_null(bch2_btree_iter_peek(&iter).k);
		leaf = &bch2_btree_iter_leaf(&iter)->six;
		bch2_trans_iter_exit(&iter);
		assert_int_equal(bch2_trans_lock_held(a, leaf), how ? 1 << SIX_LOCK_read : 0);
		/* once is enough */
		bch2_trans_iter_init(a, &iter, BT, POS(1, 1), how == 1 ? BTREE_ITER_keep : 0);
		assert_non_null(bch2_btree_iter_peek(&iter).k);
		bch2_trans_iter_exit(&iter);
		assert_int_equal(a->nr_iters, !!how);

		bch2_trans_unlock(a);
		bch2_trans_begin(b);
		bch2_trans_iter_init(b, &other, BT, POS(1, 0), BTREE_ITER_intent);
		assert_int_equal(bch2_btree_iter_traverse(&other), 0);
		assert_int_equal(bch2_trans_relock(a), 0);
		assert_int_equal(bch2_trans_lock_held(a, leaf), how ? 1 << SIX_LOCK_read : 0);
		bch2_trans_unlock(a);
		assert_int_equal(set_key(b, &other, key_at(1, 0, how + 1)), 0);
		bch2_trans_iter_exit(&other);
		assert_int_equal(bch2_trans_relock(a),
				 how ? -BCH_ERR_transaction_restart_relock_path : 0);

		/* the next attempt has nothing of it */
		bch2_trans_begin(a);
		assert_int_equal(a->nr_iters, 0);
		assert_false(bch2_trans_has_locks(a));
		bch2_trans_put(a);
		bch2_trans_put(b);
	}
}

static void upgrade_and_downgrade(void **state)
{
	struct btree_trans *a = bch2_trans_get(c), *b = bch2_trans_get(c);
	struct btree_iter ia, ib;
	struct btree *root;

	bch2_trans_begin(a);
	assert_int_equal(leaf_iter(a, &ia, 1, 0, 0), 0);
	assert_int_equal(bch2_btree_iter_root_level(&ia), 1);
	assert_int_equal(bch2_btree_iter_upgrade(&ia, BTREE_MAX_DEPTH - 1), 0);
	root = bch2_btree_iter_node(&ia, 1);
	assert_int_equal(bch2_trans_lock_held(a, &root->six), 1 << SIX_LOCK_intent);

	/* readers pass below an intent lock */
	assert_int_equal(leaf_iter(b, &ib, 1, 0, 0), 0);
	bch2_trans_iter_exit(&ib);

	bch2_btree_iter_downgrade(&ia);
	assert_int_equal(bch2_trans_lock_held(a, &root->six), 0);
	assert_int_equal(bch2_trans_lock_held(a, &bch2_btree_iter_leaf(&ia)->six),
			 1 << SIX_LOCK_read);

	/* the leaf changed while it was not locked: what was read is void */
	bch2_trans_unlock(a);
	assert_int_equal(leaf_iter(b, &ib, 1, 0, BTREE_ITER_intent), 0);
	assert_int_equal(set_key(b, &ib, key_at(1, 0, 3)), 0);
	bch2_trans_iter_exit(&ib);
	assert_int_equal(bch2_trans_relock(a), -BCH_ERR_transaction_restart_relock_path);
	bch2_trans_begin(a);
	assert_int_equal(bch2_btree_iter_upgrade(&ia, 0), 0);
	assert_int_equal(val_of(bch2_btree_iter_peek(&ia)), 3);
	bch2_trans_downgrade(a);
	assert_int_equal(bch2_trans_lock_held(a, &bch2_btree_iter_leaf(&ia)->six),
			 1 << SIX_LOCK_read);
	bch2_trans_iter_exit(&ia);
	bch2_trans_put(a);
	bch2_trans_put(b);
}

static void pending_updates(void **state)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct tkey k[] = {
		key_at(1, 2, 12),
		tkey_make(KEY_TYPE_deleted, POS(1, 4), 0, 0, 0),
		key_at(1, 20, 120),
		tkey_make(KEY_TYPE_deleted, POS(2, 0), 0, 0, 0),
	};
	struct btree_update_entry u[ARRAY_SIZE(k)];
	struct btree_iter none = { 0 };
	static const u32 fwd[] = { 1000, 1001, 1002, 1003, 1005, 1006, 1007, 1020, 2001 };
	struct btree_iter iter;
	struct bkey_s_c f;
	int i;

	memset(u, 0, sizeof(u));
	for (i = 0; i < ARRAY_SIZE(k); i++) {
		u[i].btree_id	= BT;
		u[i].k		= &k[i].k;
		u[i].iter	= &none;
	}
	bch2_trans_begin(trans);
	trans->s.updates	= u;
	trans->s.nr_updates	= ARRAY_SIZE(u);

	bch2_trans_iter_init(trans, &iter, BT, POS(1, 0), 0);
	for (i = 0; i < ARRAY_SIZE(fwd); i++) {
		f = i ? bch2_btree_iter_next(&iter) : bch2_btree_iter_peek(&iter);
		assert_int_equal(f.k->p.inode * 1000 + f.k->p.offset, fwd[i]);
		assert_int_equal(val_of(f), fwd[i] == 1002 ? 12 : fwd[i] == 1020 ? 120 : 0);
	}
	while (i-- > 1) {
		f = bch2_btree_iter_prev(&iter);
		assert_int_equal(f.k->p.inode * 1000 + f.k->p.offset, fwd[i - 1]);
	}
	bch2_btree_iter_set_pos(&iter, POS(1, 4));
	assert_int_equal(bch2_btree_iter_peek_slot(&iter).k->type, KEY_TYPE_deleted);
	bch2_trans_iter_exit(&iter);

	/* not for those who do not want to see them, and not after the next begin */
	bch2_trans_iter_init(trans, &iter, BT, POS(1, 4), BTREE_ITER_no_updates);
	assert_int_equal(bch2_btree_iter_peek(&iter).k->p.offset, 4);
	bch2_trans_iter_exit(&iter);
	bch2_trans_begin(trans);
	bch2_trans_iter_init(trans, &iter, BT, POS(1, 4), 0);
	assert_int_equal(bch2_btree_iter_peek(&iter).k->p.offset, 4);
	bch2_trans_iter_exit(&iter);
	bch2_trans_put(trans);
}

/* --- readers that wait at a node which leaves the tree --- */

struct reader {
	pthread_t		thread;
	struct btree_trans	*trans;
	unsigned		leaf;
	unsigned		restarts;
	u64			val;
};

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	int ret;

	ret = lockrestart_do(r->trans, ({
		struct btree_iter iter;
		struct bkey_s_c k;
		int err;

		bch2_trans_iter_init(r->trans, &iter, BT, POS(r->leaf, 1), 0);
		k = bch2_btree_iter_peek_slot(&iter);
		err = bkey_err(k);
		if (!err)
			r->val = val_of(k);
		r->restarts += err != 0;
		bch2_trans_iter_exit(&iter);
		err;
	}));
	if (ret)
		abort();
	return NULL;
}

static void reader_start(struct reader *r, const struct six_lock *l)
{
	bool blocked = false;

	*r = (struct reader) { .trans = bch2_trans_get(c), .leaf = 1 };
	assert_int_equal(pthread_create(&r->thread, NULL, reader_main, r), 0);
	while (!blocked) {
		sched_yield();
		spin_lock(&r->trans->locks.lock);
		blocked = r->trans->locks.want == l;
		spin_unlock(&r->trans->locks.lock);
	}
}

static void reader_join(struct reader *r, u64 val)
{
	pthread_join(r->thread, NULL);
	/* LK-1: the writer could lock the parent; the reader looked again by itself */
	assert_int_equal(r->restarts, 0);
	assert_int_equal(r->val, val);
	bch2_trans_put(r->trans);
}

static void leaf_goes_while_waited_for(void **state)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct btree_iter iter, fresh;
	struct btree *old;
	struct reader r;

	bch2_trans_begin(trans);
	assert_int_equal(leaf_iter(trans, &iter, 1, 1, BTREE_ITER_intent), 0);
	assert_int_equal(bch2_btree_iter_upgrade(&iter, 1), 0);
	old = bch2_btree_iter_leaf(&iter);
	bch2_btree_node_pin(c, old);
	/* the reader sees the pointer and waits */
	assert_int_equal(btree_node_lock_write(trans, old), 0);
	reader_start(&r, &old->six);
	assert_int_equal(replace_leaf(trans, &iter), 0);
	/* and the key changes in the new node before anybody sees that */
	assert_int_equal(leaf_iter(trans, &fresh, 1, 1, BTREE_ITER_intent), 0);
	assert_ptr_not_equal(bch2_btree_iter_leaf(&fresh), old);
	assert_int_equal(set_key(trans, &fresh, key_at(1, 1, 77)), 0);
	bch2_trans_iter_exit(&fresh);
	btree_node_unlock_write(trans, old);
	/* one's own path does not stay there either */
	assert_int_equal(bch2_btree_iter_traverse(&iter), 0);
	assert_ptr_not_equal(bch2_btree_iter_leaf(&iter), old);
	bch2_trans_iter_exit(&iter);
	reader_join(&r, 77);
	bch2_trans_put(trans);
	assert_int_equal(atomic_read(&old->pins), 1);
	bch2_btree_node_put(c, old);
}

static void root_goes_while_waited_for(void **state)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct btree *old, *root = node_new(1, POS_MIN, SPOS_MAX);
	struct btree_iter iter;
	struct reader r;

	bch2_trans_begin(trans);
	for (unsigned i = 0; i < LEAVES; i++) {
		assert_int_equal(leaf_iter(trans, &iter, i, 1, 0), 0);
		assert_true(bch2_btree_node_insert_mem(root, &bch2_btree_iter_leaf(&iter)->key));
		bch2_trans_iter_exit(&iter);
	}
	bch2_trans_node_iter_init(trans, &iter, BT, POS_MIN, 2, 1, 0);
	old = bch2_btree_iter_peek_node(&iter);
	assert_non_null(old);
	assert_int_equal(btree_node_lock_write(trans, old), 0);
	reader_start(&r, &old->six);
	assert_int_equal(bch2_trans_lock(trans, &root->six, SIX_LOCK_intent), 0);
	bch2_btree_set_root_inmem(c, root);
	bch2_btree_node_hash_remove(c, old);
	btree_node_unlock_write(trans, old);
	/* upgrading from a path below the old root finds the new one */
	bch2_trans_unlock_one(trans, &root->six, SIX_LOCK_intent);
	assert_ptr_equal(bch2_btree_iter_peek_node(&iter), root);
	bch2_trans_iter_exit(&iter);
	bch2_btree_node_put(c, root);
	reader_join(&r, 0);
	bch2_trans_put(trans);
}

/* --- everybody at once --- */

#define ROUNDS		300

static u64 last_done[LEAVES][PER_LEAF];	/* values that are surely visible */

static int storm_write(struct btree_trans *trans, unsigned leaf, unsigned off, u64 *val,
		       bool replace)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, &iter, BT, POS(leaf, off), BTREE_ITER_intent);
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k);
	if (!ret && val_of(k) < READ_ONCE(last_done[leaf][off]))
		abort();
	if (!ret && replace)
		ret = replace_leaf(trans, &iter);
	else if (!ret) {
		*val = val_of(k) + 1;
		ret = set_key(trans, &iter, key_at(leaf, off, *val));
		/* intent is still held: nobody else can be further */
		if (!ret)
			WRITE_ONCE(last_done[leaf][off], *val);
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int storm_read(struct btree_trans *trans, u64 *seen)
{
	unsigned nr = 0;
	int ret;

	ret = for_each_btree_key(trans, iter, BT, POS_MIN, BTREE_ITER_prefetch, k, ({
		const unsigned i = k.k->p.inode * PER_LEAF + k.k->p.offset;

		if (i != nr || val_of(k) < seen[i]) {
			fprintf(stderr, "key %u for %u, value %llu after %llu\n", i, nr,
				val_of(k), seen[i]);
			abort();
		}
		seen[i] = val_of(k);
		nr++;
		0;
	}));
	if (!ret && nr != LEAVES * PER_LEAF)
		abort();
	return ret;
}

static void *storm_main(void *arg)
{
	const unsigned me = (uintptr_t) arg;
	struct btree_trans *trans = bch2_trans_get(c);
	u64 seen[LEAVES * PER_LEAF] = { 0 };
	unsigned seed = me;
	u64 val, writes = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		const unsigned leaf = rand_r(&seed) % LEAVES, off = rand_r(&seed) % PER_LEAF;
		const unsigned what = rand_r(&seed) % 8;

		if (me == 0 && !(what & 1)) {
			if (storm_read(trans, seen))
				abort();
			continue;
		}
		if (lockrestart_do(trans, storm_write(trans, leaf, off, &val, !what)))
			abort();
		writes += !!what;
	}
	bch2_trans_put(trans);
	return (void *) (uintptr_t) writes;
}

static void storm(unsigned faults)
{
	pthread_t t[3];
	u64 writes = 0, sum = 0;
	struct btree_trans *trans;

	memset(last_done, 0, sizeof(last_done));
	WRITE_ONCE(c->btree.restart_fault_every, faults);
	for (uintptr_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, storm_main, (void *) i), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		void *ret;

		pthread_join(t[i], &ret);
		writes += (uintptr_t) ret;
	}
	trans = bch2_trans_get(c);
	assert_int_equal(for_each_btree_key(trans, iter, BT, POS_MIN, 0, k, ({
		sum += val_of(k);
		0;
	})), 0);
	bch2_trans_put(trans);
	/* every write exactly once */
	assert_int_equal(sum, writes);
}

static void readers_writers_and_new_leaves(void **state)
{
	storm(0);
}

static void with_restarts_everywhere(void **state)
{
	storm(5);
}

#define TEST(n)	cmocka_unit_test_setup_teardown(n, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(locks_of_a_walk),
		TEST(relock),
		TEST(own_changes_keep_paths),
		TEST(reads_are_kept),
		TEST(upgrade_and_downgrade),
		TEST(pending_updates),
		TEST(leaf_goes_while_waited_for),
		TEST(root_goes_while_waited_for),
		TEST(readers_writers_and_new_leaves),
		TEST(with_restarts_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
