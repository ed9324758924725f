// SPDX-License-Identifier: GPL-2.0
/*
 * Reading every file of real images with the streaming reader - whole, with a
 * device missing, and with a device full of rubbish where the data was - and
 * comparing what comes out. That the whole reading is right is checked against
 * the manifests by the tests of the restore command.
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
#include <linux/xxhash.h>

#include "bcachefs.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "data/extents.h"
#include "data/reader.h"
#include "fs/inode.h"
#include "init/fs.h"
#include "journal/overlay.h"
#include "sb/members.h"

#define DEVS_MAX	4

struct image {
	char	*path[DEVS_MAX];
	unsigned nr;
};

/* One piece that was handed out. */
struct piece {
	uint64_t	inum;
	uint64_t	offset;
	uint32_t	snapshot;
	bool		bad;
	uint64_t	hash;
};

/* What reading everything gave. */
struct totals {
	struct piece	*pieces;
	size_t		nr;
	size_t		room;
	uint64_t	files;
	uint64_t	bytes;
	uint64_t	hash;
	uint64_t	nr_bad;
	uint64_t	nr_recovered;
	uint64_t	errors;
};

static void drop_message(int level, const char *text, void *arg)
{
}

static const char *env(const char *name, const char *otherwise)
{
	const char *v = getenv(name);

	return v ? v : otherwise;
}

static void unpack(struct image *img, const char *name)
{
	char cmd[1024], *path;

	assert_true(img->nr < DEVS_MAX);
	assert_true(asprintf(&path, "%s/test-data-%d-%s.img", env("TEST_TMPDIR", "/tmp"),
			     (int) getpid(), name) > 0);
	snprintf(cmd, sizeof(cmd), "zstd -qdf --long=27 --sparse -o '%s' '%s/%s.img.zst'",
		 path, env("TEST_FIXTURES", "tests/fixtures"), name);
	assert_int_equal(system(cmd), 0);
	img->path[img->nr++] = path;
}

static void image_free(struct image *img)
{
	for (unsigned i = 0; i < img->nr; i++) {
		unlink(img->path[i]);
		free(img->path[i]);
	}
}

/* Open and start without device @without (none: DEVS_MAX); NULL if that fails. */
static struct bch_fs *open_image(const struct image *img, unsigned without)
{
	struct bch_opts opts = bch2_opts_empty();
	const char *paths[DEVS_MAX];
	struct bch_fs *c;
	unsigned nr = 0;

	opt_set(opts, nochanges,	true);
	opt_set(opts, read_only,	true);
	opt_set(opts, norecovery,	true);
	opt_set(opts, degraded,		BCH_DEGRADED_very);
	opt_set(opts, errors,		BCH_ON_ERROR_continue);

	for (unsigned i = 0; i < img->nr; i++)
		if (i != without)
			paths[nr++] = img->path[i];

	c = bch2_fs_open(paths, nr, &opts);
	if (IS_ERR(c))
		return NULL;
	if (bch2_fs_start(c)) {
		bch2_fs_stop(c);
		return NULL;
	}
	return c;
}

/* The report's callback notes that the piece which comes next is bad. */
static void note_bad(struct bch_read_report *r, const struct bch_bad_range *bad)
{
	if (!bad->recovered)
		*(uint64_t *) r->priv = bad->offset;
}

static void add_piece(struct totals *t, u64 inum, u32 snapshot, u64 offset, uint64_t hash, bool bad)
{
	if (t->nr == t->room) {
		t->room = t->room ? t->room * 2 : 1024;
		t->pieces = realloc(t->pieces, t->room * sizeof(*t->pieces));
		assert_non_null(t->pieces);
	}
	t->pieces[t->nr++] = (struct piece) { inum, offset, snapshot, bad, hash };
}

static void read_inode(struct bch_fs *c, const struct bch_inode_unpacked *inode, u32 snapshot,
		       struct bch_read_report *report, struct totals *t)
{
	struct bch_file_reader *r = calloc(1, sizeof(*r));
	u64 offset, end = 0;
	const void *buf;
	size_t len;
	int ret;

