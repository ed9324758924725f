// SPDX-License-Identifier: GPL-2.0
/*
 * IO clocks (spec 40 §3.5): how far they are, and what of them goes into alloc
 * keys. Any thread may advance and read them; they only go forward.
 */
#include <linux/minmax.h>

#include "bcachefs.h"
#include "alloc/clocks.h"

/**
 * bch2_io_clock_set - bring a clock forward to where the journal says it was
 * @c:		filesystem
 * @rw:		which clock
 * @time:	sectors
 */
void bch2_io_clock_set(struct bch_fs *c, enum bch_io_clock rw, u64 time)
{
	if (time > bch2_io_clock(c, rw))
		atomic64_set(&c->alloc.io_clock[rw], time);
}

/**
 * bch2_alloc_io_time - the time an alloc key records
 * @c:	filesystem
 * @rw:	which clock
 *
 * Return: 1 .. LRU_TIME_MAX; 0 would mean "unset".
 */
u64 bch2_alloc_io_time(const struct bch_fs *c, enum bch_io_clock rw)
{
	return max(1ULL, bch2_io_clock(c, rw) & LRU_TIME_MAX);
}
