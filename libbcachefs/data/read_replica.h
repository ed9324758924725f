/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which copy of an extent to read next (spec 54 §2 steps 5, 6, 9). For the data
 * floor only.
 */
#ifndef _BCACHEFS_DATA_READ_REPLICA_H
#define _BCACHEFS_DATA_READ_REPLICA_H

#include "btree/extent_entries.h"
#include "data/extents.h"

struct bch_fs;

/* What has been tried on one pointer of a key. */
struct bch_replica_state {
	u8			retries;	/* checksum errors so far */
	bool			dead;		/* not to be read directly any more */
	bool			ec_dead;	/* not to be reconstructed any more */
};

/* A choice: one pointer, to be read directly or through its stripe. */
struct bch_replica {
	struct extent_ptr_decoded p;
	unsigned		idx;		/* in the array of states */
	bool			reconstruct;
};

struct bch_replica_choice {
	struct bch_replica_state state[BCH_BKEY_PTRS_MAX];
	/* What there was, for the error when nothing is left. */
	bool			saw_dirty;
	bool			saw_missing_dev;
	u8			missing_dev;
};

int bch2_ptr_stale(struct bch_fs *c, const struct bch_extent_ptr *ptr);
int bch2_replica_pick(struct bch_fs *c, struct bkey_s_c k, u64 spread,
		      struct bch_replica_choice *choice, struct bch_replica *r);

#endif /* _BCACHEFS_DATA_READ_REPLICA_H */
