// SPDX-License-Identifier: GPL-2.0
/*
 * Packing keys with a node's format and taking them apart again (spec 20
 * section 6).
 *
 * Invariant: unpacking a key that was packed with a valid format gives the same
 * key back, and comparing packed keys orders like comparing positions. Callers
 * make sure that keys lie inside their buffers and that the format is valid.
 */
#include <linux/bitops.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "bcachefs_format.h"
#include "btree/bkey.h"
#include "util/printbuf.h"

/* Width of each field in an unpacked key. */
static const u8 field_width[BKEY_NR_FIELDS] = { 64, 64, 32, 32, 32, 64 };

static u64 ones(unsigned int bits)
{
	return bits ? ~0ULL >> (64 - bits) : 0;
}

static unsigned int format_bits(const struct bkey_format *f)
{
	unsigned int i, sum = BKEY_PACKED_HEADER_BITS;

	for (i = 0; i < BKEY_NR_FIELDS; i++)
		sum += f->bits_per_field[i];
	return sum;
}

/* Values of field @i reach past what the unpacked key can hold. */
static bool field_overflows(const struct bkey_format *f, unsigned int i)
{
	const unsigned int bits = f->bits_per_field[i];
	const u64 offset = le64_to_cpu(f->field_offset[i]);
	const u64 limit = ones(field_width[i]);

	if (bits > field_width[i])
		return true;
	if (bits == field_width[i])
		return offset != 0;
	return offset > limit || ones(bits) > limit - offset;
}

/**
 * bch2_bkey_format_validate - may keys be unpacked with @f?
 * @f:		the format, any content
 * @err:	gets the reason if not; may be NULL
 *
 * Spec 20 section 6.4.
 */
bool bch2_bkey_format_validate(const struct bkey_format *f, struct printbuf *err)
{
	unsigned int i;

	if (f->nr_fields != BKEY_NR_FIELDS) {
		if (err)
			prt_printf(err, "format has %u fields, not %u",
				   f->nr_fields, BKEY_NR_FIELDS);
		return false;
	}
	for (i = 0; i < BKEY_NR_FIELDS; i++)
		if (field_overflows(f, i)) {
			if (err)
				prt_printf(err, "format field %u too large: %u bits, offset %llu",
					   i, f->bits_per_field[i],
					   (u64) le64_to_cpu(f->field_offset[i]));
			return false;
		}
	if (f->key_u64s != DIV_ROUND_UP(format_bits(f), 64)) {
		if (err)
			prt_printf(err, "format says %u words per key, but has %u bits",
				   f->key_u64s, format_bits(f));
		return false;
	}
	return true;
}

/** bch2_bkey_format_to_text - "u64s N fields bits:offset, ..." */
void bch2_bkey_format_to_text(struct printbuf *out, const struct bkey_format *f)
{
	unsigned int i;

	prt_printf(out, "u64s %u fields", f->key_u64s);
	for (i = 0; i < BKEY_NR_FIELDS; i++)
		prt_printf(out, "%s %u:%llu", i ? "," : "", f->bits_per_field[i],
			   (u64) le64_to_cpu(f->field_offset[i]));
}

/**
 * bch2_bkey_unpacker_init - work out where each field of a format lies
 * @u:		result
 * @f:		a valid format
 */
void bch2_bkey_unpacker_init(struct bkey_unpacker *u, const struct bkey_format *f)
{
	unsigned int i, top = f->key_u64s * 64;

	u->key_u64s = f->key_u64s;
	for (i = 0; i < BKEY_NR_FIELDS; i++) {
		const unsigned int bits = f->bits_per_field[i];

		top -= bits;
		u->offset[i]	= le64_to_cpu(f->field_offset[i]);
		u->mask[i]	= ones(bits);
		u->shift[i]	= bits ? top % 64 : 0;
		u->lo[i]	= bits ? top / 64 : 0;
		u->hi[i]	= bits ? (top + bits - 1) / 64 : 0;
	}
}

static inline u64 field_get(const struct bkey_unpacker *u, const u64 *w, unsigned int i)
{
	/* The upper part is shifted twice, so that a shift by 64 cannot happen. */
	const u64 lo = w[u->lo[i]] >> u->shift[i];
	const u64 hi = w[u->hi[i]] << 1 << (63 - u->shift[i]);

	return (((u->hi[i] != u->lo[i] ? hi : 0) | lo) & u->mask[i]) + u->offset[i];
}

