/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keys as they are stored: positions, versions, the unpacked and the packed
 * key header, the packing format of a node, and the two tables that everything
 * about keys is derived from: value types and btrees (spec 20 §2-§7).
 *
 * Only little-endian filesystems are handled (spec 20 §13), so the members of
 * struct bpos, struct bversion and struct bkey are machine integers: what lies
 * on disk is the in-memory form. Data declarations and trivial accessors only;
 * included by every floor through bcachefs_format.h.
 */
#ifndef _BCACHEFS_BTREE_BKEY_FORMAT_H
#define _BCACHEFS_BTREE_BKEY_FORMAT_H

#include <linux/types.h>
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/err.h>
#include <asm/byteorder.h>

#include "sb/versions_format.h"

/* --- positions (spec 20 §2) --- */

struct bpos {
	__u32		snapshot;
	__u64		offset;
	__u64		inode;
} __packed __aligned(4);

static_assert(sizeof(struct bpos) == 20);
static_assert(offsetof(struct bpos, offset) == 4);
static_assert(offsetof(struct bpos, inode) == 12);

#define KEY_INODE_MAX			((__u64) ~0ULL)
#define KEY_OFFSET_MAX			((__u64) ~0ULL)
#define KEY_SNAPSHOT_MAX		((__u32) ~0U)
#define KEY_SIZE_MAX			((__u32) ~0U)

static inline struct bpos SPOS(__u64 inode, __u64 offset, __u32 snapshot)
{
	return (struct bpos) {
		.inode		= inode,
		.offset		= offset,
		.snapshot	= snapshot,
	};
}

static inline struct bpos POS(__u64 inode, __u64 offset)
{
	return SPOS(inode, offset, 0);
}

#define POS_MIN				SPOS(0, 0, 0)
#define POS_MAX				SPOS(KEY_INODE_MAX, KEY_OFFSET_MAX, 0)
#define SPOS_MAX			SPOS(KEY_INODE_MAX, KEY_OFFSET_MAX, KEY_SNAPSHOT_MAX)

/* --- versions of keys (spec 20 §3) --- */

struct bversion {
	__u64		lo;
	__u32		hi;
} __packed __aligned(4);

static_assert(sizeof(struct bversion) == 12);

#define MAX_VERSION			((struct bversion) { .lo = ~0ULL, .hi = ~0U })
#define ZERO_VERSION			((struct bversion) { .lo = 0, .hi = 0 })

/* --- the key itself (spec 20 §4.1) --- */

#define KEY_FORMAT_LOCAL_BTREE		0
#define KEY_FORMAT_CURRENT		1

struct bkey {
	__u8		u64s;			/* words of key and value */
	__u8		format:7;
	__u8		needs_whiteout:1;	/* memory only, 0 on disk */
	__u8		type;			/* enum bch_bkey_type */
	__u8		pad;
	struct bversion	bversion;
	__u32		size;			/* sectors, extent btrees only */
	struct bpos	p;
} __packed __aligned(8);

static_assert(sizeof(struct bkey) == 40);
static_assert(offsetof(struct bkey, bversion) == 4);
static_assert(offsetof(struct bkey, size) == 16);
static_assert(offsetof(struct bkey, p) == 20);

#define BKEY_U64s			(sizeof(struct bkey) / sizeof(__u64))
#define BKEY_U64s_MAX			255
#define BKEY_VAL_U64s_MAX		(BKEY_U64s_MAX - BKEY_U64s)
#define BKEY_VAL_BYTES_MAX		(BKEY_VAL_U64s_MAX * sizeof(__u64))

/*
 * A key inside a node: either packed with the node's format (format 0) or a
 * struct bkey (format 1). The first three bytes mean the same in both. Large
 * enough to hold any unpacked key header.
 */
struct bkey_packed {
	__u8		u64s;			/* words of packed key and value */
	__u8		format:7;
	__u8		needs_whiteout:1;
	__u8		type;
	__u8		key_bits[37];		/* the fields; only key_u64s words count */
} __packed __aligned(8);

static_assert(sizeof(struct bkey_packed) == sizeof(struct bkey));

/* Any value; has no size of its own. */
struct bch_val {
};

/* A key with its value right behind it. */
struct bkey_i {
	struct bkey	k;
	struct bch_val	v;
};

