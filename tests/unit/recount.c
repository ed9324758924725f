// SPDX-License-Identifier: GPL-2.0
/*
 * The recount: marks all keys with the triggers' arithmetic, then compares
 * buckets, stripes, reference counts and counters with what is stored; and
 * collects, with the functions that triggers place index entries by, what every
 * index btree should hold.
 *
 * What versions before 1.38 did otherwise is left out of the comparison by
 * version, never by what is found (spec 43 §14.7).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keys_common.h"
#include "recount.h"

#include "alloc/accounting.h"
#include "alloc/accounting_live.h"
#include "alloc/alloc_keys.h"
#include "alloc/backpointers.h"
#include "alloc/bucket_gens.h"
#include "alloc/freespace.h"
#include "alloc/gc.h"
#include "alloc/lru.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "data/reconcile.h"
#include "data/reflink.h"
#include "data/stripes.h"
#include "fs/inode.h"
#include "sb/members.h"
#include "snapshots/subvolume.h"

#define PRINT_MAX	20

struct entry {
	unsigned		btree;
	struct bpos		pos;
	struct bch_backpointer	v;	/* zero where the value is empty */
};

struct entries {
	struct entry		*d;
	size_t			nr, size;
};

struct ctx {
	struct bch_fs		*c;
	struct btree_trans	*trans;
	struct recount		*r;
	unsigned		shift;
	unsigned		version;
	struct entries		want, have;
};

static __printf(2, 3) void bad(struct ctx *x, const char *fmt, ...)
{
	va_list args;

	if (x->r->bad++ >= PRINT_MAX)
		return;
	va_start(args, fmt);
	printf("  ");
	vprintf(fmt, args);
	printf("\n");
	va_end(args);
}

/* --- index entries --- */

static void entry_add(struct entries *l, unsigned btree, struct bpos pos,
		      const struct bch_backpointer *v)
{
	if (l->nr == l->size) {
		l->size = l->size ? l->size * 2 : 4096;
		l->d = realloc(l->d, l->size * sizeof(*l->d));
		assert_non_null(l->d);
	}
	memset(&l->d[l->nr], 0, sizeof(l->d[l->nr]));
	l->d[l->nr].btree = btree;
	l->d[l->nr].pos = pos;
	if (v)
		l->d[l->nr].v = *v;
	l->nr++;
}

static int entry_cmp(const void *l, const void *r)
{
	const struct entry *a = l, *b = r;

	if (a->btree != b->btree)
		return a->btree < b->btree ? -1 : 1;
	return bpos_cmp(a->pos, b->pos) ?: memcmp(&a->v, &b->v, sizeof(a->v));
}

static void entries_compare(struct ctx *x)
{
	struct entries *w = &x->want, *h = &x->have;
	size_t i = 0, j = 0;

	qsort(w->d, w->nr, sizeof(*w->d), entry_cmp);
	qsort(h->d, h->nr, sizeof(*h->d), entry_cmp);
	x->r->entries += w->nr;
	while (i < w->nr || j < h->nr) {
		const int cmp = i == w->nr ? 1 : j == h->nr ? -1 : entry_cmp(&w->d[i], &h->d[j]);
		const struct entry *e = cmp <= 0 ? &w->d[i] : &h->d[j];

		if (cmp)
			bad(x, "%s %llu:%llu:%u: %s (btree %u level %u type %u gen %u len %u "
			    "flags %u)", bch2_btree_id_name(e->btree), (u64) e->pos.inode,
			    (u64) e->pos.offset, e->pos.snapshot,
			    cmp < 0 ? "missing" : "surplus", e->v.btree_id, e->v.level,
			    e->v.data_type, e->v.bucket_gen, le32_to_cpu(e->v.bucket_len),
			    le32_to_cpu(e->v.flags));
		i += cmp <= 0;
		j += cmp >= 0;
	}
	free(w->d);
	free(h->d);
}

static bool dead_backpointer(struct ctx *x, struct bkey_s_c k, const struct bch_backpointer *v)
{
	const struct bch_dev *ca = bch2_dev(x->c, k.k->p.inode);
	const struct bucket_gc *g;

	if (!ca)
		return true;
	g = bch2_gc_bucket(x->c, ca->dev_idx,
			   backpointer_pos_sector(k.k->p, x->shift) / ca->mi.bucket_size);
	return !g || (x->version >= BCH_VERSION(1, 14) && g->gen != v->bucket_gen);
}

