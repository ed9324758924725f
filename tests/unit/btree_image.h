/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Btree nodes made by hand: as bytes, and on a device of their own, so that
 * everything from the read of a node upwards can be tried without a filesystem.
 */
#ifndef _TESTS_BTREE_IMAGE_H
#define _TESTS_BTREE_IMAGE_H

#include "bcachefs.h"
#include "btree/bkey.h"

/* A key with room for a small value. */
struct tkey {
	struct bkey_i	k;
	u64		v[24];
};

struct tkey tkey_make(unsigned type, struct bpos p, u32 size, unsigned val_u64s, u64 fill);

/* A filesystem without a superblock: options, uuid, cache, snapshots, overlay. */
struct bch_fs *timg_fs(u32 node_bytes, u32 block_bytes);
void timg_fs_free(struct bch_fs *c);
/* Add a device of @bytes backed by a temporary file; its number. */
unsigned timg_dev(struct bch_fs *c, u64 bytes);
void timg_write(struct bch_fs *c, unsigned dev, u64 sector, const void *buf, size_t bytes);

/* --- one node as bytes --- */

struct tnode {
	struct bch_fs		*c;
	u8			*buf;		/* node_bytes + 8 */
	u32			bytes;
	u32			sector;		/* where the next bset goes */
	struct bkey_format	format;
	unsigned		csum_type;
	unsigned		version;
};

void tnode_init(struct tnode *n, struct bch_fs *c, unsigned btree, unsigned level,
		struct bpos min, struct bpos max, const struct bkey_format *f, u64 seq);
void tnode_free(struct tnode *n);
/* Append a bset of @nr keys; packed where possible if @pack. False: no room. */
bool tnode_bset(struct tnode *n, const struct tkey *k, unsigned nr, u64 journal_seq, bool pack);
/* Checksum of the bset at @sector, after its bytes were changed. */
void tnode_seal(struct tnode *n, u32 sector);
struct bset *tnode_bset_at(struct tnode *n, u32 sector);
/* The pointer to the node, as on device @dev at @sector. */
struct tkey tnode_ptr(const struct tnode *n, unsigned dev, u64 sector);

/* A struct btree over a copy of the node's bytes, not read from anywhere. */
struct btree *tnode_btree(const struct tnode *n);
void tnode_btree_free(struct btree *b);

u64 trnd(void);
void trnd_seed(u64 seed);

#endif /* _TESTS_BTREE_IMAGE_H */
