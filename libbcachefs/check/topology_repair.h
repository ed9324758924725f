/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parts of topology repair (spec 21 section 15.3): topology_repair.c compares
 * children, topology_change.c changes pointers and roots.
 */
#ifndef _BCACHEFS_CHECK_TOPOLOGY_REPAIR_H
#define _BCACHEFS_CHECK_TOPOLOGY_REPAIR_H

#include "bcachefs.h"
#include "sb/errors_format.h"
#include "util/darray.h"

/* A child of an interior node, as its pointer and its header describe it. */
struct topology_child {
	struct bpos		min_key;
	struct bpos		max_key;
	u64			seq;
	u32			generation;
	__BKEY_PADDED(key, BKEY_BTREE_PTR_VAL_U64s_MAX);
};

typedef DARRAY(struct topology_child)	darray_child;

/* Repair of one btree. */
struct topology_repair {
	struct bch_fs		*c;
	unsigned		btree;
	bool			root_remade;	/* from what a search has found, or emptied */
	u64			nr_changes;
};

/* The node @r is about is to be taken out of its parent. */
#define TOPOLOGY_DROP_NODE	1

/* topology_change.c */
int topology_child_read(struct topology_repair *r, unsigned level, const struct bkey_i *k,
			struct topology_child *child, bool *lost);
int topology_child_remove(struct topology_repair *r, unsigned level, struct bpos pos);
int topology_child_set_range(struct topology_repair *r, unsigned level,
			     struct topology_child *child, struct bpos min, struct bpos max);
int topology_root_repair_range(struct topology_repair *r);
int topology_root_remake(struct topology_repair *r);
int topology_root_empty(struct topology_repair *r);
int topology_want_scan(struct topology_repair *r);
int topology_ask(struct topology_repair *r, enum bch_sb_error_id id, const struct btree *b,
		 const struct topology_child *prev, const struct topology_child *child,
		 struct bpos expected, const char *what);

#endif /* _BCACHEFS_CHECK_TOPOLOGY_REPAIR_H */
