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

/**
 * jtest_setup() - directory for images; for the group
 * @state:	unused
 */
int jtest_setup(void **state);

/**
 * jtest_teardown() - remove it
 * @state:	unused
 */
int jtest_teardown(void **state);

/**
 * jtest_path() - an image
 * @dev:	which
 */
const char *jtest_path(unsigned dev);

/**
 * jtest_messages() - what was logged since the last jtest_open()
 */
const char *jtest_messages(void);

/**
 * jtest_make() - new images, initialised, clean; with rings
 * @s:		what
 */
void jtest_make(const struct jtest_spec *s);

/**
 * jtest_snapshot() - copy the images: what a power failure leaves
 * @suffix:	of the copies
 */
void jtest_snapshot(const char *suffix);

/**
 * jtest_use_snapshot() - take the copies back
 * @suffix:	of the copies
 */
void jtest_use_snapshot(const char *suffix);

/**
 * jtest_open() - for writing; journal initialised, not started
 * @s:		what was made
 */
struct bch_fs *jtest_open(const struct jtest_spec *s);

/**
 * jtest_open_ro() - the same without the right to change anything
 * @s:		what was made
 */
struct bch_fs *jtest_open_ro(const struct jtest_spec *s);

/**
 * jtest_close() - end of both
 * @c:		filesystem
 */
void jtest_close(struct bch_fs *c);

/* How often the superblock was asked to name journal devices. */
extern unsigned jtest_nr_marked;
/* How often the filesystem was to become read-only. */
extern unsigned jtest_nr_emergency;

/* Words of a record made by jtest_commit(). */
#define JTEST_REC_U64s(_pad)	(1 + 5 + (_pad))

/**
 * jtest_commit() - a commit of one key that says who made it
 * @c:		filesystem
 * @writer:	inode of the key's position, less 1
 * @nr:		offset of the position
 * @pad:	words of value
 * @flags:	of the reservation
 * @seq:	gets the entry's number, or NULL
 *
 * Return: of bch2_journal_res_get().
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

/**
 * jtest_read() - open read-only, read the journal, take its window apart
 * @s:		what was made
 * @f:		result, ended by jtest_found_free()
 */
void jtest_read(const struct jtest_spec *s, struct jtest_found *f);

/**
 * jtest_found_free() - forget a result
 * @f:		result
 */
void jtest_found_free(struct jtest_found *f);

#endif /* _JOURNAL_COMMON_H */
