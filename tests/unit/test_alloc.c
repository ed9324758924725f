// SPDX-License-Identifier: GPL-2.0
/*
 * The allocator's parts that need no btree: the table of open buckets, reserves
 * by watermark, the choice of devices, which buckets hold superblocks,
 * reservations, who may be discarded, the bitmap of btree regions, and taking
 * pointers out of keys.
 */
#include "keys_common.h"

#include <stdio.h>
#include <stdlib.h>

#include <linux/bitops.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched/task.h>

#include "alloc/accounting.h"
#include "alloc/accounting_live.h"
#include "alloc/discard.h"
#include "alloc/dev_init.h"
#include "alloc/disk_reservation.h"
#include "alloc/foreground.h"
#include "alloc/open_buckets.h"
#include "btree/btree_bitmap.h"
#include "btree/extent_entries.h"
#include "data/extent_drop.h"

static int setup(void **state)
{
	struct bch_fs *c = fake_fs_new();

	assert_int_equal(bch2_fs_accounting_init(c), 0);
	assert_int_equal(bch2_fs_allocator_init(c), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct bch_dev *ca = c->devs[i];

		/* only whether it is there counts */
		ca->disk_sb.bdev	= (void *) ca;
		ca->mi.data_allowed	= BCH_DATA_ALLOWED_DEFAULT;
		atomic64_set(&ca->usage.buckets[BCH_DATA_free], 900);
	}
	*state = c;
	return 0;
}

static int teardown(void **state)
{
	struct bch_fs *c = *state;

	bch2_fs_allocator_exit(c);
	bch2_fs_accounting_exit(c);
	fake_fs_free(c);
	return 0;
}

static struct open_bucket *get(struct bch_fs *c, unsigned dev, u64 bucket,
			       enum bch_watermark watermark)
{
	return bch2_open_bucket_get(c, c->devs[dev], bucket, 3, BCH_DATA_user, watermark);
}

/* --- open buckets --- */

static void open_and_close(void **state)
{
	struct bch_fs *c = *state;
	struct open_bucket_refs refs = {}, more = {};
	struct open_bucket *ob = get(c, 0, 17, BCH_WATERMARK_normal);

	assert_false(IS_ERR(ob));
	assert_int_equal(ob->gen, 3);
	assert_int_equal(ob->sectors_free, 512);
	assert_true(bch2_open_bucket_is_open(c, 0, 17));
	assert_false(bch2_open_bucket_is_open(c, 1, 17));
	assert_false(bch2_open_bucket_is_open(c, 0, 18));
	assert_int_equal(PTR_ERR(get(c, 0, 17, BCH_WATERMARK_interior_updates)), -EEXIST);
	assert_int_equal(atomic_read(&c->devs[0]->alloc.nr_open), 1);

	/* the same bucket twice in one set is held once */
	refs.v[refs.nr++] = bch2_open_bucket_slot(c, ob);
	bch2_open_buckets_copy(c, &more, &refs);
	bch2_open_buckets_copy(c, &more, &refs);
	assert_int_equal(more.nr, 1);
	assert_int_equal(atomic_read(&ob->pin), 2);

	bch2_open_buckets_put(c, &refs);
	assert_true(bch2_open_bucket_is_open(c, 0, 17));
	bch2_open_buckets_put(c, &more);
	assert_false(bch2_open_bucket_is_open(c, 0, 17));
	assert_int_equal(atomic_read(&c->devs[0]->alloc.nr_open), 0);
	assert_int_equal(c->alloc.nr_free_slots, OPEN_BUCKETS_COUNT - 1);
}

