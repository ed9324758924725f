// SPDX-License-Identifier: GPL-2.0
/*
 * Btrees that change their shape while they are written: random keys against a
 * model, growth and shrinking, rewrites, threads, restarts at every step; what is
 * on the devices afterwards; failed devices. And the arithmetic of merges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "btree/cache.h"
#include "btree/commit.h"
#include "btree/interior.h"
#include "btree/interior_priv.h"
#include "btree/iter.h"
#include "btree/node_insert.h"
#include "btree/node_write.h"
#include "btree/trans.h"
#include "journal/journal.h"
#include "btree_image.h"
#include "interior_common.h"

#define BTREE	BTREE_ID_reconcile_scan
#define PLACES	4000

/** bch2_trans_mark_key - buckets are nobody's business here */
int bch2_trans_mark_key(struct btree_trans *trans, unsigned btree, unsigned level,
			struct bkey_s_c old, struct bkey_s new, unsigned flags)
{
	return 0;
}

/* --- a btree and what is in it --- */

struct model {
	unsigned	u64s[PLACES];	/* 0: nothing */
	u64		v[PLACES];
	u64		next;
};

static void expect(int ret)
{
	if (ret)
		fail_msg("%s: %s", bch2_err_str(ret), jtest_messages());
}

static void change(struct model *m, unsigned i, unsigned u64s)
{
	expect(itest_put(itest.c, BTREE, 1, i, u64s, ++m->next, NULL));
	m->u64s[i] = u64s;
	m->v[i] = m->next;
}

static void check(struct bch_fs *c, const struct model *m, u64 inode)
{
	const struct bpos start = POS(inode, 0), end = POS(inode, U64_MAX);
	struct btree_trans *trans = bch2_trans_get(c);
	unsigned i = 0;
	int ret;

	ret = for_each_btree_key_max(trans, iter, BTREE, start, end, 0, k, ({
		for (; i < k.k->p.offset; i++)
			assert_int_equal(m->u64s[i], 0);
		assert_int_equal(bkey_val_u64s(k.k), m->u64s[i]);
		assert_int_equal(*(const u64 *) k.v, m->v[i]);
		i++;
		0;
	}));
	expect(ret);
	for (; i < PLACES; i++)
		assert_int_equal(m->u64s[i], 0);
	bch2_trans_put(trans);
}

static void check_after_reopen(const struct model *m)
{
	struct itest_shape s;
	u64 newest;
	struct bch_fs *c = itest_reopen_ro(&newest);

	/* everything is in nodes */
	assert_int_equal(c->journal.keys.nr, 0);
	check(c, m, 1);
	itest_shape_of(c, BTREE, &s);
	itest_reopened_close(c);
}

static void first_key_makes_a_root(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	struct itest_shape s;

	itest_open(1, NULL);
	assert_true(itest.c->btree.roots[BTREE].fake);
	change(m, 5, 3);
	assert_false(itest.c->btree.roots[BTREE].fake);
	itest_shape_of(itest.c, BTREE, &s);
	assert_int_equal(s.depth, 1);
	assert_false(itest.c->btree.roots[BTREE_ID_extents].alive);
	itest_close();
	check_after_reopen(m);
	free(m);
}

static void grow_and_shrink(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	struct itest_shape full, s;

	trnd_seed(1);
	itest_open(1, NULL);
	for (unsigned i = 0; i < PLACES * 2; i++)
		change(m, trnd() % PLACES, 1 + trnd() % 20);
	check(itest.c, m, 1);
	itest_shape_of(itest.c, BTREE, &full);
	assert_true(full.depth >= 3);
	assert_true(full.nodes[0] > 30);

	/* all but a few go, in order and not */
	for (unsigned i = 0; i < PLACES; i += 2)
		change(m, i, 0);
	check(itest.c, m, 1);
	for (unsigned i = 0; i < PLACES * 2; i++) {
		const unsigned at = trnd() % PLACES;

		if (at % 100)
			change(m, at, 0);
	}
	check(itest.c, m, 1);
	itest_shape_of(itest.c, BTREE, &s);
	assert_true(s.nodes[0] < full.nodes[0] / 4);
	itest_close();
	check_after_reopen(m);
	free(m);
}

static void in_order(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	struct itest_shape s;

	itest_open(1, NULL);
	for (unsigned i = 0; i < PLACES; i++)
		change(m, i, 8);
	itest_shape_of(itest.c, BTREE, &s);
	/* the left half of a split is the larger one */
	assert_true(s.words[0] / s.nodes[0] > bch2_btree_node_max_u64s(itest.c) * 2 / 5);
	check(itest.c, m, 1);
	itest_close();
	check_after_reopen(m);
	free(m);
}

