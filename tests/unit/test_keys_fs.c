// SPDX-License-Identifier: GPL-2.0
/*
 * Values of inodes, dirents, xattrs, quotas, logged operations, snapshots and
 * subvolumes: the examples of the format description (Documentation/format/60,
 * 61) and every validation rule.
 */
#include <stdio.h>

#include "keys_common.h"

#include "fs/dirent.h"
#include "fs/inode.h"
#include "fs/xattr.h"
#include "init/passes_format.h"
#include "sb/fsck_err.h"
#include "snapshots/snapshot.h"
#include "snapshots/subvolume.h"

#define INODE_POS(i)	SPOS(0, i, U32_MAX)
#define DIR_POS		SPOS(4096, 1000, U32_MAX)

/* --- inodes --- */

/* Spec 60 §3.4, first example. */
#define ROOT_INODE								\
	"01 00 00 00 00 00 00 00  db 8f f0 91 d6 18 c4 79  00 00 30 16 d3 1e 04 00"	\
	"00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00"	\
	"a7 70 f6 02 00  a7 70 f6 02 00  a7 70 f6 02 00  a7 70 f6 02 00"		\
	"00 00 02  00 00 00 00 00 00 00 00 00 00 00 00 00 00  02  00 00"

static void inode_root(void **state)
{
	struct bkey_i *k = key_hex(KEY_TYPE_inode_v3, INODE_POS(4096), 0, ROOT_INODE);
	struct bch_inode_unpacked i;

	assert_int_equal(bkey_val_bytes(&k->k), 88);
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_inodes, 0, 0), KEY_OK);
	assert_int_equal(bch2_inode_unpack(bkey_i_to_s_c(k), &i), 0);
	assert_int_equal(i.unpack_failed_at, -1);
	assert_int_equal(i.bi_inum, 4096);
	assert_int_equal(i.bi_snapshot, U32_MAX);
	assert_int_equal(i.bi_journal_seq, 1);
	assert_int_equal(le64_to_cpu(i.bi_hash_seed), 0x79c418d691f08fdbULL);
	assert_int_equal(i.bi_mode, 040755);
	assert_int_equal(i.bi_flags, 0);
	assert_int_equal(i.bi_str_hash, BCH_STR_HASH_siphash);
	assert_int_equal(i.bi_atime, 3106570);
	assert_int_equal(i.bi_otime, 3106570);
	assert_int_equal(i.bi_nlink, 1);
	assert_int_equal(bch2_inode_nlink_get(&i), 3);
	assert_int_equal(i.bi_subvol, 1);
	assert_int_equal(bch2_inode_d_type(&i), DT_SUBVOL);
	assert_false(bch2_inode_has_backpointer(&i));
	key_free(k);
}

/* Second example. */
#define FILE_INODE								\
	"05 00 00 00 00 00 00 00  88 77 66 55 44 33 22 11  00 00 30 15 43 1a 08 00"	\
	"08 00 00 00 00 00 00 00  b8 0b 00 00 00 00 00 00  00 00 00 00 00 00 00 00"	\
	"a1 0f 00  a1 0f 00  a1 0f 00  a1 0f 00   a1 0f  a1 0f"				\
	"00 00 00  00 00 00 00  06  00 00 00 00  20  01 40  d1 48"			\
	"00 00 00 00 00 00 00"

static void inode_file(void **state)
{
	struct bkey_i *k = key_hex(KEY_TYPE_inode_v3, INODE_POS(4099), 0, FILE_INODE);
	struct bch_inode_unpacked i;

	assert_int_equal(bch2_inode_unpack(bkey_i_to_s_c(k), &i), 0);
	assert_int_equal(i.unpack_failed_at, -1);
	assert_int_equal(i.bi_mode, 0100644);
	assert_int_equal(i.bi_size, 3000);
	assert_int_equal(i.bi_sectors, 8);
	assert_int_equal(i.bi_uid, 1000);
	assert_int_equal(i.bi_gid, 1000);
	assert_int_equal(i.bi_mtime, 1000);
	assert_int_equal(i.bi_data_replicas, 3);
	assert_int_equal(i.bi_fields_set, 1 << Inode_opt_data_replicas);
	assert_int_equal(i.bi_dir, 4096);
	assert_int_equal(i.bi_dir_offset, 0x1234);
	assert_int_equal(bch2_inode_nlink_get(&i), 1);
	assert_int_equal(bch2_inode_d_type(&i), 8);
	assert_string_equal(key_text(NULL, k),
		"\n  mode 100644\n  flags (none)\n  journal_seq 5\n"
		"  hash_seed 1122334455667788\n  hash_type siphash\n"
		"  bi_size 3000\n  bi_sectors 8\n  bi_version 0\n"
		"  bi_atime 1000\n  bi_ctime 1000\n  bi_mtime 1000\n  bi_otime 1000\n"
		"  bi_uid 1000\n  bi_gid 1000\n  bi_data_replicas 3\n  bi_fields_set 16\n"
		"  bi_dir 4096\n  bi_dir_offset 4660\n");
	key_free(k);
}

