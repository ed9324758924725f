// SPDX-License-Identifier: GPL-2.0
/*
 * Buckets that are filled, emptied and discarded, and what the btrees say of them.
 * Nothing is ever stored in them: only their alloc keys change.
 */
#include <time.h>
#include <unistd.h>

#include <linux/err.h>

#include "alloc/discard.h"
#include "alloc/foreground.h"
#include "alloc/freespace.h"
#include "btree/bkey_val.h"
#include "races.h"
#include "sb/members.h"

/** dev0 - the only device */
struct bch_dev *dev0(void)
{
	struct bch_dev *ca = bch2_dev(c, 0);

	assert_non_null(ca);
	return ca;
}

/** nd_pos - where need_discard has a bucket */
struct bpos nd_pos(u64 seq, u64 bucket)
{
	return POS(seq, bucket_to_u64(POS(0, bucket)));
}

/* --- looking --- */

static int alloc_look(struct btree_trans *trans, u64 bucket, struct bch_alloc_v4 *a)
{
	struct btree_iter iter;
	struct bkey_s_c k = bch2_bkey_get_iter(trans, &iter, BTREE_ID_alloc, POS(0, bucket), 0);
	int ret = bkey_err(k);

	if (!ret)
		bch2_alloc_to_v4(k, a);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/** alloc_state - data type of a bucket, as a new transaction sees it */
unsigned alloc_state(u64 bucket, u64 *seq_empty)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct bch_alloc_v4 a;

	assert_int_equal(lockrestart_do(trans, alloc_look(trans, bucket, &a)), 0);
	bch2_trans_put(trans);
	if (seq_empty)
		*seq_empty = le64_to_cpu(a.journal_seq_empty);
	return a.data_type;
}

static int type_look(struct btree_trans *trans, unsigned btree, struct bpos pos, bool raw,
		     unsigned *type)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, &iter, btree, pos, BTREE_ITER_all_snapshots);
	if (raw)
		iter.flags &= ~(BTREE_ITER_with_journal|BTREE_ITER_with_key_cache);
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k);
	if (!ret)
		*type = k.k->type;
	bch2_trans_iter_exit(&iter);
	return ret;
}

/** key_type - type of the key at a position; @raw: in the btree alone */
unsigned key_type(unsigned btree, struct bpos pos, bool raw)
{
	struct btree_trans *trans = bch2_trans_get(c);
	unsigned type;

	assert_int_equal(lockrestart_do(trans, type_look(trans, btree, pos, raw, &type)), 0);
	bch2_trans_put(trans);
	return type;
}

/** nd_present - does a new transaction find the bucket in need_discard? */
bool nd_present(u64 seq, u64 bucket)
{
	return key_type(BTREE_ID_need_discard, nd_pos(seq, bucket), false) == KEY_TYPE_set;
}

/** overlay_overwritten - is the overlay key marked? */
bool overlay_overwritten(unsigned btree, unsigned level, struct bpos pos)
{
	const struct journal_key *k = bch2_journal_keys_find(c, btree, level, pos);

	assert_non_null(k);
	return bch2_journal_key_overwritten(k);
}

/** wb_flush - synchronous flush of the write buffer */
void wb_flush(void)
{
	struct btree_trans *trans = bch2_trans_get(c);

	assert_int_equal(bch2_btree_write_buffer_flush_sync(trans), 0);
	bch2_trans_put(trans);
}

/**
 * wait_alloc_state - until the bucket has this data type
 *
 * The worker is woken by journal writes that allow more discards; nothing else may
 * be written here, so it is woken as long as this takes.
 */
void wait_alloc_state(u64 bucket, unsigned type)
{
	const time_t end = time(NULL) + WAIT_SECONDS;

	while (alloc_state(bucket, NULL) != type) {
		if (time(NULL) > end)
			fail_msg("bucket %llu stays in state %u, not %u", bucket,
				 alloc_state(bucket, NULL), type);
		bch2_do_discards(c);
		usleep(1000);
	}
}

static unsigned violations_forward(struct btree_trans *trans)
{
	unsigned nr = 0;
	int ret;

	ret = for_each_btree_key(trans, iter, BTREE_ID_alloc, POS_MIN, 0, k, ({
		struct bch_alloc_v4 a;
		u64 bucket = k.k->p.offset;

		bch2_alloc_to_v4(k, &a);
		if (a.data_type == BCH_DATA_need_discard) {
			bch2_trans_unlock_long(trans);
			nr += !nd_present(le64_to_cpu(a.journal_seq_empty), bucket);
		}
		0;
	}));
	assert_int_equal(ret, 0);
	return nr;
}

static unsigned violations_backward(struct btree_trans *trans)
{
	unsigned nr = 0;
	int ret;

	ret = for_each_btree_key(trans, iter, BTREE_ID_need_discard, POS_MIN, 0, k, ({
		struct bpos p = k.k->p;
		u64 seq;

		bch2_trans_unlock_long(trans);
		nr += alloc_state(u64_to_bucket(p.offset).offset, &seq) != BCH_DATA_need_discard ||
			seq != p.inode;
		0;
	}));
	assert_int_equal(ret, 0);
	return nr;
}

