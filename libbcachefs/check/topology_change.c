// SPDX-License-Identifier: GPL-2.0
/*
 * Changes that topology repair makes: pointers to children, and roots (spec 21
 * section 15.3).
 *
 * All of them go into the overlay, and into the descriptions of roots: replay makes
 * them permanent. Until then the devices are as they were, and the superblock says
 * that repair is due, so that a start which does not get so far is followed by one
 * that begins again. Only the thread that starts the filesystem calls this.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/cache.h"
#include "btree/extent_entries.h"
#include "check/node_scan.h"
#include "check/topology_repair.h"
#include "init/passes_format.h"
#include "journal/overlay.h"
#include "sb/fsck_err.h"
#include "sb/members.h"
#include "util/log.h"
#include "util/printbuf.h"

/* From here on the superblock says so, until all of it is in the btrees. */
static void change_made(struct topology_repair *r)
{
	r->nr_changes++;
	set_bit(BCH_FS_topology_error, &r->c->flags);
}

/**
 * topology_ask - report an error of the shape of a btree
 * @r:		repair
 * @id:		which
 * @b:		interior node it is in; NULL: the btree as a whole
 * @prev:	child before the place, or NULL
 * @child:	child, or NULL
 * @expected:	position that should begin, or end, there
 * @what:	text
 *
 * Return: 0: repair it; or an error of the policy.
 */
int topology_ask(struct topology_repair *r, enum bch_sb_error_id id, const struct btree *b,
		 const struct topology_child *prev, const struct topology_child *child,
		 struct bpos expected, const char *what)
{
	CLASS(printbuf, buf)();
	int ret;

	prt_printf(&buf, "%s in ", what);
	bch2_btree_id_level_to_text(&buf, r->btree, b ? b->level : 0);
	if (b) {
		prt_char(&buf, ' ');
		bch2_bpos_to_text(&buf, b->min_key);
		prt_str(&buf, " - ");
		bch2_bpos_to_text(&buf, b->max_key);
	}
	prt_str(&buf, "\nexpected ");
	bch2_bpos_to_text(&buf, expected);
	if (prev) {
		prt_str(&buf, "\nprevious ");
		bch2_bkey_val_to_text(&buf, r->c, bkey_i_to_s_c(&prev->key));
	}
	if (child) {
		prt_str(&buf, "\nnode ");
		bch2_bkey_val_to_text(&buf, r->c, bkey_i_to_s_c(&child->key));
	}
	ret = __bch2_fsck_err(r->c, FSCK_CAN_FIX, id, "%s", printbuf_str(&buf));
	return ret == -BCH_ERR_fsck_fix ? 0 : ret;
}

/**
 * topology_want_scan - what was found on the devices is needed
 * @r:	repair
 *
 * Return: 0: it is there, or there is no getting it for this btree; or that recovery
 * has to go back for it.
 */
int topology_want_scan(struct topology_repair *r)
{
	if (!bch2_btree_scannable(r->btree) || r->c->found_nodes || !r->c->up.request_pass)
		return 0;
	return r->c->up.request_pass(r->c, BCH_RECOVERY_PASS_STABLE_scan_for_btree_nodes);
}

/* --- children --- */

/*
 * None of the copies could be tried, and a member is missing: it may have a good
 * one.
 */
static bool may_be_on_missing(struct bch_fs *c, int err)
{
	if (err != -BCH_ERR_btree_node_read_err_no_replica)
		return false;
	for_each_member_device(c, ca)
		if (!bch2_dev_is_online(ca))
			return true;
	return false;
}

static void ptr_notice(struct topology_repair *r, unsigned level, struct bpos pos,
		       const char *what)
{
	CLASS(printbuf, buf)();

	bch2_btree_id_level_to_text(&buf, r->btree, level);
	prt_char(&buf, ' ');
	bch2_bpos_to_text(&buf, pos);
	bch_notice(r->c, "%s: %s", what, printbuf_str(&buf));
}

/* The node in the cache, if any, does not know its new range: read it anew. */
static void node_forget(struct topology_repair *r, unsigned level, const struct bkey_i *k)
{
	struct btree *b = bch2_btree_node_lookup(r->c, k, level, r->btree);

	if (IS_ERR(b))
		return;
	bch2_btree_node_hash_remove(r->c, b);
	bch2_btree_node_put(r->c, b);
}

/*
 * The child that @k points to, pinned. One that was cached under a pointer with another
 * range is read anew.
 */
static struct btree *child_get(struct topology_repair *r, unsigned level, const struct bkey_i *k)
{
	struct btree *b = bch2_btree_node_get(r->c, k, level, r->btree);

	if (PTR_ERR_OR_ZERO(b) != -BCH_ERR_btree_topology)
		return b;
	node_forget(r, level, k);
	return bch2_btree_node_get(r->c, k, level, r->btree);
}

