// SPDX-License-Identifier: GPL-2.0
/*
 * Walking extent entries: the examples of the format's description, the scope of
 * checksum and stripe entries, values of any content; and the table of snapshots.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "btree/extent_entries.h"
#include "btree/snapshot_table.h"
#include "btree_image.h"

static struct tkey extent_of(unsigned type, const u8 *bytes, unsigned len, u32 size)
{
	struct tkey k = tkey_make(type, SPOS(1, 1000, 1), size, len / 8, 0);

	memcpy(k.v, bytes, len);
	return k;
}

/* --- examples of 50 section 3 --- */

static void pointers(void **state)
{
	static const u8 bytes[] = {
		0x01, 0x80, 0x00, 0x01, 0x00, 0x00, 0x01, 0x07,
		0x03, 0x04, 0x80, 0x00, 0x00, 0x00, 0x02, 0x03,
		0x09, 0x04, 0x80, 0x00, 0x00, 0x00, 0x00, 0x03,
		0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0x00,
	};
	static const struct { u64 offset; u8 dev, gen, cached, unwritten; } want[] = {
		{ 0x100800, 1, 7, 0, 0 }, { 0x80040, 2, 3, 1, 0 }, { 0x80040, 0, 3, 0, 1 },
		{ 0, 255, 0, 0, 0 },
	};
	struct tkey k = extent_of(KEY_TYPE_extent, bytes, sizeof(bytes), 8);
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(&k.k));
	const struct bch_extent_ptr *p;
	unsigned i = 0;

	bkey_for_each_ptr(ptrs, p) {
		assert_int_equal(EXTENT_PTR_OFFSET(p), want[i].offset);
		assert_int_equal(EXTENT_PTR_DEV(p), want[i].dev);
		assert_int_equal(EXTENT_PTR_GEN(p), want[i].gen);
		assert_int_equal(EXTENT_PTR_CACHED(p), want[i].cached);
		assert_int_equal(EXTENT_PTR_UNWRITTEN(p), want[i].unwritten);
		i++;
	}
	assert_int_equal(i, 4);
	assert_int_equal(bch2_bkey_ptrs_nr(bkey_i_to_s_c(&k.k)), 4);
}

static struct bch_extent_crc_unpacked crc_of(const u8 *bytes, unsigned len)
{
	struct tkey k = extent_of(KEY_TYPE_extent, bytes, len, 77);
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(&k.k));

	assert_true(extent_entry_is_crc(ptrs.start));
	assert_ptr_equal(extent_entry_valid(&ptrs, ptrs.start), ptrs.start);
	return bch2_extent_crc_unpack(&k.k.k, ptrs.start);
}

static void checksum_entries(void **state)
{
	static const u8 a[] = { 0xfe, 0xff, 0x00, 0x05, 0x83, 0x92, 0x06, 0xe3 };
	static const u8 b[] = { 0x3e, 0x7e, 0x18, 0x45, 0x78, 0x56, 0x34, 0x12 };
	static const u8 d[] = { 0xfc, 0xf7, 0x0f, 0x00, 0x00, 0x06, 0x00, 0x00,
				0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 };
	static const u8 e[] = { 0x3c, 0xf0, 0x07, 0x00, 0x18, 0x33, 0xaa, 0xbb,
				0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 };
	static const u8 f[] = { 0xf8, 0x1f, 0xfe, 0x03, 0x00, 0x00, 0x00, 0x04,
				1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0 };
	struct bch_extent_crc_unpacked c;

	c = crc_of(a, sizeof(a));
	assert_int_equal(c.compressed_size, 128);
	assert_int_equal(c.uncompressed_size, 128);
	assert_int_equal(c.offset, 0);
	assert_int_equal(c.live_size, 77);
	assert_int_equal(c.csum_type, BCH_CSUM_crc32c);
	assert_int_equal(c.compression_type, 0);
	assert_int_equal(c.csum.lo, 0xe3069283);
	assert_false(crc_is_compressed(&c));
	assert_true(crc_is_encoded(&c));

	c = crc_of(b, sizeof(b));
	assert_int_equal(c.compressed_size, 16);
	assert_int_equal(c.uncompressed_size, 64);
	assert_int_equal(c.offset, 24);
	assert_int_equal(c.compression_type, BCH_COMPRESSION_TYPE_zstd);
	assert_int_equal(c.csum.lo, 0x12345678);
	assert_true(crc_is_compressed(&c));

	c = crc_of(d, sizeof(d));
	assert_int_equal(c.uncompressed_size, 256);
	assert_int_equal(c.csum_type, BCH_CSUM_crc64);
	assert_int_equal(c.csum.lo, 0x1122334455667788);
	assert_int_equal(c.csum.hi, 0);

	c = crc_of(e, sizeof(e));
	assert_int_equal(c.compressed_size, 8);
	assert_int_equal(c.uncompressed_size, 128);
	assert_int_equal(c.nonce, 96);
	assert_int_equal(c.csum_type, BCH_CSUM_chacha20_poly1305_80);
	assert_int_equal(c.csum.hi, 0xbbaa);

	c = crc_of(f, sizeof(f));
	assert_int_equal(c.compressed_size, 512);
	assert_int_equal(c.uncompressed_size, 512);
	assert_int_equal(c.csum_type, BCH_CSUM_chacha20_poly1305_128);
	assert_int_equal(c.csum.lo, 1);
	assert_int_equal(c.csum.hi, 2);
}

