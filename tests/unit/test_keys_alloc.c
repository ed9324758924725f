// SPDX-License-Identifier: GPL-2.0
/*
 * Values that describe buckets, and the positions of the indexes over them: the
 * examples of the format description (Documentation/format/40 to 42) and every
 * validation rule.
 */
#include "keys_common.h"

#include "alloc/accounting.h"
#include "alloc/alloc_keys.h"
#include "alloc/backpointers.h"
#include "alloc/bucket_gens.h"
#include "alloc/freespace.h"
#include "alloc/lru.h"
#include "btree/extent_entries.h"
#include "data/extents.h"

/* --- alloc keys --- */

/* Spec 40 §2.1. */
#define ALLOC_EXAMPLE								\
	"4d 00 00 00 00 00 00 00  23 00 00 00  05 04 04 00  2c 01 00 00  00 00 00 00"	\
	"e8 03 00 00 00 00 00 00  84 03 00 00 00 00 00 00  00 00 00 00 00 00 00 00"	\
	"00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"

static void alloc_v4_example(void **state)
{
	struct bkey_i *k = key_hex(KEY_TYPE_alloc_v4, POS(0, 4096), 0, ALLOC_EXAMPLE);
	struct bch_alloc_v4 a;

	assert_int_equal(key_verdict(NULL, k, BTREE_ID_alloc, 0, BCH_VALIDATE_commit), KEY_OK);
	bch2_alloc_to_v4(bkey_i_to_s_c(k), &a);
	assert_memory_equal(&a, &k->v, sizeof(a));
	assert_int_equal(alloc_sectors(&a), 300);
	assert_int_equal(alloc_sectors_fragmented(&a, 512), 212);
	expect_text("\n  gen 5 oldest_gen 4 data_type user\n"
		    "  journal_seq_nonempty 77\n  journal_seq_empty 0\n"
		    "  need_discard 1\n  need_inc_gen 1\n"
		    "  dirty_sectors 300\n  stripe_sectors 0\n  cached_sectors 0\n"
		    "  stripe_refcount 0\n  io_time[READ] 1000\n  io_time[WRITE] 900\n", k);
}

/* Words behind the fixed part of an old value are not fields. */
static void alloc_v4_short(void **state)
{
	struct bkey_i *k;
	struct bch_alloc_v4 a;

	/* 48 bytes, start 0 */
	k = key_hex(KEY_TYPE_alloc_v4, POS(0, 1), 0,
		    "0000000000000000 00000000 01 01 04 00 0a000000 00000000"
		    "0000000000000000 0000000000000000 00000000 00000000");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_alloc, 0, 0), KEY_OK);
	bch2_alloc_to_v4(bkey_i_to_s_c(k), &a);
	assert_int_equal(a.dirty_sectors, 10);
	assert_int_equal(a.journal_seq_empty, 0);
	assert_int_equal(BCH_ALLOC_V4_BACKPOINTERS_START(&a), 8);
	key_free(k);

	/* start 6, one inline backpointer of 32 bytes of ff */
	k = key_hex(KEY_TYPE_alloc_v4, POS(0, 1), 0,
		    "0000000000000000 18010000 01 01 04 00 0a000000 00000000"
		    "0000000000000000 0000000000000000 00000000 00000000"
		    "ffffffffffffffff ffffffffffffffff ffffffffffffffff ffffffffffffffff");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_alloc, 0, 0), KEY_OK);
	bch2_alloc_to_v4(bkey_i_to_s_c(k), &a);
	assert_int_equal(a.journal_seq_empty, 0);
	assert_int_equal(a.stripe_sectors, 0);
	assert_int_equal(BCH_ALLOC_V4_NR_BACKPOINTERS(&a), 0);
	key_free(k);

	/* start 7: the seventh word counts, the eighth does not */
	k = key_hex(KEY_TYPE_alloc_v4, POS(0, 1), 0,
		    "0000000000000000 1d000000 01 01 09 00 00000000 00000000"
		    "0000000000000000 0000000000000000 00000000 00000000"
		    "0900000000000000 ffffffffffffffff");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_alloc, 0, 0), KEY_OK);
	bch2_alloc_to_v4(bkey_i_to_s_c(k), &a);
	assert_int_equal(a.journal_seq_empty, 9);
	assert_int_equal(a.stripe_sectors, 0);
	key_free(k);
}

