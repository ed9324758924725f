// SPDX-License-Identifier: GPL-2.0
/*
 * Options: text forms, limits, mount strings, superblock storage
 * (Documentation/format/11).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "bcachefs_format.h"
#include "errcode.h"
#include "opts.h"
#include "util/printbuf.h"

static void sizes(void **state)
{
	static const struct {
		const char	*text;
		int		ret;
		u64		v;
	} t[] = {
		{ "0", 0, 0 }, { "512", 0, 512 }, { "+512", 0, 512 }, { "4k", 0, 4096 },
		{ "4 k", 0, 4096 }, { "4k\n", 0, 4096 }, { "4KiB", 0, 4096 }, { "4K", 0, 4096 },
		{ "1.5k", 0, 1536 }, { "1.5M", 0, 1572864 }, { "0.5", 0, 0 },
		{ "1.9999999999999999999999k", 0, 2047 }, { "1G", 0, 1 << 30 },
		{ "15E", 0, 15ULL << 60 }, { "1MiB", 0, 1 << 20 }, { "1MB", 0, 1000000 },
		{ "1kB", 0, 1000 }, { "7B", 0, 7 }, { "18446744073709551615", 0, U64_MAX },
		{ "18446744073709551616", -ERANGE, 0 }, { "16E", -ERANGE, 0 },
		{ "15.9999E", 0, 0xffff972474538ef3ULL },
		{ "1Z", -ERANGE, 0 }, { "", -EINVAL, 0 }, { "k", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 }, { "1.k", -EINVAL, 0 }, { "1kk", -EINVAL, 0 },
		{ "1 ", 0, 1 }, { " 1", -EINVAL, 0 }, { "1  k", -EINVAL, 0 },
		{ "1kiBx", -EINVAL, 0 }, { "1q", -EINVAL, 0 }, { "1kibibytes", -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		u64 v = 0;

		assert_int_equal(bch2_parse_size(t[i].text, &v), t[i].ret);
		assert_int_equal(v, t[i].v);
	}
}

#define assert_parses(opt, text, value)						\
do {										\
	CLASS(printbuf, _err)();						\
	u64 _v = 0xdead;							\
										\
	assert_int_equal(bch2_opt_parse(NULL, Opt_##opt, text, &_v, &_err), 0);	\
	assert_int_equal(_v, value);						\
	assert_string_equal(printbuf_str(&_err), "");				\
} while (0)

#define assert_refused(opt, text, error, message)				\
do {										\
	CLASS(printbuf, _err)();						\
	u64 _v;									\
										\
	assert_int_equal(bch2_opt_parse(NULL, Opt_##opt, text, &_v, &_err), -error); \
	assert_string_equal(printbuf_str(&_err), message);			\
	assert_int_equal(bch2_opt_parse(NULL, Opt_##opt, text, &_v, NULL), -error); \
} while (0)

static void values(void **state)
{
	assert_parses(fsck, NULL, 1);
	assert_parses(fsck, "0", 0);
	assert_parses(fsck, "yes", 1);
	assert_parses(fsck, "no", 0);
	assert_parses(fsck, "true", 1);
	assert_parses(fsck, "false", 0);
	assert_refused(fsck, "TRUE", BCH_ERR_EINVAL_option_value, "fsck: must be bool");
	assert_refused(fsck, "2", BCH_ERR_EINVAL_option_value, "fsck: must be bool");

	assert_parses(errors, "continue", BCH_ON_ERROR_continue);
	assert_parses(errors, "ro", BCH_ON_ERROR_ro);
	assert_refused(errors, "rw", BCH_ERR_EINVAL_option_value, "errors: invalid selection");
	assert_refused(version_upgrade, NULL, BCH_ERR_EINVAL_option_value,
		       "version_upgrade: invalid selection");

	assert_parses(degraded, NULL, BCH_DEGRADED_yes);
	assert_parses(degraded, "true", BCH_DEGRADED_yes);
	assert_parses(degraded, "0", BCH_DEGRADED_no);
	assert_parses(degraded, "very", BCH_DEGRADED_very);

	assert_parses(fix_errors, NULL, FSCK_FIX_yes);
	assert_parses(fix_errors, "ask", FSCK_FIX_ask);
	assert_refused(fix_errors, "maybe", BCH_ERR_EINVAL_option_value, "invalid selection");

	assert_parses(block_size, "4k", 4096);
	assert_refused(block_size, "64k", BCH_ERR_ERANGE_option_too_big,
		       "block_size: too big (max 32768)");
	assert_refused(block_size, "256", BCH_ERR_ERANGE_option_too_small,
		       "block_size: too small (min 512)");
	assert_refused(block_size, "1536", BCH_ERR_EINVAL_option_value,
		       "block_size: must be a power of two");
	assert_refused(block_size, "1000", BCH_ERR_EINVAL_option_value,
		       "block_size: not a multiple of 512");
	assert_refused(block_size, "-4096", BCH_ERR_EINVAL_option_value,
		       "block_size: must be non-negative");
	assert_refused(data_replicas, "4k", BCH_ERR_EINVAL_option_value,
		       "data_replicas: must be a number");
	assert_refused(journal_flush_delay, "4294967296", BCH_ERR_ERANGE_option_too_big,
		       "journal_flush_delay: too big (max 4294967295)");
	assert_parses(gc_reserve_bytes, "16T", 16ULL << 40);
	assert_parses(sb, "2056", 2056);
}

static void compression(void **state)
{
	static const struct {
		const char	*text;
		u64		v;
	} good[] = {
		{ "none", 0 }, { "lz4", 1 }, { "gzip", 2 }, { "zstd", 3 },
		{ "zstd:7", 0x73 }, { "gzip:15", 0xf2 },
	};
	static const char * const bad[] = {
		"", "lzo", "zstd:16", "zstd:-1", "zstd:", "zstd:x", "none:1", "zstd7", "3",
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		CLASS(printbuf, text)();

		assert_parses(compression, good[i].text, good[i].v);
		bch2_opt_to_text(&text, NULL, Opt_compression, good[i].v, 0);
		assert_string_equal(printbuf_str(&text), good[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		u64 v;

		assert_int_equal(bch2_opt_parse(NULL, Opt_compression, bad[i], &v, NULL),
				 -BCH_ERR_EINVAL_option_value);
	}
	assert_refused(compression, NULL, BCH_ERR_EINVAL_option_value,
		       "compression: required value");
	for (u64 v = 0; v < 512; v++)
		assert_int_equal(!bch2_opt_validate(Opt_compression, v, NULL),
				 v < 256 && (v & 15) < 4 && (v & 15 || !(v >> 4)));
}

static void name_lists(void **state)
{
	u64 journal = 1ULL << BCH_RECOVERY_PASS_journal_replay;
	u64 alloc = 1ULL << BCH_RECOVERY_PASS_alloc_read;
	u64 all = (1ULL << BCH_RECOVERY_PASS_NR) - 1;

	assert_parses(recovery_passes, "journal_replay", journal);
	assert_parses(recovery_passes, " alloc_read ;journal_replay ", journal|alloc);
	assert_parses(recovery_passes, "-journal_replay,alloc_read", all & ~(journal|alloc));
	assert_parses(recovery_passes, "", 0);
	assert_refused(recovery_passes, "journal_repla", BCH_ERR_EINVAL_option_value,
		       "recovery_passes: invalid selection");
	assert_parses(data_allowed, "btree,user", 0x18);
	assert_parses(data_allowed, "-user", 0xc);
	assert_refused(data_allowed, "cached", BCH_ERR_EINVAL_option_value,
		       "data_allowed: invalid selection");
	assert_parses(recovery_pass_last, "snapshots_read", BCH_RECOVERY_PASS_snapshots_read);
}

static int fake_target(const struct bch_opt_ctx *ctx, const char *val, u64 *res,
		       struct printbuf *err)
{
	*res = !strcmp(val, "ssd") ? 257 : 1;
	return 0;
}

static void fake_target_text(struct printbuf *out, const struct bch_opt_ctx *ctx, u64 v)
{
	prt_str(out, v == 257 ? "ssd" : "/dev/sda");
}

static const struct bch_opt_ctx fake_ctx = {
	.target_parse	= fake_target,
	.target_to_text	= fake_target_text,
};

static void targets(void **state)
{
	CLASS(printbuf, text)();
	u64 v;

	assert_parses(foreground_target, "none", 0);
	assert_parses(foreground_target, "", 0);
	assert_refused(foreground_target, "ssd", BCH_ERR_option_needs_open_fs, "");
	assert_int_equal(bch2_opt_parse(&fake_ctx, Opt_foreground_target, "ssd", &v, NULL), 0);
	assert_int_equal(v, 257);

	bch2_opt_to_text(&text, &fake_ctx, Opt_foreground_target, 257, OPT_SHOW_MOUNT_STYLE);
	prt_char(&text, ' ');
	bch2_opt_to_text(&text, NULL, Opt_foreground_target, 257, 0);
	prt_char(&text, ' ');
	bch2_opt_to_text(&text, NULL, Opt_foreground_target, 0, 0);
	assert_string_equal(printbuf_str(&text), "foreground_target=ssd 257 none");
}

static int mount_opts(struct bch_opts *opts, struct printbuf *later, struct printbuf *err,
		      const char *str)
{
	*opts = bch2_opts_empty();
	printbuf_reset(later);
	printbuf_reset(err);
	return bch2_parse_mount_opts(NULL, opts, later, str, err);
}

static void mount_strings(void **state)
{
	CLASS(printbuf, later)();
	CLASS(printbuf, err)();
	struct bch_opts o;

	assert_int_equal(mount_opts(&o, &later, &err,
				    ",degraded,nodiscard,,fsck=1,nonochanges,norecovery,quota,"
				    "zzz,nozzz=4"), 0);
	assert_int_equal(o.degraded, BCH_DEGRADED_yes);
	assert_true(opt_defined(o, discard));
	assert_int_equal(o.discard, 0);
	assert_int_equal(o.fsck, 1);
	assert_true(opt_defined(o, nochanges));
	assert_int_equal(o.nochanges, 0);
	assert_int_equal(o.norecovery, 1);
	assert_int_equal(o.usrquota, 1);
	assert_false(opt_defined(o, verbose));
	assert_string_equal(printbuf_str(&err), "");

	assert_int_equal(mount_opts(&o, &later, &err, NULL), 0);
	assert_int_equal(mount_opts(&o, &later, &err, ""), 0);

	/* the value may contain a '=' */
	assert_int_equal(mount_opts(&o, &later, &err, "errors=ro=1"),
			 -BCH_ERR_EINVAL_option_value);

	/* not for mounting */
	assert_int_equal(mount_opts(&o, &later, &err, "block_size=4k"),
			 -BCH_ERR_EINVAL_option_name);
	assert_true(strlen(printbuf_str(&err)) > 0);

	/* no longer: checked, told, ignored */
	assert_int_equal(mount_opts(&o, &later, &err, "data_replicas=2,fsck"), 0);
	assert_false(opt_defined(o, data_replicas));
	assert_int_equal(o.fsck, 1);
	assert_non_null(strstr(printbuf_str(&err), "data_replicas"));
	assert_int_equal(mount_opts(&o, &later, &err, "data_replicas=9"),
			 -BCH_ERR_ERANGE_option_too_big);

	/* what needs devices is kept for later */
	assert_int_equal(mount_opts(&o, &later, &err,
				    "metadata_target=ssd,verbose,foreground_target=hdd"), 0);
	assert_string_equal(printbuf_str(&later), "metadata_target=ssd,foreground_target=hdd");
	assert_int_equal(o.verbose, 1);
	assert_int_equal(bch2_parse_mount_opts(NULL, &o, NULL, "metadata_target=ssd", NULL),
			 -BCH_ERR_option_needs_open_fs);
}

