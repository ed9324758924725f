// SPDX-License-Identifier: GPL-2.0
/*
 * Writing the journal when something goes wrong, and to several devices: the
 * order of cache flushes and writes, devices that fail, a dead journal, the
 * machine that stops at any request, want of memory, encryption, and the
 * blacklist after it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/bio.h>
#include <linux/err.h>
#include <linux/kernel.h>

#include "journal/blacklist_write.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "journal/reclaim.h"
#include "journal/ring.h"
#include "journal/seq_blacklist.h"
#include "sb/field.h"
#include "sb/members.h"
#include "sb/write.h"
#include "shim/blkdev.h"
#include "shim/faults.h"
#include "journal_common.h"

static const struct jtest_spec one = { .nr_devs = 1, .dev_bytes = 64 << 20, .ring = 32,
				       .flush_delay = 100000 };
static const struct jtest_spec two = { .nr_devs = 2, .dev_bytes = 64 << 20, .ring = 16,
				       .replicas = 2, .flush_delay = 100000 };

/* --- what the hooks see and do --- */

struct request {
	unsigned	dev;
	blk_opf_t	opf;
	u64		sector;
	unsigned	sectors;
	u64		seq;		/* of a journal entry's first block, else 0 */
};

static struct request req[4096];
static int nr_req;			/* atomically */
static unsigned fail_dev_mask;		/* writes there fail */
static bool fail_flushes;
static unsigned slow_us;			/* every write takes so long */
static int stop_after;			/* requests until nothing reaches a device; -1: never */
static int fail_alloc_every;		/* 0: never */
static int nr_alloc;
static u64 magic;

static unsigned dev_of(const struct bio *bio)
{
	for (unsigned i = 0; i < JTEST_DEVS_MAX; i++)
		if (!strcmp(shim_bdev_path(bio->bi_bdev), jtest_path(i)))
			return i;
	return 0;
}

static u64 entry_seq(const struct bio *bio)
{
	const struct jset *j;

	if (!bio->bi_vcnt || bio->bi_io_vec[0].bv_len < sizeof(*j))
		return 0;
	j = bvec_virt(&bio->bi_io_vec[0]);
	return le64_to_cpu(j->magic) == magic ? le64_to_cpu(j->seq) : 0;
}

static blk_status_t see_bio(struct bio *bio, void *arg)
{
	const unsigned dev = dev_of(bio);
	int n;

	if (bio_op(bio) != REQ_OP_WRITE)
		return BLK_STS_OK;

	if (__atomic_load_n(&slow_us, __ATOMIC_RELAXED))
		usleep(__atomic_load_n(&slow_us, __ATOMIC_RELAXED));
	n = __atomic_fetch_add(&nr_req, 1, __ATOMIC_RELAXED);
	if (n < (int) ARRAY_SIZE(req))
		req[n] = (struct request) { dev, bio->bi_opf, bio->bi_iter.bi_sector,
					    bio_sectors(bio), entry_seq(bio) };
	if (stop_after >= 0 && n >= stop_after)
		return BLK_STS_IOERR;
	if (!bio_sectors(bio))
		return __atomic_load_n(&fail_flushes, __ATOMIC_RELAXED) ? BLK_STS_IOERR
									: BLK_STS_OK;
	return __atomic_load_n(&fail_dev_mask, __ATOMIC_RELAXED) & (1U << dev) ? BLK_STS_IOERR
									       : BLK_STS_OK;
}

static bool see_alloc(size_t size, gfp_t gfp, void *arg)
{
	if (!fail_alloc_every || size < JOURNAL_BUF_MIN)
		return false;
	return !(__atomic_add_fetch(&nr_alloc, 1, __ATOMIC_RELAXED) % fail_alloc_every);
}

static const struct shim_fault_hooks hooks = { .bio = see_bio, .alloc = see_alloc };

static int test_setup(void **state)
{
	nr_req = 0;
	fail_dev_mask = 0;
	fail_flushes = false;
	slow_us = 0;
	stop_after = -1;
	fail_alloc_every = nr_alloc = 0;
	return 0;
}

