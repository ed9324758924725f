// SPDX-License-Identifier: GPL-2.0
/*
 * Validation of superblocks: one small valid superblock, broken in one place
 * per case; the error and its text are what Documentation/format/10 asks for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "sb/misc_sections.h"
#include "sb/members.h"
#include "sb/replicas.h"
#include "sb_common.h"

static const struct bch_opts no_opts;

/* Validates; the error must be @ret and its text must contain @text. */
static void assert_invalid(struct bch_sb_handle *h, unsigned flags, int ret, const char *text,
			   const char *name)
{
	CLASS(printbuf, err)();
	const int got = bch2_sb_validate(h->sb, &no_opts, BCH_SB_SECTOR, flags, &err);

	if (got != -ret || (ret && !strstr(printbuf_str(&err), text)))
		fail_msg("%s: got %s, \"%s\"", name, bch2_err_str(got), printbuf_str(&err));
	if (!ret)
		assert_string_equal(printbuf_str(&err), "");
}

/* --- the header --- */

#define BREAK(name)	void name(struct bch_sb_handle *h)

static BREAK(nothing) { }
static BREAK(version_old) { h->sb->version = h->sb->version_min = cpu_to_le16(8); }
static BREAK(version_major) { h->sb->version = cpu_to_le16(BCH_VERSION(2, 0)); }
static BREAK(version_minor) { h->sb->version = cpu_to_le16(BCH_VERSION(1, 99)); }
static BREAK(version_min_old) { h->sb->version_min = cpu_to_le16(3); }
static BREAK(version_order) { h->sb->version = cpu_to_le16(BCH_VERSION(1, 20)); }
static BREAK(feature) { h->sb->features[0] = cpu_to_le64(1ULL << 24); }
static BREAK(feature_word) { h->sb->features[1] = cpu_to_le64(1); }
static BREAK(incompat) { SET_BCH_SB_VERSION_INCOMPAT(h->sb, BCH_VERSION(1, 39)); }
static BREAK(big_endian) { SET_BCH_SB_BIG_ENDIAN(h->sb, 1); }
static BREAK(user_uuid) { memset(&h->sb->user_uuid, 0, 16); }
static BREAK(uuid) { memset(&h->sb->uuid, 0, 16); }
static BREAK(moved) { h->sb->offset = cpu_to_le64(2056); }
static BREAK(no_devices) { h->sb->nr_devices = 0; }
static BREAK(dev_idx) { h->sb->dev_idx = 2; }
static BREAK(precision_0) { h->sb->time_precision = 0; }
static BREAK(precision_big) { h->sb->time_precision = cpu_to_le32(1000000001); }
static BREAK(block_0) { h->sb->block_size = 0; }
static BREAK(block_3) { h->sb->block_size = cpu_to_le16(3); }
static BREAK(block_128) { h->sb->block_size = cpu_to_le16(128); }
static BREAK(node_0) { SET_BCH_SB_BTREE_NODE_SIZE(h->sb, 0); }
static BREAK(node_3) { SET_BCH_SB_BTREE_NODE_SIZE(h->sb, 48); }
static BREAK(layout_magic) { h->sb->layout.magic.b[3]++; }
static BREAK(layout_type) { h->sb->layout.layout_type = 1; }
static BREAK(layout_nr_0) { h->sb->layout.nr_superblocks = 0; }
static BREAK(layout_nr_62) { h->sb->layout.nr_superblocks = 62; }
static BREAK(layout_bits) { h->sb->layout.sb_max_size_bits = 17; }
static BREAK(layout_overlap) { h->sb->layout.sb_offset[1] = cpu_to_le64(2055); }
static BREAK(layout_order) { h->sb->layout.sb_offset[2] = cpu_to_le64(8); }
static BREAK(layout_wrap) { h->sb->layout.sb_offset[0] = cpu_to_le64(~0ULL - 5); }
static BREAK(legacy_magic) { h->sb->layout.magic = BCACHE_MAGIC; }

static struct bch_sb_field *ext(struct bch_sb_handle *h)
{
	return bch2_sb_field_get_id(h->sb, BCH_SB_FIELD_ext);
}

static BREAK(section_0) { ext(h)->u64s = 0; }
static BREAK(section_long) { ext(h)->u64s = cpu_to_le32(14); }
static BREAK(section_huge) { ext(h)->u64s = cpu_to_le32(~0U); }
static BREAK(section_unknown) { sb_add(h, 77, "12345678", 8); }
static BREAK(no_members) { bch2_sb_field_resize_id(h, BCH_SB_FIELD_members_v2, 0); }

/* --- members --- */

