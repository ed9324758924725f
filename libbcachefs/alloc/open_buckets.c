// SPDX-License-Identifier: GPL-2.0
/*
 * The table of open buckets (spec 40 §3.3, §4.4): slots with a count of holders,
 * a hash by bucket, the list of buckets with room left, and the queue of those
 * who wait for something to become free.
 *
 * Invariant: a slot is in the hash exactly while its pin is not 0, and a bucket
 * is in at most one slot. Whoever drops the last hold takes it out under the
 * lock, so that "open" and "not open" are one point in time for everybody.
 */
#include <linux/bug.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/discard.h"
#include "alloc/open_buckets.h"
#include "sb/members.h"
#include "util/printbuf.h"

static u16 *bucket_hash(struct bch_fs *c, unsigned dev, u64 bucket)
{
	return c->alloc.hash + hash_64(bucket_to_u64(POS(dev, bucket)), OPEN_BUCKETS_HASH_BITS);
}

/* Slot of an open bucket, or 0; table locked. */
static unsigned find_locked(struct bch_fs *c, unsigned dev, u64 bucket)
{
	unsigned slot = *bucket_hash(c, dev, bucket);

	while (slot && !(c->alloc.ob[slot].dev == dev && c->alloc.ob[slot].bucket == bucket))
		slot = c->alloc.ob[slot].next;
	return slot;
}

/**
 * bch2_open_buckets_slots_reserved - slots of the table kept back
 * @watermark:	of the allocation
 *
 * An allocation succeeds only while more slots than this are free (spec 40 §4.4):
 * so much is promised to those with higher watermarks.
 */
unsigned bch2_open_buckets_slots_reserved(enum bch_watermark watermark)
{
	switch (watermark) {
	case BCH_WATERMARK_interior_updates:
		return 0;
	case BCH_WATERMARK_reclaim:
		return OPEN_BUCKETS_COUNT / 6;
	case BCH_WATERMARK_btree:
	case BCH_WATERMARK_btree_copygc:
		return OPEN_BUCKETS_COUNT / 4;
	case BCH_WATERMARK_copygc:
		return OPEN_BUCKETS_COUNT / 3;
	default:
		return OPEN_BUCKETS_COUNT / 2;
	}
}

/**
 * bch2_open_bucket_is_open - is a bucket held for writing?
 * @c:		filesystem
 * @dev:	member index
 * @bucket:	bucket number
 */
bool bch2_open_bucket_is_open(struct bch_fs *c, unsigned dev, u64 bucket)
{
	bool ret;

	if (!c->alloc.ob)
		return false;
	spin_lock(&c->alloc.lock);
	ret = find_locked(c, dev, bucket) != 0;
	spin_unlock(&c->alloc.lock);
	return ret;
}

/**
 * bch2_open_bucket_set_fast_discard - note what to do when a bucket is closed
 * @c:		filesystem
 * @dev:	member index
 * @bucket:	bucket number, emptied with no need to wait (spec 22 §12.5)
 *
 * Return: false: the bucket is not open; the caller takes care of it.
 */
bool bch2_open_bucket_set_fast_discard(struct bch_fs *c, unsigned dev, u64 bucket)
{
	unsigned slot;

	if (!c->alloc.ob)
		return false;
	spin_lock(&c->alloc.lock);
	slot = find_locked(c, dev, bucket);
	if (slot)
		c->alloc.ob[slot].fast_discard = true;
	spin_unlock(&c->alloc.lock);
	return slot != 0;
}

/* --- slots --- */

/**
 * bch2_open_bucket_get - open a bucket
 * @c:		filesystem
 * @ca:		device
 * @bucket:	free bucket; its alloc key is locked by the caller's iterator
 * @gen:	its generation
 * @data_type:	what it is going to hold
 * @watermark:	decides how many slots must be left
 *
 * The caller holds it once. Return: the slot, or ERR_PTR: open_buckets_empty; or
 * -EEXIST: somebody else has it.
 */
struct open_bucket *bch2_open_bucket_get(struct bch_fs *c, struct bch_dev *ca, u64 bucket,
					 u8 gen, enum bch_data_type data_type,
					 enum bch_watermark watermark)
{
	struct bch_fs_alloc *a = &c->alloc;
	struct open_bucket *ob;
	unsigned slot;
	u16 *head;

	spin_lock(&a->lock);
	if (a->nr_free_slots <= bch2_open_buckets_slots_reserved(watermark)) {
		spin_unlock(&a->lock);
		return ERR_PTR(-BCH_ERR_open_buckets_empty);
	}
	if (find_locked(c, ca->dev_idx, bucket)) {
		spin_unlock(&a->lock);
		return ERR_PTR(-EEXIST);
	}

	slot = a->free_slots;
	ob = a->ob + slot;
	a->free_slots = ob->next;
	a->nr_free_slots--;

	head = bucket_hash(c, ca->dev_idx, bucket);
	*ob = (struct open_bucket) {
		.next		= *head,
		.data_type	= data_type,
		.dev		= ca->dev_idx,
		.gen		= gen,
		.sectors_free	= ca->mi.bucket_size,
		.bucket		= bucket,
	};
	atomic_set(&ob->pin, 1);
	*head = slot;
	atomic_inc(&ca->alloc.nr_open);
	spin_unlock(&a->lock);
	return ob;
}

