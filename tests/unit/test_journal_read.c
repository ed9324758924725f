// SPDX-License-Identifier: GPL-2.0
/*
 * Reading journals that were written by hand: window, torn and uncommitted
 * entries, copies on two devices, gaps, blacklist, stale laps, lies about
 * lengths; and random damage, which may cost entries but nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/blkdev.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "journal/overlay.h"
#include "journal/read.h"
#include "journal/seq_blacklist.h"
#include "journal/text.h"
#include "journal/validate.h"
#include "sb/fsck_err.h"
#include "shim/faults.h"
#include "shim/log.h"
#include "util/bpos.h"
#include "util/checksum.h"
#include "util/printbuf.h"

#define RING		6	/* journal buckets: 1 .. RING */

struct image {
	struct bch_fs		*c;
	unsigned		nr_devs;
	unsigned		bucket_sectors;
	char			path[2][64];
	FILE			*f[2];
};

/* What to write, and how to break it. */
struct entry {
	u64			seq;
	u64			last_seq;
	bool			noflush;
	bool			empty;
	bool			bad_csum;
	unsigned		key;		/* offset of the key's position */
	u32			claim_u64s;	/* a lie about the length, checksum is bad then */
	unsigned		version;
	unsigned		pad_u64s;	/* makes the entry longer */
	unsigned		csum_type;
	u32			overwrote;	/* add an overwrite record with this version */
	u64			rewind_from;	/* add a rewind record */
	u64			rewind_to;
};

static void quiet(int level, const char *text, void *arg)
{
}

static void image_create(struct image *im, unsigned nr_devs, unsigned block_bits,
			 unsigned bucket_sectors)
{
	struct bch_fs *c = kvzalloc(sizeof(*c), GFP_KERNEL);

	memset(im, 0, sizeof(*im));
	im->c = c;
	im->nr_devs = nr_devs;
	im->bucket_sectors = bucket_sectors;

	mutex_init(&c->sb_lock);
	atomic_set(&c->journal.keys.ref, 1);
	c->opts = bch2_opts_default;
	c->opts.errors = BCH_ON_ERROR_continue;
	c->opts.read_entire_journal = true;
	c->block_bits = block_bits;
	c->sb.version = bcachefs_metadata_version_current;
	assert_int_equal(bch2_fs_fsck_err_init(c), 0);

	c->disk_sb.sb = kvzalloc(sizeof(struct bch_sb), GFP_KERNEL);
	memset(&c->disk_sb.sb->uuid, 0x5a, 16);
	for (unsigned i = 0; i < 32; i++)
		((u8 *) &c->chacha20_key)[i] = i * 7 + 1;

	for (unsigned d = 0; d < nr_devs; d++) {
		struct bch_dev *ca = kvzalloc(sizeof(*ca), GFP_KERNEL);

		snprintf(im->path[d], sizeof(im->path[d]), "/tmp/test_journal.XXXXXX");
		im->f[d] = fdopen(mkstemp(im->path[d]), "r+");
		assert_non_null(im->f[d]);
		assert_int_equal(ftruncate(fileno(im->f[d]),
					   (off_t) (RING + 1) * bucket_sectors * 512), 0);

		ca->fs = c;
		ca->dev_idx = d;
		snprintf(ca->name, sizeof(ca->name), "dev%u", d);
		ca->mi.bucket_size	= bucket_sectors;
		ca->mi.nbuckets		= RING + 1;
		ca->mi.valid		= true;
		ca->journal.nr		= RING;
		ca->journal.buckets	= kvcalloc(RING, sizeof(u64), GFP_KERNEL);
		ca->journal.bucket_seq	= kvcalloc(RING, sizeof(u64), GFP_KERNEL);
		for (unsigned i = 0; i < RING; i++)
			ca->journal.buckets[i] = i + 1;
		c->devs[d] = ca;
	}
}

/* Everything is written: open the devices and read. */
static int image_read(struct image *im)
{
	struct bch_fs *c = im->c;

	for (unsigned d = 0; d < im->nr_devs; d++) {
		struct bch_sb_handle *sb = &c->devs[d]->disk_sb;

		fflush(im->f[d]);
		if (sb->bdev)
			continue;
		sb->bdev_file = bdev_file_open_by_path(im->path[d], BLK_OPEN_READ, NULL, NULL);
		assert_false(IS_ERR(sb->bdev_file));
		sb->bdev = file_bdev(sb->bdev_file);
	}
	return bch2_journal_read(c, &c->journal.start);
}

static void image_free(struct image *im)
{
	struct bch_fs *c = im->c;

	bch2_journal_keys_put(c);
	bch2_journal_entries_free(c);
	bch2_blacklist_table_free(c);
	bch2_fs_fsck_err_exit(c);
	for (unsigned d = 0; d < im->nr_devs; d++) {
		struct bch_dev *ca = c->devs[d];

		if (ca->disk_sb.bdev_file)
			bdev_fput(ca->disk_sb.bdev_file);
		kvfree(ca->journal.buckets);
		kvfree(ca->journal.bucket_seq);
		kvfree(ca);
		fclose(im->f[d]);
		unlink(im->path[d]);
	}
	kvfree(c->disk_sb.sb);
	kvfree(c);
}

