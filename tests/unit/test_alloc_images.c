// SPDX-License-Identifier: GPL-2.0
/*
 * The allocator on real images, opened for reading: which buckets the layout
 * says hold superblocks, against the alloc btree; the search for free buckets,
 * through the freespace btree and without it, against a walk of the alloc btree;
 * and the setting up of a new filesystem, in its overlay.
 */
#include "keys_common.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <shim/log.h>
#include <linux/bitops.h>

#include "alloc/accounting_live.h"
#include "alloc/alloc_keys.h"
#include "alloc/bucket_gens.h"
#include "alloc/dev_init.h"
#include "alloc/foreground.h"
#include "alloc/freespace.h"
#include "btree/btree_bitmap.h"
#include "btree/iter.h"
#include "init/fs.h"
#include "journal/ring.h"
#include "sb/members.h"

#define DEVS_MAX	4

static const struct {
	const char	*name;
	unsigned	nr;
} images[] = {
	{ "small-616",		0 },
	{ "small-612",		0 },
	{ "discard-138",	0 },
	{ "bucket256k-616",	0 },
	{ "empty-256m-138",	0 },
	{ "empty-32m-138",	0 },
	{ "multi2-138",		2 },
	{ "multi3-ec-138",	3 },
};

static char *paths[DEVS_MAX];

static const char *env(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return v ? v : otherwise;
}

static void drop_message(int level, const char *text, void *arg)
{
}

static void unpack(const char *name, unsigned nr, unsigned i)
{
	char cmd[1024], file[64];

	if (nr)
		snprintf(file, sizeof(file), "%s-%u", name, i);
	else
		snprintf(file, sizeof(file), "%s", name);
	assert_true(asprintf(&paths[i], "%s/test-alloc-%d-%s.img", env("TEST_TMPDIR", "/tmp"),
			     (int) getpid(), file) > 0);
	snprintf(cmd, sizeof(cmd), "zstd -qdf --long=27 --sparse -o '%s' '%s/%s.img.zst'",
		 paths[i], env("TEST_FIXTURES", "tests/fixtures"), file);
	assert_int_equal(system(cmd), 0);
}

static struct bch_fs *image_open(const char *name, unsigned nr, bool passes)
{
	struct bch_opts opts = bch2_opts_empty();
	const char *p[DEVS_MAX];
	struct bch_fs *c;
	unsigned i = 0;

	do {
		unpack(name, nr, i);
		p[i] = paths[i];
	} while (++i < nr);

	opt_set(opts, nochanges,	true);
	opt_set(opts, read_only,	true);
	opt_set(opts, norecovery,	!passes);
	opt_set(opts, errors,		BCH_ON_ERROR_continue);
	c = bch2_fs_open(p, i, &opts);
	assert_false(IS_ERR(c));
	assert_int_equal(bch2_fs_start(c), 0);
	if (!c->alloc.initialized)
		assert_int_equal(bch2_fs_allocator_init(c), 0);
	/* a start that does not write may do without them */
	if (!c->up.accounting_apply) {
		assert_int_equal(bch2_fs_accounting_init(c), 0);
		c->up.accounting_apply		= bch2_accounting_apply;
		c->up.accounting_unapply	= bch2_accounting_unapply;
	}
	return c;
}

static void image_close(struct bch_fs *c)
{
	bch2_fs_allocator_exit(c);
	bch2_fs_stop(c);
	for (unsigned i = 0; i < DEVS_MAX; i++)
		if (paths[i]) {
			unlink(paths[i]);
			free(paths[i]);
			paths[i] = NULL;
		}
}

/* --- what the alloc btree says --- */

struct bucket_info {
	u8	type;
	u8	gen;
	u8	gap;
	u32	dirty;
};

static struct bucket_info *read_alloc(struct bch_fs *c, struct bch_dev *ca)
{
	struct bucket_info *b = calloc(ca->mi.nbuckets, sizeof(*b));
	struct btree_trans *trans = bch2_trans_get(c);
	int ret;

