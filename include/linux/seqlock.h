/* SPDX-License-Identifier: GPL-2.0 */
/* Readers that retry instead of locking. */
#ifndef _SHIM_LINUX_SEQLOCK_H
#define _SHIM_LINUX_SEQLOCK_H

#include <linux/atomic.h>
#include <linux/processor.h>
#include <linux/spinlock.h>

typedef struct seqcount {
	unsigned int	sequence;
} seqcount_t;

typedef struct {
	seqcount_t	seqcount;
	spinlock_t	lock;
} seqlock_t;

#define SEQCNT_ZERO(name)	{ 0 }
#define __SEQLOCK_UNLOCKED(name) { .seqcount = { 0 } }
#define DEFINE_SEQLOCK(name)	seqlock_t name = __SEQLOCK_UNLOCKED(name)

static inline void seqcount_init(seqcount_t *s)
{
	s->sequence = 0;
}

/* Waits until no writer is at work. */
static inline unsigned int read_seqcount_begin(const seqcount_t *s)
{
	unsigned int seq;

	while ((seq = smp_load_acquire(&s->sequence)) & 1)
		cpu_relax();
	return seq;
}

static inline int read_seqcount_retry(const seqcount_t *s, unsigned int start)
{
	smp_rmb();
	return READ_ONCE(s->sequence) != start;
}

/* The caller excludes other writers. */
static inline void write_seqcount_begin(seqcount_t *s)
{
	WRITE_ONCE(s->sequence, s->sequence + 1);
	smp_mb();
}

static inline void write_seqcount_end(seqcount_t *s)
{
	smp_store_release(&s->sequence, s->sequence + 1);
}

#define raw_write_seqcount_begin(s)	write_seqcount_begin(s)
#define raw_write_seqcount_end(s)	write_seqcount_end(s)

static inline void seqlock_init(seqlock_t *sl)
{
	seqcount_init(&sl->seqcount);
	spin_lock_init(&sl->lock);
}

static inline unsigned int read_seqbegin(const seqlock_t *sl)
{
	return read_seqcount_begin(&sl->seqcount);
}

static inline unsigned int read_seqretry(const seqlock_t *sl, unsigned int start)
{
	return read_seqcount_retry(&sl->seqcount, start);
}

static inline void write_seqlock(seqlock_t *sl)
{
	spin_lock(&sl->lock);
	write_seqcount_begin(&sl->seqcount);
}

static inline void write_sequnlock(seqlock_t *sl)
{
	write_seqcount_end(&sl->seqcount);
	spin_unlock(&sl->lock);
}

#endif /* _SHIM_LINUX_SEQLOCK_H */
