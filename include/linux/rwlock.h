/* SPDX-License-Identifier: GPL-2.0 */
/* Reader/writer locks live with the spinlocks. */
#ifndef _SHIM_LINUX_RWLOCK_H
#define _SHIM_LINUX_RWLOCK_H

#include <linux/spinlock.h>

#endif /* _SHIM_LINUX_RWLOCK_H */