/* What older versions did not write is not compared. */
static void backpointer_mask(struct ctx *x, struct bch_backpointer *v)
{
	if (x->version < BCH_VERSION(1, 33))
		v->flags = 0;
	if (x->version < BCH_VERSION(1, 14))
		v->bucket_gen = 0;
}

static int read_index(struct ctx *x, unsigned btree)
{
	return for_each_btree_key(x->trans, iter, btree, POS_MIN, BTREE_ITER_all_snapshots, k, ({
		if (k.k->type == KEY_TYPE_backpointer) {
			struct bch_backpointer v;

			bkey_val_copy(&v, k);
			if (btree != BTREE_ID_backpointers || !dead_backpointer(x, k, &v)) {
				backpointer_mask(x, &v);
				entry_add(&x->have, btree, k.k->p, &v);
			}
		} else if (k.k->type == KEY_TYPE_set) {
			struct bpos p = k.k->size ? bkey_start_pos(k.k) : k.k->p;

			do {
				entry_add(&x->have, btree, p, NULL);
				p.offset++;
			} while (bpos_lt(p, k.k->p));
		}
		0;
	}));
}

static void want_backpointers(struct ctx *x, unsigned btree, unsigned level, struct bkey_s_c k)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(x->c, k);
	const union bch_extent_entry *e;
	struct extent_ptr_decoded p;

	bkey_for_each_ptr_decode(k.k, ptrs, p, e) {
		const unsigned dev = EXTENT_PTR_DEV(&p.ptr);
		const struct bch_dev *ca = bch2_dev(x->c, dev);
		struct backpointer_key bp;
		const struct bucket_gc *g;

		if (!ca && !(p.has_ec && dev == BCH_SB_MEMBER_INVALID))
			continue;
		g = ca ? bch2_gc_bucket(x->c, dev, sector_to_bucket(ca, EXTENT_PTR_OFFSET(&p.ptr)))
		       : NULL;
		if (EXTENT_PTR_CACHED(&p.ptr) &&
		    (x->version < BCH_VERSION(1, 21) || !g || g->gen != EXTENT_PTR_GEN(&p.ptr)))
			continue;
		if (k.k->type == KEY_TYPE_stripe && x->version < BCH_VERSION(1, 22))
			continue;

		bp = bch2_ptr_to_backpointer(x->c, btree, level, k, &p, x->shift);
		backpointer_mask(x, &bp.v);
		entry_add(&x->want, bp.stripe_btree ? BTREE_ID_stripe_backpointers
						    : BTREE_ID_backpointers, bp.pos, &bp.v);
		if (BACKPOINTER_RECONCILE_PHYS(&bp.v))
			entry_add(&x->want, bch2_reconcile_class_btree(
					BACKPOINTER_RECONCILE_PHYS(&bp.v), true), bp.pos, NULL);
	}
}

static void want_stripe(struct ctx *x, struct bkey_s_c k)
{
	struct stripe_geometry g;
	u64 time;

	if (bch2_stripe_geometry(k, &g)) {
		bad(x, "stripe %llu is not valid", (u64) k.k->p.offset);
		return;
	}
	time = bch2_stripe_lru_idx(k, &g);
	if (time && x->version >= BCH_VERSION(1, 23))
		entry_add(&x->want, BTREE_ID_lru, lru_pos(BCH_LRU_STRIPES, k.k->p.offset, time),
			  NULL);
	for (unsigned i = 0; i < g.nr_blocks; i++) {
		const struct bch_extent_ptr *p = bch2_stripe_ptr(k, &g, i);
		const struct bch_dev *ca = bch2_dev(x->c, EXTENT_PTR_DEV(p));

		if (ca && x->version >= BCH_VERSION(1, 35))
			entry_add(&x->want, BTREE_ID_bucket_to_stripe,
				  POS(bucket_to_u64(POS(ca->dev_idx,
					sector_to_bucket(ca, EXTENT_PTR_OFFSET(p)))),
				      k.k->p.offset), NULL);
	}
}

