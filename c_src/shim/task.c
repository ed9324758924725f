// SPDX-License-Identifier: GPL-2.0
/*
 * Threads: "current", sleeping and waking, kernel threads, interruption.
 *
 * Invariant: a task's __state goes to anything but TASK_RUNNING only by the task itself, and back
 * under its lock, so a wake-up between "state = sleeping" and schedule() is never lost. A kernel
 * thread's memory lives until it was joined and nobody holds a reference.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

#include <linux/bug.h>
#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/processor.h>
#include <shim/shim.h>

static __thread struct shim_task *me;
static pthread_key_t me_key;
static pthread_once_t me_once = PTHREAD_ONCE_INIT;

static pthread_mutex_t zombie_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(zombies);

static int signalled;

static struct shim_task *task_new(void)
{
	struct shim_task *s = calloc(1, sizeof(*s));

	BUG_ON(!s);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	atomic_set(&s->refs, 1);
	INIT_LIST_HEAD(&s->zombie);
	s->t.tgid = getpid();
	s->t.shim = s;
	return s;
}

static void task_put(struct shim_task *s)
{
	if (!atomic_dec_and_test(&s->refs))
		return;
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* End of a thread that is no kernel thread. */
static void forget_me(void *task)
{
	me = NULL;
	task_put(task);
}

static void make_key(void)
{
	pthread_key_create(&me_key, forget_me);
}

static void become(struct shim_task *s)
{
	s->t.pid = syscall(SYS_gettid);
	me = s;
}

/**
 * shim_current - the running thread's task, made on first use
 */
struct task_struct *shim_current(void)
{
	if (unlikely(!me)) {
		struct shim_task *s = task_new();

		pthread_once(&me_once, make_key);
		pthread_getname_np(pthread_self(), s->t.comm, sizeof(s->t.comm));
		become(s);
		pthread_setspecific(me_key, s);
	}
	return &me->t;
}

/**
 * shim_raise_signal - the user wants the process to stop; async-signal-safe
 */
void shim_raise_signal(void)
{
	__atomic_store_n(&signalled, 1, __ATOMIC_RELEASE);
}

/**
 * shim_clear_signal - take that back
 */
void shim_clear_signal(void)
{
	__atomic_store_n(&signalled, 0, __ATOMIC_RELEASE);
}

/**
 * shim_signalled - was shim_raise_signal() called?
 */
bool shim_signalled(void)
{
	return __atomic_load_n(&signalled, __ATOMIC_ACQUIRE);
}

/**
 * signal_pending - should the task give up what it waits for?
 * @t:		task; kernel threads are never interrupted
 */
int signal_pending(struct task_struct *t)
{
	return !t->shim->is_kthread && shim_signalled();
}

/**
 * fatal_signal_pending - should the task give up for good?
 * @t:		task
 */
int fatal_signal_pending(struct task_struct *t)
{
	return signal_pending(t);
}

/* Sleep until woken, @deadline (ns, 0: none) or an interruption the state allows. */
static void sleep_until(struct shim_task *s, u64 deadline)
{
	unsigned int state;

	pthread_mutex_lock(&s->lock);
	while ((state = READ_ONCE(s->t.__state)) != TASK_RUNNING) {
		bool interruptible = !s->is_kthread &&
			(state & (TASK_INTERRUPTIBLE | TASK_WAKEKILL));
		u64 now = shim_now_ns(), until = deadline;

		if ((deadline && now >= deadline) || (interruptible && shim_signalled()))
			break;
		/* A signal handler cannot wake anybody: look now and then. */
		if (interruptible && (!until || until - now > 100 * NSEC_PER_MSEC))
			until = now + 100 * NSEC_PER_MSEC;
		if (until) {
			struct timespec ts = shim_ns_to_ts(until);

			pthread_cond_clockwait(&s->wake, &s->lock, CLOCK_MONOTONIC, &ts);
		} else {
			pthread_cond_wait(&s->wake, &s->lock);
		}
	}
	__atomic_store_n(&s->t.__state, TASK_RUNNING, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&s->lock);
}

/**
 * schedule - sleep in the state set before, until woken
 */
