// SPDX-License-Identifier: GPL-2.0
/*
 * What superblocks look like to people: labels, targets, every section's body
 * (Documentation/format/70 section 7.1), also of superblocks that are not valid.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/kernel.h>

#include "sb/clean.h"
#include "sb/crypto.h"
#include "sb/disk_groups.h"
#include "sb/members.h"
#include "sb/misc_sections.h"
#include "sb_common.h"

static void add_group(struct bch_disk_group *g, const char *label, unsigned parent, bool deleted)
{
	memset(g, 0, sizeof(*g));
	memcpy(g->label, label, strlen(label));
	SET_BCH_GROUP_PARENT(g, parent);
	SET_BCH_GROUP_DELETED(g, deleted);
}

/* ssd, ssd.fast, hdd, (deleted), ssd.fast.a; then a loop of two */
static void make_labels(struct bch_sb_handle *h)
{
	struct bch_disk_group g[7];

	sb_make(h, 2);
	add_group(&g[0], "ssd", 0, false);
	add_group(&g[1], "fast", 1, false);
	add_group(&g[2], "hdd", 0, false);
	add_group(&g[3], "gone", 0, true);
	add_group(&g[4], "a", 2, false);
	add_group(&g[5], "loop", 7, false);
	add_group(&g[6], "pool", 6, false);
	sb_add(h, BCH_SB_FIELD_disk_groups, g, sizeof(g));
	SET_BCH_MEMBER_GROUP(sb_member(h, 0), 5);
	SET_BCH_MEMBER_GROUP(sb_member(h, 1), 6);
}

static void labels(void **state)
{
	static const struct {
		unsigned	id;
		const char	*path;
	} t[] = {
		{ 0, "ssd" }, { 1, "ssd.fast" }, { 2, "hdd" }, { 4, "ssd.fast.a" },
		{ 3, "(invalid label 3)" }, { 5, "(invalid label 5)" },
		{ 6, "(invalid label 6)" }, { 7, "(invalid label 7)" },
		{ ~0U, "(invalid label 4294967295)" },
	};
	static struct bch_dev ca;
	struct bch_sb_handle h;

	make_labels(&h);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		CLASS(printbuf, out)();

		bch2_sb_label_path_to_text(&out, h.sb, t[i].id);
		assert_string_equal(printbuf_str(&out), t[i].path);
		if (i < 4)
			assert_int_equal(bch2_sb_label_find(h.sb, t[i].path), t[i].id);
	}
	assert_int_equal(bch2_sb_label_find(h.sb, "fast"), -ENOENT);
	assert_int_equal(bch2_sb_label_find(h.sb, "gone"), -ENOENT);
	assert_int_equal(bch2_sb_label_find(h.sb, "ssd."), -ENOENT);
	assert_int_equal(bch2_sb_label_find(h.sb, ".ssd"), -ENOENT);
	assert_int_equal(bch2_sb_label_find(h.sb, ""), -ENOENT);

	ca.nr_labels = bch2_sb_dev_labels(h.sb, 0, ca.labels);
	assert_true(bch2_dev_has_label(&ca, 0));
	assert_true(bch2_dev_has_label(&ca, 1));
	assert_true(bch2_dev_has_label(&ca, 4));
	assert_false(bch2_dev_has_label(&ca, 2));
	/* a loop of parents ends */
	ca.nr_labels = bch2_sb_dev_labels(h.sb, 1, ca.labels);
	assert_int_equal(ca.nr_labels, BCH_LABEL_DEPTH_MAX);
	assert_true(bch2_dev_has_label(&ca, 6));
	assert_false(bch2_dev_has_label(&ca, 0));
	assert_false(bch2_dev_has_label(NULL, 0));
	bch2_free_super(&h);
}

