/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Journal entries as found on the devices, and which of them a start has to
 * replay (spec 30 sections 8 and 9).
 *
 * bch2_journal_read() fills c->journal; the entries stay until
 * bch2_journal_entries_free(), since the overlay points into them. Called once,
 * by the start, before any btree is read.
 */
#ifndef _BCACHEFS_JOURNAL_READ_H
#define _BCACHEFS_JOURNAL_READ_H

#include "bcachefs.h"

/* One place on a device that holds (or held) a copy of an entry. */
struct journal_ptr {
	u64			bucket;		/* bucket number on the device */
	u64			sector;		/* absolute, start of the copy */
	u32			slot;		/* ring index of the bucket */
	u32			bucket_offset;	/* sectors inside the bucket */
	u8			dev;
	bool			csum_good;
};

enum journal_ignore {
	JOURNAL_USED,			/* part of the window */
	JOURNAL_IGNORE_noflush,		/* noflush, newer than the newest flush entry */
	JOURNAL_IGNORE_torn,		/* newest flush entry, bad checksum */
	JOURNAL_IGNORE_not_dirty,	/* older than last_seq */
	JOURNAL_IGNORE_blacklisted,	/* number is in the blacklist */
};

/* One sequence number: the copy kept, and where all copies are. */
struct journal_replay {
	u64			seq;		/* also in j; here for sorting */
	struct journal_ptr	*ptrs;		/* ascending (dev, slot, offset) */
	unsigned		nr_ptrs;
	unsigned		sectors;	/* on disk, padding included */
	unsigned		disk_u64s;	/* jset.u64s before any repair */
	u8			ignore;		/* enum journal_ignore */
	bool			csum_good;	/* of the copy kept */
	bool			cut;		/* longer than the rest of its bucket */
	bool			flush;
	struct jset		*j;		/* kvmalloc'd, decrypted */
};

/* A record that must not be replayed. */
static inline bool journal_replay_ignore(const struct journal_replay *r)
{
	return r->ignore != JOURNAL_USED;
}

int bch2_journal_read(struct bch_fs *c, struct journal_start_info *info);
void bch2_journal_entries_free(struct bch_fs *c);

struct journal_replay *bch2_journal_entry_find(struct bch_fs *c, u64 seq);
struct journal_replay *bch2_journal_newest_usable(struct bch_fs *c);
void bch2_journal_ptrs_to_text(struct printbuf *out, struct bch_fs *c,
			       const struct journal_replay *r);

int bch2_dev_journal_init(struct bch_dev *ca);
void bch2_dev_journal_exit(struct bch_dev *ca);

#endif /* _BCACHEFS_JOURNAL_READ_H */
