// SPDX-License-Identifier: GPL-2.0
/*
 * The arithmetic of merging neighbours (spec 21 §10.3): which of two or three
 * nodes become how many, and where two new ones meet. Pure functions of sizes in
 * words; "max" is the most a node can hold.
 */
#include <linux/kernel.h>
#include <linux/math.h>
#include <linux/minmax.h>

#include "btree/interior_priv.h"

static u32 sum(const u32 *u64s, unsigned nr)
{
	u32 ret = 0;

	while (nr--)
		ret += *u64s++;
	return ret;
}

static unsigned nodes_for(u32 total, u32 each)
{
	return max(DIV_ROUND_UP(total, max(each, 1U)), 1U);
}

/**
 * btree_merge_plan - which neighbours are merged into how many nodes
 * @max_u64s:	words a node can hold
 * @u64s:	words of the nodes that were looked at, in order
 * @nr:		how many: 1 to 3
 * @self:	index of the node that began it, which is always a source
 *
 * New nodes are filled to 3/5. If that saves none of three, the larger outer one
 * is left alone and two make one, if that is at most half full.
 *
 * Return: .nr_src 0: nothing is gained.
 */
struct btree_merge_plan btree_merge_plan(u32 max_u64s, const u32 *u64s, unsigned nr,
					 unsigned self)
{
	struct btree_merge_plan p = { .nr_src = nr };

	if (nr < 2 || nr > MERGE_SRC_MAX)
		return (struct btree_merge_plan) {};

	p.nr_dst = nodes_for(sum(u64s, nr), max_u64s * 3 / 5);
	if (p.nr_dst < nr)
		return p;
	if (nr < 3 || self != 1)
		return (struct btree_merge_plan) {};

	p.first		= u64s[0] > u64s[2];
	p.nr_src	= 2;
	p.nr_dst	= nodes_for(sum(u64s + p.first, 2), max_u64s / 2);
	return p.nr_dst < 2 ? p : (struct btree_merge_plan) {};
}

/**
 * btree_merge_pivot - the best place to divide what becomes two nodes
 * @max_u64s:	words a node can hold
 * @candidates:	words that would be in the left node, for each place
 * @nr:		number of them
 * @total:	words in both
 *
 * The one with the smallest larger half, which must not be above 3/4. The first
 * of equal ones.
 *
 * Return: its index, or @nr: none will do.
 */
u32 btree_merge_pivot(u32 max_u64s, const u32 *candidates, unsigned nr, u32 total)
{
	u32 best = nr, best_half = max_u64s * 3 / 4;

	for (unsigned i = 0; i < nr; i++) {
		const u32 half = max(candidates[i], total - candidates[i]);

		if (candidates[i] && candidates[i] < total &&
		    (half < best_half || (best == nr && half == best_half))) {
			best		= i;
			best_half	= half;
		}
	}
	return best;
}

/**
 * btree_merge_refused - new estimate for a side that was looked at in vain
 * @max_u64s:	words a node can hold
 * @u64s:	words of the node and that neighbour
 *
 * Above the threshold, so that it is not looked at again before enough was
 * deleted; what is far above it is halved towards it, because the neighbour may
 * shrink, too.
 */
u32 btree_merge_refused(u32 max_u64s, u32 u64s)
{
	const u32 m = btree_merge_threshold(max_u64s);
	const u32 high = m + m / 4;

	if (u64s > high)
		u64s -= (u64s - high) / 2;
	return max(u64s, m + 1);
}
