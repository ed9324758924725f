// SPDX-License-Identifier: GPL-2.0
/*
 * Replay against the discard worker and the write buffer: scenarios 1 to 8 of
 * Documentation/format/22 section 15.2. Those that show what the synchronisation
 * is for also run without it, and must then go wrong.
 */
#include <linux/array_size.h>

#include "btree/trans.h"
#include "btree/update.h"
#include "races.h"

static struct emptied e;

/* The old journal has alloc(b) = need_discard at s and K = set ND(s, b). */
static const char *old_journal_set(void)
{
	const char *crashed = image_path("crashed.img");

	hold("discard_begin", NULL);
	fs_open_start(image_format("base.img"));
	e = bucket_emptied_open();
	assert_int_equal(bch2_journal_flush(c), 0);
	image_crash(crashed);
	bch2_open_bucket_put(c, e.ob);
	fs_close();
	return crashed;
}

/* The btree on disk has ND(0, b); the old journal has K = delete ND(0, b), b is free. */
static const char *old_journal_delete(void)
{
	const char *crashed = image_path("crashed.img");

	hold("discard_begin", NULL);
	fs_open_start(image_format("base.img"));
	e = (struct emptied) { .ob = bucket_open() };
	e.bucket = e.ob->bucket;
	bucket_cycle_unflushed(e.bucket);
	wb_flush();
	fs_flush_btrees();
	assert_int_equal(key_type(BTREE_ID_need_discard, nd_pos(0, e.bucket), true), KEY_TYPE_set);
	assert_int_equal(bucket_mark_free(e.bucket), 0);
	assert_int_equal(bch2_journal_flush(c), 0);
	image_crash(crashed);
	bch2_open_bucket_put(c, e.ob);
	fs_close();
	return crashed;
}

static void finish(struct job *start)
{
	release_all();
	assert_int_equal(job_wait(start), 0);
	wb_flush();
}

/* What fsck has to say if the index and the buckets have come apart. */
#define LOST		((struct report) { .unset = 1 })
#define RESURRECTED	((struct report) { .set = 1 })

static void close_sound(void)
{
	assert_int_equal(nd_violations(), 0);
	fsck_silent();
	assert_int_equal(fs_close(), 0);
}

static bool k_overwritten(void)
{
	return overlay_overwritten(BTREE_ID_need_discard, 0, nd_pos(e.seq, e.bucket));
}

/* Replay stopped before K, discards too. */
static struct job *start_before_k(const char *path, bool sync)
{
	struct job *start;

	hold("discard_begin", NULL);
	fs_open(path);
	c->btree.test_no_overlay_sync = !sync;
	start = fs_start_held(NULL, "replay_H1");
	assert_true(nd_present(e.seq, e.bucket));
	assert_int_equal(alloc_state(e.bucket, NULL), BCH_DATA_need_discard);
	assert_false(k_overwritten());
	return start;
}

/* --- 1: resurrected discard entry --- */

static void resurrection(bool sync)
{
	struct job *start = start_before_k(old_journal_set(), sync);

	/* the worker itself, which may discard what is in the journal on disk */
	assert_int_equal(bch2_journal_meta(c), 0);
	release("discard_begin");
	wait_alloc_state(e.bucket, BCH_DATA_free);
	assert_int_equal(k_overwritten(), sync);
	wb_flush();
	assert_int_equal(key_type(BTREE_ID_need_discard, nd_pos(e.seq, e.bucket), true), 0);
	finish(start);
	assert_int_equal(nd_present(e.seq, e.bucket), !sync);
	if (sync) {
		close_sound();
	} else {
		fsck_expect(RESURRECTED);
		fs_close();
	}
}

static void scenario_01_resurrected(void **state)
{
	resurrection(true);
}

static void scenario_01_without_sync(void **state)
{
	resurrection(false);
}

/* --- 2: lost discard entry --- */