static int test_teardown(void **state)
{
	shim_set_fault_hooks(NULL);
	return 0;
}

static struct bch_fs *start(const struct jtest_spec *s, u64 cur, u64 last)
{
	struct bch_fs *c = jtest_open(s);
	const int ret = bch2_journal_start(c, cur, last);

	if (ret)
		fail_msg("start: %s", bch2_err_str(ret));
	magic = bch2_sb_jset_magic(c->disk_sb.sb);
	return c;
}

static void expect(int ret)
{
	if (ret)
		fail_msg("%s: %s", bch2_err_str(ret), jtest_messages());
}

static void see(struct bch_fs *c)
{
	shim_set_fault_hooks(&hooks);
	__atomic_store_n(&nr_req, 0, __ATOMIC_RELAXED);
}

/* --- order --- */

static void one_device_one_request(void **state)
{
	struct bch_fs *c;
	u64 seq;

	jtest_make(&one);
	c = start(&one, 1, 1);
	expect(bch2_journal_first_write(c));
	see(c);
	expect(jtest_commit(c, 0, 0, 0, 0, &seq));
	expect(bch2_journal_flush(c));
	assert_int_equal(nr_req, 1);
	assert_int_equal(req[0].seq, seq);
	assert_true(req[0].opf & REQ_FUA);
	assert_true(req[0].opf & REQ_PREFLUSH);
	shim_set_fault_hooks(NULL);
	expect(bch2_journal_stop(c));
	jtest_close(c);
}

/* Many ask for room while the entry that makes it is on its way: one is enough. */
static void slow_flush_is_asked_for_once(void **state)
{
	struct jtest_spec s = one;
	struct journal_entry_pin pin;
	struct bch_fs *c;
	u64 seq, before;

	s.ring = 8;
	jtest_make(&s);
	c = start(&s, 1, 1);
	bch2_journal_pin_init(&pin);
	expect(jtest_commit(c, 0, 0, 0, 0, &seq));
	bch2_journal_pin_set(c, seq, &pin, JOURNAL_PIN_TYPE_other, NULL);
	while (!bch2_journal_watermark_low(c)) {
		const int ret = jtest_commit(c, 0, 1, 16, JOURNAL_RES_GET_NONBLOCK, NULL);

		if (ret)
			usleep(1000);
	}
	expect(bch2_journal_flush(c));

	before = atomic64_read(&c->journal.w->nr_entries);
	see(c);
	__atomic_store_n(&slow_us, 300000, __ATOMIC_RELAXED);
	bch2_journal_pin_drop(c, &pin);
	for (unsigned i = 0; i < 100; i++) {
		bch2_journal_reclaim_kick(c);
		usleep(2000);
	}
	__atomic_store_n(&slow_us, 0, __ATOMIC_RELAXED);
	expect(bch2_journal_flush(c));
	assert_true(atomic64_read(&c->journal.w->nr_entries) - before <= 3);
	assert_false(bch2_journal_watermark_low(c));
	shim_set_fault_hooks(NULL);
	expect(bch2_journal_stop(c));
	jtest_close(c);
}

static void all_caches_before_the_entry(void **state)
{
	struct bch_fs *c;
	unsigned flushed = 0;
	u64 seq;

	jtest_make(&two);
	c = start(&two, 1, 1);
	expect(bch2_journal_first_write(c));
	see(c);
	expect(jtest_commit(c, 0, 0, 0, 0, &seq));
	expect(bch2_journal_flush(c));

	/* both caches, then both copies, durable each */
	assert_int_equal(nr_req, 4);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(req[i].sectors, 0);
		assert_true(req[i].opf & REQ_PREFLUSH);
		flushed |= 1U << req[i].dev;
	}
	assert_int_equal(flushed, 3);
	for (unsigned i = 2; i < 4; i++) {
		assert_int_equal(req[i].seq, seq);
		assert_true(req[i].opf & REQ_FUA);
	}
	assert_int_not_equal(req[2].dev, req[3].dev);
	shim_set_fault_hooks(NULL);
	expect(bch2_journal_stop(c));
	jtest_close(c);
}

