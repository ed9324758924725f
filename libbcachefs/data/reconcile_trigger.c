// SPDX-License-Identifier: GPL-2.0
/*
 * Index entries and counters of pending work (spec 53 §5, 41 §5.3), for keys with
 * pointers; stripes do their own through bch2_reconcile_work_mod().
 *
 * What a key contributes is a function of its reconcile entry, its size and its
 * pointers. Data keys are found through work btrees by position; pointers to
 * nodes through numbered entries of reconcile_scan, whose number the pointer
 * itself keeps.
 */
#include <linux/array_size.h>
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/accounting_live.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/extent_entries.h"
#include "btree/update.h"
#include "data/extents.h"
#include "data/reconcile.h"
#include "data/reconcile_trigger.h"
#include "sb/fsck_err.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* Entries of reconcile_scan are numbered with 55 bits. */
#define RECONCILE_BP_IDX_MAX	((1ULL << 55) - 1)

/* What a key records, and what that contributes. */
struct reconcile_state {
	enum bch_reconcile_work_id class;
	u32			counters;	/* bit t: counts in reconcile_work[t] */
	u32			moving;		/* pointers that leave their device */
	u64			bp_idx;		/* of a node pointer; 0: none */
};

static struct reconcile_state state_of(struct bch_fs *c, struct bkey_s_c k)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	struct reconcile_state s = {};
	const union bch_extent_entry *e;

	if (!bkey_type_has_ptrs(k.k->type) || k.k->type == KEY_TYPE_stripe)
		return s;

	s.class = bch2_bkey_reconcile_class(c, k);
	bkey_extent_entry_for_each(ptrs, e) {
		if (extent_entry_type(e) == BCH_EXTENT_ENTRY_reconcile_bp)
			s.bp_idx = RECONCILE_BP_IDX(&e->reconcile_bp);
		if (extent_entry_type(e) != BCH_EXTENT_ENTRY_reconcile)
			continue;

		s.counters = RECONCILE_NEED_RB(&e->reconcile);
		if (RECONCILE_PENDING(&e->reconcile)) {
			s.counters |= 1U << BCH_RECONCILE_ACCOUNTING_pending;
			s.counters &= ~(1U << BCH_RECONCILE_ACCOUNTING_target|
					1U << BCH_RECONCILE_ACCOUNTING_replicas);
		} else {
			s.moving = RECONCILE_PTRS_MOVING(&e->reconcile);
			if (RECONCILE_HIPRI(&e->reconcile))
				s.counters |= 1U << BCH_RECONCILE_ACCOUNTING_high_priority;
		}
	}
	return s;
}

/* --- counters --- */

static int account_work(struct btree_trans *trans, bool gc, unsigned int level,
			struct bkey_s_c k, const struct reconcile_state *s, s64 sign)
{
	const s64 sectors = sign * (s64) (level ? trans->c->opts.btree_node_size >> 9
						: k.k->size);
	const s64 d[2] = { level ? 0 : sectors, level ? sectors : 0 };
	int ret = 0;

	for (unsigned int t = 0; !ret && t < BCH_RECONCILE_ACCOUNTING_NR; t++) {
		const struct disk_accounting_pos acc = {
			.type = BCH_DISK_ACCOUNTING_reconcile_work,
			.reconcile_work.type = t,
		};

		if (s->counters & (1U << t))
			ret = bch2_accounting_mod(trans, gc, &acc, d, ARRAY_SIZE(d));
	}
	return ret;
}

static int account_leaving(struct btree_trans *trans, bool gc, unsigned int level,
			   struct bkey_s_c k, const struct reconcile_state *s, s64 sign)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(trans->c, k);
	const union bch_extent_entry *entry;
	struct extent_ptr_decoded p;
	int ret = 0;

	if (!s->moving)
		return 0;
	bkey_for_each_ptr_decode(k.k, ptrs, p, entry) {
		const struct disk_accounting_pos acc = {
			.type = BCH_DISK_ACCOUNTING_dev_leaving,
			.dev_leaving.dev = cpu_to_le32(EXTENT_PTR_DEV(&p.ptr)),
		};
		const s64 sectors = sign * (s64) (level ? trans->c->opts.btree_node_size >> 9
							: p.crc.compressed_size);

		if (p.idx < 32 && (s->moving & (1U << p.idx)))
			ret = bch2_accounting_mod(trans, gc, &acc, &sectors, 1);
		if (ret)
			break;
	}
	return ret;
}

/* --- data keys --- */

/**
 * bch2_reconcile_node_idx - number that a pointer to a node keeps
 * @c:	filesystem
 * @k:	pointer
 *
 * Returns its number in reconcile_scan, or 0.
 */
u64 bch2_reconcile_node_idx(struct bch_fs *c, struct bkey_s_c k)
{
	return state_of(c, k).bp_idx;
}

/**
 * bch2_reconcile_work_mod - a data key moves from one queue to another
 * @trans:	transaction
 * @btree:	extents, reflink or stripes
 * @pos:	position of the key
 * @old:	class before
 * @new_class:	class after
 *
 * Returns 0, a restart, or no memory.
 */
