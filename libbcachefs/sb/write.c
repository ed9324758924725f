// SPDX-License-Identifier: GPL-2.0
/*
 * Superblock updates: from the merged copy in memory to every copy on every
 * online device (spec 10 sections 10, 12).
 *
 * Invariants. Copy k + 1 is not begun on any device before copy k has ended on
 * all of them, so a crash damages at most one copy of each device, and all
 * others hold the old or the new state completely. Nothing is written that does
 * not pass validation, and nothing is written over a superblock that somebody
 * else has changed. A filesystem is called clean only as long as the state that
 * is written needs no journal.
 *
 * Called by whoever has changed c->disk_sb, with c->sb_lock held throughout.
 */
#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/blkdev.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/lockdep.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "bcachefs.h"
#include "sb/fsck_err.h"
#include "sb/io.h"
#include "sb/members.h"
#include "sb/replicas.h"
#include "sb/write.h"
#include "util/log.h"

/* --- may it be written at all? --- */

/* Superblocks that stay as they are, whatever changes in memory (spec 10 section 6.1). */
static int suppressed(const struct bch_fs *c)
{
	const u64 features = le64_to_cpu(c->disk_sb.sb->features[0]);

	if (features & BCH_FEATURE_BIT(small_image))
		return -BCH_ERR_erofs_small_image;
	if (features & BCH_FEATURE_BIT(no_default_sb))
		return -BCH_ERR_erofs_no_default_sb;
	return 0;
}

static int version_writable(const struct bch_fs *c, struct printbuf *err)
{
	const unsigned version = le16_to_cpu(c->disk_sb.sb->version);

	if (version > bcachefs_metadata_version_current) {
		prt_str(err, "the filesystem is of a newer version (");
		bch2_sb_version_to_text(err, version);
		prt_str(err, ") and has not been downgraded: it can be read, not written");
		return -BCH_ERR_invalid_sb_version;
	}
	if (c->opts.no_version_check) {
		prt_str(err, "opened without version checks");
		return -BCH_ERR_invalid_sb_version;
	}
	return 0;
}

/**
 * bch2_sb_may_write() - would bch2_write_super() write?
 * @c:		open filesystem
 * @err:	why not
 *
 * For callers whose only business is the update: bch2_write_super() itself
 * leaves suppressed updates out without an error.
 *
 * Return: 0, a kind of -EROFS, or -BCH_ERR_invalid_sb_version.
 */
int bch2_sb_may_write(const struct bch_fs *c, struct printbuf *err)
{
	const int ret = suppressed(c);

	if (c->opts.nochanges) {
		prt_str(err, "opened for reading only");
		return -BCH_ERR_erofs_nochanges;
	}
	if (ret == -BCH_ERR_erofs_small_image)
		prt_str(err, "the device holds an image that was not resized yet (feature "
			     "small_image): read-only");
	else if (ret)
		prt_str(err, "the superblock is not at its usual place (feature "
			     "no_default_sb): read-only");
	return ret ?: version_writable(c, err);
}

/* --- the new state in memory --- */

/*
 * Clean or dirty (spec 10 section 10). What an older kernel left in replicas of
 * a clean filesystem refers to journal entries that nobody needs; that is known
 * until the journal is used. A filesystem that is not clean becomes so only by
 * whoever has flushed its journal and knows its roots.
 */
static int decide_clean(struct bch_fs *c)
{
	struct bch_sb *sb = c->disk_sb.sb;
	int ret;

	if (BCH_SB_CLEAN(sb) && !test_bit(BCH_FS_may_go_rw, &c->flags) &&
	    !test_bit(BCH_FS_was_rw, &c->flags)) {
		ret = bch2_sb_drop_journal_replicas(&c->disk_sb);
		if (ret)
			return ret;
		sb = c->disk_sb.sb;
	}

	if (bch2_sb_has_journal_replicas(sb)) {
		SET_BCH_SB_CLEAN(sb, 0);
		sb->features[0] |= cpu_to_le64(BCH_SB_FEATURES_ALWAYS);
	}
	return 0;
}

/* The device's entry: this update, and I/O errors since the last one. */
static void member_update(struct bch_fs *c, struct bch_dev *ca)
{
	struct bch_member m = bch2_sb_member_get(c->disk_sb.sb, ca->dev_idx);

	m.seq = c->disk_sb.sb->seq;
	for (unsigned i = 0; i < BCH_MEMBER_ERROR_NR; i++) {
		const u64 nr = atomic64_read(&ca->errors[i]);

		le64_add_cpu(&m.errors[i], nr - ca->errors_in_sb[i]);
		ca->errors_in_sb[i] = nr;
	}
	bch2_sb_member_set(c->disk_sb.sb, ca->dev_idx, &m);
}

