/* SPDX-License-Identifier: GPL-2.0 */
/* The freezer never comes in user space. */
#ifndef _SHIM_LINUX_FREEZER_H
#define _SHIM_LINUX_FREEZER_H

#include <linux/sched.h>

#define set_freezable()		false
#define try_to_freeze()		false

#endif /* _SHIM_LINUX_FREEZER_H */