void schedule(void)
{
	struct task_struct *t = current;

	if (READ_ONCE(t->__state) == TASK_RUNNING)
		sched_yield();
	else
		sleep_until(t->shim, 0);
}

/**
 * schedule_timeout - schedule() with a limit
 * @timeout:	jiffies, or MAX_SCHEDULE_TIMEOUT
 *
 * Return: jiffies left, 0 when the time is over.
 */
long schedule_timeout(long timeout)
{
	u64 end, now;

	if (timeout == MAX_SCHEDULE_TIMEOUT) {
		schedule();
		return timeout;
	}
	if (timeout < 0)
		timeout = 0;
	end = shim_now_ns() + jiffies_to_nsecs(timeout);
	if (READ_ONCE(current->__state) != TASK_RUNNING)
		sleep_until(current->shim, end);
	now = shim_now_ns();
	return now < end ? (long) ((end - now + jiffies_to_nsecs(1) - 1) / jiffies_to_nsecs(1)) : 0;
}

/**
 * schedule_timeout_interruptible - sleep for a time, unless interrupted
 * @timeout:	jiffies
 */
long schedule_timeout_interruptible(long timeout)
{
	set_current_state(TASK_INTERRUPTIBLE);
	return schedule_timeout(timeout);
}

/**
 * schedule_timeout_killable - sleep for a time, unless killed
 * @timeout:	jiffies
 */
long schedule_timeout_killable(long timeout)
{
	set_current_state(TASK_KILLABLE);
	return schedule_timeout(timeout);
}

/**
 * schedule_timeout_uninterruptible - sleep for a time
 * @timeout:	jiffies
 */
long schedule_timeout_uninterruptible(long timeout)
{
	set_current_state(TASK_UNINTERRUPTIBLE);
	return schedule_timeout(timeout);
}

/**
 * io_schedule - schedule() for I/O
 */
void io_schedule(void)
{
	schedule();
}

/**
 * io_schedule_timeout - schedule_timeout() for I/O
 * @timeout:	jiffies
 */
long io_schedule_timeout(long timeout)
{
	return schedule_timeout(timeout);
}

/**
 * wake_up_state - wake a task that sleeps in one of some states
 * @t:		task
 * @state:	the states
 *
 * Return: 1 if it slept so.
 */
int wake_up_state(struct task_struct *t, unsigned int state)
{
	struct shim_task *s = t->shim;
	int woke = 0;

	pthread_mutex_lock(&s->lock);
	if (!s->started && s->is_kthread) {
		s->started = true;
		woke = 1;
	}
	if (READ_ONCE(t->__state) & state) {
		__atomic_store_n(&t->__state, TASK_RUNNING, __ATOMIC_SEQ_CST);
		woke = 1;
	}
	if (woke)
		pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
	return woke;
}

/**
 * wake_up_process - wake a task however it sleeps
 * @t:		task
 *
 * Return: 1 if it slept.
 */
int wake_up_process(struct task_struct *t)
{
	return wake_up_state(t, TASK_NORMAL);
}

/**
 * yield - let others run
 */
void yield(void)
{
	sched_yield();
}

/**
 * shim_cpu_relax - let the thread run that this one waits for (cpu_relax)
 */
void shim_cpu_relax(void)
{
	sched_yield();
}

/**
 * get_task_struct - one more reference
 * @t:		task
 */
struct task_struct *get_task_struct(struct task_struct *t)
{
	atomic_inc(&t->shim->refs);
	return t;
}

/**
 * put_task_struct - one reference less
 * @t:		task
 */
void put_task_struct(struct task_struct *t)
{
	task_put(t->shim);
}

/**
 * shim_thread_start - start a joinable thread
 * @thread:	its handle
 * @fn:		what it runs
 * @arg:	its argument
 * @name:	its name, cut to 15 characters
 *
 * Return: 0 or -errno.
 */
int shim_thread_start(pthread_t *thread, void *(*fn)(void *), void *arg, const char *name)
{
	char comm[TASK_COMM_LEN];
	int ret = pthread_create(thread, NULL, fn, arg);

	if (ret)
		return -ret;
	snprintf(comm, sizeof(comm), "%s", name);
	pthread_setname_np(*thread, comm);
	return 0;
}