/* Spec 40 §4.4: an allocation needs more free slots than are kept back. */
static void slots_by_watermark(void **state)
{
	static const struct {
		enum bch_watermark	w;
		unsigned		reserved;
	} t[] = {
		{ BCH_WATERMARK_stripe,			2048 },
		{ BCH_WATERMARK_normal,			2048 },
		{ BCH_WATERMARK_copygc,			1365 },
		{ BCH_WATERMARK_btree,			1024 },
		{ BCH_WATERMARK_btree_copygc,		1024 },
		{ BCH_WATERMARK_reclaim,		682 },
		{ BCH_WATERMARK_interior_updates,	0 },
	};
	struct bch_fs *c = *state;
	u64 bucket = 0;

	c->devs[0]->mi.nbuckets = 1 << 20;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct open_bucket *ob;

		assert_int_equal(bch2_open_buckets_slots_reserved(t[i].w), t[i].reserved);
		while (!IS_ERR(ob = get(c, 0, bucket, t[i].w)))
			bucket++;
		assert_int_equal(PTR_ERR(ob), -BCH_ERR_open_buckets_empty);
		assert_int_equal(c->alloc.nr_free_slots, t[i].reserved);
	}
	assert_int_equal(bucket, OPEN_BUCKETS_COUNT - 1);

	for (u64 b = 0; b < bucket; b++)
		assert_true(bch2_open_bucket_is_open(c, 0, b));
	for (unsigned slot = 1; slot < OPEN_BUCKETS_COUNT; slot++)
		bch2_open_bucket_put(c, bch2_open_bucket(c, slot));
	for (u64 b = 0; b < bucket; b++)
		assert_false(bch2_open_bucket_is_open(c, 0, b));
}

static void partly_filled(void **state)
{
	struct bch_fs *c = *state;
	struct open_bucket *a = get(c, 0, 17, BCH_WATERMARK_normal);
	struct open_bucket *b = get(c, 1, 18, BCH_WATERMARK_normal);

	bch2_open_bucket_put_partial(c, a);
	bch2_open_bucket_put_partial(c, b);
	assert_null(bch2_open_bucket_get_partial(c, c->devs[0], BCH_DATA_btree));
	assert_ptr_equal(bch2_open_bucket_get_partial(c, c->devs[0], BCH_DATA_user), a);
	assert_null(bch2_open_bucket_get_partial(c, c->devs[0], BCH_DATA_user));

	bch2_open_buckets_drop_partial(c, c->devs[0]);
	assert_true(bch2_open_bucket_is_open(c, 1, 18));
	bch2_open_buckets_drop_partial(c, NULL);
	assert_false(bch2_open_bucket_is_open(c, 1, 18));

	/* going read-only nothing is kept */
	bch2_fs_allocator_stop(c);
	bch2_open_bucket_put_partial(c, a);
	assert_false(bch2_open_bucket_is_open(c, 0, 17));
}

/* A bucket emptied without need to wait is put on the list when it is closed. */
static void fast_discard_when_closed(void **state)
{
	struct bch_fs *c = *state;
	struct bch_dev_alloc *a = &c->devs[0]->alloc;
	struct open_bucket *ob = get(c, 0, 17, BCH_WATERMARK_normal);

	assert_false(bch2_open_bucket_set_fast_discard(c, 0, 18));
	assert_true(bch2_open_bucket_set_fast_discard(c, 0, 17));
	assert_int_equal(a->nr_fast, 0);
	bch2_open_bucket_put(c, ob);
	assert_int_equal(a->nr_fast, 1);
	assert_int_equal(a->fast[0], 17);

	for (unsigned i = 0; i < 2 * DISCARDS_FAST_MAX; i++)
		bch2_discard_bucket_fast(c, c->devs[0], i);
	assert_int_equal(a->nr_fast, DISCARDS_FAST_MAX);
}

/* A thread that ends by itself; kthread_stop_put() then joins it. */
static struct task_struct *thread(int (*fn)(void *arg), void *arg, const char *name)
{
	struct task_struct *t = kthread_create(fn, arg, "%s", name);

	assert_false(IS_ERR(t));
	get_task_struct(t);
	wake_up_process(t);
	return t;
}

static struct bch_fs *c_of_close_later;

static int close_later(void *arg)
{
	struct open_bucket *ob = arg;

	msleep(20);
	bch2_open_bucket_put(c_of_close_later, ob);
	return 0;
}

