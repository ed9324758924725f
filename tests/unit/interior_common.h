/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A filesystem on image files with a journal and btrees that are written, but no
 * allocator: nodes get places one behind the other, each used once.
 */
#ifndef _INTERIOR_COMMON_H
#define _INTERIOR_COMMON_H

#include "bcachefs.h"
#include "journal_common.h"

/* Small nodes: trees become deep. */
#define ITEST_NODE	4096

/* Where nodes may be: behind superblock and journal, sectors. */
#define ITEST_FIRST	(60ULL << 11)
#define ITEST_END	(94ULL << 11)

/* Number of the first journal entry. */
#define ITEST_FIRST_SEQ	5

struct itest {
	struct bch_fs	*c;
	unsigned	nr_devs;
	u64		next;		/* sector for the next node */
	unsigned	restart_every;	/* so many allocations; 0: never */
	unsigned	nr_allocs;
	int		nr_open;	/* nodes with open buckets */
};

extern struct itest itest;

/**
 * itest_open() - new images, journal running, empty btrees
 * @nr_devs:	copies of nodes
 * @ready:	called before the images are opened for good; may be NULL
 */
void itest_open(unsigned nr_devs, void (*ready)(void));
/** itest_drain() - make everything durable in nodes */
void itest_drain(void);
/** itest_close() - drain, stop the journal cleanly, close */
void itest_close(void);
/** itest_crash() - close without making anything durable */
void itest_crash(void);
/** itest_reopen_ro() - what a start would find: roots, and the overlay; newest entry */
struct bch_fs *itest_reopen_ro(u64 *newest);
/** itest_reopened_close() - end of that */
void itest_reopened_close(struct bch_fs *c);

/** itest_put() - insert, or with @u64s 0 delete, one key; @seq may be NULL */
int itest_put(struct bch_fs *c, unsigned btree, u64 inode, u64 offset, unsigned u64s, u64 v,
	      u64 *seq);

/* Nodes per level, and checks on the way that they partition the level above. */
struct itest_shape {
	unsigned	depth;
	unsigned	nodes[BTREE_MAX_DEPTH];
	u64		words[BTREE_MAX_DEPTH];
};

/** itest_shape() - walk all nodes of a btree */
void itest_shape_of(struct bch_fs *c, unsigned btree, struct itest_shape *s);

#endif /* _INTERIOR_COMMON_H */
