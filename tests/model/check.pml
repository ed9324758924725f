/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The check of need_discard while other threads work: trigger rules ND-1 to
 * ND-3, maybe-flush (5.2) and FC-1 to FC-6 of
 * Documentation/format/22-write-buffer-and-replay.md, scenarios 28 to 31, 35.
 *
 * One bucket. Its alloc key is need_discard at a sequence number, or free; the
 * index is a bit per sequence number, of which 0 may be used again and again
 * (12.5); updates of the index wait in a queue. The index is damaged at first
 * if DAMAGE is given. The check runs twice, in both directions, against NTX
 * transitions of the bucket and against flushes at any time. It may come to a
 * key a second time, as after an unrelated restart (AGAIN).
 *
 * PROGRESS asks whether the check ends while another thread commits for ever,
 * to other buckets: a livelock is a non-progress cycle under weak fairness.
 */
#include "hold.h"

#ifndef NTX
#define NTX 3
#endif
#define SEQS	3		/* positions 0, 1, 2 of the index */
#define QUEUE	(NTX + 8)

bit isnd;			/* alloc(b) */
byte seq, gen;
#define KEY	(isnd + 2 * seq + 8 * gen)

bit nd[SEQS];			/* the index as of the last flush */
byte queue[QUEUE], queued;	/* 2 * position + set */
bit alloclock, ndlock;
bit noise;			/* the journal's sequence number, as far as others move it */
byte nexts = 1, busy = 2;

inline buffer(p, set)
{
	queue[queued] = 2 * (p) + set;
	queued++
}

inline flush()
{
	do
	:: qi < queued ->
		nd[queue[qi] / 2] = queue[qi] % 2;
		queue[qi] = 0;
		qi++
	:: else -> break
	od;
	queued = 0;
	qi = 0
}

/* The index with the queue applied: what a flush would show. */
inline effective(p, res)
{
	res = nd[p];
	for (qi : 0 .. QUEUE - 1) {
		if
		:: qi < queued && queue[qi] / 2 == p -> res = queue[qi] % 2
		:: else
		fi
	};
	qi = 0
}

/* ND-1, modulo the queue. */
inline check_nd1()
{
	for (p : 0 .. SEQS - 1) {
		effective(p, found);
		HOLD(ND1, found == (isnd && p == seq))
	};
	p = 0; found = 0
}

/* Write and empty the bucket, or discard it: the trigger's atomic part, 12.3. */
proctype Bucket()
{
	byte n, old, qi, p;
	bit found;

	do
	:: n < NTX ->
		LOCK(alloclock);
		atomic {
			if
			:: isnd ->			/* need_discard -> free */
				old = seq;
				isnd = 0;
				seq = 0;
#ifdef BUG_DELETE_AT_NEW
				buffer(seq, 0);
#else
				buffer(old, 0)		/* ND-3 */
#endif
			:: !isnd ->			/* reused and emptied again */
				isnd = 1;
#ifndef PROTO_NO_GENERATION
				gen++;
#endif
				if
				:: nexts < SEQS -> seq = nexts; nexts++
				:: seq = 0		/* 12.5 */
				fi;
				buffer(seq, 1)
			fi;
			old = 0;
			n++
		};
		d_step {
			UNLOCK(alloclock);
#ifndef DAMAGE
			check_nd1();
#endif
			old = 0
		}
	:: n == NTX -> break
	od;
	busy--
}

proctype Flusher()
{
	byte qi;

	qi = 0;
end:	do
	:: atomic { !ndlock && queued -> d_step { flush() } }
	od
}

#ifdef PROGRESS
proctype Noise()
{
	do
	:: d_step { busy > 0 -> noise = !noise }
	:: busy == 0 -> break
	od
}
#endif

/* Step 2 of 5.2: flushed already, and nothing of ours since? FC-4 */
#if defined(PROTO_NO_STAMP)
#define STAMPED true
#elif defined(PROTO_SEQ_STAMP)
#define STAMPED (stamp == noise)
#else
#define STAMPED (stamp == commits)
#endif

