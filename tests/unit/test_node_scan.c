// SPDX-License-Identifier: GPL-2.0
/*
 * The table of nodes found on devices: copies are merged, and every position goes to
 * the newest node that covers it. Compared with an array of positions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bcachefs.h"
#include "check/node_scan.h"
#include "util/bpos.h"

#define POSITIONS	64

static struct found_node node(unsigned btree, unsigned level, u64 min, u64 max, u32 generation,
			      u64 cookie)
{
	struct found_node n = {
		.min_key	= SPOS(0, min, 0),
		.max_key	= SPOS(0, max, U32_MAX),
		.cookie		= cookie,
		.journal_seq	= 10 + generation,
		.generation	= generation,
		.sectors_written = 8,
		.btree_id	= btree,
		.level		= level,
		.nr_ptrs	= 1,
	};

	SET_EXTENT_PTR_TYPE(&n.ptrs[0], 1);
	SET_EXTENT_PTR_OFFSET(&n.ptrs[0], cookie * 512);
	return n;
}

static void add(darray_found *d, struct found_node n)
{
	assert_int_equal(darray_push(d, n), 0);
}

static void resolve(darray_found *in, darray_found *out)
{
	assert_int_equal(bch2_found_nodes_merge(in), 0);
	bch2_found_nodes_sort(in);
	assert_int_equal(bch2_found_nodes_resolve(in, out), 0);
}

static void part_is(const struct found_node *n, u64 cookie, u64 min, u64 max, bool changed)
{
	assert_int_equal(n->cookie, cookie);
	assert_int_equal(n->min_key.offset, min);
	assert_int_equal(n->max_key.offset, max);
	assert_int_equal(n->range_updated, changed);
}

static void newest_in_the_middle(void **state)
{
	darray_found in = {}, out = {};

	add(&in, node(0, 0, 0, 30, 1, 100));
	add(&in, node(0, 0, 10, 19, 2, 200));
	resolve(&in, &out);
	assert_int_equal(out.nr, 3);
	part_is(&out.data[0], 100, 0, 9, true);
	part_is(&out.data[1], 200, 10, 19, false);
	part_is(&out.data[2], 100, 20, 30, true);
	/* they touch, and do not overlap */
	assert_true(bpos_eq(bpos_successor(out.data[0].max_key), out.data[1].min_key));
	darray_exit(&in);
	darray_exit(&out);
}

/* Two nodes that share exactly one position overlap, too. */
static void one_position_shared(void **state)
{
	darray_found in = {}, out = {};
	struct found_node a = node(0, 0, 0, 9, 2, 100), b = node(0, 0, 9, 20, 1, 200);

	b.min_key = a.max_key;
	add(&in, a);
	add(&in, b);
	resolve(&in, &out);
	assert_int_equal(out.nr, 2);
	part_is(&out.data[0], 100, 0, 9, false);
	assert_true(bpos_eq(out.data[1].min_key, bpos_successor(a.max_key)));
	assert_true(out.data[1].range_updated);
	darray_exit(&in);
	darray_exit(&out);
}

static void copies_are_one(void **state)
{
	darray_found in = {};
	struct found_node n = node(0, 0, 0, 9, 1, 100), old;

	add(&in, n);
	SET_EXTENT_PTR_DEV(&n.ptrs[0], 1);
	add(&in, n);
	/* the same node twice on a device, and a copy that was left behind */
	SET_EXTENT_PTR_OFFSET(&n.ptrs[0], 99 * 512);
	add(&in, n);
	old = n;
	old.sectors_written = 4;
	SET_EXTENT_PTR_DEV(&old.ptrs[0], 2);
	add(&in, old);
	assert_int_equal(bch2_found_nodes_merge(&in), 0);
	assert_int_equal(in.nr, 1);
	assert_int_equal(in.data[0].nr_ptrs, 2);
	assert_int_equal(in.data[0].sectors_written, 8);

	in.nr = 0;
	for (unsigned i = 0; i <= FOUND_NODE_COPIES_MAX; i++) {
		SET_EXTENT_PTR_DEV(&n.ptrs[0], i);
		add(&in, n);
	}
	assert_int_equal(bch2_found_nodes_merge(&in),
			 -BCH_ERR_EINVAL_node_scan_too_many_replicas);
	darray_exit(&in);
}