static void waiting(void **state)
{
	struct bch_fs *c = *state;
	struct open_bucket *ob = get(c, 0, 17, BCH_WATERMARK_normal);
	int stamp = bch2_alloc_stamp(c);
	struct task_struct *t;

	assert_false(bch2_alloc_wait(c, stamp, 2));

	/* what was freed before the wait began counts */
	bch2_alloc_wake(c);
	assert_true(bch2_alloc_wait(c, stamp, 0));

	stamp = bch2_alloc_stamp(c);
	c_of_close_later = c;
	t = thread(close_later, ob, "close_later");
	assert_true(bch2_alloc_wait(c, stamp, 10 * HZ));
	bch2_open_buckets_wait_closed(c, c->devs[0]);
	bch2_open_buckets_wait_closed(c, NULL);
	assert_false(bch2_open_bucket_is_open(c, 0, 17));
	assert_int_equal(kthread_stop_put(t), 0);
}

/* --- reserves of buckets --- */

static void reserves(void **state)
{
	struct bch_fs *c = *state;
	struct bch_dev *ca = c->devs[0];

	/* bucket = node: R = 28 */
	assert_int_equal(bch2_buckets_reserved(20480, 512, 512, BCH_WATERMARK_stripe), 640 + 56);
	assert_int_equal(bch2_buckets_reserved(20480, 512, 512, BCH_WATERMARK_normal), 320 + 56);
	assert_int_equal(bch2_buckets_reserved(20480, 512, 512, BCH_WATERMARK_copygc), 56);
	assert_int_equal(bch2_buckets_reserved(20480, 512, 512, BCH_WATERMARK_btree), 28);
	assert_int_equal(bch2_buckets_reserved(20480, 512, 512, BCH_WATERMARK_btree_copygc), 0);
	assert_int_equal(bch2_buckets_reserved(20480, 512, 512, BCH_WATERMARK_reclaim), 0);
	assert_int_equal(bch2_buckets_reserved(20480, 512, 512,
					       BCH_WATERMARK_interior_updates), 0);
	/* 8 nodes per bucket: ceil(28 / 8) */
	assert_int_equal(bch2_buckets_reserved(20480, 4096, 512, BCH_WATERMARK_btree), 4);

	/* 1000 buckets, 900 free: 15 + 56 kept back; open ones count as used */
	assert_int_equal(bch2_dev_buckets_free(ca, BCH_WATERMARK_normal), 900 - 15 - 56);
	assert_false(IS_ERR(get(c, 0, 17, BCH_WATERMARK_normal)));
	assert_int_equal(bch2_dev_buckets_free(ca, BCH_WATERMARK_normal), 900 - 15 - 56 - 1);
	assert_int_equal(bch2_dev_buckets_free(ca, BCH_WATERMARK_reclaim), 899);
	atomic64_set(&ca->usage.buckets[BCH_DATA_free], 60);
	assert_int_equal(bch2_dev_buckets_free(ca, BCH_WATERMARK_normal), 0);
	assert_int_equal(bch2_dev_buckets_free(ca, BCH_WATERMARK_btree), 60 - 28 - 1);
}

/* --- devices --- */

static void eligible_devices(void **state)
{
	struct bch_fs *c = *state;
	struct bch_dev *ca = c->devs[0];

	assert_true(bch2_dev_allocatable(ca, BCH_DATA_btree));
	ca->mi.durability = 0;
	assert_false(bch2_dev_allocatable(ca, BCH_DATA_btree));
	assert_false(bch2_dev_allocatable(ca, BCH_DATA_journal));
	assert_true(bch2_dev_allocatable(ca, BCH_DATA_user));
	ca->mi.durability = 1;
	ca->mi.data_allowed &= ~(1U << BCH_DATA_user);
	assert_false(bch2_dev_allocatable(ca, BCH_DATA_user));
	assert_false(bch2_dev_allocatable(ca, BCH_DATA_parity));
	assert_true(bch2_dev_allocatable(ca, BCH_DATA_journal));
	ca->mi.state = BCH_MEMBER_STATE_ro;
	assert_false(bch2_dev_allocatable(ca, BCH_DATA_btree));
	ca->mi.state = BCH_MEMBER_STATE_rw;
	ca->disk_sb.bdev = NULL;
	assert_false(bch2_dev_allocatable(ca, BCH_DATA_btree));
}

