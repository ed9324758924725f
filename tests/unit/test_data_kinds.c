// SPDX-License-Identifier: GPL-2.0
/*
 * Extents of every kind, made up and put over the btrees of a real image: what a
 * file reads as, what is reported about what cannot be read, and where data is
 * said to be.
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

#include <shim/log.h>

#include "bcachefs.h"
#include "data/read.h"
#include "data/reader.h"
#include "init/fs.h"
#include "journal/overlay.h"

#define INUM		(1ULL << 50)
#define SECTOR		512

static char image[512];
static struct bch_fs *c;
static u64 inum = INUM;

static void drop_message(int level, const char *text, void *arg)
{
}

static int setup(void **state)
{
	const char *tmp = getenv("TEST_TMPDIR") ?: "/tmp";
	const char *fixtures = getenv("TEST_FIXTURES") ?: "tests/fixtures";
	const char *paths[] = { image };
	struct bch_opts opts = bch2_opts_empty();
	char cmd[1536];

	shim_set_log_sink(drop_message, NULL);
	snprintf(image, sizeof(image), "%s/test-kinds-%d.img", tmp, (int) getpid());
	snprintf(cmd, sizeof(cmd), "zstd -qdf --long=27 --sparse -o '%s' '%s/small-138.img.zst'",
		 image, fixtures);
	if (system(cmd))
		return -1;

	opt_set(opts, nochanges,	true);
	opt_set(opts, read_only,	true);
	opt_set(opts, norecovery,	true);
	c = bch2_fs_open(paths, 1, &opts);
	if (IS_ERR(c) || bch2_fs_start(c))
		return -1;

	/* Nobody else reads: keys may still be added. */
	c->journal.keys.frozen = false;
	return 0;
}

static int teardown(void **state)
{
	bch2_fs_stop(c);
	unlink(image);
	return 0;
}

/* Every test has a file of its own. */
static int new_file(void **state)
{
	inum++;
	return 0;
}

/* A key that ends at sector @end, with @words of value. */
static void put(unsigned btree, unsigned type, u64 end, u32 size, const u64 *words, unsigned nr)
{
	struct {
		struct bkey_i	k;
		u64		v[BKEY_VAL_U64s_MAX];
	} *k = calloc(1, sizeof(*k));

	bkey_init(&k->k.k);
	k->k.k.type	= type;
	k->k.k.size	= size;
	k->k.k.p	= btree == BTREE_ID_extents ? SPOS(inum, end, U32_MAX) : POS(0, end);
	set_bkey_val_u64s(&k->k.k, nr);
	if (nr)
		memcpy(k->v, words, nr * sizeof(*words));
	assert_int_equal(bch2_journal_key_insert(c, btree, 0, &k->k), 0);
	free(k);
}

static u64 ptr(unsigned dev, u64 sector, unsigned gen)
{
	return 1 | sector << 4 | (u64) dev << 48 | (u64) gen << 56;
}

#define PTR_CACHED	2

/* crc32 entry without checksum */
static u64 crc32_entry(unsigned csize, unsigned usize, unsigned offset, unsigned compression)
{
	return 2 | (csize - 1) << 2 | (usize - 1) << 9 | offset << 16 | (u64) compression << 28;
}

static uint8_t buf[64 * SECTOR], zero[64 * SECTOR];

static int read_sectors(u64 start, u64 nr, struct bch_read_report *r)
{
	memset(buf, 0xee, sizeof(buf));
	return bch2_file_read(c, U32_MAX, inum, start * SECTOR, buf, nr * SECTOR, r);
}

/* The range fails alone with @err, and with errors ignored reads as zeros. */
static void assert_bad(u64 start, u64 nr, int err)
{
	struct bch_read_report r = { .flags = BCH_READ_ignore_errors };

	assert_string_equal(bch2_err_str(read_sectors(start, nr, NULL)), bch2_err_str(err));
	assert_int_equal(read_sectors(start, nr, &r), 0);
	assert_memory_equal(buf, zero, nr * SECTOR);
	assert_int_equal(r.nr_bad, 1);
	assert_int_equal(r.bytes_bad, nr * SECTOR);
	assert_int_equal(r.first.offset, start * SECTOR);
	assert_int_equal(r.first.err, err);
	assert_true(strlen(bch2_read_reason_str(err)) > 5);
}

