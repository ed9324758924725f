// SPDX-License-Identifier: GPL-2.0
/*
 * Decoding of stored extents. Input: 8 bytes - with or without the key, whether
 * to set the checksum right, first wanted sector, number of wanted sectors, 4
 * unused - then one unpacked extent or reflink_v key, then the stored data. Every
 * replica of the key is decoded from that data.
 */
#include "fuzz.h"

#include "data/compress.h"
#include "data/decode.h"
#include "data/extents.h"

struct input {
	uint8_t		no_key;
	uint8_t		fix_csum;
	uint8_t		offset;
	uint8_t		sectors;
	uint8_t		unused[4];
};

static struct bch_decompress_ws *ws;

static void decode(const struct input *in, struct bkey_s_c k, const struct extent_ptr_decoded *p,
		   const uint8_t *data, size_t size)
{
	struct bch_extent_decode d = {
		.crc		= p->crc,
		.version	= k.k->bversion,
		.key		= in->no_key & 1 ? NULL : &fuzz_key,
		.ws		= in->no_key & 2 ? NULL : ws,
	};
	size_t bytes = (size_t) d.crc.compressed_size << 9;
	size_t want = (size_t) in->sectors << 9;
	uint8_t *stored, *dst;

	/* Units of 4 MiB take the fuzzer's time and find nothing new. */
	if (bytes > 256 << 10 || d.crc.uncompressed_size > 512)
		return;
	if (bch2_extent_decode_check(&d, in->offset, in->sectors))
		return;

	stored = calloc(1, bytes);
	dst = malloc(want);
	memcpy(stored, data, size < bytes ? size : bytes);
	if (in->fix_csum & 1)
		d.crc.csum = bch2_checksum(d.crc.csum_type,
					   bch2_extent_nonce(d.version, &d.crc), d.key,
					   stored, bytes);
	bch2_extent_decode(&d, stored, in->offset, in->sectors, dst);
	free(dst);
	free(stored);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct input *in = (const void *) data;
	const union bch_extent_entry *entry;
	struct extent_ptr_decoded p;
	struct bkey_ptrs_c ptrs;
	struct bkey_s_c k;
	struct bkey_i *i;
	unsigned nr = 0;
	size_t bytes;

	fuzz_fs();
	if (!ws)
		ws = bch2_decompress_ws_alloc();
	if (size < sizeof(*in) + sizeof(struct bkey))
		return 0;

	data += sizeof(*in);
	size -= sizeof(*in);
	bytes = ((const struct bkey *) data)->u64s * 8UL;
	if (bytes < sizeof(struct bkey) || bytes > size)
		return 0;

	i = fuzz_copy(data, bytes);
	k = bkey_i_to_s_c(i);
	if (k.k->type != KEY_TYPE_extent && k.k->type != KEY_TYPE_reflink_v)
		goto out;

	ptrs = bch2_bkey_ptrs_c(k);
	bkey_for_each_ptr_decode(k.k, ptrs, p, entry)
		if (nr++ < BCH_BKEY_PTRS_MAX)
			decode(in, k, &p, data + bytes, size - bytes);
out:
	free(i);
	return 0;
}