static void alloc_v1(void **state)
{
	struct bkey_i *k;
	struct bch_alloc_v4 a;

	/* all fields */
	k = key_hex(KEY_TYPE_alloc, POS(0, 1), 0,
		    "ff 07  01 02  03 04  04  2c 01  05 00  06  08 00 00 00  01 00 00");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_alloc, 0, 0), KEY_OK);
	bch2_alloc_to_v4(bkey_i_to_s_c(k), &a);
	assert_int_equal(a.gen, 7);
	assert_int_equal(a.oldest_gen, 6);
	assert_int_equal(a.data_type, BCH_DATA_user);
	assert_int_equal(a.dirty_sectors, 300);
	assert_int_equal(a.cached_sectors, 5);
	assert_int_equal(a.io_time[0], 0x201);
	assert_int_equal(a.io_time[1], 0x403);
	assert_int_equal(a.stripe_refcount, 1);
	key_free(k);

	/* only data_type and cached_sectors */
	k = key_hex(KEY_TYPE_alloc, POS(0, 1), 0, "14 07  05  20 00");
	bch2_alloc_to_v4(bkey_i_to_s_c(k), &a);
	assert_int_equal(a.data_type, BCH_DATA_cached);
	assert_int_equal(a.cached_sectors, 32);
	assert_int_equal(a.dirty_sectors, 0);
	key_free(k);

	/* 17 bytes of fields in 8 bytes */
	k = key_hex(KEY_TYPE_alloc, POS(0, 1), 0, "ff 07 01 02 03 04 04 2c");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_alloc, 0, 0),
			 BCH_FSCK_ERR_alloc_v1_val_size_bad);
	bch2_alloc_to_v4(bkey_i_to_s_c(k), &a);
	key_free(k);
}

static void alloc_v2_v3(void **state)
{
	struct bkey_i *k;
	struct bch_alloc_v4 a;

	k = key_hex(KEY_TYPE_alloc_v2, POS(0, 1), 0, "03 07 06 04  b1 04  02  01 02");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_alloc, 0, 0), KEY_OK);
	bch2_alloc_to_v4(bkey_i_to_s_c(k), &a);
	assert_int_equal(a.gen, 7);
	assert_int_equal(a.io_time[0], 300);
	assert_int_equal(a.io_time[1], 1);
	assert_int_equal(a.dirty_sectors, 128);
	assert_int_equal(a.cached_sectors, 0);
	key_free(k);

	/* the third number is not in the value */
	k = key_hex(KEY_TYPE_alloc_v2, POS(0, 1), 0, "03 07 06 04  00 00 ff 00");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_alloc, 0, 0),
			 BCH_FSCK_ERR_alloc_v2_unpack_error);
	key_free(k);

	/* dirty_sectors of 33 bits */
	k = key_hex(KEY_TYPE_alloc_v3, POS(0, 1), 0,
		    "0500000000000000 01000000 03 07 06 04  00 00  0f 00 00 00 20 00");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_alloc, 0, 0),
			 BCH_FSCK_ERR_alloc_v3_unpack_error);
	bch2_alloc_to_v4(bkey_i_to_s_c(k), &a);
	assert_int_equal(a.dirty_sectors, 0);
	key_free(k);

	k = key_hex(KEY_TYPE_alloc_v3, POS(0, 1), 0,
		    "0500000000000000 03000000 05 07 06 07  00 00 14 00 06 00 00 00");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_alloc, 0, 0), KEY_OK);
	bch2_alloc_to_v4(bkey_i_to_s_c(k), &a);
	assert_int_equal(a.journal_seq_nonempty, 5);
	assert_int_equal(a.flags, 0x21);		/* need_inc_gen is dropped */
	assert_int_equal(a.dirty_sectors, 10);
	assert_int_equal(a.stripe_refcount, 1);
	key_free(k);
}

