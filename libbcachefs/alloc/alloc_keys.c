// SPDX-License-Identifier: GPL-2.0
/*
 * Values of the alloc btree: conversion of every layout to the current one,
 * what state a bucket is in, validation, text.
 *
 * Conversion always yields a whole struct bch_alloc_v4 and never reads past the
 * value; numbers that cannot be decoded are 0 there, and validation is what
 * says so. Used by everybody who looks at buckets.
 */
#include <linux/array_size.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "sb/members.h"
#include "util/printbuf.h"
#include "util/varint.h"

/* --- bucket states --- */

/* Kinds of data that may share a bucket compare equal (spec 40 §1.4). */
static unsigned int data_type_collapse(unsigned int type)
{
	return type == BCH_DATA_cached || type == BCH_DATA_stripe ? BCH_DATA_user : type;
}

/**
 * bch2_bucket_data_type_mismatch - does a pointer contradict its bucket?
 * @bucket:	data type of the bucket
 * @ptr:	data type of the pointer
 */
bool bch2_bucket_data_type_mismatch(unsigned int bucket, unsigned int ptr)
{
	return !data_type_is_empty(bucket) && bucket != BCH_DATA_multiple &&
		data_type_collapse(bucket) != data_type_collapse(ptr);
}

/**
 * alloc_data_type - the state that follows from a bucket's counters
 * @a:		alloc value
 * @hint:	kind of data just added, or the type as stored
 *
 * The first rule that applies decides (spec 40 §3.1).
 */
enum bch_data_type alloc_data_type(const struct bch_alloc_v4 *a, unsigned int hint)
{
	if (a->data_type == BCH_DATA_multiple)
		return BCH_DATA_multiple;
	if (a->stripe_refcount)
		return hint == BCH_DATA_parity ? BCH_DATA_parity : BCH_DATA_stripe;
	if (alloc_sectors_dirty(a))
		return data_type_collapse(hint);
	if (a->cached_sectors)
		return BCH_DATA_cached;
	if (hint == BCH_DATA_need_discard)
		return BCH_DATA_need_discard;
	if (alloc_gc_gen(a) >= BUCKET_GC_GEN_MAX)
		return BCH_DATA_need_gc_gens;
	return BCH_DATA_free;
}

/**
 * alloc_sectors_fragmented - sectors of a used bucket that hold nothing
 * @a:			alloc value
 * @bucket_size:	in sectors
 */
s64 alloc_sectors_fragmented(const struct bch_alloc_v4 *a, unsigned int bucket_size)
{
	s64 used = alloc_sectors(a);

	if (used)
		return max_t(s64, 0, (s64) bucket_size - used);
	return data_type_is_empty(a->data_type) ? 0 : bucket_size;
}

/* --- older layouts --- */

/* What the layouts before v4 could say. */
struct alloc_fields {
	u64			read_time;
	u64			write_time;
	u64			dirty_sectors;
	u64			cached_sectors;
	u64			stripe;
	u64			stripe_redundancy;
};

/* Bytes of the value of a v1 key with these fields. */
static unsigned int alloc_v1_bytes(const struct bch_alloc *v)
{
	unsigned int bytes = offsetof(struct bch_alloc, data);

#define x(bit, name, n)	bytes += v->fields & (1U << bit) ? n : 0;
	BCH_ALLOC_FIELDS_V1(x)
#undef x
	return bytes;
}

static u64 alloc_v1_field(const u8 **p, const u8 *end, bool present, unsigned int bytes)
{
	u64 v = 0;

	if (!present || end - *p < bytes)
		return 0;
	for (unsigned int i = 0; i < bytes; i++)
		v |= (u64) (*p)[i] << (i * 8);
	*p += bytes;
	return v;
}

