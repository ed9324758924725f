// SPDX-License-Identifier: GPL-2.0
/*
 * The write buffer between journal and btrees, and power that is lost at every step:
 * scenarios 15, 16, 19 and 20 of Documentation/format/22 section 15.2.
 */
#include <unistd.h>

#include <linux/array_size.h>
#include <linux/err.h>

#include "alloc/accounting.h"
#include "alloc/accounting_live.h"
#include "btree/interior.h"
#include "btree/node_write.h"
#include "btree/write_buffer_priv.h"
#include "journal/pins.h"
#include "races.h"

/* --- counters that are in the btree alone --- */

static struct disk_accounting_pos counter(u64 nr)
{
	return (struct disk_accounting_pos) {
		.type		= BCH_DISK_ACCOUNTING_inum,
		.inum.inum	= 4711 + nr,
	};
}

static int delta_queue(struct btree_trans *trans, u64 nr, s64 v)
{
	const struct disk_accounting_pos pos = counter(nr);
	const s64 d[3] = { v, 2 * v, 3 * v };

	return bch2_disk_accounting_mod(trans, &pos, d, 3);
}

static void delta(u64 nr, s64 v)
{
	assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
					      delta_queue(trans, nr, v)), 0);
}

static struct bpos counter_pos(u64 nr)
{
	const struct disk_accounting_pos pos = counter(nr);

	return bch2_accounting_pos_encode(&pos);
}

static int counter_look(struct btree_trans *trans, u64 nr, s64 *v)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_accounting, counter_pos(nr),
			     BTREE_ITER_all_snapshots);
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k);
	if (!ret)
		*v = k.k->type == KEY_TYPE_accounting ? le64_to_cpu(*(__le64 *) k.v) : 0;
	bch2_trans_iter_exit(&iter);
	return ret;
}

static s64 counter_value(u64 nr)
{
	struct btree_trans *trans = bch2_trans_get(c);
	s64 v = 0;

	assert_int_equal(lockrestart_do(trans, counter_look(trans, nr, &v)), 0);
	bch2_trans_put(trans);
	return v;
}

/* --- 15: accumulate once --- */

#define COUNTERS	400

static unsigned splits;

static void count_split(struct bch_fs *fs)
{
	splits++;
}

/* How many of the counters are not the sum of their deltas? */
static unsigned wrong_sums(s64 want)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < COUNTERS; i++)
		nr += counter_value(i) != want;
	return nr;
}

static void accumulate(bool again)
{
	fs_open_start(image_format_small("base.img"));
	/* every leaf is full now and then, and attempts are repeated */
	at_point("interior_H12", NULL, count_split);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < COUNTERS; i++)
			delta(i, round + 1);
		if (round) {
			WRITE_ONCE(c->btree.test_accumulate_again, again);
			WRITE_ONCE(c->btree.restart_fault_every, 3);
		}
		wb_flush();
		WRITE_ONCE(c->btree.restart_fault_every, 0);
		WRITE_ONCE(c->btree.test_accumulate_again, false);
	}
	assert_int_equal(!wrong_sums(1 + 2 + 3), !again);
	if (!again)
		assert_true(splits);
	at_point("interior_H12", NULL, NULL);
	fs_close();
}

static void scenario_15_accumulate_once(void **state)
{
	accumulate(false);
}

static void scenario_15_added_again(void **state)
{
	accumulate(true);
}

/* --- 16: guard of a collapsed run --- */