/* v2: size and sectors are fields; v1 with both encodings of numbers. */
static void inode_old_layouts(void **state)
{
	struct bkey_i *k;
	struct bch_inode_unpacked i;

	k = key_hex(KEY_TYPE_inode_v2, INODE_POS(5000), 0,
		    "07 00 00 00 00 00 00 00  01 00 00 00 00 00 00 00  80 00 30 07 00 00 00 00"
		    "a4 81  02 00  04 00  06 00  08 00  b1 04  02  0a");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_inodes, 0, 0), KEY_OK);
	assert_int_equal(bch2_inode_unpack(bkey_i_to_s_c(k), &i), 0);
	assert_int_equal(i.unpack_failed_at, -1);
	assert_int_equal(i.bi_journal_seq, 7);
	assert_int_equal(i.bi_mode, 0100644);
	assert_int_equal(i.bi_flags, BCH_INODE_unlinked);
	assert_int_equal(bch2_inode_nlink_get(&i), 0);
	assert_true(bch2_inode_is_dead(&i));
	assert_int_equal(i.bi_atime, 1);
	assert_int_equal(i.bi_otime, 4);
	assert_int_equal(i.bi_size, 300);
	assert_int_equal(i.bi_sectors, 1);
	assert_int_equal(i.bi_uid, 5);
	key_free(k);

	/* seven fields, new numbers */
	k = key_hex(KEY_TYPE_inode, INODE_POS(5000), 0,
		    "01 00 00 00 00 00 00 00  00 00 20 87  a4 81"
		    "02 00  04 00  06 00  08 00  b1 04  02  0a");
	assert_int_equal(bch2_inode_unpack(bkey_i_to_s_c(k), &i), 0);
	assert_int_equal(i.unpack_failed_at, -1);
	assert_int_equal(i.bi_str_hash, BCH_STR_HASH_siphash_old);
	assert_int_equal(i.bi_mtime, 3);
	assert_int_equal(i.bi_size, 300);
	assert_int_equal(i.bi_uid, 5);
	key_free(k);

	/* the same with old numbers, spec 60 §2.2 */
	k = key_hex(KEY_TYPE_inode, INODE_POS(5000), 0,
		    "01 00 00 00 00 00 00 00  00 00 20 07  a4 81"
		    "81  40 80  43 e8  30 00 00  08 00 10 00 00 00  ff  80");
	assert_int_equal(bch2_inode_unpack(bkey_i_to_s_c(k), &i), 0);
	assert_int_equal(i.unpack_failed_at, -1);
	assert_int_equal(i.bi_atime, 1);
	assert_int_equal(i.bi_ctime, 128);
	assert_int_equal(i.bi_mtime, 1000);
	assert_int_equal(i.bi_otime, 1 << 20);
	assert_int_equal(i.bi_size, 1 << 28);
	assert_int_equal(i.bi_sectors, 127);
	assert_int_equal(i.bi_uid, 0);
	key_free(k);
}

/* A v3 head with @nr fields that are the bytes of @fields. */
static struct bkey_i *inode_with_fields(unsigned nr, const char *fields)
{
	char hex[512];

	snprintf(hex, sizeof(hex),
		 "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 30 %02x 43 1a 08 00"
		 "00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00 %s",
		 nr, fields);
	return key_hex(KEY_TYPE_inode_v3, INODE_POS(4097), 0, hex);
}

static void expect_unpack_failure(struct bkey_i *k, int at, u64 atime)
{
	struct bch_inode_unpacked i;

	assert_int_equal(bch2_inode_unpack(bkey_i_to_s_c(k), &i), 0);
	assert_int_equal(i.unpack_failed_at, at);
	assert_int_equal(i.bi_atime, atime);
	/* damaged fields are for fsck to repair, not for validation to drop */
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_inodes, 0, 0), KEY_OK);
	key_free(k);
}

