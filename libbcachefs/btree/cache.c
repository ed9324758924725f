// SPDX-License-Identifier: GPL-2.0
/*
 * The node cache and the roots of all btrees (spec 21 section 4, 31 section 6).
 *
 * Invariant: a node is in the hash table exactly once per (identity, btree, level),
 * before the filesystem is writable also per sectors written; it is freed only when
 * nobody has pinned it and no read of it is under way. cache.lock covers the table,
 * the step of pins from 0 to 1 and accounting and is never held over I/O;
 * BTREE_NODE_filling is held by whoever reads a node. From the moment its state is
 * ready the node lock covers what is in it. Whoever holds a node lock has a pin.
 */
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/wait_bit.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "btree/extent_entries.h"
#include "btree/node_check.h"
#include "btree/read.h"
#include "btree/trans.h"
#include "util/log.h"
#include "util/printbuf.h"
#include "util/six.h"

#define CACHE_BYTES_MAX_DEFAULT		(512ULL << 20)
#define CACHE_BYTES_MIN			(4ULL << 20)
#define CACHE_PREFETCH_BYTES		(32ULL << 20)

/**
 * bch2_btree_ptr_hash_val - identity of the node that @k points to
 *
 * Spec 20 section 7.2. 0 for what is no btree pointer.
 */
u64 bch2_btree_ptr_hash_val(const struct bkey_i *k)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(k));
	const struct btree_ptr_info info = bch2_btree_ptr_info(k);

	if (info.v2)
		return info.seq;
	return k->k.type == KEY_TYPE_btree_ptr && ptrs.start < ptrs.end
		? le64_to_cpu(ptrs.start->word) : 0;
}

static u64 fake_root_hash_val(unsigned btree)
{
	return U64_MAX - btree;
}

/* --- memory --- */

static u64 node_bytes(const struct btree *b)
{
	return sizeof(*b) + b->buf_bytes +
		((u64) max(b->nr_keys, b->idx_size) + b->wh_size) * sizeof(*b->idx);
}

static void node_free(struct btree *b)
{
	bch2_btree_node_read_drop(b);
	kvfree(b->data);
	kvfree(b->idx);
	kvfree(b->wh_idx);
	kfree(b);
}

/* @k: a pointer that passed validation, or NULL: to be set later */
static struct btree *node_alloc(const struct bkey_i *k, u64 hash_val, unsigned level,
				unsigned btree)
{
	struct btree *b = kzalloc(sizeof(*b), GFP_NOFS);

	if (!b)
		return NULL;
	six_lock_init(&b->six);
	INIT_LIST_HEAD(&b->hash_list);
	INIT_LIST_HEAD(&b->lru);
	INIT_LIST_HEAD(&b->blocked_by);
	INIT_LIST_HEAD(&b->write_list);
	b->hash_val	= hash_val;
	b->btree_id	= btree;
	b->level	= level;
	atomic_set(&b->pins, 1);
	if (k)
		bkey_copy(&b->key, k);
	return b;
}

static struct list_head *hash_head(struct btree_cache *bc, u64 hash_val)
{
	return &bc->hash[hash_64(hash_val, BTREE_CACHE_HASH_BITS)];
}

/*
 * The node that @k points to. While nothing can be written, a pointer that knows of
 * more bsets than the node was read with means another one: an older version of the
 * pointer led to that. Later the pointer follows what is written, at its own pace,
 * and the node that has got furthest is the one that lives.
 */
static struct btree *hash_find(struct bch_fs *c, const struct bkey_i *k, unsigned level,
			       unsigned btree)
{
	const u64 hash_val = bch2_btree_ptr_hash_val(k);
	const u16 written = bch2_btree_ptr_info(k).sectors_written;
	const bool live = test_bit(BCH_FS_may_go_rw, &c->flags);
	struct btree *b, *ret = NULL;
	u16 best = 0;

	list_for_each_entry(b, hash_head(&c->btree.cache, hash_val), hash_list) {
		u16 has;

		if (b->hash_val != hash_val || b->level != level || b->btree_id != btree)
			continue;
		has = bch2_btree_ptr_info(&b->key).sectors_written;
		if (live ? !ret || has > best : has == written) {
			ret	= b;
			best	= has;
		}
	}
	return ret;
}

/* Count what @b takes now; bc->lock held. */
static void node_account(struct btree_cache *bc, struct btree *b)
{
	const u64 bytes = node_bytes(b);

	bc->bytes	+= bytes - b->accounted;
	b->accounted	= bytes;
}

