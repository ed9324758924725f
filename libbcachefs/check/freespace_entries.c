// SPDX-License-Identifier: GPL-2.0
/*
 * Entries of freespace and bucket_gens that belong to no bucket, or to one in
 * another state (spec 43 §6.3, §6.4).
 *
 * Neither btree is buffered. An entry of freespace covers a range: it is looked at
 * in pieces, each in a transaction of its own, and only the bad piece goes.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/bucket_gens.h"
#include "alloc/freespace.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/fsck_err_trans.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/alloc_checks.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* --- freespace --- */

/* Offsets [start, end) of device dev, in one zone of generation bits. */
struct piece {
	u64			dev;
	u64			start;
	u64			end;
	unsigned		genbits;
};

static u64 piece_bucket(u64 offset)
{
	return freespace_offset_to_bucket(0, offset).offset;
}

static int piece_delete(struct btree_trans *trans, const struct piece *p)
{
	struct bkey_i *k = bch2_trans_kmalloc(trans, sizeof(*k));

	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.p		= POS(p->dev, p->end);
	k->k.size	= p->end - p->start;
	return bch2_btree_insert_trans(trans, BTREE_ID_freespace, k, 0);
}

static int piece_no_bucket(struct btree_trans *trans, const struct piece *p)
{
	int ret = 0;

	if (fsck_err_trans(trans, need_discard_freespace_key_to_invalid_dev_bucket,
		     "entry in freespace btree for nonexistant dev:bucket %llu:%llu-%llu", p->dev,
		     piece_bucket(p->start), piece_bucket(p->end - 1) + 1))
		ret = piece_delete(trans, p);
fsck_err:
	return ret;
}

/* @k: the alloc key of the only bucket, or NULL. */
static int piece_bad(struct btree_trans *trans, const struct piece *p, struct bkey_s_c k)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	if (k.k)
		bch2_bkey_val_to_text(&buf, trans->c, k);
	else
		prt_printf(&buf, "buckets %llu:%llu-%llu without alloc keys", p->dev,
			   piece_bucket(p->start), piece_bucket(p->end - 1) + 1);
	prt_printf(&buf, "\nincorrectly set at freespace:%llu:%llu:0 (genbits %u)", p->dev,
		   p->start, p->genbits);
	if (fsck_err_trans(trans, need_discard_freespace_key_bad, "%s", printbuf_str(&buf)))
		ret = piece_delete(trans, p);
fsck_err:
	return ret;
}

/* Cut @p to buckets that exist. 1: they do not, all of the rest of @p. */
static int piece_cut_to_device(struct bch_fs *c, struct piece *p, struct bch_dev **ca)
{
	const u64 bits = (u64) p->genbits << FREESPACE_GENBITS_SHIFT;

	*ca = p->dev < BCH_SB_MEMBERS_MAX ? bch2_dev(c, p->dev) : NULL;
	if (!*ca || p->start >= (bits | (*ca)->mi.nbuckets))
		return 1;
	if (p->start < (bits | (*ca)->mi.first_bucket)) {
		p->end = min(p->end, bits | (*ca)->mi.first_bucket);
		return 1;
	}
	p->end = min(p->end, bits | (*ca)->mi.nbuckets);
	return 0;
}

/* Compare with alloc keys from the start of @p on; p->end becomes how far. */
static int piece_compare(struct btree_trans *trans, struct btree_iter *alloc, struct piece *p)
{
	const u64 b = piece_bucket(p->start);
	struct bch_alloc_v4 a;
	struct bkey_s_c k;
	int ret;

	bch2_btree_iter_set_pos(alloc, POS(p->dev, b));
	k = bch2_btree_iter_peek_max(alloc, POS(p->dev, piece_bucket(p->end - 1)));
	ret = bkey_err(k);
	if (ret)
		return ret;

	if (!k.k || k.k->p.offset != b) {
		if (k.k)
			p->end = p->start + (k.k->p.offset - b);
		/* generation 0, and free */
		return p->genbits ? piece_bad(trans, p, bkey_s_c_null) : 0;
	}

	p->end = p->start + 1;
	bch2_alloc_to_v4(k, &a);
	return a.data_type == BCH_DATA_free && alloc_gc_gen(&a) >> 4 == p->genbits
		? 0 : piece_bad(trans, p, k);
}

struct freespace_scan {
	struct btree_iter	freespace;
	struct btree_iter	alloc;
	struct bpos		next;
	bool			end;
};

static int freespace_step(struct btree_trans *trans, struct freespace_scan *s, struct bpos pos)
{
	struct bch_dev *ca;
	struct bkey_s_c k;
	struct piece p;
	int ret;

	s->end = false;
	bch2_btree_iter_set_pos(&s->freespace, pos);
	k = bch2_btree_iter_peek(&s->freespace);
	ret = bkey_err(k);
	if (ret)
		return ret;
	if (!k.k) {
		s->end = true;
		return 0;
	}

	p.dev	  = k.k->p.inode;
	p.start	  = max(bkey_start_offset(k.k), p.dev == pos.inode ? pos.offset : 0);
	p.genbits = p.start >> FREESPACE_GENBITS_SHIFT;
	p.end	  = min(k.k->p.offset - 1, p.start | ~(~0ULL << FREESPACE_GENBITS_SHIFT)) + 1;

	if (piece_cut_to_device(trans->c, &p, &ca))
		ret = piece_no_bucket(trans, &p);
	else if (p.genbits || !ca->mi.freespace_initialized)
		/* else every bucket was compared from its own side */
		ret = piece_compare(trans, &s->alloc, &p);
	s->next = POS(p.dev, p.end);
	return ret;
}

