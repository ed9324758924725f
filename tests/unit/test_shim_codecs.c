// SPDX-License-Identifier: GPL-2.0
/*
 * Shim, checksums, ciphers, compressors, parity and names: against the test vectors of
 * Documentation/format/13, naive models, and round trips.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include <crypto/chacha.h>
#include <crypto/poly1305.h>
#include <crypto/utils.h>
#include <keys/user-type.h>
#include <linux/crc32c.h>
#include <linux/crc64.h>
#include <linux/hex.h>
#include <linux/key.h>
#include <linux/lz4.h>
#include <linux/raid/pq.h>
#include <linux/raid/xor.h>
#include <linux/slab.h>
#include <linux/unicode.h>
#include <linux/uuid.h>
#include <linux/xxhash.h>
#include <linux/zlib.h>
#include <linux/zstd.h>
#include <shim/keyring.h>

static void test_checksums(void **state)
{
	static const char digits[] = "123456789";
	static const u8 zeros[4096];
	struct xxh64_state x;
	u32 c;

	assert_true((crc32c(~0U, digits, 9) ^ ~0U) == 0xe3069283);
	assert_true(crc32c(0, digits, 9) == 0x58e3fa20);
	assert_true((crc32c(~0U, zeros, 4096) ^ ~0U) == 0x98f94189);
	assert_true(crc32c(0, zeros, 4096) == 0);
	assert_true(crc64_be(0, digits, 9) == 0x6c40df5f0b497347ULL);
	assert_true((crc64_be(~0ULL, digits, 9) ^ ~0ULL) == 0x62ec59e3f1a4f00aULL);
	assert_true((crc64_be(~0ULL, zeros, 4096) ^ ~0ULL) == 0xa50f57a429cbcb64ULL);
	assert_true(crc64_be(5, digits, 0) == 5);
	assert_true(xxh64("", 0, 0) == 0xef46db3751d8e999ULL);
	assert_true(xxh64(digits, 9, 0) == 0x8cb841db40e6ae83ULL);
	assert_true(xxh64(zeros, 4096, 0) == 0xac869b6f32d8bbdbULL);

	/* in pieces */
	c = crc32c(crc32c(0, digits, 4), digits + 4, 5);
	assert_true(c == 0x58e3fa20);
	assert_true(crc64_be(crc64_be(0, digits, 1), digits + 1, 8) == 0x6c40df5f0b497347ULL);
	xxh64_reset(&x, 0);
	assert_int_equal(xxh64_update(&x, digits, 3), 0);
	assert_int_equal(xxh64_update(&x, digits + 3, 6), 0);
	assert_true(xxh64_digest(&x) == 0x8cb841db40e6ae83ULL);
}

static void init_state(u32 *st, const u32 *nonce)
{
	u32 key[8];
	u8 bytes[32], iv[16];
	int i;

	for (i = 0; i < 32; i++)
		bytes[i] = i;
	for (i = 0; i < 8; i++)
		key[i] = get_unaligned_le32(bytes + 4 * i);
	for (i = 0; i < 4; i++)
		put_unaligned_le32(nonce[i], iv + 4 * i);
	chacha_init(st, key, iv);
}

static void assert_hex(const void *got, const char *want)
{
	u8 bytes[64];
	size_t n = strlen(want) / 2;

	assert_int_equal(hex2bin(bytes, want, n), 0);
	assert_memory_equal(got, bytes, n);
}

/* Section 4.2's example: journal nonce of seq 0x0102030405060708. */
static void test_mac_vector(void **state)
{
	u32 nonce[4] = { 0, 0x05060708, 0x01020304, 0x30000000 }, st[16];
	u8 zeros[64] = { 0 }, out[64], tag[16];
	struct poly1305_desc_ctx ctx;

	init_state(st, nonce);
	chacha20_crypt(st, out, zeros, 64);
	assert_hex(out, "938f814bb2bdcab93266aef4aa152d9d");
	assert_int_equal(st[12], 1);

	nonce[3] ^= 0x80000000;
	init_state(st, nonce);
	chacha20_crypt(st, out, zeros, 32);
	assert_hex(out, "d8b29ca2e189f7dadee2cdf0d2ab471dc911e72277fe1e51d9e2157f49580e93");
	poly1305_init(&ctx, out);
	poly1305_update(&ctx, zeros, 20);
	poly1305_update(&ctx, zeros, 44);
	poly1305_final(&ctx, tag);
	assert_hex(tag, "ad92fbe172c2ccf3dc957da7c6aedf33");
	assert_int_equal(crypto_memneq(tag, tag, 16), 0);
	assert_int_not_equal(crypto_memneq(tag, out, 16), 0);
}

