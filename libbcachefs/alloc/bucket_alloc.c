// SPDX-License-Identifier: GPL-2.0
/*
 * Finding a free bucket on one device (spec 40 §4.1, §4.3, §4.4): what may be
 * taken at a watermark, and the search through the freespace btree - or through
 * the alloc btree, holes included, on a device whose freespace index is not
 * made yet.
 *
 * Invariant: a bucket is given out only if its alloc key said "free" while the
 * bucket was in the table of open buckets already. From then on nobody else can
 * make it non-empty, and whoever did so before has committed before closing it.
 * An index entry alone never decides.
 */
#include <linux/bits.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/math.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "alloc/accounting_live.h"
#include "alloc/alloc_keys.h"
#include "alloc/discard.h"
#include "alloc/foreground.h"
#include "alloc/freespace.h"
#include "btree/iter.h"
#include "init/passes_format.h"
#include "sb/members.h"

/* Four times the most nodes one update of a btree may need: a path of 4, and 3. */
#define BTREE_NODES_RESERVE		28U

/* --- watermarks --- */

/**
 * bch2_buckets_reserved - buckets of a device that a watermark may not touch
 * @nbuckets:	of the device
 * @bucket_size: sectors
 * @node_sectors: size of a btree node
 * @watermark:	of the allocation
 *
 * Spec 40 §4.4.
 */
u64 bch2_buckets_reserved(u64 nbuckets, unsigned bucket_size, unsigned node_sectors,
			  enum bch_watermark watermark)
{
	const unsigned nodes = max(1U, bucket_size / max(1U, node_sectors));
	const u64 r = DIV_ROUND_UP(BTREE_NODES_RESERVE, nodes);

	switch (watermark) {
	case BCH_WATERMARK_stripe:
		return 2 * (nbuckets >> 6) + 2 * r;
	case BCH_WATERMARK_normal:
		return (nbuckets >> 6) + 2 * r;
	case BCH_WATERMARK_copygc:
		return 2 * r;
	case BCH_WATERMARK_btree:
		return r;
	default:
		return 0;
	}
}

/**
 * bch2_dev_buckets_reserved - bch2_buckets_reserved() of a member
 * @ca:		device
 * @watermark:	of the allocation
 */
u64 bch2_dev_buckets_reserved(const struct bch_dev *ca, enum bch_watermark watermark)
{
	return bch2_buckets_reserved(ca->mi.nbuckets, ca->mi.bucket_size,
				     ca->fs->opts.btree_node_size >> 9, watermark);
}

/**
 * bch2_dev_buckets_free - free buckets that may be taken
 * @ca:		device
 * @watermark:	of the allocation
 */
u64 bch2_dev_buckets_free(struct bch_dev *ca, enum bch_watermark watermark)
{
	const u64 taken = bch2_dev_buckets_reserved(ca, watermark) +
		(unsigned) max(0, atomic_read(&ca->alloc.nr_open));
	const u64 nr = bch2_dev_buckets(ca, BCH_DATA_free);

	return nr > taken ? nr - taken : 0;
}

/* --- buckets that are never given out --- */

static bool overlap(u64 start1, u64 end1, u64 start2, u64 end2)
{
	return start1 < end2 && start2 < end1;
}

/**
 * bch2_is_superblock_bucket - does a bucket hold part of a superblock?
 * @ca:		device; its layout is known
 * @bucket:	bucket number
 *
 * From the layout alone (spec 40 §1.5); bucket 0 counts as one.
 */
bool bch2_is_superblock_bucket(struct bch_dev *ca, u64 bucket)
{
	const struct bch_sb_layout *l;
	const u64 start = bucket_to_sector(ca, bucket);
	const u64 end = start + ca->mi.bucket_size;

	if (!bucket || start < BCH_SB_SECTOR)
		return true;
	if (!ca->disk_sb.sb)
		return false;

	l = &ca->disk_sb.sb->layout;
	for (unsigned i = 0; i < min_t(unsigned, l->nr_superblocks, BCH_SB_LAYOUT_NR_MAX); i++) {
		const u64 s = le64_to_cpu(l->sb_offset[i]);

		if (overlap(start, end, s, s + (1ULL << min_t(u8, l->sb_max_size_bits, 32))))
			return true;
	}
	return false;
}

/**
 * bch2_is_journal_bucket - is a bucket part of the device's journal?
 * @ca:		device
 * @bucket:	bucket number
 *
 * Only while the ring does not change: before the filesystem is read-write.
 */
bool bch2_is_journal_bucket(struct bch_dev *ca, u64 bucket)
{
	for (unsigned i = 0; i < ca->journal.nr; i++)
		if (ca->journal.buckets[i] == bucket)
			return true;
	return false;
}

static bool never_given_out(struct bch_dev *ca, u64 bucket)
{
	if (!bucket_valid(ca, bucket))
		return true;
	/* Until the alloc btree has been told, it may say that they are free. */
	return bch2_is_superblock_bucket(ca, bucket) ||
		(!READ_ONCE(ca->alloc.metadata_marked) && bch2_is_journal_bucket(ca, bucket));
}

