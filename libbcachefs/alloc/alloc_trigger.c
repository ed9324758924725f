// SPDX-License-Identifier: GPL-2.0
/*
 * The alloc trigger (spec 40 §5, 22 §12): everything that follows from a change
 * of a bucket's key.
 *
 * It is the only place where a bucket's state moves: whoever changes a bucket
 * changes counters, and the trigger - which runs last in a transaction, when all
 * counters have their final values - derives the state, keeps freespace,
 * need_discard, lru, bucket_gens and accounting in step, and numbers the
 * transitions with the journal. Updates without triggers take care of these
 * themselves.
 */
#include <linux/array_size.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/accounting_live.h"
#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/clocks.h"
#include "alloc/discard.h"
#include "alloc/freespace.h"
#include "alloc/gc.h"
#include "alloc/index_update.h"
#include "alloc/lru.h"
#include "alloc/open_buckets.h"
#include "btree/bkey_val.h"
#include "btree/update.h"
#include "journal/journal.h"
#include "sb/fsck_err.h"
#include "sb/members.h"
#include "util/bpos.h"
#include "util/log.h"

/* A change of a bucket. @n is part of the new key, or a copy if that is a deletion. */
struct alloc_change {
	struct bch_dev		*ca;
	struct bpos		bucket;
	const struct bch_alloc_v4 *o;
	struct bch_alloc_v4	*n;
};

/* --- changing alloc keys --- */

/**
 * bch2_alloc_data_type_set - derive the state anew
 * @a:		value
 * @hint:	kind of data that came, or the type stored
 */
void bch2_alloc_data_type_set(struct bch_alloc_v4 *a, unsigned int hint)
{
	a->data_type = alloc_data_type(a, hint);
}

/* The pending update of a bucket, in today's form. */
static struct bkey_i_alloc_v4 *alloc_update_pending(struct btree_trans *trans, struct bpos bucket)
{
	struct btree_update_entry *e =
		bch2_trans_update_find(trans, BTREE_ID_alloc, true, 0, bucket) ?:
		bch2_trans_update_find(trans, BTREE_ID_alloc, false, 0, bucket);

	if (!e || e->k->k.type != KEY_TYPE_alloc_v4 ||
	    bkey_val_bytes(&e->k->k) < sizeof(struct bch_alloc_v4))
		return NULL;
	return bkey_i_to_alloc_v4(e->k);
}

/**
 * bch2_trans_start_alloc_update - the alloc key of a bucket, queued for change
 * @trans:		transaction
 * @bucket:		device and bucket number
 * @update_flags:	flags of the update, if this call is the one that queues it
 *
 * Change the key in place until the commit. Returns the key; ERR_PTR: a restart,
 * an error, -BCH_ERR_trigger_alloc if there is no such bucket.
 */
struct bkey_i_alloc_v4 *bch2_trans_start_alloc_update(struct btree_trans *trans,
						      struct bpos bucket,
						      unsigned int update_flags)
{
	struct bkey_i_alloc_v4 *a = alloc_update_pending(trans, bucket);
	struct bch_dev *ca = bch2_dev(trans->c, bucket.inode);
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	if (a)
		return a;
	if (!ca || !bucket_valid(ca, bucket.offset))
		return ERR_PTR(-BCH_ERR_trigger_alloc);

	bch2_trans_iter_init(trans, &iter, BTREE_ID_alloc, bucket,
			     BTREE_ITER_cached|BTREE_ITER_intent);
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k);
	if (ret)
		goto out;

	a = bch2_trans_kmalloc(trans, sizeof(*a));
	ret = PTR_ERR_OR_ZERO(a);
	if (ret)
		goto out;
	bkey_init(&a->k);
	a->k.type = KEY_TYPE_alloc_v4;
	a->k.p	  = bucket;
	set_bkey_val_bytes(&a->k, sizeof(a->v));
	bch2_alloc_to_v4(k, &a->v);
	ret = bch2_trans_update(trans, &iter, &a->k_i, update_flags);
out:
	bch2_trans_iter_exit(&iter);
	return ret ? ERR_PTR(ret) : a;
}

/* --- transactional half, spec 40 §5.1 --- */

static bool is_open(struct bch_fs *c, const struct alloc_change *ch)
{
	return bch2_open_bucket_is_open(c, ch->ca->dev_idx, ch->bucket.offset);
}