static unsigned first_choice(struct bch_fs *c, struct dev_clocks *clocks)
{
	struct bch_devs_mask all;
	struct dev_alloc_list list;

	bch2_target_devs(c, 0, &all);
	bch2_dev_alloc_list(c, clocks, &all, BCH_DATA_user, &list);
	assert_true(list.nr > 0);
	return list.d[0];
}

/* Devices get new buckets in proportion to what is free on them. */
static void clocks(void **state)
{
	struct bch_fs *c = *state;
	struct dev_clocks *cl = calloc(1, sizeof(*cl));
	unsigned nr[2] = {};

	assert_int_equal(first_choice(c, cl), 0);
	for (unsigned i = 0; i < 4000; i++) {
		const unsigned dev = first_choice(c, cl);

		nr[dev]++;
		bch2_dev_clock_advance(cl, dev, dev ? 3000 : 1000);
	}
	assert_in_range(nr[0], 999, 1001);
	assert_int_equal(nr[0] + nr[1], 4000);

	/* who comes back is not behind the others */
	c->devs[1]->mi.state = BCH_MEMBER_STATE_ro;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(first_choice(c, cl), 0);
		bch2_dev_clock_advance(cl, 0, 1000);
	}
	c->devs[1]->mi.state = BCH_MEMBER_STATE_rw;
	assert_int_equal(first_choice(c, cl), 0);
	assert_true(cl->v[0] == cl->v[1]);

	/* nothing free: far ahead; and no wrap, ever */
	for (unsigned i = 0; i < 10000; i++)
		bch2_dev_clock_advance(cl, 1, 0);
	assert_int_equal(first_choice(c, cl), 0);
	assert_true(cl->v[1] > cl->v[0]);
	free(cl);
}

/* --- superblock buckets --- */

struct expect_sb {
	u64	bucket;
	u64	sectors;
};

static void check_layout(const u64 *offsets, unsigned nr, unsigned bits, unsigned bucket_size,
			 u64 nbuckets, const struct expect_sb *e, unsigned nr_e)
{
	struct bch_sb_layout l = { .nr_superblocks = nr, .sb_max_size_bits = bits };
	struct bch_sb_bucket_iter it = {};
	struct bch_sb_bucket b;

	for (unsigned i = 0; i < nr; i++)
		l.sb_offset[i] = cpu_to_le64(offsets[i]);
	for (unsigned i = 0; i < nr_e; i++) {
		assert_true(bch2_sb_bucket_next(&l, bucket_size, nbuckets, &it, &b));
		assert_int_equal(b.bucket, e[i].bucket);
		assert_int_equal(b.sectors, e[i].sectors);
	}
	assert_false(bch2_sb_bucket_next(&l, bucket_size, nbuckets, &it, &b));
	assert_false(bch2_sb_bucket_next(&l, bucket_size, nbuckets, &it, &b));
}

static void sb_buckets(void **state)
{
	/* the example of spec 40 §1.5 */
	static const u64 ten_gib[] = { 8, 2056, 20969472 };
	static const struct expect_sb e1[] = {
		{ 0, 1024 }, { 1, 1024 }, { 2, 1024 }, { 3, 1024 }, { 4, 8 },
		{ 20478, 1024 }, { 20479, 1024 },
	};
	/* a copy behind the last whole bucket; one partly so */
	static const struct expect_sb e2[] = {
		{ 0, 1024 }, { 1, 1024 }, { 2, 1024 }, { 3, 1024 }, { 4, 8 }, { 20478, 1024 },
	};
	/* all in one bucket; small pieces are summed */
	static const struct expect_sb e3[] = { { 0, 4104 } };
	/* buckets smaller than what is in front of the superblock */
	static const u64 tiny[] = { 8 };
	static const struct expect_sb e4[] = {
		{ 0, 4 }, { 1, 4 }, { 2, 4 }, { 3, 4 }, { 4, 4 }, { 5, 4 },
	};
	/* an unusual place only: nothing is in front of it */
	static const u64 other[] = { 2050 };
	static const struct expect_sb e5[] = { { 2, 1022 }, { 3, 2 } };

	check_layout(ten_gib, 3, 11, 1024, 20480, e1, ARRAY_SIZE(e1));
	check_layout(ten_gib, 3, 11, 1024, 20479, e2, ARRAY_SIZE(e2));
	check_layout(ten_gib, 2, 11, 8192, 512, e3, ARRAY_SIZE(e3));
	check_layout(tiny, 1, 4, 4, 512, e4, ARRAY_SIZE(e4));
	check_layout(other, 1, 10, 1024, 512, e5, ARRAY_SIZE(e5));
}