static struct bkey_i *alloc_v4(struct bch_alloc_v4 a)
{
	if (!a.flags)
		SET_BCH_ALLOC_V4_BACKPOINTERS_START(&a, 8);
	return key_new(KEY_TYPE_alloc_v4, POS(0, 1), 0, &a, sizeof(a));
}

static void alloc_v4_rules(void **state)
{
#define V4(...)		alloc_v4((struct bch_alloc_v4) { __VA_ARGS__ })
#define BAD(_id, ...)	expect_key(alloc, 0, BCH_FSCK_ERR_##_id, V4(__VA_ARGS__))
	expect_key(alloc, 0, KEY_OK, V4(.data_type = BCH_DATA_free));
	expect_key(alloc, 0, KEY_OK, V4(.data_type = BCH_DATA_need_discard));
	expect_key(alloc, 0, KEY_OK, V4(.data_type = BCH_DATA_multiple));
	expect_key(alloc, 0, KEY_OK, V4(.data_type = BCH_DATA_need_gc_gens, .gen = 95,
					.oldest_gen = 255));
	expect_key(alloc, 0, KEY_OK, V4(.data_type = BCH_DATA_stripe, .stripe_refcount = 1));
	expect_key(alloc, 0, KEY_OK, V4(.data_type = BCH_DATA_parity, .stripe_refcount = 1,
					.dirty_sectors = 512));

	/* start + 4 words for each of two backpointers: 16 of 8 words */
	BAD(alloc_v4_val_size_bad, .flags = 8 << 2 | 2 << 8);
	/* value of 64 bytes, 9 words of fixed part */
	BAD(alloc_v4_val_size_bad, .flags = 9 << 2);
	expect_key(alloc, 0, BCH_FSCK_ERR_bkey_val_size_too_small,
		   key_new(KEY_TYPE_alloc_v4, POS(0, 1), 0, "", 1));
	/* ids 100 and 103 mean the same keys, but the data type is looked at first */
	BAD(alloc_key_data_type_bad, .data_type = BCH_DATA_cached, .dirty_sectors = 1);
	BAD(alloc_key_data_type_bad, .data_type = BCH_DATA_cached);
	BAD(alloc_key_data_type_bad, .data_type = BCH_DATA_user);
	BAD(alloc_key_data_type_bad, .data_type = BCH_DATA_sb);
	BAD(alloc_key_data_type_bad, .data_type = BCH_DATA_free, .gen = 96);
	BAD(alloc_key_data_type_bad, .data_type = BCH_DATA_free, .stripe_refcount = 1);
	BAD(alloc_key_data_type_bad, .data_type = 12);
	BAD(alloc_key_io_time_bad, .data_type = BCH_DATA_user, .dirty_sectors = 1,
	    .io_time[1] = 1ULL << 48);
	BAD(alloc_key_empty_but_have_data, .data_type = BCH_DATA_free, .dirty_sectors = 1);
	BAD(alloc_key_empty_but_have_data, .data_type = BCH_DATA_need_discard,
	    .stripe_sectors = 1);
#undef BAD
#undef V4
}

/* Inline backpointers that begin nowhere; the value is large enough for one. */
static void alloc_v4_backpointers_start(void **state)
{
	struct bch_alloc_v4 a[2] = {};

	a[0].flags = 1 << 8;
	expect_key(alloc, 0, BCH_FSCK_ERR_alloc_v4_backpointers_start_bad,
		   key_new(KEY_TYPE_alloc_v4, POS(0, 1), 0, a, 80));
}

