/* SPDX-License-Identifier: GPL-2.0 */
/* Binary search in a sorted array. */
#ifndef _SHIM_LINUX_BSEARCH_H
#define _SHIM_LINUX_BSEARCH_H

#include <linux/types.h>

void *bsearch(const void *key, const void *base, size_t num, size_t size,
	      int (*cmp)(const void *key, const void *elt));

#endif /* _SHIM_LINUX_BSEARCH_H */
