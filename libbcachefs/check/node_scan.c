// SPDX-License-Identifier: GPL-2.0
/*
 * The pass scan_for_btree_nodes: read the devices for whatever looks like a btree
 * node (spec 21 section 15.2, steps 1 to 3), and hand out what was found.
 *
 * Every byte that is read may be anything: a node counts only after the check that
 * all nodes go through. Memory: one node, and a record for each that was found.
 * Called by the thread that starts the filesystem, before it is writable.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "btree/iter.h"
#include "btree/node_check.h"
#include "btree/trans.h"
#include "check/node_scan.h"
#include "journal/overlay.h"
#include "journal/seq_blacklist.h"
#include "sb/io.h"
#include "sb/members.h"
#include "util/checksum.h"
#include "util/log.h"

struct node_scan {
	struct bch_fs			*c;
	struct btree_trans		*trans;
	struct btree			*b;	/* what is looked at; nobody else's */
	struct btree_node_scratch	*scratch;
	u32				node_sectors;
	darray_found			found;
};

/**
 * bch2_btree_scannable - may a search find nodes of this btree?
 * @btree:	id
 *
 * Those that can be made from others are not looked for; alloc is one of them.
 */
bool bch2_btree_scannable(unsigned btree)
{
	return btree < BTREE_ID_NR_MAX && !btree_id_can_reconstruct(btree);
}

/* --- one place --- */

static bool magic_ok(const struct bch_fs *c, const struct btree_node *n)
{
	__le64 uuid;

	memcpy(&uuid, &c->sb.uuid, sizeof(uuid));
	return le64_to_cpu(n->magic) == (BTREE_NODE_MAGIC_BASE ^ le64_to_cpu(uuid));
}

/* Decrypt what the header says about the node, in place; false: it cannot be known. */
static bool header_unlock(struct bch_fs *c, struct btree_node *n)
{
	const unsigned type = BSET_CSUM_TYPE(&n->keys);

	if (!bch2_csum_type_is_encryption(type))
		return true;
	return c->has_key &&
		!bch2_encrypt(type, bch2_btree_nonce(0, le64_to_cpu(n->keys.seq),
						     le64_to_cpu(n->keys.journal_seq)),
			      &c->chacha20_key, &n->flags, BTREE_NODE_CRYPT_BYTES);
}

/*
 * A first bset that is not valid after a crash was written for a node that did not
 * become part of a btree: its keys are in the node it was to replace.
 */
static bool never_reachable(struct bch_fs *c, const struct btree_node *n)
{
	const u64 guard = le64_to_cpu(n->keys.journal_seq);

	return guard && bch2_journal_seq_is_blacklisted(c, guard, true);
}

/* The bucket's generation; false: it is used for something else by now. */
static bool bucket_ok(struct node_scan *s, struct bch_dev *ca, u64 bucket, u8 *gen)
{
	struct bch_alloc_v4 a = {};
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(s->trans, &iter, BTREE_ID_alloc, POS(ca->dev_idx, bucket),
			     BTREE_ITER_all_snapshots);
	ret = lockrestart_do(s->trans, ({
		k = bch2_btree_iter_peek_slot(&iter);
		if (!bkey_err(k))
			bch2_alloc_to_v4(k, &a);
		bkey_err(k);
	}));
	bch2_trans_iter_exit(&iter);

	/* unknown: counting allocations will tell */
	*gen = ret ? 0 : a.gen;
	if (ret)
		return true;
	switch (a.data_type) {
	case BCH_DATA_sb:
	case BCH_DATA_journal:
	case BCH_DATA_user:
	case BCH_DATA_cached:
	case BCH_DATA_parity:
	case BCH_DATA_stripe:
		return false;
	default:
		return true;
	}
}

