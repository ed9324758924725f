/* SPDX-License-Identifier: GPL-2.0 */
/*
 * State of a start: which passes are due, running, done. Data declarations only.
 */
#ifndef _BCACHEFS_INIT_TYPES_H
#define _BCACHEFS_INIT_TYPES_H

#include <linux/types.h>

#include "opts.h"

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
	/* Superblock state this start has decided on but not written. */
	u64			required_stable;
	u64			lost_data;	/* btrees */
	bool			was_clean;	/* flag CLEAN when the superblock was read */
	bool			is_clean;	/* what is left of it: no replay is due */
	struct bch_opts		given;		/* options as the caller gave them, for messages */
	/* A clean section that is in use for roots and clocks; NULL otherwise. */
	struct bch_sb_field_clean *clean;
};

#endif /* _BCACHEFS_INIT_TYPES_H */