static_assert(sizeof(struct bkey_i) == sizeof(struct bkey));

/* A key and its value in two places (value in a node, key unpacked). */
struct bkey_s {
	struct bkey	*k;
	struct bch_val	*v;
};

struct bkey_s_c {
	const struct bkey	*k;
	const struct bch_val	*v;
};

#define bkey_s_null			((struct bkey_s) { NULL, NULL })
#define bkey_s_c_null			((struct bkey_s_c) { NULL, NULL })

/* An error (negative) carried in place of a key; see bkey_err(). */
#define bkey_s_c_err(err)		((struct bkey_s_c) { ERR_PTR(err), NULL })

static inline int bkey_err(struct bkey_s_c k)
{
	return PTR_ERR_OR_ZERO(k.k);
}

static inline struct bkey_s bkey_i_to_s(struct bkey_i *k)
{
	return (struct bkey_s) { &k->k, &k->v };
}

static inline struct bkey_s_c bkey_i_to_s_c(const struct bkey_i *k)
{
	return (struct bkey_s_c) { &k->k, &k->v };
}

static inline struct bkey_s_c bkey_s_to_s_c(struct bkey_s k)
{
	return (struct bkey_s_c) { k.k, k.v };
}

/* Value sizes; only for keys whose u64s was validated (>= BKEY_U64s). */
static inline unsigned int bkey_val_u64s(const struct bkey *k)
{
	return k->u64s - BKEY_U64s;
}

static inline unsigned int bkey_val_bytes(const struct bkey *k)
{
	return bkey_val_u64s(k) * sizeof(__u64);
}

static inline unsigned int bkey_bytes(const struct bkey *k)
{
	return k->u64s * sizeof(__u64);
}

static inline void set_bkey_val_u64s(struct bkey *k, unsigned int val_u64s)
{
	k->u64s = BKEY_U64s + val_u64s;
}

/* Round @bytes of value up to words and store the key's size. */
static inline void set_bkey_val_bytes(struct bkey *k, unsigned int bytes)
{
	set_bkey_val_u64s(k, (bytes + sizeof(__u64) - 1) / sizeof(__u64));
}

/* First sector covered by an extent key (spec 20 §4.2). */
static inline __u64 bkey_start_offset(const struct bkey *k)
{
	return k->p.offset - k->size;
}

static inline struct bpos bkey_start_pos(const struct bkey *k)
{
	return SPOS(k->p.inode, bkey_start_offset(k), k->p.snapshot);
}

/* --- packing formats (spec 20 §6.1) --- */

enum bch_bkey_fields {
	BKEY_FIELD_INODE,
	BKEY_FIELD_OFFSET,
	BKEY_FIELD_SNAPSHOT,
	BKEY_FIELD_SIZE,
	BKEY_FIELD_VERSION_HI,
	BKEY_FIELD_VERSION_LO,
	BKEY_NR_FIELDS,
};

/* Bits of the header that precede the fields in a packed key. */
#define BKEY_PACKED_HEADER_BITS		24

struct bkey_format {
	__u8		key_u64s;
	__u8		nr_fields;
	__u8		bits_per_field[6];
	__le64		field_offset[6];
};

static_assert(sizeof(struct bkey_format) == 56);
static_assert(BKEY_NR_FIELDS == 6);

/* The unpacked form, seen as a packing format. */
#define BKEY_FORMAT_CURRENT							\
((struct bkey_format) {								\
	.key_u64s	= 5,							\
	.nr_fields	= BKEY_NR_FIELDS,					\
	.bits_per_field	= { 64, 64, 32, 32, 32, 64 },				\
})

/* Words of the key part of @k in a node whose keys are packed with @f. */
static inline unsigned int bkey_packed_key_u64s(const struct bkey_format *f,
						const struct bkey_packed *k)
{
	return k->format == KEY_FORMAT_LOCAL_BTREE ? f->key_u64s : BKEY_U64s;
}

/* --- value types (spec 20 §5.1) --- */

/*
 * x(number, name, smallest value in bytes, flags, since)
 *
 * STRICT: accepted only in the btrees that list the type, even when reading.
 * EMPTY: a value must not be there at all.
 */