static void data_types(void **state)
{
	assert_false(bch2_bucket_data_type_mismatch(BCH_DATA_free, BCH_DATA_user));
	assert_false(bch2_bucket_data_type_mismatch(BCH_DATA_stripe, BCH_DATA_user));
	assert_false(bch2_bucket_data_type_mismatch(BCH_DATA_user, BCH_DATA_cached));
	assert_false(bch2_bucket_data_type_mismatch(BCH_DATA_multiple, BCH_DATA_btree));
	assert_true(bch2_bucket_data_type_mismatch(BCH_DATA_btree, BCH_DATA_user));
	assert_true(bch2_bucket_data_type_mismatch(BCH_DATA_parity, BCH_DATA_user));
	assert_int_equal(gen_cmp(1, 255), 2);
	assert_true(gen_after(1, 255));
	assert_false(gen_after(255, 1));
}

/* --- indexes --- */

static void index_positions(void **state)
{
	struct bch_alloc_v4 a = { .gen = 37 };
	struct need_discard_entry d;
	struct bpos pos;
	unsigned idx;

	/* spec 42 §2 */
	pos = bch2_freespace_pos(POS(0, 1000), &a);
	assert_int_equal(pos.offset, 0x02000000000003e8ULL);
	assert_int_equal(freespace_offset_to_bucket(0, pos.offset).offset, 1000);

	/* §3.1 */
	pos = bch2_need_discard_pos(true, POS(1, 1000), 77);
	assert_int_equal(pos.inode, 77);
	assert_int_equal(pos.offset, 0x00010000000003e8ULL);
	d = bch2_need_discard_decode(true, pos);
	assert_int_equal(d.bucket.inode, 1);
	assert_int_equal(d.bucket.offset, 1000);
	assert_int_equal(d.journal_seq, 77);
	d = bch2_need_discard_decode(false, bch2_need_discard_pos(false, POS(1, 1000), 77));
	assert_int_equal(d.bucket.inode, 1);
	assert_int_equal(d.bucket.offset, 1000);
	assert_int_equal(d.journal_seq, 0);

	/* §4.1, §4.3 */
	a = (struct bch_alloc_v4) { .data_type = BCH_DATA_user, .dirty_sectors = 300 };
	assert_int_equal(bch2_alloc_lru_idx_fragmentation(&a, 512), 0x4b000000);
	pos = lru_pos(BCH_LRU_FRAGMENTATION_START, 0, 0x4b000000);
	assert_int_equal(pos.inode, 0xffff00004b000000ULL);
	assert_int_equal(lru_type(pos), BCH_LRU_fragmentation);
	a.dirty_sectors = 512;
	assert_int_equal(bch2_alloc_lru_idx_fragmentation(&a, 512), 0);
	a = (struct bch_alloc_v4) { .data_type = BCH_DATA_cached, .io_time[0] = 123456 };
	pos = lru_pos(1, bucket_to_u64(POS(1, 1000)), bch2_alloc_lru_idx_read(&a));
	assert_int_equal(pos.inode, 0x000100000001e240ULL);
	assert_int_equal(pos.offset, 0x00010000000003e8ULL);
	assert_int_equal(lru_pos_time(pos), 123456);

	/* §5 */
	pos = bucket_gens_pos(POS(1, 1000), &idx);
	assert_int_equal(pos.offset, 3);
	assert_int_equal(idx, 232);
	assert_int_equal(bucket_gens_pos_to_bucket(pos, idx).offset, 1000);
}

