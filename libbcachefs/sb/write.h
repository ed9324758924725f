/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writing superblocks: one update of a whole filesystem, and the copies of one
 * device by themselves (spec 10 sections 2.2, 10, 12).
 *
 * An update changes c->disk_sb in memory, under c->sb_lock, and then calls
 * bch2_write_super(), which brings the change to every copy on every online
 * device. Several changes may share one update.
 */
#ifndef _BCACHEFS_SB_WRITE_H
#define _BCACHEFS_SB_WRITE_H

#include <linux/atomic.h>
#include <linux/completion.h>

#include "bcachefs.h"

/* --- updates (sb/write.c) --- */

int bch2_sb_may_write(const struct bch_fs *, struct printbuf *err);
int bch2_write_super(struct bch_fs *);

/* --- changes in memory (sb/write_sections.c) --- */

void bch2_sb_member_set(struct bch_sb *, unsigned idx, const struct bch_member *);
int bch2_sb_refresh_sections(struct bch_sb_handle *);
int bch2_sb_copy_shared(struct bch_sb_handle *dst, const struct bch_sb *src);

/* --- what a filesystem in use adds (sb/write_running.c) --- */

int bch2_sb_refresh_running(struct bch_fs *);
bool bch2_sb_request_incompat(struct bch_fs *, unsigned version);

/* --- replicas entries in memory (sb/replicas_write.c) --- */

struct bch_sb_replica;

bool bch2_sb_has_journal_replicas(const struct bch_sb *);
bool bch2_sb_has_replica(const struct bch_sb *, const struct bch_sb_replica *);
int bch2_sb_replicas_change(struct bch_sb_handle *, const struct bch_sb_replica *add,
			    unsigned nr_add,
			    bool (*keep)(const struct bch_sb_replica *, void *arg), void *arg);
int bch2_sb_drop_journal_replicas(struct bch_sb_handle *);

/* --- devices (sb/write_io.c) --- */

/* Writes that are waited for together. */
struct bch_write_batch {
	atomic_t		pending;	/* requests, and one for who submits */
	struct completion	done;
};

/* A part of a batch whose success counts by itself. */
struct bch_write_part {
	struct bch_write_batch	*batch;
	atomic_t		failed;		/* requests that failed */
};

void bch2_write_batch_init(struct bch_write_batch *);
void bch2_write_batch_wait(struct bch_write_batch *);

int bch2_bdev_write(struct block_device *, u64 sector, const void *buf, size_t bytes);
void bch2_sb_copy_submit(struct bch_write_part *, struct block_device *, struct bch_sb *,
			 u64 sector);
int bch2_sb_write_device(struct block_device *, struct bch_sb *, unsigned block_bytes);

#endif /* _BCACHEFS_SB_WRITE_H */
