// SPDX-License-Identifier: GPL-2.0
/*
 * Pass check_alloc_info (spec 43 §6): every bucket of every member, as alloc keys
 * and the holes between them, against freespace, bucket_gens, bucket_to_stripe
 * and need_discard; then the entries of these btrees against buckets.
 *
 * One walk, in the order of all these btrees. What was last seen of each is
 * remembered as a range, so that most buckets cost no lookup; before anything is
 * reported the btree itself is read in the same attempt as the alloc key.
 * need_discard is sorted by time: its entries are collected and compared in
 * batches.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/bucket_gens.h"
#include "alloc/freespace.h"
#include "alloc/index_update.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/fsck_err_trans.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/alloc_checks.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* Generation bits of positions in freespace take 16 values: 16 ranges of buckets. */
#define FREESPACE_ZONES		16

/* Buckets one freespace key for a hole may cover. */
#define HOLE_MAX		((u64) U32_MAX - 1)

/* What is known of offsets [start, end) of device dev. */
struct freespace_range {
	u64			dev;
	u64			start;
	u64			end;
	bool			set;
};

struct alloc_scan {
	struct index_check	x;		/* need_discard */
	struct bch_fs		*c;
	struct btree_trans	*trans;

	struct btree_iter	alloc;
	struct btree_iter	freespace;
	struct btree_iter	gens;
	struct btree_iter	refs;

	struct freespace_range	free[FREESPACE_ZONES];

	bool			gens_valid;
	struct bpos		gens_pos;
	u8			gens_val[KEY_TYPE_BUCKET_GENS_NR];

	/* buckets (as in bucket_to_u64()) [refs_from, refs_to) have no stripe */
	u64			refs_from;
	u64			refs_to;
};

static void memory_forget(struct alloc_scan *s)
{
	for (unsigned i = 0; i < FREESPACE_ZONES; i++)
		s->free[i].dev = U64_MAX;
	s->gens_valid = false;
	s->refs_from = s->refs_to = 0;
}

/* --- freespace --- */

/* The range of freespace with @pos: what is there, and how far. */
static int freespace_read(struct alloc_scan *s, struct bpos pos, struct freespace_range *r)
{
	struct bkey_s_c k;
	int ret;

	bch2_btree_iter_set_pos(&s->freespace, pos);
	k = bch2_btree_iter_peek_max(&s->freespace, POS(pos.inode, U64_MAX));
	ret = bkey_err(k);
	if (ret)
		return ret;

	*r = (struct freespace_range) {
		.dev	= pos.inode,
		.start	= pos.offset,
		.end	= U64_MAX,
	};
	if (k.k && k.k->p.inode == pos.inode) {
		if (bkey_start_offset(k.k) <= pos.offset) {
			r->set = k.k->type == KEY_TYPE_set;
			r->end = k.k->p.offset;
		} else {
			r->end = bkey_start_offset(k.k);
		}
	}
	return 0;
}

/* Is freespace at @pos as @want says? 1, 0, or an error. Looks itself if not. */
static int freespace_is(struct alloc_scan *s, struct bpos pos, bool want)
{
	struct freespace_range *r =
		s->free + (pos.offset >> FREESPACE_GENBITS_SHIFT) % FREESPACE_ZONES;
	int ret;

	if (r->dev == pos.inode && pos.offset >= r->start && pos.offset < r->end &&
	    r->set == want)
		return 1;
	ret = freespace_read(s, pos, r);
	return ret ?: r->set == want;
}

static int freespace_report(struct alloc_scan *s, struct bch_dev *ca, struct bkey_s_c k,
			    const struct bch_alloc_v4 *a)
{
	CLASS(printbuf, buf)();
	const bool want = a->data_type == BCH_DATA_free;
	int ret = 0;

	prt_printf(&buf, "bucket incorrectly %s in freespace btree\n", want ? "unset" : "set");
	bch2_bkey_val_to_text(&buf, s->c, k);
	if (fsck_err_trans(s->trans, freespace_key_wrong, "%s", printbuf_str(&buf)))
		ret = bch2_freespace_mod(s->trans, ca, k.k->p, a, want);
fsck_err:
	return ret;
}

/* Entered with generation bits 0, though it has others. */
static int freespace_zone_report(struct alloc_scan *s, struct bkey_s_c k)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	bch2_bkey_val_to_text(&buf, s->c, k);
	prt_printf(&buf, "\nincorrectly set at freespace:%llu:%llu:0 (free, genbits 0)",
		   (u64) k.k->p.inode, (u64) k.k->p.offset);
	if (fsck_err_trans(s->trans, need_discard_freespace_key_bad, "%s", printbuf_str(&buf)))
		ret = bch2_btree_bit_mod(s->trans, BTREE_ID_freespace, k.k->p, false);
