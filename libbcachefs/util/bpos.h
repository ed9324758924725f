/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Comparing and stepping positions and versions (spec 20 §2, §3).
 *
 * bpos_*() look at all three fields, bkey_*() ignore the snapshot. Pure
 * functions for every floor.
 */
#ifndef _BCACHEFS_UTIL_BPOS_H
#define _BCACHEFS_UTIL_BPOS_H

#include <linux/bug.h>
#include <linux/types.h>

#include "btree/bkey_format.h"

struct printbuf;

static inline int __bch2_cmp_u64(u64 l, u64 r)
{
	return (l > r) - (l < r);
}

/* --- order, with snapshot --- */

static inline bool bpos_eq(struct bpos l, struct bpos r)
{
	return l.inode == r.inode && l.offset == r.offset && l.snapshot == r.snapshot;
}

static inline bool bpos_lt(struct bpos l, struct bpos r)
{
	if (l.inode != r.inode)
		return l.inode < r.inode;
	if (l.offset != r.offset)
		return l.offset < r.offset;
	return l.snapshot < r.snapshot;
}

static inline bool bpos_le(struct bpos l, struct bpos r)
{
	return !bpos_lt(r, l);
}

static inline bool bpos_gt(struct bpos l, struct bpos r)
{
	return bpos_lt(r, l);
}

static inline bool bpos_ge(struct bpos l, struct bpos r)
{
	return !bpos_lt(l, r);
}

static inline int bpos_cmp(struct bpos l, struct bpos r)
{
	return __bch2_cmp_u64(l.inode, r.inode) ?:
		__bch2_cmp_u64(l.offset, r.offset) ?:
		__bch2_cmp_u64(l.snapshot, r.snapshot);
}

static inline struct bpos bpos_min(struct bpos l, struct bpos r)
{
	return bpos_lt(l, r) ? l : r;
}

static inline struct bpos bpos_max(struct bpos l, struct bpos r)
{
	return bpos_gt(l, r) ? l : r;
}

/* --- order, without snapshot --- */

static inline bool bkey_eq(struct bpos l, struct bpos r)
{
	return l.inode == r.inode && l.offset == r.offset;
}

static inline bool bkey_lt(struct bpos l, struct bpos r)
{
	return l.inode != r.inode ? l.inode < r.inode : l.offset < r.offset;
}

static inline bool bkey_le(struct bpos l, struct bpos r)
{
	return !bkey_lt(r, l);
}

static inline bool bkey_gt(struct bpos l, struct bpos r)
{
	return bkey_lt(r, l);
}

static inline bool bkey_ge(struct bpos l, struct bpos r)
{
	return !bkey_lt(l, r);
}

static inline int bkey_cmp(struct bpos l, struct bpos r)
{
	return __bch2_cmp_u64(l.inode, r.inode) ?: __bch2_cmp_u64(l.offset, r.offset);
}

static inline struct bpos bkey_min(struct bpos l, struct bpos r)
{
	return bkey_lt(l, r) ? l : r;
}

static inline struct bpos bkey_max(struct bpos l, struct bpos r)
{
	return bkey_gt(l, r) ? l : r;
}

/* --- neighbours --- */

/* Next position; SPOS_MAX has none: check before. */
static inline struct bpos bpos_successor(struct bpos p)
{
	if (!++p.snapshot && !++p.offset && !++p.inode)
		WARN_ON_ONCE(1);
	return p;
}

/* Previous position; POS_MIN has none: check before. */
static inline struct bpos bpos_predecessor(struct bpos p)
{
	if (!p.snapshot-- && !p.offset-- && !p.inode--)
		WARN_ON_ONCE(1);
	return p;
}

/* The same on (inode, offset), snapshot 0. */
static inline struct bpos bpos_nosnap_successor(struct bpos p)
{
	p.snapshot = 0;
	if (!++p.offset && !++p.inode)
		WARN_ON_ONCE(1);
	return p;
}

static inline struct bpos bpos_nosnap_predecessor(struct bpos p)
{
	p.snapshot = 0;
	if (!p.offset-- && !p.inode--)
		WARN_ON_ONCE(1);
	return p;
}

/* --- versions --- */

static inline int bversion_cmp(struct bversion l, struct bversion r)
{
	return __bch2_cmp_u64(l.hi, r.hi) ?: __bch2_cmp_u64(l.lo, r.lo);
}

static inline bool bversion_eq(struct bversion l, struct bversion r)
{
	return l.hi == r.hi && l.lo == r.lo;
}

static inline bool bversion_zero(struct bversion v)
{
	return !v.lo && !v.hi;
}

/* --- text --- */

void bch2_bpos_to_text(struct printbuf *out, struct bpos pos);
int bch2_parse_bpos(const char *str, struct bpos *pos);

#endif /* _BCACHEFS_UTIL_BPOS_H */