	ret = bch2_file_reader_init(r, c, snapshot, inode->bi_inum, inode->bi_size, report);
	/* little memory, so that reads must wait for each other */
	r->budget = 1 << 20;
	while (!ret && (ret = bch2_file_reader_next(r, &offset, &buf, &len)) > 0) {
		assert_true(offset >= end);
		assert_true(len && offset + len <= inode->bi_size);
		end = offset + len;
		t->hash = xxh64(buf, len, t->hash ^ offset);
		add_piece(t, inode->bi_inum, snapshot, offset, xxh64(buf, len, 0),
			  *(uint64_t *) report->priv == offset);
		t->bytes += len;
		ret = 0;
	}
	bch2_file_reader_exit(r);
	free(r);
	t->errors += ret != 0;
	t->files++;
}

static struct totals read_all(struct bch_fs *c)
{
	struct btree_trans *trans = bch2_trans_get(c);
	uint64_t last_bad = ~0ULL;
	struct bch_read_report report = {
		.flags = BCH_READ_ignore_errors, .fn = note_bad, .priv = &last_bad,
	};
	static struct bch_inode_unpacked inode;
	struct totals t = {};

	assert_int_equal(for_each_btree_key(trans, iter, BTREE_ID_inodes, POS_MIN,
					    BTREE_ITER_all_snapshots, k, ({
		if ((k.k->type == KEY_TYPE_inode_v3 || k.k->type == KEY_TYPE_inode_v2) &&
		    !bch2_inode_unpack(k, &inode)) {
			inode.bi_inum = k.k->p.offset;
			if ((inode.bi_mode & 0170000) == 0100000 ||
			    (inode.bi_mode & 0170000) == 0120000)
				read_inode(c, &inode, k.k->p.snapshot, &report, &t);
			last_bad = ~0ULL;
		}
		0;
	})), 0);
	bch2_trans_put(trans);

	t.nr_bad = report.nr_bad;
	t.nr_recovered = report.nr_recovered;
	return t;
}

static struct totals read_image(const struct image *img, unsigned without)
{
	struct bch_fs *c = open_image(img, without);
	struct totals t;

	assert_non_null(c);
	t = read_all(c);
	bch2_fs_stop(c);
	return t;
}

/* Overwrite every stored copy of checksummed file data on device @dev of the image. */
static uint64_t ruin_data(const struct image *img, unsigned dev)
{
	struct bch_fs *c = open_image(img, DEVS_MAX);
	struct btree_trans *trans;
	uint64_t ruined = 0;
	static char junk[1 << 20];
	int fd;

	assert_non_null(c);
	fd = open(img->path[dev], O_WRONLY);
	assert_true(fd >= 0);
	memset(junk, 0x5a, sizeof(junk));

	trans = bch2_trans_get(c);
	assert_int_equal(for_each_btree_key(trans, iter, BTREE_ID_extents, POS_MIN,
					    BTREE_ITER_all_snapshots, k, ({
		const union bch_extent_entry *entry;
		struct extent_ptr_decoded p;
		struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);

		if (k.k->type == KEY_TYPE_extent)
			bkey_for_each_ptr_decode(k.k, ptrs, p, entry)
				if (EXTENT_PTR_DEV(&p.ptr) == dev && p.crc.csum_type) {
					size_t len = min_t(size_t, sizeof(junk),
						(size_t) p.crc.compressed_size << 9);
					off_t at = EXTENT_PTR_OFFSET(&p.ptr) << 9;

					assert_int_equal(pwrite(fd, junk, len, at), len);
					ruined++;
				}
		0;
	})), 0);
	bch2_trans_put(trans);
	bch2_fs_stop(c);
	close(fd);
	return ruined;
}

static int piece_cmp(const void *_l, const void *_r)
{
	const struct piece *l = _l, *r = _r;

	if (l->inum != r->inum)
		return l->inum < r->inum ? -1 : 1;
	if (l->snapshot != r->snapshot)
		return l->snapshot < r->snapshot ? -1 : 1;
	return l->offset < r->offset ? -1 : l->offset > r->offset;
}