static void first_entry_then_superblock(void **state)
{
	struct bch_fs *c;
	u64 seq;

	/* spec 30 16.4: entry, superblocks, and only then the next entry */
	jtest_make(&one);
	c = start(&one, 7, 7);
	see(c);
	expect(jtest_commit(c, 0, 0, 0, 0, &seq));
	expect(bch2_journal_flush(c));
	expect(jtest_commit(c, 0, 1, 0, 0, NULL));
	expect(bch2_journal_flush(c));
	assert_int_equal(req[0].seq, 7);
	assert_int_equal(seq, 7);
	for (int i = 1; i < nr_req - 1; i++)
		assert_int_equal(req[i].seq, 0);
	assert_true(nr_req > 3);
	assert_int_equal(req[nr_req - 1].seq, 8);
	assert_int_equal(jtest_nr_marked, 1);
	shim_set_fault_hooks(NULL);
	expect(bch2_journal_stop(c));
	jtest_close(c);
}

static void copies_on_the_devices_with_room(void **state)
{
	struct jtest_spec s = two;
	unsigned on[2] = {};
	struct bch_fs *c;

	/* one copy each: the rings fill evenly */
	s.replicas = 1;
	s.flush_delay = 0;
	jtest_make(&s);
	c = start(&s, 1, 1);
	expect(bch2_journal_first_write(c));
	see(c);
	for (unsigned i = 0; i < 3000; i++)
		expect(jtest_commit(c, 0, i, 40, 0, NULL));
	expect(bch2_journal_flush(c));
	for (int i = 0; i < min(nr_req, (int) ARRAY_SIZE(req)); i++)
		if (req[i].seq)
			on[req[i].dev]++;
	assert_true(on[0] > 2 && on[1] > 2);
	shim_set_fault_hooks(NULL);
	expect(bch2_journal_stop(c));
	jtest_close(c);
}

/* --- devices that fail --- */

static void one_copy_is_enough(void **state)
{
	struct journal_entry_pin pin;
	struct jtest_found f;
	struct bch_fs *c;
	u64 seq;

	jtest_make(&two);
	c = start(&two, 1, 1);
	expect(bch2_journal_first_write(c));
	expect(jtest_commit(c, 0, 0, 0, 0, &seq));
	bch2_journal_pin_init(&pin);
	bch2_journal_pin_set(c, seq, &pin, JOURNAL_PIN_TYPE_other, NULL);
	expect(bch2_journal_flush(c));
	see(c);
	fail_dev_mask = 2;
	expect(jtest_commit(c, 0, 1, 0, 0, &seq));
	expect(bch2_journal_flush(c));
	assert_false(bch2_journal_error(c));
	assert_int_equal(atomic64_read(&c->devs[1]->errors[BCH_MEMBER_ERROR_write]), 1);
	assert_non_null(strstr(jtest_messages(), "error writing journal entry"));
	/* said where it really is */
	assert_int_equal(jtest_nr_marked, 2);
	__atomic_store_n(&fail_dev_mask, 0, __ATOMIC_RELAXED);
	jtest_snapshot(".a");
	bch2_journal_pin_drop(c, &pin);
	shim_set_fault_hooks(NULL);
	expect(bch2_journal_stop(c));
	jtest_close(c);

	jtest_use_snapshot(".a");
	jtest_read(&two, &f);
	assert_int_equal(f.newest, seq);
	assert_int_equal(f.nr_keys, 2);
	jtest_found_free(&f);
}

