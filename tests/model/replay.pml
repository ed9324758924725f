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
 *      NODISK       no journal or leaf writes: what running threads see, alone
 *      CLEAN        no keys in the old journal
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

#if NB == 1
#define ANY(a)	(a[0])
#else
#define ANY(a)	(a[0] || a[1])
#endif

/* Locks. */
bit leaf[LEAVES], owlock;

/* The btrees: in memory, and what recovery would find of them (14.1). */
byte bt[NP], acc[NP];			/* acc: in a bset that will be accepted */
bit  dirty[NP];
byte leafpin[LEAVES], wpin[LEAVES];	/* of dirty keys; of the write in flight */
bit  writing[LEAVES];
byte pend[NP], guard[LEAVES];		/* bset written, or being, and its guard */
byte newguard[LEAVES];			/* guard of the bset being filled */
bit  blocked;				/* parent of an unfinished split: IU-3 */

/* The overlay. */
byte ov[NP];				/* 0: nothing */
bit  ow[NP];
bit  replay_done;
bit  todo[NP];				/* left over for phase 3 */

/* The journal. jk: last key for p in entry s, 0 if none;
 * buffered: last one for index b that still has type 11. */
#define jk(s, p)	jkeys[(s) * NP + (p)]
#define buffered(s, b)	type11[(s) * NB + (b)]
byte jkeys[(MAXSEQ + 3) * NP];
byte type11[(MAXSEQ + 3) * NB];
byte last_seq[MAXSEQ + 3];
byte nres[MAXSEQ + 3];			/* reservations not given back */
byte cur, jd;				/* the open entry; the newest durable */
byte oldend;				/* end of the old journal */
byte itk;				/* first entry whose intake is not complete */
byte seqof[IDS];
byte rpin, ipin;			/* replay's oldest pin; the split's */

/* The write buffer: newest key per position (WB-2), pins of the oldest. */
byte inc[NB], fl[NB];
byte incpin, flpin;

/* What must come out. */
byte last[NP], durable[NP];		/* last committed; last in a durable entry */
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
	:: var && var < oldest -> oldest = var
	:: else
	fi
}

/* Put update id into the leaf: PC-7 and PC-3 are "pin before the other goes". */
inline insert(p, id)
{
	bt[p] = id;
	dirty[p] = 1;
#ifdef BUG_NO_GUARD
	newguard[LEAF(p)] = 1;
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
	ids++;
	id = ids;
	seq = cur;
	seqof[id] = seq;
	nres[seq]++;				/* PC-4: implicitly pinned */
	jk(seq, A(b)) = id;
	jk(seq, D(b)) = id;
#ifdef PROTO_BYPASS
	if
	:: latched
	:: else -> buffered(seq, b) = id
	fi
#else
	buffered(seq, b) = id
#endif
}