static void sb_bucket_test(void **state)
{
	struct bch_fs *c = *state;
	struct bch_dev *ca = c->devs[0];
	struct bch_sb *sb = calloc(1, sizeof(*sb));

	sb->layout.nr_superblocks	= 3;
	sb->layout.sb_max_size_bits	= 11;
	sb->layout.sb_offset[0]		= cpu_to_le64(8);
	sb->layout.sb_offset[1]		= cpu_to_le64(2056);
	sb->layout.sb_offset[2]		= cpu_to_le64(20969472);
	ca->mi.bucket_size		= 1024;
	ca->disk_sb.sb			= sb;

	for (u64 b = 0; b < 20480; b++)
		assert_int_equal(bch2_is_superblock_bucket(ca, b), b < 5 || b >= 20478);
	/* bucket 0 without any copy */
	sb->layout.nr_superblocks = 0;
	assert_true(bch2_is_superblock_bucket(ca, 0));
	assert_false(bch2_is_superblock_bucket(ca, 1));
	ca->disk_sb.sb = NULL;
	free(sb);
}

/* --- capacity and reservations --- */

static void capacity(void **state)
{
	struct bch_fs *c = *state;
	struct bch_fs_usage_short u;

	/*
	 * 2 devices of 999 usable buckets of 512 sectors: 1022976 sectors. Their
	 * reserves, (56 + 15 + 3) buckets each, twice: 151552; 8 percent: 81838.
	 */
	c->opts.gc_reserve_percent = 8;
	bch2_recalc_capacity(c);
	assert_int_equal(c->alloc.usable, 1022976 - 151552);

	c->opts.gc_reserve_bytes = 200000 << 9;
	bch2_recalc_capacity(c);
	assert_int_equal(c->alloc.usable, 1022976 - 200000);
	assert_int_equal(c->alloc.capacity_gen, 1);

	/* a read-only device and a cache do not count */
	c->opts.gc_reserve_bytes = 0;
	c->devs[0]->mi.state = BCH_MEMBER_STATE_ro;
	bch2_recalc_capacity(c);
	assert_int_equal(c->alloc.usable, 511488 - 75776);
	c->devs[1]->mi.durability = 0;
	bch2_recalc_capacity(c);
	assert_int_equal(c->alloc.usable, 0);

	c->alloc.usable = 10000;
	atomic64_set(&c->accounting.totals.hidden, 1000);
	atomic64_set(&c->accounting.totals.data, 3000);
	atomic64_set(&c->accounting.totals.btree, 500);
	atomic64_set(&c->accounting.totals.reserved, 65);
	bch2_fs_usage_read_short(c, &u);
	assert_int_equal(u.capacity, 9000);
	assert_int_equal(u.used, 3500 + 65 + 2);
	assert_int_equal(u.free, 9000 - 3567);
	assert_int_equal(u.available, (9000 - 3567) * 64 / 65);
}