static int found_add(struct node_scan *s, struct bch_dev *ca, u64 sector,
		     const struct btree_node_check *n)
{
	const struct btree *b = s->b;
	struct found_node f = {
		.min_key	= b->min_key,
		.max_key	= b->max_key,
		.cookie		= b->seq,
		.journal_seq	= b->journal_seq,
		.generation	= b->generation,
		.sectors_written = n->used_sectors,
		.btree_id	= b->btree_id,
		.level		= b->level,
		.nr_ptrs	= 1,
	};
	u8 gen;

	if (!bucket_ok(s, ca, div64_u64(sector, ca->mi.bucket_size), &gen))
		return 0;
	f.ptrs[0].w = 0;
	SET_EXTENT_PTR_TYPE(&f.ptrs[0], 1);
	SET_EXTENT_PTR_DEV(&f.ptrs[0], ca->dev_idx);
	SET_EXTENT_PTR_OFFSET(&f.ptrs[0], sector);
	SET_EXTENT_PTR_GEN(&f.ptrs[0], gen);
	return darray_push(&s->found, f);
}

/* There is a header of ours at @sector: look at the node. 0, or why there is no going on. */
static int node_try(struct node_scan *s, struct bch_dev *ca, u64 sector)
{
	struct bch_fs *c = s->c;
	struct btree *b = s->b;
	struct btree_node_check n = {
		.c		= c,
		.b		= b,
		.mode		= NODE_CHECK_scan,
		.ptr		= { .v2 = true, .seq = le64_to_cpu(b->data->keys.seq) },
		.node_sectors	= s->node_sectors,
		.block_sectors	= bch2_block_sectors(c),
		.scratch	= s->scratch,
	};
	int ret;

	if (!header_unlock(c, b->data) || never_reachable(c, b->data))
		return 0;
	if (BTREE_NODE_ID(b->data) >= BTREE_ID_NR_MAX ||
	    !bch2_btree_scannable(BTREE_NODE_ID(b->data)) ||
	    BTREE_NODE_LEVEL(b->data) >= BTREE_MAX_DEPTH)
		return 0;
	b->btree_id	= BTREE_NODE_ID(b->data);
	b->level	= BTREE_NODE_LEVEL(b->data);

	/* the pointer there would be, as good as its header knows */
	n.ptr.min_key	= b->data->min_key;
	n.ptr_pos	= b->data->max_key;
	bch2_btree_range_compat_read(b->btree_id, le16_to_cpu(b->data->keys.version),
				     &n.ptr.min_key, &n.ptr_pos);

	ret = bch2_bdev_read(ca->disk_sb.bdev, sector, b->data, (size_t) s->node_sectors << 9);
	if (ret)
		return bch2_err_matches(ret, ENOMEM) ? ret : 0;
	memset((u8 *) b->data + ((size_t) s->node_sectors << 9), 0, BTREE_NODE_SPARE_BYTES);

	ret = bch2_btree_node_check(&n);
	if (ret)
		return bch2_err_matches(ret, ENOMEM) ? ret : 0;
	if (bpos_ge(b->min_key, b->max_key) || !n.used_sectors)
		return 0;
	return found_add(s, ca, sector, &n);
}

/* --- devices --- */

/* Was anything in these sectors ever marked as having btree nodes? */
static bool region_marked(const struct bch_fs *c, const struct bch_dev *ca, u64 start, u64 end)
{
	const u8 shift = ca->mi.btree_bitmap_shift;
	u64 first, last;

	if (c->sb.version_upgrade_complete < bcachefs_metadata_version_mi_btree_bitmap)
		return true;
	if (shift >= 64)
		return false;
	first	= start >> shift;
	last	= min_t(u64, (end - 1) >> shift, 63);
	return first < 64 &&
		(ca->mi.btree_allocated_bitmap & (~0ULL << first) & (~0ULL >> (63 - last)));
}

static int bucket_scan(struct node_scan *s, struct bch_dev *ca, u64 bucket)
{
	struct bch_fs *c = s->c;
	const u64 start = bucket * ca->mi.bucket_size;
	int ret = 0;

	for (u32 at = 0; !ret && at + s->node_sectors <= ca->mi.bucket_size;
	     at += s->node_sectors) {
		ret = bch2_bdev_read(ca->disk_sb.bdev, start + at, s->b->data,
				     bch2_block_bytes(c));
		if (!ret && magic_ok(c, s->b->data))
			ret = node_try(s, ca, start + at);
		/* what cannot be read is not there */
		if (!bch2_err_matches(ret, ENOMEM))
			ret = 0;
	}
	return ret;
}