static void write_at(struct image *im, unsigned d, unsigned slot, unsigned offset,
		     const void *buf, size_t bytes)
{
	assert_int_equal(fseeko(im->f[d], ((off_t) (slot + 1) * im->bucket_sectors + offset) * 512,
				SEEK_SET), 0);
	assert_int_equal(fwrite(buf, 1, bytes, im->f[d]), bytes);
}

static void put_key(struct jset *j, const struct entry *e)
{
	struct jset_entry *r = jset_entries_end(j);
	struct bkey_i *k = jset_entry_first_key(r);

	r->u64s		= cpu_to_le16(BKEY_U64s);
	r->btree_id	= BTREE_ID_subvolume_children;
	r->type		= BCH_JSET_ENTRY_btree_keys;
	bkey_init(&k->k);
	k->k.type	= KEY_TYPE_set;
	k->k.p		= POS(1, e->key ?: 1);
	k->k.bversion.lo = e->seq;
	le32_add_cpu(&j->u64s, 1 + BKEY_U64s);
}

/* What the key of @e replaced, and a rewind in progress. */
static void put_rewind(struct jset *j, const struct entry *e)
{
	struct jset_entry_rewind *w;

	if (e->overwrote) {
		struct jset_entry *r = jset_entries_end(j);

		put_key(j, e);
		r->type = BCH_JSET_ENTRY_overwrite;
		jset_entry_first_key(r)->k.bversion.lo = e->overwrote;
	}
	SET_JSET_HAS_OVERWRITES(j, e->overwrote != 0);

	if (!e->rewind_from)
		return;
	w = (struct jset_entry_rewind *) jset_entries_end(j);
	w->entry.type	= BCH_JSET_ENTRY_rewind;
	w->entry.u64s	= cpu_to_le16(2);
	w->from		= cpu_to_le64(e->rewind_from);
	w->to		= cpu_to_le64(e->rewind_to);
	le32_add_cpu(&j->u64s, 3);
}

static void finish(struct image *im, struct jset *j)
{
	const unsigned type = JSET_CSUM_TYPE(j);
	const struct nonce n = bch2_journal_nonce(le64_to_cpu(j->seq));

	if (bch2_csum_type_is_encryption(type))
		bch2_encrypt(type, n, &im->c->chacha20_key, (u8 *) j + JSET_CRYPT_OFFSET,
			     jset_bytes(j) - JSET_CRYPT_OFFSET);
	j->csum = bch2_checksum(type, n, &im->c->chacha20_key, &j->magic,
				jset_bytes(j) - offsetof(struct jset, magic));
}

/* Returns the sector behind the entry, in the bucket. */
static unsigned put(struct image *im, unsigned d, unsigned slot, unsigned offset, struct entry e)
{
	const size_t block = bch2_block_bytes(im->c);
	const size_t room = (size_t) im->bucket_sectors * 512;
	struct jset *j = calloc(1, room);
	size_t bytes;

	j->magic	= cpu_to_le64(bch2_sb_jset_magic(im->c->disk_sb.sb));
	j->seq		= cpu_to_le64(e.seq);
	j->last_seq	= cpu_to_le64(e.noflush ? 0 : e.last_seq);
	j->version	= cpu_to_le32(e.version ?: im->c->sb.version);
	SET_JSET_NO_FLUSH(j, e.noflush);
	SET_JSET_CSUM_TYPE(j, e.csum_type ?: BCH_CSUM_crc32c_nonzero);
	put_rewind(j, &e);
	if (!e.empty)
		put_key(j, &e);
	le32_add_cpu(&j->u64s, e.pad_u64s);	/* empty sub-entries */
	bytes = jset_bytes(j);
	assert_true(offset * 512 + bytes <= room);

	finish(im, j);
	if (e.bad_csum)
		j->csum.lo ^= 1;
	if (e.claim_u64s)
		j->u64s = cpu_to_le32(e.claim_u64s);
	write_at(im, d, slot, offset, j, (bytes + block - 1) / block * block);
	free(j);
	return offset + (bytes + block - 1) / block * block / 512;
}

#define PUT(_im, _d, _slot, _off, ...)	put(_im, _d, _slot, _off, (struct entry) { __VA_ARGS__ })

static unsigned ignored(struct image *im, u64 seq)
{
	const struct journal_replay *r = bch2_journal_entry_find(im->c, seq);

	assert_non_null(r);
	return r->ignore;
}

#define ERRS(_im, _id)	((unsigned) bch2_fsck_err_count((_im)->c, BCH_FSCK_ERR_##_id))

static void assert_window(struct image *im, u64 start, u64 end, u64 cur)
{
	assert_int_equal(im->c->journal.start.seq_read_start, start);
	assert_int_equal(im->c->journal.start.seq_read_end, end);
	assert_int_equal(im->c->journal.start.cur_seq, cur);
}

