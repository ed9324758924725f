// SPDX-License-Identifier: GPL-2.0
/*
 * Superblocks on devices: which copy is chosen, what is said about the others,
 * how devices are put together, and what a scan finds. Devices are image files
 * made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/slab.h>

#include "sb/assemble.h"
#include "sb/layout.h"
#include "sb/members.h"
#include "sb/recover.h"
#include "sb_common.h"

#define IMAGE_SECTORS	(SB_TEST_NBUCKETS * SB_TEST_BUCKET)

static char dir[] = "/tmp/test_sb_read.XXXXXX";
static struct bch_opts opts;

static int setup(void **state)
{
	opts = bch2_opts_empty();
	opt_set(opts, nochanges, true);
	opt_set(opts, noexcl, true);
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	return rmdir(dir);
}

/* Path of image @nr; the buffer is good for a few calls. */
static const char *image(unsigned nr)
{
	static char path[8][64];
	char *p = path[nr % 8];

	snprintf(p, sizeof(path[0]), "%s/dev%u", dir, nr);
	return p;
}

static void put(const char *path, u64 sector, const void *data, size_t bytes)
{
	int fd = open(path, O_RDWR|O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, bytes, sector << 9), bytes);
	close(fd);
}

static void put_copy(const char *path, struct bch_sb *sb, u64 sector)
{
	sb->offset = cpu_to_le64(sector);
	sb_csum(sb);
	put(path, sector, sb, bch2_sb_bytes(sb));
}

/* An image with the layout sector and all copies of @sb. */
static void put_image(const char *path, struct bch_sb *sb)
{
	unlink(path);
	put(path, BCH_SB_LAYOUT_SECTOR, &sb->layout, sizeof(sb->layout));
	for (unsigned i = 0; i < sb->layout.nr_superblocks; i++)
		put_copy(path, sb, le64_to_cpu(sb->layout.sb_offset[i]));
	assert_int_equal(truncate(path, IMAGE_SECTORS << 9), 0);
}

static void damage(const char *path, u64 sector)
{
	put(path, sector, "damaged", 7);
}

/* Reads; checks the error, the chosen sector, and a part of the messages. */
static void assert_reads(const char *path, int ret, u64 sector, const char *text)
{
	CLASS(printbuf, err)();
	struct bch_sb_handle h;
	const int got = bch2_read_super_err(path, &opts, &h, &err);

	if (got != -ret)
		fail_msg("got %s: %s", bch2_err_str(got), printbuf_str(&err));
	if (!strstr(printbuf_str(&err), text))
		fail_msg("message: %s", printbuf_str(&err));
	if (!got) {
		assert_int_equal(h.read_sector, sector);
		assert_non_null(h.bdev);
		if (!*text)
			assert_string_equal(printbuf_str(&err), "");
		bch2_free_super(&h);
	}
}

static void choice_of_copy(void **state)
{
	const char *path = image(0);
	const u64 last = IMAGE_SECTORS - 2048;
	struct bch_sb_handle h;

	sb_make(&h, 1);

	put_image(path, h.sb);
	assert_reads(path, 0, 8, "");

	/* damaged backups do not matter while the primary is good */
	damage(path, 2056 + 2);
	assert_reads(path, 0, 8, "");

	/* a damaged primary is told, with its sector, and a backup used */
	put_image(path, h.sb);
	damage(path, 8 + 1);
	assert_reads(path, 0, 2056, "dev0: superblock at sector 8: bad checksum");
	assert_reads(path, 0, 2056, "using the backup superblock at sector 2056 (seq 100)");
	damage(path, 2056);
	assert_reads(path, 0, last, "dev0: superblock at sector 8: bad checksum");
	damage(path, last);
	assert_reads(path, BCH_ERR_no_valid_superblock, 0, "superblock at sector 2056:");

	/* the newest backup wins, also over a good primary */
	put_image(path, h.sb);
	h.sb->seq = cpu_to_le64(101);
	put_copy(path, h.sb, last);
	h.sb->seq = cpu_to_le64(100);
	assert_reads(path, 0, last, "superblock at sector 8: is out of date (seq 100)");

	/* without primary and layout nothing is found */
	put_image(path, h.sb);
	damage(path, 8 + 1);
	damage(path, 7);
	assert_reads(path, BCH_ERR_no_valid_superblock, 0, "layout at sector 7");

	/* unless it is told where */
	opt_set(opts, sb, 2056);
	assert_reads(path, 0, 2056, "");
	opt_set(opts, sb, 2057);
	assert_reads(path, BCH_ERR_invalid_sb_magic, 0,
		     "superblock at sector 2057: not a bcachefs");
	opt_set(opts, sb, IMAGE_SECTORS);
	assert_reads(path, BCH_ERR_EIO_short_read, 0, "past end of device");
	opt_undef(opts, sb);
	opts.sb = 0;

	unlink(path);
	bch2_free_super(&h);
}

