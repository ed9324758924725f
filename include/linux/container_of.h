/* SPDX-License-Identifier: GPL-2.0 */
/* From a member to the struct around it. */
#ifndef _SHIM_LINUX_CONTAINER_OF_H
#define _SHIM_LINUX_CONTAINER_OF_H

#include <linux/build_bug.h>
#include <linux/stddef.h>

#define container_of(ptr, type, member) \
	((type *) ((char *) (1 ? (ptr) : (typeof(((type *) 0)->member) *) 0) - \
		   offsetof(type, member)))
#define container_of_const(ptr, type, member) \
	_Generic((ptr), \
		 const typeof(((type *) 0)->member) *: \
			((const type *) ((const char *) (ptr) - offsetof(type, member))), \
		 default: ((type *) ((char *) (ptr) - offsetof(type, member))))
#define typeof_member(type, member)	typeof(((type *) 0)->member)

#endif /* _SHIM_LINUX_CONTAINER_OF_H */