static void inode_unpack_errors(void **state)
{
	/* number runs past the value */
	expect_unpack_failure(inode_with_fields(1, "ff 00 00 00 00 00 00 00"), 0, 0);
	/* upper half of a time is not 0 */
	expect_unpack_failure(inode_with_fields(2, "02 00 02 02 00 00 00 00"), 1, 1);
	/* the fifth field has 32 bits: 2^32 - 1 fits, 2^32 does not, however encoded */
#define UID(_hex)	inode_with_fields(5, "0200 0000 0000 0000" _hex)
	expect_unpack_failure(UID("ef ff ff ff 1f"), -1, 1);
	expect_unpack_failure(UID("0f 00 00 00 20"), 4, 1);
	expect_unpack_failure(UID("1f 00 00 00 40 00"), 4, 1);
#undef UID
	/* fields nobody knows yet are ignored */
	expect_unpack_failure(inode_with_fields(40,
			      "02 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
			      "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"), -1, 1);
}

static u64 passes_requested;

static int note_pass(struct bch_fs *c, unsigned stable_pass)
{
	passes_requested |= 1ULL << stable_pass;
	return 0;
}

/* Fields that are lost call for the passes that mend them. */
static void inode_damage_report(void **state)
{
	static const struct {
		unsigned	failed_at;
		u64		passes;
	} v[] = {
#define PASS(_name)	(1ULL << BCH_RECOVERY_PASS_STABLE_##_name)
		{ 6,  PASS(check_nlinks)|PASS(check_subvols)|PASS(check_subvolume_structure)|
		      PASS(check_dirents) },
		{ 7,  PASS(check_subvols)|PASS(check_subvolume_structure)|PASS(check_dirents) },
		{ 22, PASS(check_subvolume_structure)|PASS(check_dirents) },
		{ 26, PASS(check_dirents) },
		{ 27, 0 },
#undef PASS
	};
	struct bch_fs *c = fake_fs_new();

	assert_int_equal(bch2_fs_fsck_err_init(c), 0);
	c->up.request_pass = note_pass;

	for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
		/* all fields before are 0, this one runs past the value */
		unsigned zeros = v[i].failed_at + 4;
		u8 val[48 + 40] = { [18] = 0x30, [19] = v[i].failed_at + 1, [20] = 3 };
		size_t bytes = (48 + zeros + 1 + 7) / 8 * 8;
		struct bkey_i *k;

		memset(val + 48 + zeros, 0xff, bytes - 48 - zeros);
		k = key_new(KEY_TYPE_inode_v3, INODE_POS(4096), 0, val, bytes);
		passes_requested = 0;
		assert_int_equal(bch2_inode_fields_check(c, bkey_i_to_s_c(k)), 0);
		assert_int_equal(passes_requested, v[i].passes);
		assert_int_equal(bch2_fsck_err_count(c, BCH_FSCK_ERR_inode_unpack_error), i + 1);
		key_free(k);
	}

	/* keys that are sound, or no inodes at all */
	{
		struct bkey_i *k = key_hex(KEY_TYPE_inode_v3, INODE_POS(4096), 0, ROOT_INODE);

		passes_requested = 0;
		assert_int_equal(bch2_inode_fields_check(c, bkey_i_to_s_c(k)), 0);
		k->k.type = KEY_TYPE_whiteout;
		assert_int_equal(bch2_inode_fields_check(c, bkey_i_to_s_c(k)), 0);
		assert_int_equal(passes_requested, 0);
		assert_int_equal(bch2_fsck_err_count(c, BCH_FSCK_ERR_inode_unpack_error),
				 ARRAY_SIZE(v));
		key_free(k);
	}

	bch2_fs_fsck_err_exit(c);
	fake_fs_free(c);
}

