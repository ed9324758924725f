/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Marking keys of the overlay while others scan it: OV-4 and section 8.5 of
 * Documentation/format/22-write-buffer-and-replay.md, scenario 10.
 *
 * The overlay is N keys in order. A mark sets the key's flag and joins it with
 * the runs of overwritten keys to its left and right; the bounds of a run are
 * in a record that its keys name. Record i is made by the mark of key i, and is
 * superseded, never changed or freed. Two threads mark the even and the odd
 * keys below N - 1: one commits leaves, one inserts into interior nodes. One
 * reader scans forward, one backward, both without the lock.
 */
#include "hold.h"

#ifndef N
#define N 4
#endif

bit ow[N], owlock;
byte rec[N];			/* record of key i, plus 1; 0: none */
byte from[N], to[N];		/* record r covers from[r] .. to[r] - 1 */
byte busy = 2;

inline bounds(i)
{
	lo = i;
	hi = i + 1;
	if
	:: i > 0 && ow[i - 1] -> lo = (rec[i - 1] -> from[rec[i - 1] - 1] : i - 1)
	:: else
	fi;
	if
	:: ow[i + 1] -> hi = (rec[i + 1] -> to[rec[i + 1] - 1] : i + 2)
	:: else
	fi
}

proctype Marker(byte i; bit interior)
{
	byte lo, hi;
	bit mine;

	do
	:: i < N - 1 ->
		if
#ifdef BUG_INTERIOR_UNLOCKED
		:: interior		/* releases before 2026-04-18 */
		:: !interior -> LOCK(owlock); mine = 1
#else
		:: LOCK(owlock) -> mine = 1
#endif
		fi;
#ifndef BUG_RANGE_BEFORE_FLAG
		ow[i] = 1;
#endif
		bounds(i);
#ifdef BUG_INCOMPLETE_RECORD
		from[i] = 0;
		to[i] = N;
		rec[i] = i + 1;
#endif
		from[i] = lo;
		to[i] = hi;
		do		/* complete before anyone can find it */
		:: lo < hi -> rec[lo] = i + 1; lo++
		:: else -> break
		od;
#ifdef BUG_RANGE_BEFORE_FLAG
		ow[i] = 1;
#endif
		atomic {
			if
			:: mine -> UNLOCK(owlock); mine = 0
			:: else
			fi;
			lo = 0; hi = 0;
			i = i + 2
		}
	:: else -> break
	od;
	busy--
}

/* Nobody skips a key that is not overwritten: OV-4, last half. */
proctype Forward()
{
	byte i, r, end;

	do
	:: i < N && !ow[i] -> i++			/* returned */
	:: i < N && ow[i] ->
		r = rec[i];
		end = (r -> to[r - 1] : i + 1);
		do
		:: d_step { i < end -> HOLD(OV4, i < N && ow[i]); i++ }
		:: i >= end -> break
		od;
		r = 0; end = 0
	:: i >= N -> break
	od
}

proctype Backward()
{
	byte i = N, r, start;

	do
	:: i > 0 && !ow[i - 1] -> i--
	:: i > 0 && ow[i - 1] ->
		r = rec[i - 1];
		start = (r -> from[r - 1] : i - 1);
		do
		:: d_step { i > start -> i--; HOLD(OV4, ow[i]) }
		:: i <= start -> break
		od;
		r = 0; start = 0
	:: i == 0 -> break
	od
}

/* When all is done there is one run, and every key of it knows: OV-4, first half. */
init
{
	byte i;

	atomic {
		run Marker(0, 0); run Marker(1, 1);
		run Forward(); run Backward()
	};
	d_step { busy == 0 ->
		for (i : 0 .. N - 2) {
			HOLD(OV4, rec[i] && from[rec[i] - 1] == 0 && to[rec[i] - 1] == N - 1)
		}
	}
}
