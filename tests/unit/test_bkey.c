// SPDX-License-Identifier: GPL-2.0
/*
 * Keys: formats, packing and unpacking against a model that moves single bits,
 * comparing, the checks common to all keys, old versions, text.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_buf.h"
#include "btree/bkey_methods.h"
#include "util/printbuf.h"

static uint64_t seed = 1;

static uint64_t rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dULL;
}

/* --- the model: fields are placed bit by bit --- */

static const unsigned width[6] = { 64, 64, 32, 32, 32, 64 };

static void key_fields(const struct bkey *k, uint64_t v[6])
{
	v[0] = k->p.inode;
	v[1] = k->p.offset;
	v[2] = k->p.snapshot;
	v[3] = k->size;
	v[4] = k->bversion.hi;
	v[5] = k->bversion.lo;
}

static bool model_pack(uint8_t *bits, const struct bkey *k, const struct bkey_format *f)
{
	int top = f->key_u64s * 64;
	uint64_t v[6];

	memset(bits, 0, 5 * 64);
	key_fields(k, v);
	for (unsigned i = 0; i < 6; i++) {
		uint64_t x = v[i] - f->field_offset[i];

		if (v[i] < f->field_offset[i])
			return false;
		if (f->bits_per_field[i] < 64 && x >> f->bits_per_field[i])
			return false;
		top -= f->bits_per_field[i];
		for (int b = 0; b < f->bits_per_field[i]; b++)
			bits[top + b] = x >> b & 1;
	}
	return true;
}

static void assert_bits(const struct bkey_packed *p, const uint8_t *bits, unsigned u64s)
{
	const uint8_t *b = (const uint8_t *) p;

	for (unsigned i = 24; i < u64s * 64; i++)
		assert_int_equal(b[i / 8] >> (i % 8) & 1, bits[i]);
}

static struct bkey_format random_format(void)
{
	struct bkey_format f = { .nr_fields = 6 };
	unsigned sum = 24;

	for (unsigned i = 0; i < 6; i++) {
		unsigned bits = rnd() % 3 ? rnd() % (width[i] + 1) : rnd() % 2 * width[i];

		f.bits_per_field[i] = bits;
		sum += bits;
		if (bits < width[i]) {
			uint64_t full = width[i] == 64 ? ~0ULL : (1ULL << width[i]) - 1;
			uint64_t room = full - ((1ULL << bits) - 1);

			f.field_offset[i] = room == ~0ULL ? rnd() : rnd() % (room + 1);
		}
	}
	f.key_u64s = (sum + 63) / 64;
	return f;
}

/* A key that fits @f, apart from an occasional field. */
static struct bkey random_key(const struct bkey_format *f, bool fits)
{
	struct bkey k;
	uint64_t v[6];

	for (unsigned i = 0; i < 6; i++) {
		unsigned bits = f->bits_per_field[i];
		uint64_t mask = bits == 64 ? ~0ULL : (1ULL << bits) - 1;

		v[i] = f->field_offset[i] + (rnd() & mask);
	}
	if (!fits)
		v[rnd() % 6] = rnd();
	bkey_init(&k);
	k.u64s		= 5 + rnd() % 40;
	k.type		= rnd();
	k.p		= SPOS(v[0], v[1], v[2]);
	k.size		= v[3];
	k.bversion.hi	= v[4];
	k.bversion.lo	= v[5];
	return k;
}

static void pack_like_model(void **state)
{
	for (unsigned i = 0; i < 20000; i++) {
		struct bkey_format f = random_format();
		struct bkey k = random_key(&f, rnd() % 4), back;
		struct bkey_packed p;
		uint8_t bits[5 * 64];
		bool want = model_pack(bits, &k, &f);

		assert_true(bch2_bkey_format_validate(&f, NULL));
		memset(&p, 0xee, sizeof(p));
		assert_int_equal(bch2_bkey_pack_key(&p, &k, &f), want);
		if (!want) {
			assert_int_equal(((uint8_t *) &p)[0], 0xee);
			continue;
		}
		assert_int_equal(p.u64s, k.u64s - 5 + f.key_u64s);
		assert_int_equal(p.format, KEY_FORMAT_LOCAL_BTREE);
		assert_int_equal(p.type, k.type);
		assert_bits(&p, bits, f.key_u64s);
		back = bch2_bkey_unpack_key(&f, &p);
		assert_memory_equal(&back, &k, sizeof(k));
	}
}

