/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What follows from a change of an inode key (spec 60 §3.5, §5).
 */
#ifndef _BCACHEFS_FS_INODE_TRIGGER_H
#define _BCACHEFS_FS_INODE_TRIGGER_H

#include "bcachefs.h"
#include "btree/bkey.h"

struct btree_trans;

int bch2_trigger_inode(struct btree_trans *trans, enum btree_id btree, unsigned int level,
		       struct bkey_s_c old, struct bkey_s new_key, unsigned int flags);

#endif /* _BCACHEFS_FS_INODE_TRIGGER_H */
