/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Space counters while the filesystem changes (spec 41 §3-§5, §7): deltas of a
 * transaction, the mirror in memory that they are added to when it commits, and
 * what is derived from the mirror - usage of devices and of the filesystem.
 *
 * Readers take the mirror's lock for reading or read single atomic counters;
 * any thread may read at any time after bch2_fs_accounting_init().
 */
#ifndef _BCACHEFS_ALLOC_ACCOUNTING_LIVE_H
#define _BCACHEFS_ALLOC_ACCOUNTING_LIVE_H

#include "bcachefs.h"
#include "btree/bkey.h"

struct btree_trans;

int bch2_fs_accounting_init(struct bch_fs *c);
void bch2_fs_accounting_exit(struct bch_fs *c);

/* Is the type mirrored (spec 41 §4.1)? */
static inline bool bch2_accounting_is_mem(unsigned int type)
{
	return type < BCH_DISK_ACCOUNTING_TYPE_NR &&
		type != BCH_DISK_ACCOUNTING_snapshot &&
		type != BCH_DISK_ACCOUNTING_inum;
}

/* --- deltas of a transaction --- */

/* Add @d to the counters @acc when @trans commits. Sorts the devices of a replicas name. */
int bch2_disk_accounting_mod(struct btree_trans *trans, const struct disk_accounting_pos *acc,
			     const s64 *d, unsigned int nr);
/* The same, or into the recount if @gc: at once, without a transaction's commit. */
int bch2_accounting_mod(struct btree_trans *trans, bool gc,
			const struct disk_accounting_pos *acc, const s64 *d, unsigned int nr);

/* --- the mirror --- */

/* c->up.accounting_apply, .accounting_unapply, .replicas_cure */
int bch2_accounting_apply(struct btree_trans *trans, const struct bkey_i *k);
void bch2_accounting_unapply(struct btree_trans *trans, const struct bkey_i *k);
int bch2_accounting_replicas_cure(struct btree_trans *trans);

/* Add the counters of @k to a set; enters the name if it is new. May allocate. */
int bch2_accounting_mem_add(struct bch_fs *c, struct bkey_s_c k, enum bch_accounting_set set);
/* Counters of a name; 0 for what is not there. */
void bch2_accounting_mem_read(struct bch_fs *c, const struct disk_accounting_pos *acc,
			      u64 *v, unsigned int nr);
void bch2_accounting_mem_set(struct bch_fs *c, struct bpos pos, const s64 *v);
void bch2_accounting_mem_set_marked(struct bch_fs *c, struct bpos pos);
/* Forget names whose counters are all 0. */
void bch2_accounting_mem_drop_zeros(struct bch_fs *c);
/* A flush has brought a counter of the btree to 0 (spec 41 §3.2, §6.4). */
void bch2_accounting_counter_zeroed(struct bch_fs *c, struct bpos pos);
void bch2_accounting_mem_reset(struct bch_fs *c);
/* Spec 41 §3.4; @trans without pending updates. */
int bch2_accounting_mem_fixups(struct btree_trans *trans);
void bch2_accounting_totals_recalc(struct bch_fs *c);

/*
 * Call @fn for every name in position order; a non-zero value ends the walk and
 * is returned. The table is locked: @fn must not change it.
 */
int bch2_accounting_mem_for_each(struct bch_fs *c,
				 int (*fn)(struct bch_fs *c, struct accounting_mem_entry *e,
					   void *arg), void *arg);

bool bch2_accounting_mem_next(struct bch_fs *c, struct bpos pos,
			      struct accounting_mem_entry *dst);

/* --- recount, spec 41 §7 (accounting_check.c) --- */

int bch2_accounting_gc_start(struct bch_fs *c);
void bch2_accounting_gc_stop(struct bch_fs *c);
/* Compare the sets, report accounting_mismatch, commit or correct in memory. */
int bch2_accounting_gc_done(struct btree_trans *trans);

/* Clean-shutdown self check: do btree and mirror agree? (spec 41 §4.3) */
int bch2_accounting_verify_clean(struct btree_trans *trans);

/* --- usage --- */

/* Numbers of a device by data type; unit of .buckets: buckets, others sectors. */
struct bch_dev_usage_snapshot {
	struct {
		u64		buckets;
		u64		sectors;
		u64		fragmented;
	} d[BCH_DATA_NR];
};

void bch2_dev_usage_read(struct bch_dev *ca, struct bch_dev_usage_snapshot *u);
static inline u64 bch2_dev_buckets(struct bch_dev *ca, enum bch_data_type type)
{
	s64 v = atomic64_read(&ca->usage.buckets[type]);

	return v > 0 ? v : 0;
}
void bch2_fs_usage_read(struct bch_fs *c, struct bch_fs_usage_base *u);

#endif /* _BCACHEFS_ALLOC_ACCOUNTING_LIVE_H */