#define BKEY_TYPE_STRICT		(1U << 0)
#define BKEY_TYPE_EMPTY			(1U << 1)

#define BCH_BKEY_TYPES(x)							\
	x( 0, deleted,			 0, 0,					0)	\
	x( 1, whiteout,			 0, 0,					0)	\
	x( 2, error,			 0, 0,					0)	\
	x( 3, cookie,			 8, 0,					0)	\
	x( 4, hash_whiteout,		 0, BKEY_TYPE_STRICT|BKEY_TYPE_EMPTY,	0)	\
	x( 5, btree_ptr,		 0, BKEY_TYPE_STRICT,			0)	\
	x( 6, extent,			 0, BKEY_TYPE_STRICT,			0)	\
	x( 7, reservation,		 8, BKEY_TYPE_STRICT,			0)	\
	x( 8, inode,			16, BKEY_TYPE_STRICT,			0)	\
	x( 9, inode_generation,		 8, BKEY_TYPE_STRICT,			0)	\
	x(10, dirent,			16, BKEY_TYPE_STRICT,			0)	\
	x(11, xattr,			 8, BKEY_TYPE_STRICT,			0)	\
	x(12, alloc,			 8, BKEY_TYPE_STRICT,			0)	\
	x(13, quota,			32, BKEY_TYPE_STRICT,			0)	\
	x(14, stripe,			 8, BKEY_TYPE_STRICT,			0)	\
	x(15, reflink_p,		16, BKEY_TYPE_STRICT,			0)	\
	x(16, reflink_v,		 8, BKEY_TYPE_STRICT,			0)	\
	x(17, inline_data,		 0, BKEY_TYPE_STRICT,			0)	\
	x(18, btree_ptr_v2,		40, BKEY_TYPE_STRICT,			0)	\
	x(19, indirect_inline_data,	 8, BKEY_TYPE_STRICT,			0)	\
	x(20, alloc_v2,			 8, BKEY_TYPE_STRICT,			0)	\
	x(21, subvolume,		16, BKEY_TYPE_STRICT,	BCH_VERSION(0, 12))	\
	x(22, snapshot,			24, BKEY_TYPE_STRICT,	BCH_VERSION(0, 12))	\
	x(23, inode_v2,			32, BKEY_TYPE_STRICT,	BCH_VERSION(0, 18))	\
	x(24, alloc_v3,			16, BKEY_TYPE_STRICT,			0)	\
	x(25, set,			 0, BKEY_TYPE_EMPTY,	BCH_VERSION(0, 19))	\
	x(26, lru,			 8, BKEY_TYPE_STRICT,			0)	\
	x(27, alloc_v4,			48, BKEY_TYPE_STRICT,	BCH_VERSION(0, 20))	\
	x(28, backpointer,		32, BKEY_TYPE_STRICT,	BCH_VERSION(0, 22))	\
	x(29, inode_v3,			48, BKEY_TYPE_STRICT,	BCH_VERSION(0, 23))	\
	x(30, bucket_gens,		 0, BKEY_TYPE_STRICT,	BCH_VERSION(0, 25))	\
	x(31, snapshot_tree,		 8, BKEY_TYPE_STRICT,	BCH_VERSION(0, 29))	\
	x(32, logged_op_truncate,	24, BKEY_TYPE_STRICT,	BCH_VERSION(1, 2))	\
	x(33, logged_op_finsert,	24, BKEY_TYPE_STRICT,	BCH_VERSION(1, 2))	\
	x(34, accounting,		 8, BKEY_TYPE_STRICT,	BCH_VERSION(1, 9))	\
	x(35, inode_alloc_cursor,	16, BKEY_TYPE_STRICT,	BCH_VERSION(1, 18))	\
	x(36, extent_whiteout,		 0, BKEY_TYPE_STRICT,	BCH_VERSION(1, 29))	\
	x(37, logged_op_stripe_update,	40, BKEY_TYPE_STRICT,	BCH_VERSION(1, 37))

enum bch_bkey_type {
#define x(nr, name, ...)	KEY_TYPE_##name = nr,
	BCH_BKEY_TYPES(x)
#undef x
	KEY_TYPE_MAX,
};

static_assert(KEY_TYPE_MAX == 38);

