/* SPDX-License-Identifier: GPL-2.0 */
/* Bits in words; the unprefixed writers are atomic. */
#ifndef _SHIM_LINUX_BITOPS_H
#define _SHIM_LINUX_BITOPS_H

#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/barrier.h>

#define BITS_TO_LONGS(n)	(((n) + BITS_PER_LONG - 1) / BITS_PER_LONG)
#define BITS_TO_BYTES(n)	(((n) + BITS_PER_BYTE - 1) / BITS_PER_BYTE)
#define BITS_TO_U64(n)		(((n) + 63) / 64)

static inline unsigned long *shim_bit_word(volatile unsigned long *addr, unsigned long nr)
{
	return (unsigned long *) addr + BIT_WORD(nr);
}

static inline void set_bit(long nr, volatile unsigned long *addr)
{
	__atomic_fetch_or(shim_bit_word(addr, nr), BIT_MASK(nr), __ATOMIC_RELAXED);
}

static inline void clear_bit(long nr, volatile unsigned long *addr)
{
	__atomic_fetch_and(shim_bit_word(addr, nr), ~BIT_MASK(nr), __ATOMIC_RELAXED);
}

static inline void change_bit(long nr, volatile unsigned long *addr)
{
	__atomic_fetch_xor(shim_bit_word(addr, nr), BIT_MASK(nr), __ATOMIC_RELAXED);
}

static inline bool test_and_set_bit(long nr, volatile unsigned long *addr)
{
	return __atomic_fetch_or(shim_bit_word(addr, nr), BIT_MASK(nr), __ATOMIC_SEQ_CST) &
		BIT_MASK(nr);
}

static inline bool test_and_clear_bit(long nr, volatile unsigned long *addr)
{
	return __atomic_fetch_and(shim_bit_word(addr, nr), ~BIT_MASK(nr), __ATOMIC_SEQ_CST) &
		BIT_MASK(nr);
}

static inline bool test_and_change_bit(long nr, volatile unsigned long *addr)
{
	return __atomic_fetch_xor(shim_bit_word(addr, nr), BIT_MASK(nr), __ATOMIC_SEQ_CST) &
		BIT_MASK(nr);
}

static inline bool test_and_set_bit_lock(long nr, volatile unsigned long *addr)
{
	return __atomic_fetch_or(shim_bit_word(addr, nr), BIT_MASK(nr), __ATOMIC_ACQUIRE) &
		BIT_MASK(nr);
}

static inline void clear_bit_unlock(long nr, volatile unsigned long *addr)
{
	__atomic_fetch_and(shim_bit_word(addr, nr), ~BIT_MASK(nr), __ATOMIC_RELEASE);
}

static inline bool test_bit(unsigned long nr, const volatile unsigned long *addr)
{
	const unsigned long *p = (const unsigned long *) addr + BIT_WORD(nr);

	return __atomic_load_n(p, __ATOMIC_RELAXED) & BIT_MASK(nr);
}

static inline bool test_bit_acquire(unsigned long nr, const volatile unsigned long *addr)
{
	const unsigned long *p = (const unsigned long *) addr + BIT_WORD(nr);

	return __atomic_load_n(p, __ATOMIC_ACQUIRE) & BIT_MASK(nr);
}

/* Not atomic: the caller excludes other writers. */
static inline void __set_bit(long nr, volatile unsigned long *addr)
{
	*shim_bit_word(addr, nr) |= BIT_MASK(nr);
}

static inline void __clear_bit(long nr, volatile unsigned long *addr)
{
	*shim_bit_word(addr, nr) &= ~BIT_MASK(nr);
}

static inline void __change_bit(long nr, volatile unsigned long *addr)
{
	*shim_bit_word(addr, nr) ^= BIT_MASK(nr);
}

static inline bool __test_and_set_bit(long nr, volatile unsigned long *addr)
{
	bool was = *shim_bit_word(addr, nr) & BIT_MASK(nr);

	__set_bit(nr, addr);
	return was;
}

static inline bool __test_and_clear_bit(long nr, volatile unsigned long *addr)
{
	bool was = *shim_bit_word(addr, nr) & BIT_MASK(nr);

	__clear_bit(nr, addr);
	return was;
}

#define assign_bit(nr, addr, value) \
	((value) ? set_bit((nr), (addr)) : clear_bit((nr), (addr)))
#define __assign_bit(nr, addr, value) \
	((value) ? __set_bit((nr), (addr)) : __clear_bit((nr), (addr)))

/* Positions: fls and ffs count from 1 and give 0 for 0; the others want a nonzero word. */
static inline int fls(unsigned int x)
{
	return x ? 32 - __builtin_clz(x) : 0;
}

static inline int fls64(__u64 x)
{
	return x ? 64 - __builtin_clzll(x) : 0;
}

static inline unsigned int fls_long(unsigned long x)
{
	return fls64(x);
}

static inline unsigned long __fls(unsigned long x)
{
	return 63 - __builtin_clzl(x);
}

static inline unsigned long __ffs(unsigned long x)
{
	return __builtin_ctzl(x);
}

static inline unsigned int __ffs64(u64 x)
{
	return __builtin_ctzll(x);
}

static inline unsigned long ffz(unsigned long x)
{
	return __builtin_ctzl(~x);
}

#define ffs(x)		__builtin_ffs(x)

#define hweight8(w)	((unsigned int) __builtin_popcount((u8) (w)))
#define hweight16(w)	((unsigned int) __builtin_popcount((u16) (w)))
#define hweight32(w)	((unsigned int) __builtin_popcount((u32) (w)))
#define hweight64(w)	((unsigned long) __builtin_popcountll((u64) (w)))
#define hweight_long(w)	hweight64(w)

static inline __u64 rol64(__u64 w, unsigned int n)
{
	return (w << (n & 63)) | (w >> (-n & 63));
}

static inline __u64 ror64(__u64 w, unsigned int n)
{
	return (w >> (n & 63)) | (w << (-n & 63));
}

static inline __u32 rol32(__u32 w, unsigned int n)
{
	return (w << (n & 31)) | (w >> (-n & 31));
}

static inline __u32 ror32(__u32 w, unsigned int n)
{
	return (w >> (n & 31)) | (w << (-n & 31));
}

static inline __s64 sign_extend64(__u64 value, int index)
{
	unsigned int shift = 63 - index;

	return (__s64) (value << shift) >> shift;
}

static inline __s32 sign_extend32(__u32 value, int index)
{
	unsigned int shift = 31 - index;

	return (__s32) (value << shift) >> shift;
}

#define for_each_set_bit_from(bit, addr, size) \
	for (; (bit) = find_next_bit((addr), (size), (bit)), (bit) < (size); (bit)++)
#include <linux/find.h>

#endif /* _SHIM_LINUX_BITOPS_H */