	assert_non_null(b);
	ret = for_each_btree_key_max(trans, iter, BTREE_ID_alloc, POS(ca->dev_idx, 0),
				     POS(ca->dev_idx, U64_MAX), 0, k, ({
		struct bch_alloc_v4 a;

		bch2_alloc_to_v4(k, &a);
		assert_true(k.k->p.offset < ca->mi.nbuckets);
		b[k.k->p.offset] = (struct bucket_info) {
			a.data_type, a.gen, alloc_gc_gen(&a), le32_to_cpu(a.dirty_sectors),
		};
		0;
	}));
	assert_int_equal(ret, 0);
	bch2_trans_put(trans);
	return b;
}

static void check_superblocks(struct bch_dev *ca, const struct bucket_info *info)
{
	struct bch_sb_bucket_iter it = {};
	struct bch_sb_bucket b;
	u64 nr = 0, nr_alloc = 0;

	while (bch2_sb_bucket_next(&ca->disk_sb.sb->layout, ca->mi.bucket_size, ca->mi.nbuckets,
				   &it, &b)) {
		assert_int_equal(info[b.bucket].type, BCH_DATA_sb);
		assert_int_equal(info[b.bucket].dirty, b.sectors);
		assert_true(bch2_is_superblock_bucket(ca, b.bucket));
		nr++;
	}
	for (u64 i = 0; i < ca->mi.nbuckets; i++) {
		nr_alloc += info[i].type == BCH_DATA_sb;
		assert_int_equal(bch2_is_journal_bucket(ca, i), info[i].type == BCH_DATA_journal);
	}
	assert_int_equal(nr, nr_alloc);
	assert_true(nr > 0);
}

/* --- the search --- */

static int alloc_one(struct bch_fs *c, struct bch_dev *ca, enum bch_data_type type,
		     struct open_bucket **ob)
{
	struct btree_trans *trans = bch2_trans_get(c);
	int ret = lockrestart_do(trans,
		bch2_bucket_alloc_trans(trans, ca, BCH_WATERMARK_interior_updates, type, ob));

	bch2_trans_put(trans);
	return ret;
}

/* Are all buckets of the region preferred by @type given out before others? */
static bool preferred(struct bch_dev *ca, u64 bucket, enum bch_data_type type)
{
	const u8 shift = ca->mi.btree_bitmap_shift;

	if (type == BCH_DATA_btree)
		return bch2_btree_bitmap_test(shift, ca->mi.btree_allocated_bitmap,
					      bucket_to_sector(ca, bucket),
					      bucket_to_sector(ca, bucket + 1));
	for (u64 s = bucket_to_sector(ca, bucket); s < bucket_to_sector(ca, bucket + 1); s++)
		if (bch2_btree_bitmap_test(shift, ca->mi.btree_allocated_bitmap, s, s + 1))
			return false;
	return true;
}

/*
 * Take buckets until there are none: each is free according to its key, and none
 * comes twice; the preferred ones come first, in the order of the index.
 */
static void take_all(struct bch_fs *c, struct bch_dev *ca, const struct bucket_info *info,
		     enum bch_data_type type)
{
	unsigned char *taken = calloc(ca->mi.nbuckets, 1);
	u64 nr_free = 0, nr = 0, want, last = 0;
	struct open_bucket *ob;
	unsigned wrapped = 0;
	bool last_preferred = true;
	int ret;

	for (u64 i = ca->mi.first_bucket; i < ca->mi.nbuckets; i++)
		nr_free += info[i].type == BCH_DATA_free;
	atomic64_set(&ca->usage.buckets[BCH_DATA_free], nr_free);
	ca->alloc.cursor[0] = ca->alloc.cursor[1] = 0;
	want = min_t(u64, nr_free, OPEN_BUCKETS_COUNT - 1);