static void want_of_key(struct ctx *x, unsigned btree, unsigned level, struct bkey_s_c k)
{
	static struct bch_inode_unpacked inode;
	struct bch_subvolume s;
	int class;

	if (bkey_type_has_ptrs(k.k->type)) {
		want_backpointers(x, btree, level, k);
		class = bch2_reconcile_class_btree(bch2_bkey_reconcile_class(x->c, k), false);
		if (!level && class >= 0 && x->version >= BCH_VERSION(1, 33))
			entry_add(&x->want, class, bch2_reconcile_work_pos(btree, k.k->p), NULL);
	}
	if (level)
		return;
	if (k.k->type == KEY_TYPE_stripe)
		want_stripe(x, k);
	if (bkey_is_inode(k.k) && !bch2_inode_unpack(k, &inode) && bch2_inode_is_dead(&inode))
		entry_add(&x->want, BTREE_ID_deleted_inodes, k.k->p, NULL);
	if (k.k->type == KEY_TYPE_subvolume) {
		bch2_subvolume_val(k, &s);
		if (s.fs_path_parent)
			entry_add(&x->want, BTREE_ID_subvolume_children,
				  POS(le32_to_cpu(s.fs_path_parent), k.k->p.offset), NULL);
	}
}

static int visit(struct btree_trans *trans, enum btree_id btree, unsigned level,
		 struct bkey_s_c k, void *arg)
{
	want_of_key(arg, btree, level, k);
	return 0;
}

/* --- buckets --- */

static void want_of_bucket(struct ctx *x, struct bch_dev *ca, u64 b, const struct bch_alloc_v4 *a)
{
	const struct bpos bucket = POS(ca->dev_idx, b);
	const u64 read = bch2_alloc_lru_idx_read(a);
	const u64 frag = bch2_alloc_lru_idx_fragmentation(a, ca->mi.bucket_size);

	if (a->data_type == BCH_DATA_free && ca->mi.freespace_initialized)
		entry_add(&x->want, BTREE_ID_freespace, bch2_freespace_pos(bucket, a), NULL);
	if (a->data_type == BCH_DATA_need_discard)
		entry_add(&x->want, BTREE_ID_need_discard,
			  bch2_need_discard_pos(bch2_need_discard_by_seq(x->c), bucket,
						le64_to_cpu(a->journal_seq_empty)), NULL);
	if (read)
		entry_add(&x->want, BTREE_ID_lru,
			  lru_pos(ca->dev_idx, bucket_to_u64(bucket), read), NULL);
	if (frag)
		entry_add(&x->want, BTREE_ID_lru,
			  lru_pos(BCH_LRU_FRAGMENTATION_START, bucket_to_u64(bucket), frag), NULL);
}

static void bucket_compare(struct ctx *x, struct bch_dev *ca, u64 b,
			   const struct bch_alloc_v4 *old, u8 indexed_gen)
{
	struct bch_alloc_v4 n;

	assert_int_equal(bch2_gc_bucket_finish(x->trans, ca, b, old, &n), 0);
	x->r->buckets++;
	if (old->gen != n.gen || old->data_type != n.data_type ||
	    old->dirty_sectors != n.dirty_sectors || old->cached_sectors != n.cached_sectors ||
	    old->stripe_sectors != n.stripe_sectors)
		bad(x, "bucket %u:%llu: type %u gen %u dirty %u cached %u stripe %u, "
		    "counted %u %u %u %u %u", ca->dev_idx, b, old->data_type, old->gen,
		    le32_to_cpu(old->dirty_sectors), le32_to_cpu(old->cached_sectors),
		    le32_to_cpu(old->stripe_sectors), n.data_type, n.gen,
		    le32_to_cpu(n.dirty_sectors), le32_to_cpu(n.cached_sectors),
		    le32_to_cpu(n.stripe_sectors));
	if (indexed_gen != old->gen)
		bad(x, "bucket %u:%llu: gen %u, %u in bucket_gens", ca->dev_idx, b, old->gen,
		    indexed_gen);
	want_of_bucket(x, ca, b, old);
}

