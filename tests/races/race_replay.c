// SPDX-License-Identifier: GPL-2.0
/*
 * Replay against changes of the shape of btrees, against those who use the overlay,
 * and against its own failure: scenarios 9, 10, 23, 24, 26, 27, 38 and 39 of
 * Documentation/format/22 section 15.2.
 */
#include <fcntl.h>
#include <unistd.h>

#include <linux/array_size.h>
#include <linux/err.h>

#include "alloc/foreground.h"
#include "btree/interior.h"
#include "btree/locking.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "journal/pins.h"
#include "races.h"

#define INODE		4096
#define VAL_U64s	20

/* --- plain keys: number n of xattrs --- */

static int put(struct btree_trans *trans, u64 n, u64 v)
{
	struct bkey_i *k = bch2_trans_kmalloc(trans, (BKEY_U64s + VAL_U64s) * sizeof(u64));

	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.type = KEY_TYPE_cookie;
	k->k.p	  = SPOS(INODE, n, U32_MAX);
	set_bkey_val_u64s(&k->k, VAL_U64s);
	for (unsigned i = 0; i < VAL_U64s; i++)
		((u64 *) &k->v)[i] = v;
	return bch2_btree_insert_nonextent(trans, BTREE_ID_xattrs, k, 0);
}

struct run {
	u64	from, to, step, v;
};

static void put_all(struct run r)
{
	for (u64 n = r.from; n < r.to; n += r.step)
		assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, 0, put(trans, n, r.v)), 0);
}

static int put_fn(void *arg)
{
	put_all(*(struct run *) arg);
	return 0;
}

static int get(struct btree_trans *trans, u64 n, u64 *v)
{
	struct btree_iter iter;
	struct bkey_s_c k = bch2_bkey_get_iter(trans, &iter, BTREE_ID_xattrs,
					       SPOS(INODE, n, U32_MAX), 0);
	const int ret = bkey_err(k);

	if (!ret)
		*v = k.k->type == KEY_TYPE_cookie ? *(const u64 *) k.v : 0;
	bch2_trans_iter_exit(&iter);
	return ret;
}

static u64 value(u64 n)
{
	struct btree_trans *trans = bch2_trans_get(c);
	u64 v;

	assert_int_equal(lockrestart_do(trans, get(trans, n, &v)), 0);
	bch2_trans_put(trans);
	return v;
}

static void assert_run(struct run r)
{
	for (u64 n = r.from; n < r.to; n += r.step)
		assert_int_equal(value(n), r.v);
}

static const struct run first = { 0, 2000, 10, 1 }, later = { 5, 1000, 10, 2 },
			during = { 2, 2000, 10, 3 }, more = { 7, 2000, 10, 3 };

/* The end of a leaf whose pointer is in the overlay alone, and not replayed. */
static struct bpos overlay_leaf_end(void)
{
	for (size_t i = 0; i < c->journal.keys.nr; i++) {
		const struct journal_key *k = &c->journal.keys.data[i];

		if (k->level == 1 && k->btree_id == BTREE_ID_xattrs &&
		    k->k->k.type == KEY_TYPE_btree_ptr_v2 && !bch2_journal_key_overwritten(k))
			return k->k->k.p;
	}
	fail_msg("the overlay has no pointer");
	return POS_MIN;
}

/* Btrees of many small nodes; the pointers to some are in the journal alone. */
static const char *old_journal_splits(void)
{
	const char *crashed = image_path("crashed.img");

	fs_open_start(image_format_small("base.img"));
	put_all(first);
	fs_flush_btrees();
	put_all(later);
	assert_int_equal(bch2_journal_flush(c), 0);
	image_crash(crashed);
	assert_int_equal(fs_close(), 0);
	return crashed;
}

static unsigned overlay_pointers(bool live)
{
	unsigned nr = 0;

	for (size_t i = 0; i < c->journal.keys.nr; i++) {
		const struct journal_key *k = &c->journal.keys.data[i];

		nr += k->level && k->btree_id == BTREE_ID_xattrs &&
			!(live && bch2_journal_key_overwritten(k));
	}
	return nr;
}

/* --- 9: the overwrite lock is inside of node locks --- */

static int read_and_split(struct btree_trans *trans)
{
	struct btree_iter read, iter;
	int ret;

	bch2_trans_iter_init(trans, &read, BTREE_ID_quotas, POS(0, 1), 0);
	bch2_trans_iter_init(trans, &iter, BTREE_ID_xattrs, SPOS(INODE, 500, U32_MAX),
			     BTREE_ITER_intent|BTREE_ITER_all_snapshots);
	ret   = bkey_err(bch2_btree_iter_peek_slot(&read)) ?:
		bch2_btree_iter_traverse(&iter) ?:
		bch2_btree_split_leaf(trans, &iter, 0);
	bch2_trans_iter_exit(&iter);
	bch2_trans_iter_exit(&read);
	return ret;
}