static void reservation(void **state)
{
	struct bch_fs *c = *state;
	struct disk_reservation r, r2;

	c->alloc.usable = 6500;
	assert_int_equal(bch2_disk_reservation_get(c, &r, 2000, 2, 0), 0);
	assert_int_equal(r.sectors, 4000);
	assert_int_equal(bch2_disk_reservation_get(c, &r2, 2000, 2, 0),
			 -BCH_ERR_ENOSPC_disk_reservation);
	assert_int_equal(r2.sectors, 0);
	assert_int_equal(atomic64_read(&c->alloc.online_reserved), 4000);

	assert_int_equal(bch2_disk_reservation_get(c, &r2, 5000, 1,
						   BCH_DISK_RESERVATION_partial), 0);
	assert_in_range(r2.sectors, 1, 2400);
	bch2_disk_reservation_put(c, &r2);

	assert_int_equal(bch2_disk_reservation_add(c, &r, 5000,
						   BCH_DISK_RESERVATION_nofail), 0);
	assert_int_equal(r.sectors, 9000);
	assert_int_equal(bch2_disk_reservation_get(c, &r2, 1, 1, BCH_DISK_RESERVATION_partial),
			 -BCH_ERR_ENOSPC_disk_reservation);

	/* what is used is not promised any more */
	assert_int_equal(bch2_disk_reservation_use(c, &r, 8000), 0);
	assert_int_equal(r.sectors, 1000);
	assert_int_equal(bch2_disk_reservation_use(c, &r, 1500), 500);
	assert_int_equal(bch2_disk_reservation_use(c, NULL, 7), 7);
	bch2_disk_reservation_put(c, &r);
	assert_int_equal(atomic64_read(&c->alloc.online_reserved), 0);
	assert_int_equal(bch2_disk_reservation_get(c, &r, U64_MAX / 2, 3, 0),
			 -BCH_ERR_ENOSPC_disk_reservation);
}

/* What a commit's deltas add, all together, comes out of its reservation. */
static void add_delta(struct btree_trans *trans, const struct disk_accounting_pos *acc, s64 v)
{
	u64 *at = trans->s.accounting.d + trans->s.accounting.nr;
	struct bkey_i *k = (void *) at;

	bkey_init(&k->k);
	k->k.type	= KEY_TYPE_accounting;
	k->k.p		= bch2_accounting_pos_encode(acc);
	set_bkey_val_u64s(&k->k, 1);
	at[BKEY_U64s]	= cpu_to_le64(v);
	trans->s.accounting.nr += k->k.u64s;
}

static void settle(void **state)
{
	struct bch_fs *c = *state;
	struct disk_accounting_pos data = { .type = BCH_DISK_ACCOUNTING_replicas };
	struct disk_accounting_pos res = { .type = BCH_DISK_ACCOUNTING_persistent_reserved };
	struct disk_accounting_pos cached;
	struct disk_reservation r;
	struct btree_trans *trans = calloc(1, sizeof(*trans));
	u64 words[64] = {};

	data.replicas.data_type = BCH_DATA_user;
	cached = data;
	cached.replicas.data_type = BCH_DATA_cached;
	res.persistent_reserved.nr_replicas = 2;

	c->alloc.usable = 10000;
	assert_int_equal(bch2_disk_reservation_get(c, &r, 1000, 1, 0), 0);
	trans->c = c;
	trans->s.disk_res = &r;
	trans->s.accounting.d = words;
	add_delta(trans, &data, 500);
	add_delta(trans, &cached, 7000);
	add_delta(trans, &res, -100);
	bch2_disk_reservation_settle(trans);
	assert_int_equal(r.sectors, 700);
	assert_int_equal(atomic64_read(&c->alloc.online_reserved), 700);

	/* a commit that frees space gives nothing to its reservation */
	add_delta(trans, &data, -900);
	bch2_disk_reservation_settle(trans);
	assert_int_equal(r.sectors, 700);
	bch2_disk_reservation_put(c, &r);
	free(trans);
}

/* Many threads that reserve and give back: never more than there is. */
struct reserver {
	struct bch_fs		*c;
	unsigned		seed;
	unsigned		refused;
	bool			overdrawn;
	struct completion	done;
	struct task_struct	*task;
};

static int reserve_thread(void *arg)
{
	struct reserver *t = arg;
	unsigned x = t->seed;

	for (unsigned i = 0; i < 20000; i++) {
		struct disk_reservation r;

		x = x * 1103515245 + 12345;
		if (bch2_disk_reservation_get(t->c, &r, 1 + (x >> 16) % 400, 1 + x % 3, 0))
			t->refused++;
		if (atomic64_read(&t->c->alloc.online_reserved) > 4000)
			t->overdrawn = true;
		bch2_disk_reservation_put(t->c, &r);
	}
	complete(&t->done);
	return 0;
}

