// SPDX-License-Identifier: GPL-2.0
/*
 * Walking the entries of values that point to data (spec 50 sections 2 to 4).
 *
 * Invariant: nothing outside [start, end) of a value is looked at, whatever the
 * value holds, and every walk moves forward by at least one word. Any floor may
 * call this; validation of what the entries mean is done above.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/extent_entries.h"

/*
 * First and last byte of the entries in the value of @k: values shorter than
 * their header have none.
 */
static void ptrs_bounds(struct bkey_s_c k, size_t *start, size_t *end)
{
	const struct bch_stripe *s = (const void *) k.v;
	const size_t bytes = k.k->u64s >= BKEY_U64s ? bkey_val_bytes(k.k) : 0;

	*start = 0;
	*end = bytes;
	switch (k.k->type) {
	case KEY_TYPE_btree_ptr:
	case KEY_TYPE_extent:
		return;
	case KEY_TYPE_btree_ptr_v2:
		*start = sizeof(struct bch_btree_ptr_v2);
		break;
	case KEY_TYPE_reflink_v:
		*start = sizeof(struct bch_reflink_v);
		break;
	case KEY_TYPE_stripe:
		*start = sizeof(*s);
		if (bytes >= sizeof(*s))
			*end = min_t(size_t, bytes,
				     sizeof(*s) + s->nr_blocks * sizeof(struct bch_extent_ptr));
		break;
	default:
		*end = 0;
	}
	if (*start > *end)
		*start = *end;
}

/**
 * bch2_bkey_ptrs_c - entries of the value of @k, any key
 *
 * Types that only the superblock tells the size of end the walk; use
 * bch2_bkey_ptrs_c_fs() where the filesystem is at hand. Empty for types that
 * hold no entries. Spec 50 section 2.
 */
struct bkey_ptrs_c bch2_bkey_ptrs_c(struct bkey_s_c k)
{
	const u8 *v = (const u8 *) k.v;
	size_t start, end;

	ptrs_bounds(k, &start, &end);
	return (struct bkey_ptrs_c) {
		.start		= (const void *) (v + start),
		.end		= (const void *) (v + end),
		.types_known	= BCH_EXTENT_ENTRY_NR,
	};
}

/**
 * bch2_bkey_ptrs_c_fs - the same, stepping over types that @c's superblock knows
 *
 * @c may be NULL. Spec 50 section 2.1.
 */
struct bkey_ptrs_c bch2_bkey_ptrs_c_fs(const struct bch_fs *c, struct bkey_s_c k)
{
	struct bkey_ptrs_c p = bch2_bkey_ptrs_c(k);

	if (c && c->extent_types_known > BCH_EXTENT_ENTRY_NR) {
		p.sizes		= c->extent_type_u64s;
		p.types_known	= min_t(unsigned int, c->extent_types_known,
					ARRAY_SIZE(c->extent_type_u64s));
	}
	return p;
}

/**
 * extent_entry_u64s - size in words of entry @e; 0 if its type is unknown
 *
 * Says nothing about how much room is left in the value. @c may be NULL.
 */
unsigned int extent_entry_u64s(const struct bch_fs *c, const union bch_extent_entry *e)
{
	const unsigned int type = extent_entry_type(e);

	if (type < BCH_EXTENT_ENTRY_NR)
		return bch_extent_entry_words(type);
	return c && type < c->extent_types_known && type < ARRAY_SIZE(c->extent_type_u64s)
		? c->extent_type_u64s[type] : 0;
}

/**
 * bch2_extent_entries_check - can all entries of a value be told apart?
 * @p:		the entries
 * @bad_type:	if they cannot: type of the offending entry; may be NULL
 *
 * Spec 50 section 2.
 */
enum extent_entries_verdict bch2_extent_entries_check(const struct bkey_ptrs_c *p,
						      unsigned int *bad_type)
{
	const union bch_extent_entry *e = p->start;

	while (e < p->end) {
		const unsigned int type = extent_entry_type(e);

		if (!extent_entry_valid(p, e)) {
			if (bad_type)
				*bad_type = type;
			return extent_entry_type_u64s(p, type)
				? EXTENT_ENTRIES_overrun : EXTENT_ENTRIES_unknown_type;
		}
		e = (const void *) ((const __le64 *) e + extent_entry_type_u64s(p, type));
	}
	return EXTENT_ENTRIES_ok;
}

/**
 * bch2_extent_crc_default - what holds before the first checksum entry of @k
 *
 * No checksum, not compressed, all sizes those of the key (spec 50 section 4).
 */
struct bch_extent_crc_unpacked bch2_extent_crc_default(const struct bkey *k)
{
	return (struct bch_extent_crc_unpacked) {
		.compressed_size	= k->size,
		.uncompressed_size	= k->size,
		.live_size		= k->size,
	};
}