/**
 * bch2_bkey_unpack - the unpacked form of a key of a node
 * @u:		unpacker of the node's format
 * @in:		key with valid u64s, packed or not
 * @out:	result
 *
 * Spec 20 section 6.2.
 */
void bch2_bkey_unpack(const struct bkey_unpacker *u, const struct bkey_packed *in,
		      struct bkey *out)
{
	const u64 *w = (const u64 *) in;

	if (in->format != KEY_FORMAT_LOCAL_BTREE) {
		memcpy(out, in, sizeof(*out));
		out->needs_whiteout = 0;
		return;
	}
	*out = (struct bkey) {
		.u64s		= in->u64s - u->key_u64s + BKEY_U64s,
		.format		= KEY_FORMAT_CURRENT,
		.type		= in->type,
		.bversion.hi	= field_get(u, w, BKEY_FIELD_VERSION_HI),
		.bversion.lo	= field_get(u, w, BKEY_FIELD_VERSION_LO),
		.size		= field_get(u, w, BKEY_FIELD_SIZE),
		.p.snapshot	= field_get(u, w, BKEY_FIELD_SNAPSHOT),
		.p.offset	= field_get(u, w, BKEY_FIELD_OFFSET),
		.p.inode	= field_get(u, w, BKEY_FIELD_INODE),
	};
}

/** bch2_bkey_unpack_key - the same from a format, for single keys */
struct bkey bch2_bkey_unpack_key(const struct bkey_format *f, const struct bkey_packed *in)
{
	struct bkey_unpacker u;
	struct bkey out;

	bch2_bkey_unpacker_init(&u, f);
	bch2_bkey_unpack(&u, in, &out);
	return out;
}

static void field_put(u64 *w, unsigned int pos, unsigned int bits, u64 v)
{
	const unsigned int word = pos / 64, shift = pos % 64;

	if (!bits)
		return;
	w[word] |= v << shift;
	if (shift + bits > 64)
		w[word + 1] |= v >> (64 - shift);
}

/**
 * bch2_bkey_pack_key - pack @in with format @f
 * @out:	key_u64s words, without value; untouched if false is returned
 * @in:		unpacked key
 * @f:		valid format of at most 5 words
 *
 * Returns false if a field does not fit. Spec 20 section 6.2.
 */
bool bch2_bkey_pack_key(struct bkey_packed *out, const struct bkey *in,
			const struct bkey_format *f)
{
	const u64 v[BKEY_NR_FIELDS] = {
		in->p.inode, in->p.offset, in->p.snapshot, in->size,
		in->bversion.hi, in->bversion.lo,
	};
	u64 w[BKEY_U64s] = { 0 };
	unsigned int i, top = f->key_u64s * 64;
	struct bkey_packed *p = (struct bkey_packed *) w;

	if (f->key_u64s > BKEY_U64s ||
	    in->u64s - BKEY_U64s + f->key_u64s > BKEY_U64s_MAX)
		return false;
	for (i = 0; i < BKEY_NR_FIELDS; i++) {
		const u64 offset = le64_to_cpu(f->field_offset[i]);
		const unsigned int bits = f->bits_per_field[i];

		if (v[i] < offset || (v[i] - offset) & ~ones(bits))
			return false;
		top -= bits;
		field_put(w, top, bits, v[i] - offset);
	}
	p->u64s		= in->u64s - BKEY_U64s + f->key_u64s;
	p->format	= KEY_FORMAT_LOCAL_BTREE;
	p->type		= in->type;
	p->needs_whiteout = in->needs_whiteout;
	memcpy(out, w, f->key_u64s * sizeof(u64));
	return true;
}

static struct bpos packed_pos(const struct bkey_unpacker *u, const struct bkey_packed *k)
{
	const u64 *w = (const u64 *) k;

	if (k->format != KEY_FORMAT_LOCAL_BTREE)
		return ((const struct bkey *) k)->p;
	return SPOS(field_get(u, w, BKEY_FIELD_INODE), field_get(u, w, BKEY_FIELD_OFFSET),
		    field_get(u, w, BKEY_FIELD_SNAPSHOT));
}

/**
 * bch2_bkey_cmp_packed_pos - order of key @l of a node and position @r
 *
 * Less than, equal to or greater than 0. Stops at the first field that differs.
 */
