// SPDX-License-Identifier: GPL-2.0
/*
 * Write points, and allocating space through them (spec 40 §4.2): each stream of
 * writes fills up a bucket on each of the devices it writes to, and gets new
 * buckets in the order of the devices' clocks.
 *
 * Invariant: while a write point is not locked all buckets it holds are leftovers
 * with room in them; while it is, the first nr_ptrs of them are on different
 * devices and what the request was given. A write point is not held while
 * anything is waited for but locks of the deadlock detector's graph.
 */
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "bcachefs.h"
#include "alloc/accounting_live.h"
#include "alloc/discard.h"
#include "alloc/disk_reservation.h"
#include "alloc/foreground.h"
#include "btree/commit.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "btree/locking.h"
#include "journal/journal.h"
#include "sb/disk_groups.h"
#include "sb/members.h"
#include "util/log.h"

/* One attempt to serve a request; the write point is locked. */
struct alloc_op {
	struct btree_trans	*trans;
	struct bch_fs		*c;
	const struct bch_alloc_request *req;
	struct write_point	*wp;
	unsigned		min_sectors;	/* a bucket with less is of no use */
	unsigned		durability;	/* got so far */
	bool			have_cache;	/* one device of durability 0 is among them */
	int			blocked;	/* why a device had no bucket */
	struct bch_devs_mask	used;		/* no second bucket on these */
};

/* --- what a write point holds --- */

static struct open_bucket *held(struct alloc_op *op, unsigned i)
{
	return bch2_open_bucket(op->c, op->wp->held.v[i]);
}

static void held_remove(struct write_point *wp, unsigned i)
{
	wp->held.v[i] = wp->held.v[--wp->held.nr];
}

/* Is a bucket worth keeping for the next request? */
static bool worth_keeping(struct bch_fs *c, const struct open_bucket *ob)
{
	const unsigned least = ob->data_type == BCH_DATA_btree
		? c->opts.btree_node_size >> 9 : bch2_block_sectors(c);

	return ob->sectors_free >= least && !READ_ONCE(c->alloc.stopped);
}

static void held_drop(struct bch_fs *c, struct write_point *wp, unsigned i)
{
	struct open_bucket *ob = bch2_open_bucket(c, wp->held.v[i]);

	held_remove(wp, i);
	if (worth_keeping(c, ob))
		bch2_open_bucket_put_partial(c, ob);
	else
		bch2_open_bucket_put(c, ob);
}

/* The bucket at .held[i] serves the request. */
static void op_take_held(struct alloc_op *op, unsigned i)
{
	struct write_point *wp = op->wp;
	struct bch_dev *ca = bch2_dev(op->c, held(op, i)->dev);

	swap(wp->held.v[i], wp->held.v[wp->nr_ptrs]);
	wp->nr_ptrs++;
	__set_bit(ca->dev_idx, op->used.d);
	op->durability += ca->mi.durability;
	op->have_cache |= !ca->mi.durability;
}

static void op_take_new(struct alloc_op *op, struct open_bucket *ob)
{
	struct write_point *wp = op->wp;

	if (wp->held.nr == ARRAY_SIZE(wp->held.v))
		held_drop(op->c, wp, wp->held.nr - 1);
	wp->held.v[wp->held.nr++] = bch2_open_bucket_slot(op->c, ob);
	op_take_held(op, wp->held.nr - 1);
}

static bool op_done(const struct alloc_op *op)
{
	return op->durability >= op->req->nr_replicas ||
		op->wp->nr_ptrs == ARRAY_SIZE(op->wp->held.v) - 1;
}

/* May the request have a bucket on @ca? */
static bool op_may_use(const struct alloc_op *op, const struct bch_dev *ca,
		       const struct bch_devs_mask *mask)
{
	if (!test_bit(ca->dev_idx, mask->d) || test_bit(ca->dev_idx, op->used.d) ||
	    !bch2_dev_allocatable(ca, op->req->data_type) ||
	    ca->mi.bucket_size < op->min_sectors)
		return false;
	/* A cache takes part once, and only where the target says so. */
	return ca->mi.durability ||
		(!op->have_cache && op->req->target &&
		 bch2_dev_in_target(op->c, ca->dev_idx, op->req->target));
}

