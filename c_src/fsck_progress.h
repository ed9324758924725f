/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How far fsck has come, for somebody who watches.
 */
#ifndef _BCACHEFS_FSCK_PROGRESS_H
#define _BCACHEFS_FSCK_PROGRESS_H

#include <stdbool.h>

struct bch_fs;

/**
 * fsck_progress_start() - from now on print lines, if somebody watches
 * @c:		filesystem that is about to be started
 *
 * Every BCACHEFS_PROGRESS_MS milliseconds, if the environment says so.
 */
void fsck_progress_start(struct bch_fs *c);

/** fsck_progress_stop() - no more, before the filesystem is stopped */
void fsck_progress_stop(void);

/**
 * fsck_progress_pause() - none while a question is being asked
 * @on:		it is
 */
void fsck_progress_pause(bool on);

#endif /* _BCACHEFS_FSCK_PROGRESS_H */
