/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The inside of the write buffer: intake, collapse, slices, batches and the
 * synchronous flush. Sections 3.3 to 4.5 of
 * Documentation/format/22-write-buffer-and-replay.md, scenarios 17, 18, 22.
 *
 * NU updates of two positions go through two journal entries. An update is its
 * number: its place in the journal, fixed by its reservation. Two threads make
 * them, so that a later one may be filled in before an earlier one. The order
 * of application is judged as it happens: WB2 is "never backwards at any
 * position, and the last one in the end".
 */
#include "hold.h"

#ifndef NU
#define NU 3
#endif
#define ENTRIES 2

/* The journal. */
byte pos[NU + 1], entry[NU + 1];
bit  filled[NU + 1], type11[NU + 1];	/* type 11, not yet rewritten to 0 */
byte n, cur = 1;
byte nres[ENTRIES + 2];
bit  needs[ENTRIES + 2];		/* "needs intake" */
bit  blocked, intake;			/* no new reservations; intake's locks */

/* The buffer: staged and being flushed, in order of arrival. */
byte inc[2 * NU], ninc, fl[2 * NU], nfl;
byte incpin, flpin;
bit  flushing;				/* its lock */

byte applied[2], last[2];
byte busy = 2;

proctype Committer()
{
	byte i;

	do
	:: atomic { n < NU && !blocked && cur <= ENTRIES ->
		n++;
		i = n;
		entry[i] = cur;
		nres[cur]++;
		if
		:: pos[i] = 0
		:: pos[i] = 1
		fi
	   };
	   d_step {
		filled[i] = 1;
		type11[i] = 1;
		nres[entry[i]]--;
		last[pos[i]] = MAX(last[pos[i]], i);
		i = 0
	   }
	:: d_step { n == NU || cur > ENTRIES -> busy-- }; break
	od
}

/* Copy the type 11 keys of entry e in order (WB-1), each once (WB-0). */
inline take(e)
{
	for (j : 1 .. n) {
		if
		:: entry[j] == e && type11[j] ->
			inc[ninc] = j;
			ninc++;
#ifndef BUG_TYPE_STAYS
			type11[j] = 0;
#endif
			incpin = (incpin -> incpin : e)	/* PC-5: the oldest */
		:: else
		fi
	};
	j = 0
}

proctype Journal()
{
	byte j, e = 1;

	do
	:: d_step { cur <= ENTRIES && !blocked && (n > 0 || busy == 0) -> cur++ };
	:: atomic { e < cur && nres[e] == 0 && !intake ->
		d_step {			/* 3.3, "write" */
			if
			:: needs[e] -> take(e); needs[e] = 0
			:: else
			fi;
			for (j : 1 .. n) {
				HOLD(WB0, entry[j] != e || !type11[j])
			};
			j = 0;
			e++
		}
	   }
	:: e > ENTRIES -> break
	od;
	busy--
}

/* 4.5: everything committed before the call is applied when it returns. */
proctype Syncer()
{
	byte want0, want1, max, e, j, pin;

	d_step { want0 = last[0]; want1 = last[1]; max = cur };
	LOCK(intake);				/* 3.3, "fetch" */
	e = 1;
	do
	:: e <= max && e <= ENTRIES && needs[e] && e == cur ->
		blocked = 1;
#ifndef BUG_NO_WAIT
		nres[e] == 0;
#endif
		d_step {
			take(e);
#ifdef BUG_CLEAR_OPEN
			needs[e] = 0;
#endif
			blocked = 0
		};
		break
	:: atomic { e <= max && e <= ENTRIES && needs[e] && e < cur && nres[e] == 0 ->
		d_step { take(e); needs[e] = 0; e++ } }
	:: e <= max && e <= ENTRIES && !needs[e] -> e++
	:: e > max || e > ENTRIES -> break
	od;
	UNLOCK(intake);
	do					/* 3.4: incoming first, then flushing */
#ifdef BUG_TEST_ORDER
	:: pin = flpin; if :: pin == 0 || pin > max -> pin = incpin :: else fi;
#else
	:: pin = incpin; if :: pin == 0 || pin > max -> pin = flpin :: else fi;
#endif
		if
		:: pin == 0 || pin > max -> break
		:: else ->			/* a flush is queued: sleep until one is done */
			!(incpin && incpin <= max) && !(flpin && flpin <= max)
		fi
	od;
	atomic {
		HOLD(SYNC, applied[0] >= want0 && applied[1] >= want1);
		want0 = 0; want1 = 0; max = 0; e = 0; pin = 0;
		busy--
	}
}

