/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From superblocks to a filesystem: which devices belong together, which copy
 * is the newest, and are there enough of them (spec 10 section 13).
 *
 * Order of an open: bch2_read_super_err() for each device, bch2_fs_assemble(),
 * bch2_fs_attach_devices(), bch2_fs_may_start().
 */
#ifndef _BCACHEFS_SB_ASSEMBLE_H
#define _BCACHEFS_SB_ASSEMBLE_H

#include "bcachefs.h"

/*
 * Sorts out @sbs: afterwards sbs[0] is the authoritative superblock, *nr is
 * the number of handles left, and the handles that were dropped are freed.
 * Every drop is told in @msgs, one line per device.
 *
 * Returns 0, or an error that means that these devices cannot be one
 * filesystem; the reason is the last line of @msgs. The caller frees what is
 * left in @sbs in any case.
 */
int bch2_fs_assemble(struct bch_sb_handle *sbs, unsigned *nr, const struct bch_opts *opts,
		     struct printbuf *msgs);

/*
 * Makes @c->disk_sb, @c->sb and @c->devs[] from assembled superblocks; c->opts
 * are those of the caller, still without stored options. Handles whose device
 * is attached are moved to it (the handle is cleared). Call
 * bch2_fs_detach_devices() after success and after errors.
 */
int bch2_fs_attach_devices(struct bch_fs *c, struct bch_sb_handle *sbs, unsigned nr,
			   struct printbuf *msgs);
void bch2_fs_detach_devices(struct bch_fs *c);

/* Enough devices for option degraded? (spec 10 section 13.4) */
int bch2_fs_may_start(struct bch_fs *c, struct printbuf *msgs);

#endif /* _BCACHEFS_SB_ASSEMBLE_H */
