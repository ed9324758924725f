/* SPDX-License-Identifier: GPL-2.0 */
/*
 * State of the machinery that decides what happens to each error found
 * (spec 32). Data declarations only; functions are in sb/fsck_err.h.
 */
#ifndef _BCACHEFS_FSCK_ERR_TYPES_H
#define _BCACHEFS_FSCK_ERR_TYPES_H

#include <linux/mutex.h>
#include <linux/types.h>

struct bch_check_summary;
struct bch_fs;

/* Flags of one report; FSCK_AUTOFIX is also stored with the error id (spec 32 section 2). */
enum bch_fsck_flags {
	FSCK_CAN_FIX		= 1 << 0,
	FSCK_CAN_IGNORE		= 1 << 1,
	FSCK_AUTOFIX		= 1 << 2,
	FSCK_ERR_NO_LOG		= 1 << 3,
	FSCK_ERR_SILENT		= 1 << 4,
};

/* What is remembered per error id during one run. */
struct fsck_err_seen {
	u64			nr;		/* reports, also silent repeats */
	u64			nr_in_sb;	/* those that the superblock has */
	int			ret;		/* decision on the last message */
	char			answer;		/* 'Y' or 'N' for all of this id, 0 = ask */
	bool			ratelimited;
	char			*last_msg;	/* kmalloc'd */
};

struct bch_fsck_state {
	struct mutex		lock;		/* covers everything below */
	struct fsck_err_seen	*seen;		/* BCH_FSCK_ERR_MAX entries, kvmalloc'd */
	u64			nr_reported;
	u64			nr_fixed;
	u64			nr_not_fixed;
	/* Input ended: every further question is answered with "no". */
	bool			input_ended;

	/* Set by the tool before bch2_fs_start(); may be NULL. Called with lock held. */
	/*
	 * Ask the user: returns 'y', 'n', 'Y', 'N'; -EINTR: the check is to end; any other
	 * negative: no answer to this or any later question, of which it has told.
	 */
	int			(*ask)(struct bch_fs *c, const char *msg, const char *action);
	/* Listener, for machine-readable reports. ret is the decision. */
	void			(*report)(struct bch_fs *c, unsigned id, const char *msg, int ret);
	void			*priv;		/* the tool's */
	/* With option fsck: every key is looked at in the end, and counted here. */
	struct bch_check_summary *summary;
};

#endif /* _BCACHEFS_FSCK_ERR_TYPES_H */
