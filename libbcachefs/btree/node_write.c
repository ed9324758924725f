// SPDX-License-Identifier: GPL-2.0
/*
 * Writes of nodes: when one may start, what it takes, what follows from it (spec
 * 21 sections 9.3 to 9.5, spec 20 section 14). Contents: node_encode.c; I/O: node_write_io.c.
 *
 * Invariants: a node has at most one write in flight, and the one who clears its
 * dirty flag while setting write_in_flight owns it. A dirty node, and each write in
 * flight, hold a pin on the node. What a write replaces in the journal stays
 * pinned, on the slot of that write, until the new sectors_written is committed
 * (NW-1); changes made meanwhile pin on the other slot.
 */
#include <linux/bug.h>
#include <linux/kernel.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/cache.h"
#include "btree/extent_entries.h"
#include "btree/node_write.h"
#include "btree/node_write_types.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "sb/members.h"
#include "util/log.h"
#include "util/sync_point.h"

/*
 * Where the copies go: all pointers, also those whose device is not there, but for
 * those that stand for a copy that is missing.
 */
static void copies_init(struct bch_fs *c, const struct btree *b, struct btree_node_write *w)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, bkey_i_to_s_c(&b->key));
	const struct bch_extent_ptr *ptr;

	bkey_for_each_ptr(ptrs, ptr) {
		if (w->nr_copies == NODE_WRITE_PTRS_MAX)
			break;
		if (EXTENT_PTR_DEV(ptr) == BCH_SB_MEMBER_INVALID)
			continue;
		w->copies[w->nr_copies++] = (struct btree_node_write_copy) {
			.w	= w,
			.ca	= bch2_dev(c, EXTENT_PTR_DEV(ptr)),
			.sector	= EXTENT_PTR_OFFSET(ptr) + w->offset,
			.dev	= EXTENT_PTR_DEV(ptr),
		};
	}
}

/* --- starting --- */

#define FLAG(name)	(1UL << BTREE_NODE_##name)

/* Would a write have to wait? Spec 21 section 9.3. */
static bool write_hindered(const struct btree *b, unsigned long flags)
{
	return flags & (FLAG(write_blocked)|FLAG(write_in_flight)) ||
		(flags & FLAG(will_make_reachable) && READ_ONCE(b->written));
}

/*
 * Clear dirty and set write_in_flight in one step: who succeeds owns the write. If
 * it may not start, it is noted as wanted.
 */
static bool write_begin(struct btree *b, bool only_if_need)
{
	unsigned long old = READ_ONCE(b->flags), new;

	do {
		if (!(old & FLAG(dirty)) || old & (FLAG(never_write)|FLAG(dying)|FLAG(dead)))
			return false;
		if (only_if_need && !(old & FLAG(need_write)))
			return false;
		new = old | FLAG(need_write);
		if (!write_hindered(b, old)) {
			new &= ~(FLAG(need_write)|FLAG(dirty));
			new |= FLAG(write_in_flight);
		}
	} while (!try_cmpxchg(&b->flags, &old, new));

	return new & FLAG(write_in_flight) && !(old & FLAG(write_in_flight));
}

static void dirty_list_del(struct bch_fs *c, struct btree *b)
{
	struct bch_fs_btree_node_writes *ws = &c->btree.writes;

	mutex_lock(&ws->lock);
	list_del_init(&b->write_list);
	WRITE_ONCE(ws->nr_dirty, ws->nr_dirty - 1);
	mutex_unlock(&ws->lock);
}

/**
 * bch2_btree_node_write - start writing what is unwritten in @b
 * @c:		filesystem
 * @b:		read or intent locked, or private; pinned
 * @type:	why
 * @flags:	enum btree_write_flags
 *
 * If the node is dirty but something is in the way, the end of that starts the
 * write. Returns at once: workers do the rest. Spec 21 section 9.3.
 */
void bch2_btree_node_write(struct bch_fs *c, struct btree *b, enum btree_write_type type,
			   unsigned flags)
{
	struct bch_fs_btree_node_writes *ws = &c->btree.writes;
	struct btree_node_write *w;

	if (!write_begin(b, flags & BTREE_WRITE_only_if_need))
		return;
	/* the pin of the dirty flag is the write's from here on */
	dirty_list_del(c, b);
	atomic_inc(&ws->nr_in_flight);

	w = kzalloc(sizeof(*w), GFP_NOFS|__GFP_NOFAIL);
	w->c	= c;
	w->b	= b;
	w->slot	= b->write_slot;
	w->type	= type;
	WRITE_ONCE(b->write_slot, w->slot ^ 1);
	bch2_btree_node_write_collect(c, b, w);
	if (w->sectors)
		copies_init(c, b, w);
	atomic64_inc(&ws->nr[type]);
	atomic64_add((u64) w->sectors << 9, &ws->bytes[type]);

	INIT_WORK(&w->work, w->sectors ? bch2_btree_node_write_submit
				       : bch2_btree_node_write_done);
	queue_work(w->sectors ? ws->submit_wq : ws->complete_wq, &w->work);
}

