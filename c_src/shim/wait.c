// SPDX-License-Identifier: GPL-2.0
/*
 * Wait queues, completions, waiting for bits.
 *
 * Invariant: an entry is on its queue's list only between prepare_to_wait() (or add_wait_queue())
 * and finish_wait() (or remove_wait_queue()), both under the queue's lock. Wakers hold that lock
 * while they touch an entry's task, so neither entry nor task can vanish under them.
 */
#include "internal.h"

#include <linux/completion.h>
#include <linux/hash.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>
#include <linux/wait_bit.h>

/**
 * init_waitqueue_head - an empty queue
 * @q:		queue
 */
void init_waitqueue_head(struct wait_queue_head *q)
{
	spin_lock_init(&q->lock);
	INIT_LIST_HEAD(&q->head);
}

/**
 * init_wait_entry - an entry for the running thread
 * @e:		entry
 * @flags:	WQ_FLAG_*
 */
void init_wait_entry(struct wait_queue_entry *e, int flags)
{
	e->flags = flags;
	e->private = current;
	e->func = autoremove_wake_function;
	INIT_LIST_HEAD(&e->entry);
}

/**
 * init_waitqueue_func_entry - an entry that calls a function
 * @e:		entry
 * @func:	called by wake-ups
 */
void init_waitqueue_func_entry(struct wait_queue_entry *e, wait_queue_func_t func)
{
	e->flags = 0;
	e->private = NULL;
	e->func = func;
	INIT_LIST_HEAD(&e->entry);
}

static void enqueue(struct wait_queue_head *q, struct wait_queue_entry *e)
{
	if (e->flags & WQ_FLAG_EXCLUSIVE)
		list_add_tail(&e->entry, &q->head);
	else
		list_add(&e->entry, &q->head);
}

/**
 * add_wait_queue - queue an entry that every wake-up calls
 * @q:		queue
 * @e:		entry
 */
void add_wait_queue(struct wait_queue_head *q, struct wait_queue_entry *e)
{
	spin_lock(&q->lock);
	e->flags &= ~WQ_FLAG_EXCLUSIVE;
	enqueue(q, e);
	spin_unlock(&q->lock);
}

/**
 * add_wait_queue_exclusive - queue an entry of which a wake-up calls only so many
 * @q:		queue
 * @e:		entry
 */
void add_wait_queue_exclusive(struct wait_queue_head *q, struct wait_queue_entry *e)
{
	spin_lock(&q->lock);
	e->flags |= WQ_FLAG_EXCLUSIVE;
	enqueue(q, e);
	spin_unlock(&q->lock);
}

/**
 * remove_wait_queue - take an entry off
 * @q:		queue
 * @e:		entry
 */
void remove_wait_queue(struct wait_queue_head *q, struct wait_queue_entry *e)
{
	spin_lock(&q->lock);
	list_del_init(&e->entry);
	spin_unlock(&q->lock);
}

/**
 * prepare_to_wait - queue (again) and set the state to sleep in
 * @q:		queue
 * @e:		the running thread's entry
 * @state:	TASK_*
 */
void prepare_to_wait(struct wait_queue_head *q, struct wait_queue_entry *e, int state)
{
	spin_lock(&q->lock);
	e->flags &= ~WQ_FLAG_EXCLUSIVE;
	if (list_empty(&e->entry))
		enqueue(q, e);
	set_current_state(state);
	spin_unlock(&q->lock);
}

/**
 * prepare_to_wait_exclusive - prepare_to_wait() for one of several equal waiters
 * @q:		queue
 * @e:		the running thread's entry
 * @state:	TASK_*
 *
 * Return: whether it is the only entry.
 */
bool prepare_to_wait_exclusive(struct wait_queue_head *q, struct wait_queue_entry *e, int state)
{
	bool was_empty = false;

	spin_lock(&q->lock);
	e->flags |= WQ_FLAG_EXCLUSIVE;
	if (list_empty(&e->entry)) {
		was_empty = list_empty(&q->head);
		enqueue(q, e);
	}
	set_current_state(state);
	spin_unlock(&q->lock);
	return was_empty;
}

/**
 * prepare_to_wait_event - prepare_to_wait() that notices an interruption
 * @q:		queue
 * @e:		the running thread's entry
 * @state:	TASK_*
 *
 * Return: 0, or -ERESTARTSYS (then it is not queued).
 */
