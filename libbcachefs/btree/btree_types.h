/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Btree nodes in memory, their cache, the roots, and iterators. Data
 * declarations only.
 */
#ifndef _BCACHEFS_BTREE_TYPES_H
#define _BCACHEFS_BTREE_TYPES_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rhashtable.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "bcachefs_format.h"

/* Root of one btree as known from the journal or the clean section. */
struct btree_root {
	struct btree		*b;		/* NULL: not read, or unreadable */
	/* Pointer to the root node; k.u64s == 0 means there is no record of a root. */
	__BKEY_PADDED(key, BKEY_BTREE_PTR_VAL_U64s_MAX);
	u8			level;
	bool			alive;		/* a root record exists */
	bool			fake;		/* empty, in memory only */
	int			error;		/* why the root could not be read */
};

#include "btree/node_types.h"
#include "btree/interior_types.h"
#include "btree/write_buffer_types.h"
#include "btree/key_cache_types.h"

/* How far those have come who walk btrees from end to end, for who wants to know. */
struct btree_walk {
	spinlock_t		lock;
	u8			btree;		/* the one entered last */
	u64			nr;		/* nodes of it since then */
	u64			total;		/* nodes of all btrees */
	struct bpos		pos;
};

struct bch_fs_btree {
	struct btree_root	roots[BTREE_ID_NR_MAX];
	struct btree_cache	cache;

	spinlock_t		root_lock;	/* covers roots[].b and the descriptions */
	/* Live transactions, for the deadlock detector; under trans_lock. */
	spinlock_t		trans_lock;
	struct list_head	trans_list;
	struct btree_walk	walk;
	struct mutex		lock_graph;	/* one detector walks at a time */
	u64			lock_walks;	/* under lock_graph */
	/* Tests: every so many lookups, allocations and commits restart; 0: none. */
	unsigned		restart_fault_every;
	atomic_t		restart_fault_count;
#ifdef CONFIG_BCACHEFS_TESTS
	/* Commits do not mark what buffered updates supersede (spec 22 11.2). */
	bool			test_no_overlay_sync;
	/* Commits mark before they can no longer fail (SY-2). */
	bool			test_mark_early;
	/* The overwrite lock is taken before node locks (SY-4, spec 22 11.8.3). */
	bool			test_overwrite_lock_outside;
	/* Interior updates do not pin what they supersede (spec 22 11.8.8). */
	bool			test_supersede_unpinned;
	/* Replay ends with an error when it begins. */
	bool			test_replay_fails;
	/* A flush adds what the btree has at every attempt (WB-7). */
	bool			test_accumulate_again;
#endif

	struct bch_fs_btree_node_writes writes;
	struct bch_fs_btree_write_buffer wb;
	struct bch_fs_btree_interior interior;
	struct btree_key_cache	key_cache;
};

#endif /* _BCACHEFS_BTREE_TYPES_H */
