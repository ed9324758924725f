// SPDX-License-Identifier: GPL-2.0
/*
 * Tables and bit ranges of the on-disk format, against worked examples and
 * sums of the format description (Documentation/format/).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "bcachefs_format.h"
#include "sb/fsck_err_types.h"

#define le(x)	cpu_to_le64(x)

/* 10, section 5.8: flag words of a filesystem with default options */
static void default_flags(void **state)
{
	struct bch_sb sb = { .flags = {
		le(0x8111110080200100ULL), le(0x0000000001124002ULL), 0,
		le(0x000000fa00000000ULL), le(0x0000000100000064ULL),
		le(0x04260000001e0000ULL), le(0x000010000000c1e0ULL),
	} };
	struct bch_sb_field_ext ext = { .flags0 = le(0x0000010028501000ULL) };
	struct bch_sb made = { 0 };

	assert_int_equal(BCH_SB_INITIALIZED(&sb), 0);
	assert_int_equal(BCH_SB_ERROR_ACTION(&sb), 1);
	assert_int_equal(BCH_SB_BTREE_NODE_SIZE(&sb), 512);
	assert_int_equal(BCH_SB_GC_RESERVE(&sb), 8);
	assert_int_equal(BCH_SB_META_CSUM_TYPE(&sb), 1);
	assert_int_equal(BCH_SB_DATA_CSUM_TYPE(&sb), 1);
	assert_int_equal(BCH_SB_META_REPLICAS_WANT(&sb), 1);
	assert_int_equal(BCH_SB_DATA_REPLICAS_WANT(&sb), 1);
	assert_int_equal(BCH_SB_POSIX_ACL(&sb), 1);
	assert_int_equal(BCH_SB_PROMOTE_WHOLE_EXTENTS(&sb), 1);
	assert_int_equal(BCH_SB_STR_HASH_TYPE(&sb), 2);
	assert_int_equal(BCH_SB_ENCODED_EXTENT_MAX_BITS(&sb), 9);
	assert_int_equal(BCH_SB_META_REPLICAS_REQ(&sb), 1);
	assert_int_equal(BCH_SB_DATA_REPLICAS_REQ(&sb), 1);
	assert_int_equal(BCH_SB_JOURNAL_FLUSH_DELAY(&sb), 1000);
	assert_int_equal(BCH_SB_JOURNAL_RECLAIM_DELAY(&sb), 100);
	assert_int_equal(BCH_SB_JOURNAL_TRANSACTION_NAMES(&sb), 1);
	assert_int_equal(BCH_SB_ALLOCATOR_STUCK_TIMEOUT(&sb), 30);
	assert_int_equal(BCH_SB_VERSION_INCOMPAT_ALLOWED(&sb), 1062);
	assert_int_equal(BCH_SB_WRITE_ERROR_TIMEOUT(&sb), 30);
	assert_int_equal(BCH_SB_CSUM_ERR_RETRY_NR(&sb), 3);
	assert_int_equal(BCH_SB_EXTENT_BP_SHIFT(&sb), 16);
	assert_int_equal(BCH_SB_EXT_DEV_READAHEAD(&ext), 4096);
	assert_int_equal(BCH_SB_EXT_EC_STRIPE_BUF_LIMIT(&ext), 5);
	assert_int_equal(BCH_SB_EXT_SCRUB_MAX_REWIND_SECS(&ext), 10);
	assert_int_equal(BCH_SB_EXT_DISCARD_BUFFER(&ext), 4);

	SET_BCH_SB_PROMOTE_WHOLE_EXTENTS(&made, 1);
	SET_BCH_SB_POSIX_ACL(&made, 1);
	SET_BCH_SB_DATA_REPLICAS_WANT(&made, 1);
	SET_BCH_SB_META_REPLICAS_WANT(&made, 1);
	SET_BCH_SB_DATA_CSUM_TYPE(&made, 1);
	SET_BCH_SB_META_CSUM_TYPE(&made, 1);
	SET_BCH_SB_GC_RESERVE(&made, 8);
	SET_BCH_SB_BTREE_NODE_SIZE(&made, 512);
	SET_BCH_SB_ERROR_ACTION(&made, 1);
	assert_int_equal(made.flags[0], sb.flags[0]);
}

