// SPDX-License-Identifier: GPL-2.0
/*
 * Real filesystems, written by kernels: what their triggers left on disk must be
 * what ours would have left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "keys_common.h"
#include "recount.h"

#include "alloc/accounting_live.h"
#include "btree/commit.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "check/allocations.h"
#include "data/extents.h"
#include "init/fs.h"
#include "sb/fsck_err.h"
#include "tools-open.h"

#define DEVS_MAX	3

static const char *env(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return v ? v : otherwise;
}

/* For the encrypted ones; others do not look at it. */
static const char *passphrase_file(void)
{
	static char file[256];
	FILE *f;

	snprintf(file, sizeof(file), "%s/test-recount-%d.pass", env("TEST_TMPDIR", "/tmp"),
		 (int) getpid());
	f = fopen(file, "w");
	assert_non_null(f);
	fputs("oracle-pass", f);
	fclose(f);
	return file;
}

static struct bch_fs *open_fixture(const char *name, unsigned nr, char path[DEVS_MAX][256])
{
	struct bch_opts opts = bch2_opts_empty();
	char *paths[DEVS_MAX], cmd[1024], suffix[16] = "";
	const char *pass;
	struct bch_fs *c;

	for (unsigned i = 0; i < nr; i++) {
		if (nr > 1)
			snprintf(suffix, sizeof(suffix), "-%u", i);
		snprintf(path[i], sizeof(path[i]), "%s/test-recount-%d-%s%s.img",
			 env("TEST_TMPDIR", "/tmp"), (int) getpid(), name, suffix);
		snprintf(cmd, sizeof(cmd), "zstd -qdf --long=27 --sparse -o '%s' '%s/%s%s.img.zst'",
			 path[i], env("TEST_FIXTURES", "tests/fixtures"), name, suffix);
		assert_int_equal(system(cmd), 0);
		paths[i] = path[i];
	}

	pass = passphrase_file();
	tools_read_only_opts(&opts);
	c = tools_open_fs(paths, nr, &opts, pass);
	unlink(pass);
	assert_non_null(c);
	return c;
}

static void check(const char *name, unsigned nr_devs)
{
	char path[DEVS_MAX][256];
	struct bch_fs *c = open_fixture(name, nr_devs, path);
	struct recount r = {};

	assert_int_equal(recount_check(c, &r), 0);
	print_message("%s: %zu buckets, %zu counters, %zu index entries, %zu stripes, "
		      "%zu shared extents; %zu differ\n", name, r.buckets, r.counters, r.entries,
		      r.stripes, r.indirect, r.bad);
	bch2_fs_stop(c);
	for (unsigned i = 0; i < nr_devs; i++)
		unlink(path[i]);
	assert_true(r.buckets && r.counters && r.entries);
	assert_int_equal(r.bad, 0);
}

static void plain(void **state)
{
	check("small-138", 1);
	check("comp-138", 1);
	check("casefold-138", 1);
	check("nocow-falloc-138", 1);
	check("discard-138", 1);
	check("btree64k-138", 1);
}

static void snapshots_and_reflink(void **state)
{
	check("snaps-138", 1);
	check("source-138", 1);
}

static void several_devices(void **state)
{
	check("multi2-138", 2);
	check("cached-138", 2);
	check("multi3-ec-138", 3);
}

static void encrypted(void **state)
{
	check("encrypted-138", 1);
	check("enc-zstd-wide-138", 1);
}

/* Not clean: what the journal has is seen through the overlay. */
static void with_journal(void **state)
{
	check("unclean-138-1", 1);
	check("unclean-138-2", 1);
	check("unclean-138-3", 1);
}

/* The comparison itself: what is wrong is found. */
static void differences_are_found(void **state)
{
	char path[DEVS_MAX][256];
	struct bch_fs *c = open_fixture("small-138", 1, path);
	struct accounting_mem_entry e;
	struct recount r = {};
	s64 v[BCH_ACCOUNTING_MAX_COUNTERS] = { 12345 };

	/* one counter of the mirror; then the size of all nodes */
	assert_true(bch2_accounting_mem_next(c, POS_MIN, &e));
	bch2_accounting_mem_set(c, e.pos, v);
	assert_int_equal(recount_check(c, &r), 0);
	assert_int_equal(r.bad, 1);

	memset(&r, 0, sizeof(r));
	c->opts.btree_node_size /= 2;
	assert_int_equal(recount_check(c, &r), 0);
	assert_true(r.bad > 100);
	bch2_fs_stop(c);
	unlink(path[0]);
}

