// SPDX-License-Identifier: GPL-2.0
/*
 * Format and the end of a run while requests or allocations fail, each in a run of
 * its own: every run ends, with success or with a message and an error, nothing
 * hangs or crashes, and what was durable is found by a later start. And file
 * systems that are full: they stop, start, replay and stop.
 *
 * Each run is a process of its own: a fork of one with threads would not have them.
 *
 * Some of the faults every time; BCACHEFS_EVERY_FAULT=1 takes all.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/bio.h>
#include <linux/err.h>
#include <linux/kernel.h>

#include "alloc/disk_reservation.h"
#include "alloc/foreground.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/iter.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "commands.h"
#include "init/fs.h"
#include "journal/journal.h"
#include "recount.h"
#include "recover_common.h"
#include "shim/faults.h"
#include "shim/log.h"

#define HANG_SECONDS	60
#define NR_KEYS		300
#define INODE		4096
#define EXTENT_SECTORS	32

enum what { NOTHING, WRITE, ALLOC };

static const char *const what_names[] = { "nothing", "write", "allocation" };

/* In memory that children share. */
static struct fault {
	enum what	what;
	unsigned	nr, fail_at;	/* the first is 1 */
	bool		forever;	/* all from there on */
	unsigned	failed;
} *fault;

static const char *original, *work, *log_file;

static bool due(enum what what)
{
	unsigned nr;

	if (fault->what != what)
		return false;
	nr = __atomic_add_fetch(&fault->nr, 1, __ATOMIC_SEQ_CST);
	if (!fault->fail_at || (fault->forever ? nr < fault->fail_at : nr != fault->fail_at))
		return false;
	__atomic_add_fetch(&fault->failed, 1, __ATOMIC_SEQ_CST);
	return true;
}

static blk_status_t see_bio(struct bio *bio, void *arg)
{
	return bio_op(bio) != REQ_OP_READ && due(WRITE) ? BLK_STS_IOERR : BLK_STS_OK;
}

static bool see_alloc(size_t size, gfp_t gfp, void *arg)
{
	return due(ALLOC);
}

static const struct shim_fault_hooks hooks = { .bio = see_bio, .alloc = see_alloc };

static const char *name_of_fault(void)
{
	static char s[64];

	snprintf(s, sizeof(s), "%s %u%s", what_names[fault->what], fault->fail_at,
		 fault->forever ? " and all after it" : "");
	return s;
}

static void hung(int sig)
{
	fprintf(stderr, "hangs: %s\n", name_of_fault());
	abort();
}

/* Something is wrong: the end of a child. */
#define need(_cond, ...)							\
do {										\
	if (!(_cond)) {								\
		printf("%s:%d: ", name_of_fault(), __LINE__);			\
		printf(__VA_ARGS__);						\
		printf("\n");							\
		fflush(stdout);							\
		_exit(1);							\
	}									\
} while (0)

static int in_child(void (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		fn();
		fflush(stdout);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status))
		fail_msg("%s: signal %d", name_of_fault(), WTERMSIG(status));
	return WEXITSTATUS(status);
}

static void must(void (*fn)(void))
{
	if (in_child(fn))
		fail_msg("%s", name_of_fault());
}

/* Call @one with @runs of the places where @what can fail, evenly. */
static void sweep(void (*one)(void), enum what what, bool forever, unsigned runs)
{
	unsigned nr, step;

	*fault = (struct fault) { .what = what };
	one();
	nr = fault->nr;
	step = getenv("BCACHEFS_EVERY_FAULT") ? 1 : max(nr / runs, 1U);
	assert_true(nr > 3);
	print_message("%u %ss, each %u.\n", nr, what_names[what], step);
	for (unsigned at = 1; at <= nr; at += step) {
		*fault = (struct fault) { .what = what, .fail_at = at, .forever = forever };
		one();
	}
}

/* --- format --- */

static const char *format_path;

static void format_body(void)
{
	char *argv[] = { "format", "-f", "-q", "--fs_size=32M", "--btree_node_size=16k",
			 (char *) format_path, NULL };
	const int fd = open(log_file, O_WRONLY|O_CREAT|O_TRUNC, 0600);
	int ret;

	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(99);
	shim_set_log_sink(NULL, NULL);
	optind = 0;
	alarm(HANG_SECONDS);
	shim_set_fault_hooks(&hooks);
	ret = cmd_format(ARRAY_SIZE(argv) - 1, argv);
	shim_set_fault_hooks(NULL);
	fflush(stdout);
	_exit(ret);
}

static int format_in_child(const char *path)
{
	int ret;

	format_path = path;
	ret = in_child(format_body);
	assert_int_not_equal(ret, 99);
	return ret;
}

