// SPDX-License-Identifier: GPL-2.0
/*
 * What extents and other pointer containers add up to: copies, sectors on disk,
 * durability (spec 50 §4, §6), and the values that describe data without
 * pointing to it (§7).
 *
 * All walks stop at the first entry that cannot be told apart, so every function
 * here may be given keys that were not validated. Validation is in
 * extents_validate.c, text in extents_text.c.
 */
#include <linux/math64.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/bkey_val.h"
#include "btree/extent_entries.h"
#include "data/extents.h"
#include "sb/members.h"

/* --- kinds of keys --- */

/**
 * bch2_bkey_is_btree_ptr - does the key point to a btree node?
 * @k:		key
 */
bool bch2_bkey_is_btree_ptr(const struct bkey *k)
{
	return k->type == KEY_TYPE_btree_ptr || k->type == KEY_TYPE_btree_ptr_v2;
}

/**
 * bch2_bkey_is_direct_data - does the key itself say where data lies?
 * @k:		key
 */
bool bch2_bkey_is_direct_data(const struct bkey *k)
{
	return bch2_bkey_is_btree_ptr(k) ||
		k->type == KEY_TYPE_extent ||
		k->type == KEY_TYPE_reflink_v;
}

/**
 * bch2_bkey_extent_is_allocation - does the key count in an inode's sectors?
 * @k:		key of the extents or reflink btree
 */
bool bch2_bkey_extent_is_allocation(const struct bkey *k)
{
	switch (k->type) {
	case KEY_TYPE_extent:
	case KEY_TYPE_reservation:
	case KEY_TYPE_reflink_p:
	case KEY_TYPE_reflink_v:
	case KEY_TYPE_inline_data:
	case KEY_TYPE_indirect_inline_data:
	case KEY_TYPE_error:
		return true;
	default:
		return false;
	}
}

/* --- entries of the whole key --- */

/**
 * bch2_bkey_is_unwritten - is space allocated that holds no data yet?
 * @c:		filesystem, may be NULL
 * @k:		key
 *
 * True if any pointer says so; reads give zeros (spec 54 §2).
 */
bool bch2_bkey_is_unwritten(struct bch_fs *c, struct bkey_s_c k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const struct bch_extent_ptr *ptr;

	bkey_for_each_ptr(ptrs, ptr)
		if (EXTENT_PTR_UNWRITTEN(ptr))
			return true;
	return false;
}

/**
 * bch2_bkey_is_incompressible - was compressing this data tried in vain?
 * @c:		filesystem, may be NULL
 * @k:		key
 */
bool bch2_bkey_is_incompressible(struct bch_fs *c, struct bkey_s_c k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const union bch_extent_entry *e;

	bkey_extent_entry_for_each(ptrs, e)
		if (extent_entry_is_crc(e) &&
		    bch2_extent_crc_unpack(k.k, e).compression_type ==
		    BCH_COMPRESSION_TYPE_incompressible)
			return true;
	return false;
}

/**
 * bch2_bkey_is_poisoned - is the data known to be damaged in every copy?
 * @c:		filesystem, may be NULL
 * @k:		key
 *
 * The flags entry is only looked for where it must be: first (spec 50 §3.6).
 */
bool bch2_bkey_is_poisoned(struct bch_fs *c, struct bkey_s_c k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const union bch_extent_entry *e = extent_entry_valid(&ptrs, ptrs.start);

	return e && extent_entry_type(e) == BCH_EXTENT_ENTRY_flags &&
		EXTENT_FLAGS_FLAGS(&e->flags) & (1ULL << BCH_EXTENT_FLAG_poisoned);
}

/* --- counting, spec 50 §6.5 --- */

static bool ptr_has_dev(const struct extent_ptr_decoded *p)
{
	return EXTENT_PTR_DEV(&p->ptr) != BCH_SB_MEMBER_INVALID;
}

