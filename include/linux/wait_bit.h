/* SPDX-License-Identifier: GPL-2.0 */
/* Waiting for a bit or a variable to change; hashed onto a few shared queues. */
#ifndef _SHIM_LINUX_WAIT_BIT_H
#define _SHIM_LINUX_WAIT_BIT_H

#include <linux/bitops.h>
#include <linux/wait.h>

struct wait_queue_head *bit_waitqueue(void *word, int bit);
void wake_up_bit(void *word, int bit);
void wake_up_var(void *var);

static inline struct wait_queue_head *__var_waitqueue(void *p)
{
	return bit_waitqueue(p, 0);
}

#define wait_on_bit(word, bit, mode) ({ \
	unsigned long *shim_w_ = (word); \
	int shim_b_ = (bit); \
	SHIM_WAIT_ERR(*bit_waitqueue(shim_w_, shim_b_), \
		      !test_bit_acquire(shim_b_, shim_w_), mode, 0); \
})
#define wait_on_bit_io(word, bit, mode)	wait_on_bit(word, bit, mode)
#define wait_on_bit_timeout(word, bit, mode, timeout) ({ \
	unsigned long *shim_w_ = (word); \
	int shim_b_ = (bit); \
	long shim_r_ = SHIM_WAIT_FAST(*bit_waitqueue(shim_w_, shim_b_), \
				      !test_bit_acquire(shim_b_, shim_w_), mode, 0, timeout); \
	shim_r_ > 0 ? 0 : shim_r_ ? (int) shim_r_ : -EAGAIN; \
})
#include <linux/errno.h>

static inline void clear_and_wake_up_bit(int bit, void *word)
{
	clear_bit_unlock(bit, word);
	smp_mb();
	wake_up_bit(word, bit);
}

#define wait_var_event(var, cond) \
	((void) SHIM_WAIT_FAST(*__var_waitqueue(var), cond, TASK_UNINTERRUPTIBLE, 0, \
			       MAX_SCHEDULE_TIMEOUT))
#define wait_var_event_timeout(var, cond, timeout) \
	SHIM_WAIT_FAST(*__var_waitqueue(var), cond, TASK_UNINTERRUPTIBLE, 0, timeout)
#define wait_var_event_killable(var, cond) \
	SHIM_WAIT_ERR(*__var_waitqueue(var), cond, TASK_KILLABLE, 0)

#endif /* _SHIM_LINUX_WAIT_BIT_H */
