// SPDX-License-Identifier: GPL-2.0
/*
 * Torture of the live core: random work on a filesystem in an image file, with
 * losses of power and of the process, and a check of everything afterwards.
 *
 *	live [--seed N] [--threads 1-4] [--ops N] [--crashes N] [--kills N]
 *	     [--rounds N] [--size BYTES[KMG]] [--node-size BYTES[K]]
 *	     [--timeout SECONDS] [--keep] [--during-replay] [--delay MICROSECONDS]
 *	     IMAGE
 *
 * Every step is a process of its own: the work, each check, each recount. The
 * seed decides what the threads do; with more than one of them, not in which
 * order. The program bcachefs of the same build formats and checks.
 *
 * With --during-replay every round begins with what a loss of power has left of the
 * last one, and the work begins while its journal is being replayed. --delay makes
 * threads wait at random where the build has points for it (the program "soak").
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/err.h>
#include <linux/kernel.h>
#include <shim/crashdev.h>
#include <shim/shim.h>

#include "bcachefs.h"
#include "init/fs.h"
#include "torture.h"
#include "../unit/recount.h"

struct shared *sh;

static char image[400];			/* of the process's step: the image, or a capture */
static char bcachefs[600];
static const char *step = "start";

/**
 * die() - end the process: something is wrong
 * @fmt:	what
 */
void die(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	printf("FAILED: %s: ", step);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

/* --- steps: each runs in a child --- */

static struct bch_fs *start(bool changes)
{
	struct bch_opts opts = bch2_opts_empty();
	const char *paths[] = { image };
	struct bch_fs *c;
	int ret;

	if (!changes) {
		opt_set(opts, read_only, true);
		opt_set(opts, nochanges, true);
	}
	c = bch2_fs_open(paths, 1, &opts);
	ret = PTR_ERR_OR_ZERO(c) ?: bch2_fs_start(c);
	if (ret)
		die("cannot start: %s", bch2_err_str(ret));
	return c;
}

static void stop(struct bch_fs *c)
{
	const int ret = bch2_fs_stop(c);

	if (ret)
		die("stop: %s", bch2_err_str(ret));
}

static void *start_fn(void *arg)
{
	const int ret = bch2_fs_start(arg);

	if (ret)
		die("cannot start: %s", bch2_err_str(ret));
	return NULL;
}

/* Work, beginning as soon as the filesystem can be written. */
static struct bch_fs *start_and_work(void)
{
	struct bch_opts opts = bch2_opts_empty();
	const char *paths[] = { image };
	struct bch_fs *c = bch2_fs_open(paths, 1, &opts);
	pthread_t starter;

	if (IS_ERR(c))
		die("cannot open: %s", bch2_err_str(PTR_ERR(c)));
	if (pthread_create(&starter, NULL, start_fn, c))
		die("no thread");
	while (!atomic_read(&c->rw.refs))
		usleep(100);
	work(c, image);
	pthread_join(starter, NULL);
	return c;
}

static void step_work(void)
{
	struct contents *r = calloc(1, sizeof(*r));
	struct bch_fs *c;

	delays(sh->cfg.seed * 64 + sh->round, sh->cfg.delay);
	shim_crash_record(sh->cfg.crashes || sh->cfg.during_replay);
	if (sh->cfg.during_replay) {
		c = start_and_work();
	} else {
		c = start(true);
		work(c, image);
	}
	delays(0, 0);
	contents_read(c, r);
	contents_check(r, U64_MAX, sh->acked, false);
	free(r);
	stop(c);
}

static u64 newest_entry(const struct bch_fs *c)
{
	return c->sb.clean ? U64_MAX : c->journal.start.seq_read_end;
}

static void check(u64 acked, bool rebase)
{
	struct contents *r = calloc(1, sizeof(*r));
	const struct bch_fs *cc;
	struct bch_fs *c;
	u64 newest;

	/* looking first: nothing of what is there has been changed yet */
	c = start(false);
	cc = c;
	newest = newest_entry(cc);
	contents_read(c, r);
	contents_check(r, newest, acked, false);
	stop(c);

	c = start(true);
	contents_read(c, r);
	contents_check(r, newest, acked, false);
	stop(c);

	c = start(true);
	contents_read(c, r);
	contents_check(r, newest, acked, rebase);
	stop(c);
	free(r);
}

static void step_check(void)
{
	check(sh->acked, true);
}

static void step_check_only(void)
{
	check(sh->acked, false);
}

static unsigned the_capture;

static void step_check_capture(void)
{
	check(sh->captures[the_capture].acked, false);
}

/* The next round goes on from what a loss of power has left. */
static void step_take_capture(void)
{
	struct contents *r = calloc(1, sizeof(*r));
	struct bch_fs *c = start(false);

	contents_read(c, r);
	contents_check(r, newest_entry(c), sh->captures[the_capture].acked, true);
	sh->to_replay = c->journal.keys.nr;
	stop(c);
	free(r);
}

static void step_recount(void)
{
	struct bch_fs *c = start(false);
	struct recount r = {};
	const int ret = recount_check(c, &r);

	if (ret)
		die("recount: %s", bch2_err_str(ret));
	if (r.bad)
		die("recount: %zu differences", r.bad);
	printf("recount: %zu buckets, %zu counters, %zu index entries\n", r.buckets, r.counters,
	       r.entries);
	stop(c);
}

static void step_fsck(void)
{
	execl(bcachefs, bcachefs, "fsck", "-n", image, NULL);
	die("%s: %s", bcachefs, strerror(errno));
}

static void step_format(void)
{
	char node[64], size[64];

	snprintf(node, sizeof(node), "--btree_node_size=%u", sh->cfg.node_size);
	snprintf(size, sizeof(size), "--fs_size=%llu", sh->cfg.size);
	/* the extents have no checksums: nothing is to be done for them */
	execl(bcachefs, bcachefs, "format", "-f", "-q", "--data_checksum=none", node, size, image,
	      NULL);
	die("%s: %s", bcachefs, strerror(errno));
}

/* --- processes --- */

static void log_path(char *p, size_t size)
{
	snprintf(p, size, "%s.log", image);
}

static pid_t begin(const char *name, void (*fn)(void))
{
	char log[512];
	pid_t pid;
	int fd;

	step = name;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid)
		return pid;
	log_path(log, sizeof(log));
	fd = open(log, O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0600);
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(3);
	setvbuf(stdout, NULL, _IOLBF, 0);
	fn();
	fflush(stdout);
	/* in instrumented builds this is where they report */
	exit(0);
}

