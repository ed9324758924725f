/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Journal replay against threads that update write-buffered btrees.
 *
 * This is section 14 of Documentation/format/22-write-buffer-and-replay.md as
 * a program. Tags in comments (SY-1, PC-4 ..) are rules of that page.
 *
 * An update is its number: new ones count up in journal order, the keys of the
 * old journal are numbered by their entry, 0 is what the disk had before. So
 * "the newer one wins" is ">", and set, delete and value need not be told
 * apart; a position that ends with a smaller number than it should has been
 * resurrected (interleaving A), lost (C) or set back (D), as the reader likes.
 *
 * A transaction updates alloc(b) and, by its trigger, the index key of b (in
 * the style of need_discard: known only once the journal reservation is held,
 * hence buffered). One leaf per btree; its intent and write lock are one mutex.
 *
 * -D   NB=n         buckets                       NTX=n   new transactions in all
 *      COMMITTERS=n threads that make them        CRASHES=n crash, then run again
 *      SEQS=n       journal entries after the old ones
 *      INTERIOR     also a thread that splits: one pointer, level 1
 * Protocols: none named is the new one; PROTO_* and BUG_* are listed in README.
 */
#include "hold.h"

#ifndef NB
#define NB 1
#endif
#ifndef NTX
#define NTX 2
#endif
#ifndef COMMITTERS
#define COMMITTERS 2
#endif
#ifndef SEQS
#define SEQS 2
#endif
#ifndef CRASHES
#define CRASHES 0
#endif

#define NOLD	2			/* entries of the old journal */
#define MAXSEQ	(NOLD + SEQS + CRASHES)	/* the last one that takes keys */
#define IDS	(NOLD + NTX + 2)

#define A(b)	(b)			/* alloc: ordinary */
#define D(b)	(NB + (b))		/* need_discard: buffered */
#ifdef INTERIOR
#define I	(2 * NB)		/* a child pointer */
#define NP	(2 * NB + 1)
#define LEAVES	3
#else
#define NP	(2 * NB)
#define LEAVES	2
#endif
#define LEAF(p)	((p) / NB)		/* NB == 1 if INTERIOR */

/* Locks. */
bit leaf[LEAVES], owlock;

/* The btrees: in memory, and what recovery would find of them (14.1). */
byte bt[NP], acc[NP];			/* acc: in a bset that will be accepted */
bit  dirty[NP];
byte leafpin[LEAVES], wpin[LEAVES];	/* of dirty keys; of the write in flight */
byte pend[NP], guard[LEAVES];		/* bset written, or being, and its guard */
byte newguard[LEAVES];			/* guard of the bset being filled */
bit  blocked;				/* parent of an unfinished split: IU-3 */

/* The overlay. */
byte ov[NP];				/* 0: nothing */
bit  ow[NP];
bit  replay_done;
bit  todo[NP];				/* left over for phase 3 */

/* The journal. jk: last key for p in entry s, 0 if none. */
#define jk(s, p) jkeys[(s) * NP + (p)]
byte jkeys[(MAXSEQ + 2) * NP];
byte last_seq[MAXSEQ + 2];
byte nres[MAXSEQ + 2];			/* reservations not given back */
byte cur, jd;				/* the open entry; the newest durable */
byte oldend;				/* end of the old journal */
byte itk;				/* first entry whose intake is not complete */
byte seqof[IDS];
byte rpin, ipin;			/* replay's oldest pin; the split's */

/* The write buffer: newest key per position (WB-2), pins of the oldest. */
byte taken[NB], inc[NB], fl[NB];
byte incpin, flpin;

/* What must come out. */
byte last[NP];				/* last committed */
byte flushed[NB];			/* newest one applied by a flush */
byte ids, ntx, workers, ncrash;
bit  halt;

inline pin(var, seq)
{
	if
	:: var == 0 || seq < var -> var = seq
	:: else
	fi
}

inline keep(var)
{
	if
	:: var && var < _min -> _min = var
	:: else
	fi
}

/* Put update id into the leaf: PC-7 and PC-3 are "pin before the other goes". */
inline insert(p, id)
{
	bt[p] = id;
	dirty[p] = 1;
#ifdef BUG_GUARD_MIN
	pin(newguard[LEAF(p)], seqof[id]);
#else
	newguard[LEAF(p)] = MAX(newguard[LEAF(p)], seqof[id]);	/* PC-9 */
#endif
	pin(leafpin[LEAF(p)], seqof[id])
}

/* OV-1: what a lookup of p answers. */
#define OVERLAID(p)	(!replay_done && ov[p] && !ow[p])
#define VISIBLE(p)	(OVERLAID(p) -> ov[p] : bt[p])

/* ----- commit: 11.7 ----- */

inline mark(p)
{
	if
	:: !replay_done -> ow[p] = (ov[p] != 0)		/* SY-1, OV-5 */
	:: else
	fi
}

/* U of bucket b gets its reservation, and its number is known. */
inline reserve(b)
{
	d_step {
		ids++;
		id = ids;
		seq = cur;
		seqof[id] = seq;
		nres[seq]++;			/* PC-4: implicitly pinned */
		jk(seq, A(b)) = id;
		jk(seq, D(b)) = id
	}
}