static void node_insert(struct btree_cache *bc, struct btree *b)
{
	list_add(&b->hash_list, hash_head(bc, b->hash_val));
	list_add_tail(&b->lru, &bc->clock);
	node_account(bc, b);
	WRITE_ONCE(bc->nr_nodes, bc->nr_nodes + 1);
}

static void node_remove(struct btree_cache *bc, struct btree *b)
{
	list_del_init(&b->lru);
	list_del_init(&b->hash_list);
	bc->bytes	-= b->accounted;
	b->accounted	= 0;
	WRITE_ONCE(bc->nr_nodes, bc->nr_nodes - 1);
}

static bool node_evictable(struct btree *b)
{
	return !atomic_read(&b->pins) && !test_bit(BTREE_NODE_permanent, &b->flags) &&
		!bch2_btree_node_read_pending(b);
}

/*
 * Free nodes until @extra more bytes fit: one round of the clock over nodes that
 * were not used, and a second one over all. Call with bc->lock held.
 */
static void cache_shrink(struct btree_cache *bc, u64 extra)
{
	size_t scan = 2 * bc->nr_nodes;

	while (bc->bytes + extra > bc->bytes_max && scan-- && !list_empty(&bc->clock)) {
		struct btree *b = list_first_entry(&bc->clock, struct btree, lru);

		list_move_tail(&b->lru, &bc->clock);
		if (!node_evictable(b) || test_and_clear_bit(BTREE_NODE_accessed, &b->flags))
			continue;
		node_remove(bc, b);
		bc->nr_evicted++;
		node_free(b);
	}
}

/* Account for what filling @b took. */
static void node_filled(struct btree_cache *bc, struct btree *b, int err)
{
	mutex_lock(&bc->lock);
	node_account(bc, b);
	bc->nr_reads++;
	bc->nr_failed += err != 0;
	bc->read_bytes += b->bytes;
	cache_shrink(bc, 0);
	mutex_unlock(&bc->lock);
}

/* --- getting nodes --- */

/* The node in the table, pinned; entered if need be. NULL: no memory. */
static struct btree *node_find_or_insert(struct bch_fs *c, const struct bkey_i *k,
					 unsigned level, unsigned btree)
{
	struct btree_cache *bc = &c->btree.cache;
	const u64 hash_val = bch2_btree_ptr_hash_val(k);
	struct btree *b;

	mutex_lock(&bc->lock);
	b = hash_find(c, k, level, btree);
	if (b) {
		atomic_inc(&b->pins);
	} else {
		b = node_alloc(k, hash_val, level, btree);
		if (b) {
			cache_shrink(bc, node_bytes(b));
			node_insert(bc, b);
		}
	}
	mutex_unlock(&bc->lock);
	return b;
}

static void fill_lock(struct btree *b)
{
	while (test_and_set_bit_lock(BTREE_NODE_filling, &b->flags))
		wait_on_bit(&b->flags, BTREE_NODE_filling, TASK_UNINTERRUPTIBLE);
}

static void fill_unlock(struct btree *b)
{
	clear_and_wake_up_bit(BTREE_NODE_filling, &b->flags);
}

static void node_read(struct bch_fs *c, struct btree *b, int *ret)
{
	*ret = bch2_btree_node_read(c, b);
	if (*ret) {
		kvfree(b->data);
		b->data		= NULL;
		b->buf_bytes	= 0;
	}
	node_filled(&c->btree.cache, b, *ret);
	if (!bch2_err_matches(*ret, ENOMEM)) {
		b->error = *ret;
		smp_store_release(&b->state, *ret ? BTREE_NODE_failed : BTREE_NODE_ready);
	}
}

/**
 * bch2_btree_node_fill - read a node, or wait until somebody else has
 * @c:	filesystem
 * @b:	pinned; no node lock is held
 *
 * What is wrong with the node is remembered; want of memory says nothing about it,
 * so that the next one tries again. Return: 0 or an error of the read.
 */
int bch2_btree_node_fill(struct bch_fs *c, struct btree *b)
{
	int ret = 0;

	fill_lock(b);
	if (bch2_btree_node_ready(b))
		ret = b->error;
	else
		node_read(c, b, &ret);
	fill_unlock(b);
	return ret;
}