static int dev_scan(struct node_scan *s, struct bch_dev *ca)
{
	const struct bch_fs *c = s->c;
	int ret = 0;

	if (!(ca->mi.data_allowed & (1U << BCH_DATA_btree)) || !ca->mi.bucket_size)
		return 0;
	for (u64 bucket = ca->mi.first_bucket; !ret && bucket < ca->mi.nbuckets; bucket++) {
		const u64 start = bucket * ca->mi.bucket_size;

		if (!region_marked(c, ca, start, start + ca->mi.bucket_size))
			continue;
		ret = bch2_trans_interrupted(s->trans) ?: bucket_scan(s, ca, bucket);
	}
	return ret;
}

static int scan(struct node_scan *s, darray_found *table)
{
	struct bch_fs *c = s->c;
	int ret;

	for_each_online_member(c, ca) {
		ret = dev_scan(s, ca);
		if (ret)
			return ret;
	}
	if (!s->found.nr) {
		bch_err(c, "no btree nodes found on any device");
		return -BCH_ERR_EINVAL_node_scan_no_nodes;
	}
	ret = bch2_found_nodes_merge(&s->found);
	if (ret)
		return ret;
	bch2_found_nodes_sort(&s->found);
	ret = bch2_found_nodes_resolve(&s->found, table);
	if (!ret)
		bch_notice(c, "found %zu btree nodes, %zu ranges of them are the newest",
			   s->found.nr, table->nr);
	return ret;
}

/**
 * bch2_scan_for_btree_nodes - the pass
 * @c:	filesystem; only readable
 *
 * Does nothing when it has run in this start.
 *
 * Return: 0; -BCH_ERR_EINVAL_node_scan_no_nodes; -ENOMEM; or that it was interrupted.
 */
int bch2_scan_for_btree_nodes(struct bch_fs *c)
{
	struct node_scan s = {
		.c		= c,
		.node_sectors	= c->opts.btree_node_size >> 9,
	};
	struct found_nodes *table;
	int ret = -BCH_ERR_ENOMEM_btree_node_mem;

	if (c->found_nodes)
		return 0;

	table		= kzalloc(sizeof(*table), GFP_KERNEL);
	s.b		= bch2_btree_node_mem_alloc(c);
	s.scratch	= bch2_node_scratch_alloc(c->opts.btree_node_size, bch2_block_bytes(c));
	if (table && s.b && s.scratch) {
		s.trans = bch2_trans_get(c);
		ret = PTR_ERR_OR_ZERO(s.trans);
		if (!ret) {
			ret = scan(&s, &table->d);
			bch2_trans_put(s.trans);
		}
	}
	if (!ret)
		swap(c->found_nodes, table);
	if (table)
		darray_exit(&table->d);
	kfree(table);
	darray_exit(&s.found);
	bch2_node_scratch_free(s.scratch);
	if (s.b)
		bch2_btree_node_put(c, s.b);
	return ret;
}

/**
 * bch2_found_nodes_exit - forget what was found
 * @c:	filesystem
 */
void bch2_found_nodes_exit(struct bch_fs *c)
{
	if (c->found_nodes)
		darray_exit(&c->found_nodes->d);
	kfree(c->found_nodes);
	c->found_nodes = NULL;
}

/* --- what was found --- */

static struct found_node *found_at(struct bch_fs *c, size_t i, unsigned btree, unsigned level)
{
	struct found_node *f;

	if (!c->found_nodes || i >= c->found_nodes->d.nr)
		return NULL;
	f = &c->found_nodes->d.data[i];
	return f->btree_id == btree && f->level == level ? f : NULL;
}

static size_t found_search(struct bch_fs *c, unsigned btree, unsigned level, struct bpos pos)
{
	return c->found_nodes ? bch2_found_nodes_search(&c->found_nodes->d, btree, level, pos) : 0;
}

/**
 * bch2_found_any_leaf - were leaves of a btree found?
 * @c:		filesystem
 * @btree:	id
 */
