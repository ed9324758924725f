/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One write of a node, from the moment its contents are taken until everything
 * that follows from it is done. Data declarations only; node_write.c makes them,
 * node_write_io.c carries them out.
 */
#ifndef _BCACHEFS_BTREE_NODE_WRITE_TYPES_H
#define _BCACHEFS_BTREE_NODE_WRITE_TYPES_H

#include <linux/atomic.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "bcachefs.h"

/* Pointers of a key at most (spec 20 section 7.2). */
#define NODE_WRITE_PTRS_MAX	16

struct btree_node_write;

struct btree_node_write_copy {
	struct btree_node_write	*w;
	struct bch_dev		*ca;	/* NULL: no such device */
	u64			sector;
	u8			dev;
};

struct btree_node_write {
	struct bch_fs		*c;
	struct btree		*b;		/* pinned */
	struct work_struct	work;
	u64			seq;		/* identity of the node */
	u64			guard;
	u32			offset;		/* of the bset in the node, sectors */
	u32			sectors;	/* with padding; 0: nothing to write */
	u32			u64s;		/* words of keys */
	u8			slot;		/* of btree.writes: its pin is dropped at the end */
	u8			type;		/* enum btree_write_type */
	bool			first;
	bool			from_pool;
	int			error;		/* not written because of */

	/* Header and keys, and at least 8 bytes more. */
	u8			*buf;
	u32			buf_bytes;

	unsigned		nr_copies;
	struct btree_node_write_copy copies[NODE_WRITE_PTRS_MAX];
	atomic_t		pending;
	atomic_t		nr_good;
	struct bch_devs_mask	failed;
};

/* node_encode.c */
void bch2_btree_node_write_collect(struct bch_fs *c, struct btree *b, struct btree_node_write *w);
int bch2_btree_node_write_encode(struct btree_node_write *w);
void bch2_btree_node_write_buf_free(struct btree_node_write *w);

/* node_write_io.c: on a worker. */
void bch2_btree_node_write_submit(struct work_struct *work);

/* node_write.c: all copies have ended; on a worker. */
void bch2_btree_node_write_done(struct work_struct *work);
void bch2_btree_node_write_fatal(struct bch_fs *c, const struct btree *b, const char *what,
				 int err);

/* node_dirty.c */
void bch2_btree_node_reclaim_work(struct work_struct *work);

int __bch2_fs_btree_node_write_init(struct bch_fs *c,
				    void (*written)(struct btree_node_write *w));

#endif /* _BCACHEFS_BTREE_NODE_WRITE_TYPES_H */
