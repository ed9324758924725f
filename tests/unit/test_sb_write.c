// SPDX-License-Identifier: GPL-2.0
/*
 * Superblock updates: what reaches which device, in which order, and what is
 * left when the machine stops in between. Devices are image files made here;
 * every request is seen, and made to fail, through the shim's hooks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/bio.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "init/fs.h"
#include "sb/assemble.h"
#include "sb/members.h"
#include "sb/write.h"
#include "shim/blkdev.h"
#include "shim/faults.h"
#include "shim/log.h"
#include "sb_common.h"

#define IMAGE_SECTORS	(SB_TEST_NBUCKETS * SB_TEST_BUCKET)
#define LAST_COPY	(IMAGE_SECTORS - 2048)
#define COPIES		3

static char dir[] = "/tmp/test_sb_write.XXXXXX";
static char paths[2][64];
static const char *const path[2] = { paths[0], paths[1] };
static char messages[8192];

/* --- what the hooks see and do --- */

struct request {
	unsigned	dev;
	u64		sector;
	size_t		bytes;
	blk_opf_t	opf;
	u8		*old, *new;
};

static struct request req[64];
static unsigned nr_req;
static int fail_dev;		/* all writes to it fail; -1: none */
static u64 fail_sector;		/* writes that begin here fail; 0: none */
static int allocs_left;		/* before one fails; -1: none fails */

static unsigned dev_of(struct bio *bio)
{
	return !strcmp(shim_bdev_path(bio->bi_bdev), path[1]);
}

static blk_status_t see_bio(struct bio *bio, void *arg)
{
	const unsigned dev = dev_of(bio);
	struct request *r = &req[nr_req];
	struct bvec_iter iter;
	struct bio_vec bv;
	size_t at = 0;

	if (bio_op(bio) != REQ_OP_WRITE || !bio->bi_iter.bi_size)
		return BLK_STS_OK;
	if ((int) dev == fail_dev || (fail_sector && bio->bi_iter.bi_sector == fail_sector))
		return BLK_STS_IOERR;

	assert_true(nr_req < ARRAY_SIZE(req));
	*r = (struct request) { dev, bio->bi_iter.bi_sector, bio->bi_iter.bi_size, bio->bi_opf };
	r->new = malloc(r->bytes);
	r->old = malloc(r->bytes);
	bio_for_each_bvec(bv, bio, iter) {
		memcpy(r->new + at, bvec_virt(&bv), bv.bv_len);
		at += bv.bv_len;
	}
	nr_req++;
	return BLK_STS_OK;
}

static bool see_alloc(size_t size, gfp_t gfp, void *arg)
{
	return allocs_left >= 0 && !allocs_left--;
}

static const struct shim_fault_hooks hooks = { .bio = see_bio, .alloc = see_alloc };
static void forget_requests(void)
{
	while (nr_req) {
		nr_req--;
		free(req[nr_req].old);
		free(req[nr_req].new);
	}
}

static void log_sink(int level, const char *text, void *arg)
{
	strncat(messages, text, sizeof(messages) - strlen(messages) - 1);
}

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	for (unsigned i = 0; i < 2; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/dev%u", dir, i);
	shim_set_log_sink(log_sink, NULL);
	return 0;
}

static int teardown(void **state)
{
	unlink(path[0]);
	unlink(path[1]);
	shim_set_log_sink(NULL, NULL);
	return rmdir(dir);
}

static int test_setup(void **state)
{
	fail_dev = -1;
	fail_sector = 0;
	allocs_left = -1;
	messages[0] = '\0';
	return 0;
}

static int test_teardown(void **state)
{
	shim_set_fault_hooks(NULL);
	forget_requests();
	return 0;
}

/* --- images --- */

static void put(unsigned dev, u64 sector, const void *data, size_t bytes)
{
	int fd = open(path[dev], O_RDWR|O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, bytes, sector << 9), bytes);
	close(fd);
}

static void get(unsigned dev, u64 sector, void *data, size_t bytes)
{
	int fd = open(path[dev], O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, data, bytes, sector << 9), bytes);
	close(fd);
}

static void put_copy(unsigned dev, struct bch_sb *sb, u64 sector)
{
	sb->offset = cpu_to_le64(sector);
	sb_csum(sb);
	put(dev, sector, sb, bch2_sb_bytes(sb));
}