static void inode_rules(void **state)
{
	u8 v3[56] = { [19] = 0x00, [18] = 0x30 };

	/* fields_start 6 = bits 31..35: 0x3 << 32, mode 0 */
	v3[20] = 3;
	expect_key(inodes, 0, KEY_OK, key_new(KEY_TYPE_inode_v3, INODE_POS(4096), 0, v3, 56));
	expect_key(inodes, 0, BCH_FSCK_ERR_inode_pos_inode_nonzero,
		   key_new(KEY_TYPE_inode_v3, SPOS(1, 4096, U32_MAX), 0, v3, 56));
	expect_key(inodes, 0, BCH_FSCK_ERR_inode_pos_blockdev_range,
		   key_new(KEY_TYPE_inode_v3, INODE_POS(4095), 0, v3, 56));
	expect_key(inodes, 0, BCH_FSCK_ERR_bkey_val_size_too_small,
		   key_new(KEY_TYPE_inode_v3, INODE_POS(4096), 0, v3, 40));
	expect_key(inodes, 0, BCH_FSCK_ERR_bkey_snapshot_zero,
		   key_new(KEY_TYPE_inode_v3, POS(0, 4096), 0, v3, 56));
	v3[18] = 0x40;
	expect_key(inodes, 0, BCH_FSCK_ERR_inode_str_hash_invalid,
		   key_new(KEY_TYPE_inode_v3, INODE_POS(4096), 0, v3, 56));
	v3[18] = 0x30;
	v3[20] = 2;		/* 4 words */
	expect_key(inodes, 0, BCH_FSCK_ERR_inode_v3_fields_start_bad,
		   key_new(KEY_TYPE_inode_v3, INODE_POS(4096), 0, v3, 56));
	v3[20] = 4;		/* 8 words of 7 */
	expect_key(inodes, 0, BCH_FSCK_ERR_inode_v3_fields_start_bad,
		   key_new(KEY_TYPE_inode_v3, INODE_POS(4096), 0, v3, 56));

	expect_key(inodes, 0, BCH_FSCK_ERR_inode_str_hash_invalid,
		   key_hex(KEY_TYPE_inode, INODE_POS(4096), 0,
			   "0000000000000000 0000f000 0000 0000"));
	expect_key(inodes, 0, BCH_FSCK_ERR_bkey_val_size_too_small,
		   key_hex(KEY_TYPE_inode, INODE_POS(4096), 0, "0000000000000000"));
	expect_key(inodes, 0, BCH_FSCK_ERR_bkey_val_size_too_small,
		   key_new(KEY_TYPE_inode_v2, INODE_POS(4096), 0, v3, 24));
	expect_key(inodes, 0, BCH_FSCK_ERR_inode_pos_inode_nonzero,
		   key_hex(KEY_TYPE_inode_generation, SPOS(1, 4096, 1), 0, "0100000000000000"));
	expect_text("generation 258",
		    key_hex(KEY_TYPE_inode_generation, INODE_POS(4096), 0, "0201000000000000"));
}

static void inode_cursor(void **state)
{
	const char *v = "04 00 00 00  02 00 00 00  00 10 00 00 00 00 00 00";

	expect_key(logged_ops, 0, KEY_OK, key_hex(KEY_TYPE_inode_alloc_cursor, POS(1, 0), 0, v));
	expect_key(logged_ops, 0, BCH_FSCK_ERR_inode_alloc_cursor_inode_bad,
		   key_hex(KEY_TYPE_inode_alloc_cursor, POS(0, 1), 0, v));
	expect_text("bits 4 generation 2 idx 4096",
		    key_hex(KEY_TYPE_inode_alloc_cursor, POS(1, 0), 0, v));
}

static void times(void **state)
{
	struct bch_fs *c = fake_fs_new();
	struct timespec64 t;

	c->sb.time_base_lo = 1700000000ULL * 1000000000 + 5;
	t = bch2_time_to_timespec64(c, 3);
	assert_int_equal(t.tv_sec, 1700000000);
	assert_int_equal(t.tv_nsec, 8);
	/* before the epoch */
	t = bch2_time_to_timespec64(c, -(s64) c->sb.time_base_lo - 1);
	assert_int_equal(t.tv_sec, -1);
	assert_int_equal(t.tv_nsec, 999999999);
	t = bch2_time_to_timespec64(c, -(s64) c->sb.time_base_lo - 1000000000);
	assert_int_equal(t.tv_sec, -1);
	assert_int_equal(t.tv_nsec, 0);

	/* units of a microsecond */
	c->sb.time_units_per_sec = 1000000;
	c->sb.nsec_per_time_unit = 1000;
	c->sb.time_base_lo = 0;
	t = bch2_time_to_timespec64(c, 1500001);
	assert_int_equal(t.tv_sec, 1);
	assert_int_equal(t.tv_nsec, 500001000);
	fake_fs_free(c);
}

/* --- dirents --- */

static void expect_bytes(struct bch_bytes b, const char *s)
{
	assert_int_equal(b.len, strlen(s));
	assert_memory_equal(b.p, s, b.len);
}