/* --- the end --- */

/* Some wait for none to be left, some for not too many. */
static void in_flight_put(struct bch_fs *c)
{
	/* ordered both ways: what the write did before, who waits behind it */
	atomic_dec_return(&c->btree.writes.nr_in_flight);
	if (waitqueue_active(&c->btree.writes.wait))
		wake_up_all(&c->btree.writes.wait);
}

/**
 * bch2_btree_node_write_fatal - a node on disk stays behind the journal
 * @what:	could not be done
 * @err:	why
 */
void bch2_btree_node_write_fatal(struct bch_fs *c, const struct btree *b, const char *what,
				 int err)
{
	if (!bch2_journal_error(c))
		bch_err(c, "btree node write at btree %u level %u: %s: %s: going read-only",
			b->btree_id, b->level, what, bch2_err_str(err));
	if (c->up.emergency_ro)
		c->up.emergency_ro(c);
}

/**
 * bch2_btree_node_write_done - all copies of a write have ended
 * @work:	of a struct btree_node_write
 *
 * Commits the change of the pointer, drops the pin - not before, PC-8 - starts the
 * next write if one is wanted. A write that failed with the journal dead ends in
 * the same way (NW-2).
 */
void bch2_btree_node_write_done(struct work_struct *work)
{
	struct btree_node_write *w = container_of(work, struct btree_node_write, work);
	struct bch_fs *c = w->c;
	struct bch_fs_btree_node_writes *ws = &c->btree.writes;
	struct btree *b = w->b;

	if (w->buf)
		bch2_btree_node_write_buf_free(w);
	bch2_sync_point(c, node_write_H12);

	if (w->sectors && !w->error && !atomic_read(&w->nr_good)) {
		w->error = -BCH_ERR_btree_node_write_all_failed;
		bch2_btree_node_write_fatal(c, b, "no copy could be written", w->error);
	}
	if (w->sectors)
		ws->written(w);

	/* Waits for reclaim to be through with the pin: the node may go away then. */
	bch2_journal_pin_flush(c, &b->writes[w->slot].pin);
	kfree(w);

	clear_bit_unlock(BTREE_NODE_write_in_flight, &b->flags);
	smp_mb__after_atomic();
	wake_up_all(&ws->wait);
	if (test_bit(BTREE_NODE_need_write, &b->flags))
		bch2_btree_node_write_if_needed(c, b);
	bch2_btree_node_put(c, b);
	in_flight_put(c);
}

/* --- dirty nodes --- */

/* Dirty nodes cannot be evicted: there may be half a cache of them. */
static bool too_many_dirty(const struct bch_fs *c)
{
	const u64 bytes = (u64) c->btree.writes.nr_dirty * c->opts.btree_node_size;

	return bytes > READ_ONCE(c->btree.cache.bytes_max) / 2;
}

/**
 * bch2_btree_node_set_dirty - @b has changes that must be written
 * @b:	write locked or private; pinned by the caller
 */
void bch2_btree_node_set_dirty(struct bch_fs *c, struct btree *b)
{
	struct bch_fs_btree_node_writes *ws = &c->btree.writes;
	bool was;

	if (test_bit(BTREE_NODE_dirty, &b->flags))
		return;
	bch2_btree_node_pin(c, b);
	mutex_lock(&ws->lock);
	was = test_and_set_bit(BTREE_NODE_dirty, &b->flags);
	if (!was) {
		list_add_tail(&b->write_list, &ws->dirty);
		WRITE_ONCE(ws->nr_dirty, ws->nr_dirty + 1);
		if (unlikely(too_many_dirty(c)))
			queue_work(ws->complete_wq, &ws->reclaim_work);
	}
	mutex_unlock(&ws->lock);
	if (was)
		bch2_btree_node_put(c, b);
}

