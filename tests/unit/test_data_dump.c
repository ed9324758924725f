// SPDX-License-Identifier: GPL-2.0
/*
 * What dump is made of: qcow2 images, written and read back, and hostile ones;
 * clearing what users wrote in journal buckets and btree nodes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <linux/array_size.h>
#include <linux/math.h>

#include "bcachefs.h"
#include "dump_sanitize.h"
#include "qcow2.h"

/* --- qcow2 --- */

static int temp_file(void)
{
	char name[512];
	int fd;

	snprintf(name, sizeof(name), "%s/test-data-dump-XXXXXX", getenv("TEST_TMPDIR") ?: "/tmp");
	fd = mkstemp(name);
	assert_true(fd >= 0);
	unlink(name);
	return fd;
}

static void fill(uint8_t *p, size_t len, unsigned seed)
{
	while (len--)
		*p++ = (seed = seed * 1103515245 + 12345) >> 16;
}

/* Places in an order that comes back to places that were left before. */
static const struct { uint64_t at; size_t len; } writes[] = {
	{ 3584, 512 }, { 1 << 20, 8192 }, { 4096, 3000 }, { (8 << 20) - 512, 512 },
	{ (1 << 20) + 4096, 65536 }, { 0, 512 }, { 3 << 20, 1 }, { (1 << 20) + 100, 50 },
};

#define DEV_SIZE	(8ULL << 20)

static void round_trip(void **state)
{
	uint8_t *want = calloc(1, DEV_SIZE), *have = malloc(DEV_SIZE);

	for (unsigned block = 512; block <= 65536; block *= 2) {
		int in = temp_file(), out = temp_file();
		struct qcow2_writer *w = qcow2_writer_new(in, DEV_SIZE, block);
		const char *reason;
		struct stat st;

		memset(want, 0, DEV_SIZE);
		for (unsigned i = 0; i < ARRAY_SIZE(writes); i++) {
			fill(want + writes[i].at, writes[i].len, block + i);
			assert_int_equal(qcow2_write(w, writes[i].at, want + writes[i].at,
						     writes[i].len), 0);
		}
		assert_int_equal(qcow2_write(w, DEV_SIZE - 1, want, 2), -EINVAL);
		assert_int_equal(qcow2_write(w, DEV_SIZE + 1, want, 0), -EINVAL);
		assert_int_equal(qcow2_writer_finish(w), 0);
		qcow2_writer_free(w);

		assert_int_equal(qcow2_unpack(in, out, &reason), 0);
		assert_int_equal(pread(out, have, DEV_SIZE, 0), DEV_SIZE);
		assert_memory_equal(have, want, DEV_SIZE);

		/* what was not written is a hole */
		fstat(out, &st);
		assert_int_equal(st.st_size, DEV_SIZE);
		assert_true(st.st_blocks < (1 << 20) / 512);
		close(in);
		close(out);
	}
	free(have);
	free(want);
}

/* Every cluster of the file is counted once, and nothing else is. */
static void reference_counts(void **state)
{
	int fd = temp_file();
	struct qcow2_writer *w = qcow2_writer_new(fd, DEV_SIZE, 512);
	uint8_t data[512] = { 1 }, *file;
	uint64_t table, clusters, nr = 0;
	struct stat st;

	for (unsigned i = 0; i < 700; i++)
		assert_int_equal(qcow2_write(w, i * 4096, data, sizeof(data)), 0);
	assert_int_equal(qcow2_writer_finish(w), 0);
	qcow2_writer_free(w);

	fstat(fd, &st);
	assert_int_equal(st.st_size % 512, 0);
	file = malloc(st.st_size);
	assert_int_equal(pread(fd, file, st.st_size, 0), st.st_size);
	table = be64toh(*(uint64_t *) (file + 48));
	clusters = be32toh(*(uint32_t *) (file + 56));

	for (uint64_t i = 0; i < clusters * 512 / 8; i++) {
		uint64_t block = be64toh(((uint64_t *) (file + table))[i]);

		for (unsigned j = 0; block && j < 256; j++) {
			unsigned count = be16toh(((uint16_t *) (file + block))[j]);

			assert_int_equal(count, i * 256 + j < (uint64_t) st.st_size / 512);
			nr += count;
		}
	}
	assert_int_equal(nr, st.st_size / 512);
	free(file);
	close(fd);
}

