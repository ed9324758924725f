// SPDX-License-Identifier: GPL-2.0
/*
 * Shared extents: decoding, validation, text (spec 51).
 *
 * A reflink_p refers to a range of the reflink btree that may be larger than its
 * data: references are held on all of it. The range never starts below 0 in a
 * valid key and is cut there in an invalid one.
 */
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "data/extents.h"
#include "data/reflink.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/**
 * bch2_reflink_p_decode - ranges of the reflink btree that a key refers to
 * @k:		key of type reflink_p, may be invalid
 * @r:		result
 */
void bch2_reflink_p_decode(struct bkey_s_c k, struct reflink_p_range *r)
{
	struct bch_reflink_p v;

	bkey_val_copy(&v, k);

	r->idx			= REFLINK_P_IDX(&v);
	r->end			= r->idx + k.k->size;
	r->ref_start		= r->idx - min_t(u64, r->idx, le32_to_cpu(v.front_pad));
	r->ref_end		= r->end + le32_to_cpu(v.back_pad);
	r->error		= REFLINK_P_ERROR(&v);
	r->may_update_options	= REFLINK_P_MAY_UPDATE_OPTIONS(&v);
}

/**
 * bch2_indirect_refcount - references to an indirect extent
 * @k:		key of type reflink_v or indirect_inline_data; 0 for others
 */
u64 bch2_indirect_refcount(struct bkey_s_c k)
{
	struct bch_reflink_v v;

	if (!bkey_is_indirect(k.k))
		return 0;
	bkey_val_copy(&v, k);
	return le64_to_cpu(v.refcount);
}

/**
 * bch2_reflink_p_validate - check a KEY_TYPE_reflink_p (spec 51 §3)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 16 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_reflink_p_validate(struct bch_fs *c, struct bkey_s_c k,
			    struct bkey_validate_context from)
{
	const struct bch_reflink_p *v = bkey_val(k, reflink_p);
	u64 idx = REFLINK_P_IDX(v);
	int ret = 0;

	bkey_fsck_err_on(idx < le32_to_cpu(v->front_pad), c, reflink_p_front_pad_bad,
			 "front pad %u exceeds idx %llu", le32_to_cpu(v->front_pad), idx);
fsck_err:
	return ret;
}

/**
 * bch2_reflink_v_validate - check a KEY_TYPE_reflink_v (spec 51 §3)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 8 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_reflink_v_validate(struct bch_fs *c, struct bkey_s_c k,
			    struct bkey_validate_context from)
{
	int ret = 0;

	bkey_fsck_err_on(bkey_gt(k.k->p, POS(0, REFLINK_P_IDX_MAX)), c, reflink_v_pos_bad,
			 "indirect extent beyond 0:%llu", REFLINK_P_IDX_MAX);
	return bch2_bkey_ptrs_validate(c, k, from);
fsck_err:
	return ret;
}

/**
 * bch2_reflink_p_to_text - text of a KEY_TYPE_reflink_p value
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_reflink_p_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_reflink_p v;

	bkey_val_copy(&v, k);
	prt_printf(out, "idx %llu front_pad %u back_pad %u", REFLINK_P_IDX(&v),
		   le32_to_cpu(v.front_pad), le32_to_cpu(v.back_pad));
	if (REFLINK_P_ERROR(&v))
		prt_str(out, " error");
	if (REFLINK_P_MAY_UPDATE_OPTIONS(&v))
		prt_str(out, " may_update_opts");
}

/**
 * bch2_reflink_v_to_text - text of a KEY_TYPE_reflink_v value
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_reflink_v_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	prt_printf(out, "refcount: %llu ", bch2_indirect_refcount(k));
	bch2_bkey_ptrs_to_text(out, c, k);
}

/**
 * bch2_indirect_inline_data_to_text - text of a KEY_TYPE_indirect_inline_data value
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_indirect_inline_data_to_text(struct printbuf *out, struct bch_fs *c,
				       struct bkey_s_c k)
{
	prt_printf(out, "refcount %llu ", bch2_indirect_refcount(k));
	bch2_inline_bytes_to_text(out, k);
}