fsck_err:
	return ret;
}

static int key_freespace_check(struct alloc_scan *s, struct bch_dev *ca, struct bkey_s_c k,
			       const struct bch_alloc_v4 *a)
{
	const struct bpos pos = bch2_freespace_pos(k.k->p, a);
	int ret = freespace_is(s, pos, a->data_type == BCH_DATA_free);

	if (!ret)
		ret = freespace_report(s, ca, k, a);
	if (ret < 0 || bpos_eq(pos, k.k->p))
		return min(ret, 0);

	/* the other zones are looked at from the entries' side */
	ret = freespace_is(s, k.k->p, false);
	return ret ? min(ret, 0) : freespace_zone_report(s, k);
}

/* --- bucket_gens --- */

static int gens_read(struct alloc_scan *s, struct bpos pos)
{
	struct bkey_s_c k;
	int ret;

	s->gens_valid = false;
	bch2_btree_iter_set_pos(&s->gens, pos);
	k = bch2_btree_iter_peek_slot(&s->gens);
	ret = bkey_err(k);
	if (ret)
		return ret;

	memset(s->gens_val, 0, sizeof(s->gens_val));
	if (k.k && k.k->type == KEY_TYPE_bucket_gens)
		memcpy(s->gens_val, k.v, min_t(size_t, bkey_val_bytes(k.k), sizeof(s->gens_val)));
	s->gens_pos	= pos;
	s->gens_valid	= true;
	return 0;
}

static int key_gens_check(struct alloc_scan *s, struct bch_dev *ca, struct bkey_s_c k,
			  const struct bch_alloc_v4 *a)
{
	unsigned idx;
	const struct bpos pos = bucket_gens_pos(k.k->p, &idx);
	int ret = 0;

	if (s->gens_valid && bpos_eq(s->gens_pos, pos) && s->gens_val[idx] == a->gen)
		return 0;
	ret = gens_read(s, pos);
	if (ret || s->gens_val[idx] == a->gen)
		return ret;

	CLASS(printbuf, buf)();

	prt_printf(&buf, "incorrect gen in bucket_gens btree (got %u should be %u)\n",
		   s->gens_val[idx], a->gen);
	bch2_bkey_val_to_text(&buf, s->c, k);
	if (fsck_err_trans(s->trans, bucket_gens_key_wrong, "%s", printbuf_str(&buf))) {
		ret = bch2_bucket_gens_mod(s->trans, k.k->p, a->gen);
		/* what was read at the start came from there */
		bch2_bucket_gen_set(ca, k.k->p.offset, a->gen);
	}
fsck_err:
	return ret;
}

/* --- references of stripes --- */

static int refs_count(struct alloc_scan *s, u64 bucket, u32 *nr)
{
	struct bkey_s_c k;
	int ret;

	*nr = 0;
	bch2_btree_iter_set_pos(&s->refs, POS(bucket, 0));
	while (1) {
		k = bch2_btree_iter_peek(&s->refs);
		ret = bkey_err(k);
		if (ret)
			return ret;
		if (!k.k || k.k->p.inode != bucket)
			break;
		*nr += k.k->type == KEY_TYPE_set;
		if (!bch2_btree_iter_advance(&s->refs)) {
			k = bkey_s_c_null;
			break;
		}
	}
	s->refs_from	= bucket + 1;
	s->refs_to	= k.k ? k.k->p.inode : U64_MAX;
	return 0;
}

static int key_refs_check(struct alloc_scan *s, struct bkey_s_c k, const struct bch_alloc_v4 *a)
{
	const u64 bucket = bucket_to_u64(k.k->p);
	struct bkey_i_alloc_v4 *n;
	int ret = 0;
	u32 nr;

	/* before 1.35 the field was something else (spec 42 §8) */
	if (s->c->sb.version < BCH_VERSION(1, 35) ||
	    (!a->stripe_refcount && bucket >= s->refs_from && bucket < s->refs_to))
		return 0;
	ret = refs_count(s, bucket, &nr);
	if (ret || nr == le32_to_cpu(a->stripe_refcount))
		return ret;

	CLASS(printbuf, buf)();

	prt_printf(&buf, "incorrect stripe_refcount %u, should be %u\n",
		   le32_to_cpu(a->stripe_refcount), nr);
	bch2_bkey_val_to_text(&buf, s->c, k);
	if (fsck_err_trans(s->trans, alloc_key_stripe_refcount_wrong, "%s", printbuf_str(&buf))) {
		n = bch2_trans_start_alloc_update(s->trans, k.k->p, 0);
		ret = PTR_ERR_OR_ZERO(n);
		if (!ret)
			n->v.stripe_refcount = cpu_to_le32(nr);
	}
fsck_err:
	return ret;
}

