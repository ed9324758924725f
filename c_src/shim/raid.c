// SPDX-License-Identifier: GPL-2.0
/*
 * RAID 6 parity: P = D0 + D1 + ..., Q = D0 + g D1 + g^2 D2 + ... over GF(2^8) with the polynomial
 * 0x11d and g = 2. ISA-L makes the syndromes; recovery solves for the lost blocks. Pure functions.
 */
#include <isa-l/erasure_code.h>
#include <isa-l/raid.h>

#include "internal.h"

#include <linux/bug.h>
#include <linux/raid/pq.h>
#include <linux/raid/xor.h>
#include <linux/slab.h>

/* What ISA-L wants of addresses and lengths. */
#define ISAL_ALIGN	32UL

static u8 gf_power(int n)
{
	u8 v = 1;

	while (n-- > 0)
		v = gf_mul(v, 2);
	return v;
}

/* P and Q of the bytes [from, to), one at a time; Horner's scheme from the last disk down. */
static void gen_bytes(int disks, size_t from, size_t to, u8 **ptrs)
{
	u8 *p = ptrs[disks - 2], *q = ptrs[disks - 1];
	size_t i;
	int d;

	for (i = from; i < to; i++) {
		u8 vp = 0, vq = 0;

		for (d = disks - 3; d >= 0; d--) {
			vp ^= ptrs[d][i];
			vq = (u8) (vq << 1) ^ (vq & 0x80 ? 0x1d : 0) ^ ptrs[d][i];
		}
		p[i] = vp;
		q[i] = vq;
	}
}

static void gen_syndrome(int disks, size_t bytes, void **ptrs)
{
	size_t whole = bytes & ~(ISAL_ALIGN - 1);
	unsigned long low = 0;
	int d;

	for (d = 0; d < disks; d++)
		low |= (unsigned long) ptrs[d];
	/* The library wants at least two data disks, and lengths in int. */
	if (disks < 4 || (low & (ISAL_ALIGN - 1)) || whole > INT_MAX || !whole)
		whole = 0;
	if (whole && pq_gen(disks, whole, ptrs))
		whole = 0;
	gen_bytes(disks, whole, bytes, (u8 **) ptrs);
}

struct raid6_calls raid6_call = {
	.gen_syndrome	= gen_syndrome,
	.name		= "isa-l",
};

static void mul_table(u8 table[256], u8 factor)
{
	int i;

	for (i = 0; i < 256; i++)
		table[i] = gf_mul(factor, i);
}

/*
 * Makes P and Q of the surviving data alone, in the lost blocks @a and @b, whose contents count as
 * zero for that.
 */
static void partial_syndrome(int disks, size_t bytes, void **ptrs, int a, int b, void *p, void *q)
{
	void **view = kmalloc_array(disks, sizeof(*view), GFP_KERNEL | __GFP_NOFAIL);
	void *zero = kvzalloc(bytes, GFP_KERNEL | __GFP_NOFAIL);

	memcpy(view, ptrs, disks * sizeof(*view));
	view[a] = zero;
	view[b] = zero;
	view[disks - 2] = p;
	view[disks - 1] = q;
	gen_syndrome(disks, bytes, view);
	kvfree(zero);
	kfree(view);
}

/*
 * Data a and b (a < b) are lost. With P', Q' of the others: x = P + P' = Da + Db and
 * y = Q + Q' = g^a Da + g^b Db, so Db = (y + g^a x) / (g^a + g^b) and Da = x + Db.
 */
static void recover_two_data(int disks, size_t bytes, int faila, int failb, void **ptrs)
{
	u8 *da = ptrs[faila], *db = ptrs[failb], *p = ptrs[disks - 2], *q = ptrs[disks - 1];
	u8 ga = gf_power(faila), scale = gf_inv(ga ^ gf_power(failb));
	u8 mul_x[256], mul_y[256];
	size_t i;

	mul_table(mul_y, scale);
	mul_table(mul_x, gf_mul(ga, scale));
	partial_syndrome(disks, bytes, ptrs, faila, failb, da, db);
	for (i = 0; i < bytes; i++) {
		u8 x = p[i] ^ da[i], y = q[i] ^ db[i];

		db[i] = mul_y[y] ^ mul_x[x];
		da[i] = x ^ db[i];
	}
}

/* Data a and P are lost: y = Q + Q' = g^a Da, and P = P' + Da. */
static void recover_data_and_p(int disks, size_t bytes, int faila, void **ptrs)
{
	u8 *da = ptrs[faila], *p = ptrs[disks - 2], *q = ptrs[disks - 1];
	u8 mul_y[256];
	size_t i;

	mul_table(mul_y, gf_inv(gf_power(faila)));
	partial_syndrome(disks, bytes, ptrs, faila, faila, p, da);
	for (i = 0; i < bytes; i++) {
		da[i] = mul_y[q[i] ^ da[i]];
		p[i] ^= da[i];
	}
}

void (*raid6_2data_recov)(int disks, size_t bytes, int faila, int failb, void **ptrs) =
	recover_two_data;
void (*raid6_datap_recov)(int disks, size_t bytes, int faila, void **ptrs) = recover_data_and_p;

/**
 * xor_blocks - XOR blocks into one
 * @count:	sources, at most MAX_XOR_BLOCKS
 * @bytes:	length of all blocks
 * @dest:	changed in place
 * @srcs:	sources
 */
void xor_blocks(unsigned int count, unsigned int bytes, void *dest, void **srcs)
{
	unsigned int i;
	size_t n;

	BUG_ON(count > MAX_XOR_BLOCKS);
	for (i = 0; i < count; i++) {
		u8 *d = dest;
		const u8 *s = srcs[i];

		for (n = 0; n < bytes; n++)
			d[n] ^= s[n];
	}
}