static int buckets_compare(struct ctx *x, struct bch_dev *ca)
{
	const struct bpos end = POS(ca->dev_idx, U64_MAX);
	struct bch_alloc_v4 *a = calloc(ca->mi.nbuckets, sizeof(*a));
	u8 *gens = calloc(ca->mi.nbuckets, 1);
	int ret;

	assert_non_null(a);
	assert_non_null(gens);
	for (u64 b = 0; b < ca->mi.nbuckets; b++)
		SET_BCH_ALLOC_V4_BACKPOINTERS_START(a + b, BCH_ALLOC_V4_U64s);
	ret = for_each_btree_key_max(x->trans, iter, BTREE_ID_alloc, POS(ca->dev_idx, 0), end, 0,
				     k, ({
		if (k.k->p.offset < ca->mi.nbuckets)
			bch2_alloc_to_v4(k, a + k.k->p.offset);
		else
			bad(x, "alloc key for bucket %u:%llu", ca->dev_idx, (u64) k.k->p.offset);
		0;
	}));
	ret = ret ?: for_each_btree_key_max(x->trans, iter, BTREE_ID_bucket_gens,
					    POS(ca->dev_idx, 0), end, 0, k, ({
		struct bch_bucket_gens g;

		bkey_val_copy(&g, k);
		for (unsigned i = 0; i < KEY_TYPE_BUCKET_GENS_NR; i++) {
			const u64 b = bucket_gens_pos_to_bucket(k.k->p, i).offset;

			if (b < ca->mi.nbuckets)
				gens[b] = g.gens[i];
			else if (g.gens[i])
				bad(x, "bucket_gens for bucket %u:%llu", ca->dev_idx, b);
		}
		0;
	}));
	for (u64 b = ca->mi.first_bucket; !ret && b < ca->mi.nbuckets; b++)
		bucket_compare(x, ca, b, a + b, gens[b]);
	free(a);
	free(gens);
	return ret;
}

/* --- stripes, references --- */

static void stripe_compare(struct ctx *x, struct bkey_s_c k)
{
	const struct gc_stripe *s = bch2_gc_stripe(x->c, k.k->p.offset);
	struct stripe_geometry g;

	if (k.k->type != KEY_TYPE_stripe || bch2_stripe_geometry(k, &g))
		return;
	x->r->stripes++;
	for (unsigned i = 0; i < g.nr_blocks; i++)
		if (bch2_stripe_block_sectors(k, &g, i) != (s ? s->block_sectors[i] : 0))
			bad(x, "stripe %llu block %u: %u sectors, counted %u",
			    (u64) k.k->p.offset, i, bch2_stripe_block_sectors(k, &g, i),
			    s ? s->block_sectors[i] : 0);
}

static void indirect_compare(struct ctx *x, struct bkey_s_c k)
{
	const struct gc_indirect *e;

	if (!bkey_is_indirect(k.k))
		return;
	e = bch2_gc_indirect(x->c, k.k->p.offset - 1);
	x->r->indirect++;
	if (!e || e->end != k.k->p.offset || e->refs != bch2_indirect_refcount(k))
		bad(x, "shared extent %llu: %llu references, counted %llu", (u64) k.k->p.offset,
		    bch2_indirect_refcount(k), e ? e->refs : 0);
}

static int keys_compare(struct ctx *x)
{
	return for_each_btree_key(x->trans, iter, BTREE_ID_stripes, POS_MIN, 0, k, ({
		stripe_compare(x, k);
		0;
	})) ?: for_each_btree_key(x->trans, iter, BTREE_ID_reflink, POS_MIN, 0, k, ({
		indirect_compare(x, k);
		0;
	}));
}

/* --- counters --- */

static bool counter_compared(struct ctx *x, const struct disk_accounting_pos *acc, unsigned i)
{
	switch (acc->type) {
	case BCH_DISK_ACCOUNTING_rebalance_work:	/* no trigger any more */
		return false;
	case BCH_DISK_ACCOUNTING_btree:
		return !i || x->version >= BCH_VERSION(1, 31);
	default:
		return true;
	}
}

static void counter_print(struct ctx *x, const struct accounting_mem_entry *e, const u64 *have)
{
	struct printbuf buf = PRINTBUF;

	bch2_accounting_name_to_text(&buf, x->c, &e->acc);
	bad(x, "%s: %lli %lli %lli, counted %lli %lli %lli", printbuf_str(&buf),
	    (long long) have[0], (long long) have[1], (long long) have[2],
	    (long long) atomic64_read(&e->v[BCH_ACCOUNTING_gc][0]),
	    (long long) atomic64_read(&e->v[BCH_ACCOUNTING_gc][1]),
	    (long long) atomic64_read(&e->v[BCH_ACCOUNTING_gc][2]));
	printbuf_exit(&buf);
}