/* ptr A, crc32, stripe_ptr, ptr B, ptr C: what applies to which. */
static void scope(void **state)
{
	static const u8 bytes[] = {
		0x01, 0x80, 0x00, 0x01, 0x00, 0x00, 0x01, 0x07,
		0x3e, 0x7e, 0x18, 0x45, 0x78, 0x56, 0x34, 0x12,
		0x50, 0x40, 0x9a, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x03, 0x04, 0x80, 0x00, 0x00, 0x00, 0x02, 0x03,
		0x01, 0x04, 0x80, 0x00, 0x00, 0x00, 0x03, 0x03,
	};
	struct tkey k = extent_of(KEY_TYPE_extent, bytes, sizeof(bytes), 40);
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(&k.k));
	const union bch_extent_entry *e;
	struct extent_ptr_decoded d;
	unsigned i = 0;

	bkey_for_each_ptr_decode(&k.k.k, ptrs, d, e) {
		assert_int_equal(d.idx, i);
		assert_int_equal(EXTENT_PTR_DEV(&d.ptr), i + 1);
		assert_int_equal(d.crc.uncompressed_size, i ? 64 : 40);
		assert_int_equal(d.has_ec, i == 1);
		if (d.has_ec) {
			assert_int_equal(STRIPE_PTR_IDX(&d.ec), 77);
			assert_int_equal(STRIPE_PTR_BLOCK(&d.ec), 2);
			assert_int_equal(STRIPE_PTR_REDUNDANCY(&d.ec), 2);
		}
		assert_true(extent_entry_is_ptr(e));
		i++;
	}
	assert_int_equal(i, 3);
}

/* Only the superblock knows how large a type of a later version is. */
static void types_of_later_versions(void **state)
{
	u64 v[] = { 1ULL << 9, 0, 0x0100000000000001ULL };
	struct tkey k = extent_of(KEY_TYPE_extent, (const u8 *) v, sizeof(v), 8);
	struct bch_fs *c = calloc(1, sizeof(*c));
	struct bkey_ptrs_c p = bch2_bkey_ptrs_c(bkey_i_to_s_c(&k.k));
	unsigned type = 0;

	assert_int_equal(bch2_extent_entries_check(&p, &type), EXTENT_ENTRIES_unknown_type);
	assert_int_equal(type, 9);
	assert_int_equal(bch2_bkey_ptrs_nr(bkey_i_to_s_c(&k.k)), 0);

	c->extent_types_known = 10;
	c->extent_type_u64s[9] = 2;
	p = bch2_bkey_ptrs_c_fs(c, bkey_i_to_s_c(&k.k));
	assert_int_equal(bch2_extent_entries_check(&p, NULL), EXTENT_ENTRIES_ok);
	assert_non_null(bkey_ptr_next(&p, extent_entry_valid(&p, p.start)));
	assert_int_equal(extent_entry_u64s(c, p.start), 2);
	assert_int_equal(extent_entry_u64s(NULL, p.start), 0);
	c->extent_type_u64s[9] = 200;
	assert_int_equal(bch2_extent_entries_check(&p, NULL), EXTENT_ENTRIES_overrun);
	free(c);
}

static void any_value(void **state)
{
	static const u8 types[] = { KEY_TYPE_btree_ptr, KEY_TYPE_btree_ptr_v2, KEY_TYPE_extent,
		KEY_TYPE_reflink_v, KEY_TYPE_stripe, KEY_TYPE_inode_v3, 200 };

	for (unsigned n = 0; n < 100000; n++) {
		/* exactly as long as it says, so that a sanitizer sees every step too far */
		const unsigned words = trnd() % 12;
		struct bkey_i *k = malloc(sizeof(*k) + words * 8);
		struct extent_ptr_decoded d;
		const union bch_extent_entry *e;
		const struct bch_extent_ptr *ptr;
		struct bkey_ptrs_c p;
		unsigned entries = 0, nr = 0, decoded = 0;
		u64 *v = (u64 *) &k->v;

		bkey_init(&k->k);
		k->k.type = types[trnd() % ARRAY_SIZE(types)];
		k->k.u64s = BKEY_U64s + words;
		k->k.size = trnd();
		for (unsigned i = 0; i < words; i++)
			v[i] = trnd() % 4 ? 1ULL << (trnd() % 10) | trnd() << 12 : trnd();

		p = bch2_bkey_ptrs_c(bkey_i_to_s_c(k));
		assert_true((u64 *) p.start >= v && (u64 *) p.end <= v + words);
		bkey_extent_entry_for_each(p, e)
			entries++;
		assert_true(entries <= words);
		bkey_for_each_ptr(p, ptr)
			nr++;
		bkey_for_each_ptr_decode(&k->k, p, d, e)
			decoded++;
		assert_int_equal(nr, decoded);
		assert_int_equal(nr, bch2_bkey_ptrs_nr(bkey_i_to_s_c(k)));
		if (bch2_extent_entries_check(&p, NULL) == EXTENT_ENTRIES_ok && p.end > p.start)
			assert_true(entries > 0);
		if (!bkey_type_has_ptrs(k->k.type))
			assert_int_equal(entries, 0);
		bch2_btree_ptr_info(k);
		free(k);
	}
}

