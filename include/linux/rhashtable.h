/* SPDX-License-Identifier: GPL-2.0 */
/* Resizable hash tables; lookups run under RCU. */
#ifndef _SHIM_LINUX_RHASHTABLE_H
#define _SHIM_LINUX_RHASHTABLE_H

#include <linux/err.h>
#include <linux/jhash.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/rhashtable-types.h>

int rhashtable_init(struct rhashtable *ht, const struct rhashtable_params *params);
void rhashtable_destroy(struct rhashtable *ht);
void rhashtable_free_and_destroy(struct rhashtable *ht, void (*free_fn)(void *ptr, void *arg),
				 void *arg);

void *shim_rht_lookup(struct rhashtable *ht, const void *key, u32 hash,
		      const struct rhashtable_params *p);
void *shim_rht_insert(struct rhashtable *ht, struct rhash_head *obj, const void *key, u32 hash,
		      const struct rhashtable_params *p);
int shim_rht_remove(struct rhashtable *ht, struct rhash_head *obj, u32 hash);

static inline u32 shim_rht_key_hash(struct rhashtable *ht, const void *key,
				    const struct rhashtable_params *p)
{
	return p->hashfn ? p->hashfn(key, p->key_len, ht->shim_seed)
			 : jhash(key, p->key_len, ht->shim_seed);
}

static inline u32 shim_rht_obj_hash(struct rhashtable *ht, struct rhash_head *head,
				    const struct rhashtable_params *p)
{
	const char *obj = (const char *) head - p->head_offset;

	return p->obj_hashfn ? p->obj_hashfn(obj, p->key_len, ht->shim_seed)
			     : shim_rht_key_hash(ht, obj + p->key_offset, p);
}

static inline void *shim_rht_obj(struct rhash_head *head, const struct rhashtable_params *p)
{
	return IS_ERR_OR_NULL(head) ? (void *) head : (char *) head - p->head_offset;
}

static inline const void *shim_rht_obj_key(struct rhash_head *head,
					   const struct rhashtable_params *p)
{
	return (char *) head - p->head_offset + p->key_offset;
}

/* The caller is in an RCU read-side section, which also keeps what it gets alive. */
static inline void *rhashtable_lookup(struct rhashtable *ht, const void *key,
				      const struct rhashtable_params params)
{
	return shim_rht_obj(shim_rht_lookup(ht, key, shim_rht_key_hash(ht, key, &params), &params),
			    &params);
}

static inline void *rhashtable_lookup_fast(struct rhashtable *ht, const void *key,
					   const struct rhashtable_params params)
{
	void *obj;

	rcu_read_lock();
	obj = rhashtable_lookup(ht, key, params);
	rcu_read_unlock();
	return obj;
}

/* Without looking for an equal key first. */
static inline int rhashtable_insert_fast(struct rhashtable *ht, struct rhash_head *obj,
					 const struct rhashtable_params params)
{
	return PTR_ERR_OR_ZERO(shim_rht_insert(ht, obj, NULL, shim_rht_obj_hash(ht, obj, &params),
					       &params));
}

/* The object already there with an equal key, or NULL: inserted. */
static inline void *rhashtable_lookup_get_insert_fast(struct rhashtable *ht,
						      struct rhash_head *obj,
						      const struct rhashtable_params params)
{
	return shim_rht_obj(shim_rht_insert(ht, obj, shim_rht_obj_key(obj, &params),
					    shim_rht_obj_hash(ht, obj, &params), &params),
			    &params);
}

static inline int rhashtable_lookup_insert_fast(struct rhashtable *ht, struct rhash_head *obj,
						const struct rhashtable_params params)
{
	void *there = rhashtable_lookup_get_insert_fast(ht, obj, params);

	return IS_ERR(there) ? (int) PTR_ERR(there) : there ? -EEXIST : 0;
}

static inline void *rhashtable_lookup_get_insert_key(struct rhashtable *ht, const void *key,
						     struct rhash_head *obj,
						     const struct rhashtable_params params)
{
	return shim_rht_obj(shim_rht_insert(ht, obj, key, shim_rht_obj_hash(ht, obj, &params),
					    &params),
			    &params);
}

static inline int rhashtable_lookup_insert_key(struct rhashtable *ht, const void *key,
					       struct rhash_head *obj,
					       const struct rhashtable_params params)
{
	void *there = rhashtable_lookup_get_insert_key(ht, key, obj, params);

	return IS_ERR(there) ? (int) PTR_ERR(there) : there ? -EEXIST : 0;
}

static inline int rhashtable_remove_fast(struct rhashtable *ht, struct rhash_head *obj,
					 const struct rhashtable_params params)
{
	return shim_rht_remove(ht, obj, shim_rht_obj_hash(ht, obj, &params));
}

/*
 * A walk may see an object twice, or miss one that comes or goes meanwhile; ERR_PTR(-EAGAIN): the
 * table was resized and the walk starts again.
 */
void rhashtable_walk_enter(struct rhashtable *ht, struct rhashtable_iter *iter);
void rhashtable_walk_exit(struct rhashtable_iter *iter);
int rhashtable_walk_start_check(struct rhashtable_iter *iter);
void rhashtable_walk_stop(struct rhashtable_iter *iter);
void *rhashtable_walk_next(struct rhashtable_iter *iter);

static inline void rhashtable_walk_start(struct rhashtable_iter *iter)
{
	(void) rhashtable_walk_start_check(iter);
}

#endif /* _SHIM_LINUX_RHASHTABLE_H */
