// SPDX-License-Identifier: GPL-2.0
/*
 * btree_allocated_bitmap of members (spec 40 §4.5): it bounds the search for
 * btree nodes when a root is lost.
 *
 * Invariant: a region is marked, durably, before a node in it becomes reachable;
 * bits are never cleared here. Readers look at the decoded copy in struct
 * bch_dev without a lock: a bit that was seen set means marked.
 */
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mutex.h>

#include "bcachefs.h"
#include "btree/extent_entries.h"
#include "btree/btree_bitmap.h"
#include "sb/members.h"
#include "sb/write.h"

#define BITMAP_BITS_LOG2	6

/* Bits @first to @last, at most 63. */
static u64 bits(unsigned first, unsigned last)
{
	return (~0ULL << first) & (~0ULL >> (63 - last));
}

/**
 * bch2_btree_bitmap_test - is a range marked?
 * @shift:	log2 of the sectors a bit stands for
 * @bitmap:	of one member
 * @start:	first sector
 * @end:	end of the range, above @start
 */
bool bch2_btree_bitmap_test(u8 shift, u64 bitmap, u64 start, u64 end)
{
	const u64 first = start >> shift, last = (end - 1) >> shift;
	u64 want;

	if (last >> BITMAP_BITS_LOG2)
		return false;
	want = bits(first, last);
	return (bitmap & want) == want;
}

/* Bit i becomes bit i >> 1. */
static u64 halve(u64 bitmap)
{
	u64 r = 0;

	for (unsigned i = 0; i < 64; i++)
		r |= (bitmap >> i & 1) << (i / 2);
	return r;
}

/**
 * bch2_btree_bitmap_set - mark a range
 * @shift:	log2 of the sectors a bit stands for; goes up as far as necessary
 * @bitmap:	of one member
 * @start:	first sector
 * @end:	end of the range, above @start, at most 2^62
 */
void bch2_btree_bitmap_set(u8 *shift, u64 *bitmap, u64 start, u64 end)
{
	while (end > 64ULL << *shift) {
		*bitmap = halve(*bitmap);
		++*shift;
	}
	*bitmap |= bits(start >> *shift, (end - 1) >> *shift);
}

/* --- members --- */

static u64 node_end(const struct bch_fs *c, const struct bch_extent_ptr *ptr)
{
	return EXTENT_PTR_OFFSET(ptr) + max(1U, c->opts.btree_node_size >> 9);
}

static bool ptr_marked(const struct bch_fs *c, const struct bch_extent_ptr *ptr)
{
	const struct bch_dev *ca = bch2_dev(c, EXTENT_PTR_DEV(ptr));

	return !ca || bch2_btree_bitmap_test(READ_ONCE(ca->mi.btree_bitmap_shift),
					     READ_ONCE(ca->mi.btree_allocated_bitmap),
					     EXTENT_PTR_OFFSET(ptr), node_end(c, ptr));
}

/**
 * bch2_dev_btree_bitmap_marked - is a node where the bitmaps say nodes may be?
 * @c:	filesystem
 * @k:	pointer to the node
 *
 * Takes no lock. After a change of resolution at the same time it may say "no"
 * to a node that is marked; the locked test of the marking then finds out.
 */
bool bch2_dev_btree_bitmap_marked(struct bch_fs *c, struct bkey_s_c k)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(k);
	const struct bch_extent_ptr *ptr;

	bkey_for_each_ptr(ptrs, ptr)
		if (!ptr_marked(c, ptr))
			return false;
	return true;
}

static void ptr_mark(struct bch_fs *c, const struct bch_extent_ptr *ptr)
{
	struct bch_dev *ca = bch2_dev(c, EXTENT_PTR_DEV(ptr));
	struct bch_member m = bch2_sb_member_get(c->disk_sb.sb, ca->dev_idx);
	u8 shift = m.btree_bitmap_shift;
	u64 bitmap = le64_to_cpu(m.btree_allocated_bitmap);

	bch2_btree_bitmap_set(&shift, &bitmap, EXTENT_PTR_OFFSET(ptr), node_end(c, ptr));
	m.btree_bitmap_shift		= shift;
	m.btree_allocated_bitmap	= cpu_to_le64(bitmap);
	bch2_sb_member_set(c->disk_sb.sb, ca->dev_idx, &m);

	/* In between, a reader sees too few bits, never too many. */
	if (shift != ca->mi.btree_bitmap_shift)
		WRITE_ONCE(ca->mi.btree_allocated_bitmap, 0);
	WRITE_ONCE(ca->mi.btree_bitmap_shift, shift);
	WRITE_ONCE(ca->mi.btree_allocated_bitmap, bitmap);
}

/**
 * bch2_dev_btree_bitmap_mark_locked - mark the regions of a node in memory
 * @c:	filesystem, c->sb_lock held
 * @k:	pointer to the node
 *
 * Return: true: something changed, the superblock must be written before the
 * node is reachable.
 */
bool bch2_dev_btree_bitmap_mark_locked(struct bch_fs *c, struct bkey_s_c k)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(k);
	const struct bch_extent_ptr *ptr;
	bool changed = false;

	bkey_for_each_ptr(ptrs, ptr)
		if (!ptr_marked(c, ptr)) {
			ptr_mark(c, ptr);
			changed = true;
		}
	return changed;
}

/**
 * bch2_dev_btree_bitmap_mark - mark the regions of a node, durably
 * @c:	filesystem
 * @k:	pointer to the node
 *
 * Takes c->sb_lock; no spinlocks held. Whoever finds the regions marked in memory
 * without the lock may be ahead of the write that makes it durable; therefore
 * the lock is taken in any case.
 *
 * Return: 0 or the error of the superblock write.
 */
int bch2_dev_btree_bitmap_mark(struct bch_fs *c, struct bkey_s_c k)
{
	int ret = 0;

	mutex_lock(&c->sb_lock);
	if (bch2_dev_btree_bitmap_mark_locked(c, k))
		ret = bch2_write_super(c);
	mutex_unlock(&c->sb_lock);
	return ret;
}
