/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Queueing changes in a transaction: updates of btree keys, buffered updates,
 * accounting deltas, log entries (spec 21 section 6, 22 section 3.1). Nothing
 * here is visible to anybody else before bch2_trans_commit() succeeds (TX-2).
 *
 * Everything that is queued lives in the transaction's arena, or stays the
 * caller's until the commit; bch2_trans_begin() forgets all of it.
 */
#ifndef _BCACHEFS_BTREE_UPDATE_H
#define _BCACHEFS_BTREE_UPDATE_H

#include <linux/err.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/iter.h"
#include "journal/jset_format.h"

/* --- the list of pending updates --- */

/*
 * Order in which updates are triggered, locked and inserted: by btree, but what
 * everything else changes comes last (spec 21 section 6.1).
 */
static inline unsigned bch2_btree_trigger_order(unsigned btree)
{
	switch (btree) {
	case BTREE_ID_alloc:
		return 255;
	case BTREE_ID_stripes:
		return 254;
	default:
		return min(btree, 253U);
	}
}

/* Order of the list: <0, 0 (the same place), >0. */
static inline int bch2_update_place_cmp(const struct btree_update_entry *i, unsigned btree,
					bool cached, unsigned level, struct bpos pos)
{
	const unsigned l = bch2_btree_trigger_order(i->btree_id);
	const unsigned r = bch2_btree_trigger_order(btree);

	if (l != r)
		return l < r ? -1 : 1;
	if (i->cached != cached)
		return i->cached ? 1 : -1;
	if (i->level != level)
		return i->level > level ? -1 : 1;
	return bpos_cmp(i->k->k.p, pos);
}

unsigned bch2_trans_update_search(const struct btree_trans *trans, unsigned btree,
				  bool cached, unsigned level, struct bpos pos);
struct btree_update_entry *bch2_trans_update_find(struct btree_trans *trans, unsigned btree,
						  bool cached, unsigned level, struct bpos pos);
void bch2_trans_reset_updates(struct btree_trans *trans);

static inline bool bch2_trans_has_updates(const struct btree_trans *trans)
{
	return trans->s.nr_updates || trans->s.entries.nr || trans->s.accounting.nr;
}

/* --- updates of keys --- */

int bch2_trans_update(struct btree_trans *trans, struct btree_iter *iter, struct bkey_i *k,
		      unsigned flags);
int bch2_trans_update_exact(struct btree_trans *trans, struct btree_iter *iter,
			    unsigned btree, unsigned level, struct bkey_i *k, unsigned flags);
int bch2_trans_update_extent(struct btree_trans *trans, struct btree_iter *iter,
			     struct bkey_i *k, unsigned flags);
int bch2_snapshot_ancestor_type(struct btree_trans *trans, unsigned btree, struct bpos pos);
int bch2_need_snapshot_whiteout(struct btree_trans *trans, unsigned btree, struct bpos pos);
int bch2_has_snapshot_overwrites(struct btree_trans *trans, unsigned btree, struct bpos pos);
int bch2_insert_snapshot_whiteouts(struct btree_trans *trans, unsigned btree,
				   struct bpos old_pos, struct bpos new_pos);

int bch2_btree_insert_nonextent(struct btree_trans *trans, unsigned btree, struct bkey_i *k,
				unsigned flags);
int bch2_btree_insert_trans(struct btree_trans *trans, unsigned btree, struct bkey_i *k,
			    unsigned flags);
int bch2_btree_insert(struct bch_fs *c, unsigned btree, struct bkey_i *k,
		      struct disk_reservation *res, unsigned commit_flags);

int bch2_btree_delete_at(struct btree_trans *trans, struct btree_iter *iter, unsigned flags);
int bch2_btree_delete(struct btree_trans *trans, unsigned btree, struct bpos pos,
		      unsigned flags);
int bch2_btree_delete_range_trans(struct btree_trans *trans, unsigned btree, struct bpos start,
				  struct bpos end, unsigned flags);
int bch2_btree_delete_range(struct bch_fs *c, unsigned btree, struct bpos start,
			    struct bpos end, unsigned flags);
int bch2_btree_bit_mod(struct btree_trans *trans, unsigned btree, struct bpos pos, bool set);
int bch2_btree_bit_mod_buffered(struct btree_trans *trans, unsigned btree, struct bpos pos,
				bool set);