/* TX-1, TX-2: with a restart at every k-th step the result is the same. */
static void restarts(void **state)
{
	for (unsigned every = 2; every < 9; every++) {
		struct model *m = calloc(1, sizeof(*m));

		trnd_seed(every);
		itest_open(1, NULL);
		itest.restart_every = every;
		/* an attempt has to come through now and then */
		WRITE_ONCE(itest.c->btree.restart_fault_every, 17 + every);
		for (unsigned i = 0; i < 1500; i++)
			change(m, trnd() % (PLACES / 4), trnd() % 4 ? 1 + trnd() % 30 : 0);
		WRITE_ONCE(itest.c->btree.restart_fault_every, 0);
		check(itest.c, m, 1);
		itest_close();
		check_after_reopen(m);
		free(m);
	}
}

static int rewrite_at(struct btree_trans *trans, struct bpos pos, unsigned level)
{
	struct btree_iter iter;
	int ret;

	bch2_trans_node_iter_init(trans, &iter, BTREE, pos, level + 1, level, BTREE_ITER_intent);
	ret   = bch2_btree_iter_traverse(&iter) ?:
		bch2_btree_node_rewrite(trans, &iter, bch2_btree_iter_leaf(&iter), 0);
	bch2_trans_iter_exit(&iter);
	return ret;
}

static void rewrites(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	struct btree_trans *trans;
	struct itest_shape before, after;

	trnd_seed(3);
	itest_open(2, NULL);
	for (unsigned i = 0; i < PLACES; i++)
		change(m, trnd() % PLACES, 1 + trnd() % 20);
	itest_shape_of(itest.c, BTREE, &before);
	trans = bch2_trans_get(itest.c);
	for (unsigned i = 0; i < 200; i++) {
		const unsigned level = trnd() % before.depth;
		const struct bpos pos = POS(1, trnd() % PLACES);

		expect(lockrestart_do(trans, rewrite_at(trans, pos, level)));
		if (i % 3 == 0)
			change(m, trnd() % PLACES, 1 + trnd() % 20);
	}
	bch2_trans_put(trans);
	itest_shape_of(itest.c, BTREE, &after);
	assert_in_range(after.nodes[0], before.nodes[0], before.nodes[0] + 30);
	check(itest.c, m, 1);
	itest_close();
	check_after_reopen(m);
	free(m);
}

/* A node whose read found something bad is copied when there is time, or when it changes. */
static void bad_nodes(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	struct btree_trans *trans;
	struct btree_iter iter;
	struct btree *b;
	u64 seq;

	itest_open(1, NULL);
	for (unsigned i = 0; i < 600; i++)
		change(m, i, 8);
	trans = bch2_trans_get(itest.c);
	bch2_trans_iter_init(trans, &iter, BTREE, POS(1, 100), 0);
	assert_int_equal(lockrestart_do(trans, bch2_btree_iter_traverse(&iter)), 0);
	b = bch2_btree_iter_leaf(&iter);
	set_bit(BTREE_NODE_need_rewrite, &b->flags);
	seq = b->seq;
	bch2_trans_iter_exit(&iter);
	bch2_trans_put(trans);

	change(m, 100, 8);
	trans = bch2_trans_get(itest.c);
	bch2_trans_iter_init(trans, &iter, BTREE, POS(1, 100), 0);
	assert_int_equal(lockrestart_do(trans, bch2_btree_iter_traverse(&iter)), 0);
	b = bch2_btree_iter_leaf(&iter);
	assert_int_not_equal(b->seq, seq);
	assert_false(test_bit(BTREE_NODE_need_rewrite, &b->flags));
	bch2_trans_iter_exit(&iter);
	bch2_trans_put(trans);
	itest_close();
	check_after_reopen(m);
	free(m);
}

