/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Values that describe data: pointer containers (extent, btree pointers, and the
 * pointer part of reflink_v and stripe), reservations, inline data, lost ranges
 * (spec 50). How the entries of a value are walked is in btree/extent_entries.h;
 * here is what they must look like, what they add up to, and how they are shown.
 */
#ifndef _BCACHEFS_DATA_EXTENTS_H
#define _BCACHEFS_DATA_EXTENTS_H

#include "bcachefs_format.h"
#include "btree/bkey_val.h"

struct bch_dev;
struct bch_extent_crc_unpacked;
struct bch_fs;
struct bkey_validate_context;
struct extent_ptr_decoded;
struct printbuf;

int bch2_bkey_ptrs_validate(struct bch_fs *c, struct bkey_s_c k,
			    struct bkey_validate_context from);
void bch2_extent_ptr_to_text(struct printbuf *out, struct bch_fs *c,
			     const struct bch_extent_ptr *ptr);
void bch2_bkey_ptrs_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

bool bch2_bkey_is_btree_ptr(const struct bkey *k);
bool bch2_bkey_is_direct_data(const struct bkey *k);
bool bch2_bkey_extent_is_allocation(const struct bkey *k);
bool bch2_bkey_is_unwritten(struct bch_fs *c, struct bkey_s_c k);
bool bch2_bkey_is_incompressible(struct bch_fs *c, struct bkey_s_c k);
bool bch2_bkey_is_poisoned(struct bch_fs *c, struct bkey_s_c k);
bool bch2_bkey_has_usable_ptr(struct bch_fs *c, struct bkey_s_c k, bool count_cached);
unsigned int bch2_bkey_nr_ptrs(struct bch_fs *c, struct bkey_s_c k);
unsigned int bch2_bkey_nr_dirty_ptrs(struct bch_fs *c, struct bkey_s_c k);
unsigned int bch2_bkey_nr_ptrs_allocated(struct bch_fs *c, struct bkey_s_c k);
unsigned int bch2_bkey_nr_ptrs_fully_allocated(struct bch_fs *c, struct bkey_s_c k);
unsigned int bch2_bkey_replicas(struct bch_fs *c, struct bkey_s_c k);
u64 bch2_bkey_sectors_compressed(struct bch_fs *c, struct bkey_s_c k);
u64 bch2_ptr_disk_sectors(struct bch_fs *c, const struct bkey *k,
			  const struct extent_ptr_decoded *p);
unsigned int bch2_ptr_durability_estimate(struct bch_fs *c, const struct extent_ptr_decoded *p);
unsigned int bch2_bkey_durability_estimate(struct bch_fs *c, struct bkey_s_c k);

struct bch_bytes bch2_bkey_inline_data(struct bkey_s_c k);
unsigned int bch2_bkey_error_kind(struct bkey_s_c k);
void bch2_inline_bytes_to_text(struct printbuf *out, struct bkey_s_c k);

void bch2_error_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);
void bch2_cookie_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);
void bch2_inline_data_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);
int bch2_btree_ptr_validate(struct bch_fs *c, struct bkey_s_c k,
			    struct bkey_validate_context from);
void bch2_btree_ptr_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);
int bch2_btree_ptr_v2_validate(struct bch_fs *c, struct bkey_s_c k,
			       struct bkey_validate_context from);
void bch2_btree_ptr_v2_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);
int bch2_reservation_validate(struct bch_fs *c, struct bkey_s_c k,
			      struct bkey_validate_context from);
void bch2_reservation_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);
bool bch2_set_merge(struct bch_fs *c, struct bkey_s l, struct bkey_s_c r);
bool bch2_reservation_merge(struct bch_fs *c, struct bkey_s l, struct bkey_s_c r);

#define bch2_bkey_ops_error ((struct bkey_ops) {		\
	.val_to_text	= bch2_error_to_text,			\
})

#define bch2_bkey_ops_cookie ((struct bkey_ops) {		\
	.val_to_text	= bch2_cookie_to_text,			\
	.min_val_size	= 8,					\
})

#define bch2_bkey_ops_inline_data ((struct bkey_ops) {		\
	.val_to_text	= bch2_inline_data_to_text,		\
})

#define bch2_bkey_ops_btree_ptr ((struct bkey_ops) {		\
	.key_validate	= bch2_btree_ptr_validate,		\
	.val_to_text	= bch2_btree_ptr_to_text,		\
	.trigger	= bch2_trigger_extent,			\
})

#define bch2_bkey_ops_btree_ptr_v2 ((struct bkey_ops) {		\
	.key_validate	= bch2_btree_ptr_v2_validate,		\
	.val_to_text	= bch2_btree_ptr_v2_to_text,		\
	.trigger	= bch2_trigger_extent,			\
	.min_val_size	= 40,					\
})

#define bch2_bkey_ops_extent ((struct bkey_ops) {		\
	.key_validate	= bch2_bkey_ptrs_validate,		\
	.val_to_text	= bch2_bkey_ptrs_to_text,		\
	.trigger	= bch2_trigger_extent,			\
})

#define bch2_bkey_ops_reservation ((struct bkey_ops) {		\
	.key_validate	= bch2_reservation_validate,		\
	.val_to_text	= bch2_reservation_to_text,		\
	.key_merge	= bch2_reservation_merge,		\
	.trigger	= bch2_trigger_reservation,		\
	.min_val_size	= 8,					\
})

/* Types that are nothing but their presence; emptiness is a generic rule. */
#define bch2_bkey_ops_deleted		((struct bkey_ops) { .min_val_size = 0 })
#define bch2_bkey_ops_whiteout		((struct bkey_ops) { .min_val_size = 0 })
#define bch2_bkey_ops_extent_whiteout	((struct bkey_ops) { .min_val_size = 0 })
#define bch2_bkey_ops_hash_whiteout	((struct bkey_ops) { .min_val_size = 0 })
#define bch2_bkey_ops_set		((struct bkey_ops) { .key_merge = bch2_set_merge })

#endif /* _BCACHEFS_DATA_EXTENTS_H */