/* --- snapshots --- */

static void hostile_parents(void **state)
{
	struct bch_fs *c = timg_fs(4096, 512);
	/* a loop, a child above its parent, oneself, somebody unknown */
	const u32 parent[][2] = {
		{ 100, 200 }, { 200, 100 }, { 300, 300 }, { 400, 399 }, { 500, 12345 },
		{ 50, 100 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(parent); i++) {
		struct snapshot_t s = { .state = SNAPSHOT_ID_live, .parent = parent[i][1],
			.skip = { parent[i][0], 1, U32_MAX }, .children = { U32_MAX, 3 } };

		assert_int_equal(bch2_snapshot_table_set(c, parent[i][0], &s), 0);
	}
	for (unsigned verified = 0; verified < 2; verified++) {
		bch2_snapshot_table_verified(c, verified);
		for (unsigned i = 0; i < ARRAY_SIZE(parent); i++)
			for (u32 a = 0; a < 600; a += 50)
				bch2_snapshot_is_ancestor(c, parent[i][0], a);
		assert_false(bch2_snapshot_is_ancestor(c, 0, 100));
		assert_true(bch2_snapshot_is_ancestor(c, 7, 7));
		assert_false(bch2_snapshot_is_ancestor(c, 200, 100));
	}
	bch2_snapshot_table_verified(c, false);
	assert_true(bch2_snapshot_is_ancestor(c, 50, 200));
	assert_int_equal(bch2_snapshot_root(c, 50), 200);
	assert_int_equal(bch2_snapshot_nth_parent(c, 50, 2), 200);
	assert_int_equal(bch2_snapshot_nth_parent(c, 50, 3), 0);
	assert_int_equal(bch2_snapshot_parent(c, 300), 0);
	assert_int_equal(bch2_snapshot_table_nr(c), ARRAY_SIZE(parent));
	timg_fs_free(c);
}

/* Skip lists give the same answers as parents. */
static void ancestors_with_skips(void **state)
{
	struct bch_fs *c = timg_fs(4096, 512);
	enum { NR = 3000 };
	u32 *id = calloc(NR, 4), *parent = calloc(NR, 4);

	trnd_seed(42);
	for (unsigned i = 0; i < NR; i++) {
		struct snapshot_t s = { .state = SNAPSHOT_ID_live };
		unsigned up = i && trnd() % 50 ? trnd() % min(i, 4U) + 1 : 0;

		id[i] = i ? id[i - 1] - 1 - trnd() % 1000 : U32_MAX;
		parent[i] = up ? i - up : U32_MAX;
		s.parent = up ? id[i - up] : 0;
		for (unsigned j = 0; up && j < 3; j++)
			s.skip[j] = bch2_snapshot_nth_parent(c, s.parent, trnd() % 40) ?:
				s.parent;
		for (unsigned a = 0; a < 2; a++)
			for (unsigned b = 0; b < 2; b++)
				if (s.skip[b] > s.skip[b + 1])
					swap(s.skip[b], s.skip[b + 1]);
		assert_int_equal(bch2_snapshot_table_set(c, id[i], &s), 0);
	}
	assert_int_equal(bch2_snapshot_table_nr(c), NR);
	for (unsigned n = 0; n < 20000; n++) {
		unsigned i = trnd() % NR, a = trnd() % (i + 1), j = i;
		bool want, plain;

		while (j != U32_MAX && j > a)
			j = parent[j];
		want = j == a;
		bch2_snapshot_table_verified(c, false);
		plain = bch2_snapshot_is_ancestor(c, id[i], id[a]);
		bch2_snapshot_table_verified(c, true);
		assert_int_equal(plain, want);
		assert_int_equal(bch2_snapshot_is_ancestor(c, id[i], id[a]), want);
	}
	free(id);
	free(parent);
	timg_fs_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pointers),
		cmocka_unit_test(checksum_entries),
		cmocka_unit_test(scope),
		cmocka_unit_test(types_of_later_versions),
		cmocka_unit_test(any_value),
		cmocka_unit_test(hostile_parents),
		cmocka_unit_test(ancestors_with_skips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
