/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parts of set-fs-option. Private to c_src/cmd_set_fs_option.c and
 * c_src/set_option_scan.c.
 */
#ifndef _BCACHEFS_C_SRC_SET_OPTION_H
#define _BCACHEFS_C_SRC_SET_OPTION_H

#include "bcachefs.h"

/* What has to be looked at again after a change of options (73 section 9, 53 section 6). */
struct option_scans {
	bool			fs;		/* all data and metadata */
	bool			metadata;
	bool			pending;	/* work that could not be done */
	bool			stripes;
	struct bch_devs_mask	devs;		/* what is on these devices */
};

/* From one superblock to the next. */
struct option_scans option_scans_between(struct bch_sb *old, struct bch_sb *new_sb);

/*
 * Is the filesystem to be started, to leave requests there? False with a warning
 * if that is not possible.
 */
bool option_scans_wanted(struct bch_fs *c, const struct option_scans *s,
			 const char *passphrase_file);

/*
 * Starts the filesystem, which the caller has not got open, leaves the requests
 * there, and stops it. A warning if that does not succeed.
 */
void option_scans_request(char *const *args, unsigned nr, const char *passphrase_file,
			  const struct option_scans *s);

#endif /* _BCACHEFS_C_SRC_SET_OPTION_H */