static void put_image(unsigned dev, struct bch_sb *sb)
{
	unlink(path[dev]);
	put(dev, BCH_SB_LAYOUT_SECTOR, &sb->layout, sizeof(sb->layout));
	for (unsigned i = 0; i < sb->layout.nr_superblocks; i++)
		put_copy(dev, sb, le64_to_cpu(sb->layout.sb_offset[i]));
	assert_int_equal(truncate(path[dev], IMAGE_SECTORS << 9), 0);
}

/* btree on device 0, journal on device 0, user data on both */
static const u8 replicas[] = { 3, 1, 0,  2, 1, 0,  4, 2, 0, 1 };

/* A clean filesystem as older kernels leave it, on @nr devices. */
static void make(struct bch_sb_handle *h, unsigned nr)
{
	sb_make(h, nr);
	SET_BCH_SB_INITIALIZED(h->sb, 1);
	SET_BCH_SB_CLEAN(h->sb, 1);
	strcpy((char *) h->sb->label, "before");
	sb_add(h, BCH_SB_FIELD_replicas_v0, replicas, nr > 1 ? sizeof(replicas) : 6);
}

static void put_images(struct bch_sb_handle *h)
{
	for (unsigned i = 0; i < h->sb->nr_devices; i++) {
		h->sb->dev_idx = i;
		put_image(i, h->sb);
	}
	h->sb->dev_idx = 0;
}

static struct bch_fs *open_fs(unsigned nr, bool nochanges)
{
	struct bch_opts opts = bch2_opts_empty();
	struct bch_fs *c;

	opt_set(opts, nostart, true);
	if (nochanges)
		opt_set(opts, nochanges, true);
	c = bch2_fs_open(path, nr, &opts);
	if (IS_ERR(c))
		fail_msg("%s: %s", bch2_err_str(PTR_ERR(c)), messages);
	messages[0] = '\0';
	shim_set_fault_hooks(&hooks);
	return c;
}

static int update(struct bch_fs *c)
{
	int ret;

	mutex_lock(&c->sb_lock);
	strcpy((char *) c->disk_sb.sb->label, "after");
	ret = bch2_write_super(c);
	mutex_unlock(&c->sb_lock);
	return ret;
}

static void close_fs(struct bch_fs *c)
{
	shim_set_fault_hooks(NULL);
	bch2_fs_stop(c);
}

/* The copy at a place; must be valid by itself. */
static void read_copy(struct bch_sb_handle *h, unsigned dev, u64 sector)
{
	struct bch_opts opts = bch2_opts_empty();
	CLASS(printbuf, err)();

	opt_set(opts, nochanges, true);
	opt_set(opts, noexcl, true);
	opt_set(opts, sb, sector);
	if (bch2_read_super_err(path[dev], &opts, h, &err))
		fail_msg("%s", printbuf_str(&err));
}

static const u64 places[COPIES] = { 8, 2056, LAST_COPY };

static void assert_all_copies(unsigned nr, const char *label, u64 seq)
{
	struct bch_sb_handle h;

	for (unsigned i = 0; i < nr * COPIES; i++) {
		read_copy(&h, i / COPIES, places[i % COPIES]);
		assert_string_equal((char *) h.sb->label, label);
		assert_int_equal(h.sb->seq, seq);
		assert_int_equal(h.sb->dev_idx, i / COPIES);
		bch2_free_super(&h);
	}
}

/* --- the plain case --- */

static void all_copies_on_all_devices(void **state)
{
	struct bch_sb_handle h;
	struct bch_fs *c;

	for (unsigned nr = 1; nr <= 2; nr++) {
		make(&h, nr);
		put_images(&h);
		c = open_fs(nr, false);
		assert_int_equal(update(c), 0);
		assert_int_equal(c->sb.clean, 1);
		close_fs(c);
		assert_all_copies(nr, "after", 101);
		assert_string_equal(messages, "");

		/* round by round, durable, whole blocks, nothing but the copies */
		assert_int_equal(nr_req, nr * COPIES);
		for (unsigned i = 0; i < nr_req; i++) {
			assert_int_equal(req[i].sector, places[i / nr]);
			assert_true(req[i].opf & REQ_FUA);
			assert_int_equal(req[i].bytes % 512, 0);
		}
		forget_requests();
		bch2_free_super(&h);
	}
}