static int split_fn(void *arg)
{
	struct btree_trans *trans = bch2_trans_get(c);
	const int ret = lockrestart_do(trans, read_and_split(trans));

	bch2_trans_put(trans);
	return ret;
}

static int put_quota(struct btree_trans *trans)
{
	struct bkey_i *k = bch2_trans_kmalloc(trans, (BKEY_U64s + 4) * sizeof(u64));

	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.type = KEY_TYPE_quota;
	k->k.p	  = POS(0, 1);
	set_bkey_val_u64s(&k->k, 4);
	return bch2_btree_insert_nonextent(trans, BTREE_ID_quotas, k, 0);
}

static int commit_fn(void *arg)
{
	return bch2_trans_commit_do(c, NULL, NULL, 0, put_quota(trans));
}

/*
 * A commit waits for the write lock of a node that the splitting thread reads, which
 * wants the overwrite lock. Were that held by the commit, neither would go on.
 */
static struct job *start, *split, *commit;

static void lock_order(bool outside)
{
	start = fs_start_held(old_journal_splits(), "replay_H4_begin");
	c->btree.test_overwrite_lock_outside = outside;
	hold("interior_H15", "split");
	split = job_start("split", split_fn, NULL);
	hold_wait("interior_H15");
	commit = job_start("commit", commit_fn, NULL);
	settle();
	assert_false(job_done(commit));
}

static void scenario_09_lock_order(void **state)
{
	struct mutex *overwrite;

	lock_order(false);
	overwrite = &c->journal.keys.overwrite_lock;
	/* SY-4 */
	assert_true(mutex_trylock(overwrite));
	mutex_unlock(overwrite);
	release("interior_H15");
	assert_int_equal(job_wait(split), 0);
	assert_int_equal(job_wait(commit), 0);
	release_all();
	assert_int_equal(job_wait(start), 0);
	assert_run(first);
	assert_run(later);
	assert_int_equal(fs_close(), 0);
}

/* The order that does not work: each has what the other wants, and no detector sees it. */
static void scenario_09_lock_outside(void **state)
{
	lock_order(true);
	release("interior_H15");
	settle();
	assert_false(job_done(split));
	assert_false(job_done(commit));
	assert_false(mutex_trylock(&c->journal.keys.overwrite_lock));
	/* the threads end with the process of this test */
}

/* --- 10: concurrent marking --- */

static struct run overlay_run;

static int mark_fn(void *arg)
{
	bch2_overlay_mark_overwritten(c, BTREE_ID_xattrs, 0,
				      SPOS(INODE, overlay_run.from + 10, U32_MAX));
	return 0;
}

/* Live keys of a run of the overlay, from both ends. */
static unsigned overlay_live(bool forward)
{
	const struct bpos start = SPOS(INODE, 0, 0), end = SPOS(INODE, U64_MAX, U32_MAX);
	struct bpos pos = forward ? start : end;
	unsigned nr = 0;
	size_t hint = 0;
	struct bkey_i *k;

	while (1) {
		k = forward
			? bch2_journal_keys_peek_max(c, BTREE_ID_xattrs, 0, pos, end, &hint)
			: bch2_journal_keys_peek_prev_min(c, BTREE_ID_xattrs, 0, pos, start,
							  &hint);
		if (!k)
			return nr;
		nr++;
		pos = forward ? bpos_successor(k->k.p) : bpos_predecessor(k->k.p);
	}
}

