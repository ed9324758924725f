// SPDX-License-Identifier: GPL-2.0
/*
 * The node cache and the roots of all btrees (spec 21 section 4, 31 section 6).
 *
 * Invariant: a node is in the hash table exactly once per (identity, sectors
 * written, btree, level); it is freed only when nobody has pinned it and no read of it is under
 * way. cache.lock covers the table, pins and accounting and is never held over
 * I/O; b->lock covers filling one node. A node's contents do not change after its
 * state became ready.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "btree/extent_entries.h"
#include "btree/node_check.h"
#include "btree/read.h"
#include "util/log.h"
#include "util/printbuf.h"

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
	return sizeof(*b) + b->buf_bytes + (u64) b->nr_keys * sizeof(*b->idx);
}

static void node_free(struct btree *b)
{
	bch2_btree_node_read_drop(b);
	kvfree(b->data);
	kvfree(b->idx);
	mutex_destroy(&b->lock);
	kfree(b);
}

/* @k: a pointer that passed validation, or NULL for a fake root */
static struct btree *node_alloc(const struct bkey_i *k, u64 hash_val, unsigned level,
				unsigned btree)
{
	struct btree *b = kzalloc(sizeof(*b), GFP_KERNEL);

	if (!b)
		return NULL;
	mutex_init(&b->lock);
	INIT_LIST_HEAD(&b->hash_list);
	INIT_LIST_HEAD(&b->lru);
	b->hash_val	= hash_val;
	b->btree_id	= btree;
	b->level	= level;
	b->pins		= 1;
	if (k)
		bkey_copy(&b->key, k);
	return b;
}

static struct list_head *hash_head(struct btree_cache *bc, u64 hash_val)
{
	return &bc->hash[hash_64(hash_val, BTREE_CACHE_HASH_BITS)];
}

/*
 * The node that @k points to. A pointer that knows of more bsets than the node was
 * read with is another one: an older version of the pointer led to that.
 */
static struct btree *hash_find(struct btree_cache *bc, const struct bkey_i *k, unsigned level,
			       unsigned btree)
{
	const u64 hash_val = bch2_btree_ptr_hash_val(k);
	const u16 written = bch2_btree_ptr_info(k).sectors_written;
	struct btree *b;

	list_for_each_entry(b, hash_head(bc, hash_val), hash_list)
		if (b->hash_val == hash_val && b->level == level && b->btree_id == btree &&
		    bch2_btree_ptr_info(&b->key).sectors_written == written)
			return b;
	return NULL;
}

static void node_insert(struct btree_cache *bc, struct btree *b)
{
	list_add(&b->hash_list, hash_head(bc, b->hash_val));
	list_add_tail(&b->lru, &bc->clock);
	bc->bytes += node_bytes(b);
	bc->nr_nodes++;
}

static bool node_evictable(struct btree *b)
{
	return !b->pins && !test_bit(BTREE_NODE_permanent, &b->flags) &&
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
		list_del(&b->lru);
		list_del(&b->hash_list);
		bc->bytes -= node_bytes(b);
		bc->nr_nodes--;
		bc->nr_evicted++;
		node_free(b);
	}
}

