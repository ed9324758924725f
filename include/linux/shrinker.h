/* SPDX-License-Identifier: GPL-2.0 */
/* Caches that give memory back when asked; shim_run_shrinkers() asks. */
#ifndef _SHIM_LINUX_SHRINKER_H
#define _SHIM_LINUX_SHRINKER_H

#include <linux/compiler_types.h>
#include <linux/types.h>

struct shrink_control {
	gfp_t			gfp_mask;
	int			nid;
	unsigned long		nr_to_scan;
	unsigned long		nr_scanned;
};

#define SHRINK_STOP		(~0UL)
#define SHRINK_EMPTY		(~0UL - 1)
#define DEFAULT_SEEKS		2

struct shrinker {
	unsigned long		(*count_objects)(struct shrinker *s, struct shrink_control *sc);
	unsigned long		(*scan_objects)(struct shrinker *s, struct shrink_control *sc);
	long			batch;
	int			seeks;
	unsigned int		flags;
	void			*private_data;
	struct list_head	list;
	char			*shim_name;
};

struct shrinker *shrinker_alloc(unsigned int flags, const char *fmt, ...) __printf(2, 3);
void shrinker_register(struct shrinker *s);
void shrinker_free(struct shrinker *s);

#endif /* _SHIM_LINUX_SHRINKER_H */