static void new_file(const char *path)
{
	const int fd = open(path, O_WRONLY|O_CREAT|O_TRUNC, 0600);

	assert_true(fd >= 0);
	close(fd);
}

static struct bch_fs *start_how(const char *path, const struct start_how *how)
{
	struct bch_fs *c;
	int ret;

	recover_log_quietly();
	c = recover_start(path, how, &ret);
	need(!ret, "start: %s (%s)", bch2_err_str(ret), recover_last_error);
	/* who finds no space is told so soon */
	c->opts.allocator_stuck_timeout = 1;
	return c;
}

static struct bch_fs *start(const char *path)
{
	return start_how(path, NULL);
}

static void stop(struct bch_fs *c)
{
	const int ret = bch2_fs_stop(c);

	need(!ret, "stop: %s (%s)", bch2_err_str(ret), recover_errors);
}

/* Of what is on the device: in a live filesystem much is on its way. */
static void recount(const char *path)
{
	const struct start_how look = { .nochanges = true, .read_only = true };
	struct bch_fs *c = start_how(path, &look);
	struct recount r = {};
	const int ret = recount_check(c, &r);

	need(!ret, "recount: %s", bch2_err_str(ret));
	need(!r.bad, "%zu differences", r.bad);
	stop(c);
}

static void starts_and_stops(void)
{
	alarm(HANG_SECONDS);
	recount(work);
	stop(start(work));
}

static void format_one(void)
{
	struct stat st;
	int ret;

	new_file(work);
	ret = format_in_child(work);
	if (ret && !fault->failed)
		fail_msg("format: exit code %d without a fault", ret);
	assert_int_equal(stat(log_file, &st), 0);
	if (ret && !st.st_size)
		fail_msg("format with %s: exit code %d without a message", name_of_fault(), ret);
	/* nothing is left that cannot be formatted */
	if (ret) {
		const struct fault was = *fault;

		*fault = (struct fault) {};
		ret = format_in_child(work);
		*fault = was;
		if (ret)
			fail_msg("format after format with %s: exit code %d", name_of_fault(), ret);
	}
	must(starts_and_stops);
}

static void format_writes(void **state)
{
	sweep(format_one, WRITE, false, 10);
	sweep(format_one, WRITE, true, 4);
}

static void format_allocations(void **state)
{
	sweep(format_one, ALLOC, false, 10);
	sweep(format_one, ALLOC, true, 4);
}

/* --- keys --- */

static int put_key(struct bch_fs *c, u64 offset, unsigned u64s)
{
	u64 words[BKEY_U64s + 64] = {};
	struct bkey_i *k = (struct bkey_i *) words;

	bkey_init(&k->k);
	k->k.type = KEY_TYPE_cookie;
	k->k.p = SPOS(INODE, offset, U32_MAX);
	set_bkey_val_u64s(&k->k, u64s);
	words[BKEY_U64s] = offset;
	return bch2_btree_insert(c, BTREE_ID_xattrs, k, NULL, 0);
}

static int put_extent(struct btree_trans *trans, u64 nr)
{
	const struct bch_alloc_request req = {
		.nr_replicas = 1, .min_sectors = EXTENT_SECTORS, .data_type = BCH_DATA_user,
		.watermark = BCH_WATERMARK_normal, .write_point = 1,
	};
	struct open_bucket_refs refs = {};
	struct disk_reservation res = {};
	struct bch_fs *c = trans->c;
	struct write_point *wp;
	u64 words[16] = {};
	struct bkey_i *k = (struct bkey_i *) words;
	int ret;

	bkey_init(&k->k);
	k->k.type = KEY_TYPE_extent;
	k->k.p = SPOS(INODE + 1, (nr + 1) * EXTENT_SECTORS, U32_MAX);
	k->k.size = EXTENT_SECTORS;
	ret =   bch2_disk_reservation_get(c, &res, EXTENT_SECTORS, 1, 0) ?:
		lockrestart_do(trans, bch2_alloc_sectors_start(trans, &req, &wp));
	if (!ret) {
		bch2_alloc_sectors_append_ptrs(c, wp, k, EXTENT_SECTORS, false);
		bch2_alloc_sectors_get_refs(c, wp, &refs);
		bch2_alloc_sectors_done(trans, wp);
		ret = commit_do(trans, &res, NULL, 0,
				bch2_btree_insert_trans(trans, BTREE_ID_extents, k, 0));
	}
	bch2_trans_unlock_long(trans);
	bch2_open_buckets_put(c, &refs);
	bch2_disk_reservation_put(c, &res);
	return ret;
}