static void compare_like_positions(void **state)
{
	for (unsigned i = 0; i < 20000; i++) {
		struct bkey_format f = random_format();
		struct bkey a = random_key(&f, true), b = random_key(&f, true);
		struct bkey_packed pa, pb;
		struct bkey_unpacker u;
		int want;

		if (rnd() % 2)
			b.p.inode = a.p.inode;
		if (rnd() % 2)
			b.p.offset = a.p.offset;
		if (rnd() % 2)
			b.p.snapshot = a.p.snapshot;
		want = bpos_cmp(a.p, b.p);
		bch2_bkey_unpacker_init(&u, &f);
		if (rnd() % 4)
			assert_true(bch2_bkey_pack_key(&pa, &a, &f));
		else
			memcpy(&pa, &a, sizeof(a));
		if (rnd() % 4)
			assert_true(bch2_bkey_pack_key(&pb, &b, &f));
		else
			memcpy(&pb, &b, sizeof(b));
		assert_int_equal(bch2_bkey_cmp_packed(&u, &pa, &pb), want);
		assert_int_equal(bch2_bkey_cmp_packed_pos(&u, &pa, b.p), want);
	}
}

/* --- worked examples of the format's description, 20 section 6.5 --- */

static struct bkey extent_key(uint64_t inode, uint64_t offset, uint32_t size)
{
	struct bkey k;

	bkey_init(&k);
	k.u64s	= 6;
	k.type	= KEY_TYPE_extent;
	k.p	= SPOS(inode, offset, KEY_SNAPSHOT_MAX);
	k.size	= size;
	return k;
}

static void worked_example(void **state)
{
	static const uint8_t want[3][8] = {
		{ 0x02, 0x00, 0x06, 0x00, 0x08, 0x08, 0x00, 0x00 },
		{ 0x02, 0x00, 0x06, 0x00, 0x40, 0x80, 0x00, 0x00 },
		{ 0x02, 0x00, 0x06, 0x00, 0x80, 0x00, 0x10, 0x03 },
	};
	static const uint8_t want_widths[6] = { 8, 16, 0, 8, 0, 0 };
	static const uint64_t want_offsets[6] = { 4096, 0, 4294967295, 0, 0, 0 };
	static const uint8_t want_b[40] = {
		0x06, 0x01, 0x06, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0x40, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
		0x80, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x10, 0, 0, 0, 0, 0, 0,
	};
	const struct bkey k[3] = {
		extent_key(4096, 8, 8), extent_key(4096, 128, 64), extent_key(4099, 4096, 128),
	};
	struct bkey_format_state s;
	struct bkey_format f;

	bch2_bkey_format_init(&s);
	bch2_bkey_format_add_pos(&s, SPOS(4096, 0, KEY_SNAPSHOT_MAX));
	bch2_bkey_format_add_pos(&s, SPOS(4099, 8191, KEY_SNAPSHOT_MAX));
	for (unsigned i = 0; i < 3; i++)
		bch2_bkey_format_add_key(&s, &k[i]);
	f = bch2_bkey_format_done(&s);

	assert_int_equal(f.key_u64s, 1);
	assert_memory_equal(f.bits_per_field, want_widths, 6);
	assert_memory_equal(f.field_offset, want_offsets, sizeof(want_offsets));
	for (unsigned i = 0; i < 3; i++) {
		struct bkey_packed p;

		assert_true(bch2_bkey_pack_key(&p, &k[i], &f));
		assert_memory_equal(&p, want[i], 8);
	}
	assert_memory_equal(&k[1], want_b, 40);
}

