/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Scopes in which allocations must not enter the filesystem; nothing does here, the state is
 * kept anyway.
 */
#ifndef _SHIM_LINUX_SCHED_MM_H
#define _SHIM_LINUX_SCHED_MM_H

#include <linux/gfp.h>
#include <linux/sched.h>

static inline unsigned int shim_pf_set(unsigned int bit)
{
	unsigned int was = current->flags & bit;

	current->flags |= bit;
	return was;
}

static inline void shim_pf_restore(unsigned int bit, unsigned int was)
{
	current->flags = (current->flags & ~bit) | was;
}

static inline unsigned int memalloc_nofs_save(void)
{
	return shim_pf_set(PF_MEMALLOC_NOFS);
}

static inline void memalloc_nofs_restore(unsigned int flags)
{
	shim_pf_restore(PF_MEMALLOC_NOFS, flags);
}

static inline unsigned int memalloc_noio_save(void)
{
	return shim_pf_set(PF_MEMALLOC_NOIO);
}

static inline void memalloc_noio_restore(unsigned int flags)
{
	shim_pf_restore(PF_MEMALLOC_NOIO, flags);
}

#endif /* _SHIM_LINUX_SCHED_MM_H */
