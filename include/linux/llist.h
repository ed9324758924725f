/* SPDX-License-Identifier: GPL-2.0 */
/* Lists that many threads push to without a lock. */
#ifndef _SHIM_LINUX_LLIST_H
#define _SHIM_LINUX_LLIST_H

#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/types.h>

struct llist_node {
	struct llist_node	*next;
};

struct llist_head {
	struct llist_node	*first;
};

#define LLIST_HEAD_INIT(name)	{ NULL }
#define LLIST_HEAD(name)	struct llist_head name = LLIST_HEAD_INIT(name)

static inline void init_llist_head(struct llist_head *l)
{
	l->first = NULL;
}

static inline bool llist_empty(const struct llist_head *l)
{
	return !READ_ONCE(l->first);
}

/* True if the list was empty before. */
static inline bool llist_add_batch(struct llist_node *first, struct llist_node *last,
				   struct llist_head *l)
{
	struct llist_node *old = READ_ONCE(l->first);

	do
		WRITE_ONCE(last->next, old);
	while (!__atomic_compare_exchange_n(&l->first, &old, first, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	return !old;
}

static inline bool llist_add(struct llist_node *n, struct llist_head *l)
{
	return llist_add_batch(n, n, l);
}

static inline struct llist_node *llist_del_all(struct llist_head *l)
{
	return __atomic_exchange_n(&l->first, NULL, __ATOMIC_ACQ_REL);
}

struct llist_node *llist_reverse_order(struct llist_node *head);

/* Also of NULL, at the end of a loop. */
#define llist_entry(ptr, type, member) \
	((type *) ((unsigned long) (ptr) - offsetof(type, member)))
#define llist_for_each(pos, node)	for ((pos) = (node); (pos); (pos) = (pos)->next)
#define llist_for_each_safe(pos, n, node) \
	for ((pos) = (node); (pos) && ((n) = (pos)->next, true); (pos) = (n))
#define shim_llist_member_ok(ptr, member) \
	((unsigned long) (ptr) + offsetof(typeof(*(ptr)), member) != 0)
#define llist_for_each_entry(pos, node, member) \
	for ((pos) = llist_entry((node), typeof(*(pos)), member); \
	     shim_llist_member_ok(pos, member); \
	     (pos) = llist_entry((pos)->member.next, typeof(*(pos)), member))
#define llist_for_each_entry_safe(pos, n, node, member) \
	for ((pos) = llist_entry((node), typeof(*(pos)), member); \
	     shim_llist_member_ok(pos, member) && \
	     ((n) = llist_entry((pos)->member.next, typeof(*(n)), member), true); \
	     (pos) = (n))

#endif /* _SHIM_LINUX_LLIST_H */
