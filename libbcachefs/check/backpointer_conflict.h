/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two keys that claim the same space: for the files that decide it.
 */
#ifndef _BCACHEFS_CHECK_BACKPOINTER_CONFLICT_H
#define _BCACHEFS_CHECK_BACKPOINTER_CONFLICT_H

#include "btree/bkey_buf.h"
#include "check/backpointers.h"

/* A key, copied, and the device of the pointer that is in question. */
struct bp_claim {
	unsigned		btree;
	unsigned		level;
	unsigned		dev;
	struct bkey_buf		k;
};

/* Is what the pointer leads to not what the key says? 1, 0: it is, or nobody knows; error. */
int bch2_bp_claim_is_bad(struct bp_check *x, const struct bp_claim *cl);

/*
 * Both are right: make the space that they share an indirect extent. A restart when
 * that was done; 1: it cannot be done; 0: it may not; or an error.
 */
int bch2_bp_claims_share(struct bp_check *x, const struct bp_claim *k, const struct bp_claim *o);

#endif /* _BCACHEFS_CHECK_BACKPOINTER_CONFLICT_H */
