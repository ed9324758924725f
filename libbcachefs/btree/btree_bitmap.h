/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The regions of a member that hold, or held, btree nodes (spec 40 section 4.5):
 * a bitmap of 64 bits in its superblock entry.
 */
#ifndef _BCACHEFS_BTREE_BTREE_BITMAP_H
#define _BCACHEFS_BTREE_BTREE_BITMAP_H

#include "bcachefs.h"

/* Pure: sectors [@start, @end) in a bitmap of resolution 1 << @shift sectors. */
bool bch2_btree_bitmap_test(u8 shift, u64 bitmap, u64 start, u64 end);
void bch2_btree_bitmap_set(u8 *shift, u64 *bitmap, u64 start, u64 end);

/* Are all nodes that @k, a node pointer, points to in marked regions? Cheap. */
bool bch2_dev_btree_bitmap_marked(struct bch_fs *c, struct bkey_s_c k);
/* Mark them, in memory; c->sb_lock held. True: the superblock must be written. */
bool bch2_dev_btree_bitmap_mark_locked(struct bch_fs *c, struct bkey_s_c k);
/* The same with the superblock written, unless they were marked. Sleeps. */
int bch2_dev_btree_bitmap_mark(struct bch_fs *c, struct bkey_s_c k);

#endif /* _BCACHEFS_BTREE_BTREE_BITMAP_H */