static void dirent_examples(void **state)
{
	struct bkey_i *k;

	k = key_hex(KEY_TYPE_dirent, DIR_POS, 0,
		    "01 10 00 00 00 00 00 00  04  6c 6f 73 74 2b 66 6f 75 6e 64  00 00 00 00 00");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_dirents, 0, BCH_VALIDATE_commit), KEY_OK);
	expect_bytes(bch2_dirent_get_name(bkey_i_to_s_c(k)), "lost+found");
	expect_bytes(bch2_dirent_get_lookup_name(bkey_i_to_s_c(k)), "lost+found");
	expect_bytes(bch2_dirent_get_casefold_name(bkey_i_to_s_c(k)), "");
	assert_int_equal(bch2_dirent_get_target(bkey_i_to_s_c(k)).inum, 4097);
	expect_text("lost+found -> 4097 type dir", k);

	k = key_hex(KEY_TYPE_dirent, DIR_POS, 0,
		    "04 10 00 00 00 00 00 00  88  00 00  07 00  07 00"
		    "53 74 72 61 c3 9f 65  73 74 72 61 73 73 65  00 00 00");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_dirents, 0, BCH_VALIDATE_commit), KEY_OK);
	expect_bytes(bch2_dirent_get_lookup_name(bkey_i_to_s_c(k)), "strasse");
	expect_text("Stra\xc3\x9f" "e (casefold strasse) -> 4100 type reg", k);

	k = key_hex(KEY_TYPE_dirent, DIR_POS, 0,
		    "6e 00 00 80 00 00 00 00  88  00 00  0b 00  0b 00"
		    "43 61 73 65 46 69 6c 65 31 35 38  63 61 73 65 66 69 6c 65 31 35 38  00 00 00");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_dirents, 0, 0), KEY_OK);
	expect_text("CaseFile158 (casefold casefile158) -> 2147483758 type reg", k);

	k = key_hex(KEY_TYPE_dirent, DIR_POS, 0,
		    "05 00 00 00 01 00 00 00  10  73 0a 5c 00 00 00 00");
	assert_int_equal(bch2_dirent_get_target(bkey_i_to_s_c(k)).child_subvol, 5);
	assert_int_equal(bch2_dirent_get_target(bkey_i_to_s_c(k)).parent_subvol, 1);
	expect_text("s\\x0a\\x5c -> subvol 5 parent_subvol 1 type subvol", k);

	/* a name that fills its words has no terminator */
	k = key_hex(KEY_TYPE_dirent, DIR_POS, 0,
		    "01 10 00 00 00 00 00 00  08  61 62 63 64 65 66 67");
	expect_bytes(bch2_dirent_get_name(bkey_i_to_s_c(k)), "abcdefg");
	key_free(k);
}

static void dirent_rules(void **state)
{
	u8 v[9 + 520] = { [1] = 0x20, [8] = 8 };
	u8 cf[15 + 514] = { [1] = 0x20, [8] = 0x88, [11] = 1, [13] = 1, [14] = 2, [15] = 'A' };

#define NAME(_hex)	key_hex(KEY_TYPE_dirent, DIR_POS, 0, "0020000000000000 08" _hex)
	expect_key(dirents, 0, BCH_FSCK_ERR_dirent_empty_name, NAME("00 00 00 00 00 00 00"));
	expect_key(dirents, 0, BCH_FSCK_ERR_dirent_name_embedded_nul, NAME("61 00 62 00 00 00 00"));
	expect_key(dirents, 0, BCH_FSCK_ERR_dirent_name_dot_or_dotdot, NAME("2e"));
	expect_key(dirents, 0, BCH_FSCK_ERR_dirent_name_dot_or_dotdot, NAME("2e 2e"));
	expect_key(dirents, 0, KEY_OK, NAME("2e 2e 2e"));
	expect_key(dirents, 0, BCH_FSCK_ERR_dirent_name_has_slash, NAME("61 2f"));
	/* one word too many: zeros count as part of the name */
	expect_key(dirents, 0, BCH_FSCK_ERR_dirent_name_embedded_nul,
		   NAME("61 00 00 00 00 00 00  00 00 00 00 00 00 00 00"));
#undef NAME
	expect_key(dirents, 0, BCH_FSCK_ERR_dirent_to_itself,
		   key_hex(KEY_TYPE_dirent, DIR_POS, 0, "0010000000000000 04 61"));
	/* not for subvolumes: their first word is two ids */
	expect_key(dirents, 0, KEY_OK,
		   key_hex(KEY_TYPE_dirent, DIR_POS, 0, "0010000000000000 10 61"));
	expect_key(dirents, 0, BCH_FSCK_ERR_bkey_val_size_too_small,
		   key_hex(KEY_TYPE_dirent, DIR_POS, 0, "0010000000000000"));

	memset(v + 9, 'x', 520);
	expect_key(dirents, 0, KEY_OK, key_new(KEY_TYPE_dirent, DIR_POS, 0, v, 9 + 513));
	expect_key(dirents, BCH_VALIDATE_write, BCH_FSCK_ERR_dirent_name_too_long,
		   key_new(KEY_TYPE_dirent, DIR_POS, 0, v, 9 + 513));
	expect_key(dirents, BCH_VALIDATE_write, KEY_OK,
		   key_new(KEY_TYPE_dirent, DIR_POS, 0, v, 9 + 512));

	memset(cf + 16, 'a', 513);
	expect_key(dirents, 0, KEY_OK, key_new(KEY_TYPE_dirent, DIR_POS, 0, cf, 16 + 513));
	expect_key(dirents, BCH_VALIDATE_write, BCH_FSCK_ERR_dirent_cf_name_too_big,
		   key_new(KEY_TYPE_dirent, DIR_POS, 0, cf, 16 + 513));

	expect_key(dirents, 0, BCH_FSCK_ERR_dirent_val_too_big,
		   key_hex(KEY_TYPE_dirent, DIR_POS, 0,
			   "0020000000000000 88 0000 0100 ffff 41 61 00 00 00 00 00 00 00"));
	expect_key(dirents, 0, BCH_FSCK_ERR_dirent_empty_name,
		   key_hex(KEY_TYPE_dirent, DIR_POS, 0,
			   "0020000000000000 88 0000 0000 0100 61"));
	expect_key(dirents, 0, BCH_FSCK_ERR_dirent_stray_data_after_cf_name,
		   key_hex(KEY_TYPE_dirent, DIR_POS, 0,
			   "0020000000000000 88 0000 0100 0300 41 61 00 62"));
}