/* Entries 5..9, the last of which says that 7 is the oldest needed. */
static unsigned put_common(struct image *im, unsigned d)
{
	unsigned o = 0;

	o = PUT(im, d, 1, o, .seq = 5, .last_seq = 5, .key = 5);
	o = PUT(im, d, 1, o, .seq = 6, .noflush = true, .key = 6);
	o = PUT(im, d, 1, o, .seq = 7, .last_seq = 5, .key = 7);
	o = PUT(im, d, 1, o, .seq = 8, .noflush = true, .key = 7);
	return PUT(im, d, 1, o, .seq = 9, .last_seq = 7, .key = 9);
}

static void window(void **state)
{
	for (unsigned block_bits = 0; block_bits <= 3; block_bits += 3) {
		struct image im;
		size_t idx = 0;
		struct bkey_i *k;

		image_create(&im, 1, block_bits, 128);
		put_common(&im, 0);
		assert_int_equal(image_read(&im), 0);
		assert_window(&im, 7, 9, 10);
		assert_false(im.c->journal.start.clean);
		assert_int_equal(ignored(&im, 6), JOURNAL_IGNORE_not_dirty);
		assert_int_equal(ignored(&im, 8), JOURNAL_USED);
		assert_int_equal(im.c->fsck.nr_reported, 0);
		assert_int_equal(im.c->devs[0]->journal.cur_idx, 1);
		assert_int_equal(im.c->devs[0]->journal.sectors_free, 128 - (5 << block_bits));

		assert_int_equal(bch2_journal_keys_sort(im.c), 0);
		assert_int_equal(im.c->journal.keys.nr, 2);
		k = bch2_journal_keys_peek_max(im.c, BTREE_ID_subvolume_children, 0, POS(1, 7),
					       SPOS_MAX, &idx);
		assert_int_equal(k->k.bversion.lo, 8);
		image_free(&im);
	}
}

static void empty_entry_is_clean(void **state)
{
	struct image im;

	image_create(&im, 1, 0, 64);
	put_common(&im, 0);
	PUT(&im, 0, 2, 0, .seq = 10, .last_seq = 10, .empty = true);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 10, 10, 11);
	assert_true(im.c->journal.start.clean);
	image_free(&im);
}

static void uncommitted_tail(void **state)
{
	struct image im;

	image_create(&im, 1, 0, 64);
	put_common(&im, 0);
	PUT(&im, 0, 2, 0, .seq = 10, .noflush = true);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 7, 9, 11);
	assert_int_equal(ignored(&im, 10), JOURNAL_IGNORE_noflush);
	image_free(&im);
}

/* A torn flush entry says nothing about what is needed. */
static void torn_flush(void **state)
{
	struct image im;
	unsigned o;

	image_create(&im, 1, 0, 64);
	o = put_common(&im, 0);
	PUT(&im, 0, 1, o, .seq = 10, .last_seq = 10, .bad_csum = true);
	im.c->opts.read_entire_journal = false;
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 7, 9, 11);
	assert_int_equal(ignored(&im, 10), JOURNAL_IGNORE_torn);
	assert_int_equal(im.c->journal.nr_missing, 0);
	assert_int_equal(im.c->fsck.nr_reported, 0);
	assert_null(bch2_journal_entry_find(im.c, 6));
	image_free(&im);
}

/* A damaged entry hides neither those behind it nor, by its number, others. */
static void damaged_in_the_middle(void **state)
{
	static const u32 lies[] = { 0, 2000, 0xffffffff, 1 };

	for (unsigned i = 0; i < 4; i++) {
		struct image im;
		unsigned o;

		image_create(&im, 1, 0, 64);
		o = PUT(&im, 0, 1, 0, .seq = 20, .last_seq = 20, .key = 1);
		o = PUT(&im, 0, 1, o, .seq = i == 1 ? 1ULL << 60 : 21, .last_seq = 20, .key = 2,
			.bad_csum = true, .claim_u64s = lies[i], .pad_u64s = 150);
		PUT(&im, 0, 1, o, .seq = 22, .last_seq = 20, .key = 3);
		assert_int_equal(image_read(&im), 0);
		assert_window(&im, 20, 22, 23);
		assert_int_equal(ignored(&im, 20), JOURNAL_USED);
		assert_int_equal(ignored(&im, 22), JOURNAL_USED);
		assert_int_equal(ERRS(&im, journal_entries_missing), 1);
		image_free(&im);
	}
}

