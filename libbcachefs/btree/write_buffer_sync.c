// SPDX-License-Identifier: GPL-2.0
/*
 * Flushing the write buffer for somebody who waits: synchronous flush, what is done
 * when going read-only, and the check that asks whether an error is real (spec 22
 * sections 4.5, 5.2).
 */
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/extent_entries.h"
#include "btree/interior.h"
#include "btree/trans.h"
#include "btree/write_buffer.h"
#include "btree/write_buffer_priv.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "util/sync_point.h"

/* Without a wakeup, look again after this long. */
#define WAIT_JIFFIES	max_t(unsigned long, HZ / 20, 1)

static bool wb_in_use(const struct bch_fs *c)
{
	return c->btree.wb.initialized && bch2_journal_running(c);
}

/*
 * Take the keys of all entries up to @max_seq (section 3.3, fetch). The open entry
 * is blocked meanwhile and stays to be looked at again.
 */
static int wb_fetch(struct bch_fs *c, u64 max_seq)
{
	struct journal_buf *buf;
	bool open = false;
	int ret = 0;

	bch2_journal_intake_lock(c);
	while (!ret && !open && (buf = bch2_journal_next_buf_to_intake(c, max_seq, &open))) {
		ret = bch2_btree_write_buffer_intake(c, buf);
		if (open)
			bch2_journal_unblock(c);
	}
	bch2_journal_intake_unlock(c);
	return ret;
}

static bool pin_at_most(const struct journal_entry_pin *pin, u64 seq)
{
	const u64 pinned = READ_ONCE(pin->seq);

	return pinned && pinned <= seq;
}

/* Keys move from incoming to flushing: looked at in this order none is missed (3.4). */
static bool wb_pending(const struct btree_write_buffer *wb, u64 seq)
{
	if (pin_at_most(&wb->incoming.pin, seq))
		return true;
	smp_rmb();
	return pin_at_most(&wb->flushing.pin, seq);
}

static bool wb_any_pending(const struct bch_fs *c, u64 seq)
{
	unsigned i;

	for (i = 0; i < c->btree.wb.nr; i++)
		if (wb_pending(c->btree.wb.b[i], seq))
			return true;
	return false;
}

static void wb_queue_pending(struct bch_fs *c, u64 seq)
{
	struct bch_fs_btree_write_buffer *s = &c->btree.wb;
	unsigned i;

	for (i = 0; i < s->nr; i++)
		if (wb_pending(s->b[i], seq))
			queue_work(s->wq, &s->b[i]->flush_work);
}

/* Until everything up to @seq is in its btree. */
static int wb_flush_and_wait(struct bch_fs *c, u64 seq)
{
	while (wb_any_pending(c, seq)) {
		if (bch2_journal_error(c))
			return -BCH_ERR_erofs_journal_err;
		wb_queue_pending(c, seq);
		wait_event_timeout(c->btree.wb.wait,
				   !wb_any_pending(c, seq) || bch2_journal_error(c),
				   WAIT_JIFFIES);
	}
	return 0;
}

static int wb_flush_all(struct bch_fs *c)
{
	const u64 seq = bch2_journal_cur_seq(c);
	int ret;

	ret =   wb_fetch(c, seq) ?:
		wb_flush_and_wait(c, seq);
	return ret ?: bch2_journal_error(c) ? -BCH_ERR_erofs_journal_err : 0;
}

/**
 * bch2_btree_write_buffer_flush_sync - apply every update committed before the call
 *
 * The locks of @trans are gone afterwards. Waits for the replay of accounting
 * (WB-9). Spec 22 section 4.5. Nothing is buffered before the journal runs.
 */
int bch2_btree_write_buffer_flush_sync(struct btree_trans *trans)
{
	struct bch_fs *c = trans->c;

	bch2_trans_unlock_long(trans);
	return wb_in_use(c) ? wb_flush_all(c) : 0;
}

/**
 * bch2_btree_write_buffer_tryflush - apply what nobody else is applying
 *
 * In the caller's context; keys that are still in the journal's buffers only are
 * left. The locks of @trans are gone afterwards.
 */
