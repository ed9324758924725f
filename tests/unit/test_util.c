// SPDX-License-Identifier: GPL-2.0
/*
 * Text buffers, positions, variable-length integers, containers, error codes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "errcode.h"
#include "util/bpos.h"
#include "util/darray.h"
#include "util/eytzinger.h"
#include "util/fifo.h"
#include "util/printbuf.h"
#include "util/siphash.h"
#include "util/varint.h"

/* --- printbuf --- */

static void printbuf_grows(void **state)
{
	struct printbuf buf = PRINTBUF;
	char expect[5001];

	assert_string_equal(printbuf_str(&buf), "");
	for (unsigned i = 0; i < 500; i++)
		prt_printf(&buf, "%010u", i);
	for (unsigned i = 0; i < 500; i++)
		snprintf(expect + i * 10, 11, "%010u", i);
	assert_string_equal(printbuf_str(&buf), expect);
	assert_int_equal(buf.pos, 5000);
	assert_false(buf.allocation_failure);
	printbuf_exit(&buf);
	assert_null(buf.buf);
}

static void printbuf_long_format(void **state)
{
	CLASS(printbuf, buf)();
	char *s = malloc(100001);

	memset(s, 'x', 100000);
	s[100000] = '\0';
	prt_printf(&buf, "%s", s);
	assert_string_equal(printbuf_str(&buf), s);
	free(s);
}

static void printbuf_cap(void **state)
{
	CLASS(printbuf, buf)();
	size_t chunk = 9 << 20;
	char *s = malloc(chunk);

	memset(s, 'x', chunk);
	for (unsigned i = 0; i < 8; i++)
		prt_bytes(&buf, s, chunk);
	assert_true(buf.allocation_failure);
	assert_true(buf.pos < PRINTBUF_MAX);
	assert_true(buf.size <= PRINTBUF_MAX);
	assert_int_equal(buf.buf[buf.pos], '\0');
	free(s);
}

static void printbuf_fixed_memory(void **state)
{
	char mem[8];
	struct printbuf buf = PRINTBUF_EXTERN(mem, sizeof(mem));

	prt_str(&buf, "0123456789");
	assert_true(buf.allocation_failure);
	assert_string_equal(printbuf_str(&buf), "0123456");
	printbuf_exit(&buf);
	assert_ptr_equal(buf.buf, mem);
}

static void printbuf_indentation(void **state)
{
	CLASS(printbuf, buf)();

	prt_str(&buf, "a:\n");
	printbuf_indent_add(&buf, 2);
	prt_str(&buf, "b\n\nc");
	{
		CLASS(printbuf_indent, in)(&buf);
		prt_newline(&buf);
		prt_printf(&buf, "d %u\n", 5);
	}
	printbuf_indent_sub(&buf, 10);
	prt_str(&buf, "e\n");
	assert_string_equal(printbuf_str(&buf), "a:\n  b\n\n  c\n    d 5\ne\n");
}

