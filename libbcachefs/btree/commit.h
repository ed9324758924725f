/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Making the updates of a transaction happen, all at once or not at all (spec 21
 * section 8).
 */
#ifndef _BCACHEFS_BTREE_COMMIT_H
#define _BCACHEFS_BTREE_COMMIT_H

#include "bcachefs.h"
#include "btree/iter.h"
#include "btree/update.h"

/* Bits above the watermark (enum bch_watermark, BCH_WATERMARK_MASK); spec 21 section 8.1. */
enum bch_trans_commit_flags {
	BCH_TRANS_COMMIT_no_enospc		= 1U << 3,
	BCH_TRANS_COMMIT_no_check_rw		= 1U << 4,
	BCH_TRANS_COMMIT_no_journal_res		= 1U << 5,	/* pins trans->s.pin_seq */
	BCH_TRANS_COMMIT_no_skip_noops		= 1U << 6,
	BCH_TRANS_COMMIT_journal_reclaim	= 1U << 7,
	BCH_TRANS_COMMIT_journal_replay		= 1U << 8,
	BCH_TRANS_COMMIT_skip_accounting_apply	= 1U << 9,
};

int bch2_trans_commit(struct btree_trans *trans, struct disk_reservation *res,
		      u64 *journal_seq, unsigned flags);

/* Run @_do and commit what it queued, until that does not ask for a restart. */
#define commit_do(_trans, _res, _seq, _flags, _do)					\
	lockrestart_do(_trans, ({							\
		int commit_do_ret = (_do);						\
											\
		commit_do_ret ?: bch2_trans_commit(_trans, (_res), (_seq), (_flags));	\
	}))

/* The same inside an attempt of the caller: see nested_lockrestart_do(). */
#define nested_commit_do(_trans, _res, _seq, _flags, _do)				\
	nested_lockrestart_do(_trans, ({						\
		int commit_do_ret = (_do);						\
											\
		commit_do_ret ?: bch2_trans_commit(_trans, (_res), (_seq), (_flags));	\
	}))

/* commit_do() with a transaction of its own, @trans inside @_do. */
#define bch2_trans_commit_do(_c, _res, _seq, _flags, _do)				\
({											\
	struct btree_trans *trans = bch2_trans_get(_c);					\
	int trans_commit_do_ret = commit_do(trans, _res, _seq, _flags, _do);		\
											\
	bch2_trans_put(trans);								\
	trans_commit_do_ret;								\
})

#define for_each_btree_key_commit(_trans, _iter, _btree, _start, _iter_flags, _k,	\
				  _res, _seq, _commit_flags, _do)			\
	for_each_btree_key(_trans, _iter, _btree, _start, _iter_flags, _k, ({		\
		int commit_do_ret = (_do);						\
											\
		commit_do_ret ?: bch2_trans_commit(_trans, (_res), (_seq), (_commit_flags)); \
	}))

#define for_each_btree_key_max_commit(_trans, _iter, _btree, _start, _end, _iter_flags, _k, \
				      _res, _seq, _commit_flags, _do)			\
	for_each_btree_key_max(_trans, _iter, _btree, _start, _end, _iter_flags, _k, ({	\
		int commit_do_ret = (_do);						\
											\
		commit_do_ret ?: bch2_trans_commit(_trans, (_res), (_seq), (_commit_flags)); \
	}))

/* --- pieces, for the rest of the btree floor --- */

int bch2_trans_run_transactional_triggers(struct btree_trans *trans);
int bch2_trans_run_atomic_triggers(struct btree_trans *trans);
int bch2_trans_mark_key(struct btree_trans *trans, unsigned btree, unsigned level,
			struct bkey_s_c old, struct bkey_s new, unsigned flags);
int bch2_trans_commit_early(struct btree_trans *trans);

int bch2_trans_overlay_check(struct btree_trans *trans);
void bch2_trans_overlay_mark(struct btree_trans *trans);
void bch2_overlay_mark_overwritten(struct bch_fs *c, unsigned btree, unsigned level,
				   struct bpos pos);
void bch2_overlay_mark_overwritten_pin(struct bch_fs *c, unsigned btree, unsigned level,
				       struct bpos pos, struct journal_entry_pin *pin,
				       journal_pin_flush_fn flush);

#endif /* _BCACHEFS_BTREE_COMMIT_H */
