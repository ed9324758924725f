// SPDX-License-Identifier: GPL-2.0
/*
 * The life of struct bch_fs: open, start, stop (spec 31 §2-§4, §17).
 *
 * bch2_fs_open() builds the object from superblocks, bch2_fs_start() makes its
 * contents available - and changeable, unless an option forbids it -
 * bch2_fs_stop() ends writing and gives everything back, whatever state the
 * object is in. With option nostart a filesystem is opened but never started;
 * then its superblock may be written (sb/write.h).
 */
#include <linux/bitops.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "bcachefs.h"
#include "alloc/accounting_live.h"
#include "alloc/alloc_trigger.h"
#include "alloc/discard.h"
#include "alloc/disk_reservation.h"
#include "alloc/foreground.h"
#include "alloc/replicas_live.h"
#include "btree/cache.h"
#include "btree/interior.h"
#include "btree/key_cache.h"
#include "btree/node_write.h"
#include "btree/snapshot_table.h"
#include "btree/write_buffer.h"
#include "check/node_scan.h"
#include "data/compress.h"
#include "data/reconcile_trigger.h"
#include "fs/casefold.h"
#include "init/fs.h"
#include "init/passes.h"
#include "init/recovery.h"
#include "init/rw.h"
#include "journal/journal.h"
#include "journal/overlay.h"
#include "journal/read.h"
#include "journal/seq_blacklist.h"
#include "sb/assemble.h"
#include "sb/crypto.h"
#include "sb/fsck_err.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/write.h"
#include "util/log.h"
#include "util/printbuf.h"

/* --- opening --- */

/* What the options imply for each other. */
static void open_imply_opts(struct bch_opts *opts)
{
	if (opts->norecovery)
		opt_set(*opts, nochanges, true);
	if (opts->nochanges)
		opt_set(*opts, read_only, true);
}

static void print_messages(struct printbuf *msgs, bool failed)
{
	if (!msgs->pos)
		return;
	/* lines end in newlines already, the last one perhaps not */
	if (msgs->buf[msgs->pos - 1] == '\n')
		msgs->buf[msgs->pos - 1] = '\0';
	if (failed)
		bch_err(NULL, "%s", msgs->buf);
	else
		bch_warn(NULL, "%s", msgs->buf);
}

/* Options: those given, else those stored, else the defaults (spec 11). */
static int fs_opts_init(struct bch_fs *c, const struct bch_opts *given)
{
	CLASS(printbuf, err)();
	struct bch_opts opts = bch2_opts_default;
	int ret;

	ret = bch2_opts_from_sb(&opts, c->disk_sb.sb, &err);
	if (ret) {
		bch_err(c, "superblock: %s", printbuf_str(&err));
		return ret;
	}
	bch2_opts_apply(&opts, given);
	bch2_opts_apply_implied(&opts);

	if (opts.norecovery &&
	    (!opts.recovery_pass_last ||
	     opts.recovery_pass_last > BCH_RECOVERY_PASS_snapshots_read))
		opt_set(opts, recovery_pass_last, BCH_RECOVERY_PASS_snapshots_read);

	c->recovery.given = *given;
	c->opts = opts;
	return 0;
}

static void fs_locks_init(struct bch_fs *c)
{
	mutex_init(&c->sb_lock);
	mutex_init(&c->journal.keys.overwrite_lock);
	atomic_set(&c->journal.keys.ref, 1);
	atomic64_set(&c->key_version, 0);
}

/* Methods of upper floors that lower ones call. */
static void lend_methods(struct bch_fs *c)
{
	c->up.request_pass		= bch2_request_stable_pass;
	c->up.btree_lost_data		= bch2_fs_btree_lost_data;
	c->up.alloc_btree_ptrs		= bch2_alloc_btree_ptrs;
	c->up.open_buckets_put		= bch2_open_buckets_put;
	c->up.btree_ptr_work		= bch2_reconcile_btree_ptr;
	c->up.accounting_apply		= bch2_accounting_apply;
	c->up.accounting_unapply	= bch2_accounting_unapply;
	c->up.replicas_cure		= bch2_accounting_replicas_cure;
	c->up.disk_reservation_add	= bch2_disk_reservation_add;
	c->up.disk_reservation_settle	= bch2_disk_reservation_settle;
	c->up.journal_mark_replicas	= bch2_mark_journal_replicas;
	c->up.journal_flushed		= bch2_do_discards;
	c->up.emergency_ro		= bch2_fs_emergency_read_only;
	c->up.write_ref_get		= bch2_write_ref_tryget;
	c->up.write_ref_put		= bch2_write_ref_put;
}

