// SPDX-License-Identifier: GPL-2.0
/*
 * Checksums, ciphers, nonces and the key box, against the vectors of the format
 * description (Documentation/format/13).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "errcode.h"
#include "util/checksum.h"
#include "util/printbuf.h"

static struct bch_key counting_key(void)
{
	struct bch_key key;

	for (unsigned i = 0; i < sizeof(key); i++)
		((u8 *) &key)[i] = i;
	return key;
}

/* Compare memory with hexadecimal digits; blanks are ignored. */
static void assert_hex(const void *data, size_t len, const char *hex)
{
	CLASS(printbuf, have)();
	CLASS(printbuf, want)();

	prt_hex_bytes(&have, data, len);
	for (; *hex; hex++)
		if (*hex != ' ')
			prt_char(&want, *hex);
	assert_string_equal(printbuf_str(&have), printbuf_str(&want));
}

static struct bch_csum csum(unsigned type, const void *data, size_t len)
{
	return bch2_checksum(type, bch2_null_nonce(), NULL, data, len);
}

/* Section 1.2 */
static void plain_vectors(void **state)
{
	static const char zeroes[4096];
	static const struct {
		unsigned	type;
		const char	*empty, *digits, *zeroes;
	} v[] = {
		{ BCH_CSUM_none, "0000000000000000", "0000000000000000", "0000000000000000" },
		{ BCH_CSUM_crc32c_nonzero,
		  "0000000000000000", "839206e300000000", "8941f99800000000" },
		{ BCH_CSUM_crc64_nonzero,
		  "0000000000000000", "0af0a4f1e359ec62", "64cbcb29a4570fa5" },
		{ BCH_CSUM_crc32c,
		  "0000000000000000", "20fae35800000000", "0000000000000000" },
		{ BCH_CSUM_crc64,
		  "0000000000000000", "4773490b5fdf406c", "0000000000000000" },
		{ BCH_CSUM_xxhash,
		  "99e9d85137db46ef", "83aee640db41b88c", "dbbbd8326f9b86ac" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct bch_csum c;

		c = csum(v[i].type, "", 0);
		assert_hex(&c.lo, 8, v[i].empty);
		c = csum(v[i].type, "123456789", 9);
		assert_hex(&c.lo, 8, v[i].digits);
		assert_int_equal(c.hi, 0);
		c = csum(v[i].type, zeroes, sizeof(zeroes));
		assert_hex(&c.lo, 8, v[i].zeroes);
	}
}

/* The same result whatever the pieces. */
static void pieces(void **state)
{
	struct bch_key key = counting_key();
	struct nonce nonce = bch2_journal_nonce(7);
	u8 data[1000];

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = i * 7 + i / 256;

	for (unsigned type = 0; type < BCH_CSUM_NR; type++) {
		struct bch_csum whole = bch2_checksum(type, nonce, &key, data, sizeof(data));

		for (unsigned step = 1; step < 300; step += 37) {
			struct bch_csum_state s;
			struct bch_csum c;

			bch2_csum_init(&s, type, nonce, &key);
			for (unsigned at = 0; at < sizeof(data); at += step)
				bch2_csum_update(&s, data + at, min_t(size_t, step,
								      sizeof(data) - at));
			c = bch2_csum_final(&s);
			assert_true(bch2_csum_eq(c, whole));
		}
	}
}

/* Section 3 */
static void merging(void **state)
{
	static const struct {
		unsigned	type;
		u64		a, b, ab;
	} v[] = {
		{ BCH_CSUM_crc32c, 0x0b60f769, 0x16c1eed2, 0xff5d623c },
		{ BCH_CSUM_crc64, 0x2ed1fac0da7cfe89ULL, 0x5da3f581b4f9fd12ULL,
		  0xe6c12f89690b20b4ULL },
	};
	u8 data[4096];

	memset(data, 0x11, 512);
	memset(data + 512, 0x22, 512);

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct bch_csum a = csum(v[i].type, data, 512);
		struct bch_csum b = csum(v[i].type, data + 512, 512);
		struct bch_csum ab = bch2_checksum_merge(v[i].type, a, b, 512);

		assert_int_equal(le64_to_cpu(a.lo), v[i].a);
		assert_int_equal(le64_to_cpu(b.lo), v[i].b);
		assert_int_equal(le64_to_cpu(ab.lo), v[i].ab);
		assert_true(bch2_csum_eq(ab, csum(v[i].type, data, 1024)));
	}

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = i ^ (i >> 5);
	for (unsigned type = 0; type < BCH_CSUM_NR; type++) {
		assert_int_equal(bch2_checksum_mergeable(type),
				 type == 0 || type == 5 || type == 6);
		if (!bch2_checksum_mergeable(type))
			continue;
		for (unsigned cut = 0; cut <= sizeof(data); cut += 127) {
			struct bch_csum m = bch2_checksum_merge(type, csum(type, data, cut),
					csum(type, data + cut, sizeof(data) - cut),
					sizeof(data) - cut);

			assert_true(bch2_csum_eq(m, csum(type, data, sizeof(data))));
		}
	}
}