static void targets(void **state)
{
	static const struct {
		unsigned	v;
		const char	*text;
	} t[] = {
		{ 0, "none" },
		{ 1, "Device 10101010-1010-1010-1010-101010101010 (0)" },
		{ 3, "Bad device 2" }, { 256, "Bad device 255" },
		{ 257, "ssd" }, { 258, "ssd.fast" }, { 260, "(invalid label 3)" },
	};
	struct bch_sb_handle h;
	u64 v;

	make_labels(&h);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		CLASS(printbuf, out)();

		bch2_target_to_text(&out, NULL, h.sb, t[i].v);
		assert_string_equal(printbuf_str(&out), t[i].text);
	}

	CLASS(printbuf, err)();
	assert_int_equal(bch2_target_parse(NULL, h.sb, "", &v, &err), 0);
	assert_int_equal(v, 0);
	assert_int_equal(bch2_target_parse(NULL, h.sb, "none", &v, &err), 0);
	assert_int_equal(v, 0);
	assert_int_equal(bch2_target_parse(NULL, h.sb, "ssd.fast", &v, &err), 0);
	assert_int_equal(v, 258);
	assert_int_equal(bch2_target_parse(NULL, h.sb, "slow", &v, &err),
			 -BCH_ERR_EINVAL_target);
	assert_string_equal(printbuf_str(&err), "slow: no such device or label");
	bch2_free_super(&h);
}

