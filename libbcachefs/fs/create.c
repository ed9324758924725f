// SPDX-License-Identifier: GPL-2.0
/*
 * New names: directory entries, and inodes with their first name (spec 60
 * §10.4, §18 "create").
 *
 * Invariant (I-hash): an entry is put at the first free place at or behind the
 * one its hash names, and no two entries of a directory have the same lookup
 * name. The hole that was found stays intent locked until the commit.
 */
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/math.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "fs/casefold.h"
#include "fs/dirent.h"
#include "fs/inode.h"
#include "fs/inode_write.h"
#include "fs/str_hash.h"

/* The key of an entry; not at its place yet. */
static struct bkey_i *dirent_key(struct btree_trans *trans, const struct bch_hash_info *info,
				 const char *name, unsigned len, u8 type, u64 target)
{
	const size_t bytes_max = sizeof(struct bkey) + sizeof(struct bch_dirent) +
				 2 * BCH_NAME_MAX + 16;
	struct bkey_i *k = bch2_trans_kmalloc(trans, bytes_max);
	struct bch_dirent *d;
	unsigned bytes, folded = 0;

	if (IS_ERR(k))
		return k;
	bkey_init(&k->k);
	k->k.type = KEY_TYPE_dirent;
	d = (struct bch_dirent *) &k->v;
	d->d_inum	= cpu_to_le64(target);
	d->d_type_flags	= type | (info->casefold << 7);

	if (info->casefold) {
		struct bch_dirent_cf_name_block *cf = &d->d_cf_name_block;
		int ret;

		memcpy(cf->d_names, name, len);
		ret = bch2_casefold(trans->c, name, len, cf->d_names + len, &folded);
		if (ret)
			return ERR_PTR(ret);
		cf->d_name_len[0]	= len;
		cf->d_name_len[1]	= len >> 8;
		cf->d_cf_name_len[0]	= folded;
		cf->d_cf_name_len[1]	= folded >> 8;
		bytes = offsetof(struct bch_dirent, d_cf_name_block.d_names) + len + folded;
	} else {
		memcpy((u8 *) d + offsetof(struct bch_dirent, d_name), name, len);
		bytes = offsetof(struct bch_dirent, d_name) + len;
	}
	set_bkey_val_bytes(&k->k, round_up(bytes, sizeof(u64)));
	return k;
}

static bool same_lookup_name(struct bkey_s_c l, struct bkey_s_c r)
{
	const struct bch_bytes a = bch2_dirent_get_lookup_name(l);
	const struct bch_bytes b = bch2_dirent_get_lookup_name(r);

	return a.len == b.len && !memcmp(a.p, b.p, a.len);
}

/* Is the name of @new in the chain that starts at its hash? *slot: where to put it. */
static int dirent_find_slot(struct btree_iter *iter, struct bkey_i *new, u64 *slot)
{
	bool have = false;

	for (;;) {
		const struct bkey_s_c k = bch2_btree_iter_peek_slot(iter);
		const int ret = bkey_err(k);

		if (ret)
			return ret;
		if (k.k->type == KEY_TYPE_dirent) {
			if (same_lookup_name(k, bkey_i_to_s_c(new)))
				return -EEXIST;
		} else {
			if (!have)
				*slot = k.k->p.offset;
			have = true;
			if (k.k->type != KEY_TYPE_hash_whiteout)
				return 0;
		}
		if (iter->pos.offset == U64_MAX)
			return -ENOSPC;
		bch2_btree_iter_set_pos(iter, SPOS(iter->pos.inode, iter->pos.offset + 1,
						   iter->snapshot));
	}
}

/**
 * bch2_dirent_create - queue a new directory entry
 * @trans:	transaction
 * @dir:	directory
 * @snapshot:	where it is written
 * @name:	name, not terminated
 * @len:	its length, 1 to BCH_NAME_MAX bytes
 * @type:	d_type; not DT_SUBVOL
 * @target:	inode number
 * @offset:	gets its place in the directory
 *
 * Return: 0, -EEXIST, a restart, -EINVAL or -ENAMETOOLONG for a bad name, or an
 * error of the btree.
 */
int bch2_dirent_create(struct btree_trans *trans, const struct bch_inode_unpacked *dir,
		       u32 snapshot, const char *name, unsigned len, u8 type, u64 target,
		       u64 *offset)
{
	struct bch_hash_info info;
	struct bch_bytes lookup;
	struct btree_iter iter;
	struct bkey_i *k;
	int ret;

	if (!len || memchr(name, '/', len) || memchr(name, 0, len))
		return -EINVAL;
	if (len > BCH_NAME_MAX)
		return -ENAMETOOLONG;

	ret = bch2_hash_info_init(trans->c, dir, &info);
	if (ret)
		return ret;
	k = dirent_key(trans, &info, name, len, type, target);
	if (IS_ERR(k))
		return PTR_ERR(k);

	lookup = bch2_dirent_get_lookup_name(bkey_i_to_s_c(k));
	bch2_trans_iter_init(trans, &iter, BTREE_ID_dirents,
			     SPOS(dir->bi_inum, bch2_dirent_hash(&info, lookup.p, lookup.len),
				  snapshot),
			     BTREE_ITER_slots|BTREE_ITER_intent);
	ret = dirent_find_slot(&iter, k, offset);
	if (!ret) {
		bch2_btree_iter_set_pos(&iter, SPOS(dir->bi_inum, *offset, snapshot));
		k->k.p = SPOS(dir->bi_inum, *offset, snapshot);
		ret   = bch2_btree_iter_traverse(&iter) ?:
			bch2_trans_update(trans, &iter, k, 0);
	}
	bch2_trans_iter_exit(&iter);
	return ret;
}

/**
 * bch2_create_trans - queue a new inode and its name
 * @trans:	transaction
 * @dir_inum:	directory
 * @snapshot:	snapshot of the subvolume both are in
 * @inode:	new inode, from bch2_inode_init(); gets number and back reference
 * @name:	name
 * @len:	its length, bytes
 *
 * Spec 60 §18, create; access control lists are not inherited, and subvolume
 * roots are made elsewhere.
 *
 * Return: 0, -EEXIST, -ENOTDIR, a restart, or an error of the btree.
 */
int bch2_create_trans(struct btree_trans *trans, u64 dir_inum, u32 snapshot,
		      struct bch_inode_unpacked *inode, const char *name, unsigned len)
{
	const bool is_dir = S_ISDIR(inode->bi_mode);
	struct bch_inode_unpacked dir;
	u64 offset = 0;
	int ret;

	ret = bch2_inode_find_by_inum_snapshot(trans, dir_inum, snapshot, &dir);
	if (ret)
		return ret;
	if (!S_ISDIR(dir.bi_mode))
		return -ENOTDIR;

	/* options are stored as value + 1 */
	ret   = bch2_inode_number_alloc(trans, inode, snapshot,
					dir.bi_inodes_32bit ? dir.bi_inodes_32bit - 1
							    : trans->c->opts.inodes_32bit) ?:
		bch2_dirent_create(trans, &dir, snapshot, name, len,
				   inode->bi_mode >> 12, inode->bi_inum, &offset);
	if (ret)
		return ret;

	inode->bi_dir		= dir_inum;
	inode->bi_dir_offset	= offset;
	if (is_dir) {
		inode->bi_depth = dir.bi_depth + 1;
		dir.bi_nlink++;
	}
	dir.bi_mtime = dir.bi_ctime = inode->bi_ctime;

	return  bch2_inode_write(trans, &dir, snapshot) ?:
		bch2_inode_write(trans, inode, snapshot);
}