static BREAK(members_short) { bch2_sb_field_resize_id(h, BCH_SB_FIELD_members_v2, 70); }
static BREAK(members_stride)
{
	((struct bch_sb_field_members_v2 *)
	 bch2_sb_field_get_id(h->sb, BCH_SB_FIELD_members_v2))->member_bytes = 0;
}
static BREAK(nbuckets_big) { sb_member(h, 1)->nbuckets = cpu_to_le64(2147483584ULL); }
static BREAK(nbuckets_small) { sb_member(h, 0)->nbuckets = cpu_to_le64(511); }
static BREAK(first_bucket) { sb_member(h, 0)->first_bucket = cpu_to_le16(513); }
static BREAK(first_wraps) { sb_member(h, 0)->first_bucket = cpu_to_le16(2000); }
static BREAK(bucket_0) { sb_member(h, 1)->bucket_size = 0; }
static BREAK(bucket_lt_block) { sb_member(h, 1)->bucket_size = cpu_to_le16(4); }
static BREAK(bucket_lt_node) { sb_member(h, 1)->bucket_size = cpu_to_le16(32); }
static BREAK(bitmap_shift) { sb_member(h, 1)->btree_bitmap_shift = 58; }
static BREAK(freespace)
{
	h->sb->features[0] |= cpu_to_le64(BCH_FEATURE_BIT(no_alloc_info));
	SET_BCH_MEMBER_FREESPACE_INITIALIZED(sb_member(h, 1), 1);
}
/* removed slots are checked as well */
static BREAK(deleted_slot)
{
	sb_member(h, 1)->uuid = BCH_SB_MEMBER_DELETED_UUID;
	sb_member(h, 1)->nbuckets = 0;
}
static BREAK(members_v1_too)
{
	/* not looked at while there is members_v2 */
	sb_add(h, BCH_SB_FIELD_members_v1, "", 0);
}

/* --- sections --- */

#define LE64(v)		cpu_to_le64(v)

static void add_u64s(struct bch_sb_handle *h, unsigned type, const u64 *v, unsigned nr)
{
	sb_add(h, type, v, nr * sizeof(*v));
}
#define ADD(h, type, ...)							\
	add_u64s(h, BCH_SB_FIELD_##type, (const u64[]) { __VA_ARGS__ },		\
		 sizeof((const u64[]) { __VA_ARGS__ }) / sizeof(u64))

static BREAK(journal_good) { ADD(h, journal, 40, 20, 1023); }
static BREAK(journal_0) { ADD(h, journal, 40, 0); }
static BREAK(journal_past) { ADD(h, journal, 40, 1024); }
static BREAK(journal_max) { ADD(h, journal, 40, ~0ULL); }
static BREAK(journal_dup) { ADD(h, journal, 40, 20, 40); }
static BREAK(journal_first)
{
	sb_member(h, 0)->first_bucket = cpu_to_le16(30);
	ADD(h, journal, 40, 20);
}

static BREAK(jv2_good) { ADD(h, journal_v2, 500, 10, 17, 16, 1000, 24); }
static BREAK(jv2_empty) { sb_add(h, BCH_SB_FIELD_journal_v2, "", 0); }
static BREAK(jv2_nr_0) { ADD(h, journal_v2, 500, 0); }
static BREAK(jv2_wrap) { ADD(h, journal_v2, 500, ~0ULL); }
static BREAK(jv2_start_0) { ADD(h, journal_v2, 0, 4); }
static BREAK(jv2_past) { ADD(h, journal_v2, 1000, 25); }
static BREAK(jv2_overlap) { ADD(h, journal_v2, 500, 10, 490, 11); }

static BREAK(crypt_short) { ADD(h, crypt, 0, 0, 0); }
static BREAK(crypt_kdf) { ADD(h, crypt, 1, 0, 0, 0, 0, 0, 0); }
static BREAK(crypt_good) { ADD(h, crypt, 0, 0, 0, 0, 0, 0, 0); }
static BREAK(quota_short) { ADD(h, quota, 0, 0); }
static BREAK(quota_good) { ADD(h, quota, 0, 0, 0, 0, 0, 0, 0, 0, 0); }

#define ADD_BYTES(h, type, ...)							\
	sb_add(h, BCH_SB_FIELD_##type, (const u8[]) { __VA_ARGS__ },		\
	       sizeof((const u8[]) { __VA_ARGS__ }))

