/* SPDX-License-Identifier: GPL-2.0 */
/* Access to page contents; no mapping is needed here. */
#ifndef _SHIM_LINUX_HIGHMEM_H
#define _SHIM_LINUX_HIGHMEM_H

#include <linux/mm.h>
#include <linux/string.h>

#define kmap_local_page(page)		page_address(page)
#define kunmap_local(addr)		((void) (addr))

static inline void memcpy_from_page(char *to, struct page *page, size_t offset, size_t len)
{
	memcpy(to, (char *) page_address(page) + offset, len);
}

static inline void memcpy_to_page(struct page *page, size_t offset, const char *from, size_t len)
{
	memcpy((char *) page_address(page) + offset, from, len);
}

static inline void memzero_page(struct page *page, size_t offset, size_t len)
{
	memset((char *) page_address(page) + offset, 0, len);
}

#endif /* _SHIM_LINUX_HIGHMEM_H */