/**
 * bch2_btree_node_read_begin - begin reading a node, unless that has happened
 * @c:	filesystem
 * @b:	pinned; no node lock is held
 *
 * Does not wait for I/O. If it cannot begin, bch2_btree_node_fill() will tell.
 */
void bch2_btree_node_read_begin(struct bch_fs *c, struct btree *b)
{
	if (test_and_set_bit_lock(BTREE_NODE_filling, &b->flags))
		return;
	if (!bch2_btree_node_ready(b) && !b->io) {
		bch2_btree_node_read_start(c, b);
		bch2_btree_node_mem_changed(c, b);
	}
	fill_unlock(b);
}

/* Does the node that was found fit the pointer that led to it? */
static int node_ptr_check(const struct btree *b, const struct bkey_i *k)
{
	const struct btree_ptr_info info = bch2_btree_ptr_info(k);

	if (!bpos_eq(b->max_key, k->k.p) || (info.v2 && !bpos_eq(b->min_key, info.min_key)))
		return -BCH_ERR_btree_topology;
	return 0;
}

static bool is_btree_ptr(const struct bkey_i *k)
{
	return (k->k.type == KEY_TYPE_btree_ptr || k->k.type == KEY_TYPE_btree_ptr_v2) &&
		k->k.u64s > BKEY_U64s && k->k.u64s <= BKEY_BTREE_PTR_U64s_MAX;
}

/**
 * bch2_btree_node_lookup - the node that @k points to, perhaps not read yet
 * @c:		filesystem
 * @k:		validated btree pointer; what it is in is locked (LK-2)
 * @level:	of the node
 * @btree:	btree id
 *
 * Return: the node, pinned; ERR_PTR: -BCH_ERR_btree_topology, -ENOMEM.
 */
struct btree *bch2_btree_node_lookup(struct bch_fs *c, const struct bkey_i *k, unsigned level,
				     unsigned btree)
{
	struct btree *b;

	if (!is_btree_ptr(k) || level >= BTREE_MAX_DEPTH)
		return ERR_PTR(-BCH_ERR_btree_topology);
	b = node_find_or_insert(c, k, level, btree);
	if (!b)
		return ERR_PTR(-BCH_ERR_ENOMEM_btree_node_mem);
	if (!test_bit(BTREE_NODE_accessed, &b->flags))
		set_bit(BTREE_NODE_accessed, &b->flags);
	return b;
}

/**
 * bch2_btree_node_usable - is @b the node that @k describes, and readable?
 * @b:	pinned
 * @k:	pointer that led to it
 *
 * Return: 0; -EAGAIN: not read yet; -BCH_ERR_btree_topology; or why it cannot be read.
 */
int bch2_btree_node_usable(const struct btree *b, const struct bkey_i *k)
{
	switch (smp_load_acquire(&b->state)) {
	case BTREE_NODE_ready:
		return node_ptr_check(b, k);
	case BTREE_NODE_failed:
		return b->error;
	default:
		return -EAGAIN;
	}
}

static struct btree *node_get(struct bch_fs *c, const struct bkey_i *k, unsigned level,
			      unsigned btree, bool nofill)
{
	struct btree *b = bch2_btree_node_lookup(c, k, level, btree);
	int ret = 0;

	if (IS_ERR(b))
		return b;
	if (!bch2_btree_node_ready(b) && !nofill)
		ret = bch2_btree_node_fill(c, b);
	ret = ret ?: bch2_btree_node_usable(b, k);
	if (!ret)
		return b;
	bch2_btree_node_put(c, b);
	return ERR_PTR(ret);
}

/**
 * bch2_btree_node_get - the node that @k points to, read if need be
 * @c:		filesystem
 * @k:		validated btree pointer
 * @level:	of the node
 * @btree:	btree id
 *
 * Sleeps. The node is pinned. ERR_PTR: unreadable (also when that was found out
 * earlier), -BCH_ERR_btree_topology if it is not the node the pointer describes,
 * -ENOMEM. Spec 21 section 4.
 */
struct btree *bch2_btree_node_get(struct bch_fs *c, const struct bkey_i *k,
				  unsigned level, unsigned btree)
{
	return node_get(c, k, level, btree, false);
}

/** bch2_btree_node_get_nofill - the same, but -EAGAIN if it would have to be read */
struct btree *bch2_btree_node_get_nofill(struct bch_fs *c, const struct bkey_i *k,
					 unsigned level, unsigned btree)
{
	return node_get(c, k, level, btree, true);
}