static void assert_data(u64 from, u64 start, u64 end)
{
	u64 s, e;

	assert_int_equal(bch2_file_next_data(c, U32_MAX, inum, from * SECTOR, &s, &e), 0);
	assert_int_equal(s, start * SECTOR);
	assert_int_equal(e, end * SECTOR);
}

static void assert_no_data(u64 from)
{
	u64 s, e;

	assert_int_equal(bch2_file_next_data(c, U32_MAX, inum, from * SECTOR, &s, &e), -ENXIO);
}

static u64 text_words[2];

static const u64 *text(const char *s)
{
	memset(text_words, 0, sizeof(text_words));
	memcpy(text_words, s, strlen(s));
	return text_words;
}

static void holes_and_inline(void **state)
{
	assert_int_equal(read_sectors(0, 64, NULL), 0);
	assert_memory_equal(buf, zero, sizeof(buf));
	assert_no_data(0);

	put(BTREE_ID_extents, KEY_TYPE_reservation, 8, 8, (u64[]) { 1ULL << 32 }, 1);
	put(BTREE_ID_extents, KEY_TYPE_extent, 16, 8, (u64[]) { ptr(0, 4096, 0) | 8 }, 1);
	put(BTREE_ID_extents, KEY_TYPE_inline_data, 32, 8, text("hello, world"), 2);

	assert_int_equal(read_sectors(0, 64, NULL), 0);
	assert_memory_equal(buf, zero, 24 * SECTOR);
	assert_memory_equal(buf + 24 * SECTOR, "hello, world\0\0\0\0", 16);
	assert_memory_equal(buf + 24 * SECTOR + 16, zero, 39 * SECTOR);

	assert_data(0, 24, 32);
	assert_data(25, 25, 32);
	assert_no_data(32);

	/* any byte range */
	assert_int_equal(bch2_file_read(c, U32_MAX, inum, 24 * SECTOR + 7, buf, 5, NULL), 0);
	assert_memory_equal(buf, "world", 5);
	assert_int_equal(bch2_file_read(c, U32_MAX, inum, 24 * SECTOR - 1, buf, 3, NULL), 0);
	assert_memory_equal(buf, "\0he", 3);
	assert_int_equal(bch2_file_read(c, U32_MAX, inum, U64_MAX - 5, buf, 5, NULL), -EINVAL);
}

static void lost(void **state)
{
	put(BTREE_ID_extents, KEY_TYPE_error, 8, 8, NULL, 0);
	put(BTREE_ID_extents, KEY_TYPE_error, 16, 8, (u64[]) { 1 }, 1);
	assert_bad(0, 8, -BCH_ERR_EIO_key_type_error);
	assert_bad(10, 2, -BCH_ERR_EIO_key_type_error);
	/* nothing there to copy */
	assert_no_data(0);
}

static void raw_data(void **state)
{
	static uint8_t want[64 * SECTOR];
	int fd = open(image, O_RDONLY);

	/* Anything on the device will do; begin inside a block. */
	assert_int_equal(pread(fd, want, sizeof(want), 8 * SECTOR), sizeof(want));
	close(fd);

	put(BTREE_ID_extents, KEY_TYPE_extent, 40, 40, (u64[]) { ptr(0, 8 + 3, 0) }, 1);
	assert_int_equal(read_sectors(0, 40, NULL), 0);
	assert_memory_equal(buf, want + 3 * SECTOR, 40 * SECTOR);
	assert_int_equal(read_sectors(5, 1, NULL), 0);
	assert_memory_equal(buf, want + 8 * SECTOR, SECTOR);
	assert_data(0, 0, 40);

	/* under a crc entry the offset is in the entry */
	put(BTREE_ID_extents, KEY_TYPE_extent, 60, 10,
	    (u64[]) { crc32_entry(40, 40, 20, BCH_COMPRESSION_TYPE_incompressible),
		      ptr(0, 8, 0) }, 2);
	assert_int_equal(read_sectors(52, 4, NULL), 0);
	assert_memory_equal(buf, want + 22 * SECTOR, 4 * SECTOR);
}

static void poisoned(void **state)
{
	struct bch_read_report r = { .flags = BCH_READ_poisoned_ok };

	put(BTREE_ID_extents, KEY_TYPE_extent, 8, 8, (u64[]) { 1 << 6 | 1 << 7, ptr(0, 8, 0) }, 2);
	assert_bad(0, 8, -BCH_ERR_EIO_extent_poisoned);
	assert_int_equal(read_sectors(0, 8, &r), 0);
	assert_memory_not_equal(buf, zero, 8 * SECTOR);

	/* a flags entry with no flag set is nothing special */
	put(BTREE_ID_extents, KEY_TYPE_extent, 16, 8, (u64[]) { 1 << 6, ptr(0, 8, 0) }, 2);
	assert_int_equal(read_sectors(8, 8, NULL), 0);
}

