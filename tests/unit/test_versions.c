// SPDX-License-Identifier: GPL-2.0
/*
 * What a start makes of the versions in a superblock, before it reads anything
 * (spec 12 §5 to §7): real superblocks with other versions put into them, in
 * memory, and the decision looked at there. Nothing is started.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "init/fs.h"
#include "init/passes.h"
#include "init/recovery.h"
#include "recover_common.h"
#include "sb/downgrade_format.h"
#include "sb/field.h"
#include "sb/io.h"

/* All passes that some version's upgrade asks for and that may be missing. */
#define ANY_PASS	(~0ULL >> (64 - BCH_RECOVERY_PASS_NR))

static char image[512];

/* Versions of the superblock: complete 0 means that the field is not in use. */
struct versions {
	unsigned	version, complete, incompat, allowed;
	int		option;		/* version_upgrade */
	bool		nochanges;
	u64		exclude;	/* passes, run numbers */
};

static struct bch_fs *open_as(const struct versions *v)
{
	struct bch_opts opts = bch2_opts_empty();
	const char *p[] = { image };
	struct bch_fs *c;
	struct bch_sb *sb;

	opt_set(opts, nostart, true);
	opt_set(opts, noexcl, true);
	opt_set(opts, nochanges, true);
	opt_set(opts, version_upgrade, v->option);
	opt_set(opts, recovery_passes_exclude, v->exclude);
	c = bch2_fs_open(p, 1, &opts);
	assert_false(IS_ERR(c));
	c->opts.nochanges = v->nochanges;

	sb = c->disk_sb.sb;
	sb->version = sb->version_min = cpu_to_le16(v->version);
	SET_BCH_SB_VERSION_UPGRADE_COMPLETE(sb, v->complete);
	SET_BCH_SB_VERSION_INCOMPAT(sb, v->incompat);
	SET_BCH_SB_VERSION_INCOMPAT_ALLOWED(sb, v->allowed);
	SET_BCH_SB_ERROR_ACTION(sb, BCH_ON_ERROR_ro);
	sb->features[0] &= ~cpu_to_le64(BCH_FEATURE_BIT(incompat_version_field));
	bch2_sb_to_cpu(c);
	return c;
}

static struct bch_sb_field_ext *ext_of(struct bch_fs *c)
{
	return bch2_sb_field_get(c->disk_sb.sb, ext);
}

static u64 required(struct bch_fs *c)
{
	/* memory and superblock say the same */
	assert_int_equal(le64_to_cpu(ext_of(c)->recovery_passes_required[0]),
			 c->recovery.required_stable);
	assert_int_equal(c->sb.recovery_passes_required, c->recovery.required_stable);
	return c->recovery.required_stable;
}

static bool silent(struct bch_fs *c, unsigned id)
{
	const bool r = c->sb.errors_silent[id / 64] >> (id % 64) & 1;

	assert_int_equal(le64_to_cpu(ext_of(c)->errors_silent[id / 64]) >> (id % 64) & 1, r);
	return r;
}

static void stop(struct bch_fs *c)
{
	bch2_fs_stop(c);
}

#define V(minor)	BCH_VERSION(1, minor)

