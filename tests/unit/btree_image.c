// SPDX-License-Identifier: GPL-2.0
/*
 * Btrees for tests: nodes made bit by bit, on files that stand for devices,
 * below a filesystem object that was never opened.
 *
 * Nothing here checks anything of the core: what it makes may be as wrong as a
 * test wants. For the test_btree_* programs.
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
#include <linux/kernel.h>
#include <linux/slab.h>

#include "btree/cache.h"
#include "btree/extent_entries.h"
#include "btree/snapshot_table.h"
#include "btree_image.h"
#include "journal/overlay.h"
#include "sb/fsck_err.h"
#include "shim/log.h"
#include "util/checksum.h"

static u64 seed = 88172645463325252ULL;

/** trnd - next pseudo-random number, 56 bits */
u64 trnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dULL >> 8;
}

/** trnd_seed - begin a reproducible sequence of trnd() */
void trnd_seed(u64 s)
{
	seed = s * 2654435761u + 88172645463325252ULL;
}

/** tkey_make - a key whose value words count up from @fill */
struct tkey tkey_make(unsigned type, struct bpos p, u32 size, unsigned val_u64s, u64 fill)
{
	struct tkey k;

	memset(&k, 0, sizeof(k));
	bkey_init(&k.k.k);
	k.k.k.type	= type;
	k.k.k.p		= p;
	k.k.k.size	= size;
	k.k.k.u64s	= BKEY_U64s + val_u64s;
	for (unsigned i = 0; i < val_u64s; i++)
		k.v[i] = fill + i;
	return k;
}

/* --- filesystem and devices --- */

static void no_messages(int level, const char *text, void *arg)
{
}

/** timg_fs - a filesystem object without devices; sizes in bytes */
struct bch_fs *timg_fs(u32 node_bytes, u32 block_bytes)
{
	struct bch_fs *c = calloc(1, sizeof(*c));

	if (!getenv("VERBOSE"))
		shim_set_log_sink(no_messages, NULL);
	memset(&c->sb.uuid, 0x5a, sizeof(c->sb.uuid));
	strcpy(c->name, "test");
	c->opts = bch2_opts_default;
	c->opts.btree_node_size = node_bytes;
	c->opts.block_size	= block_bytes;
	c->opts.nochanges	= true;
	c->sb.version		= BCH_VERSION(1, 38);
	c->sb.version_min	= BCH_VERSION(0, 9);
	c->block_bits		= __builtin_ctz(block_bytes / 512);
	mutex_init(&c->sb_lock);
	mutex_init(&c->journal.keys.overwrite_lock);
	atomic_set(&c->journal.keys.ref, 1);
	assert_int_equal(bch2_fs_fsck_err_init(c), 0);
	assert_int_equal(bch2_fs_btree_cache_init(c), 0);
	assert_int_equal(bch2_snapshot_table_init(c), 0);
	return c;
}

/** timg_fs_free - free a filesystem object, its devices and their files */
void timg_fs_free(struct bch_fs *c)
{
	bch2_fs_btree_cache_exit(c);
	bch2_journal_keys_put(c);
	bch2_snapshot_table_exit(c);
	bch2_fs_fsck_err_exit(c);
	for (unsigned i = 0; i < BCH_SB_MEMBERS_MAX; i++)
		if (c->devs[i]) {
			bdev_fput(c->devs[i]->disk_sb.bdev_file);
			unlink(c->devs[i]->path);
			free(c->devs[i]->path);
			free(c->devs[i]);
		}
	free(c);
}

/** timg_dev - add a device of @bytes bytes, all zero; its index */
unsigned timg_dev(struct bch_fs *c, u64 bytes)
{
	struct bch_dev *ca = calloc(1, sizeof(*ca));
	char path[] = "/tmp/btree-unit-XXXXXX";
	int fd = mkstemp(path);
	unsigned idx = 0;

	while (c->devs[idx])
		idx++;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	close(fd);
	ca->fs		= c;
	ca->dev_idx	= idx;
	ca->path	= strdup(path);
	snprintf(ca->name, sizeof(ca->name), "dev%u", idx);
	ca->mi.bucket_size	= 256;
	ca->mi.first_bucket	= 0;
	ca->mi.nbuckets		= bytes / 512 / 256;
	ca->mi.valid		= true;
	ca->disk_sb.bdev_file = bdev_file_open_by_path(path, BLK_OPEN_READ, NULL, NULL);
	assert_false(IS_ERR(ca->disk_sb.bdev_file));
	ca->disk_sb.bdev = file_bdev(ca->disk_sb.bdev_file);
	c->devs[idx] = ca;
	return idx;
}

