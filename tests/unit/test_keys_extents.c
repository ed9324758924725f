// SPDX-License-Identifier: GPL-2.0
/*
 * Values that describe data: extents, node pointers, shared extents, stripes,
 * pending work. The examples of the format description (Documentation/format/20,
 * 50 to 53) and every validation rule.
 */
#include "keys_common.h"

#include "btree/extent_entries.h"
#include "data/extents.h"
#include "data/reconcile.h"
#include "data/reflink.h"
#include "data/stripes.h"

/* Pointers: device, sector, generation 3 (spec 50 §3.1). */
#define PTR_DEV(_dev)		"01 04 80 00 00 00" _dev "03"
#define PTR2			PTR_DEV("02")
#define PTR3			PTR_DEV("03")
#define PTR_CACHED2		"03 04 80 00 00 00 02 03"
#define PTR_UNWRITTEN2		"09 04 80 00 00 00 02 03"
#define PTR_NONE		"01 00 00 00 00 00 ff 00"
#define PTR_NONE_GEN		"01 04 80 00 00 00 ff 03"
/* 128 sectors, crc32c; 64 of 16 zstd with 24 skipped */
#define CRC_128			"fe ff 00 05 83 92 06 e3"
#define CRC_ZSTD		"3e 7e 18 45 78 56 34 12"
#define STRIPE_PTR		"50 40 9a 00 00 00 00 00"
#define FLAGS_POISONED		"c0 00 00 00 00 00 00 00"

static struct bkey_i *extent(unsigned size, const char *hex)
{
	return key_hex(KEY_TYPE_extent, SPOS(4097, 1 << 20, U32_MAX), size, hex);
}

#define EXTENT(_size, _hex, _id)	expect_key(extents, 0, _id, extent(_size, _hex))
#define BAD_EXTENT(_size, _hex, _id)	EXTENT(_size, _hex, BCH_FSCK_ERR_##_id)

/* --- entries --- */

static struct extent_ptr_decoded only_ptr(const struct bkey_i *k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(k));
	const union bch_extent_entry *e;
	struct extent_ptr_decoded p, ret = {};
	unsigned n = 0;

	bkey_for_each_ptr_decode(&k->k, ptrs, p, e) {
		ret = p;
		n++;
	}
	assert_int_equal(n, 1);
	return ret;
}

static void crc_examples(void **state)
{
	struct extent_ptr_decoded p;
	struct bkey_i *k;

	k = extent(128, CRC_128 PTR2);
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_extents, 0, BCH_VALIDATE_commit), KEY_OK);
	p = only_ptr(k);
	assert_int_equal(p.crc.compressed_size, 128);
	assert_int_equal(p.crc.uncompressed_size, 128);
	assert_int_equal(p.crc.csum_type, BCH_CSUM_crc32c);
	assert_int_equal(p.crc.csum.lo, 0xe3069283);
	expect_text("durability: 1 \n"
		    "  crc32: c_size 128 size 128 offset 0 nonce 0 csum crc32c 0:e3069283  "
		    "compress none\n"
		    "  ptr: 2:524352 gen 3", k);

	k = extent(40, CRC_ZSTD PTR2);
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_extents, 0, 0), KEY_OK);
	p = only_ptr(k);
	assert_int_equal(p.crc.compressed_size, 16);
	assert_int_equal(p.crc.uncompressed_size, 64);
	assert_int_equal(p.crc.offset, 24);
	assert_int_equal(p.crc.compression_type, BCH_COMPRESSION_TYPE_zstd);
	assert_int_equal(bch2_bkey_sectors_compressed(NULL, bkey_i_to_s_c(k)), 16);
	assert_int_equal(bch2_ptr_disk_sectors(NULL, &k->k, &p), 10);
	key_free(k);

	k = extent(256, "fc f7 0f 00 00 06 00 00  88 77 66 55 44 33 22 11" PTR2);
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_extents, 0, 0), KEY_OK);
	p = only_ptr(k);
	assert_int_equal(p.crc.uncompressed_size, 256);
	assert_int_equal(p.crc.csum_type, BCH_CSUM_crc64);
	assert_int_equal(p.crc.csum.lo, 0x1122334455667788ULL);
	key_free(k);

	k = extent(128, "3c f0 07 00 18 33 aa bb  88 77 66 55 44 33 22 11" PTR2);
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_extents, 0, 0), KEY_OK);
	p = only_ptr(k);
	assert_int_equal(p.crc.compressed_size, 8);
	assert_int_equal(p.crc.nonce, 96);
	assert_int_equal(p.crc.csum_type, BCH_CSUM_chacha20_poly1305_80);
	assert_int_equal(p.crc.csum.hi, 0xbbaa);
	assert_int_equal(p.crc.compression_type, BCH_COMPRESSION_TYPE_lz4);
	key_free(k);

	k = extent(512, "f8 1f fe 03 00 00 00 04  01 00 00 00 00 00 00 00"
		   "02 00 00 00 00 00 00 00" PTR2);
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_extents, 0, 0), KEY_OK);
	p = only_ptr(k);
	assert_int_equal(p.crc.compressed_size, 512);
	assert_int_equal(p.crc.csum_type, BCH_CSUM_chacha20_poly1305_128);
	assert_int_equal(p.crc.csum.hi, 2);
	key_free(k);
}