static void members_record_the_update(void **state)
{
	struct bch_sb_handle h;
	struct bch_fs *c;
	struct bch_member m;

	make(&h, 2);
	put_images(&h);

	/* device 1 is not there: it keeps its seq */
	c = open_fs(1, false);
	atomic64_add(3, &c->devs[0]->errors[BCH_MEMBER_ERROR_read]);
	assert_int_equal(update(c), 0);
	assert_int_equal(update(c), 0);
	m = bch2_sb_member_get(c->disk_sb.sb, 0);
	assert_int_equal(m.seq, 102);
	assert_int_equal(m.errors[BCH_MEMBER_ERROR_read], 3);
	m = bch2_sb_member_get(c->disk_sb.sb, 1);
	assert_int_equal(m.seq, 100);
	close_fs(c);

	/* and is brought up to date by the next update */
	c = open_fs(2, false);
	assert_int_equal(update(c), 0);
	close_fs(c);
	assert_all_copies(2, "after", 103);
	bch2_free_super(&h);
}

/* --- clean and dirty --- */

static void clean_stays_clean(void **state)
{
	static const u8 left[] = { 3, 1, 0,  4, 2, 0, 1,  0 };
	struct bch_sb_field_replicas_v0 *r;
	struct bch_sb_handle h;
	struct bch_fs *c;

	make(&h, 2);
	put_images(&h);
	c = open_fs(2, false);
	assert_int_equal(update(c), 0);
	close_fs(c);
	bch2_free_super(&h);

	read_copy(&h, 1, 8);
	assert_int_equal(BCH_SB_CLEAN(h.sb), 1);
	assert_int_equal(h.sb->features[0], 0);
	r = bch2_sb_field_get(h.sb, replicas_v0);
	assert_int_equal(r->field.u64s, 2);
	assert_memory_equal(r->entries, left, sizeof(left));
	bch2_free_super(&h);
}

/* One entry needs more than one device: the other form of the section. */
static void replicas_with_required(void **state)
{
	static const u8 v1[] = { 6, 3, 2, 0, 1, 2,  2, 1, 1, 0,  3, 1, 1, 0 };
	static const u8 want[] = { 3, 1, 1, 0,  6, 3, 2, 0, 1, 2,  0, 0, 0, 0, 0, 0 };
	static const u8 only[] = { 3, 1, 1, 0,  2, 1, 1, 0 };
	static const u8 v0[] = { 3, 1, 0, 0, 0, 0, 0, 0 };
	struct bch_sb_handle h;
	struct bch_sb_field_replicas *r;

	sb_make(&h, 3);
	sb_add(&h, BCH_SB_FIELD_replicas, v1, sizeof(v1));
	assert_int_equal(bch2_sb_drop_journal_replicas(&h), 0);
	r = bch2_sb_field_get(h.sb, replicas);
	assert_non_null(r);
	assert_null(bch2_sb_field_get(h.sb, replicas_v0));
	assert_int_equal(r->field.u64s, 3);
	assert_memory_equal(r->entries, want, sizeof(want));
	bch2_free_super(&h);

	sb_make(&h, 3);
	sb_add(&h, BCH_SB_FIELD_replicas, only, sizeof(only));
	assert_int_equal(bch2_sb_drop_journal_replicas(&h), 0);
	assert_null(bch2_sb_field_get(h.sb, replicas));
	assert_memory_equal(bch2_sb_field_get(h.sb, replicas_v0)->entries, v0, sizeof(v0));
	bch2_free_super(&h);
}

static void dirty_stays_dirty(void **state)
{
	struct bch_sb_handle h;
	struct bch_fs *c;

	/* with journal entries in replicas, and, for what it is worth, without */
	for (unsigned journal = 0; journal < 2; journal++) {
		make(&h, 1);
		SET_BCH_SB_CLEAN(h.sb, 0);
		if (!journal)
			bch2_sb_field_resize(&h, replicas_v0, 0);
		put_images(&h);
		c = open_fs(1, false);
		assert_int_equal(update(c), 0);
		close_fs(c);
		bch2_free_super(&h);

		read_copy(&h, 0, 8);
		assert_int_equal(BCH_SB_CLEAN(h.sb), 0);
		assert_int_equal(bch2_sb_has_journal_replicas(h.sb), journal);
		assert_int_equal(h.sb->features[0], journal ? BCH_SB_FEATURES_ALWAYS : 0);
		bch2_free_super(&h);
	}
}