/* Sort by position, then by arrival (4.2.4): insertion sort. */
#ifdef BUG_UNSTABLE_SORT
#define AFTER(a, b)	(pos[a] >= pos[b])
#else
#define AFTER(a, b)	(pos[a] > pos[b])
#endif

inline sort()
{
	for (i : 1 .. cnt - 1) {
		j = i;
		do
		:: j > 0 && AFTER(batch[j - 1], batch[j]) ->
			t = batch[j]; batch[j] = batch[j - 1]; batch[j - 1] = t;
			j--
		:: else -> break
		od
	};
	i = 0; j = 0; t = 0
}

/* Equal positions: the earlier one is dropped; 0 is "finished" (4.2.5). */
inline collapse(a, b)
{
	for (i : a + 1 .. b - 1) {
		if
		:: i < b && batch[i - 1] && pos[batch[i - 1]] == pos[batch[i]] -> batch[i - 1] = 0
		:: else
		fi
	};
	i = 0
}

inline apply(k)
{
	if
	:: batch[k] ->
		HOLD(WB2, batch[k] > applied[pos[batch[k]]]);
		applied[pos[batch[k]]] = batch[k];
		batch[k] = 0
	:: else
	fi;
	k++
}

proctype Flusher()
{
	byte batch[2 * NU];
	byte cnt, mid, x, y, i, j, t;

	i = 0;
end:	do
	:: atomic { !flushing && ninc ->	/* WB-4: one batch at a time */
		flushing = 1;
		flpin = incpin			/* PC-6: set this first, */
	   };
	   d_step {
		incpin = 0;			/* then drop that */
		for (i : 0 .. ninc - 1) { batch[i] = inc[i]; inc[i] = 0 };
		cnt = ninc;
		ninc = 0;
		i = 0;
		if
		:: cnt > 1 -> sort()
		:: else
		fi;
		mid = cnt / 2;
#ifdef BUG_COLLAPSE_IN_SLICES
		if
		:: mid > 1 -> collapse(0, mid)
		:: else
		fi;
		if
		:: cnt - mid > 1 -> collapse(mid, cnt)
		:: else
		fi;
#else
		if				/* WB-2, WB-3: the whole set */
		:: cnt > 1 -> collapse(0, cnt)
		:: else
		fi;
#endif
		x = 0; y = mid;
#ifdef BUG_BATCHES_OVERTAKE
		flushing = 0
#endif
	   };
	   do					/* H10: two slices, side by side */
	   :: d_step { x < mid -> apply(x) }
	   :: d_step { y < cnt -> apply(y) }
	   :: x == mid && y == cnt -> break
	   od;
	   atomic {
		cnt = 0; mid = 0; x = 0; y = 0;
		flpin = 0;			/* PC-7 */
		flushing = 0
	   }
	od
}

init
{
	atomic {
		needs[1] = 1; needs[2] = 1;
		busy = 4;
		run Committer(); run Committer(); run Journal(); run Syncer();
		run Flusher(); run Flusher()
	};
	d_step { busy == 0 && ninc == 0 && flpin == 0 && !flushing ->
		HOLD(WB2, applied[0] == last[0] && applied[1] == last[1])
	}
}