/**
 * bch2_bkey_has_usable_ptr - can the data be read through any pointer at all?
 * @c:		filesystem, may be NULL
 * @k:		key
 * @count_cached: do cached copies count?
 *
 * Usable: names a device, or is part of a stripe (spec 50 §5.5, §10).
 */
bool bch2_bkey_has_usable_ptr(struct bch_fs *c, struct bkey_s_c k, bool count_cached)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const union bch_extent_entry *e;
	struct extent_ptr_decoded p;

	bkey_for_each_ptr_decode(k.k, ptrs, p, e)
		if ((ptr_has_dev(&p) || p.has_ec) &&
		    (count_cached || !EXTENT_PTR_CACHED(&p.ptr)))
			return true;
	return false;
}

/**
 * bch2_bkey_nr_ptrs - all pointers of a key, placeholders included
 * @c:		filesystem, may be NULL
 * @k:		key
 */
unsigned int bch2_bkey_nr_ptrs(struct bch_fs *c, struct bkey_s_c k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const struct bch_extent_ptr *ptr;
	unsigned int nr = 0;

	bkey_for_each_ptr(ptrs, ptr)
		nr++;
	return nr;
}

/**
 * bch2_bkey_nr_dirty_ptrs - pointers with a device that are not mere caches
 * @c:		filesystem, may be NULL
 * @k:		key
 */
unsigned int bch2_bkey_nr_dirty_ptrs(struct bch_fs *c, struct bkey_s_c k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const struct bch_extent_ptr *ptr;
	unsigned int nr = 0;

	bkey_for_each_ptr(ptrs, ptr)
		nr += !EXTENT_PTR_CACHED(ptr) &&
			EXTENT_PTR_DEV(ptr) != BCH_SB_MEMBER_INVALID;
	return nr;
}

/* Non-cached copies; @whole: only those that take as much space as the key is large. */
static unsigned int nr_allocated(struct bch_fs *c, struct bkey_s_c k, bool whole)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const union bch_extent_entry *e;
	struct extent_ptr_decoded p;
	unsigned int nr = 0;

	if (k.k->type == KEY_TYPE_reservation) {
		struct bch_reservation r;

		bkey_val_copy(&r, k);
		return r.nr_replicas;
	}

	bkey_for_each_ptr_decode(k.k, ptrs, p, e)
		nr += !EXTENT_PTR_CACHED(&p.ptr) && !(whole && crc_is_compressed(&p.crc));
	return nr;
}

/**
 * bch2_bkey_nr_ptrs_allocated - copies that space is allocated or reserved for
 * @c:		filesystem, may be NULL
 * @k:		key
 */
unsigned int bch2_bkey_nr_ptrs_allocated(struct bch_fs *c, struct bkey_s_c k)
{
	return nr_allocated(c, k, false);
}

/**
 * bch2_bkey_nr_ptrs_fully_allocated - the same without compressed copies
 * @c:		filesystem, may be NULL
 * @k:		key
 */
unsigned int bch2_bkey_nr_ptrs_fully_allocated(struct bch_fs *c, struct bkey_s_c k)
{
	return nr_allocated(c, k, true);
}

/**
 * bch2_bkey_replicas - copies, where a stripe's parity counts as such
 * @c:		filesystem, may be NULL
 * @k:		key
 */
unsigned int bch2_bkey_replicas(struct bch_fs *c, struct bkey_s_c k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const union bch_extent_entry *e;
	struct extent_ptr_decoded p;
	unsigned int nr = 0;

	bkey_for_each_ptr_decode(k.k, ptrs, p, e)
		if (!EXTENT_PTR_CACHED(&p.ptr))
			nr += 1 + (p.has_ec ? STRIPE_PTR_REDUNDANCY(&p.ec) : 0);
	return nr;
}

/**
 * bch2_bkey_sectors_compressed - compressed data that the key refers to
 * @c:		filesystem, may be NULL
 * @k:		key
 *
 * Returns sectors on disk of all non-cached compressed copies.
 */