/* Whoever has begun to write needs the journal entries that replicas name. */
static void running_journal_is_dirty(void **state)
{
	struct bch_sb_handle h;
	struct bch_fs *c;

	make(&h, 1);
	put_images(&h);
	c = open_fs(1, false);
	set_bit(BCH_FS_may_go_rw, &c->flags);
	assert_int_equal(update(c), 0);
	assert_int_equal(c->sb.clean, 0);
	assert_true(bch2_sb_has_journal_replicas(c->disk_sb.sb));
	close_fs(c);
	bch2_free_super(&h);
}

/* --- what belongs to a device stays on it --- */

static void devices_keep_their_own(void **state)
{
	static const u8 unknown[16] = "from the future";
	struct bch_sb_field_journal_v2_entry ring = { .nr = cpu_to_le64(4) };
	struct bch_sb_handle h;
	struct bch_fs *c;

	make(&h, 2);
	put_images(&h);
	/* device 1: a ring, a section and a layout of its own, the magic of old */
	ring.start = cpu_to_le64(77);
	sb_add(&h, 42, unknown, sizeof(unknown));
	sb_add(&h, BCH_SB_FIELD_journal_v2, &ring, sizeof(ring));
	h.sb->magic = BCACHE_MAGIC;
	h.sb->layout.nr_superblocks = 2;
	h.sb->layout.sb_offset[1] = cpu_to_le64(4096);
	h.sb->dev_idx = 1;
	put_image(1, h.sb);

	c = open_fs(2, false);
	assert_int_equal(update(c), 0);
	close_fs(c);
	bch2_free_super(&h);

	read_copy(&h, 0, LAST_COPY);
	assert_null(bch2_sb_field_get_id(h.sb, 42));
	assert_null(bch2_sb_field_get(h.sb, journal_v2));
	bch2_free_super(&h);

	read_copy(&h, 1, 4096);
	assert_string_equal((char *) h.sb->label, "after");
	assert_memory_equal(bch2_sb_field_get_id(h.sb, 42) + 1, unknown, sizeof(unknown));
	assert_int_equal(bch2_sb_field_get(h.sb, journal_v2)->d[0].start, 77);
	assert_memory_equal(&h.sb->magic, &BCACHE_MAGIC, 16);
	assert_int_equal(h.sb->layout.nr_superblocks, 2);
	bch2_free_super(&h);
	/* the place of a third copy belongs to somebody else there */
	assert_int_equal(nr_req, 5);
}

/* Entries of newer software are longer; their tails are not ours. */
static void longer_members_keep_their_tails(void **state)
{
	const unsigned stride = 328;
	struct bch_sb_field_members_v2 *v2;
	struct bch_sb_handle h;
	struct bch_member m;
	struct bch_fs *c;

	make(&h, 1);
	m = bch2_sb_member_get(h.sb, 0);
	v2 = bch2_sb_field_resize(&h, members_v2, (sizeof(*v2) + stride) / sizeof(u64));
	v2->member_bytes = cpu_to_le16(stride);
	memcpy(v2->_members, &m, sizeof(m));
	memset(v2->_members + sizeof(m), 0x5a, stride - sizeof(m));
	put_images(&h);
	bch2_free_super(&h);

	c = open_fs(1, false);
	assert_int_equal(update(c), 0);
	close_fs(c);

	read_copy(&h, 0, 8);
	v2 = bch2_sb_field_get(h.sb, members_v2);
	assert_int_equal(v2->member_bytes, stride);
	for (unsigned i = sizeof(m); i < stride; i++)
		assert_int_equal(v2->_members[i], 0x5a);
	bch2_free_super(&h);
}

static void derived_sections(void **state)
{
	struct bch_sb_field_members_v1 *v1;
	struct bch_sb_handle h;
	struct bch_fs *c;

	/* older readers may come: members_v1 repeats members_v2 */
	make(&h, 2);
	put_images(&h);
	c = open_fs(2, false);
	assert_int_equal(update(c), 0);
	v1 = bch2_sb_field_get(c->disk_sb.sb, members_v1);
	assert_int_equal(v1->field.u64s, 1 + 2 * 7);
	assert_memory_equal(v1->_members + 56, sb_member(&c->disk_sb, 1), 56);
	assert_non_null(bch2_sb_field_get(c->disk_sb.sb, extent_type_u64s));

	/* not any more */
	SET_BCH_SB_VERSION_INCOMPAT(c->disk_sb.sb,
				    bcachefs_metadata_version_snapshot_deletion_v2);
	assert_int_equal(update(c), 0);
	assert_null(bch2_sb_field_get(c->disk_sb.sb, members_v1));
	close_fs(c);
	bch2_free_super(&h);

	read_copy(&h, 1, 8);
	assert_null(bch2_sb_field_get(h.sb, members_v1));
	bch2_free_super(&h);
}

