/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Variable-length integers (spec 60 §2): the current encoding, and the one that
 * inodes of before new_varint use. Decoders never look at or past @end.
 *
 * Pure functions for every floor.
 */
#ifndef _BCACHEFS_UTIL_VARINT_H
#define _BCACHEFS_UTIL_VARINT_H

#include <linux/types.h>

#define BCH_VARINT_BYTES_MAX		9
#define BCH_VARINT_OLD_BYTES_MAX	13

int bch2_varint_encode(u8 *out, u64 v);
int bch2_varint_decode(const u8 *in, const u8 *end, u64 *v);
int bch2_varint_old_decode(const u8 *in, const u8 *end, u64 *v);

#endif /* _BCACHEFS_UTIL_VARINT_H */
