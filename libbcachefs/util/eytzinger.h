/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sorted arrays in the order of a breadth-first walk of their search tree: the
 * root first, children of element i at 2i + 1 and 2i + 2. A search touches
 * neighbouring memory near the root, which makes it cheaper than bisection of
 * large tables that never change.
 *
 * Pure functions for every floor.
 */
#ifndef _BCACHEFS_UTIL_EYTZINGER_H
#define _BCACHEFS_UTIL_EYTZINGER_H

#include <linux/types.h>

/* Sign of (key - element). */
typedef int (*eytzinger_cmp_fn)(const void *key, const void *element);

void eytzinger0_from_sorted(void *dst, const void *sorted, size_t nr, size_t element);

/**
 * eytzinger0_find_le - the largest element not above a key
 * @base:	array in breadth-first order
 * @nr:		elements
 * @element:	bytes of one element
 * @key:	what to look for
 * @cmp:	compares key and element
 *
 * Return: its index in @base, or -1 if all elements are above.
 */
static inline ssize_t eytzinger0_find_le(const void *base, size_t nr, size_t element,
					 const void *key, eytzinger_cmp_fn cmp)
{
	ssize_t best = -1;
	size_t i = 0;

	while (i < nr) {
		bool right = cmp(key, (const char *) base + i * element) >= 0;

		if (right)
			best = i;
		i = 2 * i + 1 + right;
	}
	return best;
}

/**
 * eytzinger0_find - the element equal to a key
 * @base:	array in breadth-first order
 * @nr:		elements
 * @element:	bytes of one element
 * @key:	what to look for
 * @cmp:	compares key and element
 *
 * Return: its index in @base, or -1 if there is none.
 */
static inline ssize_t eytzinger0_find(const void *base, size_t nr, size_t element,
				      const void *key, eytzinger_cmp_fn cmp)
{
	ssize_t i = eytzinger0_find_le(base, nr, element, key, cmp);

	return i >= 0 && !cmp(key, (const char *) base + i * element) ? i : -1;
}

#endif /* _BCACHEFS_UTIL_EYTZINGER_H */
