/* SPDX-License-Identifier: GPL-2.0 */
/* Addresses that fault when a removed list entry is followed. */
#ifndef _SHIM_LINUX_POISON_H
#define _SHIM_LINUX_POISON_H

#define LIST_POISON1	((void *) 0xdead000000000100UL)
#define LIST_POISON2	((void *) 0xdead000000000122UL)

#endif /* _SHIM_LINUX_POISON_H */