/* A node that will not be written any more lets go of the journal. */
struct node_retire {
	struct bch_fs		*c;
	struct btree		*b;		/* the pin of the dirty flag is ours */
	u8			slot;
	struct work_struct	work;
};

static void node_retire_work(struct work_struct *work)
{
	struct node_retire *r = container_of(work, struct node_retire, work);
	struct bch_fs *c = r->c;

	/* reclaim may be waiting for the node's lock: the node stays until it has been */
	bch2_journal_pin_flush(c, &r->b->writes[r->slot].pin);
	bch2_btree_node_put(c, r->b);
	kfree(r);
	in_flight_put(c);
}

/**
 * bch2_btree_node_clear_dirty - @b will not be written any more
 * @b:	write locked or private, or nobody changes nodes any more; pinned
 *
 * For old nodes of an interior update, and when the journal is dead. The journal
 * pin of the current write slot is dropped, by a worker: whoever has to keep the
 * entries has copied it before. A write in flight ends as usual.
 */
void bch2_btree_node_clear_dirty(struct bch_fs *c, struct btree *b)
{
	struct node_retire *r;

	clear_bit(BTREE_NODE_need_write, &b->flags);
	if (!test_and_clear_bit(BTREE_NODE_dirty, &b->flags))
		return;
	dirty_list_del(c, b);
	r = kzalloc(sizeof(*r), GFP_NOFS|__GFP_NOFAIL);
	r->c	= c;
	r->b	= b;
	r->slot	= b->write_slot;
	atomic_inc(&c->btree.writes.nr_in_flight);
	INIT_WORK(&r->work, node_retire_work);
	queue_work(c->btree.writes.complete_wq, &r->work);
}

/* --- waiting --- */

/**
 * bch2_btree_node_write_wait - wait until no write of @b is in flight
 *
 * Its pointer is updated then, and the pin dropped. No locks held. 0.
 */
int bch2_btree_node_write_wait(struct bch_fs *c, struct btree *b)
{
	wait_event(c->btree.writes.wait, !test_bit_acquire(BTREE_NODE_write_in_flight, &b->flags));
	return 0;
}

/** bch2_btree_writes_pending - is a node write in flight? */
bool bch2_btree_writes_pending(struct bch_fs *c)
{
	return atomic_read_acquire(&c->btree.writes.nr_in_flight) != 0;
}

/** bch2_btree_flush_all_writes - wait until no node write is in flight */
void bch2_btree_flush_all_writes(struct bch_fs *c)
{
	wait_event(c->btree.writes.wait, !bch2_btree_writes_pending(c));
}

/* --- setting up --- */

/**
 * __bch2_fs_btree_node_write_init - workers and reserves
 * @c:		filesystem, with its options
 * @written:	told about each write that has ended (node_written.c)
 *
 * 0 or -ENOMEM; then bch2_fs_btree_node_write_exit() is still to be called.
 */
int __bch2_fs_btree_node_write_init(struct bch_fs *c,
				    void (*written)(struct btree_node_write *w))
{
	struct bch_fs_btree_node_writes *ws = &c->btree.writes;

	mutex_init(&ws->lock);
	INIT_LIST_HEAD(&ws->dirty);
	init_waitqueue_head(&ws->wait);
	ws->initialized = true;
	ws->written	= written;
	ws->c		= c;
	INIT_WORK(&ws->reclaim_work, bch2_btree_node_reclaim_work);
	ws->submit_wq	= alloc_workqueue("bch_node_submit", WQ_UNBOUND|WQ_MEM_RECLAIM, 4);
	ws->complete_wq	= alloc_workqueue("bch_node_done", WQ_UNBOUND|WQ_MEM_RECLAIM, 0);
	if (!ws->submit_wq || !ws->complete_wq ||
	    mempool_init_kvmalloc_pool(&ws->bounce, 1,
				PAGE_ALIGN(c->opts.btree_node_size + sizeof(u64))))
		return -BCH_ERR_ENOMEM_btree_node_write;
	return 0;
}

/** bch2_fs_btree_node_write_exit - undo that; nothing is in flight */
void bch2_fs_btree_node_write_exit(struct bch_fs *c)
{
	struct bch_fs_btree_node_writes *ws = &c->btree.writes;

	if (!ws->initialized)
		return;
	if (ws->submit_wq)
		destroy_workqueue(ws->submit_wq);
	if (ws->complete_wq)
		destroy_workqueue(ws->complete_wq);
	mempool_exit(&ws->bounce);
	memset(ws, 0, sizeof(*ws));
}
