/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Opening and starting a filesystem for a command.
 */
#ifndef _BCACHEFS_TOOLS_OPEN_H
#define _BCACHEFS_TOOLS_OPEN_H

#include "opts.h"

struct bch_fs;

/* What the commands that only read have in common (Documentation/format/70 section 6). */
void tools_read_only_opts(struct bch_opts *opts);

/*
 * Makes the key of an encrypted filesystem known to this process: from the
 * keyrings, from @passphrase_file if not NULL, or by asking. Nothing is done for
 * filesystems that need none. Returns 0, or negative after a message.
 */
int tools_unlock_for_process(char *const *paths, unsigned nr, const struct bch_opts *opts,
			     const char *passphrase_file);

/*
 * Expands device names, unlocks, opens and starts. NULL: a message was printed.
 * To be given to bch2_fs_stop().
 */
struct bch_fs *tools_open_fs(char *const *args, unsigned nr, struct bch_opts *opts,
			     const char *passphrase_file);

/* The same without starting: bch2_fs_start() is up to the caller. */
struct bch_fs *tools_open_fs_nostart(char *const *args, unsigned nr, struct bch_opts *opts,
				     const char *passphrase_file);

/* Open what this process has opened before: the key is known. NULL after a message. */
struct bch_fs *tools_open_fs_again(char *const *args, unsigned nr, struct bch_opts *opts);

/*
 * Stops a filesystem that was written to. Returns 0, also if its start has repaired
 * errors, or an exit status after a message.
 */
int tools_stop_fs(struct bch_fs *c);

/*
 * Makes an unclean filesystem clean, by starting and stopping it. Does nothing
 * if it is clean already. Returns 0 or an exit status after a message.
 */
int tools_recover(char *const *args, unsigned nr, const char *passphrase_file);

/*
 * Opens a filesystem to change its superblock, and nothing else: for writing,
 * exclusively, without its key, without starting it. All devices must be there
 * unless option degraded, given or stored, says otherwise. NULL: a message was
 * printed. To be given to bch2_fs_stop().
 */
struct bch_fs *tools_open_super(char *const *args, unsigned nr, struct bch_opts *opts);

/*
 * Writes the changed superblock; the caller holds c->sb_lock. Returns an exit
 * status: 1 after a message, also if only some of the copies were written.
 */
int tools_write_super(struct bch_fs *c);

#endif /* _BCACHEFS_TOOLS_OPEN_H */
