// SPDX-License-Identifier: GPL-2.0
/*
 * From an inode to its path, by backpointers (spec 60 section 9).
 *
 * Used in messages and listings only: a path that cannot be found out is not
 * an error of the caller's, so what is known of it is printed all the same.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/iter.h"
#include "fs/dirent.h"
#include "fs/inode.h"
#include "fs/namei.h"
#include "fs/path.h"
#include "util/printbuf.h"

/* More components than this are taken for a loop. */
#define PATH_DEPTH_MAX		4096
#define PATH_BYTES_MAX		(1U << 20)

/* The path grows from its end: buf[pos..size) holds what is known. */
struct path_buf {
	char			*buf;
	size_t			pos, size;
};

static int path_prepend(struct path_buf *p, const void *name, size_t len)
{
	if (len + 1 > p->pos) {
		size_t used = p->size - p->pos;
		size_t size = max_t(size_t, p->size * 2, used + len + 256);
		char *n;

		if (size > PATH_BYTES_MAX)
			return -ENAMETOOLONG;
		n = kvmalloc(size, GFP_KERNEL);
		if (!n)
			return -ENOMEM;
		if (used)
			memcpy(n + size - used, p->buf + p->pos, used);
		kvfree(p->buf);
		p->buf	= n;
		p->pos	= size - used;
		p->size	= size;
	}
	p->pos -= len;
	memcpy(p->buf + p->pos, name, len);
	p->buf[--p->pos] = '/';
	return 0;
}

/* Prepends the name of @i and makes @i its directory. 1: it was the root. */
static int path_step(struct bch_fs *c, struct path_buf *p, struct bch_inode_unpacked *inode,
		     struct bch_subvol_inum *i)
{
	struct btree_trans *trans;
	struct btree_iter iter;
	struct bkey_s_c k;
	int ret;

	if (i->subvol == BCACHEFS_ROOT_SUBVOL && i->inum == BCACHEFS_ROOT_INO)
		return 1;

	ret = bch2_inode_find(c, i->inum, i->snapshot, inode);
	if (ret)
		return ret;
	if (inode->bi_subvol && inode->bi_parent_subvol) {
		struct bch_subvol_inum parent;

		ret = bch2_subvol_root(c, inode->bi_parent_subvol, &parent);
		if (ret)
			return ret;
		i->subvol	= parent.subvol;
		i->snapshot	= parent.snapshot;
	}
	if (!bch2_inode_has_backpointer(inode))
		return -ENOENT;
	i->inum = inode->bi_dir;

	trans = bch2_trans_get(c);
	bch2_trans_iter_init(trans, &iter, BTREE_ID_dirents,
			     SPOS(inode->bi_dir, inode->bi_dir_offset, i->snapshot), 0);
	k = bch2_btree_iter_peek_slot(&iter);
	ret = bkey_err(k);
	if (!ret && k.k->type == KEY_TYPE_dirent) {
		struct bch_bytes name = bch2_dirent_get_name(k);

		ret = path_prepend(p, name.p, name.len);
	} else if (!ret) {
		ret = -ENOENT;
	}
	bch2_trans_iter_exit(&iter);
	bch2_trans_put(trans);
	return ret;
}

/**
 * bch2_inum_to_path - print the path of an inode from the root of the filesystem
 * @out: output; starts with a slash. If the path is incomplete, what is known is
 *	preceded by "(unreachable)"
 * @c: filesystem
 * @inum: the inode and the view
 *
 * Returns 0, or negative if the path is incomplete.
 */
int bch2_inum_to_path(struct printbuf *out, struct bch_fs *c, const struct bch_subvol_inum *inum)
{
	struct bch_inode_unpacked *inode = kmalloc(sizeof(*inode), GFP_KERNEL);
	struct bch_subvol_inum i = *inum;
	struct path_buf p = {};
	unsigned depth = 0;
	int ret = inode ? 0 : -ENOMEM;

	while (!ret)
		ret = depth++ == PATH_DEPTH_MAX ? -ELOOP : path_step(c, &p, inode, &i);
	kfree(inode);

	if (ret < 0)
		prt_str(out, "(unreachable)");
	if (p.size > p.pos)
		prt_printf(out, "%.*s", (int) (p.size - p.pos), p.buf + p.pos);
	else
		prt_char(out, '/');
	kvfree(p.buf);
	return ret < 0 ? ret : 0;
}