static void bad_pointers(void **state)
{
	/* no device; a device that does not exist; beyond the end */
	put(BTREE_ID_extents, KEY_TYPE_extent, 8, 8, (u64[]) { ptr(255, 0, 0) }, 1);
	assert_bad(0, 8, -BCH_ERR_data_read_no_device);
	put(BTREE_ID_extents, KEY_TYPE_extent, 16, 8, (u64[]) { ptr(7, 4096, 0) }, 1);
	assert_bad(8, 8, -BCH_ERR_data_read_no_device);
	put(BTREE_ID_extents, KEY_TYPE_extent, 24, 8, (u64[]) { ptr(0, (1ULL << 44) - 4, 0) }, 1);
	assert_bad(16, 8, -BCH_ERR_data_read_ptr_bad);

	/* a placeholder beside a good copy does no harm */
	put(BTREE_ID_extents, KEY_TYPE_extent, 32, 8,
	    (u64[]) { ptr(255, 0, 0), ptr(0, 8, 0) }, 2);
	assert_int_equal(read_sectors(24, 8, NULL), 0);

	/* a stripe that does not exist */
	put(BTREE_ID_extents, KEY_TYPE_extent, 40, 8,
	    (u64[]) { 1 << 4 | 77ULL << 17, ptr(255, 4096, 0) }, 2);
	assert_bad(32, 8, -BCH_ERR_data_read_no_device);

	/* no pointer at all */
	put(BTREE_ID_extents, KEY_TYPE_extent, 48, 8, NULL, 0);
	assert_bad(40, 8, -BCH_ERR_data_read_no_replica);
}

static void bad_crc_entries(void **state)
{
	put(BTREE_ID_extents, KEY_TYPE_extent, 8, 8,
	    (u64[]) { crc32_entry(8, 8, 4, 5), ptr(0, 8, 0) }, 2);
	assert_bad(0, 8, -BCH_ERR_data_read_bad_crc_entry);
	put(BTREE_ID_extents, KEY_TYPE_extent, 16, 8,
	    (u64[]) { crc32_entry(8, 16, 0, 0), ptr(0, 8, 0) }, 2);
	assert_bad(8, 8, -BCH_ERR_data_read_bad_crc_entry);
	put(BTREE_ID_extents, KEY_TYPE_extent, 24, 8,
	    (u64[]) { crc32_entry(8, 8, 0, 9), ptr(0, 8, 0) }, 2);
	assert_bad(16, 8, -BCH_ERR_data_read_unknown_compression);
	/* compressed, but what is there does not decompress */
	put(BTREE_ID_extents, KEY_TYPE_extent, 32, 8,
	    (u64[]) { crc32_entry(8, 128, 0, BCH_COMPRESSION_TYPE_zstd), ptr(0, 8, 0) }, 2);
	assert_true(bch2_err_matches(read_sectors(24, 8, NULL), BCH_ERR_decompress));
	/* encrypted, in a filesystem without a key */
	put(BTREE_ID_extents, KEY_TYPE_extent, 40, 8,
	    (u64[]) { 4 | 7 << 3 | 7 << 12 | (u64) BCH_CSUM_chacha20_poly1305_80 << 40, 0,
		      ptr(0, 8, 0) }, 3);
	assert_bad(32, 8, -BCH_ERR_data_read_no_encryption_key);
	/* an entry that is cut off: what comes behind it is not seen */
	put(BTREE_ID_extents, KEY_TYPE_extent, 48, 8, (u64[]) { 8 }, 1);
	assert_bad(40, 8, -BCH_ERR_data_read_no_replica);
}

