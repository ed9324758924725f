// SPDX-License-Identifier: GPL-2.0
/*
 * Which devices an allocation may use, and in which order (spec 40 §1.3, §4.2).
 *
 * The order is kept by virtual clocks, one per device and write point: whoever
 * is furthest behind comes first, and a device's clock advances the faster the
 * fewer free buckets it has. So devices fill in proportion to what is free.
 */
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/foreground.h"
#include "sb/disk_groups.h"
#include "sb/members.h"

/* A clock advances by this divided by the device's free buckets. */
#define DEV_CLOCK_TICK		(1ULL << 52)

/* Clocks are taken back before they could wrap. */
#define DEV_CLOCK_MAX		(1ULL << 62)

/**
 * bch2_dev_allocatable - may data of a type be put on a device?
 * @ca:		device
 * @data_type:	enum bch_data_type
 *
 * Read-write, online, the type allowed; journal and btree only on devices that
 * are not mere caches. What is not journal or btree counts as user data.
 */
bool bch2_dev_allocatable(const struct bch_dev *ca, enum bch_data_type data_type)
{
	const bool metadata = data_type == BCH_DATA_journal || data_type == BCH_DATA_btree;
	const unsigned type = metadata ? data_type : BCH_DATA_user;

	return ca->mi.state == BCH_MEMBER_STATE_rw &&
		bch2_dev_is_online(ca) &&
		ca->mi.data_allowed & (1U << type) &&
		(!metadata || ca->mi.durability);
}

/**
 * bch2_target_devs - the devices of a target
 * @c:		filesystem
 * @target:	as in options (spec 40 §6.2)
 * @mask:	members in it; all members if the target does not resolve to any
 */
void bch2_target_devs(struct bch_fs *c, unsigned target, struct bch_devs_mask *mask)
{
	bitmap_zero(mask->d, BCH_SB_MEMBERS_MAX);
	if (target)
		for_each_member_device(c, ca)
			if (bch2_dev_in_target(c, ca->dev_idx, target))
				__set_bit(ca->dev_idx, mask->d);

	if (bitmap_empty(mask->d, BCH_SB_MEMBERS_MAX))
		for_each_member_device(c, ca)
			__set_bit(ca->dev_idx, mask->d);
}

/* --- clocks --- */

/* Devices not seen last time begin where the last of the others is. */
static void clocks_update_members(struct dev_clocks *clocks, const unsigned long *now)
{
	u64 least = U64_MAX;
	unsigned i;

	for_each_set_bit(i, now, BCH_SB_MEMBERS_MAX)
		if (test_bit(i, clocks->members))
			least = min(least, clocks->v[i]);
	for_each_set_bit(i, now, BCH_SB_MEMBERS_MAX)
		if (!test_bit(i, clocks->members))
			clocks->v[i] = least == U64_MAX ? 0 : least;
	bitmap_copy(clocks->members, now, BCH_SB_MEMBERS_MAX);
}

/**
 * bch2_dev_alloc_list - devices in the order in which they are to be tried
 * @c:		filesystem
 * @clocks:	of the write point, which is locked
 * @mask:	devices that may be used
 * @data_type:	what is going to be put there
 * @list:	allocatable devices of @mask, the one furthest behind first; equal
 *		ones by index
 */
void bch2_dev_alloc_list(struct bch_fs *c, struct dev_clocks *clocks,
			 const struct bch_devs_mask *mask, enum bch_data_type data_type,
			 struct dev_alloc_list *list)
{
	DECLARE_BITMAP(may, BCH_SB_MEMBERS_MAX);

	bitmap_zero(may, BCH_SB_MEMBERS_MAX);
	for_each_member_device(c, ca)
		if (bch2_dev_allocatable(ca, data_type))
			__set_bit(ca->dev_idx, may);
	clocks_update_members(clocks, may);

	list->nr = 0;
	for_each_member_device(c, ca) {
		unsigned i = list->nr;

		if (!test_bit(ca->dev_idx, may) || !test_bit(ca->dev_idx, mask->d))
			continue;
		while (i && clocks->v[list->d[i - 1]] > clocks->v[ca->dev_idx]) {
			list->d[i] = list->d[i - 1];
			i--;
		}
		list->d[i] = ca->dev_idx;
		list->nr++;
	}
}

/**
 * bch2_dev_clock_advance - a bucket of a device was taken
 * @clocks:	of the write point
 * @dev:	member index
 * @buckets_free: free buckets of the device at watermark normal
 */
void bch2_dev_clock_advance(struct dev_clocks *clocks, unsigned dev, u64 buckets_free)
{
	u64 least = U64_MAX;
	unsigned i;

	clocks->v[dev] += div64_u64(DEV_CLOCK_TICK, max(buckets_free, 1ULL));
	if (clocks->v[dev] < DEV_CLOCK_MAX)
		return;

	for_each_set_bit(i, clocks->members, BCH_SB_MEMBERS_MAX)
		least = min(least, clocks->v[i]);
	for (i = 0; i < BCH_SB_MEMBERS_MAX; i++)
		clocks->v[i] -= min(least, clocks->v[i]);
}
