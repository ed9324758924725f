// SPDX-License-Identifier: GPL-2.0
/*
 * Validation of pointer containers, node pointers and reservations (spec 50 §9,
 * §10).
 *
 * Entries are checked in the order in which they stand; the state carried from
 * one to the next is struct ptrs_check. A key that passes can be walked without
 * meeting an entry that cannot be told apart. Called through bch2_bkey_ops.
 */
#include <linux/bitmap.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/extent_entries.h"
#include "data/extents.h"
#include "data/reconcile.h"
#include "sb/members.h"
#include "util/bpos.h"

/* What has been seen of a key so far. */
struct ptrs_check {
	struct bch_fs		*c;	/* may be NULL */
	struct bkey_s_c		k;
	bool			node;	/* pointer to a btree node */
	unsigned int		size_ondisk;	/* sectors of the next pointer's copy */
	unsigned int		nr_ptrs;
	unsigned int		nonce;	/* offset + nonce of the first encrypted crc */
	bool			have_nonce;
	bool			crc_pending;	/* crc entry without pointer so far */
	bool			have_ec;	/* stripe_ptr without pointer so far */
	bool			have_written;
	bool			have_unwritten;
	bool			any_unwritten;	/* the same, placeholders included */
	DECLARE_BITMAP(devs, 256);
};

/* Does the pointer address a place that its device has? */
static int ptr_place_validate(struct ptrs_check *s, struct bkey_validate_context from,
			      const struct bch_extent_ptr *ptr)
{
	struct bkey_s_c k = s->k;
	const struct bch_dev *ca = s->c ? bch2_dev(s->c, EXTENT_PTR_DEV(ptr)) : NULL;
	u64 bucket;
	u32 offset;
	int ret = 0;

	if (!ca)
		return 0;

	bucket = sector_to_bucket_and_offset(ca, EXTENT_PTR_OFFSET(ptr), &offset);
	bkey_fsck_err_on(bucket >= ca->mi.nbuckets, s->c, ptr_after_last_bucket,
			 "pointer to bucket %llu of device %u, which has %llu",
			 bucket, ca->dev_idx, ca->mi.nbuckets);
	bkey_fsck_err_on(bucket < ca->mi.first_bucket, s->c, ptr_before_first_bucket,
			 "pointer to bucket %llu of device %u, whose first is %u",
			 bucket, ca->dev_idx, ca->mi.first_bucket);
	bkey_fsck_err_on((u64) offset + s->size_ondisk > ca->mi.bucket_size, s->c,
			 ptr_spans_multiple_buckets,
			 "%u sectors at offset %u of a bucket of %u",
			 s->size_ondisk, offset, ca->mi.bucket_size);
fsck_err:
	return ret;
}

static int ptr_validate(struct ptrs_check *s, struct bkey_validate_context from,
			const struct bch_extent_ptr *ptr)
{
	unsigned int dev = EXTENT_PTR_DEV(ptr);
	bool have_ec = s->have_ec;
	struct bkey_s_c k = s->k;
	int ret = 0;

	s->nr_ptrs++;
	s->crc_pending = false;
	s->have_ec = false;
	s->any_unwritten |= EXTENT_PTR_UNWRITTEN(ptr);

	if (dev != BCH_SB_MEMBER_INVALID) {
		if (EXTENT_PTR_UNWRITTEN(ptr))
			s->have_unwritten = true;
		else
			s->have_written = true;

		bkey_fsck_err_on(test_bit(dev, s->devs), s->c, ptr_to_duplicate_device,
				 "two pointers to device %u", dev);
		__set_bit(dev, s->devs);

		ret = ptr_place_validate(s, from, ptr);
		if (ret)
			return ret;
	}

	bkey_fsck_err_on(EXTENT_PTR_CACHED(ptr) && have_ec, s->c, ptr_cached_and_erasure_coded,
			 "pointer to device %u is both cached and part of a stripe", dev);
fsck_err:
	return ret;
}

/*
 * A type that no filesystem has, or one that this filesystem's data cannot
 * have. Without its key an encrypted filesystem cannot be judged.
 */
static bool csum_type_bad(const struct bch_fs *c, unsigned int type)
{
	if (type >= BCH_CSUM_NR)
		return true;
	return c && bch2_csum_type_is_encryption(type) && !c->has_key && !c->sb.encryption_type;
}

