// SPDX-License-Identifier: GPL-2.0
/*
 * Between a node's contents, the journal and its writes: inserted keys pin the
 * entry they come from, and the journal has nodes written to get its entries back
 * (spec 21 sections 9.1, 9.3, spec 22 PC-7 to PC-9).
 *
 * Invariant: what is unwritten in a node is covered by the pin of the node's
 * current write slot, and by the guard of the next bset.
 */
#include <linux/kernel.h>

#include "bcachefs.h"
#include "btree/cache.h"
#include "btree/locking.h"
#include "btree/node_insert.h"
#include "btree/node_write.h"
#include "btree/node_write_types.h"
#include "btree/trans.h"
#include "journal/pins.h"

/* --- the journal wants an entry back --- */

static void node_read_lock(struct btree_trans *trans, struct btree *b)
{
	while (bch2_trans_lock(trans, &b->six, SIX_LOCK_read))
		bch2_trans_begin(trans);
}

static void locked_node_write(struct bch_fs *c, struct btree *b, enum btree_write_type type,
			      unsigned flags)
{
	struct btree_trans *trans = bch2_trans_get_service(c);

	node_read_lock(trans, b);
	bch2_btree_node_write(c, b, type, flags);
	bch2_trans_unlock_one(trans, &b->six, SIX_LOCK_read);
	bch2_trans_put(trans);
}

/* What slot @slot pins is unwritten if it is the current one, else being written. */
static int node_pin_flush(struct bch_fs *c, struct btree *b, unsigned slot)
{
	struct btree_trans *trans = bch2_trans_get_service(c);

	node_read_lock(trans, b);
	/* whoever begins a write flips it; then this slot is being written */
	if (READ_ONCE(b->write_slot) == slot)
		bch2_btree_node_write(c, b, BTREE_WRITE_journal_reclaim, 0);
	bch2_trans_unlock_one(trans, &b->six, SIX_LOCK_read);
	bch2_trans_put(trans);
	return 0;
}

static int node_pin_flush0(struct bch_fs *c, struct journal_entry_pin *pin, u64 seq)
{
	return node_pin_flush(c, container_of(pin, struct btree, writes[0].pin), 0);
}

static int node_pin_flush1(struct bch_fs *c, struct journal_entry_pin *pin, u64 seq)
{
	return node_pin_flush(c, container_of(pin, struct btree, writes[1].pin), 1);
}

/**
 * bch2_btree_node_pin_seq - @b has something of journal entry @seq unwritten
 * @b:		write locked or private; becomes dirty: only a write drops the pin
 * @seq:	pinned by somebody at this moment
 */
void bch2_btree_node_pin_seq(struct bch_fs *c, struct btree *b, u64 seq)
{
	bch2_btree_node_set_dirty(c, b);
	bch2_journal_pin_add(c, seq, &b->writes[b->write_slot].pin,
			     JOURNAL_PIN_TYPE_btree0 + b->level,
			     b->write_slot ? node_pin_flush1 : node_pin_flush0);
}

/* --- insertion --- */

/**
 * bch2_btree_node_insert_key - insert @k into a node, or delete there
 * @trans:		holds the write lock of @b
 * @b:			prepared by bch2_btree_node_prep_insert(), with room
 * @k:			unpacked, outside the node
 * @journal_seq:	entry the key is in; 0: none
 *
 * The entry is pinned before the caller lets go of it (PC-7), the guard of the next
 * bset is not below it (NW-4). Deleting nothing changes nothing (WB-8). Cannot
 * fail. Spec 21 section 9.1.
 */
void bch2_btree_node_insert_key(struct btree_trans *trans, struct btree *b,
				const struct bkey_i *k, u64 journal_seq)
{
	struct bch_fs *c = trans->c;
	const u32 buf_bytes = b->buf_bytes;
	const u32 idx_size = b->idx_size;

	if (!bch2_btree_node_insert_mem(b, k))
		return;
	if (unlikely(b->buf_bytes != buf_bytes || b->idx_size != idx_size))
		bch2_btree_node_mem_changed(c, b);

	bch2_btree_node_set_dirty(c, b);
	if (journal_seq) {
		bch2_btree_node_guard(b, journal_seq);
		bch2_btree_node_pin_seq(c, b, journal_seq);
	}
}

/* --- writes that were put off, and all of them --- */

/**
 * bch2_btree_node_write_if_needed - start a write of @b that had to wait
 * @b:	pinned; not locked by the caller, who may hold no node lock at all
 */
void bch2_btree_node_write_if_needed(struct bch_fs *c, struct btree *b)
{
	locked_node_write(c, b, BTREE_WRITE_journal_reclaim, BTREE_WRITE_only_if_need);
}

/* The next dirty node, pinned; it goes to the end of the list. NULL: none. */
static struct btree *next_dirty(struct bch_fs *c)
{
	struct bch_fs_btree_node_writes *ws = &c->btree.writes;
	struct btree *b;

	mutex_lock(&ws->lock);
	b = list_first_entry_or_null(&ws->dirty, struct btree, write_list);
	if (b) {
		list_move_tail(&b->write_list, &ws->dirty);
		bch2_btree_node_pin(c, b);
	}
	mutex_unlock(&ws->lock);
	return b;
}

/* Up to @nr nodes, those that were dirtied first; true if there was one. */
static bool write_dirty(struct bch_fs *c, size_t nr, enum btree_write_type type)
{
	struct btree *b;
	bool did = false;

	while (nr-- && (b = next_dirty(c))) {
		locked_node_write(c, b, type, 0);
		bch2_btree_node_put(c, b);
		did = true;
	}
	return did;
}

/**
 * bch2_btree_node_reclaim_work - write the older half of the dirty nodes
 * @work:	bch_fs_btree_node_writes.reclaim_work
 *
 * So that the cache can be kept in its bounds.
 */
void bch2_btree_node_reclaim_work(struct work_struct *work)
{
	struct bch_fs_btree_node_writes *ws =
		container_of(work, struct bch_fs_btree_node_writes, reclaim_work);

	write_dirty(ws->c, READ_ONCE(ws->nr_dirty) / 2 + 1, BTREE_WRITE_cache_reclaim);
}

/**
 * bch2_btree_write_all_dirty - start writing every node that may be written
 *
 * No locks held. True if there was a dirty node. Does not wait for the writes.
 */
bool bch2_btree_write_all_dirty(struct bch_fs *c)
{
	return write_dirty(c, READ_ONCE(c->btree.writes.nr_dirty), BTREE_WRITE_journal_reclaim);
}

/**
 * bch2_btree_cancel_all_dirty - forget all unwritten changes; the journal is dead
 *
 * Waits for writes in flight. Nobody changes nodes any more. Spec 21 section 9.6.
 */
void bch2_btree_cancel_all_dirty(struct bch_fs *c)
{
	struct btree *b;

	while ((b = next_dirty(c))) {
		bch2_btree_node_clear_dirty(c, b);
		bch2_btree_node_put(c, b);
	}
	bch2_btree_flush_all_writes(c);
}
