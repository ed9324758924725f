/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keys of the alloc btree: one per bucket, in four generations of layout.
 *
 * Every reader first turns a key into the current form with bch2_alloc_to_v4();
 * nothing outside alloc_keys.c looks at an older value. A missing key means the
 * all-zero value: free, generation 0 (spec 40 §2). The arithmetic over a bucket
 * (spec 40 §3.1, §3.6) lives here too, because validation needs it.
 */
#ifndef _BCACHEFS_ALLOC_ALLOC_KEYS_H
#define _BCACHEFS_ALLOC_ALLOC_KEYS_H

#include "bcachefs_format.h"

struct bch_fs;
struct bch_dev;
struct bkey_validate_context;
struct printbuf;

/* Generation gap at which an empty bucket may not be reused (spec 40 §3.4). */
#define BUCKET_GC_GEN_MAX		96

bool bch2_bucket_data_type_mismatch(unsigned int bucket, unsigned int ptr);

/* device and bucket as one number, as in index btrees: device << 48 | bucket */
static inline u64 bucket_to_u64(struct bpos bucket)
{
	return bucket.inode << 48 | (bucket.offset & ~(~0ULL << 48));
}

static inline struct bpos u64_to_bucket(u64 v)
{
	return POS(v >> 48, v & ~(~0ULL << 48));
}

/* Signed distance a - b of generations, modulo 256. */
static inline s8 gen_cmp(u8 a, u8 b)
{
	return (s8) (u8) (a - b);
}

static inline bool gen_after(u8 a, u8 b)
{
	return gen_cmp(a, b) > 0;
}

/* How far the bucket's generation is ahead of its oldest possible pointer. */
static inline u8 alloc_gc_gen(const struct bch_alloc_v4 *a)
{
	return a->gen - a->oldest_gen;
}

/* Sectors, spec 40 §3.6; @bucket_size in sectors. */
static inline s64 alloc_sectors_dirty(const struct bch_alloc_v4 *a)
{
	return (s64) le32_to_cpu(a->dirty_sectors) + le32_to_cpu(a->stripe_sectors);
}

static inline s64 alloc_sectors_total(const struct bch_alloc_v4 *a)
{
	return alloc_sectors_dirty(a) + le32_to_cpu(a->cached_sectors);
}

static inline s64 alloc_sectors(const struct bch_alloc_v4 *a)
{
	return a->data_type == BCH_DATA_cached
		? le32_to_cpu(a->cached_sectors)
		: alloc_sectors_dirty(a);
}

static inline s64 alloc_sectors_unstriped(const struct bch_alloc_v4 *a)
{
	return a->data_type == BCH_DATA_stripe ? le32_to_cpu(a->dirty_sectors) : 0;
}

s64 alloc_sectors_fragmented(const struct bch_alloc_v4 *a, unsigned int bucket_size);

enum bch_data_type alloc_data_type(const struct bch_alloc_v4 *a, unsigned int hint);

void bch2_alloc_to_v4(struct bkey_s_c k, struct bch_alloc_v4 *a);

void bch2_data_type_to_text(struct printbuf *out, unsigned int type);

int bch2_alloc_v1_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from);
int bch2_alloc_v2_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from);
int bch2_alloc_v3_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from);
int bch2_alloc_v4_validate(struct bch_fs *c, struct bkey_s_c k, struct bkey_validate_context from);
void bch2_alloc_v4_value_to_text(struct printbuf *out, const struct bch_alloc_v4 *a);
void bch2_alloc_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k);

#define bch2_bkey_ops_alloc ((struct bkey_ops) {		\
	.key_validate	= bch2_alloc_v1_validate,		\
	.val_to_text	= bch2_alloc_to_text,			\
	.trigger	= bch2_trigger_alloc,			\
	.min_val_size	= 8,					\
})

#define bch2_bkey_ops_alloc_v2 ((struct bkey_ops) {		\
	.key_validate	= bch2_alloc_v2_validate,		\
	.val_to_text	= bch2_alloc_to_text,			\
	.trigger	= bch2_trigger_alloc,			\
	.min_val_size	= 8,					\
})

#define bch2_bkey_ops_alloc_v3 ((struct bkey_ops) {		\
	.key_validate	= bch2_alloc_v3_validate,		\
	.val_to_text	= bch2_alloc_to_text,			\
	.trigger	= bch2_trigger_alloc,			\
	.min_val_size	= 16,					\
})

#define bch2_bkey_ops_alloc_v4 ((struct bkey_ops) {		\
	.key_validate	= bch2_alloc_v4_validate,		\
	.val_to_text	= bch2_alloc_to_text,			\
	.trigger	= bch2_trigger_alloc,			\
	.min_val_size	= 48,					\
})

#endif /* _BCACHEFS_ALLOC_ALLOC_KEYS_H */
