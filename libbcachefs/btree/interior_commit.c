// SPDX-License-Identifier: GPL-2.0
/*
 * Interior updates from the moment their first writes are done until they are in
 * the journal and forgotten (spec 21 §11.1, steps 9 to 14).
 *
 * Invariants. Updates commit one at a time, in the order in which they became
 * visible (IU-6), each in one journal entry (IU-2). The commit is made by one
 * worker, at the watermark interior_updates; nothing it needs may wait for another
 * interior update, or for space in the journal that only others can make (IU-7).
 * Once an update has failed none is committed any more: later ones name nodes that
 * exist through it.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/btree_bitmap.h"
#include "btree/cache.h"
#include "btree/commit.h"
#include "btree/interior.h"
#include "btree/interior_priv.h"
#include "btree/locking.h"
#include "btree/node_insert.h"
#include "btree/node_write.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "journal/journal.h"
#include "journal/pins.h"
#include "sb/fsck_err.h"
#include "util/log.h"
#include "util/sync_point.h"

/* --- the commit (steps 9 to 11) --- */

static int commit_old(struct btree_trans *trans, struct btree_update *as,
		      struct btree_update_old *o)
{
	struct bkey_i deleted;
	int ret;

	if (o->fake)
		return 0;
	deleted.k = bkey_deleted_at(o->key.k.p);

	ret   = bch2_trans_mark_key(trans, as->btree_id, o->level + 1, bkey_i_to_s_c(&o->key),
				    bkey_i_to_s(&deleted), BTREE_TRIGGER_transactional) ?:
		btree_update_journal_key(trans, BCH_JSET_ENTRY_overwrite, as->btree_id,
					 o->level + 1, &o->key);
	if (!ret && o->delete)
		ret = btree_update_journal_key(trans, BCH_JSET_ENTRY_btree_keys, as->btree_id,
					       o->level + 1, &deleted);
	return ret;
}

static int commit_new(struct btree_trans *trans, struct btree_update *as,
		      struct btree_update_new *n)
{
	const unsigned level = n->b->level;
	const struct bkey deleted = bkey_deleted_at(n->b->key.k.p);
	/* triggers may keep it in mind, or make it longer */
	struct bkey_i *k = bch2_trans_kmalloc(trans, BKEY_BTREE_PTR_U64s_MAX * sizeof(u64));

	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_copy(k, &n->b->key);

	return  bch2_trans_mark_key(trans, as->btree_id, level + 1,
				    (struct bkey_s_c) { .k = &deleted }, bkey_i_to_s(k),
				    BTREE_TRIGGER_transactional) ?:
		btree_update_journal_key(trans, n->root ? BCH_JSET_ENTRY_btree_root
							: BCH_JSET_ENTRY_btree_keys,
					 as->btree_id, n->root ? level : level + 1, k);
}

static int commit_body(struct btree_trans *trans, struct btree_update *as)
{
	int ret = 0;

	trans->s.journal_pin = &as->pin;
	for (unsigned i = 0; !ret && i < as->nr_old; i++)
		ret = commit_old(trans, as, &as->old[i]);
	for (unsigned i = 0; !ret && i < as->nr_new; i++)
		ret = commit_new(trans, as, &as->new[i]);
	return ret;
}

static int commit_attempt(struct btree_trans *trans, struct btree_update *as, u64 *seq)
{
	struct mutex *lock = &trans->c->btree.interior.commit_lock;
	int ret = bch2_trans_mutex_lock(trans, lock);

	if (ret)
		return ret;
	ret   = commit_body(trans, as) ?:
		bch2_trans_commit(trans, NULL, seq, BTREE_INTERIOR_COMMIT_FLAGS);
	bch2_trans_mutex_unlock(trans, lock);
	return ret;
}

/* Step 9: before a node is reachable, its region is marked in the superblock. */
static int mark_bitmaps(struct btree_update *as)
{
	int ret = 0;

	for (unsigned i = 0; !ret && i < as->nr_new; i++)
		if (!bch2_dev_btree_bitmap_marked(as->c, bkey_i_to_s_c(&as->new[i].b->key)))
			ret = bch2_dev_btree_bitmap_mark(as->c,
							 bkey_i_to_s_c(&as->new[i].b->key));
	return ret;
}

static int update_journal(struct btree_trans *trans, struct btree_update *as, u64 *seq)
{
	struct bch_fs *c = as->c;
	struct bch_fs_btree_interior *in = &c->btree.interior;
	int ret = in->error ?: as->error;

	ret = ret ?: mark_bitmaps(as);
	for (unsigned i = 0; i < as->nr_old; i++)
		bch2_btree_node_write_wait(c, as->old[i].b);
	bch2_sync_point(c, interior_H12);

	ret = ret ?: lockrestart_do(trans, commit_attempt(trans, as, seq));
	/* locks of the transaction's iterators do not outlast this */
	bch2_trans_unlock(trans);
	if (ret && !in->error) {
		in->error = ret;
		if (!bch2_journal_error(c))
			bch_err(c, "change of btree %s could not be journalled: %s",
				bch2_btree_id_name(as->btree_id), bch2_err_str(ret));
		bch2_fatal_error(c);
		if (c->up.emergency_ro)
			c->up.emergency_ro(c);
	}
	return ret;
}

/* --- the end (steps 12 to 14) --- */

static void new_nodes_reachable(struct btree_update *as, int err)
{
	struct bch_fs_btree_interior *in = &as->c->btree.interior;

	mutex_lock(&in->lock);
	for (unsigned i = 0; i < as->nr_new; i++) {
		struct btree *b = as->new[i].b;

		/* NW-3 */
		if (err)
			set_bit(BTREE_NODE_never_write, &b->flags);
		b->update = NULL;
		clear_bit_unlock(BTREE_NODE_will_make_reachable, &b->flags);
	}
	mutex_unlock(&in->lock);
	wake_up_all(&in->wait);
}