static BREAK(r0_good) { ADD_BYTES(h, replicas_v0, 3, 2, 1, 0, 3, 1, 0, 4, 2, 0, 255); }
static BREAK(r0_no_devs) { ADD_BYTES(h, replicas_v0, 3, 0); }
static BREAK(r0_bad_dev) { ADD_BYTES(h, replicas_v0, 3, 1, 2); }
static BREAK(r0_dup) { ADD_BYTES(h, replicas_v0, 3, 2, 0, 1, 4, 1, 0, 3, 2, 1, 0); }
static BREAK(r0_cut) { ADD_BYTES(h, replicas_v0, 3, 1, 0, 4, 200, 7, 7, 7); }
static BREAK(r1_good) { ADD_BYTES(h, replicas, 3, 2, 1, 0, 1, 4, 1, 0, 1); }
static BREAK(r1_required) { ADD_BYTES(h, replicas, 4, 2, 2, 0, 1); }
static BREAK(r1_dup) { ADD_BYTES(h, replicas, 3, 1, 1, 0, 3, 1, 1, 0); }
static BREAK(r1_not_dup) { ADD_BYTES(h, replicas, 3, 2, 0, 0, 1, 3, 2, 1, 0, 1); }
static BREAK(r1_deleted_dev)
{
	sb_member(h, 1)->uuid = BCH_SB_MEMBER_DELETED_UUID;
	ADD_BYTES(h, replicas, 3, 1, 1, 1);
}

static struct bch_disk_group group(const char *label, unsigned parent, bool deleted)
{
	struct bch_disk_group g = {};

	strncpy((char *) g.label, label, sizeof(g.label));
	SET_BCH_GROUP_PARENT(&g, parent);
	SET_BCH_GROUP_DELETED(&g, deleted);
	return g;
}
#define GROUPS(h, ...)								\
do {										\
	const struct bch_disk_group _g[] = { __VA_ARGS__ };			\
	sb_add(h, BCH_SB_FIELD_disk_groups, _g, sizeof(_g));			\
} while (0)

static BREAK(groups_good)
{
	GROUPS(h, group("ssd", 0, 0), group("a", 1, 0), group("a", 0, 0), group("", 0, 1));
	SET_BCH_MEMBER_GROUP(sb_member(h, 0), 2);
}
static BREAK(groups_member)
{
	GROUPS(h, group("ssd", 0, 0));
	SET_BCH_MEMBER_GROUP(sb_member(h, 1), 2);
}
static BREAK(groups_deleted)
{
	GROUPS(h, group("ssd", 0, 1));
	SET_BCH_MEMBER_GROUP(sb_member(h, 1), 1);
}
static BREAK(groups_empty) { GROUPS(h, group("ssd", 0, 0), group("", 0, 0)); }
static BREAK(groups_dup) { GROUPS(h, group("a", 0, 0), group("b", 0, 0), group("a", 0, 0)); }

static BREAK(clean_short) { ADD(h, clean, 0); }
static BREAK(clean_good) { ADD(h, clean, 0, 5, 0x0000000500020001ULL, 7, 0, 0); }
static BREAK(clean_overrun) { ADD(h, clean, 0, 5, 0x0000000500020001ULL, 7, 0x2, 0); }

static BREAK(bl_good) { ADD(h, journal_seq_blacklist, 1, 2, 2, 9, 100, 164); }
static BREAK(bl_empty) { ADD(h, journal_seq_blacklist, 1, 2, 9, 9); }
static BREAK(bl_order) { ADD(h, journal_seq_blacklist, 5, 9, 8, 20); }

static BREAK(errors_good) { ADD(h, errors, 115 | 2 << 16, 1, 900 | 1 << 16, 1); }
static BREAK(errors_count) { ADD(h, errors, 115, 1); }
static BREAK(errors_order) { ADD(h, errors, 115 | 1 << 16, 1, 115 | 1 << 16, 1); }

static BREAK(ext_short) { bch2_sb_field_resize_id(h, BCH_SB_FIELD_ext, 10); }
static BREAK(ext_old) { bch2_sb_field_resize_id(h, BCH_SB_FIELD_ext, 12); }

