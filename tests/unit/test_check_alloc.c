// SPDX-License-Identifier: GPL-2.0
/*
 * Checks of the indexes that follow from alloc keys and stripes: on copies of real
 * images something is made wrong behind the triggers' back; the pass must report
 * exactly that, and find nothing when it runs again. Live, where updates of some
 * btrees wait in the write buffer; live, with attempts that must be repeated; and
 * without changes, where everything happens in the overlay and the files must stay
 * as they are.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/bitops.h>
#include <linux/err.h>

#include "alloc/alloc_keys.h"
#include "alloc/alloc_trigger.h"
#include "alloc/bucket_gens.h"
#include "alloc/dev_init.h"
#include "alloc/freespace.h"
#include "alloc/index_update.h"
#include "alloc/lru.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/write_buffer.h"
#include "check/alloc_checks.h"
#include "data/stripes.h"
#include "init/fs.h"
#include "journal/journal.h"
#include "recover_common.h"
#include "sb/fsck_err.h"
#include "sb/members.h"
#include "sb/write.h"

struct fs {
	struct bch_fs		*c;
	const char		*path[3];
	unsigned		nr;
	struct timespec		mtime[3];
	bool			nochanges;
	u64			seen[BCH_FSCK_ERR_MAX];
};

/* --- a filesystem --- */

static void fs_open(struct fs *f, const char *name, unsigned nr, bool nochanges)
{
	struct bch_opts opts = bch2_opts_empty();
	struct stat st;

	memset(f, 0, sizeof(*f));
	recover_log_quietly();
	f->nr		= nr;
	f->nochanges	= nochanges;
	for (unsigned i = 0; i < nr; i++) {
		char image[64];

		snprintf(image, sizeof(image), nr > 1 ? "%s-%u" : "%s", name, i);
		f->path[i] = recover_file(image);
		recover_unpack(image, f->path[i]);
		assert_int_equal(stat(f->path[i], &st), 0);
		f->mtime[i] = st.st_mtim;
	}
	opt_set(opts, fix_errors, FSCK_FIX_yes);
	opt_set(opts, nochanges, nochanges);
	f->c = bch2_fs_open(f->path, nr, &opts);
	assert_false(IS_ERR(f->c));
	assert_int_equal(bch2_fs_start(f->c), 0);
	assert_int_equal(f->c->fsck.nr_reported, 0);
	set_bit(BCH_FS_in_fsck, &f->c->flags);
}

static void fs_close(struct fs *f)
{
	struct stat st;

	clear_bit(BCH_FS_in_fsck, &f->c->flags);
	assert_false(test_bit(BCH_FS_emergency_ro, &f->c->flags));
	bch2_fs_stop(f->c);
	for (unsigned i = 0; i < f->nr; i++) {
		assert_int_equal(stat(f->path[i], &st), 0);
		if (f->nochanges)
			assert_memory_equal(&st.st_mtim, &f->mtime[i], sizeof(st.st_mtim));
		unlink(f->path[i]);
	}
}

/* --- what a pass says --- */

struct want {
	unsigned		id;
	unsigned		nr;
};

#define WANT(...)	((const struct want[]) { __VA_ARGS__ {} })

static void compare_counts(struct fs *f, const struct want *want)
{
	for (unsigned id = 0; id < BCH_FSCK_ERR_MAX; id++) {
		const u64 nr = bch2_fsck_err_count(f->c, id) - f->seen[id];
		u64 w = 0;

		for (const struct want *i = want; i->nr; i++)
			if (i->id == id)
				w += i->nr;
		if (nr != w)
			fail_msg("%s: reported %llu times, not %llu; last: %s",
				 bch2_fsck_err_name(id), nr, w, recover_last_error);
		f->seen[id] += nr;
	}
}

static void run_once(struct fs *f, int (*pass)(struct bch_fs *), const struct want *want)
{
	const int ret = pass(f->c);

	if (ret)
		fail_msg("%s; last: %s", bch2_err_str(ret), recover_last_error);
	compare_counts(f, want);
}

/* The reports of @pass are @want; there are none when it runs once more. */
static void run(struct fs *f, int (*pass)(struct bch_fs *), const struct want *want)
{
	run_once(f, pass, want);
	run_once(f, pass, WANT());
}

static void all_is_well(struct fs *f)
{
	run(f, bch2_check_alloc_info, WANT());
	run(f, bch2_check_lrus, WANT());
	run(f, bch2_check_alloc_to_lru_refs, WANT());
}

