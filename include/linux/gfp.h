/* SPDX-License-Identifier: GPL-2.0 */
/* Whole pages. */
#ifndef _SHIM_LINUX_GFP_H
#define _SHIM_LINUX_GFP_H

#include <linux/gfp_types.h>
#include <linux/types.h>

struct page;

static inline bool gfpflags_allow_blocking(const gfp_t gfp)
{
	return !!(gfp & __GFP_DIRECT_RECLAIM);
}

struct page *alloc_pages(gfp_t gfp, unsigned int order);
#define alloc_page(gfp)			alloc_pages((gfp), 0)
unsigned long __get_free_pages(gfp_t gfp, unsigned int order);
unsigned long get_zeroed_page(gfp_t gfp);
#define __get_free_page(gfp)		__get_free_pages((gfp), 0)
void __free_pages(struct page *page, unsigned int order);
#define __free_page(page)		__free_pages((page), 0)
void free_pages(unsigned long addr, unsigned int order);
#define free_page(addr)			free_pages((addr), 0)

#endif /* _SHIM_LINUX_GFP_H */
