/* SPDX-License-Identifier: GPL-2.0 */
/* Nanosecond clocks. */
#ifndef _SHIM_LINUX_KTIME_H
#define _SHIM_LINUX_KTIME_H

#include <linux/jiffies.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <linux/types.h>

#define KTIME_MAX	((s64) ~((u64) 1 << 63))

static inline ktime_t ktime_set(const s64 secs, const unsigned long nsecs)
{
	return secs * NSEC_PER_SEC + (s64) nsecs;
}

#define ktime_sub(a, b)		((a) - (b))
#define ktime_add(a, b)		((a) + (b))
#define ktime_add_ns(k, ns)	((k) + (ns))

static inline s64 ktime_to_ns(const ktime_t k)
{
	return k;
}

static inline ktime_t ns_to_ktime(u64 ns)
{
	return ns;
}

static inline ktime_t ms_to_ktime(u64 ms)
{
	return ms * NSEC_PER_MSEC;
}

static inline s64 ktime_to_us(const ktime_t k)
{
	return k / NSEC_PER_USEC;
}

static inline s64 ktime_to_ms(const ktime_t k)
{
	return k / NSEC_PER_MSEC;
}

static inline s64 ktime_ms_delta(const ktime_t later, const ktime_t earlier)
{
	return ktime_to_ms(later - earlier);
}

#endif /* _SHIM_LINUX_KTIME_H */