int bch2_btree_bit_mod_iter(struct btree_trans *trans, struct btree_iter *iter, bool set);

/* --- what goes to the journal only --- */

struct jset_entry *bch2_trans_jset_entry_alloc(struct btree_trans *trans, unsigned u64s);
int bch2_trans_update_buffered(struct btree_trans *trans, unsigned btree,
			       const struct bkey_i *k);
int bch2_trans_extra_journal_u64s(struct btree_trans *trans, unsigned u64s);
void bch2_trans_jset_entry_append_reserved(struct btree_trans *trans, unsigned type,
					   unsigned btree, unsigned level,
					   const struct bkey_i *k);
int bch2_trans_log_msg(struct btree_trans *trans, struct printbuf *msg);
int bch2_trans_log_str(struct btree_trans *trans, const char *msg);
int bch2_trans_log_bkey(struct btree_trans *trans, unsigned btree, unsigned level,
			const struct bkey_i *k);
int bch2_fs_log_msg(struct bch_fs *c, struct printbuf *msg);
void bch2_trans_commit_hook(struct btree_trans *trans, struct btree_trans_commit_hook *hook);

struct bkey_i_accounting *bch2_trans_accounting_add(struct btree_trans *trans, struct bpos pos,
						    const s64 *d, unsigned nr);

/* --- copies of keys to change --- */

struct bkey_i *bch2_bkey_copy_to_arena(struct btree_trans *trans, struct bkey_s_c k,
				       unsigned min_bytes);
struct bkey_i *bch2_bkey_make_mut(struct btree_trans *trans, struct btree_iter *iter,
				  struct bkey_s_c *k, unsigned flags, unsigned min_bytes);
struct bkey_i *bch2_bkey_get_mut(struct btree_trans *trans, struct btree_iter *iter,
				 unsigned btree, struct bpos pos, unsigned iter_flags,
				 unsigned type, unsigned min_bytes);
struct bkey_i *bch2_bkey_get_mut_noiter(struct btree_trans *trans, unsigned btree,
					struct bpos pos, unsigned iter_flags, unsigned type,
					unsigned min_bytes);
struct bkey_i *bch2_bkey_alloc_type(struct btree_trans *trans, struct btree_iter *iter,
				    unsigned flags, unsigned type, unsigned val_bytes);
int bch2_bkey_get_empty_slot(struct btree_trans *trans, struct btree_iter *iter,
			     unsigned btree, struct bpos start, struct bpos end);

/* A copy of @_k in the arena, at least as large as struct bkey_i_@_type; typed. */
#define bch2_bkey_make_mut_typed(_trans, _iter, _k, _flags, _type)			\
({											\
	struct bkey_i *mut_typed_k = bch2_bkey_make_mut(_trans, _iter, _k, _flags,	\
					sizeof(struct bkey_i_##_type));			\
											\
	IS_ERR(mut_typed_k) ? ERR_CAST(mut_typed_k) : bkey_i_to_##_type(mut_typed_k);	\
})

/* The key at @_pos, which must be of type @_type, copied and queued for update. */
#define bch2_bkey_get_mut_typed(_trans, _iter, _btree, _pos, _flags, _type)		\
({											\
	struct bkey_i *mut_typed_k = bch2_bkey_get_mut(_trans, _iter, _btree, _pos,	\
					_flags, KEY_TYPE_##_type,			\
					sizeof(struct bkey_i_##_type));			\
											\
	IS_ERR(mut_typed_k) ? ERR_CAST(mut_typed_k) : bkey_i_to_##_type(mut_typed_k);	\
})

/* A new key of type @_type at the iterator's position, empty and queued for update. */
#define bch2_bkey_alloc(_trans, _iter, _flags, _type)					\
({											\
	struct bkey_i *alloc_typed_k = bch2_bkey_alloc_type(_trans, _iter, _flags,	\
					KEY_TYPE_##_type, sizeof(struct bch_##_type));	\
											\
	IS_ERR(alloc_typed_k) ? ERR_CAST(alloc_typed_k) : bkey_i_to_##_type(alloc_typed_k); \
})

#endif /* _BCACHEFS_BTREE_UPDATE_H */
