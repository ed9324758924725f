// SPDX-License-Identifier: GPL-2.0
/*
 * Real images whose kernels were killed with hundreds of buckets waiting to be
 * discarded: replay and the discard worker together leave every bucket that may be
 * discarded free and without contents - in a file, that is a hole - and nothing in
 * the indexes that should not be there.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/delay.h>
#include <linux/err.h>

#include "alloc/alloc_keys.h"
#include "alloc/discard.h"
#include "alloc/freespace.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "btree/write_buffer.h"
#include "check/alloc_checks.h"
#include "init/fs.h"
#include "journal/journal.h"
#include "recount.h"
#include "recover_common.h"
#include "sb/members.h"

#define BUCKETS_MAX	4096

/* What waits for a discard. */
struct waiting {
	struct bpos	entry[BUCKETS_MAX];	/* of need_discard */
	unsigned	nr;
};

static void waiting_read(struct bch_fs *c, struct waiting *w)
{
	struct btree_trans *trans = bch2_trans_get(c);

	w->nr = 0;
	assert_int_equal(for_each_btree_key(trans, iter, BTREE_ID_need_discard, POS_MIN, 0, k, ({
		assert_true(w->nr < BUCKETS_MAX);
		w->entry[w->nr++] = k.k->p;
		0;
	})), 0);
	bch2_trans_put(trans);
}

static struct bch_alloc_v4 alloc_of(struct bch_fs *c, u64 bucket)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct bch_alloc_v4 a;

	assert_int_equal(lockrestart_do(trans, ({
		struct btree_iter iter;
		struct bkey_s_c k = bch2_bkey_get_iter(trans, &iter, BTREE_ID_alloc,
						       POS(0, bucket), 0);

		if (!bkey_err(k))
			bch2_alloc_to_v4(k, &a);
		bch2_trans_iter_exit(&iter);
		bkey_err(k);
	})), 0);
	bch2_trans_put(trans);
	return a;
}

/* Does the file have anything in this bucket? */
static bool has_contents(int fd, const struct bch_dev *ca, u64 bucket)
{
	const off_t start = bucket_to_sector(ca, bucket) << 9;
	const off_t data = lseek(fd, start, SEEK_DATA);

	return data >= 0 && data < start + ((off_t) ca->mi.bucket_size << 9);
}

static struct bch_fs *start(const char *path, bool nochanges, unsigned rewind_percent)
{
	struct bch_opts opts = bch2_opts_empty();
	const char *p[] = { path };
	struct bch_fs *c;
	int ret;

	opt_set(opts, nochanges, nochanges);
	opt_set(opts, journal_rewind_discard_buffer_percent, rewind_percent);
	c = bch2_fs_open(p, 1, &opts);
	assert_false(IS_ERR(c));
	ret = bch2_fs_start(c);
	if (ret == -BCH_ERR_erofs_version_upgrade) {
		bch2_fs_stop(c);
		unlink(path);
		skip();
	}
	if (ret)
		fail_msg("%s: %s (%s)", path, bch2_err_str(ret), recover_last_error);
	return c;
}

static void nothing_wrong(struct bch_fs *c)
{
	struct recount r = {};

	assert_int_equal(bch2_check_alloc_info(c), 0);
	assert_int_equal(bch2_check_lrus(c), 0);
	assert_int_equal(bch2_check_alloc_to_lru_refs(c), 0);
	assert_int_equal(c->fsck.nr_reported, 0);
	assert_int_equal(recount_check(c, &r), 0);
	assert_int_equal(r.bad, 0);
}

#define DISCARD_ROUNDS	1000	/* of 10 ms and more */

static bool may_be_discarded(const struct waiting *w, u64 limit)
{
	for (unsigned i = 0; i < w->nr; i++)
		if (w->entry[i].inode < limit)
			return true;
	return false;
}

/*
 * All that may be discarded has been, and the limit up to which that is. Marking
 * buckets free writes btree nodes, and empties others: what that put into the index
 * may be in the write buffer yet, and flushed by the journal, when a round begins. And
 * the worker leaves the journal alone while that is short of room.
 */
static u64 let_discard(struct bch_fs *c)
{
	static struct waiting now;
	unsigned rounds = 0;
	u64 limit;

	assert_int_equal(bch2_journal_flush(c), 0);
	for (;;) {
		limit = min(bch2_journal_rewind_seq_ondisk(c),
			    bch2_journal_flushed_seq_ondisk(c) + 1);
		bch2_do_discards(c);
		bch2_discards_flush(c);
		bch2_trans_commit_do(c, NULL, NULL, 0,
				     bch2_btree_write_buffer_flush_sync(trans));
		waiting_read(c, &now);
		if (!may_be_discarded(&now, limit) || ++rounds == DISCARD_ROUNDS)
			break;
		msleep(10);
	}

	assert_false(may_be_discarded(&now, limit));
	return limit;
}

/* @rewind_percent: space that may be kept for going back in the journal. */
static void discarded(const char *image, unsigned rewind_percent)
{
	static struct waiting before, after;
	struct waiting *was = &before, *is = &after;
	unsigned with_contents = 0, eligible = 0, holes = 0;
	const char *path = recover_file(image);
	struct bch_fs *c;
	u64 limit;
	int fd;

	recover_log_quietly();
	recover_unpack(image, path);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);

	c = start(path, true, rewind_percent);
	waiting_read(c, was);
	for (unsigned i = 0; i < was->nr; i++)
		with_contents += has_contents(fd, c->devs[0],
					      u64_to_bucket(was->entry[i].offset).offset);
	nothing_wrong(c);
	assert_int_equal(bch2_fs_stop(c), 0);
	assert_true(was->nr > 100 && with_contents > 100);

	c = start(path, false, rewind_percent);
	limit = let_discard(c);
	assert_int_equal(bch2_check_alloc_info(c), 0);
	assert_int_equal(c->fsck.nr_reported, 0);
	assert_int_equal(bch2_fs_stop(c), 0);

	c = start(path, true, rewind_percent);
	nothing_wrong(c);
	waiting_read(c, is);
	for (unsigned i = 0; i < was->nr; i++) {
		const u64 b = u64_to_bucket(was->entry[i].offset).offset;
		const struct bch_alloc_v4 a = alloc_of(c, b);

		if (was->entry[i].inode >= limit) {
			assert_int_equal(a.data_type, BCH_DATA_need_discard);
			continue;
		}
		eligible++;
		/* it may have been taken for something since */
		if (a.data_type != BCH_DATA_free)
			continue;
		assert_int_equal(a.journal_seq_empty, 0);
		assert_false(BCH_ALLOC_V4_NEED_DISCARD(&a));
		assert_false(has_contents(fd, c->devs[0], b));
		holes++;
	}
	print_message("%u waiting, %u with contents; %u eligible, %u free and empty; %u wait\n",
		      was->nr, with_contents, eligible, holes, is->nr);
	assert_true(holes > 100 && holes + 20 > eligible);
	assert_int_equal(bch2_fs_stop(c), 0);
	close(fd);
	unlink(path);
	assert_true(rewind_percent ? is->nr != 0 : eligible == was->nr);
}

/* As formatted: what was emptied last stays, so that one could go back. */
static void some(void **state)
{
	discarded("discard-138", 4);
}

static void all(void **state)
{
	discarded("discard-138", 0);
}

/* The index in its old layout, made anew by the upgrade. */
static void old_layout(void **state)
{
	discarded("discard-616", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(some),
		cmocka_unit_test(all),
		cmocka_unit_test(old_layout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
