// SPDX-License-Identifier: GPL-2.0
/*
 * Decompression. Input: compression type, wanted size in sectors (le16), then the
 * stored unit.
 */
#include "fuzz.h"

#include "data/compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bch_decompress_ws *ws;
	size_t want;
	void *src, *dst;

	if (!ws)
		ws = bch2_decompress_ws_alloc();
	if (size < 4)
		return 0;

	want = (((data[1] | data[2] << 8) & 511) + 1) << 9;
	src = fuzz_copy(data + 3, size - 3);
	dst = malloc(want);
	bch2_decompress(ws, data[0] & 7, src, size - 3, dst, want);
	free(dst);
	free(src);
	return 0;
}
