/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Walking the entries of a value that points to data (spec 50 sections 2 to 4).
 *
 * The walk is safe on values of any content: it ends at the end of the value, at
 * an entry of unknown type and at an entry that would overrun the value.
 * bch2_extent_entries_check() tells which of these it was.
 */
#ifndef _BCACHEFS_BTREE_EXTENT_ENTRIES_H
#define _BCACHEFS_BTREE_EXTENT_ENTRIES_H

#include <linux/bitops.h>
#include <linux/types.h>

#include "bcachefs_format.h"

struct bch_fs;

union bch_extent_entry {
	__le64				word;	/* lowest set bit: type */
#define x(nr, name, words)	struct bch_extent_##name name;
	BCH_EXTENT_ENTRY_TYPES(x)
#undef x
};

/* A checksum entry, unpacked; sizes and offsets in sectors (spec 50 section 3.4). */
struct bch_extent_crc_unpacked {
	u32			compressed_size;
	u32			uncompressed_size;
	u32			live_size;
	u32			offset;
	u32			nonce;
	u8			csum_type;
	u8			compression_type;
	struct bch_csum		csum;
};

/* A pointer with everything that applies to it (spec 50 section 4). */
struct extent_ptr_decoded {
	struct bch_extent_ptr		ptr;
	struct bch_extent_crc_unpacked	crc;
	struct bch_extent_stripe_ptr	ec;	/* only if has_ec */
	bool				has_ec;
	u8				idx;	/* number of the pointer in its key */
};

/* The entries of a value, and the sizes of types that only the superblock knows. */
struct bkey_ptrs_c {
	const union bch_extent_entry	*start;
	const union bch_extent_entry	*end;
	const u8			*sizes;		/* NULL: built-in types only */
	unsigned int			types_known;
};

enum extent_entries_verdict {
	EXTENT_ENTRIES_ok,
	EXTENT_ENTRIES_unknown_type,
	EXTENT_ENTRIES_overrun,
};

/* --- the range --- */

struct bkey_ptrs_c bch2_bkey_ptrs_c(struct bkey_s_c k);
struct bkey_ptrs_c bch2_bkey_ptrs_c_fs(const struct bch_fs *c, struct bkey_s_c k);

/* May entries be found in values of this type? */
static inline bool bkey_type_has_ptrs(unsigned int type)
{
	return type == KEY_TYPE_btree_ptr || type == KEY_TYPE_btree_ptr_v2 ||
		type == KEY_TYPE_extent || type == KEY_TYPE_reflink_v ||
		type == KEY_TYPE_stripe;
}

/* --- entries --- */

/* Type number; BCH_EXTENT_ENTRY_MAX or more if there is no such type. */
static inline unsigned int extent_entry_type(const union bch_extent_entry *e)
{
	const u64 w = le64_to_cpu(e->word);

	return w ? __ffs64(w) : 64;
}

/* Size in words of entries of @type; 0 if unknown. */
static inline unsigned int extent_entry_type_u64s(const struct bkey_ptrs_c *p,
						  unsigned int type)
{
	if (type < BCH_EXTENT_ENTRY_NR)
		return bch_extent_entry_words(type);
	return p->sizes && type < p->types_known ? p->sizes[type] : 0;
}

unsigned int extent_entry_u64s(const struct bch_fs *c, const union bch_extent_entry *e);

/* @e itself if a whole entry of known type stands there, else NULL. */
static inline const union bch_extent_entry *
extent_entry_valid(const struct bkey_ptrs_c *p, const union bch_extent_entry *e)
{
	unsigned int u64s;

	if (e >= p->end)
		return NULL;
	u64s = extent_entry_type_u64s(p, extent_entry_type(e));
	return u64s && u64s <= (size_t) ((const __le64 *) p->end - (const __le64 *) e) ? e : NULL;
}

/* The entry behind @e, a valid one; NULL at the end. */
static inline const union bch_extent_entry *
extent_entry_next(const struct bkey_ptrs_c *p, const union bch_extent_entry *e)
{
	const __le64 *next = (const __le64 *) e + extent_entry_type_u64s(p, extent_entry_type(e));

	return extent_entry_valid(p, (const union bch_extent_entry *) next);
}