static void show_log(void)
{
	char log[512], line[1024];
	unsigned nr = 0, skip;
	FILE *f;

	log_path(log, sizeof(log));
	f = fopen(log, "r");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		nr++;
	rewind(f);
	skip = nr > 200 ? nr - 200 : 0;
	while (fgets(line, sizeof(line), f))
		if (!skip || !skip--)
			fputs(line, stdout);
	fclose(f);
}

/* Returns whether the process was killed by @sig after at most that many microseconds. */
static bool finish(pid_t pid, u64 kill_after)
{
	const u64 limit = sh->cfg.timeout * 1000000ULL;
	u64 passed = 0;
	bool killed = false;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (kill_after && passed >= kill_after && !killed) {
			kill(pid, SIGKILL);
			killed = true;
		}
		if (passed > limit) {
			/* a core file, where those are wanted */
			kill(pid, SIGABRT);
			waitpid(pid, &status, 0);
			show_log();
			die("did not end in %u seconds (seed %llu, %s)", sh->cfg.timeout,
			    sh->cfg.seed, image);
		}
		usleep(1000);
		passed += 1000;
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && killed)
		return true;
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		show_log();
		if (WIFSIGNALED(status))
			die("killed by signal %u (seed %llu, %s)", WTERMSIG(status), sh->cfg.seed,
			    image);
		die("exit code %u (seed %llu, %s)", WEXITSTATUS(status), sh->cfg.seed, image);
	}
	return false;
}

static void run(const char *name, void (*fn)(void))
{
	finish(begin(name, fn), 0);
}

/* --- rounds --- */

static void check_all(void (*fn)(void))
{
	run("check", fn);
	run("fsck -n", step_fsck);
	run("recount", step_recount);
}

/* @chain: the last one is what remains. */
static void check_captures(bool chain)
{
	char own[sizeof(image)], log[512];

	memcpy(own, image, sizeof(own));
	for (the_capture = 0; the_capture < sh->nr_captures; the_capture++) {
		const bool last = chain && the_capture + 1 == sh->nr_captures;

		if (snprintf(image, sizeof(image), "%s.cap%u", own, the_capture) >=
		    (int) sizeof(image))
			die("name too long");
		if (!last)
			check_all(step_check_capture);
		else
			run("take the capture", step_take_capture);
		if (last && rename(image, own))
			die("%s: %s", image, strerror(errno));
		log_path(log, sizeof(log));
		unlink(log);
		unlink(image);
	}
	memcpy(image, own, sizeof(own));
}

static unsigned crashes;	/* in all rounds */

