/* SPDX-License-Identifier: GPL-2.0 */
/* Pages. Memory is flat here: a struct page is the page itself, so its address says all. */
#ifndef _SHIM_LINUX_MM_H
#define _SHIM_LINUX_MM_H

#include <linux/align.h>
#include <linux/gfp.h>
#include <linux/slab.h>
#include <linux/types.h>
#include <linux/vmalloc.h>
#include <asm/page.h>

struct page {
	u8	shim_bytes[PAGE_SIZE];
};

#define offset_in_page(p)	((unsigned long) (p) & ~PAGE_MASK)
#define PAGE_ALIGN(x)		ALIGN(x, PAGE_SIZE)
#define PAGE_ALIGN_DOWN(x)	ALIGN_DOWN(x, PAGE_SIZE)
#define PAGE_ALIGNED(x)		IS_ALIGNED((unsigned long) (x), PAGE_SIZE)
#define nth_page(page, n)	((page) + (n))
#define page_size(page)		((void) (page), PAGE_SIZE)

static inline struct page *virt_to_page(const void *p)
{
	return (struct page *) ((unsigned long) p & PAGE_MASK);
}

static inline void *page_address(const struct page *page)
{
	return (void *) page;
}

#define page_to_virt(page)	page_address(page)
#define page_to_pfn(page)	((unsigned long) (page) >> PAGE_SHIFT)
#define pfn_to_page(pfn)	((struct page *) ((unsigned long) (pfn) << PAGE_SHIFT))

/* virt_to_page() is right for every address here, so no address needs the other way. */
static inline bool is_vmalloc_addr(const void *p)
{
	(void) p;
	return false;
}

static inline bool is_vmalloc_or_module_addr(const void *p)
{
	return is_vmalloc_addr(p);
}

static inline int get_order(unsigned long size)
{
	int order = 0;

	while ((PAGE_SIZE << order) < size)
		order++;
	return order;
}

unsigned long totalram_pages(void);


#endif /* _SHIM_LINUX_MM_H */
