// SPDX-License-Identifier: GPL-2.0
/*
 * Starting real filesystems whose superblock and journal contradict each
 * other: which of clean section, journal and fallback is used, what is
 * reported, and that the btrees are the same in the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "bcachefs.h"
#include "btree/iter.h"
#include "init/fs.h"
#include "init/passes.h"
#include "journal/read.h"
#include "journal/seq_blacklist.h"
#include "sb/clean.h"
#include "sb/field.h"
#include "sb/fsck_err.h"
#include "sb/io.h"
#include "sb/members.h"
#include "shim/log.h"

struct image {
	char		path[512];
	struct bch_sb_handle sb;	/* what is on the device, to be changed and written */
};

static void quiet(int level, const char *text, void *arg)
{
}

static const char *env(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return v ? v : otherwise;
}

static struct bch_opts read_opts(void)
{
	struct bch_opts opts = bch2_opts_empty();

	opt_set(opts, nochanges,	true);
	opt_set(opts, norecovery,	true);
	opt_set(opts, errors,		BCH_ON_ERROR_continue);
	opt_set(opts, degraded,		BCH_DEGRADED_very);
	return opts;
}

static void unpack(struct image *im, const char *name)
{
	struct bch_opts opts = read_opts();
	char cmd[1400];

	memset(im, 0, sizeof(*im));
	snprintf(im->path, sizeof(im->path), "%s/test-start-%d-%s.img",
		 env("TEST_TMPDIR", "/tmp"), (int) getpid(), name);
	snprintf(cmd, sizeof(cmd), "zstd -qdf --long=27 --sparse -o '%s' '%s/%s.img.zst' && "
		 "chmod u+w '%s'", im->path, env("TEST_FIXTURES", "tests/fixtures"), name,
		 im->path);
	assert_int_equal(system(cmd), 0);
	assert_int_equal(bch2_read_super(im->path, &opts, &im->sb), 0);
}

static void pwrite_all(struct image *im, const void *buf, size_t bytes, off_t offset)
{
	const int fd = open(im->path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, buf, bytes, offset), bytes);
	close(fd);
}

/* Write im->sb to all places of its layout. */
static void write_super(struct image *im)
{
	struct bch_sb *sb = im->sb.sb;

	for (unsigned i = 0; i < sb->layout.nr_superblocks; i++) {
		sb->offset = sb->layout.sb_offset[i];
		sb->csum = bch2_checksum(BCH_SB_CSUM_TYPE(sb), bch2_null_nonce(), NULL,
					 (u8 *) sb + sizeof(sb->csum),
					 bch2_sb_bytes(sb) - sizeof(sb->csum));
		pwrite_all(im, sb, bch2_sb_bytes(sb), le64_to_cpu(sb->offset) * 512);
	}
}

static struct bch_fs *open_image(struct image *im, struct bch_opts *opts)
{
	const char *path = im->path;
	struct bch_fs *c = bch2_fs_open(&path, 1, opts);

	assert_false(IS_ERR(c));
	return c;
}

static struct bch_fs *start(struct image *im, struct bch_opts opts, int *ret)
{
	struct bch_fs *c = open_image(im, &opts);

	*ret = bch2_fs_start(c);
	return c;
}

static void image_free(struct image *im)
{
	bch2_free_super(&im->sb);
	unlink(im->path);
}

/* Overwrite every journal bucket. */
static void wipe_journal(struct image *im)
{
	struct bch_opts opts = read_opts();
	struct bch_fs *c = open_image(im, &opts);
	struct bch_dev *ca = bch2_dev(c, 0);
	const size_t bytes = (size_t) ca->mi.bucket_size * 512;
	void *zero = calloc(1, bytes);

	for (unsigned i = 0; i < ca->journal.nr; i++)
		pwrite_all(im, zero, bytes, (off_t) ca->journal.buckets[i] * bytes);
	free(zero);
	bch2_fs_stop(c);
}

