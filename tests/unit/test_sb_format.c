// SPDX-License-Identifier: GPL-2.0
/*
 * Making filesystems: geometry against the worked examples of
 * Documentation/format/71 section 5, bytes against those of section 6, labels
 * and targets against 10 and 11, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <linux/err.h>
#include <linux/kernel.h>

#include "sb/disk_groups.h"
#include "sb/format.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb_common.h"

#define KiB	(1ULL << 10)
#define MiB	(1ULL << 20)
#define GiB	(1ULL << 30)
#define TiB	(1ULL << 40)

#define DEVS_MAX	4

/* One format with room for its devices. */
struct made {
	struct bch_format	f;
	struct bch_format_dev	devs[DEVS_MAX];
	struct bch_sb_handle	h;
};

static void made_init(struct made *m, unsigned nr, u64 bytes)
{
	static const char *const paths[DEVS_MAX] = { "/dev/a", "/dev/b", "/dev/c", "/dev/d" };

	memset(m, 0, sizeof(*m));
	m->f = (struct bch_format) {
		.version	= BCH_VERSION(1, 38),
		.sb_bytes	= BCH_FORMAT_SB_BYTES_DEFAULT,
		.ram_bytes	= 8 * GiB,
		.nr_cpus	= 2,
		.devs		= m->devs,
		.nr_devs	= nr,
	};
	for (unsigned i = 0; i < nr; i++)
		m->devs[i] = (struct bch_format_dev) {
			.path = paths[i], .bytes = bytes, .logical_block = 512,
			.physical_block = 4096, .rotational = true,
		};
}

static int geometry(struct made *m, const char *text)
{
	CLASS(printbuf, err)();
	const int ret = bch2_format_geometry(&m->f, &err);

	if (ret && (!text || !strstr(printbuf_str(&err), text)))
		fail_msg("got %s, \"%s\"", bch2_err_str(ret), printbuf_str(&err));
	if (!ret)
		assert_int_equal(err.pos, 0);
	return ret;
}

static void build(struct made *m, unsigned dev)
{
	CLASS(printbuf, err)();

	assert_int_equal(geometry(m, NULL), 0);
	if (bch2_format_super(&m->f, &m->h, &err) ||
	    bch2_format_dev_super(&m->f, &m->h, dev, &err))
		fail_msg("%s", printbuf_str(&err));
}

/* --- geometry --- */

