// SPDX-License-Identifier: GPL-2.0
/*
 * From stored bytes to file bytes: verify the checksum over what is stored,
 * decrypt, decompress, take the live part. The order is that of spec 13 §2.
 *
 * Invariant: no byte is handed out that was not covered by a good checksum,
 * where there is one; sizes from the key are checked before a byte is touched.
 * No struct bch_fs: data/read.c, the tests and the fuzzers call this alike.
 */
#include "bcachefs.h"
#include "data/compress.h"
#include "data/decode.h"

#include <linux/slab.h>
#include <linux/string.h>

/**
 * bch2_extent_nonce() - nonce of an extent's stored data (spec 13 §4.5)
 * @version:	version of the key
 * @crc:	crc entry of the replica
 *
 * Return: the nonce of the first stored byte.
 */
struct nonce bch2_extent_nonce(struct bversion version, const struct bch_extent_crc_unpacked *crc)
{
	return __bch2_extent_nonce(version.lo, version.hi, crc->compression_type,
				   crc->uncompressed_size, crc->nonce);
}

/**
 * bch2_extent_decode_check() - could this be decoded, judging by the sizes?
 * @d:		how it was encoded
 * @offset:	first wanted sector of the live part
 * @sectors:	number of wanted sectors
 *
 * Return: 0; -BCH_ERR_data_read_bad_crc_entry if the sizes contradict each other,
 * -BCH_ERR_data_read_unknown_{compression,csum_type}, -BCH_ERR_data_read_no_encryption_key.
 */
int bch2_extent_decode_check(const struct bch_extent_decode *d, u32 offset, u32 sectors)
{
	const struct bch_extent_crc_unpacked *crc = &d->crc;

	if (!sectors ||
	    (u64) crc->offset + offset + sectors > crc->uncompressed_size)
		return -BCH_ERR_data_read_bad_crc_entry;

	if (crc_is_encoded(crc) &&
	    (crc->compressed_size > BCH_ENCODED_BYTES_MAX >> 9 ||
	     crc->uncompressed_size > BCH_ENCODED_BYTES_MAX >> 9))
		return -BCH_ERR_data_read_bad_crc_entry;

	if (!bch2_compression_type_is_compressed(crc->compression_type) &&
	    crc->compressed_size != crc->uncompressed_size)
		return -BCH_ERR_data_read_bad_crc_entry;

	if (crc->compression_type >= BCH_COMPRESSION_TYPE_NR)
		return -BCH_ERR_data_read_unknown_compression;

	if (crc->csum_type >= BCH_CSUM_NR)
		return -BCH_ERR_data_read_unknown_csum_type;

	if (bch2_csum_type_is_encryption(crc->csum_type) && !d->key)
		return -BCH_ERR_data_read_no_encryption_key;

	return 0;
}

static int extent_verify(const struct bch_extent_decode *d, const void *stored, size_t bytes)
{
	const struct bch_extent_crc_unpacked *crc = &d->crc;

	if (crc->csum_type == BCH_CSUM_none)
		return 0;

	return bch2_checksum_verify(crc->csum_type, bch2_extent_nonce(d->version, crc), d->key,
				    stored, bytes, crc->csum)
		? -BCH_ERR_data_read_csum_err : 0;
}

static int extent_decompress(const struct bch_extent_decode *d, const void *stored,
			     size_t skip, size_t bytes, void *dst)
{
	const struct bch_extent_crc_unpacked *crc = &d->crc;
	size_t stored_bytes = (size_t) crc->compressed_size << 9;
	size_t plain_bytes = (size_t) crc->uncompressed_size << 9;
	struct bch_decompress_ws *ws = d->ws ?: bch2_decompress_ws_alloc();
	bool whole = !skip && bytes == plain_bytes && dst != stored;
	void *plain = whole ? dst : kvmalloc(plain_bytes, GFP_KERNEL);
	int ret = -BCH_ERR_ENOMEM_data_bounce;

	if (ws && plain)
		ret = bch2_decompress(ws, crc->compression_type, stored, stored_bytes,
				      plain, plain_bytes);
	if (!ret && !whole)
		memcpy(dst, plain + skip, bytes);

	if (!whole)
		kvfree(plain);
	if (!d->ws)
		bch2_decompress_ws_free(ws);
	return ret;
}

/**
 * bch2_extent_decode() - get a part of the file's data out of a stored extent
 * @d:		how it was encoded; bch2_extent_decode_check() is done here, too
 * @stored:	crc.compressed_size * 512 bytes as read; decrypted in place
 * @offset:	first wanted sector of the live part
 * @sectors:	number of wanted sectors
 * @dst:	where they go; may be @stored itself
 *
 * Return: 0; -BCH_ERR_data_read_csum_err if the checksum is wrong; an error of
 * bch2_decompress() or bch2_extent_decode_check(). May sleep and allocate.
 */
int bch2_extent_decode(const struct bch_extent_decode *d, void *stored,
		       u32 offset, u32 sectors, void *dst)
{
	const struct bch_extent_crc_unpacked *crc = &d->crc;
	bool compressed = bch2_compression_type_is_compressed(crc->compression_type);
	size_t stored_bytes = (size_t) crc->compressed_size << 9;
	size_t skip = ((size_t) crc->offset + offset) << 9;
	size_t bytes = (size_t) sectors << 9;
	struct nonce nonce = bch2_extent_nonce(d->version, crc);
	int ret;

	ret = bch2_extent_decode_check(d, offset, sectors) ?:
		extent_verify(d, stored, stored_bytes);
	if (ret)
		return ret;

	if (compressed) {
		if (bch2_csum_type_is_encryption(crc->csum_type))
			ret = bch2_encrypt(crc->csum_type, nonce, d->key, stored, stored_bytes);
		return ret ?: extent_decompress(d, stored, skip, bytes, dst);
	}

	if (bch2_csum_type_is_encryption(crc->csum_type))
		ret = bch2_encrypt(crc->csum_type, nonce_add(nonce, skip), d->key,
				   stored + skip, bytes);
	if (!ret)
		memmove(dst, stored + skip, bytes);
	return ret;
}
