/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transactions: the locks one thread holds on nodes through its iterators, and
 * the updates it wants to commit together (spec 21 sections 2, 6, 8). Data
 * declarations only: functions are in locking.h, iter.h, update.h and commit.h.
 *
 * A transaction belongs to one thread. Only .locks is looked at by others - by
 * the deadlock detector - under its own spinlock.
 */
#ifndef _BCACHEFS_BTREE_TRANS_TYPES_H
#define _BCACHEFS_BTREE_TRANS_TYPES_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "bcachefs_format.h"
#include "journal/journal_types.h"
#include "util/six_types.h"

struct bch_fs;
struct btree_iter;
struct btree_trans;
struct btree_update_entry;
struct disk_reservation;
struct six_lock_waiter;
struct trans_report;

/* --- what a transaction holds and waits for --- */

/* One lock held; repeated holds are counted. */
struct trans_held {
	void			*obj;		/* struct six_lock or struct mutex */
	u32			nr[3];		/* by six_lock_type; a mutex is intent */
	bool			mutex;
};

struct trans_locks {
	spinlock_t		lock;		/* covers this struct for other threads */
	struct trans_held	*held;
	unsigned		nr;
	unsigned		size;
	/* Waiting for: NULL, or what and in which mode. */
	void			*want;
	bool			want_mutex;
	enum six_lock_type	want_type;
	struct six_lock_waiter	*waiter;	/* how, for node locks */
	bool			must_abort;	/* chosen as victim of a cycle */
	bool			nofail;		/* may not be chosen */
	struct task_struct	*task;

	/* The walk of the detector, under bch_fs_btree.lock_graph. */
	u64			walk;		/* number of the walk that came here */
	void			*walk_want;	/* .want as it was then */
	struct btree_trans	*walk_from;	/* who waits for this one */
	struct list_head	walk_list;
};

/* Holds that need no memory of their own. */
#define TRANS_HELD_INLINE	16

/* --- memory that lives until the next begin --- */

struct trans_chunk {
	struct list_head	list;
	u32			used;		/* bytes of .data */
	u32			size;
	u64			data[];
};

/* --- pending updates --- */

/* Flags of an update (spec 21 section 6.1); share a word with triggers' flags. */
enum btree_update_flags {
	BTREE_UPDATE_internal_snapshot_node	= 1U << 0,
	BTREE_UPDATE_nojournal			= 1U << 1,
	BTREE_UPDATE_key_cache_reclaim		= 1U << 2,
	BTREE_UPDATE_overwrite_triggered	= 1U << 3,
	BTREE_UPDATE_set_needs_reconcile_done	= 1U << 4,

	BTREE_TRIGGER_norun			= 1U << 8,
	BTREE_TRIGGER_transactional		= 1U << 9,
	BTREE_TRIGGER_atomic			= 1U << 10,
	BTREE_TRIGGER_gc			= 1U << 11,
	BTREE_TRIGGER_insert			= 1U << 12,
	BTREE_TRIGGER_overwrite			= 1U << 13,
	BTREE_TRIGGER_check_repair		= 1U << 14,
	BTREE_TRIGGER_is_discard		= 1U << 15,
};

struct btree_update_entry {
	u32			flags;		/* enum btree_update_flags */
	u8			btree_id;
	u8			level;
	bool			cached;		/* goes to the key cache entry */
	bool			insert_trigger_run;
	bool			overwrite_trigger_run;
	bool			key_cache_already_flushed; /* its twin is journalled */
	struct btree_iter	*iter;		/* own iterator, intent locked at .level */
	struct bkey_i		*k;		/* new key, in the arena or the caller's */
	/* Commit: the leaf and its lock's number when everything was checked. */
	struct btree		*leaf;
	u32			leaf_seq;
	/* Key replaced, as seen through all sources but pending updates. */
	struct bkey		old_k;
	const struct bch_val	*old_v;
	/* Old value copied into the arena when locks may be dropped; .old_v points there. */
};

/* Called with the journal reservation held and all nodes write locked. */
struct btree_trans_commit_hook {
	struct btree_trans_commit_hook *next;
	int		(*fn)(struct btree_trans *trans, struct btree_trans_commit_hook *hook);
};

/* A growing array of words; in the arena of the transaction. */
struct trans_words {
	u64			*d;
	u32			nr;		/* words used */
	u32			size;
};

/*
 * Everything a commit needs to know besides the iterators. Emptied by begin and
 * by a successful commit.
 */
struct trans_commit_state {
	struct btree_update_entry *updates;	/* sorted: spec 21 section 6.1 */
	unsigned		nr_updates;
	unsigned		updates_size;
	/* Private journal entries: struct jset_entry one behind the other. */
	struct trans_words	entries;
	/* Accounting deltas: struct bkey_i one behind the other (spec 22 3.1.5). */
	struct trans_words	accounting;
	/* Words atomic triggers may append to .entries after the reservation (ND-4). */
	u32			extra_journal_u64s;
	u64			extra_disk_res;	/* sectors */
	struct btree_trans_commit_hook *hooks;

	/* Of the commit that runs. */
	struct journal_res	journal_res;
	u32			flags;		/* enum bch_trans_commit_flags */
	struct disk_reservation	*disk_res;
	u64			*journal_seq;	/* told to the caller; may be NULL */
	/* With no_journal_res: the number the leaf pins (and guards with). */
	u64			pin_seq;
	struct journal_entry_pin *journal_pin;	/* gets the commit's number; may be NULL */
};

/*
 * A reader's and writer's session: iterators and the nodes they pin and lock
 * belong to it. Used by one thread at a time.
 */
struct btree_trans {
	struct bch_fs		*c;
	struct list_head	list;		/* bch_fs_btree.trans_list */
	const char		*fn;		/* who began it, for messages and log entries */

	struct list_head	iters;
	unsigned		nr_iters;
	u64			nr_bad;		/* subtrees skipped (BTREE_ITER_skip_bad) */

	struct trans_locks	locks;
	struct trans_held	held_inline[TRANS_HELD_INLINE];
	/* Code of the restart that is due; 0: none. No call but begin is allowed then. */
	int			restarted;
	u32			restart_count;
	/*
	 * Age for fairness, ns: of the first wait since the last begin that followed no
	 * restart; 0: none yet.
	 */
	u64			start_time;
	u64			locked_since;	/* ns; 0: not looked at yet */
	bool			may_stop;	/* loops end when the start is interrupted */
	bool			relock;		/* paths remember locks that were dropped */
	bool			keep_reads;	/* all iterators are BTREE_ITER_keep */
	bool			has_kept;	/* some are BTREE_ITER_kept, in the arena */

	/* Latched by begin (spec 22 section 8.6): look at and mark the overlay. */
	bool			replay_unfinished;
	bool			overlay_ref;	/* holds a reference on the overlay */

	struct list_head	chunks;		/* arena: struct trans_chunk, newest first */

	u64			commit_count;	/* commits made, for the maybe-flush stamp */
	/* Errors reported by this attempt and those it repeats (fsck_err_trans.c). */
	struct trans_report	*reports;
	struct trans_commit_state s;
};

#endif /* _BCACHEFS_BTREE_TRANS_TYPES_H */