static void checksum_follows_the_option(void **state)
{
	static const struct { u8 opt, type; } t[] = {
		{ BCH_CSUM_OPT_none, 0 }, { BCH_CSUM_OPT_crc32c, 1 },
		{ BCH_CSUM_OPT_crc64, 2 }, { BCH_CSUM_OPT_xxhash, 7 },
	};
	struct bch_sb_handle h;
	struct bch_fs *c;

	make(&h, 1);
	put_images(&h);
	bch2_free_super(&h);

	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		c = open_fs(1, false);
		bch2_opt_set_sb(c->disk_sb.sb, Opt_metadata_checksum, t[i].opt);
		assert_int_equal(update(c), 0);
		close_fs(c);
		read_copy(&h, 0, LAST_COPY);
		assert_int_equal(BCH_SB_CSUM_TYPE(h.sb), t[i].type);
		bch2_free_super(&h);
	}
}

/* --- nothing is written --- */

static void assert_not_written(unsigned nr, int got, int want, const char *text)
{
	if (got != -want)
		fail_msg("%s, not %s; %s", bch2_err_str(got), bch2_err_str(-want), messages);
	if (!strstr(messages, text))
		fail_msg("message: %s", messages);
	assert_int_equal(nr_req, 0);
	assert_all_copies(nr, "before", 100);
	messages[0] = '\0';
}

static void suppressed(void **state)
{
	static const u64 features[] = {
		BCH_FEATURE_BIT(small_image), BCH_FEATURE_BIT(no_default_sb),
	};
	static const int errors[] = { BCH_ERR_erofs_small_image, BCH_ERR_erofs_no_default_sb };
	CLASS(printbuf, err)();
	struct bch_sb_handle h;
	struct bch_fs *c;

	for (unsigned i = 0; i < 2; i++) {
		make(&h, 1);
		h.sb->features[0] = cpu_to_le64(features[i]);
		put_images(&h);
		c = open_fs(1, false);
		assert_int_equal(bch2_sb_may_write(c, &err), -errors[i]);
		assert_not_written(1, update(c), 0, "");
		close_fs(c);
		bch2_free_super(&h);
	}

	make(&h, 1);
	put_images(&h);
	c = open_fs(1, true);
	assert_int_equal(bch2_sb_may_write(c, &err), -BCH_ERR_erofs_nochanges);
	assert_not_written(1, update(c), 0, "");
	close_fs(c);
	bch2_free_super(&h);
}

static void invalid_states(void **state)
{
	struct bch_sb_handle h;
	struct bch_fs *c;

	make(&h, 1);
	put_images(&h);

	c = open_fs(1, false);
	SET_BCH_SB_VERSION_INCOMPAT_ALLOWED(c->disk_sb.sb, 0);
	SET_BCH_SB_VERSION_INCOMPAT(c->disk_sb.sb, bcachefs_metadata_version_casefolding);
	assert_not_written(1, update(c), BCH_ERR_invalid_sb_version, "version_incompat greater");
	close_fs(c);

	c = open_fs(1, false);
	sb_member(&c->disk_sb, 0)->nbuckets = cpu_to_le64(5);
	assert_not_written(1, update(c), BCH_ERR_invalid_sb_members, "not enough buckets");
	close_fs(c);

	c = open_fs(1, false);
	SET_BCH_SB_GC_RESERVE(c->disk_sb.sb, 31);
	assert_not_written(1, update(c), BCH_ERR_invalid_sb_opt, "gc_reserve_percent");
	close_fs(c);

	c = open_fs(1, false);
	memset(&c->disk_sb.sb->user_uuid, 0, 16);
	assert_not_written(1, update(c), BCH_ERR_invalid_sb_uuid, "UUID");
	close_fs(c);
	bch2_free_super(&h);

	make(&h, 1);
	h.sb->version = cpu_to_le16(bcachefs_metadata_version_current + 1);
	put_images(&h);
	c = open_fs(1, false);
	assert_not_written(1, update(c), BCH_ERR_invalid_sb_version, "newer version");
	close_fs(c);
	bch2_free_super(&h);
}