static void run_pass(struct bch_fs *c, unsigned every, u64 reports)
{
	const u64 before = c->fsck.nr_reported;

	WRITE_ONCE(c->btree.restart_fault_every, every);
	assert_int_equal(bch2_check_allocations(c), 0);
	WRITE_ONCE(c->btree.restart_fault_every, 0);
	assert_int_equal(c->fsck.nr_reported - before, reports);
}

/* A check that begins again at any lookup finds the same: nothing. */
static void restarts_change_nothing(void **state)
{
	static const struct { const char *name; unsigned nr; } fs[] = {
		{ "small-138", 1 }, { "multi3-ec-138", 3 }, { "unclean-138-1", 1 },
	};
	char path[DEVS_MAX][256];

	for (unsigned i = 0; i < ARRAY_SIZE(fs); i++) {
		struct bch_fs *c = open_fixture(fs[i].name, fs[i].nr, path);

		c->opts.fsck = true;
		run_pass(c, 3, 0);
		run_pass(c, 0, 0);
		bch2_fs_stop(c);
		for (unsigned j = 0; j < fs[i].nr; j++)
			unlink(path[j]);
	}
}

/* Give the first pointers of data a generation that no bucket has; their number. */
static unsigned hurt_gens(struct bch_fs *c, unsigned max)
{
	struct btree_trans *trans = bch2_trans_get(c);
	unsigned nr = 0;
	int ret;

	assert_false(IS_ERR(trans));
	ret = for_each_btree_key(trans, iter, BTREE_ID_extents, POS_MIN,
				 BTREE_ITER_all_snapshots, k, ({
		struct bkey_i *n;
		int r = 0;

		if (k.k->type == KEY_TYPE_extent && nr < max) {
			const struct bch_extent_ptr *p;

			n = bch2_bkey_copy_to_arena(trans, k, 0);
			assert_false(IS_ERR(n));
			const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(n));

			bkey_for_each_ptr(ptrs, p)
				SET_EXTENT_PTR_GEN((struct bch_extent_ptr *) p,
						   EXTENT_PTR_GEN(p) + 1);
			r = bch2_trans_update_exact(trans, NULL, BTREE_ID_extents, 0, n,
						    BTREE_TRIGGER_norun) ?:
				bch2_trans_commit(trans, NULL, NULL, 0);
			nr += !r;
		}
		r;
	}));
	bch2_trans_put(trans);
	assert_int_equal(ret, 0);
	return nr;
}

/* Every error is reported once, however often its key is looked at; then it is gone. */
static void repair_under_restarts(void **state)
{
	char path[DEVS_MAX][256];
	struct bch_fs *c = open_fixture("small-138", 1, path);
	unsigned nr = hurt_gens(c, 40);

	assert_int_equal(nr, 40);
	set_bit(BCH_FS_in_fsck, &c->flags);
	c->opts.fsck = true;

	/* left alone: they count nowhere, and what follows from that is not looked at */
	c->opts.errors = BCH_ON_ERROR_ro;
	c->opts.fix_errors = FSCK_FIX_no;
	WRITE_ONCE(c->btree.restart_fault_every, 23);
	assert_int_equal(bch2_check_allocations(c), 0);
	WRITE_ONCE(c->btree.restart_fault_every, 0);
	assert_int_equal(bch2_fsck_err_count(c, BCH_FSCK_ERR_ptr_gen_newer_than_bucket_gen), nr);

	c->opts.fix_errors = FSCK_FIX_yes;
	run_pass(c, 23, nr);
	assert_int_equal(bch2_fsck_err_count(c, BCH_FSCK_ERR_ptr_gen_newer_than_bucket_gen),
			 2 * nr);
	run_pass(c, 23, 0);
	bch2_fs_stop(c);
	unlink(path[0]);
}

static void older_versions(void **state)
{
	check("small-612", 1);
	check("snaps-612", 1);
	check("small-616", 1);
	check("snaps-616", 1);
	check("multi2-616", 2);
	check("comp-gzip-616", 1);
	check("comp-zstd-616", 1);
	check("nocow-616", 1);
	check("quota-616", 1);
	check("native128-616", 1);
	check("encrypted-616", 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(snapshots_and_reflink),
		cmocka_unit_test(several_devices),
		cmocka_unit_test(encrypted),
		cmocka_unit_test(with_journal),
		cmocka_unit_test(older_versions),
		cmocka_unit_test(differences_are_found),
		cmocka_unit_test(restarts_change_nothing),
		cmocka_unit_test(repair_under_restarts),
	};

	/* one image by name: NAME DEVICES */
	if (argc == 3) {
		check(argv[1], atoi(argv[2]));
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
