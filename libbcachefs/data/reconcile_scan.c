// SPDX-License-Identifier: GPL-2.0
/*
 * Scan cookies (spec 53 §6): keys of inode 0 in reconcile_scan. The value of one
 * grows with each request, so that a scan that ends can tell whether it has been
 * asked for again meanwhile.
 */
#include <linux/err.h>
#include <linux/minmax.h>

#include "bcachefs.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/extent_entries.h"
#include "btree/iter.h"
#include "btree/update.h"
#include "data/reconcile_compute.h"
#include "data/reconcile_format.h"
#include "data/reconcile_scan.h"
#include "sb/versions_format.h"
#include "util/bpos.h"

/**
 * bch2_reconcile_scan_request_trans - set a cookie, or make it grow
 * @trans:	transaction
 * @cookie:	RECONCILE_SCAN_COOKIE_*, or an inode number
 *
 * No effect on filesystems from before 1.33, which do not know them, nor on those
 * that must stay usable by older software (spec 53 §8): nothing there records
 * work that a scan could find, and kernels of 1.28 do not survive a btree that they
 * do not know. Returns 0, a restart, or an error.
 */
int bch2_reconcile_scan_request_trans(struct btree_trans *trans, u64 cookie)
{
	struct bkey_i_cookie *n;
	struct btree_iter iter;
	struct bkey_s_c k;
	u64 v = 0;
	int ret;

	if (trans->c->sb.version < bcachefs_metadata_version_reconcile ||
	    !bch2_reconcile_permitted(trans->c))
		return 0;
	ret = bch2_reconcile_permit(trans, 0);
	if (ret)
		return ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_reconcile_scan, POS(0, cookie),
			     BTREE_ITER_intent);
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k);
	if (ret)
		goto out;
	if (k.k->type == KEY_TYPE_cookie && bkey_val_bytes(k.k) >= sizeof(struct bch_cookie))
		v = le64_to_cpu(bkey_val(k, cookie)->cookie);

	n = bch2_trans_kmalloc(trans, sizeof(*n));
	ret = PTR_ERR_OR_ZERO(n);
	if (ret)
		goto out;
	bkey_init(&n->k);
	n->k.type = KEY_TYPE_cookie;
	n->k.p	  = POS(0, cookie);
	set_bkey_val_bytes(&n->k, sizeof(n->v));
	n->v.cookie = cpu_to_le64(v + 1);
	ret = bch2_trans_update(trans, &iter, &n->k_i, 0);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_reconcile_scan_request - the same, in a transaction of its own
 * @c:		filesystem, read-write
 * @cookie:	RECONCILE_SCAN_COOKIE_*, or an inode number
 *
 * Returns 0 or an error.
 */
int bch2_reconcile_scan_request(struct bch_fs *c, u64 cookie)
{
	return bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
				    bch2_reconcile_scan_request_trans(trans, cookie));
}

/* The first cookie of a range: 1, 0, or an error. */
static int cookie_between(struct btree_trans *trans, u64 first, u64 last)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_reconcile_scan, POS(0, first), 0);
	do {
		k = bch2_btree_iter_peek_max(&iter, POS(0, last));
		ret = bkey_err(k) ?: k.k && k.k->type == KEY_TYPE_cookie;
	} while (!ret && k.k && bch2_btree_iter_advance(&iter));
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_reconcile_scan_pending - is there a cookie?
 * @trans:	transaction
 * @cookie:	RECONCILE_SCAN_COOKIE_*, or an inode number
 *
 * Returns 1, 0, a restart, or an error.
 */
int bch2_reconcile_scan_pending(struct btree_trans *trans, u64 cookie)
{
	return cookie_between(trans, cookie, cookie);
}

/**
 * bch2_reconcile_scan_pending_fs - will everything be looked at again?
 * @trans:	transaction
 *
 * Cookies without meaning count as that one. Returns 1, 0, a restart, or an error.
 */
int bch2_reconcile_scan_pending_fs(struct btree_trans *trans)
{
	return  bch2_reconcile_scan_pending(trans, RECONCILE_SCAN_COOKIE_fs) ?:
		cookie_between(trans, RECONCILE_SCAN_COOKIE_stripes + 1,
			       RECONCILE_SCAN_COOKIE_device - 1) ?:
		cookie_between(trans, RECONCILE_SCAN_COOKIE_device + BCH_SB_MEMBERS_MAX,
			       RECONCILE_SCAN_COOKIE_inum - 1);
}

/**
 * bch2_reconcile_scan_pending_devs - will a device of a key be looked at again?
 * @trans:	transaction
 * @k:		key with pointers
 *
 * Returns 1, 0, a restart, or an error.
 */
int bch2_reconcile_scan_pending_devs(struct btree_trans *trans, struct bkey_s_c k)
{
	const struct bkey_ptrs_c ptrs = bch2_bkey_ptrs_c_fs(trans->c, k);
	const struct bch_extent_ptr *ptr;
	int ret = 0;

	bkey_for_each_ptr(ptrs, ptr) {
		ret = bch2_reconcile_scan_pending(trans, RECONCILE_SCAN_COOKIE_device +
						  EXTENT_PTR_DEV(ptr));
		if (ret)
			break;
	}
	return ret;
}
