// SPDX-License-Identifier: GPL-2.0
/*
 * Encoding and decoding of variable-length integers (spec 60 §2). All input is
 * read byte by byte within its bounds.
 */
#include <linux/bitops.h>
#include <linux/unaligned.h>

#include "errcode.h"
#include "util/varint.h"

/* Trailing ones of a byte: 0..8. */
static inline unsigned int trailing_ones(u8 b)
{
	return b == 0xff ? 8 : __ffs((unsigned long) (u8) ~b);
}

/**
 * bch2_varint_encode - encode in the shortest form
 * @out:	at least BCH_VARINT_BYTES_MAX bytes
 * @v:		value
 *
 * Return: bytes used, 1..9.
 */
int bch2_varint_encode(u8 *out, u64 v)
{
	unsigned int bits = v ? fls64(v) : 1;
	unsigned int n = (bits + 6) / 7;

	if (n > 8) {
		out[0] = 0xff;
		put_unaligned_le64(v, out + 1);
		return BCH_VARINT_BYTES_MAX;
	}

	v = v << n | ((1ULL << (n - 1)) - 1);
	for (unsigned int i = 0; i < n; i++, v >>= 8)
		out[i] = (u8) v;
	return n;
}

/**
 * bch2_varint_decode - decode the current encoding
 * @in:		first byte
 * @end:	end of the input
 * @v:		result
 *
 * Any form is accepted, not only the shortest.
 *
 * Return: bytes consumed, 1..9, or -BCH_ERR_ERANGE_varint if the input ends too
 * early.
 */
int bch2_varint_decode(const u8 *in, const u8 *end, u64 *v)
{
	unsigned int n;
	u64 r = 0;

	if (in >= end)
		return -BCH_ERR_ERANGE_varint;

	n = trailing_ones(*in) + 1;
	if (n > end - in)
		return -BCH_ERR_ERANGE_varint;

	if (n == BCH_VARINT_BYTES_MAX) {
		*v = get_unaligned_le64(in + 1);
		return n;
	}

	for (unsigned int i = n; i--;)
		r = r << 8 | in[i];
	*v = r >> n;
	return n;
}

/**
 * bch2_varint_old_decode - decode the encoding of old inodes
 * @in:		first byte
 * @end:	end of the input
 * @v:		result: the low 64 bits
 *
 * Spec 60 §2.2: the highest set bit of the first byte gives the length; without
 * it the bytes are one big-endian integer.
 *
 * Return: bytes consumed, or -BCH_ERR_ERANGE_varint if the input ends too
 * early, starts with 0, or does not fit 64 bits.
 */
int bch2_varint_old_decode(const u8 *in, const u8 *end, u64 *v)
{
	static const u8 bytes[8] = { 13, 10, 8, 6, 4, 3, 2, 1 };	/* by bit number */
	unsigned int top, n;
	u64 r;

	if (in >= end || !*in)
		return -BCH_ERR_ERANGE_varint;

	top = __fls((unsigned long) *in);
	n = bytes[top];
	if (n > end - in)
		return -BCH_ERR_ERANGE_varint;

	r = *in ^ (1U << top);
	for (unsigned int i = 1; i < n; i++) {
		if (r >> 56)
			return -BCH_ERR_ERANGE_varint;
		r = r << 8 | in[i];
	}
	*v = r;
	return n;
}
