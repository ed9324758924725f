/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the journal reader share: copies of entries as they were
 * met on one device, before they are put together. For journal/read*.c and
 * journal/window.c only.
 */
#ifndef _BCACHEFS_JOURNAL_READ_PRIV_H
#define _BCACHEFS_JOURNAL_READ_PRIV_H

#include <linux/atomic.h>
#include <linux/workqueue.h>

#include "bcachefs.h"
#include "journal/read.h"

/* One copy of an entry on one device: its header, and its contents if kept. */
struct journal_copy {
	u64			seq;
	u64			last_seq;
	u64			hash;		/* of everything behind the checksum */
	struct journal_ptr	ptr;
	u32			version;
	u32			flags;
	u32			disk_u64s;	/* as the header says */
	u32			bytes;		/* header included; fits the bucket */
	bool			cut;		/* the header claims more than the bucket has */
	struct jset		*j;		/* decrypted; NULL: read again when needed */
};

/* The ring of one device, being read. */
struct journal_dev_read {
	struct journal_read_state *s;
	struct bch_dev		*ca;
	struct work_struct	work;
	struct journal_copy	*copies;
	size_t			nr;
	size_t			size;
	u64			bytes_kept;	/* by copies[].j */
	int			ret;
};

struct journal_read_state {
	struct bch_fs		*c;
	/*
	 * Highest last_seq of a flush entry with a good checksum: what is older
	 * will not be replayed, so its contents need not be kept.
	 */
	atomic64_t		last_seq;
	unsigned		nr_devs;
	struct journal_dev_read	devs[];
};

/* Contents kept per device while reading; what does not fit is read again. */
#define JOURNAL_READ_KEEP_BYTES		(64ULL << 20)

static inline bool journal_copy_is_flush(const struct journal_copy *cp)
{
	return !(cp->flags & (LE_BITS_ONES(JSET_NO_FLUSH_BITS) << JSET_NO_FLUSH_SHIFT));
}

/* journal/read_dev.c */
void journal_read_ring(struct work_struct *work);
struct jset *journal_read_jset(struct bch_fs *c, const struct journal_ptr *ptr, u32 bytes,
			       bool *good);

/* journal/window.c */
int journal_choose_window(struct bch_fs *c, struct journal_start_info *info);

#endif /* _BCACHEFS_JOURNAL_READ_PRIV_H */
