// SPDX-License-Identifier: GPL-2.0
/*
 * Backpointers: positions, the value that a pointer calls for, validation, text
 * (spec 42 §6, §7).
 *
 * How far device addresses are shifted in positions cannot be told from the
 * superblock alone: kernels up to 1.28 shift by 10 whatever it says. Code that
 * looks entries up asks bch2_backpointer_shift_detect() once and passes the
 * answer on.
 */
#include <linux/math64.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "alloc/alloc_keys.h"
#include "alloc/backpointers.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "data/extents.h"
#include "data/reconcile.h"
#include "sb/members.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* Last version whose kernels ignore the superblock's shift. */
#define BACKPOINTER_SHIFT_IGNORED_UNTIL	BCH_VERSION(1, 28)

/* --- positions --- */

/**
 * bch2_backpointer_shift - the shift that the superblock asks for
 * @c:		filesystem
 *
 * Returns bits that a sector number is shifted left in positions. See
 * bch2_backpointer_shift_detect() for what entries really use.
 */
unsigned int bch2_backpointer_shift(const struct bch_fs *c)
{
	unsigned int shift = c->sb.extent_bp_shift;

	/* 44 bits of sector number leave at most 20 for the shift. */
	return shift && shift <= 20 ? shift : BACKPOINTER_SHIFT_DEFAULT;
}

static struct bpos ptr_backpointer_pos(const struct extent_ptr_decoded *p, unsigned int shift)
{
	return POS(EXTENT_PTR_DEV(&p->ptr),
		   (EXTENT_PTR_OFFSET(&p->ptr) << shift) + p->crc.offset);
}

/* Is there an entry of @btree at @pos? 1, 0 or an error. */
static int backpointer_present(struct btree_trans *trans, struct bpos pos, unsigned int btree)
{
	struct bch_backpointer v;
	int ret = bch2_bkey_get_val_typed(trans, BTREE_ID_backpointers, pos, 0,
					  backpointer, &v);

	if (bch2_err_matches(ret, ENOENT))
		return 0;
	return ret ?: v.btree_id == btree;
}

/**
 * bch2_backpointer_shift_detect - the shift that existing entries use
 * @trans:	transaction
 * @shift:	result, bits
 *
 * Looks up the entries of all btree roots with the superblock's shift and with
 * 10; more hits decide, the superblock wins a tie (spec 42 §6.1). Returns 0 or
 * an error from the btree.
 */
int bch2_backpointer_shift_detect(struct btree_trans *trans, unsigned int *shift)
{
	struct bch_fs *c = trans->c;
	unsigned int candidate[2] = { bch2_backpointer_shift(c), BACKPOINTER_SHIFT_DEFAULT };
	unsigned int hits[2] = { 0, 0 };

	*shift = candidate[0];
	if (candidate[0] == candidate[1])
		return 0;

	for (unsigned int id = 0; id < BTREE_ID_NR; id++) {
		const struct btree_root *r = &c->btree.roots[id];
		struct bkey_s_c k = bkey_i_to_s_c(&r->key);
		struct bkey_ptrs_c ptrs;
		const union bch_extent_entry *entry;
		struct extent_ptr_decoded p;

		if (!r->alive || r->key.k.u64s < BKEY_U64s)
			continue;

		ptrs = bch2_bkey_ptrs_c(k);
		bkey_for_each_ptr_decode(k.k, ptrs, p, entry)
			for (unsigned int i = 0; i < 2; i++) {
				int ret = backpointer_present(trans,
						ptr_backpointer_pos(&p, candidate[i]), id);
				if (ret < 0)
					return ret;
				hits[i] += ret;
			}
	}

	if (hits[1] > hits[0])
		*shift = candidate[1];
	return 0;
}

/**
 * bch2_bucket_backpointers_start - first position that belongs to a bucket
 * @bucket:		device and bucket number
 * @bucket_size:	sectors
 * @shift:		bits
 */
