/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One accounting counter: deltas of the old journal, deltas through the write
 * buffer, crashes. Tags are rules of
 * Documentation/format/22-write-buffer-and-replay.md.
 *
 * Delta n has version n, and is counted with two bits of the sum, so that
 * "exactly once" (I5) is equality: ONCE(n) is the sum of deltas 1 .. n. The old
 * journal has deltas 1 and 2 in entries 1 and 2, of which the btree on disk may
 * hold none, the first, or both. New delta n is in the entry seqof[n].
 *
 * A crash is judged where the durable state changes, by what recovery and
 * phase 1 of the next replay would make of it; nothing else can be found.
 *
 * -D   NTX=n new deltas    SEQS=n new journal entries    BUG_*: see README
 */
#include "hold.h"

#ifndef NTX
#define NTX 2
#endif
#ifndef SEQS
#define SEQS 2
#endif
#define NOLD	2
#define MAXSEQ	(NOLD + SEQS)
#define IDS	(NOLD + NTX + 1)
#define DELTA(n)	(1 << (2 * (n) - 2))
#define ONCE(n)		((DELTA((n) + 1) - 1) / 3)	/* 01 01 .. 01 */

bit leaf;
short bt, acc, pend;			/* sums: memory, accepted bset, bset with guard */
byte btver, accver, pendver;
byte leafpin, wpin, newguard, guard;
bit writing, dirty;

bit ow[NOLD + 1];			/* overlay, one delta per entry */
bit acctdone;				/* "accounting replay done" */
byte rpin;

byte seqof[IDS], last_seq[MAXSEQ + 2];
byte cur, jd, ids, taken;
byte durable;				/* newest delta in a durable entry */

/* The buffer: a staged sum and a sum being flushed, already collapsed. WB-5:
 * a run has its oldest sequence number (pin) and its newest one (guard). */
short inc, fl;
byte incver, incmin, incmax, flver, flmin, flmax;
byte workers;

inline pin(var, seq)
{
	if
	:: var == 0 || seq < var -> var = seq
	:: else
	fi
}

inline insert(sum, ver, pinseq, guardseq)
{
	bt = sum;
	btver = ver;
	dirty = 1;
	newguard = MAX(newguard, guardseq);	/* PC-9 */
	pin(leafpin, pinseq)
}

/* A transaction's delta: journal only. It marks nothing in the overlay (RP-2). */
proctype Committer()
{
	do
	:: d_step { ids < NOLD + NTX && cur <= MAXSEQ ->
		ids++;
		seqof[ids] = cur;
#ifdef BUG_MARK_ACCOUNTING
		ow[1] = 1; ow[2] = 1
#endif
	   }
	:: d_step { ids == NOLD + NTX || cur > MAXSEQ -> workers-- }; break
	od
}

/* Phase 1: in order of age, each against the version in the btree (9.1). */
proctype Replay()
{
	byte k = 1, ver;
	short sum;

#ifdef BUG_DEDUPLICATE
	ow[1] = 1;				/* 8.1.4 without its exception */
#endif
	do
	:: k <= NOLD && ow[k] -> k++
	:: k <= NOLD && !ow[k] ->
		LOCK(leaf);
		d_step {
			if
#ifdef BUG_NO_VERSION
			:: true ->
#else
			:: btver < k ->		/* RP-1, RP-3 */
#endif
				sum = bt + DELTA(k);
				ver = MAX(btver, k);
				insert(sum, ver, k, k)
			:: else
			fi;
			ow[k] = 1;
			UNLOCK(leaf);
			k++; sum = 0; ver = 0
		}
	:: d_step { k > NOLD -> acctdone = 1; rpin = 0; k = 0; workers-- }; break
	od
}

inline stage()
{
	taken++;
	inc = inc + DELTA(taken);		/* summed, highest version */
	incver = taken;
	incmax = seqof[taken];
	pin(incmin, seqof[taken])
}

