/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the shim's bodies share among themselves. Nobody outside c_src/shim includes this.
 * libc headers come first, the kernel's names after them (include/README.md).
 */
#ifndef SHIM_INTERNAL_H
#define SHIM_INTERNAL_H

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <pthread.h>
#include <time.h>

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/types.h>

/* A task as the shim knows it; struct task_struct is its public face. */
struct shim_task {
	struct task_struct	t;
	pthread_mutex_t		lock;
	pthread_cond_t		wake;
	atomic_t		refs;
	bool			is_kthread;
	bool			started;	/* woken for the first time */
	bool			stop;
	bool			exited;
	int			ret;
	int			(*fn)(void *data);
	void			*data;
	pthread_t		thread;
	struct list_head	zombie;
};

/* Monotonic time in ns, and the same as a timespec. */
u64 shim_now_ns(void);
struct timespec shim_ns_to_ts(u64 ns);

/* Starts a joinable thread with a name; aborts never, returns -errno. */
int shim_thread_start(pthread_t *thread, void *(*fn)(void *), void *arg, const char *name);

/* The fault hooks' answers. */
bool shim_fault_alloc(size_t size, gfp_t gfp);
struct bio;
u8 shim_fault_bio(struct bio *bio);

/* Ends of the parts, in the order shim_exit() calls them. */
void shim_workqueue_exit(void);
void shim_aio_exit(void);
void shim_timer_exit(void);
void shim_rcu_exit(void);
void shim_task_exit(void);
void shim_keyring_exit(void);

bool shim_signalled(void);

#endif /* SHIM_INTERNAL_H */