	while (!(ret = alloc_one(c, ca, type, &ob))) {
		const u64 b = ob->bucket;
		const bool pref = preferred(ca, b, type);
		u64 offset = b;

		assert_true(b >= ca->mi.first_bucket && b < ca->mi.nbuckets);
		assert_int_equal(info[b].type, BCH_DATA_free);
		assert_int_equal(info[b].gen, ob->gen);
		assert_false(taken[b]);
		taken[b] = true;

		if (ca->mi.freespace_initialized)
			offset |= (u64) (info[b].gap >> 4) << FREESPACE_GENBITS_SHIFT;
		/* none is passed over; the others begin at the cursor, and wrap once */
		assert_true(last_preferred || !pref);
		wrapped += nr && offset <= last;
		assert_true(wrapped <= !pref);
		last = offset;
		last_preferred = pref;
		nr++;
	}
	assert_int_equal(nr, want);
	assert_true(bch2_err_matches(ret, BCH_ERR_bucket_alloc_blocked));

	for (unsigned slot = 1; slot < OPEN_BUCKETS_COUNT; slot++)
		if (atomic_read(&bch2_open_bucket(c, slot)->pin))
			bch2_open_bucket_put(c, bch2_open_bucket(c, slot));
	free(taken);
}

/* The search goes on where it was, and wraps. */
static u64 next_bucket(struct bch_fs *c, struct bch_dev *ca)
{
	struct open_bucket *ob;
	u64 bucket;

	assert_int_equal(alloc_one(c, ca, BCH_DATA_user, &ob), 0);
	bucket = ob->bucket;
	bch2_open_bucket_put(c, ob);
	return bucket;
}

static void wraps(struct bch_fs *c, struct bch_dev *ca)
{
	u64 first;

	ca->mi.btree_allocated_bitmap = 0;
	ca->alloc.cursor[BCH_ALLOC_CURSOR_data] = 0;
	first = next_bucket(c, ca);
	assert_true(next_bucket(c, ca) > first);

	ca->alloc.cursor[BCH_ALLOC_CURSOR_data] = 255ULL << FREESPACE_GENBITS_SHIFT;
	assert_int_equal(next_bucket(c, ca), first);
}

static void check_image(const char *name, unsigned nr)
{
	struct bch_fs *c = image_open(name, nr, true);


	for_each_online_member(c, ca) {
		struct bucket_info *info = read_alloc(c, ca);
		const u64 bitmap = ca->mi.btree_allocated_bitmap;

		check_superblocks(ca, info);
		take_all(c, ca, info, BCH_DATA_user);
		take_all(c, ca, info, BCH_DATA_btree);
		wraps(c, ca);

		/* the same without the index */
		ca->mi.btree_allocated_bitmap = bitmap;
		ca->mi.freespace_initialized = false;
		take_all(c, ca, info, BCH_DATA_user);
		take_all(c, ca, info, BCH_DATA_btree);
		free(info);
	}
	image_close(c);
}

static void all_images(void **state)
{
	shim_set_log_sink(drop_message, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(images); i++)
		check_image(images[i].name, images[i].nr);
}

/* --- a new filesystem --- */

static u64 dev_counter(struct bch_fs *c, unsigned dev, unsigned type, unsigned idx)
{
	struct disk_accounting_pos acc = { .type = BCH_DISK_ACCOUNTING_dev_data_type };
	u64 v[3];

	acc.dev_data_type.dev		= dev;
	acc.dev_data_type.data_type	= type;
	bch2_accounting_mem_read(c, &acc, v, 3);
	return v[idx];
}

/* Every bucket is in the freespace btree exactly if it is free. */
static void check_freespace(struct bch_fs *c, struct bch_dev *ca, const struct bucket_info *info)
{
	unsigned char *found = calloc(ca->mi.nbuckets, 1);
	struct btree_trans *trans = bch2_trans_get(c);
	int ret;

	ret = for_each_btree_key_max(trans, iter, BTREE_ID_freespace, POS(ca->dev_idx, 0),
				     POS(ca->dev_idx, U64_MAX), 0, k, ({
		for (u64 b = bkey_start_offset(k.k); b < k.k->p.offset; b++) {
			assert_true(b < ca->mi.nbuckets);
			assert_false(found[b]);
			found[b] = true;
		}
		0;
	}));
	assert_int_equal(ret, 0);
	bch2_trans_put(trans);
	for (u64 b = 0; b < ca->mi.nbuckets; b++)
		assert_int_equal(found[b], info[b].type == BCH_DATA_free);
	free(found);
}

