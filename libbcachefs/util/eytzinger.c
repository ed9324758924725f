// SPDX-License-Identifier: GPL-2.0
/*
 * Bringing a sorted array into breadth-first order (eytzinger.h).
 */
#include <linux/string.h>

#include "util/eytzinger.h"

/**
 * eytzinger0_from_sorted - reorder a sorted array
 * @dst:	result, @nr elements; must not overlap @sorted
 * @sorted:	ascending
 * @nr:		elements
 * @element:	bytes of one element
 */
void eytzinger0_from_sorted(void *dst, const void *sorted, size_t nr, size_t element)
{
	const char *src = sorted;
	size_t i = 0;

	if (!nr)
		return;

	/* Walk the tree in order: start at its leftmost element. */
	while (2 * i + 1 < nr)
		i = 2 * i + 1;

	while (1) {
		memcpy((char *) dst + i * element, src, element);
		src += element;

		if (2 * i + 2 < nr) {
			/* the leftmost element of the right subtree */
			i = 2 * i + 2;
			while (2 * i + 1 < nr)
				i = 2 * i + 1;
		} else {
			/* up, as long as we come from the right */
			while (i && !(i & 1))
				i = (i - 1) / 2;
			if (!i)
				return;
			i = (i - 1) / 2;
		}
	}
}