/**
 * topology_child_read - look at a child of an interior node
 * @r:		repair
 * @level:	of the child
 * @k:		pointer
 * @child:	filled
 * @lost:	it is of no use: unreadable, or replaced by a newer one
 *
 * Return: 0, or why there is no going on: no memory; a node on a device that is
 * missing; that recovery has to go back first.
 */
int topology_child_read(struct topology_repair *r, unsigned level, const struct bkey_i *k,
			struct topology_child *child, bool *lost)
{
	struct bch_fs *c = r->c;
	struct btree *b = child_get(r, level, k);
	const char *why = NULL;

	*lost = false;
	if (IS_ERR(b)) {
		const int err = PTR_ERR(b);

		if (bch2_err_matches(err, ENOMEM) || err == -BCH_ERR_no_encryption_key)
			return err;
		if (c->recovery.rewound_to)
			return -BCH_ERR_restart_recovery;
		if (may_be_on_missing(c, err)) {
			ptr_notice(r, level, k->k.p, "a node is on devices that are missing");
			return err;
		}
		why = "dropping the pointer to an unreadable node";
	} else {
		if (bch2_found_newer(c, r->btree, b))
			why = "dropping the pointer to a node that a newer one has replaced";
		child->min_key		= b->min_key;
		child->max_key		= b->max_key;
		child->seq		= b->seq;
		child->generation	= b->generation;
		bkey_copy(&child->key, k);
		bch2_btree_node_put(c, b);
	}
	*lost = why;
	if (!why)
		return 0;
	ptr_notice(r, level, k->k.p, why);
	return topology_child_remove(r, level, k->k.p);
}

/**
 * topology_child_remove - a node loses the pointer to a child
 * @r:		repair
 * @level:	of the child
 * @pos:	position of the pointer
 *
 * Return: 0 or -ENOMEM.
 */
int topology_child_remove(struct topology_repair *r, unsigned level, struct bpos pos)
{
	change_made(r);
	return bch2_journal_key_delete(r->c, r->btree, level + 1, pos);
}

/*
 * @k with another range, as the kind of pointer that has one: -EINVAL: there is no
 * room for it.
 */
static int ptr_with_range(const struct bkey_i *k, u64 seq, struct bpos min, struct bpos max,
			  struct bkey_i *dst)
{
	struct bch_btree_ptr_v2 *v = (void *) &dst->v;
	const unsigned old_u64s = bkey_val_u64s(&k->k);

	if (k->k.type == KEY_TYPE_btree_ptr_v2) {
		bkey_copy(dst, k);
	} else {
		if (old_u64s + sizeof(*v) / sizeof(u64) > BKEY_BTREE_PTR_VAL_U64s_MAX)
			return -EINVAL;
		dst->k = k->k;
		dst->k.type	= KEY_TYPE_btree_ptr_v2;
		dst->k.u64s	= k->k.u64s + sizeof(*v) / sizeof(u64);
		*v = (struct bch_btree_ptr_v2) { .seq = cpu_to_le64(seq) };
		memcpy(v->start, &k->v, old_u64s * sizeof(u64));
	}
	dst->k.p	= max;
	v->min_key	= min;
	SET_BTREE_PTR_RANGE_UPDATED(v, 1);
	return 0;
}

/**
 * topology_child_set_range - a child gets another range
 * @r:		repair
 * @level:	of the child
 * @child:	child; changed
 * @min:	first position
 * @max:	last position, behind @min
 *
 * Keys outside are dropped when it is read.
 *
 * Return: 0 or -ENOMEM.
 */
int topology_child_set_range(struct topology_repair *r, unsigned level,
			     struct topology_child *child, struct bpos min, struct bpos max)
{
	__BKEY_PADDED(k, BKEY_BTREE_PTR_VAL_U64s_MAX) ptr;
	int ret = ptr_with_range(&child->key, child->seq, min, max, &ptr.k);

	if (ret)
		return ret;
	change_made(r);
	node_forget(r, level, &child->key);
	if (!bpos_eq(max, child->key.k.p))
		ret = bch2_journal_key_delete(r->c, r->btree, level + 1, child->key.k.p);
	ret = ret ?: bch2_journal_key_insert(r->c, r->btree, level + 1, &ptr.k);
	bkey_copy(&child->key, &ptr.k);
	child->min_key = min;
	child->max_key = max;
	return ret;
}

/* --- roots --- */

/* There is no root node any more; what is known of it on disk stays. */
static void root_forget(struct topology_repair *r)
{
	struct bch_fs *c = r->c;
	struct btree_root *root = &c->btree.roots[r->btree];
	struct btree *b;

	spin_lock(&c->btree.root_lock);
	b = root->b;
	root->b = NULL;
	spin_unlock(&c->btree.root_lock);
	if (!b)
		return;
	clear_bit(BTREE_NODE_permanent, &b->flags);
	bch2_btree_node_hash_remove(c, b);
	bch2_btree_node_put(c, b);
}

