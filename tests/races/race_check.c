// SPDX-License-Identifier: GPL-2.0
/*
 * The check of need_discard while others change what it looks at, and what it finds
 * after upgrades and after repairs from before read-write: scenarios 30 to 33 and 37 of
 * Documentation/format/22 section 15.2.
 */
#include <sys/wait.h>
#include <unistd.h>

#include <linux/array_size.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <shim/log.h>

#include "alloc/discard.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "races.h"
#include "sb/errors_format.h"
#include "sb/field.h"
#include "sb/members.h"

/* An entry that belongs to a device, or bucket, that there is not. */
#define NO_DEVICE	POS(5, bucket_to_u64(POS(9, 1)))

static void entry_mod(struct bpos pos, bool set)
{
	assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
			 bch2_btree_bit_mod_buffered(trans, BTREE_ID_need_discard, pos, set)), 0);
}

static struct open_bucket *waiting[16];

/* Buckets that wait for their discard, with number 0, and are open. */
static void buckets_waiting(unsigned nr)
{
	hold("discard_begin", NULL);
	fs_open_start(image_format("base.img"));
	for (unsigned i = 0; i < nr; i++) {
		waiting[i] = bucket_open();
		bucket_cycle_unflushed(waiting[i]->bucket);
	}
}

static void close_silent(unsigned nr, int ret)
{
	wb_flush();
	assert_int_equal(nd_violations(), 0);
	fsck_silent();
	for (unsigned i = 0; i < nr; i++)
		bch2_open_bucket_put(c, waiting[i]);
	assert_int_equal(fs_close(), ret);
}

/* Two entries less, three with a wrong number or of a free bucket, two of nothing. */
static const struct report damage_expected = { .unset = 2, .set = 3, .no_bucket = 2 };

static void damage(void)
{
	const u64 b = waiting[0]->bucket, free = b + 40;

	assert_int_equal(alloc_state(free, NULL), BCH_DATA_free);
	/* these two differ in their position alone */
	entry_mod(nd_pos(0, b), false);
	entry_mod(nd_pos(0, waiting[1]->bucket), false);
	entry_mod(nd_pos(7, waiting[2]->bucket), true);
	entry_mod(nd_pos(0, free), true);
	entry_mod(nd_pos(9, free), true);
	entry_mod(NO_DEVICE, true);
	entry_mod(nd_pos(3, dev0()->mi.nbuckets), true);
	wb_flush();
}

/* --- 30: fsck converges --- */

static void scenario_30_converges(void **state)
{
	buckets_waiting(4);
	damage();
	fsck_expect(damage_expected);
	fsck_silent();
	close_silent(4, -BCH_ERR_shutdown_with_errors_fixed);
}

/* --- 31: fsck under load --- */

static unsigned flushes;

/* The journal goes on with every flush: a stamp of its numbers never holds. */
static void commit_more(struct bch_fs *fs)
{
	flushes++;
	bucket_cycle(waiting[3]->bucket);
}

static int busy_fn(void *arg)
{
	while (!READ_ONCE(*(bool *) arg)) {
		bucket_cycle(waiting[4]->bucket);
		usleep(100);
	}
	return 0;
}

static void scenario_31_under_load(void **state)
{
	bool stop = false;
	struct job *busy;

	buckets_waiting(5);
	damage();
	flushes = 0;
	at_point("wb_maybe_flush_H13", NULL, commit_more);
	busy = job_start("busy", busy_fn, &stop);
	fsck_expect(damage_expected);
	/* once per key that is wrong, and per one that changes meanwhile */
	assert_true(flushes >= 5);
	fsck_silent();
	WRITE_ONCE(stop, true);
	assert_int_equal(job_wait(busy), 0);
	at_point("wb_maybe_flush_H13", NULL, NULL);
	close_silent(5, -BCH_ERR_shutdown_with_errors_fixed);
}

/* --- 32: real errors, everywhere --- */

static void count_flush(struct bch_fs *fs)
{
	flushes++;
}

static void all_wrong(const char *path, unsigned nr)
{
	struct emptied *b = calloc(nr, sizeof(*b));

	hold("discard_begin", NULL);
	fs_open_start(path);
	for (unsigned i = 0; i < nr; i++) {
		struct open_bucket *ob = bucket_open();

		b[i].bucket = ob->bucket;
		bucket_cycle(ob->bucket);
		assert_int_equal(alloc_state(ob->bucket, &b[i].seq), BCH_DATA_need_discard);
		bch2_open_bucket_put(c, ob);
	}
	for (unsigned i = 0; i < nr; i++)
		entry_mod(nd_pos(b[i].seq, b[i].bucket), false);
	free(b);
	flushes = 0;
	at_point("wb_maybe_flush_H13", NULL, count_flush);
	fsck_expect((struct report) { .unset = nr });
	assert_in_range(flushes, 1, nr);
	at_point("wb_maybe_flush_H13", NULL, NULL);
	fsck_silent();
	close_silent(0, -BCH_ERR_shutdown_with_errors_fixed);
}

static void scenario_32_all_wrong(void **state)
{
	all_wrong(image_format("base.img"), 120);
}

/* Not what the check says of every bucket. */
static void terse(int level, const char *text, void *arg)
{
	if (!strstr(text, "need_discard"))
		fputs(text, stderr);
}

/* As many as the page wants: slow. */
static void scenario_32_many(void **state)
{
	if (!getenv("RACES_ALL"))
		skip();
	/* nodes take new buckets all the time, and discards are held */
	alarm(600);
	shim_set_log_sink(terse, NULL);
	all_wrong(image_format_large("base.img"), 100000);
}