static int write_leaf(struct btree_trans *trans, u64 durable, bool sound)
{
	struct btree_iter iter;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_accounting, counter_pos(0),
			     BTREE_ITER_all_snapshots);
	ret = bch2_btree_iter_traverse(&iter);
	if (!ret) {
		struct btree *b = bch2_btree_iter_leaf(&iter);

		assert_true(b->unwritten_seq > durable);
		if (!sound)
			b->unwritten_seq = durable;
		bch2_btree_node_write(c, b, BTREE_WRITE_cache_reclaim, 0);
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

static void collapsed_run(bool sound)
{
	const char *after = image_path("after.img");
	struct btree_trans *trans;
	u64 durable;

	hold("discard_begin", NULL);
	fs_open_start(image_format("base.img"));
	delta(0, 5);
	wb_flush();
	fs_flush_btrees();
	delta(0, 7);
	assert_int_equal(bch2_journal_flush(c), 0);
	durable = bch2_journal_flushed_seq_ondisk(c);
	/* no entry from here on gets to the device */
	hold("journal_H11_closed", NULL);
	delta(0, 100);
	wb_flush();
	assert_int_equal(counter_value(0), 112);
	trans = bch2_trans_get(c);
	assert_int_equal(lockrestart_do(trans, write_leaf(trans, durable, sound)), 0);
	bch2_trans_put(trans);
	bch2_btree_flush_all_writes(c);
	image_crash(after);
	release_all();
	assert_int_equal(fs_close(), 0);

	fs_open_start(after);
	wb_flush();
	assert_int_equal(counter_value(0), 12);
	assert_int_equal(fs_close(), 0);
}

static void scenario_16_guard(void **state)
{
	collapsed_run(true);
}

/* The guard alone does not decide: the pointer has no sectors_written for the bset yet. */
static void scenario_16_older_guard(void **state)
{
	collapsed_run(false);
}

/* --- 19: no re-journalling --- */

static struct btree_write_buffer *nd_buffer(void)
{
	struct bch_fs_btree_write_buffer *s = &c->btree.wb;

	return s->b[s->idx[BTREE_ID_need_discard]];
}

/* Only of need_discard, and only what is staged. */
static int nd_flush_fn(void *arg)
{
	struct btree_write_buffer *wb = nd_buffer();
	int ret;

	mutex_lock(&wb->flushing.lock);
	ret = bch2_wb_flush_locked(wb);
	mutex_unlock(&wb->flushing.lock);
	return ret;
}

/* Recovery of what is left after a crash, and a check. */
static void recovered(const char *path, const struct emptied *e, bool waits, struct report want)
{
	hold("discard_begin", NULL);
	fs_open_start(path);
	if (waits)
		assert_int_equal(alloc_state(e->bucket, NULL), BCH_DATA_need_discard);
	else	/* free, or in use again */
		assert_int_not_equal(alloc_state(e->bucket, NULL), BCH_DATA_need_discard);
	assert_int_equal(nd_present(e->seq, e->bucket), waits ? !want.unset : want.set);
	fsck_expect(want);
	fsck_silent();
	fs_close();
	unlink(path);
}

static void journalled(bool again)
{
	const char *after = image_path("after.img");
	struct job *flush;
	struct emptied e;

	hold("discard_begin", NULL);
	fs_open_start(image_format("base.img"));
	wb_flush();
	e = bucket_emptied_open();
	assert_int_equal(bch2_journal_flush(c), 0);
	hold("wb_flush_H10b", "flush");
	flush = job_start("flush", nd_flush_fn, NULL);
	hold_wait("wb_flush_H10b");
	/* the set is about to be applied; now comes the delete, and is durable */
	assert_int_equal(bucket_mark_free(e.bucket), 0);
	assert_int_equal(bch2_journal_flush(c), 0);
	hold("wb_flush_H10d", "flush");
	release("wb_flush_H10b");
	hold_wait("wb_flush_H10d");
	if (again)
		assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
				 bch2_btree_bit_mod_buffered(trans, BTREE_ID_need_discard,
							     nd_pos(e.seq, e.bucket), true)), 0);
	/* what the flush has journalled is behind the delete */
	assert_int_equal(bch2_journal_meta(c), 0);
	image_crash(after);
	release_all();
	assert_int_equal(job_wait(flush), 0);
	bch2_open_bucket_put(c, e.ob);
	fs_close();
	recovered(after, &e, false, (struct report) { .set = again });
}

static void scenario_19_no_rejournalling(void **state)
{
	journalled(false);
}

static void scenario_19_journalled_again(void **state)
{
	journalled(true);
}

/* --- 20: pin hand-over --- */

#define CRASHES	12

/* Two buckets wait; the entry of the first is staged, of the second not. */
static int everything_fn(void *arg)
{
	bucket_cycle_unflushed(((struct open_bucket *) arg)->bucket);
	nd_flush_fn(NULL);
	wb_flush();
	fs_flush_btrees();
	return 0;
}

