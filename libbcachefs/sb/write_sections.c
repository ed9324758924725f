// SPDX-License-Identifier: GPL-2.0
/*
 * What an update changes in superblocks in memory: members, sections that are
 * derived from others, and the shared state that every device's own superblock
 * gets (spec 10 sections 9, 9.0, 12).
 *
 * Nothing here writes to a device. Sections of unknown type are never touched,
 * and entries that are longer than those known keep their tails. Callers hold
 * the lock that covers the superblock: for c->disk_sb and those of devices,
 * c->sb_lock.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "data/extents_format.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/write.h"

/* --- members --- */

/**
 * bch2_sb_member_set() - store a member's entry
 * @sb:		superblock with members_v2
 * @idx:	member index below nr_devices
 * @m:		entry
 *
 * Fields that stored entries do not have are dropped, what they have beyond the
 * known ones stays.
 */
void bch2_sb_member_set(struct bch_sb *sb, unsigned idx, const struct bch_member *m)
{
	struct bch_sb_field_members_v2 *v2 = bch2_sb_field_get(sb, members_v2);
	const unsigned stride = v2 ? le16_to_cpu(v2->member_bytes) : 0;

	if (!stride || idx >= sb->nr_devices ||
	    sizeof(*v2) + (size_t) (idx + 1) * stride > bch2_sb_field_bytes(&v2->field))
		return;
	memcpy(v2->_members + (size_t) idx * stride, m, min_t(size_t, stride, sizeof(*m)));
}

/* members_v1 repeats members_v2 for software that knows nothing else (section 9.8.3). */
static int members_v1_refresh(struct bch_sb_handle *handle)
{
	const unsigned nr = handle->sb->nr_devices;
	struct bch_sb_field_members_v1 *v1;

	if (BCH_SB_VERSION_INCOMPAT(handle->sb) > bcachefs_metadata_version_extent_flags) {
		bch2_sb_field_resize(handle, members_v1, 0);
		return 0;
	}

	v1 = bch2_sb_field_resize(handle, members_v1,
				  DIV_ROUND_UP(sizeof(*v1) + nr * BCH_MEMBER_V1_BYTES,
					       sizeof(u64)));
	if (IS_ERR(v1))
		return PTR_ERR(v1) == -BCH_ERR_ENOSPC_sb ? -BCH_ERR_ENOSPC_sb_members
							 : PTR_ERR(v1);

	for (unsigned i = 0; i < nr; i++) {
		const struct bch_member m = bch2_sb_member_get(handle->sb, i);

		memcpy(v1->_members + i * BCH_MEMBER_V1_BYTES, &m, BCH_MEMBER_V1_BYTES);
	}
	return 0;
}

/* --- derived sections --- */

static const u8 extent_type_u64s[] = {
#define x(nr, _name, words)	[nr] = words,
	BCH_EXTENT_ENTRY_TYPES(x)
#undef x
};

/* Sizes of extent entries, for older software; only since it exists (section 9.15). */
static int extent_type_u64s_refresh(struct bch_sb_handle *handle)
{
	struct bch_sb_field_extent_type_u64s *f;
	const unsigned nr = ARRAY_SIZE(extent_type_u64s);
	unsigned u64s = 1 + DIV_ROUND_UP(nr, sizeof(u64));

	if (le16_to_cpu(handle->sb->version) <
	    bcachefs_metadata_version_sb_field_extent_type_u64s)
		return 0;

	f = bch2_sb_field_get(handle->sb, extent_type_u64s);
	if (f && le32_to_cpu(f->field.u64s) >= u64s &&
	    !memchr(f->d, 0, nr))
		return 0;

	u64s = max(u64s, f ? le32_to_cpu(f->field.u64s) : 0);
	f = bch2_sb_field_resize(handle, extent_type_u64s, u64s);
	if (IS_ERR(f))
		return PTR_ERR(f);
	memset(f->d, 0, bch2_sb_field_bytes(&f->field) - sizeof(*f));
	memcpy(f->d, extent_type_u64s, nr);
	return 0;
}

/**
 * bch2_sb_refresh_sections() - sections that follow from others (section 12, step 4)
 * @handle:	merged superblock in memory; may move
 *
 * Return: 0, a kind of -BCH_ERR_ENOSPC_sb, or no memory.
 */
int bch2_sb_refresh_sections(struct bch_sb_handle *handle)
{
	return  members_v1_refresh(handle) ?:
		extent_type_u64s_refresh(handle);
}

/* --- one superblock per device --- */

static bool section_is_shared(unsigned type)
{
	return !(BCH_SINGLE_DEVICE_SB_FIELDS & (1U << type));
}

/* Sections that shrink or vanish go first, so that the others find their room. */
static int sections_resize(struct bch_sb_handle *dst, const struct bch_sb *src, bool grow)
{
	for (unsigned type = 0; type < BCH_SB_FIELD_NR; type++) {
		const struct bch_sb_field *from = bch2_sb_field_get_id(src, type);
		const struct bch_sb_field *to = bch2_sb_field_get_id(dst->sb, type);
		const u32 want = from ? le32_to_cpu(from->u64s) : 0;
		const u32 have = to ? le32_to_cpu(to->u64s) : 0;
		struct bch_sb_field *f;

		if (!section_is_shared(type) || want == have || (want > have) != grow)
			continue;
		f = bch2_sb_field_resize_id(dst, type, want);
		if (IS_ERR(f))
			return PTR_ERR(f);
	}
	return 0;
}

/**
 * bch2_sb_copy_shared() - give a device's superblock the state of the filesystem
 * @dst:	superblock of a device, in memory; may move. Keeps its layout, dev_idx,
 *		magic, journal buckets, and sections of unknown type
 * @src:	merged superblock
 *
 * Spec 10 section 9.0.
 *
 * Return: 0, -BCH_ERR_ENOSPC_sb if the device has no room for it, no memory.
 */
int bch2_sb_copy_shared(struct bch_sb_handle *dst, const struct bch_sb *src)
{
	struct bch_sb *sb = dst->sb;
	int ret;

	sb->version		= src->version;
	sb->version_min		= src->version_min;
	sb->seq			= src->seq;
	sb->uuid		= src->uuid;
	sb->user_uuid		= src->user_uuid;
	sb->block_size		= src->block_size;
	sb->nr_devices		= src->nr_devices;
	sb->time_base_lo	= src->time_base_lo;
	sb->time_base_hi	= src->time_base_hi;
	sb->time_precision	= src->time_precision;
	sb->write_time		= src->write_time;
	memcpy(sb->label,	src->label,	sizeof(sb->label));
	memcpy(sb->flags,	src->flags,	sizeof(sb->flags));
	memcpy(sb->features,	src->features,	sizeof(sb->features));
	memcpy(sb->compat,	src->compat,	sizeof(sb->compat));

	ret   = sections_resize(dst, src, false) ?:
		sections_resize(dst, src, true);
	if (ret)
		return ret;

	for (unsigned type = 0; type < BCH_SB_FIELD_NR; type++) {
		const struct bch_sb_field *from = bch2_sb_field_get_id(src, type);

		if (from && section_is_shared(type))
			memcpy(bch2_sb_field_get_id(dst->sb, type), from,
			       bch2_sb_field_bytes(from));
	}
	return 0;
}