/* --- 33: entries in the layout of before 1.38 --- */

/* The superblock is written meanwhile, and is where these are read from then. */
static void silence(bool on)
{
	struct bch_sb_field_ext *ext;

	mutex_lock(&c->sb_lock);
	ext = bch2_sb_field_get(c->disk_sb.sb, ext);
	assert_non_null(ext);
	if (on) {
		__set_bit(BCH_FSCK_ERR_need_discard_key_wrong, c->sb.errors_silent);
		__set_bit(BCH_FSCK_ERR_need_discard_freespace_key_bad, c->sb.errors_silent);
	} else {
		memset(c->sb.errors_silent, 0, sizeof(c->sb.errors_silent));
		memset(ext->errors_silent, 0, sizeof(ext->errors_silent));
	}
	mutex_unlock(&c->sb_lock);
}

/* There a bucket's entry is at (device, bucket): it looks like one of device 0. */
static void scenario_33_old_layout(void **state)
{
	static const u64 devices[] = { 0, 1, 5 };
	struct open_bucket *used;

	buckets_waiting(1);
	used = bucket_open();
	assert_int_equal(bucket_set_sectors(used->bucket, 8), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(devices); i++) {
		entry_mod(POS(devices[i], used->bucket), true);
		if (devices[i])
			entry_mod(POS(devices[i], waiting[0]->bucket), true);
	}
	/* one whose entry is behind all these */
	bch2_open_bucket_put(c, waiting[0]);
	waiting[0] = bucket_open();
	assert_int_equal(bucket_set_sectors(waiting[0]->bucket, 8), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(bch2_journal_meta(c), 0);
	assert_int_equal(bucket_set_sectors(waiting[0]->bucket, 0), 0);
	assert_int_equal(bch2_journal_meta(c), 0);
	wb_flush();
	bch2_open_bucket_put(c, waiting[0]);
	release("discard_begin");
	wait_alloc_state(waiting[0]->bucket, BCH_DATA_free);
	assert_int_equal(alloc_state(used->bucket, NULL), BCH_DATA_user);

	/* the pass that an upgrade asks for repairs in silence */
	silence(true);
	fsck_expect((struct report) {});
	silence(false);
	fsck_silent();
	assert_int_equal(bucket_set_sectors(used->bucket, 0), 0);
	bch2_open_bucket_put(c, used);
	close_silent(0, 0);
}

/* --- 37: repairs before read-write --- */

/* Runs fsck as users do; how many lines of its output have @text. */
static int fsck_tool(const char *path, const char *args, const char *text, unsigned *lines)
{
	char cmd[1024], line[1024];
	FILE *p;
	int status;

	snprintf(cmd, sizeof(cmd), "%s fsck %s %s 2>&1", getenv("TEST_FORMAT"), args, path);
	p = popen(cmd, "r");
	assert_non_null(p);
	*lines = 0;
	while (fgets(line, sizeof(line), p)) {
		fputs(line, stderr);
		*lines += strstr(line, text) != NULL;
	}
	status = pclose(p);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The alloc key behind the triggers' back. */
static int put_waiting(struct btree_trans *trans, u64 bucket, u64 seq)
{
	struct bkey_i_alloc_v4 *a = bch2_trans_kmalloc(trans, sizeof(*a));

	if (IS_ERR(a))
		return PTR_ERR(a);
	memset(a, 0, sizeof(*a));
	bkey_init(&a->k);
	a->k.type = KEY_TYPE_alloc_v4;
	a->k.p	  = POS(0, bucket);
	set_bkey_val_bytes(&a->k, sizeof(a->v));
	a->v.data_type		= BCH_DATA_need_discard;
	a->v.journal_seq_empty	= cpu_to_le64(seq);
	SET_BCH_ALLOC_V4_NEED_DISCARD(&a->v, true);
	SET_BCH_ALLOC_V4_BACKPOINTERS_START(&a->v, BCH_ALLOC_V4_U64s);
	return bch2_btree_insert_nonextent(trans, BTREE_ID_alloc, (struct bkey_i *) a,
					   BTREE_TRIGGER_norun);
}

/*
 * The journal's own buckets wait for their discard, say alloc keys and index. The pass
 * check_allocations knows better, before read-write: the index is left behind, which the
 * same run has to repair.
 */
static void scenario_37_before_read_write(void **state)
{
	static const char bad[] = "incorrectly set at need_discard";
	const char *path = image_format("base.img");
	const u64 seq = 1ULL << 40;	/* not yet */
	unsigned lines, nr = 0;

	hold("discard_begin", NULL);
	fs_open_start(path);
	for (u64 b = 0; b < dev0()->mi.nbuckets && nr < 3; b++) {
		if (alloc_state(b, NULL) != BCH_DATA_journal)
			continue;
		assert_int_equal(bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
						      put_waiting(trans, b, seq)), 0);
		entry_mod(nd_pos(seq, b), true);
		nr++;
	}
	assert_int_equal(nr, 3);
	fs_close();

	assert_int_equal(fsck_tool(path, "-y", bad, &lines), 1);
	assert_int_equal(lines, nr);
	assert_int_equal(fsck_tool(path, "-n", "set at need_discard", &lines), 0);
	assert_int_equal(lines, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RACE(scenario_30_converges),
		RACE(scenario_31_under_load),
		RACE(scenario_32_all_wrong),
		RACE(scenario_32_many),
		RACE(scenario_33_old_layout),
		RACE(scenario_37_before_read_write),
	};

	return race_main(tests, ARRAY_SIZE(tests));
}