/* --- making things wrong --- */

#define DO(_f, _expr)									\
	assert_int_equal(bch2_trans_commit_do((_f)->c, NULL, NULL,			\
					      BCH_TRANS_COMMIT_no_enospc, (_expr)), 0)

static int put_val(struct btree_trans *trans, unsigned btree, struct bpos pos, unsigned type,
		   const void *val, unsigned bytes)
{
	struct bkey_i *k = bch2_trans_kmalloc(trans, sizeof(*k) + bytes);

	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.type	= type;
	k->k.p		= pos;
	set_bkey_val_bytes(&k->k, bytes);
	if (bytes)
		memcpy(&k->v, val, bytes);
	return bch2_btree_insert_nonextent(trans, btree, k, BTREE_TRIGGER_norun);
}

static int put_freespace(struct btree_trans *trans, struct bpos start, u64 nr, bool set)
{
	struct bkey_i *k = bch2_trans_kmalloc(trans, sizeof(*k));

	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.type	= set ? KEY_TYPE_set : KEY_TYPE_deleted;
	k->k.p		= POS(start.inode, start.offset + nr);
	k->k.size	= nr;
	return bch2_btree_insert_trans(trans, BTREE_ID_freespace, k, 0);
}

static int put_alloc(struct btree_trans *trans, struct bpos bucket, const struct bch_alloc_v4 *a)
{
	struct bch_alloc_v4 v = *a;

	SET_BCH_ALLOC_V4_BACKPOINTERS_START(&v, BCH_ALLOC_V4_U64s);
	return put_val(trans, BTREE_ID_alloc, bucket, KEY_TYPE_alloc_v4, &v, sizeof(v));
}

static int put_gen(struct btree_trans *trans, struct bpos bucket, u8 gen)
{
	return bch2_bucket_gens_mod(trans, bucket, gen);
}

static struct bch_alloc_v4 get_alloc(struct fs *f, struct bpos bucket)
{
	struct bch_alloc_v4 a;
	struct btree_trans *trans = bch2_trans_get(f->c);
	int ret = lockrestart_do(trans, ({
		struct btree_iter iter;
		struct bkey_s_c k = bch2_bkey_get_iter(trans, &iter, BTREE_ID_alloc, bucket, 0);

		if (!bkey_err(k))
			bch2_alloc_to_v4(k, &a);
		bch2_trans_iter_exit(&iter);
		bkey_err(k);
	}));

	assert_int_equal(ret, 0);
	bch2_trans_put(trans);
	return a;
}

static bool exists(struct fs *f, unsigned btree, struct bpos pos)
{
	struct btree_trans *trans = bch2_trans_get(f->c);
	int ret = bch2_btree_write_buffer_flush_sync(trans);

	assert_int_equal(ret, 0);
	ret = lockrestart_do(trans, bch2_check_key_exists(trans, btree, pos));
	assert_true(ret >= 0);
	bch2_trans_put(trans);
	return ret;
}

/* The first bucket of a type, at or behind @from. */
static struct bpos find_bucket(struct fs *f, struct bpos from, unsigned type)
{
	struct bpos found = POS_MAX;
	struct btree_trans *trans = bch2_trans_get(f->c);
	int ret = for_each_btree_key(trans, iter, BTREE_ID_alloc, from, 0, k, ({
		struct bch_alloc_v4 a;

		bch2_alloc_to_v4(k, &a);
		if (a.data_type == type)
			found = k.k->p;
		a.data_type == type;
	}));

	bch2_trans_put(trans);
	if (ret != 1)
		fail_msg("no bucket of type %u", type);
	return found;
}

/* The first of @nr buckets in the last third of device 0 that have no alloc keys. */
static u64 find_hole(struct fs *f, u64 nr)
{
	u64 b = f->c->devs[0]->mi.nbuckets * 2 / 3;
	struct btree_trans *trans = bch2_trans_get(f->c);
	int ret = for_each_btree_key_max(trans, iter, BTREE_ID_alloc, POS(0, b),
					 POS(0, f->c->devs[0]->mi.nbuckets - 1), 0, k, ({
		const int done = k.k->p.offset >= b + nr;

		if (!done)
			b = k.k->p.offset + 1;
		done;
	}));

	assert_true(ret >= 0);
	bch2_trans_put(trans);
	assert_true(b + nr <= f->c->devs[0]->mi.nbuckets);
	return b;
}

