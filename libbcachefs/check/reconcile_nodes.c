// SPDX-License-Identifier: GPL-2.0
/*
 * Pending work of btree nodes: pointers to nodes against options and against
 * reconcile_scan, and back (spec 53 §7.3, §7.4).
 *
 * A pointer with work and its entry refer to each other: by position, and by the
 * number of the entry. Entries of all classes are checked, not only those of the
 * first. A pointer is changed through its node (bch2_btree_node_update_key()), in
 * a transaction of its own, and then looked at again.
 */
#include <linux/err.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey_buf.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/extent_entries.h"
#include "btree/fsck_err_trans.h"
#include "btree/interior.h"
#include "btree/iter.h"
#include "btree/node_types.h"
#include "btree/update.h"
#include "check/reconcile.h"
#include "data/extents.h"
#include "data/reconcile.h"
#include "data/reconcile_compute.h"
#include "data/reconcile_trigger.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* A pointer is looked at again after each change; repairs do not take more. */
#define NODE_ROUNDS_MAX		8

/* --- changing a pointer --- */

/* What to do with the pointer to a node. */
struct node_change {
	const struct bch_reconcile_want *want;	/* or NULL */
	bool			set_idx;
	u64			idx;
};

static int node_key_change(struct reconcile_check *x, struct bkey_i *n,
			   const struct node_change *ch)
{
	int ret = ch->want ? bch2_reconcile_apply(x->c, n, ch->want) : 0;

	return ret ?: ch->set_idx ? bch2_reconcile_node_set_idx(x->c, bkey_i_to_s(n), ch->idx) : 0;
}

