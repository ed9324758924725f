// SPDX-License-Identifier: GPL-2.0
/*
 * Pass accounting_read (spec 41 §3.3): the deltas of the journal are brought
 * together with the counters of the accounting btree, and with what the
 * counters say about devices that are missing.
 *
 * Deltas of a counter are summed into one overlay key. While nothing is
 * replayed - and this version never replays - that key becomes the counter's
 * value, so that whoever reads the btree through the overlay sees what replay
 * would have left. Only the thread that starts the filesystem calls this; it
 * may run again after a rewind.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/errno.h>

#include "bcachefs.h"
#include "alloc/accounting.h"
#include "alloc/accounting_live.h"
#include "btree/iter.h"
#include "btree/node_check.h"
#include "init/accounting_read.h"
#include "init/upgrade.h"
#include "journal/overlay.h"
#include "sb/members.h"
#include "sb/replicas.h"
#include "util/bpos.h"
#include "util/darray.h"
#include "util/log.h"
#include "util/printbuf.h"

/*
 * The counter at @pos in the btree's own leaf, without the overlay. *u is where
 * its key is unpacked to. A leaf that cannot be read counts as empty: its loss
 * has been reported by the read.
 */
static struct bkey_s_c counter_in_node(struct btree_iter *iter, struct bpos pos, struct bkey *u)
{
	struct btree *b;
	struct bkey_s_c k;
	u32 i;

	bch2_btree_iter_set_pos(iter, pos);
	b = bch2_btree_iter_peek_node(iter);
	if (IS_ERR_OR_NULL(b) || bpos_lt(pos, b->min_key) || bpos_gt(pos, b->max_key))
		return bkey_s_c_null;

	i = bch2_btree_node_search(b, pos);
	if (i >= b->nr_keys)
		return bkey_s_c_null;
	k = bkey_disassemble(b, btree_node_key(b, i), u);
	return bpos_eq(u->p, pos) ? k : bkey_s_c_null;
}