static void loss(bool sync)
{
	const char *path = old_journal_delete();
	struct open_bucket *ob;
	struct job *start;

	hold("discard_begin", NULL);
	fs_open(path);
	c->btree.test_no_overlay_sync = !sync;
	start = fs_start_held(NULL, "replay_H1");
	assert_int_equal(alloc_state(e.bucket, NULL), BCH_DATA_free);
	assert_false(nd_present(0, e.bucket));
	ob = bucket_open_nr(e.bucket);
	bucket_cycle_unflushed(e.bucket);
	wb_flush();
	/* the bucket stays open: not discarded yet */
	finish(start);
	assert_int_equal(alloc_state(e.bucket, NULL), BCH_DATA_need_discard);
	assert_int_equal(nd_present(0, e.bucket), sync);
	assert_int_equal(nd_violations(), !sync);
	if (sync) {
		bch2_open_bucket_put(c, ob);
		assert_int_equal(bch2_journal_meta(c), 0);
		wait_alloc_state(e.bucket, BCH_DATA_free);
		wb_flush();
		assert_false(nd_present(0, e.bucket));
		close_sound();
	} else {
		/* still open: the discard would hide that it is not in the index */
		fsck_expect(LOST);
		bch2_open_bucket_put(c, ob);
		fs_close();
	}
}

static void scenario_02_lost(void **state)
{
	loss(true);
}

static void scenario_02_without_sync(void **state)
{
	loss(false);
}

/* --- 3: stale lookup after flush --- */

static void stale(bool sync)
{
	struct job *start = start_before_k(old_journal_set(), sync);

	assert_int_equal(bucket_mark_free(e.bucket), 0);
	assert_int_equal(nd_present(e.seq, e.bucket), !sync);
	/* the check flushes, looks again, and believes what it sees */
	fsck_expect(sync ? (struct report) {} : RESURRECTED);
	assert_int_equal(nd_present(e.seq, e.bucket), !sync);
	finish(start);
	if (sync) {
		close_sound();
	} else {
		fsck_expect(RESURRECTED);
		fs_close();
	}
}

static void scenario_03_stale_lookup(void **state)
{
	stale(true);
}

static void scenario_03_without_sync(void **state)
{
	stale(false);
}

/* --- 4: commit before flush, replay in between --- */

static void buffered_only(bool sync)
{
	struct job *start = start_before_k(old_journal_set(), sync);

	/* nobody takes what is buffered to the btree */
	hold("wb_flush_H10a", NULL);
	assert_int_equal(bucket_mark_free(e.bucket), 0);
	release("replay_H1");
	assert_int_equal(job_wait(start), 0);
	assert_int_equal(nd_present(e.seq, e.bucket), !sync);
	assert_int_equal(key_type(BTREE_ID_need_discard, nd_pos(e.seq, e.bucket), true),
			 sync ? 0 : KEY_TYPE_set);
	release_all();
	/* without the marks this is right by luck only: U is applied after K */
	wb_flush();
	close_sound();
}

static void scenario_04_buffered_only(void **state)
{
	buffered_only(true);
}

/* An entry of a bucket that is free already is found until the flush. */
static void scenario_04_without_sync(void **state)
{
	buffered_only(false);
}

/* The entry of U never becomes durable: K must still be there. */
static void scenario_04_crash(void **state)
{
	struct job *start = start_before_k(old_journal_set(), true);
	const char *after = image_path("after.img");

	hold("journal_H11_closed", NULL);
	assert_int_equal(bucket_mark_free(e.bucket), 0);
	hold("replay_H14", "start");
	release("replay_H1");
	hold_wait("replay_H14");
	image_crash(after);
	finish(start);
	close_sound();

	fs_open_look(after);
	assert_true(nd_present(e.seq, e.bucket));
	assert_int_equal(alloc_state(e.bucket, NULL), BCH_DATA_need_discard);
	fs_close();

	hold("discard_begin", NULL);
	fs_open_start(after);
	assert_true(nd_present(e.seq, e.bucket));
	release_all();
	close_sound();
}

/* --- 5: replay first --- */

