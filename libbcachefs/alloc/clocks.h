/* SPDX-License-Identifier: GPL-2.0 */
/*
 * IO clocks: sectors read and written since the filesystem was made (spec 40
 * 3.5). Kept in the journal's clock entries; alloc keys store what
 * bch2_alloc_io_time() says.
 */
#ifndef _BCACHEFS_ALLOC_CLOCKS_H
#define _BCACHEFS_ALLOC_CLOCKS_H

#include "bcachefs.h"

enum bch_io_clock {
	BCH_IO_CLOCK_read,
	BCH_IO_CLOCK_write,
};

static inline u64 bch2_io_clock(const struct bch_fs *c, enum bch_io_clock rw)
{
	return atomic64_read(&c->alloc.io_clock[rw]);
}

/* @sectors were read or written. */
static inline void bch2_io_clock_advance(struct bch_fs *c, enum bch_io_clock rw, u64 sectors)
{
	atomic64_add(sectors, &c->alloc.io_clock[rw]);
}

/* From a journal entry or the clean section, before anything counts. */
void bch2_io_clock_set(struct bch_fs *c, enum bch_io_clock rw, u64 time);
/* What an alloc key stores now: 1 .. 2^48 - 1. */
u64 bch2_alloc_io_time(const struct bch_fs *c, enum bch_io_clock rw);

#endif /* _BCACHEFS_ALLOC_CLOCKS_H */
