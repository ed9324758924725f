// SPDX-License-Identifier: GPL-2.0
/*
 * Locks over pthreads. The public structs are opaque storage that is valid when zeroed, as glibc's
 * own types are; the assertions below hold them to it.
 */
#include <errno.h>

#include "internal.h"

#include <linux/build_bug.h>
#include <linux/bug.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>

static_assert(sizeof(pthread_mutex_t) <= sizeof(spinlock_t));
static_assert(sizeof(pthread_mutex_t) <= sizeof_field(struct mutex, shim_opaque));
static_assert(sizeof(pthread_mutex_t) <= sizeof_field(struct rw_semaphore, shim_lock));
static_assert(sizeof(pthread_cond_t) <= sizeof_field(struct rw_semaphore, shim_readers_cv));
static_assert(sizeof(pthread_rwlock_t) <= sizeof(rwlock_t));

int shim_fence_word;

static pthread_mutex_t *spin_of(spinlock_t *l)
{
	return (pthread_mutex_t *) l->shim_opaque;
}

static pthread_mutex_t *mutex_of(struct mutex *l)
{
	return (pthread_mutex_t *) l->shim_opaque;
}

/**
 * spin_lock_init - make an unlocked spinlock
 * @l:		lock
 */
void spin_lock_init(spinlock_t *l)
{
	pthread_mutex_init(spin_of(l), NULL);
}

/**
 * spin_lock - take a short-held lock
 * @l:		lock
 */
void spin_lock(spinlock_t *l)
{
	BUG_ON(pthread_mutex_lock(spin_of(l)));
}

/**
 * spin_unlock - release it
 * @l:		lock
 */
void spin_unlock(spinlock_t *l)
{
	BUG_ON(pthread_mutex_unlock(spin_of(l)));
}

/**
 * spin_trylock - take it if it is free
 * @l:		lock
 *
 * Return: nonzero if taken.
 */
int spin_trylock(spinlock_t *l)
{
	return !pthread_mutex_trylock(spin_of(l));
}

/**
 * spin_is_locked - does anybody hold it?
 * @l:		lock
 */
int spin_is_locked(spinlock_t *l)
{
	if (!spin_trylock(l))
		return 1;
	spin_unlock(l);
	return 0;
}

static pthread_rwlock_t *rw_of(rwlock_t *l)
{
	return (pthread_rwlock_t *) l->shim_opaque;
}

/**
 * rwlock_init - make an unlocked reader/writer lock
 * @l:		lock
 */
void rwlock_init(rwlock_t *l)
{
	pthread_rwlock_init(rw_of(l), NULL);
}

/**
 * read_lock - enter as a reader
 * @l:		lock
 */
void read_lock(rwlock_t *l)
{
	BUG_ON(pthread_rwlock_rdlock(rw_of(l)));
}

/**
 * read_unlock - leave as a reader
 * @l:		lock
 */
void read_unlock(rwlock_t *l)
{
	BUG_ON(pthread_rwlock_unlock(rw_of(l)));
}

/**
 * write_lock - enter alone
 * @l:		lock
 */
void write_lock(rwlock_t *l)
{
	BUG_ON(pthread_rwlock_wrlock(rw_of(l)));
}

/**
 * write_unlock - leave
 * @l:		lock
 */
void write_unlock(rwlock_t *l)
{
	BUG_ON(pthread_rwlock_unlock(rw_of(l)));
}

/**
 * mutex_init - make an unlocked mutex
 * @l:		lock
 */
void mutex_init(struct mutex *l)
{
	pthread_mutex_init(mutex_of(l), NULL);
	l->shim_held = 0;
}

/**
 * mutex_destroy - end of a mutex that nobody holds
 * @l:		lock
 */
void mutex_destroy(struct mutex *l)
{
	pthread_mutex_destroy(mutex_of(l));
}

/**
 * mutex_lock - take a mutex, sleeping if need be
 * @l:		lock
 */
void mutex_lock(struct mutex *l)
{
	BUG_ON(pthread_mutex_lock(mutex_of(l)));
	WRITE_ONCE(l->shim_held, 1);
}

/**
 * mutex_lock_interruptible - mutex_lock() that gives up when interrupted
 * @l:		lock
 *
 * Return: 0 or -EINTR.
 */
int mutex_lock_interruptible(struct mutex *l)
{
	if (!mutex_trylock(l)) {
		if (signal_pending(current))
			return -EINTR;
		mutex_lock(l);
	}
	return 0;
}

/**
 * mutex_lock_killable - mutex_lock() that gives up when killed
 * @l:		lock
 *
 * Return: 0 or -EINTR.
 */
int mutex_lock_killable(struct mutex *l)
{
	return mutex_lock_interruptible(l);
}

/**
 * mutex_trylock - take a mutex if it is free
 * @l:		lock
 *
 * Return: nonzero if taken.
 */
int mutex_trylock(struct mutex *l)
{
	if (pthread_mutex_trylock(mutex_of(l)))
		return 0;
	WRITE_ONCE(l->shim_held, 1);
	return 1;
}

/**
 * mutex_unlock - release a mutex
 * @l:		lock
 */
void mutex_unlock(struct mutex *l)
{
	WRITE_ONCE(l->shim_held, 0);
	BUG_ON(pthread_mutex_unlock(mutex_of(l)));
}

/**
 * mutex_is_locked - does anybody hold it?
 * @l:		lock
 */
bool mutex_is_locked(struct mutex *l)
{
	return READ_ONCE(l->shim_held);
}