int bch2_reconcile_work_mod(struct btree_trans *trans, enum btree_id btree, struct bpos pos,
			    enum bch_reconcile_work_id old, enum bch_reconcile_work_id new_class)
{
	const struct bpos work = bch2_reconcile_work_pos(btree, pos);
	const int from = bch2_reconcile_class_btree(old, false);
	const int to = bch2_reconcile_class_btree(new_class, false);
	int ret = 0;

	if (from == to)
		return 0;
	if (from >= 0)
		ret = bch2_btree_bit_mod_buffered(trans, from, work, false);
	if (!ret && to >= 0)
		ret = bch2_btree_bit_mod_buffered(trans, to, work, true);
	return ret;
}

/* --- pointers to nodes, spec 53 §2.3 --- */

/**
 * bch2_reconcile_node_backpointer - entry of reconcile_scan for a pointer to a node
 * @btree:	btree of the node
 * @level:	level that the pointer lives at
 * @pos:	position of the pointer
 */
struct bch_backpointer bch2_reconcile_node_backpointer(enum btree_id btree, unsigned int level,
					       struct bpos pos)
{
	return (struct bch_backpointer) {
		.btree_id	= btree,
		.level		= level,
		.pos		= pos,
	};
}

static int node_entry_delete(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			     struct bpos pos, struct bpos scan)
{
	const struct bch_backpointer want = bch2_reconcile_node_backpointer(btree, level, pos);
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_reconcile_scan, scan, BTREE_ITER_intent);
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k);
	if (ret)
		goto out;

	if (k.k->type == KEY_TYPE_backpointer && bkey_val_bytes(k.k) >= sizeof(want) &&
	    !memcmp(k.v, &want, sizeof(want))) {
		ret = bch2_btree_delete_at(trans, &iter, 0);
		goto out;
	}

	log_fsck_err(trans->c, btree_ptr_to_bad_reconcile_bp,
		     "entry %llu:%llu of reconcile_scan is not that of the node pointer that "
		     "refers to it", (u64) scan.inode, (u64) scan.offset);
fsck_err:
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_reconcile_node_entry_write - enter a pointer to a node in reconcile_scan
 * @trans:	transaction
 * @btree:	btree of the node
 * @level:	level that the pointer lives at
 * @pos:	position of the pointer
 * @scan:	position in reconcile_scan: class and number
 *
 * Returns 0, a restart, or an error.
 */
int bch2_reconcile_node_entry_write(struct btree_trans *trans, enum btree_id btree,
				    unsigned int level, struct bpos pos, struct bpos scan)
{
	struct bkey_i_backpointer *bp = bch2_trans_kmalloc(trans, sizeof(*bp));

	if (IS_ERR(bp))
		return PTR_ERR(bp);
	bkey_init(&bp->k);
	bp->k.type = KEY_TYPE_backpointer;
	bp->k.p	   = scan;
	set_bkey_val_bytes(&bp->k, sizeof(bp->v));
	bp->v	   = bch2_reconcile_node_backpointer(btree, level, pos);
	return bch2_btree_insert_trans(trans, BTREE_ID_reconcile_scan, &bp->k_i, 0);
}

/**
 * bch2_reconcile_node_idx_take - a number that no node has
 * @trans:	transaction
 * @class:	of the work
 * @idx:	result: behind all of that class in reconcile_scan, and behind those
 *		that were taken for nodes which are not there yet
 *
 * Returns 0, a restart, or an error.
 */
