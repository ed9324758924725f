// SPDX-License-Identifier: GPL-2.0
/*
 * Writing the journal and reading it back with the reader: what one or many
 * threads put in comes out, in order; rings wrap around; a full journal goes on
 * by reclaim; whatever moment the machine stops at leaves a journal that holds
 * all that was said to be durable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/kernel.h>

#include "journal/journal.h"
#include "journal/seq_blacklist.h"
#include "journal/pins.h"
#include "journal/read.h"
#include "journal/reclaim.h"
#include "journal/ring.h"
#include "sb/field.h"
#include "sb/members.h"
#include "sb/write.h"
#include "journal_common.h"

static const struct jtest_spec one = { .nr_devs = 1, .dev_bytes = 64 << 20, .ring = 32 };

static u64 scale(u64 n)
{
	const char *s = getenv("JTEST_SCALE");

	return s ? n * strtoul(s, NULL, 0) : n;
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static struct bch_fs *start(const struct jtest_spec *s, u64 cur, u64 last)
{
	struct bch_fs *c = jtest_open(s);
	const int ret = bch2_journal_start(c, cur, last);

	if (ret)
		fail_msg("start: %s", bch2_err_str(ret));
	return c;
}

static void expect(int ret)
{
	if (ret)
		fail_msg("%s: %s", bch2_err_str(ret), jtest_messages());
}

/* --- one thread --- */

static void write_flush_stop(void **state)
{
	struct jtest_found f;
	struct bch_fs *c;
	u64 seq = 0;

	jtest_make(&one);
	c = start(&one, 10, 10);
	for (u64 i = 0; i < 100; i++)
		expect(jtest_commit(c, 0, i, i % 7, 0, &seq));
	expect(bch2_journal_flush_seq(c, seq));
	assert_true(bch2_journal_flushed_seq_ondisk(c) >= seq);
	assert_int_equal(jtest_nr_marked, 1);
	jtest_snapshot(".flushed");
	expect(bch2_journal_stop(c));
	assert_int_equal(bch2_journal_cur_seq(c), seq + 1);
	jtest_close(c);

	/* the clean end: one empty entry, nothing to do */
	jtest_read(&one, &f);
	assert_true(f.clean);
	assert_int_equal(f.newest, seq + 1);
	assert_int_equal(f.oldest, seq + 1);
	assert_int_equal(f.nr_keys, 0);
	jtest_found_free(&f);

	/* before: everything */
	jtest_use_snapshot(".flushed");
	jtest_read(&one, &f);
	assert_false(f.clean);
	assert_int_equal(f.newest, seq);
	assert_int_equal(f.oldest, 10);
	assert_int_equal(f.nr_keys, 100);
	assert_true(f.ordered);
	jtest_found_free(&f);
}

static void nothing_written_stays_clean(void **state)
{
	struct bch_fs *c;

	jtest_make(&one);
	c = start(&one, 10, 10);
	expect(bch2_journal_stop(c));
	assert_int_equal(bch2_journal_cur_seq(c), 9);
	assert_int_equal(jtest_nr_marked, 0);
	assert_int_equal(atomic64_read(&c->journal.w->nr_entries), 0);
	jtest_close(c);
}

static void noflush_entries_are_not_replayed_alone(void **state)
{
	struct jtest_spec s = one;
	struct journal_entry_pin pin;
	struct jtest_found f;
	struct bch_fs *c;
	u64 first, second;

	s.flush_delay = 100000;
	jtest_make(&s);
	c = start(&s, 1, 1);
	expect(jtest_commit(c, 0, 0, 0, 0, &first));
	bch2_journal_pin_init(&pin);
	bch2_journal_pin_set(c, first, &pin, JOURNAL_PIN_TYPE_other, NULL);
	expect(bch2_journal_flush_seq(c, first));

	/* promised not to be a commit; the flush goes to the entry behind it */
	expect(jtest_commit(c, 0, 1, 0, 0, &second));
	assert_true(bch2_journal_noflush_seq(c, second, second + 1));
	assert_false(bch2_journal_noflush_seq(c, first, second + 1));
	expect(bch2_journal_flush_seq(c, second));
	assert_int_equal(bch2_journal_flushed_seq_ondisk(c), second + 1);

	/* nobody can promise what somebody waits for */
	expect(jtest_commit(c, 0, 2, 0, 0, &second));
	bch2_journal_flush_seq_async(c, second);
	assert_false(bch2_journal_noflush_seq(c, second, second + 1));
	expect(bch2_journal_flush(c));
	jtest_snapshot(".a");
	bch2_journal_pin_drop(c, &pin);
	expect(bch2_journal_stop(c));
	jtest_close(c);

	jtest_use_snapshot(".a");
	jtest_read(&s, &f);
	assert_int_equal(f.nr_keys, 3);
	assert_true(f.ordered);
	jtest_found_free(&f);
}