/* --- alloc keys --- */

/*
 * The bucket does not exist. Its key is deleted without the trigger, which would
 * refuse it and has nothing to account for: no index knows such buckets.
 */
static int key_no_bucket(struct alloc_scan *s, struct bkey_s_c k)
{
	CLASS(printbuf, buf)();
	const struct bpos pos = k.k->p;
	int ret = 0;

	prt_str(&buf, "alloc key for invalid device or bucket\n");
	bch2_bkey_val_to_text(&buf, s->c, k);
	if (fsck_err_trans(s->trans, alloc_key_to_missing_dev_bucket, "%s", printbuf_str(&buf)))
		ret = bch2_btree_delete(s->trans, BTREE_ID_alloc, pos, BTREE_TRIGGER_norun);
fsck_err:
	return ret;
}

/* @want_discard: where need_discard should have it; inode U64_MAX: nowhere. */
static int key_check(struct alloc_scan *s, struct bkey_s_c k, struct bpos *discard)
{
	struct bch_dev *ca = bch2_check_bucket_dev(s->c, k.k->p);
	struct bch_alloc_v4 a;

	if (!ca)
		return key_no_bucket(s, k);
	bch2_alloc_to_v4(k, &a);
	/* the pass fs_freespace_init makes what is left out here, and only that */
	if (!ca->mi.freespace_initialized)
		return  key_gens_check(s, ca, k, &a) ?:
			key_refs_check(s, k, &a);
	if (a.data_type == BCH_DATA_need_discard)
		*discard = bch2_need_discard_pos(bch2_need_discard_by_seq(s->c), k.k->p,
						 le64_to_cpu(a.journal_seq_empty));

	return  key_freespace_check(s, ca, k, &a) ?:
		key_gens_check(s, ca, k, &a) ?:
		key_refs_check(s, k, &a);
}

/* --- holes --- */

static int hole_fill(struct alloc_scan *s, struct bch_dev *ca, u64 start, u64 end)
{
	struct bkey_i *k;
	int ret = 0;

	if (!fsck_err_trans(s->trans, freespace_hole_missing,
		      "hole in alloc btree missing in freespace btree\n"
		      "device %u buckets %llu-%llu", ca->dev_idx, start, end))
		return 0;

	k = bch2_trans_kmalloc(s->trans, sizeof(*k));
	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.type	= KEY_TYPE_set;
	k->k.p		= POS(ca->dev_idx, end);
	k->k.size	= end - start;
	ret = bch2_btree_insert_trans(s->trans, BTREE_ID_freespace, k, 0);
fsck_err:
	return ret;
}

/* Freespace has all of the hole, up to *end, which becomes less if it is in pieces. */
static int hole_freespace_check(struct alloc_scan *s, struct bch_dev *ca, u64 start, u64 *end)
{
	struct freespace_range *r = s->free;
	int ret;

	if (r->dev != ca->dev_idx || start < r->start || start >= r->end || !r->set) {
		ret = freespace_read(s, POS(ca->dev_idx, start), r);
		if (ret)
			return ret;
	}
	*end = min(*end, r->end);
	return r->set ? 0 : hole_fill(s, ca, start, *end);
}

static int hole_gens_fix(struct alloc_scan *s, struct bkey_s_c k, u64 start, u64 end)
{
	struct bkey_i_bucket_gens *g;
	int ret = 0;

	g = bch2_trans_kmalloc(s->trans, sizeof(*g));
	ret = PTR_ERR_OR_ZERO(g);
	if (ret)
		return ret;
	bkey_init(&g->k);
	g->k.type = KEY_TYPE_bucket_gens;
	g->k.p	  = k.k->p;
	set_bkey_val_bytes(&g->k, sizeof(g->v));
	bkey_val_copy(&g->v, k);
	for (u64 b = start; b < end; b++)
		g->v.gens[b & KEY_TYPE_BUCKET_GENS_MASK] = 0;
	return bch2_trans_update(s->trans, &s->gens, &g->k_i, 0);
}