/** nd_violations - ND-1 by direct scan of both btrees */
unsigned nd_violations(void)
{
	struct btree_trans *trans = bch2_trans_get(c);
	unsigned nr = 0;

	/* the discard worker may be between an alloc key and the flush */
	for (unsigned i = 0; i < 10; i++) {
		wb_flush();
		nr = violations_forward(trans) + violations_backward(trans);
		if (!nr)
			break;
		bch2_trans_unlock_long(trans);
		usleep(20000);
	}
	bch2_trans_put(trans);
	return nr;
}

/* --- changing --- */

/** bucket_open - take a free bucket; as others do, wait for one if too many are open */
struct open_bucket *bucket_open(void)
{
	struct btree_trans *trans = bch2_trans_get(c);
	const time_t end = time(NULL) + WAIT_SECONDS;
	struct open_bucket *ob;
	int ret;

	while (1) {
		ret = lockrestart_do(trans,
				bch2_bucket_alloc_trans(trans, dev0(), BCH_WATERMARK_normal,
							BCH_DATA_user, &ob));
		if (ret != -BCH_ERR_open_buckets_empty || time(NULL) > end)
			break;
		bch2_trans_unlock_long(trans);
		bch2_open_buckets_drop_partial(c, NULL);
		usleep(1000);
	}
	assert_int_equal(ret, 0);
	bch2_trans_put(trans);
	return ob;
}

/** bucket_open_nr - take this one */
struct open_bucket *bucket_open_nr(u64 bucket)
{
	struct open_bucket *ob = bch2_open_bucket_get(c, dev0(), bucket, 0, BCH_DATA_user,
						      BCH_WATERMARK_normal);

	assert_false(IS_ERR_OR_NULL(ob));
	return ob;
}

static int set_sectors(struct btree_trans *trans, u64 bucket, unsigned sectors)
{
	struct bkey_i_alloc_v4 *a = bch2_trans_start_alloc_update(trans, POS(0, bucket), 0);

	if (IS_ERR(a))
		return PTR_ERR(a);
	a->v.dirty_sectors = cpu_to_le32(sectors);
	bch2_alloc_data_type_set(&a->v, BCH_DATA_user);
	return 0;
}

/** bucket_set_sectors - fill or empty a bucket */
int bucket_set_sectors(u64 bucket, unsigned sectors)
{
	return bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
				    set_sectors(trans, bucket, sectors));
}

static int mark_free(struct btree_trans *trans, u64 bucket)
{
	struct bkey_i_alloc_v4 *a = bch2_trans_start_alloc_update(trans, POS(0, bucket),
								  BTREE_TRIGGER_is_discard);

	if (IS_ERR(a))
		return PTR_ERR(a);
	assert_int_equal(a->v.data_type, BCH_DATA_need_discard);
	SET_BCH_ALLOC_V4_NEED_DISCARD(&a->v, 0);
	a->v.journal_seq_nonempty	= 0;
	a->v.journal_seq_empty		= 0;
	a->v.data_type			= BCH_DATA_free;
	bch2_alloc_data_type_set(&a->v, BCH_DATA_free);
	return 0;
}

/** bucket_mark_free - what the discard worker does after the discard */
int bucket_mark_free(u64 bucket)
{
	return bch2_trans_commit_do(c, NULL, NULL,
				    BCH_TRANS_COMMIT_no_enospc|BCH_WATERMARK_reclaim,
				    mark_free(trans, bucket));
}

/** bucket_emptied_open - a bucket that waits for its discard, still open */
struct emptied bucket_emptied_open(void)
{
	struct emptied e = { .ob = bucket_open() };

	e.bucket = e.ob->bucket;
	assert_int_equal(bucket_set_sectors(e.bucket, 8), 0);
	assert_int_equal(bch2_journal_flush(c), 0);
	assert_int_equal(bucket_set_sectors(e.bucket, 0), 0);
	assert_int_equal(alloc_state(e.bucket, &e.seq), BCH_DATA_need_discard);
	assert_true(e.seq);
	return e;
}

/** bucket_cycle - fill and empty */
void bucket_cycle(u64 bucket)
{
	assert_int_equal(bucket_set_sectors(bucket, 8), 0);
	assert_int_equal(bucket_set_sectors(bucket, 0), 0);
}

/**
 * bucket_cycle_unflushed - the same without a flush between: sequence number 0
 *
 * The journal is also flushed by itself now and then: once more, from the beginning.
 */
void bucket_cycle_unflushed(u64 bucket)
{
	u64 seq;

	for (unsigned i = 0; i < 10; i++) {
		bucket_cycle(bucket);
		assert_int_equal(alloc_state(bucket, &seq), BCH_DATA_need_discard);
		if (!seq)
			return;
		assert_int_equal(bucket_mark_free(bucket), 0);
	}
	fail_msg("bucket %llu: the journal is flushed all the time", bucket);
}