/* Section 4.5's MAC over 4096 zero bytes. */
static void test_extent_mac(void **state)
{
	u32 nonce[4] = { 0, 5, 0, 0x10000000 ^ 0x80000000 }, st[16];
	u8 zeros[4096] = { 0 }, key[32] = { 0 }, tag[16];
	struct poly1305_desc_ctx ctx;

	init_state(st, nonce);
	chacha20_crypt(st, key, key, 32);
	poly1305_init(&ctx, key);
	poly1305_update(&ctx, zeros, 4096);
	poly1305_final(&ctx, tag);
	assert_hex(tag, "ea4af3018cb238d429334a977560d906");
}

/* Section 5.2's key box is plain ChaCha20 under the passphrase key; here: 2^32 blocks wrap. */
static void test_counter_wrap(void **state)
{
	u32 nonce[4] = { 0xffffffff, 1, 2, 3 }, st[16];
	u8 in[256], out[256], want[256];
	int i;

	for (i = 0; i < 256; i++)
		in[i] = i;
	init_state(st, nonce);
	chacha20_crypt(st, out, in, 256);
	assert_int_equal(st[12], 3);

	/* block by block: 0xffffffff, 0, 1, 2 with the same nonce words */
	for (i = 0; i < 4; i++) {
		nonce[0] = 0xffffffff + i;
		init_state(st, nonce);
		chacha20_crypt(st, want + 64 * i, in + 64 * i, 64);
	}
	assert_memory_equal(out, want, 256);
	nonce[0] = 0xffffffff;
	init_state(st, nonce);
	chacha20_crypt(st, out, out, 256);
	assert_memory_equal(out, in, 256);
}

static void test_key_box(void **state)
{
	/* passphrase "password" -> this key; box of key 00..1f and the documented uuid */
	static const char pass[] =
		"4cdc353befc856bc289ee68e6354280283ec016193749ee010229d70a19d2d50";
	u8 key[32], iv[16] = { 0 }, box[40];
	u32 words[8], st[16];
	int i;

	assert_int_equal(hex2bin(key, pass, 32), 0);
	for (i = 0; i < 8; i++) {
		words[i] = get_unaligned_le32(key + 4 * i);
		iv[8 + i] = i;
	}
	memcpy(box, "bch**key", 8);
	for (i = 0; i < 32; i++)
		box[8 + i] = i;
	chacha_init(st, words, iv);
	chacha20_crypt(st, box, box, sizeof(box));
	assert_hex(
		box,
		"179bdf32680eda3aa9f8151fd98edd51a4c7b9e39252c893bb2843a6e7bad3ad3cbfea08749fa631");
}

#define SRC 65536

static u8 *sample(int kind)
{
	u8 *p = malloc(SRC);
	u32 x = 1;
	int i;

	for (i = 0; i < SRC; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = kind == 0 ? 0x41 :
		       kind == 1 ? "some text, again and again "[i % 27] + (x >> 31) :
				   x >> 24;
	}
	return p;
}

static void test_lz4(void **state)
{
	u8 *out = malloc(2 * SRC), *back = malloc(SRC), *work = malloc(LZ4HC_MEM_COMPRESS);
	int kind, n, took;

	for (kind = 0; kind < 3; kind++) {
		u8 *src = sample(kind);

		n = LZ4_compress_default((char *)src, (char *)out, SRC, 2 * SRC, work);
		assert_true(n > 0);
		memset(out + n, 0, 4096);
		assert_int_equal(LZ4_decompress_safe((char *)out, (char *)back, n, SRC), SRC);
		assert_memory_equal(src, back, SRC);
		/* padding after the block, as on disk */
		memset(back, 0, SRC);
		assert_int_equal(LZ4_decompress_safe_partial((char *)out, (char *)back, n + 4096,
							     SRC, SRC),
				 SRC);
		assert_memory_equal(src, back, SRC);
		assert_true(LZ4_decompress_safe((char *)out, (char *)back, n / 2, SRC) < SRC);

		n = LZ4_compress_HC((char *)src, (char *)out, SRC, 2 * SRC, 9, work);
		assert_int_equal(LZ4_decompress_safe((char *)out, (char *)back, n, SRC), SRC);
		assert_memory_equal(src, back, SRC);

		took = SRC;
		n = LZ4_compress_destSize((char *)src, (char *)out, &took, 4096, work);
		assert_true(n > 0 && n <= 4096 && took > 0);
		assert_int_equal(LZ4_decompress_safe((char *)out, (char *)back, n, SRC), took);
		assert_memory_equal(src, back, took);
		free(src);
	}
	free(out);
	free(back);
	free(work);
}

