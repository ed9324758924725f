// SPDX-License-Identifier: GPL-2.0
/*
 * Work queues: each has its own threads, started as items need them, at most max_active.
 *
 * An item's data word: bit 0 = pending (queued, or its timer runs), bit 1 = being cancelled. Each
 * queueing also gets a number from the queue, by which flushes know what came before them.
 *
 * Invariants, under wq->lock: an item on wq->pending is on no other list; a worker never takes an
 * item that another worker of the queue still runs; once an item's function was called the item is
 * not touched again (it may have freed itself). A queue found through an item is used only while
 * it is in the list of living queues.
 */
#include <stdio.h>

#include "internal.h"

#include <linux/bug.h>
#include <linux/cpumask.h>
#include <linux/minmax.h>
#include <linux/processor.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#define WORK_PENDING	1L
#define WORK_CANCELING	2L
#define WORK_SEQ_SHIFT	2

#define DEFAULT_WORKERS	64

struct workqueue_struct {
	struct list_head	link;		/* in living_queues */
	pthread_mutex_t		lock;
	pthread_cond_t		more;		/* for workers */
	pthread_cond_t		done;		/* for those who flush */
	struct list_head	pending;
	struct list_head	workers;
	unsigned int		max_workers;
	unsigned int		nr_workers;
	unsigned int		nr_idle;
	unsigned int		nr_pending;
	unsigned int		nr_users;	/* threads that found it through an item */
	bool			dying;
	u64			next_seq;
	char			name[TASK_COMM_LEN];
};

struct worker {
	struct list_head	link;
	struct workqueue_struct	*wq;
	struct work_struct	*running;
	u64			seq;		/* of the running item */
	pthread_t		thread;
};

static pthread_mutex_t living_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(living_queues);
static struct workqueue_struct *system_queues[3];
static __thread struct worker *this_worker;

static u64 work_seq(struct work_struct *w)
{
	return (u64) atomic_long_read(&w->data) >> WORK_SEQ_SHIFT;
}

static struct worker *who_runs(struct workqueue_struct *wq, struct work_struct *w)
{
	struct worker *k;

	list_for_each_entry(k, &wq->workers, link)
		if (k->running == w)
			return k;
	return NULL;
}

/* First pending item that nobody runs. */
static struct work_struct *next_work(struct workqueue_struct *wq)
{
	struct work_struct *w;

	list_for_each_entry(w, &wq->pending, entry)
		if (!who_runs(wq, w))
			return w;
	return NULL;
}

static void run_work(struct worker *k, struct work_struct *w)
{
	struct workqueue_struct *wq = k->wq;
	work_func_t func = w->func;

	list_del_init(&w->entry);
	wq->nr_pending--;
	k->running = w;
	k->seq = work_seq(w);
	atomic_long_fetch_and(~WORK_PENDING, &w->data);
	pthread_mutex_unlock(&wq->lock);

	func(w);

	pthread_mutex_lock(&wq->lock);
	k->running = NULL;
	pthread_cond_broadcast(&wq->done);
	/* The same item may have been queued again meanwhile and wait for this moment. */
	if (wq->nr_pending && wq->nr_idle)
		pthread_cond_signal(&wq->more);
}

static void *worker_main(void *arg)
{
	struct worker *k = arg;
	struct workqueue_struct *wq = k->wq;
	struct work_struct *w;

	this_worker = k;
	pthread_mutex_lock(&wq->lock);
	for (;;) {
		w = next_work(wq);
		if (w) {
			run_work(k, w);
		} else if (wq->dying && list_empty(&wq->pending)) {
			break;
		} else {
			wq->nr_idle++;
			pthread_cond_wait(&wq->more, &wq->lock);
			wq->nr_idle--;
		}
	}
	pthread_mutex_unlock(&wq->lock);
	return NULL;
}

/* Called with wq->lock held. Failing is no error as long as there is one worker. */
static void add_worker(struct workqueue_struct *wq)
{
	struct worker *k = calloc(1, sizeof(*k));
	int ret = -ENOMEM;

	if (k) {
		k->wq = wq;
		ret = shim_thread_start(&k->thread, worker_main, k, wq->name);
	}
	if (ret) {
		free(k);
		BUG_ON(!wq->nr_workers);
		return;
	}
	list_add(&k->link, &wq->workers);
	wq->nr_workers++;
}

