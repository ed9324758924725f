// SPDX-License-Identifier: GPL-2.0
/*
 * The first start of a formatted filesystem: allocation information, journal,
 * the first subvolume, its root directory and lost+found (spec 31 §16).
 *
 * Invariant: until the last step the superblocks on the devices stay those that
 * format wrote, with INITIALIZED 0; whatever interrupts this leaves a filesystem
 * that can be started for the first time again. Run by the thread that starts the
 * filesystem, in place of journal reading and recovery passes.
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/stat.h>
#include <linux/string.h>

#include "bcachefs.h"
#include "alloc/dev_init.h"
#include "btree/commit.h"
#include "btree/trans.h"
#include "btree/update.h"
#include "fs/casefold.h"
#include "fs/inode_write.h"
#include "init/recovery.h"
#include "init/rw.h"
#include "journal/journal.h"
#include "journal/overlay.h"
#include "journal/replay.h"
#include "sb/field.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/write.h"
#include "snapshots/snapshot.h"
#include "util/log.h"

#define ROOT_SUBVOL		1
#define ROOT_SNAPSHOT_TREE	1

/* --- superblock, in memory (steps 1 to 3) --- */

static void first_version(struct bch_fs *c)
{
	struct bch_sb *sb = c->disk_sb.sb;

	if (c->opts.version_upgrade != BCH_VERSION_UPGRADE_none)
		sb->version = cpu_to_le16(bcachefs_metadata_version_current);
	SET_BCH_SB_VERSION_UPGRADE_COMPLETE(sb, le16_to_cpu(sb->version));
}

/* What a compression option needs of readers; the type is in its low four bits. */
static u64 compression_feature(u8 opt)
{
	switch (opt & 15) {
	case BCH_COMPRESSION_OPT_lz4:
		return BCH_FEATURE_BIT(lz4);
	case BCH_COMPRESSION_OPT_gzip:
		return BCH_FEATURE_BIT(gzip);
	case BCH_COMPRESSION_OPT_zstd:
		return BCH_FEATURE_BIT(zstd);
	default:
		return 0;
	}
}

/* Features that the options imply (spec 10 §6). */
static u64 option_features(const struct bch_opts *opts)
{
	return  compression_feature(opts->compression) |
		compression_feature(opts->background_compression) |
		(opts->erasure_code ? BCH_FEATURE_BIT(ec) : 0) |
		(opts->casefold ? BCH_FEATURE_BIT(casefolding) : 0);
}

static void first_superblock(struct bch_fs *c)
{
	struct bch_sb *sb = c->disk_sb.sb;

	mutex_lock(&c->sb_lock);
	sb->compat[0] |= cpu_to_le64(BCH_COMPAT_BIT(extents_above_btree_updates_done) |
				     BCH_COMPAT_BIT(bformat_overflow_done) |
				     BCH_COMPAT_BIT(no_stale_ptrs));
	sb->features[0] |= cpu_to_le64(option_features(&c->opts));
	first_version(c);
	bch2_sb_to_cpu(c);
	mutex_unlock(&c->sb_lock);
	bch2_fs_members_start_init(c);
}

/* --- the first subvolume (step 8) --- */

static int insert_val(struct btree_trans *trans, enum btree_id btree, struct bpos pos,
		      unsigned type, const void *val, size_t bytes)
{
	struct bkey_i *k = bch2_trans_kmalloc(trans, sizeof(struct bkey) + bytes);

	if (IS_ERR(k))
		return PTR_ERR(k);
	bkey_init(&k->k);
	k->k.type	= type;
	k->k.p		= pos;
	set_bkey_val_bytes(&k->k, bytes);
	memcpy((u64 *) k + BKEY_U64s, val, bytes);
	return bch2_btree_insert_trans(trans, btree, k, 0);
}

static int insert_snapshot_tree(struct btree_trans *trans)
{
	const struct bch_snapshot_tree v = {
		.master_subvol	= cpu_to_le32(ROOT_SUBVOL),
		.root_snapshot	= cpu_to_le32(KEY_SNAPSHOT_MAX),
	};

	return insert_val(trans, BTREE_ID_snapshot_trees, POS(0, ROOT_SNAPSHOT_TREE),
			  KEY_TYPE_snapshot_tree, &v, sizeof(v));
}

static int insert_snapshot(struct btree_trans *trans)
{
	struct bch_snapshot v = {
		.subvol		= cpu_to_le32(ROOT_SUBVOL),
		.tree		= cpu_to_le32(ROOT_SNAPSHOT_TREE),
	};

	SET_BCH_SNAPSHOT_SUBVOL(&v, true);
	return insert_val(trans, BTREE_ID_snapshots, POS(0, KEY_SNAPSHOT_MAX),
			  KEY_TYPE_snapshot, &v, sizeof(v));
}

static int insert_subvolume(struct btree_trans *trans)
{
	const struct bch_subvolume v = {
		.snapshot	= cpu_to_le32(KEY_SNAPSHOT_MAX),
		.inode		= cpu_to_le64(BCACHEFS_ROOT_INO),
	};

	return insert_val(trans, BTREE_ID_subvolumes, POS(0, ROOT_SUBVOL),
			  KEY_TYPE_subvolume, &v, sizeof(v));
}