static void reservation_threads(void **state)
{
	struct bch_fs *c = *state;
	struct reserver t[6];

	/* floor(4062 * 64 / 65) = 3999 */
	c->alloc.usable = 4062;
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		t[i] = (struct reserver) { .c = c, .seed = i + 1 };
		init_completion(&t[i].done);
		t[i].task = thread(reserve_thread, t + i, "reserve");
	}
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		wait_for_completion(&t[i].done);
		assert_int_equal(kthread_stop_put(t[i].task), 0);
		assert_false(t[i].overdrawn);
	}
	assert_int_equal(atomic64_read(&c->alloc.online_reserved), 0);
}

/* --- discards --- */

static enum discard_verdict verdict(u64 flushed, u64 rewind, u64 seq, unsigned type, bool open,
				    bool writable)
{
	const struct discard_limits l = { flushed, rewind };
	struct bch_alloc_v4 a = { .journal_seq_empty = cpu_to_le64(seq), .data_type = type };

	return bch2_discard_verdict(&l, &a, open, writable);
}

/* Spec 22 §12.6: each test hides the later ones. */
static void discard_order(void **state)
{
	const unsigned nd = BCH_DATA_need_discard, user = BCH_DATA_user;

	assert_int_equal(verdict(10, 11, 10, nd, false, true), DISCARD_eligible);
	assert_int_equal(verdict(10, 11, 0, nd, false, true), DISCARD_eligible);
	assert_int_equal(verdict(10, U64_MAX, 10, nd, false, true), DISCARD_eligible);

	assert_int_equal(verdict(10, 5, 11, user, true, false), DISCARD_need_journal_commit);
	assert_int_equal(verdict(10, 11, 11, nd, false, true), DISCARD_need_journal_commit);
	assert_int_equal(verdict(10, 5, 5, user, true, false), DISCARD_need_rewind_limit);
	assert_int_equal(verdict(10, 5, 4, nd, false, true), DISCARD_eligible);
	assert_int_equal(verdict(10, 11, 3, user, true, false), DISCARD_not_need_discard);
	assert_int_equal(verdict(10, 11, 3, BCH_DATA_free, false, true),
			 DISCARD_not_need_discard);
	assert_int_equal(verdict(10, 11, 3, nd, true, false), DISCARD_open);
	assert_int_equal(verdict(10, 11, 3, nd, false, false), DISCARD_dev_not_writable);

	/* rule 1: the scan ends at min(rewind, flushed + 1) */
	for (u64 flushed = 0; flushed < 6; flushed++)
		for (u64 rewind = 0; rewind < 8; rewind++)
			for (u64 seq = 0; seq < 8; seq++) {
				const struct discard_limits l = { flushed, rewind };

				assert_int_equal(bch2_discard_scan_ends(&l, seq),
						 seq >= min(rewind, flushed + 1));
				assert_int_equal(bch2_discard_scan_ends(&l, seq),
					verdict(flushed, rewind, seq, nd, false, true) !=
					DISCARD_eligible);
			}
}

/* --- regions with btree nodes --- */

static void btree_bitmap(void **state)
{
	u64 bitmap = 0;
	u8 shift = 0;

	assert_false(bch2_btree_bitmap_test(shift, bitmap, 0, 1));
	bch2_btree_bitmap_set(&shift, &bitmap, 0, 8);
	assert_int_equal(shift, 0);
	assert_true(bitmap == 0xff);

	/* sectors 8448 .. 8703: resolution 2^8, as in a new filesystem of 256 MiB */
	bch2_btree_bitmap_set(&shift, &bitmap, 33 * 256, 34 * 256);
	assert_int_equal(shift, 8);
	assert_true(bitmap == (1ULL << 33 | 1));
	assert_true(bch2_btree_bitmap_test(shift, bitmap, 33 * 256, 34 * 256));
	assert_true(bch2_btree_bitmap_test(shift, bitmap, 0, 256));
	assert_false(bch2_btree_bitmap_test(shift, bitmap, 33 * 256, 34 * 256 + 1));
	assert_false(bch2_btree_bitmap_test(shift, bitmap, 64 * 256, 64 * 256 + 1));

	/* the last sector that fits, then one more */
	bch2_btree_bitmap_set(&shift, &bitmap, 63 * 256, 64 * 256);
	assert_int_equal(shift, 8);
	assert_true(bitmap == (1ULL << 63 | 1ULL << 33 | 1));
	bch2_btree_bitmap_set(&shift, &bitmap, 64 * 256, 64 * 256 + 1);
	assert_int_equal(shift, 9);
	assert_true(bitmap == (1ULL << 32 | 1ULL << 31 | 1ULL << 16 | 1));

	bch2_btree_bitmap_set(&shift, &bitmap, 0, 1ULL << 44);
	assert_int_equal(shift, 38);
	assert_true(bitmap == ~0ULL);
}

