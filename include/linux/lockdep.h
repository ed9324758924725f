/* SPDX-License-Identifier: GPL-2.0 */
/* Lock checking: the sanitizers do it here, so the names only evaluate their argument. */
#ifndef _SHIM_LINUX_LOCKDEP_H
#define _SHIM_LINUX_LOCKDEP_H

#include <linux/types.h>

struct lock_class_key { char shim_unused; };
struct lockdep_map { char shim_unused; };

#define lockdep_assert(cond)			((void) 0)
#define lockdep_assert_held(l)			((void) (l))
#define lockdep_assert_held_write(l)		((void) (l))
#define lockdep_assert_held_read(l)		((void) (l))
#define lockdep_assert_not_held(l)		((void) (l))
#define lockdep_set_class(l, k)			((void) (l), (void) (k))
#define lockdep_set_novalidate_class(l)		((void) (l))
#define lockdep_init_map(m, name, key, sub)	((void) (m), (void) (key))

#endif /* _SHIM_LINUX_LOCKDEP_H */