static int crc_sizes_validate(struct ptrs_check *s, struct bkey_validate_context from,
			      const struct bch_extent_crc_unpacked *crc)
{
	struct bkey_s_c k = s->k;
	int ret = 0;

	bkey_fsck_err_on((u64) crc->offset + crc->live_size > crc->uncompressed_size, s->c,
			 ptr_crc_uncompressed_size_too_small,
			 "%u live sectors at offset %u of an extent of %u",
			 crc->live_size, crc->offset, crc->uncompressed_size);
	bkey_fsck_err_on((from.flags & (BCH_VALIDATE_write|BCH_VALIDATE_commit)) && s->c &&
			 crc_is_encoded(crc) &&
			 crc->uncompressed_size > 1U << s->c->encoded_extent_max_bits, s->c,
			 ptr_crc_uncompressed_size_too_big,
			 "encoded extent of %u sectors, at most %u are allowed",
			 crc->uncompressed_size, 1U << s->c->encoded_extent_max_bits);
	bkey_fsck_err_on(!crc_is_compressed(crc) &&
			 crc->compressed_size != crc->uncompressed_size, s->c,
			 ptr_crc_uncompressed_size_mismatch,
			 "not compressed, but %u sectors on disk and %u in memory",
			 crc->compressed_size, crc->uncompressed_size);
fsck_err:
	return ret;
}

static int crc_validate(struct ptrs_check *s, struct bkey_validate_context from,
			const union bch_extent_entry *e)
{
	struct bch_extent_crc_unpacked crc = bch2_extent_crc_unpack(s->k.k, e);
	struct bkey_s_c k = s->k;
	int ret = 0;

	bkey_fsck_err_on(csum_type_bad(s->c, crc.csum_type), s->c, ptr_crc_csum_type_unknown,
			 "checksum type %u", crc.csum_type);
	bkey_fsck_err_on(crc.compression_type >= BCH_COMPRESSION_TYPE_NR, s->c,
			 ptr_crc_compression_type_unknown, "compression type %u",
			 crc.compression_type);

	ret = crc_sizes_validate(s, from, &crc);
	if (ret)
		return ret;

	if (bch2_csum_type_is_encryption(crc.csum_type)) {
		bkey_fsck_err_on(s->have_nonce && s->nonce != crc.offset + crc.nonce, s->c,
				 ptr_crc_nonce_mismatch,
				 "nonce %u and offset %u do not add up to %u",
				 crc.nonce, crc.offset, s->nonce);
		s->have_nonce = true;
		s->nonce = crc.offset + crc.nonce;
	}

	bkey_fsck_err_on(s->crc_pending, s->c, ptr_crc_redundant,
			 "two checksum entries without a pointer between them");
	s->crc_pending = true;
	s->size_ondisk = crc.compressed_size;
fsck_err:
	return ret;
}

static int entry_validate(struct ptrs_check *s, struct bkey_validate_context from,
			  const union bch_extent_entry *e, bool first)
{
	unsigned int type = extent_entry_type(e);
	struct bkey_s_c k = s->k;
	int ret = 0;

	bkey_fsck_err_on(s->node && type < BCH_EXTENT_ENTRY_NR &&
			 type != BCH_EXTENT_ENTRY_ptr &&
			 type != BCH_EXTENT_ENTRY_reconcile &&
			 type != BCH_EXTENT_ENTRY_reconcile_bp, s->c, btree_ptr_has_non_ptr,
			 "entry of type %u in a pointer to a btree node", type);

	switch (type) {
	case BCH_EXTENT_ENTRY_ptr:
		return ptr_validate(s, from, &e->ptr);
	case BCH_EXTENT_ENTRY_crc32:
	case BCH_EXTENT_ENTRY_crc64:
	case BCH_EXTENT_ENTRY_crc128:
		return crc_validate(s, from, e);
	case BCH_EXTENT_ENTRY_stripe_ptr:
		bkey_fsck_err_on(s->have_ec, s->c, ptr_stripe_redundant,
				 "two stripe entries without a pointer between them");
		s->have_ec = true;
		break;
	case BCH_EXTENT_ENTRY_reconcile:
		return bch2_extent_reconcile_validate(s->c, k, from, &e->reconcile);
	case BCH_EXTENT_ENTRY_flags:
		bkey_fsck_err_on(!first, s->c, extent_flags_not_at_start,
				 "flags are not the first entry");
		break;
	}
fsck_err:
	return ret;
}

/* Rules about the key as a whole, once all entries were seen. */
static int ptrs_finish(struct ptrs_check *s, struct bkey_validate_context from)
{
	bool commit = from.flags & BCH_VALIDATE_commit;
	struct bkey_s_c k = s->k;
	int ret = 0;

	bkey_fsck_err_on(!s->nr_ptrs, s->c, extent_ptrs_no_ptrs, "no pointers");
	bkey_fsck_err_on(s->nr_ptrs > BCH_BKEY_PTRS_MAX, s->c, extent_ptrs_too_many_ptrs,
			 "%u pointers, at most %u are allowed", s->nr_ptrs, BCH_BKEY_PTRS_MAX);
	bkey_fsck_err_on(s->have_written && s->have_unwritten, s->c,
			 extent_ptrs_written_and_unwritten,
			 "both written and unwritten pointers");
	bkey_fsck_err_on(k.k->type != KEY_TYPE_extent && s->any_unwritten, s->c,
			 extent_ptrs_unwritten, "unwritten pointer in a key that is no extent");
	bkey_fsck_err_on(s->crc_pending, s->c, extent_ptrs_redundant_crc,
			 "checksum entry behind the last pointer");
	bkey_fsck_err_on(s->have_ec, s->c, extent_ptrs_redundant_stripe,
			 "stripe entry behind the last pointer");
	bkey_fsck_err_on(!s->node && !bch2_bkey_has_usable_ptr(s->c, k, !commit), s->c,
			 extent_ptrs_all_invalid, "no pointer names a device or a stripe");
fsck_err:
	return ret;
}