static void implied(void **state)
{
	struct bch_opts o = bch2_opts_empty();

	opt_set(o, norecovery, true);
	opt_set(o, journal_rewind, 77);
	bch2_opts_apply_implied(&o);
	assert_int_equal(o.recovery_pass_last, BCH_RECOVERY_PASS_snapshots_read);
	assert_int_equal(o.nochanges, 1);
	assert_int_equal(o.read_only, 1);
	assert_int_equal(o.fsck, 1);

	o = bch2_opts_empty();
	opt_set(o, norecovery, true);
	opt_set(o, recovery_pass_last, BCH_RECOVERY_PASS_alloc_read);
	bch2_opts_apply_implied(&o);
	assert_int_equal(o.recovery_pass_last, BCH_RECOVERY_PASS_alloc_read);

	o = bch2_opts_empty();
	bch2_opts_apply_implied(&o);
	for (unsigned id = 0; id < bch2_opts_nr; id++)
		assert_false(bch2_opt_defined_by_id(&o, id));
}

static void applying(void **state)
{
	struct bch_opts a = bch2_opts_empty(), b = bch2_opts_empty();

	opt_set(a, verbose, 1);
	opt_set(a, sb, 2056);
	opt_set(b, verbose, 0);
	bch2_opts_apply(&a, &b);
	assert_int_equal(opt_get(a, verbose), 0);
	assert_int_equal(opt_get(a, sb), 2056);
	assert_int_equal(opt_get(b, sb), 8);
	opt_set_if_undefined(b, sb, 16);
	opt_set_if_undefined(b, sb, 24);
	assert_int_equal(opt_get(b, sb), 16);
	opt_undef(b, sb);
	assert_int_equal(opt_get(b, sb), 8);
}

