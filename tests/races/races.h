/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tests of forced interleavings share: threads that are held at named points
 * of the core, images that lost power at a chosen moment, buckets in chosen
 * states, and what can be seen of them. A test has one filesystem open, `c`.
 *
 * Whatever does not happen within WAIT_SECONDS does not happen: the test fails.
 */
#ifndef _TESTS_RACES_H
#define _TESTS_RACES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/open_buckets.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "btree/write_buffer.h"
#include "init/fs.h"
#include "journal/journal.h"
#include "journal/overlay.h"
#include "util/bpos.h"

#define WAIT_SECONDS	20
/* Long enough for a thread to do what it must not do. */
#define SETTLE_MS	150

extern struct bch_fs *c;

/* --- holding threads (hold.c) --- */

/* Every thread that comes to @name waits there, until release(). @tag: only that job. */
void hold(const char *name, const char *tag);
/* Only while it works on the key at this place. */
void hold_key(const char *name, const char *tag, unsigned btree, struct bpos pos);
void hold_wait(const char *name);	/* until a thread waits there */
bool hold_reached(const char *name);
void release(const char *name);
/* Let go of those who wait, and wait for the next one that comes. */
void hold_next(const char *name);
/* The same, unless the job ends before. */
struct job;
bool hold_next_or_done(const char *name, const struct job *j);
void release_all(void);
void settle(void);
/* Called by every thread, or only that job, that comes to @name; NULL: no more. */
void at_point(const char *name, const char *tag, void (*fn)(struct bch_fs *c));

/* A thread; @tag names it for hold(). */
struct job *job_start(const char *tag, int (*fn)(void *arg), void *arg);
bool job_done(struct job *j);
int job_wait(struct job *j);

/* --- filesystems (image.c) --- */

const char *image_path(const char *name);
/* A new filesystem; closed. */
const char *image_format(const char *name);
const char *image_format_with(const char *name, const char *option);
const char *image_format_small(const char *name);
const char *image_format_large(const char *name);
/* Open for writing, recorded for image_crash(); not started. */
void fs_open(const char *path);
/* Started read-write, held discards or not. */
void fs_open_start(const char *path);
/* The start in a job, "start"; replay held at point @name unless NULL. */
struct job *fs_start_held(const char *path, const char *name);
int fs_close(void);
/* Every change is in the btrees on the device. */
void fs_flush_btrees(void);
/* What would be on the device if power were lost now. */
void image_crash(const char *path);
/* To look, changing nothing: journal read, not replayed. */
void fs_open_look(const char *path);

/* --- buckets (bucket.c) --- */

struct emptied {
	u64		bucket;
	u64		seq;		/* journal_seq_empty */
	struct open_bucket *ob;
};

struct bch_dev *dev0(void);
struct bpos nd_pos(u64 seq, u64 bucket);
unsigned alloc_state(u64 bucket, u64 *seq_empty);
/* Take a free bucket, or this one. */
struct open_bucket *bucket_open(void);
struct open_bucket *bucket_open_nr(u64 bucket);
int bucket_set_sectors(u64 bucket, unsigned sectors);
/* What the discard worker does when a bucket's discard is done. */
int bucket_mark_free(u64 bucket);
/* Filled, made durable, emptied: waits for its discard, still open. */
struct emptied bucket_emptied_open(void);
void bucket_cycle(u64 bucket);
/* Filled and emptied without a flush between: sequence number 0. */
void bucket_cycle_unflushed(u64 bucket);
/* Type of key found by a new transaction; 0: none. @raw: in the btree alone. */
unsigned key_type(unsigned btree, struct bpos pos, bool raw);
bool nd_present(u64 seq, u64 bucket);
bool overlay_overwritten(unsigned btree, unsigned level, struct bpos pos);
void wb_flush(void);
/* Wait until the bucket is in this state. */
void wait_alloc_state(u64 bucket, unsigned type);
/* ND-1 by direct scan of both btrees: number of violations. */
unsigned nd_violations(void);

/* --- what fsck says (report.c) --- */

/* How often check_alloc_info reported ... */
struct report {
	u64		unset;		/* 114: a bucket that is not in need_discard */
	u64		set;		/* 124: an entry whose bucket does not want it */
	u64		no_bucket;	/* 123: an entry of no bucket */
	u64		all;		/* any error; fsck_expect() computes it */
};

/* The check, which also repairs: what was wrong, and is so no more. */
struct report fsck_report(void);
void fsck_expect(struct report want);
void fsck_silent(void);

#define RACE(_test)	cmocka_unit_test_setup_teardown(_test, race_setup, race_teardown)

int race_main(const struct CMUnitTest *tests, unsigned nr);
int race_setup(void **state);
int race_teardown(void **state);

#endif /* _TESTS_RACES_H */
