/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the commit share. For btree/commit*.c only.
 */
#ifndef _BCACHEFS_BTREE_COMMIT_PRIV_H
#define _BCACHEFS_BTREE_COMMIT_PRIV_H

#include "btree/commit.h"
#include "journal/writer_types.h"

struct commit {
	struct btree_trans	*trans;
	struct bch_fs		*c;
	u32			flags;		/* enum bch_trans_commit_flags */
	bool			names;		/* names and overwrites go to the journal */
	bool			overlay_locked;	/* before the nodes: tests only */
	unsigned		journal_u64s;	/* wanted */
	unsigned		nr_locked;	/* updates [0, nr_locked) have their write lock */
	struct btree_update_entry *full;	/* whose leaf has no room */
};

static inline unsigned commit_watermark(const struct commit *x)
{
	return x->flags & BCH_WATERMARK_MASK;
}

static inline bool commit_journals(const struct commit *x)
{
	return !(x->flags & BCH_TRANS_COMMIT_no_journal_res);
}

/* This update is journalled by itself, not by its twin or not at all. */
static inline bool update_journals(const struct btree_update_entry *i)
{
	return !(i->flags & BTREE_UPDATE_nojournal) && !i->key_cache_already_flushed;
}

#define for_each_update(_trans, _i)						\
	for (_i = (_trans)->s.updates;						\
	     _i < (_trans)->s.updates + (_trans)->s.nr_updates; _i++)

/* commit_journal.c */
unsigned commit_journal_size(const struct commit *x);
int commit_account(struct commit *x);
void commit_fill_journal(struct commit *x);

/* commit_overlay.c: what tests can do wrong on purpose */
#ifdef CONFIG_BCACHEFS_TESTS
bool commit_test_lock_outside(struct btree_trans *trans);
void commit_test_unlock_outside(struct btree_trans *trans, bool locked);
void commit_test_mark_early(struct btree_trans *trans);
#else
static inline bool commit_test_lock_outside(struct btree_trans *trans)
{
	return false;
}
static inline void commit_test_unlock_outside(struct btree_trans *trans, bool locked) {}
static inline void commit_test_mark_early(struct btree_trans *trans) {}
#endif

/* commit_cure.c */
int commit_cure(struct commit *x, int err);
int commit_throttle(struct commit *x);
bool trans_has_interior_updates(const struct btree_trans *trans);

#endif /* _BCACHEFS_BTREE_COMMIT_PRIV_H */