static void alloc_v1_read(struct bkey_s_c k, struct bch_alloc_v4 *a, struct alloc_fields *f)
{
	const struct bch_alloc *v = bkey_val(k, alloc);
	const u8 *end = (const u8 *) v + bkey_val_bytes(k.k);
	const u8 *p = v->data;
	u64 field[8];

#define x(bit, name, bytes)							\
	field[bit] = alloc_v1_field(&p, end, v->fields & (1U << bit), bytes);
	BCH_ALLOC_FIELDS_V1(x)
#undef x

	a->gen			= v->gen;
	a->oldest_gen		= field[BCH_ALLOC_FIELD_V1_oldest_gen];
	a->data_type		= field[BCH_ALLOC_FIELD_V1_data_type];
	f->read_time		= field[BCH_ALLOC_FIELD_V1_read_time];
	f->write_time		= field[BCH_ALLOC_FIELD_V1_write_time];
	f->dirty_sectors	= field[BCH_ALLOC_FIELD_V1_dirty_sectors];
	f->cached_sectors	= field[BCH_ALLOC_FIELD_V1_cached_sectors];
	f->stripe		= field[BCH_ALLOC_FIELD_V1_stripe];
	f->stripe_redundancy	= field[BCH_ALLOC_FIELD_V1_stripe_redundancy];
}

static int alloc_varint(const u8 **p, const u8 *end, unsigned int *left,
			unsigned int bits, u64 *v)
{
	int bytes;

	if (!*left)
		return 0;
	(*left)--;

	bytes = bch2_varint_decode(*p, end, v);
	if (bytes < 0 || (bits < 64 && *v >> bits)) {
		*v = 0;
		*left = 0;
		return -EINVAL;
	}
	*p += bytes;
	return 0;
}

/* The numbers of v2 and v3; after an error they are 0 from there on. */
static int alloc_varints_read(const u8 *p, const u8 *end, unsigned int nr,
			      struct alloc_fields *f)
{
	int ret = 0;

#define x(name, bits)								\
	ret = ret ?: alloc_varint(&p, end, &nr, bits, &f->name);
	BCH_ALLOC_FIELDS_V2(x)
#undef x
	return ret;
}

static int alloc_v2_read(struct bkey_s_c k, struct bch_alloc_v4 *a, struct alloc_fields *f)
{
	const struct bch_alloc_v2 *v = bkey_val(k, alloc_v2);

	a->gen		= v->gen;
	a->oldest_gen	= v->oldest_gen;
	a->data_type	= v->data_type;
	return alloc_varints_read(v->data, (const u8 *) v + bkey_val_bytes(k.k),
				  v->nr_fields, f);
}

static int alloc_v3_read(struct bkey_s_c k, struct bch_alloc_v4 *a, struct alloc_fields *f)
{
	const struct bch_alloc_v3 *v = bkey_val(k, alloc_v3);

	a->journal_seq_nonempty	= v->journal_seq;
	a->gen			= v->gen;
	a->oldest_gen		= v->oldest_gen;
	a->data_type		= v->data_type;
	SET_BCH_ALLOC_V4_NEED_DISCARD(a, BCH_ALLOC_V3_NEED_DISCARD(v));
	return alloc_varints_read(v->data, (const u8 *) v + bkey_val_bytes(k.k),
				  v->nr_fields, f);
}

static void alloc_v4_read(struct bkey_s_c k, struct bch_alloc_v4 *a)
{
	unsigned int start;

	bkey_val_copy(a, k);

	/* Words behind the fixed part of an older value are not fields. */
	start = BCH_ALLOC_V4_BACKPOINTERS_START(a) ?: BCH_ALLOC_V4_U64s_V0;
	if (start < BCH_ALLOC_V4_U64s)
		memset((u64 *) a + start, 0, sizeof(*a) - start * sizeof(u64));
	SET_BCH_ALLOC_V4_NR_BACKPOINTERS(a, 0);
}

/**
 * bch2_alloc_to_v4 - current form of an alloc key of any layout
 * @k:		key of the alloc btree; other types mean "no key": all zero
 * @a:		result, 64 bytes, independent of @k
 *
 * Spec 40 §2.1 (normalising) and §2.5 (conversion). For the all-zero result
 * BACKPOINTERS_START is set as for every other.
 */
