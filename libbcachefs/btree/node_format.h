/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Btree nodes on disk and the pointers to them (spec 20 §7, §8).
 *
 * A node is a log: the header with the first set of keys, then further sets
 * that each start on a block boundary. Data declarations and trivial accessors
 * only.
 */
#ifndef _BCACHEFS_BTREE_NODE_FORMAT_H
#define _BCACHEFS_BTREE_NODE_FORMAT_H

#include "btree/bkey_format.h"
#include "data/extents_format.h"
#include "util/checksum_format.h"
#include "util/le_bits.h"

#define BTREE_NODE_SIZE_MAX		(512U << 10)	/* bytes */
#define BTREE_NODE_MAGIC_BASE		0x90135c78b99e07f5ULL

/* --- pointers to nodes (spec 20 §7) --- */

struct bch_btree_ptr {
	struct bch_val		v;
	__le64			start[];	/* extent entries, all of them ptr */
} __packed __aligned(8);

struct bch_btree_ptr_v2 {
	struct bch_val		v;
	__le64			mem_ptr;	/* memory only; ignored when read */
	__le64			seq;		/* seq of every bset of the node */
	__le16			sectors_written;
	__le16			flags;
	struct bpos		min_key;	/* inclusive; the key's position is the maximum */
	__le64			start[];	/* extent entries */
} __packed __aligned(8);

static_assert(sizeof(struct bch_btree_ptr_v2) == 40);
static_assert(offsetof(struct bch_btree_ptr_v2, sectors_written) == 16);
static_assert(offsetof(struct bch_btree_ptr_v2, min_key) == 20);

LE16_BITMASK(BTREE_PTR_RANGE_UPDATED,	struct bch_btree_ptr_v2, flags, 0, 1)

#define BTREE_PTR_VAL_U64s_MAX		4	/* btree_ptr */
#define BKEY_BTREE_PTR_VAL_U64s_MAX	15	/* btree_ptr_v2, the larger one */
#define BKEY_BTREE_PTR_U64s_MAX		(BKEY_U64s + BKEY_BTREE_PTR_VAL_U64s_MAX)

/* --- sets of keys (spec 20 §8.3) --- */

struct bset {
	__le64			seq;		/* random, the same in the whole node */
	__le64			journal_seq;	/* guard; 0 in the first set */
	__le32			flags;
	__le16			version;
	__le16			u64s;		/* words of keys that follow */
	__le64			_data[];
} __packed __aligned(8);

static_assert(sizeof(struct bset) == 24);
static_assert(offsetof(struct bset, flags) == 16);
static_assert(offsetof(struct bset, u64s) == 22);

LE32_BITMASK(BSET_CSUM_TYPE,		struct bset, flags,  0,  4)
LE32_BITMASK(BSET_BIG_ENDIAN,		struct bset, flags,  4,  5)
LE32_BITMASK(BSET_SEPARATE_WHITEOUTS,	struct bset, flags,  5,  6)
LE32_BITMASK(BSET_OFFSET,		struct bset, flags, 16, 32)	/* sectors */

/* The node header with the first set (spec 20 §8.2). */
struct btree_node {
	struct bch_csum		csum;
	__le64			magic;
	__le64			flags;		/* first encrypted byte */
	struct bpos		min_key;
	struct bpos		max_key;
	__le64			_ptr;		/* unused */
	struct bkey_format	format;
	struct bset		keys;
} __packed __aligned(8);

static_assert(sizeof(struct btree_node) == 160);
static_assert(offsetof(struct btree_node, flags) == 24);
static_assert(offsetof(struct btree_node, min_key) == 32);
static_assert(offsetof(struct btree_node, max_key) == 52);
static_assert(offsetof(struct btree_node, format) == 80);
static_assert(offsetof(struct btree_node, keys) == 136);

LE64_BITMASK(BTREE_NODE_ID_LO,		struct btree_node, flags,  0,  4)
LE64_BITMASK(BTREE_NODE_LEVEL,		struct btree_node, flags,  4,  8)
LE64_BITMASK(BTREE_NODE_NEW_EXTENT_OVERWRITE,
					struct btree_node, flags,  8,  9)
LE64_BITMASK(BTREE_NODE_ID_HI,		struct btree_node, flags,  9, 25)
LE64_BITMASK(BTREE_NODE_SEQ,		struct btree_node, flags, 32, 64)

/* The btree id, put together from its two fields. */
static inline __u64 BTREE_NODE_ID(const struct btree_node *n)
{
	return BTREE_NODE_ID_LO(n) | BTREE_NODE_ID_HI(n) << BTREE_NODE_ID_LO_BITS;
}

static inline void SET_BTREE_NODE_ID(struct btree_node *n, __u64 id)
{
	SET_BTREE_NODE_ID_LO(n, id);
	SET_BTREE_NODE_ID_HI(n, id >> BTREE_NODE_ID_LO_BITS);
}

/* Encrypted part of the node header, before the keys (spec 20 §8.6). */
#define BTREE_NODE_CRYPT_OFFSET		offsetof(struct btree_node, flags)
#define BTREE_NODE_CRYPT_BYTES							\
	(offsetof(struct btree_node, keys) - BTREE_NODE_CRYPT_OFFSET)

static_assert(BTREE_NODE_CRYPT_BYTES == 112);

/* A later set. */
struct btree_node_entry {
	struct bch_csum		csum;
	struct bset		keys;
} __packed __aligned(8);

static_assert(sizeof(struct btree_node_entry) == 40);

/* First key of a set, and the end of its keys. Check u64s against the buffer first. */
static inline struct bkey_packed *bset_bkeys_start(struct bset *i)
{
	return (struct bkey_packed *) i->_data;
}

static inline struct bkey_packed *bset_bkeys_end(struct bset *i)
{
	return (struct bkey_packed *) (i->_data + le16_to_cpu(i->u64s));
}

/* Bytes from the start of the header structure to the end of the keys. */
static inline unsigned int btree_node_first_bytes(const struct btree_node *n)
{
	return sizeof(*n) + le16_to_cpu(n->keys.u64s) * sizeof(__u64);
}

static inline unsigned int btree_node_entry_bytes(const struct btree_node_entry *e)
{
	return sizeof(*e) + le16_to_cpu(e->keys.u64s) * sizeof(__u64);
}

/* A key header with room for @val_u64s words of value behind it. */
#define __BKEY_PADDED(name, val_u64s)						\
	struct {								\
		struct bkey_i	name;						\
		__u64		name##_pad[val_u64s];				\
	}

#endif /* _BCACHEFS_BTREE_NODE_FORMAT_H */