static BREAK(dg_good)
{
	/* the 38 bytes of spec 12 section 7.1 */
	ADD_BYTES(h, downgrade, 0x26, 4, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0,
		  0x7c, 0, 0x72, 0, 0x7b, 0);
}
static BREAK(dg_major)
{
	ADD_BYTES(h, downgrade, 0x26, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
}
static BREAK(dg_overrun)
{
	ADD_BYTES(h, downgrade, 0x26, 4, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0);
}

static BREAK(etu_good) { ADD_BYTES(h, extent_type_u64s, 1, 1, 2, 3, 1, 1, 1, 1, 1, 4, 7); }
static BREAK(etu_wrong) { ADD_BYTES(h, extent_type_u64s, 1, 1, 2, 2, 1, 1, 1, 1, 1); }

static const struct {
	const char	*name;
	void		(*breaks)(struct bch_sb_handle *);
	int		ret;
	const char	*text;
	unsigned	flags;
} cases[] = {
#define C(f, ret, text)		{ #f, f, ret, text, 0 }
#define BAD(f, err, text)	{ #f, f, BCH_ERR_invalid_##err, text, 0 }
#define BAD_W(f, err, text)	{ #f, f, BCH_ERR_invalid_##err, text, BCH_VALIDATE_write }
	C(nothing, 0, ""),
	BAD(version_old,	sb_version,	"unsupported superblock version 0.8"),
	BAD(version_major,	sb_version,	"unsupported superblock version 2.0"),
	C(version_minor, 0, ""),
	BAD(version_min_old,	sb_version,	"version_min 0.3"),
	BAD(version_order,	sb_version,
	    "minimum version 1.38, greater than version field 1.20"),
	BAD(feature,		sb_features,	"unknown incompatible features (1000000 0)"),
	BAD(feature_word,	sb_features,	"unknown incompatible features (0 1)"),
	BAD(incompat,		sb_features,	"incompatible version: (unknown version) (1.39)"),
	BAD(big_endian,		sb_big_endian,	"big-endian"),
	BAD(user_uuid,		sb_uuid,	"user UUID"),
	BAD(uuid,		sb_uuid,	"internal UUID"),
	BAD(moved,		sb_offset,	"says 2056, but was read from 8"),
	BAD(no_devices,		sb_too_many_members, "nr_devices 0"),
	BAD(dev_idx,		sb_dev_idx,	"dev_idx 2 >= nr_devices 2"),
	BAD(precision_0,	sb_time_precision, "precision 0"),
	BAD(precision_big,	sb_time_precision, "precision 1000000001"),
	BAD(block_0,		sb_block_size,	"block size: 0"),
	BAD(block_3,		sb_block_size,	"block size: 3"),
	BAD(block_128,		sb_block_size,	"block size: 128"),
	BAD(node_0,		sb_opt,		"btree node size: 0"),
	BAD(node_3,		sb_opt,		"btree node size: 48"),
	BAD(layout_magic,	sb_layout,	"not a bcachefs superblock layout"),
	BAD(layout_type,	sb_layout_type,	"layout type 1"),
	BAD(layout_nr_0,	sb_layout_nr_superblocks, "0 superblocks"),
	BAD(layout_nr_62,	sb_layout_nr_superblocks, "62 superblocks"),
	BAD(layout_bits,	sb_layout_sb_max_size_bits, "sb_max_size_bits 17"),
	BAD(layout_overlap,	sb_layout_superblocks_overlap, "0 at sector 8, 1 at sector 2055"),
	BAD(layout_order,	sb_layout_superblocks_overlap, "2 at sector 8"),
	BAD(layout_wrap,	sb_layout_superblocks_overlap, "overlap"),
	C(legacy_magic, 0, ""),
	BAD(section_0,		sb_field_size,	"invalid section ext at byte 1360: length 0"),
	BAD(section_long,	sb_field_size,	"(14 u64s, 13 left)"),
	BAD(section_huge,	sb_field_size,	"invalid section ext"),
	C(section_unknown, 0, ""),
	BAD(no_members,		sb_members_missing, "no member info"),

	BAD(members_short,	sb_members,	"section members_v2: too small for 2 devices"),
	BAD(members_stride,	sb_members,	"member entries of 0 bytes"),
	BAD(nbuckets_big,	sb_members,	"device 1: too many buckets (2147483584"),
	BAD(nbuckets_small,	sb_members,	"device 0: not enough buckets (511"),
	BAD(first_bucket,	sb_members,
	    "device 0: not enough buckets (1024, first usable 513"),
	BAD(first_wraps,	sb_members,	"device 0: not enough buckets"),
	BAD(bucket_0,		sb_members,
	    "device 1: bucket size 0 smaller than block size 8"),
	BAD(bucket_lt_block,	sb_members,
	    "device 1: bucket size 4 smaller than block size 8"),
	BAD(bucket_lt_node,	sb_members,
	    "device 1: bucket size 32 smaller than btree node size 64"),
	BAD(bitmap_shift,	sb_members,	"device 1: invalid btree_bitmap_shift 58"),
	BAD(freespace,		sb_members,	"device 1: freespace initialized"),
	BAD(deleted_slot,	sb_members,	"device 1: not enough buckets (0"),
	C(members_v1_too, 0, ""),

	C(journal_good, 0, ""),
	BAD(journal_0,		sb_journal,	"section journal: bucket 0 holds the superblock"),
	BAD(journal_past,	sb_journal,
	    "journal bucket 1024 past end of device 0 (nbuckets 1024)"),
	BAD(journal_max,	sb_journal,	"past end of device"),
	BAD(journal_dup,	sb_journal,	"duplicate journal bucket 40"),
	BAD(journal_first,	sb_journal,	"journal bucket 20 before first bucket 30"),
	C(jv2_good, 0, ""),
	C(jv2_empty, 0, ""),
	BAD(jv2_nr_0,		sb_journal,	"range 0: start 500 nr 0"),
	BAD(jv2_wrap,		sb_journal,	"range 0: start 500 nr 18446744073709551615"),
	BAD(jv2_start_0,	sb_journal,	"bucket 0 holds the superblock"),
	BAD(jv2_past,		sb_journal,	"journal bucket 1024 past end"),
	BAD(jv2_overlap,	sb_journal,	"ranges 490-501 and 500-510"),

	BAD(crypt_short,	sb_crypt,	"section crypt: too small (32 bytes, at least 64)"),
	BAD(crypt_kdf,		sb_crypt,	"unknown key derivation function 1"),
	C(crypt_good, 0, ""),
	BAD(quota_short,	sb_quota,	"section quota: too small"),
	C(quota_good, 0, ""),

	C(r0_good, 0, ""),
	BAD(r0_no_devs,		replicas_entry,	"no devices in entry btree: 1/0 []"),
	BAD(r0_bad_dev,		replicas_entry,	"invalid device 2 in entry btree: 1/1 [2]"),
	BAD(r0_dup,		sb_replicas,	"duplicate replicas entry btree: 1/2 [0 1]"),
	C(r0_cut, 0, ""),
	C(r1_good, 0, ""),
	BAD(r1_required,	replicas_entry,	"bad nr_required in entry user: 2/2 [0 1]"),
	BAD(r1_dup,		sb_replicas,	"duplicate replicas entry btree: 1/1 [0]"),
	C(r1_not_dup, 0, ""),
	BAD(r1_deleted_dev,	replicas_entry,	"invalid device 1"),

	C(groups_good, 0, ""),
	BAD(groups_member,	sb_disk_groups,	"device 1: label 1 does not exist (there are 1)"),
	BAD(groups_deleted,	sb_disk_groups,	"device 1: label 0 is deleted"),
	BAD(groups_empty,	sb_disk_groups,	"label 1 is empty"),
	BAD(groups_dup,		sb_disk_groups,	"duplicate label a"),

	BAD(clean_short,	sb_clean,	"section clean: too small (16 bytes, at least 24)"),
	C(clean_good, 0, ""),
	BAD(clean_overrun,	sb_clean,
	    "entry at byte 40 runs past end of section (56 bytes)"),

	C(bl_good, 0, ""),
	BAD(bl_empty,		sb_journal_seq_blacklist, "entry 1: start 9 not before end 9"),
	BAD(bl_order,		sb_journal_seq_blacklist, "entries 0 and 1 out of order (9 > 8)"),

	C(errors_good, 0, ""),
	BAD(errors_count,	sb_errors,	"freespace_key_wrong with count 0"),
	BAD(errors_order,	sb_errors,	"entry 1 has id 115 after 115"),

	BAD(ext_short,		sb_ext,		"section ext: too small (80 bytes, at least 88)"),
	C(ext_old, 0, ""),

	C(dg_good, 0, ""),
	BAD(dg_major,		sb_downgrade,	"entry 0: version"),
	C(dg_overrun, 0, ""),
	BAD_W(dg_overrun,	sb_downgrade,	"entry 0: 9 errors run past end"),

	C(etu_good, 0, ""),
	BAD(etu_wrong,		sb_extent_type_u64s, "type crc128: 2 u64s, should be 3"),
#undef C
#undef BAD
#undef BAD_W
};

static void rules(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bch_sb_handle h;

		sb_make(&h, 2);
		cases[i].breaks(&h);
		assert_invalid(&h, cases[i].flags, cases[i].ret, cases[i].text, cases[i].name);
		bch2_free_super(&h);
	}
}

