/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The table of buckets that are held open for writing (spec 40 3.3, 4.4). While
 * a bucket is open nobody else is given it, it is not discarded, and its
 * generation does not advance.
 *
 * Slot numbers are what owners keep (struct open_bucket_refs); each one stands
 * for one count of the slot's pin. All functions may be called from any thread;
 * only the table's own spinlock is taken.
 */
#ifndef _BCACHEFS_ALLOC_OPEN_BUCKETS_H
#define _BCACHEFS_ALLOC_OPEN_BUCKETS_H

#include "bcachefs.h"

/* --- the table --- */

int bch2_fs_open_buckets_init(struct bch_fs *c);
void bch2_fs_open_buckets_exit(struct bch_fs *c);

static inline struct open_bucket *bch2_open_bucket(struct bch_fs *c, unsigned slot)
{
	return c->alloc.ob + slot;
}

unsigned bch2_open_buckets_slots_reserved(enum bch_watermark watermark);

/* Is the bucket open? Ask with its alloc key locked if the answer is to last. */
bool bch2_open_bucket_is_open(struct bch_fs *c, unsigned dev, u64 bucket);
/* Discard the bucket at once when it is closed; false: it is not open. */
bool bch2_open_bucket_set_fast_discard(struct bch_fs *c, unsigned dev, u64 bucket);

/* Open a bucket; ERR_PTR: open_buckets_empty, or -EEXIST if it is open already. */
struct open_bucket *bch2_open_bucket_get(struct bch_fs *c, struct bch_dev *ca, u64 bucket,
					 u8 gen, enum bch_data_type data_type,
					 enum bch_watermark watermark);
void bch2_open_bucket_put(struct bch_fs *c, struct open_bucket *ob);

/* --- sets of slots --- */

static inline u16 bch2_open_bucket_slot(struct bch_fs *c, const struct open_bucket *ob)
{
	return ob - c->alloc.ob;
}

/* Let go of all of @refs and empty it. = c->up.open_buckets_put */
void bch2_open_buckets_put(struct bch_fs *c, struct open_bucket_refs *refs);
/* One more count for each of @src, added to @dst. */
void bch2_open_buckets_copy(struct bch_fs *c, struct open_bucket_refs *dst,
			    const struct open_bucket_refs *src);

/* --- buckets with room left --- */

void bch2_open_bucket_put_partial(struct bch_fs *c, struct open_bucket *ob);
struct open_bucket *bch2_open_bucket_get_partial(struct bch_fs *c, struct bch_dev *ca,
						 enum bch_data_type data_type);
/* Close those of @ca (NULL: of all devices). */
void bch2_open_buckets_drop_partial(struct bch_fs *c, struct bch_dev *ca);

/* --- waiting for free buckets and slots --- */

/* Stamp to take before trying: bch2_alloc_wait() sees what is freed after it. */
static inline int bch2_alloc_stamp(struct bch_fs *c)
{
	return atomic_read(&c->alloc.freed);
}

/* Something became free. The alloc trigger calls it when a bucket becomes free. */
void bch2_alloc_wake(struct bch_fs *c);
/* Sleep until something was freed after @stamp, at most @timeout jiffies: false. */
bool bch2_alloc_wait(struct bch_fs *c, int stamp, long timeout);

/* Wait until no bucket of @ca (NULL: of any device) is open. */
void bch2_open_buckets_wait_closed(struct bch_fs *c, struct bch_dev *ca);

void bch2_open_buckets_to_text(struct printbuf *out, struct bch_fs *c);

#endif /* _BCACHEFS_ALLOC_OPEN_BUCKETS_H */
