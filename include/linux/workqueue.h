/* SPDX-License-Identifier: GPL-2.0 */
/* Deferred work on thread pools. An item never runs on two workers at once. */
#ifndef _SHIM_LINUX_WORKQUEUE_H
#define _SHIM_LINUX_WORKQUEUE_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/lockdep.h>
#include <linux/timer.h>
#include <linux/types.h>

struct workqueue_struct;
struct work_struct;
typedef void (*work_func_t)(struct work_struct *work);

struct work_struct {
	atomic_long_t		data;		/* bit 0: pending */
	struct list_head	entry;
	work_func_t		func;
	struct workqueue_struct	*shim_wq;	/* where it was last queued */
};

struct delayed_work {
	struct work_struct	work;
	struct timer_list	timer;
	struct workqueue_struct	*wq;
	int			cpu;
};

struct rcu_work {
	struct work_struct	work;
	struct rcu_head		rcu;
	struct workqueue_struct	*wq;
};

enum {
	WQ_UNBOUND		= 1 << 1,
	WQ_FREEZABLE		= 1 << 2,
	WQ_MEM_RECLAIM		= 1 << 3,
	WQ_HIGHPRI		= 1 << 4,
	WQ_CPU_INTENSIVE	= 1 << 5,
	WQ_SYSFS		= 1 << 6,
	WQ_POWER_EFFICIENT	= 1 << 7,
	WQ_MAX_ACTIVE		= 512,
	WORK_CPU_UNBOUND	= 64,
};

extern struct workqueue_struct *shim_system_wq(int which);
#define system_wq		shim_system_wq(0)
#define system_highpri_wq	shim_system_wq(0)
#define system_unbound_wq	shim_system_wq(1)
#define system_freezable_wq	shim_system_wq(0)
#define system_long_wq		shim_system_wq(2)

void shim_init_work(struct work_struct *w, work_func_t fn);
void shim_init_delayed_work(struct delayed_work *w, work_func_t fn);
#define INIT_WORK(w, fn)		shim_init_work((w), (fn))
#define INIT_WORK_ONSTACK(w, fn)	shim_init_work((w), (fn))
#define destroy_work_on_stack(w)	((void) (w))
#define INIT_DELAYED_WORK(w, fn)	shim_init_delayed_work((w), (fn))
#define INIT_RCU_WORK(w, fn)		shim_init_work(&(w)->work, (fn))
#define __WORK_INITIALIZER(n, f) \
	{ .data = ATOMIC_LONG_INIT(0), .entry = LIST_HEAD_INIT((n).entry), .func = (f) }
#define DECLARE_WORK(n, f)		struct work_struct n = __WORK_INITIALIZER(n, f)

/* max_active 0: the default. @fmt names the worker threads. */
struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags, int max_active, ...)
	__printf(1, 4);
#define alloc_ordered_workqueue(fmt, flags, args...) \
	alloc_workqueue(fmt, WQ_UNBOUND | (flags), 1, ##args)
void destroy_workqueue(struct workqueue_struct *wq);
void flush_workqueue(struct workqueue_struct *wq);
#define __flush_workqueue(wq)	flush_workqueue(wq)
void drain_workqueue(struct workqueue_struct *wq);

bool queue_work(struct workqueue_struct *wq, struct work_struct *w);
bool queue_work_on(int cpu, struct workqueue_struct *wq, struct work_struct *w);
bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *w, unsigned long delay);
bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *w, unsigned long delay);
bool queue_rcu_work(struct workqueue_struct *wq, struct rcu_work *w);
bool flush_work(struct work_struct *w);
bool cancel_work(struct work_struct *w);
bool cancel_work_sync(struct work_struct *w);
bool flush_delayed_work(struct delayed_work *w);
bool cancel_delayed_work(struct delayed_work *w);
bool cancel_delayed_work_sync(struct delayed_work *w);
struct work_struct *current_work(void);

static inline bool schedule_work(struct work_struct *w)
{
	return queue_work(system_wq, w);
}

static inline bool schedule_delayed_work(struct delayed_work *w, unsigned long delay)
{
	return queue_delayed_work(system_wq, w, delay);
}

static inline bool work_pending(struct work_struct *w)
{
	return atomic_long_read(&w->data) & 1;
}

static inline bool delayed_work_pending(struct delayed_work *w)
{
	return work_pending(&w->work);
}

static inline struct delayed_work *to_delayed_work(struct work_struct *w)
{
	return container_of(w, struct delayed_work, work);
}

static inline struct rcu_work *to_rcu_work(struct work_struct *w)
{
	return container_of(w, struct rcu_work, work);
}

#endif /* _SHIM_LINUX_WORKQUEUE_H */