/**
 * bch2_btree_node_prefetch_enter - enter a node that will be wanted soon
 * @c:		filesystem
 * @k:		validated btree pointer; what it is in is locked (LK-2)
 * @level:	of the node
 * @btree:	btree id
 * @ret:	the node, pinned, for bch2_btree_node_read_begin(); or NULL: nothing to do
 *
 * Return: false if the cache is full of nodes in use: come back later.
 */
bool bch2_btree_node_prefetch_enter(struct bch_fs *c, const struct bkey_i *k, unsigned level,
				    unsigned btree, struct btree **ret)
{
	struct btree_cache *bc = &c->btree.cache;
	const u64 hash_val = bch2_btree_ptr_hash_val(k);
	const u64 estimate = sizeof(struct btree) + c->opts.btree_node_size;
	struct btree *b = NULL;
	bool room = true;

	*ret = NULL;
	if (!is_btree_ptr(k) || level >= BTREE_MAX_DEPTH)
		return true;

	mutex_lock(&bc->lock);
	if (hash_find(c, k, level, btree))
		goto out;
	cache_shrink(bc, estimate);
	room = bc->bytes + estimate <= bc->bytes_max;
	b = room ? node_alloc(k, hash_val, level, btree) : NULL;
	if (b) {
		set_bit(BTREE_NODE_accessed, &b->flags);
		node_insert(bc, b);
		bc->nr_prefetched++;
	}
out:
	mutex_unlock(&bc->lock);
	*ret = b;
	return room;
}

/** bch2_btree_node_pin - one more user of a node that is pinned already */
void bch2_btree_node_pin(struct bch_fs *c, struct btree *b)
{
	atomic_inc(&b->pins);
}

/**
 * bch2_btree_node_put - the node is not used any more by this user
 *
 * May sleep. Frees a node that is in no table if this was the last user.
 */
void bch2_btree_node_put(struct bch_fs *c, struct btree *b)
{
	struct btree_cache *bc = &c->btree.cache;
	bool last;

	if (atomic_add_unless(&b->pins, -1, 1))
		return;
	mutex_lock(&bc->lock);
	last = atomic_dec_and_test(&b->pins) && list_empty(&b->hash_list);
	mutex_unlock(&bc->lock);
	if (last)
		node_free(b);
}

/* --- nodes that are made, not read --- */

/**
 * bch2_btree_node_mem_alloc - a node that nobody else knows
 * @c:	filesystem
 *
 * Pinned once, in no table, with a zeroed buffer for a full node; state ready. May
 * sleep. Return: NULL: no memory.
 */
struct btree *bch2_btree_node_mem_alloc(struct bch_fs *c)
{
	const u32 buf_bytes = PAGE_ALIGN(c->opts.btree_node_size + BTREE_NODE_SPARE_BYTES);
	struct btree *b = node_alloc(NULL, 0, 0, 0);

	if (!b)
		return NULL;
	b->data = kvzalloc(buf_bytes, GFP_KERNEL);
	if (!b->data) {
		node_free(b);
		return NULL;
	}
	b->buf_bytes	= buf_bytes;
	b->bytes	= c->opts.btree_node_size;
	b->state	= BTREE_NODE_ready;
	return b;
}

/**
 * bch2_btree_node_hash_insert - make a node known
 * @c:	filesystem
 * @b:	key, btree_id and level are set; locked by the caller or not reachable yet
 *
 * Return: 0, or -EEXIST: there is such a node.
 */
int bch2_btree_node_hash_insert(struct bch_fs *c, struct btree *b)
{
	struct btree_cache *bc = &c->btree.cache;
	int ret = -EEXIST;

	mutex_lock(&bc->lock);
	if (!hash_find(c, &b->key, b->level, b->btree_id)) {
		b->hash_val = bch2_btree_ptr_hash_val(&b->key);
		set_bit(BTREE_NODE_accessed, &b->flags);
		node_insert(bc, b);
		cache_shrink(bc, 0);
		ret = 0;
	}
	mutex_unlock(&bc->lock);
	return ret;
}

/**
 * bch2_btree_node_hash_remove - a node that is not part of the tree any more
 * @c:	filesystem
 * @b:	write locked, or never reachable; pinned
 *
 * Nobody finds it any more; who waits for its lock looks elsewhere. Its memory goes
 * with its last pin.
 */
