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
 * A key that was returned is valid until the next call on the same iterator, and
 * no longer than its locks are held (TX-3). Every lookup may return a restart in
 * place of a key: the attempt begins again (trans.h). Another
 * error comes in place of a key (bkey_err()); what could not be read is then in
 * iter->bad, and bch2_btree_iter_skip_bad() moves behind it.
 */
#ifndef _BCACHEFS_BTREE_ITER_H
#define _BCACHEFS_BTREE_ITER_H

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/trans.h"

enum btree_iter_flags {
	BTREE_ITER_slots		= 1U << 0,	/* loops see empty slots too */
	BTREE_ITER_intent		= 1U << 1,	/* to be updated; not when reading */
	BTREE_ITER_prefetch		= 1U << 2,	/* read ahead */
	BTREE_ITER_is_extents		= 1U << 3,
	BTREE_ITER_not_extents		= 1U << 4,
	BTREE_ITER_cached		= 1U << 5,	/* key cache: none when reading */
	BTREE_ITER_with_journal		= 1U << 6,	/* keys of the overlay; automatic */
	BTREE_ITER_all_snapshots	= 1U << 7,
	BTREE_ITER_snapshot_field	= 1U << 8,
	BTREE_ITER_filter_snapshots	= 1U << 9,	/* automatic */
	BTREE_ITER_nofilter_whiteouts	= 1U << 10,
	BTREE_ITER_nofill		= 1U << 11,	/* only what is in memory */
	BTREE_ITER_skip_bad		= 1U << 12,	/* leave out unreadable subtrees */
	BTREE_ITER_nopreserve		= 1U << 13,
	BTREE_ITER_with_key_cache	= 1U << 14,	/* automatic */
	BTREE_ITER_cached_nofill	= 1U << 15,	/* make no key cache entry */
	BTREE_ITER_key_cache_fill	= 1U << 16,	/* the lookup that fills one */
	BTREE_ITER_no_updates		= 1U << 17,	/* hide the own pending updates */
	BTREE_ITER_keep			= 1U << 18,	/* what was read stays so till the commit */
	BTREE_ITER_kept			= 1U << 19,	/* the rest of one that has been ended */
	BTREE_ITER_update		= 1U << 20,	/* belongs to a pending update */
};

/* --- iterators --- */

void bch2_trans_iter_init(struct btree_trans *trans, struct btree_iter *iter,
			  unsigned btree, struct bpos pos, unsigned flags);
void bch2_trans_node_iter_init(struct btree_trans *trans, struct btree_iter *iter,
			       unsigned btree, struct bpos pos, unsigned locks_want,
			       unsigned level, unsigned flags);
void bch2_trans_iter_exit(struct btree_iter *iter);
void bch2_trans_keep_reads(struct btree_trans *trans);
void bch2_trans_drop_kept(struct btree_trans *trans);
/* @dst is a second iterator at the same place, with locks of its own. */
void bch2_trans_iter_copy(struct btree_iter *dst, struct btree_iter *src);

/* --- the path of an iterator --- */

/*
 * Make the path lead to iter->pos, locked at iter->level (intent with
 * BTREE_ITER_intent, else read). 0, a restart, or an error: iter->bad.
 */
int bch2_btree_iter_traverse(struct btree_iter *iter);
void bch2_btree_walk_begin(struct bch_fs *c);

/* The node at iter->level after a successful traverse or peek, locked. */
static inline struct btree *bch2_btree_iter_leaf(const struct btree_iter *iter)
{
	return iter->path[iter->level].b;
}

/* The node at @level, or NULL: only what is intent locked stays current. */
static inline struct btree *bch2_btree_iter_node(const struct btree_iter *iter, unsigned level)
{
	return level < BTREE_MAX_DEPTH ? iter->path[level].b : NULL;
}

/*
 * Intent locks from iter->level up to @level_max, as far as the btree goes, until
 * downgraded. Implies a traverse. 0, a restart, or an error.
 */
int bch2_btree_iter_upgrade(struct btree_iter *iter, unsigned level_max);
/* Back to what the flags say: read or intent at iter->level only. */
void bch2_btree_iter_downgrade(struct btree_iter *iter);
/* Level of the root the path begins at; after a traverse. */
unsigned bch2_btree_iter_root_level(const struct btree_iter *iter);
/* After a commit (TX-5): no more than read locks on what was read. */
void bch2_trans_downgrade(struct btree_trans *trans);

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
 * counts), each in an attempt of its own: after a restart, of the lookup or of
 * @_do, the loop goes on at the same key. Declares @_iter and @_k; yields 0 at the
 * end, an error, or the first non-zero value of @_do.
 */
#define for_each_btree_key_max(_trans, _iter, _btree, _start, _end, _flags, _k, _do)	\
({											\
	struct btree_iter _iter;							\
	struct bkey_s_c _k;								\
	int for_each_ret;								\
											\
	bch2_trans_iter_init((_trans), &(_iter), (_btree), (_start), (_flags));		\
	do {										\
		for_each_ret = 0;							\
		bch2_trans_begin(_trans);						\
		_k = bch2_btree_iter_peek_max_type(&(_iter), (_end));			\
		for_each_ret = 0;							\
		if (!(_k).k)								\
			break;								\
		for_each_ret = bkey_err(_k) ?:						\
			bch2_trans_interrupted(_trans) ?: (_do);			\
	} while (bch2_err_matches(for_each_ret, BCH_ERR_transaction_restart) ||		\
		 (!for_each_ret && bch2_btree_iter_advance(&(_iter))));			\
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
