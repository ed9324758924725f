/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interior updates: changes of the shape of a btree, on their way from memory to
 * the journal (spec 21 section 11). Data declarations only.
 */
#ifndef _BCACHEFS_BTREE_INTERIOR_TYPES_H
#define _BCACHEFS_BTREE_INTERIOR_TYPES_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "bcachefs_format.h"
#include "alloc/alloc_types.h"
#include "journal/journal_types.h"

struct btree;

/* Two new nodes per level, and a root. */
#define BTREE_UPDATE_NODES_MAX	(BTREE_MAX_DEPTH * 2 + 1)
/* One old node per level, and two siblings. */
#define BTREE_UPDATE_OLD_MAX	(BTREE_MAX_DEPTH + 2)

/* Space for one node that an update may use; not part of any btree yet. */
struct btree_node_space {
	__BKEY_PADDED(key, BKEY_BTREE_PTR_VAL_U64s_MAX);
	struct open_bucket_refs	ob;
};

/* Leftovers of updates that did not come about. */
#define BTREE_RESERVE_CACHE	16

/* A node that an update takes out of the btree. */
struct btree_update_old {
	__BKEY_PADDED(key, BKEY_BTREE_PTR_VAL_U64s_MAX);
	struct btree		*b;		/* pinned until no write is in flight */
	u8			level;
	bool			fake;		/* had no space: nothing becomes free */
	bool			delete;		/* its position is not used again: a merge */
};

struct btree_update_new {
	struct btree		*b;		/* pinned */
	struct open_bucket_refs	ob;
	bool			root;
	bool			some_failed;	/* a device does not have it: .failed */
	unsigned long		failed[BITS_TO_LONGS(BCH_SB_MEMBERS_MAX)];
};

enum btree_update_state {
	BTREE_UPDATE_building,		/* private to its maker */
	BTREE_UPDATE_writing,		/* visible in memory; first writes not all durable */
	BTREE_UPDATE_ready,		/* waits for those before it (IU-6) */
};

/*
 * One interior update. Owned by its maker until it is on the list of pending
 * updates, then by the worker that completes it. Fields that say so are covered
 * by bch_fs_btree_interior.lock.
 */
struct btree_update {
	struct bch_fs		*c;
	struct list_head	list;		/* pending, in order of publication; .lock */
	int			state;		/* enum btree_update_state; .lock */
	int			error;		/* of a first write; .lock */
	u8			btree_id;
	atomic_t		nr_writing;	/* first writes not complete, and the maker */
	struct journal_entry_pin pin;

	/*
	 * The node that received the pointers and must not be written yet, pinned;
	 * NULL: a new root, or it was replaced by a later update. Under .lock.
	 */
	struct btree		*parent;
	struct list_head	parent_list;	/* parent->blocked_by; .lock */
	/*
	 * The later update that replaced .parent, and has the pointers in a new node:
	 * until it has committed it keeps this update's journal entry. Under .lock.
	 */
	struct btree_update	*heir;

	unsigned		nr_new;
	struct btree_update_new	new[BTREE_UPDATE_NODES_MAX];
	unsigned		nr_old;
	struct btree_update_old	old[BTREE_UPDATE_OLD_MAX];
};

struct bch_fs_btree_interior {
	/* Taken around commits of interior updates, outside node locks (spec 21 3.2). */
	struct mutex		commit_lock;
	struct mutex		lock;		/* inner lock: the lists and states */
	struct list_head	pending;	/* struct btree_update */
	unsigned		nr_pending;
	wait_queue_head_t	wait;		/* an update has ended */
	struct workqueue_struct	*wq;		/* ordered */
	struct work_struct	work;

	int			error;		/* an update has failed: all later ones do; .lock */

	/* Space and memory that attempts left behind, for the next ones; .lock */
	struct btree_node_space	reserve[BTREE_RESERVE_CACHE];
	unsigned		nr_reserve;
	struct btree		*mem[BTREE_RESERVE_CACHE];
	unsigned		nr_mem;

	/* Nodes to be rewritten when nobody waits for it. */
	struct list_head	rewrites;	/* struct btree_rewrite; .lock */
	unsigned		nr_rewrites;
	struct work_struct	rewrite_work;
	bool			initialized;
};

#endif /* _BCACHEFS_BTREE_INTERIOR_TYPES_H */
