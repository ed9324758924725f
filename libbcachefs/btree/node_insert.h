/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changing the keys of a node in memory (spec 21 section 9), and making new
 * nodes.
 *
 * The contents of a reachable node change only under its write lock; a node that
 * nobody else knows yet needs no lock. Positions of keys inside the node (bkey
 * pointers, indexes) are void after any function here that takes a non-const
 * node.
 */
#ifndef _BCACHEFS_BTREE_NODE_INSERT_H
#define _BCACHEFS_BTREE_NODE_INSERT_H

#include "bcachefs.h"
#include "btree/bkey.h"

/* Words of the node header, the first thing in every node buffer. */
#define BTREE_NODE_HEADER_U64s	(sizeof(struct btree_node) / sizeof(u64))

/* --- making nodes --- */

/* Words of keys a node can hold at most: "max" of spec 21 section 10.1. */
static inline unsigned bch2_btree_node_max_u64s(const struct bch_fs *c)
{
	return (c->opts.btree_node_size - sizeof(struct btree_node)) / sizeof(u64);
}

/*
 * An empty node, private to the caller, with a buffer for a whole node. @seq: as
 * in the pointer; @generation: 1 + the largest of the nodes it replaces, or 0.
 */
void bch2_btree_node_init_new(struct btree *b, enum btree_id btree, unsigned level,
			      struct bpos min, struct bpos max, struct bkey_format fmt, u64 seq,
			      u32 generation);
/* Append a live key; ascending positions. The caller has made sure that it fits. */
void bch2_btree_node_append_sorted(struct btree *b, struct bkey_s_c k);

/* The tightest format for the live keys of @b and its range (spec 20 6.3). */
struct bkey_format bch2_btree_calc_format(const struct btree *b);
/* The same, collected from several nodes, or from keys between two positions. */
void bch2_btree_node_format_add(struct bkey_format_state *s, const struct btree *b,
				struct bpos first, struct bpos last);
/* Words the live keys of @b take when packed with @fmt; an upper bound. */
unsigned bch2_btree_node_u64s_with_format(const struct btree *b, const struct bkey_format *fmt);
/* Do @u64s words of keys fit a first write? (spec 20 6.3: strictly less) */
bool bch2_btree_node_u64s_fit(const struct bch_fs *c, unsigned u64s);

/* Sectors the first write of @b will take: sectors_written of a new pointer. */
unsigned bch2_btree_node_first_write_sectors(const struct bch_fs *c, const struct btree *b);

/* --- inserting --- */

/* Words of live keys. */
static inline unsigned bch2_btree_node_live_u64s(const struct btree *b)
{
	return READ_ONCE(b->live_u64s);
}

/* Words that can still be inserted before the node must be split or compacted. */
unsigned bch2_btree_node_room_u64s(const struct bch_fs *c, const struct btree *b);
/*
 * Is there room for keys of @u64s words (unpacked, deletions 5 words each)? Exact
 * under the write lock, else a hint. False for nodes that need rewriting.
 */
bool bch2_btree_node_has_room(const struct bch_fs *c, const struct btree *b, unsigned u64s);

/* Make memory ready for what has_room() promises. Write lock held. */
void bch2_btree_node_prep_insert(struct bch_fs *c, struct btree *b);

/*
 * Insert @k (type deleted: delete what is there). Write lock held, prep_insert()
 * done, has_room() true; cannot fail. @journal_seq: guards and pins; 0: neither.
 */
void bch2_btree_node_insert_key(struct btree_trans *trans, struct btree *b,
				const struct bkey_i *k, u64 journal_seq);

/* Only the contents; node_insert.c. False: nothing changed. */
bool bch2_btree_node_insert_mem(struct btree *b, const struct bkey_i *k);

/* The next bset of @b must not be used without journal entry @seq (NW-4). */
static inline void bch2_btree_node_guard(struct btree *b, u64 seq)
{
	if (seq > b->unwritten_seq)
		b->unwritten_seq = seq;
}

/* Pin @seq on the current write slot, unless it pins an older one. */
void bch2_btree_node_pin_seq(struct bch_fs *c, struct btree *b, u64 seq);

/* A node as read becomes one that can be changed; by the reader of nodes. */
void bch2_btree_node_live_init(struct btree *b, u32 bytes);

/* node_compact.c: nothing but live keys, in a buffer of @words words. */
void bch2_btree_node_compact(struct btree *b, u32 words);

#endif /* _BCACHEFS_BTREE_NODE_INSERT_H */
