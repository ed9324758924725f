/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Walking btrees: what a lookup at a position shows, with the journal's overlay
 * merged in, in the view of a snapshot or over all of them (spec 21 section 5).
 *
 *	trans = bch2_trans_get(c);
 *	ret = for_each_btree_key(trans, iter, BTREE_ID_inodes, POS_MIN,
 *				 BTREE_ITER_all_snapshots|BTREE_ITER_prefetch, k, ({
 *		look(k);	(non-zero ends the walk and is returned)
 *	}));
 *	bch2_trans_put(trans);
 *
 * A key that was returned is valid until the next call on the same iterator. An
 * error comes in place of a key (bkey_err()); what could not be read is then in
 * iter->bad, and bch2_btree_iter_skip_bad() moves behind it.
 */
#ifndef _BCACHEFS_BTREE_ITER_H
#define _BCACHEFS_BTREE_ITER_H

#include "bcachefs.h"
#include "btree/bkey.h"

enum btree_iter_flags {
	BTREE_ITER_slots		= 1U << 0,	/* loops see empty slots too */
	BTREE_ITER_intent		= 1U << 1,	/* to be updated; not when reading */
	BTREE_ITER_prefetch		= 1U << 2,	/* read ahead */
	BTREE_ITER_is_extents		= 1U << 3,
	BTREE_ITER_not_extents		= 1U << 4,
	BTREE_ITER_cached		= 1U << 5,	/* key cache: none when reading */
	BTREE_ITER_with_journal		= 1U << 6,	/* merge the overlay; automatic */
	BTREE_ITER_all_snapshots	= 1U << 7,
	BTREE_ITER_snapshot_field	= 1U << 8,
	BTREE_ITER_filter_snapshots	= 1U << 9,	/* automatic */
	BTREE_ITER_nofilter_whiteouts	= 1U << 10,
	BTREE_ITER_nofill		= 1U << 11,	/* only what is in memory */
	BTREE_ITER_skip_bad		= 1U << 12,	/* leave out unreadable subtrees */
	BTREE_ITER_nopreserve		= 1U << 13,
};

/* --- sessions --- */

struct btree_trans *bch2_trans_get(struct bch_fs *c);
void bch2_trans_put(struct btree_trans *trans);
u32 bch2_trans_begin(struct btree_trans *trans);
void bch2_trans_unlock(struct btree_trans *trans);

/* Run @_do until it does not ask for a restart. */
#define lockrestart_do(_trans, _do)						\
({										\
	int lockrestart_ret;							\
										\
	do {									\
		bch2_trans_begin(_trans);					\
		lockrestart_ret = (_do);					\
	} while (bch2_err_matches(lockrestart_ret, BCH_ERR_transaction_restart)); \
	lockrestart_ret;							\
})

/* --- iterators --- */

void bch2_trans_iter_init(struct btree_trans *trans, struct btree_iter *iter,
			  unsigned btree, struct bpos pos, unsigned flags);
void bch2_trans_node_iter_init(struct btree_trans *trans, struct btree_iter *iter,
			       unsigned btree, struct bpos pos, unsigned locks_want,
			       unsigned level, unsigned flags);
void bch2_trans_iter_exit(struct btree_iter *iter);

struct bkey_s_c bch2_btree_iter_peek_max(struct btree_iter *iter, struct bpos end);
struct bkey_s_c bch2_btree_iter_peek_prev_min(struct btree_iter *iter, struct bpos min);
struct bkey_s_c bch2_btree_iter_peek_slot(struct btree_iter *iter);
bool bch2_btree_iter_advance(struct btree_iter *iter);
bool bch2_btree_iter_rewind(struct btree_iter *iter);

static inline struct bkey_s_c bch2_btree_iter_peek(struct btree_iter *iter)
{
	return bch2_btree_iter_peek_max(iter, SPOS_MAX);
}

static inline struct bkey_s_c bch2_btree_iter_next(struct btree_iter *iter)
{
	return bch2_btree_iter_advance(iter) ? bch2_btree_iter_peek(iter) : bkey_s_c_null;
}

static inline struct bkey_s_c bch2_btree_iter_next_slot(struct btree_iter *iter)
{
	return bch2_btree_iter_advance(iter) ? bch2_btree_iter_peek_slot(iter) : bkey_s_c_null;
}