static void other_entries(void **state)
{
	struct bkey_i *k = extent(8, FLAGS_POISONED STRIPE_PTR PTR2);

	assert_int_equal(key_verdict(NULL, k, BTREE_ID_extents, 0, 0), KEY_OK);
	assert_true(bch2_bkey_is_poisoned(NULL, bkey_i_to_s_c(k)));
	assert_int_equal(bch2_bkey_replicas(NULL, bkey_i_to_s_c(k)), 3);
	expect_text("durability: 3 \n  flags: poisoned\n  stripe_ptr: idx 77 block 2\n"
		    "  ptr: 2:524352 gen 3", k);

	/* every flag cleared; bits of newer software */
	expect_text("durability: 1 \n  flags: bit1\n  ptr: 2:524352 gen 3 cached\n"
		    "  ptr: 3:524352 gen 3",
		    extent(8, "40 01 00 00 00 00 00 00" PTR_CACHED2 PTR3));
	expect_text("durability: 0 \n  (unknown extent entry 0000000000000200)",
		    extent(8, "00 02 00 00 00 00 00 00" PTR2));
	expect_text("durability: 1 \n  ptr: 2:524352 gen 3\n"
		    "  (unknown extent entry 0000000000000008)",
		    extent(8, PTR2 "08 00 00 00 00 00 00 00"));
}

static void texts_with_devices(void **state)
{
	struct bch_fs *c = fake_fs_new();
	struct bkey_i *k;

	k = extent(8, "01 80 00 01 00 00 01 07");
	/* sector 0x100800 of device 1 = bucket 2052, behind its end */
	assert_string_equal(key_text(c, k), "durability: 2 \n  ptr: devb 1:2052:0 gen 7 d=2");
	key_free(k);

	k = extent(8, "09 04 02 00 00 00 00 03");
	assert_string_equal(key_text(c, k), "durability: 1 \n  ptr: deva 0:16:64 gen 3 unwritten");
	assert_true(bch2_bkey_is_unwritten(NULL, bkey_i_to_s_c(k)));
	key_free(k);
	fake_fs_free(c);
}

static void counting(void **state)
{
	struct bkey_i *k = extent(40, PTR2 CRC_ZSTD PTR3 PTR_NONE);
	struct bkey_s_c s = bkey_i_to_s_c(k);

	assert_int_equal(bch2_bkey_nr_ptrs(NULL, s), 3);
	assert_int_equal(bch2_bkey_nr_dirty_ptrs(NULL, s), 2);
	assert_int_equal(bch2_bkey_nr_ptrs_allocated(NULL, s), 3);
	assert_int_equal(bch2_bkey_nr_ptrs_fully_allocated(NULL, s), 1);
	assert_int_equal(bch2_bkey_durability_estimate(NULL, s), 2);
	assert_false(bch2_bkey_is_incompressible(NULL, s));
	key_free(k);

	k = key_hex(KEY_TYPE_reservation, SPOS(4097, 8, 1), 8, "00000000 03 000000");
	assert_int_equal(bch2_bkey_nr_ptrs_allocated(NULL, bkey_i_to_s_c(k)), 3);
	assert_true(bch2_bkey_extent_is_allocation(&k->k));
	key_free(k);
}

/* --- rules of pointer containers, in the order of spec 50 §10 --- */

