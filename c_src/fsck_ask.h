/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a person at the keyboard has to do with fsck: questions about repairs, and
 * signals that ask it to end.
 */
#ifndef _BCACHEFS_FSCK_ASK_H
#define _BCACHEFS_FSCK_ASK_H

#include <stdbool.h>
#include <stdio.h>

struct bch_fs;

/**
 * fsck_ask_setup() - where questions go; SIGINT, SIGTERM and SIGHUP are caught
 * @out:	for the questions
 */
void fsck_ask_setup(FILE *out);

/**
 * fsck_signals_fs() - what a signal interrupts
 * @c:		filesystem that is being started, or NULL: none
 */
void fsck_signals_fs(struct bch_fs *c);

/**
 * fsck_interrupted() - has one of the signals arrived?
 */
bool fsck_interrupted(void);

/**
 * fsck_ask() - have the user decide about a repair; c->fsck.ask
 * @c:		filesystem
 * @msg:	what is wrong
 * @action:	what repair would do, with a question mark
 *
 * Documentation/format/70, section 8.1.5. Without a terminal nobody is asked.
 *
 * Return: 'y', 'n', 'Y', 'N'; -EINTR: a signal came; -ENOTTY or -ENODATA: there is
 * nobody to ask, which has been said.
 */
int fsck_ask(struct bch_fs *c, const char *msg, const char *action);

#endif /* _BCACHEFS_FSCK_ASK_H */
