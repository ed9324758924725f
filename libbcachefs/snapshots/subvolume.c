// SPDX-License-Identifier: GPL-2.0
/*
 * Subvolumes: lookup by id and by parent, validation, text (spec 61 §6).
 *
 * Lookups return what the keys say; whether the snapshot and the root inode
 * named there exist is for the caller to find out.
 */
#include "bcachefs.h"
#include "btree/bkey_methods.h"
#include "btree/bkey_val.h"
#include "btree/iter.h"
#include "snapshots/subvolume.h"
#include "util/bpos.h"
#include "util/printbuf.h"

/**
 * bch2_subvolume_val - value of a subvolume, of any age
 * @k:		key of type subvolume
 * @s:		result; what an older value lacks is 0
 */
void bch2_subvolume_val(struct bkey_s_c k, struct bch_subvolume *s)
{
	bkey_val_copy(s, k);
}

/**
 * bch2_subvolume_get - read a subvolume
 * @trans:	transaction
 * @subvol:	id
 * @s:		result
 *
 * Returns 0, -BCH_ERR_ENOENT_subvolume, or an error from the btree.
 */
int bch2_subvolume_get(struct btree_trans *trans, u32 subvol, struct bch_subvolume *s)
{
	int ret = bch2_bkey_get_val_typed(trans, BTREE_ID_subvolumes, POS(0, subvol), 0,
					  subvolume, s);

	return bch2_err_matches(ret, ENOENT) ? -BCH_ERR_ENOENT_subvolume : ret;
}

/**
 * bch2_subvolume_get_snapshot - the snapshot that shows a subvolume's contents
 * @trans:	transaction
 * @subvol:	id
 * @snapshot:	result
 *
 * Returns 0, -BCH_ERR_ENOENT_subvolume, or an error from the btree.
 */
int bch2_subvolume_get_snapshot(struct btree_trans *trans, u32 subvol, u32 *snapshot)
{
	struct bch_subvolume s;
	int ret = bch2_subvolume_get(trans, subvol, &s);

	if (!ret)
		*snapshot = le32_to_cpu(s.snapshot);
	return ret;
}

/**
 * bch2_subvolume_get_child - read a subvolume that must lie in another one
 * @trans:	transaction
 * @parent:	subvolume whose directories contain it
 * @child:	id
 * @s:		result
 *
 * Filesystems from before 1.5 do not record the parent; there the child counts
 * as being where the caller found it. Returns 0, -BCH_ERR_ENOENT_subvolume if
 * there is no such subvolume or it lies elsewhere, or an error from the btree.
 */
int bch2_subvolume_get_child(struct btree_trans *trans, u32 parent, u32 child,
			     struct bch_subvolume *s)
{
	int ret = bch2_subvolume_get(trans, child, s);

	if (ret)
		return ret;
	if (trans->c->sb.version_upgrade_complete < BCH_VERSION(1, 5))
		return 0;
	return le32_to_cpu(s->fs_path_parent) == parent ? 0 : -BCH_ERR_ENOENT_subvolume;
}

/**
 * bch2_subvolume_next_child - walk the subvolumes that lie in another one
 * @trans:	transaction
 * @parent:	subvolume id
 * @after:	last child seen, 0 to begin
 * @child:	result: the next higher child id
 *
 * From the subvolume_children btree, which exists since 1.6. Returns 0,
 * -BCH_ERR_ENOENT_subvolume at the end, or an error from the btree.
 */
int bch2_subvolume_next_child(struct btree_trans *trans, u32 parent, u32 after, u32 *child)
{
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_subvolume_children,
			     POS(parent, (u64) after + 1), 0);
	k = bch2_btree_iter_peek_max(&iter, POS(parent, U32_MAX));
	ret = bkey_err(k);
	if (!ret && !k.k)
		ret = -BCH_ERR_ENOENT_subvolume;
	if (!ret)
		*child = k.k->p.offset;
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_subvolume_validate - check a subvolume key (spec 61 §6)
 * @c:		filesystem, may be NULL
 * @k:		key; its value has at least 16 bytes
 * @from:	where the key is from
 *
 * Returns 0 or -BCH_ERR_fsck_delete_bkey and the like.
 */
int bch2_subvolume_validate(struct bch_fs *c, struct bkey_s_c k,
			    struct bkey_validate_context from)
{
	struct bch_subvolume s;
	int ret = 0;

	bch2_subvolume_val(k, &s);

	bkey_fsck_err_on(bpos_lt(k.k->p, POS(0, 1)) || bpos_gt(k.k->p, POS(0, SUBVOL_ID_MAX)),
			 c, subvol_pos_bad, "position is not that of a subvolume id");
	bkey_fsck_err_on(!s.snapshot, c, subvol_snapshot_bad, "snapshot is 0");
	bkey_fsck_err_on(!s.inode, c, subvol_inode_bad, "root inode is 0");
fsck_err:
	return ret;
}

/**
 * bch2_subvolume_to_text - text of a subvolume
 * @out:	text sink
 * @c:		filesystem, may be NULL
 * @k:		key, may be invalid
 */
void bch2_subvolume_to_text(struct printbuf *out, struct bch_fs *c, struct bkey_s_c k)
{
	static const char * const names[] = { "ro", "snap", "unlinked", NULL };
	struct bch_subvolume s;

	bch2_subvolume_val(k, &s);

	prt_printf(out, "root %llu snapshot %u creation_parent %u fs_path_parent %u otime %llu",
		   (u64) le64_to_cpu(s.inode), le32_to_cpu(s.snapshot),
		   le32_to_cpu(s.creation_parent), le32_to_cpu(s.fs_path_parent),
		   (u64) le64_to_cpu(s.otime_lo));
	if (s.flags) {
		prt_str(out, " flags ");
		prt_bitflags(out, names, le32_to_cpu(s.flags));
	}
}
