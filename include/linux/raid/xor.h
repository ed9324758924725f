/* SPDX-License-Identifier: GPL-2.0 */
/* XOR of blocks. */
#ifndef _SHIM_LINUX_RAID_XOR_H
#define _SHIM_LINUX_RAID_XOR_H

#define MAX_XOR_BLOCKS	4

/* dest ^= each of the sources */
extern void xor_blocks(unsigned int count, unsigned int bytes, void *dest, void **srcs);

#endif /* _SHIM_LINUX_RAID_XOR_H */
