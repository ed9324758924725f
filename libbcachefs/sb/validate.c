// SPDX-License-Identifier: GPL-2.0
/*
 * Validation of superblocks and layouts (spec 10 sections 3.1, 8), and the
 * corrections that are applied to the copy in memory (section 5.9).
 *
 * A superblock that passes bch2_sb_validate() has sections that lie inside it
 * and are each long enough for their type, a usable layout, plausible members,
 * and numbers that later code may divide by and index with. The bytes that the
 * header's u64s covers must be in memory before any of this is called.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/log2.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/misc_sections.h"

/* Largest time_precision: one second, in nanoseconds. */
#define TIME_PRECISION_MAX	1000000000U

/* Values that an option of 0 is read as (spec 10 section 5.9). */
#define JOURNAL_DELAY_FIXUP		1000	/* ms */
#define ALLOCATOR_STUCK_TIMEOUT_FIXUP	30	/* s */
#define WRITE_ERROR_TIMEOUT_FIXUP	30	/* s */
#define CSUM_ERR_RETRY_NR_FIXUP		3
#define DEV_READAHEAD_FIXUP		4096	/* sectors */
#define EC_STRIPE_BUF_LIMIT_FIXUP	5	/* percent */
#define DISCARD_BUFFER_FIXUP		4	/* percent */

/**
 * bch2_is_sb_magic() - is this the magic of a superblock or layout?
 * @magic:	16 bytes
 *
 * Both the present and the legacy one are accepted.
 */
bool bch2_is_sb_magic(const __uuid_t *magic)
{
	const __uuid_t now = BCHFS_MAGIC, legacy = BCACHE_MAGIC;

	return !memcmp(magic, &now, sizeof(now)) || !memcmp(magic, &legacy, sizeof(legacy));
}

/**
 * bch2_sb_layout_validate() - check a layout (spec 10 section 3.1)
 * @l:		layout
 * @err:	what is wrong
 *
 * Return: 0, or -BCH_ERR_invalid_sb_layout or one of its kinds.
 */
int bch2_sb_layout_validate(const struct bch_sb_layout *l, struct printbuf *err)
{
	const u64 max = 1ULL << min_t(u8, l->sb_max_size_bits, BCH_SB_LAYOUT_SIZE_BITS_MAX);

	if (!bch2_is_sb_magic(&l->magic)) {
		prt_str(err, "not a bcachefs superblock layout (bad magic ");
		prt_uuid(err, l->magic.b);
		prt_char(err, ')');
		return -BCH_ERR_invalid_sb_layout;
	}
	if (l->layout_type) {
		prt_printf(err, "invalid superblock layout type %u", l->layout_type);
		return -BCH_ERR_invalid_sb_layout_type;
	}
	if (!l->nr_superblocks || l->nr_superblocks > BCH_SB_LAYOUT_NR_MAX) {
		prt_printf(err, "invalid superblock layout: %u superblocks (must be 1 to %u)",
			   l->nr_superblocks, BCH_SB_LAYOUT_NR_MAX);
		return -BCH_ERR_invalid_sb_layout_nr_superblocks;
	}
	if (l->sb_max_size_bits > BCH_SB_LAYOUT_SIZE_BITS_MAX) {
		prt_printf(err, "invalid superblock layout: sb_max_size_bits %u (max %u)",
			   l->sb_max_size_bits, BCH_SB_LAYOUT_SIZE_BITS_MAX);
		return -BCH_ERR_invalid_sb_layout_sb_max_size_bits;
	}

	for (unsigned i = 1; i < l->nr_superblocks; i++) {
		const u64 prev = le64_to_cpu(l->sb_offset[i - 1]);
		const u64 at = le64_to_cpu(l->sb_offset[i]);

		if (prev + max < prev || at < prev + max) {
			prt_printf(err,
				"invalid superblock layout: superblocks overlap "
				"(%u at sector %llu, %u at sector %llu, %llu sectors each)",
				i - 1, prev, i, at, max);
			return -BCH_ERR_invalid_sb_layout_superblocks_overlap;
		}
	}
	return 0;
}