/*
 * An empty root of @level, and nothing left of the interior nodes. While there is
 * something to be put below it, the journal goes on to have the old root: a start
 * that ends before the new one is written must not leave a btree without root.
 */
static int root_fake(struct topology_repair *r, unsigned level)
{
	struct bch_fs *c = r->c;
	struct btree_root *root = &c->btree.roots[r->btree];

	root_forget(r);
	bch2_journal_keys_delete_range(c, r->btree, 1, BTREE_MAX_DEPTH - 1, POS_MIN, SPOS_MAX);
	change_made(r);
	r->root_remade = true;
	if (!level) {
		memset(&root->key, 0, sizeof(root->key));
		root->alive = false;
	}
	return bch2_btree_root_alloc_fake(c, r->btree, level);
}

/**
 * topology_root_empty - the btree loses all its nodes
 * @r:	repair
 *
 * Return: 0 or -ENOMEM.
 */
int topology_root_empty(struct topology_repair *r)
{
	if (r->c->up.btree_lost_data && r->btree < BTREE_ID_NR)
		r->c->up.btree_lost_data(r->c, r->btree);
	return root_fake(r, 0);
}

/* The root cannot be read, and nothing of the btree was found. */
static int root_nothing_found(struct topology_repair *r)
{
	CLASS(printbuf, buf)();
	int ret = 0;

	bch2_btree_id_to_text(&buf, r->btree);
	mustfix_fsck_err(r->c, btree_root_unreadable_and_scan_found_nothing,
			 "no nodes found for btree %s, btree node scan found no nodes, continue?",
			 printbuf_str(&buf));
	return topology_root_empty(r);
fsck_err:
	return ret;
}

/**
 * topology_root_remake - a new root for a btree whose root is of no use
 * @r:	repair
 *
 * Above all leaves that were found, where the btree is one that can be searched for;
 * else an empty one. Spec 21 section 15.3 A.
 *
 * Return: 0; that recovery has to go back to search; or an error of the policy.
 */
int topology_root_remake(struct topology_repair *r)
{
	const struct btree_root *root = &r->c->btree.roots[r->btree];
	CLASS(printbuf, buf)();
	u64 nr = 0;
	int ret;

	if (may_be_on_missing(r->c, root->error))
		return root->error;
	if (!bch2_btree_scannable(r->btree))
		return topology_root_empty(r);
	ret = topology_want_scan(r);
	if (ret)
		return ret;
	if (!bch2_found_any_leaf(r->c, r->btree))
		return root_nothing_found(r);

	ret = root_fake(r, 1) ?:
		bch2_found_leaves_insert(r->c, r->btree, POS_MIN, SPOS_MAX, NULL, &nr);
	if (ret)
		return ret;
	bch2_btree_id_to_text(&buf, r->btree);
	bch_notice(r->c, "btree %s: new root above %llu leaves that were found",
		   printbuf_str(&buf), nr);
	return 0;
}

/**
 * topology_root_repair_range - the root has to cover everything
 * @r:	repair; there is a root
 *
 * Its description is changed, too: it is what the journal and the superblock tell
 * the next start. Spec 21 section 15.3 B.
 *
 * Return: 0, -ENOMEM, or an error of the policy. The root may be unreadable
 * afterwards: then its description says so.
 */
int topology_root_repair_range(struct topology_repair *r)
{
	struct bch_fs *c = r->c;
	struct btree_root *root = &c->btree.roots[r->btree];
	const struct btree *b = root->b;
	__BKEY_PADDED(k, BKEY_BTREE_PTR_VAL_U64s_MAX) ptr;
	bool bad = false;
	int ret = 0;

	if (!bpos_eq(b->min_key, POS_MIN)) {
		ret = topology_ask(r, BCH_FSCK_ERR_btree_node_topology_bad_root_min_key, b, NULL,
				   NULL, POS_MIN, "btree root does not begin at POS_MIN");
		bad = true;
	}
	if (!ret && !bpos_eq(b->max_key, SPOS_MAX)) {
		ret = topology_ask(r, BCH_FSCK_ERR_btree_node_topology_bad_root_max_key, b, NULL,
				   NULL, SPOS_MAX, "btree root does not end at SPOS_MAX");
		bad = true;
	}
	if (ret || !bad)
		return ret;

	ret = ptr_with_range(&root->key, b->seq, POS_MIN, SPOS_MAX, &ptr.k);
	if (ret)
		return ret;
	change_made(r);
	root_forget(r);
	ret = bch2_btree_root_read(c, r->btree, &ptr.k, root->level);
	return bch2_err_matches(ret, ENOMEM) ? ret : 0;
}