/* Types that mean "nothing here" in one way or another (spec 20 §5.1). */
static inline bool bkey_type_deleted(unsigned int type)
{
	return type == KEY_TYPE_deleted;
}

static inline bool bkey_type_whiteout(unsigned int type)
{
	return type == KEY_TYPE_deleted ||
		type == KEY_TYPE_whiteout ||
		type == KEY_TYPE_extent_whiteout;
}

static inline bool bkey_deleted(const struct bkey *k)
{
	return bkey_type_deleted(k->type);
}

static inline bool bkey_whiteout(const struct bkey *k)
{
	return bkey_type_whiteout(k->type);
}

/* --- btrees (spec 20 §5.2) --- */

#define BTREE_IS_extents		(1U << 0)	/* E: keys are ranges */
#define BTREE_IS_snapshots		(1U << 1)	/* S: snapshot ids, never 0 */
#define BTREE_IS_snapshot_field		(1U << 2)	/* F: snapshot field used freely */
#define BTREE_IS_data			(1U << 3)	/* D: data pointers */
#define BTREE_IS_write_buffer		(1U << 4)	/* W: updates are buffered */
#define BTREE_IS_key_cached		(1U << 5)	/* C: updates go through the key cache */
#define BTREE_IS_trans_trigger		(1U << 6)	/* T: transactional leaf triggers */
#define BTREE_IS_atomic_trigger		(1U << 7)	/* A: atomic leaf triggers */

#define BKEY_TYPE_BIT(name)		(1ULL << KEY_TYPE_##name)