static void check_new_device(struct bch_fs *c, struct bch_dev *ca)
{
	struct bucket_info *info = read_alloc(c, ca);
	u64 nr[BCH_DATA_NR] = {}, sectors[BCH_DATA_NR] = {};

	for (u64 b = ca->mi.first_bucket; b < ca->mi.nbuckets; b++) {
		nr[info[b].type]++;
		sectors[info[b].type] += info[b].dirty;
	}
	check_superblocks(ca, info);
	check_freespace(c, ca, info);
	assert_int_equal(nr[BCH_DATA_journal], bch2_journal_ring_wanted(ca));
	for (unsigned i = 0; i < ca->journal.nr; i++) {
		assert_int_equal(info[ca->journal.buckets[i]].dirty, ca->mi.bucket_size);
		/* one run, behind the superblocks at the start */
		if (i)
			assert_int_equal(ca->journal.buckets[i], ca->journal.buckets[i - 1] + 1);
		else
			assert_int_equal(info[ca->journal.buckets[0] - 1].type, BCH_DATA_sb);
	}
	for (unsigned t = 0; t < BCH_DATA_NR; t++) {
		assert_int_equal(dev_counter(c, ca->dev_idx, t, 0), nr[t]);
		assert_int_equal(dev_counter(c, ca->dev_idx, t, 1), sectors[t]);
	}
	assert_int_equal(bch2_dev_buckets(ca, BCH_DATA_free), nr[BCH_DATA_free]);
	assert_true(ca->mi.freespace_initialized);
	free(info);
}

/* The steps of a first start, in the overlay of a filesystem that was only formatted. */
static void new_filesystem(void **state)
{
	struct bch_fs *c;

	shim_set_log_sink(drop_message, NULL);
	c = image_open("empty-v128-138", 0, false);
	assert_false(BCH_SB_INITIALIZED(c->disk_sb.sb));
	bch2_fs_members_start_init(c);
	for_each_online_member(c, ca) {
		struct bch_member m;

		assert_int_equal(bch2_dev_init_steps(c, ca), 0);
		m = bch2_sb_member_get(c->disk_sb.sb, ca->dev_idx);
		assert_int_equal(BCH_MEMBER_INITIALIZED(&m), BCH_MEMBER_INIT_initialized);
		assert_true(BCH_MEMBER_FREESPACE_INITIALIZED(&m));
		check_new_device(c, ca);
	}
	/* the marking may be repeated, and so may interrupted steps */
	assert_int_equal(bch2_trans_mark_dev_sbs(c), 0);
	assert_int_equal(bch2_fs_journal_alloc(c), 0);
	assert_int_equal(bch2_fs_freespace_init(c), 0);
	for_each_online_member(c, ca) {
		check_new_device(c, ca);
		assert_int_equal(bch2_dev_freespace_init(c, ca, 0, ca->mi.nbuckets), 0);
		check_new_device(c, ca);
	}
	image_close(c);
}

/* bucket_gens of a walk agrees with the alloc keys. */
static void gens(void **state)
{
	struct bch_fs *c;
	struct btree_trans *trans;
	struct bucket_info *info;
	u64 nr = 0;
	int ret;

	shim_set_log_sink(drop_message, NULL);
	c = image_open("small-612", 0, true);
	info = read_alloc(c, c->devs[0]);
	assert_int_equal(bch2_bucket_gens_init(c), 0);
	trans = bch2_trans_get(c);
	ret = for_each_btree_key(trans, iter, BTREE_ID_bucket_gens, POS_MIN, 0, k, ({
		for (unsigned i = 0; i < KEY_TYPE_BUCKET_GENS_NR; i++) {
			const u64 b = bucket_gens_pos_to_bucket(k.k->p, i).offset;

			if (b < c->devs[0]->mi.nbuckets)
				assert_int_equal(bkey_val(k, bucket_gens)->gens[i], info[b].gen);
			nr++;
		}
		0;
	}));
	assert_int_equal(ret, 0);
	assert_true(nr >= 256);
	bch2_trans_put(trans);
	free(info);
	image_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_images),
		cmocka_unit_test(new_filesystem),
		cmocka_unit_test(gens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