/* 11, section 2: compression zstd:7, background_compression gzip */
static void compression_nibbles(void **state)
{
	struct bch_sb sb = { .flags[1] = le(0x0000000001124002ULL),
			     .flags[4] = le(0x0000000100000064ULL) };

	SET_BCH_SB_COMPRESSION_TYPE(&sb, 0x73);
	SET_BCH_SB_BACKGROUND_COMPRESSION_TYPE(&sb, 2);
	SET_BCH_SB_FOREGROUND_TARGET(&sb, 257);
	assert_int_equal(le64_to_cpu(sb.flags[1]), 0x0001010001124032ULL);
	assert_int_equal(le64_to_cpu(sb.flags[2]), 2);
	assert_int_equal(le64_to_cpu(sb.flags[4]), 0x0700000100000064ULL);
	assert_int_equal(BCH_SB_COMPRESSION_TYPE(&sb), 0x73);
	assert_int_equal(BCH_SB_BACKGROUND_COMPRESSION_TYPE(&sb), 2);
}

/* A setter leaves all other bits alone and cuts what does not fit. */
static void setters(void **state)
{
	struct bch_sb sb = { 0 };
	struct bch_snapshot s = { .flags = cpu_to_le32(U32_MAX) };

	for (unsigned i = 0; i < 7; i++)
		sb.flags[i] = le(U64_MAX);
	SET_BCH_SB_BTREE_NODE_SIZE(&sb, 0);
	assert_int_equal(le64_to_cpu(sb.flags[0]), 0xfffffffff0000fffULL);
	SET_BCH_SB_BTREE_NODE_SIZE(&sb, U64_MAX);
	assert_int_equal(le64_to_cpu(sb.flags[0]), U64_MAX);
	SET_BCH_SB_GC_RESERVE_BYTES(&sb, 1);
	assert_int_equal(le64_to_cpu(sb.flags[2]), 0x1f);
	SET_BCH_SB_BLOCK_SIZE(&sb, 0x12345);
	assert_int_equal(le16_to_cpu(sb.block_size), 0x2345);
	SET_BCH_SNAPSHOT_DELETED(&s, 0);
	assert_int_equal(le32_to_cpu(s.flags), 0xfffffffbU);
	assert_int_equal(LE_BITS_MAX(BCH_SB_BTREE_NODE_SIZE), 0xffff);
	assert_int_equal(BCH_SB_BTREE_NODE_SIZE_SHIFT, 12);
}

/* 10, section 4.2 */
static void magics(void **state)
{
	struct bch_sb sb = { .uuid = { .b = {
		0x4d, 0xb0, 0xb4, 0x57, 0x2c, 0x62, 0x49, 0xba,
		0xa6, 0xa7, 0xdc, 0x8c, 0xe6, 0xea, 0x5a, 0xa3 } } };

	assert_int_equal(bch2_sb_jset_magic(&sb), 0x9e1b57edf4d6e07fULL);
	assert_int_equal(bch2_sb_bset_magic(&sb), 0x2a5a3e54ee2ab7b8ULL);
}

/* 10, section 9.8.1 */
static void member_flags(void **state)
{
	struct bch_member m = { .flags = le(0x00000002600e4000ULL) };

	assert_int_equal(BCH_MEMBER_STATE(&m), BCH_MEMBER_STATE_rw);
	assert_int_equal(BCH_MEMBER_DISCARD(&m), 1);
	assert_int_equal(BCH_MEMBER_DATA_ALLOWED(&m), 0x1c);
	assert_int_equal(BCH_MEMBER_GROUP(&m), 0);
	assert_int_equal(BCH_MEMBER_DURABILITY(&m), 2);
	assert_int_equal(BCH_MEMBER_FREESPACE_INITIALIZED(&m), 1);
	assert_int_equal(BCH_MEMBER_ROTATIONAL(&m), 0);
	assert_int_equal(BCH_MEMBER_ROTATIONAL_SET(&m), 1);
	assert_int_equal(BCH_MEMBER_INITIALIZED(&m), 0);
}