/* The same text whether it is printed where it belongs or by way of a copy. */
static void printbuf_formats(void **state)
{
	static const struct {
		const char *fmt, *expect;
	} t[] = {
		{ "%s",		"  x" },
		{ "%s\n",	"  x\n" },
		{ "\n%s",	"\n  x" },
		{ "\n",	"\n" },
		{ "%s\n\n",	"  x\n\n" },
		{ "%s\ty",	"  x     y" },
		{ "%s\n%s",	"  x\n  x" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		/* no buffer yet; one that has room for a copy only; one with room */
		for (unsigned size = 0; size < 128; size += 8) {
			CLASS(printbuf, buf)();
			char expect[256];
			u32 at;

			if (size)
				assert_int_equal(printbuf_make_room(&buf, size), 0);
			while (size && buf.pos + size < 127)
				prt_newline(&buf);
			at = buf.pos;
			memset(expect, '\n', at);
			strcpy(expect + at, t[i].expect);
			printbuf_indent_add(&buf, 2);
			printbuf_tabstop_push(&buf, 8);
			prt_printf(&buf, t[i].fmt, "x", "x");
			assert_string_equal(buf.buf, expect);
		}
	{
		char mem[40];
		struct printbuf buf = PRINTBUF_EXTERN(mem, sizeof(mem));

		prt_printf(&buf, "%s", "0123456789012345678901234567890123456789");
		assert_true(buf.allocation_failure);
		assert_string_equal(buf.buf, "012345678901234567890123456789012345678");
	}
}

static void printbuf_columns(void **state)
{
	CLASS(printbuf, buf)();

	printbuf_tabstop_push(&buf, 8);
	printbuf_tabstop_push(&buf, 8);
	prt_str(&buf, "ab\tcd\tef\n");
	prt_str(&buf, "ab\tcd\ref\n");
	prt_str(&buf, "too long a name\tx\n");
	prt_str(&buf, "\tx\n");
	printbuf_indent_add(&buf, 2);
	prt_str(&buf, "i\tx\n");
	assert_string_equal(printbuf_str(&buf),
			    "ab      cd      ef\n"
			    "ab            cdef\n"
			    "too long a name x\n"
			    "        x\n"
			    "  i     x\n");
}

static void printbuf_hostile_bytes(void **state)
{
	CLASS(printbuf, buf)();

	printbuf_tabstop_push(&buf, 20);
	prt_bytes(&buf, "a\nb\tc\0d", 7);
	assert_int_equal(buf.pos, 7);
	printbuf_reset(&buf);
	prt_bytes_escaped(&buf, "a\nb\\\x7f\xc3\xa4", 7);
	assert_string_equal(printbuf_str(&buf), "a\\x0ab\\x5c\\x7f\xc3\xa4");
}

#define assert_prints(expect, ...)						\
do {										\
	CLASS(printbuf, _buf)();						\
	struct printbuf *out = &_buf;						\
	__VA_ARGS__;								\
	assert_string_equal(printbuf_str(out), expect);				\
} while (0)

static void human_readable(void **state)
{
	static const struct {
		u64		v;
		const char	*text;
	} v[] = {
		{ 0, "0" }, { 512, "512" }, { 1023, "1023" }, { 1024, "1.00k" },
		{ 4096, "4.00k" }, { 262144, "256k" }, { 1 << 20, "1.00M" },
		{ 10ULL << 30, "10.0G" }, { 1536, "1.50k" },
		{ 1024 * 1024 - 1, "1023k" },		/* cut off, not rounded */
		{ (20ULL << 10) - 1, "19.9k" }, { U64_MAX, "15.9E" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		assert_prints(v[i].text, prt_human_readable_u64(out, v[i].v));
	assert_prints("-4.00k", prt_human_readable_s64(out, -4096));
	assert_prints("-8.00E", prt_human_readable_s64(out, S64_MIN));
	assert_prints("4096", prt_units_u64(out, 4096));
	assert_prints("0", prt_u64(out, 0));
	assert_prints("1234567890", prt_u64(out, 1234567890));
	assert_prints("18446744073709551615", prt_u64(out, U64_MAX));
	assert_prints("4.00k", out->human_readable_units = true; prt_units_u64(out, 4096));
}

static s32 one_hour(s64 seconds)
{
	return 3600;
}

static void names_and_dates(void **state)
{
	static const char * const list[] = { "none", "lz4", "gzip", NULL };
	static const u8 uuid[16] = { 0xc6, 0x85, 0x73, 0xf6, 0x66, 0xce, 0x90, 0xa9,
				     0xd9, 0x6a, 0x60, 0xcf, 0x80, 0x3d, 0xf7, 0xef };
	unsigned long v[2] = { 6, 1 };

	assert_prints("none [lz4] gzip", prt_string_option(out, list, 1));
	assert_prints("none lz4 gzip", prt_string_option(out, list, 77));
	assert_prints("lz4,gzip,bit63", prt_bitflags(out, list, 6 | 1ULL << 63));
	assert_prints("lz4,gzip,bit64", prt_bitflags_vector(out, list, v, 128));
	assert_prints("0101", prt_bits64(out, 5, 4));
	assert_prints("c68573f6-66ce-90a9-d96a-60cf803df7ef", prt_uuid(out, uuid));
	assert_prints("Thu Jan  1 00:00:00 1970", prt_datetime(out, 0));
	assert_prints("Thu Jan  1 00:00:00 2026", prt_datetime(out, 1767225600));
	assert_prints("Thu Jan  1 01:00:00 2026", out->utc_offset = one_hour;
		      prt_datetime(out, 1767225600));
	assert_prints("Tue Feb 29 12:00:00 2000", prt_datetime(out, 951825600));
	assert_prints("Wed Dec 31 23:59:59 1969", prt_datetime(out, -1));
	assert_prints("Mon Mar  1 00:00:00 2100", prt_datetime(out, 4107542400));
	assert_prints("9223372036854775807", prt_datetime(out, S64_MAX));
}

static void dates_agree_with_libc(void **state)
{
	for (s64 t = -3000000000LL; t < 20000000000LL; t += 86399 * 37) {
		time_t tt = t;
		char expect[64];
		struct tm tm;

		gmtime_r(&tt, &tm);
		strftime(expect, sizeof(expect), "%a %b %e %H:%M:%S %Y", &tm);
		assert_prints(expect, prt_datetime(out, t));
	}
}

/* --- positions --- */

static void bpos_order(void **state)
{
	static const struct { u64 i, o; u32 s; } v[] = {
		{ 0, 0, 0 }, { 0, 0, 1 }, { 0, 0, U32_MAX }, { 0, 1, 0 }, { 0, U64_MAX, 5 },
		{ 1, 0, 0 }, { 1, 5, 3 }, { U64_MAX, 0, 0 }, { U64_MAX, U64_MAX, 0 },
		{ U64_MAX, U64_MAX, U32_MAX },
	};

	for (int a = 0; a < (int) ARRAY_SIZE(v); a++)
		for (int b = 0; b < (int) ARRAY_SIZE(v); b++) {
			struct bpos l = SPOS(v[a].i, v[a].o, v[a].s);
			struct bpos r = SPOS(v[b].i, v[b].o, v[b].s);
			bool same_place = v[a].i == v[b].i && v[a].o == v[b].o;

			assert_int_equal(bpos_cmp(l, r), (a > b) - (a < b));
			assert_int_equal(bpos_lt(l, r), a < b);
			assert_int_equal(bpos_le(l, r), a <= b);
			assert_int_equal(bpos_gt(l, r), a > b);
			assert_int_equal(bpos_ge(l, r), a >= b);
			assert_int_equal(bpos_eq(l, r), a == b);
			assert_int_equal(bkey_eq(l, r), same_place);
			assert_int_equal(bkey_lt(l, r), a < b && !same_place);
			assert_int_equal(bkey_cmp(l, r), same_place ? 0 : (a > b) - (a < b));
		}
}

static void bpos_neighbours(void **state)
{
	assert_true(bpos_eq(bpos_successor(SPOS(1, 2, 3)), SPOS(1, 2, 4)));
	assert_true(bpos_eq(bpos_successor(SPOS(1, 2, U32_MAX)), SPOS(1, 3, 0)));
	assert_true(bpos_eq(bpos_successor(SPOS(1, U64_MAX, U32_MAX)), SPOS(2, 0, 0)));
	assert_true(bpos_eq(bpos_predecessor(SPOS(2, 0, 0)), SPOS(1, U64_MAX, U32_MAX)));
	assert_true(bpos_eq(bpos_predecessor(SPOS(2, 1, 0)), SPOS(2, 0, U32_MAX)));
	assert_true(bpos_eq(bpos_nosnap_successor(SPOS(1, 2, 3)), POS(1, 3)));
	assert_true(bpos_eq(bpos_nosnap_successor(SPOS(1, U64_MAX, 3)), POS(2, 0)));
	assert_true(bpos_eq(bpos_nosnap_predecessor(SPOS(2, 0, 7)), POS(1, U64_MAX)));
}

static void bpos_text(void **state)
{
	static const struct {
		const char	*text;
		u64		i, o;
		u32		s;
	} v[] = {
		{ "POS_MIN", 0, 0, 0 },
		{ "POS_MAX", U64_MAX, U64_MAX, 0 },
		{ "SPOS_MAX", U64_MAX, U64_MAX, U32_MAX },
		{ "4096:8:U32_MAX", 4096, 8, U32_MAX },
		{ "U64_MAX:0:1", U64_MAX, 0, 1 },
	};
	static const char * const bad[] = {
		"", "1", ":", "1:", "1:2:", "a:b", "1:2:3:4", "1:2:4294967296", " 1:2",
		"18446744073709551616:0", "1:2x", "POS_MINX", "-1:0",
	};
	struct bpos pos;

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		assert_prints(v[i].text, bch2_bpos_to_text(out, SPOS(v[i].i, v[i].o, v[i].s)));
		assert_int_equal(bch2_parse_bpos(v[i].text, &pos), 0);
		assert_true(bpos_eq(pos, SPOS(v[i].i, v[i].o, v[i].s)));
	}
	assert_int_equal(bch2_parse_bpos("12:34", &pos), 0);
	assert_true(bpos_eq(pos, POS(12, 34)));
	assert_int_equal(bch2_parse_bpos("18446744073709551615:0", &pos), 0);
	assert_true(bpos_eq(pos, POS(U64_MAX, 0)));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(bch2_parse_bpos(bad[i], &pos), -BCH_ERR_EINVAL_bpos);
}

/* --- variable-length integers, spec 60 section 2 --- */

static void varint_vectors(void **state)
{
	static const struct {
		u64		v;
		int		n;
		u8		b[9];
	} t[] = {
		{ 0, 1, { 0x00 } }, { 1, 1, { 0x02 } }, { 127, 1, { 0xfe } },
		{ 128, 2, { 0x01, 0x02 } }, { 300, 2, { 0xb1, 0x04 } },
		{ 16384, 3, { 0x03, 0x00, 0x02 } },
		{ 268435455, 4, { 0xf7, 0xff, 0xff, 0xff } },
		{ 1ULL << 55, 8, { 0x7f, 0, 0, 0, 0, 0, 0, 0x80 } },
		{ 1ULL << 56, 9, { 0xff, 0, 0, 0, 0, 0, 0, 0, 0x01 } },
		{ U64_MAX, 9, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
	};
	u8 buf[BCH_VARINT_BYTES_MAX];
	u64 v;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(bch2_varint_encode(buf, t[i].v), t[i].n);
		assert_memory_equal(buf, t[i].b, t[i].n);
		assert_int_equal(bch2_varint_decode(t[i].b, t[i].b + t[i].n, &v), t[i].n);
		assert_int_equal(v, t[i].v);
		for (int cut = 0; cut < t[i].n; cut++)
			assert_int_equal(bch2_varint_decode(t[i].b, t[i].b + cut, &v),
					 -BCH_ERR_ERANGE_varint);
	}
}

static void varint_round_trip(void **state)
{
	u8 buf[BCH_VARINT_BYTES_MAX];
	u64 r;

	for (unsigned bit = 0; bit < 64; bit++)
		for (int d = -1; d <= 1; d++) {
			u64 v = (1ULL << bit) + d;
			int n = bch2_varint_encode(buf, v);

			assert_int_equal(bch2_varint_decode(buf, buf + n, &r), n);
			assert_int_equal(r, v);
		}

	/* a longer form than needed */
	memcpy(buf, "\x03\x00\x00", 3);
	assert_int_equal(bch2_varint_decode(buf, buf + 3, &r), 3);
	assert_int_equal(r, 0);
}

static void varint_old_vectors(void **state)
{
	static const struct {
		u64		v;
		int		n;
		u8		b[6];
	} t[] = {
		{ 0, 1, { 0x80 } }, { 127, 1, { 0xff } }, { 128, 2, { 0x40, 0x80 } },
		{ 1000, 2, { 0x43, 0xe8 } }, { 1 << 20, 3, { 0x30, 0x00, 0x00 } },
		{ 1 << 28, 6, { 0x08, 0x00, 0x10, 0x00, 0x00, 0x00 } },
	};
	static const u8 wide[13] = { 0x01, [5] = 0x80, [12] = 0x07 };
	static const u8 too_wide[13] = { 0x01, [4] = 0x01 };
	static const u8 zero[13];
	u64 v;

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(bch2_varint_old_decode(t[i].b, t[i].b + t[i].n, &v), t[i].n);
		assert_int_equal(v, t[i].v);
		for (int cut = 0; cut < t[i].n; cut++)
			assert_int_equal(bch2_varint_old_decode(t[i].b, t[i].b + cut, &v),
					 -BCH_ERR_ERANGE_varint);
	}
	assert_int_equal(bch2_varint_old_decode(wide, wide + 13, &v), 13);
	assert_int_equal(v, 0x8000000000000007ULL);
	assert_int_equal(bch2_varint_old_decode(too_wide, too_wide + 13, &v),
			 -BCH_ERR_ERANGE_varint);
	assert_int_equal(bch2_varint_old_decode(zero, zero + 13, &v), -BCH_ERR_ERANGE_varint);
}

/* --- hash, after the vectors of the SipHash paper --- */

static void siphash_vectors(void **state)
{
	static const u8 key[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	u8 in[64];

	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = i;
	assert_int_equal(bch2_siphash24(key, in, 15), 0xa129ca6149be45e5ULL);
	assert_int_equal(bch2_siphash24(key, in, 0), 0x726fdb47dd0e0e31ULL);
	assert_int_equal(bch2_siphash24(key, in, 8), 0x93f5f5799a932462ULL);
}

/* --- containers --- */

static void darray_basics(void **state)
{
	DARRAY(u32) d = { 0 };
	u32 sum = 0;

	for (u32 i = 0; i < 1000; i++)
		assert_int_equal(darray_push(&d, i), 0);
	assert_int_equal(d.nr, 1000);
	darray_for_each(d, i)
		sum += *i;
	assert_int_equal(sum, 499500);
	assert_int_equal(darray_last(d), 999);
	assert_int_equal(darray_insert_item(&d, 0, 7777), 0);
	assert_int_equal(d.data[0], 7777);
	assert_int_equal(d.data[1], 0);
	assert_int_equal(d.data[1000], 999);
	darray_remove_item(&d, &d.data[0]);
	assert_int_equal(d.nr, 1000);
	assert_int_equal(d.data[0], 0);
	assert_int_equal(darray_pop(&d), 999);
	assert_int_equal(darray_make_room(&d, SIZE_MAX / 2), -ENOMEM);
	assert_int_equal(d.data[998], 998);
	darray_exit(&d);
	assert_int_equal(d.nr, 0);
}

static void fifo_basics(void **state)
{
	FIFO(u32) f;
	size_t idx;
	u32 v, n = 0;

	assert_true(init_fifo(&f, 5, GFP_KERNEL));
	assert_int_equal(f.size, 8);
	for (u32 round = 0; round < 100; round++) {
		for (u32 i = 0; i < 8; i++)
			assert_true(fifo_push(&f, round * 8 + i));
		assert_false(fifo_push(&f, 0));
		fifo_for_each_entry(v, &f, idx)
			assert_int_equal(v, idx);
		assert_int_equal(fifo_peek_front(&f), round * 8);
		assert_int_equal(fifo_peek_back(&f), round * 8 + 7);
		while (fifo_pop(&f, v))
			assert_int_equal(v, n++);
		assert_true(fifo_empty(&f));
	}
	assert_int_equal(n, 800);
	free_fifo(&f);
}

static int cmp_u32(const void *key, const void *element)
{
	u32 k = *(const u32 *) key, e = *(const u32 *) element;

	return (k > e) - (k < e);
}

static void eytzinger_search(void **state)
{
	u32 sorted[100], tree[100];

	for (u32 i = 0; i < 100; i++)
		sorted[i] = 10 + i * 3;

	for (size_t nr = 0; nr <= 100; nr++) {
		memset(tree, 0, sizeof(tree));
		eytzinger0_from_sorted(tree, sorted, nr, sizeof(u32));

		for (u32 key = 0; key < 330; key++) {
			ssize_t i = eytzinger0_find_le(tree, nr, sizeof(u32), &key, cmp_u32);
			ssize_t eq = eytzinger0_find(tree, nr, sizeof(u32), &key, cmp_u32);
			ssize_t want = -1;

			for (size_t j = 0; j < nr; j++)
				if (sorted[j] <= key)
					want = j;
			assert_int_equal(i >= 0, want >= 0);
			if (want >= 0)
				assert_int_equal(tree[i], sorted[want]);
			assert_int_equal(eq >= 0, want >= 0 && sorted[want] == key);
		}
	}
}

/* --- error codes --- */

static void error_classes(void **state)
{
	assert_string_equal(bch2_err_str(-BCH_ERR_invalid_sb_magic), "invalid_sb_magic");
	assert_string_equal(bch2_err_str(BCH_ERR_invalid_sb_magic), "invalid_sb_magic");
	assert_string_equal(bch2_err_str(-ENOMEM), "ENOMEM");
	assert_string_equal(bch2_err_str(-EROFS), "EROFS");
	assert_non_null(bch2_err_str(-1999));
	assert_non_null(bch2_err_str(INT_MIN + 1));
	assert_non_null(bch2_err_str(BCH_ERR_MAX));

	assert_true(bch2_err_matches(-BCH_ERR_invalid_sb_layout_type, BCH_ERR_invalid_sb_layout));
	assert_true(bch2_err_matches(-BCH_ERR_invalid_sb_layout_type, BCH_ERR_invalid_sb));
	assert_true(bch2_err_matches(-BCH_ERR_invalid_sb_layout_type, EINVAL));
	assert_true(bch2_err_matches(-BCH_ERR_invalid_sb_layout_type,
				     BCH_ERR_invalid_sb_layout_type));
	assert_false(bch2_err_matches(-BCH_ERR_invalid_sb, BCH_ERR_invalid_sb_layout));
	assert_false(bch2_err_matches(-EINVAL, BCH_ERR_invalid_sb));
	assert_false(bch2_err_matches(0, BCH_ERR_invalid_sb));
	assert_false(bch2_err_matches(0, 0));
	assert_true(bch2_err_matches(-ENOMEM, ENOMEM));
	assert_true(bch2_err_matches(-BCH_ERR_transaction_restart_nested,
				     BCH_ERR_transaction_restart));

	assert_int_equal(bch2_err_class(0), 0);
	assert_int_equal(bch2_err_class(-ENOSPC), -ENOSPC);
	assert_int_equal(bch2_err_class(-BCH_ERR_ENOSPC_sb_clean), -ENOSPC);
	assert_int_equal(bch2_err_class(-BCH_ERR_fsck_fix), -EROFS);
	assert_int_equal(bch2_err_class(-BCH_ERR_transaction_restart), -EIO);
	for (int e = BCH_ERR_START; e < BCH_ERR_MAX; e++) {
		assert_true(bch2_err_class(-e) < 0);
		assert_true(bch2_err_class(-e) > -BCH_ERR_START);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(printbuf_grows),
		cmocka_unit_test(printbuf_long_format),
		cmocka_unit_test(printbuf_cap),
		cmocka_unit_test(printbuf_fixed_memory),
		cmocka_unit_test(printbuf_indentation),
		cmocka_unit_test(printbuf_formats),
		cmocka_unit_test(printbuf_columns),
		cmocka_unit_test(printbuf_hostile_bytes),
		cmocka_unit_test(human_readable),
		cmocka_unit_test(names_and_dates),
		cmocka_unit_test(dates_agree_with_libc),
		cmocka_unit_test(bpos_order),
		cmocka_unit_test(bpos_neighbours),
		cmocka_unit_test(bpos_text),
		cmocka_unit_test(varint_vectors),
		cmocka_unit_test(varint_round_trip),
		cmocka_unit_test(varint_old_vectors),
		cmocka_unit_test(siphash_vectors),
		cmocka_unit_test(darray_basics),
		cmocka_unit_test(fifo_basics),
		cmocka_unit_test(eytzinger_search),
		cmocka_unit_test(error_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