static void example_from_real_filesystem(void **state)
{
	static const uint8_t bytes[24] __aligned(8) = {
		0x12, 0x00, 0x1d, 0x00, 0xff, 0xff, 0xff, 0xff,
		0x01, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	const struct bkey_format f = {
		.key_u64s = 3, .nr_fields = 6, .bits_per_field = { 64, 64, 32, 0, 0, 0 },
	};
	struct bkey k = bch2_bkey_unpack_key(&f, (const struct bkey_packed *) bytes);

	assert_int_equal(k.u64s, 18 - 3 + 5);
	assert_int_equal(k.type, KEY_TYPE_inode_v3);
	assert_true(bpos_eq(k.p, SPOS(0, 4097, KEY_SNAPSHOT_MAX)));
	assert_int_equal(k.size, 0);
}

/* --- formats --- */

static void format_is_tight_and_valid(void **state)
{
	for (unsigned i = 0; i < 5000; i++) {
		struct bkey_format like = random_format(), f;
		struct bkey_format_state s;
		struct bkey k[8];
		unsigned nr = rnd() % 8;

		bch2_bkey_format_init(&s);
		for (unsigned j = 0; j < nr; j++) {
			k[j] = random_key(&like, true);
			bch2_bkey_format_add_key(&s, &k[j]);
		}
		f = bch2_bkey_format_done(&s);
		assert_true(bch2_bkey_format_validate(&f, NULL));
		for (unsigned j = 0; j < nr; j++) {
			struct bkey_packed p;

			assert_true(bch2_bkey_pack_key(&p, &k[j], &f));
			/* a deleted key at the same place must fit too */
			k[j].size	= 0;
			assert_true(bch2_bkey_pack_key(&p, &k[j], &f));
		}
	}
}

static void bad_formats(void **state)
{
	const struct bkey_format good = {
		.key_u64s = 3, .nr_fields = 6, .bits_per_field = { 64, 64, 32, 0, 0, 0 },
	};
	struct bkey_format f = good;

	assert_true(bch2_bkey_format_validate(&f, NULL));
	f.nr_fields = 5;
	assert_false(bch2_bkey_format_validate(&f, NULL));
	f = good;
	f.key_u64s = 4;
	assert_false(bch2_bkey_format_validate(&f, NULL));
	f = good;
	f.field_offset[0] = 1;
	assert_false(bch2_bkey_format_validate(&f, NULL));
	f = good;
	f.bits_per_field[2] = 33;
	assert_false(bch2_bkey_format_validate(&f, NULL));
	f = good;
	f.field_offset[3] = 1ULL << 32;
	assert_false(bch2_bkey_format_validate(&f, NULL));
	f = good;
	f.bits_per_field[3] = 8;
	f.field_offset[3] = 0xffffff01;
	assert_false(bch2_bkey_format_validate(&f, NULL));
	f.field_offset[3] = 0xffffff00;
	assert_true(bch2_bkey_format_validate(&f, NULL));
}

/* --- generic checks, 20 section 11.3 --- */

struct generic_case {
	unsigned	btree, level, type;
	struct bpos	pos;
	uint32_t	size;
	unsigned	flags, root, u64s;
	int		want;		/* error id, -1: valid */
};

static void generic_checks(void **state)
{
#define ID(x) BCH_FSCK_ERR_bkey_##x
	const struct generic_case cases[] = {
		{ BTREE_ID_inodes, 0, KEY_TYPE_deleted, SPOS(0, 1, 1), .u64s = 5, .want = -1 },
		{ BTREE_ID_inodes, 0, KEY_TYPE_deleted, SPOS(0, 1, 1), .u64s = 4,
		  .want = ID(u64s_too_small) },
		{ BTREE_ID_inodes, 0, KEY_TYPE_dirent, SPOS(0, 1, 1), .u64s = 5,
		  .want = ID(invalid_type_for_btree) },
		{ BTREE_ID_inodes, 0, KEY_TYPE_cookie, SPOS(0, 1, 1), .u64s = 6, .want = -1 },
		{ BTREE_ID_inodes, 0, KEY_TYPE_cookie, SPOS(0, 1, 1), .u64s = 6,
		  .flags = BCH_VALIDATE_commit, .want = ID(invalid_type_for_btree) },
		{ BTREE_ID_inodes, 0, 38, SPOS(0, 1, 1), .u64s = 6, .want = -1 },
		{ BTREE_ID_inodes, 1, KEY_TYPE_inode_v3, SPOS(0, 1, 1), .u64s = 30,
		  .want = ID(invalid_type_for_btree) },
		{ BTREE_ID_inodes, 1, KEY_TYPE_cookie, SPOS(0, 1, 1), .u64s = 6,
		  .want = ID(invalid_type_for_btree) },
		{ BTREE_ID_inodes, 1, KEY_TYPE_btree_ptr_v2, SPOS_MAX, .u64s = 11, .want = -1 },
		{ BTREE_ID_inodes, 0, KEY_TYPE_btree_ptr_v2, SPOS_MAX, .u64s = 11, .root = 1,
		  .want = -1 },
		{ BTREE_ID_inodes, 0, KEY_TYPE_btree_ptr_v2, SPOS(0, 1, 1), .u64s = 11,
		  .want = ID(invalid_type_for_btree) },
		{ BTREE_ID_extents, 0, KEY_TYPE_extent, SPOS(1, 8, 1), 0, .u64s = 6,
		  .want = ID(extent_size_zero) },
		{ BTREE_ID_extents, 0, KEY_TYPE_extent, SPOS(1, 8, 1), 9, .u64s = 6,
		  .want = ID(extent_size_greater_than_offset) },
		{ BTREE_ID_extents, 0, KEY_TYPE_extent, SPOS(1, 8, 1), 8, .u64s = 6, .want = -1 },
		{ BTREE_ID_extents, 0, KEY_TYPE_whiteout, SPOS(1, 8, 1), 8, .u64s = 5,
		  .want = ID(size_nonzero) },
		{ BTREE_ID_extents, 1, KEY_TYPE_btree_ptr_v2, SPOS(1, 8, 1), 8, .u64s = 11,
		  .want = ID(size_nonzero) },
		{ BTREE_ID_inodes, 0, KEY_TYPE_deleted, SPOS(0, 1, 1), 1, .u64s = 5,
		  .want = ID(size_nonzero) },
		{ BTREE_ID_inodes, 0, KEY_TYPE_deleted, SPOS(0, 1, 0), .u64s = 5,
		  .want = ID(snapshot_zero) },
		{ BTREE_ID_alloc, 0, KEY_TYPE_deleted, SPOS(0, 1, 1), .u64s = 5,
		  .want = ID(snapshot_nonzero) },
		{ BTREE_ID_deleted_inodes, 0, KEY_TYPE_set, SPOS(0, 1, 1), .u64s = 5, .want = -1 },
		{ BTREE_ID_deleted_inodes, 0, KEY_TYPE_set, SPOS(0, 1, 0), .u64s = 5, .want = -1 },
		{ BTREE_ID_alloc, 0, KEY_TYPE_deleted, POS_MAX, .u64s = 5,
		  .want = ID(at_pos_max) },
		{ BTREE_ID_NR, 0, KEY_TYPE_inode, SPOS(1, 1, 1), 7, .u64s = 5, .want = -1 },
		{ BTREE_ID_NR, 0, KEY_TYPE_inode, SPOS(1, 1, 1), 7, .u64s = 4,
		  .want = ID(u64s_too_small) },
		/* values */
		{ BTREE_ID_lru, 0, KEY_TYPE_set, SPOS(1, 1, 0), .u64s = 6,
		  .want = ID(val_size_nonzero) },
		{ BTREE_ID_inodes, 0, KEY_TYPE_inode_v3, SPOS(0, 4096, 1), .u64s = 10,
		  .want = ID(val_size_too_small) },
	};
#undef ID

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct generic_case *t = &cases[i];
		u64 buf[40] = { 0 };
		struct bkey_i *k = (struct bkey_i *) buf;
		struct printbuf err = PRINTBUF;
		u16 id = 0;
		int ret;

		k->k = (struct bkey) { .u64s = t->u64s, .format = 1, .type = t->type,
			.size = t->size, .p = t->pos };
		ret = bch2_bkey_validate(NULL, bkey_i_to_s_c(k),
			(struct bkey_validate_context) {
				.from	= BKEY_VALIDATE_btree_node,
				.btree	= t->btree,
				.level	= t->level,
				.root	= t->root,
				.flags	= t->flags,
				.err	= &err,
				.err_id	= &id,
			});
		/* Pointers without devices are refused by their own checks. */
		if (t->want < 0 && t->type == KEY_TYPE_btree_ptr_v2)
			assert_true(id != BCH_FSCK_ERR_bkey_invalid_type_for_btree);
		else if (t->want < 0 && ret && t->type != KEY_TYPE_extent)
			fail_msg("case %u: %s", i, printbuf_str(&err));
		else if (t->want >= 0 && (!ret || id != t->want))
			fail_msg("case %u: id %u, want %i: %s", i, id, t->want,
				 printbuf_str(&err));
		if (ret)
			assert_true(err.pos > 0);
		printbuf_exit(&err);
	}
}