/* --- check_alloc_info --- */

static void freespace(struct fs *f)
{
	const u64 nbuckets = f->c->devs[0]->mi.nbuckets;
	const struct bpos user = find_bucket(f, POS_MIN, BCH_DATA_user);
	const u64 h = find_hole(f, 64);
	struct bch_alloc_v4 a = {};

	/* a free bucket with a key, which is not entered */
	DO(f, put_alloc(trans, POS(0, h + 32), &a));
	run(f, bch2_check_alloc_info, WANT());
	DO(f, put_freespace(trans, POS(0, h + 32), 1, false));
	run(f, bch2_check_alloc_info, WANT({ BCH_FSCK_ERR_freespace_key_wrong, 1 },));

	/* one in use, which is */
	DO(f, put_freespace(trans, user, 1, true));
	run(f, bch2_check_alloc_info, WANT({ BCH_FSCK_ERR_freespace_key_wrong, 1 },));

	/* holes of holes; the last two are one, around a bucket with a key */
	DO(f, put_freespace(trans, POS(0, h), 10, false));
	DO(f, put_freespace(trans, POS(0, h + 20), 1, false));
	DO(f, put_freespace(trans, POS(0, h + 31), 3, false));
	run(f, bch2_check_alloc_info, WANT({ BCH_FSCK_ERR_freespace_hole_missing, 4 },
					   { BCH_FSCK_ERR_freespace_key_wrong, 1 },));

	/* buckets that do not exist; a range counts as one */
	DO(f, put_freespace(trans, POS(0, nbuckets), 1000, true));
	DO(f, put_freespace(trans, POS(9, 5), 7, true));
	DO(f, put_freespace(trans, POS(0, 3ULL << 56 | nbuckets), 1, true));
	run(f, bch2_check_alloc_info,
	    WANT({ BCH_FSCK_ERR_need_discard_freespace_key_to_invalid_dev_bucket, 3 },));

	/* wrong generation bits: of holes, of a bucket in use, of free ones */
	DO(f, put_freespace(trans, POS(0, 2ULL << 56 | (h + 4)), 3, true));
	DO(f, put_freespace(trans, POS(0, 1ULL << 56 | user.offset), 1, true));
	run(f, bch2_check_alloc_info, WANT({ BCH_FSCK_ERR_need_discard_freespace_key_bad, 2 },));

	a.gen = 20;
	DO(f, put_alloc(trans, POS(0, h + 32), &a));
	run(f, bch2_check_alloc_info, WANT({ BCH_FSCK_ERR_freespace_key_wrong, 1 },
					   { BCH_FSCK_ERR_need_discard_freespace_key_bad, 1 },
					   { BCH_FSCK_ERR_bucket_gens_key_wrong, 1 },));
	assert_true(exists(f, BTREE_ID_freespace, POS(0, 1ULL << 56 | (h + 32))));
	all_is_well(f);
}

/* --- check_alloc_info, while buckets are allocated --- */

#define TAKEN		128

static int take_bucket(struct btree_trans *trans, struct bpos bucket)
{
	struct bkey_i_alloc_v4 *a = bch2_trans_start_alloc_update(trans, bucket, 0);

	if (IS_ERR(a))
		return PTR_ERR(a);
	a->v.data_type	  = BCH_DATA_user;
	a->v.dirty_sectors = 8;
	return 0;
}

struct taker {
	struct fs	*f;
	u64		first;
	int		go;
};

static void *taker_main(void *arg)
{
	struct taker *t = arg;

	for (unsigned i = 0; i < TAKEN; i++) {
		if (!i)
			__atomic_store_n(&t->go, 1, __ATOMIC_RELEASE);
		if (bch2_trans_commit_do(t->f->c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
					 take_bucket(trans, POS(0, t->first + 2 * i + 1))))
			abort();
	}
	return NULL;
}

/*
 * Every second bucket of a stretch has a key, the holes between are not entered in
 * freespace: the pass enters them while another thread takes them one by one. What
 * was taken before the pass came by must not be entered, what is taken later must be
 * deleted: the next run finds nothing.
 */