proctype Flusher()
{
	short sum;
	bit accumulated;

end:
next:	if
	:: d_step { taken < ids -> stage() }	/* intake or fetch */
	:: d_step { inc ->			/* move; collapse: sum, maximum, WB-5 */
		fl = fl + inc;
		flver = incver;
		pin(flmin, incmin);		/* PC-6 */
		flmax = incmax;
		inc = 0; incver = 0; incmin = 0; incmax = 0
	   }
#ifdef BUG_FLUSH_BEFORE_REPLAY
	:: fl -> goto apply
#else
	:: fl && acctdone -> goto apply		/* 4.6, RP-3 */
#endif
	fi;
	goto next;

apply:	LOCK(leaf);
	d_step {
		if				/* 4.3.2, WB-7: once per key */
#ifdef BUG_ACCUMULATE_TWICE
		:: true ->
#else
		:: !accumulated ->
#endif
			fl = fl + bt;
			flver = MAX(flver, btver);
			accumulated = 1
		:: else
		fi
	};
	if
	:: d_step {
		sum = fl;
#if defined(BUG_GUARD_MIN)
		insert(sum, flver, flmin, flmin);
#elif defined(BUG_PIN_MAX)
		insert(sum, flver, flmax, flmax);
#else
		insert(sum, flver, flmin, flmax);
#endif
		fl = 0; flver = 0; flmin = 0; flmax = 0;	/* PC-7 */
		accumulated = 0; sum = 0;
		UNLOCK(leaf)
	   };
	   goto next
#ifdef RESTARTS
	:: UNLOCK(leaf) ->			/* H10: leaf full, or a restart */
#ifdef BUG_LOST_ON_SLOW_PATH
		d_step { fl = fl - bt };	/* the slow pass never accumulates */
#endif
		goto apply
#endif
	fi
}

inline keep(var)
{
	if
	:: var && var < oldest -> oldest = var
	:: else
	fi
}

/* Crash here, recover, and do phase 1 again: I5. */
inline check_crash()
{
	sum = acc;
	ver = accver;
	for (n : 1 .. durable) {
		if
		:: seqof[n] >= last_seq[jd] && ver < n -> sum = sum + DELTA(n); ver = n
		:: else
		fi
	};
	HOLD(I5, sum == ONCE(durable));
	sum = 0; ver = 0; n = 0
}

inline accept()
{
	if
	:: guard && !writing && guard <= jd ->
		acc = pend; accver = pendver;
		guard = 0; pend = 0; pendver = 0
	:: else
	fi
}

proctype Disk()
{
	byte n, oldest, ver;
	short sum;

end:	do
	:: d_step { cur <= MAXSEQ ->		/* close: PC-1 */
		oldest = jd + 1;
		keep(rpin); keep(incmin); keep(flmin); keep(leafpin); keep(wpin);
		for (n : 1 .. ids) {		/* PC-5: not yet taken */
			if
			:: n > taken -> keep(seqof[n])
			:: else
			fi
		};
		last_seq[cur] = oldest;
		oldest = 0; n = 0;
		cur++
	   }
	:: d_step { jd + 1 < cur && (taken == ids || seqof[taken + 1] > jd + 1) ->
		jd++;				/* write, after intake */
		for (n : 1 .. ids) {
			if
			:: seqof[n] <= jd -> durable = n
			:: else
			fi
		};
		n = 0;
		accept();
		check_crash()
	   }
	:: d_step { !leaf && dirty && !guard ->	/* submit a leaf write */
		pend = bt; pendver = btver; guard = newguard; wpin = leafpin;
		newguard = 0; leafpin = 0; dirty = 0; writing = 1
	   }
	:: d_step { writing ->			/* done: PC-8 */
		writing = 0; wpin = 0;
		accept();
		check_crash()
	   }
	od
}

init
{
	atomic {
		if
		:: acc = 0; accver = 0
		:: acc = ONCE(1); accver = 1
		:: acc = ONCE(2); accver = 2
		fi;
		bt = acc; btver = accver;
		seqof[1] = 1; seqof[2] = 2;
		last_seq[1] = 1; last_seq[2] = 1;
		ids = 2; taken = 2; durable = 2; jd = 2; cur = 3; rpin = 1;
		workers = 2;
		run Committer(); run Replay(); run Flusher(); run Disk()
	};
	/* I5 without a crash: drained, in memory. */
	atomic { workers == 0 && taken == ids && !inc && !fl && !leaf -> HOLD(I5, bt == ONCE(ids)) }
}