/* Number and positions of all keys, and versions of the file system's own. */
static u64 fingerprint(struct bch_fs *c)
{
	struct btree_trans *trans = bch2_trans_get(c);
	u64 h = 14695981039346656037ULL;

	for (unsigned b = 0; b < BTREE_ID_NR; b++)
		assert_int_equal(for_each_btree_key(trans, iter, b, POS_MIN,
				BTREE_ITER_all_snapshots|BTREE_ITER_prefetch, k, ({
			h = (h ^ b ^ k.k->type) * 1099511628211ULL;
			h = (h ^ k.k->p.inode) * 1099511628211ULL;
			h = (h ^ k.k->p.offset) * 1099511628211ULL;
			h = (h ^ k.k->p.snapshot) * 1099511628211ULL;
			0;
		})), 0);
	bch2_trans_put(trans);
	return h;
}

#define ERRS(_c, _id)	((unsigned) bch2_fsck_err_count(_c, BCH_FSCK_ERR_##_id))

#define CLEAN_IMAGE	"csum-crc64-616"

static u64 clean_fingerprint;

static void clean(void **state)
{
	struct image im;
	struct bch_fs *c;
	int ret;

	unpack(&im, CLEAN_IMAGE);
	c = start(&im, read_opts(), &ret);
	assert_int_equal(ret, 0);
	assert_true(c->recovery.is_clean);
	assert_int_equal(c->journal.entries.nr, 0);
	assert_int_equal(c->journal.start.cur_seq,
			 le64_to_cpu(c->recovery.clean->journal_seq) + 1);
	assert_int_equal(c->fsck.nr_reported, 0);
	clean_fingerprint = fingerprint(c);
	assert_int_equal(bch2_fs_stop(c), 0);
	image_free(&im);
}

/* Both are read, and agree. */
static void clean_with_journal(void **state)
{
	struct bch_opts opts = read_opts();
	struct image im;
	struct bch_fs *c;
	int ret;

	unpack(&im, CLEAN_IMAGE);
	opt_set(opts, retain_recovery_info, true);
	c = start(&im, opts, &ret);
	assert_int_equal(ret, 0);
	assert_true(c->recovery.is_clean);
	assert_true(c->journal.start.clean);
	assert_int_equal(c->fsck.nr_reported, 0);
	assert_int_equal(fingerprint(c), clean_fingerprint);
	bch2_fs_stop(c);
	image_free(&im);
}

/* Without the flag the journal says the same. */
static void dirty_flag(void **state)
{
	struct image im;
	struct bch_fs *c;
	int ret;

	unpack(&im, CLEAN_IMAGE);
	SET_BCH_SB_CLEAN(im.sb.sb, 0);
	write_super(&im);
	c = start(&im, read_opts(), &ret);
	assert_int_equal(ret, 0);
	assert_false(c->recovery.is_clean);
	assert_true(c->journal.start.clean);
	/* what was under way when it ended is void */
	assert_true(bch2_journal_seq_is_blacklisted(c, c->journal.start.seq_read_end + 1, false));
	assert_false(bch2_journal_seq_is_blacklisted(c, c->journal.start.seq_read_end, false));
	assert_true(c->journal.start.cur_seq > c->journal.start.seq_read_end + 4000);
	assert_int_equal(fingerprint(c), clean_fingerprint);
	bch2_fs_stop(c);
	image_free(&im);
}

static void clean_section_missing(void **state)
{
	struct image im;
	struct bch_fs *c;
	int ret;

	unpack(&im, CLEAN_IMAGE);
	assert_null(bch2_sb_field_resize(&im.sb, clean, 0));
	write_super(&im);
	c = start(&im, read_opts(), &ret);
	assert_int_equal(ret, 0);
	assert_int_equal(ERRS(c, sb_clean_missing), 1);
	assert_false(c->recovery.is_clean);
	assert_int_equal(fingerprint(c), clean_fingerprint);
	bch2_fs_stop(c);
	image_free(&im);
}

