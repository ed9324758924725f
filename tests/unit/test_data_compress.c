// SPDX-License-Identifier: GPL-2.0
/*
 * Decompression: the framing of each type, and sources that lie (spec 13
 * section 6.3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <lz4.h>
#include <zlib.h>
#include <zstd.h>

#include <linux/array_size.h>
#include <linux/math.h>

#include "bcachefs.h"
#include "data/compress.h"

#define UNIT	65536

static struct bch_decompress_ws *ws;

static int setup(void **state)
{
	ws = bch2_decompress_ws_alloc();
	return !ws;
}

static int teardown(void **state)
{
	bch2_decompress_ws_free(ws);
	return 0;
}

/* Bytes with some order in them, so that they shrink. */
static void fill(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = i % 251 ^ (i >> 9) * 7;
}

/* Compress @len bytes into a unit, as a writer would; returns bytes without padding. */
static size_t compress_unit(unsigned type, const uint8_t *src, size_t len, uint8_t *dst,
			    size_t room)
{
	z_stream z = {};
	size_t n;

	switch (type) {
	case BCH_COMPRESSION_TYPE_lz4:
	case BCH_COMPRESSION_TYPE_lz4_old:
		return LZ4_compress_default((const char *) src, (char *) dst, len, room);
	case BCH_COMPRESSION_TYPE_gzip:
		deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
		z.next_in = (uint8_t *) src;
		z.avail_in = len;
		z.next_out = dst;
		z.avail_out = room;
		assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
		n = z.total_out;
		deflateEnd(&z);
		return n;
	default:
		n = ZSTD_compress(dst + 4, room - 4, src, len, 3);
		assert_false(ZSTD_isError(n));
		dst[0] = n;
		dst[1] = n >> 8;
		dst[2] = n >> 16;
		dst[3] = n >> 24;
		return n + 4;
	}
}

static const unsigned types[] = {
	BCH_COMPRESSION_TYPE_lz4_old,
	BCH_COMPRESSION_TYPE_gzip,
	BCH_COMPRESSION_TYPE_lz4,
	BCH_COMPRESSION_TYPE_zstd,
};

/* Exactly sized heap copies let the sanitizers see every byte too many. */
static void *exact(const void *p, size_t len)
{
	void *n = malloc(len);

	memcpy(n, p, len);
	return n;
}

static int try(unsigned type, const void *src, size_t src_len, void *out, size_t dst_len)
{
	void *s = exact(src, src_len);
	void *d = malloc(dst_len);
	int ret = bch2_decompress(ws, type, s, src_len, d, dst_len);

	if (!ret && out)
		memcpy(out, d, dst_len);
	free(d);
	free(s);
	return ret;
}

static void every_type(void **state)
{
	static uint8_t plain[UNIT], unit[UNIT], out[UNIT];

	fill(plain, UNIT);
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		size_t len;

		memset(unit, 0, sizeof(unit));
		len = compress_unit(types[i], plain, UNIT, unit, UNIT);
		assert_in_range(len, 1, UNIT - 4096);

		/* with the padding of a whole number of blocks */
		memset(out, 0xee, UNIT);
		assert_int_equal(try(types[i], unit, round_up(len, 4096), out, UNIT), 0);
		assert_memory_equal(out, plain, UNIT);
		/* and without any */
		assert_int_equal(try(types[i], unit, len, out, UNIT), 0);
	}
}

/* The units of the format description: 65536 times 'A'. */
static void known_units(void **state)
{
	static const uint8_t zstd[] = {
		0x14, 0x00, 0x00, 0x00, 0x28, 0xb5, 0x2f, 0xfd, 0x60, 0x00, 0xff, 0x55,
		0x00, 0x00, 0x10, 0x41, 0x41, 0x01, 0x00, 0xfb, 0x7f, 0x1d, 0x60, 0x01,
	};
	static uint8_t unit[4096], out[UNIT], want[UNIT];

	memset(want, 'A', UNIT);
	memcpy(unit, zstd, sizeof(zstd));
	assert_int_equal(try(BCH_COMPRESSION_TYPE_zstd, unit, sizeof(unit), out, UNIT), 0);
	assert_memory_equal(out, want, UNIT);

	/* A byte behind the frame that is not zero is none of the decoder's business. */
	unit[100] = 1;
	assert_int_equal(try(BCH_COMPRESSION_TYPE_zstd, unit, sizeof(unit), out, UNIT), 0);
}

