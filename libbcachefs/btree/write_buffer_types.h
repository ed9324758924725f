/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the write buffer keeps for each buffered btree (spec 22 section 3.4), and
 * the state of node writes. Data declarations only.
 */
#ifndef _BCACHEFS_BTREE_WRITE_BUFFER_TYPES_H
#define _BCACHEFS_BTREE_WRITE_BUFFER_TYPES_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mempool.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "bcachefs_format.h"
#include "journal/writer_types.h"

struct bch_fs;

/* Buffered btrees at most. */
#define BTREE_WRITE_BUFFERS_MAX		16

/* One key waiting to be applied; the key lies behind this header. */
struct wb_key {
	u64			seq;		/* oldest update it stands for; 0: done */
	u64			guard;		/* newest one (WB-5) */
	u32			u64s;		/* of header and key */
	bool			accumulated;	/* the btree's value is in (WB-7) */
	struct bkey_i		k;
};

/* Keys one behind the other in order of arrival, and the oldest number in them. */
struct wb_area {
	struct mutex		lock;
	struct journal_entry_pin pin;
	u64			*d;
	u32			nr;		/* words used */
	u32			size;		/* words there is room for */
};

/*
 * Buffer of one btree. Lock order: flushing.lock, then incoming.lock. Nobody waits
 * for node locks with an incoming lock held.
 */
struct btree_write_buffer {
	struct bch_fs		*c;
	u8			btree_id;
	struct wb_area		incoming;	/* filled by intake */
	struct wb_area		flushing;	/* drained by the flusher */
	u32			capacity;	/* words aimed at; under incoming.lock */
	struct work_struct	flush_work;

	/* Counted for reports; under flushing.lock. */
	u64			nr_flushes;
	u64			nr_keys;
	u64			nr_collapsed;
	u64			nr_noop;
	u64			nr_slow;
};

struct wb_counter_table;

struct bch_fs_btree_write_buffer {
	struct btree_write_buffer *b[BTREE_WRITE_BUFFERS_MAX];
	unsigned		nr;
	s8			idx[BTREE_ID_NR_MAX]; /* by btree id; -1: not buffered */
	struct workqueue_struct	*wq;
	wait_queue_head_t	wait;		/* a flush has ended */
	atomic_long_t		words_used;	/* incoming and flushing of all */
	atomic_long_t		words_capacity;
	struct mutex		intake_lock;	/* one entry is taken at a time */
	struct wb_counter_table	*counters;	/* under intake_lock */
	bool			low;		/* the journal was told to hold back */
	bool			initialized;
};

struct btree_node_write;

/* Writes of btree nodes. */
struct bch_fs_btree_node_writes {
	struct bch_fs		*c;
	/* The consequences for the pointer to the node (spec 21 9.4). */
	void			(*written)(struct btree_node_write *w);
	struct workqueue_struct	*submit_wq;
	struct workqueue_struct	*complete_wq;
	mempool_t		bounce;		/* buffers of a whole node */
	struct mutex		lock;		/* covers .dirty and .nr_dirty */
	struct list_head	dirty;		/* struct btree.write_list */
	size_t			nr_dirty;
	struct work_struct	reclaim_work;	/* there are too many dirty nodes */
	atomic_t		nr_in_flight;
	wait_queue_head_t	wait;		/* a write has ended */
	atomic64_t		nr[5];		/* writes by enum btree_write_type */
	atomic64_t		bytes[5];
	bool			initialized;
};

#endif /* _BCACHEFS_BTREE_WRITE_BUFFER_TYPES_H */
