/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Replicas entries of the superblock while the filesystem changes (spec 41 §6):
 * an entry is there, durably, before the first commit that accounts to its
 * name, and goes when its counter has become 0.
 */
#ifndef _BCACHEFS_ALLOC_REPLICAS_LIVE_H
#define _BCACHEFS_ALLOC_REPLICAS_LIVE_H

#include "bcachefs.h"

/* Entry with room for all devices a key can name. */
struct bch_replicas_padded {
	struct bch_replicas_entry_v1 e;
	u8			pad[BCH_BKEY_PTRS_MAX];
} __packed;

void bch2_replicas_entry_sort(struct bch_replicas_entry_v1 *e);
/* Must names of this data type be in the superblock (spec 41 §6.3)? */
bool bch2_replicas_type_in_sb(const struct bch_fs *c, unsigned int data_type);
/* Add entries, write the superblock once; no node locks held. */
int bch2_replicas_mark(struct bch_fs *c, const struct bch_replicas_padded *r, unsigned int nr);
/* The same, and dropping one; sb_lock held. */
int bch2_replicas_mark_locked(struct bch_fs *c, const struct bch_replicas_padded *r,
			      unsigned int nr);
int bch2_replicas_unmark_locked(struct bch_fs *c, const struct bch_replicas_entry_v1 *e);
bool bch2_replicas_marked_locked(struct bch_fs *c, const struct bch_replicas_entry_v1 *e);
/* After recovery: keep journal entries and those whose counter exists (spec 41 §6.4). */
int bch2_replicas_gc(struct bch_fs *c);

/* c->up.journal_mark_replicas; and its opposite for sets no entry uses any more. */
int bch2_mark_journal_replicas(struct bch_fs *c, const struct bch_devs_mask *devs);
int bch2_unmark_journal_replicas(struct bch_fs *c, const struct bch_devs_mask *devs);

#endif /* _BCACHEFS_ALLOC_REPLICAS_LIVE_H */