static void header_update(struct bch_fs *c)
{
	struct bch_sb *sb = c->disk_sb.sb;

	sb->magic		= BCHFS_MAGIC;
	sb->layout.magic	= BCHFS_MAGIC;
	le64_add_cpu(&sb->seq, 1);
	sb->write_time		= cpu_to_le64(ktime_get_real_seconds());

	if (test_bit(BCH_FS_error, &c->flags))
		SET_BCH_SB_HAS_ERRORS(sb, 1);
	if (test_bit(BCH_FS_topology_error, &c->flags))
		SET_BCH_SB_HAS_TOPOLOGY_ERRORS(sb, 1);
	SET_BCH_SB_CSUM_TYPE(sb, bch2_csum_opt_to_type(BCH_SB_META_CSUM_TYPE(sb), false));

	for_each_online_member(c, ca)
		member_update(c, ca);
}

static int devices_update(struct bch_fs *c)
{
	CLASS(printbuf, err)();
	int ret;

	for_each_online_member(c, ca) {
		ret = bch2_sb_copy_shared(&ca->disk_sb, c->disk_sb.sb);
		if (ret) {
			bch_err_dev(ca, "cannot update the superblock: %s", bch2_err_str(ret));
			return ret;
		}
		ret = bch2_sb_validate(ca->disk_sb.sb, &c->opts, 0, BCH_VALIDATE_write, &err);
		if (ret) {
			bch_err_dev(ca, "superblock would become invalid, not written: %s",
				    printbuf_str(&err));
			set_bit(BCH_FS_error, &c->flags);
			return ret;
		}
	}
	return 0;
}

static int new_state(struct bch_fs *c)
{
	struct bch_opts opts;
	CLASS(printbuf, err)();
	int ret;

	ret = decide_clean(c);
	if (ret)
		return ret;
	header_update(c);

	ret = bch2_opts_from_sb(&opts, c->disk_sb.sb, &err);
	if (ret) {
		bch_err(c, "superblock would become invalid, not written: %s",
			printbuf_str(&err));
		return ret;
	}
	return  bch2_sb_refresh_sections(&c->disk_sb) ?:
		bch2_sb_refresh_running(c) ?:
		devices_update(c);
}

/* --- is on the devices what we wrote last? (section 12, step 8) --- */

static int lost_write(struct bch_fs *c, struct bch_dev *ca, u64 seq)
{
	const bool fatal = c->opts.errors == BCH_ON_ERROR_ro ||
			   c->opts.errors == BCH_ON_ERROR_panic;

	bch_err_dev(ca, "an earlier superblock write was lost: seq %llu on disk, %llu was written",
		    seq, ca->disk_sb.seq);
	return fatal ? -BCH_ERR_sb_write_lost : 0;
}

static int first_copy_check(struct bch_fs *c, struct bch_dev *ca)
{
	const u64 sector = le64_to_cpu(ca->disk_sb.sb->layout.sb_offset[0]);
	struct bch_sb_handle copy = { .bdev = ca->disk_sb.bdev, .path = ca->disk_sb.path };
	CLASS(printbuf, reason)();
	int ret = bch2_sb_read_copy(&copy, sector, &reason);

	if (ret) {
		/* damaged or unreadable: says nothing, and is about to be replaced */
		ret = bch2_err_matches(ret, ENOMEM) ? ret : 0;
	} else if (memcmp(&copy.sb->uuid, &c->disk_sb.sb->uuid, sizeof(copy.sb->uuid)) ||
		   copy.seq > ca->disk_sb.seq) {
		bch_err_dev(ca, "somebody else has written the superblock: seq %llu on disk, "
			    "expected %llu", copy.seq, ca->disk_sb.seq);
		ret = -BCH_ERR_sb_changed_elsewhere;
	} else if (copy.seq < ca->disk_sb.seq && ca->disk_sb.read_sector == sector) {
		ret = lost_write(c, ca, copy.seq);
	}
	kvfree(copy.sb);
	return ret;
}

/* --- writing (section 12, steps 9 to 11) --- */

/* One device's share in a round. */
struct copy_write {
	struct bch_write_part	part;
	struct bch_dev		*ca;
	u64			sector;
	bool			written;	/* some copy, in this or an earlier round */
};

static void copy_ended(struct copy_write *w)
{
	struct bch_sb_handle *handle = &w->ca->disk_sb;

	if (atomic_read(&w->part.failed)) {
		bch_err_dev(w->ca, "error writing superblock at sector %llu", w->sector);
		handle->copies_bad++;
		return;
	}
	if (!w->written) {
		handle->seq = le64_to_cpu(handle->sb->seq);
		handle->read_sector = w->sector;
	}
	w->written = true;
}

