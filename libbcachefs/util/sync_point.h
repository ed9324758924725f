/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Named points at which a test can hold a thread, to force one interleaving of
 * several (spec 22 section 15.1). They do nothing, and cost nothing, unless the
 * build defines BCACHEFS_SYNC_POINTS; then the test binary provides the function
 * below. It may sleep, so a point stands only where a sleep can do no harm but
 * delay others.
 */
#ifndef _BCACHEFS_UTIL_SYNC_POINT_H
#define _BCACHEFS_UTIL_SYNC_POINT_H

struct bch_fs;

#ifdef BCACHEFS_SYNC_POINTS
struct bkey_i;

void __bch2_sync_point(struct bch_fs *c, const char *name, unsigned btree,
		       const struct bkey_i *k);

/* @_name without quotes: bch2_sync_point(c, commit_H5) */
#define bch2_sync_point(_c, _name)	__bch2_sync_point((_c), #_name, 0, NULL)
/* The same where one key is being worked on. */
#define bch2_sync_point_key(_c, _name, _btree, _k)				\
	__bch2_sync_point((_c), #_name, (_btree), (_k))
#else
#define bch2_sync_point(_c, _name)	do { (void) (_c); } while (0)
#define bch2_sync_point_key(_c, _name, _btree, _k)				\
	do { (void) (_c); } while (0)
#endif

#endif /* _BCACHEFS_UTIL_SYNC_POINT_H */