static void holes_are_taken(struct fs *f)
{
	struct bch_fs_recovery *r = &f->c->recovery;
	struct taker t = { .f = f, .first = find_hole(f, 2 * TAKEN) };
	const struct bch_alloc_v4 used = { .data_type = BCH_DATA_user, .dirty_sectors = 8 };
	pthread_t thread;

	for (unsigned i = 0; i < TAKEN; i++)
		DO(f, put_alloc(trans, POS(0, t.first + 2 * i), &used));
	DO(f, put_freespace(trans, POS(0, t.first), 2 * TAKEN, false));

	/* as in a start: freespace is not trusted yet */
	r->running	= true;
	r->curr_pass	= BCH_RECOVERY_PASS_check_alloc_info;
	assert_int_equal(pthread_create(&thread, NULL, taker_main, &t), 0);
	while (!__atomic_load_n(&t.go, __ATOMIC_ACQUIRE))
		sched_yield();
	assert_int_equal(bch2_check_alloc_info(f->c), 0);
	pthread_join(thread, NULL);
	r->running	= false;

	for (unsigned id = 0; id < BCH_FSCK_ERR_MAX; id++)
		f->seen[id] = bch2_fsck_err_count(f->c, id);
	run_once(f, bch2_check_alloc_info, WANT());
}

static void gens(struct fs *f)
{
	const u64 nbuckets = f->c->devs[0]->mi.nbuckets;
	const struct bpos user = find_bucket(f, POS_MIN, BCH_DATA_user);
	const u64 h = find_hole(f, 20);
	struct bch_bucket_gens v = { .gens[3] = 1 };

	DO(f, put_gen(trans, user, get_alloc(f, user).gen + 1));
	run(f, bch2_check_alloc_info, WANT({ BCH_FSCK_ERR_bucket_gens_key_wrong, 1 },));

	DO(f, put_gen(trans, POS(0, h), 1) ?: put_gen(trans, POS(0, h + 5), 1));
	run(f, bch2_check_alloc_info, WANT({ BCH_FSCK_ERR_bucket_gens_hole_wrong, 1 },));

	DO(f, put_val(trans, BTREE_ID_bucket_gens, POS(9, 0), KEY_TYPE_bucket_gens, &v, sizeof(v)));
	run(f, bch2_check_alloc_info, WANT({ BCH_FSCK_ERR_bucket_gens_to_invalid_dev, 1 },));

	DO(f, put_val(trans, BTREE_ID_bucket_gens, POS(0, (nbuckets >> 8) + 1),
		      KEY_TYPE_bucket_gens, &v, sizeof(v)));
	DO(f, put_val(trans, BTREE_ID_bucket_gens, POS(0, U64_MAX >> 4), KEY_TYPE_bucket_gens, &v,
		      sizeof(v)));
	run(f, bch2_check_alloc_info, WANT({ BCH_FSCK_ERR_bucket_gens_to_invalid_buckets, 2 },));

	if (!(nbuckets & 255))
		f->c->devs[0]->mi.nbuckets--;
	DO(f, put_gen(trans, POS(0, nbuckets | 255), 1));
	f->c->devs[0]->mi.nbuckets = nbuckets;
	if (nbuckets & 255)
		run(f, bch2_check_alloc_info,
		    WANT({ BCH_FSCK_ERR_bucket_gens_nonzero_for_invalid_buckets, 1 },));
	else
		run(f, bch2_check_alloc_info,
		    WANT({ BCH_FSCK_ERR_bucket_gens_to_invalid_buckets, 1 },));
	all_is_well(f);
}

static void no_such_bucket(struct fs *f)
{
	const struct bch_alloc_v4 a = { .gen = 1 };
	const struct bpos p[] = { POS(0, f->c->devs[0]->mi.nbuckets + 3), POS(9, 7) };

	for (unsigned i = 0; i < 2; i++)
		DO(f, put_alloc(trans, p[i], &a));
	run(f, bch2_check_alloc_info, WANT({ BCH_FSCK_ERR_alloc_key_to_missing_dev_bucket, 2 },));
	for (unsigned i = 0; i < 2; i++)
		assert_false(exists(f, BTREE_ID_alloc, p[i]));
	all_is_well(f);
}

static int put_discard(struct btree_trans *trans, u64 seq, struct bpos bucket, bool set)
{
	return bch2_btree_bit_mod_buffered(trans, BTREE_ID_need_discard,
					   bch2_need_discard_pos(true, bucket, seq), set);
}

/*
 * Both directions, without the flush that the pass begins with: the first one
 * finds a difference, and makes up for it.
 */
