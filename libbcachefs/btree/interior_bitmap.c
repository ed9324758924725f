// SPDX-License-Identifier: GPL-2.0
/*
 * The bitmap of regions that hold, or ever held, btree nodes (spec 40 §4.5): it
 * bounds the search for lost nodes.
 *
 * Invariant: a region is marked in the superblocks on the devices before a node
 * in it becomes reachable.
 */
#include <linux/bitops.h>
#include <linux/log2.h>
#include <linux/mutex.h>

#include "bcachefs.h"
#include "btree/extent_entries.h"
#include "btree/interior_priv.h"
#include "sb/members.h"
#include "sb/write.h"

/* Sectors the 64 bits can tell apart; more than any device has is all of it. */
static u64 map_reach(const struct bch_member *m)
{
	return m->btree_bitmap_shift < 58 ? 64ULL << m->btree_bitmap_shift : U64_MAX;
}

/* Mark sectors [start, end). True if that changed anything. */
static bool mark_range(struct bch_member *m, u64 start, u64 end)
{
	u64 map = le64_to_cpu(m->btree_allocated_bitmap);
	const u64 old = map;
	const u8 shift = m->btree_bitmap_shift;

	if (end > map_reach(m)) {
		const unsigned steps = ilog2(end - 1) + 1 - (shift + 6);
		u64 coarse = 0;

		for (; map; map &= map - 1)
			coarse |= BIT_ULL(__ffs64(map) >> min(steps, 63U));
		map = coarse;
		m->btree_bitmap_shift += steps;
	}
	for (u64 bit = start >> m->btree_bitmap_shift;
	     bit <= (end - 1) >> m->btree_bitmap_shift; bit++)
		map |= BIT_ULL(bit);

	m->btree_allocated_bitmap = cpu_to_le64(map);
	return map != old || shift != m->btree_bitmap_shift;
}

static bool range_marked(const struct bch_member_cpu *mi, u64 start, u64 end)
{
	const u8 shift = mi->btree_bitmap_shift;

	if (shift < 58 && end > 64ULL << shift)
		return false;
	for (u64 bit = start >> shift; bit <= (end - 1) >> shift; bit++)
		if (!(mi->btree_allocated_bitmap & BIT_ULL(bit)))
			return false;
	return true;
}

static bool key_marked(struct bch_fs *c, const struct bkey_i *k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(k));

	const struct bch_extent_ptr *ptr;

	bkey_for_each_ptr(ptrs, ptr) {
		const struct bch_dev *ca = bch2_dev(c, EXTENT_PTR_DEV(ptr));

		if (ca && !range_marked(&ca->mi, EXTENT_PTR_OFFSET(ptr),
					EXTENT_PTR_OFFSET(ptr) +
					(c->opts.btree_node_size >> 9)))
			return false;
	}
	return true;
}

static bool key_mark(struct bch_fs *c, const struct bkey_i *k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(k));
	bool changed = false;

	const struct bch_extent_ptr *ptr;

	bkey_for_each_ptr(ptrs, ptr) {
		struct bch_dev *ca = bch2_dev(c, EXTENT_PTR_DEV(ptr));
		struct bch_member m;

		if (!ca)
			continue;
		m = bch2_sb_member_get(c->disk_sb.sb, ca->dev_idx);
		if (!mark_range(&m, EXTENT_PTR_OFFSET(ptr),
				EXTENT_PTR_OFFSET(ptr) + (c->opts.btree_node_size >> 9)))
			continue;
		bch2_sb_member_set(c->disk_sb.sb, ca->dev_idx, &m);
		ca->mi = bch2_mi_to_cpu(&m);
		changed = true;
	}
	return changed;
}

/**
 * bch2_btree_bitmap_mark - mark the places of an update's new nodes
 * @c:	filesystem
 * @as:	update; no locks held
 *
 * Return: 0, or why the superblock could not be written.
 */
int bch2_btree_bitmap_mark(struct bch_fs *c, struct btree_update *as)
{
	bool marked = true, changed = false;
	int ret = 0;

	for (unsigned i = 0; i < as->nr_new; i++)
		marked &= key_marked(c, &as->new[i].b->key);
	if (marked)
		return 0;

	mutex_lock(&c->sb_lock);
	for (unsigned i = 0; i < as->nr_new; i++)
		changed |= key_mark(c, &as->new[i].b->key);
	if (changed)
		ret = bch2_write_super(c);
	mutex_unlock(&c->sb_lock);
	return ret;
}