/* Every piece of @a that is not bad is in @b, with the same content; how many? */
static size_t good_pieces(const struct totals *a, struct totals *b)
{
	size_t good = 0;

	qsort(b->pieces, b->nr, sizeof(*b->pieces), piece_cmp);
	for (size_t i = 0; i < a->nr; i++) {
		const struct piece *p = a->pieces + i, *o;

		if (p->bad)
			continue;
		o = bsearch(p, b->pieces, b->nr, sizeof(*p), piece_cmp);
		assert_non_null(o);
		assert_true(o->hash == p->hash);
		good++;
	}
	return good;
}

static void assert_same(const struct totals *a, const struct totals *b)
{
	assert_int_equal(a->errors, 0);
	assert_int_equal(a->nr_bad, 0);
	assert_int_equal(a->files, b->files);
	assert_int_equal(a->bytes, b->bytes);
	assert_true(a->hash == b->hash);
}

/* Any one device may be missing, or have lost its data. */
static void with_redundancy(const char *const *names, unsigned nr)
{
	struct image img = {};
	struct totals whole, t;

	for (unsigned i = 0; i < nr; i++)
		unpack(&img, names[i]);

	whole = read_image(&img, DEVS_MAX);
	assert_true(whole.files > 20 && whole.bytes > 1 << 20);
	assert_same(&whole, &whole);
	assert_int_equal(whole.nr_recovered, 0);

	for (unsigned i = 0; i < nr; i++) {
		t = read_image(&img, i);
		assert_same(&t, &whole);
		free(t.pieces);
	}

	/* The last: nothing is mended in between. */
	assert_true(ruin_data(&img, 1) > 10);
	t = read_image(&img, DEVS_MAX);
	assert_same(&t, &whole);
	assert_true(t.nr_recovered > 10);
	free(t.pieces);
	free(whole.pieces);
	image_free(&img);
}

static void replicas(void **state)
{
	static const char *const names[] = { "multi2-138-0", "multi2-138-1" };

	with_redundancy(names, 2);
}

static void stripes(void **state)
{
	static const char *const names[] = {
		"multi3-ec-138-0", "multi3-ec-138-1", "multi3-ec-138-2",
	};

	with_redundancy(names, 3);
}

/* Make every erasure coded pointer to @dev one to a removed device, in memory. */
static unsigned remove_device(struct bch_fs *c, unsigned dev)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct bkey_i **keys = NULL;
	unsigned nr = 0;

	assert_int_equal(for_each_btree_key(trans, iter, BTREE_ID_extents, POS_MIN,
					    BTREE_ITER_all_snapshots, k, ({
		struct bkey_i *n = calloc(1, bkey_bytes(k.k));
		const union bch_extent_entry *entry;
		struct extent_ptr_decoded p;
		struct bkey_ptrs_c ptrs;
		bool changed = false;

		bkey_reassemble(n, k);
		ptrs = bch2_bkey_ptrs_c(bkey_i_to_s_c(n));
		if (n->k.type == KEY_TYPE_extent)
			bkey_for_each_ptr_decode(&n->k, ptrs, p, entry)
				if (p.has_ec && EXTENT_PTR_DEV(&p.ptr) == dev) {
					SET_EXTENT_PTR_DEV((struct bch_extent_ptr *) &entry->ptr,
							   255);
					changed = true;
				}
		if (changed) {
			keys = realloc(keys, (nr + 1) * sizeof(*keys));
			keys[nr++] = n;
		} else {
			free(n);
		}
		0;
	})), 0);
	bch2_trans_put(trans);

	c->journal.keys.frozen = false;
	for (unsigned i = 0; i < nr; i++) {
		assert_int_equal(bch2_journal_key_insert(c, BTREE_ID_extents, 0, keys[i]), 0);
		free(keys[i]);
	}
	free(keys);
	return nr;
}

/* The device is not missing but removed: pointers do not even name it (spec 50 section 3.1). */
static void removed_device(void **state)
{
	struct image img = {};
	struct totals whole;

	for (unsigned i = 0; i < 3; i++) {
		char name[32];

		snprintf(name, sizeof(name), "multi3-ec-138-%u", i);
		unpack(&img, name);
	}
	whole = read_image(&img, DEVS_MAX);

	for (unsigned dev = 0; dev < 3; dev++) {
		struct bch_fs *c = open_image(&img, DEVS_MAX);
		struct totals t;

		assert_non_null(c);
		assert_true(remove_device(c, dev) > 10);
		t = read_all(c);
		bch2_fs_stop(c);
		assert_same(&t, &whole);
		free(t.pieces);
	}
	free(whole.pieces);
	image_free(&img);
}