/* Steps 2 and 3: from and to the empty states. */
static int transition_prepare(struct bch_fs *c, const struct alloc_change *ch)
{
	const bool was_empty = data_type_is_empty(ch->o->data_type);
	const bool is_empty = data_type_is_empty(ch->n->data_type);
	int ret = 0;

	if (!was_empty && is_empty && !data_type_is_hidden(ch->o->data_type))
		ch->n->data_type = BCH_DATA_need_discard;

	if (!was_empty || is_empty)
		return 0;

	log_fsck_err_on(!data_type_is_hidden(ch->n->data_type) && !is_open(c, ch),
			c, alloc_key_bucket_nonempty_to_empty_not_open,
			"bucket %llu:%llu gets data without being open",
			(u64) ch->bucket.inode, (u64) ch->bucket.offset);

	ch->n->io_time[0] = cpu_to_le64(bch2_alloc_io_time(c, BCH_IO_CLOCK_read));
	ch->n->io_time[1] = cpu_to_le64(bch2_alloc_io_time(c, BCH_IO_CLOCK_write));
	SET_BCH_ALLOC_V4_NEED_INC_GEN(ch->n, true);
	SET_BCH_ALLOC_V4_NEED_DISCARD(ch->n, true);
fsck_err:
	return ret;
}

/*
 * Step 5: nothing of its past may be left in a free bucket. Older kernels left
 * the sequence numbers, which is no reason to speak (spec 40 §3.2).
 */
static int free_bookkeeping(struct bch_fs *c, const struct alloc_change *ch)
{
	struct bch_alloc_v4 *n = ch->n;
	const bool seqs = n->journal_seq_nonempty || n->journal_seq_empty;
	const bool inherited = ch->o->data_type == BCH_DATA_free &&
		n->journal_seq_nonempty == ch->o->journal_seq_nonempty &&
		n->journal_seq_empty == ch->o->journal_seq_empty;
	int ret = 0;

	if (n->data_type != BCH_DATA_free || (!BCH_ALLOC_V4_NEED_DISCARD(n) && !seqs))
		return 0;

	log_fsck_err_on(BCH_ALLOC_V4_NEED_DISCARD(n) || !inherited,
			c, alloc_key_data_type_free_dirty_bookkeeping,
			"bucket %llu:%llu becomes free with need_discard %u, sequence numbers "
			"%llu and %llu", (u64) ch->bucket.inode, (u64) ch->bucket.offset,
			(unsigned) BCH_ALLOC_V4_NEED_DISCARD(n),
			(u64) le64_to_cpu(n->journal_seq_nonempty),
			(u64) le64_to_cpu(n->journal_seq_empty));
fsck_err:
	if (ret)
		return ret;

	if (BCH_ALLOC_V4_NEED_DISCARD(n)) {
		n->data_type = BCH_DATA_need_discard;
	} else {
		n->journal_seq_nonempty = 0;
		n->journal_seq_empty = 0;
	}
	return 0;
}

/* Step 6, spec 40 §3.4: no pointer of this generation can come any more. */
static void gen_advance(struct bch_fs *c, const struct alloc_change *ch)
{
	struct bch_alloc_v4 *n = ch->n;

	if (!data_type_is_empty(n->data_type) || !BCH_ALLOC_V4_NEED_INC_GEN(n) || is_open(c, ch))
		return;

	if (n->oldest_gen == n->gen && !alloc_sectors_total(n))
		n->oldest_gen++;
	n->gen++;
	SET_BCH_ALLOC_V4_NEED_INC_GEN(n, false);
	bch2_alloc_data_type_set(n, n->data_type);
}

/* Step 7. */
static int freespace_follow(struct btree_trans *trans, const struct alloc_change *ch)
{
	const bool was = ch->o->data_type == BCH_DATA_free;
	const bool is = ch->n->data_type == BCH_DATA_free;
	int ret = 0;

	if (was == is && (!is || bpos_eq(bch2_freespace_pos(ch->bucket, ch->o),
					 bch2_freespace_pos(ch->bucket, ch->n))))
		return 0;
	if (was)
		ret = bch2_freespace_mod(trans, ch->ca, ch->bucket, ch->o, false);
	if (!ret && is)
		ret = bch2_freespace_mod(trans, ch->ca, ch->bucket, ch->n, true);
	return ret;
}

/* Step 8: room for what the atomic half appends (ND-4). */
static void need_discard_reserve(struct btree_trans *trans, const struct alloc_change *ch)
{
	const bool was = ch->o->data_type == BCH_DATA_need_discard;
	const bool is = ch->n->data_type == BCH_DATA_need_discard;

	if (was != is || (was && ch->o->journal_seq_empty != ch->n->journal_seq_empty))
		bch2_trans_extra_journal_u64s(trans, NEED_DISCARD_EXTRA_U64s);
}

