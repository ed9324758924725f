// SPDX-License-Identifier: GPL-2.0
/*
 * Bit arrays: searching, combining, counting. Bits past the stated size are neither looked at nor
 * changed. No state; callers exclude concurrent writers of the arrays.
 */
#include "internal.h"

#include <linux/bitmap.h>
#include <linux/slab.h>

/* Word @i with only the bits of [0, size). */
static unsigned long word_of(const unsigned long *addr, unsigned long i, unsigned long size)
{
	unsigned long w = READ_ONCE(addr[i]);

	if ((i + 1) * BITS_PER_LONG > size)
		w &= ~0UL >> ((i + 1) * BITS_PER_LONG - size);
	return w;
}

/* First set bit at or after @offset of a[] ^ invert, and of b[] too if given. */
static unsigned long scan(const unsigned long *a, const unsigned long *b, unsigned long invert,
			  unsigned long size, unsigned long offset)
{
	unsigned long i, w;

	if (offset >= size)
		return size;
	for (i = BIT_WORD(offset); i * BITS_PER_LONG < size; i++) {
		w = READ_ONCE(a[i]) ^ invert;
		if (b)
			w &= READ_ONCE(b[i]);
		if (i == BIT_WORD(offset))
			w &= ~0UL << (offset % BITS_PER_LONG);
		if (w)
			return min(i * BITS_PER_LONG + __ffs(w), size);
	}
	return size;
}

/**
 * find_next_bit - first set bit from a position on
 * @addr:	bits
 * @size:	their number
 * @offset:	position
 *
 * Return: its number, or @size.
 */
unsigned long find_next_bit(const unsigned long *addr, unsigned long size, unsigned long offset)
{
	return scan(addr, NULL, 0, size, offset);
}

/**
 * find_next_zero_bit - first clear bit from a position on
 * @addr:	bits
 * @size:	their number
 * @offset:	position
 *
 * Return: its number, or @size.
 */
unsigned long find_next_zero_bit(const unsigned long *addr, unsigned long size,
				 unsigned long offset)
{
	return scan(addr, NULL, ~0UL, size, offset);
}

/**
 * find_next_and_bit - first bit set in both arrays from a position on
 * @a:		bits
 * @b:		bits
 * @size:	their number
 * @offset:	position
 *
 * Return: its number, or @size.
 */
unsigned long find_next_and_bit(const unsigned long *a, const unsigned long *b,
				unsigned long size, unsigned long offset)
{
	return scan(a, b, 0, size, offset);
}

/**
 * find_last_bit - last set bit
 * @addr:	bits
 * @size:	their number
 *
 * Return: its number, or @size.
 */
unsigned long find_last_bit(const unsigned long *addr, unsigned long size)
{
	unsigned long i = BITS_TO_LONGS(size), w;

	while (i--) {
		w = word_of(addr, i, size);
		if (w)
			return i * BITS_PER_LONG + __fls(w);
	}
	return size;
}

/**
 * bitmap_alloc - memory for bits, not cleared
 * @nbits:	how many
 * @flags:	allocation flags
 */
unsigned long *bitmap_alloc(unsigned int nbits, gfp_t flags)
{
	return kmalloc_array(BITS_TO_LONGS((unsigned long) nbits), sizeof(long), flags);
}

/**
 * bitmap_zalloc - memory for bits, all clear
 * @nbits:	how many
 * @flags:	allocation flags
 */
unsigned long *bitmap_zalloc(unsigned int nbits, gfp_t flags)
{
	return bitmap_alloc(nbits, flags | __GFP_ZERO);
}

/**
 * bitmap_free - give the memory back
 * @bitmap:	bits
 */
void bitmap_free(const unsigned long *bitmap)
{
	kfree(bitmap);
}

#define EACH_WORD(i, nbits)	for (i = 0; i < BITS_TO_LONGS((unsigned long) (nbits)); i++)

/**
 * bitmap_and - intersection
 * @dst:	result
 * @a:		bits
 * @b:		bits
 * @nbits:	how many
 *
 * Return: whether any bit is left.
 */
bool bitmap_and(unsigned long *dst, const unsigned long *a, const unsigned long *b,
		unsigned int nbits)
{
	unsigned long i, any = 0;

	EACH_WORD(i, nbits) {
		dst[i] = a[i] & b[i];
		any |= word_of(dst, i, nbits);
	}
	return any;
}

