// SPDX-License-Identifier: GPL-2.0
/*
 * How far fsck has come, on a terminal: a line every ten seconds that a pass takes
 * (Documentation/format/70 section 3). Passes that walk btrees are followed by the
 * nodes they come to; nothing is printed while they come to none, as while a
 * question is being asked.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/array_size.h>
#include <linux/spinlock.h>

#include "alloc/accounting_live.h"
#include "bcachefs.h"
#include "btree/btree_types.h"
#include "btree/bkey_methods.h"
#include "init/passes.h"
#include "util/bpos.h"

#include "fsck_progress.h"

#define INTERVAL_MS	10000

static struct {
	pthread_t	thread;
	pthread_mutex_t	lock;
	pthread_cond_t	wake;
	bool		started;
	bool		stopping;	/* .lock */
	bool		paused;		/* .lock */
	struct bch_fs	*c;
	unsigned	interval_ms;
	unsigned	pass;		/* of the last line */
	u64		total;		/* nodes then */
} p = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Nodes of a btree according to its counters; 0: not known. */
static u64 nodes_of(struct bch_fs *c, unsigned btree)
{
	const struct disk_accounting_pos acc = {
		.type = BCH_DISK_ACCOUNTING_btree,
		.btree.id = cpu_to_le32(btree),
	};
	u64 v[2];

	bch2_accounting_mem_read(c, &acc, v, ARRAY_SIZE(v));
	return v[1];
}

static void print_line(struct bch_fs *c)
{
	const unsigned pass = READ_ONCE(c->recovery.curr_pass);
	struct printbuf pos = PRINTBUF;
	struct btree_walk w;
	u64 nodes;

	spin_lock(&c->btree.walk.lock);
	w = c->btree.walk;
	spin_unlock(&c->btree.walk.lock);
	if (w.total == p.total || w.btree >= BTREE_ID_NR)
		return;

	/* the name of a pass stands there without an end of line */
	if (pass != p.pass)
		putchar('\n');
	p.pass	= pass;
	p.total	= w.total;

	bch2_bpos_to_text(&pos, w.pos);
	nodes = nodes_of(c, w.btree);
	printf("%s: ", bch2_recovery_pass_name(pass));
	if (nodes >= w.nr)
		printf("%llu%%, done %llu/%llu nodes", w.nr * 100 / nodes, w.nr, nodes);
	else
		printf("done %llu nodes", w.nr);
	printf(", at %s:%s\n", bch2_btree_id_name(w.btree), printbuf_str(&pos));
	fflush(stdout);
	printbuf_exit(&pos);
}

/* Until the time of the next line; false: it is the end. */
static bool wait_for_time(void)
{
	struct timespec t;
	int ret = 0;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec  += p.interval_ms / 1000;
	t.tv_nsec += p.interval_ms % 1000 * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_nsec -= 1000000000L;
		t.tv_sec++;
	}
	while (!p.stopping && ret != ETIMEDOUT)
		ret = pthread_cond_timedwait(&p.wake, &p.lock, &t);
	return !p.stopping;
}

static void *progress_fn(void *arg)
{
	pthread_mutex_lock(&p.lock);
	while (wait_for_time())
		if (!p.paused)
			print_line(p.c);
	pthread_mutex_unlock(&p.lock);
	return NULL;
}

void fsck_progress_start(struct bch_fs *c)
{
	const char *ms = getenv("BCACHEFS_PROGRESS_MS");

	if (!isatty(STDOUT_FILENO))
		return;
	p.c		= c;
	p.interval_ms	= ms && atoi(ms) > 0 ? atoi(ms) : INTERVAL_MS;
	p.stopping	= false;
	p.paused	= false;
	p.pass		= BCH_RECOVERY_PASS_NR;
	p.total		= 0;
	pthread_cond_init(&p.wake, NULL);
	p.started	= !pthread_create(&p.thread, NULL, progress_fn, NULL);
}

void fsck_progress_stop(void)
{
	if (!p.started)
		return;
	pthread_mutex_lock(&p.lock);
	p.stopping = true;
	pthread_cond_signal(&p.wake);
	pthread_mutex_unlock(&p.lock);
	pthread_join(p.thread, NULL);
	p.started = false;
}

void fsck_progress_pause(bool on)
{
	pthread_mutex_lock(&p.lock);
	p.paused = on;
	pthread_mutex_unlock(&p.lock);
}
