/* SPDX-License-Identifier: GPL-2.0 */
/* Text of btree nodes: as they are in memory, and as they lie on a device. */
#ifndef _BCACHEFS_BTREE_NODE_TEXT_H
#define _BCACHEFS_BTREE_NODE_TEXT_H

#include "bcachefs.h"

void bch2_btree_node_to_text(struct printbuf *out, struct bch_fs *c, const struct btree *b);
int bch2_btree_node_ondisk_to_text(struct printbuf *out, struct bch_fs *c,
				   const struct bkey_i *k, unsigned level, unsigned btree,
				   unsigned ptr_idx);

#endif /* _BCACHEFS_BTREE_NODE_TEXT_H */