/* Devices so large that small clusters would need an absurd table. */
static void huge_device(void **state)
{
	int fd = temp_file(), out = temp_file();
	struct qcow2_writer *w = qcow2_writer_new(fd, 1ULL << 50, 512);
	const char *reason;
	uint32_t l1;
	char c = 'x';

	assert_int_equal(qcow2_write(w, (1ULL << 50) - 1, &c, 1), 0);
	assert_int_equal(qcow2_writer_finish(w), 0);
	qcow2_writer_free(w);
	assert_int_equal(pread(fd, &l1, 4, 36), 4);
	assert_true(be32toh(l1) <= (32 << 20) / 8);

	/* some filesystems cannot hold such a file */
	if (!ftruncate(out, 1ULL << 50)) {
		assert_int_equal(ftruncate(out, 0), 0);
		assert_int_equal(qcow2_unpack(fd, out, &reason), 0);
		c = 0;
		assert_int_equal(pread(out, &c, 1, (1ULL << 50) - 1), 1);
		assert_int_equal(c, 'x');
	}
	close(out);
	close(fd);
}

static int unpack_bytes(const uint8_t *p, size_t len)
{
	int in = temp_file(), out = temp_file();
	const char *reason;
	struct stat st;
	int ret;

	assert_int_equal(pwrite(in, p, len, 0), len);
	ret = qcow2_unpack(in, out, &reason);
	fstat(out, &st);
	/* never more on disk than came in (and rounding) */
	assert_true((uint64_t) st.st_blocks * 512 <= len + (1 << 21));
	close(in);
	close(out);
	return ret;
}

static void hostile_images(void **state)
{
	int fd = temp_file();
	struct qcow2_writer *w = qcow2_writer_new(fd, 1 << 20, 512);
	uint8_t data[512], *file;
	struct stat st;

	fill(data, sizeof(data), 1);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(qcow2_write(w, i * 16384, data, sizeof(data)), 0);
	assert_int_equal(qcow2_writer_finish(w), 0);
	qcow2_writer_free(w);
	fstat(fd, &st);
	file = malloc(st.st_size);
	assert_int_equal(pread(fd, file, st.st_size, 0), st.st_size);
	close(fd);
	assert_int_equal(unpack_bytes(file, st.st_size), 0);

	/* the head of the file, byte by byte; no crash, no flood */
	for (unsigned i = 0; i < 72; i++)
		for (unsigned v = 1; v < 256; v = v * 3 + 1) {
			file[i] ^= v;
			unpack_bytes(file, st.st_size);
			file[i] ^= v;
		}
	for (size_t len = 0; len < (size_t) st.st_size; len += 700)
		unpack_bytes(file, len);

	/* all of the first-level table points to one second-level table */
	{
		uint64_t *l1 = (uint64_t *) (file + be64toh(*(uint64_t *) (file + 40)));
		uint32_t nr = be32toh(*(uint32_t *) (file + 36));

		for (unsigned i = 1; i < nr; i++)
			l1[i] = l1[0];
		unpack_bytes(file, st.st_size);
		/* compressed clusters */
		l1[0] = htobe64(be64toh(l1[0]) | 1ULL << 62);
		unpack_bytes(file, st.st_size);
	}

	file[7] = 3;
	assert_int_equal(unpack_bytes(file, st.st_size), -EINVAL);
	free(file);
}

/* --- sanitizing --- */

static struct bch_fs *c;

static int setup(void **state)
{
	c = calloc(1, sizeof(*c));
	c->block_bits = 0;
	c->disk_sb.sb = calloc(1, sizeof(*c->disk_sb.sb));
	memcpy(c->disk_sb.sb->uuid.b, "uuid of the test", 16);
	return 0;
}

static int teardown(void **state)
{
	free(c->disk_sb.sb);
	free(c);
	return 0;
}

/* Append an unpacked key with @bytes of value to @p; returns its end. */
static void *put_key(void *p, unsigned type, const void *val, size_t bytes)
{
	struct bkey_i *k = p;

	memset(k, 0, sizeof(*k));
	k->k.format	= KEY_FORMAT_CURRENT;
	k->k.type	= type;
	set_bkey_val_bytes(&k->k, bytes);
	memset(&k->v, 0, bkey_val_bytes(&k->k));
	memcpy(&k->v, val, bytes);
	return (u64 *) p + k->k.u64s;
}