static void need_discard_buffered(struct fs *f, struct bpos pos, struct bpos bucket,
				  bool entries_first)
{
	struct btree_trans *trans = bch2_trans_get(f->c);
	struct index_check x;

	assert_int_equal(bch2_index_check_init(&x, trans), 0);
	if (entries_first)
		assert_int_equal(bch2_check_need_discard_entries(&x), 0);
	bch2_check_pairs_add(&x, pos, bucket);
	assert_int_equal(bch2_check_pairs_run(&x, CHECK_PAIRS_by_index,
					      bch2_check_need_discard_missing), 0);
	if (!entries_first)
		assert_int_equal(bch2_check_need_discard_entries(&x), 0);
	/* how often it flushed depends on what goes on in the background */
	assert_true(!f->nochanges || !x.wb.nr_flushes);
	bch2_index_check_exit(&x);
	bch2_trans_put(trans);
	compare_counts(f, WANT());
}

static void need_discard(struct fs *f)
{
	const u64 h = find_hole(f, 4), seq = 1ULL << 40;	/* too far for a discard */
	const struct bpos b = POS(0, h);
	struct bch_alloc_v4 a = {
		.data_type		= BCH_DATA_need_discard,
		.journal_seq_empty	= cpu_to_le64(seq),
	};

	SET_BCH_ALLOC_V4_NEED_DISCARD(&a, true);
	DO(f, put_freespace(trans, b, 1, false) ?: put_alloc(trans, b, &a));
	run(f, bch2_check_alloc_info, WANT({ BCH_FSCK_ERR_need_discard_key_wrong, 1 },));
	assert_true(exists(f, BTREE_ID_need_discard, POS(seq, bucket_to_u64(b))));

	/* what waits in the write buffer is no error */
	a.journal_seq_empty = cpu_to_le64(seq + 1);
	DO(f, put_discard(trans, seq, b, false) ?: put_discard(trans, seq + 1, b, true) ?:
	      put_alloc(trans, b, &a));
	need_discard_buffered(f, bch2_need_discard_pos(true, b, seq + 1), b, false);
	a.journal_seq_empty = cpu_to_le64(seq);
	DO(f, put_discard(trans, seq + 1, b, false) ?: put_discard(trans, seq, b, true) ?:
	      put_alloc(trans, b, &a));
	need_discard_buffered(f, bch2_need_discard_pos(true, b, seq), b, true);
	run(f, bch2_check_alloc_info, WANT());

	/* another number: one is missing, one too many */
	a.journal_seq_empty = cpu_to_le64(seq + 2);
	DO(f, put_alloc(trans, b, &a));
	run(f, bch2_check_alloc_info, WANT({ BCH_FSCK_ERR_need_discard_key_wrong, 1 },
					   { BCH_FSCK_ERR_need_discard_freespace_key_bad, 1 },));

	/* entries in the old layout: for device 0, sequence 0 */
	DO(f, put_discard(trans, 0, b, true) ?: put_discard(trans, 3, POS(0, h + 1), true));
	run(f, bch2_check_alloc_info, WANT({ BCH_FSCK_ERR_need_discard_freespace_key_bad, 2 },));

	DO(f, put_discard(trans, 3, POS(9, 1), true) ?:
	      put_discard(trans, 4, POS(0, f->c->devs[0]->mi.nbuckets), true));
	run(f, bch2_check_alloc_info,
	    WANT({ BCH_FSCK_ERR_need_discard_freespace_key_to_invalid_dev_bucket, 2 },));

	/* what an upgrade expects to find is repaired in silence */
	__set_bit(BCH_FSCK_ERR_need_discard_key_wrong, f->c->sb.errors_silent);
	__set_bit(BCH_FSCK_ERR_need_discard_freespace_key_bad, f->c->sb.errors_silent);
	DO(f, put_discard(trans, 0, b, true) ?: put_discard(trans, seq + 2, b, false));
	run(f, bch2_check_alloc_info, WANT());
	memset(f->c->sb.errors_silent, 0, sizeof(f->c->sb.errors_silent));
	assert_false(exists(f, BTREE_ID_need_discard, POS(0, bucket_to_u64(b))));
	assert_true(exists(f, BTREE_ID_need_discard, POS(seq + 2, bucket_to_u64(b))));

	/* as it was */
	DO(f, put_discard(trans, seq + 2, b, false) ?: put_freespace(trans, b, 1, true) ?:
	      put_alloc(trans, b, &(struct bch_alloc_v4) {}));
	all_is_well(f);
}

/* --- making indexes from nothing --- */