static void test_zlib(void **state)
{
	size_t ws = zlib_deflate_workspacesize(MAX_WBITS, DEF_MEM_LEVEL);
	u8 *out = malloc(2 * SRC), *back = malloc(SRC), *work;
	z_stream strm = { 0 };
	int kind, level;

	if ((size_t)zlib_inflate_workspacesize() > ws)
		ws = zlib_inflate_workspacesize();
	work = malloc(ws);
	for (kind = 0; kind < 3; kind++)
		for (level = 1; level <= 9; level += 4) {
			u8 *src = sample(kind);
			size_t n;

			strm.workspace = work;
			assert_int_equal(zlib_deflateInit2(&strm, level, Z_DEFLATED, -MAX_WBITS,
							   DEF_MEM_LEVEL, Z_DEFAULT_STRATEGY),
					 Z_OK);
			strm.next_in = src;
			strm.avail_in = SRC;
			strm.next_out = out;
			strm.avail_out = 2 * SRC;
			assert_int_equal(zlib_deflate(&strm, Z_FINISH), Z_STREAM_END);
			n = strm.total_out;
			assert_int_equal(zlib_deflateEnd(&strm), Z_OK);

			assert_int_equal(zlib_inflateInit2(&strm, -MAX_WBITS), Z_OK);
			strm.next_in = out;
			strm.avail_in = n + 100;
			strm.next_out = back;
			strm.avail_out = SRC;
			assert_int_equal(zlib_inflate(&strm, Z_FINISH), Z_STREAM_END);
			assert_int_equal(strm.total_out, SRC);
			assert_int_equal(strm.avail_in, 100);
			assert_memory_equal(src, back, SRC);

			assert_int_equal(zlib_inflateReset(&strm), Z_OK);
			strm.next_in = out;
			strm.avail_in = n / 2;
			strm.next_out = back;
			strm.avail_out = SRC;
			assert_int_not_equal(zlib_inflate(&strm, Z_FINISH), Z_STREAM_END);
			zlib_inflateEnd(&strm);
			free(src);
		}
	free(out);
	free(back);
	free(work);
}

static void test_zstd(void **state)
{
	u8 *out = malloc(2 * SRC), *back = malloc(SRC);
	size_t dws = zstd_dctx_workspace_bound();
	void *dwork = malloc(dws);
	zstd_dctx *d = zstd_init_dctx(dwork, dws);
	int kind, level;

	assert_non_null(d);
	for (kind = 0; kind < 3; kind++)
		for (level = 1; level <= 19; level += 6) {
			zstd_parameters p = zstd_get_params(level, SRC);
			size_t cws = zstd_cctx_workspace_bound(&p.cParams), n;
			void *cwork = malloc(cws);
			zstd_cctx *c = zstd_init_cctx(cwork, cws);
			u8 *src = sample(kind);

			assert_non_null(c);
			n = zstd_compress_cctx(c, out, 2 * SRC, src, SRC, &p);
			assert_false(zstd_is_error(n));
			assert_int_equal(zstd_find_frame_compressed_size(out, 2 * SRC), n);
			assert_int_equal(zstd_decompress_dctx(d, back, SRC, out, n), SRC);
			assert_memory_equal(src, back, SRC);
			assert_true(zstd_is_error(zstd_decompress_dctx(d, back, SRC, out, n - 1)));
			assert_int_equal(
				zstd_get_error_code(zstd_compress_cctx(c, out, 5, src, SRC, &p)),
				ZSTD_error_dstSize_tooSmall);
			free(src);
			free(cwork);
		}
	free(dwork);
	free(out);
	free(back);
}