static void ptrs_rules(void **state)
{
	EXTENT(8, PTR2, KEY_OK);
	EXTENT(8, PTR2 PTR3 PTR_NONE PTR_NONE, KEY_OK);
	BAD_EXTENT(8, PTR2 "00 02 00 00 00 00 00 00", extent_ptrs_invalid_entry);
	BAD_EXTENT(8, PTR2 "00 00 00 00 00 00 00 00", extent_ptrs_invalid_entry);
	/* crc64 cut in half */
	BAD_EXTENT(8, PTR2 "04 00 00 00 00 00 00 00", extent_ptrs_invalid_entry);
	BAD_EXTENT(8, PTR2 PTR2, ptr_to_duplicate_device);
	BAD_EXTENT(8, PTR2 STRIPE_PTR "03 04 80 00 00 00 03 03", ptr_cached_and_erasure_coded);

	/* checksum type 8, compression type 6 */
	BAD_EXTENT(128, "fe ff 00 08 83 92 06 e3" PTR2, ptr_crc_csum_type_unknown);
	BAD_EXTENT(128, "fe ff 00 65 83 92 06 e3" PTR2, ptr_crc_compression_type_unknown);
	BAD_EXTENT(129, CRC_128 PTR2, ptr_crc_uncompressed_size_too_small);
	BAD_EXTENT(41, CRC_ZSTD PTR2, ptr_crc_uncompressed_size_too_small);
	/* 64 sectors stored as 16 without compression */
	BAD_EXTENT(40, "3e 7e 18 05 78 56 34 12" PTR2, ptr_crc_uncompressed_size_mismatch);
	BAD_EXTENT(40, "3e 7e 18 55 78 56 34 12" PTR2, ptr_crc_uncompressed_size_mismatch);
	/* two encrypted copies with nonces 96 and 97 */
	BAD_EXTENT(128, "3c f0 07 00 18 33 aa bb  88 77 66 55 44 33 22 11" PTR2
		   "3c f0 07 40 18 33 aa bb  88 77 66 55 44 33 22 11" PTR3,
		   ptr_crc_nonce_mismatch);
	/* 96 + 0 and 95 + 1 are the same place in the key stream */
	EXTENT(127, "3c f0 07 00 18 33 aa bb  88 77 66 55 44 33 22 11" PTR2
	       "3c f0 07 00 18 33 aa bb  88 77 66 55 44 33 22 11" PTR3, KEY_OK);
	EXTENT(120, "3c f0 27 c0 17 33 aa bb  88 77 66 55 44 33 22 11" PTR2
	       "3c f0 07 00 18 33 aa bb  88 77 66 55 44 33 22 11" PTR3, KEY_OK);
	BAD_EXTENT(128, CRC_128 CRC_128 PTR2, ptr_crc_redundant);
	BAD_EXTENT(128, STRIPE_PTR STRIPE_PTR PTR2, ptr_stripe_redundant);
	BAD_EXTENT(8, PTR2 FLAGS_POISONED, extent_flags_not_at_start);
	BAD_EXTENT(8, FLAGS_POISONED, extent_ptrs_no_ptrs);
	BAD_EXTENT(8, "", extent_ptrs_no_ptrs);
	BAD_EXTENT(8, PTR2 PTR_NONE PTR_NONE PTR_NONE PTR_NONE PTR_NONE PTR_NONE PTR_NONE
		   PTR_NONE PTR_NONE PTR_NONE PTR_NONE PTR_NONE PTR_NONE PTR_NONE PTR_NONE
		   PTR_NONE, extent_ptrs_too_many_ptrs);
	BAD_EXTENT(8, PTR_UNWRITTEN2 PTR3, extent_ptrs_written_and_unwritten);
	EXTENT(8, PTR_UNWRITTEN2 PTR_NONE, KEY_OK);
	BAD_EXTENT(128, PTR2 CRC_128, extent_ptrs_redundant_crc);
	BAD_EXTENT(8, PTR2 STRIPE_PTR, extent_ptrs_redundant_stripe);
	BAD_EXTENT(8, PTR_NONE, extent_ptrs_all_invalid);
	/* no device, but a stripe to rebuild it from */
	EXTENT(8, STRIPE_PTR PTR_NONE_GEN, KEY_OK);

	/* a cached copy alone may be found, but not be written */
	EXTENT(8, PTR_CACHED2, KEY_OK);
	expect_key(extents, BCH_VALIDATE_commit, BCH_FSCK_ERR_extent_ptrs_all_invalid,
		   extent(8, PTR_CACHED2));
}

/* Rules that need devices and sizes. */
static void ptrs_rules_of_fs(void **state)
{
	struct bch_fs *c = fake_fs_new();
	static const struct {
		unsigned	size;
		const char	*hex;
		unsigned	flags;
		int		id;
	} v[] = {
		/* bucket 999, the last: sectors 511488 .. 511999 */
		{ 512, "01 00 7c e0 07 00 00 00", 0, BCH_FSCK_ERR_ptr_after_last_bucket },
		{ 512, "01 00 7c 00 00 00 00 00", 0, KEY_OK },
		{ 8,   "01 00 7d 00 00 00 00 00", 0, BCH_FSCK_ERR_ptr_after_last_bucket },
		{ 8,   "01 10 00 00 00 00 00 00", 0, BCH_FSCK_ERR_ptr_before_first_bucket },
		{ 512, "01 20 00 00 00 00 00 00", 0, KEY_OK },
		{ 512, "81 20 00 00 00 00 00 00", 0, BCH_FSCK_ERR_ptr_spans_multiple_buckets },
		{ 513, "01 24 00 00 00 00 00 00", 0, BCH_FSCK_ERR_ptr_spans_multiple_buckets },
		/* of a compressed extent the stored size counts */
		{ 40, CRC_ZSTD "01 3f 00 00 00 00 00 00", 0, KEY_OK },
		{ 40, CRC_ZSTD "11 3f 00 00 00 00 00 00", 0,
			BCH_FSCK_ERR_ptr_spans_multiple_buckets },
		/* devices that do not exist are for others to find */
		{ 8, "01 00 00 00 00 00 07 00", 0, KEY_OK },
		/* 1024 sectors with checksum, limit 512: only when writing */
		{ 8, "f8 3f fe 07 00 00 00 05 0000000000000000 0000000000000000"
			"01 00 00 00 00 00 07 00", 0, KEY_OK },
		{ 8, "f8 3f fe 07 00 00 00 05 0000000000000000 0000000000000000"
			"01 00 00 00 00 00 07 00", BCH_VALIDATE_write,
			BCH_FSCK_ERR_ptr_crc_uncompressed_size_too_big },
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct bkey_i *k = extent(v[i].size, v[i].hex);
		int id = key_verdict(c, k, BTREE_ID_extents, 0, v[i].flags);

		if (id != v[i].id)
			print_message("extent %zu\n", i);
		assert_int_equal(id, v[i].id);
		key_free(k);
	}
	fake_fs_free(c);
}

