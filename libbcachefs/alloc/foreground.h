/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Giving out free buckets, and space in them (spec 40 section 4).
 *
 * Space for data:
 *
 *	ret = bch2_alloc_sectors_start(trans, &req, &wp);
 *	(wp is locked; wp->sectors_free sectors may be taken at most)
 *	bch2_alloc_sectors_append_ptrs(c, wp, k, sectors, cached);
 *	bch2_alloc_sectors_get_refs(c, wp, &refs);	kept until k is in the btree
 *	bch2_alloc_sectors_done(trans, wp);
 *
 * Between start and done no further transaction may be waited for: the write
 * point's mutex takes part in deadlock detection only while it is being taken.
 */
#ifndef _BCACHEFS_ALLOC_FOREGROUND_H
#define _BCACHEFS_ALLOC_FOREGROUND_H

#include "bcachefs.h"
#include "alloc/open_buckets.h"

struct btree_trans;

int bch2_fs_allocator_init(struct bch_fs *c);	/* all of c->alloc; once, while opening */
void bch2_fs_allocator_exit(struct bch_fs *c);
int bch2_fs_allocator_start(struct bch_fs *c);	/* going read-write */
/* Going read-only: write points let go of their buckets and keep no more. */
void bch2_fs_allocator_stop(struct bch_fs *c);

/* --- single buckets --- */

/* Buckets kept back at @watermark, spec 40 4.4; pure arithmetic. */
u64 bch2_buckets_reserved(u64 nbuckets, unsigned bucket_size, unsigned node_sectors,
			  enum bch_watermark watermark);
u64 bch2_dev_buckets_reserved(const struct bch_dev *ca, enum bch_watermark watermark);
/* Buckets of @ca that may be taken now at @watermark. */
u64 bch2_dev_buckets_free(struct bch_dev *ca, enum bch_watermark watermark);

/* Does the bucket hold part of a superblock or of the journal, whatever alloc says? */
bool bch2_is_superblock_bucket(struct bch_dev *ca, u64 bucket);
bool bch2_is_journal_bucket(struct bch_dev *ca, u64 bucket);

/*
 * Open a free bucket of @ca. Does not wait: freelist_empty or open_buckets_empty
 * (class bucket_alloc_blocked) if there is none now; restarts, read errors.
 */
int bch2_bucket_alloc_trans(struct btree_trans *trans, struct bch_dev *ca,
			    enum bch_watermark watermark, enum bch_data_type data_type,
			    struct open_bucket **ob);

/* --- which devices (target_select.c) --- */

struct dev_alloc_list {
	unsigned		nr;
	u8			d[BCH_SB_MEMBERS_MAX];
};

/* May data of this type be put on the device now (spec 40 1.3)? */
bool bch2_dev_allocatable(const struct bch_dev *ca, enum bch_data_type data_type);
/* Devices that are in @target; all of them if it does not name any (spec 40 6.2). */
void bch2_target_devs(struct bch_fs *c, unsigned target, struct bch_devs_mask *mask);
/* Allocatable devices of @mask in the order of their clocks. */
void bch2_dev_alloc_list(struct bch_fs *c, struct dev_clocks *clocks,
			 const struct bch_devs_mask *mask, enum bch_data_type data_type,
			 struct dev_alloc_list *list);
void bch2_dev_clock_advance(struct dev_clocks *clocks, unsigned dev, u64 buckets_free);

/* --- space for data and nodes --- */

enum bch_alloc_flags {
	BCH_ALLOC_nowait		= 1U << 0,	/* fail in place of waiting */
	BCH_ALLOC_only_target		= 1U << 1,	/* no other devices if the target is full */
	BCH_ALLOC_full_replicas		= 1U << 2,	/* fail in place of fewer copies */
};

struct bch_alloc_request {
	unsigned		target;		/* 0: any device */
	unsigned		nr_replicas;	/* durability wanted */
	unsigned		min_sectors;	/* at least so many in one piece; 0: a block */
	enum bch_data_type	data_type;	/* btree or user */
	enum bch_watermark	watermark;
	unsigned		flags;		/* enum bch_alloc_flags */
	unsigned long		write_point;	/* hashed: any number that names the stream */
	struct write_point	*wp;		/* this one in place of a hashed one */
	const struct bch_devs_mask *devs_have;	/* not these; may be NULL */
};

int bch2_alloc_sectors_start(struct btree_trans *trans, const struct bch_alloc_request *req,
			     struct write_point **wp);
void bch2_alloc_sectors_append_ptrs(struct bch_fs *c, struct write_point *wp,
				    struct bkey_i *k, unsigned sectors, bool cached);
void bch2_alloc_sectors_get_refs(struct bch_fs *c, struct write_point *wp,
				 struct open_bucket_refs *refs);
void bch2_alloc_sectors_done(struct btree_trans *trans, struct write_point *wp);

/*
 * = c->up.alloc_btree_ptrs. Append pointers to @sectors sectors on devices with
 * durability @nr_replicas to @k (a btree_ptr_v2 with room for them); devices @k
 * points to already are not used. @watermark may carry other commit flags above
 * its three bits. Waits for free buckets with the transaction unlocked, so that
 * it may return a restart; then nothing was allocated.
 */
int bch2_alloc_btree_ptrs(struct btree_trans *trans, struct bkey_i *k, unsigned sectors,
			  unsigned nr_replicas, unsigned watermark,
			  struct open_bucket_refs *ob);

#endif /* _BCACHEFS_ALLOC_FOREGROUND_H */
