// SPDX-License-Identifier: GPL-2.0
/*
 * Interior updates become visible: new nodes, pointers in the parent or a new
 * root, old nodes out of the tree (spec 21 §11.1, steps 3 to 8); and waiting for
 * what becomes of them. The rest is interior_commit.c.
 *
 * Invariants. A pointer to a node becomes durable only after the node's first
 * write (IU-1): the parent that has it in memory is not written before the
 * update's commit (IU-3), and the commit waits for the first writes. What the old
 * nodes pinned in the journal stays pinned until the commit has its number (IU-5).
 */
#include <linux/array_size.h>
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/cache.h"
#include "btree/commit.h"
#include "btree/interior.h"
#include "btree/interior_priv.h"
#include "btree/locking.h"
#include "btree/node_insert.h"
#include "btree/node_write.h"
#include "btree/trans.h"
#include "journal/pins.h"
#include "util/sync_point.h"

/* --- locks (step 3) --- */

static void unlock_old(struct btree_trans *trans, struct btree_update *as, unsigned nr)
{
	while (nr--)
		btree_node_unlock_write(trans, as->old[nr].b);
}

/* Write lock all that changes, and look at the parent while nothing has happened. */
static int update_lock(struct btree_trans *trans, struct btree_update *as, struct btree *parent)
{
	unsigned nr = 0;
	int ret = 0;

	if (parent) {
		ret = btree_node_lock_write(trans, parent);
		if (ret)
			return ret;
		ret = btree_node_check_children(trans, parent, NULL);
	}
	while (!ret && nr < as->nr_old) {
		ret = btree_node_lock_write(trans, as->old[nr].b);
		nr += !ret;
	}
	if (ret) {
		unlock_old(trans, as, nr);
		if (parent)
			btree_node_unlock_write(trans, parent);
	}
	return ret;
}

/* --- becoming visible (steps 4 to 7) --- */

/*
 * An old node was the parent of earlier updates, which have none any more (step
 * 5). Their pointers are in a new node of this one.
 */