/* Sections 4.2 and 4.3 */
static void journal_mac(void **state)
{
	struct bch_key key = counting_key();
	struct nonce n = bch2_journal_nonce(0x0102030405060708ULL);
	u8 zeroes[64] = { 0 };
	struct bch_csum c;

	assert_hex(&n, 16, "00000000 08070605 04030201 00000030");

	c = bch2_checksum(BCH_CSUM_chacha20_poly1305_128, n, &key, zeroes, 64);
	assert_hex(&c, 16, "ad92fbe172c2ccf3dc957da7c6aedf33");
	c = bch2_checksum(BCH_CSUM_chacha20_poly1305_80, n, &key, zeroes, 64);
	assert_hex(&c, 16, "ad92fbe172c2ccf3dc95000000000000");

	bch2_chacha20(&key, n, zeroes, 16);
	assert_hex(zeroes, 16, "938f814bb2bdcab93266aef4aa152d9d");

	n.d[3] ^= cpu_to_le32(BCH_NONCE_POLY);
	memset(zeroes, 0, sizeof(zeroes));
	bch2_chacha20(&key, n, zeroes, 32);
	assert_hex(zeroes, 32,
		   "d8b29ca2e189f7dadee2cdf0d2ab471dc911e72277fe1e51d9e2157f49580e93");
}

/* Sections 4.4 and 4.5 */
static void other_nonces(void **state)
{
	struct bch_key key = counting_key();
	static u8 zeroes[4096];
	struct bch_csum c;
	struct nonce n;

	n = bch2_btree_nonce(8192, 0x1122334455667788ULL, 0x99);
	assert_hex(&n, 16, "00200000 88776655 44332211 99000020");

	n = __bch2_extent_nonce(5, 0, BCH_COMPRESSION_TYPE_none, 128, 16);
	assert_hex(&n, 16, "80000000 05000000 00000000 00000010");
	n = __bch2_extent_nonce(5, 0, BCH_COMPRESSION_TYPE_incompressible, 128, 16);
	assert_hex(&n, 16, "80000000 05000000 00000000 00000010");
	n = __bch2_extent_nonce(5, 0, BCH_COMPRESSION_TYPE_zstd, 128, 0);
	assert_hex(&n, 16, "00000020 05000000 00000000 00000014");
	n = __bch2_extent_nonce(0x100000007ULL, 2, BCH_COMPRESSION_TYPE_gzip, 512, 24);
	assert_hex(&n, 16, "c0000080 07000000 01000000 02000012");

	n = __bch2_extent_nonce(5, 0, BCH_COMPRESSION_TYPE_none, 8, 0);
	assert_hex(&n, 16, "00000000 05000000 00000000 00000010");
	c = bch2_checksum(BCH_CSUM_chacha20_poly1305_128, n, &key, zeroes, sizeof(zeroes));
	assert_hex(&c, 16, "ea4af3018cb238d429334a977560d906");
}

/* The key stream of a later part is that of the advanced nonce. */
static void stream_position(void **state)
{
	struct bch_key key = counting_key();
	struct nonce n = bch2_btree_nonce(0, 0xdeadbeefcafeULL, 3);
	u8 whole[1024] = { 0 }, part[512] = { 0 };

	bch2_chacha20(&key, n, whole, sizeof(whole));
	bch2_chacha20(&key, nonce_add(n, 512), part, sizeof(part));
	assert_memory_equal(whole + 512, part, sizeof(part));
	bch2_chacha20(&key, n, whole, sizeof(whole));
	for (unsigned i = 0; i < sizeof(whole); i++)
		assert_int_equal(whole[i], 0);
}

static void encrypt_by_type(void **state)
{
	struct bch_key key = counting_key();
	u8 data[100] = { 0 }, zeroes[100] = { 0 };

	for (unsigned type = 0; type < BCH_CSUM_NR; type++) {
		bool enc = type == 3 || type == 4;

		memset(data, 0, sizeof(data));
		assert_int_equal(bch2_encrypt(type, bch2_null_nonce(), NULL, data, sizeof(data)),
				 enc ? -BCH_ERR_no_encryption_key : 0);
		assert_memory_equal(data, zeroes, sizeof(data));
		assert_int_equal(bch2_encrypt(type, bch2_null_nonce(), &key, data, sizeof(data)),
				 0);
		assert_int_equal(!memcmp(data, zeroes, sizeof(data)), !enc);
	}
}

