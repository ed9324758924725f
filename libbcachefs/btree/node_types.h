/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Btree nodes in memory, the cache that holds them, and the objects that walk
 * them. Data declarations only: functions are in node.h, cache.h, read.h and
 * iter.h.
 *
 * A node in memory is the log it is on disk - header, then bsets - plus an
 * index: the word offsets of its live keys in ascending order. Reading a node
 * checks every bset and builds the index; after that the log and the index are
 * constant while the read side alone exists, so readers need only a reference
 * that keeps the node from being evicted.
 */
#ifndef _BCACHEFS_BTREE_NODE_TYPES_H
#define _BCACHEFS_BTREE_NODE_TYPES_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

#include "bcachefs_format.h"
#include "btree/trans_types.h"

struct bch_fs;

/*
 * How to take the six fields out of a packed key: for field i,
 * ((w[lo[i]] >> shift[i]) | (w[hi[i]] << (64 - shift[i]))) & mask[i], plus
 * offset[i]. Computed once per node from its struct bkey_format.
 */
struct bkey_unpacker {
	u8			key_u64s;
	u8			lo[BKEY_NR_FIELDS];
	u8			hi[BKEY_NR_FIELDS];
	u8			shift[BKEY_NR_FIELDS];
	u64			mask[BKEY_NR_FIELDS];
	u64			offset[BKEY_NR_FIELDS];
};

/* Life of a cached node; goes up only. Changes under btree.lock. */
enum btree_node_state {
	BTREE_NODE_new,		/* in the hash table, not read, perhaps being read */
	BTREE_NODE_ready,	/* checked and indexed */
	BTREE_NODE_failed,	/* no usable copy; btree.error says why */
};

/* Bits of btree.flags, atomic bitops */
enum btree_node_flag {
	BTREE_NODE_accessed,		/* used since the clock hand last passed */
	BTREE_NODE_fake,		/* empty root in memory only */
	BTREE_NODE_need_rewrite,	/* damaged, repaired in memory, or a copy is bad */
	BTREE_NODE_permanent,		/* a root: never evicted */
	/* --- live core (spec 21 section 9) --- */
	BTREE_NODE_dead,		/* taken out of the tree: never lock it again */
	BTREE_NODE_dirty,		/* has unwritten changes; holds a pin */
	BTREE_NODE_need_write,		/* write as soon as nothing is in the way */
	BTREE_NODE_write_in_flight,
	BTREE_NODE_write_blocked,	/* nr_blocked is not 0 */
	BTREE_NODE_will_make_reachable,	/* new node of an unfinished interior update */
	BTREE_NODE_never_write,		/* NW-3 */
	BTREE_NODE_dying,		/* replaced: its interior update has its pins */
	BTREE_NODE_filling,		/* somebody reads it, or begins to: bit lock */
};

/* What a write of a node keeps pinned until it is complete; two of them alternate. */
struct btree_write {
	struct journal_entry_pin pin;
};

struct btree_update;

/* Keys that did not survive reading, for reports. */
struct btree_node_read_stats {
	u32			keys_packed;
	u32			keys_unpacked;
	u32			keys_dropped;	/* damaged ones */
	u16			bsets;		/* used ones */
};

struct btree {
	/* --- identity; constant while in the hash table --- */
	u64			hash_val;	/* spec 21 section 4 */
	u8			btree_id;
	u8			level;

	/* --- cache bookkeeping, under btree_cache.lock --- */
	struct list_head	hash_list;
	struct list_head	lru;
	u64			accounted;	/* bytes counted for this node */
	atomic_t		pins;		/* users; from 0 to 1 under the lock only */

	unsigned long		flags;		/* enum btree_node_flag */
	/* --- contents: under .six once state is ready; before, BTREE_NODE_filling --- */
	int			state;		/* enum btree_node_state; store-release */
	int			error;		/* state failed: why */

	/* Pointer to the node; changes under .six and the cache's lock. */
	__BKEY_PADDED(key, BKEY_BTREE_PTR_VAL_U64s_MAX);

	/* Range, inclusive; from the header, or the pointer if range_updated. */
	struct bpos		min_key;
	struct bpos		max_key;
	struct bkey_format	format;
	struct bkey_unpacker	unpack;

	/* The log: bytes valid, plus at least 8 readable ones. */
	struct btree_node	*data;
	u32			bytes;		/* of the log */
	u32			buf_bytes;	/* allocated */

	/* Live keys: offsets from data in words, ascending position. */
	u16			*idx;
	u32			nr_keys;
	u32			live_u64s;	/* words of live keys */