/* --- old versions, 20 section 12 --- */

static void old_key_types(void **state)
{
	u8 t = 128;

	bch2_bkey_renumber(true, BTREE_ID_dirents, BCH_VERSION(0, 9), &t);
	assert_int_equal(t, KEY_TYPE_dirent);
	t = 129;
	bch2_bkey_renumber(true, BTREE_ID_xattrs, BCH_VERSION(0, 9), &t);
	assert_int_equal(t, KEY_TYPE_hash_whiteout);
	t = 128;
	bch2_bkey_renumber(false, BTREE_ID_xattrs, BCH_VERSION(0, 9), &t);
	assert_int_equal(t, KEY_TYPE_btree_ptr);
	t = 128;
	bch2_bkey_renumber(true, BTREE_ID_dirents, BCH_VERSION(0, 10), &t);
	assert_int_equal(t, 128);
}

/* A packed key of version 0.10 means the same as the unpacked one next to it. */
static void old_packed_keys(void **state)
{
	for (unsigned i = 0; i < 5000; i++) {
		const unsigned btree = rnd() % 2 ? BTREE_ID_inodes : BTREE_ID_extents;
		const unsigned level = rnd() % 2, version = BCH_VERSION(0, 9 + rnd() % 3);
		struct bkey_format stored, f;
		struct { struct bkey_i k; u64 v[16]; } u = { 0 }, p = { 0 };
		struct bkey back;

		do {
			stored = random_format();
		} while (stored.bits_per_field[2] && stored.bits_per_field[2] < 32 && rnd() % 2);
		u.k.k = random_key(&stored, true);
		u.k.k.type = KEY_TYPE_cookie;
		u.k.k.u64s = 6;
		assert_true(bch2_bkey_pack_key((struct bkey_packed *) &p, &u.k.k, &stored));

		f = stored;
		bch2_bkey_format_compat_read(level, btree, version, &f);
		assert_true(bch2_bkey_format_validate(&f, NULL));
		bch2_bkey_packed_compat_read(level, btree, version, &f,
					     (struct bkey_packed *) &p);
		bch2_bkey_compat_read(level, btree, version, &u.k);
		back = bch2_bkey_unpack_key(&f, (struct bkey_packed *) &p);
		assert_memory_equal(&back, &u.k.k, sizeof(back));
		assert_int_equal(back.p.snapshot, KEY_SNAPSHOT_MAX);
	}
}

