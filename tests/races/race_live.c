// SPDX-License-Identifier: GPL-2.0
/*
 * Key cache, write buffer and journal while the journal is replayed and afterwards:
 * scenarios 11, 12, 18, 21, 22, 25, 28, 29, 35, 36, 39 and 40 of Documentation/format/22
 * section 15.2.
 */
#include <linux/array_size.h>
#include <linux/err.h>

#include "alloc/foreground.h"
#include "btree/update.h"
#include "races.h"

static struct emptied e;

/* Nothing but a start: all that is in the journal is applied. */
static void replayed_sound(const char *path)
{
	fs_open_start(path);
	wb_flush();
	assert_int_equal(nd_violations(), 0);
	assert_int_equal(fs_close(), 0);
}

static struct bch_alloc_v4 alloc_look(u64 bucket)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct btree_iter iter;
	struct bch_alloc_v4 a;
	int ret;

	ret = lockrestart_do(trans, ({
		struct bkey_s_c k = bch2_bkey_get_iter(trans, &iter, BTREE_ID_alloc,
						       POS(0, bucket), 0);

		if (!bkey_err(k))
			bch2_alloc_to_v4(k, &a);
		bch2_trans_iter_exit(&iter);
		bkey_err(k);
	}));
	assert_int_equal(ret, 0);
	bch2_trans_put(trans);
	return a;
}

static u32 sectors_look(u64 bucket)
{
	const struct bch_alloc_v4 a = alloc_look(bucket);

	return le32_to_cpu(a.dirty_sectors);
}

static u64 time_look(u64 bucket)
{
	const struct bch_alloc_v4 a = alloc_look(bucket);

	return le64_to_cpu(a.io_time[0]);
}

/* --- 11, 12: key cache and overlay --- */

static int time_mod(struct btree_trans *trans, u64 bucket, u64 add)
{
	struct bkey_i_alloc_v4 *a = bch2_trans_start_alloc_update(trans, POS(0, bucket), 0);

	if (IS_ERR(a))
		return PTR_ERR(a);
	le64_add_cpu(&a->v.io_time[0], add);
	return 0;
}

static void time_add(u64 bucket, u64 add)
{
	assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
					      time_mod(trans, bucket, add)), 0);
}

/* The alloc key behind the back of triggers and key cache. */
static void alloc_delete(u64 bucket)
{
	struct bkey_i k;

	bkey_init(&k.k);
	k.k.type = KEY_TYPE_deleted;
	k.k.p	 = POS(0, bucket);
	assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
			 bch2_btree_insert_nonextent(trans, BTREE_ID_alloc, &k,
						     BTREE_TRIGGER_norun)), 0);
}

/* A filesystem, and a bucket nobody takes; in the btree, or not. */
static const char *base_image(bool in_btree)
{
	const char *path = image_format("base.img");

	hold("discard_begin", NULL);
	fs_open_start(path);
	e = (struct emptied) { .ob = bucket_open() };
	e.bucket = e.ob->bucket;
	assert_int_equal(bucket_set_sectors(e.bucket, 8), 0);
	bch2_open_bucket_put(c, e.ob);
	if (in_btree)
		time_add(e.bucket, 800);
	else
		alloc_delete(e.bucket);
	assert_int_equal(fs_close(), 0);
	return path;
}

/* Replay is stopped before K, with which the bucket's time is @now. */
static void one_more(const char *path, u64 now)
{
	struct job *start = fs_start_held(path, "replay_H1");

	assert_int_equal(time_look(e.bucket), now);
	time_add(e.bucket, 1);
	/* based on the journal's version, and not hidden by it */
	assert_true(overlay_overwritten(BTREE_ID_alloc, 0, POS(0, e.bucket)));
	assert_int_equal(time_look(e.bucket), now + 1);
	/* never in the cache alone: a scan of the btree has to come across it */
	assert_int_equal(key_type(BTREE_ID_alloc, POS(0, e.bucket), true), KEY_TYPE_alloc_v4);
	release_all();
	assert_int_equal(job_wait(start), 0);
	assert_int_equal(time_look(e.bucket), now + 1);
	assert_int_equal(fs_close(), 0);
	fs_open_look(path);
	assert_int_equal(time_look(e.bucket), now + 1);
	fs_close();
}

