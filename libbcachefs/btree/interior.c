// SPDX-License-Identifier: GPL-2.0
/*
 * Interior updates from the moment they become visible until they are in the
 * journal (spec 21 §11.1, steps 3 to 14).
 *
 * Invariants. A pointer to a node becomes durable only after the node's first
 * write (IU-1): the parent that has it in memory is not written before the
 * update's commit (IU-3), and the commit waits for the first writes. Updates
 * commit one at a time, in the order in which they became visible (IU-6). What
 * the old nodes pinned in the journal stays pinned until the commit has its
 * number (IU-5).
 *
 * The commit is made by one worker, at the watermark interior_updates: nothing it
 * needs may wait for another interior update (IU-7).
 */
#include <linux/array_size.h>
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
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
#include "journal/overlay.h"
#include "journal/pins.h"
#include "sb/fsck_err.h"
#include "util/log.h"
#include "util/sync_point.h"

/* --- locks (step 3) --- */

static void unlock_old(struct btree_trans *trans, struct btree_builder *bld, unsigned nr)
{
	while (nr--)
		btree_node_unlock_write(trans, bld->as->old[nr].b);
}

/**
 * btree_update_lock - take the write locks an update needs to become visible
 * @trans:	transaction, with intent locks on all of them
 * @bld:	all new nodes are filled
 * @parent:	node that receives the pointers, or NULL: a new root
 *
 * Return: 0: it cannot fail any more; or a restart, and nothing is write locked.
 */
int btree_update_lock(struct btree_trans *trans, struct btree_builder *bld, struct btree *parent)
{
	int ret = 0;

	if (parent)
		ret = btree_node_lock_write(trans, parent);
	for (unsigned i = 0; !ret && i < bld->as->nr_old; i++) {
		ret = btree_node_lock_write(trans, bld->as->old[i].b);
		if (ret) {
			unlock_old(trans, bld, i);
			if (parent)
				btree_node_unlock_write(trans, parent);
		}
	}
	return ret;
}

/* --- becoming visible (steps 4 to 7) --- */

/* Reclaim wants an update's entry back: it is on its way already. */
static int pin_flush(struct bch_fs *c, struct journal_entry_pin *pin, u64 seq)
{
	return 0;
}

/* An old node was the parent of earlier updates: they have none any more (step 5). */
static void reparent(struct btree_update *as, struct btree *old)
{
	struct btree_update *u, *n;

	list_for_each_entry_safe(u, n, &old->blocked_by, parent_list) {
		bch2_journal_pin_copy(as->c, &as->pin, &u->pin, pin_flush);
		list_del_init(&u->parent_list);
		bch2_btree_node_unblock_write(old);
		bch2_btree_node_put(as->c, old);
		u->parent = NULL;
	}
}

static void old_node_leaves(struct btree_update *as, struct btree_update_old *o)
{
	struct bch_fs *c = as->c;
	struct btree *b = o->b;

	bkey_copy(&o->key, &b->key);
	set_bit(BTREE_NODE_dying, &b->flags);
	/* its changes are in the new nodes: who needs the entries is this update */
	for (unsigned i = 0; i < ARRAY_SIZE(b->writes); i++)
		bch2_journal_pin_copy(c, &as->pin, &b->writes[i].pin, pin_flush);
	reparent(as, b);
	bch2_btree_node_clear_dirty(c, b);
	bch2_btree_node_hash_remove(c, b);
}

static void new_node_appears(struct btree_update *as, struct btree_update_new *n)
{
	struct bch_fs *c = as->c;
	struct btree *b = n->b;

	b->update = as;
	set_bit(BTREE_NODE_will_make_reachable, &b->flags);
	atomic_inc(&as->nr_writing);
	WARN_ON(bch2_btree_node_hash_insert(c, b));
	bch2_btree_node_set_dirty(c, b);
}

/*
 * The parent's pointers, in memory. Overlay keys at these places are superseded;
 * their entries stay pinned by the update (IU-8, spec 22 §11.8.8).
 */
static void parent_insert(struct btree_trans *trans, struct btree_update *as,
			  struct btree *parent, const struct bkey_i *k)
{
	struct bch_fs *c = as->c;

	if (trans->replay_unfinished) {
		struct journal_keys *keys = &c->journal.keys;
		struct journal_key *old;

		bch2_sync_point(c, "H15");
		mutex_lock(&keys->overwrite_lock);
		old = bch2_journal_keys_find(c, parent->btree_id, parent->level, k->k.p);
		if (old && !old->overwritten) {
			/* replay has not passed it, so its entry is pinned now */
			if (old->journal_seq)
				bch2_journal_pin_add(c, old->journal_seq, &as->pin,
						     JOURNAL_PIN_TYPE_other, pin_flush);
			bch2_journal_key_mark_overwritten(c, old);
		}
		mutex_unlock(&keys->overwrite_lock);
	}
	bch2_btree_node_insert_key(trans, parent, k, 0);
}

