/* SPDX-License-Identifier: GPL-2.0 */
/* Sleeping for a fixed time. */
#ifndef _SHIM_LINUX_DELAY_H
#define _SHIM_LINUX_DELAY_H

#include <linux/types.h>

void msleep(unsigned int msecs);
void usleep_range(unsigned long min, unsigned long max);
void ssleep(unsigned int seconds);
void udelay(unsigned long usecs);

#endif /* _SHIM_LINUX_DELAY_H */