/* Every default is a value that may be stored, and comes back. */
static void defaults_and_storage(void **state)
{
	u64 mem[128] = { 0 };
	struct bch_sb *sb = (void *) mem;
	struct bch_sb_field_ext *ext = (void *) sb->_data;
	struct bch_member m = { 0 };
	struct bch_opts o;

	sb->u64s	= cpu_to_le32(sizeof(*ext) / 8);
	ext->field.u64s	= cpu_to_le32(sizeof(*ext) / 8);
	ext->field.type	= cpu_to_le32(BCH_SB_FIELD_ext);

	for (unsigned id = 0; id < bch2_opts_nr; id++) {
		const struct bch_option *opt = &bch2_opt_table[id];
		u64 v = bch2_opt_get_by_id(&bch2_opts_default, id);

		assert_int_equal(bch2_opt_lookup(opt->name), id);
		assert_int_equal(bch2_opt_validate(id, v, NULL), 0);
		bch2_opt_set_sb(sb, id, v);
		bch2_opt_set_member(&m, id, v);
		assert_int_equal(bch2_opt_from_sb(sb, id), v);
		assert_int_equal(bch2_opt_from_member(&m, id), v);
	}

	/* 10, section 5.8 and 9.12 */
	assert_int_equal(le64_to_cpu(sb->flags[0]), 0x8111110080200100ULL);
	assert_int_equal(le64_to_cpu(sb->flags[1]), 0x0000000000024002ULL);
	assert_int_equal(le64_to_cpu(sb->flags[3]), 0x000000fa00000000ULL);
	assert_int_equal(le64_to_cpu(sb->flags[4]), 0x0000000100000064ULL);
	assert_int_equal(le64_to_cpu(sb->flags[6]), 0x000000000000c1e0ULL);
	assert_int_equal(le64_to_cpu(ext->flags0), 0x0000010028501000ULL);
	assert_int_equal(le16_to_cpu(sb->block_size), 8);
	assert_int_equal(BCH_MEMBER_DURABILITY(&m), 2);

	assert_int_equal(bch2_opts_from_sb(&o, sb, NULL), 0);
	for (unsigned id = 0; id < bch2_opts_nr; id++)
		assert_int_equal(bch2_opt_get_by_id(&o, id),
				 bch2_opt_get_by_id(&bch2_opts_default, id));
	assert_true(opt_defined(o, errors));
	assert_false(opt_defined(o, verbose));
}

