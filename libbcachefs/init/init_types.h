/* SPDX-License-Identifier: GPL-2.0 */
/*
 * State of a start: which passes are due, running, done. Data declarations only.
 */
#ifndef _BCACHEFS_INIT_TYPES_H
#define _BCACHEFS_INIT_TYPES_H

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "opts.h"

struct task_struct;

/*
 * Is the filesystem read-write, and who relies on it. refs is 0 while updates
 * from outside are refused; going read-write sets it to 1, going read-only gives
 * that one back and waits for the others.
 */
struct bch_fs_rw {
	struct mutex		state_lock;	/* one change of state at a time */
	atomic_t		refs;
	wait_queue_head_t	wait;		/* refs fell to 0 */
	struct work_struct	emergency_work;
	bool			initialized;
	bool			journal_running;	/* bch2_journal_start() has succeeded */
};

struct bch_fs_recovery {
	/* Bitmaps by run number (spec 12 section 8). */
	u64			passes_to_run;
	u64			passes_complete;
	u64			passes_failing;
	unsigned		curr_pass;
	u64			passes_selected; /* what this start set out to run */
	u64			passes_unavailable; /* due, but this version cannot run them */
	unsigned		rewound_to;	/* run number + 1, 0 = no rewind asked for */
	bool			running;
	bool			closed;		/* no pass of this start runs any more */
	bool			rerun_wanted;	/* what is due now can only run in the next start */
	/* Who runs the passes, where it may be interrupted; NULL: nobody. */
	struct task_struct	*task;
	/* Superblock state this start has decided on but not written. */
	u64			required_stable;
	u64			upgrade_stable;	/* passes that the change of version needs */
	unsigned		upgrade_from;	/* version; 0: it stays */
	u64			lost_data;	/* btrees */
	u64			lost_now;	/* those whose loss this start has met */
	bool			was_clean;	/* flag CLEAN when the superblock was read */
	bool			is_clean;	/* what is left of it: no replay is due */
	struct bch_opts		given;		/* options as the caller gave them, for messages */
	/* A clean section that is in use for roots and clocks; NULL otherwise. */
	struct bch_sb_field_clean *clean;
};

#endif /* _BCACHEFS_INIT_TYPES_H */
