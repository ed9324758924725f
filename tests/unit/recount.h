/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything that is derived from other keys, computed anew from an open
 * filesystem and compared with what is stored.
 */
#ifndef _TESTS_UNIT_RECOUNT_H
#define _TESTS_UNIT_RECOUNT_H

#include <stddef.h>

struct bch_fs;

/* What was compared, and where it differs; the first differences are printed. */
struct recount {
	size_t			buckets;
	size_t			counters;
	size_t			entries;	/* of index btrees */
	size_t			stripes;
	size_t			indirect;
	size_t			bad;
};

/* 0, or an error of the walk. @c is started; its keys are read only. */
int recount_check(struct bch_fs *c, struct recount *r);

#endif /* _TESTS_UNIT_RECOUNT_H */