/**
 * bch2_sb_version_validate() - can a superblock of these versions be read?
 * @sb:		superblock header
 * @err:	what is wrong
 *
 * Spec 10 section 8.1 step 3.
 *
 * Return: 0 or -BCH_ERR_invalid_sb_version.
 */
int bch2_sb_version_validate(const struct bch_sb *sb, struct printbuf *err)
{
	const unsigned version = le16_to_cpu(sb->version);
	const unsigned version_min = le16_to_cpu(sb->version_min);

	if (!bch2_version_compatible(version))
		prt_printf(err, "unsupported superblock version %u.%u",
			   BCH_VERSION_MAJOR(version), BCH_VERSION_MINOR(version));
	else if (!bch2_version_compatible(version_min))
		prt_printf(err, "unsupported superblock version_min %u.%u",
			   BCH_VERSION_MAJOR(version_min), BCH_VERSION_MINOR(version_min));
	else if (version_min > version)
		prt_printf(err, "bad minimum version %u.%u, greater than version field %u.%u",
			   BCH_VERSION_MAJOR(version_min), BCH_VERSION_MINOR(version_min),
			   BCH_VERSION_MAJOR(version), BCH_VERSION_MINOR(version));
	else
		return 0;
	return -BCH_ERR_invalid_sb_version;
}

/**
 * bch2_sb_csum_validate() - check the checksum (spec 10 section 4.4)
 * @sb:		superblock, complete in memory
 * @err:	what is wrong
 *
 * Return: 0, -BCH_ERR_invalid_sb_csum_type or -BCH_ERR_invalid_sb_csum.
 */
int bch2_sb_csum_validate(const struct bch_sb *sb, struct printbuf *err)
{
	const unsigned type = BCH_SB_CSUM_TYPE(sb);
	struct bch_csum csum;

	if (type >= BCH_CSUM_NR || bch2_csum_type_is_encryption(type)) {
		prt_printf(err, "unknown checksum type %u", type);
		return -BCH_ERR_invalid_sb_csum_type;
	}

	csum = bch2_checksum(type, bch2_null_nonce(), NULL, (const u8 *) sb + sizeof(sb->csum),
			     bch2_sb_bytes(sb) - sizeof(sb->csum));
	if (bch2_csum_eq(csum, sb->csum))
		return 0;

	prt_str(err, "bad checksum (");
	bch2_csum_type_to_text(err, type);
	prt_str(err, "): got ");
	bch2_csum_to_text(err, type, sb->csum);
	prt_str(err, ", should be ");
	bch2_csum_to_text(err, type, csum);
	return -BCH_ERR_invalid_sb_csum;
}

/* Steps 2 and 3 of spec 10 section 8.2, and the machine's endianness. */
static int features_validate(const struct bch_sb *sb, struct printbuf *err)
{
	const u64 known = (1ULL << BCH_FEATURE_NR) - 1;
	const u64 unknown = le64_to_cpu(sb->features[0]) & ~known;
	const unsigned incompat = BCH_SB_VERSION_INCOMPAT(sb);

	if (unknown || sb->features[1]) {
		prt_printf(err, "filesystem has unknown incompatible features (%llx %llx)",
			   unknown, le64_to_cpu(sb->features[1]));
		return -BCH_ERR_invalid_sb_features;
	}
	if (BCH_VERSION_MAJOR(le16_to_cpu(sb->version)) >
	    BCH_VERSION_MAJOR(bcachefs_metadata_version_current) ||
	    incompat > bcachefs_metadata_version_current) {
		prt_str(err, "filesystem uses an incompatible version: ");
		bch2_sb_version_to_text(err, incompat);
		prt_str(err, ", this software knows up to ");
		bch2_sb_version_to_text(err, bcachefs_metadata_version_current);
		return -BCH_ERR_invalid_sb_features;
	}
	if (BCH_SB_BIG_ENDIAN(sb)) {
		prt_str(err, "filesystem was written by a big-endian machine, not supported");
		return -BCH_ERR_invalid_sb_big_endian;
	}
	return 0;
}