static int mark_free_fn(void *arg)
{
	return bucket_mark_free(e.bucket);
}

static int wb_flush_fn(void *arg)
{
	wb_flush();
	return 0;
}

static struct job *start_at_k(const char *point)
{
	const char *path = old_journal_set();
	struct job *start;

	hold("discard_begin", NULL);
	fs_open(path);
	/* at K itself the attempt begins; the next commit of replay is K's */
	hold_key("replay_H1", "start", BTREE_ID_need_discard, nd_pos(e.seq, e.bucket));
	start = fs_start_held(NULL, NULL);
	hold_wait("replay_H1");
	hold(point, "start");
	release("replay_H1");
	hold_wait(point);
	return start;
}

/* K in the btree, the leaf still locked: the commit goes on, the flush waits. */
static void scenario_05_leaf_locked(void **state)
{
	struct job *start = start_at_k("commit_H3b"), *commit, *flush;

	assert_true(k_overwritten());
	commit = job_start("discard", mark_free_fn, NULL);
	assert_int_equal(job_wait(commit), 0);
	flush = job_start("flush", wb_flush_fn, NULL);
	settle();
	assert_false(job_done(flush));
	release("commit_H3b");
	assert_int_equal(job_wait(flush), 0);
	finish(start);
	assert_false(nd_present(e.seq, e.bucket));
	close_sound();
}

/* K in the btree, not marked, the overwrite lock held: the commit waits for that. */
static void scenario_05_lock_held(void **state)
{
	struct job *start = start_at_k("commit_H3a"), *commit;

	assert_false(k_overwritten());
	commit = job_start("discard", mark_free_fn, NULL);
	settle();
	assert_false(job_done(commit));
	release("commit_H3a");
	assert_int_equal(job_wait(commit), 0);
	finish(start);
	assert_false(nd_present(e.seq, e.bucket));
	close_sound();
}

/* --- 6: overwritten between check and commit --- */

static unsigned attempts;

static void count_attempt(struct bch_fs *fs)
{
	attempts++;
}

/* Replay at K: looked at the mark with the leaf locked, and is about to commit. */
static struct job *start_checked(bool sync)
{
	const char *path = old_journal_set();
	struct job *start;

	hold("discard_begin", NULL);
	fs_open(path);
	c->btree.test_no_overlay_sync = !sync;
	hold_key("replay_H2", "start", BTREE_ID_need_discard, nd_pos(e.seq, e.bucket));
	start = fs_start_held(NULL, NULL);
	hold_wait("replay_H2");
	assert_int_equal(bucket_mark_free(e.bucket), 0);
	assert_int_equal(k_overwritten(), sync);
	attempts = 0;
	at_point("commit_H3a", "start", count_attempt);
	hold("replay_H14", "start");
	return start;
}

static void scenario_06_check_in_commit(void **state)
{
	struct job *start = start_checked(true), *flush;

	flush = job_start("flush", wb_flush_fn, NULL);
	settle();
	assert_false(job_done(flush));

	/* K is not inserted: not even the flush finds it */
	release("replay_H2");
	hold_wait("replay_H14");
	assert_int_equal(attempts, 0);
	at_point("commit_H3a", NULL, NULL);
	assert_int_equal(job_wait(flush), 0);
	assert_int_equal(key_type(BTREE_ID_need_discard, nd_pos(e.seq, e.bucket), true), 0);
	finish(start);
	close_sound();
}

/* K is inserted over U. */
static void scenario_06_without_sync(void **state)
{
	struct job *start;

	hold("wb_flush_H10a", NULL);
	start = start_checked(false);
	release("replay_H2");
	hold_wait("replay_H14");
	assert_true(attempts);
	assert_int_equal(key_type(BTREE_ID_need_discard, nd_pos(e.seq, e.bucket), true),
			 KEY_TYPE_set);
	/* applied after K: right by luck */
	finish(start);
	close_sound();
}

/* --- 7: keys appended by the atomic trigger are marked --- */

