// SPDX-License-Identifier: GPL-2.0
/*
 * Copying a node to a new place with the same range (spec 21 §10.5): because a
 * copy of it is bad, what was read had to be repaired, or it cannot be appended
 * to.
 *
 * Requests that nobody waits for are queued, each node once, up to a bound: a
 * node that is left out still says itself that it needs it, and gets it at its
 * next insertion. They wait for the end of replay.
 */
#include <linux/err.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "btree/interior.h"
#include "btree/interior_priv.h"
#include "btree/node_insert.h"
#include "btree/trans.h"
#include "util/log.h"

#define REWRITES_MAX	1024

struct btree_rewrite {
	struct list_head	list;
	u8			btree_id;
	u8			level;
	u64			seq;		/* of the node that is meant */
	struct bpos		pos;		/* its last position */
};

static int rewrite_locked(struct btree_trans *trans, struct btree *b, struct btree *parent,
			  unsigned commit_flags)
{
	const struct node_range src = { .b = b, .end = b->nr_keys };
	struct bch_fs *c = trans->c;
	struct btree_builder *bld = btree_update_start(trans, b->btree_id, b->level, 1,
						       commit_flags);
	struct bkey_format fmt;
	struct btree *n;

	if (IS_ERR(bld))
		return PTR_ERR(bld);

	btree_update_format(c, &src, 1, b->min_key, b->max_key, 0, &fmt);
	n = btree_update_new_node(bld, b->level, b->min_key, b->max_key, fmt,
				  b->generation + 1);
	btree_update_copy_keys(n, &src);
	btree_update_node_filled(c, n);
	bld->as->new[0].root = !parent;
	btree_update_old_node(c, bld, b);
	return btree_update_publish(trans, bld, parent);
}

/**
 * bch2_btree_node_rewrite - copy a node to a new place
 * @trans:		transaction
 * @iter:		iterator at the node's level, which stands on it
 * @b:			node
 * @commit_flags:	watermark
 *
 * Return: 0; a restart; or why there is no space or memory. Iterators are to be
 * traversed again.
 */
int bch2_btree_node_rewrite(struct btree_trans *trans, struct btree_iter *iter, struct btree *b,
			    unsigned commit_flags)
{
	struct btree *parent = NULL;
	int ret;

	ret = bch2_btree_iter_upgrade(iter, min(b->level + 1U, BTREE_MAX_DEPTH - 1U));
	if (ret)
		return ret;
	if (bch2_btree_iter_root_level(iter) != b->level) {
		parent = bch2_btree_iter_node(iter, b->level + 1);
		if (!bch2_btree_node_has_room(trans->c, parent, BTREE_SPLIT_PARENT_U64s))
			return btree_make_room_above(trans, b, commit_flags);
	}
	ret = rewrite_locked(trans, b, parent, commit_flags);
	if (!ret)
		bch2_btree_iter_downgrade(iter);
	return ret;
}

/**
 * bch2_btree_node_rewrite_pos - copy a node to a new place, if it is still there
 * @trans:	transaction without pending updates
 * @btree:	btree
 * @level:	the node's level
 * @seq:	its number
 * @pos:	its max_key
 *
 * Return: as bch2_btree_node_rewrite().
 */
int bch2_btree_node_rewrite_pos(struct btree_trans *trans, unsigned btree, unsigned level,
				u64 seq, struct bpos pos)
{
	struct btree_iter iter;
	struct btree *b;
	int ret;

	bch2_trans_node_iter_init(trans, &iter, btree, pos, level + 1U, level,
				  BTREE_ITER_intent);
	ret = bch2_btree_iter_traverse(&iter);
	if (!ret) {
		b = bch2_btree_iter_leaf(&iter);
		/* another node by now: what was wrong is gone with the old one */
		if (b && b->seq == seq && b->level == level)
			ret = bch2_btree_node_rewrite(trans, &iter, b, 0);
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* --- when somebody has time for it --- */

static struct btree_rewrite *rewrite_pop(struct bch_fs_btree_interior *in)
{
	struct btree_rewrite *r;

	mutex_lock(&in->lock);
	r = list_first_entry_or_null(&in->rewrites, struct btree_rewrite, list);
	if (r) {
		list_del(&r->list);
		WRITE_ONCE(in->nr_rewrites, in->nr_rewrites - 1);
	}
	mutex_unlock(&in->lock);
	return r;
}

/**
 * bch2_btree_rewrite_work - worker: what bch2_btree_node_rewrite_async() has queued
 * @work:	bch_fs_btree_interior.rewrite_work
 */
void bch2_btree_rewrite_work(struct work_struct *work)
{
	struct bch_fs *c = container_of(work, struct bch_fs, btree.interior.rewrite_work);
	struct btree_rewrite *r;
	struct btree_trans *trans;

	if (!test_bit(BCH_FS_replay_done, &c->flags) || !c->up.write_ref_get(c))
		return;
	trans = bch2_trans_get_service(c);
	while (!IS_ERR(trans) && (r = rewrite_pop(&c->btree.interior))) {
		const int ret = lockrestart_do(trans,
			bch2_btree_node_rewrite_pos(trans, r->btree_id, r->level, r->seq, r->pos));

		if (ret)
			bch_err(c, "rewriting a node of btree %s: %s",
				bch2_btree_id_name(r->btree_id), bch2_err_str(ret));
		kfree(r);
	}
	if (!IS_ERR(trans))
		bch2_trans_put(trans);
	c->up.write_ref_put(c);
}

/**
 * bch2_btree_node_rewrite_async - have a node rewritten some time
 * @c:	filesystem
 * @b:	node
 *
 * Any thread, also with node locks held. Forgotten where there is no memory, and
 * when the filesystem does not write.
 */
void bch2_btree_node_rewrite_async(struct bch_fs *c, struct btree *b)
{
	struct bch_fs_btree_interior *in = &c->btree.interior;
	struct btree_rewrite *r, *i;

	if (!in->initialized || c->opts.nochanges)
		return;
	r = kmalloc(sizeof(*r), GFP_NOWAIT);
	if (!r)
		return;
	r->btree_id	= b->btree_id;
	r->level	= b->level;
	r->seq		= b->seq;
	r->pos		= b->max_key;

	mutex_lock(&in->lock);
	list_for_each_entry(i, &in->rewrites, list)
		if (i->seq == r->seq)
			goto have;
	if (in->nr_rewrites >= REWRITES_MAX)
		goto have;
	list_add_tail(&r->list, &in->rewrites);
	WRITE_ONCE(in->nr_rewrites, in->nr_rewrites + 1);
	r = NULL;
have:
	mutex_unlock(&in->lock);
	kfree(r);
	bch2_btree_rewrites_start(c);
}

/**
 * bch2_btree_rewrites_start - replay is done: queued requests can go on
 * @c:	filesystem
 */
void bch2_btree_rewrites_start(struct bch_fs *c)
{
	if (READ_ONCE(c->btree.interior.nr_rewrites) && test_bit(BCH_FS_replay_done, &c->flags))
		queue_work(system_unbound_wq, &c->btree.interior.rewrite_work);
}

/**
 * bch2_btree_rewrites_drop - forget what is queued
 * @c:	filesystem that is being stopped
 */
void bch2_btree_rewrites_drop(struct bch_fs *c)
{
	struct btree_rewrite *r;

	while ((r = rewrite_pop(&c->btree.interior)))
		kfree(r);
}
