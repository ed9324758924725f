/* SPDX-License-Identifier: GPL-2.0 */
/* Messages, with the kernel's levels; where they go is the tool's choice (shim/log.h). */
#ifndef _SHIM_LINUX_PRINTK_H
#define _SHIM_LINUX_PRINTK_H

#include <linux/compiler_types.h>
#include <linux/types.h>

#define KERN_SOH	"\001"
#define KERN_EMERG	KERN_SOH "0"
#define KERN_ALERT	KERN_SOH "1"
#define KERN_CRIT	KERN_SOH "2"
#define KERN_ERR	KERN_SOH "3"
#define KERN_WARNING	KERN_SOH "4"
#define KERN_NOTICE	KERN_SOH "5"
#define KERN_INFO	KERN_SOH "6"
#define KERN_DEBUG	KERN_SOH "7"
#define KERN_DEFAULT	""
#define KERN_CONT	KERN_SOH "c"

int _printk(const char *fmt, ...) __printf(1, 2);
int vprintk(const char *fmt, va_list args) __printf(1, 0);
#define printk(fmt, ...)	_printk(fmt, ##__VA_ARGS__)
#define no_printk(fmt, ...) ({ \
	if (0) \
		_printk(fmt, ##__VA_ARGS__); \
	0; \
})

#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif
#define pr_emerg(fmt, ...)	printk(KERN_EMERG pr_fmt(fmt), ##__VA_ARGS__)
#define pr_alert(fmt, ...)	printk(KERN_ALERT pr_fmt(fmt), ##__VA_ARGS__)
#define pr_crit(fmt, ...)	printk(KERN_CRIT pr_fmt(fmt), ##__VA_ARGS__)
#define pr_err(fmt, ...)	printk(KERN_ERR pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn(fmt, ...)	printk(KERN_WARNING pr_fmt(fmt), ##__VA_ARGS__)
#define pr_notice(fmt, ...)	printk(KERN_NOTICE pr_fmt(fmt), ##__VA_ARGS__)
#define pr_info(fmt, ...)	printk(KERN_INFO pr_fmt(fmt), ##__VA_ARGS__)
#define pr_cont(fmt, ...)	printk(KERN_CONT fmt, ##__VA_ARGS__)
#define pr_debug(fmt, ...)	no_printk(KERN_DEBUG pr_fmt(fmt), ##__VA_ARGS__)

void dump_stack(void) __cold;

#define SHIM_PRINTK_ONCE(fn, fmt, ...) do { \
	static bool shim_once_; \
	if (!__atomic_exchange_n(&shim_once_, true, __ATOMIC_RELAXED)) \
		fn(fmt, ##__VA_ARGS__); \
} while (0)
#define pr_err_once(fmt, ...)		SHIM_PRINTK_ONCE(pr_err, fmt, ##__VA_ARGS__)
#define pr_warn_once(fmt, ...)		SHIM_PRINTK_ONCE(pr_warn, fmt, ##__VA_ARGS__)
#define pr_notice_once(fmt, ...)	SHIM_PRINTK_ONCE(pr_notice, fmt, ##__VA_ARGS__)

#endif /* _SHIM_LINUX_PRINTK_H */