proctype Committer()
{
	byte b, id, seq;
	bit latched;

	{
next:	atomic {
		if
		:: ntx < NTX -> ntx++
		:: else -> workers--; goto out
		fi;
		latched = !replay_done;				/* 8.6 */
		if
		:: b = 0
#if NB > 1
		:: b = 1
#endif
		fi
	}
#ifdef PROTO_OUTSIDE
	LOCK(owlock);				/* 11.8.3: the first version */
	LOCK(leaf[LEAF(A(b))]);
#else
	LOCK(leaf[LEAF(A(b))]);			/* H5 */
#ifdef PROTO_BYPASS
	if					/* 3.1.3: D as an ordinary key */
	:: latched -> LOCK(leaf[LEAF(D(b))])
	:: else
	fi;
#endif
	LOCK(owlock);				/* H6; SY-4: nothing below waits */
#endif
#ifdef BUG_MARK_BEFORE_SUCCESS
	d_step { mark(A(b)); mark(D(b)) };
#endif
	if
	:: cur <= MAXSEQ -> reserve(b)		/* H7 */
	:: true -> id = 0			/* no space: mark nothing, SY-2 */
	fi;
	if
	:: id == 0
	:: else ->
		d_step { insert(A(b), id) };
#ifdef PROTO_BYPASS
		if
		:: latched -> d_step { insert(D(b), id); taken[b] = id }
		:: else
		fi;
#endif
		d_step {
#ifndef BUG_MARK_BEFORE_SUCCESS
			mark(A(b));
#if !defined(PROTO_OLD) && !defined(PROTO_MARK_AT_FLUSH)
			mark(D(b))				/* SY-1 */
#endif
#endif
		}
	fi;
	d_step {				/* H8 */
		UNLOCK(owlock);
		UNLOCK(leaf[LEAF(A(b))]);
#ifdef PROTO_BYPASS
		if
		:: latched -> UNLOCK(leaf[LEAF(D(b))])
		:: else
		fi;
#endif
		if
		:: id ->
			nres[seq]--;
			last[A(b)] = id;
			last[D(b)] = id;
			HOLD(I3, VISIBLE(A(b)) == id);
			HOLD(I2, !OVERLAID(D(b)))
		:: else
		fi;
		id = 0; seq = 0; b = 0; latched = 0
	};
	goto next
	} unless { halt };
out:	skip
}

#ifdef INTERIOR
/* A split: in the parent's memory first, in the journal later (11.8.8). */
proctype Splitter()
{
	byte id, seq;

	{
	LOCK(leaf[LEAF(I)]);
	d_step {
		ids++;
		id = ids;
		bt[I] = id;
		blocked = 1			/* not written until journalled: IU-3 */
	};
	LOCK(owlock);
	d_step {
#ifndef PROTO_SPLIT_UNPINNED
		if				/* take over a pin for K */
		:: OVERLAID(I) -> ipin = rpin
		:: else
		fi;
#endif
		mark(I);
		UNLOCK(owlock);
		UNLOCK(leaf[LEAF(I)]);
		HOLD(I3, VISIBLE(I) >= last[I])
	};
	atomic {				/* H15 */
		LOCK(leaf[LEAF(I)]);
		if
		:: cur <= MAXSEQ
		:: else -> goto stuck		/* bound reached: stays unfinished */
		fi
	};
	d_step {
		seq = cur;
		seqof[id] = seq;
		jk(seq, I) = id;
		insert(I, id);
		ipin = 0;
		blocked = 0;
		last[I] = id;
		UNLOCK(leaf[LEAF(I)]);
		HOLD(I3, VISIBLE(I) == id)
	};
stuck:	d_step { leaf[LEAF(I)] = 0; workers--; id = 0; seq = 0 }
	} unless { halt }
}
#endif

/* ----- replay: section 9 ----- */

inline replay_one(p)
{
again:	if
	:: ow[p]				/* 9.3.1, H1 */
	:: else ->
#ifdef PROTO_OUTSIDE
		LOCK(owlock);
		LOCK(leaf[LEAF(p)]);
#else
		LOCK(leaf[LEAF(p)]);
#endif
		if
#ifndef BUG_NO_CHECK_UNDER_LEAF
		:: ow[p]			/* 9.3.4 */
#endif
		:: else_unless_checked(p) ->	/* H2 */
#ifndef PROTO_OUTSIDE
			LOCK(owlock);
#endif
			if
#ifndef PROTO_VACUOUS_CHECK
			:: ow[p] ->		/* 11.7.4: restart */
				d_step { UNLOCK(owlock); UNLOCK(leaf[LEAF(p)]) };
				goto again
			:: else
#else
			:: true
#endif
			fi;
			d_step {		/* PC-3; H3 */
				insert(p, ov[p]);
				mark(p)
			};
			UNLOCK(owlock)
		fi;
		d_step {
			UNLOCK(leaf[LEAF(p)]);
#ifdef PROTO_OUTSIDE
			UNLOCK(owlock);
#endif
			if
			:: p < NB -> HOLD(I3, VISIBLE(p) == last[p])
			:: p >= NB && p < 2 * NB -> HOLD(B, VISIBLE(p) >= flushed[p - NB])
			:: else
			fi
		}
	fi
}