static void index_rules(void **state)
{
	u8 gens[264] = { 1, 2, 3 };

	expect_key(bucket_gens, 0, KEY_OK,
		   key_new(KEY_TYPE_bucket_gens, POS(0, 0), 0, gens, 256));
	expect_key(bucket_gens, 0, BCH_FSCK_ERR_bucket_gens_val_size_bad,
		   key_new(KEY_TYPE_bucket_gens, POS(0, 0), 0, gens, 248));
	expect_key(bucket_gens, 0, BCH_FSCK_ERR_bucket_gens_val_size_bad,
		   key_new(KEY_TYPE_bucket_gens, POS(0, 0), 0, gens, 264));
	expect_text("1 2 3 0 0 0 0 0", key_new(KEY_TYPE_bucket_gens, POS(0, 0), 0, gens, 8));

	/* no btree lists the old type any more, so its own rule is asked directly */
	{
		struct bkey_i *k = key_hex(KEY_TYPE_lru, POS(1ULL << 48, 5), 0, "0900000000000000");
		struct bkey_validate_context from = key_context(BTREE_ID_lru, 0, 0);
		u16 id = 0;

		from.err_id = &id;
		assert_int_equal(bch2_lru_validate(NULL, bkey_i_to_s_c(k), from),
				 -BCH_ERR_fsck_delete_bkey);
		assert_int_equal(id, BCH_FSCK_ERR_lru_entry_at_time_0);
		k->k.p.inode++;
		assert_int_equal(bch2_lru_validate(NULL, bkey_i_to_s_c(k), from), 0);
		expect_text("idx 9", k);
	}

	/* generic rules that the indexes rely on */
	expect_key(freespace, 0, BCH_FSCK_ERR_bkey_extent_size_zero,
		   key_hex(KEY_TYPE_set, POS(0, 5), 0, ""));
	expect_key(freespace, 0, BCH_FSCK_ERR_bkey_extent_size_greater_than_offset,
		   key_hex(KEY_TYPE_set, POS(0, 5), 6, ""));
	expect_key(freespace, 0, BCH_FSCK_ERR_bkey_val_size_nonzero,
		   key_hex(KEY_TYPE_set, POS(0, 5), 5, "0000000000000000"));
}