struct bpos bch2_bucket_backpointers_start(struct bpos bucket, unsigned int bucket_size,
					   unsigned int shift)
{
	return POS(bucket.inode, (bucket.offset * bucket_size) << shift);
}

/**
 * bch2_bucket_backpointers_end - last position that belongs to a bucket
 * @bucket:		device and bucket number
 * @bucket_size:	sectors
 * @shift:		bits
 */
struct bpos bch2_bucket_backpointers_end(struct bpos bucket, unsigned int bucket_size,
					 unsigned int shift)
{
	return POS(bucket.inode, (((bucket.offset + 1) * bucket_size) << shift) - 1);
}

/* --- what a pointer calls for --- */

/**
 * bch2_ptr_data_type - kind of data that a pointer stands for in its bucket
 * @k:		key of the pointer
 * @p:		pointer
 *
 * Not for the pointers of a stripe key, whose kind depends on the block.
 */
unsigned int bch2_ptr_data_type(const struct bkey *k, const struct extent_ptr_decoded *p)
{
	if (bch2_bkey_is_btree_ptr(k))
		return BCH_DATA_btree;
	if (p->has_ec)
		return BCH_DATA_stripe;
	return EXTENT_PTR_CACHED(&p->ptr) ? BCH_DATA_cached : BCH_DATA_user;
}

/* Entry of the reconcile_*_phys btrees that goes with a pointer (spec 53 §2.2). */
static unsigned int ptr_reconcile_phys(struct bch_fs *c, unsigned int level, struct bkey_s_c k,
				       unsigned int dev)
{
	unsigned int class = bch2_bkey_reconcile_class(c, k);
	const struct bch_dev *ca = bch2_dev(c, dev);

	if (level || class == RECONCILE_WORK_none || class == RECONCILE_WORK_pending || !ca)
		return 0;
	return ca->mi.rotational ? class : 0;
}

static struct backpointer_key stripe_block_backpointer(struct bch_fs *c, struct bkey_s_c k,
						       const struct extent_ptr_decoded *p,
						       unsigned int shift)
{
	const struct bch_stripe *s = bkey_val(k, stripe);
	bool parity = p->idx + s->nr_redundant >= s->nr_blocks;
	struct backpointer_key bp = {
		.pos = POS(EXTENT_PTR_DEV(&p->ptr),
			   ((EXTENT_PTR_OFFSET(&p->ptr) + le16_to_cpu(s->sectors)) << shift) - 1),
		.v = {
			.btree_id	= BTREE_ID_stripes,
			.data_type	= parity ? BCH_DATA_parity : BCH_DATA_user,
			.bucket_gen	= EXTENT_PTR_GEN(&p->ptr),
			.pos		= k.k->p,
		},
	};

	SET_BACKPOINTER_RECONCILE_PHYS(&bp.v, ptr_reconcile_phys(c, 0, k, bp.pos.inode));
	return bp;
}

/**
 * bch2_ptr_to_backpointer - the backpointer that must exist for a pointer
 * @c:		filesystem
 * @btree:	btree of the pointing key
 * @level:	level of the pointing key: 0 for data, 1 for pointers to leaves
 * @k:		pointing key: extent, reflink_v, stripe or node pointer
 * @p:		pointer of @k
 * @shift:	bits, bch2_backpointer_shift_detect()
 *
 * Spec 42 §6.1, §6.2, §7. A pointer without device and without stripe has none;
 * the caller skips those.
 */
