/* SPDX-License-Identifier: GPL-2.0 */
/*
 * User space is always preemptible; code that forbids it must not rely on more than its own
 * locks.
 */
#ifndef _SHIM_LINUX_PREEMPT_H
#define _SHIM_LINUX_PREEMPT_H

#include <asm/barrier.h>

#define preempt_disable()	barrier()
#define preempt_enable()	barrier()
#define in_interrupt()		0
#define in_task()		1

#endif /* _SHIM_LINUX_PREEMPT_H */
