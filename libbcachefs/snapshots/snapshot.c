// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshot nodes and snapshot trees: values, validation, text, and loading of
 * the snapshots btree into the table that iterators filter with.
 *
 * What is loaded is what the keys say, node by node; nothing here follows a
 * pointer from node to node, so that no tree, however damaged, can make loading
 * loop. The table's own questions do the same by only ever going to larger ids.
 */
#include <linux/array_size.h>
#include <linux/stddef.h>

#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/iter.h"
#include "btree/snapshot_table.h"
#include "snapshots/snapshot.h"
#include "util/bpos.h"
#include "util/log.h"
#include "util/printbuf.h"

/* --- values --- */

/**
 * bch2_snapshot_val - value of a snapshot node, of any age
 * @k:		key of type snapshot
 * @s:		result; what an older value lacks is 0
 */
void bch2_snapshot_val(struct bkey_s_c k, struct bch_snapshot *s)
{
	bkey_val_copy(s, k);
}

/**
 * bch2_snapshot_tree_val - value of a snapshot tree
 * @k:		key of type snapshot_tree
 * @t:		result
 */
void bch2_snapshot_tree_val(struct bkey_s_c k, struct bch_snapshot_tree *t)
{
	bkey_val_copy(t, k);
}

/**
 * bch2_snapshot_lookup - read a snapshot node
 * @trans:	transaction
 * @id:		snapshot id
 * @s:		result
 *
 * Returns 0, -BCH_ERR_ENOENT_snapshot, or an error from the btree.
 */
int bch2_snapshot_lookup(struct btree_trans *trans, u32 id, struct bch_snapshot *s)
{
	int ret = bch2_bkey_get_val_typed(trans, BTREE_ID_snapshots, POS(0, id), 0,
					  snapshot, s);

	return bch2_err_matches(ret, ENOENT) ? -BCH_ERR_ENOENT_snapshot : ret;
}

/**
 * bch2_snapshot_tree_lookup - read a snapshot tree
 * @trans:	transaction
 * @id:		tree id
 * @t:		result
 *
 * Returns 0, -BCH_ERR_ENOENT_snapshot_tree, or an error from the btree.
 */
int bch2_snapshot_tree_lookup(struct btree_trans *trans, u32 id, struct bch_snapshot_tree *t)
{
	int ret = bch2_bkey_get_val_typed(trans, BTREE_ID_snapshot_trees, POS(0, id), 0,
					  snapshot_tree, t);

	return bch2_err_matches(ret, ENOENT) ? -BCH_ERR_ENOENT_snapshot_tree : ret;
}

/* --- loading --- */

static enum snapshot_id_state snapshot_state(const struct bch_snapshot *s)
{
	return BCH_SNAPSHOT_DELETED(s) || BCH_SNAPSHOT_NO_KEYS(s)
		? SNAPSHOT_ID_deleted
		: SNAPSHOT_ID_live;
}

/**
 * bch2_snapshot_mem_update - bring a snapshot key into the table in memory
 * @c:		filesystem
 * @k:		key of the snapshots btree; one of another type: the node is gone
 *
 * Keys at impossible positions are left out. Returns 0 or no memory.
 */
int bch2_snapshot_mem_update(struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_snapshot s;
	struct snapshot_t t = {};
	static const struct snapshot_t none = { .state = SNAPSHOT_ID_empty };

	if (!k.k->p.offset || k.k->p.offset > U32_MAX || k.k->p.inode)
		return 0;
	if (k.k->type != KEY_TYPE_snapshot) {
		/* nothing to forget if it was never known */
		return bch2_snapshot_get(c, k.k->p.offset, &t)
			? bch2_snapshot_table_set(c, k.k->p.offset, &none) : 0;
	}

	bch2_snapshot_val(k, &s);
	t = (struct snapshot_t) {
		.state		= snapshot_state(&s),
		.parent		= le32_to_cpu(s.parent),
		.depth		= le32_to_cpu(s.depth),
		.subvol		= BCH_SNAPSHOT_SUBVOL(&s) ? le32_to_cpu(s.subvol) : 0,
		.tree		= le32_to_cpu(s.tree),
	};
	for (unsigned int i = 0; i < ARRAY_SIZE(t.children); i++)
		t.children[i] = le32_to_cpu(s.children[i]);
	for (unsigned int i = 0; i < ARRAY_SIZE(t.skip); i++)
		t.skip[i] = le32_to_cpu(s.skip[i]);

	return bch2_snapshot_table_set(c, k.k->p.offset, &t);
}

/**
 * bch2_snapshots_read - load all snapshot nodes into the table in memory
 * @c:		filesystem with roots and overlay read
 *
 * Depths and skip lists are stored but not trusted until check_snapshots has
 * run (spec 61 §4). Unreadable parts of the btree are left out with a message:
 * keys of the snapshots there will be seen as keys of unknown snapshots.
 *
 * Returns 0 or -ENOMEM.
 */
int bch2_snapshots_read(struct bch_fs *c)
{
	struct btree_trans *trans = bch2_trans_get(c);
	u64 bad;
	int ret;

	if (IS_ERR(trans))
		return PTR_ERR(trans);

	bch2_snapshot_table_verified(c, false);
	bad = trans->nr_bad;
	ret = for_each_btree_key(trans, iter, BTREE_ID_snapshots, POS_MIN,
				 BTREE_ITER_prefetch|BTREE_ITER_skip_bad, k,
				 k.k->type == KEY_TYPE_snapshot
				 ? bch2_snapshot_mem_update(c, k) : 0);
	if (trans->nr_bad != bad)
		bch_err(c, "snapshots: %llu unreadable parts of the btree left out",
			trans->nr_bad - bad);
	bch2_trans_put(trans);
	return ret;
}

