// SPDX-License-Identifier: GPL-2.0
/*
 * Pointers to nodes that are reachable: other replicas, more sectors written
 * (spec 21 §11.3, §9.4 step 2).
 *
 * Invariant: the key in the node's memory and the key in its parent, or the root
 * record, change together: the node is intent locked throughout.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "btree/commit.h"
#include "btree/extent_entries.h"
#include "btree/interior.h"
#include "btree/interior_priv.h"
#include "btree/locking.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "util/log.h"

/**
 * btree_update_journal_key - add a record with one pointer to a transaction
 * @trans:	transaction
 * @type:	enum bch_jset_entry_type
 * @btree:	btree
 * @level:	of the key; for roots that of the node
 * @k:		pointer, copied
 *
 * Return: 0, -ENOMEM or a restart.
 */
int btree_update_journal_key(struct btree_trans *trans, unsigned type, unsigned btree,
			     unsigned level, const struct bkey_i *k)
{
	struct jset_entry *e = bch2_trans_jset_entry_alloc(trans, k->k.u64s);

	if (IS_ERR(e))
		return PTR_ERR(e);
	e->btree_id	= btree;
	e->level	= level;
	e->type		= type;
	memcpy(jset_entry_data(e), k, bkey_bytes(&k->k));
	return 0;
}

/* --- changing a pointer --- */

static int update_root_key(struct btree_trans *trans, struct btree *b, struct bkey_i *new,
			   bool skip_triggers)
{
	int ret = 0;

	/* no node holds this pointer: its trigger has to be run by hand */
	if (!skip_triggers)
		ret = bch2_trans_mark_key(trans, b->btree_id, b->level + 1,
					  bkey_i_to_s_c(&b->key), bkey_i_to_s(new),
					  BTREE_TRIGGER_transactional);
	return ret ?:
		btree_update_journal_key(trans, BCH_JSET_ENTRY_overwrite, b->btree_id,
					 b->level + 1, &b->key) ?:
		btree_update_journal_key(trans, BCH_JSET_ENTRY_btree_root, b->btree_id,
					 b->level, new);
}