/* x(id, name, flags, value types besides deleted, since) */
#define BCH_BTREE_IDS(x)							\
	x( 0, extents,								\
	  BTREE_IS_extents|BTREE_IS_snapshots|BTREE_IS_data|			\
	  BTREE_IS_trans_trigger,						\
	  BKEY_TYPE_BIT(whiteout)|BKEY_TYPE_BIT(extent_whiteout)|		\
	  BKEY_TYPE_BIT(error)|BKEY_TYPE_BIT(cookie)|BKEY_TYPE_BIT(extent)|	\
	  BKEY_TYPE_BIT(reservation)|BKEY_TYPE_BIT(reflink_p)|			\
	  BKEY_TYPE_BIT(inline_data), 0)					\
	x( 1, inodes,								\
	  BTREE_IS_snapshots|BTREE_IS_key_cached|BTREE_IS_trans_trigger|	\
	  BTREE_IS_atomic_trigger,						\
	  BKEY_TYPE_BIT(whiteout)|BKEY_TYPE_BIT(inode)|BKEY_TYPE_BIT(inode_v2)|	\
	  BKEY_TYPE_BIT(inode_v3)|BKEY_TYPE_BIT(inode_generation), 0)		\
	x( 2, dirents, BTREE_IS_snapshots,					\
	  BKEY_TYPE_BIT(whiteout)|BKEY_TYPE_BIT(hash_whiteout)|			\
	  BKEY_TYPE_BIT(dirent), 0)						\
	x( 3, xattrs, BTREE_IS_snapshots,					\
	  BKEY_TYPE_BIT(whiteout)|BKEY_TYPE_BIT(cookie)|			\
	  BKEY_TYPE_BIT(hash_whiteout)|BKEY_TYPE_BIT(xattr), 0)			\
	x( 4, alloc,								\
	  BTREE_IS_key_cached|BTREE_IS_trans_trigger|BTREE_IS_atomic_trigger,	\
	  BKEY_TYPE_BIT(alloc)|BKEY_TYPE_BIT(alloc_v2)|BKEY_TYPE_BIT(alloc_v3)|	\
	  BKEY_TYPE_BIT(alloc_v4), 0)						\
	x( 5, quotas, 0, BKEY_TYPE_BIT(quota), 0)				\
	x( 6, stripes,								\
	  BTREE_IS_data|BTREE_IS_key_cached|BTREE_IS_trans_trigger|		\
	  BTREE_IS_atomic_trigger,						\
	  BKEY_TYPE_BIT(stripe), 0)						\
	x( 7, reflink, BTREE_IS_extents|BTREE_IS_data|BTREE_IS_trans_trigger,	\
	  BKEY_TYPE_BIT(reflink_v)|BKEY_TYPE_BIT(indirect_inline_data)|		\
	  BKEY_TYPE_BIT(error), 0)						\
	x( 8, subvolumes, BTREE_IS_key_cached|BTREE_IS_trans_trigger,		\
	  BKEY_TYPE_BIT(subvolume), BCH_VERSION(0, 12))				\
	x( 9, snapshots, BTREE_IS_atomic_trigger,				\
	  BKEY_TYPE_BIT(snapshot), BCH_VERSION(0, 12))				\
	x(10, lru, BTREE_IS_write_buffer,					\
	  BKEY_TYPE_BIT(set), BCH_VERSION(0, 19))				\
	x(11, freespace, BTREE_IS_extents,					\
	  BKEY_TYPE_BIT(set), BCH_VERSION(0, 19))				\
	x(12, need_discard, BTREE_IS_write_buffer,				\
	  BKEY_TYPE_BIT(set), BCH_VERSION(0, 19))				\
	x(13, backpointers, BTREE_IS_write_buffer,				\
	  BKEY_TYPE_BIT(backpointer), BCH_VERSION(0, 22))			\
	x(14, bucket_gens, 0, BKEY_TYPE_BIT(bucket_gens), BCH_VERSION(0, 25))	\
	x(15, snapshot_trees, 0,						\
	  BKEY_TYPE_BIT(snapshot_tree), BCH_VERSION(0, 29))			\
	x(16, deleted_inodes, BTREE_IS_snapshot_field|BTREE_IS_write_buffer,	\
	  BKEY_TYPE_BIT(set), BCH_VERSION(1, 2))				\
	x(17, logged_ops, BTREE_IS_key_cached,					\
	  BKEY_TYPE_BIT(logged_op_truncate)|BKEY_TYPE_BIT(logged_op_finsert)|	\
	  BKEY_TYPE_BIT(logged_op_stripe_update)|				\
	  BKEY_TYPE_BIT(inode_alloc_cursor), BCH_VERSION(1, 2))			\
	x(18, reconcile_work, BTREE_IS_snapshot_field|BTREE_IS_write_buffer,	\
	  BKEY_TYPE_BIT(set)|BKEY_TYPE_BIT(cookie), BCH_VERSION(1, 3))		\
	x(19, subvolume_children, 0, BKEY_TYPE_BIT(set), BCH_VERSION(1, 6))	\
	x(20, accounting, BTREE_IS_snapshot_field|BTREE_IS_write_buffer,	\
	  BKEY_TYPE_BIT(accounting), BCH_VERSION(1, 9))				\
	x(21, reconcile_hipri, BTREE_IS_snapshot_field|BTREE_IS_write_buffer,	\
	  BKEY_TYPE_BIT(set), BCH_VERSION(1, 33))				\
	x(22, reconcile_pending, BTREE_IS_snapshot_field|BTREE_IS_write_buffer,	\
	  BKEY_TYPE_BIT(set), BCH_VERSION(1, 33))				\
	x(23, reconcile_scan, 0,						\
	  BKEY_TYPE_BIT(cookie)|BKEY_TYPE_BIT(backpointer), BCH_VERSION(1, 33))	\
	x(24, reconcile_work_phys, BTREE_IS_write_buffer,			\
	  BKEY_TYPE_BIT(set), BCH_VERSION(1, 33))				\
	x(25, reconcile_hipri_phys, BTREE_IS_write_buffer,			\
	  BKEY_TYPE_BIT(set), BCH_VERSION(1, 33))				\
	x(26, bucket_to_stripe, 0, BKEY_TYPE_BIT(set), BCH_VERSION(1, 35))	\
	x(27, stripe_backpointers, BTREE_IS_write_buffer,			\
	  BKEY_TYPE_BIT(backpointer), BCH_VERSION(1, 36))

enum btree_id {
#define x(id, name, ...)	BTREE_ID_##name = id,
	BCH_BTREE_IDS(x)
#undef x
	BTREE_ID_NR,
};

static_assert(BTREE_ID_NR == 28);

/* Ids 0..62 can occur on disk; those from BTREE_ID_NR on belong to newer software. */
#define BTREE_ID_NR_MAX			63
#define BTREE_MAX_DEPTH			4

#define BTREE_BIT(name)			(1ULL << BTREE_ID_##name)

