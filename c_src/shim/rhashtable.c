// SPDX-License-Identifier: GPL-2.0
/*
 * Resizable hash tables: lookups under RCU without a lock, changes under the table's spinlock.
 *
 * Invariants: a chain ends in an odd number that tells its bucket and table; a lookup that ends
 * on another chain's end was led astray by an object that moved, and starts again. So an object
 * may be removed and inserted again at once, without a grace period (the kernel promises that
 * too). Resizing relinks all objects into a new array under the lock, during which shim_seq is odd;
 * a lookup that found nothing while it was odd or changed starts again. The old array is freed
 * after a grace period.
 */
#include "internal.h"

#include <linux/err.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/processor.h>
#include <linux/random.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#define MIN_BUCKETS	4U
#define MAX_BUCKETS	(1U << 30)

struct bucket_table {
	u32			size;		/* power of two */
	u32			generation;
	struct rcu_head		rcu;
	struct rhash_head	*buckets[];
};

/* Ends the chain of a bucket; odd, unlike every address. */
static struct rhash_head *chain_end(const struct bucket_table *t, u32 bucket)
{
	return (struct rhash_head *) ((unsigned long) bucket << 33 |
				      (unsigned long) t->generation << 1 | 1);
}

static bool is_end(const struct rhash_head *p)
{
	return (unsigned long) p & 1;
}

static u32 bucket_of(const struct bucket_table *t, u32 hash)
{
	/* Hash functions may be weak in the low bits. */
	hash ^= hash >> 16;
	hash *= 0x85ebca6bU;
	hash ^= hash >> 13;
	return hash & (t->size - 1);
}

static struct bucket_table *table_alloc(u32 size, u32 generation)
{
	struct bucket_table *t = kvmalloc(struct_size(t, buckets, size), GFP_KERNEL);
	u32 i;

	if (!t)
		return NULL;
	t->size = size;
	t->generation = generation;
	for (i = 0; i < size; i++)
		t->buckets[i] = chain_end(t, i);
	return t;
}

/**
 * rhashtable_init - an empty table
 * @ht:		table
 * @params:	where key and link are in an object, and how to hash and compare
 *
 * Return: 0, -EINVAL, or -ENOMEM.
 */
int rhashtable_init(struct rhashtable *ht, const struct rhashtable_params *params)
{
	u32 size = MIN_BUCKETS;

	if ((!params->key_len && !params->obj_hashfn) ||
	    (params->obj_hashfn && !params->obj_cmpfn))
		return -EINVAL;
	if (params->nelem_hint)
		size = roundup_pow_of_two(params->nelem_hint * 4 / 3);
	size = clamp_t(u32, max_t(u32, size, params->min_size), MIN_BUCKETS, MAX_BUCKETS);

	memset(ht, 0, sizeof(*ht));
	ht->p = *params;
	ht->p.min_size = max_t(u32, params->min_size, MIN_BUCKETS);
	ht->shim_seed = get_random_u32();
	spin_lock_init(&ht->lock);
	ht->tbl = table_alloc(roundup_pow_of_two(size), 0);
	return ht->tbl ? 0 : -ENOMEM;
}

/**
 * rhashtable_free_and_destroy - end a table, handing its objects to a function
 * @ht:		table that nobody uses any more
 * @free_fn:	called with each object, or NULL
 * @arg:	its second argument
 */
void rhashtable_free_and_destroy(struct rhashtable *ht, void (*free_fn)(void *ptr, void *arg),
				 void *arg)
{
	struct bucket_table *t = ht->tbl;
	struct rhash_head *p, *next;
	u32 i;

	for (i = 0; t && free_fn && i < t->size; i++)
		for (p = t->buckets[i]; !is_end(p); p = next) {
			next = p->next;
			free_fn(shim_rht_obj(p, &ht->p), arg);
		}
	kvfree(t);
	ht->tbl = NULL;
}

