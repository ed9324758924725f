/* SPDX-License-Identifier: GPL-2.0 */
/* List changes that readers may watch. */
#ifndef _SHIM_LINUX_RCULIST_H
#define _SHIM_LINUX_RCULIST_H

#include <linux/list.h>
#include <linux/rcupdate.h>

static inline void list_add_rcu(struct list_head *n, struct list_head *head)
{
	n->next = head->next;
	n->prev = head;
	n->next->prev = n;
	rcu_assign_pointer(head->next, n);
}

static inline void list_add_tail_rcu(struct list_head *n, struct list_head *head)
{
	n->next = head;
	n->prev = head->prev;
	rcu_assign_pointer(n->prev->next, n);
	head->prev = n;
}

static inline void list_del_rcu(struct list_head *e)
{
	__list_del_entry(e);
	e->prev = LIST_POISON2;
}

#define list_for_each_entry_rcu(pos, head, member, ...) \
	for ((pos) = list_entry(rcu_dereference((head)->next), typeof(*(pos)), member); \
	     &(pos)->member != (head); \
	     (pos) = list_entry(rcu_dereference((pos)->member.next), typeof(*(pos)), member))

#endif /* _SHIM_LINUX_RCULIST_H */