static int update_parent_key(struct btree_trans *trans, struct btree *b, struct bkey_i *new,
			     bool skip_triggers)
{
	struct btree_iter iter;
	int ret;

	bch2_trans_node_iter_init(trans, &iter, b->btree_id, b->key.k.p, 0, b->level + 1,
				  BTREE_ITER_intent);
	ret   = bch2_btree_iter_traverse(&iter) ?:
		bch2_trans_update(trans, &iter, new,
				  skip_triggers ? BTREE_TRIGGER_norun : 0);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/*
 * The pointer is still on its way to the journal (§11.3): what is changed now would
 * be overtaken by it.
 */
static int wait_reachable(struct btree_trans *trans, struct btree *b)
{
	struct bch_fs *c = trans->c;

	bch2_trans_unlock(trans);
	wait_event(c->btree.interior.wait,
		   !test_bit_acquire(BTREE_NODE_will_make_reachable, &b->flags));
	return bch2_trans_restart(trans, BCH_ERR_transaction_restart_relock);
}

/**
 * bch2_btree_node_update_key - replace the pointer to a reachable node
 * @trans:		transaction without other updates
 * @iter:		iterator at the node's level, which stands on it, intent locked
 * @b:			node
 * @new_key:		same node, other replicas or sectors_written
 * @commit_flags:	more flags for the commit
 * @skip_triggers:	the space it uses does not change
 *
 * Waits until a new node is in the journal. Return: 0, a restart, or an error.
 */
int bch2_btree_node_update_key(struct btree_trans *trans, struct btree_iter *iter,
			       struct btree *b, const struct bkey_i *new_key,
			       unsigned commit_flags, bool skip_triggers)
{
	const bool root = bch2_btree_iter_root_level(iter) == b->level;
	struct bkey_i *new;
	int ret;

	if (test_bit(BTREE_NODE_will_make_reachable, &b->flags))
		return wait_reachable(trans, b);
	/* triggers may make it longer */
	new = bch2_trans_kmalloc(trans, BKEY_BTREE_PTR_U64s_MAX * sizeof(u64));
	if (IS_ERR(new))
		return PTR_ERR(new);
	bkey_copy(new, new_key);

	/* a hold of its own: the commit lets go of those of iterators */
	ret = bch2_trans_lock(trans, &b->six, SIX_LOCK_intent);
	if (ret)
		return ret;

	ret   = (root ? update_root_key(trans, b, new, skip_triggers)
		      : update_parent_key(trans, b, new, skip_triggers)) ?:
		bch2_trans_commit(trans, NULL, NULL, BTREE_INTERIOR_COMMIT_FLAGS|commit_flags);
	if (!ret) {
		btree_node_lock_write_nofail(trans, b);
		bch2_btree_node_set_key(trans->c, b, new);
		btree_node_unlock_write(trans, b);
	}
	bch2_trans_unlock_one(trans, &b->six, SIX_LOCK_intent);
	return ret;
}

/*
 * Take the pointers to @failed out of a pointer to a node, all entries of which are
 * one word long. Returns how many copies are left.
 */
static unsigned drop_devs(struct bkey_i *k, const struct bch_devs_mask *failed)
{
	struct bch_btree_ptr_v2 *v = (struct bch_btree_ptr_v2 *) &k->v;
	u64 *dst = (u64 *) v->start, *end = (u64 *) k + k->k.u64s;
	unsigned nr = 0;

	for (u64 *src = dst; src < end; src++) {
		const union bch_extent_entry *e = (union bch_extent_entry *) src;
		const bool is_ptr = extent_entry_type(e) == BCH_EXTENT_ENTRY_ptr;
		const unsigned dev = is_ptr ? EXTENT_PTR_DEV(&e->ptr) : BCH_SB_MEMBER_INVALID;

		if (dev != BCH_SB_MEMBER_INVALID) {
			if (test_bit(dev, failed->d))
				continue;
			nr++;
		}
		*dst++ = *src;
	}
	k->k.u64s = dst - (u64 *) k;
	return nr;
}

static int update_sectors(struct btree_trans *trans, struct btree *b, unsigned sectors_written,
			  const struct bch_devs_mask *failed)
{
	__BKEY_PADDED(key, BKEY_BTREE_PTR_VAL_U64s_MAX) new;
	struct bch_btree_ptr_v2 *v = (struct bch_btree_ptr_v2 *) &new.key.v;
	struct btree_iter iter;
	int ret = 0;

	if (test_bit(BTREE_NODE_dead, &b->flags))
		return 0;

	bch2_trans_node_iter_init(trans, &iter, b->btree_id, b->max_key, b->level + 1U,
				  b->level, BTREE_ITER_intent);
	ret = bch2_btree_iter_traverse(&iter);
	if (ret || bch2_btree_iter_leaf(&iter) != b)
		goto out;

	bkey_copy(&new.key, &b->key);
	if (new.key.k.type != KEY_TYPE_btree_ptr_v2)
		goto out;
	if (sectors_written)
		v->sectors_written = cpu_to_le16(sectors_written);
	if (failed && !drop_devs(&new.key, failed)) {
		bch_err(trans->c, "no copy of a node of btree %s could be written",
			bch2_btree_id_name(b->btree_id));
		ret = -BCH_ERR_btree_node_write_all_failed;
		goto out;
	}
	/* one copy less: there is something to be done for it */
	if (failed && trans->c->up.btree_ptr_work)
		ret = trans->c->up.btree_ptr_work(trans, &new.key, false);
	if (!ret)
		ret = bch2_btree_node_update_key(trans, &iter, b, &new.key, 0, !failed);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_btree_node_update_key_sectors - a write of a node is complete
 * @c:			filesystem; no locks held
 * @b:			node, pinned by the caller
 * @sectors_written:	of the node, sectors; 0: as before
 * @failed:		devices that do not have it; may be NULL
 *
 * Return: 0, also if the node has left the btree; -BCH_ERR_btree_node_write_all_failed;
 * or an error of the commit.
 */
int bch2_btree_node_update_key_sectors(struct bch_fs *c, struct btree *b,
				       unsigned sectors_written,
				       const struct bch_devs_mask *failed)
{
	struct btree_trans *trans = bch2_trans_get_service(c);
	int ret;

	ret = lockrestart_do(trans, update_sectors(trans, b, sectors_written, failed));
	bch2_trans_put(trans);
	return ret;
}