/* The pointer that was looked at must be the current one. */
static int node_update(struct reconcile_check *x, unsigned btree, unsigned level,
		       const struct bkey_i *k, const struct node_change *ch)
{
	__BKEY_PADDED(key, BKEY_BTREE_PTR_VAL_U64s_MAX) n;
	struct btree_iter iter;
	struct btree *b;
	int ret;

	bch2_trans_node_iter_init(x->trans, &iter, btree, k->k.p, 0, level - 1,
				  BTREE_ITER_intent);
	ret = bch2_btree_iter_traverse(&iter);
	if (ret)
		goto out;
	b = bch2_btree_iter_leaf(&iter);
	if (b->key.k.u64s != k->k.u64s || memcmp(&b->key, k, bkey_bytes(&k->k))) {
		ret = bch2_trans_restart(x->trans, BCH_ERR_transaction_restart_relock);
		goto out;
	}

	bkey_copy(&n.key, k);
	ret   = node_key_change(x, &n.key, ch) ?:
		bch2_btree_node_update_key(x->trans, &iter, b, &n.key, 0, false);
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* --- a pointer and its entry --- */

static void node_to_text(struct printbuf *out, struct bch_fs *c, unsigned btree, unsigned level,
			 const struct bkey_i *k)
{
	bch2_btree_id_level_to_text(out, btree, level);
	prt_char(out, ' ');
	bch2_bkey_val_to_text(out, c, bkey_i_to_s_c(k));
}

static int no_entry_report(struct reconcile_check *x, unsigned btree, unsigned level,
			   const struct bkey_i *k, unsigned class)
{
	CLASS(printbuf, buf)();
	struct node_change ch = { .set_idx = true };
	bool fix;
	int ret = 0;

	node_to_text(&buf, x->c, btree, level, k);
	if (class)
		fix = fsck_err_trans(x->trans, btree_ptr_with_no_reconcile_bp,
				     "pointer to a node that needs work is not in reconcile_scan\n"
				     "%s", printbuf_str(&buf));
	else
		fix = fsck_err_trans(x->trans, btree_ptr_with_bad_reconcile_bp,
				     "pointer to a node that needs no work has a number in "
				     "reconcile_scan\n%s", printbuf_str(&buf));
	if (!fix)
		return 0;
	if (class)
		ret = bch2_reconcile_node_entry_create(x->trans, btree, level, k->k.p, class,
						       &ch.idx);
	ret = ret ?: node_update(x, btree, level, k, &ch) ?: 1;
fsck_err:
	return ret;
}

static int wrong_entry_report(struct reconcile_check *x, unsigned btree, unsigned level,
			      const struct bkey_i *k, struct bpos scan, struct bkey_s_c entry)
{
	CLASS(printbuf, buf)();
	struct node_change ch = { .set_idx = true };
	const bool others = entry.k->type == KEY_TYPE_backpointer;
	int ret = 0;

	prt_printf(&buf, "pointer to a node with number %llu in class %llu of reconcile_scan, "
		   "where there is ", (u64) scan.offset, (u64) scan.inode);
	prt_str(&buf, others ? "another node's:\n" : "none\n");
	if (others) {
		bch2_bkey_val_to_text(&buf, x->c, entry);
		prt_char(&buf, '\n');
	}
	node_to_text(&buf, x->c, btree, level, k);
	if (!fsck_err_trans(x->trans, btree_ptr_to_bad_reconcile_bp, "%s", printbuf_str(&buf)))
		return 0;

	if (!others)
		ret =   bch2_reconcile_node_entry_write(x->trans, btree, level, k->k.p, scan) ?:
			bch2_trans_commit(x->trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc);
	else
		ret =   bch2_reconcile_node_entry_create(x->trans, btree, level, k->k.p,
							 scan.inode, &ch.idx) ?:
			node_update(x, btree, level, k, &ch);
	ret = ret ?: 1;
fsck_err:
	return ret;
}

static bool entry_is_of(struct bkey_s_c entry, unsigned btree, unsigned level, struct bpos pos)
{
	const struct bch_backpointer want = bch2_reconcile_node_backpointer(btree, level, pos);
	struct bch_backpointer have;

	if (entry.k->type != KEY_TYPE_backpointer)
		return false;
	bkey_val_copy(&have, entry);
	return !memcmp(&have, &want, sizeof(want));
}

/* 1: something was repaired, look again. */
static int entry_check(struct reconcile_check *x, unsigned btree, unsigned level,
		       const struct bkey_i *k)
{
	const unsigned class = bch2_bkey_reconcile_class(x->c, bkey_i_to_s_c(k));
	const u64 idx = bch2_reconcile_node_idx(x->c, bkey_i_to_s_c(k));
	struct btree_iter iter;
	struct bkey_s_c entry;
	int ret;

	if (!class != !idx)
		return  bch2_btree_write_buffer_maybe_flush(x->trans, bkey_i_to_s_c(k), &x->wb) ?:
			no_entry_report(x, btree, level, k, class);
	if (!class)
		return 0;

	bch2_trans_iter_init(x->trans, &iter, BTREE_ID_reconcile_scan, POS(class, idx), 0);
	entry = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(entry);
	if (!ret && !entry_is_of(entry, btree, level, k->k.p))
		ret = bch2_btree_write_buffer_maybe_flush(x->trans, bkey_i_to_s_c(k), &x->wb) ?:
			wrong_entry_report(x, btree, level, k, POS(class, idx), entry);
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* --- a pointer and its options --- */

static int opts_report(struct reconcile_check *x, unsigned btree, unsigned level,
		       const struct bkey_i *k, const struct bch_reconcile_want *w)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	prt_str(&buf, "pointer to a node does not record the work that options ask for\n");
	node_to_text(&buf, x->c, btree, level, k);
	prt_str(&buf, "\nshould record: ");
	bch2_extent_reconcile_to_text(&buf, x->c, &w->entry);
	/* stored whatever the answer is */
	fsck_err_trans(x->trans, extent_io_opts_not_set, "%s", printbuf_str(&buf));
fsck_err:
	return ret;
}

static int opts_check(struct reconcile_check *x, unsigned btree, unsigned level,
		      const struct bkey_i *k)
{
	const struct bch_io_opts opts = bch2_io_opts_metadata(x->c);
	struct bch_reconcile_want w;
	const struct node_change ch = { .want = &w };
	int ret;

	if (k->k.type != KEY_TYPE_btree_ptr_v2)
		return 0;
	ret = bch2_reconcile_compute(x->trans, level, bkey_i_to_s_c(k), &opts, &w);
	if (ret || !w.changes)
		return ret;

	ret = bch2_reconcile_check_explained(x, btree, level, bkey_i_to_s_c(k), w.new_need);
	if (!ret)
		ret = opts_report(x, btree, level, k, &w);
	if (ret < 0 || x->c->opts.nochanges)
		return min(ret, 0);
	return  bch2_reconcile_permit(x->trans, level) ?:
		node_update(x, btree, level, k, &ch) ?: 1;
}

/* --- all pointers --- */

/* Level of the root as it is in memory, or -1; what describes it follows later. */
static int root_level(struct bch_fs *c, unsigned btree)
{
	const struct btree_root *r = &c->btree.roots[btree];
	int level;

	spin_lock(&c->btree.root_lock);
	level = r->b && !r->fake && !r->error ? r->b->level : -1;
	spin_unlock(&c->btree.root_lock);
	return level;
}

/*
 * The pointer to the root. The one in struct btree_root follows with the journal;
 * the node has it as it is now. 1: found, 0: it is not at @level any more.
 */
static int root_key_get(struct reconcile_check *x, unsigned btree, unsigned level,
			struct bkey_buf *k)
{
	struct btree_iter iter;
	struct btree *b;
	int ret;

	bch2_trans_node_iter_init(x->trans, &iter, btree, SPOS_MAX, 0, level - 1, 0);
	ret = bch2_btree_iter_traverse(&iter);
	if (ret)
		goto out;
	b = bch2_btree_iter_leaf(&iter);
	if (b && bch2_btree_iter_root_level(&iter) == level - 1 &&
	    bkey_type_has_ptrs(b->key.k.type)) {
		bkey_copy(k->k, &b->key);
		ret = 1;
	}
out:
	bch2_trans_iter_exit(&iter);
	return ret;
}

/* A pointer as it is now; level: that it lives at. 1: found, 0: gone, or an error. */
static int node_key_get(struct reconcile_check *x, unsigned btree, unsigned level,
			struct bpos pos, bool root, struct bkey_buf *k)
{
	struct btree_iter iter;
	struct bkey_s_c found;
	int ret;

	if (root)
		return root_key_get(x, btree, level, k);

	bch2_trans_node_iter_init(x->trans, &iter, btree, pos, 0, level,
				  BTREE_ITER_all_snapshots);
	found = bch2_btree_iter_peek(&iter);
	ret = bkey_err(found);
	if (!ret && found.k && bpos_eq(found.k->p, pos) && bkey_type_has_ptrs(found.k->type) &&
	    found.k->u64s <= BKEY_BTREE_PTR_U64s_MAX) {
		bkey_reassemble(k->k, found);
		ret = 1;
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

static int node_round(struct reconcile_check *x, unsigned btree, unsigned level,
		      struct bpos pos, bool root, struct bkey_buf *k)
{
	int ret = node_key_get(x, btree, level, pos, root, k);

	if (ret <= 0)
		return ret;
	return  entry_check(x, btree, level, k->k) ?:
		opts_check(x, btree, level, k->k);
}

static int node_check(struct reconcile_check *x, unsigned btree, unsigned level,
		      struct bpos pos, bool root)
{
	struct bkey_buf k;
	int ret = 1;

	bch2_bkey_buf_init(&k);
	for (unsigned i = 0; ret > 0 && i < NODE_ROUNDS_MAX; i++) {
		ret = lockrestart_do(x->trans, node_round(x, btree, level, pos, root, &k));
		if (ret > 0)
			x->nodes_changed++;
	}
	bch2_bkey_buf_exit(&k);
	wb_maybe_flush_inc(&x->wb);
	return min(ret, 0);
}

static int level_check(struct reconcile_check *x, unsigned btree, unsigned level)
{
	struct bpos pos = POS_MIN;
	struct btree_iter iter;
	struct bkey_s_c k;
	bool more;
	int ret;

	do {
		bch2_trans_node_iter_init(x->trans, &iter, btree, pos, 0, level,
					  BTREE_ITER_all_snapshots|BTREE_ITER_prefetch);
		ret = lockrestart_do(x->trans, ({
			k = bch2_btree_iter_peek(&iter);
			more = k.k && !bkey_err(k);
			if (more)
				pos = k.k->p;
			bkey_err(k) ?: bch2_trans_interrupted(x->trans);
		}));
		bch2_trans_iter_exit(&iter);
		if (!ret && more)
			ret = node_check(x, btree, level, pos, false);
		more = more && !bpos_eq(pos, SPOS_MAX);
		pos = bpos_eq(pos, SPOS_MAX) ? pos : bpos_successor(pos);
	} while (!ret && more);
	return ret;
}

static int all_nodes_check(struct reconcile_check *x)
{
	int ret = 0;

	for (unsigned btree = 0; !ret && btree < BTREE_ID_NR_MAX; btree++) {
		const int root = root_level(x->c, btree);

		if (root < 0)
			continue;
		ret = node_check(x, btree, root + 1, POS_MIN, true);
		for (int level = root; !ret && level; --level)
			ret = level_check(x, btree, level);
	}
	return ret;
}

/* What was repaired so far goes to its btrees, and may need nodes there. */
static int settle(struct reconcile_check *x)
{
	int ret;

	if (x->c->opts.nochanges || !x->trans->commit_count)
		return 0;
	ret = bch2_btree_write_buffer_flush_sync(x->trans);
	bch2_trans_unlock_long(x->trans);
	bch2_btree_interior_updates_flush(x->c);
	return ret;
}

/**
 * bch2_reconcile_check_nodes - compare pointers to nodes with options and entries
 * @x:	check
 *
 * Repairs make new nodes; these are looked at, too. Return: 0 or an error.
 */
int bch2_reconcile_check_nodes(struct reconcile_check *x)
{
	int ret = 0;

	for (unsigned i = 0; !ret && i < NODE_ROUNDS_MAX; i++) {
		x->nodes_changed = 0;
		ret = settle(x) ?: all_nodes_check(x);
		if (!x->nodes_changed)
			break;
	}
	return ret;
}

/* --- reconcile_scan: entries and their pointers --- */

static int entry_orphan(struct reconcile_check *x, struct btree_iter *iter, struct bkey_s_c k,
			bool leaf)
{
	CLASS(printbuf, buf)();
	bool fix;
	int ret = 0;

	bch2_bkey_val_to_text(&buf, x->c, k);
	if (leaf)
		fix = fsck_err_trans(x->trans, reconcile_bp_to_leaf_node_key,
				     "entry of reconcile_scan for a key that is no pointer to a "
				     "node\n%s", printbuf_str(&buf));
	else
		fix = fsck_err_trans(x->trans, reconcile_bp_to_missing_btree_ptr,
				     "entry of reconcile_scan that no pointer to a node refers "
				     "to\n%s", printbuf_str(&buf));
	if (fix)
		ret = bch2_btree_delete_at(x->trans, iter, 0);
fsck_err:
	return ret;
}

/* Does the pointer that @bp names refer to @scan? 1, 0, or an error. */
static int pointer_refers(struct reconcile_check *x, const struct bch_backpointer *bp,
			  struct bpos scan, struct bkey_buf *k)
{
	int root, ret;

	if (bp->btree_id >= BTREE_ID_NR_MAX)
		return 0;
	root = root_level(x->c, bp->btree_id);
	if (root < 0 || bp->level > root + 1)
		return 0;
	ret = node_key_get(x, bp->btree_id, bp->level, bp->pos, bp->level == root + 1, k);
	if (ret <= 0)
		return ret;
	return bpos_eq(k->k->k.p, bp->pos) &&
		bch2_bkey_reconcile_class(x->c, bkey_i_to_s_c(k->k)) == scan.inode &&
		bch2_reconcile_node_idx(x->c, bkey_i_to_s_c(k->k)) == scan.offset;
}

static int entry_to_pointer(struct reconcile_check *x, struct btree_iter *iter,
			    struct bkey_s_c k, struct bkey_buf *ptr)
{
	struct bch_backpointer bp;
	int ret;

	if (k.k->type != KEY_TYPE_backpointer)
		return 0;
	bkey_val_copy(&bp, k);
	wb_maybe_flush_inc(&x->wb);
	ret = bp.level ? pointer_refers(x, &bp, k.k->p, ptr) : 0;
	if (ret)
		return min(ret, 0);
	return  bch2_btree_write_buffer_maybe_flush(x->trans, k, &x->wb) ?:
		entry_orphan(x, iter, k, !bp.level);
}

/**
 * bch2_reconcile_check_node_entries - compare entries of reconcile_scan with pointers
 * @x:	check
 *
 * Return: 0 or an error.
 */
int bch2_reconcile_check_node_entries(struct reconcile_check *x)
{
	struct bkey_buf ptr;
	int ret;

	bch2_bkey_buf_init(&ptr);
	ret = for_each_btree_key_max_commit(x->trans, iter, BTREE_ID_reconcile_scan,
				POS(RECONCILE_WORK_hipri, 0),
				POS(RECONCILE_WORK_pending, KEY_OFFSET_MAX),
				BTREE_ITER_prefetch|BTREE_ITER_intent, k,
				NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
				entry_to_pointer(x, &iter, k, &ptr));
	bch2_bkey_buf_exit(&ptr);
	return ret;
}