static const char dirent[] = "\1\0\0\0\0\0\0\0\10secret name";
static const char xattr[] = "\0\4\6\0nameSECRET";
static const char inline_data[] = "secret text";
static const char shared[] = "\7\0\0\0\0\0\0\0secret shared";

static void *put_keys(void *p)
{
	p = put_key(p, KEY_TYPE_dirent, dirent, sizeof(dirent));
	p = put_key(p, KEY_TYPE_xattr, xattr, sizeof(xattr));
	p = put_key(p, KEY_TYPE_inline_data, inline_data, sizeof(inline_data));
	return put_key(p, KEY_TYPE_indirect_inline_data, shared, sizeof(shared));
}

static bool has(const void *p, size_t len, const char *s)
{
	return memmem(p, len, s, strlen(s)) != NULL;
}

static void assert_cleared(const void *p, size_t len, enum dump_sanitize_level level)
{
	assert_false(has(p, len, "secret text"));
	assert_false(has(p, len, "secret shared"));
	assert_true(has(p, len, "secret name") == (level < DUMP_SANITIZE_filenames));
	assert_true(has(p, len, "SEC") == (level < DUMP_SANITIZE_xattrs));
	assert_true(has(p, len, "name") || level >= DUMP_SANITIZE_filenames);
	/* what stays: counts, targets, names of xattrs */
	assert_true(has(p, len, "\4\6"));
	assert_int_equal(has(p, len, "XXXX"), level >= DUMP_SANITIZE_filenames);
}

#define BUCKET	4096

static void make_bucket(uint8_t *bucket, unsigned csum_type)
{
	struct jset *j = (void *) bucket;
	struct jset_entry *e = jset_entries_start(j);
	void *end;

	/* old data behind the entry, from an earlier lap */
	memset(bucket, 0, BUCKET);
	strcpy((char *) bucket + 3000, "secret text");

	j->magic	= cpu_to_le64(bch2_sb_jset_magic(c->disk_sb.sb));
	j->seq		= cpu_to_le64(5);
	j->version	= cpu_to_le32(BCH_VERSION(1, 38));

	e->type	= BCH_JSET_ENTRY_btree_keys;
	end	= put_keys(jset_entry_data(e));
	e->u64s	= cpu_to_le16((u64 *) end - (u64 *) jset_entry_data(e));

	e	= end;
	memset(e, 0, sizeof(*e));
	e->type	= BCH_JSET_ENTRY_overwrite;
	end	= put_key(jset_entry_data(e), KEY_TYPE_inline_data, inline_data,
			  sizeof(inline_data));
	e->u64s	= cpu_to_le16((u64 *) end - (u64 *) jset_entry_data(e));

	j->u64s	= cpu_to_le32((u64 *) end - (u64 *) j->_data);
	SET_JSET_CSUM_TYPE(j, csum_type);
	j->csum	= bch2_checksum(csum_type, bch2_journal_nonce(5), NULL, bucket + 16,
				jset_bytes(j) - 16);
}

static void journal_bucket(void **state)
{
	static uint8_t bucket[BUCKET];

	for (unsigned level = DUMP_SANITIZE_data; level <= DUMP_SANITIZE_xattrs; level++) {
		struct dump_sanitizer s = { .c = c, .level = level };
		struct jset *j = (void *) bucket;
		uint64_t bytes;

		make_bucket(bucket, BCH_CSUM_crc32c_nonzero);
		bytes = jset_bytes(j);
		dump_sanitize_journal(&s, bucket, BUCKET);
		assert_cleared(bucket, BUCKET, level);
		assert_int_equal(jset_bytes(j), bytes);
		/* valid without another checksum */
		assert_int_equal(JSET_CSUM_TYPE(j), BCH_CSUM_none);
		assert_int_equal(j->csum.lo, 0);
		assert_int_equal(s.blocks_dropped, (BUCKET - round_up(bytes, 512)) / 512);
	}
}

