// SPDX-License-Identifier: GPL-2.0
/*
 * Applying buffered updates to their btree (spec 22 sections 4.2 to 4.4).
 *
 * One flusher per btree at a time, under flushing.lock: so a later batch never
 * overtakes an earlier one (WB-4). Keys go straight into leaves, guarded and pinned
 * by the entry they came from, and are not journalled again (WB-6); the leaf's pin
 * is set before the buffer's is dropped (PC-7).
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/commit.h"
#include "btree/interior.h"
#include "btree/iter.h"
#include "btree/locking.h"
#include "btree/node_check.h"
#include "btree/node_insert.h"
#include "btree/node_write.h"
#include "btree/write_buffer.h"
#include "btree/write_buffer_priv.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "util/log.h"
#include "util/sync_point.h"

/* A split made by a flush: may take reserves, must not wait for the journal. */
#define WB_SPLIT_FLAGS								\
	(BCH_WATERMARK_reclaim|BCH_TRANS_COMMIT_no_enospc|			\
	 BCH_TRANS_COMMIT_no_check_rw|BCH_TRANS_COMMIT_journal_reclaim)

struct wb_flush {
	struct bch_fs		*c;
	struct btree_write_buffer *wb;
	struct btree_trans	*trans;
	struct btree_iter	iter;
	struct btree		*leaf;		/* write locked; NULL: none */
	bool			shrunk;		/* .leaf may be worth merging now */

	struct wb_ref		*refs;
	u32			nr;
	u32			nr_blocked;	/* left for the slow pass */
	u32			nr_held;	/* accounting before replay is done */
};

/* --- one key --- */

static void leaf_unlock(struct wb_flush *f)
{
	if (f->leaf)
		btree_node_unlock_write(f->trans, f->leaf);
	f->leaf = NULL;
}

/* The key of @b at @pos, or bkey_s_c_null. */
static struct bkey_s_c node_key_at(const struct btree *b, struct bpos pos, struct bkey *u)
{
	const u32 at = bch2_btree_node_search(b, pos);

	if (at >= b->nr_keys ||
	    bch2_bkey_cmp_packed_pos(&b->unpack, btree_node_key(b, at), pos))
		return bkey_s_c_null;
	return bkey_disassemble(b, btree_node_key(b, at), u);
}

static bool accumulated(const struct wb_flush *f, const struct wb_key *w)
{
#ifdef CONFIG_BCACHEFS_TESTS
	if (READ_ONCE(f->c->btree.test_accumulate_again))
		return false;
#endif
	return w->accumulated;
}

/* Once per key, whatever happens to it later (WB-7). */
static void accumulate(const struct wb_flush *f, struct wb_key *w, struct bkey_s_c old)
{
	if (w->k.k.type != KEY_TYPE_accounting || accumulated(f, w))
		return;
	if (old.k && old.k->type == KEY_TYPE_accounting)
		bch2_wb_key_add_counters(w, old);
	w->accumulated = true;
}

/* Would applying @k change nothing? Deleting what is not there is nothing (WB-8). */
static bool is_noop(const struct bkey_i *k, struct bkey_s_c old)
{
	if (!old.k)
		return k->k.type == KEY_TYPE_deleted;
	return k->k.type == old.k->type && k->k.u64s == old.k->u64s &&
		k->k.size == old.k->size && !bversion_cmp(k->k.bversion, old.k->bversion) &&
		(!bkey_val_bytes(&k->k) || !memcmp(&k->v, old.v, bkey_val_bytes(&k->k)));
}

/* Intent lock on the leaf of @pos: f->leaf if it is that one, which is write locked. */
static struct btree *leaf_get(struct wb_flush *f, struct bpos pos)
{
	int ret;

	if (f->leaf && bpos_le(pos, f->leaf->max_key) && bpos_ge(pos, f->leaf->min_key))
		return f->leaf;
	leaf_unlock(f);
	bch2_btree_iter_set_pos(&f->iter, pos);
	ret = bch2_btree_iter_traverse(&f->iter);
	return ret ? ERR_PTR(ret) : bch2_btree_iter_leaf(&f->iter);
}

/* The leaf is full. Afterwards there is another one: look again. */
static int leaf_split(struct wb_flush *f)
{
	leaf_unlock(f);
	return bch2_btree_split_leaf(f->trans, &f->iter, WB_SPLIT_FLAGS) ?:
		-BCH_ERR_transaction_restart_nested;
}

