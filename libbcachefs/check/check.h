/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Superblock copies, the topology of btrees, every key of every node. Topology is
 * repaired by the pass check_topology and only reported elsewhere; superblock copies
 * and nodes with damaged parts are written anew by a start that may write.
 */
#ifndef _BCACHEFS_CHECK_CHECK_H
#define _BCACHEFS_CHECK_CHECK_H

#include "bcachefs.h"

/* What was seen of one btree. */
struct bch_check_btree {
	bool			present;	/* has a root record */
	bool			fake;		/* empty, without a node on disk */
	int			root_error;
	u8			level;		/* of the root */
	u64			nodes[BTREE_MAX_DEPTH];	/* good ones */
	u64			keys[BTREE_MAX_DEPTH];	/* journal merged in */
	u64			bytes;		/* of the nodes' logs */
	u64			nr_dropped;	/* damaged keys left out */
	u64			nr_unreadable;	/* subtrees, or whole btree */
};

struct bch_check_summary {
	struct bch_check_btree	btrees[BTREE_ID_NR_MAX];
	u64			sb_copies;
	u64			sb_copies_bad;
	u64			nodes;
	u64			keys;
	u64			bytes;
	u64			nr_unreadable;
	u64			nr_dropped;
	u64			nr_topology;	/* errors of topology reported */
};

int bch2_check_topology(struct bch_fs *c);
int bch2_check_superblocks(struct bch_fs *c, struct bch_check_summary *s);
int bch2_check_btrees(struct bch_fs *c, struct bch_check_summary *s);

/* topology.c, for keys.c */
int bch2_check_btree_topology(struct bch_fs *c, unsigned btree, u64 *nr_errors);

void bch2_check_summary_to_text(struct printbuf *out, const struct bch_check_summary *s);

#endif /* _BCACHEFS_CHECK_CHECK_H */