static void key_cache(bool in_btree, bool deletion)
{
	const char *path = base_image(in_btree), *crashed = image_path("crashed.img");
	u64 now = 0;

	fs_open_start(path);
	if (deletion) {
		alloc_delete(e.bucket);
	} else {
		now = time_look(e.bucket) + 30;
		time_add(e.bucket, 30);
	}
	assert_int_equal(bch2_journal_flush(c), 0);
	image_crash(crashed);
	assert_int_equal(fs_close(), 0);
	one_more(crashed, now);
}

static void scenario_11_12_key_cache(void **state)
{
	key_cache(true, false);
}

static void scenario_11_12_deletion(void **state)
{
	key_cache(true, true);
}

static void scenario_11_12_nothing(void **state)
{
	key_cache(false, false);
}

/* --- 18: two batches --- */

static int wb_flush_fn(void *arg)
{
	wb_flush();
	return 0;
}

static void scenario_18_two_batches(void **state)
{
	struct job *first, *second;

	hold("discard_begin", NULL);
	fs_open_start(image_format("base.img"));
	wb_flush();
	e = (struct emptied) { .ob = bucket_open() };
	e.bucket = e.ob->bucket;
	bucket_cycle_unflushed(e.bucket);
	hold("wb_flush_H10b", NULL);
	first = job_start("first", wb_flush_fn, NULL);
	hold_wait("wb_flush_H10b");
	assert_false(nd_present(0, e.bucket));
	/* the set is in the first batch, the delete comes in the second */
	assert_int_equal(bucket_mark_free(e.bucket), 0);
	second = job_start("second", wb_flush_fn, NULL);
	settle();
	assert_false(job_done(first));
	assert_false(job_done(second));
	release_all();
	assert_int_equal(job_wait(first), 0);
	assert_int_equal(job_wait(second), 0);
	assert_false(nd_present(0, e.bucket));
	assert_int_equal(nd_violations(), 0);
	bch2_open_bucket_put(c, e.ob);
	assert_int_equal(fs_close(), 0);
}

/* --- 22: fetch from the open entry --- */

static void scenario_22_open_entry(void **state)
{
	const char *after = image_path("after.img");

	hold("discard_begin", NULL);
	fs_open_start(image_format("base.img"));
	e = (struct emptied) { .ob = bucket_open() };
	e.bucket = e.ob->bucket;
	for (unsigned i = 0; i < 3; i++) {
		bucket_cycle_unflushed(e.bucket);
		wb_flush();
		assert_true(nd_present(0, e.bucket));
		assert_int_equal(bucket_mark_free(e.bucket), 0);
		wb_flush();
		assert_false(nd_present(0, e.bucket));
	}
	bucket_cycle_unflushed(e.bucket);
	wb_flush();
	assert_int_equal(bch2_journal_flush(c), 0);
	image_crash(after);
	bch2_open_bucket_put(c, e.ob);
	assert_int_equal(fs_close(), 0);

	/* all that was taken from the entry is in the journal all the same */
	fs_open_look(after);
	assert_true(nd_present(0, e.bucket));
	fs_close();
	replayed_sound(after);
}

/* --- 21, 40: losses of power during replay --- */

static const char *old_journal_many(void)
{
	const char *crashed = image_path("crashed.img");
	struct emptied many[6];

	hold("discard_begin", NULL);
	fs_open_start(image_format("base.img"));
	for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = bucket_emptied_open();
	e = many[0];
	assert_int_equal(bch2_journal_flush(c), 0);
	image_crash(crashed);
	for (unsigned i = 0; i < ARRAY_SIZE(many); i++)
		bch2_open_bucket_put(c, many[i].ob);
	fs_close();
	return crashed;
}