long prepare_to_wait_event(struct wait_queue_head *q, struct wait_queue_entry *e, int state)
{
	long ret = 0;

	spin_lock(&q->lock);
	if ((state & (TASK_INTERRUPTIBLE | TASK_WAKEKILL)) && signal_pending(current)) {
		list_del_init(&e->entry);
		ret = -ERESTARTSYS;
	} else {
		if (list_empty(&e->entry))
			enqueue(q, e);
		set_current_state(state);
	}
	spin_unlock(&q->lock);
	return ret;
}

/**
 * finish_wait - awake again and off the queue
 * @q:		queue
 * @e:		the running thread's entry
 */
void finish_wait(struct wait_queue_head *q, struct wait_queue_entry *e)
{
	__set_current_state(TASK_RUNNING);
	remove_wait_queue(q, e);
}

/**
 * default_wake_function - wake the entry's task
 * @e:		entry
 * @mode:	states it may sleep in
 * @flags:	unused
 * @key:	unused
 *
 * Return: 1 if it slept.
 */
int default_wake_function(struct wait_queue_entry *e, unsigned int mode, int flags, void *key)
{
	return wake_up_state(e->private, mode);
}

/**
 * autoremove_wake_function - wake the entry's task and take the entry off
 * @e:		entry
 * @mode:	states it may sleep in
 * @flags:	unused
 * @key:	unused
 *
 * Return: 1 if it slept.
 */
int autoremove_wake_function(struct wait_queue_entry *e, unsigned int mode, int flags, void *key)
{
	int woke = wake_up_state(e->private, mode);

	if (woke)
		list_del_init(&e->entry);
	return woke;
}

/**
 * woken_wake_function - leave a note for wait_woken() and wake
 * @e:		entry
 * @mode:	states it may sleep in
 * @flags:	unused
 * @key:	unused
 */
int woken_wake_function(struct wait_queue_entry *e, unsigned int mode, int flags, void *key)
{
	__atomic_fetch_or(&e->flags, WQ_FLAG_WOKEN, __ATOMIC_SEQ_CST);
	return wake_up_state(e->private, mode);
}

/**
 * wait_woken - sleep unless woken_wake_function() left a note since the last time
 * @e:		entry
 * @mode:	TASK_*
 * @timeout:	jiffies
 *
 * Return: jiffies left.
 */
long wait_woken(struct wait_queue_entry *e, unsigned int mode, long timeout)
{
	set_current_state(mode);
	if (!(__atomic_load_n(&e->flags, __ATOMIC_SEQ_CST) & WQ_FLAG_WOKEN) &&
	    !kthread_should_stop())
		timeout = schedule_timeout(timeout);
	__set_current_state(TASK_RUNNING);
	__atomic_fetch_and(&e->flags, ~WQ_FLAG_WOKEN, __ATOMIC_SEQ_CST);
	return timeout;
}

/**
 * __wake_up - call the entries of a queue
 * @q:		queue
 * @mode:	states of tasks to wake
 * @nr:		how many exclusive ones, 0: all
 * @key:	handed to the entries
 *
 * Return: how many exclusive ones were woken.
 */
int __wake_up(struct wait_queue_head *q, unsigned int mode, int nr, void *key)
{
	struct wait_queue_entry *e, *n;
	int woken = 0;

	spin_lock(&q->lock);
	list_for_each_entry_safe(e, n, &q->head, entry) {
		bool exclusive = e->flags & WQ_FLAG_EXCLUSIVE;

		if (e->func(e, mode, 0, key) && exclusive && ++woken == nr)
			break;
	}
	spin_unlock(&q->lock);
	return woken;
}

/*
 * Queues shared by all words and variables; statically valid, hashed by address. A wake-up may
 * reach waiters of another word, who look again and go back to sleep.
 */
#define BIT_QUEUES_BITS	6
static struct wait_queue_head bit_queues[1 << BIT_QUEUES_BITS];
static pthread_once_t bit_queues_once = PTHREAD_ONCE_INIT;

static void init_bit_queues(void)
{
	unsigned int i;

	for (i = 0; i < 1U << BIT_QUEUES_BITS; i++)
		init_waitqueue_head(&bit_queues[i]);
}

/**
 * bit_waitqueue - the queue of a bit
 * @word:	where the bit is
 * @bit:	its number
 */
struct wait_queue_head *bit_waitqueue(void *word, int bit)
{
	pthread_once(&bit_queues_once, init_bit_queues);
	return &bit_queues[hash_long((unsigned long) word + bit, BIT_QUEUES_BITS)];
}

/**
 * wake_up_bit - a bit was cleared
 * @word:	where it is
 * @bit:	its number
 */