int bch2_reconcile_node_idx_take(struct btree_trans *trans, enum bch_reconcile_work_id class,
				 u64 *idx)
{
	atomic64_t *last = &trans->c->reconcile_node_idx[class];
	struct btree_iter iter;
	struct bkey_s_c k;
	s64 old;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_reconcile_scan, POS(class, U64_MAX), 0);
	k = bch2_btree_iter_peek_prev_min(&iter, POS(class, 0));
	ret = bkey_err(k);
	if (!ret) {
		old = atomic64_read(last);
		do
			*idx = max_t(u64, old, k.k ? k.k->p.offset : 0) + 1;
		while (*idx <= RECONCILE_BP_IDX_MAX && !atomic64_try_cmpxchg(last, &old, *idx));
		if (*idx > RECONCILE_BP_IDX_MAX)
			ret = -BCH_ERR_trigger;
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_reconcile_node_entry_create - the same behind the last one of its class
 * @trans:	transaction
 * @btree:	btree of the node
 * @level:	level that the pointer lives at
 * @pos:	position of the pointer
 * @class:	of the work
 * @idx:	result: its number
 *
 * Returns 0, a restart, or an error.
 */
int bch2_reconcile_node_entry_create(struct btree_trans *trans, enum btree_id btree,
				     unsigned int level, struct bpos pos,
				     enum bch_reconcile_work_id class, u64 *idx)
{
	return  bch2_reconcile_node_idx_take(trans, class, idx) ?:
		bch2_reconcile_node_entry_write(trans, btree, level, pos, POS(class, *idx));
}

/**
 * bch2_reconcile_node_set_idx - make a pointer to a node keep its number
 * @c:		filesystem
 * @k:		pointer; there is room for one word more
 * @idx:	number in reconcile_scan; 0: none
 *
 * Returns 0, or -BCH_ERR_trigger if the key would become too large.
 */
int bch2_reconcile_node_set_idx(struct bch_fs *c, struct bkey_s k, u64 idx)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, bkey_s_to_s_c(k));
	union bch_extent_entry *end = (union bch_extent_entry *) ptrs.end;
	struct bch_extent_reconcile_bp bp = {};
	const union bch_extent_entry *e;

	SET_RECONCILE_BP_TYPE(&bp, BCH_EXTENT_ENTRY_MARK(reconcile_bp));
	SET_RECONCILE_BP_IDX(&bp, idx);

	bkey_extent_entry_for_each(ptrs, e) {
		union bch_extent_entry *w = (union bch_extent_entry *) e;

		if (extent_entry_type(e) != BCH_EXTENT_ENTRY_reconcile_bp)
			continue;
		if (idx) {
			w->reconcile_bp = bp;
		} else {
			memmove(w, (__le64 *) w + 1, (u8 *) end - (u8 *) ((__le64 *) w + 1));
			k.k->u64s--;
		}
		return 0;
	}

	if (!idx)
		return 0;
	if (bkey_val_u64s(k.k) >= (k.k->type == KEY_TYPE_btree_ptr_v2
				   ? BKEY_BTREE_PTR_VAL_U64s_MAX : BTREE_PTR_VAL_U64s_MAX))
		return -BCH_ERR_trigger;
	end->reconcile_bp = bp;
	k.k->u64s++;
	return 0;
}

/* Under the number that the pointer comes with; not if it is somebody else's: *idx stays 0. */
static int node_entry_take(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			   struct bpos pos, struct bpos scan, u64 *idx)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_reconcile_scan, scan, 0);
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k);
	if (!ret && k.k->type == KEY_TYPE_deleted) {
		*idx = scan.offset;
		ret = bch2_reconcile_node_entry_write(trans, btree, level, pos, scan);
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int node_entries_follow(struct btree_trans *trans, enum btree_id btree,
			       unsigned int level, struct bkey_s k,
			       const struct reconcile_state *o, const struct reconcile_state *n)
{
	const bool moves = o->class != n->class;
	/* a new node comes with a number that was taken for it */
	const bool taken = moves && n->bp_idx && !o->bp_idx;
	/* the same class: a repair may have entered the key under another number */
	u64 idx = n->class == RECONCILE_WORK_none || moves ? 0 : n->bp_idx ?: o->bp_idx;
	int ret = 0;

	if (o->bp_idx && moves)
		ret = node_entry_delete(trans, btree, level, k.k->p, POS(o->class, o->bp_idx));
	if (!ret && taken && n->class != RECONCILE_WORK_none)
		ret = node_entry_take(trans, btree, level, k.k->p, POS(n->class, n->bp_idx), &idx);
	if (!ret && n->class != RECONCILE_WORK_none && !idx)
		ret = bch2_reconcile_node_entry_create(trans, btree, level, k.k->p, n->class, &idx);
	if (!ret && idx != n->bp_idx && k.k->type != KEY_TYPE_deleted)
		ret = bch2_reconcile_node_set_idx(trans->c, k, idx);
	return ret;
}

/**
 * bch2_trigger_reconcile - pending work follows the key that records it
 * @trans:	transaction
 * @btree:	btree of the key
 * @level:	level that the key lives at
 * @old:	key before
 * @new_key:	key after. A pointer to a node gets, changes or loses its
 *		reconcile_bp entry; it must have room for one word
 * @flags:	transactional or gc; insert, overwrite
 *
 * Part of the extent trigger (spec 53 §5). Returns 0, a restart, or an error.
 */
int bch2_trigger_reconcile(struct btree_trans *trans, enum btree_id btree, unsigned int level,
			   struct bkey_s_c old, struct bkey_s new_key, unsigned int flags)
{
	const struct bkey_s_c new_c = bkey_s_to_s_c(new_key);
	const bool gc = flags & BTREE_TRIGGER_gc;
	struct reconcile_state o = {}, n = {};
	int ret = 0;

	if (flags & BTREE_TRIGGER_overwrite)
		o = state_of(trans->c, old);
	if (flags & BTREE_TRIGGER_insert)
		n = state_of(trans->c, new_c);
	if (!o.class && !n.class && !o.moving && !n.moving && !o.bp_idx && !n.bp_idx)
		return 0;

	ret =   account_work(trans, gc, level, old, &o, -1) ?:
		account_work(trans, gc, level, new_c, &n, 1) ?:
		account_leaving(trans, gc, level, old, &o, -1) ?:
		account_leaving(trans, gc, level, new_c, &n, 1);
	if (ret || gc)
		return ret;

	return level ? node_entries_follow(trans, btree, level, new_key, &o, &n)
		     : bch2_reconcile_work_mod(trans, btree, new_key.k->p, o.class, n.class);
}
