// SPDX-License-Identifier: GPL-2.0
/*
 * Decoding of stored extents: the order verify, decrypt, decompress, slice; the
 * nonces and the MAC of spec 13 section 4.5; sizes that contradict each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <zstd.h>

#include <linux/array_size.h>
#include <linux/math.h>

#include "bcachefs.h"
#include "data/decode.h"

#define SECTOR	512

static struct bch_key key;

static int setup(void **state)
{
	for (unsigned i = 0; i < sizeof(key); i++)
		((uint8_t *) &key)[i] = i;
	return 0;
}

static void fill(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (i >> 6) * 13 ^ i % 17;
}

static struct bch_extent_decode plain_extent(unsigned csum_type, unsigned sectors)
{
	return (struct bch_extent_decode) {
		.crc = {
			.compressed_size	= sectors,
			.uncompressed_size	= sectors,
			.live_size		= sectors,
			.csum_type		= csum_type,
		},
		.version = { .lo = 5 },
	};
}

static void seal(struct bch_extent_decode *d, const void *stored)
{
	d->crc.csum = bch2_checksum(d->crc.csum_type, bch2_extent_nonce(d->version, &d->crc),
				    d->key, stored, (size_t) d->crc.compressed_size * SECTOR);
}

/* Decode from an exactly sized copy into an exactly sized buffer. */
static int decode(const struct bch_extent_decode *d, const void *stored, unsigned offset,
		  unsigned sectors, void *out)
{
	size_t bytes = (size_t) d->crc.compressed_size * SECTOR;
	void *s = malloc(bytes), *dst = malloc((size_t) sectors * SECTOR ?: 1);
	int ret;

	memcpy(s, stored, bytes);
	ret = bch2_extent_decode(d, s, offset, sectors, dst);
	if (!ret)
		memcpy(out, dst, (size_t) sectors * SECTOR);
	free(dst);
	free(s);
	return ret;
}

static void assert_nonce(struct nonce n, uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
	assert_int_equal(le32_to_cpu(n.d[0]), a);
	assert_int_equal(le32_to_cpu(n.d[1]), b);
	assert_int_equal(le32_to_cpu(n.d[2]), c);
	assert_int_equal(le32_to_cpu(n.d[3]), d);
}

static void nonces(void **state)
{
	struct bch_extent_crc_unpacked crc = {};
	struct bversion v = { .lo = 5 };

	assert_nonce(bch2_extent_nonce(v, &crc), 0, 5, 0, 0x10000000);
	crc.nonce = 16;
	assert_nonce(bch2_extent_nonce(v, &crc), 0x80, 5, 0, 0x10000000);
	/* data that did not shrink counts as not compressed */
	crc.compression_type = BCH_COMPRESSION_TYPE_incompressible;
	crc.uncompressed_size = 128;
	assert_nonce(bch2_extent_nonce(v, &crc), 0x80, 5, 0, 0x10000000);

	crc.nonce = 0;
	crc.compression_type = BCH_COMPRESSION_TYPE_zstd;
	assert_nonce(bch2_extent_nonce(v, &crc), 0x20000000, 5, 0, 0x14000000);

	crc.compression_type = BCH_COMPRESSION_TYPE_gzip;
	crc.uncompressed_size = 512;
	crc.nonce = 24;
	v = (struct bversion) { .lo = 0x100000007ULL, .hi = 2 };
	assert_nonce(bch2_extent_nonce(v, &crc), 0x800000c0, 7, 1, 0x12000002);
}

static void known_mac(void **state)
{
	static const uint8_t mac[16] = {
		0xea, 0x4a, 0xf3, 0x01, 0x8c, 0xb2, 0x38, 0xd4,
		0x29, 0x33, 0x4a, 0x97, 0x75, 0x60, 0xd9, 0x06,
	};
	static uint8_t stored[4096], out[4096], stream[4096];
	struct bch_extent_decode d = plain_extent(BCH_CSUM_chacha20_poly1305_128, 8);

	d.key = &key;
	memcpy(&d.crc.csum, mac, sizeof(mac));
	assert_int_equal(decode(&d, stored, 0, 8, out), 0);

	/* Zeros decrypt to the key stream, and parts of them to the same part of it. */
	bch2_chacha20(&key, bch2_extent_nonce(d.version, &d.crc), stream, sizeof(stream));
	assert_memory_equal(out, stream, sizeof(stream));
	assert_int_equal(decode(&d, stored, 3, 2, out), 0);
	assert_memory_equal(out, stream + 3 * SECTOR, 2 * SECTOR);

	/* Truncated to 80 bits. */
	d.crc.csum_type = BCH_CSUM_chacha20_poly1305_80;
	memset((uint8_t *) &d.crc.csum + 10, 0, 6);
	assert_int_equal(decode(&d, stored, 0, 8, out), 0);
	assert_memory_equal(out, stream, sizeof(stream));

	stored[4095] = 1;
	assert_int_equal(decode(&d, stored, 0, 8, out), -BCH_ERR_data_read_csum_err);
	d.key = NULL;
	assert_int_equal(decode(&d, stored, 0, 8, out), -BCH_ERR_data_read_no_encryption_key);
}

