// SPDX-License-Identifier: GPL-2.0
/*
 * Backpointers of real images: which shift they use, and that each pointer of a
 * data key calls for exactly the entry that is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "keys_common.h"

#include <shim/log.h>

#include "alloc/backpointers.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "init/fs.h"
#include "sb/members.h"

#define DEVS_MAX	3

static void drop_message(int level, const char *text, void *arg)
{
}

static const char *env(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return v ? v : otherwise;
}

/* Unpack @name, or @name-0 and so on, and open it read-only. */
static struct bch_fs *open_fixture(const char *name, unsigned nr, char path[DEVS_MAX][256])
{
	struct bch_opts opts = bch2_opts_empty();
	const char *paths[DEVS_MAX];
	char cmd[1024], suffix[16] = "";
	struct bch_fs *c;

	for (unsigned i = 0; i < nr; i++) {
		if (nr > 1)
			snprintf(suffix, sizeof(suffix), "-%u", i);
		snprintf(path[i], sizeof(path[i]), "%s/test-keys-%d-%s%s.img",
			 env("TEST_TMPDIR", "/tmp"), (int) getpid(), name, suffix);
		snprintf(cmd, sizeof(cmd), "zstd -qdf --long=27 --sparse -o '%s' '%s/%s%s.img.zst'",
			 path[i], env("TEST_FIXTURES", "tests/fixtures"), name, suffix);
		assert_int_equal(system(cmd), 0);
		paths[i] = path[i];
	}

	opt_set(opts, nochanges,	true);
	opt_set(opts, read_only,	true);
	opt_set(opts, norecovery,	true);
	c = bch2_fs_open(paths, nr, &opts);
	assert_false(IS_ERR(c));
	assert_int_equal(bch2_fs_start(c), 0);
	return c;
}

/* Entries of pointers that exist nowhere, or are no longer valid. */
static bool has_no_entry(struct bch_fs *c, const struct extent_ptr_decoded *p)
{
	return !bch2_dev_have(c, EXTENT_PTR_DEV(&p->ptr)) &&
		!(p->has_ec && EXTENT_PTR_DEV(&p->ptr) == BCH_SB_MEMBER_INVALID);
}

/* All pointers of a data btree; returns how many, fails on the first without its entry. */
static unsigned check_btree(struct btree_trans *trans, unsigned btree, unsigned shift)
{
	struct bch_fs *c = trans->c;
	unsigned nr = 0;

	int ret = for_each_btree_key(trans, iter, btree, POS_MIN,
				     BTREE_ITER_all_snapshots|BTREE_ITER_prefetch, k, ({
		struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
		const union bch_extent_entry *e;
		struct extent_ptr_decoded p;

		bkey_for_each_ptr_decode(k.k, ptrs, p, e) {
			struct backpointer_key want;
			struct bch_backpointer v;

			if (has_no_entry(c, &p))
				continue;
			want = bch2_ptr_to_backpointer(c, btree, 0, k, &p, shift);
			assert_int_equal(bch2_bkey_get_val_typed(trans,
					want.stripe_btree ? BTREE_ID_stripe_backpointers
							  : BTREE_ID_backpointers,
					want.pos, 0, backpointer, &v), 0);
			/* older entries may have something else in the place of the flags */
			if (c->sb.version_upgrade_complete < BCH_VERSION(1, 33))
				v.flags = want.v.flags = 0;
			assert_memory_equal(&v, &want.v, sizeof(v));
			nr++;
		}
		0;
	}));

	assert_int_equal(ret, 0);
	return nr;
}

static void check_image(const char *name, unsigned nr_devs, unsigned field, unsigned really)
{
	char path[DEVS_MAX][256];
	struct bch_fs *c = open_fixture(name, nr_devs, path);
	struct btree_trans *trans = bch2_trans_get(c);
	unsigned shift = 0, nr = 0;

	assert_int_equal(bch2_backpointer_shift(c), field);
	assert_int_equal(bch2_backpointer_shift_detect(trans, &shift), 0);
	assert_int_equal(shift, really);
	nr += check_btree(trans, BTREE_ID_extents, shift);
	nr += check_btree(trans, BTREE_ID_reflink, shift);
	nr += check_btree(trans, BTREE_ID_stripes, shift);
	assert_true(nr > 50);
	print_message("%s: %u pointers\n", name, nr);

	bch2_trans_put(trans);
	bch2_fs_stop(c);
	for (unsigned i = 0; i < nr_devs; i++)
		unlink(path[i]);
}

static void one_device(void **state)
{
	check_image("small-138", 1, 16, 16);
	check_image("comp-138", 1, 16, 16);
}

/* The superblock says 16, the kernel that wrote the entries used 10. */
static void shift_of_old_kernels(void **state)
{
	check_image("native128-616", 1, 16, 10);
	check_image("comp-lz4-616", 1, 16, 10);
	check_image("small-616", 1, 10, 10);
}

static void stripes_and_copies(void **state)
{
	check_image("multi3-ec-138", 3, 16, 16);
	check_image("cached-138", 2, 16, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_device),
		cmocka_unit_test(shift_of_old_kernels),
		cmocka_unit_test(stripes_and_copies),
	};

	shim_set_log_sink(drop_message, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