static void no_copy_is_the_end(void **state)
{
	struct jtest_found f;
	struct bch_fs *c;
	u64 good, seq;

	jtest_make(&two);
	c = start(&two, 1, 1);
	expect(jtest_commit(c, 0, 0, 0, 0, &good));
	expect(bch2_journal_flush(c));
	see(c);
	fail_dev_mask = 3;
	expect(jtest_commit(c, 0, 1, 0, 0, &seq));
	assert_int_equal(bch2_journal_flush_seq(c, seq), -BCH_ERR_erofs_journal_err);
	assert_true(bch2_journal_error(c));
	/* waiters are woken first */
	for (unsigned i = 0; !__atomic_load_n(&jtest_nr_emergency, __ATOMIC_ACQUIRE); i++) {
		assert_true(i < 1000);
		usleep(1000);
	}
	assert_true(bch2_err_matches(jtest_commit(c, 0, 2, 0, 0, NULL), EROFS));
	assert_int_equal(bch2_journal_flushed_seq_ondisk(c), good);
	assert_int_equal(bch2_journal_meta(c), -BCH_ERR_erofs_journal_err);
	assert_false(bch2_journal_noflush_seq(c, seq, seq + 1));
	shim_set_fault_hooks(NULL);
	assert_int_equal(bch2_journal_stop(c), -BCH_ERR_erofs_journal_err);
	jtest_close(c);

	jtest_read(&two, &f);
	assert_int_equal(f.newest, good);
	jtest_found_free(&f);
}

static void failed_cache_flush_is_the_end(void **state)
{
	struct bch_fs *c;
	u64 good;

	jtest_make(&two);
	c = start(&two, 1, 1);
	expect(jtest_commit(c, 0, 0, 0, 0, &good));
	expect(bch2_journal_flush(c));
	see(c);
	fail_flushes = true;
	expect(jtest_commit(c, 0, 1, 0, 0, NULL));
	assert_int_equal(bch2_journal_flush(c), -BCH_ERR_erofs_journal_err);
	for (int i = 0; i < nr_req; i++)
		assert_int_equal(req[i].seq, 0);
	shim_set_fault_hooks(NULL);
	assert_int_equal(bch2_journal_stop(c), -BCH_ERR_erofs_journal_err);
	jtest_close(c);
}

static void halted_entries_are_never_replayed(void **state)
{
	struct jtest_found f;
	struct bch_fs *c;
	u64 good;

	jtest_make(&one);
	c = start(&one, 1, 1);
	expect(jtest_commit(c, 0, 0, 0, 0, &good));
	expect(bch2_journal_flush(c));
	expect(jtest_commit(c, 0, 1, 0, 0, NULL));
	see(c);
	bch2_journal_halt(c);
	assert_int_equal(bch2_journal_stop(c), -BCH_ERR_erofs_journal_err);
	/* written, for those who look */
	assert_int_equal(nr_req, 1);
	assert_int_equal(req[0].seq, good + 1);
	assert_false(req[0].opf & (REQ_FUA|REQ_PREFLUSH));
	shim_set_fault_hooks(NULL);
	jtest_close(c);

	jtest_read(&one, &f);
	assert_int_equal(f.newest, good);
	assert_int_equal(f.nr_keys, 1);
	jtest_found_free(&f);
}

static void *waiter_main(void *arg)
{
	struct bch_fs *c = arg;

	return (void *) (long) jtest_commit(c, 1, 0, 0, 0, NULL);
}

static void halt_wakes_waiters(void **state)
{
	struct bch_fs *c;
	pthread_t t;
	void *ret;

	jtest_make(&one);
	c = start(&one, 1, 1);
	bch2_journal_block(c);
	assert_int_equal(pthread_create(&t, NULL, waiter_main, c), 0);
	usleep(20000);
	bch2_journal_halt(c);
	pthread_join(t, &ret);
	assert_int_equal((long) ret, -BCH_ERR_erofs_journal_err);
	bch2_journal_unblock(c);
	assert_int_equal(bch2_journal_stop(c), -BCH_ERR_erofs_journal_err);
	jtest_close(c);
}

/* --- the machine stops --- */

struct killed {
	struct bch_fs	*c;
	unsigned	idx;
	u64		durable;	/* keys */
};

static void *killed_main(void *arg)
{
	struct killed *k = arg;
	u64 seq;

	for (u64 i = 0; i < 100000; i++) {
		if (jtest_commit(k->c, k->idx, i, i % 50, 0, &seq))
			break;
		if (i % 16 == 15) {
			if (bch2_journal_flush_seq(k->c, seq))
				break;
			k->durable = i + 1;
		}
	}
	return NULL;
}