proctype Committer()
{
	byte b, id, seq;
	bit latched;

	{
	b = 0;
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
	:: d_step { cur <= MAXSEQ -> reserve(b) }	/* H7 */
	:: true -> id = 0			/* no space: mark nothing, SY-2 */
	fi;
	if
	:: id == 0
	:: else ->
		d_step {
			insert(A(b), id);
#ifdef PROTO_BYPASS
			if
			:: latched -> insert(D(b), id)
			:: else
			fi;
#endif
			last[A(b)] = id;		/* it cannot fail any more */
			last[D(b)] = id;
#ifndef BUG_MARK_BEFORE_SUCCESS
			mark(A(b));
#if !defined(PROTO_OLD) && !defined(PROTO_MARK_AT_FLUSH) && \
    !defined(PROTO_MARK_AFTER_FLUSH)
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
	LOCK(leaf[LEAF(I)]);			/* H15 */
	if
	:: cur > MAXSEQ -> goto stuck		/* bound reached: stays unfinished */
	:: d_step { cur <= MAXSEQ ->
		seq = cur;
		seqof[id] = seq;
		jk(seq, I) = id;
		insert(I, id);
		ipin = 0;
		blocked = 0;
		last[I] = id;
		UNLOCK(leaf[LEAF(I)]);
		HOLD(I3, VISIBLE(I) == id)
	   }
	fi;
stuck:	atomic {
		if
		:: id && !seq -> UNLOCK(leaf[LEAF(I)])
		:: else
		fi;
		workers--; id = 0; seq = 0
	}
	} unless { halt }
}
#endif

/* ----- replay: section 9 ----- */

#ifdef INTERIOR
#define ORDER(k)	((k) == 0 -> I : (k) - 1)	/* highest level first */
#else
#define ORDER(k)	(k)
#endif

/* Oldest entry whose keys are not all replayed or superseded, 0 if none. */
inline oldest_unreplayed(res)
{
	res = 0;
	for (vi : 0 .. NP - 1) {
		if
		:: ov[vi] && !ow[vi] -> pin(res, seqof[ov[vi]])
		:: else
		fi
	}
}

proctype Replay()
{
	byte k, p, vi;
	bit phase3;

	{
	k = 0;
next:	if
	:: !phase3 && k < NP ->			/* 9.2: sorted pass */
		d_step { p = ORDER(k); k++ };
		if
		:: skip
		:: d_step { ov[p] && !ow[p] -> todo[p] = 1 }; goto next
		fi
	:: !phase3 && k == NP ->
		d_step { phase3 = 1; k = 0; p = 0 };
#ifdef BUG_DONE_EARLY
		replay_done = 1;
#endif
		goto next
	:: phase3 ->				/* 9.4: journal order */
		d_step {
			p = NP;
			for (vi : 0 .. NP - 1) {
				if
				:: todo[vi] && p == NP -> p = vi
				:: todo[vi] && p != NP && seqof[ov[vi]] < seqof[ov[p]] -> p = vi
				:: else
				fi
			};
			if
			:: p == NP
			:: else -> todo[p] = 0; rpin = seqof[ov[p]]
			fi;
#ifdef BUG_RELEASE_EARLY
			rpin = (p < NP -> rpin + 1 : rpin);
#endif
			vi = 0
		};
		if
		:: p == NP -> goto finish
		:: else				/* H4 */
		fi
	fi;

again:	if
	:: ow[p] || !ov[p] -> goto next		/* 9.3.1 */
	:: else
	fi;					/* H1 */
#ifdef PROTO_OUTSIDE
	LOCK(owlock);
#endif
	LOCK(leaf[LEAF(p)]);
#ifndef BUG_NO_CHECK_UNDER_LEAF
	if
	:: ow[p] -> goto unlock			/* 9.3.4 */
	:: else
	fi;					/* H2 */
#endif
#ifndef PROTO_OUTSIDE
	LOCK(owlock);
#endif
#ifndef PROTO_VACUOUS_CHECK
	if
	:: ow[p] ->				/* 11.7.4: restart */
		d_step { UNLOCK(owlock); UNLOCK(leaf[LEAF(p)]) };
		goto again
	:: else
	fi;
#endif
	d_step {				/* H3; RP-6: no triggers */
		insert(p, ov[p]);		/* PC-3 */
		mark(p);			/* SY-2, last step of 9.3 */
		UNLOCK(owlock)
	};
unlock:	atomic {
		UNLOCK(leaf[LEAF(p)]);
#ifdef PROTO_OUTSIDE
		UNLOCK(owlock);
#endif
		if
		:: p < NB -> HOLD(I3, VISIBLE(p) == last[p])
		:: p >= NB && p < 2 * NB -> HOLD(B, VISIBLE(p) >= flushed[p - NB])
		:: else
		fi
	};
	if
	:: d_step { oldest_unreplayed(rpin); vi = 0 }	/* "allowed", 14.2 */
	:: skip
	fi;
	goto next;

finish:	atomic {				/* 9.5 */
		for (vi : 0 .. NP - 1) {
			HOLD(RP5, !ov[vi] || ow[vi]);
			ov[vi] = 0;
			ow[vi] = 0
		};
		rpin = 0;
		replay_done = 1;
		vi = 0; p = 0; k = 0;
		workers--
	}
	} unless { halt }
}

/* ----- the write buffer: intake 3.3, flush 4.2 ----- */

#if NB == 1
#define OPEN_HAS_KEYS	buffered(cur, 0)
#else
#define OPEN_HAS_KEYS	(buffered(cur, 0) || buffered(cur, 1))
#endif

/* Take the type 11 keys of entry s; their type becomes 0 (WB-0, WB-1). */
inline stage(s)
{
	for (vi : 0 .. NB - 1) {
		if
		:: buffered(s, vi) ->
			inc[vi] = buffered(s, vi);
			buffered(s, vi) = 0;
#ifndef BUG_INTAKE_UNPINNED
			pin(incpin, s);			/* PC-5 */
#endif
		:: else
		fi
	};
	vi = 0
}

proctype Flusher()
{
	byte b, vi;

	{
	b = 0;
end:
next:	if
	:: d_step {				/* fetch from the open entry */
		itk == cur && nres[cur] == 0 && cur <= MAXSEQ && OPEN_HAS_KEYS ->
		stage(cur)
	   }; goto next
	:: d_step {				/* incoming to flushing; collapse */
		ANY(inc) && !ANY(fl) ->
		for (vi : 0 .. NB - 1) { fl[vi] = inc[vi]; inc[vi] = 0 };
		vi = 0;
#ifndef BUG_MOVE_UNPINNED
		flpin = incpin;			/* PC-6: this one first */
		incpin = 0
	   }
	fi;
#else
		b = incpin;
		incpin = 0
	   }
	fi;
	flpin = b;
#endif
#ifdef BUG_FLUSH_UNPINNED
	flpin = 0;
#endif
	b = 0;
	do
	:: b < NB && !fl[b] -> b++
	:: b < NB && fl[b] ->			/* H10 */
#ifdef BUG_REJOURNAL
		d_step {			/* WB-6 */
			if
			:: cur <= MAXSEQ -> jk(cur, D(b)) = fl[b]
			:: else
			fi
		};
#endif
		LOCK(leaf[LEAF(D(b))]);
		d_step { insert(D(b), fl[b]) };
#ifdef PROTO_MARK_AT_FLUSH
		LOCK(owlock);
		d_step { mark(D(b)); UNLOCK(owlock) };
#endif
		d_step {
			flushed[b] = fl[b];
			fl[b] = 0;
			UNLOCK(leaf[LEAF(D(b))]);
#ifndef PROTO_MARK_AFTER_FLUSH
			HOLD(B, VISIBLE(D(b)) >= flushed[b])
#endif
		};
#ifdef PROTO_MARK_AFTER_FLUSH
		LOCK(owlock);
		d_step { mark(D(b)); UNLOCK(owlock) };
#endif
		b++
	:: b == NB ->				/* PC-7: the leaf has it */
		d_step { flpin = 0; b = 0 };
		goto next
	od
	} unless { halt }
}