/* --- one attempt --- */

static void op_use_leftovers(struct alloc_op *op, const struct bch_devs_mask *mask)
{
	for (unsigned i = op->wp->nr_ptrs; i < op->wp->held.nr && !op_done(op); i++) {
		const struct open_bucket *ob = held(op, i);

		if (ob->data_type == op->req->data_type && ob->sectors_free >= op->min_sectors &&
		    op_may_use(op, bch2_dev(op->c, ob->dev), mask))
			op_take_held(op, i);
	}
}

static void op_use_partial(struct alloc_op *op, const struct bch_devs_mask *mask)
{
	for_each_member_device(op->c, ca) {
		struct open_bucket *ob;

		if (op_done(op))
			return;
		if (!op_may_use(op, ca, mask))
			continue;
		ob = bch2_open_bucket_get_partial(op->c, ca, op->req->data_type);
		if (!ob)
			continue;
		if (ob->sectors_free >= op->min_sectors)
			op_take_new(op, ob);
		else
			bch2_open_bucket_put(op->c, ob);
	}
}

/* 0, or an error that is not about this device only. */
static int op_new_bucket(struct alloc_op *op, struct bch_dev *ca)
{
	struct open_bucket *ob;
	int ret = bch2_bucket_alloc_trans(op->trans, ca, op->req->watermark, op->req->data_type,
					  &ob);

	if (bch2_err_matches(ret, BCH_ERR_bucket_alloc_blocked)) {
		op->blocked = ret;
		return 0;
	}
	if (ret)
		return ret;
	bch2_dev_clock_advance(&op->wp->clocks, ca->dev_idx,
			       bch2_dev_buckets_free(ca, BCH_WATERMARK_normal));
	op_take_new(op, ob);
	return 0;
}

static int op_use_new(struct alloc_op *op, const struct bch_devs_mask *mask)
{
	struct dev_alloc_list list;
	int ret = 0;

	bch2_dev_alloc_list(op->c, &op->wp->clocks, mask, op->req->data_type, &list);
	for (unsigned i = 0; i < list.nr && !ret && !op_done(op); i++) {
		struct bch_dev *ca = bch2_dev(op->c, list.d[i]);

		if (op_may_use(op, ca, mask))
			ret = op_new_bucket(op, ca);
	}
	return ret;
}

static int op_fill(struct alloc_op *op, const struct bch_devs_mask *mask)
{
	op_use_leftovers(op, mask);
	op_use_partial(op, mask);
	return op_done(op) ? 0 : op_use_new(op, mask);
}

/* Devices that are more than was asked for go back, as far as that is possible. */
static void op_give_back_excess(struct alloc_op *op)
{
	struct write_point *wp = op->wp;
	unsigned excess = op->durability - min(op->durability, op->req->nr_replicas);

	for (unsigned i = wp->nr_ptrs; i-- && excess;) {
		const unsigned d = bch2_dev(op->c, held(op, i)->dev)->mi.durability;

		if (!d || d > excess)
			continue;
		excess -= d;
		op->durability -= d;
		wp->nr_ptrs--;
		swap(wp->held.v[i], wp->held.v[wp->nr_ptrs]);
	}
}

/* Is what was found enough to go on with? 0 or why not. */
static int op_verdict(const struct alloc_op *op)
{
	if (op->durability >= op->req->nr_replicas)
		return 0;
	if (op->durability && !(op->req->flags & BCH_ALLOC_full_replicas))
		return 0;
	return op->blocked ?: -BCH_ERR_insufficient_alloc_devices;
}

static int op_attempt(struct alloc_op *op)
{
	const bool fallback = op->req->target && !(op->req->flags & BCH_ALLOC_only_target);
	struct bch_devs_mask mask;
	int ret;

	bch2_target_devs(op->c, op->req->target, &mask);
	ret = op_fill(op, &mask);
	if (!ret && !op_done(op) && fallback) {
		bch2_target_devs(op->c, 0, &mask);
		ret = op_fill(op, &mask);
	}
	ret = ret ?: op_verdict(op);
	if (!ret)
		op_give_back_excess(op);
	else
		op->wp->nr_ptrs = 0;
	return ret;
}