void bch2_alloc_to_v4(struct bkey_s_c k, struct bch_alloc_v4 *a)
{
	struct alloc_fields f = {};
	unsigned int bytes = bkey_val_bytes(k.k);

	memset(a, 0, sizeof(*a));

	if (k.k->type == KEY_TYPE_alloc_v4)
		alloc_v4_read(k, a);
	else if (k.k->type == KEY_TYPE_alloc_v3 && bytes >= sizeof(struct bch_alloc_v3))
		alloc_v3_read(k, a, &f);
	else if (k.k->type == KEY_TYPE_alloc_v2 && bytes >= 8)
		alloc_v2_read(k, a, &f);
	else if (k.k->type == KEY_TYPE_alloc && bytes >= 8)
		alloc_v1_read(k, a, &f);

	if (k.k->type != KEY_TYPE_alloc_v4) {
		a->dirty_sectors	= cpu_to_le32(f.dirty_sectors);
		a->cached_sectors	= cpu_to_le32(f.cached_sectors);
		a->io_time[0]		= cpu_to_le64(f.read_time);
		a->io_time[1]		= cpu_to_le64(f.write_time);
		a->stripe_refcount	= cpu_to_le32(f.stripe != 0);
	}
	SET_BCH_ALLOC_V4_BACKPOINTERS_START(a, BCH_ALLOC_V4_U64s);
}

/* --- validation --- */

/**
 * bch2_alloc_v1_validate - check a KEY_TYPE_alloc value (spec 40 §2.2)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 8 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_alloc_v1_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from)
{
	unsigned int need = alloc_v1_bytes(bkey_val(k, alloc));
	int ret = 0;

	bkey_fsck_err_on(bkey_val_bytes(k.k) < need, c, alloc_v1_val_size_bad,
			 "value has %u bytes, its fields need %u", bkey_val_bytes(k.k), need);
fsck_err:
	return ret;
}

/**
 * bch2_alloc_v2_validate - check a KEY_TYPE_alloc_v2 value (spec 40 §2.3)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 8 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_alloc_v2_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from)
{
	struct bch_alloc_v4 a;
	struct alloc_fields f = {};
	int ret = 0;

	bkey_fsck_err_on(alloc_v2_read(k, &a, &f), c, alloc_v2_unpack_error,
			 "a stored number runs past the value or is too large");
fsck_err:
	return ret;
}

/**
 * bch2_alloc_v3_validate - check a KEY_TYPE_alloc_v3 value (spec 40 §2.4)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 16 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_alloc_v3_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from)
{
	struct bch_alloc_v4 a = {};
	struct alloc_fields f = {};
	int ret = 0;

	bkey_fsck_err_on(alloc_v3_read(k, &a, &f), c, alloc_v3_unpack_error,
			 "a stored number runs past the value or is too large");
fsck_err:
	return ret;
}

/* Does the state agree with the counters? */
static int alloc_v4_counters_validate(struct bch_fs *c, struct bkey_s_c k,
				      struct bkey_validate_context from,
				      const struct bch_alloc_v4 *a)
{
	bool dirty = alloc_sectors_dirty(a) || a->stripe_refcount;
	int ret = 0;

	switch (a->data_type) {
	case BCH_DATA_free:
	case BCH_DATA_need_gc_gens:
	case BCH_DATA_need_discard:
		bkey_fsck_err_on(dirty || a->cached_sectors, c, alloc_key_empty_but_have_data,
				 "empty, but %u dirty, %u stripe, %u cached sectors, %u stripes",
				 le32_to_cpu(a->dirty_sectors), le32_to_cpu(a->stripe_sectors),
				 le32_to_cpu(a->cached_sectors), le32_to_cpu(a->stripe_refcount));
		break;
	case BCH_DATA_sb:
	case BCH_DATA_journal:
	case BCH_DATA_btree:
	case BCH_DATA_user:
	case BCH_DATA_parity:
		bkey_fsck_err_on(!dirty, c, alloc_key_dirty_sectors_0,
				 "bucket of type %u has no dirty sectors", a->data_type);
		break;
	case BCH_DATA_cached:
		bkey_fsck_err_on(dirty || !a->cached_sectors, c, alloc_key_cached_inconsistency,
				 "cached, but %u cached, %u dirty, %u stripe sectors, %u stripes",
				 le32_to_cpu(a->cached_sectors), le32_to_cpu(a->dirty_sectors),
				 le32_to_cpu(a->stripe_sectors), le32_to_cpu(a->stripe_refcount));
		break;
	}
fsck_err:
	return ret;
}