static void closes_by_itself(void **state)
{
	struct jtest_spec s = one;
	struct bch_fs *c;
	u64 seq;

	s.flush_delay = 20;
	jtest_make(&s);
	c = start(&s, 1, 1);
	expect(jtest_commit(c, 0, 0, 0, 0, &seq));
	for (unsigned i = 0; bch2_journal_flushed_seq_ondisk(c) < seq; i++) {
		assert_true(i < 500);
		usleep(10000);
	}
	expect(bch2_journal_stop(c));
	jtest_close(c);
}

static void early_records_come_first(void **state)
{
	struct jtest_found f;
	struct bch_fs *c;
	u64 seq;

	jtest_make(&one);
	c = jtest_open(&one);
	expect(bch2_journal_early_text(c, "before anything else"));
	expect(bch2_journal_start(c, 5, 5));
	expect(jtest_commit(c, 0, 0, 3, 0, &seq));
	expect(bch2_journal_flush(c));
	assert_int_equal(seq, 5);
	jtest_snapshot(".a");
	expect(bch2_journal_stop(c));
	jtest_close(c);

	jtest_use_snapshot(".a");
	jtest_read(&one, &f);
	assert_int_equal(f.nr_keys, 1);
	jtest_found_free(&f);
}

/* --- many threads --- */

struct writer {
	pthread_t	thread;
	struct bch_fs	*c;
	unsigned	idx;
	u64		nr;		/* commits to be made; made */
	unsigned	pad;
	unsigned	flush_every;	/* 0: never */
	unsigned	flags;
	u64		durable;	/* keys known to be durable */
	int		ret;
};

static void *writer_main(void *arg)
{
	struct writer *t = arg;
	u64 seq = 0, i;

	for (i = 0; i < t->nr && !t->ret; i++) {
		t->ret = jtest_commit(t->c, t->idx, i, t->pad ? i % t->pad : 0, t->flags, &seq);
		if (!t->ret && t->flush_every && i % t->flush_every == t->flush_every - 1) {
			t->ret = bch2_journal_flush_seq(t->c, seq);
			if (!t->ret)
				__atomic_store_n(&t->durable, i + 1, __ATOMIC_RELEASE);
		}
	}
	t->nr = t->ret ? i - 1 : i;
	return NULL;
}

static void writers_start(struct writer *t, unsigned nr, struct bch_fs *c, u64 commits,
			  unsigned pad, unsigned flush_every)
{
	for (unsigned i = 0; i < nr; i++) {
		t[i] = (struct writer) { .c = c, .idx = i, .nr = commits, .pad = pad,
					 .flush_every = flush_every };
		assert_int_equal(pthread_create(&t[i].thread, NULL, writer_main, &t[i]), 0);
	}
}

static void writers_join(struct writer *t, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		pthread_join(t[i].thread, NULL);
}

static void threads_fill_entries(const struct jtest_spec *s, unsigned nr)
{
	const u64 commits = scale(2000);
	struct writer t[4];
	struct jtest_found f;
	struct bch_fs *c;

	jtest_make(s);
	c = start(s, 1, 1);
	writers_start(t, nr, c, commits, 20, 100);
	writers_join(t, nr);
	for (unsigned i = 0; i < nr; i++)
		expect(t[i].ret);
	expect(bch2_journal_flush(c));
	jtest_snapshot(".a");
	expect(bch2_journal_stop(c));
	jtest_close(c);

	jtest_use_snapshot(".a");
	jtest_read(s, &f);
	/* nothing is pinned: only what no later entry has taken out of the window */
	assert_true(f.ordered);
	for (unsigned i = 0; i < nr; i++)
		assert_true(!f.keys_of[i] || f.first_of[i] + f.keys_of[i] == commits);
	jtest_found_free(&f);
}

static void one_thread(void **state)
{
	threads_fill_entries(&one, 1);
}

static void two_threads(void **state)
{
	threads_fill_entries(&one, 2);
}

static void four_threads(void **state)
{
	threads_fill_entries(&one, 4);
}

/* A pin that is let go when it is asked to. */
struct test_pin {
	struct journal_entry_pin pin;
	atomic_t		*flushed;
};

static int pin_release(struct bch_fs *c, struct journal_entry_pin *pin, u64 seq)
{
	struct test_pin *p = container_of(pin, struct test_pin, pin);

	bch2_journal_pin_drop(c, pin);
	atomic_inc(p->flushed);
	return 0;
}

static int pin_keep(struct bch_fs *c, struct journal_entry_pin *pin, u64 seq)
{
	return -EAGAIN;
}

