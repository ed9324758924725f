/* SPDX-License-Identifier: GPL-2.0 */
/* The running thread, sleeping and waking. */
#ifndef _SHIM_LINUX_SCHED_H
#define _SHIM_LINUX_SCHED_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/current.h>

#define TASK_RUNNING		0x00
#define TASK_INTERRUPTIBLE	0x01
#define TASK_UNINTERRUPTIBLE	0x02
#define TASK_WAKEKILL		0x100
#define TASK_NOLOAD		0x400
#define TASK_FREEZABLE		0x2000
#define TASK_KILLABLE		(TASK_WAKEKILL | TASK_UNINTERRUPTIBLE)
#define TASK_IDLE		(TASK_UNINTERRUPTIBLE | TASK_NOLOAD)
#define TASK_NORMAL		(TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE)

#define PF_KTHREAD		0x00200000
#define PF_MEMALLOC_NOFS	0x00040000
#define PF_MEMALLOC_NOIO	0x00080000

#define TASK_COMM_LEN		16
#define MAX_SCHEDULE_TIMEOUT	LONG_MAX
#include <linux/limits.h>

struct shim_task;

struct task_struct {
	unsigned int		__state;
	unsigned int		flags;
	pid_t			pid;		/* of the thread */
	pid_t			tgid;		/* of the process */
	char			comm[TASK_COMM_LEN];
	void			*journal_info;
	struct shim_task	*shim;
};

#define set_current_state(s)	__atomic_store_n(&current->__state, (s), __ATOMIC_SEQ_CST)
#define __set_current_state(s)	WRITE_ONCE(current->__state, (s))
#define get_current_state()	READ_ONCE(current->__state)
#define task_pid_nr(t)		((t)->pid)

void schedule(void);
long schedule_timeout(long timeout);
long schedule_timeout_interruptible(long timeout);
long schedule_timeout_killable(long timeout);
long schedule_timeout_uninterruptible(long timeout);
void io_schedule(void);
long io_schedule_timeout(long timeout);
int wake_up_process(struct task_struct *t);
int wake_up_state(struct task_struct *t, unsigned int state);
void yield(void);


/* The host preempts by itself. */
static inline int cond_resched(void)
{
	return 0;
}

#define need_resched()		0

#endif /* _SHIM_LINUX_SCHED_H */
