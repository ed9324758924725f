/* SPDX-License-Identifier: GPL-2.0 */
/* A lock in one bit of a word. */
#ifndef _SHIM_LINUX_BIT_SPINLOCK_H
#define _SHIM_LINUX_BIT_SPINLOCK_H

#include <linux/bitops.h>
#include <linux/processor.h>

static inline void bit_spin_lock(int bitnum, unsigned long *addr)
{
	while (test_and_set_bit_lock(bitnum, addr))
		cpu_relax();
}

static inline int bit_spin_trylock(int bitnum, unsigned long *addr)
{
	return !test_and_set_bit_lock(bitnum, addr);
}

static inline void bit_spin_unlock(int bitnum, unsigned long *addr)
{
	clear_bit_unlock(bitnum, addr);
}

#endif /* _SHIM_LINUX_BIT_SPINLOCK_H */