static void lru_texts(void **state)
{
	static const struct {
		struct bpos	pos;
		const char	*text;
	} v[] = {
		{ { .inode = 0x000100000001e240ULL, .offset = 0x00010000000003e8ULL },
		  "read dev 1 time 123456 bucket 1:1000" },
		{ { .inode = 0xffff00004b000000ULL, .offset = 0x00010000000003e8ULL },
		  "fragmentation time 1258291200 bucket 1:1000" },
		{ { .inode = 0xfffe000000000001ULL, .offset = 17 }, "stripes time 1 stripe 17" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct printbuf out = PRINTBUF;

		bch2_lru_pos_to_text(&out, v[i].pos);
		assert_string_equal(printbuf_str(&out), v[i].text);
		printbuf_exit(&out);
	}
}

/* --- backpointers --- */

/* Spec 42 §6.1, §6.2 */
static void backpointer_example(void **state)
{
	const char *v = "00 00 04 05  00 00 00 00  10 00 00 00  ff ff ff ff"
			"80 00 00 00 00 00 00 00  01 10 00 00 00 00 00 00";
	struct bpos pos = POS(0, 0x1f40a008);

	assert_int_equal(backpointer_pos_sector(pos, 10), 512040);
	assert_int_equal(backpointer_pos_bucket(pos, 10, 512).offset, 1000);
	assert_int_equal(backpointer_pos_bucket(POS(0, 0x7d0280008ULL), 16, 512).offset, 1000);
	assert_int_equal(bch2_bucket_backpointers_start(POS(0, 1000), 512, 10).offset, 0x1f400000);
	assert_int_equal(bch2_bucket_backpointers_end(POS(0, 1000), 512, 10).offset, 0x1f47ffff);
	assert_int_equal(bch2_bucket_backpointers_start(POS(0, 1000), 512, 16).offset,
			 0x7d0000000ULL);
	assert_int_equal(bch2_bucket_backpointers_end(POS(0, 1000), 512, 16).offset,
			 0x7d1ffffffULL);

	expect_key(backpointers, BCH_VALIDATE_commit, KEY_OK,
		   key_hex(KEY_TYPE_backpointer, pos, 0, v));
	expect_text("btree=extents level=0 data_type user gen 5 len 16 pos 4097:128:U32_MAX",
		    key_hex(KEY_TYPE_backpointer, pos, 0, v));
}

static void backpointer_rules(void **state)
{
#define BP(_dev, _level)							\
	key_hex(KEY_TYPE_backpointer, POS(_dev, 5), 0, "00" _level "0405 00000000 10000000"	\
		"ffffffff 8000000000000000 0110000000000000")
	expect_key(backpointers, 0, KEY_OK, BP(0, "04"));
	expect_key(backpointers, 0, BCH_FSCK_ERR_backpointer_level_bad, BP(0, "05"));
	expect_key(backpointers, 0, BCH_FSCK_ERR_backpointer_dev_bad, BP(255, "00"));
#undef BP
	expect_key(backpointers, 0, BCH_FSCK_ERR_bkey_val_size_too_small,
		   key_hex(KEY_TYPE_backpointer, POS(0, 5), 0, "0000040500000000"));
}

/* What pointers call for. */
static void backpointer_of_pointers(void **state)
{
	struct bch_fs *c = fake_fs_new();
	struct bkey_ptrs_c ptrs;
	const union bch_extent_entry *e;
	struct extent_ptr_decoded p;
	struct backpointer_key bp;
	struct bkey_i *k;
	unsigned n = 0;

	/* zstd, 64 sectors stored as 16, 32 live ones from 24 on; sector 512040 of device 5 */
	k = key_hex(KEY_TYPE_extent, SPOS(4097, 128, U32_MAX), 32,
		    "3e 7e 18 45 78 56 34 12  81 02 7d 00 00 00 05 07");
	ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(k));
	bkey_for_each_ptr_decode(&k->k, ptrs, p, e) {
		bp = bch2_ptr_to_backpointer(c, BTREE_ID_extents, 0, bkey_i_to_s_c(k), &p, 10);
		assert_int_equal(bp.pos.inode, 5);
		assert_int_equal(bp.pos.offset, (512040ULL << 10) + 24);
		assert_int_equal(bp.v.btree_id, BTREE_ID_extents);
		assert_int_equal(bp.v.data_type, BCH_DATA_user);
		assert_int_equal(bp.v.bucket_gen, 7);
		assert_int_equal(bp.v.bucket_len, 8);
		assert_true(bpos_eq(bp.v.pos, k->k.p));
		assert_false(bp.stripe_btree);
		n++;
	}
	assert_int_equal(n, 1);
	key_free(k);

	/* stripe 77, block 2, device removed */
	k = key_hex(KEY_TYPE_extent, SPOS(4097, 128, U32_MAX), 32,
		    "50 40 9a 00 00 00 00 00  81 02 7d 00 00 00 ff 07");
	ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(k));
	bkey_for_each_ptr_decode(&k->k, ptrs, p, e) {
		bp = bch2_ptr_to_backpointer(c, BTREE_ID_extents, 0, bkey_i_to_s_c(k), &p, 16);
		assert_true(bp.stripe_btree);
		assert_int_equal(bp.pos.inode, 77 << 8 | 2);
		assert_int_equal(bp.pos.offset, 512040ULL << 16);
		assert_int_equal(bp.v.data_type, BCH_DATA_stripe);
		assert_int_equal(bp.v.flags, 0xc);
	}
	key_free(k);

	/* block of a stripe: the last position of its range */
	k = key_hex(KEY_TYPE_stripe, POS(0, 17), 0,
		    "00 02 00 02 01 09 00 00  01 00 7d 00 00 00 05 07  01 00 7d 00 00 00 06 07"
		    "00 00 00 00");
	ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(k));
	n = 0;
	bkey_for_each_ptr_decode(&k->k, ptrs, p, e) {
		bp = bch2_ptr_to_backpointer(c, BTREE_ID_stripes, 0, bkey_i_to_s_c(k), &p, 16);
		assert_int_equal(bp.pos.inode, 5 + n);
		assert_int_equal(bp.pos.offset, 0x7d1ffffffULL);
		assert_int_equal(bp.v.data_type, n ? BCH_DATA_parity : BCH_DATA_user);
		assert_int_equal(bp.v.bucket_len, 0);
		n++;
	}
	assert_int_equal(n, 2);
	key_free(k);
	fake_fs_free(c);
}

