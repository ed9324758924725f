// SPDX-License-Identifier: GPL-2.0
/*
 * A filesystem that was formatted and never started has no journal and no
 * btrees. Its first start would create a root directory and what that needs
 * (spec 31 §16); a start that does not write shows the same, in the overlay.
 *
 * Left out is what only matters to writers: allocation information, accounting,
 * and the empty directory lost+found. Called once, by the thread that starts
 * the filesystem, before roots are read.
 */
#include <linux/stat.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "btree/bkey.h"
#include "init/recovery.h"
#include "journal/overlay.h"
#include "util/log.h"

#define ROOT_SUBVOL		1
#define ROOT_SNAPSHOT_TREE	1
#define ROOT_INO		4096

/* Put a key with a value of @bytes into the overlay. */
static int insert_key(struct bch_fs *c, enum btree_id btree, struct bpos pos, unsigned type,
		      const void *val, size_t bytes)
{
	__BKEY_PADDED(k, 16) buf;

	memset(&buf, 0, sizeof(buf));
	bkey_init(&buf.k.k);
	buf.k.k.type	= type;
	buf.k.k.p	= pos;
	set_bkey_val_bytes(&buf.k.k, bytes);
	memcpy(&buf.k.v, val, bytes);
	return bch2_journal_key_insert(c, btree, 0, &buf.k);
}

static int insert_subvolume(struct bch_fs *c)
{
	struct bch_snapshot_tree tree = {
		.master_subvol	= cpu_to_le32(ROOT_SUBVOL),
		.root_snapshot	= cpu_to_le32(KEY_SNAPSHOT_MAX),
	};
	struct bch_snapshot snapshot = {
		.subvol		= cpu_to_le32(ROOT_SUBVOL),
		.tree		= cpu_to_le32(ROOT_SNAPSHOT_TREE),
	};
	struct bch_subvolume subvol = {
		.snapshot	= cpu_to_le32(KEY_SNAPSHOT_MAX),
		.inode		= cpu_to_le64(ROOT_INO),
	};

	SET_BCH_SNAPSHOT_SUBVOL(&snapshot, true);

	return  insert_key(c, BTREE_ID_snapshot_trees, POS(0, ROOT_SNAPSHOT_TREE),
			   KEY_TYPE_snapshot_tree, &tree, sizeof(tree)) ?:
		insert_key(c, BTREE_ID_snapshots, POS(0, KEY_SNAPSHOT_MAX),
			   KEY_TYPE_snapshot, &snapshot, sizeof(snapshot)) ?:
		insert_key(c, BTREE_ID_subvolumes, POS(0, ROOT_SUBVOL),
			   KEY_TYPE_subvolume, &subvol, sizeof(subvol));
}

static int insert_root_directory(struct bch_fs *c)
{
	struct bch_inode_v3 inode = {};

	SET_INODEv3_STR_HASH(&inode, BCH_STR_HASH_siphash);
	SET_INODEv3_FIELDS_START(&inode, INODEv3_FIELDS_START_INITIAL);
	SET_INODEv3_MODE(&inode, S_IFDIR|0755);

	return insert_key(c, BTREE_ID_inodes, SPOS(0, ROOT_INO, KEY_SNAPSHOT_MAX),
			  KEY_TYPE_inode_v3, &inode, sizeof(inode));
}

/**
 * bch2_fs_initialize_in_memory - what a first start would create
 * @c:	filesystem whose flag INITIALIZED is not set
 *
 * Return: 0 or -ENOMEM.
 */
int bch2_fs_initialize_in_memory(struct bch_fs *c)
{
	bch_notice(c, "filesystem has been formatted but never initialized: it is empty");
	return insert_subvolume(c) ?: insert_root_directory(c);
}
