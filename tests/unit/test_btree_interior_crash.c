// SPDX-License-Identifier: GPL-2.0
/*
 * Power fails while trees grow, shrink and are rewritten: at any moment, with any
 * of the writes that were not durable lost. What a start finds then - roots, nodes
 * that are believed, the overlay - must show exactly the updates up to the newest
 * journal entry found, and all that were flushed (spec 21 section 11.2).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/err.h>
#include <linux/kernel.h>
#include <shim/crashdev.h>

#include "btree/bkey.h"
#include "btree/commit.h"
#include "btree/interior.h"
#include "btree/iter.h"
#include "btree/node_write.h"
#include "btree/trans.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "btree_image.h"
#include "interior_common.h"

#define BTREE		BTREE_ID_reconcile_scan
#define PLACES		600
#define OPS		2500
#define CAPTURES	12

/** bch2_trans_mark_key - buckets are nobody's business here */
int bch2_trans_mark_key(struct btree_trans *trans, unsigned btree, unsigned level,
			struct bkey_s_c old, struct bkey_s new, unsigned flags)
{
	return 0;
}

static struct op {
	unsigned	place, u64s;
	u64		seq;
} ops[OPS];
static unsigned nr_ops;

static struct capture {
	u64		acked;		/* journal entry that was durable before */
	enum shim_crash_mode mode;
} captures[CAPTURES];
static unsigned nr_captures;

static void expect(int ret)
{
	if (ret)
		fail_msg("%s: %s", bch2_err_str(ret), jtest_messages());
}

static void image_path(char *p, size_t size, unsigned nr, unsigned dev)
{
	snprintf(p, size, "%s.capture%u", jtest_path(dev), nr);
}

static void capture(u64 seed)
{
	struct capture *c = &captures[nr_captures];
	char p[JTEST_DEVS_MAX][128];
	const char *paths[JTEST_DEVS_MAX];

	for (unsigned i = 0; i < itest.nr_devs; i++) {
		image_path(p[i], sizeof(p[i]), nr_captures, i);
		paths[i] = p[i];
	}
	c->acked	= bch2_journal_flushed_seq_ondisk(itest.c);
	c->mode		= seed % 5 ? SHIM_CRASH_random
				   : seed % 2 ? SHIM_CRASH_drop_all : SHIM_CRASH_keep_all;
	assert_int_equal(shim_crash_capture(c->mode, seed, paths, itest.nr_devs), 0);
	nr_captures++;
}

/* Small steps of everything that makes nodes and the journal be written. */
static void disturb(void)
{
	struct bch_fs *c = itest.c;

	switch (trnd() % 40) {
	case 0:
		expect(bch2_journal_flush(c));
		break;
	case 1:
		bch2_journal_flush_seq_async(c, bch2_journal_cur_seq(c));
		break;
	case 2:
		bch2_btree_write_all_dirty(c);
		break;
	case 3:
		bch2_journal_flush_pins(c, bch2_journal_cur_seq(c) - trnd() % 4,
					JOURNAL_PIN_TYPES_ALL);
		break;
	case 4:
		usleep(trnd() % 3000);
		break;
	case 5:
		expect(bch2_journal_meta(c));
		break;
	}
}

static int rewrite_at(struct btree_trans *trans, struct bpos pos, unsigned level)
{
	struct btree_iter iter;
	int ret;

	bch2_trans_node_iter_init(trans, &iter, BTREE, pos, level + 1, level, BTREE_ITER_intent);
	ret = bch2_btree_iter_traverse(&iter);
	if (!ret && bch2_btree_iter_leaf(&iter))
		ret = bch2_btree_node_rewrite(trans, &iter, bch2_btree_iter_leaf(&iter), 0);
	bch2_trans_iter_exit(&iter);
	return ret;
}

static void rewrite_some(void)
{
	struct btree_trans *trans = bch2_trans_get(itest.c);
	const unsigned depth = itest.c->btree.roots[BTREE].b->level + 1;
	const struct bpos pos = POS(1, trnd() % PLACES);
	const unsigned level = trnd() % depth;

	expect(lockrestart_do(trans, rewrite_at(trans, pos, level)));
	bch2_trans_put(trans);
}

