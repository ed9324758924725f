// SPDX-License-Identifier: GPL-2.0
/*
 * Accounting while the journal is replayed: scenarios 13 and 14 of
 * Documentation/format/22 section 15.2. One counter that is kept in memory and one
 * that is not have a part in the btree and further ones in the old journal.
 */
#include <linux/array_size.h>
#include <linux/err.h>

#include "alloc/accounting.h"
#include "alloc/accounting_live.h"
#include "btree/node_write.h"
#include "races.h"

static const struct disk_accounting_pos counter[] = {
	{ .type = BCH_DISK_ACCOUNTING_inum, .inum.inum = 4711 },
	{ .type = BCH_DISK_ACCOUNTING_nr_inodes },	/* in memory, too */
};

static struct bpos counter_pos(bool mem)
{
	return bch2_accounting_pos_encode(&counter[mem]);
}

static int delta_queue(struct btree_trans *trans, s64 v)
{
	const s64 d[3] = { v, 2 * v, 3 * v };

	return  bch2_disk_accounting_mod(trans, &counter[true], d, 1) ?:
		bch2_disk_accounting_mod(trans, &counter[false], d, 3);
}

static void delta(s64 v)
{
	assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
					      delta_queue(trans, v)), 0);
}

static int raw_look(struct btree_trans *trans, bool mem, s64 *v)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_accounting, counter_pos(mem),
			     BTREE_ITER_all_snapshots);
	iter.flags &= ~BTREE_ITER_with_journal;
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k);
	if (!ret)
		*v = k.k->type == KEY_TYPE_accounting ? le64_to_cpu(*(__le64 *) k.v) : 0;
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* In the btree alone. */
static s64 raw(bool mem)
{
	struct btree_trans *trans = bch2_trans_get(c);
	s64 v = 0;

	assert_int_equal(lockrestart_do(trans, raw_look(trans, mem, &v)), 0);
	bch2_trans_put(trans);
	return v;
}

static void assert_counters(s64 v)
{
	u64 mem;

	assert_int_equal(raw(true), v);
	assert_int_equal(raw(false), v);
	bch2_accounting_mem_read(c, &counter[true], &mem, 1);
	assert_int_equal(mem, v);
}

/* 5 is in the btree, 7 and 3 are in two entries of the journal. */
static s64 start_value;

static const char *old_journal(void)
{
	const char *crashed = image_path("crashed.img");

	fs_open_start(image_format("base.img"));
	wb_flush();
	start_value = raw(true);
	/* that of the other counter */
	assert_int_equal(raw(false), 0);
	if (start_value) {
		const s64 d[3] = { start_value };

		assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, 0,
				 bch2_disk_accounting_mod(trans, &counter[false], d, 3)), 0);
	}
	delta(5);
	wb_flush();
	fs_flush_btrees();
	delta(7);
	assert_int_equal(bch2_journal_flush(c), 0);
	delta(3);
	assert_int_equal(bch2_journal_flush(c), 0);
	image_crash(crashed);
	fs_close();
	return crashed;
}

static void replay_adds_deltas(void **state)
{
	fs_open_start(old_journal());
	assert_counters(start_value + 15);
	assert_int_equal(fs_close(), 0);
}

/* --- 13: accounting flushed too early --- */

static void tryflush(void)
{
	struct btree_trans *trans = bch2_trans_get(c);

	/* the journal's writer takes what is in its buffers */
	assert_int_equal(bch2_journal_flush(c), 0);
	assert_int_equal(bch2_btree_write_buffer_tryflush(trans), 0);
	bch2_trans_put(trans);
}

static void scenario_13_flushed_early(void **state)
{
	const char *path = old_journal();
	struct job *start = fs_start_held(path, "replay_H4_begin");

	delta(100);
	tryflush();
	assert_int_equal(raw(true), start_value + 5);
	assert_int_equal(raw(false), start_value + 5);
	delta(1000);
	tryflush();
	assert_int_equal(raw(true), start_value + 5);
	release_all();
	assert_int_equal(job_wait(start), 0);
	wb_flush();
	assert_counters(start_value + 1115);
	assert_int_equal(fs_close(), 0);
	fs_open_start(path);
	assert_counters(start_value + 1115);
	assert_int_equal(fs_close(), 0);
}

/* What holding them back is for. */
static void scenario_13_not_held_back(void **state)
{
	const char *path = old_journal();
	struct job *start = fs_start_held(path, "replay_H4_begin");

	set_bit(BCH_FS_accounting_replay_done, &c->flags);
	delta(100);
	tryflush();
	assert_int_equal(raw(false), start_value + 105);
	release_all();
	assert_int_equal(job_wait(start), 0);
	wb_flush();
	assert_int_equal(raw(false), start_value + 105);
	fs_close();
}

/* --- 14: accounting replayed twice --- */

static int write_leaf(struct btree_trans *trans)
{
	struct btree_iter iter;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_accounting, counter_pos(true),
			     BTREE_ITER_all_snapshots);
	ret = bch2_btree_iter_traverse(&iter);
	if (!ret)
		bch2_btree_node_write(c, bch2_btree_iter_leaf(&iter), BTREE_WRITE_cache_reclaim,
				      0);
	bch2_trans_iter_exit(&iter);
	return ret;
}

static void write_accounting(void)
{
	struct btree_trans *trans = bch2_trans_get(c);

	assert_int_equal(lockrestart_do(trans, write_leaf(trans)), 0);
	bch2_trans_put(trans);
	bch2_btree_flush_all_writes(c);
	assert_int_equal(bch2_journal_flush(c), 0);
}

/* Crash with the deltas in the leaf on disk and still in the journal. */
static void scenario_14_replayed_twice(void **state)
{
	const char *path = old_journal(), *again = image_path("again.img");
	struct job *start;

	fs_open(path);
	start = fs_start_held(NULL, "replay_H4_accounting");
	write_accounting();
	image_crash(again);
	release_all();
	assert_int_equal(job_wait(start), 0);
	assert_counters(start_value + 15);
	assert_int_equal(fs_close(), 0);

	fs_open_start(again);
	assert_counters(start_value + 15);
	assert_int_equal(fs_close(), 0);
}

/* One counter has its deltas in the leaf, the other has not. */
static void scenario_14_some_in_btree(void **state)
{
	const char *path = old_journal(), *again = image_path("again.img");
	struct job *start;

	fs_open(path);
	start = fs_start_held(NULL, "replay_H1_delta");
	hold_next("replay_H1_delta");
	write_accounting();
	image_crash(again);
	release_all();
	assert_int_equal(job_wait(start), 0);
	assert_counters(start_value + 15);
	assert_int_equal(fs_close(), 0);
	fs_open_start(again);
	assert_counters(start_value + 15);
	assert_int_equal(fs_close(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RACE(replay_adds_deltas),
		RACE(scenario_13_flushed_early),
		RACE(scenario_13_not_held_back),
		RACE(scenario_14_replayed_twice),
		RACE(scenario_14_some_in_btree),
	};

	return race_main(tests, ARRAY_SIZE(tests));
}
