// SPDX-License-Identifier: GPL-2.0
/*
 * Filesystems that a kernel left unclean, recovered on their devices: afterwards
 * they are clean, hold what a look at them without changes showed before, and
 * everything derived is as a recount finds it. And what must not be recovered
 * stays as it is, byte for byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/kernel.h>

#include "init/fs.h"
#include "recount.h"
#include "recover_common.h"
#include "sb/io.h"
#include "sb/members.h"

static void assert_clean(struct bch_fs *c)
{
	assert_true(BCH_SB_CLEAN(c->disk_sb.sb));
	assert_false(BCH_SB_HAS_ERRORS(c->disk_sb.sb));
	assert_int_equal(c->fsck.nr_reported, 0);
}

/* Only looked at: clean, the same keys, the same counts. */
static void look(const char *path, const struct content *want)
{
	const struct start_how how = { .nochanges = true };
	struct recount r = {};
	struct content have;
	struct bch_fs *c;
	int ret;

	c = recover_start(path, &how, &ret);
	assert_int_equal(ret, 0);
	assert_clean(c);
	content_read(c, &have);
	assert_true(content_equal(want, &have));
	assert_int_equal(recount_check(c, &r), 0);
	assert_int_equal(r.bad, 0);
	assert_true(r.buckets && r.counters && r.entries);
	assert_int_equal(bch2_fs_stop(c), 0);
}

static void recover(const char *name, const struct start_how *how)
{
	const char *path = recover_file(name);
	struct content want;
	struct bch_fs *c;
	int ret;

	recover_log_quietly();
	recover_unpack(name, path);
	content_of(path, &want);

	c = recover_start(path, how, &ret);
	if (ret)
		fail_msg("%s: %s (%s)", name, bch2_err_str(ret), recover_last_error);
	assert_int_equal(bch2_fs_stop(c), 0);
	look(path, &want);

	/* a second start finds nothing to do */
	c = recover_start(path, NULL, &ret);
	assert_int_equal(ret, 0);
	assert_true(c->recovery.was_clean);
	assert_int_equal(bch2_fs_stop(c), 0);
	look(path, &want);
	assert_int_equal(recover_nr_errors, 0);
	unlink(path);
}

static void unclean(void **state)
{
	recover("unclean-138-1", NULL);
	recover("unclean-138-2", NULL);
	recover("unclean-138-3", NULL);
}

static void blacklisted(void **state)
{
	recover("blacklist-138", NULL);
}

static void many_discards(void **state)
{
	recover("discard-138", NULL);
}

/* Replay writes for a read-only start, too; it is clean before the start ends. */
static void read_only(void **state)
{
	const struct start_how how = { .read_only = true };

	recover("unclean-138-1", &how);
	recover("blacklist-138", &how);
}

/* --- without changes --- */

static u64 file_hash(const char *path)
{
	static u8 buf[1 << 16];
	u64 h = 0xcbf29ce484222325ULL;
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	while ((n = fread(buf, 1, sizeof(buf), f)))
		for (size_t i = 0; i < n; i += 8) {
			u64 w;

			memcpy(&w, buf + i, sizeof(w));
			h = (h ^ w) * 0x100000001b3ULL;
		}
	fclose(f);
	return h;
}

static void untouched(const char *name, const struct start_how *how, int want)
{
	const char *path = recover_file(name);
	struct bch_fs *c;
	u64 before;
	int ret;

	recover_log_quietly();
	recover_unpack(name, path);
	before = file_hash(path);
	c = recover_start(path, how, &ret);
	if (ret != want)
		fail_msg("%s: %s instead of %s", name, bch2_err_str(ret), bch2_err_str(want));
	/* an error has a message */
	assert_true(!ret || recover_nr_errors);
	bch2_fs_stop(c);
	assert_true(file_hash(path) == before);
	unlink(path);
}

static void no_changes(void **state)
{
	untouched("unclean-138-1", &(struct start_how) { .nochanges = true }, 0);
	untouched("unclean-138-1", &(struct start_how) { .norecovery = true }, 0);
	untouched("unclean-616-1", &(struct start_how) { .nochanges = true }, 0);
	untouched("unclean-612-1", &(struct start_how) { .norecovery = true }, 0);
}

/* Older ones are brought to the current version, by the same start that replays. */
static void old_versions(void **state)
{
	static const char *const names[] = { "unclean-612-1", "unclean-616-1" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		const char *path = recover_file(names[i]);
		const struct start_how look = { .nochanges = true };
		struct recount r = {};
		struct bch_fs *c;
		int ret;

		recover_log_quietly();
		recover_unpack(names[i], path);
		c = recover_start(path, NULL, &ret);
		if (ret)
			fail_msg("%s: %s (%s)", names[i], bch2_err_str(ret), recover_last_error);
		assert_int_equal(bch2_fs_stop(c), 0);

		c = recover_start(path, &look, &ret);
		assert_int_equal(ret, 0);
		assert_clean(c);
		assert_int_equal(c->sb.version_upgrade_complete,
				 bcachefs_metadata_version_current);
		assert_int_equal(recount_check(c, &r), 0);
		assert_int_equal(r.bad, 0);
		assert_int_equal(bch2_fs_stop(c), 0);
		unlink(path);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unclean),
		cmocka_unit_test(blacklisted),
		cmocka_unit_test(many_discards),
		cmocka_unit_test(read_only),
		cmocka_unit_test(no_changes),
		cmocka_unit_test(old_versions),
	};

	if (argc == 2) {
		recover(argv[1], NULL);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