static void two_copies(void **state)
{
	struct image im;

	/* the same on both */
	image_create(&im, 2, 0, 64);
	put_common(&im, 0);
	put_common(&im, 1);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 7, 9, 10);
	assert_int_equal(im.c->fsck.nr_reported, 0);
	assert_int_equal(bch2_journal_entry_find(im.c, 8)->nr_ptrs, 2);
	image_free(&im);

	/* good ones that differ: the lower device, and a report */
	image_create(&im, 2, 0, 64);
	put_common(&im, 0);
	PUT(&im, 1, 3, 0, .seq = 8, .noflush = true, .key = 99);
	assert_int_equal(image_read(&im), 0);
	assert_int_equal(ERRS(&im, journal_entry_replicas_data_mismatch), 1);
	assert_int_equal(bch2_journal_entry_find(im.c, 8)->ptrs[0].dev, 0);
	assert_int_equal(bch2_journal_keys_sort(im.c), 0);
	assert_null(bch2_journal_keys_peek_slot(im.c, BTREE_ID_subvolume_children, 0,
						POS(1, 99)));
	image_free(&im);

	/* bad on the lower device */
	image_create(&im, 2, 0, 64);
	PUT(&im, 0, 1, 0, .seq = 8, .last_seq = 8, .bad_csum = true);
	PUT(&im, 1, 3, 0, .seq = 8, .last_seq = 8);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 8, 8, 9);
	assert_int_equal(bch2_journal_entry_find(im.c, 8)->ptrs[0].dev, 1);
	assert_int_equal(im.c->fsck.nr_reported, 0);
	image_free(&im);

	/* twice on one device */
	image_create(&im, 1, 0, 64);
	put_common(&im, 0);
	PUT(&im, 0, 4, 0, .seq = 9, .last_seq = 7, .key = 9);
	assert_int_equal(image_read(&im), 0);
	assert_int_equal(ERRS(&im, journal_entry_dup_same_device), 1);
	assert_int_equal(ERRS(&im, journal_entry_replicas_data_mismatch), 0);
	image_free(&im);
}

static void gaps(void **state)
{
	struct image im;

	image_create(&im, 1, 0, 64);
	PUT(&im, 0, 0, 0, .seq = 10, .last_seq = 10);
	PUT(&im, 0, 1, 0, .seq = 15, .last_seq = 10);
	PUT(&im, 0, 2, 0, .seq = 16, .last_seq = 10);
	PUT(&im, 0, 3, 0, .seq = 19, .last_seq = 8);
	assert_int_equal(bch2_journal_seq_blacklist_add(im.c, 12, 14), 0);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 8, 19, 20);
	/* 8-9, 11, 14, 17-18 */
	assert_int_equal(ERRS(&im, journal_entries_missing), 4);
	assert_int_equal(im.c->journal.nr_missing, 6);
	image_free(&im);
}

/* A window of 2^55 numbers with two entries: no loop over the numbers. */
static void huge_gap(void **state)
{
	struct image im;

	image_create(&im, 1, 0, 64);
	PUT(&im, 0, 0, 0, .seq = 1, .last_seq = 1);
	PUT(&im, 0, 1, 0, .seq = 1ULL << 55, .last_seq = 1);
	assert_int_equal(image_read(&im), 0);
	assert_int_equal(ERRS(&im, journal_entries_missing), 1);
	assert_int_equal(im.c->journal.nr_missing, (1ULL << 55) - 2);
	image_free(&im);
}

static void blacklisted(void **state)
{
	struct image im;

	image_create(&im, 1, 0, 64);
	put_common(&im, 0);
	PUT(&im, 0, 2, 0, .seq = 12, .last_seq = 7, .key = 12);
	PUT(&im, 0, 3, 0, .seq = 10, .noflush = true, .key = 10);
	PUT(&im, 0, 4, 0, .seq = 11, .last_seq = 7, .key = 11);
	assert_int_equal(bch2_journal_seq_blacklist_add(im.c, 10, 12), 0);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 7, 12, 13);
	assert_int_equal(ignored(&im, 10), JOURNAL_IGNORE_blacklisted);
	assert_int_equal(ignored(&im, 11), JOURNAL_IGNORE_blacklisted);
	assert_int_equal(ERRS(&im, jset_seq_blacklisted), 1);
	assert_int_equal(ERRS(&im, journal_entries_missing), 0);
	assert_true(im.c->journal.blacklist.d[0].dirty);
	image_free(&im);
}

/* Torn when power was lost before: why it was blacklisted, and nothing to report. */
static void blacklisted_torn(void **state)
{
	struct image im;

	image_create(&im, 1, 0, 64);
	put_common(&im, 0);
	PUT(&im, 0, 2, 0, .seq = 12, .last_seq = 7, .key = 12);
	PUT(&im, 0, 3, 0, .seq = 10, .last_seq = 7, .key = 10, .bad_csum = true);
	assert_int_equal(bch2_journal_seq_blacklist_add(im.c, 10, 12), 0);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 7, 12, 13);
	assert_int_equal(ignored(&im, 10), JOURNAL_IGNORE_blacklisted);
	assert_int_equal(im.c->fsck.nr_reported, 0);
	image_free(&im);
}