/* --- xattrs --- */

static void xattr_examples(void **state)
{
	struct bkey_i *k = key_hex(KEY_TYPE_xattr, DIR_POS, 0,
				   "00 03 04 00  66 6f 6f  62 61 72 21  00 00 00 00 00");

	assert_int_equal(key_verdict(NULL, k, BTREE_ID_xattrs, 0, BCH_VALIDATE_commit), KEY_OK);
	expect_bytes(bch2_xattr_get_name(bkey_i_to_s_c(k)), "foo");
	expect_bytes(bch2_xattr_get_value(bkey_i_to_s_c(k)), "bar!");
	expect_text("user.foo = bar!", k);

	k = key_hex(KEY_TYPE_xattr, DIR_POS, 0,
		    "01 00 1c 00"
		    "01 00 00 00  01 00 06 00  02 00 04 00 e8 03 00 00  04 00 04 00"
		    "10 00 04 00  20 00 00 00");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_xattrs, 0, 0), KEY_OK);
	expect_text("system.posix_acl_access = acl user_obj:rw- user:1000:r-- group_obj:r-- "
		    "mask:r-- other:---", k);

	/* what is no ACL is not read as one */
	expect_text("system.posix_acl_access = acl (unknown version 2)",
		    key_hex(KEY_TYPE_xattr, DIR_POS, 0, "01 00 04 00 02 00 00 00"));
	expect_text("system.posix_acl_default = acl user_obj:rwx (5 bytes that are no entry)",
		    key_hex(KEY_TYPE_xattr, DIR_POS, 0,
			    "02 00 0d 00 01 00 00 00 01 00 07 00 02 00 07 00 01"));
	expect_text("trusted.a = 0x00ff",
		    key_hex(KEY_TYPE_xattr, DIR_POS, 0, "03 01 02 00 61 00 ff"));
}

static void xattr_rules(void **state)
{
	expect_key(xattrs, 0, BCH_FSCK_ERR_xattr_val_size_too_small,
		   key_hex(KEY_TYPE_xattr, DIR_POS, 0, "00 03 04 00 66 6f 6f 62"));
	/* 11 bytes: 2 words; with slack 15: also 2; 3 are too many */
	expect_key(xattrs, 0, BCH_FSCK_ERR_xattr_val_size_too_big,
		   key_hex(KEY_TYPE_xattr, DIR_POS, 0,
			   "00 03 04 00 66 6f 6f 62 61 72 21 00 00 00 00 00 0000000000000000"));
	/* 15 bytes with slack are 19: 3 words are what old software wrote */
	expect_key(xattrs, 0, KEY_OK,
		   key_hex(KEY_TYPE_xattr, DIR_POS, 0,
			   "00 03 08 00 66 6f 6f 62 61 72 21 62 61 72 21 00 0000000000000000"));
	expect_key(xattrs, 0, BCH_FSCK_ERR_xattr_invalid_type,
		   key_hex(KEY_TYPE_xattr, DIR_POS, 0, "05 01 00 00 61"));
	expect_key(xattrs, 0, BCH_FSCK_ERR_xattr_name_invalid_chars,
		   key_hex(KEY_TYPE_xattr, DIR_POS, 0, "00 03 00 00 61 00 62"));
}