/* ----- the disk: journal entries in order, bsets whenever ----- */

/* What recovery would make of p: its last key in the entries that the newest
 * durable one still wants, else the btree (14.2, "crash and recover"). */
inline recovered(p, res)
{
	res = acc[p];
	for (vs : last_seq[jd] .. jd) {
		if
		:: jk(vs, p) -> res = jk(vs, p)
		:: else
		fi
	};
	vs = 0
}

inline check_crash()
{
	for (vp : 0 .. NP - 1) {
		recovered(vp, vr);
		HOLD(I4, vr == durable[vp])
	};
	vp = 0; vr = 0
}

/* A bset counts once its guard is not newer than the journal: PC-9. */
inline accept(l)
{
	if
	:: guard[l] && !writing[l] && guard[l] <= jd ->
		for (vp : l * NB .. l * NB + NB - 1) {
			acc[vp] = (pend[vp] -> pend[vp] : acc[vp]);
			pend[vp] = 0
		};
		guard[l] = 0;
		vp = 0
	:: else
	fi
}

inline sample(res)
{
	oldest = jd + 1;				/* unwritten entries, PC-4 */
	keep(rpin);				/* PC-2 */
	keep(ipin); keep(incpin); keep(flpin);
	for (vl : 0 .. LEAVES - 1) { keep(leafpin[vl]); keep(wpin[vl]) };
	res = oldest;
	oldest = 0; vl = 0
}

/* I7: nobody who is not safe in the btree lives before last_seq of entry s. */
inline check_pins(s)
{
	for (vp : 0 .. NP - 1) {
		HOLD(I7, seqof[last[vp]] >= last_seq[s] || acc[vp] == last[vp] ||
			 (pend[vp] == last[vp] && !writing[LEAF(vp)] && guard[LEAF(vp)] <= s))
	};
	vp = 0
}

#define CAN_WRITE(l)	(!leaf[l] && leafpin[l] && !guard[l] && !(l == 2 && blocked))

/* H12 is between these two. Only one bset per leaf waits for its guard. */
inline submit(l)
{
	for (vp : l * NB .. l * NB + NB - 1) {
		pend[vp] = (dirty[vp] -> bt[vp] : 0);
		dirty[vp] = 0
	};
	guard[l] = newguard[l];
	newguard[l] = 0;
	wpin[l] = leafpin[l];
	leafpin[l] = 0;
	writing[l] = 1;
	vp = 0;
#ifdef BUG_PIN_UNTIL_SUBMIT
	wpin[l] = 0
#endif
}

inline complete(l)
{
	writing[l] = 0;
	wpin[l] = 0;				/* PC-8 */
	accept(l);
	check_crash()
}

