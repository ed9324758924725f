// SPDX-License-Identifier: GPL-2.0
/*
 * Memory: the kernel's heap names over malloc(), object caches, reserves, shrinkers.
 *
 * Invariant: a block of a page or more starts on a page, a power of two from 512 bytes on is
 * aligned to itself, so that bios over such memory need no bounce buffer. An allocation that
 * fails asks the shrinkers once before it gives up. Callable from any thread.
 */
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "internal.h"

#include <linux/bug.h>
#include <linux/log2.h>
#include <linux/mempool.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/sprintf.h>
#include <linux/string.h>
#include <shim/faults.h>
#include <shim/shim.h>

static const struct shim_fault_hooks *fault_hooks;

/**
 * shim_set_fault_hooks - install test hooks
 * @hooks:	hooks, or NULL for none
 */
void shim_set_fault_hooks(const struct shim_fault_hooks *hooks)
{
	smp_store_release(&fault_hooks, hooks);
}

/**
 * shim_fault_alloc - does a test want this allocation to fail?
 * @size:	bytes
 * @gfp:	flags
 */
bool shim_fault_alloc(size_t size, gfp_t gfp)
{
	const struct shim_fault_hooks *h = smp_load_acquire(&fault_hooks);

	return unlikely(h && h->alloc) && !(gfp & __GFP_NOFAIL) && h->alloc(size, gfp, h->arg);
}

/**
 * shim_fault_bio - does a test want this request to fail?
 * @bio:	request
 *
 * Return: its status then, else BLK_STS_OK.
 */
u8 shim_fault_bio(struct bio *bio)
{
	const struct shim_fault_hooks *h = smp_load_acquire(&fault_hooks);

	return unlikely(h && h->bio) ? h->bio(bio, h->arg) : BLK_STS_OK;
}

static size_t block_align(size_t size)
{
	if (size >= PAGE_SIZE)
		return PAGE_SIZE;
	return size >= 512 && is_power_of_2(size) ? size : 0;
}

static void *heap_try(size_t size, size_t align, gfp_t gfp)
{
	void *p = NULL;

	if (!align)
		return gfp & __GFP_ZERO ? calloc(1, size) : malloc(size);
	if (posix_memalign(&p, align, size))
		return NULL;
	if (gfp & __GFP_ZERO)
		memset(p, 0, size);
	return p;
}

static void *heap_alloc_aligned(size_t size, size_t align, gfp_t gfp)
{
	void *p;

	if (shim_fault_alloc(size, gfp))
		return NULL;
	p = heap_try(size, align, gfp);
	if (unlikely(!p) && (gfp & __GFP_DIRECT_RECLAIM)) {
		shim_run_shrinkers(~0UL);
		p = heap_try(size, align, gfp);
	}
	BUG_ON(!p && (gfp & __GFP_NOFAIL));
	return p;
}

static void *heap_alloc(size_t size, gfp_t gfp)
{
	return size ? heap_alloc_aligned(size, block_align(size), gfp) : ZERO_SIZE_PTR;
}

static void *heap_realloc(const void *old, size_t size, gfp_t gfp)
{
	size_t had;
	void *p;

	if (ZERO_OR_NULL_PTR(old))
		return heap_alloc(size, gfp);
	if (!size) {
		kfree(old);
		return ZERO_SIZE_PTR;
	}
	had = malloc_usable_size((void *) old);
	p = heap_alloc(size, gfp);
	if (p) {
		memcpy(p, old, min(had, size));
		kfree(old);
	}
	return p;
}

/**
 * kmalloc - memory of moderate size
 * @size:	bytes, at most KMALLOC_MAX_SIZE
 * @flags:	__GFP_ZERO and __GFP_NOFAIL count
 *
 * Return: memory for kfree(), or NULL.
 */
void *kmalloc(size_t size, gfp_t flags)
{
	return size <= KMALLOC_MAX_SIZE ? heap_alloc(size, flags) : NULL;
}

