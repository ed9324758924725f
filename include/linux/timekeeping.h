/* SPDX-License-Identifier: GPL-2.0 */
/* Reading the clocks. */
#ifndef _SHIM_LINUX_TIMEKEEPING_H
#define _SHIM_LINUX_TIMEKEEPING_H

#include <linux/types.h>
#include <linux/time64.h>

ktime_t ktime_get(void);
ktime_t ktime_get_real(void);
u64 ktime_get_ns(void);
u64 ktime_get_real_ns(void);
time64_t ktime_get_seconds(void);
time64_t ktime_get_real_seconds(void);
void ktime_get_real_ts64(struct timespec64 *ts);
void ktime_get_coarse_real_ts64(struct timespec64 *ts);
void ktime_get_ts64(struct timespec64 *ts);

#endif /* _SHIM_LINUX_TIMEKEEPING_H */