static void old_ranges(void **state)
{
	struct bpos min = SPOS(5, 6, 0), max = SPOS(7, 8, 0);

	bch2_btree_range_compat_read(BTREE_ID_inodes, BCH_VERSION(0, 10), &min, &max);
	assert_true(bpos_eq(min, SPOS(6, 5, 0)));
	assert_true(bpos_eq(max, SPOS(8, 7, KEY_SNAPSHOT_MAX)));
	min = SPOS(5, 6, 0);
	bch2_btree_range_compat_read(BTREE_ID_extents, BCH_VERSION(0, 10), &min, &max);
	assert_true(bpos_eq(min, SPOS(5, 7, 0)));
	min = POS_MIN;
	bch2_btree_range_compat_read(BTREE_ID_extents, BCH_VERSION(0, 10), &min, &max);
	assert_true(bpos_eq(min, POS_MIN));
	min = SPOS(5, 6, 0);
	max = SPOS(7, 8, 9);
	bch2_btree_range_compat_read(BTREE_ID_extents, BCH_VERSION(0, 12), &min, &max);
	assert_true(bpos_eq(min, SPOS(5, 6, 0)));
	assert_true(bpos_eq(max, SPOS(7, 8, 9)));
}

/* --- text, names, copies --- */

static void text_and_names(void **state)
{
	struct { struct bkey_i k; u64 v; } k = { 0 };
	CLASS(printbuf, out)();

	bkey_init(&k.k.k);
	k.k.k.type = KEY_TYPE_cookie;
	k.k.k.p = SPOS(1, U64_MAX, 0);
	k.k.k.bversion.lo = 77;
	bch2_bkey_to_text(&out, &k.k.k);
	assert_string_equal(printbuf_str(&out), "u64s 5 type cookie 1:U64_MAX:0 len 0 ver 77");

	/* a value shorter than its type's smallest is not handed to the type */
	printbuf_reset(&out);
	k.k.k.type = KEY_TYPE_alloc_v4;
	k.k.k.u64s = 6;
	bch2_bkey_val_to_text(&out, NULL, bkey_i_to_s_c(&k.k));
	assert_non_null(strstr(printbuf_str(&out), "too short"));

	printbuf_reset(&out);
	k.k.k.type = 200;
	bch2_bkey_to_text(&out, &k.k.k);
	assert_non_null(strstr(printbuf_str(&out), "type 200 "));

	for (unsigned i = 0; i < BTREE_ID_NR; i++)
		assert_int_equal(bch2_btree_id_parse(bch2_btree_id_name(i)), i);
	for (unsigned i = 0; i < KEY_TYPE_MAX; i++)
		assert_int_equal(bch2_bkey_type_parse(bch2_bkey_type_name(i)), i);
	assert_true(bch2_btree_id_parse("nonsense") < 0);
	assert_true(bch2_bkey_type_parse("") < 0);
	assert_int_equal(bch2_btree_id_parse("rebalance_work"), BTREE_ID_reconcile_work);
}