/**
 * bch2_check_freespace_entries - does what freespace says belong to buckets?
 * @trans:	transaction; commits
 *
 * After the walk over buckets, which has compared those of members with
 * freespace_initialized with the entries of generation bits 0.
 *
 * Return: 0 or an error.
 */
int bch2_check_freespace_entries(struct btree_trans *trans)
{
	struct freespace_scan s = {};
	struct bpos pos = POS_MIN;
	int ret;

	bch2_trans_iter_init(trans, &s.freespace, BTREE_ID_freespace, POS_MIN,
			     BTREE_ITER_prefetch);
	bch2_trans_iter_init(trans, &s.alloc, BTREE_ID_alloc, POS_MIN, BTREE_ITER_prefetch);
	do {
		ret = commit_do(trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
				freespace_step(trans, &s, pos));
		pos = s.next;
	} while (!ret && !s.end);
	bch2_trans_iter_exit(&s.alloc);
	bch2_trans_iter_exit(&s.freespace);
	return ret;
}

/* --- bucket_gens --- */

static int gens_delete(struct btree_trans *trans, struct btree_iter *iter)
{
	return bch2_btree_delete_at(trans, iter, 0);
}

static int gens_no_dev(struct btree_trans *trans, struct btree_iter *iter, struct bkey_s_c k)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	prt_str(&buf, "bucket_gens key for invalid device\n");
	bch2_bkey_val_to_text(&buf, trans->c, k);
	if (fsck_err_trans(trans, bucket_gens_to_invalid_dev, "%s", printbuf_str(&buf)))
		ret = gens_delete(trans, iter);
fsck_err:
	return ret;
}

static int gens_no_buckets(struct btree_trans *trans, struct btree_iter *iter, struct bkey_s_c k)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	prt_str(&buf, "bucket_gens key for invalid buckets\n");
	bch2_bkey_val_to_text(&buf, trans->c, k);
	if (fsck_err_trans(trans, bucket_gens_to_invalid_buckets, "%s", printbuf_str(&buf)))
		ret = gens_delete(trans, iter);
fsck_err:
	return ret;
}

/* Bytes of buckets that do not exist; the first is at @start. */
static int gens_bytes(struct btree_trans *trans, struct btree_iter *iter, struct bkey_s_c k,
		      const struct bch_dev *ca, u64 start)
{
	struct bkey_i_bucket_gens *g;
	struct bch_bucket_gens v;
	bool change = false;
	int ret = 0;

	bkey_val_copy(&v, k);
	for (unsigned i = 0; i < KEY_TYPE_BUCKET_GENS_NR; i++)
		if (v.gens[i] && !bucket_valid(ca, start + i) &&
		    fsck_err_trans(trans, bucket_gens_nonzero_for_invalid_buckets,
			     "bucket_gens key has nonzero gen %u for invalid bucket %u:%llu",
			     v.gens[i], ca->dev_idx, start + i)) {
			v.gens[i] = 0;
			change = true;
		}
	if (!change)
		return 0;

	g = bch2_trans_kmalloc(trans, sizeof(*g));
	if (IS_ERR(g))
		return PTR_ERR(g);
	bkey_init(&g->k);
	g->k.type = KEY_TYPE_bucket_gens;
	g->k.p	  = k.k->p;
	set_bkey_val_bytes(&g->k, sizeof(g->v));
	g->v	  = v;
	ret = bch2_trans_update(trans, iter, &g->k_i, 0);
fsck_err:
	return ret;
}

static int gens_check(struct btree_trans *trans, struct btree_iter *iter, struct bkey_s_c k)
{
	struct bch_dev *ca = k.k->p.inode < BCH_SB_MEMBERS_MAX
		? bch2_dev(trans->c, k.k->p.inode) : NULL;
	const u64 start = k.k->p.offset << KEY_TYPE_BUCKET_GENS_BITS;

	if (!ca)
		return gens_no_dev(trans, iter, k);
	if (k.k->p.offset > U64_MAX >> KEY_TYPE_BUCKET_GENS_BITS || start >= ca->mi.nbuckets ||
	    start + KEY_TYPE_BUCKET_GENS_NR <= ca->mi.first_bucket)
		return gens_no_buckets(trans, iter, k);
	return k.k->type == KEY_TYPE_bucket_gens ? gens_bytes(trans, iter, k, ca, start) : 0;
}

/**
 * bch2_check_bucket_gens_entries - do the keys of bucket_gens belong to buckets?
 * @trans:	transaction; commits
 *
 * Return: 0 or an error.
 */
int bch2_check_bucket_gens_entries(struct btree_trans *trans)
{
	return for_each_btree_key_commit(trans, iter, BTREE_ID_bucket_gens, POS_MIN,
					 BTREE_ITER_prefetch|BTREE_ITER_intent, k,
					 NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
					 gens_check(trans, &iter, k));
}