/* What newer software may have changed does not keep anybody from looking. */
static void no_version_check(void **state)
{
	static void (*const breaks[])(struct bch_sb_handle *) = {
		feature, feature_word, incompat, big_endian
	};
	struct bch_opts opts = bch2_opts_empty();

	opt_set(opts, no_version_check, true);
	for (size_t i = 0; i < ARRAY_SIZE(breaks); i++) {
		struct bch_sb_handle h;
		CLASS(printbuf, err)();

		sb_make(&h, 2);
		breaks[i](&h);
		assert_int_equal(bch2_sb_validate(h.sb, &opts, BCH_SB_SECTOR, 0, &err), 0);
		bch2_free_super(&h);
	}
}

/* Rules that only hold for what is written. */
static void before_writing(void **state)
{
	struct bch_sb_handle h;

	sb_make(&h, 2);
	assert_invalid(&h, BCH_VALIDATE_write, 0, "", "as made");

	SET_BCH_SB_VERSION_INCOMPAT_ALLOWED(h.sb, BCH_VERSION(1, 20));
	SET_BCH_SB_VERSION_INCOMPAT(h.sb, BCH_VERSION(1, 25));
	assert_invalid(&h, BCH_VALIDATE_write, BCH_ERR_invalid_sb_version, "version_incompat",
		       "incompat above allowed");
	assert_invalid(&h, 0, 0, "", "incompat above allowed, reading");
	SET_BCH_SB_VERSION_INCOMPAT(h.sb, 0);

	sb_member(&h, 0)->seq = cpu_to_le64(99);
	assert_invalid(&h, BCH_VALIDATE_write, BCH_ERR_invalid_sb_members_missing,
		       "member seq 99 is not the superblock's 100", "member seq");
	assert_invalid(&h, 0, 0, "", "member seq, reading");
	bch2_free_super(&h);
}

