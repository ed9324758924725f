/* SPDX-License-Identifier: GPL-2.0 */
/* The running thread. */
#ifndef _SHIM_ASM_CURRENT_H
#define _SHIM_ASM_CURRENT_H

struct task_struct;
struct task_struct *shim_current(void);
#define get_current()	shim_current()
#define current		get_current()

#endif /* _SHIM_ASM_CURRENT_H */