/* What an earlier lap has left in a bucket ends it; a wrapped ring is normal. */
static void stale_lap(void **state)
{
	struct image im;
	unsigned o;

	image_create(&im, 1, 0, 64);
	PUT(&im, 0, 5, 0, .seq = 20, .last_seq = 20);
	o = PUT(&im, 0, 0, 0, .seq = 21, .last_seq = 20);
	o = PUT(&im, 0, 0, o, .seq = 3, .last_seq = 3);
	PUT(&im, 0, 0, o, .seq = 22, .last_seq = 20);
	PUT(&im, 0, 1, 0, .seq = 4, .last_seq = 4);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 20, 21, 22);
	assert_null(bch2_journal_entry_find(im.c, 3));
	assert_null(bch2_journal_entry_find(im.c, 22));
	assert_int_equal(ignored(&im, 4), JOURNAL_IGNORE_not_dirty);
	assert_int_equal(im.c->journal.oldest_seq_found, 4);
	image_free(&im);
}

/* Longer than what is read at a time, and lying across that border. */
static void big_bucket(void **state)
{
	struct image im;
	unsigned o = 0;

	image_create(&im, 1, 3, 8192);
	for (u64 seq = 1; seq <= 7; seq++)
		o = PUT(&im, 0, 2, o, .seq = seq, .last_seq = 2, .key = seq, .pad_u64s = 70000);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 2, 7, 8);
	assert_int_equal(im.c->fsck.nr_reported, 0);
	assert_int_equal(bch2_journal_keys_sort(im.c), 0);
	assert_int_equal(im.c->journal.keys.nr, 6);
	image_free(&im);
}

/*
 * A header that lost its checksum says nothing: not even that it is from an
 * earlier lap, and that there is nothing behind it.
 */
static void damaged_number(void **state)
{
	struct image im;
	unsigned o;

	image_create(&im, 1, 0, 64);
	o = put_common(&im, 0);
	o = PUT(&im, 0, 1, o, .seq = 2, .last_seq = 2, .bad_csum = true);
	o = PUT(&im, 0, 1, o, .seq = 11, .last_seq = 11, .key = 11);
	PUT(&im, 0, 1, o, .seq = 4, .last_seq = 4);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 11, 11, 12);
	assert_null(bch2_journal_entry_find(im.c, 4));
	image_free(&im);
}

static blk_status_t count_vecs(struct bio *bio, void *arg)
{
	unsigned *most = arg;

	if (bio->bi_max_vecs > *most)
		*most = bio->bi_max_vecs;
	return BLK_STS_OK;
}

/* No kernel makes bios with more than BIO_MAX_VECS pieces. */
static void bios_of_big_buckets(void **state)
{
	unsigned most = 0;
	const struct shim_fault_hooks hooks = { .bio = count_vecs, .arg = &most };
	struct image im;

	image_create(&im, 1, 3, 8192);
	put_common(&im, 0);
	shim_set_fault_hooks(&hooks);
	assert_int_equal(image_read(&im), 0);
	shim_set_fault_hooks(NULL);
	assert_window(&im, 7, 9, 10);
	assert_true(most > 0);
	assert_in_range(most, 1, BIO_MAX_VECS);
	image_free(&im);
}

static void encrypted(void **state)
{
	struct image im;

	image_create(&im, 1, 0, 64);
	PUT(&im, 0, 0, 0, .seq = 4, .last_seq = 4, .key = 44,
	    .csum_type = BCH_CSUM_chacha20_poly1305_128);
	im.c->has_key = true;
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 4, 4, 5);
	assert_int_equal(bch2_journal_keys_sort(im.c), 0);
	assert_non_null(bch2_journal_keys_peek_slot(im.c, BTREE_ID_subvolume_children, 0,
						    POS(1, 44)));
	image_free(&im);

	/* without the key it is as good as torn */
	image_create(&im, 1, 0, 64);
	PUT(&im, 0, 0, 0, .seq = 4, .last_seq = 4,
	    .csum_type = BCH_CSUM_chacha20_poly1305_128);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 0, 0, 5);
	image_free(&im);
}

static u64 overlay_version(struct image *im, unsigned key)
{
	const struct bkey_i *k = bch2_journal_keys_peek_slot(im->c, BTREE_ID_subvolume_children, 0,
							     POS(1, key));

	return k ? k->k.bversion.lo : 0;
}

