// SPDX-License-Identifier: GPL-2.0
/*
 * Where children of interior nodes begin and end: the check that they partition
 * their parent's range (spec 21 §1, §15.1), and places where nodes may or must be
 * divided (§10.2, §10.4).
 *
 * While replay is not finished the children are those of node and overlay
 * together (OV-1).
 */
#include <linux/bitops.h>
#include <linux/kernel.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "btree/bkey_methods.h"
#include "btree/interior_priv.h"
#include "btree/node_check.h"
#include "journal/overlay.h"
#include "sb/fsck_err.h"
#include "util/log.h"
#include "util/printbuf.h"

/* --- children --- */

/* A walk over the pointers of a node, merged with the overlay. */
struct children {
	struct bch_fs		*c;
	const struct btree	*b;
	const struct btree_update *as;		/* not published; may be NULL */
	bool			overlay;
	bool			end;
	u32			idx;
	size_t			hint;
	struct bpos		pos;		/* the next one is here or behind */
	struct bkey		unpacked;
};

static struct bkey_s_c children_peek_node(struct children *w)
{
	while (w->idx < w->b->nr_keys) {
		const struct bkey_s_c k = bkey_disassemble(w->b, btree_node_key(w->b, w->idx),
							   &w->unpacked);

		if (bpos_ge(k.k->p, w->pos))
			return k;
		w->idx++;
	}
	return bkey_s_c_null;
}

/* Is the pointer at a position one that the update brings? It is above the overlay's. */
static bool update_has(const struct children *w, struct bpos pos)
{
	for (unsigned i = 0; w->as && i < w->as->nr_new; i++) {
		const struct btree *n = w->as->new[i].b;

		if (n->level + 1 == w->b->level && bpos_eq(n->key.k.p, pos))
			return true;
	}
	return false;
}

/* Live or deleted. */
static struct bkey_s_c children_next_raw(struct children *w)
{
	struct bkey_s_c k = children_peek_node(w);
	struct bkey_i *j = w->overlay
		? bch2_journal_keys_peek_max(w->c, w->b->btree_id, w->b->level, w->pos,
					     w->b->max_key, &w->hint) : NULL;

	if (j && (!k.k || bpos_lt(j->k.p, k.k->p) ||
		  (bpos_eq(j->k.p, k.k->p) && !update_has(w, j->k.p))))
		k = bkey_i_to_s_c(j);
	if (k.k) {
		w->end = bpos_eq(k.k->p, SPOS_MAX);
		if (!w->end)
			w->pos = bpos_successor(k.k->p);
	}
	return k;
}

static struct bkey_s_c children_next(struct children *w)
{
	struct bkey_s_c k;

	do {
		k = w->end ? bkey_s_c_null : children_next_raw(w);
	} while (k.k && bkey_deleted(k.k));
	return k;
}

static bool report(struct bch_fs *c, const struct btree *b, const char *what, struct bpos expected)
{
	CLASS(printbuf, buf)();

	bch2_btree_id_level_to_text(&buf, b->btree_id, b->level);
	prt_printf(&buf, ": %s, expected ", what);
	bch2_bpos_to_text(&buf, expected);
	bch_err(c, "btree topology error: %s", printbuf_str(&buf));
	return false;
}

/**
 * btree_children_ok - do the children of a node partition its range?
 * @c:		filesystem
 * @b:		interior node, locked
 * @as:		update that @b is part of, if it is not visible yet; or NULL
 * @overlay:	look at the overlay, too; the caller keeps it from going away
 *
 * What is wrong is logged. Pointers of the first kind do not say where a child
 * begins.
 */