/**
 * kzalloc - kmalloc() of zeroes
 * @size:	bytes
 * @flags:	as for kmalloc()
 */
void *kzalloc(size_t size, gfp_t flags)
{
	return kmalloc(size, flags | __GFP_ZERO);
}

/**
 * kmalloc_array - memory for several elements
 * @n:		how many
 * @size:	bytes of one
 * @flags:	as for kmalloc()
 *
 * Return: memory for kfree(), or NULL, also if the product overflows.
 */
void *kmalloc_array(size_t n, size_t size, gfp_t flags)
{
	return kmalloc(array_size(n, size), flags);
}

/**
 * kcalloc - zeroed memory for several elements
 * @n:		how many
 * @size:	bytes of one
 * @flags:	as for kmalloc()
 */
void *kcalloc(size_t n, size_t size, gfp_t flags)
{
	return kmalloc_array(n, size, flags | __GFP_ZERO);
}

/**
 * krealloc - change the size of a block, which may move it
 * @p:		block, or NULL
 * @new_size:	bytes; 0 frees
 * @flags:	as for kmalloc()
 *
 * Return: the block; NULL leaves the old one as it was.
 */
void *krealloc(const void *p, size_t new_size, gfp_t flags)
{
	return new_size <= KMALLOC_MAX_SIZE ? heap_realloc(p, new_size, flags) : NULL;
}

/**
 * krealloc_array - krealloc() for elements
 * @p:		block
 * @n:		how many
 * @size:	bytes of one
 * @flags:	as for kmalloc()
 */
void *krealloc_array(void *p, size_t n, size_t size, gfp_t flags)
{
	return krealloc(p, array_size(n, size), flags);
}

/**
 * kfree - give memory back
 * @p:		block, or NULL
 */
void kfree(const void *p)
{
	if (!ZERO_OR_NULL_PTR(p))
		free((void *) p);
}

/**
 * ksize - usable bytes of a block
 * @p:		block
 */
size_t ksize(const void *p)
{
	return ZERO_OR_NULL_PTR(p) ? 0 : malloc_usable_size((void *) p);
}

/**
 * kfree_sensitive - clear, then kfree()
 * @p:		block, or NULL
 */
void kfree_sensitive(const void *p)
{
	if (!ZERO_OR_NULL_PTR(p))
		memzero_explicit((void *) p, ksize(p));
	kfree(p);
}

/**
 * kvmalloc - memory of any size up to 2 GB
 * @size:	bytes
 * @flags:	as for kmalloc()
 *
 * Return: memory for kvfree(), or NULL.
 */
void *kvmalloc(size_t size, gfp_t flags)
{
	return size <= INT_MAX ? heap_alloc(size, flags) : NULL;
}

/**
 * kvzalloc - kvmalloc() of zeroes
 * @size:	bytes
 * @flags:	as for kmalloc()
 */
void *kvzalloc(size_t size, gfp_t flags)
{
	return kvmalloc(size, flags | __GFP_ZERO);
}

/**
 * kvmalloc_array - kvmalloc() for elements
 * @n:		how many
 * @size:	bytes of one
 * @flags:	as for kmalloc()
 */
void *kvmalloc_array(size_t n, size_t size, gfp_t flags)
{
	return kvmalloc(array_size(n, size), flags);
}

/**
 * kvcalloc - kvmalloc_array() of zeroes
 * @n:		how many
 * @size:	bytes of one
 * @flags:	as for kmalloc()
 */
void *kvcalloc(size_t n, size_t size, gfp_t flags)
{
	return kvmalloc_array(n, size, flags | __GFP_ZERO);
}

/**
 * kvrealloc - change the size of a kvmalloc() block
 * @p:		block, or NULL
 * @size:	bytes
 * @flags:	as for kmalloc()
 */
void *kvrealloc(const void *p, size_t size, gfp_t flags)
{
	return size <= INT_MAX ? heap_realloc(p, size, flags) : NULL;
}