struct backpointer_key bch2_ptr_to_backpointer(struct bch_fs *c, enum btree_id btree,
					       unsigned int level, struct bkey_s_c k,
					       const struct extent_ptr_decoded *p,
					       unsigned int shift)
{
	unsigned int dev = EXTENT_PTR_DEV(&p->ptr);
	struct backpointer_key bp;

	if (k.k->type == KEY_TYPE_stripe)
		return stripe_block_backpointer(c, k, p, shift);

	bp = (struct backpointer_key) {
		.pos = ptr_backpointer_pos(p, shift),
		.v = {
			.btree_id	= btree,
			.level		= level,
			.data_type	= bch2_ptr_data_type(k.k, p),
			.bucket_gen	= EXTENT_PTR_GEN(&p->ptr),
			.bucket_len	= cpu_to_le32(bch2_ptr_disk_sectors(c, k.k, p)),
			.pos		= k.k->p,
		},
	};

	SET_BACKPOINTER_RECONCILE_PHYS(&bp.v, ptr_reconcile_phys(c, level, k, dev));
	SET_BACKPOINTER_ERASURE_CODED(&bp.v, p->has_ec);
	if (p->has_ec && dev == BCH_SB_MEMBER_INVALID) {
		SET_BACKPOINTER_STRIPE_PTR(&bp.v, 1);
		bp.stripe_btree = true;
		bp.pos.inode = STRIPE_PTR_IDX(&p->ec) << 8 | STRIPE_PTR_BLOCK(&p->ec);
	}
	return bp;
}

/* --- validation --- */

/**
 * bch2_backpointer_validate - check a KEY_TYPE_backpointer key (spec 42 §6.2)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 32 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_backpointer_validate(struct bch_fs *c, struct bkey_s_c k,
			      struct bkey_validate_context from)
{
	const struct bch_backpointer *v = bkey_val(k, backpointer);
	int ret = 0;

	bkey_fsck_err_on(v->level > BTREE_MAX_DEPTH, c, backpointer_level_bad,
			 "level %u above %u", v->level, BTREE_MAX_DEPTH);
	bkey_fsck_err_on(k.k->p.inode == BCH_SB_MEMBER_INVALID, c, backpointer_dev_bad,
			 "backpointer of device %u, which is none", BCH_SB_MEMBER_INVALID);
fsck_err:
	return ret;
}

/* --- text --- */

/*
 * Which place the position means; nothing if the filesystem may have been
 * written with another shift than the superblock's.
 */
static void backpointer_place_to_text(struct printbuf *out, struct bch_fs *c,
				      const struct bkey *k, const struct bch_backpointer *v)
{
	const struct bch_dev *ca;
	unsigned int shift;
	u64 bucket;
	u32 offset;

	if (BACKPOINTER_STRIPE_PTR(v)) {
		prt_printf(out, "stripe %llu block %llu ", (u64) k->p.inode >> 8,
			   (u64) k->p.inode & 0xff);
		return;
	}

	if (!c)
		return;
	shift = bch2_backpointer_shift(c);
	ca = bch2_dev(c, min_t(u64, k->p.inode, U32_MAX));
	if (!ca || (shift != BACKPOINTER_SHIFT_DEFAULT &&
		    c->sb.version_upgrade_complete <= BACKPOINTER_SHIFT_IGNORED_UNTIL))
		return;

	bucket = sector_to_bucket_and_offset(ca, k->p.offset >> shift, &offset);
	prt_printf(out, "bucket %u:%llu:%u ", ca->dev_idx, bucket, offset);
}

/**
 * bch2_backpointer_to_text - text of a backpointer
 * @out:	text sink
 * @c:		filesystem, may be NULL; if not, the bucket is shown too
 * @k:		key, may be invalid
 */
void bch2_backpointer_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	static const char * const phys[] = { "", " hipri", " reconcile", " reconcile_3" };
	struct bch_backpointer v;

	bkey_val_copy(&v, k);

	backpointer_place_to_text(out, c, k.k, &v);
	bch2_btree_id_level_to_text(out, v.btree_id, v.level);
	prt_str(out, " data_type ");
	bch2_data_type_to_text(out, v.data_type);
	prt_printf(out, " gen %u len %u pos ", v.bucket_gen, le32_to_cpu(v.bucket_len));
	bch2_bpos_to_text(out, v.pos);
	prt_str(out, phys[BACKPOINTER_RECONCILE_PHYS(&v)]);
	if (BACKPOINTER_ERASURE_CODED(&v))
		prt_str(out, " erasure_coded");
}
