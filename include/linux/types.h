/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel integer types on top of the system's UAPI header; glibc's own typedefs are respected,
 * see README.md.
 */
#ifndef _SHIM_LINUX_TYPES_H
#define _SHIM_LINUX_TYPES_H

#include_next <linux/types.h>
#include <linux/compiler_types.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdbool.h>

typedef __u8			u8;
typedef __u16			u16;
typedef __u32			u32;
typedef __u64			u64;
typedef __s8			s8;
typedef __s16			s16;
typedef __s32			s32;
typedef __s64			s64;

typedef u64			sector_t;
typedef unsigned int		gfp_t;
typedef unsigned int		fmode_t;
typedef unsigned int		blk_mode_t;
typedef unsigned short		umode_t;
typedef u64			dma_addr_t;
typedef unsigned long		pgoff_t;
typedef long long		time64_t;
typedef long long		ktime_t;

/* The names below are glibc's too: whoever comes first defines them. */
typedef long			loff_t;
#ifndef __dev_t_defined
typedef unsigned long		dev_t;
#define __dev_t_defined
#endif
#ifndef __ino_t_defined
typedef unsigned long		ino_t;
#define __ino_t_defined
#endif
#ifndef __mode_t_defined
typedef unsigned int		mode_t;
#define __mode_t_defined
#endif
#ifndef __off_t_defined
typedef long			off_t;
#define __off_t_defined
#endif
#ifndef __pid_t_defined
typedef int			pid_t;
#define __pid_t_defined
#endif
#ifndef __uid_t_defined
typedef unsigned int		uid_t;
#define __uid_t_defined
#endif
#ifndef __gid_t_defined
typedef unsigned int		gid_t;
#define __gid_t_defined
#endif
#ifndef __ssize_t_defined
typedef long			ssize_t;
#define __ssize_t_defined
#endif
typedef unsigned long		uintptr_t;
typedef unsigned char		uint8_t;
typedef unsigned short		uint16_t;
typedef unsigned int		uint32_t;

typedef struct { int counter; }	atomic_t;
typedef struct { s64 counter; }	atomic64_t;
typedef struct { long counter; } atomic_long_t;

struct list_head {
	struct list_head	*next, *prev;
};

struct hlist_node {
	struct hlist_node	*next, **pprev;
};

struct hlist_head {
	struct hlist_node	*first;
};

struct rcu_head {
	struct rcu_head		*next;
	void			(*func)(struct rcu_head *head);
};
#define callback_head		rcu_head

#define DECLARE_BITMAP(name, nbits) \
	unsigned long name[((nbits) + 8 * sizeof(long) - 1) / (8 * sizeof(long))]

#endif /* _SHIM_LINUX_TYPES_H */