/* --- quotas, logged operations --- */

static void quota(void **state)
{
	const char *v = "0001000000000000 0002000000000000 0300000000000000 0400000000000000";

	expect_key(quotas, 0, KEY_OK, key_hex(KEY_TYPE_quota, POS(2, 1000), 0, v));
	expect_key(quotas, 0, BCH_FSCK_ERR_quota_type_invalid,
		   key_hex(KEY_TYPE_quota, POS(3, 1000), 0, v));
	expect_text("usr 1000 space hardlimit 256 softlimit 512 inodes hardlimit 3 softlimit 4",
		    key_hex(KEY_TYPE_quota, POS(0, 1000), 0, v));
}

static void logged_ops(void **state)
{
	expect_text("subvol=1 inum=4099 new_i_size=4096",
		    key_hex(KEY_TYPE_logged_op_truncate, POS(0, 1), 0,
			    "01000000 00000000 0310000000000000 0010000000000000"));
	expect_text("state=shift_extents subvol=1 inum=4099 dst_offset=16 src_offset=8 pos=32",
		    key_hex(KEY_TYPE_logged_op_finsert, POS(0, 1), 0,
			    "01000000 01000000 0310000000000000 1000000000000000"
			    "0800000000000000 2000000000000000"));
	/* the shortest value that is accepted */
	expect_key(logged_ops, 0, KEY_OK,
		   key_hex(KEY_TYPE_logged_op_finsert, POS(0, 1), 0,
			   "03000000 01000000 0310000000000000 1000000000000000"));
	expect_text("state=(unknown 3) subvol=1 inum=4099 dst_offset=16 src_offset=0 pos=0",
		    key_hex(KEY_TYPE_logged_op_finsert, POS(0, 1), 0,
			    "03000000 01000000 0310000000000000 1000000000000000"));
	expect_text("old_idx=3 new_idx=4 old_blocks_nr=2",
		    key_hex(KEY_TYPE_logged_op_stripe_update, POS(0, 1), 0,
			    "0300000000000000 0400000000000000 02 00 01 0000000000"
			    "0000000000000000 0000000000000000"));
}

/* --- snapshots and subvolumes --- */