/* Who has the pointers in memory, pinned; NULL: nobody, or a later update. */
static struct btree *parent_get(struct btree_update *as)
{
	struct bch_fs_btree_interior *in = &as->c->btree.interior;
	struct btree *b;

	mutex_lock(&in->lock);
	b = as->parent;
	if (b)
		bch2_btree_node_pin(as->c, b);
	mutex_unlock(&in->lock);
	return b;
}

/* Step 13: the parent may be written, but not be believed without entry @seq. */
static void parent_unblock(struct btree_update *as, struct btree *b, u64 seq, int err)
{
	struct bch_fs *c = as->c;
	struct bch_fs_btree_interior *in = &c->btree.interior;

	mutex_lock(&in->lock);
	/* else it was replaced meanwhile */
	if (as->parent == b) {
		list_del_init(&as->parent_list);
		as->parent = NULL;
		bch2_btree_node_unblock_write(b);
		if (err) {
			set_bit(BTREE_NODE_never_write, &b->flags);
		} else {
			bch2_btree_node_guard(b, seq);
			bch2_btree_node_pin_seq(c, b, seq);
		}
		bch2_btree_node_put(c, b);
	}
	mutex_unlock(&in->lock);
}

/* Whoever has the pointers keeps the entry that makes them valid. */
static void parent_release(struct btree_trans *trans, struct btree_update *as, u64 seq, int err)
{
	struct bch_fs *c = as->c;
	struct bch_fs_btree_interior *in = &c->btree.interior;
	struct btree *b = parent_get(as);

	if (b) {
		bch2_trans_begin(trans);
		bch2_trans_lock_nofail(trans, &b->six, SIX_LOCK_intent);
		btree_node_lock_write_nofail(trans, b);
		parent_unblock(as, b, seq, err);
		btree_node_unlock_write(trans, b);
		bch2_trans_unlock_one(trans, &b->six, SIX_LOCK_intent);
		bch2_btree_node_write_if_needed(c, b);
		bch2_btree_node_put(c, b);
	}

	mutex_lock(&in->lock);
	if (as->heir && !err)
		bch2_journal_pin_add(c, seq, &as->heir->pin, JOURNAL_PIN_TYPE_other, NULL);
	mutex_unlock(&in->lock);
}

/*
 * Devices that do not have a new node are taken out of its pointer, as for any
 * other write. Until that is journalled readers find that out for themselves.
 */
static void drop_failed_devs(struct btree_update *as)
{
	struct bch_fs *c = as->c;

	for (unsigned i = 0; i < as->nr_new; i++) {
		struct btree_update_new *n = &as->new[i];
		struct bch_devs_mask failed;
		int ret;

		if (!n->some_failed)
			continue;
		memcpy(failed.d, n->failed, sizeof(failed.d));
		ret = bch2_btree_node_update_key_sectors(c, n->b, 0, &failed);
		if (ret && !bch2_journal_error(c))
			bch_err(c, "cannot drop failed devices from a node of btree %s: %s",
				bch2_btree_id_name(as->btree_id), bch2_err_str(ret));
	}
}

static void update_free(struct btree_update *as)
{
	struct bch_fs *c = as->c;

	for (unsigned i = 0; i < as->nr_new; i++) {
		c->up.open_buckets_put(c, &as->new[i].ob);
		bch2_btree_node_put(c, as->new[i].b);
	}
	for (unsigned i = 0; i < as->nr_old; i++)
		bch2_btree_node_put(c, as->old[i].b);
	kfree(as);
}

static void update_end(struct btree_trans *trans, struct btree_update *as)
{
	struct bch_fs *c = as->c;
	struct bch_fs_btree_interior *in = &c->btree.interior;
	u64 seq = 0;
	const int err = update_journal(trans, as, &seq);

	new_nodes_reachable(as, err);
	parent_release(trans, as, seq, err);
	bch2_journal_pin_flush(c, &as->pin);
	if (!err)
		drop_failed_devs(as);
	for (unsigned i = 0; i < as->nr_new; i++)
		bch2_btree_node_write_if_needed(c, as->new[i].b);

	mutex_lock(&in->lock);
	list_del(&as->list);
	mutex_unlock(&in->lock);
	update_free(as);

	mutex_lock(&in->lock);
	smp_store_release(&in->nr_pending, in->nr_pending - 1);
	mutex_unlock(&in->lock);
	wake_up_all(&in->wait);
}

static struct btree_update *first_if_ready(struct bch_fs_btree_interior *in)
{
	struct btree_update *as;

	mutex_lock(&in->lock);
	as = list_first_entry_or_null(&in->pending, struct btree_update, list);
	if (as && as->state != BTREE_UPDATE_ready)
		as = NULL;
	mutex_unlock(&in->lock);
	return as;
}

/**
 * bch2_btree_interior_work - worker: complete updates, oldest first (IU-6)
 * @work:	bch_fs_btree_interior.work
 */
void bch2_btree_interior_work(struct work_struct *work)
{
	struct bch_fs *c = container_of(work, struct bch_fs, btree.interior.work);
	struct btree_update *as;

	while ((as = first_if_ready(&c->btree.interior))) {
		/* one each: it takes note of the end of replay */
		struct btree_trans *trans = bch2_trans_get_service(c);

		update_end(trans, as);
		bch2_trans_put(trans);
	}
}