/**
 * rhashtable_destroy - end a table; its objects stay as they are
 * @ht:		table that nobody uses any more
 */
void rhashtable_destroy(struct rhashtable *ht)
{
	rhashtable_free_and_destroy(ht, NULL, NULL);
}

static bool obj_matches(struct rhashtable *ht, struct rhash_head *p, const void *key,
			const struct rhashtable_params *params)
{
	struct rhashtable_compare_arg arg = { .ht = ht, .key = key };

	if (params->obj_cmpfn)
		return !params->obj_cmpfn(&arg, shim_rht_obj(p, params));
	return !memcmp(shim_rht_obj_key(p, params), key, params->key_len);
}

/**
 * shim_rht_lookup - find an object (rhashtable_lookup)
 * @ht:		table
 * @key:	key
 * @hash:	its hash
 * @p:		parameters
 *
 * The caller is in an RCU read-side section.
 *
 * Return: its link, or NULL.
 */
void *shim_rht_lookup(struct rhashtable *ht, const void *key, u32 hash,
		      const struct rhashtable_params *p)
{
	for (;;) {
		u32 seq = smp_load_acquire(&ht->shim_seq);
		struct bucket_table *t = smp_load_acquire(&ht->tbl);
		u32 b = bucket_of(t, hash);
		struct rhash_head *at = smp_load_acquire(&t->buckets[b]);

		for (; !is_end(at); at = smp_load_acquire(&at->next))
			if (obj_matches(ht, at, key, p))
				return at;
		if (at == chain_end(t, b) && !(seq & 1) && smp_load_acquire(&ht->shim_seq) == seq)
			return NULL;
		cpu_relax();
	}
}

static void link_into(struct bucket_table *t, struct rhash_head *obj, u32 hash)
{
	struct rhash_head **bucket = &t->buckets[bucket_of(t, hash)];

	smp_store_release(&obj->next, *bucket);
	smp_store_release(bucket, obj);
}

static void free_table(struct rcu_head *head)
{
	kvfree(container_of(head, struct bucket_table, rcu));
}

/* Called with the lock held. */
static void resize(struct rhashtable *ht, u32 size, const struct rhashtable_params *p)
{
	struct bucket_table *old = ht->tbl, *t = table_alloc(size, old->generation + 1);
	u32 i;

	if (!t)
		return;
	WRITE_ONCE(ht->shim_seq, ht->shim_seq + 1);
	smp_mb();
	smp_store_release(&ht->tbl, t);
	for (i = 0; i < old->size; i++) {
		struct rhash_head *at = old->buckets[i];

		while (!is_end(at)) {
			struct rhash_head *next = at->next;

			smp_store_release(&old->buckets[i], next);
			link_into(t, at, shim_rht_obj_hash(ht, at, p));
			at = next;
		}
	}
	smp_store_release(&ht->shim_seq, ht->shim_seq + 1);
	call_rcu(&old->rcu, free_table);
}

/**
 * shim_rht_insert - insert an object (rhashtable_insert_fast and others)
 * @ht:		table
 * @obj:	its link
 * @key:	if given, the key that must not be there yet
 * @hash:	the object's hash
 * @p:		parameters
 *
 * Return: NULL, the link of the object that is already there, or ERR_PTR(-E2BIG).
 */
void *shim_rht_insert(struct rhashtable *ht, struct rhash_head *obj, const void *key, u32 hash,
		      const struct rhashtable_params *p)
{
	struct rhash_head *at;
	struct bucket_table *t;

	spin_lock(&ht->lock);
	t = ht->tbl;
	if (key)
		for (at = t->buckets[bucket_of(t, hash)]; !is_end(at); at = at->next)
			if (obj_matches(ht, at, key, p)) {
				spin_unlock(&ht->lock);
				return at;
			}
	if (p->max_size && atomic_read(&ht->nelems) >= 2 * p->max_size) {
		spin_unlock(&ht->lock);
		return ERR_PTR(-E2BIG);
	}
	if ((u32) atomic_inc_return(&ht->nelems) > t->size / 4 * 3 && t->size < MAX_BUCKETS &&
	    (!p->max_size || t->size < p->max_size))
		resize(ht, t->size * 2, p);
	link_into(ht->tbl, obj, hash);
	spin_unlock(&ht->lock);
	return NULL;
}

