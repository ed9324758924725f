/* SPDX-License-Identifier: GPL-2.0 */
/* Virtually contiguous memory: page aligned blocks of the same heap. */
#ifndef _SHIM_LINUX_VMALLOC_H
#define _SHIM_LINUX_VMALLOC_H

#include <linux/types.h>

void *vmalloc(unsigned long size) __malloc;
void *vzalloc(unsigned long size) __malloc;
void *__vmalloc(unsigned long size, gfp_t gfp) __malloc;
void vfree(const void *addr);
struct page *vmalloc_to_page(const void *addr);

#endif /* _SHIM_LINUX_VMALLOC_H */
