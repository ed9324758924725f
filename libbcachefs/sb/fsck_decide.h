/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The decision about an error as a function of nothing but its arguments, for
 * sb/fsck_err.c and tests (spec 32 section 4).
 */
#ifndef _BCACHEFS_SB_FSCK_DECIDE_H
#define _BCACHEFS_SB_FSCK_DECIDE_H

#include <linux/types.h>

#include "opts.h"

struct printbuf;

/* Everything that a decision depends on. */
struct fsck_query {
	unsigned	flags;		/* enum bch_fsck_flags, those of the id included */
	bool		in_fsck;
	bool		nochanges;
	u8		fix_errors;	/* enum fsck_err_opts */
	u8		errors;		/* enum bch_error_actions */
	char		answer;		/* 'Y' or 'N' given for this id before, or 0 */
};

/* How the decision is worded behind the message. */
enum fsck_say {
	FSCK_SAY_nothing,
	FSCK_SAY_doing,			/* ", fixing" */
	FSCK_SAY_not_doing,		/* ", not fixing" */
	FSCK_SAY_continuing,
	FSCK_SAY_shutting_down,
	FSCK_SAY_exiting,
	FSCK_SAY_unimplemented,
};

struct fsck_verdict {
	int		ret;
	enum fsck_say	say;
	bool		halt;		/* fsck ends here */
	bool		inconsistent;	/* react as to an inconsistency */
	bool		printed;	/* the question was the report */
};

struct fsck_verdict bch2_fsck_decide(const struct fsck_query *);
void bch2_fsck_decide_ignore(const struct fsck_query *, struct fsck_verdict *);
int bch2_fsck_decide_preview(const struct fsck_query *);
const char *bch2_fsck_split_action(char *msg);
void bch2_fsck_lines_to_text(struct printbuf *, const char *msg);
void bch2_fsck_verdict_to_text(struct printbuf *, const char *msg, const char *action,
			       unsigned flags, const struct fsck_verdict *);

#endif /* _BCACHEFS_SB_FSCK_DECIDE_H */