/**
 * shim_rht_remove - take an object out (rhashtable_remove_fast)
 * @ht:		table
 * @obj:	its link
 * @hash:	the object's hash
 *
 * Return: 0, or -ENOENT if it is not there.
 */
int shim_rht_remove(struct rhashtable *ht, struct rhash_head *obj, u32 hash)
{
	struct bucket_table *t;
	struct rhash_head **at;
	int ret = -ENOENT;

	spin_lock(&ht->lock);
	t = ht->tbl;
	for (at = &t->buckets[bucket_of(t, hash)]; !is_end(*at); at = &(*at)->next)
		if (*at == obj) {
			smp_store_release(at, obj->next);
			ret = 0;
			break;
		}
	if (!ret && (u32) atomic_dec_return(&ht->nelems) < t->size / 10 * 3 &&
	    ht->p.automatic_shrinking && t->size / 2 >= ht->p.min_size)
		resize(ht, t->size / 2, &ht->p);
	spin_unlock(&ht->lock);
	return ret;
}

/**
 * rhashtable_walk_enter - prepare a walk over all objects
 * @ht:		table
 * @iter:	where the walk is
 */
void rhashtable_walk_enter(struct rhashtable *ht, struct rhashtable_iter *iter)
{
	memset(iter, 0, sizeof(*iter));
	iter->ht = ht;
}

/**
 * rhashtable_walk_exit - end a walk
 * @iter:	walk
 */
void rhashtable_walk_exit(struct rhashtable_iter *iter)
{
	iter->shim_tbl = NULL;
}

/* True if the table was replaced since the walk began; the walk begins anew then. */
static bool walk_rewinds(struct rhashtable_iter *iter)
{
	struct bucket_table *t, *was = iter->shim_tbl;

	while (smp_load_acquire(&iter->ht->shim_seq) & 1)
		cpu_relax();
	t = smp_load_acquire(&iter->ht->tbl);
	if (t == was)
		return false;
	iter->shim_tbl = t;
	iter->shim_slot = iter->shim_skip = 0;
	return was != NULL;
}

/**
 * rhashtable_walk_start_check - begin a stretch of a walk: an RCU read-side section
 * @iter:	walk
 *
 * Return: 0, or -EAGAIN if the walk starts from the beginning.
 */
int rhashtable_walk_start_check(struct rhashtable_iter *iter)
{
	rcu_read_lock();
	return walk_rewinds(iter) ? -EAGAIN : 0;
}

/**
 * rhashtable_walk_stop - end a stretch
 * @iter:	walk
 */
void rhashtable_walk_stop(struct rhashtable_iter *iter)
{
	rcu_read_unlock();
}

/**
 * rhashtable_walk_next - next object
 * @iter:	walk, within a stretch
 *
 * Return: object, NULL at the end, or ERR_PTR(-EAGAIN) if the walk starts from the beginning.
 */
void *rhashtable_walk_next(struct rhashtable_iter *iter)
{
	struct bucket_table *t;
	struct rhash_head *at;
	u32 i;

	if (walk_rewinds(iter))
		return ERR_PTR(-EAGAIN);
	for (t = iter->shim_tbl; iter->shim_slot < t->size; iter->shim_slot++) {
		at = smp_load_acquire(&t->buckets[iter->shim_slot]);
		for (i = 0; !is_end(at) && i < iter->shim_skip; i++)
			at = smp_load_acquire(&at->next);
		if (!is_end(at)) {
			iter->shim_skip++;
			return shim_rht_obj(at, &iter->ht->p);
		}
		iter->shim_skip = 0;
	}
	return NULL;
}