/* Room is checked on every device before the first is written. */
static void no_room(void **state)
{
	struct bch_sb_handle h;
	struct bch_fs *c;

	make(&h, 2);
	put_images(&h);
	h.sb->dev_idx = 1;
	h.sb->layout.sb_max_size_bits = 3;
	put_image(1, h.sb);

	c = open_fs(2, false);
	assert_false(IS_ERR(bch2_sb_field_resize(&c->disk_sb, counters, 500)));
	assert_not_written(2, update(c), BCH_ERR_ENOSPC_sb, "dev1: cannot update");
	close_fs(c);
	bch2_free_super(&h);
}

/* --- what is on the devices is not what was read --- */

static void changed_elsewhere(void **state)
{
	struct bch_sb_handle h;
	struct bch_fs *c;

	make(&h, 1);
	put_images(&h);
	c = open_fs(1, false);
	h.sb->seq = cpu_to_le64(102);
	put_copy(0, h.sb, 8);
	assert_int_equal(update(c), -BCH_ERR_sb_changed_elsewhere);
	assert_non_null(strstr(messages, "somebody else has written the superblock: seq 102"));
	assert_int_equal(nr_req, 0);
	assert_true(test_bit(BCH_FS_emergency_ro, &c->flags));
	close_fs(c);
	bch2_free_super(&h);

	/* another filesystem */
	make(&h, 1);
	put_images(&h);
	c = open_fs(1, false);
	h.sb->uuid.b[3] ^= 1;
	put_copy(0, h.sb, 8);
	assert_int_equal(update(c), -BCH_ERR_sb_changed_elsewhere);
	assert_int_equal(nr_req, 0);
	close_fs(c);
	bch2_free_super(&h);
}

static void earlier_write_lost(void **state)
{
	static const u8 actions[] = { BCH_ON_ERROR_fix_safe, BCH_ON_ERROR_ro };
	struct bch_sb_handle h;
	struct bch_fs *c;

	for (unsigned i = 0; i < 2; i++) {
		make(&h, 1);
		SET_BCH_SB_ERROR_ACTION(h.sb, actions[i]);
		put_images(&h);
		c = open_fs(1, false);
		h.sb->seq = cpu_to_le64(99);
		put_copy(0, h.sb, 8);
		assert_int_equal(update(c), i ? -BCH_ERR_sb_write_lost : 0);
		assert_non_null(strstr(messages, "write was lost: seq 99"));
		messages[0] = '\0';
		assert_int_equal(nr_req, i ? 0 : COPIES);
		close_fs(c);
		forget_requests();
		bch2_free_super(&h);
	}
}

static void damaged_copies_are_replaced(void **state)
{
	struct bch_sb_handle h;
	struct bch_fs *c;

	make(&h, 1);
	put_images(&h);
	put(0, 8, "damaged", 7);
	put(0, LAST_COPY + 1, "damaged", 7);
	c = open_fs(1, false);
	assert_int_equal(update(c), 0);
	close_fs(c);
	assert_all_copies(1, "after", 101);
	bch2_free_super(&h);
}

/* --- failing devices --- */

static void failing_writes(void **state)
{
	struct bch_sb_handle h;
	struct bch_fs *c;

	/* one copy: told, and counted */
	make(&h, 2);
	put_images(&h);
	c = open_fs(2, false);
	fail_sector = 2056;
	assert_int_equal(update(c), 0);
	assert_non_null(strstr(messages, "dev1: error writing superblock at sector 2056"));
	assert_int_equal(c->devs[1]->disk_sb.copies_bad, 1);
	fail_sector = 0;

	/* a device that is not needed to read what is there, only missed */
	fail_dev = 1;
	assert_int_equal(update(c), 0);
	assert_int_equal(c->devs[1]->disk_sb.copies_bad, COPIES);
	assert_false(test_bit(BCH_FS_emergency_ro, &c->flags));

	/* the device with the btrees */
	fail_dev = 0;
	assert_int_equal(update(c), -BCH_ERR_sb_not_written);
	assert_true(test_bit(BCH_FS_emergency_ro, &c->flags));
	close_fs(c);
	bch2_free_super(&h);
}