static void parent_update(struct btree_trans *trans, struct btree_update *as,
			  struct btree *parent)
{
	const unsigned level = parent->level - 1;

	bch2_btree_node_prep_insert(as->c, parent);
	for (unsigned i = 0; i < as->nr_old; i++) {
		struct bkey_i deleted;

		if (!as->old[i].delete || as->old[i].level != level)
			continue;
		bkey_init(&deleted.k);
		deleted.k.p = as->old[i].b->key.k.p;
		parent_insert(trans, as, parent, &deleted);
	}
	for (unsigned i = 0; i < as->nr_new; i++)
		if (as->new[i].b->level == level)
			parent_insert(trans, as, parent, &as->new[i].b->key);

	bch2_btree_node_block_write(parent);
	bch2_btree_node_pin(as->c, parent);
	as->parent = parent;
	list_add_tail(&as->parent_list, &parent->blocked_by);
	bch2_btree_node_check_children(as->c, parent);
}

static void install_root(struct btree_update *as)
{
	for (unsigned i = 0; i < as->nr_new; i++)
		if (as->new[i].root)
			bch2_btree_set_root_inmem(as->c, as->new[i].b);
}

static void writing_put(struct btree_update *as)
{
	struct bch_fs_btree_interior *in = &as->c->btree.interior;

	if (!atomic_dec_and_test(&as->nr_writing))
		return;
	mutex_lock(&in->lock);
	as->state = BTREE_UPDATE_ready;
	queue_work(in->wq, &in->work);
	mutex_unlock(&in->lock);
}

/**
 * btree_update_publish - make an update visible, and start its writes
 * @trans:	transaction that holds the write locks of btree_update_lock()
 * @bld:	update; the builder is empty afterwards
 * @parent:	as for btree_update_lock(); has room for the pointers
 *
 * The write locks are released. What is left of the update is done by the worker.
 */
void btree_update_publish(struct btree_trans *trans, struct btree_builder *bld,
			  struct btree *parent)
{
	struct bch_fs *c = trans->c;
	struct bch_fs_btree_interior *in = &c->btree.interior;
	struct btree_update *as = bld->as;

	btree_update_leftovers(c, bld);

	mutex_lock(&in->lock);
	for (unsigned i = 0; i < as->nr_new; i++)
		new_node_appears(as, &as->new[i]);
	if (parent)
		parent_update(trans, as, parent);
	for (unsigned i = 0; i < as->nr_old; i++)
		old_node_leaves(as, &as->old[i]);
	if (!parent)
		install_root(as);
	as->state = BTREE_UPDATE_writing;
	list_add_tail(&as->list, &in->pending);
	in->nr_pending++;
	mutex_unlock(&in->lock);

	for (unsigned i = 0; i < as->nr_new; i++)
		bch2_btree_node_write(c, as->new[i].b, BTREE_WRITE_initial, 0);
	unlock_old(trans, bld, as->nr_old);
	if (parent)
		btree_node_unlock_write(trans, parent);
	writing_put(as);
}

/**
 * bch2_btree_update_node_written - the first write of a new node has ended
 * @c:		filesystem
 * @b:		node
 * @err:	0, or why it is on no device
 * @failed:	devices that do not have it; may be NULL
 *
 * Any thread, no locks. A device that does not have the node is dropped from its
 * pointer when that can be found; a reader that meets it before takes another
 * copy.
 */
void bch2_btree_update_node_written(struct bch_fs *c, struct btree *b, int err,
				    const struct bch_devs_mask *failed)
{
	struct btree_update *as = b->update;

	if (WARN_ON(!as))
		return;
	mutex_lock(&c->btree.interior.lock);
	if (err)
		as->error = as->error ?: err;
	for (unsigned i = 0; failed && i < as->nr_new; i++)
		if (as->new[i].b == b &&
		    !bitmap_empty(failed->d, BCH_SB_MEMBERS_MAX)) {
			memcpy(as->new[i].failed, failed->d, sizeof(as->new[i].failed));
			as->new[i].some_failed = true;
		}
	mutex_unlock(&c->btree.interior.lock);
	writing_put(as);
}

/* --- the commit (steps 9 to 11) --- */

static int journal_key(struct btree_trans *trans, unsigned type, unsigned btree, unsigned level,
		       const struct bkey_i *k)
{
	struct jset_entry *e = bch2_trans_jset_entry_alloc(trans, 1 + k->k.u64s);

	if (IS_ERR(e))
		return PTR_ERR(e);
	memset(e, 0, sizeof(*e));
	e->u64s		= cpu_to_le16(k->k.u64s);
	e->btree_id	= btree;
	e->level	= level;
	e->type		= type;
	memcpy(jset_entry_data(e), k, k->k.u64s * sizeof(u64));
	return 0;
}

