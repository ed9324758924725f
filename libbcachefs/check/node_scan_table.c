// SPDX-License-Identifier: GPL-2.0
/*
 * What to make of a heap of nodes that were found: copies of one node become one
 * record, and of nodes that overlap every position belongs to the newest (spec 21
 * section 15.2, steps 3 to 5).
 *
 * Pure functions of a table; any number of records, any contents. Time grows as
 * that of sorting them, memory with their number.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "bcachefs.h"
#include "check/node_scan.h"
#include "util/bpos.h"

static int cmp_u64(u64 l, u64 r)
{
	return l < r ? -1 : l > r;
}

static int level_cmp(const struct found_node *l, const struct found_node *r)
{
	if (l->btree_id != r->btree_id)
		return l->btree_id < r->btree_id ? -1 : 1;
	return l->level != r->level ? (l->level > r->level ? -1 : 1) : 0;
}

/* Newest first. The cookie makes the order one that does not depend on luck. */
static int age_cmp(const struct found_node *l, const struct found_node *r)
{
	return -cmp_u64(l->generation, r->generation) ?:
		-cmp_u64(l->journal_seq, r->journal_seq) ?:
		cmp_u64(l->cookie, r->cookie);
}

static int place_cmp(const void *_l, const void *_r)
{
	const struct found_node *l = _l, *r = _r;

	return level_cmp(l, r) ?: bpos_cmp(l->min_key, r->min_key) ?: age_cmp(l, r);
}

static int cookie_cmp(const void *_l, const void *_r)
{
	const struct found_node *l = _l, *r = _r;

	return level_cmp(l, r) ?:
		cmp_u64(l->cookie, r->cookie) ?:
		/* the copy that has got furthest first */
		-cmp_u64(l->sectors_written, r->sectors_written) ?:
		-cmp_u64(l->journal_seq, r->journal_seq) ?:
		cmp_u64(EXTENT_PTR_DEV(&l->ptrs[0]), EXTENT_PTR_DEV(&r->ptrs[0])) ?:
		cmp_u64(EXTENT_PTR_OFFSET(&l->ptrs[0]), EXTENT_PTR_OFFSET(&r->ptrs[0]));
}

static bool same_node(const struct found_node *l, const struct found_node *r)
{
	return !level_cmp(l, r) && l->cookie == r->cookie;
}

/* Are both copies of the same state of a node? */
static bool same_state(const struct found_node *l, const struct found_node *r)
{
	return l->sectors_written == r->sectors_written && l->journal_seq == r->journal_seq &&
		bpos_eq(l->min_key, r->min_key) && bpos_eq(l->max_key, r->max_key);
}

static bool has_dev(const struct found_node *n, unsigned dev)
{
	for (unsigned i = 0; i < n->nr_ptrs; i++)
		if (EXTENT_PTR_DEV(&n->ptrs[i]) == dev)
			return true;
	return false;
}

/**
 * bch2_found_nodes_merge - one record for all copies of a node
 * @d:	records of one copy each
 *
 * Copies that lack bsets are left out, and all but one on a device.
 *
 * Return: 0, or -BCH_ERR_EINVAL_node_scan_too_many_replicas.
 */
int bch2_found_nodes_merge(darray_found *d)
{
	size_t nr = 0;

	if (!d->nr)
		return 0;
	sort(d->data, d->nr, sizeof(d->data[0]), cookie_cmp, NULL);
	for (size_t i = 0; i < d->nr; i++) {
		const struct found_node *n = &d->data[i];
		struct found_node *m = nr ? &d->data[nr - 1] : NULL;

		if (!m || !same_node(m, n)) {
			d->data[nr++] = *n;
			continue;
		}
		if (!same_state(m, n) || has_dev(m, EXTENT_PTR_DEV(&n->ptrs[0])))
			continue;
		if (m->nr_ptrs == FOUND_NODE_COPIES_MAX)
			return -BCH_ERR_EINVAL_node_scan_too_many_replicas;
		m->ptrs[m->nr_ptrs++] = n->ptrs[0];
	}
	d->nr = nr;
	return 0;
}

/**
 * bch2_found_nodes_sort - by btree, level (highest first), position, newest first
 * @d:	records
 */
void bch2_found_nodes_sort(darray_found *d)
{
	if (d->nr)
		sort(d->data, d->nr, sizeof(d->data[0]), place_cmp, NULL);
}