/* An encryption type is damage unless the filesystem is encrypted. */
static void encrypted_without_key(void **state)
{
	struct bch_fs *c = fake_fs_new();
	struct bkey_i *k = extent(128, "3c f0 07 00 18 33 aa bb  88 77 66 55 44 33 22 11" PTR2);

	assert_int_equal(key_verdict(c, k, BTREE_ID_extents, 0, 0),
			 BCH_FSCK_ERR_ptr_crc_csum_type_unknown);
	c->sb.encryption_type = 1;
	assert_int_equal(key_verdict(c, k, BTREE_ID_extents, 0, 0), KEY_OK);
	key_free(k);
	fake_fs_free(c);
}

/* Entries that only the superblock knows the size of. */
static void newer_entries(void **state)
{
	struct bch_fs *c = fake_fs_new();
	struct bkey_i *k = extent(8, "00 02 00 00 00 00 00 00 ff ff ff ff ff ff ff ff" PTR2);

	assert_int_equal(key_verdict(c, k, BTREE_ID_extents, 0, 0),
			 BCH_FSCK_ERR_extent_ptrs_invalid_entry);
	c->extent_types_known = 10;
	c->extent_type_u64s[9] = 2;
	assert_int_equal(key_verdict(c, k, BTREE_ID_extents, 0, 0), KEY_OK);
	assert_int_equal(bch2_bkey_nr_ptrs(c, bkey_i_to_s_c(k)), 1);
	assert_int_equal(bch2_bkey_nr_ptrs(NULL, bkey_i_to_s_c(k)), 0);
	assert_string_equal(key_text(c, k),
		"durability: 1 \n  (unknown extent entry 0000000000000200)\n  ptr: 2:524352 gen 3");
	key_free(k);
	fake_fs_free(c);
}

/* --- small values --- */

static void small_values(void **state)
{
	struct bpos pos = SPOS(4097, 8, U32_MAX);

	expect_key(extents, 0, BCH_FSCK_ERR_reservation_key_nr_replicas_invalid,
		   key_hex(KEY_TYPE_reservation, pos, 8, "00000000 00 000000"));
	expect_key(extents, 0, BCH_FSCK_ERR_reservation_key_nr_replicas_invalid,
		   key_hex(KEY_TYPE_reservation, pos, 8, "00000000 05 000000"));
	expect_key(extents, 0, KEY_OK,
		   key_hex(KEY_TYPE_reservation, pos, 8, "00000000 04 000000"));
	expect_text("generation 1 replicas 2",
		    key_hex(KEY_TYPE_reservation, pos, 8, "01000000 02 000000"));

	expect_text("datalen 8: 6869000000000000",
		    key_hex(KEY_TYPE_inline_data, pos, 8, "68 69"));
	expect_text("datalen 40: 0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20",
		    key_hex(KEY_TYPE_inline_data, pos, 8,
			    "0102030405060708090a0b0c0d0e0f10"
			    "1112131415161718191a1b1c1d1e1f20 21"));
	expect_text("device_removed", key_hex(KEY_TYPE_error, pos, 8, "01"));
	expect_text("(unknown 9)", key_hex(KEY_TYPE_error, pos, 8, "09"));
	expect_key(extents, 0, KEY_OK, key_hex(KEY_TYPE_error, pos, 8, ""));
	expect_text("5", key_hex(KEY_TYPE_cookie, POS(0, 0), 0, "05"));
	expect_key(dirents, 0, BCH_FSCK_ERR_bkey_val_size_nonzero,
		   key_hex(KEY_TYPE_hash_whiteout, pos, 0, "00"));
	expect_key(extents, 0, BCH_FSCK_ERR_bkey_size_nonzero,
		   key_hex(KEY_TYPE_whiteout, pos, 8, ""));
}

/* --- pointers to btree nodes --- */

#define PTR_V2_HEAD(_written, _flags, _min)					\
	"0000000000000000 8877665544332211" _written _flags _min

#define MIN_ZERO	"00000000 0000000000000000 0000000000000000"

static int node_ptr_verdict(struct bch_fs *c, struct bkey_i *k, unsigned flags)
{
	int id = key_verdict(c, k, BTREE_ID_inodes, 1, flags);

	key_free(k);
	return id;
}