/* --- validation --- */

static int snapshot_children_validate(struct bch_fs *c, struct bkey_s_c k,
				      struct bkey_validate_context from,
				      const struct bch_snapshot *s)
{
	u32 child0 = le32_to_cpu(s->children[0]);
	u32 child1 = le32_to_cpu(s->children[1]);
	u64 id = k.k->p.offset;
	int ret = 0;

	bkey_fsck_err_on(child0 < child1, c, snapshot_children_not_normalized,
			 "children %u and %u are not in descending order", child0, child1);
	bkey_fsck_err_on(child0 && child0 == child1, c, snapshot_child_duplicate,
			 "both children are %u", child0);
	bkey_fsck_err_on(child0 >= id, c, snapshot_child_bad,
			 "child %u is not below the id %llu", child0, id);
	bkey_fsck_err_on(child1 >= id, c, snapshot_child_bad,
			 "child %u is not below the id %llu", child1, id);
fsck_err:
	return ret;
}

static int snapshot_skiplist_validate(struct bch_fs *c, struct bkey_s_c k,
				      struct bkey_validate_context from,
				      const struct bch_snapshot *s)
{
	u32 skip[3];
	int ret = 0;

	/* Values from before 1.1 end here. */
	if (bkey_val_bytes(k.k) < offsetof(struct bch_snapshot, btime_lo))
		return 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(skip); i++)
		skip[i] = le32_to_cpu(s->skip[i]);

	bkey_fsck_err_on(skip[0] > skip[1] || skip[1] > skip[2], c,
			 snapshot_skiplist_not_normalized,
			 "skip list %u %u %u is not in ascending order",
			 skip[0], skip[1], skip[2]);

	for (unsigned int i = 0; i < ARRAY_SIZE(skip); i++)
		bkey_fsck_err_on(skip[i] && skip[i] < le32_to_cpu(s->parent), c,
				 snapshot_skiplist_bad, "skip list entry %u below parent %u",
				 skip[i], le32_to_cpu(s->parent));
fsck_err:
	return ret;
}

/**
 * bch2_snapshot_validate - check a snapshot node (spec 61 §3)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 24 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_snapshot_validate(struct bch_fs *c, struct bkey_s_c k,
			   struct bkey_validate_context from)
{
	struct bch_snapshot s;
	u32 parent;
	int ret = 0;

	bch2_snapshot_val(k, &s);
	parent = le32_to_cpu(s.parent);

	bkey_fsck_err_on(bpos_lt(k.k->p, POS(0, 1)) || bpos_gt(k.k->p, POS(0, U32_MAX)), c,
			 snapshot_pos_bad, "position is not that of a snapshot id");
	bkey_fsck_err_on(parent && parent <= k.k->p.offset, c, snapshot_parent_bad,
			 "parent %u is not above the id %llu", parent, (u64) k.k->p.offset);

	return snapshot_children_validate(c, k, from, &s) ?:
		snapshot_skiplist_validate(c, k, from, &s);
fsck_err:
	return ret;
}

/**
 * bch2_snapshot_tree_validate - check a snapshot tree key (spec 61 §5)
 * @c:		filesystem, may be NULL
 * @k:		key
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_snapshot_tree_validate(struct bch_fs *c, struct bkey_s_c k,
				struct bkey_validate_context from)
{
	int ret = 0;

	bkey_fsck_err_on(bpos_lt(k.k->p, POS(0, 1)) || bpos_gt(k.k->p, POS(0, U32_MAX)), c,
			 snapshot_tree_pos_bad, "position is not that of a tree id");
fsck_err:
	return ret;
}

/* --- text --- */

static void snapshot_flags_to_text(struct printbuf *out, const struct bch_snapshot *s)
{
	static const char * const names[] = {
		"will_delete", "subvol", "deleted", "no_keys", NULL,
	};

	prt_str(out, "flags ");
	if (s->flags)
		prt_bitflags(out, names, le32_to_cpu(s->flags));
	else
		prt_str(out, "(none)");
}

/**
 * bch2_snapshot_to_text - text of a snapshot node
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_snapshot_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_snapshot s;

	bch2_snapshot_val(k, &s);
	snapshot_flags_to_text(out, &s);
	prt_printf(out, " parent %u children %u %u subvol %u tree %u",
		   le32_to_cpu(s.parent), le32_to_cpu(s.children[0]),
		   le32_to_cpu(s.children[1]), le32_to_cpu(s.subvol), le32_to_cpu(s.tree));
	prt_printf(out, " depth %u skip %u %u %u btime %llu", le32_to_cpu(s.depth),
		   le32_to_cpu(s.skip[0]), le32_to_cpu(s.skip[1]), le32_to_cpu(s.skip[2]),
		   (u64) le64_to_cpu(s.btime_lo));
}

/**
 * bch2_snapshot_tree_to_text - text of a snapshot tree
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_snapshot_tree_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	struct bch_snapshot_tree t;

	bch2_snapshot_tree_val(k, &t);
	prt_printf(out, "subvol %u root %u", le32_to_cpu(t.master_subvol),
		   le32_to_cpu(t.root_snapshot));
}
