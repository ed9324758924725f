// SPDX-License-Identifier: GPL-2.0
/*
 * Real filesystems opened, started and walked with too little memory: each
 * allocation fails in a run of its own, until a run needs no more of them. Every
 * run succeeds or ends with ENOMEM; none says that something is damaged, and
 * none leaves anything behind (with a leak checker).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "bcachefs.h"
#include "btree/iter.h"
#include "check/check.h"
#include "data/read.h"
#include "fs/inode.h"
#include "fs/namei.h"
#include "init/fs.h"
#include "shim/faults.h"
#include "shim/log.h"

struct alloc_fault {
	unsigned	nr, fail_at;	/* the first one is 1 */
	bool		failed;
};

static bool fail_one(size_t size, gfp_t gfp, void *arg)
{
	struct alloc_fault *f = arg;

	if (__atomic_add_fetch(&f->nr, 1, __ATOMIC_SEQ_CST) != f->fail_at)
		return false;
	f->failed = true;
	return true;
}

static struct alloc_fault	fault;
static char			paths[4][512];
static char			last_error[512];

static void remember(int level, const char *text, void *arg)
{
	if (level >= 0 && level <= 3)
		snprintf(last_error, sizeof(last_error), "%s", text);
}

static const char *env(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return v ? v : otherwise;
}

static void unpack(unsigned i, const char *name)
{
	char cmd[1400];

	snprintf(paths[i], sizeof(paths[i]), "%s/test-nomem-%d-%s.img", env("TEST_TMPDIR", "/tmp"),
		 (int) getpid(), name);
	snprintf(cmd, sizeof(cmd), "zstd -qdf --long=27 --sparse -o '%s' '%s/%s.img.zst'",
		 paths[i], env("TEST_FIXTURES", "tests/fixtures"), name);
	assert_int_equal(system(cmd), 0);
}

/* --- what is done with a filesystem --- */

struct walk {
	struct bch_fs	*c;
	u64		nr, bytes, sum;
	int		ret;
};

static int visit(void *priv, const struct bch_dirent_view *d)
{
	struct walk *w = priv;

	w->nr++;
	w->bytes += d->name_len;
	return 0;
}

static int attr(void *priv, const struct bch_xattr_view *x)
{
	struct walk *w = priv;

	w->bytes += x->value_len;
	return 0;
}

/* Every inode: attributes and names in it, or the beginning of its data. */
static int walk_inode(struct walk *w, struct bpos pos)
{
	const struct bch_subvol_inum at = {
		.subvol = 1, .snapshot = pos.snapshot, .inum = pos.offset
	};
	struct bch_inode_unpacked inode;
	static u8 buf[64 << 10];
	u64 offset = 0, len;
	int ret;

	ret = bch2_inode_find(w->c, at.inum, at.snapshot, &inode) ?:
		bch2_xattr_list(w->c, at.inum, at.snapshot, attr, w);
	if (ret)
		return ret;
	if ((inode.bi_mode & 0170000) == 0040000)
		return bch2_readdir(w->c, &at, &offset, visit, w);
	len = min(inode.bi_size, (u64) sizeof(buf));
	ret = bch2_file_read(w->c, at.snapshot, at.inum, 0, buf, len, NULL);
	for (u64 i = 0; i < len && !ret; i++)
		w->sum = w->sum * 31 + buf[i];
	return ret;
}

static int walk_inodes(struct walk *w)
{
	struct btree_trans *trans = bch2_trans_get(w->c);
	int ret;

	ret = for_each_btree_key(trans, iter, BTREE_ID_inodes, POS_MIN,
				 BTREE_ITER_all_snapshots, k,
				 bkey_is_inode(k.k) ? walk_inode(w, k.k->p) : 0);
	bch2_trans_put(trans);
	return ret;
}

static int check_all(struct walk *w)
{
	struct bch_check_summary *s = calloc(1, sizeof(*s));
	int ret = bch2_check_btrees(w->c, s);

	w->nr = s->keys;
	free(s);
	return ret;
}

/* --- the loop --- */

/* Open, start, @work. What it found is in @w. */
static int run(unsigned nr_paths, int (*work)(struct walk *), struct walk *w)
{
	const char *p[] = { paths[0], paths[1], paths[2], paths[3] };
	struct bch_opts opts = bch2_opts_empty();
	int ret;

	opt_set(opts, nochanges,	true);
	opt_set(opts, read_only,	true);
	opt_set(opts, errors,		BCH_ON_ERROR_continue);
	opt_set(opts, degraded,		BCH_DEGRADED_very);

	memset(w, 0, sizeof(*w));
	w->c = bch2_fs_open(p, nr_paths, &opts);
	if (IS_ERR(w->c))
		return PTR_ERR(w->c);
	ret = bch2_fs_start(w->c) ?: work(w);
	if (w->c->fsck.nr_reported)
		print_error("reported after a failed allocation: %s\n", last_error);
	assert_int_equal(w->c->fsck.nr_reported, 0);
	assert_int_equal(w->c->recovery.lost_data, 0);
	assert_int_equal(bch2_fs_stop(w->c), 0);
	return ret;
}