/** timg_write - put bytes on a device */
void timg_write(struct bch_fs *c, unsigned dev, u64 sector, const void *buf, size_t bytes)
{
	FILE *f = fopen(c->devs[dev]->path, "r+");

	assert_non_null(f);
	assert_int_equal(fseek(f, sector * 512, SEEK_SET), 0);
	assert_int_equal(fwrite(buf, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
}

/* --- nodes --- */

/** tnode_init - begin a node; @f: NULL for the format of a new root */
void tnode_init(struct tnode *n, struct bch_fs *c, unsigned btree, unsigned level,
		struct bpos min, struct bpos max, const struct bkey_format *f, u64 seq)
{
	struct btree_node *d;
	u64 uuid;

	memset(n, 0, sizeof(*n));
	n->c		= c;
	n->bytes	= c->opts.btree_node_size;
	n->buf		= calloc(1, n->bytes + 8);
	n->csum_type	= BCH_CSUM_crc32c;
	n->version	= c->sb.version;
	n->format = f ? *f : (struct bkey_format) {
		.key_u64s = 3, .nr_fields = 6, .bits_per_field = { 64, 64, 32, 0, 0, 0 },
	};
	d = (struct btree_node *) n->buf;
	memcpy(&uuid, &c->sb.uuid, sizeof(uuid));
	d->magic	= cpu_to_le64(BTREE_NODE_MAGIC_BASE ^ uuid);
	d->min_key	= min;
	d->max_key	= max;
	d->format	= n->format;
	d->keys.seq	= cpu_to_le64(seq);
	SET_BTREE_NODE_ID(d, btree);
	SET_BTREE_NODE_LEVEL(d, level);
	SET_BTREE_NODE_NEW_EXTENT_OVERWRITE(d, 1);
}

/** tnode_free - free the bytes of a node */
void tnode_free(struct tnode *n)
{
	free(n->buf);
	n->buf = NULL;
}

/** tnode_bset_at - header of the bset at a sector of the node */
struct bset *tnode_bset_at(struct tnode *n, u32 sector)
{
	return sector ? &((struct btree_node_entry *) (n->buf + sector * 512))->keys
		      : &((struct btree_node *) n->buf)->keys;
}

/** tnode_seal - compute the checksum of the bset at a sector again */
void tnode_seal(struct tnode *n, u32 sector)
{
	struct bset *i = tnode_bset_at(n, sector);
	struct bch_csum *csum = (struct bch_csum *) (n->buf + sector * 512);
	const size_t header = sector ? sizeof(struct btree_node_entry) : sizeof(struct btree_node);
	size_t len = header - sizeof(*csum) + le16_to_cpu(i->u64s) * 8;
	struct nonce nonce = bch2_btree_nonce(sector * 512, le64_to_cpu(i->seq),
					      le64_to_cpu(i->journal_seq));

	if (sector * 512 + header + le16_to_cpu(i->u64s) * 8 > n->bytes)
		return;
	*csum = bch2_checksum(n->csum_type, nonce, &n->c->chacha20_key, csum + 1, len);
}

/** tnode_bset - append a bset; false: no room */
bool tnode_bset(struct tnode *n, const struct tkey *k, unsigned nr, u64 journal_seq, bool pack)
{
	const u32 header = n->sector ? sizeof(struct btree_node_entry)
				     : sizeof(struct btree_node);
	u32 at = n->sector * 512 + header, start = at;
	struct bset *i = tnode_bset_at(n, n->sector);

	for (unsigned j = 0; j < nr; j++) {
		struct bkey_packed p;
		u32 key = 40;

		if (at + k[j].k.k.u64s * 8 > n->bytes)
			return false;
		if (pack && bch2_bkey_pack_key(&p, &k[j].k.k, &n->format)) {
			key = n->format.key_u64s * 8;
			memcpy(n->buf + at, &p, key);
		} else {
			memcpy(n->buf + at, &k[j].k, 40);
		}
		memcpy(n->buf + at + key, k[j].v, bkey_val_bytes(&k[j].k.k));
		at += key + bkey_val_bytes(&k[j].k.k);
	}
	if (!n->sector && at > n->bytes)
		return false;
	i->seq		= ((struct btree_node *) n->buf)->keys.seq;
	i->journal_seq	= cpu_to_le64(journal_seq);
	i->version	= cpu_to_le16(n->version);
	i->u64s		= cpu_to_le16((at - start) / 8);
	SET_BSET_CSUM_TYPE(i, n->csum_type);
	SET_BSET_OFFSET(i, n->sector);
	tnode_seal(n, n->sector);
	n->sector = round_up(at, n->c->opts.block_size) / 512;
	return true;
}

/** tnode_ptr - a pointer to the node, as it would be at a place on a device */
struct tkey tnode_ptr(const struct tnode *n, unsigned dev, u64 sector)
{
	const struct btree_node *d = (const struct btree_node *) n->buf;
	struct tkey k = tkey_make(KEY_TYPE_btree_ptr_v2, d->max_key, 0, 6, 0);
	struct bch_btree_ptr_v2 *v = (struct bch_btree_ptr_v2 *) k.v;
	struct bch_extent_ptr *p = (struct bch_extent_ptr *) v->start;

	memset(k.v, 0, sizeof(k.v));
	v->seq			= d->keys.seq;
	v->sectors_written	= cpu_to_le16(n->sector);
	v->min_key		= d->min_key;
	SET_EXTENT_PTR_TYPE(p, 1);
	SET_EXTENT_PTR_DEV(p, dev);
	SET_EXTENT_PTR_OFFSET(p, sector);
	return k;
}

/** tnode_btree - the node in memory, as if it had been read, not yet checked */
struct btree *tnode_btree(const struct tnode *n)
{
	const struct btree_node *d = (const struct btree_node *) n->buf;
	struct btree *b = calloc(1, sizeof(*b));

	b->btree_id	= BTREE_NODE_ID(d);
	b->level	= BTREE_NODE_LEVEL(d);
	b->data		= malloc(n->bytes + 8);
	memcpy(b->data, n->buf, n->bytes + 8);
	return b;
}

/** tnode_btree_free - free what tnode_btree() returned */
void tnode_btree_free(struct btree *b)
{
	kvfree(b->idx);
	free(b->data);
	free(b);
}
