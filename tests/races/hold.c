// SPDX-License-Identifier: GPL-2.0
/*
 * Threads, and points of the core at which they are held. One lock covers all; a
 * thread that is held keeps whatever locks of the core it has, which is the point.
 */
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/sched/task.h>

#include "races.h"
#include "util/sync_point.h"

#define NR_HOLDS	16

struct hold {
	char		name[32];
	const char	*tag;
	bool		by_key;
	unsigned	btree;
	struct bpos	pos;
	unsigned	waiting;
	unsigned	arrivals;
	unsigned	round;		/* who came before the release leaves */
	bool		armed;
	void		(*fn)(struct bch_fs *c);
	const char	*fn_tag;
};

struct job {
	const char	*tag;
	int		(*fn)(void *arg);
	void		*arg;
	struct task_struct *task;
	int		ret;
	bool		done;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static struct hold holds[NR_HOLDS];
static unsigned nr_holds;
static __thread const char *my_tag;

static struct hold *hold_find(const char *name)
{
	for (unsigned i = 0; i < nr_holds; i++)
		if (!strcmp(holds[i].name, name))
			return &holds[i];
	return NULL;
}

static struct hold *hold_get(const char *name)
{
	struct hold *h = hold_find(name);

	if (!h) {
		assert_true(nr_holds < NR_HOLDS);
		h = &holds[nr_holds++];
		snprintf(h->name, sizeof(h->name), "%s", name);
	}
	return h;
}

/* Called with the lock; false: too late. */
static bool wait_for_change(const struct timespec *end)
{
	return !pthread_cond_timedwait(&cond, &lock, end);
}

static struct timespec deadline(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += WAIT_SECONDS;
	return t;
}

static bool tag_applies(const char *tag)
{
	return !tag || (my_tag && !strcmp(my_tag, tag));
}

static bool hold_applies(const struct hold *h, unsigned btree, const struct bkey_i *k)
{
	if (!h->armed)
		return false;
	if (!tag_applies(h->tag))
		return false;
	return !h->by_key || (k && btree == h->btree && bpos_eq(k->k.p, h->pos));
}

/** __bch2_sync_point - a thread of the core comes to a point */
void __bch2_sync_point(struct bch_fs *fs, const char *name, unsigned btree,
		       const struct bkey_i *k)
{
	void (*fn)(struct bch_fs *c);
	struct hold *h;

	pthread_mutex_lock(&lock);
	h = hold_find(name);
	fn = h && tag_applies(h->fn_tag) ? h->fn : NULL;
	if (h && hold_applies(h, btree, k)) {
		const unsigned round = h->round;

		h->waiting++;
		h->arrivals++;
		pthread_cond_broadcast(&cond);
		while (h->round == round)
			pthread_cond_wait(&cond, &lock);
		h->waiting--;
		pthread_cond_broadcast(&cond);
	}
	pthread_mutex_unlock(&lock);
	if (fn)
		fn(fs);
}

static void hold_arm(const char *name, const char *tag, bool by_key, unsigned btree,
		     struct bpos pos)
{
	struct hold *h;