/* Nonzero generations of [start, end), which the key @k covers. 1: reported. */
static int hole_gens_key(struct alloc_scan *s, struct bkey_s_c k, u64 start, u64 end)
{
	struct bch_bucket_gens g;
	unsigned nr = 0;
	int ret = 0;

	if (k.k->type != KEY_TYPE_bucket_gens)
		return 0;
	bkey_val_copy(&g, k);
	for (u64 b = start; b < end; b++)
		nr += g.gens[b & KEY_TYPE_BUCKET_GENS_MASK] != 0;
	if (!nr)
		return 0;

	if (fsck_err_trans(s->trans, bucket_gens_hole_wrong,
		     "hole in alloc btree has nonzero gens in bucket_gens btree\n"
		     "device %llu buckets %llu-%llu: %u nonzero", (u64) k.k->p.inode, start, end,
		     nr))
		ret = hole_gens_fix(s, k, start, end);
	ret = ret ?: 1;
fsck_err:
	return ret;
}

/* No bucket of [start, *end) has a generation; *end becomes less after a repair. */
static int hole_gens_check(struct alloc_scan *s, struct bch_dev *ca, u64 start, u64 *end)
{
	const struct bpos last = POS(ca->dev_idx, (*end - 1) >> KEY_TYPE_BUCKET_GENS_BITS);
	struct bkey_s_c k;

	bch2_btree_iter_set_pos(&s->gens, POS(ca->dev_idx, start >> KEY_TYPE_BUCKET_GENS_BITS));
	do {
		u64 from, to;
		int ret;

		k = bch2_btree_iter_peek_max(&s->gens, last);
		ret = bkey_err(k);
		if (ret || !k.k)
			return ret;
		from = k.k->p.offset << KEY_TYPE_BUCKET_GENS_BITS;
		to   = min(from + KEY_TYPE_BUCKET_GENS_NR, *end);
		ret  = hole_gens_key(s, k, max(from, start), to);
		if (ret < 0)
			return ret;
		if (ret) {
			*end = to;
			return 0;
		}
	} while (bch2_btree_iter_advance(&s->gens));
	return 0;
}

/*
 * The walk may have come to the next key from another leaf than the hole's: go back
 * there, so that nobody can fill the hole before the repair of it is committed.
 * *end becomes less if the hole goes on in the next leaf, or has been filled.
 */
static int hole_lock(struct alloc_scan *s, struct bch_dev *ca, u64 start, u64 *end)
{
	struct bkey_s_c k;
	int ret;

	bch2_btree_iter_set_pos(&s->alloc, POS(ca->dev_idx, start));
	ret = bch2_btree_iter_traverse(&s->alloc);
	if (ret)
		return ret;
	*end = bch2_alloc_leaf_end(&s->alloc, ca, *end);
	k = bch2_btree_iter_peek_max(&s->alloc, POS(ca->dev_idx, *end - 1));
	ret = bkey_err(k);
	if (!ret && k.k)
		*end = k.k->p.offset;
	return ret;
}

/* Buckets [start, *end) have no alloc keys; *end becomes the end of what was checked. */
static int hole_check(struct alloc_scan *s, struct bch_dev *ca, u64 start, u64 *end)
{
	*end = min(*end, start + HOLE_MAX);
	if (!ca->mi.freespace_initialized)
		return hole_gens_check(s, ca, start, end);
	return  hole_freespace_check(s, ca, start, end) ?:
		hole_gens_check(s, ca, start, end);
}

/* --- the walk --- */

/* The first bucket at or behind @pos that exists; NULL: none. */
static struct bch_dev *next_bucket(struct bch_fs *c, struct bpos pos, u64 *bucket)
{
	struct bch_dev *ca;
	unsigned dev = min_t(u64, pos.inode, BCH_SB_MEMBERS_MAX);

	for (; (ca = bch2_next_dev(c, dev, false)); dev = ca->dev_idx + 1) {
		*bucket = max_t(u64, ca->mi.first_bucket,
				ca->dev_idx == pos.inode ? pos.offset : 0);
		if (*bucket < ca->mi.nbuckets)
			return ca;
	}
	return NULL;
}

/* A place of the walk was dealt with: @next is behind it. */
struct scan_step {
	struct bpos		next;
	struct bpos		bucket;
	struct bpos		discard;
	bool			end;
};