/*
 * Bring one key to its leaf (section 4.3). 0: done. A restart: everything is
 * unlocked by the next attempt; what was accumulated stays so.
 */
static int key_apply(struct wb_flush *f, struct wb_key *w)
{
	struct btree *b = leaf_get(f, w->k.k.p);
	struct bkey_s_c old;
	struct bkey u;
	int ret;

	if (IS_ERR(b))
		return PTR_ERR(b);
	old = node_key_at(b, w->k.k.p, &u);
	accumulate(f, w, old);
	if (is_noop(&w->k, old)) {
		f->wb->nr_noop++;
		return 0;
	}
	if (!f->leaf) {
		ret = btree_node_lock_write(f->trans, b);
		if (ret)
			return ret;
		f->leaf = b;
		bch2_btree_node_prep_insert(f->c, b);
	}
	if (!bch2_btree_node_has_room(f->c, b, w->k.k.u64s))
		return leaf_split(f);
	bch2_btree_node_insert_key(f->trans, b, &w->k, w->seq);
	/* a sum must not survive its newest part (WB-5) */
	bch2_btree_node_guard(b, w->guard);
	return 0;
}

/* Until it is applied, or fails for good. */
static int key_apply_retry(struct wb_flush *f, struct wb_key *w)
{
	int ret;

	while (1) {
		ret = key_apply(f, w);
		if (!ret)
			w->seq = 0;
		if (!bch2_err_matches(ret, BCH_ERR_transaction_restart))
			return ret;
		leaf_unlock(f);
		bch2_trans_begin(f->trans);
	}
}

/* Accounting has to wait until the journal's own deltas are in (section 4.6). */
static bool key_held_back(const struct wb_flush *f, const struct wb_key *w)
{
	return w->k.k.type == KEY_TYPE_accounting &&
		!test_bit(BCH_FS_accounting_replay_done, &f->c->flags);
}

/* --- passes --- */

/* Let go of the leaf that was filled; merge it if it has become small (4.3 step 7). */
static void leaf_done(struct wb_flush *f)
{
	struct btree *b = f->leaf;
	int ret;

	if (!b)
		return;
	leaf_unlock(f);
	if (bch2_btree_node_merge_wanted(f->c, b)) {
		ret = bch2_foreground_maybe_merge(f->trans, &f->iter, 0, WB_SPLIT_FLAGS);
		if (ret && !bch2_err_matches(ret, BCH_ERR_transaction_restart) &&
		    !bch2_err_matches(ret, BCH_ERR_operation_blocked))
			bch_err_msg(f->c, ret, "merging a leaf after a write buffer flush");
	}
	bch2_trans_begin(f->trans);
}

/* In position order; what would have to wait for the journal is left (4.3). */
static int fast_pass(struct wb_flush *f)
{
	struct wb_area *a = &f->wb->flushing;
	u32 i;
	int ret = 0;

	for (i = 0; i < f->nr; i++) {
		struct wb_key *w = wb_key_at(a, f->refs[i].idx);

		if (key_held_back(f, w)) {
			f->nr_held++;
			continue;
		}
		if (f->leaf && bpos_gt(w->k.k.p, f->leaf->max_key))
			leaf_done(f);
		if (f->leaf == NULL)
			bch2_sync_point(f->c, wb_flush_H10c);
		ret = key_apply_retry(f, w);
		if (bch2_err_matches(ret, BCH_ERR_operation_blocked)) {
			leaf_unlock(f);
			bch2_trans_begin(f->trans);
			f->nr_blocked++;
			ret = 0;
		}
		if (ret)
			break;
	}
	leaf_done(f);
	return ret;
}

/* The number of a key, in the place of its position: order of the journal. */
static int seq_cmp(const void *_l, const void *_r)
{
	const struct wb_ref *l = _l, *r = _r;

	return (l->p.offset > r->p.offset) - (l->p.offset < r->p.offset);
}

/*
 * In journal order, letting go of the journal as far as everything older is
 * applied, so that splits find room there (4.4).
 */
