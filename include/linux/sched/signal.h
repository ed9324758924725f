/* SPDX-License-Identifier: GPL-2.0 */
/* Requests to give up: the tool's Ctrl-C handler raises them (shim/shim.h). */
#ifndef _SHIM_LINUX_SCHED_SIGNAL_H
#define _SHIM_LINUX_SCHED_SIGNAL_H

#include <linux/sched.h>

int signal_pending(struct task_struct *t);
int fatal_signal_pending(struct task_struct *t);

#endif /* _SHIM_LINUX_SCHED_SIGNAL_H */