static void test_table(void **state)
{
	static const struct {
		u64	bytes;
		u32	block, node, bucket;
		u64	nbuckets, end_copy;
	} rows[] = {
		{  16 * MiB,  512,   8 * KiB,   8 * KiB,   2048,     30720 },
		{  32 * MiB,  512,  16 * KiB,  16 * KiB,   2048,     63488 },
		{  64 * MiB,  512,  32 * KiB,  32 * KiB,   2048,    129024 },
		{ 100 * MiB,  512,  32 * KiB,  32 * KiB,   3200,    202752 },
		{ 128 * MiB,  512,  64 * KiB,  64 * KiB,   2048,    260096 },
		{ 256 * MiB,  512, 128 * KiB, 128 * KiB,   2048,    522240 },
		{ 512 * MiB,  512, 256 * KiB, 256 * KiB,   2048,   1046528 },
		{   1 * GiB, 4096, 256 * KiB, 512 * KiB,   2048,   2095104 },
		{   2 * GiB, 4096, 256 * KiB,   1 * MiB,   2048,   4192256 },
		{   4 * GiB, 4096, 256 * KiB,   1 * MiB,   4096,   8386560 },
		{ 100 * GiB, 4096, 256 * KiB,   1 * MiB, 102400, 209713152 },
		{   2 * TiB, 4096, 256 * KiB,   2 * MiB,  1 << 20, 4294963200 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct made m;

		made_init(&m, 1, rows[i].bytes);
		build(&m, 0);
		assert_int_equal(m.f.block_bytes, rows[i].block);
		assert_int_equal(m.f.node_bytes, rows[i].node);
		assert_int_equal(m.devs[0].bucket_bytes, rows[i].bucket);
		assert_int_equal(m.devs[0].nbuckets, rows[i].nbuckets);
		assert_int_equal(m.h.sb->layout.nr_superblocks, 3);
		assert_int_equal(le64_to_cpu(m.h.sb->layout.sb_offset[0]), 8);
		assert_int_equal(le64_to_cpu(m.h.sb->layout.sb_offset[1]), 2056);
		assert_int_equal(le64_to_cpu(m.h.sb->layout.sb_offset[2]), rows[i].end_copy);
		bch2_free_super(&m.h);
	}
}

static u32 bucket_of(u64 bytes, u64 ram)
{
	struct made m;

	made_init(&m, 1, bytes);
	m.f.ram_bytes = ram;
	assert_int_equal(geometry(&m, NULL), 0);
	return m.devs[0].bucket_bytes;
}

static void test_memory_bound(void **state)
{
	assert_int_equal(bucket_of(1 * TiB, 4 * GiB), 1 * MiB);
	assert_int_equal(bucket_of(1 * TiB + GiB, 4 * GiB), 2 * MiB);
	assert_int_equal(bucket_of(42 * TiB, 4 * GiB), 2 * MiB);
	assert_int_equal(bucket_of(43 * TiB, 4 * GiB), 4 * MiB);
	/* 16 bits of sectors hold no larger power of two */
	assert_int_equal(bucket_of(4096 * TiB, 1 * GiB), 16 * MiB);
	/* no memory at all is no reason to divide by zero */
	assert_int_equal(bucket_of(64 * GiB, 0), 16 * MiB);
}

static u32 shard_bits(u64 bytes, unsigned cpus, u32 node)
{
	struct made m;

	made_init(&m, 1, bytes);
	m.f.nr_cpus = cpus;
	if (node)
		opt_set(m.f.opts, btree_node_size, node);
	assert_int_equal(geometry(&m, NULL), 0);
	return m.f.shard_bits;
}

static void test_shard_bits(void **state)
{
	struct made m;

	assert_int_equal(shard_bits(64 * MiB, 2, 0), 0);
	assert_int_equal(shard_bits(256 * MiB, 2, 0), 1);
	assert_int_equal(shard_bits(512 * MiB, 2, 0), 2);
	assert_int_equal(shard_bits(4 * TiB, 2, 0), 2);
	assert_int_equal(shard_bits(4 * TiB, 1, 0), 1);
	assert_int_equal(shard_bits(4 * TiB, 3, 0), 3);
	assert_int_equal(shard_bits(4 * TiB, 1000, 0), 8);
	assert_int_equal(shard_bits(256 * MiB, 4, 64 * KiB), 3);

	made_init(&m, 1, 256 * MiB);
	opt_set(m.f.opts, shard_inode_numbers_bits, 0);
	assert_int_equal(geometry(&m, NULL), 0);
	assert_int_equal(m.f.shard_bits, 0);
}

static void test_block_size(void **state)
{
	struct made m;

	made_init(&m, 2, 1 * GiB);
	m.devs[1].physical_block = 16384;
	assert_int_equal(geometry(&m, NULL), 0);
	assert_int_equal(m.f.block_bytes, 16384);

	m.devs[1].physical_block = 65536;
	assert_int_equal(geometry(&m, NULL), 0);
	assert_int_equal(m.f.block_bytes, 32768);

	/* small, but the device cannot write less */
	made_init(&m, 1, 256 * MiB);
	m.devs[0].logical_block = 4096;
	assert_int_equal(geometry(&m, NULL), 0);
	assert_int_equal(m.f.block_bytes, 4096);
	opt_set(m.f.opts, block_size, 512);
	assert_int_equal(geometry(&m, "/dev/a: block size 512 smaller than the device's (4096)"),
			 -BCH_ERR_invalid_sb_block_size);

	made_init(&m, 1, 1 * GiB);
	opt_set(m.f.opts, block_size, 512);
	assert_int_equal(geometry(&m, NULL), 0);
	assert_int_equal(m.f.block_bytes, 512);
}

/* Documentation/format/71 section 10 */
static void test_two_devices(void **state)
{
	struct made m;

	made_init(&m, 2, 128 * MiB);
	m.devs[1].bytes = 300 * MiB;
	m.devs[0].label = "ssd.a";
	m.devs[1].label = "hdd.b";
	opt_set(m.devs[1].opts, durability, 2);
	m.f.targets[BCH_FORMAT_foreground_target] = "ssd";
	build(&m, 1);

	assert_int_equal(m.f.block_bytes, 512);
	assert_int_equal(m.f.node_bytes, 64 * KiB);
	assert_int_equal(m.devs[0].bucket_bytes, 64 * KiB);
	assert_int_equal(m.devs[0].nbuckets, 2048);
	assert_int_equal(m.devs[1].bucket_bytes, 128 * KiB);
	assert_int_equal(m.devs[1].nbuckets, 2400);

	assert_int_equal(bch2_sb_label_find(m.h.sb, "ssd"), 0);
	assert_int_equal(bch2_sb_label_find(m.h.sb, "ssd.a"), 1);
	assert_int_equal(bch2_sb_label_find(m.h.sb, "hdd"), 2);
	assert_int_equal(bch2_sb_label_find(m.h.sb, "hdd.b"), 3);
	assert_int_equal(BCH_MEMBER_GROUP(sb_member(&m.h, 0)), 2);
	assert_int_equal(BCH_MEMBER_GROUP(sb_member(&m.h, 1)), 4);
	assert_int_equal(BCH_MEMBER_DURABILITY(sb_member(&m.h, 0)), 2);
	assert_int_equal(BCH_MEMBER_DURABILITY(sb_member(&m.h, 1)), 3);
	assert_int_equal(BCH_SB_FOREGROUND_TARGET(m.h.sb), 257);
	assert_int_equal(BCH_SB_BACKGROUND_TARGET(m.h.sb), 0);

	assert_int_equal(m.h.sb->nr_devices, 2);
	assert_int_equal(m.h.sb->dev_idx, 1);
	assert_int_equal(BCH_SB_MULTI_DEVICE(m.h.sb), 0);
	/* 300 MiB, buckets of 256 sectors */
	assert_int_equal(le64_to_cpu(m.h.sb->layout.sb_offset[2]), (614400 - 2048) / 256 * 256);
	bch2_free_super(&m.h);
}

static void test_refused_geometry(void **state)
{
	struct made m;

	made_init(&m, 2, 64 * MiB);
	m.devs[1].bytes = 100 * KiB;
	assert_int_equal(geometry(&m,
		"cannot format /dev/b, too small (102400 bytes, min 262144)"),
		-BCH_ERR_device_size_too_small);

	made_init(&m, 1, 64 * MiB);
	opt_set(m.f.opts, btree_node_size, 256 * KiB);
	assert_int_equal(geometry(&m, "too small (67108864 bytes, min 134217728)"),
			 -BCH_ERR_device_size_too_small);

	made_init(&m, 1, 64 * MiB);
	opt_set(m.devs[0].opts, bucket_size, 1 * MiB);
	assert_int_equal(geometry(&m, "Not enough buckets: 64, need 512 (bucket size 1048576)"),
			 -BCH_ERR_invalid_sb_members);

	made_init(&m, 1, 64 * GiB);
	opt_set(m.devs[0].opts, bucket_size, 32 * MiB);
	assert_int_equal(geometry(&m, "bucket size 33554432 too big"),
			 -BCH_ERR_invalid_sb_members);

	opt_set(m.devs[0].opts, bucket_size, 2048);
	assert_int_equal(geometry(&m, "cannot be smaller than block size 4096"),
			 -BCH_ERR_invalid_sb_members);

	opt_set(m.devs[0].opts, bucket_size, 64 * KiB);
	opt_set(m.f.opts, btree_node_size, 128 * KiB);
	assert_int_equal(geometry(&m, "cannot be smaller than btree node size 131072"),
			 -BCH_ERR_invalid_sb_members);

	made_init(&m, 1, 256 * MiB);
	opt_set(m.f.opts, block_size, 4096);
	opt_set(m.f.opts, btree_node_size, 4096);
	assert_int_equal(geometry(&m,
		"btree node size (4096) must be greater than block size (4096)"),
		-BCH_ERR_invalid_sb_block_size);

	made_init(&m, 2, ~511ULL);
	assert_int_equal(geometry(&m, "too big"), -BCH_ERR_invalid_sb_members);

	made_init(&m, 1, 512 * TiB);
	opt_set(m.devs[0].opts, bucket_size, 4096);
	opt_set(m.f.opts, block_size, 512);
	assert_int_equal(geometry(&m, "Too many buckets"), -BCH_ERR_invalid_sb_members);
}

/* Only the geometry of the bucket that was given decides, whatever number it is. */
static void test_odd_bucket_size(void **state)
{
	struct made m;

	made_init(&m, 1, 256 * MiB);
	opt_set(m.devs[0].opts, bucket_size, 96 * KiB);
	build(&m, 0);
	assert_int_equal(m.f.node_bytes, 64 * KiB);
	assert_int_equal(m.devs[0].nbuckets, 256 * MiB / (96 * KiB));
	bch2_free_super(&m.h);
}

static void test_small_extents(void **state)
{
	struct made m;

	/* 4 * encoded_extent_max and 256 KiB are the least for the filesystem */
	made_init(&m, 1, 8 * GiB);
	opt_set(m.f.opts, encoded_extent_max, 16 * KiB);
	assert_int_equal(geometry(&m, NULL), 0);
	assert_int_equal(m.devs[0].bucket_bytes, 256 * KiB);

	opt_set(m.f.opts, encoded_extent_max, 1 * MiB);
	assert_int_equal(geometry(&m, NULL), 0);
	assert_int_equal(m.devs[0].bucket_bytes, 4 * MiB);
}

/* --- no room --- */

static void test_room_for_copies(void **state)
{
	CLASS(printbuf, err)();
	struct made m;

	/* two copies need 8 + 4096 sectors, the third begins at a bucket behind them */
	made_init(&m, 1, (4104 + 2048) * 512);
	build(&m, 0);
	bch2_free_super(&m.h);

	made_init(&m, 1, (4103 + 2048) * 512);
	assert_int_equal(geometry(&m, NULL), 0);
	assert_int_equal(bch2_format_super(&m.f, &m.h, &err), 0);
	assert_int_not_equal(bch2_format_dev_super(&m.f, &m.h, 0, &err), 0);
	assert_non_null(strstr(printbuf_str(&err), "/dev/a: insufficient space for superblocks"));
	bch2_free_super(&m.h);

	printbuf_reset(&err);
	made_init(&m, 1, 64 * MiB);
	m.f.sb_bytes = 1024;
	assert_int_equal(geometry(&m, NULL), 0);
	assert_true(bch2_err_matches(bch2_format_super(&m.f, &m.h, &err), BCH_ERR_ENOSPC_sb));
	assert_string_equal(printbuf_str(&err), "superblock_size 1024 too small");
	bch2_free_super(&m.h);
}

/* --- bytes (Documentation/format/71 section 6.5) --- */

static void assert_bytes(const struct made *m, size_t at, const char *hex)
{
	const u8 *p = (const u8 *) m->h.sb + at;

	for (; *hex; hex += 2, p++) {
		unsigned v;

		while (*hex == ' ')
			hex++;
		assert_int_equal(sscanf(hex, "%2x", &v), 1);
		if (*p != v)
			fail_msg("byte %zu: %02x, not %02x",
				 (size_t) (p - (const u8 *) m->h.sb), *p, v);
	}
}

static void assert_zero(const struct made *m, size_t at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(((const u8 *) m->h.sb)[at + i], 0);
}

static void test_bytes(void **state)
{
	struct made m;

	made_init(&m, 1, 256 * MiB);
	build(&m, 0);

	assert_int_equal(bch2_sb_bytes(m.h.sb), 1232);
	assert_bytes(&m, 16, "26042604 00000000");
	assert_bytes(&m, 24, "c68573f6 66ce90a9 d96a60cf 803df7ef");
	assert_zero(&m, 72, 32);
	assert_bytes(&m, 104, "08000000 00000000");
	assert_zero(&m, 112, 8);
	assert_bytes(&m, 120, "01000001 3c000000");
	assert_bytes(&m, 136, "00000000 01000000");
	/* but for bits 2..8: the example has no checksum yet, here it is crc32c */
	assert_bytes(&m, 144, "04011080 00111181");
	assert_bytes(&m, 152, "02401201 00000000");
	assert_zero(&m, 160, 8);
	assert_bytes(&m, 168, "00000000 fa000000");
	assert_bytes(&m, 176, "64000000 01000000");
	assert_bytes(&m, 184, "00001e00 00002604");
	assert_bytes(&m, 192, "e1c10000 00100000");
	assert_zero(&m, 200, 8);
	assert_bytes(&m, 208, "80ba0f00 00000000 00000000 00000000");
	assert_zero(&m, 224, 16);
	assert_bytes(&m, 240, "c68573f6 66ce90a9 d96a60cf 803df7ef 000b03 0000000000"
		     "0800000000000000 0808000000000000 00f8070000000000 0000000000000000");
	assert_bytes(&m, 752, "0d0000000d000000");
	assert_zero(&m, 760, 88);
	assert_bytes(&m, 848, "00105028 00010000");
	assert_bytes(&m, 856, "27000000 0b000000 28010000 00000000");
	assert_bytes(&m, 888, "0008000000000000 0000 0001 00 000000 0000000000000000"
		     "00400e2003000000");
	assert_zero(&m, 920, 248);
	assert_bytes(&m, 1168, "08000000 01000000");
	assert_memory_equal((u8 *) m.h.sb + 1176, (u8 *) m.h.sb + 872, BCH_MEMBER_V1_BYTES);

	/* random, of version 4, and not the same */
	assert_int_equal(m.h.sb->uuid.b[6] >> 4, 4);
	assert_int_equal(m.h.sb->user_uuid.b[6] >> 4, 4);
	assert_memory_not_equal(&m.h.sb->uuid, &m.h.sb->user_uuid, 16);
	assert_memory_not_equal(&m.h.sb->uuid, &sb_member(&m.h, 0)->uuid, 16);
	assert_true(le64_to_cpu(m.h.sb->time_base_lo) > 1700000000ULL * 1000000000);
	bch2_free_super(&m.h);
}

/* Documentation/format/11 section 2, the worked example. */
static void test_options_and_labels(void **state)
{
	const struct bch_sb_field_disk_groups *groups;
	struct made m;

	made_init(&m, 1, 4 * GiB);
	opt_set(m.f.opts, compression, BCH_COMPRESSION_OPT_zstd | 7 << 4);
	opt_set(m.f.opts, background_compression, BCH_COMPRESSION_OPT_gzip);
	opt_set(m.f.opts, shard_inode_numbers_bits, 0);
	m.devs[0].label = "ssd.fast";
	m.f.targets[BCH_FORMAT_foreground_target] = "ssd";
	m.f.targets[BCH_FORMAT_metadata_target] = "ssd.fast";
	build(&m, 0);

	groups = bch2_sb_field_get(m.h.sb, disk_groups);
	assert_int_equal(bch2_sb_field_bytes(&groups->field), 8 + 2 * 48);
	assert_int_equal(le64_to_cpu(groups->entries[0].flags[0]), 0x3e);
	assert_int_equal(le64_to_cpu(groups->entries[1].flags[0]), 0x7e);
	assert_int_equal(BCH_MEMBER_GROUP(sb_member(&m.h, 0)), 2);
	assert_int_equal(le64_to_cpu(m.h.sb->flags[1]), 0x0001010001124032);
	assert_int_equal(le64_to_cpu(m.h.sb->flags[2]), 0x2);
	assert_int_equal(le64_to_cpu(m.h.sb->flags[3]), 0x000000fa01020000);
	assert_int_equal(le64_to_cpu(m.h.sb->flags[4]), 0x0700000100000064);
	/* Documentation/format/10 section 5.8 */
	assert_int_equal(le64_to_cpu(m.h.sb->flags[0]), 0x8111110080200104);
	assert_int_equal(le64_to_cpu(m.h.sb->flags[5]), 0x04260000001e0000);
	assert_int_equal(le64_to_cpu(m.h.sb->flags[6]), 0x000010000000c1e0);
	assert_int_equal(le64_to_cpu(m.h.sb->features[0]), 0xfba80);
	bch2_free_super(&m.h);
}

static void test_version(void **state)
{
	static const struct {
		unsigned	version;
		u64		features;
		unsigned	shift;
	} rows[] = {
		{ BCH_VERSION(1,  0), 0,		10 },
		{ BCH_VERSION(1, 13), 0,		10 },
		{ BCH_VERSION(1, 15), 0,		10 },
		{ BCH_VERSION(1, 16), 0xfba80,		10 },
		{ BCH_VERSION(1, 28), 0xfba80,		10 },
		{ BCH_VERSION(1, 33), 0xfba80,		16 },
		{ BCH_VERSION(1, 38), 0xfba80,		16 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct made m;

		made_init(&m, 1, 128 * MiB);
		m.f.version = rows[i].version;
		build(&m, 0);
		assert_int_equal(le16_to_cpu(m.h.sb->version), rows[i].version);
		assert_int_equal(le16_to_cpu(m.h.sb->version_min), rows[i].version);
		assert_int_equal(BCH_SB_VERSION_INCOMPAT_ALLOWED(m.h.sb), rows[i].version);
		assert_int_equal(BCH_SB_VERSION_INCOMPAT(m.h.sb), 0);
		assert_int_equal(le64_to_cpu(m.h.sb->features[0]), rows[i].features);
		assert_int_equal(BCH_SB_EXTENT_BP_SHIFT(m.h.sb), rows[i].shift);
		bch2_free_super(&m.h);
	}
}

static void test_adjusted_options(void **state)
{
	struct made m;

	made_init(&m, 1, 128 * MiB);
	opt_set(m.f.opts, data_replicas, 4);
	opt_set(m.f.opts, erasure_code, 1);
	opt_set(m.f.opts, metadata_checksum, BCH_CSUM_OPT_xxhash);
	build(&m, 0);
	assert_int_equal(BCH_SB_DATA_REPLICAS_WANT(m.h.sb), 3);
	assert_int_equal(BCH_SB_CSUM_TYPE(m.h.sb), BCH_CSUM_xxhash);
	bch2_free_super(&m.h);

	made_init(&m, 1, 128 * MiB);
	opt_set(m.devs[0].opts, durability, 0);
	opt_set(m.devs[0].opts, discard, 0);
	opt_set(m.devs[0].opts, rotational, 0);
	opt_set(m.devs[0].opts, data_allowed, 1 << 4);
	opt_set(m.devs[0].opts, state, BCH_MEMBER_STATE_ro);
	build(&m, 0);
	assert_int_equal(le64_to_cpu(sb_member(&m.h, 0)->flags),
			 1 | 1 << 15 << 4 | 1ULL << 28 | 1ULL << 33);
	bch2_free_super(&m.h);
}

/* --- labels and targets --- */

static void test_shared_labels(void **state)
{
	struct made m;

	made_init(&m, 4, 128 * MiB);
	m.devs[0].label = "ssd.a";
	m.devs[1].label = "ssd";
	m.devs[2].label = "ssd.a";
	m.devs[3].label = "none";
	m.f.targets[BCH_FORMAT_foreground_target] = "/dev/c";
	m.f.targets[BCH_FORMAT_background_target] = "ssd.a";
	m.f.targets[BCH_FORMAT_promote_target] = "none";
	build(&m, 0);
	assert_int_equal(BCH_MEMBER_GROUP(sb_member(&m.h, 0)), 2);
	assert_int_equal(BCH_MEMBER_GROUP(sb_member(&m.h, 1)), 1);
	assert_int_equal(BCH_MEMBER_GROUP(sb_member(&m.h, 2)), 2);
	assert_int_equal(BCH_MEMBER_GROUP(sb_member(&m.h, 3)), 0);
	assert_int_equal(BCH_SB_FOREGROUND_TARGET(m.h.sb), 3);
	assert_int_equal(BCH_SB_BACKGROUND_TARGET(m.h.sb), 258);
	assert_int_equal(BCH_SB_PROMOTE_TARGET(m.h.sb), 0);
	bch2_free_super(&m.h);
}

static void refused(const char *label, const char *target, const char *text)
{
	CLASS(printbuf, err)();
	struct made m;

	made_init(&m, 1, 128 * MiB);
	m.devs[0].label = label;
	m.f.targets[BCH_FORMAT_promote_target] = target;
	assert_int_equal(geometry(&m, NULL), 0);
	assert_int_not_equal(bch2_format_super(&m.f, &m.h, &err), 0);
	if (!strstr(printbuf_str(&err), text))
		fail_msg("\"%s\"", printbuf_str(&err));
	bch2_free_super(&m.h);
}

static void test_refused_labels(void **state)
{
	refused("a..b", NULL, "invalid label a..b");
	refused(".a", NULL, "invalid label .a");
	refused("a.", NULL, "invalid label a.");
	refused("a.123456789012345678901234567890123", NULL, "invalid label");
	refused("ssd", "hdd", "Invalid target hdd");
	refused("ssd.a", "a", "Invalid target a");
	refused(NULL, "/dev/b", "Invalid target /dev/b");
}

/* --- encryption --- */

static void test_crypt(void **state)
{
	static const struct bch_key passphrase_key = { .key = { 1, 2, 3, 4 } };
	struct bch_sb_field_crypt *crypt;
	struct bch_key plain, key;
	struct made m;

	made_init(&m, 1, 128 * MiB);
	m.f.encrypted = true;
	build(&m, 0);
	crypt = bch2_sb_field_get(m.h.sb, crypt);
	assert_int_equal(bch2_sb_field_bytes(&crypt->field), 64);
	assert_int_equal(le64_to_cpu(crypt->flags), 0);
	assert_int_equal(le64_to_cpu(crypt->kdf_flags), 0x000000040003000eULL);
	assert_int_equal(BCH_SB_ENCRYPTION_TYPE(m.h.sb), 1);
	assert_false(bch2_key_is_encrypted(&crypt->key));

	plain = crypt->key.key;
	assert_true(memcmp(&plain, &(struct bch_key) {}, sizeof(plain)));
	bch2_encrypt_key_box(&crypt->key, m.h.sb->uuid.b, &passphrase_key);
	assert_true(bch2_key_is_encrypted(&crypt->key));
	assert_int_equal(bch2_decrypt_key_box(&crypt->key, m.h.sb->uuid.b, &passphrase_key,
					      &key), 0);
	assert_memory_equal(&key, &plain, sizeof(key));
	bch2_free_super(&m.h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_memory_bound),
		cmocka_unit_test(test_shard_bits),
		cmocka_unit_test(test_block_size),
		cmocka_unit_test(test_two_devices),
		cmocka_unit_test(test_refused_geometry),
		cmocka_unit_test(test_odd_bucket_size),
		cmocka_unit_test(test_small_extents),
		cmocka_unit_test(test_room_for_copies),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_options_and_labels),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_adjusted_options),
		cmocka_unit_test(test_shared_labels),
		cmocka_unit_test(test_refused_labels),
		cmocka_unit_test(test_crypt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