static void every_allocation_fails(unsigned nr_paths, int (*work)(struct walk *))
{
	const struct shim_fault_hooks hooks = { .alloc = fail_one, .arg = &fault };
	/* where each run takes long, some allocations stand for all */
	/* all of them take minutes: a part of them every time */
	const unsigned step = getenv("BCACHEFS_EVERY_ALLOCATION") ? 1 :
		getenv("BCACHEFS_VALGRIND") ? 41 : 13;
	struct walk want, w;

	assert_int_equal(run(nr_paths, work, &want), 0);
	assert_true(want.nr > 0);

	for (unsigned at = 1;; at += step) {
		int ret;

		fault = (struct alloc_fault) { .fail_at = at };
		last_error[0] = '\0';
		shim_set_fault_hooks(&hooks);
		ret = run(nr_paths, work, &w);
		shim_set_fault_hooks(NULL);

		if (ret && !bch2_err_matches(ret, ENOMEM))
			fail_msg("allocation %u: %s (%s)", at, bch2_err_str(ret), last_error);
		if (!ret && (w.nr != want.nr || w.bytes != want.bytes || w.sum != want.sum))
			fail_msg("allocation %u: something else was read", at);
		if (!fault.failed) {
			assert_true(at > 100);
			print_message("%u allocations\n", fault.nr);
			break;
		}
	}
	for (unsigned i = 0; i < nr_paths; i++)
		unlink(paths[i]);
}

static void clean(void **state)
{
	unpack(0, "casefold-138");
	every_allocation_fails(1, walk_inodes);
}

static void clean_check(void **state)
{
	unpack(0, "casefold-138");
	every_allocation_fails(1, check_all);
}

static void two_devices(void **state)
{
	unpack(0, "multi2-138-0");
	unpack(1, "multi2-138-1");
	every_allocation_fails(2, walk_inodes);
}

static void unclean(void **state)
{
	unpack(0, "unclean-138-1");
	every_allocation_fails(1, walk_inodes);
}

static void compressed(void **state)
{
	unpack(0, "comp-138");
	every_allocation_fails(1, walk_inodes);
}

/* Without the second device: what is on it is computed, with the help of other keys. */
static void erasure_coded(void **state)
{
	unpack(0, "multi3-ec-138-0");
	unpack(1, "multi3-ec-138-2");
	every_allocation_fails(2, walk_inodes);
}

/* Only cached copies are left: are they still what they were? */
static void cached(void **state)
{
	unpack(0, "cached-138-0");
	every_allocation_fails(1, walk_inodes);
}

/* A cached copy whose generation cannot be looked up now is not one that is gone. */
static void no_memory_is_not_stale(void **state)
{
	struct bch_opts opts = bch2_opts_empty();
	const char *p[] = { paths[0] };
	struct btree_root *alloc;
	struct btree *b;
	struct walk w;

	unpack(0, "cached-138-0");
	opt_set(opts, nochanges,	true);
	opt_set(opts, read_only,	true);
	opt_set(opts, degraded,		BCH_DEGRADED_very);
	memset(&w, 0, sizeof(w));
	w.c = bch2_fs_open(p, 1, &opts);
	assert_false(IS_ERR(w.c));
	assert_int_equal(bch2_fs_start(w.c), 0);

	alloc = &w.c->btree.roots[BTREE_ID_alloc];
	b = alloc->b;
	alloc->b = NULL;
	alloc->error = -BCH_ERR_ENOMEM_btree_node_mem;
	assert_true(bch2_err_matches(walk_inodes(&w), ENOMEM));

	alloc->b = b;
	alloc->error = 0;
	assert_int_equal(walk_inodes(&w), 0);
	assert_int_equal(bch2_fs_stop(w.c), 0);
	unlink(paths[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean),
		cmocka_unit_test(clean_check),
		cmocka_unit_test(two_devices),
		cmocka_unit_test(unclean),
		cmocka_unit_test(compressed),
		cmocka_unit_test(erasure_coded),
		cmocka_unit_test(cached),
		cmocka_unit_test(no_memory_is_not_stale),
	};

	shim_set_log_sink(remember, NULL);
	if (getenv("TEST_FILTER"))
		cmocka_set_test_filter(getenv("TEST_FILTER"));
	return cmocka_run_group_tests_name("no memory", tests, NULL, NULL);
}
