/* SPDX-License-Identifier: GPL-2.0 */
/* Checks at compile time. */
#ifndef _SHIM_LINUX_BUILD_BUG_H
#define _SHIM_LINUX_BUILD_BUG_H

#include <linux/compiler_types.h>

#ifndef static_assert
#define SHIM_SA_MSG(cond, msg, ...)	_Static_assert(cond, msg)
#define static_assert(cond, ...)	SHIM_SA_MSG(cond, ##__VA_ARGS__, #cond)
#endif

#define BUILD_BUG_ON_MSG(cond, msg)	_Static_assert(!(cond), msg)
#define BUILD_BUG_ON_ZERO(cond)		((int) (sizeof(struct { int : (-!!(cond)); })))
#define BUILD_BUG_ON_INVALID(cond)	((void) sizeof((long) (cond)))

/* Works for conditions that only the optimizer knows to be constant. */
#define SHIM_BB_PASTE(line)		shim_build_bug_on_##line
#define SHIM_BB_DECL(cond, line) do { \
	extern void SHIM_BB_PASTE(line)(void) \
		__attribute__((__error__("BUILD_BUG_ON failed"))); \
	if (cond) \
		SHIM_BB_PASTE(line)(); \
} while (0)
#define SHIM_BB_LINE(cond, line)	SHIM_BB_DECL(cond, line)
#define BUILD_BUG_ON(cond)		SHIM_BB_LINE(cond, __COUNTER__)
#define BUILD_BUG()			BUILD_BUG_ON(1)
#define BUILD_BUG_ON_NOT_POWER_OF_2(n) \
	BUILD_BUG_ON((n) == 0 || (((n) & ((n) - 1)) != 0))

#endif /* _SHIM_LINUX_BUILD_BUG_H */
