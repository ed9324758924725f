/* SPDX-License-Identifier: GPL-2.0 */
/* Types of the resizable hash table. */
#ifndef _SHIM_LINUX_RHASHTABLE_TYPES_H
#define _SHIM_LINUX_RHASHTABLE_TYPES_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>

/* next: the next object of the chain, or the odd number that ends it. */
struct rhash_head {
	struct rhash_head	*next;
};

struct bucket_table;

struct rhashtable;
struct rhashtable_compare_arg {
	struct rhashtable	*ht;
	const void		*key;
};

typedef u32 (*rht_hashfn_t)(const void *data, u32 len, u32 seed);
typedef u32 (*rht_obj_hashfn_t)(const void *data, u32 len, u32 seed);
typedef int (*rht_obj_cmpfn_t)(struct rhashtable_compare_arg *arg, const void *obj);

struct rhashtable_params {
	u16			nelem_hint;
	u16			key_len;
	u16			key_offset;
	u16			head_offset;
	unsigned int		max_size;
	u16			min_size;
	bool			automatic_shrinking;
	rht_hashfn_t		hashfn;
	rht_obj_hashfn_t	obj_hashfn;
	rht_obj_cmpfn_t		obj_cmpfn;
};

struct rhashtable {
	struct bucket_table	*tbl;
	u32			shim_seed;
	u32			shim_seq;	/* odd while objects move */
	struct rhashtable_params p;
	spinlock_t		lock;		/* of everybody who changes it */
	atomic_t		nelems;
};

struct rhashtable_iter {
	struct rhashtable	*ht;
	struct bucket_table	*shim_tbl;
	u32			shim_slot;
	u32			shim_skip;	/* objects of the slot already seen */
};

#endif /* _SHIM_LINUX_RHASHTABLE_TYPES_H */