int bch2_btree_write_buffer_tryflush(struct btree_trans *trans)
{
	struct bch_fs *c = trans->c;
	unsigned i;
	int ret = 0;

	bch2_trans_unlock_long(trans);
	for (i = 0; wb_in_use(c) && i < c->btree.wb.nr && !ret; i++) {
		struct btree_write_buffer *wb = c->btree.wb.b[i];

		if (!wb_pending(wb, U64_MAX) || !mutex_trylock(&wb->flushing.lock))
			continue;
		ret = bch2_wb_flush_locked(wb);
		mutex_unlock(&wb->flushing.lock);
		wake_up_all(&c->btree.wb.wait);
	}
	return ret;
}

/**
 * bch2_btree_write_buffer_flush_going_ro - one round of draining
 *
 * No locks held, no transaction. True if there was anything buffered: another round
 * is needed. Spec 21 section 9.6.
 */
bool bch2_btree_write_buffer_flush_going_ro(struct bch_fs *c)
{
	u64 seq;
	bool had;

	if (!wb_in_use(c) || bch2_journal_error(c))
		return false;
	seq = bch2_journal_cur_seq(c);
	if (wb_fetch(c, seq))
		return false;
	had = wb_any_pending(c, U64_MAX);
	wb_flush_and_wait(c, seq);
	return had && !bch2_journal_error(c);
}

/**
 * bch2_btree_write_buffer_accounting_ready - accounting may be applied from now on
 *
 * After BCH_FS_accounting_replay_done was set.
 */
void bch2_btree_write_buffer_accounting_ready(struct bch_fs *c)
{
	if (!c->btree.wb.initialized)
		return;
	wb_queue_pending(c, U64_MAX);
	wake_up_all(&c->btree.wb.wait);
}

/* --- is an error real? --- */

/* Too many flushes for too few keys, and errors do occur: believe them (step 1). */
static bool flushed_enough(const struct wb_maybe_flush *f)
{
	return f->seen_error && f->nr_flushes > 32 && f->nr_flushes * 8 > f->nr_done;
}

/* Nothing was committed by @trans since the flush that was made for this very key. */
static bool flushed_for(const struct wb_maybe_flush *f, const struct btree_trans *trans,
			struct bkey_s_c k)
{
	const struct bkey_i *last = f->last.k;

	return f->stamp == trans->commit_count && k.k->u64s == last->k.u64s &&
		!memcmp(k.k, &last->k, sizeof(*k.k)) &&
		(!bkey_val_bytes(k.k) || !memcmp(k.v, &last->v, bkey_val_bytes(k.k)));
}

/**
 * bch2_btree_write_buffer_maybe_flush - look again before reporting an error
 * @trans:		of the check
 * @referring_k:	authoritative key that a buffered btree was compared with
 * @f:			state of the check's loop
 *
 * 0: the error is real. -BCH_ERR_transaction_restart_write_buffer_flush: the buffer
 * was flushed; the check begins again, and reads everything anew (FC-1, FC-2). A
 * commit of @trans, as of a repair, makes what was flushed before void (FC-4). Also
 * if nothing is to be repaired; without a journal nothing is buffered (FC-8). Or
 * another error. Spec 22 section 5.2.
 */
int bch2_btree_write_buffer_maybe_flush(struct btree_trans *trans, struct bkey_s_c referring_k,
					struct wb_maybe_flush *f)
{
	struct bch_fs *c = trans->c;
	const bool is_ptr = referring_k.k->type == KEY_TYPE_btree_ptr ||
		referring_k.k->type == KEY_TYPE_btree_ptr_v2;
	int ret;

	if (!wb_in_use(c) || flushed_enough(f))
		return 0;
	if (flushed_for(f, trans, referring_k)) {
		f->seen_error = true;
		return 0;
	}

	/* before locks are dropped: the key is in a node */
	ret = bch2_bkey_buf_reassemble(&f->last, referring_k);
	if (ret)
		return ret;
	bch2_trans_unlock_long(trans);
	/* index updates of new pointers are committed late */
	if (is_ptr)
		bch2_btree_interior_updates_flush(c);
	ret = bch2_btree_write_buffer_flush_sync(trans);
	if (ret)
		return ret;
	f->stamp = trans->commit_count;
	f->nr_flushes++;
	bch2_sync_point(c, wb_maybe_flush_H13);
	return bch2_trans_restart(trans, BCH_ERR_transaction_restart_write_buffer_flush);
}
