/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keys: packing with a node's format, unpacking, comparing (spec 20 sections
 * 4 and 6), and small helpers over whole keys.
 *
 * Everything works on memory that was checked before: a packed key lies wholly
 * inside its buffer and its format passed bch2_bkey_format_validate().
 */
#ifndef _BCACHEFS_BTREE_BKEY_H
#define _BCACHEFS_BTREE_BKEY_H

#include <linux/string.h>
#include <linux/types.h>

#include "bcachefs_format.h"
#include "btree/bkey_val.h"
#include "btree/node_types.h"
#include "util/bpos.h"

struct printbuf;

/* --- formats --- */

bool bch2_bkey_format_validate(const struct bkey_format *f, struct printbuf *err);
void bch2_bkey_format_to_text(struct printbuf *out, const struct bkey_format *f);
void bch2_bkey_unpacker_init(struct bkey_unpacker *u, const struct bkey_format *f);

/* Range of each field over a set of keys, from which a format is made. */
struct bkey_format_state {
	u64			min[BKEY_NR_FIELDS];
	u64			max[BKEY_NR_FIELDS];
};

void bch2_bkey_format_init(struct bkey_format_state *s);
void bch2_bkey_format_add_pos(struct bkey_format_state *s, struct bpos p);
void bch2_bkey_format_add_key(struct bkey_format_state *s, const struct bkey *k);
struct bkey_format bch2_bkey_format_done(const struct bkey_format_state *s);

/* --- packing --- */

bool bch2_bkey_pack_key(struct bkey_packed *out, const struct bkey *in,
			const struct bkey_format *f);
void bch2_bkey_unpack(const struct bkey_unpacker *u, const struct bkey_packed *in,
		      struct bkey *out);
struct bkey bch2_bkey_unpack_key(const struct bkey_format *f, const struct bkey_packed *in);

/* Size of @k in words makes sense for its format (spec 20 section 6.2). */
static inline bool bkey_packed_u64s_valid(unsigned int key_u64s, const struct bkey_packed *k)
{
	const unsigned int key = k->format == KEY_FORMAT_LOCAL_BTREE ? key_u64s : BKEY_U64s;

	return k->u64s >= key && k->u64s - key <= BKEY_VAL_U64s_MAX;
}

/* First word of the value of a key inside a node whose packed keys have @key_u64s. */
static inline const struct bch_val *bkey_packed_val(unsigned int key_u64s,
						    const struct bkey_packed *k)
{
	return (const struct bch_val *) ((const u64 *) k +
		(k->format == KEY_FORMAT_LOCAL_BTREE ? key_u64s : BKEY_U64s));
}

/*
 * Key and value of @k, a live key of node @b. @u receives the unpacked key; the
 * value stays in the node.
 */
static inline struct bkey_s_c bkey_disassemble(const struct btree *b,
					       const struct bkey_packed *k,
					       struct bkey *u)
{
	bch2_bkey_unpack(&b->unpack, k, u);
	return (struct bkey_s_c) { u, bkey_packed_val(b->unpack.key_u64s, k) };
}

/* --- comparing --- */

int bch2_bkey_cmp_packed(const struct bkey_unpacker *u, const struct bkey_packed *l,
			 const struct bkey_packed *r);
int bch2_bkey_cmp_packed_pos(const struct bkey_unpacker *u, const struct bkey_packed *l,
			     struct bpos r);

/* --- whole keys --- */

/* A key of type deleted at @p, without value. */
static inline struct bkey bkey_deleted_at(struct bpos p)
{
	struct bkey k;

	bkey_init(&k);
	k.p = p;
	return k;
}

/* Copy a key with its value; @dst has room for k.k->u64s words. */
static inline void bkey_reassemble(struct bkey_i *dst, struct bkey_s_c src)
{
	const unsigned int bytes = bkey_val_bytes(src.k);

	dst->k = *src.k;
	if (bytes)
		memcpy((u8 *) dst + sizeof(struct bkey), src.v, bytes);
}

static inline void bkey_copy(struct bkey_i *dst, const struct bkey_i *src)
{
	memmove(dst, src, bkey_bytes(&src->k));
}

static inline struct bkey_i *bkey_next(const struct bkey_i *k)
{
	return (struct bkey_i *) ((u64 *) k + k->k.u64s);
}

static inline struct bkey_packed *bkey_p_next(const struct bkey_packed *k)
{
	return (struct bkey_packed *) ((u64 *) k + k->u64s);
}

#endif /* _BCACHEFS_BTREE_BKEY_H */