/* --- checksum --- */

static void checksums(void **state)
{
	static const u8 types[] = {
		BCH_CSUM_none, BCH_CSUM_crc32c_nonzero, BCH_CSUM_crc64_nonzero,
		BCH_CSUM_crc32c, BCH_CSUM_crc64, BCH_CSUM_xxhash
	};
	struct bch_sb_handle h;

	sb_make(&h, 1);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		CLASS(printbuf, err)();

		SET_BCH_SB_CSUM_TYPE(h.sb, types[i]);
		sb_csum(h.sb);
		assert_int_equal(bch2_sb_csum_validate(h.sb, &err), 0);
		if (types[i] == BCH_CSUM_none)
			continue;
		h.sb->write_time ^= 1;
		assert_int_equal(bch2_sb_csum_validate(h.sb, &err), -BCH_ERR_invalid_sb_csum);
		assert_non_null(strstr(printbuf_str(&err), "bad checksum"));
	}
	for (unsigned type = 0; type < 64; type++) {
		CLASS(printbuf, err)();

		if (type < 8 && !bch2_csum_type_is_encryption(type))
			continue;
		SET_BCH_SB_CSUM_TYPE(h.sb, type);
		assert_int_equal(bch2_sb_csum_validate(h.sb, &err),
				 -BCH_ERR_invalid_sb_csum_type);
	}
	bch2_free_super(&h);
}

/* --- corrections (Documentation/format/10 section 5.9) --- */

static void fixups(void **state)
{
	const struct bch_sb_field_ext *ext;
	struct bch_sb_handle h;
	struct bch_sb *sb;

	sb_make(&h, 2);
	h.sb->version = cpu_to_le16(BCH_VERSION(1, 9));
	h.sb->version_min = h.sb->version;
	memset(h.sb->flags, 0, sizeof(h.sb->flags));
	SET_BCH_SB_VERSION_INCOMPAT_ALLOWED(h.sb, BCH_VERSION(1, 30));
	bch2_sb_field_resize(&h, ext, 12);

	assert_int_equal(bch2_sb_fixup(&h), 0);
	sb = h.sb;
	assert_int_equal(BCH_SB_VERSION_INCOMPAT_ALLOWED(sb), BCH_VERSION(1, 9));
	assert_int_equal(BCH_SB_VERSION_UPGRADE_COMPLETE(sb), BCH_VERSION(1, 9));
	assert_int_equal(BCH_SB_MULTI_DEVICE(sb), 1);
	assert_int_equal(BCH_SB_JOURNAL_FLUSH_DELAY(sb), 1000);
	assert_int_equal(BCH_SB_JOURNAL_RECLAIM_DELAY(sb), 1000);
	assert_int_equal(BCH_SB_ALLOCATOR_STUCK_TIMEOUT(sb), 30);
	assert_int_equal(BCH_SB_PROMOTE_WHOLE_EXTENTS(sb), 1);
	assert_int_equal(BCH_SB_WRITE_ERROR_TIMEOUT(sb), 30);
	assert_int_equal(BCH_SB_CSUM_ERR_RETRY_NR(sb), 3);

	ext = bch2_sb_field_get(sb, ext);
	assert_int_equal(bch2_sb_field_bytes(&ext->field), 104);
	assert_int_equal(BCH_SB_EXT_DEV_READAHEAD(ext), 4096);
	assert_int_equal(BCH_SB_EXT_EC_STRIPE_BUF_LIMIT(ext), 5);
	assert_int_equal(BCH_SB_EXT_DISCARD_BUFFER(ext), 4);
	bch2_free_super(&h);

	/* newer versions: a 0 may be meant */
	sb_make(&h, 1);
	SET_BCH_SB_ALLOCATOR_STUCK_TIMEOUT(h.sb, 0);
	SET_BCH_SB_CSUM_ERR_RETRY_NR(h.sb, 0);
	SET_BCH_SB_VERSION_INCOMPAT_ALLOWED(h.sb, BCH_VERSION(1, 20));
	SET_BCH_SB_VERSION_INCOMPAT(h.sb, BCH_VERSION(1, 25));
	assert_int_equal(bch2_sb_fixup(&h), 0);
	assert_int_equal(BCH_SB_ALLOCATOR_STUCK_TIMEOUT(h.sb), 0);
	assert_int_equal(BCH_SB_CSUM_ERR_RETRY_NR(h.sb), 0);
	assert_int_equal(BCH_SB_VERSION_INCOMPAT_ALLOWED(h.sb), BCH_VERSION(1, 25));
	assert_int_equal(BCH_SB_MULTI_DEVICE(h.sb), 0);
	ext = bch2_sb_field_get(h.sb, ext);
	assert_int_equal(BCH_SB_EXT_DISCARD_BUFFER(ext), 0);
	bch2_free_super(&h);
}