static void freespace_made_anew(struct fs *f)
{
	struct bch_dev *ca = f->c->devs[0];
	struct bch_member m;
	const u64 h = find_hole(f, 4);
	const struct bch_alloc_v4 free_gap = { .gen = 40, .oldest_gen = 1 };

	assert_int_equal(bch2_btree_delete_range(f->c, BTREE_ID_freespace, POS_MIN, POS_MAX, 0), 0);
	DO(f, put_alloc(trans, POS(0, h), &free_gap) ?: put_gen(trans, POS(0, h), 40));
	mutex_lock(&f->c->sb_lock);
	m = bch2_sb_member_get(f->c->disk_sb.sb, 0);
	SET_BCH_MEMBER_FREESPACE_INITIALIZED(&m, false);
	bch2_sb_member_set(f->c->disk_sb.sb, 0, &m);
	ca->mi.freespace_initialized = false;
	mutex_unlock(&f->c->sb_lock);

	/* not compared as long as it is not there */
	all_is_well(f);
	assert_false(exists(f, BTREE_ID_freespace, POS(0, h + 1)));

	run(f, bch2_fs_freespace_init, WANT());
	assert_true(ca->mi.freespace_initialized);
	assert_true(exists(f, BTREE_ID_freespace, POS(0, 2ULL << 56 | h)));
	assert_false(exists(f, BTREE_ID_freespace, POS(0, h)));
	assert_true(exists(f, BTREE_ID_freespace, POS(0, h + 1)));
	all_is_well(f);
}

static void gens_made_anew(struct fs *f)
{
	const struct bpos b = POS(0, find_hole(f, 1));
	const struct bch_alloc_v4 a = { .gen = 7, .oldest_gen = 7 };

	DO(f, put_alloc(trans, b, &a));
	assert_int_equal(bch2_btree_delete_range(f->c, BTREE_ID_bucket_gens, POS_MIN, POS_MAX, 0),
			 0);
	run(f, bch2_bucket_gens_init, WANT());
	if (!f->nochanges)
		assert_int_equal(bch2_journal_flush(f->c), 0);
	all_is_well(f);
}

/* --- lru --- */

static int put_lru(struct btree_trans *trans, u16 id, u64 object, u64 time, bool set)
{
	return bch2_btree_bit_mod_buffered(trans, BTREE_ID_lru, lru_pos(id, object, time), set);
}

/* A bucket that is in the fragmentation list. */
static struct bpos find_fragmented(struct fs *f, u64 *time)
{
	struct bpos p = POS_MIN;

	do {
		struct bch_alloc_v4 a;

		p = find_bucket(f, p, BCH_DATA_user);
		a = get_alloc(f, p);
		*time = bch2_alloc_lru_idx_fragmentation(&a,
				f->c->devs[p.inode]->mi.bucket_size);
		if (*time)
			return p;
		p.offset++;
	} while (1);
}

static void fragmentation(struct fs *f)
{
	const u16 id = BCH_LRU_FRAGMENTATION_START;
	u64 time;
	const struct bpos b = find_fragmented(f, &time);
	const u64 o = bucket_to_u64(b);

	DO(f, put_lru(trans, id, o, time, false));
	run(f, bch2_check_alloc_to_lru_refs,
	    WANT({ BCH_FSCK_ERR_alloc_key_to_missing_lru_entry, 1 },));
	assert_true(exists(f, BTREE_ID_lru, lru_pos(id, o, time)));

	DO(f, put_lru(trans, id, o, time + 1, true) ?:
	      put_lru(trans, id, bucket_to_u64(POS(9, 1)), 5, true) ?:
	      put_lru(trans, 0, o, 77, true));
	run(f, bch2_check_lrus, WANT({ BCH_FSCK_ERR_lru_entry_bad, 3 },));

	/* moved, and still in the write buffer */
	DO(f, put_lru(trans, id, o, time, false) ?: put_lru(trans, id, o, time + 1, true));
	DO(f, put_lru(trans, id, o, time + 1, false) ?: put_lru(trans, id, o, time, true));
	all_is_well(f);
}

static int set_read_time(struct btree_trans *trans, struct bpos bucket, u64 time)
{
	struct bkey_i_alloc_v4 *a =
		bch2_trans_start_alloc_update(trans, bucket, BTREE_TRIGGER_norun);

	if (IS_ERR(a))
		return PTR_ERR(a);
	a->v.io_time[0] = cpu_to_le64(time);
	return 0;
}