static int merge_deltas(struct bch_fs *c, struct btree_trans *trans, bool want_total)
{
	struct journal_iter deltas;
	struct btree_iter iter;
	const struct bkey_i *delta;
	int ret = 0;

	bch2_trans_node_iter_init(trans, &iter, BTREE_ID_accounting, POS_MIN, 0, 0,
				  BTREE_ITER_all_snapshots|BTREE_ITER_skip_bad);
	bch2_journal_iter_init(c, &deltas, BTREE_ID_accounting, 0, POS_MIN);

	while (!ret && (delta = bch2_journal_iter_peek(&deltas))) {
		const struct bpos pos = delta->k.p;
		struct bkey u;

		ret = bch2_journal_accounting_merge(c, pos, counter_in_node(&iter, pos, &u),
						    want_total);
		if (bpos_eq(pos, SPOS_MAX))
			break;
		/* deltas that are marked now are not to be met again */
		bch2_journal_iter_init(c, &deltas, BTREE_ID_accounting, 0, bpos_successor(pos));
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* --- the mirror, spec 41 §3.3 step 3 --- */

/* Names of before 1.15 are entered as they are called today. */
static int mirror_add(struct bch_fs *c, struct bkey_s_c k)
{
	struct disk_accounting_pos acc;
	struct bkey u;

	if (k.k->type != KEY_TYPE_accounting)
		return 0;
	bch2_accounting_pos_decode(&acc, k.k->p, bch2_accounting_pos_reversed(c));
	u = *k.k;
	u.p = bch2_accounting_pos_encode(&acc);
	k.k = &u;
	return bch2_accounting_mem_add(c, k, BCH_ACCOUNTING_live);
}

/* What the overlay hides: counters of the btree below deltas that stayed deltas. */
static int mirror_add_hidden(struct bch_fs *c, struct btree_trans *trans)
{
	struct journal_iter deltas;
	struct btree_iter iter;
	const struct bkey_i *delta;
	int ret = 0;

	bch2_trans_node_iter_init(trans, &iter, BTREE_ID_accounting, POS_MIN, 0, 0,
				  BTREE_ITER_all_snapshots|BTREE_ITER_skip_bad);
	bch2_journal_iter_init(c, &deltas, BTREE_ID_accounting, 0, POS_MIN);
	while (!ret && (delta = bch2_journal_iter_peek(&deltas))) {
		const struct bpos pos = delta->k.p;
		struct bkey_s_c k;
		struct bkey u;

		k = counter_in_node(&iter, pos, &u);
		/* below a delta; what is deleted does not count */
		if (k.k && delta->k.type == KEY_TYPE_accounting)
			ret = mirror_add(c, k);
		if (bpos_eq(pos, SPOS_MAX))
			break;
		bch2_journal_iter_init(c, &deltas, BTREE_ID_accounting, 0, bpos_successor(pos));
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int mirror_fill(struct bch_fs *c, struct btree_trans *trans, bool totals)
{
	int ret;

	bch2_accounting_mem_reset(c);
	ret = for_each_btree_key(trans, iter, BTREE_ID_accounting, POS_MIN,
				 BTREE_ITER_all_snapshots|BTREE_ITER_prefetch|
				 BTREE_ITER_skip_bad, k,
				 mirror_add(c, k));
	if (!ret && !totals)
		ret = mirror_add_hidden(c, trans);
	return ret ?: bch2_accounting_mem_fixups(trans);
}

/* --- names of before 1.15 --- */

typedef DARRAY(struct bpos) darray_pos;

static int old_names(struct btree_trans *trans, darray_pos *old)
{
	return for_each_btree_key(trans, iter, BTREE_ID_accounting, POS_MIN,
				  BTREE_ITER_all_snapshots|BTREE_ITER_prefetch|
				  BTREE_ITER_skip_bad, k,
				  bch2_accounting_pos_is_old(k.k->p)
					? darray_push(old, k.k->p) : 0);
}

/*
 * The upgrade counts everything anew, under today's names: the old ones go, and what
 * the journal has to add to any. What an upgrade that was interrupted has written
 * stays as it is in the btree, to be compared with the count.
 */
static int forget_old_names(struct bch_fs *c, struct btree_trans *trans)
{
	darray_pos old = {};
	int ret;

	bch2_journal_keys_delete_range(c, BTREE_ID_accounting, 0, 0, POS_MIN, SPOS_MAX);
	ret = old_names(trans, &old);
	bch2_trans_unlock_long(trans);

	for (size_t i = 0; i < old.nr && !ret; i++)
		ret = bch2_journal_key_delete(c, BTREE_ID_accounting, 0, old.data[i]);
	darray_exit(&old);
	if (!ret) {
		c->accounting.names_new		  = true;
		c->journal.keys.accounting_merged = true;
	}
	return ret;
}

static bool members_missing(struct bch_fs *c)
{
	for_each_member_device(c, ca)
		if (!bch2_dev_is_online(ca))
			return true;
	return false;
}

/* What option degraded lets pass (spec 10 §13.4). */
static unsigned loss_allowed(const struct bch_fs *c)
{
	switch (c->opts.degraded) {
	case BCH_DEGRADED_very:
		return BCH_METADATA_DEGRADED|BCH_METADATA_LOST|BCH_DATA_DEGRADED|BCH_DATA_LOST;
	case BCH_DEGRADED_yes:
		return BCH_METADATA_DEGRADED|BCH_DATA_DEGRADED;
	default:
		return 0;
	}
}

static int check_counter_readable(struct bch_fs *c, struct bkey_s_c k)
{
	const bool reversed = bch2_accounting_pos_reversed(c);
	struct disk_accounting_pos acc;
	struct bch_sb_replica r;

	if (k.k->type != KEY_TYPE_accounting || !bch2_accounting_counter(k, 0))
		return 0;
	bch2_accounting_pos_decode(&acc, k.k->p, reversed);
	if (acc.type != BCH_DISK_ACCOUNTING_replicas)
		return 0;

	r = (struct bch_sb_replica) {
		.data_type	= acc.replicas.data_type,
		.nr_devs	= acc.replicas.nr_devs,
		.nr_required	= acc.replicas.nr_required,
		.devs		= acc.replicas.devs,
	};
	/* a hostile name may claim more devices than fit it */
	if (r.nr_devs > sizeof(acc.bytes) - sizeof(acc.replicas) ||
	    !(bch2_replica_loss(&r, &c->online_devs) & ~loss_allowed(c)))
		return 0;

	CLASS(printbuf, buf)();

	bch2_sb_replica_to_text(&buf, &r);
	bch_err(c, "insufficient devices online for %s", printbuf_str(&buf));
	return -BCH_ERR_insufficient_devices_to_start;
}

/* With members missing: is all data that is accounted for still readable? */
static int check_readable(struct bch_fs *c, struct btree_trans *trans)
{
	return for_each_btree_key(trans, iter, BTREE_ID_accounting, POS_MIN,
				  BTREE_ITER_all_snapshots|BTREE_ITER_prefetch|
				  BTREE_ITER_skip_bad, k,
				  check_counter_readable(c, k));
}

/**
 * bch2_accounting_read - the pass
 * @c:	filesystem; roots and overlay are there
 *
 * Return: 0; -BCH_ERR_insufficient_devices_to_start if data would be missing
 * that option degraded does not allow to miss; or an error of the policy.
 */
int bch2_accounting_read(struct bch_fs *c)
{
	struct btree_trans *trans = bch2_trans_get(c);
	/* where replay follows, it wants the deltas (spec 22 §9.1) */
	const bool want_total = c->opts.nochanges;
	int ret = 0;

	if (IS_ERR(trans))
		return PTR_ERR(trans);

	if (!c->accounting.names_new && bch2_fs_upgrade_renames_counters(c))
		ret = forget_old_names(c, trans);
	if (!ret && !c->journal.keys.accounting_merged)
		ret = merge_deltas(c, trans, want_total);
	if (!ret) {
		c->journal.keys.accounting_merged = true;
		if (want_total)
			set_bit(BCH_FS_accounting_replay_done, &c->flags);
	}
	if (!ret && members_missing(c) && c->opts.degraded != BCH_DEGRADED_very)
		ret = check_readable(c, trans);
	if (!ret)
		ret = mirror_fill(c, trans, want_total);

	bch2_trans_put(trans);
	return ret;
}