/* Steps 9 and 10. */
static int lru_follow(struct btree_trans *trans, const struct alloc_change *ch)
{
	const u64 object = bucket_to_u64(ch->bucket);
	const unsigned int bs = ch->ca->mi.bucket_size;

	if (ch->n->data_type == BCH_DATA_cached && !ch->n->io_time[0])
		ch->n->io_time[0] = cpu_to_le64(bch2_alloc_io_time(trans->c, BCH_IO_CLOCK_read));

	return bch2_lru_change(trans, ch->bucket.inode, object,
			       bch2_alloc_lru_idx_read(ch->o), bch2_alloc_lru_idx_read(ch->n)) ?:
		bch2_lru_change(trans, BCH_LRU_FRAGMENTATION_START, object,
				bch2_alloc_lru_idx_fragmentation(ch->o, bs),
				bch2_alloc_lru_idx_fragmentation(ch->n, bs));
}

/* --- accounting, spec 40 §5.1 step 12 --- */

static int dev_data_type_mod(struct btree_trans *trans, bool gc, const struct bch_dev *ca,
			     unsigned int type, s64 buckets, s64 sectors, s64 fragmented)
{
	const struct disk_accounting_pos acc = {
		.type			= BCH_DISK_ACCOUNTING_dev_data_type,
		.dev_data_type.dev	= ca->dev_idx,
		.dev_data_type.data_type = type,
	};
	const s64 d[] = { buckets, sectors, fragmented };

	return bch2_accounting_mod(trans, gc, &acc, d, ARRAY_SIZE(d));
}

/**
 * bch2_alloc_accounting_change - what a change of a bucket means for its device
 * @trans:	transaction
 * @gc:		for the recount
 * @ca:		device
 * @o:		value before
 * @n:		value after
 *
 * Returns 0, a restart, or no memory.
 */
int bch2_alloc_accounting_change(struct btree_trans *trans, bool gc, const struct bch_dev *ca,
				 const struct bch_alloc_v4 *o, const struct bch_alloc_v4 *n)
{
	const unsigned int bs = ca->mi.bucket_size;
	const s64 os = alloc_sectors(o), ns = alloc_sectors(n);
	const s64 of = alloc_sectors_fragmented(o, bs), nf = alloc_sectors_fragmented(n, bs);
	const s64 ou = alloc_sectors_unstriped(o), nu = alloc_sectors_unstriped(n);
	int ret = 0;

	if (o->data_type != n->data_type)
		ret = dev_data_type_mod(trans, gc, ca, n->data_type, 1, ns, nf) ?:
			dev_data_type_mod(trans, gc, ca, o->data_type, -1, -os, -of);
	else if (os != ns)
		ret = dev_data_type_mod(trans, gc, ca, n->data_type, 0, ns - os, nf - of);

	if (!ret && ou != nu)
		ret = dev_data_type_mod(trans, gc, ca, BCH_DATA_unstriped,
					!!nu - !!ou, nu - ou, 0);
	return ret;
}

static int trigger_transactional(struct btree_trans *trans, const struct alloc_change *ch)
{
	struct bch_fs *c = trans->c;
	int ret;

	bch2_alloc_data_type_set(ch->n, ch->n->data_type);

	ret = transition_prepare(c, ch) ?: free_bookkeeping(c, ch);
	if (ret)
		return ret;
	gen_advance(c, ch);

	need_discard_reserve(trans, ch);
	ret = freespace_follow(trans, ch) ?: lru_follow(trans, ch);
	if (!ret && ch->o->gen != ch->n->gen)
		ret = bch2_bucket_gens_mod(trans, ch->bucket, ch->n->gen);
	return ret ?: bch2_alloc_accounting_change(trans, false, ch->ca, ch->o, ch->n);
}

/* --- atomic half, spec 40 §5.2 --- */

static void seq_in_future(struct bch_fs *c, const struct alloc_change *ch, u64 seq)
{
	bch_err(c, "bucket %llu:%llu: journal_seq_nonempty %llu is in the future, now %llu",
		(u64) ch->bucket.inode, (u64) ch->bucket.offset,
		(u64) le64_to_cpu(ch->n->journal_seq_nonempty), seq);
	bch2_count_fsck_err(c, BCH_FSCK_ERR_alloc_key_journal_seq_in_future);
	ch->n->journal_seq_nonempty = cpu_to_le64(seq);
}

/* Nothing durable can bring back references to what is in the bucket (spec 22 §12.5). */
static bool emptied_before_flush(struct bch_fs *c, const struct bch_alloc_v4 *n, u64 seq)
{
	const u64 nonempty = le64_to_cpu(n->journal_seq_nonempty);

	return nonempty && (nonempty == seq || bch2_journal_noflush_seq(c, nonempty, seq));
}

