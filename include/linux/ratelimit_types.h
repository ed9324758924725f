/* SPDX-License-Identifier: GPL-2.0 */
/* State of a message rate limit. */
#ifndef _SHIM_LINUX_RATELIMIT_TYPES_H
#define _SHIM_LINUX_RATELIMIT_TYPES_H

#include <linux/jiffies.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#define DEFAULT_RATELIMIT_INTERVAL	(5 * HZ)
#define DEFAULT_RATELIMIT_BURST		10

struct ratelimit_state {
	spinlock_t		lock;
	int			interval;	/* jiffies */
	int			burst;
	int			printed;
	int			missed;
	unsigned long		begin;
	unsigned long		flags;
};

#define RATELIMIT_STATE_INIT(name, interval_init, burst_init) \
	{ .interval = (interval_init), .burst = (burst_init) }
#define DEFINE_RATELIMIT_STATE(name, interval_init, burst_init) \
	struct ratelimit_state name = RATELIMIT_STATE_INIT(name, interval_init, burst_init)

int ___ratelimit(struct ratelimit_state *rs, const char *func);
#define __ratelimit(rs)		___ratelimit((rs), __func__)

#endif /* _SHIM_LINUX_RATELIMIT_TYPES_H */