/* Take a slot whose pin fell to 0 out of the hash; table locked. */
static void close_locked(struct bch_fs *c, struct open_bucket *ob)
{
	struct bch_dev *ca = bch2_dev(c, ob->dev);
	const u16 slot = bch2_open_bucket_slot(c, ob);
	u16 *p = bucket_hash(c, ob->dev, ob->bucket);

	while (*p != slot)
		p = &c->alloc.ob[*p].next;
	*p = ob->next;

	ob->next = c->alloc.free_slots;
	c->alloc.free_slots = slot;
	c->alloc.nr_free_slots++;
	if (ca)
		atomic_dec(&ca->alloc.nr_open);
}

/**
 * bch2_open_bucket_put - let go of a bucket once
 * @c:	filesystem
 * @ob:	open bucket, held by the caller
 */
void bch2_open_bucket_put(struct bch_fs *c, struct open_bucket *ob)
{
	struct bch_dev *ca = bch2_dev(c, ob->dev);
	const u64 bucket = ob->bucket;
	bool closed, fast;

	spin_lock(&c->alloc.lock);
	closed = atomic_dec_and_test(&ob->pin);
	fast = closed && ob->fast_discard;
	if (closed)
		close_locked(c, ob);
	spin_unlock(&c->alloc.lock);

	if (!closed)
		return;
	if (fast && ca)
		bch2_discard_bucket_fast(c, ca, bucket);
	bch2_alloc_wake(c);
}

/**
 * bch2_open_buckets_put - let go of a set of buckets
 * @c:		filesystem
 * @refs:	slots; empty afterwards
 */
void bch2_open_buckets_put(struct bch_fs *c, struct open_bucket_refs *refs)
{
	for (unsigned i = 0; i < refs->nr; i++)
		bch2_open_bucket_put(c, bch2_open_bucket(c, refs->v[i]));
	refs->nr = 0;
}

/**
 * bch2_open_buckets_copy - hold the same buckets once more
 * @c:		filesystem
 * @dst:	set that they are added to, as far as they are not in it; it has room
 * @src:	slots that the caller holds
 */
void bch2_open_buckets_copy(struct bch_fs *c, struct open_bucket_refs *dst,
			    const struct open_bucket_refs *src)
{
	for (unsigned i = 0; i < src->nr; i++) {
		unsigned j = 0;

		while (j < dst->nr && dst->v[j] != src->v[i])
			j++;
		if (j < dst->nr || WARN_ON_ONCE(dst->nr == ARRAY_SIZE(dst->v)))
			continue;
		atomic_inc(&bch2_open_bucket(c, src->v[i])->pin);
		dst->v[dst->nr++] = src->v[i];
	}
}

/* --- buckets with room left --- */

/**
 * bch2_open_bucket_put_partial - keep a bucket to be filled up later
 * @c:	filesystem
 * @ob:	bucket with sectors left; the caller's hold goes to the list
 *
 * When nothing is to be kept any more the bucket is closed.
 */
void bch2_open_bucket_put_partial(struct bch_fs *c, struct open_bucket *ob)
{
	struct bch_fs_alloc *a = &c->alloc;
	bool kept = false;

	spin_lock(&a->lock);
	if (!READ_ONCE(a->stopped) && a->nr_partial < OPEN_BUCKETS_COUNT / 4) {
		ob->partial = true;
		a->partial[a->nr_partial++] = bch2_open_bucket_slot(c, ob);
		kept = true;
	}
	spin_unlock(&a->lock);

	if (kept)
		bch2_alloc_wake(c);
	else
		bch2_open_bucket_put(c, ob);
}

static void partial_remove_locked(struct bch_fs *c, unsigned i)
{
	struct bch_fs_alloc *a = &c->alloc;

	a->ob[a->partial[i]].partial = false;
	a->partial[i] = a->partial[--a->nr_partial];
}

/**
 * bch2_open_bucket_get_partial - take a bucket that has room left
 * @c:		filesystem
 * @ca:		device
 * @data_type:	what it has to hold
 *
 * Return: the bucket, the hold is the caller's; or NULL.
 */
struct open_bucket *bch2_open_bucket_get_partial(struct bch_fs *c, struct bch_dev *ca,
						 enum bch_data_type data_type)
{
	struct bch_fs_alloc *a = &c->alloc;
	struct open_bucket *found = NULL;

	spin_lock(&a->lock);
	for (unsigned i = 0; i < a->nr_partial && !found; i++) {
		struct open_bucket *ob = a->ob + a->partial[i];

		if (ob->dev == ca->dev_idx && ob->data_type == data_type) {
			partial_remove_locked(c, i);
			found = ob;
		}
	}
	spin_unlock(&a->lock);
	return found;
}

/**
 * bch2_open_buckets_drop_partial - close the buckets that were kept for later
 * @c:	filesystem
 * @ca:	only those of this device; NULL: all of them
 */
