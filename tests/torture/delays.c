// SPDX-License-Identifier: GPL-2.0
/*
 * Delays at the points of the core where tests can hold threads: each thread that
 * comes there sleeps now and then, for a while that its own series of numbers
 * decides. Nothing but time passes, so nothing may go wrong through it. Replay is
 * held up more than others, so that it meets them.
 *
 * Without BCACHEFS_SYNC_POINTS there are no such points.
 */
#include <string.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "torture.h"
#include "util/sync_point.h"

static u64 seed;
static unsigned us_max;

/**
 * delays() - begin to delay threads
 * @s:		seed
 * @us:		for so many microseconds at most; 0: no more delays
 */
void delays(u64 s, unsigned us)
{
	__atomic_store_n(&seed, s, __ATOMIC_RELAXED);
	__atomic_store_n(&us_max, us, __ATOMIC_RELEASE);
}

#ifdef BCACHEFS_SYNC_POINTS
/** __bch2_sync_point() - a thread of the core comes to a point */
void __bch2_sync_point(struct bch_fs *c, const char *name, unsigned btree,
		       const struct bkey_i *k)
{
	static unsigned nr_threads;
	static __thread u64 state;
	const unsigned us = __atomic_load_n(&us_max, __ATOMIC_ACQUIRE);
	u64 n;

	if (!us)
		return;
	if (!state)
		state = __atomic_load_n(&seed, __ATOMIC_RELAXED) * 4096 +
			__atomic_add_fetch(&nr_threads, 1, __ATOMIC_RELAXED);
	n = rnd(&state);
	/* mostly short ones; now and then long enough for a whole flush */
	if (!(n % 4096))
		usleep(us * 20);
	else if (!(n % (strncmp(name, "replay_", 7) ? 64 : 8)))
		usleep(1 + (n >> 32) % us);
}
#endif