static void bad_stored_values(void **state)
{
	struct bch_sb *sb = calloc(1, sizeof(*sb) + 8);
	CLASS(printbuf, err)();
	struct bch_opts o;

	for (unsigned id = 0; id < bch2_opts_nr; id++)
		if (bch2_opt_table[id].storage == BCH_OPT_IN_SB)
			bch2_opt_set_sb(sb, id, bch2_opt_get_by_id(&bch2_opts_default, id));
	assert_int_equal(bch2_opts_from_sb(&o, sb, &err), 0);

	SET_BCH_SB_ENCODED_EXTENT_MAX_BITS(sb, 63);
	assert_int_equal(bch2_opts_from_sb(&o, sb, &err), -BCH_ERR_invalid_sb_opt);
	assert_string_equal(printbuf_str(&err), "encoded_extent_max: too big (max 2097152)");
	SET_BCH_SB_ENCODED_EXTENT_MAX_BITS(sb, 9);

	printbuf_reset(&err);
	SET_BCH_SB_COMPRESSION_TYPE(sb, 0x10);
	assert_int_equal(bch2_opts_from_sb(&o, sb, &err), -BCH_ERR_invalid_sb_opt);
	assert_string_equal(printbuf_str(&err), "compression: invalid selection");
	SET_BCH_SB_COMPRESSION_TYPE(sb, 0);

	printbuf_reset(&err);
	SET_BCH_SB_ERASURE_CODE(sb, 2);
	assert_int_equal(bch2_opts_from_sb(&o, sb, &err), -BCH_ERR_invalid_sb_opt);
	assert_string_equal(printbuf_str(&err), "erasure_code: must be bool");
	SET_BCH_SB_ERASURE_CODE(sb, 0);

	/* sections that run past the end do no harm */
	sb->u64s = cpu_to_le32(1);
	sb->_data[0] = cpu_to_le64((u64) BCH_SB_FIELD_ext << 32 | 13);
	assert_int_equal(bch2_opt_from_sb(sb, Opt_dev_readahead), 2097152);
	sb->_data[0] = cpu_to_le64((u64) BCH_SB_FIELD_ext << 32 | 1);
	assert_int_equal(bch2_opt_from_sb(sb, Opt_dev_readahead), 2097152);
	sb->_data[0] = 0;
	assert_int_equal(bch2_opt_from_sb(sb, Opt_dev_readahead), 2097152);
	free(sb);
}

