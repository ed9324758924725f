/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From stored bytes to file bytes: verify, decrypt, decompress, take the live
 * part (spec 13 §2, §6.6; spec 54 §2). Functions of their arguments alone.
 */
#ifndef _BCACHEFS_DATA_DECODE_H
#define _BCACHEFS_DATA_DECODE_H

#include "bcachefs_format.h"
#include "btree/extent_entries.h"

struct bch_decompress_ws;

/* How the data of one replica was encoded, and the keys to undo it. */
struct bch_extent_decode {
	struct bch_extent_crc_unpacked	crc;
	struct bversion			version;
	const struct bch_key		*key;	/* NULL: no key is loaded */
	struct bch_decompress_ws	*ws;	/* NULL: allocated when needed */
};

struct nonce bch2_extent_nonce(struct bversion version, const struct bch_extent_crc_unpacked *crc);

int bch2_extent_decode_check(const struct bch_extent_decode *d, u32 offset, u32 sectors);
int bch2_extent_decode(const struct bch_extent_decode *d, void *stored,
		       u32 offset, u32 sectors, void *dst);

#endif /* _BCACHEFS_DATA_DECODE_H */