static void btree_ptr_rules(void **state)
{
	struct bch_fs *c = fake_fs_new();
	struct bpos pos = SPOS(0, 4096, U32_MAX);

#define V1(_hex)	key_hex(KEY_TYPE_btree_ptr, pos, 0, _hex)
#define V2(_head, _hex)	key_hex(KEY_TYPE_btree_ptr_v2, pos, 0, _head _hex)
#define EXPECT(_id, _flags, _k)							\
	assert_int_equal(node_ptr_verdict(c, _k, _flags), _id)
#define HEAD		PTR_V2_HEAD("0800", "0000", MIN_ZERO)
/* sector 1024 of device 0: bucket 2; room for a node */
#define NODE		"01 40 00 00 00 00 00 03"
	EXPECT(KEY_OK, 0, V1(NODE));
	EXPECT(BCH_FSCK_ERR_btree_ptr_val_too_big, 0,
	       V1(NODE PTR2 PTR3 PTR_DEV("04") PTR_DEV("05")));
	EXPECT(BCH_FSCK_ERR_extent_ptrs_no_ptrs, 0, V1(""));

	EXPECT(KEY_OK, 0, V2(HEAD, NODE));
	EXPECT(KEY_OK, BCH_VALIDATE_write, V2(HEAD, NODE));
	EXPECT(BCH_FSCK_ERR_bkey_val_size_too_small, 0,
	       key_hex(KEY_TYPE_btree_ptr_v2, pos, 0, "0000000000000000 8877665544332211"));
	EXPECT(BCH_FSCK_ERR_btree_ptr_v2_val_too_big, 0,
	       V2(HEAD, NODE PTR2 PTR3 PTR_DEV("04") PTR_DEV("05") PTR_DEV("06") PTR_DEV("07")
		  PTR_DEV("08") PTR_DEV("09") PTR_DEV("0a") PTR_DEV("0b")));
	EXPECT(BCH_FSCK_ERR_btree_ptr_v2_min_key_bad, 0,
	       V2(PTR_V2_HEAD("0800", "0000", "ffffffff 0010000000000000 0000000000000000"), NODE));
	EXPECT(KEY_OK, 0, V2(PTR_V2_HEAD("0000", "0000", MIN_ZERO), NODE));
	EXPECT(BCH_FSCK_ERR_btree_ptr_v2_written_0, BCH_VALIDATE_write,
	       V2(PTR_V2_HEAD("0000", "0000", MIN_ZERO), NODE));
	EXPECT(BCH_FSCK_ERR_btree_ptr_has_non_ptr, 0, V2(HEAD, NODE CRC_128 PTR2));
	EXPECT(BCH_FSCK_ERR_btree_ptr_has_non_ptr, 0, V2(HEAD, FLAGS_POISONED NODE));
	/* a reconcile entry with data_replicas 1, and its back reference */
	EXPECT(KEY_OK, 0,
	       V2(HEAD, NODE "80 00 02 90 00 00 00 00" "00 0b 00 00 00 00 00 00"));
	EXPECT(BCH_FSCK_ERR_ptr_spans_multiple_buckets, 0, V2(HEAD, "01 41 00 00 00 00 00 03"));
	EXPECT(BCH_FSCK_ERR_ptr_to_duplicate_device, 0, V2(HEAD, NODE NODE));
	EXPECT(BCH_FSCK_ERR_extent_ptrs_unwritten, 0, V2(HEAD, "09 40 00 00 00 00 00 03"));
	/* a node without any device is not judged here */
	EXPECT(KEY_OK, 0, V2(HEAD, PTR_NONE));

	expect_text("\n  seq 1122334455667788 written 8 min_key POS_MIN durability: 1 \n"
		    "    ptr: 0:1024 gen 3", V2(HEAD, NODE));
	expect_text("\n  seq 1122334455667788 written 8 min_key R 0:1:2 durability: 1 \n"
		    "    ptr: 0:1024 gen 3\n    reconcile_bp: idx 5",
		    V2(PTR_V2_HEAD("0800", "0100", "02000000 0100000000000000 0000000000000000"),
		       NODE "00 0b 00 00 00 00 00 00"));
#undef NODE
#undef HEAD
#undef EXPECT
#undef V2
#undef V1
	fake_fs_free(c);
}

/* --- shared extents --- */

