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

/* One place on a device that holds a copy of an entry. */
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
	JOURNAL_IGNORE_bad,		/* damaged, and not to be used */
};

/*
 * One sequence number: the copy to be used, and where all copies are. Contents
 * of entries that are not replayed are only in memory while somebody looks at
 * them.
 */
struct journal_replay {
	u64			seq;
	u64			last_seq;	/* flush entries only */
	struct journal_ptr	*ptrs;		/* the copy used first, then by device */
	unsigned		nr_ptrs;
	u32			bytes;		/* without padding, inside its bucket */
	u32			disk_u64s;	/* as the header says */
	u32			version;
	u8			ignore;		/* enum journal_ignore */
	bool			csum_good;	/* of the copy used */
	bool			cut;		/* longer than the rest of its bucket */
	bool			flush;
	bool			validated;	/* bch2_jset_validate() has passed */
	struct jset		*j;		/* kvmalloc'd, decrypted; NULL: not loaded */
};

/* A record that must not be replayed. */
static inline bool journal_replay_ignore(const struct journal_replay *r)
{
	return r->ignore != JOURNAL_USED;
}

int bch2_journal_read(struct bch_fs *c, struct journal_start_info *info);
void bch2_journal_entries_free(struct bch_fs *c);

int bch2_journal_entry_load(struct bch_fs *c, struct journal_replay *r);
void bch2_journal_entry_unload(struct journal_replay *r);

struct journal_replay *bch2_journal_entry_find(struct bch_fs *c, u64 seq);
struct journal_replay *bch2_journal_newest(struct bch_fs *c, bool used_only);
void bch2_journal_ptrs_to_text(struct printbuf *out, struct bch_fs *c,
			       const struct journal_replay *r);

#endif /* _BCACHEFS_JOURNAL_READ_H */
