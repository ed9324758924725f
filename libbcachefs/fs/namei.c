// SPDX-License-Identifier: GPL-2.0
/*
 * Names in the view of a subvolume (spec 60 sections 9-13, 61 section 7).
 *
 * A view is the set of keys visible from one snapshot: the iterators filter,
 * so the functions here see each name once. Subvolume entries are visible only
 * in the subvolume that they name as their parent (spec 60 10.3).
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/iter.h"
#include "fs/casefold.h"
#include "fs/dirent.h"
#include "fs/inode.h"
#include "fs/namei.h"
#include "fs/str_hash.h"
#include "fs/xattr.h"
#include "snapshots/subvolume.h"
#include "util/log.h"

/**
 * bch2_inode_find - read an inode as seen from a snapshot
 * @c: filesystem
 * @inum: inode number
 * @snapshot: view
 * @inode: result
 *
 * Returns 0; -ENOENT if there is no such inode in this view; or why it could
 * not be read.
 */
int bch2_inode_find(struct bch_fs *c, u64 inum, u32 snapshot, struct bch_inode_unpacked *inode)
{
	struct btree_trans *trans = bch2_trans_get(c);
	int ret = lockrestart_do(trans,
			bch2_inode_find_by_inum_snapshot(trans, inum, snapshot, inode));

	bch2_trans_put(trans);
	return ret;
}

/**
 * bch2_subvol_root - the root directory of a subvolume
 * @c: filesystem
 * @subvol: subvolume id
 * @root: result
 *
 * Returns 0, -ENOENT if there is no such subvolume, or why it could not be read.
 */
int bch2_subvol_root(struct bch_fs *c, u32 subvol, struct bch_subvol_inum *root)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct bch_subvolume s;
	int ret = lockrestart_do(trans, bch2_subvolume_get(trans, subvol, &s));

	bch2_trans_put(trans);
	if (ret)
		return ret;

	root->subvol	= subvol;
	root->snapshot	= le32_to_cpu(s.snapshot);
	root->inum	= le64_to_cpu(s.inode);
	return 0;
}

/*
 * Decodes a dirent key for the view of @dir. False: not an entry, or one that
 * is invisible here.
 */
static bool dirent_view(const struct bch_subvol_inum *dir, struct bkey_s_c k,
			struct bch_dirent_view *v)
{
	struct bch_dirent_target t;
	struct bch_bytes name;

	if (k.k->type != KEY_TYPE_dirent)
		return false;

	t = bch2_dirent_get_target(k);
	if (t.type == DT_SUBVOL && t.parent_subvol != dir->subvol)
		return false;

	name = bch2_dirent_get_name(k);
	*v = (struct bch_dirent_view) {
		.offset		= k.k->p.offset,
		.d_type		= t.type,
		.inum		= t.inum,
		.child_subvol	= t.child_subvol,
		.name		= (const char *) name.p,
		.name_len	= name.len,
	};
	return true;
}

/**
 * bch2_readdir - list a directory
 * @c: filesystem
 * @dir: the directory, and the view
 * @offset: where to begin; 0 for the start. On return, where to go on
 * @fn: called for each visible entry in order of its offset; a non-zero return
 *	value ends the listing and is returned, with @offset behind that entry
 * @priv: passed to @fn
 *
 * @fn is called with the directory's leaf in use: it must not start another
 * transaction that could wait for this one. Unreadable leaves are passed by.
 *
 * Returns 0 when the whole directory was listed, what @fn returned, or why a
 * part of the directory could not be read.
 */
int bch2_readdir(struct bch_fs *c, const struct bch_subvol_inum *dir, u64 *offset,
		 bch_dirent_cb fn, void *priv)
{
	struct bpos end = POS(dir->inum, U64_MAX);
	struct btree_trans *trans = bch2_trans_get(c);
	struct bch_dirent_view v;
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret = 0, bad = 0;

	bch2_trans_iter_init(trans, &iter, BTREE_ID_dirents,
			     SPOS(dir->inum, *offset, dir->snapshot), BTREE_ITER_prefetch);
	do {
		k = bch2_btree_iter_peek_max(&iter, end);
		while (bkey_err(k)) {
			bad = bad ?: bkey_err(k);
			if (!bch2_btree_iter_skip_bad(&iter))
				goto out;
			k = bch2_btree_iter_peek_max(&iter, end);
		}
		if (!k.k)
			break;
		if (dirent_view(dir, k, &v))
			ret = fn(priv, &v);
		*offset = k.k->p.offset + 1;
	} while (!ret && bch2_btree_iter_advance(&iter));
out:
	bch2_trans_iter_exit(&iter);
	bch2_trans_put(trans);
	return ret ?: bad;
}