/* The clean section is older than the journal, which is not empty above it. */
static void clean_seq_wrong(void **state)
{
	struct bch_opts opts = read_opts();
	struct bch_sb_field_clean *f;
	struct image im;
	struct bch_fs *c;
	int ret;

	unpack(&im, CLEAN_IMAGE);
	f = bch2_sb_field_get(im.sb.sb, clean);
	le64_add_cpu(&f->journal_seq, 5);
	write_super(&im);
	opt_set(opts, retain_recovery_info, true);
	c = start(&im, opts, &ret);
	assert_int_equal(ret, 0);
	assert_int_equal(ERRS(c, sb_clean_journal_seq_mismatch), 1);
	assert_null(c->recovery.clean);
	assert_int_equal(fingerprint(c), clean_fingerprint);
	bch2_fs_stop(c);
	image_free(&im);
}

/* Apply @fn to the root record of @btree in the clean section. */
static void change_root(struct image *im, unsigned btree, void (*fn)(struct jset_entry *))
{
	struct bch_sb_field_clean *f = bch2_sb_field_get(im->sb.sb, clean);

	for_each_clean_entry(f, e)
		if (e->type == BCH_JSET_ENTRY_btree_root && e->btree_id == btree)
			fn(e);
	write_super(im);
}

static void root_version(struct jset_entry *e)
{
	struct bkey_i *k = (struct bkey_i *) (e + 1);

	k->k.bversion.lo ^= 1;
}

static void root_unusable(struct jset_entry *e)
{
	struct bkey_i *k = (struct bkey_i *) (e + 1);

	k->k.u64s = 3;
}

static void root_elsewhere(struct jset_entry *e)
{
	struct bch_btree_ptr_v2 *p = (void *) ((struct bkey_i *) (e + 1) + 1);

	p->seq ^= cpu_to_le64(1);
}

static void root_huge_id(struct jset_entry *e)
{
	e->btree_id = 200;
}

static void clean_root_differs(void **state)
{
	struct bch_opts opts = read_opts();
	struct image im;
	struct bch_fs *c;
	int ret;

	unpack(&im, CLEAN_IMAGE);
	change_root(&im, BTREE_ID_dirents, root_version);
	opt_set(opts, retain_recovery_info, true);
	c = start(&im, opts, &ret);
	assert_int_equal(ret, 0);
	assert_int_equal(ERRS(c, sb_clean_btree_root_mismatch), 1);
	assert_non_null(c->recovery.clean);
	assert_int_equal(fingerprint(c), clean_fingerprint);
	bch2_fs_stop(c);
	image_free(&im);
}

/* Roots that cannot be used, without the right to change anything: in memory all is repaired. */
static void root_damaged(void **state)
{
	static const struct {
		void		(*fn)(struct jset_entry *);
		unsigned	id;
	} how[] = {
		{ root_unusable,	BCH_FSCK_ERR_btree_root_bkey_invalid },
		{ root_elsewhere,	BCH_FSCK_ERR_btree_root_read_error },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(how); i++) {
		struct image im;
		struct bch_fs *c;
		int ret;

		unpack(&im, CLEAN_IMAGE);
		change_root(&im, BTREE_ID_dirents, how[i].fn);
		change_root(&im, BTREE_ID_lru, how[i].fn);
		c = start(&im, read_opts(), &ret);
		assert_int_equal(ret, 0);
		assert_int_equal(bch2_fsck_err_count(c, how[i].id), 2);
		/* one that can be rebuilt is empty, the other gets the leaves that are found */
		assert_int_equal(c->btree.roots[BTREE_ID_dirents].error, 0);
		assert_true(c->btree.roots[BTREE_ID_dirents].fake);
		assert_int_equal(c->btree.roots[BTREE_ID_lru].error, 0);
		assert_true(c->btree.roots[BTREE_ID_lru].fake);
		assert_non_null(c->btree.roots[BTREE_ID_inodes].b);
		assert_true(c->recovery.lost_data & BIT_ULL(BTREE_ID_dirents));
		assert_true(c->recovery.passes_complete &
			    BIT_ULL(BCH_RECOVERY_PASS_scan_for_btree_nodes));
		assert_true(c->recovery.passes_complete &
			    BIT_ULL(BCH_RECOVERY_PASS_check_topology));
		assert_int_equal(bch2_fs_stop(c), -BCH_ERR_shutdown_with_errors_unfixed);
		image_free(&im);
	}
}

