// SPDX-License-Identifier: GPL-2.0
/*
 * Updates and snapshots: when a deletion must leave a whiteout, and which
 * descendants must not see a key that appears in an ancestor (spec 21 sections
 * 6.2, 6.3; spec 61 section 8).
 *
 * Lookups here see the transaction's own pending updates. For updates of the
 * btree floor and repairs that move keys.
 */
#include <linux/err.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/iter.h"
#include "btree/snapshot_table.h"
#include "btree/trans.h"
#include "btree/update.h"

#define SNAPSHOT_SCAN_FLAGS	(BTREE_ITER_all_snapshots|BTREE_ITER_not_extents)

/* Ids of one place that are looked at: [first, last]; false: none. */
static bool scan_init(struct btree_trans *trans, struct btree_iter *iter, unsigned btree,
		      struct bpos place, u32 first, u32 last)
{
	if (first > last)
		return false;
	bch2_trans_iter_init(trans, iter, btree, SPOS(place.inode, place.offset, first),
			     SNAPSHOT_SCAN_FLAGS);
	return true;
}

static struct bkey_s_c scan_peek(struct btree_iter *iter, u32 last)
{
	return bch2_btree_iter_peek_max(iter, SPOS(iter->pos.inode, iter->pos.offset, last));
}

/**
 * bch2_snapshot_ancestor_type - what shows at a place when a snapshot's own key goes
 * @trans:	transaction
 * @btree:	btree
 * @pos:	position of the key, with its snapshot
 *
 * Return: type of the nearest ancestor's key, KEY_TYPE_deleted if there is none;
 * an error, or a restart.
 */
int bch2_snapshot_ancestor_type(struct btree_trans *trans, unsigned btree, struct bpos pos)
{
	struct bch_fs *c = trans->c;
	int ret = KEY_TYPE_deleted;
	struct btree_iter iter;
	struct bkey_s_c k;

	if (!btree_type_has_snapshots(btree) || pos.snapshot == KEY_SNAPSHOT_MAX ||
	    !bch2_snapshot_parent(c, pos.snapshot) ||
	    !scan_init(trans, &iter, btree, pos, pos.snapshot + 1, KEY_SNAPSHOT_MAX))
		return KEY_TYPE_deleted;

	do {
		k = scan_peek(&iter, KEY_SNAPSHOT_MAX);
		ret = bkey_err(k);
		if (ret || !k.k)
			break;
		if (bch2_snapshot_is_ancestor(c, pos.snapshot, k.k->p.snapshot)) {
			ret = k.k->type;
			break;
		}
	} while (k.k->p.snapshot != KEY_SNAPSHOT_MAX && bch2_btree_iter_advance(&iter));

	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_need_snapshot_whiteout - must removing a key leave a whiteout?
 * @trans:	transaction
 * @btree:	btree with snapshots
 * @pos:	position of the key, with its snapshot
 *
 * So it is if the nearest ancestor that has something at the place has a key
 * that is no whiteout (spec 21 section 6.2).
 *
 * Return: 1, 0, an error, or a restart.
 */
int bch2_need_snapshot_whiteout(struct btree_trans *trans, unsigned btree, struct bpos pos)
{
	const int type = bch2_snapshot_ancestor_type(trans, btree, pos);

	return type < 0 ? type : !bkey_type_whiteout(type);
}

/**
 * bch2_has_snapshot_overwrites - does a descendant have something at the place of a key?
 * @trans:	transaction
 * @btree:	btree
 * @pos:	position of the key
 *
 * Return: 1, 0, an error, or a restart.
 */
int bch2_has_snapshot_overwrites(struct btree_trans *trans, unsigned btree, struct bpos pos)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret = 0;

	if (!btree_type_has_snapshots(btree) || pos.snapshot <= 1 ||
	    !scan_init(trans, &iter, btree, pos, 0, pos.snapshot - 1))
		return 0;

	do {
		k = scan_peek(&iter, pos.snapshot - 1);
		ret = bkey_err(k);
		if (ret || !k.k)
			break;
		if (bch2_snapshot_is_ancestor(trans->c, k.k->p.snapshot, pos.snapshot)) {
			ret = 1;
			break;
		}
	} while (bch2_btree_iter_advance(&iter));

	bch2_trans_iter_exit(&iter);
	return ret;
}

