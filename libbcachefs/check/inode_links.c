// SPDX-License-Identifier: GPL-2.0
/*
 * check_inodes: what an inode says about others - the directory entry it is at,
 * the entries it has, its subvolume, the directories above it (spec 62 §5 steps 3,
 * 4, 6, 11).
 *
 * Lookups are made in the view in which the inode's own snapshot is seen; a root of
 * a subvolume is entered in the subvolume above it.
 */
#include <linux/err.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey_val.h"
#include "btree/commit.h"
#include "btree/fsck_err_trans.h"
#include "btree/iter.h"
#include "btree/snapshot_table.h"
#include "btree/update.h"
#include "check/inodes.h"
#include "fs/dirent.h"
#include "fs/inode_write.h"
#include "snapshots/snapshot.h"
#include "snapshots/subvolume.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/* --- the entry it is at --- */

/* Snapshot in whose view the entry of @u is; -BCH_ERR_ENOENT_subvolume: there is none. */
static int entry_view(struct btree_trans *trans, const struct bch_inode_unpacked *u,
		      u32 *snapshot)
{
	*snapshot = u->bi_snapshot;
	return u->bi_subvol
		? bch2_subvolume_get_snapshot(trans, u->bi_parent_subvol, snapshot) : 0;
}

enum entry_state {
	ENTRY_missing,
	ENTRY_wrong,
	ENTRY_right,
};

static bool entry_is_of(struct bkey_s_c d, const struct bch_inode_unpacked *u)
{
	const struct bch_dirent_target t = bch2_dirent_get_target(d);

	return t.type == DT_SUBVOL ? t.child_subvol == u->bi_subvol : t.inum == u->bi_inum;
}

/* enum entry_state, or an error; the text of a wrong one goes to @out. */
static int entry_lookup(struct btree_trans *trans, const struct bch_inode_unpacked *u,
			struct printbuf *out)
{
	struct btree_iter iter;
	struct bkey_s_c d;
	u32 snapshot;
	int ret = entry_view(trans, u, &snapshot);

