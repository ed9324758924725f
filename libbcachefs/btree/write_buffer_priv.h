/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the files of the write buffer only.
 */
#ifndef _BCACHEFS_BTREE_WRITE_BUFFER_PRIV_H
#define _BCACHEFS_BTREE_WRITE_BUFFER_PRIV_H

#include "alloc/accounting_format.h"
#include "bcachefs.h"
#include "btree/bkey.h"

#define WB_KEY_HEADER_U64s	(offsetof(struct wb_key, k) / sizeof(u64))

/* Words a btree's buffer is meant to hold at first. */
#define WB_CAPACITY_MIN_U64s	(1U << 14)

/* --- sums of counters within one journal entry --- */

#define WB_COUNTERS_MAX		512
#define WB_COUNTERS_HASH_BITS	10

struct wb_counter {
	u64			nr;		/* counters */
	struct bkey		k;
	__le64			d[BCH_ACCOUNTING_MAX_COUNTERS];
};

struct wb_counter_table {
	u32			nr;
	u16			hash[1U << WB_COUNTERS_HASH_BITS];	/* 1 + index; 0: free */
	struct wb_counter	c[WB_COUNTERS_MAX];
};

/* A reference to a key of the flushing area; sorted by position, then arrival. */
struct wb_ref {
	struct bpos	p;
	u32		idx;		/* words into the area */
};

static inline struct wb_key *wb_key_at(const struct wb_area *a, u32 idx)
{
	return (struct wb_key *) (a->d + idx);
}

#define wb_for_each_key(_a, _w)							\
	for (struct wb_key *_w = wb_key_at(_a, 0);				\
	     (u64 *) _w < (_a)->d + (_a)->nr;					\
	     _w = (struct wb_key *) ((u64 *) _w + _w->u64s))

static inline u64 *wb_counters(struct bkey_i *k)
{
	return (u64 *) &k->v;
}

/* write_buffer_area.c */
void bch2_wb_area_append(struct btree_write_buffer *wb, struct wb_area *a, u64 seq,
			 const struct bkey_i *k);
void bch2_wb_area_clear(struct btree_write_buffer *wb, struct wb_area *a);
void bch2_wb_area_keep_unfinished(struct btree_write_buffer *wb, struct wb_area *a);
void bch2_wb_move_incoming(struct btree_write_buffer *wb);
u32 bch2_wb_collapse(struct wb_area *a, struct wb_ref *refs, u32 nr);
u32 bch2_wb_refs_sorted(const struct wb_area *a, struct wb_ref *refs);
u32 bch2_wb_area_keys(const struct wb_area *a);
void bch2_wb_key_add_counters(struct wb_key *w, struct bkey_s_c add);

/* write_buffer.c */
int bch2_wb_intake_records(struct bch_fs *c, u64 seq, u64 *start, u64 *end);
void bch2_wb_update_pressure(struct bch_fs *c);
int bch2_wb_pin_flush(struct bch_fs *c, struct journal_entry_pin *pin, u64 seq);

/* write_buffer_flush.c */
int bch2_wb_flush_locked(struct btree_write_buffer *wb);
void bch2_wb_flush_work(struct work_struct *work);

#endif /* _BCACHEFS_BTREE_WRITE_BUFFER_PRIV_H */
