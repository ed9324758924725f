// SPDX-License-Identifier: GPL-2.0
/*
 * Reserves of elements: an allocation that may sleep gets one in the end, from the allocator or
 * from somebody who gives one back.
 *
 * Invariant: under pool->lock 0 <= curr_nr <= min_nr, and elements[0..curr_nr) are the reserve.
 */
#include "internal.h"

#include <linux/mempool.h>
#include <linux/mm.h>

/**
 * mempool_init - fill a reserve
 * @pool:	where
 * @min_nr:	elements in reserve
 * @alloc_fn:	makes an element
 * @free_fn:	frees one
 * @pool_data:	argument of both
 *
 * Return: 0 or -ENOMEM.
 */
int mempool_init(mempool_t *pool, int min_nr, mempool_alloc_t *alloc_fn, mempool_free_t *free_fn,
		 void *pool_data)
{
	spin_lock_init(&pool->lock);
	init_waitqueue_head(&pool->wait);
	pool->min_nr = min_nr;
	pool->curr_nr = 0;
	pool->alloc = alloc_fn;
	pool->free = free_fn;
	pool->pool_data = pool_data;
	pool->elements = kmalloc_array(max(min_nr, 1), sizeof(void *), GFP_KERNEL);
	if (!pool->elements)
		return -ENOMEM;

	while (pool->curr_nr < min_nr) {
		void *e = alloc_fn(GFP_KERNEL, pool_data);

		if (!e) {
			mempool_exit(pool);
			return -ENOMEM;
		}
		pool->elements[pool->curr_nr++] = e;
	}
	return 0;
}

/**
 * mempool_exit - free the reserve; fine for a pool of zeroes
 * @pool:	pool, all its elements given back
 */
void mempool_exit(mempool_t *pool)
{
	if (!pool->elements)
		return;
	while (pool->curr_nr)
		pool->free(pool->elements[--pool->curr_nr], pool->pool_data);
	kfree(pool->elements);
	pool->elements = NULL;
}

/**
 * mempool_create - allocate and fill a pool
 * @min_nr:	elements in reserve
 * @alloc_fn:	makes an element
 * @free_fn:	frees one
 * @pool_data:	argument of both
 */
mempool_t *mempool_create(int min_nr, mempool_alloc_t *alloc_fn, mempool_free_t *free_fn,
			  void *pool_data)
{
	mempool_t *pool = kzalloc(sizeof(*pool), GFP_KERNEL);

	if (pool && mempool_init(pool, min_nr, alloc_fn, free_fn, pool_data)) {
		kfree(pool);
		pool = NULL;
	}
	return pool;
}

/**
 * mempool_destroy - empty and free a pool
 * @pool:	pool, or NULL
 */
void mempool_destroy(mempool_t *pool)
{
	if (pool)
		mempool_exit(pool);
	kfree(pool);
}

/**
 * mempool_resize - change the size of the reserve
 * @pool:	pool
 * @new_min_nr:	elements in reserve, at least 1
 *
 * Return: 0 or -ENOMEM; a larger reserve may fill only as elements come back.
 */
int mempool_resize(mempool_t *pool, int new_min_nr)
{
	void **fresh = kmalloc_array(new_min_nr, sizeof(void *), GFP_KERNEL), **old;
	void *surplus;

	if (!fresh)
		return -ENOMEM;
	for (;;) {
		spin_lock(&pool->lock);
		if (pool->curr_nr <= new_min_nr)
			break;
		surplus = pool->elements[--pool->curr_nr];
		spin_unlock(&pool->lock);
		pool->free(surplus, pool->pool_data);
	}
	memcpy(fresh, pool->elements, pool->curr_nr * sizeof(void *));
	old = pool->elements;
	pool->elements = fresh;
	pool->min_nr = new_min_nr;
	spin_unlock(&pool->lock);
	kfree(old);

	while ((surplus = pool->alloc(GFP_KERNEL, pool->pool_data))) {
		spin_lock(&pool->lock);
		if (pool->curr_nr >= pool->min_nr)
			break;
		pool->elements[pool->curr_nr++] = surplus;
		spin_unlock(&pool->lock);
	}
	if (surplus) {
		spin_unlock(&pool->lock);
		pool->free(surplus, pool->pool_data);
	}
	return 0;
}

static void *take_reserve(mempool_t *pool)
{
	void *e = NULL;

	spin_lock(&pool->lock);
	if (pool->curr_nr)
		e = pool->elements[--pool->curr_nr];
	spin_unlock(&pool->lock);
	return e;
}

/**
 * mempool_alloc - an element
 * @pool:	pool
 * @gfp:	with __GFP_DIRECT_RECLAIM it waits for one if need be
 *
 * Return: element; NULL only for those that may not sleep.
 */
void *mempool_alloc(mempool_t *pool, gfp_t gfp)
{
	void *e = pool->alloc(gfp | __GFP_NOWARN, pool->pool_data);

	if (!e)
		e = take_reserve(pool);
	if (!e && (gfp & __GFP_DIRECT_RECLAIM))
		wait_event(pool->wait, (e = take_reserve(pool)));
	return e;
}

/**
 * mempool_free - give an element back, to the reserve first
 * @element:	element, or NULL
 * @pool:	its pool
 */
void mempool_free(void *element, mempool_t *pool)
{
	if (!element)
		return;
	spin_lock(&pool->lock);
	if (pool->curr_nr < pool->min_nr) {
		pool->elements[pool->curr_nr++] = element;
		element = NULL;
	}
	spin_unlock(&pool->lock);
	if (element)
		pool->free(element, pool->pool_data);
	else
		wake_up(&pool->wait);
}

/**
 * mempool_alloc_slab - elements from an object cache
 * @gfp:	flags
 * @pool_data:	struct kmem_cache
 */
void *mempool_alloc_slab(gfp_t gfp, void *pool_data)
{
	return kmem_cache_alloc(pool_data, gfp);
}

/**
 * mempool_free_slab - back into the object cache
 * @element:	element
 * @pool_data:	struct kmem_cache
 */
void mempool_free_slab(void *element, void *pool_data)
{
	kmem_cache_free(pool_data, element);
}

/**
 * mempool_kmalloc - elements from kmalloc()
 * @gfp:	flags
 * @pool_data:	bytes
 */
void *mempool_kmalloc(gfp_t gfp, void *pool_data)
{
	return kmalloc((size_t) pool_data, gfp);
}

/**
 * mempool_kfree - free a kmalloc() element
 * @element:	element
 * @pool_data:	unused
 */
void mempool_kfree(void *element, void *pool_data)
{
	kfree(element);
}

/**
 * mempool_kvmalloc - elements from kvmalloc()
 * @gfp:	flags
 * @pool_data:	bytes
 */
void *mempool_kvmalloc(gfp_t gfp, void *pool_data)
{
	return kvmalloc((size_t) pool_data, gfp);
}

/**
 * mempool_kvfree - free a kvmalloc() element
 * @element:	element
 * @pool_data:	unused
 */
void mempool_kvfree(void *element, void *pool_data)
{
	kvfree(element);
}

/**
 * mempool_alloc_pages - elements of whole pages
 * @gfp:	flags
 * @pool_data:	order
 */
void *mempool_alloc_pages(gfp_t gfp, void *pool_data)
{
	return alloc_pages(gfp, (unsigned int) (unsigned long) pool_data);
}

/**
 * mempool_free_pages - free an element of whole pages
 * @element:	pages
 * @pool_data:	order
 */
void mempool_free_pages(void *element, void *pool_data)
{
	__free_pages(element, (unsigned int) (unsigned long) pool_data);
}