/* A wrong checksum is reported once, with the place, however often it is tried. */
static void wrong_checksum(void **state)
{
	struct bch_read_report r = {};

	put(BTREE_ID_extents, KEY_TYPE_extent, 8, 8,
	    (u64[]) { crc32_entry(8, 8, 0, 0) | BCH_CSUM_crc32c << 24 | 0x1234ULL << 32,
		      ptr(0, 16, 0) }, 2);
	assert_bad(0, 8, -BCH_ERR_data_read_csum_err);
	assert_int_equal(read_sectors(0, 8, &r), -BCH_ERR_data_read_csum_err);
	assert_int_equal(r.nr_bad, 1);
	assert_int_equal(r.nr_recovered, 0);
	assert_int_equal(r.first.dev, 0);
	assert_int_equal(r.first.sector, 16);
	assert_string_equal(r.first.dev_name, c->devs[0]->name);

	/* with a good copy beside it: recovered, and told so */
	put(BTREE_ID_extents, KEY_TYPE_extent, 16, 8,
	    (u64[]) { crc32_entry(8, 8, 0, 0) | BCH_CSUM_crc32c << 24 | 0x1234ULL << 32,
		      ptr(0, 16, 0), crc32_entry(8, 8, 0, 5), ptr(0, 8, 0) }, 4);
	memset(&r, 0, sizeof(r));
	assert_int_equal(read_sectors(8, 8, &r), 0);
	assert_int_equal(r.nr_bad, 0);
	assert_int_equal(r.nr_recovered, 1);
}

/* Cached pointers are looked at twice: without their generation they are nothing. */
static void cached(void **state)
{
	struct bch_read_report r = {};

	put(BTREE_ID_extents, KEY_TYPE_extent, 8, 8,
	    (u64[]) { ptr(0, 1 << 15, 99) | PTR_CACHED }, 1);
	assert_int_equal(read_sectors(0, 8, &r), 0);
	assert_memory_equal(buf, zero, 8 * SECTOR);
	assert_int_equal(r.nr_bad, 0);

	/* stale, and the dirty one has no device */
	put(BTREE_ID_extents, KEY_TYPE_extent, 16, 8,
	    (u64[]) { ptr(0, 1 << 15, 99) | PTR_CACHED, ptr(9, 4096, 0) }, 2);
	assert_bad(8, 8, -BCH_ERR_data_read_no_device);

	/* the dirty one is taken although the other comes first */
	put(BTREE_ID_extents, KEY_TYPE_extent, 24, 8,
	    (u64[]) { ptr(0, 1 << 15, 99) | PTR_CACHED, ptr(0, 8, 0) }, 2);
	assert_int_equal(read_sectors(16, 8, NULL), 0);
	assert_memory_not_equal(buf, zero, 8 * SECTOR);
}

static void shared(void **state)
{
	const u64 base = 1ULL << 40;
	struct bch_read_report r = { .flags = BCH_READ_ignore_errors };

	/* [0, 16) -> base - 4: 4 missing, 8 of text, 4 missing */
	put(BTREE_ID_reflink, KEY_TYPE_indirect_inline_data, base + 8, 8,
	    (u64[]) { 1, text("shared!")[0] }, 2);
	put(BTREE_ID_extents, KEY_TYPE_reflink_p, 16, 16, (u64[]) { base - 4, 0 }, 2);
	assert_bad(0, 4, -BCH_ERR_EIO_missing_indirect_extent);
	assert_bad(12, 4, -BCH_ERR_EIO_missing_indirect_extent);
	assert_int_equal(read_sectors(4, 8, NULL), 0);
	assert_memory_equal(buf, "shared!", 8);
	assert_int_equal(read_sectors(5, 7, NULL), 0);
	assert_memory_equal(buf, zero, 7 * SECTOR);
	assert_int_equal(read_sectors(0, 16, &r), 0);
	assert_int_equal(r.nr_bad, 2);
	assert_memory_equal(buf + 4 * SECTOR, "shared!", 8);
	assert_data(0, 4, 12);

	/* flags beside the index; an offset into an indirect extent; a lost one */
	put(BTREE_ID_reflink, KEY_TYPE_reflink_v, base + 24, 8, (u64[]) { 1, ptr(0, 8, 0) }, 2);
	put(BTREE_ID_reflink, KEY_TYPE_error, base + 32, 8, NULL, 0);
	put(BTREE_ID_extents, KEY_TYPE_reflink_p, 32, 12,
	    (u64[]) { (base + 20) | 3ULL << 56, 4 }, 2);
	assert_int_equal(read_sectors(20, 4, NULL), 0);
	assert_memory_not_equal(buf, zero, 4 * SECTOR);
	assert_bad(24, 8, -BCH_ERR_EIO_key_type_error);
}