static void bucket_emptied(struct bch_fs *c, const struct alloc_change *ch, u64 seq)
{
	struct bch_alloc_v4 *n = ch->n;

	n->journal_seq_empty = cpu_to_le64(seq);
	if (!emptied_before_flush(c, n, seq))
		return;

	n->journal_seq_nonempty = 0;
	n->journal_seq_empty = 0;
	if (!bch2_open_bucket_set_fast_discard(c, ch->ca->dev_idx, ch->bucket.offset))
		bch2_discard_bucket_fast(c, ch->ca, ch->bucket.offset);
}

/* Cannot fail: the journal reservation is held. */
static void trigger_atomic(struct btree_trans *trans, const struct alloc_change *ch)
{
	struct bch_fs *c = trans->c;
	const u64 seq = trans->s.journal_res.seq;
	const struct bch_alloc_v4 *o = ch->o;
	struct bch_alloc_v4 *n = ch->n;
	const bool was = o->data_type == BCH_DATA_need_discard;
	const bool is = n->data_type == BCH_DATA_need_discard;

	if (le64_to_cpu(n->journal_seq_nonempty) > seq)
		seq_in_future(c, ch, seq);
	if (o->gen != n->gen)
		bch2_bucket_gen_set(ch->ca, ch->bucket.offset, n->gen);
	if (o->data_type != BCH_DATA_free && n->data_type == BCH_DATA_free)
		bch2_alloc_wake(c);
	if (data_type_is_empty(o->data_type) && !data_type_is_empty(n->data_type) &&
	    !n->journal_seq_nonempty)
		n->journal_seq_nonempty = cpu_to_le64(seq);

	/*
	 * ND-1: the index has it exactly while it waits. ND-2: the number does not
	 * change while the bucket stays in need_discard.
	 */
	if (was != is) {
		if (is)
			bucket_emptied(c, ch, seq);
		if (was)
			bch2_need_discard_mod_atomic(trans, ch->bucket,
						     le64_to_cpu(o->journal_seq_empty), false);
		if (is)
			bch2_need_discard_mod_atomic(trans, ch->bucket,
						     le64_to_cpu(n->journal_seq_empty), true);
	}

	if (o->data_type != BCH_DATA_cached && n->data_type == BCH_DATA_cached)
		bch2_do_invalidates(c);
}

/* --- the trigger --- */

/*
 * The value to work on: in the key itself, so that changes are journalled, except
 * for deletions.
 */
static struct bch_alloc_v4 *new_value(struct bkey_s k, struct bch_alloc_v4 *buf)
{
	if (k.k->type == KEY_TYPE_alloc_v4 && bkey_val_bytes(k.k) >= sizeof(*buf))
		return (struct bch_alloc_v4 *) k.v;
	if (k.k->type == KEY_TYPE_deleted) {
		bch2_alloc_to_v4(bkey_s_to_s_c(k), buf);
		return buf;
	}
	return NULL;
}

/**
 * bch2_trigger_alloc - what follows from the change of an alloc key
 * @trans:	transaction
 * @btree:	alloc
 * @level:	0
 * @old:	key before
 * @new_key:	key after: alloc_v4 of full length, or a deletion
 * @flags:	which half
 *
 * Spec 40 §5. Returns 0, a restart, or an error: the device or bucket does not
 * exist, or the value is not of today's form.
 */
int bch2_trigger_alloc(struct btree_trans *trans, enum btree_id btree, unsigned int level,
		       struct bkey_s_c old, struct bkey_s new_key, unsigned int flags)
{
	struct bch_fs *c = trans->c;
	struct bch_dev *ca = bch2_dev(c, new_key.k->p.inode);
	struct bch_alloc_v4 o, buf;
	struct alloc_change ch = {
		.ca	= ca,
		.bucket	= new_key.k->p,
		.o	= &o,
	};
	int ret = 0;

	if (flags & BTREE_TRIGGER_gc) {
		if (flags & BTREE_TRIGGER_insert)
			bch2_gc_mark_alloc(c, bkey_s_to_s_c(new_key));
		return 0;
	}

	if (!ca || !bucket_valid(ca, new_key.k->p.offset)) {
		bch_err(c, "alloc key for bucket %llu:%llu, which does not exist",
			(u64) new_key.k->p.inode, (u64) new_key.k->p.offset);
		return -BCH_ERR_trigger_alloc;
	}

	bch2_alloc_to_v4(old, &o);
	ch.n = new_value(new_key, &buf);
	if (!ch.n)
		return -BCH_ERR_trigger_alloc;

	if (flags & BTREE_TRIGGER_transactional)
		ret = trigger_transactional(trans, &ch);
	if (!ret && (flags & BTREE_TRIGGER_atomic))
		trigger_atomic(trans, &ch);
	return ret;
}