static void reparent(struct btree_update *as, struct btree *old)
{
	struct btree_update *u, *n;

	list_for_each_entry_safe(u, n, &old->blocked_by, parent_list) {
		bch2_journal_pin_copy(as->c, &as->pin, &u->pin, NULL);
		list_del_init(&u->parent_list);
		bch2_btree_node_unblock_write(old);
		u->parent	= NULL;
		u->heir		= as;
		bch2_btree_node_put(as->c, old);
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
		bch2_journal_pin_copy(c, &as->pin, &b->writes[i].pin, NULL);
	reparent(as, b);
	bch2_btree_node_clear_dirty(c, b);
	bch2_btree_node_hash_remove(c, b);
}

/*
 * The first write is taken out of the node before anybody can reach it: it has to
 * be as large as the pointer says.
 */
static void new_node_appears(struct btree_update *as, struct btree_update_new *n)
{
	struct bch_fs *c = as->c;
	struct btree *b = n->b;

	b->update = as;
	set_bit(BTREE_NODE_will_make_reachable, &b->flags);
	atomic_inc(&as->nr_writing);
	bch2_btree_node_set_dirty(c, b);
	bch2_btree_node_write(c, b, BTREE_WRITE_initial, 0);
	WARN_ON(bch2_btree_node_hash_insert(c, b));
}

/*
 * The overlay's pointer at this place is superseded; its entry stays pinned by the
 * update (IU-8, spec 22 §11.8.8).
 */
static void overlay_supersede(struct btree_trans *trans, struct btree_update *as,
			      unsigned level, struct bpos pos)
{
	bch2_sync_point(trans->c, interior_H15);
	bch2_overlay_mark_overwritten_pin(trans->c, as->btree_id, level, pos, &as->pin, NULL);
}

/*
 * Pointers to new nodes are in other new nodes, too, where levels were split
 * together: nobody must find the overlay's above them, nor replay put it there.
 */
static void overlay_supersede_new(struct btree_trans *trans, struct btree_update *as)
{
	if (!trans->replay_unfinished)
		return;
	for (unsigned i = 0; i < as->nr_new; i++) {
		const struct btree *b = as->new[i].b;

		if (!as->new[i].root)
			overlay_supersede(trans, as, b->level + 1, b->key.k.p);
	}
}

/* One of the parent's pointers, in memory. */
static void parent_insert(struct btree_trans *trans, struct btree_update *as,
			  struct btree *parent, const struct bkey_i *k)
{
	if (trans->replay_unfinished && bkey_deleted(&k->k))
		overlay_supersede(trans, as, parent->level, k->k.p);
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
		deleted.k = bkey_deleted_at(as->old[i].b->key.k.p);
		parent_insert(trans, as, parent, &deleted);
	}
	for (unsigned i = 0; i < as->nr_new; i++)
		if (as->new[i].b->level == level)
			parent_insert(trans, as, parent, &as->new[i].b->key);

	bch2_btree_node_block_write(parent);
	bch2_btree_node_pin(as->c, parent);
	as->parent = parent;
	list_add_tail(&as->parent_list, &parent->blocked_by);
	btree_node_check_children(trans, parent, NULL);
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
 * @trans:	transaction, with intent locks on all nodes concerned
 * @bld:	all new nodes are filled; freed
 * @parent:	node that receives the pointers, with room for them; NULL: a new root
 *
 * What is left of the update is done by the worker. Iterators of @trans are to be
 * traversed again. Return: 0; a restart or a topology error: the update is
 * abandoned.
 */
int btree_update_publish(struct btree_trans *trans, struct btree_builder *bld,
			 struct btree *parent)
{
	struct bch_fs *c = trans->c;
	struct bch_fs_btree_interior *in = &c->btree.interior;
	struct btree_update *as = bld->as;
	const int ret = update_lock(trans, as, parent);

	if (ret) {
		btree_update_abandon(c, bld);
		return ret;
	}
	btree_update_leftovers(c, bld);

	mutex_lock(&in->lock);
	for (unsigned i = 0; i < as->nr_new; i++)
		new_node_appears(as, &as->new[i]);
	overlay_supersede_new(trans, as);
	if (parent)
		parent_update(trans, as, parent);
	for (unsigned i = 0; i < as->nr_old; i++)
		old_node_leaves(as, &as->old[i]);
	if (!parent)
		install_root(as);
	as->state = BTREE_UPDATE_writing;
	/* IU-6: in this order they will be committed */
	list_add_tail(&as->list, &in->pending);
	WRITE_ONCE(in->nr_pending, in->nr_pending + 1);
	mutex_unlock(&in->lock);

	unlock_old(trans, as, as->nr_old);
	if (parent)
		btree_node_unlock_write(trans, parent);
	writing_put(as);
	return 0;
}

/* --- first writes (step 8) --- */

/**
 * bch2_btree_update_node_written - the first write of a new node has ended
 * @c:		filesystem
 * @b:		node
 * @err:	0, or why it is on no device
 * @failed:	devices that do not have it; may be NULL
 *
 * Any thread, no locks.
 */
void bch2_btree_update_node_written(struct bch_fs *c, struct btree *b, int err,
				    const struct bch_devs_mask *failed)
{
	struct btree_update *as = b->update;

	if (WARN_ON(!as))
		return;
	mutex_lock(&c->btree.interior.lock);
	as->error = as->error ?: err;
	for (unsigned i = 0; failed && i < as->nr_new; i++)
		if (as->new[i].b == b && !bitmap_empty(failed->d, BCH_SB_MEMBERS_MAX)) {
			memcpy(as->new[i].failed, failed->d, sizeof(as->new[i].failed));
			as->new[i].some_failed = true;
		}
	mutex_unlock(&c->btree.interior.lock);
	writing_put(as);
}

/* --- waiting --- */

static bool updates_pending(struct bch_fs *c)
{
	/* pairs with update_end(): what it has done is seen */
	return smp_load_acquire(&c->btree.interior.nr_pending);
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
	INIT_WORK(&in->work, bch2_btree_interior_work);
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
	btree_update_reserves_drop(c);
}
