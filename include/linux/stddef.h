/* SPDX-License-Identifier: GPL-2.0 */
/* offsetof and friends. */
#ifndef _SHIM_LINUX_STDDEF_H
#define _SHIM_LINUX_STDDEF_H

#include_next <linux/stddef.h>
#include <stddef.h>
#include <linux/types.h>

#define sizeof_field(type, member)	sizeof(((type *) 0)->member)
#define offsetofend(type, member) \
	(offsetof(type, member) + sizeof_field(type, member))

/* Members that may also be named as one anonymous or tagged group. */
#define struct_group(name, ...)			__struct_group(, name, , __VA_ARGS__)
#define struct_group_tagged(tag, name, ...)	__struct_group(tag, name, , __VA_ARGS__)
#define struct_group_attr(name, attrs, ...)	__struct_group(, name, attrs, __VA_ARGS__)
#ifndef DECLARE_FLEX_ARRAY
#define DECLARE_FLEX_ARRAY(type, name)		__DECLARE_FLEX_ARRAY(type, name)
#endif

#endif /* _SHIM_LINUX_STDDEF_H */