/* 12: numbers that are written down there */
static void versions(void **state)
{
	assert_int_equal(bcachefs_metadata_version_current, 1062);
	assert_int_equal(bcachefs_metadata_version_need_discard_by_journal_seq, 0x426);
	assert_int_equal(bcachefs_metadata_version_inode_has_case_insensitive, 0x41c);
	assert_int_equal(bcachefs_metadata_version_major_minor, 1024);
	assert_int_equal(bcachefs_metadata_version_bkey_renumber, 10);
	assert_true(bch2_version_compatible(9));
	assert_false(bch2_version_compatible(8));
	assert_true(bch2_version_compatible(1063));
	assert_true(bch2_version_compatible(2047));
	assert_false(bch2_version_compatible(2048));
}

static void versions_are_complete(void **state)
{
	static const unsigned v[] = {
#define x(major, minor, ...)	BCH_VERSION(major, minor),
		BCH_METADATA_VERSIONS(x)
#undef x
	};

	assert_int_equal(v[0], 10);
	for (size_t i = 1; i < ARRAY_SIZE(v); i++)
		assert_true(v[i] == v[i - 1] + 1 || (v[i - 1] == 29 && v[i] == 1024));
}

static void passes(void **state)
{
	static const struct {
		unsigned	stable, flags;
		u64		deps;
	} p[] = {
#define x(id, name, _flags, _deps)	{ id, _flags, _deps },
		BCH_RECOVERY_PASSES(x)
#undef x
	};
	u64 fsck = 0, fsck_stable = 0, all = 0, always = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
		if (p[i].flags & PASS_FSCK) {
			fsck |= 1ULL << i;
			fsck_stable |= 1ULL << p[i].stable;
		}
		if (p[i].flags & PASS_ALWAYS)
			always |= 1ULL << p[i].stable;
		all |= 1ULL << p[i].stable;
		/* no pass relies on a later one */
		assert_true(p[i].deps < 1ULL << i);
	}
	assert_int_equal(fsck, BCH_RECOVERY_PASSES_FSCK);
	assert_int_equal(fsck_stable, BCH_RECOVERY_PASSES_FSCK_STABLE);
	assert_int_equal(all, (1ULL << 49) - 1);
	assert_int_equal(always, 1ULL << 39 | 1 << 0 | 1 << 3 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9 |
			 1ULL << 48 | 1 << 16 | 1 << 19 | 1 << 23 | 1ULL << 32 | 1ULL << 42);
	assert_int_equal(BCH_RECOVERY_PASS_check_topology, 2);
	assert_int_equal(BCH_RECOVERY_PASS_STABLE_check_topology, 4);
}

static void error_ids(void **state)
{
	static const struct {
		const char	*name;
		unsigned	flags;
	} e[] = {
#define x(id, name, flags)	[id] = { #name, flags },
		BCH_SB_ERRS(x)
#undef x
	};
	unsigned autofix = 0;

	assert_int_equal(ARRAY_SIZE(e), 365);
	for (unsigned i = 0; i < ARRAY_SIZE(e); i++) {
		assert_non_null(e[i].name);
		autofix += e[i].flags == FSCK_AUTOFIX;
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(e[i].name, e[j].name);
	}
	assert_int_equal(autofix, 152);
	/* cited elsewhere in the description */
	assert_string_equal(e[0].name, "clean_but_journal_not_empty");
	assert_string_equal(e[42].name, "bset_bad_csum");
	assert_string_equal(e[272].name, "accounting_mismatch");
	assert_string_equal(e[330].name, "extent_io_opts_not_set");
	assert_string_equal(e[346].name, "stripe_to_missing_bucket_ref");
	assert_int_equal(e[57].flags, FSCK_AUTOFIX);	/* 20, section 11.2 */
	assert_int_equal(e[42].flags, 0);
}