u64 bch2_bkey_sectors_compressed(struct bch_fs *c, struct bkey_s_c k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const union bch_extent_entry *e;
	struct extent_ptr_decoded p;
	u64 sectors = 0;

	bkey_for_each_ptr_decode(k.k, ptrs, p, e)
		if (!EXTENT_PTR_CACHED(&p.ptr) && crc_is_compressed(&p.crc))
			sectors += p.crc.compressed_size;
	return sectors;
}

/**
 * bch2_ptr_disk_sectors - sectors that one copy takes on its device
 * @c:		filesystem; NULL: the size of a node is not known and counts 0
 * @k:		key of the pointer
 * @p:		pointer
 *
 * Node pointers: a node; compressed data: its share of the blob, rounded up
 * (spec 50 §4). This is what bucket counters and accounting add up.
 */
u64 bch2_ptr_disk_sectors(struct bch_fs *c, const struct bkey *k,
			  const struct extent_ptr_decoded *p)
{
	if (bch2_bkey_is_btree_ptr(k))
		return c ? c->opts.btree_node_size >> 9 : 0;
	if (!crc_is_compressed(&p->crc))
		return k->size;
	return DIV64_U64_ROUND_UP((u64) k->size * p->crc.compressed_size,
				  p->crc.uncompressed_size);
}

/* --- durability, spec 50 §6.4 --- */

/**
 * bch2_ptr_durability_estimate - what one pointer adds to durability
 * @c:		filesystem, may be NULL
 * @p:		pointer
 *
 * Without looking at stripes: a member of one is worth its redundancy + 1.
 */
unsigned int bch2_ptr_durability_estimate(struct bch_fs *c, const struct extent_ptr_decoded *p)
{
	const struct bch_dev *ca;

	if (EXTENT_PTR_CACHED(&p->ptr))
		return 0;
	if (p->has_ec)
		return STRIPE_PTR_REDUNDANCY(&p->ec) + 1;
	if (!ptr_has_dev(p))
		return 0;

	ca = c ? bch2_dev(c, EXTENT_PTR_DEV(&p->ptr)) : NULL;
	return ca ? ca->mi.durability : 1;
}

/**
 * bch2_bkey_durability_estimate - sum of bch2_ptr_durability_estimate()
 * @c:		filesystem, may be NULL
 * @k:		key
 */
unsigned int bch2_bkey_durability_estimate(struct bch_fs *c, struct bkey_s_c k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const union bch_extent_entry *e;
	struct extent_ptr_decoded p;
	unsigned int durability = 0;

	bkey_for_each_ptr_decode(k.k, ptrs, p, e)
		durability += bch2_ptr_durability_estimate(c, &p);
	return durability;
}

/* --- values without pointers --- */

/**
 * bch2_bkey_inline_data - file data inside a key
 * @k:		key of type inline_data or indirect_inline_data
 *
 * Returns the bytes, up to 7 bytes of padding included; none for other types.
 */
struct bch_bytes bch2_bkey_inline_data(struct bkey_s_c k)
{
	unsigned int bytes = bkey_val_bytes(k.k), skip;

	switch (k.k->type) {
	case KEY_TYPE_inline_data:
		skip = 0;
		break;
	case KEY_TYPE_indirect_inline_data:
		skip = min_t(unsigned int, bytes, sizeof(struct bch_indirect_inline_data));
		break;
	default:
		return (struct bch_bytes) {};
	}

	return (struct bch_bytes) {
		.p	= (const u8 *) k.v + skip,
		.len	= bytes - skip,
	};
}

/**
 * bch2_bkey_error_kind - why the data of an error key was given up
 * @k:		key of type error
 *
 * Returns enum bch_key_error, or a larger number written by newer software.
 */
unsigned int bch2_bkey_error_kind(struct bkey_s_c k)
{
	struct bch_error v;

	bkey_val_copy(&v, k);
	return v.err;
}