/* --- pointers out of keys --- */

static bool on_dev(const struct extent_ptr_decoded *p, void *arg)
{
	return EXTENT_PTR_DEV(&p->ptr) == *(unsigned *) arg;
}

static struct bch_extent_ptr ptr_to(unsigned dev)
{
	struct bch_extent_ptr p = {};

	SET_EXTENT_PTR_TYPE(&p, 1);
	SET_EXTENT_PTR_DEV(&p, dev);
	SET_EXTENT_PTR_OFFSET(&p, 1024);
	return p;
}

static struct bch_extent_crc32 crc(void)
{
	struct bch_extent_crc32 crc = {};

	SET_CRC32_TYPE(&crc, 2);
	SET_CRC32_COMPRESSED_SIZE(&crc, 7);
	SET_CRC32_UNCOMPRESSED_SIZE(&crc, 7);
	return crc;
}

/* crc ptr(0) ptr(1) crc stripe ptr(2) ptr(3) */
static struct bkey_i *extent(void)
{
	struct {
		struct bch_extent_crc32		crc0;
		struct bch_extent_ptr		p0, p1;
		struct bch_extent_crc32		crc1;
		struct bch_extent_stripe_ptr	s2;
		struct bch_extent_ptr		p2, p3;
	} v = { crc(), ptr_to(0), ptr_to(1), crc(), {}, ptr_to(2), ptr_to(3) };

	SET_STRIPE_PTR_TYPE(&v.s2, 1 << 4);
	return key_new(KEY_TYPE_extent, POS(4096, 8), 8, &v, sizeof(v));
}

/* Entry types of a key's value, one letter each. */
static const char *shape(const struct bkey_i *k)
{
	static char buf[32];
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(k));
	const union bch_extent_entry *e;
	unsigned n = 0;

	bkey_extent_entry_for_each(ptrs, e)
		buf[n++] = extent_entry_is_ptr(e) ? '0' + (int) EXTENT_PTR_DEV(&e->ptr)
			: extent_entry_is_crc(e) ? 'c' : 's';
	buf[n] = 0;
	return buf;
}

static void drop_pointers(void **state)
{
	struct bch_fs *c = *state;
	static const struct {
		unsigned	devs[4];
		unsigned	nr;
		const char	*left;
	} t[] = {
		{ { 0 },		1, "c1cs23" },
		{ { 2 },		1, "c01c3" },
		{ { 3 },		1, "c01cs2" },
		{ { 0, 1 },		2, "cs23" },
		{ { 2, 3 },		2, "c01" },
		{ { 2, 0, 1 },		3, "c3" },
		{ { 0, 1, 2, 3 },	4, "" },
		{ { 9 },		1, "c01cs23" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		struct bkey_i *k = extent();
		const unsigned u64s = k->k.u64s;
		unsigned dropped = 0;

		for (unsigned j = 0; j < t[i].nr; j++) {
			unsigned dev = t[i].devs[j];

			dropped += bch2_bkey_drop_ptrs(c, k, on_dev, &dev);
		}
		assert_string_equal(shape(k), t[i].left);
		assert_int_equal(k->k.u64s, u64s - (7 - strlen(t[i].left)));
		assert_int_equal(dropped, t[i].devs[0] == 9 ? 0 : t[i].nr);
		key_free(k);
	}
}

int main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(open_and_close),
		T(slots_by_watermark),
		T(partly_filled),
		T(fast_discard_when_closed),
		T(waiting),
		T(reserves),
		T(eligible_devices),
		T(clocks),
		T(sb_buckets),
		T(sb_bucket_test),
		T(capacity),
		T(reservation),
		T(settle),
		T(reservation_threads),
		T(discard_order),
		T(btree_bitmap),
		T(drop_pointers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