void bch2_open_buckets_drop_partial(struct bch_fs *c, struct bch_dev *ca)
{
	struct bch_fs_alloc *a = &c->alloc;

	for (;;) {
		struct open_bucket *ob = NULL;

		spin_lock(&a->lock);
		for (unsigned i = 0; i < a->nr_partial && !ob; i++)
			if (!ca || a->ob[a->partial[i]].dev == ca->dev_idx) {
				ob = a->ob + a->partial[i];
				partial_remove_locked(c, i);
			}
		spin_unlock(&a->lock);

		if (!ob)
			return;
		bch2_open_bucket_put(c, ob);
	}
}

/* --- waiting --- */

/**
 * bch2_alloc_wake - something became free
 * @c:	filesystem
 *
 * Called after the fact: a bucket is free in the alloc btree, or a slot of the
 * table, or another device may be used. Takes no sleeping lock.
 */
void bch2_alloc_wake(struct bch_fs *c)
{
	atomic_inc(&c->alloc.freed);
	if (wq_has_sleeper(&c->alloc.wait))
		wake_up_all(&c->alloc.wait);
}

/**
 * bch2_alloc_wait - wait for something to become free
 * @c:		filesystem
 * @stamp:	bch2_alloc_stamp() before the attempt that failed
 * @timeout:	at most so many jiffies
 *
 * No locks held. Return: false: nothing was freed in that time.
 */
bool bch2_alloc_wait(struct bch_fs *c, int stamp, long timeout)
{
	return wait_event_timeout(c->alloc.wait, atomic_read(&c->alloc.freed) != stamp,
				  timeout) != 0;
}

static bool none_open(struct bch_fs *c, struct bch_dev *ca)
{
	bool ret;

	if (ca)
		return !atomic_read(&ca->alloc.nr_open);
	spin_lock(&c->alloc.lock);
	ret = c->alloc.nr_free_slots == OPEN_BUCKETS_COUNT - 1;
	spin_unlock(&c->alloc.lock);
	return ret;
}

/**
 * bch2_open_buckets_wait_closed - wait until buckets are closed
 * @c:	filesystem
 * @ca:	of this device; NULL: of any
 *
 * The caller has seen to it that no new ones are opened.
 */
void bch2_open_buckets_wait_closed(struct bch_fs *c, struct bch_dev *ca)
{
	wait_event(c->alloc.wait, none_open(c, ca));
}

/**
 * bch2_open_buckets_to_text - list what is open
 * @out:	text
 * @c:		filesystem
 */
void bch2_open_buckets_to_text(struct printbuf *out, struct bch_fs *c)
{
	for (unsigned i = 1; i < OPEN_BUCKETS_COUNT; i++) {
		struct open_bucket ob;
		bool used;

		spin_lock(&c->alloc.lock);
		ob = c->alloc.ob[i];
		used = atomic_read(&c->alloc.ob[i].pin) != 0;
		spin_unlock(&c->alloc.lock);
		if (!used)
			continue;

		prt_printf(out, "%u: device %u bucket %llu gen %u ", i, ob.dev, ob.bucket, ob.gen);
		bch2_data_type_to_text(out, ob.data_type);
		prt_printf(out, " sectors free %u%s\n", ob.sectors_free,
			   ob.partial ? " kept" : "");
	}
}

/* --- life --- */

/**
 * bch2_fs_open_buckets_init - make the table
 * @c:	filesystem that is being opened
 *
 * Return: 0 or -BCH_ERR_ENOMEM_fs_alloc.
 */
int bch2_fs_open_buckets_init(struct bch_fs *c)
{
	struct bch_fs_alloc *a = &c->alloc;

	spin_lock_init(&a->lock);
	init_waitqueue_head(&a->wait);
	atomic_set(&a->freed, 0);

	a->ob		= kvcalloc(OPEN_BUCKETS_COUNT, sizeof(a->ob[0]), GFP_KERNEL);
	a->hash		= kvcalloc(OPEN_BUCKETS_HASH_SIZE, sizeof(a->hash[0]), GFP_KERNEL);
	a->partial	= kvcalloc(OPEN_BUCKETS_COUNT, sizeof(a->partial[0]), GFP_KERNEL);
	if (!a->ob || !a->hash || !a->partial)
		return -BCH_ERR_ENOMEM_fs_alloc;

	for (unsigned i = OPEN_BUCKETS_COUNT - 1; i; --i) {
		a->ob[i].next = a->free_slots;
		a->free_slots = i;
	}
	a->nr_free_slots = OPEN_BUCKETS_COUNT - 1;
	return 0;
}

/**
 * bch2_fs_open_buckets_exit - free the table
 * @c:	filesystem; nobody holds a bucket, or init failed
 */
void bch2_fs_open_buckets_exit(struct bch_fs *c)
{
	kvfree(c->alloc.partial);
	kvfree(c->alloc.hash);
	kvfree(c->alloc.ob);
	c->alloc.partial = NULL;
	c->alloc.hash	 = NULL;
	c->alloc.ob	 = NULL;
}