/**
 * bch2_initialize_subvolumes - make the first snapshot tree, snapshot, subvolume
 * @c:	filesystem that has none
 *
 * Return: 0 or an error of the btree.
 */
int bch2_initialize_subvolumes(struct bch_fs *c)
{
	return  bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
				     insert_snapshot_tree(trans)) ?:
		bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
				     insert_snapshot(trans)) ?:
		bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
				     insert_subvolume(trans));
}

/* --- directories (steps 10, 11) --- */

static int create_root(struct btree_trans *trans)
{
	struct bch_fs *c = trans->c;
	struct bch_inode_unpacked root;

	bch2_inode_init(c, &root, 0, 0, S_IFDIR|0755, 0, bch2_current_time(c), NULL);
	root.bi_inum	= BCACHEFS_ROOT_INO;
	root.bi_subvol	= ROOT_SUBVOL;
	return bch2_inode_write(trans, &root, KEY_SNAPSHOT_MAX);
}

static int create_lost_found(struct btree_trans *trans)
{
	static const char name[] = "lost+found";
	struct bch_fs *c = trans->c;
	struct bch_inode_unpacked dir, parent;

	return  bch2_inode_find_by_inum_snapshot(trans, BCACHEFS_ROOT_INO, KEY_SNAPSHOT_MAX,
						 &parent) ?:
		(bch2_inode_init(c, &dir, 0, 0, S_IFDIR|0700, 0, bch2_current_time(c), &parent),
		 bch2_create_trans(trans, BCACHEFS_ROOT_INO, KEY_SNAPSHOT_MAX, &dir, name,
				   sizeof(name) - 1));
}

static int create_contents(struct bch_fs *c)
{
	int ret;

	ret   = bch2_initialize_subvolumes(c) ?:
		bch2_snapshots_read(c);
	if (ret) {
		bch_err(c, "creating the first subvolume: %s", bch2_err_str(ret));
		return ret;
	}

	ret   = bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
				     create_root(trans)) ?:
		bch2_trans_commit_do(c, NULL, NULL, BCH_TRANS_COMMIT_no_enospc,
				     create_lost_found(trans));
	if (ret)
		bch_err(c, "creating the root directory: %s", bch2_err_str(ret));
	return ret;
}

/* --- devices and journal (steps 6, 7) --- */

/* Allocation information and journal buckets, in the overlay. */
static int init_devices(struct bch_fs *c)
{
	for_each_online_member(c, ca) {
		const int ret = bch2_dev_init_steps(c, ca);

		if (ret) {
			bch_err_dev(ca, "making allocation information: %s", bch2_err_str(ret));
			return ret;
		}
	}
	return 0;
}

/* From here on every update is journalled; what was collected is replayed. */
static int start_journal(struct bch_fs *c)
{
	int ret = bch2_journal_start(c, 1, 1);

	if (ret)
		return ret;
	c->rw.journal_running = true;

	bch2_journal_keys_freeze(c);
	set_bit(BCH_FS_may_go_rw, &c->flags);
	return  bch2_fs_read_write_early(c) ?:
		bch2_journal_replay(c);
}

/* The last step: from now on there is a filesystem. */
static int write_initialized(struct bch_fs *c)
{
	struct bch_sb_field_ext *ext;
	struct bch_sb *sb;
	int ret;

	ret = bch2_journal_flush(c);
	if (ret)
		return ret;

	/* no way back into what was made here (spec 31 §16 step 12) */
	bch2_journal_set_rewind_limit(c, bch2_journal_cur_seq(c) + 1);

	mutex_lock(&c->sb_lock);
	sb = c->disk_sb.sb;
	SET_BCH_SB_INITIALIZED(sb, 1);
	SET_BCH_SB_CLEAN(sb, 0);
	sb->features[0] |= cpu_to_le64(BCH_SB_FEATURES_ALWAYS);
	ext = bch2_sb_field_get(sb, ext);
	if (ext && bch2_sb_field_has(ext, errors_silent)) {
		memset(ext->errors_silent, 0, sizeof(ext->errors_silent));
		memset(ext->recovery_passes_required, 0, sizeof(ext->recovery_passes_required));
	}
	ret = bch2_write_super(c);
	mutex_unlock(&c->sb_lock);
	return ret;
}

/**
 * bch2_fs_first_start - initialise a formatted filesystem
 * @c:	filesystem whose flag INITIALIZED is not set, opened for writing
 *
 * Return: 0: the filesystem is read-write, and on disk; or why not.
 */
int bch2_fs_first_start(struct bch_fs *c)
{
	bch_notice(c, "initializing new filesystem");
	first_superblock(c);
	c->recovery.is_clean = true;

	/* the root directory may be the first that needs the folding tables */
	return  bch2_casefold_init(c) ?:
		bch2_read_btree_roots(c) ?:
		init_devices(c) ?:
		start_journal(c) ?:
		create_contents(c) ?:
		write_initialized(c);
}