/* --- accounting --- */

/* Spec 41 §2.5 */
static const struct {
	u64		inode;
	u64		offset;
	const char	*name;
} accounting_names[] = {
	{ 0, 0, "nr_inodes" },
	{ 0x0102000000000000ULL, 0, "persistent_reserved replicas 2" },
	{ 0x0204020100030000ULL, 0, "replicas user 1/2 [0 3]" },
	{ 0x0203010100000000ULL, 0, "replicas btree 1/1 [0]" },
	{ 0x0205010101000000ULL, 0, "replicas cached 1/1 [1]" },
	{ 0x0206060400010203ULL, 0x0405000000000000ULL, "replicas parity 4/6 [0 1 2 3 4 5]" },
	{ 0x0301090000000000ULL, 0, "dev_data_type dev 1 need_discard" },
	{ 0x0404000000000000ULL, 0, "compression zstd" },
	{ 0x05feffffff000000ULL, 0, "snapshot 4294967294" },
	{ 0x060d000000000000ULL, 0, "btree backpointers" },
	{ 0x0800100000000000ULL, 0, "inum 4096" },
	{ 0x0906000000000000ULL, 0, "reconcile_work pending" },
	{ 0x0a02000000000000ULL, 0, "dev_leaving dev 2" },
};

static void accounting_positions(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(accounting_names); i++) {
		struct bpos pos = POS(accounting_names[i].inode, accounting_names[i].offset);
		struct disk_accounting_pos acc;
		struct printbuf out = PRINTBUF;
		struct bpos old;

		bch2_accounting_pos_decode(&acc, pos, true);
		bch2_accounting_name_to_text(&out, NULL, &acc);
		assert_string_equal(printbuf_str(&out), accounting_names[i].name);
		assert_true(bpos_eq(bch2_accounting_pos_encode(&acc), pos));
		printbuf_exit(&out);

		/* before 1.15 the name was the position, byte for byte */
		memcpy(&old, &acc, sizeof(old));
		bch2_accounting_pos_decode(&acc, old, false);
		assert_true(bpos_eq(bch2_accounting_pos_encode(&acc), pos));

		expect_key(accounting, 0, KEY_OK,
			   key_hex(KEY_TYPE_accounting, pos, 0, "0100000000000000"));
	}
}

static void accounting_texts(void **state)
{
	struct bkey_i *k = key_hex(KEY_TYPE_accounting, POS(0x0301090000000000ULL, 0), 0,
				   "0500000000000000 0004000000000000 80ffffffffffffff");

	assert_int_equal(bch2_accounting_counter(bkey_i_to_s_c(k), 0), 5);
	assert_int_equal((s64) bch2_accounting_counter(bkey_i_to_s_c(k), 2), -128);
	assert_int_equal(bch2_accounting_counter(bkey_i_to_s_c(k), 3), 0);
	assert_false(bch2_accounting_key_is_zero(bkey_i_to_s_c(k)));
	expect_text("dev_data_type dev 1 need_discard: buckets 5 sectors 1024 fragmented -128", k);

	k = key_hex(KEY_TYPE_accounting, POS(0, 0), 0, "0000000000000000");
	assert_true(bch2_accounting_key_is_zero(bkey_i_to_s_c(k)));
	expect_text("nr_inodes: inodes 0", k);
	expect_text("(unknown accounting type 200): 7",
		    key_hex(KEY_TYPE_accounting, POS(200ULL << 56, 1), 0, "0700000000000000"));
	/* more devices than there are bytes */
	expect_text("replicas user 1/255 [0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0]: sectors 7",
		    key_hex(KEY_TYPE_accounting, POS(0x0204ff0100000000ULL, 0), 0,
			    "0700000000000000"));
}