/* Entries 11..13 are to be taken back: what they overwrote counts, oldest first. */
static void interrupted_rewind(void **state)
{
	struct image im;

	image_create(&im, 1, 0, 64);
	PUT(&im, 0, 0, 0, .seq = 9, .last_seq = 9, .key = 4);
	PUT(&im, 0, 1, 0, .seq = 10, .last_seq = 9, .key = 1);
	PUT(&im, 0, 2, 0, .seq = 11, .last_seq = 11, .key = 2, .overwrote = 1000);
	PUT(&im, 0, 3, 0, .seq = 12, .last_seq = 11, .key = 2, .overwrote = 1001);
	PUT(&im, 0, 4, 0, .seq = 13, .last_seq = 12, .key = 3, .overwrote = 1002);
	PUT(&im, 0, 5, 0, .seq = 14, .last_seq = 14, .key = 5, .rewind_from = 13,
	    .rewind_to = 10);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 14, 14, 15);
	assert_int_equal(im.c->journal.nr_rewinds, 1);
	assert_int_equal(ignored(&im, 9), JOURNAL_USED);

	assert_int_equal(bch2_journal_keys_sort(im.c), 0);
	assert_int_equal(overlay_version(&im, 2), 1000);
	assert_int_equal(overlay_version(&im, 3), 1002);
	assert_int_equal(overlay_version(&im, 5), 14);
	image_free(&im);

	/* an entry that does not say what it overwrote cannot be taken back */
	image_create(&im, 1, 0, 64);
	PUT(&im, 0, 1, 0, .seq = 10, .last_seq = 10, .key = 1);
	PUT(&im, 0, 2, 0, .seq = 11, .last_seq = 11, .key = 2);
	PUT(&im, 0, 3, 0, .seq = 12, .last_seq = 12, .key = 5, .rewind_from = 11,
	    .rewind_to = 10);
	assert_int_equal(image_read(&im), 0);
	assert_int_equal(bch2_journal_keys_sort(im.c), -BCH_ERR_journal_rewind_no_overwrites);
	image_free(&im);

	/* the target is gone */
	image_create(&im, 1, 0, 64);
	PUT(&im, 0, 3, 0, .seq = 12, .last_seq = 12, .key = 5, .rewind_from = 11,
	    .rewind_to = 10);
	assert_int_equal(image_read(&im), -BCH_ERR_journal_entries_missing);
	image_free(&im);
}

static void nothing_usable(void **state)
{
	struct image im;

	image_create(&im, 1, 0, 64);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 0, 0, 0);
	assert_null(bch2_journal_newest(im.c, false));
	image_free(&im);

	image_create(&im, 1, 0, 64);
	PUT(&im, 0, 0, 0, .seq = 4, .noflush = true);
	PUT(&im, 0, 1, 0, .seq = 5, .noflush = true);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 0, 0, 6);
	assert_int_equal(ERRS(&im, dirty_but_no_journal_entries_post_drop_nonflushes), 1);
	assert_null(bch2_journal_newest(im.c, true));
	assert_int_equal(bch2_journal_newest(im.c, false)->seq, 5);
	image_free(&im);
}

static void bad_headers(void **state)
{
	struct image im;

	/* a version that this software does not know ends everything */
	image_create(&im, 1, 0, 64);
	put_common(&im, 0);
	PUT(&im, 0, 4, 0, .seq = 2, .last_seq = 2, .version = BCH_VERSION(2, 0));
	assert_int_not_equal(image_read(&im), 0);
	assert_int_equal(ERRS(&im, jset_unsupported_version), 1);
	image_free(&im);

	/* unless the header is damaged */
	image_create(&im, 1, 0, 64);
	put_common(&im, 0);
	PUT(&im, 0, 4, 0, .seq = 2, .last_seq = 2, .version = BCH_VERSION(2, 0), .bad_csum = true);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 7, 9, 10);
	image_free(&im);

	/* also if it would be needed: then it is missing */
	image_create(&im, 1, 0, 64);
	PUT(&im, 0, 0, 0, .seq = 7, .last_seq = 7);
	PUT(&im, 0, 1, 0, .seq = 8, .last_seq = 7, .version = BCH_VERSION(2, 0), .bad_csum = true);
	PUT(&im, 0, 2, 0, .seq = 9, .last_seq = 7);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 7, 9, 10);
	assert_int_equal(ignored(&im, 8), JOURNAL_IGNORE_bad);
	assert_int_equal(im.c->journal.nr_missing, 1);
	assert_int_equal(ERRS(&im, jset_unsupported_version), 0);
	image_free(&im);

	image_create(&im, 1, 0, 64);
	PUT(&im, 0, 4, 0, .seq = 5, .last_seq = 9);
	assert_int_equal(image_read(&im), 0);
	assert_window(&im, 5, 5, 6);
	assert_int_equal(ERRS(&im, jset_last_seq_newer_than_seq), 1);
	image_free(&im);
}

/* A bucket of headers that all claim the rest of it: bounded work. */
static void forged_headers(void **state)
{
	struct image im;

	image_create(&im, 1, 0, 4096);
	for (unsigned o = 0; o + 1 < 4096; o++)
		PUT(&im, 0, 0, o, .seq = 100, .last_seq = 1, .claim_u64s = 0x7fffffff,
		    .bad_csum = true);
	PUT(&im, 0, 1, 0, .seq = 7, .last_seq = 7);
	assert_int_equal(image_read(&im), 0);
	assert_int_equal(im.c->journal.start.seq_read_end, 7);
	image_free(&im);
}

/* --- sub-entries --- */

static struct jset *jset_with_key(struct image *im)
{
	struct jset *j = calloc(1, 4096);
	const struct entry e = { .seq = 3 };

