/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Named bit ranges inside little-endian words of on-disk structures.
 *
 * One line declares one range and yields a getter NAME(p), a setter
 * SET_NAME(p, v) and the constants NAME_SHIFT and NAME_BITS. Ranges
 * are written as in the format description: first bit inclusive, end bit
 * exclusive. A setter never touches bits outside its range; a value too wide
 * is cut to the range, so callers check against LE_BITS_MAX(NAME) first.
 *
 * Lowest floor; any header may use it.
 */
#ifndef _BCACHEFS_UTIL_LE_BITS_H
#define _BCACHEFS_UTIL_LE_BITS_H

#include <linux/types.h>
#include <linux/build_bug.h>
#include <asm/byteorder.h>

/* The word of @n ones, n in 1..64. */
#define LE_BITS_ONES(n)		(~0ULL >> (64 - (n)))

#define __LE_BITS(width, name, type, member, first, end)			\
	enum {									\
		name##_SHIFT	= (first),					\
		name##_BITS	= (end) - (first),				\
	};									\
	static_assert((end) > (first) && (end) <= (width));			\
	static inline u64 name(const type *p)					\
	{									\
		u##width word = le##width##_to_cpu(p->member);			\
										\
		return ((u64) word >> (first)) & LE_BITS_ONES((end) - (first));	\
	}									\
	static inline void SET_##name(type *p, u64 v)				\
	{									\
		const u64 ones = LE_BITS_ONES((end) - (first));			\
		u64 word = le##width##_to_cpu(p->member);			\
										\
		word &= ~(ones << (first));					\
		word |= (v & ones) << (first);					\
		p->member = cpu_to_le##width((u##width) word);			\
	}

/* Declare bits [first, end) of the __le64 / __le32 / __le16 @member of @type. */
#define LE64_BITMASK(name, type, member, first, end)				\
	__LE_BITS(64, name, type, member, first, end)
#define LE32_BITMASK(name, type, member, first, end)				\
	__LE_BITS(32, name, type, member, first, end)
#define LE16_BITMASK(name, type, member, first, end)				\
	__LE_BITS(16, name, type, member, first, end)

/* Largest value that fits the range @name. */
#define LE_BITS_MAX(name)	LE_BITS_ONES(name##_BITS)

#endif /* _BCACHEFS_UTIL_LE_BITS_H */