static int commit_old(struct btree_trans *trans, struct btree_update *as,
		      struct btree_update_old *o)
{
	struct bkey_i deleted;
	int ret;

	if (o->fake)
		return 0;
	bkey_init(&deleted.k);
	deleted.k.p = o->key.k.p;

	ret   = bch2_trans_mark_key(trans, as->btree_id, o->level + 1, bkey_i_to_s_c(&o->key),
				    bkey_i_to_s(&deleted), BTREE_TRIGGER_transactional) ?:
		journal_key(trans, BCH_JSET_ENTRY_overwrite, as->btree_id, o->level + 1, &o->key);
	if (!ret && o->delete)
		ret = journal_key(trans, BCH_JSET_ENTRY_btree_keys, as->btree_id, o->level + 1,
				  &deleted);
	return ret;
}

static int commit_new(struct btree_trans *trans, struct btree_update *as,
		      struct btree_update_new *n)
{
	__BKEY_PADDED(key, BKEY_BTREE_PTR_VAL_U64s_MAX) k;
	struct bkey deleted = { .u64s = BKEY_U64s, .format = KEY_FORMAT_CURRENT };

	bkey_copy(&k.key, &n->b->key);
	((struct bch_btree_ptr_v2 *) &k.key.v)->mem_ptr = 0;
	deleted.p = k.key.k.p;