static void verification(void **state)
{
	struct bch_key key = counting_key(), other = { { 1 } };
	struct nonce n = bch2_journal_nonce(1);

	for (unsigned type = 0; type < BCH_CSUM_NR; type++) {
		struct bch_csum c = bch2_checksum(type, n, &key, "abcdef", 6);

		assert_int_equal(bch2_checksum_verify(type, n, &key, "abcdef", 6, c), 0);
		if (type)
			assert_int_equal(bch2_checksum_verify(type, n, &key, "abcdeg", 6, c),
					 -BCH_ERR_EIO_checksum);
		c.hi ^= cpu_to_le64(1ULL << 63);
		assert_int_equal(bch2_checksum_verify(type, n, &key, "abcdef", 6, c),
				 -BCH_ERR_EIO_checksum);
	}

	/* Without the key nothing passes, whatever is stored. */
	for (int i = -1; i <= 1; i++) {
		struct bch_csum c = { cpu_to_le64((u64) (s64) i), cpu_to_le64((u64) (s64) i) };

		assert_int_equal(bch2_checksum_verify(4, n, NULL, "abcdef", 6, c),
				 -BCH_ERR_no_encryption_key);
		assert_int_equal(bch2_checksum_verify(8, n, &key, "abcdef", 6, c), -EINVAL);
		assert_int_equal(bch2_checksum_verify(15, n, NULL, "abcdef", 6, c), -EINVAL);
	}
	assert_int_equal(bch2_checksum_verify(4, n, &other, "abcdef", 6,
					      bch2_checksum(4, n, &key, "abcdef", 6)),
			 -BCH_ERR_EIO_checksum);
	assert_false(bch2_checksum_type_usable(3, false));
	assert_true(bch2_checksum_type_usable(3, true));
	assert_false(bch2_checksum_type_usable(8, true));
}

/* Section 5.2: the passphrase key there is derived from "password". */
static void key_box(void **state)
{
	static const u8 passphrase_key[32] = {
		0x4c, 0xdc, 0x35, 0x3b, 0xef, 0xc8, 0x56, 0xbc,
		0x28, 0x9e, 0xe6, 0x8e, 0x63, 0x54, 0x28, 0x02,
		0x83, 0xec, 0x01, 0x61, 0x93, 0x74, 0x9e, 0xe0,
		0x10, 0x22, 0x9d, 0x70, 0xa1, 0x9d, 0x2d, 0x50,
	};
	struct bch_encrypted_key box = { cpu_to_le64(BCH_KEY_MAGIC), counting_key() };
	struct bch_key pass, wrong, master, expect = counting_key();
	u8 uuid[16];

	memcpy(&pass, passphrase_key, sizeof(pass));
	wrong = pass;
	wrong.key[3] ^= cpu_to_le64(1);
	for (unsigned i = 0; i < 16; i++)
		uuid[i] = i;

	assert_false(bch2_key_is_encrypted(&box));
	assert_int_equal(bch2_decrypt_key_box(&box, uuid, NULL, &master), 0);
	assert_memory_equal(&master, &expect, sizeof(master));

	bch2_encrypt_key_box(&box, uuid, &pass);
	assert_hex(&box, sizeof(box),
		   "179bdf32680eda3aa9f8151fd98edd51a4c7b9e39252c893"
		   "bb2843a6e7bad3ad3cbfea08749fa631");
	assert_true(bch2_key_is_encrypted(&box));

	memset(&master, 0, sizeof(master));
	assert_int_equal(bch2_decrypt_key_box(&box, uuid, NULL, &master),
			 -BCH_ERR_ENOKEY_not_loaded);
	assert_int_equal(bch2_decrypt_key_box(&box, uuid, &wrong, &master),
			 -BCH_ERR_ENOKEY_wrong_passphrase);
	assert_int_equal(master.key[0], 0);
	assert_int_equal(bch2_decrypt_key_box(&box, uuid, &pass, &master), 0);
	assert_memory_equal(&master, &expect, sizeof(master));
}

/* Section 1.3 */
static void types_of_options(void **state)
{
	assert_int_equal(bch2_csum_opt_to_type(BCH_CSUM_OPT_none, false), 0);
	assert_int_equal(bch2_csum_opt_to_type(BCH_CSUM_OPT_crc32c, false), 1);
	assert_int_equal(bch2_csum_opt_to_type(BCH_CSUM_OPT_crc32c, true), 5);
	assert_int_equal(bch2_csum_opt_to_type(BCH_CSUM_OPT_crc64, false), 2);
	assert_int_equal(bch2_csum_opt_to_type(BCH_CSUM_OPT_crc64, true), 6);
	assert_int_equal(bch2_csum_opt_to_type(BCH_CSUM_OPT_xxhash, true), 7);
	assert_int_equal(bch2_csum_opt_to_type(BCH_CSUM_OPT_xxhash, false), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_vectors),
		cmocka_unit_test(pieces),
		cmocka_unit_test(merging),
		cmocka_unit_test(journal_mac),
		cmocka_unit_test(other_nonces),
		cmocka_unit_test(stream_position),
		cmocka_unit_test(encrypt_by_type),
		cmocka_unit_test(verification),
		cmocka_unit_test(key_box),
		cmocka_unit_test(types_of_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