static void snapshot_examples(void **state)
{
	struct bch_snapshot s;
	struct bkey_i *k;

	/* spec 61 §9.3, creation time 7 */
	k = key_hex(KEY_TYPE_snapshot, POS(0, 4294967294), 0,
		    "02 00 00 00  ff ff ff ff  00 00 00 00  00 00 00 00  02 00 00 00  01 00 00 00"
		    "01 00 00 00  ff ff ff ff  ff ff ff ff  ff ff ff ff"
		    "07 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_snapshots, 0, 0), KEY_OK);
	expect_text("flags subvol parent 4294967295 children 0 0 subvol 2 tree 1 "
		    "depth 1 skip 4294967295 4294967295 4294967295 btime 7", k);

	/* the shortest value: depth and skips read as 0 */
	k = key_hex(KEY_TYPE_snapshot, POS(0, 100), 0,
		    "09 00 00 00  c8 00 00 00  32 00 00 00  31 00 00 00  00 00 00 00  01 00 00 00");
	assert_int_equal(key_verdict(NULL, k, BTREE_ID_snapshots, 0, 0), KEY_OK);
	bch2_snapshot_val(bkey_i_to_s_c(k), &s);
	assert_int_equal(s.depth, 0);
	assert_int_equal(s.skip[2], 0);
	expect_text("flags will_delete,no_keys parent 200 children 50 49 subvol 0 tree 1 "
		    "depth 0 skip 0 0 0 btime 0", k);

	expect_text("subvol 1 root 4294967295",
		    key_hex(KEY_TYPE_snapshot_tree, POS(0, 1), 0, "01 00 00 00 ff ff ff ff"));
	expect_text("root 4096 snapshot 4294967295 creation_parent 0 fs_path_parent 0 otime 0",
		    key_hex(KEY_TYPE_subvolume, POS(0, 1), 0,
			    "00 00 00 00  ff ff ff ff  00 10 00 00 00 00 00 00"));
}

static struct bkey_i *snapshot(u64 id, u32 parent, u32 child0, u32 child1, u32 skip0, u32 skip1,
			       u32 skip2)
{
	struct bch_snapshot s = {
		.parent		= cpu_to_le32(parent),
		.children	= { cpu_to_le32(child0), cpu_to_le32(child1) },
		.skip		= { cpu_to_le32(skip0), cpu_to_le32(skip1), cpu_to_le32(skip2) },
	};

	return key_new(KEY_TYPE_snapshot, POS(0, id), 0, &s, sizeof(s));
}

static void snapshot_rules(void **state)
{
#define BAD(_id, ...)	expect_key(snapshots, 0, BCH_FSCK_ERR_##_id, snapshot(__VA_ARGS__))
	expect_key(snapshots, 0, KEY_OK, snapshot(100, 200, 50, 49, 200, 200, 300));
	BAD(snapshot_pos_bad, 0, 0, 0, 0, 0, 0, 0);
	BAD(snapshot_pos_bad, 1ULL << 32, 0, 0, 0, 0, 0, 0);
	BAD(snapshot_parent_bad, 100, 100, 0, 0, 0, 0, 0);
	BAD(snapshot_children_not_normalized, 100, 0, 49, 50, 0, 0, 0);
	BAD(snapshot_child_duplicate, 100, 0, 50, 50, 0, 0, 0);
	BAD(snapshot_child_bad, 100, 0, 100, 50, 0, 0, 0);
	BAD(snapshot_skiplist_not_normalized, 100, 200, 0, 0, 300, 200, 200);
	BAD(snapshot_skiplist_bad, 100, 200, 0, 0, 0, 199, 200);
#undef BAD
	expect_key(snapshots, 0, BCH_FSCK_ERR_bkey_val_size_too_small,
		   key_hex(KEY_TYPE_snapshot, POS(0, 1), 0, "00000000 00000000 00000000 00000000"));
	expect_key(snapshot_trees, 0, BCH_FSCK_ERR_snapshot_tree_pos_bad,
		   key_hex(KEY_TYPE_snapshot_tree, POS(0, 0), 0, "01 00 00 00 ff ff ff ff"));
	expect_key(snapshot_trees, 0, BCH_FSCK_ERR_snapshot_tree_pos_bad,
		   key_hex(KEY_TYPE_snapshot_tree, POS(1, 1), 0, "01 00 00 00 ff ff ff ff"));
}

static void subvolume_rules(void **state)
{
#define SUBVOL(_id, _snapshot, _inode)						\
	key_hex(KEY_TYPE_subvolume, POS(0, _id), 0, "00000000" _snapshot _inode "00000000")
	expect_key(subvolumes, 0, KEY_OK, SUBVOL(0x7fffffff, "01000000", "00100000 00000000"));
	expect_key(subvolumes, 0, BCH_FSCK_ERR_subvol_pos_bad,
		   SUBVOL(0, "01000000", "00100000 00000000"));
	expect_key(subvolumes, 0, BCH_FSCK_ERR_subvol_pos_bad,
		   SUBVOL(0x80000000, "01000000", "00100000 00000000"));
	expect_key(subvolumes, 0, BCH_FSCK_ERR_subvol_snapshot_bad,
		   SUBVOL(1, "00000000", "00100000 00000000"));
	expect_key(subvolumes, 0, BCH_FSCK_ERR_subvol_inode_bad,
		   SUBVOL(1, "01000000", "00000000 00000000"));
#undef SUBVOL
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inode_root),
		cmocka_unit_test(inode_file),
		cmocka_unit_test(inode_old_layouts),
		cmocka_unit_test(inode_unpack_errors),
		cmocka_unit_test(inode_damage_report),
		cmocka_unit_test(inode_rules),
		cmocka_unit_test(inode_cursor),
		cmocka_unit_test(times),
		cmocka_unit_test(dirent_examples),
		cmocka_unit_test(dirent_rules),
		cmocka_unit_test(xattr_examples),
		cmocka_unit_test(xattr_rules),
		cmocka_unit_test(quota),
		cmocka_unit_test(logged_ops),
		cmocka_unit_test(snapshot_examples),
		cmocka_unit_test(snapshot_rules),
		cmocka_unit_test(subvolume_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
