// SPDX-License-Identifier: GPL-2.0
/*
 * Keys at snapshot nodes that are not live (spec 61 §10).
 *
 * Invariant: a key is removed on the word of the snapshots btree only when that
 * has been checked in this start. Used by the passes that walk a btree in all
 * snapshots, inside their transactions.
 */
#include <linux/array_size.h>
#include <linux/bitops.h>
#include <linux/err.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/fsck_err_trans.h"
#include "btree/iter.h"
#include "btree/snapshot_table.h"
#include "btree/update.h"
#include "check/snapshot_keys.h"
#include "init/passes_format.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* Exactly this position, no whiteout, nobody else makes room. */
static int key_put_exactly(struct btree_trans *trans, enum btree_id btree, struct bkey_i *k)
{
	struct btree_iter iter;
	int ret;

	bch2_trans_iter_init(trans, &iter, btree, k->k.p,
			     BTREE_ITER_all_snapshots|BTREE_ITER_not_extents|BTREE_ITER_intent);
	ret   = bch2_btree_iter_traverse(&iter) ?:
		bch2_trans_update(trans, &iter, k, BTREE_UPDATE_internal_snapshot_node);
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int key_remove(struct btree_trans *trans, enum btree_id btree, struct bpos pos)
{
	struct bkey_i *k = bch2_trans_kmalloc(trans, sizeof(*k));

	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.p = pos;
	return key_put_exactly(trans, btree, k);
}

static int slot_used(struct btree_trans *trans, enum btree_id btree, struct bpos pos)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, &iter, btree, pos,
			     BTREE_ITER_all_snapshots|BTREE_ITER_not_extents);
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k) ?: !bkey_deleted(k.k);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* To the node that has taken over; what is there already hides it anyway (spec 61 §9.5). */
static int key_move_to(struct btree_trans *trans, enum btree_id btree, struct bkey_s_c k, u32 to)
{
	struct bpos pos = k.k->p;
	struct bkey_i *n;
	int ret;

	pos.snapshot = to;
	ret = slot_used(trans, btree, pos);
	if (ret < 0)
		return ret;
	if (!ret) {
		n = bch2_bkey_copy_to_arena(trans, k, 0);
		if (IS_ERR(n))
			return PTR_ERR(n);
		n->k.p = pos;
		ret = key_put_exactly(trans, btree, n);
		if (ret)
			return ret;
	}
	return key_remove(trans, btree, k.k->p);
}

static void key_to_text(struct printbuf *out, struct bch_fs *c, enum btree_id btree,
			struct bkey_s_c k)
{
	prt_str(out, "\n  ");
	bch2_btree_id_to_text(out, btree);
	prt_char(out, ' ');
	bch2_bkey_val_to_text(out, c, k);
}

static int in_deleted(struct btree_trans *trans, enum btree_id btree, struct bkey_s_c k)
{
	struct bch_fs *c = trans->c;
	const u32 live = bch2_snapshot_live_descendant(c, k.k->p.snapshot);
	CLASS(printbuf, buf)();
	int ret = 0;

	key_to_text(&buf, c, btree, k);
	if (!live) {
		if (fsck_err_trans(trans, bkey_in_deleted_snapshot,
				   "key in deleted snapshot%s, delete?", printbuf_str(&buf)))
			ret = key_remove(trans, btree, k.k->p) ?: 1;
	} else if (fsck_err_trans(trans, bkey_in_deleted_interior_snapshot,
				  "key in deleted interior snapshot%s, move to snapshot %u?",
				  printbuf_str(&buf), live)) {
		ret = key_move_to(trans, btree, k, live) ?: 1;
	}
fsck_err:
	return ret;
}

static const struct {
	u8	run;
	u8	stable;
} trusted_after[] = {
#define x(_name)	{ BCH_RECOVERY_PASS_##_name, BCH_RECOVERY_PASS_STABLE_##_name }
	x(check_snapshots),
	x(check_subvols),
	x(reconstruct_snapshots),	/* only after a loss */
#undef x
};

/* Have all passes run that missing nodes must be asked of? Requests the others. */
static int snapshots_trusted(struct bch_fs *c, bool *trusted)
{
	const bool lost = c->recovery.lost_data & BIT_ULL(BTREE_ID_snapshots);
	int ret = 0;

	*trusted = true;
	for (unsigned i = 0; i < ARRAY_SIZE(trusted_after) - !lost && !ret; i++) {
		if (c->recovery.passes_complete & BIT_ULL(trusted_after[i].run))
			continue;
		*trusted = false;
		if (c->up.request_pass)
			ret = c->up.request_pass(c, trusted_after[i].stable);
	}
	return ret;
}

static int in_missing(struct btree_trans *trans, enum btree_id btree, struct bkey_s_c k)
{
	struct bch_fs *c = trans->c;
	CLASS(printbuf, buf)();
	bool trusted;
	int ret = snapshots_trusted(c, &trusted);

	if (ret)
		return ret;
	key_to_text(&buf, c, btree, k);
	if (!trusted)
		log_fsck_err_trans(trans, bkey_in_missing_snapshot, "key in missing snapshot%s",
				   printbuf_str(&buf));
	else if (fsck_err_trans(trans, bkey_in_missing_snapshot,
				"key in missing snapshot%s, delete?", printbuf_str(&buf)))
		ret = key_remove(trans, btree, k.k->p) ?: 1;
fsck_err:
	return ret;
}

/**
 * bch2_check_key_snapshot - is a key at a snapshot node where keys may be?
 * @trans:	transaction
 * @btree:	btree with snapshots
 * @k:		key of it; a repair is queued
 *
 * Return: 0: go on with the key; 1: it is going to be gone with the commit; a
 * restart; or an error, among them the request that recovery goes back.
 */
int bch2_check_key_snapshot(struct btree_trans *trans, enum btree_id btree, struct bkey_s_c k)
{
	struct snapshot_t s;

	if (!bch2_snapshot_get(trans->c, k.k->p.snapshot, &s) || s.state == SNAPSHOT_ID_empty)
		return in_missing(trans, btree, k);
	return s.state == SNAPSHOT_ID_deleted ? in_deleted(trans, btree, k) : 0;
}
