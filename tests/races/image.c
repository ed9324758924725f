// SPDX-License-Identifier: GPL-2.0
/*
 * Filesystems on image files, and what is left of them after a loss of power. One is
 * open at a time; every device opened for writing is recorded.
 */
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/err.h>
#include <shim/crashdev.h>
#include <shim/log.h>

#include "btree/interior.h"
#include "btree/node_write.h"
#include "journal/pins.h"
#include "races.h"

extern char **environ;

struct bch_fs *c;

/** image_path - where an image of this test is; valid for some calls */
const char *image_path(const char *name)
{
	static char paths[8][512];
	static unsigned nr;
	char *p = paths[nr++ % 8];

	snprintf(p, sizeof(paths[0]), "%s/%u-%s", getenv("TEST_TMPDIR") ?: ".", getpid(), name);
	return p;
}

/** image_format_small - a new filesystem of 64 MiB with nodes of 4 KiB, closed */
const char *image_format_small(const char *name)
{
	return image_format_with(name, "--btree_node_size=4k");
}

/** image_format - a new filesystem of 64 MiB, closed */
const char *image_format(const char *name)
{
	return image_format_with(name, "-q");
}

static const char *image_make(const char *name, u64 bytes, const char *option,
			      const char *option2)
{
	const char *path = image_path(name);
	const char *tool = getenv("TEST_FORMAT");
	char *argv[] = { "bcachefs", "format", "-q", (char *) option, (char *) option2,
			 (char *) path, NULL };
	int status;
	pid_t pid;
	FILE *f;

	assert_non_null(tool);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(ftruncate(fileno(f), bytes), 0);
	fclose(f);
	assert_int_equal(posix_spawn(&pid, tool, NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return path;
}

/** image_format_with - the same with an option of format */
const char *image_format_with(const char *name, const char *option)
{
	return image_make(name, 64 << 20, option, "-q");
}

/** image_format_large - one of 524288 buckets, closed */
const char *image_format_large(const char *name)
{
	return image_make(name, 8ULL << 30, "--btree_node_size=16k", "--bucket_size=16k");
}

static void open_with(const char *path, struct bch_opts *opts, bool record)
{
	assert_null(c);
	shim_crash_record(record);
	c = bch2_fs_open(&path, 1, opts);
	shim_crash_record(false);
	assert_false(IS_ERR(c));
}

/** fs_open - open for writing and record writes for image_crash() */
void fs_open(const char *path)
{
	struct bch_opts opts = bch2_opts_empty();

	/* no bucket is kept for rewinding: all can be discarded */
	opt_set(opts, journal_rewind_discard_buffer_percent, 0);
	open_with(path, &opts, true);
}

/** fs_open_start - the same, started */
void fs_open_start(const char *path)
{
	fs_open(path);
	assert_int_equal(bch2_fs_start(c), 0);
}

/** fs_open_look - open and start without changing anything */
void fs_open_look(const char *path)
{
	struct bch_opts opts = bch2_opts_empty();

	opt_set(opts, nochanges, true);
	opt_set(opts, read_only, true);
	open_with(path, &opts, false);
	assert_int_equal(bch2_fs_start(c), 0);
}

static int start_fn(void *arg)
{
	return bch2_fs_start(arg);
}

/** fs_start_held - start in a job; wait until it comes to the point @name */
struct job *fs_start_held(const char *path, const char *name)
{
	struct job *j;

	if (!c)
		fs_open(path);
	if (name)
		hold(name, "start");
	j = job_start("start", start_fn, c);
	if (name)
		hold_wait(name);
	return j;
}

/** fs_close - let everybody go and stop */
int fs_close(void)
{
	int ret;

	release_all();
	ret = bch2_fs_stop(c);
	c = NULL;
	return ret;
}

/** fs_flush_btrees - bring every change into the btrees on the device */
void fs_flush_btrees(void)
{
	for (unsigned i = 0; i < 3; i++) {
		bch2_journal_flush_all_pins(c);
		bch2_btree_flush_all_writes(c);
		bch2_btree_interior_updates_flush(c);
	}
	assert_int_equal(bch2_journal_meta(c), 0);
}

/** image_crash - what would be left if power were lost now */
void image_crash(const char *path)
{
	assert_int_equal(shim_crash_capture(SHIM_CRASH_drop_all, 0, &path, 1), 0);
}

/* --- every test --- */

/** race_main - run each test in a process of its own: one that fails leaves threads behind */
int race_main(const struct CMUnitTest *tests, unsigned nr)
{
	unsigned failed = 0;

	cmocka_set_test_filter(getenv("RACE") ?: "*");
	for (unsigned i = 0; i < nr; i++) {
		int status = -1;
		pid_t pid;

		fflush(NULL);
		pid = fork();
		if (!pid) {
			/* what never ends has failed */
			alarm(4 * WAIT_SECONDS);
			_exit(!!_cmocka_run_group_tests("race", tests + i, 1, NULL, NULL));
		}
		if (waitpid(pid, &status, 0) != pid || status) {
			fprintf(stderr, "%s failed, status %x\n", tests[i].name, status);
			failed++;
		}
	}
	return failed != 0;
}

static void quiet(int level, const char *text, void *arg)
{
	fputs(text, stderr);
}

/** race_setup - before each test */
int race_setup(void **state)
{
	shim_set_log_sink(quiet, NULL);
	return 0;
}

/** race_teardown - after each test; one that failed may have threads anywhere in it */
int race_teardown(void **state)
{
	release_all();
	return 0;
}