int bch2_bkey_cmp_packed_pos(const struct bkey_unpacker *u, const struct bkey_packed *l,
			     struct bpos r)
{
	const u64 *w = (const u64 *) l;
	u64 v;

	if (l->format != KEY_FORMAT_LOCAL_BTREE)
		return bpos_cmp(((const struct bkey *) l)->p, r);
	v = field_get(u, w, BKEY_FIELD_INODE);
	if (v != r.inode)
		return v < r.inode ? -1 : 1;
	v = field_get(u, w, BKEY_FIELD_OFFSET);
	if (v != r.offset)
		return v < r.offset ? -1 : 1;
	v = field_get(u, w, BKEY_FIELD_SNAPSHOT);
	return v == r.snapshot ? 0 : v < r.snapshot ? -1 : 1;
}

/** bch2_bkey_cmp_packed - order of two keys of one node, packed or not */
int bch2_bkey_cmp_packed(const struct bkey_unpacker *u, const struct bkey_packed *l,
			 const struct bkey_packed *r)
{
	return bch2_bkey_cmp_packed_pos(u, l, packed_pos(u, r));
}

/* --- making a format, spec 20 section 6.3 --- */

static void state_add(struct bkey_format_state *s, unsigned int i, u64 v)
{
	s->min[i] = min(s->min[i], v);
	s->max[i] = max(s->max[i], v);
}

/** bch2_bkey_format_init - start collecting the keys a format is for */
void bch2_bkey_format_init(struct bkey_format_state *s)
{
	unsigned int i;

	for (i = 0; i < BKEY_NR_FIELDS; i++) {
		s->min[i] = U64_MAX;
		s->max[i] = 0;
	}
	/* a size of 0 must always be possible: deleted keys have it */
	s->min[BKEY_FIELD_SIZE] = 0;
}

/** bch2_bkey_format_add_pos - the format must be able to hold position @p */
void bch2_bkey_format_add_pos(struct bkey_format_state *s, struct bpos p)
{
	state_add(s, BKEY_FIELD_INODE, p.inode);
	state_add(s, BKEY_FIELD_OFFSET, p.offset);
	state_add(s, BKEY_FIELD_SNAPSHOT, p.snapshot);
}

/** bch2_bkey_format_add_key - the format must be able to hold @k */
void bch2_bkey_format_add_key(struct bkey_format_state *s, const struct bkey *k)
{
	bch2_bkey_format_add_pos(s, k->p);
	state_add(s, BKEY_FIELD_SIZE, k->size);
	state_add(s, BKEY_FIELD_VERSION_HI, k->bversion.hi);
	state_add(s, BKEY_FIELD_VERSION_LO, k->bversion.lo);
}

/* Set the width of field @i; its offset goes down as far as the width demands. */
static void format_set_field(struct bkey_format *f, unsigned int i, unsigned int bits, u64 offset)
{
	const unsigned int full = field_width[i];

	if (bits >= full) {
		bits	= full;
		offset	= 0;
	} else {
		offset	= min(offset, ones(full) - ones(bits));
	}
	f->bits_per_field[i]	= bits;
	f->field_offset[i]	= cpu_to_le64(offset);
}

/** bch2_bkey_format_done - the tightest format for everything that was added */
struct bkey_format bch2_bkey_format_done(const struct bkey_format_state *s)
{
	struct bkey_format f = { .nr_fields = BKEY_NR_FIELDS };
	unsigned int i, spare;

	for (i = 0; i < BKEY_NR_FIELDS; i++) {
		/* nothing was added: minimum above maximum */
		const u64 lo = s->min[i] > s->max[i] ? 0 : s->min[i];

		format_set_field(&f, i, fls64(s->max[i] - lo), lo);
	}

	f.key_u64s = DIV_ROUND_UP(format_bits(&f), 64);
	spare = f.key_u64s * 64 - format_bits(&f);
	for (i = 0; i < BKEY_NR_FIELDS; i++) {
		const unsigned int bits = f.bits_per_field[i];
		const unsigned int widen = round_up(bits, 8) - bits;

		if (widen > spare)
			continue;
		format_set_field(&f, i, bits + widen, le64_to_cpu(f.field_offset[i]));
		spare -= widen;
	}
	return f;
}
