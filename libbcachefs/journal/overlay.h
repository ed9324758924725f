/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The overlay: keys of the journal that are not in btree nodes yet. Every
 * lookup merges it over the btree (spec 22 section 8, rules OV-1, OV-2).
 *
 * Indexes are logical and may be kept by callers as hints: a stale hint costs
 * a binary search, never a wrong answer. Until bch2_journal_keys_freeze() only
 * one thread may insert, and nobody may read at the same time; afterwards
 * nothing moves and readers need no lock.
 */
#ifndef _BCACHEFS_JOURNAL_OVERLAY_H
#define _BCACHEFS_JOURNAL_OVERLAY_H

#include "bcachefs.h"

/* A place in the overlay that survives insertions and deletions. */
struct journal_iter {
	struct journal_keys	*keys;
	struct bpos		pos;		/* where to look again if gen differs */
	size_t			idx;
	u64			gen;
	u8			btree_id;
	u8			level;
	bool			after;		/* pos itself has been consumed */
};

/* --- building --- */

int bch2_journal_keys_add(struct journal_keys *keys, const struct journal_key *k);
void bch2_journal_keys_sort_dedup(struct journal_keys *keys);
int bch2_journal_keys_sort(struct bch_fs *c);
void bch2_journal_keys_freeze(struct bch_fs *c);
void bch2_journal_keys_put(struct bch_fs *c);

/* --- lookup; overwritten keys are skipped; *idx is a hint, in and out --- */

struct bkey_i *bch2_journal_keys_peek_max(struct bch_fs *c, enum btree_id btree, unsigned level,
					  struct bpos pos, struct bpos end, size_t *idx);
struct bkey_i *bch2_journal_keys_peek_prev_min(struct bch_fs *c, enum btree_id btree,
					       unsigned level, struct bpos pos, struct bpos end,
					       size_t *idx);
struct bkey_i *bch2_journal_keys_peek_slot(struct bch_fs *c, enum btree_id btree, unsigned level,
					   struct bpos pos);

/* --- iterator --- */

void bch2_journal_iter_init(struct bch_fs *c, struct journal_iter *iter, enum btree_id btree,
			    unsigned level, struct bpos pos);
struct bkey_i *bch2_journal_iter_peek(struct journal_iter *iter);
void bch2_journal_iter_advance(struct journal_iter *iter);
struct bkey_i *bch2_journal_iter_next(struct journal_iter *iter);

/* --- changes before the filesystem is writable (spec 22 section 8.3) --- */

int bch2_journal_key_insert(struct bch_fs *c, enum btree_id btree, unsigned level,
			    const struct bkey_i *k);
int bch2_journal_key_insert_take(struct bch_fs *c, enum btree_id btree, unsigned level,
				 struct bkey_i *k);
int bch2_journal_key_delete(struct bch_fs *c, enum btree_id btree, unsigned level,
			    struct bpos pos);
void bch2_journal_keys_delete_range(struct bch_fs *c, enum btree_id btree, unsigned level_min,
				    unsigned level_max, struct bpos start, struct bpos end);
u64 bch2_journal_keys_nr_above(struct bch_fs *c, unsigned btree, unsigned level);

int bch2_journal_keys_reserve(struct bch_fs *c, size_t nr);

/* --- keys that were superseded (spec 22 section 8.5); overlay_overwrite.c --- */

struct journal_key *bch2_journal_keys_find(struct bch_fs *c, unsigned btree, unsigned level,
					   struct bpos pos);
void bch2_journal_key_mark_overwritten(struct bch_fs *c, struct journal_key *k);
u64 bch2_journal_keys_mark_overwritten(struct bch_fs *c, unsigned btree, unsigned level,
				       struct bpos pos);

/* Read without the lock: true stays true. */
static inline bool bch2_journal_key_overwritten(const struct journal_key *k)
{
	return READ_ONCE(k->overwritten);
}

/* --- accounting deltas (spec 41 section 3.3) --- */

int bch2_journal_accounting_merge(struct bch_fs *c, struct bpos pos, struct bkey_s_c btree_k,
				  bool want_total);

#endif /* _BCACHEFS_JOURNAL_OVERLAY_H */