/* --- write points --- */

static struct write_point *oldest_write_point(struct bch_fs *c)
{
	struct write_point *oldest = c->alloc.wp_hashed;

	for (struct write_point *wp = oldest; wp < c->alloc.wp_hashed + WRITE_POINTS_HASHED; wp++)
		if (READ_ONCE(wp->last_used) < READ_ONCE(oldest->last_used))
			oldest = wp;
	return oldest;
}

static struct write_point *find_write_point(struct bch_fs *c, unsigned long id)
{
	for (struct write_point *wp = c->alloc.wp_hashed;
	     wp < c->alloc.wp_hashed + WRITE_POINTS_HASHED; wp++)
		if (READ_ONCE(wp->id) == id && READ_ONCE(wp->last_used))
			return wp;
	return NULL;
}

/* The write point of a request, locked: its own, or a hashed one. 0 or a restart. */
static int lock_write_point(struct btree_trans *trans, const struct bch_alloc_request *req,
			    struct write_point **wp)
{
	struct bch_fs *c = trans->c;
	bool known;
	int ret;

	if (req->wp) {
		*wp = req->wp;
		return bch2_trans_mutex_lock(trans, &req->wp->lock);
	}

	for (;;) {
		*wp = find_write_point(c, req->write_point);
		known = *wp != NULL;
		if (!known)
			*wp = oldest_write_point(c);
		ret = bch2_trans_mutex_lock(trans, &(*wp)->lock);
		if (ret)
			return ret;
		if (!known || (*wp)->id == req->write_point)
			break;
		bch2_trans_mutex_unlock(trans, &(*wp)->lock);
	}

	if (!known)
		while ((*wp)->held.nr)
			held_drop(c, *wp, 0);
	WRITE_ONCE((*wp)->id, req->write_point);
	WRITE_ONCE((*wp)->last_used, atomic64_inc_return(&c->alloc.wp_stamp));
	return 0;
}

static int alloc_sectors_try(struct btree_trans *trans, const struct bch_alloc_request *req,
			     struct write_point **wp)
{
	struct bch_fs *c = trans->c;
	struct alloc_op op = {
		.trans		= trans,
		.c		= c,
		.req		= req,
		.min_sectors	= max(req->min_sectors, bch2_block_sectors(c)),
	};
	int ret = lock_write_point(trans, req, wp);

	if (ret)
		return ret;

	op.wp = *wp;
	op.wp->nr_ptrs = 0;
	op.wp->data_type = req->data_type;
	if (req->devs_have)
		op.used = *req->devs_have;

	ret = op_attempt(&op);
	if (ret) {
		bch2_alloc_sectors_done(trans, op.wp);
		return ret;
	}

	op.wp->sectors_free = U32_MAX;
	for (unsigned i = 0; i < op.wp->nr_ptrs; i++)
		op.wp->sectors_free = min(op.wp->sectors_free, held(&op, i)->sectors_free);
	return 0;
}

/* --- waiting --- */

/* Are there buckets that can become free without anybody's help? */
static bool buckets_will_be_freed(struct bch_fs *c)
{
	for_each_member_device(c, ca)
		if (bch2_dev_is_online(ca) &&
		    (bch2_dev_buckets(ca, BCH_DATA_need_discard) ||
		     bch2_dev_buckets(ca, BCH_DATA_cached)))
			return true;
	return false;
}

/*
 * Nothing has become free for so long that nothing will? Counted over all
 * attempts at a watermark: those who are refused restart all the time.
 */
static bool allocator_stuck(struct bch_fs *c, enum bch_watermark w, int stamp)
{
	struct bch_fs_alloc *a = &c->alloc;
	const unsigned secs = buckets_will_be_freed(c) && c->opts.allocator_stuck_timeout
		? c->opts.allocator_stuck_timeout : 1;
	bool stuck;

	spin_lock(&a->lock);
	if (!a->stuck[w].waiting || a->stuck[w].stamp != stamp) {
		a->stuck[w].waiting	= true;
		a->stuck[w].stamp	= stamp;
		a->stuck[w].since	= jiffies;
	}
	stuck = time_after_eq(jiffies, a->stuck[w].since + (unsigned long) secs * HZ);
	spin_unlock(&a->lock);
	return stuck;
}