void bch2_btree_node_hash_remove(struct bch_fs *c, struct btree *b)
{
	struct btree_cache *bc = &c->btree.cache;

	set_bit(BTREE_NODE_dead, &b->flags);
	mutex_lock(&bc->lock);
	if (!list_empty(&b->hash_list))
		node_remove(bc, b);
	mutex_unlock(&bc->lock);
}

/**
 * bch2_btree_node_set_key - another pointer to the same node
 * @c:	filesystem
 * @b:	write locked, or private
 * @k:	pointer; the identity is the same
 *
 * Everybody who changes b->key of a node in the table does it here.
 */
void bch2_btree_node_set_key(struct bch_fs *c, struct btree *b, const struct bkey_i *k)
{
	mutex_lock(&c->btree.cache.lock);
	bkey_copy(&b->key, k);
	mutex_unlock(&c->btree.cache.lock);
}

/**
 * bch2_btree_node_mem_changed - the buffers of a node have another size
 * @c:	filesystem
 * @b:	pinned; its buffers do not change meanwhile
 */
void bch2_btree_node_mem_changed(struct bch_fs *c, struct btree *b)
{
	struct btree_cache *bc = &c->btree.cache;

	mutex_lock(&bc->lock);
	if (!list_empty(&b->hash_list))
		node_account(bc, b);
	mutex_unlock(&bc->lock);
}

/* --- roots --- */

/**
 * bch2_btree_root_read - read the root of a btree and keep it
 * @c:		filesystem; only while starting
 * @btree:	id, below BTREE_ID_NR_MAX
 * @k:		pointer to the root
 * @level:	of the root
 *
 * Fills c->btree.roots[@btree]; on failure its error. Returns what
 * bch2_btree_node_get() says, or -BCH_ERR_btree_root_bad_level. Spec 31 section 6.
 */
int bch2_btree_root_read(struct bch_fs *c, unsigned btree, const struct bkey_i *k,
			 unsigned level)
{
	struct btree_root *r;
	struct btree *b;

	if (btree >= BTREE_ID_NR_MAX)
		return -BCH_ERR_EINVAL_btree_id;
	r = &c->btree.roots[btree];
	r->alive	= true;
	r->level	= level;
	if (k->k.u64s > BKEY_BTREE_PTR_U64s_MAX || !is_btree_ptr(k))
		return r->error = -BCH_ERR_invalid_bkey;
	if (&r->key != k)
		bkey_copy(&r->key, k);
	if (level >= BTREE_MAX_DEPTH)
		return r->error = -BCH_ERR_btree_root_bad_level;

	b = bch2_btree_node_get(c, k, level, btree);
	if (IS_ERR(b))
		return r->error = PTR_ERR(b);
	set_bit(BTREE_NODE_permanent, &b->flags);
	spin_lock(&c->btree.root_lock);
	r->b		= b;
	r->error	= 0;
	r->fake		= false;
	spin_unlock(&c->btree.root_lock);
	return 0;
}

/**
 * bch2_btree_root_alloc_fake - an empty root in memory for a btree without one
 *
 * Covers all positions. 0 or -ENOMEM. Spec 21 section 4.
 */
int bch2_btree_root_alloc_fake(struct bch_fs *c, unsigned btree, unsigned level)
{
	struct btree_cache *bc = &c->btree.cache;
	struct btree_root *r = &c->btree.roots[btree];
	struct btree *b = node_alloc(NULL, fake_root_hash_val(btree), level, btree);

	if (!b)
		return -BCH_ERR_ENOMEM_btree_node_mem;
	b->min_key	= POS_MIN;
	b->max_key	= SPOS_MAX;
	b->format	= BKEY_FORMAT_CURRENT;
	bch2_bkey_unpacker_init(&b->unpack, &b->format);
	set_bit(BTREE_NODE_fake, &b->flags);
	set_bit(BTREE_NODE_permanent, &b->flags);
	set_bit(BTREE_NODE_need_rewrite, &b->flags);
	b->state	= BTREE_NODE_ready;

	mutex_lock(&bc->lock);
	node_insert(bc, b);
	mutex_unlock(&bc->lock);

	spin_lock(&c->btree.root_lock);
	r->b		= b;
	r->level	= level;
	r->fake		= true;
	r->error	= 0;
	spin_unlock(&c->btree.root_lock);
	return 0;
}

/**
 * bch2_btree_root_get - the root of a btree, pinned once more
 *
 * NULL if there is no such btree here; ERR_PTR if its root is unreadable. The root
 * may be another one as soon as this returns: see bch2_btree_root_is().
 */