static void accounting_rules(void **state)
{
#define ACC(_inode, _offset, _val)						\
	key_hex(KEY_TYPE_accounting, SPOS(_inode, _offset, 0), 0, _val)
#define ONE	"0100000000000000"
	expect_key(accounting, BCH_VALIDATE_commit, BCH_FSCK_ERR_accounting_key_version_0,
		   ACC(0, 0, ONE));
	expect_key(accounting, 0, BCH_FSCK_ERR_accounting_key_replicas_nr_devs_0,
		   ACC(0x0204000000000000ULL, 0, ONE));
	expect_key(accounting, 0, BCH_FSCK_ERR_accounting_key_replicas_nr_devs_0,
		   ACC(0x0204110100010203ULL, 0x0405060708090a0bULL, ONE));
	expect_key(accounting, 0, BCH_FSCK_ERR_accounting_key_replicas_nr_required_bad,
		   ACC(0x0204020300030000ULL, 0, ONE));
	expect_key(accounting, 0, BCH_FSCK_ERR_accounting_key_replicas_nr_required_bad,
		   ACC(0x0204020200030000ULL, 0, ONE));
	expect_key(accounting, 0, BCH_FSCK_ERR_accounting_key_replicas_devs_unsorted,
		   ACC(0x0204020103000000ULL, 0, ONE));
	expect_key(accounting, 0, BCH_FSCK_ERR_accounting_key_replicas_devs_unsorted,
		   ACC(0x0204020103030000ULL, 0, ONE));
	/* no device may be listed more than once, except "none" */
	expect_key(accounting, 0, KEY_OK, ACC(0x0204030100ffff00ULL, 0, ONE));
	expect_key(accounting, 0, BCH_FSCK_ERR_accounting_key_junk_at_end,
		   ACC(0x0204020100030100ULL, 0, ONE));
	expect_key(accounting, 0, BCH_FSCK_ERR_accounting_key_junk_at_end, ACC(0, 1, ONE));
	expect_key(accounting, 0, BCH_FSCK_ERR_accounting_key_junk_at_end,
		   key_hex(KEY_TYPE_accounting, SPOS(0, 0, 1), 0, ONE));
	/* not tested for these two */
	expect_key(accounting, 0, KEY_OK, ACC(0x0800100000000000ULL, 1, ONE));
	expect_key(accounting, 0, KEY_OK, ACC(0x0a02000000000000ULL, 1, ONE));
	expect_key(accounting, 0, BCH_FSCK_ERR_accounting_key_nr_counters_wrong,
		   ACC(0, 0, ONE ONE ONE ONE));
	/* types of newer software are kept whatever they hold */
	expect_key(accounting, 0, KEY_OK, ACC(11ULL << 56, 5, ONE ONE ONE ONE));
#undef ONE
#undef ACC
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alloc_v4_example),
		cmocka_unit_test(alloc_v4_short),
		cmocka_unit_test(alloc_v1),
		cmocka_unit_test(alloc_v2_v3),
		cmocka_unit_test(alloc_v4_rules),
		cmocka_unit_test(alloc_v4_backpointers_start),
		cmocka_unit_test(data_types),
		cmocka_unit_test(index_positions),
		cmocka_unit_test(index_rules),
		cmocka_unit_test(lru_texts),
		cmocka_unit_test(backpointer_example),
		cmocka_unit_test(backpointer_rules),
		cmocka_unit_test(backpointer_of_pointers),
		cmocka_unit_test(accounting_positions),
		cmocka_unit_test(accounting_texts),
		cmocka_unit_test(accounting_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