/**
 * kvfree - give kvmalloc() or kmalloc() memory back
 * @p:		block, or NULL
 */
void kvfree(const void *p)
{
	kfree(p);
}

/**
 * kvfree_sensitive - clear, then kvfree()
 * @p:		block, or NULL
 * @len:	bytes to clear
 */
void kvfree_sensitive(const void *p, size_t len)
{
	if (!ZERO_OR_NULL_PTR(p))
		memzero_explicit((void *) p, len);
	kvfree(p);
}

/**
 * __vmalloc - page-aligned memory of any size
 * @size:	bytes
 * @gfp:	as for kmalloc()
 */
void *__vmalloc(unsigned long size, gfp_t gfp)
{
	return size ? heap_alloc_aligned(size, PAGE_SIZE, gfp) : NULL;
}

/**
 * vmalloc - page-aligned memory of any size
 * @size:	bytes
 */
void *vmalloc(unsigned long size)
{
	return __vmalloc(size, GFP_KERNEL);
}

/**
 * vzalloc - vmalloc() of zeroes
 * @size:	bytes
 */
void *vzalloc(unsigned long size)
{
	return __vmalloc(size, GFP_KERNEL | __GFP_ZERO);
}

/**
 * vfree - give vmalloc() memory back
 * @addr:	block, or NULL
 */
void vfree(const void *addr)
{
	kfree(addr);
}

/**
 * vmalloc_to_page - the page of an address
 * @addr:	address
 */
struct page *vmalloc_to_page(const void *addr)
{
	return virt_to_page(addr);
}

/**
 * alloc_pages - 2^order pages
 * @gfp:	as for kmalloc()
 * @order:	logarithm of their number
 */
struct page *alloc_pages(gfp_t gfp, unsigned int order)
{
	return heap_alloc_aligned(PAGE_SIZE << order, PAGE_SIZE, gfp);
}

/**
 * __get_free_pages - address of 2^order pages
 * @gfp:	as for kmalloc()
 * @order:	logarithm of their number
 *
 * Return: address, or 0.
 */
unsigned long __get_free_pages(gfp_t gfp, unsigned int order)
{
	return (unsigned long) alloc_pages(gfp, order);
}

/**
 * get_zeroed_page - address of a page of zeroes
 * @gfp:	as for kmalloc()
 */
unsigned long get_zeroed_page(gfp_t gfp)
{
	return __get_free_pages(gfp | __GFP_ZERO, 0);
}

/**
 * __free_pages - give pages back
 * @page:	first
 * @order:	as they were allocated
 */
void __free_pages(struct page *page, unsigned int order)
{
	free(page);
}

/**
 * free_pages - give pages back by address
 * @addr:	address, or 0
 * @order:	as they were allocated
 */
void free_pages(unsigned long addr, unsigned int order)
{
	free((void *) addr);
}

/**
 * totalram_pages - pages of memory in this machine
 */
unsigned long totalram_pages(void)
{
	return sysconf(_SC_PHYS_PAGES) * (sysconf(_SC_PAGE_SIZE) / PAGE_SIZE);
}

struct kmem_cache {
	unsigned int	size;
	unsigned int	align;
	void		(*ctor)(void *obj);
};

/**
 * kmem_cache_create - a cache of equal objects
 * @name:	for people
 * @size:	bytes of one
 * @align:	alignment, 0: none wanted
 * @flags:	SLAB_*
 * @ctor:	called for each object allocated, or NULL
 */
struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align,
				     slab_flags_t flags, void (*ctor)(void *))
{
	struct kmem_cache *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	s->size = size;
	s->align = flags & SLAB_HWCACHE_ALIGN ? max(align, 64U) : align;
	if (s->align <= 16)
		s->align = 0;
	s->ctor = ctor;
	return s;
}

/**
 * kmem_cache_destroy - end a cache whose objects were all freed
 * @s:		cache, or NULL
 */