/* What is damaged cannot be taken apart, so nothing of it is kept. */
static void damaged_entry(void **state)
{
	static uint8_t bucket[BUCKET], zero[BUCKET];
	struct dump_sanitizer s = { .c = c, .level = DUMP_SANITIZE_data };

	make_bucket(bucket, BCH_CSUM_crc32c_nonzero);
	bucket[100] ^= 1;
	dump_sanitize_journal(&s, bucket, BUCKET);
	assert_memory_equal(bucket, zero, BUCKET);

	make_bucket(bucket, BCH_CSUM_none);
	((struct jset *) bucket)->csum = (struct bch_csum) {};
	((struct jset *) bucket)->u64s = cpu_to_le32(~0U);
	dump_sanitize_journal(&s, bucket, BUCKET);
	assert_memory_equal(bucket, zero, BUCKET);
}

static void btree_node(void **state)
{
	static uint8_t node[BUCKET], zero[BUCKET];

	for (unsigned level = DUMP_SANITIZE_data; level <= DUMP_SANITIZE_xattrs; level++) {
		struct dump_sanitizer s = { .c = c, .level = level };
		struct btree_node *n = (void *) node;
		struct btree_node_entry *e;
		size_t at;

		memset(node, 0, sizeof(node));
		n->magic	= cpu_to_le64(bch2_sb_bset_magic(c->disk_sb.sb));
		n->format	= BKEY_FORMAT_CURRENT;
		n->keys.seq	= cpu_to_le64(77);
		n->keys.u64s	= cpu_to_le16((__le64 *) put_keys(n->keys._data) - n->keys._data);
		SET_BSET_CSUM_TYPE(&n->keys, BCH_CSUM_xxhash);
		n->csum = bch2_checksum(BCH_CSUM_xxhash, bch2_null_nonce(), NULL, node + 16,
					btree_node_first_bytes(n) - 16);

		/* a later set, and rubbish of another node behind it */
		at = round_up(btree_node_first_bytes(n), 512);
		e = (void *) (node + at);
		e->keys.seq	= n->keys.seq;
		e->keys.u64s	= cpu_to_le16((__le64 *) put_key(e->keys._data,
				KEY_TYPE_inline_data, inline_data, sizeof(inline_data)) -
				e->keys._data);
		strcpy((char *) node + 3500, "secret text");

		dump_sanitize_node(&s, node, sizeof(node));
		assert_cleared(node, sizeof(node), level);
		assert_int_equal(BSET_CSUM_TYPE(&n->keys), BCH_CSUM_none);
		assert_int_equal(n->csum.lo, 0);
		assert_int_equal(e->keys.seq, n->keys.seq);

		/* no node at all: may be anything, so nothing is kept */
		memset(node, 's', sizeof(node));
		dump_sanitize_node(&s, node, sizeof(node));
		assert_memory_equal(node, zero, sizeof(node));
	}
}

/* Without the key, what is encrypted says nothing and stays. */
static void encrypted(void **state)
{
	static uint8_t bucket[BUCKET], before[BUCKET];
	struct dump_sanitizer s = { .c = c, .level = DUMP_SANITIZE_data };
	struct bch_key key = { .key = { 1, 2, 3, 4 } };
	struct jset *j = (void *) bucket;
	struct nonce nonce = bch2_journal_nonce(5);
	uint64_t bytes;

	make_bucket(bucket, BCH_CSUM_none);
	bytes = jset_bytes(j);
	SET_JSET_CSUM_TYPE(j, BCH_CSUM_chacha20_poly1305_128);
	bch2_chacha20(&key, nonce, bucket + JSET_CRYPT_OFFSET, bytes - JSET_CRYPT_OFFSET);
	j->csum = bch2_checksum(BCH_CSUM_chacha20_poly1305_128, nonce, &key, bucket + 16,
				bytes - 16);
	memcpy(before, bucket, BUCKET);

	dump_sanitize_journal(&s, bucket, BUCKET);
	assert_memory_equal(bucket, before, bytes);
	assert_int_equal(s.nr_encrypted, 1);

	c->has_key = true;
	c->chacha20_key = key;
	dump_sanitize_journal(&s, bucket, BUCKET);
	assert_cleared(bucket, BUCKET, DUMP_SANITIZE_data);
	assert_int_equal(JSET_CSUM_TYPE(j), BCH_CSUM_none);
	c->has_key = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(reference_counts),
		cmocka_unit_test(huge_device),
		cmocka_unit_test(hostile_images),
		cmocka_unit_test(journal_bucket),
		cmocka_unit_test(damaged_entry),
		cmocka_unit_test(btree_node),
		cmocka_unit_test(encrypted),
	};

	return cmocka_run_group_tests_name("dump", tests, setup, teardown);
}