bool bch2_found_any_leaf(struct bch_fs *c, unsigned btree)
{
	return found_at(c, found_search(c, btree, 0, POS_MIN), btree, 0);
}

/**
 * bch2_found_newer - was something found that replaces a node?
 * @c:		filesystem
 * @btree:	id
 * @b:		node
 *
 * A node of a larger generation that was made of this one knows all that it knew.
 * One with a smaller guard is not such: it was written for an update that a crash
 * has prevented, and the old node has gone on.
 */
bool bch2_found_newer(struct bch_fs *c, unsigned btree, const struct btree *b)
{
	size_t i = found_search(c, btree, b->level, b->min_key);
	const struct found_node *f;

	while ((f = found_at(c, i++, btree, b->level)) && bpos_le(f->min_key, b->max_key))
		if (f->generation > b->generation && f->journal_seq >= b->journal_seq &&
		    f->cookie != b->seq)
			return true;
	return false;
}

/**
 * bch2_found_leaf_at - does a position belong to a certain leaf, as found?
 * @c:		filesystem
 * @btree:	id
 * @cookie:	the leaf's
 * @pos:	position
 * @end:	gets the last position behind it that does
 */
bool bch2_found_leaf_at(struct bch_fs *c, unsigned btree, u64 cookie, struct bpos pos,
			struct bpos *end)
{
	const struct found_node *f = found_at(c, found_search(c, btree, 0, pos), btree, 0);

	if (!f || f->cookie != cookie || bpos_gt(f->min_key, pos))
		return false;
	*end = f->max_key;
	return true;
}

static int leaf_insert(struct bch_fs *c, const struct found_node *f, struct bpos start,
		       struct bpos end)
{
	__BKEY_PADDED(k, BKEY_BTREE_PTR_VAL_U64s_MAX) ptr;
	struct bch_btree_ptr_v2 *v = (void *) &ptr.k.v;

	memset(&ptr, 0, sizeof(ptr));
	bkey_init(&ptr.k.k);
	ptr.k.k.type	= KEY_TYPE_btree_ptr_v2;
	ptr.k.k.p	= end;
	ptr.k.k.u64s	= BKEY_U64s + sizeof(*v) / sizeof(u64) + f->nr_ptrs;
	v->seq		= cpu_to_le64(f->cookie);
	v->sectors_written = cpu_to_le16(f->sectors_written);
	v->min_key	= start;
	SET_BTREE_PTR_RANGE_UPDATED(v, f->range_updated || !bpos_eq(start, f->min_key) ||
				    !bpos_eq(end, f->max_key));
	memcpy(v->start, f->ptrs, f->nr_ptrs * sizeof(f->ptrs[0]));
	return bch2_journal_key_insert(c, f->btree_id, 1, &ptr.k);
}

/**
 * bch2_found_leaves_insert - pointers to the leaves that were found in a range
 * @c:		filesystem; only readable
 * @btree:	id
 * @start:	first position
 * @end:	last position
 * @except:	cookies of two leaves that are in the btree; their own pointers have to
 *		do. NULL: none
 * @nr:		the number of pointers is added
 *
 * Into the overlay, as keys of level 1, each leaf once: what does not stay there is
 * not brought back.
 *
 * Return: 0 or -ENOMEM.
 */
int bch2_found_leaves_insert(struct bch_fs *c, unsigned btree, struct bpos start,
			     struct bpos end, const u64 *except, u64 *nr)
{
	size_t i = found_search(c, btree, 0, start);
	struct found_node *f;

	while ((f = found_at(c, i++, btree, 0)) && bpos_le(f->min_key, end)) {
		const struct bpos min = bpos_max(f->min_key, start);
		const struct bpos max = bpos_min(f->max_key, end);
		int ret;

		if (f->used || bpos_ge(min, max) ||
		    (except && (f->cookie == except[0] || f->cookie == except[1])))
			continue;
		ret = leaf_insert(c, f, min, max);
		if (ret)
			return ret;
		f->used = true;
		++*nr;
	}
	return 0;
}
