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
bool bch2_btree_node_read_pending(struct btree *b);
void bch2_btree_node_read_drop(struct btree *b);

u32 bch2_btree_node_sectors(const struct bch_fs *c);

struct bio *bch2_btree_node_bio(struct bch_dev *ca, blk_opf_t opf, u64 sector, void *buf,
				size_t bytes);

/*
 * One copy of a node as it is on the device, for tools that show it raw: reads
 * from pointer @ptr_idx of @k the whole node into @buf.
 */
int bch2_btree_node_read_copy(struct bch_fs *c, const struct bkey_i *k, unsigned ptr_idx,
			      void *buf, struct printbuf *err);

#endif /* _BCACHEFS_BTREE_READ_H */