static void ends_of_the_keyspace(void **state)
{
	darray_found in = {}, out = {};
	struct found_node all = node(3, 1, 0, 0, 5, 1), old = node(3, 1, 7, 9, 4, 2);

	all.min_key = POS_MIN;
	all.max_key = SPOS_MAX;
	add(&in, old);
	add(&in, all);
	add(&in, node(4, 0, 1, 2, 1, 3));
	resolve(&in, &out);
	assert_int_equal(out.nr, 2);
	assert_int_equal(out.data[0].cookie, 1);
	assert_false(out.data[0].range_updated);
	assert_int_equal(out.data[1].btree_id, 4);
	assert_int_equal(bch2_found_nodes_search(&out, 3, 1, SPOS_MAX), 0);
	assert_int_equal(bch2_found_nodes_search(&out, 3, 0, POS_MIN), 1);
	assert_int_equal(bch2_found_nodes_search(&out, 4, 0, SPOS(0, 3, 0)), 2);
	darray_exit(&in);
	darray_exit(&out);
}

/* Nothing in, nothing out. */
static void empty(void **state)
{
	darray_found in = {}, out = {};

	resolve(&in, &out);
	assert_int_equal(out.nr, 0);
	assert_int_equal(bch2_found_nodes_search(&out, 0, 0, POS_MIN), 0);
}

/* --- random tables --- */

static bool newer(const struct found_node *l, const struct found_node *r)
{
	if (l->generation != r->generation)
		return l->generation > r->generation;
	if (l->journal_seq != r->journal_seq)
		return l->journal_seq > r->journal_seq;
	return l->cookie < r->cookie;
}

static u64 owner(const darray_found *d, unsigned level, u64 pos)
{
	const struct found_node *best = NULL;

	for (size_t i = 0; i < d->nr; i++) {
		const struct found_node *n = &d->data[i];

		if (n->level == level && n->min_key.offset <= pos && pos <= n->max_key.offset &&
		    (!best || newer(n, best)))
			best = n;
	}
	return best ? best->cookie : 0;
}

static void compare(const darray_found *in, const darray_found *out)
{
	for (unsigned level = 0; level < 2; level++)
		for (u64 pos = 0; pos < POSITIONS; pos++) {
			const size_t i = bch2_found_nodes_search(out, 0, level, SPOS(0, pos, 1));
			const struct found_node *n = i < out->nr ? &out->data[i] : NULL;
			const bool hit = n && n->level == level && n->min_key.offset <= pos;

			assert_int_equal(hit ? n->cookie : 0, owner(in, level, pos));
		}
	for (size_t i = 1; i < out->nr; i++)
		if (out->data[i - 1].level == out->data[i].level)
			assert_true(bpos_lt(out->data[i - 1].max_key, out->data[i].min_key));
}

static void random_tables(void **state)
{
	srandom(1);
	for (unsigned round = 0; round < 2000; round++) {
		darray_found in = {}, out = {};
		const unsigned nr = random() % 24;

		for (unsigned i = 0; i < nr; i++) {
			const u64 min = random() % POSITIONS;
			const u64 max = min + random() % (POSITIONS - min);
			struct found_node n = node(0, random() % 2, min, max, random() % 6, i + 1);

			n.journal_seq = random() % 4;
			add(&in, n);
		}
		resolve(&in, &out);
		compare(&in, &out);
		darray_exit(&in);
		darray_exit(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(newest_in_the_middle),
		cmocka_unit_test(one_position_shared),
		cmocka_unit_test(copies_are_one),
		cmocka_unit_test(ends_of_the_keyspace),
		cmocka_unit_test(random_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