bool btree_children_ok(struct bch_fs *c, const struct btree *b, const struct btree_update *as,
		       bool overlay)
{
	struct children w = {
		.c = c, .b = b, .as = as, .overlay = overlay, .pos = b->min_key,
	};
	struct bpos expected = b->min_key, last = POS_MIN;
	struct bkey_s_c k;
	unsigned nr = 0;

	while ((k = children_next(&w)).k) {
		const struct bch_btree_ptr_v2 *v = (const void *) k.v;

		if (k.k->type == KEY_TYPE_btree_ptr_v2 && !bpos_eq(v->min_key, expected))
			return report(c, b, "child begins at the wrong position", expected);
		last = k.k->p;
		if (!w.end)
			expected = w.pos;
		nr++;
	}
	if (!nr)
		return report(c, b, "node without children", b->max_key);
	if (!bpos_eq(last, b->max_key))
		return report(c, b, "last child ends at the wrong position", b->max_key);
	return true;
}

/**
 * btree_node_check_children - before and after pointers are inserted (§15.1)
 * @trans:	transaction
 * @b:		interior node, locked
 * @as:		as for btree_children_ok()
 *
 * Return: 0, or what is made of a topology error.
 */
int btree_node_check_children(struct btree_trans *trans, const struct btree *b,
			      const struct btree_update *as)
{
	return btree_children_ok(trans->c, b, as, trans->replay_unfinished)
		? 0 : bch2_topology_error(trans->c);
}

/* --- where to divide --- */

/**
 * btree_pivot_is_going - is a child about to be deleted by the overlay?
 * @trans:	transaction
 * @b:		node that is to be divided
 * @pos:	position of a child
 *
 * Then it must not become the last one of a node: nothing would end there.
 */
bool btree_pivot_is_going(const struct btree_trans *trans, const struct btree *b,
			  struct bpos pos)
{
	const struct bkey_i *k;

	if (!b->level || !trans->replay_unfinished)
		return false;
	k = bch2_journal_keys_peek_slot(trans->c, b->btree_id, b->level, pos);
	return k && bkey_deleted(&k->k);
}

/* --- shards of inode numbers (§10.4) --- */

/* Inode numbers are in the offset (1), the inode field (0), or the btree has none (-1). */
static int shard_field(unsigned btree)
{
	switch (btree) {
	case BTREE_ID_inodes:
		return 1;
	case BTREE_ID_extents:
	case BTREE_ID_dirents:
	case BTREE_ID_xattrs:
		return 0;
	default:
		return -1;
	}
}

static unsigned shard_shift(const struct bch_fs *c)
{
	return 63 - min_t(unsigned, c->opts.shard_inode_numbers_bits, 62);
}

static struct bpos shard_start(int field, u64 ino)
{
	return field ? POS(0, ino) : POS(ino, 0);
}

/**
 * btree_shard_boundary - does a shard begin at this position?
 * @c:		filesystem
 * @btree:	btree
 * @level:	of the node that begins there; only leaves are divided
 * @start:	position
 */
bool btree_shard_boundary(const struct bch_fs *c, unsigned btree, unsigned level,
			  struct bpos start)
{
	const int field = level ? -1 : shard_field(btree);
	const u64 ino = field > 0 ? start.offset : start.inode;

	return field >= 0 && c->opts.shard_inode_numbers_bits && ino && !(ino >> 63) &&
		!(ino & (BIT_ULL(shard_shift(c)) - 1)) && bpos_eq(start, shard_start(field, ino));
}

/**
 * btree_shard_boundary_in - first shard that begins inside a leaf
 * @c:		filesystem
 * @b:		node
 * @after:	only behind this position
 * @start:	gets its first position
 *
 * Return: there is one.
 */
bool btree_shard_boundary_in(const struct bch_fs *c, const struct btree *b, struct bpos after,
			     struct bpos *start)
{
	const int field = b->level ? -1 : shard_field(b->btree_id);
	const unsigned shift = shard_shift(c);
	u64 ino;

	if (field < 0 || !c->opts.shard_inode_numbers_bits || (field && after.inode))
		return false;
	ino = ((field ? after.offset : after.inode) >> shift) + 1;
	if (ino >> (63 - shift))
		return false;
	*start = shard_start(field, ino << shift);
	return bpos_gt(*start, b->min_key) && bpos_le(*start, b->max_key);
}
