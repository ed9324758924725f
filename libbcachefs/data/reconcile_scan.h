/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Scan cookies: requests to look at keys again because options or devices have
 * changed (spec 53 §6).
 */
#ifndef _BCACHEFS_DATA_RECONCILE_SCAN_H
#define _BCACHEFS_DATA_RECONCILE_SCAN_H

#include "bcachefs.h"
#include "btree/bkey.h"

struct btree_trans;

int bch2_reconcile_scan_request_trans(struct btree_trans *trans, u64 cookie);
int bch2_reconcile_scan_request(struct bch_fs *c, u64 cookie);

/* Is there such a cookie? 1, 0, or an error. */
int bch2_reconcile_scan_pending(struct btree_trans *trans, u64 cookie);
/* One for the whole filesystem, or of a kind that nobody knows? */
int bch2_reconcile_scan_pending_fs(struct btree_trans *trans);
/* One for a device that @k has a pointer to, or a pointer without device? */
int bch2_reconcile_scan_pending_devs(struct btree_trans *trans, struct bkey_s_c k);

#endif /* _BCACHEFS_DATA_RECONCILE_SCAN_H */
