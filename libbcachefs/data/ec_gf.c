// SPDX-License-Identifier: GPL-2.0
/*
 * Parity arithmetic of stripes: P is the XOR of the data blocks, Q the sum of
 * g^i * D_i over GF(2^8) with polynomial 0x11d and g = 2 (spec 52 §8).
 *
 * Invariant: which parity is used is decided by what is available, so any loss
 * of up to nr_redundant blocks is repaired, be it data or parity. Functions of
 * their arguments alone; called by data/ec.c and the tests.
 *
 * This is a fallback path taken when a device is missing, so it is plain C: Q is
 * summed with Horner's rule eight bytes at a time, and the few products with an
 * arbitrary constant go through a table made for that constant.
 */
#include "bcachefs.h"
#include "data/ec.h"
#include "data/stripes.h"

#include <linux/bitops.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#define GF_POLY			0x1d	/* without x^8 */

static u8 gf_mul(u8 a, u8 b)
{
	u8 r = 0;

	for (; b; b >>= 1) {
		if (b & 1)
			r ^= a;
		a = (a << 1) ^ (a & 0x80 ? GF_POLY : 0);
	}
	return r;
}

static u8 gf_pow2(unsigned int n)
{
	u8 r = 1;

	while (n--)
		r = gf_mul(r, 2);
	return r;
}

/* The group has order 255, so a^254 is the inverse of @a (which is not 0). */
static u8 gf_inv(u8 a)
{
	u8 r = 1;
	unsigned int i;

	for (i = 0; i < 254; i++)
		r = gf_mul(r, a);
	return r;
}

/* Eight field elements times 2: shift each byte, reduce those that overflowed. */
static u64 gf_double8(u64 v)
{
	const u64 top = v & 0x8080808080808080ULL;

	return ((v ^ top) << 1) ^ ((top >> 7) * GF_POLY);
}

/* dst ^= src */
static void gf_add(u8 *dst, const u8 *src, size_t bytes)
{
	size_t i = 0;

	for (; i + 8 <= bytes; i += 8)
		put_unaligned(get_unaligned((const u64 *) (dst + i)) ^
			      get_unaligned((const u64 *) (src + i)), (u64 *) (dst + i));
	for (; i < bytes; i++)
		dst[i] ^= src[i];
}

/* dst *= 2 */
static void gf_double(u8 *dst, size_t bytes)
{
	size_t i = 0;

	for (; i + 8 <= bytes; i += 8)
		put_unaligned(gf_double8(get_unaligned((const u64 *) (dst + i))),
			      (u64 *) (dst + i));
	for (; i < bytes; i++)
		dst[i] = gf_mul(dst[i], 2);
}

/* dst *= factor */
static void gf_scale(u8 *dst, u8 factor, size_t bytes)
{
	u8 table[256];
	unsigned int v;
	size_t i;

	for (v = 0; v < 256; v++)
		table[v] = gf_mul(v, factor);
	for (i = 0; i < bytes; i++)
		dst[i] = table[dst[i]];
}

/* dst ^= XOR of all data blocks not in @skip */
static void sum_p(u8 *dst, unsigned int nr_data, u32 skip, size_t bytes, void *const *blocks)
{
	unsigned int i;

	for (i = 0; i < nr_data; i++)
		if (!(skip & BIT(i)))
			gf_add(dst, blocks[i], bytes);
}

/* dst = sum of g^i D_i over all data blocks not in @skip */
static void sum_q(u8 *dst, unsigned int nr_data, u32 skip, size_t bytes, void *const *blocks)
{
	unsigned int i;

	memset(dst, 0, bytes);
	for (i = nr_data; i-- > 0;) {
		gf_double(dst, bytes);
		if (!(skip & BIT(i)))
			gf_add(dst, blocks[i], bytes);
	}
}

/**
 * bch2_ec_parity() - compute the parity blocks
 * @nr_data:	data blocks, blocks[0] .. blocks[nr_data - 1]
 * @nr_redundant: parity blocks behind them: none, P, or P and Q
 * @bytes:	length of every block
 * @blocks:	the blocks; parity ones are overwritten
 */