/* Keys that overlap, which they must not, do not make the walk go back or stop. */
static void overlapping(void **state)
{
	put(BTREE_ID_extents, KEY_TYPE_inline_data, 16, 16, text("first"), 1);
	put(BTREE_ID_extents, KEY_TYPE_inline_data, 20, 20, text("second"), 1);
	put(BTREE_ID_extents, KEY_TYPE_inline_data, 40, 8, text("third"), 1);

	assert_int_equal(read_sectors(0, 64, NULL), 0);
	assert_memory_equal(buf, "first", 6);
	assert_memory_equal(buf + 16 * SECTOR, zero, 16 * SECTOR);
	assert_memory_equal(buf + 32 * SECTOR, "third", 6);
	assert_data(0, 0, 20);
}

/* The streaming reader: order, size, errors in their place, going on. */
static void streaming(void **state)
{
	struct bch_read_report report = {};
	struct bch_file_reader *r = calloc(1, sizeof(*r));
	const void *p;
	size_t len;
	u64 offset;

	put(BTREE_ID_extents, KEY_TYPE_inline_data, 8, 8, text("one"), 1);
	put(BTREE_ID_extents, KEY_TYPE_error, 16, 8, NULL, 0);
	put(BTREE_ID_extents, KEY_TYPE_reservation, 24, 8, (u64[]) { 1ULL << 32 }, 1);
	put(BTREE_ID_extents, KEY_TYPE_extent, 32, 8, (u64[]) { ptr(9, 8, 0) }, 1);
	put(BTREE_ID_extents, KEY_TYPE_inline_data, 40, 8, text("two"), 1);

	assert_int_equal(bch2_file_reader_init(r, c, U32_MAX, inum, 33 * SECTOR + 2, &report), 0);
	assert_int_equal(bch2_file_reader_next(r, &offset, &p, &len), 1);
	assert_int_equal(offset, 0);
	assert_int_equal(len, 8 * SECTOR);
	assert_memory_equal(p, "one", 4);
	assert_int_equal(bch2_file_reader_next(r, &offset, &p, &len), -BCH_ERR_EIO_key_type_error);
	assert_int_equal(bch2_file_reader_next(r, &offset, &p, &len), -BCH_ERR_data_read_no_device);
	assert_int_equal(report.nr_bad, 2);
	assert_int_equal(bch2_file_reader_next(r, &offset, &p, &len), 1);
	assert_int_equal(offset, 32 * SECTOR);
	assert_int_equal(len, SECTOR + 2);
	assert_memory_equal(p, "two", 4);
	assert_int_equal(bch2_file_reader_next(r, &offset, &p, &len), 0);
	bch2_file_reader_exit(r);

	/* ignoring errors: the lost range is left out, the unreadable one is zeros */
	report = (struct bch_read_report) { .flags = BCH_READ_ignore_errors };
	assert_int_equal(bch2_file_reader_init(r, c, U32_MAX, inum, 64 * SECTOR, &report), 0);
	assert_int_equal(bch2_file_reader_next(r, &offset, &p, &len), 1);
	assert_int_equal(offset, 0);
	assert_int_equal(bch2_file_reader_next(r, &offset, &p, &len), 1);
	assert_int_equal(offset, 24 * SECTOR);
	assert_memory_equal(p, zero, 8 * SECTOR);
	assert_int_equal(report.nr_bad, 2);
	assert_int_equal(report.bytes_bad, 16 * SECTOR);
	/* leaving in the middle, with reads in flight */
	bch2_file_reader_exit(r);

	assert_int_equal(bch2_file_reader_init(r, c, U32_MAX, inum, U64_MAX, NULL), -EINVAL);
	bch2_file_reader_exit(r);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(holes_and_inline, new_file),
		cmocka_unit_test_setup(lost, new_file),
		cmocka_unit_test_setup(raw_data, new_file),
		cmocka_unit_test_setup(poisoned, new_file),
		cmocka_unit_test_setup(bad_pointers, new_file),
		cmocka_unit_test_setup(bad_crc_entries, new_file),
		cmocka_unit_test_setup(wrong_checksum, new_file),
		cmocka_unit_test_setup(cached, new_file),
		cmocka_unit_test_setup(shared, new_file),
		cmocka_unit_test_setup(overlapping, new_file),
		cmocka_unit_test_setup(streaming, new_file),
	};

	return cmocka_run_group_tests_name("data: kinds of extents", tests, setup, teardown);
}
