// SPDX-License-Identifier: GPL-2.0
/*
 * Text of values that describe data (spec 50 §13, 20 §15).
 *
 * One line per entry; a list of entries ends where an entry cannot be told
 * apart. Nothing here needs a valid key. Called through bch2_bkey_ops and by
 * other value types that contain pointers.
 */
#include <linux/array_size.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/extent_entries.h"
#include "data/extents.h"
#include "data/reconcile.h"
#include "sb/members.h"
#include "util/bpos.h"
#include "util/checksum.h"
#include "util/printbuf.h"

/* Bytes of inline data that are shown. */
#define INLINE_BYTES_SHOWN	32

static const char * const compression_type_names[] = {
#define x(nr, name)	[nr] = #name,
	BCH_COMPRESSION_TYPES(x)
#undef x
};

static const char * const entry_type_names[] = {
#define x(nr, name, words)	[nr] = #name,
	BCH_EXTENT_ENTRY_TYPES(x)
#undef x
};

/**
 * bch2_extent_ptr_to_text - where a pointer points
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @ptr:	pointer
 *
 * As bucket and offset if the device is known, else as sector.
 */
void bch2_extent_ptr_to_text(struct printbuf *out, struct bch_fs *c,
			     const struct bch_extent_ptr *ptr)
{
	unsigned int dev = EXTENT_PTR_DEV(ptr);
	const struct bch_dev *ca = c ? bch2_dev(c, dev) : NULL;
	unsigned int gen = EXTENT_PTR_GEN(ptr);
	u64 sector = EXTENT_PTR_OFFSET(ptr);

	if (ca) {
		u32 offset;
		u64 bucket = sector_to_bucket_and_offset(ca, sector, &offset);

		prt_printf(out, "%s %u:%llu:%u gen %u", ca->name, dev, bucket, offset, gen);
		if (ca->mi.durability != 1)
			prt_printf(out, " d=%u", ca->mi.durability);
	} else {
		prt_printf(out, "%u:%llu gen %u", dev, sector, gen);
	}

	if (EXTENT_PTR_CACHED(ptr))
		prt_str(out, " cached");
	if (EXTENT_PTR_UNWRITTEN(ptr))
		prt_str(out, " unwritten");
}

static void crc_to_text(struct printbuf *out, const struct bch_extent_crc_unpacked *crc)
{
	prt_printf(out, "c_size %u size %u offset %u nonce %u csum ",
		   crc->compressed_size, crc->uncompressed_size, crc->offset, crc->nonce);
	bch2_csum_type_to_text(out, crc->csum_type);
	prt_printf(out, " %llx:%llx  compress ", (u64) le64_to_cpu(crc->csum.hi),
		   (u64) le64_to_cpu(crc->csum.lo));
	prt_value_name(out, compression_type_names, ARRAY_SIZE(compression_type_names),
		       crc->compression_type);
}

static void extent_flags_to_text(struct printbuf *out, const struct bch_extent_flags *f)
{
	static const char * const names[] = {
#define x(nr, name)	[nr] = #name,
		BCH_EXTENT_FLAGS(x)
#undef x
		NULL
	};

	prt_bitflags(out, names, EXTENT_FLAGS_FLAGS(f));
}

static void entry_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k,
			  const union bch_extent_entry *e)
{
	unsigned int type = extent_entry_type(e);
	struct bch_extent_crc_unpacked crc;

	prt_newline(out);
	if (type >= ARRAY_SIZE(entry_type_names)) {
		prt_printf(out, "(unknown extent entry %016llx)", (u64) le64_to_cpu(e->word));
		return;
	}

	prt_printf(out, "%s: ", entry_type_names[type]);
	switch (type) {
	case BCH_EXTENT_ENTRY_ptr:
		bch2_extent_ptr_to_text(out, c, &e->ptr);
		break;
	case BCH_EXTENT_ENTRY_crc32:
	case BCH_EXTENT_ENTRY_crc64:
	case BCH_EXTENT_ENTRY_crc128:
		crc = bch2_extent_crc_unpack(k.k, e);
		crc_to_text(out, &crc);
		break;
	case BCH_EXTENT_ENTRY_stripe_ptr:
		prt_printf(out, "idx %llu block %llu", STRIPE_PTR_IDX(&e->stripe_ptr),
			   STRIPE_PTR_BLOCK(&e->stripe_ptr));
		break;
	case BCH_EXTENT_ENTRY_rebalance_v1:
		bch2_extent_rebalance_v1_to_text(out, c, &e->rebalance_v1);
		break;
	case BCH_EXTENT_ENTRY_flags:
		extent_flags_to_text(out, &e->flags);
		break;
	case BCH_EXTENT_ENTRY_reconcile:
		bch2_extent_reconcile_to_text(out, c, &e->reconcile);
		break;
	case BCH_EXTENT_ENTRY_reconcile_bp:
		prt_printf(out, "idx %llu", RECONCILE_BP_IDX(&e->reconcile_bp));
		break;
	}
}