static void key_copies(void **state)
{
	u64 mem[255];
	struct bkey_i *k = (struct bkey_i *) mem;
	struct bkey_buf buf;

	for (unsigned i = 0; i < 255; i++)
		mem[i] = rnd();
	bch2_bkey_buf_init(&buf);
	for (unsigned u64s = 5; u64s <= 255; u64s += 25) {
		k->k.u64s = u64s;
		assert_int_equal(bch2_bkey_buf_copy(&buf, k), 0);
		assert_memory_equal(buf.k, k, u64s * 8);
	}
	k->k.u64s = 6;
	assert_int_equal(bch2_bkey_buf_copy(&buf, k), 0);
	assert_memory_equal(buf.k, k, 48);
	bch2_bkey_buf_exit(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pack_like_model),
		cmocka_unit_test(compare_like_positions),
		cmocka_unit_test(worked_example),
		cmocka_unit_test(example_from_real_filesystem),
		cmocka_unit_test(format_is_tight_and_valid),
		cmocka_unit_test(bad_formats),
		cmocka_unit_test(generic_checks),
		cmocka_unit_test(old_key_types),
		cmocka_unit_test(old_packed_keys),
		cmocka_unit_test(old_ranges),
		cmocka_unit_test(text_and_names),
		cmocka_unit_test(key_copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