static void scenario_10_concurrent_marking(void **state)
{
	struct job *start = fs_start_held(old_journal_splits(), "replay_H4_begin");
	struct run one = { later.from, later.from + 1, 1, 4 };
	const unsigned nr = overlay_live(true);
	struct job *leaf, *other;

	assert_int_equal(overlay_live(false), nr);
	overlay_run = later;
	/* marking, the lock held ... */
	hold("commit_H8", "leaf");
	leaf = job_start("leaf", put_fn, &one);
	hold_wait("commit_H8");
	/* ... so nobody else marks; readers do not care */
	other = job_start("other", mark_fn, NULL);
	settle();
	assert_false(job_done(other));
	assert_int_equal(overlay_live(true), nr - 1);
	assert_int_equal(overlay_live(false), nr - 1);
	release("commit_H8");
	assert_int_equal(job_wait(leaf), 0);
	assert_int_equal(job_wait(other), 0);
	assert_int_equal(overlay_live(true), nr - 2);
	assert_int_equal(overlay_live(false), nr - 2);
	/* all of it, one after the other */
	for (u64 n = later.from; n < later.to; n += later.step)
		bch2_overlay_mark_overwritten(c, BTREE_ID_xattrs, 0, SPOS(INODE, n, U32_MAX));
	assert_int_equal(overlay_live(true), nr - (later.to - later.from + 5) / later.step);
	assert_int_equal(overlay_live(false), nr - (later.to - later.from + 5) / later.step);
	release_all();
	assert_int_equal(job_wait(start), 0);
	assert_int_equal(value(later.from), 4);
	fs_close();
}

/* --- 23, 24: transactions from before the end of replay --- */

#define BIT_POS		POS(0, 99999)

static void scenario_23_no_bypass(void **state)
{
	struct job *start = fs_start_held(old_journal_splits(), "replay_H4_sorted");
	struct btree_trans *t1 = bch2_trans_get(c);

	assert_true(t1->replay_unfinished);
	bch2_trans_begin(t1);
	assert_int_equal(bch2_btree_bit_mod_buffered(t1, BTREE_ID_deleted_inodes, BIT_POS, false),
			 0);
	/* why the older of two cannot win: there is no direct update */
	assert_int_equal(t1->s.nr_updates, 0);
	assert_true(t1->s.entries.nr);
	release_all();
	assert_int_equal(job_wait(start), 0);

	assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, 0,
			 bch2_btree_bit_mod_buffered(trans, BTREE_ID_deleted_inodes, BIT_POS,
						     true)), 0);
	assert_int_equal(bch2_trans_commit(t1, NULL, NULL, 0), 0);
	bch2_trans_put(t1);
	wb_flush();
	assert_int_equal(key_type(BTREE_ID_deleted_inodes, BIT_POS, true), 0);
	assert_int_equal(fs_close(), 0);
}

static void scenario_24_latched(void **state)
{
	struct job *start = fs_start_held(old_journal_splits(), "replay_H4_begin");
	struct btree_trans *t = bch2_trans_get(c);

	assert_true(t->overlay_ref);
	release_all();
	assert_int_equal(job_wait(start), 0);
	/* the attempt keeps what it has seen */
	assert_true(t->replay_unfinished);
	assert_int_equal(atomic_read(&c->journal.keys.ref), 2);
	bch2_trans_begin(t);
	assert_false(t->replay_unfinished);
	assert_false(t->overlay_ref);
	bch2_trans_put(t);
	/* that of the filesystem: a later pass may want to look, until it is stopped */
	assert_int_equal(atomic_read(&c->journal.keys.ref), 1);
	assert_int_equal(fs_close(), 0);
}

/* --- 26: interior keys superseded --- */

static void scenario_26_many_levels(void **state)
{
	struct job *start = fs_start_held(old_journal_splits(), "replay_H4_begin");
	const unsigned nr = overlay_pointers(true);

	assert_true(nr > 2);
	put_all(during);
	put_all(more);
	assert_true(overlay_pointers(true) < nr);
	/* through pointers of nodes and overlay together */
	assert_run(first);
	assert_run(later);
	assert_run(during);
	assert_run(more);
	release_all();
	assert_int_equal(job_wait(start), 0);
	assert_run(first);
	assert_run(later);
	assert_run(during);
	assert_run(more);
	assert_int_equal(fs_close(), 0);
}

static int split_at(struct btree_trans *trans, struct bpos pos)
{
	struct btree_iter iter;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_xattrs, pos,
			     BTREE_ITER_intent|BTREE_ITER_all_snapshots);
	ret = bch2_btree_iter_traverse(&iter) ?: bch2_btree_split_leaf(trans, &iter, 0);
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int split_at_fn(void *arg)
{
	struct btree_trans *trans = bch2_trans_get(c);
	const int ret = lockrestart_do(trans, split_at(trans, *(struct bpos *) arg));

	bch2_trans_put(trans);
	return ret;
}

