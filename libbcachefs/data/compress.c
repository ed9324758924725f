// SPDX-License-Identifier: GPL-2.0
/*
 * Decompression of extents: lz4, raw deflate and zstd in the framing of
 * spec 13 §6.3.
 *
 * Invariant: nothing outside [src, src + src_len) is read and nothing outside
 * [dst, dst + dst_len) is written, whatever the source says; success means that
 * exactly dst_len bytes were produced. Called by data/decode.c; anyone may.
 */
#include "bcachefs.h"
#include "data/compress.h"

#include <linux/atomic.h>
#include <linux/lz4.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/unaligned.h>
#include <linux/zlib.h>
#include <linux/zstd.h>

/* Memory of the decoders that need some; each part is allocated at first use. */
struct bch_decompress_ws {
	void		*zlib;
	void		*zstd;
	size_t		zstd_size;
};

/* zstd units begin with the length of the frame. */
#define ZSTD_UNIT_HEADER	sizeof(__le32)

/* Raw deflate stream with the largest window. */
#define GZIP_WINDOW_BITS	(-15)

/**
 * bch2_decompress_ws_alloc() - make an empty workspace
 *
 * Return: the workspace, NULL without memory; free with bch2_decompress_ws_free().
 */
struct bch_decompress_ws *bch2_decompress_ws_alloc(void)
{
	return kzalloc(sizeof(struct bch_decompress_ws), GFP_KERNEL);
}

/**
 * bch2_decompress_ws_free() - free a workspace
 * @ws:		may be NULL
 */
void bch2_decompress_ws_free(struct bch_decompress_ws *ws)
{
	if (!ws)
		return;

	kvfree(ws->zlib);
	kvfree(ws->zstd);
	kfree(ws);
}

/**
 * bch2_decompress_ws_get() - borrow one of the filesystem's idle workspaces
 * @c:		filesystem
 *
 * Locking: none needed.
 *
 * Return: a workspace that nobody else uses, NULL without memory.
 */
struct bch_decompress_ws *bch2_decompress_ws_get(struct bch_fs *c)
{
	unsigned int i;

	for (i = 0; i < BCH_DECOMPRESS_IDLE_MAX; i++) {
		struct bch_decompress_ws *ws = xchg(&c->data.idle[i], NULL);

		if (ws)
			return ws;
	}

	return bch2_decompress_ws_alloc();
}

/**
 * bch2_decompress_ws_put() - give a workspace back
 * @c:		filesystem
 * @ws:		from bch2_decompress_ws_get(); may be NULL
 */
void bch2_decompress_ws_put(struct bch_fs *c, struct bch_decompress_ws *ws)
{
	unsigned int i;

	if (!ws)
		return;

	for (i = 0; i < BCH_DECOMPRESS_IDLE_MAX; i++)
		if (!cmpxchg(&c->data.idle[i], NULL, ws))
			return;

	bch2_decompress_ws_free(ws);
}

/**
 * bch2_fs_data_exit() - free what the data floor keeps in a filesystem
 * @c:		filesystem; no read may be running. May be called more than once.
 */
void bch2_fs_data_exit(struct bch_fs *c)
{
	unsigned int i;

	for (i = 0; i < BCH_DECOMPRESS_IDLE_MAX; i++)
		bch2_decompress_ws_free(xchg(&c->data.idle[i], NULL));
}

static int decompress_lz4(const void *src, size_t src_len, void *dst, size_t dst_len)
{
	/*
	 * The length of the block is not stored: stop when everything wanted has
	 * been produced, and leave the padding alone.
	 */
	int ret = LZ4_decompress_safe_partial(src, dst, src_len, dst_len, dst_len);

	return ret >= 0 && (size_t) ret == dst_len ? 0 : -BCH_ERR_decompress_lz4;
}

static int decompress_gzip(struct bch_decompress_ws *ws, const void *src, size_t src_len,
			   void *dst, size_t dst_len)
{
	z_stream strm = {};
	int ret;

	if (!ws->zlib)
		ws->zlib = kvmalloc(zlib_inflate_workspacesize(), GFP_KERNEL);
	if (!ws->zlib)
		return -BCH_ERR_ENOMEM_decompress_workspace;

	strm.workspace	= ws->zlib;
	strm.next_in	= src;
	strm.avail_in	= src_len;
	strm.next_out	= dst;
	strm.avail_out	= dst_len;

	if (zlib_inflateInit2(&strm, GZIP_WINDOW_BITS) != Z_OK)
		return -BCH_ERR_decompress_gzip;

	ret = zlib_inflate(&strm, Z_FINISH);
	zlib_inflateEnd(&strm);

	return ret == Z_STREAM_END && !strm.avail_out ? 0 : -BCH_ERR_decompress_gzip;
}

static int zstd_ws_init(struct bch_decompress_ws *ws)
{
	if (ws->zstd)
		return 0;

	ws->zstd_size = zstd_dctx_workspace_bound();
	ws->zstd = kvmalloc(ws->zstd_size, GFP_KERNEL);
	return ws->zstd ? 0 : -BCH_ERR_ENOMEM_decompress_workspace;
}

static int decompress_zstd(struct bch_decompress_ws *ws, const void *src, size_t src_len,
			   void *dst, size_t dst_len)
{
	zstd_dctx *dctx;
	size_t frame, ret;

	if (src_len < ZSTD_UNIT_HEADER)
		return -BCH_ERR_decompress_zstd_length;

	frame = get_unaligned_le32(src);
	if (!frame || frame > src_len - ZSTD_UNIT_HEADER)
		return -BCH_ERR_decompress_zstd_length;

	if (zstd_ws_init(ws))
		return -BCH_ERR_ENOMEM_decompress_workspace;
	dctx = zstd_init_dctx(ws->zstd, ws->zstd_size);
	if (!dctx)
		return -BCH_ERR_ENOMEM_decompress_workspace;

	ret = zstd_decompress_dctx(dctx, dst, dst_len, src + ZSTD_UNIT_HEADER, frame);

	return !zstd_is_error(ret) && ret == dst_len ? 0 : -BCH_ERR_decompress_zstd;
}

/**
 * bch2_decompress() - undo the compression of one stored unit (spec 13 §6.3)
 * @ws:		workspace that no other thread uses during the call
 * @type:	compression type of the crc entry
 * @src:	the stored unit, decrypted
 * @src_len:	bytes, compressed_size of the crc entry; includes the padding
 * @dst:	where the data goes
 * @dst_len:	bytes, uncompressed_size of the crc entry
 *
 * Return: 0 if exactly @dst_len bytes were produced. -BCH_ERR_decompress_* if the
 * unit is damaged or its type unknown; then the content of @dst is undefined.
 * An error of class ENOMEM.
 */
int bch2_decompress(struct bch_decompress_ws *ws, unsigned type,
		    const void *src, size_t src_len, void *dst, size_t dst_len)
{
	if (!src_len || !dst_len ||
	    src_len > BCH_ENCODED_BYTES_MAX || dst_len > BCH_ENCODED_BYTES_MAX)
		return -BCH_ERR_decompress_size;

	switch (type) {
	case BCH_COMPRESSION_TYPE_lz4_old:
	case BCH_COMPRESSION_TYPE_lz4:
		return decompress_lz4(src, src_len, dst, dst_len);
	case BCH_COMPRESSION_TYPE_gzip:
		return decompress_gzip(ws, src, src_len, dst, dst_len);
	case BCH_COMPRESSION_TYPE_zstd:
		return decompress_zstd(ws, src, src_len, dst, dst_len);
	default:
		return -BCH_ERR_decompress_type_unknown;
	}
}