/**
 * bch2_alloc_v4_validate - check a KEY_TYPE_alloc_v4 value (spec 40 §2.6)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 48 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_alloc_v4_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from)
{
	const struct bch_alloc_v4 *v = bkey_val(k, alloc_v4);
	unsigned int start = BCH_ALLOC_V4_BACKPOINTERS_START(v);
	unsigned int nr = BCH_ALLOC_V4_NR_BACKPOINTERS(v);
	unsigned int u64s = (start ?: BCH_ALLOC_V4_U64s_V0) +
		nr * (BCH_ALLOC_V4_INLINE_BP_BYTES / sizeof(u64));
	struct bch_alloc_v4 a;
	unsigned int derived;
	int ret = 0;

	bkey_fsck_err_on(u64s > bkey_val_u64s(k.k), c, alloc_v4_val_size_bad,
			 "value has %u words, needs %u", bkey_val_u64s(k.k), u64s);
	bkey_fsck_err_on(!start && nr, c, alloc_v4_backpointers_start_bad,
			 "%u inline backpointers without a start", nr);

	bch2_alloc_to_v4(k, &a);
	derived = alloc_data_type(&a, a.data_type);
	bkey_fsck_err_on(a.data_type != derived, c, alloc_key_data_type_bad,
			 "data type %u, but the counters say %u", a.data_type, derived);

	for (unsigned int i = 0; i < 2; i++)
		bkey_fsck_err_on(le64_to_cpu(a.io_time[i]) > LRU_TIME_MAX, c,
				 alloc_key_io_time_bad, "%s time %llu above %llu",
				 i ? "write" : "read", (u64) le64_to_cpu(a.io_time[i]),
				 LRU_TIME_MAX);

	return alloc_v4_counters_validate(c, k, from, &a);
fsck_err:
	return ret;
}

/* --- text --- */

static const char * const data_type_names[] = {
#define x(nr, name)	[nr] = #name,
	BCH_DATA_TYPES(x)
#undef x
};

/**
 * bch2_data_type_to_text - name of a data type
 * @out:	text sink
 * @type:	number as stored; unknown ones print as such
 */
void bch2_data_type_to_text(struct printbuf *out, unsigned int type)
{
	prt_value_name(out, data_type_names, ARRAY_SIZE(data_type_names), type);
}

/**
 * bch2_alloc_v4_value_to_text - state of a bucket, several lines
 * @out:	text sink
 * @a:		in current form, as bch2_alloc_to_v4() returns it
 *
 * Every line ends with a newline.
 */
void bch2_alloc_v4_value_to_text(struct printbuf *out, const struct bch_alloc_v4 *a)
{
	prt_printf(out, "gen %u oldest_gen %u data_type ", a->gen, a->oldest_gen);
	bch2_data_type_to_text(out, a->data_type);
	prt_newline(out);
	prt_printf(out, "journal_seq_nonempty %llu\n", (u64) le64_to_cpu(a->journal_seq_nonempty));
	prt_printf(out, "journal_seq_empty %llu\n", (u64) le64_to_cpu(a->journal_seq_empty));
	prt_printf(out, "need_discard %llu\n", BCH_ALLOC_V4_NEED_DISCARD(a));
	prt_printf(out, "need_inc_gen %llu\n", BCH_ALLOC_V4_NEED_INC_GEN(a));
	prt_printf(out, "dirty_sectors %u\n", le32_to_cpu(a->dirty_sectors));
	prt_printf(out, "stripe_sectors %u\n", le32_to_cpu(a->stripe_sectors));
	prt_printf(out, "cached_sectors %u\n", le32_to_cpu(a->cached_sectors));
	prt_printf(out, "stripe_refcount %u\n", le32_to_cpu(a->stripe_refcount));
	prt_printf(out, "io_time[READ] %llu\n", (u64) le64_to_cpu(a->io_time[0]));
	prt_printf(out, "io_time[WRITE] %llu\n", (u64) le64_to_cpu(a->io_time[1]));
}

/**
 * bch2_alloc_to_text - text of an alloc value of any layout
 * @out:	text sink
 * @c:		filesystem, may be NULL; adds what depends on the device
 * @k:		key, may be invalid
 */
void bch2_alloc_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	const struct bch_dev *ca = c ? bch2_dev(c, min_t(u64, k.k->p.inode, U32_MAX)) : NULL;
	struct bch_alloc_v4 a;

	bch2_alloc_to_v4(k, &a);

	prt_newline(out);
	printbuf_indent_add(out, 2);
	bch2_alloc_v4_value_to_text(out, &a);
	if (ca)
		prt_printf(out, "fragmented_sectors %lld\n",
			   alloc_sectors_fragmented(&a, ca->mi.bucket_size));
	printbuf_indent_sub(out, 2);
}