static void read_lru(struct fs *f)
{
	const struct bpos b = find_bucket(f, POS_MIN, BCH_DATA_cached);
	const u64 o = bucket_to_u64(b), time = le64_to_cpu(get_alloc(f, b).io_time[0]);

	DO(f, put_lru(trans, b.inode, o, time, false));
	run(f, bch2_check_lrus, WANT());
	run(f, bch2_check_alloc_to_lru_refs,
	    WANT({ BCH_FSCK_ERR_alloc_key_to_missing_lru_entry, 1 },));

	/* in the list of another device */
	DO(f, put_lru(trans, !b.inode, o, time, true));
	run(f, bch2_check_lrus, WANT({ BCH_FSCK_ERR_lru_entry_bad, 1 },));

	DO(f, set_read_time(trans, b, 0));
	run(f, bch2_check_lrus, WANT({ BCH_FSCK_ERR_lru_entry_bad, 1 },));
	run(f, bch2_check_alloc_to_lru_refs,
	    WANT({ BCH_FSCK_ERR_alloc_key_cached_but_read_time_zero, 1 },
		 { BCH_FSCK_ERR_alloc_key_to_missing_lru_entry, 1 },));
	assert_int_not_equal(le64_to_cpu(get_alloc(f, b).io_time[0]), 0);
	all_is_well(f);
}

/* --- stripes --- */

/* The first reference of a bucket by a stripe whose bucket has type @type. */
static struct bpos find_ref(struct fs *f, unsigned type)
{
	struct bpos refs[64], found = POS_MAX;
	unsigned nr = 0;
	struct btree_trans *trans = bch2_trans_get(f->c);
	int ret = for_each_btree_key(trans, iter, BTREE_ID_bucket_to_stripe, POS_MIN, 0, k, ({
		refs[nr++] = k.k->p;
		nr == 64;
	}));

	bch2_trans_put(trans);
	assert_true(ret >= 0 && nr);
	while (nr--)
		if (get_alloc(f, u64_to_bucket(refs[nr].inode)).data_type == type)
			found = refs[nr];
	assert_true(found.inode != U64_MAX);
	return found;
}

static u32 refcount(struct fs *f, struct bpos ref)
{
	return le32_to_cpu(get_alloc(f, u64_to_bucket(ref.inode)).stripe_refcount);
}

static int put_refcount(struct btree_trans *trans, struct bpos ref, u32 nr)
{
	struct bkey_i_alloc_v4 *a = bch2_trans_start_alloc_update(trans, u64_to_bucket(ref.inode),
								  BTREE_TRIGGER_norun);

	if (IS_ERR(a))
		return PTR_ERR(a);
	a->v.stripe_refcount = cpu_to_le32(nr);
	return 0;
}

static int put_ref(struct btree_trans *trans, struct bpos ref, bool set)
{
	return bch2_btree_bit_mod(trans, BTREE_ID_bucket_to_stripe, ref, set);
}

static u64 stripe_time(struct fs *f, u64 idx)
{
	u64 time = 0;
	struct btree_trans *trans = bch2_trans_get(f->c);

	assert_int_equal(lockrestart_do(trans, ({
		struct btree_iter iter;
		struct stripe_geometry g;
		struct bkey_s_c k = bch2_bkey_get_iter(trans, &iter, BTREE_ID_stripes,
						       POS(0, idx), 0);

		if (!bkey_err(k) && k.k->type == KEY_TYPE_stripe && !bch2_stripe_geometry(k, &g))
			time = bch2_stripe_lru_idx(k, &g);
		bch2_trans_iter_exit(&iter);
		bkey_err(k);
	})), 0);
	bch2_trans_put(trans);
	return time;
}

