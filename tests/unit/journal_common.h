/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small filesystem in image files with journal rings and nothing else, opened
 * for writing, and what a start would read of its journal.
 */
#ifndef _JOURNAL_COMMON_H
#define _JOURNAL_COMMON_H

#include "bcachefs.h"

#define JTEST_DEVS_MAX	3

/* What is to be made. */
struct jtest_spec {
	unsigned	nr_devs;
	u64		dev_bytes;	/* decides the bucket size: 16 MiB has 8 KiB ones */
	unsigned	ring;		/* journal buckets per device */
	unsigned	replicas;	/* of metadata; 0: 1 */
	u32		flush_delay;	/* ms; 0: default */
};

/* Directory for images; called by the group's setup and teardown. */
int jtest_setup(void **state);
int jtest_teardown(void **state);
const char *jtest_path(unsigned dev);
/* What was logged since the last jtest_open(). */
const char *jtest_messages(void);

/* New images, initialised, clean; with rings. */
void jtest_make(const struct jtest_spec *s);
/* Copy the images: what a power failure leaves. */
void jtest_snapshot(const char *suffix);
void jtest_use_snapshot(const char *suffix);

/* Open for writing, journal initialised, not started. */
struct bch_fs *jtest_open(const struct jtest_spec *s);
/* The same without the right to change anything. */
struct bch_fs *jtest_open_ro(const struct jtest_spec *s);
void jtest_close(struct bch_fs *c);

/* How often the superblock was asked to name journal devices. */
extern unsigned jtest_nr_marked;
/* How often the filesystem was to become read-only. */
extern unsigned jtest_nr_emergency;

/* Words of a record made by jtest_commit(). */
#define JTEST_REC_U64s(_pad)	(1 + 5 + (_pad))

/*
 * A commit of one key that says who made it: position writer:nr, a value of @pad
 * words. Returns what bch2_journal_res_get() returned.
 */
int jtest_commit(struct bch_fs *c, unsigned writer, u64 nr, unsigned pad, unsigned flags,
		 u64 *seq);

/* What bch2_journal_read() finds. */
struct jtest_found {
	u64		nr_keys;
	u64		*keys_of;	/* by writer: keys, in order without gaps */
	u64		oldest, newest;	/* window; 0: none */
	u64		nr_entries;
	bool		clean;
	bool		ordered;	/* each writer's numbers ascend by 1, from 0 or first_of */
	u64		*first_of;
};

#define JTEST_WRITERS	16

/* Open read-only, read the journal, take its window apart; free with jtest_found_free(). */
void jtest_read(const struct jtest_spec *s, struct jtest_found *f);
void jtest_found_free(struct jtest_found *f);

#endif /* _JOURNAL_COMMON_H */