static void queue_init(struct workqueue_struct *wq, int max_active)
{
	pthread_mutex_init(&wq->lock, NULL);
	pthread_cond_init(&wq->more, NULL);
	pthread_cond_init(&wq->done, NULL);
	INIT_LIST_HEAD(&wq->pending);
	INIT_LIST_HEAD(&wq->workers);
	wq->max_workers = max_active ? min(max_active, WQ_MAX_ACTIVE) : DEFAULT_WORKERS;
	wq->next_seq = 1;

	pthread_mutex_lock(&living_lock);
	list_add(&wq->link, &living_queues);
	pthread_mutex_unlock(&living_lock);
}

/**
 * alloc_workqueue - a queue
 * @fmt:	name
 * @flags:	WQ_*, none of which matters here
 * @max_active:	items that may run at the same time, 0: many
 */
struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags, int max_active, ...)
{
	struct workqueue_struct *wq = kzalloc(sizeof(*wq), GFP_KERNEL);
	va_list args;

	if (!wq)
		return NULL;
	va_start(args, max_active);
	vsnprintf(wq->name, sizeof(wq->name), fmt, args);
	va_end(args);
	queue_init(wq, max_active);
	return wq;
}

/**
 * destroy_workqueue - run what is queued and end the queue
 * @wq:		queue, or NULL; nobody queues to it any more
 */
void destroy_workqueue(struct workqueue_struct *wq)
{
	struct worker *k, *n;

	if (!wq)
		return;
	drain_workqueue(wq);

	pthread_mutex_lock(&living_lock);
	list_del(&wq->link);
	pthread_mutex_unlock(&living_lock);

	pthread_mutex_lock(&wq->lock);
	wq->dying = true;
	pthread_cond_broadcast(&wq->more);
	while (wq->nr_users)
		pthread_cond_wait(&wq->done, &wq->lock);
	pthread_mutex_unlock(&wq->lock);

	list_for_each_entry_safe(k, n, &wq->workers, link) {
		pthread_join(k->thread, NULL);
		free(k);
	}
	pthread_cond_destroy(&wq->more);
	pthread_cond_destroy(&wq->done);
	pthread_mutex_destroy(&wq->lock);
	kfree(wq);
}

/* Any item numbered below @seq still queued or running? */
static bool busy_before(struct workqueue_struct *wq, u64 seq)
{
	struct work_struct *w;
	struct worker *k;

	list_for_each_entry(w, &wq->pending, entry)
		if (work_seq(w) < seq)
			return true;
	list_for_each_entry(k, &wq->workers, link)
		if (k->running && k->seq < seq)
			return true;
	return false;
}

/**
 * flush_workqueue - wait for everything queued before
 * @wq:		queue
 */
void flush_workqueue(struct workqueue_struct *wq)
{
	u64 seq;

	pthread_mutex_lock(&wq->lock);
	seq = wq->next_seq;
	while (busy_before(wq, seq))
		pthread_cond_wait(&wq->done, &wq->lock);
	pthread_mutex_unlock(&wq->lock);
}

/**
 * drain_workqueue - wait until the queue is empty, also of what its items queue
 * @wq:		queue
 */
void drain_workqueue(struct workqueue_struct *wq)
{
	pthread_mutex_lock(&wq->lock);
	while (busy_before(wq, U64_MAX))
		pthread_cond_wait(&wq->done, &wq->lock);
	pthread_mutex_unlock(&wq->lock);
}

/* Queues an item whose pending bit the caller has set. */
static void insert_work(struct workqueue_struct *wq, struct work_struct *w)
{
	long old;

	pthread_mutex_lock(&wq->lock);
	BUG_ON(wq->dying);
	old = atomic_long_read(&w->data);
	while (!atomic_long_try_cmpxchg(&w->data, &old,
			(long) (wq->next_seq << WORK_SEQ_SHIFT) |
			(old & (WORK_PENDING | WORK_CANCELING))))
		;
	wq->next_seq++;
	WRITE_ONCE(w->shim_wq, wq);
	list_add_tail(&w->entry, &wq->pending);
	wq->nr_pending++;
	if (wq->nr_pending > wq->nr_idle && wq->nr_workers < wq->max_workers)
		add_worker(wq);
	if (wq->nr_idle)
		pthread_cond_signal(&wq->more);
	pthread_mutex_unlock(&wq->lock);
}

/* True: the caller owns the item now and shall queue it. */
static bool claim_work(struct work_struct *w)
{
	long old = atomic_long_read(&w->data);

	do {
		if (old & (WORK_PENDING | WORK_CANCELING))
			return false;
	} while (!atomic_long_try_cmpxchg(&w->data, &old, old | WORK_PENDING));
	return true;
}