#ifdef PROTO_SEQ_STAMP
#define STAMP before			/* sampled before the flush */
#else
#define STAMP commits
#endif

#ifdef BUG_NO_FLUSH
#define MAYBE_REAL true
#else
#define MAYBE_REAL (last == KEY + 1 && STAMPED)
#endif

/* Index key at k that its bucket does not want. */
#define WRONG(k) (nd[k] && !(isnd && seq == k))

/* Report, count, repair: once per damage. */
inline error(pos, set)
{
	effective(pos, found);
	HOLD(FC1, found != set);
	HOLD(FC5, round == 0 && !reported[pos]);
	reported[pos] = 1;
	buffer(pos, set);			/* FC-3 */
	commits++;
	found = 0
}

proctype Check()
{
	byte round, k, p, last, stamp, commits, qi, before;
	bit found, again, seen, reported[SEQS];

	/* last is the referring key, plus 1; 0: none yet */
next:	if
	:: round == 2 -> goto done
	:: round < 2
	fi;

direction1:					/* 13.1 */
	LOCK(ndlock);
	LOCK(alloclock);
	if
	:: d_step { isnd && !nd[seq] && MAYBE_REAL -> error(seq, 1); seen = 1 }
	:: isnd && !nd[seq] && !MAYBE_REAL ->
		d_step { before = noise; last = KEY + 1; UNLOCK(alloclock); UNLOCK(ndlock) };
		atomic { !ndlock -> d_step { flush() } };
		d_step {			/* H13; FC-2: both sides again */
			stamp = STAMP;
			before = 0
		};
		goto direction1
	:: !(isnd && !nd[seq])
	fi;
	d_step { UNLOCK(alloclock); UNLOCK(ndlock) };
#ifdef AGAIN
	if
	:: !again && seen -> again = 1; goto direction1
	:: else
	fi;
#endif
progress1:
	d_step { again = 0; seen = 0; k = 0 };

direction2:					/* 13.2 */
	do
	:: k < SEQS && !nd[k] -> k++
	:: k < SEQS && nd[k] ->
		LOCK(ndlock);
		LOCK(alloclock);
		if
		:: d_step { WRONG(k) && MAYBE_REAL -> error(k, 0); seen = 1;
			UNLOCK(alloclock); UNLOCK(ndlock) }
		:: WRONG(k) && !MAYBE_REAL ->
			d_step { before = noise; last = KEY + 1; UNLOCK(alloclock); UNLOCK(ndlock) };
			atomic { !ndlock -> d_step { flush() } };
			d_step { stamp = STAMP; before = 0 };
			goto direction2
		:: d_step { !WRONG(k) -> UNLOCK(alloclock); UNLOCK(ndlock) }
		fi;
#ifdef AGAIN
		if
		:: !again && seen -> again = 1; goto direction2
		:: else
		fi;
#endif
progress2:	d_step { again = 0; seen = 0; k++ }
	:: k == SEQS -> break
	od;
	atomic { !ndlock -> d_step { flush() } };	/* FC-7 */
	round++;
	k = 0;
	goto next;

done:	busy--;
progress3:
	skip
}

init
{
	byte p, qi;
	bit found;

	atomic {
#ifdef DAMAGE
		if
		:: isnd = 0
		:: isnd = 1; seq = 0
		:: isnd = 1; seq = 1; nexts = 2
		fi;
		if :: nd[0] = 0 :: nd[0] = 1 fi;
		if :: nd[1] = 0 :: nd[1] = 1 fi;
		if :: nd[2] = 0 :: nd[2] = 1 fi;
#endif
#ifdef PROGRESS
		run Noise();
#endif
		run Bucket(); run Check(); run Flusher()
	};
	d_step { busy == 0 -> check_nd1() }
}
