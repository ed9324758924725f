/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all models share: named assertions and mutexes.
 *
 * HOLD(I4, cond) fails with the text "assertion violated I4_violated", so that
 * a caller can tell which property broke. With -DONLY=ID_I4 the other ones are
 * not looked at: a broken protocol often breaks several, and the one asked for
 * need not be the first that the search comes across.
 *
 * I1 .. I7 are those of Documentation/format/22-write-buffer-and-replay.md,
 * section 14.3; the rest are named after the rules or tables of that page.
 */
#define ID_I1		1
#define ID_I2		2
#define ID_I3		3
#define ID_I4		4
#define ID_I5		5
#define ID_I6		6	/* also: only invalid end states, see run.sh */
#define ID_I7		7
#define ID_B		8	/* interleaving B: a flushed update stays visible */
#define ID_ND1		9	/* index and authoritative key agree */
#define ID_RP5		10
#define ID_WB0		11
#define ID_WB2		12
#define ID_SYNC		13	/* contract of the synchronous flush, 4.5 */
#define ID_OV4		14
#define ID_OV6		15
#define ID_FC1		16
#define ID_FC5		17

hidden byte I1_violated, I2_violated, I3_violated, I4_violated, I5_violated,
	   I6_violated, I7_violated, B_violated, ND1_violated, RP5_violated,
	   WB0_violated, WB2_violated, SYNC_violated, OV4_violated,
	   OV6_violated, FC1_violated, FC5_violated;

#ifndef ONLY
#define ONLY 0
#endif

#define HOLD(name, cond)						\
	if								\
	:: (ONLY == 0 || ONLY == ID_##name) && !(cond) ->		\
		assert(name##_violated)					\
	:: else								\
	fi

#define LOCK(m)		atomic { !m -> m = 1 }
#define UNLOCK(m)	m = 0
#define MIN(a, b)	((a) < (b) -> (a) : (b))
#define MAX(a, b)	((a) > (b) -> (a) : (b))
