/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A live filesystem under random work: what the processes of one run share.
 *
 * Every thread changes keys of its own, which lie between those of the others,
 * and counters that all have in common. What it did is in memory that outlives
 * the process, so that somebody else can say what a filesystem must hold.
 */
#ifndef _TESTS_TORTURE_TORTURE_H
#define _TESTS_TORTURE_TORTURE_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#define TORTURE_THREADS	4
#define TORTURE_SLOTS	1024		/* of each kind, per thread */
#define TORTURE_COUNTERS 16
#define TORTURE_CHANGES	8		/* of one transaction */
#define TORTURE_CAPTURES 64

/* What a slot is; values: 0 nothing, else what identifies the contents. */
enum kind {
	KIND_xattr,			/* plain keys of many sizes */
	KIND_quota,			/* plain keys of one size */
	KIND_inode,			/* through the key cache; counted */
	KIND_extent,			/* SLOT_SECTORS sectors: space, or the promise of it */
	KIND_NR,
	KIND_counter = KIND_NR,		/* + 1 */
};

#define SLOT_SECTORS	8
#define EXTENT_RESERVED	(~0ULL)

struct change {
	u16		kind;
	u16		slot;
	u64		value;
};

enum op_state { OP_none, OP_begun, OP_done };

struct op {
	u32		state;
	u32		nr;
	u64		seq;		/* 0: changed nothing */
	struct change	ch[TORTURE_CHANGES];
};

struct thread_log {
	u64		base[KIND_NR][TORTURE_SLOTS];	/* before the first operation */
	u32		nr;
	struct op	*ops;
};

struct config {
	u64		seed;
	unsigned	threads;
	unsigned	ops;		/* per thread and round */
	unsigned	crashes;	/* captures per round */
	unsigned	kills;		/* rounds that end in SIGKILL */
	unsigned	rounds;
	u64		size;
	unsigned	node_size;
	unsigned	timeout;	/* seconds for one process */
	bool		keep;
	bool		during_replay;	/* work begins before replay has ended */
	unsigned	delay;		/* at points of the core, microseconds at most */
};

struct capture {
	u64		acked;
	unsigned	mode;
};

/* One mapping of all processes. */
struct shared {
	struct config	cfg;
	u64		round;
	u64		acked;		/* highest entry that was flushed, and waited for */
	u64		newest;		/* as the last check found it */
	u64		during_replay;	/* operations done before replay ended */
	u64		to_replay;	/* keys in the journal that the round began with */
	u32		nr_captures;
	struct capture	captures[TORTURE_CAPTURES];
	u64		counters[TORTURE_COUNTERS];	/* before the first operation */
	struct thread_log t[TORTURE_THREADS];
};

extern struct shared *sh;

struct bch_fs;

/* A filesystem's contents, slot by slot. */
struct contents {
	u64		v[TORTURE_THREADS][KIND_NR][TORTURE_SLOTS];
	u64		counters[TORTURE_COUNTERS];
};

__attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...);
u64 rnd(u64 *state);
struct bpos slot_pos(unsigned kind, unsigned thread, unsigned slot);
unsigned xattr_u64s(u64 value);
void delays(u64 seed, unsigned us);

/* Both end the process with a message when something is wrong. */
void work(struct bch_fs *c, const char *image);
void contents_read(struct bch_fs *c, struct contents *r);
/* Must hold what is in the log up to entry @newest; on success it becomes the base. */
void contents_check(const struct contents *r, u64 newest, u64 acked, bool rebase);

#endif /* _TESTS_TORTURE_TORTURE_H */
