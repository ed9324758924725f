/* SPDX-License-Identifier: GPL-2.0 */
/* Threads of the core. */
#ifndef _SHIM_LINUX_KTHREAD_H
#define _SHIM_LINUX_KTHREAD_H

#include <linux/err.h>
#include <linux/sched.h>

#define NUMA_NO_NODE	(-1)

struct task_struct *kthread_create_on_node(int (*fn)(void *data), void *data, int node,
					   const char *fmt, ...) __printf(4, 5);
/* Created asleep; wake_up_process() starts it. */
#define kthread_create(fn, data, fmt, ...) \
	kthread_create_on_node(fn, data, NUMA_NO_NODE, fmt, ##__VA_ARGS__)
#define kthread_run(fn, data, fmt, ...) ({ \
	struct task_struct *shim_kt_ = kthread_create(fn, data, fmt, ##__VA_ARGS__); \
	if (!IS_ERR(shim_kt_)) \
		wake_up_process(shim_kt_); \
	shim_kt_; \
})
int kthread_stop(struct task_struct *t);
int kthread_stop_put(struct task_struct *t);
bool kthread_should_stop(void);
bool kthread_freezable_should_stop(bool *was_frozen);

#endif /* _SHIM_LINUX_KTHREAD_H */