	pthread_mutex_lock(&lock);
	h = hold_get(name);
	h->tag	  = tag;
	h->by_key = by_key;
	h->btree  = btree;
	h->pos	  = pos;
	h->armed  = true;
	pthread_mutex_unlock(&lock);
}

/** hold - threads that come to the point wait there until release() */
void hold(const char *name, const char *tag)
{
	hold_arm(name, tag, false, 0, POS_MIN);
}

/** hold_key - the same while they work on the key at this place */
void hold_key(const char *name, const char *tag, unsigned btree, struct bpos pos)
{
	hold_arm(name, tag, true, btree, pos);
}

/** hold_wait - until a thread waits at the point */
void hold_wait(const char *name)
{
	const struct timespec end = deadline();
	bool ok = true;

	pthread_mutex_lock(&lock);
	while (ok && !hold_get(name)->waiting)
		ok = wait_for_change(&end);
	pthread_mutex_unlock(&lock);
	if (!ok)
		fail_msg("no thread came to %s", name);
}

/** hold_reached - does a thread wait at the point? */
bool hold_reached(const char *name)
{
	bool ret;

	pthread_mutex_lock(&lock);
	ret = hold_get(name)->waiting;
	pthread_mutex_unlock(&lock);
	return ret;
}

static void release_one(struct hold *h)
{
	h->armed = false;
	h->round++;
	pthread_cond_broadcast(&cond);
}

/** release - let go of who waits, and hold nobody any more */
void release(const char *name)
{
	pthread_mutex_lock(&lock);
	release_one(hold_get(name));
	pthread_mutex_unlock(&lock);
}

/** hold_next - let go of who waits; until one waits at the point again */
void hold_next(const char *name)
{
	const struct timespec end = deadline();
	struct hold *h;
	bool ok = true;
	unsigned n;

	pthread_mutex_lock(&lock);
	h = hold_get(name);
	n = h->arrivals;
	h->round++;
	pthread_cond_broadcast(&cond);
	while (ok && h->arrivals == n)
		ok = wait_for_change(&end);
	pthread_mutex_unlock(&lock);
	if (!ok)
		fail_msg("no other thread came to %s", name);
}

/** hold_next_or_done - the same, or until the job has ended: false */
bool hold_next_or_done(const char *name, const struct job *j)
{
	const struct timespec end = deadline();
	struct hold *h;
	bool ok = true;
	unsigned n;

	pthread_mutex_lock(&lock);
	h = hold_get(name);
	n = h->arrivals;
	h->round++;
	pthread_cond_broadcast(&cond);
	while (ok && h->arrivals == n && !j->done)
		ok = wait_for_change(&end);
	n = h->arrivals - n;
	pthread_mutex_unlock(&lock);
	if (!ok)
		fail_msg("thread %s neither ends nor comes to %s", j->tag, name);
	return n;
}

/** release_all - the same for every point */
void release_all(void)
{
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; i < nr_holds; i++) {
		release_one(&holds[i]);
		holds[i].fn = NULL;
	}
	pthread_mutex_unlock(&lock);
}

/** at_point - call a function whenever a thread, or that job, comes to the point */
void at_point(const char *name, const char *tag, void (*fn)(struct bch_fs *c))
{
	pthread_mutex_lock(&lock);
	hold_get(name)->fn	= fn;
	hold_get(name)->fn_tag	= tag;
	pthread_mutex_unlock(&lock);
}

/** settle - time for a thread to do what it must not do */
void settle(void)
{
	usleep(SETTLE_MS * 1000);
}

/* --- jobs --- */

static int job_fn(void *arg)
{
	struct job *j = arg;
	int ret;

	my_tag = j->tag;
	ret = j->fn(j->arg);
	pthread_mutex_lock(&lock);
	j->ret	= ret;
	j->done	= true;
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&lock);
	return 0;
}

/** job_start - a thread; @tag is its name for hold() */
struct job *job_start(const char *tag, int (*fn)(void *arg), void *arg)
{
	struct job *j = calloc(1, sizeof(*j));
	struct task_struct *t;

	j->tag	= tag;
	j->fn	= fn;
	j->arg	= arg;
	t = kthread_create(job_fn, j, "race-%s", tag);
	assert_false(IS_ERR(t));
	get_task_struct(t);
	j->task	= t;
	wake_up_process(t);
	return j;
}

/** job_done - has it ended? */
bool job_done(struct job *j)
{
	bool ret;

	pthread_mutex_lock(&lock);
	ret = j->done;
	pthread_mutex_unlock(&lock);
	return ret;
}

/** job_wait - wait for its end; its result */
int job_wait(struct job *j)
{
	const struct timespec end = deadline();
	bool ok = true;
	int ret;

	pthread_mutex_lock(&lock);
	while (ok && !j->done)
		ok = wait_for_change(&end);
	ret = j->ret;
	pthread_mutex_unlock(&lock);
	if (!ok)
		fail_msg("thread %s does not end", j->tag);
	kthread_stop_put(j->task);
	free(j);
	return ret;
}