/* Joins the kernel threads that are done. */
static void reap_zombies(void)
{
	struct shim_task *s, *n;
	LIST_HEAD(done);

	pthread_mutex_lock(&zombie_lock);
	list_splice_init(&zombies, &done);
	pthread_mutex_unlock(&zombie_lock);
	list_for_each_entry_safe(s, n, &done, zombie) {
		pthread_join(s->thread, NULL);
		task_put(s);
	}
}

static void *kthread_main(void *arg)
{
	struct shim_task *s = arg;
	int ret = -EINTR;
	bool stopped;

	pthread_mutex_lock(&s->lock);
	become(s);
	while (!s->started && !s->stop)
		pthread_cond_wait(&s->wake, &s->lock);
	stopped = s->stop;
	pthread_mutex_unlock(&s->lock);

	if (!stopped)
		ret = s->fn(s->data);
	me = NULL;

	pthread_mutex_lock(&zombie_lock);
	list_add_tail(&s->zombie, &zombies);
	pthread_mutex_lock(&s->lock);
	s->ret = ret;
	s->exited = true;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_unlock(&zombie_lock);
	return NULL;
}

/**
 * kthread_create_on_node - a thread that sleeps until wake_up_process()
 * @fn:		what it runs
 * @data:	its argument
 * @node:	ignored
 * @fmt:	its name
 *
 * Return: task, or ERR_PTR.
 */
struct task_struct *kthread_create_on_node(int (*fn)(void *data), void *data, int node,
					   const char *fmt, ...)
{
	struct shim_task *s;
	va_list args;
	int ret;

	reap_zombies();
	if (shim_fault_alloc(sizeof(*s), GFP_KERNEL))
		return ERR_PTR(-ENOMEM);
	s = task_new();
	s->is_kthread = true;
	s->t.flags = PF_KTHREAD;
	s->fn = fn;
	s->data = data;
	va_start(args, fmt);
	vsnprintf(s->t.comm, sizeof(s->t.comm), fmt, args);
	va_end(args);

	/* The new thread may be seen before pthread_create() has told us its handle. */
	pthread_mutex_lock(&s->lock);
	ret = shim_thread_start(&s->thread, kthread_main, s, s->t.comm);
	pthread_mutex_unlock(&s->lock);
	if (ret) {
		task_put(s);
		return ERR_PTR(ret);
	}
	return &s->t;
}

/**
 * kthread_stop - ask a thread to end and wait for it
 * @t:		thread; it must not have ended by itself unless the caller holds a reference
 *
 * Return: what its function returned; -EINTR if it never ran.
 */
int kthread_stop(struct task_struct *t)
{
	struct shim_task *s = t->shim;
	int ret;

	atomic_inc(&s->refs);
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	__atomic_store_n(&t->__state, TASK_RUNNING, __ATOMIC_SEQ_CST);
	pthread_cond_broadcast(&s->wake);
	while (!s->exited)
		pthread_cond_wait(&s->wake, &s->lock);
	ret = s->ret;
	pthread_mutex_unlock(&s->lock);
	reap_zombies();
	task_put(s);
	return ret;
}

/**
 * kthread_stop_put - kthread_stop() that also drops the caller's reference
 * @t:		thread
 */
int kthread_stop_put(struct task_struct *t)
{
	int ret = kthread_stop(t);

	put_task_struct(t);
	return ret;
}

/**
 * kthread_should_stop - was this thread asked to end?
 */
bool kthread_should_stop(void)
{
	struct shim_task *s = current->shim;
	bool stop;

	pthread_mutex_lock(&s->lock);
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return stop;
}

/**
 * kthread_freezable_should_stop - kthread_should_stop(), never frozen
 * @was_frozen:	set to false, may be NULL
 */
bool kthread_freezable_should_stop(bool *was_frozen)
{
	if (was_frozen)
		*was_frozen = false;
	return kthread_should_stop();
}

/**
 * shim_task_exit - join what has ended and forget the calling thread's own task
 */
void shim_task_exit(void)
{
	reap_zombies();
	if (me && !me->is_kthread) {
		pthread_setspecific(me_key, NULL);
		forget_me(me);
	}
}
