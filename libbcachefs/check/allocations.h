/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The pass check_allocations (spec 43 §4): everything that uses space is counted
 * anew, key by key, and what was recorded - buckets, stripes, reference counts,
 * counters - is compared with that. Keys that cannot be counted are repaired first.
 */
#ifndef _BCACHEFS_CHECK_ALLOCATIONS_H
#define _BCACHEFS_CHECK_ALLOCATIONS_H

#include "bcachefs.h"

int bch2_check_allocations(struct bch_fs *c);

#endif /* _BCACHEFS_CHECK_ALLOCATIONS_H */