/* Account for what filling @b took. */
static void node_filled(struct btree_cache *bc, struct btree *b, u64 bytes_before, int err)
{
	mutex_lock(&bc->lock);
	bc->bytes += node_bytes(b) - bytes_before;
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
	b = hash_find(bc, k, level, btree);
	if (b) {
		b->pins++;
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

/*
 * Read the node unless it was tried before. What is wrong with the node is
 * remembered; want of memory says nothing about it, so that the next one tries again.
 */
static int node_fill(struct bch_fs *c, struct btree *b)
{
	int ret = 0;
	u64 before;

	mutex_lock(&b->lock);
	if (b->state >= BTREE_NODE_ready)
		goto out;
	before = node_bytes(b);
	ret = bch2_btree_node_read(c, b);
	if (ret) {
		kvfree(b->data);
		b->data		= NULL;
		b->buf_bytes	= 0;
	}
	node_filled(&c->btree.cache, b, before, ret);
	if (!bch2_err_matches(ret, ENOMEM)) {
		b->error = ret;
		smp_store_release(&b->state, ret ? BTREE_NODE_failed : BTREE_NODE_ready);
	}
out:
	mutex_unlock(&b->lock);
	return ret;
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

static struct btree *node_get(struct bch_fs *c, const struct bkey_i *k, unsigned level,
			      unsigned btree, bool nofill)
{
	struct btree *b;
	int ret = 0;

	if (!is_btree_ptr(k) || level >= BTREE_MAX_DEPTH)
		return ERR_PTR(-BCH_ERR_btree_topology);
	b = node_find_or_insert(c, k, level, btree);
	if (!b)
		return ERR_PTR(-BCH_ERR_ENOMEM_btree_node_mem);

	if (smp_load_acquire(&b->state) < BTREE_NODE_ready && !nofill)
		ret = node_fill(c, b);
	if (!test_bit(BTREE_NODE_accessed, &b->flags))
		set_bit(BTREE_NODE_accessed, &b->flags);

	switch (smp_load_acquire(&b->state)) {
	case BTREE_NODE_ready:
		ret = node_ptr_check(b, k);
		break;
	case BTREE_NODE_failed:
		ret = b->error;
		break;
	default:
		ret = ret ?: -EAGAIN;
	}
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
 * bch2_btree_node_prefetch - begin reading a node that will be wanted soon
 *
 * Does not wait. False if the cache is full of nodes in use: come back later.
 */
bool bch2_btree_node_prefetch(struct bch_fs *c, const struct bkey_i *k,
			      unsigned level, unsigned btree)
{
	struct btree_cache *bc = &c->btree.cache;
	const u64 hash_val = bch2_btree_ptr_hash_val(k);
	const u64 estimate = sizeof(struct btree) + c->opts.btree_node_size;
	struct btree *b;
	bool room;

	if (!is_btree_ptr(k) || level >= BTREE_MAX_DEPTH)
		return true;

	mutex_lock(&bc->lock);
	if (hash_find(bc, k, level, btree)) {
		mutex_unlock(&bc->lock);
		return true;
	}
	cache_shrink(bc, estimate);
	room = bc->bytes + estimate <= bc->bytes_max;
	b = room ? node_alloc(k, hash_val, level, btree) : NULL;
	if (b) {
		/* Not in the table yet: nobody else can touch it. */
		bch2_btree_node_read_start(c, b);
		set_bit(BTREE_NODE_accessed, &b->flags);
		b->pins = 0;
		node_insert(bc, b);
		bc->nr_prefetched++;
	}
	mutex_unlock(&bc->lock);
	return room;
}

/** bch2_btree_node_pin - one more user of a node that is pinned already */
void bch2_btree_node_pin(struct bch_fs *c, struct btree *b)
{
	mutex_lock(&c->btree.cache.lock);
	b->pins++;
	mutex_unlock(&c->btree.cache.lock);
}

/** bch2_btree_node_put - the node is not used any more by this user */
void bch2_btree_node_put(struct bch_fs *c, struct btree *b)
{
	mutex_lock(&c->btree.cache.lock);
	b->pins--;
	mutex_unlock(&c->btree.cache.lock);
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
	r->b		= b;
	r->error	= 0;
	r->fake		= false;
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

	r->b		= b;
	r->level	= level;
	r->fake		= true;
	r->error	= 0;
	return 0;
}

/**
 * bch2_btree_root_get - the root of a btree, pinned once more
 *
 * NULL if there is no such btree here; ERR_PTR if its root is unreadable.
 */
struct btree *bch2_btree_root_get(struct bch_fs *c, unsigned btree)
{
	struct btree_root *r;

	if (btree >= BTREE_ID_NR_MAX)
		return NULL;
	r = &c->btree.roots[btree];
	if (!r->b)
		return r->error ? ERR_PTR(r->error) : NULL;
	bch2_btree_node_pin(c, r->b);
	return r->b;
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
