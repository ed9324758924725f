/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Btree nodes found by their contents, for repair of btrees whose pointers are
 * lost (spec 21 section 15.2).
 *
 * The table belongs to the thread that starts the filesystem; it is made once per
 * start, by the pass scan_for_btree_nodes.
 */
#ifndef _BCACHEFS_CHECK_NODE_SCAN_H
#define _BCACHEFS_CHECK_NODE_SCAN_H

#include "bcachefs.h"
#include "util/darray.h"

#define FOUND_NODE_COPIES_MAX	4

/* A node, or what of it no newer node covers. */
struct found_node {
	struct bpos		min_key;
	struct bpos		max_key;	/* inclusive */
	u64			cookie;		/* the seq of its bsets */
	u64			journal_seq;	/* largest guard */
	u32			generation;
	u16			sectors_written;
	u8			btree_id;
	u8			level;
	u8			nr_ptrs;
	bool			range_updated;	/* the range is not that of its header */
	bool			used;		/* inserted into a btree */
	struct bch_extent_ptr	ptrs[FOUND_NODE_COPIES_MAX];
};

typedef DARRAY(struct found_node)	darray_found;

/* Sorted by btree, level, position; disjoint within a level. */
struct found_nodes {
	darray_found		d;
};

int bch2_scan_for_btree_nodes(struct bch_fs *c);
void bch2_found_nodes_exit(struct bch_fs *c);

/* May a search find nodes of this btree? */
bool bch2_btree_scannable(unsigned btree);
bool bch2_found_any_leaf(struct bch_fs *c, unsigned btree);
bool bch2_found_newer(struct bch_fs *c, unsigned btree, const struct btree *b);
bool bch2_found_leaf_at(struct bch_fs *c, unsigned btree, u64 cookie, struct bpos pos,
			struct bpos *end);
int bch2_found_leaves_insert(struct bch_fs *c, unsigned btree, struct bpos start,
			     struct bpos end, const u64 *except, u64 *nr);

/* node_scan_table.c: pure functions of a table */
int bch2_found_nodes_merge(darray_found *d);
int bch2_found_nodes_resolve(const darray_found *in, darray_found *out);
void bch2_found_nodes_sort(darray_found *d);
size_t bch2_found_nodes_search(const darray_found *d, unsigned btree, unsigned level,
			       struct bpos pos);

#endif /* _BCACHEFS_CHECK_NODE_SCAN_H */