static void trigger_keys(bool sync)
{
	struct job *start = start_before_k(old_journal_set(), sync), *commit;

	hold("commit_H3a", "discard");
	commit = job_start("discard", mark_free_fn, NULL);
	hold_wait("commit_H3a");
	assert_false(k_overwritten());
	hold("commit_H8", "discard");
	release("commit_H3a");
	hold_wait("commit_H8");
	assert_int_equal(k_overwritten(), sync);
	release("commit_H8");
	assert_int_equal(job_wait(commit), 0);
	wb_flush();
	finish(start);
	if (sync) {
		close_sound();
	} else {
		fsck_expect(RESURRECTED);
		fs_close();
	}
}

static void scenario_07_trigger_keys(void **state)
{
	trigger_keys(true);
}

static void scenario_07_without_sync(void **state)
{
	trigger_keys(false);
}

/* --- 8: failed commit must not mark --- */

static void scenario_08_failed_commit(void **state)
{
	struct job *start = start_before_k(old_journal_set(), true), *commit;
	const char *after = image_path("after.img");

	/* no reservation succeeds ... */
	bch2_journal_block(c);
	commit = job_start("discard", mark_free_fn, NULL);
	settle();
	assert_false(job_done(commit));
	assert_false(k_overwritten());
	/* ... and none ever will */
	bch2_journal_halt(c);
	bch2_journal_unblock(c);
	assert_true(job_wait(commit) < 0);
	assert_false(k_overwritten());
	assert_true(nd_present(e.seq, e.bucket));
	image_crash(after);
	release_all();
	job_wait(start);
	fs_close();

	fs_open_look(after);
	assert_true(nd_present(e.seq, e.bucket));
	fs_close();
	fs_open_start(after);
	close_sound();
}

static int gives_up(struct btree_trans *trans, struct btree_trans_commit_hook *h)
{
	return -EINTR;
}

static int delete_gives_up(struct btree_trans *trans)
{
	static struct btree_trans_commit_hook h;

	h = (struct btree_trans_commit_hook) { .fn = gives_up };
	bch2_trans_commit_hook(trans, &h);
	return bch2_btree_bit_mod_buffered(trans, BTREE_ID_need_discard,
					   nd_pos(e.seq, e.bucket), false);
}

/* The commit has its room in the journal, and fails all the same. */
static void gave_up(bool early)
{
	struct job *start = start_before_k(old_journal_set(), true);

	c->btree.test_mark_early = early;
	assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
					      delete_gives_up(trans)), -EINTR);
	c->btree.test_mark_early = false;
	assert_int_equal(k_overwritten(), early);
	release("replay_H1");
	assert_int_equal(job_wait(start), 0);
	assert_int_equal(alloc_state(e.bucket, NULL), BCH_DATA_need_discard);
	assert_int_equal(nd_present(e.seq, e.bucket), !early);
	if (early) {
		fsck_expect(LOST);
		fs_close();
	} else {
		fsck_silent();
		release_all();
		close_sound();
	}
}

static void scenario_08_gave_up(void **state)
{
	gave_up(false);
}

static void scenario_08_marked_early(void **state)
{
	gave_up(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RACE(scenario_01_resurrected),
		RACE(scenario_01_without_sync),
		RACE(scenario_02_lost),
		RACE(scenario_02_without_sync),
		RACE(scenario_03_stale_lookup),
		RACE(scenario_03_without_sync),
		RACE(scenario_04_buffered_only),
		RACE(scenario_04_without_sync),
		RACE(scenario_04_crash),
		RACE(scenario_05_leaf_locked),
		RACE(scenario_05_lock_held),
		RACE(scenario_06_check_in_commit),
		RACE(scenario_06_without_sync),
		RACE(scenario_07_trigger_keys),
		RACE(scenario_07_without_sync),
		RACE(scenario_08_failed_commit),
		RACE(scenario_08_gave_up),
		RACE(scenario_08_marked_early),
	};

	return race_main(tests, ARRAY_SIZE(tests));
}