/* Value types that interior nodes of every btree may hold. */
#define BKEY_TYPES_INTERIOR							\
	(BKEY_TYPE_BIT(deleted)|BKEY_TYPE_BIT(btree_ptr)|BKEY_TYPE_BIT(btree_ptr_v2))

/* Derived sets of spec 20 §5.3. */
#define BTREES_ALLOCATION							\
	(BTREE_BIT(alloc)|BTREE_BIT(backpointers)|				\
	 BTREE_BIT(stripe_backpointers)|BTREE_BIT(need_discard)|		\
	 BTREE_BIT(freespace)|BTREE_BIT(bucket_gens)|BTREE_BIT(lru)|		\
	 BTREE_BIT(accounting)|BTREE_BIT(reconcile_work)|			\
	 BTREE_BIT(reconcile_hipri)|BTREE_BIT(reconcile_pending)|		\
	 BTREE_BIT(reconcile_scan))
#define BTREES_RECONSTRUCTIBLE							\
	(BTREES_ALLOCATION|BTREE_BIT(snapshot_trees)|				\
	 BTREE_BIT(deleted_inodes)|BTREE_BIT(subvolume_children))

/* BTREE_IS_* of one btree; none for ids this software does not know. */
static inline unsigned int btree_id_flags(unsigned int id)
{
	switch (id) {
#define x(nr, name, flags, types, since)	case nr: return flags;
	BCH_BTREE_IDS(x)
#undef x
	default:
		return 0;
	}
}

static inline bool btree_id_is_extents(unsigned int id)
{
	return btree_id_flags(id) & BTREE_IS_extents;
}

static inline bool btree_type_has_snapshots(unsigned int id)
{
	return btree_id_flags(id) & BTREE_IS_snapshots;
}

/* The snapshot field carries something, be it a snapshot id or not. */
static inline bool btree_type_has_snapshot_field(unsigned int id)
{
	return btree_id_flags(id) & (BTREE_IS_snapshots|BTREE_IS_snapshot_field);
}

static inline bool btree_type_has_data_ptrs(unsigned int id)
{
	return btree_id_flags(id) & BTREE_IS_data;
}

static inline bool btree_type_uses_write_buffer(unsigned int id)
{
	return btree_id_flags(id) & BTREE_IS_write_buffer;
}

static inline bool btree_id_is_alloc(unsigned int id)
{
	return id < BTREE_ID_NR && (BTREES_ALLOCATION >> id) & 1;
}

static inline bool btree_id_can_reconstruct(unsigned int id)
{
	return id < BTREE_ID_NR && (BTREES_RECONSTRUCTIBLE >> id) & 1;
}

/* Mask over value types accepted in leaves of @id; all for unknown btrees. */
static inline __u64 btree_id_key_types(unsigned int id)
{
	switch (id) {
#define x(nr, name, flags, types, since)	case nr: return (types)|BKEY_TYPE_BIT(deleted);
	BCH_BTREE_IDS(x)
#undef x
	default:
		return ~0ULL;
	}
}

/* --- simplest values --- */

struct bch_cookie {
	struct bch_val		v;
	__le64			cookie;
} __packed __aligned(8);

static_assert(sizeof(struct bch_cookie) == 8);

/* Why data was given up (spec 50 §7.3); a key without value means unknown. */
#define BCH_KEY_ERRORS(x)							\
	x(0, unknown)								\
	x(1, device_removed)							\
	x(2, double_allocation)							\
	x(3, no_valid_pointers_repair)

enum bch_key_error {
#define x(nr, name)		KEY_ERROR_##name = nr,
	BCH_KEY_ERRORS(x)
#undef x
	KEY_ERROR_NR,
};

struct bch_error {
	struct bch_val		v;
	__u8			err;
	__u8			pad[7];
} __packed __aligned(8);

static_assert(sizeof(struct bch_error) == 8);

/* Types that are nothing but their presence. */
struct bch_deleted		{ struct bch_val v; };
struct bch_whiteout		{ struct bch_val v; };
struct bch_hash_whiteout	{ struct bch_val v; };
struct bch_extent_whiteout	{ struct bch_val v; };
struct bch_set			{ struct bch_val v; };

#endif /* _BCACHEFS_BTREE_BKEY_FORMAT_H */
