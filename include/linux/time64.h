/* SPDX-License-Identifier: GPL-2.0 */
/* Seconds and nanoseconds. */
#ifndef _SHIM_LINUX_TIME64_H
#define _SHIM_LINUX_TIME64_H

#include <linux/types.h>

#define MSEC_PER_SEC	1000L
#define USEC_PER_MSEC	1000L
#define NSEC_PER_USEC	1000L
#define NSEC_PER_MSEC	1000000L
#define USEC_PER_SEC	1000000L
#define NSEC_PER_SEC	1000000000L
#define TIME64_MAX	((s64) ~((u64) 1 << 63))
#define TIME64_MIN	(-TIME64_MAX - 1)

struct timespec64 {
	time64_t	tv_sec;
	long		tv_nsec;
};

struct timespec64 ns_to_timespec64(s64 ns);
void set_normalized_timespec64(struct timespec64 *ts, time64_t sec, s64 nsec);

static inline s64 timespec64_to_ns(const struct timespec64 *ts)
{
	return (s64) ts->tv_sec * NSEC_PER_SEC + ts->tv_nsec;
}

static inline int timespec64_equal(const struct timespec64 *a, const struct timespec64 *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static inline int timespec64_compare(const struct timespec64 *a, const struct timespec64 *b)
{
	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	return a->tv_nsec < b->tv_nsec ? -1 : a->tv_nsec > b->tv_nsec;
}

static inline struct timespec64 timespec64_add(struct timespec64 a, struct timespec64 b)
{
	struct timespec64 r;

	set_normalized_timespec64(&r, a.tv_sec + b.tv_sec, (s64) a.tv_nsec + b.tv_nsec);
	return r;
}

static inline struct timespec64 timespec64_sub(struct timespec64 a, struct timespec64 b)
{
	struct timespec64 r;

	set_normalized_timespec64(&r, a.tv_sec - b.tv_sec, (s64) a.tv_nsec - b.tv_nsec);
	return r;
}

#endif /* _SHIM_LINUX_TIME64_H */