static void scenario_40_idempotence(void **state)
{
	static const char *const points[] = {
		"replay_H4_begin", "replay_H4_accounting", "replay_H2", "commit_H3b", "replay_H14",
	};
	const char *path = old_journal_many();

	for (unsigned i = 0; i < ARRAY_SIZE(points); i++) {
		const char *next = image_path(points[i]);
		struct job *start;

		hold("discard_begin", NULL);
		start = fs_start_held(path, points[i]);
		image_crash(next);
		release_all();
		assert_int_equal(job_wait(start), 0);
		wb_flush();
		assert_int_equal(nd_violations(), 0);
		assert_int_equal(fs_close(), 0);
		path = next;
	}
	fs_open_look(path);
	assert_true(nd_present(e.seq, e.bucket));
	fs_close();
	replayed_sound(path);
}

/* An entry that was closed before U says that K is needed, whenever it is written. */
static void scenario_21_last_seq(void **state)
{
	const char *path = old_journal_many(), *after = image_path("after.img");
	struct job *start;

	hold("discard_begin", NULL);
	start = fs_start_held(path, "replay_H1");
	hold("journal_H11_closed", NULL);
	bch2_journal_flush_seq_async(c, bch2_journal_cur_seq(c));
	settle();
	assert_int_equal(bucket_mark_free(e.bucket), 0);
	hold("replay_H14", "start");
	release("replay_H1");
	hold_wait("replay_H14");
	image_crash(after);
	release_all();
	assert_int_equal(job_wait(start), 0);
	assert_int_equal(fs_close(), 0);

	fs_open_look(after);
	assert_true(nd_present(e.seq, e.bucket));
	assert_int_equal(alloc_state(e.bucket, NULL), BCH_DATA_need_discard);
	fs_close();
	replayed_sound(after);
}

/* --- 25: an overlay that is still used after the end --- */

static void scenario_25_latched_reader(void **state)
{
	const char *path = old_journal_many();
	struct job *start;

	hold("discard_begin", NULL);
	start = fs_start_held(path, "replay_H14");
	/* replay done; every key of the overlay is marked */
	for (size_t i = 0; i < c->journal.keys.nr; i++)
		assert_true(bch2_journal_key_overwritten(&c->journal.keys.data[i]));
	assert_int_equal(bucket_mark_free(e.bucket), 0);
	wb_flush();
	assert_false(nd_present(e.seq, e.bucket));
	release_all();
	assert_int_equal(job_wait(start), 0);
	assert_int_equal(nd_violations(), 0);
	assert_int_equal(fs_close(), 0);
}

/* --- 28, 29: no error before the flush --- */

static int check_bucket(struct btree_trans *trans, struct wb_maybe_flush *f, bool *error)
{
	struct btree_iter alloc, nd;
	struct bch_alloc_v4 a;
	struct bkey_s_c ak, nk;
	int ret;

	bch2_trans_iter_init(trans, &nd, BTREE_ID_need_discard, nd_pos(e.seq, e.bucket), 0);
	ak = bch2_bkey_get_iter(trans, &alloc, BTREE_ID_alloc, POS(0, e.bucket),
				BTREE_ITER_cached);
	ret = bkey_err(ak);
	if (ret)
		goto out;
	bch2_alloc_to_v4(ak, &a);
	nk = bch2_btree_iter_peek_slot(&nd);
	ret = bkey_err(nk);
	if (ret)
		goto out;
	*error = (nk.k->type == KEY_TYPE_set) != (a.data_type == BCH_DATA_need_discard);
	if (*error)
		ret = bch2_btree_write_buffer_maybe_flush(trans, ak, f);
out:
	bch2_trans_iter_exit(&alloc);
	bch2_trans_iter_exit(&nd);
	return ret;
}

static void check_silent(void)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct wb_maybe_flush f = {};
	bool error;

	wb_maybe_flush_init(&f);
	assert_int_equal(lockrestart_do(trans, check_bucket(trans, &f, &error)), 0);
	assert_false(error);
	assert_int_equal(f.nr_flushes, 1);
	wb_maybe_flush_exit(&f);
	bch2_trans_put(trans);
}

static void scenario_28_29_false_errors(void **state)
{
	hold("discard_begin", NULL);
	fs_open_start(image_format("base.img"));
	e = bucket_emptied_open();
	check_silent();
	assert_int_equal(bucket_mark_free(e.bucket), 0);
	check_silent();
	bch2_open_bucket_put(c, e.ob);
	assert_int_equal(fs_close(), 0);
}

