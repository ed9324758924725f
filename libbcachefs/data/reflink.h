/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared extents (spec 51): pointers to them in the extents btree, and the
 * reference counted values of the reflink btree.
 */
#ifndef _BCACHEFS_DATA_REFLINK_H
#define _BCACHEFS_DATA_REFLINK_H

#include "bcachefs_format.h"

struct bch_fs;
struct bkey_validate_context;
struct printbuf;

/* Indices of indirect extents have 56 bits. */
#define REFLINK_P_IDX_MAX		((1ULL << 56) - 1)

/* reflink_p, decoded; all in sectors of the reflink btree. */
struct reflink_p_range {
	u64			idx;		/* first sector of the data */
	u64			end;		/* behind the last sector of the data */
	u64			ref_start;	/* range on which references are held */
	u64			ref_end;
	bool			error;
	bool			may_update_options;
};

static inline bool bkey_is_indirect(const struct bkey *k)
{
	return k->type == KEY_TYPE_reflink_v || k->type == KEY_TYPE_indirect_inline_data;
}

void bch2_reflink_p_decode(struct bkey_s_c k, struct reflink_p_range *r);
u64 bch2_indirect_refcount(struct bkey_s_c k);

int bch2_reflink_p_validate(struct bch_fs *c, struct bkey_s_c k,
			    struct bkey_validate_context from);
void bch2_reflink_p_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);
int bch2_reflink_v_validate(struct bch_fs *c, struct bkey_s_c k,
			    struct bkey_validate_context from);
void bch2_reflink_v_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);
void bch2_indirect_inline_data_to_text(struct printbuf *out, struct bch_fs *c,
				       struct bkey_s_c k);

#define bch2_bkey_ops_reflink_p ((struct bkey_ops) {		\
	.key_validate	= bch2_reflink_p_validate,		\
	.val_to_text	= bch2_reflink_p_to_text,		\
	.trigger	= bch2_trigger_reflink_p,		\
	.min_val_size	= 16,					\
})

#define bch2_bkey_ops_reflink_v ((struct bkey_ops) {		\
	.key_validate	= bch2_reflink_v_validate,		\
	.val_to_text	= bch2_reflink_v_to_text,		\
	.trigger	= bch2_trigger_indirect,		\
	.min_val_size	= 8,					\
})

#define bch2_bkey_ops_indirect_inline_data ((struct bkey_ops) {	\
	.val_to_text	= bch2_indirect_inline_data_to_text,	\
	.trigger	= bch2_trigger_indirect,		\
	.min_val_size	= 8,					\
})

#endif /* _BCACHEFS_DATA_REFLINK_H */
