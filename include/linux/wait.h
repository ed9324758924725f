/* SPDX-License-Identifier: GPL-2.0 */
/* Wait queues. */
#ifndef _SHIM_LINUX_WAIT_H
#define _SHIM_LINUX_WAIT_H

#include <linux/list.h>
#include <linux/sched.h>
#include <linux/spinlock.h>

typedef struct wait_queue_entry wait_queue_entry_t;
typedef int (*wait_queue_func_t)(struct wait_queue_entry *e, unsigned int mode, int flags,
				 void *key);
int default_wake_function(struct wait_queue_entry *e, unsigned int mode, int flags, void *key);
int autoremove_wake_function(struct wait_queue_entry *e, unsigned int mode, int flags, void *key);
int woken_wake_function(struct wait_queue_entry *e, unsigned int mode, int flags, void *key);
long wait_woken(struct wait_queue_entry *e, unsigned int mode, long timeout);

#define WQ_FLAG_EXCLUSIVE	0x01
#define WQ_FLAG_WOKEN		0x02

struct wait_queue_entry {
	unsigned int		flags;
	void			*private;
	wait_queue_func_t	func;
	struct list_head	entry;
};

struct wait_queue_head {
	spinlock_t		lock;
	struct list_head	head;
};
typedef struct wait_queue_head wait_queue_head_t;

#define __WAIT_QUEUE_HEAD_INITIALIZER(name) \
	{ .lock = __SPIN_LOCK_UNLOCKED(name.lock), .head = LIST_HEAD_INIT((name).head) }
#define DECLARE_WAIT_QUEUE_HEAD(name) \
	struct wait_queue_head name = __WAIT_QUEUE_HEAD_INITIALIZER(name)
#define DECLARE_WAIT_QUEUE_HEAD_ONSTACK(name)	DECLARE_WAIT_QUEUE_HEAD(name)
#define DEFINE_WAIT_FUNC(name, function) \
	struct wait_queue_entry name = { \
		.private	= current, \
		.func		= function, \
		.entry		= LIST_HEAD_INIT((name).entry), \
	}
#define DEFINE_WAIT(name)		DEFINE_WAIT_FUNC(name, autoremove_wake_function)
#define DECLARE_WAITQUEUE(name, tsk) \
	struct wait_queue_entry name = { \
		.private	= (tsk), \
		.func		= default_wake_function, \
		.entry		= LIST_HEAD_INIT((name).entry), \
	}

void init_waitqueue_head(struct wait_queue_head *q);
void init_wait_entry(struct wait_queue_entry *e, int flags);
void init_waitqueue_func_entry(struct wait_queue_entry *e, wait_queue_func_t func);
#define init_wait(e)	init_wait_entry((e), 0)
void add_wait_queue(struct wait_queue_head *q, struct wait_queue_entry *e);
void add_wait_queue_exclusive(struct wait_queue_head *q, struct wait_queue_entry *e);
void remove_wait_queue(struct wait_queue_head *q, struct wait_queue_entry *e);
void prepare_to_wait(struct wait_queue_head *q, struct wait_queue_entry *e, int state);
bool prepare_to_wait_exclusive(struct wait_queue_head *q, struct wait_queue_entry *e, int state);
long prepare_to_wait_event(struct wait_queue_head *q, struct wait_queue_entry *e, int state);
void finish_wait(struct wait_queue_head *q, struct wait_queue_entry *e);
int __wake_up(struct wait_queue_head *q, unsigned int mode, int nr, void *key);

static inline int waitqueue_active(struct wait_queue_head *q)
{
	return !list_empty(&q->head);
}

/* With the barrier that pairs with the waiter's queueing before its test. */
static inline bool wq_has_sleeper(struct wait_queue_head *q)
{
	smp_mb();
	return waitqueue_active(q);
}

#define wake_up(q)			__wake_up((q), TASK_NORMAL, 1, NULL)
#define wake_up_nr(q, nr)		__wake_up((q), TASK_NORMAL, (nr), NULL)
#define wake_up_all(q)			__wake_up((q), TASK_NORMAL, 0, NULL)
#define wake_up_interruptible(q)	__wake_up((q), TASK_INTERRUPTIBLE, 1, NULL)
#define wake_up_interruptible_all(q)	__wake_up((q), TASK_INTERRUPTIBLE, 0, NULL)

/*
 * Sleeps in @state until @cond holds; @left is in jiffies. The value: 0 when signalled or out of
 * time with @cond still false (negative in the first case), else the jiffies left, at least 1.
 */
#define SHIM_WAIT(q, cond, state, excl, left) ({ \
	struct wait_queue_entry shim_we_; \
	long shim_left_ = (left); \
	init_wait_entry(&shim_we_, (excl) ? WQ_FLAG_EXCLUSIVE : 0); \
	for (;;) { \
		long shim_sig_ = prepare_to_wait_event(&(q), &shim_we_, (state)); \
		if (cond) { \
			shim_left_ = shim_left_ > 0 ? shim_left_ : 1; \
			break; \
		} \
		if (shim_sig_) { \
			shim_left_ = shim_sig_; \
			break; \
		} \
		if (!shim_left_) \
			break; \
		shim_left_ = schedule_timeout(shim_left_); \
	} \
	finish_wait(&(q), &shim_we_); \
	shim_left_; \
})
#define SHIM_WAIT_FAST(q, cond, state, excl, left) \
	({ long shim_t_ = (left); (cond) ? (shim_t_ > 0 ? shim_t_ : 1) \
					 : SHIM_WAIT(q, cond, state, excl, shim_t_); })
#define SHIM_WAIT_ERR(q, cond, state, excl) ({ \
	long shim_r_ = SHIM_WAIT_FAST(q, cond, state, excl, MAX_SCHEDULE_TIMEOUT); \
	shim_r_ < 0 ? (int) shim_r_ : 0; \
})

#define wait_event(q, cond) \
	((void) SHIM_WAIT_FAST(q, cond, TASK_UNINTERRUPTIBLE, 0, MAX_SCHEDULE_TIMEOUT))
#define io_wait_event(q, cond)		wait_event(q, cond)
#define wait_event_freezable(q, cond)	SHIM_WAIT_ERR(q, cond, TASK_INTERRUPTIBLE, 0)
#define wait_event_interruptible(q, cond) SHIM_WAIT_ERR(q, cond, TASK_INTERRUPTIBLE, 0)
#define wait_event_killable(q, cond)	SHIM_WAIT_ERR(q, cond, TASK_KILLABLE, 0)
#define wait_event_idle(q, cond)	wait_event(q, cond)
#define wait_event_timeout(q, cond, timeout) \
	SHIM_WAIT_FAST(q, cond, TASK_UNINTERRUPTIBLE, 0, timeout)
#define wait_event_idle_timeout(q, cond, timeout)	wait_event_timeout(q, cond, timeout)
#define wait_event_interruptible_timeout(q, cond, timeout) \
	SHIM_WAIT_FAST(q, cond, TASK_INTERRUPTIBLE, 0, timeout)
#define wait_event_freezable_timeout(q, cond, timeout) \
	wait_event_interruptible_timeout(q, cond, timeout)
#define wait_event_killable_timeout(q, cond, timeout) \
	SHIM_WAIT_FAST(q, cond, TASK_KILLABLE, 0, timeout)
#include <linux/wait_bit.h>

#endif /* _SHIM_LINUX_WAIT_H */