struct btree *bch2_btree_root_get(struct bch_fs *c, unsigned btree)
{
	struct btree_root *r;
	struct btree *b;

	if (btree >= BTREE_ID_NR_MAX)
		return NULL;
	r = &c->btree.roots[btree];
	spin_lock(&c->btree.root_lock);
	b = r->b;
	if (b)
		bch2_btree_node_pin(c, b);
	else if (r->error)
		b = ERR_PTR(r->error);
	spin_unlock(&c->btree.root_lock);
	return b;
}

/** bch2_btree_root_is - is @b the root of its btree? Stays so while it is locked */
bool bch2_btree_root_is(struct bch_fs *c, const struct btree *b)
{
	bool ret;

	spin_lock(&c->btree.root_lock);
	ret = c->btree.roots[b->btree_id].b == b;
	spin_unlock(&c->btree.root_lock);
	return ret;
}

/**
 * bch2_btree_set_root_inmem - another node is the root from now on
 * @c:	filesystem
 * @b:	new root, in the table, at least intent locked; as the old one
 *
 * Only the node: the description (key, level, alive) is the caller's, under
 * root_lock. The old root loses the pin it had as root.
 */
void bch2_btree_set_root_inmem(struct bch_fs *c, struct btree *b)
{
	struct btree_root *r = &c->btree.roots[b->btree_id];
	struct btree *old;

	bch2_btree_node_pin(c, b);
	set_bit(BTREE_NODE_permanent, &b->flags);

	spin_lock(&c->btree.root_lock);
	old		= r->b;
	r->b		= b;
	r->fake		= test_bit(BTREE_NODE_fake, &b->flags);
	r->error	= 0;
	spin_unlock(&c->btree.root_lock);

	if (old) {
		if (old != b)
			clear_bit(BTREE_NODE_permanent, &old->flags);
		bch2_btree_node_put(c, old);
	}
}

/* --- setting up --- */

/**
 * bch2_btree_cache_set_limit - bytes that nodes may take
 *
 * Raised to a minimum that lets a walk go on. Pinned nodes are never freed.
 */
void bch2_btree_cache_set_limit(struct bch_fs *c, u64 bytes)
{
	struct btree_cache *bc = &c->btree.cache;

	mutex_lock(&bc->lock);
	bc->bytes_max = max3(bytes, CACHE_BYTES_MIN, 16ULL * c->opts.btree_node_size);
	bc->prefetch_bytes = min(CACHE_PREFETCH_BYTES, bc->bytes_max / 4);
	cache_shrink(bc, 0);
	mutex_unlock(&bc->lock);
}

/**
 * bch2_fs_btree_cache_init - set up an empty cache
 *
 * Its limit is an eighth of the memory, at most 512 MiB. Needs the options. 0 or
 * -ENOMEM.
 */
int bch2_fs_btree_cache_init(struct bch_fs *c)
{
	struct btree_cache *bc = &c->btree.cache;
	const u64 ram = (u64) totalram_pages() << PAGE_SHIFT;
	size_t i;

	bch2_fs_btree_trans_init(c);
	mutex_init(&bc->lock);
	INIT_LIST_HEAD(&bc->clock);
	bc->hash = kvmalloc_array(1U << BTREE_CACHE_HASH_BITS, sizeof(*bc->hash), GFP_KERNEL);
	if (!bc->hash)
		return -BCH_ERR_ENOMEM_btree_cache;
	for (i = 0; i < 1U << BTREE_CACHE_HASH_BITS; i++)
		INIT_LIST_HEAD(&bc->hash[i]);
	bc->initialized = true;
	bch2_btree_cache_set_limit(c, min(ram / 8, CACHE_BYTES_MAX_DEFAULT));
	return 0;
}

/** bch2_fs_btree_cache_exit - free all nodes; nobody walks any more */
void bch2_fs_btree_cache_exit(struct bch_fs *c)
{
	struct btree_cache *bc = &c->btree.cache;
	struct btree *b, *n;

	if (!bc->initialized)
		return;
	list_for_each_entry_safe(b, n, &bc->clock, lru) {
		list_del(&b->lru);
		node_free(b);
	}
	memset(c->btree.roots, 0, sizeof(c->btree.roots));
	bch2_node_scratch_free(bc->scratch);
	kvfree(bc->hash);
	memset(bc, 0, sizeof(*bc));
}
