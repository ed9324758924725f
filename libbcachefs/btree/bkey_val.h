/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Access to the value of a key.
 *
 * A value on disk may be shorter than the struct that describes it (written by
 * older software) or longer (by newer). bkey_val() only casts: it is for code
 * that has checked the size, which the smallest size of the type (spec 20 §5.1)
 * has been by the time a key is handed out. Everything beyond that smallest size
 * is read through bkey_val_copy(), where missing bytes are zero.
 */
#ifndef _BCACHEFS_BTREE_BKEY_VAL_H
#define _BCACHEFS_BTREE_BKEY_VAL_H

#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs_format.h"

/* A run of bytes inside a key: lives as long as the key, not terminated. */
struct bch_bytes {
	const u8		*p;
	unsigned int		len;
};

/* The value of @k as a struct bch_@type. */
#define bkey_val(k, type)	((const struct bch_##type *) (k).v)

/* Copy at most @bytes of the value of @k to @dst and zero what it does not fill. */
static inline void bkey_val_copy_bytes(void *dst, size_t bytes, struct bkey_s_c k)
{
	size_t have = min_t(size_t, bytes, bkey_val_bytes(k.k));

	if (have)
		memcpy(dst, k.v, have);
	memset((u8 *) dst + have, 0, bytes - have);
}

#define bkey_val_copy(dst, k)	bkey_val_copy_bytes(dst, sizeof(*(dst)), k)

#endif /* _BCACHEFS_BTREE_BKEY_VAL_H */