static void reflink(void **state)
{
	struct bpos pos = SPOS(4097, 100, U32_MAX);
	struct reflink_p_range r;
	struct bkey_i *k;

	/* spec 51 §2.1 */
	k = key_hex(KEY_TYPE_reflink_p, pos, 16,
		    "28 04 00 00 00 00 00 00  28 00 00 00  18 00 00 00");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_extents, 0, 0), KEY_OK);
	bch2_reflink_p_decode(bkey_i_to_s_c(k), &r);
	assert_int_equal(r.idx, 1064);
	assert_int_equal(r.end, 1080);
	assert_int_equal(r.ref_start, 1024);
	assert_int_equal(r.ref_end, 1104);
	expect_text("idx 1064 front_pad 40 back_pad 24", k);

	expect_text("idx 4096 front_pad 0 back_pad 0 may_update_opts",
		    key_hex(KEY_TYPE_reflink_p, pos, 16,
			    "00 10 00 00 00 00 00 02 00 00 00 00 00 00 00 00"));
	expect_text("idx 4096 front_pad 0 back_pad 0 error",
		    key_hex(KEY_TYPE_reflink_p, pos, 16,
			    "00 10 00 00 00 00 00 01 00 00 00 00 00 00 00 00"));

	k = key_hex(KEY_TYPE_reflink_p, pos, 16,
		    "28 00 00 00 00 00 00 00  29 00 00 00  00 00 00 00");
	bch2_reflink_p_decode(bkey_i_to_s_c(k), &r);
	assert_int_equal(r.ref_start, 0);
	expect_key(extents, 0, BCH_FSCK_ERR_reflink_p_front_pad_bad, k);

	k = key_hex(KEY_TYPE_reflink_v, POS(0, 8), 8, "02 00 00 00 00 00 00 00" PTR2);
	assert_int_equal(bch2_indirect_refcount(bkey_i_to_s_c(k)), 2);
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_reflink, 0, 0), KEY_OK);
	expect_text("refcount: 2 durability: 1 \n  ptr: 2:524352 gen 3", k);
	expect_key(reflink, 0, BCH_FSCK_ERR_extent_ptrs_unwritten,
		   key_hex(KEY_TYPE_reflink_v, POS(0, 8), 8,
			   "02 00 00 00 00 00 00 00" PTR_UNWRITTEN2));
	expect_key(reflink, 0, BCH_FSCK_ERR_reflink_v_pos_bad,
		   key_hex(KEY_TYPE_reflink_v, POS(0, 1ULL << 56), 8,
			   "02 00 00 00 00 00 00 00" PTR2));
	expect_key(reflink, 0, BCH_FSCK_ERR_reflink_v_pos_bad,
		   key_hex(KEY_TYPE_reflink_v, POS(1, 8), 8, "02 00 00 00 00 00 00 00" PTR2));
	expect_key(reflink, 0, BCH_FSCK_ERR_bkey_snapshot_nonzero,
		   key_hex(KEY_TYPE_reflink_v, SPOS(0, 8, 1), 8, "02 00 00 00 00 00 00 00" PTR2));

	expect_text("refcount 3 datalen 8: 6869000000000000",
		    key_hex(KEY_TYPE_indirect_inline_data, POS(0, 8), 8, "0300000000000000 6869"));
}

/* --- stripes --- */

#define STRIPE_PTRS								\
	"01 00 20 00 00 00 00 04  01 00 31 00 00 00 01 09  01 40 05 00 00 00 02 02"
#define STRIPE_REST								\
	"11 11 11 11 12 11 11 11  13 11 11 11 14 11 11 11  15 11 11 11 16 11 11 11"	\
	"00 04 58 02 00 00 00 00"
#define STRIPE_EXAMPLE		"00 04 00 03 01 09 05 00" STRIPE_PTRS STRIPE_REST

static void stripe_example(void **state)
{
	struct bkey_i *k = key_hex(KEY_TYPE_stripe, POS(0, 1), 0, STRIPE_EXAMPLE);
	struct bkey_s_c s = bkey_i_to_s_c(k);
	struct extent_ptr_decoded p = {};
	struct stripe_geometry g;

	assert_int_equal(bkey_val_bytes(&k->k), 64);
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_stripes, 0, 0), KEY_OK);
	assert_null(bch2_stripe_geometry(s, &g));
	assert_int_equal(g.sectors, 1024);
	assert_int_equal(g.nr_data, 2);
	assert_int_equal(g.csums_per_block, 2);
	assert_int_equal(g.val_bytes, 62);
	assert_int_equal(bch2_stripe_csum(s, &g, 0, 1).lo, 0x11111112);
	assert_int_equal(bch2_stripe_csum(s, &g, 2, 0).lo, 0x11111115);
	assert_int_equal(bch2_stripe_csum(s, &g, 2, 2).lo, 0);
	assert_int_equal(bch2_stripe_block_sectors(s, &g, 0), 1024);
	assert_int_equal(bch2_stripe_block_sectors(s, &g, 1), 600);
	assert_int_equal(bch2_stripe_block_sectors(s, &g, 2), 0);
	assert_int_equal(bch2_stripe_block_sectors(s, &g, 3), 0);
	assert_null(bch2_stripe_ptr(s, &g, 3));
	assert_int_equal(bch2_stripe_lru_idx(s, &g), 0);

	/* block 1, device 1, sector 0x31000 + 8, generation 9 */
	p.has_ec = true;
	SET_STRIPE_PTR_BLOCK(&p.ec, 1);
	SET_EXTENT_PTR_DEV(&p.ptr, 1);
	SET_EXTENT_PTR_OFFSET(&p.ptr, 0x31008);
	SET_EXTENT_PTR_GEN(&p.ptr, 9);
	assert_true(bch2_ptr_matches_stripe(s, &g, &p));
	SET_EXTENT_PTR_DEV(&p.ptr, 255);
	assert_true(bch2_ptr_matches_stripe(s, &g, &p));
	SET_EXTENT_PTR_DEV(&p.ptr, 0);
	assert_false(bch2_ptr_matches_stripe(s, &g, &p));
	SET_EXTENT_PTR_DEV(&p.ptr, 1);
	SET_EXTENT_PTR_GEN(&p.ptr, 8);
	assert_false(bch2_ptr_matches_stripe(s, &g, &p));
	SET_EXTENT_PTR_GEN(&p.ptr, 9);
	SET_EXTENT_PTR_OFFSET(&p.ptr, 0x31000 + 1024);
	assert_false(bch2_ptr_matches_stripe(s, &g, &p));
	SET_STRIPE_PTR_BLOCK(&p.ec, 200);
	assert_false(bch2_ptr_matches_stripe(s, &g, &p));

	expect_text("algo 0 sectors 1024 blocks 2:1 csum crc32c gran 9 label=(none)\n"
		    "  0:131072 gen 4#1024\n  1:200704 gen 9#600\n  2:21504 gen 2#0", k);

	k = key_hex(KEY_TYPE_stripe, POS(0, 1), 0,
		    "00 04 50 03 01 09 05 02" STRIPE_PTRS STRIPE_REST);
	s = bkey_i_to_s_c(k);
	assert_null(bch2_stripe_geometry(s, &g));
	assert_int_equal(bch2_bkey_reconcile_class(NULL, s), RECONCILE_WORK_hipri);
	assert_int_equal(bch2_stripe_lru_idx(s, &g), (1ULL << 48) - 3);
	expect_text("algo 0 sectors 1024 blocks 2:1 csum crc32c gran 9 label=1 needs_reconcile "
		    "can_widen=2\n"
		    "  0:131072 gen 4#1024\n  1:200704 gen 9#600\n  2:21504 gen 2#0", k);
}