/* --- 35, 36: pairing and room --- */

static void scenario_35_trigger_pairing(void **state)
{
	struct open_bucket *ob[4];
	u32 seed = 12345;

	hold("discard_begin", NULL);
	fs_open_start(image_format("base.img"));
	for (unsigned i = 0; i < ARRAY_SIZE(ob); i++)
		ob[i] = bucket_open();
	for (unsigned i = 0; i < 300; i++) {
		u64 bucket;

		seed = seed * 1103515245 + 12345;
		bucket = ob[(seed >> 16) % 4]->bucket;
		switch ((seed >> 20) % 8) {
		case 0:
			assert_int_equal(bch2_journal_flush(c), 0);
			break;
		case 1:
			if (alloc_state(bucket, NULL) == BCH_DATA_need_discard)
				assert_int_equal(bucket_mark_free(bucket), 0);
			break;
		case 2:
			wb_flush();
			assert_int_equal(nd_violations(), 0);
			break;
		default:
			assert_int_equal(bucket_set_sectors(bucket, sectors_look(bucket) ? 0 : 8),
					 0);
		}
	}
	wb_flush();
	assert_int_equal(nd_violations(), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(ob); i++) {
		if (sectors_look(ob[i]->bucket))
			assert_int_equal(bucket_set_sectors(ob[i]->bucket, 0), 0);
		bch2_open_bucket_put(c, ob[i]);
	}
	assert_int_equal(fs_close(), 0);
}

static int all_to(struct btree_trans *trans, struct open_bucket **ob, unsigned nr, u32 sectors)
{
	for (unsigned i = 0; i < nr; i++) {
		struct bkey_i_alloc_v4 *a =
			bch2_trans_start_alloc_update(trans, POS(0, ob[i]->bucket), 0);

		if (IS_ERR(a))
			return PTR_ERR(a);
		a->v.dirty_sectors = cpu_to_le32(sectors);
		bch2_alloc_data_type_set(&a->v, BCH_DATA_user);
	}
	return 0;
}

static void scenario_36_extra_room(void **state)
{
	struct open_bucket *ob[24];

	hold("discard_begin", NULL);
	fs_open_start(image_format("base.img"));
	for (unsigned i = 0; i < ARRAY_SIZE(ob); i++)
		ob[i] = bucket_open();
	for (unsigned i = 0; i < 41; i++)
		assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
				 all_to(trans, ob, ARRAY_SIZE(ob), i % 2 ? 0 : 8)), 0);
	assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
			 all_to(trans, ob, ARRAY_SIZE(ob), 0)), 0);
	wb_flush();
	assert_int_equal(nd_violations(), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(ob); i++)
		bch2_open_bucket_put(c, ob[i]);
	assert_int_equal(fs_close(), 0);
}

/* --- 39: clean stop --- */

static void scenario_39_clean_stop(void **state)
{
	const char *path = image_format("base.img");
	struct open_bucket *ob;

	fs_open_start(path);
	ob = bucket_open();
	for (unsigned i = 0; i < 50; i++)
		bucket_cycle_unflushed(ob->bucket);
	bch2_open_bucket_put(c, ob);
	assert_int_equal(fs_close(), 0);

	fs_open_look(path);
	assert_true(c->recovery.is_clean);
	assert_int_equal(c->journal.keys.nr, 0);
	assert_int_equal(nd_violations(), 0);
	fs_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RACE(scenario_11_12_key_cache),
		RACE(scenario_11_12_deletion),
		RACE(scenario_11_12_nothing),
		RACE(scenario_18_two_batches),
		RACE(scenario_21_last_seq),
		RACE(scenario_22_open_entry),
		RACE(scenario_25_latched_reader),
		RACE(scenario_28_29_false_errors),
		RACE(scenario_35_trigger_pairing),
		RACE(scenario_36_extra_room),
		RACE(scenario_39_clean_stop),
		RACE(scenario_40_idempotence),
	};

	return race_main(tests, ARRAY_SIZE(tests));
}