static void everything_pinned_comes_back(void **state)
{
	struct jtest_spec s = one;
	const unsigned nr = 4;
	const u64 commits = 3000;
	struct test_pin pin = {};
	struct writer t[4];
	struct jtest_found f;
	struct bch_fs *c;
	atomic_t n = ATOMIC_INIT(0);
	u64 seq, newest;

	/* reclaim leaves alone what takes less than half of it, however often is flushed */
	s.dev_bytes = 256 << 20;
	s.ring = 256;
	jtest_make(&s);
	c = start(&s, 100, 100);
	/* keeps the whole journal in the window */
	pin.flushed = &n;
	bch2_journal_pin_init(&pin.pin);
	expect(jtest_commit(c, 5, 0, 0, 0, &seq));
	/* the entry is not written yet: it pins itself */
	bch2_journal_pin_set(c, seq, &pin.pin, JOURNAL_PIN_TYPE_btree0, pin_release);

	writers_start(t, nr, c, commits, 30, 500);
	writers_join(t, nr);
	for (unsigned i = 0; i < nr; i++)
		expect(t[i].ret);
	expect(bch2_journal_flush(c));
	assert_int_equal(bch2_journal_last_seq(c), seq);
	newest = bch2_journal_flushed_seq_ondisk(c);
	jtest_snapshot(".a");

	expect(bch2_journal_stop(c));
	assert_int_equal(atomic_read(&n), 1);
	jtest_close(c);

	jtest_use_snapshot(".a");
	jtest_read(&s, &f);
	assert_int_equal(f.oldest, seq);
	assert_int_equal(f.newest, newest);
	assert_true(f.ordered);
	assert_int_equal(f.keys_of[5], 1);
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(f.keys_of[i], commits);
	jtest_found_free(&f);
}

/* --- rings --- */

static const struct jtest_spec small = { .nr_devs = 1, .dev_bytes = 64 << 20, .ring = 8,
					 .flush_delay = 50 };

/* Pins its newest commit, as a dirty node would. */
struct pinned_writer {
	struct test_pin	pins[64];
	atomic_t	flushed;
};

static void wrap_around(const struct jtest_spec *s, u64 commits)
{
	struct pinned_writer p = {};
	struct jtest_found f;
	struct bch_fs *c;
	u64 seq, bytes;

	jtest_make(s);
	c = start(s, 1, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(p.pins); i++) {
		bch2_journal_pin_init(&p.pins[i].pin);
		p.pins[i].flushed = &p.flushed;
	}
	for (u64 i = 0; i < commits; i++) {
		struct test_pin *pin = &p.pins[i % ARRAY_SIZE(p.pins)];

		expect(jtest_commit(c, 0, i, 16, 0, &seq));
		/* a leaf that stays dirty with its first update */
		bch2_journal_pin_add(c, seq, &pin->pin,
				     JOURNAL_PIN_TYPE_btree0, pin_release);
	}
	expect(bch2_journal_flush(c));
	bytes = atomic64_read(&c->journal.w->bytes_written);
	/* several times around */
	assert_true(bytes > 3 * s->ring * (c->devs[0]->mi.bucket_size << 9));
	assert_true(atomic_read(&p.flushed) > 64);
	jtest_snapshot(".a");
	expect(bch2_journal_stop(c));
	jtest_close(c);

	jtest_use_snapshot(".a");
	jtest_read(s, &f);
	assert_true(f.ordered);
	/* all there is to read, if the last pin was not flushed before the end */
	if (f.keys_of[0])
		assert_int_equal(f.first_of[0] + f.keys_of[0], commits);
	assert_true(f.oldest > 1);
	jtest_found_free(&f);
}

static void ring_wraps_around(void **state)
{
	wrap_around(&small, scale(20000));
}

/* Nobody and no clock asks for flush entries: only the want of room does. */
static void ring_wraps_around_by_itself(void **state)
{
	struct jtest_spec s = small;

	s.flush_delay = 1000000;
	for (s.ring = 3; s.ring <= 8; s.ring++)
		wrap_around(&s, scale(10000));
}