static inline struct bkey_s_c bch2_btree_iter_peek_prev(struct btree_iter *iter)
{
	return bch2_btree_iter_peek_prev_min(iter, POS_MIN);
}

static inline struct bkey_s_c bch2_btree_iter_prev(struct btree_iter *iter)
{
	return bch2_btree_iter_rewind(iter) ? bch2_btree_iter_peek_prev(iter) : bkey_s_c_null;
}

void bch2_btree_iter_set_pos(struct btree_iter *iter, struct bpos pos);
void bch2_btree_iter_set_snapshot(struct btree_iter *iter, u32 snapshot);
bool bch2_btree_iter_skip_bad(struct btree_iter *iter);
void bch2_btree_iter_bad_to_text(struct printbuf *out, const struct btree_iter *iter);

/* Nodes of level iter->level and their order; NULL at the end, or ERR_PTR. */
struct btree *bch2_btree_iter_peek_node(struct btree_iter *iter);
struct btree *bch2_btree_iter_next_node(struct btree_iter *iter);

/* --- loops --- */

static inline struct bkey_s_c bch2_btree_iter_peek_max_type(struct btree_iter *iter,
							    struct bpos end)
{
	if (!(iter->flags & BTREE_ITER_slots))
		return bch2_btree_iter_peek_max(iter, end);
	if (bkey_gt(iter->pos, end))
		return bkey_s_c_null;
	return bch2_btree_iter_peek_slot(iter);
}

/*
 * Every key from @_start to @_end inclusive (as bch2_btree_iter_peek_max()
 * counts). Declares @_iter and @_k; yields 0 at the end, an error, or the first
 * non-zero value of @_do.
 */
#define for_each_btree_key_max(_trans, _iter, _btree, _start, _end, _flags, _k, _do)	\
({											\
	struct btree_iter _iter;							\
	struct bkey_s_c _k;								\
	int for_each_ret = 0;								\
											\
	bch2_trans_iter_init((_trans), &(_iter), (_btree), (_start), (_flags));		\
	do {										\
		_k = bch2_btree_iter_peek_max_type(&(_iter), (_end));			\
		if (!(_k).k)								\
			break;								\
		for_each_ret = bkey_err(_k) ?: (_do);					\
	} while (!for_each_ret && bch2_btree_iter_advance(&(_iter)));			\
	bch2_trans_iter_exit(&(_iter));							\
	for_each_ret;									\
})

#define for_each_btree_key(_trans, _iter, _btree, _start, _flags, _k, _do)		\
	for_each_btree_key_max(_trans, _iter, _btree, _start, SPOS_MAX, _flags, _k, _do)

/* --- single keys --- */

int bch2_bkey_get_val_copy(struct btree_trans *trans, unsigned btree, struct bpos pos,
			   unsigned flags, unsigned type, void *val, size_t bytes);

/*
 * Copy the value of the key at @_pos if it has type @_type: 0, an error, or
 * -ENOENT. Values shorter than *_val are padded with zeros.
 */
#define bch2_bkey_get_val_typed(_trans, _btree, _pos, _flags, _type, _val)		\
	bch2_bkey_get_val_copy(_trans, _btree, _pos, _flags, KEY_TYPE_##_type,		\
			       _val, sizeof(*(_val)))

struct bkey_s_c bch2_bkey_get_iter(struct btree_trans *trans, struct btree_iter *iter,
				   unsigned btree, struct bpos pos, unsigned flags);

/* The key at @_pos, or an error: -ENOENT if it is not of type @_type. */
#define bch2_bkey_get_typed(_trans, _iter, _btree, _pos, _flags, _type)			\
({											\
	struct bkey_s_c get_typed_k =							\
		bch2_bkey_get_iter(_trans, _iter, _btree, _pos, _flags);		\
											\
	!bkey_err(get_typed_k) && get_typed_k.k &&					\
	get_typed_k.k->type != KEY_TYPE_##_type						\
		? bkey_s_c_err(-BCH_ERR_ENOENT_bkey_type_mismatch) : get_typed_k;	\
})

#endif /* _BCACHEFS_BTREE_ITER_H */