proctype Disk()
{
	byte vi, vs, vp, vr, vl, oldest;

	{
	vs = 0;
end:	do
	:: d_step {				/* close: last_seq now, PC-1 */
		cur <= MAXSEQ ->
#ifndef BUG_LAST_SEQ_AT_WRITE
		sample(last_seq[cur]);
		check_pins(cur);
#endif
		cur++
	   }
	:: d_step {				/* intake; H9 */
		itk < cur && nres[itk] == 0 -> stage(itk); itk++
	   }
	:: d_step {				/* write; H11 */
		jd + 1 < itk ->
#ifdef BUG_LAST_SEQ_AT_WRITE
		sample(last_seq[jd + 1]);
#endif
		jd++;
		for (vp : 0 .. NP - 1) { durable[vp] = MAX(durable[vp], jk(jd, vp)) };
		for (vp : 0 .. NB - 1) {	/* one transaction updates both */
			durable[D(vp)] = (durable[A(vp)] > NOLD -> durable[A(vp)] : durable[D(vp)])
		};
		for (vs : 0 .. last_seq[jd] - 1) {	/* overwritten at once */
			for (vp : 0 .. NP - 1) { jk(vs, vp) = 0 }
		};
		vs = 0; vp = 0;
		for (vl : 0 .. LEAVES - 1) { accept(vl) };
		vl = 0;
		check_crash()
	   }
	:: d_step { CAN_WRITE(0) -> submit(0) }
	:: d_step { CAN_WRITE(1) -> submit(1) }
	:: d_step { writing[0] -> complete(0) }
	:: d_step { writing[1] -> complete(1) }
#ifdef INTERIOR
	:: d_step { CAN_WRITE(2) -> submit(2) }
	:: d_step { writing[2] -> complete(2) }
#endif
	od
	} unless { halt }
}

/* ----- startup, crash, end ----- */

inline first_start()
{
	for (vp : 0 .. NP - 1) {
		vr = 1;				/* entry 1: every index, every pointer */
		if
		:: NB == 1 && vp == 0 -> vr = 2	/* one bucket: alloc was updated again */
		:: NB > 1 -> vr = 1 + vp % NB	/* two: an entry each */
		:: else
		fi;
		jk(vr, vp) = vr;
#ifdef CLEAN
		jk(vr, vp) = 0; vr = 0;
#endif
		ov[vp] = vr; last[vp] = vr; durable[vp] = vr
	};
	seqof[1] = 1; seqof[2] = 2;
	last_seq[1] = 1; last_seq[2] = 1;
	ids = 2; jd = 2; oldend = 2; rpin = 1; cur = 3; itk = 3;
	vp = 0; vr = 0
}

/* 14.2, "crash and recover": memory is gone, entries that did not get to disk
 * are blacklisted with everything guarded by them. */
inline crash()
{
	for (vs : jd + 1 .. cur) {
		for (vp : 0 .. NP - 1) { jk(vs, vp) = 0 };
		for (vp : 0 .. NB - 1) { buffered(vs, vp) = 0 };
		nres[vs] = 0
	};
	for (vp : 0 .. NP - 1) {
		bt[vp] = acc[vp];
		last[vp] = durable[vp];
		ov[vp] = 0; ow[vp] = 0; todo[vp] = 0; dirty[vp] = 0; pend[vp] = 0;
		for (vs : last_seq[jd] .. jd) {
			ov[vp] = (jk(vs, vp) -> jk(vs, vp) : ov[vp])
		}
	};
	for (vp : 0 .. LEAVES - 1) {
		leaf[vp] = 0; leafpin[vp] = 0; wpin[vp] = 0; writing[vp] = 0;
		guard[vp] = 0; newguard[vp] = 0
	};
	for (vp : 0 .. NB - 1) { inc[vp] = 0; fl[vp] = 0; flushed[vp] = 0 };
	owlock = 0; blocked = 0; ipin = 0; incpin = 0; flpin = 0; replay_done = 0;
	oldend = jd;
	rpin = last_seq[jd];
	last_seq[cur] = last_seq[jd];
	jd = cur;
	cur++;
	itk = cur;
	workers = 0;
	vs = 0; vp = 0
}

#define DRAINED	(workers == 0 && !ANY(inc) && !ANY(fl) && itk == cur &&	\
		 (cur > MAXSEQ || !OPEN_HAS_KEYS))

init
{
	byte vp, vr, vs;

	d_step { first_start() };
start:	atomic {
		workers = 1 + COMMITTERS;
		run Replay();
#if COMMITTERS > 0
		for (vp : 1 .. COMMITTERS) { run Committer() };
		vp = 0;
#endif
#ifdef INTERIOR
		workers++;
		run Splitter();
#endif
#ifndef NODISK
		run Disk();
#endif
		run Flusher()
	};
	if
	:: d_step { DRAINED ->
		for (vp : 0 .. NP - 1) { HOLD(I1, bt[vp] == last[vp] || (vp >= 2 * NB && bt[vp] > last[vp])) };
		vp = 0; halt = 1 }
#if CRASHES > 0
	:: d_step { ncrash < CRASHES -> ncrash++; halt = 1; vp = 1 }
#endif
	fi;
	_nr_pr == 1;
	if
	:: vp == 1 -> d_step { crash(); halt = 0; vp = 0 }; goto start
	:: else
	fi
}