static void *blocked_commit(void *arg)
{
	struct writer *t = arg;

	t->ret = jtest_commit(t->c, 1, 0, 0, 0, NULL);
	__atomic_store_n(&t->durable, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void commit_until_full(struct bch_fs *c, unsigned watermark, u64 *nr)
{
	for (unsigned blocked = 0; blocked < 300;) {
		const int ret = jtest_commit(c, 0, *nr, 16, watermark|JOURNAL_RES_GET_NONBLOCK,
					     NULL);

		assert_true(!ret || bch2_err_matches(ret, BCH_ERR_journal_res_get_blocked));
		*nr += !ret;
		blocked = ret ? blocked + 1 : 0;
		if (ret)
			usleep(1000);
		assert_true(*nr < 1000000);
	}
}

static void full_journal_keeps_reserves(void **state)
{
	struct test_pin pin = {};
	struct writer t = {};
	struct bch_fs *c;
	atomic_t n = ATOMIC_INIT(0);
	u64 seq, nr = 0, reserve;
	int ret;

	jtest_make(&small);
	c = start(&small, 1, 1);
	pin.flushed = &n;
	bch2_journal_pin_init(&pin.pin);
	expect(jtest_commit(c, 0, nr++, 0, 0, &seq));
	bch2_journal_pin_set(c, seq, &pin.pin, JOURNAL_PIN_TYPE_key_cache, pin_keep);

	/* ordinary updates end while there is still room */
	while (!(ret = jtest_commit(c, 0, nr, 16, JOURNAL_RES_GET_NONBLOCK, NULL)) ||
	       ret != -BCH_ERR_journal_watermark) {
		assert_true(!ret || bch2_err_matches(ret, BCH_ERR_operation_blocked));
		nr += !ret;
		if (ret)
			usleep(1000);
		assert_true(nr < 1000000);
	}
	assert_int_equal(ret, -BCH_ERR_journal_watermark);
	assert_true(bch2_err_matches(ret, BCH_ERR_operation_blocked));
	assert_true(bch2_journal_watermark_low(c));

	/* those that make room go on, until the ring is really full */
	for (unsigned i = 0; i < 10; i++)
		expect(jtest_commit(c, 0, nr++, 16, BCH_WATERMARK_reclaim, NULL));
	commit_until_full(c, BCH_WATERMARK_reclaim, &nr);

	/* what ends pins has a reserve of its own, and it is worth something */
	reserve = nr;
	commit_until_full(c, BCH_WATERMARK_interior_updates, &nr);
	reserve = (nr - reserve) * JTEST_REC_U64s(16) * sizeof(u64);
	assert_true(reserve * 2 >= (u64) c->devs[0]->mi.bucket_size * 512);

	/* somebody waits, and goes on when the pin goes */
	t.c = c;
	assert_int_equal(pthread_create(&t.thread, NULL, blocked_commit, &t), 0);
	usleep(50000);
	assert_false(__atomic_load_n(&t.durable, __ATOMIC_ACQUIRE));
	bch2_journal_pin_drop(c, &pin.pin);
	pthread_join(t.thread, NULL);
	expect(t.ret);
	for (unsigned i = 0; i < 2000; i++)
		expect(jtest_commit(c, 0, nr++, 16, 0, NULL));
	expect(bch2_journal_stop(c));
	jtest_close(c);
}

/* A ring with room is not for ordinary updates if writing back what is dirty needs it. */
static void writeback_has_room(void **state)
{
	struct test_pin *pins;
	atomic_t n = ATOMIC_INIT(0);
	struct bch_fs *c;
	unsigned i, nr;
	u64 seq;
	int ret;

	jtest_make(&one);
	c = start(&one, 1, 1);
	/* each takes a quarter KiB and more: their writing back would take the whole ring */
	nr = c->devs[0]->journal.nr * c->devs[0]->mi.bucket_size / 4 * 5;
	pins = calloc(nr, sizeof(*pins));
	assert_non_null(pins);
	expect(jtest_commit(c, 0, 0, 0, 0, &seq));
	for (i = 0; i < nr; i++) {
		pins[i].flushed = &n;
		bch2_journal_pin_init(&pins[i].pin);
		bch2_journal_pin_set(c, seq, &pins[i].pin, JOURNAL_PIN_TYPE_btree0, pin_keep);
	}
	/* the next entry takes note of it */
	expect(bch2_journal_meta(c));
	assert_true(c->journal.w->space.clean * 2 > c->journal.w->space.total);
	ret = jtest_commit(c, 0, 1, 16, JOURNAL_RES_GET_NONBLOCK, NULL);
	assert_int_equal(ret, -BCH_ERR_journal_watermark);
	expect(jtest_commit(c, 0, 1, 16, BCH_WATERMARK_interior_updates, NULL));

	/* reclaim has them all flushed, whatever is clean, and everybody goes on */
	for (i = 0; i < nr; i++)
		bch2_journal_pin_set(c, seq, &pins[i].pin, JOURNAL_PIN_TYPE_btree0, pin_release);
	expect(jtest_commit(c, 0, 2, 16, 0, NULL));
	assert_true(atomic_read(&n) > 0);
	expect(bch2_journal_stop(c));
	assert_int_equal(atomic_read(&n), nr);
	jtest_close(c);
	free(pins);
}

/* Nothing can make room: an end with a report, for all who wait, and a journal that is read. */
static void stuck_journal_ends(void **state)
{
	struct test_pin pin = {};
	struct writer t = {};
	struct jtest_found f;
	struct bch_fs *c;
	u64 seq, nr = 0;
	int ret;

	jtest_make(&small);
	c = start(&small, 1, 1);
	bch2_journal_pin_init(&pin.pin);
	expect(jtest_commit(c, 0, nr++, 0, 0, &seq));
	bch2_journal_pin_set(c, seq, &pin.pin, JOURNAL_PIN_TYPE_key_cache, pin_keep);
	while (!(ret = jtest_commit(c, 0, nr, 16, BCH_WATERMARK_reclaim, NULL))) {
		nr++;
		assert_true(nr < 1000000);
		if (bch2_journal_watermark_low(c) && !t.c) {
			c->journal.w->stuck_after = HZ / 5;
			t.c = c;
			assert_int_equal(pthread_create(&t.thread, NULL, blocked_commit, &t), 0);
		}
	}
	assert_int_equal(ret, -BCH_ERR_erofs_journal_err);
	assert_non_null(t.c);
	pthread_join(t.thread, NULL);
	assert_int_equal(t.ret, -BCH_ERR_erofs_journal_err);
	assert_non_null(strstr(jtest_messages(), "journal_stuck"));
	assert_non_null(strstr(jtest_messages(), "by 1 cached keys"));
	assert_int_equal(bch2_journal_flush(c), -BCH_ERR_erofs_journal_err);
	/* both who wait may be the first to notice */
	assert_in_range(jtest_nr_emergency, 1, 2);

	bch2_journal_pin_drop(c, &pin.pin);
	assert_int_equal(bch2_journal_stop(c), -BCH_ERR_erofs_journal_err);
	jtest_close(c);
	jtest_read(&small, &f);
	assert_false(f.clean);
	assert_true(f.ordered);
	assert_int_equal(f.oldest, seq);
	jtest_found_free(&f);
}

/* Power is lost with a full ring, most of which is behind the newest flush entry. */
static void full_ring_after_a_crash(void **state)
{
	struct jtest_spec s = small;
	struct journal_start_info *info;
	struct test_pin pin = {};
	struct jtest_found f;
	struct bch_fs *c;
	u64 void_start[5], void_end[5];
	u64 seq, nr = 0;

	s.flush_delay = 100000;
	jtest_make(&s);
	c = start(&s, 1, 1);
	bch2_journal_pin_init(&pin.pin);
	expect(jtest_commit(c, 0, nr++, 0, 0, &seq));
	bch2_journal_pin_set(c, seq, &pin.pin, JOURNAL_PIN_TYPE_other, pin_keep);
	expect(bch2_journal_flush(c));
	commit_until_full(c, BCH_WATERMARK_interior_updates, &nr);
	jtest_snapshot(".full");
	bch2_journal_pin_drop(c, &pin.pin);
	expect(bch2_journal_stop(c));
	jtest_close(c);

	/* there is room enough for ordinary updates: once, and after more crashes */
	for (unsigned crash = 0; crash < 5; crash++) {
		jtest_use_snapshot(".full");
		c = jtest_open(&s);
		for (unsigned i = 0; i < crash; i++)
			expect(bch2_journal_seq_blacklist_add(c, void_start[i], void_end[i]));
		info = &c->journal.start;
		expect(bch2_journal_read(c, info));
		assert_int_equal(info->seq_read_start, seq);
		void_start[crash] = info->seq_read_end + 1;
		void_end[crash]	  = info->cur_seq + 100;
		expect(bch2_journal_start(c, void_end[crash], info->seq_read_start));
		bch2_journal_entries_free(c);
		c->journal.w->stuck_after = HZ;
		for (unsigned i = 0; i < 100; i++)
			expect(jtest_commit(c, 0, i + 1, 16, 0, NULL));
		expect(bch2_journal_flush(c));
		jtest_snapshot(".full");
		if (crash == 4)
			bch2_journal_set_replay_done(c);
		bch2_journal_stop(c);
		jtest_close(c);
	}
	jtest_read(&s, &f);
	assert_true(f.clean);
	jtest_found_free(&f);
}

static void replay_pins_are_left_alone(void **state)
{
	struct test_pin old = {}, new = {};
	struct bch_fs *c;
	atomic_t n = ATOMIC_INIT(0);
	u64 seq;

	jtest_make(&small);
	/* 20 .. 39 are to be replayed */
	c = start(&small, 40, 20);
	assert_int_equal(bch2_journal_last_seq(c), 20);
	assert_true(bch2_journal_has_pins(c));
	old.flushed = new.flushed = &n;
	bch2_journal_pin_init(&old.pin);
	bch2_journal_pin_init(&new.pin);

	/* PC-3: the leaf pins what replay gives to it before replay lets go */
	bch2_journal_pin_add(c, 30, &old.pin, JOURNAL_PIN_TYPE_btree0, pin_release);
	expect(jtest_commit(c, 0, 0, 0, 0, &seq));
	bch2_journal_pin_add(c, seq, &new.pin, JOURNAL_PIN_TYPE_btree0, pin_release);
	/* RP-4 */
	bch2_journal_reclaim(c, true);
	assert_int_equal(atomic_read(&n), 0);

	bch2_journal_replay_pins_put_below(c, 25);
	assert_int_equal(bch2_journal_last_seq(c), 25);
	bch2_journal_reclaim(c, true);
	assert_int_equal(atomic_read(&n), 0);
	bch2_journal_replay_pins_put_below(c, 35);
	assert_int_equal(bch2_journal_last_seq(c), 30);
	bch2_journal_reclaim(c, true);
	assert_int_equal(atomic_read(&n), 1);
	assert_int_equal(bch2_journal_last_seq(c), 35);

	/* stopping before replay is done is no clean end */
	assert_int_equal(bch2_journal_stop(c), -BCH_ERR_journal_not_empty);
	jtest_close(c);
}

static void long_windows_share_a_list(void **state)
{
	const u64 cur = 10 * 65536;
	struct test_pin pin = {};
	struct bch_fs *c;
	atomic_t n = ATOMIC_INIT(0);

	jtest_make(&small);
	c = start(&small, cur, 5);
	pin.flushed = &n;
	bch2_journal_pin_init(&pin.pin);
	assert_int_equal(bch2_journal_last_seq(c), 5);
	bch2_journal_pin_set(c, 7, &pin.pin, JOURNAL_PIN_TYPE_btree1, pin_keep);
	bch2_journal_replay_pins_put_below(c, 1000);
	assert_int_equal(bch2_journal_last_seq(c), 5);
	bch2_journal_set_replay_done(c);
	assert_int_equal(bch2_journal_last_seq(c), 5);
	bch2_journal_pin_drop(c, &pin.pin);
	assert_int_equal(bch2_journal_last_seq(c), cur);
	expect(bch2_journal_stop(c));
	jtest_close(c);
}

/* --- pins --- */

static unsigned order[8], nr_order;

static int pin_note(struct bch_fs *c, struct journal_entry_pin *pin, u64 seq)
{
	order[nr_order++] = pin->type;
	bch2_journal_pin_drop(c, pin);
	return 0;
}

static void pins_are_flushed_in_order(void **state)
{
	static const u8 types[] = { JOURNAL_PIN_TYPE_btree3, JOURNAL_PIN_TYPE_btree0,
				    JOURNAL_PIN_TYPE_key_cache, JOURNAL_PIN_TYPE_other };
	struct journal_entry_pin pins[4], copy;
	struct bch_fs *c;
	u64 a, b;

	jtest_make(&one);
	c = start(&one, 1, 1);
	expect(jtest_commit(c, 0, 0, 0, 0, &a));
	expect(bch2_journal_flush(c));
	expect(jtest_commit(c, 0, 1, 0, 0, &b));
	assert_true(b > a);

	for (unsigned i = 0; i < 4; i++) {
		bch2_journal_pin_init(&pins[i]);
		bch2_journal_pin_set(c, b, &pins[i], types[i], pin_note);
	}
	bch2_journal_pin_init(&copy);
	bch2_journal_pin_copy(c, &copy, &pins[2], pin_note);
	assert_int_equal(copy.seq, b);
	bch2_journal_pin_add(c, b + 0, &copy, JOURNAL_PIN_TYPE_other, pin_note);
	assert_int_equal(copy.type, JOURNAL_PIN_TYPE_key_cache);
	bch2_journal_pin_flush(c, &copy);
	assert_false(bch2_journal_pin_active(&copy));

	nr_order = 0;
	assert_true(bch2_journal_flush_pins(c, b, 1U << JOURNAL_PIN_TYPE_btree0));
	assert_int_equal(nr_order, 1);
	assert_false(bch2_journal_flush_pins(c, b - 1, JOURNAL_PIN_TYPES_ALL));
	while (bch2_journal_flush_all_pins(c))
		;
	assert_int_equal(nr_order, 4);
	assert_int_equal(order[1], JOURNAL_PIN_TYPE_other);
	assert_int_equal(order[2], JOURNAL_PIN_TYPE_key_cache);
	assert_int_equal(order[3], JOURNAL_PIN_TYPE_btree3);
	assert_false(bch2_journal_has_pins(c));
	expect(bch2_journal_stop(c));
	jtest_close(c);
}

static void last_seq_is_sampled_when_closed(void **state)
{
	struct journal_entry_pin pin;
	struct jtest_found f;
	struct bch_fs *c;
	u64 seq;

	/* PC-1: pinned when the entry is closed, free when it is written */
	jtest_make(&one);
	c = start(&one, 1, 1);
	expect(jtest_commit(c, 0, 0, 0, 0, &seq));
	bch2_journal_pin_init(&pin);
	bch2_journal_pin_set(c, seq, &pin, JOURNAL_PIN_TYPE_btree0, pin_keep);
	expect(bch2_journal_flush(c));
	expect(jtest_commit(c, 0, 1, 0, 0, NULL));
	bch2_journal_intake_lock(c);		/* holds the writer up */
	bch2_journal_flush_seq_async(c, bch2_journal_cur_seq(c));
	while (atomic64_read(&c->journal.w->state) & JOURNAL_STATE_OPEN)
		usleep(1000);
	bch2_journal_pin_drop(c, &pin);
	bch2_journal_intake_unlock(c);
	expect(bch2_journal_flush(c));
	jtest_snapshot(".a");
	expect(bch2_journal_stop(c));
	jtest_close(c);

	jtest_use_snapshot(".a");
	jtest_read(&one, &f);
	assert_int_equal(f.oldest, seq);
	assert_int_equal(f.nr_keys, 2);
	jtest_found_free(&f);
}

/* --- blocking, intake --- */

static void blocking_waits_for_reservations(void **state)
{
	struct journal_res res = {};
	struct journal_buf *buf;
	struct bch_fs *c;
	bool open;

	jtest_make(&one);
	c = start(&one, 1, 1);
	expect(jtest_commit(c, 0, 0, 0, 0, NULL));

	bch2_journal_block(c);
	assert_int_equal(bch2_journal_res_get(c, &res, 10, JOURNAL_RES_GET_NONBLOCK),
			 -BCH_ERR_journal_blocked);
	bch2_journal_unblock(c);
	expect(bch2_journal_res_get(c, &res, 10, JOURNAL_RES_GET_NONBLOCK));
	bch2_journal_res_put(c, &res);
	expect(bch2_journal_res_get(c, &res, 10, JOURNAL_RES_GET_CHECK));
	assert_false(res.ref);

	bch2_journal_intake_lock(c);
	buf = bch2_journal_next_buf_to_intake(c, U64_MAX, &open);
	assert_non_null(buf);
	assert_true(open);
	assert_int_equal(bch2_journal_buf_end(buf) - bch2_journal_buf_start(buf),
			 JTEST_REC_U64s(0) + 1 + 10);
	bch2_journal_unblock(c);
	bch2_journal_intake_unlock(c);

	assert_int_equal(bch2_journal_res_get(c, &res, 1 << 20, 0),
			 -BCH_ERR_journal_entry_too_big);
	expect(bch2_journal_stop(c));
	assert_int_equal(bch2_journal_res_get(c, &res, 10, 0), -BCH_ERR_erofs_journal_err);
	jtest_close(c);
}

/* --- clean section, starting again --- */

static void next_run_goes_on_behind(void **state)
{
	struct bch_sb_field_clean *clean;
	struct jtest_found f;
	struct bch_fs *c;
	u64 cur;
	u32 slot, offset;

	jtest_make(&one);
	c = start(&one, 1, 1);
	for (u64 i = 0; i < 50; i++)
		expect(jtest_commit(c, 0, i, 100, 0, NULL));
	expect(bch2_journal_stop(c));
	cur = bch2_journal_cur_seq(c);
	mutex_lock(&c->sb_lock);
	expect(bch2_journal_to_sb_clean(c));
	SET_BCH_SB_CLEAN(c->disk_sb.sb, 1);
	expect(bch2_write_super(c));
	mutex_unlock(&c->sb_lock);
	slot = c->devs[0]->journal.cur_idx;
	offset = c->devs[0]->mi.bucket_size - c->devs[0]->journal.sectors_free;
	jtest_close(c);

	c = jtest_open(&one);
	clean = bch2_sb_field_get(c->disk_sb.sb, clean);
	assert_non_null(clean);
	assert_int_equal(clean->journal_seq, cur);
	c->devs[0]->journal.cur_idx = slot;
	c->devs[0]->journal.sectors_free = c->devs[0]->mi.bucket_size - offset;
	expect(bch2_journal_start(c, cur + 1, cur + 1));
	expect(bch2_journal_first_write(c));
	assert_int_equal(jtest_nr_marked, 1);
	for (u64 i = 0; i < 50; i++)
		expect(jtest_commit(c, 1, i, 10, 0, NULL));
	expect(bch2_journal_flush(c));
	jtest_snapshot(".a");
	expect(bch2_journal_stop(c));
	jtest_close(c);

	jtest_use_snapshot(".a");
	jtest_read(&one, &f);
	assert_true(f.oldest > cur);
	assert_true(f.ordered);
	assert_int_equal(f.first_of[1] + f.keys_of[1], 50);
	jtest_found_free(&f);
}

static void ring_grows_while_it_is_written(void **state)
{
	struct writer t[2];
	struct jtest_found f;
	struct bch_fs *c;
	struct bch_dev *ca;
	const unsigned old = small.ring;

	jtest_make(&small);
	c = start(&small, 1, 1);
	ca = c->devs[0];
	writers_start(t, 2, c, 20000, 20, 1000);
	for (unsigned i = 0; i < 24; i++)
		expect(bch2_journal_ring_add_bucket(c, ca, ca->mi.nbuckets / 4 + 2 * i));
	assert_int_equal(bch2_journal_ring_add_bucket(c, ca, ca->mi.nbuckets / 4), -EEXIST);
	writers_join(t, 2);
	assert_int_equal(ca->journal.nr, old + 24);
	expect(bch2_journal_flush(c));
	jtest_snapshot(".a");
	expect(bch2_journal_stop(c));
	assert_int_equal(bch2_journal_ring_remove_bucket(c, ca, ca->mi.nbuckets / 4), 0);
	assert_int_equal(bch2_journal_ring_remove_bucket(c, ca, ca->mi.nbuckets / 4), -ENOENT);
	assert_int_equal(ca->journal.nr, old + 23);
	jtest_close(c);

	jtest_use_snapshot(".a");
	jtest_read(&small, &f);
	assert_true(f.ordered);
	for (unsigned i = 0; i < 2; i++)
		assert_true(!f.keys_of[i] || f.first_of[i] + f.keys_of[i] == 20000);
	jtest_found_free(&f);
}

/* --- figures, only when asked for --- */

static void *bench_main(void *arg)
{
	struct writer *t = arg;
	struct journal_res res = {};

	for (u64 i = 0; i < t->nr; i++) {
		if (bch2_journal_res_get(t->c, &res, 12, 0))
			break;
		memset(bch2_journal_res_words(&res), 0, 12 * sizeof(u64));
		res.u64s = 0;
		bch2_journal_res_put(t->c, &res);
	}
	return NULL;
}

static void bench(void **state)
{
	struct jtest_spec s = { .nr_devs = 1, .dev_bytes = 1ULL << 30, .ring = 512 };

	if (!getenv("JTEST_BENCH"))
		skip();
	for (unsigned nr = 1; nr <= 4; nr *= 2) {
		const u64 commits = 4000000 / nr;
		struct writer t[4];
		struct bch_fs *c;
		double begin, end;

		jtest_make(&s);
		c = start(&s, 1, 1);
		begin = seconds();
		for (unsigned i = 0; i < nr; i++) {
			t[i] = (struct writer) { .c = c, .nr = commits };
			pthread_create(&t[i].thread, NULL, bench_main, &t[i]);
		}
		writers_join(t, nr);
		end = seconds();
		printf("# %u threads: %.2f M reservations of 12 words/s\n", nr,
		       nr * commits / (end - begin) / 1e6);

		begin = seconds();
		writers_start(t, nr, c, 200000 / nr, 200, 0);
		writers_join(t, nr);
		expect(bch2_journal_flush(c));
		end = seconds();
		printf("# %u threads: %.0f MB/s of keys with values to disk, %llu entries\n", nr,
		       200000.0 * (100 + 6) * 8 / (end - begin) / 1e6,
		       (unsigned long long) atomic64_read(&c->journal.w->nr_entries));

		begin = seconds();
		writers_start(t, nr, c, 2000 / nr, 10, 1);
		writers_join(t, nr);
		end = seconds();
		printf("# %u threads: %.0f durable commits/s\n", nr, 2000 / (end - begin));
		expect(bch2_journal_stop(c));
		jtest_close(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(write_flush_stop),
		cmocka_unit_test(nothing_written_stays_clean),
		cmocka_unit_test(noflush_entries_are_not_replayed_alone),
		cmocka_unit_test(closes_by_itself),
		cmocka_unit_test(early_records_come_first),
		cmocka_unit_test(one_thread),
		cmocka_unit_test(two_threads),
		cmocka_unit_test(four_threads),
		cmocka_unit_test(everything_pinned_comes_back),
		cmocka_unit_test(ring_wraps_around),
		cmocka_unit_test(ring_wraps_around_by_itself),
		cmocka_unit_test(full_journal_keeps_reserves),
		cmocka_unit_test(writeback_has_room),
		cmocka_unit_test(stuck_journal_ends),
		cmocka_unit_test(full_ring_after_a_crash),
		cmocka_unit_test(replay_pins_are_left_alone),
		cmocka_unit_test(long_windows_share_a_list),
		cmocka_unit_test(pins_are_flushed_in_order),
		cmocka_unit_test(last_seq_is_sampled_when_closed),
		cmocka_unit_test(blocking_waits_for_reservations),
		cmocka_unit_test(next_run_goes_on_behind),
		cmocka_unit_test(ring_grows_while_it_is_written),
		cmocka_unit_test(bench),
	};

	return cmocka_run_group_tests(tests, jtest_setup, jtest_teardown);
}
