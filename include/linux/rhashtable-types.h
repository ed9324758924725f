/* SPDX-License-Identifier: GPL-2.0 */
/* Types of the resizable hash table, over liburcu's lock-free table. */
#ifndef _SHIM_LINUX_RHASHTABLE_TYPES_H
#define _SHIM_LINUX_RHASHTABLE_TYPES_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/types.h>

/* Same layout as liburcu's table node. */
struct rhash_head {
	struct rhash_head	*next;
	unsigned long		shim_reverse_hash;
} __aligned(8);

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
	void			*shim_table;
	u32			shim_seed;
	struct rhashtable_params p;
	atomic_t		nelems;
};

struct rhashtable_iter {
	struct rhashtable	*ht;
	void			*shim_node;
	void			*shim_next;
	unsigned long		shim_seen;
	bool			shim_live;
};

#endif /* _SHIM_LINUX_RHASHTABLE_TYPES_H */