static void root_of_impossible_btree(void **state)
{
	struct image im;
	struct bch_fs *c;
	int ret;

	unpack(&im, CLEAN_IMAGE);
	change_root(&im, BTREE_ID_quotas, root_huge_id);
	change_root(&im, BTREE_ID_bucket_gens, root_huge_id);
	c = start(&im, read_opts(), &ret);
	assert_int_equal(ret, 0);
	assert_true(ERRS(c, invalid_btree_id) >= 1);
	bch2_fs_stop(c);
	image_free(&im);
}

/* Marked clean, but the journal would have to be replayed: the journal is right. */
static void clean_flag_wrong(void **state)
{
	struct bch_opts opts = read_opts();
	struct image im;
	struct bch_fs *c;
	u64 want;
	int ret;

	unpack(&im, "unclean-616-1");
	c = start(&im, read_opts(), &ret);
	assert_int_equal(ret, 0);
	assert_true(c->journal.keys.nr > 100);
	want = fingerprint(c);
	bch2_fs_stop(c);

	if (!bch2_sb_field_get(im.sb.sb, clean)) {
		struct bch_sb_field_clean *f = bch2_sb_field_resize(&im.sb, clean, 3);

		assert_non_null(f);
	}
	SET_BCH_SB_CLEAN(im.sb.sb, 1);
	write_super(&im);
	opt_set(opts, retain_recovery_info, true);
	c = start(&im, opts, &ret);
	assert_int_equal(ret, 0);
	assert_int_equal(ERRS(c, clean_but_journal_not_empty), 1);
	assert_true(c->recovery.was_clean && !c->recovery.is_clean);
	assert_int_equal(fingerprint(c), want);
	bch2_fs_stop(c);
	image_free(&im);
}

static void no_journal(void **state)
{
	struct bch_opts opts = read_opts();
	struct image im;
	struct bch_fs *c;
	int ret;

	unpack(&im, CLEAN_IMAGE);
	wipe_journal(&im);

	/* clean: not looked at */
	c = start(&im, read_opts(), &ret);
	assert_int_equal(ret, 0);
	assert_int_equal(fingerprint(c), clean_fingerprint);
	bch2_fs_stop(c);

	/* looked at: nothing there, so the clean section is all there is */
	opt_set(opts, retain_recovery_info, true);
	c = start(&im, opts, &ret);
	assert_int_equal(ret, 0);
	assert_int_equal(ERRS(c, dirty_but_no_journal_entries), 1);
	assert_int_equal(fingerprint(c), clean_fingerprint);
	bch2_fs_stop(c);

	/* unclean: nothing to begin with */
	SET_BCH_SB_CLEAN(im.sb.sb, 0);
	write_super(&im);
	c = start(&im, read_opts(), &ret);
	assert_int_equal(ret, -BCH_ERR_fsck_repair_impossible);
	bch2_fs_stop(c);
	image_free(&im);
}

/* What this version cannot do is refused before anything is read or written. */
static void refused(void **state)
{
	struct bch_opts opts = read_opts();
	struct image im;
	struct bch_fs *c;
	int ret;

	unpack(&im, CLEAN_IMAGE);
	opt_set(opts, journal_rewind, 3);
	c = start(&im, opts, &ret);
	assert_int_equal(ret, -EOPNOTSUPP);
	bch2_fs_stop(c);

	opts = read_opts();
	opt_set(opts, no_version_check, true);
	c = start(&im, opts, &ret);
	assert_int_not_equal(ret, 0);
	bch2_fs_stop(c);

	/* older than anything that can be read */
	im.sb.sb->version_min = cpu_to_le16(BCH_VERSION(0, 13));
	write_super(&im);
	c = start(&im, read_opts(), &ret);
	assert_int_equal(ret, -BCH_ERR_invalid_sb_version);
	bch2_fs_stop(c);
	image_free(&im);
}

/* --- passes --- */