/**
 * bch2_bkey_ptrs_validate - check the entries of any pointer container
 * @c:		filesystem, may be NULL: then places on devices are not checked
 * @k:		extent, reflink_v, stripe or node pointer
 * @from:	where the key is from
 *
 * Spec 50 §10. Pointers to devices that do not exist are not an error here.
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_bkey_ptrs_validate(struct bch_fs *c, struct bkey_s_c k,
			    struct bkey_validate_context from)
{
	struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(c, k);
	const union bch_extent_entry *e;
	struct ptrs_check s = {
		.c	= c,
		.k	= k,
		.node	= bch2_bkey_is_btree_ptr(k.k),
	};
	unsigned int bad_type = 0;
	int ret = 0;

	s.size_ondisk = !s.node ? k.k->size : c ? c->opts.btree_node_size >> 9 : 0;

	bkey_extent_entry_for_each(ptrs, e) {
		ret = entry_validate(&s, from, e, e == ptrs.start);
		if (ret)
			return ret;
	}

	switch (bch2_extent_entries_check(&ptrs, &bad_type)) {
	case EXTENT_ENTRIES_ok:
		return ptrs_finish(&s, from);
	case EXTENT_ENTRIES_unknown_type:
		bkey_fsck_err(c, extent_ptrs_invalid_entry,
			      "entry of unknown type %u, %u types are known",
			      bad_type, ptrs.types_known);
	case EXTENT_ENTRIES_overrun:
		bkey_fsck_err(c, extent_ptrs_invalid_entry,
			      "entry of type %u runs past the end of the value", bad_type);
	}
fsck_err:
	return ret;
}

/**
 * bch2_btree_ptr_validate - check a KEY_TYPE_btree_ptr (spec 50 §9)
 * @c:		filesystem, may be NULL
 * @k:		key
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_btree_ptr_validate(struct bch_fs *c, struct bkey_s_c k,
			    struct bkey_validate_context from)
{
	int ret = 0;

	bkey_fsck_err_on(bkey_val_u64s(k.k) > BTREE_PTR_VAL_U64s_MAX, c, btree_ptr_val_too_big,
			 "value has %u words, at most %u are allowed",
			 bkey_val_u64s(k.k), BTREE_PTR_VAL_U64s_MAX);
	return bch2_bkey_ptrs_validate(c, k, from);
fsck_err:
	return ret;
}

/**
 * bch2_btree_ptr_v2_validate - check a KEY_TYPE_btree_ptr_v2 (spec 50 §9)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 40 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_btree_ptr_v2_validate(struct bch_fs *c, struct bkey_s_c k,
			       struct bkey_validate_context from)
{
	const struct bch_btree_ptr_v2 *v = bkey_val(k, btree_ptr_v2);
	int ret = 0;

	bkey_fsck_err_on(bkey_val_u64s(k.k) > BKEY_BTREE_PTR_VAL_U64s_MAX, c,
			 btree_ptr_v2_val_too_big, "value has %u words, at most %u are allowed",
			 bkey_val_u64s(k.k), BKEY_BTREE_PTR_VAL_U64s_MAX);
	bkey_fsck_err_on(bpos_ge(v->min_key, k.k->p), c, btree_ptr_v2_min_key_bad,
			 "min_key is not below the position");
	bkey_fsck_err_on((from.flags & BCH_VALIDATE_write) && c &&
			 c->sb.version_min >= BCH_VERSION(0, 14) && !v->sectors_written, c,
			 btree_ptr_v2_written_0, "sectors_written is 0");
	return bch2_bkey_ptrs_validate(c, k, from);
fsck_err:
	return ret;
}

/**
 * bch2_reservation_validate - check a KEY_TYPE_reservation (spec 50 §7.1)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 8 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_reservation_validate(struct bch_fs *c, struct bkey_s_c k,
			      struct bkey_validate_context from)
{
	unsigned int nr = bkey_val(k, reservation)->nr_replicas;
	int ret = 0;

	bkey_fsck_err_on(!nr || nr > BCH_REPLICAS_MAX, c, reservation_key_nr_replicas_invalid,
			 "reservation for %u replicas, must be 1 to %u", nr, BCH_REPLICAS_MAX);
fsck_err:
	return ret;
}
