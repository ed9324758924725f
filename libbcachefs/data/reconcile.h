/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Pending background work (spec 53): the reconcile and rebalance entries of
 * extents, and the positions of the btrees that index them.
 */
#ifndef _BCACHEFS_DATA_RECONCILE_H
#define _BCACHEFS_DATA_RECONCILE_H

#include "bcachefs_format.h"

struct bch_fs;
struct bkey_validate_context;
struct printbuf;

struct bpos bch2_reconcile_work_pos(enum btree_id data_btree, struct bpos pos);
enum btree_id bch2_reconcile_work_decode(struct bpos work, struct bpos *pos);
int bch2_reconcile_class_btree(enum bch_reconcile_work_id class, bool phys);
const struct bch_extent_reconcile *bch2_bkey_reconcile(const struct bch_fs *c,
						       struct bkey_s_c k);
enum bch_reconcile_work_id bch2_bkey_reconcile_class(struct bch_fs *c, struct bkey_s_c k);
void bch2_reconcile_scan_pos_to_text(struct printbuf *out, struct bpos pos);

int bch2_extent_reconcile_validate(struct bch_fs *c, struct bkey_s_c k,
				   struct bkey_validate_context from,
				   const struct bch_extent_reconcile *r);
void bch2_extent_reconcile_to_text(struct printbuf *out, struct bch_fs *c,
				   const struct bch_extent_reconcile *r);
void bch2_extent_rebalance_v1_to_text(struct printbuf *out, struct bch_fs *c,
				      const struct bch_extent_rebalance_v1 *r);

#endif /* _BCACHEFS_DATA_RECONCILE_H */
