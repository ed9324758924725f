/* SPDX-License-Identifier: GPL-2.0 */
/* Assertions at run time: BUG ends the process with a backtrace, WARN prints one. */
#ifndef _SHIM_LINUX_BUG_H
#define _SHIM_LINUX_BUG_H

#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/types.h>

extern void shim_bug(const char *file, int line, const char *what) __noreturn __cold;
extern void shim_warn(const char *file, int line, const char *fmt, ...) __printf(3, 4) __cold;

#define BUG()		shim_bug(__FILE__, __LINE__, "BUG")
#define BUG_ON(cond) do { \
	if (unlikely(cond)) \
		shim_bug(__FILE__, __LINE__, #cond); \
} while (0)

#define WARN(cond, fmt, ...) ({ \
	bool shim_w_ = !!(cond); \
	if (unlikely(shim_w_)) \
		shim_warn(__FILE__, __LINE__, fmt, ##__VA_ARGS__); \
	unlikely(shim_w_); \
})
#define WARN_ON(cond)	WARN(cond, "%s", #cond)
#define WARN_ONCE(cond, fmt, ...) ({ \
	static bool shim_said_; \
	bool shim_o_ = !!(cond); \
	if (unlikely(shim_o_) && !__atomic_exchange_n(&shim_said_, true, __ATOMIC_RELAXED)) \
		shim_warn(__FILE__, __LINE__, fmt, ##__VA_ARGS__); \
	unlikely(shim_o_); \
})
#define WARN_ON_ONCE(cond)	WARN_ONCE(cond, "%s", #cond)

#endif /* _SHIM_LINUX_BUG_H */
