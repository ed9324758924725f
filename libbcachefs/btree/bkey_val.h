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

#include "bcachefs_format.h"
#include "util/printbuf.h"

/* A run of bytes inside a key: lives as long as the key, not terminated. */
struct bch_bytes {
	const u8		*p;
	unsigned int		len;
};

/* The value of @k as a struct bch_@type. */
#define bkey_val(k, type)	((const struct bch_##type *) (k).v)

/* Fill *@dst from the value of @k; what the value does not have is zero. */
#define bkey_val_copy(dst, k)	__bkey_val_copy_pad(dst, sizeof(*(dst)), k)

/* Print name number @i of @nr, or the number if a newer version has more names. */
static inline void prt_value_name(struct printbuf *out, const char * const names[],
				  unsigned int nr, unsigned int i)
{
	if (i < nr && names[i])
		prt_str(out, names[i]);
	else
		prt_printf(out, "(unknown %u)", i);
}

#endif /* _BCACHEFS_BTREE_BKEY_VAL_H */