/* An allocation at this watermark succeeded, or was given up. */
static void allocator_not_stuck(struct bch_fs *c, enum bch_watermark w)
{
	if (!READ_ONCE(c->alloc.stuck[w].waiting))
		return;
	spin_lock(&c->alloc.lock);
	c->alloc.stuck[w].waiting = false;
	spin_unlock(&c->alloc.lock);
}

/* Once in a while: whoever was refused may try again at once. */
static void warn_stuck(struct bch_fs *c, enum bch_watermark w)
{
	const unsigned long next = READ_ONCE(c->alloc.next_warning);

	if (next && time_before(jiffies, next))
		return;
	WRITE_ONCE(c->alloc.next_warning, jiffies + 10 * HZ);
	bch_warn(c, "out of buckets: nothing became free while waiting (watermark %u, %u interior "
		 "updates pending)",
		 w, READ_ONCE(c->btree.interior.nr_pending));
	for_each_online_member(c, ca)
		bch_warn_dev(ca, "%llu buckets free, %llu wait for a discard, %llu cached, "
			     "%u open, %llu reserved at this watermark",
			     bch2_dev_buckets(ca, BCH_DATA_free),
			     bch2_dev_buckets(ca, BCH_DATA_need_discard),
			     bch2_dev_buckets(ca, BCH_DATA_cached),
			     atomic_read(&ca->alloc.nr_open), bch2_dev_buckets_reserved(ca, w));
}

/* Wait for free buckets, without locks. 0: try again; a restart; or -ENOSPC. */
static int wait_for_buckets(struct btree_trans *trans, int stamp,
			    const struct bch_alloc_request *req)
{
	struct bch_fs *c = trans->c;

	/* nothing will become free any more */
	if (bch2_journal_error(c))
		return -BCH_ERR_erofs_journal_err;
	if (allocator_stuck(c, req->watermark, stamp)) {
		allocator_not_stuck(c, req->watermark);
		warn_stuck(c, req->watermark);
		return -BCH_ERR_ENOSPC_bucket_alloc;
	}

	bch2_trans_unlock(trans);
	bch2_do_discards_urgent(c);
	bch2_do_invalidates(c);
	bch2_alloc_wait(c, stamp, HZ / 2);
	return bch2_trans_relock(trans);
}

/**
 * bch2_alloc_sectors_start - find room for a write
 * @trans:	transaction; may hold locks
 * @req:	what is wanted
 * @wp:		the write point, locked until bch2_alloc_sectors_done()
 *
 * May wait for free buckets with the transaction's locks dropped, unless the
 * request says not to; @req->devs_have and @req->wp must stay valid.
 *
 * Return: 0; a restart; -BCH_ERR_ENOSPC_bucket_alloc; a kind of
 * -BCH_ERR_bucket_alloc_blocked with BCH_ALLOC_nowait;
 * -BCH_ERR_insufficient_alloc_devices if no device is fit; or an error reading
 * the alloc btrees. Nothing is held after an error.
 */
int bch2_alloc_sectors_start(struct btree_trans *trans, const struct bch_alloc_request *req,
			     struct write_point **wp)
{
	struct bch_fs *c = trans->c;
	int ret;

	do {
		const int stamp = bch2_alloc_stamp(c);

		ret = alloc_sectors_try(trans, req, wp);
		if (!ret)
			allocator_not_stuck(c, req->watermark);
		if (!bch2_err_matches(ret, BCH_ERR_bucket_alloc_blocked) ||
		    req->flags & BCH_ALLOC_nowait)
			return ret;
		if (ret == -BCH_ERR_open_buckets_empty)
			bch2_open_buckets_drop_partial(c, NULL);
		ret = wait_for_buckets(trans, stamp, req);
	} while (!ret);
	return ret;
}