static void deeper(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	struct btree_trans *trans;
	struct btree_iter iter;
	struct itest_shape s;

	itest_open(1, NULL);
	for (unsigned i = 0; i < 20; i++)
		change(m, i, 8);
	trans = bch2_trans_get(itest.c);
	for (unsigned level = 1; level < BTREE_MAX_DEPTH; level++) {
		int ret;

		bch2_trans_begin(trans);
		bch2_trans_node_iter_init(trans, &iter, BTREE, POS_MIN, 0, level, 0);
		ret = bch2_btree_increase_depth(trans, &iter);
		assert_true(bch2_err_matches(ret, BCH_ERR_transaction_restart));
		bch2_trans_iter_exit(&iter);
	}
	bch2_trans_put(trans);
	itest_shape_of(itest.c, BTREE, &s);
	assert_int_equal(s.depth, BTREE_MAX_DEPTH);
	for (unsigned i = 0; i < 2000; i++)
		change(m, i, 8);
	check(itest.c, m, 1);
	itest_close();
	check_after_reopen(m);
	free(m);
}

static void pass_merges(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	struct itest_shape before, after;

	trnd_seed(9);
	itest_open(1, NULL);
	for (unsigned i = 0; i < PLACES; i++)
		change(m, i, 8);
	for (unsigned i = 0; i < PLACES; i++)
		if (i % 5)
			change(m, i, 0);
	itest_shape_of(itest.c, BTREE, &before);
	expect(bch2_merge_btree_nodes(itest.c));
	itest_shape_of(itest.c, BTREE, &after);
	assert_true(after.nodes[0] <= before.nodes[0]);
	check(itest.c, m, 1);
	itest_close();
	check_after_reopen(m);
	free(m);
}

/* --- threads --- */

#define THREADS		4

static struct model *thread_model[THREADS];

static void *thread_main(void *arg)
{
	const unsigned t = (unsigned long) arg;
	struct model *m = thread_model[t];
	u32 rnd = 12345 * (t + 1);

	for (unsigned i = 0; i < 2500; i++) {
		unsigned at, u64s;

		rnd = rnd * 1103515245 + 12345;
		at = (rnd >> 8) % (PLACES / 4);
		/* growing, then shrinking */
		u64s = i < 1500 ? 1 + (rnd >> 20) % 16 : (rnd >> 20) % 8 ? 0 : 2;
		/* the first key of all threads' ranges alternate: nodes are shared */
		expect(itest_put(itest.c, BTREE, 1 + at % 8 * THREADS + t, at / 8, u64s,
				 ++m->next, NULL));
		m->u64s[at] = u64s;
		m->v[at] = m->next;
	}
	return NULL;
}

static void check_threads(struct bch_fs *c)
{
	for (unsigned t = 0; t < THREADS; t++)
		for (unsigned r = 0; r < 8; r++) {
			struct model *m = calloc(1, sizeof(*m));

			for (unsigned i = r; i < PLACES / 4; i += 8) {
				m->u64s[i / 8]	= thread_model[t]->u64s[i];
				m->v[i / 8]	= thread_model[t]->v[i];
			}
			check(c, m, 1 + r * THREADS + t);
			free(m);
		}
}

static void threads(void **state)
{
	pthread_t id[THREADS];
	struct itest_shape s;
	struct bch_fs *c;
	u64 newest;

	itest_open(1, NULL);
	for (unsigned long t = 0; t < THREADS; t++) {
		thread_model[t] = calloc(1, sizeof(struct model));
		pthread_create(&id[t], NULL, thread_main, (void *) t);
	}
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(id[t], NULL);
	check_threads(itest.c);
	itest_shape_of(itest.c, BTREE, &s);
	itest_close();

	c = itest_reopen_ro(&newest);
	assert_int_equal(c->journal.keys.nr, 0);
	check_threads(c);
	itest_reopened_close(c);
	for (unsigned t = 0; t < THREADS; t++)
		free(thread_model[t]);
}

/* --- the end of the journal --- */

static void dead_journal(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	int ret = 0;

	itest_open(1, NULL);
	for (unsigned i = 0; i < 500; i++)
		change(m, i, 8);
	bch2_journal_halt(itest.c);
	for (unsigned i = 500; i < 600 && !ret; i++)
		ret = itest_put(itest.c, BTREE, 1, i, 8, 1, NULL);
	assert_true(ret);
	itest_crash();
	free(m);
}

/* --- arithmetic (10.3) --- */

