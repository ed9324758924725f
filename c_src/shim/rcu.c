// SPDX-License-Identifier: GPL-2.0
/*
 * RCU over liburcu's "bulletproof" flavour, whose readers need no registration.
 *
 * Callbacks are run by a thread of ours, started with the first one, in order, each batch after
 * its own grace period. ThreadSanitizer cannot look into liburcu, so it is told here what a grace
 * period orders: everything before a reader's end comes before everything after the grace period.
 */
#include "internal.h"

#include <linux/bug.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

/* liburcu's own header has the kernel's names for other types; these are all that is needed. */
void urcu_bp_read_lock(void);
void urcu_bp_read_unlock(void);
void urcu_bp_synchronize_rcu(void);

#ifdef SHIM_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
static char reader_ends;
#define tsan_acquire(p)	__tsan_acquire(p)
#define tsan_release(p)	__tsan_release(p)
#else
#define tsan_acquire(p)	((void) 0)
#define tsan_release(p)	((void) 0)
#endif

static pthread_mutex_t cb_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cb_more = PTHREAD_COND_INITIALIZER;
static pthread_cond_t cb_done = PTHREAD_COND_INITIALIZER;
static struct rcu_head *cb_first, **cb_last = &cb_first;
static u64 cb_queued, cb_finished;
static pthread_t cb_thread;
static bool cb_started, cb_stop;

static __thread int nesting;

/**
 * rcu_read_lock - begin a section during which nothing seen is freed; nests
 */
void rcu_read_lock(void)
{
	nesting++;
	urcu_bp_read_lock();
}

/**
 * rcu_read_unlock - end it
 */
void rcu_read_unlock(void)
{
	tsan_release(&reader_ends);
	urcu_bp_read_unlock();
	nesting--;
}

/**
 * rcu_read_lock_held - is the calling thread in such a section?
 */
bool rcu_read_lock_held(void)
{
	return nesting > 0;
}

/**
 * synchronize_rcu - wait until every section that has begun is over
 */
void synchronize_rcu(void)
{
	BUG_ON(nesting);
	urcu_bp_synchronize_rcu();
	tsan_acquire(&reader_ends);
}

static void run_callbacks(struct rcu_head *head)
{
	struct rcu_head *next;

	for (; head; head = next) {
		unsigned long offset = (unsigned long) head->func;

		next = head->next;
		if (offset < 4096)
			kvfree((char *) head - offset);
		else
			head->func(head);
	}
}

static void *callback_main(void *arg)
{
	pthread_mutex_lock(&cb_lock);
	for (;;) {
		struct rcu_head *batch = cb_first;
		u64 upto = cb_queued;

		if (!batch) {
			if (cb_stop)
				break;
			pthread_cond_wait(&cb_more, &cb_lock);
			continue;
		}
		cb_first = NULL;
		cb_last = &cb_first;
		pthread_mutex_unlock(&cb_lock);

		synchronize_rcu();
		run_callbacks(batch);

		pthread_mutex_lock(&cb_lock);
		cb_finished = upto;
		pthread_cond_broadcast(&cb_done);
	}
	pthread_mutex_unlock(&cb_lock);
	return NULL;
}

/**
 * call_rcu - call a function after a grace period
 * @head:	in the object
 * @func:	called on a thread of its own
 */
void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *head))
{
	head->func = func;
	head->next = NULL;
	pthread_mutex_lock(&cb_lock);
	*cb_last = head;
	cb_last = &head->next;
	cb_queued++;
	if (!cb_started)
		cb_started = !shim_thread_start(&cb_thread, callback_main, NULL, "shim-rcu");
	BUG_ON(!cb_started);
	pthread_cond_signal(&cb_more);
	pthread_mutex_unlock(&cb_lock);
}

/**
 * shim_kfree_rcu - free an object after a grace period (kfree_rcu)
 * @head:	in the object, within its first 4096 bytes
 * @obj:	the object
 */
void shim_kfree_rcu(struct rcu_head *head, void *obj)
{
	unsigned long offset = (char *) head - (char *) obj;

	BUG_ON(offset >= 4096);
	call_rcu(head, (void (*)(struct rcu_head *)) offset);
}

/**
 * kfree_rcu_mightsleep - wait for a grace period and free
 * @p:		memory, or NULL
 */
void kfree_rcu_mightsleep(const void *p)
{
	kvfree_rcu_mightsleep(p);
}

/**
 * kvfree_rcu_mightsleep - wait for a grace period and free
 * @p:		memory, or NULL
 */
void kvfree_rcu_mightsleep(const void *p)
{
	if (p)
		synchronize_rcu();
	kvfree(p);
}

/**
 * rcu_barrier - wait until every callback asked for so far has run
 */
void rcu_barrier(void)
{
	u64 upto;

	pthread_mutex_lock(&cb_lock);
	upto = cb_queued;
	while (cb_finished < upto)
		pthread_cond_wait(&cb_done, &cb_lock);
	pthread_mutex_unlock(&cb_lock);
}

/**
 * shim_rcu_exit - run all callbacks and end their thread
 */
void shim_rcu_exit(void)
{
	pthread_mutex_lock(&cb_lock);
	cb_stop = true;
	pthread_cond_signal(&cb_more);
	pthread_mutex_unlock(&cb_lock);
	if (cb_started)
		pthread_join(cb_thread, NULL);
	cb_started = cb_stop = false;
}
