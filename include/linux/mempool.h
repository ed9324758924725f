/* SPDX-License-Identifier: GPL-2.0 */
/* Allocation that cannot fail, from a reserve. */
#ifndef _SHIM_LINUX_MEMPOOL_H
#define _SHIM_LINUX_MEMPOOL_H

#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

typedef void *(mempool_alloc_t)(gfp_t gfp, void *pool_data);
typedef void (mempool_free_t)(void *element, void *pool_data);

typedef struct mempool_s {
	spinlock_t		lock;
	int			min_nr;
	int			curr_nr;
	void			**elements;
	void			*pool_data;
	mempool_alloc_t		*alloc;
	mempool_free_t		*free;
	wait_queue_head_t	wait;
} mempool_t;

int mempool_init(mempool_t *pool, int min_nr, mempool_alloc_t *alloc_fn, mempool_free_t *free_fn,
		 void *pool_data);
void mempool_exit(mempool_t *pool);
mempool_t *mempool_create(int min_nr, mempool_alloc_t *alloc_fn, mempool_free_t *free_fn,
			  void *pool_data);
void mempool_destroy(mempool_t *pool);
int mempool_resize(mempool_t *pool, int new_min_nr);
void *mempool_alloc(mempool_t *pool, gfp_t gfp) __malloc;
void mempool_free(void *element, mempool_t *pool);

static inline bool mempool_initialized(mempool_t *pool)
{
	return pool->elements != NULL;
}

void *mempool_alloc_slab(gfp_t gfp, void *pool_data);
void mempool_free_slab(void *element, void *pool_data);
void *mempool_kmalloc(gfp_t gfp, void *pool_data);
void mempool_kfree(void *element, void *pool_data);
void *mempool_kvmalloc(gfp_t gfp, void *pool_data);
void mempool_kvfree(void *element, void *pool_data);
void *mempool_alloc_pages(gfp_t gfp, void *pool_data);
void mempool_free_pages(void *element, void *pool_data);

#define mempool_init_slab_pool(pool, nr, cache) \
	mempool_init(pool, nr, mempool_alloc_slab, mempool_free_slab, (void *) (cache))
#define mempool_init_kmalloc_pool(pool, nr, size) \
	mempool_init(pool, nr, mempool_kmalloc, mempool_kfree, (void *) (unsigned long) (size))
#define mempool_init_kvmalloc_pool(pool, nr, size) \
	mempool_init(pool, nr, mempool_kvmalloc, mempool_kvfree, (void *) (unsigned long) (size))
#define mempool_init_page_pool(pool, nr, order) \
	mempool_init(pool, nr, mempool_alloc_pages, mempool_free_pages, \
		     (void *) (unsigned long) (order))
#define mempool_create_kmalloc_pool(nr, size) \
	mempool_create(nr, mempool_kmalloc, mempool_kfree, (void *) (unsigned long) (size))

#endif /* _SHIM_LINUX_MEMPOOL_H */