/* The frame of section 6.3's example. */
static void test_zstd_frame(void **state)
{
	static const char hex[] = "28b52ffd6000ff550000104141 0100fb7f1d6001";
	size_t ws = zstd_dctx_workspace_bound();
	void *work = malloc(ws);
	u8 frame[20], *out = malloc(SRC);
	const char *h = hex;
	int i;

	for (i = 0; i < 20; i++, h += 2) {
		if (*h == ' ')
			h++;
		assert_int_equal(hex2bin(frame + i, h, 1), 0);
	}
	assert_int_equal(zstd_decompress_dctx(zstd_init_dctx(work, ws), out, SRC, frame, 20), SRC);
	for (i = 0; i < SRC; i++)
		assert_int_equal(out[i], 0x41);
	free(out);
	free(work);
}

static u8 naive_mul(u8 a, u8 b)
{
	u8 r = 0;

	for (; b; b >>= 1, a = (u8)(a << 1) ^ (a & 0x80 ? 0x1d : 0))
		if (b & 1)
			r ^= a;
	return r;
}

/* Parity against the definition, then every pair of erasures, for several geometries. */
static void test_raid6(void **state)
{
	static const size_t sizes[] = { 32, 512, 1000, 4096 };
	int disks, a, b, d;
	size_t s, i, n;
	void *ptrs[12], *good[12];

	for (disks = 3; disks <= 12; disks++)
		for (s = 0; s < 4; s++) {
			n = sizes[s];
			for (d = 0; d < disks; d++) {
				assert_int_equal(posix_memalign(&ptrs[d], 4096, n), 0);
				good[d] = malloc(n);
				for (i = 0; i < n; i++)
					((u8 *)ptrs[d])[i] = rand();
			}
			raid6_call.gen_syndrome(disks, n, ptrs);
			for (i = 0; i < n; i++) {
				u8 p = 0, q = 0, g = 1;

				for (d = 0; d < disks - 2; d++, g = naive_mul(g, 2)) {
					p ^= ((u8 *)ptrs[d])[i];
					q ^= naive_mul(g, ((u8 *)ptrs[d])[i]);
				}
				assert_int_equal(((u8 *)ptrs[disks - 2])[i], p);
				assert_int_equal(((u8 *)ptrs[disks - 1])[i], q);
			}
			for (d = 0; d < disks; d++)
				memcpy(good[d], ptrs[d], n);
			for (a = 0; a < disks - 2; a++) {
				for (b = a + 1; b < disks - 2; b++) {
					memset(ptrs[a], 0xaa, n);
					memset(ptrs[b], 0xbb, n);
					raid6_2data_recov(disks, n, a, b, ptrs);
					for (d = 0; d < disks; d++)
						assert_memory_equal(ptrs[d], good[d], n);
				}
				memset(ptrs[a], 0xaa, n);
				memset(ptrs[disks - 2], 0xcc, n);
				raid6_datap_recov(disks, n, a, ptrs);
				for (d = 0; d < disks; d++)
					assert_memory_equal(ptrs[d], good[d], n);
				/* data and Q, or data alone: by XOR, then anew */
				memcpy(ptrs[a], ptrs[disks - 2], n);
				memset(ptrs[disks - 1], 0, n);
				for (d = 0; d < disks - 2; d++)
					if (d != a)
						xor_blocks(1, n, ptrs[a], &ptrs[d]);
				raid6_call.gen_syndrome(disks, n, ptrs);
				for (d = 0; d < disks; d++)
					assert_memory_equal(ptrs[d], good[d], n);
			}
			for (d = 0; d < disks; d++) {
				free(ptrs[d]);
				free(good[d]);
			}
		}
}

static int fold(const char *in, size_t len, char *out, size_t room)
{
	struct unicode_map *um = utf8_load(SHIM_UTF8_VERSION);
	struct qstr q = QSTR_INIT(in, len);
	int n = utf8_casefold(um, &q, (unsigned char *)out, room);

	utf8_unload(um);
	return n;
}