	if (bch2_err_matches(ret, ENOENT))
		return ENTRY_missing;
	if (ret)
		return ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_dirents,
			     SPOS(u->bi_dir, u->bi_dir_offset, snapshot), 0);
	d = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(d);
	if (!ret && d.k->type != KEY_TYPE_dirent) {
		ret = ENTRY_missing;
	} else if (!ret) {
		ret = entry_is_of(d, u) ? ENTRY_right : ENTRY_wrong;
		if (ret == ENTRY_wrong)
			bch2_dirent_to_text(out, trans->c, d);
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

static void backpointer_clear(struct inode_checked *i)
{
	i->u.bi_dir		= 0;
	i->u.bi_dir_offset	= 0;
	i->changed		= true;
}

/**
 * bch2_check_inode_backpointer - does the entry that an inode names name the inode?
 * @x:	the walk
 * @i:	inode
 *
 * If not the backpointer is cleared; whoever finds an entry sets it again. Step 4.
 *
 * Return: 0, a restart, or an error.
 */
int bch2_check_inode_backpointer(struct inode_check *x, struct inode_checked *i)
{
	struct bch_inode_unpacked *u = &i->u;
	CLASS(printbuf, name)();
	CLASS(printbuf, entry)();
	int ret;

	if (!bch2_inode_has_backpointer(u))
		return 0;
	ret = entry_lookup(x->trans, u, &entry);
	if (ret < 0 || ret == ENTRY_right)
		return min(ret, 0);

	/* what a subvolume was before a snapshot was taken, and where */
	if (u->bi_subvol && (u->bi_flags & BCH_INODE_has_child_snapshot)) {
		backpointer_clear(i);
		return 0;
	}

	bch2_check_inode_name(&name, u);
	if (ret == ENTRY_missing) {
		ret = 0;
		if (fsck_err_trans(x->trans, inode_points_to_missing_dirent,
				   "%s points to a missing directory entry at %llu:%llu",
				   printbuf_str(&name), u->bi_dir, u->bi_dir_offset))
			backpointer_clear(i);
	} else {
		ret = 0;
		if (fsck_err_trans(x->trans, inode_points_to_wrong_dirent,
				   "%s points to the directory entry of another at %llu:%llu\n  %s",
				   printbuf_str(&name), u->bi_dir, u->bi_dir_offset,
				   printbuf_str(&entry)))
			backpointer_clear(i);
	}
fsck_err:
	return ret;
}

/* --- the entries it has --- */

/* 1: there is an entry in the view of @snapshot; those of subvolumes do not count. */
static int dir_has_entries(struct btree_trans *trans, u64 dir, u32 snapshot)
{
	struct btree_iter iter;
	struct bkey_s_c d;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_dirents, SPOS(dir, 0, snapshot), 0);
	do {
		d = bch2_btree_iter_peek_max(&iter, POS(dir, U64_MAX));
		ret = bkey_err(d);
		if (ret || !d.k)
			break;
		ret = d.k->type == KEY_TYPE_dirent && bch2_dirent_type(d) != DT_SUBVOL;
	} while (!ret && bch2_btree_iter_advance(&iter));
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_check_inode_dir_empty - a directory that is going to be deleted must be empty
 * @x:	the walk
 * @i:	inode
 *
 * Else it is kept, to be attached again. Step 6. Return: 0, a restart, or an error.
 */
int bch2_check_inode_dir_empty(struct inode_check *x, struct inode_checked *i)
{
	CLASS(printbuf, name)();
	int ret;

	if (!S_ISDIR(i->u.bi_mode) || !(i->u.bi_flags & BCH_INODE_unlinked))
		return 0;
	ret = dir_has_entries(x->trans, i->u.bi_inum, i->u.bi_snapshot);
	if (ret <= 0)
		return ret;

	ret = 0;
	bch2_check_inode_name(&name, &i->u);
	if (fsck_err_trans(x->trans, inode_dir_unlinked_but_not_empty,
			   "%s: directory marked as unlinked, but not empty",
			   printbuf_str(&name))) {
		i->u.bi_flags &= ~BCH_INODE_unlinked;
		i->changed = true;
	}
fsck_err:
	return ret;
}

/* --- its subvolume --- */

static int tree_master_set(struct btree_trans *trans, u32 tree, u32 subvol)
{
	struct bkey_i *k = bch2_bkey_get_mut_noiter(trans, BTREE_ID_snapshot_trees, POS(0, tree), 0,
						    KEY_TYPE_snapshot_tree,
						    sizeof(struct bkey_i_snapshot_tree));
	struct bch_snapshot_tree *t;

	if (IS_ERR(k))
		return bch2_err_matches(PTR_ERR(k), ENOENT) ? 0 : PTR_ERR(k);
	t = &bkey_i_to_snapshot_tree(k)->v;
	if (!t->master_subvol)
		t->master_subvol = cpu_to_le32(subvol);
	return 0;
}

static int node_subvol_set(struct btree_trans *trans, u32 snapshot, u32 subvol, u32 *tree)
{
	struct bkey_i *k = bch2_bkey_get_mut_noiter(trans, BTREE_ID_snapshots, POS(0, snapshot), 0,
						    KEY_TYPE_snapshot,
						    sizeof(struct bkey_i_snapshot));
	struct bch_snapshot *s;

	if (IS_ERR(k))
		return PTR_ERR(k);
	s = &bkey_i_to_snapshot(k)->v;
	s->subvol = cpu_to_le32(subvol);
	SET_BCH_SNAPSHOT_SUBVOL(s, true);
	*tree = le32_to_cpu(s->tree);
	return 0;
}

/* The key was lost; its root and its snapshot know what was in it (spec 62 §3.7). */
static int subvolume_rebuild(struct btree_trans *trans, const struct bch_inode_unpacked *u)
{
	struct bkey_i_subvolume *s = bch2_trans_kmalloc(trans, sizeof(*s));
	u32 tree = 0;

	if (IS_ERR(s))
		return PTR_ERR(s);
	memset(&s->v, 0, sizeof(s->v));
	bkey_init(&s->k);
	s->k.type	= KEY_TYPE_subvolume;
	s->k.p		= POS(0, u->bi_subvol);
	set_bkey_val_bytes(&s->k, sizeof(s->v));
	s->v.snapshot	= cpu_to_le32(u->bi_snapshot);
	s->v.inode	= cpu_to_le64(u->bi_inum);

	return  bch2_btree_insert_trans(trans, BTREE_ID_subvolumes, &s->k_i, 0) ?:
		node_subvol_set(trans, u->bi_snapshot, u->bi_subvol, &tree) ?:
		tree_master_set(trans, tree, u->bi_subvol);
}

static void subvol_clear(struct inode_checked *i)
{
	i->u.bi_subvol		= 0;
	i->u.bi_parent_subvol	= 0;
	i->changed		= true;
}

static bool subvol_is_of(struct bch_fs *c, const struct bch_subvolume *s,
			 const struct bch_inode_unpacked *u)
{
	return le64_to_cpu(s->inode) == u->bi_inum &&
		bch2_snapshot_is_ancestor(c, le32_to_cpu(s->snapshot), u->bi_snapshot);
}

/**
 * bch2_check_inode_subvol - is a root the root of the subvolume that it names?
 * @x:	the walk
 * @i:	inode
 *
 * Only in leaves of the snapshot tree: older versions may be those of a subvolume
 * that is gone. Step 11. Return: 0, a restart, or an error.
 */
int bch2_check_inode_subvol(struct inode_check *x, struct inode_checked *i)
{
	const bool lost = x->c->recovery.lost_data & BIT_ULL(BTREE_ID_subvolumes);
	struct bch_inode_unpacked *u = &i->u;
	struct bch_subvolume s;
	CLASS(printbuf, name)();
	int ret;

	if (!u->bi_subvol || !bch2_snapshot_is_leaf(x->c, u->bi_snapshot))
		return 0;
	ret = bch2_subvolume_get(x->trans, u->bi_subvol, &s);
	if (ret && !bch2_err_matches(ret, ENOENT))
		return ret;
	if (ret && lost) {
		i->skip_rest = true;
		return subvolume_rebuild(x->trans, u);
	}

	bch2_check_inode_name(&name, u);
	if (ret) {
		ret = 0;
		if (fsck_err_trans(x->trans, inode_bi_subvol_missing,
				   "%s: root of subvolume %u, which does not exist",
				   printbuf_str(&name), u->bi_subvol))
			subvol_clear(i);
	} else if (!subvol_is_of(x->c, &s, u)) {
		if (fsck_err_trans(x->trans, inode_bi_subvol_wrong,
				   "%s: root of subvolume %u, which has root %llu in snapshot %u",
				   printbuf_str(&name), u->bi_subvol, (u64) le64_to_cpu(s.inode),
				   le32_to_cpu(s.snapshot)))
			subvol_clear(i);
	}
fsck_err:
	return ret;
}

/* --- directories above --- */

/* The directory above @u; 1: there is none, or none that is to be found. */
static int parent_get(struct btree_trans *trans, const struct bch_inode_unpacked *u,
		      struct bch_inode_unpacked *parent)
{
	u32 snapshot;
	int ret;

	if (!u->bi_dir)
		return 1;
	ret   = entry_view(trans, u, &snapshot) ?:
		bch2_inode_find_by_inum_snapshot(trans, u->bi_dir, snapshot, parent);
	return bch2_err_matches(ret, ENOENT) ? 1 : ret;
}

/* One step up: 1: nothing more to do. On 0 @u is the parent, which was marked. */
static int parent_mark(struct btree_trans *trans, struct bch_inode_unpacked *u)
{
	struct bch_inode_unpacked parent;
	CLASS(printbuf, name)();
	int ret = parent_get(trans, u, &parent);

	if (ret)
		return ret;
	if (!S_ISDIR(parent.bi_mode) || (parent.bi_flags & BCH_INODE_has_case_insensitive))
		return 1;

	bch2_check_inode_name(&name, &parent);
	if (!fsck_err_trans(trans, inode_parent_has_case_insensitive_not_set,
			    "%s: above a casefolded directory, without has_case_insensitive set",
			    printbuf_str(&name)))
		return 1;
	parent.bi_flags |= BCH_INODE_has_case_insensitive;
	ret   = bch2_inode_write(trans, &parent, parent.bi_snapshot) ?:
		bch2_trans_commit(trans, NULL, NULL, BCH_TRANS_COMMIT_no_enospc);
	if (!ret)
		*u = parent;
fsck_err:
	return ret;
}

/**
 * bch2_check_inode_parents - mark what is above a casefolded directory
 * @x:	the walk; the transaction has no updates
 * @u:	inode as it is now
 *
 * Up to the root of the first subvolume, or to one that is marked; each in a
 * commit of its own. Step 3. Return: 0, a restart before anything was marked, or
 * an error.
 */
int bch2_check_inode_parents(struct inode_check *x, const struct bch_inode_unpacked *u)
{
	struct bch_inode_unpacked at = *u;
	int ret;

	if (x->c->sb.version < bcachefs_metadata_version_inode_has_case_insensitive ||
	    !S_ISDIR(u->bi_mode) || !(u->bi_flags & BCH_INODE_has_case_insensitive))
		return 0;

	ret = parent_mark(x->trans, &at);
	while (!ret) {
		x->versions.valid = false;
		ret = lockrestart_do(x->trans, parent_mark(x->trans, &at));
	}
	return min(ret, 0);
}
