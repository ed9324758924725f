/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Kernel heap: kmalloc and object caches. Blocks of a page or more are page aligned; powers of
 * two are naturally aligned below that.
 */
#ifndef _SHIM_LINUX_SLAB_H
#define _SHIM_LINUX_SLAB_H

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/overflow.h>
#include <linux/types.h>

#define KMALLOC_MAX_SIZE	(1UL << 22)
#define ARCH_KMALLOC_MINALIGN	8
#define ZERO_SIZE_PTR		((void *) 16)
#define ZERO_OR_NULL_PTR(p)	((unsigned long) (p) <= (unsigned long) ZERO_SIZE_PTR)

void *kmalloc(size_t size, gfp_t flags) __malloc;
void *kzalloc(size_t size, gfp_t flags) __malloc;
void *krealloc(const void *p, size_t new_size, gfp_t flags) __must_check;
void *krealloc_array(void *p, size_t n, size_t size, gfp_t flags) __must_check;
void *kmalloc_array(size_t n, size_t size, gfp_t flags) __malloc;
void *kcalloc(size_t n, size_t size, gfp_t flags) __malloc;
void kfree(const void *p);
void kfree_sensitive(const void *p);
size_t ksize(const void *p);

void *kvmalloc(size_t size, gfp_t flags) __malloc;
void *kvzalloc(size_t size, gfp_t flags) __malloc;
void *kvmalloc_array(size_t n, size_t size, gfp_t flags) __malloc;
void *kvcalloc(size_t n, size_t size, gfp_t flags) __malloc;
/* 6.12: the size of the old block is not passed. */
void *kvrealloc(const void *p, size_t size, gfp_t flags) __must_check;
void kvfree(const void *p);
void kvfree_sensitive(const void *p, size_t len);

DEFINE_FREE(kfree, void *, if (!IS_ERR_OR_NULL(_T)) kfree(_T))
DEFINE_FREE(kvfree, void *, if (!IS_ERR_OR_NULL(_T)) kvfree(_T))

struct kmem_cache;
#define SLAB_HWCACHE_ALIGN	0x1U
#define SLAB_RECLAIM_ACCOUNT	0x2U
#define SLAB_ACCOUNT		0x4U
#define SLAB_PANIC		0x8U
typedef unsigned int slab_flags_t;

struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align,
				     slab_flags_t flags, void (*ctor)(void *));
void kmem_cache_destroy(struct kmem_cache *s);
void *kmem_cache_alloc(struct kmem_cache *s, gfp_t flags) __malloc;
void *kmem_cache_zalloc(struct kmem_cache *s, gfp_t flags) __malloc;
void kmem_cache_free(struct kmem_cache *s, void *obj);
unsigned int kmem_cache_size(struct kmem_cache *s);
#define KMEM_CACHE(type, flags) \
	kmem_cache_create(#type, sizeof(struct type), __alignof__(struct type), (flags), NULL)

#endif /* _SHIM_LINUX_SLAB_H */
