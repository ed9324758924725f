// SPDX-License-Identifier: GPL-2.0
/*
 * Clocks, delays, and timers.
 *
 * Invariant: the pending timers are in one list, sorted by expiry, under timer_lock; one thread
 * runs the callbacks, one at a time, without the lock. The thread starts with the first timer.
 */
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "internal.h"

#include <linux/bug.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/sched/clock.h>
#include <linux/smp.h>
#include <linux/timer.h>

static u64 read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (u64) ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/**
 * shim_now_ns - monotonic time in ns
 */
u64 shim_now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/**
 * shim_ns_to_ts - ns as a timespec
 * @ns:		time
 */
struct timespec shim_ns_to_ts(u64 ns)
{
	struct timespec ts = {
		.tv_sec		= ns / NSEC_PER_SEC,
		.tv_nsec	= ns % NSEC_PER_SEC,
	};

	return ts;
}

/**
 * shim_jiffies - monotonic time in ticks
 */
unsigned long shim_jiffies(void)
{
	return shim_now_ns() / (NSEC_PER_SEC / HZ);
}

/**
 * get_jiffies_64 - monotonic time in ticks
 */
u64 get_jiffies_64(void)
{
	return shim_jiffies();
}

/**
 * local_clock - monotonic time in ns
 */
u64 local_clock(void)
{
	return shim_now_ns();
}

/**
 * sched_clock - monotonic time in ns
 */
u64 sched_clock(void)
{
	return shim_now_ns();
}

/**
 * ktime_get_ns - monotonic time in ns
 */
u64 ktime_get_ns(void)
{
	return shim_now_ns();
}

/**
 * ktime_get - monotonic time
 */
ktime_t ktime_get(void)
{
	return shim_now_ns();
}

/**
 * ktime_get_seconds - monotonic time in s
 */
time64_t ktime_get_seconds(void)
{
	return shim_now_ns() / NSEC_PER_SEC;
}

/**
 * ktime_get_real_ns - ns since 1970
 */
u64 ktime_get_real_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

/**
 * ktime_get_real - time since 1970
 */
ktime_t ktime_get_real(void)
{
	return ktime_get_real_ns();
}

/**
 * ktime_get_real_seconds - s since 1970
 */
time64_t ktime_get_real_seconds(void)
{
	return ktime_get_real_ns() / NSEC_PER_SEC;
}

/**
 * ktime_get_real_ts64 - time since 1970
 * @ts:		result
 */
void ktime_get_real_ts64(struct timespec64 *ts)
{
	*ts = ns_to_timespec64(ktime_get_real_ns());
}

/**
 * ktime_get_coarse_real_ts64 - time since 1970, of the last tick
 * @ts:		result
 */
void ktime_get_coarse_real_ts64(struct timespec64 *ts)
{
	*ts = ns_to_timespec64(read_clock(CLOCK_REALTIME_COARSE));
}

/**
 * ktime_get_ts64 - monotonic time
 * @ts:		result
 */
void ktime_get_ts64(struct timespec64 *ts)
{
	*ts = ns_to_timespec64(shim_now_ns());
}

/**
 * set_normalized_timespec64 - seconds and any number of nanoseconds
 * @ts:		result, 0 <= tv_nsec < 10^9
 * @sec:	seconds
 * @nsec:	nanoseconds, may be negative
 */
void set_normalized_timespec64(struct timespec64 *ts, time64_t sec, s64 nsec)
{
	s64 carry = nsec / NSEC_PER_SEC;

	nsec %= NSEC_PER_SEC;
	if (nsec < 0) {
		nsec += NSEC_PER_SEC;
		carry--;
	}
	ts->tv_sec = sec + carry;
	ts->tv_nsec = nsec;
}

/**
 * ns_to_timespec64 - nanoseconds, possibly negative
 * @ns:		time
 */
struct timespec64 ns_to_timespec64(s64 ns)
{
	struct timespec64 ts;

	set_normalized_timespec64(&ts, 0, ns);
	return ts;
}

static void sleep_ns(u64 ns)
{
	struct timespec ts = shim_ns_to_ts(shim_now_ns() + ns);

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/**
 * msleep - sleep
 * @msecs:	how long
 */
void msleep(unsigned int msecs)
{
	sleep_ns((u64) msecs * NSEC_PER_MSEC);
}

/**
 * usleep_range - sleep
 * @min:	at least so many microseconds
 * @max:	ignored
 */
void usleep_range(unsigned long min, unsigned long max)
{
	sleep_ns((u64) min * NSEC_PER_USEC);
}

/**
 * ssleep - sleep
 * @seconds:	how long
 */
void ssleep(unsigned int seconds)
{
	sleep_ns((u64) seconds * NSEC_PER_SEC);
}

/**
 * udelay - wait
 * @usecs:	how long
 */
void udelay(unsigned long usecs)
{
	sleep_ns((u64) usecs * NSEC_PER_USEC);
}

/**
 * num_online_cpus - processors this process may use
 */
unsigned int num_online_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
}

/**
 * num_possible_cpus - processors configured
 */
unsigned int num_possible_cpus(void)
{
	long n = sysconf(_SC_NPROCESSORS_CONF);

	return n > 0 ? n : 1;
}

/**
 * raw_smp_processor_id - where this runs just now
 */
unsigned int raw_smp_processor_id(void)
{
	int cpu = sched_getcpu();

	return cpu > 0 ? cpu : 0;
}