/* Whatever allocation fails: the error is returned, or the update is complete. */
static void failing_allocations(void **state)
{
	struct bch_sb_handle h;
	struct bch_fs *c;
	int ret;

	make(&h, 2);
	for (int nr = 0; ; nr++) {
		const struct bch_devs_mask none = {};
		bool failed;

		put_images(&h);
		c = open_fs(2, false);
		allocs_left = nr;
		ret = update(c);
		failed = allocs_left < 0;
		allocs_left = -1;
		if (ret)
			assert_true(bch2_err_matches(ret, ENOMEM) ||
				    ret == -BCH_ERR_sb_not_written);
		else if (!c->devs[0]->disk_sb.copies_bad && !c->devs[1]->disk_sb.copies_bad)
			assert_all_copies(2, "after", 101);
		assert_memory_not_equal(&none, &c->online_devs, sizeof(none));
		close_fs(c);

		/* there is always a filesystem left */
		c = open_fs(2, true);
		assert_true(bch2_dev_online(c, 0) && bch2_dev_online(c, 1));
		close_fs(c);
		forget_requests();
		if (!failed)
			break;
		assert_true(nr < 1000);
	}
	bch2_free_super(&h);
}

/* --- power cuts --- */

/* The state of a request when the power went: not begun, done, or torn. */
enum progress { NOT_BEGUN, TORN, GARBLED, DONE, NR_PROGRESS };

static void apply(const struct request *r, enum progress p)
{
	u8 *buf = malloc(r->bytes);

	memcpy(buf, p == NOT_BEGUN ? r->old : r->new, r->bytes);
	if (p == TORN)			/* its first sector got there */
		memcpy(buf + 512, r->old + 512, r->bytes - 512);
	if (p == GARBLED)		/* a sector in the middle became unreadable rubbish */
		memset(buf + 512, 0xdd, 512);
	put(r->dev, r->sector, buf, r->bytes);
	free(buf);
}

/* Both devices take part, and the state is one of the two, whole. */
static void assert_opens(unsigned nr, bool any_done)
{
	struct bch_fs *c = open_fs(nr, true);
	const char *label = (char *) c->disk_sb.sb->label;
	const u64 seq = le64_to_cpu(c->disk_sb.sb->seq);

	for (unsigned i = 0; i < nr; i++)
		assert_true(bch2_dev_online(c, i));
	assert_int_equal(c->sb.clean, 1);
	if (seq == 100)
		assert_string_equal(label, "before");
	else
		assert_string_equal(label, "after");
	assert_true(seq == 100 || seq == 101);
	/* what is completely there is used */
	assert_true(!any_done || seq == 101);
	close_fs(c);
}

/*
 * Rounds before @round are done, later ones have not begun, and every
 * combination of what may have become of the requests of this one is tried.
 */
static void cut_in_round(unsigned nr, unsigned round)
{
	unsigned combinations = 1;

	for (unsigned i = 0; i < nr; i++)
		combinations *= NR_PROGRESS;

	for (unsigned k = 0; k < combinations; k++) {
		unsigned left = k;
		bool done = round > 0;

		for (unsigned i = 0; i < nr_req; i++) {
			enum progress p = i / nr < round ? DONE : NOT_BEGUN;

			if (i / nr == round) {
				p = left % NR_PROGRESS;
				left /= NR_PROGRESS;
				done |= p == DONE;
			}
			apply(&req[i], p);
		}
		assert_opens(nr, done);
	}
}

static void power_cuts(void **state)
{
	struct bch_sb_handle h;
	struct bch_fs *c;

	for (unsigned nr = 1; nr <= 2; nr++) {
		make(&h, nr);
		put_images(&h);
		c = open_fs(nr, false);
		assert_int_equal(update(c), 0);
		close_fs(c);
		assert_int_equal(nr_req, nr * COPIES);

		put_images(&h);
		for (unsigned i = 0; i < nr_req; i++)
			get(req[i].dev, req[i].sector, req[i].old, req[i].bytes);
		for (unsigned round = 0; round < COPIES; round++)
			cut_in_round(nr, round);
		forget_requests();
		bch2_free_super(&h);
	}
}

/* --- one device by itself --- */

static struct block_device *open_dev(struct bch_sb_handle *dev)
{
	const struct bch_opts opts = bch2_opts_empty();
	CLASS(printbuf, err)();

	memset(dev, 0, sizeof(*dev));
	assert_int_equal(bch2_sb_handle_open(dev, path[0], &opts, &err), 0);
	shim_set_fault_hooks(&hooks);
	return dev->bdev;
}