static void work(void)
{
	/* captures fall into one stretch: the tree is not always small */
	const unsigned from = trnd() % (OPS - OPS / 4);
	bool shrink = false;

	while (nr_ops < OPS && nr_captures < CAPTURES) {
		struct op *o = &ops[nr_ops];

		if (trnd() % 400 == 0)
			shrink = !shrink;
		o->place = trnd() % PLACES;
		o->u64s	 = trnd() % 10 < (shrink ? 8 : 1) ? 0 : 1 + trnd() % 24;
		o->seq	 = 0;
		expect(itest_put(itest.c, BTREE, 1, o->place, o->u64s, nr_ops, &o->seq));
		nr_ops++;
		disturb();
		if (trnd() % 30 == 0)
			rewrite_some();
		if (nr_ops > from && trnd() % 20 == 0)
			capture(trnd());
	}
}

static void start_recording(void)
{
	shim_crash_record(true);
}

/* The state after the last update that the journal has. */
static void check(struct bch_fs *c, const struct capture *cap, u64 newest)
{
	const struct bpos start = POS(1, 0), end = POS(1, U64_MAX);
	struct btree_trans *trans;
	const struct op *at[PLACES] = {};
	struct itest_shape shape;
	unsigned next = 0;
	int ret;

	if (cap->acked >= ITEST_FIRST_SEQ && newest < cap->acked)
		fail_msg("mode %u: newest %llu, acknowledged %llu", cap->mode, newest,
			 cap->acked);
	for (unsigned i = 0; i < nr_ops && ops[i].seq <= newest; i++)
		/* 0: nothing was there to delete */
		if (ops[i].seq)
			at[ops[i].place] = &ops[i];

	trans = bch2_trans_get(c);
	ret = for_each_btree_key_max(trans, iter, BTREE, start, end, 0, k, ({
		const struct op *o = at[k.k->p.offset];

		for (; next < k.k->p.offset; next++)
			assert_true(!at[next] || !at[next]->u64s);
		assert_true(o && o->u64s);
		assert_int_equal(*(const u64 *) k.v, o - ops);
		assert_int_equal(bkey_val_u64s(k.k), o->u64s);
		next++;
		0;
	}));
	expect(ret);
	for (; next < PLACES; next++)
		assert_true(!at[next] || !at[next]->u64s);
	bch2_trans_put(trans);
	if (c->btree.roots[BTREE].b)
		itest_shape_of(c, BTREE, &shape);
}

static void check_capture(unsigned nr)
{
	struct bch_fs *c;
	u64 newest;

	for (unsigned i = 0; i < itest.nr_devs; i++) {
		char p[128];

		image_path(p, sizeof(p), nr, i);
		assert_int_equal(rename(p, jtest_path(i)), 0);
	}
	c = itest_reopen_ro(&newest);
	check(c, &captures[nr], newest);
	itest_reopened_close(c);
}

static void crash(unsigned nr_devs, u64 seed)
{
	trnd_seed(seed);
	nr_ops = nr_captures = 0;
	itest_open(nr_devs, start_recording);
	work();
	itest_crash();
	shim_crash_record(false);
	for (unsigned i = 0; i < nr_captures; i++)
		check_capture(i);
}

static unsigned rounds(unsigned nr)
{
	const char *s = getenv("ITEST_ROUNDS");

	return s ? strtoul(s, NULL, 0) : nr;
}

static void one_device(void **state)
{
	for (unsigned i = 0; i < rounds(6); i++)
		crash(1, 100 + i);
}

static void two_devices(void **state)
{
	for (unsigned i = 0; i < rounds(3); i++)
		crash(2, 200 + i);
}

/** main() - run the tests */
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_device),
		cmocka_unit_test(two_devices),
	};

	return cmocka_run_group_tests(tests, jtest_setup, jtest_teardown);
}
