/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Check of pending background work (spec 53 §7): what keys record against what
 * their options ask for, and the indexes of it against the keys.
 */
#ifndef _BCACHEFS_CHECK_RECONCILE_H
#define _BCACHEFS_CHECK_RECONCILE_H

#include "bcachefs.h"
#include "btree/trans.h"
#include "btree/write_buffer.h"
#include "data/io_opts.h"
#include "data/reconcile_format.h"
#include "util/darray.h"

/* Recovery passes. 0, or why they could not go on. */
int bch2_check_reconcile_work(struct bch_fs *c);
int bch2_set_fs_needs_reconcile(struct bch_fs *c);

/* --- for the files of this check --- */

/* Options of an inode in a snapshot. */
struct reconcile_inode_version {
	u32			snapshot;
	bool			exists;
	struct bch_io_opts	opts;
};

struct reconcile_check {
	struct btree_trans	*trans;
	struct bch_fs		*c;
	struct wb_maybe_flush	wb;
	/* Of the walk that goes on: a btree and those that follow from it. */
	struct btree_iter	iters[RECONCILE_WORK_NR];

	u64			nodes_changed;	/* pointers to nodes, in this round */

	/* All versions of inode inum, ascending snapshot; 0: none loaded. */
	u64			inum;
	DARRAY(struct reconcile_inode_version) versions;
};

/* reconcile_opts.c */
int bch2_reconcile_check_opts(struct reconcile_check *x, unsigned btree, struct bkey_s_c k,
			      struct bch_io_opts *opts);
int bch2_reconcile_check_explained(struct reconcile_check *x, unsigned btree, unsigned level,
				   struct bkey_s_c k, unsigned new_need);
int bch2_reconcile_check_data_key(struct reconcile_check *x, unsigned btree, struct bkey_s_c k);

/* reconcile_nodes.c */
int bch2_reconcile_check_nodes(struct reconcile_check *x);
int bch2_reconcile_check_node_entries(struct reconcile_check *x);

/* reconcile_phys.c */
int bch2_reconcile_check_phys(struct reconcile_check *x);

#endif /* _BCACHEFS_CHECK_RECONCILE_H */