static void versions(void **state)
{
	static const struct {
		unsigned	v;
		const char	*text;
	} t[] = {
		{ 1062, "need_discard_by_journal_seq (1.38)" }, { 1024, "major_minor (1.0)" },
		{ 0, "(unknown version) (0.0)" }, { 1063, "(unknown version) (1.39)" },
		{ 65535, "(unknown version) (63.1023)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		CLASS(printbuf, out)();

		bch2_sb_version_to_text(&out, t[i].v);
		assert_string_equal(printbuf_str(&out), t[i].text);
	}
}

/* Body of the section of this type, values in column 10. */
static void assert_body(struct bch_sb_handle *h, unsigned type, const char *want)
{
	const struct bch_sb_text t = { .column = 10 };
	struct bch_sb_field *f = bch2_sb_field_get_id(h->sb, type);
	CLASS(printbuf, out)();

	assert_non_null(f);
	bch2_sb_field_to_text(&out, h->sb, f, &t);
	assert_string_equal(printbuf_str(&out), want);
}

static void assert_section(unsigned type, const void *data, size_t bytes, const char *want)
{
	struct bch_sb_handle h;

	sb_make(&h, 2);
	bch2_sb_field_resize_id(&h, type, 0);
	sb_add(&h, type, data, bytes);
	assert_body(&h, type, want);
	bch2_free_super(&h);
}

#define U64S(type, want, ...)							\
	assert_section(BCH_SB_FIELD_##type, (const u64[]) { __VA_ARGS__ },	\
		       sizeof((const u64[]) { __VA_ARGS__ }), want)
#define U8S(type, want, ...)							\
	assert_section(BCH_SB_FIELD_##type, (const u8[]) { __VA_ARGS__ },	\
		       sizeof((const u8[]) { __VA_ARGS__ }), want)

static void sections(void **state)
{
	U64S(journal, "Buckets: 17 18\n", 17, 18);
	U64S(journal_v2, "Buckets: 17-33 40-41\n", 17, 16, 40, 1);
	U64S(crypt, "KFD:               0\nscrypt n:          14\nscrypt r:          3\n"
	     "scrypt p:          4\n", 0, 0x000000040003000eULL, 0, 0, 0, 0, 0);
	U8S(replicas_v0, "btree: 1/1 [0] user: 1/2 [0 1]\n", 3, 1, 0, 4, 2, 0, 1, 0);
	U8S(replicas, "parity: 2/3 [0 1 255]\n", 6, 3, 2, 0, 1, 255, 0, 0);
	U64S(clean, "flags:          3\njournal_seq:    9\nentry type 5, 1 u64s\n",
	     3, 9, 0x0000000500020001ULL, 7, 0, 0);
	U64S(journal_seq_blacklist, "5-9 20-30\n", 5, 9, 20, 30);
	U64S(counters, "data_read 7\ndata_write9\n", 7, 9);
	/* newest first; ids of newer software have no name */
	U64S(errors, "(unknown error 900) 1               Thu Jan  1 00:00:09 1970\n"
	     "freespace_key_wrong 2               Thu Jan  1 00:00:05 1970\n",
	     115 | 2 << 16, 5, 900 | 1 << 16, 9);
	U64S(ext, "Recovery passes required:check_topology,check_allocations\n"
	     "Errors to silently fix:dirty_but_no_journal_entries,(unknown error 511)\n"
	     "Btrees with missing data:extents,(unknown btree 60)\n",
	     1 << 4 | 1 << 5, 0, 2, 0, 0, 0, 0, 0, 0, 1ULL << 63, 1 | 1ULL << 60, 0);
	U8S(downgrade, "version:  need_discard_by_journal_seq (1.38)\n"
	    "recovery passes:check_alloc_info\n"
	    "errors:   need_discard_freespace_key_bad,need_discard_key_wrong\n",
	    0x26, 4, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0x7c, 0, 0x72, 0);
	U8S(extent_type_u64s, "ptr 1\ncrc32 1\ncrc64 2\n", 1, 1, 2, 0, 0, 0, 0, 0);
	U64S(disk_groups, "[parent 0 name ssd]", 0x647373, 0, 0, 0, 0, 0);
	/* the pass with stable number 1 never ran */
	U64S(recovery_passes, "Pass       Last run                  Last runtime\n"
	     "alloc_read Thu Jan  1 00:00:05 1970  3s\n"
	     "initialize_subvolumesThu Jan  1 00:00:06 1970  0s (no ratelimit)\n",
	     5, 3, 0, 9, 6, 1ULL << 32);
	U64S(quota, "usr: flags 0 space timelimit 1 warnlimit 2 inodes timelimit 3 warnlimit 4\n"
	     "grp: flags 1 space timelimit 0 warnlimit 0 inodes timelimit 0 warnlimit 0\n"
	     "prj: flags 0 space timelimit 0 warnlimit 0 inodes timelimit 0 warnlimit 0\n",
	     0, 1 | 2ULL << 32, 3 | 4ULL << 32, 1, 0, 0, 0, 0, 0);

	/* shorter than their type allows: not looked into */
	U64S(crypt, "(too short: 16 bytes)\n", 0);
	U64S(ext, "(too short: 16 bytes)\n", 0);
}

/* Text from disk cannot forge lines. */
static void hostile_strings(void **state)
{
	struct bch_sb_handle h;
	CLASS(printbuf, out)();

	sb_make(&h, 1);
	memcpy(h.sb->label, "a\nLabel: b\x1b[31m", 15);
	memset(sb_member(&h, 0)->device_name, 'x', 16);
	bch2_sb_to_text(&out, NULL, h.sb, false, BCH_SB_TEXT_FIELDS_DEFAULT);
	assert_non_null(strstr(printbuf_str(&out), "a\\x0aLabel: b\\x1b[31m\n"));
	assert_non_null(strstr(printbuf_str(&out),
			       "  Last device name:                        xxxxxxxxxxxxxxxx\n"));
	bch2_free_super(&h);
}

static void key_names(void **state)
{
	char buf[BCH_KEY_DESCRIPTION_BYTES];
	struct bch_sb_handle h;

	sb_make(&h, 1);
	bch2_sb_key_description(h.sb, buf);
	assert_string_equal(buf, "bcachefs:bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb");
	assert_null(bch2_sb_crypt(h.sb));
	assert_false(bch2_sb_needs_passphrase(h.sb));
	sb_add(&h, BCH_SB_FIELD_crypt, (const u64[7]) { 0, 0, BCH_KEY_MAGIC }, 56);
	assert_false(bch2_sb_needs_passphrase(h.sb));
	bch2_sb_field_resize_id(&h, BCH_SB_FIELD_crypt, 0);
	sb_add(&h, BCH_SB_FIELD_crypt, (const u64[7]) { 0, 0, 1 }, 56);
	assert_true(bch2_sb_needs_passphrase(h.sb));
	bch2_free_super(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels),
		cmocka_unit_test(targets),
		cmocka_unit_test(versions),
		cmocka_unit_test(sections),
		cmocka_unit_test(hostile_strings),
		cmocka_unit_test(key_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