static int slow_pass(struct wb_flush *f)
{
	struct wb_area *a = &f->wb->flushing;
	bool left = f->nr_held;
	u32 i, nr = 0;
	int ret = 0;

	for (i = 0; i < f->nr; i++) {
		const struct wb_key *w = wb_key_at(a, f->refs[i].idx);

		if (w->seq && !key_held_back(f, w))
			f->refs[nr++] = (struct wb_ref) { POS(0, w->seq), f->refs[i].idx };
	}
	sort(f->refs, nr, sizeof(*f->refs), seq_cmp, NULL);
	for (i = 0; i < nr; i++) {
		struct wb_key *w = wb_key_at(a, f->refs[i].idx);

		if (!left)
			bch2_journal_pin_update(f->c, w->seq, &a->pin, JOURNAL_PIN_TYPE_other,
						bch2_wb_pin_flush);
		ret = key_apply_retry(f, w);
		leaf_unlock(f);
		bch2_trans_begin(f->trans);
		f->wb->nr_slow++;
		if (!bch2_err_matches(ret, BCH_ERR_operation_blocked)) {
			if (ret)
				return ret;
			continue;
		}
		left = true;
	}
	return 0;
}

static int keys_apply(struct wb_flush *f)
{
	int ret;

	f->trans = bch2_trans_get_service(f->c);
	bch2_trans_iter_init(f->trans, &f->iter, f->wb->btree_id, POS_MIN,
			     BTREE_ITER_intent|BTREE_ITER_all_snapshots|BTREE_ITER_not_extents);
	ret = fast_pass(f);
	if (!ret && f->nr_blocked)
		ret = slow_pass(f);
	leaf_unlock(f);
	bch2_trans_iter_exit(&f->iter);
	bch2_trans_put(f->trans);
	return ret;
}

/* --- one btree --- */

/* Incoming keys are waited for only if there is nothing else to do. */
static void take_incoming(struct btree_write_buffer *wb)
{
	if (!wb->flushing.nr)
		mutex_lock(&wb->incoming.lock);
	else if (!mutex_trylock(&wb->incoming.lock))
		return;
	bch2_wb_move_incoming(wb);
	mutex_unlock(&wb->incoming.lock);
}

static int flush_batch(struct btree_write_buffer *wb)
{
	struct wb_area *a = &wb->flushing;
	struct wb_flush f = { .c = wb->c, .wb = wb };
	int ret;

	f.nr	= bch2_wb_area_keys(a);
	f.refs	= kvmalloc_array(f.nr, sizeof(*f.refs), GFP_NOFS|__GFP_NOFAIL);
	bch2_sync_point(wb->c, wb_flush_H10a);
	bch2_wb_refs_sorted(a, f.refs);
	wb->nr_flushes++;
	wb->nr_keys += f.nr;
	wb->nr_collapsed += f.nr;
	f.nr = bch2_wb_collapse(a, f.refs, f.nr);
	wb->nr_collapsed -= f.nr;
	bch2_sync_point(wb->c, wb_flush_H10b);

	ret = keys_apply(&f);
	kvfree(f.refs);
	bch2_sync_point(wb->c, wb_flush_H10d);
	return ret;
}

/**
 * bch2_wb_flush_locked - apply what is buffered for one btree
 * @wb:	flushing.lock is held, no node locks
 *
 * What had to be left stays buffered, and pinned. 0; -BCH_ERR_erofs_journal_err:
 * nothing may be applied that was not journalled; or an error that made the
 * filesystem go read-only, after which the journal alone knows.
 */
int bch2_wb_flush_locked(struct btree_write_buffer *wb)
{
	struct bch_fs *c = wb->c;
	int ret;

	if (bch2_journal_error(c))
		return -BCH_ERR_erofs_journal_err;
	take_incoming(wb);
	if (!wb->flushing.nr)
		return 0;
	ret = flush_batch(wb);
	if (!ret) {
		bch2_wb_area_keep_unfinished(wb, &wb->flushing);
	} else {
		if (!bch2_journal_error(c))
			bch_err(c, "write buffer flush of btree %u: %s: going read-only",
				wb->btree_id, bch2_err_str(ret));
		if (c->up.emergency_ro)
			c->up.emergency_ro(c);
		bch2_wb_area_clear(wb, &wb->flushing);
	}
	bch2_wb_update_pressure(c);
	return ret;
}

/**
 * bch2_wb_flush_work - flush one btree in a worker
 * @work:	of a struct btree_write_buffer
 */
void bch2_wb_flush_work(struct work_struct *work)
{
	struct btree_write_buffer *wb = container_of(work, struct btree_write_buffer, flush_work);

	mutex_lock(&wb->flushing.lock);
	bch2_wb_flush_locked(wb);
	mutex_unlock(&wb->flushing.lock);
	wake_up_all(&wb->c->btree.wb.wait);
}