static bool name_eq(struct bch_bytes a, const void *b, unsigned len)
{
	return a.len == len && !memcmp(a.p, b, len);
}

static int dirent_target(struct bch_fs *c, const struct bch_subvol_inum *dir,
			 const struct bch_dirent_view *v, struct bch_subvol_inum *target)
{
	if (v->d_type == DT_SUBVOL)
		return bch2_subvol_root(c, v->child_subvol, target);

	*target = *dir;
	target->inum = v->inum;
	return 0;
}

/* The name that is hashed and compared in this directory. */
struct lookup_name {
	const void		*name;
	unsigned		len;
	bool			folded;
};

/*
 * Follows the chain from the name's starting offset: entries with other names
 * and tombstones are passed, a hole ends it (spec 60 section 10.3). @found gets
 * the entry, its name pointing into @stored.
 */
static int dirent_probe(struct bch_fs *c, const struct bch_subvol_inum *dir,
			const struct bch_hash_info *info, const struct lookup_name *l,
			struct bch_dirent_view *found, char *stored, unsigned stored_size)
{
	struct btree_trans *trans = bch2_trans_get(c);
	u64 next = bch2_dirent_hash(info, l->name, l->len);
	struct bch_dirent_view v;
	int ret;

	ret = for_each_btree_key_max(trans, iter, BTREE_ID_dirents,
			SPOS(dir->inum, next, dir->snapshot),
			POS(dir->inum, U64_MAX), 0, k, ({
		int ret2 = 0;

		if (k.k->p.offset != next)
			ret2 = -ENOENT;
		else if (dirent_view(dir, k, &v)) {
			if (name_eq(l->folded
				    ? bch2_dirent_get_lookup_name(k)
				    : bch2_dirent_get_name(k), l->name, l->len)) {
				*found = v;
				found->name_len = min(v.name_len, stored_size);
				memcpy(stored, v.name, found->name_len);
				found->name = stored;
				ret2 = 1;
			}
		} else if (k.k->type == KEY_TYPE_dirent) {
			ret2 = -ENOENT;	/* another subvolume's: counts as a hole */
		}
		next++;
		ret2;
	}));
	bch2_trans_put(trans);
	return ret > 0 ? 0 : ret ?: -ENOENT;
}

struct scan_name {
	const char		*name;
	unsigned		len;
	struct bch_dirent_view	*found;
	char			*stored;
	unsigned		stored_size;
};

static int scan_for_name(void *priv, const struct bch_dirent_view *v)
{
	struct scan_name *s = priv;

	if (v->name_len != s->len || memcmp(v->name, s->name, s->len))
		return 0;
	*s->found = *v;
	s->found->name_len = min(v->name_len, s->stored_size);
	memcpy(s->stored, v->name, s->found->name_len);
	s->found->name = s->stored;
	return 1;
}

/**
 * bch2_dirent_lookup - find a name in a directory
 * @c: filesystem
 * @dir: the directory, and the view
 * @name: without terminator
 * @len: its length in bytes
 * @target: the inode found, in its own subvolume if the entry is one
 * @stored_name: gets the name as it is stored, NUL terminated (it differs from
 *	@name in a casefolded directory)
 * @stored_size: room there; at least 2
 *
 * When the hash does not lead to the name the whole directory is searched, so
 * that entries at a wrong place are found too; that is said in a notice.
 *
 * Returns 0, -ENOENT, or why the directory could not be read.
 */