void wake_up_bit(void *word, int bit)
{
	struct wait_queue_head *q = bit_waitqueue(word, bit);

	if (wq_has_sleeper(q))
		wake_up_all(q);
}

/**
 * wake_up_var - a variable changed
 * @var:	its address
 */
void wake_up_var(void *var)
{
	wake_up_bit(var, 0);
}

#define DONE_FOR_ALL	(UINT_MAX / 2)

/**
 * complete - let one waiter pass
 * @x:		event
 */
void complete(struct completion *x)
{
	struct wait_queue_entry *e, *n;

	spin_lock(&x->wait.lock);
	if (x->done != DONE_FOR_ALL)
		x->done++;
	list_for_each_entry_safe(e, n, &x->wait.head, entry)
		if (e->func(e, TASK_NORMAL, 0, NULL))
			break;
	spin_unlock(&x->wait.lock);
}

/**
 * complete_all - let all waiters pass, now and later
 * @x:		event
 */
void complete_all(struct completion *x)
{
	struct wait_queue_entry *e, *n;

	spin_lock(&x->wait.lock);
	x->done = DONE_FOR_ALL;
	list_for_each_entry_safe(e, n, &x->wait.head, entry)
		e->func(e, TASK_NORMAL, 0, NULL);
	spin_unlock(&x->wait.lock);
}

/* Returns jiffies left (at least 1), 0 after the time, or -ERESTARTSYS. */
static long wait_for_done(struct completion *x, unsigned int state, long timeout)
{
	DEFINE_WAIT(entry);
	long ret = 0;

	spin_lock(&x->wait.lock);
	while (!x->done) {
		if ((state & (TASK_INTERRUPTIBLE | TASK_WAKEKILL)) && signal_pending(current)) {
			ret = -ERESTARTSYS;
			goto out;
		}
		if (!timeout)
			goto out;
		if (list_empty(&entry.entry))
			list_add_tail(&entry.entry, &x->wait.head);
		set_current_state(state);
		spin_unlock(&x->wait.lock);
		timeout = schedule_timeout(timeout);
		spin_lock(&x->wait.lock);
	}
	if (x->done != DONE_FOR_ALL)
		x->done--;
	ret = timeout > 0 ? timeout : 1;
out:
	list_del_init(&entry.entry);
	spin_unlock(&x->wait.lock);
	return ret;
}

/**
 * wait_for_completion - sleep until complete()
 * @x:		event
 */
void wait_for_completion(struct completion *x)
{
	wait_for_done(x, TASK_UNINTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT);
}

/**
 * wait_for_completion_io - wait_for_completion() for I/O
 * @x:		event
 */
void wait_for_completion_io(struct completion *x)
{
	wait_for_completion(x);
}

/**
 * wait_for_completion_timeout - wait_for_completion() with a limit
 * @x:		event
 * @timeout:	jiffies
 *
 * Return: 0 when the time is over, else jiffies left.
 */
unsigned long wait_for_completion_timeout(struct completion *x, unsigned long timeout)
{
	return wait_for_done(x, TASK_UNINTERRUPTIBLE, timeout);
}

/**
 * wait_for_completion_interruptible - wait_for_completion() that can be interrupted
 * @x:		event
 *
 * Return: 0 or -ERESTARTSYS.
 */
int wait_for_completion_interruptible(struct completion *x)
{
	long ret = wait_for_done(x, TASK_INTERRUPTIBLE, MAX_SCHEDULE_TIMEOUT);

	return ret < 0 ? (int) ret : 0;
}

/**
 * wait_for_completion_killable - wait_for_completion() that can be killed
 * @x:		event
 *
 * Return: 0 or -ERESTARTSYS.
 */
int wait_for_completion_killable(struct completion *x)
{
	long ret = wait_for_done(x, TASK_KILLABLE, MAX_SCHEDULE_TIMEOUT);

	return ret < 0 ? (int) ret : 0;
}

/**
 * try_wait_for_completion - pass if that needs no waiting
 * @x:		event
 *
 * Return: whether it did.
 */
bool try_wait_for_completion(struct completion *x)
{
	bool ok;

	spin_lock(&x->wait.lock);
	ok = x->done;
	if (ok && x->done != DONE_FOR_ALL)
		x->done--;
	spin_unlock(&x->wait.lock);
	return ok;
}

/**
 * completion_done - would a waiter pass at once?
 * @x:		event
 */
bool completion_done(struct completion *x)
{
	bool ok;

	spin_lock(&x->wait.lock);
	ok = x->done;
	spin_unlock(&x->wait.lock);
	return ok;
}