static void passes(void **state)
{
	struct bch_fs *c = calloc(1, sizeof(*c));
	u64 p;

	assert_int_equal(bch2_recovery_passes_match(PASS_FSCK), BCH_RECOVERY_PASSES_FSCK);
	assert_int_equal(bch2_recovery_passes_to_stable(BCH_RECOVERY_PASSES_FSCK),
			 BCH_RECOVERY_PASSES_FSCK_STABLE);
	assert_int_equal(bch2_recovery_passes_from_stable(BCH_RECOVERY_PASSES_FSCK_STABLE),
			 BCH_RECOVERY_PASSES_FSCK);
	assert_int_equal(bch2_recovery_passes_from_stable(1ULL << 63), 0);
	assert_int_equal(bch2_recovery_pass_by_name("check_nlinks", 12),
			 BCH_RECOVERY_PASS_check_nlinks);
	assert_int_equal(bch2_recovery_pass_by_name("check_nlink", 11), -ENOENT);

	p = bch2_recovery_passes_select(c);
	assert_int_equal(p, bch2_recovery_passes_match(PASS_ALWAYS));

	c->opts.recovery_pass_last = BCH_RECOVERY_PASS_snapshots_read;
	c->recovery.required_stable = BIT_ULL(BCH_RECOVERY_PASS_STABLE_check_topology) |
		BIT_ULL(BCH_RECOVERY_PASS_STABLE_check_inodes);
	p = bch2_recovery_passes_select(c);
	assert_true(p & BIT_ULL(BCH_RECOVERY_PASS_check_topology));
	assert_false(p & BIT_ULL(BCH_RECOVERY_PASS_check_inodes));

	c->opts.recovery_pass_last = 0;
	c->opts.fsck = true;
	c->opts.recovery_passes_exclude = ~0ULL;
	assert_int_equal(bch2_recovery_passes_select(c),
			 BIT_ULL(BCH_RECOVERY_PASS_set_may_go_rw));

	c->opts.recovery_passes_exclude = 0;
	c->sb.features = BCH_FEATURE_BIT(no_alloc_info);
	assert_int_equal(bch2_recovery_passes_select(c) & bch2_recovery_passes_match(PASS_ALLOC),
			 0);
	free(c);
}

/* A request for an earlier pass makes the loop go back, once. */
static void request(void **state)
{
	struct bch_fs *c = calloc(1, sizeof(*c));
	struct bch_fs_recovery *r = &c->recovery;

	set_bit(BCH_FS_in_recovery, &c->flags);
	r->running	= true;
	r->curr_pass	= BCH_RECOVERY_PASS_snapshots_read;

	assert_int_equal(bch2_run_explicit_recovery_pass(c, BCH_RECOVERY_PASS_check_topology),
			 -BCH_ERR_restart_recovery);
	assert_int_equal(r->rewound_to, BCH_RECOVERY_PASS_check_topology + 1);
	assert_true(r->required_stable & BIT_ULL(BCH_RECOVERY_PASS_STABLE_check_topology));

	/* complete: not again */
	r->passes_complete |= BIT_ULL(BCH_RECOVERY_PASS_check_topology);
	r->passes_to_run = 0;
	assert_int_equal(bch2_request_stable_pass(c, BCH_RECOVERY_PASS_STABLE_check_topology), 0);
	assert_int_equal(r->passes_to_run, 0);

	/* not built: remembered, and no reason to stop */
	assert_int_equal(bch2_run_explicit_recovery_pass(c, BCH_RECOVERY_PASS_check_dirents), 0);
	assert_int_equal(bch2_recovery_passes_not_checked(c),
			 BIT_ULL(BCH_RECOVERY_PASS_check_dirents));
	assert_int_equal(bch2_request_stable_pass(c, 60), 0);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean),
		cmocka_unit_test(clean_with_journal),
		cmocka_unit_test(dirty_flag),
		cmocka_unit_test(clean_section_missing),
		cmocka_unit_test(clean_seq_wrong),
		cmocka_unit_test(clean_root_differs),
		cmocka_unit_test(root_damaged),
		cmocka_unit_test(root_of_impossible_btree),
		cmocka_unit_test(clean_flag_wrong),
		cmocka_unit_test(no_journal),
		cmocka_unit_test(refused),
		cmocka_unit_test(passes),
		cmocka_unit_test(request),
	};

	if (!getenv("TEST_VERBOSE"))
		shim_set_log_sink(quiet, NULL);
	return cmocka_run_group_tests_name("init: starting", tests, NULL, NULL);
}
