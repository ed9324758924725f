// SPDX-License-Identifier: GPL-2.0
/*
 * Growth of darrays (darray.h): doubling, so that pushing costs constant time
 * on average. Overflows of sizes are failures like a lack of memory.
 */
#include <linux/minmax.h>
#include <linux/overflow.h>

#include "util/darray.h"

/**
 * __bch2_darray_grow - a larger copy of an array
 * @data:	array, freed on success
 * @nr:		elements in use
 * @size:	elements allocated; updated on success
 * @more:	elements that must fit besides
 * @element:	bytes of one element
 *
 * Return: the new array, or NULL with nothing changed.
 */
void *__bch2_darray_grow(void *data, size_t nr, size_t *size, size_t more, size_t element)
{
	size_t want, doubled, bytes;
	void *n;

	if (check_add_overflow(nr, more, &want))
		return NULL;
	if (!check_mul_overflow(*size, (size_t) 2, &doubled))
		want = max3(want, doubled, (size_t) 8);
	if (check_mul_overflow(want, element, &bytes))
		return NULL;

	n = kvmalloc(bytes, GFP_KERNEL);
	if (!n)
		return NULL;

	if (nr)
		memcpy(n, data, nr * element);
	kvfree(data);
	*size = want;
	return n;
}
