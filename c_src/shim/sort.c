// SPDX-License-Identifier: GPL-2.0
/*
 * Sorting: arrays in place by heap sort (no memory, no recursion, n log n for every input), lists
 * by a stable merge. No state.
 */
#include "internal.h"

#include <linux/list_sort.h>
#include <linux/llist.h>
#include <linux/sort.h>

struct order {
	size_t		size;
	cmp_r_func_t	cmp_r;
	cmp_func_t	cmp;
	swap_r_func_t	swap_r;
	swap_func_t	swap;
	const void	*priv;
};

static bool is_less(const struct order *o, const void *a, const void *b)
{
	return (o->cmp_r ? o->cmp_r(a, b, o->priv) : o->cmp(a, b)) < 0;
}

static void exchange(const struct order *o, char *a, char *b)
{
	size_t n = o->size;
	char tmp[64];

	if (o->swap_r) {
		o->swap_r(a, b, n, o->priv);
	} else if (o->swap) {
		o->swap(a, b, n);
	} else {
		while (n) {
			size_t c = n < sizeof(tmp) ? n : sizeof(tmp);

			memcpy(tmp, a, c);
			memcpy(a, b, c);
			memcpy(b, tmp, c);
			a += c;
			b += c;
			n -= c;
		}
	}
}

/* Lets element @i sink in the heap of the first @n until no child is larger. */
static void sift_down(const struct order *o, char *base, size_t i, size_t n)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= n)
			return;
		if (child + 1 < n &&
		    is_less(o, base + child * o->size, base + (child + 1) * o->size))
			child++;
		if (!is_less(o, base + i * o->size, base + child * o->size))
			return;
		exchange(o, base + i * o->size, base + child * o->size);
		i = child;
	}
}

static void heap_sort(const struct order *o, char *base, size_t n)
{
	size_t i;

	for (i = n / 2; i-- > 0; )
		sift_down(o, base, i, n);
	for (i = n; i-- > 1; ) {
		exchange(o, base, base + i * o->size);
		sift_down(o, base, 0, i);
	}
}

/**
 * sort - sort an array in place; not stable
 * @base:	array
 * @num:	elements
 * @size:	bytes of one
 * @cmp:	order
 * @swap:	exchanges two elements, or NULL
 */
void sort(void *base, size_t num, size_t size, cmp_func_t cmp, swap_func_t swap)
{
	struct order o = { .size = size, .cmp = cmp, .swap = swap };

	heap_sort(&o, base, num);
}

/**
 * sort_r - sort() whose functions get a private argument
 * @base:	array
 * @num:	elements
 * @size:	bytes of one
 * @cmp:	order
 * @swap:	exchanges two elements, or NULL
 * @priv:	argument
 */
void sort_r(void *base, size_t num, size_t size, cmp_r_func_t cmp, swap_r_func_t swap,
	    const void *priv)
{
	struct order o = { .size = size, .cmp_r = cmp, .swap_r = swap, .priv = priv };

	heap_sort(&o, base, num);
}

/* Merges two chains linked by next and ended by NULL; equal elements of @a come first. */
static struct list_head *merge(void *priv, list_cmp_func_t cmp, struct list_head *a,
			       struct list_head *b)
{
	struct list_head *first = NULL, **tail = &first;

	while (a && b) {
		struct list_head **from = cmp(priv, a, b) <= 0 ? &a : &b;

		*tail = *from;
		tail = &(*from)->next;
		*from = (*from)->next;
	}
	*tail = a ? a : b;
	return first;
}

/**
 * list_sort - sort a list; stable
 * @priv:	handed to @cmp
 * @head:	list
 * @cmp:	order: > 0 if its first element comes after the second
 */
void list_sort(void *priv, struct list_head *head, list_cmp_func_t cmp)
{
	struct list_head *runs[64] = { NULL }, *e, *next, *all = NULL;
	size_t i;

	/* runs[i] holds 2^i elements or none, like the bits of a counter; higher runs are older. */
	head->prev->next = NULL;
	for (e = head->next; e && e != head; e = next) {
		next = e->next;
		e->next = NULL;
		for (i = 0; runs[i]; i++) {
			e = merge(priv, cmp, runs[i], e);
			runs[i] = NULL;
		}
		runs[i] = e;
	}
	for (i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
		if (runs[i])
			all = all ? merge(priv, cmp, runs[i], all) : runs[i];

	INIT_LIST_HEAD(head);
	for (e = all; e; e = next) {
		next = e->next;
		list_add_tail(e, head);
	}
}

/**
 * llist_reverse_order - turn a chain around
 * @head:	first node
 *
 * Return: what was the last node.
 */
struct llist_node *llist_reverse_order(struct llist_node *head)
{
	struct llist_node *r = NULL, *next;

	for (; head; head = next) {
		next = head->next;
		head->next = r;
		r = head;
	}
	return r;
}