static void test_casefold(void **state)
{
	static const struct {
		const char *in, *want;
	} t[] = {
		{ "Stra\xc3\x9f"
		  "e",
		  "strasse" },
		{ "\xc3\x85", "a\xcc\x8a" },
		{ "\xed\x95\x9c", "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab" },
		{ "\xc4\xb0", "i\xcc\x87" },
		{ "\xce\xa3\xcf\x82", "\xcf\x83\xcf\x83" },
		{ "\xcd\xb8", "\xcd\xb8" },
		{ "\xee\x80\x80", "\xee\x80\x80" },
		{ "\xe2\x80\x8b\xc2\xad", "" },
		/* marks in canonical order: dot below (220) before circumflex (230) */
		{ "A\xcc\x82\xcc\xa3", "a\xcc\xa3\xcc\x82" },
		/* U+A7C7, new in 13.0: not folded; U+2C2F, new in 14.0 */
		{ "\xea\x9f\x87", "\xea\x9f\x87" },
		{ "\xe2\xb0\xaf", "\xe2\xb0\xaf" },
		/* U+1AC1, a mark new in 13.0: a starter, so nothing moves over it */
		{ "a\xcc\x82\xe1\xab\x81\xcc\xa3", "a\xcc\x82\xe1\xab\x81\xcc\xa3" },
		/* U+2065, unassigned and ignorable */
		{ "x\xe2\x81\xa5y", "xy" },
	};
	static const char *const bad[] = { "\xff", "\xc0\xaf", "\xed\xa0\x80", "a\xc3",
					   "\xf4\x90\x80\x80" };
	struct qstr a = QSTR_INIT("STRASSE", 7), b = QSTR_INIT("stra\xc3\x9f"
							       "e",
							       7);
	struct unicode_map *um;
	char out[600];
	size_t i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		assert_int_equal(fold(t[i].in, strlen(t[i].in), out, sizeof(out)),
				 strlen(t[i].want));
		assert_string_equal(out, t[i].want);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(fold(bad[i], strlen(bad[i]), out, sizeof(out)), -EINVAL);
	assert_int_equal(fold("abcd", 4, out, 4), -EINVAL);
	assert_int_equal(fold("abcd", 4, out, 5), 4);

	um = utf8_load(SHIM_UTF8_VERSION);
	assert_int_equal(utf8_strncasecmp(um, &a, &b), 0);
	assert_int_equal(utf8_strncmp(um, &a, &b), 1);
	utf8_unload(um);
	assert_true(IS_ERR(utf8_load(UNICODE_AGE(99, 0, 0))));
}

static void test_keys(void **state)
{
	struct key *k, *old;

	assert_true(IS_ERR(request_key(&key_type_user, "shim-test:none", NULL)));
	assert_int_equal(shim_add_key("shim-test:a", "secret", 6), 0);
	k = request_key(&key_type_user, "shim-test:a", NULL);
	assert_false(IS_ERR(k));
	down_read(&k->sem);
	assert_int_equal(user_key_payload_locked(k)->datalen, 6);
	assert_memory_equal(user_key_payload_locked(k)->data, "secret", 6);
	up_read(&k->sem);
	old = k;
	assert_int_equal(shim_add_key("shim-test:a", "new", 3), 0);
	k = request_key(&key_type_user, "shim-test:a", NULL);
	assert_int_equal(user_key_payload_locked(k)->datalen, 3);
	assert_int_equal(user_key_payload_locked(old)->datalen, 6);
	key_put(k);
	key_put(old);
	shim_forget_key("shim-test:a");
	assert_true(IS_ERR(request_key(&key_type_user, "shim-test:a", NULL)));
}

static void test_uuid(void **state)
{
	uuid_t u, v;

	assert_int_equal(uuid_parse("00010203-0405-0607-0809-0a0b0c0d0e0f", &u), 0);
	assert_hex(u.b, "000102030405060708090a0b0c0d0e0f");
	assert_int_equal(uuid_parse("00010203-0405-0607-08090a0b0c0d0e0f", &u), -EINVAL);
	uuid_gen(&u);
	uuid_gen(&v);
	assert_false(uuid_equal(&u, &v));
	assert_int_equal(u.b[6] >> 4, 4);
	assert_int_equal(u.b[8] >> 6, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_checksums),  cmocka_unit_test(test_mac_vector),
		cmocka_unit_test(test_extent_mac), cmocka_unit_test(test_counter_wrap),
		cmocka_unit_test(test_key_box),	   cmocka_unit_test(test_lz4),
		cmocka_unit_test(test_zlib),	   cmocka_unit_test(test_zstd),
		cmocka_unit_test(test_zstd_frame), cmocka_unit_test(test_raid6),
		cmocka_unit_test(test_casefold),   cmocka_unit_test(test_keys),
		cmocka_unit_test(test_uuid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
