/* SPDX-License-Identifier: GPL-2.0 */
/* Byte swapping. */
#ifndef _SHIM_LINUX_SWAB_H
#define _SHIM_LINUX_SWAB_H

#include_next <linux/swab.h>
#include <linux/types.h>

#define swab16		__builtin_bswap16
#define swab32		__builtin_bswap32
#define swab64(x)	((u64) __builtin_bswap64(x))
#define swab16s(p)	(*(p) = swab16(*(p)))
#define swab32s(p)	(*(p) = swab32(*(p)))
#define swab64s(p)	(*(p) = swab64(*(p)))

#endif /* _SHIM_LINUX_SWAB_H */