static void one_round(u64 *state)
{
	const bool kills = sh->round < sh->cfg.kills;
	bool killed;

	sh->nr_captures = 0;
	killed = finish(begin("work", step_work), kills ? 20000 + rnd(state) % 3000000 : 0);
	printf("round %llu: %s, %u captures\n", sh->round,
	       killed ? "killed" : "stopped", sh->nr_captures);
	crashes += killed + sh->nr_captures;
	if (sh->cfg.during_replay)
		printf("round %llu: %llu keys to replay, %llu operations meanwhile\n", sh->round,
		       sh->to_replay, sh->during_replay);
	sh->to_replay = sh->during_replay = 0;
	if (sh->cfg.during_replay && sh->nr_captures) {
		check_all(step_check_only);
		check_captures(true);
		return;
	}
	check_captures(false);
	check_all(step_check);
}

static u64 number(const char *s)
{
	char *end;
	u64 v = strtoull(s, &end, 0);

	switch (*end) {
	case 'G':
		v <<= 10;
		/* fall through */
	case 'M':
		v <<= 10;
		/* fall through */
	case 'K': case 'k':
		v <<= 10;
	}
	return v;
}

static void *map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS|MAP_NORESERVE,
		       -1, 0);

	if (p == MAP_FAILED)
		die("no memory");
	return p;
}

static void parse(int argc, char *argv[])
{
	static const struct option longopts[] = {
		{ "seed",	required_argument, NULL, 's' },
		{ "threads",	required_argument, NULL, 't' },
		{ "ops",	required_argument, NULL, 'o' },
		{ "crashes",	required_argument, NULL, 'c' },
		{ "kills",	required_argument, NULL, 'k' },
		{ "rounds",	required_argument, NULL, 'r' },
		{ "size",	required_argument, NULL, 'S' },
		{ "node-size",	required_argument, NULL, 'n' },
		{ "timeout",	required_argument, NULL, 'T' },
		{ "keep",	no_argument,	   NULL, 'K' },
		{ "during-replay", no_argument,	   NULL, 'R' },
		{ "delay",	required_argument, NULL, 'd' },
		{},
	};
	struct config *f = &sh->cfg;
	int o;

	while ((o = getopt_long(argc, argv, "", longopts, NULL)) >= 0)
		switch (o) {
		case 's': f->seed	= number(optarg); break;
		case 't': f->threads	= number(optarg); break;
		case 'o': f->ops	= number(optarg); break;
		case 'c': f->crashes	= number(optarg); break;
		case 'k': f->kills	= number(optarg); break;
		case 'r': f->rounds	= number(optarg); break;
		case 'S': f->size	= number(optarg); break;
		case 'n': f->node_size	= number(optarg); break;
		case 'T': f->timeout	= number(optarg); break;
		case 'K': f->keep	= true; break;
		case 'R': f->during_replay = true; break;
		case 'd': f->delay	= number(optarg); break;
		default: exit(2);
		}
	if (optind + 1 != argc || !f->threads || f->threads > TORTURE_THREADS ||
	    f->crashes > TORTURE_CAPTURES || strlen(argv[optind]) > 300) {
		fprintf(stderr, "usage: live [options] IMAGE; see the head of live.c\n");
		exit(2);
	}
	strcpy(image, argv[optind]);
}

/* The program is two directories above this one. */
static void find_bcachefs(void)
{
	char self[512] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		die("/proc/self/exe: %s", strerror(errno));
	snprintf(bcachefs, sizeof(bcachefs), "%s/bcachefs",
		 getenv("BUILD") ?: dirname(dirname(dirname(self))));
}

/** main() - see the head of this file */
int main(int argc, char *argv[])
{
	char log[512];
	u64 state;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sh = map(sizeof(*sh));
	sh->cfg = (struct config) {
		.seed = time(NULL), .threads = 2, .ops = 5000, .rounds = 2, .crashes = 4,
		.kills = 1, .size = 128 << 20, .node_size = 16 << 10, .timeout = 300,
	};
	parse(argc, argv);
	find_bcachefs();
	printf("seed %llu\n", sh->cfg.seed);
	for (unsigned i = 0; i < TORTURE_THREADS; i++)
		sh->t[i].ops = map(sizeof(struct op) * (sh->cfg.ops + 1));

	unlink(image);
	close(open(image, O_CREAT|O_WRONLY, 0600));
	run("format", step_format);
	state = sh->cfg.seed;
	for (sh->round = 0; sh->round < sh->cfg.rounds; sh->round++)
		one_round(&state);
	if (!sh->cfg.keep) {
		log_path(log, sizeof(log));
		unlink(log);
		unlink(image);
	}
	printf("passed, %u crashes\n", crashes);
	return 0;
}