/**
 * bitmap_andnot - difference
 * @dst:	result
 * @a:		bits
 * @b:		bits taken away
 * @nbits:	how many
 *
 * Return: whether any bit is left.
 */
bool bitmap_andnot(unsigned long *dst, const unsigned long *a, const unsigned long *b,
		   unsigned int nbits)
{
	unsigned long i, any = 0;

	EACH_WORD(i, nbits) {
		dst[i] = a[i] & ~b[i];
		any |= word_of(dst, i, nbits);
	}
	return any;
}

/**
 * bitmap_or - union
 * @dst:	result
 * @a:		bits
 * @b:		bits
 * @nbits:	how many
 */
void bitmap_or(unsigned long *dst, const unsigned long *a, const unsigned long *b,
	       unsigned int nbits)
{
	unsigned long i;

	EACH_WORD(i, nbits)
		dst[i] = a[i] | b[i];
}

/**
 * bitmap_xor - what is in one but not in both
 * @dst:	result
 * @a:		bits
 * @b:		bits
 * @nbits:	how many
 */
void bitmap_xor(unsigned long *dst, const unsigned long *a, const unsigned long *b,
		unsigned int nbits)
{
	unsigned long i;

	EACH_WORD(i, nbits)
		dst[i] = a[i] ^ b[i];
}

/**
 * bitmap_complement - what is not there
 * @dst:	result
 * @src:	bits
 * @nbits:	how many
 */
void bitmap_complement(unsigned long *dst, const unsigned long *src, unsigned int nbits)
{
	unsigned long i;

	EACH_WORD(i, nbits)
		dst[i] = ~src[i];
}

/**
 * bitmap_equal - same bits?
 * @a:		bits
 * @b:		bits
 * @nbits:	how many
 */
bool bitmap_equal(const unsigned long *a, const unsigned long *b, unsigned int nbits)
{
	unsigned long i;

	EACH_WORD(i, nbits)
		if (word_of(a, i, nbits) != word_of(b, i, nbits))
			return false;
	return true;
}

/**
 * bitmap_intersects - a bit in common?
 * @a:		bits
 * @b:		bits
 * @nbits:	how many
 */
bool bitmap_intersects(const unsigned long *a, const unsigned long *b, unsigned int nbits)
{
	return find_next_and_bit(a, b, nbits, 0) < nbits;
}

/**
 * bitmap_subset - is every bit of @a in @b?
 * @a:		bits
 * @b:		bits
 * @nbits:	how many
 */
bool bitmap_subset(const unsigned long *a, const unsigned long *b, unsigned int nbits)
{
	unsigned long i;

	EACH_WORD(i, nbits)
		if (word_of(a, i, nbits) & ~b[i])
			return false;
	return true;
}

/**
 * bitmap_weight - number of set bits
 * @src:	bits
 * @nbits:	how many
 */
unsigned int bitmap_weight(const unsigned long *src, unsigned int nbits)
{
	unsigned long i;
	unsigned int n = 0;

	EACH_WORD(i, nbits)
		n += hweight_long(word_of(src, i, nbits));
	return n;
}

/**
 * bitmap_set - set a run of bits
 * @map:	bits
 * @start:	first
 * @nbits:	how many
 */
void bitmap_set(unsigned long *map, unsigned int start, unsigned int nbits)
{
	for (; nbits; start++, nbits--) {
		if (!(start % BITS_PER_LONG) && nbits >= BITS_PER_LONG) {
			map[BIT_WORD(start)] = ~0UL;
			start += BITS_PER_LONG - 1;
			nbits -= BITS_PER_LONG - 1;
		} else {
			__set_bit(start, map);
		}
	}
}

/**
 * bitmap_clear - clear a run of bits
 * @map:	bits
 * @start:	first
 * @nbits:	how many
 */
void bitmap_clear(unsigned long *map, unsigned int start, unsigned int nbits)
{
	for (; nbits; start++, nbits--) {
		if (!(start % BITS_PER_LONG) && nbits >= BITS_PER_LONG) {
			map[BIT_WORD(start)] = 0;
			start += BITS_PER_LONG - 1;
			nbits -= BITS_PER_LONG - 1;
		} else {
			__clear_bit(start, map);
		}
	}
}
