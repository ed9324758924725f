/* SPDX-License-Identifier: GPL-2.0 */
/* Reader-heavy locks; one plain rwsem serves here. */
#ifndef _SHIM_LINUX_PERCPU_RWSEM_H
#define _SHIM_LINUX_PERCPU_RWSEM_H

#include <linux/rwsem.h>

struct percpu_rw_semaphore {
	struct rw_semaphore	shim_sem;
};

static inline int percpu_init_rwsem(struct percpu_rw_semaphore *s)
{
	init_rwsem(&s->shim_sem);
	return 0;
}

static inline void percpu_free_rwsem(struct percpu_rw_semaphore *s)
{
	(void) s;
}

static inline void percpu_down_read(struct percpu_rw_semaphore *s)
{
	down_read(&s->shim_sem);
}

static inline bool percpu_down_read_trylock(struct percpu_rw_semaphore *s)
{
	return down_read_trylock(&s->shim_sem);
}

static inline void percpu_up_read(struct percpu_rw_semaphore *s)
{
	up_read(&s->shim_sem);
}

static inline void percpu_down_write(struct percpu_rw_semaphore *s)
{
	down_write(&s->shim_sem);
}

static inline void percpu_up_write(struct percpu_rw_semaphore *s)
{
	up_write(&s->shim_sem);
}

#endif /* _SHIM_LINUX_PERCPU_RWSEM_H */