	j->seq = j->last_seq = cpu_to_le64(3);
	j->version = cpu_to_le32(im->c->sb.version);
	put_key(j, &e);
	put_key(j, &(struct entry) { .seq = 4, .key = 2 });
	return j;
}

static unsigned count_keys(struct jset *j)
{
	unsigned nr = 0;

	for_each_jset_entry(e, j)
		jset_entry_for_each_key(e, k)
			nr++;
	return nr;
}

static void damaged_records(void **state)
{
	struct image im;
	struct jset *j;
	struct jset_entry *e;

	image_create(&im, 1, 0, 64);

	j = jset_with_key(&im);
	assert_int_equal(bch2_jset_validate(im.c, NULL, j, 0, 0), 0);
	assert_int_equal(count_keys(j), 2);
	free(j);

	j = jset_with_key(&im);
	jset_entry_first_key(jset_entries_start(j))->k.u64s = 0;
	assert_int_equal(bch2_jset_validate(im.c, NULL, j, 0, 0), 0);
	assert_int_equal(ERRS(&im, journal_entry_bkey_u64s_0), 1);
	assert_int_equal(count_keys(j), 1);
	free(j);

	j = jset_with_key(&im);
	jset_entry_first_key(jset_entries_start(j))->k.u64s = 200;
	assert_int_equal(bch2_jset_validate(im.c, NULL, j, 0, 0), 0);
	assert_int_equal(ERRS(&im, journal_entry_bkey_past_end), 1);
	assert_int_equal(count_keys(j), 1);
	free(j);

	j = jset_with_key(&im);
	jset_entry_first_key(jset_entries_start(j))->k.format = 0;
	assert_int_equal(bch2_jset_validate(im.c, NULL, j, 0, 0), 0);
	assert_int_equal(ERRS(&im, journal_entry_bkey_bad_format), 1);
	assert_int_equal(count_keys(j), 1);
	free(j);

	/* a type that may not be in this btree: the key goes, the other stays */
	j = jset_with_key(&im);
	jset_entry_first_key(jset_entries_start(j))->k.type = KEY_TYPE_subvolume;
	assert_int_equal(bch2_jset_validate(im.c, NULL, j, 0, 0), 0);
	assert_int_equal(ERRS(&im, journal_entry_bkey_bad_format), 2);
	assert_int_equal(count_keys(j), 1);
	free(j);

	j = jset_with_key(&im);
	e = jset_entry_next(jset_entries_start(j));
	e->u64s = cpu_to_le16(0xffff);
	assert_int_equal(bch2_jset_validate(im.c, NULL, j, 0, 0), 0);
	assert_int_equal(ERRS(&im, journal_entry_past_jset_end), 1);
	assert_int_equal(le32_to_cpu(j->u64s), 1 + BKEY_U64s);
	free(j);

	j = jset_with_key(&im);
	e = jset_entries_start(j);
	e->type = BCH_JSET_ENTRY_btree_root;
	jset_entry_first_key(e)->k.u64s = 3;
	assert_int_equal(bch2_jset_validate(im.c, NULL, j, 0, 0), 0);
	assert_int_equal(ERRS(&im, journal_entry_btree_root_bad_size), 1);
	assert_int_equal(le16_to_cpu(e->u64s), 0);
	assert_int_equal(e->type, BCH_JSET_ENTRY_btree_root);
	assert_int_equal(count_keys(j), 1);
	free(j);
	image_free(&im);
}

static void record_sizes(void **state)
{
	static const struct {
		unsigned	type, u64s, id;
	} bad[] = {
		{ BCH_JSET_ENTRY_blacklist,	0, BCH_FSCK_ERR_journal_entry_blacklist_bad_size },
		{ BCH_JSET_ENTRY_blacklist_v2,	1,
		  BCH_FSCK_ERR_journal_entry_blacklist_v2_bad_size },
		{ BCH_JSET_ENTRY_usage,		0, BCH_FSCK_ERR_journal_entry_usage_bad_size },
		{ BCH_JSET_ENTRY_data_usage,	1, BCH_FSCK_ERR_journal_entry_data_usage_bad_size },
		{ BCH_JSET_ENTRY_clock,		1, BCH_FSCK_ERR_journal_entry_clock_bad_size },
		{ BCH_JSET_ENTRY_dev_usage,	2, BCH_FSCK_ERR_journal_entry_dev_usage_bad_size },
		{ BCH_JSET_ENTRY_datetime,	0, BCH_FSCK_ERR_journal_entry_dev_usage_bad_size },
		{ BCH_JSET_ENTRY_rewind_limit,	0,
		  BCH_FSCK_ERR_journal_entry_rewind_limit_bad_size },
		{ BCH_JSET_ENTRY_rewind,	1, BCH_FSCK_ERR_journal_entry_rewind_bad_size },
	};
	struct image im;

	image_create(&im, 1, 0, 64);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct jset *j = calloc(1, 4096);
		struct jset_entry *e = jset_entries_start(j);
		const u64 before = bch2_fsck_err_count(im.c, bad[i].id);

		j->seq = j->last_seq = cpu_to_le64(i + 1);
		j->version = cpu_to_le32(im.c->sb.version);
		e->type = bad[i].type;
		e->u64s = cpu_to_le16(bad[i].u64s);
		memset(e + 1, 0x3, bad[i].u64s * 8);
		j->u64s = cpu_to_le32(1 + bad[i].u64s);
		assert_int_equal(bch2_jset_validate(im.c, NULL, j, 0, 0), 0);
		assert_int_equal(bch2_fsck_err_count(im.c, bad[i].id), before + 1);
		assert_int_equal(e->type, 0);
		assert_int_equal(e->u64s, 0);

		/* types from the future are no error */
		e->type = 77;
		e->u64s = cpu_to_le16(bad[i].u64s);
		assert_int_equal(bch2_jset_validate(im.c, NULL, j, 0, 0), 0);
		assert_int_equal(e->type, 77);
		free(j);
	}
	image_free(&im);
}