/* Everything that needs the devices and the superblock. */
static int fs_init(struct bch_fs *c, const struct bch_opts *given, struct bch_sb_handle *sbs,
		   unsigned nr, struct printbuf *msgs)
{
	int ret;

	c->opts = *given;
	ret   = bch2_fs_fsck_err_init(c) ?:
		bch2_fs_attach_devices(c, sbs, nr, msgs) ?:
		fs_opts_init(c, given);
	if (ret)
		return ret;

	lend_methods(c);
	bch2_fs_rw_init(c);

	c->read_wq = alloc_workqueue("bcachefs_read", WQ_UNBOUND|WQ_MEM_RECLAIM, 0);
	if (!c->read_wq)
		return -BCH_ERR_ENOMEM_fs_alloc;

	return  bch2_fs_btree_cache_init(c) ?:
		bch2_fs_key_cache_init(c) ?:
		bch2_snapshot_table_init(c) ?:
		bch2_fs_accounting_init(c) ?:
		bch2_fs_allocator_init(c) ?:
		bch2_fs_journal_init(c) ?:
		bch2_fs_btree_node_write_init(c) ?:
		bch2_fs_btree_interior_init(c) ?:
		bch2_fs_write_buffer_init(c);
}

static struct bch_fs *fs_alloc(const struct bch_opts *given, struct bch_sb_handle *sbs,
			       unsigned nr, struct printbuf *msgs)
{
	struct bch_fs *c = kvzalloc(sizeof(*c), GFP_KERNEL);
	int ret;

	if (!c)
		return ERR_PTR(-BCH_ERR_ENOMEM_fs_alloc);

	fs_locks_init(c);
	ret = fs_init(c, given, sbs, nr, msgs);
	if (ret) {
		bch2_fs_stop(c);
		return ERR_PTR(ret);
	}
	return c;
}

/* One superblock per path; stops at the first that cannot be read. */
static int read_supers(const char *const *paths, struct bch_sb_handle *sbs, unsigned nr,
		       struct bch_opts *opts, struct printbuf *msgs)
{
	for (unsigned i = 0; i < nr; i++) {
		const int ret = bch2_read_super_err(paths[i], opts, &sbs[i], msgs);

		if (ret)
			return ret;
	}
	return 0;
}

/**
 * bch2_fs_open - put a filesystem together from its devices
 * @paths:	block devices or image files
 * @nr:		their number, 1 to 256
 * @opts:	options given by the user; those implied are set too
 *
 * Reads the superblocks, chooses the newest, attaches the devices that belong
 * to it and decides the options. What is wrong is logged, device by device.
 * Without nochanges, or norecovery which implies it, the devices are opened for
 * writing, exclusively.
 *
 * Return: the filesystem, to be started, and in any case to be given to
 * bch2_fs_stop(); ERR_PTR on error.
 */
struct bch_fs *bch2_fs_open(const char *const *paths, unsigned nr, struct bch_opts *opts)
{
	CLASS(printbuf, msgs)();
	struct bch_sb_handle *sbs;
	struct bch_fs *c = NULL;
	unsigned nr_sbs = nr;
	int ret;

	if (!nr || nr > BCH_SB_MEMBERS_MAX)
		return ERR_PTR(-EINVAL);
	open_imply_opts(opts);

	sbs = kvcalloc(nr, sizeof(*sbs), GFP_KERNEL);
	if (!sbs)
		return ERR_PTR(-BCH_ERR_ENOMEM_fs_alloc);

	ret   = read_supers(paths, sbs, nr, opts, &msgs) ?:
		bch2_fs_assemble(sbs, &nr_sbs, opts, &msgs);
	if (!ret) {
		c = fs_alloc(opts, sbs, nr_sbs, &msgs);
		ret = PTR_ERR_OR_ZERO(c);
	}
	print_messages(&msgs, ret != 0);

	for (unsigned i = 0; i < nr; i++)
		bch2_free_super(&sbs[i]);
	kvfree(sbs);
	return ret ? ERR_PTR(ret) : c;
}

/* --- starting --- */

/* Things that a start is asked for, or would have to do, and cannot. */
static int start_refuse(struct bch_fs *c)
{
	const struct bch_sb *sb = c->disk_sb.sb;

	if (c->opts.no_version_check) {
		bch_err(c, "opened without version checks: only the superblock may be looked at");
		return -BCH_ERR_invalid_sb_version;
	}
	if (c->opts.journal_rewind) {
		bch_err(c, "this version does not have option journal_rewind");
		return -EOPNOTSUPP;
	}
	if (!BCH_SB_INITIALIZED(sb))
		return 0;
	if (!(c->sb.features & BCH_FEATURE_BIT(new_extent_overwrite))) {
		bch_err(c, "feature new_extent_overwrite not set, filesystem is too old");
		return -BCH_ERR_invalid_sb_features;
	}
	if (c->sb.version_min < bcachefs_metadata_version_min_allowed) {
		bch_err(c, "filesystem has btree nodes of version %u.%u, which is too old",
			BCH_VERSION_MAJOR(c->sb.version_min),
			BCH_VERSION_MINOR(c->sb.version_min));
		return -BCH_ERR_invalid_sb_version;
	}
	return 0;
}

