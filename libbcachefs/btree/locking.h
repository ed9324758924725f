/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Locks taken by transactions: nodes (and key cache entries) with six locks, and
 * mutexes that are waited for with nodes in hand (spec 21 section 3).
 *
 * Holds are counted per transaction: what a transaction holds is never waited
 * for again. Whoever is about to sleep looks for a cycle first; one member of a
 * cycle, the youngest, restarts with transaction_restart_would_deadlock. After
 * any restart error the transaction keeps its locks until bch2_trans_begin().
 *
 * Locks taken here directly are given back by their taker: bch2_trans_unlock()
 * and bch2_trans_begin() drop only those that belong to iterators.
 */
#ifndef _BCACHEFS_BTREE_LOCKING_H
#define _BCACHEFS_BTREE_LOCKING_H

#include "bcachefs.h"
#include "util/six.h"

/* @t: read or intent. 0 or a restart; waits. */
int bch2_trans_lock(struct btree_trans *trans, struct six_lock *l, enum six_lock_type t);
/* The same without waiting; false also if there is no memory to note it down. */
bool bch2_trans_trylock(struct btree_trans *trans, struct six_lock *l, enum six_lock_type t);
/* Without waiting, and only if nothing was written since @seq. */
bool bch2_trans_relock_one(struct btree_trans *trans, struct six_lock *l,
			   enum six_lock_type t, u32 seq);
void bch2_trans_unlock_one(struct btree_trans *trans, struct six_lock *l,
			   enum six_lock_type t);

/* A read hold becomes an intent hold; @seq: of the read lock. 0 or a restart; waits. */
int bch2_trans_upgrade_one(struct btree_trans *trans, struct six_lock *l, u32 seq);
/* An intent hold becomes a read hold. */
void bch2_trans_downgrade_one(struct btree_trans *trans, struct six_lock *l);

/* On top of an intent hold; once. Waits for readers. 0 or a restart. */
int bch2_trans_lock_write(struct btree_trans *trans, struct six_lock *l);
bool bch2_trans_trylock_write(struct btree_trans *trans, struct six_lock *l);
void bch2_trans_unlock_write(struct btree_trans *trans, struct six_lock *l);

/* For callers that cannot fail: others restart in their place. */
void bch2_trans_lock_nofail(struct btree_trans *trans, struct six_lock *l,
			    enum six_lock_type t);
void bch2_trans_lock_write_nofail(struct btree_trans *trans, struct six_lock *l);

/* What the transaction holds on @l: a bitmap, bits of enum six_lock_type. */
unsigned bch2_trans_lock_held(const struct btree_trans *trans, const struct six_lock *l);

/* Does it hold any node lock? Mutexes do not count. */
bool bch2_trans_has_locks(const struct btree_trans *trans);

/* --- nodes --- */

/*
 * The write lock of a node that is intent locked. Unlocking tells all paths of the
 * transaction that hold the node that its sequence number is another one: they stay
 * valid, their cached indexes do not.
 */
int btree_node_lock_write(struct btree_trans *trans, struct btree *b);
void btree_node_lock_write_nofail(struct btree_trans *trans, struct btree *b);
void btree_node_unlock_write(struct btree_trans *trans, struct btree *b);

/* --- mutexes (spec 21 section 3.3) --- */

/*
 * Take @m though node locks may be held: if it is taken, all locks of iterators
 * are dropped while waiting, then taken again. 0, or a restart without @m. Nobody
 * else may wait for @m by other means with node locks held.
 */
int bch2_trans_mutex_lock(struct btree_trans *trans, struct mutex *m);
void bch2_trans_mutex_unlock(struct btree_trans *trans, struct mutex *m);

/* --- the rest of the file pair: lock_graph.c --- */

/*
 * The transaction has published in trans->locks what it waits for: is there a
 * cycle? 0: go and sleep; a restart: it is the victim.
 */
int bch2_lock_graph_check(struct btree_trans *trans);

#endif /* _BCACHEFS_BTREE_LOCKING_H */