/* --- btree bitmap preference, spec 40 §4.5 --- */

enum bitmap_pref {
	PREF_marked,		/* whole bucket in regions with btree nodes */
	PREF_unmarked,
	PREF_none,
};

static bool region_marked(const struct bch_dev *ca, u64 region)
{
	return region < 64 && (READ_ONCE(ca->mi.btree_allocated_bitmap) >> region & 1);
}

static bool bucket_preferred(const struct bch_dev *ca, u64 bucket, enum bitmap_pref pref)
{
	const unsigned shift = READ_ONCE(ca->mi.btree_bitmap_shift);
	const u64 first = bucket_to_sector(ca, bucket) >> shift;
	const u64 last = (bucket_to_sector(ca, bucket + 1) - 1) >> shift;

	if (pref == PREF_none)
		return true;
	for (u64 r = first; r <= last; r++) {
		if (pref == PREF_marked && !region_marked(ca, r))
			return false;
		if (pref == PREF_unmarked && r >= 64)
			return true;
		if (pref == PREF_unmarked && region_marked(ca, r))
			return false;
	}
	return true;
}

/*
 * First preferred bucket from @bucket on; at least @end if there is none. Goes by
 * regions, of which there are 64.
 */
static u64 next_preferred(const struct bch_dev *ca, u64 bucket, u64 end, enum bitmap_pref pref)
{
	const unsigned shift = READ_ONCE(ca->mi.btree_bitmap_shift);

	while (bucket < end && !bucket_preferred(ca, bucket, pref)) {
		/* The first region in the way ends where the next bucket may begin. */
		u64 r = bucket_to_sector(ca, bucket) >> shift;
		u64 next;

		while (r < 64 && region_marked(ca, r) == (pref == PREF_marked))
			r++;
		if (r >= 64)
			return pref == PREF_marked ? end : bucket + 1;
		next = div_u64((r + 1) << shift, ca->mi.bucket_size);
		bucket = max(bucket + 1, next);
	}
	return bucket;
}

/* --- search --- */

struct bucket_search {
	struct btree_trans	*trans;
	struct bch_fs		*c;
	struct bch_dev		*ca;
	enum bch_watermark	watermark;
	enum bch_data_type	data_type;
	enum bitmap_pref	pref;
	bool			by_freespace;
	struct btree_iter	alloc;		/* looks at alloc keys */
	u64			passed_over;	/* for their region */
	u64			next;		/* offset behind the bucket found */
	struct open_bucket	*ob;
};

/* Does the alloc key say that the bucket is free? 1, 0, or an error. */
static int bucket_is_free(struct bucket_search *s, struct bpos bucket, u64 offset, u8 *gen)
{
	struct bch_alloc_v4 a;
	struct bkey_s_c k;

	bch2_btree_iter_set_pos(&s->alloc, bucket);
	k = bch2_btree_iter_peek_slot(&s->alloc);
	if (bkey_err(k))
		return bkey_err(k);
	if (!k.k)
		return 0;

	bch2_alloc_to_v4(k, &a);
	*gen = a.gen;
	if (a.data_type != BCH_DATA_free || alloc_sectors_total(&a))
		return 0;
	return !s->by_freespace || bch2_freespace_pos(bucket, &a).offset == offset;
}

/* Open the bucket that @offset names if it is free: s->ob. 0 or an error. */
static int try_bucket(struct bucket_search *s, u64 offset)
{
	const struct bpos bucket = freespace_offset_to_bucket(s->ca->dev_idx, offset);
	struct open_bucket *ob;
	u8 gen, gen2;
	int ret;

	if (never_given_out(s->ca, bucket.offset) ||
	    bch2_open_bucket_is_open(s->c, s->ca->dev_idx, bucket.offset))
		return 0;

	ret = bucket_is_free(s, bucket, offset, &gen);
	if (ret <= 0)
		return ret;

	ob = bch2_open_bucket_get(s->c, s->ca, bucket.offset, gen, s->data_type, s->watermark);
	if (IS_ERR(ob))
		return PTR_ERR(ob) == -EEXIST ? 0 : PTR_ERR(ob);

	/* It may have been used and closed since it was looked at. */
	ret = bucket_is_free(s, bucket, offset, &gen2);
	if (ret <= 0 || gen != gen2) {
		bch2_open_bucket_put(s->c, ob);
		return min(ret, 0);
	}

	s->ob	= ob;
	s->next	= offset + 1;
	return 0;
}

/* Buckets of offsets [@offset, @end), which have the same generation bits. */
static int search_range(struct bucket_search *s, u64 offset, u64 end)
{
	const u64 bits = offset & (~0ULL << FREESPACE_GENBITS_SHIFT);
	u64 b = max_t(u64, offset - bits, s->ca->mi.first_bucket);
	const u64 b_end = min(end - bits, s->ca->mi.nbuckets);
	int ret;

	while (b < b_end) {
		const u64 p = next_preferred(s->ca, b, b_end, s->pref);

		s->passed_over += p - b;
		if (p >= b_end)
			break;
		ret = try_bucket(s, p | bits);
		if (ret || s->ob)
			return ret;
		b = p + 1;
	}
	return 0;
}