static void from_1_28(void **state)
{
	struct bch_fs *c = open_as(&(struct versions) {
		.version = V(28), .complete = V(28), .option = BCH_VERSION_UPGRADE_compatible,
		.exclude = ANY_PASS });

	assert_int_equal(bch2_fs_version_init(c), 0);
	assert_int_equal(le16_to_cpu(c->disk_sb.sb->version), V(38));
	assert_int_equal(c->sb.version, V(38));
	assert_int_equal(BCH_SB_VERSION_UPGRADE_COMPLETE(c->disk_sb.sb), V(28));
	assert_int_equal(BCH_SB_VERSION_INCOMPAT_ALLOWED(c->disk_sb.sb), 0);
	assert_int_equal(required(c), PASS_STABLE(check_allocations) |
			 PASS_STABLE(check_alloc_info) | PASS_STABLE(check_alloc_to_lru_refs) |
			 PASS_STABLE(check_reconcile_work));
	assert_true(silent(c, BCH_FSCK_ERR_accounting_mismatch));
	assert_true(silent(c, BCH_FSCK_ERR_need_discard_key_wrong));
	assert_true(silent(c, BCH_FSCK_ERR_extent_io_opts_not_set));
	assert_false(silent(c, BCH_FSCK_ERR_inode_has_child_snapshots_wrong));
	assert_false(silent(c, BCH_FSCK_ERR_inode_has_case_insensitive_not_set));
	/* at 1.28 this option had its meaning already */
	assert_int_equal(BCH_SB_ERROR_ACTION(c->disk_sb.sb), BCH_ON_ERROR_ro);
	stop(c);
}

static void from_1_13(void **state)
{
	/* complete 0: the version counts */
	struct bch_fs *c = open_as(&(struct versions) {
		.version = V(13), .option = BCH_VERSION_UPGRADE_none, .nochanges = true });

	assert_int_equal(bch2_fs_version_init(c), 0);
	/* older than what may stay: upgraded whatever the option says */
	assert_int_equal(c->sb.version, V(38));
	assert_int_equal(required(c), PASS_STABLE(check_allocations) |
			 PASS_STABLE(check_extents_to_backpointers) |
			 PASS_STABLE(check_inodes) | PASS_STABLE(check_alloc_info) |
			 PASS_STABLE(check_alloc_to_lru_refs) | PASS_STABLE(check_reconcile_work));
	assert_true(silent(c, BCH_FSCK_ERR_ptr_to_missing_backpointer));
	assert_true(silent(c, BCH_FSCK_ERR_inode_parent_has_case_insensitive_not_set));
	/* of 1.13 itself */
	assert_false(silent(c, BCH_FSCK_ERR_inode_has_child_snapshots_wrong));
	assert_int_equal(BCH_SB_ERROR_ACTION(c->disk_sb.sb), BCH_ON_ERROR_fix_safe);
	assert_int_equal(c->opts.errors, BCH_ON_ERROR_fix_safe);
	stop(c);
}

static void interrupted(void **state)
{
	struct bch_fs *c = open_as(&(struct versions) {
		.version = V(38), .complete = V(34), .option = BCH_VERSION_UPGRADE_compatible,
		.nochanges = true });

	assert_int_equal(bch2_fs_version_init(c), 0);
	assert_int_equal(required(c),
			 PASS_STABLE(check_alloc_info) | PASS_STABLE(check_alloc_to_lru_refs));
	assert_true(silent(c, BCH_FSCK_ERR_stripe_to_missing_bucket_ref));
	assert_false(silent(c, BCH_FSCK_ERR_accounting_mismatch));
	stop(c);
}

static void nothing_to_do(void **state)
{
	struct bch_fs *c = open_as(&(struct versions) {
		.version = V(38), .complete = V(38), .option = BCH_VERSION_UPGRADE_compatible });

	assert_int_equal(bch2_fs_version_init(c), 0);
	assert_int_equal(c->recovery.required_stable, 0);
	assert_int_equal(c->recovery.upgrade_from, 0);
	stop(c);
}

static void option_none(void **state)
{
	struct versions v = { .version = V(33), .complete = V(33), .nochanges = true,
			      .option = BCH_VERSION_UPGRADE_none };
	struct bch_fs *c = open_as(&v);

	assert_int_equal(bch2_fs_version_init(c), 0);
	assert_int_equal(c->sb.version, V(33));
	assert_int_equal(c->recovery.required_stable, 0);
	stop(c);

	/* only the current version is written, so it may only be looked at */
	v.nochanges = false;
	v.exclude = ANY_PASS;
	c = open_as(&v);
	assert_int_equal(bch2_fs_version_init(c), -BCH_ERR_erofs_version_upgrade);
	stop(c);
}

