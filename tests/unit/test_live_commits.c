// SPDX-License-Identifier: GPL-2.0
/*
 * Whole transactions committed by one or many threads on a filesystem of this
 * version: all are there afterwards. COMMIT_BENCH=1: many more, and how many
 * they are per second.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "commands.h"
#include "fs/quota_format.h"
#include "init/fs.h"
#include "journal/journal.h"
#include "recover_common.h"

#define THREADS_MAX	4
#define SLOTS		20000		/* positions of each thread */

struct writer {
	struct bch_fs	*c;
	u64		first, nr;
	int		ret;
	pthread_t	thread;
};

static const char *image;

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* Two keys of two btrees. */
static int change(struct btree_trans *trans, u64 at, u64 v)
{
	struct bkey_i *q = bch2_trans_kmalloc(trans, (BKEY_U64s + 4) * sizeof(u64));
	struct bkey_i *x = bch2_trans_kmalloc(trans, (BKEY_U64s + 3) * sizeof(u64));

	if (IS_ERR(q) || IS_ERR(x))
		return PTR_ERR(IS_ERR(q) ? q : x);
	bkey_init(&q->k);
	q->k.type = KEY_TYPE_quota;
	q->k.p = POS(0, at);
	set_bkey_val_u64s(&q->k, 4);
	*(u64 *) &q->v = v;
	bkey_init(&x->k);
	x->k.type = KEY_TYPE_cookie;
	x->k.p = SPOS(4096, at, U32_MAX);
	set_bkey_val_u64s(&x->k, 3);
	*(u64 *) &x->v = v;
	return  bch2_btree_insert_nonextent(trans, BTREE_ID_quotas, q, 0) ?:
		bch2_btree_insert_nonextent(trans, BTREE_ID_xattrs, x, 0);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	struct btree_trans *trans = bch2_trans_get(w->c);

	for (u64 i = 0; i < w->nr && !w->ret; i++)
		w->ret = commit_do(trans, NULL, NULL, 0,
				   change(trans, w->first + i % SLOTS * 7919 % SLOTS, i + 1));
	bch2_trans_put(trans);
	return NULL;
}

static u64 count(struct bch_fs *c, unsigned btree, struct bpos start)
{
	struct btree_trans *trans = bch2_trans_get(c);
	u64 nr = 0;
	int ret;

	ret = for_each_btree_key_max(trans, iter, btree, start,
				     SPOS(start.inode, U64_MAX, U32_MAX),
				     BTREE_ITER_all_snapshots, k, ({
		nr++;
		0;
	}));
	assert_int_equal(ret, 0);
	bch2_trans_put(trans);
	return nr;
}

static void run(unsigned threads, u64 commits)
{
	const u64 each = commits / threads;
	char *argv[] = { "format", "-f", "-q", "--fs_size=1G", (char *) image, NULL };
	struct writer w[THREADS_MAX];
	struct bch_fs *c;
	double begin;
	int ret;

	close(open(image, O_WRONLY|O_CREAT|O_TRUNC, 0600));
	optind = 0;
	assert_int_equal(cmd_format(ARRAY_SIZE(argv) - 1, argv), 0);
	c = recover_start(image, NULL, &ret);
	assert_int_equal(ret, 0);

	begin = seconds();
	for (unsigned i = 0; i < threads; i++) {
		w[i] = (struct writer) { .c = c, .first = i * SLOTS, .nr = each };
		assert_int_equal(pthread_create(&w[i].thread, NULL, writer_main, w + i), 0);
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(w[i].thread, NULL);
		assert_int_equal(w[i].ret, 0);
	}
	assert_int_equal(bch2_journal_flush(c), 0);
	printf("# %u threads: %.0f k transactions of 2 keys/s, durable at the end\n", threads,
	       each * threads / (seconds() - begin) / 1e3);

	assert_int_equal(count(c, BTREE_ID_quotas, POS_MIN), threads * min_t(u64, each, SLOTS));
	assert_int_equal(count(c, BTREE_ID_xattrs, SPOS(4096, 0, 0)),
			 threads * min_t(u64, each, SLOTS));
	assert_int_equal(bch2_fs_stop(c), 0);
}

static void one_thread(void **state)
{
	run(1, getenv("COMMIT_BENCH") ? 300000 : 5000);
}

static void two_threads(void **state)
{
	run(2, getenv("COMMIT_BENCH") ? 300000 : 5000);
}

static void four_threads(void **state)
{
	run(4, getenv("COMMIT_BENCH") ? 300000 : 5000);
}

static int setup(void **state)
{
	image = recover_file("commits");
	recover_log_quietly();
	return 0;
}

static int teardown(void **state)
{
	unlink(image);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_thread),
		cmocka_unit_test(two_threads),
		cmocka_unit_test(four_threads),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