/* A copy that is too long for what its layout allows, or for the device. */
static void hostile_sizes(void **state)
{
	const char *path = image(0);
	struct bch_sb_handle h;

	sb_make(&h, 1);
	put_image(path, h.sb);
	h.sb->u64s = cpu_to_le32(0xfffffff0);
	put(path, 8, h.sb, sizeof(*h.sb));
	assert_reads(path, 0, 2056, "superblock too big: 34359738992 bytes (max 1048576)");

	/* allowed by a layout that claims 32 MiB, but not there */
	h.sb->layout.sb_max_size_bits = 16;
	h.sb->u64s = cpu_to_le32(4000000);
	put(path, IMAGE_SECTORS - 2048, h.sb, sizeof(*h.sb));
	damage(path, 2056);
	assert_reads(path, BCH_ERR_no_valid_superblock, 0, "runs past end of device");

	/* devices that end anywhere */
	for (u64 size = 0; size < 12288; size += 511) {
		CLASS(printbuf, err)();
		struct bch_sb_handle r;

		assert_int_equal(truncate(path, size), 0);
		assert_true(bch2_read_super_err(path, &opts, &r, &err) < 0);
		assert_true(err.pos);
	}

	unlink(path);
	assert_reads(path, ENOENT, 0, "dev0: cannot open");
	bch2_free_super(&h);
}

static void unreadable_is_not_changed(void **state)
{
	const char *path = image(0);
	struct bch_sb_handle h, copies;
	CLASS(printbuf, err)();

	sb_make(&h, 1);
	put_image(path, h.sb);
	assert_int_equal(bch2_read_super_err(path, &opts, &copies, &err), 0);
	assert_int_equal(bch2_sb_check_copies(&copies, &err), 0);
	assert_string_equal(printbuf_str(&err), "");

	damage(path, 2056 + 1);
	assert_int_equal(bch2_sb_check_copies(&copies, &err), 1);
	assert_non_null(strstr(printbuf_str(&err), "superblock at sector 2056: bad checksum"));

	put_copy(path, h.sb, 2056);
	h.sb->label[0] = 'x';
	put_copy(path, h.sb, 2056);
	printbuf_reset(&err);
	assert_int_equal(bch2_sb_check_copies(&copies, &err), 1);
	assert_non_null(strstr(printbuf_str(&err), "2056: differs from the copy at sector 8"));

	h.sb->layout.sb_offset[2] = cpu_to_le64(8192);
	put(path, BCH_SB_LAYOUT_SECTOR, &h.sb->layout, sizeof(h.sb->layout));
	printbuf_reset(&err);
	assert_int_equal(bch2_sb_check_copies(&copies, &err), 2);
	assert_non_null(strstr(printbuf_str(&err), "layout at sector 7 differs"));

	bch2_free_super(&copies);
	bch2_free_super(&h);
	unlink(path);
}

/* --- assembly --- */

struct set {
	struct bch_sb_handle	sbs[4];
	unsigned		nr;
	struct printbuf		msgs;
};

/* @nr devices of one filesystem, all at seq 100. */
static void set_make(struct set *s, unsigned nr)
{
	memset(s, 0, sizeof(*s));
	s->nr = nr;
	for (unsigned i = 0; i < nr; i++) {
		sb_make(&s->sbs[i], nr);
		s->sbs[i].sb->dev_idx = i;
		s->sbs[i].path = kstrdup(image(i), GFP_KERNEL);
	}
}

static void set_free(struct set *s)
{
	for (unsigned i = 0; i < ARRAY_SIZE(s->sbs); i++)
		bch2_free_super(&s->sbs[i]);
	printbuf_exit(&s->msgs);
}

static struct bch_sb *sb_of(struct set *s, unsigned i)
{
	return s->sbs[i].sb;
}

static void assert_assembles(struct set *s, int ret, unsigned nr, unsigned best,
			     const char *text)
{
	const int got = bch2_fs_assemble(s->sbs, &s->nr, &opts, &s->msgs);

	if (got != -ret)
		fail_msg("got %s: %s", bch2_err_str(got), printbuf_str(&s->msgs));
	if (!strstr(printbuf_str(&s->msgs), text) || (!*text && s->msgs.pos))
		fail_msg("message: %s", printbuf_str(&s->msgs));
	if (!ret) {
		assert_int_equal(s->nr, nr);
		assert_int_equal(s->sbs[0].sb->dev_idx, best);
		for (unsigned i = nr; i < ARRAY_SIZE(s->sbs); i++)
			assert_null(s->sbs[i].sb);
	}
	set_free(s);
}