static int start_may(struct bch_fs *c)
{
	CLASS(printbuf, msgs)();
	const int ret = bch2_fs_may_start(c, &msgs);

	print_messages(&msgs, ret != 0);
	if (ret || c->opts.nochanges)
		return ret;

	/* part of the next update of the superblock, which precedes all use (spec 31 §4) */
	mutex_lock(&c->sb_lock);
	bch2_sb_request_incompat(c, bcachefs_metadata_version_no_sb_user_data_replicas);
	mutex_unlock(&c->sb_lock);
	return 0;
}

static int start_key(struct bch_fs *c)
{
	int ret;

	if (!c->sb.encryption_type)
		return 0;
	ret = bch2_fs_load_master_key(c);
	if (ret)
		bch_err(c, "cannot get the encryption key: %s", bch2_err_str(ret));
	return ret;
}

/* Read-write or read-only, as the options say, whatever recovery needed. */
static int start_end_state(struct bch_fs *c)
{
	if (c->opts.nochanges || c->opts.read_journal_only)
		return 0;
	if (!c->opts.read_only)
		return bch2_fs_read_write(c);
	bch2_fs_read_only(c);
	return 0;
}

/**
 * bch2_fs_start - make the contents of a filesystem available
 * @c:	what bch2_fs_open() has returned
 *
 * Reads the clean section or the journal, the btree roots and the snapshots,
 * and runs the recovery passes that are due. With option nochanges nothing is
 * written; otherwise the filesystem is recovered on its devices, and read-write
 * afterwards unless option read_only says no. After an error the filesystem can
 * only be stopped.
 *
 * Return: 0, or why it cannot be started, which has been logged.
 */
int bch2_fs_start(struct bch_fs *c)
{
	int ret;

	if (test_bit(BCH_FS_started, &c->flags) || c->opts.nostart)
		return -EINVAL;

	set_bit(BCH_FS_in_recovery, &c->flags);
	if (c->opts.fsck)
		set_bit(BCH_FS_in_fsck, &c->flags);

	ret = start_refuse(c);
	if (ret)
		goto err;

	if (!c->opts.nochanges)
		bch2_fs_members_mounted(c);
	ret   = bch2_fs_version_init(c) ?:
		start_may(c) ?:
		start_key(c) ?:
		bch2_casefold_init(c) ?:
		bch2_fs_recovery(c);
	if (ret)
		goto err;

	clear_bit(BCH_FS_in_recovery, &c->flags);
	ret = start_end_state(c);
	if (ret)
		goto err;
	set_bit(BCH_FS_started, &c->flags);
err:
	clear_bit(BCH_FS_in_recovery, &c->flags);
	return ret;
}

/* --- stopping --- */

static int stop_result(const struct bch_fs *c)
{
	if (test_bit(BCH_FS_emergency_ro, &c->flags))
		return -BCH_ERR_shutdown_with_emergency_ro;
	if (test_bit(BCH_FS_error, &c->flags))
		return -BCH_ERR_shutdown_with_errors_unfixed;
	if (test_bit(BCH_FS_errors_fixed, &c->flags))
		return -BCH_ERR_shutdown_with_errors_fixed;
	return 0;
}

/**
 * bch2_fs_stop - end a filesystem and free it
 * @c:	filesystem in any state; no btree_trans or reader is left. NULL: nothing
 *
 * Return: how it ended (spec 31 §17.2): 0, or an error of class
 * shutdown_with_errors.
 */
int bch2_fs_stop(struct bch_fs *c)
{
	int ret;

	if (!c)
		return 0;

	set_bit(BCH_FS_stopping, &c->flags);
	if (c->rw.initialized) {
		bch2_fs_read_only(c);
		flush_work(&c->rw.emergency_work);
	}
	ret = stop_result(c);

	bch2_fs_write_buffer_exit(c);
	bch2_fs_btree_interior_exit(c);
	bch2_fs_btree_node_write_exit(c);
	bch2_fs_key_cache_exit(c);
	for_each_member_device(c, ca)
		bch2_dev_bucket_gens_exit(ca);
	bch2_fs_allocator_exit(c);
	if (c->read_wq)
		destroy_workqueue(c->read_wq);
	bch2_fs_btree_cache_exit(c);
	bch2_fs_journal_exit(c);
	bch2_fs_accounting_exit(c);
	bch2_journal_keys_put(c);
	bch2_journal_entries_free(c);
	bch2_blacklist_table_free(c);
	bch2_clean_section_drop(c);
	bch2_found_nodes_exit(c);
	bch2_snapshot_table_exit(c);
	bch2_casefold_exit(c);
	bch2_fs_data_exit(c);
	bch2_fs_detach_devices(c);
	bch2_fs_fsck_err_exit(c);

	memzero_explicit(&c->chacha20_key, sizeof(c->chacha20_key));
	kvfree(c);
	return ret;
}