/*
 * Power is lost whenever a thread comes to @point. Whatever nothing pins is given up
 * before, unless that needs the thread which is held.
 */
static void hand_over(const char *point, bool journal_stops)
{
	const char *after[CRASHES];
	struct open_bucket *ob;
	struct emptied e;
	struct job *flush;
	unsigned nr = 0;

	hold("discard_begin", NULL);
	fs_open_start(image_format("base.img"));
	e  = bucket_emptied_open();
	ob = bucket_open();
	assert_int_equal(bch2_journal_flush(c), 0);
	hold(point, journal_stops ? NULL : "flush");
	flush = job_start("flush", everything_fn, ob);
	hold_wait(point);
	do {
		char name[32];

		for (unsigned i = 0; i < 3 && !journal_stops; i++)
			assert_int_equal(bch2_journal_meta(c), 0);
		snprintf(name, sizeof(name), "after-%u.img", nr);
		after[nr] = strdup(image_path(name));
		image_crash(after[nr++]);
	} while (nr < CRASHES && hold_next_or_done(point, flush));
	release_all();
	assert_int_equal(job_wait(flush), 0);
	bch2_open_bucket_put(c, e.ob);
	bch2_open_bucket_put(c, ob);
	assert_int_equal(fs_close(), 0);
	for (unsigned i = 0; i < nr; i++) {
		recovered(after[i], &e, true, (struct report) {});
		free((char *) after[i]);
	}
}

static void scenario_20_intake(void **state)
{
	hand_over("wb_intake_H9a", true);
	hand_over("wb_intake_H9b", true);
}

static void scenario_20_flush(void **state)
{
	hand_over("wb_flush_H10a", false);
	hand_over("wb_flush_H10b", false);
	hand_over("wb_flush_H10c", false);
	hand_over("wb_flush_H10d", false);
}

static void scenario_20_journal(void **state)
{
	hand_over("journal_H11_closed", true);
	hand_over("journal_H11_written", true);
}

static void scenario_20_leaf(void **state)
{
	hand_over("node_write_H12", true);
}

static int leaf_unpin(struct btree_trans *trans, struct bpos pos)
{
	struct btree_iter iter;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_need_discard, pos, BTREE_ITER_all_snapshots);
	ret = bch2_btree_iter_traverse(&iter);
	for (unsigned i = 0; i < 2 && !ret; i++)
		bch2_journal_pin_drop(c, &bch2_btree_iter_leaf(&iter)->writes[i].pin);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* The leaf lets go of the journal before it is written. */
static void scenario_20_dropped_early(void **state)
{
	const char *after = image_path("after.img");
	struct btree_trans *trans;
	struct emptied e;

	hold("discard_begin", NULL);
	fs_open_start(image_format("base.img"));
	fs_flush_btrees();
	e = bucket_emptied_open();
	wb_flush();
	trans = bch2_trans_get(c);
	assert_int_equal(lockrestart_do(trans, leaf_unpin(trans, nd_pos(e.seq, e.bucket))), 0);
	bch2_trans_put(trans);
	/* who else pins the entry lets go of it as he should, when his writes are done */
	while (bch2_journal_last_seq_ondisk(c) <= e.seq) {
		bch2_journal_flush_all_pins(c);
		bch2_btree_interior_updates_flush(c);
		assert_int_equal(bch2_journal_meta(c), 0);
	}
	image_crash(after);
	bch2_open_bucket_put(c, e.ob);
	assert_int_equal(fs_close(), 0);
	recovered(after, &e, true, (struct report) { .unset = 1 });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RACE(scenario_15_accumulate_once),
		RACE(scenario_15_added_again),
		RACE(scenario_16_guard),
		RACE(scenario_16_older_guard),
		RACE(scenario_19_no_rejournalling),
		RACE(scenario_19_journalled_again),
		RACE(scenario_20_intake),
		RACE(scenario_20_flush),
		RACE(scenario_20_journal),
		RACE(scenario_20_leaf),
		RACE(scenario_20_dropped_early),
	};

	return race_main(tests, ARRAY_SIZE(tests));
}