/* Layout and superblock share a block: one request, and the boot area stays. */
static void big_physical_blocks(void **state)
{
	static const unsigned blocks[] = { 512, 4096, 8192, 16384 };
	u8 boot[3584], got[3584];
	struct bch_sb_layout layout;
	struct bch_sb_handle h, dev, copy;

	make(&h, 1);
	memset(boot, 0xb0, sizeof(boot));

	for (unsigned i = 0; i < ARRAY_SIZE(blocks); i++) {
		const bool shared = blocks[i] > 4096;

		unlink(path[0]);
		put(0, 0, boot, sizeof(boot));
		assert_int_equal(truncate(path[0], IMAGE_SECTORS << 9), 0);

		assert_int_equal(bch2_sb_write_device(open_dev(&dev), h.sb, blocks[i]), 0);
		shim_set_fault_hooks(NULL);
		bch2_free_super(&dev);

		get(0, 0, got, sizeof(got));
		assert_memory_equal(got, boot, sizeof(boot));
		get(0, BCH_SB_LAYOUT_SECTOR, &layout, sizeof(layout));
		assert_memory_equal(&layout, &h.sb->layout, sizeof(layout));
		for (unsigned k = 0; k < COPIES; k++) {
			read_copy(&copy, 0, places[k]);
			assert_int_equal(copy.sb->seq, 100);
			bch2_free_super(&copy);
		}

		assert_int_equal(nr_req, shared ? COPIES : COPIES + 1);
		assert_int_equal(req[0].sector, shared ? 0 : 8);
		for (unsigned k = 0; k < COPIES; k++)
			assert_int_equal(req[k].bytes % blocks[i], 0);
		forget_requests();
	}
	bch2_free_super(&h);
}

/* A superblock somewhere else: the usual places are not ours. */
static void layout_elsewhere(void **state)
{
	struct bch_sb_layout layout;
	struct bch_sb_handle h, dev;

	make(&h, 1);
	h.sb->layout.nr_superblocks = 2;
	h.sb->layout.sb_offset[0] = cpu_to_le64(4096);
	h.sb->layout.sb_offset[1] = cpu_to_le64(8192);
	unlink(path[0]);
	put(0, BCH_SB_LAYOUT_SECTOR, "theirs", 7);
	assert_int_equal(truncate(path[0], IMAGE_SECTORS << 9), 0);
	assert_int_equal(bch2_sb_write_device(open_dev(&dev), h.sb, 4096), 0);
	shim_set_fault_hooks(NULL);
	bch2_free_super(&dev);
	get(0, BCH_SB_LAYOUT_SECTOR, &layout, sizeof(layout));
	assert_string_equal((char *) &layout, "theirs");
	assert_int_equal(nr_req, 2);
	bch2_free_super(&h);
}

/* More than one request per copy; its end is not a block boundary. */
static void long_superblocks(void **state)
{
	struct bch_sb_handle h, copy;
	struct bch_fs *c;

	make(&h, 1);
	put_images(&h);
	bch2_free_super(&h);
	c = open_fs(1, false);
	assert_false(IS_ERR(bch2_sb_field_resize(&c->disk_sb, counters, 20001)));
	bch2_sb_field_get(c->disk_sb.sb, counters)->d[19999] = cpu_to_le64(4711);
	assert_int_equal(update(c), 0);
	assert_int_equal(nr_req, COPIES * 3);
	close_fs(c);
	assert_all_copies(1, "after", 101);
	read_copy(&copy, 0, LAST_COPY);
	assert_int_equal(bch2_sb_field_get(copy.sb, counters)->d[19999], 4711);
	bch2_free_super(&copy);
}

#define TEST(_name)	cmocka_unit_test_setup_teardown(_name, test_setup, test_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_copies_on_all_devices),
		TEST(members_record_the_update),
		TEST(clean_stays_clean),
		TEST(replicas_with_required),
		TEST(dirty_stays_dirty),
		TEST(running_journal_is_dirty),
		TEST(devices_keep_their_own),
		TEST(longer_members_keep_their_tails),
		TEST(derived_sections),
		TEST(checksum_follows_the_option),
		TEST(suppressed),
		TEST(invalid_states),
		TEST(no_room),
		TEST(changed_elsewhere),
		TEST(earlier_write_lost),
		TEST(damaged_copies_are_replaced),
		TEST(failing_writes),
		TEST(failing_allocations),
		TEST(power_cuts),
		TEST(big_physical_blocks),
		TEST(layout_elsewhere),
		TEST(long_superblocks),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