static void assembly(void **state)
{
	struct set s;

	set_make(&s, 3);
	assert_assembles(&s, 0, 3, 0, "");

	/* the greatest seq rules; devices that missed updates are welcome, and told */
	set_make(&s, 3);
	sb_of(&s, 1)->seq = cpu_to_le64(110);
	assert_assembles(&s, 0, 3, 1, "dev2: device 2 is behind: superblock seq 100, newest 110");

	/* write_time decides between equal ones, which then are a split brain */
	set_make(&s, 2);
	sb_of(&s, 1)->write_time = cpu_to_le64(2000000);
	assert_assembles(&s, 0, 1, 1, "dev0: split brain with");

	/* updates that the others do not know of */
	set_make(&s, 3);
	sb_of(&s, 0)->seq = cpu_to_le64(120);
	sb_of(&s, 2)->seq = cpu_to_le64(105);
	assert_assembles(&s, 0, 2, 0, "dev2: split brain with");
	set_make(&s, 3);
	sb_of(&s, 0)->seq = cpu_to_le64(120);
	sb_of(&s, 2)->seq = cpu_to_le64(105);
	opt_set(opts, no_splitbrain_check, true);
	assert_assembles(&s, 0, 3, 0, "using it nevertheless");
	opt_undef(opts, no_splitbrain_check);
	opts.no_splitbrain_check = false;

	/* before 1.4 there is nothing to compare */
	set_make(&s, 3);
	sb_of(&s, 0)->seq = cpu_to_le64(120);
	sb_of(&s, 2)->seq = cpu_to_le64(105);
	sb_of(&s, 2)->version = cpu_to_le16(BCH_VERSION(1, 3));
	assert_assembles(&s, 0, 3, 0, "dev1: device 1 is behind");

	set_make(&s, 2);
	sb_of(&s, 1)->uuid.b[0]++;
	assert_assembles(&s, BCH_ERR_device_not_a_member_of_filesystem, 0, 0,
			 "dev1: not a member of the filesystem of");

	set_make(&s, 2);
	sb_of(&s, 1)->block_size = cpu_to_le16(1);
	assert_assembles(&s, BCH_ERR_mismatched_block_size, 0, 0, "dev1: block size 1");

	set_make(&s, 3);
	sb_of(&s, 0)->seq = cpu_to_le64(101);
	memset(&sb_member(&s.sbs[0], 1)->uuid, 0, 16);
	assert_assembles(&s, 0, 2, 0, "dev1: device 1 has been removed");

	set_make(&s, 3);
	sb_of(&s, 2)->dev_idx = 1;
	assert_assembles(&s, BCH_ERR_device_already_online, 0, 0,
			 "dev2: device 1 is already there as");
}

/* --- attaching, and what is missing --- */

static struct bch_fs *attach(unsigned total, unsigned given, unsigned degraded,
			     struct printbuf *msgs, int *ret)
{
	struct bch_fs *c = kvzalloc(sizeof(*c), GFP_KERNEL);
	struct bch_sb_handle sbs[4] = {};
	unsigned nr = 0;

	for (unsigned i = 0; i < total; i++) {
		struct bch_sb_handle h;

		sb_make(&h, total);
		h.sb->dev_idx = i;
		memcpy(sb_member(&h, total - 1)->device_name, "sdz", 3);
		sb_add(&h, BCH_SB_FIELD_replicas_v0, (const u8[]) { 3, 2, 0, 1 }, 4);
		sb_add(&h, BCH_SB_FIELD_journal_v2, (const u64[]) { 40, 2, 30, 3 }, 32);
		put_image(image(i), h.sb);
		bch2_free_super(&h);
	}
	for (; nr < given; nr++)
		assert_int_equal(bch2_read_super_err(image(nr), &opts, &sbs[nr], msgs), 0);

	c->opts = opts;
	opt_set(c->opts, degraded, degraded);
	*ret = bch2_fs_assemble(sbs, &nr, &c->opts, msgs) ?:
		bch2_fs_attach_devices(c, sbs, nr, msgs) ?:
		bch2_fs_may_start(c, msgs);
	for (unsigned i = 0; i < ARRAY_SIZE(sbs); i++)
		bch2_free_super(&sbs[i]);
	return c;
}