/**
 * queue_work - let a worker call the item's function
 * @wq:		queue
 * @w:		item
 *
 * Return: false if it was pending already.
 */
bool queue_work(struct workqueue_struct *wq, struct work_struct *w)
{
	if (!claim_work(w))
		return false;
	insert_work(wq, w);
	return true;
}

/**
 * queue_work_on - queue_work() on a processor, which is ignored
 * @cpu:	processor
 * @wq:		queue
 * @w:		item
 */
bool queue_work_on(int cpu, struct workqueue_struct *wq, struct work_struct *w)
{
	return queue_work(wq, w);
}

/* The living queue an item was last on, its lock held; NULL if there is none. */
static struct workqueue_struct *lock_queue_of(struct work_struct *w)
{
	struct workqueue_struct *wq, *want = READ_ONCE(w->shim_wq);

	pthread_mutex_lock(&living_lock);
	list_for_each_entry(wq, &living_queues, link)
		if (wq == want) {
			pthread_mutex_lock(&wq->lock);
			wq->nr_users++;
			pthread_mutex_unlock(&living_lock);
			return wq;
		}
	pthread_mutex_unlock(&living_lock);
	return NULL;
}

static void unlock_queue(struct workqueue_struct *wq)
{
	if (!--wq->nr_users)
		pthread_cond_broadcast(&wq->done);
	pthread_mutex_unlock(&wq->lock);
}

static bool is_queued(struct workqueue_struct *wq, struct work_struct *w)
{
	struct work_struct *p;

	list_for_each_entry(p, &wq->pending, entry)
		if (p == w)
			return true;
	return false;
}

/**
 * flush_work - wait until the item, as queued last, is done
 * @w:		item
 *
 * Return: false if it was idle.
 */
bool flush_work(struct work_struct *w)
{
	struct workqueue_struct *wq = lock_queue_of(w);
	struct worker *k;
	bool waited = false;
	u64 seq;

	if (!wq)
		return false;
	k = who_runs(wq, w);
	seq = is_queued(wq, w) ? work_seq(w) : k ? k->seq : 0;
	while (seq && ((is_queued(wq, w) && work_seq(w) <= seq) ||
		       ((k = who_runs(wq, w)) && k->seq <= seq))) {
		waited = true;
		pthread_cond_wait(&wq->done, &wq->lock);
	}
	unlock_queue(wq);
	return waited;
}

/* Takes a queued item off its queue. */
static bool unqueue(struct work_struct *w)
{
	struct workqueue_struct *wq = lock_queue_of(w);
	bool was = false;

	if (!wq)
		return false;
	if (is_queued(wq, w)) {
		list_del_init(&w->entry);
		wq->nr_pending--;
		atomic_long_fetch_and(~WORK_PENDING, &w->data);
		pthread_cond_broadcast(&wq->done);
		was = true;
	}
	unlock_queue(wq);
	return was;
}

/**
 * cancel_work - take an item off its queue; it may be running
 * @w:		item
 *
 * Return: whether it was pending.
 */
bool cancel_work(struct work_struct *w)
{
	return unqueue(w);
}

/**
 * cancel_work_sync - take an item off its queue and wait until it does not run
 * @w:		item; it cannot be queued meanwhile
 *
 * Return: whether it was pending.
 */
bool cancel_work_sync(struct work_struct *w)
{
	bool was;

	atomic_long_fetch_or(WORK_CANCELING, &w->data);
	/* Somebody who claimed it before may just be about to insert it. */
	while (!(was = unqueue(w)) && work_pending(w))
		cpu_relax();
	flush_work(w);
	atomic_long_fetch_and(~WORK_CANCELING, &w->data);
	return was;
}

/**
 * current_work - the item the calling worker runs, or NULL
 */
struct work_struct *current_work(void)
{
	return this_worker ? this_worker->running : NULL;
}

/**
 * shim_init_work - an idle item (INIT_WORK)
 * @w:		item
 * @fn:		its function
 */
void shim_init_work(struct work_struct *w, work_func_t fn)
{
	atomic_long_set(&w->data, 0);
	INIT_LIST_HEAD(&w->entry);
	w->func = fn;
	w->shim_wq = NULL;
}

static void delayed_work_due(struct timer_list *t)
{
	struct delayed_work *w = from_timer(w, t, timer);

	insert_work(w->wq, &w->work);
}

/**
 * shim_init_delayed_work - an idle item with a timer (INIT_DELAYED_WORK)
 * @w:		item
 * @fn:		its function
 */
