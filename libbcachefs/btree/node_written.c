// SPDX-License-Identifier: GPL-2.0
/*
 * What follows from a node write for the pointer to the node (spec 21 section 9.4
 * step 2), and the set up of node writes with that.
 */
#include "bcachefs.h"
#include "btree/interior.h"
#include "btree/node_write.h"
#include "btree/node_write_types.h"

/* The pointer in the parent, or the root's description, learns of the new bset. */
static void old_node_written(struct btree_node_write *w)
{
	struct bch_fs *c = w->c;
	struct btree *b = w->b;
	int err = w->error;

	/* Replaced meanwhile: its interior update has its pins, nobody reads it again. */
	if (err || test_bit(BTREE_NODE_dying, &b->flags) || test_bit(BTREE_NODE_dead, &b->flags))
		return;
	err = bch2_btree_node_update_key_sectors(c, b, w->offset + w->sectors, &w->failed);
	if (err)
		bch2_btree_node_write_fatal(c, b, "cannot update its pointer", err);
}

static void node_written(struct btree_node_write *w)
{
	if (w->first)
		bch2_btree_update_node_written(w->c, w->b, w->error, &w->failed);
	else
		old_node_written(w);
}

/**
 * bch2_fs_btree_node_write_init - set up writing of nodes
 *
 * 0 or -ENOMEM; bch2_fs_btree_node_write_exit() is to be called in both cases.
 */
int bch2_fs_btree_node_write_init(struct bch_fs *c)
{
	return __bch2_fs_btree_node_write_init(c, node_written);
}