/**
 * bch2_bkey_ptrs_to_text - durability and all entries, one per line
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_bkey_ptrs_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const union bch_extent_entry *e, *end = ptrs.start;

	prt_printf(out, "durability: %u ", bch2_bkey_durability_estimate(c, k));

	printbuf_indent_add(out, 2);
	bkey_extent_entry_for_each(ptrs, e) {
		entry_to_text(out, c, k, e);
		end = (const void *) ((const __le64 *) e + extent_entry_u64s(c, e));
	}
	if (end < ptrs.end) {
		prt_newline(out);
		prt_printf(out, "(unknown extent entry %016llx)", (u64) le64_to_cpu(end->word));
	}
	printbuf_indent_sub(out, 2);
}

/**
 * bch2_btree_ptr_to_text - text of a KEY_TYPE_btree_ptr value
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_btree_ptr_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	bch2_bkey_ptrs_to_text(out, c, k);
}

/**
 * bch2_btree_ptr_v2_to_text - text of a KEY_TYPE_btree_ptr_v2 value
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_btree_ptr_v2_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_btree_ptr_v2 v;

	bkey_val_copy(&v, k);

	prt_newline(out);
	printbuf_indent_add(out, 2);
	prt_printf(out, "seq %llx written %u min_key ", (u64) le64_to_cpu(v.seq),
		   le16_to_cpu(v.sectors_written));
	if (BTREE_PTR_RANGE_UPDATED(&v))
		prt_str(out, "R ");
	bch2_bpos_to_text(out, v.min_key);
	prt_str(out, " ");
	bch2_bkey_ptrs_to_text(out, c, k);
	printbuf_indent_sub(out, 2);
}

/**
 * bch2_reservation_to_text - text of a KEY_TYPE_reservation value
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_reservation_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_reservation v;

	bkey_val_copy(&v, k);
	prt_printf(out, "generation %u replicas %u", le32_to_cpu(v.generation), v.nr_replicas);
}

/**
 * bch2_inline_bytes_to_text - length and first bytes of inline data
 * @out:	text sink
 * @k:		key of type inline_data or indirect_inline_data
 */
void bch2_inline_bytes_to_text(struct printbuf *out, struct bkey_s_c k)
{
	struct bch_bytes b = bch2_bkey_inline_data(k);

	prt_printf(out, "datalen %u: ", b.len);
	prt_hex_bytes(out, b.p, min_t(unsigned int, b.len, INLINE_BYTES_SHOWN));
}

/**
 * bch2_inline_data_to_text - text of a KEY_TYPE_inline_data value
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key
 */
void bch2_inline_data_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	bch2_inline_bytes_to_text(out, k);
}

/**
 * bch2_error_to_text - why the data of a range was given up
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key of type error
 */
void bch2_error_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	static const char * const kinds[] = {
#define x(nr, name)	[nr] = #name,
		BCH_KEY_ERRORS(x)
#undef x
	};

	prt_value_name(out, kinds, ARRAY_SIZE(kinds), bch2_bkey_error_kind(k));
}

/**
 * bch2_cookie_to_text - text of a KEY_TYPE_cookie value
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_cookie_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_cookie v;

	bkey_val_copy(&v, k);
	prt_printf(out, "%llu", (u64) le64_to_cpu(v.cookie));
}
