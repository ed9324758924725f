/* SPDX-License-Identifier: GPL-2.0 */
/* Time in ticks. */
#ifndef _SHIM_LINUX_JIFFIES_H
#define _SHIM_LINUX_JIFFIES_H

#include <linux/types.h>
#include <linux/time64.h>

#define HZ	250

unsigned long shim_jiffies(void);
u64 get_jiffies_64(void);
#define jiffies		shim_jiffies()
#define jiffies_64	get_jiffies_64()

#define MAX_JIFFY_OFFSET	((LONG_MAX >> 1) - 1)
#include <linux/limits.h>

static inline unsigned long msecs_to_jiffies(const unsigned int m)
{
	return ((unsigned long) m * HZ + MSEC_PER_SEC - 1) / MSEC_PER_SEC;
}

static inline unsigned long usecs_to_jiffies(const unsigned int u)
{
	return ((unsigned long) u * HZ + USEC_PER_SEC - 1) / USEC_PER_SEC;
}

static inline unsigned long nsecs_to_jiffies(u64 n)
{
	return n / (NSEC_PER_SEC / HZ);
}

static inline unsigned int jiffies_to_msecs(const unsigned long j)
{
	return j * (MSEC_PER_SEC / HZ);
}

static inline u64 jiffies_to_nsecs(const unsigned long j)
{
	return (u64) j * (NSEC_PER_SEC / HZ);
}

#define time_after(a, b)	((long) ((b) - (a)) < 0)
#define time_before(a, b)	time_after(b, a)
#define time_after_eq(a, b)	((long) ((a) - (b)) >= 0)
#define time_before_eq(a, b)	time_after_eq(b, a)
#define time_is_before_jiffies(a) time_after(jiffies, a)
#define time_is_after_jiffies(a) time_before(jiffies, a)

#endif /* _SHIM_LINUX_JIFFIES_H */