static void detach(struct bch_fs *c)
{
	bch2_fs_detach_devices(c);
	kvfree(c);
	for (unsigned i = 0; i < 4; i++)
		unlink(image(i));
}

static void attached(void **state)
{
	static const u64 ring[] = { 40, 41, 30, 31, 32 };
	CLASS(printbuf, msgs)();
	struct bch_fs *c;
	unsigned nr = 0;
	int ret;

	c = attach(2, 2, BCH_DEGRADED_ask, &msgs, &ret);
	assert_string_equal(printbuf_str(&msgs), "");
	assert_int_equal(ret, 0);
	for_each_online_member(c, ca) {
		assert_int_equal(ca->dev_idx, nr++);
		assert_int_equal(ca->mi.bucket_size, SB_TEST_BUCKET);
		assert_int_equal(ca->journal.nr, ARRAY_SIZE(ring));
		assert_memory_equal(ca->journal.buckets, ring, sizeof(ring));
	}
	assert_int_equal(nr, 2);
	assert_string_equal(c->devs[1]->name, "dev1");
	assert_null(bch2_dev(c, 2));
	assert_null(bch2_dev(c, 1000));
	assert_string_equal(c->name, "bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb");
	assert_int_equal(c->block_bits, 3);
	assert_int_equal(c->sb.version, bcachefs_metadata_version_current);
	/* per-device sections are not part of the shared superblock */
	assert_null(bch2_sb_field_get(c->disk_sb.sb, journal_v2));
	assert_non_null(bch2_sb_field_get(c->devs[0]->disk_sb.sb, journal_v2));
	detach(c);
}