/* --- random damage --- */

static uint64_t rnd_state;

static uint32_t rnd(uint32_t below)
{
	rnd_state = rnd_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (rnd_state >> 33) % below;
}

static void random_damage(void **state)
{
	for (unsigned seed = 1; seed <= 40; seed++) {
		struct image im;
		struct printbuf out = PRINTBUF;

		rnd_state = seed;
		image_create(&im, 2, 0, 64);
		put_common(&im, 0);
		put_common(&im, 1);
		for (unsigned i = 0; i < 1 + seed % 12; i++) {
			const u8 b = rnd(256);

			const unsigned d = rnd(2);

			assert_int_equal(fseeko(im.f[d], 64 * 512 * 2 + rnd(5 * 512), SEEK_SET),
					 0);
			assert_int_equal(fwrite(&b, 1, 1, im.f[d]), 1);
		}
		if (!image_read(&im)) {
			bch2_journal_keys_sort(im.c);
			for (size_t i = 0; i < im.c->journal.entries.nr; i++) {
				struct journal_replay *r = im.c->journal.entries.d[i];

				bch2_journal_replay_header_to_text(&out, im.c, r);
				if (!bch2_journal_entry_load(im.c, r))
					bch2_jset_to_text(&out, im.c, r->j);
			}
		}
		printbuf_exit(&out);
		image_free(&im);
	}
}

/* Any bytes can be validated and printed. */
static void random_records(void **state)
{
	struct image im;

	image_create(&im, 1, 0, 64);
	for (unsigned seed = 1; seed <= 4000; seed++) {
		const unsigned u64s = 1 + seed % 40;
		struct jset *j = malloc(sizeof(*j) + u64s * 8);
		struct printbuf out = PRINTBUF;
		u8 *p = (u8 *) j->_data;

		rnd_state = seed;
		memset(j, 0, sizeof(*j));
		j->seq = cpu_to_le64(seed);
		j->version = cpu_to_le32(im.c->sb.version);
		for (unsigned i = 0; i < u64s * 8; i++)
			p[i] = rnd(4) ? rnd(3) : rnd(256);
		for (unsigned i = 0; i < u64s; i += 1 + rnd(6)) {
			struct jset_entry *e = (struct jset_entry *) &j->_data[i];

			e->u64s = cpu_to_le16(rnd(8));
			e->type = rnd(18);
		}
		j->u64s = cpu_to_le32(u64s);

		bch2_jset_to_text(&out, im.c, j);
		bch2_jset_validate(im.c, NULL, j, 0, 0);
		assert_true(le32_to_cpu(j->u64s) <= u64s);
		bch2_jset_to_text(&out, im.c, j);
		printbuf_exit(&out);
		free(j);
	}
	image_free(&im);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(window),
		cmocka_unit_test(empty_entry_is_clean),
		cmocka_unit_test(uncommitted_tail),
		cmocka_unit_test(torn_flush),
		cmocka_unit_test(damaged_in_the_middle),
		cmocka_unit_test(two_copies),
		cmocka_unit_test(gaps),
		cmocka_unit_test(huge_gap),
		cmocka_unit_test(blacklisted),
		cmocka_unit_test(blacklisted_torn),
		cmocka_unit_test(stale_lap),
		cmocka_unit_test(damaged_number),
		cmocka_unit_test(bios_of_big_buckets),
		cmocka_unit_test(big_bucket),
		cmocka_unit_test(encrypted),
		cmocka_unit_test(interrupted_rewind),
		cmocka_unit_test(nothing_usable),
		cmocka_unit_test(bad_headers),
		cmocka_unit_test(forged_headers),
		cmocka_unit_test(damaged_records),
		cmocka_unit_test(record_sizes),
		cmocka_unit_test(random_damage),
		cmocka_unit_test(random_records),
	};

	if (!getenv("TEST_VERBOSE"))
		shim_set_log_sink(quiet, NULL);
	return cmocka_run_group_tests_name("journal: reading", tests, NULL, NULL);
}
