// SPDX-License-Identifier: GPL-2.0
/*
 * device resize and device resize-journal while the power fails, or while requests
 * do: at each of their writes, with the writes that were not durable lost, kept or
 * torn. What is left starts and stops, a repair leaves nothing to be repaired, and
 * the command succeeds the next time.
 *
 * Each step is a process of its own: a fork of one with threads would not have
 * them. Some of the writes every time; BCACHEFS_EVERY_FAULT=1 takes all.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/bio.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <shim/crashdev.h>

#include "commands.h"
#include "init/fs.h"
#include "recount.h"
#include "recover_common.h"
#include "sb/members.h"
#include "shim/faults.h"
#include "shim/log.h"

#define HANG_SECONDS	60
#define BUCKET		(64 << 10)
#define SIZE_OLD	(32 << 20)
#define SIZE_NEW	(48 << 20)

enum how { COUNT, POWER, ERROR };

/* In memory that children share. */
static struct {
	enum how	how;
	unsigned	nr, at;		/* writes; the first is 1 */
	bool		done;
	u64		nbuckets;
} *s;

static const char *original, *work, *crashed, *log_file;
static char *args[8];

static void show_log(void)
{
	FILE *f = fopen(log_file, "r");
	char line[1024];

	while (f && fgets(line, sizeof(line), f))
		printf("	%s", line);
	if (f)
		fclose(f);
}

static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		const int fd = open(log_file, O_WRONLY|O_CREAT|O_APPEND, 0600);

		if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
			_exit(99);
		setvbuf(stdout, NULL, _IOLBF, 0);
		shim_set_log_sink(NULL, NULL);
		alarm(HANG_SECONDS);
		status = fn();
		fflush(stdout);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status)) {
		show_log();
		fail_msg("write %u: signal %d", s->at, WTERMSIG(status));
	}
	return WEXITSTATUS(status);
}

/* --- commands, on @args --- */

static int format_body(void)
{
	char *argv[] = { "format", "-f", "-q", "--btree_node_size=16k", "--bucket_size=64k",
			 "--encrypted", "--no_passphrase", args[0], NULL };

	return cmd_format(ARRAY_SIZE(argv) - 1, argv);
}

static int fsck_body(void)
{
	char *argv[] = { "fsck", args[1], args[0], NULL };

	return cmd_fsck(3, argv);
}

static int resize_body(void)
{
	char *argv[] = { "resize", args[0], NULL };

	return cmd_device_resize(2, argv);
}

static int resize_journal_body(void)
{
	char *argv[] = { "resize-journal", args[0], "4M", NULL };

	return cmd_device_resize_journal(3, argv);
}

static int run(int (*fn)(void), const char *path, const char *option)
{
	args[0] = (char *) path;
	args[1] = (char *) option;
	return in_child(fn);
}

/* --- the fault --- */

static blk_status_t see_bio(struct bio *bio, void *arg)
{
	unsigned nr;

	if (bio_op(bio) == REQ_OP_READ)
		return BLK_STS_OK;
	nr = __atomic_add_fetch(&s->nr, 1, __ATOMIC_SEQ_CST);
	if (s->how == ERROR && nr >= s->at)
		return BLK_STS_IOERR;
	if (s->how == POWER && nr == s->at) {
		/* the end of this process; fates of writes by turns */
		if (shim_crash_capture(nr % 3, nr, &crashed, 1))
			_exit(98);
		s->done = true;
		_exit(0);
	}
	return BLK_STS_OK;
}

static const struct shim_fault_hooks hooks = { .bio = see_bio };

static int (*victim)(void);

static int victim_body(void)
{
	int ret;

	if (s->how == POWER)
		shim_crash_record(true);
	shim_set_fault_hooks(&hooks);
	ret = victim();
	shim_set_fault_hooks(NULL);
	return ret;
}

/* --- afterwards --- */

static int start_and_stop_body(void)
{
	struct bch_fs *c;
	int ret;

	c = recover_start(args[0], NULL, &ret);
	if (ret) {
		fprintf(stderr, "start: %s\n", bch2_err_str(ret));
		return 1;
	}
	s->nbuckets = c->devs[0]->mi.nbuckets;
	return !!bch2_fs_stop(c);
}

static int recount_body(void)
{
	const struct start_how look = { .nochanges = true, .read_only = true };
	struct recount r = {};
	struct bch_fs *c;
	int ret;

	c = recover_start(args[0], &look, &ret);
	if (!ret)
		ret = recount_check(c, &r);
	if (c)
		bch2_fs_stop(c);
	if (r.bad)
		fprintf(stderr, "recount: %zu differences\n", r.bad);
	return ret || r.bad;
}

static void must(int ret, const char *what)
{
	if (!ret)
		return;
	show_log();
	fail_msg("write %u, %s: %s: exit code %d", s->at,
		 s->how == POWER ? "power" : "error", what, ret);
}

static void check(const char *path)
{
	int ret;

	must(run(start_and_stop_body, path, NULL), "start and stop");
	if (s->nbuckets != SIZE_OLD / BUCKET && s->nbuckets != SIZE_NEW / BUCKET)
		fail_msg("%llu buckets", s->nbuckets);
	ret = run(fsck_body, path, "-y");
	must(ret & ~1, "fsck -y");
	must(run(fsck_body, path, "-n"), "fsck -n");
	must(run(recount_body, path, NULL), "recount");
	must(run(victim, path, NULL), "the same once more");
	must(run(recount_body, path, NULL), "recount at the end");
}

static void one(void)
{
	int ret;

	unlink(log_file);
	recover_copy(original, work);
	s->nr = 0;
	s->done = false;
	args[0] = (char *) work;
	ret = in_child(victim_body);
	if (s->how != ERROR)
		must(ret, "the command");
	if (s->how != POWER)
		check(work);
	/* the last copy of a superblock may be missing */
	if (s->how == ERROR && !ret && victim == resize_body)
		assert_int_equal(s->nbuckets, SIZE_NEW / BUCKET);
	if (s->done)
		check(crashed);
}

static void sweep(int (*fn)(void), unsigned runs)
{
	unsigned nr, step;

	victim = fn;
	s->how = COUNT;
	s->at = 0;
	one();
	nr = s->nr;
	step = getenv("BCACHEFS_EVERY_FAULT") ? 1 : max(nr / runs, 1U);
	assert_true(nr > 3);
	print_message("%u writes, each %u.\n", nr, step);
	for (s->how = POWER; s->how <= ERROR; s->how++)
		for (s->at = 1; s->at <= nr; s->at += step)
			one();
}

static void resizes(void **state)
{
	sweep(resize_body, 3);
}

static void journal_resizes(void **state)
{
	sweep(resize_journal_body, 2);
}

static void new_file(const char *path)
{
	const int fd = open(path, O_WRONLY|O_CREAT|O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SIZE_OLD), 0);
	close(fd);
}

static int setup(void **state)
{
	s = mmap(NULL, sizeof(*s), PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0);
	assert_true(s != MAP_FAILED);
	original = recover_file("resize");
	work	 = recover_file("resize-work");
	crashed	 = recover_file("resize-crashed");
	log_file = recover_file("resize-log");
	new_file(original);
	must(run(format_body, original, NULL), "format");
	return truncate(original, SIZE_NEW);
}

static int teardown(void **state)
{
	unlink(original);
	unlink(work);
	unlink(crashed);
	unlink(log_file);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resizes),
		cmocka_unit_test(journal_resizes),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, setup, teardown);
}