static u64 count_keys(struct bch_fs *c, unsigned btree, u64 inode)
{
	struct btree_trans *trans = bch2_trans_get(c);
	u64 nr = 0;
	int ret;

	ret = for_each_btree_key_max(trans, iter, btree, SPOS(inode, 0, 0),
				     SPOS(inode, U64_MAX, U32_MAX), BTREE_ITER_all_snapshots, k, ({
		nr++;
		0;
	}));
	need(!ret, "%s", bch2_err_str(ret));
	bch2_trans_put(trans);
	return nr;
}

/* --- the end of a run --- */

static void stop_body(void)
{
	struct bch_fs *c;
	int ret = 0;

	alarm(HANG_SECONDS);
	c = start(work);
	for (u64 i = 0; i < NR_KEYS && !ret; i++)
		ret = put_key(c, i, 1 + i % 20);
	ret = ret ?: bch2_journal_flush(c);
	need(!ret, "%s", bch2_err_str(ret));

	shim_set_fault_hooks(&hooks);
	ret = bch2_fs_stop(c);
	shim_set_fault_hooks(NULL);
	need(!ret || fault->failed, "stop: %s without a fault", bch2_err_str(ret));
	need(!ret || recover_nr_errors, "stop: %s without a message", bch2_err_str(ret));

	recount(work);
	c = start(work);
	need(count_keys(c, BTREE_ID_xattrs, INODE) == NR_KEYS, "keys are gone");
	stop(c);
	recount(work);
}

static void stop_one(void)
{
	recover_copy(original, work);
	must(stop_body);
}

static void stop_writes(void **state)
{
	sweep(stop_one, WRITE, false, 10);
	sweep(stop_one, WRITE, true, 4);
}

static void stop_allocations(void **state)
{
	sweep(stop_one, ALLOC, false, 8);
	sweep(stop_one, ALLOC, true, 4);
}

/* --- full --- */

static u64 fill_data(struct bch_fs *c)
{
	struct btree_trans *trans = bch2_trans_get(c);
	u64 nr = 0;
	int ret;

	while (!(ret = put_extent(trans, nr)))
		nr++;
	bch2_trans_put(trans);
	need(bch2_err_matches(ret, ENOSPC), "%s", bch2_err_str(ret));
	return nr;
}

static u64 fill_metadata(struct bch_fs *c)
{
	u64 nr = 0;
	int ret;

	while (!(ret = put_key(c, nr, 60)))
		nr++;
	need(bch2_err_matches(ret, ENOSPC), "%s", bch2_err_str(ret));
	return nr;
}

static const char *crashed;
static unsigned full_btree;
static u64 full_inode;
static u64 (*full_fill)(struct bch_fs *);

static void full_body(void)
{
	const char *const paths[] = { work, crashed };
	struct bch_fs *c;
	u64 nr;
	int ret;

	alarm(3 * HANG_SECONDS);
	c = start(work);
	nr = full_fill(c);
	need(nr > 100, "only %llu keys", nr);
	ret = bch2_journal_flush(c);
	need(!ret, "%s", bch2_err_str(ret));
	recover_copy(work, crashed);
	stop(c);

	for (unsigned i = 0; i < ARRAY_SIZE(paths); i++) {
		/* recovers, or has nothing to recover; then starts after a clean end */
		for (unsigned j = 0; j < 2; j++) {
			recount(paths[i]);
			c = start(paths[i]);
			need(count_keys(c, full_btree, full_inode) == nr, "other keys");
			stop(c);
		}
		recount(paths[i]);
	}
	print_message("%llu keys\n", nr);
}

static void full(u64 (*fill)(struct bch_fs *), unsigned btree, u64 inode)
{
	*fault = (struct fault) {};
	recover_copy(original, work);
	full_fill  = fill;
	full_btree = btree;
	full_inode = inode;
	must(full_body);
	unlink(crashed);
}

static void full_of_data(void **state)
{
	full(fill_data, BTREE_ID_extents, INODE + 1);
}

static void full_of_metadata(void **state)
{
	full(fill_metadata, BTREE_ID_xattrs, INODE);
}

static int setup(void **state)
{
	signal(SIGALRM, hung);
	fault = mmap(NULL, sizeof(*fault), PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0);
	assert_true(fault != MAP_FAILED);
	original = recover_file("live");
	work	 = recover_file("live-work");
	log_file = recover_file("live-log");
	crashed	 = recover_file("live-crashed");
	new_file(original);
	return format_in_child(original);
}

static int teardown(void **state)
{
	unlink(original);
	unlink(work);
	unlink(log_file);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(format_writes),
		cmocka_unit_test(format_allocations),
		cmocka_unit_test(stop_writes),
		cmocka_unit_test(stop_allocations),
		cmocka_unit_test(full_of_data),
		cmocka_unit_test(full_of_metadata),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