/**
 * bch2_extent_crc_unpack - fields of a checksum entry of key @k
 * @k:		the key, for the live size
 * @e:		a whole entry; NULL or another type gives the defaults
 */
struct bch_extent_crc_unpacked bch2_extent_crc_unpack(const struct bkey *k,
						      const union bch_extent_entry *e)
{
	struct bch_extent_crc_unpacked c = bch2_extent_crc_default(k);

#define UNPACK_COMMON(PFX, p)						\
	c.compressed_size	= PFX##_COMPRESSED_SIZE(p) + 1;		\
	c.uncompressed_size	= PFX##_UNCOMPRESSED_SIZE(p) + 1;	\
	c.offset		= PFX##_OFFSET(p);			\
	c.csum_type		= PFX##_CSUM_TYPE(p);			\
	c.compression_type	= PFX##_COMPRESSION_TYPE(p)

	switch (e ? extent_entry_type(e) : BCH_EXTENT_ENTRY_NR) {
	case BCH_EXTENT_ENTRY_crc32:
		UNPACK_COMMON(CRC32, &e->crc32);
		c.csum.lo	= cpu_to_le64(le32_to_cpu(e->crc32.csum));
		break;
	case BCH_EXTENT_ENTRY_crc64:
		UNPACK_COMMON(CRC64, &e->crc64);
		c.nonce		= CRC64_NONCE(&e->crc64);
		c.csum.lo	= e->crc64.csum_lo;
		c.csum.hi	= cpu_to_le64(CRC64_CSUM_HI(&e->crc64));
		break;
	case BCH_EXTENT_ENTRY_crc128:
		UNPACK_COMMON(CRC128, &e->crc128);
		c.nonce		= CRC128_NONCE(&e->crc128);
		c.csum		= e->crc128.csum;
		break;
	}
#undef UNPACK_COMMON
	return c;
}

/** bch2_extent_ptr_decode_start - begin a walk over the pointers of @k */
void bch2_extent_ptr_decode_start(const struct bkey *k, struct extent_ptr_decoded *d)
{
	memset(d, 0, sizeof(*d));
	d->crc	= bch2_extent_crc_default(k);
	d->idx	= U8_MAX;
}

/**
 * bch2_extent_ptr_decode_next - the next pointer and what applies to it
 * @k:		the key
 * @p:		its entries
 * @d:		in: the pointer before; out: this one
 * @e:		in: entry of the pointer before, or NULL; out: this one's
 *
 * Returns false when there is none left. Spec 50 section 4.
 */
bool bch2_extent_ptr_decode_next(const struct bkey *k, const struct bkey_ptrs_c *p,
				 struct extent_ptr_decoded *d,
				 const union bch_extent_entry **e)
{
	const union bch_extent_entry *i = *e
		? extent_entry_next(p, *e) : extent_entry_valid(p, p->start);

	d->has_ec = false;
	for (; i; i = extent_entry_next(p, i)) {
		if (extent_entry_is_ptr(i)) {
			d->ptr = i->ptr;
			d->idx++;
			*e = i;
			return true;
		}
		if (extent_entry_is_stripe_ptr(i)) {
			d->ec		= i->stripe_ptr;
			d->has_ec	= true;
		} else if (extent_entry_is_crc(i)) {
			d->crc		= bch2_extent_crc_unpack(k, i);
		}
	}
	return false;
}

/** bch2_bkey_ptrs_nr - number of pointers that can be reached in the value of @k */
unsigned int bch2_bkey_ptrs_nr(struct bkey_s_c k)
{
	struct bkey_ptrs_c p = bch2_bkey_ptrs_c(k);
	const struct bch_extent_ptr *ptr;
	unsigned int nr = 0;

	bkey_for_each_ptr(p, ptr)
		nr++;
	return nr;
}

/**
 * bch2_btree_ptr_info - what a btree pointer says about its child
 * @k:		any key; the value is not trusted to be long enough
 *
 * Spec 20 section 7.
 */
struct btree_ptr_info bch2_btree_ptr_info(const struct bkey_i *k)
{
	const struct bch_btree_ptr_v2 *v = (const void *) &k->v;

	if (k->k.type != KEY_TYPE_btree_ptr_v2 ||
	    k->k.u64s < BKEY_U64s + sizeof(*v) / sizeof(u64))
		return (struct btree_ptr_info) { .min_key = POS_MIN };

	return (struct btree_ptr_info) {
		.v2			= true,
		.seq			= le64_to_cpu(v->seq),
		.sectors_written	= le16_to_cpu(v->sectors_written),
		.range_updated		= BTREE_PTR_RANGE_UPDATED(v),
		.min_key		= v->min_key,
	};
}
