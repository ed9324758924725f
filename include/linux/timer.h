/* SPDX-License-Identifier: GPL-2.0 */
/* Callbacks at a time; they run on one timer thread and must not sleep. */
#ifndef _SHIM_LINUX_TIMER_H
#define _SHIM_LINUX_TIMER_H

#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/types.h>

struct timer_list {
	struct list_head	shim_entry;
	unsigned long		expires;
	void			(*function)(struct timer_list *t);
	u32			flags;
	int			shim_pending;
};

#define TIMER_DEFERRABLE	0x1
#define TIMER_IRQSAFE		0x2

#define from_timer(var, timer, field)	container_of(timer, typeof(*(var)), field)

void shim_timer_setup(struct timer_list *t, void (*fn)(struct timer_list *), unsigned int flags);
#define timer_setup(t, fn, flags)		shim_timer_setup(t, fn, flags)
#define timer_setup_on_stack(t, fn, flags)	shim_timer_setup(t, fn, flags)
#define destroy_timer_on_stack(t)		((void) (t))
int mod_timer(struct timer_list *t, unsigned long expires);
int timer_reduce(struct timer_list *t, unsigned long expires);
void add_timer(struct timer_list *t);
int timer_pending(const struct timer_list *t);
int shim_timer_delete(struct timer_list *t);
#define timer_delete(t)		shim_timer_delete(t)
int timer_delete_sync(struct timer_list *t);
int timer_shutdown_sync(struct timer_list *t);
#define del_timer(t)		timer_delete(t)
#define del_timer_sync(t)	timer_delete_sync(t)

#endif /* _SHIM_LINUX_TIMER_H */