static inline bool extent_entry_is_ptr(const union bch_extent_entry *e)
{
	return extent_entry_type(e) == BCH_EXTENT_ENTRY_ptr;
}

static inline bool extent_entry_is_stripe_ptr(const union bch_extent_entry *e)
{
	return extent_entry_type(e) == BCH_EXTENT_ENTRY_stripe_ptr;
}

static inline bool extent_entry_is_crc(const union bch_extent_entry *e)
{
	const unsigned int t = extent_entry_type(e);

	return t >= BCH_EXTENT_ENTRY_crc32 && t <= BCH_EXTENT_ENTRY_crc128;
}

enum extent_entries_verdict bch2_extent_entries_check(const struct bkey_ptrs_c *p,
						      unsigned int *bad_type);

/* @e walks all entries of @ptrs (struct bkey_ptrs_c). */
#define bkey_extent_entry_for_each(_ptrs, _e)					\
	for (_e = extent_entry_valid(&(_ptrs), (_ptrs).start);			\
	     _e;								\
	     _e = extent_entry_next(&(_ptrs), _e))

/* --- checksum entries --- */

struct bch_extent_crc_unpacked bch2_extent_crc_default(const struct bkey *k);
struct bch_extent_crc_unpacked bch2_extent_crc_unpack(const struct bkey *k,
						      const union bch_extent_entry *crc);

static inline bool crc_is_compressed(const struct bch_extent_crc_unpacked *crc)
{
	return crc->compression_type != BCH_COMPRESSION_TYPE_none &&
		crc->compression_type != BCH_COMPRESSION_TYPE_incompressible;
}

static inline bool crc_is_encoded(const struct bch_extent_crc_unpacked *crc)
{
	return crc->csum_type != BCH_CSUM_none || crc_is_compressed(crc);
}

/* --- pointers --- */

static inline const struct bch_extent_ptr *
bkey_ptr_next(const struct bkey_ptrs_c *p, const union bch_extent_entry *e)
{
	while (e && !extent_entry_is_ptr(e))
		e = extent_entry_next(p, e);
	return e ? &e->ptr : NULL;
}

/* @_ptr (const struct bch_extent_ptr *) walks the pointers of @_ptrs. */
#define bkey_for_each_ptr(_ptrs, _ptr)						\
	for (_ptr = bkey_ptr_next(&(_ptrs), extent_entry_valid(&(_ptrs), (_ptrs).start)); \
	     _ptr;								\
	     _ptr = bkey_ptr_next(&(_ptrs), extent_entry_next(&(_ptrs),		\
				(const union bch_extent_entry *) _ptr)))

void bch2_extent_ptr_decode_start(const struct bkey *k, struct extent_ptr_decoded *d);
bool bch2_extent_ptr_decode_next(const struct bkey *k, const struct bkey_ptrs_c *p,
				 struct extent_ptr_decoded *d,
				 const union bch_extent_entry **e);

/*
 * Every pointer of key @_k (const struct bkey *) with the checksum and stripe
 * that apply to it in @_d (struct extent_ptr_decoded); @_e is its entry.
 */
#define bkey_for_each_ptr_decode(_k, _ptrs, _d, _e)				\
	for (bch2_extent_ptr_decode_start(_k, &(_d)), (_e) = NULL;		\
	     bch2_extent_ptr_decode_next(_k, &(_ptrs), &(_d), &(_e));)

unsigned int bch2_bkey_ptrs_nr(struct bkey_s_c k);

/* --- pointers to btree nodes (spec 20 section 7) --- */

/* Fields of a validated btree_ptr or btree_ptr_v2, or the defaults of the former. */
struct btree_ptr_info {
	u64			seq;		/* 0: not known */
	struct bpos		min_key;	/* only if v2 */
	u16			sectors_written;	/* 0: not known */
	bool			v2;
	bool			range_updated;
};

struct btree_ptr_info bch2_btree_ptr_info(const struct bkey_i *k);

#endif /* _BCACHEFS_BTREE_EXTENT_ENTRIES_H */
