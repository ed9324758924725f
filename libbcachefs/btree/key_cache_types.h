/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keys that are updated more often than their leaves should be written (spec 21
 * section 14). Data declarations only: functions are in key_cache.h.
 */
#ifndef _BCACHEFS_BTREE_KEY_CACHE_TYPES_H
#define _BCACHEFS_BTREE_KEY_CACHE_TYPES_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "bcachefs_format.h"
#include "journal/writer_types.h"
#include "util/six_types.h"

struct bch_fs;

/* Bits of bkey_cached.flags, atomic bitops; change with .six write locked. */
enum bkey_cached_flag {
	BKEY_CACHED_dead,		/* out of the table: never use it again */
	BKEY_CACHED_dirty,		/* newer than the leaf; .pin is set */
	BKEY_CACHED_immediate,		/* the leaf has no key: the first update goes there, too */
	BKEY_CACHED_accessed,		/* used since the clock hand last passed */
};

struct bkey_cached {
	struct list_head	list;		/* a chain of the table, or .dead */
	u8			btree_id;
	struct bpos		pos;
	atomic_t		pins;		/* users; evictable at 0 */
	unsigned long		flags;		/* enum bkey_cached_flag */

	struct six_lock		six;		/* covers what follows */
	struct bkey_i		*k;		/* kmalloc'd, .u64s words */
	unsigned		u64s;
	struct bkey_i		*spare;		/* larger buffer for the next update */
	unsigned		spare_u64s;
	u64			seq;		/* newest update that was journalled */
	struct journal_entry_pin pin;		/* oldest one that is not in the leaf */
};

#define KEY_CACHE_HASH_BITS	12

struct btree_key_cache {
	spinlock_t		lock;		/* covers the table, .dead, pins from 0 to 1 */
	struct list_head	*hash;		/* 1 << KEY_CACHE_HASH_BITS heads */
	unsigned		hand;		/* chain where eviction goes on */
	atomic_t		nr_keys;
	atomic_t		nr_dirty;
	struct list_head	dead;		/* to be freed by .free_work */
	struct work_struct	free_work;
	struct bch_fs		*c;
	journal_pin_flush_fn	flush;		/* of the pins of entries */
	bool			initialized;
};

#endif /* _BCACHEFS_BTREE_KEY_CACHE_TYPES_H */