/* Descendants of pos.snapshot that have a key at its place, in ascending order. */
static int collect_overwriters(struct btree_trans *trans, unsigned btree, struct bpos pos,
			       struct trans_words *ids)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	if (pos.snapshot <= 1 ||
	    !scan_init(trans, &iter, btree, pos, 0, pos.snapshot - 1))
		return 0;

	do {
		u64 *id;

		k = scan_peek(&iter, pos.snapshot - 1);
		ret = bkey_err(k);
		if (ret || !k.k)
			break;
		if (!bch2_snapshot_is_ancestor(trans->c, k.k->p.snapshot, pos.snapshot))
			continue;
		id = bch2_trans_words_add(trans, ids, 1);
		if (!id) {
			ret = -ENOMEM;
			break;
		}
		*id = k.k->p.snapshot;
	} while (bch2_btree_iter_advance(&iter));

	bch2_trans_iter_exit(&iter);
	return ret;
}

/* Does @id see a key at @pos's place that is nearer than pos.snapshot? 1, 0, or an error. */
static int sees_nearer(struct btree_trans *trans, unsigned btree, struct bpos pos, u32 id)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret = 0;

	if (!scan_init(trans, &iter, btree, pos, id, pos.snapshot - 1))
		return 0;
	do {
		k = scan_peek(&iter, pos.snapshot - 1);
		ret = bkey_err(k);
		if (ret || !k.k)
			break;
		if (bch2_snapshot_is_ancestor(trans->c, id, k.k->p.snapshot)) {
			ret = 1;
			break;
		}
	} while (bch2_btree_iter_advance(&iter));

	bch2_trans_iter_exit(&iter);
	return ret;
}

static int insert_whiteout(struct btree_trans *trans, unsigned btree, struct bpos pos)
{
	struct bkey_i *w = bch2_trans_kmalloc(trans, sizeof(*w));

	if (IS_ERR(w))
		return PTR_ERR(w);
	bkey_init(&w->k);
	w->k.type	= KEY_TYPE_whiteout;
	w->k.p		= pos;
	return bch2_trans_update_exact(trans, NULL, btree, 0, w,
				       BTREE_UPDATE_internal_snapshot_node);
}

/* Is @id below one of ids[from, nr)? They were dealt with before. */
static bool below_one_of(struct bch_fs *c, u32 id, const struct trans_words *ids, u32 from)
{
	for (u32 i = from; i < ids->nr; i++)
		if (bch2_snapshot_is_ancestor(c, id, ids->d[i]))
			return true;
	return false;
}

/**
 * bch2_insert_snapshot_whiteouts - keep a key's new place from those who do not see it
 * @trans:	transaction
 * @btree:	btree
 * @old_pos:	position of the key
 * @new_pos:	where it, or a part of it, is going to be as well: same snapshot
 *
 * Descendants that have something at the old place do not see the key; where they
 * would see the new one they get a whiteout. Before the new key is queued. Only
 * the topmost ones are dealt with, which hides it from those below.
 *
 * Return: 0, an error, or a restart.
 */
int bch2_insert_snapshot_whiteouts(struct btree_trans *trans, unsigned btree,
				   struct bpos old_pos, struct bpos new_pos)
{
	struct trans_words ids = { NULL };
	int ret;

	if (!btree_type_has_snapshots(btree) || bkey_eq(old_pos, new_pos))
		return 0;

	ret = collect_overwriters(trans, btree, old_pos, &ids);
	/* parents have larger ids: the topmost ones come first */
	for (u32 i = ids.nr; !ret && i--;) {
		struct bpos pos = new_pos;

		pos.snapshot = ids.d[i];
		if (below_one_of(trans->c, ids.d[i], &ids, i + 1))
			continue;
		ret = sees_nearer(trans, btree, new_pos, ids.d[i]);
		if (!ret)
			ret = insert_whiteout(trans, btree, pos);
		else if (ret > 0)
			ret = 0;
	}
	return ret;
}