static void printing(void **state)
{
	CLASS(printbuf, text)();
	struct bch_opts o = bch2_opts_empty();

	bch2_opt_to_text(&text, NULL, Opt_errors, 1, OPT_SHOW_FULL_LIST);
	assert_string_equal(printbuf_str(&text), "continue [fix_safe] panic ro");
	printbuf_reset(&text);
	bch2_opt_to_text(&text, NULL, Opt_errors, 9, 0);
	assert_string_equal(printbuf_str(&text), "(invalid option 9)");
	printbuf_reset(&text);
	bch2_opt_to_text(&text, NULL, Opt_btree_node_size, 262144, 0);
	assert_string_equal(printbuf_str(&text), "256k");
	printbuf_reset(&text);
	bch2_opt_to_text(&text, NULL, Opt_data_allowed, 0x1c, 0);
	assert_string_equal(printbuf_str(&text), "journal,btree,user");
	printbuf_reset(&text);
	opt_set(o, discard, 0);
	opt_set(o, fsck, 1);
	opt_set(o, verbose, 0);
	opt_set(o, compression, 0x73);
	bch2_opts_to_text(&text, NULL, &o, ~0U);
	assert_string_equal(printbuf_str(&text), "compression=zstd:7,nodiscard,fsck");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(values),
		cmocka_unit_test(compression),
		cmocka_unit_test(name_lists),
		cmocka_unit_test(targets),
		cmocka_unit_test(mount_strings),
		cmocka_unit_test(implied),
		cmocka_unit_test(applying),
		cmocka_unit_test(defaults_and_storage),
		cmocka_unit_test(bad_stored_values),
		cmocka_unit_test(printing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