void bch2_ec_parity(unsigned nr_data, unsigned nr_redundant, size_t bytes, void *const *blocks)
{
	if (nr_redundant > 0) {
		memset(blocks[nr_data], 0, bytes);
		sum_p(blocks[nr_data], nr_data, 0, bytes, blocks);
	}
	if (nr_redundant > 1)
		sum_q(blocks[nr_data + 1], nr_data, 0, bytes, blocks);
}

/* One data block from P and the other data. */
static void recover_one_p(unsigned int x, unsigned int nr_data, size_t bytes, void *const *blocks)
{
	memcpy(blocks[x], blocks[nr_data], bytes);
	sum_p(blocks[x], nr_data, BIT(x), bytes, blocks);
}

/* One data block from Q and the other data: D_x = g^-x (Q + S_Q). */
static void recover_one_q(unsigned int x, unsigned int nr_data, size_t bytes, void *const *blocks)
{
	sum_q(blocks[x], nr_data, BIT(x), bytes, blocks);
	gf_add(blocks[x], blocks[nr_data + 1], bytes);
	gf_scale(blocks[x], gf_inv(gf_pow2(x)), bytes);
}

/*
 * Two data blocks from P and Q. With dP = D_x + D_y and dQ = g^x D_x + g^y D_y:
 * D_x = (g^y dP + dQ) / (g^x + g^y), D_y = dP + D_x. blocks[y] holds dP until
 * the last step.
 */
static void recover_two(unsigned int x, unsigned int y, unsigned int nr_data, size_t bytes,
			void *const *blocks)
{
	const u32 lost = BIT(x) | BIT(y);
	const u8 gx = gf_pow2(x), gy = gf_pow2(y);

	sum_q(blocks[x], nr_data, lost, bytes, blocks);
	gf_add(blocks[x], blocks[nr_data + 1], bytes);

	memcpy(blocks[y], blocks[nr_data], bytes);
	sum_p(blocks[y], nr_data, lost, bytes, blocks);

	/* D_x = dQ/(g^x + g^y) + dP * g^y/(g^x + g^y), in two scalings of blocks[x] */
	gf_scale(blocks[x], gf_inv(gy), bytes);
	gf_add(blocks[x], blocks[y], bytes);
	gf_scale(blocks[x], gf_mul(gy, gf_inv(gx ^ gy)), bytes);

	gf_add(blocks[y], blocks[x], bytes);
}

/**
 * bch2_ec_recover() - compute lost blocks from the others
 * @nr_data:	data blocks
 * @nr_redundant: parity blocks, at most 2
 * @failed:	bit i: block i is lost; its buffer is overwritten with what it held
 * @bytes:	length of every block
 * @blocks:	nr_data + nr_redundant buffers
 *
 * Return: 0, -BCH_ERR_ec_too_many_failed if that many cannot be computed,
 * -EINVAL for a geometry outside the format (spec 52 §2).
 */
int bch2_ec_recover(unsigned nr_data, unsigned nr_redundant, u32 failed,
		    size_t bytes, void *const *blocks)
{
	const unsigned int nr = nr_data + nr_redundant;
	u32 lost;

	if (!nr_data || nr_data > BCH_STRIPE_BLOCKS_MAX ||
	    nr_redundant > BCH_STRIPE_REDUNDANT_MAX || nr > BCH_STRIPE_BLOCKS_MAX)
		return -EINVAL;

	failed &= BIT(nr) - 1;
	lost = failed & (BIT(nr_data) - 1);
	if (hweight32(failed) > nr_redundant)
		return -BCH_ERR_ec_too_many_failed;

	if (hweight32(lost) == 2)
		recover_two(__ffs(lost), __fls(lost), nr_data, bytes, blocks);
	else if (lost && !(failed & BIT(nr_data)))
		recover_one_p(__ffs(lost), nr_data, bytes, blocks);
	else if (lost)
		recover_one_q(__ffs(lost), nr_data, bytes, blocks);

	/* All data is there now: lost parity follows from it. */
	if (failed & BIT(nr_data)) {
		memset(blocks[nr_data], 0, bytes);
		sum_p(blocks[nr_data], nr_data, 0, bytes, blocks);
	}
	if (failed & BIT(nr_data + 1))
		sum_q(blocks[nr_data + 1], nr_data, 0, bytes, blocks);
	return 0;
}