/* Copy @k of every device that has one, at once. Return: how many there are. */
static unsigned write_round(struct copy_write *w, unsigned nr, unsigned k)
{
	struct bch_write_batch batch;
	unsigned ret = 0;

	bch2_write_batch_init(&batch);
	for (unsigned i = 0; i < nr; i++) {
		struct bch_sb_handle *handle = &w[i].ca->disk_sb;

		if (k >= handle->sb->layout.nr_superblocks)
			continue;
		w[i].part.batch = &batch;
		atomic_set(&w[i].part.failed, 0);
		w[i].sector = le64_to_cpu(handle->sb->layout.sb_offset[k]);
		bch2_sb_copy_submit(&w[i].part, handle->bdev, handle->sb, w[i].sector);
		ret++;
	}
	bch2_write_batch_wait(&batch);

	for (unsigned i = 0; i < nr; i++)
		if (k < w[i].ca->disk_sb.sb->layout.nr_superblocks)
			copy_ended(&w[i]);
	return ret;
}

/* Is the new state on devices that are enough to find it again? */
static int written_enough(struct bch_fs *c, const struct bch_devs_mask *written)
{
	unsigned allowed = BCH_METADATA_DEGRADED|BCH_DATA_DEGRADED;
	CLASS(printbuf, err)();

	if (c->opts.degraded == BCH_DEGRADED_very)
		allowed |= BCH_METADATA_LOST|BCH_DATA_LOST;

	if (!bitmap_empty(written->d, BCH_SB_MEMBERS_MAX) &&
	    (!memcmp(written, &c->online_devs, sizeof(*written)) ||
	     bch2_sb_have_enough_devs(c->disk_sb.sb, written, allowed, &err)))
		return 0;

	bch_err(c, "the superblock could not be written to enough devices%s%s",
		err.pos ? ": " : "", printbuf_str(&err));
	return -BCH_ERR_sb_not_written;
}

static int write_copies(struct bch_fs *c)
{
	struct bch_devs_mask written = {};
	struct copy_write *w;
	unsigned nr = 0;

	w = kvcalloc(BCH_SB_MEMBERS_MAX, sizeof(*w), GFP_KERNEL);
	if (!w)
		return -BCH_ERR_ENOMEM_sb_bio;
	for_each_online_member(c, ca) {
		ca->disk_sb.copies_bad = 0;
		w[nr++].ca = ca;
	}

	for (unsigned k = 0; write_round(w, nr, k); k++)
		;

	for (unsigned i = 0; i < nr; i++)
		if (w[i].written)
			__set_bit(w[i].ca->dev_idx, written.d);
	kvfree(w);
	return written_enough(c, &written);
}

static void decode(struct bch_fs *c)
{
	bch2_sb_to_cpu(c);
	for_each_member_device(c, ca) {
		const struct bch_member m = bch2_sb_member_get(c->disk_sb.sb, ca->dev_idx);

		bch2_mi_update(&ca->mi, &m);
	}
}

static int write_new_state(struct bch_fs *c)
{
	CLASS(printbuf, err)();
	int ret = version_writable(c, &err);

	if (ret) {
		bch_err(c, "superblock not written: %s", printbuf_str(&err));
		return ret;
	}
	for_each_online_member(c, ca) {
		ret = first_copy_check(c, ca);
		if (ret)
			return ret;
	}
	return write_copies(c);
}

/**
 * bch2_write_super() - bring the superblock in memory to the devices
 * @c:		filesystem; c->disk_sb has been changed
 *
 * Spec 10 section 12; caller holds c->sb_lock. Nothing is written, without an
 * error, with option nochanges, with the features small_image and no_default_sb,
 * and while a filesystem is being initialised: then what format wrote stays
 * until all of it is there. A copy that cannot be written is reported and
 * counted in its device's disk_sb.copies_bad.
 *
 * What was changed in c->disk_sb stays there also after an error.
 *
 * Return: 0; a kind of -BCH_ERR_invalid_sb if the new state is not valid, and
 * -BCH_ERR_sb_changed_elsewhere, -BCH_ERR_ENOSPC_sb or no memory: nothing was
 * written; -BCH_ERR_sb_write_lost; -BCH_ERR_sb_not_written: on too few devices.
 */
int bch2_write_super(struct bch_fs *c)
{
	int ret;

	lockdep_assert_held(&c->sb_lock);

	if (suppressed(c))
		return 0;

	ret = new_state(c);
	if (ret)
		return ret;
	decode(c);

	if (c->opts.nochanges ||
	    (!BCH_SB_INITIALIZED(c->disk_sb.sb) && !c->opts.nostart))
		return 0;

	ret = write_new_state(c);
	if (bch2_err_matches(ret, BCH_ERR_sb_write))
		bch2_fatal_error(c);
	return ret;
}