void shim_init_delayed_work(struct delayed_work *w, work_func_t fn)
{
	shim_init_work(&w->work, fn);
	timer_setup(&w->timer, delayed_work_due, 0);
	w->wq = NULL;
}

static void start_delayed(struct workqueue_struct *wq, struct delayed_work *w, unsigned long delay)
{
	w->wq = wq;
	if (delay)
		mod_timer(&w->timer, jiffies + delay);
	else
		insert_work(wq, &w->work);
}

/**
 * queue_delayed_work - queue_work() after a time
 * @wq:		queue
 * @w:		item
 * @delay:	jiffies
 *
 * Return: false if it was pending already.
 */
bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *w, unsigned long delay)
{
	if (!claim_work(&w->work))
		return false;
	start_delayed(wq, w, delay);
	return true;
}

/* Makes the caller own a pending item again, if it can. */
static bool steal_delayed(struct delayed_work *w)
{
	if (timer_delete(&w->timer)) {
		atomic_long_fetch_and(~WORK_PENDING, &w->work.data);
		return true;
	}
	return unqueue(&w->work);
}

/**
 * mod_delayed_work - queue_delayed_work() that replaces a pending delay
 * @wq:		queue
 * @w:		item
 * @delay:	jiffies
 *
 * Return: whether it was pending.
 */
bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *w, unsigned long delay)
{
	bool was = false;

	while (!claim_work(&w->work)) {
		if (atomic_long_read(&w->work.data) & WORK_CANCELING)
			return was;
		was |= steal_delayed(w);
		cpu_relax();
	}
	start_delayed(wq, w, delay);
	return was;
}

/**
 * cancel_delayed_work - stop the timer or take the item off its queue; it may be running
 * @w:		item
 *
 * Return: whether it was pending.
 */
bool cancel_delayed_work(struct delayed_work *w)
{
	return steal_delayed(w);
}

/**
 * cancel_delayed_work_sync - cancel_delayed_work() and wait until it does not run
 * @w:		item
 *
 * Return: whether it was pending.
 */
bool cancel_delayed_work_sync(struct delayed_work *w)
{
	bool was = false;

	atomic_long_fetch_or(WORK_CANCELING, &w->work.data);
	while (work_pending(&w->work)) {
		was |= steal_delayed(w);
		if (!was)
			cpu_relax();
	}
	timer_delete_sync(&w->timer);
	flush_work(&w->work);
	atomic_long_fetch_and(~WORK_CANCELING, &w->work.data);
	return was;
}

/**
 * flush_delayed_work - run a delayed item now and wait for it
 * @w:		item
 *
 * Return: false if it was idle.
 */
bool flush_delayed_work(struct delayed_work *w)
{
	if (timer_delete_sync(&w->timer))
		insert_work(w->wq, &w->work);
	return flush_work(&w->work);
}

static void rcu_work_due(struct rcu_head *head)
{
	struct rcu_work *w = container_of(head, struct rcu_work, rcu);

	insert_work(w->wq, &w->work);
}

/**
 * queue_rcu_work - queue_work() after a grace period
 * @wq:		queue
 * @w:		item
 *
 * Return: false if it was pending already.
 */
bool queue_rcu_work(struct workqueue_struct *wq, struct rcu_work *w)
{
	if (!claim_work(&w->work))
		return false;
	w->wq = wq;
	call_rcu(&w->rcu, rcu_work_due);
	return true;
}

/**
 * shim_system_wq - one of the queues everybody may use, made on first use
 * @which:	0 normal, 1 unbound, 2 for long items
 */
struct workqueue_struct *shim_system_wq(int which)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static const char * const names[] = { "events", "events_unbound", "events_long" };
	struct workqueue_struct *wq;

	pthread_mutex_lock(&lock);
	/* they are always there */
	if (!system_queues[which]) {
		wq = kzalloc(sizeof(*wq), GFP_KERNEL|__GFP_NOFAIL);
		strcpy(wq->name, names[which]);
		queue_init(wq, 0);
		system_queues[which] = wq;
	}
	wq = system_queues[which];
	pthread_mutex_unlock(&lock);
	return wq;
}

/**
 * shim_workqueue_exit - end the system's queues
 */
void shim_workqueue_exit(void)
{
	size_t i;

	for (i = 0; i < sizeof(system_queues) / sizeof(system_queues[0]); i++) {
		destroy_workqueue(system_queues[i]);
		system_queues[i] = NULL;
	}
}