static void option_incompatible(void **state)
{
	struct versions v = { .version = V(28), .complete = V(28), .nochanges = true,
			      .option = BCH_VERSION_UPGRADE_incompatible };
	struct bch_fs *c = open_as(&v);

	assert_int_equal(bch2_fs_version_init(c), 0);
	assert_int_equal(BCH_SB_VERSION_INCOMPAT_ALLOWED(c->disk_sb.sb), V(38));
	assert_int_equal(BCH_SB_VERSION_INCOMPAT(c->disk_sb.sb), 0);
	assert_int_equal(c->sb.features & BCH_SB_FEATURES_ALL, BCH_SB_FEATURES_ALL);
	stop(c);

	/* the permission, and what makes use of it */
	v.version = v.complete = V(38);
	v.allowed = V(28);
	c = open_as(&v);
	assert_int_equal(bch2_fs_version_init(c), 0);
	assert_int_equal(BCH_SB_VERSION_INCOMPAT_ALLOWED(c->disk_sb.sb), V(38));
	assert_int_equal(required(c), PASS_STABLE(check_reconcile_work));
	assert_true(silent(c, BCH_FSCK_ERR_extent_io_opts_not_set));
	assert_false(silent(c, BCH_FSCK_ERR_accounting_mismatch));
	stop(c);

	/* nothing but the permission */
	v.allowed = V(34);
	c = open_as(&v);
	assert_int_equal(bch2_fs_version_init(c), 0);
	assert_int_equal(BCH_SB_VERSION_INCOMPAT_ALLOWED(c->disk_sb.sb), V(38));
	assert_int_equal(required(c), 0);
	stop(c);
}

/* Counters in the old byte order cannot be left as they are. */
static void counters_needed(void **state)
{
	struct bch_fs *c = open_as(&(struct versions) {
		.version = V(14), .complete = V(14), .option = BCH_VERSION_UPGRADE_compatible,
		.exclude = ANY_PASS });

	assert_int_equal(bch2_fs_version_init(c), -BCH_ERR_erofs_version_upgrade);
	stop(c);
}

static void major_0(void **state)
{
	struct bch_fs *c = open_as(&(struct versions) {
		.version = BCH_VERSION(0, 24), .option = BCH_VERSION_UPGRADE_compatible,
		.nochanges = true });

	assert_int_equal(bch2_fs_version_init(c), 0);
	assert_int_equal(c->sb.version, V(38));
	assert_int_equal(required(c) & BCH_RECOVERY_PASSES_FSCK_STABLE,
			 BCH_RECOVERY_PASSES_FSCK_STABLE);
	assert_true(required(c) & PASS_STABLE(bucket_gens_init));
	assert_true(required(c) & PASS_STABLE(set_fs_needs_reconcile));
	assert_null(bch2_sb_field_get(c->disk_sb.sb, downgrade));
	stop(c);
}

static void backpointer_shift(void **state)
{
	struct bch_fs *c = open_as(&(struct versions) {
		.version = V(38), .complete = V(38), .option = BCH_VERSION_UPGRADE_compatible });

	SET_BCH_SB_EXTENT_BP_SHIFT(c->disk_sb.sb, 0);
	SET_BCH_SB_ENCODED_EXTENT_MAX_BITS(c->disk_sb.sb, 12);
	bch2_sb_to_cpu(c);
	assert_int_equal(bch2_fs_version_init(c), 0);
	assert_int_equal(BCH_SB_EXTENT_BP_SHIFT(c->disk_sb.sb), 13);
	assert_int_equal(required(c), PASS_STABLE(check_extents_to_backpointers) |
			 PASS_STABLE(check_backpointers_to_extents));
	assert_true(silent(c, BCH_FSCK_ERR_backpointer_to_missing_ptr));
	stop(c);
}

/* --- newer software was here --- */