static void stripe_rules(void **state)
{
#define BAD(_id, _hex)	expect_key(stripes, 0, BCH_FSCK_ERR_##_id,		\
				   key_hex(KEY_TYPE_stripe, POS(0, 1), 0, _hex))
	expect_key(stripes, 0, BCH_FSCK_ERR_stripe_pos_bad,
		   key_hex(KEY_TYPE_stripe, POS(0, 0), 0, STRIPE_EXAMPLE));
	expect_key(stripes, 0, BCH_FSCK_ERR_stripe_pos_bad,
		   key_hex(KEY_TYPE_stripe, POS(0, 1ULL << 32), 0, STRIPE_EXAMPLE));
	BAD(stripe_val_size_bad, "00 04 00 03 01 09 05 00" STRIPE_PTRS);
	BAD(stripe_val_size_bad, "00 04 00 04 01 09 05 00" STRIPE_PTRS STRIPE_REST);
	/* smaller granularity: more checksums than there are */
	BAD(stripe_val_size_bad, "00 04 00 03 01 08 05 00" STRIPE_PTRS STRIPE_REST);
	/* types and counts that have no meaning */
	BAD(stripe_val_size_bad, "00 04 00 03 01 09 08 00" STRIPE_PTRS STRIPE_REST);
	BAD(stripe_val_size_bad, "00 04 00 03 03 09 05 00" STRIPE_PTRS STRIPE_REST);
	BAD(stripe_val_size_bad, "00 04 00 11 01 09 05 00" STRIPE_PTRS STRIPE_REST);
	BAD(stripe_val_size_bad, "00 04 00 00 00 09 05 00" STRIPE_PTRS STRIPE_REST);
	BAD(stripe_val_size_bad, "00 04 00 03 01 20 05 00" STRIPE_PTRS STRIPE_REST);
	BAD(stripe_csum_granularity_bad, "00 04 00 03 01 40 05 00" STRIPE_PTRS STRIPE_REST);
	BAD(stripe_sectors_zero, "00 00 00 03 01 09 05 00" STRIPE_PTRS STRIPE_REST);
	BAD(ptr_to_duplicate_device, "00 04 00 03 01 09 05 00"
	    "01 00 20 00 00 00 00 04  01 00 31 00 00 00 00 09  01 40 05 00 00 00 02 02"
	    STRIPE_REST);
	BAD(extent_ptrs_all_invalid, "00 04 00 03 01 09 05 00"
	    "01 00 20 00 00 00 ff 04  01 00 31 00 00 00 ff 09  01 40 05 00 00 00 ff 02"
	    STRIPE_REST);
	BAD(bkey_val_size_too_small, "");
#undef BAD
	/* one checksum for the whole block */
	expect_key(stripes, 0, KEY_OK,
		   key_hex(KEY_TYPE_stripe, POS(0, 1), 0,
			   "00 04 00 03 01 1f 05 00" STRIPE_PTRS STRIPE_REST));
	expect_text("algo 0 sectors 0 blocks 0:0 csum none gran 0 label=(none) "
		    "(bad number of parity blocks)",
		    key_hex(KEY_TYPE_stripe, POS(0, 1), 0, "0000000000000000"));
}

