/* SPDX-License-Identifier: GPL-2.0 */
/* Circular doubly linked lists and hash chains. */
#ifndef _SHIM_LINUX_LIST_H
#define _SHIM_LINUX_LIST_H

#include <linux/compiler.h>
#include <linux/container_of.h>
#include <linux/poison.h>
#include <linux/types.h>

#define LIST_HEAD_INIT(name)	{ &(name), &(name) }
#define LIST_HEAD(name)		struct list_head name = LIST_HEAD_INIT(name)

static inline void INIT_LIST_HEAD(struct list_head *l)
{
	WRITE_ONCE(l->next, l);
	WRITE_ONCE(l->prev, l);
}

/* Make a and b neighbours. */
static inline void shim_list_join(struct list_head *a, struct list_head *b)
{
	b->prev = a;
	WRITE_ONCE(a->next, b);
}

static inline void shim_list_between(struct list_head *n, struct list_head *a, struct list_head *b)
{
	shim_list_join(n, b);
	shim_list_join(a, n);
}

static inline void list_add(struct list_head *n, struct list_head *head)
{
	shim_list_between(n, head, head->next);
}

static inline void list_add_tail(struct list_head *n, struct list_head *head)
{
	shim_list_between(n, head->prev, head);
}

static inline void __list_del_entry(struct list_head *e)
{
	shim_list_join(e->prev, e->next);
}

static inline void list_del(struct list_head *e)
{
	__list_del_entry(e);
	e->next = LIST_POISON1;
	e->prev = LIST_POISON2;
}

static inline void list_del_init(struct list_head *e)
{
	__list_del_entry(e);
	INIT_LIST_HEAD(e);
}

static inline void list_replace(struct list_head *old, struct list_head *n)
{
	shim_list_between(n, old->prev, old->next);
}

static inline void list_replace_init(struct list_head *old, struct list_head *n)
{
	list_replace(old, n);
	INIT_LIST_HEAD(old);
}

static inline void list_move(struct list_head *e, struct list_head *head)
{
	__list_del_entry(e);
	list_add(e, head);
}

static inline void list_move_tail(struct list_head *e, struct list_head *head)
{
	__list_del_entry(e);
	list_add_tail(e, head);
}

static inline void list_swap(struct list_head *a, struct list_head *b)
{
	struct list_head *at = b->prev;

	__list_del_entry(b);
	list_replace(a, b);
	list_add(a, at == a ? b : at);
}

static inline int list_empty(const struct list_head *head)
{
	return READ_ONCE(head->next) == head;
}

static inline int list_empty_careful(const struct list_head *head)
{
	return smp_load_acquire(&head->next) == head && READ_ONCE(head->prev) == head;
}

static inline int list_is_head(const struct list_head *e, const struct list_head *head)
{
	return e == head;
}

static inline int list_is_first(const struct list_head *e, const struct list_head *head)
{
	return head->next == e;
}

static inline int list_is_last(const struct list_head *e, const struct list_head *head)
{
	return head->prev == e;
}

static inline int list_is_singular(const struct list_head *head)
{
	return !list_empty(head) && head->next == head->prev;
}

static inline void shim_list_splice_to(const struct list_head *from, struct list_head *a,
				       struct list_head *b)
{
	if (!list_empty(from)) {
		struct list_head *last = from->prev;

		shim_list_join(a, from->next);
		shim_list_join(last, b);
	}
}

static inline void list_splice(const struct list_head *from, struct list_head *head)
{
	shim_list_splice_to(from, head, head->next);
}

static inline void list_splice_tail(struct list_head *from, struct list_head *head)
{
	shim_list_splice_to(from, head->prev, head);
}

static inline void list_splice_init(struct list_head *from, struct list_head *head)
{
	list_splice(from, head);
	INIT_LIST_HEAD(from);
}

static inline void list_splice_tail_init(struct list_head *from, struct list_head *head)
{
	list_splice_tail(from, head);
	INIT_LIST_HEAD(from);
}

static inline size_t list_count_nodes(struct list_head *head)
{
	struct list_head *p;
	size_t n = 0;

	for (p = head->next; p != head; p = p->next)
		n++;
	return n;
}

#define list_entry(ptr, type, member)		container_of(ptr, type, member)
#define list_first_entry(head, type, member)	list_entry((head)->next, type, member)
#define list_last_entry(head, type, member)	list_entry((head)->prev, type, member)
#define list_first_entry_or_null(head, type, member) \
	(list_empty(head) ? NULL : list_first_entry(head, type, member))
