/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Life of a transaction (spec 21 section 2): attempts, restarts, its memory.
 *
 *	ret = lockrestart_do(trans, attempt(trans));
 *
 * runs attempt() until it returns something other than a restart. Rules TX-1 to
 * TX-5: after a restart nothing but bch2_trans_begin(); an attempt has no effects
 * before its commit; keys are valid while their path is locked.
 */
#ifndef _BCACHEFS_BTREE_TRANS_H
#define _BCACHEFS_BTREE_TRANS_H

#include <linux/bitops.h>
#include <linux/compiler.h>

#include "bcachefs.h"

void bch2_fs_btree_trans_init(struct bch_fs *c);

struct btree_trans *__bch2_trans_get(struct bch_fs *c, const char *fn);
#define bch2_trans_get(_c)	__bch2_trans_get(_c, __func__)

/* For what must be finished once it has begun: no loop of it is interrupted. */
#define bch2_trans_get_service(_c)						\
({										\
	struct btree_trans *service_trans = bch2_trans_get(_c);			\
										\
	service_trans->may_stop = false;					\
	service_trans;								\
})

void bch2_trans_put(struct btree_trans *trans);
u32 bch2_trans_begin(struct btree_trans *trans);

/* Drop the locks of all iterators; what they stood on is kept in mind. */
void bch2_trans_unlock(struct btree_trans *trans);
/* Take them again: 0, everything read in this attempt is still so; or a restart (TX-4). */
int bch2_trans_relock(struct btree_trans *trans);
/* The same as unlock, before something that may take seconds. */
void bch2_trans_unlock_long(struct btree_trans *trans);

/* Note that @err, a restart, is due; its negative value. */
int bch2_trans_restart(struct btree_trans *trans, int err);
/* Errors reported are new ones from here on (fsck_err_trans.c). */
void bch2_trans_forget_reports(struct btree_trans *trans);

/* Tests: time for an injected restart? 0 or the restart. */
int __bch2_trans_fault(struct btree_trans *trans);

static inline int bch2_trans_fault(struct btree_trans *trans)
{
	return unlikely(READ_ONCE(trans->c->btree.restart_fault_every))
		? __bch2_trans_fault(trans) : 0;
}

/*
 * Has somebody interrupted the start, and does this transaction belong to a pass
 * that can be left at any key? 0 or -BCH_ERR_recovery_interrupted.
 */
static inline int bch2_trans_interrupted(const struct btree_trans *trans)
{
	return unlikely(test_bit(BCH_FS_stop_passes, &trans->c->flags)) && trans->may_stop
		? -BCH_ERR_recovery_interrupted : 0;
}

static inline bool bch2_trans_was_restarted(const struct btree_trans *trans, u32 count)
{
	return trans->restart_count != count;
}

/* Run @_do, which blocks, without locks. 0, its error, or a restart. */
#define drop_locks_do(_trans, _do)						\
({										\
	bch2_trans_unlock(_trans);						\
	int drop_locks_ret = (_do);						\
	drop_locks_ret ?: bch2_trans_relock(_trans);				\
})

/* Run @_do until it does not ask for a restart. */
#define lockrestart_do(_trans, _do)						\
({										\
	int lockrestart_ret;							\
										\
	do {									\
		bch2_trans_begin(_trans);					\
		lockrestart_ret = bch2_trans_interrupted(_trans) ?: (_do);	\
	} while (bch2_err_matches(lockrestart_ret, BCH_ERR_transaction_restart)); \
	lockrestart_ret;							\
})

/*
 * The same inside an attempt of the caller, which must begin again
 * (transaction_restart_nested) if @_do had to: what the caller read is void then.
 */
#define nested_lockrestart_do(_trans, _do)					\
({										\
	const u32 nested_count = (_trans)->restart_count;			\
	int nested_ret = (_do);							\
										\
	while (bch2_err_matches(nested_ret, BCH_ERR_transaction_restart)) {	\
		bch2_trans_begin(_trans);					\
		nested_ret = (_do);						\
	}									\
	if (!nested_ret && bch2_trans_was_restarted(_trans, nested_count))	\
		nested_ret = bch2_trans_restart(_trans,				\
				BCH_ERR_transaction_restart_nested);		\
	nested_ret;								\
})

/* --- memory until the next begin; zeroed, never moves --- */

/* ERR_PTR(-ENOMEM), or a restart (injected). */
void *bch2_trans_kmalloc(struct btree_trans *trans, size_t bytes);
void *bch2_trans_arena_alloc(struct btree_trans *trans, size_t bytes);

/* Room for @u64s more words behind the used ones. 0 or -ENOMEM. Moves w->d. */
int bch2_trans_words_reserve(struct btree_trans *trans, struct trans_words *w, unsigned u64s);
/* The next @u64s words, now used, zeroed; NULL: no memory. */
u64 *bch2_trans_words_add(struct btree_trans *trans, struct trans_words *w, unsigned u64s);

#endif /* _BCACHEFS_BTREE_TRANS_H */
