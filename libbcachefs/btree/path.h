/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From the root to a node: the part of iterators that knows nodes, their
 * children and the overlay, but nothing of snapshots or extents. Used by iter.c
 * and by nobody else.
 */
#ifndef _BCACHEFS_BTREE_PATH_H
#define _BCACHEFS_BTREE_PATH_H

#include "btree/iter.h"

int bch2_path_place(struct btree_iter *iter, struct bpos pos);
void bch2_path_drop(struct btree_iter *iter);

struct bkey_s_c bch2_path_next(struct btree_iter *iter, struct bpos search, struct bpos end);
struct bkey_s_c bch2_path_prev(struct btree_iter *iter, struct bpos search, struct bpos min);

#endif /* _BCACHEFS_BTREE_PATH_H */
