/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading btree nodes from devices (spec 20 section 11).
 *
 * One copy after the other is read and checked until one is good; if none is,
 * the copies are tried again with repair in memory, where the error policy
 * allows it (spec 32 section 11.3).
 */
#ifndef _BCACHEFS_BTREE_READ_H
#define _BCACHEFS_BTREE_READ_H

#include "bcachefs.h"

struct btree_node_io;

int bch2_btree_node_read(struct bch_fs *c, struct btree *b);
int bch2_btree_node_read_start(struct bch_fs *c, struct btree *b);
void bch2_btree_node_read_abort(struct bch_fs *c, struct btree *b);

/* One copy of a node as it is on the device, for tools that show it raw. */
int bch2_btree_node_read_copy(struct bch_fs *c, const struct bkey_i *k, unsigned ptr_idx,
			      void *buf, size_t bytes, struct printbuf *err);

#endif /* _BCACHEFS_BTREE_READ_H */
