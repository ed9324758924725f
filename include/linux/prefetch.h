/* SPDX-License-Identifier: GPL-2.0 */
/* Hints to the cache. */
#ifndef _SHIM_LINUX_PREFETCH_H
#define _SHIM_LINUX_PREFETCH_H

#define prefetch(p)	__builtin_prefetch(p)
#define prefetchw(p)	__builtin_prefetch(p, 1)

static inline void prefetch_range(void *addr, unsigned long len)
{
	char *p = (char *) addr, *end = p + len;

	for (; p < end; p += 64)
		prefetch(p);
}

#endif /* _SHIM_LINUX_PREFETCH_H */