static void plans(void **state)
{
	static const struct {
		u32 u64s[3];
		unsigned nr, self;
		struct btree_merge_plan want;
	} t[] = {
		{ { 100, 100 },		2, 0, { 0, 2, 1 } },
		{ { 300, 300 },		2, 1, { 0, 2, 1 } },
		{ { 300, 301 },		2, 1, { 0, 0, 0 } },	/* more than 3/5 */
		{ { 100, 100, 100 },	3, 1, { 0, 3, 1 } },
		{ { 500, 100, 500 },	3, 1, { 0, 3, 2 } },
		{ { 600, 1, 600 },	3, 1, { 0, 0, 0 } },	/* three; 601 of 500 */
		{ { 900, 100, 399 },	3, 1, { 1, 2, 1 } },
		{ { 400, 100, 900 },	3, 1, { 0, 2, 1 } },
		{ { 401, 100, 900 },	3, 1, { 0, 0, 0 } },
		{ { 0, 0 },		2, 0, { 0, 2, 1 } },
		{ { 7 },		1, 0, { 0, 0, 0 } },
	};
	const u32 candidates[] = { 200, 900, 700, 640, 760 };

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		const struct btree_merge_plan p = btree_merge_plan(1000, t[i].u64s, t[i].nr,
								   t[i].self);

		assert_int_equal(p.nr_src, t[i].want.nr_src);
		assert_int_equal(p.nr_dst, t[i].want.nr_dst);
		assert_int_equal(p.first, t[i].want.first);
	}

	assert_int_equal(btree_merge_pivot(1000, candidates, 5, 1200), 3);
	assert_int_equal(btree_merge_pivot(1000, candidates, 3, 1200), 2);
	assert_int_equal(btree_merge_pivot(1000, candidates, 2, 1200), 2);	/* none */
	assert_int_equal(btree_merge_pivot(1000, candidates, 1, 950), 0);	/* 3/4 */
	assert_int_equal(btree_merge_pivot(1000, candidates, 1, 951), 1);

	/* M = 333, M + M/4 = 416 */
	assert_int_equal(btree_merge_refused(1000, 616), 516);
	assert_int_equal(btree_merge_refused(1000, 416), 416);
	assert_int_equal(btree_merge_refused(1000, 10), 334);
}

static void shards(void **state)
{
	struct bch_fs *c = timg_fs(4096, 512);
	struct btree b = { .btree_id = BTREE_ID_inodes, .min_key = POS_MIN, .max_key = SPOS_MAX };
	const u64 step = 1ULL << 61;
	struct bpos p;

	assert_false(btree_shard_boundary_in(c, &b, POS_MIN, &p));
	assert_false(btree_shard_boundary(c, BTREE_ID_inodes, 0, POS(0, step)));

	c->opts.shard_inode_numbers_bits = 2;
	assert_true(btree_shard_boundary(c, BTREE_ID_inodes, 0, POS(0, step)));
	assert_false(btree_shard_boundary(c, BTREE_ID_inodes, 1, POS(0, step)));
	assert_false(btree_shard_boundary(c, BTREE_ID_inodes, 0, POS(0, step + 1)));
	assert_false(btree_shard_boundary(c, BTREE_ID_inodes, 0, SPOS(0, step, 1)));
	assert_false(btree_shard_boundary(c, BTREE_ID_inodes, 0, POS(step, 0)));
	assert_false(btree_shard_boundary(c, BTREE_ID_inodes, 0, POS_MIN));
	assert_false(btree_shard_boundary(c, BTREE_ID_alloc, 0, POS(0, step)));
	assert_true(btree_shard_boundary(c, BTREE_ID_extents, 0, POS(step, 0)));

	p = POS_MIN;
	for (u64 i = 1; i < 4; i++) {
		assert_true(btree_shard_boundary_in(c, &b, p, &p));
		assert_int_equal(bpos_cmp(p, POS(0, i * step)), 0);
	}
	assert_false(btree_shard_boundary_in(c, &b, p, &p));

	b.btree_id = BTREE_ID_dirents;
	b.min_key = POS(step, 0);
	assert_true(btree_shard_boundary_in(c, &b, b.min_key, &p));
	assert_int_equal(bpos_cmp(p, POS(2 * step, 0)), 0);
	b.max_key = bpos_predecessor(p);
	assert_false(btree_shard_boundary_in(c, &b, b.min_key, &p));
	timg_fs_free(c);
}

/** main() - run the tests */
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans),
		cmocka_unit_test(shards),
		cmocka_unit_test(first_key_makes_a_root),
		cmocka_unit_test(in_order),
		cmocka_unit_test(grow_and_shrink),
		cmocka_unit_test(restarts),
		cmocka_unit_test(rewrites),
		cmocka_unit_test(bad_nodes),
		cmocka_unit_test(deeper),
		cmocka_unit_test(pass_merges),
		cmocka_unit_test(threads),
		cmocka_unit_test(dead_journal),
	};

	return cmocka_run_group_tests(tests, jtest_setup, jtest_teardown);
}