/* 12, section 7.1: an entry of the downgrade table, byte for byte */
static void downgrade_table(void **state)
{
	static const struct {
		unsigned	version;
		u64		passes;
		u16		errors[16];
	} t[] = {
#define x(name, _passes, ...)							\
	{ bcachefs_metadata_version_##name, _passes, { __VA_ARGS__ } },
		BCH_DOWNGRADE_TABLE(x)
#undef x
	};
	unsigned i = ARRAY_SIZE(t) - 1, bytes = 0;

	assert_int_equal(t[i].version, 0x426);
	assert_int_equal(t[i].passes, 0x400);
	assert_int_equal(t[i].errors[0], 0x7c);
	assert_int_equal(t[i].errors[1], 0x72);
	assert_int_equal(t[i].errors[2], 0x7b);
	assert_int_equal(t[i].errors[3], 0);

	/* "the full table (eight entries 1.9 .. 1.38, 238 bytes, 31 units)" */
	for (i = 1; i < ARRAY_SIZE(t); i++) {
		bytes += sizeof(struct bch_sb_field_downgrade_entry);
		for (unsigned j = 0; t[i].errors[j]; j++)
			bytes += sizeof(u16);
		assert_true(t[i].version > t[i - 1].version);
	}
	assert_int_equal(ARRAY_SIZE(t) - 1, 8);
	assert_int_equal(bytes, 238);
}

static void btree_properties(void **state)
{
	assert_true(btree_id_is_extents(BTREE_ID_freespace));
	assert_false(btree_id_is_extents(BTREE_ID_dirents));
	assert_true(btree_type_has_snapshots(BTREE_ID_xattrs));
	assert_false(btree_type_has_snapshots(BTREE_ID_deleted_inodes));
	assert_true(btree_type_has_snapshot_field(BTREE_ID_deleted_inodes));
	assert_true(btree_type_has_snapshot_field(BTREE_ID_inodes));
	assert_false(btree_type_has_snapshot_field(BTREE_ID_alloc));
	assert_false(btree_id_is_extents(BTREE_ID_NR));
	assert_false(btree_id_is_alloc(200));
	assert_true(btree_id_is_alloc(BTREE_ID_alloc));
	assert_true(btree_id_can_reconstruct(BTREE_ID_snapshot_trees));
	assert_false(btree_id_can_reconstruct(BTREE_ID_snapshots));
	assert_int_equal(btree_id_key_types(BTREE_ID_quotas),
			 1ULL << KEY_TYPE_quota | 1ULL << KEY_TYPE_deleted);
	assert_int_equal(btree_id_key_types(BTREE_ID_NR), U64_MAX);
}

/* 20, section 8.7: the header of a real node */
static void node_flags(void **state)
{
	struct btree_node n = { .flags = le(0x0000000100000102ULL) };
	struct bset b = { .flags = cpu_to_le32(0x00080001) };

	assert_int_equal(BTREE_NODE_ID(&n), 2);
	assert_int_equal(BTREE_NODE_LEVEL(&n), 0);
	assert_int_equal(BTREE_NODE_NEW_EXTENT_OVERWRITE(&n), 1);
	assert_int_equal(BTREE_NODE_SEQ(&n), 1);
	assert_int_equal(BSET_CSUM_TYPE(&b), 1);
	assert_int_equal(BSET_OFFSET(&b), 8);

	SET_BTREE_NODE_ID(&n, 0x1234);
	assert_int_equal(BTREE_NODE_ID(&n), 0x1234);
	assert_int_equal(BTREE_NODE_LEVEL(&n), 0);
	assert_int_equal(BTREE_NODE_SEQ(&n), 1);
}

/* 20, section 6.5, key B in current format */
static void key_layout(void **state)
{
	static const u8 bytes[40] = {
		0x06, 0x01, 0x06, 0x00, [16] = 0x40, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
		0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
	};
	struct bkey k;

	memcpy(&k, bytes, sizeof(k));
	assert_int_equal(k.u64s, 6);
	assert_int_equal(k.format, KEY_FORMAT_CURRENT);
	assert_int_equal(k.needs_whiteout, 0);
	assert_int_equal(k.type, KEY_TYPE_extent);
	assert_int_equal(k.size, 64);
	assert_int_equal(k.p.inode, 4096);
	assert_int_equal(k.p.offset, 128);
	assert_int_equal(k.p.snapshot, U32_MAX);
	assert_int_equal(bkey_start_offset(&k), 64);
	assert_int_equal(bkey_val_u64s(&k), 1);
	assert_int_equal(bkey_val_bytes(&k), 8);
}

#define ENTRY(type, name, ...)	struct bch_extent_##type name;			\
	static const u8 name##_b[] = { __VA_ARGS__ };				\
	assert_int_equal(sizeof(name##_b), sizeof(name));			\
	memcpy(&name, name##_b, sizeof(name))

/* 50, section 3; 53, section 3.1 */
static void extent_entries(void **state)
{
	ENTRY(ptr, p, 0x01, 0x80, 0x00, 0x01, 0, 0, 0x01, 0x07);
	ENTRY(ptr, pc, 0x03, 0x04, 0x80, 0, 0, 0, 0x02, 0x03);
	ENTRY(ptr, pu, 0x09, 0x04, 0x80, 0, 0, 0, 0, 0x03);
	ENTRY(crc32, c32, 0x3e, 0x7e, 0x18, 0x45, 0x78, 0x56, 0x34, 0x12);
	ENTRY(crc64, c64, 0x3c, 0xf0, 0x07, 0x00, 0x18, 0x33, 0xaa, 0xbb,
	      0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11);
	ENTRY(stripe_ptr, s, 0x50, 0x40, 0x9a, 0, 0, 0, 0, 0);
	ENTRY(flags, f, 0xc0, 0, 0, 0, 0, 0, 0, 0);
	ENTRY(reconcile, r, 0x80, 0x08, 0x20, 0xa4, 0x00, 0x20, 0x10, 0x00);
	ENTRY(reconcile_bp, rb, 0x00, 0x0b, 0, 0, 0, 0, 0, 0);
	struct bch_extent_crc128 c128 = { .w = le(0x0400000003fe1ff8ULL) };

	assert_int_equal(EXTENT_PTR_TYPE(&p), 1);
	assert_int_equal(EXTENT_PTR_DEV(&p), 1);
	assert_int_equal(EXTENT_PTR_OFFSET(&p), 0x100800);
	assert_int_equal(EXTENT_PTR_GEN(&p), 7);
	assert_int_equal(EXTENT_PTR_CACHED(&p), 0);
	assert_int_equal(EXTENT_PTR_CACHED(&pc), 1);
	assert_int_equal(EXTENT_PTR_OFFSET(&pc), 0x80040);
	assert_int_equal(EXTENT_PTR_UNWRITTEN(&pu), 1);

	assert_int_equal(CRC32_TYPE(&c32), 2);
	assert_int_equal(CRC32_COMPRESSED_SIZE(&c32), 15);
	assert_int_equal(CRC32_UNCOMPRESSED_SIZE(&c32), 63);
	assert_int_equal(CRC32_OFFSET(&c32), 24);
	assert_int_equal(CRC32_CSUM_TYPE(&c32), BCH_CSUM_crc32c);
	assert_int_equal(CRC32_COMPRESSION_TYPE(&c32), BCH_COMPRESSION_TYPE_zstd);
	assert_int_equal(le32_to_cpu(c32.csum), 0x12345678);

	assert_int_equal(CRC64_TYPE(&c64), 4);
	assert_int_equal(CRC64_COMPRESSED_SIZE(&c64), 7);
	assert_int_equal(CRC64_UNCOMPRESSED_SIZE(&c64), 127);
	assert_int_equal(CRC64_NONCE(&c64), 96);
	assert_int_equal(CRC64_CSUM_TYPE(&c64), BCH_CSUM_chacha20_poly1305_80);
	assert_int_equal(CRC64_COMPRESSION_TYPE(&c64), BCH_COMPRESSION_TYPE_lz4);
	assert_int_equal(CRC64_CSUM_HI(&c64), 0xbbaa);
	assert_int_equal(le64_to_cpu(c64.csum_lo), 0x1122334455667788ULL);

	assert_int_equal(CRC128_TYPE(&c128), 8);
	assert_int_equal(CRC128_COMPRESSED_SIZE(&c128), 511);
	assert_int_equal(CRC128_UNCOMPRESSED_SIZE(&c128), 511);
	assert_int_equal(CRC128_NONCE(&c128), 0);
	assert_int_equal(CRC128_CSUM_TYPE(&c128), BCH_CSUM_chacha20_poly1305_128);

	assert_int_equal(STRIPE_PTR_TYPE(&s), 16);
	assert_int_equal(STRIPE_PTR_BLOCK(&s), 2);
	assert_int_equal(STRIPE_PTR_REDUNDANCY(&s), 2);
	assert_int_equal(STRIPE_PTR_IDX(&s), 77);

	assert_int_equal(EXTENT_FLAGS_TYPE(&f), 64);
	assert_int_equal(EXTENT_FLAGS_FLAGS(&f), 1 << BCH_EXTENT_FLAG_poisoned);

	assert_int_equal(RECONCILE_TYPE(&r), 128);
	assert_int_equal(RECONCILE_NEED_RB(&r), 0x10);
	assert_int_equal(RECONCILE_PTRS_MOVING(&r), 2);
	assert_int_equal(RECONCILE_DATA_REPLICAS(&r), 2);
	assert_int_equal(RECONCILE_DATA_CHECKSUM(&r), BCH_CSUM_OPT_crc32c);
	assert_int_equal(RECONCILE_BACKGROUND_TARGET(&r), 258);
	assert_int_equal(RECONCILE_BACKGROUND_TARGET_FROM_INODE(&r), 1);
	assert_int_equal(RECONCILE_HIPRI(&r), 0);
	assert_int_equal(RECONCILE_BP_TYPE(&rb), 256);
	assert_int_equal(RECONCILE_BP_IDX(&rb), 5);
}

/* 40, section 2.1; 42, section 6.2 */
static void alloc_values(void **state)
{
	static const u8 a_bytes[64] = {
		0x4d, 0, 0, 0, 0, 0, 0, 0, 0x23, 0, 0, 0, 0x05, 0x04, 0x04, 0,
		0x2c, 0x01, 0, 0, 0, 0, 0, 0, 0xe8, 0x03, 0, 0, 0, 0, 0, 0, 0x84, 0x03,
	};
	static const u8 b_bytes[32] = {
		0, 0, 4, 5, 0, 0, 0, 0, 0x10, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
		0x80, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x10,
	};
	struct bch_alloc_v4 a;
	struct bch_backpointer b;

	memcpy(&a, a_bytes, sizeof(a));
	assert_int_equal(le64_to_cpu(a.journal_seq_nonempty), 77);
	assert_int_equal(BCH_ALLOC_V4_NEED_DISCARD(&a), 1);
	assert_int_equal(BCH_ALLOC_V4_NEED_INC_GEN(&a), 1);
	assert_int_equal(BCH_ALLOC_V4_BACKPOINTERS_START(&a), 8);
	assert_int_equal(a.gen, 5);
	assert_int_equal(a.oldest_gen, 4);
	assert_int_equal(a.data_type, BCH_DATA_user);
	assert_int_equal(le32_to_cpu(a.dirty_sectors), 300);
	assert_int_equal(le64_to_cpu(a.io_time[0]), 1000);
	assert_int_equal(le64_to_cpu(a.io_time[1]), 900);

	memcpy(&b, b_bytes, sizeof(b));
	assert_int_equal(b.data_type, BCH_DATA_user);
	assert_int_equal(b.bucket_gen, 5);
	assert_int_equal(le32_to_cpu(b.bucket_len), 16);
	assert_int_equal(b.pos.inode, 4097);
	assert_int_equal(b.pos.offset, 128);
	assert_int_equal(b.pos.snapshot, U32_MAX);
}

/* 52, section 2 */
static void stripe_geometry(void **state)
{
	static const u8 bytes[64] = { 0x00, 0x04, 0x00, 0x03, 0x01, 0x09, 0x05, 0x00 };
	u64 mem[8];
	struct bch_stripe *s = (void *) mem;

	memcpy(mem, bytes, sizeof(bytes));
	assert_int_equal(stripe_csums_per_block(s), 2);
	assert_int_equal(stripe_csum_offset(s, 0, 0), 32);
	assert_int_equal(stripe_csum_offset(s, 1, 1), 44);
	assert_int_equal(stripe_blockcount_offset(s, 0), 56);
	assert_int_equal(stripe_blockcount_offset(s, 1), 58);
	assert_int_equal(stripe_val_u64s(s), 8);
	s->algo_flags = 0x50;
	assert_int_equal(BCH_STRIPE_ALGORITHM(s), 0);
	assert_int_equal(BCH_STRIPE_NEEDS_RECONCILE(s), 1);
	assert_int_equal(BCH_STRIPE_CAN_WIDEN(s), 2);

	/* hostile granularity */
	s->csum_granularity_bits = 255;
	assert_int_equal(stripe_csums_per_block(s), 1);

	/* largest value whose size is given: 16 blocks of 32768 sectors at 11 bits */
	s->sectors = cpu_to_le16(32768);
	s->nr_blocks = 16;
	s->csum_granularity_bits = 11;
	assert_int_equal(stripe_val_u64s(s), 149);
}

/* 60, section 3.4 */
static void inode_flags(void **state)
{
	struct bch_inode_v3 i = { .bi_flags = le(0x00041ed316300000ULL) };

	assert_int_equal(INODEv3_STR_HASH(&i), BCH_STR_HASH_siphash);
	assert_int_equal(INODEv3_NR_FIELDS(&i), 22);
	assert_int_equal(INODEv3_FIELDS_START(&i), 6);
	assert_int_equal(INODEv3_MODE(&i), 040755);
	assert_int_equal(INODEv3_FLAGS(&i), 0);
}

/* 51, section 2.1 */
static void reflink_pointer(void **state)
{
	struct bch_reflink_p p = { .idx_flags = le(0x0200000000001000ULL) };

	assert_int_equal(REFLINK_P_IDX(&p), 4096);
	assert_int_equal(REFLINK_P_ERROR(&p), 0);
	assert_int_equal(REFLINK_P_MAY_UPDATE_OPTIONS(&p), 1);
}

static void typed_keys(void **state)
{
	struct bkey_i_alloc_v4 a;
	struct bkey_s_c k;
	struct bch_subvolume sub;
	__BKEY_PADDED(key, 5) tmp;

	bkey_init(&a.k);
	bkey_alloc_v4_init(&a.k_i);
	assert_int_equal(a.k.type, KEY_TYPE_alloc_v4);
	assert_int_equal(a.k.u64s, 13);
	a.v.gen = 9;
	k = bkey_i_to_s_c(&a.k_i);
	assert_int_equal(bkey_s_c_to_alloc_v4(k).v->gen, 9);
	assert_ptr_equal(bkey_i_to_alloc_v4(&a.k_i), &a);
	assert_int_equal(bkey_err(k), 0);
	assert_int_equal(bkey_err(bkey_s_c_err(-ENOMEM)), -ENOMEM);
	assert_int_equal(bkey_err(bkey_s_c_null), 0);

	/* a value of an older version: shorter than the struct */
	memset(&tmp, 0xff, sizeof(tmp));
	bkey_init(&tmp.key.k);
	tmp.key.k.type = KEY_TYPE_subvolume;
	set_bkey_val_bytes(&tmp.key.k, 16);
	memset(&sub, 0x55, sizeof(sub));
	bkey_val_copy_pad(&sub, bkey_i_to_s_c_subvolume(&tmp.key));
	assert_int_equal(sub.inode, U64_MAX);
	assert_int_equal(sub.creation_parent, 0);
	assert_int_equal(sub.otime_hi, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_flags),
		cmocka_unit_test(compression_nibbles),
		cmocka_unit_test(setters),
		cmocka_unit_test(magics),
		cmocka_unit_test(member_flags),
		cmocka_unit_test(versions),
		cmocka_unit_test(versions_are_complete),
		cmocka_unit_test(passes),
		cmocka_unit_test(error_ids),
		cmocka_unit_test(downgrade_table),
		cmocka_unit_test(btree_properties),
		cmocka_unit_test(node_flags),
		cmocka_unit_test(key_layout),
		cmocka_unit_test(extent_entries),
		cmocka_unit_test(alloc_values),
		cmocka_unit_test(stripe_geometry),
		cmocka_unit_test(inode_flags),
		cmocka_unit_test(reflink_pointer),
		cmocka_unit_test(typed_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
