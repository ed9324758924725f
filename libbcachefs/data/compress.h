/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Decompression of extents (spec 13 §6).
 *
 * bch2_decompress() is a function of its arguments alone; the workspaces only
 * save allocations. Everything in @src may be hostile.
 */
#ifndef _BCACHEFS_DATA_COMPRESS_H
#define _BCACHEFS_DATA_COMPRESS_H

#include <linux/types.h>

struct bch_fs;
struct bch_decompress_ws;

/* Largest unit the format can describe: 8192 sectors (spec 50 §3.4). */
#define BCH_ENCODED_BYTES_MAX		(8192U << 9)

struct bch_decompress_ws *bch2_decompress_ws_alloc(void);
void bch2_decompress_ws_free(struct bch_decompress_ws *ws);

struct bch_decompress_ws *bch2_decompress_ws_get(struct bch_fs *c);
void bch2_decompress_ws_put(struct bch_fs *c, struct bch_decompress_ws *ws);
void bch2_fs_data_exit(struct bch_fs *c);

int bch2_decompress(struct bch_decompress_ws *ws, unsigned type,
		    const void *src, size_t src_len, void *dst, size_t dst_len);

#endif /* _BCACHEFS_DATA_COMPRESS_H */
