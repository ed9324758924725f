/* SPDX-License-Identifier: GPL-2.0 */
/*
 * State of the data floor inside struct bch_fs. Data declarations only; the
 * functions are in data/compress.h.
 *
 * A zeroed struct is valid: nothing has to be set up when a filesystem is
 * opened. bch2_fs_data_exit() gives the memory back.
 */
#ifndef _BCACHEFS_DATA_TYPES_H
#define _BCACHEFS_DATA_TYPES_H

/* Idle decompression workspaces that are kept for the next reader. */
#define BCH_DECOMPRESS_IDLE_MAX		8

struct bch_decompress_ws;

struct bch_fs_data {
	/* Taken with xchg(), put back with cmpxchg(); no lock. */
	struct bch_decompress_ws *idle[BCH_DECOMPRESS_IDLE_MAX];
};

#endif /* _BCACHEFS_DATA_TYPES_H */