/**
 * bch2_alloc_sectors_append_ptrs - take sectors of a locked write point
 * @c:		filesystem
 * @wp:		from bch2_alloc_sectors_start()
 * @k:		key whose value gets one pointer per device; it has room for them
 * @sectors:	at most wp->sectors_free
 * @cached:	the data is a copy of what is elsewhere
 */
void bch2_alloc_sectors_append_ptrs(struct bch_fs *c, struct write_point *wp,
				    struct bkey_i *k, unsigned sectors, bool cached)
{
	wp->sectors_free -= sectors;

	for (unsigned i = 0; i < wp->nr_ptrs; i++) {
		struct open_bucket *ob = bch2_open_bucket(c, wp->held.v[i]);
		struct bch_dev *ca = bch2_dev(c, ob->dev);
		struct bch_extent_ptr *ptr = (void *) ((u64 *) k + k->k.u64s);

		ptr->w = 0;
		SET_EXTENT_PTR_TYPE(ptr, BCH_EXTENT_ENTRY_MARK(ptr));
		SET_EXTENT_PTR_CACHED(ptr, cached || (!ca->mi.durability &&
						      wp->data_type == BCH_DATA_user));
		SET_EXTENT_PTR_OFFSET(ptr, bucket_to_sector(ca, ob->bucket) +
				      ca->mi.bucket_size - ob->sectors_free);
		SET_EXTENT_PTR_DEV(ptr, ob->dev);
		SET_EXTENT_PTR_GEN(ptr, ob->gen);
		k->k.u64s++;
		ob->sectors_free -= sectors;
	}
}

/**
 * bch2_alloc_sectors_get_refs - keep the request's buckets open
 * @c:		filesystem
 * @wp:		from bch2_alloc_sectors_start()
 * @refs:	gets the buckets; put when the pointers are in the btree
 */
void bch2_alloc_sectors_get_refs(struct bch_fs *c, struct write_point *wp,
				 struct open_bucket_refs *refs)
{
	struct open_bucket_refs own = wp->held;

	own.nr = wp->nr_ptrs;
	bch2_open_buckets_copy(c, refs, &own);
}

static void write_point_release(struct bch_fs *c, struct write_point *wp)
{
	for (unsigned i = wp->held.nr; i--;)
		if (!worth_keeping(c, bch2_open_bucket(c, wp->held.v[i])))
			held_drop(c, wp, i);
	wp->nr_ptrs = 0;
	wp->sectors_free = 0;
}

/**
 * bch2_alloc_sectors_done - the request is served
 * @trans:	transaction that locked the write point
 * @wp:		from bch2_alloc_sectors_start()
 *
 * Buckets with room left stay with the write point.
 */
void bch2_alloc_sectors_done(struct btree_trans *trans, struct write_point *wp)
{
	write_point_release(trans->c, wp);
	bch2_trans_mutex_unlock(trans, &wp->lock);
}

/* --- btree nodes --- */

/**
 * bch2_alloc_btree_ptrs - room for one btree node
 * @trans:	transaction of the update; may hold locks
 * @k:		pointer key that gets the pointers
 * @sectors:	size of a node; at most that of a bucket
 * @nr_replicas: durability wanted; less is taken if there is no more
 * @watermark:	in the low three bits; BCH_TRANS_COMMIT_journal_reclaim may be set
 * @ob:		gets the buckets, which stay open until it is put
 *
 * Return: as bch2_alloc_sectors_start().
 */