/* Without another copy, what is bad is reported, and only that. */
static void no_redundancy(void **state)
{
	struct image img = {};
	struct totals whole, t;

	unpack(&img, "small-138");
	whole = read_image(&img, DEVS_MAX);
	assert_same(&whole, &whole);

	assert_true(ruin_data(&img, 0) > 10);
	t = read_image(&img, DEVS_MAX);
	assert_int_equal(t.errors, 0);
	assert_int_equal(t.files, whole.files);
	/* with BCH_READ_ignore_errors every piece is handed out */
	assert_int_equal(t.bytes, whole.bytes);
	assert_true(t.nr_bad > 10);
	assert_true(good_pieces(&t, &whole) > 0);
	free(t.pieces);
	free(whole.pieces);
	image_free(&img);
}

/* Cached copies may stand in for a missing device; what they give must be right. */
static void promoted(void **state)
{
	struct image img = {};
	struct totals whole, t;
	size_t good;

	unpack(&img, "cached-138-0");
	unpack(&img, "cached-138-1");
	whole = read_image(&img, DEVS_MAX);
	assert_same(&whole, &whole);

	/* metadata and the cached copies are on the first device, data on the second */
	t = read_image(&img, 1);
	assert_int_equal(t.errors, 0);
	good = good_pieces(&t, &whole);
	/* pieces are there, or reported as bad */
	assert_int_equal(t.nr, whole.nr);
	assert_int_equal(t.nr - good, t.nr_bad);
	assert_in_range(good, whole.nr / 4, whole.nr);
	free(t.pieces);
	free(whole.pieces);
	image_free(&img);
}

/* Overwrite one leaf of the extents btree, the @nr-th. */
static void ruin_leaf(const struct image *img, unsigned nr)
{
	struct bch_fs *c = open_image(img, DEVS_MAX);
	struct btree_trans *trans;
	struct btree_iter iter;
	struct bkey_s_c k;
	static char junk[4096];
	int fd;

	assert_non_null(c);
	fd = open(img->path[0], O_WRONLY);
	trans = bch2_trans_get(c);
	bch2_trans_node_iter_init(trans, &iter, BTREE_ID_extents, POS_MIN, 0, 1, 0);
	do {
		k = bch2_btree_iter_peek(&iter);
		assert_int_equal(bkey_err(k), 0);
		assert_non_null(k.k);
	} while (nr-- && bch2_btree_iter_advance(&iter));

	{
		struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c(k);
		const struct bch_extent_ptr *ptr;

		bkey_for_each_ptr(ptrs, ptr)
			assert_int_equal(pwrite(fd, junk, sizeof(junk),
						EXTENT_PTR_OFFSET(ptr) << 9), sizeof(junk));
	}
	bch2_trans_iter_exit(&iter);
	bch2_trans_put(trans);
	bch2_fs_stop(c);
	close(fd);
}

/* A leaf of extents is gone: its files have bad ranges, all others are read. */
static void unreadable_leaf(void **state)
{
	struct image img = {};
	struct totals whole, t;
	size_t good;

	unpack(&img, "btree64k-138");
	whole = read_image(&img, DEVS_MAX);
	assert_same(&whole, &whole);

	ruin_leaf(&img, 2);
	t = read_image(&img, DEVS_MAX);
	assert_int_equal(t.errors, 0);
	assert_int_equal(t.files, whole.files);
	assert_true(t.nr_bad > 0);
	good = good_pieces(&t, &whole);
	assert_in_range(good, whole.nr / 4, whole.nr - 1);

	free(t.pieces);
	free(whole.pieces);
	image_free(&img);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replicas),
		cmocka_unit_test(stripes),
		cmocka_unit_test(removed_device),
		cmocka_unit_test(no_redundancy),
		cmocka_unit_test(promoted),
		cmocka_unit_test(unreadable_leaf),
	};

	shim_set_log_sink(drop_message, NULL);
	return cmocka_run_group_tests_name("data: real images", tests, NULL, NULL);
}