/* A result of any other size than the wanted one is an error. */
static void wrong_size(void **state)
{
	static uint8_t plain[UNIT], unit[UNIT];

	fill(plain, UNIT);
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		size_t len = compress_unit(types[i], plain, UNIT, unit, UNIT);
		bool lz4 = types[i] == BCH_COMPRESSION_TYPE_lz4 ||
			types[i] == BCH_COMPRESSION_TYPE_lz4_old;

		assert_int_not_equal(try(types[i], unit, len, NULL, UNIT + 512), 0);
		/* lz4 has no end mark: it stops where it is told to. */
		if (!lz4)
			assert_int_not_equal(try(types[i], unit, len, NULL, UNIT - 512), 0);
	}
}

static void truncated(void **state)
{
	static uint8_t plain[UNIT], unit[UNIT];

	fill(plain, UNIT);
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		size_t len = compress_unit(types[i], plain, UNIT, unit, UNIT);

		for (size_t n = 1; n < len; n += 1 + n / 16)
			assert_int_not_equal(try(types[i], unit, n, NULL, UNIT), 0);
	}
}

static void lying_zstd_length(void **state)
{
	static uint8_t plain[UNIT], unit[UNIT];
	size_t len;

	fill(plain, UNIT);
	len = compress_unit(BCH_COMPRESSION_TYPE_zstd, plain, UNIT, unit, UNIT);

	for (unsigned n = 1; n < 4; n++)
		assert_int_equal(try(BCH_COMPRESSION_TYPE_zstd, unit, n, NULL, UNIT),
				 -BCH_ERR_decompress_zstd_length);
	memset(unit, 0xff, 4);
	assert_int_equal(try(BCH_COMPRESSION_TYPE_zstd, unit, len, NULL, UNIT),
			 -BCH_ERR_decompress_zstd_length);
	memset(unit, 0, 4);
	assert_int_equal(try(BCH_COMPRESSION_TYPE_zstd, unit, len, NULL, UNIT),
			 -BCH_ERR_decompress_zstd_length);
}

static void flipped_bits(void **state)
{
	static uint8_t plain[4096], unit[8192], out[4096];

	/* Whatever happens, nothing outside the buffers is touched: see exact(). */
	fill(plain, sizeof(plain));
	for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
		size_t len = compress_unit(types[i], plain, sizeof(plain), unit, sizeof(unit));

		for (size_t bit = 0; bit < len * 8; bit += 3) {
			unit[bit / 8] ^= 1 << bit % 8;
			try(types[i], unit, len, out, sizeof(out));
			unit[bit / 8] ^= 1 << bit % 8;
		}
		assert_int_equal(try(types[i], unit, len, out, sizeof(out)), 0);
		assert_memory_equal(out, plain, sizeof(plain));
	}
}

static void bad_arguments(void **state)
{
	uint8_t b[16] = {};

	assert_int_equal(bch2_decompress(ws, BCH_COMPRESSION_TYPE_lz4, b, 0, b, 8),
			 -BCH_ERR_decompress_size);
	assert_int_equal(bch2_decompress(ws, BCH_COMPRESSION_TYPE_lz4, b, 8, b, 0),
			 -BCH_ERR_decompress_size);
	assert_int_equal(bch2_decompress(ws, BCH_COMPRESSION_TYPE_lz4, b, 8, b,
					 BCH_ENCODED_BYTES_MAX + 512), -BCH_ERR_decompress_size);
	for (unsigned type = 0; type < 16; type++)
		if (!bch2_compression_type_is_compressed(type))
			assert_int_equal(bch2_decompress(ws, type, b, 8, b + 8, 8),
					 -BCH_ERR_decompress_type_unknown);
}

/* Workspaces go round, and none is lost. */
static void workspaces(void **state)
{
	struct bch_fs *c = calloc(1, sizeof(*c));
	struct bch_decompress_ws *w[BCH_DECOMPRESS_IDLE_MAX + 2];

	for (unsigned i = 0; i < ARRAY_SIZE(w); i++) {
		w[i] = bch2_decompress_ws_get(c);
		assert_non_null(w[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(w); i++)
		bch2_decompress_ws_put(c, w[i]);
	bch2_decompress_ws_put(c, NULL);
	assert_non_null(c->data.idle[0]);

	bch2_fs_data_exit(c);
	bch2_fs_data_exit(c);
	assert_null(c->data.idle[0]);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type),
		cmocka_unit_test(known_units),
		cmocka_unit_test(wrong_size),
		cmocka_unit_test(truncated),
		cmocka_unit_test(lying_zstd_length),
		cmocka_unit_test(flipped_bits),
		cmocka_unit_test(bad_arguments),
		cmocka_unit_test(workspaces),
	};

	return cmocka_run_group_tests_name("data: decompression", tests, setup, teardown);
}