/* members_v1 becomes members_v2; longer entries of newer software stay. */
static void members_upgrade(void **state)
{
	struct bch_sb_field_members_v2 *v2;
	struct bch_member m[3];
	struct bch_sb_handle h;
	u8 v1[3 * BCH_MEMBER_V1_BYTES];

	sb_make(&h, 3);
	for (unsigned i = 0; i < 3; i++) {
		m[i] = bch2_sb_member_get(h.sb, i);
		memcpy(v1 + i * BCH_MEMBER_V1_BYTES, &m[i], BCH_MEMBER_V1_BYTES);
	}
	bch2_sb_field_resize(&h, members_v2, 0);
	sb_add(&h, BCH_SB_FIELD_members_v1, v1, sizeof(v1));
	assert_invalid(&h, 0, 0, "", "members_v1 only");
	assert_int_equal(bch2_sb_nr_alive(h.sb), 3);

	assert_int_equal(bch2_sb_members_upgrade(&h), 0);
	v2 = bch2_sb_field_get(h.sb, members_v2);
	assert_non_null(v2);
	assert_int_equal(le16_to_cpu(v2->member_bytes), sizeof(struct bch_member));
	for (unsigned i = 0; i < 3; i++) {
		struct bch_member got = bch2_sb_member_get(h.sb, i);

		assert_memory_equal(&got, &m[i], BCH_MEMBER_V1_BYTES);
		assert_int_equal(got.seq, 0);
	}
	assert_invalid(&h, 0, 0, "", "after the upgrade");

	/* a stride of 320: nothing is changed */
	v2 = bch2_sb_field_resize(&h, members_v2, 2 + 3 * 40);
	v2->member_bytes = cpu_to_le16(320);
	memset(v2->_members, 0x77, 3 * 320);
	assert_int_equal(bch2_sb_members_upgrade(&h), 0);
	v2 = bch2_sb_field_get(h.sb, members_v2);
	assert_int_equal(le16_to_cpu(v2->member_bytes), 320);
	assert_int_equal(v2->_members[959], 0x77);
	bch2_free_super(&h);
}

/* --- sections are moved, grown and removed as a whole --- */

static void resize(void **state)
{
	struct bch_sb_field *f;
	struct bch_sb_handle h;
	u32 before;

	sb_make(&h, 1);
	ADD(&h, journal, 11, 12, 13);
	ADD(&h, errors, 115 | 1 << 16, 5);
	before = le32_to_cpu(h.sb->u64s);

	f = bch2_sb_field_resize_id(&h, BCH_SB_FIELD_journal, 6);
	assert_int_equal(le32_to_cpu(h.sb->u64s), before + 2);
	assert_int_equal(((struct bch_sb_field_journal *) f)->buckets[2], 13);
	assert_int_equal(((struct bch_sb_field_journal *) f)->buckets[4], 0);
	f = bch2_sb_field_get_id(h.sb, BCH_SB_FIELD_errors);
	assert_int_equal(((struct bch_sb_field_errors *) f)->entries[0].last_error_time, 5);

	assert_null(bch2_sb_field_resize_id(&h, BCH_SB_FIELD_journal, 0));
	assert_null(bch2_sb_field_get_id(h.sb, BCH_SB_FIELD_journal));
	assert_int_equal(le32_to_cpu(h.sb->u64s), before - 4);
	f = bch2_sb_field_get_id(h.sb, BCH_SB_FIELD_errors);
	assert_int_equal(((struct bch_sb_field_errors *) f)->entries[0].last_error_time, 5);
	assert_null(bch2_sb_field_resize_id(&h, BCH_SB_FIELD_journal, 0));

	/* the layout leaves 1 MiB */
	f = bch2_sb_field_resize_id(&h, BCH_SB_FIELD_counters, (1 << 20) / 8);
	assert_int_equal(PTR_ERR(f), -BCH_ERR_ENOSPC_sb);
	assert_int_equal(le32_to_cpu(h.sb->u64s), before - 4);
	bch2_free_super(&h);
}