/* The section as 1.40 might leave it: entries for 1.37, 1.39 and 1.40. */
static void put_downgrade(struct bch_fs *c)
{
	static const struct { u16 version, error; u64 passes; } rows[] = {
		{ V(37), BCH_FSCK_ERR_lru_entry_bad,		1ULL << 20 },
		{ V(39), BCH_FSCK_ERR_accounting_mismatch,	PASS_STABLE(check_lrus) },
		{ V(40), 511,					1ULL << 50 },
	};
	struct bch_sb_field_downgrade *f =
		bch2_sb_field_resize(&c->disk_sb, downgrade, 1 + 9);
	u8 *p = (u8 *) f->entries;

	assert_false(IS_ERR_OR_NULL(f));
	memset(p, 0, 9 * 8);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bch_sb_field_downgrade_entry *e = (void *) p;

		e->version		= cpu_to_le16(rows[i].version);
		e->recovery_passes[0]	= cpu_to_le64(rows[i].passes);
		e->nr_errors		= cpu_to_le16(1);
		e->errors[0]		= cpu_to_le16(rows[i].error);
		p += sizeof(*e) + sizeof(e->errors[0]);
	}
}

static void newer(void **state)
{
	struct bch_fs *c = open_as(&(struct versions) {
		.version = V(40), .complete = V(40), .allowed = V(40), .incompat = V(36),
		.option = BCH_VERSION_UPGRADE_compatible });

	put_downgrade(c);
	c->disk_sb.sb->compat[0] |= cpu_to_le64(1ULL << 9 | BCH_COMPAT_BIT(alloc_info));
	bch2_sb_to_cpu(c);

	assert_int_equal(bch2_fs_version_init(c), 0);
	assert_int_equal(c->sb.version, V(38));
	assert_int_equal(c->sb.version_min, V(38));
	assert_int_equal(c->sb.version_upgrade_complete, V(38));
	assert_int_equal(c->sb.version_incompat_allowed, V(38));
	assert_int_equal(c->sb.version_incompat, V(36));
	/* what is not known here stays required; what concerns older versions is not */
	assert_int_equal(required(c), PASS_STABLE(check_lrus) | 1ULL << 50);
	assert_true(silent(c, BCH_FSCK_ERR_accounting_mismatch));
	assert_true(silent(c, 511));
	assert_false(silent(c, BCH_FSCK_ERR_lru_entry_bad));
	assert_int_equal(c->sb.compat & (1ULL << 9), 0);
	assert_true(c->sb.compat & BCH_COMPAT_BIT(alloc_info));
	stop(c);
}

/* What must not be written keeps its version (spec 31 §3 step 2). */
static void image_features(void **state)
{
	struct bch_fs *c = open_as(&(struct versions) {
		.version = V(28), .complete = V(28), .option = BCH_VERSION_UPGRADE_compatible });

	c->disk_sb.sb->features[0] |= cpu_to_le64(BCH_FEATURE_BIT(small_image));
	bch2_sb_to_cpu(c);
	assert_int_equal(bch2_fs_version_init(c), 0);
	assert_int_equal(c->sb.version, V(28));
	assert_int_equal(c->recovery.required_stable, 0);
	stop(c);
}

static int setup(void **state)
{
	recover_log_quietly();
	snprintf(image, sizeof(image), "%s", recover_file("versions"));
	recover_unpack("small-616", image);
	return 0;
}

static int teardown(void **state)
{
	unlink(image);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(from_1_28),
		cmocka_unit_test(from_1_13),
		cmocka_unit_test(interrupted),
		cmocka_unit_test(nothing_to_do),
		cmocka_unit_test(option_none),
		cmocka_unit_test(option_incompatible),
		cmocka_unit_test(counters_needed),
		cmocka_unit_test(major_0),
		cmocka_unit_test(backpointer_shift),
		cmocka_unit_test(newer),
		cmocka_unit_test(image_features),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