/* --- overlaps --- */

/* Nodes that cover the current position, or did; the newest on top. */
struct active {
	const struct found_node	*d;
	size_t			*heap;
	size_t			nr;
};

static bool active_newer(const struct active *a, size_t i, size_t j)
{
	return age_cmp(&a->d[a->heap[i]], &a->d[a->heap[j]]) < 0;
}

static void active_push(struct active *a, size_t idx)
{
	size_t i = a->nr++;

	a->heap[i] = idx;
	while (i && active_newer(a, i, (i - 1) / 2)) {
		swap(a->heap[i], a->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
}

static void active_pop(struct active *a)
{
	size_t i = 0, child;

	a->heap[0] = a->heap[--a->nr];
	while ((child = 2 * i + 1) < a->nr) {
		if (child + 1 < a->nr && active_newer(a, child + 1, child))
			child++;
		if (!active_newer(a, child, i))
			break;
		swap(a->heap[i], a->heap[child]);
		i = child;
	}
}

/* A part of @n; a pointer cannot describe a node that has room for one position only. */
static int part_add(darray_found *out, const struct found_node *n, struct bpos start,
		    struct bpos end)
{
	struct found_node part = *n;

	if (bpos_ge(start, end))
		return 0;
	part.range_updated |= !bpos_eq(start, n->min_key) || !bpos_eq(end, n->max_key);
	part.min_key = start;
	part.max_key = end;
	return darray_push(out, part);
}

/* Records @from to @end, all of one level, in order. */
static int level_resolve(struct active *a, size_t from, size_t end, darray_found *out)
{
	struct bpos pos = POS_MIN;
	size_t i = from;
	int ret;

	a->nr = 0;
	while (i < end || a->nr) {
		const struct found_node *top;
		struct bpos last;

		if (!a->nr) {
			pos = bpos_max(pos, a->d[i].min_key);
			active_push(a, i++);
		}
		while (i < end && bpos_le(a->d[i].min_key, pos))
			active_push(a, i++);
		top = &a->d[a->heap[0]];
		if (bpos_lt(top->max_key, pos)) {
			active_pop(a);
			continue;
		}

		/* up to its end, or to where a newer one begins */
		last = top->max_key;
		while (i < end && bpos_le(a->d[i].min_key, last)) {
			if (age_cmp(&a->d[i], top) < 0) {
				last = bpos_predecessor(a->d[i].min_key);
				break;
			}
			active_push(a, i++);
		}
		ret = part_add(out, top, pos, last);
		if (ret)
			return ret;
		if (bpos_eq(last, SPOS_MAX))
			break;
		pos = bpos_successor(last);
	}
	return 0;
}

/**
 * bch2_found_nodes_resolve - give every position to the newest node that covers it
 * @in:		sorted
 * @out:	gets the parts, sorted and disjoint; empty before
 *
 * Return: 0 or -ENOMEM.
 */
int bch2_found_nodes_resolve(const darray_found *in, darray_found *out)
{
	struct active a = { .d = in->data };
	size_t start, end;
	int ret = 0;

	if (!in->nr)
		return 0;
	a.heap = kvmalloc_array(in->nr, sizeof(a.heap[0]), GFP_KERNEL);
	if (!a.heap)
		return -ENOMEM;
	for (start = 0; !ret && start < in->nr; start = end) {
		end = start + 1;
		while (end < in->nr && !level_cmp(&in->data[start], &in->data[end]))
			end++;
		ret = level_resolve(&a, start, end, out);
	}
	kvfree(a.heap);
	return ret;
}

/**
 * bch2_found_nodes_search - first record of a level that ends at or behind a position
 * @d:		resolved table
 * @btree:	btree
 * @level:	level
 * @pos:	position
 *
 * Return: its index; perhaps that of a record of another level, or @d->nr.
 */
size_t bch2_found_nodes_search(const darray_found *d, unsigned btree, unsigned level,
			       struct bpos pos)
{
	const struct found_node want = { .btree_id = btree, .level = level };
	size_t l = 0, r = d->nr;

	while (l < r) {
		const size_t m = l + (r - l) / 2;
		const int cmp = level_cmp(&d->data[m], &want) ?:
			bpos_cmp(d->data[m].max_key, pos);

		if (cmp < 0)
			l = m + 1;
		else
			r = m;
	}
	return l;
}