static void stripes(struct fs *f)
{
	static const unsigned types[] = { BCH_DATA_stripe, BCH_DATA_parity };

	for (unsigned i = 0; i < 2; i++) {
		const struct bpos ref = find_ref(f, types[i]);
		const u32 nr = refcount(f, ref);

		/* the counter alone */
		DO(f, put_refcount(trans, ref, nr + 2));
		run(f, bch2_check_alloc_info,
		    WANT({ BCH_FSCK_ERR_alloc_key_stripe_refcount_wrong, 1 },));
		assert_int_equal(refcount(f, ref), nr);

		/* one stripe more than there is */
		DO(f, put_ref(trans, POS(ref.inode, 99999), true) ?:
		      put_refcount(trans, ref, nr + 1));
		run(f, bch2_check_alloc_info, WANT());
		run(f, bch2_check_alloc_to_lru_refs,
		    WANT({ BCH_FSCK_ERR_bucket_stripe_ref_to_missing_stripe, 1 },));
		assert_int_equal(refcount(f, ref), nr);
		run(f, bch2_check_alloc_info, WANT());
	}

	/* a stripe that has nothing there */
	const struct bpos a = find_ref(f, BCH_DATA_stripe);

	DO(f, put_ref(trans, POS(bucket_to_u64(POS(9, 9)), a.offset), true));
	run(f, bch2_check_alloc_to_lru_refs,
	    WANT({ BCH_FSCK_ERR_bucket_stripe_ref_to_incorrect_stripe, 1 },));
	assert_false(exists(f, BTREE_ID_bucket_to_stripe,
			    POS(bucket_to_u64(POS(9, 9)), a.offset)));
	all_is_well(f);
}

static void stripe_lru(struct fs *f)
{
	const struct bpos ref = find_ref(f, BCH_DATA_stripe);
	const u64 time = stripe_time(f, ref.offset);

	if (!time) {
		DO(f, put_lru(trans, BCH_LRU_STRIPES, ref.offset, LRU_TIME_MAX - 1, true));
		run(f, bch2_check_lrus, WANT({ BCH_FSCK_ERR_lru_entry_bad, 1 },));
		return;
	}
	DO(f, put_lru(trans, BCH_LRU_STRIPES, ref.offset, time, false));
	run(f, bch2_check_alloc_to_lru_refs,
	    WANT({ BCH_FSCK_ERR_alloc_key_to_missing_lru_entry, 1 },));
	DO(f, put_lru(trans, BCH_LRU_STRIPES, ref.offset, time - 1, true) ?:
	      put_lru(trans, BCH_LRU_STRIPES, 99999, time, true));
	run(f, bch2_check_lrus, WANT({ BCH_FSCK_ERR_lru_entry_bad, 2 },));
	all_is_well(f);
}

/* The index has lost a stripe, and the bucket does not count it either. */
static void stripe_ref_lost(struct fs *f)
{
	const struct bpos ref = find_ref(f, BCH_DATA_stripe);
	const u32 nr = refcount(f, ref);

	DO(f, put_ref(trans, ref, false));
	run(f, bch2_check_alloc_info,
	    WANT({ BCH_FSCK_ERR_alloc_key_stripe_refcount_wrong, 1 },));
	assert_int_equal(refcount(f, ref), nr - 1);
	run(f, bch2_check_alloc_to_lru_refs,
	    WANT({ BCH_FSCK_ERR_stripe_to_missing_bucket_ref, 1 },));
	assert_int_equal(refcount(f, ref), nr);
	assert_int_equal(get_alloc(f, u64_to_bucket(ref.inode)).data_type, BCH_DATA_stripe);
	run(f, bch2_check_alloc_info, WANT());
	all_is_well(f);
}

/* --- tests --- */

/* Live, without changes, and live with attempts that must be repeated. */
static void with(const char *image, unsigned nr, void (*const *fns)(struct fs *))
{
	for (unsigned how = 0; how < 3; how++) {
		struct fs f;

		fs_open(&f, image, nr, how == 1);
		if (how == 2)
			WRITE_ONCE(f.c->btree.restart_fault_every, 37);
		all_is_well(&f);
		for (unsigned i = 0; fns[i]; i++)
			fns[i](&f);
		fs_close(&f);
	}
}

#define WITH(_image, _nr, ...)							\
	with(_image, _nr, (void (*const[])(struct fs *)) { __VA_ARGS__, NULL })

static void buckets(void **state)
{
	WITH("small-138", 1, freespace, gens, no_such_bucket, need_discard, fragmentation,
	     freespace_made_anew, gens_made_anew);
}

static void buckets_in_use(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct fs f;

		fs_open(&f, "empty-256m-138", 1, false);
		holes_are_taken(&f);
		fs_close(&f);
	}
}

static void cached(void **state)
{
	WITH("cached-138", 2, read_lru);
}

static void erasure_coded(void **state)
{
	WITH("multi3-ec-138", 3, stripes, stripe_lru, stripe_ref_lost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets),
		cmocka_unit_test(buckets_in_use),
		cmocka_unit_test(cached),
		cmocka_unit_test(erasure_coded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