void kmem_cache_destroy(struct kmem_cache *s)
{
	kfree(s);
}

/**
 * kmem_cache_alloc - one object
 * @s:		cache
 * @flags:	as for kmalloc()
 */
void *kmem_cache_alloc(struct kmem_cache *s, gfp_t flags)
{
	void *obj = heap_alloc_aligned(s->size, max_t(size_t, s->align, block_align(s->size)),
				       flags);

	if (obj && s->ctor)
		s->ctor(obj);
	return obj;
}

/**
 * kmem_cache_zalloc - one object of zeroes
 * @s:		cache
 * @flags:	as for kmalloc()
 */
void *kmem_cache_zalloc(struct kmem_cache *s, gfp_t flags)
{
	return kmem_cache_alloc(s, flags | __GFP_ZERO);
}

/**
 * kmem_cache_free - give an object back
 * @s:		its cache
 * @obj:	object, or NULL
 */
void kmem_cache_free(struct kmem_cache *s, void *obj)
{
	free(obj);
}

/**
 * kmem_cache_size - bytes of an object
 * @s:		cache
 */
unsigned int kmem_cache_size(struct kmem_cache *s)
{
	return s->size;
}

static pthread_mutex_t shrinker_lock = PTHREAD_MUTEX_INITIALIZER;
static LIST_HEAD(shrinkers);

/**
 * shrinker_alloc - describe a cache that can shrink
 * @flags:	SHRINKER_*
 * @fmt:	name
 */
struct shrinker *shrinker_alloc(unsigned int flags, const char *fmt, ...)
{
	struct shrinker *s = kzalloc(sizeof(*s), GFP_KERNEL);
	va_list args;

	if (!s)
		return NULL;
	va_start(args, fmt);
	s->shim_name = kvasprintf(GFP_KERNEL, fmt, args);
	va_end(args);
	s->flags = flags;
	s->seeks = DEFAULT_SEEKS;
	INIT_LIST_HEAD(&s->list);
	return s;
}

/**
 * shrinker_register - from now on the cache is asked
 * @s:		shrinker, its functions set
 */
void shrinker_register(struct shrinker *s)
{
	pthread_mutex_lock(&shrinker_lock);
	list_add_tail(&s->list, &shrinkers);
	pthread_mutex_unlock(&shrinker_lock);
}

/**
 * shrinker_free - the cache is asked no more; waits for a call in progress
 * @s:		shrinker, or NULL
 */
void shrinker_free(struct shrinker *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&shrinker_lock);
	list_del_init(&s->list);
	pthread_mutex_unlock(&shrinker_lock);
	kfree(s->shim_name);
	kfree(s);
}

static unsigned long run_shrinker(struct shrinker *s, unsigned long nr)
{
	struct shrink_control sc = { .gfp_mask = GFP_KERNEL };
	unsigned long have = s->count_objects(s, &sc), freed = 0, got;
	unsigned long batch = s->batch ? s->batch : 128;

	if (have == SHRINK_EMPTY)
		return 0;
	have = min(have, nr);
	while (have) {
		sc.nr_to_scan = sc.nr_scanned = min(have, batch);
		got = s->scan_objects(s, &sc);
		if (got == SHRINK_STOP)
			break;
		freed += got;
		have -= min(have, sc.nr_to_scan);
	}
	return freed;
}

/**
 * shim_run_shrinkers - memory pressure: ask every registered cache to shrink
 * @nr:		at most so many objects of each
 *
 * Return: objects freed. A call from within a shrinker, or while another thread is at it, does
 * nothing.
 */
unsigned long shim_run_shrinkers(unsigned long nr)
{
	struct shrinker *s;
	unsigned long freed = 0;

	if (pthread_mutex_trylock(&shrinker_lock))
		return 0;
	list_for_each_entry(s, &shrinkers, list)
		freed += run_shrinker(s, nr);
	pthread_mutex_unlock(&shrinker_lock);
	return freed;
}
