// SPDX-License-Identifier: GPL-2.0
/*
 * Cutting extents: the part of a key in front of, or behind, a place is dropped
 * (spec 50 section 5). What the value says about the rest stays true: sector s of
 * the file is read from the same place as before.
 *
 * Pure functions over one key in memory, for whoever changes extents: updates of
 * the btree floor and the code that moves data.
 */
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/extent_cut.h"
#include "btree/extent_entries.h"

static void cut_to_nothing(struct bkey_i *k)
{
	k->k.type = KEY_TYPE_deleted;
	k->k.size = 0;
	set_bkey_val_u64s(&k->k, 0);
}

/* Entries of an extent: the pointer, or the checksum entry over it, moves on. */
static void cut_front_ptrs(const struct bch_fs *c, struct bkey_i *k, u64 sub)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, bkey_i_to_s_c(k));
	const union bch_extent_entry *i;
	bool seen_crc = false;

	bkey_extent_entry_for_each(ptrs, i) {
		union bch_extent_entry *e = (union bch_extent_entry *) i;

		switch (extent_entry_type(e)) {
		case BCH_EXTENT_ENTRY_ptr:
			if (!seen_crc)
				SET_EXTENT_PTR_OFFSET(&e->ptr, EXTENT_PTR_OFFSET(&e->ptr) + sub);
			break;
		case BCH_EXTENT_ENTRY_crc32:
			SET_CRC32_OFFSET(&e->crc32, CRC32_OFFSET(&e->crc32) + sub);
			seen_crc = true;
			break;
		case BCH_EXTENT_ENTRY_crc64:
			SET_CRC64_OFFSET(&e->crc64, CRC64_OFFSET(&e->crc64) + sub);
			seen_crc = true;
			break;
		case BCH_EXTENT_ENTRY_crc128:
			SET_CRC128_OFFSET(&e->crc128, CRC128_OFFSET(&e->crc128) + sub);
			seen_crc = true;
			break;
		}
	}
}

/* Bytes of the value before the data of inline extents; -1: no inline data. */
static int inline_data_start(const struct bkey *k)
{
	switch (k->type) {
	case KEY_TYPE_inline_data:
		return 0;
	case KEY_TYPE_indirect_inline_data:
		return sizeof(struct bch_indirect_inline_data);
	default:
		return -1;
	}
}

static void cut_front_inline(struct bkey_i *k, u64 sub, unsigned start)
{
	u8 *data = (u8 *) &k->v + start;
	const unsigned bytes = bkey_val_bytes(&k->k) - min(start, bkey_val_bytes(&k->k));
	/* data are padded to words, and sectors are words: nothing is left over */
	const unsigned drop = min_t(u64, sub << 9, bytes);

	memmove(data, data + drop, bytes - drop);
	set_bkey_val_bytes(&k->k, start + bytes - drop);
}

/**
 * bch2_cut_front - drop everything before a place
 * @c:		filesystem, for the sizes of entry types; may be NULL
 * @where:	first place that stays; the snapshot does not matter
 * @k:		extent, changed in place; of type deleted if nothing is left
 *
 * Its position, the end, stays. Spec 50 section 5.1.
 */
void bch2_cut_front(const struct bch_fs *c, struct bpos where, struct bkey_i *k)
{
	int start;
	u64 sub;

	if (bkey_le(where, bkey_start_pos(&k->k)))
		return;
	sub = bkey_ge(where, k->k.p) ? k->k.size : where.offset - bkey_start_offset(&k->k);
	k->k.size -= sub;
	if (!k->k.size) {
		cut_to_nothing(k);
		return;
	}

	if (k->k.type == KEY_TYPE_reflink_p) {
		struct bch_reflink_p *p = (struct bch_reflink_p *) &k->v;

		SET_REFLINK_P_IDX(p, REFLINK_P_IDX(p) + sub);
		return;
	}
	start = inline_data_start(&k->k);
	if (start >= 0)
		cut_front_inline(k, sub, start);
	else if (k->k.type == KEY_TYPE_extent || k->k.type == KEY_TYPE_reflink_v)
		cut_front_ptrs(c, k, sub);
}

/**
 * bch2_cut_back - drop everything from a place on
 * @where:	first place that is dropped; the snapshot does not matter
 * @k:		extent, changed in place; of type deleted if nothing is left
 *
 * Spec 50 section 5.2.
 */
void bch2_cut_back(struct bpos where, struct bkey_i *k)
{
	int start;

	if (bkey_ge(where, k->k.p))
		return;
	if (bkey_le(where, bkey_start_pos(&k->k))) {
		k->k.p.offset = bkey_start_offset(&k->k);
		cut_to_nothing(k);
		return;
	}
	k->k.size	-= k->k.p.offset - where.offset;
	k->k.p.offset	= where.offset;

	start = inline_data_start(&k->k);
	if (start >= 0 && bkey_val_bytes(&k->k) > (unsigned) start) {
		const u64 bytes = min_t(u64, bkey_val_bytes(&k->k) - start,
					(u64) k->k.size << 9);

		set_bkey_val_u64s(&k->k, (start + bytes) / sizeof(u64));
	}
}

/**
 * bch2_extent_sectors_compressed - compressed data a key refers to
 * @c:		filesystem, for the sizes of entry types; may be NULL
 * @k:		key
 *
 * Return: sectors on disk of all its compressed copies that are not cached.
 */
u64 bch2_extent_sectors_compressed(const struct bch_fs *c, struct bkey_s_c k)
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
