/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writing nodes (spec 20 section 14, 21 section 9.3 to 9.5).
 *
 * A write takes what is unwritten out of the node while the node is read locked,
 * into a buffer of its own; encoding, I/O and what follows happen on workers, so
 * nobody submits I/O with a node lock held (LK-6).
 */
#ifndef _BCACHEFS_BTREE_NODE_WRITE_H
#define _BCACHEFS_BTREE_NODE_WRITE_H

#include "bcachefs.h"
#include "btree/bkey.h"

/* Why a node was written, for statistics. */
#define BTREE_WRITE_TYPES(x)		\
	x(0, initial)			\
	x(1, init_next_bset)		\
	x(2, cache_reclaim)		\
	x(3, journal_reclaim)		\
	x(4, interior)

enum btree_write_type {
#define x(nr, name)	BTREE_WRITE_##name = nr,
	BTREE_WRITE_TYPES(x)
#undef x
	BTREE_WRITE_TYPE_NR,
};

enum btree_write_flags {
	/* Only if somebody wanted it earlier and something was in the way. */
	BTREE_WRITE_only_if_need	= 1U << 0,
};

int bch2_fs_btree_node_write_init(struct bch_fs *c);
/* No write may be in flight: bch2_btree_flush_all_writes() or cancel before. */
void bch2_fs_btree_node_write_exit(struct bch_fs *c);

/* The node has changes to write; takes a pin on it. Idempotent. */
void bch2_btree_node_set_dirty(struct bch_fs *c, struct btree *b);

/*
 * Start writing @b if something is unwritten and nothing is in the way (9.3);
 * else remember that it is wanted. @b is read or intent locked, or private. Does
 * not wait for I/O.
 */
void bch2_btree_node_write(struct bch_fs *c, struct btree *b, enum btree_write_type type,
			   unsigned flags);
/* The same for users of a transaction; submission is never done under their locks. */
static inline void bch2_trans_queue_node_write(struct btree_trans *trans, struct btree *b,
					       enum btree_write_type type)
{
	bch2_btree_node_write(trans->c, b, type, 0);
}
/* Lock @b and start a write that was put off; no locks held. */
void bch2_btree_node_write_if_needed(struct bch_fs *c, struct btree *b);

/* Wait until no write of @b is in flight, its completion included. 0. */
int bch2_btree_node_write_wait(struct bch_fs *c, struct btree *b);

/* Wait until no node write is in flight. */
void bch2_btree_flush_all_writes(struct bch_fs *c);
bool bch2_btree_writes_pending(struct bch_fs *c);
/* Start writing every dirty node that may be written; true if one was started. */
bool bch2_btree_write_all_dirty(struct bch_fs *c);
/* The journal is dead: forget what is unwritten, drop pins (spec 21 9.6). */
void bch2_btree_cancel_all_dirty(struct bch_fs *c);
/*
 * A node that is not to be written any more: an old node of an interior update,
 * which has copied its pins. Write locked.
 */
void bch2_btree_node_clear_dirty(struct bch_fs *c, struct btree *b);

/* --- flags that delay writes (9.5); b write locked or private --- */

static inline void bch2_btree_node_block_write(struct btree *b)
{
	if (!b->nr_blocked++)
		set_bit(BTREE_NODE_write_blocked, &b->flags);
}

/* The caller starts the write that may have waited: write_if_needed(). */
static inline void bch2_btree_node_unblock_write(struct btree *b)
{
	if (!--b->nr_blocked)
		clear_bit(BTREE_NODE_write_blocked, &b->flags);
}

#endif /* _BCACHEFS_BTREE_NODE_WRITE_H */
