/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The key cache during replay: OV-2, OV-5 and OV-6 of
 * Documentation/format/22-write-buffer-and-replay.md, scenarios 11 and 12.
 *
 * One key of the alloc btree. The btree on disk has version 1 or nothing, the
 * old journal has K, version 2. Updates read the key through the cache, and the
 * new version must be made from the newest one: versions count up by one, and
 * an update says which one it saw. Replay of alloc keys goes through the cache
 * too (9.3.2). The key's lock stands for the leaf's and the cache entry's.
 */
#include "hold.h"

#ifndef NTX
#define NTX 3
#endif

bit lock, owlock, ow, replay_done, cached, dirty;
byte bt, kc, newest = 2, busy = 3;
#define K 2
#define OVERLAID	(!replay_done && !ow)

/* OV-6: whatever the btree holds, the overlay's key if it is not overwritten. */
inline fill()
{
	if
	:: !cached ->
#ifdef BUG_FILL_FROM_BTREE_FIRST
		kc = (bt == 0 && OVERLAID -> K : bt);
#else
		kc = (OVERLAID -> K : bt);
#endif
		cached = 1
	:: else
	fi
}

proctype Updater(byte n)
{
	byte seen;

	do
	:: n > 0 ->
		LOCK(lock);
		d_step { fill(); seen = kc };
		/* What a reader gets; the overlay is above the cache: OV-2. */
		d_step { HOLD(OV6, (OVERLAID -> K : kc) == newest) };
		LOCK(owlock);
		d_step {
			HOLD(OV6, seen == newest);
			newest++;
			kc = newest;
			dirty = 1;
#ifndef BUG_MARK_AT_WRITEBACK
			ow = 1;			/* OV-5: at commit */
#endif
			UNLOCK(owlock)
		};
		d_step { UNLOCK(lock); seen = 0; n-- }
	:: n == 0 -> break
	od;
	busy--
}

/* Reclaim writes the entry back and may throw it out. */
proctype Reclaim()
{
end:	do
	:: atomic { !lock && dirty ->
		bt = kc; dirty = 0;
#ifdef BUG_MARK_AT_WRITEBACK
		ow = 1
#endif
	   }
	:: atomic { !lock && cached && !dirty -> cached = 0; kc = 0 }
	od
}

proctype Replay()
{
	LOCK(lock);
	if
	:: ow
	:: else ->
		LOCK(owlock);
		d_step { kc = K; cached = 1; dirty = 1; ow = 1; UNLOCK(owlock) }
	fi;
	UNLOCK(lock);
	d_step { replay_done = 1; busy-- }
}

init
{
	atomic {
		if
		:: bt = 0
		:: bt = 1
		fi;
		run Updater(NTX - 1); run Updater(1); run Reclaim(); run Replay()
	};
	d_step { busy == 0 -> HOLD(I1, (cached -> kc : bt) == newest) }
}