/* The part of [@start, @end) that lies in one key; keys may not cross generation bits. */
static int search_key(struct bucket_search *s, u64 start, u64 end)
{
	while (start < end) {
		const u64 bits_end = (start | ~(~0ULL << FREESPACE_GENBITS_SHIFT)) + 1;
		const u64 e = bits_end ? min(end, bits_end) : end;
		int ret = search_range(s, start, e);

		if (ret || s->ob)
			return ret;
		start = e;
	}
	return 0;
}

static int search_freespace(struct bucket_search *s, u64 start, u64 end)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret = 0;

	bch2_trans_iter_init(s->trans, &iter, BTREE_ID_freespace, POS(s->ca->dev_idx, start),
			     BTREE_ITER_no_updates);
	do {
		k = bch2_btree_iter_peek_max(&iter, POS(s->ca->dev_idx, end));
		ret = bkey_err(k);
		if (ret || !k.k)
			break;
		if (k.k->type != KEY_TYPE_set)
			continue;
		ret = search_key(s, max(start, bkey_start_offset(k.k)),
				 min(end, k.k->p.offset));
	} while (!ret && !s->ob && bch2_btree_iter_advance(&iter));
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* From the cursor to the end, then from the beginning to the cursor. */
static int search_dev(struct bucket_search *s, u64 cursor)
{
	const u64 end = s->by_freespace ? KEY_OFFSET_MAX : s->ca->mi.nbuckets;
	const u64 first = s->ca->mi.first_bucket;
	int ret;

	cursor = clamp(cursor, first, end);
	ret = s->by_freespace
		? search_freespace(s, cursor, end)
		: search_range(s, cursor, end);
	if (ret || s->ob || cursor == first)
		return ret;
	return s->by_freespace
		? search_freespace(s, first, cursor)
		: search_range(s, first, cursor);
}

static int search(struct bucket_search *s)
{
	const enum bch_alloc_cursor which = s->data_type == BCH_DATA_btree
		? BCH_ALLOC_CURSOR_btree : BCH_ALLOC_CURSOR_data;
	u64 *cursor = s->ca->alloc.cursor + which;
	int ret;

	bch2_trans_iter_init(s->trans, &s->alloc, BTREE_ID_alloc, POS(s->ca->dev_idx, 0),
			     BTREE_ITER_no_updates);
	ret = search_dev(s, READ_ONCE(*cursor));
	if (!ret && !s->ob && s->passed_over) {
		s->pref = PREF_none;
		ret = search_dev(s, READ_ONCE(*cursor));
	}
	bch2_trans_iter_exit(&s->alloc);

	if (s->ob)
		WRITE_ONCE(*cursor, s->next);
	return ret;
}

/**
 * bch2_freespace_is_true - does freespace say what is free?
 * @c:		filesystem
 * @ca:		device
 *
 * While a start is going to check it, or is just doing that, alloc keys have to be
 * asked in its place: they have been repaired by then.
 */
bool bch2_freespace_is_true(const struct bch_fs *c, const struct bch_dev *ca)
{
	const u64 check = BIT_ULL(BCH_RECOVERY_PASS_check_alloc_info);

	return READ_ONCE(ca->mi.freespace_initialized) &&
		!(READ_ONCE(c->recovery.running) &&
		  ((READ_ONCE(c->recovery.passes_to_run) & check) ||
		   READ_ONCE(c->recovery.curr_pass) == BCH_RECOVERY_PASS_check_alloc_info));
}

/**
 * bch2_bucket_alloc_trans - open a free bucket of a device
 * @trans:	transaction; may hold locks
 * @ca:		device, online
 * @watermark:	how deep reserves may be used
 * @data_type:	what is going to be put there
 * @ob:		the bucket; the caller's until bch2_open_bucket_put()
 *
 * Never waits for space. Works before the filesystem is read-write, too, on what
 * the overlay says.
 *
 * Return: 0, -BCH_ERR_freelist_empty, -BCH_ERR_open_buckets_empty, a restart, or
 * an error reading the btrees.
 */
int bch2_bucket_alloc_trans(struct btree_trans *trans, struct bch_dev *ca,
			    enum bch_watermark watermark, enum bch_data_type data_type,
			    struct open_bucket **ob)
{
	struct bucket_search s = {
		.trans		= trans,
		.c		= trans->c,
		.ca		= ca,
		.watermark	= watermark,
		.data_type	= data_type,
		.pref		= data_type == BCH_DATA_btree ? PREF_marked : PREF_unmarked,
		.by_freespace	= bch2_freespace_is_true(trans->c, ca),
	};
	int ret = -BCH_ERR_freelist_empty;

	*ob = NULL;
	if (bch2_dev_buckets_free(ca, watermark))
		ret = search(&s) ?: (s.ob ? 0 : -BCH_ERR_freelist_empty);

	if (ret == -BCH_ERR_freelist_empty)
		bch2_do_discards_urgent(trans->c);
	if (bch2_dev_should_invalidate(ca))
		bch2_do_invalidates(trans->c);
	*ob = s.ob;
	return ret;
}
