/* SPDX-License-Identifier: GPL-2.0 */
/* Compile-time comparison of types. */
#ifndef _SHIM_LINUX_TYPECHECK_H
#define _SHIM_LINUX_TYPECHECK_H

#define typecheck(type, x) ({ \
	type shim_t_; \
	typeof(x) shim_x_; \
	(void) (&shim_t_ == &shim_x_); \
	1; \
})

#endif /* _SHIM_LINUX_TYPECHECK_H */