static void missing(void **state)
{
	static const struct {
		unsigned	degraded;
		unsigned	total, given;
		int		ret;
		const char	*text;
	} t[] = {
		{ BCH_DEGRADED_ask, 2, 1, BCH_ERR_insufficient_devices_to_start,
		  "missing device 1 uuid 11111111-1111-1111-1111-111111111111 last known as sdz\n"
		  "1 of 2 devices are missing" },
		{ BCH_DEGRADED_no, 2, 1, BCH_ERR_insufficient_devices_to_start, "missing" },
		{ BCH_DEGRADED_yes, 2, 1, 0, "missing device 1" },
		/* the only copies of the btree are on devices 0 and 1 */
		{ BCH_DEGRADED_yes, 3, 2, 0, "missing device 2" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		CLASS(printbuf, msgs)();
		int ret;
		struct bch_fs *c = attach(t[i].total, t[i].given, t[i].degraded, &msgs, &ret);

		if (ret != -t[i].ret || !strstr(printbuf_str(&msgs), t[i].text))
			fail_msg("case %zu: %s: %s", i, bch2_err_str(ret), printbuf_str(&msgs));
		detach(c);
	}
}

/* Shorter than the superblock says: refused, unless anything goes. */
static void too_short(void **state)
{
	for (unsigned very = 0; very < 2; very++) {
		CLASS(printbuf, msgs)();
		struct bch_fs *c = kvzalloc(sizeof(*c), GFP_KERNEL);
		struct bch_sb_handle h, sb;
		unsigned nr = 1;
		int ret;

		sb_make(&h, 1);
		put_image(image(0), h.sb);
		assert_int_equal(truncate(image(0), (IMAGE_SECTORS - 4096) << 9), 0);
		assert_int_equal(bch2_read_super_err(image(0), &opts, &sb, &msgs), 0);
		c->opts = opts;
		if (very)
			opt_set(c->opts, degraded, BCH_DEGRADED_very);
		ret = bch2_fs_assemble(&sb, &nr, &c->opts, &msgs) ?:
			bch2_fs_attach_devices(c, &sb, nr, &msgs);
		assert_int_equal(ret, very ? 0 : -BCH_ERR_device_size_too_small);
		assert_non_null(strstr(printbuf_str(&msgs), "dev0: device is too small"));
		bch2_free_super(&sb);
		bch2_free_super(&h);
		detach(c);
	}
}

/* --- looking for lost superblocks --- */

static void scan(void **state)
{
	const char *path = image(0);
	struct bch_sb_handle h, dev = {};
	struct bch_sb_scan s;
	CLASS(printbuf, err)();

	sb_make(&h, 2);
	sb_member(&h, 1)->last_mount = cpu_to_le64(5000);
	put_image(path, h.sb);
	damage(path, 7);
	damage(path, 8 + 1);

	/* a copy at a place that is not its own, as in an image stored on the device */
	h.sb->offset = cpu_to_le64(2056);
	sb_csum(h.sb);
	put(path, 5000, h.sb, bch2_sb_bytes(h.sb));
	/* of an older filesystem with a greater seq */
	sb_member(&h, 1)->last_mount = cpu_to_le64(4000);
	h.sb->seq = cpu_to_le64(9999);
	put_copy(path, h.sb, 6001);

	assert_int_equal(bch2_sb_handle_open(&dev, path, &opts, &err), 0);
	bch2_sb_scan_init(&s, &dev, &opts);
	assert_int_equal(bch2_sb_scan_range(&s, 8, 8192), 0);
	assert_int_equal(s.nr_found, 2);	/* at 2056 and 6001 */
	assert_int_equal(s.nr_bad, 2);		/* at 8 and 5000 */
	assert_int_equal(s.best.read_sector, 2056);
	assert_int_equal(s.best.seq, 100);

	/* the range is cut to the device */
	assert_int_equal(bch2_sb_scan_range(&s, IMAGE_SECTORS - 4096, U64_MAX), 0);
	assert_int_equal(s.nr_found, 3);
	assert_int_equal(s.best.read_sector, IMAGE_SECTORS - 2048);
	bch2_sb_scan_exit(&s);

	bch2_sb_scan_init(&s, &dev, &opts);
	assert_int_equal(bch2_sb_scan_at(&s, 6001), 0);
	assert_int_equal(s.best.seq, 9999);
	assert_int_equal(bch2_sb_scan_at(&s, 6002), 0);
	assert_int_equal(s.nr_bad, 1);
	bch2_sb_scan_exit(&s);

	/* the work is bounded */
	bch2_sb_scan_init(&s, &dev, &opts);
	s.budget = 1;
	assert_int_equal(bch2_sb_scan_range(&s, 8, 8192), 0);
	assert_int_equal(s.nr_found + s.nr_bad, 1);
	bch2_sb_scan_exit(&s);

	bch2_free_super(&dev);
	bch2_free_super(&h);
	unlink(path);
}

static void from_member(void **state)
{
	struct bch_sb_handle h, made = {};
	CLASS(printbuf, err)();

	sb_make(&h, 2);
	sb_add(&h, BCH_SB_FIELD_journal_v2, (const u64[]) { 40, 2 }, 16);
	assert_int_equal(bch2_sb_from_member(&made, h.sb, 1, IMAGE_SECTORS, &err), 0);
	assert_int_equal(made.sb->dev_idx, 1);
	assert_null(bch2_sb_field_get(made.sb, journal_v2));
	assert_int_equal(bch2_sb_validate(made.sb, &opts, 8, 0, &err), 0);
	assert_int_equal(bch2_sb_from_member(&made, h.sb, 2, IMAGE_SECTORS, &err),
			 -BCH_ERR_invalid_sb_dev_idx);
	bch2_free_super(&made);
	bch2_free_super(&h);
}

/* The worked example of Documentation/format/10 section 2.1. */
static void placement(void **state)
{
	struct bch_sb_placement p = {
		.block_size = 8, .bucket_size = 1024, .sb_max_size = 2048,
		.start = 8, .end = 2097152
	};
	struct bch_sb_layout l;
	CLASS(printbuf, err)();

	assert_int_equal(bch2_sb_layout_init(&l, &p, &err), 0);
	assert_int_equal(l.nr_superblocks, 3);
	assert_int_equal(l.sb_offset[0], 8);
	assert_int_equal(l.sb_offset[1], 2056);
	assert_int_equal(l.sb_offset[2], 2095104);
	assert_int_equal(l.sb_max_size_bits, 11);

	p.start = 4097;
	assert_int_equal(bch2_sb_layout_init(&l, &p, &err), 0);
	assert_int_equal(l.nr_superblocks, 2);
	assert_int_equal(l.sb_offset[0], 4104);

	p.end = 4104 + 4095;
	assert_int_equal(bch2_sb_layout_init(&l, &p, &err), -BCH_ERR_device_size_too_small);
	p.start = 8;
	p.end = 8 + 4096 + 100;
	assert_int_equal(bch2_sb_layout_init(&l, &p, &err),
			 -BCH_ERR_invalid_sb_layout_superblocks_overlap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choice_of_copy),
		cmocka_unit_test(hostile_sizes),
		cmocka_unit_test(unreadable_is_not_changed),
		cmocka_unit_test(assembly),
		cmocka_unit_test(attached),
		cmocka_unit_test(missing),
		cmocka_unit_test(too_short),
		cmocka_unit_test(scan),
		cmocka_unit_test(from_member),
		cmocka_unit_test(placement),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