/*
 * Read/write semaphores: shim_holders counts readers, -1 is a writer; both change only under
 * shim_lock. A reader waits while a writer waits, so writers get their turn.
 */
static pthread_mutex_t *rwsem_lock(struct rw_semaphore *s)
{
	return (pthread_mutex_t *) s->shim_lock;
}

static pthread_cond_t *rwsem_readers(struct rw_semaphore *s)
{
	return (pthread_cond_t *) s->shim_readers_cv;
}

static pthread_cond_t *rwsem_writers(struct rw_semaphore *s)
{
	return (pthread_cond_t *) s->shim_writers_cv;
}

/**
 * init_rwsem - make a free semaphore
 * @s:		semaphore
 */
void init_rwsem(struct rw_semaphore *s)
{
	pthread_mutex_init(rwsem_lock(s), NULL);
	pthread_cond_init(rwsem_readers(s), NULL);
	pthread_cond_init(rwsem_writers(s), NULL);
	s->shim_holders = 0;
	s->shim_writers_waiting = 0;
}

/**
 * down_read - enter as a reader
 * @s:		semaphore
 */
void down_read(struct rw_semaphore *s)
{
	pthread_mutex_lock(rwsem_lock(s));
	while (s->shim_holders < 0 || s->shim_writers_waiting)
		pthread_cond_wait(rwsem_readers(s), rwsem_lock(s));
	s->shim_holders++;
	pthread_mutex_unlock(rwsem_lock(s));
}

/**
 * down_read_trylock - enter as a reader if no writer is in
 * @s:		semaphore
 *
 * Return: nonzero if entered.
 */
int down_read_trylock(struct rw_semaphore *s)
{
	int ok;

	pthread_mutex_lock(rwsem_lock(s));
	ok = s->shim_holders >= 0;
	s->shim_holders += ok;
	pthread_mutex_unlock(rwsem_lock(s));
	return ok;
}

/**
 * down_write - enter alone
 * @s:		semaphore
 */
void down_write(struct rw_semaphore *s)
{
	pthread_mutex_lock(rwsem_lock(s));
	s->shim_writers_waiting++;
	while (s->shim_holders)
		pthread_cond_wait(rwsem_writers(s), rwsem_lock(s));
	s->shim_writers_waiting--;
	s->shim_holders = -1;
	pthread_mutex_unlock(rwsem_lock(s));
}

/**
 * down_write_trylock - enter alone if nobody is in
 * @s:		semaphore
 *
 * Return: nonzero if entered.
 */
int down_write_trylock(struct rw_semaphore *s)
{
	int ok;

	pthread_mutex_lock(rwsem_lock(s));
	ok = !s->shim_holders;
	if (ok)
		s->shim_holders = -1;
	pthread_mutex_unlock(rwsem_lock(s));
	return ok;
}

/**
 * down_read_interruptible - down_read() that gives up when interrupted
 * @s:		semaphore
 *
 * Return: 0 or -EINTR.
 */
int down_read_interruptible(struct rw_semaphore *s)
{
	if (signal_pending(current))
		return -EINTR;
	down_read(s);
	return 0;
}

/**
 * down_read_killable - down_read() that gives up when killed
 * @s:		semaphore
 *
 * Return: 0 or -EINTR.
 */
int down_read_killable(struct rw_semaphore *s)
{
	return down_read_interruptible(s);
}

/**
 * down_write_killable - down_write() that gives up when killed
 * @s:		semaphore
 *
 * Return: 0 or -EINTR.
 */
int down_write_killable(struct rw_semaphore *s)
{
	if (signal_pending(current))
		return -EINTR;
	down_write(s);
	return 0;
}

/* Called with shim_lock held, after the holders changed. */
static void rwsem_pass_on(struct rw_semaphore *s)
{
	if (s->shim_writers_waiting) {
		if (!s->shim_holders)
			pthread_cond_signal(rwsem_writers(s));
	} else {
		pthread_cond_broadcast(rwsem_readers(s));
	}
}

/**
 * up_read - leave as a reader
 * @s:		semaphore
 */
void up_read(struct rw_semaphore *s)
{
	pthread_mutex_lock(rwsem_lock(s));
	BUG_ON(s->shim_holders <= 0);
	s->shim_holders--;
	rwsem_pass_on(s);
	pthread_mutex_unlock(rwsem_lock(s));
}

/**
 * up_write - leave as the writer
 * @s:		semaphore
 */
void up_write(struct rw_semaphore *s)
{
	pthread_mutex_lock(rwsem_lock(s));
	BUG_ON(s->shim_holders != -1);
	s->shim_holders = 0;
	rwsem_pass_on(s);
	pthread_mutex_unlock(rwsem_lock(s));
}

/**
 * downgrade_write - the writer becomes a reader, with nobody in between
 * @s:		semaphore
 */
void downgrade_write(struct rw_semaphore *s)
{
	pthread_mutex_lock(rwsem_lock(s));
	BUG_ON(s->shim_holders != -1);
	s->shim_holders = 1;
	rwsem_pass_on(s);
	pthread_mutex_unlock(rwsem_lock(s));
}

/**
 * rwsem_is_locked - is anybody in?
 * @s:		semaphore
 */
int rwsem_is_locked(struct rw_semaphore *s)
{
	int held;

	pthread_mutex_lock(rwsem_lock(s));
	held = s->shim_holders != 0;
	pthread_mutex_unlock(rwsem_lock(s));
	return held;
}