	return  bch2_trans_mark_key(trans, as->btree_id, n->b->level + 1,
				    (struct bkey_s_c) { .k = &deleted }, bkey_i_to_s(&k.key),
				    BTREE_TRIGGER_transactional) ?:
		journal_key(trans, n->root ? BCH_JSET_ENTRY_btree_root : BCH_JSET_ENTRY_btree_keys,
			    as->btree_id, n->b->level + !n->root, &k.key);
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

/* IU-2: everything about the update in one journal entry. */
static int update_commit(struct btree_update *as, u64 *seq)
{
	struct bch_fs *c = as->c;
	struct btree_trans *trans = bch2_trans_get(c);
	int ret;

	if (IS_ERR(trans))
		return PTR_ERR(trans);
	do {
		bch2_trans_begin(trans);
		ret = bch2_trans_mutex_lock(trans, &c->btree.interior.commit_lock);
		if (ret)
			continue;
		ret   = commit_body(trans, as) ?:
			bch2_trans_commit(trans, NULL, seq,
					  BCH_WATERMARK_interior_updates|
					  BCH_TRANS_COMMIT_no_enospc|
					  BCH_TRANS_COMMIT_no_check_rw|
					  BCH_TRANS_COMMIT_journal_reclaim);
		bch2_trans_mutex_unlock(trans, &c->btree.interior.commit_lock);
	} while (bch2_err_matches(ret, BCH_ERR_transaction_restart));
	bch2_trans_put(trans);
	return ret;
}

static int update_journal(struct btree_update *as, u64 *seq)
{
	struct bch_fs *c = as->c;
	int ret = as->error;

	if (!ret)
		ret = bch2_btree_bitmap_mark(c, as);
	for (unsigned i = 0; i < as->nr_old; i++)
		bch2_btree_node_write_wait(c, as->old[i].b);
	bch2_sync_point(c, "H12");
	if (!ret)
		ret = update_commit(as, seq);
	if (ret && !bch2_journal_error(c)) {
		bch_err(c, "change of btree %s could not be journalled: %s",
			bch2_btree_id_name(as->btree_id), bch2_err_str(ret));
		bch2_fatal_error(c);
		c->up.emergency_ro(c);
	}
	return ret;
}

/* --- the end (steps 12 to 14) --- */

static void new_nodes_reachable(struct btree_update *as, int err)
{
	struct bch_fs *c = as->c;

	for (unsigned i = 0; i < as->nr_new; i++) {
		struct btree *b = as->new[i].b;

		if (err)
			set_bit(BTREE_NODE_never_write, &b->flags);
		mutex_lock(&c->btree.interior.lock);
		b->update = NULL;
		clear_bit(BTREE_NODE_will_make_reachable, &b->flags);
		mutex_unlock(&c->btree.interior.lock);
	}
}

/* Step 13: the parent may be written, but not be believed without entry @seq. */
static void parent_release(struct btree_update *as, u64 seq, int err)
{
	struct bch_fs *c = as->c;
	struct bch_fs_btree_interior *in = &c->btree.interior;
	struct btree_trans *trans = bch2_trans_get(c);
	struct btree *b;

	/* without memory for a transaction it stays blocked: nothing gets worse */
	if (IS_ERR(trans))
		return;

	mutex_lock(&in->lock);
	b = as->parent;
	if (b)
		bch2_btree_node_pin(c, b);
	mutex_unlock(&in->lock);
	if (!b)
		goto out;

	bch2_trans_begin(trans);
	bch2_trans_lock_nofail(trans, &b->six, SIX_LOCK_intent);
	btree_node_lock_write_nofail(trans, b);

	mutex_lock(&in->lock);
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

	btree_node_unlock_write(trans, b);
	bch2_trans_unlock_one(trans, &b->six, SIX_LOCK_intent);
	bch2_btree_node_write_if_needed(c, b);
	bch2_btree_node_put(c, b);
out:
	bch2_trans_put(trans);
}

/* A rewrite brings back the number of copies, and a pointer to good ones only. */
static void queue_rewrite(struct btree_update *as, struct btree_update_new *n)
{
	bch2_btree_node_rewrite_async(as->c, n->b);
}

static void update_free(struct btree_update *as)
{
	struct bch_fs *c = as->c;

	for (unsigned i = 0; i < as->nr_new; i++) {
		struct btree_update_new *n = &as->new[i];

		bch2_btree_node_write_if_needed(c, n->b);
		if (n->some_failed)
			queue_rewrite(as, n);
		c->up.open_buckets_put(c, &as->new[i].ob);
		bch2_btree_node_put(c, as->new[i].b);
	}
	for (unsigned i = 0; i < as->nr_old; i++)
		bch2_btree_node_put(c, as->old[i].b);
	kfree(as);
}

static void update_end(struct btree_update *as)
{
	struct bch_fs_btree_interior *in = &as->c->btree.interior;
	u64 seq = 0;
	const int err = update_journal(as, &seq);

	new_nodes_reachable(as, err);
	parent_release(as, seq, err);
	bch2_journal_pin_flush(as->c, &as->pin);

	mutex_lock(&in->lock);
	list_del(&as->list);
	in->nr_pending--;
	mutex_unlock(&in->lock);
	update_free(as);
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

static void interior_work(struct work_struct *work)
{
	struct bch_fs *c = container_of(work, struct bch_fs, btree.interior.work);
	struct btree_update *as;

	/* IU-6: only ever the oldest */
	while ((as = first_if_ready(&c->btree.interior)))
		update_end(as);
}

/* --- waiting --- */

static bool updates_pending(struct bch_fs *c)
{
	return READ_ONCE(c->btree.interior.nr_pending);
}

/**
 * bch2_btree_interior_updates_pending - is any update not in the journal yet?
 * @c:	filesystem
 */
bool bch2_btree_interior_updates_pending(struct bch_fs *c)
{
	return updates_pending(c);
}

/**
 * bch2_btree_interior_updates_flush - wait until there is none
 * @c:	filesystem; the caller holds no node locks
 *
 * Return: true: there were some.
 */
bool bch2_btree_interior_updates_flush(struct bch_fs *c)
{
	const bool ret = updates_pending(c);

	wait_event(c->btree.interior.wait, !updates_pending(c));
	return ret;
}

/* --- life --- */

/**
 * bch2_fs_btree_interior_init - before any btree changes
 * @c:	filesystem that is being opened
 *
 * Return: 0 or -ENOMEM.
 */
int bch2_fs_btree_interior_init(struct bch_fs *c)
{
	struct bch_fs_btree_interior *in = &c->btree.interior;

	mutex_init(&in->commit_lock);
	mutex_init(&in->lock);
	INIT_LIST_HEAD(&in->pending);
	INIT_LIST_HEAD(&in->rewrites);
	init_waitqueue_head(&in->wait);
	INIT_WORK(&in->work, interior_work);
	INIT_WORK(&in->rewrite_work, bch2_btree_rewrite_work);
	in->wq = alloc_workqueue("bcachefs_btree_interior", WQ_UNBOUND|WQ_MEM_RECLAIM, 0);
	if (!in->wq)
		return -BCH_ERR_ENOMEM_fs_alloc;
	in->initialized = true;
	return 0;
}

/**
 * bch2_fs_btree_interior_exit - the end of bch2_fs_btree_interior_init()
 * @c:	filesystem without pending updates
 */
void bch2_fs_btree_interior_exit(struct bch_fs *c)
{
	struct bch_fs_btree_interior *in = &c->btree.interior;

	if (!in->initialized)
		return;
	in->initialized = false;
	cancel_work_sync(&in->rewrite_work);
	bch2_btree_rewrites_drop(c);
	destroy_workqueue(in->wq);
	WARN_ON(!list_empty(&in->pending));
	for (unsigned i = 0; i < in->nr_reserve; i++)
		c->up.open_buckets_put(c, &in->reserve[i].ob);
	in->nr_reserve = 0;
}