/* The next alloc key or hole from @pos on. */
static int scan_one(struct alloc_scan *s, struct bpos pos, struct scan_step *st)
{
	struct bch_dev *ca;
	struct bkey_s_c k;
	u64 hole, end;
	int ret;

	*st = (struct scan_step) { .discard = POS(U64_MAX, U64_MAX) };

	bch2_btree_iter_set_pos(&s->alloc, pos);
	k = bch2_btree_iter_peek(&s->alloc);
	ret = bkey_err(k);
	if (ret)
		return ret;

	ca = next_bucket(s->c, pos, &hole);
	if (ca && (!k.k || bpos_lt(POS(ca->dev_idx, hole), k.k->p))) {
		end = k.k && k.k->p.inode == ca->dev_idx
			? min(ca->mi.nbuckets, k.k->p.offset) : ca->mi.nbuckets;
		ret = hole_lock(s, ca, hole, &end);
		if (!ret && end > hole)
			ret = hole_check(s, ca, hole, &end);
		st->next = POS(ca->dev_idx, end);
		return ret;
	}
	if (!k.k) {
		st->end = true;
		return 0;
	}

	st->bucket	= k.k->p;
	st->end		= bpos_eq(k.k->p, POS_MAX);
	st->next	= st->end ? POS_MAX : bpos_nosnap_successor(k.k->p);
	return key_check(s, k, &st->discard);
}

static int scan_and_commit(struct alloc_scan *s, struct bpos pos, struct scan_step *st)
{
	int ret = scan_one(s, pos, st);

	if (ret || !bch2_trans_has_updates(s->trans))
		return ret;
	memory_forget(s);
	return bch2_trans_commit(s->trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc);
}

static int compare_need_discard(struct alloc_scan *s)
{
	return bch2_check_pairs_run(&s->x, CHECK_PAIRS_by_index, bch2_check_need_discard_missing);
}

static int scan_buckets(struct alloc_scan *s)
{
	struct scan_step st = {};
	struct bpos pos = POS_MIN;
	int ret;

	do {
		ret = lockrestart_do(s->trans, scan_and_commit(s, pos, &st));
		if (ret)
			break;
		if (st.discard.inode != U64_MAX)
			bch2_check_pairs_add(&s->x, st.discard, st.bucket);
		if (st.end || bch2_check_pairs_full(&s->x))
			ret = compare_need_discard(s);
		pos = st.next;
	} while (!ret && !st.end);
	return ret;
}

static void scan_iters_init(struct alloc_scan *s)
{
	bch2_trans_iter_init(s->trans, &s->alloc, BTREE_ID_alloc, POS_MIN, BTREE_ITER_prefetch);
	bch2_trans_iter_init(s->trans, &s->freespace, BTREE_ID_freespace, POS_MIN,
			     BTREE_ITER_prefetch);
	bch2_trans_iter_init(s->trans, &s->gens, BTREE_ID_bucket_gens, POS_MIN,
			     BTREE_ITER_prefetch|BTREE_ITER_intent);
	bch2_trans_iter_init(s->trans, &s->refs, BTREE_ID_bucket_to_stripe, POS_MIN,
			     BTREE_ITER_prefetch);
}

static void scan_iters_exit(struct alloc_scan *s)
{
	bch2_trans_iter_exit(&s->refs);
	bch2_trans_iter_exit(&s->gens);
	bch2_trans_iter_exit(&s->freespace);
	bch2_trans_iter_exit(&s->alloc);
}

static int alloc_info_check(struct alloc_scan *s)
{
	int ret;

	memory_forget(s);
	scan_iters_init(s);
	ret = bch2_btree_write_buffer_flush_sync(s->trans) ?: scan_buckets(s);
	scan_iters_exit(s);

	return  ret ?:
		bch2_check_need_discard_entries(&s->x) ?:
		bch2_check_freespace_entries(s->trans) ?:
		bch2_check_bucket_gens_entries(s->trans) ?:
		/* whoever reads exactly next sees the repairs (FC-7) */
		bch2_btree_write_buffer_flush_sync(s->trans);
}

/**
 * bch2_check_alloc_info - pass check_alloc_info
 * @c:	filesystem; what buckets hold is known to be right (check_allocations)
 *
 * What is buffered reaches the btrees first, or entries that should not be there
 * could be overlooked.
 *
 * Members whose freespace is not initialised are left to fs_freespace_init, but
 * for entries that belong to no bucket. Memory: 2.5 MiB, whatever the size.
 *
 * Return: 0 or why the check could not go on.
 */
int bch2_check_alloc_info(struct bch_fs *c)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct alloc_scan *s = kzalloc(sizeof(*s), GFP_KERNEL);
	int ret = s ? 0 : -BCH_ERR_ENOMEM_gc;

	if (s) {
		bch2_trans_keep_reads(trans);
		s->c	 = c;
		s->trans = trans;
		ret	 = bch2_index_check_init(&s->x, trans) ?: alloc_info_check(s);
		bch2_index_check_exit(&s->x);
	}
	kfree(s);
	bch2_trans_put(trans);
	return ret;
}