static void every_checksum(void **state)
{
	static uint8_t stored[16 * SECTOR], out[16 * SECTOR];

	fill(stored, sizeof(stored));
	for (unsigned type = BCH_CSUM_crc32c_nonzero; type < BCH_CSUM_NR; type++) {
		struct bch_extent_decode d = plain_extent(type, 16);

		d.key = &key;
		d.crc.offset = 2;
		d.crc.live_size = 10;
		seal(&d, stored);

		for (unsigned o = 0; o < 10; o++)
			for (unsigned n = 1; o + n <= 10; n += 3) {
				assert_int_equal(decode(&d, stored, o, n, out), 0);
				if (!bch2_csum_type_is_encryption(type))
					assert_memory_equal(out, stored + (2 + o) * SECTOR,
							    n * SECTOR);
			}

		/* The checksum covers the dead part as well. */
		stored[0] ^= 1;
		assert_int_equal(decode(&d, stored, 4, 2, out), -BCH_ERR_data_read_csum_err);
		stored[0] ^= 1;
	}
}

/* Decoding in place, as is done when a whole extent is read. */
static void in_place(void **state)
{
	static uint8_t stored[8 * SECTOR], want[8 * SECTOR];
	struct bch_extent_decode d = plain_extent(BCH_CSUM_crc32c, 8);

	fill(stored, sizeof(stored));
	memcpy(want, stored, sizeof(stored));
	seal(&d, stored);
	assert_int_equal(bch2_extent_decode(&d, stored, 0, 8, stored), 0);
	assert_memory_equal(stored, want, sizeof(want));
	assert_int_equal(bch2_extent_decode(&d, stored, 3, 5, stored), 0);
	assert_memory_equal(stored, want + 3 * SECTOR, 5 * SECTOR);
}

static void compressed_parts(void **state)
{
	static uint8_t plain[128 * SECTOR], stored[128 * SECTOR], out[128 * SECTOR];
	struct bch_extent_decode d = plain_extent(BCH_CSUM_chacha20_poly1305_128, 128);
	size_t n;

	fill(plain, sizeof(plain));
	n = ZSTD_compress(stored + 4, sizeof(stored) - 4, plain, sizeof(plain), 3);
	assert_false(ZSTD_isError(n));
	memcpy(stored, &(__le32) { cpu_to_le32(n) }, 4);

	d.key = &key;
	d.crc.compression_type	= BCH_COMPRESSION_TYPE_zstd;
	d.crc.compressed_size	= round_up(n + 4, 4096) / SECTOR;
	d.crc.offset		= 24;
	d.crc.live_size		= 64;
	bch2_chacha20(&key, bch2_extent_nonce(d.version, &d.crc), stored,
		      d.crc.compressed_size * SECTOR);
	seal(&d, stored);

	assert_int_equal(decode(&d, stored, 0, 64, out), 0);
	assert_memory_equal(out, plain + 24 * SECTOR, 64 * SECTOR);
	assert_int_equal(decode(&d, stored, 63, 1, out), 0);
	assert_memory_equal(out, plain + 87 * SECTOR, SECTOR);

	/* all of it, the case without a bounce */
	d.crc.offset = 0;
	seal(&d, stored);
	assert_int_equal(decode(&d, stored, 0, 128, out), 0);
	assert_memory_equal(out, plain, sizeof(plain));

	/* damage that the checksum does not know of, in the magic of the frame */
	stored[4] ^= 0xff;
	seal(&d, stored);
	assert_int_not_equal(decode(&d, stored, 0, 128, out), 0);
}

static void bad_sizes(void **state)
{
	static uint8_t stored[16 * SECTOR], out[16 * SECTOR];
	struct bch_extent_decode d = plain_extent(BCH_CSUM_none, 16);

	assert_int_equal(decode(&d, stored, 0, 16, out), 0);
	assert_int_equal(decode(&d, stored, 0, 0, out), -BCH_ERR_data_read_bad_crc_entry);
	assert_int_equal(bch2_extent_decode_check(&d, 1, 16), -BCH_ERR_data_read_bad_crc_entry);
	assert_int_equal(bch2_extent_decode_check(&d, ~0U, 2), -BCH_ERR_data_read_bad_crc_entry);
	assert_int_equal(bch2_extent_decode_check(&d, 2, ~0U), -BCH_ERR_data_read_bad_crc_entry);
	d.crc.offset = ~0U;
	assert_int_equal(bch2_extent_decode_check(&d, 1, 1), -BCH_ERR_data_read_bad_crc_entry);
	d.crc.offset = 0;

	d.crc.compressed_size = 15;
	assert_int_equal(bch2_extent_decode_check(&d, 0, 8), -BCH_ERR_data_read_bad_crc_entry);
	d.crc.compressed_size = 16;

	d.crc.csum_type = BCH_CSUM_NR;
	assert_int_equal(bch2_extent_decode_check(&d, 0, 8),
			 -BCH_ERR_data_read_unknown_csum_type);
	d.crc.csum_type = BCH_CSUM_none;

	d.crc.compression_type = BCH_COMPRESSION_TYPE_NR;
	assert_int_equal(decode(&d, stored, 0, 8, out), -BCH_ERR_data_read_unknown_compression);

	d.crc.compression_type = BCH_COMPRESSION_TYPE_zstd;
	d.crc.uncompressed_size = 8193;
	assert_int_equal(bch2_extent_decode_check(&d, 0, 8), -BCH_ERR_data_read_bad_crc_entry);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nonces),
		cmocka_unit_test(known_mac),
		cmocka_unit_test(every_checksum),
		cmocka_unit_test(in_place),
		cmocka_unit_test(compressed_parts),
		cmocka_unit_test(bad_sizes),
	};

	return cmocka_run_group_tests_name("data: decoding of extents", tests, setup, NULL);
}
