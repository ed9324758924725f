// SPDX-License-Identifier: GPL-2.0
/*
 * A recovery during which requests or allocations fail: each in a run of its
 * own. Every run ends, with success or with an error and a message; nothing
 * hangs; and from what it leaves on the device a later start recovers everything.
 *
 * Some of them every time; BCACHEFS_EVERY_FAULT=1 takes all.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/bio.h>
#include <linux/kernel.h>

#include "init/fs.h"
#include "recover_common.h"
#include "shim/faults.h"

#define HANG_SECONDS	60

enum what { READ, WRITE, ALLOC };

static const char *const what_names[] = { "read", "write", "allocation" };

static struct fault {
	enum what	what;
	unsigned	nr, fail_at;	/* the first is 1 */
	bool		forever;	/* all from there on */
	unsigned	failed;
} fault;

static const char	*original, *work;
static struct content	want;

static bool due(enum what what)
{
	unsigned nr;

	if (fault.what != what)
		return false;
	nr = __atomic_add_fetch(&fault.nr, 1, __ATOMIC_SEQ_CST);
	if (!fault.fail_at || (fault.forever ? nr < fault.fail_at : nr != fault.fail_at))
		return false;
	__atomic_add_fetch(&fault.failed, 1, __ATOMIC_SEQ_CST);
	return true;
}

static blk_status_t see_bio(struct bio *bio, void *arg)
{
	return due(bio_op(bio) == REQ_OP_READ ? READ : WRITE) ? BLK_STS_IOERR : BLK_STS_OK;
}

static bool see_alloc(size_t size, gfp_t gfp, void *arg)
{
	return due(ALLOC);
}

static const struct shim_fault_hooks hooks = { .bio = see_bio, .alloc = see_alloc };

static void hung(int sig)
{
	fprintf(stderr, "hangs: %s %u%s\n", what_names[fault.what], fault.fail_at,
		fault.forever ? " and all after it" : "");
	abort();
}

/* Start and stop @work with the fault. */
static void run(bool *changed)
{
	struct bch_fs *c;
	int start, stop;

	recover_log_quietly();
	alarm(HANG_SECONDS);
	shim_set_fault_hooks(&hooks);
	c = recover_start(work, NULL, &start);
	stop = bch2_fs_stop(c);
	shim_set_fault_hooks(NULL);
	alarm(0);

	*changed = !start;
	/* who fails says why; why it could not be opened is the caller's to say */
	if (c && (start || stop) && !recover_nr_errors)
		fail_msg("%s %u: %s, %s, without a message", what_names[fault.what],
			 fault.fail_at, bch2_err_str(start), bch2_err_str(stop));
	/* nothing else goes wrong than what was made to */
	if ((start || stop) && !fault.failed)
		fail_msg("%s, %s without a fault: %s", bch2_err_str(start), bch2_err_str(stop),
			 recover_last_error);
}

/* What is on the device now is as good as before. */
static void still_whole(void)
{
	struct content have;
	struct bch_fs *c;
	int ret;

	recover_log_quietly();
	alarm(HANG_SECONDS);
	c = recover_start(work, NULL, &ret);
	if (ret)
		fail_msg("after %s %u%s: %s (%s)", what_names[fault.what], fault.fail_at,
			 fault.forever ? "+" : "", bch2_err_str(ret), recover_last_error);
	content_read(c, &have);
	if (!content_equal(&want, &have))
		fail_msg("after %s %u%s: other keys", what_names[fault.what], fault.fail_at,
			 fault.forever ? "+" : "");
	ret = bch2_fs_stop(c);
	if (ret)
		fail_msg("after %s %u%s: stop: %s (%s)", what_names[fault.what], fault.fail_at,
			 fault.forever ? "+" : "", bch2_err_str(ret), recover_last_error);
	alarm(0);
}

static void one(enum what what, unsigned at, bool forever)
{
	bool changed;

	recover_copy(original, work);
	fault = (struct fault) { .what = what, .fail_at = at, .forever = forever };
	run(&changed);
	still_whole();
}

/* How many there are without a fault. */
static unsigned count(enum what what)
{
	bool changed;

	recover_copy(original, work);
	fault = (struct fault) { .what = what };
	run(&changed);
	assert_true(changed);
	return fault.nr;
}

/* @runs of the places where @what can fail, evenly; all with BCACHEFS_EVERY_FAULT. */
static void sweep(enum what what, bool forever, unsigned runs)
{
	const unsigned nr = count(what);
	const unsigned step = getenv("BCACHEFS_EVERY_FAULT") ? 1 : max(nr / runs, 1U);

	assert_true(nr > 10);
	print_message("%u %ss, each %u.\n", nr, what_names[what], step);
	for (unsigned at = 1; at <= nr; at += step)
		one(what, at, forever);
}

static void writes_fail_once(void **state)
{
	sweep(WRITE, false, 30);
}

static void writes_fail_from_then_on(void **state)
{
	sweep(WRITE, true, 15);
}

static void reads_fail_once(void **state)
{
	sweep(READ, false, 15);
}

static void allocations_fail_once(void **state)
{
	sweep(ALLOC, false, 40);
}

static void allocations_fail_from_then_on(void **state)
{
	sweep(ALLOC, true, 15);
}

static int setup(void **state)
{
	signal(SIGALRM, hung);
	original = recover_file("original");
	work	 = recover_file("work");
	recover_unpack(getenv("RECOVER_IMAGE") ?: "unclean-138-1", original);
	recover_log_quietly();
	content_of(original, &want);
	return 0;
}

static int teardown(void **state)
{
	unlink(original);
	unlink(work);
	return 0;
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "read", "write", "alloc" };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_fail_once),
		cmocka_unit_test(writes_fail_from_then_on),
		cmocka_unit_test(reads_fail_once),
		cmocka_unit_test(allocations_fail_once),
		cmocka_unit_test(allocations_fail_from_then_on),
	};

	/* one place by name: read|write|alloc NUMBER [forever] */
	if (argc >= 3) {
		setup(NULL);
		for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
			if (!strcmp(argv[1], names[i]))
				one(i, atoi(argv[2]), argc > 3);
		return teardown(NULL);
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
