// SPDX-License-Identifier: GPL-2.0
/*
 * Taking pointers out of a key (spec 50 §5), with what describes only them: a
 * stripe entry goes with its pointer, a checksum entry with the last pointer it
 * covers. All other entries, also ones of unknown types, stay as they are. Works
 * on keys that passed validation and are the caller's own.
 */
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/extent_entries.h"
#include "data/extent_drop.h"

/* Entries of a value and which of them go. */
struct drop_plan {
	unsigned int		nr;
	u16			offset[BKEY_VAL_U64s_MAX];	/* words from the first entry */
	u8			u64s[BKEY_VAL_U64s_MAX];
	u8			type[BKEY_VAL_U64s_MAX];
	DECLARE_BITMAP(drop, BKEY_VAL_U64s_MAX);
};

/* List the entries; drop the pointers whose number is set in @ptrs_dropped. */
static void plan_init(struct drop_plan *d, const struct bkey_ptrs_c *ptrs,
		      const unsigned long *ptrs_dropped)
{
	const union bch_extent_entry *e;
	unsigned int ptr = 0;

	d->nr = 0;
	bitmap_zero(d->drop, BKEY_VAL_U64s_MAX);
	bkey_extent_entry_for_each(*ptrs, e) {
		const unsigned int i = d->nr++;

		d->offset[i]	= (const __le64 *) e - (const __le64 *) ptrs->start;
		d->type[i]	= extent_entry_type(e);
		d->u64s[i]	= extent_entry_type_u64s(ptrs, d->type[i]);
		if (extent_entry_is_ptr(e) && test_bit(ptr++, ptrs_dropped))
			__set_bit(i, d->drop);
	}
}

/* From the end: what would be left without a pointer goes, too. */
static void plan_companions(struct drop_plan *d)
{
	bool covers = false, next_kept = true;

	for (unsigned int i = d->nr; i--;) {
		const bool is_crc = d->type[i] >= BCH_EXTENT_ENTRY_crc32 &&
			d->type[i] <= BCH_EXTENT_ENTRY_crc128;

		if (d->type[i] == BCH_EXTENT_ENTRY_ptr) {
			next_kept = !test_bit(i, d->drop);
			covers |= next_kept;
		} else if (d->type[i] == BCH_EXTENT_ENTRY_stripe_ptr && !next_kept) {
			__set_bit(i, d->drop);
		} else if (is_crc) {
			if (!covers)
				__set_bit(i, d->drop);
			covers = false;
		}
	}
}

/* Close the gaps, from the last one on. */
static void plan_apply(const struct drop_plan *d, const struct bkey_ptrs_c *ptrs,
		       struct bkey_i *k)
{
	for (unsigned int i = d->nr; i--;) {
		__le64 *at = (__le64 *) ptrs->start + d->offset[i];
		__le64 *end = (__le64 *) ((u64 *) k + k->k.u64s);

		if (!test_bit(i, d->drop))
			continue;
		memmove(at, at + d->u64s[i], (u8 *) end - (u8 *) (at + d->u64s[i]));
		k->k.u64s -= d->u64s[i];
	}
}

/**
 * bch2_bkey_drop_ptrs - take pointers out of a key
 * @c:		filesystem, for the sizes of entries
 * @k:		key; gets shorter in place
 * @drop:	says which pointers go
 * @arg:	passed to @drop
 *
 * The key may be left without usable pointer; that is the caller's business.
 *
 * Return: how many pointers were dropped.
 */
unsigned int bch2_bkey_drop_ptrs(struct bch_fs *c, struct bkey_i *k, extent_drop_fn drop,
				 void *arg)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, bkey_i_to_s_c(k));
	DECLARE_BITMAP(dropped, BKEY_VAL_U64s_MAX);
	const union bch_extent_entry *e;
	struct extent_ptr_decoded p;
	struct drop_plan plan;
	unsigned int nr;

	bitmap_zero(dropped, BKEY_VAL_U64s_MAX);
	bkey_for_each_ptr_decode(&k->k, ptrs, p, e)
		if (drop(&p, arg))
			__set_bit(p.idx, dropped);

	nr = bitmap_weight(dropped, BKEY_VAL_U64s_MAX);
	if (nr) {
		plan_init(&plan, &ptrs, dropped);
		plan_companions(&plan);
		plan_apply(&plan, &ptrs, k);
	}
	return nr;
}

/**
 * bch2_bkey_drop_stripe_entries - make striped pointers plain ones
 * @c:		filesystem, for the sizes of entries
 * @k:		key; gets shorter in place
 * @drop:	says which pointers lose their stripe entries
 * @arg:	passed to @drop
 *
 * Return: how many pointers are concerned.
 */
unsigned int bch2_bkey_drop_stripe_entries(struct bch_fs *c, struct bkey_i *k,
					   extent_drop_fn drop, void *arg)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, bkey_i_to_s_c(k));
	DECLARE_BITMAP(chosen, BKEY_VAL_U64s_MAX);
	const union bch_extent_entry *e;
	struct extent_ptr_decoded p;
	struct drop_plan plan;
	unsigned int ptr = 0;
	unsigned int nr;

	bitmap_zero(chosen, BKEY_VAL_U64s_MAX);
	bkey_for_each_ptr_decode(&k->k, ptrs, p, e)
		if (p.has_ec && drop(&p, arg))
			__set_bit(p.idx, chosen);
	nr = bitmap_weight(chosen, BKEY_VAL_U64s_MAX);
	if (!nr)
		return 0;

	bitmap_zero(plan.drop, BKEY_VAL_U64s_MAX);
	plan_init(&plan, &ptrs, plan.drop);
	for (unsigned int i = 0; i < plan.nr; i++) {
		if (plan.type[i] != BCH_EXTENT_ENTRY_ptr || !test_bit(ptr++, chosen))
			continue;
		for (unsigned int j = i; j-- && plan.type[j] == BCH_EXTENT_ENTRY_stripe_ptr;)
			__set_bit(j, plan.drop);
	}
	plan_apply(&plan, &ptrs, k);
	return nr;
}