/* The update that supersedes K is not journalled when replay has passed K. */
static void scenario_26_crash(void **state)
{
	const char *after = image_path("after.img");
	struct run some = { 3, 1000, 10, 5 };
	struct job *start = fs_start_held(old_journal_splits(), "replay_H4_begin");
	struct bpos pos = overlay_leaf_end();
	struct job *split;

	hold("interior_H12", NULL);
	split = job_start("split", split_at_fn, &pos);
	hold_wait("interior_H12");
	assert_true(overlay_overwritten(BTREE_ID_xattrs, 1, pos));
	hold("replay_H14", "start");
	release("replay_H4_begin");
	hold_wait("replay_H14");
	assert_int_equal(bch2_journal_flush(c), 0);
	image_crash(after);
	release_all();
	assert_int_equal(job_wait(split), 0);
	assert_int_equal(job_wait(start), 0);
	put_all(some);
	assert_run(some);
	assert_int_equal(fs_close(), 0);

	fs_open_start(after);
	assert_run(first);
	assert_run(later);
	assert_int_equal(fs_close(), 0);
}

/* --- 27: a full journal, and replay needs splits --- */

static int fill_fn(void *arg)
{
	for (u64 n = 0; !READ_ONCE(*(bool *) arg); n++)
		if (bch2_trans_commit_do(c, NULL, NULL, 0, put(trans, n * 7919 % 20000, 6)))
			break;
	return 0;
}

static int never_flushed(struct bch_fs *fs, struct journal_entry_pin *pin, u64 seq)
{
	return 0;
}

static void scenario_27_full_journal(void **state)
{
	const char *crashed = image_path("crashed.img");
	struct journal_entry_pin pin = {};
	bool stop = false;
	struct job *filler;

	fs_open_start(image_format_small("base.img"));
	put_all(first);
	fs_flush_btrees();
	/* nothing becomes free */
	bch2_journal_pin_add(c, bch2_journal_cur_seq(c), &pin, JOURNAL_PIN_TYPE_other,
			     never_flushed);
	filler = job_start("filler", fill_fn, &stop);
	for (unsigned i = 0; i < WAIT_SECONDS * 20 && !bch2_journal_watermark_low(c); i++)
		settle();
	assert_true(bch2_journal_watermark_low(c));
	settle();
	image_crash(crashed);
	WRITE_ONCE(stop, true);
	bch2_journal_pin_drop(c, &pin);
	assert_int_equal(job_wait(filler), 0);
	assert_int_equal(fs_close(), 0);

	fs_open_start(crashed);
	assert_int_equal(fs_close(), 0);
	fs_open_look(crashed);
	assert_true(c->recovery.is_clean);
	fs_close();
}

/* --- 38: no replay --- */

static u64 checksum(const char *path)
{
	u64 buf[4096], sum = 0;
	const int fd = open(path, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (unsigned i = 0; i < n / sizeof(u64); i++)
			sum = sum * 31 + buf[i];
	close(fd);
	return sum;
}

static void scenario_38_no_replay(void **state)
{
	const char *path = old_journal_splits();
	const u64 before = checksum(path);

	fs_open_look(path);
	assert_true(c->journal.keys.nr);
	assert_true(overlay_pointers(true));
	assert_run(first);
	assert_run(later);
	/* nothing waits for what never comes */
	wb_flush();
	assert_run(later);
	assert_true(overlay_pointers(true));
	fs_close();
	assert_true(checksum(path) == before);
}

/* --- 39: stop, and replay has not ended --- */

static int delete_bits(void *arg)
{
	for (unsigned i = 0; i < 20; i++)
		bch2_trans_commit_do(c, NULL, NULL, 0, put(trans, 3000 + i, 7));
	return 0;
}

static void scenario_39_replay_failed(void **state)
{
	const char *path = old_journal_splits();
	struct job *start;

	fs_open(path);
	c->btree.test_replay_fails = true;
	start = fs_start_held(NULL, "replay_H4_begin");
	/* deltas of accounting, which wait for replay */
	delete_bits(NULL);
	assert_int_equal(bch2_journal_flush(c), 0);
	release_all();
	assert_int_equal(job_wait(start), -EIO);
	fs_close();

	fs_open_look(path);
	assert_false(c->recovery.is_clean);
	assert_true(c->journal.keys.nr);
	fs_close();
	fs_open_start(path);
	assert_run(first);
	assert_run(later);
	assert_int_equal(fs_close(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RACE(scenario_09_lock_order),
		RACE(scenario_09_lock_outside),
		RACE(scenario_10_concurrent_marking),
		RACE(scenario_23_no_bypass),
		RACE(scenario_24_latched),
		RACE(scenario_26_many_levels),
		RACE(scenario_26_crash),
		RACE(scenario_27_full_journal),
		RACE(scenario_38_no_replay),
		RACE(scenario_39_replay_failed),
	};

	return race_main(tests, ARRAY_SIZE(tests));
}