/* --- are the devices enough? (Documentation/format/10 section 13.4) --- */

static void losses(void **state)
{
	static const struct {
		struct bch_sb_replica	r;
		u8			devs[4];
		unsigned long		online;
		unsigned		loss;
	} t[] = {
		{ { BCH_DATA_btree, 2, 1 }, { 0, 1 }, 3, 0 },
		{ { BCH_DATA_btree, 2, 1 }, { 0, 1 }, 1, BCH_METADATA_DEGRADED },
		{ { BCH_DATA_btree, 2, 1 }, { 0, 1 }, 4, BCH_METADATA_DEGRADED|BCH_METADATA_LOST },
		{ { BCH_DATA_journal, 1, 1 }, { 1 }, 1, BCH_METADATA_DEGRADED|BCH_METADATA_LOST },
		{ { BCH_DATA_user, 2, 1 }, { 0, 1 }, 2, BCH_DATA_DEGRADED },
		{ { BCH_DATA_user, 1, 1 }, { 0 }, 2, BCH_DATA_DEGRADED|BCH_DATA_LOST },
		{ { BCH_DATA_cached, 1, 1 }, { 0 }, 2, 0 },
		{ { BCH_DATA_parity, 3, 2 }, { 0, 1, 2 }, 6, BCH_DATA_DEGRADED },
		{ { BCH_DATA_parity, 3, 2 }, { 0, 1, 2 }, 4, BCH_DATA_DEGRADED|BCH_DATA_LOST },
		/* device 255: there is none, so none is missing */
		{ { BCH_DATA_user, 2, 1 }, { 0, 255 }, 1, 0 },
		{ { BCH_DATA_user, 2, 1 }, { 255, 255 }, 0, 0 },
		{ { BCH_DATA_user, 1, 0 }, { 0 }, 2, BCH_DATA_DEGRADED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct bch_devs_mask online = { { t[i].online } };
		struct bch_sb_replica r = t[i].r;

		r.devs = t[i].devs;
		if (bch2_replica_loss(&r, &online) != t[i].loss)
			fail_msg("case %zu: got %x", i, bch2_replica_loss(&r, &online));
	}
}

static void enough_devs(void **state)
{
	struct bch_devs_mask one = { { 1 } }, both = { { 3 } };
	struct bch_sb_handle h;
	CLASS(printbuf, err)();

	sb_make(&h, 2);
	ADD_BYTES(&h, replicas_v0, 3, 2, 0, 1, 4, 1, 1);
	assert_true(bch2_sb_have_enough_devs(h.sb, &both, 0, &err));
	assert_false(bch2_sb_have_enough_devs(h.sb, &one, 0, &err));
	assert_non_null(strstr(printbuf_str(&err), "btree: 1/2 [0 1]: metadata would be degraded"));
	printbuf_reset(&err);
	assert_false(bch2_sb_have_enough_devs(h.sb, &one,
					      BCH_METADATA_DEGRADED|BCH_DATA_DEGRADED, &err));
	assert_non_null(strstr(printbuf_str(&err), "user: 1/1 [1]: data would be lost"));
	assert_true(bch2_sb_have_enough_devs(h.sb, &one, ~0U, &err));

	/* from 1.36 on, user data is not looked up here */
	SET_BCH_SB_VERSION_INCOMPAT(h.sb, BCH_VERSION(1, 36));
	assert_true(bch2_sb_have_enough_devs(h.sb, &one, BCH_METADATA_DEGRADED, &err));
	bch2_free_super(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules),
		cmocka_unit_test(no_version_check),
		cmocka_unit_test(before_writing),
		cmocka_unit_test(checksums),
		cmocka_unit_test(fixups),
		cmocka_unit_test(members_upgrade),
		cmocka_unit_test(resize),
		cmocka_unit_test(losses),
		cmocka_unit_test(enough_devs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