/* --- pending work --- */

#define RECONCILE_TARGET	"80 08 20 a4 00 20 10 00"
#define RECONCILE_REPLICAS	"80 80 02 a0 00 00 00 00"

static void reconcile_examples(void **state)
{
	struct bkey_i *k = extent(8, PTR2 RECONCILE_TARGET);

	assert_int_equal(key_verdict(NULL, k, BTREE_ID_extents, 0, 0), KEY_OK);
	assert_int_equal(bch2_bkey_reconcile_class(NULL, bkey_i_to_s_c(k)), RECONCILE_WORK_normal);
	expect_text("durability: 1 \n  ptr: 2:524352 gen 3\n"
		    "  reconcile: need_rb=background_target replicas=2 checksum=crc32c "
		    "background_target=258 (inode)", k);

	k = extent(8, PTR2 RECONCILE_REPLICAS);
	assert_int_equal(bch2_bkey_reconcile_class(NULL, bkey_i_to_s_c(k)), RECONCILE_WORK_hipri);
	expect_text("durability: 1 \n  ptr: 2:524352 gen 3\n"
		    "  reconcile: need_rb=data_replicas hipri replicas=2 checksum=crc32c", k);

	/* zstd:5, target 3 set by the inode; replicas and checksum of old software: 0 */
	expect_text("durability: 1 \n  ptr: 2:524352 gen 3\n"
		    "  rebalance_v1: replicas=0 checksum=none background_compression=zstd:5 "
		    "background_target=3 (inode)",
		    extent(8, PTR2 "20 40 00 00 00 53 03 00"));
}

static void reconcile_rules(void **state)
{
	/* pending without work; hipri without replicas work; 0 replicas */
	BAD_EXTENT(8, PTR2 "80 00 01 a0 00 00 00 00", extent_reconcile_bad_pending);
	BAD_EXTENT(8, PTR2 "80 80 04 a0 00 00 00 00", extent_reconcile_bad_hipri);
	BAD_EXTENT(8, PTR2 "80 00 04 80 00 00 00 00", extent_reconcile_bad_replicas);
}

static void reconcile_positions(void **state)
{
	struct bpos pos;

	pos = bch2_reconcile_work_pos(BTREE_ID_stripes, POS(0, 5));
	assert_true(bpos_eq(pos, POS(0, 5)));
	assert_int_equal(bch2_reconcile_work_decode(pos, &pos), BTREE_ID_stripes);

	pos = bch2_reconcile_work_pos(BTREE_ID_reflink, POS(0, 100));
	assert_true(bpos_eq(pos, POS(1, 100)));
	assert_int_equal(bch2_reconcile_work_decode(pos, &pos), BTREE_ID_reflink);
	assert_true(bpos_eq(pos, POS(0, 100)));

	pos = bch2_reconcile_work_pos(BTREE_ID_extents, SPOS(4097, 100, 7));
	assert_int_equal(bch2_reconcile_work_decode(pos, &pos), BTREE_ID_extents);
	assert_true(bpos_eq(pos, SPOS(4097, 100, 7)));

	assert_int_equal(bch2_reconcile_class_btree(RECONCILE_WORK_hipri, true),
			 BTREE_ID_reconcile_hipri_phys);
	assert_int_equal(bch2_reconcile_class_btree(RECONCILE_WORK_pending, true), -1);
	assert_int_equal(bch2_reconcile_class_btree(RECONCILE_WORK_none, false), -1);
}

static void scan_texts(void **state)
{
	static const struct {
		u64		inode;
		u64		offset;
		const char	*text;
	} v[] = {
		{ 0, 0, "scan fs" },
		{ 0, 3, "scan stripes" },
		{ 0, 4, "scan fs" },
		{ 0, 34, "scan dev 2" },
		{ 0, 4096, "scan inum 4096" },
		{ 1, 7, "node hipri 7" },
		{ 9, 7, "9:7:0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct printbuf out = PRINTBUF;

		bch2_reconcile_scan_pos_to_text(&out, POS(v[i].inode, v[i].offset));
		assert_string_equal(printbuf_str(&out), v[i].text);
		printbuf_exit(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_examples),
		cmocka_unit_test(other_entries),
		cmocka_unit_test(texts_with_devices),
		cmocka_unit_test(counting),
		cmocka_unit_test(ptrs_rules),
		cmocka_unit_test(ptrs_rules_of_fs),
		cmocka_unit_test(encrypted_without_key),
		cmocka_unit_test(newer_entries),
		cmocka_unit_test(small_values),
		cmocka_unit_test(btree_ptr_rules),
		cmocka_unit_test(reflink),
		cmocka_unit_test(stripe_example),
		cmocka_unit_test(stripe_rules),
		cmocka_unit_test(reconcile_examples),
		cmocka_unit_test(reconcile_rules),
		cmocka_unit_test(reconcile_positions),
		cmocka_unit_test(scan_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