#define list_next_entry(pos, member)	list_entry((pos)->member.next, typeof(*(pos)), member)
#define list_prev_entry(pos, member)	list_entry((pos)->member.prev, typeof(*(pos)), member)
#define list_entry_is_head(pos, head, member)	(&(pos)->member == (head))

#define list_for_each(pos, head) \
	for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)
#define list_for_each_prev(pos, head) \
	for ((pos) = (head)->prev; (pos) != (head); (pos) = (pos)->prev)
#define list_for_each_safe(pos, n, head) \
	for ((pos) = (head)->next; (n) = (pos)->next, (pos) != (head); (pos) = (n))

#define list_for_each_entry(pos, head, member) \
	for ((pos) = list_first_entry(head, typeof(*(pos)), member); \
	     !list_entry_is_head(pos, head, member); \
	     (pos) = list_next_entry(pos, member))
#define list_for_each_entry_reverse(pos, head, member) \
	for ((pos) = list_last_entry(head, typeof(*(pos)), member); \
	     !list_entry_is_head(pos, head, member); \
	     (pos) = list_prev_entry(pos, member))
#define list_for_each_entry_continue(pos, head, member) \
	for ((pos) = list_next_entry(pos, member); \
	     !list_entry_is_head(pos, head, member); \
	     (pos) = list_next_entry(pos, member))
#define list_for_each_entry_from(pos, head, member) \
	for (; !list_entry_is_head(pos, head, member); (pos) = list_next_entry(pos, member))
#define list_for_each_entry_safe(pos, n, head, member) \
	for ((pos) = list_first_entry(head, typeof(*(pos)), member); \
	     (n) = list_next_entry(pos, member), !list_entry_is_head(pos, head, member); \
	     (pos) = (n))
#define list_for_each_entry_safe_reverse(pos, n, head, member) \
	for ((pos) = list_last_entry(head, typeof(*(pos)), member); \
	     (n) = list_prev_entry(pos, member), !list_entry_is_head(pos, head, member); \
	     (pos) = (n))

/* Hash chains: a one-pointer head, nodes that know what points at them. */
#define HLIST_HEAD_INIT			{ .first = NULL }
#define HLIST_HEAD(name)		struct hlist_head name = HLIST_HEAD_INIT
#define INIT_HLIST_HEAD(ptr)		((ptr)->first = NULL)

static inline void INIT_HLIST_NODE(struct hlist_node *n)
{
	n->next = NULL;
	n->pprev = NULL;
}

static inline int hlist_unhashed(const struct hlist_node *n)
{
	return !n->pprev;
}

static inline int hlist_empty(const struct hlist_head *h)
{
	return !READ_ONCE(h->first);
}

static inline void hlist_add_head(struct hlist_node *n, struct hlist_head *h)
{
	n->next = h->first;
	if (n->next)
		n->next->pprev = &n->next;
	n->pprev = &h->first;
	WRITE_ONCE(h->first, n);
}

static inline void hlist_del_init(struct hlist_node *n)
{
	if (!hlist_unhashed(n)) {
		WRITE_ONCE(*n->pprev, n->next);
		if (n->next)
			n->next->pprev = n->pprev;
		INIT_HLIST_NODE(n);
	}
}

static inline void hlist_del(struct hlist_node *n)
{
	hlist_del_init(n);
	n->next = LIST_POISON1;
	n->pprev = LIST_POISON2;
}

#define hlist_entry(ptr, type, member)	container_of(ptr, type, member)
#define hlist_entry_safe(ptr, type, member) ({ \
	typeof(ptr) shim_hp_ = (ptr); \
	shim_hp_ ? hlist_entry(shim_hp_, type, member) : NULL; \
})
#define hlist_for_each_entry(pos, head, member) \
	for ((pos) = hlist_entry_safe((head)->first, typeof(*(pos)), member); (pos); \
	     (pos) = hlist_entry_safe((pos)->member.next, typeof(*(pos)), member))
#define hlist_for_each_entry_safe(pos, n, head, member) \
	for ((pos) = hlist_entry_safe((head)->first, typeof(*(pos)), member); \
	     (pos) && ((n) = (pos)->member.next, 1); \
	     (pos) = hlist_entry_safe((n), typeof(*(pos)), member))

#endif /* _SHIM_LINUX_LIST_H */