/* Mirrored types: the mirror. The others: put into the live set by the test itself. */
static int counter_compare(struct bch_fs *c, struct accounting_mem_entry *e, void *arg)
{
	struct ctx *x = arg;
	u64 have[BCH_ACCOUNTING_MAX_COUNTERS];
	bool same = true;

	x->r->counters++;
	for (unsigned i = 0; i < BCH_ACCOUNTING_MAX_COUNTERS; i++) {
		have[i] = atomic64_read(&e->v[BCH_ACCOUNTING_live][i]);
		if (counter_compared(x, &e->acc, i))
			same &= have[i] == (u64) atomic64_read(&e->v[BCH_ACCOUNTING_gc][i]);
	}
	if (!same)
		counter_print(x, e, have);
	return 0;
}

/* Counters that exist only in the btree: both sets of a name have them for a moment. */
static int add_unmirrored(struct ctx *x)
{
	return for_each_btree_key(x->trans, iter, BTREE_ID_accounting, POS_MIN,
				  BTREE_ITER_all_snapshots, k, ({
		struct accounting_mem_entry e;
		s64 v[BCH_ACCOUNTING_MAX_COUNTERS] = {};
		struct disk_accounting_pos acc;
		struct bpos pos;

		bch2_accounting_pos_decode(&acc, k.k->p, bch2_accounting_pos_reversed(x->c));
		pos = bch2_accounting_pos_encode(&acc);
		if (acc.type < BCH_DISK_ACCOUNTING_TYPE_NR && !bch2_accounting_is_mem(acc.type) &&
		    !bch2_accounting_key_is_zero(k)) {
			for (unsigned i = 0; i < ARRAY_SIZE(v); i++)
				v[i] = bch2_accounting_counter(k, i);
			if (bch2_accounting_mem_next(x->c, pos, &e) && bpos_eq(e.pos, pos))
				bch2_accounting_mem_set(x->c, pos, v);
			else
				bad(x, "counter of type %u inum %llu, nothing counted", acc.type,
				    (u64) le64_to_cpu(acc.inum.inum));
		}
		0;
	}));
}

/* --- all --- */

static const unsigned index_btrees[] = {
	BTREE_ID_lru, BTREE_ID_freespace, BTREE_ID_need_discard, BTREE_ID_backpointers,
	BTREE_ID_deleted_inodes, BTREE_ID_subvolume_children, BTREE_ID_reconcile_hipri,
	BTREE_ID_reconcile_pending, BTREE_ID_reconcile_work_phys, BTREE_ID_reconcile_hipri_phys,
	BTREE_ID_bucket_to_stripe, BTREE_ID_stripe_backpointers,
};

/**
 * recount_check - compare all that is derived with what it is derived from
 * @c:		started filesystem; only read
 * @r:		result, zeroed by the caller; differences are printed
 *
 * Returns 0, or an error of the walk.
 */
int recount_check(struct bch_fs *c, struct recount *r)
{
	struct ctx x = { .c = c, .r = r, .version = c->sb.version_upgrade_complete };
	int ret;

	c->accounting.gc_all = true;
	x.trans = bch2_trans_get(c);
	assert_false(IS_ERR(x.trans));
	ret =   bch2_backpointer_shift_detect(x.trans, &x.shift) ?:
		bch2_gc_alloc(c) ?:
		bch2_gc_count(x.trans) ?:
		bch2_gc_walk(x.trans, BCH_GC_WALK_all_leaves, visit, &x);
	for_each_member_device(c, ca)
		ret = ret ?: buckets_compare(&x, ca);
	ret = ret ?: keys_compare(&x);

	for (unsigned i = 0; !ret && i < ARRAY_SIZE(index_btrees); i++)
		ret = read_index(&x, index_btrees[i]);
	/* before 1.33 it was filled by other rules */
	if (!ret && x.version >= BCH_VERSION(1, 33))
		ret = read_index(&x, BTREE_ID_reconcile_work);
	if (!ret)
		entries_compare(&x);

	ret = ret ?: add_unmirrored(&x);
	if (!ret)
		bch2_accounting_mem_for_each(c, counter_compare, &x);

	bch2_gc_free(c);
	bch2_trans_put(x.trans);
	return ret;
}