/* After @requests requests nothing gets through any more. */
static void kill_after(const struct jtest_spec *s, int requests)
{
	struct journal_entry_pin pin;
	struct killed k[2] = {};
	struct jtest_found f;
	pthread_t t[2];
	struct bch_fs *c;
	u64 seq;

	jtest_make(s);
	c = start(s, 1, 1);
	expect(jtest_commit(c, 5, 0, 0, 0, &seq));
	bch2_journal_pin_init(&pin);
	bch2_journal_pin_set(c, seq, &pin, JOURNAL_PIN_TYPE_other, NULL);
	expect(bch2_journal_flush(c));
	see(c);
	stop_after = requests;
	for (unsigned i = 0; i < 2; i++) {
		k[i] = (struct killed) { .c = c, .idx = i };
		assert_int_equal(pthread_create(&t[i], NULL, killed_main, &k[i]), 0);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	bch2_journal_pin_drop(c, &pin);
	assert_int_equal(bch2_journal_stop(c), -BCH_ERR_erofs_journal_err);
	jtest_close(c);
	shim_set_fault_hooks(NULL);
	stop_after = -1;

	jtest_read(s, &f);
	assert_true(f.ordered);
	assert_int_equal(f.oldest, seq);
	for (unsigned i = 0; i < 2; i++) {
		/* all that was said to be durable, from the first on */
		assert_true(f.keys_of[i] >= k[i].durable);
		assert_true(!f.keys_of[i] || !f.first_of[i]);
	}
	jtest_found_free(&f);
}

static void killed_at_any_request(void **state)
{
	for (int n = 0; n < 40; n += 7) {
		kill_after(&one, n);
		kill_after(&two, n);
	}
}

/* --- memory --- */

static void want_of_memory_is_no_loss(void **state)
{
	struct journal_entry_pin pin;
	struct jtest_found f;
	struct bch_fs *c;
	u64 seq, done = 0;
	int ret;

	jtest_make(&one);
	c = start(&one, 1, 1);
	expect(jtest_commit(c, 5, 0, 0, 0, &seq));
	bch2_journal_pin_init(&pin);
	bch2_journal_pin_set(c, seq, &pin, JOURNAL_PIN_TYPE_other, NULL);
	/* without memory for the superblock there is no way to begin */
	expect(bch2_journal_first_write(c));
	see(c);
	fail_alloc_every = 2;
	for (unsigned i = 0; i < 1500; i++) {
		ret = jtest_commit(c, 0, done, 40, 0, NULL);
		if (ret && !bch2_err_matches(ret, ENOMEM))
			fail_msg("%s: %s", bch2_err_str(ret), jtest_messages());
		done += !ret;
	}
	fail_alloc_every = 0;
	assert_true(done > 100);
	expect(bch2_journal_flush(c));
	shim_set_fault_hooks(NULL);
	jtest_snapshot(".a");
	bch2_journal_pin_drop(c, &pin);
	expect(bch2_journal_stop(c));
	jtest_close(c);

	jtest_use_snapshot(".a");
	jtest_read(&one, &f);
	assert_true(f.ordered);
	assert_int_equal(f.keys_of[0], done);
	jtest_found_free(&f);
}

/* --- encryption --- */

static void set_key(struct bch_fs *c)
{
	memset(&c->chacha20_key, 0x5a, sizeof(c->chacha20_key));
	c->has_key = true;
	c->sb.encryption_type = 1;
}

static void encrypted_entries_have_no_plain_text(void **state)
{
	static const char text[] = "this text must not be seen on the device";
	struct bch_fs *c;
	u64 seq, sector, where;
	struct jset *j = malloc(1 << 16);
	u8 *raw = malloc(1 << 16);
	int fd;

	jtest_make(&one);
	c = jtest_open(&one);
	set_key(c);
	magic = bch2_sb_jset_magic(c->disk_sb.sb);
	expect(bch2_journal_early_text(c, text));
	expect(bch2_journal_start(c, 1, 1));
	see(c);
	expect(jtest_commit(c, 0, 3, 5, 0, &seq));
	expect(bch2_journal_flush(c));
	sector = req[0].sector;
	assert_int_equal(req[0].seq, seq);
	where = sector << 9;
	shim_set_fault_hooks(NULL);

	fd = open(jtest_path(0), O_RDONLY);
	assert_int_equal(pread(fd, raw, 1 << 15, where), 1 << 15);
	close(fd);
	memcpy(j, raw, 1 << 15);
	assert_int_equal(JSET_CSUM_TYPE(j), BCH_CSUM_chacha20_poly1305_128);
	assert_null(memmem(raw, 1 << 15, "text must", 9));
	expect(bch2_checksum_verify(JSET_CSUM_TYPE(j), bch2_journal_nonce(seq), &c->chacha20_key,
				    &j->magic, jset_bytes(j) - offsetof(struct jset, magic),
				    j->csum));
	bch2_encrypt(JSET_CSUM_TYPE(j), bch2_journal_nonce(seq), &c->chacha20_key,
		     (u8 *) j + JSET_CRYPT_OFFSET, jset_bytes(j) - JSET_CRYPT_OFFSET);
	assert_non_null(memmem(j, jset_bytes(j), text, strlen(text)));
	expect(bch2_journal_stop(c));
	jtest_close(c);
	free(j);
	free(raw);
}

/* --- blacklist --- */

static void blacklist_reaches_the_superblock(void **state)
{
	const struct bch_sb_field_journal_seq_blacklist *f;
	struct bch_fs *c;

	jtest_make(&one);
	c = jtest_open(&one);
	c->journal.start.seq_read_end = 9;
	c->journal.start.cur_seq = 5000;
	expect(bch2_journal_seq_blacklist_add(c, 10, 5000));
	expect(bch2_journal_blacklist_write(c));
	assert_true(c->journal.w->early_nr > 0);
	see(c);
	/* nothing new: nothing written */
	expect(bch2_journal_blacklist_write(c));
	assert_int_equal(nr_req, 0);
	shim_set_fault_hooks(NULL);
	jtest_close(c);

	c = jtest_open(&one);
	f = bch2_sb_field_get(c->disk_sb.sb, journal_seq_blacklist);
	assert_non_null(f);
	assert_int_equal(f->start[0].start, 10);
	assert_int_equal(f->start[0].end, 5000);
	assert_true(c->sb.features & BCH_FEATURE_BIT(journal_seq_blacklist_v3));

	/* needed while something carries such a number, or the journal is as old */
	expect(bch2_blacklist_table_initialize(c));
	mutex_lock(&c->sb_lock);
	c->journal.oldest_seq_found = 0;
	assert_false(bch2_journal_blacklist_gc(c));
	c->journal.oldest_seq_found = 6000;
	c->journal.blacklist.d[0].dirty = true;
	assert_false(bch2_journal_blacklist_gc(c));
	c->journal.blacklist.d[0].dirty = false;
	assert_true(bch2_journal_blacklist_gc(c));
	assert_null(bch2_sb_field_get(c->disk_sb.sb, journal_seq_blacklist));
	mutex_unlock(&c->sb_lock);
	jtest_close(c);
}

#define faults_test(_fn)	cmocka_unit_test_setup_teardown(_fn, test_setup, test_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		faults_test(one_device_one_request),
		faults_test(slow_flush_is_asked_for_once),
		faults_test(all_caches_before_the_entry),
		faults_test(first_entry_then_superblock),
		faults_test(copies_on_the_devices_with_room),
		faults_test(one_copy_is_enough),
		faults_test(no_copy_is_the_end),
		faults_test(failed_cache_flush_is_the_end),
		faults_test(halted_entries_are_never_replayed),
		faults_test(halt_wakes_waiters),
		faults_test(killed_at_any_request),
		faults_test(want_of_memory_is_no_loss),
		faults_test(encrypted_entries_have_no_plain_text),
		faults_test(blacklist_reaches_the_superblock),
	};

	return cmocka_run_group_tests(tests, jtest_setup, jtest_teardown);
}