/* Steps 4 to 9. */
static int header_validate(const struct bch_sb *sb, u64 read_offset, struct printbuf *err)
{
	const unsigned block = le16_to_cpu(sb->block_size);
	const unsigned node = BCH_SB_BTREE_NODE_SIZE(sb);
	const u32 precision = le32_to_cpu(sb->time_precision);

	if (!memchr_inv(&sb->user_uuid, 0, sizeof(sb->user_uuid))) {
		prt_str(err, "bad user UUID: all zeroes");
		return -BCH_ERR_invalid_sb_uuid;
	}
	if (!memchr_inv(&sb->uuid, 0, sizeof(sb->uuid))) {
		prt_str(err, "bad internal UUID: all zeroes");
		return -BCH_ERR_invalid_sb_uuid;
	}
	if (read_offset && le64_to_cpu(sb->offset) != read_offset) {
		prt_printf(err, "bad sector in superblock: says %llu, but was read from %llu",
			   le64_to_cpu(sb->offset), read_offset);
		return -BCH_ERR_invalid_sb_offset;
	}
	if (!sb->nr_devices) {
		prt_str(err, "no member devices (nr_devices 0)");
		return -BCH_ERR_invalid_sb_too_many_members;
	}
	if (sb->dev_idx >= sb->nr_devices) {
		prt_printf(err, "bad device index: dev_idx %u >= nr_devices %u",
			   sb->dev_idx, sb->nr_devices);
		return -BCH_ERR_invalid_sb_dev_idx;
	}
	if (!precision || precision > TIME_PRECISION_MAX) {
		prt_printf(err, "invalid time precision %u (must be 1 to %u)",
			   precision, TIME_PRECISION_MAX);
		return -BCH_ERR_invalid_sb_time_precision;
	}
	if (!is_power_of_2(block) || block > BCH_MAX_BLOCK_SIZE >> 9) {
		prt_printf(err, "invalid block size: %u sectors (a power of 2, 1 to %u)",
			   block, BCH_MAX_BLOCK_SIZE >> 9);
		return -BCH_ERR_invalid_sb_block_size;
	}
	if (!is_power_of_2(node) || node > BTREE_NODE_SIZE_MAX >> 9) {
		prt_printf(err, "invalid btree node size: %u sectors (a power of 2, 1 to %u)",
			   node, BTREE_NODE_SIZE_MAX >> 9);
		return -BCH_ERR_invalid_sb_opt;
	}
	return 0;
}

/* Step 12: do the sections tile the superblock? */
static int sections_walk(const struct bch_sb *sb, struct printbuf *err)
{
	const u64 *start = (const u64 *) sb->_data;
	const u64 total = le32_to_cpu(sb->u64s);
	u64 at = 0;

	while (at < total) {
		const struct bch_sb_field *f = (const struct bch_sb_field *) (start + at);
		const char *name = bch2_sb_field_name(le32_to_cpu(f->type));
		const u64 u64s = le32_to_cpu(f->u64s);

		if (u64s && u64s <= total - at) {
			at += u64s;
			continue;
		}

		prt_str(err, "invalid section ");
		if (name)
			prt_str(err, name);
		else
			prt_printf(err, "of type %u", le32_to_cpu(f->type));
		if (!u64s)
			prt_printf(err, " at byte %zu: length 0", sizeof(*sb) + (size_t) at * 8);
		else
			prt_printf(err, " at byte %zu: extends past end of superblock "
				   "(%llu u64s, %llu left)",
				   sizeof(*sb) + (size_t) at * 8, u64s, total - at);
		return -BCH_ERR_invalid_sb_field_size;
	}
	return 0;
}

/* Body of a section, to show what was found wrong. */
static void section_dump(struct printbuf *err, struct bch_sb *sb, struct bch_sb_field *f,
			 const struct bch_sb_field_ops *ops)
{
	const struct bch_sb_text t = {};

	if (!ops->to_text || bch2_sb_field_bytes(f) < ops->min_bytes)
		return;
	prt_newline(err);
	printbuf_indent_add(err, 2);
	ops->to_text(err, sb, f, &t);
	printbuf_indent_sub(err, 2);
}