int bch2_dirent_lookup(struct bch_fs *c, const struct bch_subvol_inum *dir,
		       const char *name, unsigned len, struct bch_subvol_inum *target,
		       char *stored_name, unsigned stored_size)
{
	struct lookup_name l = { .name = name, .len = len };
	struct bch_inode_unpacked *inode;
	struct bch_dirent_view found;
	struct bch_hash_info info;
	u8 *folded = NULL;
	u64 offset = 0;
	int ret;

	inode = kmalloc(sizeof(*inode), GFP_KERNEL);
	if (!inode)
		return -ENOMEM;
	ret = bch2_inode_find(c, dir->inum, dir->snapshot, inode);
	if (!ret)
		ret = bch2_hash_info_init(c, inode, &info);
	kfree(inode);
	if (ret)
		return ret;

	if (info.casefold) {
		folded = kmalloc(BCH_NAME_MAX, GFP_KERNEL);
		if (!folded)
			return -ENOMEM;
		if (!bch2_casefold(c, name, len, folded, &l.len)) {
			l.name = folded;
			l.folded = true;
		} else {
			l.len = len;
		}
	}

	ret = dirent_probe(c, dir, &info, &l, &found, stored_name, stored_size - 1);
	kfree(folded);
	if (ret == -ENOENT) {
		struct scan_name s = { name, len, &found, stored_name, stored_size - 1 };

		ret = bch2_readdir(c, dir, &offset, scan_for_name, &s);
		if (ret <= 0)
			return ret ?: -ENOENT;
		bch_notice(c, "directory %llu of subvolume %u: \"%.*s\" is not where its hash says",
			   dir->inum, dir->subvol, (int) len, name);
		ret = 0;
	}
	if (ret)
		return ret;

	stored_name[found.name_len] = '\0';
	return dirent_target(c, dir, &found, target);
}

static bool xattr_view(struct bkey_s_c k, struct bch_xattr_view *v)
{
	struct bch_bytes name, value;

	if (k.k->type != KEY_TYPE_xattr)
		return false;

	name	= bch2_xattr_get_name(k);
	value	= bch2_xattr_get_value(k);
	*v = (struct bch_xattr_view) {
		.x_type		= bch2_xattr_type(k),
		.prefix		= bch2_xattr_prefix(bch2_xattr_type(k)),
		.name		= (const char *) name.p,
		.name_len	= name.len,
		.value		= value.p,
		.value_len	= value.len,
	};
	return v->prefix != NULL;
}

/**
 * bch2_xattr_list - list the extended attributes of an inode
 * @c: filesystem
 * @inum: inode number
 * @snapshot: view
 * @fn: called for each; a non-zero return value ends the listing
 * @priv: passed to @fn
 *
 * Options of the inode, which a mount shows as bcachefs.* attributes, are not
 * in this btree and not listed here.
 *
 * Returns 0, what @fn returned, or why the btree could not be read.
 */
int bch2_xattr_list(struct bch_fs *c, u64 inum, u32 snapshot, bch_xattr_cb fn, void *priv)
{
	struct btree_trans *trans = bch2_trans_get(c);
	struct bch_xattr_view v;
	int ret;

	ret = for_each_btree_key_max(trans, iter, BTREE_ID_xattrs,
			SPOS(inum, 0, snapshot), POS(inum, U64_MAX), 0, k,
		xattr_view(k, &v) ? fn(priv, &v) : 0);
	bch2_trans_put(trans);
	return ret;
}

/**
 * bch2_xattr_get - find one extended attribute through its hash
 * @c: filesystem
 * @inum: inode number
 * @snapshot: view
 * @x_type: name space (spec 60 section 13)
 * @name: name without prefix
 * @len: its length in bytes, at most 255
 * @fn: called with the attribute
 * @priv: passed to @fn
 *
 * Returns what @fn returned, -ENODATA if there is no such attribute, or why
 * the btree could not be read.
 */
int bch2_xattr_get(struct bch_fs *c, u64 inum, u32 snapshot, u8 x_type,
		   const char *name, unsigned len, bch_xattr_cb fn, void *priv)
{
	struct bch_inode_unpacked *inode = kmalloc(sizeof(*inode), GFP_KERNEL);
	struct bch_hash_info info;
	struct bch_xattr_view v;
	struct btree_trans *trans;
	bool found = false;
	u64 next;
	int ret;

	if (!inode)
		return -ENOMEM;
	ret = bch2_inode_find(c, inum, snapshot, inode);
	if (!ret)
		ret = bch2_hash_info_init(c, inode, &info);
	kfree(inode);
	if (ret)
		return ret;

	next = bch2_xattr_hash(&info, x_type, name, len);
	trans = bch2_trans_get(c);
	ret = for_each_btree_key_max(trans, iter, BTREE_ID_xattrs,
			SPOS(inum, next, snapshot), POS(inum, U64_MAX), 0, k, ({
		int ret2 = 0;

		if (k.k->p.offset != next)
			ret2 = -ENODATA;
		else if (xattr_view(k, &v) && v.x_type == x_type && v.name_len == len &&
			 !memcmp(v.name, name, len)) {
			found = true;
			ret2 = fn(priv, &v) ?: 1;
		}
		next++;
		ret2;
	}));
	bch2_trans_put(trans);
	if (found)
		return ret == 1 ? 0 : ret;
	return ret ?: -ENODATA;
}