int bch2_alloc_btree_ptrs(struct btree_trans *trans, struct bkey_i *k, unsigned sectors,
			  unsigned nr_replicas, unsigned watermark,
			  struct open_bucket_refs *ob)
{
	struct bch_fs *c = trans->c;
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(k));
	const struct bch_extent_ptr *ptr;
	struct bch_devs_mask have = {};
	struct bch_alloc_request req = {
		.target		= c->opts.metadata_target ?: c->opts.foreground_target,
		.nr_replicas	= nr_replicas,
		.min_sectors	= sectors,
		.data_type	= BCH_DATA_btree,
		.watermark	= watermark & BCH_WATERMARK_MASK,
		.wp		= c->alloc.wp_btree,
		.devs_have	= &have,
	};
	struct write_point *wp;
	int ret;

	/*
	 * What becomes free may need the journal space that reclaim is after: it tries
	 * again with reserves. So does replay's second pass with what the first one had
	 * to leave (spec 22 9.3): nothing becomes free before that is done.
	 */
	if (watermark & BCH_TRANS_COMMIT_journal_reclaim &&
	    req.watermark < BCH_WATERMARK_reclaim)
		req.flags |= BCH_ALLOC_nowait;

	bkey_for_each_ptr(ptrs, ptr)
		__set_bit(EXTENT_PTR_DEV(ptr), have.d);

	ret = bch2_alloc_sectors_start(trans, &req, &wp);
	if (ret)
		return ret;
	bch2_alloc_sectors_append_ptrs(c, wp, k, sectors, false);
	bch2_alloc_sectors_get_refs(c, wp, ob);
	bch2_alloc_sectors_done(trans, wp);
	return 0;
}

/* --- life --- */

static void write_points_init(struct write_point *wp, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		mutex_init(&wp[i].lock);
}

/**
 * bch2_fs_allocator_init - set up c->alloc
 * @c:	filesystem that is being opened
 *
 * Return: 0 or -BCH_ERR_ENOMEM_fs_alloc.
 */
int bch2_fs_allocator_init(struct bch_fs *c)
{
	struct bch_fs_alloc *a = &c->alloc;
	struct write_point *wp;
	int ret = bch2_fs_open_buckets_init(c);

	if (ret)
		return ret;
	bch2_fs_reservations_init(c);
	ret = bch2_fs_discards_init(c);
	if (ret)
		return ret;

	wp = kvcalloc(WRITE_POINTS_HASHED + 3, sizeof(*wp), GFP_KERNEL);
	if (!wp)
		return -BCH_ERR_ENOMEM_fs_alloc;
	write_points_init(wp, WRITE_POINTS_HASHED + 3);
	a->wp_hashed	= wp;
	a->wp_btree	= wp + WRITE_POINTS_HASHED;
	a->wp_copygc	= a->wp_btree + 1;
	a->wp_reconcile	= a->wp_btree + 2;
	a->initialized	= true;
	return 0;
}

/**
 * bch2_fs_allocator_exit - free what bch2_fs_allocator_init() made
 * @c:	filesystem; stopped, or init failed, or was not called
 */
void bch2_fs_allocator_exit(struct bch_fs *c)
{
	if (c->alloc.initialized)
		bch2_fs_allocator_stop(c);
	bch2_fs_discards_exit(c);
	kvfree(c->alloc.wp_hashed);
	c->alloc.wp_hashed = NULL;
	bch2_fs_open_buckets_exit(c);
	c->alloc.initialized = false;
}

/**
 * bch2_fs_allocator_start - allocations may begin
 * @c:	filesystem that goes read-write; its counters are in memory
 *
 * Return: 0 or -BCH_ERR_insufficient_alloc_devices: no device takes btree nodes.
 */
int bch2_fs_allocator_start(struct bch_fs *c)
{
	bool have_btree_dev = false;

	for_each_online_member(c, ca)
		have_btree_dev |= bch2_dev_allocatable(ca, BCH_DATA_btree);
	if (!have_btree_dev)
		return -BCH_ERR_insufficient_alloc_devices;

	WRITE_ONCE(c->alloc.stopped, false);
	bch2_recalc_capacity(c);
	bch2_discards_start(c);
	return 0;
}

/**
 * bch2_fs_allocator_stop - keep no buckets open any more
 * @c:	filesystem that goes read-only
 *
 * Allocations go on to work, for what the end of the filesystem has to write;
 * but what they do not use up is closed at once.
 */
void bch2_fs_allocator_stop(struct bch_fs *c)
{
	WRITE_ONCE(c->alloc.stopped, true);

	for (struct write_point *wp = c->alloc.wp_hashed;
	     wp < c->alloc.wp_hashed + WRITE_POINTS_HASHED + 3; wp++) {
		mutex_lock(&wp->lock);
		write_point_release(c, wp);
		mutex_unlock(&wp->lock);
	}
	bch2_open_buckets_drop_partial(c, NULL);
}