static pthread_mutex_t timer_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t timer_changed = PTHREAD_COND_INITIALIZER;
static pthread_cond_t timer_idle = PTHREAD_COND_INITIALIZER;
static LIST_HEAD(timers);
static struct timer_list *timer_running;
static pthread_t timer_thread;
static bool timer_started, timer_stop;

static void *timer_main(void *arg)
{
	pthread_mutex_lock(&timer_lock);
	while (!timer_stop) {
		struct timer_list *t = list_first_entry_or_null(&timers, struct timer_list,
								shim_entry);

		if (!t) {
			pthread_cond_wait(&timer_changed, &timer_lock);
			continue;
		}
		if (time_before(jiffies, t->expires)) {
			struct timespec ts = shim_ns_to_ts(jiffies_to_nsecs(t->expires));

			pthread_cond_clockwait(&timer_changed, &timer_lock, CLOCK_MONOTONIC, &ts);
			continue;
		}
		list_del_init(&t->shim_entry);
		WRITE_ONCE(t->shim_pending, 0);
		timer_running = t;
		pthread_mutex_unlock(&timer_lock);
		t->function(t);
		pthread_mutex_lock(&timer_lock);
		timer_running = NULL;
		pthread_cond_broadcast(&timer_idle);
	}
	pthread_mutex_unlock(&timer_lock);
	return NULL;
}

/**
 * shim_timer_setup - an idle timer (timer_setup)
 * @t:		timer
 * @fn:		its callback
 * @flags:	TIMER_*
 */
void shim_timer_setup(struct timer_list *t, void (*fn)(struct timer_list *), unsigned int flags)
{
	INIT_LIST_HEAD(&t->shim_entry);
	t->function = fn;
	t->flags = flags;
	t->expires = 0;
	t->shim_pending = 0;
}

/* Called with timer_lock held. */
static bool dequeue_timer(struct timer_list *t)
{
	bool was = t->shim_pending;

	list_del_init(&t->shim_entry);
	WRITE_ONCE(t->shim_pending, 0);
	return was;
}

static void enqueue_timer(struct timer_list *t, unsigned long expires)
{
	struct timer_list *at;

	t->expires = expires;
	WRITE_ONCE(t->shim_pending, 1);
	list_for_each_entry_reverse(at, &timers, shim_entry)
		if (time_after_eq(expires, at->expires))
			break;
	list_add(&t->shim_entry, &at->shim_entry);
	if (!timer_started)
		timer_started = !shim_thread_start(&timer_thread, timer_main, NULL, "shim-timer");
	BUG_ON(!timer_started);
	pthread_cond_signal(&timer_changed);
}

/**
 * mod_timer - (re)start a timer
 * @t:		timer; one that was shut down stays so
 * @expires:	when, in jiffies
 *
 * Return: 1 if it was pending.
 */
int mod_timer(struct timer_list *t, unsigned long expires)
{
	int was;

	pthread_mutex_lock(&timer_lock);
	was = dequeue_timer(t);
	if (t->function)
		enqueue_timer(t, expires);
	pthread_mutex_unlock(&timer_lock);
	return was;
}

/**
 * timer_reduce - start a timer or bring it forward
 * @t:		timer
 * @expires:	when at the latest, in jiffies
 *
 * Return: 1 if it was pending.
 */
int timer_reduce(struct timer_list *t, unsigned long expires)
{
	int was;

	pthread_mutex_lock(&timer_lock);
	was = t->shim_pending;
	if (t->function && (!was || time_before(expires, t->expires))) {
		dequeue_timer(t);
		enqueue_timer(t, expires);
	}
	pthread_mutex_unlock(&timer_lock);
	return was;
}

/**
 * add_timer - start an idle timer at t->expires
 * @t:		timer
 */
void add_timer(struct timer_list *t)
{
	BUG_ON(timer_pending(t));
	mod_timer(t, t->expires);
}

/**
 * timer_pending - is it going to run?
 * @t:		timer
 */
int timer_pending(const struct timer_list *t)
{
	return READ_ONCE(t->shim_pending);
}

/**
 * shim_timer_delete - stop a timer; its callback may be running (timer_delete)
 * @t:		timer
 *
 * Return: 1 if it was pending.
 */
int shim_timer_delete(struct timer_list *t)
{
	int was;

	pthread_mutex_lock(&timer_lock);
	was = dequeue_timer(t);
	pthread_mutex_unlock(&timer_lock);
	return was;
}

static int delete_sync(struct timer_list *t, bool shutdown)
{
	int was;

	pthread_mutex_lock(&timer_lock);
	was = dequeue_timer(t);
	while (timer_running == t) {
		pthread_cond_wait(&timer_idle, &timer_lock);
		was |= dequeue_timer(t);
	}
	if (shutdown)
		t->function = NULL;
	pthread_mutex_unlock(&timer_lock);
	return was;
}

/**
 * timer_delete_sync - stop a timer and wait for its callback
 * @t:		timer
 *
 * Return: 1 if it was pending.
 */
int timer_delete_sync(struct timer_list *t)
{
	return delete_sync(t, false);
}

/**
 * timer_shutdown_sync - timer_delete_sync() for good
 * @t:		timer
 *
 * Return: 1 if it was pending.
 */
int timer_shutdown_sync(struct timer_list *t)
{
	return delete_sync(t, true);
}

/**
 * shim_timer_exit - end the timer thread
 */
void shim_timer_exit(void)
{
	pthread_mutex_lock(&timer_lock);
	timer_stop = true;
	pthread_cond_broadcast(&timer_changed);
	pthread_mutex_unlock(&timer_lock);
	if (timer_started)
		pthread_join(timer_thread, NULL);
	timer_started = timer_stop = false;
}