static int section_validate(struct bch_sb *sb, struct bch_sb_field *f, unsigned flags,
			    struct printbuf *err)
{
	const struct bch_sb_field_ops *ops = bch2_sb_field_ops(le32_to_cpu(f->type));
	struct printbuf reason = PRINTBUF;
	int ret = 0;

	if (!ops)
		return 0;

	if (bch2_sb_field_bytes(f) < ops->min_bytes) {
		prt_printf(&reason, "too small (%zu bytes, at least %u)",
			   bch2_sb_field_bytes(f), ops->min_bytes);
		ret = ops->min_bytes_err;
	} else if (ops->validate) {
		ret = ops->validate(sb, f, flags, &reason);
	}

	if (ret) {
		prt_printf(err, "invalid section %s: %s", ops->name, printbuf_str(&reason));
		section_dump(err, sb, f, ops);
	}
	printbuf_exit(&reason);
	return ret;
}

/* Steps 13 to 15. */
static int sections_validate(struct bch_sb *sb, unsigned flags, struct printbuf *err)
{
	struct bch_sb_field *members = bch2_sb_field_get_id(sb, BCH_SB_FIELD_members_v2);
	int ret;

	if (!members)
		members = bch2_sb_field_get_id(sb, BCH_SB_FIELD_members_v1);
	if (!members) {
		prt_str(err, "superblock has no member info section");
		return -BCH_ERR_invalid_sb_members_missing;
	}

	/* Others refer to members. */
	ret = section_validate(sb, members, flags, err);
	if (ret)
		return ret;

	for_each_sb_field(sb, f) {
		if (f == members || le32_to_cpu(f->type) == BCH_SB_FIELD_members_v1)
			continue;
		ret = section_validate(sb, f, flags, err);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * bch2_sb_validate() - check a superblock (spec 10 section 8.2)
 * @sb:		superblock, complete in memory; magic and checksum were checked
 * @opts:	option no_version_check skips what newer software may have changed
 * @read_offset: sector it was read from; 0: not from a device
 * @flags:	enum bch_validate_flags
 * @err:	what is wrong
 *
 * Return: 0 or a kind of -BCH_ERR_invalid_sb; no memory.
 */
int bch2_sb_validate(struct bch_sb *sb, const struct bch_opts *opts, u64 read_offset,
		     unsigned flags, struct printbuf *err)
{
	int ret;

	ret = bch2_sb_version_validate(sb, err);
	if (!ret && !opts->no_version_check)
		ret = features_validate(sb, err);
	if (!ret)
		ret = header_validate(sb, read_offset, err);
	if (ret)
		return ret;

	if ((flags & BCH_VALIDATE_write) &&
	    BCH_SB_VERSION_INCOMPAT(sb) > BCH_SB_VERSION_INCOMPAT_ALLOWED(sb)) {
		prt_str(err, "version_incompat greater than version_incompat_allowed");
		return -BCH_ERR_invalid_sb_version;
	}

	ret = bch2_sb_layout_validate(&sb->layout, err) ?:
		sections_walk(sb, err) ?:
		sections_validate(sb, flags, err);
	if (ret)
		return ret;

	if (flags & BCH_VALIDATE_write) {
		const struct bch_member m = bch2_sb_member_get(sb, sb->dev_idx);

		if (m.seq != sb->seq) {
			prt_printf(err, "device %u: member seq %llu is not the superblock's %llu",
				   sb->dev_idx, le64_to_cpu(m.seq), le64_to_cpu(sb->seq));
			return -BCH_ERR_invalid_sb_members_missing;
		}
	}
	return 0;
}

/* --- corrections (spec 10 section 5.9) --- */

static void fixup_versions(struct bch_sb *sb)
{
	const u64 version = le16_to_cpu(sb->version);

	if (BCH_SB_VERSION_INCOMPAT_ALLOWED(sb) > version)
		SET_BCH_SB_VERSION_INCOMPAT_ALLOWED(sb, version);
	if (BCH_SB_VERSION_INCOMPAT(sb) > BCH_SB_VERSION_INCOMPAT_ALLOWED(sb))
		SET_BCH_SB_VERSION_INCOMPAT_ALLOWED(sb, BCH_SB_VERSION_INCOMPAT(sb));
	if (!BCH_SB_VERSION_UPGRADE_COMPLETE(sb))
		SET_BCH_SB_VERSION_UPGRADE_COMPLETE(sb, version);
}

static void fixup_flags(struct bch_sb *sb)
{
	const unsigned version = le16_to_cpu(sb->version);

	if (sb->nr_devices > 1)
		SET_BCH_SB_MULTI_DEVICE(sb, 1);
	if (!BCH_SB_JOURNAL_FLUSH_DELAY(sb))
		SET_BCH_SB_JOURNAL_FLUSH_DELAY(sb, JOURNAL_DELAY_FIXUP);
	if (!BCH_SB_JOURNAL_RECLAIM_DELAY(sb))
		SET_BCH_SB_JOURNAL_RECLAIM_DELAY(sb, JOURNAL_DELAY_FIXUP);
	if (!BCH_SB_WRITE_ERROR_TIMEOUT(sb))
		SET_BCH_SB_WRITE_ERROR_TIMEOUT(sb, WRITE_ERROR_TIMEOUT_FIXUP);

	if (version <= bcachefs_metadata_version_disk_accounting_v2) {
		if (!BCH_SB_ALLOCATOR_STUCK_TIMEOUT(sb))
			SET_BCH_SB_ALLOCATOR_STUCK_TIMEOUT(sb, ALLOCATOR_STUCK_TIMEOUT_FIXUP);
		SET_BCH_SB_PROMOTE_WHOLE_EXTENTS(sb, 1);
	}
	if (version <= bcachefs_metadata_version_extent_flags &&
	    !BCH_SB_CSUM_ERR_RETRY_NR(sb))
		SET_BCH_SB_CSUM_ERR_RETRY_NR(sb, CSUM_ERR_RETRY_NR_FIXUP);
}

static int fixup_ext(struct bch_sb_handle *handle)
{
	struct bch_sb_field_ext *ext = bch2_sb_field_get(handle->sb, ext);

	if (!ext || !bch2_sb_field_has(ext, flags0)) {
		ext = bch2_sb_field_resize(handle, ext, sizeof(*ext) / sizeof(u64));
		if (IS_ERR(ext))
			return PTR_ERR(ext) == -BCH_ERR_ENOSPC_sb ? -BCH_ERR_ENOSPC_sb_ext
								  : PTR_ERR(ext);
	}

	if (!BCH_SB_EXT_DEV_READAHEAD(ext))
		SET_BCH_SB_EXT_DEV_READAHEAD(ext, DEV_READAHEAD_FIXUP);
	if (!BCH_SB_EXT_EC_STRIPE_BUF_LIMIT(ext))
		SET_BCH_SB_EXT_EC_STRIPE_BUF_LIMIT(ext, EC_STRIPE_BUF_LIMIT_FIXUP);
	if (le16_to_cpu(handle->sb->version) <= bcachefs_metadata_version_erasure_coding &&
	    !BCH_SB_EXT_DISCARD_BUFFER(ext))
		SET_BCH_SB_EXT_DISCARD_BUFFER(ext, DISCARD_BUFFER_FIXUP);
	return 0;
}

/**
 * bch2_sb_fixup() - correct and fill in what older software left undone
 * @handle:	validated superblock in memory; may move
 *
 * Nothing of this reaches a device before the next update. Inspecting tools
 * show superblocks as they are and do not call this.
 *
 * Return: 0, -BCH_ERR_ENOSPC_sb or one of its kinds, no memory.
 */
int bch2_sb_fixup(struct bch_sb_handle *handle)
{
	fixup_versions(handle->sb);
	fixup_flags(handle->sb);

	return bch2_sb_members_upgrade(handle) ?: fixup_ext(handle);
}