	u64			seq;		/* bset seq: identity of the node */
	u64			journal_seq;	/* largest guard */
	u32			generation;
	u16			written;	/* sectors used by the bsets */
	struct btree_node_read_stats stats;

	/*
	 * --- live core ---
	 * The log is a heap of words: what is on disk in front, newer keys behind.
	 */
	struct six_lock		six;		/* covers the contents */
	u32			written_words;	/* keys at offsets below are in written bsets */
	u32			heap_words;	/* used words of the buffer */
	u32			idx_size;	/* entries there is room for */
	u16			*wh_idx;	/* whiteouts owed to disk, as idx */
	u32			nr_wh;
	u32			wh_size;
	u32			unwritten_u64s;	/* words of unwritten live keys and whiteouts */
	u64			unwritten_seq;	/* guard of the next bset: NW-4 */
	struct btree_write	writes[2];
	u8			write_slot;	/* which of writes[] new changes pin */
	u16			nr_blocked;	/* interior updates that block writing */
	u32			sib_u64s[2];	/* merge estimates, previous and next; ~0: never */
	/* Interior update this new node belongs to, under its lock. */
	struct btree_update	*update;
	struct list_head	blocked_by;	/* updates whose parent node this is */
	struct list_head	write_list;	/* bch_fs_btree_node_writes.dirty */

	/* Read in flight; under BTREE_NODE_filling, or the cache's lock when not pinned. */
	struct btree_node_io	*io;
};

#define BTREE_CACHE_HASH_BITS	12

struct btree_cache {
	struct mutex		lock;		/* covers everything below */
	struct list_head	*hash;		/* 1 << BTREE_CACHE_HASH_BITS heads */
	struct list_head	clock;		/* evictable nodes, hand at the front */
	u64			bytes;		/* logs and indexes of all nodes */
	u64			bytes_max;
	u64			prefetch_bytes;	/* read ahead by one iterator */
	size_t			nr_nodes;

	/* Spare room to sort keys in; one is enough for a single reader. */
	struct btree_node_scratch *scratch;

	/* Counted for reports. */
	u64			nr_reads;
	u64			nr_prefetched;
	u64			nr_evicted;
	u64			nr_failed;
	u64			read_bytes;
	bool			initialized;
};

/* --- walking --- */

/* One node on the way from the root to an iterator's level. */
struct btree_path_level {
	struct btree		*b;		/* pinned; NULL: none */
	s8			lock;		/* enum six_lock_type held, -1: none */
	s8			relock;		/* what was held when locks were dropped; -1 */
	bool			at_valid;	/* .at is the position of key .idx */
	u32			lock_seq;	/* of b->six, as of the last time it was held */
	u32			idx_seq;	/* of b->six: .idx, .at and .ahead are valid for */
	u32			idx;		/* first live key not before the position */
	u32			ahead;		/* children before this one are being read */
	struct bpos		at;
};

/* Why a walk could not go on, and what it would have to leave out. */
struct btree_iter_bad {
	int			error;		/* 0: nothing bad */
	u8			level;		/* of the node that is bad */
	struct bpos		start;		/* first position not readable */
	struct bpos		end;		/* last one */
};

struct btree_iter {
	struct btree_trans	*trans;		/* NULL: not initialised */
	struct list_head	list;		/* btree_trans.iters */
	u32			flags;		/* enum btree_iter_flags */
	u8			btree_id;
	u8			level;		/* of the keys, or nodes, returned */
	u8			locks_want;	/* levels below are locked with intent */
	u8			root_level;	/* where the path begins */
	bool			at_end;		/* no position is left in this direction */

	struct bpos		pos;		/* where the iterator is */
	u32			snapshot;	/* the view, with filter_snapshots */
	struct bpos		skip_to;	/* keys before this are not looked for */

	struct btree_path_level	path[BTREE_MAX_DEPTH];
	size_t			overlay_idx;	/* hint into the overlay */
	struct btree_iter_bad	bad;

	/* Entry of the key cache the last key is from, pinned; NULL: none. */
	struct bkey_cached	*ck;
	s8			ck_lock;	/* as btree_path_level.lock */
	s8			ck_relock;
	u32			ck_seq;		/* of ck->six */

	struct bkey		k;		/* last key returned */
	struct bkey		unpacked;	/* last key found, not filtered yet */

	/* Answer to the last question for an ancestor. */
	u32			anc_id;
	u32			anc_of;
	bool			anc_res;
};

#endif /* _BCACHEFS_BTREE_NODE_TYPES_H */
